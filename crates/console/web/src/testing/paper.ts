// A consortium on paper, for tests: genesis, a state, blocks and certificates that hold, made the plain
// way: each digest afresh from everything below it.

import { compare, concat, hex, u64, utf8 } from "../crypto/bytes";
import { DOMAIN, SecretKey } from "../crypto/sm2";
import { sm3 } from "../crypto/sm3";
import { type Finality, type Header, headerDigest } from "../envelope/block";
import * as cbor from "../envelope/cbor";
import { type Decoded, encode, list, struct, u8, u64 as u64Codec } from "../envelope/cbor";
import { chainId, type Genesis, validatorsDigest } from "../envelope/genesis";
import { client, topic } from "../envelope/names";
import {
  type Anchor,
  keyDigest,
  type ProvenEntry,
  packageKey,
  provenEntry,
  type Receipt,
  receiptCodec,
  stateEntry,
} from "../envelope/receipt";
import { voteOf } from "../verify/finality";
import { leaf, node } from "../verify/merkle";
import { varint } from "../verify/varint";

/** A key that follows from a name, as the Rust tests make theirs. */
export function keyOf(seed: string): SecretKey {
  return new SecretKey(sm3(utf8(seed), Uint8Array.of(0, 0, 0, 0)));
}

const recordCodec = struct({
  version: u8,
  topic,
  sender: client,
  received_ms: u64Codec,
  qos: u8,
  payload: cbor.blob,
});
/** A record to pack. */
export type PaperRecord = Decoded<typeof recordCodec>;

/** The bytes of a record. */
export function recordBytes(record: PaperRecord): Uint8Array {
  return encode(recordCodec, record);
}

const anchorCodec = struct({
  package: cbor.digest,
  topic,
  clients: list(client),
  count: u64Codec,
  from_ms: u64Codec,
  to_ms: u64Codec,
  root: cbor.digest,
  epoch: cbor.optional(cbor.u32),
  location: cbor.text<string>(),
  gateway: client,
});
const packageRecordCodec = struct({
  anchor: anchorCodec,
  at: struct({ height: u64Codec, time_ms: u64Codec }),
  transaction: cbor.u32,
});

/** The value under a package's key. */
export function packageRecordBytes(anchor: Anchor, height = 7n): Uint8Array {
  return encode(packageRecordCodec, { anchor, at: { height, time_ms: 2_007n }, transaction: 0 });
}

/** Root over leaves, by the definition. */
export function plainRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return node(plainRoot(leaves.slice(0, k)), plainRoot(leaves.slice(k)));
}

/** Path of a leaf, by the definition, from the leaf upwards. */
export function plainPath(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (leaves.length === 1) return [];
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return index < k
    ? [...plainPath(leaves.slice(0, k), index), plainRoot(leaves.slice(k))]
    : [...plainPath(leaves.slice(k), index - k), plainRoot(leaves.slice(0, k))];
}

/** A state with one entry: a log of one operation. */
export function stateOf(key: Uint8Array, value: Uint8Array) {
  const id = keyDigest(key);
  const stored = encode(stateEntry, { key, value });
  const operation = concat(Uint8Array.of(0xd2), id, varint(BigInt(stored.length)), stored, id);
  const chunk = new Uint8Array(32);
  chunk[0] = 1;
  const ops_root = sm3(utf8("ops"));
  const peak = sm3(u64(0n), operation);
  const grafted = sm3(Uint8Array.of(0, 1), u64(1n), peak);
  const root = sm3(ops_root, grafted, u64(1n), sm3(chunk));
  const proof = {
    location: 0n,
    leaves: 1n,
    inactive_peaks: 0n,
    chunk,
    partial_chunk: sm3(chunk),
    ops_root,
    digests: [],
  };
  const inclusion = { kind: "inclusion", content: { proof: { operation: proof, next_key: id } } } as const;
  const absence = {
    kind: "exclusion",
    content: { proof: { kind: "span", content: { operation: proof, key: id, value: stored, next_key: id } } },
  } as const;
  return { root, inclusion, absence };
}

/** Organisations whose validators' keys are known. */
export class Paper {
  readonly genesis: Genesis;
  readonly validators: SecretKey[];

  constructor(organisations: number) {
    const keys = Array.from({ length: organisations }, (_, i) => keyOf(`validator ${i + 1}`));
    this.genesis = {
      version: 1,
      name: "paper",
      created_ms: 1_000n,
      block_interval_ms: 100n,
      orgs: keys.map((key, i) => ({
        org: `org${String(i + 1).padStart(3, "0")}`,
        root_cert_der: new Uint8Array(3).fill(i + 1),
        validator: key.publicKey,
        certificates: [],
      })),
    };
    this.validators = keys.sort((a, b) => compare(a.publicKey.bytes, b.publicKey.bytes));
  }

  /** The genesis file. */
  file(): Uint8Array {
    return utf8(
      JSON.stringify({
        version: 1,
        name: this.genesis.name,
        created_ms: 1_000,
        block_interval_ms: 100,
        orgs: this.genesis.orgs.map((one) => ({
          org: one.org,
          root_cert_der: hex(one.root_cert_der),
          validator: hex(one.validator.bytes),
          certificates: [],
        })),
      }),
    );
  }

  header(height: bigint, parent: Uint8Array, stateRoot: Uint8Array): Header {
    return {
      version: 1,
      chain: chainId(this.genesis),
      height,
      epoch: 0n,
      view: height + 300n,
      parent_view: height + 299n,
      parent,
      time_ms: 2_000n + height,
      proposer: (this.validators[0] as SecretKey).publicKey,
      transactions: sm3(),
      state_root: stateRoot,
      ops_root: sm3(utf8("ops")),
      ops_start: 0n,
      ops_end: 10n,
      validators: validatorsDigest(this.validators.map((key) => key.publicKey)),
    };
  }

  certify(header: Header, signers: readonly number[]): Finality {
    const bitmap = new Uint8Array(Math.ceil(this.validators.length / 8));
    for (const i of signers) bitmap[i >> 3] = (bitmap[i >> 3] as number) | (1 << (i & 7));
    const { epoch, view, parent_view } = header;
    const base = { epoch, view, parent_view, payload: headerDigest(header), signers: bitmap, signatures: [] };
    const vote = voteOf(chainId(this.genesis), base);
    const signatures = signers.map((i) => (this.validators[i] as SecretKey).sign(DOMAIN.vote, vote));
    return { ...base, signatures };
  }

  /** Headers from one with this state root on, `above` more, the last one certified by just enough. */
  finalise(stateRoot: Uint8Array, above = 0) {
    const headers = [this.header(10n, sm3(utf8("parent")), stateRoot)];
    for (let i = 0; i < above; i++) {
      const parent = headers.at(-1) as Header;
      headers.push(this.header(parent.height + 1n, headerDigest(parent), sm3(utf8("later state"))));
    }
    const quorum = Math.floor((this.validators.length * 2) / 3) + 1;
    const signers = Array.from({ length: quorum }, (_, i) => i);
    return { headers, finality: this.certify(headers.at(-1) as Header, signers) };
  }

  /** A proven entry. */
  entry(key: Uint8Array, value: Uint8Array, above = 0): ProvenEntry {
    const { root, inclusion } = stateOf(key, value);
    return { version: 1, key, value, proof: inclusion, finality: this.finalise(root, above) };
  }

  /** A receipt for one of the records, and the anchor as it was written. */
  receipt(records: readonly PaperRecord[], index: number, above = 0, change: Partial<Anchor> = {}): Receipt {
    const bytes = records.map(recordBytes);
    const anchor = { ...anchorOf(records, bytes), ...change };
    const leaves = bytes.map(leaf);
    return {
      version: 1,
      record: bytes[index] as Uint8Array,
      index: BigInt(index),
      path: plainPath(leaves, index),
      anchor: this.entry(packageKey(anchor.package), packageRecordBytes(anchor), above),
    };
  }
}

/** The anchor of a package of these records. */
export function anchorOf(records: readonly PaperRecord[], bytes: readonly Uint8Array[]): Anchor {
  const times = records.map((record) => record.received_ms).sort((a, b) => Number(a - b));
  return {
    package: sm3(utf8("a package")),
    topic: "org001/pump/pressure",
    clients: ["org001.pump"],
    count: BigInt(records.length),
    from_ms: times[0] as bigint,
    to_ms: times.at(-1) as bigint,
    root: plainRoot(bytes.map(leaf)),
    epoch: 0,
    location: "sqlite",
    gateway: "org001.gateway",
  };
}

/** Records of a topic. */
export function paperRecords(count: number, payload = (i: number) => utf8(`reading ${i}`)): PaperRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    version: 1,
    topic: "org001/pump/pressure",
    sender: "org001.pump",
    received_ms: 1_500n + BigInt(i),
    qos: 1,
    payload: payload(i),
  }));
}

/** The bytes of a receipt. */
export function receiptBytes(receipt: Receipt): Uint8Array {
  return encode(receiptCodec, receipt);
}

/** The bytes of a proven entry. */
export function entryBytes(entry: ProvenEntry): Uint8Array {
  return encode(provenEntry, entry);
}
