// How the consortium is, now and lately.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { api, ok, type Schemas } from "@/api/client";
import { useLive } from "@/api/live";
import { cx } from "@/lib/cx";
import * as format from "@/lib/format";
import { Sentence } from "@/parts/sentence";
import { buttonClass } from "@/ui/button";
import { Figure, PageHead } from "@/ui/panel";
import { Loaded } from "@/ui/states";
import { Note, type Tone } from "@/ui/status";
import { Time } from "@/ui/value";
import { Charts } from "./charts";
import { Consortium } from "./consortium";
import { LatestConnections, LatestTransactions } from "./latest";

type View = Schemas["OverviewView"];
type Alert = Schemas["Alert"];

/** How often services and alerts are asked for; the numbers come with the stream. In milliseconds. */
const EVERY_MS = 2_000;

export function Overview() {
  const { t } = useTranslation();
  const query = useQuery({
    queryKey: ["overview"],
    queryFn: ({ signal }) => ok(api.GET("/api/overview", { signal })),
    refetchInterval: EVERY_MS,
  });
  return (
    <>
      <PageHead title={t("shell.nav.overview")} />
      <Loaded query={query} lines={10}>
        {(view) => (
          <div className="flex flex-col gap-4">
            <Alerts alerts={view.alerts} />
            <Figures view={view} />
            <Charts />
            <Consortium view={view} />
            <div className="grid gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
              <LatestTransactions />
              <LatestConnections />
            </div>
          </div>
        )}
      </Loaded>
    </>
  );
}

const TONES: Record<Alert["severity"], Tone> = { critical: "bad", warning: "doubt", notice: "info" };

function Alerts({ alerts }: { alerts: Alert[] }) {
  const { t } = useTranslation();
  if (alerts.length === 0)
    return (
      <Note tone="good" title={t("overview.well")}>
        {t("overview.wellText")}
      </Note>
    );
  return (
    <section
      aria-label={t("overview.alerts")}
      className={cx("grid gap-2", alerts.length > 1 && "2xl:grid-cols-2")}
    >
      {alerts.map((alert) => (
        <Note
          key={`${alert.kind}:${alert.org}`}
          tone={TONES[alert.severity]}
          title={t(`overview.alert.${alert.kind}`, { org: alert.org })}
          actions={<AlertLink kind={alert.kind} />}
        >
          {t(`overview.alertText.${alert.kind}`, alert.values)}{" "}
          <span className="text-ink-3">
            <Sentence text={t("overview.since")} parts={{ time: <Time ms={alert.since_ms} ago /> }} />
          </span>
        </Note>
      ))}
    </section>
  );
}

function AlertLink({ kind }: { kind: Alert["kind"] }) {
  const { t } = useTranslation();
  const secondary = buttonClass("secondary", true);
  if (kind === "logins-refused" || kind === "locked-out")
    return (
      <Link
        to="/audit"
        search={{ kind: kind === "locked-out" ? "locked-out" : "connect-refused" }}
        className={secondary}
      >
        {t("overview.toAudit")}
      </Link>
    );
  if (kind === "certificates-expire")
    return (
      <Link to="/devices" search={{ status: "live", sort: "expires" }} className={secondary}>
        {t("overview.toDevices")}
      </Link>
    );
  return null;
}

function Figures({ view }: { view: View }) {
  const { t, i18n } = useTranslation();
  const sample = useLive().sample ?? view.sample;
  const whole = (value: number) => format.number(value, i18n.language);
  const rate = (value: number | null | undefined) =>
    value === null || value === undefined ? "–" : format.rate(value, i18n.language);
  const refused = sample?.refused_logins_per_s ?? 0;
  const finality = sample?.finality_ms;
  return (
    <div className="panel grid grid-cols-2 gap-x-6 gap-y-5 p-4 sm:grid-cols-3 sm:p-5 xl:grid-cols-5">
      <Figure
        name={t("overview.height")}
        value={sample ? whole(sample.height) : "–"}
        note={
          finality === null || finality === undefined
            ? t("overview.finalityIdle")
            : t("overview.finality", { ms: whole(finality) })
        }
      />
      <Figure
        name={t("overview.messages")}
        value={rate(sample?.messages_per_s)}
        unit={t("overview.perSecond")}
        note={
          sample &&
          t("overview.archivedMessages", {
            count: sample.messages_archived,
            formatted: whole(sample.messages_archived),
          })
        }
      />
      <Figure
        name={t("overview.logins")}
        value={rate(sample?.logins_per_s)}
        unit={t("overview.perSecond")}
        note={refused > 0 ? t("overview.refusedRate", { rate: rate(refused) }) : t("overview.noneRefused")}
      />
      <Figure
        name={t("overview.connected")}
        value={whole(view.online)}
        note={
          <>
            {t("overview.ofClients", { formatted: whole(view.clients) })}
            {view.expiring > 0 && ` · ${t("overview.expiringSoon", { count: view.expiring })}`}
          </>
        }
      />
      <Figure name={t("overview.anchored")} value={sample ? whole(sample.packages_anchored) : "–"} />
    </div>
  );
}
