// The MQTT client of the page and what it tells: one entry for everything that went over the wire, the
// gateway's reasons included. It doesn't connect again by itself, because a token is good once.
import type { IClientOptions, MqttClient } from "mqtt";
import { useCallback, useEffect, useRef, useState } from "react";

export type EntryKind =
  | "connecting"
  | "connected"
  | "refused"
  | "closed"
  | "disconnected"
  | "sent"
  | "acked"
  | "publishRefused"
  | "subscribed"
  | "subscribeRefused"
  | "unsubscribed"
  | "message"
  | "error";

export interface Entry {
  id: number;
  kind: EntryKind;
  timeMs: number;
  topic?: string;
  payload?: Uint8Array;
  /** The gateway's words. */
  reason?: string;
  /** MQTT reason code. */
  code?: number;
  /** From sending to acknowledgement, in milliseconds. */
  tookMs?: number;
  text?: string;
  /** Who signed the content, where a sealed message was opened here. */
  signedBy?: string;
}

/** User name and password of one login. */
interface Login {
  client: string;
  password: string;
}

export type State = "idle" | "connecting" | "connected" | "ended";

/** Turns content into what goes over the wire on a sealed topic. */
type Sealing = (content: Uint8Array) => Promise<Uint8Array>;

/** Opens what came on a sealed topic; null where it is none, or there is no key. */
export type Opening = (
  topic: string,
  payload: Uint8Array,
) => Promise<{ content: Uint8Array; sender: string } | null>;

/** Entries kept. */
const ENTRIES_MAX = 500;
/** Time for the gateway's answer, in milliseconds. */
const CONNECT_MS = 10_000;
/** From this reason code on the answer is no (MQTT 5.0 §2.4). */
const REFUSED_FROM = 0x80;

interface Answer {
  cmd: string;
  reasonCode?: number;
  returnCode?: number;
  granted?: (number | { qos: number })[];
  properties?: { reasonString?: string };
}

function codeOf(error: unknown): number | undefined {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "number" ? code : undefined;
}

export function useWire(opening: Opening) {
  const [state, setState] = useState<State>("idle");
  const [entries, setEntries] = useState<Entry[]>([]);
  const [filters, setFilters] = useState<string[]>([]);
  const client = useRef<MqttClient>(null);
  const count = useRef(0);
  /** The words that came with the last answer: the library hands on codes only. */
  const words = useRef<string>(undefined);
  const open = useRef(opening);
  open.current = opening;

  const add = useCallback((entry: Omit<Entry, "id" | "timeMs">) => {
    count.current += 1;
    const made = { ...entry, id: count.current, timeMs: Date.now() };
    setEntries((now) => [made, ...now].slice(0, ENTRIES_MAX));
  }, []);

  const disconnect = useCallback(() => {
    client.current?.end(false);
    client.current = null;
  }, []);
  useEffect(() => disconnect, [disconnect]);

  const listen = useCallback(
    (made: MqttClient) => {
      let refused = false;
      let up = false;
      made.on("packetreceive", (packet) => {
        const answer = packet as unknown as Answer;
        words.current = answer.properties?.reasonString;
        const code = answer.reasonCode ?? answer.returnCode;
        if (answer.cmd === "connack" && code !== undefined && code !== 0) {
          refused = true;
          add({ kind: "refused", code, reason: words.current });
        }
        if (answer.cmd === "disconnect") add({ kind: "disconnected", code, reason: words.current });
      });
      made.on("connect", () => {
        up = true;
        setState("connected");
        add({ kind: "connected", reason: words.current });
      });
      made.on("message", (topic, bytes) => {
        const payload = new Uint8Array(bytes);
        void open
          .current(topic, payload)
          .catch(() => null)
          .then((opened) =>
            add({
              kind: "message",
              topic,
              payload: opened?.content ?? payload,
              signedBy: opened?.sender,
            }),
          );
      });
      made.on("error", (error) => {
        if (!refused) add({ kind: "error", text: error.message });
      });
      made.on("close", () => {
        if (client.current !== made && client.current !== null) return;
        client.current = null;
        setState("ended");
        setFilters([]);
        if (!refused) add({ kind: up ? "closed" : "error", text: up ? undefined : "failed" });
        made.end(true);
      });
    },
    [add],
  );

  const connect = useCallback(
    async (as: string, protocolVersion: 4 | 5, mint: () => Promise<Login>) => {
      disconnect();
      setState("connecting");
      setFilters([]);
      words.current = undefined;
      add({ kind: "connecting", text: as });
      try {
        const [{ default: mqtt }, token] = await Promise.all([import("mqtt"), mint()]);
        const options: IClientOptions = {
          protocolVersion,
          clientId: token.client,
          username: token.client,
          password: token.password,
          reconnectPeriod: 0,
          connectTimeout: CONNECT_MS,
          clean: true,
          keepalive: 30,
          // The other kinds of timers start a worker from a blob, which the page's policy refuses.
          timerVariant: "native",
          ...(protocolVersion === 5 ? { properties: { userProperties: { agent: "sealwire-console" } } } : {}),
        };
        const url = new URL("/api/mqtt", window.location.href);
        url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
        const made = mqtt.connect(url.href, options);
        client.current = made;
        listen(made);
      } catch (error) {
        setState("ended");
        throw error;
      }
    },
    [add, disconnect, listen],
  );

  const publish = useCallback(
    async (topic: string, content: Uint8Array, qos: 0 | 1 | 2, retain: boolean, sealing?: Sealing) => {
      const start = performance.now();
      try {
        const bytes = sealing ? await sealing(content) : content;
        add({ kind: "sent", topic, payload: bytes });
        await client.current?.publishAsync(topic, bytes as never, { qos, retain });
        if (qos > 0) add({ kind: "acked", topic, tookMs: performance.now() - start });
      } catch (error) {
        add({
          kind: "publishRefused",
          topic,
          code: codeOf(error),
          reason: words.current ?? messageOf(error),
        });
      }
    },
    [add],
  );

  const subscribe = useCallback(
    async (filter: string) => {
      let code: number | undefined;
      const look = (packet: unknown) => {
        const answer = packet as Answer;
        if (answer.cmd !== "suback") return;
        const first = answer.granted?.[0];
        code = typeof first === "number" ? first : first?.qos;
      };
      client.current?.on("packetreceive", look);
      try {
        await client.current?.subscribeAsync(filter, { qos: 1 });
        if (code !== undefined && code >= REFUSED_FROM) throw new Error("refused");
        setFilters((now) => (now.includes(filter) ? now : [...now, filter]));
        add({ kind: "subscribed", topic: filter });
      } catch (error) {
        add({
          kind: "subscribeRefused",
          topic: filter,
          code: code ?? codeOf(error),
          reason: words.current ?? messageOf(error),
        });
      } finally {
        client.current?.off("packetreceive", look);
      }
    },
    [add],
  );

  const unsubscribe = useCallback(
    async (filter: string) => {
      await client.current?.unsubscribeAsync(filter).catch(() => undefined);
      setFilters((now) => now.filter((one) => one !== filter));
      add({ kind: "unsubscribed", topic: filter });
    },
    [add],
  );

  const clear = useCallback(() => setEntries([]), []);
  return { state, entries, filters, connect, disconnect, publish, subscribe, unsubscribe, clear };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export type Wire = ReturnType<typeof useWire>;
