// How something stands: always a word and a shape beside the colour.
import { CircleAlert, CircleCheck, CircleDashed, CircleX, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

export type Tone = "good" | "doubt" | "bad" | "quiet" | "info";

const TEXT: Record<Tone, string> = {
  good: "text-bamboo bg-bamboo-soft",
  doubt: "text-ochre bg-ochre-soft",
  bad: "text-cinnabar bg-cinnabar-soft",
  quiet: "text-ink-2 bg-sunken",
  info: "text-indigo bg-indigo-soft",
};

const ICONS: Record<Tone, LucideIcon> = {
  good: CircleCheck,
  doubt: CircleAlert,
  bad: CircleX,
  quiet: CircleDashed,
  info: CircleDashed,
};

export function Badge(props: { tone?: Tone; icon?: boolean; children: ReactNode; className?: string }) {
  const tone = props.tone ?? "quiet";
  const Icon = ICONS[tone];
  return (
    <span
      className={cx(
        "inline-flex items-center gap-1 rounded-full px-2 py-px text-[0.83rem] font-medium whitespace-nowrap",
        TEXT[tone],
        props.className,
      )}
    >
      {props.icon && <Icon className="size-3.5" aria-hidden />}
      {props.children}
    </span>
  );
}

const DOTS: Record<Tone, string> = {
  good: "bg-bamboo-solid",
  doubt: "bg-ochre-solid",
  bad: "bg-cinnabar-solid",
  quiet: "bg-edge",
  info: "bg-indigo-solid",
};

export function Dot({ tone, live }: { tone: Tone; live?: boolean }) {
  return (
    <span
      aria-hidden
      className={cx("inline-block size-2 shrink-0 rounded-full", DOTS[tone], live && "animate-breathe")}
    />
  );
}

const NOTES: Record<Tone, string> = {
  good: "border-bamboo-solid/40 bg-bamboo-soft",
  doubt: "border-ochre-solid/45 bg-ochre-soft",
  bad: "border-cinnabar-solid/45 bg-cinnabar-soft",
  quiet: "border-line bg-sunken",
  info: "border-indigo/30 bg-indigo-soft",
};

const NOTE_ICON: Record<Tone, string> = {
  good: "text-bamboo",
  doubt: "text-ochre",
  bad: "text-cinnabar",
  quiet: "text-ink-3",
  info: "text-indigo",
};

/** A remark that stays on the page. */
export function Note(props: {
  tone?: Tone;
  title?: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
  role?: "alert" | "status";
}) {
  const tone = props.tone ?? "info";
  const Icon = ICONS[tone];
  return (
    <div
      role={props.role}
      className={cx("flex flex-wrap gap-x-3 gap-y-2 rounded-lg border px-3.5 py-2.5", NOTES[tone])}
    >
      <Icon className={cx("mt-0.5 size-[1.1rem] shrink-0", NOTE_ICON[tone])} aria-hidden />
      <div className="min-w-0 flex-1 basis-52">
        {props.title && <div className="font-medium">{props.title}</div>}
        {props.children && <div className="text-[0.95rem] text-ink-2">{props.children}</div>}
      </div>
      {props.actions && <div className="flex items-center gap-2">{props.actions}</div>}
    </div>
  );
}
