// From genesis to an entry of the state: the steps that every verification begins with.

import { equal, fromHex, hex } from "../crypto/bytes";
import { Refusal, refuse } from "../crypto/refusal";
import { type Header, headerDigest } from "../envelope/block";
import { readGenesis } from "../envelope/genesis";
import {
  keyDigest,
  type PackageRecord,
  type ProvenEntry,
  packageKey,
  RECEIPT_VERSION,
  readPackageRecord,
} from "../envelope/receipt";
import { checkCertificate, checkHeaders, type Validators, validatorsOf, voteOf } from "./finality";
import type { Held, Show, Trail } from "./report";
import { verifyAbsence, verifyInclusion } from "./state";
import { FAILED_TEXTS } from "./texts";

/** From what everything else is verified. */
export interface Trust {
  /** The genesis file, as it is. */
  readonly genesis: Uint8Array;
  /** The chain id that the user pinned, hexadecimal; without one the genesis file itself is trusted. */
  readonly pinned?: string;
}

/** An entry of the state that was proved, present (`value`) or absent (null). */
export interface VerifiedEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
  readonly chain: string;
  /** Height, time (ms since 1970) and digest of the block whose state held it, or didn't. */
  readonly height: bigint;
  readonly timeMs: bigint;
  readonly block: string;
  /** Organisations whose validators signed. */
  readonly signers: readonly string[];
}

/** Checks a document's version. Throws `format.version`. */
export function checkVersion(found: number): void {
  if (found === RECEIPT_VERSION) return;
  throw refuse(FAILED_TEXTS, "format.version", { found, known: RECEIPT_VERSION });
}

/** The steps from genesis to an entry. */
export function entrySteps(trail: Trail, entry: ProvenEntry, trust: Trust) {
  const validators = trail.step("genesis", (show) => genesisStep(trust, show));
  const { headers } = entry.finality;
  const header = trail.step("headers", (show) => headersStep(validators, headers, show));
  const signers = trail.step("certificate", (show) => certificateStep(validators, entry, show));
  trail.step("state", (show) => stateStep(entry, header, show));
  return { validators, verified: verifiedEntry(validators, entry, header, signers) };
}

/** The same without steps: the entry, or the first refusal. */
export function proveEntry(validators: Validators, entry: ProvenEntry): VerifiedEntry {
  const silent: Show = () => {};
  checkVersion(entry.version);
  const header = checkHeaders(validators, entry.finality.headers);
  const signers = certificateStep(validators, entry, silent).value;
  stateStep(entry, header, silent);
  return verifiedEntry(validators, entry, header, signers);
}

function verifiedEntry(
  { chain }: Validators,
  { key, value }: ProvenEntry,
  header: Header,
  signers: readonly string[],
): VerifiedEntry {
  const { height, time_ms: timeMs } = header;
  return { key, value, chain: hex(chain), height, timeMs, block: hex(headerDigest(header)), signers };
}

function genesisStep({ genesis, pinned }: Trust, show: Show): Held<Validators> {
  const validators = validatorsOf(readGenesis(genesis));
  const chain = hex(validators.chain);
  show("chain", validators.chain);
  show("validators", validators.digest);
  for (const { org, key } of validators.members) show("validator", key.bytes, org);
  if (pinned !== undefined && !/^[0-9a-fA-F]{64}$/.test(pinned)) throw refuse(FAILED_TEXTS, "genesis.pin");
  if (pinned !== undefined && !equal(fromHex(pinned), validators.chain)) {
    throw refuse(FAILED_TEXTS, "genesis.pinned", { found: chain, pinned: pinned.toLowerCase() });
  }
  const { members, quorum } = validators;
  return { code: "held.genesis", values: { chain, validators: members.length, quorum }, value: validators };
}

function headersStep(validators: Validators, headers: readonly Header[], show: Show): Held<Header> {
  const first = headers[0];
  if (first) {
    show("block", headerDigest(first), String(first.height));
    show("parent", first.parent);
    show("state-root", first.state_root);
  }
  const value = checkHeaders(validators, headers);
  const above = headers.length - 1;
  const code = above === 0 ? "held.headers" : "held.headers.linked";
  return { code, values: { block: hex(headerDigest(value)), height: value.height, above }, value };
}

function certificateStep(validators: Validators, entry: ProvenEntry, show: Show): Held<string[]> {
  const { headers, finality } = entry.finality;
  const last = headers[headers.length - 1] as Header;
  show("block", headerDigest(last), String(last.height));
  show("vote", voteOf(validators.chain, finality));
  const votes = checkCertificate(validators, last, finality);
  for (const vote of votes) show("signature", vote.signature, vote.org);
  const value = votes.map(({ org }) => org);
  const { members, quorum } = validators;
  const values = { signers: value.join(", "), count: value.length, validators: members.length, quorum };
  return { code: "held.certificate", values, value };
}

function stateStep({ key, value, proof }: ProvenEntry, header: Header, show: Show): Held<null> {
  const root = header.state_root;
  show("key", key);
  show("key-digest", keyDigest(key));
  if (value !== null) show("value", value);
  show("state-root", root);
  if (value !== null && proof.kind === "inclusion") {
    verifyInclusion(root, key, value, proof.content.proof);
    return { code: "held.state", values: { root: hex(root), bytes: value.length }, value: null };
  }
  if (value === null && proof.kind === "exclusion") {
    verifyAbsence(root, key, proof.content.proof);
    return { code: "held.state.absent", values: { root: hex(root) }, value: null };
  }
  throw refuse(FAILED_TEXTS, "state.contradiction");
}

/** The package that a verified entry anchors. Throws `anchor.*`. */
export function readAnchor(entry: VerifiedEntry, show: Show = () => {}): PackageRecord {
  const { value } = entry;
  if (value === null) throw refuse(FAILED_TEXTS, "anchor.absent");
  const record = reading("anchor.malformed", () => readPackageRecord(value));
  const { anchor, at } = record;
  show("package", anchor.package);
  show("package-root", anchor.root);
  if (!equal(entry.key, packageKey(anchor.package))) throw refuse(FAILED_TEXTS, "anchor.key");
  if (at.height > entry.height) throw refuse(FAILED_TEXTS, "anchor.height");
  return record;
}

/** Reads something inside a step; a refusal becomes the step's own. */
export function reading<T>(
  code: "anchor.malformed" | "record.malformed" | "message.refused" | "evaluation.malformed",
  read: () => T,
): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refusal) throw refuse(FAILED_TEXTS, code, { detail: error.message });
    throw error;
  }
}
