// SM cryptography for the browser: what the `sm` crate does, of it what a page needs.
//
// | Part | Standard | Here |
// |---|---|---|
// | Digest, HMAC | GB/T 32905-2016 (SM3), RFC 2104 | `sm3` |
// | Signature | GB/T 32918.2-2016 (SM2), nonces after RFC 6979 over SM3 | `sm2` |
// | Public-key encryption | GB/T 32918.4-2016 (SM2), C1C3C2 | `sm2` |
// | Cipher | GB/T 32907-2016 (SM4) in GCM (RFC 8998 §2) | `sm4` |
// | Key files | PKCS#8 (RFC 5958) in PEM, plain or PBES2 with scrypt and AES-256-CBC | `keyfile` |
// | Certificates | X.509 v3 (RFC 5280), SM2-with-SM3 | `certificate` |
// | Signing in at a console | docs/protocol.md | `transcript` |
//
// Curve arithmetic, GHASH, scrypt and AES are noble's; SM3, SM4 and SM2's equations are ours.
//
// Invariants
// - A signature is a function of key, domain and message; one made in a domain never verifies in another.
// - A secret key is in [1, n-2]. `wipe` overwrites it; nothing prints it. JavaScript keeps no promise that
//   no copy of a number is left in memory, and has no arithmetic in constant time: a page is a place for
//   a test device's key or an operator's own browser, not for an organisation's root.
// - The only source of randomness is `crypto.getRandomValues`, and a test can pass its own.
//
// Failure: everything refuses with a `Refusal`, which has a code, values and an English text.

export * from "./bytes";
export {
  CERTIFICATE_TEXTS,
  type Certificate,
  certificateFromPem,
  readCertificate,
  verifyIssuedBy,
} from "./certificate";
export { CURVE_TEXTS, PUBLIC_KEY_BYTES, type PublicKey, publicKey, SIGNER_ID } from "./curve";
export { needsPassphrase, readKeyFile, writeKeyFile } from "./keyfile";
export { openSecretFile, PBES2_TEXTS, readSecretFile } from "./pbes2";
export { fill, Refusal, refuse, type Texts, type Values } from "./refusal";
export {
  browserRandom,
  DOMAIN,
  type Domain,
  type Random,
  SecretKey,
  SIGNATURE_BYTES,
  SM2_TEXTS,
  seal,
  verify,
  verifyRaw,
} from "./sm2";
export { DIGEST_BYTES, hmacSm3, Sm3, sm3 } from "./sm3";
export { gcmOpen, gcmSeal, SM4_TEXTS } from "./sm4";
export { type SignIn, signInTranscript, signSignIn } from "./transcript";
