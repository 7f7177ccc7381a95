// Receipts and proven entries, step by step, from genesis alone.
//
// Trust flows from genesis to the record: the genesis file, whose chain id the user pinned, names the
// validators; their votes make a header final; the header's state root holds the entry; the entry of a
// package holds the root under which the record lies; and where the reader has the topic's key, the
// record's content is signed by its sender. Each step looks only at what the one before vouches for.

import { hex } from "../crypto/bytes";
import { publicKey } from "../crypto/curve";
import { refuse } from "../crypto/refusal";
import { sm3 } from "../crypto/sm3";
import type { Span } from "../envelope/cbor";
import { certificateIdOf, couldSign, readCertificateEntry } from "../envelope/entry";
import { openMessage } from "../envelope/message";
import {
  type Anchor,
  type ArchivedRecord,
  provenEntryBytes,
  readArchivedRecord,
  readProvenEntries,
  readProvenEntry,
  readReceipt,
} from "../envelope/receipt";
import { checkVersion, entrySteps, readAnchor, reading, type Trust, type VerifiedEntry } from "./entry";
import { leaf, verifyPath } from "./merkle";
import { type Report, report, type Show, type StepName } from "./report";
import { FAILED_TEXTS } from "./texts";

/** What opens a message. */
export interface MessageKeys {
  /** The topic's key of the message's epoch, 16 bytes. */
  readonly topicKey: Uint8Array;
  /** CBOR of a `ProvenEntry` of the sender's certificate, under the same genesis. */
  readonly certificate: Uint8Array;
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
const RECEIPT_STEPS: readonly StepName[] = [...ENTRY_STEPS, "anchor", "path", "record"];

/** Verifies a receipt; with `keys` also that its content is signed by its sender. Never throws. */
export function verifyReceipt(
  receipt: Uint8Array,
  trust: Trust,
  keys?: MessageKeys,
): Report<VerifiedReceipt> {
  return report(keys ? [...RECEIPT_STEPS, "message"] : RECEIPT_STEPS, (trail) => {
    const read = trail.step("format", () => {
      const value = readReceipt(receipt);
      checkVersion(value.version);
      checkVersion(value.anchor.version);
      return { code: "held.format", values: { version: value.version, bytes: receipt.length }, value };
    });
    const { verified: entry } = entrySteps(trail, read.anchor, trust);
    const { anchor, at } = trail.step("anchor", (show) => {
      const value = readAnchor(entry, show);
      const { package: id, topic, count, gateway } = value.anchor;
      const values = { package: hex(id), topic, count, gateway, height: value.at.height };
      return { code: "held.anchor", values, value };
    });
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
    return entrySteps(trail, read, trust).verified;
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
