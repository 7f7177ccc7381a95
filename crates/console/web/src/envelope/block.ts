// Blocks: header and finality certificate.
//
//   digest of a header = SM3("sealwire header" || CBOR of Header)

import { utf8 } from "../crypto/bytes";
import { sm3 } from "../crypto/sm3";
import { blob, type Decoded, digest, encode, key, list, signature, struct, u8, u64 } from "./cbor";

/** Version of the header format. */
export const HEADER_VERSION = 1;

/** `Header` in CBOR. */
export const header = struct({
  version: u8,
  chain: digest,
  height: u64,
  epoch: u64,
  view: u64,
  parent_view: u64,
  parent: digest,
  time_ms: u64,
  proposer: key,
  transactions: digest,
  state_root: digest,
  ops_root: digest,
  ops_start: u64,
  ops_end: u64,
  validators: digest,
});
/** What a block's digest is over. */
export type Header = Decoded<typeof header>;

/** `Finality` in CBOR. */
export const finality = struct({
  epoch: u64,
  view: u64,
  parent_view: u64,
  payload: digest,
  signers: blob,
  signatures: list(signature),
});
/** That more than two thirds of the validators have finalised a header. */
export type Finality = Decoded<typeof finality>;

/** What a block is known by and what is voted on. */
export function headerDigest(value: Header): Uint8Array {
  return sm3(utf8("sealwire header"), encode(header, value));
}
