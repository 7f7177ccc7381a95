// Opening exponential ElGamal on the SM2 curve.
//
//   ciphertext = C1 || C2, 33 bytes each: SEC1 compressed; infinity is 33 zeros
//   open       m * G = C2 - d * C1, then a small discrete logarithm: |m| <= 2^40

import { toNumber } from "../crypto/bytes";
import { type CurvePoint, ORDER, Point, PUBLIC_KEY_BYTES } from "../crypto/curve";
import { refuse } from "../crypto/refusal";
import type { Interval } from "./answer";
import { larger, smaller } from "./integers";
import { smallLogarithm } from "./logarithm";
import { ELGAMAL_LIMIT } from "./parameters";
import { OPEN_TEXTS } from "./texts";

/** Length of a ciphertext in bytes. */
const CIPHERTEXT_BYTES = 2 * PUBLIC_KEY_BYTES;

/** Two points. */
export type Ciphertext = readonly [CurvePoint, CurvePoint];

/** Reads 66 bytes; null if they aren't exactly two points of the curve, in their one encoding. */
export function readCiphertext(bytes: Uint8Array): Ciphertext | null {
  if (bytes.length !== CIPHERTEXT_BYTES) return null;
  const first = readPoint(bytes.subarray(0, PUBLIC_KEY_BYTES));
  const second = readPoint(bytes.subarray(PUBLIC_KEY_BYTES));
  return first && second && [first, second];
}

function readPoint(bytes: Uint8Array): CurvePoint | null {
  if (bytes.every((byte) => byte === 0)) return Point.ZERO;
  try {
    return Point.fromBytes(bytes);
  } catch {
    return null;
  }
}

/** A secret scalar from its 32 bytes. Throws `secret.scalar`. */
export function readScalar(bytes: Uint8Array): bigint {
  const scalar = bytes.length === 32 ? toNumber(bytes) : 0n;
  if (scalar < 1n || scalar >= ORDER) throw refuse(OPEN_TEXTS, "secret.scalar");
  return scalar;
}

/** The public half of a scalar, 33 bytes. */
export function publicBytes(scalar: bigint): Uint8Array {
  return Point.BASE.multiply(scalar).toBytes(true);
}

/**
 * The number inside a ciphertext, null if it isn't within ±2^40. `likely` is where it is if everybody was
 * honest: looked at first, and quickly; the rest of ±2^40 takes seconds.
 */
export function openCiphertext(scalar: bigint, [first, second]: Ciphertext, likely: Interval): bigint | null {
  const shared = first.is0() ? Point.ZERO : first.multiply(scalar);
  const message = second.subtract(shared);
  const point = message.is0() ? null : ([message.x, message.y] as const);
  const low = larger(likely[0], -ELGAMAL_LIMIT);
  const high = smaller(likely[1], ELGAMAL_LIMIT);
  return smallLogarithm(point, low, high) ?? smallLogarithm(point, -ELGAMAL_LIMIT, ELGAMAL_LIMIT);
}
