//! Names and numbers that identify things.
//!
//! | Type | Form | Example |
//! |---|---|---|
//! | [`OrgId`] | 1–32 of `a-z 0-9 - _`, starts with a letter | `acme` |
//! | [`ClientId`] | organisation, `.`, 1–64 of `a-z 0-9 - _` | `acme.press-7` |
//! | [`CertId`], [`ChainId`], [`TxId`], [`PackageId`] | SM3 digest | 64 hexadecimal digits |
//! | [`KeyEpoch`] | counts from 0 | `3` |
//!
//! A client's topics all start with `<org>/<name>/`: who owns a topic is written in its name, and
//! no two clients can ever claim the same one.

use std::{fmt, str::FromStr};

use minicbor::{Decode, Encode};
use sealwire_sm::Sm3Digest;

/// A name breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not {rule}")]
pub struct NameError {
    /// The name, shortened to 80 characters.
    pub text: String,
    /// What it should have been.
    pub rule: &'static str,
}

impl NameError {
    /// `text` should have been what `rule` says.
    pub fn new(text: &str, rule: &'static str) -> Self {
        Self {
            text: text.chars().take(80).collect(),
            rule,
        }
    }
}

/// Gives a checked text type its conversions: `FromStr`, `Display`, CBOR text and JSON string.
macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                let at = d.position();
                d.str()?
                    .parse()
                    .map_err(|e: $crate::id::NameError| minicbor::decode::Error::message(e).at(at))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_type;

/// Longest organisation name, in bytes.
pub const ORG_MAX_BYTES: usize = 32;
/// Longest client name without the organisation, in bytes.
pub const NAME_MAX_BYTES: usize = 64;

fn is_label(text: &str, max_bytes: usize) -> bool {
    (1..=max_bytes).contains(&text.len())
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// An organisation's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrgId(std::sync::Arc<str>);
text_type!(OrgId);

impl OrgId {
    fn check(text: &str) -> Result<(), NameError> {
        if is_label(text, ORG_MAX_BYTES) && text.as_bytes()[0].is_ascii_lowercase() {
            Ok(())
        } else {
            Err(NameError::new(
                text,
                "an organisation: 1 to 32 of a-z, 0-9, '-', '_', starting with a letter",
            ))
        }
    }
}

/// A client: a device, user, gateway or operator of an organisation; also its MQTT client id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(std::sync::Arc<str>);
text_type!(ClientId);

impl ClientId {
    fn check(text: &str) -> Result<(), NameError> {
        let sound = text
            .split_once('.')
            .is_some_and(|(org, name)| OrgId::check(org).is_ok() && is_label(name, NAME_MAX_BYTES));
        if sound {
            Ok(())
        } else {
            Err(NameError::new(
                text,
                "a client id: <organisation>.<name>, the name 1 to 64 of a-z, 0-9, '-', '_'",
            ))
        }
    }

    /// The client called `name` in `org`.
    ///
    /// # Errors
    /// When `name` has other characters or more than 64.
    pub fn new(org: &OrgId, name: &str) -> Result<Self, NameError> {
        format!("{org}.{name}").parse()
    }

    /// The part before the dot.
    pub fn org(&self) -> OrgId {
        OrgId(self.split().0.into())
    }

    /// The part after the dot.
    pub fn name(&self) -> &str {
        self.split().1
    }

    /// What all its topics start with: `<org>/<name>/`.
    pub fn topic_prefix(&self) -> String {
        let (org, name) = self.split();
        format!("{org}/{name}/")
    }

    fn split(&self) -> (&str, &str) {
        self.0.split_once('.').expect("checked when it was made")
    }
}

/// Gives a digest type its conversions.
macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, serde::Serialize,
            serde::Deserialize,
        )]
        #[cbor(transparent)]
        #[serde(transparent)]
        pub struct $name(pub Sm3Digest);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = sealwire_sm::digest::ParseDigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }
    };
}

digest_type! {
    /// A certificate: SM3 of its DER.
    CertId
}
digest_type! {
    /// A ledger: SM3 of its genesis.
    ChainId
}
digest_type! {
    /// A transaction: SM3 of its body, without the signature.
    TxId
}
digest_type! {
    /// A package of archived messages: SM3 of its manifest.
    PackageId
}

digest_type! {
    /// An enrolment: SM3 of its code's public key.
    EnrolmentId
}
digest_type! {
    /// An authorisation key: SM3 of its public half.
    AuthorisationId
}

digest_type! {
    /// A key that readings are encrypted to: SM3 of its description.
    ComputeKeyId
}
digest_type! {
    /// A computation that was made: SM3 of its record.
    EvaluationId
}
digest_type! {
    /// A computation that a gateway was asked for: SM3 of the signed request, or of the standing job and the
    /// end of its run.
    JobId
}
digest_type! {
    /// A computation that a gateway does again and again: SM3 of the signed request.
    StandingId
}

impl EnrolmentId {
    /// The enrolment whose code has this public key.
    pub fn of(key: &sealwire_sm::PublicKey) -> Self {
        Self(sealwire_sm::sm3(&[key.as_bytes()]))
    }
}

impl AuthorisationId {
    /// The authorisation key with this public half.
    pub fn of(key: &sealwire_sm::PublicKey) -> Self {
        Self(sealwire_sm::sm3(&[key.as_bytes()]))
    }
}

/// Which of a topic's keys: counts from 0, one more at every rotation.
#[derive(
    Clone,
    Copy,
    Default,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    serde::Serialize,
    serde::Deserialize,
)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct KeyEpoch(#[n(0)] pub u32);

impl fmt::Display for KeyEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let client: ClientId = "acme.press-7".parse().unwrap();
        assert_eq!(client.org().as_str(), "acme");
        assert_eq!(client.name(), "press-7");
        assert_eq!(client.topic_prefix(), "acme/press-7/");
        for bad in [
            "", ".", "acme", "acme.", ".x", "Acme.x", "acme.x/y", "acme.x.y", "7a.x", "a.+",
        ] {
            assert!(bad.parse::<ClientId>().is_err(), "{bad}");
        }
        assert!(format!("a.{}", "x".repeat(64)).parse::<ClientId>().is_ok());
        assert!(format!("a.{}", "x".repeat(65)).parse::<ClientId>().is_err());
        assert!(format!("{}.x", "a".repeat(33)).parse::<ClientId>().is_err());
    }

    #[test]
    fn a_bad_name_is_refused_in_cbor_too() {
        let bytes = crate::encode(&"NOT A NAME");
        assert!(crate::decode::<ClientId>(&bytes).is_err());
    }
}
