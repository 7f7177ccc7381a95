//! Searching the connection events.

use sealwire_envelope::{ClientId, EventKind};

use crate::entry::{BatchEntry, EventEntry};
use crate::keys::{self, Position, StateKey};
use crate::view::{Answer, Page, View};

/// What is looked for; what is left out doesn't matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSearch {
    /// About this client.
    pub client: Option<ClientId>,
    /// Seen by this gateway.
    pub gateway: Option<ClientId>,
    /// Of this kind.
    pub kind: Option<EventKind>,
    /// From this address, as the gateway wrote it.
    pub address: Option<String>,
    /// At this time or later, Unix milliseconds, by the gateway's clock.
    pub from_ms: Option<u64>,
    /// At this time or earlier, Unix milliseconds, by the gateway's clock.
    pub to_ms: Option<u64>,
}

impl EventSearch {
    fn matches(&self, entry: &EventEntry) -> bool {
        let event = &entry.event;
        self.client.as_ref().is_none_or(|it| *it == event.client)
            && self.gateway.as_ref().is_none_or(|it| *it == entry.gateway)
            && self.kind.is_none_or(|it| it == event.kind)
            && self.address.as_ref().is_none_or(|it| *it == event.address)
            && self.from_ms.is_none_or(|from| from <= event.time_ms)
            && self.to_ms.is_none_or(|to| event.time_ms <= to)
    }
}

impl View {
    /// Connection events that match, along the narrowest index: those of the client (and kind), else
    /// the gateway's batches in time order, else all, by client.
    ///
    /// The page's limit counts what is looked at: a page may hold fewer, and still have a next.
    pub fn search_events(&self, search: &EventSearch, page: &Page) -> Answer<Vec<EventEntry>> {
        match (&search.client, &search.gateway) {
            (None, Some(gateway)) => self.search_batches(gateway, search, page),
            (client, _) => {
                let prefix = match (client, search.kind) {
                    (Some(client), Some(kind)) => keys::events_of_kind(client, kind.number()),
                    (Some(client), None) => keys::events(client),
                    (None, _) => keys::all_events(),
                };
                self.page(&prefix, &[], page, |reader, _, key| {
                    let entry = reader.peek(&key).filter(|entry| search.matches(entry))?;
                    reader.keys.push(key);
                    Some(entry)
                })
            }
        }
    }

    fn search_batches(
        &self,
        gateway: &ClientId,
        search: &EventSearch,
        page: &Page,
    ) -> Answer<Vec<EventEntry>> {
        let nested = self.page(&keys::batches(gateway), &[], page, |reader, parsed, key| {
            let StateKey::Batch { height, tx, .. } = parsed else {
                return None;
            };
            let batch: BatchEntry = reader.peek(&key)?;
            let mut found = Vec::new();
            for (item, it) in (0u32..).zip(batch.items) {
                let at = Position { height, tx, item };
                let key = keys::event(&it.client, it.kind, at);
                let entry: Option<EventEntry> = reader.peek(&key);
                if let Some(entry) = entry.filter(|entry| search.matches(entry)) {
                    reader.keys.push(key);
                    found.push(entry);
                }
            }
            if page.newest_first {
                found.reverse();
            }
            Some(found)
        });
        Answer {
            value: nested.value.into_iter().flatten().collect(),
            keys: nested.keys,
            next: nested.next,
            height: nested.height,
        }
    }
}
