//! Many, slow, and without end.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use mqtt5::{
    Packet, QoS,
    packet::{publish::PublishPacket, subscribe::SubscribePacket},
    types::ReasonCode,
};
use sealwire_gateway::frame;

use crate::{
    common::eventually,
    foe::{Field, Foe, HANG, dial_from, each, token_connect},
};

/// Handshake time limit in this test.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(2);
/// Connections from one address in this test.
pub const PER_ADDRESS_MAX: usize = 300;
/// How long each flood lasts.
const FLOOD: Duration = Duration::from_secs(1);
const OWN: &str = "acme/foe/own";

pub async fn attack(field: &Field) -> String {
    slow(field).await;
    crowd(field).await;
    let refused = refused_without_end(field).await;
    let unread = unread(field).await;
    format!("{refused} refused messages, {unread} for a subscriber that doesn't read")
}

/// One byte now and then, or none: the handshake time is over for everybody.
async fn slow(field: &Field) {
    each(0..64, async |n: usize| {
        let start = Instant::now();
        let mut foe = Foe::dial(field).await;
        let bytes = token_connect(field);
        match n % 3 {
            0 => {}
            1 => foe.send(&bytes[..bytes.len() - 1]).await,
            _ => {
                for byte in bytes.chunks(1).take(50) {
                    foe.send(byte).await;
                    tokio::time::sleep(HANDSHAKE_MAX / 40).await;
                }
            }
        }
        foe.closed_silently().await;
        let took = start.elapsed();
        assert!(took < HANDSHAKE_MAX + HANG, "{took:?}");
    })
    .await;
}

/// As many as one address may have, and more: those too many are closed at once, and when the
/// others are gone there is room again.
async fn crowd(field: &Field) {
    const MORE: usize = 50;
    let from = Ipv4Addr::new(127, 2, 0, 1);
    for _ in 0..2 {
        let before = field.gateway.metrics().connections_refused.get();
        let mut foes = Vec::new();
        for _ in 0..PER_ADDRESS_MAX + MORE {
            foes.push(Foe::new(dial_from(from, field.gateway.mqtt_addr).await));
        }
        let late = foes.split_off(PER_ADDRESS_MAX);
        let start = Instant::now();
        for mut foe in late {
            foe.closed_silently().await;
        }
        assert!(start.elapsed() < HANDSHAKE_MAX, "not at once");
        let refused = field.gateway.metrics().connections_refused.get() - before;
        assert!(refused >= MORE as u64, "{refused}");
        // Those that are in say nothing, and are put out.
        for mut foe in foes {
            foe.closed().await;
        }
    }
    // Sessions, as many as may be.
    let before = field.gateway.sessions();
    let mut foes = Vec::new();
    for _ in 0..PER_ADDRESS_MAX {
        let mut foe = Foe::new(dial_from(from, field.gateway.mqtt_addr).await);
        foe.send(&token_connect(field)).await;
        foes.push(foe);
    }
    for foe in &mut foes {
        assert_eq!(foe.connack().await.reason_code, ReasonCode::Success);
    }
    assert_eq!(field.gateway.sessions(), before + PER_ADDRESS_MAX);
    drop(foes);
    eventually("the crowd is gone", async || {
        field.gateway.sessions() == before
    })
    .await;
}

/// Messages that are refused, as fast as the gateway takes them.
async fn refused_without_end(field: &Field) -> u64 {
    let before = field.gateway.metrics().refused_publishes.get();
    let events = field.gateway.metrics().events.get();
    let mut foe = Foe::login(field).await;
    let packet = PublishPacket::new("acme/press-7/temperature", b"x".to_vec(), QoS::AtMostOnce);
    let bytes = frame::encode(&Packet::Publish(packet)).unwrap().repeat(100);
    let start = Instant::now();
    while start.elapsed() < FLOOD {
        // The gateway may make us wait: that is its answer.
        let _ = tokio::time::timeout(FLOOD, foe.send(&bytes)).await;
    }
    drop(foe);
    // The ledger keeps every event for ever: a flood is counted, not recorded one by one.
    let events = field.gateway.metrics().events.get() - events;
    assert!(events < 100, "{events} events");
    field.gateway.metrics().refused_publishes.get() - before
}

/// A subscriber that never reads, and a publisher that feeds it.
async fn unread(field: &Field) -> u64 {
    let mut deaf = Foe::login(field).await;
    let packet = SubscribePacket::new(5).add_filter(OWN, QoS::AtLeastOnce);
    deaf.packet(Packet::Subscribe(packet)).await;
    assert!(matches!(deaf.next().await, Some(Packet::SubAck(_))));
    let mut foe = Foe::login(field).await;
    let packet = PublishPacket::new(OWN, vec![7; 10_000], QoS::AtMostOnce);
    let bytes = frame::encode(&Packet::Publish(packet)).unwrap();
    let (start, mut sent) = (Instant::now(), 0);
    while start.elapsed() < FLOOD {
        let _ = tokio::time::timeout(FLOOD, foe.send(&bytes)).await;
        sent += 1;
    }
    sent
}
