// One identity whose key the user gave to this page: for sealed messages, and for devices whose key isn't at
// the console. It is in memory only, and gone with the page. What it opens and seals is checked against the
// ledger's proofs, from the genesis that this browser pinned.
import { useSyncExternalStore } from "react";
import {
  certificateFromPem,
  fromHex,
  hex,
  type PublicKey,
  publicKey,
  readKeyFile,
  type SecretKey,
} from "@/crypto";
import { certificateKey, readCertificateEntry, readSealedKey, sealedKeyKey } from "@/envelope/entry";
import { tokenPassword } from "@/envelope/login";
import { inspectMessage, type Opened, openMessage, sealMessage, sequenceFromClock } from "@/envelope/message";
import type { Report, Trust, VerifiedEntry } from "@/verify";
import { bytesOf } from "./client";
import { type Answer, askLedger, ledgerPath, part } from "./ledger";
import { verifier } from "./trust";

export interface Held {
  client: string;
  /** The certificate's id, hexadecimal. */
  certificate: string;
  key: SecretKey;
}

/** Life of a login token, in seconds. */
const TOKEN_LIFE_S = 120;
/** How far a gateway's clock may be behind this one, in seconds. */
const CLOCK_SKEW_S = 30;
const NONCE_BYTES = 16;

let held: Held | null = null;
const listeners = new Set<() => void>();

function set(next: Held | null): void {
  held?.key.wipe();
  held = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useHeld(): Held | null {
  return useSyncExternalStore(subscribe, () => held);
}

/** Takes an identity's two files. Throws a `Refusal` that says what is wrong with which. */
export async function hold(keyPem: string, certificatePem: string, passphrase: string): Promise<Held> {
  const certificate = certificateFromPem(certificatePem);
  const key = await readKeyFile(keyPem, passphrase || undefined);
  const next = { client: certificate.name, certificate: certificate.id, key };
  set(next);
  return next;
}

export function release(): void {
  set(null);
}

/** A state entry with its proof, as bytes. */
export function provenEntry(key: Uint8Array): Promise<Uint8Array> {
  return bytesOf(ledgerPath(`state/${hex(key)}`), "application/cbor");
}

function provenValue(report: Report<VerifiedEntry>): Uint8Array | null {
  if (!report.result) throw new Error(report.failed?.detail ?? "");
  return report.result.value;
}

/** The proof of a client's present certificate; null when it has none. */
export async function certificateProof(client: string): Promise<Uint8Array | null> {
  const { value } = await askLedger<Answer<{ certificate_id: string } | null>>(`clients/${part(client)}`);
  return value && provenEntry(certificateKey(fromHex(value.certificate_id)));
}

/** A topic's key of an epoch, opened with a reader's own key; null when it was never sealed to it. */
export async function topicKey(
  topic: string,
  epoch: number,
  reader: Held,
  trust: Trust,
): Promise<Uint8Array | null> {
  const proof = await provenEntry(sealedKeyKey(topic, epoch, reader.client));
  const value = provenValue(await verifier.call.verifyEntry(proof, trust));
  return value && reader.key.open(readSealedKey(value));
}

async function senderKey(client: string, trust: Trust): Promise<PublicKey | null> {
  const proof = await certificateProof(client);
  const value = proof && provenValue(await verifier.call.verifyEntry(proof, trust));
  return value ? publicKey(readCertificateEntry(value).public_key) : null;
}

/** A login token for one gateway, signed here. */
export function mintToken(who: Held, chain: string, gateway: string): { client: string; password: string } {
  const now = Math.floor(Date.now() / 1000);
  const password = tokenPassword(
    {
      chain: fromHex(chain),
      client: who.client,
      certificate: fromHex(who.certificate),
      gateway,
      not_before_s: BigInt(now - CLOCK_SKEW_S),
      expires_s: BigInt(now + TOKEN_LIFE_S),
      nonce: crypto.getRandomValues(new Uint8Array(NONCE_BYTES)),
    },
    who.key,
  );
  return { client: who.client, password };
}

/** Signs and encrypts content for a sealed topic; null when the sender doesn't have the topic's key. */
export async function seal(
  topic: string,
  epoch: number,
  sender: Held,
  trust: Trust,
  content: Uint8Array,
  contentType: string,
): Promise<Uint8Array | null> {
  const key = await topicKey(topic, epoch, sender, trust);
  if (!key) return null;
  const header = { sender: sender.client, epoch, sequence: sequenceFromClock(Date.now()) };
  return sealMessage(topic, header, key, sender.key, content, contentType);
}

/** Opens a sealed message, its sender's signature checked; null when the reader lacks the key. */
export async function unseal(
  topic: string,
  payload: Uint8Array,
  reader: Held,
  trust: Trust,
): Promise<Opened | null> {
  const { epoch, sender } = inspectMessage(payload);
  const [key, from] = await Promise.all([topicKey(topic, epoch, reader, trust), senderKey(sender, trust)]);
  return key && openMessage(topic, key, payload, (name) => (name === sender ? from : null));
}
