//! Let devices log in and exchange messages over MQTT, as the ledger says.
//!
//! ```text
//!  client ─TCP─► front ─► login ─► session ─► archive ─► engine ─► session ─► subscriber
//!                           │         │          │
//!                           └─ rights ┘          ├─► clerk ─► ledger (events, anchors, retrievals,
//!                         (verified state)       │                    evaluations)
//!                                                ├─► compute ─► clerk (evaluations), http (results)
//!                                                └─► http ─► readers (packages, records)
//! ```
//!
//! | Module | What it does |
//! |---|---|
//! | [`front`] | owns the sockets; limits connections and handshake time |
//! | [`channel`] | TLS by RFC 8998 and standard TLS 1.3, on one port |
//! | [`doorkeeper`] | how often one may try to log in; lock-outs |
//! | [`login`] | enhanced authentication and tokens, one check |
//! | [`session`] | passes packets; decides, archives, withholds |
//! | [`address`] | records addresses as keyed digests, where they are personal data |
//! | [`rights`] | asks the verified ledger state, answers with a reason |
//! | [`engine`] | the broker behind (the only module that knows which) |
//! | [`wills`] | publishes for clients that went without a word |
//! | [`stale`] | flags messages under a key that somebody without a right holds |
//! | [`watch`] | ends sessions whose certificate or grant ended |
//! | [`clerk`] | brings events, anchors, retrievals and evaluations to the ledger, once |
//! | [`compute`] | computes on encrypted readings, as the ledger allows |
//! | [`http`] | hands out packages and records, takes jobs, by signed request |
//! | [`ledger`] | the seam: what a gateway needs of a ledger |
//!
//! # Invariants
//! - A QoS 1 or 2 message is acknowledged after it is on disk in the archive.
//! - Nobody is admitted, published for or delivered to without a rule of the verified state that
//!   allows it; every decision names its reason.
//! - A connection event that happened is on disk until a block holds it. A session that was recorded
//!   as opened is recorded as closed, by the next start if this one ends without notice.
//! - The gateway never sees a key of a sealed topic.

pub mod address;
pub mod audit;
pub mod channel;
pub mod clerk;
pub mod compute;
pub mod config;
pub mod doorkeeper;
pub mod engine;
pub mod frame;
pub mod front;
pub mod http;
pub mod hub;
pub mod ledger;
pub mod login;
pub mod metrics;
pub mod rate;
pub mod replay;
pub mod rights;
pub mod session;
pub mod stale;
pub mod story;
pub mod watch;
pub mod websocket;
pub mod wills;

use std::{net::SocketAddr, sync::Arc, time::Duration};

pub use address::{AddressError, AddressKey};
pub use channel::{Channel, TlsError};
pub use config::{Config, Limits};
pub use hub::Keys;
pub use ledger::{Ledger, Outcome, SubmitError};
pub use metrics::Metrics;
pub use story::Story;

use channel::{HttpsListener, Tls};
use hub::{EngineRights, Hub};
use mqtt5::types::ReasonCode;
use rights::Refusal;
use sealwire_archive::Archive;
use sealwire_envelope::ClientId;
use sealwire_sm::cert::Role;
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch as channel_of},
    task::JoinHandle,
};

/// Time between two looks for packages that are old enough to close.
const CLOSE_TICK: Duration = Duration::from_millis(500);
/// How long a shutdown waits for connections and tasks.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);
/// Time between two looks whether connections are gone.
const SHUTDOWN_POLL: Duration = Duration::from_millis(10);

/// A gateway doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The certificate isn't one of a gateway.
    #[error(
        "the certificate is {found}'s with role {role}: a gateway needs one with role 'gateway' and its own client id as name"
    )]
    Certificate {
        /// The certificate's name.
        found: String,
        /// Its role.
        role: Role,
    },
    /// The secret key isn't the certificate's.
    #[error("the secret key isn't the one in the gateway's certificate")]
    Key,
    /// The archive.
    #[error(transparent)]
    Archive(#[from] sealwire_archive::OpenError),
    /// The archive, of what was used once.
    #[error("the archive's used tokens can't be read")]
    Used(#[from] sealwire_archive::ReadError),
    /// The archive, of the sessions that the gateway before this one left behind.
    #[error(transparent)]
    Left(#[from] hub::LeftError),
    /// What the compute service keeps.
    #[error("the compute service can't open {path}: check its owner and the disk")]
    Compute {
        /// Where.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The broker engine.
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
    /// TLS can't be offered.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A port is taken or forbidden.
    #[error("can't listen on {address}: choose another port, or 0 for any")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A gateway; see [`Gateway::start`].
pub struct Gateway;

impl Gateway {
    /// Open the archive, start the engine and listen.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: Config,
        ledger: Arc<dyn Ledger>,
        keys: Keys,
    ) -> Result<Running, StartError> {
        let client = check_keys(&keys)?;
        let archive = Archive::open(&config.archive_path(), &client, config.limits.package).await?;
        let limits = config.limits;
        let (mqtt_listener, mqtt_addr) = bind(config.mqtt).await?;
        let (http_listener, http_addr) = bind(config.http).await?;
        let mut config = config;
        config
            .location
            .get_or_insert_with(|| format!("http://{http_addr}"));
        let tls_config = config.tls.clone();
        let used = replay::UsedOnce::load(&archive, now_ms() / 1000).await?;
        let compute = compute::Service::open(&config.home).map_err(|source| {
            let path = config.home.join(compute::store::DIRECTORY);
            StartError::Compute { path, source }
        })?;
        let hub = Hub::new(config, keys, client, ledger, archive, used, compute);
        let hub = Arc::new(hub);
        let left = hub.record_left_behind().await?;
        if left > 0 {
            tracing::warn!(
                sessions = left,
                "a gateway before this one stopped without notice"
            );
        }
        let engine = engine::Engine::start(
            engine::EngineLimits {
                packet_bytes_max: limits.packet_bytes_max(),
                payload_bytes_max: limits.payload_bytes_max,
                connections_max: limits.connections_max,
                receive_maximum: limits.receive_maximum,
            },
            Arc::new(EngineRights(hub.clone())),
        )
        .await?;
        hub.set_engine(engine);

        let (stop, stopped) = channel_of::channel(false);
        let http_listener = http::bounded::Bounded::new(http_listener, limits.handshake_max);
        let serve = axum::serve(http_listener, http::router(hub.clone()));
        let places = Arc::new(front::Places::new(
            limits.connections_max,
            limits.connections_per_address_max,
        ));
        let (mut tls_tasks, mut tls_addrs) = (Vec::new(), None);
        if let Some(config) = tls_config {
            let tls = Arc::new(Tls::new(&hub, &config)?);
            let (mqtts_listener, mqtts_addr) = bind(config.mqtts).await?;
            let (https_listener, https_addr) = bind(config.https).await?;
            tls_addrs = Some((mqtts_addr, https_addr));
            let front = front::listen(
                hub.clone(),
                mqtts_listener,
                Some(tls.clone()),
                places.clone(),
                stopped.clone(),
            );
            tls_tasks.push(tokio::spawn(front));
            let https = HttpsListener::new(
                tls,
                https_listener,
                https_addr,
                limits.handshake_max,
                stopped.clone(),
            );
            let serve = axum::serve(https, http::router(hub.clone()));
            tls_tasks.push(tokio::spawn(serve_until(serve, stopped.clone())));
        }
        let mut tasks = vec![
            tokio::spawn(front::listen(
                hub.clone(),
                mqtt_listener,
                None,
                places,
                stopped.clone(),
            )),
            tokio::spawn(watch::watch(hub.clone(), stopped.clone())),
            tokio::spawn(clerk::work(hub.clone(), stopped.clone())),
            tokio::spawn(compute::work(hub.clone(), stopped.clone())),
            tokio::spawn(close_packages(hub.clone(), stopped.clone())),
            tokio::spawn(tell_packages(hub.clone(), stopped.clone())),
            tokio::spawn(serve_until(serve, stopped.clone())),
        ];
        tasks.append(&mut tls_tasks);
        Ok(Running {
            mqtt_addr,
            http_addr,
            mqtts_addr: tls_addrs.map(|(mqtts, _)| mqtts),
            https_addr: tls_addrs.map(|(_, https)| https),
            hub,
            stop,
            tasks,
        })
    }
}

/// Serves HTTP until `stop` changes.
async fn serve_until<L>(
    serve: axum::serve::Serve<L, axum::Router, axum::Router>,
    mut stop: channel_of::Receiver<bool>,
) where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let serve = serve.with_graceful_shutdown(async move {
        // Stopped, or the gateway is gone: either way, stop.
        let _ = stop.changed().await;
    });
    if let Err(error) = serve.await {
        tracing::error!(%error, "HTTP ended");
    }
}

fn check_keys(keys: &Keys) -> Result<ClientId, StartError> {
    let certificate = &keys.certificate;
    let wrong = || StartError::Certificate {
        found: certificate.name.clone(),
        role: certificate.role,
    };
    let client: ClientId = certificate.name.parse().map_err(|_| wrong())?;
    if certificate.role != Role::Gateway || client.org().as_str() != certificate.organisation {
        return Err(wrong());
    }
    if keys.secret.public_key() != &certificate.public_key {
        return Err(StartError::Key);
    }
    Ok(client)
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listen = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listen
        .await
        .map_err(|source| StartError::Listen { address, source })
}

/// A running gateway. Dropping it stops it without waiting.
pub struct Running {
    /// Where MQTT clients connect.
    pub mqtt_addr: SocketAddr,
    /// Where readers fetch.
    pub http_addr: SocketAddr,
    /// Where MQTT clients connect by TLS, if they can.
    pub mqtts_addr: Option<SocketAddr>,
    /// Where readers fetch by TLS, if they can.
    pub https_addr: Option<SocketAddr>,
    hub: Arc<Hub>,
    stop: channel_of::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// What happens, from now on.
    pub fn story(&self) -> broadcast::Receiver<Story> {
        self.hub.listen()
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        self.hub.metrics()
    }

    /// The archive, for inspection.
    pub fn archive(&self) -> &Archive {
        self.hub.archive()
    }

    /// Clients connected now.
    pub fn sessions(&self) -> usize {
        self.hub.sessions().len()
    }

    /// Connections that the engine behind serves now; the same number, once nothing is under way.
    pub async fn engine_connections(&self) -> usize {
        self.hub.engine().connections().await
    }

    /// Wills that wait for their time.
    pub fn wills(&self) -> usize {
        self.hub.wills().len()
    }

    /// The gateway's client id.
    pub fn client(&self) -> &ClientId {
        self.hub.client()
    }

    /// Close the open packages now, however young.
    ///
    /// # Errors
    /// The archive's.
    pub async fn close_packages(&self) -> Result<usize, sealwire_archive::WriteError> {
        let closed = self.hub.archive().close_due(u64::MAX, 0).await?;
        Ok(closed.len())
    }

    /// Stop listening, close connections, let the archive finish.
    pub async fn shutdown(mut self) {
        // Every task listens; nobody left to hear is as good.
        let _ = self.stop.send(true);
        self.hub.compute().stop();
        for session in self.hub.sessions().all() {
            let text = "the gateway shuts down: connect again later";
            session.close(Refusal::new(ReasonCode::ServerShuttingDown, text));
        }
        let waited = tokio::time::timeout(SHUTDOWN_MAX, async {
            while !self.hub.sessions().is_empty() {
                tokio::time::sleep(SHUTDOWN_POLL).await;
            }
        });
        if waited.await.is_err() {
            tracing::warn!(
                sessions = self.hub.sessions().len(),
                "connections outlive the shutdown"
            );
        }
        // Sessions live in memory: with the gateway they end, and so does the wait of their wills.
        let wills = tokio::time::timeout(SHUTDOWN_MAX, self.hub.wills().publish_all(&self.hub));
        if wills.await.is_err() {
            tracing::warn!("not all wills were published");
        }
        self.hub.record_sums(true);
        self.hub.engine().shutdown();
        for task in &mut self.tasks {
            if tokio::time::timeout(SHUTDOWN_MAX, &mut *task)
                .await
                .is_err()
            {
                task.abort();
            }
        }
        // What was handed to the archive is on disk once it has answered something later.
        if let Err(error) = self.hub.archive().close_due(0, u64::MAX).await {
            tracing::warn!(%error, "the archive didn't finish");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        self.hub.compute().stop();
    }
}

async fn close_packages(hub: Arc<Hub>, mut stop: channel_of::Receiver<bool>) {
    let age_ms = u64::try_from(hub.limits().package_age.as_millis()).unwrap_or(u64::MAX);
    loop {
        tokio::select! {
            () = tokio::time::sleep(CLOSE_TICK) => {}
            _ = stop.changed() => return,
        }
        if let Err(error) = hub.archive().close_due(now_ms(), age_ms).await {
            tracing::warn!(%error, "packages stay open until the next look");
        }
    }
}

async fn tell_packages(hub: Arc<Hub>, mut stop: channel_of::Receiver<bool>) {
    let mut closed = hub.archive().closed_packages();
    loop {
        let row = tokio::select! {
            row = closed.recv() => row,
            _ = stop.changed() => return,
        };
        match row {
            Ok(row) => {
                hub.metrics().packages.add(1);
                let package = row.package_id();
                hub.tell(Story::PackageClosed {
                    package,
                    topic: row.topic,
                    count: row.count,
                });
            }
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                hub.metrics().packages.add(missed);
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Milliseconds since 1970, by this machine's clock.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes[..]);
    bytes
}
