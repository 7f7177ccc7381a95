//! Examples of computing on encrypted readings: the formats, and the calls that carry them.

use sealwire_envelope::compute::{
    COMPUTE_VERSION, ComputeJob, ComputeKey, Computed, Evaluation, Form, Function, Holder,
    InputDigest, JobInput, OpeningShare, ParameterSet, ReadingBody, ReadingSpec, SharePart,
    Sharing, SignedReading, Threshold, Weights, result_digest, service::StandingJob,
};
use sealwire_envelope::{
    Blob, Call, ComputeKeyId, LogEvaluations, RegisterComputeKey, RetireComputeKey, StandingId,
    encode,
};
use sealwire_sm::{Domain, sm3};
use serde_json::json;

use crate::{
    Examples,
    calls::By,
    examples::{examples, pinned},
    world::{DEVICE, NOW_MS, client, key, topic},
};

/// The public half of the compute key: a point of the curve.
const PUBLIC: u8 = 0x31;
/// The shares of two holders.
const SHARES: [(&str, u8); 2] = [("acme.press-7", 0x32), ("beta.reader", 0x33)];

fn point(byte: u8) -> [u8; 33] {
    key(byte).public_key().to_bytes()
}

/// Celsius with two decimals; whole, or shared by two of two.
fn compute_key(is_shared: bool) -> ComputeKey {
    let holders = SHARES.map(|(name, byte)| Holder {
        client: client(name),
        share: key(byte).public_key().clone(),
    });
    ComputeKey {
        version: COMPUTE_VERSION,
        owner: client("acme.press-7"),
        parameters: ParameterSet::Sm2ElgamalV1,
        readings: ReadingSpec {
            decimals: 2,
            min: -4_000,
            max: 12_500,
            edges: vec![0, 10_000],
            unit: "°C".to_owned(),
        },
        public: sm3(&[&point(PUBLIC)]),
        evaluation: None,
        sharing: is_shared.then(|| Sharing {
            threshold: 2,
            holders: holders.to_vec(),
        }),
    }
}

fn bfv_key() -> ComputeKey {
    ComputeKey {
        parameters: ParameterSet::BfvMulV1,
        public: sm3(&[b"a public key of BFV"]),
        evaluation: Some(sm3(&[b"an evaluation key of BFV"])),
        ..compute_key(false)
    }
}

/// Two points, well formed; what they encrypt is of no interest here.
fn ciphertext() -> Blob {
    [point(0x34), point(0x35)].concat().into()
}

fn reading() -> SignedReading {
    let body = ReadingBody {
        version: COMPUTE_VERSION,
        topic: topic(),
        sender: client("acme.press-7"),
        sequence: 77,
        key: compute_key(false).id(),
        form: Form::Moments,
        batch: 76,
        part: 1,
        parts: 2,
        count: 1,
        ciphertexts: vec![ciphertext()],
    };
    SignedReading::sign(body, &key(DEVICE))
}

fn job(key: ComputeKeyId, function: Function) -> ComputeJob {
    ComputeJob {
        version: COMPUTE_VERSION,
        key,
        function,
        inputs: vec![JobInput {
            topic: topic(),
            from_ms: NOW_MS - 3_600_000,
            to_ms: NOW_MS,
        }],
    }
}

/// Every function.
fn functions() -> Vec<(&'static str, Function)> {
    let weights = || Weights {
        weights: vec![-150],
        decimals: 2,
        intercept: 5,
    };
    vec![
        ("sum", Function::Sum),
        ("mean", Function::Mean),
        ("weighted-sum", Function::WeightedSum(weights())),
        ("linear", Function::Linear(weights())),
        ("variance", Function::Variance),
        ("deviation", Function::Deviation),
        ("dot", Function::Dot),
        (
            "count-over",
            Function::CountOver(Threshold { threshold: 8_000 }),
        ),
        ("histogram", Function::Histogram),
        ("range", Function::Range),
    ]
}

fn evaluation() -> Evaluation {
    Evaluation {
        version: COMPUTE_VERSION,
        evaluator: 1,
        job: job(compute_key(false).id(), Function::Mean),
        height: 41,
        inputs: vec![InputDigest {
            packages: 3,
            root: sm3(&[b"packages"]),
            readings: 2_999,
        }],
        requester: client("beta.reader"),
        request: sm3(&[b"request"]),
        gateway: client("acme.gateway"),
        result: result_digest(&vec![ciphertext()]),
        time_ms: NOW_MS,
    }
}

/// The file `compute.json`.
pub fn formats() -> Examples {
    let keys = [compute_key(false), compute_key(true), bfv_key()]
        .map(|key| json!({"json": key, "cbor": pinned(&key), "id": key.id()}));
    let [whole, shared, bfv] = keys;
    let reading = reading();
    let body = encode(&reading.body);
    let signed = [Domain::READING.as_bytes(), &[0], &body].concat();
    let public = key(DEVICE).public_key().clone();
    reading.verify(&public).expect("signed");
    public
        .verify_raw(&signed, &reading.signature)
        .expect("the domain, a zero, the body");
    let jobs: Examples = functions()
        .into_iter()
        .map(|(name, function)| {
            let job = job(compute_key(false).id(), function);
            (name.to_owned(), json!(pinned(&job)))
        })
        .collect();
    let (evaluation, ciphertexts) = (evaluation(), vec![ciphertext()]);
    let computed = Computed {
        evaluation: evaluation.clone(),
        ciphertexts: ciphertexts.clone(),
    };
    let share = OpeningShare {
        version: COMPUTE_VERSION,
        evaluation: evaluation.id(),
        holder: 2,
        parts: vec![SharePart {
            point: point(0x36),
            challenge: sm3(&[b"challenge"]).0,
            response: sm3(&[b"response"]).0,
        }],
    };
    let standing = StandingJob {
        version: COMPUTE_VERSION,
        key: compute_key(false).id(),
        function: Function::Mean,
        topics: vec![topic()],
        every_s: 300,
        over_s: 3_600,
        publish: "acme/press-7/mean".parse().expect("a topic"),
    };
    let (id, end_ms) = (StandingId(sm3(&[b"request"])), standing.last_end_ms(NOW_MS));
    examples([
        ("key", whole),
        ("key-shared", shared),
        ("key-bfv", bfv),
        (
            "reading",
            json!({
                "secret_key": hex::encode(key(DEVICE).expose()),
                "ciphertext": ciphertext(),
                "body": pinned(&reading.body),
                "signed": hex::encode(signed),
                "signature": reading.signature,
                "payload": pinned(&reading),
            }),
        ),
        ("jobs", serde_json::Value::Object(jobs)),
        (
            "evaluation",
            json!({
                "json": evaluation,
                "cbor": pinned(&evaluation),
                "id": evaluation.id(),
                "ciphertexts": pinned(&ciphertexts),
                "result": result_digest(&ciphertexts),
            }),
        ),
        ("computed", json!({"cbor": pinned(&computed)})),
        ("opening-share", json!({"cbor": pinned(&share)})),
        (
            "standing-job",
            json!({
                "cbor": pinned(&standing),
                "standing": id,
                "end_ms": end_ms,
                "job": StandingJob::run_id(&id, end_ms),
                "run": pinned(&standing.run(end_ms)),
            }),
        ),
    ])
}

/// The calls, as [`crate::calls::calls`].
pub fn calls() -> Vec<(&'static str, By, Call)> {
    let register =
        |key, public_key| Call::RegisterComputeKey(RegisterComputeKey { key, public_key });
    vec![
        (
            "register-compute-key",
            By::Device,
            register(compute_key(true), Some(point(PUBLIC).to_vec().into())),
        ),
        (
            "register-compute-key-bfv",
            By::Device,
            register(bfv_key(), None),
        ),
        (
            "retire-compute-key",
            By::Device,
            Call::RetireComputeKey(RetireComputeKey {
                key: compute_key(true).id(),
                reason: "another scale".to_owned(),
            }),
        ),
        (
            "log-evaluations",
            By::Gateway,
            Call::LogEvaluations(LogEvaluations {
                evaluations: vec![evaluation()],
            }),
        ),
    ]
}
