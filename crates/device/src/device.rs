//! A device: its home, and its session at a gateway.
//!
//! Limits: one thread per open device; 256 commands and 256 messages of a subscription wait, then
//! whoever sends more waits too (the gateway, by MQTT's receive maximum).

use std::{
    path::Path,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use sealwire_client::{
    Archive, Identity, Keyring, Ledger, Trust,
    identity::GatewayPeer,
    mqtt::{self, Ended, Options, QoS, ReceiveError, Reconnect, Session},
    token,
};
use sealwire_envelope::{
    ClientId, PackageId, TopicFilter, TopicName, login::TOKEN_MAX_LIFE_S, record::PAYLOAD_MAX_BYTES,
};
use sealwire_sm::Certificate;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Mutex,
    time::timeout,
};
use zeroize::Zeroizing;

use crate::{Error, Pending, Records};

/// Time for saying goodbye to the gateway.
const GOODBYE: Duration = Duration::from_secs(3);
/// Longest content type, in bytes.
pub const CONTENT_TYPE_MAX_BYTES: usize = 128;
/// Threads for files and host names, beside the one that does everything else.
const BLOCKING_THREADS_MAX: usize = 4;

pub use sealwire_client::mqtt::Message;

/// A device (or user), opened from its home. Clones are the same device.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

struct Inner {
    client: ClientId,
    holder: RwLock<Arc<Holder>>,
    /// Of the key file, for the next key.
    passphrase: Option<Zeroizing<String>>,
    trust: Arc<Trust>,
    session: Mutex<Option<Session>>,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

/// The device with its present certificate; a renewal brings another.
pub(crate) struct Holder {
    pub(crate) identity: Identity,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) keyring: Arc<Keyring>,
}

impl Holder {
    fn new(identity: Identity) -> Result<Arc<Self>, Error> {
        let ledger = Arc::new(Ledger::of(&identity)?);
        let keyring = Arc::new(Keyring::new(identity.clone(), ledger.clone()));
        Ok(Arc::new(Self {
            identity,
            ledger,
            keyring,
        }))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last clone may be dropped by a task of this very runtime, which can't wait for it.
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Device({})", self.client())
    }
}

/// A password for another MQTT client.
#[derive(Clone)]
pub struct Token {
    /// MQTT user name and client id: the device's.
    pub user: ClientId,
    /// MQTT password, good once.
    pub token: Zeroizing<String>,
    /// The gateway's MQTT address, `host:port`.
    pub mqtt: String,
}

impl Device {
    /// Opens the home of a device, as `sealwire device enrol` makes it.
    ///
    /// # Errors
    /// [`Error::Identity`] when it isn't a home, or the passphrase is wrong; [`Error::Ledger`] when
    /// `peers.json` names no ledger node.
    pub fn open(home: &Path, passphrase: Option<&str>) -> Result<Self, Error> {
        let holder = Holder::new(Identity::load(home, passphrase)?)?;
        let identity = &holder.identity;
        let mut trust = Trust::new(identity.genesis(), Some(holder.ledger.clone()))?;
        for pem in identity
            .peers()
            .gateways
            .iter()
            .filter_map(|gateway| gateway.certificate.as_deref())
        {
            let certificate =
                Certificate::from_pem(pem).map_err(sealwire_client::trust::TrustError::from)?;
            trust.pin(identity.genesis(), certificate)?;
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name("sealwire")
            .enable_all()
            .build()
            .map_err(Error::System)?;
        Ok(Self(Arc::new(Inner {
            client: identity.client().clone(),
            holder: RwLock::new(holder.clone()),
            passphrase: passphrase.map(|text| Zeroizing::new(text.to_owned())),
            trust: Arc::new(trust),
            session: Mutex::new(None),
            runtime: Some(runtime),
        })))
    }

    /// Who it is.
    pub fn client(&self) -> &ClientId {
        &self.0.client
    }

    /// Logs in at a gateway of its home, by SM2, and by TLS where the gateway offers it; without a name
    /// at the first one.
    ///
    /// # Errors
    /// [`Error::Login`], [`Error::NoGateway`], [`Error::Connected`], [`Error::Timeout`].
    pub fn connect(&self, gateway: Option<&str>, limit: Duration) -> Result<Pending<()>, Error> {
        let peer = self.gateway(gateway)?;
        let device = self.clone();
        Ok(Pending::begin_within(
            self,
            "logging in",
            limit,
            async move {
                let mut place = device.0.session.lock().await;
                if place.as_ref().is_some_and(Session::is_live) {
                    return Err(Error::Connected);
                }
                let options = Options {
                    expect: Some(peer.client.clone()),
                    reconnect: Some(Reconnect::default()),
                    ..Options::new(peer.best_mqtt())
                };
                let holder = device.holder();
                let (keyring, trust) = (holder.keyring.clone(), device.0.trust.clone());
                let session = mqtt::connect(&holder.identity, keyring, trust, options).await?;
                *place = Some(session);
                Ok(())
            },
        ))
    }

    /// Whether it has a session; one that is being made again counts.
    pub fn is_connected(&self) -> bool {
        // Locked: it is connecting right now.
        let place = self.0.session.try_lock();
        place.is_ok_and(|session| session.as_ref().is_some_and(Session::is_live))
    }

    /// Ends the session. Subscriptions end; messages that nobody waited for may be lost.
    ///
    /// # Errors
    /// None but [`Error::Defect`].
    pub fn disconnect(&self) -> Pending<()> {
        let device = self.clone();
        Pending::begin(self, async move {
            let session = device.0.session.lock().await.take();
            if let Some(session) = session {
                // A gateway that doesn't take the goodbye finds out by itself.
                let _ = timeout(GOODBYE, session.close()).await;
            }
            Ok(())
        })
    }

    /// Seals (on an open topic: doesn't) and publishes, and waits until the gateway has it: at QoS
    /// 1 on its disk, at QoS 0 in our buffer. Gives the sequence; none on an open topic.
    ///
    /// # Errors
    /// [`Error::Publish`], [`Error::NotConnected`], [`Error::Argument`]; [`Error::Timeout`], after
    /// which the message may arrive all the same.
    pub fn publish(
        &self,
        topic: &str,
        content_type: &str,
        content: &[u8],
        qos: u8,
        limit: Duration,
    ) -> Result<Pending<Option<u64>>, Error> {
        let topic: TopicName = topic.parse().map_err(|e| Error::argument("topic", e))?;
        let qos = match qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            other => return Err(Error::argument("qos", format_args!("{other} isn't 0 or 1"))),
        };
        if content_type.len() > CONTENT_TYPE_MAX_BYTES {
            let detail = format_args!("longer than {CONTENT_TYPE_MAX_BYTES} bytes");
            return Err(Error::argument("content_type", detail));
        }
        if content.len() > PAYLOAD_MAX_BYTES {
            let (size_bytes, max_bytes) = (content.len(), PAYLOAD_MAX_BYTES);
            return Err(mqtt::PublishError::TooLarge {
                size_bytes,
                max_bytes,
            }
            .into());
        }
        let (content_type, content) = (content_type.to_owned(), Zeroizing::new(content.to_vec()));
        let device = self.clone();
        Ok(Pending::begin_within(
            self,
            "publishing",
            limit,
            async move {
                let session = device.session().await?;
                let delivery = session.send(&topic, &content_type, &content, qos).await?;
                let header = delivery.confirmed().await?;
                Ok(header.map(|header| header.sequence))
            },
        ))
    }

    /// Subscribes at QoS 1.
    ///
    /// # Errors
    /// [`Error::Subscribe`], [`Error::NotConnected`], [`Error::Argument`], [`Error::Timeout`].
    pub fn subscribe(&self, filter: &str, limit: Duration) -> Result<Pending<Subscription>, Error> {
        let filter: TopicFilter = filter.parse().map_err(|e| Error::argument("filter", e))?;
        let device = self.clone();
        Ok(Pending::begin_within(
            self,
            "subscribing",
            limit,
            async move {
                let session = device.session().await?;
                let messages = session.subscribe(&filter).await?;
                Ok(Subscription::new(device, messages))
            },
        ))
    }

    /// A password for one login of another MQTT client, good for `life_s` seconds.
    ///
    /// # Errors
    /// [`Error::Argument`] when it would live for less than one second or more than
    /// [`TOKEN_MAX_LIFE_S`]; [`Error::NoGateway`].
    pub fn token(&self, gateway: Option<&str>, life_s: u64) -> Result<Token, Error> {
        if !(1..=TOKEN_MAX_LIFE_S).contains(&life_s) {
            let detail = format_args!("a token lives 1 to {TOKEN_MAX_LIFE_S} s, not {life_s}");
            return Err(Error::argument("life_s", detail));
        }
        let GatewayPeer { client, mqtt, .. } = self.gateway(gateway)?;
        let token = token::create(
            &self.holder().identity,
            &client,
            Duration::from_secs(life_s),
        );
        Ok(Token {
            user: self.client().clone(),
            token: Zeroizing::new(token),
            mqtt,
        })
    }

    /// The records of a topic in a gateway's archive, from the first package whose number is
    /// greater than `after`.
    ///
    /// # Errors
    /// [`Error::Argument`], [`Error::NoGateway`], [`Error::Fetch`] for a wrong address.
    pub fn records(
        &self,
        topic: &str,
        gateway: Option<&str>,
        after: u64,
    ) -> Result<Records, Error> {
        let topic = topic.parse().map_err(|e| Error::argument("topic", e))?;
        Ok(Records::new(self, self.archive(gateway)?, topic, after))
    }

    /// The receipt file of a record: verified here, and by anyone with genesis alone.
    ///
    /// # Errors
    /// [`Error::Argument`], [`Error::NoGateway`], [`Error::Fetch`], [`Error::Receipt`],
    /// [`Error::Timeout`].
    pub fn receipt(
        &self,
        package: &str,
        index: u64,
        gateway: Option<&str>,
        limit: Duration,
    ) -> Result<Pending<Vec<u8>>, Error> {
        let package: PackageId = package.parse().map_err(|e| Error::argument("package", e))?;
        let archive = self.archive(gateway)?;
        let ledger = self.holder().ledger.clone();
        Ok(Pending::begin_within(
            self,
            "making the receipt",
            limit,
            async move {
                let record = archive.record(&package, index).await?;
                let (receipt, _) = archive.receipt(&ledger, &record).await?;
                Ok(sealwire_client::archive::receipt_bytes(&receipt))
            },
        ))
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.0.runtime.as_ref().expect("there until it is dropped")
    }

    pub(crate) fn holder(&self) -> Arc<Holder> {
        let holder = self.0.holder.read();
        holder.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn archive(&self, gateway: Option<&str>) -> Result<Archive, Error> {
        let peer = self.gateway(gateway)?;
        Ok(Archive::new(
            peer.best_http(),
            self.holder().identity.clone(),
        )?)
    }

    fn gateway(&self, wanted: Option<&str>) -> Result<GatewayPeer, Error> {
        let wanted: Option<ClientId> = wanted
            .map(str::parse)
            .transpose()
            .map_err(|e| Error::argument("gateway", e))?;
        let holder = self.holder();
        let found = holder.identity.peers().gateway(wanted.as_ref()).cloned();
        found.ok_or_else(|| Error::NoGateway {
            client: self.client().clone(),
            wanted,
        })
    }

    /// Puts a renewed identity in the place of the present one, in the session too.
    pub(crate) async fn take_over(&self, identity: Identity) -> Result<(), Error> {
        let holder = Holder::new(identity)?;
        let place = self.0.holder.write();
        *place.unwrap_or_else(PoisonError::into_inner) = holder.clone();
        let session = self.0.session.lock().await.clone();
        if let Some(session) = session.filter(Session::is_live) {
            session
                .renew(&holder.identity, holder.keyring.clone())
                .await?;
        }
        Ok(())
    }

    pub(crate) fn passphrase(&self) -> Option<&str> {
        self.0.passphrase.as_ref().map(|text| text.as_str())
    }

    async fn session(&self) -> Result<Session, Error> {
        let session = self.0.session.lock().await.clone();
        session.ok_or(Error::NotConnected)
    }
}

/// Messages that come.
pub struct Subscription {
    device: Device,
    stream: Mutex<Stream>,
}

/// What a message takes to arrive and be opened: keys may have to be asked of the ledger.
type Arrival = Pin<
    Box<dyn Future<Output = (mqtt::Subscription, Option<Result<Message, ReceiveError>>)> + Send>,
>;

enum Stream {
    /// The next message's arrival. It is kept when a caller's time is over: whoever asks often and
    /// briefly gets there too.
    Waiting(Arrival),
    /// It ended; by this, unless we ended it.
    Over(Option<Arc<Ended>>),
}

impl Stream {
    fn waiting(mut messages: mqtt::Subscription) -> Self {
        Self::Waiting(Box::pin(async move {
            let next = messages.next().await;
            (messages, next)
        }))
    }

    async fn next(&mut self) -> Result<Option<Message>, Error> {
        if let Self::Waiting(arrival) = self {
            let (messages, next) = arrival.await;
            *self = match next {
                Some(Ok(message)) => {
                    *self = Self::waiting(messages);
                    return Ok(Some(message));
                }
                Some(Err(error @ ReceiveError::Unreadable { .. })) => {
                    *self = Self::waiting(messages);
                    return Err(error.into());
                }
                Some(Err(ReceiveError::Ended(end))) if !matches!(*end, Ended::Closed) => {
                    Self::Over(Some(end))
                }
                Some(Err(ReceiveError::Ended(_))) | None => Self::Over(None),
            };
        }
        match self {
            Self::Over(Some(end)) => Err(ReceiveError::Ended(end.clone()).into()),
            Self::Over(None) | Self::Waiting(_) => Ok(None),
        }
    }
}

impl Subscription {
    fn new(device: Device, messages: mqtt::Subscription) -> Self {
        let stream = Mutex::new(Stream::waiting(messages));
        Self { device, stream }
    }

    /// The next message, opened, its sender's signature checked; it is acknowledged to the gateway
    /// by this. Waits at most `limit`, for ever without one. None: we ended the session.
    ///
    /// # Errors
    /// [`Error::Timeout`]: none came; [`Error::Receive`] for a message that can't be opened (go on)
    /// and, from then on, when the gateway ended session or subscription.
    pub fn next(&self, limit: Option<Duration>) -> Result<Option<Message>, Error> {
        let next = async { self.stream.lock().await.next().await };
        self.device.runtime().block_on(async {
            match limit {
                None => next.await,
                // `timeout` looks for a message before it looks at the clock: none is lost.
                Some(limit) => timeout(limit, next).await.unwrap_or_else(|_| {
                    let what = "waiting for a message";
                    Err(Error::Timeout { what, limit })
                }),
            }
        })
    }
}
