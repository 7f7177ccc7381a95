//! The transactions that wait for a block: bounded, in order of arrival. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sealwire_envelope::TxId;

use crate::block::Tx;

/// Bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most transactions.
    pub count: usize,
    /// Most bytes of their encodings.
    pub bytes: usize,
}

/// No room: `count` transactions of `bytes` bytes wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} transactions of {bytes} bytes wait already")]
pub struct Full {
    /// Transactions that wait.
    pub count: usize,
    /// Bytes of their encodings.
    pub bytes: usize,
}

/// Transactions whose signatures this node has verified and that no final block holds.
#[derive(Debug)]
pub struct Pool {
    bounds: Bounds,
    bytes: usize,
    arrivals: u64,
    order: BTreeMap<u64, Tx>,
    places: HashMap<TxId, u64>,
    expiries: BTreeSet<(u64, u64)>,
}

impl Pool {
    /// An empty pool.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            bytes: 0,
            arrivals: 0,
            order: BTreeMap::new(),
            places: HashMap::new(),
            expiries: BTreeSet::new(),
        }
    }

    /// The transaction of this id, if it waits here.
    pub fn get(&self, id: &TxId) -> Option<&Tx> {
        self.order.get(self.places.get(id)?)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Bytes of the encodings of those that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether one more of this size has room.
    ///
    /// # Errors
    /// [`Full`] when it hasn't.
    pub fn room(&self, bytes: usize) -> Result<(), Full> {
        if self.order.len() < self.bounds.count && self.bytes + bytes <= self.bounds.bytes {
            Ok(())
        } else {
            Err(Full {
                count: self.order.len(),
                bytes: self.bytes,
            })
        }
    }

    /// Adds a transaction; `false` when it was there already.
    ///
    /// # Errors
    /// [`Full`] when there is no room; nothing that waits is ever pushed out.
    pub fn insert(&mut self, tx: Tx) -> Result<bool, Full> {
        if self.places.contains_key(&tx.id()) {
            return Ok(false);
        }
        self.room(tx.bytes().len())?;
        let place = self.arrivals;
        self.arrivals += 1;
        self.bytes += tx.bytes().len();
        self.places.insert(tx.id(), place);
        self.expiries.insert((tx.get().body.expiry_height, place));
        self.order.insert(place, tx);
        Ok(true)
    }

    /// Takes a transaction out.
    pub fn remove(&mut self, id: &TxId) -> Option<Tx> {
        let place = self.places.remove(id)?;
        let tx = self.order.remove(&place)?;
        self.bytes -= tx.bytes().len();
        self.expiries.remove(&(tx.get().body.expiry_height, place));
        Some(tx)
    }

    /// Takes out all that no block above `height` may hold.
    pub fn expire(&mut self, height: u64) -> Vec<Tx> {
        let mut expired = Vec::new();
        while let Some(&(expiry, place)) = self.expiries.first() {
            if expiry > height {
                break;
            }
            let id = self.order[&place].id();
            expired.extend(self.remove(&id));
        }
        expired
    }

    /// The oldest that fit into `bounds` and aren't in `except`, for a block at `height`.
    pub fn select(&self, bounds: Bounds, height: u64, except: &HashSet<TxId>) -> Vec<Tx> {
        let mut bytes = 0;
        let mut selected = Vec::new();
        for tx in self.order.values() {
            if selected.len() == bounds.count {
                break;
            }
            let fits = bytes + tx.bytes().len() <= bounds.bytes;
            if fits && tx.get().body.expiry_height >= height && !except.contains(&tx.id()) {
                bytes += tx.bytes().len();
                selected.push(tx.clone());
            }
        }
        selected
    }

    /// Whether any waits that isn't in `except`.
    pub fn has_other_than(&self, except: &HashSet<TxId>) -> bool {
        self.order.len() > except.len() || self.order.values().any(|tx| !except.contains(&tx.id()))
    }

    /// All that wait, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Tx> {
        self.order.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    fn transactions(count: u64) -> Vec<Tx> {
        let trial = Trial::new(1, 1, 0).unwrap();
        (0..count)
            .map(|nonce| Tx::new(trial.transaction(0, nonce, 10 + nonce)))
            .collect()
    }

    fn pool(count: usize, bytes: usize) -> Pool {
        Pool::new(Bounds { count, bytes })
    }

    #[test]
    fn a_full_pool_keeps_what_it_has_and_refuses_the_rest() {
        let txs = transactions(3);
        let mut pool = pool(2, 1 << 20);
        assert!(pool.insert(txs[0].clone()).unwrap());
        assert!(!pool.insert(txs[0].clone()).unwrap(), "once is enough");
        assert!(pool.insert(txs[1].clone()).unwrap());
        assert_eq!(pool.insert(txs[2].clone()).unwrap_err().count, 2);
        assert!(pool.get(&txs[0].id()).is_some() && pool.get(&txs[1].id()).is_some());
        pool.remove(&txs[0].id()).unwrap();
        assert!(pool.insert(txs[2].clone()).unwrap());
    }

    #[test]
    fn bytes_are_counted_in_and_out() {
        let txs = transactions(2);
        let size = txs[0].bytes().len();
        let mut pool = pool(10, size + txs[1].bytes().len() - 1);
        pool.insert(txs[0].clone()).unwrap();
        assert_eq!(pool.insert(txs[1].clone()).unwrap_err().bytes, size);
        pool.remove(&txs[0].id()).unwrap();
        assert_eq!(pool.bytes(), 0);
        pool.insert(txs[1].clone()).unwrap();
    }

    #[test]
    fn those_that_no_later_block_may_hold_expire() {
        let txs = transactions(3); // Good up to heights 10, 11, 12.
        let mut pool = pool(10, 1 << 20);
        for tx in &txs {
            assert!(pool.insert(tx.clone()).unwrap());
        }
        assert!(pool.expire(9).is_empty());
        let expired: Vec<_> = pool.expire(11).iter().map(Tx::id).collect();
        assert_eq!(expired, [txs[0].id(), txs[1].id()]);
        assert_eq!(pool.iter().map(Tx::id).collect::<Vec<_>>(), [txs[2].id()]);
    }

    #[test]
    fn selection_is_in_order_of_arrival_and_within_bounds() {
        let txs = transactions(4);
        let mut pool = pool(10, 1 << 20);
        for tx in txs.iter().rev() {
            assert!(pool.insert(tx.clone()).unwrap());
        }
        let all = Bounds {
            count: 9,
            bytes: 1 << 20,
        };
        let ids = |selected: Vec<Tx>| selected.iter().map(Tx::id).collect::<Vec<_>>();
        let except = HashSet::from([txs[2].id()]);
        assert_eq!(
            ids(pool.select(all, 1, &except)),
            [txs[3].id(), txs[1].id(), txs[0].id()]
        );
        assert_eq!(
            ids(pool.select(all, 12, &except)),
            [txs[3].id()],
            "others have expired by then"
        );
        let two = Bounds {
            count: 2,
            bytes: 1 << 20,
        };
        assert_eq!(
            ids(pool.select(two, 1, &except)),
            [txs[3].id(), txs[1].id()]
        );
        let few = Bounds {
            count: 9,
            bytes: txs[3].bytes().len(),
        };
        assert_eq!(pool.select(few, 1, &except).len(), 1);
    }

    #[test]
    fn there_is_work_only_beside_what_ancestors_hold() {
        let txs = transactions(2);
        let mut pool = pool(10, 1 << 20);
        assert!(!pool.has_other_than(&HashSet::new()));
        pool.insert(txs[0].clone()).unwrap();
        assert!(pool.has_other_than(&HashSet::new()));
        let carried = HashSet::from([txs[0].id()]);
        assert!(!pool.has_other_than(&carried));
        pool.insert(txs[1].clone()).unwrap();
        assert!(pool.has_other_than(&carried));
    }
}
