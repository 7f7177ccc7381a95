//! Decides whether a run was right, from nothing but what the validators finalised.

use std::collections::BTreeMap;

use commonware_consensus::types::Height;
use sealwire_envelope::{Header, TxId};
use sealwire_ledger::crypto::{Validators, finality, verify_finality};

use super::Node;

/// What was finalised, gathered over a whole run, restarts included.
#[derive(Default)]
pub struct Checker {
    headers: BTreeMap<u64, Header>,
    transactions: BTreeMap<TxId, u64>,
}

impl Checker {
    /// Reads everything a validator has made final and compares it with what others did.
    pub async fn look(&mut self, node: &Node) {
        let top = node.mirror.view().height();
        let validators = Validators::from_genesis(node.mirror.genesis()).unwrap();
        for height in 1..=top {
            let block = node.blocks.get_block(Height::new(height)).await;
            let block = block.unwrap_or_else(|| panic!("no block at {height}, below {top}"));
            let header = block.inner().header().clone();
            assert_eq!(header.height, height);
            if let Some(finalization) = node.blocks.get_finalization(Height::new(height)).await {
                verify_finality(&validators, &header, &finality(&finalization)).unwrap();
            }
            if let Some(parent) = self.headers.get(&(height - 1)) {
                assert_eq!(
                    header.parent,
                    parent.digest(),
                    "the chain is broken at {height}"
                );
                assert!(
                    header.time_ms > parent.time_ms,
                    "time stands still at {height}"
                );
            }
            let known = self.headers.entry(height).or_insert_with(|| header.clone());
            assert_eq!(
                known.digest(),
                header.digest(),
                "two blocks are final at {height}"
            );
            for tx in block.inner().transactions() {
                let first = *self.transactions.entry(tx.id()).or_insert(height);
                assert_eq!(first, height, "a transaction is final twice");
            }
        }
        self.compare_state(node).await;
    }

    /// The store's root is the header's, and the mirror is the store.
    async fn compare_state(&self, node: &Node) {
        let store = node.store.read().await;
        let applied = sealwire_ledger::state::applied(&store).await.unwrap();
        if let Some(header) = self.headers.get(&applied.height) {
            assert_eq!(
                header.state_root,
                store.root().into(),
                "root at {}",
                applied.height
            );
        }
        let view = node.mirror.view();
        if view.height() == applied.height {
            let stored = futures::executor::block_on(sealwire_ledger::state::entries(&store));
            let mirrored = view
                .entries()
                .map(|(key, value)| (key.to_vec(), value.to_vec()));
            assert_eq!(stored.unwrap(), mirrored.collect());
        }
    }

    /// Every one of these is in a final block.
    pub fn assert_final(&self, accepted: &[TxId]) {
        for id in accepted {
            assert!(
                self.transactions.contains_key(id),
                "lost accepted transaction {}",
                id.0
            );
        }
    }

    /// Height of the highest block seen.
    pub fn top(&self) -> u64 {
        self.headers.keys().next_back().copied().unwrap_or(0)
    }
}
