// SM3 digests (GB/T 32905-2016), 32 bytes, and HMAC over them (RFC 2104).

/** Length of a digest in bytes. */
export const DIGEST_BYTES = 32;
/** Length of a block in bytes. */
const BLOCK_BYTES = 64;

const INITIAL = [
  0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
];

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

// T_j rotated by j mod 32 (§4.2, §5.3.3).
const ROUND = Int32Array.from({ length: 64 }, (_, j) => rotate(j < 16 ? 0x79cc4519 : 0x7a879d8a, j % 32));

/** SM3 over data that comes in pieces. */
export class Sm3 {
  readonly #state = Int32Array.from(INITIAL);
  readonly #block = new Uint8Array(BLOCK_BYTES);
  readonly #view = new DataView(this.#block.buffer);
  /** The expanded message: W_0 … W_67. */
  readonly #words = new Int32Array(68);
  #filled = 0;
  #length = 0;

  /** Feeds `data`. */
  update(data: Uint8Array): this {
    this.#length += data.length;
    let at = 0;
    while (at < data.length) {
      const take = Math.min(BLOCK_BYTES - this.#filled, data.length - at);
      this.#block.set(data.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
      if (this.#filled === BLOCK_BYTES) this.#compress();
    }
    return this;
  }

  /** The digest of everything fed; feed no more. */
  digest(): Uint8Array {
    const bits = BigInt(this.#length) * 8n;
    this.#block[this.#filled++] = 0x80;
    if (this.#filled > BLOCK_BYTES - 8) {
      this.#block.fill(0, this.#filled);
      this.#compress();
    }
    this.#block.fill(0, this.#filled, BLOCK_BYTES - 8);
    this.#view.setBigUint64(BLOCK_BYTES - 8, bits);
    this.#compress();
    const digest = new Uint8Array(DIGEST_BYTES);
    const view = new DataView(digest.buffer);
    this.#state.forEach((word, i) => {
      view.setInt32(4 * i, word);
    });
    this.#words.fill(0);
    return digest;
  }

  #compress(): void {
    this.#expand();
    const w = this.#words;
    const state = this.#state;
    let [a, b, c, d, e, f, g, h] = state as unknown as Eight;
    for (let j = 0; j < 64; j++) {
      const a12 = rotate(a, 12);
      const ss1 = rotate((a12 + e + (ROUND[j] as number)) | 0, 7);
      const ss2 = ss1 ^ a12;
      const wj = w[j] as number;
      const first = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
      const second = j < 16 ? e ^ f ^ g : (e & f) | (~e & g);
      const tt1 = (first + d + ss2 + (wj ^ (w[j + 4] as number))) | 0;
      const tt2 = (second + h + ss1 + wj) | 0;
      d = c;
      c = rotate(b, 9);
      b = a;
      a = tt1;
      h = g;
      g = rotate(f, 19);
      f = e;
      e = tt2 ^ rotate(tt2, 9) ^ rotate(tt2, 17);
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => {
      state[i] = (state[i] as number) ^ word;
    });
    this.#filled = 0;
  }

  #expand(): void {
    const w = this.#words;
    for (let j = 0; j < 16; j++) w[j] = this.#view.getInt32(4 * j);
    for (let j = 16; j < 68; j++) {
      const x = (w[j - 16] as number) ^ (w[j - 9] as number) ^ rotate(w[j - 3] as number, 15);
      const mixed = x ^ rotate(x, 15) ^ rotate(x, 23);
      w[j] = mixed ^ rotate(w[j - 13] as number, 7) ^ (w[j - 6] as number);
    }
  }
}

type Eight = [number, number, number, number, number, number, number, number];

/** The digest of the concatenation of `parts`. */
export function sm3(...parts: readonly Uint8Array[]): Uint8Array {
  const hasher = new Sm3();
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

/** HMAC-SM3. */
export function hmacSm3(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(key.length > BLOCK_BYTES ? sm3(key) : key);
  const inner = sm3(
    block.map((byte) => byte ^ 0x36),
    ...parts,
  );
  const outer = sm3(
    block.map((byte) => byte ^ 0x5c),
    inner,
  );
  block.fill(0);
  return outer;
}
