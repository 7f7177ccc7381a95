//! Fuzz targets for everything that decodes bytes from outside.
//!
//! ```text
//! cd fuzz && cargo run --release --bin seeds && cargo +nightly fuzz run receipt
//! ```
//!
//! The decoders and their seeds are those of `crates/envelope/tests/hostile_bytes.rs`, which is
//! the short form of this on the stable toolchain. A target fails if a decoder panics, accepts
//! bytes that aren't canonical, or if a verifier accepts what it can't have been given. The readers
//! of computing are those of `crates/compute/tests/hostile_bytes.rs`. What a TLS
//! port reads first is in [`tls`]; its short form is `crates/tls/tests/hostile.rs`.

use std::sync::OnceLock;

use sealwire_envelope::{
    Genesis, decode as decode_cbor,
    proof::StateProof,
    receipt::{ProvenEntry, Receipt, ResultReceipt},
};
use sealwire_receipt::{state, verify, verify_entry};
use sealwire_sm::sm3;

#[path = "../../crates/envelope/tests/corpus/mod.rs"]
pub mod corpus;
#[path = "../../crates/compute/tests/corpus/mod.rs"]
pub mod readers;
pub mod tls;

/// Hand `data` to the decoders of these names.
///
/// # Panics
/// If there is no such decoder, or one of them accepts bytes that aren't canonical.
pub fn decode(names: &[&str], data: &[u8]) {
    static CORPUS: OnceLock<Vec<corpus::Entry>> = OnceLock::new();
    let corpus = CORPUS.get_or_init(corpus::all);
    for name in names {
        let entry = corpus.iter().find(|entry| entry.name == *name);
        let entry = entry.unwrap_or_else(|| panic!("no decoder is called {name}"));
        let _ = (entry.decoder)(data);
    }
}

/// Hand `data` but for its first byte to the reader of computing that this byte names.
///
/// # Panics
/// If the reader accepts bytes that mean something else.
pub fn compute(data: &[u8]) {
    static READERS: OnceLock<Vec<readers::Entry>> = OnceLock::new();
    let readers = READERS.get_or_init(readers::all);
    let Some((which, bytes)) = data.split_first() else {
        return;
    };
    if let Some(reader) = readers.get(usize::from(*which)) {
        let _ = (reader.decoder)(bytes);
    }
}

/// Verify whatever proof `data` is, under a root that no proof leads to.
///
/// # Panics
/// If the proof holds all the same.
pub fn verify_proof(data: &[u8]) {
    let root = sm3(&[b"no state has this root"]);
    match decode_cbor::<StateProof>(data) {
        Ok(StateProof::Inclusion(proof)) => {
            assert!(state::verify_inclusion(&root, b"key", b"value", &proof).is_err());
        }
        Ok(StateProof::Exclusion(proof)) => {
            assert!(state::verify_absence(&root, b"key", &proof).is_err());
        }
        Err(_) => {}
    }
}

/// Verify whatever receipt or entry `data` is against the pinned genesis.
///
/// # Panics
/// If one holds that isn't pinned.
pub fn verify_receipt(data: &[u8]) {
    static PINNED: OnceLock<(Genesis, Vec<Vec<u8>>)> = OnceLock::new();
    let (genesis, pinned) = PINNED.get_or_init(|| {
        let text = include_str!("../../crates/receipt/vectors/receipt.json");
        let vector: serde_json::Value = serde_json::from_str(text).expect("the vector");
        let genesis = Genesis::from_json(vector["genesis"].to_string().as_bytes());
        let bytes = ["receipt", "absence"]
            .map(|name| hex::decode(vector[name].as_str().expect("text")).expect("hexadecimal"));
        (genesis.expect("a genesis"), bytes.into())
    });
    let receipt =
        decode_cbor::<Receipt>(data).is_ok_and(|receipt| verify(&receipt, genesis).is_ok());
    let entry = decode_cbor::<ProvenEntry>(data);
    let entry = entry.is_ok_and(|entry| verify_entry(&entry, genesis).is_ok());
    assert!(!(receipt || entry) || pinned.iter().any(|known| known == data));
}

/// Verifies a result receipt from genesis. Only what is pinned may hold.
///
/// # Panics
/// If one holds that isn't pinned.
pub fn verify_result(data: &[u8]) {
    static PINNED: OnceLock<(Genesis, Vec<u8>)> = OnceLock::new();
    let (genesis, pinned) = PINNED.get_or_init(|| {
        let text = include_str!("../../crates/receipt/vectors/result.json");
        let vector: serde_json::Value = serde_json::from_str(text).expect("the vector");
        let genesis = Genesis::from_json(vector["genesis"].to_string().as_bytes());
        let bytes = hex::decode(vector["receipt"].as_str().expect("text")).expect("hexadecimal");
        (genesis.expect("a genesis"), bytes)
    });
    let holds = decode_cbor::<ResultReceipt>(data)
        .is_ok_and(|receipt| sealwire_receipt::verify_result(&receipt, genesis).is_ok());
    assert!(!holds || pinned == data);
}
