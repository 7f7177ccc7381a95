// BFV keys and encryption for tests, from the module docs of the Rust crate, with the random bytes that
// its vectors are made with: so that what is opened is what Rust would have made, byte for byte.

import { bitReversed, power, primitiveRoot, Transform } from "../compute/bfv/transform";
import type { Bfv } from "../compute/parameters";
import { concat, u64, utf8 } from "../crypto/bytes";
import { sm3 } from "../crypto/sm3";

/** Random bytes that any implementation can make: SM3(seed || counter), one block after the other. */
export class Fixed {
  readonly #seed: Uint8Array;
  #counter = 0n;
  #left: number[] = [];

  constructor(seed: string) {
    this.#seed = utf8(seed);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => {
      if (this.#left.length === 0) this.#left = [...sm3(this.#seed, u64(this.#counter++))].reverse();
      return this.#left.pop() as number;
    });
  }

  word(): bigint {
    return new DataView(this.bytes(8).buffer).getBigUint64(0, true);
  }
}

type Rows = bigint[][];

/** An owner and its devices. */
export class Scheme {
  readonly numbers: Bfv;
  readonly secret: number[];
  readonly publicBytes: Uint8Array;
  readonly #rng: Fixed;
  readonly #transforms: Transform[];
  readonly #a: Rows;
  readonly #b: Rows;

  constructor(numbers: Bfv, rng: Fixed) {
    this.numbers = numbers;
    this.#rng = rng;
    const { n, moduli } = numbers;
    this.#transforms = moduli.map((modulus) => new Transform(modulus, n, primitiveRoot(modulus, n)));
    this.secret = this.#ternary();
    const seed = rng.bytes(32);
    this.#a = this.#uniform(seed);
    this.#b = this.#sample(this.#a);
    this.publicBytes = concat(seed, this.pack(this.#b));
    // The evaluation key draws a seed and an error for each modulus; nothing here needs it.
    if (moduli.length > 2) {
      rng.bytes(32);
      for (const _ of moduli) this.#error();
    }
  }

  get secretBytes(): Uint8Array {
    return Uint8Array.from({ length: this.numbers.n / 4 }, (_, i) =>
      [0, 1, 2, 3].reduce((byte, k) => {
        const coefficient = this.secret[4 * i + k] as number;
        return byte | ((coefficient < 0 ? 2 : coefficient) << (2 * k));
      }, 0),
    );
  }

  /** -(a s + e). */
  #sample(a: Rows): Rows {
    const error = this.#error();
    return this.#times(a, this.secret).map((row, i) =>
      row.map((value, k) => this.#mod(i, -value - BigInt(error[k] as number))),
    );
  }

  /** Encrypts values into slots. */
  encrypt(values: readonly bigint[]): { c0: Rows; c1: Rows } {
    const u = this.#ternary();
    const [first, second] = [this.#error(), this.#error()];
    const plain = this.encode(values);
    const { moduli, t } = this.numbers;
    const q = moduli.reduce((product, modulus) => product * modulus, 1n);
    // q/t m, rounded down: (q m - (q m mod t)) / t.
    const scaled = plain.map((m) => (q * m - ((q * m) % t)) / t);
    const c0 = this.#times(this.#b, u).map((row, i) =>
      row.map((value, k) => this.#mod(i, value + BigInt(first[k] as number) + (scaled[k] as bigint))),
    );
    const c1 = this.#times(this.#a, u).map((row, i) =>
      row.map((value, k) => this.#mod(i, value + BigInt(second[k] as number))),
    );
    return { c0, c1 };
  }

  /** The polynomial whose values at the slots' roots these are. */
  encode(values: readonly bigint[]): bigint[] {
    const { n, t, root } = this.numbers;
    const spread: bigint[] = new Array(n).fill(0n);
    for (let i = 0, exponent = 1; i < n / 2; i++, exponent = (exponent * 3) % (2 * n)) {
      for (const [slot, at] of [
        [i, exponent],
        [i + n / 2, 2 * n - exponent],
      ] as const) {
        const value = (values[slot] ?? 0n) % t;
        spread[bitReversed((at - 1) / 2, n)] = value < 0n ? value + t : value;
      }
    }
    return new Transform(t, n, root).backward(spread);
  }

  /** The wire form of a ciphertext. */
  ciphertextBytes({ c0, c1 }: { c0: Rows; c1: Rows }): Uint8Array {
    return concat(this.pack(c0), this.pack(c1));
  }

  /** The wire form of what is left when only the sum over the slots is wanted. */
  totalBytes({ c0, c1 }: { c0: Rows; c1: Rows }): Uint8Array {
    return concat(...c0.map((row) => u64(row[0] as bigint)), this.pack(c1));
  }

  /** A sum of ciphertexts. */
  add(one: { c0: Rows; c1: Rows }, other: { c0: Rows; c1: Rows }) {
    const sum = (a: Rows, b: Rows) =>
      a.map((row, i) => row.map((value, k) => this.#mod(i, value + (b[i]?.[k] as bigint))));
    return { c0: sum(one.c0, other.c0), c1: sum(one.c1, other.c1) };
  }

  pack(rows: Rows): Uint8Array {
    const { n, modulusBits } = this.numbers;
    return concat(
      ...rows.map((row) => {
        const bytes = new Uint8Array((n * modulusBits) / 8);
        let [held, bits, at] = [0n, 0, 0];
        for (const coefficient of row) {
          held |= coefficient << BigInt(bits);
          bits += modulusBits;
          for (; bits >= 8; bits -= 8, held >>= 8n) bytes[at++] = Number(held & 0xffn);
        }
        return bytes;
      }),
    );
  }

  #mod(row: number, value: bigint): bigint {
    const modulus = this.numbers.moduli[row] as bigint;
    const rest = value % modulus;
    return rest < 0n ? rest + modulus : rest;
  }

  #times(rows: Rows, small: readonly number[]): Rows {
    return this.#transforms.map((transform, i) =>
      transform.product(
        rows[i] as bigint[],
        small.map((value) => this.#mod(i, BigInt(value))),
      ),
    );
  }

  #ternary(): number[] {
    return Array.from({ length: this.numbers.n }, () => Number((this.#rng.word() * 3n) >> 64n) - 1);
  }

  #error(): number[] {
    const ones = (value: bigint) => value.toString(2).replace(/0/g, "").length;
    const mask = (1n << 21n) - 1n;
    return Array.from({ length: this.numbers.n }, () => {
      const word = this.#rng.word();
      return ones(word & mask) - ones((word >> 21n) & mask);
    });
  }

  #uniform(seed: Uint8Array): Rows {
    const { n, moduli, modulusBits } = this.numbers;
    const mask = (1n << BigInt(modulusBits)) - 1n;
    const number = (value: number) => u64(BigInt(value)).subarray(4);
    return moduli.map((modulus, row) => {
      const values: bigint[] = [];
      for (let block = 0; values.length < n; block++) {
        const digest = sm3(utf8("sealwire uniform"), seed, number(0), number(row), number(block));
        for (let at = 0; at < 32 && values.length < n; at += 8) {
          const word = new DataView(digest.buffer).getBigUint64(at, true) & mask;
          if (word < modulus) values.push(word);
        }
      }
      return values;
    });
  }
}

/** Whether a root has the order that it should. */
export function isPrimitive(root: bigint, numbers: Bfv): boolean {
  return power(root, BigInt(numbers.n), numbers.t) === numbers.t - 1n;
}
