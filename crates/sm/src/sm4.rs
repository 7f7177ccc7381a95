//! SM4-GCM (GB/T 32907-2016; GCM as in RFC 8998 §2): 128-bit key, 96-bit nonce, 128-bit tag.

use aes_gcm::{
    AesGcm, KeyInit as _,
    aead::{AeadInOut as _, consts::U12},
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

type Sm4Gcm = AesGcm<::sm4::Sm4, U12>;

/// Length of a nonce in bytes.
pub const NONCE_LEN: usize = 12;
/// Length of the tag that [`Key::seal`] appends, in bytes.
pub const TAG_LEN: usize = 16;

/// An SM4 key: 16 bytes, zeroised when dropped.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; Self::LEN]>);

/// The ciphertext, its tag, the nonce or the associated data isn't what was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SM4-GCM authentication failed: wrong key, or the data was changed")]
pub struct OpenError;

impl Key {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// A fresh random key.
    pub fn generate<R: CryptoRng>(rng: &mut R) -> Self {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// A key from its 16 bytes.
    ///
    /// # Errors
    /// When there aren't exactly 16 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyLengthError> {
        let bytes: [u8; Self::LEN] = bytes.try_into().map_err(|_| KeyLengthError {
            got_bytes: bytes.len(),
        })?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The secret bytes: for sealing them to somebody, nothing else.
    pub fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Encrypts; the result is the ciphertext followed by a tag of [`TAG_LEN`] bytes.
    ///
    /// A nonce must never be used twice with one key.
    ///
    /// # Panics
    /// When `plaintext` is longer than GCM's 64 GiB.
    pub fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(plaintext.len() + TAG_LEN);
        buffer.extend_from_slice(plaintext);
        Sm4Gcm::new(&(*self.0).into())
            .encrypt_in_place(&(*nonce).into(), aad, &mut buffer)
            .expect("plaintext is below GCM's limit of 64 GiB");
        buffer
    }

    /// Decrypts what [`Key::seal`] made.
    ///
    /// # Errors
    /// When the tag doesn't fit key, nonce, associated data and ciphertext.
    pub fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut buffer = Vec::with_capacity(ciphertext.len());
        buffer.extend_from_slice(ciphertext);
        Sm4Gcm::new(&(*self.0).into())
            .decrypt_in_place(&(*nonce).into(), aad, &mut buffer)
            .map_err(|_| OpenError)?;
        Ok(Zeroizing::new(buffer))
    }
}

/// An SM4 key of the wrong length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an SM4 key has 16 bytes, got {got_bytes}")]
pub struct KeyLengthError {
    /// How many bytes there were.
    pub got_bytes: usize,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sm4::Key(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8998 appendix A.1 (SM4-GCM).
    #[test]
    fn matches_rfc_8998() {
        let key =
            Key::from_slice(&hex::decode("0123456789abcdeffedcba9876543210").unwrap()).unwrap();
        let nonce: [u8; 12] = hex::decode("00001234567800000000abcd")
            .unwrap()
            .try_into()
            .unwrap();
        let aad = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let plain = hex::decode(concat!(
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd",
            "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
        ))
        .unwrap();
        let sealed = key.seal(&nonce, &aad, &plain);
        assert_eq!(
            hex::encode(&sealed),
            concat!(
                "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735",
                "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d",
                "83de3541e4c2b58177e065a9bf7b62ec"
            )
        );
        assert_eq!(key.open(&nonce, &aad, &sealed).unwrap().as_slice(), plain);
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let key = Key::from_slice(&[1; 16]).unwrap();
        let sealed = key.seal(&[2; 12], b"aad", b"reading");
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert_eq!(key.open(&[2; 12], b"aad", &bad).unwrap_err(), OpenError);
        }
        assert!(key.open(&[3; 12], b"aad", &sealed).is_err());
        assert!(key.open(&[2; 12], b"aae", &sealed).is_err());
        assert!(key.open(&[2; 12], b"aad", &sealed[..3]).is_err());
        assert!(Key::from_slice(&[0; 15]).is_err());
    }
}
