//! How contracts see state: reads that may be missing, writes kept apart until they count.
//!
//! Contracts do no I/O. They read through [`Read`]; where the shell hasn't fetched an entry yet, the
//! read returns [`Missing`], the call ends without effect, the shell fetches what is named there and
//! runs the same call again. Because contracts are deterministic, the second run is the same run.
//! A contract that knows it will need many entries names all of them at once ([`touch`]), so that
//! the number of re-runs is bounded by the depth of the look-ups, never by their number.
//!
//! Invariants:
//! - An [`Overlay`] is the base plus writes; a read sees the last write before it.
//! - [`Writes`] iterate in key order: two nodes that executed the same block hold the same bytes.

use std::collections::BTreeMap;

use crate::keys::StateKey;

/// These entries must be fetched before the call can run; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} state entries haven't been fetched yet", keys.len())]
pub struct Missing {
    /// State keys, in the order in which they were asked for.
    pub keys: Vec<Vec<u8>>,
}

impl Missing {
    /// One missing entry.
    pub fn one(key: &[u8]) -> Self {
        Self {
            keys: vec![key.to_vec()],
        }
    }
}

/// Why execution stopped without an outcome. Neither says anything about the transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Fetch these and run again.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The store returned bytes that no contract wrote: stop the node and check its disk.
    #[error("state entry {} is corrupt: run `sealwire fsck`", describe(key))]
    Corrupt {
        /// Key of the entry.
        key: Vec<u8>,
    },
}

fn describe(key: &[u8]) -> String {
    match StateKey::parse(key) {
        Ok(parsed) => format!("{parsed:?}"),
        Err(_) => format!("{key:02x?}"),
    }
}

/// Read-only access to state entries.
pub trait Read {
    /// The entry under `key`, `None` when there is none, or [`Missing`] when this isn't known here yet.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Missing>;
}

impl<R: Read + ?Sized> Read for &R {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Missing> {
        (**self).get(key)
    }
}

/// A complete state in memory, where nothing is missing.
impl Read for BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Missing> {
        Ok(BTreeMap::get(self, key).cloned())
    }
}

/// Asks for all of `keys`; names every one that is missing, not only the first.
pub fn touch<R: Read + ?Sized>(
    read: &R,
    keys: impl IntoIterator<Item = Vec<u8>>,
) -> Result<(), Missing> {
    let mut missing = Vec::new();
    for key in keys {
        if let Err(fault) = read.get(&key) {
            missing.extend(fault.keys);
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Missing { keys: missing })
    }
}

/// What execution changed: key to new value, or to `None` for a deleted entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writes(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Writes {
    /// No writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `value` under `key`.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.insert(key, Some(value));
    }

    /// Deletes the entry under `key`.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.0.insert(key, None);
    }

    /// What these writes say about `key`: `None` when they don't touch it.
    pub fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.0.get(key).map(|value| value.as_deref())
    }

    /// Adds later writes on top.
    pub fn merge(&mut self, later: Writes) {
        self.0.extend(later.0);
    }

    /// In key order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Number of keys touched.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was touched.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Writes {
    type Item = (Vec<u8>, Option<Vec<u8>>);
    type IntoIter = std::collections::btree_map::IntoIter<Vec<u8>, Option<Vec<u8>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// State as it will be after the writes so far: what later transactions of a block read.
#[derive(Clone, Debug)]
pub struct Overlay<R> {
    base: R,
    writes: Writes,
}

impl<R: Read> Overlay<R> {
    /// Nothing written yet.
    pub fn new(base: R) -> Self {
        Self {
            base,
            writes: Writes::new(),
        }
    }

    /// The state below, for instance to add entries that were missing.
    pub fn base_mut(&mut self) -> &mut R {
        &mut self.base
    }

    /// Adds the writes of one more transaction.
    pub fn merge(&mut self, writes: Writes) {
        self.writes.merge(writes);
    }

    /// Everything written so far.
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// Ends the overlay.
    pub fn into_writes(self) -> Writes {
        self.writes
    }
}

impl<R: Read> Read for Overlay<R> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Missing> {
        match self.writes.get(key) {
            Some(value) => Ok(value.map(<[u8]>::to_vec)),
            None => self.base.get(key),
        }
    }
}
