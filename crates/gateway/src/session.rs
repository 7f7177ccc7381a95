//! One admitted connection: what passes between the client and the engine, frame by frame.
//!
//! ```text
//!            ┌──────────── front door (this task) ────────────┐
//!  client ──►│ read → decide → archive ─► queue ─► in order ──┼──► engine
//!  client ◄──┼── rewrite, withhold ◄──────────────────────────┼─── engine
//!            └────────────────────────────────────────────────┘
//! ```
//!
//! # Up
//! - PUBLISH: the right is checked, then the payload; a refusal answers with its reason (PUBACK or
//!   PUBREC on MQTT 5; MQTT 3.1.1 has no refusal, so the connection closes: an acknowledgement
//!   would be a lie). QoS 1 and 2 go to the archive and wait in the queue until they are durable;
//!   only then the engine sees them, routes and acknowledges them. Many messages of one client are
//!   on their way to disk at a time, and reach the engine in the order in which they were sent.
//! - SUBSCRIBE: each filter is decided alone; the engine sees only those that were allowed and the
//!   SUBACK is completed on the way down.
//! - AUTH is answered here (`reauthenticate`).
//! - everything else passes.
//!
//! # Down
//! - Every PUBLISH, whichever way it came (live, queued, retained, shared, a will), is checked once
//!   more for its topic against the rights in force (once per topic, height and second): what was
//!   queued before a grant ended is withheld, and so is what a filter matches that isn't granted.
//!
//! # End
//! The watcher closes a session through [`Session::close`]; an MQTT 5 client gets a DISCONNECT with
//! the reason.

mod down;
mod live;
mod pace;
mod reauthenticate;
mod refusals;
mod subscribe;

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use mqtt5::{
    Packet, PacketType, QoS,
    packet::{
        connect::ConnectPacket, disconnect::DisconnectPacket, puback::PubAckPacket,
        publish::PublishPacket, pubrec::PubRecPacket,
    },
    types::ReasonCode,
};
use sealwire_archive::{Message, Pending};
use sealwire_envelope::{CertId, ClientId};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, WriteHalf},
    sync::{Mutex as AsyncMutex, mpsc, watch},
};

use crate::{
    audit::{ConnectInfo, Occurrence},
    engine::{self, PIPE_BYTES},
    frame::{self, Frame, FrameError, FrameReader},
    hub::Hub,
    rights::{Publishable, Refusal},
    stale,
    wills::Will,
};
use refusals::Refusals;

pub use live::{Session, Standing};
use pace::Pace;
use reauthenticate::Reauthentication;
use subscribe::PartialSubAck;

/// How long the engine may take to hand over what is left when a client went away.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take to read its last packet.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// Who was admitted, and how.
pub struct Admitted {
    /// The CONNECT for the engine: nothing in it to authenticate.
    pub connect: ConnectPacket,
    /// The client of the certificate.
    pub client: ClientId,
    /// The certificate.
    pub certificate: CertId,
    /// What the client's own CONNECT said.
    pub info: ConnectInfo,
    /// By enhanced authentication, not by token.
    pub enhanced: bool,
    /// Client id to tell the client (MQTT 5, when it sent none).
    pub assigned: Option<String>,
    /// Height of the state that admitted it.
    pub height: u64,
}

/// Why a session ended.
enum End {
    /// The client said goodbye.
    Normal,
    /// The client said goodbye and wants its will published.
    WithWill,
    /// The client went away.
    Gone,
    /// The engine closed it (session taken over, keep-alive ran out).
    Engine,
    /// The front door closed it.
    Closed(Refusal),
}

/// On its way to the engine, in order.
enum Up {
    Forward(Bytes),
    /// A QoS 1 or 2 PUBLISH, once it is durable; a repeated one (`None`) is already.
    Publish(Bytes, Option<Pending<()>>),
    /// A refusal of ours, for the client.
    Answer(Bytes),
}

struct Line<W> {
    hub: Arc<Hub>,
    session: Arc<Session>,
    to_client: AsyncMutex<W>,
    to_engine: AsyncMutex<WriteHalf<DuplexStream>>,
    /// Codes for filters that the engine didn't see, by packet id of the SUBSCRIBE.
    subacks: Mutex<HashMap<u16, PartialSubAck>>,
    /// PINGREQ that the front door sent on its own account.
    pings: AtomicU32,
    /// PUBLISH packets that the engine hasn't answered yet.
    unacknowledged: watch::Sender<u32>,
    /// QoS 2 messages withheld, by packet id.
    withheld: Mutex<HashSet<u16>>,
    /// How long the client wants its session kept, in seconds.
    expiry_s: AtomicU32,
    refusals: Refusals,
    /// The engine's CONNACK has passed.
    connected: AtomicBool,
    pace: Mutex<Pace>,
}

/// Serve an admitted connection until it ends.
pub async fn serve<R, W>(
    hub: Arc<Hub>,
    mut admitted: Admitted,
    mut from_client: FrameReader<R>,
    to_client: W,
    peer: SocketAddr,
) where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let engine_task = hub.engine().attach(theirs, peer);
    let (engine_read, engine_write) = tokio::io::split(ours);
    let (session, mut close) = Session::begin(&admitted, peer);
    // In this order, so that a will of the same session that is about to wait is called off.
    hub.sessions().insert(session.clone());
    hub.wills().call_off(&session.name);
    let will = admitted.connect.will.take();
    let line = Line {
        hub: hub.clone(),
        session: session.clone(),
        to_client: AsyncMutex::new(to_client),
        to_engine: AsyncMutex::new(engine_write),
        subacks: Mutex::default(),
        pings: AtomicU32::new(0),
        unacknowledged: watch::channel(0).0,
        withheld: Mutex::default(),
        connected: AtomicBool::new(false),
        pace: Mutex::default(),
        expiry_s: AtomicU32::new(
            admitted
                .connect
                .properties
                .get_session_expiry_interval()
                .unwrap_or(0),
        ),
        refusals: Refusals::default(),
    };
    let end = {
        let down = line.down(engine_read, &admitted);
        tokio::pin!(down);
        tokio::select! {
            biased;
            refusal = wait_for_close(&mut close) => End::Closed(refusal),
            end = line.up(&mut from_client, &admitted.connect) => {
                // What the engine still has to say (acknowledgements) goes out before we close.
                let _ = line.to_engine.lock().await.shutdown().await;
                let _ = tokio::time::timeout(DRAIN, &mut down).await;
                end
            }
            end = &mut down => end,
        }
    };
    line.finish(&end).await;
    let expiry_s = line.expiry_s.load(Ordering::Relaxed);
    let reason = refusals::with_count(line.refusals.unrecorded(), reason_of(&end));
    drop(line);
    if let (Some(will), false) = (will, matches!(end, End::Normal)) {
        let will = Will::new(session.clone(), will, expiry_s);
        hub.wills().execute(&hub, will).await;
    }
    // A shutdown waits for the sessions, so for their records too.
    let occurrence = Occurrence::disconnect(&session, reason);
    hub.record_closed(session.id, occurrence).await;
    hub.sessions().remove(session.id);
    if tokio::time::timeout(DRAIN, engine_task).await.is_err() {
        tracing::warn!(client = %session.client, "the engine didn't let go of a connection");
    }
}

async fn wait_for_close(close: &mut watch::Receiver<Option<Refusal>>) -> Refusal {
    loop {
        if let Some(refusal) = close.borrow_and_update().clone() {
            return refusal;
        }
        if close.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn reason_of(end: &End) -> String {
    match end {
        End::Normal => "disconnected by the client".into(),
        End::WithWill => "disconnected by the client, with its will".into(),
        End::Gone => "connection lost".into(),
        End::Engine => "closed by the broker: session taken over, keep-alive or protocol".into(),
        End::Closed(refusal) => refusal.text.clone(),
    }
}

impl<W: AsyncWrite + Unpin + Send> Line<W> {
    /// Tell the client why, if there is a way to tell it.
    async fn finish(&self, end: &End) {
        let mut out = self.to_client.lock().await;
        if let (End::Closed(refusal), 5) = (end, self.session.version) {
            let packet =
                DisconnectPacket::new(refusal.code).with_reason_string(refusal.told().to_owned());
            let packet = Packet::Disconnect(packet);
            let write = frame::write(&mut *out, &packet);
            let _ = tokio::time::timeout(LAST_WRITE, write).await;
        }
        let _ = tokio::time::timeout(LAST_WRITE, out.shutdown()).await;
    }

    fn message(&self, allowed: Publishable, packet: &PublishPacket) -> Message {
        Message {
            topic: allowed.topic,
            sender: self.session.client.clone(),
            received_ms: crate::now_ms(),
            qos: packet.qos as u8,
            epoch: allowed.epoch,
            payload: packet.payload.clone(),
        }
    }

    // ---- up ----------------------------------------------------------------------------------

    async fn up<R: AsyncRead + Unpin>(
        &self,
        from_client: &mut FrameReader<R>,
        connect: &ConnectPacket,
    ) -> End {
        let (queue, waiting) = mpsc::channel(usize::from(self.hub.limits().receive_maximum));
        let connect = match frame::encode(&Packet::Connect(Box::new(connect.clone()))) {
            Ok(bytes) => bytes,
            Err(error) => return End::Closed(Refusal::malformed(&error)),
        };
        let read = async move {
            if queue.send(Up::Forward(connect)).await.is_err() {
                return End::Engine;
            }
            let end = self.read(from_client, &queue).await;
            drop(queue);
            end
        };
        let (end, forwarded) = tokio::join!(read, self.forward(waiting));
        match forwarded {
            Some(refusal) => End::Closed(refusal),
            None => end,
        }
    }

    async fn read<R: AsyncRead + Unpin>(
        &self,
        from_client: &mut FrameReader<R>,
        queue: &mpsc::Sender<Up>,
    ) -> End {
        // QoS 2 messages that are archived and not yet released, so that a repeated PUBLISH
        // isn't archived twice.
        let mut received = HashSet::new();
        let mut reauthentication = Reauthentication::default();
        loop {
            let frame = match from_client.next().await {
                Ok(Some(frame)) => frame,
                Ok(None) | Err(FrameError::Io(_) | FrameError::Truncated) => return End::Gone,
                Err(error) => return End::Closed(Refusal::malformed(&error)),
            };
            let next = match frame.packet_type() {
                Some(PacketType::Publish) => self.publish(frame, &mut received).await,
                Some(PacketType::Subscribe) => self.subscribe(frame).await,
                Some(PacketType::Unsubscribe) => self.unsubscribe(frame),
                Some(PacketType::PubRel) => {
                    if let Some(id) = frame.ack_id() {
                        received.remove(&id);
                    }
                    Ok(Some(Up::Forward(frame.bytes)))
                }
                Some(PacketType::Disconnect) => {
                    let end = self.goodbye(&frame).unwrap_or_else(End::Closed);
                    if !matches!(end, End::Closed(_)) {
                        let _ = queue.send(Up::Forward(frame.bytes)).await;
                    }
                    return end;
                }
                Some(PacketType::Auth) => self.auth(&frame, &mut reauthentication).await,
                Some(
                    PacketType::PubAck
                    | PacketType::PubRec
                    | PacketType::PubComp
                    | PacketType::PingReq,
                ) => Ok(Some(Up::Forward(frame.bytes))),
                Some(kind) => Err(Refusal::new(
                    ReasonCode::ProtocolError,
                    format!("a client doesn't send {kind:?} here"),
                )),
                None => Err(Refusal::new(ReasonCode::MalformedPacket, "packet type 0")),
            };
            match next {
                Ok(Some(up)) => {
                    if queue.send(up).await.is_err() {
                        return End::Engine;
                    }
                }
                Ok(None) => {}
                Err(refusal) => return End::Closed(refusal),
            }
        }
    }

    /// Hand on in order; each message once it is durable. `Some` if the archive failed.
    async fn forward(&self, mut waiting: mpsc::Receiver<Up>) -> Option<Refusal> {
        while let Some(up) = waiting.recv().await {
            let written = match up {
                Up::Forward(bytes) => self.to_engine.lock().await.write_all(&bytes).await,
                Up::Publish(bytes, pending) => {
                    let durable = match pending {
                        Some(pending) => {
                            let durable = pending.durable().await;
                            durable.inspect(|()| self.hub.metrics().archived.add(1))
                        }
                        None => Ok(()),
                    };
                    if let Err(error) = durable {
                        // Not acknowledged: the client sends it again elsewhere or later.
                        return Some(Refusal::new(
                            ReasonCode::ServerUnavailable,
                            format!("the message wasn't archived: {error}"),
                        ));
                    }
                    self.unacknowledged.send_modify(|n| *n += 1);
                    self.to_engine.lock().await.write_all(&bytes).await
                }
                Up::Answer(bytes) => self.answer(&bytes).await,
            };
            if written.is_err() {
                return None;
            }
        }
        None
    }

    /// Answer the client ourselves, and show the engine that the client is alive.
    ///
    /// Acknowledgements go out in the order of the publishes (MQTT-4.6.0-2), so those that the
    /// engine still owes go first.
    async fn answer(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut owed = self.unacknowledged.subscribe();
        let settled = owed.wait_for(|owed| *owed == 0);
        if tokio::time::timeout(DRAIN, settled).await.is_err() {
            tracing::warn!(client = %self.session.client, "the engine owes acknowledgements");
        }
        {
            let mut out = self.to_client.lock().await;
            out.write_all(bytes).await?;
            out.flush().await?;
        }
        self.ping_engine().await
    }

    /// The engine hears nothing of what we answer ourselves: a PINGREQ in the client's place.
    async fn ping_engine(&self) -> std::io::Result<()> {
        self.pings.fetch_add(1, Ordering::AcqRel);
        self.to_engine.lock().await.write_all(&[0xc0, 0x00]).await
    }

    /// Whether the engine's CONNACK has passed.
    fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    async fn publish(
        &self,
        frame: Frame,
        received: &mut HashSet<u16>,
    ) -> Result<Option<Up>, Refusal> {
        let Packet::Publish(mut packet) = self.decode(&frame)? else {
            return Err(Refusal::new(ReasonCode::MalformedPacket, "not a PUBLISH"));
        };
        let bytes = if stale::strip(&mut packet.properties) {
            frame::encode(&Packet::Publish(packet.clone())).map_err(|e| Refusal::malformed(&e))?
        } else {
            frame.bytes
        };
        self.pace_publish().await;
        self.hub.metrics().messages.add(1);
        let allowed = match self.hub.may_publish(&self.session.client, &packet) {
            Ok(allowed) => allowed,
            Err(refusal) => return self.refuse_publish(&packet, refusal).await,
        };
        let message = self.message(allowed, &packet);
        let repeated = match (packet.qos, packet.packet_id) {
            (QoS::ExactlyOnce, Some(id)) => !received.insert(id),
            _ => false,
        };
        if repeated {
            return Ok(Some(Up::Publish(bytes, None)));
        }
        self.hub.tell_message(&message);
        if packet.qos == QoS::AtMostOnce {
            let kept = self.hub.archive().append_best_effort(message);
            let metrics = self.hub.metrics();
            if kept {
                metrics.archived.add(1)
            } else {
                metrics.qos0_unarchived.add(1)
            }
            return Ok(Some(Up::Forward(bytes)));
        }
        let pending = self.hub.archive().append(message).await.map_err(|error| {
            Refusal::new(
                ReasonCode::ServerUnavailable,
                format!("the message wasn't archived: {error}"),
            )
        })?;
        Ok(Some(Up::Publish(bytes, Some(pending))))
    }

    /// Record a refusal, or count it ([`refusals`]).
    async fn record_refusal(&self, mut occurrence: Occurrence) {
        let Some(more) = self.refusals.admit(crate::now_ms() / 1000) else {
            return;
        };
        occurrence.event.reason = refusals::with_count(more, occurrence.event.reason);
        self.hub.record_in_turn(occurrence).await;
    }

    async fn refuse_publish(
        &self,
        packet: &PublishPacket,
        refusal: Refusal,
    ) -> Result<Option<Up>, Refusal> {
        let topic = &packet.topic_name;
        let occurrence = Occurrence::refused_publish(&self.session, topic, &refusal);
        self.record_refusal(occurrence).await;
        self.pace_refusal()?;
        let say = |properties: &mut mqtt5::Properties| {
            if self.session.info.problem_information {
                properties.set_reason_string(refusal.text.clone());
            }
        };
        let answer = match (packet.qos, packet.packet_id) {
            (QoS::AtMostOnce, _) | (_, None) => return Ok(None),
            // MQTT 3.1.1 §3.3.5: acknowledge or close. Nothing was archived, so close.
            _ if self.session.version != 5 => return Err(refusal),
            (QoS::AtLeastOnce, Some(id)) => {
                let mut ack = PubAckPacket::new(id);
                ack.reason_code = refusal.code;
                say(&mut ack.properties);
                Packet::PubAck(ack)
            }
            (QoS::ExactlyOnce, Some(id)) => {
                let mut ack = PubRecPacket::new(id);
                ack.reason_code = refusal.code;
                say(&mut ack.properties);
                Packet::PubRec(ack)
            }
        };
        frame::encode(&answer)
            .map(|bytes| Some(Up::Answer(bytes)))
            .map_err(|e| Refusal::malformed(&e))
    }

    fn goodbye(&self, frame: &Frame) -> Result<End, Refusal> {
        let Packet::Disconnect(packet) = self.decode(frame)? else {
            return Err(Refusal::new(
                ReasonCode::MalformedPacket,
                "not a DISCONNECT",
            ));
        };
        if let Some(expiry_s) = packet.properties.get_session_expiry_interval() {
            self.expiry_s.store(expiry_s, Ordering::Relaxed);
        }
        Ok(match packet.reason_code {
            ReasonCode::DisconnectWithWillMessage => End::WithWill,
            _ => End::Normal,
        })
    }

    fn decode(&self, frame: &Frame) -> Result<Packet, Refusal> {
        frame
            .decode(self.session.version)
            .map_err(|e| Refusal::malformed(&e))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The engine's view of this module's client names.
pub fn session_name(client: &ClientId, library_name: Option<&str>) -> String {
    match library_name {
        None => client.to_string(),
        Some(name) => format!("{client}{}{name}", engine::SESSION_NAME_SEPARATOR),
    }
}
