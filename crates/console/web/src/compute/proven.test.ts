// @vitest-environment node
import { describe, expect, it, vi } from "vitest";

import { concat, fromHex, utf8 } from "../crypto/bytes";
import { toPem } from "../crypto/pem";
import { sm3 } from "../crypto/sm3";
import {
  computedBytes,
  computeKeyKey,
  type Evaluation,
  evaluationId,
  evaluationKey,
  readComputeKey,
  resultDigest,
} from "../envelope/compute";
import { entryBytes, Paper, stateOf } from "../testing/paper";
import { flipped, vectors } from "../testing/vectors";
import { answerText } from "./answer";
import { openProven } from "./proven";
import { SECRET_LABEL } from "./secret";

// Whole sweeps, some of them over big numbers: long on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const elgamal = vectors("compute/vectors/elgamal.json");
const paper = new Paper(4);
const trust = { genesis: paper.file() };
const secret = { pem: toPem(SECRET_LABEL, fromHex(elgamal.secret_file)) };
const ciphertexts: Uint8Array[] = elgamal.results.map(fromHex);
const moment = Uint8Array.of(0x82, 0x07, 0x19, 0x07, 0xd7);
const keyBytes = fromHex(elgamal.compute_key);
const keyId = fromHex(elgamal.compute_key_id);
const keyEntry = concat(Uint8Array.of(0x83), keyBytes, Uint8Array.of(0xf6), moment);
const evaluation: Evaluation = {
  version: 1,
  evaluator: 1,
  job: {
    version: 1,
    key: keyId,
    function: { kind: "variance", content: {} },
    inputs: [{ topic: "acme/line/0", from_ms: 0n, to_ms: 1n }],
  },
  height: 7n,
  inputs: [{ packages: 1n, root: sm3(), readings: 4n }],
  requester: "analyst.acme",
  request: sm3(utf8("request")),
  gateway: "gateway.acme",
  result: resultDigest(ciphertexts),
  time_ms: 1n,
};
/** The CBOR of an evaluation: what is between the head of `Computed` and its ciphertexts. */
function evaluationBytes(value: Evaluation): Uint8Array {
  return computedBytes({ evaluation: value, ciphertexts: [] }).slice(1, -1);
}
const evaluationEntry = (value: Evaluation) => concat(Uint8Array.of(0x82), evaluationBytes(value), moment);
const result = computedBytes({ evaluation, ciphertexts });
const proofs = {
  key: entryBytes(paper.entry(computeKeyKey(keyId), keyEntry)),
  evaluation: entryBytes(paper.entry(evaluationKey(evaluationId(evaluation)), evaluationEntry(evaluation))),
};
const refusal = (changed: Partial<typeof proofs>, bytes = result) =>
  openProven(secret, bytes, { ...proofs, ...changed }, trust).then(
    () => "opened",
    (error) => error.code,
  );

describe("a proven result", () => {
  it("opens", async () => {
    const opened = await openProven(secret, result, proofs, trust);
    expect(answerText(opened.answer)).toBe(elgamal.answer_text);
    expect([opened.height, opened.timeMs, opened.gateway]).toEqual([7n, 2007n, "gateway.acme"]);
    expect(readComputeKey(keyBytes).owner).toBe("owner.acme");
  });

  it("doesn't open where the ledger proves something else", async () => {
    expect(await refusal({ key: flipped(proofs.key, 60) })).toBe("open.proof");
    expect(await refusal({ key: proofs.evaluation })).toBe("open.entry");
    const elsewhere = entryBytes(paper.entry(computeKeyKey(sm3()), keyEntry));
    expect(await refusal({ key: elsewhere })).toBe("open.entry");
    const late = concat(keyEntry.subarray(0, -5), Uint8Array.of(0x82, 0x0b, 0x19, 0x07, 0xd7));
    expect(await refusal({ key: entryBytes(paper.entry(computeKeyKey(keyId), late)) })).toBe("open.entry");
    const { root, absence } = stateOf(utf8("something else"), utf8("value"));
    const absent = {
      version: 1,
      key: computeKeyKey(keyId),
      value: null,
      proof: absence,
      finality: paper.finalise(root),
    };
    expect(await refusal({ key: entryBytes(absent) })).toBe("open.absent");
    const other = { ...evaluation, height: 8n };
    const another = entryBytes(paper.entry(evaluationKey(evaluationId(other)), evaluationEntry(other)));
    expect(await refusal({ evaluation: another })).toBe("open.result");
    expect(await refusal({}, computedBytes({ evaluation, ciphertexts: ciphertexts.slice(1) }))).toBe(
      "open.digest",
    );
    expect(await refusal({}, result.subarray(1))).toMatch(/^cbor/);
  });
});
