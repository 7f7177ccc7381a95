// What a screen shows when there is nothing, not yet something, or something went wrong.
import { CloudOff, type LucideIcon, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Away, Problem } from "@/api/problem";
import { cx } from "@/lib/cx";
import { Button } from "./button";
import { Note } from "./status";
import { Code } from "./value";

export function Empty(props: {
  icon: LucideIcon;
  title: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
  small?: boolean;
}) {
  return (
    <div className={cx("flex flex-col items-center px-5 text-center", props.small ? "py-8" : "py-14")}>
      <div className="mb-3 flex size-11 items-center justify-center rounded-full bg-sunken text-ink-3">
        <props.icon className="size-5" aria-hidden />
      </div>
      <div className="font-medium">{props.title}</div>
      {props.children && <div className="mt-1 max-w-[52ch] text-[0.95rem] text-ink-2">{props.children}</div>}
      {props.actions && <div className="mt-4 flex flex-wrap justify-center gap-2">{props.actions}</div>}
    </div>
  );
}

/** An error in the place of a screen's or panel's content. */
export function Failed({ error, retry, small }: { error: unknown; retry?: () => void; small?: boolean }) {
  const { t } = useTranslation();
  const again = retry && <Button onClick={retry}>{t("ui.again")}</Button>;
  if (error instanceof Away)
    return (
      <div role="alert">
        <Empty icon={CloudOff} title={t("ui.away")} actions={again} small={small}>
          {t("ui.awayText")}
        </Empty>
      </div>
    );
  const [title, text] = words(error);
  return (
    <div role="alert">
      <Empty icon={TriangleAlert} title={title} actions={again} small={small}>
        {text}
      </Empty>
    </div>
  );
}

function words(error: unknown): [string, string] {
  if (error instanceof Problem) return [error.title, error.detail];
  return ["", error instanceof Error ? error.message : String(error)];
}

/** Why an action was refused, beside the button that asked for it. */
export function Refused({ error }: { error: unknown }) {
  const { t } = useTranslation();
  if (!error) return null;
  if (error instanceof Away)
    return (
      <Note tone="bad" role="alert" title={t("ui.away")}>
        {t("ui.awayAction")}
      </Note>
    );
  const [title, text] = words(error);
  const problem = error instanceof Problem ? error : undefined;
  return (
    <Note tone="bad" role="alert" title={title}>
      {problem?.code ? <CodeText code={problem.code} fallback={text} /> : text}
      {problem?.command && (
        <div className="mt-2">
          <Code label={t("ui.runInstead")} text={problem.command} />
        </div>
      )}
    </Note>
  );
}

/** An outcome's text in the page's language, with what it is about. */
export function CodeText({ code, fallback }: { code: number; fallback: string }) {
  const { t } = useTranslation();
  const about = fallback.match(/\(([^()]*)\)\s*$/)?.[1];
  const text = t(`codes.${code}`, { defaultValue: fallback });
  return (
    <>
      {text}
      {about && text !== fallback && <span className="block id-text text-ink-3">{about}</span>}
    </>
  );
}

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cx("animate-pulse rounded bg-sunken", className ?? "h-4 w-full")} />;
}

/** Lines in the place of a list that is on its way. */
export function Loading({ lines = 5 }: { lines?: number }) {
  const { t } = useTranslation();
  return (
    <div role="status" className="flex flex-col gap-3 p-4">
      <span className="sr-only">{t("ui.loading")}</span>
      {Array.from({ length: lines }, (_, line) => (
        <Skeleton
          key={line}
          className={cx("h-5", line % 3 === 1 ? "w-4/5" : line % 3 === 2 ? "w-3/5" : "w-full")}
        />
      ))}
    </div>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
  /** Whether the data is the answer to what was asked before. */
  isPlaceholderData?: boolean;
}

/** A query's answer when it is there; what was there before stays while a new one fails. */
export function Loaded<T>(props: {
  query: Asked<T>;
  lines?: number;
  small?: boolean;
  children: (data: T) => ReactNode;
}) {
  const { data, error, refetch, isPlaceholderData } = props.query;
  if (data !== undefined && !(error && isPlaceholderData)) return props.children(data);
  if (error) return <Failed error={error} retry={() => void refetch()} small={props.small} />;
  return <Loading lines={props.lines} />;
}
