//! Certificate requests: PKCS#10 (RFC 2986) with an SM2 key and an SM2-with-SM3 signature.
//!
//! A device makes its key, names itself and signs that with the key: the *request*. Whoever holds the
//! organisation's root makes a certificate of it. The key never leaves the device.
//!
//! ```text
//! CertificationRequestInfo = version 0, subject (O, OU, CN as in a certificate), key, attributes
//! CertificationRequest     = info, 1.2.156.10197.1.501, SM2 over the DER of info (default signer id)
//! ```
//!
//! A [`Request`] that exists is signed by the key that it names. It says nothing about who may have
//! such a certificate: that is for the issuer to know. Attributes are ignored: key usage and the rest
//! follow from the role, not from what a device would like.

use std::fmt;

use der::{
    Decode as _, Encode as _,
    asn1::{BitString, SetOfVec},
    pem::LineEnding,
};
use spki::SubjectPublicKeyInfo;
use x509_cert::request::{CertReq, CertReqInfo, Version};

use crate::{
    cert::{
        COMMON_NAME, CertificateError, ORGANISATION, ORGANISATIONAL_UNIT, Role, SM2_WITH_SM3,
        attribute, subject_name,
    },
    digest::{Sm3Digest, sm3},
    key::{PublicKey, SecretKey, Signature},
};

/// Longest request that is read, in bytes of DER.
pub const REQUEST_MAX_BYTES: usize = 4096;

/// Longest PEM text that is read, in bytes: base 64, line ends, the two label lines, and room for the
/// text that some programs write before them.
pub const REQUEST_PEM_MAX_BYTES: usize = 4 * REQUEST_MAX_BYTES;

/// Labels of PEM (RFC 7468 §7): the second is what older programs write.
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// A request can't be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Longer than [`REQUEST_MAX_BYTES`].
    #[error("certificate request has {got_bytes} bytes, the limit is {REQUEST_MAX_BYTES}")]
    TooLong {
        /// How many it has.
        got_bytes: usize,
    },
    /// Not DER or PEM of a PKCS#10 request.
    #[error("not a certificate request (PKCS#10): {detail}")]
    Encoding {
        /// What the decoder said.
        detail: String,
    },
    /// Not an SM2 key with an SM2-with-SM3 signature.
    #[error(
        "certificate request isn't SM2-with-SM3 (1.2.156.10197.1.501): make an SM2 key, and sign with SM3"
    )]
    Algorithm,
    /// Not signed by the key that it names.
    #[error(
        "certificate request of '{name}' isn't signed by its own key \
         (with openssl 3, sign with -sigopt distid:1234567812345678)"
    )]
    NotSigned {
        /// Its CN.
        name: String,
    },
    /// The subject doesn't have O, OU and CN, once each, or the OU is no role.
    #[error("subject of the certificate request: {0}")]
    Subject(#[source] CertificateError),
}

fn encoding(error: impl fmt::Display) -> RequestError {
    RequestError::Encoding {
        detail: error.to_string(),
    }
}

/// A request, signed by the key that it names.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    der: Vec<u8>,
    /// O: the organisation.
    pub organisation: String,
    /// OU: the role that is asked for.
    pub role: Role,
    /// CN: the client id.
    pub name: String,
    /// The key to be certified.
    pub public_key: PublicKey,
}

impl Request {
    /// Asks for a certificate for `key`.
    ///
    /// # Errors
    /// When the texts don't fit X.509.
    pub fn sign(
        key: &SecretKey,
        organisation: &str,
        role: Role,
        name: &str,
    ) -> Result<Self, RequestError> {
        let point = sm2::PublicKey::from_sec1_bytes(key.public_key().as_bytes());
        let point = point.map_err(|_| RequestError::Algorithm)?;
        let info = CertReqInfo {
            version: Version::V1,
            subject: subject_name(organisation, role, name).map_err(RequestError::Subject)?,
            public_key: SubjectPublicKeyInfo::from_key(&point).map_err(encoding)?,
            attributes: SetOfVec::new(),
        };
        let signature = key.sign_raw(&info.to_der().map_err(encoding)?);
        let signature = signature.to_der().map_err(|_| RequestError::Algorithm)?;
        let request = CertReq {
            info,
            algorithm: spki::AlgorithmIdentifierOwned {
                oid: SM2_WITH_SM3,
                parameters: None,
            },
            signature: BitString::from_bytes(&signature).map_err(encoding)?,
        };
        Self::from_der(&request.to_der().map_err(encoding)?)
    }

    /// Reads a request from DER, and checks that it is signed by its own key.
    ///
    /// # Errors
    /// When it isn't one request that fits this module.
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > REQUEST_MAX_BYTES {
            return Err(RequestError::TooLong {
                got_bytes: der.len(),
            });
        }
        let parsed = CertReq::from_der(der).map_err(encoding)?;
        if parsed.algorithm.oid != SM2_WITH_SM3 {
            return Err(RequestError::Algorithm);
        }
        let key = parsed.info.public_key.to_der().map_err(encoding)?;
        let point = <sm2::PublicKey as spki::DecodePublicKey>::from_public_key_der(&key)
            .map_err(|_| RequestError::Algorithm)?;
        let public_key =
            PublicKey::from_sec1(&point.to_sec1_bytes()).map_err(|_| RequestError::Algorithm)?;
        let text =
            |oid, label| attribute(&parsed.info.subject, oid, label).map_err(RequestError::Subject);
        let request = Self {
            organisation: text(ORGANISATION, "O")?,
            role: text(ORGANISATIONAL_UNIT, "OU")?
                .parse()
                .map_err(RequestError::Subject)?,
            name: text(COMMON_NAME, "CN")?,
            public_key,
            der: der.to_vec(),
        };
        let signature = parsed.signature.as_bytes();
        let signature = signature.and_then(|bytes| Signature::from_der(bytes).ok());
        let signature = signature.ok_or(RequestError::Algorithm)?;
        let signed = parsed.info.to_der().map_err(encoding)?;
        match request.public_key.verify_raw(&signed, &signature) {
            Ok(()) => Ok(request),
            Err(_) => Err(RequestError::NotSigned { name: request.name }),
        }
    }

    /// Reads a request from PEM (RFC 7468). Text before the first label is ignored.
    ///
    /// # Errors
    /// As [`Request::from_der`], or when it isn't PEM.
    pub fn from_pem(pem: &str) -> Result<Self, RequestError> {
        if pem.len() > REQUEST_PEM_MAX_BYTES {
            return Err(RequestError::TooLong {
                got_bytes: pem.len(),
            });
        }
        let start = pem.find("-----BEGIN ").unwrap_or(0);
        let (label, der) = der::pem::decode_vec(&pem.as_bytes()[start..]).map_err(encoding)?;
        if !LABELS.contains(&label) {
            return Err(encoding(format!("PEM says '{label}', not '{}'", LABELS[0])));
        }
        Self::from_der(&der)
    }

    /// The DER bytes it was read from.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As PEM (RFC 7468).
    pub fn to_pem(&self) -> String {
        der::pem::encode_string(LABELS[0], LineEnding::LF, &self.der).unwrap_or_default()
    }

    /// The SM3 digest of its DER: what a person compares who was told it over the telephone.
    pub fn digest(&self) -> Sm3Digest {
        sm3(&[&self.der])
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.role, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_bytes(&[seed; 32]).unwrap()
    }

    fn request() -> Request {
        Request::sign(&key(1), "acme", Role::Device, "acme.press-7").unwrap()
    }

    #[test]
    fn what_is_signed_reads_back() {
        let made = request();
        assert_eq!(
            (made.organisation.as_str(), made.role, made.name.as_str()),
            ("acme", Role::Device, "acme.press-7")
        );
        assert_eq!(&made.public_key, key(1).public_key());
        assert_eq!(Request::from_der(made.der()).unwrap(), made);
        let pem = made.to_pem();
        assert_eq!(Request::from_pem(&pem).unwrap(), made);
        let older = pem
            .replace("BEGIN ", "BEGIN NEW ")
            .replace("END ", "END NEW ");
        assert_eq!(Request::from_pem(&older).unwrap(), made);
        let with_text = format!("Certificate Request:\n    Data:\n{pem}");
        assert_eq!(Request::from_pem(&with_text).unwrap(), made);
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let made = request();
        for i in 0..made.der().len() {
            for bit in [1, 0x80] {
                let mut bad = made.der().to_vec();
                bad[i] ^= bit;
                assert!(Request::from_der(&bad).is_err(), "byte {i}");
            }
        }
    }

    /// Somebody else's name with one's own key is a request that the issuer must judge; somebody
    /// else's key is none at all.
    #[test]
    fn a_key_that_one_doesnt_hold_cant_be_asked_for() {
        let (mine, theirs) = (request(), key(2));
        let mut parsed = CertReq::from_der(mine.der()).unwrap();
        let point = sm2::PublicKey::from_sec1_bytes(theirs.public_key().as_bytes()).unwrap();
        parsed.info.public_key = SubjectPublicKeyInfo::from_key(&point).unwrap();
        let signature = key(1).sign_raw(&parsed.info.to_der().unwrap());
        parsed.signature = BitString::from_bytes(&signature.to_der().unwrap()).unwrap();
        let refused = Request::from_der(&parsed.to_der().unwrap()).unwrap_err();
        let name = "acme.press-7".to_owned();
        assert_eq!(refused, RequestError::NotSigned { name });
    }

    #[test]
    fn refuses_nonsense() {
        assert!(matches!(
            Request::from_der(&[0; REQUEST_MAX_BYTES + 1]),
            Err(RequestError::TooLong { .. })
        ));
        assert!(Request::from_der(b"").is_err());
        let long = "-".repeat(REQUEST_PEM_MAX_BYTES + 1);
        for pem in ["", "no pem", "-----BEGIN ", &long] {
            assert!(Request::from_pem(pem).is_err());
        }
        let certificate = request()
            .to_pem()
            .replace("CERTIFICATE REQUEST", "CERTIFICATE");
        let refused = Request::from_pem(&certificate).unwrap_err();
        assert!(refused.to_string().contains("'CERTIFICATE'"), "{refused}");
    }
}
