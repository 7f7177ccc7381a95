// Try it: a test device that connects, publishes and subscribes from this page, through the real gateway.
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { CloudOff, Cpu } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { actorsQuery } from "@/api/actions";
import { api, ok } from "@/api/client";
import { mintToken, seal, unseal, useHeld } from "@/api/keyring";
import { ledgerQuery, type NamedTopic, part, type Topic, topicPart } from "@/api/ledger";
import { useSession } from "@/api/session";
import { useTrust } from "@/api/trust";
import { inspectMessage } from "@/envelope/message";
import { tidy } from "@/lib/params";
import { OwnKey } from "@/parts/own-key";
import { TopicField } from "@/parts/topic-field";
import { Button, buttonClass } from "@/ui/button";
import { CheckField, Segmented, SelectField, TextArea } from "@/ui/field";
import { PageHead, Panel } from "@/ui/panel";
import { Empty, Loaded, Refused } from "@/ui/states";
import { Badge, Dot, Note, type Tone } from "@/ui/status";
import { Log } from "./log";
import { type Opening, type State, useWire, type Wire } from "./wire";

/** Content type of what is typed here. */
const TEXT = "text/plain";

/** Whether bytes have the form of a sealed message. */
function isSealed(payload: Uint8Array): boolean {
  try {
    inspectMessage(payload);
    return true;
  } catch {
    return false;
  }
}

const TONES: Record<State, Tone> = { idle: "quiet", connecting: "doubt", connected: "good", ended: "quiet" };

export function TryIt() {
  const { t } = useTranslation();
  const { console } = useSession();
  const held = useHeld();
  const actors = useQuery(actorsQuery);
  if (!console.mqtt)
    return (
      <>
        <PageHead title={t("shell.nav.tryIt")} lead={t("tryIt.lead")} />
        <Panel>
          <Empty icon={CloudOff} title={t("tryIt.noGateway")}>
            {t("tryIt.noGatewayText")}
          </Empty>
        </Panel>
      </>
    );
  return (
    <>
      <PageHead title={t("shell.nav.tryIt")} lead={t("tryIt.lead")} />
      <Loaded query={actors} lines={6}>
        {(all) => {
          const here = all.filter((client) => !/\.(operator|gateway)$/.test(client));
          const devices = held && !here.includes(held.client) ? [held.client, ...here] : here;
          return devices.length === 0 ? (
            <Panel>
              <Empty
                icon={Cpu}
                title={t("tryIt.noDevice")}
                actions={
                  <Link to="/devices" search={{ enrol: "one" }} className={buttonClass("primary")}>
                    {t("tryIt.enrol")}
                  </Link>
                }
              >
                {t("tryIt.noDeviceText")}
              </Empty>
              <div className="mx-auto max-w-lg">
                <OwnKey lead={t("tryIt.keyLead")} />
              </div>
            </Panel>
          ) : (
            <Bench devices={devices} />
          );
        }}
      </Loaded>
    </>
  );
}

function Bench({ devices }: { devices: string[] }) {
  const search = useSearch({ from: "/inside/try-it" });
  const held = useHeld();
  const trust = useTrust();
  const opening: Opening = async (topic, payload) => {
    if (!held || !trust || !isSealed(payload)) return null;
    const opened = await unseal(topic, payload, held, trust);
    return opened && { content: opened.content, sender: opened.sender };
  };
  const wire = useWire(opening);
  const client = search.client && devices.includes(search.client) ? search.client : (devices[0] ?? "");
  const topics = useQuery(ledgerQuery<NamedTopic[]>(`clients/${part(client)}/topics`));
  const own = (topics.data?.value ?? []).filter(({ topic }) => !topic.closed);
  const first = own.find(({ topic }) => topic.mode === "open")?.name ?? own[0]?.name;
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[minmax(22rem,2fr)_minmax(0,3fr)]">
      <div className="flex flex-col gap-4">
        <Connect wire={wire} client={client} devices={devices} />
        {wire.state === "connected" && (
          <>
            <Publish
              key={`p ${client} ${first ?? ""}`}
              wire={wire}
              client={client}
              first={search.topic ?? first}
            />
            <Subscribe key={`s ${client} ${first ?? ""}`} wire={wire} first={search.topic ?? first} />
          </>
        )}
      </div>
      <Log wire={wire} client={client} />
    </div>
  );
}

function Connect({ wire, client, devices }: { wire: Wire; client: string; devices: string[] }) {
  const { t } = useTranslation();
  const navigate = useNavigate({ from: "/try-it" });
  const [version, setVersion] = useState<"5" | "4">("5");
  const { console } = useSession();
  const held = useHeld();
  const mint = async () =>
    held?.client === client
      ? mintToken(held, console.chain, `${console.org}.gateway`)
      : ok(api.POST("/api/actions/token", { body: { client } }));
  const connect = useMutation({ mutationFn: () => wire.connect(client, version === "5" ? 5 : 4, mint) });
  const busy = wire.state === "connecting";
  return (
    <Panel
      title={t("tryIt.device")}
      actions={
        <span role="status" className="inline-flex items-center gap-2 text-[0.92rem]">
          <Dot tone={TONES[wire.state]} live={wire.state === "connected"} />
          {t(`tryIt.state.${wire.state}`)}
        </span>
      }
    >
      <div className="flex flex-col gap-4">
        <SelectField
          label={t("tryIt.device")}
          hideLabel
          value={client}
          onChange={(next) => {
            wire.disconnect();
            void navigate({ search: tidy({ client: next }), replace: true });
          }}
          options={devices.map((value) => ({ value, text: value }))}
        />
        <p className="text-[0.9rem] text-ink-3">
          {t(held?.client === client ? "tryIt.connectOwn" : "tryIt.connectText")}
        </p>
        <Refused error={connect.error} />
        <div className="flex flex-wrap items-center gap-3">
          {wire.state === "connected" ? (
            <Button onClick={wire.disconnect}>{t("tryIt.disconnect")}</Button>
          ) : (
            <Button kind="primary" busy={busy} onClick={() => connect.mutate()}>
              {t("tryIt.connect")}
            </Button>
          )}
          {wire.state !== "connected" && (
            <Segmented
              label={t("tryIt.version")}
              value={version}
              onChange={setVersion}
              options={[
                { value: "5", text: "MQTT 5" },
                { value: "4", text: "MQTT 3.1.1" },
              ]}
            />
          )}
        </div>
        {wire.state !== "connected" && <OwnKey lead={t("tryIt.keyLead")} />}
      </div>
    </Panel>
  );
}

function Publish({ wire, client, first }: { wire: Wire; client: string; first: string | undefined }) {
  const { t } = useTranslation();
  const [topic, setTopic] = useState(first ?? `${client.replace(".", "/")}/`);
  const [payload, setPayload] = useState('{"temperature": 21.5}');
  const [qos, setQos] = useState<"0" | "1" | "2">("1");
  const [retain, setRetain] = useState(false);
  const known = useQuery({
    ...ledgerQuery<{ topic: Topic | null }>(`topics/${topicPart(topic.trim())}`),
    enabled: /^[^#+]+\/[^#+]+\/[^#+]+$/.test(topic.trim()),
    retry: false,
  });
  const sealed = known.data?.value.topic?.mode === "sealed";
  const missing = known.data?.value.topic === null;
  const held = useHeld();
  const trust = useTrust();
  const own = sealed && held?.client === client && trust ? held : undefined;
  const epoch = known.data?.value.topic?.epoch ?? 0;
  const sealing = async (content: Uint8Array) => {
    const made = own && trust && (await seal(topic.trim(), epoch, own, trust, content, TEXT));
    if (!made) throw new Error(t("ownKey.noKey", { client }));
    return made;
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const content = new TextEncoder().encode(payload);
    void wire.publish(topic.trim(), content, Number(qos) as 0 | 1 | 2, retain, own && sealing);
  };
  return (
    <Panel title={t("tryIt.publish")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TopicField label={t("tryIt.topic")} value={topic} onChange={setTopic} />
        {own && <Note tone="info">{t("tryIt.sealedHere")}</Note>}
        {sealed && !own && (
          <Note tone="doubt" title={t("tryIt.sealedTopic")}>
            {t("tryIt.sealedTopicText")}
          </Note>
        )}
        {missing && (
          <p className="text-[0.92rem] text-ink-2">
            {t("tryIt.openTopicHint")}{" "}
            <Link to="/topics" search={{ client }} className="link">
              {t("tryIt.register")}
            </Link>
          </p>
        )}
        <TextArea
          label={t("tryIt.payload")}
          mono
          rows={3}
          value={payload}
          onChange={(event) => setPayload(event.target.value)}
        />
        <div className="flex flex-wrap items-center gap-x-5 gap-y-2">
          <span className="inline-flex items-center gap-2">
            <span className="text-[0.92rem] font-medium">{t("tryIt.qos")}</span>
            <Segmented
              label={t("tryIt.qos")}
              value={qos}
              onChange={setQos}
              options={(["0", "1", "2"] as const).map((value) => ({ value, text: value }))}
            />
          </span>
          <CheckField checked={retain} onChange={setRetain} label={t("tryIt.retain")} />
          <span className="text-[0.88rem] text-ink-3">{t(`tryIt.qosHint.${qos}`)}</span>
        </div>
        <Button type="submit" kind="primary" className="self-start" disabled={!topic.trim()}>
          {t("tryIt.send")}
        </Button>
      </form>
    </Panel>
  );
}

function Subscribe({ wire, first }: { wire: Wire; first: string | undefined }) {
  const { t } = useTranslation();
  const [filter, setFilter] = useState(first ?? "");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void wire.subscribe(filter.trim());
  };
  return (
    <Panel title={t("tryIt.subscribe")}>
      <form onSubmit={submit} className="flex flex-wrap items-end gap-3">
        <TopicField
          label={t("tryIt.filter")}
          value={filter}
          onChange={setFilter}
          className="min-w-56 flex-1"
        />
        <Button type="submit" disabled={!filter.trim()}>
          {t("tryIt.add")}
        </Button>
      </form>
      <div className="mt-4">
        <div className="label-caps mb-1.5">{t("tryIt.subscriptions")}</div>
        {wire.filters.length === 0 ? (
          <p className="text-[0.92rem] text-ink-3">{t("tryIt.noSubscriptions")}</p>
        ) : (
          <ul className="flex flex-wrap gap-2">
            {wire.filters.map((one) => (
              <li key={one} className="inline-flex items-center gap-1">
                <Badge tone="good">{one}</Badge>
                <Button small kind="ghost" onClick={() => void wire.unsubscribe(one)}>
                  {t("tryIt.unsubscribe")}
                </Button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </Panel>
  );
}
