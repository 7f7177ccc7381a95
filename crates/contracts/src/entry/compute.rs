//! Entries of compute keys and evaluations.

use minicbor::{Decode, Encode};
use sealwire_envelope::compute::{ComputeKey, Evaluation};
use sealwire_envelope::{Blob, ComputeKeyId};

use super::{Closure, Moment};

/// A key that readings are encrypted to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct ComputeKeyEntry {
    /// As its owner registered it.
    #[n(0)]
    pub key: ComputeKey,
    /// The public half, where it is short; gateways hand out others.
    #[n(1)]
    pub public_key: Option<Blob>,
    /// When it was registered.
    #[n(2)]
    pub registered: Moment,
    /// Set once it is retired.
    #[n(3)]
    pub retired: Option<Closure>,
}

/// An owner's compute keys that aren't retired. One entry, so that one proof shows the whole list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct LiveKeys {
    /// In the order in which they were registered.
    #[n(0)]
    pub keys: Vec<ComputeKeyId>,
}

/// One evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct EvaluationEntry {
    /// What the gateway said.
    #[n(0)]
    pub evaluation: Evaluation,
    /// When it was logged.
    #[n(1)]
    pub at: Moment,
}
