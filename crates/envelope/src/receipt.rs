//! Receipts: everything needed to check, years later and without any node, that the ledger
//! recorded something.
//!
//! A receipt is a chain of five links; whoever holds the genesis file can check each:
//!
//! ```text
//! record ──Merkle path──► package root ──in──► anchor entry ──state proof──► state root
//!        ──in──► header ──parents──► certified header ──signatures──► validators of genesis
//! ```
//!
//! [`ProvenEntry`] is the part from the entry on; it serves for any entry of the state, present or
//! absent (a certificate, a grant, connection records). [`Receipt`] puts a record of a package in
//! front of it. `sealwire_receipt` verifies both. The wire form is canonical CBOR:
//!
//! ```text
//! FinalityProof = [headers: [+ Header], finality: Finality]
//! ProvenEntry   = [version: 1, key: bstr, value: null / bstr, proof: StateProof,
//!                  finality: FinalityProof]
//! Receipt       = [version: 1, record: bstr, index: uint, path: [* digest], anchor: ProvenEntry]
//! PackageRecord = [anchor: Anchor, [height: uint, time_ms: uint], transaction: uint]
//! EvaluationRecord = [evaluation: Evaluation, [height: uint, time_ms: uint]]
//! ResultReceipt = [version: 1, ciphertexts: [* bstr], evaluation: ProvenEntry,
//!                  inputs: [+ [* ProvenEntry]]]
//! ```
//!
//! The value of an absent entry is null: it isn't the last field.

use minicbor::{Decode, Encode};
use sealwire_sm::Sm3Digest;
use serde::Serialize;

use crate::{
    Anchor, Blob, DecodeError, EvaluationId, Finality, Header, PackageId,
    codec::{decode_bounded, encode},
    compute::Evaluation,
    proof::{StateProof, as_hex, as_hex_option},
    record::{Package, PackagedRecord},
};

/// Version of [`Receipt`] and [`ProvenEntry`] that this crate writes.
pub const RECEIPT_VERSION: u8 = 1;

/// Longest encoded receipt that a program should read, in bytes.
pub const RECEIPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest bundle that a program should read, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// That a block is final: headers from it up to one that has a certificate, and the certificate.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct FinalityProof {
    /// The block's header, then each next one, up to the certified one. Never empty.
    #[n(0)]
    pub headers: Vec<Header>,
    /// Certificate for the last header.
    #[n(1)]
    pub finality: Finality,
}

/// That the state after some final block held an entry, or didn't hold it.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct ProvenEntry {
    /// Version of this format: [`RECEIPT_VERSION`].
    #[n(0)]
    pub version: u8,
    /// State key.
    #[cbor(n(1), with = "minicbor::bytes")]
    #[serde(serialize_with = "as_hex")]
    pub key: Vec<u8>,
    /// Value under it; absent if the proof is one of absence.
    #[cbor(n(2), with = "minicbor::bytes")]
    #[serde(serialize_with = "as_hex_option")]
    pub value: Option<Vec<u8>>,
    /// Proof under the state root of the first header.
    #[n(3)]
    pub proof: StateProof,
    /// That the first header is final.
    #[n(4)]
    pub finality: FinalityProof,
}

/// That a record is part of a package whose root the ledger holds.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct Receipt {
    /// Version of this format: [`RECEIPT_VERSION`].
    #[n(0)]
    pub version: u8,
    /// The record, byte for byte as it was archived.
    #[cbor(n(1), with = "minicbor::bytes")]
    #[serde(serialize_with = "as_hex")]
    pub record: Vec<u8>,
    /// Place of the record in its package, from 0.
    #[n(2)]
    pub index: u64,
    /// Merkle path from the record to the package's root, from the record upwards.
    #[n(3)]
    pub path: Vec<Sm3Digest>,
    /// The package's entry on the ledger: key [`package_key`], value [`PackageRecord`].
    #[n(4)]
    pub anchor: ProvenEntry,
}

impl ProvenEntry {
    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`ProvenEntry::to_bytes`] wrote; says nothing about whether it holds.
    ///
    /// # Errors
    /// When there are more than [`RECEIPT_BYTES_MAX`], or they aren't one entry.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_bounded(bytes, RECEIPT_BYTES_MAX)
    }
}

impl Receipt {
    /// The receipt for a record, from what its gateway and a ledger node say of it. Whether they
    /// fit together shows when it is verified.
    pub fn new(record: PackagedRecord, anchor: ProvenEntry) -> Self {
        Self {
            version: RECEIPT_VERSION,
            record: record.record.0,
            index: record.index,
            path: record.path,
            anchor,
        }
    }

    /// The bytes of a receipt file.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`Receipt::to_bytes`] wrote; says nothing about whether it holds.
    ///
    /// # Errors
    /// When there are more than [`RECEIPT_BYTES_MAX`], or they aren't one receipt.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_bounded(bytes, RECEIPT_BYTES_MAX)
    }
}

/// A whole package with the ledger's proof of it: the receipts of all its records in one. Whoever has no
/// key of the topic can check every digest and count, and read nothing.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct Bundle {
    /// Version of this format: [`RECEIPT_VERSION`].
    #[n(0)]
    pub version: u8,
    /// The package, byte for byte as it was archived.
    #[n(1)]
    pub package: Package,
    /// The package's entry on the ledger: key [`package_key`], value [`PackageRecord`].
    #[n(2)]
    pub anchor: ProvenEntry,
}

impl Bundle {
    /// The bytes of a bundle file.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`Bundle::to_bytes`] wrote; says nothing about whether it holds.
    ///
    /// # Errors
    /// When there are more than [`BUNDLE_BYTES_MAX`], or they aren't one bundle.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_bounded(bytes, BUNDLE_BYTES_MAX)
    }
}

/// Longest result receipt that a program should read, in bytes.
pub const RESULT_RECEIPT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// That the ledger holds the evaluation of which these ciphertexts are the result, and every package that
/// it says it is over.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct ResultReceipt {
    /// Version of this format: [`RECEIPT_VERSION`].
    #[n(0)]
    pub version: u8,
    /// The result.
    #[n(1)]
    pub ciphertexts: Vec<Blob>,
    /// The evaluation's entry on the ledger: key [`evaluation_key`], value [`EvaluationRecord`].
    #[n(2)]
    pub evaluation: ProvenEntry,
    /// Of each of the job's inputs the entries of its packages on the ledger, in the evaluation's order.
    #[n(3)]
    pub inputs: Vec<Vec<ProvenEntry>>,
}

impl ResultReceipt {
    /// The bytes of a receipt file.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`ResultReceipt::to_bytes`] wrote; says nothing about whether it holds.
    ///
    /// # Errors
    /// When there are more than [`RESULT_RECEIPT_BYTES_MAX`], or they aren't one result receipt.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_bounded(bytes, RESULT_RECEIPT_BYTES_MAX)
    }
}

/// What the ledger's state holds under [`evaluation_key`].
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct EvaluationRecord {
    /// What the gateway logged.
    #[n(0)]
    pub evaluation: Evaluation,
    /// When.
    #[n(1)]
    pub at: BlockMoment,
}

/// State key of a logged evaluation: `"e/eval/"` and the 32 bytes of its id.
pub fn evaluation_key(evaluation: &EvaluationId) -> Vec<u8> {
    [b"e/eval/".as_slice(), evaluation.0.as_ref()].concat()
}

/// What the ledger's state holds under [`package_key`].
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct PackageRecord {
    /// What the gateway anchored.
    #[n(0)]
    pub anchor: Anchor,
    /// When.
    #[n(1)]
    pub at: BlockMoment,
    /// Index, in its block, of the transaction that anchored it.
    #[n(2)]
    pub transaction: u32,
}

/// A block's place in time.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct BlockMoment {
    /// Height of the block.
    #[n(0)]
    pub height: u64,
    /// Time of the block, Unix milliseconds.
    #[n(1)]
    pub time_ms: u64,
}

/// State key of an anchored package: `"r/pkg/"` and the 32 bytes of the package id.
pub fn package_key(package: &PackageId) -> Vec<u8> {
    [b"r/pkg/".as_slice(), package.0.as_ref()].concat()
}
