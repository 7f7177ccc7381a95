//! A validator as a process runs it: real time, disks, sockets, and the HTTP interface.
//!
//! # On disk
//!
//! ```text
//! <directory>/store/    what the engine keeps: blocks, certificates, votes, state
//! <directory>/joined    this key has voted here; written once there is a vote journal
//! ```
//!
//! When `joined` is there and the vote journal isn't, the validator follows and serves but doesn't
//! vote (see [`crate::engine`]). Only [`Settings::fresh`], for which a person vouches, overrides
//! that.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use commonware_cryptography::{ChaCha20Poly1305, Signer as _};
use commonware_p2p::{Address, AddressableManager as _, authenticated::lookup};
use commonware_parallel::Rayon;
use commonware_runtime::{
    Clock as _, Quota, Runner as _, Spawner as _, Strategizer as _, Supervisor as _,
    tokio::{Config as RuntimeConfig, Context, Runner},
};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize, ordered::Map};
use sealwire_envelope::Genesis;
use sealwire_sm::{PublicKey, SecretKey};
use tokio::sync::oneshot;

use crate::{
    api,
    application::Pacing,
    chain::Chain,
    crypto::{self, PEER_NAMESPACE, PrivateKey, namespace},
    engine::{self, CHANNELS, Channels, Config, StartError, Validator},
    limits,
    mempool::Bounds,
};

/// How far peers' clocks may differ when they shake hands.
const HANDSHAKE_CLOCK_DRIFT: Duration = Duration::from_secs(10);
/// Oldest handshake that is still answered.
const HANDSHAKE_AGE_MAX: Duration = Duration::from_secs(20);
/// How often a new validator looks whether it has voted.
const MARK_PAUSE: Duration = Duration::from_millis(100);
/// Partition prefix of a process's only validator.
const PARTITION: &str = "ledger";

/// How to run a validator.
#[derive(Clone)]
pub struct Settings {
    /// The consortium.
    pub genesis: Arc<Genesis>,
    /// This validator's key.
    pub key: SecretKey,
    /// Where it keeps everything; made if it isn't there.
    pub directory: PathBuf,
    /// Where it listens for the other validators.
    pub listen: SocketAddr,
    /// Where the other validators listen, by key; this validator's own entry is ignored.
    pub peers: Vec<(PublicKey, SocketAddr)>,
    /// Where it serves HTTP; port 0 takes a free one.
    pub http: SocketAddr,
    /// When blocks are made.
    pub pacing: Pacing,
    /// How much the mempool holds.
    pub bounds: Bounds,
    /// Vote although the vote journal is gone: only when this key surely never voted.
    pub fresh: bool,
    /// Threads that run the node.
    pub threads: usize,
    /// Threads that verify signatures.
    pub verifiers: usize,
}

impl Settings {
    /// Settings with the usual pace and bounds; the genesis says the block interval.
    pub fn new(
        genesis: Arc<Genesis>,
        key: SecretKey,
        directory: PathBuf,
        listen: SocketAddr,
        peers: Vec<(PublicKey, SocketAddr)>,
        http: SocketAddr,
    ) -> Self {
        let pacing = Pacing {
            interval: Duration::from_millis(genesis.block_interval_ms),
            heartbeat: limits::IDLE_HEARTBEAT,
        };
        let bounds = Bounds {
            count: limits::MEMPOOL_TRANSACTIONS_MAX,
            bytes: limits::MEMPOOL_BYTES_MAX,
        };
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Self {
            genesis,
            key,
            directory,
            listen,
            peers,
            http,
            pacing,
            bounds,
            fresh: false,
            threads: cores.clamp(1, 4),
            verifiers: cores.clamp(1, 8),
        }
    }
}

/// Why a node doesn't run.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The validator itself.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A directory or file.
    #[error("can't use {path}: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another program runs on the same directory: two that vote with one key would be expelled.
    #[error("{directory} is used by a node that runs already: stop it first")]
    InUse {
        /// Which.
        directory: PathBuf,
    },
    /// The HTTP address.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Two peers with one key.
    #[error("two peers have the same key: check the list of validators")]
    Peers,
    /// The node's thread ended before it had started.
    #[error("the node stopped while it was starting: see the log")]
    Stopped,
}

/// A node that runs in a thread of its own.
pub struct Running {
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Its ledger, for reads in this process.
    pub chain: Arc<dyn Chain>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    /// Whether the node has ended by itself.
    pub fn ended(&self) -> bool {
        self.thread
            .as_ref()
            .is_none_or(thread::JoinHandle::is_finished)
    }

    /// Ends it and waits until it has ended.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Binds the address that a node serves HTTP on.
pub(crate) fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), LaunchError> {
    let failed = |source| LaunchError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Makes a directory.
pub(crate) fn directory(path: PathBuf) -> Result<PathBuf, LaunchError> {
    match fs::create_dir_all(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(LaunchError::Directory { path, source }),
    }
}

/// The engine's runtime for a node that keeps its files in `store`.
pub(crate) fn runtime(store: PathBuf, threads: usize) -> Runner {
    Runner::new(
        RuntimeConfig::new()
            .with_storage_directory(store)
            .with_worker_threads(threads),
    )
}

/// Starts a validator in a thread of its own and returns when it takes part.
///
/// # Errors
/// [`LaunchError`] when a file, an address, the key or the genesis can't be used.
pub fn launch(settings: Settings) -> Result<Running, LaunchError> {
    let store = directory(settings.directory.join("store"))?;
    let lock = lock(&settings.directory)?;
    let marker = settings.directory.join("joined");
    let joined = marker.exists() && !settings.fresh;
    let (listener, http) = bind(settings.http)?;
    let (stop, stopped) = oneshot::channel();
    let (report, started) = mpsc::channel();
    let thread = thread::spawn(move || {
        runtime(store, settings.threads).start(|context| async move {
            match start(&context, settings, joined).await {
                Ok(validator) => {
                    let chain: Arc<dyn Chain> = validator;
                    let _ = report.send(Ok(chain.clone()));
                    context
                        .child("marker")
                        .spawn(move |context| mark(context, marker));
                    serve(chain, listener, stopped).await;
                }
                Err(error) => drop(report.send(Err(error))),
            }
        });
        drop(lock);
    });
    let chain = started.recv().map_err(|_| LaunchError::Stopped)??;
    Ok(Running {
        http,
        chain,
        stop: Some(stop),
        thread: Some(thread),
    })
}

/// The directory for this program alone, until the file is dropped or the program ends, however it ends.
fn lock(directory: &Path) -> Result<fs::File, LaunchError> {
    let path = directory.join("lock");
    let failed = |source| LaunchError::Directory {
        path: path.clone(),
        source,
    };
    let file = fs::File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(LaunchError::InUse {
            directory: directory.to_owned(),
        }),
        Err(fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Remembers, beside the store, that the store must hold votes from now on.
async fn mark(context: Context, marker: PathBuf) {
    while !engine::has_votes(&context, PARTITION).await {
        context.sleep(MARK_PAUSE).await;
    }
    if let Err(error) = fs::write(&marker, "This validator's key has voted on this ledger.\n") {
        tracing::error!(%error, path = %marker.display(), "can't remember that this key has voted");
    }
}

/// Serves HTTP until told to stop.
pub(crate) async fn serve(
    chain: Arc<dyn Chain>,
    listener: TcpListener,
    stopped: oneshot::Receiver<()>,
) {
    let served = async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, api::router(chain)).await
    };
    tokio::select! {
        _ = stopped => {}
        ended = served => {
            if let Err(error) = ended {
                tracing::error!(%error, "the HTTP interface ended");
            }
        }
    }
}

async fn start(
    context: &Context,
    settings: Settings,
    joined: bool,
) -> Result<Arc<Validator<Context, Rayon>>, LaunchError> {
    let key = PrivateKey::from(settings.key.clone());
    let chain = settings.genesis.chain_id();
    let validators = u32::try_from(settings.genesis.orgs.len()).unwrap_or(u32::MAX);
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: key.clone(),
            synchrony_bound: HANDSHAKE_CLOCK_DRIFT,
            max_handshake_age: HANDSHAKE_AGE_MAX,
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let network = lookup::Config::local(
        handshake,
        &namespace(PEER_NAMESPACE, &chain.0),
        settings.listen,
        NZUsize!(validators as usize + 1),
        engine::message_bytes_max(validators),
        NZUsize!(limits::MAILBOX_MESSAGES),
    );
    let (mut network, mut oracle) = lookup::Network::new(context.child("network"), network);
    let mut peers: Vec<(crypto::PublicKey, Address)> = settings
        .peers
        .iter()
        .filter(|(peer, _)| peer != key.public_key().inner())
        .map(|(peer, address)| (peer.clone().into(), (*address).into()))
        .collect();
    peers.push((key.public_key(), settings.listen.into()));
    let peers: Map<crypto::PublicKey, Address> =
        peers.try_into().map_err(|_| LaunchError::Peers)?;
    oracle.track(0, peers);
    let quota = Quota::per_second(NZU32!(limits::MESSAGES_PER_SECOND));
    let mut channels = (0..CHANNELS).map(|channel| network.register(channel, quota));
    let mut next = || channels.next().expect("as many as there are channels");
    let channels = Channels {
        votes: next(),
        certificates: next(),
        resolver: next(),
        backfill: next(),
        broadcast: next(),
        gossip: next(),
    };
    let config = Config {
        genesis: settings.genesis,
        key,
        partition: PARTITION.to_owned(),
        joined,
        pacing: settings.pacing,
        bounds: settings.bounds,
        strategy: context.strategy(NZUsize!(settings.verifiers.max(1))),
    };
    let peers = oracle.clone();
    let validator = engine::start(context.child("node"), config, channels, oracle, peers).await?;
    network.start();
    Ok(Arc::new(validator))
}
