// Small discrete logarithms on the SM2 curve: which m within a range has m * G = M.
//
// Baby steps and giant steps (Shanks): a table of j * G for 1 <= j <= B, found by x so that -j is found as
// well; then M - c * G for centres c that are 2B + 1 apart, from the range's middle outwards. What a sum
// of so many readings can be is a far smaller range than ±2^40, so the table is as large as the range
// needs, at most 2^19 points (8 MiB): milliseconds for a few thousand readings, seconds for ±2^40.
//
// Points are added affinely, many at a time with one inversion (Montgomery 1987, §10.3.1): a third of what
// complete formulas cost. All of it is public but the result, which its owner takes at home.

import { invert } from "@noble/curves/abstract/modular.js";

import { FIELD_PRIME as P, Point } from "../crypto/curve";

/** A point; null is infinity. */
type Affine = readonly [x: bigint, y: bigint] | null;
/** Entries of the largest table. */
const BABY_STEPS_MAX = 1 << 19;
/** Giant steps that share an inversion. */
const BLOCK = 512;
/** What a place's fingerprint is taken from. */
const WORD = (1n << 32n) - 1n;

const GENERATOR: Affine = [Point.BASE.x, Point.BASE.y];

function reduce(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function negate(point: Affine): Affine {
  return point && [point[0], point[1] === 0n ? 0n : P - point[1]];
}

/** What must be inverted to add two points; 1 where nothing must. */
function denominator(a: Affine, b: Affine): bigint {
  if (!a || !b) return 1n;
  if (a[0] !== b[0]) return reduce(b[0] - a[0]);
  return a[1] === b[1] ? reduce(2n * a[1]) : 1n;
}

/** The sum of two points, given the inverse of their denominator. */
function addWith(a: Affine, b: Affine, inverse: bigint): Affine {
  if (!a) return b;
  if (!b) return a;
  const [x1, y1] = a;
  const [x2, y2] = b;
  if (x1 === x2 && y1 !== y2) return null;
  const slope = ((x1 === x2 ? 3n * (x1 * x1 - 1n) : y2 - y1) * inverse) % P;
  const x = reduce(slope * slope - x1 - x2);
  return [x, reduce(slope * (x1 - x) - y1)];
}

/** Adds `other` to each of `points`, with one inversion for all. */
function addToAll(points: readonly Affine[], other: Affine): Affine[] {
  const products: bigint[] = [];
  let product = 1n;
  const denominators = points.map((point) => {
    products.push(product);
    const value = denominator(point, other);
    product = (product * value) % P;
    return value;
  });
  let inverse = points.length === 0 ? 1n : invert(product, P);
  const sums: Affine[] = new Array(points.length);
  for (let i = points.length - 1; i >= 0; i--) {
    sums[i] = addWith(points[i] as Affine, other, (inverse * (products[i] as bigint)) % P);
    inverse = (inverse * (denominators[i] as bigint)) % P;
  }
  return sums;
}

function add(a: Affine, b: Affine): Affine {
  return addToAll([a], b)[0] as Affine;
}

/** `factor * G`. */
function multiple(factor: bigint): Affine {
  if (factor === 0n) return null;
  const point = Point.BASE.multiplyUnsafe(factor < 0n ? -factor : factor);
  const affine: Affine = [point.x, point.y];
  return factor < 0n ? negate(affine) : affine;
}

/** `1 * point` … `count * point`. */
function multiples(point: Affine, count: number): Affine[] {
  const list = [point];
  while (list.length < count) {
    const take = Math.min(list.length, count - list.length);
    for (const next of addToAll(list.slice(0, take), list.at(-1) as Affine)) list.push(next);
  }
  return list;
}

/** The baby steps: open addressing, half of the places empty; j and 32 bits of x beside it. */
class Table {
  readonly steps: number;
  readonly #mask: number;
  readonly #numbers: Uint32Array;
  readonly #prints: Uint32Array;

  constructor(steps: number) {
    this.steps = steps;
    let places = 2;
    while (places < 2 * steps) places *= 2;
    this.#mask = places - 1;
    this.#numbers = new Uint32Array(places);
    this.#prints = new Uint32Array(places);
    // In blocks, so that no list of points is ever longer than one.
    const block = multiples(GENERATOR, Math.min(BLOCK, steps));
    const leap = block.at(-1) as Affine;
    let [points, first] = [block, 1];
    for (;;) {
      for (let i = 0; i < points.length && first + i <= steps; i++) this.#put(points[i] as Affine, first + i);
      first += points.length;
      if (first > steps) return;
      points = addToAll(points, leap);
    }
  }

  #put(point: Affine, number: number): void {
    const x = point?.[0] ?? 0n;
    let at = Number(x & WORD) & this.#mask;
    while (this.#numbers[at] !== 0) at = (at + 1) & this.#mask;
    this.#numbers[at] = number;
    this.#prints[at] = Number((x >> 32n) & WORD);
  }

  /** The j that may have this x; whoever asks checks. */
  find(point: Affine): number[] {
    if (!point) return [0];
    const print = Number((point[0] >> 32n) & WORD);
    const found: number[] = [];
    let at = Number(point[0] & WORD) & this.#mask;
    for (; this.#numbers[at] !== 0; at = (at + 1) & this.#mask) {
      if (this.#prints[at] === print) found.push(this.#numbers[at] as number);
    }
    return found;
  }
}

let table: Table | null = null;

/** A table of at least so many steps; the largest one is kept. */
function tableOf(steps: number): Table {
  if (!table || table.steps < steps) table = new Table(steps);
  return table;
}

/** The m from `low` to `high` with m * G = `point` (its coordinates; null is infinity), if there is one. */
export function smallLogarithm(point: Affine, low: bigint, high: bigint): bigint | null {
  if (low > high) return null;
  const width = high - low + 1n;
  const wanted = Math.ceil(Math.sqrt(Number(width)));
  const babies = tableOf(Math.max(16, Math.min(wanted, BABY_STEPS_MAX)));
  const stride = BigInt(2 * babies.steps + 1);
  const middle = low + width / 2n;
  const centred = add(point, multiple(-middle));
  // Centres middle + k stride, k = 0, 1, …, of the point and of its negative.
  const giants = Number(width / 2n / stride) + 2;
  const offsets = [null, ...multiples(multiple(-stride), Math.min(BLOCK, giants))].slice(0, BLOCK);
  const leap = multiple(-stride * BigInt(offsets.length));
  let [up, down] = [centred, negate(centred)];
  for (let first = 0; first < giants; first += offsets.length) {
    for (const [from, sign] of [
      [up, 1n],
      [down, -1n],
    ] as const) {
      const found = search(babies, addToAll(offsets, from), BigInt(first) * stride, stride, centred, sign);
      const m = found === null ? null : middle + found;
      if (m !== null && m >= low && m <= high) return m;
    }
    up = add(up, leap);
    down = add(down, leap);
  }
  return null;
}

/** The distance from the middle of a centred point, if one of these shifted points is in the table. */
function search(
  babies: Table,
  shifted: readonly Affine[],
  first: bigint,
  stride: bigint,
  centred: Affine,
  sign: bigint,
): bigint | null {
  for (const [k, one] of shifted.entries()) {
    const centre = first + BigInt(k) * stride;
    for (const j of babies.find(one)) {
      for (const distance of [centre + BigInt(j), centre - BigInt(j)]) {
        if (same(multiple(sign * distance), centred)) return sign * distance;
      }
    }
  }
  return null;
}

function same(a: Affine, b: Affine): boolean {
  return a && b ? a[0] === b[0] && a[1] === b[1] : a === b;
}
