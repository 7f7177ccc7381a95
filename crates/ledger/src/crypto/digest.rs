//! SM3 (GB/T 32905-2016) as the engine's hasher.

use std::{cmp::Ordering, fmt, ops::Deref};

use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedArray, FixedSize, Read, ReadExt as _, Write};
use commonware_cryptography::Hasher;
use commonware_math::algebra::Random;
use commonware_parallel::Strategy;
use commonware_utils::{Array, Span};
use rand_core::CryptoRng;
use sealwire_sm::{Sm3Digest, sm3};

/// An SM3 digest: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, FixedArray)]
#[fixed_array(infallible)]
pub struct Digest(pub [u8; Sm3Digest::LEN]);

impl From<Sm3Digest> for Digest {
    fn from(digest: Sm3Digest) -> Self {
        Self(digest.0)
    }
}

impl From<Digest> for Sm3Digest {
    fn from(digest: Digest) -> Self {
        Self(digest.0)
    }
}

impl Ord for Digest {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Digest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Write for Digest {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.write(buf);
    }
}

impl Read for Digest {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        Ok(Self(<[u8; Sm3Digest::LEN]>::read(buf)?))
    }
}

impl FixedSize for Digest {
    const SIZE: usize = Sm3Digest::LEN;
}

impl Span for Digest {}

impl Array for Digest {}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl commonware_cryptography::Digest for Digest {
    const EMPTY: Self = Self([0; Sm3Digest::LEN]);
}

impl Random for Digest {
    fn random(mut rng: impl CryptoRng) -> Self {
        let mut bytes = [0; Sm3Digest::LEN];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

/// The SM3 hasher.
#[derive(Default)]
pub struct Sm3Hasher(sealwire_sm::Sm3Hasher);

impl Hasher for Sm3Hasher {
    type Digest = Digest;

    fn hash(parts: &[&[u8]]) -> Digest {
        sm3(parts).into()
    }

    fn hash_pair(left: &[&[u8]], right: &[&[u8]], _: &impl Strategy) -> (Digest, Digest) {
        (Self::hash(left), Self::hash(right))
    }

    fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    fn finalize(mut self) -> (Self, Digest) {
        let digest = self.0.finalize_reset();
        (self, digest.into())
    }
}

#[cfg(test)]
mod tests {
    use commonware_codec::{DecodeExt as _, Encode as _};

    use super::*;

    #[test]
    fn one_shot_and_streaming_agree_with_the_standards_first_example() {
        // GB/T 32905-2016, annex A.1.
        let expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
        assert_eq!(Sm3Hasher::hash(&[b"a", b"bc"]).to_string(), expected);
        let mut hasher = Sm3Hasher::default();
        hasher.update(b"ab").update(b"c");
        let (hasher, digest) = hasher.finalize();
        assert_eq!(digest.to_string(), expected);
        assert_eq!(
            hasher.finalize().1,
            Sm3Hasher::hash(&[]),
            "a finished hasher starts afresh"
        );
    }

    #[test]
    fn a_short_digest_is_refused() {
        let bytes = Sm3Hasher::hash(&[b"x"]).encode();
        assert!(Digest::decode(bytes.slice(..31)).is_err());
        assert_eq!(Digest::decode(bytes).unwrap(), Sm3Hasher::hash(&[b"x"]));
    }
}
