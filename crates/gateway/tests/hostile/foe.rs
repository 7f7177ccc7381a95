//! What every attack needs: sockets from many addresses, and a gateway that must let go of them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use mqtt5::{
    Packet,
    packet::{connack::ConnAckPacket, connect::ConnectPacket},
};
use sealwire_gateway::{
    Running,
    frame::{self, FrameReader},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{
        TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::common::{Person, World, wire::options};

/// A gateway that holds on to a finished connection for longer hangs.
pub const HANG: Duration = Duration::from_secs(6);
/// Connections at a time in attacks of many.
pub const AT_A_TIME: usize = 32;

/// Where it takes place.
pub struct Field {
    pub world: World,
    pub gateway: Running,
    pub foe: Person,
}

/// A hostile connection.
pub struct Foe {
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

/// A loopback address other than the honest clients': limits per address shall hit the foe alone.
fn address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed) % (200 * 200);
    Ipv4Addr::new(127, 1, (n / 200) as u8, (n % 200) as u8 + 1)
}

pub async fn dial_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Only Linux has all of 127.0.0.0/8; elsewhere the foe shares the honest clients' address.
    let _ = socket.bind(SocketAddr::from((from, 0)));
    let stream = socket.connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

impl Foe {
    pub async fn dial(field: &Field) -> Self {
        Self::new(dial_from(address(), field.gateway.mqtt_addr).await)
    }

    pub fn new(stream: TcpStream) -> Self {
        let (read, writer) = stream.into_split();
        Self {
            reader: FrameReader::new(read, 8 << 20),
            writer,
        }
    }

    /// Logged in by token under a name of its own: foes don't take over each other's sessions.
    pub async fn login(field: &Field) -> Self {
        let mut foe = Self::dial(field).await;
        foe.send(&token_connect(field)).await;
        let ack = foe.connack().await;
        assert_eq!(ack.reason_code, mqtt5::types::ReasonCode::Success);
        foe
    }

    /// Bytes as they are; a gateway that has closed the connection already doesn't take them.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.writer.write_all(bytes).await;
    }

    pub async fn packet(&mut self, packet: Packet) {
        self.send(&frame::encode(&packet).unwrap()).await;
    }

    /// The next packet; `None` when the gateway closed the connection.
    pub async fn next(&mut self) -> Option<Packet> {
        let frame = tokio::time::timeout(HANG, self.reader.next())
            .await
            .expect("the gateway hangs");
        frame.ok().flatten().map(|frame| frame.decode(5).unwrap())
    }

    pub async fn connack(&mut self) -> ConnAckPacket {
        match self.next().await {
            Some(Packet::ConnAck(ack)) => ack,
            other => panic!("expected CONNACK, got {other:?}"),
        }
    }

    /// Until the gateway closes the connection: what it said.
    pub async fn closed(&mut self) -> Vec<Packet> {
        let mut said = Vec::new();
        while let Some(packet) = self.next().await {
            said.push(packet);
        }
        said
    }

    /// Until the gateway closes the connection without a word.
    pub async fn closed_silently(&mut self) {
        let said = self.closed().await;
        assert!(said.is_empty(), "{said:?}");
    }

    /// No more from this side, then until the gateway closes.
    pub async fn finish(&mut self) -> Vec<Packet> {
        let _ = self.writer.shutdown().await;
        self.closed().await
    }
}

/// A name as a library makes it up.
pub fn made_up() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("x{:06}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A CONNECT with a good token.
pub fn token_connect(field: &Field) -> Vec<u8> {
    let password = field.world.password(&field.foe);
    let options = options(&made_up()).with_credentials("acme.foe", password.as_bytes());
    connect(ConnectPacket::new(options.protocol_options))
}

pub fn connect(packet: ConnectPacket) -> Vec<u8> {
    frame::encode(&Packet::Connect(Box::new(packet)))
        .unwrap()
        .to_vec()
}

/// Run `attack` on every item, [`AT_A_TIME`] at a time.
pub async fn each<T>(items: impl IntoIterator<Item = T>, attack: impl AsyncFn(T)) -> usize {
    use futures::StreamExt as _;
    let mut count = 0;
    let mut running = futures::stream::iter(items.into_iter().map(|item| attack(item)))
        .buffer_unordered(AT_A_TIME);
    while running.next().await.is_some() {
        count += 1;
    }
    count
}
