// One client: how it stands, its connections, topics and rights.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { CircleHelp, FlaskConical, PlugZap } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok, type Schemas } from "@/api/client";
import { KINDS } from "@/api/ledger";
import { Problem } from "@/api/problem";
import { useSession } from "@/api/session";
import { orgOf } from "@/lib/format";
import { tidy } from "@/lib/params";
import { RoleText, StatusBadge, useWord } from "@/parts/badges";
import { EventList, streamsOf } from "@/parts/events";
import { Sentence } from "@/parts/sentence";
import { Button, buttonClass } from "@/ui/button";
import { SelectField } from "@/ui/field";
import { Facts, PageHead, Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { Note } from "@/ui/status";
import { Tabs } from "@/ui/tabs";
import { ClientLink, Code, Copy, HeightLink, Id, Time } from "@/ui/value";
import { type Change, ChangeDialog } from "./change";
import { ClientReadings, ClientRights, ClientTopics } from "./device-tabs";
import { Connection } from "./devices";

type View = Schemas["DeviceView"];

/** The page follows the ledger at this pace, in milliseconds. */
const EVERY_MS = 3_000;

export function Device() {
  const { t } = useTranslation();
  const { client } = useParams({ from: "/inside/devices/$client" });
  const query = useQuery({
    queryKey: ["device", client],
    queryFn: ({ signal }) => ok(api.GET("/api/devices/{client}", { params: { path: { client } }, signal })),
    refetchInterval: EVERY_MS,
  });
  const unknown =
    query.error instanceof Problem && (query.error.status === 404 || query.error.status === 400);
  if (unknown && !query.data)
    return (
      <Panel>
        <Empty
          icon={CircleHelp}
          title={t("devices.unknown", { client })}
          actions={
            <Link to="/devices" search={{ search: client }} className={buttonClass()}>
              {t("shell.nav.devices")}
            </Link>
          }
        >
          {t("devices.unknownText")}
        </Empty>
        <EventList label={t("devices.tab.connections")} streams={streamsOf(client, undefined)} empty={null} />
      </Panel>
    );
  return (
    <Loaded query={query} lines={8}>
      {(view) => <Page view={view} />}
    </Loaded>
  );
}

function Page({ view }: { view: View }) {
  const { t } = useTranslation();
  const { client } = view;
  const search = useSearch({ from: "/inside/devices/$client" });
  const navigate = useNavigate({ from: "/devices/$client" });
  const acts = view.role === "device" || view.role === "user";
  return (
    <>
      <PageHead
        above={
          <Link to="/devices" search={{ org: orgOf(client) }} className="hover:underline">
            {t("shell.nav.devices")} / {orgOf(client)}
          </Link>
        }
        title={
          <span className="inline-flex items-center gap-1">
            {client}
            <Copy text={client} />
          </span>
        }
        lead={
          <span className="inline-flex flex-wrap items-center gap-x-3 gap-y-1">
            <RoleText role={view.role} />
            <StatusBadge status={view.status} />
            <Connection online={view.online} />
          </span>
        }
        actions={<Actions view={view} />}
      />
      <Tabs
        label={t("devices.parts")}
        value={search.tab ?? "about"}
        onChange={(tab) =>
          void navigate({ search: tidy({ tab: tab === "about" ? undefined : tab }), replace: true })
        }
        tabs={[
          { value: "about", text: t("devices.tab.about"), content: <About view={view} /> },
          {
            value: "connections",
            text: t("devices.tab.connections"),
            content: <Connections client={client} />,
          },
          ...(acts
            ? ([
                { value: "topics", text: t("devices.tab.topics"), content: <ClientTopics client={client} /> },
                { value: "rights", text: t("devices.tab.rights"), content: <ClientRights client={client} /> },
                {
                  value: "readings",
                  text: t("devices.tab.readings"),
                  content: <ClientReadings view={view} />,
                },
              ] as const)
            : []),
        ]}
      />
    </>
  );
}

function Actions({ view }: { view: View }) {
  const { t } = useTranslation();
  const { console } = useSession();
  const [change, setChange] = useState<Change>();
  const own = orgOf(view.client) === console.org;
  const usable = view.status === "live" || view.status === "not-yet-valid";
  return (
    <>
      {(view.role === "device" || view.role === "user") && (
        <Link to="/try-it" search={{ client: view.client }} className={buttonClass()}>
          <FlaskConical aria-hidden />
          {t("devices.tryIt")}
        </Link>
      )}
      {own && usable && <Button onClick={() => setChange("suspend")}>{t("devices.suspend")}</Button>}
      {own && view.status === "suspended" && (
        <Button kind="primary" onClick={() => setChange("resume")}>
          {t("devices.resume")}
        </Button>
      )}
      {own && (usable || view.status === "suspended") && (
        <Button kind="danger" onClick={() => setChange("revoke")}>
          {t("devices.revoke")}
        </Button>
      )}
      <ChangeDialog client={view.client} change={change} close={() => setChange(undefined)} />
    </>
  );
}

function About({ view }: { view: View }) {
  const { t } = useTranslation();
  const { ended } = view;
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      {ended && (
        <div className="xl:col-span-2">
          <Note
            tone={view.status === "suspended" ? "doubt" : "bad"}
            title={<StatusBadge status={view.status} />}
          >
            {ended.reason && <p className="text-ink">{ended.reason}</p>}
            <Sentence
              text={t("devices.endedBy")}
              parts={{
                by: <ClientLink client={ended.by} />,
                height: <HeightLink height={ended.height} />,
                time: <Time ms={ended.time_ms} />,
              }}
            />
          </Note>
        </div>
      )}
      <Panel title={t("devices.connection")}>
        <ConnectionNow view={view} />
      </Panel>
      <Panel title={t("devices.certificate")}>
        <Facts
          items={[
            [t("words.act.status"), <StatusBadge key="s" status={view.status} />],
            [t("devices.certificateId"), <Id key="i" id={view.certificate} />],
            [
              t("devices.validity"),
              <Sentence
                key="v"
                text={t("devices.validityRange")}
                parts={{
                  from: <Time ms={view.not_before_s * 1000} />,
                  to: <Time ms={view.not_after_s * 1000} />,
                }}
              />,
            ],
            [t("devices.registeredIn"), <Time key="r" ms={view.registered_ms} />],
          ]}
        />
        <details className="mt-3">
          <summary className="cursor-pointer text-indigo">{t("devices.pem")}</summary>
          <div className="mt-2">
            <Code text={view.pem} />
          </div>
        </details>
        <div className="mt-4">
          <Note
            tone={view.key_here ? "info" : "quiet"}
            title={t(view.key_here ? "devices.keyHere" : "devices.keyNotHere")}
          >
            {t(view.key_here ? "devices.keyHereText" : "devices.keyNotHereText")}
          </Note>
        </div>
      </Panel>
    </div>
  );
}

function ConnectionNow({ view }: { view: View }) {
  const { t } = useTranslation();
  const word = useWord();
  const { connection, last } = view;
  if (!connection)
    return (
      <>
        <Empty small icon={PlugZap} title={t("devices.notConnected")}>
          {last ? t("devices.notConnectedText") : t("devices.noEventsText")}
        </Empty>
        {last && (
          <Facts
            items={[
              [
                t("devices.lastRecord"),
                <span key="l">
                  {word("kind", last.kind)}, <Time ms={last.time_ms} />
                </span>,
              ],
              last.reason ? [t("words.act.reason"), last.reason] : null,
            ]}
          />
        )}
      </>
    );
  return (
    <Facts
      items={[
        [t("devices.connectedSince"), <Time key="t" ms={connection.time_ms} />],
        [
          t("audit.address"),
          <span key="a" className="id-text break-all">{`${connection.address}:${connection.port}`}</span>,
        ],
        [t("devices.protocol"), connection.protocol_version === 5 ? "MQTT 5.0" : "MQTT 3.1.1"],
        [t("devices.keepAlive"), t("audit.seconds", { count: connection.keep_alive_s })],
        [t("devices.cleanStart"), t(connection.clean_start ? "ui.yes" : "ui.no")],
        connection.properties.length > 0 && [
          t("devices.header"),
          <ul key="u">
            {connection.properties.map(({ name, value }, index) => (
              <li key={index} className="break-words">
                <span className="text-ink-3">{name}:</span> {value}
              </li>
            ))}
          </ul>,
        ],
        connection.reason ? [t("words.act.reason"), connection.reason] : null,
      ]}
    />
  );
}

function Connections({ client }: { client: string }) {
  const { t } = useTranslation();
  const word = useWord();
  const { kind } = useSearch({ from: "/inside/devices/$client" });
  const navigate = useNavigate({ from: "/devices/$client" });
  return (
    <Panel flush>
      <div className="border-b border-line p-4">
        <SelectField
          label={t("audit.kindLabel")}
          value={kind ?? ""}
          onChange={(next) =>
            void navigate({ search: (now) => tidy({ ...now, kind: next || undefined }), replace: true })
          }
          options={[
            { value: "", text: t("ui.any") },
            ...KINDS.map((one) => ({ value: one as string, text: word("kind", one) })),
          ]}
          className="max-w-64"
        />
      </div>
      <EventList
        label={t("devices.tab.connections")}
        streams={streamsOf(client, kind)}
        empty={
          <Empty icon={PlugZap} title={t("devices.noEvents")}>
            {t("devices.noEventsText")}
          </Empty>
        }
      />
    </Panel>
  );
}
