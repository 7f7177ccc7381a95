//! ElGamal and shared keys against `second_implementation.py`, which has its own arithmetic, in both
//! directions: it reads what is pinned here, and what it makes is opened, added up and combined here.
//!
//! It needs Python 3.10 whose OpenSSL has SM3. Without it the test says loudly that it is skipped;
//! with `SEALWIRE_REQUIRE_PEERS` that is a failure.

use std::{path::Path, process::Command};

use sealwire_compute::{
    elgamal::{self, Ciphertext, Public, Secret},
    threshold::{combine, verify},
};
use sealwire_envelope::{
    Blob,
    codec::decode,
    compute::{ComputeKey, Evaluation, OpeningShare, SharePart},
};
use serde_json::Value;

fn usable() -> bool {
    let probe = "import hashlib, sys; hashlib.new('sm3'); sys.exit(sys.version_info < (3, 10))";
    let usable = Command::new("python3").args(["-c", probe]).output();
    if usable.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let what = "python3 (3.10 or later, with SM3 in hashlib)";
    assert!(
        std::env::var_os("SEALWIRE_REQUIRE_PEERS").is_none(),
        "{what} is required here"
    );
    println!("SKIPPED: {what} isn't installed; nothing was checked");
    false
}

fn run(mode: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/second_implementation.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(mode)
        .output()
        .expect("python3 starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("text")).expect("hexadecimal")
}

#[test]
fn a_second_implementation_opens_and_checks_what_is_made_here() {
    if usable() {
        run("check");
    }
}

#[test]
fn what_a_second_implementation_makes_opens_and_adds_up_here() {
    if !usable() {
        return;
    }
    let made: Value = serde_json::from_str(&run("make")).expect("JSON");
    let secret = Secret::from_bytes(&bytes(&made["secret"])).unwrap();
    assert_eq!(
        secret.public(),
        Public::from_bytes(&bytes(&made["public"])).unwrap()
    );
    let mut ciphertexts = Vec::new();
    for (ciphertext, value) in made["ciphertexts"]
        .as_array()
        .unwrap()
        .iter()
        .zip(made["values"].as_array().unwrap())
    {
        let ciphertext = Ciphertext::from_bytes(&bytes(ciphertext)).unwrap();
        assert_eq!(secret.open(&ciphertext), value.as_i64());
        ciphertexts.push(ciphertext);
    }
    assert_eq!(
        elgamal::sum(&ciphertexts).to_bytes().to_vec(),
        bytes(&made["sum"])
    );
    let times = elgamal::multiply_all(&ciphertexts[3..4], -7)[0];
    assert_eq!(times.to_bytes().to_vec(), bytes(&made["times_minus_7"]));
    assert_eq!(
        Ciphertext::ZERO.to_bytes().to_vec(),
        bytes(&made["infinity"])
    );
}

#[test]
fn opening_shares_of_a_second_implementation_count_here() {
    if !usable() {
        return;
    }
    let made: Value = serde_json::from_str(&run("make")).expect("JSON");
    let vector: Value =
        serde_json::from_str(include_str!("../vectors/sharing.json")).expect("JSON");
    let key: ComputeKey = decode(&bytes(&vector["compute_key"])).unwrap();
    let evaluation: Evaluation = decode(&bytes(&vector["evaluation"])).unwrap();
    let result: Vec<Blob> = vector["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| Blob(bytes(text)))
        .collect();
    let shares: Vec<OpeningShare> = made["shares"]
        .as_array()
        .unwrap()
        .iter()
        .zip(1..)
        .map(|(share, holder)| OpeningShare {
            version: 1,
            evaluation: evaluation.id(),
            holder,
            parts: vec![SharePart {
                point: bytes(&share[0]).try_into().unwrap(),
                challenge: bytes(&share[1]).try_into().unwrap(),
                response: bytes(&share[2]).try_into().unwrap(),
            }],
        })
        .collect();
    for share in &shares {
        verify(&key, &evaluation, &result, share).unwrap();
    }
    let combined = combine(&key, &evaluation, &result, &shares).unwrap();
    assert_eq!(
        combined.answer.to_string(),
        vector["answer"].as_str().unwrap()
    );
    assert_eq!(combined.wrong, []);
}
