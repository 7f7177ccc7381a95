//! Decide who may do what: the deterministic state machine of the ledger.
//!
//! Every node executes the same transactions over the same state and must come to the same bytes. So
//! this crate has no clock, no I/O, no randomness, no floats and no hash-map order: block height and
//! block time are arguments, state is read through a trait, writes are returned as data.
//!
//! # The contracts
//!
//! | Contract | Calls | Who may call |
//! |---|---|---|
//! | [`consortium`] | (genesis only) | nobody |
//! | identity | `RegisterCertificate`, `RevokeCertificate`, `SuspendCertificate`, `ResumeCertificate`, `SetTemplate`, `OpenEnrolments`, `CloseEnrolments` | operators, for their own organisation |
//! | identity | `RenewCertificate` | whoever holds the certificate |
//! | topics | `RegisterTopic`, `GrantTopic`, `RequestRights`, `CreateAuthorisation`, … (`topics/mod.rs` lists all) | devices and users, for their own topics; operators end what their organisation's clients began |
//! | records | `Anchor`, `LogRetrieval` | gateways, for themselves |
//! | audit | `LogEvents` | gateways, for themselves |
//! | compute | `RegisterComputeKey`, `RetireComputeKey` | devices and users, for their own keys; operators retire those of their organisation's clients |
//! | compute | `LogEvaluations` | gateways, on behalf of requesters with the right `compute` |
//!
//! The rules of each call stand at the head of its module (`identity/mod.rs`, `topics.rs`, `records.rs`,
//! `audit.rs`, `compute.rs`), the failure codes in [`Code`], the bounds in [`limits`], the state layout in [`keys`] and
//! [`entry`].
//!
//! # How a node uses it
//!
//! ```text
//! mempool    authenticate(state, tx, next block) → sender and key; check the signature once
//! proposer,  execute_block(genesis, block, transactions, state)
//! verifier     → writes (into the authenticated store) and outcomes
//!              → Fault::Missing(keys): fetch them, call again   (footprint(tx) avoids most of these)
//! finalised  view.apply(height, time, writes) → whose rights changed
//! gateway    view.decide(client, action, now) → allowed or not, why, and the keys that prove it
//! API        view.client(..), view.events_of(..), … → answers with the keys that prove them
//! ```
//!
//! # Invariants
//!
//! - A failed call leaves one trace: its outcome, under `tx/<id>`, for ever.
//! - One live certificate per client; a certificate is registered at most once.
//! - An organisation can't revoke or suspend its last operator.
//! - An enrolment gives one certificate at most.
//! - A topic has one owner at a time: first the client in its name, then whoever accepted it.
//! - After a revocation that rotates, exactly the owner and those with a live right to the key have it.
//! - A package is anchored at most once; records and events are never changed or deleted.
//! - An evaluation is logged only while its requester has the right `compute` on all of its topics.
//! - Whoever isn't allowed by a rule is denied ([`decide`]).

mod audit;
mod compute;
pub mod consortium;
mod context;
pub mod decide;
pub mod entry;
mod execute;
mod history;
mod identity;
pub mod keys;
pub mod limits;
pub mod outcome;
mod queries;
mod records;
pub mod state;
mod topics;
mod view;

pub use consortium::GenesisError;
pub use context::{Block, Sender};
pub use decide::{Action, Decision, Reason};
pub use execute::{
    AuthError, BlockError, BlockExecution, Execution, authenticate, authenticate_with_key_bytes,
    begin_block, execute, execute_block, footprint,
};
pub use identity::{renewal_opens_s, superseded};
pub use outcome::{Code, Outcome};
pub use queries::{
    AuthorisationRecord, BatchRecord, CertificateRecord, ClientRecord, ComputeKeyRecord,
    EnrolmentRecord, EvaluationRecord, EventSearch, ExpiringRecord, GrantRecord, RequestRecord,
    TopicRecord, Upkeep, WideRecord,
};
pub use state::{Fault, Missing, Overlay, Read, Writes};
pub use view::{Answer, Changes, OutOfOrder, PAGE_ENTRIES, Page, View};
