//! Executes a block's transactions over a state that must be fetched piece by piece.
//!
//! The contracts are pure and synchronous: what they miss they name, this module fetches it and
//! runs them again. A node executes the same way as proposer, voter and follower, so that all come
//! to the same bytes.
//!
//! A block is *admissible* when each of its transactions, over the state that those before it
//! left, is for this chain, not executed before, within its expiry window, and from a live
//! certificate. A proposer leaves inadmissible ones out; a block that holds one is invalid. What a
//! contract then refuses is recorded as the transaction's outcome, and takes its place in the
//! block.

use std::collections::{BTreeMap, BTreeSet};

use commonware_glue::stateful::db::DatabaseSet;
use commonware_runtime::Spawner;
use commonware_storage::Context;
use sealwire_contracts::{
    AuthError, Block, BlockError, Fault, GenesisError, Missing, Outcome, Overlay, Read, Writes,
    authenticate, begin_block, execute as execute_one, footprint,
};
use sealwire_envelope::{Genesis, TxId, proof::StateEntry};
use sealwire_sm::PublicKey;

use crate::{
    block::Tx,
    crypto::Digest,
    state::{Applied, SharedStore, StateError, store_key, store_value},
};

/// A batch over the store, before and after its root is computed.
pub type Batch<E> = <SharedStore<E> as DatabaseSet<E>>::Unmerkleized;
/// A batch whose root is computed.
pub type Sealed<E> = <SharedStore<E> as DatabaseSet<E>>::Merkleized;

/// What to do with a transaction that isn't admissible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Leave it out.
    Skip,
    /// Refuse the block.
    Refuse,
}

/// What a block did.
#[derive(Debug, Default)]
pub struct Executed {
    /// Everything it changed.
    pub writes: Writes,
    /// The transactions that count, in order.
    pub included: Vec<Tx>,
    /// What became of each.
    pub outcomes: Vec<Outcome>,
    /// Those left out by [`Rule::Skip`].
    pub skipped: Vec<Tx>,
    /// Those whose signatures the caller must still check, with the senders' keys.
    pub unverified: Vec<(Tx, PublicKey)>,
}

/// Why a block can't be executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The store didn't answer.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store holds what no contract wrote.
    #[error(transparent)]
    Fault(Fault),
    /// Genesis can't found a ledger.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The block holds a transaction that it mustn't.
    #[error("transaction {} isn't admissible: {outcome}", id.0)]
    Inadmissible {
        /// Which.
        id: TxId,
        /// Why.
        outcome: Outcome,
    },
}

impl From<BlockError> for ExecuteError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Fault(fault) => Self::Fault(fault),
            BlockError::Genesis(error) => Self::Genesis(error),
        }
    }
}

/// Entries that have been fetched, present or absent.
#[derive(Default)]
struct Known(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Read for Known {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Missing> {
        self.0.get(key).cloned().ok_or_else(|| Missing::one(key))
    }
}

/// Executes `transactions` as `block` over the state under `batch`.
///
/// `verified` says of a transaction whether its signature needs no check; the others are listed in
/// [`Executed::unverified`].
///
/// # Errors
/// [`ExecuteError::Inadmissible`] under [`Rule::Refuse`]; else when the store fails.
pub async fn execute<E: Context + Spawner>(
    batch: &Batch<E>,
    genesis: &Genesis,
    block: &Block,
    transactions: &[Tx],
    rule: Rule,
    verified: impl Fn(&Tx) -> bool,
) -> Result<Executed, ExecuteError> {
    let mut state = Overlay::new(Known::default());
    let likely: BTreeSet<_> = transactions
        .iter()
        .flat_map(|tx| footprint(tx.get()))
        .collect();
    fetch(batch, &mut state, likely.into_iter().collect()).await?;
    state.merge(begin_block(genesis, block)?);
    let mut executed = Executed::default();
    for tx in transactions {
        let index = u32::try_from(executed.included.len()).unwrap_or(u32::MAX);
        let step = loop {
            match step(tx, index, block, &state, verified(tx)) {
                Ok(step) => break step,
                Err(Fault::Missing(missing)) => fetch(batch, &mut state, missing.keys).await?,
                Err(fault) => return Err(ExecuteError::Fault(fault)),
            }
        };
        match (step, rule) {
            (
                Step::Included {
                    key,
                    outcome,
                    writes,
                },
                _,
            ) => {
                state.merge(writes);
                executed.outcomes.push(outcome);
                executed.included.push(tx.clone());
                executed.unverified.extend(key.map(|key| (tx.clone(), key)));
            }
            (Step::Refused(_), Rule::Skip) => executed.skipped.push(tx.clone()),
            (Step::Refused(outcome), Rule::Refuse) => {
                return Err(ExecuteError::Inadmissible {
                    id: tx.id(),
                    outcome,
                });
            }
        }
    }
    executed.writes = state.into_writes();
    Ok(executed)
}

enum Step {
    Included {
        key: Option<PublicKey>,
        outcome: Outcome,
        writes: Writes,
    },
    Refused(Outcome),
}

fn step(
    tx: &Tx,
    index: u32,
    block: &Block,
    state: &Overlay<Known>,
    verified: bool,
) -> Result<Step, Fault> {
    let key = if verified {
        None
    } else {
        match authenticate(state, tx.get(), block) {
            Ok((_, key)) => Some(key),
            Err(AuthError::Refused(outcome)) => return Ok(Step::Refused(outcome)),
            Err(AuthError::Fault(fault)) => return Err(fault),
        }
    };
    let execution = execute_one(tx.get(), index, block, state)?;
    if execution.outcome.code.is_inadmissible() {
        return Ok(Step::Refused(execution.outcome));
    }
    Ok(Step::Included {
        key,
        outcome: execution.outcome,
        writes: execution.writes,
    })
}

async fn fetch<E: Context + Spawner>(
    batch: &Batch<E>,
    state: &mut Overlay<Known>,
    keys: Vec<Vec<u8>>,
) -> Result<(), StateError> {
    if keys.is_empty() {
        return Ok(());
    }
    let digests: Vec<Digest> = keys.iter().map(|key| store_key(key)).collect();
    let wanted: Vec<&Digest> = digests.iter().collect();
    let found = batch.get_many(&wanted).await.map_err(StateError::store)?;
    for (key, stored) in keys.into_iter().zip(found) {
        let value = match stored {
            None => None,
            Some(stored) => {
                let entry: StateEntry =
                    sealwire_envelope::decode(&stored).map_err(|_| StateError::Corrupt {
                        what: "state entry",
                    })?;
                if entry.key != key {
                    return Err(StateError::Corrupt {
                        what: "state entry under this key",
                    });
                }
                Some(entry.value)
            }
        };
        state.base_mut().0.insert(key, value);
    }
    Ok(())
}

/// Writes what a block changed into its batch and computes the root.
///
/// # Errors
/// When the store fails.
pub async fn seal<E: Context + Spawner>(
    batch: Batch<E>,
    block: &Block,
    writes: &Writes,
) -> Result<Sealed<E>, StateError> {
    use commonware_glue::stateful::db::Unmerkleized as _;
    let applied = Applied {
        height: block.height,
        time_ms: block.time_ms,
    };
    let mut batch = batch.with_metadata(applied.to_bytes());
    for (key, value) in writes.iter() {
        batch = batch.write(store_key(key), value.map(|value| store_value(key, value)));
    }
    batch.merkleize().await.map_err(StateError::store)
}
