//! Computing on encrypted readings at a gateway: from messages to results, refusals, crashes, standing jobs.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use crate::common::{
    Person, World,
    compute::{Made, spec},
    eventually, now_ms,
    wire::Wire,
};
use sealwire_compute::answer::Value;
use sealwire_envelope::{
    Call, ClientId, LogEvaluations, RetireComputeKey, Rights, StandingId, TopicName,
    compute::{
        COMPUTE_VERSION, Computed, Form, Function, ParameterSet, SignedReading, Threshold,
        service::{JobState, KeyHalf, StandingJob, StandingStatus},
    },
    decode, encode,
};
use sealwire_gateway::{Gateway, Ledger as _, Running};

/// A device with an open topic, and an analyst of another organisation who may compute on it.
struct Lab {
    world: World,
    gateway: Running,
    device: Person,
    analyst: Person,
    topic: TopicName,
}

fn config(world: &World) -> sealwire_gateway::Config {
    let mut config = world.config();
    config.limits.package_age = Duration::from_millis(50);
    config
}

async fn lab() -> Lab {
    let world = World::new();
    let gateway = world.gateway_with(config(&world)).await;
    let device = world.device("press-7");
    let analyst = world.user("analyst");
    let topic = world.open_topic(&device, "temperature", &analyst);
    Lab {
        world,
        gateway,
        device,
        analyst,
        topic,
    }
}

impl Lab {
    fn elgamal(&self) -> Made {
        let set = ParameterSet::Sm2ElgamalV1;
        Made::new(&self.world, &self.device, set, spec())
    }

    async fn publish(&self, messages: &[Vec<u8>]) {
        self.world
            .publish(&self.gateway, &self.device, &self.topic, messages)
            .await;
    }

    fn logged(&self) -> Vec<ClientId> {
        logged(&self.world)
    }
}

/// The requesters of all evaluations that blocks hold.
fn logged(world: &World) -> Vec<ClientId> {
    let blocks = world.ledger.blocks.lock().unwrap();
    let calls = blocks.iter().filter_map(|tx| match &tx.body.call {
        Call::LogEvaluations(LogEvaluations { evaluations }) => Some(evaluations),
        _ => None,
    });
    calls
        .flatten()
        .map(|evaluation| evaluation.requester.clone())
        .collect()
}

#[tokio::test]
async fn a_sum_under_elgamal_from_messages_to_the_owner() {
    let lab = lab().await;
    let made = lab.elgamal();
    let (world, gateway) = (&lab.world, &lab.gateway);
    let mut messages = made.messages(&lab.device, &lab.topic, Form::Value, 1, &[215, -30]);
    messages.extend(made.messages(&lab.device, &lab.topic, Form::Value, 2, &[1_000]));
    lab.publish(&messages).await;
    let job = made.job(Function::Sum, &[&lab.topic]);
    let (status, computed) = world.compute(gateway, &lab.analyst, &job).await;
    let Value::Sum { sum } = made.open(&computed).value else {
        panic!("not a sum");
    };
    assert_eq!(sum.to_string(), "118.5");
    assert_eq!(status.inputs[0].readings, 3);
    assert_eq!(status.inputs[0].left_out, BTreeMap::new());
    let evaluation = &computed.evaluation;
    assert_eq!(evaluation.requester, lab.analyst.client);
    assert_eq!(evaluation.gateway, *gateway.client());
    assert_eq!(evaluation.inputs[0].packages, status.inputs[0].packages);
    assert_eq!(lab.logged(), std::slice::from_ref(&lab.analyst.client));
    // The key's owner gets it, too; nobody else does, not even who may compute on the same topic.
    let of_owner = world.result(gateway, &lab.device, status.job).await;
    assert_eq!(of_owner, computed);
    let stranger = world.user("stranger");
    world.grant(&lab.device, &lab.topic, &stranger, Rights::COMPUTE, None);
    for target in [
        format!("/v1/compute/jobs/{}", status.job),
        format!("/v1/compute/jobs/{}/result", status.job),
    ] {
        let asked = world.ask_text(gateway.http_addr, &stranger, "GET", &target, Vec::new());
        let (code, text) = asked.await;
        assert_eq!(code, 403, "{text}");
    }
    // The service counts what it did.
    assert_eq!(gateway.metrics().computations.get(), 1);
    assert_eq!(gateway.metrics().results.get(), 2);
    lab.gateway.shutdown().await;
}

#[tokio::test]
async fn a_mean_over_batches_in_parts_and_a_count_over_a_threshold() {
    let lab = lab().await;
    let (world, gateway) = (&lab.world, &lab.gateway);
    let additive = Made::new(world, &lab.device, ParameterSet::BfvAddV1, spec());
    // 9,000 readings are three ciphertexts of 110,592 bytes: a message each.
    let values: Vec<i64> = (0..9_000).map(|n| n % 1_000 - 400).collect();
    let messages = additive.messages(&lab.device, &lab.topic, Form::Value, 1, &values);
    assert_eq!(messages.len(), 3);
    lab.publish(&messages).await;
    let job = additive.job(Function::Mean, &[&lab.topic]);
    let (status, computed) = world.compute(gateway, &lab.analyst, &job).await;
    let Value::Mean { sum, .. } = additive.open(&computed).value else {
        panic!("not a mean");
    };
    assert_eq!(
        sum.value,
        values.iter().map(|v| i128::from(*v)).sum::<i128>()
    );
    assert_eq!(status.inputs[0].readings, 9_000);
    // The public half is handed out as it was uploaded.
    let (code, text) = additive.upload(world, gateway, KeyHalf::Public).await;
    assert_eq!(code, 204, "{text}");
    let target = format!("/v1/compute/keys/{}/public", additive.key.id());
    let at = gateway.http_addr;
    let got = world.ask(at, Some(&lab.analyst), "GET", &target, Vec::new());
    assert_eq!(got.await, (200, additive.new.public.clone()));

    // A count needs the evaluation key: refused without, with the owner's name.
    let bits = Made::new(world, &lab.device, ParameterSet::BfvBitsV1, spec());
    let topic = world.open_topic(&lab.device, "bits", &lab.analyst);
    let mut messages = Vec::new();
    for (sequence, chunk) in [[215, 216, -400], [1_250, 0, 217]].iter().enumerate() {
        let sequence = sequence as u64 * 100 + 1;
        let batch = bits.messages_of(&lab.device, &topic, Form::Bits, sequence, chunk, 900_000);
        messages.extend(batch);
    }
    world.publish(gateway, &lab.device, &topic, &messages).await;
    let over = Function::CountOver(Threshold { threshold: 215 });
    let job = bits.job(over, &[&topic]);
    let id = world.ask_job(gateway, &lab.analyst, &job).await;
    let status = world.done(gateway, &lab.analyst, id).await;
    assert_eq!(status.state, JobState::Refused);
    let why = status.refused.unwrap();
    assert!(
        why.contains("evaluation key") && why.contains("acme.press-7"),
        "{why}"
    );
    let (code, text) = bits.upload(world, gateway, KeyHalf::Evaluation).await;
    assert_eq!(code, 204, "{text}");
    let (_, computed) = world.compute(gateway, &lab.analyst, &job).await;
    let answer = bits.open(&computed);
    let Value::CountOver { count, .. } = answer.value else {
        panic!("not a count: {answer:?}");
    };
    assert_eq!(count, 3);
    lab.gateway.shutdown().await;
}

#[tokio::test]
async fn what_cant_be_done_is_refused_with_the_numbers() {
    let lab = lab().await;
    let (world, gateway) = (&lab.world, &lab.gateway);
    let made = lab.elgamal();
    let refused = async |person: &Person, job, code: u16, words: &[&str]| {
        let (found, text) = world.try_job(gateway, person, &job).await;
        assert_eq!(found, code, "{text}");
        for word in words {
            assert!(text.contains(word), "'{text}' doesn't say '{word}'");
        }
    };
    // No right; nor for a topic among others.
    let sum = || made.job(Function::Sum, &[&lab.topic]);
    let stranger = world.user("stranger");
    let words = ["bolt.stranger may not compute on", "height"];
    refused(&stranger, sum(), 403, &words).await;
    let other = lab.device.topic("other");
    world.register(&lab.device, &other, None);
    let both = made.job(Function::Sum, &[&lab.topic, &other]);
    refused(&lab.analyst, both, 403, &["acme/press-7/other"]).await;
    // An unknown function for this key; a form of job that can't be.
    let dot = made.job(Function::Dot, &[&lab.topic]);
    refused(&lab.analyst, dot, 422, &["dot"]).await;
    let over = Function::CountOver(Threshold { threshold: 77 });
    let count = made.job(over, &[&lab.topic]);
    refused(&lab.analyst, count, 422, &["edge"]).await;
    let mut empty = sum();
    empty.inputs.clear();
    refused(&lab.analyst, empty, 400, &["1 to 64 inputs"]).await;
    // A weight that could overflow: refused beforehand, with the bound.
    let heavy = Function::WeightedSum(sealwire_envelope::compute::Weights {
        weights: vec![1 << 40],
        decimals: 0,
        intercept: 0,
    });
    let heavy = made.job(heavy, &[&lab.topic]);
    refused(&lab.analyst, heavy, 422, &["1099511627776"]).await;
    // Not the owner, not the key's bytes, too many of them.
    let target = format!("/v1/compute/keys/{}/public", made.key.id());
    let put = async |person: &Person, bytes: Vec<u8>| {
        let at = gateway.http_addr;
        world.ask_text(at, person, "PUT", &target, bytes).await
    };
    let (code, text) = put(&lab.analyst, made.new.public.clone()).await;
    assert_eq!(code, 403, "{text}");
    let mut wrong = made.new.public.clone();
    wrong[5] ^= 1;
    let (code, text) = put(&lab.device, wrong).await;
    assert!(code == 422 && text.contains("public half"), "{code} {text}");
    let (code, text) = put(&lab.device, vec![0; 3 << 20]).await;
    assert_eq!(code, 413, "{text}");
    // A key of nobody, and one that was retired.
    let mut unknown = sum();
    unknown.key.0.0[0] ^= 1;
    refused(&lab.analyst, unknown, 409, &["isn't registered"]).await;
    let retire = RetireComputeKey {
        key: made.key.id(),
        reason: "another scale".into(),
    };
    world
        .ledger
        .call(&lab.device, Call::RetireComputeKey(retire));
    let words = ["retired", "another scale", "height"];
    refused(&lab.analyst, sum(), 409, &words).await;
    assert!(lab.logged().is_empty());
    assert!(gateway.metrics().compute_requests_refused.get() >= 10);
    lab.gateway.shutdown().await;
}

#[tokio::test]
async fn what_isnt_a_reading_is_left_out_and_counted() {
    let lab = lab().await;
    let (world, gateway) = (&lab.world, &lab.gateway);
    let made = lab.elgamal();
    let mut messages = made.messages(&lab.device, &lab.topic, Form::Value, 1, &[100]);
    let good = messages[0].clone();
    messages.push(b"21.5".to_vec());
    // Signed by another than it says; once more; of a batch whose other part is missing.
    let mut forged: SignedReading = decode(&good).unwrap();
    forged.body.sequence = 77;
    forged.body.batch = 77;
    messages.push(SignedReading::sign(forged.body, &lab.analyst.key).to_bytes());
    messages.push(good.clone());
    lab.publish(&messages).await;
    // A copy of a reading in another client's message counts as nothing.
    let copier = world.device("copier");
    let rights = Rights::PUBLISH;
    world.grant(&lab.device, &lab.topic, &copier, rights, None);
    let fresh = made.messages(&lab.device, &lab.topic, Form::Value, 50, &[200]);
    world.publish(gateway, &copier, &lab.topic, &fresh).await;
    let job = made.job(Function::Sum, &[&lab.topic]);
    let (status, computed) = world.compute(gateway, &lab.analyst, &job).await;
    let Value::Sum { sum } = made.open(&computed).value else {
        panic!("not a sum");
    };
    assert_eq!(sum.to_string(), "10.0");
    let left_out: Vec<(&str, u64)> = status.inputs[0]
        .left_out
        .iter()
        .map(|(why, count)| (why.as_str(), *count))
        .collect();
    assert_eq!(
        left_out,
        [("no-reading", 2), ("repeated", 1), ("signature", 1)]
    );
    lab.gateway.shutdown().await;
}

#[tokio::test]
async fn a_right_that_ends_meanwhile_gives_no_result() {
    let lab = lab().await;
    let (world, gateway) = (&lab.world, &lab.gateway);
    let made = lab.elgamal();
    let messages = made.messages(&lab.device, &lab.topic, Form::Value, 1, &[100]);
    lab.publish(&messages).await;
    let job = made.job(Function::Sum, &[&lab.topic]);
    // The ledger takes transactions and puts none into a block, until the right is gone.
    let (_, before) = world.compute(gateway, &lab.analyst, &job).await;
    world.ledger.black_hole.store(true, Ordering::SeqCst);
    let id = world.ask_job(gateway, &lab.analyst, &job).await;
    eventually("it is evaluated", async || {
        world.status(gateway, &lab.analyst, id).await.state == JobState::Evaluated
    })
    .await;
    let target = format!("/v1/compute/jobs/{id}/result");
    let asked = world.ask_text(gateway.http_addr, &lab.analyst, "GET", &target, Vec::new());
    let (code, text) = asked.await;
    assert!(
        code == 409 && text.contains("isn't recorded"),
        "{code} {text}"
    );
    world.revoke_by_operator(&world.one, &lab.topic, &lab.analyst.client);
    world.ledger.black_hole.store(false, Ordering::SeqCst);
    let status = world.done(gateway, &lab.analyst, id).await;
    assert_eq!(status.state, JobState::Refused);
    let why = status.refused.unwrap();
    assert!(why.contains("the ledger refused"), "{why}");
    assert!(
        world
            .ledger
            .view()
            .evaluation(&before.evaluation.id())
            .value
            .is_some()
    );
    lab.gateway.shutdown().await;
}

/// Starts a gateway on a runtime of its own, so that it can be killed between two instructions.
fn start_killable(world: &World) -> (tokio::runtime::Runtime, Running) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (config, ledger, keys) = (config(world), world.ledger.clone(), world.gateway_keys());
    let gateway = runtime.block_on(Gateway::start(config, ledger, keys));
    (runtime, gateway.unwrap())
}

#[test]
fn an_evaluation_that_a_crash_kept_from_the_ledger_comes_there_once() {
    let outside = tokio::runtime::Runtime::new().unwrap();
    let world = World::new();
    let (runtime, gateway) = start_killable(&world);
    let device = world.device("press-7");
    let analyst = world.user("analyst");
    let topic = world.open_topic(&device, "temperature", &analyst);
    let made = Made::new(&world, &device, ParameterSet::Sm2ElgamalV1, spec());
    let job = made.job(Function::Sum, &[&topic]);
    let archive = world.config().archive_path();
    let outbox = async |statement: &'static str| {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&archive);
        let mut db = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::query(statement).execute(&mut db).await.unwrap();
    };
    let id = outside.block_on(async {
        let messages = made.messages(&device, &topic, Form::Value, 1, &[215]);
        world.publish(&gateway, &device, &topic, &messages).await;
        eventually("the reading is anchored", async || {
            !crate::common::anchored(&world.ledger).is_empty()
        })
        .await;
        world.ledger.black_hole.store(true, Ordering::SeqCst);
        let id = world.ask_job(&gateway, &analyst, &job).await;
        eventually("it is evaluated", async || {
            world.status(&gateway, &analyst, id).await.state == JobState::Evaluated
        })
        .await;
        id
    });
    // Killed; and as if it had been between the result's file and the outbox.
    runtime.shutdown_background();
    std::mem::forget(gateway);
    outside.block_on(async {
        outbox("DELETE FROM outbox WHERE kind = 3").await;
        outbox("DELETE FROM transactions WHERE kind = 3").await;
    });
    world.ledger.black_hole.store(false, Ordering::SeqCst);
    let (runtime, gateway) = start_killable(&world);
    let status = outside.block_on(world.done(&gateway, &analyst, id));
    assert_eq!(status.state, JobState::Recorded, "{status:?}");
    let computed = outside.block_on(world.result(&gateway, &analyst, id));
    assert_eq!(made.open(&computed).readings, 1);
    // Killed again with it on the ledger: nothing is logged twice.
    runtime.shutdown_background();
    std::mem::forget(gateway);
    let (_runtime, gateway) = start_killable(&world);
    outside.block_on(async {
        let (_, again) = world.compute(&gateway, &analyst, &job).await;
        assert_eq!(again.ciphertexts, computed.ciphertexts);
    });
    assert_eq!(logged(&world).len(), 2);
    assert_eq!(
        outside.block_on(world.result(&gateway, &analyst, id)),
        computed
    );
}

#[tokio::test]
async fn a_standing_job_publishes_results_and_survives_a_restart() {
    let lab = lab().await;
    let (world, gateway) = (&lab.world, &lab.gateway);
    let made = lab.elgamal();
    let results = lab.device.topic("sums");
    world.register(&lab.device, &results, None);
    let standing = StandingJob {
        version: COMPUTE_VERSION,
        key: made.key.id(),
        function: Function::Sum,
        topics: vec![lab.topic.clone()],
        every_s: 1,
        over_s: 3_600,
        publish: results.clone(),
    };
    let put = async |person: &Person, job: &StandingJob| {
        let at = gateway.http_addr;
        let target = "/v1/compute/standing";
        world
            .ask_text(at, person, "POST", target, encode(job))
            .await
    };
    // The analyst may compute, and not publish on the owner's topic.
    let (code, text) = put(&lab.analyst, &standing).await;
    assert!(code == 403 && text.contains("publish"), "{code} {text}");
    let mut never = standing.clone();
    never.every_s = 0;
    let (code, text) = put(&lab.device, &never).await;
    assert_eq!(code, 400, "{text}");
    lab.publish(&made.messages(&lab.device, &lab.topic, Form::Value, 1, &[215]))
        .await;
    let mut wire = Wire::login(world, gateway.mqtt_addr, &lab.device).await;
    let ack = wire.subscribe(&[results.as_str()]).await;
    assert_eq!(ack.reason_codes.len(), 1);
    let (code, text) = put(&lab.device, &standing).await;
    assert_eq!(code, 201, "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let id: StandingId = json["standing"].as_str().unwrap().parse().unwrap();
    let message = wire.message().await;
    let computed: Computed = decode(&message.payload).unwrap();
    assert_eq!(made.open(&computed).readings, 1);
    let job = &computed.evaluation.job;
    assert_eq!(job.inputs[0].to_ms - job.inputs[0].from_ms, 3_600_000);
    assert_eq!(job.inputs[0].to_ms % 1_000, 0);
    lab.gateway.shutdown().await;

    // Runs that fell into the time without a gateway are missed, and said so.
    let stopped_ms = now_ms();
    eventually("three runs passed", async || now_ms() > stopped_ms + 3_200).await;
    let gateway = world.gateway_with(config(world)).await;
    let mut wire = Wire::login(world, gateway.mqtt_addr, &lab.device).await;
    wire.subscribe(&[results.as_str()]).await;
    let again: Computed = decode(&wire.message().await.payload).unwrap();
    assert!(again.evaluation.job.inputs[0].to_ms > job.inputs[0].to_ms);
    let list = async |person: &Person| -> Vec<StandingStatus> {
        let at = gateway.http_addr;
        let target = "/v1/compute/standing";
        let (code, text) = world.ask_text(at, person, "GET", target, Vec::new()).await;
        assert_eq!(code, 200, "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        serde_json::from_value(json["standing"].clone()).unwrap()
    };
    let own = list(&lab.device).await;
    assert_eq!((own.len(), own[0].standing), (1, id));
    assert!(own[0].missed >= 2, "{own:?}");
    assert!(gateway.metrics().standing_missed.get() >= 2);
    assert!(list(&lab.analyst).await.is_empty());
    // Only its requester ends it.
    let target = format!("/v1/compute/standing/{id}");
    for (person, expected) in [(&lab.analyst, 403), (&lab.device, 204), (&lab.device, 404)] {
        let asked = world.ask_text(gateway.http_addr, person, "DELETE", &target, Vec::new());
        let (code, text) = asked.await;
        assert_eq!(code, expected, "{text}");
    }
    assert!(list(&lab.device).await.is_empty());
    gateway.shutdown().await;
}

#[tokio::test]
async fn no_one_fills_the_queue_alone() {
    let lab = lab().await;
    let (world, gateway) = (&lab.world, &lab.gateway);
    let made = lab.elgamal();
    // Nothing is anchored while the ledger takes nothing: all jobs wait.
    world.ledger.black_hole.store(true, Ordering::SeqCst);
    lab.publish(&made.messages(&lab.device, &lab.topic, Form::Value, 1, &[1]))
        .await;
    let job = made.job(Function::Sum, &[&lab.topic]);
    for _ in 0..sealwire_gateway::compute::WAITING_PER_CLIENT_MAX {
        world.ask_job(gateway, &lab.analyst, &job).await;
    }
    let (code, text) = world.try_job(gateway, &lab.analyst, &job).await;
    assert!(code == 429 && text.contains("16 jobs"), "{code} {text}");
    let id = world.ask_job(gateway, &lab.device, &job).await;
    let status = world.status(gateway, &lab.device, id).await;
    assert_eq!(status.state, JobState::Waiting);
    world.ledger.black_hole.store(false, Ordering::SeqCst);
    let status = world.done(gateway, &lab.device, id).await;
    assert_eq!(status.state, JobState::Recorded, "{status:?}");
    lab.gateway.shutdown().await;
}
