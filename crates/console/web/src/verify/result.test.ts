// @vitest-environment node
import { expect, it, vi } from "vitest";

import { compare, concat, hex, utf8 } from "../crypto/bytes";
import { sm3 } from "../crypto/sm3";
import { encode } from "../envelope/cbor";
import {
  computedBytes,
  type Evaluation,
  evaluationId,
  evaluationKey,
  resultDigest,
} from "../envelope/compute";
import { type Anchor, packageKey } from "../envelope/receipt";
import { anchorOf, Paper, packageRecordBytes, paperRecords, recordBytes } from "../testing/paper";
import { flipped } from "../testing/vectors";
import { leaf, root } from "./merkle";
import type { StepName } from "./report";
import { type ResultReceipt, resultReceipt, verifyResult } from "./result";

// Whole sweeps, some of them over big numbers: long on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const paper = new Paper(4);
const trust = { genesis: paper.file() };

/** What a consortium holds of one evaluation, and can be changed before it is proven. */
interface Story {
  packages: Anchor[];
  anchored: bigint;
  evaluation: Evaluation;
  recorded: number;
  ciphertexts: Uint8Array[];
}

function story(): Story {
  const records = paperRecords(3);
  const plain = anchorOf(records, records.map(recordBytes));
  const packages = [0, 1, 2].map((n) => ({
    ...plain,
    package: sm3(Uint8Array.of(n)),
    from_ms: 1_000n + 10n * BigInt(n),
    to_ms: 1_009n + 10n * BigInt(n),
    epoch: null,
  }));
  const ciphertexts = [new Uint8Array(66).fill(2)];
  const evaluation: Evaluation = {
    version: 1,
    evaluator: 1,
    job: {
      version: 1,
      key: sm3(),
      function: { kind: "sum", content: {} },
      inputs: [{ topic: plain.topic, from_ms: 1_000n, to_ms: 1_030n }],
    },
    height: 7n,
    inputs: [{ packages: 3n, root: root(packages.map((one) => leaf(one.package))), readings: 9n }],
    requester: "org002.analyst",
    request: sm3(utf8("request")),
    gateway: plain.gateway,
    result: resultDigest(ciphertexts),
    time_ms: 1n,
  };
  return { packages, anchored: 7n, evaluation, recorded: 9, ciphertexts };
}

function prove({ packages, anchored, evaluation, recorded, ciphertexts }: Story): ResultReceipt {
  const body = computedBytes({ evaluation, ciphertexts: [] }).slice(1, -1);
  const entry = concat(Uint8Array.of(0x82), body, Uint8Array.of(0x82, recorded, 0x19, 0x07, 0xd7));
  const proven = (anchor: Anchor) =>
    paper.entry(packageKey(anchor.package), packageRecordBytes(anchor, anchored));
  return {
    version: 1,
    ciphertexts,
    evaluation: paper.entry(evaluationKey(evaluationId(evaluation)), entry, 1),
    inputs: [packages.map(proven)],
  };
}

const bytesOf = (receipt: ResultReceipt) => encode(resultReceipt, receipt);
/** The code of the step that fails when the story is told with a change. */
function told(change: (story: Story) => void): string | undefined {
  const changed = story();
  change(changed);
  return verifyResult(bytesOf(prove(changed)), trust).failed?.code;
}
/** The code of the step that fails when the receipt is changed afterwards. */
function changed(change: (receipt: ResultReceipt) => ResultReceipt): string | undefined {
  return verifyResult(bytesOf(change(prove(story()))), trust).failed?.code;
}

it("holds, and says what is known", () => {
  const report = verifyResult(bytesOf(prove(story())), trust);
  expect(report.holds, report.failed?.detail).toBe(true);
  expect(report.result?.packages).toEqual([story().packages.map((one) => hex(one.package))]);
  expect([report.result?.recordedHeight, report.result?.evaluation.requester]).toEqual([
    9n,
    "org002.analyst",
  ]);
  expect(report.steps.map(({ name }) => name)).toEqual([
    "format",
    "genesis",
    "headers",
    "certificate",
    "state",
    "evaluation",
    "result",
    "inputs",
  ] satisfies StepName[]);
  expect(told((s) => Object.assign(s, none(s)))).toBeUndefined();
});

/** An evaluation over no package at all. */
function none({ evaluation }: Story): Partial<Story> {
  return {
    packages: [],
    evaluation: { ...evaluation, inputs: [{ packages: 0n, root: sm3(), readings: 0n }] },
  };
}

it("doesn't hold over other packages than the evaluation's", () => {
  expect(told((s) => s.packages.pop())).toBe("inputs.root");
  expect(told((s) => s.packages.reverse())).toBe("inputs.order");
  expect(told((s) => s.packages.push(s.packages[2] as Anchor))).toBe("inputs.order");
  const change = (part: Partial<Anchor>) => told((s) => Object.assign(s.packages[1] as Anchor, part));
  expect(change({ topic: "org001/pump/other" })).toBe("inputs.topic");
  expect(change({ gateway: "org002.gateway" })).toBe("inputs.gateway");
  expect(change({ from_ms: 1_030n, to_ms: 1_040n })).toBe("inputs.time");
  expect(change({ from_ms: 1n, to_ms: 999n })).toBe("inputs.time");
  expect(change({ package: sm3(utf8("another")) })).toBe("inputs.root");
  expect(told((s) => Object.assign(s, { anchored: 8n }))).toBe("inputs.height");
  // Packages of the same time are in the order of their ids.
  const together = (order: number) =>
    told((s) => {
      for (const one of s.packages) Object.assign(one, { from_ms: 1_000n });
      s.packages.sort((a, b) => order * compare(a.package, b.package));
      const input = { ...s.evaluation.inputs[0], root: root(s.packages.map((one) => leaf(one.package))) };
      Object.assign(s, { evaluation: { ...s.evaluation, inputs: [input] } });
    });
  expect([together(1), together(-1)]).toEqual([undefined, "inputs.order"]);
});

it("doesn't hold for another evaluation or other ciphertexts", () => {
  expect(told((s) => Object.assign(s, { recorded: 11 }))).toBe("evaluation.height");
  expect(told((s) => Object.assign(s, { ciphertexts: [] }))).toBe("result.digest");
  expect(changed((r) => ({ ...r, version: 2 }))).toBe("format.version");
  expect(changed((r) => ({ ...r, inputs: [] }))).toBe("inputs.count");
  expect(changed((r) => ({ ...r, evaluation: r.inputs[0]?.[0] as never }))).toBe("evaluation.malformed");
  expect(changed((r) => ({ ...r, inputs: [[r.evaluation]] }))).toBe("inputs.package");
  const elsewhere = paper.entry(evaluationKey(sm3()), prove(story()).evaluation.value as Uint8Array);
  expect(changed((r) => ({ ...r, evaluation: elsewhere }))).toBe("evaluation.key");
});

// Every byte of entries and certificates is flipped in the tests of receipts: here every third one.
it("doesn't hold with a byte flipped, or cut", () => {
  const bytes = bytesOf(prove(story()));
  for (let i = 0; i < bytes.length; i += 3) {
    const { holds, failed } = verifyResult(flipped(bytes, i), trust);
    expect(holds, `byte ${i}`).toBe(false);
    expect(failed?.code, `byte ${i}: ${failed?.detail}`).not.toBe("internal");
  }
  for (let length = 0; length < bytes.length; length += 7) {
    expect(verifyResult(bytes.subarray(0, length), trust).failed?.name).toBe("format");
  }
});
