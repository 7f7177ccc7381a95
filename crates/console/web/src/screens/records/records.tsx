// Archived packages of a topic, by time.
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { FileCheck2, FileSearch } from "lucide-react";
import { useCallback, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { flat, ledgerPages, type PackageRecord } from "@/api/ledger";
import { fromInput, shortId, toInput } from "@/lib/format";
import { tidy } from "@/lib/params";
import { TrustPanel } from "@/parts/proof";
import { Sentence } from "@/parts/sentence";
import { TopicField } from "@/parts/topic-field";
import { useTyped } from "@/ui/debounced";
import { TextField } from "@/ui/field";
import { Filters as FilterBar } from "@/ui/filters";
import { PageHead, Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { type Column, DataTable } from "@/ui/table";
import { ClientLink, HeightLink, Id, Num, Time } from "@/ui/value";

const EVERY_MS = 4_000;

export function Records() {
  const { t } = useTranslation();
  const { topic, from, to } = useSearch({ from: "/inside/records" });
  return (
    <>
      <PageHead title={t("shell.nav.records")} lead={t("records.lead")} />
      <div className="flex flex-col gap-4">
        <TrustPanel />
        <Panel flush>
          <Filters />
          {topic ? (
            <List topic={topic} from={from} to={to} />
          ) : (
            <Empty icon={FileSearch} title={t("records.pick")}>
              {t("records.pickText")}
            </Empty>
          )}
        </Panel>
      </div>
    </>
  );
}

function Filters() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/inside/records" });
  const navigate = useNavigate({ from: "/records" });
  const set = useCallback(
    (change: Partial<typeof search>) =>
      void navigate({ search: (now) => tidy({ ...now, ...change }), replace: true }),
    [navigate],
  );
  const setTopic = useCallback((topic: string) => set({ topic: topic.trim() || undefined }), [set]);
  const [topic, typeTopic] = useTyped(search.topic ?? "", setTopic);
  return (
    <FilterBar
      columns="sm:grid-cols-3 lg:grid-cols-[minmax(0,2fr)_minmax(0,1fr)_minmax(0,1fr)]"
      active={[search.from, search.to].filter((one) => one !== undefined).length}
      first={<TopicField label={t("records.topic")} value={topic} onChange={typeTopic} />}
    >
      <TextField
        label={t("records.from")}
        type="datetime-local"
        step={1}
        value={search.from === undefined ? "" : toInput(search.from)}
        onChange={(event) => set({ from: fromInput(event.target.value) })}
      />
      <TextField
        label={t("records.to")}
        type="datetime-local"
        step={1}
        value={search.to === undefined ? "" : toInput(search.to)}
        onChange={(event) => set({ to: fromInput(event.target.value) })}
      />
    </FilterBar>
  );
}

function List({ topic, from, to }: { topic: string; from: number | undefined; to: number | undefined }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const query = useInfiniteQuery({
    ...ledgerPages<PackageRecord>("packages", { topic, from_ms: from, to_ms: to, newest_first: true }),
    refetchInterval: (state) => ((state.state.data?.pages.length ?? 1) > 1 ? false : EVERY_MS),
  });
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const columns = useColumns(topic);
  return (
    <Loaded query={query} lines={8}>
      {(data) => (
        <DataTable
          label={t("records.list")}
          columns={columns}
          rows={flat(data)}
          rowId={(row) => row.anchor.package}
          onEnd={onEnd}
          loadingMore={isFetchingNextPage}
          onOpen={(row) =>
            void navigate({
              to: "/records/$packageId",
              params: { packageId: row.anchor.package },
              search: { topic },
            })
          }
          empty={
            <Empty icon={FileCheck2} title={t("records.none")}>
              {t("records.noneText")}
            </Empty>
          }
        />
      )}
    </Loaded>
  );
}

function useColumns(topic: string): Column<PackageRecord>[] {
  const { t } = useTranslation();
  return useMemo(
    () => [
      {
        id: "time",
        header: t("records.column.time"),
        meta: { width: "minmax(0, 2fr)" },
        cell: ({ row }) => (
          <Link
            to="/records/$packageId"
            params={{ packageId: row.original.anchor.package }}
            search={{ topic }}
            className="hover:underline"
          >
            <Sentence
              text={t("records.range")}
              parts={{
                from: <Time ms={row.original.anchor.from_ms} />,
                to: <Time ms={row.original.anchor.to_ms} />,
              }}
            />
          </Link>
        ),
      },
      {
        id: "count",
        header: t("records.column.count"),
        meta: { width: "5.5rem", end: true },
        cell: ({ row }) => <Num value={row.original.anchor.count} />,
      },
      {
        id: "clients",
        header: t("records.column.clients"),
        meta: { width: "minmax(8rem, 1fr)", from: 760 },
        cell: ({ row }) => {
          const [first, ...rest] = row.original.anchor.clients;
          return (
            <>
              {first && <ClientLink client={first} />}
              {rest.length > 0 && ` +${rest.length}`}
            </>
          );
        },
      },
      {
        id: "package",
        header: t("records.column.package"),
        meta: { width: "minmax(8.5rem, 1fr)", from: 560 },
        cell: ({ row }) => (
          <Id
            id={row.original.anchor.package}
            to={
              <Link
                to="/records/$packageId"
                params={{ packageId: row.original.anchor.package }}
                search={{ topic }}
                className="link"
              >
                {shortId(row.original.anchor.package, 6, 4)}
              </Link>
            }
          />
        ),
      },
      {
        id: "anchored",
        header: t("records.column.anchored"),
        meta: { width: "minmax(7rem, 0.7fr)", from: 620, end: true },
        cell: ({ row }) => <HeightLink height={row.original.at.height} />,
      },
      {
        id: "gateway",
        header: t("records.column.gateway"),
        meta: { width: "minmax(8rem, 0.9fr)", from: 1000 },
        cell: ({ row }) => <ClientLink client={row.original.anchor.gateway} />,
      },
    ],
    [t, topic],
  );
}
