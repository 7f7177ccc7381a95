//! Wires a validator: consensus, block exchange, execution, mempool.
//!
//! ```text
//! peers ── votes, certificates ──► simplex ──► Deferred ──► Paced ──► Stateful ──► App ──► QMDB
//!   │                                 │            │                                │
//!   ├──── blocks (broadcast) ──► buffer ──► marshal ◄───── finalised, in order ─────┤
//!   ├──── missing blocks ──────► backfill ────┘                                     ▼
//!   └──── transactions ────────► gossip ──► Mempool ◄── HTTP                    Mirror (reads)
//! ```
//!
//! Everything is generic over the engine's runtime, so that tests run four whole validators on
//! simulated time, disks and links from a seed.
//!
//! A validator that has voted before and finds no vote journal doesn't vote: it could contradict
//! what it signed earlier. It follows, executes and serves ([`Config::joined`]).

use std::{sync::Arc, time::Duration};

use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{
        self,
        core::{Actor as MarshalActor, Mailbox as MarshalMailbox},
        resolver::p2p as backfill,
        standard::{Deferred, Standard},
    },
    simplex::{
        self,
        config::{Floor, ForwardPolicy, SkipBudget, SkipPolicy},
        elector::RoundRobin,
    },
    types::{Epoch, FixedEpocher, ViewDelta},
};
use commonware_cryptography::{
    Digested, Digestible as _, Signer as _, certificate::ConstantProvider,
};
use commonware_glue::stateful::{
    Config as StatefulConfig, Stateful, SyncPlan, db::SyncEngineConfig,
};
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::{Sequential, Strategy};
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_storage::{archive::prunable, translator::EightCap};
use commonware_utils::{NZDuration, NZU64, NZUsize};
use rand_core::CryptoRng;
use sealwire_envelope::Genesis;

use crate::{
    application::{App, Paced, Pacing},
    block::Block,
    crypto::{FinalityError, PrivateKey, PublicKey, Scheme, Validators},
    limits,
    mempool::{Bounds, Mempool, gossip},
    mirror::Mirror,
    state::{self, NoPeerState, SharedStore},
};

/// What a runtime must offer.
pub trait Runtime: Spawner + Storage + Clock + Metrics + CryptoRng {}

impl<E: Spawner + Storage + Clock + Metrics + CryptoRng> Runtime for E {}

/// Blocks in one section of the block archive; only a limit on open files.
const BLOCKS_PER_SECTION: u64 = 1 << 16;
/// Buffer of each file that blocks and votes are written to.
const WRITE_BUFFER_BYTES: usize = 256 * 1024;
/// Buffer while journals are replayed at start.
const REPLAY_BUFFER_BYTES: usize = 1024 * 1024;

/// What one validator is.
pub struct Config<T> {
    /// The consortium.
    pub genesis: Arc<Genesis>,
    /// This validator's key.
    pub key: PrivateKey,
    /// Prefix of every partition of its storage.
    pub partition: String,
    /// Whether this validator has started before with this key. If so and its vote journal is
    /// gone, it doesn't vote.
    pub joined: bool,
    /// When blocks are made.
    pub pacing: Pacing,
    /// How much the mempool holds.
    pub bounds: Bounds,
    /// Where signatures are verified.
    pub strategy: T,
}

/// One channel to the other validators.
pub type Channel<S, R> = (S, R);

/// The channels to the other validators, by number.
pub struct Channels<S, R> {
    /// 0: votes.
    pub votes: Channel<S, R>,
    /// 1: certificates.
    pub certificates: Channel<S, R>,
    /// 2: missing certificates.
    pub resolver: Channel<S, R>,
    /// 3: missing blocks.
    pub backfill: Channel<S, R>,
    /// 4: proposed blocks.
    pub broadcast: Channel<S, R>,
    /// 5: transactions.
    pub gossip: Channel<S, R>,
}

/// How many channels there are.
pub const CHANNELS: u64 = 6;

/// Most bytes of one message on any channel, for this many validators.
pub fn message_bytes_max(validators: u32) -> u32 {
    commonware_p2p::max_message_size(&[
        simplex::max_payload_size::<Scheme, crate::crypto::Digest>(validators),
        marshal::max_payload_size::<Standard<Block>, Scheme>(validators, &()),
        limits::GOSSIP_MESSAGE_BYTES_MAX,
    ])
}

/// Why a validator doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The genesis names no usable set of validators.
    #[error(transparent)]
    Genesis(#[from] FinalityError),
    /// The key isn't one of the genesis's validators.
    #[error("key {0} isn't a validator of this consortium: check the key file and the genesis")]
    NotAValidator(PublicKey),
    /// The disk.
    #[error("can't open {what} in the node's storage: {cause}")]
    Storage {
        /// Which part.
        what: &'static str,
        /// Why.
        cause: String,
    },
}

/// A running validator.
pub struct Validator<E: Runtime, T: Strategy> {
    /// The finalised state and everything about recent blocks.
    pub mirror: Arc<Mirror>,
    /// Where transactions go in.
    pub mempool: Mempool<T>,
    /// The authenticated store.
    pub store: SharedStore<E>,
    /// Blocks and certificates.
    pub blocks: MarshalMailbox<Scheme, Standard<Block>>,
    /// Whether it votes; see [`Config::joined`].
    pub votes: bool,
    /// Ends when consensus does.
    pub handle: Handle<()>,
}

/// Starts a validator on `context`, over channels that already run.
///
/// # Errors
/// [`StartError`] when the genesis, the key or the disk don't allow it.
pub async fn start<E, S, R, B, P, T>(
    context: E,
    config: Config<T>,
    channels: Channels<S, R>,
    blocker: B,
    peers: P,
) -> Result<Validator<E, T>, StartError>
where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
    P: Provider<PublicKey = PublicKey>,
    T: Strategy,
{
    let Config {
        genesis,
        key,
        partition,
        joined,
        pacing,
        bounds,
        strategy,
    } = config;
    let validators = Validators::from_genesis(&genesis)?;
    let me = key.public_key();
    let simplex_partition = format!("{partition}-simplex");
    let journal = context
        .scan(&simplex_partition)
        .await
        .is_ok_and(|blobs| !blobs.is_empty());
    let votes = journal || !joined;
    let scheme = scheme(&validators, &key, votes)?;
    let page_cache = state::page_cache();

    let missing = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: me.clone(),
            peer_provider: peers.clone(),
            blocker: blocker.clone(),
            mailbox_size: NZUsize!(limits::MAILBOX_MESSAGES),
            fetch_timeout: NZDuration!(limits::FETCH_TIMEOUT),
            fetch_retry_delay: limits::FETCH_RETRY_DELAY,
            priority_requests: false,
            priority_responses: false,
        },
        channels.backfill,
    );
    let (broadcast, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: me.clone(),
            mailbox_size: NZUsize!(limits::MAILBOX_MESSAGES),
            deque_size: limits::BUFFERED_BLOCKS_PER_PEER,
            priority: true,
            codec_config: (),
            peer_provider: peers.clone(),
            strategy: Sequential,
        },
    );
    broadcast.start(channels.broadcast);

    let finalizations = prunable::Archive::init(
        context.child("finalizations"),
        archive(
            &partition,
            "finalizations",
            page_cache.clone(),
            <Scheme as commonware_cryptography::certificate::Verifier>::certificate_codec_config(
                &scheme,
            ),
        ),
    )
    .await
    .map_err(|cause| storage("the archive of certificates", cause))?;
    let finalized = prunable::Archive::init(
        context.child("blocks"),
        archive(&partition, "blocks", page_cache.clone(), ()),
    )
    .await
    .map_err(|cause| storage("the archive of blocks", cause))?;

    let origin = Block::genesis(&genesis, &validators);
    let digested = Digested::precomputed(origin.clone(), origin.digest());
    let provider = ConstantProvider::new(scheme.clone());
    let plan = SyncPlan::init(context.child("plan"), partition.clone()).await;
    let (marshal, blocks, floor) = MarshalActor::<_, Standard<Block>, _, _, _, _, _>::init(
        context.child("marshal"),
        finalizations,
        finalized,
        marshal::Config {
            provider,
            epocher: epochs(),
            start: plan.marshal_start(digested),
            partition_prefix: partition.clone(),
            mailbox_size: NZUsize!(limits::MAILBOX_MESSAGES),
            view_retention: ViewDelta::new(limits::VIEWS_RETAINED),
            prunable_items_per_section: NZU64!(limits::VIEWS_RETAINED),
            page_cache: page_cache.clone(),
            replay_buffer: NZUsize!(REPLAY_BUFFER_BYTES),
            key_write_buffer: NZUsize!(WRITE_BUFFER_BYTES),
            value_write_buffer: NZUsize!(WRITE_BUFFER_BYTES),
            block_codec_config: (),
            max_repair: NZUsize!(limits::REPAIRS_AT_ONCE),
            max_pending_acks: NZUsize!(limits::PENDING_ACKNOWLEDGEMENTS),
            strategy: Sequential,
        },
    )
    .await;

    let mirror = Arc::new(Mirror::new(genesis.clone()));
    let mempool = Mempool::new(&context, genesis.clone(), mirror.clone(), bounds, strategy);
    gossip::start(
        context.child("gossip"),
        mempool.clone(),
        channels.gossip,
        blocker.clone(),
    );
    let app = App::new(
        genesis.clone(),
        Arc::new(validators),
        origin.clone(),
        mirror.clone(),
        mempool.clone(),
    );
    let (stateful, executor) = Stateful::new(
        context.child("stateful"),
        StatefulConfig {
            application: app,
            db_config: state::config(&format!("{partition}-state"), page_cache.clone()),
            provider: (),
            marshal: (blocks.clone(), floor),
            mailbox_size: NZUsize!(limits::MAILBOX_MESSAGES),
            plan,
            resolvers: NoPeerState::default(),
            sync_config: SyncEngineConfig {
                fetch_batch_size: NZU64!(1),
                apply_batch_size: NZU64!(1),
                max_outstanding_requests: NZUsize!(1),
            },
            prune_config: None,
            strategy: Sequential,
        },
    );
    let paced = Paced::new(
        &context,
        executor.clone(),
        mirror.clone(),
        mempool.clone(),
        pacing,
    );
    let deferred = Deferred::new(context.child("deferred"), paced, blocks.clone(), epochs());
    marshal.start(executor.clone(), buffer, missing);
    stateful.start();
    let store = executor.subscribe_databases().await;
    {
        let store = store.read().await;
        mirror
            .load(&store)
            .await
            .map_err(|cause| storage("the state", cause))?;
    }

    let simplex = simplex::Engine::new(
        context.child("simplex"),
        simplex_config(
            scheme,
            blocker,
            deferred,
            simplex_partition,
            origin.digest(),
            pacing,
            page_cache,
        ),
    );
    let handle = simplex.start(channels.votes, channels.certificates, channels.resolver);
    Ok(Validator {
        mirror,
        mempool,
        store,
        blocks,
        votes,
        handle,
    })
}

/// Whether there is a journal of votes under this prefix.
pub async fn has_votes<E: Storage>(context: &E, partition: &str) -> bool {
    context
        .scan(&votes_partition(partition))
        .await
        .is_ok_and(|blobs| !blobs.is_empty())
}

fn votes_partition(partition: &str) -> String {
    format!("{partition}-simplex")
}

fn scheme(validators: &Validators, key: &PrivateKey, votes: bool) -> Result<Scheme, StartError> {
    let keys = validators.keys().clone();
    let scheme = if votes {
        Scheme::signer(validators.chain(), keys, key.clone())
    } else {
        Scheme::member(validators.chain(), keys, &key.public_key())
    };
    scheme.ok_or_else(|| StartError::NotAValidator(key.public_key()))
}

fn epochs() -> FixedEpocher {
    FixedEpocher::new(NZU64!(u64::MAX))
}

fn storage(what: &'static str, cause: impl std::fmt::Display) -> StartError {
    StartError::Storage {
        what,
        cause: cause.to_string(),
    }
}

/// An archive that is never pruned, by height and digest.
pub(crate) fn archive<C>(
    partition: &str,
    name: &str,
    page_cache: CacheRef,
    codec_config: C,
) -> prunable::Config<EightCap, C> {
    prunable::Config {
        translator: EightCap,
        metadata_partition: format!("{partition}-{name}-metadata"),
        key_partition: format!("{partition}-{name}-keys"),
        key_page_cache: page_cache,
        value_partition: format!("{partition}-{name}-values"),
        compression: None,
        codec_config,
        items_per_section: NZU64!(BLOCKS_PER_SECTION),
        key_write_buffer: NZUsize!(WRITE_BUFFER_BYTES),
        value_write_buffer: NZUsize!(WRITE_BUFFER_BYTES),
        replay_buffer: NZUsize!(REPLAY_BUFFER_BYTES),
    }
}

fn simplex_config<B, A>(
    scheme: Scheme,
    blocker: B,
    deferred: A,
    partition: String,
    genesis: crate::crypto::Digest,
    pacing: Pacing,
    page_cache: CacheRef,
) -> simplex::Config<
    Scheme,
    RoundRobin<crate::crypto::Sm3Hasher>,
    B,
    crate::crypto::Digest,
    A,
    A,
    A,
    Sequential,
>
where
    B: Blocker<PublicKey = PublicKey>,
    A: Clone
        + commonware_consensus::CertifiableAutomaton<
            Context = simplex::types::Context<crate::crypto::Digest, PublicKey>,
        > + commonware_consensus::Relay
        + commonware_consensus::Reporter<
            Activity = simplex::types::Activity<Scheme, crate::crypto::Digest>,
        >,
{
    let leader_timeout = pacing.heartbeat + limits::LEADER_GRACE;
    let certification_timeout = leader_timeout + limits::CERTIFICATION_GRACE;
    simplex::Config {
        scheme,
        elector: RoundRobin::default(),
        blocker,
        automaton: deferred.clone(),
        relay: deferred.clone(),
        reporter: deferred,
        strategy: Sequential,
        partition,
        mailbox_size: NZUsize!(limits::MAILBOX_MESSAGES),
        epoch: Epoch::zero(),
        floor: Floor::Genesis(genesis),
        replay_buffer: NZUsize!(REPLAY_BUFFER_BYTES),
        write_buffer: NZUsize!(WRITE_BUFFER_BYTES),
        page_cache,
        leader_timeout,
        certification_timeout,
        timeout_retry: limits::TIMEOUT_RETRY,
        view_retention: ViewDelta::new(limits::VIEWS_RETAINED),
        skip: SkipPolicy::Enabled {
            timeout: certification_timeout + Duration::from_millis(500),
            budget: SkipBudget::Participants,
        },
        fetch_timeout: NZDuration!(limits::FETCH_TIMEOUT),
        fetch_retry_delay: limits::FETCH_RETRY_DELAY,
        forward: ForwardPolicy::SilentVoters,
        track_historical_votes: false,
    }
}
