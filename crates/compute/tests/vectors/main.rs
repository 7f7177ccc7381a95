//! Keys, ciphertexts, results and opening shares, byte for byte: what is stored, travels or is
//! hashed on the ledger can't change by accident.
//!
//! Random bytes come from [`fixed`]. What is long is pinned by its SM3. `second_implementation.py`
//! reads `elgamal.json` and `sharing.json`.
//!
//! Where a change is meant: `SEALWIRE_BLESS=1 cargo test -p sealwire-compute --test vectors` writes
//! the files anew. A result that changes means a new `EVALUATOR`; keys and ciphertexts that change
//! mean a new parameter set.

mod fixed;
#[path = "../world/mod.rs"]
mod world;

use std::path::{Path, PathBuf};

use fixed::Fixed;
use sealwire_compute::{
    Encryptor, NewKey, Origin, elgamal, evaluate, generate, open, parameters,
    reading::Reading,
    threshold::{Ceremony, HolderShare, Seat, combine},
};
use sealwire_envelope::{
    Blob,
    codec::encode,
    compute::{ComputeKey, Form, Function, ParameterSet, SignedReading, Threshold, result_digest},
};
use sealwire_sm::{SecretKey, sm3};
use serde_json::{Map, Value, json};
use world::{evaluation, job, spec, topic};

const VALUES: [i64; 4] = [215, -400, 1250, 0];

fn text(bytes: &[u8]) -> Value {
    hex::encode(bytes).into()
}

fn digest(bytes: &[u8]) -> Value {
    sm3(&[bytes]).to_string().into()
}

fn texts(blobs: &[Blob]) -> Value {
    blobs.iter().map(|blob| text(blob)).collect()
}

fn key(set: ParameterSet, new: &NewKey) -> ComputeKey {
    ComputeKey {
        version: 1,
        owner: "owner.acme".parse().unwrap(),
        parameters: set,
        readings: spec(1, -400, 1250, &[0, 200]),
        public: sm3(&[&new.public]),
        evaluation: new.evaluation.as_ref().map(|bytes| sm3(&[bytes])),
        sharing: None,
    }
}

/// A signed batch, and what is in it.
fn published(key: &ComputeKey, public: &[u8], form: Form, rng: &mut Fixed) -> (Vec<u8>, Vec<Blob>) {
    let origin = Origin {
        topic: topic(0).parse().unwrap(),
        sender: "device.acme".parse().unwrap(),
        sequence: 5,
    };
    let read = |value: &i64| Reading::from_scaled(*value, &key.readings).unwrap();
    let readings: Vec<Reading> = VALUES.iter().map(read).collect();
    let encryptor = Encryptor::new(key, public).unwrap();
    let bodies = encryptor
        .batch(&origin, form, &readings, 8 << 20, rng)
        .unwrap();
    let [body] = bodies.as_slice() else {
        panic!("one part")
    };
    let device = SecretKey::from_bytes(&[7; 32]).unwrap();
    (
        SignedReading::sign(body.clone(), &device).to_bytes(),
        body.ciphertexts.clone(),
    )
}

/// For each parameter set: a form, and a function of it.
fn cases() -> [(ParameterSet, Form, Function); 4] {
    [
        (
            ParameterSet::Sm2ElgamalV1,
            Form::Moments,
            Function::Variance,
        ),
        (ParameterSet::BfvAddV1, Form::OneHot, Function::Histogram),
        (ParameterSet::BfvMulV1, Form::Value, Function::Variance),
        (
            ParameterSet::BfvBitsV1,
            Form::Bits,
            Function::CountOver(Threshold { threshold: 199 }),
        ),
    ]
}

/// Everything about one parameter set; what is long as digests.
fn scheme(set: ParameterSet, form: Form, function: Function) -> Value {
    let rng = &mut Fixed::new("sealwire compute vectors");
    let new = generate(set, rng);
    let key = key(set, &new);
    let (payload, ciphertexts) = published(&key, &new.public, form, rng);
    let job = job(&key, function, 1);
    let evaluated = evaluate(
        &key,
        new.evaluation.as_deref(),
        &job,
        vec![[payload.clone()]],
    )
    .unwrap();
    let evaluation = evaluation(&job, &evaluated);
    let answer = open(&new.secret, &key, &evaluation, &evaluated.ciphertexts).unwrap();
    let mut value = json!({
        "secret_file_sm3": digest(&new.secret.to_bytes()),
        "public_bytes": new.public.len(),
        "public_sm3": digest(&new.public),
        "evaluation_bytes": new.evaluation.as_ref().map(Vec::len),
        "evaluation_sm3": new.evaluation.as_ref().map(|bytes| digest(bytes)),
        "compute_key": text(&encode(&key)),
        "compute_key_id": key.id().to_string(),
        "readings": VALUES,
        "form": form,
        "ciphertext_bytes": ciphertexts[0].len(),
        "ciphertexts_sm3": ciphertexts.iter().map(|c| digest(c)).collect::<Value>(),
        "payload_sm3": digest(&payload),
        "result_bytes": evaluated.ciphertexts[0].len(),
        "result_sm3": evaluated.ciphertexts.iter().map(|c| digest(c)).collect::<Value>(),
        "result": result_digest(&evaluated.ciphertexts).to_string(),
        "evaluation_id": evaluation.id().to_string(),
        "answer": serde_json::to_value(&answer).unwrap(),
        "answer_text": answer.to_string(),
    });
    if set == ParameterSet::Sm2ElgamalV1 {
        let fields = value.as_object_mut().unwrap();
        fields.insert("secret_file".into(), text(&new.secret.to_bytes()));
        fields.insert(
            "secret".into(),
            text(new.secret.elgamal().unwrap().expose()),
        );
        fields.insert("public".into(), text(&new.public));
        fields.insert("ciphertexts".into(), texts(&ciphertexts));
        fields.insert("payload".into(), text(&payload));
        fields.insert("results".into(), texts(&evaluated.ciphertexts));
    }
    value
}

/// A key that three holders make together, two of whom open a sum.
fn sharing() -> Value {
    let rng = &mut Fixed::new("sealwire sharing vectors");
    let keys: Vec<SecretKey> = (1..=3)
        .map(|i| SecretKey::from_bytes(&[i; 32]).unwrap())
        .collect();
    let seats = keys.iter().zip(1..).map(|(key, number)| Seat {
        client: format!("holder-{number}.acme").parse().unwrap(),
        key: key.public_key().clone(),
    });
    let ceremony = Ceremony {
        version: 1,
        owner: "owner.acme".parse().unwrap(),
        nonce: sm3(&[b"once"]),
        threshold: 2,
        holders: seats.collect(),
    };
    let dealings: Vec<_> = (1..=3)
        .map(|holder| ceremony.deal(holder, rng).unwrap())
        .collect();
    let (public, sharing) = ceremony.sharing(&dealings).unwrap();
    let receive = |(key, holder)| ceremony.receive(&dealings, holder, key).unwrap();
    let shares: Vec<HolderShare> = keys.iter().zip(1..).map(receive).collect();
    let new = NewKey {
        secret: sealwire_compute::SecretKey::from_elgamal(elgamal::Secret::generate(rng)),
        public: public.clone(),
        evaluation: None,
    };
    let mut key = key(ParameterSet::Sm2ElgamalV1, &new);
    key.sharing = Some(sharing.clone());
    let (payload, _) = published(&key, &public, Form::Value, rng);
    let job = job(&key, Function::Sum, 1);
    let evaluated = evaluate(&key, None, &job, vec![[payload]]).unwrap();
    let evaluation = evaluation(&job, &evaluated);
    let mut opened = Vec::new();
    for share in &shares {
        opened.push(
            share
                .open(&key, &evaluation, &evaluated.ciphertexts, rng)
                .unwrap(),
        );
    }
    let combined = combine(&key, &evaluation, &evaluated.ciphertexts, &opened[1..]).unwrap();
    json!({
        "ceremony": text(&encode(&ceremony)),
        "ceremony_digest": ceremony.digest().to_string(),
        "threshold": ceremony.threshold,
        "holder_keys": keys.iter().map(|key| text(key.expose())).collect::<Value>(),
        "dealings": dealings.iter().map(|dealing| json!({
            "bytes": text(&dealing.to_bytes()),
            "dealer": dealing.dealer,
            "commitments": texts(&dealing.commitments),
            "challenge": text(&dealing.challenge),
            "response": text(&dealing.response),
        })).collect::<Value>(),
        "public": text(&public),
        "holders": sharing.holders.iter().map(|h| text(h.share.as_bytes())).collect::<Value>(),
        "share_files": shares.iter().map(|share| text(&share.to_bytes())).collect::<Value>(),
        "compute_key": text(&encode(&key)),
        "evaluation": text(&encode(&evaluation)),
        "evaluation_id": evaluation.id().to_string(),
        "result": texts(&evaluated.ciphertexts),
        "opening_shares": opened.iter().map(|share| json!({
            "bytes": text(&encode(share)),
            "holder": share.holder,
            "point": text(&share.parts[0].point),
            "challenge": text(&share.parts[0].challenge),
            "response": text(&share.parts[0].response),
        })).collect::<Value>(),
        "sum": VALUES.iter().sum::<i64>(),
        "answer": combined.answer.to_string(),
    })
}

fn files() -> Vec<(&'static str, Value)> {
    let mut bfv = Map::new();
    let mut elgamal = Value::Null;
    for (set, form, function) in cases() {
        let value = scheme(set, form, function);
        match set {
            ParameterSet::Sm2ElgamalV1 => elgamal = value,
            _ => {
                bfv.insert(parameters::name(set).into(), value);
            }
        }
    }
    vec![
        ("bfv", bfv.into()),
        ("elgamal", elgamal),
        ("sharing", sharing()),
    ]
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(format!("{file}.json"))
}

#[test]
fn keys_ciphertexts_results_and_shares_are_pinned() {
    for (file, value) in files() {
        let path = path(file);
        if std::env::var_os("SEALWIRE_BLESS").is_some() {
            let text = serde_json::to_string_pretty(&value).expect("plain data");
            std::fs::write(&path, text + "\n").expect("the file can be written");
        }
        let text = std::fs::read_to_string(&path).expect("the file is in the repository");
        let pinned: Value = serde_json::from_str(&text).expect("JSON");
        for (name, value) in value.as_object().expect("a map") {
            assert_eq!(*value, pinned[name], "{file}/{name} changed");
        }
        assert_eq!(value, pinned, "{file} has a field too many");
    }
}
