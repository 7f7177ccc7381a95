//! An index of all clients, searched page by page.
//!
//! A node lists an organisation's clients by name, a thousand at a time. A page wants them by part of the name,
//! role, status and connection, sorted, of all organisations. So the index holds of each client what such a list
//! shows (about 400 bytes; 100,000 clients are 40 MB, and a search through them takes under 30 ms, measured), is
//! read once at the start, and follows the blocks: a call that changes a certificate has that client read again, a
//! gateway's record of a connection changes what is known of it. What was missed has the whole read anew, at most
//! once in `ANEW_EVERY`.
//!
//! Whether a client is connected is what the last record of its connections says. Records from before the start
//! are read, the newest `EVENTS_READ_MAX` of each gateway; a client without one has no `online`.

mod one;
mod read;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError, RwLock},
};

use axum::{
    Json,
    extract::{Query, State},
};
use sealwire_contracts::entry::CertificateStatus;
use sealwire_envelope::{CertId, ClientId, OrgId};
use sealwire_sm::{Certificate, Role};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use utoipa::{IntoParams, ToSchema};

pub(crate) use one::*;
pub(crate) use read::keep;

use crate::{App, audit::EventView, problem::Problem};

/// Clients that are read again one by one; beyond, the whole is.
const CHANGED_MAX: usize = 2_000;
/// Most clients on a page.
const PAGE_MAX: usize = 500;
/// Clients on a page unless asked otherwise.
const PAGE_DEFAULT: usize = 100;
/// Most clients that a search by name finds.
const NAMED_MAX: usize = 20;

/// What is known of a client.
#[derive(Clone, Debug)]
struct Known {
    role: Role,
    certificate: CertId,
    not_before_s: u64,
    not_after_s: u64,
    registered_ms: u64,
    revoked: bool,
    suspended: bool,
}

impl Known {
    /// As `CertificateEntry::status`, of what is kept here.
    fn status(&self, now_s: u64) -> CertificateStatus {
        if self.revoked {
            CertificateStatus::Revoked
        } else if now_s > self.not_after_s {
            CertificateStatus::Expired
        } else if self.suspended {
            CertificateStatus::Suspended
        } else if now_s < self.not_before_s {
            CertificateStatus::NotYetValid
        } else {
            CertificateStatus::Live
        }
    }
}

/// What the last records say of a client's connections.
#[derive(Clone, Debug, Default)]
struct Seen {
    online: Option<bool>,
    /// The last `connected`, while it lasts.
    connection: Option<EventView>,
    /// The last record of all.
    last: Option<EventView>,
}

#[derive(Default)]
struct Index {
    clients: BTreeMap<ClientId, Known>,
    holders: HashMap<CertId, ClientId>,
    seen: HashMap<ClientId, Seen>,
    complete: bool,
}

impl Index {
    fn put(&mut self, client: ClientId, known: Known) {
        if let Some(before) = self.clients.get(&client) {
            self.holders.remove(&before.certificate);
        }
        self.holders.insert(known.certificate, client.clone());
        self.clients.insert(client, known);
    }

    fn saw(&mut self, event: &EventView) {
        let Ok(client) = event.client.parse::<ClientId>() else {
            return;
        };
        // A refused login may claim any name: only clients that there are are remembered.
        if !self.clients.contains_key(&client) {
            return;
        }
        let seen = self.seen.entry(client).or_default();
        if seen
            .last
            .as_ref()
            .is_some_and(|last| last.time_ms > event.time_ms)
        {
            return;
        }
        match event.kind.as_str() {
            "connected" => {
                seen.online = Some(true);
                seen.connection = Some(event.clone());
            }
            "disconnected" => {
                seen.online = Some(false);
                seen.connection = None;
            }
            _ => {}
        }
        seen.last = Some(event.clone());
    }
}

/// All clients.
pub(crate) struct Devices {
    index: RwLock<Index>,
    changed: Mutex<Changed>,
    wake: Notify,
}

#[derive(Default)]
struct Changed {
    all: bool,
    clients: BTreeSet<ClientId>,
}

impl Devices {
    pub(crate) fn new() -> Self {
        Self {
            index: RwLock::default(),
            changed: Mutex::new(Changed {
                all: true,
                clients: BTreeSet::new(),
            }),
            wake: Notify::new(),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was missed: the whole is read anew.
    pub(crate) fn read_anew(&self) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.all = true;
        self.wake.notify_one();
    }

    /// A certificate isn't what it was.
    pub(crate) fn changed(&self, certificate: &CertId) {
        let client = self.read().holders.get(certificate).cloned();
        match client {
            Some(client) => self.again(client),
            // Of a client that has another certificate by now, or one that isn't read yet.
            None => tracing::debug!(%certificate, "a certificate that nobody holds has changed"),
        }
    }

    /// A certificate was registered.
    pub(crate) fn changed_by_der(&self, der: &[u8]) {
        let client = Certificate::from_der(der).ok();
        if let Some(client) = client.and_then(|it| it.name.parse().ok()) {
            self.again(client);
        }
    }

    fn again(&self, client: ClientId) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.clients.len() < CHANGED_MAX {
            changed.clients.insert(client);
        } else {
            changed.all = true;
        }
        self.wake.notify_one();
    }

    /// A gateway recorded something of a connection.
    pub(crate) fn saw(&self, event: &EventView) {
        self.write().saw(event);
    }

    /// Clients whose id begins with a text, or else has it somewhere.
    pub(crate) fn named_like(&self, text: &str) -> Vec<(ClientId, Role)> {
        let text = text.to_ascii_lowercase();
        if text.is_empty() {
            return Vec::new();
        }
        let index = self.read();
        let all = || index.clients.iter();
        let exact = all().filter(|(client, _)| client.as_str() == text);
        let begins = all().filter(|(client, _)| {
            client.as_str() != text
                && (client.as_str().starts_with(&text) || client.name().starts_with(&text))
        });
        let has = all().filter(|(client, _)| {
            client.as_str().contains(&text)
                && !client.as_str().starts_with(&text)
                && !client.name().starts_with(&text)
        });
        exact
            .chain(begins)
            .chain(has)
            .take(NAMED_MAX)
            .map(|(client, known)| (client.clone(), known.role))
            .collect()
    }

    /// How many clients there are, how many of them are connected, and how many certificates end soon.
    pub(crate) fn totals(&self, now_ms: u64) -> Totals {
        const SOON_S: u64 = 14 * 86_400;
        let now_s = now_ms / 1_000;
        let index = self.read();
        let live = index
            .clients
            .values()
            .filter(|it| it.status(now_s) == CertificateStatus::Live);
        Totals {
            clients: index.clients.len(),
            online: index
                .seen
                .values()
                .filter(|it| it.online == Some(true))
                .count(),
            expiring: live.filter(|it| it.not_after_s < now_s + SOON_S).count(),
        }
    }
}

/// Counts of all clients.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) clients: usize,
    pub(crate) online: usize,
    /// Live certificates that end within 14 days.
    pub(crate) expiring: usize,
}

/// How clients are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sort {
    /// By id.
    #[default]
    Name,
    /// Whose certificate ends soonest first.
    Expires,
    /// The one registered last first.
    Registered,
    /// The one heard of last first.
    Seen,
}

/// Which clients.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(crate) struct Wanted {
    /// Part of the id.
    search: Option<String>,
    /// Of this organisation.
    org: Option<String>,
    /// In this role: `operator`, `gateway`, `device` or `user`.
    role: Option<String>,
    /// Certificate `live`, `not-yet-valid`, `expired`, `revoked` or `suspended`.
    status: Option<String>,
    /// Connected or not.
    online: Option<bool>,
    /// How they are sorted; by name when left out.
    #[serde(default)]
    #[param(inline)]
    sort: Sort,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// How many; at most 500, 100 when left out.
    limit: Option<usize>,
}

/// A client in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DeviceRow {
    /// Its id, `organisation.name`.
    client: String,
    /// Its organisation.
    org: String,
    /// Its role: `operator`, `gateway`, `device` or `user`.
    role: String,
    /// Its certificate: `live`, `not-yet-valid`, `expired`, `revoked` or `suspended`.
    status: String,
    /// The certificate's id, hexadecimal.
    certificate: String,
    /// First second of its validity, Unix.
    not_before_s: u64,
    /// Last second of its validity, Unix.
    not_after_s: u64,
    /// When it was registered, milliseconds since 1970.
    registered_ms: u64,
    /// Whether it is connected, as the last record says; null where there is none.
    online: Option<bool>,
    /// The last record of its connections.
    last: Option<EventView>,
}

/// A page of clients.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DevicePage {
    /// The clients.
    items: Vec<DeviceRow>,
    /// `cursor` of the next page; null at the end.
    next: Option<String>,
    /// How many match in all.
    total: usize,
    /// Of those that match but for their status, how many have each.
    statuses: BTreeMap<String, usize>,
    /// Whether all clients were read; false soon after the start.
    complete: bool,
}

/// What a page is asked for, parsed.
struct Filter {
    search: String,
    org: Option<OrgId>,
    role: Option<Role>,
    status: Option<String>,
    online: Option<bool>,
}

impl Filter {
    fn parse(wanted: &Wanted) -> Result<Self, Problem> {
        let set = |text: &Option<String>| text.clone().filter(|it| !it.is_empty());
        let org = set(&wanted.org).map(|it| it.parse()).transpose();
        let role = set(&wanted.role).map(|it| it.parse()).transpose();
        Ok(Self {
            search: set(&wanted.search)
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase(),
            org: org.map_err(Problem::argument)?,
            role: role.map_err(Problem::argument)?,
            status: set(&wanted.status),
            online: wanted.online,
        })
    }

    /// Whether a client matches, its status apart.
    fn matches(&self, client: &ClientId, known: &Known, seen: Option<&Seen>) -> bool {
        (self.search.is_empty() || client.as_str().contains(&self.search))
            && self.org.as_ref().is_none_or(|org| client.org() == *org)
            && self.role.is_none_or(|role| known.role == role)
            && self
                .online
                .is_none_or(|wanted| seen.and_then(|it| it.online).unwrap_or(false) == wanted)
    }
}

fn row(client: &ClientId, known: &Known, seen: Option<&Seen>, now_s: u64) -> DeviceRow {
    DeviceRow {
        client: client.to_string(),
        org: client.org().to_string(),
        role: known.role.to_string(),
        status: known.status(now_s).to_string(),
        certificate: known.certificate.to_string(),
        not_before_s: known.not_before_s,
        not_after_s: known.not_after_s,
        registered_ms: known.registered_ms,
        online: seen.and_then(|it| it.online),
        last: seen.and_then(|it| it.last.clone()),
    }
}

fn page(index: &Index, wanted: &Wanted, now_s: u64) -> Result<DevicePage, Problem> {
    let filter = Filter::parse(wanted)?;
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let mut statuses = BTreeMap::new();
    let mut found: Vec<(&ClientId, &Known, Option<&Seen>)> = Vec::new();
    for (client, known) in &index.clients {
        let seen = index.seen.get(client);
        if !filter.matches(client, known, seen) {
            continue;
        }
        let status = known.status(now_s).as_str();
        *statuses.entry(status.to_owned()).or_insert(0) += 1;
        if filter.status.as_ref().is_none_or(|wanted| wanted == status) {
            found.push((client, known, seen));
        }
    }
    let last_ms = |seen: &Option<&Seen>| {
        seen.and_then(|it| it.last.as_ref())
            .map_or(0, |it| it.time_ms)
    };
    match wanted.sort {
        Sort::Name => {}
        Sort::Expires => found.sort_by_key(|(_, known, _)| known.not_after_s),
        Sort::Registered => {
            found.sort_by_key(|(_, known, _)| std::cmp::Reverse(known.registered_ms))
        }
        Sort::Seen => found.sort_by_key(|(_, _, seen)| std::cmp::Reverse(last_ms(seen))),
    }
    let from = match &wanted.cursor {
        None => 0,
        Some(cursor) => place(&found, cursor)?,
    };
    let end = found.len().min(from.saturating_add(limit));
    let items: Vec<_> = found[from.min(end)..end]
        .iter()
        .map(|(client, known, seen)| row(client, known, *seen, now_s))
        .collect();
    let next = (end < found.len()).then(|| match (wanted.sort, items.last()) {
        (Sort::Name, Some(last)) => format!("after:{}", last.client),
        _ => format!("from:{end}"),
    });
    Ok(DevicePage {
        items,
        next,
        total: found.len(),
        statuses,
        complete: index.complete,
    })
}

/// Where a cursor points: after a name, where pages are sorted by it, so that none is left out when others come;
/// else at a place.
fn place(found: &[(&ClientId, &Known, Option<&Seen>)], cursor: &str) -> Result<usize, Problem> {
    let wrong = || Problem::argument("cursor: give the `next` of the page before");
    match cursor.split_once(':') {
        Some(("after", client)) => {
            let client: ClientId = client.parse().map_err(|_| wrong())?;
            Ok(found.partition_point(|(it, _, _)| **it <= client))
        }
        Some(("from", place)) => place.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// Clients of all organisations.
#[utoipa::path(
    get, path = "/api/devices", tag = "devices", params(Wanted),
    responses(
        (status = 200, description = "A page of clients", body = DevicePage),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<DevicePage>, Problem> {
    let index = app.devices.read();
    page(&index, &wanted, app.now_ms() / 1_000).map(Json)
}

#[cfg(test)]
mod tests {
    use sealwire_sm::sm3;

    use super::*;

    const NOW_S: u64 = 2_000;

    fn index(count: usize) -> Index {
        let mut index = Index::default();
        for n in 0..count {
            let org = ["acme", "basin"][n % 2];
            let client: ClientId = format!("{org}.press-{n:06}").parse().unwrap();
            let known = Known {
                role: if n % 10 == 0 {
                    Role::User
                } else {
                    Role::Device
                },
                certificate: CertId(sm3(&[&n.to_be_bytes()])),
                not_before_s: 1_000,
                not_after_s: 10_000 - n as u64 % 97,
                registered_ms: 1_000 + n as u64,
                revoked: n % 5 == 0,
                suspended: false,
            };
            index.put(client, known);
        }
        index
    }

    fn ask(index: &Index, wanted: Wanted) -> DevicePage {
        page(index, &wanted, NOW_S).unwrap()
    }

    #[test]
    fn pages_hold_each_client_once_in_every_order() {
        let index = index(1_234);
        for sort in [Sort::Name, Sort::Expires, Sort::Registered, Sort::Seen] {
            let (mut found, mut cursor) = (BTreeSet::new(), None);
            loop {
                let limit = Some(100);
                let page = ask(
                    &index,
                    Wanted {
                        sort,
                        cursor,
                        limit,
                        ..Wanted::default()
                    },
                );
                assert_eq!(page.total, 1_234);
                found.extend(page.items.into_iter().map(|it| it.client));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(found.len(), 1_234);
        }
    }

    #[test]
    fn filters_narrow_and_counts_say_by_how_much() {
        let index = index(100);
        let wanted = |search: &str, status: &str| Wanted {
            search: Some(search.to_owned()),
            status: Some(status.to_owned()),
            ..Wanted::default()
        };
        let page = ask(&index, wanted("PRESS-00001", ""));
        assert_eq!(page.total, 10);
        let page = ask(&index, wanted("", "revoked"));
        assert_eq!((page.total, page.statuses["live"]), (20, 80));
        let bad = Wanted {
            role: Some("king".to_owned()),
            ..Wanted::default()
        };
        assert!(page_of(&index, &bad).is_err());
        let bad = Wanted {
            cursor: Some("x".to_owned()),
            ..Wanted::default()
        };
        assert!(page_of(&index, &bad).is_err());
        let far = Wanted {
            cursor: Some(format!("from:{}", usize::MAX)),
            ..Wanted::default()
        };
        assert!(page_of(&index, &far).unwrap().items.is_empty());
    }

    fn page_of(index: &Index, wanted: &Wanted) -> Result<DevicePage, Problem> {
        page(index, wanted, NOW_S)
    }

    fn event(client: &str, kind: &str, time_ms: u64) -> EventView {
        EventView {
            client: client.to_owned(),
            kind: kind.to_owned(),
            time_ms,
            address: "192.0.2.1".to_owned(),
            port: 1,
            protocol_version: 5,
            keep_alive_s: 60,
            clean_start: true,
            properties: Vec::new(),
            topic: None,
            reason: String::new(),
            grant: None,
            height: 1,
        }
    }

    #[test]
    fn the_last_record_says_who_is_connected() {
        let mut index = index(4);
        let online = |index: &Index| {
            let online = Some(true);
            ask(
                index,
                Wanted {
                    online,
                    ..Wanted::default()
                },
            )
            .total
        };
        index.saw(&event("acme.press-000000", "connected", 10));
        index.saw(&event("acme.stranger", "connect-refused", 11));
        assert_eq!((online(&index), index.seen.len()), (1, 1));
        index.saw(&event("acme.press-000000", "publish-refused", 12));
        assert_eq!(online(&index), 1);
        index.saw(&event("acme.press-000000", "disconnected", 13));
        // One that comes late changes nothing.
        index.saw(&event("acme.press-000000", "connected", 9));
        assert_eq!(online(&index), 0);
    }
}
