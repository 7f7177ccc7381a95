//! A reading's way through the SDK: register, publish, grant, subscribe, fetch, verify, revoke;
//! and what comes of connections that break. Real gateway, real contracts.

use std::time::Duration;

use crate::common::{World, soon};
use mqtt5_protocol::packet::{MqttPacket as _, auth::AuthPacket};
use sealwire_client::{
    Archive,
    archive::{self, FetchError},
    keyring::KeyringError,
    mqtt::{
        Ended, LoginError, Method, Options, PublishError, QoS, ReasonCode, ReceiveError, Reconnect,
        SubscribeError,
    },
};
use sealwire_envelope::{
    CertId, GrantTerms, KeyEpoch, Rights, TopicMode, TopicName, encode,
    login::{Challenge, METHOD},
    message::CONTENT_TYPE_DEFAULT,
};
use sealwire_receipt::merkle;
use sealwire_sm::{Role, Signature};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn topic(text: &str) -> TopicName {
    text.parse().unwrap()
}

fn all() -> GrantTerms {
    GrantTerms {
        rights: Rights::SUBSCRIBE | Rights::READ,
        ..GrantTerms::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_readings_way() {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let b = world.client(&world.two, "reader", Role::User);
    let temperature = topic("acme/press-7/temperature");
    a.owner
        .register(&temperature, TopicMode::Sealed)
        .await
        .unwrap();

    // Refused before the grant, with a reason; the session stays.
    let (a_session, b_session) = (a.connect(&gateway).await, b.connect(&gateway).await);
    assert_eq!(a_session.gateway(), Some(&world.gateway_id()));
    let refused = b_session.subscribe(&temperature.to_filter()).await;
    let Err(SubscribeError::Refused {
        code: ReasonCode::NotAuthorized,
        reason,
    }) = refused
    else {
        panic!("the subscription wasn't refused");
    };
    assert!(reason.contains("granted"), "{reason}");

    a.owner
        .grant(&temperature, b.id(), all(), None)
        .await
        .unwrap();
    let mut messages = b_session.subscribe(&temperature.to_filter()).await.unwrap();
    let content = |i: usize| format!(r#"[{{"n":"temperature","u":"Cel","v":{i}}}]"#).into_bytes();
    let mut deliveries = Vec::new();
    for i in 0..300 {
        let content = content(i);
        let sent = a_session.send(
            &temperature,
            CONTENT_TYPE_DEFAULT,
            &content,
            QoS::AtLeastOnce,
        );
        deliveries.push(sent.await.unwrap());
    }
    let mut last = None;
    for delivery in deliveries {
        let header = soon(delivery.confirmed()).await.unwrap().unwrap();
        assert!(last.is_none_or(|last| header.sequence > last));
        last = Some(header.sequence);
    }
    // More than RECEIVE_MAX: taking a message makes room for the next.
    for i in 0..300 {
        let message = soon(messages.next()).await.unwrap().unwrap();
        assert_eq!(*message.content, content(i));
        assert_eq!(&message.header.unwrap().sender, a.id());
    }

    // The archive.
    gateway.close_packages().await.unwrap();
    let store = Archive::new(&format!("http://{}", gateway.http_addr), b.identity.clone()).unwrap();
    let page = store.packages(&temperature, 0, 10).await.unwrap();
    assert_eq!(page.packages.iter().map(|p| p.count).sum::<u64>(), 300);
    let listed = &page.packages[0];
    let package = store.package(&listed.package).await.unwrap();
    assert_eq!(package.manifest.root, listed.root);
    let record = store.record(&listed.package, 7).await.unwrap();
    assert_eq!(record.record, package.records[7]);
    let opened = archive::open(&b.keyring, &record.record).await.unwrap();
    assert_eq!(*opened.content, content(7));
    let mut flipped = record.record.0.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(archive::open(&b.keyring, &flipped).await.is_err());
    let wrong = merkle::verify(
        &record.manifest.root,
        &merkle::leaf(&flipped),
        7,
        record.manifest.count,
        &record.path,
    );
    assert!(wrong.is_err());

    // Revoked: the subscription ends with a reason, the archive refuses, the new key isn't B's.
    a.owner.revoke(&temperature, b.id()).await.unwrap();
    let Some(Err(ReceiveError::Ended(why))) = soon(messages.next()).await else {
        panic!("the subscription goes on");
    };
    let Ended::Disconnected {
        code: ReasonCode::NotAuthorized,
        reason,
    } = &*why
    else {
        panic!("{why}");
    };
    assert!(reason.contains("revoked"), "{reason}");
    assert!(messages.next().await.is_none());
    let Err(FetchError::Refused(problem)) = store.package(&listed.package).await else {
        panic!("the archive isn't closed");
    };
    assert_eq!(problem.status, 403);
    assert!(problem.detail.contains("revoked"), "{problem}");
    let header = soon(a_session.publish(&temperature, "text/plain", b"after"))
        .await
        .unwrap();
    assert_eq!(header.unwrap().epoch, KeyEpoch(1));
    let key = b.keyring.key(&temperature, KeyEpoch(1)).await;
    assert!(matches!(key, Err(KeyringError::NoKey { .. })));
    a_session.close().await;
    assert!(matches!(*a_session.ended().await, Ended::Closed));
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_keeps_those_who_remain() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let b = world.client(&world.two, "reader", Role::User);
    let c = world.client(&world.two, "auditor", Role::User);
    let d = world.client(&world.two, "clerk", Role::User);
    let t = topic("acme/press-7/t");
    a.owner.register(&t, TopicMode::Sealed).await.unwrap();
    a.owner.grant(&t, b.id(), all(), None).await.unwrap();
    a.owner.grant(&t, c.id(), all(), None).await.unwrap();
    let compute = GrantTerms {
        rights: Rights::COMPUTE,
        ..GrantTerms::default()
    };
    a.owner.grant(&t, d.id(), compute, None).await.unwrap();
    a.owner.revoke(&t, b.id()).await.unwrap();
    let key = |client: &crate::common::Client| {
        let keyring = client.keyring.clone();
        let t = t.clone();
        async move { keyring.key(&t, KeyEpoch(1)).await }
    };
    let (of_a, of_c) = (key(&a).await.unwrap(), key(&c).await.unwrap());
    assert_eq!(of_a.expose(), of_c.expose());
    for without in [&b, &d] {
        assert!(matches!(
            key(without).await,
            Err(KeyringError::NoKey { .. })
        ));
    }
    let old = c.keyring.key(&t, KeyEpoch(0)).await.unwrap();
    assert_ne!(old.expose(), of_c.expose());
    // Those without the key go without a rotation's help too.
    a.owner.revoke(&t, d.id()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_wrong() {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let address = gateway.mqtt_addr.to_string();
    let a = world.client(&world.one, "press-7", Role::Device);

    // Nobody registered it.
    let (key, certificate) = world.one.issue("ghost", Role::Device);
    let ghost = world.stranger(key, certificate, "ghost");
    let refused = ghost
        .connect_with(Options::new(&address))
        .await
        .err()
        .unwrap();
    let LoginError::Refused {
        code: ReasonCode::NotAuthorized,
        reason,
    } = &refused
    else {
        panic!("{refused}");
    };
    // It is told no more than that; the gateway's operator reads what it was.
    assert!(reason.contains("ask your operator"), "{reason}");
    assert!(!refused.may_pass());

    // Another gateway than expected.
    let expect = Some("bolt.gateway".parse().unwrap());
    let refused = a
        .connect_with(Options {
            expect,
            ..Options::new(&address)
        })
        .await
        .err()
        .unwrap();
    assert!(
        matches!(refused, LoginError::OtherGateway { .. }),
        "{refused}"
    );

    // A gateway that this consortium doesn't know.
    let other = World::new().await;
    let stranger = other.gateway(None).await;
    let options = Options::new(stranger.mqtt_addr.to_string());
    let refused = a.connect_with(options).await.err().unwrap();
    assert!(
        matches!(refused, LoginError::Refused { .. } | LoginError::Trust(_)),
        "{refused}"
    );

    // Nobody there.
    let refused = a
        .connect_with(Options::new("127.0.0.1:1"))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(refused, LoginError::Unreachable { .. }),
        "{refused}"
    );
    assert!(refused.may_pass());

    let session = a.connect(&gateway).await;
    let (own, foreign) = (topic("acme/press-7/t"), topic("acme/press-8/t"));
    let unknown = session.publish(&own, "text/plain", b"x").await;
    assert!(matches!(
        unknown,
        Err(PublishError::Key(KeyringError::UnknownTopic { .. }))
    ));
    a.owner.register(&own, TopicMode::Sealed).await.unwrap();
    a.owner
        .register(&foreign, TopicMode::Sealed)
        .await
        .unwrap_err();
    for (name, payload, expected) in [
        (own.as_str(), vec![0; 100], ReasonCode::PayloadFormatInvalid),
        (own.as_str(), vec![0; 1_100_000], ReasonCode::QuotaExceeded),
        (foreign.as_str(), vec![0; 100], ReasonCode::NotAuthorized),
    ] {
        let delivery = session
            .send_payload(name, payload, QoS::AtLeastOnce)
            .await
            .unwrap();
        match soon(delivery.confirmed()).await {
            Err(PublishError::Refused { code, reason }) => {
                assert_eq!(code, expected, "{reason}");
                assert_ne!(reason, format!("{code:?}"), "no reason string");
            }
            Err(PublishError::TooLarge { .. }) if expected == ReasonCode::QuotaExceeded => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_logs_in_and_an_open_topic_carries_anything() {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let b = world.client(&world.two, "reader", Role::User);
    let open = topic("acme/press-7/open");
    a.owner.register(&open, TopicMode::Open).await.unwrap();
    a.owner.grant(&open, b.id(), all(), None).await.unwrap();
    let method = Method::Token {
        gateway: world.gateway_id(),
    };
    let options = Options {
        method,
        ..Options::new(gateway.mqtt_addr.to_string())
    };
    let a_session = a.connect_with(options).await.unwrap();
    assert_eq!(a_session.gateway(), None);
    let b_session = b.connect(&gateway).await;
    let mut messages = b_session.subscribe(&open.to_filter()).await.unwrap();
    soon(a_session.publish(&open, "ignored", b"\x00anything"))
        .await
        .unwrap();
    let message = soon(messages.next()).await.unwrap().unwrap();
    assert_eq!(
        (&message.content[..], message.header),
        (&b"\x00anything"[..], None)
    );

    let method = Method::Token {
        gateway: "bolt.gateway".parse().unwrap(),
    };
    let options = Options {
        method,
        ..Options::new(gateway.mqtt_addr.to_string())
    };
    let refused = a.connect_with(options).await.err().unwrap();
    let LoginError::Refused { code, reason } = refused else {
        panic!("{refused}")
    };
    assert_eq!(code, ReasonCode::BadUsernameOrPassword);
    assert!(reason.contains("bolt.gateway"), "{reason}");
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_restarts_loses_nothing_confirmed() {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let address = gateway.mqtt_addr;
    let a = world.client(&world.one, "press-7", Role::Device);
    let b = world.client(&world.two, "reader", Role::User);
    let t = topic("acme/press-7/t");
    a.owner.register(&t, TopicMode::Sealed).await.unwrap();
    a.owner.grant(&t, b.id(), all(), None).await.unwrap();
    let reconnect = Some(Reconnect {
        first: Duration::from_millis(20),
        ..Reconnect::default()
    });
    let options = Options {
        reconnect,
        ..Options::new(address.to_string())
    };
    let a_session = a.connect_with(options.clone()).await.unwrap();
    let b_session = b.connect_with(options).await.unwrap();
    let mut messages = b_session.subscribe(&t.to_filter()).await.unwrap();
    soon(a_session.publish(&t, "text/plain", b"before"))
        .await
        .unwrap();
    assert_eq!(
        *soon(messages.next()).await.unwrap().unwrap().content,
        b"before"
    );

    gateway.shutdown().await;
    let during = a_session
        .send(&t, "text/plain", b"during", QoS::AtLeastOnce)
        .await
        .unwrap();
    let gateway = world.gateway(Some(address)).await;
    soon(during.confirmed()).await.unwrap();
    assert!(a_session.is_live() && b_session.is_live());
    // B may have come back after 'during' was routed: what it missed is in the archive. What is
    // sent once both are back arrives.
    let sender = a_session.clone();
    let again = t.clone();
    let publishing = tokio::spawn(async move {
        loop {
            sender
                .publish(&again, "text/plain", b"after")
                .await
                .unwrap();
        }
    });
    loop {
        match soon(messages.next()).await.unwrap() {
            Ok(message) if *message.content == b"after" => break,
            Ok(message) => assert_eq!(*message.content, b"during"),
            Err(error) => panic!("{error}"),
        }
    }
    publishing.abort();
    gateway.close_packages().await.unwrap();
    let totals = gateway.archive().totals().await.unwrap();
    assert!(totals.messages >= 3, "{totals:?}");
    a_session.close().await;
    b_session.close().await;
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_reconnecting_a_lost_connection_ends_the_session() {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let t = topic("acme/press-7/t");
    a.owner.register(&t, TopicMode::Sealed).await.unwrap();
    let session = a.connect(&gateway).await;
    gateway.shutdown().await;
    soon(session.ended()).await;
    let published = soon(session.publish(&t, "text/plain", b"x")).await;
    assert!(
        matches!(published, Err(PublishError::Ended(_))),
        "{published:?}"
    );
    // A new process of the same client goes on with sequences that were never used.
    let again = world.load("press-7");
    let (before, after) = (
        a.identity.sequence().next().await.unwrap(),
        again.identity.sequence().next().await.unwrap(),
    );
    assert!(after > before);
}

/// Whoever shows a gateway's certificate and hasn't its key gets no signature out of a client.
#[tokio::test]
async fn an_impostor_gets_no_answer() {
    let world = World::new().await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let challenge = Challenge {
        gateway: CertId(world.one.gateway.1.id()),
        nonce: [1; 32],
        time_ms: 1,
        signature: Signature([7; 64]),
    };
    let auth =
        AuthPacket::continue_authentication(METHOD.into(), Some(encode(&challenge))).unwrap();
    let mut bytes = Vec::new();
    auth.encode(&mut bytes).unwrap();
    let impostor = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(&bytes).await.unwrap();
        let mut answer = [0; 64];
        // Nothing, or a reset: either way no bytes.
        stream.read(&mut answer).await.unwrap_or(0)
    });
    let refused = a.connect_with(Options::new(address)).await.err().unwrap();
    assert!(
        matches!(refused, LoginError::GatewaySignature { .. }),
        "{refused}"
    );
    assert_eq!(
        soon(impostor).await.unwrap(),
        0,
        "something was signed for an impostor"
    );
}
