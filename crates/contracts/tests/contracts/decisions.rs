//! Decisions: every action by everything that a client may have, and what outranks what.

use sealwire_contracts::{Action, Reason};
use sealwire_envelope::*;
use sealwire_sm::cert::Role;

use crate::rights::*;
use crate::world::*;

const T: &str = "acme/dev/t";
const OPEN: &str = "acme/dev/open";
const CLOSED: &str = "acme/dev/closed";

fn reason(world: &World, who: &str, action: Action<'_>) -> Reason {
    let now_ms = world.now_s() * 1000;
    world.view.decide(&client(who), action, now_ms).reason
}

/// What a client has, as columns: a name, the client, and the topic that is asked for.
const COLUMNS: [(&str, &str, &str); 11] = [
    ("own", "acme.dev", T),
    ("publish", "beta.publish", T),
    ("subscribe", "beta.subscribe", T),
    ("read", "beta.read", T),
    ("compute", "beta.compute", T),
    ("verify", "beta.verify", T),
    ("nothing", "beta.nothing", T),
    ("all, on an open topic", "beta.all", OPEN),
    ("all, on a closed topic", "beta.all", CLOSED),
    ("revoked", "beta.revoked", T),
    ("expired", "beta.expired", T),
];

fn granted(name: &str, who: &str, rights: Rights) -> GrantTopic {
    let with_key = rights.intersects(Rights::WITH_KEY) && name != OPEN;
    GrantTopic {
        rights,
        sealed_key: with_key.then(|| sealed(2)),
        ..grant(name, who)
    }
}

fn world() -> World {
    let mut world = World::new();
    world.must("acme.dev", Call::RegisterTopic(claim(T)));
    world.must("acme.dev", Call::RegisterTopic(claim(CLOSED)));
    world.must("acme.dev", Call::RegisterTopic(claim_open(OPEN)));
    for name in ["publish", "subscribe", "read", "compute", "verify"] {
        let who = format!("beta.{name}");
        world.enrol(&who, Role::User, VALID_S);
        let call = granted(T, &who, name.parse().unwrap());
        world.must("acme.dev", Call::GrantTopic(call));
    }
    for who in ["beta.nothing", "beta.all", "beta.revoked", "beta.expired"] {
        world.enrol(who, Role::User, VALID_S);
    }
    for name in [OPEN, CLOSED] {
        world.must(
            "acme.dev",
            Call::GrantTopic(granted(name, "beta.all", Rights::ALL)),
        );
    }
    let now_s = world.now_s();
    let mut brief = granted(T, "beta.expired", Rights::ALL);
    brief.expires_s = Some(now_s + 100);
    world.must("acme.dev", Call::GrantTopic(brief));
    world.must("acme.dev", close_topic(CLOSED));
    let compute = granted(T, "beta.revoked", Rights::COMPUTE | Rights::VERIFY);
    world.must("acme.dev", Call::GrantTopic(compute));
    let ended = RevokeGrant {
        rotation: None,
        ..revoke(T, "beta.revoked", 1, &[])
    };
    world.must("acme.dev", Call::RevokeGrant(ended));
    world.skip_s += 200;
    world
}

#[test]
fn every_action_by_everything_one_may_have() {
    #[rustfmt::skip]
    let table = [
        //                 own   publ  subs  read  comp  veri  none  open  closed revo  expi
        ("connect",       [true, true, true, true, true, true, true, true, true,  true, true]),
        ("publish",       [true, true, false,false,false,false,false,true, false, false,false]),
        ("subscribe",     [true, false,true, false,false,false,false,true, false, false,false]),
        ("read",          [true, false,false,true, false,false,false,true, true,  false,false]),
        ("compute",       [true, false,false,false,true, false,false,true, true,  false,false]),
        ("verify",        [true, false,false,false,false,true, false,false,true,  false,false]),
    ];
    let world = world();
    for (action, expected) in table {
        for ((what, who, name), expected) in COLUMNS.into_iter().zip(expected) {
            let (topic, filter) = (topic(name), filter(name));
            let asked = match action {
                "connect" => Action::Connect,
                "publish" => Action::Publish(&topic),
                "subscribe" => Action::Subscribe(&filter),
                "read" => Action::Read(&topic),
                "compute" => Action::Compute(&topic),
                "verify" => Action::Verify(&topic),
                other => panic!("no such action: {other}"),
            };
            let reason = reason(&world, who, asked);
            assert_eq!(
                reason.allows(),
                expected,
                "{action} with {what}: {reason:?}"
            );
        }
    }
    let heads = COLUMNS.map(|(what, _, _)| what);
    let rows = table.map(|(action, cells)| {
        let cells = cells.map(|allowed| if allowed { "yes" } else { "no" }.to_owned());
        (format!("`{action}`"), cells.to_vec())
    });
    crate::document::check("actions", "action", &heads, &rows);
}

#[test]
fn each_denial_says_what_is_missing() {
    let world = world();
    let (t, open, closed) = (topic(T), topic(OPEN), topic(CLOSED));
    for (who, action, expected) in [
        ("beta.nothing", Action::Read(&t), Reason::NoGrant),
        ("beta.publish", Action::Read(&t), Reason::RightNotGranted),
        ("beta.revoked", Action::Compute(&t), Reason::GrantRevoked),
        ("beta.expired", Action::Read(&t), Reason::GrantExpired),
        ("beta.all", Action::Publish(&closed), Reason::TopicClosed),
        ("acme.dev", Action::Publish(&closed), Reason::TopicClosed),
        ("beta.all", Action::Verify(&open), Reason::VerifyOpenTopic),
    ] {
        assert_eq!(reason(&world, who, action), expected, "{who} {action:?}");
    }
}

#[test]
fn a_filter_covers_what_it_matches_and_what_comes_later() {
    let mut world = World::new();
    world.must(
        "acme.dev",
        grant_filter("acme/dev/+/a", "beta.dev", Rights::SUBSCRIBE | Rights::READ),
    );
    world.must("acme.dev", Call::RegisterTopic(claim("acme/dev/x/a")));
    world.must("acme.dev", Call::RegisterTopic(claim("acme/dev/x/b")));
    let (a, b) = (topic("acme/dev/x/a"), topic("acme/dev/x/b"));
    assert_eq!(
        reason(&world, "beta.dev", Action::Read(&a)),
        Reason::Granted
    );
    assert_eq!(
        reason(&world, "beta.dev", Action::Publish(&a)),
        Reason::RightNotGranted
    );
    assert_eq!(
        reason(&world, "beta.dev", Action::Read(&b)),
        Reason::NoGrant
    );
    for (text, expected) in [
        ("acme/dev/+/a", Reason::Granted),
        ("acme/dev/x/a", Reason::Granted),
        ("acme/dev/x/+", Reason::FilterNotCovered),
        ("acme/dev/#", Reason::FilterNotCovered),
        ("acme/+/x/a", Reason::FilterNotCovered),
        ("+/dev/x/a", Reason::FilterNotCovered),
        ("#", Reason::FilterNotCovered),
        ("beta/dev/#", Reason::Owner),
        ("beta/user/#", Reason::FilterNotCovered),
    ] {
        let asked = filter(text);
        assert_eq!(
            reason(&world, "beta.dev", Action::Subscribe(&asked)),
            expected,
            "{text}"
        );
    }
    world.must("acme.dev", revoke_filter("acme/dev/+/a", "beta.dev"));
    assert_eq!(
        reason(&world, "beta.dev", Action::Read(&a)),
        Reason::GrantRevoked
    );
    let wild = filter("acme/dev/+/a");
    assert_eq!(
        reason(&world, "beta.dev", Action::Subscribe(&wild)),
        Reason::GrantRevoked
    );
}

/// A direct grant that lacks the right, or ended, doesn't stand in a filter's way; nor the reverse.
#[test]
fn a_grant_and_a_filter_add_up() {
    let mut world = World::new();
    world.must("acme.dev", Call::RegisterTopic(claim(T)));
    let t = topic(T);
    world.must(
        "acme.dev",
        Call::GrantTopic(granted(T, "beta.dev", Rights::COMPUTE)),
    );
    world.must(
        "acme.dev",
        grant_filter("acme/dev/#", "beta.dev", Rights::READ),
    );
    for action in [Action::Compute(&t), Action::Read(&t)] {
        assert_eq!(reason(&world, "beta.dev", action), Reason::Granted);
    }
    assert_eq!(
        reason(&world, "beta.dev", Action::Publish(&t)),
        Reason::RightNotGranted
    );
    let ended = RevokeGrant {
        rotation: None,
        ..revoke(T, "beta.dev", 1, &[])
    };
    world.must("acme.dev", Call::RevokeGrant(ended));
    assert_eq!(
        reason(&world, "beta.dev", Action::Read(&t)),
        Reason::Granted
    );
    assert_eq!(
        reason(&world, "beta.dev", Action::Compute(&t)),
        Reason::GrantRevoked
    );
    // The narrower of two filters denies, the wider one allows.
    world.must(
        "acme.dev",
        grant_filter("acme/dev/+", "beta.dev", Rights::PUBLISH),
    );
    world.must("acme.dev", revoke_filter("acme/dev/#", "beta.dev"));
    assert_eq!(
        reason(&world, "beta.dev", Action::Publish(&t)),
        Reason::Granted
    );
    assert_eq!(
        reason(&world, "beta.dev", Action::Read(&t)),
        Reason::GrantRevoked
    );
}

#[test]
fn an_operator_lets_an_auditor_verify_the_whole_organisation_and_nothing_else() {
    let mut world = World::new();
    world.must("acme.dev", Call::RegisterTopic(claim(T)));
    world.must("acme.user", Call::RegisterTopic(claim("acme/user/t")));
    world.must("beta.dev", Call::RegisterTopic(claim("beta/dev/t")));
    world.must(
        "acme.op",
        grant_filter("acme/#", "beta.user", Rights::VERIFY),
    );
    for (name, allowed) in [(T, true), ("acme/user/t", true), ("beta/dev/t", false)] {
        let t = topic(name);
        let verify = reason(&world, "beta.user", Action::Verify(&t));
        assert_eq!(verify.allows(), allowed, "{name}: {verify:?}");
        for action in [Action::Read(&t), Action::Publish(&t), Action::Compute(&t)] {
            assert!(!reason(&world, "beta.user", action).allows(), "{name}");
        }
    }
    assert!(!reason(&world, "beta.user", Action::Subscribe(&filter("acme/#"))).allows());
    world.must("acme.op2", revoke_filter("acme/#", "beta.user"));
    let t = topic(T);
    assert_eq!(
        reason(&world, "beta.user", Action::Verify(&t)),
        Reason::GrantRevoked
    );
}

#[test]
fn a_topic_that_was_handed_over_follows_its_new_owner() {
    let mut world = World::new();
    world.must("acme.dev", Call::RegisterTopic(claim(T)));
    world.must(
        "acme.dev",
        grant_filter("acme/dev/#", "beta.user", Rights::READ),
    );
    world.must("acme.dev", Call::GrantTopic(grant(T, "acme.user")));
    world.must(
        "acme.dev",
        Call::GrantTopic(GrantTopic {
            ..grant(T, "beta.dev")
        }),
    );
    let t = topic(T);
    assert_eq!(
        reason(&world, "beta.user", Action::Read(&t)),
        Reason::Granted
    );
    world.must("acme.dev", offer(T, "beta.dev", 0..=0));
    assert_eq!(
        reason(&world, "acme.dev", Action::Publish(&t)),
        Reason::Owner
    );
    // All who keep a right by a grant of the topic must be in the rotation; the old owner has none.
    world.must("beta.dev", accept(T, 1, &["beta.dev", "acme.user"]));
    assert_eq!(
        reason(&world, "beta.dev", Action::Publish(&t)),
        Reason::Owner
    );
    assert_eq!(
        reason(&world, "acme.dev", Action::Publish(&t)),
        Reason::NoGrant
    );
    assert_eq!(
        reason(&world, "acme.user", Action::Read(&t)),
        Reason::Granted
    );
    // The old owner's filters don't reach it any more.
    assert_eq!(
        reason(&world, "beta.user", Action::Read(&t)),
        Reason::NoGrant
    );
    let holders = world.view.key_holders(&t, KeyEpoch(1));
    assert_eq!(holders, [client("acme.user"), client("beta.dev")]);
    // The old owner may still subscribe to its whole prefix, so delivery must ask for each topic.
    let wild = filter("acme/dev/#");
    assert_eq!(
        reason(&world, "acme.dev", Action::Subscribe(&wild)),
        Reason::Owner
    );
    let exact = filter(T);
    assert_eq!(
        reason(&world, "acme.dev", Action::Subscribe(&exact)),
        Reason::NoGrant
    );
    let topics = |who: &str| {
        world
            .view
            .topics_of(&client(who), &Default::default())
            .value
            .len()
    };
    assert_eq!((topics("acme.dev"), topics("beta.dev")), (0, 1));
}

/// What supposing a grant says is what granting does.
#[test]
fn supposing_is_granting() {
    let mut world = World::new();
    world.must("acme.dev", Call::RegisterTopic(claim(T)));
    let (t, exact, wild) = (topic(T), filter(T), filter("acme/dev/+"));
    for (on, rights) in [
        (&exact, Rights::SUBSCRIBE),
        (&wild, Rights::READ | Rights::SUBSCRIBE),
        (&exact, Rights::VERIFY),
    ] {
        let now_ms = world.now_s() * 1000;
        let asked = [
            Action::Subscribe(&exact),
            Action::Subscribe(&wild),
            Action::Read(&t),
            Action::Verify(&t),
        ];
        let who = client("beta.dev");
        let supposed = asked.map(|action| {
            world
                .view
                .suppose(&who, action, now_ms, on, &terms(rights))
                .reason
        });
        match on.to_name() {
            Some(name) => {
                let call = granted(name.as_str(), "beta.dev", rights);
                world.must("acme.dev", Call::GrantTopic(call));
            }
            None => world.must("acme.dev", grant_filter(on.as_str(), "beta.dev", rights)),
        }
        let then = asked.map(|action| world.view.decide(&who, action, now_ms).reason);
        assert_eq!(supposed, then, "{on} {rights}");
    }
}
