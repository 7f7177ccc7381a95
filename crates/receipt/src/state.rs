//! Verify that the ledger's state holds, or doesn't hold, a key: QMDB proofs over SM3.
//!
//! The ledger keeps its state in Commonware's `qmdb::current::ordered::variable` store (MMR
//! family, 32-byte keys, bitmap chunks of 32 bytes). This module is a second, independent
//! implementation of what that store's proofs mean, so that a receipt can be checked without it.
//! A differential test in the ledger crate holds the two against each other.
//!
//! # Specification
//!
//! `H` is SM3 over the concatenation of its arguments; `u64(x)` is eight bytes, big-endian;
//! `varint(x)` is unsigned LEB128, shortest form.
//!
//! **Log.** The store is an append-only log of *operations*, numbered from 0 (*locations*). The
//! operations that matter here, as bytes:
//!
//! ```text
//! update(key, value, next_key) = 0xD2 || key (32) || varint(len(value)) || value || next_key (32)
//! commit(metadata, floor)      = 0xD3 || 0x00                                   || varint(floor)
//!                              | 0xD3 || 0x01 || varint(len(metadata)) || metadata || varint(floor)
//! ```
//!
//! `key` is `SM3(state key)`, `value` the CBOR of `StateEntry`. `next_key` is the next greater key
//! that has a value, or the least one if there is none greater. Each operation has an *activity
//! bit*: set for the update that gives a key its present value and for the last commit. Bits are
//! grouped in chunks of 256 (32 bytes, least significant bit first).
//!
//! **Tree.** A Merkle mountain range over the log. With `n` operations it has one perfect binary
//! tree (*peak*) per set bit of `n`, tallest and oldest first. The node of height `h` over the
//! operations from `s` on has, in the order in which nodes come into being, the position
//! `pos(s, h) = 2s − popcount(s) + 2^(h+1) − 2`. Its digest is
//!
//! ```text
//! h = 0:        H(u64(pos) || operation)
//! h > 0, h ≠ 8: H(u64(pos) || left || right)
//! h = 8:        g = H(u64(pos) || left || right);  g if the chunk is all zero, else H(chunk || g)
//! ```
//!
//! A node of height 8 covers exactly one chunk: this is where the bits are grafted onto the tree.
//!
//! **Root.** Let `p[0] … p[m-1]` be the peaks' digests and `q` the number of leading *inactive*
//! peaks:
//!
//! ```text
//! fold(a, b)    = H(a || b)
//! acc           = p[0] folded forward with p[1] … p[q-1]            (p[0] if q ≤ 1)
//! bag           = the rest, folded backward: fold(p[i], fold(p[i+1], … p[m-1]))
//! folded        = fold(acc, bag), or acc if there is no rest
//! grafted_root  = H(0x00 || 0x01 || u64(n) || folded)               if q = 0
//!               = H(0x00 || 0x01 || u64(n) || u64(q) || folded)     otherwise
//! state_root    = H(ops_root || grafted_root)                       if n is a multiple of 256
//!               = H(ops_root || grafted_root || u64(n mod 256) || H(last chunk))  otherwise
//! ```
//!
//! `ops_root` is the root of the same tree without grafting; the verifier takes it as given.
//!
//! **Operation proof** for location `l`: its bit in `chunk` must be set, `l < n ≤ 2^62`, `q ≤ m`.
//! `partial_chunk` is present exactly if `n` isn't a multiple of 256, and equals `H(chunk)` if
//! `l` lies in the last, incomplete chunk. Let peak `k` be the one that covers `l`. `digests` is:
//!
//! 1. if `q > 0` and `k > 0`: one digest, the first `min(q, k)` peaks folded forward;
//! 2. the other peaks before `k`;
//! 3. the inactive peaks after `k`: `max(0, q − k − 1)` of them;
//! 4. if there are more peaks after: one digest, these folded backward;
//! 5. the siblings on the way from peak `k` to `l`: first those on the left, from the top down,
//!    then those on the right, from the bottom up.
//!
//! Exactly that many, no more. From them the verifier computes `state_root` and compares.
//!
//! **Inclusion** of (key, value): an operation proof for `update(key, value, next_key)`.
//!
//! **Exclusion** of key, either form:
//! - *span*: an operation proof for `update(k, v, k')` with `k < key < k'`, or, where `k ≥ k'`
//!   (the span wraps around), `key > k` or `key < k'`; never `key = k`.
//! - *empty*: an operation proof for `commit(metadata, l)` at `l = n − 1`: the last commit, whose
//!   floor is itself, so that nothing below it is active.

use std::cmp::Ordering;

use sealwire_envelope::{
    encode,
    proof::{Exclusion, Inclusion, OperationProof, STATE_VALUE_BYTES_MAX, StateEntry},
};
use sealwire_sm::{Sm3Digest, sm3};
use thiserror::Error;

use crate::varint;

/// Operations per bitmap chunk.
const CHUNK_OPERATIONS: u64 = 256;
/// Height at which a node covers one chunk, and its bits are grafted.
const GRAFT_HEIGHT: u32 = CHUNK_OPERATIONS.trailing_zeros();
/// Most operations in a log that has valid positions.
const LEAVES_MAX: u64 = 1 << 62;
/// First byte of an update operation.
const UPDATE: u8 = 0xD2;
/// First byte of a commit operation.
const COMMIT: u8 = 0xD3;
/// Domain of a root: Merkle mountain range, peaks folded backward.
const ROOT_DOMAIN: [u8; 2] = [0x00, 0x01];

/// Why a state proof doesn't hold.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum StateError {
    /// The log claims more operations than can be.
    #[error("the proof claims a log of {leaves} operations, more than can be")]
    Leaves {
        /// Operations that were claimed.
        leaves: u64,
    },
    /// The operation lies outside the log.
    #[error("the proof's operation {location} isn't below the log's length, {leaves}")]
    Location {
        /// Location that was claimed.
        location: u64,
        /// Operations in the log that were claimed.
        leaves: u64,
    },
    /// The activity bit isn't set: a later operation replaced this one.
    #[error("operation {location} isn't active: the value was replaced or deleted since")]
    Inactive {
        /// Location of the operation.
        location: u64,
    },
    /// More inactive peaks than peaks.
    #[error("the proof claims {found} inactive peaks of {peaks}")]
    InactivePeaks {
        /// Inactive peaks that were claimed.
        found: u64,
        /// Peaks in a log of this length.
        peaks: u64,
    },
    /// The digest of the last, incomplete chunk is absent though there is one, or present though
    /// there is none.
    #[error("the proof and a log of {leaves} operations disagree on a last, incomplete chunk")]
    PartialChunk {
        /// Operations in the log.
        leaves: u64,
    },
    /// The chunk isn't the one whose digest the proof carries.
    #[error("the activity bits don't have the digest that the proof carries for them")]
    ChunkDigest,
    /// Too few or too many digests.
    #[error("the proof has {found} digests, an operation there needs {expected}")]
    Digests {
        /// Digests needed.
        expected: usize,
        /// Digests given.
        found: usize,
    },
    /// A value longer than the state may hold.
    #[error("the proof's value has {bytes} bytes, the limit is {STATE_VALUE_BYTES_MAX}")]
    ValueLength {
        /// Length in bytes.
        bytes: usize,
    },
    /// The proof of absence is about another part of the key space.
    #[error("the proof of absence doesn't span key digest {key}")]
    Span {
        /// Key digest that was to be shown absent.
        key: Sm3Digest,
    },
    /// The proof of an empty state isn't about the last operation.
    #[error("the proof of an empty state is about operation {location}, not the last of {leaves}")]
    NotLast {
        /// Location of the operation.
        location: u64,
        /// Operations in the log.
        leaves: u64,
    },
    /// Well formed, and leads to another root.
    #[error("the proof leads to state root {computed}, not to {expected}")]
    Root {
        /// Root that was expected.
        expected: Sm3Digest,
        /// Root that the proof leads to.
        computed: Sm3Digest,
    },
}

/// Digest under which the store files a state key.
pub fn key_digest(state_key: &[u8]) -> Sm3Digest {
    sm3(&[state_key])
}

/// Check that the state under `root` holds exactly `value` under `key` (both as the contracts
/// write them).
///
/// # Errors
/// [`StateError`], naming the first thing about the proof that doesn't hold.
pub fn verify_inclusion(
    root: &Sm3Digest,
    key: &[u8],
    value: &[u8],
    proof: &Inclusion,
) -> Result<(), StateError> {
    let entry = StateEntry {
        key: key.to_vec(),
        value: value.to_vec(),
    };
    let operation = update(&key_digest(key), &encode(&entry), &proof.next_key)?;
    verify_operation(root, &operation, &proof.operation)
}

/// Check that the state under `root` holds nothing under `key`.
///
/// # Errors
/// [`StateError`], naming the first thing about the proof that doesn't hold.
pub fn verify_absence(root: &Sm3Digest, key: &[u8], proof: &Exclusion) -> Result<(), StateError> {
    match proof {
        Exclusion::Span {
            operation,
            key: lower,
            value,
            next_key: upper,
        } => {
            let key = key_digest(key);
            if !spans(lower, upper, &key) {
                return Err(StateError::Span { key });
            }
            verify_operation(root, &update(lower, value, upper)?, operation)
        }
        Exclusion::Empty {
            operation,
            metadata,
        } => {
            let (location, leaves) = (operation.location, operation.leaves);
            if location.checked_add(1) != Some(leaves) {
                return Err(StateError::NotLast { location, leaves });
            }
            let commit = commit(metadata.as_deref(), location)?;
            verify_operation(root, &commit, operation)
        }
    }
}

/// Whether `key` lies strictly between the neighbours `lower` and `upper`, around the end of the
/// key space if `upper` isn't above `lower`.
fn spans(lower: &Sm3Digest, upper: &Sm3Digest, key: &Sm3Digest) -> bool {
    match lower.0.cmp(&upper.0) {
        Ordering::Less => lower.0 < key.0 && key.0 < upper.0,
        Ordering::Equal | Ordering::Greater => lower.0 < key.0 || key.0 < upper.0,
    }
}

/// Bytes of an update operation.
fn update(key: &Sm3Digest, value: &[u8], next_key: &Sm3Digest) -> Result<Vec<u8>, StateError> {
    let mut bytes = Vec::with_capacity(1 + 32 + 5 + value.len() + 32);
    bytes.push(UPDATE);
    bytes.extend_from_slice(&key.0);
    put_value(&mut bytes, value)?;
    bytes.extend_from_slice(&next_key.0);
    Ok(bytes)
}

/// Bytes of a commit operation.
fn commit(metadata: Option<&[u8]>, floor: u64) -> Result<Vec<u8>, StateError> {
    let mut bytes = vec![COMMIT, u8::from(metadata.is_some())];
    if let Some(metadata) = metadata {
        put_value(&mut bytes, metadata)?;
    }
    varint::put(&mut bytes, floor);
    Ok(bytes)
}

fn put_value(bytes: &mut Vec<u8>, value: &[u8]) -> Result<(), StateError> {
    if value.len() > STATE_VALUE_BYTES_MAX {
        return Err(StateError::ValueLength { bytes: value.len() });
    }
    varint::put(bytes, value.len() as u64);
    bytes.extend_from_slice(value);
    Ok(())
}

/// Check that `operation` (its bytes) is active at the proof's location under `root`.
fn verify_operation(
    root: &Sm3Digest,
    operation: &[u8],
    proof: &OperationProof,
) -> Result<(), StateError> {
    let OperationProof {
        location, leaves, ..
    } = *proof;
    if leaves > LEAVES_MAX {
        return Err(StateError::Leaves { leaves });
    }
    if location >= leaves {
        return Err(StateError::Location { location, leaves });
    }
    let bit = location % CHUNK_OPERATIONS;
    if proof.chunk[(bit / 8) as usize] & (1 << (bit % 8)) == 0 {
        return Err(StateError::Inactive { location });
    }
    check_partial_chunk(proof)?;

    let layout = Layout::of(proof)?;
    let digests = layout.split(&proof.digests)?;
    let own = climb(operation, proof, &layout.own, digests.siblings);
    let grafted_root = fold_root(proof, &layout, &digests, own);
    let computed = match proof.partial_chunk {
        None => sm3(&[&proof.ops_root.0, &grafted_root.0]),
        Some(last) => {
            let next_bit = (leaves % CHUNK_OPERATIONS).to_be_bytes();
            sm3(&[&proof.ops_root.0, &grafted_root.0, &next_bit, &last.0])
        }
    };
    if computed == *root {
        Ok(())
    } else {
        Err(StateError::Root {
            expected: *root,
            computed,
        })
    }
}

fn check_partial_chunk(proof: &OperationProof) -> Result<(), StateError> {
    let leaves = proof.leaves;
    let has_partial = !leaves.is_multiple_of(CHUNK_OPERATIONS);
    match proof.partial_chunk {
        Some(_) if !has_partial => Err(StateError::PartialChunk { leaves }),
        None if has_partial => Err(StateError::PartialChunk { leaves }),
        Some(digest)
            if proof.location / CHUNK_OPERATIONS == leaves / CHUNK_OPERATIONS
                && digest != sm3(&[&proof.chunk]) =>
        {
            Err(StateError::ChunkDigest)
        }
        _ => Ok(()),
    }
}

/// One perfect tree of the mountain range.
struct Peak {
    /// Location of its first operation.
    start: u64,
    /// Its height: it covers `2^height` operations.
    height: u32,
}

/// How many digests of each sort a proof has.
struct Layout {
    /// The peak that covers the operation.
    own: Peak,
    /// Leading peaks that come folded into one digest.
    folded_before: usize,
    /// Peaks before the own one that come one by one.
    single_before: usize,
    /// Peaks after the own one that come one by one.
    single_after: usize,
    /// Whether the peaks after those come folded into one digest.
    folded_after: bool,
    /// Inactive peaks.
    inactive: usize,
}

/// A proof's digests, sorted.
struct Digests<'a> {
    before: &'a [Sm3Digest],
    after: &'a [Sm3Digest],
    siblings: &'a [Sm3Digest],
}

impl Layout {
    /// Layout of a proof with `location < leaves <= LEAVES_MAX`.
    fn of(proof: &OperationProof) -> Result<Self, StateError> {
        let peaks = proof.leaves.count_ones() as usize;
        let inactive = match usize::try_from(proof.inactive_peaks) {
            Ok(count) if count <= peaks => count,
            _ => {
                let found = proof.inactive_peaks;
                return Err(StateError::InactivePeaks {
                    found,
                    peaks: peaks as u64,
                });
            }
        };
        // The highest bit in which location and leaves differ is set in leaves (the greater):
        // it is the own peak's bit, and the bits above it are the peaks before.
        let height = u64::BITS - 1 - (proof.location ^ proof.leaves).leading_zeros();
        let start = proof.leaves >> (height + 1) << (height + 1);
        let before = start.count_ones() as usize;
        let after = peaks - before - 1;
        let folded_before = inactive.min(before);
        let single_after = inactive.saturating_sub(before + 1);
        Ok(Self {
            own: Peak { start, height },
            folded_before,
            single_before: before - folded_before,
            single_after,
            folded_after: single_after < after,
            inactive,
        })
    }

    fn split<'a>(&self, digests: &'a [Sm3Digest]) -> Result<Digests<'a>, StateError> {
        let before = usize::from(self.folded_before > 0) + self.single_before;
        let after = self.single_after + usize::from(self.folded_after);
        let expected = before + after + self.own.height as usize;
        if digests.len() != expected {
            return Err(StateError::Digests {
                expected,
                found: digests.len(),
            });
        }
        let (before, rest) = digests.split_at(before);
        let (after, siblings) = rest.split_at(after);
        Ok(Digests {
            before,
            after,
            siblings,
        })
    }
}

/// Position of the node of height `height` over the operations from `start` on.
fn position(start: u64, height: u32) -> u64 {
    2 * start - u64::from(start.count_ones()) + (1 << (height + 1)) - 2
}

/// Digest of the own peak, from the operation upwards.
fn climb(
    operation: &[u8],
    proof: &OperationProof,
    peak: &Peak,
    siblings: &[Sm3Digest],
) -> Sm3Digest {
    let location = proof.location;
    let offset = location - peak.start;
    let (mut left, mut right) = siblings.split_at(offset.count_ones() as usize);
    let mut digest = sm3(&[&position(location, 0).to_be_bytes(), operation]);
    for height in 1..=peak.height {
        let start = location >> height << height;
        let at = position(start, height).to_be_bytes();
        // Left siblings come from the top down, right ones from the bottom up. `split` made the
        // counts agree, so neither runs out.
        digest = if offset >> (height - 1) & 1 == 1 {
            let Some((sibling, rest)) = left.split_last() else {
                break;
            };
            left = rest;
            sm3(&[&at, &sibling.0, &digest.0])
        } else {
            let Some((sibling, rest)) = right.split_first() else {
                break;
            };
            right = rest;
            sm3(&[&at, &digest.0, &sibling.0])
        };
        if height == GRAFT_HEIGHT {
            // Not all zero: the operation's own bit is set.
            digest = sm3(&[&proof.chunk, &digest.0]);
        }
    }
    digest
}

/// Root of the grafted tree, from its peaks.
fn fold_root(
    proof: &OperationProof,
    layout: &Layout,
    digests: &Digests<'_>,
    own: Sm3Digest,
) -> Sm3Digest {
    let fold = |left: Sm3Digest, right: Sm3Digest| sm3(&[&left.0, &right.0]);
    let mut peaks = Vec::with_capacity(digests.before.len() + 1 + digests.after.len());
    peaks.extend_from_slice(digests.before);
    peaks.push(own);
    peaks.extend_from_slice(digests.after);

    // The leading digest already stands for `folded_before` inactive peaks.
    let inactive = layout.inactive - layout.folded_before + usize::from(layout.folded_before > 0);
    let (active_from, rest) = (inactive.max(1), peaks);
    let (forward, backward) = rest.split_at(active_from.min(rest.len()));
    let acc = forward.iter().copied().reduce(fold).unwrap_or(own);
    let bag = backward
        .iter()
        .copied()
        .rev()
        .reduce(|bag, peak| fold(peak, bag));
    let folded = bag.map_or(acc, |bag| fold(acc, bag));

    let leaves = proof.leaves.to_be_bytes();
    if layout.inactive == 0 {
        sm3(&[&ROOT_DOMAIN, &leaves, &folded.0])
    } else {
        let inactive = proof.inactive_peaks.to_be_bytes();
        sm3(&[&ROOT_DOMAIN, &leaves, &inactive, &folded.0])
    }
}
