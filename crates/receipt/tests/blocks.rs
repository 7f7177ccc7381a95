//! Finality certificates, and what `fsck` says of blocks and packages.

mod model;

use model::{Consortium, Packed, certificate_of, key};
use sealwire_envelope::{BlockBundle, Finality, Header, TxId};
use sealwire_receipt::{
    Validators,
    finality::{FinalityError, Misfit},
    fsck::{BlockFault, PackageFault, TransactionFault, check_block, check_package},
    merkle,
};
use sealwire_sm::{Domain, Sm3Digest, sm3};

fn validators(consortium: &Consortium) -> Validators {
    Validators::of(&consortium.genesis).expect("a sound genesis")
}

#[test]
fn more_than_two_thirds_must_sign() {
    for (organisations, quorum) in [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 3),
        (5, 4),
        (6, 5),
        (7, 5),
        (9, 7),
        (10, 7),
        (17, 12),
    ] {
        let consortium = Consortium::new(organisations);
        let validators = validators(&consortium);
        assert_eq!(validators.quorum(), quorum, "of {organisations}");
        assert!(3 * quorum > 2 * organisations);
        let header = consortium.header(5, sm3(&[]), sm3(&[]));
        let last: Vec<_> = (organisations - quorum..organisations).collect();
        let signed = validators.verify(&header, &consortium.certify(&header, &last));
        assert_eq!(signed.expect("enough"), last);
        let few = consortium.certify(&header, &last[1..]);
        assert_eq!(
            validators.verify(&header, &few),
            Err(FinalityError::Quorum {
                signers: quorum - 1,
                validators: organisations,
                quorum
            })
        );
    }
}

#[test]
fn a_certificate_is_for_one_header_by_these_validators() {
    let consortium = Consortium::new(4);
    let validators = validators(&consortium);
    let header = consortium.header(5, sm3(&[]), sm3(&[]));
    let good = consortium.certify(&header, &[0, 2, 3]);
    validators.verify(&header, &good).expect("it holds");
    let refused = |change: &dyn Fn(&mut Header, &mut Finality)| {
        let (mut header, mut finality) = (header.clone(), good.clone());
        change(&mut header, &mut finality);
        validators
            .verify(&header, &finality)
            .expect_err("it must not hold")
    };
    let subject = |what| FinalityError::Subject { height: 5, what };
    assert_eq!(refused(&|_, f| f.epoch = 1), subject("epoch"));
    assert_eq!(refused(&|_, f| f.view += 1), subject("view"));
    assert_eq!(refused(&|_, f| f.parent_view += 1), subject("parent view"));
    assert_eq!(refused(&|_, f| f.payload.0[0] ^= 1), subject("digest"));
    assert_eq!(refused(&|h, _| h.time_ms += 1), subject("digest"));
    assert_eq!(refused(&|h, _| h.state_root.0[0] ^= 1), subject("digest"));
    let wrong = |validator| FinalityError::Signature {
        validator,
        height: 5,
    };
    assert_eq!(refused(&|_, f| f.signatures.swap(0, 1)), wrong(0));
    assert_eq!(refused(&|_, f| f.signatures[2] = f.signatures[0]), wrong(3));
    assert_eq!(refused(&|_, f| f.signers = vec![0b0111].into()), wrong(1));
    // The same epoch, view and digest, signed for something else than finality.
    let notarised = [b"sealwire notarize ".as_slice(), &consortium.vote(&header)].concat();
    let signature = consortium.validators[0].sign(Domain::VOTE, &notarised);
    assert_eq!(refused(&|_, f| f.signatures[0] = signature), wrong(0));
    let other_domain =
        consortium.validators[0].sign(Domain::TRANSACTION, &consortium.vote(&header));
    assert_eq!(refused(&|_, f| f.signatures[0] = other_domain), wrong(0));
}

#[test]
fn bitmaps_have_one_form() {
    let consortium = Consortium::new(4);
    let validators = validators(&consortium);
    let header = consortium.header(5, sm3(&[]), sm3(&[]));
    let good = consortium.certify(&header, &[0, 1, 2]);
    let refused = |bitmap: Vec<u8>, signatures: usize| {
        let mut finality = good.clone();
        finality.signers = bitmap.into();
        finality.signatures = good
            .signatures
            .iter()
            .cycle()
            .take(signatures)
            .copied()
            .collect();
        validators
            .verify(&header, &finality)
            .expect_err("it must not hold")
    };
    let misfit = |bytes| FinalityError::Bitmap {
        bytes,
        validators: 4,
    };
    assert_eq!(refused(vec![], 3), misfit(0));
    assert_eq!(refused(vec![0b0111, 0], 3), misfit(2));
    assert_eq!(refused(vec![0b1_0111], 4), misfit(1));
    let count = |signers, signatures| FinalityError::Signatures {
        signers,
        signatures,
    };
    assert_eq!(refused(vec![0b0111], 2), count(3, 2));
    assert_eq!(refused(vec![0b0111], 4), count(3, 4));
    assert_eq!(refused(vec![0b0001], 3), count(1, 3));
    assert!(matches!(
        refused(vec![0b0011], 2),
        FinalityError::Quorum { signers: 2, .. }
    ));
    assert!(matches!(
        refused(vec![0], 0),
        FinalityError::Quorum { signers: 0, .. }
    ));
}

#[test]
fn headers_above_must_descend_from_the_proven_one() {
    let consortium = Consortium::new(4);
    let validators = validators(&consortium);
    let good = consortium.finalise(sm3(&[b"state"]), 3);
    let (header, signers) = validators.verify_proof(&good).expect("it holds");
    assert_eq!((header.height, signers.len()), (10, 3));
    for (what, change) in [
        (
            Misfit::Height,
            (|h: &mut Header| h.height += 1) as fn(&mut Header),
        ),
        (Misfit::Parent, |h| h.parent.0[0] ^= 1),
        (Misfit::Time, |h| h.time_ms = 0),
    ] {
        let mut bad = good.clone();
        change(&mut bad.headers[1]);
        match validators.verify_proof(&bad) {
            Err(FinalityError::Link {
                before: 10,
                what: found,
                ..
            }) => assert_eq!(found, what),
            other => panic!("{what}: {other:?}"),
        }
    }
    let mut endless = good.clone();
    endless.headers = vec![good.headers[0].clone(); 5_000];
    assert_eq!(
        validators.verify_proof(&endless),
        Err(FinalityError::Headers { count: 5_000 })
    );
}

struct Block {
    consortium: Consortium,
    parent: Header,
    bundle: BlockBundle,
}

fn block() -> Block {
    let consortium = Consortium::new(4);
    let parent = consortium.header(4, sm3(&[]), sm3(&[]));
    let bundle = consortium.bundle(&parent, &key("sender"), 5);
    Block {
        consortium,
        parent,
        bundle,
    }
}

fn faults(block: &Block, bundle: &BlockBundle) -> Vec<BlockFault> {
    let sender = key("sender");
    check_block(
        bundle,
        Some(&block.parent),
        &validators(&block.consortium),
        |certificate| {
            (*certificate == certificate_of(&sender)).then(|| sender.public_key().clone())
        },
    )
}

#[test]
fn a_sound_block_has_no_faults() {
    let block = block();
    assert_eq!(faults(&block, &block.bundle), []);
    let mut uncertified = block.bundle.clone();
    uncertified.finality = None;
    assert_eq!(faults(&block, &uncertified), []);
    let empty = block.consortium.bundle(&block.parent, &key("sender"), 0);
    assert_eq!(faults(&block, &empty), []);
}

#[test]
fn every_fault_of_a_block_is_found() {
    let block = block();
    let with = |change: &dyn Fn(&mut BlockBundle)| {
        let mut bundle = block.bundle.clone();
        change(&mut bundle);
        faults(&block, &bundle)
    };
    let id = |index: usize| block.bundle.transactions[index].id();
    let transaction = |index: usize, id: TxId, why| BlockFault::Transaction { index, id, why };

    let found = with(&|b| b.transactions[3].signature.0[5] ^= 1);
    assert!(
        found.contains(&transaction(3, id(3), TransactionFault::Signature)),
        "{found:?}"
    );
    assert!(
        matches!(found[0], BlockFault::TransactionsRoot { .. }),
        "{found:?}"
    );

    let found = with(&|b| b.transactions[1] = b.transactions[0].clone());
    assert!(
        found.contains(&transaction(1, id(0), TransactionFault::Twice)),
        "{found:?}"
    );

    let stranger = block.consortium.transaction(&key("stranger"), 9);
    let found = with(&|b| b.transactions.push(stranger.clone()));
    assert!(found.contains(&transaction(5, stranger.id(), TransactionFault::Sender)));

    let abroad = Consortium::new(5).transaction(&key("sender"), 9);
    let found = with(&|b| b.transactions.push(abroad.clone()));
    assert!(found.contains(&transaction(5, abroad.id(), TransactionFault::Chain)));

    let found = with(&|b| b.transactions.swap(0, 1));
    assert!(
        matches!(found[..], [BlockFault::TransactionsRoot { .. }]),
        "{found:?}"
    );

    let found = with(&|b| b.header.parent = Sm3Digest::ZERO);
    assert!(matches!(
        found[..],
        [
            BlockFault::Header(FinalityError::Link {
                what: Misfit::Parent,
                ..
            }),
            BlockFault::Finality(_)
        ]
    ));
    let found = with(&|b| b.header.time_ms = 1);
    assert!(matches!(
        found[0],
        BlockFault::Header(FinalityError::Link {
            what: Misfit::Time,
            ..
        })
    ));
    let found = with(&|b| b.header.validators = Sm3Digest::ZERO);
    assert!(matches!(
        found[0],
        BlockFault::Header(FinalityError::ValidatorSet { .. })
    ));
    let found = with(&|b| {
        b.finality.as_mut().expect("is some").signatures[0].0[0] ^= 1;
    });
    assert_eq!(
        found,
        [BlockFault::Finality(FinalityError::Signature {
            validator: 0,
            height: 5
        })]
    );
}

#[test]
fn every_fault_of_a_package_is_found() {
    let packed = Packed::new(20);
    let leaves: Vec<_> = packed
        .records
        .iter()
        .map(|record| merkle::leaf(record))
        .collect();
    let check = |packed: &Packed, leaves: &[Sm3Digest]| {
        check_package(&packed.anchor, &packed.manifest, &packed.records, leaves)
    };
    assert_eq!(check(&packed, &leaves), []);
    assert_eq!(check(&packed, &[]), []);
    let package = packed.anchor.package;

    // One byte anywhere in any record: which record is known, and that the root is wrong.
    for at in 0..packed.records[13].len() {
        let mut bad = Packed::new(20);
        bad.records[13][at] ^= 0x20;
        let found = check(&bad, &leaves);
        assert!(
            found.contains(&PackageFault::Record { package, index: 13 }),
            "byte {at}"
        );
        assert!(
            matches!(found.last(), Some(PackageFault::Root { .. })),
            "byte {at}"
        );
        assert!(matches!(
            check(&bad, &[]).last(),
            Some(PackageFault::Root { .. })
        ));
    }
    let mut bad = Packed::new(20);
    bad.records.pop();
    let found = check(&bad, &leaves);
    assert!(found.contains(&PackageFault::Count {
        package,
        expected: 20,
        found: 19
    }));
    assert!(matches!(found.last(), Some(PackageFault::Root { .. })));

    let mut bad = Packed::new(20);
    bad.records.swap(2, 3);
    assert_eq!(check(&bad, &leaves).len(), 3);

    let mut bad = Packed::new(20);
    bad.manifest.first += 1;
    assert_eq!(
        check(&bad, &leaves),
        [PackageFault::Manifest {
            package,
            what: "id"
        }]
    );
}
