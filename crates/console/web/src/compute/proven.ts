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
import { type Trust, verifyEntry } from "../verify/verify";
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
  const record = proven("evaluation", proofs.evaluation, trust, readEvaluationEntry, (entry) =>
    evaluationKey(evaluationId(entry.evaluation)),
  );
  const { key } = proven("compute key", proofs.key, trust, readComputeKeyEntry, (entry) =>
    computeKeyKey(computeKeyId(entry.key)),
  );
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

/** The value of a proven entry that lies under its own key. */
function proven<T>(
  what: string,
  bytes: Uint8Array,
  trust: Trust,
  read: (value: Uint8Array) => T,
  keyOf: (value: T) => Uint8Array,
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
  if (!equal(result.key, keyOf(value))) {
    throw refuse(OPEN_TEXTS, "open.entry", { what, detail: "it lies under another's key" });
  }
  return value;
}
