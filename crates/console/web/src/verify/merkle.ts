// Merkle trees of RFC 6962 shape over SM3.
//
//   leaf(d)       = SM3(0x00 || d)              node(l, r) = SM3(0x01 || l || r)
//   root(d0)      = leaf(d0)                    root()     = SM3("")
//   root(d[0..n]) = node(root(first k), root(rest)),  k = largest power of two below n
//
// A path lists the siblings from the leaf upwards. Verification (RFC 9162 §2.1.3.2) takes the size as
// well as the index, so a path has exactly one acceptable length. The root doesn't bind the size:
// whoever anchors a root anchors the count beside it.

import { equal, hex } from "../crypto/bytes";
import { refuse } from "../crypto/refusal";
import { sm3 } from "../crypto/sm3";
import { FAILED_TEXTS } from "./texts";

/** Longest path that is accepted, in nodes. */
const PATH_NODES_MAX = 48;
/** Most leaves that a tree may claim. */
const LEAVES_MAX = 1n << BigInt(PATH_NODES_MAX);

/** One node on the way from a leaf to the root. */
export interface Climb {
  /** On which side the sibling stands. */
  readonly side: "left" | "right";
  readonly sibling: Uint8Array;
  /** Digest of the node above both. */
  readonly node: Uint8Array;
}

/** Digest of a leaf. */
export function leaf(data: Uint8Array): Uint8Array {
  return sm3(Uint8Array.of(0), data);
}

/** Digest of an inner node. */
export function node(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sm3(Uint8Array.of(1), left, right);
}

/** Root over leaf digests. */
export function root(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length <= 1) return leaves[0] ?? sm3();
  let split = 1;
  while (2 * split < leaves.length) split *= 2;
  return node(root(leaves.slice(0, split)), root(leaves.slice(split)));
}

/** Number of nodes in the path of leaf `index` of `size`. */
function pathLength(index: bigint, size: bigint): number {
  // Up to where the paths of this leaf and of the last meet every level has a sibling; above it only
  // those where this path is a right child.
  const inner = bitLength(index ^ (size - 1n));
  return inner + ones(index >> BigInt(inner));
}

/** The way from `leaf` up to `expected`. Throws `path.*`. */
export function verifyPath(
  expected: Uint8Array,
  from: Uint8Array,
  index: bigint,
  size: bigint,
  path: readonly Uint8Array[],
): Climb[] {
  if (size > LEAVES_MAX) throw refuse(FAILED_TEXTS, "path.size", { count: size, most: LEAVES_MAX });
  if (index >= size) throw refuse(FAILED_TEXTS, "path.index", { index, count: size });
  const length = pathLength(index, size);
  if (path.length !== length) {
    throw refuse(FAILED_TEXTS, "path.length", { index, count: size, expected: length, found: path.length });
  }
  let [at, last, digest] = [index, size - 1n, from];
  const climb: Climb[] = [];
  for (const sibling of path) {
    const side = at & 1n || at === last ? "left" : "right";
    if (side === "left") {
      // A last node without a right sibling rises until it is a right child.
      for (; !(at & 1n) && at !== 0n; at >>= 1n) last >>= 1n;
    }
    digest = side === "left" ? node(sibling, digest) : node(digest, sibling);
    climb.push({ side, sibling, node: digest });
    at >>= 1n;
    last >>= 1n;
  }
  if (!equal(digest, expected)) {
    throw refuse(FAILED_TEXTS, "path.root", { computed: hex(digest), expected: hex(expected) });
  }
  return climb;
}

/** How many bits are needed to write a number. */
export function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** How many bits of a number are set. */
export function ones(value: bigint): number {
  let count = 0;
  for (; value > 0n; value >>= 1n) count += Number(value & 1n);
  return count;
}
