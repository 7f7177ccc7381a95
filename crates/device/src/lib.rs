//! One device for programs in other languages: the common core of the C library (`sealwire-capi`)
//! and of the Python module (`sealwire-python`). Rust programs use `sealwire-client` itself.
//!
//! ```text
//! caller's thread                        one thread of ours per device
//! Device::publish ──► Pending ──future──► sealwire-client: login, sealing, MQTT, HTTP
//!            wait ◄──────────── answer ◄─┘
//! Subscription::next  runs on the caller's thread, and waits for what that thread receives
//! ```
//!
//! | Module | What |
//! |---|---|
//! | [`certificate`] | enrol by a code, renew |
//! | [`device`] | open a home, connect, publish, subscribe, make tokens |
//! | [`records`] | what a gateway has archived, verified against the ledger |
//! | [`error`] | everything that can go wrong, in ten kinds |
//!
//! # Invariants
//! - Nothing waits longer than its caller says. A [`Pending`] that is dropped stops what it began.
//! - A message that was acknowledged to the gateway was handed to the caller.
//! - A record is handed out only after its package's root is the one that the ledger holds.
//!
//! # Failure
//! Every error is an [`Error`] with a sentence that says what to do, and a [`Kind`] to decide by. A
//! lost connection is made again ([`sealwire_client::mqtt::Reconnect`]); meanwhile calls wait, up to
//! their limits.
#![deny(missing_docs)]

pub mod certificate;
pub mod device;
pub mod error;
mod pending;
pub mod records;

pub use certificate::Renewal;
pub use device::{Device, Message, Subscription, Token};
pub use error::{Error, Kind};
pub use pending::Pending;
pub use records::{Record, Records};
