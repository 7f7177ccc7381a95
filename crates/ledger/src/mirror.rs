//! The final state in memory, and who waits for it to move.
//!
//! Everything that reads the ledger on this machine (HTTP, mempool, gateway) reads here. The
//! mirror holds no truth of its own: it is read from the store at start and follows block by
//! block.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use commonware_runtime::Spawner;
use commonware_storage::Context;
use sealwire_contracts::{Changes, Outcome, View, Writes};
use sealwire_envelope::Genesis;
use tokio::sync::{Mutex, broadcast, watch};

use crate::{
    block::Block,
    limits::{RECENT_BLOCKS, SUBSCRIBER_BACKLOG_BLOCKS},
    state::{self, StateError, Store},
};

/// A block that became final, and what it did.
#[derive(Debug)]
pub struct Final {
    /// The block.
    pub block: Block,
    /// What became of each of its transactions, in order.
    pub outcomes: Vec<Outcome>,
    /// Whose rights it may have changed.
    pub changes: Changes,
}

/// The final state in memory.
pub struct Mirror {
    genesis: Arc<Genesis>,
    view: RwLock<View>,
    recent: RwLock<BTreeMap<u64, Arc<Final>>>,
    height: watch::Sender<u64>,
    feed: broadcast::Sender<Arc<Final>>,
    loaded: Mutex<bool>,
}

impl Mirror {
    /// Before anything is read.
    pub fn new(genesis: Arc<Genesis>) -> Self {
        Self {
            genesis,
            view: RwLock::new(View::new()),
            recent: RwLock::new(BTreeMap::new()),
            height: watch::Sender::new(0),
            feed: broadcast::Sender::new(SUBSCRIBER_BACKLOG_BLOCKS),
            loaded: Mutex::new(false),
        }
    }

    /// The consortium.
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }

    /// The state. Hold the guard briefly: the next block waits for it.
    pub fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Height of the state; changes when a block has become final and its state readable.
    pub fn height(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// Final blocks from now on. Who lags more than [`SUBSCRIBER_BACKLOG_BLOCKS`] behind misses
    /// some and is told so.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Final>> {
        self.feed.subscribe()
    }

    /// How many listen to [`Mirror::subscribe`].
    pub fn subscribers(&self) -> usize {
        self.feed.receiver_count()
    }

    /// A recent final block, if it is still in memory.
    pub fn recent(&self, height: u64) -> Option<Arc<Final>> {
        self.recent
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&height)
            .cloned()
    }

    /// Reads the state from the store, unless that was done before.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn load<E: Context + Spawner>(&self, store: &Store<E>) -> Result<(), StateError> {
        let mut loaded = self.loaded.lock().await;
        if !*loaded {
            self.replace(store).await?;
            *loaded = true;
        }
        Ok(())
    }

    /// Reads the state from the store, whatever is here.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn replace<E: Context + Spawner>(&self, store: &Store<E>) -> Result<(), StateError> {
        let applied = state::applied(store).await?;
        let entries = state::entries(store).await?;
        let view = View::load(applied.height, applied.time_ms, entries);
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
        self.height.send_replace(applied.height);
        Ok(())
    }

    /// Takes over a final block. `false` when it isn't the next one; then [`Mirror::replace`].
    pub fn apply(&self, block: &Block, writes: &Writes, outcomes: Vec<Outcome>) -> bool {
        let header = block.header();
        let applied = {
            let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
            view.apply(header.height, header.time_ms, writes)
        };
        let Ok(changes) = applied else {
            return false;
        };
        let done = Arc::new(Final {
            block: block.clone(),
            outcomes,
            changes,
        });
        {
            let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
            recent.insert(header.height, done.clone());
            while recent.len() > RECENT_BLOCKS {
                recent.pop_first();
            }
        }
        self.height.send_replace(header.height);
        let _ = self.feed.send(done);
        true
    }
}
