// Lines over time. The canvas takes its colours from the page's, and says in words what it shows.
import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import UPlot from "uplot";
import { useTheme } from "@/app/theme";
import * as format from "@/lib/format";

export interface Series {
  name: string;
  /** Name of a colour of the page, for instance `indigo`. */
  colour: string;
  values: (number | null)[];
}

interface ChartProps {
  label: string;
  /** Unix milliseconds. */
  times: number[];
  series: Series[];
  height?: number;
  /** How a value is said, with its unit. */
  say: (value: number) => string;
}

function resolve(element: HTMLElement, name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function faded(colour: string): string {
  const parts = colour.match(/[\d.]+/g)?.slice(0, 3) ?? ["0", "0", "0"];
  return `rgb(${parts.join(" ")} / 12%)`;
}

export default function Chart({ label, times, series, height = 180, say }: ChartProps) {
  const { i18n } = useTranslation();
  const theme = useTheme();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(null);
  const data = useRef<UPlot.AlignedData>([[]]);
  const words = useRef(say);
  words.current = say;
  data.current = [times.map((ms) => ms / 1000), ...series.map((one) => one.values)];
  const names = series.map((one) => `${one.name}:${one.colour}`).join("|");

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new theme, language or set of series needs a new plot; new values don't
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const colour = (name: string) => resolve(element, name);
    const axis = { stroke: colour("ink-3"), font: "12px Plex Sans, sans-serif", ticks: { show: false } };
    const grid = { stroke: colour("line"), width: 1 };
    const made = new UPlot(
      {
        width: element.clientWidth,
        height,
        padding: [8, 8, 0, 0],
        cursor: { y: false, points: { size: 6 } },
        legend: { show: false },
        scales: { y: { range: (_, __, max) => [0, Math.max(1, (max ?? 0) * 1.15)] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 26,
            space: 90,
            values: (_, at) => at.map((s) => format.clock(s * 1000, i18n.language)),
          },
          {
            ...axis,
            grid,
            size: 52,
            space: 36,
            values: (_, at) => at.map((value) => format.rate(value, i18n.language)),
          },
        ],
        series: [
          {},
          ...series.map((one) => {
            const stroke = colour(one.colour);
            return {
              label: one.name,
              stroke,
              width: 1.75,
              fill: series.length === 1 ? faded(stroke) : undefined,
              points: { show: false },
            };
          }),
        ],
        hooks: { setCursor: [(self) => readOut(self, element, words.current, i18n.language)] },
      },
      data.current,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [theme, i18n.language, names, height]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the values are in `data`
  useEffect(() => plot.current?.setData(data.current), [times, series]);

  const spoken = series.map((one) => {
    const values = one.values.filter((value) => value !== null);
    const last = values.at(-1);
    return last === undefined ? one.name : `${one.name}: ${say(last)}`;
  });
  return (
    <figure className="relative min-w-0">
      <figcaption className="sr-only">{`${label}. ${spoken.join("; ")}`}</figcaption>
      <div ref={box} aria-hidden className="w-full overflow-hidden" style={{ height }} />
    </figure>
  );
}

/** Writes the values under the pointer into a small box of the chart's own. */
function readOut(plot: UPlot, element: HTMLElement, say: (value: number) => string, language: string): void {
  let box = element.querySelector<HTMLElement>("[data-readout]");
  if (!box) {
    box = document.createElement("div");
    box.dataset.readout = "";
    box.className =
      "pointer-events-none absolute top-1 end-1 z-10 rounded-md border border-line bg-raised px-2 py-1 text-[0.82rem] shadow-panel";
    element.append(box);
  }
  const at = plot.cursor.idx;
  box.hidden = at === null || at === undefined;
  if (at === null || at === undefined) return;
  const time = plot.data[0][at];
  const lines = plot.series.slice(1).map((series, index) => {
    const value = plot.data[index + 1]?.[at];
    return `${String(series.label)}: ${value === null || value === undefined ? "–" : say(value)}`;
  });
  const head = time === undefined ? [] : [format.clock(time * 1000, language)];
  box.replaceChildren(
    ...[...head, ...lines].map((text) => {
      const line = document.createElement("div");
      line.textContent = text;
      return line;
    }),
  );
}
