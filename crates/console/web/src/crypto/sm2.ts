// SM2: signatures (GB/T 32918.2-2016) and public-key encryption (GB/T 32918.4-2016, C1 || C3 || C2).
//
// What Sealwire signs is `domain || 0x00 || message`: a signature made in one domain never verifies in
// another. Certificates are signed without a domain. `k` follows RFC 6979 §3.2 with HMAC-SM3 over
// h1 = e mod n, so the same key and message give the same signature everywhere.
//
// A secret key is in [1, n-2]; n-1 is refused, it would divide by zero. JavaScript has no arithmetic in
// constant time: noble's multiplication by secrets is blinded, and whoever can measure the page's
// process to the microsecond already sits in it.

import { compare, concat, equal, fromNumber, toNumber, utf8 } from "./bytes";
import { type CurvePoint, identity, ORDER, Point, type PublicKey, publicKeyOf, SIGNER_ID } from "./curve";
import { refuse, type Texts } from "./refusal";
import { DIGEST_BYTES, hmacSm3, Sm3, sm3 } from "./sm3";

/** Texts of this module's refusals. */
export const SM2_TEXTS = {
  "key.secret": "not an SM2 secret key: 32 bytes, a number from 1 to n-2, are needed",
  "sm2.sealed": "SM2 decryption failed: it was sealed to another key, or it was changed",
  "sm2.empty": "SM2 encrypts at least one byte",
} as const satisfies Texts;

/** What a signature is for; part of what is signed. */
export const DOMAIN = {
  transaction: "sealwire-transaction-v1",
  loginClient: "sealwire-login-client-v1",
  loginGateway: "sealwire-login-gateway-v1",
  token: "sealwire-token-v1",
  message: "sealwire-message-v1",
  request: "sealwire-request-v1",
  enrolment: "sealwire-enrolment-v1",
  authorisation: "sealwire-authorisation-v1",
  reading: "sealwire-reading-v1",
  console: "sealwire-console-v1",
  vote: "sealwire-vote-v1",
} as const;
/** One of `DOMAIN`. */
export type Domain = (typeof DOMAIN)[keyof typeof DOMAIN];

/** Length of a signature `r || s` in bytes. */
export const SIGNATURE_BYTES = 64;
/** How much longer sealed bytes are than plain ones: C1 (65) and C3 (32). */
export const SEAL_OVERHEAD_BYTES = 97;

/** Fills bytes with random ones. */
export type Random = (bytes: Uint8Array) => void;

/** The browser's random source. */
export const browserRandom: Random = (bytes) => {
  globalThis.crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
};

/** A secret key with its public half. `wipe` it when it isn't needed any more. */
export class SecretKey {
  readonly #bytes: Uint8Array;
  /** The public half. */
  readonly publicKey: PublicKey;

  /** From 32 bytes, big-endian, which are copied. Throws `key.secret`. */
  constructor(bytes: Uint8Array) {
    const scalar = bytes.length === 32 ? toNumber(bytes) : 0n;
    if (scalar < 1n || scalar > ORDER - 2n) throw refuse(SM2_TEXTS, "key.secret");
    this.#bytes = bytes.slice();
    this.publicKey = publicKeyOf(Point.BASE.multiply(scalar));
  }

  /** A fresh key. */
  static generate(random: Random = browserRandom): SecretKey {
    for (;;) {
      const bytes = new Uint8Array(32);
      random(bytes);
      const sound = toNumber(bytes) >= 1n && compare(bytes, fromNumber(ORDER - 2n)) <= 0;
      try {
        if (sound) return new SecretKey(bytes);
      } finally {
        bytes.fill(0);
      }
    }
  }

  /** The 32 bytes, for a key file and nothing else. */
  expose(): Uint8Array {
    return this.#bytes.slice();
  }

  /** Overwrites the bytes: the key is of no use afterwards. */
  wipe(): void {
    this.#bytes.fill(0);
  }

  /** Signs `message` in `domain`. */
  sign(domain: Domain, message: Uint8Array): Uint8Array {
    return this.signRaw(inDomain(domain, message));
  }

  /** Signs `message` alone, as in certificates, under another identifier than the usual one if given. */
  signRaw(message: Uint8Array, id = SIGNER_ID): Uint8Array {
    const z = id === SIGNER_ID ? this.publicKey.identity : identity(this.publicKey.point, id);
    return signDigest(this.#scalar(), sm3(z, message));
  }

  /** `d * point`. */
  multiply(point: CurvePoint): CurvePoint {
    return point.multiply(this.#scalar());
  }

  /** Decrypts what was sealed to the public half. Throws `sm2.sealed`. */
  open(sealed: Uint8Array): Uint8Array {
    const refused = () => refuse(SM2_TEXTS, "sm2.sealed");
    if (sealed.length <= SEAL_OVERHEAD_BYTES || sealed[0] !== 0x04) throw refused();
    let first: CurvePoint;
    try {
      first = Point.fromBytes(sealed.subarray(0, 65));
    } catch {
      throw refused();
    }
    const shared = this.multiply(first).toBytes(false).subarray(1);
    const mask = kdf(shared, sealed.length - SEAL_OVERHEAD_BYTES);
    if (mask.every((byte) => byte === 0)) throw refused();
    const plain = mask.map((byte, i) => byte ^ (sealed[SEAL_OVERHEAD_BYTES + i] as number));
    const check = sm3(shared.subarray(0, 32), plain, shared.subarray(32));
    if (!equal(check, sealed.subarray(65, SEAL_OVERHEAD_BYTES))) throw refused();
    return plain;
  }

  #scalar(): bigint {
    const scalar = toNumber(this.#bytes);
    if (scalar === 0n) throw refuse(SM2_TEXTS, "key.secret");
    return scalar;
  }
}

/** Whether `key` signed `message` in `domain`. */
export function verify(key: PublicKey, domain: Domain, message: Uint8Array, signature: Uint8Array): boolean {
  return verifyRaw(key, inDomain(domain, message), signature);
}

/** Whether `key` signed `message` alone. */
export function verifyRaw(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
  id = SIGNER_ID,
): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const r = toNumber(signature.subarray(0, 32));
  const s = toNumber(signature.subarray(32));
  if (r === 0n || r >= ORDER || s === 0n || s >= ORDER) return false;
  const t = (r + s) % ORDER;
  if (t === 0n) return false;
  const z = id === SIGNER_ID ? key.identity : identity(key.point, id);
  const e = toNumber(sm3(z, message));
  const point = Point.BASE.mulAddUnsafe(s, key.point, t);
  if (point.is0()) return false;
  return (e + point.x) % ORDER === r;
}

/** Encrypts at least one byte so that only the holder of the secret key can read it: 97 bytes more. */
export function seal(key: PublicKey, plain: Uint8Array, random: Random = browserRandom): Uint8Array {
  if (plain.length === 0) throw refuse(SM2_TEXTS, "sm2.empty");
  for (;;) {
    const once = SecretKey.generate(random);
    const shared = once.multiply(key.point).toBytes(false).subarray(1);
    const mask = kdf(shared, plain.length);
    if (mask.every((byte) => byte === 0)) continue;
    const first = once.publicKey.point.toBytes(false);
    once.wipe();
    const check = sm3(shared.subarray(0, 32), plain, shared.subarray(32));
    return concat(
      first,
      check,
      mask.map((byte, i) => byte ^ (plain[i] as number)),
    );
  }
}

function inDomain(domain: Domain, message: Uint8Array): Uint8Array {
  return concat(utf8(domain), Uint8Array.of(0), message);
}

/** Signs e (GB/T 32918.2-2016 §6.1). */
function signDigest(d: bigint, digest: Uint8Array): Uint8Array {
  const e = toNumber(digest) % ORDER;
  const inverse = Point.Fn.inv(1n + d);
  for (const k of nonces(d, e)) {
    const r = (e + Point.BASE.multiply(k).x) % ORDER;
    if (r === 0n || r + k === ORDER) continue;
    const s = Point.Fn.mul(inverse, Point.Fn.create(k - r * d));
    if (s !== 0n) return concat(fromNumber(r), fromNumber(s));
  }
  throw new Error("the nonces of RFC 6979 never end");
}

/** RFC 6979 §3.2 with HMAC-SM3. */
function* nonces(d: bigint, e: bigint): Generator<bigint> {
  const seed = concat(fromNumber(d), fromNumber(e));
  let v: Uint8Array = new Uint8Array(DIGEST_BYTES).fill(1);
  let k: Uint8Array = new Uint8Array(DIGEST_BYTES);
  for (const step of [0, 1]) {
    k = hmacSm3(k, v, Uint8Array.of(step), seed);
    v = hmacSm3(k, v);
  }
  seed.fill(0);
  for (;;) {
    v = hmacSm3(k, v);
    const candidate = toNumber(v);
    if (candidate >= 1n && candidate < ORDER) yield candidate;
    k = hmacSm3(k, v, Uint8Array.of(0));
    v = hmacSm3(k, v);
  }
}

/** The key derivation of GB/T 32918.4-2016 §5.4.3: SM3(shared || counter), counter from 1. */
function kdf(shared: Uint8Array, length: number): Uint8Array {
  const mask = new Uint8Array(length);
  const counter = new Uint8Array(4);
  for (let at = 0, i = 1; at < length; at += DIGEST_BYTES, i++) {
    new DataView(counter.buffer).setUint32(0, i);
    const part = new Sm3().update(shared).update(counter).digest();
    mask.set(part.subarray(0, length - at), at);
  }
  return mask;
}
