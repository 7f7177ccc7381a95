//! Archived messages and the packages they are kept in.
//!
//! ```text
//! ArchivedRecord  = [version: 1, topic: tstr, sender: tstr, received_ms: uint, qos: 0..2,
//!                    payload: bstr]
//! PackageManifest = [version: 1, gateway: tstr, topic: tstr, first: uint, count: uint,
//!                    from_ms: uint, to_ms: uint, root: digest]
//! Package         = [manifest: PackageManifest, records: [* bstr]]
//! PackagedRecord  = [manifest: PackageManifest, index: uint, record: bstr, path: [* digest]]
//! package id      = SM3("sealwire package" || CBOR of manifest)
//! leaf            = CBOR of ArchivedRecord
//! root            = RFC 6962-shaped Merkle root over the leaves, with SM3
//! ```
//!
//! `first` is the gateway's own number of the first message, so that two packages of a gateway
//! can't have the same manifest: the id is the same however often the package is closed, whatever
//! crashes in between.

use minicbor::{Decode, Encode};
use sealwire_sm::{Sm3Digest, sm3};
use serde::Serialize;

use crate::{
    codec::{Blob, encode},
    id::{ClientId, PackageId},
    topic::TopicName,
};

/// Version of the formats of this module.
pub const RECORD_VERSION: u8 = 1;
/// Largest payload by default, in bytes.
pub const PAYLOAD_MAX_BYTES: usize = 1024 * 1024;
/// Most messages in one package.
pub const PACKAGE_MAX_MESSAGES: usize = 4096;

/// One message as the gateway received it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ArchivedRecord {
    /// [`RECORD_VERSION`].
    #[n(0)]
    pub version: u8,
    /// To which topic.
    #[n(1)]
    pub topic: TopicName,
    /// By which client.
    #[n(2)]
    pub sender: ClientId,
    /// When, milliseconds since 1970, by the gateway's clock.
    #[n(3)]
    pub received_ms: u64,
    /// MQTT quality of service.
    #[n(4)]
    pub qos: u8,
    /// The message's payload, byte for byte.
    #[n(5)]
    pub payload: Blob,
}

/// What makes a package this package.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct PackageManifest {
    /// [`RECORD_VERSION`].
    #[n(0)]
    pub version: u8,
    /// Who keeps it.
    #[n(1)]
    pub gateway: ClientId,
    /// Whose messages.
    #[n(2)]
    pub topic: TopicName,
    /// The gateway's number of the first message.
    #[n(3)]
    pub first: u64,
    /// How many messages.
    #[n(4)]
    pub count: u64,
    /// When the first was received, milliseconds since 1970.
    #[n(5)]
    pub from_ms: u64,
    /// When the last was received, milliseconds since 1970.
    #[n(6)]
    pub to_ms: u64,
    /// Merkle root over the messages.
    #[n(7)]
    pub root: Sm3Digest,
}

impl PackageManifest {
    /// What the package is known by.
    pub fn id(&self) -> PackageId {
        PackageId(sm3(&[b"sealwire package", &encode(self)]))
    }
}

/// A package as it is fetched: the manifest and every message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Package {
    /// The manifest.
    #[n(0)]
    pub manifest: PackageManifest,
    /// The messages, each the CBOR of an [`ArchivedRecord`]: a leaf of the tree as it is.
    #[n(1)]
    pub records: Vec<Blob>,
}

/// One message of a package with the way to the package's root.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct PackagedRecord {
    /// The package's manifest.
    #[n(0)]
    pub manifest: PackageManifest,
    /// Place of the message in the package, from 0.
    #[n(1)]
    pub index: u64,
    /// The CBOR of an [`ArchivedRecord`], byte for byte as it was archived.
    #[n(2)]
    pub record: Blob,
    /// Merkle path from the record upwards.
    #[n(3)]
    pub path: Vec<Sm3Digest>,
}
