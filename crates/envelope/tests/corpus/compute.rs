//! What computing on encrypted readings sends and stores.

use sealwire_envelope::compute::{
    COMPUTE_VERSION, ComputeJob, ComputeKey, Computed, Evaluation, Form, Function, Holder,
    InputDigest, JobInput, OpeningShare, ParameterSet, ReadingBody, ReadingSpec, SharePart,
    Sharing, SignedReading, Threshold, Weights, result_digest, service::StandingJob,
};
use sealwire_envelope::receipt::{
    BlockMoment, EvaluationRecord, ProvenEntry, RECEIPT_VERSION, ResultReceipt,
};
use sealwire_envelope::{
    Blob, Call, ComputeKeyId, EvaluationId, LogEvaluations, RegisterComputeKey, RetireComputeKey,
};

use super::{Entry, cbor, client, digest, key, topic};

fn compute_key(is_shared: bool) -> ComputeKey {
    let holder = |(name, n)| Holder {
        client: client(name),
        share: key(n).public_key().clone(),
    };
    let holders = [("org1.pump", 4), ("org2.reader", 5)].map(holder).to_vec();
    ComputeKey {
        version: COMPUTE_VERSION,
        owner: client("org1.pump"),
        parameters: ParameterSet::Sm2ElgamalV1,
        readings: ReadingSpec {
            decimals: 2,
            min: -4_000,
            max: 12_500,
            edges: vec![-1, 0, 300],
            unit: "°C".into(),
        },
        public: digest("public"),
        evaluation: (!is_shared).then(|| digest("evaluation")),
        sharing: is_shared.then_some(Sharing {
            threshold: 2,
            holders,
        }),
    }
}

fn ciphertexts(count: usize) -> Vec<Blob> {
    vec![vec![2; 66].into(); count]
}

fn reading() -> SignedReading {
    let body = ReadingBody {
        version: COMPUTE_VERSION,
        topic: topic("org1/pump/open"),
        sender: client("org1.pump"),
        sequence: 300,
        key: ComputeKeyId(digest("key")),
        form: Form::OneHot,
        batch: 299,
        part: 1,
        parts: 2,
        count: 70_000,
        ciphertexts: ciphertexts(3),
    };
    SignedReading::sign(body, &key(3))
}

fn jobs() -> Vec<ComputeJob> {
    let weights = Weights {
        weights: vec![1, -300],
        decimals: 3,
        intercept: i64::MIN,
    };
    let input = |name| JobInput {
        topic: topic(name),
        from_ms: 1_700_000_000_000,
        to_ms: 1_700_000_100_000,
    };
    [
        Function::Mean,
        Function::Linear(weights),
        Function::CountOver(Threshold { threshold: -70_000 }),
    ]
    .map(|function| ComputeJob {
        version: COMPUTE_VERSION,
        key: ComputeKeyId(digest("key")),
        function,
        inputs: ["org1/pump/open", "org2/pump/open"].map(input).to_vec(),
    })
    .to_vec()
}

fn evaluations() -> Vec<Evaluation> {
    let input = |readings| InputDigest {
        packages: 2,
        root: digest("root"),
        readings,
    };
    let evaluation = |job| Evaluation {
        version: COMPUTE_VERSION,
        evaluator: 1,
        job,
        height: 7,
        inputs: [0, 70_000].map(input).to_vec(),
        requester: client("org2.reader"),
        request: digest("request"),
        gateway: client("org1.gateway"),
        result: result_digest(&ciphertexts(2)),
        time_ms: 1_700_000_200_000,
    };
    jobs().into_iter().map(evaluation).collect()
}

/// The formats.
pub fn formats() -> Vec<Entry> {
    let computed = Computed {
        evaluation: evaluations().remove(0),
        ciphertexts: ciphertexts(2),
    };
    let part = SharePart {
        point: [2; 33],
        challenge: [3; 32],
        response: [4; 32],
    };
    let share = OpeningShare {
        version: COMPUTE_VERSION,
        evaluation: EvaluationId(digest("evaluation")),
        holder: 2,
        parts: vec![part; 2],
    };
    vec![
        cbor("compute_key", &[compute_key(false), compute_key(true)]),
        cbor("signed_reading", &[reading()]),
        cbor("compute_job", &jobs()),
        cbor("evaluation", &evaluations()),
        cbor("computed", &[computed]),
        cbor("opening_share", &[share]),
        cbor("standing_job", &[standing_job()]),
        cbor("evaluation_record", &evaluation_records()),
    ]
}

fn standing_job() -> StandingJob {
    StandingJob {
        version: COMPUTE_VERSION,
        key: ComputeKeyId(digest("key")),
        function: Function::Histogram,
        topics: vec![topic("org1/pump/open"), topic("org2/pump/open")],
        every_s: 300,
        over_s: 70_000,
        publish: topic("org1/pump/results"),
    }
}

fn evaluation_records() -> Vec<EvaluationRecord> {
    let at = BlockMoment {
        height: 300,
        time_ms: 1_700_000_300_000,
    };
    let all = evaluations().into_iter();
    all.map(|evaluation| EvaluationRecord { evaluation, at })
        .collect()
}

/// Receipts of results, over these proven entries.
pub fn result_receipts(entries: &[ProvenEntry]) -> Entry {
    let receipts: Vec<_> = entries
        .iter()
        .map(|entry| ResultReceipt {
            version: RECEIPT_VERSION,
            ciphertexts: ciphertexts(2),
            evaluation: entry.clone(),
            inputs: vec![entries.to_vec(), Vec::new()],
        })
        .collect();
    cbor("result_receipt", &receipts)
}

/// The calls that carry them.
pub fn calls() -> Vec<Call> {
    vec![
        Call::RegisterComputeKey(RegisterComputeKey {
            key: compute_key(true),
            public_key: Some(vec![2; 33].into()),
        }),
        Call::RegisterComputeKey(RegisterComputeKey {
            key: compute_key(false),
            public_key: None,
        }),
        Call::RetireComputeKey(RetireComputeKey {
            key: ComputeKeyId(digest("key")),
            reason: "another scale".into(),
        }),
        Call::LogEvaluations(LogEvaluations {
            evaluations: evaluations(),
        }),
    ]
}
