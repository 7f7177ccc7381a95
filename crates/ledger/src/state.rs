//! The authenticated state: QMDB (`current`, ordered, variable values) over SM3.
//!
//! - Key in the store: `sm3(state key)`. Value: CBOR of [`StateEntry`], so that a proven value
//!   names its key.
//! - Each block's batch commits [`Applied`] as metadata: height (8 bytes, big-endian) and time in
//!   Unix milliseconds (8 bytes, big-endian). So the store itself says up to which block it is.
//! - `state_root` of a header is the store's canonical root after that block; `ops_root`,
//!   `ops_start` and `ops_end` are what the engine synchronises by.
//!
//! How a proof verifies is specified in `sealwire_receipt::state`; this module only converts.

use std::{collections::BTreeMap, marker::PhantomData};

use commonware_codec::RangeCfg;
use commonware_glue::stateful::db::{AttachableResolver, Shared};
use commonware_parallel::Sequential;
use commonware_runtime::{Spawner, buffer::paged::CacheRef};
use commonware_storage::{
    Context,
    journal::contiguous::variable::Config as JournalConfig,
    merkle, mmr,
    qmdb::{
        any::ordered::variable::Operation,
        current::{VariableConfig, ordered::variable},
        sync::{Request, Source, source},
    },
    translator::EightCap,
};
use commonware_utils::{NZU16, NZU64, NZUsize};
use futures::StreamExt as _;
use sealwire_envelope::proof::{CHUNK_BYTES, STATE_VALUE_BYTES_MAX, StateEntry, StateProof};
use sealwire_sm::sm3;

use crate::{
    chain::Proven,
    crypto::{Digest, Sm3Hasher},
    proof,
};

/// The store.
pub type Store<E> =
    variable::Db<mmr::Family, E, Digest, Vec<u8>, Sm3Hasher, EightCap, CHUNK_BYTES, Sequential>;

/// The store, shared between consensus and readers.
pub type SharedStore<E> = Shared<Store<E>>;

type StoreOperation = Operation<mmr::Family, Digest, Vec<u8>>;

/// Entries that one file of the store's logs holds.
const ITEMS_PER_BLOB: u64 = 1 << 20;
/// Nodes that one file of the store's tree holds.
const NODES_PER_BLOB: u64 = 1 << 20;
/// Write buffer of each file.
const WRITE_BUFFER_BYTES: usize = 1 << 20;
/// Read buffer while the logs are replayed.
const REPLAY_BUFFER_BYTES: usize = 1 << 20;
/// Page of the page cache.
const PAGE_BYTES: u16 = 4_096 - 12;
/// Pages in the page cache.
const PAGES: usize = 4_096;

/// The page cache that all files of one node share: 16 MiB.
pub fn page_cache() -> CacheRef {
    CacheRef::new(NZU16!(PAGE_BYTES), NZUsize!(PAGES))
}

/// Bounds of an operation's key (fixed) and of its value's length.
type OperationBounds = ((), (RangeCfg<usize>, ()));

/// How the store is laid out under `prefix`.
pub fn config(
    prefix: &str,
    page_cache: CacheRef,
) -> VariableConfig<EightCap, OperationBounds, Sequential> {
    VariableConfig {
        merkle_config: merkle::full::Config {
            journal_partition: format!("{prefix}-nodes"),
            metadata_partition: format!("{prefix}-tree-meta"),
            items_per_blob: NZU64!(NODES_PER_BLOB),
            write_buffer: NZUsize!(WRITE_BUFFER_BYTES),
            replay_buffer: NZUsize!(REPLAY_BUFFER_BYTES),
            strategy: Sequential,
            page_cache: page_cache.clone(),
        },
        journal_config: JournalConfig {
            partition: format!("{prefix}-log"),
            items_per_section: NZU64!(ITEMS_PER_BLOB),
            compression: None,
            codec_config: ((), ((..=STATE_VALUE_BYTES_MAX).into(), ())),
            page_cache,
            write_buffer: NZUsize!(WRITE_BUFFER_BYTES),
            replay_buffer: NZUsize!(REPLAY_BUFFER_BYTES),
        },
        grafted_metadata_partition: format!("{prefix}-bitmap"),
        translator: EightCap,
        init_cache: Some(NZUsize!(1 << 16)),
        init_buffer: NZUsize!(1 << 21),
        init_concurrency: (),
    }
}

/// The store's key of a state key.
pub fn store_key(key: &[u8]) -> Digest {
    sm3(&[key]).into()
}

/// The store's value of a state entry.
pub fn store_value(key: &[u8], value: &[u8]) -> Vec<u8> {
    sealwire_envelope::encode(&StateEntry {
        key: key.to_vec(),
        value: value.to_vec(),
    })
}

/// Up to which block the state is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Height of the last executed block; 0 when none was.
    pub height: u64,
    /// Its time, Unix milliseconds.
    pub time_ms: u64,
}

impl Applied {
    /// As a batch's metadata.
    pub fn to_bytes(self) -> Vec<u8> {
        [self.height.to_be_bytes(), self.time_ms.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (height, time_ms) = bytes.split_at_checked(8)?;
        Some(Self {
            height: u64::from_be_bytes(height.try_into().ok()?),
            time_ms: u64::from_be_bytes(time_ms.try_into().ok()?),
        })
    }
}

/// Why the store didn't answer.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store itself failed.
    #[error("the state store failed: {0}; check the disk, then restart")]
    Store(String),
    /// The store holds something that no block wrote.
    #[error("the state store holds a {what} that isn't one; delete the store and let it rebuild")]
    Corrupt {
        /// What was read.
        what: &'static str,
    },
}

impl StateError {
    pub(crate) fn store(error: impl std::fmt::Display) -> Self {
        Self::Store(error.to_string())
    }
}

/// Up to which block the store is.
///
/// # Errors
/// When the disk fails, or the metadata wasn't written by this crate.
pub async fn applied<E: Context + Spawner>(store: &Store<E>) -> Result<Applied, StateError> {
    match store.get_metadata().await.map_err(StateError::store)? {
        None => Ok(Applied::default()),
        Some(bytes) => Applied::from_bytes(&bytes).ok_or(StateError::Corrupt {
            what: "block number",
        }),
    }
}

/// Reads the whole state.
///
/// # Errors
/// When the disk fails, or an entry isn't a [`StateEntry`].
pub async fn entries<E: Context + Spawner>(
    store: &Store<E>,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StateError> {
    let mut entries = BTreeMap::new();
    let mut stream = std::pin::pin!(store.stream_range(..));
    while let Some(item) = stream.next().await {
        let (_, value) = item.map_err(StateError::store)?;
        let entry: StateEntry =
            sealwire_envelope::decode(&value).map_err(|_| StateError::Corrupt {
                what: "state entry",
            })?;
        entries.insert(entry.key, entry.value);
    }
    Ok(entries)
}

/// A state entry, or that there is none, with the proof of it under the store's present root.
///
/// # Errors
/// When the disk fails.
pub async fn prove<E: Context + Spawner>(
    store: &Store<E>,
    key: &[u8],
) -> Result<(Option<Vec<u8>>, StateProof), StateError> {
    let digest = store_key(key);
    let Some(stored) = store.get(&digest).await.map_err(StateError::store)? else {
        let proof = store
            .exclusion_proof(&digest)
            .await
            .map_err(StateError::store)?;
        return Ok((None, StateProof::Exclusion(proof::exclusion(&proof))));
    };
    let entry: StateEntry =
        sealwire_envelope::decode(&stored).map_err(|_| StateError::Corrupt {
            what: "state entry",
        })?;
    let proof = store
        .key_value_proof(digest)
        .await
        .map_err(StateError::store)?;
    Ok((
        Some(entry.value),
        StateProof::Inclusion(proof::inclusion(&proof)),
    ))
}

/// Proofs of many entries, all under the root of one moment.
///
/// # Errors
/// When the disk fails.
pub async fn prove_all<E: Context + Spawner>(
    store: &SharedStore<E>,
    keys: &[Vec<u8>],
) -> Result<Proven, StateError> {
    let store = store.read().await;
    let height = applied(&store).await?.height;
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys {
        entries.push(prove(&store, key).await?);
    }
    Ok(Proven { height, entries })
}

/// State isn't fetched from peers: a node that lost it executes the blocks again, which is slower
/// and trusts nothing but the blocks' certificates.
#[derive(Debug)]
pub struct NoPeerState<E>(PhantomData<fn() -> E>);

impl<E> Default for NoPeerState<E> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E> Clone for NoPeerState<E> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Always: state isn't fetched from peers.
#[derive(Debug, thiserror::Error)]
#[error("state isn't fetched from peers")]
pub struct NotFetched;

impl<E: 'static> Source for NoPeerState<E> {
    type Family = mmr::Family;
    type Digest = Digest;
    type Op = StoreOperation;
    type Error = NotFetched;

    async fn serve(&self, _: Request<mmr::Family>) -> source::Result<Self> {
        Err(NotFetched)
    }
}

impl<E: Context + Spawner> AttachableResolver<Store<E>> for NoPeerState<E> {
    async fn attach_database(&self, _: SharedStore<E>) {}
}
