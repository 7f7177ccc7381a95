// One encoding for everything: deterministic CBOR (RFC 8949 §4.2.1).
//
// A format is written down once, as a codec, which reads and writes it. A structure is an array of its
// fields; an absent field is null, and at the end of an array it is left out; an enumeration with
// content is `[variant, [content]]`, one without is its number. Integers and lengths have their
// shortest form, lengths are definite.
//
// `decode` accepts exactly what `encode` writes. No length is believed before its bytes are there, so
// hostile bytes cost no more than their own length. With a trace it also says where each field lies.

import { concat, equal, fromUtf8, utf8 } from "../crypto/bytes";
import { PUBLIC_KEY_BYTES, type PublicKey, publicKey } from "../crypto/curve";
import { Refusal, refuse, type Texts } from "../crypto/refusal";
import { SIGNATURE_BYTES } from "../crypto/sm2";
import { DIGEST_BYTES } from "../crypto/sm3";

/** Texts of this module's refusals. */
export const CBOR_TEXTS = {
  "cbor.malformed": "not a valid {what}: {detail}, at byte {at}",
  "cbor.canonical": "{what} isn't in deterministic CBOR (RFC 8949 §4.2.1), at byte {at}: {detail}",
  "cbor.trailing": "{bytes} bytes follow the {what}",
  "cbor.long": "{what} has {bytes} bytes, the limit is {limit}",
} as const satisfies Texts;

/** Where a field lies: `end` is one past its last byte, the field's CBOR head included. */
export interface Span {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

const MAJOR = { uint: 0, nint: 1, bytes: 2, text: 3, array: 4, map: 5, simple: 7 } as const;
const NULL = 0xf6;

/** Bytes that are being read. */
export class Reader {
  readonly bytes: Uint8Array;
  /** What is being read, for errors. */
  readonly what: string;
  /** Fields read so far, if they are wanted. */
  readonly spans: Span[] | null;
  at = 0;
  path = "";

  constructor(bytes: Uint8Array, what: string, spans: Span[] | null = null) {
    this.bytes = bytes;
    this.what = what;
    this.spans = spans;
  }

  malformed(detail: string): Refusal {
    return refuse(CBOR_TEXTS, "cbor.malformed", { what: this.what, detail, at: this.at });
  }

  uncanonical(detail: string): Refusal {
    return refuse(CBOR_TEXTS, "cbor.canonical", { what: this.what, detail, at: this.at });
  }

  peek(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw this.malformed("the bytes end");
    return byte;
  }

  /** Takes `count` bytes. */
  take(count: number): Uint8Array {
    if (count > this.bytes.length - this.at) throw this.malformed("the bytes end");
    const taken = this.bytes.subarray(this.at, this.at + count);
    this.at += count;
    return taken;
  }

  /** Whether null comes next; takes it. */
  takeNull(): boolean {
    if (this.peek() !== NULL) return false;
    this.at += 1;
    return true;
  }

  /** The argument of a head of this major type, in its shortest form. */
  argument(major: number, name: string): bigint {
    const head = this.peek();
    if (head >> 5 !== major) throw this.malformed(`${name} is needed`);
    const low = head & 0x1f;
    if (low < 24) {
      this.at += 1;
      return BigInt(low);
    }
    if (low === 31) throw this.uncanonical("lengths must be definite");
    if (low > 27) throw this.malformed("a reserved head");
    const size = 1 << (low - 24);
    const start = this.at;
    this.at += 1;
    let value = 0n;
    for (const byte of this.take(size)) value = (value << 8n) | BigInt(byte);
    const least = size === 1 ? 24n : 1n << BigInt(4 * size);
    if (value < least) {
      this.at = start;
      throw this.uncanonical("numbers must be in their shortest form");
    }
    return value;
  }

  /** A length that can't be more than the bytes that are left. */
  length(major: number, name: string): number {
    const length = this.argument(major, name);
    if (length > BigInt(this.bytes.length - this.at)) throw this.malformed("the bytes end");
    return Number(length);
  }

  /** Reads a part under its own name. */
  within<T>(name: string, read: () => T): T {
    if (!this.spans) return read();
    const [path, start] = [this.path, this.at];
    this.path = path === "" ? name : `${path}.${name}`;
    const value = read();
    this.spans.push({ path: this.path, start, end: this.at });
    this.path = path;
    return value;
  }
}

/** Bytes that are being written. */
export class Writer {
  readonly #parts: Uint8Array[] = [];

  put(part: Uint8Array): void {
    this.#parts.push(part);
  }

  head(major: number, value: bigint): void {
    const top = major << 5;
    if (value < 24n) {
      this.put(Uint8Array.of(top | Number(value)));
      return;
    }
    const size = value < 0x100n ? 1 : value < 0x10000n ? 2 : value < 0x100000000n ? 4 : 8;
    const bytes = new Uint8Array(1 + size);
    bytes[0] = top | (24 + Math.log2(size));
    for (let i = size; i > 0; i--, value >>= 8n) bytes[i] = Number(value & 0xffn);
    this.put(bytes);
  }

  null(): void {
    this.put(Uint8Array.of(NULL));
  }

  bytes(): Uint8Array {
    return concat(...this.#parts);
  }
}

/** Reads and writes one format. */
export interface Codec<T> {
  /** Reads a value; throws a refusal. */
  readonly read: (from: Reader) => T;
  /** Writes a value. */
  readonly write: (value: T, to: Writer) => void;
  /** Whether null stands for 'absent'. */
  readonly optional?: boolean;
}
/** What a codec reads. */
export type Decoded<C> = C extends Codec<infer T> ? T : never;

/** The one encoding of a value. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const to = new Writer();
  codec.write(value, to);
  return to.bytes();
}

/** The value of bytes, at most `limit` of them. Throws `cbor.*`. Fields' places go to `spans`. */
export function decode<T>(
  codec: Codec<T>,
  what: string,
  bytes: Uint8Array,
  limit: number,
  spans: Span[] | null = null,
): T {
  if (bytes.length > limit) throw refuse(CBOR_TEXTS, "cbor.long", { what, bytes: bytes.length, limit });
  const from = new Reader(bytes, what, spans);
  const value = codec.read(from);
  const rest = bytes.length - from.at;
  if (rest > 0) throw refuse(CBOR_TEXTS, "cbor.trailing", { what, bytes: rest });
  // The codecs refuse what isn't canonical; this holds them to it.
  if (!equal(encode(codec, value), bytes)) throw from.uncanonical("it would be written otherwise");
  return value;
}

function unsigned(bits: number): Codec<bigint> {
  const end = 1n << BigInt(bits);
  return {
    read: (from) => {
      const value = from.argument(MAJOR.uint, "an unsigned number");
      if (value >= end) throw from.malformed(`a number below 2^${bits} is needed`);
      return value;
    },
    write: (value, to) => {
      if (value < 0n || value >= end) throw new RangeError(`${value} doesn't fit ${bits} bits`);
      to.head(MAJOR.uint, value);
    },
  };
}

function small(bits: number): Codec<number> {
  const wide = unsigned(bits);
  return { read: (from) => Number(wide.read(from)), write: (value, to) => wide.write(BigInt(value), to) };
}

/** Unsigned, 8 bits. */
export const u8 = small(8);
/** Unsigned, 16 bits. */
export const u16 = small(16);
/** Unsigned, 32 bits. */
export const u32 = small(32);
/** Unsigned, 64 bits. */
export const u64 = unsigned(64);

/** Signed, 64 bits. */
export const i64: Codec<bigint> = {
  read: (from) => {
    const negative = from.peek() >> 5 === MAJOR.nint;
    const value = from.argument(negative ? MAJOR.nint : MAJOR.uint, "a number");
    if (value >= 1n << 63n) throw from.malformed("a signed number of 64 bits is needed");
    return negative ? -1n - value : value;
  },
  write: (value, to) => to.head(value < 0n ? MAJOR.nint : MAJOR.uint, value < 0n ? -1n - value : value),
};

/** True or false. */
export const bool: Codec<boolean> = {
  read: (from) => {
    const byte = from.peek();
    if (byte !== 0xf4 && byte !== 0xf5) throw from.malformed("true or false is needed");
    from.at += 1;
    return byte === 0xf5;
  },
  write: (value, to) => to.put(Uint8Array.of(value ? 0xf5 : 0xf4)),
};

/** A byte string of any length. */
export const blob: Codec<Uint8Array> = {
  read: (from) => from.take(from.length(MAJOR.bytes, "a byte string")),
  write: (value, to) => {
    to.head(MAJOR.bytes, BigInt(value.length));
    to.put(value);
  },
};

/** A byte string of exactly so many bytes. */
export function bytes(length: number): Codec<Uint8Array> {
  return {
    read: (from) => {
      const value = blob.read(from);
      if (value.length !== length) throw from.malformed(`${length} bytes are needed, not ${value.length}`);
      return value;
    },
    write: (value, to) => {
      if (value.length !== length) throw new RangeError(`${length} bytes are needed, not ${value.length}`);
      blob.write(value, to);
    },
  };
}

/** An SM3 digest. */
export const digest = bytes(DIGEST_BYTES);
/** An SM2 signature. */
export const signature = bytes(SIGNATURE_BYTES);

/** A public key: 33 bytes of a point on the curve. */
export const key: Codec<PublicKey> = {
  read: (from) => {
    const value = bytes(PUBLIC_KEY_BYTES).read(from);
    try {
      return publicKey(value);
    } catch (error) {
      throw from.malformed(error instanceof Refusal ? error.message : "not a public key");
    }
  },
  write: (value, to) => blob.write(value.bytes, to),
};

/** A text string, held to `check`, which says what would be right, or null if it is. */
export function text<T extends string>(check: (text: string) => string | null = () => null): Codec<T> {
  return {
    read: (from) => {
      const raw = from.take(from.length(MAJOR.text, "a text string"));
      let value: string;
      try {
        value = fromUtf8(raw);
      } catch {
        throw from.malformed("a text that isn't UTF-8");
      }
      const rule = check(value);
      if (rule !== null) throw from.malformed(`'${[...value].slice(0, 80).join("")}' is not ${rule}`);
      return value as T;
    },
    write: (value, to) => {
      const raw = utf8(value);
      to.head(MAJOR.text, BigInt(raw.length));
      to.put(raw);
    },
  };
}

/** A list. */
export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    read: (from) => {
      const length = from.length(MAJOR.array, "an array");
      const items: T[] = [];
      for (let i = 0; i < length; i++) items.push(from.within(String(i), () => item.read(from)));
      return items;
    },
    write: (value, to) => {
      to.head(MAJOR.array, BigInt(value.length));
      for (const one of value) item.write(one, to);
    },
  };
}

/** A field that may be absent: null. */
export function optional<T>(of: Codec<T>): Codec<T | null> {
  return {
    optional: true,
    read: (from) => (from.takeNull() ? null : of.read(from)),
    write: (value, to) => {
      if (value === null) to.null();
      else of.write(value, to);
    },
  };
}

/** What a structure of these fields reads. */
export type Struct<F> = { readonly [K in keyof F]: Decoded<F[K]> };

/** A structure: an array of its fields, in this order. */
// biome-ignore lint/suspicious/noExplicitAny: the type of each field follows from its codec
export function struct<F extends Readonly<Record<string, Codec<any>>>>(fields: F): Codec<Struct<F>> {
  const names = Object.keys(fields);
  const codecs = Object.values(fields) as Codec<unknown>[];
  return {
    read: (from) => {
      const count = from.length(MAJOR.array, "an array");
      if (count > names.length)
        throw from.malformed(`an array of ${names.length} is needed, not of ${count}`);
      const value: Record<string, unknown> = {};
      codecs.forEach((codec, i) => {
        const name = names[i] as string;
        if (i < count) value[name] = from.within(name, () => codec.read(from));
        else if (codec.optional) value[name] = null;
        else throw from.malformed(`an array of ${names.length} is needed, not of ${count}`);
      });
      const last = names[count - 1];
      if (last !== undefined && value[last] === null)
        throw from.uncanonical("an absent last field is left out");
      return value as Struct<F>;
    },
    write: (value, to) => {
      const values = names.map((name) => value[name as keyof F] as unknown);
      let count = names.length;
      while (count > 0 && codecs[count - 1]?.optional && values[count - 1] === null) count -= 1;
      to.head(MAJOR.array, BigInt(count));
      for (let i = 0; i < count; i++) codecs[i]?.write(values[i], to);
    },
  };
}

/** What an enumeration with content reads: which variant, and its content. */
export type Variant<V> = { [K in keyof V]: { readonly kind: K; readonly content: Decoded<V[K]> } }[keyof V];

/** An enumeration with content: `[number, content]`, the content a structure. */
// biome-ignore lint/suspicious/noExplicitAny: the type of each content follows from its codec
export function variants<V extends Readonly<Record<string, readonly [number, Codec<any>]>>>(
  table: V,
): Codec<Variant<{ [K in keyof V]: V[K][1] }>> {
  type Value = Variant<{ [K in keyof V]: V[K][1] }>;
  const entries = Object.entries(table);
  return {
    read: (from) => {
      if (from.length(MAJOR.array, "an array") !== 2) throw from.malformed("an array of 2 is needed");
      const number = Number(from.argument(MAJOR.uint, "a number"));
      const found = entries.find(([, [known]]) => known === number);
      if (!found) throw from.malformed(`unknown variant ${number}`);
      const [kind, [, codec]] = found;
      return { kind, content: from.within(kind, () => codec.read(from)) } as Value;
    },
    write: (value, to) => {
      const [number, codec] = table[value.kind as string] as readonly [number, Codec<unknown>];
      to.head(MAJOR.array, 2n);
      to.head(MAJOR.uint, BigInt(number));
      codec.write(value.content, to);
    },
  };
}

/** An enumeration without content: its number. */
export function numbers<const N extends Readonly<Record<string, number>>>(table: N): Codec<keyof N & string> {
  const entries = Object.entries(table);
  return {
    read: (from) => {
      const number = Number(from.argument(MAJOR.uint, "a number"));
      const found = entries.find(([, known]) => known === number);
      if (!found) throw from.malformed(`unknown number ${number}`);
      return found[0];
    },
    write: (value, to) => to.head(MAJOR.uint, BigInt(table[value] as number)),
  };
}
