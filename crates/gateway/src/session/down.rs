//! The way down: what the engine sends, and what of it reaches the client.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::Ordering,
};

use bytes::{Bytes, BytesMut};
use mqtt5::{
    Packet, PacketType,
    packet::{
        puback::PubAckPacket, pubcomp::PubCompPacket, pubrec::PubRecPacket,
        suback::SubAckReasonCode,
    },
    types::ReasonCode,
};
use sealwire_envelope::{ClientId, login};
use tokio::io::{AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadHalf};

use super::{Admitted, End, Line, lock};
use crate::{
    audit::Occurrence,
    engine::PIPE_BYTES,
    frame::{self, Frame, FrameError, FrameReader},
    hub::Hub,
    rights::Refusal,
    stale,
    story::Story,
};

/// Topics whose right to receive a session remembers at a time, and of whose loss it tells.
const REMEMBERED_TOPICS: usize = 256;

impl<W: AsyncWrite + Unpin + Send> Line<W> {
    /// Hand the engine's packets to the client until one of them is gone.
    pub(super) async fn down(&self, engine: ReadHalf<DuplexStream>, admitted: &Admitted) -> End {
        let mut reader =
            FrameReader::new(engine, self.hub.limits().packet_bytes_max() + PIPE_BYTES);
        let mut rights = Receiving::default();
        let mut out = BytesMut::new();
        loop {
            let frame = match reader.next().await {
                Ok(Some(frame)) => frame,
                Ok(None) => return End::Engine,
                Err(error) => {
                    tracing::debug!(%error, client = %self.session.client, "engine stream");
                    return End::Engine;
                }
            };
            match self.downward(frame, admitted, &mut rights).await {
                Ok(Some(bytes)) => out.extend_from_slice(&bytes),
                Ok(None) => {}
                Err(_) => return End::Engine,
            }
            if !out.is_empty() && (!reader.is_ready() || out.len() >= PIPE_BYTES) {
                let mut client = self.to_client.lock().await;
                if client.write_all(&out).await.is_err() || client.flush().await.is_err() {
                    return End::Gone;
                }
                out.clear();
                if out.capacity() > PIPE_BYTES {
                    out = BytesMut::new();
                }
            }
        }
    }

    /// What goes to the client instead of this frame.
    async fn downward(
        &self,
        frame: Frame,
        admitted: &Admitted,
        rights: &mut Receiving,
    ) -> Result<Option<Bytes>, FrameError> {
        match frame.packet_type() {
            Some(PacketType::ConnAck) => self.connack(frame, admitted).await.map(Some),
            Some(PacketType::SubAck) => self.complete_suback(frame).map(Some),
            Some(PacketType::Publish) => {
                let Some(head) = frame.publish_head() else {
                    return Err(FrameError::Malformed("the engine's PUBLISH".into()));
                };
                match rights.verdict(&self.hub, &self.session.client, head.topic) {
                    Verdict::DeliverStale => {
                        let metrics = self.hub.metrics();
                        metrics.delivered.add(1);
                        metrics.delivered_stale.add(1);
                        self.flag_stale(frame, admitted).map(Some)
                    }
                    Verdict::Deliver => {
                        self.hub.metrics().delivered.add(1);
                        Ok(Some(frame.bytes))
                    }
                    Verdict::Withhold => {
                        self.hub.metrics().withheld.add(1);
                        self.withhold(head.qos, head.packet_id).await?;
                        Ok(None)
                    }
                }
            }
            Some(PacketType::PubAck | PacketType::PubRec) => {
                self.unacknowledged
                    .send_modify(|owed| *owed = owed.saturating_sub(1));
                Ok(Some(frame.bytes))
            }
            Some(PacketType::PubRel) => {
                let Some(id) = frame.ack_id() else {
                    return Ok(Some(frame.bytes));
                };
                if !lock(&self.withheld).remove(&id) {
                    return Ok(Some(frame.bytes));
                }
                self.to_engine(&Packet::PubComp(PubCompPacket::new(id)))
                    .await?;
                Ok(None)
            }
            Some(PacketType::PingResp) => {
                let ours = self
                    .pings
                    .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
                Ok(ours.is_err().then_some(frame.bytes))
            }
            _ => Ok(Some(frame.bytes)),
        }
    }

    /// The PUBLISH with the mark that its topic's key is stale. MQTT 3.1.1 has no room for it; nor
    /// has a packet that would be larger for it than the client takes (MQTT-3.1.2-24).
    fn flag_stale(&self, frame: Frame, admitted: &Admitted) -> Result<Bytes, FrameError> {
        if self.session.version != 5 {
            return Ok(frame.bytes);
        }
        let Packet::Publish(mut packet) = frame.decode(5)? else {
            return Ok(frame.bytes);
        };
        let (name, value) = (stale::PROPERTY.to_owned(), stale::VALUE.to_owned());
        packet.properties.add_user_property(name, value);
        let flagged = frame::encode(&Packet::Publish(packet))?;
        let max_bytes = admitted.connect.properties.get_maximum_packet_size();
        let fits = max_bytes.is_none_or(|max| flagged.len() <= max as usize);
        Ok(if fits { flagged } else { frame.bytes })
    }

    /// Acknowledge to the engine, in the client's place, a message that the client may not see.
    async fn withhold(&self, qos: u8, id: Option<u16>) -> Result<(), FrameError> {
        match (qos, id) {
            (1, Some(id)) => self.to_engine(&Packet::PubAck(PubAckPacket::new(id))).await,
            (2, Some(id)) => {
                lock(&self.withheld).insert(id);
                self.to_engine(&Packet::PubRec(PubRecPacket::new(id))).await
            }
            _ => Ok(()),
        }
    }

    async fn to_engine(&self, packet: &Packet) -> Result<(), FrameError> {
        frame::write(&mut *self.to_engine.lock().await, packet).await
    }

    /// The engine's answer to the CONNECT. A login counts once its record is on disk.
    async fn connack(&self, frame: Frame, admitted: &Admitted) -> Result<Bytes, FrameError> {
        // Two bytes of fixed header, the flags, the code.
        if frame.bytes.get(3) == Some(&0) {
            let method = if admitted.enhanced {
                login::METHOD
            } else {
                "token"
            };
            let occurrence = Occurrence::connect(&self.session, method);
            if let Err(error) = self.hub.record_opened(self.session.id, occurrence).await {
                let text = format!("the login wasn't recorded: {error}");
                self.session
                    .close(Refusal::new(ReasonCode::ServerUnavailable, text));
                return Err(FrameError::Truncated);
            }
            self.connected.store(true, Ordering::Release);
            self.hub.metrics().logins.add(1);
            if frame.bytes.get(2) == Some(&1) {
                // A session that was kept: the watcher must know what it is subscribed to.
                let kept = self.hub.engine().subscriptions(&self.session.name).await;
                self.session.with_filters(|filters| filters.extend(kept));
            }
        }
        if self.session.version != 5 {
            return Ok(frame.bytes);
        }
        let Packet::ConnAck(mut ack) = frame.decode(5)? else {
            return Ok(frame.bytes);
        };
        if admitted.enhanced {
            ack.properties
                .set_authentication_method(login::METHOD.into());
        }
        if let Some(assigned) = &admitted.assigned {
            ack.properties
                .set_assigned_client_identifier(assigned.clone());
        }
        frame::encode(&Packet::ConnAck(ack))
    }

    fn complete_suback(&self, frame: Frame) -> Result<Bytes, FrameError> {
        let partial = frame
            .ack_id()
            .and_then(|id| lock(&self.subacks).remove(&id));
        let Some(partial) = partial else {
            return Ok(frame.bytes);
        };
        let Packet::SubAck(ack) = frame.decode(self.session.version)? else {
            return Ok(frame.bytes);
        };
        let mut granted = ack.reason_codes.into_iter();
        let codes = partial.codes.into_iter().map(|refused| {
            refused
                .or_else(|| granted.next())
                .unwrap_or(SubAckReasonCode::UnspecifiedError)
        });
        let ack = self.suback(ack.packet_id, codes.collect(), partial.reason);
        frame::encode(&Packet::SubAck(ack))
    }
}

/// What becomes of a message.
#[derive(Clone, Copy)]
enum Verdict {
    Deliver,
    /// Deliver, and say that the topic's key is stale.
    DeliverStale,
    Withhold,
}

/// What a session may receive. Remembered until the next height, because blocks change rights, and
/// no longer than a second, because rights also end by the clock.
#[derive(Default)]
struct Receiving {
    height: u64,
    time_s: u64,
    topics: HashMap<String, Verdict>,
    /// Topics of which it was told that their messages are withheld.
    told: HashSet<String>,
}

impl Receiving {
    fn verdict(&mut self, hub: &Hub, client: &ClientId, topic: &str) -> Verdict {
        let (height, time_s) = (hub.height(), crate::now_ms() / 1000);
        let is_old = (height, time_s) != (self.height, self.time_s);
        if is_old || self.topics.len() >= REMEMBERED_TOPICS {
            self.topics.clear();
            (self.height, self.time_s) = (height, time_s);
        }
        if let Some(&verdict) = self.topics.get(topic) {
            return verdict;
        }
        let verdict = match hub.may_receive(client, topic) {
            Ok(decision) => {
                let is_stale = decision.topic.is_some_and(|entry| {
                    let name = topic.parse();
                    name.is_ok_and(|name| hub.is_key_stale(&name, entry.mode))
                });
                if is_stale {
                    Verdict::DeliverStale
                } else {
                    Verdict::Deliver
                }
            }
            Err(refusal) => {
                self.tell_once(hub, client, topic, refusal);
                Verdict::Withhold
            }
        };
        self.topics.insert(topic.to_owned(), verdict);
        verdict
    }

    fn tell_once(&mut self, hub: &Hub, client: &ClientId, topic: &str, refusal: Refusal) {
        if self.told.len() >= REMEMBERED_TOPICS || !self.told.insert(topic.to_owned()) {
            return;
        }
        tracing::info!(%client, topic, reason = %refusal.text, "messages are withheld");
        hub.tell(Story::Withheld {
            client: client.clone(),
            topic: topic.to_owned(),
            reason: refusal.text,
            height: refusal.height,
        });
    }
}
