// Bounds that are checked before anything is opened: past them a decryption is silently wrong.
//
// Two things can go wrong: a result larger than its plaintext holds, and in BFV noise past q/(2t). Both are
// bounded in the worst case over all readings within the declared bounds. V is the largest coefficient
// of the noise, B = `ERROR_BITS`, L the number of moduli:
//
// | Step | V at most |
// |---|---|
// | fresh | `B (2N + 1) + 1` |
// | sum | sum of the V |
// | times a public w | `abs(w) V` |
// | plus a public number | `V + 1` |
// | product | `N t (V1 + V2)/2 + t N K (V1 + V2) + N V1 V2 t/q + 1 + N + N^2`, K = N/2 + 2 |
// | relinearisation | `L N q_max B` |
//
// (Fan and Vercauteren 2012, lemma 2, in the infinity norm.) Decryption is right while `2 t (V + 1) < q`.

import { utf8 } from "../crypto/bytes";
import { refuse } from "../crypto/refusal";
import {
  type ComputeFunction,
  type ComputeKey,
  DECIMALS_MAX,
  EDGES_MAX,
  type ParameterSet,
  type ReadingSpec,
  UNIT_MAX_BYTES,
  type Weights,
} from "../envelope/compute";
import { bitLength } from "../verify/merkle";
import { decimal } from "./decimal";
import { larger, magnitude, smaller, total } from "./integers";
import { type Bfv, bfvOf, ELGAMAL_LIMIT, ERROR_BITS, type Form, forms } from "./parameters";
import { OPEN_TEXTS } from "./texts";

/** Most bits of a range of readings that are compared bit by bit. */
const COMPARED_BITS_MAX = 16n;
/** Most groups of slots whose counts are added into one ciphertext. */
const COUNTED_GROUPS_MAX = 256n;

/** How much an input brings. */
export interface Load {
  readonly readings: bigint;
  readonly ciphertexts: bigint;
}

/** Largest magnitude of a plaintext. */
function capacity(set: ParameterSet): bigint {
  const numbers = bfvOf(set);
  return numbers ? numbers.t / 2n : ELGAMAL_LIMIT;
}

/** Checks that a function can be computed under a key over these loads. Throws `bound.*`. */
export function checkBounds(key: ComputeKey, job: ComputeFunction, inputs: readonly Load[]): void {
  const { parameters: set, readings: spec } = key;
  const [form] = forms(set, job.kind);
  if (!form) throw refuse(OPEN_TEXTS, "bound.unserved", { set, function: job.kind });
  checkForm(set, spec, form);
  checkArguments(key, job, inputs.length);
  const readings = total(inputs.map((load) => load.readings));
  const reach = reachOf(spec, job, inputs);
  // Counts bit by bit come in several totals.
  const held = job.kind === "count-over" && set === "bfv-bits-v1" ? (1n << 64n) - 1n : capacity(set);
  if (reach > held) {
    throw refuse(OPEN_TEXTS, "bound.overflow", { function: job.kind, readings, reach, set, capacity: held });
  }
  const numbers = bfvOf(set);
  if (!numbers) return;
  const noise = new Noise(numbers);
  const most = noise.of(spec, job, inputs);
  const limit = noise.q / (2n * numbers.t) - 1n;
  if (most >= limit) {
    const [noise_bits, limit_bits] = [bitLength(most), bitLength(limit)];
    throw refuse(OPEN_TEXTS, "bound.noise", { function: job.kind, readings, noise_bits, set, limit_bits });
  }
}

function checkForm(set: ParameterSet, spec: ReadingSpec, form: Form): void {
  checkSpec(spec);
  const largest = larger(magnitude(spec.min), magnitude(spec.max));
  const limits: Record<Form, [string, bigint, bigint] | null> = {
    value: ["value", largest, capacity(set)],
    moments: ["square", largest * largest, capacity(set)],
    bits: ["distance from the smallest", spec.max - spec.min, (1n << COMPARED_BITS_MAX) - 1n],
    "one-hot": null,
  };
  const [what, reach, held] = limits[form] ?? ["", 0n, 0n];
  if (reach > held) throw refuse(OPEN_TEXTS, "bound.reading", { what, reach, set, capacity: held });
}

function checkSpec(spec: ReadingSpec): void {
  const wrong = (detail: string) => refuse(OPEN_TEXTS, "bound.spec", { detail });
  const text = (value: bigint) => decimal(value, spec.decimals);
  if (spec.decimals > DECIMALS_MAX)
    throw wrong(`readings with ${spec.decimals} decimals: at most ${DECIMALS_MAX}`);
  if (spec.min >= spec.max) {
    throw wrong(`the smallest reading ${text(spec.min)} isn't below the largest ${text(spec.max)}`);
  }
  for (const bound of [spec.min, spec.max]) {
    if (magnitude(bound) > 1n << 62n) {
      throw wrong(`readings up to ${text(bound)} are too large: bounds must be within ±2^62 steps`);
    }
  }
  if (spec.edges.length > EDGES_MAX) throw wrong(`${spec.edges.length} edges of bins: at most ${EDGES_MAX}`);
  let last = spec.min;
  for (const edge of spec.edges) {
    if (edge <= last || edge > spec.max) {
      const rule =
        "doesn't rise above the one before, or is not above the smallest reading and at most the largest";
      throw wrong(`edge ${text(edge)} ${rule}`);
    }
    last = edge;
  }
  const unit = utf8(spec.unit).length;
  if (unit > UNIT_MAX_BYTES) throw wrong(`the unit has ${unit} bytes: at most ${UNIT_MAX_BYTES}`);
}

function checkArguments(key: ComputeKey, job: ComputeFunction, inputs: number): void {
  const { readings: spec, parameters: set } = key;
  const wrong = (detail: string) => refuse(OPEN_TEXTS, "bound.arguments", { function: job.kind, detail });
  if (job.kind === "weighted-sum" || job.kind === "linear") {
    const { weights, decimals } = job.content.weights;
    if (weights.length !== inputs)
      throw wrong(`${weights.length} weights for ${inputs} inputs: give one for each`);
    if (decimals > DECIMALS_MAX) throw wrong(`weights with ${decimals} decimals: at most ${DECIMALS_MAX}`);
  } else if (job.kind === "dot" && inputs !== 2) {
    throw wrong(`${inputs} inputs: it takes two`);
  } else if (job.kind === "count-over") {
    const { threshold } = job.content.threshold;
    const text = (value: bigint) => decimal(value, spec.decimals);
    if (threshold < spec.min || threshold >= spec.max) {
      const range = `from ${text(spec.min)} to below ${text(spec.max)}`;
      throw wrong(`the threshold ${text(threshold)} isn't ${range}: all readings are above it, or none`);
    }
    if (forms(set, job.kind)[0] === "one-hot" && !spec.edges.includes(threshold + 1n)) {
      const rule = `${set} counts only over thresholds just below an edge of the key's bins`;
      throw wrong(`${rule}, and ${text(threshold)} isn't`);
    }
  } else if ((job.kind === "histogram" || job.kind === "range") && spec.edges.length === 0) {
    throw wrong("the key's readings have no edges of bins: make a key with edges");
  }
}

/** Sum over the inputs of the weight's magnitude times something. */
function absolute({ weights }: Weights, inputs: readonly Load[], times: (load: Load) => bigint): bigint {
  return total(weights.map((weight, i) => magnitude(weight) * times(inputs[i] as Load)));
}

/** Largest magnitude of any number in the result. */
function reachOf(spec: ReadingSpec, job: ComputeFunction, inputs: readonly Load[]): bigint {
  const largest = larger(magnitude(spec.min), magnitude(spec.max));
  const readings = total(inputs.map((load) => load.readings));
  switch (job.kind) {
    case "sum":
    case "mean":
      return readings * largest;
    case "weighted-sum":
      return absolute(job.content.weights, inputs, (load) => load.readings) * largest;
    case "linear":
      return (
        absolute(job.content.weights, inputs, () => 1n) * largest + magnitude(job.content.weights.intercept)
      );
    case "variance":
    case "deviation":
      return readings * largest * larger(largest, 1n);
    case "dot":
      return inputs.map((load) => load.readings).reduce(smaller) * largest * largest;
    default:
      return readings;
  }
}

/** The bounds of noise, for one parameter set. */
class Noise {
  readonly q: bigint;
  readonly #n: bigint;
  readonly #t: bigint;
  readonly #moduli: readonly bigint[];

  constructor({ n, t, moduli }: Bfv) {
    this.#n = BigInt(n);
    this.#t = t;
    this.#moduli = moduli;
    this.q = moduli.reduce((product, modulus) => product * modulus, 1n);
  }

  get #fresh(): bigint {
    return ERROR_BITS * (2n * this.#n + 1n) + 1n;
  }

  #product(v1: bigint, v2: bigint): bigint {
    const [n, t, sum] = [this.#n, this.#t, v1 + v2];
    const k = n / 2n + 2n;
    return (n * t * sum) / 2n + 1n + t * n * k * sum + (n * v1 * v2 * t) / this.q + 2n + n + n * n;
  }

  get #relinearisation(): bigint {
    return BigInt(this.#moduli.length) * this.#n * this.#moduli.reduce(larger) * ERROR_BITS;
  }

  /** Of the comparison of one group of so many bits: a tree of products. */
  #comparison(bits: number): bigint {
    let v = this.#fresh + 1n;
    for (let width = 1; width < bits; width *= 2) v += this.#product(v, v) + this.#relinearisation;
    return v;
  }

  of(spec: ReadingSpec, job: ComputeFunction, inputs: readonly Load[]): bigint {
    const ciphertexts = total(inputs.map((load) => load.ciphertexts));
    switch (job.kind) {
      case "weighted-sum":
        return absolute(job.content.weights, inputs, (load) => load.ciphertexts) * this.#fresh;
      case "linear":
        return absolute(job.content.weights, inputs, () => 1n) * this.#fresh + 1n;
      case "variance":
      case "deviation":
      case "dot":
        if (this.#moduli.length <= 2) return ciphertexts * this.#fresh;
        return ciphertexts * this.#product(this.#fresh, this.#fresh) + this.#relinearisation;
      case "count-over":
        if (this.#moduli.length <= 2) return ciphertexts * this.#fresh;
        return this.#comparison(bitLength(spec.max - spec.min)) * COUNTED_GROUPS_MAX;
      default:
        return ciphertexts * this.#fresh;
    }
  }
}
