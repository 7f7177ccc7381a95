//! Result receipts: those that hold, and every way to make one that doesn't.

mod model;

use model::{Consortium, state::State};
use sealwire_envelope::{
    Anchor, Blob, Genesis, PackageId,
    compute::{COMPUTE_VERSION, ComputeJob, Evaluation, Function, JobInput, result_digest},
    decode, encode,
    proof::StateProof,
    receipt::{
        BlockMoment, EvaluationRecord, PackageRecord, ProvenEntry, RECEIPT_VERSION, ResultReceipt,
        evaluation_key, package_key,
    },
};
use sealwire_receipt::{ResultError, Step, VerifiedResult, result::input_digest, verify_result};
use sealwire_sm::sm3;

/// What a consortium holds of one evaluation, and can be changed before it is proven.
struct Story {
    consortium: Consortium,
    evaluation: Evaluation,
    recorded: u64,
    packages: Vec<PackageRecord>,
    ciphertexts: Vec<Blob>,
}

fn package(n: u64) -> PackageRecord {
    let anchor = Anchor {
        package: PackageId(sm3(&[&n.to_be_bytes()])),
        topic: "org001/pump/pressure".parse().expect("a topic"),
        clients: vec!["org001.pump".parse().expect("a client")],
        count: 3,
        from_ms: 1_000 + 10 * n,
        to_ms: 1_009 + 10 * n,
        root: sm3(&[b"root"]),
        epoch: None,
        location: "http://127.0.0.1:1".into(),
        gateway: "org001.gateway".parse().expect("a client"),
    };
    PackageRecord {
        anchor,
        at: BlockMoment {
            height: n + 1,
            time_ms: 1_500 + n,
        },
        transaction: 0,
    }
}

impl Story {
    fn new() -> Self {
        let packages: Vec<_> = (0..3).map(package).collect();
        let ids: Vec<PackageId> = packages.iter().map(|it| it.anchor.package).collect();
        let ciphertexts = vec![Blob(vec![2; 66])];
        let evaluation = Evaluation {
            version: COMPUTE_VERSION,
            evaluator: 1,
            job: ComputeJob {
                version: COMPUTE_VERSION,
                key: sealwire_envelope::ComputeKeyId(sm3(&[b"key"])),
                function: Function::Sum,
                inputs: vec![JobInput {
                    topic: "org001/pump/pressure".parse().expect("a topic"),
                    from_ms: 1_005,
                    to_ms: 1_025,
                }],
            },
            height: 6,
            inputs: vec![input_digest(&ids, 7)],
            requester: "org002.reader".parse().expect("a client"),
            request: sm3(&[b"request"]),
            gateway: "org001.gateway".parse().expect("a client"),
            result: result_digest(&ciphertexts),
            time_ms: 1_700,
        };
        Self {
            consortium: Consortium::new(4),
            evaluation,
            recorded: 9,
            packages,
            ciphertexts,
        }
    }

    fn receipt(&self) -> ResultReceipt {
        let record = EvaluationRecord {
            evaluation: self.evaluation.clone(),
            at: BlockMoment {
                height: self.recorded,
                time_ms: 2_009,
            },
        };
        let mut entries = vec![(evaluation_key(&self.evaluation.id()), encode(&record))];
        entries.extend(
            self.packages
                .iter()
                .map(|it| (package_key(&it.anchor.package), encode(it))),
        );
        let others = (0..20u8).map(|n| (format!("other/{n}").into_bytes(), vec![n; 9]));
        let state: Vec<_> = entries.iter().cloned().chain(others).collect();
        let state = State::new(&state, 300, 0);
        let prove = |(key, value): (Vec<u8>, Vec<u8>)| ProvenEntry {
            version: RECEIPT_VERSION,
            proof: StateProof::Inclusion(state.include(&key)),
            key,
            value: Some(value),
            finality: self.consortium.finalise(state.root(), 1),
        };
        let mut proven: Vec<_> = entries.into_iter().map(prove).collect();
        ResultReceipt {
            version: RECEIPT_VERSION,
            ciphertexts: self.ciphertexts.clone(),
            evaluation: proven.remove(0),
            inputs: vec![proven],
        }
    }

    fn verify(&self, receipt: &ResultReceipt) -> Result<VerifiedResult, ResultError> {
        verify_result(receipt, &self.consortium.genesis)
    }

    fn refused(&self, receipt: &ResultReceipt) -> ResultError {
        self.verify(receipt).expect_err("it must not hold")
    }
}

#[test]
fn a_result_receipt_holds_and_says_what_it_showed() {
    let story = Story::new();
    let receipt = story.receipt();
    let travelled = ResultReceipt::from_bytes(&receipt.to_bytes()).expect("its own encoding");
    assert_eq!(travelled, receipt);
    let verified = story.verify(&travelled).expect("it holds");
    assert_eq!(verified.id, story.evaluation.id());
    assert_eq!(verified.evaluation, story.evaluation);
    assert_eq!(verified.recorded_height, 9);
    assert_eq!(verified.packages[0].len(), 3);
    assert_eq!(verified.entry.steps.len(), 4);
}

#[test]
fn a_changed_result_and_an_omitted_package_are_found() {
    let story = Story::new();
    let change = |change: fn(&mut ResultReceipt)| {
        let mut receipt = story.receipt();
        change(&mut receipt);
        story.refused(&receipt)
    };
    let changed = change(|r| r.ciphertexts[0].0[9] ^= 1);
    assert!(matches!(changed, ResultError::Result { .. }), "{changed}");
    let gone = change(|r| r.ciphertexts.clear());
    assert!(matches!(gone, ResultError::Result { .. }), "{gone}");
    let omitted = change(|r| drop(r.inputs[0].remove(1)));
    let text = omitted.to_string();
    assert!(
        matches!(
            omitted,
            ResultError::Packages {
                found: 2,
                expected: 3,
                ..
            }
        ),
        "{text}"
    );
    let none = change(|r| r.inputs.clear());
    assert!(
        matches!(
            none,
            ResultError::Inputs {
                found: 0,
                expected: 1
            }
        ),
        "{none}"
    );
    let twice = change(|r| {
        let again = r.inputs[0][2].clone();
        r.inputs[0].push(again);
    });
    assert!(matches!(twice, ResultError::Stranger { .. }), "{twice}");
    let swapped = change(|r| r.inputs[0].swap(0, 1));
    assert!(matches!(swapped, ResultError::Stranger { .. }), "{swapped}");
    let version = change(|r| r.version = 2);
    assert!(matches!(version, ResultError::Version { found: 2 }));
    let unproven = change(|r| r.evaluation.finality.headers[0].time_ms += 1);
    let ResultError::Evaluation(error) = unproven else {
        panic!("{unproven}");
    };
    assert_eq!(error.step, Step::Finality);
    let unproven = change(|r| r.inputs[0][1].value.as_mut().expect("is some")[40] ^= 1);
    let ResultError::Package { place, source, .. } = unproven else {
        panic!("{unproven}");
    };
    assert_eq!((place, source.step), (2, Step::State));
}

/// Everything is proven; it just isn't what the evaluation can be over.
#[test]
fn packages_of_another_place_time_or_gateway_are_strangers() {
    type Change = (&'static str, fn(&mut PackageRecord));
    let changes: [Change; 5] = [
        ("is of", |p| {
            p.anchor.topic = "org001/pump/other".parse().expect("a topic")
        }),
        ("anchored it", |p| {
            p.anchor.gateway = "org002.gateway".parse().expect("a client")
        }),
        ("after 6", |p| p.at.height = 7),
        ("outside", |p| {
            (p.anchor.from_ms, p.anchor.to_ms) = (1, 1_004)
        }),
        ("outside", |p| {
            (p.anchor.from_ms, p.anchor.to_ms) = (1_025, 1_030)
        }),
    ];
    for (words, change) in changes {
        let mut story = Story::new();
        change(&mut story.packages[1]);
        let refused = story.refused(&story.receipt());
        let text = refused.to_string();
        assert!(matches!(refused, ResultError::Stranger { .. }), "{text}");
        assert!(text.contains(words), "'{text}' doesn't say '{words}'");
    }
    // An evaluation from the future, and one over other packages than it has.
    let mut story = Story::new();
    story.recorded = 11;
    let refused = story.refused(&story.receipt());
    assert!(
        matches!(refused, ResultError::NotAnEvaluation { .. }),
        "{refused}"
    );
    let mut story = Story::new();
    story.evaluation.inputs[0].root.0[0] ^= 1;
    let refused = story.refused(&story.receipt());
    assert!(matches!(refused, ResultError::Packages { .. }), "{refused}");
    // A package where the evaluation should be, and the other way round.
    let story = Story::new();
    let mut receipt = story.receipt();
    receipt.evaluation = receipt.inputs[0][0].clone();
    let refused = story.refused(&receipt);
    assert!(
        matches!(refused, ResultError::NotAnEvaluation { .. }),
        "{refused}"
    );
    let mut receipt = story.receipt();
    receipt.inputs[0][0] = receipt.evaluation.clone();
    let ResultError::Package { source, .. } = story.refused(&receipt) else {
        panic!("an evaluation isn't a package");
    };
    assert_eq!(source.step, Step::Anchor);
}

/// Whatever bit of an encoded receipt is flipped, it doesn't decode, or it doesn't hold.
#[test]
fn no_flipped_bit_goes_unnoticed() {
    let story = Story::new();
    let bytes = story.receipt().to_bytes();
    let rounds = std::env::var("SEALWIRE_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok());
    // Odd, so that every bit of a byte has its turn.
    let step = (bytes.len() * 8 / rounds.unwrap_or(800usize)) | 1;
    let mut refused = 0;
    for bit in (0..bytes.len() * 8).step_by(step) {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(bad) = decode::<ResultReceipt>(&bad) {
            assert!(
                story.verify(&bad).is_err(),
                "bit {bit} was flipped and the receipt still holds"
            );
            refused += 1;
        }
    }
    assert!(refused > 0, "none of them decoded");
}

/// One result receipt with its genesis, pinned. `SEALWIRE_WRITE_VECTORS=1` writes it anew.
#[test]
fn the_pinned_result_receipt() {
    #[derive(serde::Deserialize, serde::Serialize, PartialEq, Debug)]
    struct Vector {
        genesis: serde_json::Value,
        receipt: String,
        evaluation: String,
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/result.json");
    let story = Story::new();
    let made = Vector {
        genesis: serde_json::to_value(&story.consortium.genesis).expect("plain data"),
        receipt: hex::encode(story.receipt().to_bytes()),
        evaluation: story.evaluation.id().to_string(),
    };
    if std::env::var_os("SEALWIRE_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&made).expect("plain data") + "\n";
        std::fs::write(path, text).expect("write the vector");
    }
    let text = std::fs::read_to_string(path).expect("read the vector");
    let pinned: Vector = serde_json::from_str(&text).expect("the vector");
    assert_eq!(made, pinned);
    let genesis = Genesis::from_json(pinned.genesis.to_string().as_bytes()).expect("a genesis");
    let bytes = hex::decode(&pinned.receipt).expect("hexadecimal");
    let receipt = ResultReceipt::from_bytes(&bytes).expect("a receipt");
    let verified = verify_result(&receipt, &genesis).expect("it holds");
    assert_eq!(verified.id.to_string(), pinned.evaluation);
}
