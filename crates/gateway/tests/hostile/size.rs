//! More than anything may have.

use mqtt5::{
    Packet, QoS,
    packet::{
        auth::AuthPacket, connect::ConnectPacket, publish::PublishPacket, suback::SubAckReasonCode,
        subscribe::SubscribePacket, unsubscribe::UnsubscribePacket,
    },
    types::ReasonCode,
};
use sealwire_envelope::login::METHOD;

use crate::{
    common::wire::options,
    foe::{Field, Foe, connect, made_up},
    order,
};

/// Largest payload in this test, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 100_000;
/// Longest MQTT string.
const STRING_BYTES_MAX: usize = 65_535;
const OWN: &str = "acme/foe/own";

pub async fn attack(field: &Field) -> String {
    let mut count = before_login(field).await;
    count += in_a_session(field).await;
    count += subscriptions(field).await;
    in_flight(field).await;
    format!("{} packets", count + 1)
}

async fn before_login(field: &Field) -> usize {
    // 256 MiB are announced and never come: nobody waits for them.
    for first in [0x10, 0x30, 0xf0] {
        let mut foe = Foe::dial(field).await;
        foe.send(&[first, 0xff, 0xff, 0xff, 0x7f, 0x00]).await;
        foe.closed_silently().await;
    }
    let long = "x".repeat(60_000);
    let base = || options(&made_up());
    let mut many = base().protocol_options;
    many.properties.user_properties = vec![("k".into(), "v".into()); 8_000];
    let connects = [
        ConnectPacket::new(options(&long).protocol_options),
        ConnectPacket::new(base().with_credentials(long.clone(), b"x").protocol_options),
        ConnectPacket::new(
            base()
                .with_credentials("acme.foe", long.as_bytes())
                .protocol_options,
        ),
        ConnectPacket::new(many),
        // More than a first packet may have.
        ConnectPacket::new(
            base()
                .with_credentials(long.clone(), long.as_bytes())
                .protocol_options,
        ),
    ];
    let count = connects.len();
    for packet in connects {
        let mut foe = Foe::dial(field).await;
        foe.send(&connect(packet)).await;
        let said = foe.closed().await;
        let is_in = said.iter().any(
            |packet| matches!(packet, Packet::ConnAck(ack) if ack.reason_code == ReasonCode::Success),
        );
        assert!(!is_in && said.len() <= 1, "{said:?}");
    }
    let mut foe = Foe::dial(field).await;
    foe.send(&order::hello(field, rand::random())).await;
    assert!(matches!(foe.next().await, Some(Packet::Auth(_))));
    let auth = AuthPacket::continue_authentication(METHOD.into(), Some(vec![0x5f; 60_000]));
    foe.packet(Packet::Auth(auth.unwrap())).await;
    assert_eq!(foe.connack().await.reason_code, ReasonCode::ProtocolError);
    count + 4
}

async fn in_a_session(field: &Field) -> usize {
    // Larger than the limit, but a packet: refused, and the session goes on.
    let publish = |topic: &str, bytes: usize| {
        PublishPacket::new(topic, vec![7; bytes], QoS::AtLeastOnce).with_packet_id(3)
    };
    let mut foe = Foe::login(field).await;
    let long = "x".repeat(STRING_BYTES_MAX);
    for (packet, code) in [
        (
            publish(OWN, PAYLOAD_BYTES_MAX + 1),
            ReasonCode::QuotaExceeded,
        ),
        (publish(&long, 1), ReasonCode::TopicNameInvalid),
        (publish(OWN, PAYLOAD_BYTES_MAX), ReasonCode::Success),
    ] {
        foe.packet(Packet::Publish(packet)).await;
        match foe.next().await {
            Some(Packet::PubAck(ack)) => assert_eq!(ack.reason_code, code),
            other => panic!("{other:?}"),
        }
    }
    let subscribe = SubscribePacket::new(4).add_filter(long.clone(), QoS::AtMostOnce);
    foe.packet(Packet::Subscribe(subscribe)).await;
    match foe.next().await {
        Some(Packet::SubAck(ack)) => {
            assert_eq!(ack.reason_codes, [SubAckReasonCode::TopicFilterInvalid]);
        }
        other => panic!("{other:?}"),
    }
    // Larger than a packet, or with more in it than one may have: the session ends, with a reason.
    let mut properties = publish(OWN, 1);
    for n in 0..20_000 {
        let value = format!("v{n}");
        properties.properties.add_user_property("k".into(), value);
    }
    let filters = |count: usize| {
        (0..count).fold(SubscribePacket::new(5), |packet, n| {
            packet.add_filter(format!("acme/foe/{n}"), QoS::AtMostOnce)
        })
    };
    let ends = [
        Packet::Publish(publish(OWN, 2 * PAYLOAD_BYTES_MAX)),
        Packet::Publish(properties),
        Packet::Subscribe(filters(65)),
        Packet::Subscribe(filters(10_000)),
    ];
    let count = ends.len();
    for packet in ends {
        let mut foe = Foe::login(field).await;
        foe.packet(packet).await;
        let said = foe.closed().await;
        let [Packet::Disconnect(said)] = &said[..] else {
            panic!("{said:?}")
        };
        let codes = [ReasonCode::PacketTooLarge, ReasonCode::ProtocolError];
        assert!(codes.contains(&said.reason_code), "{said:?}");
    }
    let mut foe = Foe::login(field).await;
    let unsubscribe = (0..5_000).fold(UnsubscribePacket::new(6), |packet, n| {
        packet.add_filter(format!("acme/foe/{n}"))
    });
    foe.packet(Packet::Unsubscribe(unsubscribe)).await;
    foe.finish().await;
    count + 5
}

/// A session has a bounded number of subscriptions, for the engine and for the watcher.
async fn subscriptions(field: &Field) -> usize {
    let mut foe = Foe::login(field).await;
    let mut refused = 0;
    for round in 0..10 {
        let packet = (0..60).fold(SubscribePacket::new(5), |packet, n| {
            packet.add_filter(format!("acme/foe/+/{round}/{n}"), QoS::AtMostOnce)
        });
        foe.packet(Packet::Subscribe(packet)).await;
        match foe.next().await {
            Some(Packet::SubAck(ack)) => {
                let over = |code: &&SubAckReasonCode| **code == SubAckReasonCode::QuotaExceeded;
                refused += ack.reason_codes.iter().filter(over).count();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 600 - 256);
    10
}

/// More unacknowledged messages than the receive maximum.
async fn in_flight(field: &Field) {
    let mut foe = Foe::login(field).await;
    let mut bytes = Vec::new();
    for id in 1..=300u16 {
        let packet = PublishPacket::new(OWN, b"x".to_vec(), QoS::ExactlyOnce).with_packet_id(id);
        let packet = Packet::Publish(packet);
        bytes.extend_from_slice(&sealwire_gateway::frame::encode(&packet).unwrap());
    }
    foe.send(&bytes).await;
    let said = foe.closed().await;
    let received = said
        .iter()
        .filter(|packet| matches!(packet, Packet::PubRec(_)));
    assert_eq!(received.count(), 128);
    match said.last() {
        Some(Packet::Disconnect(packet)) => {
            assert_eq!(packet.reason_code, ReasonCode::ReceiveMaximumExceeded);
        }
        other => panic!("{other:?}"),
    }
}
