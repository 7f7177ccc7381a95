//! Queries: what people and services ask of the finalised state.
//!
//! The four of the original system keep their meaning under today's names: a client's record
//! ([`View::client`]), all clients of an owner ([`View::clients_of`]), a client's events by kind
//! ([`View::events_of`]), all connection records of a gateway ([`View::events_of_gateway`]).
//!
//! Every answer names the state keys it rests on, absent ones too, so that the API can attach a proof
//! for each. A proof shows that what is in an answer is true; that nothing was left out of a range shows
//! only where one entry holds the whole list (grants of a topic, events of a batch).

mod audit;
mod compute;
mod identity;
mod rights;

pub use audit::EventSearch;
pub use compute::{ComputeKeyRecord, EvaluationRecord};
pub use identity::{EnrolmentRecord, ExpiringRecord};
pub use rights::{AuthorisationRecord, RequestRecord, Upkeep, WideRecord};

use sealwire_envelope::{CertId, ClientId, EventKind, KeyEpoch, OrgId, PackageId, TopicName, TxId};
use serde::Serialize;

use crate::entry::{
    BatchEntry, CertificateEntry, CertificateStatus, ClientEntry, Consortium, EventEntry,
    GrantEntry, Moment, Organisation, OutcomeEntry, PackageEntry, Readers, RetrievalEntry,
    SealedKey, TopicEntry,
};
use crate::keys::{self, Position, StateKey};
use crate::view::{Answer, Page, View};

/// A client and its present certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientRecord {
    /// Its id.
    pub client: ClientId,
    /// Id of its last registered certificate.
    pub certificate_id: CertId,
    /// That certificate.
    pub certificate: CertificateEntry,
    /// Whether it may be used at the time of the view's last block.
    pub status: CertificateStatus,
}

/// A certificate and whether it may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateRecord {
    /// The certificate.
    pub certificate: CertificateEntry,
    /// At the time of the view's last block.
    pub status: CertificateStatus,
}

/// A grant with its two ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantRecord {
    /// The topic.
    pub topic: TopicName,
    /// Who may.
    pub grantee: ClientId,
    /// What it may.
    pub grant: GrantEntry,
}

/// A topic with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicRecord {
    /// The topic.
    pub name: TopicName,
    /// Its entry.
    pub topic: TopicEntry,
}

/// The connection events that a gateway reported together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchRecord {
    /// When they were written.
    pub at: Moment,
    /// Index of the transaction in its block.
    pub tx: u32,
    /// In the order in which the gateway saw them.
    pub events: Vec<EventEntry>,
}

/// Collects what an answer uses.
struct Reader<'a> {
    view: &'a View,
    keys: Vec<Vec<u8>>,
}

impl Reader<'_> {
    /// An entry that the answer may or may not use.
    fn peek<T: for<'b> minicbor::Decode<'b, ()>>(&self, key: &[u8]) -> Option<T> {
        let bytes = self.view.entry(key)?;
        minicbor::decode(bytes).ok()
    }

    fn entry<T: for<'b> minicbor::Decode<'b, ()>>(&mut self, key: Vec<u8>) -> Option<T> {
        let entry = self
            .view
            .entry(&key)
            .and_then(|bytes| minicbor::decode(bytes).ok());
        self.keys.push(key);
        entry
    }

    fn answer<T>(self, value: T, next: Option<Vec<u8>>) -> Answer<T> {
        Answer {
            value,
            keys: self.keys,
            next,
            height: self.view.height(),
        }
    }
}

impl View {
    fn reader(&self) -> Reader<'_> {
        Reader {
            view: self,
            keys: Vec::new(),
        }
    }

    fn one<T: for<'b> minicbor::Decode<'b, ()>>(&self, key: Vec<u8>) -> Answer<Option<T>> {
        let mut reader = self.reader();
        let value = reader.entry(key);
        reader.answer(value, None)
    }

    /// A page over a prefix; `item` turns a key and its reader into an item, or leaves it out.
    fn page<T>(
        &self,
        prefix: &[u8],
        from: &[u8],
        page: &Page,
        mut item: impl FnMut(&mut Reader<'_>, StateKey, Vec<u8>) -> Option<T>,
    ) -> Answer<Vec<T>> {
        let mut reader = self.reader();
        let scan = self.scan(prefix, from, page);
        let mut value = Vec::with_capacity(scan.entries.len());
        for (key, _) in scan.entries {
            if let Ok(parsed) = StateKey::parse(key) {
                value.extend(item(&mut reader, parsed, key.to_vec()));
            }
        }
        reader.answer(value, scan.next)
    }

    /// The consortium.
    pub fn consortium(&self) -> Answer<Option<Consortium>> {
        self.one(keys::consortium())
    }

    /// An organisation.
    pub fn organisation(&self, org: &OrgId) -> Answer<Option<Organisation>> {
        self.one(keys::organisation(org))
    }

    /// A certificate and its status.
    pub fn certificate(&self, id: &CertId) -> Answer<Option<CertificateRecord>> {
        let mut reader = self.reader();
        let value = reader
            .entry(keys::certificate(id))
            .map(|certificate: CertificateEntry| {
                let status = certificate.status(self.time_ms() / 1000);
                CertificateRecord {
                    certificate,
                    status,
                }
            });
        reader.answer(value, None)
    }

    /// A client's record.
    pub fn client(&self, client: &ClientId) -> Answer<Option<ClientRecord>> {
        let mut reader = self.reader();
        let value = self.client_record(&mut reader, client.clone());
        reader.answer(value, None)
    }

    fn client_record(&self, reader: &mut Reader<'_>, client: ClientId) -> Option<ClientRecord> {
        let entry: ClientEntry = reader.entry(keys::client(&client))?;
        let certificate: CertificateEntry = reader.entry(keys::certificate(&entry.certificate))?;
        let status = certificate.status(self.time_ms() / 1000);
        Some(ClientRecord {
            client,
            certificate_id: entry.certificate,
            certificate,
            status,
        })
    }

    /// All clients of an organisation, by name.
    pub fn clients_of(&self, org: &OrgId, page: &Page) -> Answer<Vec<ClientRecord>> {
        self.page(
            &keys::clients_of(org),
            &[],
            page,
            |reader, key, _| match key {
                StateKey::Client(client) => self.client_record(reader, client),
                _ => None,
            },
        )
    }

    /// A client's connection events, of one kind in time order, or of all kinds, kind by kind.
    pub fn events_of(
        &self,
        client: &ClientId,
        kind: Option<EventKind>,
        page: &Page,
    ) -> Answer<Vec<EventEntry>> {
        let prefix = match kind {
            Some(kind) => keys::events_of_kind(client, kind.number()),
            None => keys::events(client),
        };
        self.page(&prefix, &[], page, |reader, _, key| reader.entry(key))
    }

    /// All connection records of a gateway, batch by batch.
    pub fn events_of_gateway(&self, gateway: &ClientId, page: &Page) -> Answer<Vec<BatchRecord>> {
        self.page(&keys::batches(gateway), &[], page, |reader, parsed, key| {
            let StateKey::Batch { height, tx, .. } = parsed else {
                return None;
            };
            let batch: BatchEntry = reader.entry(key)?;
            let events = (0u32..).zip(batch.items).filter_map(|(item, it)| {
                let at = Position { height, tx, item };
                reader.entry(keys::event(&it.client, it.kind, at))
            });
            Some(BatchRecord {
                at: batch.at,
                tx,
                events: events.collect(),
            })
        })
    }

    /// A topic.
    pub fn topic(&self, topic: &TopicName) -> Answer<Option<TopicEntry>> {
        self.one(keys::topic(topic))
    }

    /// All topics that a client owns, by name.
    pub fn topics_of(&self, owner: &ClientId, page: &Page) -> Answer<Vec<TopicRecord>> {
        self.page(&keys::owned_by(owner), &[], page, |reader, parsed, key| {
            let StateKey::Owned { topic: name, .. } = parsed else {
                return None;
            };
            reader.keys.push(key);
            let topic: TopicEntry = reader.entry(keys::topic(&name))?;
            // The mark stays when a topic is handed over.
            (topic.owner == *owner).then_some(TopicRecord { name, topic })
        })
    }

    /// All topics under an organisation's name, by name; one that was handed over may have an owner elsewhere.
    pub fn topics_in(&self, org: &OrgId, page: &Page) -> Answer<Vec<TopicRecord>> {
        self.page(&keys::topics_in(org), &[], page, |reader, parsed, key| {
            let StateKey::Topic(name) = parsed else {
                return None;
            };
            let topic: TopicEntry = reader.entry(key)?;
            Some(TopicRecord { name, topic })
        })
    }

    /// All grants on a topic that aren't revoked (expired ones included); the list is complete, and its
    /// first key proves it.
    pub fn grants_of_topic(&self, topic: &TopicName) -> Answer<Vec<GrantRecord>> {
        let mut reader = self.reader();
        let readers: Readers = reader.entry(keys::readers(topic)).unwrap_or_default();
        let grants = readers.clients.into_iter().filter_map(|grantee| {
            let grant = reader.entry(keys::grant(&grantee, topic))?;
            Some(GrantRecord {
                topic: topic.clone(),
                grantee,
                grant,
            })
        });
        let grants = grants.collect();
        reader.answer(grants, None)
    }

    /// Everything that was ever granted to a client, revoked and expired grants included, by topic.
    pub fn grants_to(&self, grantee: &ClientId, page: &Page) -> Answer<Vec<GrantRecord>> {
        self.page(
            &keys::grants_to(grantee),
            &[],
            page,
            |reader, parsed, key| {
                let StateKey::Grant { grantee, topic } = parsed else {
                    return None;
                };
                Some(GrantRecord {
                    topic,
                    grantee,
                    grant: reader.entry(key)?,
                })
            },
        )
    }

    /// One grant.
    pub fn grant(&self, grantee: &ClientId, topic: &TopicName) -> Answer<Option<GrantEntry>> {
        self.one(keys::grant(grantee, topic))
    }

    /// A topic's epoch key, sealed to a client.
    pub fn sealed_key(
        &self,
        topic: &TopicName,
        epoch: KeyEpoch,
        client: &ClientId,
    ) -> Answer<Option<SealedKey>> {
        self.one(keys::sealed_key(topic, epoch, client))
    }

    /// An anchored package.
    pub fn package(&self, id: &PackageId) -> Answer<Option<PackageEntry>> {
        self.one(keys::package(id))
    }

    /// Packages of a topic whose time range meets `from_ms..=to_ms`, in the order of their ends.
    ///
    /// The page's limit counts packages looked at: a page may hold fewer, and still have a next.
    pub fn packages_of(
        &self,
        topic: &TopicName,
        from_ms: u64,
        to_ms: u64,
        page: &Page,
    ) -> Answer<Vec<PackageEntry>> {
        let from = keys::topic_packages_from(topic, from_ms);
        self.page(
            &keys::topic_packages(topic),
            &from,
            page,
            |reader, parsed, _| {
                let StateKey::TopicPackage { package, .. } = parsed else {
                    return None;
                };
                let entry: PackageEntry = reader.entry(keys::package(&package))?;
                (entry.anchor.from_ms <= to_ms).then_some(entry)
            },
        )
    }

    /// Who took a package out of the archive, in time order.
    pub fn retrievals_of(&self, package: &PackageId, page: &Page) -> Answer<Vec<RetrievalEntry>> {
        self.page(&keys::retrievals(package), &[], page, |reader, _, key| {
            reader.entry(key)
        })
    }

    /// What became of a transaction.
    pub fn outcome(&self, id: &TxId) -> Answer<Option<OutcomeEntry>> {
        self.one(keys::outcome(id))
    }
}
