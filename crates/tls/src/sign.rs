//! sm2sig_sm3 (RFC 8998 §3.2.1): who signs under which identifier.
//!
//! ```text
//! CertificateVerify:  SM2 under "TLSv1.3+GM+Cipher+Suite" over
//!                     64 x 0x20 || context || 0x00 || transcript digest      (RFC 8446 §4.4.3)
//! Certificate:        SM2 under "1234567812345678" over the DER of the TBSCertificate
//! ```
//!
//! rustls has one [`SignatureVerificationAlgorithm`] for both, so it goes by the first 64 bytes. A
//! TBSCertificate starts with 0x30 and a handshake's input with 0x20: neither can be presented as
//! the other, and each is checked under its own identifier only.

use std::{fmt, sync::Arc};

use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    crypto::{KeyProvider, WebPkiSupportedAlgorithms},
    pki_types::{
        AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm,
        SubjectPublicKeyInfoDer,
    },
    sign::{Signer, SigningKey, public_key_to_spki},
};
use sealwire_sm::{
    PublicKey, SecretKey, Signature,
    identified::{self, secret_key_from_pkcs8},
    key::SIGNER_ID,
};

use crate::SM2SIG_SM3;

/// The identifier under which a TLS handshake is signed (RFC 8998 §3.2.1).
pub const HANDSHAKE_ID: &str = "TLSv1.3+GM+Cipher+Suite";
/// The identifier under which certificates are signed (GM/T 0009-2012 §10).
pub const CERTIFICATE_ID: &str = SIGNER_ID;

/// What a handshake's input starts with (RFC 8446 §4.4.3).
const HANDSHAKE_PREFIX: [u8; 64] = [0x20; 64];

/// OIDs 1.2.840.10045.2.1 (ecPublicKey) and 1.2.156.10197.1.301 (the curve), in DER.
const SM2_KEY: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, // ecPublicKey
    0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d, // sm2p256v1
]);

/// OID 1.2.156.10197.1.501 (SM2-with-SM3), in DER.
const SM2_WITH_SM3: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75]);

/// What the provider verifies.
pub(crate) const ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[&Sm2SigSm3],
    mapping: &[(SM2SIG_SM3, &[&Sm2SigSm3])],
};

/// Verifies SM2 signatures of handshakes and certificates.
#[derive(Debug)]
pub struct Sm2SigSm3;

impl SignatureVerificationAlgorithm for Sm2SigSm3 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = PublicKey::from_sec1(public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        identified::verify(&key, identifier_of(message), message, &signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        SM2_KEY
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        SM2_WITH_SM3
    }
}

fn identifier_of(message: &[u8]) -> &'static str {
    if message.starts_with(&HANDSHAKE_PREFIX) {
        HANDSHAKE_ID
    } else {
        CERTIFICATE_ID
    }
}

/// An SM2 key that signs TLS handshakes.
#[derive(Clone)]
pub struct HandshakeKey {
    signer: Arc<identified::Signer>,
    public: PublicKey,
}

impl HandshakeKey {
    /// For the holder of `key`.
    pub fn new(key: &SecretKey) -> Self {
        Self {
            signer: Arc::new(identified::Signer::new(key, HANDSHAKE_ID)),
            public: key.public_key().clone(),
        }
    }
}

impl fmt::Debug for HandshakeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandshakeKey(of {})", self.public)
    }
}

impl SigningKey for HandshakeKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SM2SIG_SM3)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(public_key_to_spki(&SM2_KEY, self.public.to_uncompressed()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        // Read for TLS 1.2 only, which the provider doesn't have.
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for HandshakeKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        // A certificate must never be signed by mistake.
        if !message.starts_with(&HANDSHAKE_PREFIX) {
            return Err(Error::General(
                "an SM2 handshake key signs TLS 1.3 handshakes only".to_owned(),
            ));
        }
        self.signer
            .sign(message)
            .to_der()
            .map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        SM2SIG_SM3
    }
}

/// Loads SM2 keys from PKCS#8 DER.
#[derive(Debug)]
pub(crate) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let PrivateKeyDer::Pkcs8(der) = &key else {
            return Err(Error::General(
                "an SM2 key comes in PKCS#8: openssl pkcs8 -topk8 -nocrypt makes it".to_owned(),
            ));
        };
        let key = secret_key_from_pkcs8(der.secret_pkcs8_der())
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Arc::new(HandshakeKey::new(&key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(context: &[u8]) -> Vec<u8> {
        [&HANDSHAKE_PREFIX[..], context, &[0], &[7; 32]].concat()
    }

    #[test]
    fn each_input_has_its_own_identifier() {
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let public = key.public_key().to_uncompressed();
        let verifies = |message: &[u8], signature: &Signature| {
            Sm2SigSm3
                .verify_signature(&public, message, &signature.to_der().unwrap())
                .is_ok()
        };
        let message = handshake(b"TLS 1.3, server CertificateVerify");
        let tbs = b"\x30\x03\x02\x01\x00";
        let of_handshake = identified::Signer::new(&key, HANDSHAKE_ID);
        assert!(verifies(&message, &of_handshake.sign(&message)));
        assert!(verifies(tbs, &key.sign_raw(tbs)));
        // The wrong way round.
        assert!(!verifies(&message, &key.sign_raw(&message)));
        assert!(!verifies(tbs, &of_handshake.sign(tbs)));
        // 63 spaces aren't a handshake.
        assert!(!verifies(&message[1..], &of_handshake.sign(&message[1..])));
    }

    #[test]
    fn a_handshake_key_signs_nothing_else() {
        let key = HandshakeKey::new(&SecretKey::from_bytes(&[1; 32]).unwrap());
        assert!(key.sign(b"\x30\x03\x02\x01\x00").is_err());
        assert!(key.choose_scheme(&[SignatureScheme::ED25519]).is_none());
        let signer = key.choose_scheme(&[SignatureScheme::ED25519, SM2SIG_SM3]);
        let message = handshake(b"TLS 1.3, client CertificateVerify");
        let signature = signer.unwrap().sign(&message).unwrap();
        Sm2SigSm3
            .verify_signature(&key.public.to_uncompressed(), &message, &signature)
            .unwrap();
    }

    #[test]
    fn hostile_keys_and_signatures_are_refused() {
        let message = handshake(b"x");
        let public = SecretKey::from_bytes(&[1; 32])
            .unwrap()
            .public_key()
            .to_uncompressed();
        for (key, signature) in [
            (&public[..], &b""[..]),
            (&public, &[0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00]),
            (&public, &[0xff; 72]),
            (&[], &[0x30]),
            (&[4; 65], &[0x30]),
        ] {
            assert!(
                Sm2SigSm3
                    .verify_signature(key, &message, signature)
                    .is_err()
            );
        }
    }
}
