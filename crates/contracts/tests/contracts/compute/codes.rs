//! Every code of the contract: what is wrong, and what is said of it.

use sealwire_contracts::{Code, limits};

use super::*;
use crate::codes::Case;

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
    // Nobody logs what another gateway evaluated, not even under its own name.
    case.refuse(Code::GatewayMismatch, "acme.gw", log(vec![once.clone()]));
    case.refuse(Code::EvaluationKnown, "beta.gw", log(vec![once]));

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
