// A transaction as a sentence: who did what to whom, with a link at every name.
import { Link } from "@tanstack/react-router";
import type { ParseKeys } from "i18next";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Schemas } from "@/api/client";
import * as format from "@/lib/format";
import { CodeText } from "@/ui/states";
import { Badge } from "@/ui/status";
import { ClientLink, Id, TopicLink } from "@/ui/value";
import { RightsList, useWord } from "./badges";
import { type Parts, Sentence } from "./sentence";

type View = Schemas["TransactionView"];
type Fields = Record<string, unknown>;

/** Names listed before 'and so many others'. */
const NAMES_MAX = 3;

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function distinct(items: Fields[], name: string): string[] {
  return [...new Set(items.map((item) => textOf(item[name])).filter(Boolean))];
}

/** A call's name in the page's language. */
export function useCallName() {
  const { t, i18n } = useTranslation();
  return (call: string): string => {
    const key = `ledger.call.${call}`;
    return i18n.exists(key) ? String(t(key as ParseKeys)) : call;
  };
}

function Names({ names, show }: { names: string[]; show: (name: string) => ReactNode }) {
  const { t } = useTranslation();
  if (names.length === 0) return null;
  return (
    <>
      {names.slice(0, NAMES_MAX).map((name, index) => (
        <span key={name}>
          {index > 0 && ", "}
          {show(name)}
        </span>
      ))}
      {names.length > NAMES_MAX && ` ${t("ledger.amount.others", { count: names.length - NAMES_MAX })}`}
    </>
  );
}

const client = (id: string) => <ClientLink client={id} />;
const topic = (name: string) => <TopicLink topic={name} />;

/** What the texts may name, read from a call's fields. */
function useParts(call: string, fields: Fields): Parts {
  const { t, i18n } = useTranslation();
  const word = useWord();
  const named = (names: string[], show: (name: string) => ReactNode) =>
    names.length > 0 && <Names names={names} show={show} />;
  const known = (name: string, show: (id: string) => ReactNode) =>
    textOf(fields[name]) && show(textOf(fields[name]));
  const certificate = fieldsOf(fields.certificate);
  const terms = fieldsOf(fields.terms);
  const rights = fields.rights ?? terms.rights;
  const lists = ["packages", "events", "enrolments", "evaluations", "retrievals", "clients"] as const;
  const [packages, events, enrolments, evaluations, retrievals, clients] = lists.map((name) =>
    listOf(fields[name]),
  );
  const amount = (name: "packages" | "events" | "enrolments" | "evaluations") =>
    Array.isArray(fields[name]) && t(`ledger.amount.${name}`, { count: (fields[name] as unknown[]).length });
  const about = [...(events ?? []), ...(enrolments ?? []), ...(clients ?? [])];
  const template = fieldsOf(fields.template);
  return {
    client: textOf(certificate.client) && client(textOf(certificate.client)),
    role: word("role", textOf(certificate.role) || textOf(fields.role)),
    enrolment: textOf(fieldsOf(fields.enrolment).enrolment) && (
      <Id id={textOf(fieldsOf(fields.enrolment).enrolment)} />
    ),
    certificate: known("certificate", (id) => <Id id={id} />),
    authorisation: known("authorisation", (id) => <Id id={id} />),
    key: known("key", (id) => <Id id={id} />),
    reason: textOf(fields.reason),
    note: textOf(fields.note),
    purpose: textOf(fields.purpose) || textOf(terms.purpose),
    topic: known("topic", topic),
    filter: known("filter", topic),
    mode: textOf(fields.mode) && word("mode", textOf(fields.mode)),
    grantee: known("grantee", client),
    requester: known("requester", client),
    to: known("to", client),
    rights: Array.isArray(rights) && <RightsList rights={rights as string[]} />,
    parameters: textOf(fieldsOf(fields.key).parameters),
    validity:
      typeof template.validity_max_s === "number" && format.duration(template.validity_max_s, i18n.language),
    packages: amount("packages"),
    events: amount("events"),
    enrolments: amount("enrolments"),
    evaluations: amount("evaluations"),
    topics: named(distinct(packages ?? [], "topic"), topic),
    readers: named(distinct(retrievals ?? [], "reader"), client),
    clients: named(
      call === "log-evaluations" ? distinct(evaluations ?? [], "requester") : distinct(about, "client"),
      client,
    ),
  };
}

export function Say({ view }: { view: Pick<View, "call" | "fields" | "sender" | "sender_client"> }) {
  const { t, i18n } = useTranslation();
  const callName = useCallName();
  const fields = fieldsOf(view.fields);
  const parts = useParts(view.call, fields);
  const sender = view.sender_client ? <ClientLink client={view.sender_client} /> : t("ledger.byUnknown");
  const variant = view.call === "transfer-topic" && !fields.to ? "transfer-topic-back" : view.call;
  const key = `ledger.say.${variant}`;
  const text = i18n.exists(key) ? String(t(key as ParseKeys)) : t("ledger.say.other");
  return (
    <span className="leading-relaxed">
      <Sentence text={text} parts={{ ...parts, sender, call: callName(view.call) }} />
    </span>
  );
}

export function OutcomeBadge({ outcome }: { outcome: View["outcome"] }) {
  const { t } = useTranslation();
  if (!outcome) return <Badge>{t("ledger.pending")}</Badge>;
  return outcome.code === 0 ? (
    <Badge tone="good" icon>
      {t("ledger.applied")}
    </Badge>
  ) : (
    <Badge tone="bad" icon>
      {t("ledger.refused")} · {outcome.code}
    </Badge>
  );
}

/** One line of a block or of the live list. */
export function TransactionLine({ view }: { view: View }) {
  return (
    <div className="flex flex-wrap items-start gap-x-3 gap-y-1">
      <div className="min-w-0 flex-1 basis-80">
        <Say view={view} />
        {view.outcome && view.outcome.code !== 0 && (
          <p className="text-[0.92rem] text-cinnabar">
            <CodeText code={view.outcome.code} fallback={view.outcome.text || view.outcome.name} />
          </p>
        )}
      </div>
      <div className="flex items-center gap-2">
        <OutcomeBadge outcome={view.outcome} />
        <Id
          id={view.id}
          to={
            <Link to="/ledger/transactions/$id" params={{ id: view.id }} className="link">
              {format.shortId(view.id, 6, 4)}
            </Link>
          }
        />
      </div>
    </div>
  );
}
