//! Transactions on their way into a block.
//!
//! A transaction enters through [`Mempool::submit`] (a client) or [`Mempool::admit`] (a peer). Both
//! decode it, ask the contracts whether the present state would let it into the next block, and
//! verify its SM2 signature: once per node, in parallel, never again while it waits here. When
//! such a transaction comes back in a peer's block it is recognised by its bytes
//! ([`Mempool::verify_unseen`]).
//!
//! A transaction leaves only when a final block holds it, when its expiry height has passed, or
//! when the *final* state refuses it. A proposal that comes to nothing therefore loses nothing.
//! When the pool is full, nothing is pushed out: the newcomer is told to try again.

pub mod gossip;
mod pool;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use commonware_parallel::Strategy;
use commonware_runtime::{
    Clock, Metrics,
    telemetry::metrics::{Counter, MetricsExt as _},
};
use sealwire_contracts as contracts;
use sealwire_contracts::{AuthError, Code, Outcome};
use sealwire_envelope::{CertId, DecodeError, Genesis, TxId};
use sealwire_sm::PublicKey;
use tokio::sync::{Notify, watch};

pub use pool::{Bounds, Full, Pool};

use crate::{block::Tx, limits, mirror::Mirror};

/// Why a transaction isn't accepted. Who is at fault shows in the variant.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The bytes aren't a transaction.
    #[error("not a transaction: {0}")]
    Malformed(#[from] DecodeError),
    /// The state refuses it before execution.
    #[error("{0}")]
    Refused(Outcome),
    /// The signature isn't the sender's.
    #[error("the signature isn't that of the sender's certificate: sign the body anew")]
    Signature,
    /// It waits here already.
    #[error("transaction {0} waits for a block already: ask for its status")]
    Pending(TxId),
    /// A final block holds it already.
    #[error("transaction {0} was executed already: ask for its status")]
    Final(TxId),
    /// No room now.
    #[error("the mempool is full ({0}): try again in a moment")]
    Busy(#[from] Full),
    /// The ledger hasn't begun, or this node hasn't read its state yet.
    #[error("the ledger has no block yet: try again in a moment")]
    Starting,
    /// No validator could be asked.
    #[error("no validator answers ({0}): try again in a moment")]
    Away(String),
    /// A validator that was asked refused it.
    #[error("{}", .0.detail)]
    Remote(Box<crate::api::Problem>),
    /// The node's own state can't be read.
    #[error("the node's state is damaged: ask another node, and tell this one's operator")]
    Damaged,
}

/// What this node did for its transactions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// SM2 signatures of transactions verified.
    pub verified: u64,
    /// Transactions that wait.
    pub pending: usize,
    /// Bytes of their encodings.
    pub pending_bytes: usize,
}

/// The mempool. Cheap to clone: a handle.
pub struct Mempool<T>(Arc<Inner<T>>);

impl<T> Clone for Mempool<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Inner<T> {
    genesis: Arc<Genesis>,
    mirror: Arc<Mirror>,
    strategy: T,
    now_ms: Box<dyn Fn() -> u64 + Send + Sync>,
    pool: Mutex<Pool>,
    /// Decoded keys of senders, by certificate.
    keys: Mutex<HashMap<CertId, PublicKey>>,
    /// Held while transactions from peers, alone or in a block, are verified: so a block that
    /// overtakes the gossip of its transactions doesn't make this node verify them twice.
    peers: tokio::sync::Mutex<()>,
    /// Counts arrivals, for those who wait for one.
    arrivals: watch::Sender<u64>,
    /// Transactions that clients gave us and peers haven't been told of.
    outbox: Mutex<Vec<Tx>>,
    outbox_filled: Notify,
    verified: AtomicU64,
    verified_metric: Counter,
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Strategy> Mempool<T> {
    /// An empty mempool with the bounds of [`limits`].
    pub fn new<E: Clock + Metrics>(
        context: &E,
        genesis: Arc<Genesis>,
        mirror: Arc<Mirror>,
        bounds: Bounds,
        strategy: T,
    ) -> Self {
        let clock = context.child("mempool");
        let verified_metric = clock.counter(
            "signatures_verified",
            "SM2 signatures of transactions verified",
        );
        Self(Arc::new(Inner {
            genesis,
            mirror,
            strategy,
            now_ms: Box::new(move || unix_ms(&clock)),
            pool: Mutex::new(Pool::new(bounds)),
            keys: Mutex::new(HashMap::new()),
            peers: tokio::sync::Mutex::new(()),
            arrivals: watch::Sender::new(0),
            outbox: Mutex::new(Vec::new()),
            outbox_filled: Notify::new(),
            verified: AtomicU64::new(0),
            verified_metric,
        }))
    }

    /// Takes a client's transaction. On success it waits here and the peers are told.
    ///
    /// # Errors
    /// [`SubmitError`] says why it isn't accepted; nothing is kept then.
    pub async fn submit(&self, bytes: &[u8]) -> Result<TxId, SubmitError> {
        let tx = Tx::decode(bytes)?;
        let key = self.check(&tx)?;
        lock(&self.0.pool).room(tx.bytes().len())?;
        if !self.verify(vec![(tx.clone(), key)]).await[0] {
            return Err(SubmitError::Signature);
        }
        if !lock(&self.0.pool).insert(tx.clone())? {
            return Err(SubmitError::Pending(tx.id()));
        }
        self.announce_arrival();
        let id = tx.id();
        lock(&self.0.outbox).push(tx);
        self.0.outbox_filled.notify_one();
        Ok(id)
    }

    /// Takes what a peer sent. Returns how many bytes strings were malformed or wrongly signed:
    /// an honest peer sends none.
    pub async fn admit(&self, items: Vec<Bytes>) -> usize {
        let _peers = self.0.peers.lock().await;
        let mut bad = 0;
        let mut seen = HashSet::new();
        let mut to_verify = Vec::new();
        for bytes in items {
            let Ok(tx) = Tx::decode(&bytes) else {
                bad += 1;
                continue;
            };
            if !seen.insert(tx.id()) {
                continue;
            }
            if let Ok(key) = self.check(&tx)
                && lock(&self.0.pool).room(tx.bytes().len()).is_ok()
            {
                to_verify.push((tx, key));
            }
        }
        let valid = self.verify(to_verify.clone()).await;
        let mut arrived = false;
        for ((tx, _), valid) in to_verify.into_iter().zip(valid) {
            if !valid {
                bad += 1;
                continue;
            }
            // A full pool drops what peers send: who accepted it from the client tells us again.
            arrived |= lock(&self.0.pool).insert(tx).unwrap_or(false);
        }
        if arrived {
            self.announce_arrival();
        }
        bad
    }

    /// Whether every one of a block's transactions is signed by the key beside it. Those that
    /// wait here were verified when they came in; the others are verified now, in parallel, and
    /// kept, so that a block that comes to nothing doesn't cost them again.
    pub async fn verify_unseen(&self, items: Vec<(Tx, PublicKey)>) -> bool {
        if self.unseen(items.clone()).is_empty() {
            return true;
        }
        let _peers = self.0.peers.lock().await;
        let unseen = self.unseen(items);
        if unseen.is_empty() {
            return true;
        }
        let valid = self.verify(unseen.clone()).await;
        let mut all = true;
        let mut pool = lock(&self.0.pool);
        for ((tx, _), valid) in unseen.into_iter().zip(valid) {
            all &= valid;
            if valid {
                let _ = pool.insert(tx);
            }
        }
        all
    }

    /// Those that don't wait here.
    fn unseen(&self, items: Vec<(Tx, PublicKey)>) -> Vec<(Tx, PublicKey)> {
        let pool = lock(&self.0.pool);
        let waits = |tx: &Tx| pool.get(&tx.id()) == Some(tx);
        items.into_iter().filter(|(tx, _)| !waits(tx)).collect()
    }

    /// What the contracts ask of a transaction before they execute it, over the final state.
    fn check(&self, tx: &Tx) -> Result<PublicKey, SubmitError> {
        if lock(&self.0.pool).get(&tx.id()).is_some() {
            return Err(SubmitError::Pending(tx.id()));
        }
        let view = self.0.mirror.view();
        if view.height() == 0 {
            return Err(SubmitError::Starting);
        }
        let block = view.next_block(self.0.genesis.chain_id(), (self.0.now_ms)());
        match contracts::authenticate_with_key_bytes(&*view, tx.get(), &block) {
            Ok((sender, key)) => self.key(sender.certificate, &key),
            Err(AuthError::Refused(outcome)) if outcome.code == Code::Duplicate => {
                Err(SubmitError::Final(tx.id()))
            }
            Err(AuthError::Refused(outcome)) => Err(SubmitError::Refused(outcome)),
            Err(AuthError::Fault(_)) => Err(SubmitError::Damaged),
        }
    }

    /// The decoded key of a certificate, decoded once: `sm` also verifies faster with a key that it
    /// has verified with before.
    fn key(&self, certificate: CertId, bytes: &[u8]) -> Result<PublicKey, SubmitError> {
        let mut keys = lock(&self.0.keys);
        if let Some(key) = keys.get(&certificate) {
            return Ok(key.clone());
        }
        let key = PublicKey::from_sec1(bytes).map_err(|_| SubmitError::Damaged)?;
        if keys.len() >= limits::SENDER_KEYS_MAX {
            keys.clear();
        }
        keys.insert(certificate, key.clone());
        Ok(key)
    }

    async fn verify(&self, items: Vec<(Tx, PublicKey)>) -> Vec<bool> {
        if items.is_empty() {
            return Vec::new();
        }
        let count = items.len();
        self.0.verified.fetch_add(count as u64, Ordering::Relaxed);
        self.0.verified_metric.inc_by(count as u64);
        self.0
            .strategy
            .spawn(count, |strategy| {
                strategy.map_collect_vec(items, |(tx, key)| tx.get().verify(&key).is_ok())
            })
            .await
    }

    fn announce_arrival(&self) {
        self.0.arrivals.send_modify(|arrivals| *arrivals += 1);
    }

    /// Changes whenever a transaction arrives.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.0.arrivals.subscribe()
    }

    /// The oldest transactions for a block at `height`, without those in `except`.
    pub fn select(&self, height: u64, except: &HashSet<TxId>) -> Vec<Tx> {
        let bounds = Bounds {
            count: limits::BLOCK_TRANSACTIONS_MAX,
            bytes: limits::BLOCK_TRANSACTION_BYTES_MAX,
        };
        lock(&self.0.pool).select(bounds, height, except)
    }

    /// Whether anything waits that isn't in `except`.
    pub fn has_other_than(&self, except: &HashSet<TxId>) -> bool {
        lock(&self.0.pool).has_other_than(except)
    }

    /// Whether this transaction waits here.
    pub fn contains(&self, id: &TxId) -> bool {
        lock(&self.0.pool).get(id).is_some()
    }

    /// A block became final: its transactions and all that have expired leave.
    pub fn finalised(&self, height: u64, transactions: &[Tx]) {
        let mut pool = lock(&self.0.pool);
        for tx in transactions {
            pool.remove(&tx.id());
        }
        for tx in pool.expire(height) {
            tracing::info!(id = %tx.id().0, height, "a transaction expired before a block held it");
        }
    }

    /// A proposal couldn't hold these. Those that the final state refuses too leave.
    pub fn reconsider(&self, refused: &[Tx]) {
        for tx in refused {
            let gone = lock(&self.0.pool).remove(&tx.id());
            match self.check(tx) {
                Ok(_) | Err(SubmitError::Starting | SubmitError::Damaged) => {
                    if let Some(tx) = gone {
                        let _ = lock(&self.0.pool).insert(tx);
                    }
                }
                Err(error) => {
                    tracing::info!(id = %tx.id().0, %error, "a waiting transaction was dropped");
                }
            }
        }
    }

    /// Whether exactly this transaction, signature included, waits here and so is verified.
    pub fn has_same(&self, tx: &Tx) -> bool {
        lock(&self.0.pool).get(&tx.id()) == Some(tx)
    }

    /// What this node did so far.
    pub fn counts(&self) -> Counts {
        let pool = lock(&self.0.pool);
        Counts {
            verified: self.0.verified.load(Ordering::Relaxed),
            pending: pool.len(),
            pending_bytes: pool.bytes(),
        }
    }

    async fn outbox(&self) -> Vec<Tx> {
        loop {
            let filled = std::mem::take(&mut *lock(&self.0.outbox));
            if !filled.is_empty() {
                return filled;
            }
            self.0.outbox_filled.notified().await;
        }
    }
}

/// A runtime's clock in Unix milliseconds.
pub fn unix_ms(clock: &impl Clock) -> u64 {
    let since = clock
        .current()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
