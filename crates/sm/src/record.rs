//! SM4 over records, in place: GCM (RFC 8998 §2.1) and CCM (RFC 8998 §2.2), both with a 128-bit
//! key, a 96-bit nonce and a 128-bit tag.
//!
//! A [`RecordKey`] keeps its key schedule, where [`crate::sm4::Key`] makes it anew for every
//! message: a connection seals thousands of records under one key.

use aes_gcm::{
    AesGcm, KeyInit as _,
    aead::{AeadInOut as _, consts::U12, inout::InOutBuf},
};
use ccm::{Ccm, consts::U16};

use crate::sm4::{NONCE_LEN, OpenError, TAG_LEN};

/// How SM4 encrypts and authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Galois/counter mode: AEAD_SM4_GCM.
    Gcm,
    /// Counter with CBC-MAC: AEAD_SM4_CCM.
    Ccm,
}

/// An expanded SM4 key for records; zeroised when dropped.
pub struct RecordKey(Cipher);

enum Cipher {
    Gcm(Box<AesGcm<::sm4::Sm4, U12>>),
    Ccm(Box<Ccm<::sm4::Sm4, U16, U12>>),
}

/// The record is longer than the mode can encrypt: 64 GiB (GCM) or 16 MiB (CCM).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record is too long for SM4: seal at most 64 GiB (GCM) or 16 MiB (CCM) at once")]
pub struct TooLongError;

impl RecordKey {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Expands `key` for `mode`.
    pub fn new(mode: Mode, key: &[u8; Self::LEN]) -> Self {
        Self(match mode {
            Mode::Gcm => Cipher::Gcm(Box::new(AesGcm::new(key.into()))),
            Mode::Ccm => Cipher::Ccm(Box::new(Ccm::new(key.into()))),
        })
    }

    /// Encrypts `buffer` in place; the tag is returned.
    ///
    /// A nonce must never be used twice with one key.
    ///
    /// # Errors
    /// When `buffer` is longer than the mode allows.
    pub fn seal_in_place(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LEN], TooLongError> {
        let buffer = InOutBuf::from(buffer);
        let tag = match &self.0 {
            Cipher::Gcm(cipher) => cipher.encrypt_inout_detached(nonce.into(), aad, buffer),
            Cipher::Ccm(cipher) => cipher.encrypt_inout_detached(nonce.into(), aad, buffer),
        };
        tag.map(Into::into).map_err(|_| TooLongError)
    }

    /// Decrypts `buffer` in place; what it holds after an error is worth nothing.
    ///
    /// # Errors
    /// When `tag` doesn't fit key, nonce, associated data and ciphertext.
    pub fn open_in_place(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), OpenError> {
        let buffer = InOutBuf::from(buffer);
        let (nonce, tag) = (nonce.into(), tag.into());
        match &self.0 {
            Cipher::Gcm(cipher) => cipher.decrypt_inout_detached(nonce, aad, buffer, tag),
            Cipher::Ccm(cipher) => cipher.decrypt_inout_detached(nonce, aad, buffer, tag),
        }
        .map_err(|_| OpenError)
    }
}

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("record::RecordKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = concat!(
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd",
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
    );

    /// RFC 8998 appendix A.1 (SM4-GCM) and A.2 (SM4-CCM): the same key, nonce, associated data
    /// and plaintext.
    #[test]
    fn matches_rfc_8998() {
        let key = hex::decode("0123456789abcdeffedcba9876543210").unwrap();
        let nonce = hex::decode("00001234567800000000abcd").unwrap();
        let nonce: [u8; 12] = nonce.try_into().unwrap();
        let aad = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let cases = [
            (
                Mode::Gcm,
                concat!(
                    "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735",
                    "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
                ),
                "83de3541e4c2b58177e065a9bf7b62ec",
            ),
            (
                Mode::Ccm,
                concat!(
                    "48af93501fa62adbcd414cce6034d895dda1bf8f132f042098661572e7483094",
                    "fd12e518ce062c98acee28d95df4416bed31a2f04476c18bb40c84a74b97dc5b"
                ),
                "16842d4fa186f56ab33256971fa110f4",
            ),
        ];
        for (mode, ciphertext, tag) in cases {
            let key = RecordKey::new(mode, key.as_slice().try_into().unwrap());
            let plain = hex::decode(PLAIN).unwrap();
            let mut buffer = plain.clone();
            let made = key.seal_in_place(&nonce, &aad, &mut buffer).unwrap();
            assert_eq!(hex::encode(&buffer), ciphertext, "{mode:?}");
            assert_eq!(hex::encode(made), tag, "{mode:?}");
            key.open_in_place(&nonce, &aad, &mut buffer, &made).unwrap();
            assert_eq!(buffer, plain);
        }
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        for mode in [Mode::Gcm, Mode::Ccm] {
            let key = RecordKey::new(mode, &[1; 16]);
            let mut sealed = *b"reading";
            let tag = key.seal_in_place(&[2; 12], b"aad", &mut sealed).unwrap();
            let opens = |nonce: &[u8; 12], aad: &[u8], text: &[u8], tag: &[u8; 16]| {
                key.open_in_place(nonce, aad, &mut text.to_vec(), tag)
                    .is_ok()
            };
            assert!(opens(&[2; 12], b"aad", &sealed, &tag));
            assert!(!opens(&[3; 12], b"aad", &sealed, &tag));
            assert!(!opens(&[2; 12], b"aae", &sealed, &tag));
            assert!(!opens(&[2; 12], b"aad", &sealed[1..], &tag));
            for i in 0..sealed.len() {
                let mut bad = sealed;
                bad[i] ^= 1;
                assert!(!opens(&[2; 12], b"aad", &bad, &tag), "{mode:?} byte {i}");
            }
            for i in 0..tag.len() {
                let mut bad = tag;
                bad[i] ^= 1;
                assert!(
                    !opens(&[2; 12], b"aad", &sealed, &bad),
                    "{mode:?} tag byte {i}"
                );
            }
        }
    }
}
