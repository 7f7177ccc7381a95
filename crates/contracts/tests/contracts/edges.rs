//! Both sides of every limit, and what happens at the moment itself.

use sealwire_contracts::{Action, Code, limits};
use sealwire_envelope::transaction::UserProperty;
use sealwire_envelope::*;
use sealwire_sm::cert::Role;

use crate::world::*;

const T: &str = "acme/dev/t";

/// A certificate is valid from its first to its last second, both included.
#[test]
fn validity_of_a_certificate() {
    let mut world = World::new();
    let begin_s = world.now_s() + 10;
    world.enrol("acme.x", Role::Device, (begin_s, begin_s + 20));
    for (now_s, live) in [
        (begin_s - 1, false),
        (begin_s, true),
        (begin_s + 20, true),
        (begin_s + 21, false),
    ] {
        let decision = world
            .view
            .decide(&client("acme.x"), Action::Connect, now_s * 1000 + 999);
        assert_eq!(decision.is_allowed(), live, "at {}", now_s - begin_s);
        world.skip_s += now_s - world.now_s();
        let outcome = world.run("acme.x", Call::RegisterTopic(claim("acme/user/no")));
        let expected = match now_s {
            _ if live => Code::OutsidePrefix,
            _ if now_s < begin_s => Code::SenderNotYetValid,
            _ => Code::SenderExpired,
        };
        assert_eq!(outcome.code, expected, "at {}", now_s - begin_s);
    }
}

/// An expired certificate makes room for the next one of its client; a revoked one too (see codes).
#[test]
fn an_expired_certificate_can_be_replaced() {
    let mut world = World::new();
    let end_s = world.now_s() + 10;
    world.enrol("acme.x", Role::Device, (VALID_S.0, end_s));
    world.skip_s += end_s - world.now_s();
    let outcome = world.enrol("acme.x", Role::Device, VALID_S);
    assert_eq!(
        outcome.code,
        Code::ClientHasCertificate,
        "still valid in its last second"
    );
    let outcome = world.enrol("acme.x", Role::Device, VALID_S);
    assert_eq!(outcome.code, Code::Applied, "a second later: {outcome}");
}

#[test]
fn a_certificate_can_be_registered_in_its_last_second() {
    let mut world = World::new();
    let now_s = world.now_s();
    let outcome = world.enrol("acme.x", Role::Device, (VALID_S.0, now_s));
    assert_eq!(outcome.code, Code::Applied);
    let outcome = world.enrol("acme.y", Role::Device, (VALID_S.0, now_s));
    assert_eq!(outcome.code, Code::CertificateExpired);
}

/// A grant is void from the second of its expiry on.
#[test]
fn expiry_of_a_grant() {
    let mut world = World::new();
    world.must("acme.dev", Call::RegisterTopic(claim(T)));
    let now_s = world.now_s();
    let until = |expires_s| {
        Call::GrantTopic(GrantTopic {
            expires_s: Some(expires_s),
            ..grant(T, "beta.dev")
        })
    };
    assert_eq!(world.run("acme.dev", until(now_s)).code, Code::GrantExpired);
    let expires_s = world.now_s() + 1;
    world.must("acme.dev", until(expires_s));
    let t = topic(T);
    let may = |now_ms| {
        world
            .view
            .decide(&client("beta.dev"), Action::Publish(&t), now_ms)
    };
    assert!(may(expires_s * 1000 - 1).is_allowed());
    assert!(!may(expires_s * 1000).is_allowed());
}

/// A transaction may be in the block of its expiry height, and in none later.
#[test]
fn expiry_of_a_transaction() {
    let mut world = World::new();
    let height = world.next().height;
    for (ahead, code) in [
        (0, Code::Applied),
        (limits::EXPIRY_WINDOW_BLOCKS, Code::TopicKnown),
        (limits::EXPIRY_WINDOW_BLOCKS + 1, Code::ExpiryTooFar),
    ] {
        let mut tx = world.tx("acme.dev", Call::RegisterTopic(claim(T)));
        tx.body.expiry_height = world.next().height + ahead;
        assert_eq!(
            world.block(vec![tx]).remove(0).code,
            code,
            "{ahead} blocks ahead"
        );
    }
    let mut tx = world.tx("acme.dev", Call::RegisterTopic(claim(T)));
    tx.body.expiry_height = height;
    assert_eq!(world.block(vec![tx]).remove(0).code, Code::Expired);
}

/// Whoever dropped out while a rotation was under way may be named in it; its key isn't stored.
#[test]
fn a_rotation_may_name_those_who_lapsed_and_gives_them_nothing() {
    let mut world = World::new();
    world.must("acme.dev", Call::RegisterTopic(claim(T)));
    let expires_s = Some(world.now_s() + 10);
    let short = GrantTopic {
        expires_s,
        ..grant(T, "acme.user")
    };
    world.must("acme.dev", Call::GrantTopic(short));
    world.must("acme.dev", Call::GrantTopic(grant(T, "beta.dev")));
    world.must("acme.dev", Call::GrantTopic(grant(T, "beta.user")));
    world.skip_s += 20;
    let gone = world.id_of("beta.user");
    world.must("beta.op", revoke_certificate(gone));

    let all = ["acme.dev", "acme.user", "beta.user"];
    world.must(
        "acme.dev",
        Call::RevokeGrant(revoke(T, "beta.dev", 1, &all)),
    );
    let holds = |world: &World, who: &str, epoch| {
        world
            .view
            .sealed_key(&topic(T), KeyEpoch(epoch), &client(who))
            .value
            .is_some()
    };
    assert!(holds(&world, "acme.dev", 1));
    for lapsed in ["acme.user", "beta.user", "beta.dev"] {
        assert!(!holds(&world, lapsed, 1), "{lapsed}");
    }
    // Their grants can be revoked without another rotation: they don't hold the present key.
    let call = RevokeGrant {
        rotation: None,
        ..revoke(T, "acme.user", 2, &[])
    };
    world.must("acme.dev", Call::RevokeGrant(call));
    // A renewed client keeps its grant, and gets the key by being granted again.
    world.enrol("beta.user", Role::User, VALID_S);
    let t = topic(T);
    let now_ms = world.now_s() * 1000;
    assert!(
        world
            .view
            .decide(&client("beta.user"), Action::Read(&t), now_ms)
            .is_allowed()
    );
    let again = GrantTopic {
        epoch: KeyEpoch(1),
        ..grant(T, "beta.user")
    };
    world.must("acme.dev", Call::GrantTopic(again));
    assert!(holds(&world, "beta.user", 1));
}

/// A grant that was revoked can be given again, and is listed once.
#[test]
fn granted_revoked_granted() {
    let mut world = World::new();
    world.must("acme.dev", Call::RegisterTopic(claim(T)));
    for epoch in 0..3 {
        let call = GrantTopic {
            epoch: KeyEpoch(epoch),
            ..grant(T, "beta.dev")
        };
        world.must("acme.dev", Call::GrantTopic(call.clone()));
        world.must("acme.dev", Call::GrantTopic(call));
        assert_eq!(world.view.grants_of_topic(&topic(T)).value.len(), 1);
        world.must(
            "acme.dev",
            Call::RevokeGrant(revoke(T, "beta.dev", epoch + 1, &["acme.dev"])),
        );
        assert_eq!(world.view.grants_of_topic(&topic(T)).value.len(), 0);
    }
    assert_eq!(
        world.view.topic(&topic(T)).value.unwrap().epoch,
        KeyEpoch(3)
    );
}

#[test]
fn packages_at_their_limits() {
    let mut world = World::new();
    world.must("acme.dev", Call::RegisterTopic(claim(T)));
    world.must("acme.dev", Call::GrantTopic(grant(T, "beta.dev")));
    world.must(
        "acme.dev",
        Call::RevokeGrant(revoke(T, "beta.dev", 1, &["acme.dev"])),
    );
    let now_s = world.now_s();
    let latest_ms = now_s * 1000 + limits::CLOCK_AHEAD_MS;
    let good = |seed| anchor(seed, T, "acme.gw", now_s);
    let clients = |count: usize| -> Vec<ClientId> {
        (0..count)
            .map(|n| client(&format!("acme.c{n:03}")))
            .collect()
    };
    let most = limits::CLIENTS_PER_PACKAGE;
    let at_limits = vec![
        Anchor {
            to_ms: latest_ms,
            ..good(1)
        },
        Anchor {
            epoch: Some(KeyEpoch(1)),
            ..good(2)
        },
        Anchor {
            count: limits::MESSAGES_PER_PACKAGE,
            ..good(3)
        },
        Anchor {
            clients: clients(most),
            count: most as u64,
            ..good(4)
        },
        Anchor {
            location: "x".repeat(limits::LOCATION_BYTES),
            ..good(5)
        },
        Anchor {
            count: 1,
            from_ms: good(6).to_ms,
            ..good(6)
        },
    ];
    let beyond = [
        (
            Code::PackageTime,
            Anchor {
                to_ms: latest_ms + 1,
                ..good(7)
            },
        ),
        (
            Code::PackageEpoch,
            Anchor {
                epoch: Some(KeyEpoch(2)),
                ..good(7)
            },
        ),
        (
            Code::PackageCount,
            Anchor {
                clients: clients(most + 1),
                count: 1_000,
                ..good(7)
            },
        ),
        (
            Code::PackageCount,
            Anchor {
                clients: clients(3),
                count: 2,
                ..good(7)
            },
        ),
    ];
    // One block, so that all see the same time.
    let mut transactions = vec![world.tx("acme.gw", anchors(at_limits))];
    let mut expected = vec![Code::Applied];
    for (code, package) in beyond {
        transactions.push(world.tx("acme.gw", anchors(vec![package])));
        expected.push(code);
    }
    let outcomes = world.block(transactions);
    let codes: Vec<_> = outcomes.iter().map(|outcome| outcome.code).collect();
    assert_eq!(codes, expected, "{outcomes:?}");
}

/// The largest event that a gateway makes of the longest names and texts fits.
#[test]
fn the_longest_event_of_a_gateway_fits() {
    let mut world = World::new();
    let who = format!("{}.{}", "o".repeat(32), "n".repeat(64));
    let topic = "t".repeat(256);
    let grant = sealwire_contracts::keys::grant(&client(&who), &topic.parse().unwrap());
    let property = || UserProperty {
        name: "x".repeat(64),
        value: "x".repeat(64),
    };
    let longest = ConnectionEvent {
        address: "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".into(),
        properties: (0..8).map(|_| property()).collect(),
        topic: Some(topic),
        reason: "x".repeat(256),
        grant: Some(Blob(grant)),
        time_ms: u64::MAX,
        height: u64::MAX,
        ..event(&who, EventKind::SubscribeRefused)
    };
    world.must("acme.gw", events(vec![longest]));
}

#[test]
fn an_event_at_its_limit() {
    let mut world = World::new();
    let plain = event("beta.dev", EventKind::Connected);
    let long = |bytes: usize| {
        let mut event = plain.clone();
        event.reason = "x".repeat(1_000);
        let room = bytes - encode(&event).len();
        event.reason.push_str(&"x".repeat(room));
        assert_eq!(encode(&event).len(), bytes);
        events(vec![event])
    };
    world.must("acme.gw", long(limits::EVENT_BYTES));
    let outcome = world.run("acme.gw", long(limits::EVENT_BYTES + 1));
    assert_eq!(outcome.code, Code::EventTooLarge);
}

/// Within one block, each transaction sees what those before it wrote.
#[test]
fn transactions_of_one_block_see_each_other() {
    let mut world = World::new();
    let id = world.id_of("acme.dev");
    let transactions = vec![
        world.tx("acme.dev", Call::RegisterTopic(claim(T))),
        world.tx("acme.dev", Call::GrantTopic(grant(T, "beta.dev"))),
        world.tx("acme.op", revoke_certificate(id)),
        world.tx("acme.dev", Call::RegisterTopic(claim("acme/dev/u"))),
    ];
    let codes: Vec<_> = world
        .block(transactions)
        .iter()
        .map(|outcome| outcome.code)
        .collect();
    assert_eq!(
        codes,
        [
            Code::Applied,
            Code::Applied,
            Code::Applied,
            Code::SenderRevoked
        ]
    );
}
