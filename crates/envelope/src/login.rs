//! Logging in, and asking over HTTP: everything signed anew, nothing that could be used again.
//!
//! # Enhanced authentication (MQTT 5.0 §4.12), method [`METHOD`]
//! ```text
//! client  → CONNECT  Authentication Data = Hello     = [version: 1, certificate: digest,
//!                                                       nonce: bstr .size 32]
//! gateway → AUTH     Authentication Data = Challenge = [gateway: digest, nonce: bstr .size 32,
//!                                                       time_ms: uint, signature: bstr .size 64]
//! client  → AUTH     Authentication Data = Answer    = [signature: bstr .size 64]
//! gateway → CONNACK
//! transcript = CBOR [chain: digest, client: tstr, certificate: digest, client nonce,
//!                    gateway: digest, gateway nonce, time_ms: uint]
//! ```
//! Both sign the transcript, the gateway in `sealwire-login-gateway-v1`, the client in
//! `sealwire-login-client-v1`. `client` is the MQTT client id. The client looks the gateway's
//! certificate up on the ledger (or has it pinned) and checks its signature before it signs.
//!
//! # Token, for clients without enhanced authentication
//! User name = client id; password = base64url of
//! ```text
//! Token     = [body: TokenBody, signature: bstr .size 64]          ("sealwire-token-v1")
//! TokenBody = [version: 1, chain: digest, client: tstr, certificate: digest, gateway: tstr,
//!              not_before_s: uint, expires_s: uint, nonce: bstr .size 16]
//! ```
//! It is good once, at one gateway, for at most [`TOKEN_MAX_LIFE_S`] seconds.
//!
//! # Signed HTTP request
//! `Authorization: SM2 <base64url of SignedRequest>`, bound to method, target and body:
//! ```text
//! SignedRequest = [body: RequestBody, signature: bstr .size 64]    ("sealwire-request-v1")
//! RequestBody   = [version: 1, chain: digest, client: tstr, certificate: digest,
//!                  method: tstr, target: tstr, content: digest, time_s: uint,
//!                  nonce: bstr .size 16]
//! ```
//! It is good once, within [`REQUEST_MAX_AGE_S`] seconds of its time.
//!
//! # Signing in at a web console
//! The console gives a nonce, the browser signs, in `sealwire-console-v1`, the CBOR of
//! ```text
//! ConsoleSignIn = [version: 1, chain: digest, origin: tstr, certificate: digest,
//!                  nonce: bstr .size 32]
//! ```
//! `origin` is the console's as the browser sees it (RFC 6454 §6.1, `https://host:port`, the port left out
//! where it is the scheme's own): a signature for one console is nothing at another.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use minicbor::{Decode, Encode};
use sealwire_sm::{Domain, PublicKey, SecretKey, Signature, Sm3Digest, key::VerifyError, sm3};

use crate::{
    codec::{DecodeError, decode_bounded, encode},
    id::{CertId, ChainId, ClientId},
};

/// The MQTT authentication method's name.
pub const METHOD: &str = "SM2";
/// Version of all formats of this module.
pub const LOGIN_VERSION: u8 = 1;
/// Longest life of a token, in seconds.
pub const TOKEN_MAX_LIFE_S: u64 = 300;
/// How old, or how far in the future, a signed request may be, in seconds.
pub const REQUEST_MAX_AGE_S: u64 = 60;
/// Longest authentication data, token or request that is read, in bytes.
pub const LOGIN_MAX_BYTES: usize = 4096;
/// The HTTP authorisation scheme.
pub const SCHEME: &str = "SM2";

/// What a client says first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// [`LOGIN_VERSION`].
    #[n(0)]
    pub version: u8,
    /// Its certificate.
    #[n(1)]
    pub certificate: CertId,
    /// Its nonce.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
}

/// What the gateway answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Challenge {
    /// Its certificate.
    #[n(0)]
    pub gateway: CertId,
    /// Its nonce.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
    /// Its clock, milliseconds since 1970.
    #[n(2)]
    pub time_ms: u64,
    /// Its signature over the transcript.
    #[n(3)]
    pub signature: Signature,
}

/// What the client answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// Its signature over the transcript.
    #[n(0)]
    pub signature: Signature,
}

/// What both sign.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Transcript {
    /// The ledger.
    #[n(0)]
    pub chain: ChainId,
    /// The MQTT client id.
    #[n(1)]
    pub client: ClientId,
    /// The client's certificate.
    #[n(2)]
    pub certificate: CertId,
    /// The client's nonce.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub client_nonce: [u8; 32],
    /// The gateway's certificate.
    #[n(4)]
    pub gateway: CertId,
    /// The gateway's nonce.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub gateway_nonce: [u8; 32],
    /// The gateway's clock, milliseconds since 1970.
    #[n(6)]
    pub time_ms: u64,
}

impl Transcript {
    /// The gateway's signature.
    pub fn sign_as_gateway(&self, key: &SecretKey) -> Signature {
        key.sign(Domain::LOGIN_GATEWAY, &encode(self))
    }

    /// The client's signature.
    pub fn sign_as_client(&self, key: &SecretKey) -> Signature {
        key.sign(Domain::LOGIN_CLIENT, &encode(self))
    }

    /// Checks the gateway's signature.
    ///
    /// # Errors
    /// When `key` didn't sign this transcript as a gateway.
    pub fn verify_gateway(&self, key: &PublicKey, s: &Signature) -> Result<(), VerifyError> {
        key.verify(Domain::LOGIN_GATEWAY, &encode(self), s)
    }

    /// Checks the client's signature.
    ///
    /// # Errors
    /// When `key` didn't sign this transcript as a client.
    pub fn verify_client(&self, key: &PublicKey, s: &Signature) -> Result<(), VerifyError> {
        key.verify(Domain::LOGIN_CLIENT, &encode(self), s)
    }
}

/// A login token.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Token {
    /// What it says.
    #[n(0)]
    pub body: TokenBody,
    /// The client's signature over it.
    #[n(1)]
    pub signature: Signature,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TokenBody {
    /// [`LOGIN_VERSION`].
    #[n(0)]
    pub version: u8,
    /// For which ledger.
    #[n(1)]
    pub chain: ChainId,
    /// Who logs in.
    #[n(2)]
    pub client: ClientId,
    /// With which certificate.
    #[n(3)]
    pub certificate: CertId,
    /// At which gateway.
    #[n(4)]
    pub gateway: ClientId,
    /// From when, seconds since 1970.
    #[n(5)]
    pub not_before_s: u64,
    /// Until when, seconds since 1970.
    #[n(6)]
    pub expires_s: u64,
    /// Makes it good once.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
}

impl Token {
    /// Signs a token.
    pub fn sign(body: TokenBody, key: &SecretKey) -> Self {
        let signature = key.sign(Domain::TOKEN, &encode(&body));
        Self { body, signature }
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// When `key` didn't sign this token.
    pub fn verify(&self, key: &PublicKey) -> Result<(), VerifyError> {
        key.verify(Domain::TOKEN, &encode(&self.body), &self.signature)
    }

    /// The MQTT password.
    pub fn to_text(&self) -> String {
        to_text(self)
    }

    /// Reads an MQTT password.
    ///
    /// # Errors
    /// When it isn't base64url of a token.
    pub fn from_text(text: &[u8]) -> Result<Self, DecodeError> {
        from_text(text)
    }
}

/// A signed HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedRequest {
    /// What is asked.
    #[n(0)]
    pub body: RequestBody,
    /// The client's signature over it.
    #[n(1)]
    pub signature: Signature,
}

/// What a signed request is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RequestBody {
    /// [`LOGIN_VERSION`].
    #[n(0)]
    pub version: u8,
    /// For which ledger.
    #[n(1)]
    pub chain: ChainId,
    /// Who asks.
    #[n(2)]
    pub client: ClientId,
    /// With which certificate.
    #[n(3)]
    pub certificate: CertId,
    /// The HTTP method, in capitals.
    #[n(4)]
    pub method: String,
    /// The request target: path and query, as sent.
    #[n(5)]
    pub target: String,
    /// SM3 of the request's content (of nothing, for GET).
    #[n(6)]
    pub content: Sm3Digest,
    /// When, seconds since 1970.
    #[n(7)]
    pub time_s: u64,
    /// Makes it good once.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
}

impl SignedRequest {
    /// Signs a request.
    pub fn sign(body: RequestBody, key: &SecretKey) -> Self {
        let signature = key.sign(Domain::REQUEST, &encode(&body));
        Self { body, signature }
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// When `key` didn't sign this request.
    pub fn verify(&self, key: &PublicKey) -> Result<(), VerifyError> {
        key.verify(Domain::REQUEST, &encode(&self.body), &self.signature)
    }

    /// What a retrieval record keeps of it.
    pub fn digest(&self) -> Sm3Digest {
        sm3(&[&encode(self)])
    }

    /// The value of the `Authorization` header.
    pub fn to_header(&self) -> String {
        format!("{SCHEME} {}", to_text(self))
    }

    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// When it isn't the scheme `SM2` with a signed request.
    pub fn from_header(value: &str) -> Result<Self, DecodeError> {
        let text = value
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.strip_prefix(' '));
        let text = text.ok_or_else(|| DecodeError::Malformed {
            what: "Authorization header",
            detail: "the scheme must be 'SM2'".to_owned(),
        })?;
        from_text(text.as_bytes())
    }
}

/// What is signed to sign in at a web console.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ConsoleSignIn {
    /// [`LOGIN_VERSION`].
    #[n(0)]
    pub version: u8,
    /// The ledger.
    #[n(1)]
    pub chain: ChainId,
    /// The console's origin, as the browser sees it.
    #[n(2)]
    pub origin: String,
    /// Who signs in, by its certificate.
    #[n(3)]
    pub certificate: CertId,
    /// What the console gave.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
}

impl ConsoleSignIn {
    /// Signs.
    pub fn sign(&self, key: &SecretKey) -> Signature {
        key.sign(Domain::CONSOLE, &encode(self))
    }

    /// Checks a signature.
    ///
    /// # Errors
    /// When `key` didn't sign exactly this.
    pub fn verify(&self, key: &PublicKey, signature: &Signature) -> Result<(), VerifyError> {
        key.verify(Domain::CONSOLE, &encode(self), signature)
    }
}

fn to_text<T: Encode<()>>(value: &T) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(encode(value))
}

fn from_text<T>(text: &[u8]) -> Result<T, DecodeError>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    if text.len() > LOGIN_MAX_BYTES {
        return Err(DecodeError::TooLong {
            what: "base64url text",
            got_bytes: text.len(),
            limit_bytes: LOGIN_MAX_BYTES,
        });
    }
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|e| DecodeError::Malformed {
            what: "base64url text",
            detail: e.to_string(),
        })?;
    decode_bounded(&bytes, LOGIN_MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: &SecretKey) -> SignedRequest {
        let body = RequestBody {
            version: LOGIN_VERSION,
            chain: ChainId(Sm3Digest([1; 32])),
            client: "acme.reader".parse().unwrap(),
            certificate: CertId(Sm3Digest([2; 32])),
            method: "GET".to_owned(),
            target: "/v1/packages/x".to_owned(),
            content: sm3(&[]),
            time_s: 1_790_000_000,
            nonce: [3; 16],
        };
        SignedRequest::sign(body, key)
    }

    #[test]
    fn a_request_is_bound_to_all_it_says() {
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let signed = request(&key);
        signed.verify(key.public_key()).unwrap();
        assert_eq!(
            SignedRequest::from_header(&signed.to_header()).unwrap(),
            signed
        );
        let mut other = signed.clone();
        other.body.target.push('y');
        assert!(other.verify(key.public_key()).is_err());
        for bad in ["", "SM2", "Bearer abc", "SM2 !!", "SM2 AA"] {
            assert!(SignedRequest::from_header(bad).is_err(), "{bad}");
        }
        assert!(Token::from_text(&vec![b'A'; LOGIN_MAX_BYTES + 1]).is_err());
    }

    #[test]
    fn gateway_and_client_signatures_are_not_interchangeable() {
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let transcript = Transcript {
            chain: ChainId(Sm3Digest([1; 32])),
            client: "acme.press-7".parse().unwrap(),
            certificate: CertId(Sm3Digest([2; 32])),
            client_nonce: [3; 32],
            gateway: CertId(Sm3Digest([4; 32])),
            gateway_nonce: [5; 32],
            time_ms: 6,
        };
        let as_client = transcript.sign_as_client(&key);
        transcript
            .verify_client(key.public_key(), &as_client)
            .unwrap();
        assert!(
            transcript
                .verify_gateway(key.public_key(), &as_client)
                .is_err()
        );
    }
}
