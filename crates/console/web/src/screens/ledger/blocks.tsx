// Blocks, the highest first. New ones join at the top while one is there, and wait to be called for while
// one reads further down.
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Blocks as Icon } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok, type Schemas } from "@/api/client";
import { useLive } from "@/api/live";
import * as format from "@/lib/format";
import { useCallName } from "@/parts/say";
import { Button } from "@/ui/button";
import { Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { Badge, Dot } from "@/ui/status";
import { type Column, DataTable } from "@/ui/table";
import { Id, Time } from "@/ui/value";

type Row = Schemas["BlockRow"];

/** Blocks asked for at a time. */
const PAGE = 50;
/** Scrolled further than this, in pixels, the list stands still. */
const TOP_PX = 120;

function useBlockPages() {
  return useInfiniteQuery({
    queryKey: ["blocks"],
    queryFn: ({ signal, pageParam }) =>
      ok(api.GET("/api/blocks", { params: { query: { from: pageParam, limit: PAGE } }, signal })),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function BlockList() {
  const { t } = useTranslation();
  const query = useBlockPages();
  return (
    <Panel flush>
      <Loaded query={query} lines={12}>
        {(data) => (
          <List
            pages={data.pages}
            more={query.hasNextPage ? query.fetchNextPage : undefined}
            busy={query.isFetchingNextPage}
          />
        )}
      </Loaded>
      <span className="sr-only">{t("ledger.live")}</span>
    </Panel>
  );
}

function List({ pages, more, busy }: { pages: Schemas["BlockPage"][]; more?: () => unknown; busy: boolean }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { blocks } = useLive();
  const [top, setTop] = useState(true);
  const [shown, setShown] = useState(Number.MAX_SAFE_INTEGER);
  useEffect(() => {
    const look = () => setTop(window.scrollY < TOP_PX);
    window.addEventListener("scroll", look, { passive: true });
    return () => window.removeEventListener("scroll", look);
  }, []);
  const fetched = useMemo(() => pages.flatMap((page) => page.items), [pages]);
  const first = fetched[0]?.height ?? 0;
  const fresh = useMemo(() => blocks.filter((block) => block.height > first), [blocks, first]);
  // Too many came while nobody looked: between the two there would be a hole.
  const hole = fresh.length > 0 && (fresh.at(-1)?.height ?? 0) > first + 1;
  useEffect(() => {
    if (hole && top) void queries.resetQueries({ queryKey: ["blocks"] });
  }, [hole, top, queries]);
  const newest = hole ? [] : fresh;
  const highest = newest[0]?.height ?? first;
  useEffect(() => {
    if (top) setShown(Number.MAX_SAFE_INTEGER);
    else setShown((now) => Math.min(now, highest));
  }, [top, highest]);
  const rows = useMemo(
    () => [...newest, ...fetched].filter((row) => row.height <= shown),
    [newest, fetched, shown],
  );
  const waiting = newest.filter((row) => row.height > shown).length;
  const columns = useColumns();
  const onEnd = useCallback(() => void (!busy && more?.()), [busy, more]);
  return (
    <>
      {waiting > 0 && (
        <div className="sticky top-16 z-20 flex h-0 justify-center">
          <Button
            small
            kind="primary"
            onClick={() => {
              setShown(Number.MAX_SAFE_INTEGER);
              window.scrollTo({ top: 0, behavior: "smooth" });
            }}
          >
            {t("ledger.newer", { count: waiting })}
          </Button>
        </div>
      )}
      <DataTable
        label={t("ledger.blocks")}
        columns={columns}
        rows={rows}
        rowId={(row) => String(row.height)}
        onEnd={onEnd}
        loadingMore={busy}
        isNew={(row) => newest.length > 0 && row.height > first}
        onOpen={(row) =>
          void navigate({ to: "/ledger/blocks/$height", params: { height: String(row.height) } })
        }
        empty={<Empty icon={Icon} title={t("ledger.empty")} />}
      />
    </>
  );
}

function useColumns(): Column<Row>[] {
  const { t, i18n } = useTranslation();
  return useMemo(
    () => [
      {
        id: "height",
        header: t("words.act.height"),
        meta: { width: "minmax(5.5rem, 0.6fr)" },
        cell: ({ row }) => (
          <Link
            to="/ledger/blocks/$height"
            params={{ height: String(row.original.height) }}
            className="font-medium link"
          >
            {format.number(row.original.height, i18n.language)}
          </Link>
        ),
      },
      {
        id: "time",
        header: t("ledger.time"),
        meta: { width: "minmax(6.5rem, 0.7fr)" },
        cell: ({ row }) => <Time ms={row.original.time_ms} ago />,
      },
      {
        id: "content",
        header: t("ledger.content"),
        meta: { width: "minmax(8rem, 3fr)" },
        cell: ({ row }) => <Content row={row.original} />,
      },
      {
        id: "proposer",
        header: t("ledger.proposer"),
        meta: { width: "minmax(6rem, 0.8fr)", from: 640 },
        cell: ({ row }) => row.original.proposer ?? t("ledger.proposerUnknown"),
      },
      {
        id: "bytes",
        header: t("ledger.size"),
        meta: { width: "6rem", from: 900, end: true },
        cell: ({ row }) => format.bytes(row.original.bytes, i18n.language),
      },
      {
        id: "digest",
        header: t("ledger.digest"),
        meta: { width: "13rem", from: 1080 },
        cell: ({ row }) => <Id id={row.original.digest} />,
      },
    ],
    [t, i18n.language],
  );
}

function Content({ row }: { row: Row }) {
  const { t } = useTranslation();
  const callName = useCallName();
  if (row.transactions === 0) return <span className="text-ink-3">{t("ledger.heartbeat")}</span>;
  return (
    <span className="flex flex-wrap items-center gap-1.5">
      {Object.entries(row.calls).map(([call, count]) => (
        <Badge key={call}>
          {callName(call)}
          {count > 1 && ` × ${count}`}
        </Badge>
      ))}
      {(row.refused ?? 0) > 0 && (
        <span className="inline-flex items-center gap-1 text-[0.88rem] text-cinnabar">
          <Dot tone="bad" /> {t("ledger.refusedCount", { count: row.refused ?? 0 })}
        </span>
      )}
    </span>
  );
}
