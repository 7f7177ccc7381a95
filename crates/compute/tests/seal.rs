//! BFV against SEAL, through PyPI's `tenseal` (`seal.py`), under the same parameters:
//!
//! - SEAL finds every parameter set as secure as it should be (128 bits, classical);
//! - what SEAL encrypts, adds and multiplies opens here to what plain arithmetic says: same scaling,
//!   same slots in the same order;
//! - the noise that SEAL measures is never above what is promised here.
//!
//! It needs a Python with `tenseal`: the one that `SEALWIRE_PYTHON` names, or `python3`. Without it the
//! test says loudly that it is skipped; with `SEALWIRE_REQUIRE_TENSEAL` (as in `just nightly`) that is a
//! failure.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use sealwire_compute::{
    Answer, EVALUATOR, SecretKey,
    answer::Value,
    bound::{self, Load, Margin},
    open, parameters,
};
use sealwire_envelope::{
    Blob,
    compute::{
        ComputeKey, Evaluation, Function, InputDigest, ParameterSet, ReadingSpec, Threshold,
        Weights, result_digest,
    },
};
use sealwire_sm::{Sm3Digest, sm3};
use serde_json::{Value as Json, json};

mod world;

use world::job;

const SETS: [ParameterSet; 3] = [
    ParameterSet::BfvAddV1,
    ParameterSet::BfvMulV1,
    ParameterSet::BfvBitsV1,
];

fn python() -> Option<String> {
    let python = std::env::var("SEALWIRE_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python)
        .args(["-c", "import tenseal.sealapi"])
        .output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let required = std::env::var_os("SEALWIRE_REQUIRE_TENSEAL").is_some();
    assert!(!required, "a Python with PyPI's tenseal is required here");
    println!("SKIPPED: {python} has no tenseal (pip install tenseal); nothing was checked");
    None
}

/// Bits where readings are bits, else numbers whose products fit.
fn largest(set: ParameterSet) -> i64 {
    if set == ParameterSet::BfvBitsV1 {
        1
    } else {
        1 << 20
    }
}

fn values(set: ParameterSet, factor: i64) -> Vec<i64> {
    let (n, most) = (parameters::bfv(set).unwrap().n as i64, largest(set));
    let low = if set == ParameterSet::BfvBitsV1 {
        0
    } else {
        -most
    };
    (0..n)
        .map(|i| low + (i * factor + i * i) % (most - low + 1))
        .collect()
}

fn key(set: ParameterSet) -> ComputeKey {
    let most = largest(set);
    let min = if set == ParameterSet::BfvBitsV1 {
        0
    } else {
        -most
    };
    ComputeKey {
        version: 1,
        owner: "owner.acme".parse().unwrap(),
        parameters: set,
        readings: ReadingSpec {
            decimals: 0,
            min,
            max: most,
            edges: vec![],
            unit: String::new(),
        },
        public: sm3(&[b"SEAL's"]),
        evaluation: None,
        sharing: None,
    }
}

/// `[1, set, digest, secret]`: the file of a secret key.
fn secret_file(set: ParameterSet, public: Sm3Digest, secret: &[u8]) -> SecretKey {
    let mut bytes = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut bytes);
    encoder
        .array(4)
        .unwrap()
        .u8(1)
        .unwrap()
        .encode(set)
        .unwrap()
        .encode(public)
        .unwrap();
    encoder.bytes(secret).unwrap();
    SecretKey::from_bytes(&bytes).unwrap()
}

/// Opens a result over `inputs` inputs with N readings each.
fn opened(
    key: &ComputeKey,
    secret: &SecretKey,
    function: Function,
    inputs: usize,
    result: Vec<u8>,
) -> Answer {
    let result = vec![Blob(result)];
    let readings = parameters::bfv(key.parameters).unwrap().n as u64;
    let evaluation = Evaluation {
        version: 1,
        evaluator: EVALUATOR,
        job: job(key, function, inputs),
        height: 1,
        inputs: vec![
            InputDigest {
                packages: 1,
                root: sm3(&[]),
                readings
            };
            inputs
        ],
        gateway: "gateway.acme".parse().expect("a client"),
        requester: "requester.acme".parse().unwrap(),
        request: sm3(&[]),
        result: result_digest(&result),
        time_ms: 1,
    };
    open(secret, key, &evaluation, &result).unwrap()
}

fn bytes(value: &Json) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn check_rows(
    key: &ComputeKey,
    secret: &SecretKey,
    found: &Json,
    weights: Vec<i64>,
    expected: &[i64],
) {
    let inputs = weights.len();
    let function = Function::Linear(Weights {
        weights,
        decimals: 0,
        intercept: 0,
    });
    let count = (expected.len() as u32).to_be_bytes().to_vec();
    let result = [count, bytes(&found["c0"]), bytes(&found["c1"])].concat();
    let answer = opened(key, secret, function, inputs, result);
    let Value::Linear { rows } = answer.value else {
        panic!("{answer}")
    };
    let rows: Vec<i64> = rows.iter().map(|row| row.value as i64).collect();
    assert!(rows == expected, "the rows are others");
}

fn check_total(key: &ComputeKey, secret: &SecretKey, found: &Json, expected: i64) {
    let constants = found["constants"].as_array().unwrap().iter();
    let mut result: Vec<u8> = constants
        .flat_map(|c| c.as_u64().unwrap().to_be_bytes())
        .collect();
    result.extend(bytes(&found["c1"]));
    let count = Function::CountOver(Threshold { threshold: 0 });
    let answer = opened(key, secret, count, 2, result);
    assert!(
        matches!(answer.value, Value::CountOver { count, .. } if count == expected as u64),
        "{answer}"
    );
}

/// SEAL's budget is log2(q / 2t / noise); what is promised is at least one less than this.
fn check_noise(what: &str, margin: Margin, budget: &Json) {
    let promised = margin.noise_limit_bits - margin.noise_bits;
    let budget = budget.as_u64().unwrap();
    println!("{what}: SEAL has {budget} bits of noise left, promised are {promised}");
    assert!(
        budget + 1 >= promised,
        "{what}: {budget} bits left, promised {promised}"
    );
}

#[test]
fn seal_agrees_on_parameters_values_and_noise() {
    let Some(python) = python() else { return };
    let asked: Vec<Json> = SETS
        .iter()
        .map(|set| {
            let numbers = parameters::bfv(*set).unwrap();
            json!({
                "n": numbers.n, "moduli": numbers.moduli, "modulus_bits": numbers.modulus_bits,
                "t": numbers.t, "multiplies": numbers.multiplies,
                "left": values(*set, 77), "right": values(*set, 1_003),
            })
        })
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seal.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let text = Json::from(asked).to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "see above");
    let found: Vec<Json> = serde_json::from_slice(&output.stdout).expect("JSON");
    for (set, found) in SETS.into_iter().zip(&found) {
        let name = parameters::name(set);
        assert_eq!(found["secure"], true, "SEAL doesn't find {name} secure");
        let key = key(set);
        let secret = secret_file(set, key.public, &bytes(&found["secret"]));
        let (left, right) = (values(set, 77), values(set, 1_003));
        let pairs = || left.iter().zip(&right);
        let sums: Vec<i64> = pairs().map(|(x, y)| x + y).collect();
        let products: Vec<i64> = pairs().map(|(x, y)| x * y).collect();
        let loads = |ciphertexts| {
            [Load {
                readings: ciphertexts,
                ciphertexts,
            }]
        };
        if set == ParameterSet::BfvBitsV1 {
            check_total(&key, &secret, &found["fresh"], left.iter().sum());
            check_total(&key, &secret, &found["sum"], sums.iter().sum());
            check_total(&key, &secret, &found["product"], products.iter().sum());
            continue;
        }
        check_rows(&key, &secret, &found["fresh"], vec![1], &left);
        check_rows(&key, &secret, &found["sum"], vec![1, 1], &sums);
        let promised =
            |function, ciphertexts| bound::check(&key, &function, &loads(ciphertexts)).unwrap();
        check_noise(name, promised(Function::Sum, 1), &found["fresh"]["budget"]);
        check_noise(name, promised(Function::Sum, 2), &found["sum"]["budget"]);
        if set == ParameterSet::BfvMulV1 {
            check_rows(&key, &secret, &found["product"], vec![1 << 20], &products);
            check_noise(
                name,
                promised(Function::Variance, 1),
                &found["product"]["budget"],
            );
        }
    }
}
