// Opening: from a result's ciphertexts to an answer, in the owner's page.
//
// The owner knows compute key and evaluation from the ledger, proven, and has the ciphertexts from
// anywhere: their digest is in the evaluation. What comes out is held against what is possible for so
// many readings within the declared bounds.
//
// **Nothing of this may reach the gateway or a device**: no answer, no refusal, not even that opening
// failed. An oracle that says which changed ciphertexts open right gives the secret key away. A page that
// opens results must send nothing of it anywhere, its own server included.

import { equal, hex } from "../crypto/bytes";
import { Refusal, refuse } from "../crypto/refusal";
import { type ComputeKey, computeKeyId, type Evaluation, resultDigest } from "../envelope/compute";
import { type Answer, answerOf, counts, possible } from "./answer";
import { Ring } from "./bfv/ring";
import { checkBounds } from "./bound";
import { openCiphertext, readCiphertext, readScalar } from "./elgamal";
import { type Bfv, bfvOf, EVALUATOR, slots } from "./parameters";
import { type ComputeSecret, readTernary } from "./secret";
import { OPEN_TEXTS } from "./texts";

/** Opens a result with the whole key. Throws `open.*`. */
export function open(
  secret: ComputeSecret,
  key: ComputeKey,
  evaluation: Evaluation,
  ciphertexts: readonly Uint8Array[],
): Answer {
  check(key, evaluation, ciphertexts);
  if (!equal(secret.public, key.public) || secret.parameters !== key.parameters) {
    throw refuse(OPEN_TEXTS, "open.secret", { secret: hex(secret.public), public: hex(key.public) });
  }
  const numbers = bfvOf(key.parameters);
  const opened = numbers
    ? openBfv(secret, numbers, key, evaluation, ciphertexts)
    : openElGamal(secret, key, evaluation, ciphertexts);
  return answerOf(key, evaluation, opened);
}

/** Whether key, evaluation and ciphertexts belong together, and the evaluation is one that is done. */
function check(key: ComputeKey, evaluation: Evaluation, ciphertexts: readonly Uint8Array[]): void {
  const { job, inputs } = evaluation;
  const id = computeKeyId(key);
  if (!equal(job.key, id)) throw refuse(OPEN_TEXTS, "open.key", { evaluation: hex(job.key), key: hex(id) });
  if (evaluation.evaluator !== EVALUATOR) {
    throw refuse(OPEN_TEXTS, "open.evaluator", { found: evaluation.evaluator, known: EVALUATOR });
  }
  const found = resultDigest(ciphertexts);
  if (!equal(found, evaluation.result)) {
    throw refuse(OPEN_TEXTS, "open.digest", { found: hex(found), expected: hex(evaluation.result) });
  }
  if (inputs.length !== job.inputs.length) {
    throw wrongShape(evaluation, `${inputs.length} of ${job.inputs.length} inputs`);
  }
  // At least so many ciphertexts: how batches were filled only the evaluator knows.
  const each = slots(key.parameters);
  const loads = inputs.map(({ readings }) => ({ readings, ciphertexts: (readings + each - 1n) / each }));
  try {
    checkBounds(key, job.function, loads);
  } catch (error) {
    if (error instanceof Refusal) throw refuse(OPEN_TEXTS, "open.bound", { detail: error.message });
    throw error;
  }
}

function wrongShape(evaluation: Evaluation, detail: string): Refusal {
  return refuse(OPEN_TEXTS, "open.shape", { function: evaluation.job.function.kind, detail });
}

/** How many ciphertexts a result has; in BFV not for linear models, nor for counts bit by bit. */
function expectedCount(key: ComputeKey, evaluation: Evaluation): bigint {
  switch (evaluation.job.function.kind) {
    case "variance":
    case "deviation":
      return 2n;
    case "histogram":
    case "range":
      return BigInt(key.readings.edges.length + 1);
    case "linear":
      return counts(evaluation).rows;
    default:
      return 1n;
  }
}

function openElGamal(
  secret: ComputeSecret,
  key: ComputeKey,
  evaluation: Evaluation,
  ciphertexts: readonly Uint8Array[],
): bigint[] {
  const expected = expectedCount(key, evaluation);
  if (BigInt(ciphertexts.length) !== expected) {
    throw wrongShape(evaluation, `${ciphertexts.length} ciphertexts instead of ${expected}`);
  }
  const parsed = ciphertexts.map((bytes) => {
    const ciphertext = readCiphertext(bytes);
    const rule = "not an ElGamal ciphertext: need 66 bytes, two compressed points of the SM2 curve";
    if (!ciphertext) throw wrongShape(evaluation, rule);
    return ciphertext;
  });
  const scalar = readScalar(secret.secret);
  return parsed.map((ciphertext, i) => {
    const number = openCiphertext(scalar, ciphertext, possible(key, evaluation, i));
    if (number === null) throw refuse(OPEN_TEXTS, "open.unreadable", { index: i + 1 });
    return number;
  });
}

function openBfv(
  secret: ComputeSecret,
  numbers: Bfv,
  key: ComputeKey,
  evaluation: Evaluation,
  ciphertexts: readonly Uint8Array[],
): bigint[] {
  const ring = new Ring(numbers);
  const coefficients = readTernary(secret.secret, numbers.n);
  try {
    if (evaluation.job.function.kind === "linear")
      return openRows(coefficients, ring, evaluation, ciphertexts);
    return openTotals(coefficients, ring, key, evaluation, ciphertexts);
  } finally {
    coefficients.fill(0);
  }
}

function openTotals(
  secret: Int8Array,
  ring: Ring,
  key: ComputeKey,
  evaluation: Evaluation,
  ciphertexts: readonly Uint8Array[],
): bigint[] {
  const byBits = key.parameters === "bfv-bits-v1";
  const [found, expected] = [ciphertexts.length, expectedCount(key, evaluation)];
  if (BigInt(found) !== expected && !(byBits && found > 0)) {
    throw wrongShape(evaluation, `${found} totals instead of ${expected}`);
  }
  const totals = ciphertexts.map((bytes) => {
    const total = ring.readTotal(bytes);
    if (typeof total === "string") throw wrongShape(evaluation, total);
    return ring.openTotal(secret, total);
  });
  if (!byBits) return totals;
  // Counts are from 0 to t - 1, what opens is centred around 0.
  const { t } = ring.numbers;
  return [totals.reduce((sum, total) => sum + (((total % t) + t) % t), 0n)];
}

/** Groups of rows: their number, 4 bytes big-endian, and a ciphertext. */
function openRows(
  secret: Int8Array,
  ring: Ring,
  evaluation: Evaluation,
  ciphertexts: readonly Uint8Array[],
): bigint[] {
  const rows: bigint[] = [];
  for (const bytes of ciphertexts) {
    if (bytes.length < 4) throw wrongShape(evaluation, "a group of rows without their number");
    const count = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    if (count < 1 || count > ring.numbers.n) {
      throw wrongShape(evaluation, "a group of rows with a number that can't be");
    }
    const ciphertext = ring.readCiphertext(bytes.subarray(4));
    if (typeof ciphertext === "string") throw wrongShape(evaluation, ciphertext);
    for (const row of ring.open(secret, ciphertext).slice(0, count)) rows.push(row);
  }
  if (BigInt(rows.length) !== counts(evaluation).rows) {
    throw wrongShape(evaluation, "other rows than the inputs have readings");
  }
  return rows;
}
