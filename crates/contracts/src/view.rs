//! The finalised state in memory: what a node's own services and its API read.
//!
//! A [`View`] is a plain ordered map that follows the ledger block by block. It is rebuilt at start from
//! the store ([`View::load`]) and moves only forwards, one height at a time. It holds no truth of its own:
//! throw it away and load it again, and it is the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use sealwire_envelope::{
    Blob, ClientId, GrantTerms, KeyEpoch, Rights, TopicFilter, TopicName, encode,
};
use serde::{Serialize as _, Serializer};

use crate::context::Block;
use crate::decide::{Action, Decision, Lookup, decide};
use crate::entry::{GrantEntry, Moment, WideEntry, WideGrant};
use crate::history::Past;
use crate::keys::{self, Granter, StateKey};
use crate::state::{Missing, Read, Writes};

/// Most entries that one page of a query looks at.
pub const PAGE_ENTRIES: usize = 1_000;

/// The block isn't the next one: load the view anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the view is at height {have}, so block {got} isn't the next: load the view from the store"
)]
pub struct OutOfOrder {
    /// Height of the view.
    pub have: u64,
    /// Height of the block.
    pub got: u64,
}

/// Whose rights a block may have changed: a gateway re-checks the live sessions of these, no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Clients whose certificate was registered, replaced or revoked.
    pub clients: BTreeSet<ClientId>,
    /// Grants that were made, changed or revoked.
    pub grants: BTreeSet<(ClientId, TopicName)>,
    /// Clients to whom filters were granted, or from whom they were taken.
    pub widely: BTreeSet<ClientId>,
    /// Topics that were registered or closed, or got a new key epoch or owner.
    pub topics: BTreeSet<TopicName>,
}

impl Changes {
    fn note(&mut self, key: &[u8], value: Option<&[u8]>) {
        match StateKey::parse(key) {
            Ok(StateKey::Client(client)) => drop(self.clients.insert(client)),
            Ok(StateKey::Certificate(_)) => {
                let entry: Option<crate::entry::CertificateEntry> =
                    value.and_then(|bytes| minicbor::decode(bytes).ok());
                self.clients.extend(entry.map(|entry| entry.client));
            }
            Ok(StateKey::Grant { grantee, topic }) => drop(self.grants.insert((grantee, topic))),
            Ok(StateKey::Wide { grantee, .. }) => drop(self.widely.insert(grantee)),
            Ok(StateKey::Topic(topic)) => drop(self.topics.insert(topic)),
            _ => {}
        }
    }
}

/// Which part of a long answer: how many entries, from where, in which direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Go on after this key ([`Answer::next`] of the page before).
    pub after: Option<Vec<u8>>,
    /// Most entries to look at; bounded by [`PAGE_ENTRIES`].
    pub limit: usize,
    /// Newest (greatest key) first.
    pub newest_first: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            after: None,
            limit: PAGE_ENTRIES,
            newest_first: false,
        }
    }
}

impl Page {
    /// The newest `limit` entries, newest first.
    pub fn newest(limit: usize) -> Self {
        Self {
            after: None,
            limit,
            newest_first: true,
        }
    }
}

/// The answer to a query, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// State keys of the entries used, found or not, in order of use.
    #[serde(serialize_with = "keys_as_hex")]
    pub keys: Vec<Vec<u8>>,
    /// Where the next page begins; `None` at the end.
    #[serde(serialize_with = "key_as_hex")]
    pub next: Option<Vec<u8>>,
    /// Height of the state that answered.
    pub height: u64,
}

/// State keys are hexadecimal in JSON, as in the API's paths.
pub(crate) fn keys_as_hex<S: Serializer>(keys: &[Vec<u8>], s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(keys.iter().map(|key| Blob(key.clone())))
}

pub(crate) fn key_as_hex<S: Serializer>(key: &Option<Vec<u8>>, s: S) -> Result<S::Ok, S::Error> {
    key.clone().map(Blob).serialize(s)
}

/// The finalised state at one height.
#[derive(Clone, Debug, Default)]
pub struct View {
    height: u64,
    time_ms: u64,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl View {
    /// Before the first block.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state at a height, from the store.
    pub fn load(
        height: u64,
        time_ms: u64,
        entries: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Self {
        Self {
            height,
            time_ms,
            entries: entries.into_iter().collect(),
        }
    }

    /// Takes over what the next block wrote, and says whose rights it may have changed.
    pub fn apply(
        &mut self,
        height: u64,
        time_ms: u64,
        writes: &Writes,
    ) -> Result<Changes, OutOfOrder> {
        if height != self.height + 1 {
            return Err(OutOfOrder {
                have: self.height,
                got: height,
            });
        }
        let mut changes = Changes::default();
        for (key, value) in writes.iter() {
            changes.note(key, value);
            match value {
                Some(value) => drop(self.entries.insert(key.to_vec(), value.to_vec())),
                None => drop(self.entries.remove(key)),
            }
        }
        self.height = height;
        self.time_ms = time_ms;
        Ok(changes)
    }

    /// Height of the last block applied; 0 before the first.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// Time of that block, Unix milliseconds.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry under a key.
    pub fn entry(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    /// All entries, in key order.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// The block that a transaction sent now would be in: what [`crate::authenticate`] asks for.
    pub fn next_block(&self, chain: sealwire_envelope::ChainId, now_ms: u64) -> Block {
        Block {
            chain,
            height: self.height + 1,
            time_ms: now_ms.max(self.time_ms),
        }
    }

    /// Whether a client may do something now (Unix milliseconds), and why; see [`crate::decide`].
    pub fn decide(&self, client: &ClientId, action: Action<'_>, now_ms: u64) -> Decision {
        decide(self, self.height, client, &action, now_ms)
    }

    /// As [`View::decide`], at an earlier height; `then_ms` is that block's time. `None` when the height is
    /// yet to come. The keys are of today's entries: proofs of today prove what was then (see the module
    /// `history`).
    pub fn decide_at(
        &self,
        client: &ClientId,
        action: Action<'_>,
        height: u64,
        then_ms: u64,
    ) -> Option<Decision> {
        (height <= self.height).then(|| {
            let past = Past { view: self, height };
            decide(&past, height, client, &action, then_ms)
        })
    }

    /// As [`View::decide`], supposing that `terms` had been granted on `filter` to the client in the last
    /// block: a topic by its owner; a filter under one client's prefix by that client; *verify* on a filter
    /// under an organisation's prefix by one of its operators. Nothing is changed. Whether such a grant would be
    /// accepted isn't asked: a filter that nobody may grant, or that finds no place, changes nothing.
    pub fn suppose(
        &self,
        client: &ClientId,
        action: Action<'_>,
        now_ms: u64,
        filter: &TopicFilter,
        terms: &GrantTerms,
    ) -> Decision {
        let now = Moment {
            height: self.height,
            time_ms: self.time_ms,
        };
        let grant = GrantEntry::new(terms, KeyEpoch(0), now);
        let supposed = match filter.to_name() {
            Some(topic) => Some((keys::grant(client, &topic), encode(&grant))),
            None => granter_of(filter, terms).and_then(|granter| {
                let key = keys::wide(client, &granter);
                let old = self.entry(&key);
                let old: Option<WideEntry> = old.and_then(|bytes| minicbor::decode(bytes).ok());
                let mut entry = old.unwrap_or_default();
                let filter = filter.clone();
                entry
                    .insert(WideGrant { filter, grant })
                    .then(|| (key, encode(&entry)))
            }),
        };
        let supposing = Supposing {
            view: self,
            supposed,
        };
        decide(&supposing, self.height, client, &action, now_ms)
    }

    /// Entries whose keys begin with `prefix` and aren't below `from`, as `page` says; and the key after
    /// which the next page begins, if there are more.
    pub(crate) fn scan(&self, prefix: &[u8], from: &[u8], page: &Page) -> Scan<'_> {
        let first = prefix.max(from);
        let lower = Bound::Included(first.to_vec());
        let upper = after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let after = page.after.clone();
        let bounds = match (after, page.newest_first) {
            (Some(after), false) if after.as_slice() >= first => (Bound::Excluded(after), upper),
            (Some(after), true) if after.starts_with(prefix) => (lower, Bound::Excluded(after)),
            _ => (lower, upper),
        };
        if is_empty(&bounds) {
            return Scan {
                entries: Vec::new(),
                next: None,
            };
        }
        let limit = page.limit.clamp(1, PAGE_ENTRIES);
        let range = self.entries.range::<Vec<u8>, _>(bounds);
        let mut entries: Vec<(&[u8], &[u8])> = if page.newest_first {
            range
                .rev()
                .take(limit + 1)
                .map(|(k, v)| (k.as_slice(), v.as_slice()))
                .collect()
        } else {
            range
                .take(limit + 1)
                .map(|(k, v)| (k.as_slice(), v.as_slice()))
                .collect()
        };
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = if more {
            entries.last().map(|(key, _)| key.to_vec())
        } else {
            None
        };
        Scan { entries, next }
    }
}

/// Who could grant a filter with a wildcard on these terms.
fn granter_of(filter: &TopicFilter, terms: &GrantTerms) -> Option<Granter> {
    let org = || {
        let org = filter.org()?;
        (terms.rights == Rights::VERIFY).then_some(Granter::Org(org))
    };
    filter.owner().map(Granter::Client).or_else(org)
}

/// Part of a range.
pub(crate) struct Scan<'a> {
    pub(crate) entries: Vec<(&'a [u8], &'a [u8])>,
    pub(crate) next: Option<Vec<u8>>,
}

/// The least byte string greater than all that begin with `prefix`.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Whether bounds exclude everything: such a range would make `BTreeMap::range` panic.
fn is_empty(bounds: &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> bool {
    match bounds {
        (Bound::Included(lower) | Bound::Excluded(lower), Bound::Excluded(upper)) => lower >= upper,
        _ => false,
    }
}

impl Lookup for View {
    fn lookup(&self, key: Vec<u8>, used: &mut Vec<Vec<u8>>) -> Option<Cow<'_, [u8]>> {
        let entry = self.entry(&key).map(Cow::Borrowed);
        used.push(key);
        entry
    }
}

/// A view in which one entry is other than it is.
struct Supposing<'a> {
    view: &'a View,
    supposed: Option<(Vec<u8>, Vec<u8>)>,
}

impl Lookup for Supposing<'_> {
    fn lookup(&self, key: Vec<u8>, used: &mut Vec<Vec<u8>>) -> Option<Cow<'_, [u8]>> {
        match &self.supposed {
            Some((supposed, value)) if *supposed == key => Some(value.into()),
            _ => self.view.lookup(key, used),
        }
    }
}

/// Nothing is missing from a view.
impl Read for View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Missing> {
        Ok(self.entry(key).map(<[u8]>::to_vec))
    }
}
