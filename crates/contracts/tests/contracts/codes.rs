//! Every failure code is reachable, says what it is about, and leaves nothing but its outcome.

use std::collections::BTreeSet;

use sealwire_contracts::keys::StateKey;
use sealwire_contracts::{Code, limits};
use sealwire_envelope::*;
use sealwire_sm::cert::Role;
use sealwire_sm::sm3;

use crate::world::*;

/// A world, and the codes seen in it.
pub struct Case {
    pub world: World,
    seen: BTreeSet<Code>,
}

impl Case {
    fn new() -> Self {
        Self {
            world: World::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Runs the call and checks that it fails with `code`.
    pub fn refuse(&mut self, code: Code, sender: &str, call: Call) {
        let tx = self.world.tx(sender, call);
        self.refuse_tx(code, tx);
    }

    fn refuse_tx(&mut self, code: Code, tx: Transaction) {
        let outcome = self.world.block(vec![tx.clone()]).remove(0);
        assert_eq!(outcome.code, code, "{outcome}");
        assert!(outcome.detail.len() <= sealwire_contracts::outcome::DETAIL_BYTES);
        let (_, _, writes) = self.world.blocks.last().unwrap();
        let keys: Vec<_> = writes
            .iter()
            .map(|(key, _)| StateKey::parse(key).unwrap())
            .collect();
        assert_eq!(
            keys,
            [StateKey::Outcome(tx.id())],
            "{code:?} left more than its outcome"
        );
        let stored = self.world.view.outcome(&tx.id()).value.unwrap();
        assert_eq!((stored.code, stored.detail), (outcome.code, outcome.detail));
        self.seen.insert(code);
    }
}

#[test]
fn every_code_is_reachable() {
    let mut seen = BTreeSet::from([Code::Applied]);
    for part in [
        of_transactions,
        of_identity,
        crate::identity::refusals,
        of_topics,
        of_rotations,
        crate::codes_rights::of_rights,
        crate::codes_rights::of_authorisations,
        of_records,
        of_audit,
        crate::compute::refusals,
    ] {
        let mut case = Case::new();
        part(&mut case);
        seen.extend(case.seen);
    }
    let unreached: Vec<_> = Code::ALL
        .iter()
        .filter(|code| !seen.contains(code))
        .collect();
    assert!(unreached.is_empty(), "no test reaches {unreached:?}");
}

fn of_transactions(case: &mut Case) {
    let call = || Call::RegisterTopic(claim("acme/dev/t"));
    let height = case.world.view.height();

    let mut tx = case.world.tx("acme.dev", call());
    tx.body.chain = ChainId(sm3(&[b"another ledger"]));
    case.refuse_tx(Code::WrongChain, tx);

    let mut tx = case.world.tx("acme.dev", call());
    tx.body.expiry_height = height;
    case.refuse_tx(Code::Expired, tx);

    let mut tx = case.world.tx("acme.dev", call());
    tx.body.expiry_height = case.world.next().height + limits::EXPIRY_WINDOW_BLOCKS + 1;
    case.refuse_tx(Code::ExpiryTooFar, tx);

    let mut tx = case.world.tx("acme.dev", call());
    tx.body.sender = CertId(sm3(&[b"nobody"]));
    case.refuse_tx(Code::UnknownSender, tx);

    case.refuse(Code::RoleNotAllowed, "acme.gw", call());

    let now_s = case.world.now_s();
    case.world
        .enrol("acme.early", Role::Device, (now_s + 1_000, now_s + 2_000));
    case.refuse(Code::SenderNotYetValid, "acme.early", call());
    case.world
        .enrol("acme.late", Role::Device, (now_s - 10, now_s + 10));
    case.world.skip_s += 60;
    case.refuse(Code::SenderExpired, "acme.late", call());

    let id = case.world.id_of("acme.user");
    case.world.must("acme.op", revoke_certificate(id));
    case.refuse(
        Code::SenderRevoked,
        "acme.user",
        Call::RegisterTopic(claim("acme/user/t")),
    );
}

fn of_identity(case: &mut Case) {
    case.seen.insert(Code::Duplicate); // admission::a_transaction_counts_once
    case.refuse(
        Code::CertificateMalformed,
        "acme.op",
        register(b"not a certificate"),
    );
    case.refuse(
        Code::CertificateMalformed,
        "acme.op",
        register(&[0x30; 5_000]),
    );
    let stray = case.world.certify("acme.press 7", Role::Device, VALID_S);
    case.refuse(Code::CertificateMalformed, "acme.op", register(stray.der()));

    let fresh = case.world.certify("acme.new", Role::Device, VALID_S);
    case.refuse(Code::OtherOrganisation, "beta.op", register(fresh.der()));
    let validator = case.world.certify("acme.val2", Role::Validator, VALID_S);
    case.refuse(
        Code::RoleNotRegistrable,
        "acme.op",
        register(validator.der()),
    );

    let mut forged = fresh.der().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    case.refuse(Code::NotIssuedByRoot, "acme.op", register(&forged));

    let old = case
        .world
        .certify("acme.old", Role::Device, (START_S - 20, START_S - 10));
    case.refuse(Code::CertificateExpired, "acme.op", register(old.der()));

    let known = case.world.certificates["acme.dev"].clone();
    case.refuse(Code::CertificateKnown, "acme.op", register(known.der()));
    let second = case
        .world
        .certify("acme.dev", Role::Device, (VALID_S.0, VALID_S.1 - 1));
    case.refuse(
        Code::ClientHasCertificate,
        "acme.op",
        register(second.der()),
    );

    let nobody = CertId(sm3(&[b"nobody"]));
    case.refuse(
        Code::UnknownCertificate,
        "acme.op",
        revoke_certificate(nobody),
    );
    let own = case.world.id_of("acme.op");
    case.refuse(Code::SelfRevocation, "acme.op", revoke_certificate(own));
    let reason = "x".repeat(limits::REASON_BYTES + 1);
    let certificate = case.world.id_of("acme.dev");
    let call = Call::RevokeCertificate(RevokeCertificate {
        certificate,
        reason,
    });
    case.refuse(Code::ReasonInvalid, "acme.op", call);
    case.refuse(
        Code::OtherOrganisation,
        "beta.op",
        revoke_certificate(certificate),
    );
    case.world.must("acme.op", revoke_certificate(certificate));
    case.refuse(
        Code::AlreadyRevoked,
        "acme.op",
        revoke_certificate(certificate),
    );
    // A revoked certificate doesn't come back, but its client may get another.
    case.refuse(Code::CertificateKnown, "acme.op", register(known.der()));
    case.world.must("acme.op", register(second.der()));
}

fn of_topics(case: &mut Case) {
    let reg = Call::RegisterTopic;
    case.refuse(Code::OutsidePrefix, "acme.dev", reg(claim("acme/user/t")));
    case.refuse(Code::OutsidePrefix, "acme.dev", reg(claim("acme/dev")));
    case.refuse(Code::OutsidePrefix, "acme.dev", reg(claim("acme/dev/")));
    case.refuse(Code::OutsidePrefix, "acme.dev", reg(claim("acme/device/t")));
    case.refuse(
        Code::KeyMissing,
        "acme.dev",
        reg(RegisterTopic {
            sealed_key: None,
            ..claim("acme/dev/t")
        }),
    );
    for size in [
        limits::SEALED_KEY_BYTES_MIN - 1,
        limits::SEALED_KEY_BYTES_MAX + 1,
    ] {
        let sealed_key = Some(Blob(vec![0; size]));
        let call = reg(RegisterTopic {
            sealed_key,
            ..claim("acme/dev/t")
        });
        case.refuse(Code::KeyMissing, "acme.dev", call);
    }
    let call = reg(RegisterTopic {
        sealed_key: Some(sealed(1)),
        ..claim_open("acme/dev/t")
    });
    case.refuse(Code::KeyUnexpected, "acme.dev", call);
    case.world.must("acme.dev", reg(claim("acme/dev/t")));
    case.refuse(Code::TopicKnown, "acme.dev", reg(claim_open("acme/dev/t")));

    let good = grant("acme/dev/t", "beta.dev");
    let mut no = |code, sender: &str, call: GrantTopic| {
        case.refuse(code, sender, Call::GrantTopic(call));
    };
    no(
        Code::UnknownTopic,
        "acme.dev",
        grant("acme/dev/u", "beta.dev"),
    );
    no(Code::NotOwner, "beta.dev", good.clone());
    no(
        Code::UnknownGrantee,
        "acme.dev",
        grant("acme/dev/t", "beta.nobody"),
    );
    no(
        Code::GranteeRole,
        "acme.dev",
        grant("acme/dev/t", "beta.gw"),
    );
    no(
        Code::GrantToOwner,
        "acme.dev",
        grant("acme/dev/t", "acme.dev"),
    );
    no(
        Code::RightsEmpty,
        "acme.dev",
        GrantTopic {
            rights: Rights::NONE,
            ..good.clone()
        },
    );
    no(
        Code::GrantExpired,
        "acme.dev",
        GrantTopic {
            expires_s: Some(START_S),
            ..good.clone()
        },
    );
    no(
        Code::GrantRange,
        "acme.dev",
        GrantTopic {
            from_s: Some(2),
            to_s: Some(1),
            ..good.clone()
        },
    );
    let purpose = "x".repeat(limits::PURPOSE_BYTES + 1);
    no(
        Code::PurposeTooLong,
        "acme.dev",
        GrantTopic {
            purpose,
            ..good.clone()
        },
    );
    no(
        Code::WrongEpoch,
        "acme.dev",
        GrantTopic {
            epoch: KeyEpoch(1),
            ..good.clone()
        },
    );
    no(
        Code::KeyMissing,
        "acme.dev",
        GrantTopic {
            sealed_key: None,
            ..good.clone()
        },
    );
    no(
        Code::KeyUnexpected,
        "acme.dev",
        GrantTopic {
            rights: Rights::COMPUTE,
            ..good.clone()
        },
    );

    let id = case.world.id_of("beta.dev");
    case.world.must("beta.op", revoke_certificate(id));
    case.refuse(Code::GranteeNotLive, "acme.dev", Call::GrantTopic(good));
    too_many_readers(case);
}

fn too_many_readers(case: &mut Case) {
    case.world
        .must("acme.user", Call::RegisterTopic(claim_open("acme/user/t")));
    let open = |grantee: &str| {
        Call::GrantTopic(GrantTopic {
            sealed_key: None,
            ..grant("acme/user/t", grantee)
        })
    };
    // Registering 513 devices would be slow: the limit counts entries, so put them there.
    let readers: Vec<_> = (0..limits::READERS_PER_TOPIC)
        .map(|n| client(&format!("beta.r{n:04}")))
        .collect();
    let key = sealwire_contracts::keys::readers(&topic("acme/user/t"));
    let entry = sealwire_contracts::entry::Readers { clients: readers };
    case.world.state.insert(key, encode(&entry));
    case.refuse(Code::TooManyReaders, "acme.user", open("beta.user"));
}

fn of_rotations(case: &mut Case) {
    let world = &mut case.world;
    let (t, open) = ("acme/dev/t", "acme/dev/open");
    world.must("acme.dev", Call::RegisterTopic(claim(t)));
    world.must("acme.dev", Call::RegisterTopic(claim_open(open)));
    for grantee in ["beta.dev", "beta.user", "acme.user"] {
        world.must("acme.dev", Call::GrantTopic(grant(t, grantee)));
    }
    let keyless = GrantTopic {
        sealed_key: None,
        ..grant(open, "beta.dev")
    };
    world.must("acme.dev", Call::GrantTopic(keyless));

    let mut no = |code, sender: &str, call: RevokeGrant| {
        case.refuse(code, sender, Call::RevokeGrant(call));
    };
    let all = ["acme.dev", "acme.user", "beta.user"];
    no(
        Code::UnknownTopic,
        "acme.dev",
        revoke("acme/dev/u", "beta.dev", 1, &all),
    );
    no(Code::NotOwner, "beta.user", revoke(t, "beta.dev", 1, &all));
    no(
        Code::UnknownGrant,
        "acme.dev",
        revoke(t, "beta.nobody", 1, &all),
    );
    no(
        Code::RotationMissing,
        "acme.dev",
        RevokeGrant {
            rotation: None,
            ..revoke(t, "beta.dev", 1, &all)
        },
    );
    no(
        Code::RotationUnexpected,
        "acme.dev",
        revoke(open, "beta.dev", 1, &["acme.dev"]),
    );
    for epoch in [0, 2, u32::MAX] {
        no(
            Code::WrongEpoch,
            "acme.dev",
            revoke(t, "beta.dev", epoch, &all),
        );
    }
    no(
        Code::RotationMissesReader,
        "acme.dev",
        revoke(t, "beta.dev", 1, &["acme.dev", "acme.user"]),
    );
    no(
        Code::RotationMissesReader,
        "acme.dev",
        revoke(t, "beta.dev", 1, &["acme.user", "beta.user"]),
    );
    for stranger in ["beta.dev", "beta.op", "beta.nobody", "acme.dev"] {
        let named = ["acme.dev", "acme.user", "beta.user", stranger];
        no(
            Code::RotationNamesStranger,
            "acme.dev",
            revoke(t, "beta.dev", 1, &named),
        );
    }
    let mut short = revoke(t, "beta.dev", 1, &all);
    short.rotation.as_mut().unwrap().keys[1].sealed = Blob(vec![1; 5]);
    no(Code::KeyMissing, "acme.dev", short);

    case.world.must(
        "acme.dev",
        Call::RevokeGrant(revoke(t, "beta.dev", 1, &all)),
    );
    case.refuse(
        Code::GrantRevoked,
        "acme.dev",
        Call::RevokeGrant(revoke(t, "beta.dev", 2, &all)),
    );
}

fn of_records(case: &mut Case) {
    case.world
        .must("acme.dev", Call::RegisterTopic(claim("acme/dev/t")));
    case.world
        .must("acme.dev", Call::RegisterTopic(claim_open("acme/dev/open")));
    let now_s = case.world.now_s();
    let good = anchor(1, "acme/dev/t", "acme.gw", now_s);
    let open = anchor(2, "acme/dev/open", "acme.gw", now_s);
    let mut no = |code, packages: Vec<Anchor>| case.refuse(code, "acme.gw", anchors(packages));
    no(Code::BatchEmpty, vec![]);
    no(
        Code::BatchTooLarge,
        vec![good.clone(); limits::ANCHORS_PER_CALL + 1],
    );
    no(
        Code::GatewayMismatch,
        vec![Anchor {
            gateway: client("beta.gw"),
            ..good.clone()
        }],
    );
    no(
        Code::UnknownTopic,
        vec![Anchor {
            topic: topic("acme/dev/u"),
            ..good.clone()
        }],
    );
    no(Code::PackageKnown, vec![good.clone(), good.clone()]);
    for count in [0, limits::MESSAGES_PER_PACKAGE + 1] {
        no(
            Code::PackageCount,
            vec![Anchor {
                count,
                ..good.clone()
            }],
        );
    }
    no(
        Code::PackageCount,
        vec![Anchor {
            clients: vec![],
            ..good.clone()
        }],
    );
    let clients = vec![client("acme.dev"), client("acme.user")];
    no(
        Code::PackageCount,
        vec![Anchor {
            clients,
            count: 1,
            ..good.clone()
        }],
    );
    for clients in [["acme.user", "acme.dev"], ["acme.dev", "acme.dev"]] {
        let clients = clients.map(client).to_vec();
        no(
            Code::PackageClients,
            vec![Anchor {
                clients,
                ..good.clone()
            }],
        );
    }
    let from_ms = good.to_ms + 1;
    no(
        Code::PackageTime,
        vec![Anchor {
            from_ms,
            ..good.clone()
        }],
    );
    let to_ms = now_s * 1000 + limits::CLOCK_AHEAD_MS + 3_600_000;
    no(
        Code::PackageTime,
        vec![Anchor {
            to_ms,
            ..good.clone()
        }],
    );
    no(
        Code::PackageEpoch,
        vec![Anchor {
            epoch: Some(KeyEpoch(1)),
            ..good.clone()
        }],
    );
    no(
        Code::PackageEpoch,
        vec![Anchor {
            epoch: None,
            ..good.clone()
        }],
    );
    no(Code::PackageEpoch, vec![open.clone()]);
    let location = "x".repeat(limits::LOCATION_BYTES + 1);
    no(
        Code::LocationTooLong,
        vec![Anchor {
            location,
            ..good.clone()
        }],
    );
    // All or none: the good one before the bad one isn't anchored.
    no(Code::PackageEpoch, vec![good.clone(), open.clone()]);
    let open = Anchor {
        epoch: None,
        ..open
    };
    case.world
        .must("acme.gw", anchors(vec![good.clone(), open]));
    case.refuse(Code::PackageKnown, "acme.gw", anchors(vec![good]));

    let mut no = |code, items: Vec<Retrieval>| case.refuse(code, "acme.gw", retrievals(items));
    no(Code::BatchEmpty, vec![]);
    no(
        Code::BatchTooLarge,
        vec![retrieval(1, "beta.user"); limits::RETRIEVALS_PER_CALL + 1],
    );
    no(
        Code::UnknownPackage,
        vec![retrieval(1, "beta.user"), retrieval(9, "beta.user")],
    );
}

fn of_audit(case: &mut Case) {
    let good = event("beta.dev", EventKind::Connected);
    let mut no = |code, items: Vec<ConnectionEvent>| case.refuse(code, "acme.gw", events(items));
    no(Code::EventsEmpty, vec![]);
    no(
        Code::EventsTooMany,
        vec![good.clone(); limits::EVENTS_PER_CALL + 1],
    );
    let reason = "x".repeat(limits::EVENT_BYTES);
    no(
        Code::EventTooLarge,
        vec![
            good.clone(),
            ConnectionEvent {
                reason,
                ..good.clone()
            },
        ],
    );
    // The largest call that is allowed is applied.
    case.world
        .must("acme.gw", events(vec![good; limits::EVENTS_PER_CALL]));
}

/// Numbers and names are for ever: a change here breaks stored outcomes.
#[test]
fn codes_are_pinned() {
    let mut text = String::new();
    for code in Code::ALL {
        text.push_str(&format!("{} {}\n", code.number(), code.name()));
        assert_eq!(Code::from_number(code.number()), Some(*code));
        let inadmissible = matches!(code.number(), 101..=108 | 110);
        assert_eq!(code.is_inadmissible(), inadmissible);
        assert!(code.text().ends_with('.'), "{code:?} is no sentence");
        let advice = code.text().contains(':') || *code == Code::Applied;
        assert!(advice, "{code:?} doesn't say what to do");
    }
    assert!(
        Code::ALL.is_sorted(),
        "codes must be in the order of their numbers"
    );
    assert_eq!(text, include_str!("../vectors/codes.txt"));
}
