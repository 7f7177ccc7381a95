//! Logins over real sockets: both ways in, and every way to stay out.

use crate::common::{
    World, anchored, eventually, now_s,
    wire::{Wire, options, reason},
};
use mqtt5::{packet::connack::ConnAckPacket, types::ReasonCode};
use sealwire_envelope::{Call, EventKind, login::Token};
use sealwire_gateway::Ledger;
use sealwire_sm::cert::Role;

fn refused(ack: &ConnAckPacket, code: ReasonCode, words: &str) {
    assert_eq!(ack.reason_code, code, "{}", reason(&ack.properties));
    let text = reason(&ack.properties);
    assert!(text.contains(words), "'{text}' doesn't say '{words}'");
}

fn accepted(ack: &ConnAckPacket) {
    assert_eq!(
        ack.reason_code,
        ReasonCode::Success,
        "{}",
        reason(&ack.properties)
    );
}

/// Kinds of the events that blocks hold for this client.
fn kinds(world: &World, client: &str) -> Vec<EventKind> {
    let blocks = world.ledger.blocks.lock().unwrap();
    let mut kinds = Vec::new();
    for tx in blocks.iter() {
        if let Call::LogEvents(call) = &tx.body.call {
            let of = call
                .events
                .iter()
                .filter(|event| event.client.as_str() == client);
            kinds.extend(of.map(|event| event.kind));
        }
    }
    kinds
}

#[tokio::test]
async fn enhanced_authentication_admits_and_the_ledger_hears_of_it() {
    let world = World::new();
    let gateway = world.gateway().await;
    let device = world.device("press-7");
    let (wire, ack) = Wire::sm2(&world, gateway.mqtt_addr, &device).await;
    accepted(&ack);
    let method = ack
        .properties
        .get_authentication_method()
        .map(String::as_str);
    assert_eq!(method, Some("SM2"));
    assert_eq!(gateway.sessions(), 1);
    drop(wire);
    eventually("connect and disconnect are in blocks", async || {
        kinds(&world, "acme.press-7") == [EventKind::Connected, EventKind::Disconnected]
    })
    .await;
    assert!(anchored(&world.ledger).is_empty());
    gateway.shutdown().await;
}

#[tokio::test]
async fn enhanced_authentication_refuses() {
    let world = World::new();
    let gateway = world.gateway().await;
    let addr = gateway.mqtt_addr;
    let device = world.device("press-7");

    let (_, ack) = Wire::sm2_as(&world, addr, &device, "no client", |_| {}).await;
    refused(
        &ack,
        ReasonCode::ClientIdentifierNotValid,
        "not a client id",
    );

    let mut connect = options("acme.press-7").with_authentication_method("SCRAM-SHA-256");
    connect.protocol_options.properties.authentication_data = Some(vec![1]);
    let (_, ack) = Wire::connect(addr, connect).await;
    refused(&ack, ReasonCode::BadAuthenticationMethod, "SCRAM-SHA-256");

    eventually("refusals are in blocks", async || {
        kinds(&world, "acme.press-7") == [EventKind::ConnectRefused]
            && kinds(&world, "acme.unidentified") == [EventKind::ConnectRefused]
    })
    .await;
    assert_eq!(gateway.metrics().logins.get(), 0);
    gateway.shutdown().await;
}

/// Reasons of the refused logins that blocks hold for this client.
fn reasons(world: &World, client: &str) -> Vec<String> {
    let view = world.ledger.view();
    let page = sealwire_contracts::Page::default();
    let kind = Some(EventKind::ConnectRefused);
    let events = view.events_of(&client.parse().unwrap(), kind, &page).value;
    events.into_iter().map(|e| e.event.reason).collect()
}

/// Whoever can't show who it is hears one and the same, byte for byte, after the same exchange and
/// one verification; the ledger hears why.
#[tokio::test]
async fn strangers_learn_nothing_and_the_ledger_all() {
    let world = World::new();
    let gateway = world.gateway().await;
    let addr = gateway.mqtt_addr;
    // Good when it is registered, over two seconds later.
    let brief = world.enrol_for(&world.one, "brief", Role::Device, 1);
    let device = world.device("press-7");
    let revoked = world.device("revoked");
    world.revoke_certificate(&world.one, &revoked);
    let stranger = world.one.issue("stranger", Role::Device, 1000);
    let borrowed = crate::common::Person {
        client: "acme.press-8".parse().unwrap(),
        ..device.clone()
    };
    let forged = crate::common::Person {
        key: stranger.key.clone(),
        ..device.clone()
    };
    let operator = world.two.operator.clone();
    eventually("the certificate expires", async || {
        now_s() > brief.certificate.not_after_s
    })
    .await;
    let mut heard = std::collections::BTreeSet::new();
    for (person, cause) in [
        (&stranger, "isn't registered"),
        (&borrowed, "acme.press-7's, not acme.press-8's"),
        (&revoked, "revoked"),
        (&brief, "expired"),
        (&operator, "role"),
        (&forged, "doesn't verify"),
    ] {
        let name = person.client.as_str();
        let before = gateway.metrics().verifications.get();
        let (_, ack) = Wire::sm2(&world, addr, person).await;
        heard.insert(format!("{ack:?}"));
        let (_, ack) = Wire::token(addr, name, &world.password(person)).await;
        heard.insert(format!("{ack:?}"));
        assert_eq!(gateway.metrics().verifications.get(), before + 2, "{cause}");
        eventually("the ledger has both causes", async || {
            let reasons = reasons(&world, name);
            reasons
                .iter()
                .filter(|reason| reason.contains(cause))
                .count()
                == 2
        })
        .await;
    }
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(
        heard
            .first()
            .unwrap()
            .contains("who you are couldn't be shown")
    );
    assert_eq!(gateway.metrics().logins.get(), 0);
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_token_admits_once() {
    let world = World::new();
    let gateway = world.gateway().await;
    let device = world.device("press-7");
    let password = world.password(&device);
    let (_, ack) = Wire::token(gateway.mqtt_addr, "acme.press-7", &password).await;
    accepted(&ack);
    let (_, ack) = Wire::token(gateway.mqtt_addr, "acme.press-7", &password).await;
    refused(&ack, ReasonCode::BadUsernameOrPassword, "used before");
    gateway.shutdown().await;
}

#[tokio::test]
async fn tokens_are_refused() {
    let world = World::new();
    let mut config = world.config();
    // So many wrong ones in a row would lock the client out.
    config.limits.doorkeeper.failures_max = 100;
    let gateway = world.gateway_with(config).await;
    let addr = gateway.mqtt_addr;
    let device = world.device("press-7");
    let other = world.device("press-8");
    let code = ReasonCode::BadUsernameOrPassword;
    let try_token = async |user: &str, body: sealwire_envelope::login::TokenBody| {
        Wire::token(addr, user, &Token::sign(body, &device.key).to_text())
            .await
            .1
    };

    let mut body = world.token(&device);
    body.gateway = world.two.gateway.client.clone();
    refused(
        &try_token("acme.press-7", body).await,
        code,
        "for gateway bolt.gateway",
    );
    let mut body = world.token(&device);
    (body.not_before_s, body.expires_s) = (now_s() - 300, now_s() - 70);
    let time = "the token's time isn't now";
    refused(&try_token("acme.press-7", body).await, code, time);
    let mut body = world.token(&device);
    (body.not_before_s, body.expires_s) = (now_s() + 100, now_s() + 200);
    refused(&try_token("acme.press-7", body).await, code, time);
    assert_eq!(gateway.metrics().logins_refused_clock.get(), 2);
    let mut body = world.token(&device);
    body.expires_s = body.not_before_s + 301;
    refused(
        &try_token("acme.press-7", body).await,
        code,
        "at most 300 s",
    );
    let body = world.token(&device);
    refused(
        &try_token("acme.press-8", body).await,
        code,
        "the user name says acme.press-8",
    );
    let mut body = world.token(&other);
    body.client = other.client.clone();
    let who = "who you are couldn't be shown";
    let refusal = try_token("acme.press-8", body).await;
    refused(&refusal, ReasonCode::NotAuthorized, who);
    let (_, ack) = Wire::token(addr, "acme.press-7", "secret").await;
    refused(&ack, code, "isn't a token");
    let (_, ack) = Wire::connect(addr, options("acme.press-7")).await;
    refused(&ack, ReasonCode::NotAuthorized, "token");

    let token = world.password(&device);
    let connect = options("acme.press-8").with_credentials("acme.press-7", token.as_bytes());
    let (_, ack) = Wire::connect(addr, connect).await;
    refused(
        &ack,
        ReasonCode::ClientIdentifierNotValid,
        "another client's",
    );
    // A refusal before the signature spends nothing: the same token still is good.
    let (_, ack) = Wire::token(addr, "acme.press-7", &token).await;
    accepted(&ack);
    // The operator reads by how much clocks differ.
    eventually("the ledger says more of the clocks", async || {
        let reasons = reasons(&world, "acme.press-7");
        let says = |words: &str| reasons.iter().any(|reason| reason.contains(words));
        says("70 s or more behind ours") && says("s or more ahead of ours")
    })
    .await;
    gateway.shutdown().await;
}

#[tokio::test]
async fn made_up_client_ids_live_under_the_client() {
    let world = World::new();
    let gateway = world.gateway().await;
    let addr = gateway.mqtt_addr;
    let device = world.device("press-7");
    let first = Wire::login(&world, addr, &device).await;
    let connect =
        |id: &str| options(id).with_credentials("acme.press-7", world.password(&device).as_bytes());
    let (mut second, ack) = Wire::connect(addr, connect("mosq-abc")).await;
    accepted(&ack);
    let (mut third, ack) = Wire::connect(addr, connect("")).await;
    accepted(&ack);
    assert!(
        ack.properties
            .contains(mqtt5::PropertyId::AssignedClientIdentifier)
    );
    // None of them took over another's session.
    assert_eq!(gateway.sessions(), 3);
    for wire in [&mut second, &mut third] {
        wire.send(mqtt5::Packet::PingReq).await;
        assert!(matches!(wire.next().await, Some(mqtt5::Packet::PingResp)));
    }
    drop(first);
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_ledger_that_is_away_stops_logins_after_a_while_and_loses_no_event() {
    let world = World::new();
    let gateway = world.gateway().await;
    let device = world.device("press-7");
    world.ledger.set_away(true);
    let wire = Wire::login(&world, gateway.mqtt_addr, &device).await;
    world.ledger.set_stale(crate::common::now_ms() - 301_000);
    let (_, ack) = Wire::sm2(&world, gateway.mqtt_addr, &device).await;
    refused(&ack, ReasonCode::ServerUnavailable, "ledger is away");
    drop(wire);
    eventually("the session ends", async || gateway.sessions() == 0).await;
    assert!(kinds(&world, "acme.press-7").is_empty());
    world.ledger.set_away(false);
    world.ledger.set_stale(0);
    eventually("all events are in blocks", async || {
        let mut kinds = kinds(&world, "acme.press-7");
        kinds.sort();
        kinds
            == [
                EventKind::Connected,
                EventKind::ConnectRefused,
                EventKind::Disconnected,
            ]
    })
    .await;
    assert!(world.ledger.height().borrow().gt(&1));
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_revoked_certificate_ends_the_session_with_a_reason() {
    let world = World::new();
    let gateway = world.gateway().await;
    let device = world.device("press-7");
    let mut wire = Wire::login(&world, gateway.mqtt_addr, &device).await;
    world.revoke_certificate(&world.one, &device);
    match wire.next().await {
        Some(mqtt5::Packet::Disconnect(packet)) => {
            assert_eq!(packet.reason_code, ReasonCode::NotAuthorized);
            assert!(reason(&packet.properties).contains("revoked"));
        }
        other => panic!("expected DISCONNECT, got {other:?}"),
    }
    assert!(wire.next().await.is_none());
    gateway.shutdown().await;
}

#[tokio::test]
async fn strangers_cost_little() {
    let world = World::new();
    let mut config = world.config();
    config.limits.handshake_max = std::time::Duration::from_millis(200);
    config.limits.connections_per_address_max = 2;
    let gateway = world.gateway_with(config).await;
    let mut first = Wire::open(gateway.mqtt_addr).await;
    let mut second = Wire::open(gateway.mqtt_addr).await;
    eventually("both are counted", async || {
        gateway.metrics().connections.get() == 2
    })
    .await;
    let mut third = Wire::open(gateway.mqtt_addr).await;
    assert!(
        third.next().await.is_none(),
        "a third connection from one address is closed"
    );
    assert_eq!(gateway.metrics().connections_refused.get(), 1);
    // Who says nothing is sent away when the handshake time is over.
    assert!(first.next().await.is_none());
    assert!(second.next().await.is_none());
    let device = world.device("press-7");
    Wire::login(&world, gateway.mqtt_addr, &device).await;
    gateway.shutdown().await;
}

/// Fewer than a soft limit of 1,024 open files allows; `sealwire bench login` holds 2,000.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_devices_stay_connected_and_are_all_in_blocks() {
    const DEVICES: usize = 400;
    let world = World::new();
    let gateway = world.gateway().await;
    let devices: Vec<_> = (0..DEVICES)
        .map(|i| world.device(&format!("d{i}")))
        .collect();
    let mut wires = Vec::with_capacity(DEVICES);
    for batch in devices.chunks(50) {
        let logins = batch
            .iter()
            .map(|device| Wire::sm2(&world, gateway.mqtt_addr, device));
        for (wire, ack) in futures::future::join_all(logins).await {
            accepted(&ack);
            wires.push(wire);
        }
    }
    assert_eq!(gateway.sessions(), DEVICES);
    eventually("every login is in a block", async || {
        let blocks = world.ledger.blocks.lock().unwrap();
        let logged = blocks.iter().map(|tx| match &tx.body.call {
            Call::LogEvents(call) => call.events.len(),
            _ => 0,
        });
        logged.sum::<usize>() >= DEVICES
    })
    .await;
    drop(wires);
    gateway.shutdown().await;
}

/// Five wrong passwords, and the sixth isn't looked at; not even a right one, for a while.
#[tokio::test]
async fn failed_logins_lock_out_and_are_recorded_once() {
    let world = World::new();
    let gateway = world.gateway().await;
    let addr = gateway.mqtt_addr;
    let device = world.device("press-7");
    for _ in 0..5 {
        let (_, ack) = Wire::token(addr, "acme.press-7", "guess").await;
        refused(&ack, ReasonCode::BadUsernameOrPassword, "isn't a token");
    }
    let right = Token::sign(world.token(&device), &device.key).to_text();
    for _ in 0..20 {
        let (_, ack) = Wire::token(addr, "acme.press-7", &right).await;
        refused(&ack, ReasonCode::ConnectionRateExceeded, "try again later");
    }
    assert_eq!(gateway.metrics().lockouts.get(), 1);
    assert_eq!(gateway.metrics().logins_turned.get(), 20);
    // Another client at the same address is heard.
    let other = world.device("press-8");
    let token = Token::sign(world.token(&other), &other.key).to_text();
    let (_, ack) = Wire::token(addr, "acme.press-8", &token).await;
    assert_eq!(ack.reason_code, ReasonCode::Success);
    // Five refusals and the lock-out are on the ledger; twenty knocks aren't.
    let events = |kind| {
        let view = world.ledger.view();
        let page = sealwire_contracts::Page::default();
        let client = "acme.press-7".parse().unwrap();
        view.events_of(&client, Some(kind), &page).value.len()
    };
    eventually("the failures and the lock-out are in blocks", async || {
        events(EventKind::LockedOut) == 1 && events(EventKind::ConnectRefused) == 5
    })
    .await;
    // What wasn't recorded one by one is, as a sum, at the latest when the gateway stops.
    gateway.shutdown().await;
    let gateway = world.gateway().await;
    eventually("the sum is in a block", async || {
        events(EventKind::ConnectRefused) == 6
    })
    .await;
    let sum = reasons(&world, "acme.press-7").pop().unwrap();
    assert!(
        sum.contains("20 logins refused") && sum.contains("20 locked out"),
        "{sum}"
    );
    gateway.shutdown().await;
}
