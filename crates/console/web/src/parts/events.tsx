// Connection records: a list that goes back as far as one scrolls, and each record in full, with the decision
// behind a refusal explained by the state that decided then.
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { TFunction } from "i18next";
import { type ReactNode, useCallback, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import {
  type Action,
  type Answer,
  askLedger,
  type ConnectionEvent,
  type Decision,
  KINDS,
  type Kind,
} from "@/api/ledger";
import { LOOK, mergedPage, type Place, type Stream } from "@/api/merged";
import { Button, buttonClass } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Facts } from "@/ui/panel";
import { Loaded } from "@/ui/states";
import { type Column, DataTable } from "@/ui/table";
import { ClientLink, HeightLink, Id, Time, TopicLink } from "@/ui/value";
import { KindBadge } from "./badges";
import { DecisionView } from "./decision";

/** A list that nobody scrolls follows the ledger at this pace, in milliseconds. */
const EVERY_MS = 5_000;

function eventKey({ event, at }: ConnectionEvent, index: number): string {
  return `${at.height}:${event.time_ms}:${event.client}:${event.kind}:${event.port}:${event.topic ?? ""}:${index}`;
}

/** A client's records: one list for each kind, or the one that is wanted. */
export function streamsOf(client: string, kind: string | undefined, args: Stream["args"] = {}): Stream[] {
  const kinds = kind === undefined ? KINDS : [kind];
  return kinds.map((one) => ({ path: "audit", args: { ...args, client, kind: one } }));
}

interface EventListProps {
  label: string;
  /** The ledger's lists that it is made of. */
  streams: Stream[];
  empty: ReactNode;
  /** Whether to name the client in each line. */
  clients?: boolean;
}

export function EventList({ label, streams, empty, clients }: EventListProps) {
  const { t } = useTranslation();
  const [open, setOpen] = useState<ConnectionEvent>();
  const query = useInfiniteQuery({
    queryKey: ["ledger", "events", streams],
    queryFn: ({ signal, pageParam }) =>
      mergedPage(streams, pageParam, ({ path, args }, after) =>
        askLedger(path, { ...args, after, limit: LOOK, newest_first: true }, signal),
      ),
    initialPageParam: undefined as Place | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    refetchInterval: (state) => ((state.state.data?.pages.length ?? 1) > 1 ? false : EVERY_MS),
  });
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.value) ?? [], [data]);
  const looked = data?.pages.reduce((sum, page) => sum + page.looked, 0) ?? 0;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage && rows.length > 0) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, rows.length, fetchNextPage]);
  const columns = useColumns(t, clients ?? false);
  return (
    <>
      <Loaded query={query} lines={10}>
        {() =>
          rows.length === 0 && hasNextPage ? (
            <div className="flex flex-wrap items-center gap-3 p-4">
              <span className="text-ink-2">{t("audit.looked", { count: looked })}</span>
              <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
                {t("audit.goOn")}
              </Button>
            </div>
          ) : (
            <DataTable
              label={label}
              columns={columns}
              rows={rows}
              rowId={eventKey}
              onEnd={more}
              loadingMore={isFetchingNextPage}
              onOpen={setOpen}
              empty={empty}
            />
          )
        }
      </Loaded>
      <EventSheet record={open} close={() => setOpen(undefined)} />
    </>
  );
}

function useColumns(t: TFunction, clients: boolean): Column<ConnectionEvent>[] {
  return useMemo(() => {
    const all: (Column<ConnectionEvent> | false)[] = [
      {
        id: "time",
        header: t("audit.column.time"),
        meta: { width: "minmax(5.5rem, 0.8fr)" },
        cell: ({ row }) => <Time ms={row.original.event.time_ms} ago />,
      },
      {
        id: "what",
        header: t("audit.column.what"),
        meta: { width: "minmax(9.5rem, 1fr)" },
        cell: ({ row }) => (
          <>
            <KindBadge kind={row.original.event.kind} />
            <span className="block sm:hidden">
              {clients && <ClientLink client={row.original.event.client} />}
              <About record={row.original} />
            </span>
          </>
        ),
      },
      clients && {
        id: "client",
        header: t("audit.column.client"),
        meta: { width: "minmax(9rem, 1.2fr)", from: 560 },
        cell: ({ row }) => <ClientLink client={row.original.event.client} />,
      },
      {
        id: "about",
        header: t("audit.column.about"),
        meta: { width: "minmax(10rem, 2.4fr)", from: 700 },
        cell: ({ row }) => <About record={row.original} />,
      },
      {
        id: "address",
        header: t("audit.column.address"),
        meta: { width: "minmax(8.5rem, 0.9fr)", from: 960 },
        cell: ({ row }) => (
          <span className="id-text break-all">
            {row.original.event.address}:{row.original.event.port}
          </span>
        ),
      },
      {
        id: "gateway",
        header: t("audit.column.gateway"),
        meta: { width: "minmax(8rem, 0.9fr)", from: 1180 },
        cell: ({ row }) => <ClientLink client={row.original.gateway} />,
      },
    ];
    return all.filter((column) => column !== false);
  }, [t, clients]);
}

/** A gateway's words; where they are the name of one of the ledger's reasons, that reason. */
function useWords() {
  const { t, i18n } = useTranslation();
  return (reason: string): string => {
    const key = `reasons.${reason}`;
    return i18n.exists(key) ? String(t(key as never)) : reason;
  };
}

function About({ record: { event } }: { record: ConnectionEvent }) {
  const words = useWords();
  return (
    <span className="block min-w-0">
      {event.topic && <span className="block break-all">{event.topic}</span>}
      {event.reason && (
        <span className="block text-[0.9rem] break-words text-ink-2">{words(event.reason)}</span>
      )}
    </span>
  );
}

const REFUSED_ACTIONS: Partial<Record<Kind, Action>> = {
  "connect-refused": "connect",
  "subscribe-refused": "subscribe",
  "publish-refused": "publish",
  "subscription-ended": "subscribe",
};

function EventSheet({ record, close }: { record: ConnectionEvent | undefined; close: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog
      open={record !== undefined}
      onOpenChange={(open) => !open && close()}
      title={t("audit.event")}
      side
    >
      {record && <EventView record={record} />}
    </Dialog>
  );
}

function EventView({ record }: { record: ConnectionEvent }) {
  const { t } = useTranslation();
  const words = useWords();
  const { event, gateway, at } = record;
  const action = REFUSED_ACTIONS[event.kind];
  return (
    <div className="flex flex-col gap-5">
      <div>
        <div className="mb-2 flex flex-wrap items-center gap-2">
          <KindBadge kind={event.kind} />
          <ClientLink client={event.client} copy />
        </div>
        {event.reason && <p className="text-[1.02rem] break-words">{words(event.reason)}</p>}
      </div>
      <Facts
        items={[
          [t("audit.time"), <Time key="t" ms={event.time_ms} />],
          event.topic ? [t("words.act.topic"), <TopicLink key="p" topic={event.topic} />] : null,
          [
            t("audit.address"),
            <span key="a" className="id-text break-all">{`${event.address}:${event.port}`}</span>,
          ],
          [
            t("audit.protocol"),
            event.protocol_version === 5 ? "MQTT 5.0" : `MQTT 3.1.1 (${event.protocol_version})`,
          ],
          [t("audit.keepAlive"), t("audit.seconds", { count: event.keep_alive_s })],
          [t("audit.cleanStart"), t(event.clean_start ? "ui.yes" : "ui.no")],
          event.properties.length > 0 && [
            t("audit.properties"),
            <ul key="u">
              {event.properties.map(({ name, value }, index) => (
                <li key={index} className="break-words">
                  <span className="text-ink-3">{name}:</span> {value}
                </li>
              ))}
            </ul>,
          ],
          [
            t("audit.decidedBy"),
            event.height > 0 ? <HeightLink key="h" height={event.height} /> : t("ui.none"),
          ],
          event.grant
            ? [
                t("audit.grant"),
                <Id
                  key="g"
                  id={event.grant}
                  to={
                    <Link to="/ledger" search={{ tab: "state", key: event.grant }} className="link">
                      {event.grant.slice(0, 16)}…
                    </Link>
                  }
                />,
              ]
            : null,
          [t("audit.recordedIn"), <HeightLink key="r" height={at.height} />],
          [t("audit.gateway"), <ClientLink key="w" client={gateway} />],
        ]}
      />
      {action && event.height > 0 && <Explained record={record} action={action} />}
      <div>
        <Link
          to="/devices/$client"
          params={{ client: event.client }}
          search={{ tab: "connections" }}
          className={buttonClass("secondary")}
        >
          {t("audit.page", { client: event.client })}
        </Link>
      </div>
    </div>
  );
}

/** The decision by the state of then, and whether it would be another today. */
function Explained({ record: { event }, action }: { record: ConnectionEvent; action: Action }) {
  const { t } = useTranslation();
  const asked = { client: event.client, action, topic: event.topic ?? undefined };
  const then = useExplain({ ...asked, at: event.height });
  const now = useExplain(asked);
  const changed = then.data && now.data && then.data.reason.name !== now.data.reason.name;
  return (
    <section>
      <h3 className="mb-1 font-semibold">{t("audit.explain")}</h3>
      <p className="mb-3 text-[0.9rem] text-ink-3">{t("audit.explainText")}</p>
      <Loaded query={then} lines={4} small>
        {(decision) => (
          <DecisionView
            decision={decision}
            client={event.client}
            action={action}
            topic={asked.topic}
            offers={!changed}
          />
        )}
      </Loaded>
      {changed && now.data && (
        <div className="mt-5">
          <h3 className="mb-2 font-semibold">{t("audit.explainNow")}</h3>
          <DecisionView
            decision={now.data}
            client={event.client}
            action={action}
            topic={asked.topic}
            offers
          />
        </div>
      )}
      {then.data && now.data && !changed && (
        <p className="mt-3 text-[0.9rem] text-ink-3">{t("audit.same")}</p>
      )}
    </section>
  );
}

/** A decision, now or by the state of an earlier height. */
export function useExplain(
  asked: { client: string; action: Action; topic?: string; at?: number },
  enabled = true,
) {
  return useQuery({
    queryKey: ["ledger", "explain", asked],
    queryFn: async ({ signal }) => (await askLedger<Answer<Decision>>("explain", asked, signal)).value,
    enabled,
  });
}
