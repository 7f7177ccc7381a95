//! Follows the blocks as they become final, for the event stream and the index of devices.
//!
//! The node tells of each final block (`GET /v1/events`): its transactions' ids, calls and outcomes. What the
//! transactions say is fetched ([`crate::blocks`]) when somebody listens, or when it changes who is who. When the
//! node is away the next one is followed; heights that went by meanwhile are not told, and the index is
//! read anew.
//!
//! `GET /api/stream` (server-sent events, WHATWG HTML §9.2) tells every listener:
//!
//! | Event | Data |
//! |---|---|
//! | `overview` | a [`crate::overview::Sample`], every second |
//! | `block` | a [`crate::blocks::Block`], with its transactions |
//! | `connection` | an [`crate::audit::EventView`]: a gateway's record of a connection, when its block is final |
//! | `missed` | a number: so many were not told because the listener was too slow |
//!
//! A listener is signed in, and stays so: when its session has ended the stream ends.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, StreamExt as _, stream};
use sealwire_envelope::Call;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast, watch},
    time::Instant,
};

use crate::{
    App,
    audit::EventView,
    blocks::{self, Block},
    overview::Sample,
    problem::Problem,
    session,
};

/// What a listener may be behind before it misses something.
const BACKLOG: usize = 256;
/// Outcomes of so many blocks are remembered.
const BLOCKS_REMEMBERED: usize = 1_024;
/// Pause before a node is followed again.
const AGAIN: Duration = Duration::from_secs(1);
/// A node that says nothing for so long is left: blocks come every few seconds, comments more often.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// How long another organisation's node is followed before the own one is tried again.
const PREFER_OWN_AFTER: Duration = Duration::from_secs(60);
/// Longest event that is read, in bytes: a full block's ids.
const EVENT_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Time between two looks whether a listener is still signed in.
const SIGNED_IN_EVERY: Duration = Duration::from_secs(5);
/// Heights whose times are kept for rates and finality.
const TIMES_KEPT: usize = 512;

/// What listeners are told.
#[derive(Clone)]
pub(crate) enum Told {
    /// How all services are.
    Overview(Arc<Sample>),
    /// A final block.
    Block(Arc<Block>),
    /// A connection event in it.
    Connection(Arc<EventView>),
}

/// What became of a transaction, as the node told it with its block.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ToldOutcome {
    pub(crate) id: String,
    pub(crate) call: String,
    pub(crate) code: u16,
    pub(crate) outcome: String,
}

/// A block, as the node told it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ToldBlock {
    pub(crate) height: u64,
    pub(crate) time_ms: u64,
    pub(crate) transactions: Vec<ToldOutcome>,
}

/// When a block came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    pub(crate) height: u64,
    /// When it came here, milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// From its proposer's clock to here, in milliseconds; machines' clocks must agree for it to mean much.
    pub(crate) finality_ms: u64,
    pub(crate) transactions: u64,
}

/// The blocks that came.
pub(crate) struct Feed {
    told: broadcast::Sender<Told>,
    height: watch::Sender<u64>,
    blocks: Mutex<VecDeque<Arc<ToldBlock>>>,
    came: Mutex<VecDeque<Came>>,
    away: Mutex<Option<String>>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self {
            told: broadcast::channel(BACKLOG).0,
            height: watch::channel(0).0,
            blocks: Mutex::default(),
            came: Mutex::default(),
            away: Mutex::default(),
        }
    }

    pub(crate) fn tell(&self, told: Told) {
        // Nobody may be listening.
        let _ = self.told.send(told);
    }

    fn is_heard(&self) -> bool {
        self.told.receiver_count() > 0
    }

    /// Height of the last block that came; 0 before the first.
    pub(crate) fn height(&self) -> u64 {
        *self.height.borrow()
    }

    /// A block as it was told, if it is recent.
    pub(crate) fn block(&self, height: u64) -> Option<Arc<ToldBlock>> {
        let blocks = lock(&self.blocks);
        let found = blocks.binary_search_by_key(&height, |it| it.height).ok()?;
        blocks.get(found).cloned()
    }

    /// When the blocks came that came since `since_ms`.
    pub(crate) fn came_since(&self, since_ms: u64) -> Vec<Came> {
        let came = lock(&self.came);
        came.iter()
            .filter(|it| it.at_ms > since_ms)
            .copied()
            .collect()
    }

    /// The last block that came.
    pub(crate) fn last(&self) -> Option<Came> {
        lock(&self.came).back().copied()
    }

    /// Why no node is followed at the moment, if that is so.
    pub(crate) fn away(&self) -> Option<String> {
        lock(&self.away).clone()
    }

    /// Notes a block; `true` when heights before it were missed, or it isn't new.
    fn note(&self, block: Arc<ToldBlock>, now_ms: u64) -> Order {
        let before = self.height.send_replace(block.height.max(self.height()));
        if block.height <= before {
            return Order::Old;
        }
        let mut came = lock(&self.came);
        came.push_back(Came {
            height: block.height,
            at_ms: now_ms,
            finality_ms: now_ms.saturating_sub(block.time_ms),
            transactions: block.transactions.len() as u64,
        });
        while came.len() > TIMES_KEPT {
            came.pop_front();
        }
        let gap = before != 0 && block.height != before + 1;
        let mut blocks = lock(&self.blocks);
        blocks.push_back(block);
        while blocks.len() > BLOCKS_REMEMBERED {
            blocks.pop_front();
        }
        if gap { Order::Gap } else { Order::Next }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Order {
    Next,
    Gap,
    Old,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Follows the nodes for ever.
pub(crate) async fn follow(app: App) {
    loop {
        let why = follow_one(&app).await;
        tracing::debug!(why, "blocks aren't followed");
        *lock(&app.feed.away) = Some(why);
        tokio::time::sleep(AGAIN).await;
    }
}

/// Follows the present node until it is away; why it is.
async fn follow_one(app: &App) -> String {
    let response = match app.upstream.events().await {
        Ok(response) => response,
        Err(why) => return why,
    };
    let since = Instant::now();
    let foreign = !app.upstream.is_own();
    *lock(&app.feed.away) = None;
    let mut chunks = response.bytes_stream();
    let mut lines = Lines::default();
    loop {
        if foreign && since.elapsed() > PREFER_OWN_AFTER {
            app.upstream.prefer_own();
            return "the organisation's own node is tried again".to_owned();
        }
        let chunk = match tokio::time::timeout(SILENCE_MAX, chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return format!("the stream of blocks broke: {error}"),
            Ok(None) => return "the node ended the stream of blocks".to_owned(),
            Err(_) => return format!("no block for {} s", SILENCE_MAX.as_secs()),
        };
        if let Err(why) = lines.push(&chunk) {
            return why;
        }
        while let Some((kind, data)) = lines.next_event() {
            match kind.as_str() {
                "block" => match serde_json::from_str(&data) {
                    Ok(block) => arrived(app, block).await,
                    Err(error) => return format!("a block can't be read: {error}"),
                },
                "missed" => app.devices.read_anew(),
                _ => {}
            }
        }
    }
}

/// Takes a stream of events apart.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    kind: String,
    data: String,
}

impl Lines {
    fn push(&mut self, chunk: &[u8]) -> Result<(), String> {
        if self.bytes.len() + self.data.len() + chunk.len() > EVENT_MAX_BYTES {
            return Err(format!("an event is longer than {EVENT_MAX_BYTES} bytes"));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn next_event(&mut self) -> Option<(String, String)> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                let (kind, data) = (
                    std::mem::take(&mut self.kind),
                    std::mem::take(&mut self.data),
                );
                if !data.is_empty() {
                    return Some((kind, data));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.kind),
                "data" => self.data.push_str(value),
                _ => {}
            }
        }
        None
    }
}

/// Calls after which a client or a connection isn't what it was.
const WATCHED: [&str; 7] = [
    "register-certificate",
    "revoke-certificate",
    "renew-certificate",
    "suspend-certificate",
    "resume-certificate",
    "log-events",
    "open-enrolments",
];

async fn arrived(app: &App, block: ToldBlock) {
    let block = Arc::new(block);
    match app.feed.note(block.clone(), app.now_ms()) {
        Order::Old => return,
        Order::Gap => app.devices.read_anew(),
        Order::Next => {}
    }
    let watched = block
        .transactions
        .iter()
        .any(|it| it.code == 0 && WATCHED.contains(&it.call.as_str()));
    if !watched && !app.feed.is_heard() {
        return;
    }
    let decoded = match blocks::fetch(app, block.height).await {
        Ok(decoded) => decoded,
        Err(problem) => {
            tracing::debug!(detail = problem.detail, "a block can't be had");
            app.devices.read_anew();
            return;
        }
    };
    for (told, transaction) in block.transactions.iter().zip(&decoded.bundle.transactions) {
        if told.code == 0 {
            applied(app, &transaction.body.call);
        }
    }
    if app.feed.is_heard() {
        match blocks::present(app, &decoded, blocks::Part::All).await {
            Ok(block) => app.feed.tell(Told::Block(Arc::new(block))),
            Err(problem) => tracing::debug!(detail = problem.detail, "a block can't be told"),
        }
    }
}

/// What a call that took effect changes here.
fn applied(app: &App, call: &Call) {
    match call {
        Call::RegisterCertificate(it) => app.devices.changed_by_der(&it.der),
        Call::RenewCertificate(it) => app.devices.changed_by_der(&it.der),
        Call::RevokeCertificate(it) => app.devices.changed(&it.certificate),
        Call::SuspendCertificate(it) => app.devices.changed(&it.certificate),
        Call::ResumeCertificate(it) => app.devices.changed(&it.certificate),
        Call::LogEvents(it) => {
            for event in &it.events {
                let event = EventView::from(event);
                app.devices.saw(&event);
                app.feed.tell(Told::Connection(Arc::new(event)));
            }
        }
        _ => {}
    }
}

/// A number of events that weren't told.
#[derive(Serialize)]
struct Missed {
    missed: u64,
}

/// Tells what happens, as it happens.
#[utoipa::path(
    get, path = "/api/stream", tag = "overview",
    responses(
        (status = 200, description = "Server-sent events: `overview` (Sample), `block` (Block), `connection` (EventView), `missed`", content_type = "text/event-stream", body = String),
        (status = 503, description = "Too many listeners", body = Problem),
    )
)]
pub(crate) async fn stream(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::unavailable(
            "busy",
            "too many streams are open: close a page, or try again",
        )
    })?;
    let listener = Listener {
        told: app.feed.told.subscribe(),
        first: app.overview.latest(),
        signed_in_at: Instant::now(),
        app,
        headers,
        _permit: permit,
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(events).keep_alive(alive))
}

struct Listener {
    told: broadcast::Receiver<Told>,
    first: Option<Arc<Sample>>,
    signed_in_at: Instant,
    app: App,
    headers: HeaderMap,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        if let Some(sample) = self.first.take() {
            return Some(event("overview", &*sample));
        }
        loop {
            // Streams don't keep a session alive: they look without using it.
            if self.signed_in_at.elapsed() > SIGNED_IN_EVERY {
                if !session::is_signed_in(&self.app, &self.headers).await {
                    return None;
                }
                self.signed_in_at = Instant::now();
            }
            let told = match tokio::time::timeout(SIGNED_IN_EVERY, self.told.recv()).await {
                Ok(told) => told,
                Err(_) => continue,
            };
            return Some(match told {
                Ok(Told::Overview(sample)) => event("overview", &*sample),
                Ok(Told::Block(block)) => event("block", &*block),
                Ok(Told::Connection(it)) => event("connection", &*it),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    event("missed", &Missed { missed })
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            });
        }
    }
}

fn event(kind: &str, data: &impl Serialize) -> Event {
    let text = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(kind).data(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(height: u64) -> Arc<ToldBlock> {
        Arc::new(ToldBlock {
            height,
            time_ms: 1_000,
            transactions: Vec::new(),
        })
    }

    #[test]
    fn events_are_taken_apart_wherever_they_are_cut() {
        let text = ": comment\nevent: block\nid: 7\ndata: {\"a\":\ndata: 1}\n\nevent: missed\r\ndata: 3\r\n\r\n";
        for step in 1..text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for chunk in text.as_bytes().chunks(step) {
                lines.push(chunk).unwrap();
                while let Some(event) = lines.next_event() {
                    found.push(event);
                }
            }
            let expected = [("block", "{\"a\":1}"), ("missed", "3")];
            let expected = expected.map(|(kind, data)| (kind.to_owned(), data.to_owned()));
            assert_eq!(found, expected, "{step}");
        }
        let mut lines = Lines::default();
        assert!(lines.push(&vec![b'x'; EVENT_MAX_BYTES + 1]).is_err());
    }

    #[test]
    fn blocks_come_in_order_and_gaps_are_seen() {
        let feed = Feed::new();
        assert_eq!(feed.note(told(5), 1_200), Order::Next);
        assert_eq!(feed.note(told(6), 1_300), Order::Next);
        assert_eq!(feed.note(told(6), 1_300), Order::Old);
        assert_eq!(feed.note(told(9), 1_400), Order::Gap);
        assert_eq!((feed.height(), feed.block(7).is_none()), (9, true));
        assert_eq!(feed.block(6).map(|it| it.height), Some(6));
        assert_eq!(feed.last().map(|it| it.finality_ms), Some(400));
        for height in 10..2_000 {
            feed.note(told(height), 1_500);
        }
        assert!(lock(&feed.blocks).len() <= BLOCKS_REMEMBERED);
        assert!(lock(&feed.came).len() <= TIMES_KEPT);
    }
}
