//! Bundles: those that hold, and every way to make one that doesn't; the receipts inside one.

mod model;

use model::{Consortium, Packed, receipt_for};
use sealwire_envelope::{
    decode, encode,
    receipt::{Bundle, RECEIPT_VERSION},
    record::Package,
};
use sealwire_receipt::{BundleError, bundle::receipts, verify, verify_bundle};

fn bundle(consortium: &Consortium, packed: &Packed) -> Bundle {
    Bundle {
        version: RECEIPT_VERSION,
        package: Package {
            manifest: packed.manifest.clone(),
            records: packed.records.iter().cloned().map(Into::into).collect(),
        },
        anchor: receipt_for(consortium, packed, 0, 1).anchor,
    }
}

#[test]
fn a_bundle_holds_and_so_does_every_receipt_in_it() {
    let consortium = Consortium::new(4);
    let packed = Packed::new(37);
    let bundle = bundle(&consortium, &packed);
    let travelled: Bundle = decode(&encode(&bundle)).expect("its own encoding");
    let verified = verify_bundle(&travelled, &consortium.genesis).expect("it holds");
    assert_eq!(verified.anchor, packed.anchor);
    assert_eq!(verified.anchored_height, 9);
    let bytes: usize = packed.records.iter().map(Vec::len).sum();
    assert_eq!(verified.bytes, bytes as u64);
    let all: Vec<_> = receipts(&travelled).collect();
    assert_eq!(all.len(), 37);
    for (index, receipt) in (0..).zip(&all) {
        let verified = verify(receipt, &consortium.genesis).expect("it holds");
        assert_eq!(verified.index, index);
    }
}

#[test]
fn every_change_is_found() {
    type Change = (&'static str, fn(&mut Bundle));
    let consortium = Consortium::new(4);
    let packed = Packed::new(5);
    let changes: [Change; 9] = [
        ("version", |b| b.version = 2),
        ("a byte of a record", |b| b.package.records[3].0[9] ^= 1),
        ("a record left out", |b| drop(b.package.records.pop())),
        ("a record twice", |b| {
            let again = b.package.records[4].clone();
            b.package.records.push(again);
        }),
        ("two records swapped", |b| b.package.records.swap(0, 1)),
        ("the count", |b| b.package.manifest.count += 1),
        ("the root", |b| b.package.manifest.root.0[0] ^= 1),
        ("the gateway", |b| {
            b.package.manifest.gateway = "acme.other".parse().expect("an id");
        }),
        ("the anchor", |b| b.anchor.value = None),
    ];
    for (what, change) in changes {
        let mut changed = bundle(&consortium, &packed);
        change(&mut changed);
        let refused = verify_bundle(&changed, &consortium.genesis);
        assert!(refused.is_err(), "{what} went unnoticed");
    }
    let mut other = Consortium::new(4).genesis;
    other.name = "another ledger".to_owned();
    let refused = verify_bundle(&bundle(&consortium, &packed), &other);
    assert!(matches!(refused, Err(BundleError::Anchor(_))));
}
