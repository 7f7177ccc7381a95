//! One encoding for everything: CBOR (RFC 8949), deterministically (§4.2.1): structs are arrays in
//! field order, enums are `[variant, [fields]]`, integers and lengths take their shortest form.
//!
//! [`decode`] accepts exactly what [`encode`] writes: it decodes, encodes again and compares. So a
//! value has one encoding, and a digest over an encoding is a digest over the value.

use std::fmt;

use minicbor::{Decode, Encode};

/// Bytes that aren't what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not CBOR of this type.
    #[error("not a valid {what}: {detail}")]
    Malformed {
        /// Which type was expected.
        what: &'static str,
        /// What the decoder said, with the position.
        detail: String,
    },
    /// Correct CBOR, but not the one encoding that counts.
    #[error("{what} isn't in deterministic CBOR (RFC 8949 §4.2.1), or bytes follow it")]
    NotCanonical {
        /// Which type was expected.
        what: &'static str,
    },
    /// Longer than allowed.
    #[error("{what} has {got_bytes} bytes, the limit is {limit_bytes}")]
    TooLong {
        /// Which type was expected.
        what: &'static str,
        /// How many bytes there are.
        got_bytes: usize,
        /// How many there may be.
        limit_bytes: usize,
    },
}

/// The one encoding of `value`.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("writing to memory can't fail")
}

/// The value of `bytes`.
///
/// # Errors
/// When the bytes aren't exactly what [`encode`] writes for some `T`.
pub fn decode<'b, T: Decode<'b, ()> + Encode<()>>(bytes: &'b [u8]) -> Result<T, DecodeError> {
    let what = short_name::<T>();
    let value: T = minicbor::decode(bytes).map_err(|e| DecodeError::Malformed {
        what,
        detail: e.to_string(),
    })?;
    if encode(&value) == bytes {
        Ok(value)
    } else {
        Err(DecodeError::NotCanonical { what })
    }
}

/// As [`decode`], and refuses more than `limit_bytes` before it looks at them.
///
/// # Errors
/// As [`decode`], or when there are too many bytes.
pub fn decode_bounded<'b, T: Decode<'b, ()> + Encode<()>>(
    bytes: &'b [u8],
    limit_bytes: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > limit_bytes {
        return Err(DecodeError::TooLong {
            what: short_name::<T>(),
            got_bytes: bytes.len(),
            limit_bytes,
        });
    }
    decode(bytes)
}

fn short_name<T>() -> &'static str {
    let full = std::any::type_name::<T>();
    full.rsplit("::").next().unwrap_or(full)
}

/// Bytes that are a CBOR byte string, and hexadecimal in JSON.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Blob(#[cbor(with = "minicbor::bytes")] pub Vec<u8>);

impl std::ops::Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl serde::Serialize for Blob {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> serde::Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        hex::decode(text.as_bytes())
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_encoding_is_accepted() {
        let blob = Blob(vec![1, 2]);
        assert_eq!(encode(&blob), [0x42, 1, 2]);
        assert_eq!(decode::<Blob>(&[0x42, 1, 2]).unwrap(), blob);
        let longer_length = decode::<Blob>(&[0x58, 2, 1, 2]);
        assert!(matches!(
            longer_length,
            Err(DecodeError::NotCanonical { what: "Blob" })
        ));
        let trailing = decode::<Blob>(&[0x42, 1, 2, 0]);
        assert!(matches!(trailing, Err(DecodeError::NotCanonical { .. })));
        assert!(matches!(
            decode::<Blob>(&[0x42, 1]),
            Err(DecodeError::Malformed { .. })
        ));
        assert!(matches!(
            decode_bounded::<Blob>(&[0x42, 1, 2], 2),
            Err(DecodeError::TooLong { .. })
        ));
    }
}

/// Roles as stored and sent: numbers that never change.
pub mod role {
    use minicbor::{
        Decoder, Encoder,
        decode::Error as DecodeError,
        encode::{Error as EncodeError, Write},
    };
    use sealwire_sm::Role;

    const NUMBERS: [(u8, Role); 6] = [
        (0, Role::Root),
        (1, Role::Operator),
        (2, Role::Gateway),
        (3, Role::Device),
        (4, Role::User),
        (5, Role::Validator),
    ];

    /// Writes a role's number.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn encode<C, W: Write>(
        role: &Role,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let found = NUMBERS.iter().find(|(_, known)| known == role);
        let (number, _) = found.ok_or_else(|| EncodeError::message("role without a number"))?;
        e.u8(*number)?.ok()
    }

    /// Reads a role's number.
    ///
    /// # Errors
    /// When no role has it.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Role, DecodeError> {
        let number = d.u8()?;
        let found = NUMBERS.iter().find(|(known, _)| *known == number);
        found
            .map(|(_, role)| *role)
            .ok_or_else(|| DecodeError::message("unknown role"))
    }
}
