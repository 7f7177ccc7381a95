//! The honest pair: one publishes numbered, sealed messages at QoS 1, the other receives them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mqtt5::types::ReasonCode;
use sealwire_envelope::{Rights, message};
use sealwire_sm::sm4;
use tokio::task::JoinHandle;

use crate::common::{World, sealed, wire::Wire};

pub const TOPIC: &str = "acme/press-7/temperature";
/// Pause between two messages.
const PAUSE: Duration = Duration::from_millis(5);

pub struct Pair {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    publisher: JoinHandle<Duration>,
    subscriber: JoinHandle<u64>,
}

impl Pair {
    pub async fn start(world: &World, addr: SocketAddr) -> Self {
        let (owner, reader) = (world.device("press-7"), world.user("analyst"));
        let topic = owner.topic("temperature");
        assert_eq!(topic.as_str(), TOPIC);
        let key = sm4::Key::generate(&mut rand::rng());
        world.register(&owner, &topic, Some(&key));
        world.grant(&owner, &topic, &reader, Rights::SUBSCRIBE, Some(&key));
        let mut up = Wire::login(world, addr, &owner).await;
        let mut down = Wire::login(world, addr, &reader).await;
        down.subscribe(&[TOPIC]).await;
        let stop = Arc::new(AtomicBool::new(false));
        // Known only when the publisher has stopped.
        let sent = Arc::new(AtomicU64::new(u64::MAX));
        let (halt, total) = (stop.clone(), sent.clone());
        let (to, under, by) = (topic.clone(), key.clone(), owner.clone());
        let publisher = tokio::spawn(async move {
            let (mut sequence, mut slowest) = (0, Duration::ZERO);
            while !halt.load(Ordering::SeqCst) {
                sequence += 1;
                let content = sequence.to_string();
                let payload = sealed(&by, &to, &under, 0, sequence, content.as_bytes());
                let start = Instant::now();
                let (code, text) = up.publish(TOPIC, &payload).await;
                assert_eq!(code, ReasonCode::Success, "{text}");
                slowest = slowest.max(start.elapsed());
                tokio::time::sleep(PAUSE).await;
            }
            total.store(sequence, Ordering::SeqCst);
            slowest
        });
        let total = sent.clone();
        let subscriber = tokio::spawn(async move {
            let mut received = 0;
            while received < total.load(Ordering::SeqCst) {
                let packet = match tokio::time::timeout(PAUSE * 4, down.reader.next()).await {
                    Err(_) => continue,
                    Ok(frame) => frame.unwrap().expect("the honest session goes on"),
                };
                let mqtt5::Packet::Publish(packet) = packet.decode(5).unwrap() else {
                    panic!("expected a PUBLISH")
                };
                let id = packet.packet_id.unwrap();
                let ack = mqtt5::packet::puback::PubAckPacket::new(id);
                down.send(mqtt5::Packet::PubAck(ack)).await;
                received += 1;
                let opened = message::open(&topic, &key, &packet.payload, |sender| {
                    (*sender == owner.client).then(|| owner.key.public_key().clone())
                });
                let content = opened.unwrap().content;
                let expected = received.to_string();
                assert_eq!(content.as_slice(), expected.as_bytes(), "in order, once");
            }
            received
        });
        Self {
            stop,
            sent,
            publisher,
            subscriber,
        }
    }

    /// Stop; how many messages were exchanged, and the longest wait for a PUBACK.
    pub async fn stop(self) -> (u64, Duration) {
        self.stop.store(true, Ordering::SeqCst);
        let slowest = self.publisher.await.unwrap();
        let received = self.subscriber.await.unwrap();
        assert_eq!(received, self.sent.load(Ordering::SeqCst));
        (received, slowest)
    }
}
