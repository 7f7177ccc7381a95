// One package: what the ledger says of it, and a message of it verified here.
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { CircleHelp } from "lucide-react";
import { useTranslation } from "react-i18next";
import { type Answer, askLedger } from "@/api/ledger";
import { Problem } from "@/api/problem";
import { type PackageRecord, packageKey, readPackageRecord } from "@/envelope/receipt";
import { fromHex, toHex } from "@/lib/format";
import { TrustPanel } from "@/parts/proof";
import { Sentence } from "@/parts/sentence";
import { buttonClass } from "@/ui/button";
import { Facts, PageHead, Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { ClientLink, HeightLink, Id, Num, Time, TopicLink } from "@/ui/value";
import { VerifyPanel } from "./verify";

/** The package's entry in the ledger's state; null when there is none. */
async function fetchPackage(id: string, signal: AbortSignal): Promise<PackageRecord | null> {
  const bytes = fromHex(id);
  if (bytes?.length !== 32) return null;
  const answer = await askLedger<Answer<string | null>>(`state/${toHex(packageKey(bytes))}`, {}, signal);
  const value = answer.value === null ? null : fromHex(answer.value);
  if (value === null) return null;
  try {
    return readPackageRecord(value);
  } catch (error) {
    throw new Problem(0, { title: "", detail: error instanceof Error ? error.message : String(error) });
  }
}

export function Record() {
  const { t } = useTranslation();
  const { packageId } = useParams({ from: "/inside/records/$packageId" });
  const query = useQuery({
    queryKey: ["package", packageId],
    queryFn: ({ signal }) => fetchPackage(packageId, signal),
    refetchInterval: (state) => (state.state.data === null ? 3_000 : false),
  });
  return (
    <>
      <PageHead
        above={
          <Link
            to="/records"
            search={query.data ? { topic: query.data.anchor.topic } : {}}
            className="hover:underline"
          >
            {t("shell.nav.records")}
          </Link>
        }
        title={t("records.package")}
        lead={<Id id={packageId} whole />}
      />
      <Loaded query={query} lines={8}>
        {(found) =>
          found ? (
            <Known id={packageId} found={found} />
          ) : (
            <Panel>
              <Empty
                icon={CircleHelp}
                title={t("records.unknown")}
                actions={
                  <Link to="/records" className={buttonClass()}>
                    {t("shell.nav.records")}
                  </Link>
                }
              >
                {t("records.unknownText")}
              </Empty>
            </Panel>
          )
        }
      </Loaded>
    </>
  );
}

function Known({ id, found }: { id: string; found: PackageRecord }) {
  const { t } = useTranslation();
  const { anchor, at } = found;
  const epoch = anchor.epoch;
  return (
    <div className="flex flex-col gap-4">
      <div className="grid items-start gap-4 xl:grid-cols-2">
        <Panel title={t("records.facts")}>
          <Facts
            items={[
              [t("records.topic"), <TopicLink key="t" topic={anchor.topic} />],
              [t("records.messages"), <Num key="n" value={Number(anchor.count)} />],
              [
                t("records.column.time"),
                <Sentence
                  key="r"
                  text={t("records.range")}
                  parts={{
                    from: <Time ms={Number(anchor.from_ms)} />,
                    to: <Time ms={Number(anchor.to_ms)} />,
                  }}
                />,
              ],
              [
                t("records.column.clients"),
                <span key="c" className="flex flex-wrap gap-x-3">
                  {anchor.clients.map((client) => (
                    <ClientLink key={client} client={client} />
                  ))}
                </span>,
              ],
              [t("records.root"), <Id key="m" id={toHex(anchor.root)} />],
              [
                t("records.epoch"),
                epoch === null || epoch === undefined ? (
                  t("records.openTopic")
                ) : (
                  <Num key="e" value={Number(epoch)} />
                ),
              ],
              [
                t("records.anchored"),
                <span key="a">
                  <HeightLink height={Number(at.height)} /> · <Time ms={Number(at.time_ms)} />
                </span>,
              ],
              [t("records.column.gateway"), <ClientLink key="g" client={anchor.gateway} />],
              anchor.location
                ? [
                    t("records.location"),
                    <span key="l" className="id-text break-all">
                      {anchor.location}
                    </span>,
                  ]
                : null,
            ]}
          />
        </Panel>
        <TrustPanel />
      </div>
      <VerifyPanel id={id} count={Number(anchor.count)} sealed={epoch !== null && epoch !== undefined} />
    </div>
  );
}
