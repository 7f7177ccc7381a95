//! What the view answers about compute keys and evaluations, and what an answer rests on.

use sealwire_contracts::{Answer, EvaluationRecord, Page};

use super::*;

fn ids(answer: &Answer<Vec<EvaluationRecord>>) -> Vec<EvaluationId> {
    answer.value.iter().map(|it| it.id).collect()
}

/// Every answer rests on entries that are there.
fn check_keys<T>(world: &World, answer: &Answer<T>) {
    assert!(!answer.keys.is_empty());
    for key in &answer.keys {
        assert!(world.view.entry(key).is_some(), "{key:02x?}");
    }
}

#[test]
fn evaluations_by_key_topic_and_time() {
    let (mut world, key) = prepared();
    world.must("beta.dev", Call::RegisterTopic(claim_open("beta/dev/u")));
    world.must("beta.dev", register("beta.dev", 2));
    let other = compute_key("beta.dev", 2);
    let mut made = Vec::new();
    for (key, topics) in [
        (&key, &[T][..]),
        (&key, &[T, "beta/dev/u"]),
        (&other, &["beta/dev/u"]),
        (&key, &[T]),
    ] {
        let it = evaluation(&world, key, "beta.dev", topics);
        world.must("beta.gw", log(vec![it.clone()]));
        made.push((it.id(), world.view.time_ms()));
        world.skip_s += 10;
    }
    let all = (0, u64::MAX);
    let of_key = |key: &ComputeKey, (from, to), page: &Page| {
        let answer = world.view.evaluations_of_key(&key.id(), from, to, page);
        (ids(&answer), answer.next)
    };
    let of_topic = |name, (from, to), page: &Page| {
        let answer = world
            .view
            .evaluations_of_topic(&topic(name), from, to, page);
        (ids(&answer), answer.next)
    };
    let [one, two, three, four] = [0, 1, 2, 3].map(|n: usize| made[n].0);
    let any = Page::default();
    assert_eq!(of_key(&key, all, &any), (vec![one, two, four], None));
    assert_eq!(of_key(&other, all, &any), (vec![three], None));
    assert_eq!(of_topic(T, all, &any), (vec![one, two, four], None));
    assert_eq!(of_topic("beta/dev/u", all, &any), (vec![two, three], None));
    assert_eq!(of_topic("beta/dev/none", all, &any), (vec![], None));
    // Both ends of a range belong to it, in either direction.
    let middle = (made[1].1, made[2].1);
    assert_eq!(of_topic(T, middle, &any), (vec![two], None));
    assert_eq!(
        of_topic(T, (made[1].1 + 1, made[3].1 - 1), &any),
        (vec![], None)
    );
    assert_eq!(
        of_topic(T, (made[1].1, made[3].1), &Page::newest(9)),
        (vec![four, two], None)
    );
    assert_eq!(
        of_topic(T, (0, made[3].1 - 1), &Page::newest(9)),
        (vec![two, one], None)
    );
    // Pages add up.
    for newest_first in [false, true] {
        let mut page = Page {
            limit: 1,
            newest_first,
            ..Page::default()
        };
        let mut seen = Vec::new();
        loop {
            let (ids, next) = of_key(&key, (0, made[2].1), &page);
            seen.extend(ids);
            match next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        if newest_first {
            seen.reverse();
        }
        assert_eq!(seen, [one, two], "newest first: {newest_first}");
    }
    check_keys(&world, &world.view.evaluation(&one));
    let all = world.view.evaluations_of_key(&key.id(), 0, u64::MAX, &any);
    check_keys(&world, &all);
}

#[test]
fn keys_by_owner() {
    let (mut world, key) = prepared();
    world.must("beta.dev", register("beta.dev", 2));
    world.must("acme.dev", register("acme.dev", 1));
    world.must("beta.dev", retire(&key));
    let owner = client("beta.dev");
    let all = world.view.compute_keys_of(&owner, &Page::default());
    check_keys(&world, &all);
    let mut both = [key.id(), compute_key("beta.dev", 2).id()];
    both.sort();
    let listed: Vec<_> = all.value.iter().map(|it| it.id).collect();
    assert_eq!(listed, both);
    let live = world.view.live_compute_keys_of(&owner);
    check_keys(&world, &live);
    let listed: Vec<_> = live.value.iter().map(|it| it.id).collect();
    assert_eq!(listed, [compute_key("beta.dev", 2).id()]);
    let retired = world
        .view
        .compute_key(&key.id())
        .value
        .unwrap()
        .retired
        .unwrap();
    assert_eq!(
        (retired.by, retired.reason.as_str()),
        (owner, "another scale")
    );
    assert_eq!(retired.at.height, world.view.height());
    let nobody = world.view.live_compute_keys_of(&client("beta.nobody"));
    assert_eq!((nobody.value.len(), nobody.keys.len()), (0, 1));
}
