//! Proofs that the ledger's state holds, or doesn't hold, a key.
//!
//! The state is an authenticated, ordered key-value store whose canonical root is
//! `Header::state_root`. Under it, a key is `SM3(state key)` and a value is the CBOR of
//! [`StateEntry`], so that a proven value names the state key it belongs to. The types here are
//! only the wire form; `sealwire_receipt::state` specifies, byte for byte, how they are verified.
//!
//! ```text
//! StateEntry     = [key: bstr, value: bstr]
//! OperationProof = [location: uint, leaves: uint, inactive_peaks: uint, chunk: bstr .size 32,
//!                   partial_chunk: null / digest, ops_root: digest, digests: [* digest]]
//! Inclusion      = [operation: OperationProof, next_key: digest]
//! Exclusion      = [0, [operation: OperationProof, key: digest, value: bstr, next_key: digest]]
//!                / [1, [operation: OperationProof, metadata: null / bstr]]
//! StateProof     = [0, [Inclusion]] / [1, [Exclusion]]
//! digest         = bstr .size 32
//! ```
//!
//! A last field that would be null (`metadata`) is left out, as everywhere in this crate.

use minicbor::{Decode, Encode};
use sealwire_sm::Sm3Digest;
use serde::{Serialize, Serializer};

/// Bytes of one activity bitmap chunk (256 operations).
pub const CHUNK_BYTES: usize = 32;

/// Most digests in one [`OperationProof`]: 61 siblings and 61 peaks, in the tallest tree that
/// can be.
pub const PROOF_DIGESTS_MAX: usize = 122;

/// Longest value under one key of the state, in bytes, as stored: the CBOR of a [`StateEntry`].
pub const STATE_VALUE_BYTES_MAX: usize = 1024 * 1024;

/// What the authenticated store holds under `SM3(key)`: the state key itself and its value.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct StateEntry {
    /// State key, as the contracts write it.
    #[cbor(n(0), with = "minicbor::bytes")]
    #[serde(serialize_with = "as_hex")]
    pub key: Vec<u8>,
    /// Value under that key, as the contracts write it.
    #[cbor(n(1), with = "minicbor::bytes")]
    #[serde(serialize_with = "as_hex")]
    pub value: Vec<u8>,
}

/// That one operation of the store's log is where it says, and active.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct OperationProof {
    /// Index of the operation in the log.
    #[n(0)]
    pub location: u64,
    /// Number of operations in the log.
    #[n(1)]
    pub leaves: u64,
    /// Number of leading peaks of the tree that hold no active operation.
    #[n(2)]
    pub inactive_peaks: u64,
    /// Activity bits of the 256 operations around this one; bit `i` is bit `i % 8`, least
    /// significant first, of byte `i / 8`.
    #[cbor(n(3), with = "minicbor::bytes")]
    #[serde(serialize_with = "as_hex")]
    pub chunk: [u8; CHUNK_BYTES],
    /// SM3 of the last chunk, if the log doesn't end on a chunk's border.
    #[n(4)]
    pub partial_chunk: Option<Sm3Digest>,
    /// Root of the tree over the operations alone, without activity bits.
    #[n(5)]
    pub ops_root: Sm3Digest,
    /// Peaks and siblings, in the order that `sealwire_receipt::state` gives.
    #[n(6)]
    pub digests: Vec<Sm3Digest>,
}

/// That a key has a value: the key's operation is active.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[cbor(array)]
pub struct Inclusion {
    /// Proof of the key's operation.
    #[n(0)]
    pub operation: OperationProof,
    /// The next greater key digest that has a value; the operation names it.
    #[n(1)]
    pub next_key: Sm3Digest,
}

/// That a key has no value.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// The key lies between two neighbours that have values.
    #[n(0)]
    Span {
        /// Proof of the lower neighbour's operation.
        #[n(0)]
        operation: OperationProof,
        /// Lower neighbour's key digest.
        #[n(1)]
        key: Sm3Digest,
        /// Lower neighbour's stored value (the CBOR of a [`StateEntry`]).
        #[cbor(n(2), with = "minicbor::bytes")]
        #[serde(serialize_with = "as_hex")]
        value: Vec<u8>,
        /// Upper neighbour's key digest. Not above `key` if the span wraps around.
        #[n(3)]
        next_key: Sm3Digest,
    },
    /// No key at all has a value.
    #[n(1)]
    Empty {
        /// Proof of the last commit operation.
        #[n(0)]
        operation: OperationProof,
        /// What that commit carries.
        #[cbor(n(1), with = "minicbor::bytes")]
        #[serde(serialize_with = "as_hex_option")]
        metadata: Option<Vec<u8>>,
    },
}

/// That a key has a value, or that it has none.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateProof {
    /// The key has a value.
    #[n(0)]
    Inclusion(#[n(0)] Inclusion),
    /// The key has none.
    #[n(1)]
    Exclusion(#[n(0)] Exclusion),
}

/// Bytes as lower-case hexadecimal, for JSON.
pub(crate) fn as_hex<S: Serializer>(bytes: &impl AsRef<[u8]>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex::encode(bytes))
}

/// Bytes as lower-case hexadecimal or null, for JSON.
pub(crate) fn as_hex_option<S: Serializer>(
    bytes: &Option<Vec<u8>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    bytes.as_ref().map(hex::encode).serialize(to)
}
