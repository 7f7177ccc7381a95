//! Verify offline, from genesis alone, that a message was recorded.
//!
//! The crate is pure: no I/O, no clock, no randomness, and none of the engines that write what it
//! verifies. Whoever holds a genesis file can check a receipt with it, on a machine that never
//! spoke to a node.
//!
//! | Module | Verifies |
//! |---|---|
//! | [`merkle`] | a record in a package, a transaction in a block |
//! | [`state`] | an entry in the ledger's state, or its absence |
//! | [`finality`] | a block, by the votes of genesis's validators |
//! | [`verify`](mod@verify) | receipts and proven entries: the three above in order |
//! | [`bundle`] | whole packages with the ledger's proof of them |
//! | [`result`] | results of computing, with the evaluation and its packages |
//! | [`fsck`] | stored blocks and packages |
#![deny(missing_docs)]

pub mod bundle;
pub mod finality;
pub mod fsck;
pub mod merkle;
pub mod result;
pub mod state;
mod varint;
pub mod verify;

pub use bundle::{BundleError, VerifiedBundle, verify_bundle};
pub use finality::Validators;
pub use result::{ResultError, VerifiedResult, verify_result};
pub use verify::{Held, Step, Verified, VerifiedEntry, VerifyError, verify, verify_entry};
