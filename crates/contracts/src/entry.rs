//! State entries: what lies under each key of [`crate::keys`].
//!
//! Values are canonical CBOR (arrays, definite lengths, shortest integers), so that one state has one
//! root. Absent fields at the end of an entry are left out, others are null. Where an entry repeats something a caller sent, it holds the envelope's own type.

mod compute;
mod rights;

pub use compute::*;
pub use rights::*;

use minicbor::{Decode, Encode};
use sealwire_envelope::{
    Anchor, Blob, CertId, ChainId, ClientId, ConnectionEvent, KeyEpoch, OrgId, Retrieval, Template,
    TopicMode,
};
use sealwire_sm::cert::Role;

use crate::outcome::Code;

/// When something was written: the block's height and its time.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, serde::Serialize,
)]
#[cbor(array)]
pub struct Moment {
    /// Height of the block.
    #[n(0)]
    pub height: u64,
    /// Time of the block, Unix milliseconds.
    #[n(1)]
    pub time_ms: u64,
}

/// The consortium as genesis founded it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct Consortium {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Digest of the genesis bytes.
    #[n(1)]
    pub chain: ChainId,
    /// When the genesis file was made, Unix milliseconds.
    #[n(2)]
    pub created_ms: u64,
    /// Its organisations, in the order of genesis.
    #[n(3)]
    pub orgs: Vec<OrgId>,
}

/// An organisation of the consortium.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct Organisation {
    /// Root certificate, X.509 DER: every certificate of the organisation is signed by its key.
    #[n(0)]
    pub root_der: Blob,
    /// Key of the organisation's validator, compressed SEC1.
    #[n(1)]
    pub validator: Blob,
}

/// Why and when a certificate was revoked, suspended or resumed, or an enrolment closed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct Revocation {
    /// In force from this block on.
    #[n(0)]
    pub at: Moment,
    /// Who did: an operator, or at a renewal the holder itself.
    #[n(1)]
    pub by: ClientId,
    /// In words, for people.
    #[n(2)]
    pub reason: String,
}

/// A time in which a certificate didn't count.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct Suspension {
    /// In force from this block on.
    #[n(0)]
    pub from: Revocation,
    /// Over from this block on; none while it lasts.
    #[n(1)]
    pub until: Option<Revocation>,
}

/// A registered certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct CertificateEntry {
    /// Whom it names.
    #[n(0)]
    pub client: ClientId,
    /// As what.
    #[cbor(n(1), with = "sealwire_envelope::codec::role")]
    pub role: Role,
    /// First second of validity, Unix.
    #[n(2)]
    pub not_before_s: u64,
    /// Last second of validity, Unix.
    #[n(3)]
    pub not_after_s: u64,
    /// The SM2 key it certifies, compressed SEC1.
    #[n(4)]
    pub public_key: Blob,
    /// The whole certificate, X.509 DER.
    #[n(5)]
    pub der: Blob,
    /// When it was registered.
    #[n(6)]
    pub registered: Moment,
    /// Set once it is revoked.
    #[n(7)]
    pub revoked: Option<Revocation>,
    /// In time order; only the last may still last.
    #[n(8)]
    pub suspensions: Vec<Suspension>,
}

/// Whether a certificate may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateStatus {
    /// Usable.
    Live,
    /// Its validity begins later.
    NotYetValid,
    /// Its validity has ended.
    Expired,
    /// Its organisation revoked it, or its holder renewed it.
    Revoked,
    /// Its organisation suspended it and hasn't resumed it.
    Suspended,
    /// It wasn't registered yet.
    Unregistered,
}

impl CertificateStatus {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::NotYetValid => "not-yet-valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
            Self::Unregistered => "unregistered",
        }
    }
}

impl std::fmt::Display for CertificateStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl CertificateEntry {
    /// Whether it may be used at this time (Unix seconds). Both ends of the validity belong to it.
    ///
    /// Never [`CertificateStatus::Unregistered`]. What can't be undone speaks first: a certificate that
    /// expires while it is suspended has expired.
    pub fn status(&self, now_s: u64) -> CertificateStatus {
        self.status_at(u64::MAX, now_s)
    }

    /// Whether it could be used when the block at `height`, made at `time_s` (Unix seconds), was in force:
    /// from what this one entry says, so that a proof of the present entry proves the answer.
    pub fn status_at(&self, height: u64, time_s: u64) -> CertificateStatus {
        let by_then = |it: &Revocation| it.at.height <= height;
        let lasts = |it: &Suspension| by_then(&it.from) && !it.until.as_ref().is_some_and(by_then);
        if self.registered.height > height {
            CertificateStatus::Unregistered
        } else if self.revoked.as_ref().is_some_and(by_then) {
            CertificateStatus::Revoked
        } else if time_s > self.not_after_s {
            CertificateStatus::Expired
        } else if self.suspensions.iter().any(lasts) {
            CertificateStatus::Suspended
        } else if time_s < self.not_before_s {
            CertificateStatus::NotYetValid
        } else {
            CertificateStatus::Live
        }
    }

    /// When its holder replaced it by another, if that is how it ended: nobody revokes itself, so whoever
    /// ended their own certificate renewed it.
    pub fn superseded(&self) -> Option<Moment> {
        let ended = self.revoked.as_ref()?;
        (ended.by == self.client).then_some(ended.at)
    }

    /// Who suspended it, when and why, if that lasts.
    pub fn suspended(&self) -> Option<&Revocation> {
        let last = self.suspensions.last()?;
        last.until.is_none().then_some(&last.from)
    }

    /// When it was last suspended or resumed.
    pub(crate) fn paused(&self) -> Option<Moment> {
        let last = self.suspensions.last()?;
        Some(last.until.as_ref().unwrap_or(&last.from).at)
    }
}

/// What an organisation allows of certificates of one role.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct TemplateEntry {
    /// The rules.
    #[n(0)]
    pub template: Template,
    /// When they were last set.
    #[n(1)]
    pub at: Moment,
    /// The operator that set them.
    #[n(2)]
    pub by: ClientId,
}

/// A certificate to be had by a code, once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct EnrolmentEntry {
    /// For which client.
    #[n(0)]
    pub client: ClientId,
    /// In which role.
    #[cbor(n(1), with = "sealwire_envelope::codec::role")]
    pub role: Role,
    /// The public half of the code's key, compressed SEC1.
    #[n(2)]
    pub key: Blob,
    /// Void from this second on, Unix.
    #[n(3)]
    pub expires_s: u64,
    /// When it was opened.
    #[n(4)]
    pub opened: Moment,
    /// The operator that opened it.
    #[n(5)]
    pub by: ClientId,
    /// Set once a certificate was had by it.
    #[n(6)]
    pub used: Option<EnrolmentUse>,
    /// Set once it is closed without having been used.
    #[n(7)]
    pub closed: Option<Revocation>,
}

/// What an enrolment was used for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct EnrolmentUse {
    /// The certificate that came of it.
    #[n(0)]
    pub certificate: CertId,
    /// When.
    #[n(1)]
    pub at: Moment,
}

/// Whether a certificate can be had by an enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrolmentStatus {
    /// It can.
    Open,
    /// It was.
    Used,
    /// An operator closed it.
    Closed,
    /// Its time is over.
    Expired,
}

impl EnrolmentStatus {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Used => "used",
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }
}

impl EnrolmentEntry {
    /// Whether a certificate can be had by it at this time (Unix seconds).
    pub fn status(&self, now_s: u64) -> EnrolmentStatus {
        if self.used.is_some() {
            EnrolmentStatus::Used
        } else if self.closed.is_some() {
            EnrolmentStatus::Closed
        } else if now_s >= self.expires_s {
            EnrolmentStatus::Expired
        } else {
            EnrolmentStatus::Open
        }
    }
}

/// A client: the last certificate registered for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct ClientEntry {
    /// Id of that certificate; whether it is live stands in its own entry.
    #[n(0)]
    pub certificate: CertId,
    /// Since when it is that one.
    #[n(1)]
    pub since: Moment,
}

/// A registered topic.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct TopicEntry {
    /// The client that registered it.
    #[n(0)]
    pub owner: ClientId,
    /// Sealed or open.
    #[n(1)]
    pub mode: TopicMode,
    /// Present key epoch; 0 for ever on an open topic.
    #[n(2)]
    pub epoch: KeyEpoch,
    /// When it was registered.
    #[n(3)]
    pub registered: Moment,
    /// When it last got another key or owner, or was closed.
    #[n(4)]
    pub changed: Option<Moment>,
    /// Set once it is closed.
    #[n(5)]
    pub closed: Option<Closure>,
}

/// Why and when a topic was closed or a compute key retired.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct Closure {
    /// In force from this block on.
    #[n(0)]
    pub at: Moment,
    /// Who closed it.
    #[n(1)]
    pub by: ClientId,
    /// In that client's words.
    #[n(2)]
    pub reason: String,
}

/// Clients with an unrevoked grant on a topic, sorted. One entry, so that one proof shows the whole list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct Readers {
    /// Sorted, no repeats; expired grants stay until they are revoked.
    #[n(0)]
    pub clients: Vec<ClientId>,
}

/// An anchored package.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct PackageEntry {
    /// What the gateway said.
    #[n(0)]
    pub anchor: Anchor,
    /// When it was anchored.
    #[n(1)]
    pub at: Moment,
    /// Index in its block of the transaction that anchored it.
    #[n(2)]
    pub tx: u32,
}

/// An entry whose key says everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct Mark {}

/// One retrieval of archived data.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct RetrievalEntry {
    /// What the gateway said.
    #[n(0)]
    pub retrieval: Retrieval,
    /// The gateway that served it.
    #[n(1)]
    pub gateway: ClientId,
    /// When it was written.
    #[n(2)]
    pub at: Moment,
}

/// One connection event.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct EventEntry {
    /// What the gateway said.
    #[n(0)]
    pub event: ConnectionEvent,
    /// The gateway that saw it.
    #[n(1)]
    pub gateway: ClientId,
    /// When it was written.
    #[n(2)]
    pub at: Moment,
}

/// One item of a batch: with the batch's height and index it gives the event's key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct BatchItem {
    /// Whom the event is about.
    #[n(0)]
    pub client: ClientId,
    /// The event's kind, as in its key.
    #[n(1)]
    pub kind: u8,
}

/// The events of one batch, in order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct BatchEntry {
    /// When it was written.
    #[n(0)]
    pub at: Moment,
    /// Its events.
    #[n(1)]
    pub items: Vec<BatchItem>,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct OutcomeEntry {
    /// The block that holds the transaction.
    #[n(0)]
    pub at: Moment,
    /// Its index in the block.
    #[n(1)]
    pub index: u32,
    /// Applied, or why not.
    #[n(2)]
    pub code: Code,
    /// What the code is about; empty when applied.
    #[n(3)]
    pub detail: String,
}
