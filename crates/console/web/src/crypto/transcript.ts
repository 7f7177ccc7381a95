// Signing in at the console with an SM2 key that the browser holds.
//
//   ConsoleSignIn = [version: 1, chain: digest, origin: tstr, certificate: digest, nonce: bstr .size 32]
//   signature     = SM2 over CBOR of ConsoleSignIn in domain sealwire-console-v1
//
// The console gives the nonce; the origin is the page's own (`location.origin`), so a signature for one
// console is nothing at another.

import { bytes, digest, encode, struct, text, u8 } from "../envelope/cbor";
import { DOMAIN, type SecretKey } from "./sm2";

/** Version of the transcript. */
const VERSION = 1;
const codec = struct({
  version: u8,
  chain: digest,
  origin: text<string>(),
  certificate: digest,
  nonce: bytes(32),
});

/** What is signed. */
export interface SignIn {
  /** The ledger's chain id. */
  readonly chain: Uint8Array;
  /** `location.origin`. */
  readonly origin: string;
  /** Id of the certificate of whoever signs in. */
  readonly certificate: Uint8Array;
  /** What the console gave, 32 bytes. */
  readonly nonce: Uint8Array;
}

/** The bytes that are signed, without their domain. */
export function signInTranscript(signIn: SignIn): Uint8Array {
  return encode(codec, { version: VERSION, ...signIn });
}

/** The signature, 64 bytes. */
export function signSignIn(signIn: SignIn, key: SecretKey): Uint8Array {
  return key.sign(DOMAIN.console, signInTranscript(signIn));
}
