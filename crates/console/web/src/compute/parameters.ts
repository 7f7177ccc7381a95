// The frozen parameter sets, and which set computes which function from which form of readings.
//
// | Set | Scheme | N | log2 q | t |
// |---|---|---|---|---|
// | `sm2-elgamal-v1` | exponential ElGamal on the SM2 curve | – | – | – |
// | `bfv-add-v1` | BFV | 4,096 | 108 | 2^50 |
// | `bfv-mul-v1` | BFV | 8,192 | 216 | 2^50 |
// | `bfv-bits-v1` | BFV | 8,192 | 215 | 65,537 |

import type { ComputeFunction, ParameterSet } from "../envelope/compute";

/** The evaluator whose results are opened. */
export const EVALUATOR = 1;
/** Results of ElGamal reach from minus this to this. */
export const ELGAMAL_LIMIT = 1n << 40n;
/** An error is the difference of the ones in two words of so many bits. */
export const ERROR_BITS = 21n;

/** The numbers of a BFV parameter set. */
export interface Bfv {
  /** Degree of the ring, and so many readings fit into a ciphertext. */
  readonly n: number;
  /** Primes whose product is q, each 1 modulo 2N. */
  readonly moduli: readonly bigint[];
  /** Length of each modulus in bits: so long is a coefficient on the wire. */
  readonly modulusBits: number;
  /** Plaintext modulus. */
  readonly t: bigint;
  /** The primitive 2N-th root of unity modulo t where the slots are. */
  readonly root: bigint;
}

const SETS: Readonly<Record<ParameterSet, Bfv | null>> = {
  "sm2-elgamal-v1": null,
  "bfv-add-v1": {
    n: 4096,
    moduli: [0x3ffffffffd6001n, 0x3ffffffffd2001n],
    modulusBits: 54,
    t: 0x3ffffffffc001n,
    root: 46_909_545_429n,
  },
  "bfv-mul-v1": {
    n: 8192,
    moduli: [0x3fffffffef8001n, 0x3fffffffeb8001n, 0x3fffffffe7c001n, 0x3fffffffe64001n],
    modulusBits: 54,
    t: 0x3ffffffffc001n,
    root: 11_286_399_139n,
  },
  "bfv-bits-v1": {
    n: 8192,
    moduli: [0x7fffffd8001n, 0x7fffffc8001n, 0x7fffffa8001n, 0x7fffff68001n, 0x7ffffefc001n],
    modulusBits: 43,
    t: 65_537n,
    root: 15n,
  },
};

/** The numbers of a set; none for ElGamal. */
export function bfvOf(set: ParameterSet): Bfv | null {
  return SETS[set];
}

/** Readings in one ciphertext. */
export function slots(set: ParameterSet): bigint {
  return BigInt(SETS[set]?.n ?? 1);
}

/** What a device encrypts of a reading. */
export type Form = "value" | "moments" | "bits" | "one-hot";

/** Forms of readings that a function takes under a set, the usual one first; empty: it isn't served. */
export function forms(set: ParameterSet, kind: ComputeFunction["kind"]): readonly Form[] {
  const counts = kind === "count-over" || kind === "histogram" || kind === "range";
  if (set === "bfv-bits-v1") return kind === "count-over" ? ["bits"] : [];
  if (set === "bfv-mul-v1") return counts ? [] : ["value"];
  if (counts) return ["one-hot"];
  if (kind === "dot") return [];
  return kind === "variance" || kind === "deviation" ? ["moments"] : ["value", "moments"];
}
