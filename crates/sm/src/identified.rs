//! Sign and verify under another identifier than [`SIGNER_ID`]: protocols that bring their own,
//! such as TLS 1.3 (RFC 8998 §3.2.1).
//!
//! The identifier goes into Z_A (GB/T 32918.2-2016 §5.5), and so a signature made under one never
//! verifies under another.

use pkcs8::DecodePrivateKey as _;
use sm2::dsa::{SigningKey, signature::Signer as _};

use crate::key::{self, KeyError, PublicKey, SIGNER_ID, SecretKey, Signature, VerifyError};
use crate::verify;

/// Longest identifier in bytes: its length in bits must fit 16 bits.
pub const MAX_ID_BYTES: usize = u16::MAX as usize / 8;

/// A secret key that signs under one identifier; zeroised when dropped.
pub struct Signer {
    signing: SigningKey,
}

impl Signer {
    /// `key`, signing under `id`.
    ///
    /// # Panics
    /// When `id` is longer than [`MAX_ID_BYTES`].
    pub fn new(key: &SecretKey, id: &'static str) -> Self {
        assert!(
            id.len() <= MAX_ID_BYTES,
            "an SM2 identifier has at most 8191 bytes"
        );
        let signing = SigningKey::from_slice(id, key.expose())
            .expect("the scalar is in range, and the identifier's length was checked");
        Self { signing }
    }

    /// Signs `message`; the same input gives the same signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let signature = self.signing.try_sign(message).expect(
            "fails only when SM3 hits one of a few values among 2^256 (r, s or r+k is zero)",
        );
        Signature(signature.to_bytes().into())
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        key::wipe(&mut self.signing);
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("identified::Signer(secret)")
    }
}

/// Checks a signature of `key` over `message` under `id`.
///
/// # Errors
/// When it wasn't made by this key under this identifier over exactly this, or `id` is longer than
/// [`MAX_ID_BYTES`].
pub fn verify(
    key: &PublicKey,
    id: &str,
    message: &[u8],
    signature: &Signature,
) -> Result<(), VerifyError> {
    if id == SIGNER_ID {
        return key.verify_raw(message, signature);
    }
    if id.len() > MAX_ID_BYTES {
        return Err(VerifyError);
    }
    let identity = verify::identity(key.point(), id);
    verify::verify(key, &identity, &[message], signature)
}

/// Reads a key from PKCS#8 DER (RFC 5958), not encrypted.
///
/// # Errors
/// When it isn't one SM2 key in range.
pub fn secret_key_from_pkcs8(der: &[u8]) -> Result<SecretKey, KeyError> {
    let secret = sm2::SecretKey::from_pkcs8_der(der).map_err(|_| KeyError::Secret)?;
    let bytes = zeroize::Zeroizing::new(<[u8; 32]>::from(secret.to_bytes()));
    SecretKey::from_bytes(bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pkcs8::EncodePrivateKey as _;

    const OTHER: &str = "TLSv1.3+GM+Cipher+Suite";

    #[test]
    fn a_signature_holds_under_its_own_identifier_only() {
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let public = key.public_key();
        let other = Signer::new(&key, OTHER).sign(b"m");
        verify(public, OTHER, b"m", &other).unwrap();
        assert!(verify(public, SIGNER_ID, b"m", &other).is_err());
        assert!(verify(public, OTHER, b"n", &other).is_err());
        assert!(public.verify_raw(b"m", &other).is_err());

        let usual = Signer::new(&key, SIGNER_ID).sign(b"m");
        assert_eq!(usual, key.sign_raw(b"m"));
        verify(public, SIGNER_ID, b"m", &usual).unwrap();
        assert!(verify(public, OTHER, b"m", &usual).is_err());
        assert!(verify(public, &"x".repeat(MAX_ID_BYTES + 1), b"m", &usual).is_err());
    }

    /// GB/T 32918.5-2017 appendix A.2 signs with the default identifier on the same curve: the
    /// public key, e's identity and the signature are the standard's.
    #[test]
    fn matches_the_standards_example() {
        let hex32 = |text: &str| hex::decode(text).unwrap();
        let key = SecretKey::from_bytes(&hex32(
            "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8",
        ))
        .unwrap();
        let identity = verify::identity(key.public_key().point(), SIGNER_ID);
        assert_eq!(
            hex::encode(identity),
            "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"
        );
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&hex32(
            "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3",
        ));
        signature[32..].copy_from_slice(&hex32(
            "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
        ));
        let signature = Signature(signature);
        verify(key.public_key(), SIGNER_ID, b"message digest", &signature).unwrap();
        assert!(verify(key.public_key(), OTHER, b"message digest", &signature).is_err());
    }

    #[test]
    fn reads_pkcs8() {
        let key = SecretKey::from_bytes(&[2; 32]).unwrap();
        let der = sm2::SecretKey::from_slice(key.expose())
            .unwrap()
            .to_pkcs8_der()
            .unwrap();
        let read = secret_key_from_pkcs8(der.as_bytes()).unwrap();
        assert_eq!(read.expose(), key.expose());
        assert!(secret_key_from_pkcs8(&der.as_bytes()[1..]).is_err());
    }
}
