// The SM2 curve (GB/T 32918.5-2017) and its public keys. Arithmetic is @noble/curves'.
//
// A public key is known by its 33 bytes (SEC1, compressed) and parsed once: parsing takes a square
// root. The memory of parsed keys is bounded; it changes how long something takes, never what comes out.

import { type WeierstrassPoint, weierstrass } from "@noble/curves/abstract/weierstrass.js";

import { concat, fromNumber, hex, utf8 } from "./bytes";
import { refuse, type Texts } from "./refusal";
import { sm3 } from "./sm3";

/** Texts of this module's refusals. */
export const CURVE_TEXTS = {
  "key.public": "not an SM2 public key: 33 (compressed) or 65 bytes of a point on the curve are needed",
} as const satisfies Texts;

const CURVE = {
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  h: 1n,
  a: 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  Gx: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  Gy: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
} as const;

/** Points of the curve. */
export const Point = weierstrass<bigint>(CURVE);
/** A point of the curve. */
export type CurvePoint = WeierstrassPoint<bigint>;
/** The curve's prime. */
export const FIELD_PRIME = CURVE.p;
/** The group's order. */
export const ORDER = CURVE.n;
/** The signer's identifier (GM/T 0009-2012 §10). */
export const SIGNER_ID = "1234567812345678";
/** Length of a compressed public key in bytes. */
export const PUBLIC_KEY_BYTES = 33;

/** A public key. */
export interface PublicKey {
  /** Its 33 bytes. */
  readonly bytes: Uint8Array;
  /** The point. */
  readonly point: CurvePoint;
  /** Z_A for `SIGNER_ID` (GB/T 32918.2-2016 §5.5). */
  readonly identity: Uint8Array;
}

/** Most parsed keys that are remembered. */
const REMEMBERED_KEYS = 1024;
const remembered = new Map<string, PublicKey>();

/** The key of SEC1 bytes, compressed (33) or not (65). Throws `key.public`. */
export function publicKey(bytes: Uint8Array): PublicKey {
  const name = hex(bytes);
  const known = remembered.get(name);
  if (known) return known;
  if (bytes.length !== PUBLIC_KEY_BYTES && bytes.length !== 65) throw refuse(CURVE_TEXTS, "key.public");
  let key: PublicKey;
  try {
    key = publicKeyOf(Point.fromBytes(bytes));
  } catch {
    throw refuse(CURVE_TEXTS, "key.public");
  }
  if (remembered.size >= REMEMBERED_KEYS) remembered.clear();
  remembered.set(name, key);
  return key;
}

/** The key that is this point; infinity is none. */
export function publicKeyOf(point: CurvePoint): PublicKey {
  point.assertValidity();
  return { bytes: point.toBytes(true), point, identity: identity(point, SIGNER_ID) };
}

/** Z_A: SM3(ENTL || ID || a || b || G || P). `id` has at most 8,191 bytes. */
export function identity(point: CurvePoint, id: string): Uint8Array {
  const name = utf8(id);
  const bits = name.length * 8;
  const length = Uint8Array.of(bits >>> 8, bits & 0xff);
  const curve = [CURVE.a, CURVE.b, CURVE.Gx, CURVE.Gy].map(fromNumber);
  return sm3(concat(length, name, ...curve, point.toBytes(false).subarray(1)));
}
