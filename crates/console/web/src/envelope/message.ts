// The message: encrypted for the topic's readers, signed by the device inside.
//
//   payload   = COSE_Encrypt0, untagged (RFC 9052 §5.2)
//     protected    {1: -65604 (SM4-GCM), 4: key epoch (4 bytes), -70001: sender, -70002: sequence}
//     unprotected  {}
//     external aad CBOR of topic
//   nonce     = first 6 bytes of SM3("sealwire nonce" || sender) || sequence (6 bytes, big-endian)
//   plaintext = COSE_Sign1, untagged (RFC 9052 §4.2)
//     protected    {1: -65603 (SM2 with SM3), 3: content type}
//     unprotected  {}
//     external aad CBOR [topic, sender, epoch, sequence]
//
// Map keys stand in this order and nothing else is accepted. A sender must never use a sequence twice
// under one key: a page has no place that survives a copied profile, so a page that publishes under a
// device's key has to take its sequences from the clock (`sequenceFromClock`), and one page at a time.

import { concat, utf8 } from "../crypto/bytes";
import type { PublicKey } from "../crypto/curve";
import { refuse, type Texts } from "../crypto/refusal";
import { DOMAIN, type SecretKey, verify } from "../crypto/sm2";
import { sm3 } from "../crypto/sm3";
import { gcmOpen, gcmSeal } from "../crypto/sm4";
import {
  blob,
  bytes,
  type Codec,
  decode,
  encode,
  Reader,
  signature,
  struct,
  text,
  u32,
  u64,
  Writer,
} from "./cbor";
import { client, topic as topicCodec } from "./names";

/** Texts of this module's refusals. */
export const MESSAGE_TEXTS = {
  "message.malformed": "payload isn't a Sealwire message (COSE_Encrypt0 with SM4-GCM): {detail}",
  "message.sealed": "message doesn't open: wrong key or topic, or it was changed on the way",
  "message.signature": "message isn't signed by {sender}",
  "message.sequence": "sequence {sequence} is out of range: rotate the topic's key",
} as const satisfies Texts;

/** SM4-GCM and SM2 with SM3, in COSE's private use range; header labels of sender and sequence. */
const ALG_SM4_GCM = -65604;
const ALG_SM2 = -65603;
const LABEL_SENDER = -70001;
const LABEL_SEQUENCE = -70002;
/** Sequences are below this. */
export const SEQUENCE_END = 1n << 48n;
/** Content type unless one is given: SenML (RFC 8428). */
export const CONTENT_TYPE_DEFAULT = "application/senml+json";
/** Longest payload that is opened, in bytes. */
const PAYLOAD_MAX_BYTES = 16 * 1024 * 1024;
const MAP = 5;

/** What a gateway can read of a message. */
export interface MessageHeader {
  /** Under which of the topic's keys. */
  readonly epoch: number;
  readonly sender: string;
  /** The sender's own count. */
  readonly sequence: bigint;
}

/** What a reader gets. */
export interface Opened extends MessageHeader {
  readonly contentType: string;
  readonly content: Uint8Array;
}

/** A map key that must come next. */
function label(from: Reader, value: number): void {
  const found = integer.read(from);
  if (found !== value) throw from.malformed(`header ${value} is needed, not ${found}`);
}

/** A small number of either sign. */
const integer: Codec<number> = {
  read: (from) => {
    const negative = from.peek() >> 5 === 1;
    const value = Number(from.argument(negative ? 1 : 0, "a number"));
    return negative ? -1 - value : value;
  },
  write: (value, to) => to.head(value < 0 ? 1 : 0, BigInt(value < 0 ? -1 - value : value)),
};

/** A map of these labels, in this order, inside a byte string (RFC 9052 §3). */
function headers<T extends readonly unknown[]>(
  entries: { [I in keyof T]: readonly [number, Codec<T[I]>] },
): Codec<T> {
  const list = entries as readonly (readonly [number, Codec<unknown>])[];
  return {
    read: (outer) => {
      const inner = blob.read(outer);
      const from = new Reader(inner, outer.what);
      if (from.length(MAP, "a map") !== list.length)
        throw from.malformed(`a map of ${list.length} is needed`);
      const values = list.map(([name, codec]) => {
        label(from, name);
        return codec.read(from);
      });
      if (from.at !== inner.length) throw from.malformed("bytes follow the protected header");
      return values as unknown as T;
    },
    write: (values, outer) => {
      const to = new Writer();
      to.head(MAP, BigInt(list.length));
      list.forEach(([name, codec], i) => {
        integer.write(name, to);
        codec.write(values[i], to);
      });
      blob.write(to.bytes(), outer);
    },
  };
}

const empty: Codec<null> = {
  read: (from) => {
    if (from.length(MAP, "a map") !== 0) throw from.malformed("unprotected headers aren't allowed");
    return null;
  },
  write: (_, to) => to.head(MAP, 0n),
};

const outerProtected = headers<readonly [number, Uint8Array, string, bigint]>([
  [1, integer],
  [4, bytes(4)],
  [LABEL_SENDER, client],
  [LABEL_SEQUENCE, u64],
]);
const innerProtected = headers<readonly [number, string]>([
  [1, integer],
  [3, text<string>()],
]);
const encrypt0 = struct({ protected: outerProtected, unprotected: empty, ciphertext: blob });
const sign1 = struct({ protected: innerProtected, unprotected: empty, payload: blob, signature });
const innerAad = struct({ topic: topicCodec, sender: client, epoch: u32, sequence: u64 });
const sigStructure = struct({ context: text<string>(), protected: innerProtected, aad: blob, payload: blob });
const encStructure = struct({ context: text<string>(), protected: outerProtected, aad: blob });

/** Signs and encrypts content for a topic. Throws `message.sequence`. */
export function sealMessage(
  topic: string,
  header: MessageHeader,
  topicKey: Uint8Array,
  deviceKey: SecretKey,
  content: Uint8Array,
  contentType = CONTENT_TYPE_DEFAULT,
): Uint8Array {
  const { sequence } = header;
  if (sequence < 0n || sequence >= SEQUENCE_END)
    throw refuse(MESSAGE_TEXTS, "message.sequence", { sequence });
  const inner = [ALG_SM2, contentType] as const;
  const plain = encode(sign1, {
    protected: inner,
    unprotected: null,
    payload: content,
    signature: deviceKey.sign(DOMAIN.message, signed(topic, header, inner, content)),
  });
  const outer = [ALG_SM4_GCM, epochBytes(header.epoch), header.sender, sequence] as const;
  const ciphertext = gcmSeal(topicKey, nonce(header), encrypted(topic, outer), plain);
  return encode(encrypt0, { protected: outer, unprotected: null, ciphertext });
}

/** Reads a message's header; needs no key and checks no signature. Throws `message.malformed`. */
export function inspectMessage(payload: Uint8Array): MessageHeader {
  return parse(payload).header;
}

/**
 * Decrypts a message and checks who signed it; `senderKey` finds a sender's key, from its certificate on
 * the ledger. Throws `message.malformed`, `message.sealed`, `message.signature`.
 */
export function openMessage(
  topic: string,
  topicKey: Uint8Array,
  payload: Uint8Array,
  senderKey: (sender: string) => PublicKey | null,
): Opened {
  const { header, outer, ciphertext } = parse(payload);
  let plain: Uint8Array;
  try {
    plain = gcmOpen(topicKey, nonce(header), encrypted(topic, outer), ciphertext);
  } catch {
    throw refuse(MESSAGE_TEXTS, "message.sealed");
  }
  const content = asMessage(() => decode(sign1, "COSE_Sign1", plain, PAYLOAD_MAX_BYTES));
  const [algorithm, contentType] = content.protected;
  if (algorithm !== ALG_SM2) throw malformed(`the algorithm must be ${ALG_SM2}`);
  const key = senderKey(header.sender);
  const bytesSigned = signed(topic, header, content.protected, content.payload);
  if (!key || !verify(key, DOMAIN.message, bytesSigned, content.signature)) {
    throw refuse(MESSAGE_TEXTS, "message.signature", { sender: header.sender });
  }
  return { ...header, contentType, content: content.payload };
}

/** A sequence that no earlier page can have used: the clock, 2^4 numbers a millisecond. */
export function sequenceFromClock(nowMs: number): bigint {
  return BigInt(Math.floor(nowMs)) * 16n;
}

function parse(payload: Uint8Array) {
  const read = asMessage(() => decode(encrypt0, "COSE_Encrypt0", payload, PAYLOAD_MAX_BYTES));
  const [algorithm, epoch, sender, sequence] = read.protected;
  if (algorithm !== ALG_SM4_GCM) throw malformed(`the algorithm must be ${ALG_SM4_GCM}`);
  if (sequence >= SEQUENCE_END) throw malformed("the sequence is out of range");
  const header = { epoch: new DataView(epoch.slice().buffer).getUint32(0), sender, sequence };
  return { header, outer: read.protected, ciphertext: read.ciphertext };
}

function malformed(detail: string) {
  return refuse(MESSAGE_TEXTS, "message.malformed", { detail });
}

function asMessage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : String(error));
  }
}

function epochBytes(epoch: number): Uint8Array {
  const result = new Uint8Array(4);
  new DataView(result.buffer).setUint32(0, epoch);
  return result;
}

/** The `Sig_structure` of RFC 9052 §4.4. */
function signed(topic: string, header: MessageHeader, inner: readonly [number, string], payload: Uint8Array) {
  const { sender, epoch, sequence } = header;
  const aad = encode(innerAad, { topic, sender, epoch, sequence });
  return encode(sigStructure, { context: "Signature1", protected: inner, aad, payload });
}

/** The `Enc_structure` of RFC 9052 §5.3. */
function encrypted(topic: string, outer: readonly [number, Uint8Array, string, bigint]) {
  return encode(encStructure, { context: "Encrypt0", protected: outer, aad: encode(topicCodec, topic) });
}

function nonce({ sender, sequence }: MessageHeader): Uint8Array {
  const counter = new Uint8Array(8);
  new DataView(counter.buffer).setBigUint64(0, sequence);
  return concat(sm3(utf8("sealwire nonce"), utf8(sender)).subarray(0, 6), counter.subarray(2));
}
