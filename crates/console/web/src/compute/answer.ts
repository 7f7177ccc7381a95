// Answers: exact decimals, held against what is possible for so many readings within their bounds.
//
// An answer has the form of the command line's JSON: `function`, its values as decimal texts, `readings`,
// `unit`. Quotients and roots are rounded half away from zero to `ROUNDED_DECIMALS` more digits; `exact`
// says whether nothing was lost.

import { refuse } from "../crypto/refusal";
import type { ComputeFunction, ComputeKey, Evaluation, Weights } from "../envelope/compute";
import { decimal } from "./decimal";
import { larger, smaller, total } from "./integers";
import { OPEN_TEXTS } from "./texts";

/** Digits that a quotient or a root has more than the readings (a variance: than their squares). */
const ROUNDED_DECIMALS = 6;

/** A quotient or a root. */
export interface Rounded {
  readonly value: string;
  readonly exact: boolean;
}
/** A bin of a histogram: smallest and largest reading that are in it, and how many are. */
export interface Bin {
  readonly from: string;
  readonly to: string;
  readonly count: bigint;
}
interface Spread {
  readonly sum: string;
  readonly sum_of_squares: string;
  readonly mean: Rounded;
  readonly variance: Rounded;
}
type Value =
  | { readonly function: "sum" | "weighted-sum"; readonly sum: string }
  | { readonly function: "mean"; readonly sum: string; readonly mean: Rounded }
  | { readonly function: "linear"; readonly rows: readonly string[] }
  | ({ readonly function: "variance" } & Spread)
  | ({ readonly function: "deviation"; readonly deviation: Rounded } & Spread)
  | { readonly function: "dot"; readonly dot: string }
  | { readonly function: "count-over"; readonly threshold: string; readonly count: bigint }
  | { readonly function: "histogram"; readonly bins: readonly Bin[] }
  | { readonly function: "range"; readonly lowest: Bin; readonly highest: Bin };
/** What was computed, in the clear. */
export type Answer = Value & { readonly readings: bigint; readonly unit: string };

/** A range of numbers, both ends included. */
export type Interval = readonly [low: bigint, high: bigint];

/** How many readings there are in all, and how many rows. */
export function counts(evaluation: Evaluation): { readings: bigint; rows: bigint } {
  const each = evaluation.inputs.map((input) => input.readings);
  return { readings: total(each), rows: each.reduce(larger, 0n) };
}

/** What the number at a place of the result can be. */
export function possible(key: ComputeKey, evaluation: Evaluation, place: number): Interval {
  const { readings: spec } = key;
  const { function: job } = evaluation.job;
  const { readings } = counts(evaluation);
  switch (job.kind) {
    case "sum":
    case "mean":
      return [readings * spec.min, readings * spec.max];
    case "weighted-sum":
      return weightedRange(key, job.content.weights, (i) => evaluation.inputs[i]?.readings ?? 0n);
    case "linear": {
      const { weights } = job.content;
      const [low, high] = weightedRange(key, weights, () => 1n);
      return [low + weights.intercept, high + weights.intercept];
    }
    case "variance":
    case "deviation":
      return place === 0 ? [readings * spec.min, readings * spec.max] : [0n, readings * squares(key)[1]];
    case "dot": {
      const [low, high] = squares(key);
      const each = evaluation.inputs[0]?.readings ?? 0n;
      return [each * low, each * high];
    }
    default:
      return [0n, readings];
  }
}

function weightedRange(
  { readings: spec }: ComputeKey,
  { weights }: Weights,
  times: (input: number) => bigint,
): Interval {
  const products = weights.map(
    (weight, i) => [weight * spec.min * times(i), weight * spec.max * times(i)] as const,
  );
  const low = total(products.map(([a, b]) => smaller(a, b)));
  const high = total(products.map(([a, b]) => larger(a, b)));
  return [low, high];
}

/** Smallest and largest product of two readings. */
function squares({ readings: { min, max } }: ComputeKey): Interval {
  const products = [min * min, min * max, max * max] as const;
  const least = products.reduce(smaller);
  return [least, larger(products[0], products[2])];
}

/** The answer that a result's numbers are. Throws `open.impossible`. */
export function answerOf(key: ComputeKey, evaluation: Evaluation, numbers: readonly bigint[]): Answer {
  const { readings } = counts(evaluation);
  const value = new Opened(key, evaluation, numbers).value();
  return { ...value, readings, unit: unitOf(key, evaluation.job.function) };
}

function unitOf({ readings: { unit } }: ComputeKey, { kind }: ComputeFunction): string {
  if (kind === "count-over") return "";
  return kind === "dot" && unit !== "" ? `(${unit})²` : unit;
}

class Opened {
  readonly #key: ComputeKey;
  readonly #evaluation: Evaluation;
  readonly #numbers: readonly bigint[];
  readonly #readings: bigint;

  constructor(key: ComputeKey, evaluation: Evaluation, numbers: readonly bigint[]) {
    this.#key = key;
    this.#evaluation = evaluation;
    this.#numbers = numbers;
    this.#readings = counts(evaluation).readings;
  }

  value(): Value {
    const { decimals } = this.#key.readings;
    const { function: job } = this.#evaluation.job;
    switch (job.kind) {
      case "sum":
        return { function: "sum", sum: decimal(this.#within(0, "a sum"), decimals) };
      case "mean": {
        const sum = this.#within(0, "a sum");
        return {
          function: "mean",
          sum: decimal(sum, decimals),
          mean: quotient(sum, this.#readings, decimals),
        };
      }
      case "weighted-sum": {
        const { intercept, decimals: more } = job.content.weights;
        const sum = this.#within(0, "a weighted sum") + intercept;
        return { function: "weighted-sum", sum: decimal(sum, decimals + more) };
      }
      case "linear": {
        const more = job.content.weights.decimals;
        const rows = this.#numbers.map((_, i) => decimal(this.#within(i, "a row"), decimals + more));
        return { function: "linear", rows };
      }
      case "variance":
        return { function: "variance", ...this.#spread() };
      case "deviation":
        return { function: "deviation", ...this.#spread(), deviation: this.#deviation() };
      case "dot":
        return { function: "dot", dot: decimal(this.#within(0, "a dot product"), 2 * decimals) };
      case "count-over": {
        const { threshold } = job.content.threshold;
        const count = this.#within(0, "a count");
        return { function: "count-over", threshold: decimal(threshold, decimals), count };
      }
      case "histogram":
        return { function: "histogram", bins: this.#bins() };
      case "range": {
        const filled = this.#bins().filter((bin) => bin.count > 0n);
        const [lowest, highest] = [filled[0], filled.at(-1)];
        if (!lowest || !highest) throw this.#impossible("no bin");
        return { function: "range", lowest, highest };
      }
    }
  }

  #impossible(what: string) {
    return refuse(OPEN_TEXTS, "open.impossible", { what, readings: this.#readings });
  }

  /** The number at a place, if it can be. */
  #within(place: number, what: string): bigint {
    const number = this.#numbers[place] ?? 0n;
    const [low, high] = possible(this.#key, this.#evaluation, place);
    if (number < low || number > high) throw this.#impossible(what);
    return number;
  }

  /** n² times the variance: n times the sum of squares, less the sum's square. */
  #scaled(): bigint {
    const [sum = 0n, sumOfSquares = 0n] = this.#numbers;
    return this.#readings * sumOfSquares - sum * sum;
  }

  #spread(): Spread {
    const { decimals } = this.#key.readings;
    const n = this.#readings;
    const sumOfSquares = this.#within(1, "a sum of squares");
    const scaled = this.#scaled();
    if (scaled < 0n) throw this.#impossible("a variance");
    const sum = this.#within(0, "a sum");
    return {
      sum: decimal(sum, decimals),
      sum_of_squares: decimal(sumOfSquares, 2 * decimals),
      mean: quotient(sum, n, decimals),
      variance: quotient(scaled, n * n, 2 * decimals),
    };
  }

  #deviation(): Rounded {
    const square = this.#readings * this.#readings;
    const { decimals } = this.#key.readings;
    if (square === 0n) return rounded(0n, decimals, false);
    const scaled = this.#scaled() * 10n ** BigInt(2 * ROUNDED_DECIMALS);
    // The largest r with r² n² <= scaled, and one more from half a unit on.
    let root = squareRoot(scaled / square);
    const exact = root * root * square === scaled;
    const twice = 2n * root + 1n;
    if (twice * twice * square <= 4n * scaled) root += 1n;
    return rounded(root, decimals, exact);
  }

  #bins(): Bin[] {
    const { decimals, edges, min, max } = this.#key.readings;
    const bins = this.#numbers.map((_, i) => {
      const count = this.#within(i, "a count");
      const [from, edge] = [i === 0 ? min : (edges[i - 1] as bigint), edges[i]];
      const to = edge === undefined ? max : edge - 1n;
      return { from: decimal(from, decimals), to: decimal(to, decimals), count };
    });
    if (total(bins.map((bin) => bin.count)) !== this.#readings) {
      throw this.#impossible("a number of readings in all bins");
    }
    return bins;
  }
}

/** The largest r with r² at most `value` (Newton). */
function squareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let root = 1n << BigInt(Math.ceil(value.toString(2).length / 2));
  for (;;) {
    const next = (root + value / root) / 2n;
    if (next >= root) return root;
    root = next;
  }
}

/** `value / by` with more digits, rounded half away from zero. */
function quotient(value: bigint, by: bigint, decimals: number): Rounded {
  if (by === 0n) return rounded(0n, decimals, false);
  const scaled = value * 10n ** BigInt(ROUNDED_DECIMALS);
  const half = scaled < 0n ? -by : by;
  return rounded((2n * scaled + half) / (2n * by), decimals, scaled % by === 0n);
}

/** A decimal without the zeros that rounding would have filled. */
function rounded(value: bigint, decimals: number, exact: boolean): Rounded {
  let more = ROUNDED_DECIMALS;
  for (; exact && more > 0 && value % 10n === 0n; more--) value /= 10n;
  return { value: decimal(value, decimals + more), exact };
}

/** An answer in English, as the command line prints it. */
export function answerText(answer: Answer): string {
  const unit = answer.unit === "" ? "" : ` ${answer.unit}`;
  const about = ({ value, exact }: Rounded) => (exact ? value : `≈ ${value}`);
  const over = `over ${answer.readings} readings`;
  switch (answer.function) {
    case "sum":
      return `sum ${answer.sum}${unit} ${over}`;
    case "mean":
      return `mean ${about(answer.mean)}${unit} ${over} (sum ${answer.sum})`;
    case "weighted-sum":
      return `weighted sum ${answer.sum}${unit} ${over}`;
    case "linear":
      return [`linear model, ${answer.rows.length} rows:`, ...answer.rows.map((row) => row + unit)].join(
        "\n",
      );
    case "variance": {
      const square = unit === "" ? "" : ` (${answer.unit})²`;
      return `variance ${about(answer.variance)}${square} ${over} (mean ${about(answer.mean)})`;
    }
    case "deviation":
      return `standard deviation ${about(answer.deviation)}${unit} ${over} (mean ${about(answer.mean)})`;
    case "dot":
      return `dot product ${answer.dot}${unit} ${over}`;
    case "count-over":
      return `${answer.count} of ${answer.readings} readings above ${answer.threshold}`;
    case "histogram": {
      const bins = answer.bins.map((bin) => `${bin.from} to ${bin.to}${unit}: ${bin.count}`);
      return [`histogram of ${answer.readings} readings:`, ...bins].join("\n");
    }
    case "range": {
      const { lowest, highest } = answer;
      const ends = `smallest from ${lowest.from} to ${lowest.to}${unit}, largest from ${highest.from} to ${highest.to}`;
      return `${ends}${unit}, ${over}`;
    }
  }
}
