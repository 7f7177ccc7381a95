// BFV ciphertexts and their opening (Brakerski 2012; Fan and Vercauteren 2012).
//
//   ciphertext  c0 || c1, a polynomial each: c0 + c1 s = q/t m + noise
//   total       the constant coefficient of c0, 8 bytes big-endian for each modulus || c1
//   polynomial  a row of N coefficients for each modulus; on the wire each coefficient has as many bits as
//               a modulus, the lowest first, without gaps
//   slots       slot i < N/2 is the plaintext's value at root^(3^i), slot i + N/2 that at root^(-3^i)
//
// A total opens to the sum over all slots, N times the plaintext's constant coefficient, and needs no
// transform: the constant coefficient of c1 s is c1_0 s_0 - (c1_1 s_(N-1) + c1_2 s_(N-2) + …).

import type { Bfv } from "../parameters";
import { bitReversed, power, primitiveRoot, Transform } from "./transform";

/** A polynomial: its coefficients modulo each of the moduli. */
type Rows = readonly (readonly bigint[])[];
/** A ciphertext. */
export interface Ciphertext {
  readonly c0: Rows;
  readonly c1: Rows;
}
/** What is left of a ciphertext when only the sum over its slots is to be opened. */
export interface Total {
  readonly constants: readonly bigint[];
  readonly c1: Rows;
}

/** A parameter set with what is computed from it once. */
export class Ring {
  readonly numbers: Bfv;
  readonly #q: bigint;
  /** q/m times its inverse modulo m, for each modulus m: from residues to a number modulo q. */
  readonly #lifts: readonly bigint[];
  #transforms: readonly Transform[] | null = null;
  #slots: Transform | null = null;

  constructor(numbers: Bfv) {
    this.numbers = numbers;
    const q = numbers.moduli.reduce((product, modulus) => product * modulus, 1n);
    this.#q = q;
    this.#lifts = numbers.moduli.map((modulus) => {
      const others = q / modulus;
      return others * power(others % modulus, modulus - 2n, modulus);
    });
  }

  /** Length of a polynomial on the wire, in bytes. */
  get polynomialBytes(): number {
    const { n, modulusBits, moduli } = this.numbers;
    return (n * modulusBits * moduli.length) / 8;
  }

  /** Length of a ciphertext, in bytes. */
  get ciphertextBytes(): number {
    return 2 * this.polynomialBytes;
  }

  /** Length of a total, in bytes. */
  get totalBytes(): number {
    return 8 * this.numbers.moduli.length + this.polynomialBytes;
  }

  /** Reads a ciphertext; what is wrong with it otherwise. */
  readCiphertext(bytes: Uint8Array): Ciphertext | string {
    const expected = this.ciphertextBytes;
    if (bytes.length !== expected) return wrongLength("ciphertext", bytes.length, expected);
    const c0 = this.#unpack(bytes.subarray(0, expected / 2));
    const c1 = this.#unpack(bytes.subarray(expected / 2));
    return c0 && c1 ? { c0, c1 } : wrongRange("ciphertext");
  }

  /** Reads a total; what is wrong with it otherwise. */
  readTotal(bytes: Uint8Array): Total | string {
    const expected = this.totalBytes;
    if (bytes.length !== expected) return wrongLength("total", bytes.length, expected);
    const { moduli } = this.numbers;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const constants = moduli.map((_, i) => view.getBigUint64(8 * i));
    const c1 = this.#unpack(bytes.subarray(8 * moduli.length));
    const inRange = constants.every((constant, i) => constant < (moduli[i] as bigint));
    return c1 && inRange ? { constants, c1 } : wrongRange("total");
  }

  /** The values in all slots, centred around zero. */
  open(secret: Int8Array, { c0, c1 }: Ciphertext): bigint[] {
    const phases = this.#ringTransforms().map((transform, i) => {
      const s = Array.from(secret, (one) => (one < 0 ? transform.prime - 1n : BigInt(one)));
      const product = transform.product(c1[i] as bigint[], s);
      return product.map((value, k) => (value + (c0[i]?.[k] as bigint)) % transform.prime);
    });
    const plain = Array.from({ length: this.numbers.n }, (_, k) =>
      this.#unscale(phases.map((row) => row[k] as bigint)),
    );
    return this.#decode(plain);
  }

  /** The sum over all slots, centred around zero. */
  openTotal(secret: Int8Array, { constants, c1 }: Total): bigint {
    const { n, moduli, t } = this.numbers;
    const phase = moduli.map((modulus, i) => {
      const row = c1[i] as readonly bigint[];
      let sum = (constants[i] as bigint) + (row[0] as bigint) * BigInt(secret[0] as number);
      for (let k = 1; k < n; k++) {
        const s = secret[n - k] as number;
        if (s > 0) sum -= row[k] as bigint;
        else if (s < 0) sum += row[k] as bigint;
      }
      const rest = sum % modulus;
      return rest < 0n ? rest + modulus : rest;
    });
    return this.#centre((this.#unscale(phase) * BigInt(n)) % t);
  }

  /** round(t / q * x) modulo t, of the x with these residues. */
  #unscale(residues: readonly bigint[]): bigint {
    const x = residues.reduce((sum, residue, i) => sum + residue * (this.#lifts[i] as bigint), 0n) % this.#q;
    const { t } = this.numbers;
    return ((2n * t * x + this.#q) / (2n * this.#q)) % t;
  }

  #decode(plain: bigint[]): bigint[] {
    const { n, t, root } = this.numbers;
    this.#slots ??= new Transform(t, n, root);
    const values = this.#slots.forward(plain);
    const slots: bigint[] = new Array(n);
    for (let i = 0, exponent = 1; i < n / 2; i++, exponent = (exponent * 3) % (2 * n)) {
      slots[i] = this.#centre(values[bitReversed((exponent - 1) / 2, n)] as bigint);
      slots[i + n / 2] = this.#centre(values[bitReversed((2 * n - exponent - 1) / 2, n)] as bigint);
    }
    return slots;
  }

  #centre(value: bigint): bigint {
    const { t } = this.numbers;
    return value > t / 2n ? value - t : value;
  }

  #ringTransforms(): readonly Transform[] {
    const { n, moduli } = this.numbers;
    this.#transforms ??= moduli.map((modulus) => new Transform(modulus, n, primitiveRoot(modulus, n)));
    return this.#transforms;
  }

  /** Reads a polynomial; null if a coefficient isn't below its modulus. */
  #unpack(bytes: Uint8Array): bigint[][] | null {
    const { n, modulusBits, moduli } = this.numbers;
    const rowBytes = (n * modulusBits) / 8;
    const rows: bigint[][] = [];
    for (const [i, modulus] of moduli.entries()) {
      const row = unpackRow(bytes.subarray(i * rowBytes, (i + 1) * rowBytes), n, BigInt(modulusBits));
      if (row.some((coefficient) => coefficient >= modulus)) return null;
      rows.push(row);
    }
    return rows;
  }
}

function unpackRow(bytes: Uint8Array, n: number, bits: bigint): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const mask = (1n << bits) - 1n;
  const row: bigint[] = [];
  let [held, heldBits] = [0n, 0n];
  for (let at = 0; row.length < n; ) {
    if (heldBits < bits) {
      // A row is a whole number of words: N is a multiple of 64.
      held |= view.getBigUint64(at, true) << heldBits;
      heldBits += 64n;
      at += 8;
    }
    row.push(held & mask);
    held >>= bits;
    heldBits -= bits;
  }
  return row;
}

function wrongLength(what: string, found: number, expected: number): string {
  return `not a BFV ${what}: it has ${found} bytes, these parameters need ${expected}`;
}

function wrongRange(what: string): string {
  return `not a BFV ${what}: a coefficient isn't below its modulus`;
}
