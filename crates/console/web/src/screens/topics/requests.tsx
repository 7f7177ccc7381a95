// Requests for rights: those that owners got, to be granted or denied, and a form to ask for one.
import { useQueries, useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { Inbox } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { actorsQuery, useAct } from "@/api/actions";
import { api, ok } from "@/api/client";
import {
  ACTIONS,
  ledgerQuery,
  matches,
  part,
  RIGHTS,
  type Right,
  type RightsRequest,
  type Topic,
  topicPart,
} from "@/api/ledger";
import { TermsLine } from "@/parts/grant";
import { Sentence } from "@/parts/sentence";
import { Button } from "@/ui/button";
import { SelectField, TextField } from "@/ui/field";
import { Panel } from "@/ui/panel";
import { Empty, Failed, Loading, Refused } from "@/ui/states";
import { Badge, Note } from "@/ui/status";
import { toast } from "@/ui/toast";
import { ClientLink, Time, TopicLink } from "@/ui/value";
import { Confirm } from "./dialogs";
import { type Chosen, NOTHING, TermsFields, termsOf } from "./terms";

/** Names of operators and gateways, which own no topics. */
const NO_OWNERS = /\.(operator|gateway)$/;
const EVERY_MS = 4_000;

/** Clients that own topics or may ask for rights, whose keys are at the console. */
export function useOwnersHere(): string[] {
  return (useQuery(actorsQuery).data ?? []).filter((client) => !NO_OWNERS.test(client));
}

/** The owner of a topic, or of the prefix that a filter lies in. */
export function useOwner(topic: string | undefined): string | undefined {
  const plain = topic !== undefined && !/[#+]/.test(topic);
  const query = useQuery({
    ...ledgerQuery<{ topic: Topic | null }>(`topics/${topicPart(topic ?? "")}`),
    enabled: plain,
  });
  const [org, name] = topic?.split("/") ?? [];
  return query.data?.value.topic?.owner ?? (org && name ? `${org}.${name}` : undefined);
}

export function Requests({ topic }: { topic: string | undefined }) {
  const { t } = useTranslation();
  const here = useOwnersHere();
  const owner = useOwner(topic);
  const owners = owner ? [owner] : here;
  const results = useQueries({
    queries: owners.map((one) => ({
      ...ledgerQuery<RightsRequest[]>(`clients/${part(one)}/requests`, { limit: 1000 }),
      refetchInterval: EVERY_MS,
    })),
  });
  const failed = results.find((result) => result.error && !result.data);
  const all = results
    .flatMap((result, at) =>
      (result.data?.value ?? []).map((request) => ({ request, owner: owners[at] ?? "" })),
    )
    .filter(({ request }) => !topic || matches(request.filter, topic) || request.filter === topic)
    .sort(
      (a, b) =>
        Number(Boolean(a.request.request.answer)) - Number(Boolean(b.request.request.answer)) ||
        b.request.request.asked.time_ms - a.request.request.asked.time_ms,
    );
  return (
    <div className="grid gap-4 2xl:grid-cols-[minmax(0,3fr)_minmax(22rem,2fr)]">
      <Panel
        title={owner ? t("topics.request.to", { client: owner }) : t("topics.request.mine")}
        flush
        className="self-start"
      >
        {failed ? (
          <Failed error={failed.error} retry={() => void failed.refetch()} small />
        ) : results.some((result) => result.isPending) ? (
          <Loading lines={3} />
        ) : all.length === 0 ? (
          <Empty small icon={Inbox} title={t("topics.request.none")}>
            {t("topics.request.noneText")}
          </Empty>
        ) : (
          <ul className="divide-y divide-line/70">
            {all.map(({ request, owner: of }) => (
              <RequestLine key={`${of} ${request.requester} ${request.filter}`} record={request} owner={of} />
            ))}
          </ul>
        )}
      </Panel>
      <Ask topic={topic} />
    </div>
  );
}

function RequestLine({ record, owner }: { record: RightsRequest; owner: string }) {
  const { t } = useTranslation();
  const { requester, filter, request } = record;
  const [denying, setDenying] = useState(false);
  const approve = useAct(
    () => ok(api.POST("/api/actions/topics/approve", { body: { as: owner, topic: filter, to: requester } })),
    () => toast(t("topics.request.approved", { client: requester })),
  );
  const { answer } = request;
  return (
    <li className="flex flex-wrap items-center gap-x-3 gap-y-1.5 px-4 py-3">
      <div className="min-w-0 flex-1 basis-72">
        <div className="flex flex-wrap items-center gap-x-2">
          <ClientLink client={requester} />
          <TopicLink topic={filter} />
          <span className="text-[0.9rem] text-ink-3">
            <Sentence
              text={t("topics.request.asked")}
              parts={{ time: <Time ms={request.asked.time_ms} ago /> }}
            />
          </span>
        </div>
        <TermsLine terms={request.terms} />
        {answer?.note && <p className="text-[0.92rem] text-ink-2">“{answer.note}”</p>}
        <Refused error={approve.error} />
      </div>
      {answer ? (
        <Badge tone={answer.granted ? "good" : "bad"} icon>
          {t(answer.granted ? "topics.request.granted" : "topics.request.denied")}
        </Badge>
      ) : (
        <span className="flex items-center gap-2">
          <Badge tone="doubt" icon>
            {t("topics.request.openState")}
          </Badge>
          <Button small kind="primary" busy={approve.isPending} onClick={() => approve.mutate(undefined)}>
            {t("topics.request.approve")}
          </Button>
          <Button small onClick={() => setDenying(true)}>
            {t("topics.request.deny")}
          </Button>
        </span>
      )}
      <Confirm
        open={denying}
        close={() => setDenying(false)}
        title={t("topics.request.denyTitle", { client: requester })}
        lead={t("topics.request.denyLead")}
        submit={t("topics.request.deny")}
        word={t("topics.request.note")}
        act={(note) =>
          ok(
            api.POST("/api/actions/topics/deny", {
              body: { as: owner, topic: filter, to: requester, note: note || undefined },
            }),
          )
        }
        done={t("topics.request.deniedDone", { client: requester })}
      />
    </li>
  );
}

function Ask({ topic }: { topic: string | undefined }) {
  const { t } = useTranslation();
  const search = useSearch({ from: "/inside/topics" });
  const here = useOwnersHere();
  const [as, setAs] = useState(search.client ?? "");
  const [filter, setFilter] = useState(topic ?? "");
  const [chosen, setChosen] = useState<Chosen>(() => {
    const wanted = ACTIONS.find((one) => one === search.action) as Right | undefined;
    return wanted && RIGHTS.includes(wanted) ? { ...NOTHING, rights: [wanted] } : NOTHING;
  });
  useEffect(() => setFilter(topic ?? ""), [topic]);
  const asked = here.includes(as) ? as : (here[0] ?? "");
  const act = useAct(
    () =>
      ok(
        api.POST("/api/actions/topics/request", {
          body: { as: asked, topic: filter.trim(), ...termsOf(chosen) },
        }),
      ),
    () => toast(t("topics.request.done", { topic: filter.trim() })),
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    act.mutate(undefined);
  };
  return (
    <Panel title={t("topics.request.title")} className="self-start">
      <form onSubmit={submit} className="flex flex-col gap-4">
        <p className="text-ink-2">{t("topics.request.lead")}</p>
        {here.length === 0 ? (
          <Note tone="info">{t("topics.request.noActors")}</Note>
        ) : (
          <>
            <SelectField
              label={t("topics.request.as")}
              value={asked}
              onChange={setAs}
              options={here.map((value) => ({ value, text: value }))}
            />
            <TextField
              label={t("topics.grant.topic")}
              value={filter}
              onChange={(event) => setFilter(event.target.value)}
            />
            <TermsFields chosen={chosen} onChange={setChosen} />
            <Refused error={act.error} />
            <Button
              type="submit"
              kind="primary"
              busy={act.isPending}
              disabled={!filter.trim() || chosen.rights.length === 0}
              className="self-start"
            >
              {t("topics.request.submit")}
            </Button>
          </>
        )}
      </form>
    </Panel>
  );
}
