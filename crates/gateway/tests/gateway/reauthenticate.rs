//! Re-authentication on a live session, and sessions that outlive a renewal of their certificate.

use std::time::Duration;

use crate::common::{
    Person, World, eventually,
    scene::Scene,
    wire::{Wire, hello, options, reason},
};
use mqtt5::{Packet, packet::auth::AuthPacket, types::ReasonCode};
use sealwire_envelope::{EventKind, login::METHOD};
use sealwire_gateway::{Ledger as _, Running};
use sealwire_sm::cert::Role;

/// Life of a certificate that may be renewed at once, in seconds: more than two thirds are over.
const RENEWABLE_S: u64 = 400;

fn renewable(world: &World) -> Person {
    world.enrol_for(&world.one, "press-7", Role::Device, RENEWABLE_S)
}

/// The gateway ends the session with this code; nothing follows.
async fn ended(wire: &mut Wire, code: ReasonCode, words: &str) {
    match wire.next().await {
        Some(Packet::Disconnect(packet)) => {
            let text = reason(&packet.properties);
            assert_eq!(packet.reason_code, code, "{text}");
            assert!(text.contains(words), "'{text}' doesn't say '{words}'");
        }
        other => panic!("expected DISCONNECT, got {other:?}"),
    }
    assert!(wire.next().await.is_none());
}

async fn is_alive(wire: &mut Wire) {
    wire.send(Packet::PingReq).await;
    assert!(matches!(wire.next().await, Some(Packet::PingResp)));
}

/// Reasons of the events of this kind that blocks hold.
fn reasons(world: &World, client: &str, kind: EventKind) -> Vec<String> {
    let view = world.ledger.view();
    let page = sealwire_contracts::Page::default();
    let events = view.events_of(&client.parse().unwrap(), Some(kind), &page);
    let reasons = events.value.into_iter().map(|e| e.event.reason);
    reasons.collect()
}

async fn refused_with(world: &World, gateway: &Running, words: &str) {
    eventually("the refusal is in a block", async || {
        let all = reasons(world, "acme.press-7", EventKind::ReauthenticationRefused);
        all.iter().any(|reason| reason.contains(words))
    })
    .await;
    assert!(gateway.metrics().reauthentications_refused.get() > 0);
}

#[tokio::test]
async fn a_session_shows_anew_who_it_is_and_goes_on() {
    let scene = crate::common::scene::scene().await;
    let Scene {
        world,
        gateway,
        owner,
        ..
    } = &scene;
    let mut wire = scene.owner().await;
    for round in 1..=3 {
        let done = wire.reauthenticate(world, owner).await;
        assert_eq!(done.reason_code, ReasonCode::Success);
        assert_eq!(done.authentication_method(), Some(METHOD));
        assert_eq!(gateway.metrics().reauthentications.get(), round);
        let (code, text) = wire
            .publish(scene.topic.as_str(), &scene.payload(round))
            .await;
        assert_eq!(code, ReasonCode::Success, "{text}");
    }
    eventually("blocks hold the re-authentications", async || {
        let client = owner.client.as_str();
        reasons(world, client, EventKind::Reauthenticated).len() == 3
    })
    .await;
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn a_session_outlives_the_renewal_of_its_certificate() {
    let world = World::new();
    let mut config = world.config();
    config.limits.renewal_grace = Duration::from_secs(3);
    let gateway = world.gateway_with(config).await;
    let old = renewable(&world);
    let mut wire = Wire::login(&world, gateway.mqtt_addr, &old).await;
    let new = world.renew(&world.one, &old);
    world.ledger.block(&[]);
    is_alive(&mut wire).await;
    // The old one is good for no new login.
    let (_, ack) = Wire::sm2(&world, gateway.mqtt_addr, &old).await;
    assert_eq!(ack.reason_code, ReasonCode::NotAuthorized);
    let done = wire.reauthenticate(&world, &new).await;
    assert_eq!(done.reason_code, ReasonCode::Success);
    // Long after the grace, the session lives on.
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.ledger.block(&[]);
    is_alive(&mut wire).await;
    eventually("the change is in a block", async || {
        let all = reasons(&world, "acme.press-7", EventKind::Reauthenticated);
        all == [format!(
            "certificate {} by SM2, after {}",
            new.id(),
            old.id()
        )]
    })
    .await;
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_gateway_that_is_a_block_behind_waits_for_the_certificate() {
    let world = World::new();
    let gateway = world.gateway().await;
    let old = renewable(&world);
    let mut wire = Wire::login(&world, gateway.mqtt_addr, &old).await;
    // The client's node has the block already, the gateway gets it while it is asked.
    let new = world.renewed(&world.one, &old);
    let (done, ()) = tokio::join!(wire.reauthenticate(&world, &new), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.register_renewal(&old, &new);
    });
    assert_eq!(done.reason_code, ReasonCode::Success);
    is_alive(&mut wire).await;
    // One that nobody registers isn't waited for for ever.
    let unknown = world.renewed(&world.one, &new);
    let answer = wire.challenged(&world, &new.client, &unknown).await;
    wire.send(answer).await;
    let who = "who you are couldn't be shown";
    ended(&mut wire, ReasonCode::NotAuthorized, who).await;
    refused_with(&world, &gateway, "isn't registered").await;
    gateway.shutdown().await;
}

#[tokio::test]
async fn who_doesnt_use_the_grace_is_ended_after_it() {
    let world = World::new();
    let mut config = world.config();
    config.limits.renewal_grace = Duration::from_secs(2);
    let gateway = world.gateway_with(config).await;
    let old = renewable(&world);
    let mut wire = Wire::login(&world, gateway.mqtt_addr, &old).await;
    world.renew(&world.one, &old);
    world.ledger.block(&[]);
    is_alive(&mut wire).await;
    ended(&mut wire, ReasonCode::NotAuthorized, "was renewed").await;
    gateway.shutdown().await;
}

/// The grace is for renewals: a successor that is revoked ends the session at once.
#[tokio::test]
async fn a_revocation_gives_no_grace() {
    let world = World::new();
    let gateway = world.gateway().await;
    let old = renewable(&world);
    let mut wire = Wire::login(&world, gateway.mqtt_addr, &old).await;
    let new = world.renew(&world.one, &old);
    is_alive(&mut wire).await;
    world.revoke_certificate(&world.one, &new);
    ended(&mut wire, ReasonCode::NotAuthorized, "revoked").await;
    gateway.shutdown().await;
}

#[tokio::test]
async fn who_cant_show_it_is_ended_and_recorded() {
    let world = World::new();
    let mut config = world.config();
    config.limits.doorkeeper.failures_max = 100;
    let gateway = world.gateway_with(config).await;
    let addr = gateway.mqtt_addr;
    let device = renewable(&world);
    let other = world.device("press-8");
    let forged = Person {
        key: other.key.clone(),
        ..device.clone()
    };
    let who = "who you are couldn't be shown";
    for (person, cause) in [
        (&forged, "doesn't verify"),
        (&other, "acme.press-8's, not acme.press-7's"),
    ] {
        let mut wire = Wire::login(&world, addr, &device).await;
        let answer = wire.challenged(&world, &device.client, person).await;
        wire.send(answer).await;
        ended(&mut wire, ReasonCode::NotAuthorized, who).await;
        refused_with(&world, &gateway, cause).await;
    }
    // The superseded certificate is no present one.
    let mut wire = Wire::login(&world, addr, &device).await;
    world.renew(&world.one, &device);
    let answer = wire.challenged(&world, &device.client, &device).await;
    wire.send(answer).await;
    ended(&mut wire, ReasonCode::NotAuthorized, who).await;
    refused_with(&world, &gateway, "revoked").await;
    gateway.shutdown().await;
}

fn auth(code: ReasonCode, method: &str, data: Option<Vec<u8>>) -> Packet {
    let mut auth = AuthPacket::continue_authentication(method.into(), data).unwrap();
    auth.reason_code = code;
    Packet::Auth(auth)
}

#[tokio::test]
async fn the_exchange_has_an_order() {
    let world = World::new();
    let mut config = world.config();
    config.limits.doorkeeper.failures_max = 100;
    config.limits.handshake_max = Duration::from_millis(500);
    let gateway = world.gateway_with(config).await;
    let addr = gateway.mqtt_addr;
    let device = renewable(&world);
    let again = ReasonCode::ReAuthenticate;
    let answer = ReasonCode::ContinueAuthentication;
    let hello = hello(&device, rand::random());
    let wrong = ReasonCode::ProtocolError;
    for (packets, words) in [
        (
            vec![auth(answer, METHOD, Some(vec![1]))],
            "without a re-authentication",
        ),
        (
            vec![auth(ReasonCode::Success, METHOD, None)],
            "without a re-authentication",
        ),
        (
            vec![auth(again, "SCRAM", Some(hello.clone()))],
            "the login's method",
        ),
        (vec![auth(again, METHOD, None)], "hello can't be read"),
        (
            vec![auth(again, METHOD, Some(vec![0x9f; 4_000]))],
            "hello can't be read",
        ),
        (
            vec![auth(again, METHOD, Some(hello.clone())); 2],
            "under way already",
        ),
    ] {
        let mut wire = Wire::login(&world, addr, &device).await;
        let challenges = packets.len() - 1;
        for packet in packets {
            wire.send(packet).await;
        }
        for _ in 0..challenges {
            assert!(matches!(wire.next().await, Some(Packet::Auth(_))));
        }
        ended(&mut wire, wrong, words).await;
    }
    // An answer that comes too late, and one that is sent again.
    let mut wire = Wire::login(&world, addr, &device).await;
    let late = wire.challenged(&world, &device.client, &device).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    wire.send(late).await;
    ended(&mut wire, wrong, "too late").await;
    let mut wire = Wire::login(&world, addr, &device).await;
    let packet = wire.challenged(&world, &device.client, &device).await;
    wire.send(packet.clone()).await;
    assert!(matches!(wire.next().await, Some(Packet::Auth(_))));
    wire.send(packet.clone()).await;
    ended(&mut wire, wrong, "without a re-authentication").await;
    let mut wire = Wire::login(&world, addr, &device).await;
    wire.challenged(&world, &device.client, &device).await;
    wire.send(packet).await;
    ended(&mut wire, ReasonCode::NotAuthorized, "who you are").await;
    // A session by token has no method to do it again by.
    let name = options("mosq-1")
        .with_credentials(device.client.as_str(), world.password(&device).as_bytes());
    let (mut wire, _) = Wire::connect(addr, name).await;
    wire.send(auth(again, METHOD, Some(hello))).await;
    ended(&mut wire, wrong, "without method 'SM2'").await;
    gateway.shutdown().await;
}

#[tokio::test]
async fn not_too_often() {
    let world = World::new();
    let gateway = world.gateway().await;
    let device = world.device("press-7");
    let mut wire = Wire::login(&world, gateway.mqtt_addr, &device).await;
    let rate = sealwire_gateway::Limits::default()
        .session
        .reauthentications;
    for _ in 0..rate.burst {
        wire.reauthenticate(&world, &device).await;
    }
    let start = std::time::Instant::now();
    loop {
        let hello = Some(hello(&device, rand::random()));
        wire.send(auth(ReasonCode::ReAuthenticate, METHOD, hello))
            .await;
        match wire.next().await {
            // The burst took a while, so the rate may allow one or two more.
            Some(Packet::Auth(_)) if start.elapsed() < Duration::from_secs(5) => {
                drop(wire);
                wire = Wire::login(&world, gateway.mqtt_addr, &device).await;
                for _ in 0..rate.burst {
                    wire.reauthenticate(&world, &device).await;
                }
            }
            Some(Packet::Disconnect(packet)) => {
                assert_eq!(packet.reason_code, ReasonCode::QuotaExceeded);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    gateway.shutdown().await;
}

#[tokio::test]
async fn other_packets_go_on_meanwhile() {
    let scene = crate::common::scene::scene().await;
    let mut wire = scene.owner().await;
    let answer = wire
        .challenged(&scene.world, &scene.owner.client, &scene.owner)
        .await;
    let (code, text) = wire.publish(scene.topic.as_str(), &scene.payload(1)).await;
    assert_eq!(code, ReasonCode::Success, "{text}");
    wire.send(answer).await;
    match wire.next().await {
        Some(Packet::Auth(done)) => assert_eq!(done.reason_code, ReasonCode::Success),
        other => panic!("expected AUTH, got {other:?}"),
    }
    scene.gateway.shutdown().await;
}
