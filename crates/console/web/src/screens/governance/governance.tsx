// What the ledger has of governance: organisations, validators, parameters, rules. Nothing else.
import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Download } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, ok, type Schemas } from "@/api/client";
import { type Answer, askLedger, ledgerQuery, type NodeStatus, part } from "@/api/ledger";
import { useLive } from "@/api/live";
import { useSession } from "@/api/session";
import { genesisQuery } from "@/api/trust";
import { download } from "@/lib/download";
import * as format from "@/lib/format";
import { RoleText } from "@/parts/badges";
import { TrustPanel } from "@/parts/proof";
import { Button } from "@/ui/button";
import { Facts, PageHead, Panel } from "@/ui/panel";
import { Loaded } from "@/ui/states";
import { Badge, Note } from "@/ui/status";
import { Code, Id, Num, Time } from "@/ui/value";

type Genesis = Schemas["GenesisView"];

const TEMPLATE_ROLES = ["device", "user", "gateway", "operator"] as const;

/** Signatures that a block needs: more than two thirds. */
export function quorumOf(validators: number): number {
  return validators - Math.floor((validators - 1) / 3);
}

export function Governance() {
  const { t } = useTranslation();
  const query = useQuery(genesisQuery);
  return (
    <>
      <PageHead title={t("shell.nav.governance")} lead={t("governance.lead")} />
      <div className="flex flex-col gap-4">
        <Note tone="info" title={t("governance.noVotes")}>
          {t("governance.noVotesText")}
        </Note>
        <Loaded query={query} lines={8}>
          {(genesis) => (
            <>
              <Organisations genesis={genesis} />
              <div className="grid items-start gap-4 xl:grid-cols-2">
                <Parameters genesis={genesis} />
                <div className="flex flex-col gap-4">
                  <TrustPanel />
                  <Panel title={t("governance.genesis")}>
                    <p className="mb-3 text-ink-2">{t("governance.genesisText")}</p>
                    <Button
                      icon={<Download aria-hidden />}
                      onClick={() => download("genesis.json", genesis.file, "application/json")}
                    >
                      {t("governance.download")}
                    </Button>
                  </Panel>
                </div>
              </div>
              <Templates orgs={genesis.organisations.map((it) => it.org)} />
            </>
          )}
        </Loaded>
      </div>
    </>
  );
}

function Organisations({ genesis }: { genesis: Genesis }) {
  const { t } = useTranslation();
  const { console } = useSession();
  const counts = useQueries({
    queries: genesis.organisations.map(({ org }) => ({
      queryKey: ["devices", "count", org],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        ok(api.GET("/api/devices", { params: { query: { org, limit: 1 } }, signal })),
    })),
  });
  return (
    <Panel title={t("governance.organisations")} note={t("governance.organisationsNote")} flush>
      <ul className="grid gap-px overflow-hidden rounded-b-[10px] bg-line md:grid-cols-2 3xl:grid-cols-4">
        {genesis.organisations.map((it, index) => (
          <li key={it.org} className="bg-surface p-4">
            <div className="mb-2 flex flex-wrap items-center gap-2">
              <span className="text-[1.08rem] font-semibold">{it.org}</span>
              {it.org === console.org && <Badge tone="info">{t("governance.own")}</Badge>}
            </div>
            <Facts
              items={[
                [t("governance.validator"), <Id key="v" id={it.validator} />],
                [t("governance.root"), <Id key="r" id={it.root} />],
                [
                  t("governance.clients"),
                  <Link key="c" to="/devices" search={{ org: it.org }} className="link">
                    {counts[index]?.data ? <Num value={counts[index].data.total} /> : "–"}
                  </Link>,
                ],
              ]}
            />
            <details className="mt-2">
              <summary className="cursor-pointer text-[0.9rem] text-indigo">
                {t("governance.rootPem")}
              </summary>
              <div className="mt-2">
                <Code text={it.root_pem} />
              </div>
            </details>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Parameters({ genesis }: { genesis: Genesis }) {
  const { t, i18n } = useTranslation();
  const { block } = useLive();
  const status = useQuery({
    queryKey: ["ledger", "status"],
    queryFn: ({ signal }) => askLedger<NodeStatus>("status", {}, signal),
  });
  const validators = genesis.organisations.length;
  return (
    <Panel title={t("governance.parameters")}>
      <Facts
        items={[
          [t("governance.name"), genesis.name],
          [t("governance.chain"), <Id key="c" id={genesis.chain} />],
          [t("governance.created"), <Time key="t" ms={genesis.created_ms} />],
          [
            t("governance.interval"),
            t("governance.ms", { value: format.number(genesis.block_interval_ms, i18n.language) }),
          ],
          [t("governance.quorum"), t("governance.quorumText", { quorum: quorumOf(validators), validators })],
          [t("governance.tolerated"), <Num key="f" value={Math.floor((validators - 1) / 3)} />],
          [t("governance.setSince"), t("governance.setSinceText")],
          block ? [t("governance.epoch"), <Num key="e" value={block.epoch} />] : null,
          status.data ? [t("governance.entries"), <Num key="n" value={status.data.state_entries} />] : null,
        ]}
      />
    </Panel>
  );
}

interface Template {
  template: { validity_max_s: number; renewal_s: number };
}

function Templates({ orgs }: { orgs: string[] }) {
  const { t } = useTranslation();
  return (
    <Panel title={t("governance.templates")} note={t("governance.templatesNote")} flush>
      <div tabIndex={0} role="region" aria-label={t("governance.templates")} className="overflow-x-auto">
        <table className="w-full min-w-[38rem] text-start">
          <thead>
            <tr className="border-b border-line text-start">
              <th scope="col" className="label-caps px-4 py-2 text-start">
                {t("words.act.organisation")}
              </th>
              {TEMPLATE_ROLES.map((role) => (
                <th key={role} scope="col" className="label-caps px-4 py-2 text-start">
                  <RoleText role={role} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {orgs.map((org) => (
              <tr key={org} className="border-b border-line/70 last:border-0">
                <th scope="row" className="px-4 py-2 text-start align-top font-medium">
                  {org}
                </th>
                {TEMPLATE_ROLES.map((role) => (
                  <td key={role} className="px-4 py-2 align-top text-[0.93rem]">
                    <Rule org={org} role={role} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Rule({ org, role }: { org: string; role: string }) {
  const { t, i18n } = useTranslation();
  const query = useQuery({
    ...ledgerQuery<Template | null>(`organisations/${part(org)}/templates/${role}`),
    staleTime: 60_000,
  });
  const found = (query.data as Answer<Template | null> | undefined)?.value;
  if (query.isPending || query.error) return <span className="text-ink-3">–</span>;
  if (!found) return <span className="text-ink-3">{t("governance.noTemplate")}</span>;
  const { validity_max_s, renewal_s } = found.template;
  return (
    <>
      <span className="block">
        <span className="sr-only">{t("governance.validity")}: </span>
        {format.duration(validity_max_s, i18n.language)}
      </span>
      <span className="block text-ink-3">
        <span className="sr-only">{t("governance.renewal")}: </span>
        {t("governance.renewalBefore", { time: format.duration(renewal_s, i18n.language) })}
      </span>
    </>
  );
}
