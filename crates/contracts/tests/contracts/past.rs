//! The past, and the owner's upkeep, on random histories of all calls on rights.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use sealwire_contracts::{Action, Page, View};
use sealwire_envelope::*;

use crate::rights::*;
use crate::world::*;

const CLIENTS: [&str; 4] = ["acme.dev", "acme.user", "beta.dev", "beta.user"];
const TOPICS: [&str; 4] = ["acme/dev/a", "acme/dev/b", "acme/user/a", "beta/dev/a"];
const FILTERS: [&str; 4] = ["acme/dev/+", "acme/dev/#", "acme/user/#", "beta/dev/+"];
const RIGHTS: [Rights; 5] = [
    Rights::PUBLISH,
    Rights::SUBSCRIBE,
    Rights::READ,
    Rights::COMPUTE,
    Rights::VERIFY,
];

/// A view after each block, from height 1 on, with the block's time.
type Past = Vec<(View, u64)>;

fn pick<T: Copy>(rng: &mut StdRng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}

fn some_rights(rng: &mut StdRng) -> Rights {
    let chosen = RIGHTS.into_iter().filter(|_| rng.random_bool(0.5));
    chosen.fold(Rights::READ, |all, right| all | right)
}

fn owner_now(world: &World, name: &str) -> String {
    let entry = world.view.topic(&topic(name)).value;
    let owner = entry.map_or(topic(name).owner().unwrap(), |entry| entry.owner);
    owner.to_string()
}

fn epoch_now(world: &World, name: &str) -> u32 {
    let entry = world.view.topic(&topic(name)).value;
    entry.map_or(0, |entry| entry.epoch.0)
}

/// Everyone who must or may be in a rotation, as the upkeep sees it, but `without`.
fn entitled(world: &World, name: &str, owner: &str, without: &str) -> Vec<String> {
    let now_s = world.now_s();
    let mut all: BTreeSet<String> = [owner.to_owned()].into();
    for record in world.view.grants_of_topic(&topic(name)).value {
        let live = record.grant.rights.intersects(Rights::WITH_KEY) && record.grant.is_live(now_s);
        let connects = world
            .view
            .decide(&record.grantee, Action::Connect, now_s * 1000);
        if live && record.grantee.as_str() != without && connects.is_allowed() {
            all.insert(record.grantee.to_string());
        }
    }
    all.into_iter().collect()
}

/// One random call; whether it is applied doesn't matter here.
fn step(world: &mut World, rng: &mut StdRng) -> (String, Call) {
    let name = pick(rng, &TOPICS);
    let (owner, epoch) = (owner_now(world, name), epoch_now(world, name));
    let who = pick(rng, &CLIENTS);
    let filter = pick(rng, &FILTERS);
    let prefix = self::filter(filter).owner().unwrap().to_string();
    let rights = some_rights(rng);
    let all = |without: &str| -> Vec<String> { entitled(world, name, &owner, without) };
    let borrowed = |all: &[String]| -> Vec<&'static str> {
        CLIENTS
            .into_iter()
            .filter(|name| all.iter().any(|it| it == name))
            .collect()
    };
    match rng.next_u32() % 14 {
        0..=1 => (owner, Call::RegisterTopic(claim(name))),
        2..=3 => {
            let call = GrantTopic {
                rights,
                epoch: KeyEpoch(epoch),
                expires_s: rng
                    .random_bool(0.3)
                    .then(|| world.now_s() + rng.random_range(1..20)),
                ..grant(name, who)
            };
            (owner, Call::GrantTopic(call))
        }
        4 => {
            let all = all(who);
            (
                owner,
                Call::RevokeGrant(revoke(name, who, epoch + 1, &borrowed(&all))),
            )
        }
        5 => {
            let org = client(&owner).org();
            let call = RevokeGrant {
                rotation: None,
                ..revoke(name, who, 0, &[])
            };
            (format!("{org}.op"), Call::RevokeGrant(call))
        }
        6..=7 => (prefix, grant_filter(filter, who, rights)),
        8 => (prefix, revoke_filter(filter, who)),
        9 => {
            let all = all("");
            (owner, rotate(name, epoch + 1, &borrowed(&all)))
        }
        10 => (owner, offer(name, who, 0..=epoch)),
        11 => {
            let all = entitled(world, name, who, &owner);
            (who.to_owned(), accept(name, epoch + 1, &borrowed(&all)))
        }
        12 if rng.random_bool(0.1) => (owner, close_topic(name)),
        12 => {
            let number = rng.random_range(0..4);
            let call = authorisation(world, number, filter, rights);
            (prefix, Call::CreateAuthorisation(call))
        }
        _ => {
            let number = rng.random_range(0..4);
            let call = redeem(world, number, who, Vec::new());
            (who.to_owned(), Call::RedeemAuthorisation(call))
        }
    }
}

/// A random history, one to three calls a block.
fn play(seed: u64, blocks: usize) -> (World, Past) {
    let mut world = World::new();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut past = Vec::new();
    for _ in 0..blocks {
        if rng.random_bool(0.2) {
            world.skip_s += rng.random_range(1..10);
        }
        let mut transactions = Vec::new();
        for _ in 0..rng.random_range(1..=3) {
            let (sender, call) = step(&mut world, &mut rng);
            transactions.push(world.tx(&sender, call));
        }
        world.block(transactions);
        past.push((world.view.clone(), world.view.time_ms()));
    }
    (world, past)
}

#[test]
fn every_past_decision_is_what_it_was_and_its_keys_prove_it() {
    let mut changed = 0;
    for seed in 0..12 {
        let (world, past) = play(seed, 60);
        for (then, time_ms) in &past {
            let height = then.height();
            for who in CLIENTS.map(client) {
                for name in TOPICS {
                    let (topic, exact, wild) = (topic(name), filter(name), filter(FILTERS[0]));
                    for action in [
                        Action::Connect,
                        Action::Publish(&topic),
                        Action::Subscribe(&exact),
                        Action::Subscribe(&wild),
                        Action::Read(&topic),
                        Action::Verify(&topic),
                    ] {
                        let was = then.decide(&who, action, *time_ms);
                        let is = world
                            .view
                            .decide_at(&who, action, height, *time_ms)
                            .unwrap();
                        let same = (was.reason, was.certificate, &was.grant, &was.topic);
                        let found = (is.reason, is.certificate, &is.grant, &is.topic);
                        assert_eq!(
                            found, same,
                            "seed {seed}, height {height}: {who} {action:?}"
                        );
                        let now = world.view.decide(&who, action, *time_ms);
                        changed += usize::from(now.reason != was.reason);
                        // Whoever has proofs of these entries, and of no others, comes to the same.
                        let entries = is
                            .keys
                            .iter()
                            .filter_map(|key| Some((key.clone(), world.view.entry(key)?.to_vec())));
                        let proven = View::load(world.view.height(), world.view.time_ms(), entries);
                        let again = proven.decide_at(&who, action, height, *time_ms).unwrap();
                        assert_eq!(again, is);
                    }
                }
            }
        }
        let future = world.view.height() + 1;
        let none = world
            .view
            .decide_at(&client("acme.dev"), Action::Connect, future, 0);
        assert_eq!(none, None, "a height to come");
    }
    assert!(
        changed > 1_000,
        "the past differs from the present: {changed}"
    );
}

/// After an owner did what the upkeep says, there is nothing left to do, and who has the key is who may.
#[test]
fn upkeep_comes_to_an_end() {
    let (mut rotated, mut sealed) = (0, 0);
    for seed in 100..150 {
        let (mut world, _) = play(seed, 40);
        for owner in CLIENTS {
            for round in 0.. {
                // Grants go on expiring while the owner works: every call takes a block, and a second.
                assert!(round < 10, "seed {seed}: {owner} is never done");
                let now_ms = world.now_s() * 1000;
                let due = world
                    .view
                    .upkeep_of(&client(owner), now_ms, &Page::default())
                    .value;
                if due.is_empty() {
                    break;
                }
                for upkeep in due {
                    let name = upkeep.topic.to_string();
                    if upkeep.stale.is_empty() {
                        sealed += 1;
                        for who in upkeep.missing {
                            world.must(owner, seal_to(&name, who.as_str(), upkeep.epoch.0));
                        }
                        for id in upkeep.missing_authorisations {
                            let number = (0..4).find(|number| {
                                let key = authorisation_key(*number);
                                AuthorisationId::of(key.public_key()) == id
                            });
                            let key = authorisation_key(number.unwrap());
                            world.must(owner, seal_to_authorisation(&name, &key, upkeep.epoch.0));
                        }
                    } else {
                        rotated += 1;
                        assert!(world.view.is_key_stale(&upkeep.topic, now_ms));
                        let all = entitled(&world, &name, owner, "");
                        let all: Vec<&str> = all.iter().map(String::as_str).collect();
                        world.must(owner, rotate(&name, upkeep.epoch.0 + 1, &all));
                    }
                }
            }
        }
        let now_ms = world.now_s() * 1000;
        for name in TOPICS {
            let name = topic(name);
            let Some(entry) = world.view.topic(&name).value else {
                continue;
            };
            if entry.closed.is_some() {
                continue;
            }
            assert!(!world.view.is_key_stale(&name, now_ms));
            let holders = world.view.key_holders(&name, entry.epoch);
            for who in CLIENTS.map(client) {
                let rights = world.view.rights_on(&who, &name, now_ms);
                let may = rights.intersects(Rights::WITH_KEY);
                assert_eq!(holders.contains(&who), may, "seed {seed}: {who} on {name}");
            }
        }
    }
    assert!(
        rotated >= 10 && sealed > 100,
        "{rotated} rotations, {sealed} seals"
    );
}
