// @vitest-environment node
import { describe, expect, it, vi } from "vitest";

import { concat, fromHex, hex, utf8 } from "../crypto/bytes";
import type { PublicKey } from "../crypto/curve";
import { sm3 } from "../crypto/sm3";
import { decode, encode } from "../envelope/cbor";
import { type CertificateEntry, certificateKey, couldSign } from "../envelope/entry";
import { sealMessage } from "../envelope/message";
import { packageKey, type Receipt, readReceipt, stateProof } from "../envelope/receipt";
import {
  anchorOf,
  entryBytes,
  keyOf,
  Paper,
  type PaperRecord,
  packageRecordBytes,
  paperRecords,
  plainPath,
  plainRoot,
  receiptBytes,
  recordBytes,
  stateOf,
} from "../testing/paper";
import { flipped, vectors } from "../testing/vectors";
import type { Trust } from "./entry";
import { leaf, root, verifyPath } from "./merkle";
import type { StepName } from "./report";
import { verifyAbsence, verifyInclusion } from "./state";
import { receiptSpans, verifyEntry, verifyReceipt } from "./verify";

// Whole sweeps, some of them over big numbers: long on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const vector = vectors("receipt/vectors/receipt.json");
const genesis = utf8(JSON.stringify(vector.genesis));
const receipt = fromHex(vector.receipt);
const trust: Trust = { genesis };

describe("Merkle paths", () => {
  it("are accepted for every leaf of every size up to 40, and refused when anything differs", () => {
    for (let size = 1; size <= 40; size++) {
      const leaves = Array.from({ length: size }, (_, i) => leaf(utf8(`leaf ${i}`)));
      const expected = plainRoot(leaves);
      expect(hex(root(leaves))).toBe(hex(expected));
      leaves.forEach((one, i) => {
        const path = plainPath(leaves, i);
        const climb = verifyPath(expected, one, BigInt(i), BigInt(size), path);
        expect(climb.length).toBe(path.length);
        const refused = (...args: [Uint8Array, Uint8Array, bigint, bigint, Uint8Array[]]) =>
          expect(() => verifyPath(...args)).toThrow();
        refused(expected, leaf(utf8("other")), BigInt(i), BigInt(size), path);
        refused(expected, one, BigInt(i), BigInt(size), [...path, one]);
        if (path.length > 0) refused(expected, one, BigInt(i), BigInt(size), path.slice(1));
        if (size > 1) refused(expected, one, BigInt((i + 1) % size), BigInt(size), path);
        refused(expected, one, BigInt(size), BigInt(size), path);
      });
    }
    expect(() => verifyPath(sm3(), sm3(), 0n, 1n << 60n, [])).toThrow("more than a package may have");
    expect(hex(root([]))).toBe(hex(sm3()));
  });
});

describe("state proofs of the real store", () => {
  const states = vectors("receipt/vectors/state.json") as {
    key: string;
    proof: string;
    root: string;
    value: string | null;
    what: string;
  }[];
  const check = (stateRoot: Uint8Array, key: Uint8Array, value: Uint8Array | null, proof: Uint8Array) => {
    const read = decode(stateProof, "state proof", proof, 1 << 20);
    if (read.kind === "inclusion" && value) verifyInclusion(stateRoot, key, value, read.content.proof);
    else if (read.kind === "exclusion" && !value) verifyAbsence(stateRoot, key, read.content.proof);
    else throw new Error("contradiction");
  };

  it("hold", () => {
    expect(states.length).toBeGreaterThan(30);
    for (const { key, proof, root: stateRoot, value } of states) {
      check(fromHex(stateRoot), fromHex(key), value === null ? null : fromHex(value), fromHex(proof));
    }
  });

  it("don't hold with any byte flipped, under another root, for another key or value", {
    timeout: 120_000,
  }, () => {
    for (const { key, proof, root: stateRoot, value, what } of states) {
      const parts = [
        fromHex(stateRoot),
        fromHex(key),
        value === null ? null : fromHex(value),
        fromHex(proof),
      ] as const;
      for (let i = 0; i < parts[3].length; i++) {
        expect(
          () => check(parts[0], parts[1], parts[2], flipped(parts[3], i)),
          `${what}, byte ${i}`,
        ).toThrow();
      }
      expect(() => check(flipped(parts[0], 0), parts[1], parts[2], parts[3]), what).toThrow();
      if (parts[2]) {
        expect(() => check(parts[0], flipped(parts[1], 0), parts[2], parts[3]), what).toThrow();
        expect(
          () => check(parts[0], parts[1], concat(parts[2] as Uint8Array, utf8("x")), parts[3]),
          what,
        ).toThrow();
      }
    }
  });
});

describe("a receipt that Rust wrote", () => {
  it("holds, step by step, and says what is known", () => {
    const report = verifyReceipt(receipt, trust);
    expect(report.steps.map(({ name, ok, detail }) => [name, ok, detail])).toMatchSnapshot();
    expect(report.holds).toBe(true);
    expect(report.result?.record.sender).toBe("org001.pump");
    const { chain } = report.result?.entry ?? {};
    expect(verifyReceipt(receipt, { genesis, pinned: chain?.toUpperCase() as string }).holds).toBe(true);
  });

  it("shows the bytes that each step worked on", () => {
    const shown = Object.fromEntries(
      verifyReceipt(receipt, trust).steps.map((step) => [step.name, step.shown]),
    );
    const labels = (name: StepName) => shown[name]?.map(({ label }) => label);
    expect(labels("genesis")).toEqual(["chain", "validators", ...Array(4).fill("validator")]);
    expect(labels("certificate")).toEqual(["block", "vote", "signature", "signature", "signature"]);
    expect(labels("path")?.filter((label) => label === "node").length).toBe(readReceipt(receipt).path.length);
    expect(shown.path?.at(-1)?.hex).toBe(shown.path?.at(-2)?.hex);
  });

  it("fails with any single byte flipped, and never stops otherwise", () => {
    const failing = new Map<string, number>();
    for (let i = 0; i < receipt.length; i++) {
      for (const mask of [1, 0x80]) {
        const report = verifyReceipt(flipped(receipt, i, mask), trust);
        expect(report.holds, `byte ${i}`).toBe(false);
        expect(report.result).toBeNull();
        expect(report.failed?.code, `byte ${i}: ${report.failed?.detail}`).not.toBe("internal");
        const name = report.failed?.name as string;
        failing.set(name, (failing.get(name) ?? 0) + 1);
      }
    }
    // Flips show at every step that reads bytes of the receipt.
    expect([...failing.keys()].sort()).toEqual(["certificate", "format", "headers", "path", "state"]);
  });

  it("fails when cut anywhere or with more behind it", () => {
    for (let length = 0; length < receipt.length; length++) {
      expect(verifyReceipt(receipt.subarray(0, length), trust).failed?.name).toBe("format");
    }
    expect(verifyReceipt(concat(receipt, utf8("x")), trust).failed?.code).toBe("cbor.trailing");
  });

  it("fails under another genesis or another pin", () => {
    const renamed = utf8(JSON.stringify({ ...vector.genesis, name: "other" }));
    expect(verifyReceipt(receipt, { genesis: renamed }).failed?.code).toBe("finality.chain");
    const pinned = verifyReceipt(receipt, { genesis, pinned: "00".repeat(32) });
    expect(pinned.failed?.code).toBe("genesis.pinned");
    expect(pinned.steps.map(({ status }) => status)).toEqual([
      "held",
      "failed",
      ...Array(6).fill("not-reached"),
    ]);
    expect(verifyReceipt(receipt, { genesis, pinned: "abc" }).failed?.code).toBe("genesis.pin");
    expect(verifyReceipt(receipt, { genesis: utf8("{}") }).failed?.name).toBe("genesis");
  });

  it("says where its fields lie", () => {
    const spans = receiptSpans(receipt);
    const at = (path: string) => spans.find((span) => span.path === path);
    const record = at("record");
    expect(hex(receipt.subarray(record?.start, record?.end))).toContain(hex(readReceipt(receipt).record));
    expect(at("anchor.finality.finality.signatures.0")).toBeDefined();
    expect(at("anchor.finality.headers.0.state_root")).toBeDefined();
    expect(Math.max(...spans.map((span) => span.end))).toBe(receipt.length);
  });
});

describe("a receipt made on paper", () => {
  const paper = new Paper(4);
  const own: Trust = { genesis: paper.file() };
  type Fixed = Uint8Array | bigint | string | number | null | PublicKey;
  type Mutable<T> = { -readonly [K in keyof T]: T[K] extends Fixed ? T[K] : Mutable<T[K]> };
  const made = () => structuredCloneReceipt(paper.receipt(paperRecords(37), 5, 2));
  /** A copy whose parts can be changed. */
  function structuredCloneReceipt(of: Receipt): Mutable<Receipt> {
    const copy = (value: unknown): unknown => {
      if (value instanceof Uint8Array) return value.slice();
      if (Array.isArray(value)) return value.map(copy);
      const plain =
        typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
      if (!plain || "point" in (value as object)) return value;
      return Object.fromEntries(Object.entries(value as object).map(([name, part]) => [name, copy(part)]));
    };
    return copy(of) as Mutable<Receipt>;
  }
  const failing = (change: (receipt: Mutable<Receipt>) => void) => {
    const receipt = made();
    change(receipt);
    return verifyReceipt(receiptBytes(receipt as Receipt), own).failed;
  };
  const flip = (bytes: Uint8Array | undefined, at = 0) => {
    if (bytes) bytes[at] = (bytes[at] as number) ^ 1;
  };

  it("holds, and fails at the step whose part was changed", () => {
    expect(verifyReceipt(receiptBytes(made() as Receipt), own).holds).toBe(true);
    const changes: [string, StepName, (receipt: Mutable<Receipt>) => void][] = [
      ["version", "format", (r) => (r.version = 2)],
      ["entry version", "format", (r) => (r.anchor.version = 0)],
      ["record byte", "path", (r) => flip(r.record, 9)],
      ["record cut", "path", (r) => (r.record = r.record.slice(0, 9))],
      ["index", "path", (r) => (r.index += 1n)],
      ["index beyond", "path", (r) => (r.index = 1n << 40n)],
      ["path", "path", (r) => flip(r.path[0])],
      ["path cut", "path", (r) => r.path.splice(2)],
      ["path longer", "path", (r) => r.path.push(sm3())],
      ["key", "state", (r) => flip(r.anchor.key, 7)],
      ["value", "state", (r) => flip(r.anchor.value as Uint8Array, 40)],
      ["no value", "state", (r) => (r.anchor.value = null)],
      ["state root", "headers", (r) => flip(r.anchor.finality.headers[0]?.state_root)],
      ["time", "headers", (r) => ((r.anchor.finality.headers[0] as { time_ms: bigint }).time_ms += 1n)],
      ["chain", "headers", (r) => flip(r.anchor.finality.headers[0]?.chain)],
      [
        "header version",
        "headers",
        (r) => ((r.anchor.finality.headers[0] as { version: number }).version = 2),
      ],
      ["validators", "headers", (r) => flip(r.anchor.finality.headers[0]?.validators)],
      ["no headers", "headers", (r) => r.anchor.finality.headers.splice(0)],
      ["a header left out", "headers", (r) => r.anchor.finality.headers.splice(1, 1)],
      ["headers swapped", "headers", (r) => r.anchor.finality.headers.reverse()],
      ["certified header left out", "certificate", (r) => r.anchor.finality.headers.pop()],
      ["a signature", "certificate", (r) => flip(r.anchor.finality.finality.signatures[1], 9)],
      ["a signature less", "certificate", (r) => r.anchor.finality.finality.signatures.pop()],
      ["signatures swapped", "certificate", (r) => r.anchor.finality.finality.signatures.reverse()],
      ["a signer more", "certificate", (r) => (r.anchor.finality.finality.signers = Uint8Array.of(15))],
      [
        "a signer that isn't",
        "certificate",
        (r) => (r.anchor.finality.finality.signers = Uint8Array.of(0x16)),
      ],
      ["a longer bitmap", "certificate", (r) => (r.anchor.finality.finality.signers = Uint8Array.of(7, 0))],
      ["view", "certificate", (r) => (r.anchor.finality.finality.view += 1n)],
      ["epoch", "certificate", (r) => (r.anchor.finality.finality.epoch += 1n)],
      ["parent view", "certificate", (r) => (r.anchor.finality.finality.parent_view += 1n)],
    ];
    for (const [what, name, change] of changes) {
      const failed = failing(change);
      expect(failed?.name, `${what}: ${failed?.detail}`).toBe(name);
      expect(failed?.code, what).not.toBe("internal");
    }
  });

  it("needs more than two thirds of the validators", () => {
    for (const organisations of [1, 2, 3, 4, 5, 6, 7, 9, 10, 13]) {
      const some = new Paper(organisations);
      const receipt = some.receipt(paperRecords(3), 1);
      const genesisFile = { genesis: some.file() };
      expect(verifyReceipt(receiptBytes(receipt), genesisFile).holds).toBe(true);
      const [header] = receipt.anchor.finality.headers;
      const quorum = receipt.anchor.finality.finality.signatures.length;
      expect(quorum * 3).toBeGreaterThan(organisations * 2);
      const fewer = some.certify(
        header as never,
        Array.from({ length: quorum - 1 }, (_, i) => i),
      );
      const anchor = { ...receipt.anchor, finality: { ...receipt.anchor.finality, finality: fewer } };
      const report = verifyReceipt(receiptBytes({ ...receipt, anchor }), genesisFile);
      expect(report.failed?.code).toBe("finality.quorum");
    }
  });

  it("must be the anchor of its key", () => {
    const records = paperRecords(3);
    const anchor = anchorOf(records, records.map(recordBytes));
    const good = paper.receipt(records, 1);
    const proving = (key: Uint8Array, value: Uint8Array) =>
      receiptBytes({ ...good, anchor: paper.entry(key, value) });
    const code = (bytes: Uint8Array) => verifyReceipt(bytes, own).failed?.code;
    expect(code(proving(packageKey(sm3(utf8("other"))), packageRecordBytes(anchor)))).toBe("anchor.key");
    expect(code(proving(packageKey(anchor.package), packageRecordBytes(anchor, 11n)))).toBe("anchor.height");
    expect(code(proving(packageKey(anchor.package), Uint8Array.of(0x83)))).toBe("anchor.malformed");
    const other = stateOf(utf8("another key"), utf8("value"));
    const absent = {
      ...good.anchor,
      value: null,
      proof: other.absence,
      finality: paper.finalise(other.root),
    };
    expect(code(receiptBytes({ ...good, anchor: absent }))).toBe("anchor.absent");
    const both = { ...good.anchor, proof: other.absence, finality: paper.finalise(other.root) };
    expect(code(receiptBytes({ ...good, anchor: both }))).toBe("state.contradiction");
  });

  it("is refused if the gateway packed the record wrongly", () => {
    const changed = (change: Partial<PaperRecord>) => {
      const [record] = paperRecords(1);
      const bad = { ...(record as PaperRecord), ...change };
      const span = { from_ms: 1_500n, to_ms: 1_500n };
      return verifyReceipt(receiptBytes(paper.receipt([bad], 0, 0, span)), own).failed?.code;
    };
    expect(changed({})).toBeUndefined();
    expect(changed({ topic: "org001/pump/other" })).toBe("record.topic");
    expect(changed({ sender: "org001.other" })).toBe("record.sender");
    expect(changed({ received_ms: 1n })).toBe("record.time");
    const [record] = paperRecords(1);
    const longer = concat(recordBytes(record as PaperRecord), Uint8Array.of(0));
    const anchor = { ...anchorOf([record as PaperRecord], [longer]) };
    const entry = paper.entry(packageKey(anchor.package), packageRecordBytes(anchor));
    const bytes = receiptBytes({ version: 1, record: longer, index: 0n, path: [], anchor: entry });
    expect(verifyReceipt(bytes, own).failed?.code).toBe("record.malformed");
  });

  it("survives noise", () => {
    let state = sm3(utf8("noise"));
    for (let i = 0; i < 500; i++) {
      state = sm3(state);
      const noise = concat(...Array.from({ length: 1 + (i % 7) }, (_, k) => sm3(state, Uint8Array.of(k))));
      expect(verifyReceipt(noise.subarray(0, (i * 7) % noise.length), own).failed?.name).toBe("format");
    }
  });
});

describe("proven entries", () => {
  const paper = new Paper(4);
  const own: Trust = { genesis: paper.file() };

  it("are verified, present and absent", () => {
    const present = verifyEntry(entryBytes(paper.entry(utf8("t/topic/x"), utf8("value"), 3)), own);
    expect(present.holds).toBe(true);
    expect(hex(present.result?.value as Uint8Array)).toBe(hex(utf8("value")));
    const absence = verifyEntry(fromHex(vector.absence), trust);
    expect(absence.holds, absence.failed?.detail).toBe(true);
    expect(absence.result?.value).toBeNull();
  });

  it("fail with any byte flipped", () => {
    const bytes = fromHex(vector.absence);
    for (let i = 0; i < bytes.length; i++)
      expect(verifyEntry(flipped(bytes, i), trust).holds, `byte ${i}`).toBe(false);
  });

  it("prove who signed a message", () => {
    const device = keyOf("device");
    const topicKey = new Uint8Array(16).fill(9);
    const header = { epoch: 0, sender: "org001.pump", sequence: 5n };
    const payload = sealMessage("org001/pump/pressure", header, topicKey, device, utf8("[]"));
    const receiptOf = (content: Uint8Array) =>
      receiptBytes(
        paper.receipt(
          paperRecords(2, () => content),
          1,
        ),
      );
    const certificate = (client: string, key: Uint8Array, der = utf8("a certificate")) =>
      entryBytes(paper.entry(certificateKey(sm3(utf8("a certificate"))), certificateValue(client, key, der)));
    const good = certificate("org001.pump", device.publicKey.bytes);
    const report = verifyReceipt(receiptOf(payload), own, { topicKey, certificate: good });
    expect(report.holds, report.failed?.detail).toBe(true);
    expect(report.result?.message?.sequence).toBe(5n);
    const code = (keys: { topicKey: Uint8Array; certificate: Uint8Array }, content = payload) => {
      const { failed } = verifyReceipt(receiptOf(content), own, keys);
      expect(failed?.name).toBe("message");
      return failed?.code;
    };
    expect(code({ topicKey: flipped(topicKey, 3), certificate: good })).toBe("message.refused");
    expect(code({ topicKey, certificate: good }, utf8("plain"))).toBe("message.refused");
    expect(code({ topicKey, certificate: flipped(good, 50) })).toBe("message.certificate");
    expect(code({ topicKey, certificate: certificate("org001.other", device.publicKey.bytes) })).toBe(
      "message.certificate",
    );
    expect(
      code({ topicKey, certificate: certificate("org001.pump", device.publicKey.bytes, utf8("other")) }),
    ).toBe("message.certificate");
    const impostor = certificate("org001.pump", keyOf("impostor").publicKey.bytes);
    expect(code({ topicKey, certificate: impostor })).toBe("message.refused");
  });
});

describe("a certificate counts for a message", () => {
  const at = (time_ms: bigint) => ({ height: 1n, time_ms });
  const ended = (time_ms: bigint, by: string) => ({ at: at(time_ms), by, reason: "" });
  const entry = (revoked: ReturnType<typeof ended> | null): CertificateEntry => ({
    client: "acme.press-7",
    role: "device",
    not_before_s: 0n,
    not_after_s: 100n * 3600n,
    public_key: new Uint8Array(),
    der: new Uint8Array(),
    registered: at(10n * 3_600_000n),
    revoked,
    suspensions: [],
  });

  it("of its own time", () => {
    const hour = 3_600_000n;
    const renewed = entry(ended(20n * hour, "acme.press-7"));
    const revoked = entry(ended(20n * hour, "acme.operator"));
    for (const [received, byRenewed, byRevoked, byLive] of [
      [9n * hour, false, false, false],
      [10n * hour - 600_000n, true, true, true],
      [20n * hour, true, true, true],
      [20n * hour + 1n, true, false, true],
      [20n * hour + 600_001n, false, false, true],
      [100n * hour, false, false, true],
      [100n * hour + 1n, false, false, false],
    ] as const) {
      expect(
        [renewed, revoked, entry(null)].map((one) => couldSign(one, received)),
        String(received),
      ).toEqual([byRenewed, byRevoked, byLive]);
    }
  });
});

/** A live certificate's entry. */
function certificateValue(client: string, key: Uint8Array, der: Uint8Array): Uint8Array {
  const moment = Uint8Array.of(0x82, 0x01, 0x02);
  const blob = (bytes: Uint8Array) => concat(Uint8Array.of(0x58, bytes.length), bytes);
  const name = concat(Uint8Array.of(0x60 | client.length), utf8(client));
  return concat(
    Uint8Array.of(0x89),
    name,
    Uint8Array.of(3, 0, 0x19, 0x10, 0x00),
    blob(key),
    der.length < 24 ? concat(Uint8Array.of(0x40 | der.length), der) : blob(der),
    moment,
    Uint8Array.of(0xf6, 0x80),
  );
}

it("encodes a state proof as it was read", () => {
  const [first] = vectors("receipt/vectors/state.json");
  const read = decode(stateProof, "state proof", fromHex(first.proof), 1 << 20);
  expect(hex(encode(stateProof, read))).toBe(first.proof);
});
