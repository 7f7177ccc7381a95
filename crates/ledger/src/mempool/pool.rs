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
