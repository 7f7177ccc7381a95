//! Compute keys and evaluations: what the tests of them are made of.

mod codes;
mod queries;
mod rules;

pub use codes::refusals;

use sealwire_envelope::compute::*;
use sealwire_envelope::*;
use sealwire_sm::sm3;

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
        gateway: client("beta.gw"),
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
