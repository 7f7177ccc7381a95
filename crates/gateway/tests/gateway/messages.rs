//! Messages over real sockets: who may publish and subscribe, and what is acknowledged.

use std::time::Duration;

use crate::common::{
    World, eventually,
    scene::{refused, scene},
    sealed,
    wire::{Wire, options, reason},
};
use mqtt5::{
    Packet, QoS,
    packet::{
        publish::PublishPacket, pubrel::PubRelPacket, suback::SubAckReasonCode,
        subscribe::SubscribePacket,
    },
    types::ReasonCode,
};
use sealwire_envelope::{Rights, message};

#[tokio::test]
async fn publishing_takes_a_right_and_a_sealed_payload() {
    let scene = scene().await;
    let mut owner = scene.owner().await;
    let topic = scene.topic.as_str();
    let (code, text) = owner.publish(topic, &scene.payload(1)).await;
    assert_eq!(code, ReasonCode::Success, "{text}");
    // What is acknowledged is in the archive: no waiting.
    let archived = scene.gateway.archive().messages(topic, 10).await.unwrap();
    assert_eq!(archived.len(), 1);
    assert_eq!(archived[0].payload, scene.payload(1));

    refused(
        owner.publish(topic, b"21.5").await,
        ReasonCode::PayloadFormatInvalid,
        "is sealed",
    );
    let unknown = sealed(&scene.owner, &scene.topic, &scene.key, 3, 2, b"x");
    refused(
        owner.publish(topic, &unknown).await,
        ReasonCode::PayloadFormatInvalid,
        "unknown key epoch 3",
    );
    let foreign = sealed(&scene.reader, &scene.topic, &scene.key, 0, 2, b"x");
    refused(
        owner.publish(topic, &foreign).await,
        ReasonCode::PayloadFormatInvalid,
        "bolt.analyst",
    );
    refused(
        owner.publish("acme/press-7/other", b"x").await,
        ReasonCode::NotAuthorized,
        "isn't registered",
    );
    refused(
        owner.publish("bolt/analyst/x", b"x").await,
        ReasonCode::NotAuthorized,
        "isn't registered",
    );
    refused(
        owner.publish("acme/press-7/+", b"x").await,
        ReasonCode::TopicNameInvalid,
        "topic name",
    );

    let mut reader = scene.reader().await;
    refused(
        reader.publish(topic, &scene.payload(3)).await,
        ReasonCode::NotAuthorized,
        "granted this client nothing",
    );
    assert_eq!(
        scene
            .gateway
            .archive()
            .messages(topic, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn payloads_are_bounded() {
    let world = World::new();
    let mut config = world.config();
    config.limits.payload_bytes_max = 1000;
    let gateway = world.gateway_with(config).await;
    let owner = world.device("press-7");
    let topic = owner.topic("open");
    world.register(&owner, &topic, None);
    let mut wire = Wire::login(&world, gateway.mqtt_addr, &owner).await;
    let (code, _) = wire.publish(topic.as_str(), &[7; 1000]).await;
    assert_eq!(code, ReasonCode::Success);
    refused(
        wire.publish(topic.as_str(), &[7; 1001]).await,
        ReasonCode::QuotaExceeded,
        "the limit is 1000 bytes",
    );
    // More than a packet may have: the connection ends, with the reason.
    let packet = PublishPacket::new(topic.as_str(), vec![7; 200_000], QoS::AtMostOnce);
    wire.send(Packet::Publish(packet)).await;
    match wire.next().await {
        Some(Packet::Disconnect(packet)) => {
            assert_eq!(packet.reason_code, ReasonCode::PacketTooLarge)
        }
        other => panic!("expected DISCONNECT, got {other:?}"),
    }
    gateway.shutdown().await;
}

#[tokio::test]
async fn subscribing_takes_a_grant_that_covers_the_filter() {
    let scene = scene().await;
    let topic = scene.topic.as_str();
    let mut reader = scene.reader().await;
    let ack = reader.subscribe(&[topic]).await;
    assert_eq!(ack.reason_codes, [SubAckReasonCode::NotAuthorized]);
    assert!(reason(&ack.properties).contains("granted this client nothing"));

    scene.world.grant(
        &scene.owner,
        &scene.topic,
        &scene.reader,
        Rights::SUBSCRIBE,
        Some(&scene.key),
    );
    let ack = reader
        .subscribe(&["acme/press-7/#", topic, "acme/+/temperature"])
        .await;
    let (yes, no) = (
        SubAckReasonCode::GrantedQoS1,
        SubAckReasonCode::NotAuthorized,
    );
    assert_eq!(ack.reason_codes, [no, yes, no]);
    assert!(reason(&ack.properties).contains("acme/press-7/#: "));

    let mut owner = scene.owner().await;
    assert_eq!(
        owner.publish(topic, &scene.payload(1)).await.0,
        ReasonCode::Success
    );
    let received = reader.message().await;
    let opened = message::open(&scene.topic, &scene.key, &received.payload, |sender| {
        (*sender == scene.owner.client).then(|| scene.owner.key.public_key().clone())
    });
    assert_eq!(opened.unwrap().content.as_slice(), b"21.5");
    // The owner's own prefix may be taken whole.
    let ack = owner
        .subscribe(&[
            "acme/press-7/#",
            "acme/#",
            "$share/g/acme/press-7/temperature",
        ])
        .await;
    assert_eq!(ack.reason_codes, [yes, no, yes]);
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn mqtt_3_1_1_gets_no_acknowledgement_for_what_is_refused() {
    let scene = scene().await;
    let login = options("acme.press-7")
        .with_protocol_version(mqtt5::ProtocolVersion::V311)
        .with_credentials(
            "acme.press-7",
            scene.world.password(&scene.owner).as_bytes(),
        );
    let (mut wire, _) = Wire::connect(scene.gateway.mqtt_addr, login).await;
    let publish = |topic: &str, payload: Vec<u8>| {
        Packet::Publish(PublishPacket::new_v311(topic, payload, QoS::AtLeastOnce).with_packet_id(7))
    };
    wire.send(publish(scene.topic.as_str(), scene.payload(1)))
        .await;
    assert!(matches!(wire.next().await, Some(Packet::PubAck(_))));
    wire.send(publish("acme/press-7/unknown", vec![1])).await;
    assert!(
        wire.next().await.is_none(),
        "acknowledging would be a lie: the connection closes"
    );
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn bytes_that_are_no_mqtt_end_the_connection() {
    let scene = scene().await;
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 64],
        &[0x10, 0x00],
        &[0x30, 0x02, 0, 0],
    ] {
        let mut wire = Wire::open(scene.gateway.mqtt_addr).await;
        wire.raw(bytes).await;
        assert!(wire.next().await.is_none());
    }
    // Inside a session: a PUBLISH of quality 3, a SUBSCRIBE without a filter.
    for bytes in [&[0x36, 0x05, 0, 1, b'a', 0, 1][..], &[0x82, 0x03, 0, 1, 0]] {
        let mut wire = scene.owner().await;
        wire.raw(bytes).await;
        assert!(
            matches!(wire.next().await, Some(Packet::Disconnect(_))),
            "{bytes:?}"
        );
    }
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn quality_2_is_archived_once_and_quality_0_too() {
    let scene = scene().await;
    let topic = scene.topic.as_str();
    let mut wire = scene.owner().await;
    let packet = PublishPacket::new(topic, scene.payload(1), QoS::ExactlyOnce).with_packet_id(5);
    wire.send(Packet::Publish(packet.clone())).await;
    assert!(matches!(wire.next().await, Some(Packet::PubRec(_))));
    wire.send(Packet::Publish(packet.with_dup(true))).await;
    assert!(matches!(wire.next().await, Some(Packet::PubRec(_))));
    wire.send(Packet::PubRel(PubRelPacket::new(5))).await;
    assert!(matches!(wire.next().await, Some(Packet::PubComp(_))));
    let packet = PublishPacket::new(topic, scene.payload(2), QoS::AtMostOnce);
    wire.send(Packet::Publish(packet)).await;
    eventually("both are archived", async || {
        scene
            .gateway
            .archive()
            .messages(topic, 10)
            .await
            .unwrap()
            .len()
            == 2
    })
    .await;
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn a_thousand_messages_of_one_device_share_their_syncs() {
    const MESSAGES: u16 = 1000;
    let scene = scene().await;
    let mut wire = scene.owner().await;
    let mut acknowledged = 0u16;
    let (mut sent, start) = (0u16, std::time::Instant::now());
    while acknowledged < MESSAGES {
        while sent < MESSAGES && sent - acknowledged < 100 {
            sent += 1;
            let packet = PublishPacket::new(
                scene.topic.as_str(),
                scene.payload(u64::from(sent)),
                QoS::AtLeastOnce,
            );
            wire.send(Packet::Publish(packet.with_packet_id(sent)))
                .await;
        }
        match wire.next().await {
            Some(Packet::PubAck(ack)) => {
                acknowledged += 1;
                // MQTT-4.6.0-2: in the order in which they were sent.
                assert_eq!(
                    (ack.reason_code, ack.packet_id),
                    (ReasonCode::Success, acknowledged)
                );
            }
            other => panic!("expected PUBACK, got {other:?}"),
        }
    }
    println!("{MESSAGES} messages acknowledged in {:?}", start.elapsed());
    let archived = scene
        .gateway
        .archive()
        .messages(scene.topic.as_str(), 2000)
        .await
        .unwrap();
    assert_eq!(archived.len(), usize::from(MESSAGES));
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn acknowledgements_keep_the_order_with_refusals_between_them() {
    let scene = scene().await;
    let mut wire = scene.owner().await;
    let mut bytes = Vec::new();
    for id in 1..=30u16 {
        let topic = if id % 3 == 0 {
            "acme/press-7/unknown"
        } else {
            scene.topic.as_str()
        };
        let packet = PublishPacket::new(topic, scene.payload(u64::from(id)), QoS::AtLeastOnce);
        let packet = Packet::Publish(packet.with_packet_id(id));
        bytes.extend_from_slice(&sealwire_gateway::frame::encode(&packet).unwrap());
    }
    wire.raw(&bytes).await;
    for id in 1..=30 {
        let Some(Packet::PubAck(ack)) = wire.next().await else {
            panic!("no PUBACK")
        };
        let refused = ack.reason_code == ReasonCode::NotAuthorized;
        assert_eq!((ack.packet_id, refused), (id, id % 3 == 0));
    }
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn who_wants_no_reasons_gets_codes_alone() {
    let scene = scene().await;
    let mut login = options("acme.press-7").with_credentials(
        "acme.press-7",
        scene.world.password(&scene.owner).as_bytes(),
    );
    login
        .protocol_options
        .properties
        .request_problem_information = Some(false);
    let (mut wire, _) = Wire::connect(scene.gateway.mqtt_addr, login).await;
    let answer = wire.publish("acme/press-7/unknown", b"x").await;
    assert_eq!(answer, (ReasonCode::NotAuthorized, String::new()));
    let ack = wire.subscribe(&["bolt/#"]).await;
    assert_eq!(ack.reason_codes, [SubAckReasonCode::NotAuthorized]);
    assert_eq!(reason(&ack.properties), "");
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn a_refused_publisher_stays_alive_for_the_engine() {
    // The engine sees nothing of refused packets; the front door keeps the session alive for it.
    let scene = scene().await;
    let mut wire = scene.owner().await;
    for _ in 0..3 {
        assert_eq!(
            wire.publish("acme/press-7/nowhere", b"x").await.0,
            ReasonCode::NotAuthorized
        );
    }
    // No PINGRESP reaches a client that didn't ask.
    wire.send(Packet::PingReq).await;
    assert!(matches!(wire.next().await, Some(Packet::PingResp)));
    wire.silent(Duration::from_millis(100)).await;
    let packet = SubscribePacket::new(1).add_filter("acme/press-7/#", QoS::AtMostOnce);
    wire.send(Packet::Subscribe(packet)).await;
    assert!(matches!(wire.next().await, Some(Packet::SubAck(_))));
    scene.gateway.shutdown().await;
}
