// Result receipts: a result of computing, the ledger's evaluation of it, and every package that it is over.
//
//   ResultReceipt = [version: 1, ciphertexts: [* bstr], evaluation: ProvenEntry, inputs: [+ [* ProvenEntry]]]
//
// What holds then: the ledger holds the evaluation (who asked what of which gateway, over which packages,
// with which result), these ciphertexts are that result, and each of the packages was anchored by that
// gateway in time. What no proof of single entries can show: that no package was left out, and that the
// result is what the function gives. Whoever has the packages evaluates again.

import { compare, equal, hex } from "../crypto/bytes";
import { Refusal, refuse } from "../crypto/refusal";
import { blob, type Decoded, decode, list, struct, u8 } from "../envelope/cbor";
import {
  type Evaluation,
  evaluationId,
  evaluationKey,
  readEvaluationEntry,
  resultDigest,
} from "../envelope/compute";
import { type Anchor, type ProvenEntry, provenEntry } from "../envelope/receipt";
import {
  checkVersion,
  entrySteps,
  proveEntry,
  readAnchor,
  reading,
  type Trust,
  type VerifiedEntry,
} from "./entry";
import type { Validators } from "./finality";
import { leaf, root } from "./merkle";
import { type Held, type Report, report, type Show, type StepName } from "./report";
import { FAILED_TEXTS } from "./texts";

/** Longest result receipt that is read, in bytes: what a page can bear, a quarter of what the program reads. */
const RESULT_RECEIPT_MAX_BYTES = 64 * 1024 * 1024;
const STEPS: readonly StepName[] = [
  "format",
  "genesis",
  "headers",
  "certificate",
  "state",
  "evaluation",
  "result",
  "inputs",
];

/** `ResultReceipt` in CBOR. */
export const resultReceipt = struct({
  version: u8,
  ciphertexts: list(blob),
  evaluation: provenEntry,
  inputs: list(list(provenEntry)),
});
/** A result with the ledger's proofs of it. */
export type ResultReceipt = Decoded<typeof resultReceipt>;

/** A result receipt that holds. */
export interface VerifiedResult {
  /** The evaluation's id, hexadecimal. */
  readonly id: string;
  readonly evaluation: Evaluation;
  /** Height and time (ms since 1970) of the block that holds it. */
  readonly recordedHeight: bigint;
  readonly recordedMs: bigint;
  /** Ids of the packages of each input, in order. */
  readonly packages: readonly (readonly string[])[];
  readonly entry: VerifiedEntry;
}

/** Verifies a result receipt. Never throws. */
export function verifyResult(bytes: Uint8Array, trust: Trust): Report<VerifiedResult> {
  return report(STEPS, (trail) => {
    const receipt = trail.step("format", () => {
      const value = decode(resultReceipt, "result receipt", bytes, RESULT_RECEIPT_MAX_BYTES);
      checkVersion(value.version);
      checkVersion(value.evaluation.version);
      return { code: "held.format", values: { version: value.version, bytes: bytes.length }, value };
    });
    const { validators, verified } = entrySteps(trail, receipt.evaluation, trust);
    const { evaluation, at } = trail.step("evaluation", (show) => evaluationStep(verified, show));
    trail.step("result", (show) => resultStep(receipt.ciphertexts, evaluation, show));
    const packages = trail.step("inputs", (show) => inputsStep(receipt, evaluation, validators, show));
    const id = hex(evaluationId(evaluation));
    return { id, evaluation, recordedHeight: at.height, recordedMs: at.time_ms, packages, entry: verified };
  });
}

function evaluationStep({ key, value: bytes, height }: VerifiedEntry, show: Show) {
  if (bytes === null) throw refuse(FAILED_TEXTS, "evaluation.absent");
  const value = reading("evaluation.malformed", () => readEvaluationEntry(bytes));
  const id = evaluationId(value.evaluation);
  show("evaluation", id);
  if (!equal(key, evaluationKey(id))) throw refuse(FAILED_TEXTS, "evaluation.key");
  if (value.at.height > height) throw refuse(FAILED_TEXTS, "evaluation.height");
  const { requester, gateway, job } = value.evaluation;
  const values = {
    evaluation: hex(id),
    function: job.function.kind,
    requester,
    gateway,
    height: value.at.height,
  };
  return { code: "held.evaluation" as const, values, value };
}

function resultStep(ciphertexts: readonly Uint8Array[], evaluation: Evaluation, show: Show): Held<null> {
  const found = resultDigest(ciphertexts);
  show("result", found);
  if (!equal(found, evaluation.result)) {
    throw refuse(FAILED_TEXTS, "result.digest", { found: hex(found), expected: hex(evaluation.result) });
  }
  return { code: "held.result", values: { count: ciphertexts.length, digest: hex(found) }, value: null };
}

function inputsStep({ inputs }: ResultReceipt, evaluation: Evaluation, validators: Validators, show: Show) {
  const expected = evaluation.inputs.length;
  if (inputs.length !== expected || evaluation.job.inputs.length !== expected) {
    throw refuse(FAILED_TEXTS, "inputs.count", { found: inputs.length, expected });
  }
  const value = inputs.map((proofs, place) => {
    const packages = inputPackages(proofs, place, evaluation, validators);
    for (const id of packages) show("package", id, evaluation.job.inputs[place]?.topic);
    return packages.map(hex);
  });
  const values = { inputs: expected, packages: value.flat().length, gateway: evaluation.gateway };
  return { code: "held.inputs" as const, values, value };
}

/** The packages of an input, if they are those that the evaluation is over. Throws `inputs.*`. */
function inputPackages(
  proofs: readonly ProvenEntry[],
  place: number,
  evaluation: Evaluation,
  validators: Validators,
): Uint8Array[] {
  const { topic } = evaluation.job.inputs[place] as Evaluation["job"]["inputs"][number];
  const anchors: Anchor[] = [];
  for (const [index, proof] of proofs.entries()) {
    const { anchor, at } = provenAnchor(proof, validators, topic, index + 1);
    checkTaken(anchor, at.height, evaluation, place);
    const last = anchors.at(-1);
    const inOrder = !last || compareAnchors(last, anchor) < 0;
    if (!inOrder) throw refuse(FAILED_TEXTS, "inputs.order", { package: hex(anchor.package) });
    anchors.push(anchor);
  }
  const packages = anchors.map((anchor) => anchor.package);
  const expected = evaluation.inputs[place] as Evaluation["inputs"][number];
  const found = root(packages.map(leaf));
  if (BigInt(packages.length) !== expected.packages || !equal(found, expected.root)) {
    const roots = { root: hex(found), expected_root: hex(expected.root) };
    const numbers = { found: packages.length, expected: expected.packages };
    throw refuse(FAILED_TEXTS, "inputs.root", { topic, ...numbers, ...roots });
  }
  return packages;
}

function provenAnchor(proof: ProvenEntry, validators: Validators, topic: string, place: number) {
  try {
    return readAnchor(proveEntry(validators, proof));
  } catch (error) {
    if (error instanceof Refusal) {
      throw refuse(FAILED_TEXTS, "inputs.package", { place, topic, detail: error.message });
    }
    throw error;
  }
}

/** By the time of the first message, then by id. */
function compareAnchors(a: Anchor, b: Anchor): number {
  if (a.from_ms !== b.from_ms) return a.from_ms < b.from_ms ? -1 : 1;
  return compare(a.package, b.package);
}

/** Checks that an input takes a package: of its topic and time, anchored in time by the evaluation's gateway. */
function checkTaken(anchor: Anchor, anchored: bigint, evaluation: Evaluation, place: number): void {
  const { topic, from_ms, to_ms } = evaluation.job.inputs[place] as Evaluation["job"]["inputs"][number];
  const { gateway, height } = evaluation;
  const id = { package: hex(anchor.package) };
  if (anchor.topic !== topic) {
    throw refuse(FAILED_TEXTS, "inputs.topic", { ...id, found: anchor.topic, expected: topic });
  }
  if (anchor.gateway !== gateway) {
    throw refuse(FAILED_TEXTS, "inputs.gateway", { ...id, found: anchor.gateway, expected: gateway });
  }
  if (anchored > height) throw refuse(FAILED_TEXTS, "inputs.height", { ...id, found: anchored, height });
  if (anchor.to_ms < from_ms || to_ms <= anchor.from_ms) {
    throw refuse(FAILED_TEXTS, "inputs.time", { ...id, from_ms: anchor.from_ms, to_ms: anchor.to_ms });
  }
}
