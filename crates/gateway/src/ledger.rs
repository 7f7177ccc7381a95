//! The seam to the ledger: what a gateway needs of it, and nothing else.
//!
//! The program implements [`Ledger`] over its embedded follower (state) and a validator's HTTP API
//! (submission); tests implement it over the contracts alone.

use std::sync::RwLockReadGuard;

use async_trait::async_trait;
use sealwire_contracts::View;
use sealwire_envelope::{ChainId, Transaction, TxId};
use tokio::sync::watch;

/// What became of a transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// Block that holds it.
    pub height: u64,
    /// Whether the contract accepted it; if not, what it said.
    pub refused: Option<String>,
}

/// A transaction wasn't taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The mempool is full: later.
    #[error("the ledger is busy")]
    Busy,
    /// No validator can be reached: later.
    #[error("the ledger is away: {0}")]
    Away(String),
    /// The transaction won't ever be taken as it is.
    #[error("the ledger refused the transaction: {0}")]
    Refused(String),
}

/// A ledger, as a gateway sees it.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Which ledger.
    fn chain(&self) -> ChainId;

    /// The finalised state. Held for a look-up, never across an await.
    fn view(&self) -> RwLockReadGuard<'_, View>;

    /// The finalised height; changes after the view has it.
    fn height(&self) -> watch::Receiver<u64>;

    /// When the state was last known to be the newest, in milliseconds since 1970.
    fn verified_at_ms(&self) -> u64;

    /// Hand in a transaction. `Ok` promises nothing but that a mempool has it.
    async fn submit(&self, transaction: &Transaction) -> Result<TxId, SubmitError>;

    /// What became of a transaction, as far as the finalised state knows.
    async fn outcome(&self, id: TxId) -> Option<Outcome>;
}
