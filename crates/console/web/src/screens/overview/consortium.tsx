// The organisations, each with its node and gateway.
import { useTranslation } from "react-i18next";
import type { Schemas } from "@/api/client";
import { useSession } from "@/api/session";
import * as format from "@/lib/format";
import { Panel } from "@/ui/panel";
import { Dot, type Tone } from "@/ui/status";
import { Tip } from "@/ui/tip";

type View = Schemas["OverviewView"];
type Service = Schemas["ServiceView"];

export function Consortium({ view }: { view: View }) {
  const { t } = useTranslation();
  const { console } = useSession();
  const of = (org: string, part: Service["part"]) =>
    view.services.find((it) => it.org === org && it.part === part);
  return (
    <Panel
      title={t("overview.consortium")}
      note={t("overview.tolerance", { validators: view.validators, faults: view.faults_tolerated })}
      flush
    >
      <ul className="grid gap-px overflow-hidden rounded-b-[10px] bg-line sm:grid-cols-2 2xl:grid-cols-4">
        {console.organisations.map((org) => (
          <li key={org} className="bg-surface px-4 py-3">
            <div className="mb-1.5 font-medium">{org}</div>
            <div className="flex flex-col gap-1.5">
              <Line part={t("overview.node")} service={of(org, "node")} />
              <Line part={t("overview.gateway")} service={of(org, "gateway")} />
            </div>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Line({ part, service }: { part: string; service: Service | undefined }) {
  const { t } = useTranslation();
  const facts = useFacts(service);
  const tone: Tone = !service ? "quiet" : !service.up ? "bad" : service.votes === false ? "doubt" : "good";
  return (
    <div className="flex items-baseline gap-2 text-[0.94rem]">
      <span className="self-center">
        <Dot tone={tone} />
      </span>
      <span className="w-18 shrink-0 text-ink-3">{part}</span>
      {service ? (
        <span className="min-w-0">
          <Tip text={service.up ? service.url : `${service.url}: ${service.why}`}>
            <span className={service.up ? "" : "text-cinnabar"}>
              {t(service.up ? "overview.up" : "overview.down")}
            </span>
          </Tip>
          {facts.length > 0 && <span className="text-ink-3"> · {facts.join(" · ")}</span>}
        </span>
      ) : (
        <span className="text-ink-3">{t("overview.noGateway")}</span>
      )}
    </div>
  );
}

function useFacts(service: Service | undefined): string[] {
  const { t, i18n } = useTranslation();
  if (!service?.up) return [];
  const { height, votes, pending, sessions, outbox, answer_ms } = service;
  const some = (value: number | null | undefined): value is number => value !== null && value !== undefined;
  return [
    some(height) && t("overview.block", { height: format.number(height, i18n.language) }),
    votes === false && t("overview.noVote"),
    some(sessions) && t("overview.sessions", { count: sessions }),
    some(pending) && pending > 0 && t("overview.pending", { count: pending }),
    some(outbox) && outbox > 0 && t("overview.outbox", { count: outbox }),
    some(answer_ms) && t("overview.answer", { ms: answer_ms }),
  ].filter((fact) => fact !== false);
}
