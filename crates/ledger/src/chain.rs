//! What a node offers to those who read the ledger, be it a validator or a follower.

use std::sync::Arc;

use async_trait::async_trait;
use commonware_consensus::types::Height;
use commonware_parallel::Strategy;
use sealwire_envelope::{
    BlockBundle, Finality, Transaction, TxId, proof::StateProof, receipt::FinalityProof,
};
use serde::Serialize;

use crate::{
    block::{Block, Tx},
    crypto::finality,
    engine::{Runtime, Validator},
    limits::UNCERTIFIED_BLOCKS_MAX,
    mempool::SubmitError,
    mirror::Mirror,
    state::{self, StateError},
};

/// What a node is and how it fares.
#[derive(Clone, Debug, Serialize)]
pub struct NodeStatus {
    /// `validator` or `follower`.
    pub role: &'static str,
    /// Whether it votes: false for followers, and for a validator that lost its vote journal.
    pub votes: bool,
    /// Transactions that wait here.
    pub pending: usize,
    /// Bytes of their encodings.
    pub pending_bytes: usize,
    /// SM2 signatures of transactions that it verified since it started.
    pub signatures_verified: u64,
}

/// Proofs of state entries, all under one root.
pub struct Proven {
    /// Up to which block the state was.
    pub height: u64,
    /// For each key: the value, or that there is none, and the proof.
    pub entries: Vec<(Option<Vec<u8>>, StateProof)>,
}

/// A node's ledger.
#[async_trait]
pub trait Chain: Send + Sync + 'static {
    /// The final state in memory.
    fn mirror(&self) -> &Arc<Mirror>;

    /// What the node is and how it fares.
    fn status(&self) -> NodeStatus;

    /// A final block, with its certificate if it has one of its own.
    async fn bundle(&self, height: u64) -> Option<BlockBundle>;

    /// Proofs under the newest root.
    ///
    /// # Errors
    /// When the disk fails.
    async fn prove(&self, keys: &[Vec<u8>]) -> Result<Proven, StateError>;

    /// Takes a transaction, or passes it on to a validator.
    ///
    /// # Errors
    /// [`SubmitError`] says why not.
    async fn submit(&self, bytes: &[u8]) -> Result<TxId, SubmitError>;

    /// Whether a transaction waits here.
    fn pending(&self, id: &TxId) -> bool;

    /// A final header with its certificate, or with the headers up to one that has one.
    async fn certified(&self, height: u64) -> Option<FinalityProof> {
        let mut headers = Vec::new();
        for height in (height..).take(UNCERTIFIED_BLOCKS_MAX) {
            let bundle = self.bundle(height).await?;
            headers.push(bundle.header);
            if let Some(finality) = bundle.finality {
                return Some(FinalityProof { headers, finality });
            }
        }
        None
    }
}

/// The bundle of a block.
pub fn bundle(block: &Block, finality: Option<Finality>) -> BlockBundle {
    let transactions: Vec<Transaction> =
        block.transactions().iter().map(Tx::get).cloned().collect();
    BlockBundle {
        header: block.header().clone(),
        transactions,
        finality,
    }
}

#[async_trait]
impl<E: Runtime, T: Strategy> Chain for Validator<E, T> {
    fn mirror(&self) -> &Arc<Mirror> {
        &self.mirror
    }

    fn status(&self) -> NodeStatus {
        let counts = self.mempool.counts();
        NodeStatus {
            role: "validator",
            votes: self.votes,
            pending: counts.pending,
            pending_bytes: counts.pending_bytes,
            signatures_verified: counts.verified,
        }
    }

    async fn bundle(&self, height: u64) -> Option<BlockBundle> {
        if height == 0 || height > self.mirror.view().height() {
            return None;
        }
        let block = match self.mirror.recent(height) {
            Some(recent) => recent.block.clone(),
            None => self
                .blocks
                .get_block(Height::new(height))
                .await?
                .inner()
                .clone(),
        };
        let certificate = self.blocks.get_finalization(Height::new(height)).await;
        Some(bundle(&block, certificate.as_ref().map(finality)))
    }

    async fn prove(&self, keys: &[Vec<u8>]) -> Result<Proven, StateError> {
        state::prove_all(&self.store, keys).await
    }

    async fn submit(&self, bytes: &[u8]) -> Result<TxId, SubmitError> {
        self.mempool.submit(bytes).await
    }

    fn pending(&self, id: &TxId) -> bool {
        self.mempool.contains(id)
    }
}
