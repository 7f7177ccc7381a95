// What was computed: by topic, by key, or one computation in full.
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { ParseKeys } from "i18next";
import { Sigma } from "lucide-react";
import { useCallback, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { type EvaluationRecord, flat, ledgerPages, ledgerQuery, part } from "@/api/ledger";
import { tidy } from "@/lib/params";
import { Sentence } from "@/parts/sentence";
import { TopicField } from "@/parts/topic-field";
import { buttonClass } from "@/ui/button";
import { useTyped } from "@/ui/debounced";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { Facts, Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { type Column, DataTable } from "@/ui/table";
import { ClientLink, HeightLink, Id, Num, Time, TopicLink } from "@/ui/value";

/** A function's name in the page's language. */
export function useFunctionName() {
  const { t, i18n } = useTranslation();
  return useCallback(
    (name: string): string => {
      const key = `compute.function.${name}`;
      return i18n.exists(key) ? String(t(key as ParseKeys)) : name;
    },
    [t, i18n],
  );
}

export function Evaluations() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/inside/compute" });
  const navigate = useNavigate({ from: "/compute" });
  const set = useCallback(
    (change: Partial<typeof search>) =>
      void navigate({ search: (now) => tidy({ ...now, ...change }), replace: true }),
    [navigate],
  );
  const setTopic = useCallback(
    (topic: string) => set({ topic: topic.trim() || undefined, key: undefined }),
    [set],
  );
  const setKey = useCallback((key: string) => set({ key: key.trim() || undefined, topic: undefined }), [set]);
  const [topic, typeTopic] = useTyped(search.topic ?? "", setTopic);
  const [key, typeKey] = useTyped(search.key ?? "", setKey);
  return (
    <>
      <Panel flush>
        <div className="grid gap-3 border-b border-line p-4 sm:grid-cols-2">
          <TopicField
            label={t("compute.byTopic")}
            hint={t("compute.byTopicHint")}
            value={topic}
            onChange={typeTopic}
          />
          <TextField
            label={t("compute.byKey")}
            mono
            value={key}
            onChange={(event) => typeKey(event.target.value)}
          />
        </div>
        {search.topic || search.key ? (
          <List
            path={search.key ? `compute/keys/${part(search.key)}/evaluations` : "evaluations"}
            topic={search.key ? undefined : search.topic}
          />
        ) : (
          <Empty icon={Sigma} title={t("compute.pick")}>
            {t("compute.pickText")}
          </Empty>
        )}
      </Panel>
      <Dialog
        open={search.id !== undefined}
        onOpenChange={(open) => !open && set({ id: undefined })}
        title={t("compute.evaluation")}
        side
      >
        {search.id && <One id={search.id} />}
      </Dialog>
    </>
  );
}

function List({ path, topic }: { path: string; topic: string | undefined }) {
  const { t } = useTranslation();
  const navigate = useNavigate({ from: "/compute" });
  const functionName = useFunctionName();
  const query = useInfiniteQuery(ledgerPages<EvaluationRecord>(path, { topic, newest_first: true }));
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const show = useCallback(
    (id: string) => ({ to: "/compute" as const, search: (now: object) => ({ ...now, id }) }),
    [],
  );
  const columns = useMemo(
    (): Column<EvaluationRecord>[] => [
      {
        id: "time",
        header: t("compute.column.time"),
        meta: { width: "minmax(6rem, 0.8fr)" },
        cell: ({ row }) => <Time ms={row.original.evaluation.evaluation.time_ms} ago />,
      },
      {
        id: "function",
        header: t("compute.column.function"),
        meta: { width: "minmax(8rem, 1fr)" },
        cell: ({ row }) => (
          <Link {...show(row.original.id)} className="font-medium link">
            {functionName(row.original.evaluation.evaluation.job.function.function)}
          </Link>
        ),
      },
      {
        id: "inputs",
        header: t("compute.column.inputs"),
        meta: { width: "minmax(10rem, 2fr)", from: 560 },
        cell: ({ row }) =>
          row.original.evaluation.evaluation.job.inputs.map((input) => input.topic).join(", "),
      },
      {
        id: "readings",
        header: t("compute.column.readings"),
        meta: { width: "6rem", end: true },
        cell: ({ row }) => (
          <Num
            value={row.original.evaluation.evaluation.inputs.reduce((sum, input) => sum + input.readings, 0)}
          />
        ),
      },
      {
        id: "requester",
        header: t("compute.column.requester"),
        meta: { width: "minmax(8rem, 1fr)", from: 820 },
        cell: ({ row }) => <ClientLink client={row.original.evaluation.evaluation.requester} />,
      },
      {
        id: "result",
        header: t("compute.column.result"),
        meta: { width: "11rem", from: 1040 },
        cell: ({ row }) => <Id id={row.original.evaluation.evaluation.result} />,
      },
    ],
    [t, functionName, show],
  );
  return (
    <Loaded query={query} lines={6}>
      {(data) => (
        <DataTable
          label={t("compute.list")}
          columns={columns}
          rows={flat(data)}
          rowId={(row) => row.id}
          onEnd={onEnd}
          loadingMore={isFetchingNextPage}
          onOpen={(row) => void navigate({ search: (now) => ({ ...now, id: row.id }) })}
          empty={
            <Empty icon={Sigma} title={t("compute.none")}>
              {t("compute.noneText")}
            </Empty>
          }
        />
      )}
    </Loaded>
  );
}

function One({ id }: { id: string }) {
  const { t } = useTranslation();
  const query = useQuery(ledgerQuery<EvaluationRecord["evaluation"] | null>(`evaluations/${part(id)}`));
  return (
    <Loaded query={query} lines={6}>
      {({ value }) =>
        value ? (
          <Full id={id} record={value} />
        ) : (
          <Empty icon={Sigma} title={t("compute.none")}>
            {t("compute.noneText")}
          </Empty>
        )
      }
    </Loaded>
  );
}

/** What an input of a computation was over. */
export function InputLine(props: {
  input: { topic: string; from_ms: number; to_ms: number };
  readings: number;
  packages: number;
}) {
  const { t } = useTranslation();
  const { input, readings, packages } = props;
  return (
    <Sentence
      text={t("compute.inputLine")}
      parts={{
        topic: <TopicLink topic={input.topic} />,
        from: <Time ms={input.from_ms} />,
        to: <Time ms={input.to_ms} />,
        readings: t("compute.readingsCount", { count: readings }),
        packages: t("compute.packagesCount", { count: packages }),
      }}
    />
  );
}

function Full({ id, record }: { id: string; record: EvaluationRecord["evaluation"] }) {
  const { t } = useTranslation();
  const functionName = useFunctionName();
  const { evaluation, at } = record;
  return (
    <div className="flex flex-col gap-4">
      <div>
        <div className="text-[1.15rem] font-semibold">{functionName(evaluation.job.function.function)}</div>
        <Id id={id} />
      </div>
      <ul className="flex flex-col gap-2">
        {evaluation.job.inputs.map((input, index) => {
          const taken = evaluation.inputs[index];
          return (
            <li key={input.topic} className="rounded-md bg-sunken px-3 py-2">
              <InputLine input={input} readings={taken?.readings ?? 0} packages={taken?.packages ?? 0} />
            </li>
          );
        })}
      </ul>
      <Facts
        items={[
          [t("compute.key"), <Id key="k" id={evaluation.job.key} />],
          [t("compute.column.requester"), <ClientLink key="r" client={evaluation.requester} />],
          [t("compute.column.gateway"), <ClientLink key="g" client={evaluation.gateway} />],
          [t("compute.height"), <HeightLink key="h" height={evaluation.height} />],
          [t("compute.resultDigest"), <Id key="d" id={evaluation.result} />],
          [t("compute.request"), <Id key="q" id={evaluation.request} />],
          [t("compute.evaluator"), String(evaluation.evaluator)],
          [
            t("compute.recorded"),
            <span key="b">
              <HeightLink height={at.height} /> · <Time ms={at.time_ms} />
            </span>,
          ],
        ]}
      />
      <p className="text-[0.92rem] text-ink-2">{t("compute.again")}</p>
      <div>
        <Link to="/compute" search={{ tab: "open" }} className={buttonClass("primary")}>
          {t("compute.openIt")}
        </Link>
      </div>
    </div>
  );
}
