//! identity: enrol, certify, renew, suspend, revoke.

use minicbor::{Decode, Encode};
use sealwire_sm::{Domain, PublicKey, Role, SecretKey, Signature, key::VerifyError};
use serde::{Deserialize, Serialize};

use crate::{
    codec::{Blob, encode},
    id::{CertId, ChainId, ClientId, EnrolmentId},
};

/// Issues a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RegisterCertificate {
    /// The certificate.
    #[n(0)]
    pub der: Blob,
    /// The enrolment that the device redeemed for it, where it came by a code.
    #[n(1)]
    pub enrolment: Option<EnrolmentProof>,
}

/// That whoever holds an enrolment code wants a certificate for this key.
///
/// The signature is by the code's key (see [`crate::code`]) over the CBOR of
/// `[chain, client, public key of the certificate]`: whoever copies it enrols the same device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct EnrolmentProof {
    /// Which enrolment.
    #[n(0)]
    pub enrolment: EnrolmentId,
    /// By the code's key.
    #[n(1)]
    pub signature: Signature,
}

impl EnrolmentProof {
    fn message(chain: &ChainId, client: &ClientId, public_key: &PublicKey) -> Vec<u8> {
        encode(&(chain, client, Blob(public_key.to_bytes().to_vec())))
    }

    /// Signs for the holder of the code.
    pub fn sign(
        chain: &ChainId,
        client: &ClientId,
        public_key: &PublicKey,
        code: &SecretKey,
    ) -> Self {
        let message = Self::message(chain, client, public_key);
        Self {
            enrolment: EnrolmentId::of(code.public_key()),
            signature: code.sign(Domain::ENROLMENT, &message),
        }
    }

    /// Checks that the code's key signed for this client and certificate key.
    ///
    /// # Errors
    /// When it didn't.
    pub fn verify(
        &self,
        chain: &ChainId,
        client: &ClientId,
        public_key: &PublicKey,
        code: &PublicKey,
    ) -> Result<(), VerifyError> {
        let message = Self::message(chain, client, public_key);
        code.verify(Domain::ENROLMENT, &message, &self.signature)
    }
}

/// Replaces the sender's own certificate by a newer one for the same client and role. The
/// transaction's signature, by the old key, is the client's consent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RenewCertificate {
    /// The new certificate.
    #[n(0)]
    pub der: Blob,
}

/// Suspends a certificate: as revoked until it is resumed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct SuspendCertificate {
    /// Which one.
    #[n(0)]
    pub certificate: CertId,
    /// Why, for people; at most 256 bytes.
    #[n(1)]
    pub reason: String,
}

/// Ends a suspension.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ResumeCertificate {
    /// Which one.
    #[n(0)]
    pub certificate: CertId,
    /// Why, for people; at most 256 bytes.
    #[n(1)]
    pub reason: String,
}

/// Sets what the sender's organisation allows of certificates of a role.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct SetTemplate {
    /// Of which role.
    #[cbor(n(0), with = "crate::codec::role")]
    pub role: Role,
    /// The rules.
    #[n(1)]
    pub template: Template,
}

/// What an organisation allows of certificates of one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Template {
    /// Longest validity, seconds.
    #[n(0)]
    pub validity_max_s: u64,
    /// How long before its end a certificate may be renewed by its holder, seconds.
    #[n(1)]
    pub renewal_s: u64,
}

/// Opens enrolments: each lets whoever holds its code get one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct OpenEnrolments {
    /// Which.
    #[n(0)]
    pub enrolments: Vec<Enrolment>,
}

/// One certificate to be had by a code, once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Enrolment {
    /// For which client.
    #[n(0)]
    pub client: ClientId,
    /// In which role.
    #[cbor(n(1), with = "crate::codec::role")]
    pub role: Role,
    /// The public half of the code's key.
    #[n(2)]
    pub key: PublicKey,
    /// Void from this second on, since 1970.
    #[n(3)]
    pub expires_s: u64,
}

/// Closes enrolments that weren't used.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CloseEnrolments {
    /// Which.
    #[n(0)]
    pub enrolments: Vec<EnrolmentId>,
}

/// Ends a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RevokeCertificate {
    /// Which one.
    #[n(0)]
    pub certificate: CertId,
    /// Why, for people; at most 256 bytes.
    #[n(1)]
    pub reason: String,
}
