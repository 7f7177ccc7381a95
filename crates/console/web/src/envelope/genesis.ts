// Genesis: what all organisations agree on before there is a ledger. The file is JSON; the ledger's
// identity, the chain id, is SM3("sealwire genesis" || CBOR of Genesis). Whoever has the right chain id
// can verify everything else.

import { compare, fromHex, fromUtf8, utf8 } from "../crypto/bytes";
import { type PublicKey, publicKey } from "../crypto/curve";
import { Refusal, refuse, type Texts } from "../crypto/refusal";
import { sm3 } from "../crypto/sm3";
import { blob, type Decoded, encode, key, list, struct, text, u8, u64 } from "./cbor";
import { org, orgRule } from "./names";

/** Texts of this module's refusals. */
export const GENESIS_TEXTS = {
  "genesis.json": "not a genesis file: {detail}",
  "genesis.rule": "genesis: {detail}",
} as const satisfies Texts;

/** Version of the format. */
export const GENESIS_VERSION = 1;
/** Longest file, in bytes. */
export const GENESIS_MAX_BYTES = 4 * 1024 * 1024;
/** Most organisations. */
export const ORGS_MAX = 100;

const orgGenesis = struct({ org, root_cert_der: blob, validator: key, certificates: list(blob) });
/** `Genesis` in CBOR. */
export const genesisCodec = struct({
  version: u8,
  name: text<string>(),
  created_ms: u64,
  block_interval_ms: u64,
  orgs: list(orgGenesis),
});
/** What a consortium starts from. */
export type Genesis = Decoded<typeof genesisCodec>;
/** An organisation at genesis. */
export type OrgGenesis = Decoded<typeof orgGenesis>;

/** SM3("sealwire genesis" || CBOR). */
export function chainId(genesis: Genesis): Uint8Array {
  return sm3(utf8("sealwire genesis"), encode(genesisCodec, genesis));
}

/** SM3("sealwire validators" || CBOR of the keys, in ascending order). */
export function validatorsDigest(keys: readonly PublicKey[]): Uint8Array {
  return sm3(utf8("sealwire validators"), encode(list(key), keys));
}

/** Reads the JSON file. Throws `genesis.json` and `genesis.rule`. */
export function readGenesis(json: Uint8Array): Genesis {
  const rule = (detail: string) => refuse(GENESIS_TEXTS, "genesis.rule", { detail });
  if (json.length > GENESIS_MAX_BYTES) throw rule("the file is longer than 4 MiB");
  const genesis = parse(json);
  const { orgs } = genesis;
  if (genesis.version !== GENESIS_VERSION) throw rule("unknown version: this program reads version 1");
  if (orgs.length === 0 || orgs.length > ORGS_MAX) throw rule("there must be 1 to 100 organisations");
  for (let i = 1; i < orgs.length; i++) {
    if (compare(utf8((orgs[i - 1] as OrgGenesis).org), utf8((orgs[i] as OrgGenesis).org)) >= 0) {
      throw rule("organisations must be in the order of their names, each once");
    }
  }
  const keys = new Set(orgs.map((one) => one.validator));
  if (keys.size !== orgs.length) throw rule("two organisations have the same validator key");
  return genesis;
}

function parse(json: Uint8Array): Genesis {
  const wrong = (detail: string) => refuse(GENESIS_TEXTS, "genesis.json", { detail });
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(json));
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : "not JSON");
  }
  try {
    const file = object(value, "genesis", ["version", "name", "created_ms", "block_interval_ms", "orgs"]);
    return {
      version: Number(whole(file.version, "version", 255)),
      name: string(file.name, "name"),
      created_ms: whole(file.created_ms, "created_ms"),
      block_interval_ms: whole(file.block_interval_ms, "block_interval_ms"),
      orgs: array(file.orgs, "orgs").map(parseOrg),
    };
  } catch (error) {
    if (error instanceof Refusal) throw wrong(error.message);
    throw error;
  }
}

function parseOrg(value: unknown): OrgGenesis {
  const file = object(value, "organisation", ["org", "root_cert_der", "validator", "certificates"]);
  const name = string(file.org, "org");
  const rule = orgRule(name);
  if (rule !== null) throw field(`'${name.slice(0, 80)}' is not ${rule}`);
  return {
    org: name,
    root_cert_der: fromHex(string(file.root_cert_der, "root_cert_der")),
    validator: publicKey(fromHex(string(file.validator, "validator"))),
    certificates: array(file.certificates, "certificates").map((one) => fromHex(string(one, "certificates"))),
  };
}

function field(detail: string): Refusal {
  return refuse(GENESIS_TEXTS, "genesis.rule", { detail });
}

/** An object with exactly these members. */
function object(value: unknown, what: string, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw field(`${what} must be an object`);
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw field(`${what} has an unknown field '${unknown.slice(0, 80)}'`);
  const missing = names.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) throw field(`${what} lacks '${missing}'`);
  return value as Record<string, unknown>;
}

function string(value: unknown, what: string): string {
  if (typeof value !== "string") throw field(`${what} must be a text`);
  return value;
}

function array(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw field(`${what} must be a list`);
  return value;
}

function whole(value: unknown, what: string, most = Number.MAX_SAFE_INTEGER): bigint {
  const sound = typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= most;
  if (!sound) throw field(`${what} must be a whole number up to ${most}`);
  return BigInt(value);
}
