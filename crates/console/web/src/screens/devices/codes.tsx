// Opening enrolments for many devices at once. The codes are shown once.
import { useInfiniteQuery } from "@tanstack/react-query";
import { Download, TicketCheck } from "lucide-react";
import { type FormEvent, useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useAct } from "@/api/actions";
import { api, ok, type Schemas } from "@/api/client";
import { type Enrolment, flat, ledgerPages, part } from "@/api/ledger";
import { isOperator, useSession } from "@/api/session";
import { download } from "@/lib/download";
import { RoleText } from "@/parts/badges";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextArea, TextField } from "@/ui/field";
import { FileField } from "@/ui/file";
import { Empty, Loaded, Refused } from "@/ui/states";
import { Note } from "@/ui/status";
import { Code, Copy, Time } from "@/ui/value";
import { codesCsv, LINES_MAX, type Mistake, readLines } from "./csv";

const DAY_S = 86_400;
/** Mistakes that are listed; the rest is counted by correcting these. */
const MISTAKES_MAX = 5;
/** Codes that are listed; the file has all of them. */
const SHOWN_MAX = 200;

export function EnrolCodes(props: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const { console } = session;
  const [text, setText] = useState("");
  const [file, setFile] = useState<File>();
  const [days, setDays] = useState("30");
  const open = useAct((asked: Schemas["OpenEnrolments"]) =>
    ok(api.POST("/api/actions/enrolments/open", { body: asked })),
  );
  const { reset } = open;
  useEffect(() => {
    if (props.open) return;
    setText("");
    setFile(undefined);
    reset();
  }, [props.open, reset]);
  const read = useMemo(() => readLines(text, console.org), [text, console.org]);
  const many = read.lines.length > LINES_MAX;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    open.mutate({ clients: read.lines, expires_in_s: (Number(days) || 30) * DAY_S });
  };
  const choose = async (chosen: File | undefined) => {
    setFile(chosen);
    if (chosen) setText(await chosen.text());
  };
  return (
    <Dialog
      open={props.open}
      onOpenChange={props.onOpenChange}
      title={t("devices.codes.title")}
      lead={open.data ? undefined : t("devices.codes.lead")}
      wide
    >
      {open.data ? (
        <Opened done={open.data} />
      ) : (
        <form onSubmit={submit} className="flex flex-col gap-4">
          <TextArea
            label={t("devices.codes.csv")}
            hint={t("devices.codes.csvHint", { example: `${console.org}.press-7,device` })}
            rows={7}
            mono
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          <div className="grid gap-4 sm:grid-cols-2">
            <FileField
              label={t("devices.codes.file")}
              accept=".csv,text/csv,text/plain"
              file={file}
              onFile={(chosen) => void choose(chosen)}
            />
            <TextField
              label={t("devices.codes.days")}
              type="number"
              min={1}
              max={365}
              value={days}
              onChange={(event) => setDays(event.target.value)}
            />
          </div>
          <Mistakes mistakes={read.mistakes} />
          {many && (
            <Note tone="bad">{t("devices.codes.tooMany", { count: read.lines.length, max: LINES_MAX })}</Note>
          )}
          <Refused error={open.error} />
          <div className="flex justify-end gap-2">
            <Button onClick={() => props.onOpenChange(false)}>{t("ui.cancel")}</Button>
            <Button
              type="submit"
              kind="primary"
              busy={open.isPending}
              disabled={read.lines.length === 0 || read.mistakes.length > 0 || many}
            >
              {read.lines.length === 0
                ? t("devices.codes.submitNone")
                : t("devices.codes.submit", { count: read.lines.length })}
            </Button>
          </div>
        </form>
      )}
      {!open.data && props.open && isOperator(session) && <OpenEnrolments org={console.org} />}
    </Dialog>
  );
}

function Mistakes({ mistakes }: { mistakes: Mistake[] }) {
  const { t } = useTranslation();
  const { console } = useSession();
  if (mistakes.length === 0) return null;
  const why = (mistake: Mistake) => {
    if (mistake.kind === "wrongId") return t("devices.codes.wrongId", { id: mistake.id, org: console.org });
    if (mistake.kind === "wrongRole") return t("devices.codes.wrongRole", { role: mistake.role });
    return t("devices.codes.twice", { id: mistake.id });
  };
  return (
    <Note tone="bad" role="alert">
      <ul>
        {mistakes.slice(0, MISTAKES_MAX).map((mistake) => (
          <li key={mistake.line}>
            {t("devices.codes.wrongLine", { line: mistake.line, why: why(mistake) })}
          </li>
        ))}
      </ul>
    </Note>
  );
}

function Opened({ done }: { done: Schemas["OpenedEnrolments"] }) {
  const { t } = useTranslation();
  return (
    <div className="flex flex-col gap-4">
      <Note
        tone="doubt"
        role="status"
        title={t("devices.codes.done", { count: done.opened.length })}
        actions={
          <Button
            kind="primary"
            icon={<Download aria-hidden />}
            onClick={() => download("codes.csv", codesCsv(done.opened), "text/csv;charset=utf-8")}
          >
            {t("devices.codes.save")}
          </Button>
        }
      >
        {t("devices.codes.secret")}
      </Note>
      {done.problem && (
        <Note tone="bad" role="alert" title={done.problem.title}>
          {done.problem.detail}
        </Note>
      )}
      <Code
        label={t("devices.codes.use")}
        text="sealwire cert enrol --desk http://HOST:7406 --file code.txt --genesis genesis.json"
      />
      <div className="max-h-72 overflow-y-auto rounded-lg border border-line">
        <ul className="divide-y divide-line/70">
          {done.opened.slice(0, SHOWN_MAX).map((one) => (
            <li key={one.id} className="flex flex-wrap items-center gap-x-3 px-3 py-1.5">
              <span className="min-w-40 flex-1">{one.client}</span>
              <span className="w-16 text-ink-3">
                <RoleText role={one.role} />
              </span>
              <span className="inline-flex items-center gap-1">
                <code className="id-text break-all">{one.code}</code>
                <Copy text={one.code} />
              </span>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

/** The enrolments that are open, with the way to close them. */
function OpenEnrolments({ org }: { org: string }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(
    ledgerPages<Enrolment>(`organisations/${part(org)}/enrolments`, { limit: 1000 }),
  );
  const close = useAct((id: string) =>
    ok(api.POST("/api/actions/enrolments/close", { body: { ids: [id] } })),
  );
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  return (
    <section className="mt-6 border-t border-line pt-4">
      <h3 className="mb-2 font-semibold">{t("devices.open.title")}</h3>
      <Refused error={close.error} />
      <Loaded query={query} lines={3} small>
        {(data) => {
          const open = flat(data).filter((one) => one.status === "open");
          if (open.length === 0)
            return (
              <Empty small icon={TicketCheck} title={t("devices.open.none")}>
                {t("devices.open.noneText")}
              </Empty>
            );
          return (
            <ul className="max-h-72 divide-y divide-line/70 overflow-y-auto rounded-lg border border-line">
              {open.map((one) => (
                <li key={one.id} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3 py-1.5">
                  <span className="min-w-40 flex-1">{one.enrolment.client}</span>
                  <span className="text-[0.9rem] text-ink-3">
                    {t("devices.open.expires")} <Time ms={one.enrolment.expires_s * 1000} />
                  </span>
                  <Button
                    small
                    busy={close.isPending && close.variables === one.id}
                    onClick={() => close.mutate(one.id)}
                  >
                    {t("devices.open.close")}
                  </Button>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </section>
  );
}
