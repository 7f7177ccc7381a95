// Products in Z[x]/(x^N + 1) modulo a prime that is 1 modulo 2N: a negacyclic number-theoretic transform.
//
// `forward` gives a polynomial's values at the odd powers of a primitive 2N-th root of unity, in
// bit-reversed order (Cooley and Tukey); `backward` is its inverse (Gentleman and Sande). Numbers are
// bigints below the prime, which has at most 54 bits.

/** `base^exponent` modulo a prime. */
export function power(base: bigint, exponent: bigint, prime: bigint): bigint {
  let [result, square] = [1n, base % prime];
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * square) % prime;
    square = (square * square) % prime;
  }
  return result;
}

/** Some primitive 2N-th root of unity. */
export function primitiveRoot(prime: bigint, n: number): bigint {
  for (let base = 2n; base < prime; base++) {
    const root = power(base, (prime - 1n) / BigInt(2 * n), prime);
    if (power(root, BigInt(n), prime) === prime - 1n) return root;
  }
  throw new Error(`${prime} isn't 1 modulo ${2 * n}`);
}

/** The index with its bits in reverse order. */
export function bitReversed(index: number, n: number): number {
  let reversed = 0;
  for (let bit = 1; bit < n; bit *= 2, index >>= 1) reversed = reversed * 2 + (index & 1);
  return reversed;
}

/** The transform of one ring. */
export class Transform {
  readonly prime: bigint;
  readonly n: number;
  readonly #roots: bigint[];
  readonly #inverseRoots: bigint[];
  readonly #inverseOfN: bigint;

  /** Of the ring of degree `n`, a power of two, modulo `prime`, at this root of unity. */
  constructor(prime: bigint, n: number, root: bigint) {
    this.prime = prime;
    this.n = n;
    this.#roots = this.#powers(root);
    this.#inverseRoots = this.#powers(power(root, prime - 2n, prime));
    this.#inverseOfN = power(BigInt(n), prime - 2n, prime);
  }

  #powers(root: bigint): bigint[] {
    const powers: bigint[] = [1n];
    for (let i = 1; i < this.n; i++) powers.push(((powers[i - 1] as bigint) * root) % this.prime);
    return powers.map((_, i) => powers[bitReversed(i, this.n)] as bigint);
  }

  /** Values of a polynomial, in place. */
  forward(a: bigint[]): bigint[] {
    const { prime, n } = this;
    for (let half = n / 2, groups = 1; half >= 1; half /= 2, groups *= 2) {
      for (let group = 0; group < groups; group++) {
        const root = this.#roots[groups + group] as bigint;
        const start = 2 * half * group;
        for (let i = start; i < start + half; i++) {
          const x = a[i] as bigint;
          const y = ((a[i + half] as bigint) * root) % prime;
          const sum = x + y;
          a[i] = sum >= prime ? sum - prime : sum;
          a[i + half] = x >= y ? x - y : x - y + prime;
        }
      }
    }
    return a;
  }

  /** The polynomial with these values, in place. */
  backward(a: bigint[]): bigint[] {
    const { prime, n } = this;
    for (let half = 1, groups = n / 2; half < n; half *= 2, groups /= 2) {
      for (let group = 0; group < groups; group++) {
        const root = this.#inverseRoots[groups + group] as bigint;
        const start = 2 * half * group;
        for (let i = start; i < start + half; i++) {
          const x = a[i] as bigint;
          const y = a[i + half] as bigint;
          const sum = x + y;
          a[i] = sum >= prime ? sum - prime : sum;
          a[i + half] = ((x >= y ? x - y : x - y + prime) * root) % prime;
        }
      }
    }
    for (let i = 0; i < n; i++) a[i] = ((a[i] as bigint) * this.#inverseOfN) % prime;
    return a;
  }

  /** The product of two polynomials. */
  product(a: readonly bigint[], b: readonly bigint[]): bigint[] {
    const [left, right] = [this.forward([...a]), this.forward([...b])];
    return this.backward(left.map((value, i) => (value * (right[i] as bigint)) % this.prime));
  }
}
