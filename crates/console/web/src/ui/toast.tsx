// Short messages about what was done. Errors of actions stay beside what caused them, not here.
import { CircleCheck, CircleX, X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { IconButton } from "./button";

/** How long a message stays, in milliseconds. */
const STAYS_MS = 6_000;
/** Most messages at a time. */
const MESSAGES_MAX = 4;

interface Toast {
  id: number;
  text: string;
  failed: boolean;
}

let toasts: Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function dismiss(id: number): void {
  set(toasts.filter((toast) => toast.id !== id));
}

/** Says what was done, or with `failed` what wasn't. */
export function toast(text: string, failed = false): void {
  last += 1;
  const id = last;
  set([...toasts, { id, text, failed }].slice(-MESSAGES_MAX));
  setTimeout(() => dismiss(id), STAYS_MS);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const { t } = useTranslation();
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed end-4 bottom-4 z-50 flex w-[min(24rem,calc(100vw-2rem))] flex-col gap-2"
    >
      {shown.map(({ id, text, failed }) => (
        <div
          key={id}
          className="pointer-events-auto flex items-start gap-2 rounded-lg border border-line bg-raised py-2 ps-3 pe-1 shadow-raised animate-rise"
        >
          {failed ? (
            <CircleX className="mt-1 size-4 shrink-0 text-cinnabar" aria-hidden />
          ) : (
            <CircleCheck className="mt-1 size-4 shrink-0 text-bamboo" aria-hidden />
          )}
          <span className="min-w-0 flex-1 break-words">{text}</span>
          <IconButton small name={t("ui.close")} onClick={() => dismiss(id)}>
            <X aria-hidden />
          </IconButton>
        </div>
      ))}
    </div>
  );
}
