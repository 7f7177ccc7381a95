// Finality: more than two thirds of genesis's validators signed a header that is, or descends from, the
// one that is to be shown final.
//
// The validators are the keys that genesis names, ascending by their 33 bytes; that order numbers them.
// A certificate is a bitmap over that list (bit i % 8, least significant first, of byte i / 8) and one
// SM2 signature, in domain sealwire-vote-v1, for each set bit, over
//
//   varint(len(namespace)) || namespace || varint(epoch) || varint(view) || varint(parent view)
//                          || digest of the header
//   namespace = "sealwire vote " || chain id || "_FINALIZE"
//
// Of n validators at least n - floor((n - 1) / 3) must have signed. Not every block has a certificate:
// one for a later block makes all its ancestors final.

import { compare, concat, equal, hex, utf8 } from "../crypto/bytes";
import type { PublicKey } from "../crypto/curve";
import { refuse } from "../crypto/refusal";
import { DOMAIN, verify } from "../crypto/sm2";
import { sm3 } from "../crypto/sm3";
import { type Finality, HEADER_VERSION, type Header, headerDigest } from "../envelope/block";
import { chainId, type Genesis, validatorsDigest } from "../envelope/genesis";
import { FAILED_TEXTS } from "./texts";
import { varint } from "./varint";

/** Most headers between a block and a certificate that covers it. */
export const HEADERS_MAX = 4096;

/** Whose votes make a block final. */
export interface Validators {
  readonly chain: Uint8Array;
  /** In the order in which certificates number them. */
  readonly members: readonly { readonly org: string; readonly key: PublicKey }[];
  readonly digest: Uint8Array;
  /** How many must sign. */
  readonly quorum: number;
}

/** A validator's signature that was checked. */
export interface Vote {
  readonly org: string;
  readonly key: PublicKey;
  readonly signature: Uint8Array;
}

/** The validators that a genesis names. */
export function validatorsOf(genesis: Genesis): Validators {
  const members = genesis.orgs
    .map(({ org, validator }) => ({ org, key: validator }))
    .sort((a, b) => compare(a.key.bytes, b.key.bytes));
  return {
    chain: chainId(genesis),
    members,
    digest: validatorsDigest(members.map(({ key }) => key)),
    quorum: members.length - Math.floor((members.length - 1) / 3),
  };
}

/** Checks that headers belong to the chain and follow each other; the first one. Throws `finality.*`. */
export function checkHeaders(validators: Validators, headers: readonly Header[]): Header {
  const [first] = headers;
  const count = headers.length;
  if (!first || count > HEADERS_MAX)
    throw refuse(FAILED_TEXTS, "finality.headers", { count, most: HEADERS_MAX });
  for (const header of headers) checkHeader(validators, header);
  for (let i = 1; i < count; i++) checkLink(headers[i - 1] as Header, headers[i] as Header);
  return first;
}

function checkHeader(validators: Validators, header: Header): void {
  const { height } = header;
  if (!equal(header.chain, validators.chain)) {
    const [found, expected] = [hex(header.chain), hex(validators.chain)];
    throw refuse(FAILED_TEXTS, "finality.chain", { height, found, expected });
  }
  if (header.version !== HEADER_VERSION) {
    throw refuse(FAILED_TEXTS, "finality.version", { height, found: header.version, known: HEADER_VERSION });
  }
  if (!equal(header.validators, validators.digest)) {
    const [found, expected] = [hex(header.validators), hex(validators.digest)];
    throw refuse(FAILED_TEXTS, "finality.validators", { height, found, expected });
  }
}

function checkLink(parent: Header, header: Header): void {
  const misfit = (what: string) =>
    refuse(FAILED_TEXTS, "finality.link", { height: header.height, before: parent.height, what });
  if (parent.height + 1n !== header.height) throw misfit("height isn't the next");
  if (!equal(header.parent, headerDigest(parent))) throw misfit("parent is another block");
  if (header.time_ms < parent.time_ms) throw misfit("time is earlier");
}

/** Checks that a certificate is for `header` itself, and every signature. Throws `finality.*`. */
export function checkCertificate(validators: Validators, header: Header, finality: Finality): Vote[] {
  checkSubject(header, finality);
  const signers = signersOf(validators, finality);
  const vote = voteOf(validators.chain, finality);
  return signers.map((place, i) => {
    const { org, key } = validators.members[place] as Validators["members"][number];
    const signature = finality.signatures[i] as Uint8Array;
    if (!hasVoted(key, vote, signature)) {
      throw refuse(FAILED_TEXTS, "finality.signature", { org, height: header.height });
    }
    return { org, key, signature };
  });
}

/** Most votes that are remembered. */
const REMEMBERED_VOTES = 4096;
const rememberedVotes = new Set<string>();

/**
 * Whether a validator signed a vote. Votes that hold are remembered, by SM3 of all that was verified: the
 * proofs on a page often share a certificate. It changes how long something takes, never what comes out.
 */
function hasVoted(key: PublicKey, vote: Uint8Array, signature: Uint8Array): boolean {
  // Key and signature have fixed lengths, so no two votes have the same name.
  const name = hex(sm3(key.bytes, signature, vote));
  if (rememberedVotes.has(name)) return true;
  if (!verify(key, DOMAIN.vote, vote, signature)) return false;
  if (rememberedVotes.size >= REMEMBERED_VOTES) rememberedVotes.clear();
  rememberedVotes.add(name);
  return true;
}

function checkSubject(header: Header, finality: Finality): void {
  const differs = (what: string) => refuse(FAILED_TEXTS, "finality.subject", { height: header.height, what });
  if (finality.epoch !== header.epoch) throw differs("epoch");
  if (finality.view !== header.view) throw differs("view");
  if (finality.parent_view !== header.parent_view) throw differs("parent view");
  if (!equal(finality.payload, headerDigest(header))) throw differs("digest");
}

/** Places of those who signed. */
function signersOf({ members, quorum }: Validators, { signers, signatures }: Finality): number[] {
  const validators = members.length;
  const misfit = () => refuse(FAILED_TEXTS, "finality.bitmap", { bytes: signers.length, validators });
  if (signers.length !== Math.ceil(validators / 8)) throw misfit();
  const places: number[] = [];
  for (let i = 0; i < 8 * signers.length; i++) {
    if (((signers[i >> 3] as number) >> (i & 7)) & 1) places.push(i);
  }
  if ((places.at(-1) ?? 0) >= validators) throw misfit();
  if (places.length !== signatures.length) {
    const values = { signers: places.length, signatures: signatures.length };
    throw refuse(FAILED_TEXTS, "finality.signatures", values);
  }
  if (places.length < quorum) {
    throw refuse(FAILED_TEXTS, "finality.quorum", { signers: places.length, validators, quorum });
  }
  return places;
}

/** What a finalize vote signs. */
export function voteOf(chain: Uint8Array, finality: Finality): Uint8Array {
  const namespace = concat(utf8("sealwire vote "), chain, utf8("_FINALIZE"));
  const numbers = [finality.epoch, finality.view, finality.parent_view].map(varint);
  return concat(varint(BigInt(namespace.length)), namespace, ...numbers, finality.payload);
}
