//! State keys and entries, byte for byte: what is stored can't change by accident.
//!
//! The expected text lies in `tests/vectors/`. Where a change is meant, write what the failing test
//! prints into the file, and say in the commit why old ledgers still work or need not.

use sealwire_contracts::entry::*;
use sealwire_contracts::keys::{NotAStateKey, Position, StateKey};
use sealwire_contracts::{Code, Reason};
use sealwire_envelope::*;
use sealwire_sm::cert::Role;
use sealwire_sm::{Sm3Digest, sm3};

use crate::world::*;

fn all_keys() -> Vec<StateKey> {
    let digest = Sm3Digest([0xab; 32]);
    let at = Position {
        height: 0x0102,
        tx: 3,
        item: 4,
    };
    let (who, name) = (client("acme.press-7"), topic("acme/press-7/temp"));
    vec![
        StateKey::Consortium,
        StateKey::Organisation("acme".parse().unwrap()),
        StateKey::Certificate(CertId(digest)),
        StateKey::Client(who.clone()),
        StateKey::Topic(name.clone()),
        StateKey::Readers(name.clone()),
        StateKey::Grant {
            grantee: who.clone(),
            topic: name.clone(),
        },
        StateKey::SealedKey {
            topic: name.clone(),
            epoch: KeyEpoch(0x2f),
            client: who.clone(),
        },
        StateKey::Package(PackageId(digest)),
        StateKey::TopicPackage {
            topic: name,
            to_ms: 0x2f00,
            package: PackageId(digest),
        },
        StateKey::Retrieval {
            package: PackageId(digest),
            at,
        },
        StateKey::Batch {
            gateway: who.clone(),
            height: 0x2f2f,
            tx: 1,
        },
        StateKey::Event {
            client: who,
            kind: 0x2f,
            at,
        },
        StateKey::Outcome(TxId(digest)),
        StateKey::Template {
            org: "acme".parse().unwrap(),
            role: Role::Device,
        },
        StateKey::Enrolment(EnrolmentId(digest)),
        StateKey::EnrolmentOf {
            org: "acme".parse().unwrap(),
            id: EnrolmentId(digest),
        },
        StateKey::ComputeKey(ComputeKeyId(digest)),
        StateKey::ComputeKeyOf {
            owner: client("acme.press-7"),
            id: ComputeKeyId(digest),
        },
        StateKey::LiveComputeKeys(client("acme.press-7")),
        StateKey::Evaluation(EvaluationId(digest)),
        StateKey::KeyEvaluation {
            key: ComputeKeyId(digest),
            time_ms: 0x2f00,
            id: EvaluationId(digest),
        },
        StateKey::TopicEvaluation {
            topic: topic("acme/press-7/temp"),
            time_ms: 0x2f00,
            id: EvaluationId(digest),
        },
    ]
}

#[test]
fn keys_are_pinned() {
    let mut text = String::new();
    for key in all_keys() {
        let bytes = key.to_bytes();
        assert_eq!(StateKey::parse(&bytes), Ok(key));
        text.push_str(&hex::encode(&bytes));
        text.push('\n');
    }
    assert_eq!(text, include_str!("../vectors/keys.txt"), "\n{text}");
}

/// Only what a constructor makes is a key: no byte may be missing or too many.
#[test]
fn other_bytes_are_no_keys() {
    for key in all_keys() {
        let bytes = key.to_bytes();
        for cut in 0..bytes.len() {
            if let Ok(other) = StateKey::parse(&bytes[..cut]) {
                assert_eq!(other.to_bytes(), &bytes[..cut], "{key:?} cut at {cut}");
            }
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(
            StateKey::parse(&longer),
            Err(NotAStateKey),
            "{key:?} and a byte"
        );
    }
    for bytes in [
        &b""[..],
        b"x",
        b"c/consortium2",
        b"i/client/ACME.x",
        b"t/topic/a/+",
        b"tx/short",
    ] {
        assert_eq!(StateKey::parse(bytes), Err(NotAStateKey));
    }
}

#[test]
fn histories_sort_by_time() {
    let who = client("acme.gw");
    let key = |height, tx| sealwire_contracts::keys::batch(&who, height, tx);
    let times = [
        (0, 0),
        (0, 1),
        (1, 0),
        (255, 9),
        (256, 0),
        (256, 256),
        (u64::MAX, u32::MAX),
    ];
    assert!(times.map(|(height, tx)| key(height, tx)).is_sorted());
}

#[test]
fn entries_are_pinned() {
    let at = Moment {
        height: 7,
        time_ms: 1_760_000_000_000,
    };
    let who = client("acme.press-7");
    let entries: Vec<(&str, Vec<u8>)> = vec![
        (
            "certificate",
            encode(&CertificateEntry {
                client: who.clone(),
                role: Role::Device,
                not_before_s: 1,
                not_after_s: 2,
                public_key: Blob(vec![2; 33]),
                der: Blob(vec![0x30; 4]),
                registered: at,
                revoked: Some(Revocation {
                    at,
                    by: client("acme.op"),
                    reason: "lost".into(),
                }),
                suspensions: vec![Suspension {
                    from: Revocation {
                        at,
                        by: client("acme.op"),
                        reason: "odd".into(),
                    },
                    until: None,
                }],
            }),
        ),
        (
            "client",
            encode(&ClientEntry {
                certificate: CertId(sm3(&[b"x"])),
                since: at,
            }),
        ),
        (
            "topic",
            encode(&TopicEntry {
                owner: who.clone(),
                mode: TopicMode::Sealed,
                epoch: KeyEpoch(3),
                registered: at,
                changed: None,
                closed: Some(Closure {
                    at,
                    by: who.clone(),
                    reason: "scrapped".into(),
                }),
            }),
        ),
        (
            "readers",
            encode(&Readers {
                clients: vec![who.clone()],
            }),
        ),
        (
            "grant",
            encode(&GrantEntry {
                rights: Rights::READ | Rights::SUBSCRIBE,
                expires_s: Some(9),
                from_s: None,
                to_s: Some(8),
                purpose: "maintenance".into(),
                epoch: KeyEpoch(3),
                granted: at,
                revoked: None,
            }),
        ),
        (
            "sealed-key",
            encode(&SealedKey {
                sealed: Blob(vec![1; 3]),
            }),
        ),
        ("mark", encode(&Mark {})),
        (
            "batch",
            encode(&BatchEntry {
                at,
                items: vec![BatchItem {
                    client: who,
                    kind: 2,
                }],
            }),
        ),
        (
            "outcome",
            encode(&OutcomeEntry {
                at,
                index: 1,
                code: Code::NotOwner,
                detail: "it".into(),
            }),
        ),
    ];
    let entries = entries.into_iter().chain(entries_of_identity(at));
    let entries = entries.chain(entries_of_compute(at));
    let text: String = entries
        .map(|(name, bytes)| format!("{name} {}\n", hex::encode(bytes)))
        .collect();
    assert_eq!(text, include_str!("../vectors/entries.txt"), "\n{text}");
}

fn entries_of_identity(at: Moment) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "template",
            encode(&TemplateEntry {
                template: Template {
                    validity_max_s: 86_400,
                    renewal_s: 3_600,
                },
                at,
                by: client("acme.op"),
            }),
        ),
        (
            "enrolment",
            encode(&EnrolmentEntry {
                client: client("acme.press-7"),
                role: Role::Device,
                key: Blob(vec![2; 33]),
                expires_s: 9,
                opened: at,
                by: client("acme.op"),
                used: Some(EnrolmentUse {
                    certificate: CertId(sm3(&[b"x"])),
                    at,
                }),
                closed: None,
            }),
        ),
    ]
}

fn entries_of_compute(at: Moment) -> Vec<(&'static str, Vec<u8>)> {
    let key = crate::compute::compute_key("acme.press-7", 1);
    let evaluation = crate::compute::evaluation(
        &World::founded(),
        &key,
        "acme.press-7",
        &["acme/press-7/temp"],
    );
    vec![
        (
            "live-keys",
            encode(&LiveKeys {
                keys: vec![key.id()],
            }),
        ),
        ("evaluation", encode(&EvaluationEntry { evaluation, at })),
        (
            "compute-key",
            encode(&ComputeKeyEntry {
                key,
                public_key: Some(Blob(vec![1; 33])),
                registered: at,
                retired: Some(Closure {
                    at,
                    by: client("acme.op"),
                    reason: "leaked".into(),
                }),
            }),
        ),
    ]
}

#[test]
fn reasons_are_pinned() {
    let text: String = Reason::ALL
        .iter()
        .map(|reason| format!("{} {}\n", reason.number(), reason.name()))
        .collect();
    assert_eq!(text, include_str!("../vectors/reasons.txt"), "\n{text}");
    assert!(
        Reason::ALL
            .iter()
            .all(|reason| reason.allows() == (reason.number() < 10))
    );
}
