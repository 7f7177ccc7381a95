//! The task that owns a connection: one per session, whatever happens to the connection.
//!
//! ```text
//! Session ──commands──►┐                     ┌──► acknowledgements to whoever waits
//! Message ──acks──────►│  link task          │
//! timer ──────────────►│  (one at a time)    ├──► messages to subscriptions
//!             gateway ◄┴─► out buffer, packets
//! ```
//!
//! # Invariants
//! - A publish at QoS 1 waits in `pending` until its PUBACK, across reconnections; it is sent again
//!   in the order in which it was first sent. Its payload stays the same, sequence included.
//! - No more unacknowledged publishes than the gateway's receive maximum; further ones wait in the
//!   command queue, and that one is bounded ([`COMMANDS_MAX`]).
//! - A message that came at QoS 1 is acknowledged when the application takes it, so a slow
//!   application slows the gateway, and nothing is acknowledged that nobody took.

mod reauthenticate;

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use mqtt5_protocol::{
    Packet, QoS,
    packet::{
        disconnect::DisconnectPacket, puback::PubAckPacket, publish::PublishPacket,
        suback::SubAckPacket, subscribe::SubscribePacket, unsubscribe::UnsubscribePacket,
    },
    types::ReasonCode,
};
use sealwire_envelope::{ClientId, TopicFilter, TopicName};
use tokio::{
    io::AsyncWriteExt as _,
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use reauthenticate::Reauthentication;

use super::{
    Ended, Holder, PublishError, ReauthenticateError, SubscribeError,
    channel::{ReadHalf, WriteHalf},
    frame::{self, FrameError, Reader},
    login::{Connected, Dialer, reason},
};

/// Commands that wait for the task.
pub(super) const COMMANDS_MAX: usize = 256;
/// Bytes in the out buffer above which no command is taken.
const OUT_BYTES_MAX: usize = 256 * 1024;
/// PINGREQ, whole.
const PINGREQ: [u8; 2] = [0xc0, 0x00];
/// Time for saying goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

pub(super) enum Command {
    Publish {
        packet: PublishPacket,
        reply: oneshot::Sender<Result<(), PublishError>>,
    },
    Subscribe {
        subscriber: Subscriber,
        reply: oneshot::Sender<Result<(), SubscribeError>>,
    },
    Unsubscribe {
        id: u64,
    },
    Reauthenticate {
        /// None: the same as before.
        holder: Option<Box<Holder>>,
        reply: reauthenticate::Reply,
    },
}

/// Where a subscription's messages go.
pub(super) struct Subscriber {
    pub id: u64,
    pub filter: TopicFilter,
    pub qos: QoS,
    pub sink: mpsc::Sender<Raw>,
    /// Why it ended, if it did alone.
    pub ended: Arc<OnceLock<Arc<Ended>>>,
}

/// A message as it came.
pub(super) struct Raw {
    pub topic: TopicName,
    pub payload: Bytes,
    pub retain: bool,
    /// Dropped with the message: that acknowledges it.
    pub _ack: Option<Arc<Ack>>,
}

/// Acknowledges a message when the last holder lets go.
pub(super) struct Ack {
    generation: u64,
    packet_id: u16,
    to: mpsc::UnboundedSender<(u64, u16)>,
}

impl Drop for Ack {
    fn drop(&mut self) {
        // Nobody there: the connection is gone, and with it the need.
        let _ = self.to.send((self.generation, self.packet_id));
    }
}

enum Pending {
    Publish {
        packet: PublishPacket,
        order: u64,
        reply: oneshot::Sender<Result<(), PublishError>>,
    },
    Subscribe {
        subscriber: Subscriber,
        reply: Option<oneshot::Sender<Result<(), SubscribeError>>>,
    },
    Unsubscribe,
}

/// One connection.
struct Active {
    reader: Reader<ReadHalf>,
    writer: WriteHalf,
    out: BytesMut,
    send_max: usize,
    packet_bytes_max: usize,
    keep_alive: Duration,
    /// Who it has shown to be; none by token.
    gateway: Option<ClientId>,
    sent: Instant,
    heard: Instant,
}

impl Active {
    fn new(connected: Connected, keep_alive: Duration) -> Self {
        let properties = &connected.ack.properties;
        let keep_alive = properties
            .get_server_keep_alive()
            .map_or(keep_alive, |s| Duration::from_secs(u64::from(s)));
        let packet_bytes_max = properties.get_maximum_packet_size().unwrap_or(u32::MAX);
        let now = Instant::now();
        Self {
            send_max: usize::from(properties.get_receive_maximum().unwrap_or(u16::MAX)),
            packet_bytes_max: usize::try_from(packet_bytes_max).unwrap_or(usize::MAX),
            reader: connected.reader,
            writer: connected.writer,
            out: BytesMut::new(),
            keep_alive,
            gateway: connected.gateway,
            sent: now,
            heard: now,
        }
    }

    /// When to look after the connection next; far away without keep alive.
    fn ping_at(&self) -> Instant {
        match self.keep_alive {
            Duration::ZERO => self.sent + Duration::from_secs(86_400),
            keep_alive => self.sent + keep_alive / 2,
        }
    }

    fn is_dead(&self) -> bool {
        !self.keep_alive.is_zero() && self.heard.elapsed() > self.keep_alive * 2
    }
}

pub(super) struct Link {
    pub dialer: Dialer,
    pub commands: mpsc::Receiver<Command>,
    pub stop: watch::Receiver<bool>,
    pub ended: watch::Sender<Option<Arc<Ended>>>,
    pub lost: Arc<AtomicU64>,
    holder: Arc<RwLock<Holder>>,
    reauthentication: Option<Reauthentication>,
    acks: mpsc::UnboundedReceiver<(u64, u16)>,
    ack_to: mpsc::UnboundedSender<(u64, u16)>,
    subscribers: Vec<Subscriber>,
    pending: HashMap<u16, Pending>,
    publishing: usize,
    next_id: u16,
    order: u64,
    generation: u64,
}

impl Link {
    pub fn new(
        dialer: Dialer,
        commands: mpsc::Receiver<Command>,
        stop: watch::Receiver<bool>,
        ended: watch::Sender<Option<Arc<Ended>>>,
        lost: Arc<AtomicU64>,
        holder: Arc<RwLock<Holder>>,
    ) -> Self {
        let (ack_to, acks) = mpsc::unbounded_channel();
        Self {
            dialer,
            commands,
            stop,
            ended,
            lost,
            holder,
            reauthentication: None,
            acks,
            ack_to,
            subscribers: Vec::new(),
            pending: HashMap::new(),
            publishing: 0,
            next_id: 0,
            order: 0,
            generation: 0,
        }
    }

    /// Serves the session until it ends for good.
    pub async fn run(mut self, first: Connected) {
        let mut connected = Some(first);
        let end = loop {
            let Some(connection) = connected.take() else {
                break Ended::Closed;
            };
            let keep_alive = self.dialer.options.keep_alive;
            let mut active = Active::new(connection, keep_alive);
            let end = match self.resume(&mut active) {
                Ok(()) => self.serve(&mut active).await,
                Err(error) => Ended::Lost(error.to_string()),
            };
            match end {
                Ended::Closed => goodbye(&mut active, ReasonCode::Success).await,
                // MQTT 5.0 §4.12.1: whoever isn't content says so.
                Ended::Login(_) => goodbye(&mut active, ReasonCode::NotAuthorized).await,
                _ => {}
            }
            drop(active);
            self.reauthentication_refused(&end);
            if self.dialer.options.reconnect.is_none() || !end.may_reconnect() {
                break end;
            }
            tracing::info!(client = %self.dialer.identity.client(), reason = %end, "reconnecting");
            match self.reconnect().await {
                Ok(again) => connected = Some(again),
                Err(end) => break end,
            }
        };
        self.finish(Arc::new(end)).await;
    }

    async fn serve(&mut self, active: &mut Active) -> Ended {
        loop {
            let room = active.out.len() < OUT_BYTES_MAX && self.publishing < active.send_max;
            let ping_at = active.ping_at();
            let Active {
                reader,
                writer,
                out,
                ..
            } = active;
            let result = tokio::select! {
                packet = reader.next() => {
                    active.heard = Instant::now();
                    match packet.and_then(|packet| self.receive(packet)) {
                        Ok(None) => Ok(()),
                        Ok(Some(end)) => return end,
                        Err(error) => Err(error),
                    }
                }
                written = writer.write_buf(out), if !out.is_empty() => {
                    active.sent = Instant::now();
                    match written {
                        Ok(0) => Err(FrameError::Closed),
                        Ok(_) => Ok(()),
                        Err(error) => Err(error.into()),
                    }
                }
                Some(command) = self.commands.recv(), if room => self.command(command, active),
                Some((generation, id)) = self.acks.recv() => {
                    if generation == self.generation {
                        frame::encode(&PubAckPacket::new(id), &mut active.out)
                    } else {
                        Ok(())
                    }
                }
                answer = Reauthentication::event(&mut self.reauthentication) => match answer {
                    Ok(answer) => frame::encode(&answer, &mut active.out),
                    Err(end) => return end,
                },
                () = tokio::time::sleep_until(ping_at) => {
                    if active.is_dead() {
                        return Ended::Lost("the gateway doesn't answer".to_owned());
                    }
                    active.sent = Instant::now();
                    active.out.extend_from_slice(&PINGREQ);
                    Ok(())
                }
                _ = self.stop.changed() => return Ended::Closed,
            };
            if let Err(error) = result {
                return Ended::Lost(error.to_string());
            }
        }
    }

    // ---- up ----------------------------------------------------------------------------------

    fn command(&mut self, command: Command, active: &mut Active) -> Result<(), FrameError> {
        match command {
            Command::Publish { packet, reply } => self.publish(packet, reply, active),
            Command::Subscribe { subscriber, reply } => {
                self.subscribe(subscriber, Some(reply), active)
            }
            Command::Unsubscribe { id } => self.unsubscribe(id, active),
            Command::Reauthenticate { holder, reply } => self.reauthenticate(holder, reply, active),
        }
    }

    fn publish(
        &mut self,
        mut packet: PublishPacket,
        reply: oneshot::Sender<Result<(), PublishError>>,
        active: &mut Active,
    ) -> Result<(), FrameError> {
        let acknowledged = packet.qos != QoS::AtMostOnce;
        packet.packet_id = if acknowledged {
            Some(self.free_id())
        } else {
            None
        };
        let before = active.out.len();
        let encoded = frame::encode(&packet, &mut active.out);
        let size_bytes = active.out.len() - before;
        if encoded.is_err() || size_bytes > active.packet_bytes_max {
            active.out.truncate(before);
            let max_bytes = active.packet_bytes_max;
            // Nobody waits any more: nobody to tell.
            let _ = reply.send(Err(match encoded {
                Err(error) => PublishError::Encode(error.to_string()),
                Ok(()) => PublishError::TooLarge {
                    size_bytes,
                    max_bytes,
                },
            }));
            return Ok(());
        }
        if let Some(id) = packet.packet_id {
            self.order += 1;
            self.publishing += 1;
            let order = self.order;
            self.pending.insert(
                id,
                Pending::Publish {
                    packet,
                    order,
                    reply,
                },
            );
        } else {
            let _ = reply.send(Ok(()));
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        subscriber: Subscriber,
        reply: Option<oneshot::Sender<Result<(), SubscribeError>>>,
        active: &mut Active,
    ) -> Result<(), FrameError> {
        let id = self.free_id();
        let packet =
            SubscribePacket::new(id).add_filter(subscriber.filter.as_str(), subscriber.qos);
        self.pending
            .insert(id, Pending::Subscribe { subscriber, reply });
        frame::encode(&packet, &mut active.out)
    }

    fn unsubscribe(&mut self, id: u64, active: &mut Active) -> Result<(), FrameError> {
        let Some(place) = self.subscribers.iter().position(|s| s.id == id) else {
            return Ok(());
        };
        let gone = self.subscribers.swap_remove(place);
        if self.subscribers.iter().any(|s| s.filter == gone.filter) {
            return Ok(());
        }
        let id = self.free_id();
        self.pending.insert(id, Pending::Unsubscribe);
        let packet = UnsubscribePacket::new(id).add_filter(gone.filter.as_str());
        frame::encode(&packet, &mut active.out)
    }

    fn free_id(&mut self) -> u16 {
        // There are 65,535, and far fewer can be pending: COMMANDS_MAX and the receive maximum.
        loop {
            self.next_id = self.next_id.wrapping_add(1).max(1);
            if !self.pending.contains_key(&self.next_id) {
                return self.next_id;
            }
        }
    }

    // ---- down --------------------------------------------------------------------------------

    fn receive(&mut self, packet: Packet) -> Result<Option<Ended>, FrameError> {
        match packet {
            Packet::Publish(packet) => self.deliver(packet)?,
            Packet::PubAck(ack) => self.acknowledged(&ack),
            Packet::SubAck(ack) => self.subscribed(&ack),
            Packet::UnsubAck(ack) => drop(self.pending.remove(&ack.packet_id)),
            Packet::PingResp => {}
            Packet::Auth(auth) => return self.authenticated(auth),
            Packet::Disconnect(packet) => {
                let reason = reason(&packet.properties, packet.reason_code);
                return Ok(Some(Ended::Disconnected {
                    code: packet.reason_code,
                    reason,
                }));
            }
            other => {
                let name = other.packet_type_name();
                return Err(FrameError::Malformed(format!("{name} isn't expected here")));
            }
        }
        Ok(None)
    }

    fn acknowledged(&mut self, ack: &PubAckPacket) {
        match self.pending.remove(&ack.packet_id) {
            Some(Pending::Publish { reply, .. }) => {
                self.publishing -= 1;
                let code = ack.reason_code;
                let result = if u8::from(code) < 0x80 {
                    Ok(())
                } else {
                    Err(PublishError::Refused {
                        code,
                        reason: reason(&ack.properties, code),
                    })
                };
                // Nobody waits any more: nobody to tell.
                let _ = reply.send(result);
            }
            Some(other) => drop(self.pending.insert(ack.packet_id, other)),
            None => {}
        }
    }

    fn subscribed(&mut self, ack: &SubAckPacket) {
        let Some(Pending::Subscribe { subscriber, reply }) = self.pending.remove(&ack.packet_id)
        else {
            return;
        };
        let code = ack.reason_codes.first().copied();
        let granted = code.is_some_and(|code| code.is_success());
        if granted {
            self.subscribers.push(subscriber);
            if let Some(reply) = reply {
                let _ = reply.send(Ok(()));
            }
            return;
        }
        let code = code.and_then(|code| ReasonCode::from_u8(code as u8));
        let code = code.unwrap_or(ReasonCode::UnspecifiedError);
        let reason = reason(&ack.properties, code);
        match reply {
            Some(reply) => {
                let _ = reply.send(Err(SubscribeError::Refused { code, reason }));
            }
            // It was granted before the connection was lost; now it isn't.
            None => drop(
                subscriber
                    .ended
                    .set(Arc::new(Ended::Disconnected { code, reason })),
            ),
        }
    }

    fn deliver(&self, packet: PublishPacket) -> Result<(), FrameError> {
        let ack = match (packet.qos, packet.packet_id) {
            (QoS::AtMostOnce, _) => None,
            (QoS::AtLeastOnce, Some(packet_id)) => {
                let (generation, to) = (self.generation, self.ack_to.clone());
                Some(Arc::new(Ack {
                    generation,
                    packet_id,
                    to,
                }))
            }
            _ => {
                return Err(FrameError::Malformed(
                    "a QoS that wasn't asked for".to_owned(),
                ));
            }
        };
        let Ok(topic) = packet.topic_name.parse::<TopicName>() else {
            tracing::debug!(topic = packet.topic_name, "not a topic of ours");
            return Ok(());
        };
        for subscriber in self.subscribers.iter().filter(|s| s.filter.matches(&topic)) {
            let raw = Raw {
                topic: topic.clone(),
                payload: packet.payload.clone(),
                retain: packet.retain,
                _ack: ack.clone(),
            };
            // At QoS 1 the receive maximum keeps this from happening.
            if subscriber.sink.try_send(raw).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    // ---- reconnecting ------------------------------------------------------------------------

    /// Sends again what the last connection left unacknowledged, and subscribes again.
    fn resume(&mut self, active: &mut Active) -> Result<(), FrameError> {
        self.generation += 1;
        // This login has shown what the re-authentication on the lost connection was to show.
        if let Some(current) = self.reauthentication.take() {
            current.finish(Ok(()));
        }
        let mut publishes = Vec::new();
        let mut subscribers = std::mem::take(&mut self.subscribers);
        for (_, pending) in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Publish {
                    packet,
                    order,
                    reply,
                } => publishes.push((order, packet, reply)),
                Pending::Subscribe {
                    subscriber,
                    reply: None,
                } => subscribers.push(subscriber),
                Pending::Subscribe { subscriber, reply } => {
                    self.subscribe(subscriber, reply, active)?;
                }
                Pending::Unsubscribe => {}
            }
        }
        self.publishing = 0;
        for subscriber in subscribers {
            self.subscribe(subscriber, None, active)?;
        }
        publishes.sort_by_key(|(order, ..)| *order);
        for (_, packet, reply) in publishes {
            self.publish(packet, reply, active)?;
        }
        Ok(())
    }

    async fn reconnect(&mut self) -> Result<Connected, Ended> {
        let Some(reconnect) = self.dialer.options.reconnect else {
            return Err(Ended::Closed);
        };
        let mut wait = reconnect.first;
        for _ in 0..reconnect.attempts {
            // Between half and all of it, so that a thousand clients don't come at once.
            let spread = wait.mul_f64(0.5 + 0.5 * rand::random::<f64>());
            tokio::select! {
                () = tokio::time::sleep(spread) => {}
                _ = self.stop.changed() => return Err(Ended::Closed),
            }
            wait = (wait * 2).min(reconnect.longest);
            let result = tokio::select! {
                result = self.dialer.login() => result,
                _ = self.stop.changed() => return Err(Ended::Closed),
            };
            match result {
                Ok(connected) => return Ok(connected),
                Err(error) if error.may_pass() => tracing::debug!(%error, "not yet reconnected"),
                Err(error) => return Err(Ended::Login(Arc::new(error))),
            }
        }
        Err(Ended::Lost(format!(
            "the gateway wasn't back after {} attempts",
            reconnect.attempts
        )))
    }

    async fn finish(mut self, end: Arc<Ended>) {
        // Nobody waits for the session: nobody to tell.
        let _ = self.ended.send(Some(end.clone()));
        self.commands.close();
        for (_, pending) in std::mem::take(&mut self.pending) {
            fail(pending, &end);
        }
        if let Some(current) = self.reauthentication.take() {
            current.finish(Err(ReauthenticateError::Ended(end.clone())));
        }
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Publish { reply, .. } => {
                    let _ = reply.send(Err(PublishError::Ended(end.clone())));
                }
                Command::Subscribe { reply, .. } => {
                    let _ = reply.send(Err(SubscribeError::Ended(end.clone())));
                }
                Command::Reauthenticate { reply, .. } => {
                    let _ = reply.send(Err(ReauthenticateError::Ended(end.clone())));
                }
                Command::Unsubscribe { .. } => {}
            }
        }
    }
}

fn fail(pending: Pending, end: &Arc<Ended>) {
    match pending {
        Pending::Publish { reply, .. } => {
            let _ = reply.send(Err(PublishError::Ended(end.clone())));
        }
        Pending::Subscribe {
            reply: Some(reply), ..
        } => {
            let _ = reply.send(Err(SubscribeError::Ended(end.clone())));
        }
        Pending::Subscribe { .. } | Pending::Unsubscribe => {}
    }
}

async fn goodbye(active: &mut Active, code: ReasonCode) {
    let packet = DisconnectPacket::new(code);
    if frame::encode(&packet, &mut active.out).is_err() {
        return;
    }
    let say = async {
        active.writer.write_all(&active.out).await?;
        active.writer.shutdown().await
    };
    // A gateway that doesn't listen any more misses it.
    let _ = tokio::time::timeout(GOODBYE, say).await;
}
