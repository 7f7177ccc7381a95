//! The archive's rows in the envelope's words: records, leaves, manifests.

use sealwire_envelope::{
    Blob, ClientId, PackageId, TopicName, encode,
    record::{ArchivedRecord, PackageManifest, RECORD_VERSION},
};
use sealwire_receipt::merkle;
use sealwire_sm::Sm3Digest;

use crate::{Message, PackageRow};

/// The record of a message: what a reader gets, and what the leaf is over.
pub(crate) fn record_bytes(message: &Message) -> Vec<u8> {
    encode(&ArchivedRecord {
        version: RECORD_VERSION,
        topic: message.topic.clone(),
        sender: message.sender.clone(),
        received_ms: message.received_ms,
        qos: message.qos,
        payload: Blob(message.payload.to_vec()),
    })
}

/// Its leaf in the package's tree.
pub(crate) fn leaf(message: &Message) -> Sm3Digest {
    merkle::leaf(&record_bytes(message))
}

impl PackageRow {
    /// The manifest, whose digest is the package's id.
    ///
    /// # Errors
    /// The row's topic isn't one: the archive is damaged.
    pub fn manifest(
        &self,
        gateway: &ClientId,
    ) -> Result<PackageManifest, sealwire_envelope::NameError> {
        Ok(PackageManifest {
            version: RECORD_VERSION,
            gateway: gateway.clone(),
            topic: self.topic.parse::<TopicName>()?,
            first: self.first_seq,
            count: self.count,
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            root: self.root,
        })
    }

    /// The id, as the ledger knows it.
    pub fn package_id(&self) -> PackageId {
        PackageId(self.id)
    }
}
