// What was asked of gateways, once or again and again, by clients whose keys are at the console; and what can be
// done with a result: open it here, verify its receipt here, save either.
import { queryOptions, useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { CalendarClock, Download, LockOpen, Plus, ShieldCheck, Sigma } from "lucide-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bytesOf, ok, type Schemas } from "@/api/client";
import { part } from "@/api/ledger";
import { usePinned, useTrust } from "@/api/trust";
import { download } from "@/lib/download";
import { duration } from "@/lib/format";
import { useRefusal } from "@/parts/refusal";
import { Sentence } from "@/parts/sentence";
import { Confirm } from "@/screens/topics/dialogs";
import { useOwnersHere } from "@/screens/topics/requests";
import { Button, buttonClass } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { SelectField } from "@/ui/field";
import { Facts, Panel } from "@/ui/panel";
import { Empty, Loaded, Refused } from "@/ui/states";
import { Badge, Note, type Tone } from "@/ui/status";
import { type Column, DataTable } from "@/ui/table";
import { ClientLink, Code, HeightLink, Id, Time, TopicLink } from "@/ui/value";
import type { Trust } from "@/verify";
import { AskDialog } from "./ask";
import { InputLine, useFunctionName } from "./evaluations";
import { ResultReport, verifyResult } from "./receipt";

type Job = Schemas["JobView"] & { gateway: string };
type Standing = Schemas["StandingView"] & { gateway: string };

/** Where a job's result is, and as whom it is fetched. */
export interface JobPlace {
  as: string;
  gateway: string;
  job: string;
}

/** Pauses between two questions, in milliseconds: while something is under way, and else. */
const EVERY_MS = { busy: 1_500, quiet: 10_000 };
const STATES: Record<string, Tone> = {
  waiting: "info",
  evaluating: "info",
  evaluated: "info",
  recorded: "good",
  refused: "bad",
};

function isFinal(state: string): boolean {
  return state === "recorded" || state === "refused";
}

function jobsQuery(as: string) {
  return queryOptions({
    queryKey: ["compute-jobs", as],
    queryFn: ({ signal }) => ok(api.GET("/api/compute/jobs", { params: { query: { as } }, signal })),
    enabled: as !== "",
    refetchInterval: ({ state }) =>
      state.data?.gateways.some(({ jobs }) => jobs.some((job) => !isFinal(job.state)))
        ? EVERY_MS.busy
        : EVERY_MS.quiet,
  });
}

function filePath({ as, gateway, job }: JobPlace, what: "result" | "receipt"): string {
  return `/api/compute/jobs/${part(gateway)}/${part(job)}/${what}?as=${part(as)}`;
}

/** A job's encrypted result, as the console's server fetched it from the gateway. */
export function resultBytes(place: JobPlace): Promise<Uint8Array> {
  return bytesOf(filePath(place, "result"), "application/cbor");
}

export function Jobs() {
  const { t } = useTranslation();
  const here = useOwnersHere();
  const search = useSearch({ from: "/inside/compute" });
  const navigate = useNavigate({ from: "/compute" });
  const as = search.as ?? here[0] ?? "";
  const [asking, setAsking] = useState(false);
  const query = useQuery(jobsQuery(as));
  if (here.length === 0)
    return (
      <Panel>
        <Empty
          icon={Sigma}
          title={t("compute.jobs.noClients")}
          actions={<Code text="sealwire compute ask --help" />}
        >
          {t("compute.jobs.noClientsText")}
        </Empty>
      </Panel>
    );
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-end gap-3">
        <SelectField
          label={t("compute.jobs.of")}
          value={as}
          onChange={(next) => void navigate({ search: (now) => ({ ...now, as: next }), replace: true })}
          options={here.map((client) => ({ value: client, text: client }))}
          className="w-72 max-w-full"
        />
        <Button kind="primary" icon={<Plus aria-hidden />} onClick={() => setAsking(true)}>
          {t("compute.ask.title")}
        </Button>
      </div>
      <Loaded query={query} lines={6}>
        {({ gateways }) => (
          <>
            <Away gateways={gateways} />
            <StandingJobs
              as={as}
              standing={gateways.flatMap(({ gateway, standing }) =>
                standing.map((one) => ({ ...one, gateway })),
              )}
            />
            <JobList
              as={as}
              jobs={gateways
                .flatMap(({ gateway, jobs }) => jobs.map((job) => ({ ...job, gateway })))
                .sort((a, b) => b.asked_ms - a.asked_ms)}
            />
          </>
        )}
      </Loaded>
      <AskDialog open={asking} onOpenChange={setAsking} as={as} />
    </div>
  );
}

/** Gateways that told nothing, and why. Gateways of others may well be of no concern. */
function Away({ gateways }: { gateways: Schemas["GatewayJobs"][] }) {
  const { t } = useTranslation();
  const away = gateways.filter((one) => one.away);
  if (away.length === 0) return null;
  return (
    <details className="text-[0.92rem] text-ink-2">
      <summary className="cursor-pointer">
        {t("compute.jobs.away", { gateways: away.map(({ gateway }) => gateway).join(", ") })}
      </summary>
      <ul className="mt-1 flex flex-col gap-1 ps-4">
        {away.map(({ gateway, away: why }) => (
          <li key={gateway} className="break-words">
            {gateway}: {why}
          </li>
        ))}
      </ul>
    </details>
  );
}

function StandingJobs({ as, standing }: { as: string; standing: Standing[] }) {
  const { t, i18n } = useTranslation();
  const functionName = useFunctionName();
  const [ending, setEnding] = useState<Standing>();
  if (standing.length === 0) return null;
  const span = (seconds: number) => duration(seconds, i18n.language);
  return (
    <Panel title={t("compute.jobs.standing")} flush>
      <ul className="divide-y divide-line/70">
        {standing.map((one) => (
          <li key={one.standing} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
            <CalendarClock className="size-5 text-ink-3" aria-hidden />
            <div className="min-w-0 flex-1 basis-80">
              <div className="flex flex-wrap items-center gap-x-2">
                <span className="font-medium">{functionName(one.function)}</span>
                <span className="text-ink-2">
                  {t("compute.jobs.every", { every: span(one.every_s), over: span(one.over_s) })}
                </span>
              </div>
              <div className="flex flex-wrap items-center gap-x-2 text-[0.92rem]">
                {one.topics.map((topic) => (
                  <TopicLink key={topic} topic={topic} />
                ))}
                <span aria-hidden>→</span>
                <TopicLink topic={one.publish} />
              </div>
              <p className="text-[0.88rem] text-ink-3">
                {one.last_end_ms > 0 ? (
                  <Sentence
                    text={t("compute.jobs.lastRun")}
                    parts={{ time: <Time ms={one.last_end_ms} ago />, gateway: one.gateway }}
                  />
                ) : (
                  t("compute.jobs.noRun")
                )}{" "}
                {one.missed > 0 && t("compute.jobs.missed", { count: one.missed })}
              </p>
            </div>
            <Button small onClick={() => setEnding(one)}>
              {t("compute.jobs.end")}
            </Button>
          </li>
        ))}
      </ul>
      <Confirm
        open={ending !== undefined}
        close={() => setEnding(undefined)}
        title={t("compute.jobs.endTitle")}
        lead={t("compute.jobs.endText")}
        submit={t("compute.jobs.end")}
        danger
        act={() =>
          ok(
            api.POST("/api/actions/compute/standing/end", {
              body: { as, gateway: ending?.gateway ?? "", standing: ending?.standing ?? "" },
            }),
          )
        }
        done={t("compute.jobs.ended")}
      />
    </Panel>
  );
}

function JobList({ as, jobs }: { as: string; jobs: Job[] }) {
  const { t } = useTranslation();
  const functionName = useFunctionName();
  const [open, setOpen] = useState<string>();
  const columns = useMemo(
    (): Column<Job>[] => [
      {
        id: "asked",
        header: t("compute.jobs.asked"),
        meta: { width: "minmax(4.5rem, 0.8fr)" },
        cell: ({ row }) => <Time ms={row.original.asked_ms} ago />,
      },
      {
        id: "function",
        header: t("compute.column.function"),
        meta: { width: "minmax(5.5rem, 1fr)" },
        cell: ({ row }) => (
          <button
            type="button"
            className="link text-start font-medium"
            onClick={() => setOpen(row.original.job)}
          >
            {functionName(row.original.function)}
          </button>
        ),
      },
      {
        id: "state",
        header: t("compute.jobs.state"),
        meta: { width: "8.5rem" },
        cell: ({ row }) => <JobBadge state={row.original.state} />,
      },
      {
        id: "inputs",
        header: t("compute.column.inputs"),
        meta: { width: "minmax(10rem, 2fr)", from: 700 },
        cell: ({ row }) => row.original.inputs.map((input) => input.topic).join(", "),
      },
      {
        id: "readings",
        header: t("compute.column.readings"),
        meta: { width: "6rem", end: true, from: 560 },
        cell: ({ row }) => row.original.inputs.reduce((sum, input) => sum + input.readings, 0),
      },
      {
        id: "gateway",
        header: t("compute.column.gateway"),
        meta: { width: "minmax(8rem, 1fr)", from: 960 },
        cell: ({ row }) => <ClientLink client={row.original.gateway} />,
      },
    ],
    [t, functionName],
  );
  const chosen = jobs.find(({ job }) => job === open);
  return (
    <Panel title={t("compute.jobs.list")} flush>
      <DataTable
        label={t("compute.jobs.list")}
        columns={columns}
        rows={jobs}
        rowId={({ gateway, job }) => `${gateway} ${job}`}
        onOpen={({ job }) => setOpen(job)}
        empty={
          <Empty icon={Sigma} title={t("compute.jobs.none")}>
            {t("compute.jobs.noneText")}
          </Empty>
        }
      />
      <Dialog
        open={chosen !== undefined}
        onOpenChange={(now) => !now && setOpen(undefined)}
        title={chosen ? functionName(chosen.function) : ""}
        side
      >
        {chosen && <One job={chosen} as={as} />}
      </Dialog>
    </Panel>
  );
}

function JobBadge({ state }: { state: string }) {
  const { t, i18n } = useTranslation();
  const key = `compute.jobs.states.${state}`;
  return (
    <Badge tone={STATES[state] ?? "quiet"} icon>
      {i18n.exists(key) ? String(t(key as never)) : state}
    </Badge>
  );
}

function One({ job, as }: { job: Job; as: string }) {
  const { t } = useTranslation();
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-3">
        <JobBadge state={job.state} />
        <Id id={job.job} />
      </div>
      {job.refused && (
        <Note tone="bad" title={t("compute.jobs.refused")}>
          {job.refused}
        </Note>
      )}
      {job.unpublished && (
        <Note tone="doubt" title={t("compute.jobs.unpublished")}>
          {job.unpublished}
        </Note>
      )}
      <ul className="flex flex-col gap-2">
        {job.inputs.map((input) => (
          <li key={input.topic} className="rounded-md bg-sunken px-3 py-2">
            <InputLine input={input} readings={input.readings} packages={input.packages} />
            {Object.entries(input.left_out).map(([reason, count]) => (
              <div key={reason} className="text-[0.9rem] text-ochre">
                {t("compute.jobs.leftOut", { count, reason })}
              </div>
            ))}
          </li>
        ))}
      </ul>
      <Facts
        items={[
          [t("compute.key"), <Id key="k" id={job.key} />],
          [t("compute.column.gateway"), <ClientLink key="g" client={job.gateway} />],
          [t("compute.jobs.asked"), <Time key="t" ms={job.asked_ms} />],
          job.evaluation != null && [
            t("compute.evaluation"),
            <Link
              key="e"
              to="/compute"
              search={{ tab: "evaluations", key: job.key, id: job.evaluation }}
              className="link"
            >
              {t("compute.jobs.record")}
            </Link>,
          ],
          job.height != null && [t("compute.recorded"), <HeightLink key="h" height={job.height} />],
        ]}
      />
      {job.state === "recorded" && <Had place={{ as, gateway: job.gateway, job: job.job }} />}
    </div>
  );
}

/** What there is of a job with a result. */
function Had({ place }: { place: JobPlace }) {
  const { t } = useTranslation();
  const refusal = useRefusal();
  const trust = useTrust();
  const pinned = usePinned();
  const save = useMutation({
    async mutationFn(what: "result" | "receipt") {
      const bytes = await bytesOf(filePath(place, what), "application/cbor");
      download(`${what}-${place.job.slice(0, 8)}.cbor`, bytes.slice(), "application/cbor");
    },
  });
  const verify = useMutation({ mutationFn: verified });
  return (
    <div className="flex flex-col gap-3">
      <p className="text-[0.92rem] text-ink-2">{t("compute.jobs.had")}</p>
      <div className="flex flex-wrap gap-2">
        <Link to="/compute" search={{ tab: "open", ...place }} className={buttonClass("primary")}>
          <LockOpen aria-hidden />
          {t("compute.openIt")}
        </Link>
        <Button
          icon={<ShieldCheck aria-hidden />}
          busy={verify.isPending}
          disabled={!trust}
          onClick={() => trust && verify.mutate({ place, trust })}
        >
          {t("compute.jobs.verify")}
        </Button>
        <Button icon={<Download aria-hidden />} busy={save.isPending} onClick={() => save.mutate("result")}>
          {t("compute.jobs.saveResult")}
        </Button>
        <Button icon={<Download aria-hidden />} busy={save.isPending} onClick={() => save.mutate("receipt")}>
          {t("compute.jobs.saveReceipt")}
        </Button>
      </div>
      <Refused error={save.error ?? refusal(verify.error)} />
      {verify.data && (
        <>
          {!pinned && (
            <Note tone="doubt" title={t("records.verify.unpinned")}>
              {t("records.verify.unpinnedText")}
            </Note>
          )}
          <ResultReport {...verify.data} />
        </>
      )}
    </div>
  );
}

async function verified({ place, trust }: { place: JobPlace; trust: Trust }) {
  return verifyResult(await bytesOf(filePath(place, "receipt"), "application/cbor"), trust);
}
