// One transaction: the sentence, what became of it, and everything it said.
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { OutcomeBadge, Say, useCallName } from "@/parts/say";
import { Facts, PageHead, Panel } from "@/ui/panel";
import { CodeText, Loaded } from "@/ui/states";
import { Note } from "@/ui/status";
import { ClientLink, HeightLink, Id, Num, Time } from "@/ui/value";

export function Transaction() {
  const { t } = useTranslation();
  const callName = useCallName();
  const { id } = useParams({ from: "/inside/ledger/transactions/$id" });
  const query = useQuery({
    queryKey: ["transaction", id],
    queryFn: ({ signal }) => ok(api.GET("/api/transactions/{id}", { params: { path: { id } }, signal })),
    staleTime: 60_000,
  });
  return (
    <>
      <PageHead
        above={
          <Link to="/ledger" className="hover:underline">
            {t("shell.nav.ledger")}
          </Link>
        }
        title={t("ledger.transaction")}
        lead={<Id id={id} whole />}
      />
      <Loaded query={query} lines={6}>
        {(view) => (
          <div className="flex flex-col gap-4">
            <Panel>
              <div className="flex flex-wrap items-start gap-3">
                <p className="min-w-0 flex-1 basis-80 text-[1.1rem]">
                  <Say view={view} />
                </p>
                <OutcomeBadge outcome={view.outcome} />
              </div>
              {view.outcome && view.outcome.code !== 0 && (
                <div className="mt-3">
                  <Note
                    tone="bad"
                    title={`${t("ledger.refused")}: ${view.outcome.name} (${view.outcome.code})`}
                  >
                    <CodeText code={view.outcome.code} fallback={view.outcome.text || view.outcome.name} />
                  </Note>
                </div>
              )}
            </Panel>
            <div className="grid gap-4 xl:grid-cols-2">
              <Panel title={t("ledger.transaction")} className="self-start">
                <Facts
                  items={[
                    [
                      t("ledger.sender"),
                      view.sender_client ? (
                        <ClientLink key="c" client={view.sender_client} copy />
                      ) : (
                        t("ledger.byUnknown")
                      ),
                    ],
                    [t("ledger.senderCertificate"), <Id key="s" id={view.sender} />],
                    [t("ledger.block"), <HeightLink key="h" height={view.height} />],
                    [t("ledger.index"), <Num key="i" value={view.index} />],
                    [t("ledger.time"), <Time key="t" ms={view.time_ms} />],
                    [t("ledger.expiry"), <Num key="e" value={view.expiry_height} />],
                    [t("ledger.content"), callName(view.call)],
                  ]}
                />
              </Panel>
              <Panel title={t("ledger.fields")} className="self-start">
                <pre
                  tabIndex={0}
                  className="id-text max-h-[32rem] overflow-auto whitespace-pre-wrap break-all"
                >
                  {JSON.stringify(view.fields, null, 2)}
                </pre>
              </Panel>
            </div>
          </div>
        )}
      </Loaded>
    </>
  );
}
