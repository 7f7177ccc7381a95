//! SM3 digests (GB/T 32905-2016): 32 bytes, shown as lower-case hexadecimal.

use std::{fmt, str::FromStr};

use ::sm3::{Digest as _, Sm3};

/// An SM3 digest: 32 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sm3Digest(pub [u8; Self::LEN]);

impl Sm3Digest {
    /// Length in bytes.
    pub const LEN: usize = 32;
    /// Thirty-two zero bytes: 'no digest' where a format needs a value (the parent of genesis).
    pub const ZERO: Self = Self([0; Self::LEN]);

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The first four bytes as hexadecimal: for people, never for look-ups.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

/// A text that isn't 64 hexadecimal digits, or bytes that aren't 32.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an SM3 digest: need 64 hexadecimal digits (32 bytes), got {got_chars} characters")]
pub struct ParseDigestError {
    /// How many characters (or bytes) there were.
    pub got_chars: usize,
}

impl FromStr for Sm3Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseDigestError {
            got_chars: text.chars().count(),
        })?;
        Ok(Self(bytes))
    }
}

impl TryFrom<&[u8]> for Sm3Digest {
    type Error = ParseDigestError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        Ok(Self(bytes.try_into().map_err(|_| ParseDigestError {
            got_chars: bytes.len(),
        })?))
    }
}

impl From<[u8; 32]> for Sm3Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Sm3Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Sm3Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sm3Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<C> minicbor::Encode<C> for Sm3Digest {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Sm3Digest {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        Self::try_from(d.bytes()?).map_err(|e| minicbor::decode::Error::message(e).at(at))
    }
}

impl serde::Serialize for Sm3Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Sm3Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The SM3 digest of the concatenation of `parts`.
pub fn sm3(parts: &[&[u8]]) -> Sm3Digest {
    let mut hasher = Sm3Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

/// SM3 over data that comes in pieces.
#[derive(Clone, Default)]
pub struct Sm3Hasher(Sm3);

impl Sm3Hasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Feeds `data`.
    pub fn update(&mut self, data: &[u8]) -> &mut Self {
        self.0.update(data);
        self
    }

    /// The digest of everything fed.
    pub fn finalize(self) -> Sm3Digest {
        Sm3Digest(self.0.finalize().into())
    }

    /// The digest of everything fed; the hasher starts anew.
    pub fn finalize_reset(&mut self) -> Sm3Digest {
        Sm3Digest(self.0.finalize_reset().into())
    }

    /// Forgets everything fed.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

impl fmt::Debug for Sm3Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sm3Hasher")
    }
}

/// HMAC (RFC 2104) over SM3, block size 64 bytes (GB/T 15852.2-2012).
pub fn hmac_sm3(key: &[u8], message: &[u8]) -> Sm3Digest {
    const BLOCK: usize = 64;
    let mut block = zeroize::Zeroizing::new([0u8; BLOCK]);
    if key.len() > BLOCK {
        block[..32].copy_from_slice(sm3(&[key]).as_ref());
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |byte: u8| zeroize::Zeroizing::new(block.map(|b| b ^ byte));
    let inner = sm3(&[pad(0x36).as_slice(), message]);
    sm3(&[pad(0x5c).as_slice(), inner.as_ref()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_standards_examples() {
        // GB/T 32905-2016, appendix A.1 and A.2.
        assert_eq!(
            sm3(&[b"abc"]).to_string(),
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
        );
        assert_eq!(
            sm3(&[b"abcd".repeat(8).as_slice(), b"abcd".repeat(8).as_slice()]).to_string(),
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
        );
    }

    #[test]
    fn hmac_separates_keys_and_folds_long_ones() {
        let long = [7u8; 100];
        assert_eq!(
            hmac_sm3(&long, b"m"),
            hmac_sm3(sm3(&[&long]).as_ref(), b"m")
        );
        assert_ne!(hmac_sm3(b"a", b"m"), hmac_sm3(b"b", b"m"));
    }

    #[test]
    fn text_form_round_trips_and_refuses_the_rest() {
        let digest = sm3(&[b"x"]);
        assert_eq!(digest.to_string().parse::<Sm3Digest>().unwrap(), digest);
        assert!("abc".parse::<Sm3Digest>().is_err());
        assert!("zz".repeat(32).parse::<Sm3Digest>().is_err());
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Sm3Digest>(&json).unwrap(), digest);
    }
}
