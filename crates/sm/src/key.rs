//! SM2 keys: signatures (GB/T 32918.2-2016) and public-key encryption (GB/T 32918.4-2016).
//!
//! Signer identity is always [`SIGNER_ID`], the default of GM/T 0009-2012 §10, and so is the one
//! that OpenSSL needs as `distid:1234567812345678`.
//!
//! What Sealwire itself signs is `domain || 0x00 || message`, where the domain is one of the
//! constants of [`Domain`]: a signature made for a login can't be presented as a transaction.
//! Certificates are signed without a domain ([`SecretKey::sign_raw`]), as X.509 says.

use std::{fmt, sync::Arc};

use rand_core::CryptoRng;
use sm2::{
    dsa::{SigningKey, signature::MultipartSigner as _},
    elliptic_curve::sec1::ToSec1Point as _,
    pke::{DecryptingKey, EncryptingKey},
};
use zeroize::Zeroizing;

use crate::{intern, verify};

/// The signer's distinguishing identifier (GM/T 0009-2012 §10).
pub const SIGNER_ID: &str = "1234567812345678";

/// What a signature is for; part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain(&'static str);

impl Domain {
    /// A transaction, by its sender.
    pub const TRANSACTION: Self = Self("sealwire-transaction-v1");
    /// A login's transcript, by the client.
    pub const LOGIN_CLIENT: Self = Self("sealwire-login-client-v1");
    /// A login's transcript, by the gateway.
    pub const LOGIN_GATEWAY: Self = Self("sealwire-login-gateway-v1");
    /// A login token, by the client.
    pub const TOKEN: Self = Self("sealwire-token-v1");
    /// A message's content, by the device.
    pub const MESSAGE: Self = Self("sealwire-message-v1");
    /// An HTTP request, by the client.
    pub const REQUEST: Self = Self("sealwire-request-v1");
    /// That the holder of an enrolment code wants a certificate for a key.
    pub const ENROLMENT: Self = Self("sealwire-enrolment-v1");
    /// That the holder of an authorisation key redeems it for a client.
    pub const AUTHORISATION: Self = Self("sealwire-authorisation-v1");
    /// Encrypted readings, by the device.
    pub const READING: Self = Self("sealwire-reading-v1");
    /// A sign-in at a web console, by the client.
    pub const CONSOLE: Self = Self("sealwire-console-v1");
    /// A consensus vote, by a validator.
    pub const VOTE: Self = Self("sealwire-vote-v1");
    /// A handshake or gossip between ledger nodes.
    pub const PEER: Self = Self("sealwire-peer-v1");

    /// The bytes that go before the message, without the separating zero.
    pub const fn as_bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}

/// A signature: `r || s`, 32 bytes each, big-endian.
///
/// Any 64 bytes can be held; whether they are a signature shows in [`PublicKey::verify`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; Self::LEN]);

impl Signature {
    /// Length in bytes.
    pub const LEN: usize = 64;

    /// The ASN.1 form of GM/T 0009-2012 §7.3, as certificates and OpenSSL have it.
    ///
    /// # Errors
    /// When r or s is zero or not below the group's order.
    pub fn to_der(self) -> Result<Vec<u8>, VerifyError> {
        let parsed = sm2::dsa::Signature::from_slice(&self.0).map_err(|_| VerifyError)?;
        Ok(parsed.to_der().as_ref().to_vec())
    }

    /// From the ASN.1 form.
    ///
    /// # Errors
    /// When the bytes aren't exactly one DER sequence of two integers in range.
    pub fn from_der(der: &[u8]) -> Result<Self, VerifyError> {
        let parsed = sm2::dsa::Signature::from_der(der).map_err(|_| VerifyError)?;
        let signature = Self(parsed.to_bytes().into());
        // Exactly one encoding: refuse what doesn't come out as it went in.
        if signature.to_der()? == der {
            Ok(signature)
        } else {
            Err(VerifyError)
        }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<C> minicbor::Encode<C> for Signature {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Signature {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        let bytes = d.bytes()?.try_into().map_err(|_| {
            minicbor::decode::Error::message("an SM2 signature has 64 bytes").at(at)
        })?;
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> serde::Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(text.as_bytes(), &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// The signature doesn't fit the key and the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SM2 signature doesn't verify")]
pub struct VerifyError;

/// The sealed bytes weren't made for this key, or were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SM2 decryption failed: sealed to another key, or the data was changed")]
pub struct OpenError;

/// Bytes that aren't a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a point of the curve in SEC1 form (33 or 65 bytes), or the point at infinity.
    #[error("not an SM2 public key: need 33 (compressed) or 65 bytes of a point on the curve")]
    Public,
    /// Not a scalar in \[1, n-2\].
    #[error("not an SM2 secret key: need 32 bytes, a number from 1 to n-2")]
    Secret,
}

/// A public key: a point of the SM2 curve other than infinity. Cheap to clone.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

/// A parsed key and what verifying under it needs.
pub(crate) struct Inner {
    bytes: [u8; PublicKey::LEN],
    point: sm2::PublicKey,
    /// Z_A of GB/T 32918.2 §5.5 for [`SIGNER_ID`].
    identity: [u8; 32],
    multiplier: verify::Multiplier,
}

impl Inner {
    fn new(point: sm2::PublicKey) -> Self {
        let mut bytes = [0; PublicKey::LEN];
        bytes.copy_from_slice(point.to_sec1_point(true).as_bytes());
        Self {
            bytes,
            identity: verify::identity(&point, SIGNER_ID),
            multiplier: verify::Multiplier::new(&point),
            point,
        }
    }
}

impl PublicKey {
    /// Length of the compressed SEC1 form in bytes.
    pub const LEN: usize = 33;

    /// A key from SEC1 bytes, compressed (33 bytes) or not (65 bytes).
    ///
    /// # Errors
    /// When the bytes aren't a point of the curve, or are the point at infinity.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, KeyError> {
        let parse = || sm2::PublicKey::from_sec1_bytes(bytes).map_err(|_| KeyError::Public);
        match bytes.try_into() {
            Ok(compressed) => intern::get(compressed, || Ok(Inner::new(parse()?))).map(Self),
            Err(_) => Ok(Self::from_point(parse()?)),
        }
    }

    fn from_point(point: sm2::PublicKey) -> Self {
        let inner = Inner::new(point);
        let bytes = inner.bytes;
        Self(intern::get(&bytes, || Ok(inner)).expect("a parsed key stays one"))
    }

    /// The compressed SEC1 form.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        self.0.bytes
    }

    /// The compressed SEC1 form, borrowed.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0.bytes
    }

    /// The uncompressed SEC1 form: 0x04, x, y.
    pub fn to_uncompressed(&self) -> [u8; 65] {
        let mut bytes = [0; 65];
        bytes.copy_from_slice(self.0.point.to_sec1_point(false).as_bytes());
        bytes
    }

    pub(crate) fn multiplier(&self) -> &verify::Multiplier {
        &self.0.multiplier
    }

    pub(crate) fn point(&self) -> &sm2::PublicKey {
        &self.0.point
    }

    fn identity(&self) -> &[u8; 32] {
        &self.0.identity
    }

    /// Checks a signature over `message` in `domain`.
    ///
    /// # Errors
    /// When it wasn't made by this key over exactly this.
    pub fn verify(
        &self,
        domain: Domain,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), VerifyError> {
        verify::verify(
            self,
            self.identity(),
            &[domain.as_bytes(), &[0], message],
            signature,
        )
    }

    /// Checks a signature over `message` alone, as in certificates.
    ///
    /// # Errors
    /// When it wasn't made by this key over exactly this.
    pub fn verify_raw(&self, message: &[u8], signature: &Signature) -> Result<(), VerifyError> {
        verify::verify(self, self.identity(), &[message], signature)
    }

    /// Encrypts `plaintext` so that only the holder of the secret key can read it.
    ///
    /// The result is C1 (65 bytes), C3 (32 bytes), C2 (as long as `plaintext`): 97 bytes more.
    ///
    /// # Panics
    /// When `plaintext` is empty: SM2 can't encrypt nothing.
    pub fn seal<R: CryptoRng>(&self, rng: &mut R, plaintext: &[u8]) -> Vec<u8> {
        assert!(!plaintext.is_empty(), "SM2 encrypts at least one byte");
        EncryptingKey::new(self.0.point)
            .encrypt(rng, plaintext)
            .expect("a valid point, a non-empty plaintext and an infallible random source")
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.bytes))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.bytes.cmp(&other.0.bytes)
    }
}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.bytes.hash(state);
    }
}

impl<C> minicbor::Encode<C> for PublicKey {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for PublicKey {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        Self::from_sec1(d.bytes()?).map_err(|e| minicbor::decode::Error::message(e).at(at))
    }
}

impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        let bytes = hex::decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        Self::from_sec1(&bytes).map_err(serde::de::Error::custom)
    }
}

/// A secret key: a scalar in \[1, n-2\], zeroised when dropped. Cheap to clone (shared).
#[derive(Clone)]
pub struct SecretKey(Arc<Secret>);

struct Secret {
    bytes: Zeroizing<[u8; SecretKey::LEN]>,
    signing: SigningKey,
    public: PublicKey,
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.signing);
    }
}

/// `sm2::dsa::SigningKey` doesn't zeroise itself: overwrites it with the key 1.
pub(crate) fn wipe(signing: &mut SigningKey) {
    let mut one = [0; SecretKey::LEN];
    one[SecretKey::LEN - 1] = 1;
    if let Ok(harmless) = SigningKey::from_slice(SIGNER_ID, &one) {
        *signing = harmless;
        std::hint::black_box(&*signing);
    }
}

impl SecretKey {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// n - 1, big-endian: the one scalar below n that can't sign, since 1 + d is then zero.
    const ORDER_MINUS_1: [u8; 32] = [
        0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x72, 0x03, 0xdf, 0x6b, 0x21, 0xc6, 0x05, 0x2b, 0x53, 0xbb, 0xf4, 0x09, 0x39, 0xd5,
        0x41, 0x22,
    ];

    /// A fresh random key.
    pub fn generate<R: CryptoRng>(rng: &mut R) -> Self {
        loop {
            let mut bytes = Zeroizing::new([0; Self::LEN]);
            rng.fill_bytes(bytes.as_mut_slice());
            if let Ok(key) = Self::from_bytes(bytes.as_slice()) {
                return key;
            }
        }
    }

    /// A key from its 32 big-endian bytes.
    ///
    /// # Errors
    /// When the number is 0 or above n-2, or there aren't 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        use subtle::ConstantTimeEq as _;
        let bytes: Zeroizing<[u8; Self::LEN]> =
            Zeroizing::new(bytes.try_into().map_err(|_| KeyError::Secret)?);
        if bytes.ct_eq(&Self::ORDER_MINUS_1).into() {
            return Err(KeyError::Secret);
        }
        let signing =
            SigningKey::from_slice(SIGNER_ID, bytes.as_slice()).map_err(|_| KeyError::Secret)?;
        let public = PublicKey::from_point(sm2::PublicKey::from(signing.verifying_key()));
        Ok(Self(Arc::new(Secret {
            bytes,
            signing,
            public,
        })))
    }

    /// The secret bytes: for a key file, nothing else.
    pub fn expose(&self) -> &[u8; Self::LEN] {
        &self.0.bytes
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// Signs `message` in `domain`; the same input gives the same signature.
    pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        self.sign_parts(&[domain.as_bytes(), &[0], message])
    }

    /// Signs `message` alone, as in certificates.
    pub fn sign_raw(&self, message: &[u8]) -> Signature {
        self.sign_parts(&[message])
    }

    fn sign_parts(&self, parts: &[&[u8]]) -> Signature {
        let signature = self.0.signing.try_multipart_sign(parts).expect(
            "fails only when SM3 hits one of a few values among 2^256 (r, s or r+k is zero)",
        );
        Signature(signature.to_bytes().into())
    }

    /// Decrypts what was sealed with [`PublicKey::seal`].
    ///
    /// # Errors
    /// When it was sealed to another key or has been changed.
    pub fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        const OVERHEAD: usize = 65 + 32;
        if sealed.len() <= OVERHEAD || sealed[0] != 0x04 {
            return Err(OpenError);
        }
        let key = DecryptingKey::from_nonzero_scalar(*self.0.signing.as_nonzero_scalar())
            .map_err(|_| OpenError)?;
        key.decrypt(sealed)
            .map(Zeroizing::new)
            .map_err(|_| OpenError)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_bytes(&[seed; 32]).unwrap()
    }

    #[test]
    fn signatures_are_deterministic_and_bound_to_domain_message_and_key() {
        let a = key(1);
        let signature = a.sign(Domain::TOKEN, b"m");
        assert_eq!(signature, a.sign(Domain::TOKEN, b"m"));
        let public = a.public_key();
        public.verify(Domain::TOKEN, b"m", &signature).unwrap();
        assert!(public.verify(Domain::VOTE, b"m", &signature).is_err());
        assert!(public.verify(Domain::TOKEN, b"n", &signature).is_err());
        assert!(
            key(2)
                .public_key()
                .verify(Domain::TOKEN, b"m", &signature)
                .is_err()
        );
        assert!(public.verify_raw(b"m", &signature).is_err());
        for i in 0..Signature::LEN {
            let mut bad = signature;
            bad.0[i] ^= 0x40;
            assert!(
                public.verify(Domain::TOKEN, b"m", &bad).is_err(),
                "byte {i}"
            );
        }
        for bad in [[0; 64], [0xff; 64]] {
            assert!(public.verify(Domain::TOKEN, b"m", &Signature(bad)).is_err());
        }
    }

    #[test]
    fn refuses_keys_out_of_range() {
        let mut n_minus_2 = SecretKey::ORDER_MINUS_1;
        n_minus_2[31] -= 1;
        assert!(SecretKey::from_bytes(&n_minus_2).is_ok());
        for bad in [SecretKey::ORDER_MINUS_1, [0; 32], [0xff; 32]] {
            assert_eq!(SecretKey::from_bytes(&bad).unwrap_err(), KeyError::Secret);
        }
        assert!(SecretKey::from_bytes(&[1; 31]).is_err());
        assert!(PublicKey::from_sec1(&[0]).is_err());
        assert!(PublicKey::from_sec1(&[2; 33]).is_err() || PublicKey::from_sec1(&[3; 33]).is_ok());
        let mut off_curve = key(1).public_key().to_uncompressed();
        off_curve[64] ^= 1;
        assert_eq!(
            PublicKey::from_sec1(&off_curve).unwrap_err(),
            KeyError::Public
        );
    }

    #[test]
    fn sealing_opens_only_with_the_right_key_and_unchanged() {
        let a = key(3);
        let sealed = a.public_key().seal(&mut rand::rng(), b"sixteen byte key");
        assert_eq!(sealed.len(), 97 + 16);
        assert_eq!(a.open(&sealed).unwrap().as_slice(), b"sixteen byte key");
        assert!(key(4).open(&sealed).is_err());
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert!(a.open(&bad).is_err(), "byte {i}");
        }
        for len in 0..sealed.len() {
            assert!(a.open(&sealed[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn der_form_is_exact() {
        let signature = key(5).sign_raw(b"m");
        let der = signature.to_der().unwrap();
        assert_eq!(Signature::from_der(&der).unwrap(), signature);
        let mut longer = der.clone();
        longer.push(0);
        assert!(Signature::from_der(&longer).is_err());
        assert!(Signature([0; 64]).to_der().is_err());
    }

    #[test]
    fn public_key_forms_agree() {
        let public = key(6).public_key().clone();
        assert_eq!(PublicKey::from_sec1(&public.to_bytes()).unwrap(), public);
        assert_eq!(
            PublicKey::from_sec1(&public.to_uncompressed()).unwrap(),
            public
        );
        let json = serde_json::to_string(&public).unwrap();
        assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), public);
    }
}
