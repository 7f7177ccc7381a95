//! Every packet cut at every byte, and with every byte changed.
//!
//! Each variant goes over a connection of its own, which must be closed in bounded time and say
//! nothing that no gateway says. Packets of a session are sent right behind a good CONNECT; the same
//! packets are sent to a gateway that nobody has logged in to.

use mqtt5::{
    Packet, QoS,
    packet::{
        auth::AuthPacket, connect::ConnectPacket, disconnect::DisconnectPacket,
        publish::PublishPacket, pubrel::PubRelPacket, subscribe::SubscribePacket,
        unsubscribe::UnsubscribePacket,
    },
    types::ReasonCode,
};
use sealwire_envelope::{encode, login::Answer, login::METHOD};
use sealwire_gateway::frame;

use crate::{
    common::wire::options,
    foe::{Field, Foe, connect, each, made_up, token_connect},
    order,
};

#[derive(Clone, Copy, Debug)]
enum Change {
    Cut(usize),
    Set(usize, u8),
    Xor(usize, u8),
}

impl Change {
    /// Every change of a packet of this length.
    fn all(length: usize) -> Vec<Self> {
        (0..length)
            .flat_map(|at| {
                [
                    Self::Cut(at),
                    Self::Set(at, 0x00),
                    Self::Set(at, 0xff),
                    Self::Xor(at, 0x80),
                ]
            })
            .collect()
    }

    fn apply(self, mut bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Cut(at) => bytes.truncate(at),
            // A signature's length may vary by a byte between two tokens.
            Self::Set(at, byte) => bytes.get_mut(at).into_iter().for_each(|b| *b = byte),
            Self::Xor(at, bits) => bytes.get_mut(at).into_iter().for_each(|b| *b ^= bits),
        }
        bytes
    }
}

pub async fn attack(field: &Field) -> String {
    let mut count = connects(field).await;
    count += answers(field).await;
    count += in_sessions(field).await;
    format!("{count} connections")
}

/// Packets that a gateway may send.
fn is_sound(packet: &Packet) -> bool {
    matches!(
        packet,
        Packet::ConnAck(_)
            | Packet::Auth(_)
            | Packet::Publish(_)
            | Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp
            | Packet::Disconnect(_)
    )
}

async fn poke(field: &Field, bytes: Vec<u8>) -> Vec<Packet> {
    let mut foe = Foe::dial(field).await;
    foe.send(&bytes).await;
    let said = foe.finish().await;
    assert!(said.iter().all(is_sound), "{said:?}");
    said
}

/// By token with a will and everything that a CONNECT may have, and by enhanced authentication.
async fn connects(field: &Field) -> usize {
    let full = || {
        let password = field.world.password(&field.foe);
        let mut will = mqtt5::WillMessage::new("acme/foe/own", "w");
        will.properties.content_type = Some("t".into());
        let mut options = options(&made_up())
            .with_credentials("acme.foe", password.as_bytes())
            .with_will(will)
            .protocol_options;
        options.properties.receive_maximum = Some(9);
        options
            .properties
            .user_properties
            .push(("k".into(), "v".into()));
        connect(ConnectPacket::new(options))
    };
    let old = || {
        let password = field.world.password(&field.foe);
        let options = options(&made_up())
            .with_protocol_version(mqtt5::ProtocolVersion::V311)
            .with_credentials("acme.foe", password.as_bytes());
        connect(ConnectPacket::new_v311(options.protocol_options))
    };
    let mut count = each(Change::all(full().len()), async |change| {
        poke(field, change.apply(full())).await;
    })
    .await;
    // Of the old one only what is before the token differs.
    count += each(Change::all(old().len().min(64)), async |change| {
        poke(field, change.apply(old())).await;
    })
    .await;
    let hello = || order::hello(field, rand::random());
    count += each(Change::all(hello().len()), async |change| {
        let said = poke(field, change.apply(hello())).await;
        // A challenge at most: nobody is in without an answer.
        let is_in = |packet: &Packet| matches!(packet, Packet::ConnAck(ack) if ack.reason_code == ReasonCode::Success);
        assert!(!said.iter().any(is_in), "{change:?}: {said:?}");
    })
    .await;
    count
}

/// Changed answers to a challenge: no byte of a signature or of its frame may be another.
async fn answers(field: &Field) -> usize {
    let sample = |signature| {
        let answer = encode(&Answer { signature });
        let auth = AuthPacket::continue_authentication(METHOD.into(), Some(answer));
        frame::encode(&Packet::Auth(auth.unwrap()))
            .unwrap()
            .to_vec()
    };
    let signature = sealwire_envelope::login::Transcript {
        chain: sealwire_gateway::Ledger::chain(&*field.world.ledger),
        client: field.foe.client.clone(),
        certificate: field.foe.id(),
        client_nonce: [0; 32],
        gateway: field.world.one.gateway.id(),
        gateway_nonce: [0; 32],
        time_ms: 0,
    }
    .sign_as_client(&field.foe.key);
    let bytes = sample(signature);
    each(Change::all(bytes.len()), async |change| {
        let mut foe = Foe::dial(field).await;
        foe.send(&order::hello(field, rand::random())).await;
        assert!(matches!(foe.next().await, Some(Packet::Auth(_))));
        foe.send(&change.apply(bytes.clone())).await;
        for packet in foe.finish().await {
            match packet {
                Packet::ConnAck(ack) => assert_ne!(ack.reason_code, ReasonCode::Success),
                other => panic!("{change:?}: {other:?}"),
            }
        }
    })
    .await
}

/// The packets of a session with everything they may have.
fn packets() -> Vec<Vec<u8>> {
    let own = "acme/foe/own";
    let mut publish = PublishPacket::new(own, b"x".to_vec(), QoS::AtLeastOnce).with_packet_id(3);
    publish.properties.set_content_type("t".into());
    publish.properties.add_user_property("k".into(), "v".into());
    publish.properties.set_message_expiry_interval(60);
    let exactly = PublishPacket::new(own, b"x".to_vec(), QoS::ExactlyOnce).with_packet_id(4);
    let subscribe = SubscribePacket::new(5)
        .add_filter(own, QoS::AtLeastOnce)
        .add_filter("$share/g/acme/foe/#", QoS::ExactlyOnce);
    let goodbye = DisconnectPacket::new(ReasonCode::Success)
        .with_session_expiry_interval(0)
        .with_user_property("k".into(), "v".into());
    let packets = [
        Packet::Publish(publish),
        Packet::Publish(exactly),
        Packet::PubRel(PubRelPacket::new(4)),
        Packet::Subscribe(subscribe),
        Packet::Unsubscribe(UnsubscribePacket::new(6).add_filter(own)),
        Packet::Disconnect(goodbye),
        Packet::PingReq,
    ];
    packets
        .iter()
        .map(|packet| frame::encode(packet).unwrap().to_vec())
        .collect()
}

async fn in_sessions(field: &Field) -> usize {
    let mut count = 0;
    for bytes in packets() {
        count += each(Change::all(bytes.len()), async |change| {
            let changed = change.apply(bytes.clone());
            let mut session = token_connect(field);
            session.extend_from_slice(&changed);
            let said = poke(field, session).await;
            let is_in = matches!(said.first(), Some(Packet::ConnAck(ack)) if ack.reason_code == ReasonCode::Success);
            assert!(is_in, "{change:?}: {said:?}");
            if changed.first() != Some(&0x10) {
                let said = poke(field, changed).await;
                assert!(said.is_empty(), "not logged in, and hears {said:?}");
            }
        })
        .await;
    }
    2 * count
}
