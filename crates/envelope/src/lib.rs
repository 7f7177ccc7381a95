//! Encode and decode everything that Sealwire sends or stores.
//!
//! Bytes from outside become a type here, once, or are refused with an error that says what was
//! wrong. The formats are specified in the module docs and in `docs/protocol.md`, and pinned by the
//! vectors in `vectors/`.
//!
//! | Module | What |
//! |---|---|
//! | [`codec`] | the one encoding (deterministic CBOR) |
//! | [`id`], [`topic`] | names |
//! | [`genesis`] | what all organisations agree on beforehand |
//! | [`transaction`] | what clients ask of the ledger |
//! | [`block`] | header, finality certificate, bundle |
//! | [`proof`], [`receipt`] | state proofs and receipts |
//! | [`code`] | enrolment codes and authorisation keys as text |
//! | [`login`] | MQTT logins and tokens, signed HTTP requests |
//! | [`message`] | the encrypted, signed message (COSE) |
//! | [`record`] | archived messages and packages |
//! | [`compute`] | encrypted readings, what is computed on them, and what the ledger holds of it |

pub mod block;
pub mod code;
pub mod codec;
pub mod compute;
pub mod genesis;
pub mod id;
pub mod login;
pub mod message;
pub mod proof;
pub mod receipt;
pub mod record;
pub mod topic;
pub mod transaction;

pub use block::{BlockBundle, Finality, Header};
pub use code::{Code, CodeError};
pub use codec::{Blob, DecodeError, decode, decode_bounded, encode};
pub use genesis::{Genesis, OrgGenesis};
pub use id::{
    AuthorisationId, CertId, ChainId, ClientId, ComputeKeyId, EnrolmentId, EvaluationId, JobId,
    KeyEpoch, NameError, OrgId, PackageId, StandingId, TxId,
};
pub use topic::{TopicFilter, TopicName};
pub use transaction::{
    AcceptTopic, Anchor, AnchorPackages, AuthorisationKey, Call, ClientKey, CloseEnrolments,
    CloseTopic, ConnectionEvent, CreateAuthorisation, DenyRequest, Enrolment, EnrolmentProof,
    EpochKey, EventKind, GrantFilter, GrantTerms, GrantTopic, LogEvaluations, LogEvents,
    LogRetrieval, OpenEnrolments, RedeemAuthorisation, RegisterCertificate, RegisterComputeKey,
    RegisterTopic, RenewCertificate, RequestRights, ResumeCertificate, RetireComputeKey, Retrieval,
    RevokeCertificate, RevokeFilter, RevokeGrant, Rights, RotateTopic, Rotation, SealKeys,
    SealedFor, SetTemplate, SuspendCertificate, Template, TopicKey, TopicMode, Transaction,
    TransferTopic, TxBody, UserProperty, WithdrawAuthorisation,
};
