//! Random histories against an independent model of rights: who may what, and who holds which key.
//!
//! The model knows nothing of state keys, entries or codes: it keeps sets, and says for each step
//! whether it must be applied. After each step, every client is asked about every topic.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use sealwire_contracts::{Action, Code};
use sealwire_envelope::*;
use sealwire_sm::cert::Role;

use crate::world::*;

const CLIENTS: [(&str, Role); 4] = [
    ("acme.dev", Role::Device),
    ("acme.user", Role::User),
    ("beta.dev", Role::Device),
    ("beta.user", Role::User),
];
const TOPICS: [&str; 6] = [
    "acme/dev/a",
    "acme/dev/a/b",
    "acme/user/a",
    "beta/dev/a",
    "beta/dev/open",
    "beta/user/a",
];
const RIGHTS: [Rights; 4] = [
    Rights::PUBLISH,
    Rights::SUBSCRIBE,
    Rights::READ,
    Rights::COMPUTE,
];

#[derive(Clone)]
struct Grant {
    rights: Rights,
    expires_s: Option<u64>,
}

#[derive(Default)]
struct Topic {
    epoch: u32,
    grants: BTreeMap<&'static str, Grant>,
    /// Who got the key of the present epoch.
    holders: BTreeSet<String>,
}

struct Model {
    live: BTreeSet<&'static str>,
    topics: BTreeMap<&'static str, Topic>,
}

fn owner_of(name: &str) -> String {
    topic(name).owner().unwrap().to_string()
}

fn is_open(name: &str) -> bool {
    name.ends_with("open")
}

fn has_key_right(rights: Rights) -> bool {
    RIGHTS[..3].iter().any(|right| rights.contains(*right))
}

impl Model {
    fn may(&self, who: &str, name: &str, right: Rights, now_s: u64) -> bool {
        let Some(topic) = self.topics.get(name) else {
            return false;
        };
        let granted = topic.grants.get(who).is_some_and(|grant| {
            grant.rights.contains(right) && grant.expires_s.is_none_or(|end| now_s < end)
        });
        self.live.contains(who) && (owner_of(name) == who || granted)
    }

    /// Who must be in a rotation that takes `revoked` out.
    fn entitled(&self, name: &str, revoked: &str, now_s: u64) -> BTreeSet<String> {
        let grants = self.topics[name].grants.iter();
        let mut set: BTreeSet<String> = grants
            .filter(|(who, grant)| {
                **who != revoked
                    && has_key_right(grant.rights)
                    && grant.expires_s.is_none_or(|end| now_s < end)
                    && self.live.contains(**who)
            })
            .map(|(who, _)| (*who).to_owned())
            .collect();
        set.insert(owner_of(name));
        set
    }
}

/// A random history; panics where the contracts and the model differ.
pub fn play(seed: u64, steps: usize) -> World {
    let mut world = World::new();
    let mut rng = StdRng::seed_from_u64(seed);
    let live = CLIENTS.iter().map(|(name, _)| *name).collect();
    let mut model = Model {
        live,
        topics: BTreeMap::new(),
    };
    for step in 0..steps {
        if rng.random_bool(0.1) {
            world.skip_s += rng.random_range(1..30);
        }
        let (what, applied, must) = match rng.next_u32() % 10 {
            0..=1 => claim_step(&mut world, &mut model, &mut rng),
            2..=5 => grant_step(&mut world, &mut model, &mut rng),
            6..=7 => revoke_step(&mut world, &mut model, &mut rng),
            _ => certificate_step(&mut world, &mut model, &mut rng),
        };
        assert_eq!(applied, must, "seed {seed}, step {step}: {what}");
        compare(&world, &model, seed, step);
    }
    world
}

fn pick<T: Copy>(rng: &mut StdRng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}

/// Mostly the owner, sometimes somebody else.
fn pick_sender(rng: &mut StdRng, name: &str) -> &'static str {
    let owner = owner_of(name);
    let owner = CLIENTS
        .iter()
        .find(|(client, _)| *client == owner)
        .unwrap()
        .0;
    if rng.random_bool(0.85) {
        owner
    } else {
        pick(rng, &CLIENTS).0
    }
}

type Step = (String, bool, bool);

fn claim_step(world: &mut World, model: &mut Model, rng: &mut StdRng) -> Step {
    let name = pick(rng, &TOPICS);
    let sender = pick_sender(rng, name);
    let call = if is_open(name) {
        claim_open(name)
    } else {
        claim(name)
    };
    let outcome = world.run(sender, Call::RegisterTopic(call));
    let must =
        model.live.contains(sender) && owner_of(name) == sender && !model.topics.contains_key(name);
    if must {
        let holders = if is_open(name) {
            BTreeSet::new()
        } else {
            [sender.to_owned()].into()
        };
        model.topics.insert(
            name,
            Topic {
                holders,
                ..Topic::default()
            },
        );
    }
    (
        format!("{sender} claims {name}: {outcome}"),
        outcome.code.is_applied(),
        must,
    )
}

fn grant_step(world: &mut World, model: &mut Model, rng: &mut StdRng) -> Step {
    let name = pick(rng, &TOPICS);
    let sender = pick_sender(rng, name);
    let grantee = pick(rng, &CLIENTS).0;
    let now_s = world.now_s();
    let rights = RIGHTS
        .into_iter()
        .filter(|_| rng.random_bool(0.5))
        .fold(Rights::NONE, |rights, right| rights | right);
    let expires_s = rng
        .random_bool(0.4)
        .then(|| now_s + rng.random_range(0..20));
    let epoch = model.topics.get(name).map_or(0, |topic| topic.epoch);
    let wants_key = has_key_right(rights) && !is_open(name);
    let call = GrantTopic {
        rights,
        expires_s,
        epoch: KeyEpoch(epoch),
        sealed_key: wants_key.then(|| sealed(2)),
        ..grant(name, grantee)
    };
    let outcome = world.run(sender, Call::GrantTopic(call));
    let must = model.live.contains(sender)
        && model.topics.contains_key(name)
        && owner_of(name) == sender
        && grantee != sender
        && model.live.contains(grantee)
        && !rights.is_empty()
        && expires_s.is_none_or(|end| end > now_s);
    if must {
        let topic = model.topics.get_mut(name).unwrap();
        topic.grants.insert(grantee, Grant { rights, expires_s });
        if wants_key {
            topic.holders.insert(grantee.to_owned());
        }
    }
    (
        format!("{sender} grants {rights} on {name} to {grantee}: {outcome}"),
        outcome.code.is_applied(),
        must,
    )
}

fn revoke_step(world: &mut World, model: &mut Model, rng: &mut StdRng) -> Step {
    let granted = |name: &&&str| {
        model
            .topics
            .get(**name)
            .is_some_and(|t| !t.grants.is_empty())
    };
    let with_grants: Vec<&str> = TOPICS.iter().filter(granted).copied().collect();
    let name = if with_grants.is_empty() {
        pick(rng, &TOPICS)
    } else {
        pick(rng, &with_grants)
    };
    let sender = pick_sender(rng, name);
    let known = model.topics.contains_key(name);
    let mut grantee = pick(rng, &CLIENTS).0;
    if let Some(topic) = model.topics.get(name)
        && rng.random_bool(0.8)
        && let Some(granted) = topic.grants.keys().next()
    {
        grantee = granted;
    }
    let now_s = world.now_s();
    let (epoch, entitled) = match model.topics.get(name) {
        Some(topic) => (topic.epoch, model.entitled(name, grantee, now_s)),
        None => (0, BTreeSet::new()),
    };
    let mut named: Vec<&str> = entitled.iter().map(String::as_str).collect();
    let exact = !rng.random_bool(0.2);
    if !exact {
        named.truncate(named.len() - 1);
    }
    let rotates = !is_open(name) && rng.random_bool(0.85);
    let mut call = revoke(name, grantee, epoch + 1, &named);
    if !rotates {
        call.rotation = None;
    }
    let outcome = world.run(sender, Call::RevokeGrant(call));
    let granted = model
        .topics
        .get(name)
        .is_some_and(|topic| topic.grants.contains_key(grantee));
    let holds = model
        .topics
        .get(name)
        .is_some_and(|topic| topic.holders.contains(grantee));
    let must = model.live.contains(sender)
        && known
        && owner_of(name) == sender
        && granted
        && if rotates { exact } else { !holds };
    if must {
        let topic = model.topics.get_mut(name).unwrap();
        topic.grants.remove(grantee);
        if rotates {
            topic.epoch += 1;
            topic.holders = entitled;
        }
    }
    (
        format!("{sender} revokes {grantee} on {name}: {outcome}"),
        outcome.code.is_applied(),
        must,
    )
}

/// Revokes a live certificate or registers a new one for a client that has none.
fn certificate_step(world: &mut World, model: &mut Model, rng: &mut StdRng) -> Step {
    let (name, role) = pick(rng, &CLIENTS);
    let operator = format!("{}.op", client(name).org());
    if model.live.contains(name) {
        if rng.random_bool(0.5) {
            let outcome = world.enrol(name, role, VALID_S);
            return (
                format!("second certificate for {name}"),
                outcome.code.is_applied(),
                false,
            );
        }
        let id = world.id_of(name);
        let outcome = world.run(&operator, revoke_certificate(id));
        model.live.remove(name);
        (
            format!("revoke {name}: {outcome}"),
            outcome.code.is_applied(),
            true,
        )
    } else {
        let outcome = world.enrol(name, role, VALID_S);
        model.live.insert(name);
        (
            format!("renew {name}: {outcome}"),
            outcome.code.is_applied(),
            true,
        )
    }
}

fn compare(world: &World, model: &Model, seed: u64, step: usize) {
    let now_s = world.now_s();
    for (who, _) in CLIENTS {
        let connects = world
            .view
            .decide(&client(who), Action::Connect, now_s * 1000);
        assert_eq!(
            connects.is_allowed(),
            model.live.contains(who),
            "{seed}/{step}: {who} connects"
        );
        for name in TOPICS {
            let (topic, filter) = (topic(name), topic(name).to_filter());
            let actions = [
                (Action::Publish(&topic), Rights::PUBLISH),
                (Action::Subscribe(&filter), Rights::SUBSCRIBE),
                (Action::Read(&topic), Rights::READ),
                (Action::Compute(&topic), Rights::COMPUTE),
            ];
            for (action, right) in actions {
                let decision = world.view.decide(&client(who), action, now_s * 1000);
                let may = model.may(who, name, right, now_s);
                assert_eq!(
                    decision.is_allowed(),
                    may,
                    "{seed}/{step}: {who} {action:?}: {decision:?}"
                );
            }
            compare_key(world, model, who, name);
        }
    }
}

fn compare_key(world: &World, model: &Model, who: &str, name: &str) {
    let entry = world.view.topic(&topic(name)).value;
    let Some(known) = model.topics.get(name) else {
        assert_eq!(entry, None);
        return;
    };
    assert_eq!(entry.unwrap().epoch, KeyEpoch(known.epoch), "{name}");
    let key = world
        .view
        .sealed_key(&topic(name), KeyEpoch(known.epoch), &client(who))
        .value;
    assert_eq!(
        key.is_some(),
        known.holders.contains(who),
        "key of {name} for {who}"
    );
    let next = world
        .view
        .sealed_key(&topic(name), KeyEpoch(known.epoch + 1), &client(who))
        .value;
    assert_eq!(next, None, "a key of an epoch that hasn't begun");
    let listed = world.view.grants_of_topic(&topic(name)).value;
    let listed: Vec<_> = listed
        .iter()
        .map(|record| record.grantee.as_str())
        .collect();
    let granted: Vec<_> = known.grants.keys().copied().collect();
    assert_eq!(listed, granted, "grants on {name}");
}

#[test]
fn random_histories_agree_with_the_model() {
    let mut applied = 0;
    let mut failed = BTreeSet::new();
    for seed in 0..40 {
        for (key, value) in play(seed, 80).state {
            if key.starts_with(b"tx/") {
                let entry: sealwire_contracts::entry::OutcomeEntry = decode(&value).unwrap();
                applied += usize::from(entry.code.is_applied());
                failed.insert(entry.code);
            }
        }
    }
    // The histories reach what they are for: many steps applied, many kinds of refusal.
    assert!(applied > 800, "{applied}");
    for code in [
        Code::RotationMissing,
        Code::RotationMissesReader,
        Code::SenderRevoked,
        Code::GranteeNotLive,
    ] {
        assert!(failed.contains(&code), "{code:?} never happened");
    }
}
