// State proofs: that the ledger's state holds a key, or doesn't. The state is a log of operations under
// a Merkle mountain range with grafted activity bits (QMDB over SM3).
//
// H is SM3 over the concatenation of its arguments; u64 is big-endian; varint is LEB128, shortest form.
//
//   update(key, value, next) = 0xD2 || key || varint(len(value)) || value || next
//   commit(metadata, floor)  = 0xD3 || (0x00 | 0x01 || varint(len) || metadata) || varint(floor)
//   pos(s, h)                = 2s - popcount(s) + 2^(h+1) - 2
//   node of height h         = H(u64(pos) || operation)  or  H(u64(pos) || left || right)
//   at height 8              = H(chunk || that): 256 activity bits, one for each operation below
//   grafted_root             = H(0x00 || 0x01 || u64(n) || [u64(q) if q > 0] || folded peaks)
//   state_root               = H(ops_root || grafted_root || [u64(n mod 256) || H(last chunk)])
//
// The leading q peaks hold no active operation. They and the first other one are folded forward, the
// rest backward. A proof's digests are, in order: the inactive peaks before the operation's own, folded;
// the other peaks before it; the inactive peaks after it; the rest, folded; the siblings on the way
// down, the left ones from the top, then the right ones from the bottom. `key` is SM3 of the state key.

import { compare, concat, equal, hex, u64 } from "../crypto/bytes";
import { refuse } from "../crypto/refusal";
import { sm3 } from "../crypto/sm3";
import { encode } from "../envelope/cbor";
import {
  type Exclusion,
  type Inclusion,
  keyDigest,
  type OperationProof,
  stateEntry,
} from "../envelope/receipt";
import { bitLength, ones } from "./merkle";
import { FAILED_TEXTS } from "./texts";
import { varint } from "./varint";

/** Operations in a chunk of activity bits. */
const CHUNK_OPERATIONS = 256n;
/** Height of the node that covers a chunk. */
const GRAFT_HEIGHT = 8;
/** Most operations in a log. */
const LEAVES_MAX = 1n << 62n;
/** Longest value under a key, in bytes as stored. */
const VALUE_BYTES_MAX = 1024 * 1024;
const UPDATE = Uint8Array.of(0xd2);
const COMMIT = Uint8Array.of(0xd3);
const ROOT_DOMAIN = Uint8Array.of(0, 1);

/** Checks that the state under `root` holds exactly `value` under `key`. Throws `state.*`. */
export function verifyInclusion(
  root: Uint8Array,
  key: Uint8Array,
  value: Uint8Array,
  proof: Inclusion,
): void {
  const stored = encode(stateEntry, { key, value });
  verifyOperation(root, update(keyDigest(key), stored, proof.next_key), proof.operation);
}

/** Checks that the state under `root` holds nothing under `key`. Throws `state.*`. */
export function verifyAbsence(root: Uint8Array, key: Uint8Array, proof: Exclusion): void {
  if (proof.kind === "span") {
    const { operation, key: lower, value, next_key: upper } = proof.content;
    const wanted = keyDigest(key);
    if (!spans(lower, upper, wanted)) throw refuse(FAILED_TEXTS, "state.span", { key: hex(wanted) });
    verifyOperation(root, update(lower, value, upper), operation);
  } else {
    const { operation, metadata } = proof.content;
    const { location, leaves } = operation;
    // The last commit, whose floor is itself: nothing below it is active.
    if (location + 1n !== leaves) throw refuse(FAILED_TEXTS, "state.last", { location, leaves });
    verifyOperation(root, commit(metadata, location), operation);
  }
}

/** Whether a key lies strictly between two neighbours, around the end if the upper isn't above. */
function spans(lower: Uint8Array, upper: Uint8Array, key: Uint8Array): boolean {
  const above = compare(lower, key) < 0;
  const below = compare(key, upper) < 0;
  return compare(lower, upper) < 0 ? above && below : above || below;
}

function withLength(value: Uint8Array): Uint8Array {
  if (value.length > VALUE_BYTES_MAX) {
    throw refuse(FAILED_TEXTS, "state.value", { bytes: value.length, limit: VALUE_BYTES_MAX });
  }
  return concat(varint(BigInt(value.length)), value);
}

function update(key: Uint8Array, value: Uint8Array, next: Uint8Array): Uint8Array {
  return concat(UPDATE, key, withLength(value), next);
}

function commit(metadata: Uint8Array | null, floor: bigint): Uint8Array {
  const content = metadata === null ? [Uint8Array.of(0)] : [Uint8Array.of(1), withLength(metadata)];
  return concat(COMMIT, ...content, varint(floor));
}

/** Checks that `operation` is active at the proof's location under `root`. */
function verifyOperation(root: Uint8Array, operation: Uint8Array, proof: OperationProof): void {
  const { location, leaves, chunk } = proof;
  if (leaves > LEAVES_MAX) throw refuse(FAILED_TEXTS, "state.leaves", { leaves });
  if (location >= leaves) throw refuse(FAILED_TEXTS, "state.location", { location, leaves });
  const bit = Number(location % CHUNK_OPERATIONS);
  if ((((chunk[bit >> 3] as number) >> (bit & 7)) & 1) === 0)
    throw refuse(FAILED_TEXTS, "state.inactive", { location });
  checkLastChunk(proof);
  const layout = layoutOf(proof);
  const grafted = foldRoot(proof, layout, climb(operation, proof, layout));
  const last = proof.partial_chunk === null ? [] : [u64(leaves % CHUNK_OPERATIONS), proof.partial_chunk];
  const computed = sm3(proof.ops_root, grafted, ...last);
  if (!equal(computed, root)) {
    throw refuse(FAILED_TEXTS, "state.root", { computed: hex(computed), expected: hex(root) });
  }
}

function checkLastChunk(proof: OperationProof): void {
  const { leaves, location, partial_chunk: last } = proof;
  const incomplete = leaves % CHUNK_OPERATIONS !== 0n;
  if (incomplete !== (last !== null)) throw refuse(FAILED_TEXTS, "state.partial", { leaves });
  const inLast = location / CHUNK_OPERATIONS === leaves / CHUNK_OPERATIONS;
  if (last !== null && inLast && !equal(last, sm3(proof.chunk))) throw refuse(FAILED_TEXTS, "state.chunk");
}

/** A proof's digests, sorted, and the peak that covers the operation. */
interface Layout {
  /** Location of the own peak's first operation, and its height. */
  readonly start: bigint;
  readonly height: number;
  readonly inactive: number;
  /** Inactive peaks that come folded into the first digest. */
  readonly foldedBefore: number;
  readonly before: readonly Uint8Array[];
  readonly after: readonly Uint8Array[];
  readonly siblings: readonly Uint8Array[];
}

function layoutOf({ location, leaves, inactive_peaks, digests }: OperationProof): Layout {
  const peaks = ones(leaves);
  if (inactive_peaks > BigInt(peaks)) {
    throw refuse(FAILED_TEXTS, "state.peaks", { found: inactive_peaks, peaks });
  }
  const inactive = Number(inactive_peaks);
  // The highest bit in which location and leaves differ is the own peak's; bits above it are the peaks
  // before it.
  const height = bitLength(location ^ leaves) - 1;
  const start = (leaves >> BigInt(height + 1)) << BigInt(height + 1);
  const peaksBefore = ones(start);
  const peaksAfter = peaks - peaksBefore - 1;
  const foldedBefore = Math.min(inactive, peaksBefore);
  const singleAfter = Math.max(0, inactive - peaksBefore - 1);
  const before = peaksBefore - foldedBefore + (foldedBefore > 0 ? 1 : 0);
  const after = singleAfter + (singleAfter < peaksAfter ? 1 : 0);
  const expected = before + after + height;
  if (digests.length !== expected) {
    throw refuse(FAILED_TEXTS, "state.digests", { expected, found: digests.length });
  }
  return {
    start,
    height,
    inactive,
    foldedBefore,
    before: digests.slice(0, before),
    after: digests.slice(before, before + after),
    siblings: digests.slice(before + after),
  };
}

function position(start: bigint, height: number): Uint8Array {
  return u64(2n * start - BigInt(ones(start)) + (1n << BigInt(height + 1)) - 2n);
}

/** Digest of the own peak, from the operation upwards. */
function climb(operation: Uint8Array, proof: OperationProof, layout: Layout): Uint8Array {
  const offset = proof.location - layout.start;
  const lefts = ones(offset);
  const left = layout.siblings.slice(0, lefts);
  const right = layout.siblings.slice(lefts).reverse();
  let digest = sm3(position(proof.location, 0), operation);
  for (let height = 1; height <= layout.height; height++) {
    const at = position((proof.location >> BigInt(height)) << BigInt(height), height);
    const isRight = (offset >> BigInt(height - 1)) & 1n;
    const sibling = (isRight ? left : right).pop();
    if (!sibling) throw new Error("the layout counted the siblings");
    digest = isRight ? sm3(at, sibling, digest) : sm3(at, digest, sibling);
    // Never all zero: the operation's own bit is set.
    if (height === GRAFT_HEIGHT) digest = sm3(proof.chunk, digest);
  }
  return digest;
}

/** Root of the grafted tree, from its peaks. */
function foldRoot(proof: OperationProof, layout: Layout, own: Uint8Array): Uint8Array {
  const peaks = [...layout.before, own, ...layout.after];
  // The first digest already stands for all that were folded into it.
  const inactive = layout.inactive - layout.foldedBefore + (layout.foldedBefore > 0 ? 1 : 0);
  const forward = Math.max(1, inactive);
  const front = peaks.slice(0, forward).reduce((acc, peak) => sm3(acc, peak));
  const rest = peaks.slice(forward);
  const folded =
    rest.length === 0
      ? front
      : sm3(
          front,
          rest.reduceRight((bag, peak) => sm3(peak, bag)),
        );
  const counted = layout.inactive === 0 ? [] : [u64(proof.inactive_peaks)];
  return sm3(ROOT_DOMAIN, u64(proof.leaves), ...counted, folded);
}
