// The history of connections, filtered and taken along.

import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { ClipboardList, Download, FileJson, FileSpreadsheet, SearchX } from "lucide-react";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { KINDS } from "@/api/ledger";
import type { Stream } from "@/api/merged";
import { downloadFrom } from "@/lib/download";
import { fromInput, toInput } from "@/lib/format";
import { tidy } from "@/lib/params";
import { useWord } from "@/parts/badges";
import { EventList, streamsOf } from "@/parts/events";
import { Button } from "@/ui/button";
import { useTyped } from "@/ui/debounced";
import { SelectField, TextField } from "@/ui/field";
import { Filters as FilterBar } from "@/ui/filters";
import { Menu, MenuHead, MenuItem } from "@/ui/menu";
import { PageHead, Panel } from "@/ui/panel";
import { Empty, Loading } from "@/ui/states";

interface Wanted {
  client?: string;
  gateway?: string;
  kind?: string;
  address?: string;
  from?: number;
  to?: number;
}

/** The address of the whole answer as a file. */
export function exportPath(format: "csv" | "jsonl", { from, to, ...rest }: Wanted): string {
  const query = new URLSearchParams({ format });
  for (const [name, value] of Object.entries({ ...rest, from_ms: from, to_ms: to }))
    if (value !== undefined) query.set(name, String(value));
  return `/api/audit/export?${query}`;
}

export function Audit() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/inside/audit" });
  const navigate = useNavigate({ from: "/audit" });
  const streams = useStreams(search);
  const filtered = Object.keys(search).length > 0;
  const save = (format: "csv" | "jsonl") => downloadFrom(exportPath(format, search));
  return (
    <>
      <PageHead
        title={t("shell.nav.audit")}
        lead={t("audit.lead")}
        actions={
          <Menu trigger={<Button icon={<Download aria-hidden />}>{t("audit.export")}</Button>}>
            <MenuHead>{t("audit.exporting")}</MenuHead>
            <MenuItem icon={<FileSpreadsheet />} onSelect={() => save("csv")}>
              {t("audit.exportCsv")}
            </MenuItem>
            <MenuItem icon={<FileJson />} onSelect={() => save("jsonl")}>
              {t("audit.exportJsonl")}
            </MenuItem>
          </Menu>
        }
      />
      <Panel flush>
        <Filters />
        {streams ? (
          <EventList
            label={t("audit.list")}
            streams={streams}
            clients
            empty={
              filtered ? (
                <Empty
                  icon={SearchX}
                  title={t("audit.noMatch")}
                  actions={<Button onClick={() => void navigate({ search: {} })}>{t("ui.clear")}</Button>}
                >
                  {t("audit.noMatchText")}
                </Empty>
              ) : (
                <Empty icon={ClipboardList} title={t("audit.none")}>
                  {t("audit.noneText")}
                </Empty>
              )
            }
          />
        ) : (
          <Loading lines={10} />
        )}
      </Panel>
    </>
  );
}

/** Lists in order of time: a client's by kind, else each gateway's. */
function useStreams({ client, gateway, kind, address, from, to }: Wanted): Stream[] | undefined {
  const query = useQuery({
    queryKey: ["devices", "gateways"],
    queryFn: ({ signal }) =>
      ok(api.GET("/api/devices", { params: { query: { role: "gateway", limit: 500 } }, signal })),
  });
  const args = { gateway, kind, address, from_ms: from, to_ms: to };
  if (client) return streamsOf(client, kind, args);
  if (gateway) return [{ path: "audit", args }];
  return query.data?.items.map(({ client: one }) => ({ path: "audit", args: { ...args, gateway: one } }));
}

function Filters() {
  const { t } = useTranslation();
  const word = useWord();
  const search = useSearch({ from: "/inside/audit" });
  const navigate = useNavigate({ from: "/audit" });
  const set = useCallback(
    (change: Wanted) => void navigate({ search: (now) => tidy({ ...now, ...change }), replace: true }),
    [navigate],
  );
  const setClient = useCallback((text: string) => set({ client: text.trim() || undefined }), [set]);
  const setGateway = useCallback((text: string) => set({ gateway: text.trim() || undefined }), [set]);
  const setAddress = useCallback((text: string) => set({ address: text.trim() || undefined }), [set]);
  const [client, typeClient] = useTyped(search.client ?? "", setClient);
  const [gateway, typeGateway] = useTyped(search.gateway ?? "", setGateway);
  const [address, typeAddress] = useTyped(search.address ?? "", setAddress);
  return (
    <FilterBar
      columns="sm:grid-cols-2 lg:grid-cols-3 2xl:grid-cols-6"
      active={Object.keys(search).length}
      first={
        <TextField
          label={t("words.act.client")}
          placeholder="acme.press"
          value={client}
          onChange={(event) => typeClient(event.target.value)}
        />
      }
    >
      <SelectField
        label={t("audit.kindLabel")}
        value={search.kind ?? ""}
        onChange={(kind) => set({ kind: kind || undefined })}
        options={[
          { value: "", text: t("ui.any") },
          ...KINDS.map((kind) => ({ value: kind as string, text: word("kind", kind) })),
        ]}
      />
      <TextField
        label={t("words.act.gateway")}
        placeholder="acme.gateway"
        value={gateway}
        onChange={(event) => typeGateway(event.target.value)}
      />
      <TextField
        label={t("words.act.address")}
        placeholder="192.0.2.7"
        value={address}
        onChange={(event) => typeAddress(event.target.value)}
      />
      <TextField
        label={t("audit.from")}
        type="datetime-local"
        step={1}
        value={search.from === undefined ? "" : toInput(search.from)}
        onChange={(event) => set({ from: fromInput(event.target.value) })}
      />
      <TextField
        label={t("audit.to")}
        type="datetime-local"
        step={1}
        value={search.to === undefined ? "" : toInput(search.to)}
        onChange={(event) => set({ to: fromInput(event.target.value) })}
      />
    </FilterBar>
  );
}
