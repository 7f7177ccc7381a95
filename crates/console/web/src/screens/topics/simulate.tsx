// Simulate as: pick a client and see what it may do and why, now, at an earlier height, or supposing a grant.
import { useQueries, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { UserRoundSearch } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import {
  ACTIONS,
  type Action,
  type Answer,
  askLedger,
  type Decision,
  RIGHTS,
  type Right,
} from "@/api/ledger";
import { tidy } from "@/lib/params";
import { useWord } from "@/parts/badges";
import { ClientField } from "@/parts/client-field";
import { DecisionView, useReason } from "@/parts/decision";
import { useExplain } from "@/parts/events";
import { Button } from "@/ui/button";
import { CheckField, SelectField, TextField } from "@/ui/field";
import { Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { Badge } from "@/ui/status";

export function Simulate() {
  const { t } = useTranslation();
  const word = useWord();
  const search = useSearch({ from: "/inside/topics" });
  const navigate = useNavigate({ from: "/topics" });
  const action = ACTIONS.find((one) => one === search.action) ?? "subscribe";
  const [client, setClient] = useState(search.client ?? "");
  const [topic, setTopic] = useState(search.topic ?? "");
  const [at, setAt] = useState("");
  useEffect(() => setClient(search.client ?? ""), [search.client]);
  useEffect(() => setTopic(search.topic ?? ""), [search.topic]);
  const ask = (event?: FormEvent, wanted: Action = action) => {
    event?.preventDefault();
    void navigate({
      search: tidy({
        tab: "simulate" as const,
        client: client.trim() || undefined,
        topic: topic.trim() || undefined,
        action: wanted,
      }),
      replace: true,
    });
  };
  const height = Number(at) || undefined;
  const complete = search.client !== undefined && (action === "connect" || search.topic !== undefined);
  return (
    <div className="flex flex-col gap-4">
      <Panel>
        <p className="mb-4 max-w-[75ch] text-ink-2">{t("topics.simulate.lead")}</p>
        <form
          onSubmit={ask}
          className="grid items-end gap-3 sm:grid-cols-2 2xl:grid-cols-[minmax(0,2fr)_minmax(0,1.2fr)_minmax(0,2.4fr)_minmax(0,1fr)_auto]"
        >
          <ClientField label={t("topics.simulate.client")} value={client} onChange={setClient} />
          <SelectField
            label={t("topics.simulate.action")}
            value={action}
            onChange={(next) => ask(undefined, next)}
            options={ACTIONS.map((value) => ({ value, text: word("action", value) }))}
          />
          <TextField
            label={t("topics.simulate.topic")}
            value={topic}
            onChange={(event) => setTopic(event.target.value)}
            disabled={action === "connect"}
          />
          <TextField
            label={t("topics.simulate.at")}
            placeholder={t("topics.simulate.atHint")}
            inputMode="numeric"
            value={at}
            onChange={(event) => setAt(event.target.value.replace(/\D/g, ""))}
          />
          <Button type="submit" kind="primary" className="justify-self-start">
            {t("topics.simulate.ask")}
          </Button>
        </form>
      </Panel>
      {complete && search.client ? (
        <div className="grid items-start gap-4 2xl:grid-cols-2">
          <One
            client={search.client}
            action={action}
            topic={action === "connect" ? undefined : search.topic}
            at={height}
          />
          {search.topic && (
            <div className="flex flex-col gap-4">
              <All
                client={search.client}
                topic={search.topic}
                at={height}
                choose={(next) => ask(undefined, next)}
                chosen={action}
              />
              {height === undefined && action !== "connect" && (
                <Suppose client={search.client} action={action} topic={search.topic} />
              )}
            </div>
          )}
        </div>
      ) : (
        <Panel>
          <Empty icon={UserRoundSearch} title={t("topics.simulate.pick")}>
            {t("topics.simulate.pickText")}
          </Empty>
        </Panel>
      )}
    </div>
  );
}

interface Asked {
  client: string;
  action: Action;
  topic: string | undefined;
  at?: number | undefined;
}

function One({ client, action, topic, at }: Asked) {
  const query = useExplain({ client, action, topic, at });
  return (
    <Panel>
      <Loaded query={query} lines={6} small>
        {(decision) => (
          <DecisionView decision={decision} client={client} action={action} topic={topic} offers />
        )}
      </Loaded>
    </Panel>
  );
}

function All(props: {
  client: string;
  topic: string;
  at: number | undefined;
  chosen: Action;
  choose: (action: Action) => void;
}) {
  const { t } = useTranslation();
  const word = useWord();
  const reason = useReason();
  const { client, topic, at } = props;
  const wild = /[#+]/.test(topic);
  const actions = ACTIONS.filter((action) => !wild || action === "connect" || action === "subscribe");
  const results = useQueries({
    queries: actions.map((action) => ({
      queryKey: [
        "ledger",
        "explain",
        { client, action, topic: action === "connect" ? undefined : topic, at },
      ],
      queryFn: async ({ signal }: { signal: AbortSignal }) =>
        (
          await askLedger<Answer<Decision>>(
            "explain",
            { client, action, topic: action === "connect" ? undefined : topic, at },
            signal,
          )
        ).value,
    })),
  });
  return (
    <Panel title={t("topics.simulate.all")} flush>
      <p className="px-4 pt-3 text-[0.9rem] break-words text-ink-3">
        {t("topics.simulate.allText", { client, topic })}
      </p>
      <ul className="py-1.5">
        {actions.map((action, index) => {
          const decision = results[index]?.data;
          return (
            <li key={action}>
              <button
                type="button"
                aria-pressed={action === props.chosen}
                onClick={() => props.choose(action)}
                className="flex w-full flex-wrap items-center gap-x-3 px-4 py-1.5 text-start hover:bg-sunken aria-pressed:bg-indigo-soft"
              >
                <span className="w-28 shrink-0">{word("action", action)}</span>
                {decision && (
                  <>
                    <Badge tone={decision.reason.allowed ? "good" : "bad"} icon>
                      {t(decision.reason.allowed ? "rights.allowed" : "rights.denied")}
                    </Badge>
                    <span className="min-w-0 flex-1 basis-52 text-[0.92rem] text-ink-2">
                      {reason(decision.reason)}
                    </span>
                  </>
                )}
              </button>
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}

function Suppose({ client, action, topic }: { client: string; action: Action; topic: string }) {
  const { t } = useTranslation();
  const word = useWord();
  const [rights, setRights] = useState<Right[]>([]);
  const query = useQuery({
    queryKey: ["ledger", "simulate", client, action, topic, rights],
    queryFn: async ({ signal }) =>
      (
        await askLedger<Answer<{ now: Decision; supposed: Decision }>>(
          "simulate",
          { client, action, topic, rights: rights.join(",") },
          signal,
        )
      ).value,
    enabled: rights.length > 0,
  });
  return (
    <Panel title={t("topics.simulate.suppose")}>
      <p className="mb-3 text-[0.92rem] text-ink-2">{t("topics.simulate.supposeText")}</p>
      <div className="flex flex-wrap gap-x-5 gap-y-2">
        {RIGHTS.map((right) => (
          <CheckField
            key={right}
            checked={rights.includes(right)}
            onChange={(on) =>
              setRights((now) => RIGHTS.filter((one) => (one === right ? on : now.includes(one))))
            }
            label={word("right", right)}
          />
        ))}
      </div>
      {rights.length > 0 && (
        <div className="mt-4">
          <h3 className="label-caps mb-2">{t("topics.simulate.supposed")}</h3>
          <Loaded query={query} lines={3} small>
            {({ supposed }) => (
              <DecisionView decision={supposed} client={client} action={action} topic={topic} />
            )}
          </Loaded>
        </div>
      )}
    </Panel>
  );
}
