//! State proofs: the verifier against a plain model of the store, and against proofs that the
//! store itself made.

mod model;

use model::state::{Log, State, update};
use proptest::prelude::*;
use sealwire_envelope::{
    decode, encode,
    proof::{Inclusion, StateEntry, StateProof},
};
use sealwire_receipt::state::{StateError, verify_absence, verify_inclusion};
use sealwire_sm::{Sm3Digest, sm3};
use serde::Deserialize;

/// A proof made by the store (see `crates/ledger/tests/proof_differential.rs`).
#[derive(Deserialize)]
struct Vector {
    what: String,
    root: Sm3Digest,
    key: String,
    value: Option<String>,
    proof: String,
}

#[test]
fn proofs_made_by_the_store_hold() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../vectors/state.json")).expect("the vectors");
    assert!(vectors.len() > 30);
    let bytes = |text: &str| hex::decode(text).expect("hexadecimal");
    for vector in vectors {
        let key = bytes(&vector.key);
        let proof: StateProof = decode(&bytes(&vector.proof)).expect("a proof");
        let mut other = vector.root;
        other.0[31] ^= 1;
        match (&vector.value, &proof) {
            (Some(value), StateProof::Inclusion(proof)) => {
                let value = bytes(value);
                verify_inclusion(&vector.root, &key, &value, proof).expect(&vector.what);
                assert!(verify_inclusion(&other, &key, &value, proof).is_err());
            }
            (None, StateProof::Exclusion(proof)) => {
                verify_absence(&vector.root, &key, proof).expect(&vector.what);
                assert!(verify_absence(&other, &key, proof).is_err());
            }
            _ => panic!("{}: value and proof don't fit", vector.what),
        }
    }
}

/// A log of `len` operations whose every 3rd, by some hash, is active.
fn log(len: u64, inactive_peaks: usize, keep: u64) -> (Log, Vec<(u64, Vec<u8>)>) {
    let next = sm3(&[b"next"]);
    let mut active = Vec::new();
    let operations = (0..len)
        .map(|location| {
            let key = format!("key {location}").into_bytes();
            let entry = StateEntry {
                key: key.clone(),
                value: b"value".to_vec(),
            };
            let is_active = location >= keep && sm3(&[&key]).0[0].is_multiple_of(3);
            if is_active {
                active.push((location, key.clone()));
            }
            (update(&sm3(&[&key]), &encode(&entry), &next), is_active)
        })
        .collect();
    (Log::new(operations, inactive_peaks), active)
}

#[test]
fn every_length_of_a_log_up_to_some_chunks() {
    let next_key = sm3(&[b"next"]);
    for len in (1..40)
        .chain(250..262)
        .chain(508..518)
        .chain([767, 768, 769, 1_024, 1_023])
    {
        for inactive in 0..=u64::count_ones(len) as usize {
            let (log, active) = log(len, inactive, 0);
            let root = log.root();
            let step = (active.len() / 4).max(1);
            for (location, key) in active.iter().step_by(step) {
                let proof = Inclusion {
                    operation: log.prove(*location),
                    next_key,
                };
                let held = verify_inclusion(&root, key, b"value", &proof);
                assert_eq!(
                    held,
                    Ok(()),
                    "{location} of {len}, {inactive} inactive peaks"
                );
                assert!(verify_inclusion(&root, key, b"other", &proof).is_err());
            }
        }
    }
}

#[test]
fn an_all_zero_chunk_changes_nothing_about_others() {
    // The first chunks hold no active operation: their nodes are grafted with nothing.
    let (log, active) = log(1_100, 0, 700);
    let (location, key) = &active[0];
    let proof = Inclusion {
        operation: log.prove(*location),
        next_key: sm3(&[b"next"]),
    };
    verify_inclusion(&log.root(), key, b"value", &proof).expect("it holds");
}

#[test]
fn inactive_operations_prove_nothing() {
    let (log, active) = log(300, 0, 0);
    let inactive = (0..300).find(|at| active.iter().all(|(location, _)| location != at));
    let location = inactive.expect("two thirds are inactive");
    let key = format!("key {location}").into_bytes();
    let proof = Inclusion {
        operation: log.prove(location),
        next_key: sm3(&[b"next"]),
    };
    assert_eq!(
        verify_inclusion(&log.root(), &key, b"value", &proof),
        Err(StateError::Inactive { location })
    );
}

#[test]
fn absurd_proofs_are_refused_without_harm() {
    let (log, active) = log(300, 1, 0);
    let (location, key) = &active[0];
    let good = Inclusion {
        operation: log.prove(*location),
        next_key: sm3(&[b"next"]),
    };
    let refused = |change: &dyn Fn(&mut Inclusion)| {
        let mut bad = good.clone();
        change(&mut bad);
        verify_inclusion(&log.root(), key, b"value", &bad).expect_err("it must not hold")
    };
    let full = [0xff; 32];
    for leaves in [u64::MAX, (1 << 62) + 1] {
        let error = refused(&|p| p.operation.leaves = leaves);
        assert_eq!(error, StateError::Leaves { leaves });
    }
    refused(&|p| {
        p.operation.leaves = 1 << 62;
        p.operation.location = (1 << 62) - 1;
        p.operation.chunk = full;
        p.operation.partial_chunk = None;
        p.operation.digests = vec![Sm3Digest::ZERO; 62];
    });
    refused(&|p| {
        p.operation.leaves = (1 << 62) - 1;
        p.operation.location = 0;
        p.operation.chunk = full;
        p.operation.inactive_peaks = 62;
        p.operation.digests = vec![Sm3Digest::ZERO; 122];
    });
    let error = refused(&|p| p.operation.location = 300);
    assert_eq!(
        error,
        StateError::Location {
            location: 300,
            leaves: 300
        }
    );
    let error = refused(&|p| p.operation.inactive_peaks = 5);
    assert_eq!(error, StateError::InactivePeaks { found: 5, peaks: 4 });
    refused(&|p| p.operation.inactive_peaks = u64::MAX);
    let error = refused(&|p| p.operation.digests.clear());
    assert!(matches!(error, StateError::Digests { found: 0, .. }));
    let error = refused(&|p| p.operation.partial_chunk = None);
    assert_eq!(error, StateError::PartialChunk { leaves: 300 });
    let error = verify_inclusion(&log.root(), key, &vec![0; 2 << 20], &good);
    assert!(matches!(error, Err(StateError::ValueLength { .. })));
}

fn entries() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let key = prop::collection::vec(any::<u8>(), 0..20);
    let value = prop::collection::vec(any::<u8>(), 0..300);
    prop::collection::vec((key, value), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_random_state_proves_what_it_holds_and_nothing_else(
        entries in entries(),
        replaced in 0usize..600,
        probe in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let state = State::new(&entries, replaced, 0);
        let root = state.root();
        let held: std::collections::BTreeMap<_, _> = entries.iter().cloned().collect();
        for (key, value) in &held {
            let proof = state.include(key);
            prop_assert_eq!(verify_inclusion(&root, key, value, &proof), Ok(()));
            let mut longer = value.clone();
            longer.push(0);
            prop_assert!(verify_inclusion(&root, key, &longer, &proof).is_err());
            prop_assert!(verify_inclusion(&root, &probe, value, &proof).is_err() || *key == probe);
        }
        if !held.contains_key(&probe) {
            let proof = state.exclude(&probe);
            prop_assert_eq!(verify_absence(&root, &probe, &proof), Ok(()));
            for key in held.keys() {
                prop_assert!(verify_absence(&root, key, &proof).is_err());
            }
        }
    }

    #[test]
    fn random_bytes_never_decode_into_a_proof_that_holds(
        bytes in prop::collection::vec(any::<u8>(), 0..400)
    ) {
        if let Ok(proof) = decode::<StateProof>(&bytes) {
            let held = match &proof {
                StateProof::Inclusion(proof) => {
                    verify_inclusion(&sm3(&[b"root"]), b"k", b"v", proof).is_ok()
                }
                StateProof::Exclusion(proof) => {
                    verify_absence(&sm3(&[b"root"]), b"k", proof).is_ok()
                }
            };
            prop_assert!(!held);
        }
    }
}
