//! Parsed keys, remembered: parsing a compressed key costs a square root (20 µs), and a key that is
//! parsed anew never earns its verification table ([`crate::verify`]).
//!
//! A pure cache: it changes how long something takes, never what comes out. It is bounded: at most
//! [`SHARDS`] × [`SHARD_KEYS_MAX`] keys of about 300 bytes; a full shard is emptied and fills anew
//! with what is in use.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use crate::key::{Inner, KeyError, PublicKey};

/// Shards, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// Most keys in one shard.
const SHARD_KEYS_MAX: usize = 512;

type Shard = Mutex<HashMap<[u8; PublicKey::LEN], Arc<Inner>>>;

static KEYS: LazyLock<[Shard; SHARDS]> = LazyLock::new(Default::default);

/// The key of these compressed bytes, parsed by `parse` unless it is remembered.
pub(crate) fn get(
    bytes: &[u8; PublicKey::LEN],
    parse: impl FnOnce() -> Result<Inner, KeyError>,
) -> Result<Arc<Inner>, KeyError> {
    // The last byte of an x coordinate is as good as random.
    let shard = &KEYS[usize::from(bytes[PublicKey::LEN - 1]) % SHARDS];
    // A panic while the lock is held leaves a whole map behind: nothing is half done.
    if let Some(known) = shard
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(bytes)
    {
        return Ok(known.clone());
    }
    let inner = Arc::new(parse()?);
    let mut keys = shard.lock().unwrap_or_else(PoisonError::into_inner);
    if keys.len() >= SHARD_KEYS_MAX {
        keys.clear();
    }
    Ok(keys.entry(*bytes).or_insert(inner).clone())
}
