//! Certificates: X.509 v3 (RFC 5280) with SM2 keys (OID 1.2.156.10197.1.301) and SM2-with-SM3
//! signatures (OID 1.2.156.10197.1.501), as GB/T 20518 and OpenSSL have them.
//!
//! One level: an organisation's *root* signs its clients' certificates. Who a certificate names:
//!
//! | Subject | Root | Client |
//! |---|---|---|
//! | O (organisation) | `acme` | `acme` |
//! | OU (role) | `root` | `operator`, `gateway`, `device`, `user` or `validator` |
//! | CN (name) | `acme root` | the client id, `acme.press-7` |
//!
//! Extensions: basic constraints and key usage, both critical. Nothing else is read, and a critical
//! extension other than these two refuses the certificate.
//!
//! A certificate is at most [`MAX_DER_BYTES`] long and is known by the SM3 digest of its DER.

use std::{fmt, str::FromStr, time::Duration};

use der::{
    Decode as _, Encode as _, EncodePem as _,
    asn1::{GeneralizedTime, UtcTime},
    pem::LineEnding,
};
use rand_core::CryptoRng;
use sm2::dsa::{DerSignature, VerifyingKey};
use spki::{DynSignatureAlgorithmIdentifier, SubjectPublicKeyInfo};
use x509_cert::{
    builder::{Builder as _, CertificateBuilder, profile::BuilderProfile},
    certificate::TbsCertificate,
    ext::{
        Extension, ToExtension as _,
        pkix::{BasicConstraints, KeyUsage, KeyUsages},
    },
    name::Name,
    serial_number::SerialNumber,
    time::{Time, Validity},
};

use crate::{
    digest::{Sm3Digest, sm3},
    key::{PublicKey, SIGNER_ID, SecretKey, Signature},
};

/// Longest certificate that is read, in bytes of DER.
pub const MAX_DER_BYTES: usize = 4096;

pub(crate) const SM2_WITH_SM3: spki::ObjectIdentifier =
    spki::ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
pub(crate) const ORGANISATION: spki::ObjectIdentifier =
    spki::ObjectIdentifier::new_unwrap("2.5.4.10");
pub(crate) const ORGANISATIONAL_UNIT: spki::ObjectIdentifier =
    spki::ObjectIdentifier::new_unwrap("2.5.4.11");
pub(crate) const COMMON_NAME: spki::ObjectIdentifier =
    spki::ObjectIdentifier::new_unwrap("2.5.4.3");

/// What a certificate's holder is, and so what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The organisation's own key, which signs the others.
    Root,
    /// A person who runs the organisation's node: issues and votes.
    Operator,
    /// An MQTT gateway: the only one that may write connection records and anchors.
    Gateway,
    /// A device: publishes and subscribes.
    Device,
    /// A person or program that reads data.
    User,
    /// A ledger node that votes.
    Validator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [
        Self::Root,
        Self::Operator,
        Self::Gateway,
        Self::Device,
        Self::User,
        Self::Validator,
    ];

    /// As in the certificate's OU.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Operator => "operator",
            Self::Gateway => "gateway",
            Self::Device => "device",
            Self::User => "user",
            Self::Validator => "validator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| CertificateError::UnknownRole {
                role: text.to_owned(),
            })
    }
}

impl serde::Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// A certificate can't be read, made or trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Longer than [`MAX_DER_BYTES`].
    #[error("certificate has {got_bytes} bytes, the limit is {MAX_DER_BYTES}")]
    TooLong {
        /// How many it has.
        got_bytes: usize,
    },
    /// Not DER or PEM of an X.509 certificate.
    #[error("not an X.509 certificate: {detail}")]
    Encoding {
        /// What the decoder said.
        detail: String,
    },
    /// Not an SM2 key with an SM2-with-SM3 signature.
    #[error("certificate isn't SM2-with-SM3 (1.2.156.10197.1.501)")]
    Algorithm,
    /// The subject lacks O, OU or CN, or has one twice.
    #[error("certificate subject must have exactly one {attribute}")]
    Subject {
        /// Which attribute.
        attribute: &'static str,
    },
    /// The OU isn't a role.
    #[error(
        "unknown role '{role}': use operator, gateway, device, user or validator \
         (OU of the certificate)"
    )]
    UnknownRole {
        /// What it says.
        role: String,
    },
    /// Basic constraints or key usage don't fit the role, or another critical extension is there.
    #[error("certificate extension: {detail}")]
    Extension {
        /// Which and why.
        detail: String,
    },
    /// Not signed by the given issuer.
    #[error("certificate of '{subject}' isn't signed by '{issuer}'")]
    NotIssuedBy {
        /// The certificate's CN.
        subject: String,
        /// The supposed issuer's CN.
        issuer: String,
    },
    /// The validity ends before it starts, or is out of X.509's range.
    #[error("certificate validity from {not_before_s} to {not_after_s} (seconds since 1970)")]
    Validity {
        /// Start, seconds since 1970.
        not_before_s: u64,
        /// End, seconds since 1970.
        not_after_s: u64,
    },
}

fn encoding(error: impl fmt::Display) -> CertificateError {
    CertificateError::Encoding {
        detail: error.to_string(),
    }
}

/// A parsed certificate: its fields are sound, its signature isn't checked yet.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Vec<u8>,
    signature: Signature,
    /// O: the organisation.
    pub organisation: String,
    /// OU: the role.
    pub role: Role,
    /// CN: the client id.
    pub name: String,
    /// The subject's key.
    pub public_key: PublicKey,
    /// First second of validity, since 1970.
    pub not_before_s: u64,
    /// Last second of validity, since 1970.
    pub not_after_s: u64,
    /// Serial number as hexadecimal.
    pub serial: String,
    issuer_der: Vec<u8>,
    subject_der: Vec<u8>,
}

impl Certificate {
    /// Reads a certificate from DER.
    ///
    /// # Errors
    /// When it isn't one certificate that fits this module's profile.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_DER_BYTES {
            return Err(CertificateError::TooLong {
                got_bytes: der.len(),
            });
        }
        let parsed = x509_cert::Certificate::from_der(der).map_err(encoding)?;
        let tbs = parsed.tbs_certificate();
        if parsed.signature_algorithm().oid != SM2_WITH_SM3
            || tbs.signature() != parsed.signature_algorithm()
        {
            return Err(CertificateError::Algorithm);
        }
        let signature = parsed
            .signature()
            .as_bytes()
            .ok_or(CertificateError::Algorithm)?;
        let key = tbs.subject_public_key_info().to_der().map_err(encoding)?;
        let point = <sm2::PublicKey as spki::DecodePublicKey>::from_public_key_der(&key)
            .map_err(|_| CertificateError::Algorithm)?;
        let public_key = PublicKey::from_sec1(&point.to_sec1_bytes())
            .map_err(|_| CertificateError::Algorithm)?;
        let role: Role = attribute(tbs.subject(), ORGANISATIONAL_UNIT, "OU")?.parse()?;
        check_extensions(tbs, role)?;
        let validity = tbs.validity();
        let certificate = Self {
            der: der.to_vec(),
            tbs: tbs.to_der().map_err(encoding)?,
            signature: Signature::from_der(signature).map_err(|_| CertificateError::Algorithm)?,
            organisation: attribute(tbs.subject(), ORGANISATION, "O")?,
            role,
            name: attribute(tbs.subject(), COMMON_NAME, "CN")?,
            public_key,
            not_before_s: validity.not_before.to_unix_duration().as_secs(),
            not_after_s: validity.not_after.to_unix_duration().as_secs(),
            serial: hex::encode(tbs.serial_number().as_bytes()),
            issuer_der: tbs.issuer().to_der().map_err(encoding)?,
            subject_der: tbs.subject().to_der().map_err(encoding)?,
        };
        if certificate.not_before_s > certificate.not_after_s {
            return Err(CertificateError::Validity {
                not_before_s: certificate.not_before_s,
                not_after_s: certificate.not_after_s,
            });
        }
        Ok(certificate)
    }

    /// Reads a certificate from PEM (RFC 7468).
    ///
    /// # Errors
    /// As [`Certificate::from_der`], or when it isn't PEM.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let (label, der) = der::pem::decode_vec(pem.as_bytes()).map_err(encoding)?;
        if label != "CERTIFICATE" {
            return Err(encoding(format!("PEM says '{label}', not 'CERTIFICATE'")));
        }
        Self::from_der(&der)
    }

    /// The DER bytes it was read from.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As PEM (RFC 7468).
    pub fn to_pem(&self) -> String {
        x509_cert::Certificate::from_der(&self.der)
            .and_then(|parsed| parsed.to_pem(LineEnding::LF))
            .unwrap_or_default()
    }

    /// What it is known by: the SM3 digest of its DER.
    pub fn id(&self) -> Sm3Digest {
        sm3(&[&self.der])
    }

    /// Checks that `issuer` is a root of the same organisation that signed this certificate.
    ///
    /// # Errors
    /// When names, role or signature don't fit.
    pub fn verify_issued_by(&self, issuer: &Self) -> Result<(), CertificateError> {
        let fits = issuer.role == Role::Root
            && self.issuer_der == issuer.subject_der
            && self.organisation == issuer.organisation
            && issuer
                .public_key
                .verify_raw(&self.tbs, &self.signature)
                .is_ok();
        if fits {
            Ok(())
        } else {
            Err(CertificateError::NotIssuedBy {
                subject: self.name.clone(),
                issuer: issuer.name.clone(),
            })
        }
    }

    /// Whether `now_s` (seconds since 1970) lies in the validity, both ends included.
    pub fn is_valid_at(&self, now_s: u64) -> bool {
        (self.not_before_s..=self.not_after_s).contains(&now_s)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate({} {} {})",
            self.role,
            self.name,
            self.id().short()
        )
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// The text of the one attribute of this kind.
pub(crate) fn attribute(
    name: &Name,
    oid: spki::ObjectIdentifier,
    label: &'static str,
) -> Result<String, CertificateError> {
    let wrong = || CertificateError::Subject { attribute: label };
    let mut found = name.iter().filter(|attribute| attribute.oid == oid);
    let (Some(one), None) = (found.next(), found.next()) else {
        return Err(wrong());
    };
    // UTF8String or PrintableString, the two that DER certificates carry today.
    let text = std::str::from_utf8(one.value.value()).map_err(|_| wrong())?;
    if text.is_empty() {
        Err(wrong())
    } else {
        Ok(text.to_owned())
    }
}

fn check_extensions(tbs: &TbsCertificate, role: Role) -> Result<(), CertificateError> {
    let wrong = |detail: &str| CertificateError::Extension {
        detail: detail.to_owned(),
    };
    let constraints = tbs
        .get_extension::<BasicConstraints>()
        .map_err(encoding)?
        .ok_or_else(|| wrong("basic constraints are missing"))?
        .1;
    let usage = tbs
        .get_extension::<KeyUsage>()
        .map_err(encoding)?
        .ok_or_else(|| wrong("key usage is missing"))?
        .1;
    if constraints.ca != (role == Role::Root) {
        return Err(wrong("CA must be true for a root and false for all others"));
    }
    if role == Role::Root && !usage.key_cert_sign() {
        return Err(wrong("a root's key usage must have keyCertSign"));
    }
    if role != Role::Root && !usage.digital_signature() {
        return Err(wrong("a client's key usage must have digitalSignature"));
    }
    let known = [
        <BasicConstraints as der::oid::AssociatedOid>::OID,
        <KeyUsage as der::oid::AssociatedOid>::OID,
    ];
    let unknown = tbs
        .extensions()
        .into_iter()
        .flatten()
        .find(|extension| extension.critical && !known.contains(&extension.extn_id));
    match unknown {
        Some(extension) => Err(wrong(&format!(
            "unknown critical extension {}",
            extension.extn_id
        ))),
        None => Ok(()),
    }
}

/// The name of whoever has this role and CN in an organisation.
pub(crate) fn subject_name(
    organisation: &str,
    role: Role,
    name: &str,
) -> Result<Name, CertificateError> {
    let escape = |text: &str| {
        text.chars().fold(String::new(), |mut out, c| {
            if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' | '#') {
                out.push('\\');
            }
            out.push(c);
            out
        })
    };
    // RFC 4514 order is the reverse of the encoded one.
    let text = format!("CN={},OU={role},O={}", escape(name), escape(organisation));
    Name::from_str(&text).map_err(encoding)
}

/// What a certificate shall say.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// O: the organisation.
    pub organisation: &'a str,
    /// OU: the role.
    pub role: Role,
    /// CN: the client id; `<organisation> root` for a root.
    pub name: &'a str,
    /// First second of validity, since 1970.
    pub not_before_s: u64,
    /// Last second of validity, since 1970.
    pub not_after_s: u64,
}

impl Subject<'_> {
    fn to_name(&self) -> Result<Name, CertificateError> {
        subject_name(self.organisation, self.role, self.name)
    }

    fn validity(&self) -> Result<Validity, CertificateError> {
        let wrong = || CertificateError::Validity {
            not_before_s: self.not_before_s,
            not_after_s: self.not_after_s,
        };
        if self.not_before_s > self.not_after_s {
            return Err(wrong());
        }
        let time = |seconds| {
            let duration = Duration::from_secs(seconds);
            UtcTime::from_unix_duration(duration)
                .map(Time::UtcTime)
                .or_else(|_| GeneralizedTime::from_unix_duration(duration).map(Time::GeneralTime))
                .map_err(|_| wrong())
        };
        Ok(Validity::new(
            time(self.not_before_s)?,
            time(self.not_after_s)?,
        ))
    }
}

/// Makes an organisation's root certificate, signed by its own key.
///
/// # Errors
/// When the subject's role isn't [`Role::Root`] or its texts don't fit X.509.
pub fn issue_root<R: CryptoRng>(
    rng: &mut R,
    key: &SecretKey,
    subject: &Subject<'_>,
) -> Result<Certificate, CertificateError> {
    if subject.role != Role::Root {
        return Err(CertificateError::Extension {
            detail: "only a root signs itself".to_owned(),
        });
    }
    let name = subject.to_name()?;
    build(rng, key, key.public_key(), subject, name)
}

/// Makes a client's certificate for `public_key`, signed by the organisation's root key.
///
/// # Errors
/// When the issuer isn't a root of the subject's organisation, or the texts don't fit X.509.
pub fn issue<R: CryptoRng>(
    rng: &mut R,
    issuer_key: &SecretKey,
    issuer: &Certificate,
    public_key: &PublicKey,
    subject: &Subject<'_>,
) -> Result<Certificate, CertificateError> {
    let may = issuer.role == Role::Root
        && subject.role != Role::Root
        && issuer.organisation == subject.organisation
        && issuer_key.public_key() == &issuer.public_key;
    if !may {
        return Err(CertificateError::NotIssuedBy {
            subject: subject.name.to_owned(),
            issuer: issuer.name.clone(),
        });
    }
    let name = Name::from_der(&issuer.subject_der).map_err(encoding)?;
    build(rng, issuer_key, public_key, subject, name)
}

fn build<R: CryptoRng>(
    rng: &mut R,
    issuer_key: &SecretKey,
    public_key: &PublicKey,
    subject: &Subject<'_>,
    issuer: Name,
) -> Result<Certificate, CertificateError> {
    let point = sm2::PublicKey::from_sec1_bytes(public_key.as_bytes()).map_err(encoding)?;
    let profile = Profile {
        issuer,
        subject: subject.to_name()?,
        root: subject.role == Role::Root,
    };
    let builder = CertificateBuilder::new(
        profile,
        SerialNumber::generate(rng),
        subject.validity()?,
        SubjectPublicKeyInfo::from_key(&point).map_err(encoding)?,
    )
    .map_err(encoding)?;
    let signed = builder
        .build::<_, DerSignature>(&CertificateSigner::new(issuer_key)?)
        .map_err(encoding)?;
    Certificate::from_der(&signed.to_der().map_err(encoding)?)
}

struct Profile {
    issuer: Name,
    subject: Name,
    root: bool,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: spki::SubjectPublicKeyInfoRef<'_>,
        _: spki::SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let constraints = BasicConstraints {
            ca: self.root,
            path_len_constraint: self.root.then_some(0),
        };
        let usage = KeyUsage(if self.root {
            KeyUsages::KeyCertSign | KeyUsages::CRLSign
        } else {
            KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment
        });
        let mut extensions = vec![
            constraints.to_extension(tbs.subject(), &[])?,
            usage.to_extension(tbs.subject(), &[])?,
        ];
        for extension in &mut extensions {
            extension.critical = true;
        }
        Ok(extensions)
    }
}

/// Signs certificates in ASN.1 form: the `sm2` crate's own signer yields r || s, which no other
/// program reads in a certificate.
struct CertificateSigner<'a> {
    key: &'a SecretKey,
    verifying: VerifyingKey,
}

impl<'a> CertificateSigner<'a> {
    fn new(key: &'a SecretKey) -> Result<Self, CertificateError> {
        let verifying = VerifyingKey::from_sec1_bytes(SIGNER_ID, key.public_key().as_bytes())
            .map_err(encoding)?;
        Ok(Self { key, verifying })
    }
}

impl sm2::dsa::signature::Keypair for CertificateSigner<'_> {
    type VerifyingKey = VerifyingKey;

    fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }
}

impl DynSignatureAlgorithmIdentifier for CertificateSigner<'_> {
    fn signature_algorithm_identifier(&self) -> spki::Result<spki::AlgorithmIdentifierOwned> {
        Ok(spki::AlgorithmIdentifierOwned {
            oid: SM2_WITH_SM3,
            parameters: None,
        })
    }
}

impl sm2::dsa::signature::Signer<DerSignature> for CertificateSigner<'_> {
    fn try_sign(&self, message: &[u8]) -> sm2::dsa::signature::Result<DerSignature> {
        let der = self
            .key
            .sign_raw(message)
            .to_der()
            .map_err(|_| sm2::dsa::signature::Error::new())?;
        DerSignature::try_from(der.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM_S: u64 = 1_790_000_000;
    const TO_S: u64 = 1_890_000_000;

    fn root(org: &str, seed: u8) -> (SecretKey, Certificate) {
        let key = SecretKey::from_bytes(&[seed; 32]).unwrap();
        let name = format!("{org} root");
        let subject = Subject {
            organisation: org,
            role: Role::Root,
            name: &name,
            not_before_s: FROM_S,
            not_after_s: TO_S,
        };
        let certificate = issue_root(&mut rand::rng(), &key, &subject).unwrap();
        (key, certificate)
    }

    fn device(org: &str) -> Subject<'_> {
        Subject {
            organisation: org,
            role: Role::Device,
            name: "acme.press-7",
            not_before_s: FROM_S,
            not_after_s: TO_S,
        }
    }

    #[test]
    fn what_is_issued_reads_back() {
        let (key, root) = root("acme", 1);
        root.verify_issued_by(&root).unwrap();
        let holder = SecretKey::from_bytes(&[2; 32]).unwrap();
        let leaf = issue(
            &mut rand::rng(),
            &key,
            &root,
            holder.public_key(),
            &device("acme"),
        )
        .unwrap();
        leaf.verify_issued_by(&root).unwrap();
        assert_eq!(
            (leaf.organisation.as_str(), leaf.role),
            ("acme", Role::Device)
        );
        assert_eq!(leaf.name, "acme.press-7");
        assert_eq!(&leaf.public_key, holder.public_key());
        assert!(leaf.is_valid_at(FROM_S) && leaf.is_valid_at(TO_S));
        assert!(!leaf.is_valid_at(FROM_S - 1) && !leaf.is_valid_at(TO_S + 1));
        assert_eq!(Certificate::from_pem(&leaf.to_pem()).unwrap(), leaf);
    }

    #[test]
    fn another_root_or_a_leaf_doesnt_vouch() {
        let (key, root_a) = root("acme", 1);
        let (_, same_name) = root("acme", 3);
        let holder = SecretKey::from_bytes(&[2; 32]).unwrap();
        let leaf = issue(
            &mut rand::rng(),
            &key,
            &root_a,
            holder.public_key(),
            &device("acme"),
        )
        .unwrap();
        assert!(leaf.verify_issued_by(&same_name).is_err());
        assert!(leaf.verify_issued_by(&leaf).is_err());
        let foreign = issue(
            &mut rand::rng(),
            &key,
            &root_a,
            holder.public_key(),
            &device("other"),
        );
        assert!(matches!(foreign, Err(CertificateError::NotIssuedBy { .. })));
    }

    #[test]
    fn every_changed_byte_is_refused_somewhere() {
        let (key, root) = root("acme", 1);
        let leaf = issue(
            &mut rand::rng(),
            &key,
            &root,
            key.public_key(),
            &device("acme"),
        )
        .unwrap();
        for i in 0..leaf.der().len() {
            let mut bad = leaf.der().to_vec();
            bad[i] ^= 1;
            let accepted = Certificate::from_der(&bad)
                .and_then(|certificate| certificate.verify_issued_by(&root));
            assert!(accepted.is_err(), "byte {i}");
        }
    }

    #[test]
    fn refuses_nonsense() {
        assert!(matches!(
            Certificate::from_der(&[0; MAX_DER_BYTES + 1]),
            Err(CertificateError::TooLong { .. })
        ));
        assert!(Certificate::from_der(b"").is_err());
        assert!(Certificate::from_pem("no pem").is_err());
        assert!("king".parse::<Role>().is_err());
        let mut backwards = device("acme");
        backwards.not_before_s = TO_S + 1;
        let (key, root) = root("acme", 1);
        let made = issue(&mut rand::rng(), &key, &root, key.public_key(), &backwards);
        assert!(matches!(made, Err(CertificateError::Validity { .. })));
    }
}
