//! What the view answers and decides, and what an answer rests on.

use std::collections::BTreeSet;

use sealwire_contracts::keys::{self, Position};
use sealwire_contracts::{Action, Decision, Page, Reason};
use sealwire_envelope::*;
use sealwire_sm::cert::Role;
use sealwire_sm::sm3;

use crate::world::*;

const T: &str = "acme/dev/t";

/// beta.dev may publish and read until some time; beta.user had a grant; acme.user has compute alone.
fn world() -> World {
    let mut world = World::new();
    world.must("acme.dev", Call::RegisterTopic(claim(T)));
    world.must("acme.dev", Call::RegisterTopic(claim("acme/dev/t/deeper")));
    let rights = Rights::PUBLISH | Rights::READ;
    let expires_s = Some(world.now_s() + 1_000);
    let partial = GrantTopic {
        rights,
        expires_s,
        from_s: Some(1),
        ..grant(T, "beta.dev")
    };
    world.must("acme.dev", Call::GrantTopic(partial));
    world.must("acme.dev", Call::GrantTopic(grant(T, "beta.user")));
    let compute = GrantTopic {
        rights: Rights::COMPUTE,
        sealed_key: None,
        ..grant(T, "acme.user")
    };
    world.must("acme.dev", Call::GrantTopic(compute));
    world.must(
        "acme.dev",
        Call::RevokeGrant(revoke(T, "beta.user", 1, &["acme.dev", "beta.dev"])),
    );
    world
}

fn decide(world: &World, who: &str, action: Action<'_>) -> Decision {
    world
        .view
        .decide(&client(who), action, world.now_s() * 1000)
}

fn filter(text: &str) -> TopicFilter {
    text.parse().unwrap()
}

#[test]
fn every_reason_is_reachable() {
    let mut world = world();
    let now_s = world.now_s();
    world.enrol(
        "acme.early",
        Role::Device,
        (now_s + 100_000, now_s + 200_000),
    );
    world.enrol("acme.late", Role::Device, (now_s - 10, now_s + 10));
    world.enrol("acme.lost", Role::Device, VALID_S);
    let lost = world.id_of("acme.lost");
    world.must("acme.op", revoke_certificate(lost));
    world.enrol("acme.paused", Role::Device, VALID_S);
    let paused = world.id_of("acme.paused");
    world.must("acme.op", crate::identity::suspend(paused));
    world.skip_s += 100;
    let (t, unknown) = (topic(T), topic("acme/dev/u"));
    let (wild, other) = (filter("acme/dev/#"), filter("acme/+/t"));
    let mut seen = BTreeSet::new();
    let mut expect = |who: &str, action: Action<'_>, reason: Reason| {
        let decision = decide(&world, who, action);
        assert_eq!(decision.reason, reason, "{who} {action:?}");
        assert_eq!(decision.height, world.view.height());
        seen.insert(reason);
    };
    expect("acme.dev", Action::Connect, Reason::MayConnect);
    expect("acme.dev", Action::Publish(&t), Reason::Owner);
    expect("acme.dev", Action::Subscribe(&wild), Reason::Owner);
    expect("beta.dev", Action::Publish(&t), Reason::Granted);
    expect("acme.user", Action::Compute(&t), Reason::Granted);
    expect("acme.nobody", Action::Connect, Reason::UnknownClient);
    expect("acme.lost", Action::Connect, Reason::CertificateRevoked);
    expect("acme.paused", Action::Connect, Reason::CertificateSuspended);
    expect(
        "acme.early",
        Action::Connect,
        Reason::CertificateNotYetValid,
    );
    expect("acme.late", Action::Connect, Reason::CertificateExpired);
    for who in ["acme.op", "acme.gw", "acme.val"] {
        expect(who, Action::Connect, Reason::RoleNotAllowed);
        expect(who, Action::Publish(&t), Reason::RoleNotAllowed);
    }
    expect("acme.dev", Action::Publish(&unknown), Reason::UnknownTopic);
    expect(
        "beta.dev",
        Action::Subscribe(&t.to_filter()),
        Reason::RightNotGranted,
    );
    expect("beta.dev", Action::Compute(&t), Reason::RightNotGranted);
    expect("beta.user", Action::Read(&t), Reason::GrantRevoked);
    expect(
        "beta.dev",
        Action::Publish(&topic("acme/dev/t/deeper")),
        Reason::NoGrant,
    );
    expect(
        "beta.dev",
        Action::Subscribe(&other),
        Reason::FilterNotCovered,
    );
    let late_ms = (now_s + 5_000) * 1000;
    let late = world
        .view
        .decide(&client("beta.dev"), Action::Read(&t), late_ms);
    assert_eq!(late.reason, Reason::GrantExpired);
    seen.insert(late.reason);
    // Their own tests are in `decisions.rs`.
    seen.extend([Reason::TopicClosed, Reason::VerifyOpenTopic]);
    let missing: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !seen.contains(reason))
        .collect();
    assert!(missing.is_empty(), "no test reaches {missing:?}");
}

/// A filter is allowed only if everything it can match is the client's own or granted.
#[test]
fn a_filter_must_be_covered_wholly() {
    let mut world = world();
    world.must(
        "acme.dev",
        Call::RevokeGrant(revoke(T, "beta.dev", 2, &["acme.dev"])),
    );
    let again = GrantTopic {
        epoch: KeyEpoch(2),
        ..grant(T, "beta.dev")
    };
    world.must("acme.dev", Call::GrantTopic(again));
    for (who, text, allowed) in [
        ("acme.dev", "acme/dev/#", true),
        ("acme.dev", "acme/dev/+", true),
        ("acme.dev", "acme/dev/+/deeper", true),
        ("acme.dev", "acme/+/t", false),
        ("acme.dev", "acme/#", false),
        ("acme.dev", "acme/dev+", false),
        ("acme.dev", "#", false),
        ("acme.dev", "+/dev/t", false),
        ("acme.user", "acme/dev/#", false),
        ("beta.dev", T, true),
        ("beta.dev", "acme/dev/t/#", false),
        ("beta.dev", "acme/dev/+", false),
        ("beta.dev", "acme/dev/t/deeper", false),
        ("beta.dev", "beta/dev/#", true),
        ("beta.dev", "beta/device/#", false),
    ] {
        let Ok(filter) = text.parse::<TopicFilter>() else {
            assert!(!allowed, "{text} is no filter");
            continue;
        };
        let decision = decide(&world, who, Action::Subscribe(&filter));
        assert_eq!(
            decision.is_allowed(),
            allowed,
            "{who} {text}: {}",
            decision.reason
        );
    }
}

/// A decision names everything it rests on: the same entries alone give the same decision.
#[test]
fn a_decision_can_be_checked_from_its_keys_alone() {
    let world = world();
    let (t, now_ms) = (topic(T), world.now_s() * 1000);
    for who in [
        "acme.dev",
        "beta.dev",
        "beta.user",
        "acme.user",
        "acme.op",
        "acme.nobody",
    ] {
        for action in [
            Action::Connect,
            Action::Publish(&t),
            Action::Read(&t),
            Action::Compute(&t),
        ] {
            let decision = world.view.decide(&client(who), action, now_ms);
            let entries = decision.keys.iter().filter_map(|key| {
                world
                    .view
                    .entry(key)
                    .map(|entry| (key.clone(), entry.to_vec()))
            });
            let alone = sealwire_contracts::View::load(decision.height, 0, entries);
            assert_eq!(alone.decide(&client(who), action, now_ms), decision);
        }
    }
    let granted = world
        .view
        .decide(&client("beta.dev"), Action::Read(&t), now_ms);
    assert_eq!(
        granted.grant_key,
        Some(keys::grant(&client("beta.dev"), &t))
    );
    assert_eq!(granted.grant.unwrap().from_s, Some(1));
    assert_eq!(granted.certificate, Some(world.id_of("beta.dev")));
    assert_eq!(granted.topic.unwrap().epoch, KeyEpoch(1));
}

/// Looking further is never needed, however much is granted: four entries at most.
#[test]
fn a_decision_looks_at_four_entries_at_most() {
    let mut world = world();
    for n in 0..50 {
        let name = format!("acme/dev/more/{n}");
        world.must("acme.dev", Call::RegisterTopic(claim_open(&name)));
        let open = GrantTopic {
            sealed_key: None,
            ..grant(&name, "beta.dev")
        };
        world.must("acme.dev", Call::GrantTopic(open));
    }
    let t = topic("acme/dev/more/49");
    let (owner, granted) = ("acme.dev", "beta.dev");
    assert_eq!(decide(&world, owner, Action::Connect).keys.len(), 2);
    assert_eq!(decide(&world, owner, Action::Publish(&t)).keys.len(), 3);
    assert_eq!(decide(&world, granted, Action::Publish(&t)).keys.len(), 4);
    assert_eq!(
        decide(&world, granted, Action::Subscribe(&filter("#")))
            .keys
            .len(),
        2
    );
}

#[test]
fn clients_and_certificates() {
    let mut world = world();
    let dev = world.view.client(&client("acme.dev"));
    let record = dev.value.unwrap();
    assert_eq!(record.certificate_id, world.id_of("acme.dev"));
    assert_eq!(record.certificate.role, Role::Device);
    assert_eq!(
        record.status,
        sealwire_contracts::entry::CertificateStatus::Live
    );
    assert_eq!(
        dev.keys,
        [
            keys::client(&client("acme.dev")),
            keys::certificate(&record.certificate_id)
        ]
    );

    let absent = world.view.client(&client("acme.nobody"));
    assert_eq!(absent.value, None);
    assert_eq!(
        absent.keys,
        [keys::client(&client("acme.nobody"))],
        "absence can be proven too"
    );

    let all = world
        .view
        .clients_of(&"acme".parse().unwrap(), &Page::default());
    let names: Vec<_> = all
        .value
        .iter()
        .map(|record| record.client.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "acme.dev",
            "acme.gw",
            "acme.op",
            "acme.op2",
            "acme.user",
            "acme.val"
        ]
    );

    let old = world.id_of("acme.dev");
    world.must("acme.op", revoke_certificate(old));
    world.enrol("acme.dev", Role::Device, VALID_S);
    let revoked = world.view.certificate(&old).value.unwrap();
    let revocation = revoked.certificate.revoked.unwrap();
    assert_eq!(
        (revocation.by.as_str(), revocation.reason.as_str()),
        ("acme.op", "lost")
    );
    assert_eq!(
        revoked.status,
        sealwire_contracts::entry::CertificateStatus::Revoked
    );
    let renewed = world.view.client(&client("acme.dev")).value.unwrap();
    assert_eq!(renewed.certificate_id, world.id_of("acme.dev"));
    assert_ne!(renewed.certificate_id, old);
}

#[test]
fn organisations_with_a_common_beginning_are_kept_apart() {
    // 'acme.' ends the organisation: 'acme2.x' isn't a client of 'acme'.
    let prefix = keys::clients_of(&"acme".parse().unwrap());
    assert!(keys::client(&client("acme.x")).starts_with(&prefix));
    assert!(!keys::client(&client("acme2.x")).starts_with(&prefix));
    // The end of a topic is marked: 't/deeper' isn't in the history of 't'.
    let prefix = keys::topic_packages(&topic(T));
    let id = PackageId(sm3(&[b"x"]));
    assert!(keys::topic_package(&topic(T), 1, &id).starts_with(&prefix));
    assert!(!keys::topic_package(&topic("acme/dev/t/deeper"), 1, &id).starts_with(&prefix));
}

#[test]
fn topics_grants_and_keys() {
    let world = world();
    let owner = client("acme.dev");
    let topics = world.view.topics_of(&owner, &Page::default()).value;
    let names: Vec<_> = topics.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names, [T, "acme/dev/t/deeper"]);
    let named = |org: &str| {
        let org = org.parse().unwrap();
        let found = world.view.topics_in(&org, &Page::default());
        assert_eq!(found.keys.len(), found.value.len(), "each is proven");
        let names = found.value.iter().map(|it| it.name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(named("acme"), [T, "acme/dev/t/deeper"]);
    assert!(
        named("acm").is_empty(),
        "an organisation's name ends where it ends"
    );
    let grants = world.view.grants_of_topic(&topic(T));
    let names: Vec<_> = grants
        .value
        .iter()
        .map(|record| record.grantee.as_str())
        .collect();
    assert_eq!(names, ["acme.user", "beta.dev"]);
    assert_eq!(grants.keys[0], keys::readers(&topic(T)));
    let to_user = world
        .view
        .grants_to(&client("beta.user"), &Page::default())
        .value;
    assert!(
        to_user[0].grant.revoked.is_some(),
        "a revoked grant stays on record"
    );
    for (who, epoch, has) in [
        ("acme.dev", 0, true),
        ("acme.dev", 1, true),
        ("beta.dev", 1, true),
        ("beta.user", 0, true),
        ("beta.user", 1, false),
        ("acme.user", 0, false),
        ("acme.user", 1, false),
    ] {
        let key = world
            .view
            .sealed_key(&topic(T), KeyEpoch(epoch), &client(who))
            .value;
        assert_eq!(key.is_some(), has, "{who} at epoch {epoch}");
    }
}

#[test]
fn packages_of_a_topic_by_time() {
    let mut world = world();
    let now_s = world.now_s();
    let package = |seed: u8, from_ms: u64, to_ms: u64| Anchor {
        from_ms,
        to_ms,
        ..anchor(seed, T, "acme.gw", now_s)
    };
    let packages = vec![
        package(1, 100, 200),
        package(2, 150, 300),
        package(3, 301, 400),
    ];
    world.must("acme.gw", anchors(packages));
    let other = Anchor {
        topic: topic("acme/dev/t/deeper"),
        ..package(4, 100, 200)
    };
    world.must("acme.gw", anchors(vec![other]));
    let ids = |from_ms, to_ms| {
        let found = world
            .view
            .packages_of(&topic(T), from_ms, to_ms, &Page::default());
        found
            .value
            .iter()
            .map(|entry| entry.anchor.package)
            .collect::<Vec<_>>()
    };
    let id = |seed: u8| PackageId(sm3(&[&[seed]]));
    assert_eq!(ids(0, u64::MAX), [id(1), id(2), id(3)]);
    assert_eq!(ids(200, 300), [id(1), id(2)]);
    assert_eq!(ids(201, 300), [id(2)]);
    assert_eq!(ids(0, 99), []);
    assert_eq!(ids(401, u64::MAX), []);
    let newest = |from_ms, to_ms| {
        let page = Page::newest(1);
        let found = world.view.packages_of(&topic(T), from_ms, to_ms, &page);
        found.value.first().map(|entry| entry.anchor.package)
    };
    assert_eq!(newest(0, u64::MAX), Some(id(3)));
    assert_eq!(newest(401, u64::MAX), None);
    assert_eq!(world.view.package(&id(2)).value.unwrap().anchor.to_ms, 300);

    world.must(
        "acme.gw",
        retrievals(vec![retrieval(1, "beta.dev"), retrieval(1, "acme.dev")]),
    );
    world.must(
        "beta.gw",
        retrievals(vec![retrieval(1, "beta.user"), retrieval(2, "beta.user")]),
    );
    let found = world.view.retrievals_of(&id(1), &Page::default()).value;
    let readers: Vec<_> = found
        .iter()
        .map(|entry| entry.retrieval.reader.as_str())
        .collect();
    assert_eq!(readers, ["beta.dev", "acme.dev", "beta.user"]);
    assert_eq!(found[2].gateway.as_str(), "beta.gw");
}

#[test]
fn connection_events_by_client_kind_and_gateway() {
    use EventKind::{Connected, Disconnected};
    let mut world = world();
    let first = vec![event("beta.dev", Connected), event("acme.dev", Connected)];
    world.must("acme.gw", events(first));
    let second = vec![
        event("beta.dev", Disconnected),
        event("beta.dev", Connected),
    ];
    world.must("acme.gw", events(second));
    world.must("beta.gw", events(vec![event("beta.dev", Connected)]));

    let of = |kind| {
        world
            .view
            .events_of(&client("beta.dev"), kind, &Page::default())
    };
    assert_eq!(of(Some(Connected)).value.len(), 3);
    assert_eq!(of(Some(Disconnected)).value.len(), 1);
    assert_eq!(of(Some(EventKind::PublishRefused)).value.len(), 0);
    assert_eq!(of(None).value.len(), 4);

    let batches = world
        .view
        .events_of_gateway(&client("acme.gw"), &Page::default());
    let kinds: Vec<Vec<_>> = batches
        .value
        .iter()
        .map(|batch| batch.events.iter().map(|e| e.event.kind).collect())
        .collect();
    assert_eq!(kinds, [[Connected, Connected], [Disconnected, Connected]]);
    assert_eq!(
        batches.keys.len(),
        2 + 4,
        "each batch and each event can be proven"
    );
    for key in &batches.keys {
        assert!(world.view.entry(key).is_some());
    }

    let newest = world
        .view
        .events_of_gateway(&client("acme.gw"), &Page::newest(1));
    assert_eq!(newest.value[0].events[0].event.kind, Disconnected);
    assert!(newest.next.is_some());
}

/// Pages of any size, walked in either direction, give the whole and nothing twice.
#[test]
fn pages_add_up() {
    let mut world = world();
    for _ in 0..3 {
        let batch = vec![event("beta.dev", EventKind::Connected); 5];
        world.must("acme.gw", events(batch));
    }
    let prefix_neighbour = event("beta.dev2", EventKind::Connected);
    world.must("acme.gw", events(vec![prefix_neighbour]));
    let walk = |limit: usize, newest_first: bool| {
        let mut page = Page {
            after: None,
            limit,
            newest_first,
        };
        let mut keys = Vec::new();
        loop {
            let answer = world.view.events_of(&client("beta.dev"), None, &page);
            assert!(answer.value.len() <= limit.max(1));
            keys.extend(answer.keys);
            match answer.next {
                Some(next) => page.after = Some(next),
                None => return keys,
            }
        }
    };
    let whole = walk(1_000, false);
    assert_eq!(whole.len(), 15);
    let backwards: Vec<_> = whole.iter().rev().cloned().collect();
    for limit in [0, 1, 2, 7, 14, 15, 16] {
        assert_eq!(walk(limit, false), whole, "pages of {limit}");
        assert_eq!(
            walk(limit, true),
            backwards,
            "pages of {limit}, newest first"
        );
    }
    // A place that is in no such range gives an empty or a first page, never a panic.
    for after in [
        vec![],
        vec![0xff; 40],
        b"a/client/".to_vec(),
        b"tx/".to_vec(),
    ] {
        for newest_first in [false, true] {
            let page = Page {
                after: Some(after.clone()),
                limit: 2,
                newest_first,
            };
            world.view.events_of(&client("beta.dev"), None, &page);
        }
    }
}

/// A block says whose sessions must be looked at again.
#[test]
fn changes_name_those_whose_rights_may_differ() {
    let mut world = world();
    let mut view = world.view.clone();
    let id = world.id_of("acme.dev");
    world.must("acme.op", revoke_certificate(id));
    world.must("beta.dev", Call::RegisterTopic(claim("beta/dev/t")));
    world.must(
        "beta.dev",
        Call::GrantTopic(grant("beta/dev/t", "acme.user")),
    );
    world.must(
        "acme.gw",
        events(vec![event("beta.dev", EventKind::Connected)]),
    );
    let changes: Vec<_> = world.blocks[view.height() as usize..]
        .iter()
        .map(|(block, _, writes)| view.apply(block.height, block.time_ms, writes).unwrap())
        .collect();
    assert_eq!(changes[0].clients, [client("acme.dev")].into());
    assert_eq!(changes[1].topics, [topic("beta/dev/t")].into());
    assert_eq!(
        changes[2].grants,
        [(client("acme.user"), topic("beta/dev/t"))].into()
    );
    assert_eq!(changes[3], Default::default());
    let at = Position {
        height: view.height(),
        tx: 0,
        item: 0,
    };
    assert!(
        view.entry(&keys::event(&client("beta.dev"), 0, at))
            .is_some()
    );
}

#[test]
fn genesis_is_on_record() {
    let world = World::founded();
    let consortium = world.view.consortium().value.unwrap();
    assert_eq!(consortium.chain, world.genesis.chain_id());
    assert_eq!(consortium.orgs.len(), 2);
    let org = world
        .view
        .organisation(&"beta".parse().unwrap())
        .value
        .unwrap();
    assert_eq!(org.root_der, world.genesis.orgs[1].root_cert_der);
}

/// Answers are JSON for the API: names as text, digests and bytes as hexadecimal.
#[test]
fn answers_are_json() {
    let world = world();
    let json = serde_json::to_value(world.view.client(&client("acme.dev"))).unwrap();
    let key = keys::client(&client("acme.dev"));
    assert_eq!(json["keys"][0], hex::encode(key));
    assert_eq!(json["value"]["client"], "acme.dev");
    assert_eq!(json["value"]["certificate"]["role"], "device");
    assert_eq!(json["value"]["status"], "live");
    assert_eq!(
        json["value"]["certificate_id"],
        world.id_of("acme.dev").to_string()
    );
    let decision = decide(&world, "beta.user", Action::Read(&topic(T)));
    let json = serde_json::to_value(decision).unwrap();
    assert_eq!(json["reason"]["name"], "GrantRevoked");
    assert_eq!(json["reason"]["allowed"], false);
    let key = keys::grant(&client("beta.user"), &topic(T));
    assert_eq!(json["grant_key"], hex::encode(key));
}
