// SM4 (GB/T 32907-2016) in Galois/counter mode (RFC 8998 §2.1): key of 16 bytes, nonce of 12, tag of 16
// at the end of the ciphertext. GHASH is @noble/ciphers'.
//
// A nonce must never be used twice with one key. Table look-ups take a time that depends on the key:
// as good as it gets in JavaScript, and no worse than any other table in the page's process.

import { GHASH } from "@noble/ciphers/_polyval.js";

import { concat, equal } from "./bytes";
import { refuse, type Texts } from "./refusal";

/** Texts of this module's refusals. */
export const SM4_TEXTS = {
  "sm4.key": "an SM4 key has 16 bytes, got {bytes}",
  "sm4.nonce": "a nonce of SM4-GCM has 12 bytes, got {bytes}",
  "sm4.sealed": "SM4-GCM authentication failed: wrong key, or the data was changed",
} as const satisfies Texts;

/** Length of a key in bytes. */
export const KEY_BYTES = 16;
/** Length of a nonce in bytes. */
export const NONCE_BYTES = 12;
/** Length of a tag in bytes. */
export const TAG_BYTES = 16;
const BLOCK_BYTES = 16;
const ROUNDS = 32;

// GF(2^8) modulo x^8+x^7+x^6+x^5+x^4+x^2+1 and SM4's affine map give the S-box (Liu et al., "Analysis of
// the SMS4 block cipher", 2007, §3): S(x) = A(inverse(A(x))), A(x) = L(x) + 0xd3.
const SBOX = makeSbox();
const SYSTEM = [0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc];
// CK_i: bytes 4i*7, (4i+1)*7, … modulo 256 (§7.3).
const CONSTANTS = Int32Array.from({ length: ROUNDS }, (_, i) =>
  [0, 1, 2, 3].reduce((word, j) => (word << 8) | (((4 * i + j) * 7) & 0xff), 0),
);

function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((b >> bit) & 1) product ^= a << bit;
  }
  for (let bit = 14; bit >= 8; bit--) {
    if ((product >> bit) & 1) product ^= 0x1f5 << (bit - 8);
  }
  return product;
}

function makeSbox(): Uint8Array {
  const inverse = new Uint8Array(256);
  for (let a = 1; a < 256; a++) {
    for (let b = 1; b < 256; b++) {
      if (multiply(a, b) === 1) inverse[a] = b;
    }
  }
  const affine = (x: number) => {
    let y = 0xd3;
    for (const by of [0, 1, 3, 6, 7]) y ^= ((x << by) | (x >>> (8 - by))) & 0xff;
    return y;
  };
  return Uint8Array.from({ length: 256 }, (_, x) => affine(inverse[affine(x)] as number));
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

function substitute(x: number): number {
  const s = SBOX;
  return (
    ((s[x >>> 24] as number) << 24) |
    ((s[(x >>> 16) & 0xff] as number) << 16) |
    ((s[(x >>> 8) & 0xff] as number) << 8) |
    (s[x & 0xff] as number)
  );
}

/** The S-box followed by L, for each place of a byte. */
const TABLES = [24, 16, 8, 0].map((place) =>
  Int32Array.from({ length: 256 }, (_, x) => {
    const b = (SBOX[x] as number) << place;
    return b ^ rotate(b, 2) ^ rotate(b, 10) ^ rotate(b, 18) ^ rotate(b, 24);
  }),
) as [Int32Array, Int32Array, Int32Array, Int32Array];

/** A block cipher with one key. `wipe` it when it isn't needed any more. */
export class Sm4 {
  readonly #round = new Int32Array(ROUNDS);

  /** From 16 bytes. Throws `sm4.key`. */
  constructor(key: Uint8Array) {
    if (key.length !== KEY_BYTES) throw refuse(SM4_TEXTS, "sm4.key", { bytes: key.length });
    const view = new DataView(key.buffer, key.byteOffset, KEY_BYTES);
    const k = SYSTEM.map((word, i) => word ^ view.getInt32(4 * i)) as [number, number, number, number];
    for (let i = 0; i < ROUNDS; i++) {
      const b = substitute(k[1] ^ k[2] ^ k[3] ^ (CONSTANTS[i] as number));
      const next = k[0] ^ b ^ rotate(b, 13) ^ rotate(b, 23);
      k.shift();
      k.push(next);
      this.#round[i] = next;
    }
  }

  /** Overwrites the round keys. */
  wipe(): void {
    this.#round.fill(0);
  }

  /** Encrypts one block of 16 bytes. */
  encryptBlock(block: Uint8Array): Uint8Array {
    const view = new DataView(block.buffer, block.byteOffset, BLOCK_BYTES);
    const [t0, t1, t2, t3] = TABLES;
    let a = view.getInt32(0);
    let b = view.getInt32(4);
    let c = view.getInt32(8);
    let d = view.getInt32(12);
    for (let i = 0; i < ROUNDS; i++) {
      const x = b ^ c ^ d ^ (this.#round[i] as number);
      const mixed =
        (t0[x >>> 24] as number) ^
        (t1[(x >>> 16) & 0xff] as number) ^
        (t2[(x >>> 8) & 0xff] as number) ^
        (t3[x & 0xff] as number);
      const next = a ^ mixed;
      a = b;
      b = c;
      c = d;
      d = next;
    }
    const result = new Uint8Array(BLOCK_BYTES);
    const to = new DataView(result.buffer);
    [d, c, b, a].forEach((word, i) => {
      to.setInt32(4 * i, word);
    });
    return result;
  }
}

/** Encrypts; the result is the ciphertext and its tag. */
export function gcmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = new Sm4(key);
  try {
    const text = counterMode(cipher, nonce, plain);
    return concat(text, tag(cipher, nonce, aad, text));
  } finally {
    cipher.wipe();
  }
}

/** Decrypts what `gcmSeal` made. Throws `sm4.sealed`. */
export function gcmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array {
  if (sealed.length < TAG_BYTES) throw refuse(SM4_TEXTS, "sm4.sealed");
  const cipher = new Sm4(key);
  try {
    const text = sealed.subarray(0, sealed.length - TAG_BYTES);
    const found = sealed.subarray(sealed.length - TAG_BYTES);
    if (!equal(tag(cipher, nonce, aad, text), found)) throw refuse(SM4_TEXTS, "sm4.sealed");
    return counterMode(cipher, nonce, text);
  } finally {
    cipher.wipe();
  }
}

function counterBlock(nonce: Uint8Array, counter: number): Uint8Array {
  if (nonce.length !== NONCE_BYTES) throw refuse(SM4_TEXTS, "sm4.nonce", { bytes: nonce.length });
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(nonce);
  new DataView(block.buffer).setUint32(NONCE_BYTES, counter);
  return block;
}

function counterMode(cipher: Sm4, nonce: Uint8Array, input: Uint8Array): Uint8Array {
  const output = new Uint8Array(input.length);
  for (let at = 0, counter = 2; at < input.length; at += BLOCK_BYTES, counter++) {
    const stream = cipher.encryptBlock(counterBlock(nonce, counter));
    const end = Math.min(at + BLOCK_BYTES, input.length);
    for (let i = at; i < end; i++) output[i] = (input[i] as number) ^ (stream[i - at] as number);
  }
  return output;
}

function tag(cipher: Sm4, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): Uint8Array {
  const ghash = new GHASH(
    cipher.encryptBlock(new Uint8Array(BLOCK_BYTES)),
    aad.length + text.length + BLOCK_BYTES,
  );
  const lengths = new Uint8Array(BLOCK_BYTES);
  const view = new DataView(lengths.buffer);
  view.setBigUint64(0, BigInt(aad.length) * 8n);
  view.setBigUint64(8, BigInt(text.length) * 8n);
  // Each part is padded with zeros to whole blocks (NIST SP 800-38D §7.1).
  const digest = ghash.update(aad).update(text).update(lengths).digest();
  ghash.destroy();
  const mask = cipher.encryptBlock(counterBlock(nonce, 1));
  return mask.map((byte, i) => byte ^ (digest[i] as number));
}
