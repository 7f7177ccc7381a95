//! records: anchor packages, log who fetched them.

use minicbor::{Decode, Encode};
use serde::Serialize;

use crate::{
    id::{ClientId, KeyEpoch, PackageId},
    topic::TopicName,
};

/// Anchors packages.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct AnchorPackages {
    /// Which.
    #[n(0)]
    pub packages: Vec<Anchor>,
}

/// What the ledger holds of a package of archived messages.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Anchor {
    /// SM3 of the package's manifest.
    #[n(0)]
    pub package: PackageId,
    /// Whose messages.
    #[n(1)]
    pub topic: TopicName,
    /// Who published them, in order, each once.
    #[n(2)]
    pub clients: Vec<ClientId>,
    /// How many messages.
    #[n(3)]
    pub count: u64,
    /// When the first was received, milliseconds since 1970.
    #[n(4)]
    pub from_ms: u64,
    /// When the last was received, milliseconds since 1970.
    #[n(5)]
    pub to_ms: u64,
    /// SM3 Merkle root over the messages.
    #[n(6)]
    pub root: sealwire_sm::Sm3Digest,
    /// The topic's key epoch when the package was closed; none on an open topic.
    #[n(7)]
    pub epoch: Option<KeyEpoch>,
    /// Where the package is kept; at most 256 bytes.
    #[n(8)]
    pub location: String,
    /// The gateway that keeps it.
    #[n(9)]
    pub gateway: ClientId,
}

/// Logs retrievals.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LogRetrieval {
    /// Which.
    #[n(0)]
    pub retrievals: Vec<Retrieval>,
}

/// Who fetched what.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Retrieval {
    /// Of which package.
    #[n(0)]
    pub package: PackageId,
    /// By whom.
    #[n(1)]
    pub reader: ClientId,
    /// SM3 of the signed request: the reader can't deny it.
    #[n(2)]
    pub request: sealwire_sm::Sm3Digest,
    /// SM3 of what was handed out.
    #[n(3)]
    pub digest: sealwire_sm::Sm3Digest,
    /// When, milliseconds since 1970, by the gateway's clock.
    #[n(4)]
    pub time_ms: u64,
}
