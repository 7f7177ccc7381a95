//! Receipts and proven entries: those that hold, and every way to make one that doesn't.

mod model;

use model::{Consortium, Packed, absence_for, package, receipt_for, state_with};
use sealwire_envelope::{
    Genesis, decode, encode,
    proof::StateProof,
    receipt::{ProvenEntry, RECEIPT_VERSION, Receipt, package_key},
    record::ArchivedRecord,
};
use sealwire_receipt::{
    Step, finality::FinalityError, merkle, merkle::PathError, state::StateError, verify,
    verify::Cause, verify_entry,
};
use sealwire_sm::sm3;

/// A change to a receipt, what it is, and the step that must fail.
type Change = (&'static str, Step, fn(&mut Receipt));

fn refused(consortium: &Consortium, receipt: &Receipt) -> (Step, Cause) {
    let error = verify(receipt, &consortium.genesis).expect_err("it must not hold");
    (error.step, error.cause)
}

#[test]
fn a_receipt_holds_and_says_what_it_showed() {
    let consortium = Consortium::new(4);
    let packed = Packed::new(37);
    for (index, above) in [(0, 0), (17, 1), (36, 5)] {
        let receipt = receipt_for(&consortium, &packed, index, above);
        let travelled: Receipt = decode(&encode(&receipt)).expect("its own encoding");
        assert_eq!(travelled, receipt);
        let verified = verify(&travelled, &consortium.genesis).expect("it holds");
        assert_eq!(encode(&verified.record), packed.records[index as usize]);
        assert_eq!(verified.digest, sm3(&[&packed.records[index as usize]]));
        assert_eq!((verified.index, verified.anchored_height), (index, 9));
        assert_eq!(verified.anchor, packed.anchor);
        assert_eq!((verified.entry.height, verified.entry.time_ms), (10, 2_010));
        assert_eq!(verified.entry.signers.len(), 3);
        let steps: Vec<_> = verified.steps().iter().map(|held| held.step).collect();
        assert_eq!(
            steps,
            [
                Step::Format,
                Step::Genesis,
                Step::Finality,
                Step::State,
                Step::Anchor,
                Step::Record
            ]
        );
    }
}

#[test]
fn every_link_of_the_chain_is_checked() {
    let changes: &[Change] = &[
        ("version", Step::Format, |r| r.version = 2),
        ("entry version", Step::Format, |r| r.anchor.version = 0),
        ("record byte", Step::Record, |r| r.record[9] ^= 1),
        ("record cut", Step::Record, |r| r.record.truncate(9)),
        ("index", Step::Record, |r| r.index += 1),
        ("index beyond", Step::Record, |r| r.index = 1 << 40),
        ("path", Step::Record, |r| r.path[0].0[0] ^= 1),
        ("path cut", Step::Record, |r| r.path.truncate(2)),
        ("path longer", Step::Record, |r| r.path.push(sm3(&[]))),
        ("key", Step::State, |r| r.anchor.key[7] ^= 1),
        ("value", Step::State, |r| {
            r.anchor.value.as_mut().expect("is some")[40] ^= 1
        }),
        ("no value", Step::State, |r| r.anchor.value = None),
        ("state root", Step::Finality, |r| {
            r.anchor.finality.headers[0].state_root.0[0] ^= 1;
        }),
        ("time", Step::Finality, |r| {
            r.anchor.finality.headers[0].time_ms += 1
        }),
        ("chain", Step::Finality, |r| {
            r.anchor.finality.headers[0].chain.0.0[0] ^= 1
        }),
        ("header version", Step::Finality, |r| {
            r.anchor.finality.headers[0].version = 2
        }),
        ("validators", Step::Finality, |r| {
            r.anchor.finality.headers[0].validators.0[0] ^= 1;
        }),
        ("no headers", Step::Finality, |r| {
            r.anchor.finality.headers.clear()
        }),
        ("a header left out", Step::Finality, |r| {
            drop(r.anchor.finality.headers.remove(1))
        }),
        ("headers swapped", Step::Finality, |r| {
            r.anchor.finality.headers.swap(0, 1)
        }),
        ("certified header left out", Step::Finality, |r| {
            r.anchor.finality.headers.pop();
        }),
        ("a signature", Step::Finality, |r| {
            r.anchor.finality.finality.signatures[1].0[9] ^= 1;
        }),
        ("a signature less", Step::Finality, |r| {
            r.anchor.finality.finality.signatures.pop();
        }),
    ];
    let consortium = Consortium::new(4);
    let good = receipt_for(&consortium, &Packed::new(37), 5, 2);
    verify(&good, &consortium.genesis).expect("it holds before the change");
    for (what, step, change) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        let (failed, cause) = refused(&consortium, &bad);
        assert_eq!(failed, *step, "{what}: {cause}");
    }
}

#[test]
fn another_consortium_refuses_it() {
    let consortium = Consortium::new(4);
    let receipt = receipt_for(&consortium, &Packed::new(3), 1, 0);
    let mut other = consortium.genesis.clone();
    other.name = "other".into();
    let error = verify(&receipt, &other).expect_err("another chain");
    assert!(matches!(
        error.cause,
        Cause::Finality(FinalityError::Chain { height: 10, .. })
    ));
    let mut twice = consortium.genesis.clone();
    twice.orgs[1].validator = twice.orgs[0].validator.clone();
    assert_eq!(
        verify(&receipt, &twice).expect_err("one key twice").step,
        Step::Genesis
    );
    twice.orgs.clear();
    assert_eq!(
        verify(&receipt, &twice).expect_err("no validators").step,
        Step::Genesis
    );
}

#[test]
fn the_entry_must_be_the_anchor_of_its_key() {
    let consortium = Consortium::new(4);
    let packed = Packed::new(3);
    let prove = |key: Vec<u8>, value: Vec<u8>| {
        let state = state_with(&key, &value);
        let mut receipt = receipt_for(&consortium, &packed, 1, 0);
        receipt.anchor.proof = StateProof::Inclusion(state.include(&key));
        receipt.anchor.finality = consortium.finalise(state.root(), 0);
        (receipt.anchor.key, receipt.anchor.value) = (key, Some(value));
        receipt
    };
    // Everything below is proven; it just isn't the anchor.
    let elsewhere = prove(package_key(&package("other")), encode(&packed.record()));
    let mut early = packed.record();
    early.at.height = 11;
    let from_the_future = prove(package_key(&packed.anchor.package), encode(&early));
    let no_anchor = prove(package_key(&packed.anchor.package), b"\x83".to_vec());
    for receipt in [elsewhere, from_the_future, no_anchor] {
        let (step, cause) = refused(&consortium, &receipt);
        assert_eq!(step, Step::Anchor, "{cause}");
        assert!(matches!(cause, Cause::NotAnAnchor { .. }));
    }
    let mut absent = receipt_for(&consortium, &packed, 1, 0);
    absent.anchor = absence_for(&consortium, &package_key(&packed.anchor.package));
    assert_eq!(
        refused(&consortium, &absent),
        (Step::Anchor, Cause::NoAnchor)
    );
}

#[test]
fn a_record_that_a_gateway_packed_wrongly_is_refused() {
    let consortium = Consortium::new(4);
    let changes: [fn(&mut ArchivedRecord); 3] = [
        |record| record.topic = "org001/pump/other".parse().expect("a topic"),
        |record| record.sender = "org001.other".parse().expect("a client"),
        |record| record.received_ms = 1,
    ];
    for change in changes {
        let mut packed = Packed::new(1);
        let mut record: ArchivedRecord = decode(&packed.records[0]).expect("a record");
        change(&mut record);
        packed.records[0] = encode(&record);
        packed.anchor.root = merkle::root_of(&packed.records);
        let (step, cause) = refused(&consortium, &receipt_for(&consortium, &packed, 0, 0));
        assert_eq!(step, Step::Record);
        assert!(matches!(cause, Cause::Misplaced { .. }), "{cause}");
    }
    let mut packed = Packed::new(1);
    packed.records[0].push(0);
    packed.anchor.root = merkle::root_of(&packed.records);
    let (_, cause) = refused(&consortium, &receipt_for(&consortium, &packed, 0, 0));
    assert!(matches!(cause, Cause::Misplaced { .. }), "{cause}");
}

#[test]
fn absence_is_proved_and_presence_is_not_absence() {
    let consortium = Consortium::new(4);
    for n in 0..50 {
        let entry = absence_for(&consortium, format!("absent/{n}").as_bytes());
        let verified = verify_entry(&entry, &consortium.genesis).expect("it holds");
        assert_eq!(verified.value, None);
        let mut present = entry.clone();
        present.value = Some(b"value".to_vec());
        let error = verify_entry(&present, &consortium.genesis).expect_err("a contradiction");
        assert_eq!(
            (error.step, error.cause),
            (Step::State, Cause::Contradiction)
        );
        let mut other = entry.clone();
        other.key = b"present".to_vec();
        let error = verify_entry(&other, &consortium.genesis).expect_err("it is there");
        assert_eq!(error.step, Step::State);
    }
}

#[test]
fn errors_name_the_step_and_the_reason() {
    let consortium = Consortium::new(4);
    let mut receipt = receipt_for(&consortium, &Packed::new(8), 3, 0);
    receipt.record[20] ^= 1;
    let error = verify(&receipt, &consortium.genesis).expect_err("changed");
    assert!(matches!(error.cause, Cause::Path(PathError::Root { .. })));
    let text = error.to_string();
    assert!(text.starts_with("record: the record isn't where"), "{text}");
    receipt.record[20] ^= 1;
    receipt.anchor.key[0] ^= 1;
    let error = verify(&receipt, &consortium.genesis).expect_err("changed");
    assert!(matches!(error.cause, Cause::State(StateError::Root { .. })));
    assert!(error.to_string().starts_with("state: the proof leads to"));
}

/// Whatever bit of an encoded receipt is flipped, it doesn't decode, or it doesn't hold.
#[test]
fn no_flipped_bit_goes_unnoticed() {
    let consortium = Consortium::new(4);
    let receipt = receipt_for(&consortium, &Packed::new(9), 4, 1);
    let bytes = encode(&receipt);
    let rounds = std::env::var("SEALWIRE_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok());
    // Odd, so that every bit of a byte has its turn.
    let step = (bytes.len() * 8 / rounds.unwrap_or(1_500usize)) | 1;
    let (mut undecodable, mut refused) = (0, 0);
    for bit in (0..bytes.len() * 8).step_by(step) {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        match decode::<Receipt>(&bad) {
            Err(_) => undecodable += 1,
            Ok(bad) => {
                assert!(
                    verify(&bad, &consortium.genesis).is_err(),
                    "bit {bit} was flipped and the receipt still holds"
                );
                refused += 1;
            }
        }
    }
    assert!(
        undecodable > 0 && refused > 0,
        "{undecodable} undecodable, {refused} refused"
    );
}

#[test]
fn json_is_for_people() {
    let consortium = Consortium::new(4);
    let receipt = receipt_for(&consortium, &Packed::new(2), 0, 0);
    let json = serde_json::to_value(&receipt).expect("plain data");
    assert_eq!(json["version"], RECEIPT_VERSION);
    assert_eq!(json["record"], hex::encode(&receipt.record));
    assert_eq!(json["anchor"]["finality"]["headers"][0]["height"], 10);
    assert!(json["anchor"]["proof"]["inclusion"]["operation"]["chunk"].is_string());
}

#[test]
fn entries_other_than_anchors_are_proved_the_same_way() {
    let consortium = Consortium::new(7);
    let state = state_with(b"i/cert/x", b"certificate");
    let entry = ProvenEntry {
        version: RECEIPT_VERSION,
        key: b"i/cert/x".to_vec(),
        value: Some(b"certificate".to_vec()),
        proof: StateProof::Inclusion(state.include(b"i/cert/x")),
        finality: consortium.finalise(state.root(), 3),
    };
    let verified = verify_entry(&entry, &consortium.genesis).expect("it holds");
    assert_eq!(verified.value, Some(b"certificate".to_vec().into()));
    assert_eq!(verified.signers.len(), 5);
}

/// One receipt with its genesis, pinned: the formats don't change by accident, and other
/// implementations have something to check against. `SEALWIRE_WRITE_VECTORS=1` writes it anew.
#[test]
fn the_pinned_receipt() {
    #[derive(serde::Deserialize, serde::Serialize, PartialEq, Debug)]
    struct Vector {
        genesis: serde_json::Value,
        receipt: String,
        absence: String,
        block: String,
        record: String,
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/receipt.json");
    let consortium = Consortium::new(4);
    let receipt = receipt_for(&consortium, &Packed::new(11), 6, 2);
    let absence = absence_for(&consortium, b"absent");
    let verified = verify(&receipt, &consortium.genesis).expect("it holds");
    let made = Vector {
        genesis: serde_json::to_value(&consortium.genesis).expect("plain data"),
        receipt: hex::encode(encode(&receipt)),
        absence: hex::encode(encode(&absence)),
        block: verified.entry.block.to_string(),
        record: verified.digest.to_string(),
    };
    if std::env::var_os("SEALWIRE_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&made).expect("plain data") + "\n";
        std::fs::write(path, text).expect("write the vector");
    }
    let text = std::fs::read_to_string(path).expect("read the vector");
    let pinned: Vector = serde_json::from_str(&text).expect("the vector");
    assert_eq!(made, pinned);

    let genesis = Genesis::from_json(pinned.genesis.to_string().as_bytes()).expect("a genesis");
    let bytes = |text: &str| hex::decode(text).expect("hexadecimal");
    let receipt: Receipt = decode(&bytes(&pinned.receipt)).expect("a receipt");
    assert_eq!(verify(&receipt, &genesis).expect("it holds"), verified);
    let absence: ProvenEntry = decode(&bytes(&pinned.absence)).expect("an entry");
    verify_entry(&absence, &genesis).expect("it holds");
}
