//! Compute keys and evaluations through the client: registered, read back, retired. And whole computations:
//! asked for, had, evaluated again, and what becomes of a gateway that lies.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use crate::common::{Client, World, now_ms, soon};
use axum::{Json, Router, routing::get};
use sealwire_client::{
    Archive, Compute,
    compute::{ComputeError, ResultReceiptError, Sources, VerifyAgainError, receipt, verify_again},
    ledger::{CallError, LedgerError},
    mqtt::Session,
    owner::OwnerError,
};
use sealwire_compute::{Encryptor, NewKey, Origin, answer::Value, generate, reading::Reading};
use sealwire_contracts::{Code, keys};
use sealwire_envelope::{
    Blob, Call, ClientId, EvaluationId, GrantTerms, JobId, LogEvaluations, Rights, TopicMode,
    TopicName,
    compute::{
        COMPUTE_VERSION, ComputeJob, ComputeKey, Computed, Evaluation, Form, Function, InputDigest,
        JobInput, ParameterSet, ReadingSpec, SignedReading, result_digest,
        service::{JobState, JobStatus, KeyHalf, StandingJob},
    },
    encode,
};
use sealwire_gateway::Running;
use sealwire_receipt::result::input_digest;
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

// ---- whole computations -----------------------------------------------------------------------

/// A device with two packages of readings, its key, and an auditor of another organisation who may compute
/// and read.
struct Lab {
    world: World,
    gateway: Running,
    device: Client,
    auditor: Client,
    new: NewKey,
    key: ComputeKey,
    topic: TopicName,
    session: Session,
}

async fn lab(parameters: ParameterSet) -> Lab {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let device = world.client(&world.one, "press-7", Role::Device);
    let auditor = world.client(&world.two, "auditor", Role::User);
    let topic: TopicName = "acme/press-7/t".parse().unwrap();
    device
        .owner
        .register(&topic, TopicMode::Open)
        .await
        .unwrap();
    let terms = GrantTerms {
        rights: Rights::COMPUTE | Rights::READ,
        ..GrantTerms::default()
    };
    let granted = device.owner.grant(&topic, auditor.id(), terms, None);
    granted.await.unwrap();
    let new = generate(parameters, &mut rand::rng());
    let key = ComputeKey {
        parameters,
        public: sm3(&[&new.public]),
        evaluation: new.evaluation.as_ref().map(|bytes| sm3(&[bytes])),
        ..compute_key(device.id(), &Blob(Vec::new()))
    };
    let inline = parameters == ParameterSet::Sm2ElgamalV1;
    let public = inline.then(|| Blob(new.public.clone()));
    let registered = device.owner.register_compute_key(key.clone(), public);
    registered.await.unwrap();
    let session = device.connect(&gateway).await;
    let lab = Lab {
        world,
        gateway,
        device,
        auditor,
        new,
        key,
        topic,
        session,
    };
    for (sequence, values) in [(1, [215, -30]), (2, [1_000, 5])] {
        lab.publish(sequence, &values).await;
        lab.gateway.close_packages().await.unwrap();
    }
    lab
}

impl Lab {
    fn service(&self, client: &Client) -> Compute {
        let address = format!("http://{}", self.gateway.http_addr);
        Compute::new(&address, client.identity.clone()).unwrap()
    }

    async fn publish(&self, sequence: u64, values: &[i64]) {
        let ledger = self.world.ledger();
        // What a device does: the public half from the ledger or the gateway, checked.
        let (service, id) = (self.service(&self.device), self.key.id());
        let had = service.public_key(&ledger, &id).await;
        let (key, public) = match had {
            Ok(had) => had,
            Err(ComputeError::Gateway(_)) => (self.key.clone(), self.new.public.clone()),
            Err(error) => panic!("{error}"),
        };
        let origin = Origin {
            topic: self.topic.clone(),
            sender: self.device.id().clone(),
            sequence,
        };
        let readings: Vec<Reading> = values
            .iter()
            .map(|value| Reading::from_scaled(*value, &key.readings).unwrap())
            .collect();
        let bodies = Encryptor::new(&key, &public)
            .unwrap()
            .batch(&origin, Form::Value, &readings, 1 << 20, &mut rand::rng())
            .unwrap();
        for body in bodies {
            let reading = SignedReading::sign(body, self.device.identity.key()).to_bytes();
            let published = self
                .session
                .publish(&self.topic, "application/cbor", &reading);
            soon(published).await.unwrap();
        }
    }

    fn job(&self, function: Function) -> ComputeJob {
        ComputeJob {
            version: COMPUTE_VERSION,
            key: self.key.id(),
            function,
            inputs: vec![JobInput {
                topic: self.topic.clone(),
                from_ms: 0,
                to_ms: now_ms() + 1,
            }],
        }
    }

    /// From a question to a result that the ledger has.
    async fn ask(&self, function: Function) -> (JobStatus, Computed) {
        let service = self.service(&self.auditor);
        let job = service.ask(&self.job(function)).await.unwrap();
        let status = service.wait(&job, Duration::from_secs(30)).await.unwrap();
        let ledger = self.world.ledger();
        (status, service.result(&ledger, &job).await.unwrap())
    }

    async fn again(&self, id: &EvaluationId) -> Result<u64, VerifyAgainError> {
        let gateways = [self.service(&self.auditor)];
        let sources = Sources {
            gateways: &gateways,
            bundles: &[],
        };
        let ledger = self.world.ledger();
        let again = soon(verify_again(&ledger, sources, id)).await?;
        Ok(again.messages)
    }

    /// The gateway logs this instead of the truth.
    fn lie(&self, evaluation: &Evaluation) -> EvaluationId {
        let (secret, certificate) = &self.world.one.gateway;
        let evaluations = vec![evaluation.clone()];
        let call = Call::LogEvaluations(LogEvaluations { evaluations });
        self.world.chain.call(secret, certificate, call);
        evaluation.id()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_had_opened_and_evaluated_again() {
    let lab = lab(ParameterSet::Sm2ElgamalV1).await;
    let (status, computed) = lab.ask(Function::Mean).await;
    assert_eq!(status.state, JobState::Recorded);
    assert_eq!(
        (status.inputs[0].packages, status.inputs[0].readings),
        (2, 4)
    );
    let evaluation = &computed.evaluation;
    let opened =
        sealwire_compute::open(&lab.new.secret, &lab.key, evaluation, &computed.ciphertexts);
    let Value::Mean { sum, .. } = opened.unwrap().value else {
        panic!("not a mean");
    };
    assert_eq!(sum.to_string(), "119.0");
    assert_eq!(lab.again(&evaluation.id()).await.unwrap(), 2);
    let own = lab.service(&lab.auditor).jobs().await.unwrap();
    assert_eq!(own, [status]);

    // From bundles alone, at somebody who asks no gateway.
    let ledger = lab.world.ledger();
    let archive = lab.service(&lab.auditor).archive().clone();
    let listed = archive.packages(&lab.topic, 0, 10).await.unwrap().packages;
    let mut bundles = Vec::new();
    for listed in &listed {
        // This node proves nothing, so the bundle is put together without its proof being checked.
        bundles.push(sealwire_envelope::receipt::Bundle {
            version: 1,
            package: archive.package(&listed.package).await.unwrap(),
            anchor: ledger.package_proof(&listed.package).await.unwrap(),
        });
    }
    let sources = Sources {
        gateways: &[],
        bundles: &bundles,
    };
    let again = verify_again(&ledger, sources, &evaluation.id()).await;
    assert_eq!(again.unwrap().ciphertexts, computed.ciphertexts);
    bundles[0].package.records[0].0[60] ^= 1;
    let sources = Sources {
        gateways: &[],
        bundles: &bundles,
    };
    let damaged = verify_again(&ledger, sources, &evaluation.id()).await;
    assert!(
        matches!(damaged, Err(VerifyAgainError::Damaged { .. })),
        "{damaged:?}"
    );
    lab.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_evaluated_again_with_the_uploaded_key() {
    let lab = lab(ParameterSet::BfvMulV1).await;
    let owner = lab.service(&lab.device);
    let id = lab.key.id();
    let evaluation = lab.new.evaluation.clone().unwrap();
    owner
        .upload(&id, KeyHalf::Public, &lab.new.public)
        .await
        .unwrap();
    let wrong = owner
        .upload(&id, KeyHalf::Evaluation, &lab.new.public)
        .await;
    assert!(matches!(wrong, Err(ComputeError::Gateway(_))), "{wrong:?}");
    owner
        .upload(&id, KeyHalf::Evaluation, &evaluation)
        .await
        .unwrap();
    let ledger = lab.world.ledger();
    let (_, public) = lab
        .service(&lab.auditor)
        .public_key(&ledger, &id)
        .await
        .unwrap();
    assert_eq!(public, lab.new.public);
    let (_, computed) = lab.ask(Function::Variance).await;
    let opened = sealwire_compute::open(
        &lab.new.secret,
        &lab.key,
        &computed.evaluation,
        &computed.ciphertexts,
    );
    assert_eq!(opened.unwrap().readings, 4);
    assert_eq!(lab.again(&computed.evaluation.id()).await.unwrap(), 2);
    lab.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_lies_about_a_result_is_convicted() {
    let lab = lab(ParameterSet::Sm2ElgamalV1).await;
    let (_, honest) = lab.ask(Function::Sum).await;
    let ledger = lab.world.ledger();

    // Another result, logged as if it were this one's.
    let mut other = honest.clone();
    other.ciphertexts[0].0[40] ^= 1;
    other.evaluation.result = result_digest(&other.ciphertexts);
    let id = lab.lie(&other.evaluation);
    let caught = lab.again(&id).await.unwrap_err();
    assert!(
        matches!(caught, VerifyAgainError::Result { .. }),
        "{caught}"
    );
    assert!(caught.is_lie() && caught.to_string().contains("LIED"));

    // A package left out, and the right result of what is left.
    let archive = lab.service(&lab.auditor).archive().clone();
    let listed = archive.packages(&lab.topic, 0, 10).await.unwrap().packages;
    let mut omitting = honest.evaluation.clone();
    omitting.inputs[0] = input_digest(&[listed[0].package], 2);
    let id = lab.lie(&omitting);
    let caught = lab.again(&id).await.unwrap_err();
    let VerifyAgainError::Omitted {
        missing,
        found,
        said,
        ..
    } = &caught
    else {
        panic!("{caught}");
    };
    assert_eq!(
        (missing.as_slice(), *found, *said),
        (&[listed[1].package][..], 2, 1)
    );
    assert!(caught.is_lie());

    // Packages that make another root, and another number of readings.
    let mut elsewhere = honest.evaluation.clone();
    elsewhere.inputs[0].root.0[0] ^= 1;
    let caught = lab.again(&lab.lie(&elsewhere)).await.unwrap_err();
    assert!(
        matches!(caught, VerifyAgainError::Packages { .. }),
        "{caught}"
    );
    let mut fewer = honest.evaluation.clone();
    fewer.inputs[0].readings = 3;
    let caught = lab.again(&lab.lie(&fewer)).await.unwrap_err();
    assert!(
        matches!(caught, VerifyAgainError::Readings { .. }),
        "{caught}"
    );
    // A node that keeps a package back convicts nobody.
    lab.world.chain.keeps_back.store(1, Ordering::SeqCst);
    let kept = lab.again(&honest.evaluation.id()).await.unwrap_err();
    assert!(
        !kept.is_lie() && kept.to_string().contains("another node"),
        "{kept}"
    );
    lab.world.chain.keeps_back.store(0, Ordering::SeqCst);
    assert_eq!(lab.again(&honest.evaluation.id()).await.unwrap(), 2);

    // The receipt's check: a result that isn't the ledger's, and packages that were left out.
    let identity = &lab.auditor.identity;
    let mut changed = honest.clone();
    changed.ciphertexts[0].0[40] ^= 1;
    let refused = receipt(&ledger, identity, &changed).await;
    assert!(
        matches!(
            refused,
            Err(ResultReceiptError::Computed(ComputeError::Changed { .. }))
        ),
        "{refused:?}"
    );
    let omitted = Computed {
        evaluation: omitting,
        ciphertexts: honest.ciphertexts.clone(),
    };
    let refused = receipt(&ledger, identity, &omitted).await;
    assert!(
        matches!(
            refused,
            Err(ResultReceiptError::Packages(
                VerifyAgainError::Omitted { .. }
            ))
        ),
        "{refused:?}"
    );
    // This node proves nothing, and a receipt without proofs isn't handed out.
    let refused = receipt(&ledger, identity, &honest).await;
    assert!(
        matches!(refused, Err(ResultReceiptError::Verify(_))),
        "{refused:?}"
    );
    lab.gateway.shutdown().await;
}

/// A gateway that answers every question about a job with these.
async fn impostor(status: JobStatus, computed: &Computed) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bytes = encode(computed);
    let router = Router::new()
        .route("/v1/compute/jobs/{job}", get(|| async { Json(status) }))
        .route("/v1/compute/jobs/{job}/result", get(|| async { bytes }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_isnt_the_ledgers_isnt_handed_on() {
    let lab = lab(ParameterSet::Sm2ElgamalV1).await;
    let (status, honest) = lab.ask(Function::Sum).await;
    let ledger = lab.world.ledger();
    let ask = async |status: &JobStatus, computed: &Computed| {
        let address = impostor(status.clone(), computed).await;
        let archive = Archive::new(&format!("http://{address}"), lab.auditor.identity.clone());
        let service = Compute::of(archive.unwrap());
        service.result(&ledger, &status.job).await
    };
    assert_eq!(ask(&status, &honest).await.unwrap(), honest);
    let mut changed = honest.clone();
    changed.ciphertexts[0].0[40] ^= 1;
    let refused = ask(&status, &changed).await;
    assert!(
        matches!(refused, Err(ComputeError::Changed { .. })),
        "{refused:?}"
    );
    let mut unrecorded = changed;
    unrecorded.evaluation.result = result_digest(&unrecorded.ciphertexts);
    let refused = ask(&status, &unrecorded).await;
    assert!(
        matches!(refused, Err(ComputeError::Other { .. })),
        "{refused:?}"
    );
    let mut lying = status.clone();
    lying.evaluation = Some(unrecorded.evaluation.id());
    let refused = ask(&lying, &unrecorded).await;
    assert!(
        matches!(refused, Err(ComputeError::Unrecorded { .. })),
        "{refused:?}"
    );
    lab.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_through_and_standing_jobs_are_kept() {
    let lab = lab(ParameterSet::Sm2ElgamalV1).await;
    let service = lab.service(&lab.auditor);
    let refused = service.ask(&lab.job(Function::Dot)).await.unwrap_err();
    assert!(refused.to_string().contains("dot"), "{refused}");
    let unknown = service.job(&JobId(sm3(&[b"job"]))).await;
    assert!(
        matches!(unknown, Err(ComputeError::Gateway(_))),
        "{unknown:?}"
    );
    // Nothing to compute on in that time: taken, and refused once it was looked for.
    let mut empty = lab.job(Function::Sum);
    (empty.inputs[0].from_ms, empty.inputs[0].to_ms) = (1, 2);
    let job = service.ask(&empty).await.unwrap();
    let refused = service.wait(&job, Duration::from_secs(30)).await;
    let Err(ComputeError::JobRefused { reason, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("no readings"), "{reason}");

    let owner = lab.service(&lab.device);
    let results: TopicName = "acme/press-7/results".parse().unwrap();
    lab.device
        .owner
        .register(&results, TopicMode::Open)
        .await
        .unwrap();
    let standing = StandingJob {
        version: COMPUTE_VERSION,
        key: lab.key.id(),
        function: Function::Sum,
        topics: vec![lab.topic.clone()],
        every_s: 1,
        over_s: 600,
        publish: results.clone(),
    };
    let mut messages = lab.session.subscribe(&results.to_filter()).await.unwrap();
    let id = owner.put_standing(&standing).await.unwrap();
    let kept = owner.standing().await.unwrap();
    assert_eq!((kept[0].standing, &kept[0].job), (id, &standing));
    let message = soon(messages.next()).await.unwrap().unwrap();
    let computed: Computed = sealwire_envelope::decode(&message.content).unwrap();
    sealwire_client::compute::check(&lab.world.ledger(), &computed)
        .await
        .unwrap();
    owner.delete_standing(&id).await.unwrap();
    assert!(owner.standing().await.unwrap().is_empty());
    lab.gateway.shutdown().await;
}
