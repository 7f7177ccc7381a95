//! Queries about rights beyond grants of single topics, and about whose keys are in order.

use std::collections::BTreeSet;

use sealwire_envelope::{
    AuthorisationId, ClientId, KeyEpoch, Rights, TopicFilter, TopicMode, TopicName,
};
use serde::Serialize;

use crate::decide::Action;
use crate::entry::{
    AuthorisationEntry, GrantEntry, OfferEntry, Readers, RequestEntry, TopicEntry, WideEntry,
};
use crate::keys::{self, Granter, StateKey};
use crate::queries::TopicRecord;
use crate::topics::needs_key;
use crate::view::{Answer, Page, View};

/// A request with its two ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// Who asks.
    pub requester: ClientId,
    /// For what.
    pub filter: TopicFilter,
    /// The request.
    pub request: RequestEntry,
}

/// A grant of a filter with its two ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WideRecord {
    /// Who granted it: a client, or an organisation.
    pub granter: String,
    /// Who may.
    pub grantee: ClientId,
    /// Where.
    pub filter: TopicFilter,
    /// What.
    pub grant: GrantEntry,
}

/// An authorisation key and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthorisationRecord {
    /// Its id.
    pub id: AuthorisationId,
    /// Its entry.
    pub authorisation: AuthorisationEntry,
    /// Whether anybody may still redeem it at the time of the view's last block.
    pub open: bool,
}

/// What a topic's owner has to do about its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upkeep {
    /// The topic.
    pub topic: TopicName,
    /// Its present key epoch.
    pub epoch: KeyEpoch,
    /// Who has the present key and no right to it any more: the key must be rotated.
    pub stale: Vec<ClientId>,
    /// Who has a right to the present key and doesn't have it: it must be sealed to them.
    pub missing: Vec<ClientId>,
    /// Authorisation keys that can be redeemed and lack the present key.
    pub missing_authorisations: Vec<AuthorisationId>,
}

impl Upkeep {
    /// Whether there is nothing to do.
    pub fn is_done(&self) -> bool {
        self.stale.is_empty() && self.missing.is_empty() && self.missing_authorisations.is_empty()
    }
}

impl View {
    /// Requests that an owner got, answered ones included, by requester.
    pub fn requests_to(&self, owner: &ClientId, page: &Page) -> Answer<Vec<RequestRecord>> {
        self.page(
            &keys::requests_to(owner),
            &[],
            page,
            |reader, parsed, key| {
                let StateKey::Request {
                    requester, filter, ..
                } = parsed
                else {
                    return None;
                };
                Some(RequestRecord {
                    requester,
                    filter,
                    request: reader.entry(key)?,
                })
            },
        )
    }

    /// One request.
    pub fn request(
        &self,
        owner: &ClientId,
        requester: &ClientId,
        filter: &TopicFilter,
    ) -> Answer<Option<RequestEntry>> {
        self.one(keys::request(owner, requester, filter))
    }

    /// The filters that one granted to a client, revoked ones included.
    pub fn wide(&self, grantee: &ClientId, granter: &Granter) -> Answer<Option<WideEntry>> {
        self.one(keys::wide(grantee, granter))
    }

    /// All filters granted to a client, by granter, revoked ones included.
    pub fn wide_to(&self, grantee: &ClientId, page: &Page) -> Answer<Vec<WideRecord>> {
        let nested = self.page(&keys::wide_to(grantee), &[], page, |reader, parsed, key| {
            let StateKey::Wide { granter, .. } = parsed else {
                return None;
            };
            let entry: WideEntry = reader.entry(key)?;
            Some(records(&granter, grantee, entry))
        });
        Answer {
            value: nested.value.into_iter().flatten().collect(),
            keys: nested.keys,
            next: nested.next,
            height: nested.height,
        }
    }

    /// All filters that one granted and that aren't revoked; the list of grantees is complete, and its
    /// first key proves it.
    pub fn wide_by(&self, granter: &Granter) -> Answer<Vec<WideRecord>> {
        let mut reader = self.reader();
        let list: Readers = reader.entry(keys::widely(granter)).unwrap_or_default();
        let mut all = Vec::new();
        for grantee in list.clients {
            if let Some(entry) = reader.entry(keys::wide(&grantee, granter)) {
                all.extend(records(granter, &grantee, entry));
            }
        }
        all.retain(|record| record.grant.revoked.is_none());
        reader.answer(all, None)
    }

    /// To whom a topic is on offer.
    pub fn offer(&self, topic: &TopicName) -> Answer<Option<OfferEntry>> {
        self.one(keys::offer(topic))
    }

    /// An authorisation key.
    pub fn authorisation(&self, id: &AuthorisationId) -> Answer<Option<AuthorisationEntry>> {
        self.one(keys::authorisation(id))
    }

    /// All authorisation keys of an owner.
    pub fn authorisations_of(
        &self,
        owner: &ClientId,
        page: &Page,
    ) -> Answer<Vec<AuthorisationRecord>> {
        let now_s = self.time_ms() / 1000;
        let prefix = keys::authorisations_of(owner);
        self.page(&prefix, &[], page, |reader, parsed, key| {
            let StateKey::AuthorisationOf { id, .. } = parsed else {
                return None;
            };
            reader.keys.push(key);
            let authorisation: AuthorisationEntry = reader.entry(keys::authorisation(&id))?;
            Some(AuthorisationRecord {
                id,
                open: authorisation.is_open(now_s),
                authorisation,
            })
        })
    }

    /// The topics of which an epoch key is sealed to an authorisation key.
    pub fn authorisation_keys(
        &self,
        id: &AuthorisationId,
        page: &Page,
    ) -> Answer<Vec<(KeyEpoch, TopicName)>> {
        let prefix = keys::authorisation_keys(id);
        self.page(&prefix, &[], page, |reader, parsed, key| {
            let StateKey::AuthorisationKey { epoch, topic, .. } = parsed else {
                return None;
            };
            reader.keys.push(key);
            Some((epoch, topic))
        })
    }

    /// Who has a topic's key of one epoch.
    pub fn key_holders(&self, topic: &TopicName, epoch: KeyEpoch) -> Vec<ClientId> {
        let prefix = keys::sealed_keys(topic, epoch);
        let mut page = Page::default();
        let mut holders = Vec::new();
        loop {
            let answer = self.page(&prefix, &[], &page, |_, parsed, _| match parsed {
                StateKey::SealedKey { client, .. } => Some(client),
                _ => None,
            });
            holders.extend(answer.value);
            match answer.next {
                Some(next) => page.after = Some(next),
                None => return holders,
            }
        }
    }

    /// What the owner of a topic has to do about its present key at this time (Unix milliseconds);
    /// `None` on a topic that is open, closed or not registered.
    ///
    /// A hint to the owner's client, which proves each fact before it acts on it.
    pub fn upkeep(&self, topic: &TopicName, now_ms: u64) -> Option<Upkeep> {
        let entry: TopicEntry = self.topic(topic).value?;
        let given = self.given_by(&entry.owner, now_ms);
        self.upkeep_given(topic, &entry, &given, now_ms)
    }

    fn upkeep_given(
        &self,
        topic: &TopicName,
        entry: &TopicEntry,
        given: &Given,
        now_ms: u64,
    ) -> Option<Upkeep> {
        if !changes_keys(entry) {
            return None;
        }
        let holders: BTreeSet<ClientId> =
            self.key_holders(topic, entry.epoch).into_iter().collect();
        let stale = holders
            .iter()
            .filter(|client| !self.has_key_right(client, topic, now_ms));
        let stale: Vec<_> = stale.cloned().collect();
        let wide = given.wide.iter();
        let wide = wide.filter(|record| record.filter.matches(topic));
        let mut candidates: BTreeSet<ClientId> = self.key_grantees(topic);
        candidates.extend(wide.map(|record| record.grantee.clone()));
        candidates.insert(entry.owner.clone());
        let missing = candidates.into_iter().filter(|client| {
            !holders.contains(client) && self.has_key_right(client, topic, now_ms)
        });
        let unkeyed = given.authorisations.iter().filter(|(id, filter)| {
            let key = keys::authorisation_key(id, entry.epoch, topic);
            filter.matches(topic) && self.entry(&key).is_none()
        });
        Some(Upkeep {
            topic: topic.clone(),
            epoch: entry.epoch,
            stale,
            missing: missing.collect(),
            missing_authorisations: unkeyed.map(|(id, _)| *id).collect(),
        })
    }

    /// Everything that an owner has to do about the keys of its topics, topic by topic.
    pub fn upkeep_of(&self, owner: &ClientId, now_ms: u64, page: &Page) -> Answer<Vec<Upkeep>> {
        let topics = self.topics_of(owner, page);
        let given = self.given_by(owner, now_ms);
        let due = |record: &TopicRecord| {
            let upkeep = self.upkeep_given(&record.name, &record.topic, &given, now_ms)?;
            (!upkeep.is_done()).then_some(upkeep)
        };
        Answer {
            value: topics.value.iter().filter_map(due).collect(),
            keys: topics.keys,
            next: topics.next,
            height: topics.height,
        }
    }

    /// Whether the present key of a topic is held by somebody who has no right to it any more: what is
    /// encrypted under it from now on isn't secret from that client. Never on a closed topic: nothing more is.
    pub fn is_key_stale(&self, topic: &TopicName, now_ms: u64) -> bool {
        let Some(entry) = self.topic(topic).value else {
            return false;
        };
        changes_keys(&entry)
            && self
                .key_holders(topic, entry.epoch)
                .iter()
                .any(|client| !self.has_key_right(client, topic, now_ms))
    }

    /// Whether any right to a topic that comes with its key is in force.
    fn has_key_right(&self, client: &ClientId, topic: &TopicName, now_ms: u64) -> bool {
        let filter = topic.to_filter();
        [
            Action::Read(topic),
            Action::Subscribe(&filter),
            Action::Publish(topic),
        ]
        .into_iter()
        .any(|action| self.decide(client, action, now_ms).is_allowed())
    }

    /// Clients with a grant of the topic that comes with its key.
    fn key_grantees(&self, topic: &TopicName) -> BTreeSet<ClientId> {
        let grants = self.grants_of_topic(topic).value.into_iter();
        grants
            .filter(|record| needs_key(record.grant.rights))
            .map(|record| record.grantee)
            .collect()
    }

    fn given_by(&self, owner: &ClientId, now_ms: u64) -> Given {
        let mut wide = self.wide_by(&Granter::Client(owner.clone())).value;
        wide.retain(|record| needs_key(record.grant.rights));
        let mut page = Page::default();
        let mut authorisations = Vec::new();
        loop {
            let answer = self.authorisations_of(owner, &page);
            let open = answer.value.into_iter().filter(|record| {
                let authorisation = &record.authorisation;
                authorisation.is_open(now_ms / 1000) && needs_key(authorisation.terms.rights)
            });
            authorisations.extend(open.map(|record| (record.id, record.authorisation.filter)));
            match answer.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        Given {
            wide,
            authorisations,
        }
    }

    /// A set of rights that a client has on a topic at this time, each with its decision's reason; for
    /// overviews.
    pub fn rights_on(&self, client: &ClientId, topic: &TopicName, now_ms: u64) -> Rights {
        let filter = topic.to_filter();
        [
            Action::Publish(topic),
            Action::Subscribe(&filter),
            Action::Read(topic),
            Action::Compute(topic),
            Action::Verify(topic),
        ]
        .into_iter()
        .filter(|action| self.decide(client, *action, now_ms).is_allowed())
        .filter_map(|action| action.right())
        .fold(Rights::NONE, |rights, right| rights | right)
    }
}

/// What an owner gives with keys beyond grants of single topics; read once for all its topics.
struct Given {
    wide: Vec<WideRecord>,
    /// Those that can be redeemed, with their filters.
    authorisations: Vec<(AuthorisationId, TopicFilter)>,
}

/// Whether a topic's key still changes: an open topic has none, and a closed one keeps its last.
fn changes_keys(topic: &TopicEntry) -> bool {
    topic.mode == TopicMode::Sealed && topic.closed.is_none()
}

fn records(granter: &Granter, grantee: &ClientId, entry: WideEntry) -> Vec<WideRecord> {
    let grants = entry.grants.into_iter();
    grants
        .map(|wide| WideRecord {
            granter: granter.to_string(),
            grantee: grantee.clone(),
            filter: wide.filter,
            grant: wide.grant,
        })
        .collect()
}
