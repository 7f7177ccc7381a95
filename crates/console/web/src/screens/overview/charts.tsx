// Four curves of the last minutes or the last day.
import { useQuery } from "@tanstack/react-query";
import { ChartLine } from "lucide-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { type Sample, useLive } from "@/api/live";
import * as format from "@/lib/format";
import type { Series } from "@/ui/chart";
import { Segmented } from "@/ui/field";
import { Panel } from "@/ui/panel";
import { Empty, Failed, Skeleton } from "@/ui/states";

const Chart = lazy(() => import("@/ui/chart"));

type Span = "minutes" | "day";

/** How far back the fine curve goes, in milliseconds. */
const FINE_MS = 600_000;
/** A hole longer than this many steps is drawn as one. */
const HOLE_STEPS = 3;

/** The server's history with what came by the stream since; with a gap where no sample was taken. */
export function joined(history: Sample[], live: Sample[], stepMs: number, sinceMs: number): Sample[] {
  const last = history.at(-1)?.time_ms ?? 0;
  const all = [...history, ...live.filter((sample) => sample.time_ms > last)];
  const out: Sample[] = [];
  for (const sample of all) {
    if (sample.time_ms < sinceMs) continue;
    const before = out.at(-1);
    if (before && sample.time_ms - before.time_ms > HOLE_STEPS * stepMs)
      out.push(hole(before.time_ms + stepMs));
    out.push(sample);
  }
  return out;
}

function hole(timeMs: number): Sample {
  return {
    time_ms: timeMs,
    height: 0,
    finality_ms: null,
    blocks_per_s: Number.NaN,
    transactions_per_s: Number.NaN,
    logins_per_s: null,
    refused_logins_per_s: null,
    messages_per_s: null,
    sessions: 0,
    packages_anchored: 0,
    messages_archived: 0,
    nodes_up: 0,
    gateways_up: 0,
    alerts: 0,
  };
}

function pick(samples: Sample[], of: (sample: Sample) => number | null | undefined): (number | null)[] {
  return samples.map((sample) => {
    const value = of(sample);
    return value === null || value === undefined || Number.isNaN(value) ? null : value;
  });
}

export function Charts() {
  const { t, i18n } = useTranslation();
  const [span, setSpan] = useState<Span>("minutes");
  const live = useLive().samples;
  const query = useQuery({
    queryKey: ["history", span],
    queryFn: ({ signal }) => ok(api.GET("/api/overview/history", { params: { query: { span } }, signal })),
    refetchInterval: span === "day" ? 60_000 : false,
    staleTime: 30_000,
  });
  const { data } = query;
  const samples = useMemo(() => {
    if (!data) return [];
    if (span === "day") return joined(data.samples, [], data.step_ms, 0);
    const newest = live.at(-1)?.time_ms ?? data.samples.at(-1)?.time_ms ?? 0;
    return joined(data.samples, live, data.step_ms, newest - FINE_MS);
  }, [data, live, span]);
  const times = samples.map((sample) => sample.time_ms);
  const perSecond = (value: number) => t("overview.chart.rate", { value: format.rate(value, i18n.language) });
  const inMs = (value: number) => t("overview.chart.ms", { value: format.number(value, i18n.language) });
  const charts: {
    name: "messages" | "transactions" | "logins" | "finality";
    series: Series[];
    say: (value: number) => string;
  }[] = [
    {
      name: "messages",
      series: [
        {
          name: t("overview.messages"),
          colour: "indigo",
          values: pick(samples, (one) => one.messages_per_s),
        },
      ],
      say: perSecond,
    },
    {
      name: "transactions",
      series: [
        {
          name: t("ledger.transactions"),
          colour: "plum",
          values: pick(samples, (one) => one.transactions_per_s),
        },
      ],
      say: perSecond,
    },
    {
      name: "logins",
      series: [
        {
          name: t("overview.chart.accepted"),
          colour: "bamboo-solid",
          values: pick(samples, (one) => one.logins_per_s),
        },
        {
          name: t("overview.chart.refused"),
          colour: "cinnabar-solid",
          values: pick(samples, (one) => one.refused_logins_per_s),
        },
      ],
      say: perSecond,
    },
    {
      name: "finality",
      series: [
        {
          name: t("overview.chart.finality"),
          colour: "ochre-solid",
          values: pick(samples, (one) => one.finality_ms),
        },
      ],
      say: inMs,
    },
  ];
  return (
    <section>
      <div className="mb-2 flex justify-end">
        <Segmented
          label={t("overview.span")}
          value={span}
          onChange={setSpan}
          options={(["minutes", "day"] as const).map((value) => ({
            value,
            text: t(`overview.spans.${value}`),
          }))}
        />
      </div>
      <div className="grid gap-4 md:grid-cols-2 3xl:grid-cols-4">
        {charts.map(({ name, series, say }) => (
          <Panel key={name} title={t(`overview.chart.${name}`)} note={<Legend series={series} say={say} />}>
            {query.error && !data ? (
              <Failed error={query.error} retry={() => void query.refetch()} small />
            ) : samples.length < 2 && data ? (
              <Empty small icon={ChartLine} title={t("overview.chart.none")}>
                {t("overview.chart.noneText")}
              </Empty>
            ) : (
              <Suspense fallback={<Skeleton className="h-[180px] w-full" />}>
                <Chart label={t(`overview.chart.${name}`)} times={times} series={series} say={say} />
              </Suspense>
            )}
          </Panel>
        ))}
      </div>
    </section>
  );
}

const KEYS: Record<string, string> = {
  indigo: "bg-indigo",
  plum: "bg-plum",
  "bamboo-solid": "bg-bamboo-solid",
  "cinnabar-solid": "bg-cinnabar-solid",
  "ochre-solid": "bg-ochre-solid",
};

function Legend({ series, say }: { series: Series[]; say: (value: number) => string }) {
  return (
    <span className="flex flex-wrap gap-x-3">
      {series.map((one) => {
        const last = one.values.findLast((value) => value !== null);
        return (
          <span key={one.name} className="inline-flex items-center gap-1.5">
            <span aria-hidden className={`inline-block h-0.5 w-3 ${KEYS[one.colour] ?? ""}`} />
            {series.length > 1 && one.name} {last === undefined || last === null ? "–" : say(last)}
          </span>
        );
      })}
    </span>
  );
}
