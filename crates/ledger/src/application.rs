//! The state machine that consensus drives: make a block, judge a block, take a final block over.
//!
//! # Rules of a block (beside those of [`crate::block`] and [`crate::executor`])
//!
//! - `version`, `chain` and `validators` are this ledger's.
//! - Consensus itself compares height, parent, epoch, view and proposer with what it knows.
//! - `time_ms` is greater than the parent's. A voter whose clock is more than
//!   [`CLOCK_DRIFT_MAX`] behind waits, up to that long, and then
//!   refuses. The clock of one voter never decides: a block that others made final is executed.
//! - Every signature is its sender's.
//! - `state_root`, `ops_root`, `ops_start`, `ops_end` are what execution gives here.
//!
//! # When blocks are made
//!
//! [`Paced`] holds a proposal back until the parent is `interval` old and a transaction waits that no
//! ancestor holds, or until the parent is `heartbeat` old. The block at height 1, which writes
//! genesis, is made at once. Waiting happens before execution begins, because finalisation waits for
//! an execution that has begun.

use std::{
    collections::{HashMap, HashSet},
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use commonware_consensus::{
    Handoff, Heightable as _, marshal::ancestry::Ancestry, simplex::types::Context,
};
use commonware_cryptography::{Digested, Digestible as _};
use commonware_glue::stateful::{
    Application, Finality, Input, Mailbox, Proposed,
    db::{DatabaseSet, Merkleized as _, Reader},
};
use commonware_macros::select;
use commonware_parallel::Strategy;
use commonware_storage::qmdb::sync::Target;
use futures::StreamExt as _;
use sealwire_contracts as contracts;
use sealwire_envelope::{Genesis, Header, TxId, block::HEADER_VERSION};

use crate::{
    block::{Block, tx_root},
    crypto::{Digest, PublicKey, Scheme, Validators},
    engine::Runtime,
    executor::{self, Batch, ExecuteError, Executed, Rule, Sealed},
    limits::{CLOCK_DRIFT_MAX, LINKING},
    mempool::{Mempool, unix_ms},
    mirror::Mirror,
    state::{SharedStore, Store},
};

/// When blocks are made.
#[derive(Clone, Copy, Debug)]
pub struct Pacing {
    /// Shortest time from a block to the next.
    pub interval: Duration,
    /// Longest time from a block to the next while nothing waits.
    pub heartbeat: Duration,
}

/// The state machine.
pub struct App<T> {
    inner: Arc<Inner<T>>,
}

impl<T> Clone for App<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

struct Inner<T> {
    genesis: Arc<Genesis>,
    validators: Arc<Validators>,
    origin: Block,
    mirror: Arc<Mirror>,
    mempool: Mempool<T>,
    /// What blocks above the final one did, by digest.
    executed: Mutex<HashMap<Digest, (u64, Arc<Executed>)>>,
}

impl<T: Strategy> App<T> {
    /// A state machine that starts at `origin`, the block at height 0.
    pub fn new(
        genesis: Arc<Genesis>,
        validators: Arc<Validators>,
        origin: Block,
        mirror: Arc<Mirror>,
        mempool: Mempool<T>,
    ) -> Self {
        let executed = Mutex::new(HashMap::new());
        Self {
            inner: Arc::new(Inner {
                genesis,
                validators,
                origin,
                mirror,
                mempool,
                executed,
            }),
        }
    }

    fn remember(&self, block: &Block, executed: Executed) {
        let mut all = self
            .inner
            .executed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(block.digest(), (block.header().height, Arc::new(executed)));
    }

    fn forget(&self, block: &Block) -> Option<Arc<Executed>> {
        let mut all = self
            .inner
            .executed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let executed = all.remove(&block.digest()).map(|(_, executed)| executed);
        all.retain(|_, (height, _)| *height > block.header().height);
        executed
    }

    fn header(
        &self,
        context: &Context<Digest, PublicKey>,
        parent: &Block,
        block: &contracts::Block,
        transactions: &[crate::block::Tx],
        state: &Target<commonware_storage::mmr::Family, Digest>,
        state_root: Digest,
    ) -> Header {
        Header {
            version: HEADER_VERSION,
            chain: block.chain,
            height: block.height,
            epoch: context.round.epoch().get(),
            view: context.round.view().get(),
            parent_view: context.parent.0.get(),
            parent: parent.digest().into(),
            time_ms: block.time_ms,
            proposer: context.leader.inner().clone(),
            transactions: tx_root(transactions),
            state_root: state_root.into(),
            ops_root: state.root.into(),
            ops_start: *state.range.start(),
            ops_end: *state.range.end(),
            validators: self.inner.validators.digest(),
        }
    }

    async fn make<E: Runtime>(
        &self,
        (runtime, context): (E, Context<Digest, PublicKey>),
        ancestry: impl Ancestry<Block>,
        batch: Batch<E>,
    ) -> Option<(Block, Sealed<E>)> {
        let parent = ancestry.clone().next().await?.inner().clone();
        let (height, time_ms) = (parent.header().height + 1, parent.header().time_ms);
        let block = contracts::Block {
            chain: self.inner.genesis.chain_id(),
            height,
            time_ms: unix_ms(&runtime).max(time_ms + 1),
        };
        let carried = carried(ancestry, &self.inner.mirror).await;
        let candidates = self.inner.mempool.select(height, &carried);
        let executed = executor::execute::<E>(
            &batch,
            &self.inner.genesis,
            &block,
            &candidates,
            Rule::Skip,
            |_| true,
        )
        .await
        .map_err(|error| tracing::error!(%error, height, "can't make a block"))
        .ok()?;
        let sealed = executor::seal::<E>(batch, &block, &executed.writes)
            .await
            .map_err(|error| tracing::error!(%error, height, "can't make a block"))
            .ok()?;
        self.inner.mempool.reconsider(&executed.skipped);
        let state = target::<E>(&sealed);
        let header = self.header(
            &context,
            &parent,
            &block,
            &executed.included,
            &state,
            sealed.root(),
        );
        let made = Block::new(header, context.leader, executed.included.clone());
        self.remember(&made, executed);
        Some((made, sealed))
    }

    async fn judge<E: Runtime>(
        &self,
        runtime: E,
        ancestry: impl Ancestry<Block>,
        batch: Batch<E>,
        finality: Finality,
    ) -> Result<Option<Sealed<E>>, Refusal> {
        let mut ancestry = ancestry;
        let Some(block) = ancestry.next().await.map(|block| block.inner().clone()) else {
            return Ok(None);
        };
        let header = block.header();
        let candidate = finality == Finality::Candidate;
        if candidate {
            let Some(parent) = ancestry.next().await else {
                return Ok(None);
            };
            self.check_header(header, parent.inner().header())?;
            wait_for_clock(&runtime, header.time_ms).await?;
        }
        let at = contracts::Block {
            chain: header.chain,
            height: header.height,
            time_ms: header.time_ms,
        };
        let mempool = &self.inner.mempool;
        let executed = executor::execute::<E>(
            &batch,
            &self.inner.genesis,
            &at,
            block.transactions(),
            Rule::Refuse,
            |tx| !candidate || mempool.has_same(tx),
        )
        .await?;
        if !mempool.verify_unseen(executed.unverified.clone()).await {
            return Err(Refusal::Signature);
        }
        let sealed = executor::seal::<E>(batch, &at, &executed.writes)
            .await
            .map_err(ExecuteError::from)?;
        if Digest::from(header.state_root) != sealed.root() {
            return Err(Refusal::Root);
        }
        self.remember(&block, executed);
        Ok(Some(sealed))
    }

    fn check_header(&self, header: &Header, parent: &Header) -> Result<(), Refusal> {
        let same = header.version == HEADER_VERSION
            && header.chain == self.inner.genesis.chain_id()
            && header.validators == self.inner.validators.digest();
        if !same {
            return Err(Refusal::Header);
        }
        if header.time_ms <= parent.time_ms {
            return Err(Refusal::Time);
        }
        Ok(())
    }
}

/// Why a block isn't voted for.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("version, chain or validators aren't this ledger's")]
    Header,
    #[error("its time isn't after its parent's, or too far ahead of this node's clock")]
    Time,
    #[error("a signature isn't its sender's")]
    Signature,
    #[error("its state root isn't what execution gives")]
    Root,
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

async fn wait_for_clock<E: Runtime>(runtime: &E, time_ms: u64) -> Result<(), Refusal> {
    let acceptable = UNIX_EPOCH + Duration::from_millis(time_ms);
    let limit = runtime.current() + CLOCK_DRIFT_MAX;
    if acceptable <= limit {
        return Ok(());
    }
    runtime.sleep(CLOCK_DRIFT_MAX).await;
    if acceptable <= runtime.current() + CLOCK_DRIFT_MAX {
        Ok(())
    } else {
        Err(Refusal::Time)
    }
}

/// The transactions of the blocks above the final one.
async fn carried(mut ancestry: impl Ancestry<Block>, mirror: &Mirror) -> HashSet<TxId> {
    let mut carried = HashSet::new();
    while let Some(block) = ancestry.next().await {
        if block.height().get() <= mirror.view().height() {
            break;
        }
        carried.extend(
            block
                .inner()
                .transactions()
                .iter()
                .map(crate::block::Tx::id),
        );
    }
    carried
}

fn target<E: Runtime>(sealed: &Sealed<E>) -> Target<commonware_storage::mmr::Family, Digest> {
    let range = sealed.sync_boundary()..sealed.bounds().tip.size;
    let range = commonware_utils::range::NonEmptyRange::new(range)
        .expect("a batch ends with its commit, so it is never empty");
    Target::new(sealed.ops_root(), range)
}

impl<E: Runtime, T: Strategy> Application<E> for App<T> {
    type SigningScheme = Scheme;
    type Context = Context<Digest, PublicKey>;
    type Block = Block;
    type Databases = SharedStore<E>;
    type Captured = Option<Arc<Executed>>;
    type Provider = ();
    type Input = ();

    fn sync_targets(block: &Block) -> <SharedStore<E> as DatabaseSet<E>>::SyncTargets {
        block.target()
    }

    async fn genesis(&mut self) -> Block {
        self.inner.origin.clone()
    }

    async fn propose(
        &mut self,
        context: (E, Self::Context),
        ancestry: impl Ancestry<Block>,
        batch: Batch<E>,
        _: Input<(), ()>,
    ) -> Option<Proposed<Self, E>> {
        let (block, merkleized) = self.make(context, ancestry, batch).await?;
        Some(Proposed { block, merkleized })
    }

    async fn process(
        &mut self,
        (runtime, _): (E, Self::Context),
        ancestry: impl Ancestry<Block>,
        batch: Batch<E>,
        finality: Finality,
    ) -> Option<Sealed<E>> {
        match self.judge(runtime, ancestry, batch, finality).await {
            Ok(sealed) => sealed,
            Err(refusal) => {
                tracing::warn!(%refusal, "refused a block");
                None
            }
        }
    }

    async fn capture(
        &mut self,
        _: (E, Self::Context),
        block: &Block,
        _: &Sealed<E>,
        readers: Reader<Store<E>>,
    ) -> Option<Arc<Executed>> {
        let store = readers.read().await;
        self.inner
            .mirror
            .load(&store)
            .await
            .expect("the state store can be read");
        self.forget(block)
    }

    async fn finalized(
        &mut self,
        _: (E, Self::Context),
        block: &Block,
        executed: Option<Arc<Executed>>,
        readers: Reader<Store<E>>,
    ) {
        let taken = executed.is_some_and(|done| {
            self.inner
                .mirror
                .apply(block, &done.writes, done.outcomes.clone())
        });
        if !taken {
            let store = readers.read().await;
            self.inner
                .mirror
                .replace(&store)
                .await
                .expect("the state store can be read");
        }
        self.inner
            .mempool
            .finalised(block.header().height, block.transactions());
    }
}

/// Holds proposals back until they are due; see the module's documentation.
pub struct Paced<E: Runtime, T: Strategy> {
    inner: Mailbox<E, App<T>>,
    mirror: Arc<Mirror>,
    mempool: Mempool<T>,
    pacing: Pacing,
    /// When this node can be expected to be linked to its peers.
    linked: SystemTime,
    runtime: PhantomData<fn() -> E>,
}

impl<E: Runtime, T: Strategy> Clone for Paced<E, T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            mirror: self.mirror.clone(),
            mempool: self.mempool.clone(),
            pacing: self.pacing,
            linked: self.linked,
            runtime: PhantomData,
        }
    }
}

impl<E: Runtime, T: Strategy> Paced<E, T> {
    /// Holds back what `inner` would propose. The first proposal after a start also waits until
    /// there are links to send it over: a proposal that nobody hears costs a leader's timeout.
    pub fn new(
        runtime: &E,
        inner: Mailbox<E, App<T>>,
        mirror: Arc<Mirror>,
        mempool: Mempool<T>,
        pacing: Pacing,
    ) -> Self {
        let linked = runtime.current() + LINKING;
        Self {
            inner,
            mirror,
            mempool,
            pacing,
            linked,
            runtime: PhantomData,
        }
    }

    async fn due(&self, runtime: &E, ancestry: impl Ancestry<Block>) -> Option<()> {
        let parent = ancestry.clone().next().await?;
        let parent = parent.inner().header();
        let time = UNIX_EPOCH + Duration::from_millis(parent.time_ms);
        runtime.sleep_until(self.linked).await;
        if parent.height == 0 {
            return Some(());
        }
        runtime.sleep_until(time + self.pacing.interval).await;
        let mut arrivals = self.mempool.arrivals();
        let heartbeat = time + self.pacing.heartbeat;
        loop {
            arrivals.borrow_and_update();
            let carried = carried(ancestry.clone(), &self.mirror).await;
            if self.mempool.has_other_than(&carried) || runtime.current() >= heartbeat {
                return Some(());
            }
            select! {
                _ = runtime.sleep_until(heartbeat) => {},
                changed = arrivals.changed() => changed.ok()?,
            }
        }
    }
}

impl<E: Runtime, T: Strategy> commonware_consensus::Application<E> for Paced<E, T> {
    type SigningScheme = Scheme;
    type Context = Context<Digest, PublicKey>;
    type Block = Block;
    type Input = ();

    async fn prepare(
        &mut self,
        _: (E, Self::Context),
        _: impl Ancestry<Block>,
        (): (),
    ) -> Handoff<Digested<Block>> {
        // A block on a parent that may come to nothing would be made too early anyway.
        Handoff::Wait
    }

    async fn propose(
        &mut self,
        context: (E, Self::Context),
        ancestry: impl Ancestry<Block>,
        input: (),
    ) -> Option<Digested<Block>> {
        self.due(&context.0, ancestry.clone()).await?;
        self.inner.propose(context, ancestry, input).await
    }

    async fn verify(
        &mut self,
        context: (E, Self::Context),
        ancestry: impl Ancestry<Block>,
    ) -> bool {
        self.inner.verify(context, ancestry).await
    }
}
