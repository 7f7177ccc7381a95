//! The past: what the entries that decide rights were at an earlier height, provable today.
//!
//! A decision rests on five kinds of entries: client, certificate, topic, grant, granted filters. They
//! are never deleted, and each says since when it is as it is ([`Versioned`]). Whoever changes one
//! leaves the version before it under `h/<height of the change> <key>`. So from today's state alone:
//!
//! 1. The present entry: if it is as it is since the height asked for or earlier, it is the answer.
//! 2. Else the entry `h/<its since> <key>`: absent, there was none then; present, go on with it at 1.
//!
//! Every step is one entry, found or absent, under today's root: the whole walk is proven by today's
//! proofs, and needs no node that keeps old states. A walk takes as many steps as there were changes since
//! the height asked for.
//!
//! A version that lived for less than a block (changed twice in one block) isn't kept: nobody but the
//! transactions of that block ever saw it.

use std::borrow::Cow;

use crate::decide::Lookup;
use crate::entry::{CertificateEntry, ClientEntry, GrantEntry, Moment, TopicEntry, WideEntry};
use crate::keys::{self, StateKey};
use crate::view::View;

/// An entry that says since when it is as it is.
pub(crate) trait Versioned {
    fn since(&self) -> Moment;
}

impl Versioned for ClientEntry {
    fn since(&self) -> Moment {
        self.since
    }
}

impl Versioned for CertificateEntry {
    fn since(&self) -> Moment {
        let revoked = self.revoked.as_ref().map(|revocation| revocation.at);
        let changed = revoked.max(self.paused());
        changed.unwrap_or(self.registered).max(self.registered)
    }
}

impl Versioned for TopicEntry {
    fn since(&self) -> Moment {
        self.changed.unwrap_or(self.registered)
    }
}

impl Versioned for GrantEntry {
    fn since(&self) -> Moment {
        self.revoked.unwrap_or(self.granted).max(self.granted)
    }
}

impl Versioned for WideEntry {
    fn since(&self) -> Moment {
        self.changed
    }
}

/// Since when the entry under this key is as it is; none for entries that have no versions.
fn since(key: &[u8], value: &[u8]) -> Option<Moment> {
    fn of<T: Versioned + for<'b> minicbor::Decode<'b, ()>>(value: &[u8]) -> Option<Moment> {
        minicbor::decode(value).ok().map(|entry: T| entry.since())
    }
    match StateKey::parse(key).ok()? {
        StateKey::Client(_) => of::<ClientEntry>(value),
        StateKey::Certificate(_) => of::<CertificateEntry>(value),
        StateKey::Topic(_) => of::<TopicEntry>(value),
        StateKey::Grant { .. } => of::<GrantEntry>(value),
        StateKey::Wide { .. } => of::<WideEntry>(value),
        _ => None,
    }
}

/// The state at an earlier height, as far as it decides rights.
pub(crate) struct Past<'a> {
    pub(crate) view: &'a View,
    pub(crate) height: u64,
}

impl Lookup for Past<'_> {
    fn lookup(&self, key: Vec<u8>, used: &mut Vec<Vec<u8>>) -> Option<Cow<'_, [u8]>> {
        let (mut at, mut before) = (key.clone(), u64::MAX);
        loop {
            let value = self.view.entry(&at);
            used.push(at);
            let value = value?;
            let since = since(&key, value)?.height;
            if since <= self.height {
                return Some(value.into());
            }
            // No contract writes a version that is younger than its successor: deny, don't turn in circles.
            if since >= before {
                return None;
            }
            before = since;
            at = keys::history(since, &key);
        }
    }
}
