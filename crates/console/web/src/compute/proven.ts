// Opening what the ledger proves: key and evaluation come as proven entries, so that neither the console
// nor a node can put others in their place.

import { equal } from "../crypto/bytes";
import { Refusal, refuse } from "../crypto/refusal";
import {
  computeKeyId,
  computeKeyKey,
  evaluationId,
  evaluationKey,
  readComputed,
  readComputeKeyEntry,
  readEvaluationEntry,
} from "../envelope/compute";
import type { Trust } from "../verify/entry";
import { verifyEntry } from "../verify/verify";
import type { Answer } from "./answer";
import { open } from "./open";
import { readSecret } from "./secret";
import { OPEN_TEXTS } from "./texts";

/** The owner's secret file. */
export interface SecretText {
  readonly pem: string;
  readonly passphrase?: string;
}

/** CBOR of `ProvenEntry` of the compute key (`e/key/…`) and of the evaluation (`e/eval/…`). */
export interface ResultProofs {
  readonly key: Uint8Array;
  readonly evaluation: Uint8Array;
}

/** An opened result, and when the ledger recorded its evaluation. */
export interface OpenedResult {
  readonly answer: Answer;
  /** Height and time (ms since 1970) of the block that holds the evaluation. */
  readonly height: bigint;
  readonly timeMs: bigint;
  /** Who asked, and which gateway evaluated. */
  readonly requester: string;
  readonly gateway: string;
}

/** Opens a result file (`Computed`) whose key and evaluation the ledger proves. Refuses with `open.*`. */
export async function openProven(
  secret: SecretText,
  result: Uint8Array,
  proofs: ResultProofs,
  trust: Trust,
): Promise<OpenedResult> {
  const computed = readComputed(result);
  const record = proven("evaluation", proofs.evaluation, trust, readEvaluationEntry, (entry) => [
    evaluationKey(evaluationId(entry.evaluation)),
    entry.at.height,
  ]);
  const { key } = proven("compute key", proofs.key, trust, readComputeKeyEntry, (entry) => [
    computeKeyKey(computeKeyId(entry.key)),
    entry.registered.height,
  ]);
  const { evaluation, at } = record;
  if (!equal(evaluationId(evaluation), evaluationId(computed.evaluation)))
    throw refuse(OPEN_TEXTS, "open.result");
  const half = await readSecret(secret.pem, secret.passphrase);
  try {
    const answer = open(half, key, evaluation, computed.ciphertexts);
    const { requester, gateway } = evaluation;
    return { answer, height: at.height, timeMs: at.time_ms, requester, gateway };
  } finally {
    half.secret.fill(0);
  }
}

/** The value of a proven entry that lies under its own key, and was written by the block that proves it. */
function proven<T>(
  what: string,
  bytes: Uint8Array,
  trust: Trust,
  read: (value: Uint8Array) => T,
  placeOf: (value: T) => [key: Uint8Array, height: bigint],
): T {
  const { result, failed } = verifyEntry(bytes, trust);
  if (!result) {
    throw refuse(OPEN_TEXTS, "open.proof", { what, step: failed?.name ?? "", detail: failed?.detail ?? "" });
  }
  if (result.value === null) throw refuse(OPEN_TEXTS, "open.absent", { what });
  let value: T;
  try {
    value = read(result.value);
  } catch (error) {
    if (error instanceof Refusal) throw refuse(OPEN_TEXTS, "open.entry", { what, detail: error.message });
    throw error;
  }
  const [key, height] = placeOf(value);
  const wrong = (detail: string) => refuse(OPEN_TEXTS, "open.entry", { what, detail });
  if (!equal(result.key, key)) throw wrong("it lies under another's key");
  if (height > result.height) throw wrong("it was written after the block whose state holds it");
  return value;
}
