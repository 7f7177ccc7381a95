//! MQTT 5 at a gateway: log in with SM2, publish sealed messages, subscribe and open them.
//!
//! [`connect`] logs in and starts one task that owns the connection. It needs no more than that
//! task and a few kilobytes, so thousands of sessions fit into one process (`sealwire bench login`);
//! that, and reason codes and strings in every error, are why this isn't `mqtt5`'s own client. The
//! packets are encoded and decoded by `mqtt5-protocol`.
//!
//! - [`Session::publish`] seals (on an open topic: doesn't) and waits for the PUBACK: then the
//!   message is on the gateway's disk. [`Session::send`] doesn't wait, so that many are on their way.
//! - [`Session::subscribe`] gives a [`Subscription`]: messages come opened, their sender's signature
//!   checked. A message is acknowledged when it is taken.
//! - With [`Options::reconnect`] a lost connection is made again, unacknowledged messages are sent
//!   again and subscriptions renewed. A message may then be archived twice, with one sequence.
//! - [`Session::reauthenticate`] shows anew who both sides are, and [`Session::renew`] goes on under a renewed
//!   certificate, without a break in the session.

mod channel;
mod error;
mod exchange;
mod frame;
mod link;
mod login;

use std::{
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mqtt5_protocol::packet::publish::PublishPacket;
pub use mqtt5_protocol::{QoS, types::ReasonCode};
use sealwire_envelope::{
    ClientId, TopicFilter, TopicMode, TopicName,
    message::{self, MessageError, MessageHeader},
};
use tokio::sync::{mpsc, oneshot, watch};
use zeroize::Zeroizing;

pub use error::{
    Ended, OpenError, PublishError, ReauthenticateError, ReceiveError, SubscribeError,
};
pub use frame::FrameError;
use link::{Command, Link, Raw, Subscriber};
use login::Dialer;
pub use login::LoginError;

use crate::{identity::Identity, keyring::Keyring, trust::Trust};

/// Messages at QoS 1 that may be unacknowledged on their way to us.
pub const RECEIVE_MAX: u16 = 128;
/// Messages that wait for the application in one subscription.
const WAITING_MAX: usize = 2 * RECEIVE_MAX as usize;

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// SM2 enhanced authentication: both sides prove who they are.
    Enhanced,
    /// A token for this gateway: only the client does.
    Token {
        /// The gateway's client id.
        gateway: ClientId,
    },
}

/// How to come back after a lost connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// First waiting time; it doubles.
    pub first: Duration,
    /// Longest waiting time.
    pub longest: Duration,
    /// Attempts in a row before the session ends.
    pub attempts: u32,
}

impl Default for Reconnect {
    fn default() -> Self {
        let (first, longest) = (Duration::from_millis(200), Duration::from_secs(30));
        Self {
            first,
            longest,
            attempts: 100,
        }
    }
}

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// The gateway's MQTT address: `host:port`, or `mqtts://host:port` for TLS by RFC 8998.
    pub gateway: String,
    /// Which gateway it must be; any that is to be trusted, if none is named.
    pub expect: Option<ClientId>,
    /// How to log in.
    pub method: Method,
    /// Time for the whole login, TCP included.
    pub login_max: Duration,
    /// Keep alive; the gateway may ask for another.
    pub keep_alive: Duration,
    /// Begin a new session at the gateway.
    pub clean_start: bool,
    /// How long the gateway shall keep the session after the connection, in seconds.
    pub session_expiry_s: u32,
    /// User properties of the CONNECT; the gateway writes them into the connection record.
    pub user_properties: Vec<(String, String)>,
    /// Largest packet that is taken, in bytes.
    pub packet_bytes_max: usize,
    /// How to come back; `None`: not at all.
    pub reconnect: Option<Reconnect>,
}

impl Options {
    /// Enhanced authentication at this address, no reconnecting.
    pub fn new(gateway: impl Into<String>) -> Self {
        Self {
            gateway: gateway.into(),
            expect: None,
            method: Method::Enhanced,
            login_max: Duration::from_secs(20),
            keep_alive: Duration::from_secs(60),
            clean_start: true,
            session_expiry_s: 0,
            user_properties: vec![("agent".to_owned(), AGENT.to_owned())],
            packet_bytes_max: 2 * 1024 * 1024,
            reconnect: None,
        }
    }
}

const AGENT: &str = concat!("sealwire-client/", env!("CARGO_PKG_VERSION"));

/// A message, opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// On which topic.
    pub topic: TopicName,
    /// Sender, sequence and key epoch, all under the sender's signature; none on an open topic.
    pub header: Option<MessageHeader>,
    /// What the content is; none on an open topic.
    pub content_type: Option<String>,
    /// The content.
    pub content: Zeroizing<Vec<u8>>,
    /// Kept by the gateway from before the subscription.
    pub retained: bool,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.content.len();
        write!(
            f,
            "Message({}, {:?}, {bytes} bytes)",
            self.topic, self.header
        )
    }
}

/// Logs in and starts the session.
///
/// The keyring finds topic keys and senders; share one among the sessions of an identity, and one
/// `trust` among all.
///
/// # Errors
/// [`LoginError`]; with [`Options::reconnect`] too the first login must succeed.
pub async fn connect(
    identity: &Identity,
    keyring: Arc<Keyring>,
    trust: Arc<Trust>,
    options: Options,
) -> Result<Session, LoginError> {
    let dialer = Dialer {
        identity: identity.clone(),
        trust,
        channel: channel::Channel::new(identity, &options)?,
        options,
    };
    let connected = dialer.login().await?;
    let (commands, command_queue) = mpsc::channel(link::COMMANDS_MAX);
    let (stop, stopped) = watch::channel(false);
    let (end, ended) = watch::channel(None);
    let lost = Arc::new(AtomicU64::new(0));
    let (gateway, login_latency) = (connected.gateway.clone(), connected.latency);
    let holder = Arc::new(RwLock::new(Holder {
        identity: identity.clone(),
        keyring,
    }));
    let task = Link::new(
        dialer,
        command_queue,
        stopped,
        end,
        lost.clone(),
        holder.clone(),
    );
    tokio::spawn(task.run(connected));
    let next_id = AtomicU64::new(0);
    let inner = Inner {
        client: identity.client().clone(),
        holder,
        commands,
        stop,
        ended,
        lost,
        gateway,
        login_latency,
        next_id,
    };
    Ok(Session(Arc::new(inner)))
}

/// A session at a gateway. Clones share it; when the last one and the last subscription are
/// dropped, it ends.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

/// Who seals and opens: changes when a certificate is renewed.
#[derive(Clone)]
struct Holder {
    identity: Identity,
    keyring: Arc<Keyring>,
}

struct Inner {
    client: ClientId,
    holder: Arc<RwLock<Holder>>,
    commands: mpsc::Sender<Command>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<Option<Arc<Ended>>>,
    lost: Arc<AtomicU64>,
    gateway: Option<ClientId>,
    login_latency: Duration,
    next_id: AtomicU64,
}

impl Inner {
    fn holder(&self) -> Holder {
        let holder = self.holder.read();
        holder.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end(&self) -> Arc<Ended> {
        let end = self.ended.borrow().clone();
        end.unwrap_or_else(|| Arc::new(Ended::Lost("the session's task is gone".to_owned())))
    }
}

/// A message on its way.
#[must_use = "whether the gateway took the message is known only after `confirmed`"]
pub struct Delivery {
    /// Sequence and epoch under which it was sealed; none on an open topic.
    pub header: Option<MessageHeader>,
    reply: oneshot::Receiver<Result<(), PublishError>>,
    session: Arc<Inner>,
}

impl Delivery {
    /// Waits until the gateway has it: at QoS 1 on its disk, at QoS 0 in our buffer.
    ///
    /// # Errors
    /// [`PublishError`] when the gateway refused it or the session ended first.
    pub async fn confirmed(self) -> Result<Option<MessageHeader>, PublishError> {
        match self.reply.await {
            Ok(result) => result.map(|()| self.header),
            Err(_) => Err(PublishError::Ended(self.session.end())),
        }
    }
}

impl Session {
    /// Seals and publishes at QoS 1, and waits until the gateway has it on disk.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish(
        &self,
        topic: &TopicName,
        content_type: &str,
        content: &[u8],
    ) -> Result<Option<MessageHeader>, PublishError> {
        self.send(topic, content_type, content, QoS::AtLeastOnce)
            .await?
            .confirmed()
            .await
    }

    /// Seals and sends, and doesn't wait for the gateway. QoS 2 is sent as QoS 1.
    ///
    /// Many on their way at once, and none lost sight of:
    ///
    /// ```no_run
    /// # use sealwire_client::mqtt::{PublishError, QoS, Session};
    /// # use sealwire_envelope::TopicName;
    /// # async fn send_all(session: &Session, topic: &TopicName, readings: &[String])
    /// # -> Result<(), PublishError> {
    /// let mut deliveries = vec![];
    /// for reading in readings {
    ///     let content = reading.as_bytes();
    ///     deliveries.push(session.send(topic, "text/plain", content, QoS::AtLeastOnce).await?);
    /// }
    /// for delivery in deliveries {
    ///     delivery.confirmed().await?; // on the gateway's disk
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`PublishError`] when it can't be sealed, or the session has ended.
    pub async fn send(
        &self,
        topic: &TopicName,
        content_type: &str,
        content: &[u8],
        qos: QoS,
    ) -> Result<Delivery, PublishError> {
        let Holder { identity, keyring } = self.0.holder();
        let present = keyring.present(topic).await?;
        let (payload, header) = match present.key {
            None => (content.to_vec(), None),
            Some(key) => {
                let header = MessageHeader {
                    epoch: present.epoch,
                    sender: identity.client().clone(),
                    sequence: identity.sequence().next().await?,
                };
                let sealed =
                    message::seal(topic, &header, &key, identity.key(), content_type, content)?;
                (sealed, Some(header))
            }
        };
        self.send_raw(topic.as_str(), payload, qos, header).await
    }

    /// Sends a payload as it is, to whatever topic name: for tests and tools.
    ///
    /// # Errors
    /// [`PublishError`] when the session has ended.
    pub async fn send_payload(
        &self,
        topic: &str,
        payload: Vec<u8>,
        qos: QoS,
    ) -> Result<Delivery, PublishError> {
        self.send_raw(topic, payload, qos, None).await
    }

    async fn send_raw(
        &self,
        topic: &str,
        payload: Vec<u8>,
        qos: QoS,
        header: Option<MessageHeader>,
    ) -> Result<Delivery, PublishError> {
        let qos = if qos == QoS::AtMostOnce {
            qos
        } else {
            QoS::AtLeastOnce
        };
        let packet = PublishPacket::new(topic, payload, qos);
        let (to, reply) = oneshot::channel();
        self.0
            .commands
            .send(Command::Publish { packet, reply: to })
            .await
            .map_err(|_| PublishError::Ended(self.0.end()))?;
        Ok(Delivery {
            header,
            reply,
            session: self.0.clone(),
        })
    }

    /// Subscribes at QoS 1.
    ///
    /// # Errors
    /// [`SubscribeError`] when the gateway refuses, with its reason.
    pub async fn subscribe(&self, filter: &TopicFilter) -> Result<Subscription, SubscribeError> {
        let (sink, messages) = mpsc::channel(WAITING_MAX);
        let ended = Arc::new(OnceLock::new());
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let subscriber = Subscriber {
            id,
            filter: filter.clone(),
            qos: QoS::AtLeastOnce,
            sink,
            ended: ended.clone(),
        };
        let (to, reply) = oneshot::channel();
        self.0
            .commands
            .send(Command::Subscribe {
                subscriber,
                reply: to,
            })
            .await
            .map_err(|_| SubscribeError::Ended(self.0.end()))?;
        reply
            .await
            .map_err(|_| SubscribeError::Ended(self.0.end()))??;
        let session = self.0.clone();
        Ok(Subscription {
            id,
            messages,
            ended,
            session,
            taken: None,
            over: false,
        })
    }

    /// Shows the gateway anew who this is, and has it show who it is, while messages go on.
    ///
    /// # Errors
    /// [`ReauthenticateError`]. After all but [`ReauthenticateError::Token`] and
    /// [`ReauthenticateError::UnderWay`] the connection has ended, and with it the session, unless it
    /// comes back ([`Options::reconnect`]).
    pub async fn reauthenticate(&self) -> Result<(), ReauthenticateError> {
        self.authenticate(None).await
    }

    /// Goes on under a renewed certificate. The keyring is one of the renewed identity. From now on
    /// messages are sealed with its key, and a lost connection is made again with it.
    ///
    /// Do so soon after the renewal: the gateway ends the session of a certificate that was replaced.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use sealwire_client::{Keyring, Ledger, certificate::{self, Desk}, mqtt::Session};
    /// # async fn renew(session: &Session, ledger: Arc<Ledger>, desk: &Desk)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// let renewed = certificate::renew(&session.identity(), &ledger, desk, None).await?;
    /// let keyring = Arc::new(Keyring::new(renewed.identity.clone(), ledger));
    /// session.renew(&renewed.identity, keyring).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Session::reauthenticate`]; and [`ReauthenticateError::OtherClient`] or
    /// [`ReauthenticateError::Tls`], after which the session goes on as it was. After
    /// [`ReauthenticateError::Token`] the new identity counts from the next login on: the session comes back
    /// with it ([`Options::reconnect`]) when the gateway ends it.
    pub async fn renew(
        &self,
        identity: &Identity,
        keyring: Arc<Keyring>,
    ) -> Result<(), ReauthenticateError> {
        let identity = identity.clone();
        let holder = Box::new(Holder { identity, keyring });
        self.authenticate(Some(holder)).await
    }

    async fn authenticate(&self, holder: Option<Box<Holder>>) -> Result<(), ReauthenticateError> {
        let (reply, done) = oneshot::channel();
        let ended = || ReauthenticateError::Ended(self.0.end());
        let command = Command::Reauthenticate { holder, reply };
        let sent = self.0.commands.send(command).await;
        sent.map_err(|_| ended())?;
        done.await.map_err(|_| ended())?
    }

    /// Says goodbye and ends the session. Messages that aren't confirmed yet may be lost.
    pub async fn close(&self) {
        // The task is gone: closed already.
        let _ = self.0.stop.send(true);
        self.ended().await;
    }

    /// Waits until the session has ended, and says why.
    pub async fn ended(&self) -> Arc<Ended> {
        let mut ended = self.0.ended.clone();
        // The sender is dropped only after it has sent.
        let _ = ended.wait_for(Option::is_some).await;
        self.0.end()
    }

    /// Whether it hasn't ended. While a lost connection is being made again, it hasn't.
    pub fn is_live(&self) -> bool {
        self.0.ended.borrow().is_none()
    }

    /// The gateway that proved who it is; none after logging in by token.
    pub fn gateway(&self) -> Option<&ClientId> {
        self.0.gateway.as_ref()
    }

    /// How long the first login took, from CONNECT to CONNACK.
    pub fn login_latency(&self) -> Duration {
        self.0.login_latency
    }

    /// Messages at QoS 0 that came faster than they were taken, and were dropped.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Whose session it is.
    pub fn client(&self) -> &ClientId {
        &self.0.client
    }

    /// Its keyring: the newest, after [`Session::renew`].
    pub fn keyring(&self) -> Arc<Keyring> {
        self.0.holder().keyring
    }

    /// With which key and certificate: the newest, after [`Session::renew`].
    pub fn identity(&self) -> Identity {
        self.0.holder().identity
    }
}

/// A stream of messages. Dropping it unsubscribes.
pub struct Subscription {
    id: u64,
    messages: mpsc::Receiver<Raw>,
    ended: Arc<OnceLock<Arc<Ended>>>,
    session: Arc<Inner>,
    /// Taken from the queue and not yet opened: kept when `next` is cancelled.
    taken: Option<Raw>,
    over: bool,
}

impl Subscription {
    /// The next message, opened; `None` after the subscription has ended.
    ///
    /// Cancel safe.
    ///
    /// ```no_run
    /// # use sealwire_client::mqtt::{ReceiveError, Subscription};
    /// # async fn print_all(mut messages: Subscription) -> Result<(), ReceiveError> {
    /// while let Some(message) = messages.next().await {
    ///     match message {
    ///         Ok(message) => println!("{}: {} bytes", message.topic, message.content.len()),
    ///         // Not for us, or damaged; others may come.
    ///         Err(error @ ReceiveError::Unreadable { .. }) => eprintln!("{error}"),
    ///         Err(ended) => return Err(ended),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ReceiveError::Unreadable`] for a message that can't be opened: go on. Once, at the end,
    /// [`ReceiveError::Ended`].
    pub async fn next(&mut self) -> Option<Result<Message, ReceiveError>> {
        if self.over {
            return None;
        }
        if self.taken.is_none() {
            self.taken = self.messages.recv().await;
        }
        let Some(raw) = &self.taken else {
            self.over = true;
            let alone = self.ended.get().cloned();
            return Some(Err(ReceiveError::Ended(
                alone.unwrap_or_else(|| self.session.end()),
            )));
        };
        let keyring = self.session.holder().keyring;
        let opened = open(&keyring, &raw.topic, &raw.payload, None).await;
        let raw = self.taken.take()?;
        // Letting go of `raw` acknowledges it.
        let (topic, retained) = (raw.topic.clone(), raw.retain);
        drop(raw);
        Some(match opened {
            Ok((header, content_type, content)) => Ok(Message {
                topic,
                header,
                content_type,
                content,
                retained,
            }),
            Err(source) => Err(ReceiveError::Unreadable { topic, source }),
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // A full queue or a session that is over: then the session's end unsubscribes.
        let _ = self
            .session
            .commands
            .try_send(Command::Unsubscribe { id: self.id });
    }
}

type OpenedParts = (Option<MessageHeader>, Option<String>, Zeroizing<Vec<u8>>);

/// Opens a payload that came, or was archived (then with its time of receipt), on a topic.
pub(crate) async fn open(
    keyring: &Keyring,
    topic: &TopicName,
    payload: &[u8],
    received_ms: Option<u64>,
) -> Result<OpenedParts, OpenError> {
    if keyring.mode(topic).await? == TopicMode::Open {
        return Ok((None, None, Zeroizing::new(payload.to_vec())));
    }
    let MessageHeader { epoch, sender, .. } = message::inspect(payload)?;
    let topic_key = keyring.key(topic, epoch).await?;
    let with = |key| message::open(topic, &topic_key, payload, |_| Some(key));
    let mut opened = with(keyring.sender(&sender).await?);
    if is_unsigned(&opened) {
        // The sender may have a new certificate since we looked.
        keyring.forget_sender(&sender);
        opened = with(keyring.sender(&sender).await?);
    }
    if is_unsigned(&opened) {
        // It may have had another one when it signed.
        let former = keyring.former(&sender, received_ms).await?;
        if let Some(then) = former.into_iter().map(with).find(|it| !is_unsigned(it)) {
            opened = then;
        }
    }
    let opened = opened?;
    Ok((
        Some(opened.header),
        Some(opened.content_type),
        opened.content,
    ))
}

fn is_unsigned(opened: &Result<message::Opened, MessageError>) -> bool {
    matches!(opened, Err(MessageError::Signature { .. }))
}
