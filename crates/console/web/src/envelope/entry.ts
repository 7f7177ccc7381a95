// Entries of the ledger's state that a page reads with proof: certificates and sealed topic keys.

import { concat, hex, utf8 } from "../crypto/bytes";
import { blob, type Decoded, decode, digest, list, numbers, optional, struct, text, u64 } from "./cbor";
import { client } from "./names";
import { moment } from "./receipt";

/** Roles, as numbered for ever. */
export const ROLES = { root: 0, operator: 1, gateway: 2, device: 3, user: 4, validator: 5 } as const;

/** Longest entry that is read, in bytes. */
const ENTRY_BYTES_MAX = 1024 * 1024;

const change = struct({ at: moment, by: client, reason: text<string>() });
const certificateEntry = struct({
  client,
  role: numbers(ROLES),
  not_before_s: u64,
  not_after_s: u64,
  public_key: blob,
  der: blob,
  registered: moment,
  revoked: optional(change),
  suspensions: list(struct({ from: change, until: optional(change) })),
});
/** What lies under `certificateKey`. */
export type CertificateEntry = Decoded<typeof certificateEntry>;

const clientEntry = struct({ certificate: digest, since: moment });
/** What lies under `clientKey`: a client's last registered certificate. */
export type ClientEntry = Decoded<typeof clientEntry>;

const sealedKey = struct({ sealed: blob });

/** How far a gateway's clock may be from a block's time, and how long a renewed certificate still counts. */
const CLOCKS_APART_MS = 600_000n;

/**
 * Whether a certificate's key counts for a message that a gateway received at that time (ms since 1970):
 * from its registration on; until ten minutes after its holder renewed it; not after the block that
 * revoked it; else until it expires.
 */
export function couldSign(certificate: CertificateEntry, receivedMs: bigint): boolean {
  const { client: holder, registered, revoked, not_after_s } = certificate;
  // Nobody revokes itself: whoever ended their own certificate renewed it.
  const renewed = revoked?.by === holder;
  const until = revoked ? revoked.at.time_ms + (renewed ? CLOCKS_APART_MS : 0n) : not_after_s * 1000n;
  return registered.time_ms <= receivedMs + CLOCKS_APART_MS && receivedMs <= until;
}

/** State key of a certificate. */
export function certificateKey(id: Uint8Array): Uint8Array {
  return concat(utf8("i/cert/"), id);
}

/** State key of a client. */
export function clientKey(id: string): Uint8Array {
  return utf8(`i/client/${id}`);
}

/** State key of a topic's key of an epoch, sealed to a client. */
export function sealedKeyKey(topic: string, epoch: number, grantee: string): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, epoch);
  return concat(utf8(`t/key/${topic}`), Uint8Array.of(0), bytes, utf8(grantee));
}

/** Reads a certificate's entry. Throws `cbor.*`. */
export function readCertificateEntry(from: Uint8Array): CertificateEntry {
  return decode(certificateEntry, "certificate entry", from, ENTRY_BYTES_MAX);
}

/** Reads a client's entry. Throws `cbor.*`. */
export function readClientEntry(from: Uint8Array): ClientEntry {
  return decode(clientEntry, "client entry", from, ENTRY_BYTES_MAX);
}

/** Reads a sealed topic key. Throws `cbor.*`. */
export function readSealedKey(from: Uint8Array): Uint8Array {
  return decode(sealedKey, "sealed key", from, ENTRY_BYTES_MAX).sealed;
}

/** Whether an entry lies under a certificate's key; its id then. */
export function certificateIdOf(key: Uint8Array): string | null {
  const prefix = utf8("i/cert/");
  const fits = key.length === prefix.length + 32 && prefix.every((byte, i) => byte === key[i]);
  return fits ? hex(key.subarray(prefix.length)) : null;
}
