//! The ledger client against a node that is busy, away, forgetful or unproven.

use std::sync::{Arc, atomic::Ordering};

use crate::common::{World, soon};
use sealwire_client::{
    Ledger, Trust,
    ledger::{CallError, LedgerError, sign_until},
    mqtt::{LoginError, Options},
    operator,
    owner::OwnerError,
};
use sealwire_contracts::Code;
use sealwire_envelope::{Call, RegisterTopic, TopicMode};
use sealwire_sm::Role;

fn open(topic: &str) -> Call {
    let topic = topic.parse().unwrap();
    Call::RegisterTopic(RegisterTopic {
        topic,
        mode: TopicMode::Open,
        sealed_key: None,
    })
}

#[tokio::test]
async fn a_busy_ledger_is_asked_again() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    world.chain.busy.store(3, Ordering::SeqCst);
    let applied = soon(world.ledger().call(&a.identity, open("acme/press-7/t")))
        .await
        .unwrap();
    assert_eq!(world.chain.submissions.load(Ordering::SeqCst), 4);
    assert!(applied.height > 1);
}

#[tokio::test]
async fn a_lost_answer_doesnt_register_twice_nor_fail() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    world.chain.lose_answers.store(1, Ordering::SeqCst);
    soon(world.ledger().call(&a.identity, open("acme/press-7/t")))
        .await
        .unwrap();
    assert_eq!(world.chain.submissions.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_node_that_is_away_is_passed_over() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let nodes = vec!["http://127.0.0.1:1".to_owned(), world.nodes[0].clone()];
    let ledger = Ledger::new(&nodes, None).unwrap();
    soon(ledger.call(&a.identity, open("acme/press-7/t")))
        .await
        .unwrap();
    let record = ledger.client(a.id()).await.unwrap().unwrap();
    assert_eq!(record.certificate_id, a.identity.certificate_id());
    assert!(matches!(Ledger::new(&[], None), Err(LedgerError::NoNode)));
    for bad in ["127.0.0.1:1", "https://x", "x"] {
        let made = Ledger::new(&[bad.to_owned()], None);
        assert!(matches!(made, Err(LedgerError::Address { .. })), "{bad}");
    }
}

#[tokio::test]
async fn refusals_carry_their_words() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let refused = a
        .owner
        .register(&"acme/other/t".parse().unwrap(), TopicMode::Sealed)
        .await;
    let Err(OwnerError::Call(CallError::Refused { code, detail, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(code, Code::OutsidePrefix);
    assert!(detail.contains("acme/press-7/"), "{detail}");

    // Not even into a block: the sender isn't registered.
    let (key, certificate) = world.one.issue("ghost", Role::Device);
    let ghost = world.stranger(key, certificate, "ghost");
    let refused = world
        .ledger()
        .call(&ghost.identity, open("acme/ghost/t"))
        .await;
    let Err(CallError::Ledger(LedgerError::Refused(problem))) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(problem.status, 403);
    assert!(problem.detail.contains("registered"), "{problem}");
}

#[tokio::test]
async fn a_transaction_that_nobody_includes_expires() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let ledger = world.ledger();
    let height = ledger.height().await.unwrap();
    world.chain.black_hole.store(true, Ordering::SeqCst);
    let transaction = sign_until(&a.identity, open("acme/press-7/t"), height + 1);
    let id = ledger.submit(&transaction).await.unwrap();
    world.chain.block(&[]);
    world.chain.block(&[]);
    let outcome = soon(ledger.outcome(id, height + 1)).await;
    assert!(
        matches!(outcome, Err(CallError::Expired { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn nothing_unproven_is_believed() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let ledger = Ledger::new(&world.nodes, Some(world.chain.genesis.clone())).unwrap();
    let ledger = ledger.with_attempts(2);
    let answer = ledger.client(a.id()).await;
    assert!(
        matches!(answer, Err(LedgerError::Unproven { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_node_that_is_behind_isnt_believed() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let ledger = Ledger::new(&world.nodes, None).unwrap().with_attempts(2);
    ledger.have_seen(1_000);
    let answer = ledger.client(a.id()).await;
    assert!(
        matches!(answer, Err(LedgerError::Behind { seen: 1_000, .. })),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_enrols_and_revokes() {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let (key, certificate) = world.one.operator.clone();
    let operator_client = world.stranger(key, certificate, "operator");
    let ledger = world.ledger();
    let (key, certificate) = world.one.issue("press-9", Role::Device);
    operator::register(&ledger, &operator_client.identity, &certificate)
        .await
        .unwrap();
    let device = world.stranger(key, certificate, "press-9");
    let session = device.connect(&gateway).await;
    let id = device.identity.certificate_id();
    operator::revoke(&ledger, &operator_client.identity, id, "stolen")
        .await
        .unwrap();
    let why = soon(session.ended()).await;
    assert!(why.to_string().contains("revoked"), "{why}");
    let options = Options::new(gateway.mqtt_addr.to_string());
    let refused = device.connect_with(options).await.err().unwrap();
    assert!(matches!(refused, LoginError::Refused { .. }), "{refused}");
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_revoked_gateway_isnt_believed_though_genesis_has_it() {
    let world = World::new().await;
    let id = sealwire_envelope::CertId(world.one.gateway.1.id());
    let trust = Trust::new(&world.chain.genesis, Some(world.ledger())).unwrap();
    assert_eq!(trust.gateway(id).await.unwrap().client, world.gateway_id());
    let reason = "retired".to_owned();
    let call = sealwire_envelope::RevokeCertificate {
        certificate: id,
        reason,
    };
    let (key, certificate) = &world.one.operator;
    world
        .chain
        .call(key, certificate, Call::RevokeCertificate(call));
    let trust = Arc::new(Trust::new(&world.chain.genesis, Some(world.ledger())).unwrap());
    let refused = trust.gateway(id).await.err().unwrap();
    assert!(refused.to_string().contains("Revoked"), "{refused}");
}
