// Certificates: X.509 v3 (RFC 5280) with SM2 keys and SM2-with-SM3 signatures, at most 4,096 bytes.
//
// One level: an organisation's root signs its clients' certificates. O is the organisation, OU the role,
// CN the client id, each exactly once. Basic constraints and key usage are needed; any other critical
// extension refuses the certificate. A certificate is known by SM3 of its DER.

import { concat, equal, fromUtf8, hex } from "./bytes";
import { type PublicKey, publicKey } from "./curve";
import { Der, TAG } from "./der";
import { fromPem } from "./pem";
import { Refusal, refuse, type Texts } from "./refusal";
import { verifyRaw } from "./sm2";
import { sm3 } from "./sm3";

/** Texts of this module's refusals. */
export const CERTIFICATE_TEXTS = {
  "certificate.long": "certificate has {bytes} bytes, the limit is {limit}",
  "certificate.malformed": "not an X.509 certificate: {detail}",
  "certificate.algorithm": "certificate isn't SM2-with-SM3 (1.2.156.10197.1.501)",
  "certificate.subject": "certificate subject must have exactly one {attribute}",
  "certificate.role": "unknown role '{role}' (OU of the certificate)",
  "certificate.extension": "certificate extension: {detail}",
  "certificate.validity": "certificate validity ends before it starts",
  "certificate.issuer": "certificate of '{subject}' isn't signed by '{issuer}'",
} as const satisfies Texts;

/** Longest certificate that is read, in bytes of DER. */
export const CERTIFICATE_MAX_BYTES = 4096;

/** What a certificate's holder is. */
export const CERTIFICATE_ROLES = ["root", "operator", "gateway", "device", "user", "validator"] as const;
/** One of them. */
export type Role = (typeof CERTIFICATE_ROLES)[number];

/** A certificate whose fields are sound; its signature is checked by `verifyIssuedBy`. */
export interface Certificate {
  readonly der: Uint8Array;
  /** SM3 of the DER, hexadecimal. */
  readonly id: string;
  readonly organisation: string;
  readonly role: Role;
  /** CN: the client id. */
  readonly name: string;
  readonly publicKey: PublicKey;
  /** First and last second of validity, since 1970. */
  readonly notBeforeS: number;
  readonly notAfterS: number;
  /** Hexadecimal. */
  readonly serial: string;
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
}

const OID = {
  sm2WithSm3: "1.2.156.10197.1.501",
  ecPublicKey: "1.2.840.10045.2.1",
  sm2: "1.2.156.10197.1.301",
  organisation: "2.5.4.10",
  unit: "2.5.4.11",
  commonName: "2.5.4.3",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
} as const;
/** Bits of key usage (RFC 5280 §4.2.1.3), the first is the highest. */
const DIGITAL_SIGNATURE = 0;
const KEY_CERT_SIGN = 5;

/** Reads DER. Throws `certificate.*`. */
export function readCertificate(bytes: Uint8Array): Certificate {
  const limit = CERTIFICATE_MAX_BYTES;
  if (bytes.length > limit)
    throw refuse(CERTIFICATE_TEXTS, "certificate.long", { bytes: bytes.length, limit });
  try {
    return read(bytes.slice());
  } catch (error) {
    if (!(error instanceof Refusal) || error.code.startsWith("certificate.")) throw error;
    throw refuse(CERTIFICATE_TEXTS, "certificate.malformed", { detail: error.message });
  }
}

/** Reads PEM. Throws `certificate.*`. */
export function certificateFromPem(text: string): Certificate {
  const wrong = (detail: string) => refuse(CERTIFICATE_TEXTS, "certificate.malformed", { detail });
  let block: ReturnType<typeof fromPem>;
  try {
    block = fromPem(text, "CERTIFICATE");
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
  if (block.label !== "CERTIFICATE") throw wrong(`PEM says '${block.label}', not 'CERTIFICATE'`);
  return readCertificate(block.bytes);
}

/** Checks that a root of the same organisation signed a certificate. Throws `certificate.issuer`. */
export function verifyIssuedBy(certificate: Certificate, root: Certificate): void {
  const fits =
    root.role === "root" &&
    equal(certificate.issuer, root.subject) &&
    certificate.organisation === root.organisation &&
    verifyRaw(root.publicKey, certificate.tbs, certificate.signature);
  if (!fits) {
    throw refuse(CERTIFICATE_TEXTS, "certificate.issuer", { subject: certificate.name, issuer: root.name });
  }
}

function read(bytes: Uint8Array): Certificate {
  const outer = Der.sequence(bytes);
  const tbs = outer.take(TAG.sequence).whole;
  const algorithm = outer.take(TAG.sequence).whole;
  const signature = readSignature(outer.bits());
  outer.end();
  const to = Der.sequence(tbs);
  if (to.enter(TAG.context(0)).small() !== 2) throw to.malformed("another version than 3");
  const serial = hex(to.take(TAG.integer).content);
  checkAlgorithm(to.take(TAG.sequence).whole, algorithm);
  const issuer = to.take(TAG.sequence).whole;
  const [notBeforeS, notAfterS] = readValidity(to.enter(TAG.sequence));
  const subject = to.take(TAG.sequence).whole;
  const key = readKey(to.enter(TAG.sequence));
  const names = readName(subject);
  const role = CERTIFICATE_ROLES.find((one) => one === names.unit);
  if (!role) throw refuse(CERTIFICATE_TEXTS, "certificate.role", { role: names.unit.slice(0, 80) });
  checkExtensions(to.enter(TAG.context(3)), role);
  to.end();
  return {
    der: bytes,
    id: hex(sm3(bytes)),
    organisation: names.organisation,
    role,
    name: names.commonName,
    publicKey: key,
    notBeforeS,
    notAfterS,
    serial,
    tbs,
    signature,
    issuer,
    subject,
  };
}

/** SM2 with SM3, without parameters, and the same twice. */
function checkAlgorithm(inner: Uint8Array, outer: Uint8Array): void {
  const algorithm = Der.sequence(outer);
  if (algorithm.oid() !== OID.sm2WithSm3 || !equal(inner, outer))
    throw refuse(CERTIFICATE_TEXTS, "certificate.algorithm");
  algorithm.end();
}

/** `r || s` from DER (GM/T 0009-2012 §7.3), in its one encoding. */
function readSignature(bytes: Uint8Array): Uint8Array {
  const sequence = Der.sequence(bytes);
  const [r, s] = [sequence.unsigned(), sequence.unsigned()];
  sequence.end();
  if (r.length > 32 || s.length > 32) throw refuse(CERTIFICATE_TEXTS, "certificate.algorithm");
  return concat(new Uint8Array(32 - r.length), r, new Uint8Array(32 - s.length), s);
}

function readKey(spki: Der): PublicKey {
  const algorithm = spki.enter(TAG.sequence);
  const [kind, curve] = [algorithm.oid(), algorithm.oid()];
  if (kind !== OID.ecPublicKey || curve !== OID.sm2) throw refuse(CERTIFICATE_TEXTS, "certificate.algorithm");
  algorithm.end();
  try {
    return publicKey(spki.bits());
  } catch {
    throw refuse(CERTIFICATE_TEXTS, "certificate.algorithm");
  }
}

function readName(bytes: Uint8Array) {
  const found = new Map<string, Uint8Array[]>();
  for (const name = Der.sequence(bytes); !name.done; ) {
    for (const set = name.enter(TAG.set); !set.done; ) {
      const attribute = set.enter(TAG.sequence);
      const oid = attribute.oid();
      found.set(oid, [...(found.get(oid) ?? []), attribute.take().content]);
      attribute.end();
    }
  }
  const one = (oid: string, attribute: string) => {
    const [value, second] = found.get(oid) ?? [];
    const wrong = refuse(CERTIFICATE_TEXTS, "certificate.subject", { attribute });
    if (!value || second || value.length === 0) throw wrong;
    try {
      return fromUtf8(value);
    } catch {
      throw wrong;
    }
  };
  return {
    organisation: one(OID.organisation, "O"),
    unit: one(OID.unit, "OU"),
    commonName: one(OID.commonName, "CN"),
  };
}

function readValidity(validity: Der): [number, number] {
  const times = [readTime(validity), readTime(validity)] as [number, number];
  validity.end();
  if (times[0] > times[1]) throw refuse(CERTIFICATE_TEXTS, "certificate.validity");
  return times;
}

/** Seconds since 1970 of a UTCTime or GeneralizedTime with seconds and Z (RFC 5280 §4.1.2.5). */
function readTime(from: Der): number {
  const { tag, content } = from.take();
  const pattern =
    tag === TAG.utcTime
      ? /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/
      : /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;
  const known = tag === TAG.utcTime || tag === TAG.generalizedTime;
  const digits = known ? pattern.exec(fromUtf8(content)) : null;
  if (!digits) throw from.malformed("a time that isn't one");
  const [year, month, day, hour, minute, second] = digits.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const full = tag === TAG.utcTime ? year + (year < 50 ? 2000 : 1900) : year;
  const at = new Date(Date.UTC(full, month - 1, day, hour, minute, second));
  const same = at.getUTCMonth() === month - 1 && at.getUTCDate() === day && at.getUTCHours() === hour;
  if (!same || minute > 59 || second > 59 || full < 1970) throw from.malformed("a time that isn't one");
  return at.getTime() / 1000;
}

function checkExtensions(from: Der, role: Role): void {
  const wrong = (detail: string) => refuse(CERTIFICATE_TEXTS, "certificate.extension", { detail });
  const list = from.enter(TAG.sequence);
  from.end();
  const seen = new Map<string, Uint8Array>();
  while (!list.done) {
    const extension = list.enter(TAG.sequence);
    const oid = extension.oid();
    const critical = extension.next(TAG.boolean) && equal(extension.take().content, Uint8Array.of(0xff));
    const value = extension.take(TAG.octets).content;
    extension.end();
    if (seen.has(oid)) throw wrong(`${oid} is there twice`);
    const known = oid === OID.basicConstraints || oid === OID.keyUsage;
    if (critical && !known) throw wrong(`unknown critical extension ${oid}`);
    seen.set(oid, value);
  }
  const [constraints, usage] = [seen.get(OID.basicConstraints), seen.get(OID.keyUsage)];
  if (!constraints) throw wrong("basic constraints are missing");
  if (!usage) throw wrong("key usage is missing");
  if (isCa(constraints) !== (role === "root"))
    throw wrong("CA must be true for a root and false for all others");
  if (role === "root" && !hasUsage(usage, KEY_CERT_SIGN))
    throw wrong("a root's key usage must have keyCertSign");
  if (role !== "root" && !hasUsage(usage, DIGITAL_SIGNATURE))
    throw wrong("a client's key usage must have digitalSignature");
}

function isCa(bytes: Uint8Array): boolean {
  const constraints = Der.sequence(bytes);
  const ca = constraints.next(TAG.boolean) && equal(constraints.take().content, Uint8Array.of(0xff));
  if (constraints.next(TAG.integer)) constraints.small();
  constraints.end();
  return ca;
}

function hasUsage(bytes: Uint8Array, bit: number): boolean {
  const outer = new Der(bytes);
  const { content } = outer.take(TAG.bits);
  outer.end();
  const [unused, ...flags] = content;
  if (unused === undefined || unused > 7) throw outer.malformed("a bit string that isn't one");
  return (((flags[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1;
}
