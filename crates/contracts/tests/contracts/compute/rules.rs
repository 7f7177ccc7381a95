//! Both sides of each rule, and what is left behind.

use sealwire_contracts::{Code, limits};

use super::*;
use crate::rights::grant_filter;

/// The largest and the smallest of what a key may say.
#[test]
fn keys_at_their_limits() {
    let good: &[Change<RegisterComputeKey>] = &[
        |it| it.key.readings.decimals = DECIMALS_MAX,
        |it| it.key.readings.decimals = 0,
        |it| {
            let readings = &mut it.key.readings;
            (readings.min, readings.max) = (-(1 << 53), 1 << 53);
        },
        |it| {
            let readings = &mut it.key.readings;
            (readings.min, readings.max, readings.edges) = (0, 1, vec![1]);
        },
        |it| it.key.readings.edges = vec![-3_999, 12_500],
        |it| it.key.readings.edges = (0..EDGES_MAX as i64).collect(),
        |it| it.key.readings.edges.clear(),
        |it| it.key.readings.unit = "x".repeat(UNIT_MAX_BYTES),
        |it| it.key.readings.unit.clear(),
        |it| {
            let long = vec![1; sealwire_envelope::transaction::INLINE_KEY_MAX_BYTES];
            it.key.public = sm3(&[&long]);
            it.public_key = Some(long.into());
        },
        |it| {
            it.key.parameters = ParameterSet::BfvAddV1;
            it.public_key = None;
        },
        |it| {
            it.key.parameters = ParameterSet::BfvMulV1;
            it.key.evaluation = Some(sm3(&[]));
            it.public_key = None;
        },
        |it| {
            it.key.parameters = ParameterSet::BfvBitsV1;
            it.key.evaluation = Some(sm3(&[]));
            it.public_key = None;
        },
        |it| it.key.sharing = shared(1, vec![holder("acme.user", 1)]),
        |it| {
            it.key.sharing = shared(2, vec![holder("acme.user", 1), holder("beta.op", 2)]);
        },
    ];
    let mut world = World::new();
    for (number, change) in (0..).zip(good) {
        let mut call = RegisterComputeKey {
            key: compute_key("beta.dev", number),
            public_key: Some(public_half(number)),
        };
        change(&mut call);
        world.must("beta.dev", Call::RegisterComputeKey(call.clone()));
        let stored = world.view.compute_key(&call.key.id()).value.unwrap();
        assert_eq!((stored.key, stored.public_key), (call.key, call.public_key));
        assert_eq!(stored.registered.height, world.view.height());
    }
    let live = world.view.live_compute_keys_of(&client("beta.dev")).value;
    assert_eq!(live.len(), good.len());
}

/// As many holders as there may be, each another client.
#[test]
fn a_key_shared_by_very_many() {
    let mut world = World::new();
    let holders: Vec<_> = (0..HOLDERS_MAX as u8)
        .map(|n| holder(&format!("beta.h{n}"), n + 1))
        .collect();
    for it in &holders {
        // Registering them all would be slow: only that they are there counts.
        let entry = world.state[&sealwire_contracts::keys::client(&client("beta.dev"))].clone();
        let place = sealwire_contracts::keys::client(&it.client);
        world.state.insert(place, entry);
    }
    let key = ComputeKey {
        sharing: shared(HOLDERS_MAX as u16, holders),
        ..compute_key("beta.dev", 1)
    };
    let public_key = Some(public_half(1));
    world.must(
        "beta.dev",
        Call::RegisterComputeKey(RegisterComputeKey { key, public_key }),
    );
}

/// Functions that fit.
#[test]
fn every_function_can_be_logged() {
    let (mut world, key) = prepared();
    world.must("beta.dev", Call::RegisterTopic(claim_open("beta/dev/u")));
    let both: &[&str] = &[T, "beta/dev/u"];
    for (function, topics) in [
        (Function::Sum, &both[..1]),
        (Function::Mean, both),
        (Function::WeightedSum(weights(2, DECIMALS_MAX)), both),
        (Function::Linear(weights(1, 0)), &both[..1]),
        (Function::Variance, both),
        (Function::Deviation, both),
        (Function::Dot, both),
        (over(-4_000), both),
        (over(12_500), both),
        (Function::Histogram, both),
        (Function::Range, both),
    ] {
        let mut evaluation = evaluation(&world, &key, "beta.dev", topics);
        evaluation.job.function = function;
        world.must("beta.gw", log(vec![evaluation.clone()]));
        let stored = world.view.evaluation(&evaluation.id()).value.unwrap();
        assert_eq!(stored.evaluation, evaluation);
        assert_eq!(stored.at.height, world.view.height());
    }
}

#[test]
fn heights_and_times_of_evaluations() {
    let (mut world, key) = prepared();
    let mut judge = |change: &dyn Fn(&mut Evaluation, u64, u64)| {
        let mut it = evaluation(&world, &key, "beta.user", &[T]);
        let block = world.next();
        change(&mut it, block.height, block.time_ms);
        world.run("beta.gw", log(vec![it])).code
    };
    assert_eq!(
        judge(&|it, height, _| it.height = height - 1),
        Code::Applied
    );
    assert_eq!(
        judge(&|it, height, _| it.height = height),
        Code::EvaluationHeight
    );
    let ahead = limits::CLOCK_AHEAD_MS;
    assert_eq!(judge(&|it, _, now| it.time_ms = now + ahead), Code::Applied);
    assert_eq!(
        judge(&|it, _, now| it.time_ms = now + ahead + 1),
        Code::EvaluationTime
    );
    assert_eq!(judge(&|it, _, _| it.time_ms = 0), Code::Applied);
    assert_eq!(judge(&|it, _, _| it.height = 0), Code::Applied);

    // Far along, at the oldest height that is allowed.
    let height = limits::EVALUATION_AGE_BLOCKS + 50;
    for (behind, code) in [
        (limits::EVALUATION_AGE_BLOCKS, Code::Applied),
        (limits::EVALUATION_AGE_BLOCKS + 1, Code::EvaluationHeight),
    ] {
        let mut it = evaluation(&world, &key, "beta.user", &[T]);
        it.height = height - behind;
        let mut tx = world.tx("beta.gw", log(vec![it]));
        tx.body.expiry_height = height;
        let block = sealwire_contracts::Block {
            height,
            ..world.next()
        };
        let done = sealwire_contracts::execute(&tx, 0, &block, &world.state).unwrap();
        assert_eq!(done.outcome.code, code, "{behind} behind: {}", done.outcome);
    }
}

/// The right counts in the block that executes, and earlier transactions of that block count, too.
#[test]
fn a_right_that_is_gone_gives_no_evaluation() {
    let (mut world, key) = prepared();
    let wanted = log(vec![evaluation(&world, &key, "beta.user", &[T])]);
    let take = world.tx("beta.dev", revoke_compute("beta.user"));
    let late = world.tx("beta.gw", wanted);
    let codes: Vec<_> = world
        .block(vec![take, late])
        .iter()
        .map(|it| it.code)
        .collect();
    assert_eq!(codes, [Code::Applied, Code::ComputeDenied]);

    let wanted = log(vec![evaluation(&world, &key, "beta.user", &[T])]);
    let give = world.tx("beta.dev", grant_compute("beta.user", None, None));
    let now = world.tx("beta.gw", wanted);
    let codes: Vec<_> = world
        .block(vec![give, now])
        .iter()
        .map(|it| it.code)
        .collect();
    assert_eq!(codes, [Code::Applied, Code::Applied]);

    // So does the requester's certificate.
    let wanted = log(vec![evaluation(&world, &key, "beta.user", &[T])]);
    let id = world.id_of("beta.user");
    let take = world.tx("beta.op", revoke_certificate(id));
    let late = world.tx("beta.gw", wanted);
    let codes: Vec<_> = world
        .block(vec![take, late])
        .iter()
        .map(|it| it.code)
        .collect();
    assert_eq!(codes, [Code::Applied, Code::ComputeDenied]);
}

/// The right is asked of each topic, however it was given; whose key it is doesn't count.
#[test]
fn the_right_is_asked_of_every_topic() {
    let (mut world, key) = prepared();
    world.must("acme.dev", Call::RegisterTopic(claim_open("acme/dev/a")));
    world.must("beta.dev", Call::RegisterTopic(claim_open("beta/dev/u")));
    world.must("acme.dev", register("acme.dev", 7));
    let other = compute_key("acme.dev", 7);
    let mut judge = |key: &ComputeKey, who: &str, topics: &[&str]| {
        let it = evaluation(&world, key, who, topics);
        world.run("beta.gw", log(vec![it])).code
    };
    assert_eq!(judge(&key, "beta.user", &[T]), Code::Applied);
    assert_eq!(judge(&other, "beta.user", &[T]), Code::Applied);
    assert_eq!(
        judge(&key, "beta.user", &[T, "beta/dev/u"]),
        Code::ComputeDenied
    );
    assert_eq!(
        judge(&key, "beta.user", &["acme/dev/a", T]),
        Code::ComputeDenied
    );
    assert_eq!(judge(&key, "beta.dev", &[T, "beta/dev/u"]), Code::Applied);
    // The key's owner has no right on the topic by that.
    assert_eq!(judge(&other, "acme.dev", &[T]), Code::ComputeDenied);
    world.must(
        "beta.dev",
        grant_filter("beta/dev/#", "acme.dev", Rights::COMPUTE),
    );
    let it = evaluation(&world, &other, "acme.dev", &[T, "acme/dev/a", "beta/dev/u"]);
    world.must("beta.gw", log(vec![it]));
    // Nor does another right do.
    world.must(
        "beta.dev",
        grant_filter("beta/dev/#", "acme.user", Rights::READ | Rights::VERIFY),
    );
    let it = evaluation(&world, &other, "acme.user", &[T]);
    assert_eq!(
        world.run("beta.gw", log(vec![it])).code,
        Code::ComputeDenied
    );
    // What was published before a topic was closed can be computed on.
    world.must("beta.dev", crate::rights::close_topic(T));
    let it = evaluation(&world, &key, "beta.user", &[T]);
    world.must("beta.gw", log(vec![it]));
}

/// A grant's range is of whole seconds, both included; an input's end is excluded.
#[test]
fn a_grants_range_holds_the_inputs() {
    let (mut world, key) = prepared();
    let (from_s, to_s) = (START_S + 100, START_S + 200);
    world.must(
        "beta.dev",
        grant_compute("acme.user", Some(from_s), Some(to_s)),
    );
    for (from_ms, to_ms, code) in [
        (from_s * 1000, (to_s + 1) * 1000, Code::Applied),
        (from_s * 1000 - 1, (to_s + 1) * 1000, Code::ComputeRange),
        (from_s * 1000, (to_s + 1) * 1000 + 1, Code::ComputeRange),
        (0, u64::MAX, Code::ComputeRange),
        (to_s * 1000, to_s * 1000 + 1, Code::Applied),
    ] {
        for (who, code) in [("acme.user", code), ("beta.dev", Code::Applied)] {
            let mut it = evaluation(&world, &key, who, &[T]);
            (it.job.inputs[0].from_ms, it.job.inputs[0].to_ms) = (from_ms, to_ms);
            let outcome = world.run("beta.gw", log(vec![it]));
            assert_eq!(outcome.code, code, "{who}: {from_ms} to {to_ms}: {outcome}");
        }
    }
}

/// Everything as long as it may be fits into an evaluation's bound, and such evaluations can be logged.
#[test]
fn the_largest_evaluation_fits() {
    let (mut world, key) = prepared();
    let long = |n: usize| format!("beta/dev/{n:0>width$}", width = topic::TOPIC_MAX_BYTES - 9);
    let names: Vec<String> = (0..INPUTS_MAX).map(long).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        assert_eq!(name.len(), topic::TOPIC_MAX_BYTES);
        world.must("beta.dev", Call::RegisterTopic(claim_open(name)));
    }
    let mut it = evaluation(&world, &key, "beta.dev", &names);
    let mut weights = weights(INPUTS_MAX, DECIMALS_MAX);
    (weights.weights, weights.intercept) = (vec![i64::MIN; INPUTS_MAX], i64::MIN);
    it.job.function = Function::Linear(weights);
    it.evaluator = u16::MAX;
    for found in &mut it.inputs {
        (found.packages, found.readings) = (u64::MAX, u64::MAX);
    }
    assert!(encode(&it).len() <= limits::EVALUATION_BYTES);
    world.must("beta.gw", log(vec![it]));
    // As many as one call may carry.
    let many = (0..limits::EVALUATIONS_PER_CALL as u64).map(|n| Evaluation {
        time_ms: n,
        ..evaluation(&world, &key, "beta.dev", &[T])
    });
    let many = log(many.collect());
    world.must("beta.gw", many);
}
