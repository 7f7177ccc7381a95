//! Transactions: what clients ask of the ledger.
//!
//! ```text
//! Transaction = [body: TxBody, signature: bstr .size 64]
//! TxBody      = [chain: digest, sender: digest, expiry_height: uint, nonce: bstr .size 16,
//!                call: Call]
//! id          = SM3(CBOR of body)
//! signature   = SM2 over "sealwire-transaction-v1" || 0x00 || CBOR of body
//! ```
//!
//! A transaction counts once: its id is on the ledger from then on. It's refused after
//! `expiry_height`, so nobody can keep it back and send it years later.

mod audit;
mod compute;
mod identity;
mod records;
mod topics;

pub use audit::*;
pub use compute::*;
pub use identity::*;
pub use records::*;
pub use topics::*;

use minicbor::{Decode, Encode};
use sealwire_sm::{Domain, PublicKey, SecretKey, Signature, key::VerifyError, sm3};
use serde::Serialize;

use crate::{
    codec::{DecodeError, decode_bounded, encode},
    id::{CertId, ChainId, TxId},
};

/// Longest transaction, in bytes of CBOR.
pub const TX_MAX_BYTES: usize = 256 * 1024;
/// Length of a nonce, in bytes.
pub const NONCE_LEN: usize = 16;

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Transaction {
    /// What is asked, and by whom.
    #[n(0)]
    pub body: TxBody,
    /// The sender's signature over the body.
    #[n(1)]
    pub signature: Signature,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct TxBody {
    /// For which ledger.
    #[n(0)]
    pub chain: ChainId,
    /// By the holder of which certificate.
    #[n(1)]
    pub sender: CertId,
    /// Last height at which it may be in a block.
    #[n(2)]
    pub expiry_height: u64,
    /// Makes two otherwise equal transactions two.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub nonce: [u8; NONCE_LEN],
    /// What is asked.
    #[n(4)]
    pub call: Call,
}

impl Transaction {
    /// Signs `body`.
    pub fn sign(body: TxBody, key: &SecretKey) -> Self {
        let signature = key.sign(Domain::TRANSACTION, &encode(&body));
        Self { body, signature }
    }

    /// What it is known by.
    pub fn id(&self) -> TxId {
        TxId(sm3(&[&encode(&self.body)]))
    }

    /// Checks the signature; whether `key` is the sender's is for the caller to know.
    ///
    /// # Errors
    /// When the signature isn't over exactly this body by `key`.
    pub fn verify(&self, key: &PublicKey) -> Result<(), VerifyError> {
        key.verify(Domain::TRANSACTION, &encode(&self.body), &self.signature)
    }

    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`Transaction::to_bytes`] wrote.
    ///
    /// # Errors
    /// When there are more than [`TX_MAX_BYTES`], or they aren't one transaction.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_bounded(bytes, TX_MAX_BYTES)
    }
}

macro_rules! calls {
    ($($number:literal $variant:ident($content:ident) $name:literal, $doc:literal;)*) => {
        /// What is asked of which contract.
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
        #[serde(tag = "call", rename_all = "kebab-case")]
        pub enum Call {
            $(
                #[doc = $doc]
                #[n($number)]
                $variant(#[n(0)] $content),
            )*
        }

        impl Call {
            /// The name of every call, in the order of their numbers.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// Its name as in JSON and on the command line.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }
        }
    };
}

// Numbers and names are for ever: they are in every transaction.
calls! {
    0 RegisterCertificate(RegisterCertificate) "register-certificate", "identity: issue a certificate.";
    1 RevokeCertificate(RevokeCertificate) "revoke-certificate", "identity: end a certificate.";
    2 RegisterTopic(RegisterTopic) "register-topic", "topics: claim a topic within one's prefix.";
    3 GrantTopic(GrantTopic) "grant-topic", "topics: give a right.";
    4 RevokeGrant(RevokeGrant) "revoke-grant", "topics: take a right away.";
    5 Anchor(AnchorPackages) "anchor", "records: anchor packages.";
    6 LogRetrieval(LogRetrieval) "log-retrieval", "records: log who fetched what.";
    7 LogEvents(LogEvents) "log-events", "audit: log connections.";
    8 RenewCertificate(RenewCertificate) "renew-certificate", "identity: replace one's own certificate.";
    9 SuspendCertificate(SuspendCertificate) "suspend-certificate", "identity: suspend a certificate.";
    10 ResumeCertificate(ResumeCertificate) "resume-certificate", "identity: end a suspension.";
    11 SetTemplate(SetTemplate) "set-template", "identity: set what is allowed of certificates of a role.";
    12 OpenEnrolments(OpenEnrolments) "open-enrolments", "identity: open enrolments by code.";
    13 CloseEnrolments(CloseEnrolments) "close-enrolments", "identity: close enrolments.";
    14 GrantFilter(GrantFilter) "grant-filter", "topics: give a right on all topics of a filter.";
    15 RevokeFilter(RevokeFilter) "revoke-filter", "topics: take such a right away.";
    16 RequestRights(RequestRights) "request-rights", "topics: ask for a right.";
    17 DenyRequest(DenyRequest) "deny-request", "topics: say no to a request.";
    18 TransferTopic(TransferTopic) "transfer-topic", "topics: offer a topic to another client.";
    19 AcceptTopic(AcceptTopic) "accept-topic", "topics: take over an offered topic.";
    20 CloseTopic(CloseTopic) "close-topic", "topics: close a topic.";
    21 RotateTopic(RotateTopic) "rotate-topic", "topics: change a topic's key.";
    22 SealKeys(SealKeys) "seal-keys", "topics: seal a topic's keys to those entitled.";
    23 CreateAuthorisation(CreateAuthorisation) "create-authorisation", "topics: register an authorisation key.";
    24 RedeemAuthorisation(RedeemAuthorisation) "redeem-authorisation", "topics: redeem an authorisation key.";
    25 WithdrawAuthorisation(WithdrawAuthorisation) "withdraw-authorisation", "topics: withdraw an authorisation key.";
    26 RegisterComputeKey(RegisterComputeKey) "register-compute-key", "compute: register a key that readings are encrypted to.";
    27 RetireComputeKey(RetireComputeKey) "retire-compute-key", "compute: end the use of such a key.";
    28 LogEvaluations(LogEvaluations) "log-evaluations", "compute: log what was computed on encrypted readings.";
}
