// @vitest-environment node
import { describe, expect, it, vi } from "vitest";

import { flipped, vectors } from "../testing/vectors";
import { fromBase64url, fromHex, hex, utf8 } from "./bytes";
import { certificateFromPem, readCertificate, verifyIssuedBy } from "./certificate";
import { publicKey } from "./curve";
import { Der, der, derOid, derUnsigned, TAG } from "./der";
import { needsPassphrase, readKeyFile, writeKeyFile } from "./keyfile";
import { toPem } from "./pem";
import { DOMAIN, SecretKey, verify } from "./sm2";
import { signInTranscript, signSignIn } from "./transcript";

// Whole sweeps, some of them over big numbers: long on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

// Made by OpenSSL 3.0: `genpkey -algorithm EC -pkeyopt ec_paramgen_curve:SM2`, then
// `pkcs8 -topk8 -scrypt -v2 aes-256-cbc`, then with PBKDF2, and a key of P-256.
const PLAIN = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQgydGLPtRYjqvxOxYz
YnrY2TSQBhKlIlwHc+GCip4jVVahRANCAAQ65QbV+9ALqoTOGNI4jv8N8ShKjdoS
VBWtlKanPCOu3R1wILV22r1fjVmDOykhkedXbc6UxJhLcKl4FjjGNu71
-----END PRIVATE KEY-----
`;
const ENCRYPTED = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHkME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAgjsLKW8vUC4gICQAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBBMsusI5DEonWl6JAypk1zPBIGQgex7UT3KbpOh
eq8Hl24U8mA5YvgsEjUPDCkis8eeqT6V3I5d8+PGUnl14O45PGWowvl4sWBpTA19
0qPV1HlMmssjbeyGOIC4vk6crJRAyW/3GgjcYRqiHuBSq1e+JpJnqvtpWA5jkHWh
9MVuTzFcgDn/5UVwxmGuTRjSVvO4WnAaELLz92PaINITxB8TiztI
-----END ENCRYPTED PRIVATE KEY-----
`;
const PBKDF2 = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjlTy6oLPt9nQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEBG4QTiE4ReaDV0hzC1kvksEgZAi
Q8WQcO3qjumwYXzJbwtElKw4fwg4guBEiBneuM/9GpIDogKRn8ZpHA3zxOne8K4w
l9FGaRTOOgZl93euHNTYZw3lmVN6G3/+/K13/gxVpo+ZnidAgPzxKkEs4ZS9udDR
B+TWYKU8Egu+XU/pfmyKuo91fJlp89FhLpb9XDqPDgN31ZZMU7GCYx3fIJtUJCY=
-----END ENCRYPTED PRIVATE KEY-----
`;
const P256 = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgioAY7Fn0ZV/6E8Uz
80TWkcLsdsBNoHEouXcVJJaJBEWhRANCAASxGqcglQG9mEf7wU07t5Dzp20ahn8U
bKsUuqZFEaqBjJauVi77a1DK7mxM0UGomG9cOWsoGNRd6K998fbyocws
-----END PRIVATE KEY-----
`;
const SECRET = "c9d18b3ed4588eabf13b1633627ad8d934900612a5225c0773e1828a9e235556";
const PASSPHRASE = "opensesame";

describe("key files", () => {
  it("of OpenSSL are read, plain and encrypted", async () => {
    expect(hex((await readKeyFile(PLAIN)).expose())).toBe(SECRET);
    expect(hex((await readKeyFile(PLAIN.replace(/\n/g, "\r\n"))).expose())).toBe(SECRET);
    expect(hex((await readKeyFile(ENCRYPTED, PASSPHRASE)).expose())).toBe(SECRET);
    expect([needsPassphrase(PLAIN), needsPassphrase(ENCRYPTED)]).toEqual([false, true]);
  });

  it("are written as OpenSSL writes them, and read back", async () => {
    const key = new SecretKey(fromHex(SECRET));
    expect(await writeKeyFile(key)).toBe(PLAIN);
    const written = await writeKeyFile(key, "pass phrase");
    expect(written).not.toContain("BEGIN PRIVATE KEY");
    expect(hex((await readKeyFile(written, "pass phrase")).expose())).toBe(SECRET);
    await expect(readKeyFile(written, "other")).rejects.toThrow("wrong passphrase");
  });

  it("that aren't SM2 keys, or aren't opened, are refused with what to do", async () => {
    await expect(readKeyFile(ENCRYPTED)).rejects.toThrow("give its passphrase");
    await expect(readKeyFile(ENCRYPTED, "open")).rejects.toThrow("wrong passphrase");
    await expect(readKeyFile(PBKDF2, PASSPHRASE)).rejects.toThrow("another key derivation than scrypt");
    await expect(readKeyFile(P256)).rejects.toThrow("another algorithm than SM2");
    await expect(readKeyFile("nonsense")).rejects.toThrow("one block '-----BEGIN PRIVATE KEY-----'");
    await expect(readKeyFile(PLAIN + PLAIN)).rejects.toThrow("one block");
    await expect(readKeyFile(toPem("CERTIFICATE", utf8("x")))).rejects.toThrow("it is a 'CERTIFICATE'");
    const body = fromBase64url(
      PLAIN.split("\n").slice(1, 4).join("").replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, ""),
    );
    for (let i = 0; i < body.length; i++) {
      const read = readKeyFile(toPem("PRIVATE KEY", flipped(body, i)));
      // Two bits aren't protected by anything: the version may be 0 or 1.
      const loose = hex(body.subarray(i - 1, i + 1)) === "0100" && i === 5;
      if (loose) await read;
      else await expect(read, `byte ${i}`).rejects.toThrow();
      await expect(readKeyFile(toPem("PRIVATE KEY", body.subarray(0, i)))).rejects.toThrow();
    }
  });

  it("can't ask for all the memory there is, nor for what makes no sense", async () => {
    const asking = (N: number, r: number, p: number) => {
      const number = (value: number) => derUnsigned(fromHex(value.toString(16).padStart(8, "0")));
      const cost = der(TAG.sequence, der(TAG.octets, utf8("salt")), number(N), number(r), number(p));
      const derivation = der(TAG.sequence, derOid("1.3.6.1.4.1.11591.4.11"), cost);
      const cipher = der(
        TAG.sequence,
        derOid("2.16.840.1.101.3.4.1.42"),
        der(TAG.octets, new Uint8Array(16)),
      );
      const pbes2 = der(TAG.sequence, derOid("1.2.840.113549.1.5.13"), der(TAG.sequence, derivation, cipher));
      const info = der(TAG.sequence, pbes2, der(TAG.octets, new Uint8Array(32)));
      return readKeyFile(toPem("ENCRYPTED PRIVATE KEY", info), "x");
    };
    await expect(asking(16, 1, 1)).rejects.toThrow("wrong passphrase");
    await expect(asking(1 << 21, 1, 1)).rejects.toThrow("MiB of memory, the limit is 256");
    await expect(asking(16384, 255, 1)).rejects.toThrow("asks for 511 MiB");
    await expect(asking(16, 1, 17)).rejects.toThrow("MiB of memory");
    await expect(asking(1 << 30, 1 << 30, 1 << 30)).rejects.toThrow("MiB of memory");
    for (const [N, r, p] of [
      [15, 1, 1],
      [0, 1, 1],
      [16, 0, 1],
      [16, 1, 0],
    ] as const) {
      await expect(asking(N, r, p)).rejects.toThrow("make no sense");
    }
  });
});

describe("DER", () => {
  it("has one form", () => {
    const takes = (text: string) => new Der(fromHex(text)).take(TAG.octets).content.length;
    expect(takes("0400")).toBe(0);
    expect(takes(`0481${"80"}${"00".repeat(128)}`)).toBe(128);
    for (const bad of [
      "",
      "04",
      "0401",
      "04810100",
      `0481${"7f"}${"00".repeat(127)}`,
      "0480",
      "04820080",
      "0484ffffffff",
      "0500",
    ]) {
      expect(() => takes(bad), bad).toThrow("not DER");
    }
    for (const bad of ["0200", "020180", "02020001", "0203000001"]) {
      expect(() => new Der(fromHex(bad)).unsigned(), bad).toThrow("an integer");
    }
    expect(hex(derUnsigned(fromHex("0080")))).toBe("02020080");
    expect(hex(derUnsigned(new Uint8Array()))).toBe("020100");
    const oid = "1.2.156.10197.1.501";
    expect(hex(derOid(oid))).toBe("06082a811ccf55018375");
    expect(new Der(derOid(oid)).oid()).toBe(oid);
    for (const bad of ["0600", "060180", "06028001", "060a2affffffffffffffff7f"]) {
      expect(() => new Der(fromHex(bad)).oid(), bad).toThrow("object identifier");
    }
  });
});

describe("certificates", () => {
  const all = vectors("envelope/vectors/genesis.json");
  const root = certificateFromPem(all.root.pem);

  it("of the vectors are read and verified", () => {
    for (const name of ["root", "operator", "gateway", "device"]) {
      const vector = all[name];
      const certificate = certificateFromPem(vector.pem);
      expect(certificate.id).toBe(vector.id);
      expect(hex(certificate.der)).toBe(vector.der);
      expect(certificate.role).toBe(vector.role);
      expect(hex(certificate.publicKey.bytes)).toBe(vector.public_key);
      verifyIssuedBy(certificate, root);
    }
    const device = certificateFromPem(all.device.pem);
    expect([device.organisation, device.name]).toEqual(["acme", "acme.press-7"]);
    expect(new Date(device.notBeforeS * 1000).toISOString()).toBe("2026-11-23T11:00:00.000Z");
    expect(new Date(device.notAfterS * 1000).toISOString()).toBe("2027-11-23T12:00:00.000Z");
    expect(() => verifyIssuedBy(root, device)).toThrow("isn't signed by 'acme.press-7'");
    const reader = certificateFromPem(all.reader.pem);
    expect(() => verifyIssuedBy(reader, root)).toThrow("isn't signed by");
  });

  it("are refused with any byte flipped, by reading or by the root", () => {
    const bytes = fromHex(all.device.der);
    for (let i = 0; i < bytes.length; i++) {
      expect(() => verifyIssuedBy(readCertificate(flipped(bytes, i)), root), `byte ${i}`).toThrow(
        /certificate|Certificate/,
      );
      expect(() => readCertificate(bytes.subarray(0, i))).toThrow("certificate");
    }
    expect(() => readCertificate(new Uint8Array(4097))).toThrow("the limit is 4096");
    expect(() => certificateFromPem(PLAIN)).toThrow("PEM says 'PRIVATE KEY'");
  });
});

describe("signing in", () => {
  it("is bound to the console, the ledger, the certificate and the nonce", () => {
    const key = new SecretKey(new Uint8Array(32).fill(7));
    const digest = (byte: number) => new Uint8Array(32).fill(byte);
    const signIn = {
      chain: digest(1),
      origin: "https://a.example:7480",
      certificate: digest(2),
      nonce: digest(3),
    };
    expect(hex(signInTranscript(signIn))).toBe(
      `85015820${"01".repeat(32)}76${hex(utf8(signIn.origin))}5820${"02".repeat(32)}5820${"03".repeat(32)}`,
    );
    const signature = signSignIn(signIn, key);
    const holds = (changed: Partial<typeof signIn>) =>
      verify(
        publicKey(key.publicKey.bytes),
        DOMAIN.console,
        signInTranscript({ ...signIn, ...changed }),
        signature,
      );
    expect(holds({})).toBe(true);
    for (const changed of [
      { chain: digest(9) },
      { origin: "https://b.example" },
      { certificate: digest(9) },
      { nonce: digest(9) },
    ]) {
      expect(holds(changed)).toBe(false);
    }
    expect(() => signSignIn({ ...signIn, nonce: digest(1).subarray(1) }, key)).toThrow("32 bytes");
  });
});
