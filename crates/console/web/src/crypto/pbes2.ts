// Secrets under a passphrase: EncryptedPrivateKeyInfo (RFC 5958 §3) under PBES2 (RFC 8018) with scrypt
// (RFC 7914 §7) and AES-256-CBC, as `sealwire` and OpenSSL (`-scrypt`) write them.
//
// A file says itself how dear its passphrase is to try; it is believed up to `SCRYPT_MEMORY_MAX_BYTES`, so
// that no file can exhaust the page. A wrong passphrase is mostly told by its padding, and else by what
// comes out, which the caller has to check.

import { cbc } from "@noble/ciphers/aes.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";

import { utf8 } from "./bytes";
import { Der, der, derOid, derUnsigned, TAG } from "./der";
import { fromPem } from "./pem";
import { Refusal, refuse, type Texts } from "./refusal";
import type { Random } from "./sm2";

/** Texts of this module's refusals. */
export const PBES2_TEXTS = {
  "keyfile.format": "not a '{label}' in PEM: {detail}",
  "keyfile.passphrase": "the file is encrypted: give its passphrase",
  "keyfile.wrong": "wrong passphrase, or the file was changed",
  "keyfile.costly": "the file's encryption asks for {megabytes} MiB of memory, the limit is {limit}",
} as const satisfies Texts;

/** Most memory that a file's scrypt may ask for, in bytes. */
const SCRYPT_MEMORY_MAX_BYTES = 256 * 1024 * 1024;
/** Most passes over it that a file's scrypt may ask for. */
const SCRYPT_PASSES_MAX = 16;
const OID = {
  pbes2: "1.2.840.113549.1.5.13",
  scrypt: "1.3.6.1.4.1.11591.4.11",
  aes256Cbc: "2.16.840.1.101.3.4.1.42",
} as const;
/** What `sealwire` takes, and what OpenSSL still reads. */
const COST = { N: 1 << 14, r: 8, p: 1 } as const;

/** A PEM text with a secret: plain under its label, or encrypted under `ENCRYPTED` and the label. */
export interface SecretFile {
  readonly encrypted: boolean;
  /** The secret, or its EncryptedPrivateKeyInfo. */
  readonly bytes: Uint8Array;
}

/** Reads a PEM text of this label without opening it. Throws `keyfile.format`. */
export function readSecretFile(pem: string, label: string): SecretFile {
  const block = inFormat(label, () => fromPem(pem, label));
  const encrypted = block.label === `ENCRYPTED ${label}`;
  if (!encrypted && block.label !== label) {
    throw refuse(PBES2_TEXTS, "keyfile.format", { label, detail: `it is a '${block.label}'` });
  }
  return { encrypted, bytes: block.bytes };
}

/** The bytes of a secret file. Throws `keyfile.*`. */
export async function openSecretFile(pem: string, label: string, passphrase?: string): Promise<Uint8Array> {
  const file = readSecretFile(pem, label);
  if (!file.encrypted) return file.bytes;
  if (passphrase === undefined || passphrase === "") throw refuse(PBES2_TEXTS, "keyfile.passphrase");
  return decrypt(file.bytes, label, passphrase);
}

/** Gives what `read` refuses the text of this module. */
export function inFormat<T>(label: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Refusal) || error.code.startsWith("keyfile.")) throw error;
    throw refuse(PBES2_TEXTS, "keyfile.format", { label, detail: error.message });
  }
}

function readEncryption(bytes: Uint8Array) {
  const outer = Der.sequence(bytes);
  const algorithm = outer.enter(TAG.sequence);
  const data = outer.take(TAG.octets).content;
  outer.end();
  if (algorithm.oid() !== OID.pbes2) throw outer.malformed("another encryption than PBES2");
  const parameters = algorithm.enter(TAG.sequence);
  const derivation = parameters.enter(TAG.sequence);
  if (derivation.oid() !== OID.scrypt) throw outer.malformed("another key derivation than scrypt");
  const cost = derivation.enter(TAG.sequence);
  const salt = cost.take(TAG.octets).content;
  const [N, r, p] = [cost.small(), cost.small(), cost.small()];
  if (cost.next(TAG.integer) && cost.small() !== 32) throw outer.malformed("another key length than 32");
  cost.end();
  const cipher = parameters.enter(TAG.sequence);
  if (cipher.oid() !== OID.aes256Cbc) throw outer.malformed("another cipher than AES-256-CBC");
  const iv = cipher.take(TAG.octets).content;
  if (iv.length !== 16) throw outer.malformed("an initialisation vector that isn't 16 bytes");
  return { salt, N, r, p, iv, data };
}

async function decrypt(bytes: Uint8Array, label: string, passphrase: string): Promise<Uint8Array> {
  const { salt, N, r, p, iv, data } = inFormat(label, () => readEncryption(bytes));
  const memory = 128 * r * (N + p);
  if (memory > SCRYPT_MEMORY_MAX_BYTES || p > SCRYPT_PASSES_MAX) {
    const mebi = (size: number) => Math.ceil(size / 1024 / 1024);
    const values = { megabytes: mebi(memory), limit: mebi(SCRYPT_MEMORY_MAX_BYTES) };
    throw refuse(PBES2_TEXTS, "keyfile.costly", values);
  }
  let derived: Uint8Array;
  try {
    const maxmem = 2 * SCRYPT_MEMORY_MAX_BYTES;
    derived = await scryptAsync(utf8(passphrase), salt, { N, r, p, dkLen: 32, maxmem });
  } catch {
    throw refuse(PBES2_TEXTS, "keyfile.format", { label, detail: "scrypt parameters that make no sense" });
  }
  try {
    return cbc(derived, iv).decrypt(data);
  } catch {
    throw refuse(PBES2_TEXTS, "keyfile.wrong");
  } finally {
    derived.fill(0);
  }
}

/** EncryptedPrivateKeyInfo of a secret. */
export async function encrypt(secret: Uint8Array, passphrase: string, random: Random): Promise<Uint8Array> {
  const [salt, iv] = [new Uint8Array(16), new Uint8Array(16)];
  random(salt);
  random(iv);
  const derived = await scryptAsync(utf8(passphrase), salt, { ...COST, dkLen: 32 });
  const data = cbc(derived, iv).encrypt(secret);
  derived.fill(0);
  const number = (value: number) => derUnsigned(Uint8Array.of(value >> 8, value & 0xff));
  const cost = der(TAG.sequence, der(TAG.octets, salt), number(COST.N), number(COST.r), number(COST.p));
  const derivation = der(TAG.sequence, derOid(OID.scrypt), cost);
  const cipher = der(TAG.sequence, derOid(OID.aes256Cbc), der(TAG.octets, iv));
  const algorithm = der(TAG.sequence, derOid(OID.pbes2), der(TAG.sequence, derivation, cipher));
  return der(TAG.sequence, algorithm, der(TAG.octets, data));
}
