// Key files: PKCS#8 (RFC 5958) in PEM, as `sealwire` and OpenSSL write them, plain or under a passphrase.

import { CURVE_TEXTS, publicKey } from "./curve";
import { Der, der, derOid, derUnsigned, TAG } from "./der";
import { encrypt, inFormat, openSecretFile, PBES2_TEXTS, readSecretFile } from "./pbes2";
import { toPem } from "./pem";
import { refuse } from "./refusal";
import { browserRandom, type Random, SecretKey } from "./sm2";

const LABEL = "PRIVATE KEY";
const OID = { ecPublicKey: "1.2.840.10045.2.1", sm2: "1.2.156.10197.1.301" } as const;

/** Whether a key file is encrypted. Throws `keyfile.format`. */
export function needsPassphrase(pem: string): boolean {
  return readSecretFile(pem, LABEL).encrypted;
}

/** Reads a key file. Throws `keyfile.*`. */
export async function readKeyFile(pem: string, passphrase?: string): Promise<SecretKey> {
  const info = await openSecretFile(pem, LABEL, passphrase);
  try {
    return inFormat(LABEL, () => readPrivateKeyInfo(info));
  } catch (error) {
    throw needsPassphrase(pem) ? refuse(PBES2_TEXTS, "keyfile.wrong") : error;
  } finally {
    info.fill(0);
  }
}

/** The text of a key file; encrypted where there is a passphrase. */
export async function writeKeyFile(
  key: SecretKey,
  passphrase?: string,
  random: Random = browserRandom,
): Promise<string> {
  const secret = key.expose();
  const half = der(TAG.bits, Uint8Array.of(0), key.publicKey.point.toBytes(false));
  const one = derUnsigned(Uint8Array.of(1));
  const inner = der(TAG.sequence, one, der(TAG.octets, secret), der(TAG.context(1), half));
  const algorithm = der(TAG.sequence, derOid(OID.ecPublicKey), derOid(OID.sm2));
  const info = der(TAG.sequence, derUnsigned(Uint8Array.of(0)), algorithm, der(TAG.octets, inner));
  try {
    if (passphrase === undefined) return toPem(LABEL, info);
    return toPem(`ENCRYPTED ${LABEL}`, await encrypt(info, passphrase, random));
  } finally {
    for (const bytes of [secret, inner, info]) bytes.fill(0);
  }
}

/** OneAsymmetricKey with an ECPrivateKey (RFC 5915) inside. */
function readPrivateKeyInfo(bytes: Uint8Array): SecretKey {
  const info = Der.sequence(bytes);
  if (info.small() > 1) throw info.malformed("an unknown version");
  const algorithm = info.enter(TAG.sequence);
  const [kind, curve] = [algorithm.oid(), algorithm.oid()];
  algorithm.end();
  if (kind !== OID.ecPublicKey || curve !== OID.sm2)
    throw info.malformed("a key of another algorithm than SM2");
  const inner = Der.sequence(info.take(TAG.octets).content);
  if (inner.small() !== 1) throw inner.malformed("an unknown version of the private key");
  const key = new SecretKey(inner.take(TAG.octets).content);
  checkParts(inner, key);
  return key;
}

/** The optional parts: the curve again, and the public half, which must fit. */
function checkParts(inner: Der, key: SecretKey): void {
  if (inner.next(TAG.context(0)) && inner.enter(TAG.context(0)).oid() !== OID.sm2) {
    throw inner.malformed("another curve");
  }
  if (inner.next(TAG.context(1))) {
    const half = publicKey(inner.enter(TAG.context(1)).bits());
    if (!half.point.equals(key.publicKey.point)) throw refuse(CURVE_TEXTS, "key.public");
  }
  inner.end();
}
