// Receipts and proven entries, step by step, from genesis alone.
//
// Trust flows from genesis to the record: the genesis file, whose chain id the user pinned, names the
// validators; their votes make a header final; the header's state root holds the entry; the entry of a
// package holds the root under which the record lies; and where the reader has the topic's key, the
// record's content is signed by its sender. Each step looks only at what the one before vouches for.

import { equal, fromHex, hex } from "../crypto/bytes";
import { publicKey } from "../crypto/curve";
import { Refusal, refuse } from "../crypto/refusal";
import { sm3 } from "../crypto/sm3";
import { type Header, headerDigest } from "../envelope/block";
import type { Span } from "../envelope/cbor";
import { certificateIdOf, couldSign, readCertificateEntry } from "../envelope/entry";
import { readGenesis } from "../envelope/genesis";
import { openMessage } from "../envelope/message";
import {
  type Anchor,
  type ArchivedRecord,
  keyDigest,
  type ProvenEntry,
  packageKey,
  provenEntryBytes,
  RECEIPT_VERSION,
  readArchivedRecord,
  readPackageRecord,
  readProvenEntries,
  readProvenEntry,
  readReceipt,
} from "../envelope/receipt";
import { checkCertificate, checkHeaders, type Validators, validatorsOf, voteOf } from "./finality";
import { leaf, verifyPath } from "./merkle";
import { type Held, type Report, report, type Show, STEPS, type StepName, type Trail } from "./report";
import { verifyAbsence, verifyInclusion } from "./state";
import { FAILED_TEXTS } from "./texts";

/** From what everything else is verified. */
export interface Trust {
  /** The genesis file, as it is. */
  readonly genesis: Uint8Array;
  /** The chain id that the user pinned, hexadecimal; without one the genesis file itself is trusted. */
  readonly pinned?: string;
}

/** What opens a message. */
export interface MessageKeys {
  /** The topic's key of the message's epoch, 16 bytes. */
  readonly topicKey: Uint8Array;
  /** CBOR of a `ProvenEntry` of the sender's certificate, under the same genesis. */
  readonly certificate: Uint8Array;
}

/** An entry of the state that was proved, present (`value`) or absent (null). */
export interface VerifiedEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
  readonly chain: string;
  /** Height, time (ms since 1970) and digest of the block whose state held it, or didn't. */
  readonly height: bigint;
  readonly timeMs: bigint;
  readonly block: string;
  /** Organisations whose validators signed. */
  readonly signers: readonly string[];
}

/** A receipt that holds. */
export interface VerifiedReceipt {
  readonly record: ArchivedRecord;
  /** SM3 of the record's bytes. */
  readonly digest: string;
  readonly index: bigint;
  readonly anchor: Anchor;
  /** Height and time (ms since 1970) at which the package was anchored. */
  readonly anchoredHeight: bigint;
  readonly anchoredMs: bigint;
  readonly entry: VerifiedEntry;
  /** The content, where keys were given. */
  readonly message: VerifiedMessage | null;
}

/** A record's content, signed by its sender. */
export interface VerifiedMessage {
  readonly sender: string;
  readonly sequence: bigint;
  readonly epoch: number;
  readonly contentType: string;
  readonly content: Uint8Array;
}

const ENTRY_STEPS: readonly StepName[] = ["format", "genesis", "headers", "certificate", "state"];
const RECEIPT_STEPS: readonly StepName[] = STEPS.filter((name) => name !== "message");

/** Verifies a receipt; with `keys` also that its content is signed by its sender. Never throws. */
export function verifyReceipt(
  receipt: Uint8Array,
  trust: Trust,
  keys?: MessageKeys,
): Report<VerifiedReceipt> {
  return report(keys ? STEPS : RECEIPT_STEPS, (trail) => {
    const read = trail.step("format", () => {
      const value = readReceipt(receipt);
      checkVersion(value.version);
      checkVersion(value.anchor.version);
      return { code: "held.format", values: { version: value.version, bytes: receipt.length }, value };
    });
    const entry = entrySteps(trail, read.anchor, trust);
    const { anchor, at } = trail.step("anchor", (show) => anchorStep(entry, show));
    trail.step("path", (show) => pathStep(read.record, read.index, read.path, anchor, show));
    const record = trail.step("record", (show) => recordStep(read.record, anchor, show));
    const message = keys ? trail.step("message", (show) => messageStep(record, trust, keys, show)) : null;
    return {
      record,
      digest: hex(sm3(read.record)),
      index: read.index,
      anchor,
      anchoredHeight: at.height,
      anchoredMs: at.time_ms,
      entry,
      message,
    };
  });
}

/** Verifies the CBOR of a `ProvenEntry`. Never throws. */
export function verifyEntry(bytes: Uint8Array, trust: Trust): Report<VerifiedEntry> {
  return report(ENTRY_STEPS, (trail) => {
    const read = trail.step("format", () => {
      const value = readProvenEntry(bytes);
      checkVersion(value.version);
      return { code: "held.format", values: { version: value.version, bytes: bytes.length }, value };
    });
    return entrySteps(trail, read, trust);
  });
}

/** Verifies what `/v1/proofs` answers, entry by entry. Never throws but for bytes that are no such list. */
export function verifyEntries(bytes: Uint8Array, trust: Trust): Report<VerifiedEntry>[] {
  return readProvenEntries(bytes).map((entry) => verifyEntry(provenEntryBytes(entry), trust));
}

/** Where each field of a receipt lies, outer fields after their parts. Throws `cbor.*`. */
export function receiptSpans(receipt: Uint8Array): Span[] {
  const spans: Span[] = [];
  readReceipt(receipt, spans);
  return spans;
}

function checkVersion(found: number): void {
  if (found !== RECEIPT_VERSION)
    throw refuse(FAILED_TEXTS, "format.version", { found, known: RECEIPT_VERSION });
}

/** The steps from genesis to the entry. */
function entrySteps(trail: Trail, entry: ProvenEntry, trust: Trust): VerifiedEntry {
  const validators = trail.step("genesis", (show) => genesisStep(trust, show));
  const { headers, finality } = entry.finality;
  const header = trail.step("headers", (show) => headersStep(validators, headers, show));
  const signers = trail.step("certificate", (show) => {
    const last = headers[headers.length - 1] as Header;
    show("block", headerDigest(last), String(last.height));
    show("vote", voteOf(validators.chain, finality));
    const votes = checkCertificate(validators, last, finality);
    for (const vote of votes) show("signature", vote.signature, vote.org);
    const value = votes.map(({ org }) => org);
    const { members, quorum } = validators;
    const values = { signers: value.join(", "), count: value.length, validators: members.length, quorum };
    return { code: "held.certificate", values, value };
  });
  trail.step("state", (show) => stateStep(entry, header, show));
  return {
    key: entry.key,
    value: entry.value,
    chain: hex(validators.chain),
    height: header.height,
    timeMs: header.time_ms,
    block: hex(headerDigest(header)),
    signers,
  };
}

function genesisStep({ genesis, pinned }: Trust, show: Show) {
  const validators = validatorsOf(readGenesis(genesis));
  const chain = hex(validators.chain);
  show("chain", validators.chain);
  show("validators", validators.digest);
  for (const { org, key } of validators.members) show("validator", key.bytes, org);
  if (pinned !== undefined && !/^[0-9a-fA-F]{64}$/.test(pinned)) throw refuse(FAILED_TEXTS, "genesis.pin");
  if (pinned !== undefined && !equal(fromHex(pinned), validators.chain)) {
    throw refuse(FAILED_TEXTS, "genesis.pinned", { found: chain, pinned: pinned.toLowerCase() });
  }
  const { members, quorum } = validators;
  return {
    code: "held.genesis" as const,
    values: { chain, validators: members.length, quorum },
    value: validators,
  };
}

function headersStep(validators: Validators, headers: readonly Header[], show: Show) {
  const first = headers[0];
  if (first) {
    show("block", headerDigest(first), String(first.height));
    show("parent", first.parent);
    show("state-root", first.state_root);
  }
  const value = checkHeaders(validators, headers);
  const above = headers.length - 1;
  const code = above === 0 ? ("held.headers" as const) : ("held.headers.linked" as const);
  return { code, values: { block: hex(headerDigest(value)), height: value.height, above }, value };
}

function stateStep({ key, value, proof }: ProvenEntry, header: Header, show: Show): Held<null> {
  const root = header.state_root;
  show("key", key);
  show("key-digest", keyDigest(key));
  if (value !== null) show("value", value);
  show("state-root", root);
  if (value !== null && proof.kind === "inclusion") {
    verifyInclusion(root, key, value, proof.content.proof);
    return { code: "held.state", values: { root: hex(root), bytes: value.length }, value: null };
  }
  if (value === null && proof.kind === "exclusion") {
    verifyAbsence(root, key, proof.content.proof);
    return { code: "held.state.absent", values: { root: hex(root) }, value: null };
  }
  throw refuse(FAILED_TEXTS, "state.contradiction");
}

function anchorStep(entry: VerifiedEntry, show: Show) {
  if (entry.value === null) throw refuse(FAILED_TEXTS, "anchor.absent");
  const value = reading("anchor.malformed", () => readPackageRecord(entry.value as Uint8Array));
  const { anchor, at } = value;
  show("package", anchor.package);
  show("package-root", anchor.root);
  if (!equal(entry.key, packageKey(anchor.package))) throw refuse(FAILED_TEXTS, "anchor.key");
  if (at.height > entry.height) throw refuse(FAILED_TEXTS, "anchor.height");
  const { topic, count, gateway } = anchor;
  const values = { package: hex(anchor.package), topic, count, gateway, height: at.height };
  return { code: "held.anchor" as const, values, value };
}

function pathStep(
  record: Uint8Array,
  index: bigint,
  path: readonly Uint8Array[],
  anchor: Anchor,
  show: Show,
) {
  const start = leaf(record);
  show("record", sm3(record));
  show("leaf", start);
  for (const { side, sibling, node } of verifyPath(anchor.root, start, index, anchor.count, path)) {
    show(`sibling-${side}`, sibling);
    show("node", node);
  }
  show("package-root", anchor.root);
  const values = { record: hex(sm3(record)), index, count: anchor.count, root: hex(anchor.root) };
  return { code: "held.path" as const, values, value: null };
}

function recordStep(bytes: Uint8Array, anchor: Anchor, show: Show) {
  show("record", bytes);
  const value = reading("record.malformed", () => readArchivedRecord(bytes));
  const { topic, sender, received_ms, payload } = value;
  if (topic !== anchor.topic)
    throw refuse(FAILED_TEXTS, "record.topic", { found: topic, expected: anchor.topic });
  if (!anchor.clients.includes(sender)) throw refuse(FAILED_TEXTS, "record.sender", { sender });
  if (received_ms < anchor.from_ms || received_ms > anchor.to_ms) {
    throw refuse(FAILED_TEXTS, "record.time", { received_ms });
  }
  show("payload", payload);
  const values = { sender, received_ms, payload_bytes: payload.length };
  return { code: "held.record" as const, values, value };
}

function messageStep(record: ArchivedRecord, trust: Trust, keys: MessageKeys, show: Show) {
  const { sender } = record;
  const wrong = (detail: string) => refuse(FAILED_TEXTS, "message.certificate", { sender, detail });
  const proof = verifyEntry(keys.certificate, trust);
  const entry = proof.result;
  if (!entry) throw wrong(proof.failed?.detail ?? "it doesn't hold");
  const id = certificateIdOf(entry.key);
  if (id === null || entry.value === null) throw wrong("it is no certificate");
  const certificate = reading("message.refused", () => readCertificateEntry(entry.value as Uint8Array));
  if (hex(sm3(certificate.der)) !== id) throw wrong("it lies under another certificate's id");
  if (certificate.client !== sender) throw wrong(`it is ${certificate.client}'s`);
  const { received_ms } = record;
  if (!couldSign(certificate, received_ms))
    throw refuse(FAILED_TEXTS, "message.time", { sender, received_ms });
  const key = reading("message.refused", () => publicKey(certificate.public_key));
  const opened = reading("message.refused", () =>
    openMessage(record.topic, keys.topicKey, record.payload, (name) => (name === sender ? key : null)),
  );
  if (opened.sender !== sender)
    throw refuse(FAILED_TEXTS, "message.sender", { found: opened.sender, expected: sender });
  show("key", key.bytes, sender);
  show("content", opened.content);
  const { sequence, epoch, contentType, content } = opened;
  const values = { sender, sequence, epoch, content_type: contentType, content_bytes: content.length };
  return { code: "held.message" as const, values, value: opened };
}

/** Reads something inside a step; a refusal becomes the step's own. */
function reading<T>(code: "anchor.malformed" | "record.malformed" | "message.refused", read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refusal) throw refuse(FAILED_TEXTS, code, { detail: error.message });
    throw error;
  }
}
