// @vitest-environment node
import { sm2 as peer, sm3 as peerSm3, sm4 as peerSm4 } from "sm-crypto";
import { sm4 as peerGcm } from "sm-crypto-v2";
import { describe, expect, it, vi } from "vitest";

import { concat, fromHex, hex, utf8 } from "./bytes";
import { identity, ORDER, publicKey, SIGNER_ID } from "./curve";
import { DOMAIN, SecretKey, seal, verify, verifyRaw } from "./sm2";
import { hmacSm3, Sm3, sm3 } from "./sm3";
import { gcmOpen, gcmSeal, Sm4 } from "./sm4";

// Whole sweeps, some of them over big numbers: long on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const repeated = (byte: number, length = 32) => new Uint8Array(length).fill(byte);
/** Bytes that differ from test to test and never from run to run. */
function sample(seed: string, length: number): Uint8Array {
  let bytes: Uint8Array = new Uint8Array();
  for (let i = 0; bytes.length < length; i++) bytes = concat(bytes, sm3(utf8(`${seed} ${i}`)));
  return bytes.subarray(0, length);
}
/** The peer wants numbers without a byte in front, and 65 bytes as 130 digits. */
const peerPublic = (key: SecretKey) => hex(key.publicKey.point.toBytes(false));

describe("SM3", () => {
  it("matches GB/T 32905-2016 A.1 and A.2", () => {
    expect(hex(sm3(utf8("abc")))).toBe("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
    expect(hex(sm3(utf8("abcd".repeat(16))))).toBe(
      "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
    );
  });

  it("agrees with sm-crypto for every length around a block, in one piece or many", () => {
    for (let length = 0; length <= 200; length++) {
      const data = sample("sm3", length);
      const expected = peerSm3(Array.from(data));
      expect(hex(sm3(data))).toBe(expected);
      const pieces = new Sm3();
      for (let at = 0; at < length; at += 7) pieces.update(data.subarray(at, at + 7));
      expect(hex(pieces.digest())).toBe(expected);
    }
  });

  it("makes the same HMAC as sm-crypto and folds long keys", () => {
    const key = sample("hmac", 32);
    expect(hex(hmacSm3(key, utf8("m")))).toBe(peerSm3("m", { mode: "hmac", key: hex(key) } as never));
    const long = sample("long", 100);
    expect(hex(hmacSm3(long, utf8("m")))).toBe(hex(hmacSm3(sm3(long), utf8("m"))));
  });
});

describe("SM2", () => {
  it("matches GB/T 32918.5-2017 A.2", () => {
    const key = new SecretKey(fromHex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"));
    expect(hex(identity(key.publicKey.point, SIGNER_ID))).toBe(
      "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3",
    );
    const signature = fromHex(
      "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3" +
        "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
    );
    expect(verifyRaw(key.publicKey, utf8("message digest"), signature)).toBe(true);
    expect(verifyRaw(key.publicKey, utf8("message digest"), signature, "TLSv1.3+GM+Cipher+Suite")).toBe(
      false,
    );
  });

  it("verifies sm-crypto's signatures, and sm-crypto verifies ours", () => {
    for (let i = 0; i < 8; i++) {
      const key = new SecretKey(sample(`key ${i}`, 32));
      const message = sample(`message ${i}`, 10 * i);
      const theirs = peer.doSignature(Array.from(message), hex(key.expose()), { hash: true });
      expect(verifyRaw(key.publicKey, message, fromHex(theirs))).toBe(true);
      const ours = hex(key.signRaw(message));
      expect(peer.doVerifySignature(Array.from(message), ours, peerPublic(key), { hash: true })).toBe(true);
    }
  });

  it("opens what sm-crypto seals, and sm-crypto opens what we seal", () => {
    for (let i = 1; i < 6; i++) {
      const key = new SecretKey(sample(`seal ${i}`, 32));
      const plain = sample(`plain ${i}`, 13 * i);
      const theirs = fromHex(`04${peer.doEncrypt(Array.from(plain), peerPublic(key), 1)}`);
      expect(hex(key.open(theirs))).toBe(hex(plain));
      const ours = hex(seal(key.publicKey, plain)).slice(2);
      const opened = peer.doDecrypt(ours, hex(key.expose()), 1, { output: "array" });
      expect(hex(Uint8Array.from(opened))).toBe(hex(plain));
    }
  });

  it("signs the same twice, and a signature holds for its key, domain and message only", () => {
    const key = new SecretKey(repeated(1));
    const signature = key.sign(DOMAIN.token, utf8("m"));
    expect(hex(key.sign(DOMAIN.token, utf8("m")))).toBe(hex(signature));
    expect(verify(key.publicKey, DOMAIN.token, utf8("m"), signature)).toBe(true);
    expect(verify(key.publicKey, DOMAIN.vote, utf8("m"), signature)).toBe(false);
    expect(verify(key.publicKey, DOMAIN.token, utf8("n"), signature)).toBe(false);
    expect(verify(new SecretKey(repeated(2)).publicKey, DOMAIN.token, utf8("m"), signature)).toBe(false);
    expect(verifyRaw(key.publicKey, utf8("m"), signature)).toBe(false);
    for (let i = 0; i < signature.length; i++) {
      const bad = signature.slice();
      bad[i] = (bad[i] as number) ^ 0x40;
      expect(verify(key.publicKey, DOMAIN.token, utf8("m"), bad)).toBe(false);
    }
    for (const bad of [repeated(0, 64), repeated(0xff, 64), repeated(1, 63), repeated(1, 65)]) {
      expect(verify(key.publicKey, DOMAIN.token, utf8("m"), bad)).toBe(false);
    }
  });

  it("opens with the right key only, and nothing that was changed or cut", () => {
    const key = new SecretKey(repeated(3));
    const sealed = seal(key.publicKey, utf8("sixteen byte key"));
    expect(sealed.length).toBe(97 + 16);
    expect(() => new SecretKey(repeated(4)).open(sealed)).toThrow("SM2 decryption failed");
    for (let i = 0; i < sealed.length; i++) {
      const bad = sealed.slice();
      bad[i] = (bad[i] as number) ^ 1;
      expect(() => key.open(bad)).toThrow("SM2 decryption failed");
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(() => key.open(sealed.subarray(0, length))).toThrow("SM2 decryption failed");
    }
    expect(() => seal(key.publicKey, new Uint8Array())).toThrow("at least one byte");
  });

  it("refuses keys out of range and points off the curve", () => {
    const scalar = (value: bigint) => fromHex(value.toString(16).padStart(64, "0"));
    expect(() => new SecretKey(scalar(ORDER - 2n))).not.toThrow();
    for (const bad of [scalar(0n), scalar(ORDER - 1n), scalar(ORDER), repeated(0xff), repeated(1, 31)]) {
      expect(() => new SecretKey(bad)).toThrow("not an SM2 secret key");
    }
    const off = new SecretKey(repeated(1)).publicKey.point.toBytes(false);
    off[64] = (off[64] as number) ^ 1;
    for (const bad of [off, Uint8Array.of(0), repeated(0, 33), repeated(4, 33), new Uint8Array()]) {
      expect(() => publicKey(bad)).toThrow("not an SM2 public key");
    }
  });

  it("forgets a wiped key", () => {
    const key = new SecretKey(repeated(5));
    key.wipe();
    expect(() => key.sign(DOMAIN.token, utf8("m"))).toThrow("not an SM2 secret key");
  });
});

describe("SM4", () => {
  const key = fromHex("0123456789abcdeffedcba9876543210");

  it("matches GB/T 32907-2016 A.1 and A.2", () => {
    expect(hex(new Sm4(key).encryptBlock(key))).toBe("681edf34d206965e86b3e94f536e4246");
    const cipher = new Sm4(key);
    let block = key;
    for (let i = 0; i < 1_000_000; i++) block = cipher.encryptBlock(block);
    expect(hex(block)).toBe("595298c7c6fd271f0402f804c33d3f66");
  });

  it("encrypts blocks as sm-crypto does", () => {
    for (let i = 0; i < 20; i++) {
      const block = sample(`block ${i}`, 16);
      const secret = sample(`secret ${i}`, 16);
      const theirs = peerSm4.encrypt(Array.from(block), Array.from(secret), { padding: "none" } as never);
      expect(hex(new Sm4(secret).encryptBlock(block))).toBe(theirs);
    }
  });

  it("matches RFC 8998 A.1 (GCM)", () => {
    const nonce = fromHex("00001234567800000000abcd");
    const aad = fromHex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    const plain = fromHex(
      "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd" +
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
    );
    const sealed = gcmSeal(key, nonce, aad, plain);
    expect(hex(sealed)).toBe(
      "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735" +
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d" +
        "83de3541e4c2b58177e065a9bf7b62ec",
    );
    expect(hex(gcmOpen(key, nonce, aad, sealed))).toBe(hex(plain));
  });

  it("seals as sm-crypto-v2 does, for every length around a block, and opens what it seals", () => {
    for (let length = 0; length <= 50; length++) {
      const [plain, nonce, aad] = [sample("p", length), sample(`n ${length}`, 12), sample("a", length % 23)];
      const options = { mode: "gcm", iv: hex(nonce), associatedData: hex(aad), outputTag: true } as const;
      const theirs = peerGcm.encrypt(plain, hex(key), {
        ...options,
        padding: "none",
      } as never) as unknown as {
        output: string;
        tag: string;
      };
      expect(hex(gcmSeal(key, nonce, aad, plain))).toBe(theirs.output + theirs.tag);
      expect(hex(gcmOpen(key, nonce, aad, fromHex(theirs.output + theirs.tag)))).toBe(hex(plain));
    }
  });

  it("notices every flipped byte", () => {
    const [secret, nonce, aad] = [repeated(1, 16), repeated(2, 12), utf8("aad")];
    const sealed = gcmSeal(secret, nonce, aad, utf8("reading"));
    const refused = "SM4-GCM authentication failed";
    for (let i = 0; i < sealed.length; i++) {
      const bad = sealed.slice();
      bad[i] = (bad[i] as number) ^ 1;
      expect(() => gcmOpen(secret, nonce, aad, bad)).toThrow(refused);
    }
    expect(() => gcmOpen(secret, repeated(3, 12), aad, sealed)).toThrow(refused);
    expect(() => gcmOpen(secret, nonce, utf8("aae"), sealed)).toThrow(refused);
    expect(() => gcmOpen(secret, nonce, aad, sealed.subarray(0, 3))).toThrow(refused);
    expect(() => gcmOpen(repeated(1, 15), nonce, aad, sealed)).toThrow("has 16 bytes");
    expect(() => gcmOpen(secret, repeated(1, 11), aad, sealed)).toThrow("has 12 bytes");
  });
});
