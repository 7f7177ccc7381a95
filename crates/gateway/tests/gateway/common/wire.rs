//! A bare MQTT connection: sends and expects single packets, so that a test sees codes and reasons.

use std::{net::SocketAddr, time::Duration};

use mqtt5::{
    Packet, QoS,
    packet::{
        auth::AuthPacket, connack::ConnAckPacket, connect::ConnectPacket, puback::PubAckPacket,
        publish::PublishPacket, suback::SubAckPacket, subscribe::SubscribePacket,
    },
    types::{ConnectOptions, ReasonCode},
};
use sealwire_envelope::{
    ClientId, decode, encode,
    login::{Answer, Challenge, Hello, LOGIN_VERSION, METHOD, Transcript},
};
use sealwire_gateway::{
    Ledger,
    frame::{self, FrameReader},
};
use tokio::net::{
    TcpStream,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use super::{PATIENCE, Person, World};

pub struct Wire {
    pub reader: FrameReader<OwnedReadHalf>,
    pub writer: OwnedWriteHalf,
    version: u8,
}

impl Wire {
    pub async fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (read, writer) = stream.into_split();
        Self {
            reader: FrameReader::new(read, 8 << 20),
            writer,
            version: 5,
        }
    }

    pub async fn send(&mut self, packet: Packet) {
        frame::write(&mut self.writer, &packet).await.unwrap();
    }

    /// The next packet; `None` when the other side closed.
    pub async fn next(&mut self) -> Option<Packet> {
        let frame = tokio::time::timeout(PATIENCE, self.reader.next())
            .await
            .expect("no packet came");
        frame
            .ok()
            .flatten()
            .map(|frame| frame.decode(self.version).unwrap())
    }

    /// Bytes as they are.
    pub async fn raw(&mut self, bytes: &[u8]) {
        tokio::io::AsyncWriteExt::write_all(&mut self.writer, bytes)
            .await
            .unwrap();
    }

    /// Nothing but silence for a moment.
    pub async fn silent(&mut self, moment: Duration) {
        if let Ok(frame) = tokio::time::timeout(moment, self.reader.next()).await {
            panic!("expected silence, got {frame:?}");
        }
    }

    pub async fn connack(&mut self) -> ConnAckPacket {
        match self.next().await {
            Some(Packet::ConnAck(ack)) => ack,
            other => panic!("expected CONNACK, got {other:?}"),
        }
    }

    /// CONNECT by token; the CONNACK.
    pub async fn token(addr: SocketAddr, user: &str, password: &str) -> (Self, ConnAckPacket) {
        Self::connect(
            addr,
            options(user).with_credentials(user, password.as_bytes()),
        )
        .await
    }

    pub async fn connect(addr: SocketAddr, options: ConnectOptions) -> (Self, ConnAckPacket) {
        let mut wire = Self::open(addr).await;
        let options = options.protocol_options;
        wire.version = options.protocol_version.as_u8();
        let packet = match wire.version {
            4 => ConnectPacket::new_v311(options),
            _ => ConnectPacket::new(options),
        };
        wire.send(Packet::Connect(Box::new(packet))).await;
        let ack = wire.connack().await;
        (wire, ack)
    }

    /// CONNECT by enhanced authentication; the CONNACK. `spoil` may change what is signed.
    pub async fn sm2(world: &World, addr: SocketAddr, person: &Person) -> (Self, ConnAckPacket) {
        Self::sm2_as(world, addr, person, person.client.as_str(), |_| {}).await
    }

    pub async fn sm2_as(
        world: &World,
        addr: SocketAddr,
        person: &Person,
        client_id: &str,
        spoil: impl FnOnce(&mut Transcript),
    ) -> (Self, ConnAckPacket) {
        let mut wire = Self::open(addr).await;
        let hello = Hello {
            version: LOGIN_VERSION,
            certificate: person.id(),
            nonce: rand::random(),
        };
        let mut connect = ConnectPacket::new(options(client_id).protocol_options);
        connect.properties.set_authentication_method(METHOD.into());
        connect
            .properties
            .set_authentication_data(encode(&hello).into());
        wire.send(Packet::Connect(Box::new(connect))).await;
        let auth = match wire.next().await {
            Some(Packet::Auth(auth)) => auth,
            Some(Packet::ConnAck(ack)) => return (wire, ack),
            other => panic!("expected AUTH or CONNACK, got {other:?}"),
        };
        let challenge: Challenge = decode(auth.authentication_data().unwrap()).unwrap();
        let mut transcript = Transcript {
            chain: world.ledger.chain(),
            client: person.client.clone(),
            certificate: person.id(),
            client_nonce: hello.nonce,
            gateway: challenge.gateway,
            gateway_nonce: challenge.nonce,
            time_ms: challenge.time_ms,
        };
        let gateway = &world.one.gateway;
        assert_eq!(challenge.gateway, gateway.id());
        transcript
            .verify_gateway(gateway.key.public_key(), &challenge.signature)
            .unwrap();
        spoil(&mut transcript);
        let answer = Answer {
            signature: transcript.sign_as_client(&person.key),
        };
        let auth =
            AuthPacket::continue_authentication(METHOD.into(), Some(encode(&answer))).unwrap();
        wire.send(Packet::Auth(auth)).await;
        let ack = wire.connack().await;
        (wire, ack)
    }

    /// AUTH with a hello in a session of `client`, and the challenge to it; the answer as `person`
    /// gives it, not sent yet.
    pub async fn challenged(
        &mut self,
        world: &World,
        client: &ClientId,
        person: &Person,
    ) -> Packet {
        let nonce = rand::random();
        let again = AuthPacket::re_authenticate(METHOD.into(), Some(hello(person, nonce))).unwrap();
        self.send(Packet::Auth(again)).await;
        let auth = match self.next().await {
            Some(Packet::Auth(auth)) => auth,
            other => panic!("expected AUTH, got {other:?}"),
        };
        assert_eq!(auth.reason_code, ReasonCode::ContinueAuthentication);
        let challenge: Challenge = decode(auth.authentication_data().unwrap()).unwrap();
        let transcript = Transcript {
            chain: world.ledger.chain(),
            client: client.clone(),
            certificate: person.id(),
            client_nonce: nonce,
            gateway: challenge.gateway,
            gateway_nonce: challenge.nonce,
            time_ms: challenge.time_ms,
        };
        let gateway = world.one.gateway.key.public_key();
        transcript
            .verify_gateway(gateway, &challenge.signature)
            .unwrap();
        let signature = transcript.sign_as_client(&person.key);
        let answer = Some(encode(&Answer { signature }));
        Packet::Auth(AuthPacket::continue_authentication(METHOD.into(), answer).unwrap())
    }

    /// Re-authentication to its end; the gateway's last AUTH.
    pub async fn reauthenticate(&mut self, world: &World, person: &Person) -> AuthPacket {
        let answer = self.challenged(world, &person.client, person).await;
        self.send(answer).await;
        match self.next().await {
            Some(Packet::Auth(auth)) => auth,
            other => panic!("expected AUTH, got {other:?}"),
        }
    }

    /// Logged in, or the test fails.
    pub async fn login(world: &World, addr: SocketAddr, person: &Person) -> Self {
        let (wire, ack) = Self::sm2(world, addr, person).await;
        assert_eq!(
            ack.reason_code,
            ReasonCode::Success,
            "{:?}",
            reason(&ack.properties)
        );
        wire
    }

    /// PUBLISH at QoS 1; code and reason of the PUBACK.
    pub async fn publish(&mut self, topic: &str, payload: &[u8]) -> (ReasonCode, String) {
        let packet =
            PublishPacket::new(topic, payload.to_vec(), QoS::AtLeastOnce).with_packet_id(7);
        self.send(Packet::Publish(packet)).await;
        match self.next().await {
            Some(Packet::PubAck(ack)) => (ack.reason_code, reason(&ack.properties)),
            other => panic!("expected PUBACK, got {other:?}"),
        }
    }

    pub async fn subscribe(&mut self, filters: &[&str]) -> SubAckPacket {
        let mut packet = SubscribePacket::new(9);
        for filter in filters {
            packet = packet.add_filter(*filter, QoS::AtLeastOnce);
        }
        self.send(Packet::Subscribe(packet)).await;
        match self.next().await {
            Some(Packet::SubAck(ack)) => ack,
            other => panic!("expected SUBACK, got {other:?}"),
        }
    }

    /// The next message, acknowledged.
    pub async fn message(&mut self) -> PublishPacket {
        match self.next().await {
            Some(Packet::Publish(packet)) => {
                if let Some(id) = packet.packet_id {
                    self.send(Packet::PubAck(PubAckPacket::new(id))).await;
                }
                packet
            }
            other => panic!("expected PUBLISH, got {other:?}"),
        }
    }
}

/// The data of an AUTH or CONNECT that begins an exchange.
pub fn hello(person: &Person, nonce: [u8; 32]) -> Vec<u8> {
    encode(&Hello {
        version: LOGIN_VERSION,
        certificate: person.id(),
        nonce,
    })
}

pub fn options(client_id: &str) -> ConnectOptions {
    ConnectOptions::new(client_id)
        .with_clean_start(true)
        .with_keep_alive(Duration::from_secs(60))
}

/// The reason string of a packet.
pub fn reason(properties: &mqtt5::Properties) -> String {
    use mqtt5::{PropertyId, PropertyValue};
    match properties.get(PropertyId::ReasonString) {
        Some(PropertyValue::Utf8String(text)) => text.clone(),
        _ => String::new(),
    }
}
