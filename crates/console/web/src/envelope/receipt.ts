// State proofs, proven entries, receipts, and what lies in them: anchors and archived records.
// Reading one says nothing about whether it holds; that is what `../verify` is for.

import { concat, utf8 } from "../crypto/bytes";
import { sm3 } from "../crypto/sm3";
import { finality, header } from "./block";
import {
  blob,
  bytes,
  type Decoded,
  decode,
  digest,
  encode,
  list,
  optional,
  type Span,
  struct,
  text,
  u8,
  u32,
  u64,
  variants,
} from "./cbor";
import { client, topic } from "./names";

/** Version of receipts and proven entries. */
export const RECEIPT_VERSION = 1;
/** Longest receipt or proven entry that is read, in bytes. */
export const RECEIPT_BYTES_MAX = 16 * 1024 * 1024;
/** Longest archived record or ledger entry that is read, in bytes. */
const PART_BYTES_MAX = RECEIPT_BYTES_MAX;

/** What the store holds under SM3(key). */
export const stateEntry = struct({ key: blob, value: blob });

const operationProof = struct({
  location: u64,
  leaves: u64,
  inactive_peaks: u64,
  chunk: bytes(32),
  partial_chunk: optional(digest),
  ops_root: digest,
  digests: list(digest),
});
/** That one operation of the store's log is where it says, and active. */
export type OperationProof = Decoded<typeof operationProof>;

const inclusion = struct({ operation: operationProof, next_key: digest });
const exclusion = variants({
  span: [0, struct({ operation: operationProof, key: digest, value: blob, next_key: digest })],
  empty: [1, struct({ operation: operationProof, metadata: optional(blob) })],
});
/** `StateProof` in CBOR. */
export const stateProof = variants({
  inclusion: [0, struct({ proof: inclusion })],
  exclusion: [1, struct({ proof: exclusion })],
});
/** That a key has a value, or none. */
export type StateProof = Decoded<typeof stateProof>;
/** That a key has a value. */
export type Inclusion = Decoded<typeof inclusion>;
/** That a key has none. */
export type Exclusion = Decoded<typeof exclusion>;

const finalityProof = struct({ headers: list(header), finality });
/** Headers from a block up to a certified one, and the certificate. */
export type FinalityProof = Decoded<typeof finalityProof>;

/** `ProvenEntry` in CBOR. */
export const provenEntry = struct({
  version: u8,
  key: blob,
  value: optional(blob),
  proof: stateProof,
  finality: finalityProof,
});
/** That the state after some final block held an entry, or didn't hold it. */
export type ProvenEntry = Decoded<typeof provenEntry>;

/** `Receipt` in CBOR. */
export const receiptCodec = struct({
  version: u8,
  record: blob,
  index: u64,
  path: list(digest),
  anchor: provenEntry,
});
/** That a record is part of a package whose root the ledger holds. */
export type Receipt = Decoded<typeof receiptCodec>;

const anchor = struct({
  package: digest,
  topic,
  clients: list(client),
  count: u64,
  from_ms: u64,
  to_ms: u64,
  root: digest,
  epoch: optional(u32),
  location: text<string>(),
  gateway: client,
});
/** What a gateway anchored about a package. */
export type Anchor = Decoded<typeof anchor>;

/** A block's place in time. */
export const moment = struct({ height: u64, time_ms: u64 });
const packageRecord = struct({ anchor, at: moment, transaction: u32 });
/** What the state holds under `packageKey`. */
export type PackageRecord = Decoded<typeof packageRecord>;

const archivedRecord = struct({
  version: u8,
  topic,
  sender: client,
  received_ms: u64,
  qos: u8,
  payload: blob,
});
/** One message as the gateway received it. */
export type ArchivedRecord = Decoded<typeof archivedRecord>;

/** Reads a receipt. Throws `cbor.*`. */
export function readReceipt(from: Uint8Array, spans: Span[] | null = null): Receipt {
  return decode(receiptCodec, "receipt", from, RECEIPT_BYTES_MAX, spans);
}

/** Reads a proven entry. Throws `cbor.*`. */
export function readProvenEntry(from: Uint8Array, spans: Span[] | null = null): ProvenEntry {
  return decode(provenEntry, "proven entry", from, RECEIPT_BYTES_MAX, spans);
}

/** Reads the answer of `/v1/proofs`: entries under one root. Throws `cbor.*`. */
export function readProvenEntries(from: Uint8Array): readonly ProvenEntry[] {
  return decode(list(provenEntry), "list of proven entries", from, RECEIPT_BYTES_MAX);
}

/** The bytes of a proven entry. */
export function provenEntryBytes(entry: ProvenEntry): Uint8Array {
  return encode(provenEntry, entry);
}

/** Reads the value under `packageKey`. Throws `cbor.*`. */
export function readPackageRecord(from: Uint8Array): PackageRecord {
  return decode(packageRecord, "package record", from, PART_BYTES_MAX);
}

/** Reads an archived record. Throws `cbor.*`. */
export function readArchivedRecord(from: Uint8Array): ArchivedRecord {
  return decode(archivedRecord, "archived record", from, PART_BYTES_MAX);
}

/** State key of an anchored package. */
export function packageKey(id: Uint8Array): Uint8Array {
  return concat(utf8("r/pkg/"), id);
}

/** Digest under which the store files a state key. */
export function keyDigest(stateKey: Uint8Array): Uint8Array {
  return sm3(stateKey);
}
