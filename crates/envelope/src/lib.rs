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
//! | [`login`] | MQTT logins and tokens, signed HTTP requests |
//! | [`message`] | the encrypted, signed message (COSE) |
//! | [`record`] | archived messages and packages |

pub mod block;
pub mod codec;
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
pub use codec::{Blob, DecodeError, decode, decode_bounded, encode};
pub use genesis::{Genesis, OrgGenesis};
pub use id::{CertId, ChainId, ClientId, KeyEpoch, NameError, OrgId, PackageId, TxId};
pub use topic::{TopicFilter, TopicName};
pub use transaction::{
    Anchor, AnchorPackages, Call, ConnectionEvent, EventKind, GrantTopic, LogEvents, LogRetrieval,
    RegisterCertificate, RegisterTopic, Retrieval, RevokeCertificate, RevokeGrant, Rights,
    Rotation, SealedFor, TopicMode, Transaction, TxBody,
};
