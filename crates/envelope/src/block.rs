//! Blocks: header, finality certificate, and the bundle that a follower fetches.
//!
//! ```text
//! Header      = [version: 1, chain: digest, height: uint, epoch: uint, view: uint,
//!                parent_view: uint, parent: digest, time_ms: uint, proposer: bstr .size 33,
//!                transactions: digest, state_root: digest, ops_root: digest, ops_start: uint,
//!                ops_end: uint, validators: digest]
//! digest      = SM3("sealwire header" || CBOR of header)
//! Finality    = [epoch: uint, view: uint, parent_view: uint, payload: digest,
//!                signers: bstr, signatures: [* bstr .size 64]]
//! BlockBundle = [header: Header, transactions: [* Transaction], finality: Finality / null]
//! ```
//!
//! `transactions` is the RFC 6962-shaped Merkle root, with SM3, over the encoded transactions.
//! `state_root` is the state after the block; `ops_*` describe the same state to a node that
//! fetches it in pieces. The consensus votes on the header's digest.

use minicbor::{Decode, Encode};
use sealwire_sm::{PublicKey, Signature, Sm3Digest, sm3};
use serde::Serialize;

use crate::{
    codec::{Blob, encode},
    id::ChainId,
    transaction::Transaction,
};

/// Version of the header format.
pub const HEADER_VERSION: u8 = 1;
/// Longest block bundle, in bytes of CBOR.
pub const BUNDLE_MAX_BYTES: usize = 16 * 1024 * 1024;

/// What a block's digest is over.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Header {
    /// [`HEADER_VERSION`].
    #[n(0)]
    pub version: u8,
    /// The ledger.
    #[n(1)]
    pub chain: ChainId,
    /// Distance from genesis, which is 0.
    #[n(2)]
    pub height: u64,
    /// During which validator set, counted from 0.
    #[n(3)]
    pub epoch: u64,
    /// The consensus view in which it was proposed.
    #[n(4)]
    pub view: u64,
    /// The view of its parent.
    #[n(5)]
    pub parent_view: u64,
    /// Digest of its parent's header.
    #[n(6)]
    pub parent: Sm3Digest,
    /// The proposer's clock, milliseconds since 1970; never below the parent's.
    #[n(7)]
    pub time_ms: u64,
    /// Who proposed it.
    #[n(8)]
    pub proposer: PublicKey,
    /// Merkle root over its transactions.
    #[n(9)]
    pub transactions: Sm3Digest,
    /// Root of the state after it.
    #[n(10)]
    pub state_root: Sm3Digest,
    /// Root of the state's operations log.
    #[n(11)]
    pub ops_root: Sm3Digest,
    /// First operation that is still needed.
    #[n(12)]
    pub ops_start: u64,
    /// One past the last operation.
    #[n(13)]
    pub ops_end: u64,
    /// Digest of the validator set that votes on it.
    #[n(14)]
    pub validators: Sm3Digest,
}

impl Header {
    /// What the block is known by and what is voted on.
    pub fn digest(&self) -> Sm3Digest {
        sm3(&[b"sealwire header", &encode(self)])
    }
}

/// That more than two thirds of the validators have finalised a header.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Finality {
    /// The header's epoch.
    #[n(0)]
    pub epoch: u64,
    /// The view in which it was finalised.
    #[n(1)]
    pub view: u64,
    /// The view of its parent.
    #[n(2)]
    pub parent_view: u64,
    /// The header's digest.
    #[n(3)]
    pub payload: Sm3Digest,
    /// Who signed: bit i (least significant first in each byte) is validator i.
    #[n(4)]
    pub signers: Blob,
    /// Their signatures, in the bitmap's order.
    #[n(5)]
    pub signatures: Vec<Signature>,
}

/// A block as a follower fetches it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct BlockBundle {
    /// The header.
    #[n(0)]
    pub header: Header,
    /// The transactions.
    #[n(1)]
    pub transactions: Vec<Transaction>,
    /// The certificate; none when only a later block has one.
    #[n(2)]
    pub finality: Option<Finality>,
}
