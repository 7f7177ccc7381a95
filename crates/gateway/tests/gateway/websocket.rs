//! MQTT over WebSocket at the port of MQTT: what is inside is the same, and what isn't WebSocket ends alone.

use std::net::SocketAddr;

use crate::common::{
    PATIENCE, eventually,
    scene::scene,
    wire::{Wire, options},
};
use bytes::{Bytes, BytesMut};
use futures::{SinkExt as _, StreamExt as _, stream::SplitSink};
use mqtt5::{
    Packet, QoS,
    packet::{
        connect::ConnectPacket, disconnect::DisconnectPacket, publish::PublishPacket,
        subscribe::SubscribePacket,
    },
    transport::packet_io::encode_packet_to_buffer,
    types::ReasonCode,
};
use sealwire_envelope::Rights;
use sealwire_gateway::frame::FrameReader;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _, http::HeaderValue},
};
use tokio_util::io::StreamReader;

const PROTOCOL: &str = "sec-websocket-protocol";

struct Page {
    reader: FrameReader<Box<dyn AsyncRead + Unpin + Send>>,
    to: SplitSink<WebSocketStream<TcpStream>, Message>,
}

impl Page {
    async fn open(addr: SocketAddr, protocols: Option<&str>) -> Result<Self, tungstenite::Error> {
        let stream = TcpStream::connect(addr).await.unwrap();
        let mut request = format!("ws://{addr}/mqtt").into_client_request()?;
        if let Some(protocols) = protocols {
            let value = HeaderValue::from_str(protocols).unwrap();
            request.headers_mut().insert(PROTOCOL, value);
        }
        let (socket, response) = client_async(request, stream).await?;
        assert_eq!(response.headers()[PROTOCOL], "mqtt");
        let (to, from) = socket.split();
        let from = from.filter_map(|message| {
            std::future::ready(match message {
                Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
                Ok(_) => None,
                Err(error) => Some(Err(std::io::Error::other(error))),
            })
        });
        let from: Box<dyn AsyncRead + Unpin + Send> = Box::new(StreamReader::new(from));
        Ok(Self {
            reader: FrameReader::new(from, 1 << 20),
            to,
        })
    }

    async fn say(&mut self, bytes: impl Into<Bytes>) {
        self.to.send(Message::Binary(bytes.into())).await.unwrap();
    }

    async fn next(&mut self) -> Option<Packet> {
        let frame = tokio::time::timeout(PATIENCE, self.reader.next()).await;
        let frame = frame.expect("no packet came").ok().flatten();
        frame.map(|frame| frame.decode(5).unwrap())
    }
}

fn bytes_of(packets: &[Packet]) -> Bytes {
    let mut bytes = BytesMut::new();
    for packet in packets {
        let mut one = BytesMut::new();
        encode_packet_to_buffer(packet, &mut one).unwrap();
        bytes.extend_from_slice(&one);
    }
    bytes.freeze()
}

fn connect(client: &str, password: &str) -> Packet {
    let options = options(client).with_credentials(client, password.as_bytes());
    Packet::Connect(Box::new(ConnectPacket::new(options.protocol_options)))
}

#[tokio::test]
async fn a_page_and_a_socket_exchange_messages() {
    let scene = scene().await;
    let open = scene.owner.topic("open");
    scene.world.register(&scene.owner, &open, None);
    let rights = Rights::SUBSCRIBE | Rights::PUBLISH;
    scene
        .world
        .grant(&scene.owner, &open, &scene.reader, rights, None);
    let addr = scene.gateway.mqtt_addr;
    let reader = scene.reader.client.as_str();

    let mut page = Page::open(addr, Some("other, mqtt")).await.unwrap();
    // In pieces of a byte: where messages end means nothing.
    for byte in bytes_of(&[connect(reader, &scene.world.password(&scene.reader))]) {
        page.say(vec![byte]).await;
    }
    match page.next().await {
        Some(Packet::ConnAck(ack)) => assert_eq!(ack.reason_code, ReasonCode::Success),
        other => panic!("expected CONNACK, got {other:?}"),
    }
    let subscribe = SubscribePacket::new(7).add_filter(open.as_str(), QoS::AtLeastOnce);
    let publish = PublishPacket::new(open.as_str(), &b"from a page"[..], QoS::AtLeastOnce);
    // Two packets in one message, and a ping of WebSocket before it.
    page.to.send(Message::Ping(Bytes::new())).await.unwrap();
    let both = [
        Packet::Subscribe(subscribe),
        Packet::Publish(publish.with_packet_id(8)),
    ];
    page.say(bytes_of(&both)).await;
    let (mut granted, mut acknowledged, mut arrived) = (false, false, false);
    while !(granted && acknowledged && arrived) {
        match page.next().await {
            Some(Packet::SubAck(_)) => granted = true,
            Some(Packet::PubAck(ack)) => {
                assert_eq!(ack.reason_code, ReasonCode::Success);
                acknowledged = true;
            }
            Some(Packet::Publish(message)) => {
                assert_eq!(&message.payload[..], b"from a page");
                arrived = true;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    // From a socket to the page, larger than one read.
    let (mut device, _) = Wire::sm2(&scene.world, addr, &scene.owner).await;
    let long = vec![0x5a; 100_000];
    let message = PublishPacket::new(open.as_str(), long.clone(), QoS::AtMostOnce);
    device.send(Packet::Publish(message)).await;
    match page.next().await {
        Some(Packet::Publish(message)) => assert_eq!(message.payload[..], long[..]),
        other => panic!("expected the long message, got {other:?}"),
    }
    page.say(bytes_of(&[Packet::Disconnect(DisconnectPacket::normal())]))
        .await;
    eventually("the page's session ends", async || {
        scene.gateway.sessions() == 1
    })
    .await;
    assert_eq!(scene.gateway.metrics().websockets.get(), 1);
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn what_is_not_mqtt_over_websocket_ends_alone() {
    let scene = scene().await;
    let addr = scene.gateway.mqtt_addr;
    for protocols in [None, Some("mqttv3.1"), Some("chat, wamp")] {
        match Page::open(addr, protocols).await.map(|_| ()) {
            Err(tungstenite::Error::Http(response)) => {
                assert_eq!(response.status(), 400);
                let body = response.body().clone().unwrap_or_default();
                assert!(String::from_utf8_lossy(&body).contains("'mqtt'"));
            }
            other => panic!("{protocols:?}: expected 400, got {other:?}"),
        }
    }
    for request in [
        "GET / HTTP/1.1\r\nHost: gateway\r\n\r\n".to_owned(),
        "GARBAGE\r\n\r\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)),
        format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(10_000)),
    ] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        // It may be closed before all is written.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let _ = read.expect("the connection ends");
        assert!(!answer.starts_with(b"HTTP/1.1 101"));
    }
    // Text, and a message longer than any packet may be.
    let mut text = Page::open(addr, Some("mqtt")).await.unwrap();
    text.to.send(Message::text("connect")).await.unwrap();
    assert!(text.next().await.is_none());
    let mut long = Page::open(addr, Some("mqtt")).await.unwrap();
    let _ = long
        .to
        .send(Message::Binary(vec![0x30; 32 << 20].into()))
        .await;
    assert!(long.next().await.is_none());
    // Nobody was admitted, and MQTT goes on beside it.
    assert_eq!(scene.gateway.sessions(), 0);
    let (_, ack) = Wire::sm2(&scene.world, addr, &scene.owner).await;
    assert_eq!(ack.reason_code, ReasonCode::Success);
    scene.gateway.shutdown().await;
}
