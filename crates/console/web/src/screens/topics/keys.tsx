// Authorisation keys: those that owners made with who used them, and a place to redeem one.
import { useQueries } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useAct } from "@/api/actions";
import { api, ok } from "@/api/client";
import { type AuthorisationKey, ledgerQuery, matches, part } from "@/api/ledger";
import { TermsLine } from "@/parts/grant";
import { Sentence } from "@/parts/sentence";
import { Button } from "@/ui/button";
import { SelectField, TextField } from "@/ui/field";
import { Panel } from "@/ui/panel";
import { Empty, Failed, Loading, Refused } from "@/ui/states";
import { Badge, Note } from "@/ui/status";
import { toast } from "@/ui/toast";
import { ClientLink, Id, Time, TopicLink } from "@/ui/value";
import { KeyDialog } from "./key-dialog";
import { useOwner, useOwnersHere } from "./requests";

const EVERY_MS = 4_000;

export function Keys({ topic }: { topic: string | undefined }) {
  const { t } = useTranslation();
  const here = useOwnersHere();
  const owner = useOwner(topic);
  const owners = owner ? [owner] : here;
  const [making, setMaking] = useState(false);
  const results = useQueries({
    queries: owners.map((one) => ({
      ...ledgerQuery<AuthorisationKey[]>(`clients/${part(one)}/authorisations`, { limit: 1000 }),
      refetchInterval: EVERY_MS,
    })),
  });
  const failed = results.find((result) => result.error && !result.data);
  const all = results
    .flatMap((result) => result.data?.value ?? [])
    .filter(
      ({ authorisation }) => !topic || authorisation.filter === topic || matches(authorisation.filter, topic),
    )
    .sort((a, b) => b.authorisation.created.time_ms - a.authorisation.created.time_ms);
  return (
    <div className="grid gap-4 2xl:grid-cols-[minmax(0,3fr)_minmax(22rem,2fr)]">
      <Panel
        title={owner ? t("topics.key.of", { client: owner }) : t("topics.key.mine")}
        actions={
          owner &&
          topic && (
            <Button small kind="primary" onClick={() => setMaking(true)}>
              {t("topics.key.title")}
            </Button>
          )
        }
        flush
        className="self-start"
      >
        {failed ? (
          <Failed error={failed.error} retry={() => void failed.refetch()} small />
        ) : results.some((result) => result.isPending) ? (
          <Loading lines={3} />
        ) : all.length === 0 ? (
          <Empty small icon={KeyRound} title={t("topics.key.none")}>
            {t("topics.key.noneText")}
          </Empty>
        ) : (
          <ul className="divide-y divide-line/70">
            {all.map((record) => (
              <KeyLine key={record.id} record={record} />
            ))}
          </ul>
        )}
      </Panel>
      <Redeem here={here} />
      {owner && topic && <KeyDialog open={making} onOpenChange={setMaking} topic={topic} owner={owner} />}
    </div>
  );
}

function KeyLine({ record }: { record: AuthorisationKey }) {
  const { t } = useTranslation();
  const { id, authorisation, open } = record;
  const withdraw = useAct(
    () => ok(api.POST("/api/actions/authorisations/withdraw", { body: { id } })),
    () => toast(t("topics.key.withdrawnDone")),
  );
  return (
    <li className="flex flex-wrap items-center gap-x-3 gap-y-1.5 px-4 py-3">
      <div className="min-w-0 flex-1 basis-72">
        <div className="flex flex-wrap items-center gap-x-2">
          <TopicLink topic={authorisation.filter} />
          <Id id={id} />
        </div>
        <TermsLine terms={authorisation.terms} />
        <p className="text-[0.9rem] text-ink-3">
          {t("topics.key.usesOf", { used: authorisation.redeemed.length, uses: authorisation.uses })} ·{" "}
          <Sentence
            text={t("topics.key.until")}
            parts={{ time: <Time ms={authorisation.redeem_until_s * 1000} /> }}
          />
        </p>
        {authorisation.redeemed.length > 0 && (
          <p className="text-[0.9rem]">
            <span className="text-ink-3">{t("topics.key.usedBy")} </span>
            {authorisation.redeemed.map(({ client, at }) => (
              <span key={client} className="me-2">
                <ClientLink client={client} />{" "}
                <span className="text-ink-3">
                  <Time ms={at.time_ms} ago />
                </span>
              </span>
            ))}
          </p>
        )}
        <Refused error={withdraw.error} />
      </div>
      <Badge tone={authorisation.withdrawn ? "bad" : open ? "good" : "quiet"} icon>
        {t(authorisation.withdrawn ? "topics.key.withdrawn" : open ? "topics.key.open" : "topics.key.over")}
      </Badge>
      {open && (
        <Button small busy={withdraw.isPending} onClick={() => withdraw.mutate(undefined)}>
          {t("topics.key.withdraw")}
        </Button>
      )}
    </li>
  );
}

function Redeem({ here }: { here: string[] }) {
  const { t } = useTranslation();
  const [as, setAs] = useState("");
  const [text, setText] = useState("");
  const client = here.includes(as) ? as : (here[0] ?? "");
  const act = useAct(
    () => ok(api.POST("/api/actions/authorisations/redeem", { body: { as: client, key: text.trim() } })),
    (got) => {
      toast(t("topics.key.redeemed", { client, topic: got.topic }));
      setText("");
    },
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    act.mutate(undefined);
  };
  return (
    <Panel title={t("topics.key.redeemTitle")} className="self-start">
      <form onSubmit={submit} className="flex flex-col gap-4">
        <p className="text-ink-2">{t("topics.key.redeemLead")}</p>
        {here.length === 0 ? (
          <Note tone="info">{t("topics.request.noActors")}</Note>
        ) : (
          <>
            <SelectField
              label={t("topics.key.as")}
              value={client}
              onChange={setAs}
              options={here.map((value) => ({ value, text: value }))}
            />
            <TextField
              label={t("topics.key.text")}
              placeholder="SWA-…"
              mono
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
            <Refused error={act.error} />
            <Button
              type="submit"
              kind="primary"
              busy={act.isPending}
              disabled={!text.trim()}
              className="self-start"
            >
              {t("topics.key.redeem")}
            </Button>
          </>
        )}
      </form>
    </Panel>
  );
}
