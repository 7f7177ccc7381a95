// All clients of the consortium: searched and filtered at the server, so that a hundred thousand are no more
// work for the page than a hundred.
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Cpu, Plus, Search, SearchX, TicketCheck } from "lucide-react";
import { useCallback, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { api, ok, type Schemas } from "@/api/client";
import { isOperator, useSession } from "@/api/session";
import * as format from "@/lib/format";
import { tidy } from "@/lib/params";
import { RoleText, StatusBadge, useWord } from "@/parts/badges";
import { Button } from "@/ui/button";
import { useTyped } from "@/ui/debounced";
import { SelectField, TextField } from "@/ui/field";
import { Filters as FilterBar } from "@/ui/filters";
import { PageHead, Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { Dot } from "@/ui/status";
import { type Column, DataTable } from "@/ui/table";
import { ClientLink, Time } from "@/ui/value";
import { EnrolCodes } from "./codes";
import { EnrolOne } from "./enrol";

type Row = Schemas["DeviceRow"];
type Sort = "name" | "expires" | "registered" | "seen";
const SORTS: Sort[] = ["name", "seen", "registered", "expires"];
const STATUSES = ["live", "suspended", "revoked", "expired", "not-yet-valid"] as const;
const ROLES = ["device", "user", "gateway", "operator"] as const;

/** Clients asked for at a time. */
const PAGE = 200;
/** The list follows the ledger at this pace, in milliseconds. */
const EVERY_MS = 5_000;

export function Devices() {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const search = useSearch({ from: "/inside/devices" });
  const navigate = useNavigate({ from: "/devices" });
  const { enrol, ...filters } = search;
  const query = useInfiniteQuery({
    queryKey: ["devices", filters],
    queryFn: ({ signal, pageParam }) =>
      ok(
        api.GET("/api/devices", {
          params: {
            query: {
              ...filters,
              online: filters.online === undefined ? undefined : filters.online === "yes",
              cursor: pageParam,
              limit: PAGE,
            },
          },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: (state) => ((state.state.data?.pages.length ?? 1) > 1 ? false : EVERY_MS),
  });
  const dialog = useCallback(
    (which: "one" | "codes" | undefined) =>
      void navigate({ search: (now) => tidy({ ...now, enrol: which }), replace: true }),
    [navigate],
  );
  const first = query.data?.pages[0];
  return (
    <>
      <PageHead
        title={t("shell.nav.devices")}
        lead={t("devices.lead")}
        actions={
          <>
            <Button icon={<TicketCheck aria-hidden />} onClick={() => dialog("codes")}>
              {t("devices.codes.action")}
            </Button>
            <Button kind="primary" icon={<Plus aria-hidden />} onClick={() => dialog("one")}>
              {t("devices.enrol.title")}
            </Button>
          </>
        }
      />
      <Panel flush>
        <Filters statuses={first?.statuses} />
        {first && (
          <div role="status" className="border-b border-line px-4 py-1.5 text-[0.9rem] text-ink-3">
            {t("devices.total", { count: first.total, formatted: format.number(first.total, i18n.language) })}
            {!first.complete && ` · ${t("devices.incomplete")}`}
          </div>
        )}
        <Loaded query={query} lines={10}>
          {(data) => (
            <List
              rows={data.pages.flatMap((page) => page.items)}
              total={data.pages[0]?.total ?? 0}
              more={query.hasNextPage ? query.fetchNextPage : undefined}
              busy={query.isFetchingNextPage}
            />
          )}
        </Loaded>
      </Panel>
      <EnrolOne
        open={enrol === "one"}
        onOpenChange={(open) => dialog(open ? "one" : undefined)}
        operator={isOperator(session)}
      />
      <EnrolCodes open={enrol === "codes"} onOpenChange={(open) => dialog(open ? "codes" : undefined)} />
    </>
  );
}

function Filters({ statuses }: { statuses: Record<string, number> | undefined }) {
  const { t, i18n } = useTranslation();
  const word = useWord();
  const { console } = useSession();
  const search = useSearch({ from: "/inside/devices" });
  const navigate = useNavigate({ from: "/devices" });
  const set = useCallback(
    (change: Partial<typeof search>) =>
      void navigate({ search: (now) => tidy({ ...now, ...change }), replace: true }),
    [navigate],
  );
  const [typed, setTyped] = useTyped(
    search.search ?? "",
    useCallback((text: string) => set({ search: text || undefined }), [set]),
  );
  const any = { value: "" as const, text: t("ui.any") };
  const counted = (status: string) => {
    const count = statuses?.[status];
    return count === undefined
      ? word("status", status)
      : `${word("status", status)} (${format.number(count, i18n.language)})`;
  };
  return (
    <FilterBar
      columns="sm:grid-cols-2 md:grid-cols-3 xl:grid-cols-[minmax(14rem,2fr)_repeat(5,minmax(8rem,1fr))]"
      active={Object.keys(search).filter((name) => name !== "search" && name !== "enrol").length}
      first={
        <TextField
          label={t("devices.searchLabel")}
          placeholder={t("devices.searchPlaceholder")}
          icon={<Search aria-hidden />}
          type="search"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
      }
    >
      <SelectField
        label={t("words.act.organisation")}
        value={search.org ?? ""}
        onChange={(org) => set({ org: org || undefined })}
        options={[any, ...console.organisations.map((org) => ({ value: org, text: org }))]}
      />
      <SelectField
        label={t("words.act.role")}
        value={search.role ?? ""}
        onChange={(role) => set({ role: role || undefined })}
        options={[any, ...ROLES.map((role) => ({ value: role, text: word("role", role) }))]}
      />
      <SelectField
        label={t("devices.column.certificate")}
        value={search.status ?? ""}
        onChange={(status) => set({ status: status || undefined })}
        options={[any, ...STATUSES.map((status) => ({ value: status, text: counted(status) }))]}
      />
      <SelectField
        label={t("devices.onlineFilter")}
        value={search.online ?? ""}
        onChange={(online) => set({ online: online || undefined })}
        options={[
          any,
          { value: "yes", text: t("devices.online") },
          { value: "no", text: t("devices.offline") },
        ]}
      />
      <SelectField
        label={t("devices.sort")}
        value={search.sort ?? "name"}
        onChange={(sort) => set({ sort: sort === "name" ? undefined : sort })}
        options={SORTS.map((sort) => ({ value: sort, text: t(`devices.sorts.${sort}`) }))}
      />
    </FilterBar>
  );
}

function List(props: { rows: Row[]; total: number; more?: () => unknown; busy: boolean }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const search = useSearch({ from: "/inside/devices" });
  const columns = useColumns();
  const { busy, more } = props;
  const onEnd = useCallback(() => void (!busy && more?.()), [busy, more]);
  const { enrol: _, sort: __, ...filters } = search;
  const filtered = Object.keys(filters).length > 0;
  return (
    <DataTable
      label={t("devices.list")}
      columns={columns}
      rows={props.rows}
      rowId={(row) => row.client}
      total={props.total}
      onEnd={onEnd}
      loadingMore={busy}
      onOpen={(row) => void navigate({ to: "/devices/$client", params: { client: row.client } })}
      empty={
        filtered ? (
          <Empty
            icon={SearchX}
            title={t("devices.noMatch")}
            actions={
              <Button onClick={() => void navigate({ to: "/devices", search: {} })}>{t("ui.clear")}</Button>
            }
          >
            {t("devices.noMatchText")}
          </Empty>
        ) : (
          <Empty icon={Cpu} title={t("devices.none")}>
            {t("devices.noneText")}
          </Empty>
        )
      }
    />
  );
}

/** Whether a client is connected, in a word with its dot. */
export function Connection({ online }: { online: boolean | null | undefined }) {
  const { t } = useTranslation();
  return (
    <span className="inline-flex items-center gap-1.5 whitespace-nowrap">
      <Dot tone={online ? "good" : "quiet"} />
      <span className={online ? "" : "text-ink-3"}>
        {online ? t("devices.online") : online === false ? t("devices.offline") : t("devices.neverSeen")}
      </span>
    </span>
  );
}

function useColumns(): Column<Row>[] {
  const { t } = useTranslation();
  const word = useWord();
  return useMemo(
    () => [
      {
        id: "client",
        header: t("devices.column.client"),
        meta: { width: "minmax(9rem, 2fr)" },
        cell: ({ row }) => <ClientLink client={row.original.client} />,
      },
      {
        id: "role",
        header: t("words.act.role"),
        meta: { width: "minmax(5rem, 0.7fr)", from: 560 },
        cell: ({ row }) => <RoleText role={row.original.role} />,
      },
      {
        id: "status",
        header: t("devices.column.certificate"),
        meta: { width: "minmax(6rem, 0.9fr)" },
        cell: ({ row }) => <StatusBadge status={row.original.status} />,
      },
      {
        id: "connection",
        header: t("devices.column.connection"),
        meta: { width: "minmax(7.5rem, 1fr)", from: 480 },
        cell: ({ row }) => <Connection online={row.original.online} />,
      },
      {
        id: "seen",
        header: t("devices.column.seen"),
        meta: { width: "minmax(11rem, 1.6fr)", from: 860 },
        cell: ({ row }) =>
          row.original.last && (
            <span>
              {word("kind", row.original.last.kind)}{" "}
              <span className="text-ink-3">
                · <Time ms={row.original.last.time_ms} ago />
              </span>
            </span>
          ),
      },
      {
        id: "expires",
        header: t("devices.column.expires"),
        meta: { width: "minmax(7rem, 0.9fr)", from: 1020, end: true },
        cell: ({ row }) => <Time ms={row.original.not_after_s * 1000} ago />,
      },
      {
        id: "registered",
        header: t("devices.column.registered"),
        meta: { width: "minmax(7rem, 0.9fr)", from: 1240, end: true },
        cell: ({ row }) => <Time ms={row.original.registered_ms} ago />,
      },
    ],
    [t, word],
  );
}
