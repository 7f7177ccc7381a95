//! A node that verifies and executes but doesn't vote: every gateway has one.
//!
//! A follower trusts the genesis file and nobody else. It takes a block when more than two thirds
//! of the genesis's validators certified it, or certified a later block that it is an ancestor of;
//! executes it; and compares the state root with the header's. Whether each transaction's
//! signature is right was judged by those who certified. A wrong certificate is its source's
//! fault: the next source is asked. A wrong root under a right certificate is this node's fault or
//! worse: the follower stops and says so.
//!
//! Its newest state is as old as its last block's time: idle ledgers make a block every heartbeat.

mod source;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, sync::mpsc, thread};

use async_trait::async_trait;
use bytes::Bytes;
use commonware_codec::RangeCfg;
use commonware_glue::stateful::db::{DatabaseSet as _, Merkleized as _};
use commonware_runtime::{Runner as _, Supervisor as _, tokio::Context as TokioContext};
use commonware_storage::{
    archive::{Archive as _, Identifier, prunable},
    translator::EightCap,
};
use sealwire_contracts as contracts;
use sealwire_envelope::{BlockBundle, Genesis, TxId};
use tokio::sync::{Mutex, oneshot};

pub use source::{BlockSource, HttpSource, SourceError};

use crate::{
    block::{Block, BlockError},
    chain::{Chain, NodeStatus, Proven},
    crypto::{Digest, FinalityError, Validators, verify_finality},
    engine::{self, Runtime, StartError},
    executor::{self, ExecuteError, Rule},
    limits::{BLOCK_BYTES_MAX, FOLLOWER_RETRY, UNCERTIFIED_BLOCKS_MAX},
    mempool::SubmitError,
    mirror::Mirror,
    node::{LaunchError, Running, bind, directory, runtime, serve},
    state::{self, SharedStore, StateError},
};

type Blocks<E> = prunable::Archive<EightCap, E, Digest, Bytes>;

/// Most bytes of an archived bundle: a block and its certificate.
const BUNDLE_BYTES_MAX: usize = BLOCK_BYTES_MAX + 64 * 1024;

/// Why a bundle isn't taken.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Not the next height, or not linked to the one before.
    #[error("the block at height {0} doesn't follow the one before it")]
    Link(u64),
    /// No certificate, even of a later block.
    #[error("no block from height {0} on is certified")]
    Uncertified(u64),
    /// The certificate isn't one.
    #[error(transparent)]
    Finality(#[from] FinalityError),
    /// The block isn't one.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Certified, but execution here gives another state.
    #[error(
        "the certified block at height {0} has another state than execution gives here: \
         this node's store or program is wrong; delete the store, update, start again"
    )]
    Root(u64),
    /// Certified, but it can't be executed here.
    #[error("the certified block at height {height} can't be executed here: {cause}")]
    Execute {
        /// Which.
        height: u64,
        /// Why.
        #[source]
        cause: ExecuteError,
    },
    /// The disk.
    #[error("the follower's storage failed: {0}")]
    Storage(String),
}

impl FollowError {
    /// Whether another source could do better.
    pub fn is_source(&self) -> bool {
        matches!(
            self,
            Self::Link(_) | Self::Uncertified(_) | Self::Finality(_) | Self::Block(_)
        )
    }
}

/// A follower.
pub struct Follower<E: Runtime> {
    genesis: Arc<Genesis>,
    validators: Validators,
    mirror: Arc<Mirror>,
    store: SharedStore<E>,
    /// Bundles by height. Taken out while it is written.
    blocks: Mutex<Option<Blocks<E>>>,
    source: Arc<dyn BlockSource>,
}

impl<E: Runtime> Follower<E> {
    /// Opens what the follower has on disk.
    ///
    /// # Errors
    /// When the genesis or the disk can't be used.
    pub async fn open(
        context: E,
        genesis: Arc<Genesis>,
        partition: &str,
        source: Arc<dyn BlockSource>,
    ) -> Result<Self, StartError> {
        let storage = |what, cause: String| StartError::Storage { what, cause };
        let validators = Validators::from_genesis(&genesis)?;
        let page_cache = state::page_cache();
        let blocks = prunable::Archive::init(
            context.child("blocks"),
            engine::archive(
                partition,
                "bundles",
                page_cache.clone(),
                RangeCfg::from(..=BUNDLE_BYTES_MAX),
            ),
        )
        .await
        .map_err(|error| storage("the archive of blocks", error.to_string()))?;
        let config = state::config(&format!("{partition}-state"), page_cache);
        let store = SharedStore::<E>::init(context.child("state"), config, None).await;
        let mirror = Arc::new(Mirror::new(genesis.clone()));
        {
            let store = store.read().await;
            mirror
                .load(&store)
                .await
                .map_err(|error| storage("the state", error.to_string()))?;
        }
        let blocks = Mutex::new(Some(blocks));
        Ok(Self {
            genesis,
            validators,
            mirror,
            store,
            blocks,
            source,
        })
    }

    /// Fetches and takes blocks until something fails that another source can't mend.
    ///
    /// # Errors
    /// [`FollowError`] says what failed; see [`FollowError::is_source`].
    pub async fn run(&self, context: &E) -> Result<(), FollowError> {
        loop {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => context.sleep(FOLLOWER_RETRY).await,
                Err(error) if error.is_source() => {
                    tracing::warn!(%error, "a source's block isn't taken; asking the next one");
                    self.source.distrust();
                    context.sleep(FOLLOWER_RETRY).await;
                }
                Err(error) => {
                    tracing::error!(%error, "the follower stops");
                    return Err(error);
                }
            }
        }
    }

    /// Fetches blocks up to the next certified one and takes them. `false` when there is none now.
    ///
    /// # Errors
    /// As [`Follower::take`].
    pub async fn step(&self) -> Result<bool, FollowError> {
        let next = self.mirror.view().height() + 1;
        let mut bundles: Vec<BlockBundle> = Vec::new();
        for height in (next..).take(UNCERTIFIED_BLOCKS_MAX) {
            let bundle = match self.source.bundle(height).await {
                Ok(Some(bundle)) => bundle,
                Ok(None) => return Ok(false),
                Err(error) => {
                    tracing::info!(%error, "no block from this source");
                    return Ok(false);
                }
            };
            let certified = bundle.finality.is_some();
            bundles.push(bundle);
            if certified {
                self.take(bundles).await?;
                return Ok(true);
            }
        }
        Err(FollowError::Uncertified(next))
    }

    /// Takes the next blocks, the last of which must be certified.
    ///
    /// # Errors
    /// [`FollowError`]; blocks before the one that failed have been taken.
    pub async fn take(&self, bundles: Vec<BlockBundle>) -> Result<(), FollowError> {
        let next = self.mirror.view().height() + 1;
        let last = bundles.last().ok_or(FollowError::Uncertified(next))?;
        let finality = last
            .finality
            .as_ref()
            .ok_or(FollowError::Uncertified(next))?;
        verify_finality(&self.validators, &last.header, finality)?;
        for (height, bundle) in (next..).zip(&bundles) {
            if bundle.header.height != height {
                return Err(FollowError::Link(height));
            }
        }
        for pair in bundles.windows(2) {
            if pair[1].header.parent != pair[0].header.digest() {
                return Err(FollowError::Link(pair[1].header.height));
            }
        }
        for bundle in bundles {
            self.execute(bundle).await?;
        }
        Ok(())
    }

    async fn execute(&self, bundle: BlockBundle) -> Result<(), FollowError> {
        let height = bundle.header.height;
        let encoded = Bytes::from(sealwire_envelope::encode(&bundle));
        let block = Block::from_bundle(bundle.header, bundle.transactions)?;
        let failed = |cause| FollowError::Execute { height, cause };
        let header = block.header();
        let at = contracts::Block {
            chain: header.chain,
            height,
            time_ms: header.time_ms,
        };
        let batch = self.store.new_batches().await;
        let executed = executor::execute::<E>(
            &batch,
            &self.genesis,
            &at,
            block.transactions(),
            Rule::Refuse,
            |_| true,
        )
        .await
        .map_err(failed)?;
        let sealed = executor::seal::<E>(batch, &at, &executed.writes)
            .await
            .map_err(|error| failed(error.into()))?;
        let same = sealed.root() == Digest::from(header.state_root)
            && SharedStore::<E>::matches_sync_targets(&sealed, &block.target());
        if !same {
            return Err(FollowError::Root(height));
        }
        self.archive(height, header.digest().into(), &encoded)
            .await?;
        self.store.apply(sealed).await;
        if !self.store.finalize().await.durable().await {
            return Err(FollowError::Storage("the node is stopping".to_owned()));
        }
        if !self
            .mirror
            .apply(&block, &executed.writes, executed.outcomes)
        {
            let store = self.store.read().await;
            let replaced = self.mirror.replace(&store).await;
            replaced.map_err(|error| FollowError::Storage(error.to_string()))?;
        }
        Ok(())
    }

    async fn archive(
        &self,
        height: u64,
        digest: Digest,
        bundle: &Bytes,
    ) -> Result<(), FollowError> {
        let storage = |error: String| FollowError::Storage(error);
        let mut slot = self.blocks.lock().await;
        let blocks = slot
            .take()
            .ok_or_else(|| storage("an earlier write failed".to_owned()))?;
        let blocks = blocks
            .put_sync(height, digest, bundle)
            .await
            .map_err(|error| storage(error.to_string()))?;
        *slot = Some(blocks);
        Ok(())
    }
}

#[async_trait]
impl<E: Runtime> Chain for Follower<E> {
    fn mirror(&self) -> &Arc<Mirror> {
        &self.mirror
    }

    fn status(&self) -> NodeStatus {
        NodeStatus {
            role: "follower",
            votes: false,
            pending: 0,
            pending_bytes: 0,
            signatures_verified: 0,
        }
    }

    async fn bundle(&self, height: u64) -> Option<BlockBundle> {
        if height == 0 || height > self.mirror.view().height() {
            return None;
        }
        let blocks = self.blocks.lock().await;
        let stored = blocks
            .as_ref()?
            .get(Identifier::Index(height))
            .await
            .ok()??;
        sealwire_envelope::decode(&stored).ok()
    }

    async fn prove(&self, keys: &[Vec<u8>]) -> Result<Proven, StateError> {
        state::prove_all(&self.store, keys).await
    }

    async fn submit(&self, bytes: &[u8]) -> Result<TxId, SubmitError> {
        self.source.submit(bytes).await
    }

    fn pending(&self, _: &TxId) -> bool {
        false
    }
}

/// How to run a follower.
#[derive(Clone)]
pub struct FollowerSettings {
    /// The consortium.
    pub genesis: Arc<Genesis>,
    /// Where it keeps everything; made if it isn't there.
    pub directory: PathBuf,
    /// HTTP addresses of validators (`http://host:port` or `https://host:port`), the nearest first.
    pub validators: Vec<String>,
    /// How HTTPS addresses are asked; their nodes serve blocks to members only.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Where it serves HTTP itself; port 0 takes a free one.
    pub http: SocketAddr,
    /// Threads that run it.
    pub threads: usize,
}

/// Starts a follower in a thread of its own. Returns when its last state is in memory; it then
/// catches up by itself.
///
/// # Errors
/// [`LaunchError`] when a file, an address or the genesis can't be used.
pub fn launch(settings: FollowerSettings) -> Result<Running, LaunchError> {
    let store = directory(settings.directory.join("store"))?;
    let (listener, http) = bind(settings.http)?;
    let (stop, stopped) = oneshot::channel();
    let (report, started) = mpsc::channel();
    let thread = thread::spawn(move || {
        runtime(store, settings.threads.max(1)).start(|context: TokioContext| async move {
            let source = match HttpSource::new(settings.validators, settings.tls) {
                Ok(source) => Arc::new(source),
                Err(error) => {
                    let error = StartError::Storage {
                        what: "the list of validators",
                        cause: error.to_string(),
                    };
                    return drop(report.send(Err(error)));
                }
            };
            let opened = Follower::open(
                context.child("follower"),
                settings.genesis,
                "follower",
                source,
            );
            match opened.await {
                Ok(follower) => {
                    let follower = Arc::new(follower);
                    let chain: Arc<dyn Chain> = follower.clone();
                    let _ = report.send(Ok(chain.clone()));
                    tokio::select! {
                        _ = serve(chain, listener, stopped) => {}
                        _ = follower.run(&context) => {}
                    }
                }
                Err(error) => drop(report.send(Err(error))),
            }
        });
    });
    let chain = started.recv().map_err(|_| LaunchError::Stopped)??;
    Ok(Running {
        http,
        chain,
        stop: Some(stop),
        thread: Some(thread),
    })
}
