//! Turn the store's proofs into the wire form that `envelope::proof` defines and
//! `receipt::state` verifies.
//!
//! Nothing is computed here: fields are copied one to one. `tests/proof_differential.rs` checks
//! that the store's verifier and the independent one agree on what comes out, over random states
//! and damaged proofs.

use commonware_cryptography::Digest;
use commonware_storage::{
    mmr,
    qmdb::{
        any::value::VariableEncoding,
        current::{
            ordered::proof::constant::{ExclusionProof, KeyValueProof},
            proof::constant::OperationProof as StoreProof,
        },
        operation::Key,
    },
};
use sealwire_envelope::proof::{CHUNK_BYTES, Exclusion, Inclusion, OperationProof};
use sealwire_sm::Sm3Digest;

/// A proof by the store that a key has a value, in wire form.
pub fn inclusion<K: Key, D: Digest>(
    proof: &KeyValueProof<mmr::Family, K, D, CHUNK_BYTES>,
) -> Inclusion {
    Inclusion {
        operation: operation(&proof.proof),
        next_key: digest(&proof.next_key),
    }
}

/// A proof by the store that a key has no value, in wire form.
pub fn exclusion<K: Key, D: Digest>(
    proof: &ExclusionProof<mmr::Family, K, VariableEncoding<Vec<u8>>, D, CHUNK_BYTES>,
) -> Exclusion {
    match proof {
        ExclusionProof::KeyValue(proof, neighbour) => Exclusion::Span {
            operation: operation(proof),
            key: digest(&neighbour.key),
            value: neighbour.value.clone(),
            next_key: digest(&neighbour.next_key),
        },
        ExclusionProof::Commit(proof, metadata) => Exclusion::Empty {
            operation: operation(proof),
            metadata: metadata.clone(),
        },
    }
}

fn operation<D: Digest>(proof: &StoreProof<mmr::Family, D, CHUNK_BYTES>) -> OperationProof {
    let range = &proof.range_proof;
    OperationProof {
        location: *proof.loc,
        leaves: *range.proof.leaves,
        inactive_peaks: range.proof.inactive_peaks as u64,
        chunk: proof.chunk,
        partial_chunk: range.partial_chunk_digest.as_ref().map(digest),
        ops_root: digest(&range.ops_root),
        digests: range.proof.digests.iter().map(digest).collect(),
    }
}

/// Thirty-two bytes of the store's as ours. Keys and digests are 32 bytes by their types there.
fn digest<B: AsRef<[u8]>>(bytes: &B) -> Sm3Digest {
    Sm3Digest::try_from(bytes.as_ref()).expect("the store's keys and digests have 32 bytes")
}
