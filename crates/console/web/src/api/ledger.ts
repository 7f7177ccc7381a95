// Questions to the ledger, passed through by the console: what a node answers, as its own interface
// (docs/openapi.json) and docs/protocol.md describe it. Answers to every list come page by page.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { bytesOf } from "./client";

/** Entries on one page, unless said otherwise. */
export const PAGE = 100;

/** An answer and what it rests on. */
export interface Answer<T> {
  value: T;
  /** Height of the state that answered. */
  height: number;
  /** State keys of the entries that it rests on, hexadecimal. */
  keys: string[];
  /** Where the next page begins; null on the last. */
  next: string | null;
}

export interface Moment {
  height: number;
  time_ms: number;
}

export interface Revocation {
  at: Moment;
  by: string;
  reason: string;
}

export type Role = "operator" | "gateway" | "device" | "user" | "validator";
export type Right = "publish" | "subscribe" | "read" | "compute" | "verify";
export type Status = "live" | "not-yet-valid" | "expired" | "revoked" | "suspended" | "unregistered";

export const RIGHTS: Right[] = ["publish", "subscribe", "read", "compute", "verify"];
export const ACTIONS = ["connect", "publish", "subscribe", "read", "compute", "verify"] as const;
export type Action = (typeof ACTIONS)[number];

export const KINDS = [
  "connected",
  "connect-refused",
  "disconnected",
  "subscribed",
  "subscribe-refused",
  "publish-refused",
  "subscription-ended",
  "locked-out",
  "reauthenticated",
  "reauthentication-refused",
] as const;
export type Kind = (typeof KINDS)[number];

export interface Certificate {
  client: string;
  role: Role;
  not_before_s: number;
  not_after_s: number;
  public_key: string;
  der: string;
  registered: Moment;
  revoked: Revocation | null;
  suspensions: { from: Revocation; until: Revocation | null }[];
}

export interface Topic {
  owner: string;
  mode: "sealed" | "open";
  epoch: number;
  registered: Moment;
  changed: Moment | null;
  closed: Revocation | null;
}

export interface NamedTopic {
  name: string;
  topic: Topic;
}

export interface Grant {
  rights: Right[];
  expires_s: number | null;
  from_s: number | null;
  to_s: number | null;
  purpose: string;
  epoch: number;
  granted: Moment;
  revoked: Moment | null;
}

export interface GrantRecord {
  topic: string;
  grantee: string;
  grant: Grant;
}

export interface WideGrant {
  granter: string;
  grantee: string;
  filter: string;
  grant: Grant;
}

export interface Terms {
  rights: Right[];
  expires_s: number | null;
  from_s: number | null;
  to_s: number | null;
  purpose: string;
}

export interface RightsRequest {
  requester: string;
  filter: string;
  request: { terms: Terms; asked: Moment; answer: { at: Moment; granted: boolean; note: string } | null };
}

export interface AuthorisationKey {
  id: string;
  authorisation: {
    owner: string;
    filter: string;
    terms: Terms;
    uses: number;
    redeem_until_s: number;
    created: Moment;
    redeemed: { client: string; at: Moment }[];
    withdrawn: Moment | null;
  };
  open: boolean;
}

export interface Upkeep {
  topic: string;
  epoch: number;
  stale: string[];
  missing: string[];
  missing_authorisations: string[];
}

export interface Reason {
  allowed: boolean;
  number: number;
  name: string;
  text: string;
}

export interface Decision {
  reason: Reason;
  certificate: string | null;
  role: Role | null;
  topic: Topic | null;
  grant: Grant | null;
  grant_key: string | null;
  keys: string[];
  height: number;
}

export interface ConnectionEvent {
  event: {
    client: string;
    kind: Kind;
    time_ms: number;
    address: string;
    port: number;
    protocol_version: number;
    keep_alive_s: number;
    clean_start: boolean;
    properties: { name: string; value: string }[];
    topic: string | null;
    reason: string;
    grant: string | null;
    height: number;
  };
  gateway: string;
  at: Moment;
}

export interface PackageRecord {
  anchor: {
    package: string;
    topic: string;
    clients: string[];
    count: number;
    from_ms: number;
    to_ms: number;
    root: string;
    epoch: number | null;
    location: string;
    gateway: string;
  };
  at: Moment;
  tx: number;
}

export type Parameters = "sm2-elgamal-v1" | "bfv-add-v1" | "bfv-mul-v1" | "bfv-bits-v1";

export interface ComputeKey {
  id: string;
  compute_key: {
    key: {
      version: number;
      owner: string;
      parameters: Parameters;
      readings: { decimals: number; min: number; max: number; edges: number[]; unit: string };
      public: string;
      evaluation: string | null;
      sharing: { threshold: number; holders: { client: string; share: string }[] } | null;
    };
    public_key: string | null;
    registered: Moment;
    retired: Revocation | null;
  };
}

export interface EvaluationRecord {
  id: string;
  evaluation: {
    evaluation: {
      version: number;
      evaluator: number;
      job: {
        version: number;
        key: string;
        function: { function: string } & Record<string, unknown>;
        inputs: { topic: string; from_ms: number; to_ms: number }[];
      };
      height: number;
      inputs: { packages: number; root: string; readings: number }[];
      requester: string;
      request: string;
      gateway: string;
      result: string;
      time_ms: number;
    };
    at: Moment;
  };
}

export interface NodeStatus {
  name: string;
  chain: string;
  height: number;
  time_ms: number;
  state_entries: number;
  validators: number;
}

export interface Enrolment {
  id: string;
  enrolment: {
    client: string;
    role: Role;
    expires_s: number;
    opened: Moment;
    by: string;
    used: { certificate: string; at: Moment } | null;
    closed: Revocation | null;
  };
  status: "open" | "used" | "closed" | "expired";
}

type Arguments = Record<string, string | number | boolean | undefined>;

/** The address of a ledger query; what is undefined is left out. */
export function ledgerPath(path: string, args: Arguments = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(args)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return `/api/ledger/v1/${path}${text && `?${text}`}`;
}

/** One name within a path. */
export const part = encodeURIComponent;

/** A topic within a path: its slashes stay. */
export function topicPart(topic: string): string {
  return topic.split("/").map(encodeURIComponent).join("/");
}

export async function askLedger<T>(path: string, args?: Arguments, signal?: AbortSignal): Promise<T> {
  const bytes = await bytesOf(ledgerPath(path, args), "application/json", signal);
  return JSON.parse(new TextDecoder().decode(bytes)) as T;
}

/** A question with one answer. */
export function ledgerQuery<T>(path: string, args: Arguments = {}) {
  return queryOptions({
    queryKey: ["ledger", path, args],
    queryFn: ({ signal }) => askLedger<Answer<T>>(path, args, signal),
  });
}

/** A list, page by page. */
export function ledgerPages<T>(path: string, args: Arguments = {}) {
  return infiniteQueryOptions({
    queryKey: ["ledger", path, args, "pages"],
    queryFn: ({ signal, pageParam }) =>
      askLedger<Answer<T[]>>(path, { limit: PAGE, ...args, after: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
  });
}

/** The entries of all pages so far. */
export function flat<T>(data: { pages: Answer<T[]>[] } | undefined): T[] {
  return data?.pages.flatMap((page) => page.value) ?? [];
}

/** Whether a grant's terms hold at a time. */
export function grantStands(grant: Grant, nowMs: number): "live" | "revoked" | "expired" {
  if (grant.revoked) return "revoked";
  return grant.expires_s !== null && nowMs / 1000 >= grant.expires_s ? "expired" : "live";
}

/** Whether an MQTT filter matches a topic's name. */
export function matches(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const given = topic.split("/");
  for (const [at, level] of wanted.entries()) {
    if (level === "#") return true;
    if (at >= given.length || (level !== "+" && level !== given[at])) return false;
  }
  return wanted.length === given.length;
}
