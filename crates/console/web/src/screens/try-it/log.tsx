// What went over the wire, the newest first; each refusal with the gateway's reason and the way to the rule.
import { Link } from "@tanstack/react-router";
import type { ParseKeys } from "i18next";
import {
  ArrowDownToLine,
  ArrowUpFromLine,
  Ban,
  CircleCheck,
  type LucideIcon,
  Plug,
  Radio,
  Unplug,
} from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Action } from "@/api/ledger";
import { cx } from "@/lib/cx";
import { readable } from "@/lib/readable";
import { DecisionView } from "@/parts/decision";
import { useExplain } from "@/parts/events";
import { Button, buttonClass } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { Time } from "@/ui/value";
import type { Entry, EntryKind, Wire } from "./wire";

const ICONS: Record<EntryKind, [LucideIcon, string]> = {
  connecting: [Plug, "text-ink-3"],
  connected: [CircleCheck, "text-bamboo"],
  refused: [Ban, "text-cinnabar"],
  closed: [Unplug, "text-ink-3"],
  disconnected: [Unplug, "text-cinnabar"],
  sent: [ArrowUpFromLine, "text-indigo"],
  acked: [CircleCheck, "text-bamboo"],
  publishRefused: [Ban, "text-cinnabar"],
  subscribed: [Radio, "text-bamboo"],
  subscribeRefused: [Ban, "text-cinnabar"],
  unsubscribed: [Radio, "text-ink-3"],
  message: [ArrowDownToLine, "text-plum"],
  error: [Ban, "text-cinnabar"],
};

const ACTIONS: Partial<Record<EntryKind, Action>> = {
  refused: "connect",
  publishRefused: "publish",
  subscribeRefused: "subscribe",
};

export function Log({ wire, client }: { wire: Wire; client: string }) {
  const { t } = useTranslation();
  const [why, setWhy] = useState<{ action: Action; topic: string | undefined }>();
  return (
    <Panel
      title={t("tryIt.log")}
      actions={
        wire.entries.length > 0 && (
          <Button small kind="ghost" onClick={wire.clear}>
            {t("tryIt.clear")}
          </Button>
        )
      }
      flush
    >
      {wire.entries.length === 0 ? (
        <Empty icon={Radio} title={t("tryIt.empty")}>
          {t("tryIt.emptyText")}
        </Empty>
      ) : (
        <ol
          aria-label={t("tryIt.log")}
          aria-live="polite"
          tabIndex={0}
          className="max-h-[70dvh] overflow-y-auto"
        >
          {wire.entries.map((entry) => (
            <EntryLine
              key={entry.id}
              entry={entry}
              ask={(action) => setWhy({ action, topic: entry.topic })}
            />
          ))}
        </ol>
      )}
      <Dialog
        open={why !== undefined}
        onOpenChange={(open) => !open && setWhy(undefined)}
        title={t("tryIt.whyTitle")}
        side
      >
        {why && <Why client={client} action={why.action} topic={why.topic} />}
      </Dialog>
    </Panel>
  );
}

function EntryLine({ entry, ask }: { entry: Entry; ask: (action: Action) => void }) {
  const { t } = useTranslation();
  const [Icon, colour] = ICONS[entry.kind];
  const action = ACTIONS[entry.kind];
  return (
    <li className="flex gap-3 border-b border-line/70 px-4 py-2.5 last:border-0 animate-rise">
      <Icon className={cx("mt-1 size-4 shrink-0", colour)} aria-hidden />
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-baseline gap-x-2">
          <span className="font-medium">{t(`tryIt.entry.${entry.kind}`, { client: entry.text })}</span>
          {entry.topic && <code className="id-text break-all">{entry.topic}</code>}
          {entry.tookMs !== undefined && (
            <span className="text-[0.9rem] text-ink-2">
              {t("tryIt.entry.ackedText", { ms: Math.max(1, Math.round(entry.tookMs)) })}
            </span>
          )}
          <span className="ms-auto text-[0.87rem] text-ink-3">
            <Time ms={entry.timeMs} ago />
          </span>
        </div>
        <Said entry={entry} />
        {entry.payload && <Payload payload={entry.payload} />}
        {entry.signedBy && (
          <p className="text-[0.9rem] text-bamboo">{t("tryIt.openedHere", { client: entry.signedBy })}</p>
        )}
        {action && (
          <Button small className="mt-1.5" onClick={() => ask(action)}>
            {t("tryIt.why")}
          </Button>
        )}
        {entry.kind === "acked" && entry.topic && (
          <Link
            to="/records"
            search={{ topic: entry.topic }}
            className={cx(buttonClass("ghost", true), "mt-1 -ms-2")}
          >
            {t("tryIt.seeRecord")}
          </Link>
        )}
      </div>
    </li>
  );
}

/** The gateway's code and words. */
function Said({ entry }: { entry: Entry }) {
  const { t, i18n } = useTranslation();
  const { code, reason, kind, text } = entry;
  const key = `tryIt.reason.${code}`;
  const coded =
    code !== undefined && code > 0
      ? i18n.exists(key)
        ? String(t(key as ParseKeys))
        : t("tryIt.code", { code })
      : undefined;
  const error = kind === "error" ? (text === "failed" ? t("tryIt.failed") : text) : undefined;
  const parts = [coded, reason, error].filter(Boolean);
  if (parts.length === 0) return null;
  return <p className="text-[0.94rem] break-words text-ink-2">{parts.join(": ")}</p>;
}

function Payload({ payload }: { payload: Uint8Array }) {
  const { t } = useTranslation();
  const text = readable(payload);
  return text === undefined ? (
    <p className="text-[0.92rem] text-ink-3">{t("tryIt.bytes", { count: payload.length })}</p>
  ) : (
    <pre className="id-text mt-0.5 max-h-32 overflow-hidden break-all whitespace-pre-wrap text-ink-2">
      {text}
    </pre>
  );
}

function Why({ client, action, topic }: { client: string; action: Action; topic: string | undefined }) {
  const query = useExplain({ client, action, topic: action === "connect" ? undefined : topic });
  return (
    <Loaded query={query} lines={5} small>
      {(decision) => (
        <DecisionView decision={decision} client={client} action={action} topic={topic} offers />
      )}
    </Loaded>
  );
}
