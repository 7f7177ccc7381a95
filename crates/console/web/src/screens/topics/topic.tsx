// One topic: whose it is, who may what, what was archived of it.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { CircleHelp, FileCheck2, KeyRound, Users, Waypoints } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { actorsQuery } from "@/api/actions";
import { api, ok } from "@/api/client";
import {
  type Grant,
  type GrantRecord,
  grantStands,
  ledgerQuery,
  matches,
  type PackageRecord,
  part,
  type Topic,
  topicPart,
  type Upkeep,
  type WideGrant,
} from "@/api/ledger";
import { useNow } from "@/lib/clock";
import { ModeBadge } from "@/parts/badges";
import { GrantState, TermsLine } from "@/parts/grant";
import { Sentence } from "@/parts/sentence";
import { Button, buttonClass } from "@/ui/button";
import { Facts, Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { Badge, Note } from "@/ui/status";
import { ClientLink, Copy, HeightLink, Num, Time } from "@/ui/value";
import { Confirm, GrantDialog } from "./dialogs";
import { KeyDialog } from "./key-dialog";

/** The page follows the ledger at this pace, in milliseconds. */
const EVERY_MS = 3_000;
/** Newest packages that the traffic is told by. */
const PACKAGES = 10;

interface Found {
  topic: Topic | null;
  grants: GrantRecord[];
}

export function TopicPage({ topic, register }: { topic: string | undefined; register: () => void }) {
  const { t } = useTranslation();
  const query = useQuery({
    ...ledgerQuery<Found>(`topics/${topicPart(topic ?? "")}`),
    enabled: topic !== undefined && !/[#+]/.test(topic),
    refetchInterval: EVERY_MS,
  });
  const registerButton = (
    <Button kind="primary" onClick={register}>
      {t("topics.register.title")}
    </Button>
  );
  if (topic === undefined || /[#+]/.test(topic))
    return (
      <Panel>
        <Empty icon={Waypoints} title={t("topics.choose")} actions={registerButton}>
          {t("topics.chooseText")}
        </Empty>
      </Panel>
    );
  return (
    <Loaded query={query} lines={8}>
      {({ value }) =>
        value.topic ? (
          <Known name={topic} topic={value.topic} grants={value.grants} />
        ) : (
          <Panel>
            <Empty icon={CircleHelp} title={t("topics.unknown", { topic })} actions={registerButton}>
              {t("topics.unknownText")}
            </Empty>
          </Panel>
        )
      }
    </Loaded>
  );
}

type Act = "grant" | "key" | "rotate" | "close";

function Known({ name, topic, grants }: { name: string; topic: Topic; grants: GrantRecord[] }) {
  const { t } = useTranslation();
  const { client } = useSearch({ from: "/inside/topics" });
  const [act, setAct] = useState<Act | undefined>(client && client !== topic.owner ? "grant" : undefined);
  const actors = useQuery(actorsQuery);
  useEffect(() => {
    if (client && client !== topic.owner) setAct("grant");
  }, [client, topic.owner]);
  const keyHere = !actors.data || actors.data.includes(topic.owner);
  const close = () => setAct(undefined);
  return (
    <div className="flex flex-col gap-4">
      <Panel
        title={
          <span className="inline-flex items-center gap-1 break-all">
            {name} <Copy text={name} />
          </span>
        }
        actions={
          !topic.closed && (
            <span className="flex flex-wrap gap-1.5">
              <Button small kind="primary" onClick={() => setAct("grant")}>
                {t("topics.grant.title")}
              </Button>
              <Button small icon={<KeyRound aria-hidden />} onClick={() => setAct("key")}>
                {t("topics.key.action")}
              </Button>
              {topic.mode === "sealed" && (
                <Button small onClick={() => setAct("rotate")}>
                  {t("topics.rotate")}
                </Button>
              )}
              <Button small onClick={() => setAct("close")}>
                {t("topics.close")}
              </Button>
            </span>
          )
        }
      >
        <TopicFacts name={name} topic={topic} grants={grants} />
        <KeyCare name={name} owner={topic.owner} />
        {!keyHere && (
          <div className="mt-4">
            <Note tone="quiet" title={t("topics.noKey")}>
              {t("topics.noKeyText")}
            </Note>
          </div>
        )}
      </Panel>
      <Grants name={name} topic={topic} grants={grants} />
      <GrantDialog
        open={act === "grant"}
        onOpenChange={(open) => !open && close()}
        topic={name}
        owner={topic.owner}
        to={client}
      />
      <KeyDialog
        open={act === "key"}
        onOpenChange={(open) => !open && close()}
        topic={name}
        owner={topic.owner}
      />
      <Confirm
        open={act === "rotate"}
        close={close}
        title={t("topics.rotateTitle", { topic: name })}
        lead={t("topics.rotateLead")}
        submit={t("topics.rotate")}
        act={() => ok(api.POST("/api/actions/topics/rotate", { body: { as: topic.owner, topic: name } }))}
        done={t("topics.rotated", { topic: name })}
      />
      <Confirm
        open={act === "close"}
        close={close}
        title={t("topics.closeTitle", { topic: name })}
        lead={t("topics.closeLead")}
        submit={t("topics.close")}
        danger
        word={t("words.act.reason")}
        act={(reason) =>
          ok(api.POST("/api/actions/topics/close", { body: { as: topic.owner, topic: name, reason } }))
        }
        done={t("topics.closedDone", { topic: name })}
      />
    </div>
  );
}

/** Who has the present key without a right, or a right without the key: after a revocation by an operator. */
function KeyCare({ name, owner }: { name: string; owner: string }) {
  const { t } = useTranslation();
  const query = useQuery({
    ...ledgerQuery<Upkeep[]>(`clients/${part(owner)}/upkeep`, { limit: 1000 }),
    refetchInterval: EVERY_MS,
  });
  const found = query.data?.value.find((one) => one.topic === name);
  if (!found || (found.stale.length === 0 && found.missing.length === 0)) return null;
  const clients = (ids: string[]) => ({
    clients: (
      <span className="inline-flex flex-wrap gap-x-2">
        {ids.map((id) => (
          <ClientLink key={id} client={id} />
        ))}
      </span>
    ),
  });
  return (
    <div className="mt-4">
      <Note tone="doubt" title={t("topics.upkeep.title")}>
        {found.stale.length > 0 && (
          <p>
            <Sentence text={t("topics.upkeep.stale")} parts={clients(found.stale)} />
          </p>
        )}
        {found.missing.length > 0 && (
          <p>
            <Sentence text={t("topics.upkeep.missing")} parts={clients(found.missing)} />
          </p>
        )}
      </Note>
    </div>
  );
}

function TopicFacts({ name, topic, grants }: { name: string; topic: Topic; grants: GrantRecord[] }) {
  const { t } = useTranslation();
  const nowMs = useNow();
  const newest = useQuery({
    ...ledgerQuery<PackageRecord[]>("packages", { topic: name, limit: PACKAGES, newest_first: true }),
    placeholderData: keepPreviousData,
    refetchInterval: EVERY_MS,
  });
  const packages = newest.data?.value ?? [];
  const count = packages.reduce((sum, one) => sum + one.anchor.count, 0);
  const last = Math.max(...packages.map((one) => one.anchor.to_ms));
  return (
    <Facts
      wide
      items={[
        [t("topics.owner"), <ClientLink key="o" client={topic.owner} copy />],
        [t("topics.mode"), <ModeBadge key="m" mode={topic.mode} />],
        [
          t("topics.epoch"),
          topic.mode === "open" ? t("topics.epochOpen") : <Num key="e" value={topic.epoch} />,
        ],
        [
          t("topics.registered"),
          <span key="r">
            <Time ms={topic.registered.time_ms} /> · <HeightLink height={topic.registered.height} />
          </span>,
        ],
        topic.changed && [
          t("topics.changed"),
          <span key="c">
            <Time ms={topic.changed.time_ms} /> · <HeightLink height={topic.changed.height} />
          </span>,
        ],
        [
          t("topics.readers"),
          <Num key="n" value={grants.filter((one) => grantStands(one.grant, nowMs) === "live").length} />,
        ],
        [
          t("topics.traffic"),
          <span key="t" className="inline-flex flex-wrap items-center gap-2">
            {packages.length === 0 ? (
              <span className="text-ink-3">{t("topics.trafficNone")}</span>
            ) : (
              <Sentence
                text={t("topics.trafficLine")}
                parts={{ count: t("devices.readingsLine", { count }), time: <Time ms={last} ago /> }}
              />
            )}
            <Link to="/records" search={{ topic: name }} className={buttonClass("secondary", true)}>
              <FileCheck2 aria-hidden />
              {t("topics.records")}
            </Link>
          </span>,
        ],
        topic.closed && [
          t("topics.closed"),
          <span key="x">
            <Badge tone="bad">{t("words.status.closed")}</Badge> <Time ms={topic.closed.at.time_ms} /> ·{" "}
            {topic.closed.reason}
          </span>,
        ],
      ]}
    />
  );
}

interface Held {
  grantee: string;
  filter: string;
  grant: Grant;
}

function Grants({ name, topic, grants }: { name: string; topic: Topic; grants: GrantRecord[] }) {
  const { t } = useTranslation();
  const [taking, setTaking] = useState<Held>();
  const wide = useQuery(ledgerQuery<WideGrant[]>(`clients/${part(topic.owner)}/granted-filters`));
  const covering = (wide.data?.value ?? []).filter((one) => matches(one.filter, name));
  const all: Held[] = [
    ...grants.map(({ grantee, grant }) => ({ grantee, filter: name, grant })),
    ...covering.map(({ grantee, filter, grant }) => ({ grantee, filter, grant })),
  ];
  return (
    <Panel title={t("topics.grants")} note={t("topics.grantsNote")} flush>
      {all.length === 0 ? (
        <Empty small icon={Users} title={t("topics.noGrants")}>
          {t("topics.noGrantsText")}
        </Empty>
      ) : (
        <ul className="divide-y divide-line/70">
          {all.map((held) => (
            <li
              key={`${held.grantee} ${held.filter}`}
              className="flex flex-wrap items-center gap-x-3 gap-y-1.5 px-4 py-2.5"
            >
              <span className="min-w-0 basis-44">
                <ClientLink client={held.grantee} />
                {held.filter !== name && (
                  <span className="block text-[0.86rem] text-ink-3">
                    {t("topics.wide")} <code className="id-text">{held.filter}</code>
                  </span>
                )}
              </span>
              <span className="min-w-0 flex-1 basis-60">
                <TermsLine terms={held.grant} />
              </span>
              <GrantState grant={held.grant} />
              <Button small onClick={() => setTaking(held)}>
                {t("topics.revoke")}
              </Button>
            </li>
          ))}
        </ul>
      )}
      <Confirm
        open={taking !== undefined}
        close={() => setTaking(undefined)}
        title={t("topics.revokeTitle", { client: taking?.grantee })}
        lead={t("topics.revokeLead")}
        submit={t("topics.revoke")}
        danger
        act={() =>
          ok(
            api.POST("/api/actions/topics/revoke", {
              body: { as: topic.owner, topic: taking?.filter ?? name, from: taking?.grantee ?? "" },
            }),
          )
        }
        done={t("topics.revoked", { client: taking?.grantee, topic: taking?.filter ?? name })}
      />
    </Panel>
  );
}
