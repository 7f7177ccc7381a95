// @vitest-environment node
import { describe, expect, it, vi } from "vitest";

import { concat, fromHex, hex, utf8 } from "../crypto/bytes";
import { publicKey } from "../crypto/curve";
import { SecretKey } from "../crypto/sm2";
import { flipped, vectors } from "../testing/vectors";
import { voteOf } from "../verify/finality";
import { leaf } from "../verify/merkle";
import { finality, header, headerDigest } from "./block";
import {
  type Codec,
  decode,
  encode,
  i64,
  list,
  optional,
  struct,
  text,
  u8,
  u16,
  u32,
  u64,
  variants,
} from "./cbor";
import { chainId, genesisCodec, readGenesis, validatorsDigest } from "./genesis";
import { requestHeader, tokenPassword } from "./login";
import { inspectMessage, openMessage, SEQUENCE_END, sealMessage } from "./message";
import { clientRule, filterRule, topicOwner, topicRule } from "./names";
import {
  packageKey,
  provenEntry,
  readArchivedRecord,
  readPackageRecord,
  receiptCodec,
  stateEntry,
  stateProof,
} from "./receipt";

// Whole sweeps, some of them over big numbers: long on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const LIMIT = 1 << 24;
/** Reads and writes bytes that Rust wrote. */
function roundTrip<T>(codec: Codec<T>, text: string): T {
  const value = decode(codec, "vector", fromHex(text), LIMIT);
  expect(hex(encode(codec, value))).toBe(text);
  return value;
}

describe("deterministic CBOR", () => {
  const refused = <T>(codec: Codec<T>, text: string, code: string) => {
    try {
      decode(codec, "thing", fromHex(text), LIMIT);
    } catch (error) {
      expect((error as { code: string }).code, text).toBe(code);
      return;
    }
    expect.fail(`${text} was accepted`);
  };

  it("has one encoding of a number", () => {
    for (const [value, bytes] of [
      [0n, "00"],
      [23n, "17"],
      [24n, "1818"],
      [255n, "18ff"],
      [256n, "190100"],
      [65535n, "19ffff"],
      [65536n, "1a00010000"],
      [4294967295n, "1affffffff"],
      [4294967296n, "1b0000000100000000"],
      [18446744073709551615n, "1bffffffffffffffff"],
    ] as const) {
      expect(hex(encode(u64, value))).toBe(bytes);
      expect(decode(u64, "number", fromHex(bytes), LIMIT)).toBe(value);
    }
    for (const longer of ["1800", "1817", "190000", "1900ff", "1a0000ffff", "1b00000000ffffffff"]) {
      refused(u64, longer, "cbor.canonical");
    }
    for (const bad of ["", "18", "1901", "1c", "1f", "20", "40", "f6", "ff"]) {
      expect(() => decode(u64, "number", fromHex(bad), LIMIT), bad).toThrow();
    }
    refused(u64, "0000", "cbor.trailing");
    refused(u8, "190100", "cbor.malformed");
    refused(u16, "1a00010000", "cbor.malformed");
    refused(u32, "1b0000000100000000", "cbor.malformed");
    expect(decode(i64, "number", fromHex("390f9f"), LIMIT)).toBe(-4000n);
    expect(decode(i64, "number", fromHex("3b7fffffffffffffff"), LIMIT)).toBe(-(1n << 63n));
    refused(i64, "3b8000000000000000", "cbor.malformed");
    refused(i64, "1b8000000000000000", "cbor.malformed");
  });

  it("leaves absent fields out at the end, and only there", () => {
    const codec = struct({ a: u8, b: optional(u8), c: optional(u8) });
    for (const [value, bytes] of [
      [{ a: 1, b: null, c: null }, "8101"],
      [{ a: 1, b: 2, c: null }, "820102"],
      [{ a: 1, b: null, c: 3 }, "8301f603"],
    ] as const) {
      expect(hex(encode(codec, value))).toBe(bytes);
      expect(decode(codec, "thing", fromHex(bytes), LIMIT)).toEqual(value);
    }
    for (const bad of ["8201f6", "830102f6", "8301f6f6"]) refused(codec, bad, "cbor.canonical");
    for (const bad of ["80", "8401020304", "81f6", "8301f7f7", "a10102"])
      refused(codec, bad, "cbor.malformed");
  });

  it("refuses lengths without their bytes at once, and other forms", () => {
    const lists = list(u8);
    refused(lists, "9b7fffffffffffffff", "cbor.malformed");
    refused(lists, "9a00ffffff00", "cbor.malformed");
    refused(lists, "9f00ff", "cbor.canonical");
    refused(text(), "7b7fffffffffffffff61", "cbor.malformed");
    refused(text(), "62c328", "cbor.malformed");
    refused(text(), "63eda080", "cbor.malformed");
    expect(decode(text(), "text", fromHex("63efbbbf"), LIMIT)).toBe("\ufeff");
    const one = variants({ one: [1, struct({ a: u8 })] });
    expect(decode(one, "variant", fromHex("82018105"), LIMIT)).toEqual({ kind: "one", content: { a: 5 } });
    for (const bad of ["82028105", "810105", "83018105f6", "820105"]) refused(one, bad, "cbor.malformed");
    expect(() => decode(u8, "number", fromHex("01"), 0)).toThrow("the limit is 0");
  });
});

describe("names", () => {
  const names = vectors("envelope/vectors/names.json");

  it("are accepted and refused as the vectors say", () => {
    for (const [rule, group] of [
      [clientRule, "client-ids"],
      [topicRule, "topic-names"],
      [filterRule, "topic-filters"],
    ] as const) {
      for (const good of names[group].good) expect(rule(good), good).toBeNull();
      for (const bad of names[group].bad) expect(rule(bad), bad).not.toBeNull();
    }
    for (const [topic, owner] of Object.entries(names.owners)) expect(topicOwner(topic)).toBe(owner);
    expect(topicRule("é".repeat(128))).toBeNull();
    expect(topicRule("é".repeat(129))).not.toBeNull();
    expect(topicRule("/".repeat(15))).toBeNull();
    expect(topicRule("/".repeat(16))).not.toBeNull();
  });
});

describe("genesis", () => {
  const { genesis } = vectors("envelope/vectors/genesis.json");
  const file = () => (typeof genesis.json === "string" ? genesis.json : JSON.stringify(genesis.json));

  it("has the chain id and the CBOR of the vector, whatever the white space", () => {
    const read = readGenesis(utf8(file()));
    expect(hex(chainId(read))).toBe(genesis.chain);
    expect(hex(encode(genesisCodec, read))).toBe(genesis.cbor);
    const spread = readGenesis(utf8(JSON.stringify(JSON.parse(file()), null, 7)));
    expect(hex(chainId(spread))).toBe(genesis.chain);
  });

  it("refuses files that aren't one", () => {
    const changed = (
      change: (value: Record<string, unknown> & { orgs: Record<string, unknown>[] }) => void,
    ) => {
      const value = JSON.parse(file());
      change(value);
      return () => readGenesis(utf8(JSON.stringify(value)));
    };
    expect(changed(() => {})).not.toThrow();
    for (const [change, message] of [
      [(g: { version: number }) => (g.version = 2), "unknown version"],
      [(g: { orgs: unknown[] }) => (g.orgs = []), "1 to 100 organisations"],
      [(g: { orgs: unknown[] }) => g.orgs.reverse(), "in the order of their names"],
      [(g: { orgs: unknown[] }) => g.orgs.push(g.orgs.at(-1)), "in the order of their names"],
      [(g: { extra: number }) => (g.extra = 1), "unknown field 'extra'"],
      [(g: { name?: string }) => delete g.name, "lacks 'name'"],
      [(g: { created_ms: unknown }) => (g.created_ms = -1), "created_ms must be a whole number"],
      [(g: { created_ms: unknown }) => (g.created_ms = "1"), "created_ms must be a whole number"],
      [
        (g: { orgs: { org: string }[] }) => ((g.orgs[0] as { org: string }).org = "Acme"),
        "not an organisation",
      ],
      [
        (g: { orgs: { validator: string }[] }) => ((g.orgs[0] as { validator: string }).validator = "02"),
        "not an SM2 public key",
      ],
    ] as const) {
      expect(changed(change as never)).toThrow(message);
    }
    for (const bad of ["", "[]", "null", "{", '"x"']) expect(() => readGenesis(utf8(bad))).toThrow("genesis");
    const twice = changed((g) => {
      for (const one of g.orgs) one.validator = (g.orgs[0] as Record<string, unknown>).validator;
    });
    expect(twice).toThrow(JSON.parse(file()).orgs.length > 1 ? "same validator key" : "");
  });
});

describe("formats", () => {
  it("read and write what Rust wrote", () => {
    const block = vectors("envelope/vectors/block.json");
    const head = roundTrip(header, block.header.cbor);
    expect(hex(headerDigest(head))).toBe(block.header.digest);
    const certificate = roundTrip(finality, block.finality.cbor);
    expect(hex(voteOf(head.chain, certificate))).toBe(block.finality.vote);
    const keys = block.finality.validators.map((key: string) => publicKey(fromHex(key)));
    expect(hex(validatorsDigest(keys))).toBe(hex(head.validators));

    const proof = vectors("envelope/vectors/proof.json");
    for (const name of ["inclusion", "exclusion-span", "exclusion-empty", "exclusion-empty-bare"]) {
      roundTrip(stateProof, proof[name].cbor);
    }
    roundTrip(stateEntry, proof["state-entry"].cbor);

    const receipt = vectors("envelope/vectors/receipt.json");
    roundTrip(receiptCodec, receipt.receipt.cbor);
    roundTrip(provenEntry, receipt.present.cbor);
    expect(roundTrip(provenEntry, receipt.absent.cbor).value).toBeNull();
    const record = readPackageRecord(fromHex(receipt["package-record"].cbor));
    expect(record.anchor.topic).toBe("acme/press-7/temperature");
    expect(hex(packageKey(record.anchor.package))).toContain(hex(utf8("r/pkg/")));

    const archived = vectors("envelope/vectors/record.json").record;
    expect(readArchivedRecord(fromHex(archived.cbor)).sender).toBe("acme.press-7");
    expect(hex(leaf(fromHex(archived.cbor)))).toBe(archived.leaf);
  });
});

describe("logins", () => {
  const login = vectors("envelope/vectors/login.json");
  const { device, reader } = vectors("envelope/vectors/genesis.json");

  it("make the token of the vector", () => {
    const { chain } = login.enhanced;
    const body = {
      chain: fromHex(chain),
      client: "acme.press-7",
      certificate: fromHex(device.id),
      gateway: "acme.gateway",
      not_before_s: 1795435200n,
      expires_s: 1795435320n,
      nonce: fromHex("19040ffa136ad802dd51e3c65678a6be"),
    };
    expect(tokenPassword(body, new SecretKey(fromHex(login.token.secret_key)))).toBe(login.token.password);
  });

  it("make the signed request of the vector", () => {
    const { request } = login;
    const body = {
      chain: fromHex(login.enhanced.chain),
      client: "beta.reader",
      certificate: fromHex(reader.id),
      method: "GET",
      target: request.target,
      content: fromHex("1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"),
      time_s: 1795435200n,
      nonce: fromHex("258df171c32d310c32c7603e027648ea"),
    };
    expect(requestHeader(body, new SecretKey(fromHex(request.secret_key)))).toBe(request.header);
  });
});

describe("messages", () => {
  const messages = vectors("envelope/vectors/message.json");

  it("seal to the bytes of the vectors, and open", () => {
    for (const vector of Object.values<Record<string, string>>(messages)) {
      const key = new SecretKey(fromHex(vector.secret_key as string));
      const topicKey = fromHex(vector.topic_key as string);
      const [topic, sender] = [vector.topic as string, vector.sender as string];
      const of = { epoch: Number(vector.epoch), sender, sequence: BigInt(vector.sequence as string) };
      const content = fromHex(vector.content as string);
      const sealed = sealMessage(topic, of, topicKey, key, content, vector.content_type as string);
      expect(hex(sealed)).toBe(vector.payload);
      expect(inspectMessage(sealed)).toEqual(of);
      const opened = openMessage(topic, topicKey, sealed, (name) => (name === sender ? key.publicKey : null));
      expect(opened).toEqual({ ...of, contentType: vector.content_type, content });
    }
  });

  it("notice every flipped byte, another topic, key or signer", () => {
    const vector = messages.senml;
    const payload = fromHex(vector.payload);
    const topicKey = fromHex(vector.topic_key);
    const key = new SecretKey(fromHex(vector.secret_key));
    const mine = () => key.publicKey;
    for (let i = 0; i < payload.length; i++) {
      expect(() => openMessage(vector.topic, topicKey, flipped(payload, i), mine), `byte ${i}`).toThrow(
        /message|Sealwire/,
      );
    }
    expect(() => openMessage("acme/press-7/other", topicKey, payload, mine)).toThrow("doesn't open");
    expect(() => openMessage(vector.topic, flipped(topicKey, 0), payload, mine)).toThrow("doesn't open");
    const other = new SecretKey(new Uint8Array(32).fill(6)).publicKey;
    expect(() => openMessage(vector.topic, topicKey, payload, () => other)).toThrow(
      "isn't signed by acme.press-7",
    );
    expect(() => openMessage(vector.topic, topicKey, payload, () => null)).toThrow("isn't signed");
    const header = { epoch: 0, sender: "acme.press-7", sequence: SEQUENCE_END };
    expect(() => sealMessage(vector.topic, header, topicKey, key, utf8("x"))).toThrow("out of range");
    for (const bad of [
      utf8(""),
      utf8("{}"),
      fromHex("8340a040"),
      new Uint8Array(64).fill(0xff),
      concat(payload, utf8("x")),
    ]) {
      expect(() => inspectMessage(bad)).toThrow("isn't a Sealwire message");
    }
  });
});
