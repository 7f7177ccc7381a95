// DER (X.690), as far as certificates and key files need it: definite lengths in their shortest form,
// tags of one byte, integers and object identifiers in their shortest form. Everything else is refused.

import { concat } from "./bytes";
import { type Refusal, refuse, type Texts } from "./refusal";

/** Texts of this module's refusals. */
export const DER_TEXTS = { "der.malformed": "not DER: {detail}, at byte {at}" } as const satisfies Texts;

/** Tags. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8: 0x0c,
  printable: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** Context-specific, constructed, of this number. */
  context: (number: number) => 0xa0 | number,
  /** Context-specific, primitive, of this number. */
  implicit: (number: number) => 0x80 | number,
} as const;

/** One element: its tag, its content, and all its bytes. */
export interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

/** Reads elements one after the other. */
export class Der {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Reads bytes that are exactly one sequence; its content. */
  static sequence(bytes: Uint8Array): Der {
    const outer = new Der(bytes);
    const inner = outer.enter(TAG.sequence);
    outer.end();
    return inner;
  }

  malformed(detail: string): Refusal {
    return refuse(DER_TEXTS, "der.malformed", { detail, at: this.#at });
  }

  /** Whether an element with this tag comes next. */
  next(tag: number): boolean {
    return this.#bytes[this.#at] === tag;
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Refuses anything that is left. */
  end(): void {
    if (!this.done) throw this.malformed("bytes follow");
  }

  /** The next element, of this tag if one is given. */
  take(tag?: number): Element {
    const start = this.#at;
    const found = this.#byte();
    if (tag !== undefined && found !== tag) {
      this.#at = start;
      throw this.malformed(`tag 0x${tag.toString(16)} is needed, not 0x${found.toString(16)}`);
    }
    if ((found & 0x1f) === 0x1f) throw this.malformed("a tag of more than one byte");
    const length = this.#length();
    if (length > this.#bytes.length - this.#at) throw this.malformed("the bytes end");
    const from = this.#at;
    this.#at += length;
    return {
      tag: found,
      content: this.#bytes.subarray(from, this.#at),
      whole: this.#bytes.subarray(start, this.#at),
    };
  }

  /** Enters the next element, of this tag. */
  enter(tag: number): Der {
    return new Der(this.take(tag).content);
  }

  /** An object identifier, as `1.2.840…`. */
  oid(): string {
    return oidText(this.take(TAG.oid).content, this);
  }

  /** A number that isn't negative, big-endian without leading zeros (zero is empty). */
  unsigned(): Uint8Array {
    const { content } = this.take(TAG.integer);
    const [first, second] = content;
    if (first === undefined || first > 0x7f) throw this.malformed("an integer that is empty or negative");
    if (first === 0 && second !== undefined && second <= 0x7f)
      throw this.malformed("an integer with a needless zero");
    return first === 0 ? content.subarray(1) : content;
  }

  /** A number below 2^31. */
  small(): number {
    const bytes = this.unsigned();
    if (bytes.length > 4 || (bytes.length === 4 && (bytes[0] as number) > 0x7f))
      throw this.malformed("a number that is too large");
    return bytes.reduce((value, byte) => value * 256 + byte, 0);
  }

  /** A bit string without unused bits. */
  bits(): Uint8Array {
    const { content } = this.take(TAG.bits);
    if (content[0] !== 0) throw this.malformed("a bit string that isn't whole bytes");
    return content.subarray(1);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.malformed("the bytes end");
    this.#at += 1;
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const size = first & 0x7f;
    if (size === 0 || size > 3) throw this.malformed("a length that is indefinite or beyond 16 MiB");
    let length = 0;
    for (let i = 0; i < size; i++) length = length * 256 + this.#byte();
    const least = size === 1 ? 0x80 : 256 ** (size - 1);
    if (length < least) throw this.malformed("a length that isn't in its shortest form");
    return length;
  }
}

function oidText(content: Uint8Array, from: Der): string {
  const arcs: number[] = [];
  let value = 0;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80) throw from.malformed("an object identifier with a needless zero");
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER) throw from.malformed("an object identifier that is too large");
    fresh = byte < 0x80;
    if (fresh) {
      arcs.push(value);
      value = 0;
    }
  }
  const first = arcs[0];
  if (first === undefined || !fresh) throw from.malformed("an object identifier that ends early");
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - 40 * top, ...arcs.slice(1)].join(".");
}

/** An element. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = concat(...contents);
  const { length } = content;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  if (length > 0xffff) throw new RangeError("an element of more than 65,535 bytes");
  return concat(Uint8Array.of(tag, ...head), content);
}

/** An object identifier. */
export function derOid(text: string): Uint8Array {
  const [top = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [40 * top + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return der(TAG.oid, Uint8Array.from(bytes));
}

/** A number that isn't negative, from its big-endian bytes. */
export function derUnsigned(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const digits = bytes.length === 0 ? Uint8Array.of(0) : bytes.subarray(start);
  return der(TAG.integer, (digits[0] as number) > 0x7f ? concat(Uint8Array.of(0), digits) : digits);
}
