//! Compute keys and evaluations: both sides of each rule, and what is left behind.

use sealwire_contracts::{Code, Page, limits};
use sealwire_envelope::compute::*;
use sealwire_envelope::*;
use sealwire_sm::sm3;

use crate::codes::Case;
use crate::rights::grant_filter;
use crate::world::*;

const T: &str = "beta/dev/t";

/// The public half of a key: not looked into here.
fn public_half(number: u8) -> Blob {
    vec![number; 33].into()
}

/// A whole SM2 ElGamal key; each number is another.
pub fn compute_key(owner: &str, number: u8) -> ComputeKey {
    ComputeKey {
        version: COMPUTE_VERSION,
        owner: client(owner),
        parameters: ParameterSet::Sm2ElgamalV1,
        readings: ReadingSpec {
            decimals: 2,
            min: -4_000,
            max: 12_500,
            edges: vec![0, 10_000],
            unit: "°C".into(),
        },
        public: sm3(&[&public_half(number)]),
        evaluation: None,
        sharing: None,
    }
}

pub fn register(owner: &str, number: u8) -> Call {
    Call::RegisterComputeKey(RegisterComputeKey {
        key: compute_key(owner, number),
        public_key: Some(public_half(number)),
    })
}

pub fn retire(key: &ComputeKey) -> Call {
    Call::RetireComputeKey(RetireComputeKey {
        key: key.id(),
        reason: "another scale".into(),
    })
}

/// A mean over topics in the hour before now.
pub fn evaluation(world: &World, key: &ComputeKey, requester: &str, topics: &[&str]) -> Evaluation {
    let now_ms = world.now_s() * 1000;
    let inputs = topics.iter().map(|name| JobInput {
        topic: topic(name),
        from_ms: now_ms - 3_600_000,
        to_ms: now_ms,
    });
    let found = InputDigest {
        packages: 1,
        root: sm3(&[b"packages"]),
        readings: 10,
    };
    Evaluation {
        version: COMPUTE_VERSION,
        evaluator: 1,
        job: ComputeJob {
            version: COMPUTE_VERSION,
            key: key.id(),
            function: Function::Mean,
            inputs: inputs.collect(),
        },
        height: world.view.height(),
        inputs: vec![found; topics.len()],
        requester: client(requester),
        request: sm3(&[b"request"]),
        result: sm3(&[b"result"]),
        time_ms: now_ms,
    }
}

pub fn log(evaluations: Vec<Evaluation>) -> Call {
    Call::LogEvaluations(LogEvaluations { evaluations })
}

/// `beta.dev` owns an open topic and a key; `beta.user` may have its means computed.
fn prepared() -> (World, ComputeKey) {
    let mut world = World::new();
    prepare(&mut world);
    (world, compute_key("beta.dev", 1))
}

fn prepare(world: &mut World) {
    world.must("beta.dev", Call::RegisterTopic(claim_open(T)));
    world.must("beta.dev", register("beta.dev", 1));
    world.must("beta.dev", grant_compute("beta.user", None, None));
}

fn grant_compute(grantee: &str, from_s: Option<u64>, to_s: Option<u64>) -> Call {
    Call::GrantTopic(GrantTopic {
        rights: Rights::COMPUTE,
        from_s,
        to_s,
        sealed_key: None,
        ..grant(T, grantee)
    })
}

fn revoke_compute(grantee: &str) -> Call {
    Call::RevokeGrant(RevokeGrant {
        rotation: None,
        ..revoke(T, grantee, 1, &[])
    })
}

type Change<T> = fn(&mut T);

fn holder(name: &str, share: u8) -> Holder {
    Holder {
        client: client(name),
        share: key(share).public_key().clone(),
    }
}

fn shared(threshold: u16, holders: Vec<Holder>) -> Option<Sharing> {
    Some(Sharing { threshold, holders })
}

/// What is wrong with a call that registers a key.
const WRONG_KEYS: &[(Code, Change<RegisterComputeKey>)] = &[
    (Code::ComputeVersion, |it| it.key.version = 2),
    (Code::ComputeKeyOwner, |it| {
        it.key.owner = client("beta.user")
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.decimals = DECIMALS_MAX + 1
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.min = it.key.readings.max
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.min = -(1 << 53) - 1
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.max = (1 << 53) + 1
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.edges = vec![-4_000]
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.edges = vec![12_501]
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.edges = vec![1, 1]
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.edges = vec![2, 1]
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.edges = (0..=EDGES_MAX as i64).collect()
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.unit = "x".repeat(UNIT_MAX_BYTES + 1)
    }),
    (Code::ReadingsInvalid, |it| {
        it.key.readings.unit = "\u{7}".into()
    }),
    (Code::PublicHalfInvalid, |it| it.public_key = None),
    (Code::PublicHalfInvalid, |it| {
        it.public_key = Some(public_half(2))
    }),
    (Code::PublicHalfInvalid, |it| {
        let long = vec![1; sealwire_envelope::transaction::INLINE_KEY_MAX_BYTES + 1];
        it.key.public = sm3(&[&long]);
        it.public_key = Some(long.into());
    }),
    (Code::PublicHalfInvalid, |it| {
        it.key.public = sm3(&[]);
        it.public_key = Some(Blob::default());
    }),
    (Code::PublicHalfInvalid, |it| {
        it.key.parameters = ParameterSet::BfvAddV1
    }),
    (Code::EvaluationHalfInvalid, |it| {
        it.key.evaluation = Some(sm3(&[]))
    }),
    (Code::EvaluationHalfInvalid, |it| {
        it.key.parameters = ParameterSet::BfvAddV1;
        it.key.evaluation = Some(sm3(&[]));
        it.public_key = None;
    }),
    (Code::EvaluationHalfInvalid, |it| {
        it.key.parameters = ParameterSet::BfvMulV1;
        it.public_key = None;
    }),
    (Code::EvaluationHalfInvalid, |it| {
        it.key.parameters = ParameterSet::BfvBitsV1;
        it.public_key = None;
    }),
    (Code::SharingInvalid, |it| {
        it.key.parameters = ParameterSet::BfvAddV1;
        it.key.sharing = shared(1, vec![holder("beta.dev", 1)]);
        it.public_key = None;
    }),
    (Code::SharingInvalid, |it| {
        it.key.sharing = shared(0, vec![holder("beta.dev", 1)])
    }),
    (Code::SharingInvalid, |it| {
        it.key.sharing = shared(2, vec![holder("beta.dev", 1)])
    }),
    (Code::SharingInvalid, |it| {
        it.key.sharing = shared(0, vec![])
    }),
    (Code::SharingInvalid, |it| {
        it.key.sharing = shared(1, vec![holder("beta.dev", 1), holder("beta.dev", 2)]);
    }),
    (Code::SharingInvalid, |it| {
        it.key.sharing = shared(1, vec![holder("beta.dev", 1), holder("beta.user", 1)]);
    }),
    (Code::SharingInvalid, |it| {
        it.key.sharing = shared(
            1,
            (0..=HOLDERS_MAX as u8)
                .map(|n| holder("beta.dev", n + 1))
                .collect(),
        );
    }),
    (Code::UnknownHolder, |it| {
        it.key.sharing = shared(1, vec![holder("beta.nobody", 1)])
    }),
];

/// What is wrong with an evaluation by `beta.user` on one topic.
const WRONG_EVALUATIONS: &[(Code, Change<Evaluation>)] = &[
    (Code::ComputeVersion, |it| it.version = 0),
    (Code::ComputeVersion, |it| it.job.version = 2),
    (Code::ComputeVersion, |it| it.evaluator = 0),
    (Code::UnknownComputeKey, |it| {
        it.job.key = ComputeKeyId(sm3(&[b"no key"]))
    }),
    (Code::JobInputsInvalid, |it| it.job.inputs.clear()),
    (Code::JobInputsInvalid, |it| it.inputs.clear()),
    (Code::JobInputsInvalid, |it| {
        it.inputs.push(it.inputs[0].clone())
    }),
    (Code::JobInputsInvalid, |it| {
        it.job.inputs.push(it.job.inputs[0].clone());
        it.inputs.push(it.inputs[0].clone());
    }),
    (Code::JobInputsInvalid, |it| {
        it.job.inputs[0].from_ms = it.job.inputs[0].to_ms
    }),
    (Code::JobInputsInvalid, |it| {
        let input = it.job.inputs[0].clone();
        it.job.inputs = (0..=INPUTS_MAX)
            .map(|n| JobInput {
                topic: topic(&format!("beta/dev/{n}")),
                ..input.clone()
            })
            .collect();
        it.inputs = vec![it.inputs[0].clone(); INPUTS_MAX + 1];
    }),
    (Code::FunctionInvalid, |it| it.job.function = Function::Dot),
    (Code::FunctionInvalid, |it| {
        it.job.function = Function::Linear(weights(2, 0))
    }),
    (Code::FunctionInvalid, |it| {
        it.job.function = Function::WeightedSum(weights(0, 0))
    }),
    (Code::FunctionInvalid, |it| {
        it.job.function = Function::WeightedSum(weights(1, DECIMALS_MAX + 1));
    }),
    (Code::FunctionInvalid, |it| it.job.function = over(-4_001)),
    (Code::FunctionInvalid, |it| it.job.function = over(12_501)),
    (Code::EvaluationTooLarge, |it| {
        it.job.function = Function::Linear(weights(limits::EVALUATION_BYTES, 0));
    }),
    (Code::EvaluationHeight, |it| it.height = u64::MAX),
    (Code::EvaluationTime, |it| {
        it.time_ms += limits::CLOCK_AHEAD_MS + 60_000
    }),
    (Code::ComputeDenied, |it| it.requester = client("acme.user")),
    (Code::ComputeDenied, |it| {
        it.requester = client("beta.nobody")
    }),
    (Code::ComputeDenied, |it| it.requester = client("beta.gw")),
    (Code::ComputeDenied, |it| {
        it.job.inputs[0].topic = topic("beta/dev/unknown")
    }),
];

fn weights(count: usize, decimals: u8) -> Weights {
    Weights {
        weights: vec![1; count],
        decimals,
        intercept: 0,
    }
}

fn over(threshold: i64) -> Function {
    Function::CountOver(Threshold { threshold })
}

/// Every code of this contract; see [`crate::codes`].
pub fn refusals(case: &mut Case) {
    prepare(&mut case.world);
    for (code, wrong) in WRONG_KEYS {
        let mut call = RegisterComputeKey {
            key: compute_key("beta.dev", 3),
            public_key: Some(public_half(3)),
        };
        wrong(&mut call);
        case.refuse(*code, "beta.dev", Call::RegisterComputeKey(call));
    }
    case.refuse(Code::ComputeKeyKnown, "beta.dev", register("beta.dev", 1));

    let key = compute_key("beta.dev", 1);
    let good = |world: &World| evaluation(world, &key, "beta.user", &[T]);
    for (code, wrong) in WRONG_EVALUATIONS {
        let mut evaluation = good(&case.world);
        wrong(&mut evaluation);
        // All or none: the good one before the bad one isn't logged.
        let call = log(vec![good(&case.world), evaluation]);
        case.refuse(*code, "beta.gw", call);
    }
    case.refuse(Code::BatchEmpty, "beta.gw", log(vec![]));
    let many = vec![good(&case.world); limits::EVALUATIONS_PER_CALL + 1];
    case.refuse(Code::BatchTooLarge, "beta.gw", log(many));
    let twice = vec![good(&case.world); 2];
    case.refuse(Code::EvaluationKnown, "beta.gw", log(twice));
    let once = good(&case.world);
    case.world.must("beta.gw", log(vec![once.clone()]));
    case.refuse(Code::EvaluationKnown, "acme.gw", log(vec![once]));

    let until_s = Some(case.world.now_s() - 60);
    let short = grant_compute("acme.user", None, until_s);
    case.world.must("beta.dev", short);
    let mut beyond = good(&case.world);
    beyond.requester = client("acme.user");
    case.refuse(Code::ComputeRange, "beta.gw", log(vec![beyond]));
    retirements(case);
    too_many_keys(case);
}

fn retirements(case: &mut Case) {
    let key = compute_key("beta.dev", 1);
    let unknown = retire(&compute_key("beta.dev", 9));
    case.refuse(Code::UnknownComputeKey, "beta.dev", unknown);
    case.refuse(Code::NotOwner, "beta.user", retire(&key));
    case.refuse(Code::OtherOrganisation, "acme.op", retire(&key));
    let long = Call::RetireComputeKey(RetireComputeKey {
        key: key.id(),
        reason: "x".repeat(limits::REASON_BYTES + 1),
    });
    case.refuse(Code::ReasonInvalid, "beta.dev", long);
    case.world.must("beta.op", retire(&key));
    case.refuse(Code::ComputeKeyRetired, "beta.dev", retire(&key));
    let late = evaluation(&case.world, &key, "beta.user", &[T]);
    case.refuse(Code::ComputeKeyRetired, "beta.gw", log(vec![late]));
    case.refuse(Code::ComputeKeyKnown, "beta.dev", register("beta.dev", 1));
}

fn too_many_keys(case: &mut Case) {
    let most = limits::COMPUTE_KEYS_PER_OWNER as u8;
    for number in 0..most {
        case.world.must("acme.dev", register("acme.dev", number));
    }
    let more = || register("acme.dev", most);
    case.refuse(Code::TooManyComputeKeys, "acme.dev", more());
    // A retired one makes room.
    let first = retire(&compute_key("acme.dev", 0));
    case.world.must("acme.dev", first);
    case.world.must("acme.dev", more());
}

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
        world.must("acme.gw", log(vec![evaluation.clone()]));
        let stored = world.view.evaluation(&evaluation.id()).value.unwrap();
        assert_eq!(stored.evaluation, evaluation);
        assert_eq!(stored.gateway, client("acme.gw"));
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
        world.run("acme.gw", log(vec![it])).code
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
    world.must("acme.gw", log(vec![it]));
    // Nor does another right do.
    world.must(
        "beta.dev",
        grant_filter("beta/dev/#", "acme.user", Rights::READ | Rights::VERIFY),
    );
    let it = evaluation(&world, &other, "acme.user", &[T]);
    assert_eq!(
        world.run("acme.gw", log(vec![it])).code,
        Code::ComputeDenied
    );
    // What was published before a topic was closed can be computed on.
    world.must("beta.dev", crate::rights::close_topic(T));
    let it = evaluation(&world, &key, "beta.user", &[T]);
    world.must("acme.gw", log(vec![it]));
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

fn ids(
    answer: &sealwire_contracts::Answer<Vec<sealwire_contracts::EvaluationRecord>>,
) -> Vec<EvaluationId> {
    answer.value.iter().map(|it| it.id).collect()
}

/// Every answer rests on entries that are there.
fn check_keys<T>(world: &World, answer: &sealwire_contracts::Answer<T>) {
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
