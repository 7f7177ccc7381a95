// Logging in at a gateway by token, and signed HTTP requests.
//
//   Token         = [TokenBody, signature]     domain sealwire-token-v1
//   TokenBody     = [1, chain, client, certificate, gateway, not_before_s, expires_s, nonce (16)]
//   SignedRequest = [RequestBody, signature]   domain sealwire-request-v1
//   RequestBody   = [1, chain, client, certificate, method, target, content digest, time_s, nonce (16)]
//
// A token is good once, at one gateway, for at most 300 s; as an MQTT password it is base64url of the
// CBOR, the user name is the client id. A request is good once, within 60 s of its time.

import { base64url } from "../crypto/bytes";
import { DOMAIN, type Domain, type SecretKey } from "../crypto/sm2";
import { bytes, type Codec, type Decoded, digest, encode, signature, struct, text, u8, u64 } from "./cbor";
import { client } from "./names";

/** Version of these formats. */
export const LOGIN_VERSION = 1;
/** Longest life of a token, in seconds. */
export const TOKEN_MAX_LIFE_S = 300;
/** Length of a nonce in bytes. */
export const NONCE_BYTES = 16;

const tokenBody = struct({
  version: u8,
  chain: digest,
  client,
  certificate: digest,
  gateway: client,
  not_before_s: u64,
  expires_s: u64,
  nonce: bytes(NONCE_BYTES),
});
/** What a token says. */
export type TokenBody = Omit<Decoded<typeof tokenBody>, "version">;

const requestBody = struct({
  version: u8,
  chain: digest,
  client,
  certificate: digest,
  method: text<string>(),
  target: text<string>(),
  content: digest,
  time_s: u64,
  nonce: bytes(NONCE_BYTES),
});
/** What a signed request is bound to. */
export type RequestBody = Omit<Decoded<typeof requestBody>, "version">;

/** The MQTT password of a token. */
export function tokenPassword(body: TokenBody, secret: SecretKey): string {
  return signedText(tokenBody, { version: LOGIN_VERSION, ...body }, DOMAIN.token, secret);
}

/** The value of an `Authorization` header. */
export function requestHeader(body: RequestBody, secret: SecretKey): string {
  return `SM2 ${signedText(requestBody, { version: LOGIN_VERSION, ...body }, DOMAIN.request, secret)}`;
}

/** Base64url of `[body, signature over body in domain]`. */
function signedText<T>(codec: Codec<T>, body: T, domain: Domain, secret: SecretKey): string {
  const signedBy = secret.sign(domain, encode(codec, body));
  return base64url(encode(struct({ body: codec, signature }), { body, signature: signedBy }));
}
