// Computing on encrypted readings: compute keys, jobs, evaluations, results.
//
//   compute key id = SM3("sealwire compute key" || CBOR of ComputeKey)
//   evaluation id  = SM3("sealwire evaluation" || CBOR of Evaluation)
//   result         = SM3("sealwire result" || CBOR of ciphertexts)
//   Computed       = [evaluation: Evaluation, ciphertexts: [* bstr]]

import { concat, utf8 } from "../crypto/bytes";
import { sm3 } from "../crypto/sm3";
import {
  blob,
  type Decoded,
  decode,
  digest,
  encode,
  i64,
  key,
  list,
  numbers,
  optional,
  struct,
  text,
  u8,
  u16,
  u64,
  variants,
} from "./cbor";
import { client, topic } from "./names";
import { moment } from "./receipt";

/** Version of these formats. */
export const COMPUTE_VERSION = 1;
/** Most inner edges of a histogram's bins. */
export const EDGES_MAX = 63;
/** Most decimals of a reading or a weight. */
export const DECIMALS_MAX = 9;
/** Longest unit, in bytes of UTF-8. */
export const UNIT_MAX_BYTES = 16;
/** Longest result that is read, in bytes. */
export const COMPUTED_MAX_BYTES = 64 * 1024 * 1024;
/** Longest description of a key that is read, in bytes. */
export const COMPUTE_KEY_MAX_BYTES = 64 * 1024;
/** Longest entry of the ledger that is read, in bytes. */
const ENTRY_MAX_BYTES = 1024 * 1024;

/** Parameter sets by name, as numbered for ever. */
export const PARAMETER_SETS = {
  "sm2-elgamal-v1": 1,
  "bfv-add-v1": 2,
  "bfv-mul-v1": 3,
  "bfv-bits-v1": 4,
} as const;
/** One of them. */
export type ParameterSet = keyof typeof PARAMETER_SETS;
/** `ParameterSet` in CBOR. */
export const parameterSet = numbers(PARAMETER_SETS);

const readingSpec = struct({ decimals: u8, min: i64, max: i64, edges: list(i64), unit: text<string>() });
/** What readings under a key are; bounds and edges times `10^decimals`. */
export type ReadingSpec = Decoded<typeof readingSpec>;

const sharing = struct({ threshold: u16, holders: list(struct({ client, share: key })) });
const computeKey = struct({
  version: u8,
  owner: client,
  parameters: parameterSet,
  readings: readingSpec,
  public: digest,
  evaluation: optional(digest),
  sharing: optional(sharing),
});
/** A key that readings are encrypted to. */
export type ComputeKey = Decoded<typeof computeKey>;

const weights = struct({ weights: list(i64), decimals: u8, intercept: i64 });
/** Public weights of inputs. */
export type Weights = Decoded<typeof weights>;
const nothing = struct({});
const weighted = struct({ weights });
const computeFunction = variants({
  sum: [0, nothing],
  mean: [1, nothing],
  "weighted-sum": [2, weighted],
  linear: [3, weighted],
  variance: [4, nothing],
  deviation: [5, nothing],
  dot: [6, nothing],
  "count-over": [7, struct({ threshold: struct({ threshold: i64 }) })],
  histogram: [8, nothing],
  range: [9, nothing],
});
/** What is computed. */
export type ComputeFunction = Decoded<typeof computeFunction>;

const computeJob = struct({
  version: u8,
  key: digest,
  function: computeFunction,
  inputs: list(struct({ topic, from_ms: u64, to_ms: u64 })),
});
const evaluation = struct({
  version: u8,
  evaluator: u16,
  job: computeJob,
  height: u64,
  inputs: list(struct({ packages: u64, root: digest, readings: u64 })),
  requester: client,
  request: digest,
  gateway: client,
  result: digest,
  time_ms: u64,
});
/** What the ledger holds of a computation. */
export type Evaluation = Decoded<typeof evaluation>;

const computed = struct({ evaluation, ciphertexts: list(blob) });
/** An evaluation with its encrypted result. */
export type Computed = Decoded<typeof computed>;

const change = struct({ at: moment, by: client, reason: text<string>() });
const computeKeyEntry = struct({
  key: computeKey,
  public_key: optional(blob),
  registered: moment,
  retired: optional(change),
});
/** What lies under `computeKeyKey`. */
export type ComputeKeyEntry = Decoded<typeof computeKeyEntry>;

const evaluationEntry = struct({ evaluation, at: moment });
/** What lies under `evaluationKey`. */
export type EvaluationEntry = Decoded<typeof evaluationEntry>;

/** State key of a compute key. */
export function computeKeyKey(id: Uint8Array): Uint8Array {
  return concat(utf8("e/key/"), id);
}

/** State key of an evaluation. */
export function evaluationKey(id: Uint8Array): Uint8Array {
  return concat(utf8("e/eval/"), id);
}

/** Reads a compute key's entry. Throws `cbor.*`. */
export function readComputeKeyEntry(bytes: Uint8Array): ComputeKeyEntry {
  return decode(computeKeyEntry, "compute key entry", bytes, ENTRY_MAX_BYTES);
}

/** Reads an evaluation's entry. Throws `cbor.*`. */
export function readEvaluationEntry(bytes: Uint8Array): EvaluationEntry {
  return decode(evaluationEntry, "evaluation entry", bytes, ENTRY_MAX_BYTES);
}

/** Reads a compute key. Throws `cbor.*`. */
export function readComputeKey(bytes: Uint8Array): ComputeKey {
  return decode(computeKey, "compute key", bytes, COMPUTE_KEY_MAX_BYTES);
}

/** Reads an evaluation. Throws `cbor.*`. */
export function readEvaluation(bytes: Uint8Array): Evaluation {
  return decode(evaluation, "evaluation", bytes, COMPUTE_KEY_MAX_BYTES);
}

/** Reads a result file, or what a standing job publishes. Throws `cbor.*`. */
export function readComputed(bytes: Uint8Array): Computed {
  return decode(computed, "result", bytes, COMPUTED_MAX_BYTES);
}

/** The bytes of a result file. */
export function computedBytes(value: Computed): Uint8Array {
  return encode(computed, value);
}

/** What a compute key is known by. */
export function computeKeyId(value: ComputeKey): Uint8Array {
  return sm3(utf8("sealwire compute key"), encode(computeKey, value));
}

/** What an evaluation is known by. */
export function evaluationId(value: Evaluation): Uint8Array {
  return sm3(utf8("sealwire evaluation"), encode(evaluation, value));
}

/** Digest of a result's ciphertexts. */
export function resultDigest(ciphertexts: readonly Uint8Array[]): Uint8Array {
  return sm3(utf8("sealwire result"), encode(list(blob), ciphertexts));
}
