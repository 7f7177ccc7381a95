//! Let programs in C be devices: the library behind `include/sealwire.h`.
//!
//! The header is the documentation for its users: memory and thread rules at its top (they stand in
//! `cbindgen.toml`), then every function. It is generated from this crate's own comments;
//! `tests/header.rs` fails when it isn't what they say, and `SEALWIRE_BLESS=1` writes it anew.
//!
//! | Module | What |
//! |---|---|
//! | [`code`] | codes of errors, limits |
//! | `boundary` | strings, bytes and places of C's, and the guard against panics |
//! | [`device`] | open, connect, publish, subscribe, make tokens and receipts |
//! | [`message`] | what a subscription or an archive gives |
//!
//! # Invariants
//! - No panic leaves: each call runs in `boundary`'s `call`, which turns one into
//!   [`code::Code::SealwireInternal`].
//! - No state outside handles. A handle is a `Box` that C owns until it frees it.
//! - Raw pointers are followed in `boundary` alone; each unsafe block says why it may.
//!
//! `unsafe` is needed here and nowhere else in the workspace's own code: decision 0010.
#![deny(missing_docs)]

mod boundary;
pub mod code;
pub mod device;
pub mod message;
