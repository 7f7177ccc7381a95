//! The store's own proof verifier and `sealwire_receipt::state` against each other.
//!
//! Random states grow batch by batch (inserts, updates, deletes), past several bitmap chunks and
//! with whole chunks and peaks gone inactive. At every stop, proofs of presence and absence must
//! hold for both verifiers; and whatever is damaged (any byte of key, value, root or proof) must
//! fail for both. Everything comes from seeds, so that a failure can be repeated.

use commonware_cryptography::Hasher as _;
use commonware_parallel::Sequential;
use commonware_runtime::{Runner as _, buffer::paged::CacheRef, deterministic};
use commonware_storage::{
    journal::contiguous::variable::Config as JournalConfig,
    merkle::full::Config as MerkleConfig,
    mmr,
    qmdb::{
        any::value::VariableEncoding,
        current::{
            VariableConfig,
            ordered::{
                proof::constant::{ExclusionProof, KeyValueProof},
                variable,
            },
        },
        floor::Proportional,
    },
    translator::EightCap,
};
use commonware_utils::{NZU16, NZU64, NZUsize};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use sealwire_envelope::{
    encode,
    proof::{CHUNK_BYTES, Exclusion, Inclusion, StateEntry, StateProof},
};
use sealwire_ledger::{
    crypto::{Digest, Sm3Hasher as Hash},
    proof,
};
use sealwire_receipt::state::{StateError, verify_absence, verify_inclusion};
use sealwire_sm::Sm3Digest;
use std::collections::BTreeMap;

type Db = variable::Db<
    mmr::Family,
    deterministic::Context,
    Digest,
    Vec<u8>,
    Hash,
    EightCap,
    CHUNK_BYTES,
    Sequential,
>;
/// Bounds of an operation's key (fixed) and of its value's length.
type Bounds = ((), (commonware_codec::RangeCfg<usize>, ()));
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn config(name: &str) -> VariableConfig<EightCap, Bounds, Sequential> {
    let cache = CacheRef::new(NZU16!(1024), NZUsize!(64));
    VariableConfig {
        merkle_config: MerkleConfig {
            journal_partition: format!("{name}-tree-journal"),
            metadata_partition: format!("{name}-tree-metadata"),
            items_per_blob: NZU64!(512),
            write_buffer: NZUsize!(1024),
            replay_buffer: NZUsize!(1024),
            strategy: Sequential,
            page_cache: cache.clone(),
        },
        journal_config: JournalConfig {
            partition: format!("{name}-operations"),
            items_per_section: NZU64!(512),
            compression: None,
            codec_config: ((), ((0..=1 << 20).into(), ())),
            page_cache: cache,
            write_buffer: NZUsize!(1024),
            replay_buffer: NZUsize!(1024),
        },
        grafted_metadata_partition: format!("{name}-grafted"),
        translator: EightCap,
        init_cache: Some(NZUsize!(1024)),
        init_buffer: NZUsize!(1 << 16),
        init_concurrency: (),
    }
}

fn hashed(key: &[u8]) -> Digest {
    Hash::hash(&[key])
}

fn ours(digest: &Digest) -> Sm3Digest {
    Sm3Digest::try_from(digest.as_ref()).expect("32 bytes")
}

fn stored(key: &[u8], value: &[u8]) -> Vec<u8> {
    encode(&StateEntry {
        key: key.to_vec(),
        value: value.to_vec(),
    })
}

async fn apply(db: Db, writes: Vec<(Vec<u8>, Option<Vec<u8>>)>, metadata: Option<Vec<u8>>) -> Db {
    let mut batch = db.new_batch();
    for (key, value) in writes {
        batch = batch.write(hashed(&key), value.map(|value| stored(&key, &value)));
    }
    let batch = batch
        .merkleize(&db, metadata, &mut Proportional)
        .await
        .expect("merkleize");
    let db = db.apply_batch(batch).await.expect("apply");
    db.commit().await.expect("commit")
}

/// A batch of random writes, `churn` percent of them to keys that exist.
fn random_batch(
    rng: &mut StdRng,
    model: &mut Model,
    size: usize,
    churn: u32,
) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut writes = BTreeMap::new();
    for _ in 0..size {
        let existing = !model.is_empty() && rng.random_range(0..100) < churn;
        let key = if existing {
            let at = rng.random_range(0..model.len());
            model.keys().nth(at).expect("below len").clone()
        } else {
            format!("key/{}", rng.random::<u64>()).into_bytes()
        };
        let delete = existing && rng.random_range(0..3) == 0;
        let mut value = vec![0; rng.random_range(0..200)];
        rng.fill_bytes(&mut value);
        writes.insert(key, (!delete).then_some(value));
    }
    for (key, value) in &writes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
    writes.into_iter().collect()
}

struct Present {
    root: Sm3Digest,
    key: Vec<u8>,
    value: Vec<u8>,
    theirs: KeyValueProof<mmr::Family, Digest, Digest, CHUNK_BYTES>,
    ours: Inclusion,
}

async fn prove_present(db: &Db, key: &[u8], value: &[u8]) -> Present {
    let theirs = db
        .key_value_proof(hashed(key))
        .await
        .expect("the key has a value");
    assert!(theirs.verify::<Hash, VariableEncoding<Vec<u8>>>(
        hashed(key),
        stored(key, value),
        &db.root()
    ));
    let root = ours(&db.root());
    let inclusion = proof::inclusion(&theirs);
    verify_inclusion(&root, key, value, &inclusion).expect("the independent verifier agrees");
    Present {
        root,
        key: key.to_vec(),
        value: value.to_vec(),
        theirs,
        ours: inclusion,
    }
}

async fn prove_absent(db: &Db, key: &[u8]) -> Exclusion {
    let theirs: ExclusionProof<
        mmr::Family,
        Digest,
        VariableEncoding<Vec<u8>>,
        Digest,
        CHUNK_BYTES,
    > = db
        .exclusion_proof(&hashed(key))
        .await
        .expect("the key has no value");
    assert!(theirs.verify::<Hash>(&hashed(key), &db.root()));
    let exclusion = proof::exclusion(&theirs);
    verify_absence(&ours(&db.root()), key, &exclusion).expect("the independent verifier agrees");
    exclusion
}

fn flip(digest: &mut Sm3Digest, bit: usize) {
    digest.0[bit / 8 % 32] ^= 1 << (bit % 8);
}

/// Every way to damage one inclusion proof by a bit or a unit, each with what it says.
fn damaged(rng: &mut StdRng, good: &Present) -> Vec<(String, Present)> {
    let copy = || Present {
        root: good.root,
        key: good.key.clone(),
        value: good.value.clone(),
        theirs: good.theirs.clone(),
        ours: good.ours.clone(),
    };
    let mut all = Vec::new();
    let mut add = |what: String, change: &mut dyn FnMut(&mut Present)| {
        let mut bad = copy();
        change(&mut bad);
        all.push((what, bad));
    };
    let bit = rng.random_range(0..256usize);
    add("root".into(), &mut |p| flip(&mut p.root, bit));
    add("next key".into(), &mut |p| flip(&mut p.ours.next_key, bit));
    add("ops root".into(), &mut |p| {
        flip(&mut p.ours.operation.ops_root, bit)
    });
    for at in 0..good.key.len() {
        add(format!("key byte {at}"), &mut |p| {
            p.key[at] ^= 1 << (bit % 8)
        });
    }
    for at in 0..good.value.len() {
        add(format!("value byte {at}"), &mut |p| {
            p.value[at] ^= 1 << (bit % 8)
        });
    }
    add("longer value".into(), &mut |p| p.value.push(0));
    for at in 0..CHUNK_BYTES * 8 {
        add(format!("activity bit {at}"), &mut |p| {
            p.ours.operation.chunk[at / 8] ^= 1 << (at % 8)
        });
    }
    for at in 0..good.ours.operation.digests.len() {
        add(format!("digest {at}"), &mut |p| {
            flip(&mut p.ours.operation.digests[at], bit)
        });
        add(format!("no digest {at}"), &mut |p| {
            p.ours.operation.digests.remove(at);
        });
        add(format!("digest {at} twice"), &mut |p| {
            let twice = p.ours.operation.digests[at];
            p.ours.operation.digests.insert(at, twice);
        });
    }
    add("one digest more".into(), &mut |p| {
        p.ours.operation.digests.push(good.root)
    });
    if good.ours.operation.partial_chunk.is_some() {
        add("no partial chunk".into(), &mut |p| {
            p.ours.operation.partial_chunk = None
        });
        add("partial chunk".into(), &mut |p| {
            flip(
                p.ours.operation.partial_chunk.as_mut().expect("is some"),
                bit,
            )
        });
    } else {
        add("a partial chunk".into(), &mut |p| {
            p.ours.operation.partial_chunk = Some(good.root)
        });
    }
    for delta in [1, 2, 255, 256, 257, 1 << 32, u64::MAX, u64::MAX - 1] {
        add(format!("location + {delta}"), &mut |p| {
            p.ours.operation.location = p.ours.operation.location.wrapping_add(delta)
        });
        add(format!("leaves + {delta}"), &mut |p| {
            p.ours.operation.leaves = p.ours.operation.leaves.wrapping_add(delta)
        });
        add(format!("inactive peaks + {delta}"), &mut |p| {
            p.ours.operation.inactive_peaks = p.ours.operation.inactive_peaks.wrapping_add(delta)
        });
    }
    all
}

/// The same proof in the store's own types, if they can hold it.
fn theirs_of(bad: &Present) -> Option<KeyValueProof<mmr::Family, Digest, Digest, CHUNK_BYTES>> {
    let digest = |digest: &Sm3Digest| Digest::from(*digest);
    let operation = &bad.ours.operation;
    let mut theirs = bad.theirs.clone();
    theirs.next_key = digest(&bad.ours.next_key);
    theirs.proof.loc = mmr::Location::new(operation.location);
    theirs.proof.chunk = operation.chunk;
    let range = &mut theirs.proof.range_proof;
    range.partial_chunk_digest = operation.partial_chunk.as_ref().map(digest);
    range.ops_root = digest(&operation.ops_root);
    range.proof.leaves = mmr::Location::new(operation.leaves);
    range.proof.inactive_peaks = usize::try_from(operation.inactive_peaks).ok()?;
    range.proof.digests = operation.digests.iter().map(digest).collect();
    Some(theirs)
}

fn both_refuse(rng: &mut StdRng, good: &Present) -> usize {
    let all = damaged(rng, good);
    for (what, bad) in &all {
        assert!(
            verify_inclusion(&bad.root, &bad.key, &bad.value, &bad.ours).is_err(),
            "a proof with another {what} was accepted"
        );
        if let Some(theirs) = theirs_of(bad) {
            let (key, value) = (hashed(&bad.key), stored(&bad.key, &bad.value));
            let accepted = theirs.verify::<Hash, VariableEncoding<Vec<u8>>>(
                key,
                value,
                &Digest::from(bad.root),
            );
            assert!(!accepted, "the store accepts a proof with another {what}");
        }
    }
    all.len()
}

/// Grow a state from a seed and compare the verifiers at every stop.
fn compare(seed: u64, batches: usize, batch_size: usize, churn: u32, expect_leaves: u64) {
    deterministic::Runner::seeded(seed).start(|context| async move {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut model = Model::new();
        let mut db = Db::init(context, config("state"), None)
            .await
            .expect("open");
        let (mut leaves, mut inactive, mut refused) = (0, 0, 0);
        for round in 0..batches {
            let size = rng.random_range(1..=batch_size);
            let writes = random_batch(&mut rng, &mut model, size, churn);
            let metadata = (round % 2 == 0).then(|| vec![round as u8; round]);
            db = apply(db, writes, metadata).await;
            let keys: Vec<_> = model.keys().cloned().collect();
            for _ in 0..8.min(keys.len()) {
                let key = &keys[rng.random_range(0..keys.len())];
                let good = prove_present(&db, key, &model[key]).await;
                leaves = leaves.max(good.ours.operation.leaves);
                inactive = inactive.max(good.ours.operation.inactive_peaks);
                let absent = format!("absent/{}", rng.random::<u64>()).into_bytes();
                let proof = prove_absent(&db, &absent).await;
                assert!(
                    verify_absence(&good.root, key, &proof).is_err(),
                    "a key that has a value was accepted as absent"
                );
                if round % 8 == 7 {
                    refused += both_refuse(&mut rng, &good);
                }
            }
        }
        println!("{leaves} operations, {inactive} inactive peaks, {refused} damaged proofs");
        assert!(
            leaves >= expect_leaves,
            "the log only grew to {leaves} operations"
        );
        assert!(refused > 0 || batches < 8);
    });
}

#[test]
fn a_growing_state_within_one_chunk() {
    for seed in 0..20 {
        compare(seed, 8, 5, 30, 20);
    }
}

#[test]
fn a_growing_state_over_many_chunks() {
    compare(100, 60, 80, 30, 1_500);
    compare(101, 60, 40, 50, 1_000);
}

#[test]
fn a_churning_state_leaves_inactive_peaks_behind() {
    deterministic::Runner::seeded(7).start(|context| async move {
        let mut rng = StdRng::seed_from_u64(7);
        let mut db = Db::init(context, config("state"), None)
            .await
            .expect("open");
        let mut model = Model::new();
        for round in 0..200u32 {
            let writes: Vec<_> = (0..20u32)
                .map(|key| {
                    (
                        format!("hot/{key}").into_bytes(),
                        round.to_be_bytes().to_vec(),
                    )
                })
                .collect();
            model.extend(writes.iter().cloned());
            db = apply(
                db,
                writes.into_iter().map(|(k, v)| (k, Some(v))).collect(),
                None,
            )
            .await;
            if round % 10 != 9 {
                continue;
            }
            for (key, value) in &model {
                let good = prove_present(&db, key, value).await;
                if round == 199 {
                    assert!(
                        good.ours.operation.inactive_peaks > 0,
                        "nothing went inactive"
                    );
                    both_refuse(&mut rng, &good);
                }
            }
            prove_absent(&db, b"cold").await;
        }
    });
}

#[test]
fn a_log_that_ends_on_a_chunks_border() {
    // One write of a new key and its commit are a few operations; walk over the border one by one.
    deterministic::Runner::seeded(9).start(|context| async move {
        let mut rng = StdRng::seed_from_u64(9);
        let mut db = Db::init(context, config("state"), None)
            .await
            .expect("open");
        let (mut whole, mut partial) = (0, 0);
        for round in 0..600u32 {
            let key = format!("key/{round}").into_bytes();
            db = apply(db, vec![(key.clone(), Some(vec![1]))], None).await;
            let good = prove_present(&db, &key, &[1]).await;
            let leaves = good.ours.operation.leaves;
            assert_eq!(
                good.ours.operation.partial_chunk.is_none(),
                leaves % 256 == 0
            );
            if leaves % 256 == 0 {
                whole += 1
            } else {
                partial += 1
            }
            if leaves % 256 < 3 || leaves % 256 > 253 {
                both_refuse(&mut rng, &good);
                let first = prove_present(&db, b"key/0", &[1]).await;
                both_refuse(&mut rng, &first);
            }
        }
        assert!(partial > 0);
        println!("{whole} logs ended on a border, {partial} didn't");
    });
}

#[test]
fn an_empty_state_holds_nothing() {
    deterministic::Runner::seeded(3).start(|context| async move {
        let mut db = Db::init(context, config("state"), None)
            .await
            .expect("open");
        for metadata in [None, Some(vec![]), Some(vec![7; 300])] {
            db = apply(db, vec![(b"k".to_vec(), Some(vec![1]))], None).await;
            let full = prove_absent(&db, b"x").await;
            assert!(matches!(full, Exclusion::Span { .. }));
            db = apply(db, vec![(b"k".to_vec(), None)], metadata).await;
            let root = ours(&db.root());
            let empty = prove_absent(&db, b"k").await;
            let Exclusion::Empty {
                operation,
                metadata,
            } = empty.clone()
            else {
                panic!("an empty state is proved by its last commit")
            };
            // The old proof fails under the new root, the new one with other metadata or place.
            assert!(verify_absence(&root, b"x", &full).is_err());
            let other = match metadata {
                None => Some(vec![]),
                Some(_) => None,
            };
            let bad = Exclusion::Empty {
                operation: operation.clone(),
                metadata: other,
            };
            assert!(matches!(
                verify_absence(&root, b"k", &bad),
                Err(StateError::Root { .. })
            ));
            let mut moved = operation.clone();
            moved.location -= 1;
            let bad = Exclusion::Empty {
                operation: moved,
                metadata: None,
            };
            assert!(matches!(
                verify_absence(&root, b"k", &bad),
                Err(StateError::NotLast { .. })
            ));
        }
    });
}

#[test]
fn an_old_value_is_no_longer_provable() {
    deterministic::Runner::seeded(4).start(|context| async move {
        let db = Db::init(context, config("state"), None)
            .await
            .expect("open");
        let db = apply(db, vec![(b"k".to_vec(), Some(b"old".to_vec()))], None).await;
        let old = prove_present(&db, b"k", b"old").await;
        let db = apply(db, vec![(b"k".to_vec(), Some(b"new".to_vec()))], None).await;
        let new = prove_present(&db, b"k", b"new").await;
        assert!(verify_inclusion(&new.root, b"k", b"old", &old.ours).is_err());
        assert!(verify_inclusion(&new.root, b"k", b"old", &new.ours).is_err());
        let mut swapped = new.ours.clone();
        swapped.operation.location = old.ours.operation.location;
        assert!(verify_inclusion(&new.root, b"k", b"old", &swapped).is_err());
        let span = Exclusion::Span {
            operation: new.ours.operation.clone(),
            key: ours(&hashed(b"k")),
            value: stored(b"k", b"new"),
            next_key: new.ours.next_key,
        };
        // The very key whose operation it is can't be shown absent by it; any other can.
        assert!(matches!(
            verify_absence(&new.root, b"k", &span),
            Err(StateError::Span { .. })
        ));
        verify_absence(&new.root, b"other", &span).expect("a lone key spans all the rest");
    });
}

/// The vectors in `crates/receipt/vectors/state.json` are what the store makes of this state:
/// neither the store's format nor the wire form changes unnoticed. `SEALWIRE_WRITE_VECTORS=1`
/// writes them anew.
#[test]
fn the_receipt_crates_vectors_come_from_the_store() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../receipt/vectors/state.json");
    let vectors = deterministic::Runner::seeded(1).start(|context| async move {
        let mut db = Db::init(context, config("state"), None)
            .await
            .expect("open");
        let mut vectors = Vec::new();
        let mut vector = |what: String, db: &Db, key: &[u8], value: Option<&[u8]>, proof| {
            vectors.push(serde_json::json!({
                "what": what,
                "root": ours(&db.root()).to_string(),
                "key": hex::encode(key),
                "value": value.map(hex::encode),
                "proof": hex::encode(encode::<StateProof>(&proof)),
            }));
        };
        let empty = prove_absent(&db, b"k").await;
        vector(
            "a new store".into(),
            &db,
            b"k",
            None,
            StateProof::Exclusion(empty),
        );
        for (round, count) in [1u32, 30, 120, 300, 1_000].into_iter().enumerate() {
            let writes = (0..count).map(|i| {
                (
                    format!("key/{i}").into_bytes(),
                    Some(vec![round as u8; i as usize % 9]),
                )
            });
            db = apply(db, writes.collect(), Some(vec![round as u8])).await;
            for i in [0, count / 2, count - 1] {
                let (key, value) = (
                    format!("key/{i}").into_bytes(),
                    vec![round as u8; i as usize % 9],
                );
                let good = prove_present(&db, &key, &value).await;
                let proof = StateProof::Inclusion(good.ours);
                vector(
                    format!("entry {i} of {count}"),
                    &db,
                    &key,
                    Some(&value),
                    proof,
                );
                let absent = format!("absent/{i}").into_bytes();
                let proof = StateProof::Exclusion(prove_absent(&db, &absent).await);
                vector(format!("none beside {count}"), &db, &absent, None, proof);
            }
        }
        serde_json::to_string_pretty(&vectors).expect("plain JSON") + "\n"
    });
    if std::env::var_os("SEALWIRE_WRITE_VECTORS").is_some() {
        std::fs::write(path, &vectors).expect("write the vectors");
    }
    let pinned = std::fs::read_to_string(path).expect("read the vectors");
    assert!(
        pinned == vectors,
        "the store no longer makes the proofs in {path}"
    );
}
