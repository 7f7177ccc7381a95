//! Show a consortium in a browser, and let its people act.
//!
//! One console per organisation, run by it beside its node and gateway:
//!
//! ```text
//! browser ── pages, /api/… (cookie) ──▶ console ── GET /v1/… ───────────▶ the organisation's node
//!                                       │        ── GET /v1/status ─────▶ all nodes and gateways
//!                                       │        ── signed transactions ▶ the node (keys of this home)
//!                                       │        ── signed fetches ─────▶ archives (receipts)
//!                                       └─ WebSocket, byte by byte ─────▶ the organisation's gateway (MQTT)
//! ```
//!
//! | Module | What |
//! |---|---|
//! | `session` | who is signed in: one-time links, SM2 sign-in, cookies, expiry |
//! | `standing` | what the ledger says of who is signed in, asked again every second |
//! | `guard` | what every request must have before anything looks at it: host, origin, header, headers of answers |
//! | `door` | sockets: bounds, TLS |
//! | `upstream` | the nodes and gateways over HTTP; the pass-through of the ledger's queries |
//! | `overview` | samples of all services, their history, alerts |
//! | `feed` | follows the blocks as they come, for the event stream and the index |
//! | `blocks` | transactions as structured calls |
//! | `search` | one box for heights, digests, ids, clients, topics |
//! | `devices` | an index of all clients, searched page by page |
//! | `actions` | what people do: enrol, revoke, grant, request, authorise |
//! | `records` | receipts, genesis |
//! | `audit` | export of connection events |
//! | `mqtt` | MQTT over WebSocket, through to the gateway |
//! | `assets` | the pages themselves, built from `web/` and embedded |
//!
//! # Invariants
//! - Nothing but the pages, the session itself and the interface's document is answered to who isn't signed in.
//! - What a session may do is what the ledger says of its certificate *now*: an operator who is revoked can't
//!   act a second later. The console has no rights, roles or passwords of its own.
//! - It signs only with keys that lie in its home ([`Keyholder`]), only for who may act as their holder, and
//!   every action is logged with who asked for it. What a page shows as proven, the page verifies itself.
//! - A request that changes something carries the header `x-sealwire-console` and, where the browser says where
//!   it comes from, comes from this console's own pages.
//! - Sessions, attempts, connections, bodies, streams, caches and times are bounded ([`Limits`]).
//! - It keeps nothing on disk. Kill it at any time: sessions end, nothing else is lost.
//!
//! # Failure
//! The node away: what is known is shown with its age, actions are refused with 503. A gateway or another
//! organisation's node away: an alert with the reason. Errors are `application/problem+json` (RFC 9457) that
//! say what to do next; where a key isn't here, with the command to run where it is.

mod actions;
mod assets;
mod audit;
mod blocks;
mod devices;
mod door;
mod feed;
mod guard;
mod http;
mod mqtt;
mod overview;
mod problem;
mod rate;
mod records;
mod search;
mod session;
mod standing;
mod upstream;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sealwire_client::{Identity, Ledger};
use sealwire_envelope::{CertId, ClientId, Genesis, OrgId};
use sealwire_sm::{Certificate, Role};
use serde::Serialize;
use tokio::{sync::watch, task::JoinHandle};

pub use audit::events_csv;
pub use door::Tls;
pub use http::openapi_json;
pub use problem::Problem;
pub use session::Link;
pub use upstream::ALLOWED as LEDGER_ROUTES;

/// Bounds on what browsers may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at a time.
    pub connections: usize,
    /// Most connections at a time from one address.
    pub connections_per_address: usize,
    /// Longest that a connection may take to bring a request's head, or to shake hands.
    pub head_time: Duration,
    /// Most sessions at a time.
    pub sessions: usize,
    /// A session that asks nothing for so long has ended.
    pub session_idle: Duration,
    /// No session is older.
    pub session_life: Duration,
    /// How long a one-time link is good.
    pub link_life: Duration,
    /// How long a challenge is good.
    pub challenge_life: Duration,
    /// Attempts to sign in that an address may make at once; one more every [`Limits::attempt_every`].
    pub attempts_burst: u32,
    /// Time in which an address gets another attempt.
    pub attempt_every: Duration,
    /// Most event streams and MQTT connections at a time.
    pub streams: usize,
    /// Most actions under way at a time.
    pub actions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_address: 128,
            head_time: Duration::from_secs(15),
            sessions: 256,
            session_idle: Duration::from_secs(30 * 60),
            session_life: Duration::from_secs(12 * 3_600),
            link_life: Duration::from_secs(600),
            challenge_life: Duration::from_secs(60),
            attempts_burst: 10,
            attempt_every: Duration::from_secs(3),
            streams: 64,
            actions: 16,
        }
    }
}

/// Tells the time, in milliseconds since 1970.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now_ms(&self) -> u64;
}

/// This machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }
}

/// A clock that a test sets.
#[derive(Debug, Default)]
pub struct SetClock(AtomicU64);

impl SetClock {
    /// At this time.
    pub fn at_ms(now_ms: u64) -> Self {
        Self(AtomicU64::new(now_ms))
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The keys that lie where the console runs.
#[async_trait]
pub trait Keyholder: Send + Sync + 'static {
    /// The identity of a client whose key is here; none where it isn't, or can't be read without a passphrase.
    fn identity(&self, client: &ClientId) -> Option<Identity>;

    /// The clients whose keys are here, by name; only their names are looked at.
    fn clients(&self) -> Vec<ClientId>;

    /// Makes a client's key here, issues its certificate and registers it.
    ///
    /// # Errors
    /// Why not, in words that say what to do.
    async fn enrol(&self, client: &ClientId, role: Role, days: u32) -> Result<Enrolled, String>;
}

/// What [`Keyholder::enrol`] made.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// The new certificate.
    pub certificate: CertId,
    /// The block that has it.
    pub height: u64,
    /// Where the key is, for people.
    pub home: String,
}

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// An organisation's ledger node.
    Node,
    /// An organisation's gateway.
    Gateway,
}

/// A node or gateway that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Whose.
    pub org: OrgId,
    /// What it is.
    pub part: Part,
    /// Its address: `http://host:port`, or `https://host:port` by TLS of RFC 8998.
    pub url: String,
}

/// HTTPS with a standard suite.
#[derive(Clone, Debug)]
pub enum Https {
    /// With this certificate chain and key (PEM files).
    Files {
        /// The chain, its own certificate first.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// With a certificate that is signed by itself, made in this directory and kept (`console-tls.crt`,
    /// `console-tls.key`).
    SelfMade {
        /// Where.
        directory: PathBuf,
    },
}

/// What a console works with.
pub struct Settings {
    /// Whose console.
    pub org: OrgId,
    /// Where it listens; port 0 takes a free one. Without [`Settings::https`] only loopback will do.
    pub listen: SocketAddr,
    /// Host names, beside loopback's and the address itself, under which browsers reach it.
    pub names: Vec<String>,
    /// How it serves HTTPS; none: plain HTTP.
    pub https: Option<Https>,
    /// The consortium.
    pub genesis: Arc<Genesis>,
    /// Ledger nodes, the organisation's own first.
    pub nodes: Vec<String>,
    /// What is watched.
    pub services: Vec<Service>,
    /// Where the organisation's gateway takes MQTT over WebSocket in the clear; none: there is no *Try it*.
    pub mqtt: Option<SocketAddr>,
    /// The keys here.
    pub keys: Arc<dyn Keyholder>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub limits: Limits,
}

/// A console can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Plain HTTP elsewhere than on loopback.
    #[error(
        "{address} isn't on loopback: plain HTTP is for loopback only, serve HTTPS there (--https, or --tls-cert and --tls-key)"
    )]
    Plain {
        /// The address.
        address: SocketAddr,
    },
    /// The organisation isn't in genesis.
    #[error("organisation '{org}' isn't in the consortium: check its name")]
    Organisation {
        /// Which.
        org: OrgId,
    },
    /// The address can't be had.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No ledger node, or a wrong address.
    #[error(transparent)]
    Ledger(#[from] sealwire_client::ledger::LedgerError),
    /// HTTPS can't be set up.
    #[error(transparent)]
    Tls(#[from] door::TlsError),
    /// The nodes can't be asked.
    #[error("asking nodes and gateways: {0}")]
    Client(String),
}

/// All that handlers share.
struct Console {
    org: OrgId,
    genesis: Arc<Genesis>,
    keys: Arc<dyn Keyholder>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    mqtt: Option<SocketAddr>,
    /// The ledger, every entry proven.
    ledger: Arc<Ledger>,
    upstream: upstream::Upstream,
    sessions: session::Sessions,
    standings: standing::Standings,
    hosts: guard::Hosts,
    overview: overview::Overview,
    feed: feed::Feed,
    blocks: blocks::Blocks,
    devices: devices::Devices,
    streams: Arc<tokio::sync::Semaphore>,
    actions: tokio::sync::Semaphore,
}

type App = Arc<Console>;

/// A running console. Dropping it doesn't stop it: see [`Running::shutdown`].
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// SHA-256 of the certificate that it shows, where it made that itself: hexadecimal, as browsers show it.
    pub fingerprint: Option<String>,
    console: App,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts a console.
///
/// # Errors
/// [`StartError`].
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    let org = settings.org.clone();
    if !settings.genesis.orgs.iter().any(|it| it.org == org) {
        return Err(StartError::Organisation { org });
    }
    if settings.https.is_none() && !settings.listen.ip().is_loopback() {
        let address = settings.listen;
        return Err(StartError::Plain { address });
    }
    let bound = door::bind(&settings).await?;
    let operator = operator_here(&settings);
    let ledger = match &operator {
        Some(operator) => Ledger::asked_by(&settings.nodes, operator)?,
        None => Ledger::new(&settings.nodes, Some(settings.genesis.clone()))?,
    };
    // A page waits for its answer: rather say that the ledger is away than try for half a minute.
    let ledger = ledger.with_attempts(LEDGER_ATTEMPTS);
    let upstream = upstream::Upstream::new(&settings, operator.as_ref())?;
    let limits = settings.limits;
    let console = Arc::new(Console {
        hosts: guard::Hosts::new(&settings, &bound),
        sessions: session::Sessions::new(&settings),
        standings: standing::Standings::default(),
        overview: overview::Overview::new(settings.services),
        feed: feed::Feed::new(),
        blocks: blocks::Blocks::new(),
        devices: devices::Devices::new(),
        streams: Arc::new(tokio::sync::Semaphore::new(limits.streams)),
        actions: tokio::sync::Semaphore::new(limits.actions),
        org,
        genesis: settings.genesis,
        keys: settings.keys,
        clock: settings.clock,
        mqtt: settings.mqtt,
        ledger: Arc::new(ledger),
        limits,
        upstream,
    });
    let (stop, stopped) = watch::channel(false);
    let (address, fingerprint) = (bound.address, bound.fingerprint.clone());
    let router = http::router(console.clone());
    let tasks = vec![
        tokio::spawn(door::serve(bound, router, limits, stopped.clone())),
        tokio::spawn(until(stopped.clone(), feed::follow(console.clone()))),
        tokio::spawn(until(stopped.clone(), devices::keep(console.clone()))),
        tokio::spawn(until(stopped, overview::watch(console.clone()))),
    ];
    Ok(Running {
        address,
        fingerprint,
        console,
        stop,
        tasks,
    })
}

/// Attempts at reading an entry of the state before a request is answered with 503.
const LEDGER_ATTEMPTS: u32 = 4;

/// Name of an organisation's operator, as `sealwire init` makes it.
pub(crate) const OPERATOR: &str = "operator";
/// Name of an organisation's gateway.
pub(crate) const GATEWAY: &str = "gateway";

fn operator_here(settings: &Settings) -> Option<Identity> {
    let operator = ClientId::new(&settings.org, OPERATOR).ok()?;
    settings.keys.identity(&operator)
}

async fn until(mut stopped: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = task => {}
        // An error says that nobody is left to stop it: the same.
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

impl Running {
    /// Makes a one-time link: whoever opens it first, within [`Limits::link_life`], is signed in as the
    /// organisation's operator.
    pub fn link(&self) -> Link {
        let console = &self.console;
        console.sessions.link(console.hosts.origin())
    }

    /// Its origin, as on this machine: `http://127.0.0.1:port`.
    pub fn origin(&self) -> &str {
        self.console.hosts.origin()
    }

    /// Takes nothing new, ends what goes on, and is gone.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the console ended badly");
            }
        }
    }
}

impl Console {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// An organisation's root, as genesis has it.
    fn root_of(&self, org: &OrgId) -> Option<Certificate> {
        let org = self.genesis.orgs.iter().find(|it| it.org == *org)?;
        Certificate::from_der(&org.root_cert_der).ok()
    }
}
