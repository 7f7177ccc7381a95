//! compute: register and retire keys that readings are encrypted to, log what was computed on them.

use minicbor::{Decode, Encode};
use serde::Serialize;

use crate::{
    codec::Blob,
    compute::{ComputeKey, Evaluation},
    id::ComputeKeyId,
};

/// Longest public half that a [`RegisterComputeKey`] carries, in bytes.
pub const INLINE_KEY_MAX_BYTES: usize = 256;

/// Registers a key that readings are encrypted to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RegisterComputeKey {
    /// The key; its owner is the sender.
    #[n(0)]
    pub key: ComputeKey,
    /// The public half, with the SM3 that the key names, at most [`INLINE_KEY_MAX_BYTES`]; none where it
    /// is longer (BFV): then gateways hand it out by its digest.
    #[n(1)]
    pub public_key: Option<Blob>,
}

/// Ends the use of a compute key: nothing is computed under it any more.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RetireComputeKey {
    /// Which.
    #[n(0)]
    pub key: ComputeKeyId,
    /// Why, for people; at most 256 bytes.
    #[n(1)]
    pub reason: String,
}

/// Logs evaluations: a gateway hands out no result before this is final.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LogEvaluations {
    /// Which.
    #[n(0)]
    pub evaluations: Vec<Evaluation>,
}
