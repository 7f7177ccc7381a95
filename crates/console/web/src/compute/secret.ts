// The secret half of a compute key, as `sealwire compute keygen` keeps it.
//
//   file       PEM 'SEALWIRE COMPUTE KEY', or 'ENCRYPTED SEALWIRE COMPUTE KEY' under PBES2
//   inside     [version: 1, parameters: ParameterSet, public: digest, secret: bstr]
//   secret     32 bytes (ElGamal), or N/4 (BFV): two bits a coefficient, 0, 1, 2 for 0, 1, -1
//
// `public` is SM3 of the public half: which key it opens for. It never leaves the page.

import { equal } from "../crypto/bytes";
import { openSecretFile, PBES2_TEXTS, readSecretFile } from "../crypto/pbes2";
import { refuse } from "../crypto/refusal";
import { sm3 } from "../crypto/sm3";
import { blob, decode, digest, struct, u8 } from "../envelope/cbor";
import { COMPUTE_VERSION, type ParameterSet, parameterSet } from "../envelope/compute";
import { publicBytes, readScalar } from "./elgamal";
import { bfvOf } from "./parameters";
import { OPEN_TEXTS } from "./texts";

/** Label of the file. */
export const SECRET_LABEL = "SEALWIRE COMPUTE KEY";
/** Longest secret, in bytes. */
const SECRET_MAX_BYTES = 8 * 1024;

const codec = struct({ version: u8, parameters: parameterSet, public: digest, secret: blob });

/** What opens results. */
export interface ComputeSecret {
  readonly parameters: ParameterSet;
  /** SM3 of the public half. */
  readonly public: Uint8Array;
  /** 32 bytes of a scalar, or N/4 of a polynomial. */
  readonly secret: Uint8Array;
}

/** Whether a secret file is encrypted. Throws `keyfile.format`. */
export function secretNeedsPassphrase(pem: string): boolean {
  return readSecretFile(pem, SECRET_LABEL).encrypted;
}

/** Reads a secret file. Throws `keyfile.*`, `secret.*`, `cbor.*`. */
export async function readSecret(pem: string, passphrase?: string): Promise<ComputeSecret> {
  const { encrypted } = readSecretFile(pem, SECRET_LABEL);
  const bytes = await openSecretFile(pem, SECRET_LABEL, passphrase);
  try {
    return readSecretBytes(bytes);
  } catch (error) {
    throw encrypted ? refuse(PBES2_TEXTS, "keyfile.wrong") : error;
  } finally {
    bytes.fill(0);
  }
}

/** Reads what is inside a secret file. Throws `secret.*`, `cbor.*`. */
export function readSecretBytes(bytes: Uint8Array): ComputeSecret {
  const read = decode(codec, "secret key file", bytes, SECRET_MAX_BYTES);
  if (read.version !== COMPUTE_VERSION) {
    throw refuse(OPEN_TEXTS, "secret.version", { found: read.version, known: COMPUTE_VERSION });
  }
  const secret = read.secret.slice();
  const numbers = bfvOf(read.parameters);
  if (numbers) {
    readTernary(secret, numbers.n);
  } else if (!equal(sm3(publicBytes(readScalar(secret))), read.public)) {
    throw refuse(OPEN_TEXTS, "secret.public");
  }
  return { parameters: read.parameters, public: read.public.slice(), secret };
}

/** The coefficients of a BFV secret: -1, 0, 1. Throws `secret.length`, `secret.range`. */
export function readTernary(bytes: Uint8Array, n: number): Int8Array {
  const expected = n / 4;
  if (bytes.length !== expected) {
    throw refuse(OPEN_TEXTS, "secret.length", { found: bytes.length, expected });
  }
  const coefficients = new Int8Array(n);
  bytes.forEach((byte, i) => {
    for (let pair = 0; pair < 4; pair++) {
      const two = (byte >> (2 * pair)) & 3;
      if (two === 3) throw refuse(OPEN_TEXTS, "secret.range");
      coefficients[4 * i + pair] = (two & 1) - (two >> 1);
    }
  });
  return coefficients;
}
