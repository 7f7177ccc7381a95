// What happened since one came here: transactions as sentences, connections as gateways recorded them.
import { Link } from "@tanstack/react-router";
import { Activity, PlugZap } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useLive } from "@/api/live";
import { KindBadge } from "@/parts/badges";
import { TransactionLine } from "@/parts/say";
import { buttonClass } from "@/ui/button";
import { Panel } from "@/ui/panel";
import { Empty } from "@/ui/states";
import { ClientLink, HeightLink, Time } from "@/ui/value";

/** Lines in each list. */
const LINES = 8;

export function LatestTransactions() {
  const { t } = useTranslation();
  const { blocks } = useLive();
  const lines = blocks.flatMap((block) => block.items.toReversed()).slice(0, LINES);
  return (
    <Panel
      title={t("overview.latest")}
      note={t("overview.latestNote")}
      actions={
        <Link to="/ledger" className={buttonClass("ghost", true)}>
          {t("overview.all")}
        </Link>
      }
      flush
    >
      {lines.length === 0 ? (
        <Empty small icon={Activity} title={t("overview.quiet")}>
          {t("overview.quietText")}
        </Empty>
      ) : (
        <ol>
          {lines.map((view) => (
            <li
              key={view.id}
              className="flex gap-4 border-b border-line/70 px-4 py-2.5 last:border-0 animate-flash"
            >
              <span className="w-16 shrink-0">
                <HeightLink height={view.height} />
              </span>
              <div className="min-w-0 flex-1">
                <TransactionLine view={view} />
              </div>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}

export function LatestConnections() {
  const { t } = useTranslation();
  const events = useLive().events.slice(0, LINES);
  return (
    <Panel
      title={t("overview.connections")}
      note={t("overview.connectionsNote")}
      actions={
        <Link to="/audit" className={buttonClass("ghost", true)}>
          {t("overview.all")}
        </Link>
      }
      flush
    >
      {events.length === 0 ? (
        <Empty small icon={PlugZap} title={t("overview.noConnections")}>
          {t("overview.noConnectionsText")}
        </Empty>
      ) : (
        <ol>
          {events.map((event) => (
            <li
              key={`${event.client}:${event.time_ms}:${event.kind}:${event.port}:${event.topic ?? ""}`}
              className="flex flex-wrap items-center gap-x-3 gap-y-0.5 border-b border-line/70 px-4 py-2.5 last:border-0 animate-flash"
            >
              <KindBadge kind={event.kind} />
              <ClientLink client={event.client} />
              <span className="ms-auto text-[0.9rem] text-ink-3">
                <Time ms={event.time_ms} ago />
              </span>
              {(event.topic || event.reason) && (
                <span className="w-full text-[0.9rem] break-words text-ink-2">
                  {[event.topic, event.reason].filter(Boolean).join(": ")}
                </span>
              )}
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
