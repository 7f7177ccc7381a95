//! Valid packets in the wrong order.

use mqtt5::{
    Packet, QoS,
    packet::{
        auth::AuthPacket,
        connect::ConnectPacket,
        disconnect::DisconnectPacket,
        puback::PubAckPacket,
        pubcomp::PubCompPacket,
        publish::PublishPacket,
        pubrec::PubRecPacket,
        pubrel::PubRelPacket,
        suback::{SubAckPacket, SubAckReasonCode},
        subscribe::SubscribePacket,
        unsubscribe::UnsubscribePacket,
    },
    types::ReasonCode,
};
use sealwire_envelope::{encode, login::Hello, login::LOGIN_VERSION, login::METHOD};

use crate::{
    common::wire::options,
    foe::{Field, Foe, connect, made_up, token_connect},
};

const OWN: &str = "acme/foe/own";

pub async fn attack(field: &Field) -> String {
    let mut sequences = before_login(field).await;
    sequences += instead_of_the_answer(field).await;
    sequences += in_a_session(field).await;
    after_goodbye(field).await;
    format!("{} sequences", sequences + 1)
}

/// Every packet there is, without what only makes sense once.
pub fn packets() -> Vec<Packet> {
    let publish = |qos| PublishPacket::new(OWN, b"x".to_vec(), qos);
    vec![
        Packet::Publish(publish(QoS::AtMostOnce)),
        Packet::Publish(publish(QoS::AtLeastOnce).with_packet_id(3)),
        Packet::Publish(publish(QoS::ExactlyOnce).with_packet_id(4)),
        Packet::PubAck(PubAckPacket::new(5)),
        Packet::PubRec(PubRecPacket::new(6)),
        Packet::PubRel(PubRelPacket::new(7)),
        Packet::PubComp(PubCompPacket::new(8)),
        Packet::Subscribe(SubscribePacket::new(9).add_filter(OWN, QoS::AtLeastOnce)),
        Packet::SubAck(SubAckPacket::new(10).add_reason_code(SubAckReasonCode::GrantedQoS0)),
        Packet::Unsubscribe(UnsubscribePacket::new(11).add_filter(OWN)),
        Packet::PingReq,
        Packet::PingResp,
        Packet::Disconnect(DisconnectPacket::new(ReasonCode::Success)),
        Packet::Auth(AuthPacket::continue_authentication(METHOD.into(), Some(vec![1])).unwrap()),
    ]
}

/// Nobody who doesn't begin with a CONNECT gets a word.
async fn before_login(field: &Field) -> usize {
    let packets = packets();
    let count = packets.len();
    for packet in packets {
        let mut foe = Foe::dial(field).await;
        foe.packet(packet.clone()).await;
        foe.closed_silently().await;
    }
    count
}

pub fn hello(field: &Field, nonce: [u8; 32]) -> Vec<u8> {
    let hello = Hello {
        version: LOGIN_VERSION,
        certificate: field.foe.id(),
        nonce,
    };
    let mut packet = ConnectPacket::new(options("acme.foe").protocol_options);
    packet.properties.set_authentication_method(METHOD.into());
    packet
        .properties
        .set_authentication_data(encode(&hello).into());
    connect(packet)
}

/// The challenge is answered by AUTH or not at all.
async fn instead_of_the_answer(field: &Field) -> usize {
    let mut packets = packets();
    packets.retain(|packet| !matches!(packet, Packet::Auth(_)));
    let options = options(&made_up()).protocol_options;
    packets.push(Packet::Connect(Box::new(ConnectPacket::new(options))));
    let other = AuthPacket::continue_authentication("SCRAM-SHA-256".into(), Some(vec![1]));
    packets.push(Packet::Auth(other.unwrap()));
    let again = AuthPacket::re_authenticate(METHOD.into(), Some(vec![1]));
    packets.push(Packet::Auth(again.unwrap()));
    let count = packets.len();
    for packet in packets {
        let mut foe = Foe::dial(field).await;
        foe.send(&hello(field, rand::random())).await;
        assert!(matches!(foe.next().await, Some(Packet::Auth(_))));
        foe.packet(packet.clone()).await;
        let said = foe.closed().await;
        match (&packet, &said[..]) {
            (Packet::Disconnect(_), []) => {}
            (_, [Packet::ConnAck(ack)]) => {
                assert_eq!(ack.reason_code, ReasonCode::ProtocolError, "{packet:?}");
            }
            (_, said) => panic!("{packet:?}: {said:?}"),
        }
    }
    count
}

/// What a server sends, and a second CONNECT, ends a session; acknowledgements of nothing don't
/// hurt. Whatever it is, it is over in bounded time.
async fn in_a_session(field: &Field) -> usize {
    let mut packets = packets();
    let options = options(&made_up()).protocol_options;
    packets.push(Packet::Connect(Box::new(ConnectPacket::new(options))));
    let count = packets.len();
    for packet in packets {
        let mut foe = Foe::login(field).await;
        foe.packet(packet.clone()).await;
        foe.packet(Packet::PingReq).await;
        let said = foe.finish().await;
        let goes_on = said.iter().any(|said| matches!(said, Packet::PingResp));
        let is_wrong = matches!(
            packet,
            Packet::Connect(_)
                | Packet::SubAck(_)
                | Packet::PingResp
                | Packet::Auth(_)
                | Packet::Disconnect(_)
        );
        assert!(!(is_wrong && goes_on), "{packet:?} was taken: {said:?}");
    }
    // Packet type 0, and a CONNACK.
    for bytes in [&[0x00, 0x00][..], &[0x20, 0x03, 0x00, 0x00, 0x00]] {
        let mut foe = Foe::login(field).await;
        foe.send(bytes).await;
        let said = foe.finish().await;
        assert!(!said.iter().any(|said| matches!(said, Packet::PingResp)));
    }
    count + 2
}

/// After DISCONNECT nothing counts.
async fn after_goodbye(field: &Field) {
    let mut bytes = token_connect(field);
    for packet in [
        Packet::Disconnect(DisconnectPacket::new(ReasonCode::Success)),
        Packet::Publish(
            PublishPacket::new(OWN, b"ghost".to_vec(), QoS::AtLeastOnce).with_packet_id(1),
        ),
    ] {
        bytes.extend_from_slice(&sealwire_gateway::frame::encode(&packet).unwrap());
    }
    let mut foe = Foe::dial(field).await;
    foe.send(&bytes).await;
    let said = foe.closed().await;
    assert!(!said.iter().any(|said| matches!(said, Packet::PubAck(_))));
    let archived = field.gateway.archive().messages(OWN, 10_000).await.unwrap();
    assert!(
        archived
            .iter()
            .all(|message| &message.payload[..] != b"ghost")
    );
}
