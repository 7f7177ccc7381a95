//! Issue and renew certificates for devices that ask over HTTP.
//!
//! One desk per organisation, run by it. It holds the organisation's root key and an operator's
//! identity, so that a factory line or a device in the field gets its certificate without a person:
//!
//! ```text
//! device ── request, proof by its code ──▶ desk ── RegisterCertificate (operator) ──▶ ledger
//! device ◀── certificate ──────────────── desk ◀── applied ───────────────────────── ledger
//!
//! device ── request, signed by its present key ──▶ desk: issues, and tells nobody
//! device ◀── certificate ─────────────────────── desk
//! device ── RenewCertificate (device) ──────────────────────────────────────────────▶ ledger
//! ```
//!
//! # Rules
//! What it issues follows from the ledger, never from what the device would like: client and role from
//! the enrolment, or at a renewal from the present certificate; validity from the organisation's
//! template ([`DEFAULT_VALIDITY_S`] without one), never beyond the root's.
//!
//! - *Enrol*: the enrolment is this organisation's and open; the code's key signed for the request's key;
//!   the request names the enrolment's client and role. An enrolment that was used for the same key gets
//!   the same certificate again: a device whose answer was lost asks once more.
//! - *Renew*: the signed request is fresh and by the client's present, live certificate; its renewal window
//!   is open; the next certificate would last longer.
//!
//! # Invariants
//! - The desk keeps no state but keys: the ledger says what was issued. Kill it at any time; run two.
//! - It reads the ledger with proofs. A node that lies can keep it from issuing, not make it issue.
//! - A refusal costs the caller a request and the desk no signature by the root.
//! - Connections, bodies, time and requests per address are bounded ([`Limits`]).
//! - Every answer is told to the operator with its reason ([`Event`]); no code and no key is ever told.

mod door;
mod http;
mod issue;
mod rate;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use sealwire_client::{Identity, Ledger, identity::Peers};
use sealwire_envelope::{CertId, ClientId, OrgId};
use sealwire_sm::{Certificate, Role, SecretKey};
use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
    task::JoinHandle,
};

use crate::{door::Door, issue::Issuer, rate::Rates};

/// How long a certificate is valid where the organisation has no template for its role, in seconds: one
/// year.
pub const DEFAULT_VALIDITY_S: u64 = 365 * 86_400;

/// Events that wait for whoever listens.
const EVENTS_HELD: usize = 1_024;

/// Bounds on what callers may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at a time.
    pub connections: usize,
    /// Most connections at a time from one address.
    pub connections_per_address: usize,
    /// Longest that one connection lives.
    pub connection_time: Duration,
    /// Requests per second that one address may make in the long run.
    pub requests_per_s: u32,
    /// Requests that one address may make at once.
    pub requests_burst: u32,
    /// Addresses whose requests are counted; beyond, the ones longest silent are forgotten.
    pub addresses: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_address: 64,
            connection_time: Duration::from_secs(120),
            requests_per_s: 20,
            requests_burst: 200,
            addresses: 10_000,
        }
    }
}

/// What a desk works with.
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The organisation's root key.
    pub root_key: SecretKey,
    /// The organisation's root certificate.
    pub root: Certificate,
    /// Who registers what it issues: an operator of the organisation.
    pub operator: Identity,
    /// The ledger; made with genesis, as [`Ledger::of`] does, so that what it says is proven.
    pub ledger: Arc<Ledger>,
    /// What devices are told of the rest of the system.
    pub peers: Peers,
    /// Bounds.
    pub limits: Limits,
}

/// A desk can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operator isn't one, or another organisation's.
    #[error("{client} can't run the desk of '{org}': it takes an operator of that organisation")]
    Operator {
        /// Who it is.
        client: ClientId,
        /// Whose desk.
        org: String,
    },
    /// The root isn't the one in genesis, or the key isn't the root's.
    #[error("the root key isn't that of '{org}' in genesis")]
    Root {
        /// Whose desk.
        org: String,
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
}

/// What the desk did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Issued and registered a first certificate.
    Enrolled,
    /// Gave a certificate again to the key that has it.
    Repeated,
    /// Issued the next certificate for a client.
    Renewed,
    /// Refused.
    Refused,
}

/// Something that the desk did, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When, milliseconds since 1970.
    pub time_ms: u64,
    /// Who asked.
    pub address: IpAddr,
    /// What it did.
    pub deed: Deed,
    /// For whom, where that is known.
    pub client: Option<ClientId>,
    /// The certificate that was given.
    pub certificate: Option<CertId>,
    /// Why it refused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// All that handlers share.
struct Shared {
    issuer: Issuer,
    rates: Rates,
    peers: Peers,
    events: broadcast::Sender<Event>,
}

/// A running desk. Dropping it doesn't stop it: see [`Running::shutdown`].
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

/// Starts a desk.
///
/// # Errors
/// [`StartError`].
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    check(&settings)?;
    let address = settings.listen;
    let listen = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let limits = settings.limits;
    let shared = Arc::new(Shared {
        issuer: Issuer {
            root_key: settings.root_key,
            root: settings.root,
            operator: settings.operator,
            ledger: settings.ledger,
        },
        rates: Rates::new(&limits),
        peers: settings.peers,
        events: broadcast::channel(EVENTS_HELD).0,
    });
    let (stop, mut stopped) = watch::channel(false);
    let router = http::router(shared.clone());
    let door = Door::new(listener, &limits);
    let served = tokio::spawn(async move {
        let stopped = async move {
            // An error says that nobody is left to stop it: the same.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let service = router.into_make_service_with_connect_info::<door::Peer>();
        let serve = axum::serve(door, service).with_graceful_shutdown(stopped);
        if let Err(error) = serve.await {
            tracing::error!(%error, "the desk has ended");
        }
    });
    Ok(Running {
        address,
        shared,
        stop,
        served,
    })
}

fn check(settings: &Settings) -> Result<(), StartError> {
    let operator = &settings.operator;
    let org = settings.root.organisation.clone();
    let fits = operator.certificate().role == Role::Operator
        && operator.client().org().as_str() == org
        && settings.root.role == Role::Root;
    if !fits {
        let client = operator.client().clone();
        return Err(StartError::Operator { client, org });
    }
    let genesis = operator.genesis();
    let known = genesis
        .orgs
        .iter()
        .any(|it| it.org.as_str() == org && it.root_cert_der.as_ref() == settings.root.der());
    if !known || settings.root_key.public_key() != &settings.root.public_key {
        return Err(StartError::Root { org });
    }
    Ok(())
}

impl Running {
    /// What it does from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Whose desk it is.
    pub fn org(&self) -> OrgId {
        self.shared.issuer.org()
    }

    /// Answers what is under way, takes nothing new, and ends.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.served.await {
            tracing::error!(%error, "the desk ended badly");
        }
    }
}

pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
