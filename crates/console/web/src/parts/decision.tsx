// A decision of the ledger with its reason, told step by step: the same rules in the same order as the
// contracts apply them (docs/rights.md), read off the reason, so that the page can't decide otherwise.
import { Link } from "@tanstack/react-router";
import { Check, Minus, X } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Action, Decision, Reason } from "@/api/ledger";
import { cx } from "@/lib/cx";
import { buttonClass } from "@/ui/button";
import { Badge } from "@/ui/status";
import { ClientLink, HeightLink, Id, TopicLink } from "@/ui/value";
import { GrantState, TermsLine } from "./grant";
import { Sentence } from "./sentence";

type Step = "client" | "certificate" | "role" | "topic" | "right" | "filter";
type StepState = "yes" | "no" | "unasked";

const STOPS_AT: Record<string, Step> = {
  UnknownClient: "client",
  CertificateRevoked: "certificate",
  CertificateNotYetValid: "certificate",
  CertificateExpired: "certificate",
  CertificateSuspended: "certificate",
  RoleNotAllowed: "role",
  UnknownTopic: "topic",
  TopicClosed: "topic",
  NoGrant: "right",
  GrantRevoked: "right",
  GrantExpired: "right",
  RightNotGranted: "right",
  VerifyOpenTopic: "right",
  FilterNotCovered: "filter",
};

/** The steps of a decision in their order, each with how it came out. */
export function stepsOf(
  reason: Pick<Reason, "name" | "allowed">,
  action: Action,
  topic: string | undefined,
): [Step, StepState][] {
  const wild = action === "subscribe" && /[#+]/.test(topic ?? "");
  const about: Step[] = action === "connect" ? [] : wild ? ["filter"] : ["topic", "right"];
  const steps: Step[] = ["client", "certificate", "role", ...about];
  if (reason.allowed) return steps.map((step) => [step, "yes"]);
  // A wildcard may also fail by the grant that covers it.
  const stop = STOPS_AT[reason.name];
  const at = steps.indexOf(wild && stop === "right" ? "filter" : (stop ?? "client"));
  return steps.map((step, index) => [step, index < at ? "yes" : index === at ? "no" : "unasked"]);
}

/** A reason in the page's language. */
export function useReason() {
  const { t } = useTranslation();
  return (reason: Pick<Reason, "name" | "text">): string =>
    String(t(`reasons.${reason.name}` as never, { defaultValue: reason.text } as never));
}

const ICONS: Record<StepState, ReactNode> = {
  yes: <Check className="size-4 text-bamboo" aria-hidden />,
  no: <X className="size-4 text-cinnabar" aria-hidden />,
  unasked: <Minus className="size-4 text-ink-3" aria-hidden />,
};

interface DecisionProps {
  decision: Decision;
  client: string;
  action: Action;
  topic?: string;
  /** Whether to offer what would change it. */
  offers?: boolean;
}

export function DecisionView({ decision, client, action, topic, offers }: DecisionProps) {
  const { t } = useTranslation();
  const reason = useReason();
  const { allowed } = decision.reason;
  const parts = { client: <ClientLink client={client} />, topic: topic && <TopicLink topic={topic} /> };
  return (
    <div className="flex flex-col gap-4">
      <div
        className={cx(
          "rounded-lg border px-4 py-3",
          allowed ? "border-bamboo-solid/40 bg-bamboo-soft" : "border-cinnabar-solid/45 bg-cinnabar-soft",
        )}
      >
        <div className="mb-1 flex flex-wrap items-center gap-2">
          <Badge tone={allowed ? "good" : "bad"} icon className="bg-surface">
            {t(allowed ? "rights.allowed" : "rights.denied")}
          </Badge>
          <span className="min-w-0 break-words">
            <Sentence text={t(`rights.question.${action}`)} parts={parts} />
          </span>
        </div>
        <p className="text-[1.02rem] font-medium">{reason(decision.reason)}</p>
        <p className="mt-0.5 text-[0.9rem] text-ink-2">
          <Sentence
            text={t("rights.decidedAt")}
            parts={{ height: <HeightLink height={decision.height} /> }}
          />
        </p>
      </div>
      {offers && !allowed && <Offers {...{ decision, client, action, topic }} />}
      <div>
        <h3 className="label-caps mb-1.5">{t("rights.steps")}</h3>
        <ol className="flex flex-col gap-1">
          {stepsOf(decision.reason, action, topic).map(([step, state]) => (
            <li key={step} className={cx("flex items-center gap-2", state === "unasked" && "text-ink-3")}>
              {ICONS[state]}
              <span className={state === "no" ? "font-medium" : ""}>{t(`rights.step.${step}`)}</span>
              <span className="text-[0.86rem] text-ink-3">{t(`rights.stepState.${state}`)}</span>
            </li>
          ))}
        </ol>
      </div>
      {decision.grant && (
        <div>
          <h3 className="label-caps mb-1.5">{t("rights.grantThatDecided")}</h3>
          <div className="flex flex-wrap items-center gap-2">
            <GrantState grant={decision.grant} />
            <TermsLine terms={decision.grant} />
          </div>
        </div>
      )}
      <details>
        <summary className="cursor-pointer text-[0.9rem] text-indigo">{t("rights.proofKeys")}</summary>
        <ul className="mt-1.5 flex flex-col gap-0.5">
          {decision.keys.map((key) => (
            <li key={key}>
              <Id
                id={key}
                to={
                  <Link to="/ledger" search={{ tab: "state", key }} className="break-all link">
                    {key.length > 44 ? `${key.slice(0, 42)}…` : key}
                  </Link>
                }
              />
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
}

function Offers({ decision, client, action, topic }: DecisionProps) {
  const { t } = useTranslation();
  const stop = STOPS_AT[decision.reason.name];
  const secondary = buttonClass("secondary", true);
  return (
    <div className="flex flex-wrap items-center gap-2">
      <span className="text-[0.9rem] text-ink-3">{t("rights.next")}:</span>
      {stop === "client" && (
        <Link to="/devices" search={{ enrol: "one", search: client }} className={secondary}>
          {t("rights.nextEnrol")}
        </Link>
      )}
      {(stop === "certificate" || stop === "role") && (
        <Link to="/devices/$client" params={{ client }} className={secondary}>
          {t("rights.nextResume")}
        </Link>
      )}
      {stop === "topic" && topic && (
        <Link to="/topics" search={{ topic }} className={secondary}>
          {t("rights.nextRegister")}
        </Link>
      )}
      {(stop === "right" || stop === "filter") && topic && (
        <>
          <Link to="/topics" search={{ topic, client, tab: "topic" }} className={secondary}>
            {t("rights.nextGrant")}
          </Link>
          <Link to="/topics" search={{ topic, client, action, tab: "requests" }} className={secondary}>
            {t("rights.nextRequest")}
          </Link>
        </>
      )}
    </div>
  );
}
