//! Addresses as personal data: recorded as keyed digests that only the organisation can open.
//!
//! Every connection event goes to the ledger, which all organisations keep for ever. Where an address is
//! personal data (a person's phone, PIPL and GDPR), the gateway records instead:
//!
//! ```text
//! plain = 4 or 6 (one byte) || the address, IPv4 with 12 zero bytes behind it     17 bytes
//! tag   = first 16 bytes of HMAC-SM3(key, "sealwire address tag" || plain)
//! body  = plain XOR first 17 bytes of HMAC-SM3(key, "sealwire address body" || tag)
//! text  = "keyed:" || hexadecimal of tag || body
//! ```
//!
//! - Without the key the text says nothing but whether two events came from the same address.
//! - The same address is always the same text: an auditor can still ask for all events from it.
//! - With the key it opens, and a changed text doesn't: the tag is the synthetic nonce and the check.
//!
//! The key lies in the gateway's directory (`address.key`, 32 bytes, mode 0600). Whoever destroys it makes
//! every recorded address unreadable: that is how an organisation forgets them.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use sealwire_sm::digest::hmac_sm3;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const PREFIX: &str = "keyed:";
const TAG_BYTES: usize = 16;
const PLAIN_BYTES: usize = 17;
const KEY_BYTES: usize = 32;

/// A recorded address can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The key can't be read or made.
    #[error("the address key {path}: {source}")]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key has another length.
    #[error("the address key {path} has {got} bytes, not 32")]
    Length {
        /// Where.
        path: PathBuf,
        /// How many.
        got: usize,
    },
    /// Not such a text.
    #[error("not a recorded address: it should be 'keyed:' and 66 hexadecimal digits")]
    Malformed,
    /// Another key's, or changed.
    #[error(
        "the recorded address doesn't open with this key: another gateway recorded it, or it was changed"
    )]
    Sealed,
}

/// Opens and closes addresses.
#[derive(Clone)]
pub struct AddressKey(Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddressKey")
    }
}

impl AddressKey {
    /// Its file's name in a gateway's directory.
    pub const FILE: &'static str = "address.key";

    /// The key of these bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the key.
    ///
    /// # Errors
    /// [`AddressError::File`], [`AddressError::Length`].
    pub fn load(path: &Path) -> Result<Self, AddressError> {
        let bytes = fs::read(path).map_err(|source| AddressError::File {
            path: path.to_owned(),
            source,
        })?;
        let bytes = Zeroizing::new(bytes);
        let fixed = <[u8; KEY_BYTES]>::try_from(bytes.as_slice());
        fixed.map(Self::new).map_err(|_| AddressError::Length {
            path: path.to_owned(),
            got: bytes.len(),
        })
    }

    /// Reads the key, or makes one where there is none.
    ///
    /// # Errors
    /// As [`AddressKey::load`].
    pub fn load_or_make(path: &Path) -> Result<Self, AddressError> {
        match Self::load(path) {
            Err(AddressError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let key = Self::new(rand::random());
                sealwire_sm::keyfile::write_private(path, &*key.0).map_err(|source| {
                    AddressError::File {
                        path: path.to_owned(),
                        source,
                    }
                })?;
                Ok(key)
            }
            other => other,
        }
    }

    /// What is recorded of an address.
    pub fn seal(&self, address: IpAddr) -> String {
        let plain = plain(address);
        let tag = self.tag(&plain);
        let body = self.mask(&tag, &plain);
        format!("{PREFIX}{}{}", hex::encode(tag), hex::encode(body))
    }

    /// The address of which this was recorded.
    ///
    /// # Errors
    /// [`AddressError::Malformed`], [`AddressError::Sealed`].
    pub fn open(&self, text: &str) -> Result<IpAddr, AddressError> {
        let digits = text.strip_prefix(PREFIX).ok_or(AddressError::Malformed)?;
        let mut bytes = [0; TAG_BYTES + PLAIN_BYTES];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| AddressError::Malformed)?;
        let (tag, body) = bytes.split_at(TAG_BYTES);
        let masked = <[u8; PLAIN_BYTES]>::try_from(body).map_err(|_| AddressError::Malformed)?;
        let plain = self.mask(tag, &masked);
        if !bool::from(self.tag(&plain).as_slice().ct_eq(tag)) {
            return Err(AddressError::Sealed);
        }
        address(&plain).ok_or(AddressError::Sealed)
    }

    fn tag(&self, plain: &[u8; PLAIN_BYTES]) -> [u8; TAG_BYTES] {
        let digest = hmac_sm3(
            &*self.0,
            &[b"sealwire address tag", plain.as_slice()].concat(),
        );
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&digest.0[..TAG_BYTES]);
        tag
    }

    fn mask(&self, tag: &[u8], bytes: &[u8; PLAIN_BYTES]) -> [u8; PLAIN_BYTES] {
        let pad = hmac_sm3(&*self.0, &[b"sealwire address body", tag].concat());
        let mut masked = *bytes;
        for (byte, pad) in masked.iter_mut().zip(pad.0) {
            *byte ^= pad;
        }
        masked
    }
}

fn plain(address: IpAddr) -> [u8; PLAIN_BYTES] {
    let mut plain = [0; PLAIN_BYTES];
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            plain[0] = 4;
            plain[1..5].copy_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            plain[0] = 6;
            plain[1..].copy_from_slice(&v6.octets());
        }
    }
    plain
}

fn address(plain: &[u8; PLAIN_BYTES]) -> Option<IpAddr> {
    let octets = <[u8; 16]>::try_from(&plain[1..]).ok()?;
    match plain[0] {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(&octets[..4]).ok()?)),
        6 => Some(IpAddr::from(octets)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AddressKey {
        AddressKey::new([7; KEY_BYTES])
    }

    #[test]
    fn addresses_open_and_stay_apart() {
        let mut seen = std::collections::BTreeSet::new();
        for text in [
            "192.0.2.7",
            "192.0.2.8",
            "2001:db8::7",
            "::",
            "0.0.0.0",
            "255.255.255.255",
        ] {
            let address: IpAddr = text.parse().unwrap();
            let sealed = key().seal(address);
            assert_eq!(
                sealed,
                key().seal(address),
                "the same address, the same text"
            );
            assert_eq!(key().open(&sealed).unwrap(), address);
            assert!(seen.insert(sealed), "{text}");
        }
    }

    /// What is on ledgers for ever must stay readable.
    #[test]
    fn the_form_is_pinned() {
        let sealed = key().seal("192.0.2.7".parse().unwrap());
        assert_eq!(sealed, include_str!("../tests/vectors/address.txt").trim());
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_same() {
        let mapped: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
        assert_eq!(key().seal(mapped), key().seal("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn what_was_changed_or_is_anothers_doesnt_open() {
        let sealed = key().seal("192.0.2.7".parse().unwrap());
        for at in PREFIX.len()..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(
                matches!(key().open(&changed), Err(AddressError::Sealed)),
                "{changed}"
            );
        }
        let other = AddressKey::new([8; KEY_BYTES]);
        assert!(matches!(other.open(&sealed), Err(AddressError::Sealed)));
        for wrong in [
            "",
            "keyed:",
            "192.0.2.7",
            "keyed:zz",
            &sealed[..sealed.len() - 2],
        ] {
            assert!(
                matches!(key().open(wrong), Err(AddressError::Malformed)),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_key_is_made_once() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(AddressKey::FILE);
        assert!(AddressKey::load(&path).is_err());
        let made = AddressKey::load_or_make(&path).unwrap();
        let again = AddressKey::load_or_make(&path).unwrap();
        let address = "192.0.2.7".parse().unwrap();
        assert_eq!(made.seal(address), again.seal(address));
        std::fs::write(&path, b"short").unwrap();
        let short = AddressKey::load_or_make(&path);
        assert!(matches!(short, Err(AddressError::Length { got: 5, .. })));
    }
}
