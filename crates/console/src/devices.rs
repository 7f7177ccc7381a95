//! An index of all clients, searched page by page.
//!
//! A node lists an organisation's clients by name, a thousand at a time. A page wants them by part of the name,
//! role, status and connection, sorted, of all organisations. So the index holds of each client what such a list
//! shows (about 400 bytes; 100,000 clients are 40 MB), is read once at the start, and follows the blocks: a call
//! that changes a certificate has that client read again, a gateway's record of a connection changes what is
//! known of it. What was missed has the whole read anew, at most once in [`ANEW_EVERY`].
//!
//! Whether a client is connected is what the last record of its connections says. Records from before the start
//! are read, the newest [`EVENTS_READ_MAX`] of each gateway; a client without one has no `online`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    Json,
    extract::{Extension, Path, Query, State},
};
use sealwire_contracts::entry::CertificateStatus;
use sealwire_envelope::{CertId, ClientId, OrgId};
use sealwire_sm::{Certificate, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{sync::Notify, time::Instant};
use utoipa::{IntoParams, ToSchema};

use crate::{App, audit::EventView, problem::Problem, session::Caller, upstream::percent_encoded};

/// Clients that are read at a time: the most that a node gives.
const READ_PAGE: usize = 1_000;
/// Records of connections that are read at the start, of each gateway.
const EVENTS_READ_MAX: usize = 5_000;
/// The whole is read anew at most so often.
const ANEW_EVERY: Duration = Duration::from_secs(30);
/// Pause after reading failed.
const AGAIN: Duration = Duration::from_secs(2);
/// Clients that are read again one by one; beyond, the whole is.
const CHANGED_MAX: usize = 2_000;
/// Most clients on a page.
const PAGE_MAX: usize = 500;
/// Clients on a page unless asked otherwise.
const PAGE_DEFAULT: usize = 100;
/// Most clients that a search by name finds.
const NAMED_MAX: usize = 20;
/// Topics whose packages a device's page shows.
const TOPICS_SHOWN: usize = 20;

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

// ---- reading ------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Moment {
    time_ms: u64,
}

#[derive(Deserialize)]
struct Suspension {
    until: Option<Value>,
}

#[derive(Deserialize)]
struct CertificateRecord {
    role: String,
    not_before_s: u64,
    not_after_s: u64,
    registered: Moment,
    revoked: Option<Value>,
    suspensions: Vec<Suspension>,
}

#[derive(Deserialize)]
struct ClientRecord {
    client: ClientId,
    certificate_id: CertId,
    certificate: CertificateRecord,
}

impl ClientRecord {
    fn known(self) -> Option<(ClientId, Known)> {
        let it = self.certificate;
        let known = Known {
            role: it.role.parse().ok()?,
            certificate: self.certificate_id,
            not_before_s: it.not_before_s,
            not_after_s: it.not_after_s,
            registered_ms: it.registered.time_ms,
            revoked: it.revoked.is_some(),
            suspended: it.suspensions.last().is_some_and(|it| it.until.is_none()),
        };
        Some((self.client, known))
    }
}

#[derive(Deserialize)]
struct Listed<T> {
    value: T,
    next: Option<String>,
}

#[derive(Deserialize)]
struct EventRecord {
    event: EventView,
}

#[derive(Deserialize)]
struct BatchRecord {
    events: Vec<EventRecord>,
}

/// Keeps the index as the ledger is, for ever.
pub(crate) async fn keep(app: App) {
    let mut last_read: Option<Instant> = None;
    loop {
        let (all, clients) = {
            let devices = &app.devices;
            let mut changed = devices
                .changed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let due = last_read.is_none_or(|at| at.elapsed() >= ANEW_EVERY);
            let all = changed.all && due;
            if all {
                changed.all = false;
            }
            (all, std::mem::take(&mut changed.clients))
        };
        let done = if all {
            read_all(&app)
                .await
                .inspect(|()| last_read = Some(Instant::now()))
        } else {
            read_again(&app, clients).await
        };
        if let Err(problem) = done {
            tracing::debug!(detail = problem.detail, "the index of clients isn't read");
            app.devices.read_anew();
            tokio::time::sleep(AGAIN).await;
            // What failed is due at once.
            last_read = None;
            continue;
        }
        // Woken by a change, or to look whether the whole is due.
        let _ = tokio::time::timeout(ANEW_EVERY, app.devices.wake.notified()).await;
    }
}

async fn read_all(app: &App) -> Result<(), Problem> {
    let mut gateways = Vec::new();
    for org in &app.genesis.orgs {
        let mut after = String::new();
        loop {
            let target = format!(
                "/v1/organisations/{}/clients?limit={READ_PAGE}{after}",
                org.org
            );
            let page: Listed<Vec<ClientRecord>> = app.upstream.json(&target).await?;
            {
                let mut index = app.devices.write();
                for (client, known) in page.value.into_iter().filter_map(ClientRecord::known) {
                    if known.role == Role::Gateway {
                        gateways.push(client.clone());
                    }
                    index.put(client, known);
                }
            }
            match page.next {
                // A node that names the same page again would keep us for ever.
                Some(next) if !after.ends_with(&next) => after = format!("&after={next}"),
                _ => break,
            }
        }
    }
    for gateway in gateways {
        read_events(app, &gateway).await?;
    }
    app.devices.write().complete = true;
    Ok(())
}

/// Reads a gateway's newest records, the oldest of them first.
async fn read_events(app: &App, gateway: &ClientId) -> Result<(), Problem> {
    let (mut events, mut after) = (Vec::new(), String::new());
    while events.len() < EVENTS_READ_MAX {
        let target =
            format!("/v1/gateways/{gateway}/events?newest_first=true&limit={READ_PAGE}{after}");
        let page: Listed<Vec<BatchRecord>> = app.upstream.json(&target).await?;
        for batch in page.value {
            events.extend(batch.events.into_iter().rev().map(|it| it.event));
        }
        match page.next {
            Some(next) if !after.ends_with(&next) => after = format!("&after={next}"),
            _ => break,
        }
    }
    let mut index = app.devices.write();
    for event in events.iter().rev() {
        index.saw(event);
    }
    Ok(())
}

async fn read_again(app: &App, clients: BTreeSet<ClientId>) -> Result<(), Problem> {
    for client in clients {
        let target = format!("/v1/clients/{}", percent_encoded(client.as_str()));
        let answer: Listed<Option<ClientRecord>> = app.upstream.json(&target).await?;
        if let Some((client, known)) = answer.value.and_then(ClientRecord::known) {
            app.devices.write().put(client, known);
        }
    }
    Ok(())
}

// ---- routes -------------------------------------------------------------------------------------

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

/// All of a client that its page shows beside the ledger's lists.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceView {
    #[serde(flatten)]
    row: DeviceRow,
    /// The connection that lasts, as it was recorded; null: not connected, or not known.
    connection: Option<EventView>,
    /// Its certificate, PEM.
    pem: String,
    /// Who revoked or suspended it, when and why; null while it is neither.
    ended: Option<EndView>,
    /// Its topics with their newest packages; at most 20.
    topics: Vec<TopicTraffic>,
    /// Whether there are more topics.
    more_topics: bool,
    /// Whether its key is in this console's home.
    key_here: bool,
    /// Whether this session may act for it.
    may_act: bool,
}

/// How a certificate ended or is suspended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EndView {
    /// In force from this block on.
    height: u64,
    /// The block's time, milliseconds since 1970.
    time_ms: u64,
    /// Who did it.
    by: String,
    /// Why, in that one's words.
    reason: String,
}

/// A topic and what was archived of it last.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicTraffic {
    /// Its name.
    topic: String,
    /// `sealed` or `open`.
    mode: String,
    /// Its key epoch.
    epoch: u64,
    /// Whether it is closed.
    closed: bool,
    /// The newest anchored package; null: none.
    newest: Option<PackageBrief>,
}

/// What the ledger says of a package.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PackageBrief {
    /// Its id, hexadecimal.
    package: String,
    /// How many messages.
    count: u64,
    /// When the first was received, milliseconds since 1970.
    from_ms: u64,
    /// When the last was received, milliseconds since 1970.
    to_ms: u64,
    /// The gateway that keeps it.
    gateway: String,
    /// The block that anchored it.
    height: u64,
}

/// A client: certificate, connection, topics.
#[utoipa::path(
    get, path = "/api/devices/{client}", tag = "devices",
    params(("client" = String, Path, description = "Client id, `organisation.name`")),
    responses(
        (status = 200, description = "The client", body = DeviceView),
        (status = 404, description = "No such client", body = Problem),
    )
)]
pub(crate) async fn one(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(client): Path<ClientId>,
) -> Result<Json<DeviceView>, Problem> {
    // What the ledger says now, not what the index knew a moment ago.
    let target = format!("/v1/clients/{}", percent_encoded(client.as_str()));
    let answer: Value = app.upstream.json(&target).await?;
    let certificate = &answer["value"]["certificate"];
    let record: Option<ClientRecord> =
        serde_json::from_value(answer["value"].clone()).map_err(Problem::argument)?;
    let Some((client, known)) = record.and_then(ClientRecord::known) else {
        let detail = format!("{client} isn't registered: check its id, or enrol it");
        return Err(Problem::not_found(detail));
    };
    let ended = match &certificate["revoked"] {
        Value::Null => certificate["suspensions"]
            .as_array()
            .and_then(|all| all.last())
            .filter(|last| last["until"].is_null())
            .map(|last| &last["from"]),
        revoked => Some(revoked),
    };
    let ended = ended.map(|it| EndView {
        height: it["at"]["height"].as_u64().unwrap_or(0),
        time_ms: it["at"]["time_ms"].as_u64().unwrap_or(0),
        by: it["by"].as_str().unwrap_or_default().to_owned(),
        reason: it["reason"].as_str().unwrap_or_default().to_owned(),
    });
    let der = certificate["der"].as_str().unwrap_or_default();
    let pem = hex::decode(der).ok();
    let pem = pem.and_then(|der| Certificate::from_der(&der).ok());
    let (topics, more_topics) = topics_of(&app, &client).await?;
    let seen = app.devices.read().seen.get(&client).cloned();
    let key_here = app.keys.clients().contains(&client);
    Ok(Json(DeviceView {
        row: row(&client, &known, seen.as_ref(), app.now_ms() / 1_000),
        connection: seen.and_then(|it| it.connection),
        pem: pem.map(|it| it.to_pem()).unwrap_or_default(),
        ended,
        topics,
        more_topics,
        key_here,
        may_act: crate::actions::may_act(&app, &caller, &client).is_ok(),
    }))
}

#[derive(Deserialize)]
struct OwnedTopic {
    name: String,
    topic: TopicState,
}

#[derive(Deserialize)]
struct TopicState {
    mode: String,
    epoch: u64,
    closed: Option<Value>,
}

async fn topics_of(app: &App, client: &ClientId) -> Result<(Vec<TopicTraffic>, bool), Problem> {
    let target = format!(
        "/v1/clients/{}/topics?limit={TOPICS_SHOWN}",
        percent_encoded(client.as_str())
    );
    let page: Listed<Vec<OwnedTopic>> = app.upstream.json(&target).await?;
    let newest = page.value.iter().map(|it| newest_package(app, &it.name));
    let newest = futures::future::try_join_all(newest).await?;
    let topics = page.value.into_iter().zip(newest);
    let topics = topics.map(|(it, newest)| TopicTraffic {
        topic: it.name,
        mode: it.topic.mode,
        epoch: it.topic.epoch,
        closed: it.topic.closed.is_some(),
        newest,
    });
    Ok((topics.collect(), page.next.is_some()))
}

/// The newest package of a topic.
async fn newest_package(app: &App, topic: &str) -> Result<Option<PackageBrief>, Problem> {
    let topic = percent_encoded(topic);
    let target = format!("/v1/packages?topic={topic}&newest_first=true&limit=1");
    let page: Listed<Vec<Package>> = app.upstream.json(&target).await?;
    Ok(page.value.into_iter().next().map(|it| PackageBrief {
        package: it.anchor.package,
        count: it.anchor.count,
        from_ms: it.anchor.from_ms,
        to_ms: it.anchor.to_ms,
        gateway: it.anchor.gateway,
        height: it.at.height,
    }))
}

#[derive(Deserialize)]
struct Anchor {
    package: String,
    count: u64,
    from_ms: u64,
    to_ms: u64,
    gateway: String,
}

#[derive(Deserialize)]
struct At {
    height: u64,
}

#[derive(Deserialize)]
struct Package {
    anchor: Anchor,
    at: At,
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

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

    #[test]
    fn a_hundred_thousand_are_searched_in_no_time() {
        let index = index(100_000);
        let start = Instant::now();
        for _ in 0..10 {
            let search = Some("99".to_owned());
            ask(
                &index,
                Wanted {
                    search,
                    sort: Sort::Expires,
                    ..Wanted::default()
                },
            );
        }
        // Generous: a slow machine takes a tenth of it.
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
    }
}
