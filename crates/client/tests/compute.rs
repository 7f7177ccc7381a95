//! Compute keys and evaluations through the client: registered, read back, retired.

mod common;

use common::{World, now_ms};
use sealwire_client::{
    ledger::{CallError, LedgerError},
    owner::OwnerError,
};
use sealwire_contracts::{Code, keys};
use sealwire_envelope::{
    Blob, Call, ClientId, LogEvaluations, TopicMode,
    compute::{
        COMPUTE_VERSION, ComputeJob, ComputeKey, Evaluation, Function, InputDigest, JobInput,
        ParameterSet, ReadingSpec,
    },
};
use sealwire_sm::{Role, sm3};

fn compute_key(owner: &ClientId, public_key: &Blob) -> ComputeKey {
    ComputeKey {
        version: COMPUTE_VERSION,
        owner: owner.clone(),
        parameters: ParameterSet::Sm2ElgamalV1,
        readings: ReadingSpec {
            decimals: 1,
            min: -500,
            max: 1_500,
            edges: vec![0],
            unit: "°C".into(),
        },
        public: sm3(&[public_key]),
        evaluation: None,
        sharing: None,
    }
}

#[tokio::test]
async fn a_compute_key_from_registration_to_retirement() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let ledger = world.ledger();
    let public_key = Blob(vec![2; 33]);
    let key = compute_key(a.id(), &public_key);
    let id = key.id();
    assert_eq!(ledger.compute_key(&id).await.unwrap(), None);
    assert!(ledger.live_compute_keys(a.id()).await.unwrap().is_empty());

    let register = || {
        let public_key = Some(public_key.clone());
        a.owner.register_compute_key(key.clone(), public_key)
    };
    register().await.unwrap();
    let entry = ledger.compute_key(&id).await.unwrap().unwrap();
    assert_eq!(
        (&entry.key, &entry.public_key),
        (&key, &Some(public_key.clone()))
    );
    assert_eq!(entry.retired, None);
    assert_eq!(ledger.live_compute_keys(a.id()).await.unwrap(), [id]);
    let again = register().await;
    let Err(OwnerError::Call(CallError::Refused { code, .. })) = again else {
        panic!("{again:?}");
    };
    assert_eq!(code, Code::ComputeKeyKnown);

    a.owner
        .retire_compute_key(id, "another scale")
        .await
        .unwrap();
    let entry = ledger.compute_key(&id).await.unwrap().unwrap();
    assert_eq!(entry.retired.unwrap().reason, "another scale");
    assert!(ledger.live_compute_keys(a.id()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_evaluation_is_read_back_as_it_was_logged() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let topic = "acme/press-7/t".parse().unwrap();
    a.owner.register(&topic, TopicMode::Open).await.unwrap();
    let public_key = Blob(vec![2; 33]);
    let key = compute_key(a.id(), &public_key);
    let registered = a.owner.register_compute_key(key.clone(), Some(public_key));
    registered.await.unwrap();
    let evaluation = Evaluation {
        version: COMPUTE_VERSION,
        evaluator: 1,
        job: ComputeJob {
            version: COMPUTE_VERSION,
            key: key.id(),
            function: Function::Sum,
            inputs: vec![JobInput {
                topic,
                from_ms: 0,
                to_ms: now_ms(),
            }],
        },
        height: 1,
        inputs: vec![InputDigest {
            packages: 0,
            root: sm3(&[]),
            readings: 0,
        }],
        requester: a.id().clone(),
        request: sm3(&[b"request"]),
        gateway: world.gateway_id(),
        result: sm3(&[b"result"]),
        time_ms: now_ms(),
    };
    let id = evaluation.id();
    let ledger = world.ledger();
    assert_eq!(ledger.evaluation(&id).await.unwrap(), None);
    let (secret, certificate) = &world.one.gateway;
    let call = LogEvaluations {
        evaluations: vec![evaluation.clone()],
    };
    world
        .chain
        .call(secret, certificate, Call::LogEvaluations(call));
    let entry = ledger.evaluation(&id).await.unwrap().unwrap();
    assert_eq!(entry.evaluation, evaluation);
    let proven = ledger.evaluation_proof(&id).await.unwrap();
    assert_eq!(proven.key, keys::evaluation(&id));

    // A node that answers with another evaluation, or another key, isn't believed.
    let mut other = evaluation;
    other.time_ms += 1;
    world
        .chain
        .misfile(&keys::evaluation(&id), keys::evaluation(&other.id()));
    let answer = ledger.evaluation(&other.id()).await;
    assert!(
        matches!(answer, Err(LedgerError::Nonsense { .. })),
        "{answer:?}"
    );
    let mut other = key.clone();
    other.readings.decimals += 1;
    world.chain.misfile(
        &keys::compute_key(&key.id()),
        keys::compute_key(&other.id()),
    );
    let answer = ledger.compute_key(&other.id()).await;
    assert!(
        matches!(answer, Err(LedgerError::Nonsense { .. })),
        "{answer:?}"
    );
}
