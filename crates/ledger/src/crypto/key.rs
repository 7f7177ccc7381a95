//! SM2 keys as the engine's peer identities.
//!
//! A peer's handshake signature is made in the domain `Domain::PEER` over
//! `varint(len(namespace)) || namespace || message`.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};

use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedArray, FixedSize, Read, ReadExt as _, Write};
use commonware_cryptography::{Signer, Verifier};
use commonware_math::algebra::Random;
use commonware_utils::{Array, Span, union_unique};
use rand_core::CryptoRng;
use sealwire_sm::{Domain, key};

/// An SM2 secret key.
#[derive(Clone)]
pub struct PrivateKey(key::SecretKey);

impl PrivateKey {
    /// The key for everything that isn't a peer's handshake.
    pub fn secret(&self) -> &key::SecretKey {
        &self.0
    }
}

impl From<key::SecretKey> for PrivateKey {
    fn from(key: key::SecretKey) -> Self {
        Self(key)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey of {}", self.0.public_key())
    }
}

impl Random for PrivateKey {
    fn random(mut rng: impl CryptoRng) -> Self {
        Self(key::SecretKey::generate(&mut rng))
    }
}

impl Signer for PrivateKey {
    type Signature = Signature;
    type PublicKey = PublicKey;

    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key().clone())
    }

    fn sign(&self, namespace: &[u8], message: &[u8]) -> Signature {
        Signature(self.0.sign(Domain::PEER, &union_unique(namespace, message)))
    }
}

/// An SM2 public key: 33 bytes, compressed SEC1.
#[derive(Clone, PartialEq, Eq, FixedArray)]
pub struct PublicKey(key::PublicKey);

impl PublicKey {
    /// The key for everything that isn't a peer's handshake.
    pub fn inner(&self) -> &key::PublicKey {
        &self.0
    }
}

impl From<key::PublicKey> for PublicKey {
    fn from(key: key::PublicKey) -> Self {
        Self(key)
    }
}

impl Verifier for PublicKey {
    type Signature = Signature;

    fn verify(&self, namespace: &[u8], message: &[u8], signature: &Signature) -> bool {
        self.0
            .verify(
                Domain::PEER,
                &union_unique(namespace, message),
                &signature.0,
            )
            .is_ok()
    }
}

impl commonware_cryptography::PublicKey for PublicKey {}

impl Write for PublicKey {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.as_bytes().write(buf);
    }
}

impl Read for PublicKey {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let bytes = <[u8; key::PublicKey::LEN]>::read(buf)?;
        key::PublicKey::from_sec1(&bytes)
            .map(Self)
            .map_err(|_| Error::Invalid("PublicKey", "not a point of the SM2 curve"))
    }
}

impl FixedSize for PublicKey {
    const SIZE: usize = key::PublicKey::LEN;
}

impl Span for PublicKey {}

impl Array for PublicKey {}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_bytes().cmp(other.0.as_bytes())
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

impl AsRef<[u8]> for PublicKey {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Deref for PublicKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An SM2 signature: 64 bytes, r then s.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, FixedArray)]
#[fixed_array(infallible)]
pub struct Signature(pub key::Signature);

impl commonware_cryptography::Signature for Signature {}

impl Write for Signature {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.0.write(buf);
    }
}

impl Read for Signature {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        Ok(Self(key::Signature(<[u8; key::Signature::LEN]>::read(
            buf,
        )?)))
    }
}

impl FixedSize for Signature {
    const SIZE: usize = key::Signature::LEN;
}

impl Span for Signature {}

impl Array for Signature {}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        &self.0.0
    }
}

impl Deref for Signature {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.0))
    }
}

#[cfg(test)]
mod tests {
    use commonware_codec::{DecodeExt as _, Encode as _};

    use super::*;

    #[test]
    fn signatures_bind_namespace_and_message() {
        let key = PrivateKey::from_seed(1);
        let signature = key.sign(b"space", b"message");
        assert_eq!(
            signature,
            key.sign(b"space", b"message"),
            "votes are compared byte by byte"
        );
        assert!(key.public_key().verify(b"space", b"message", &signature));
        assert!(!key.public_key().verify(b"spac", b"emessage", &signature));
        assert!(!key.public_key().verify(b"space", b"massage", &signature));
        assert!(
            !PrivateKey::from_seed(2)
                .public_key()
                .verify(b"space", b"message", &signature)
        );
    }

    #[test]
    fn keys_round_trip_and_bad_points_are_refused() {
        let key = PrivateKey::from_seed(3).public_key();
        assert_eq!(PublicKey::decode(key.encode()).unwrap(), key);
        let mut bytes = key.encode().to_vec();
        bytes[0] = 7;
        assert!(PublicKey::decode(bytes::Bytes::from(bytes)).is_err());
    }
}
