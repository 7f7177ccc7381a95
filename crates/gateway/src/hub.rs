//! What the parts of a gateway share, and the questions that they ask it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use mqtt5::{packet::publish::PublishPacket, types::ReasonCode};
use sealwire_archive::{Archive, Kind, Message, ReadError, WriteError};
use sealwire_contracts::Decision;
use sealwire_envelope::{CertId, ClientId, ConnectionEvent, TopicMode, TopicName, decode, encode};
use sealwire_sm::{Certificate, SecretKey, Sm3Digest};
use tokio::sync::{broadcast, watch};

use crate::{
    audit::{self, Occurrence},
    compute::Service,
    config::{Config, Limits},
    doorkeeper::Doorkeeper,
    engine::{self, Engine, Rights},
    ledger::Ledger,
    metrics::Metrics,
    now_ms,
    replay::{Purpose, Replayed, UsedOnce},
    rights::{self, Publishable, Refusal},
    session::Session,
    stale::StaleKeys,
    story::{STORY_BACKLOG, Story},
    wills::Wills,
};

/// Whom a gateway is.
#[derive(Clone)]
pub struct Keys {
    /// The gateway's secret key.
    pub secret: SecretKey,
    /// Its certificate, role `gateway`.
    pub certificate: Certificate,
}

/// The sessions that were left behind aren't recorded.
#[derive(Debug, thiserror::Error)]
pub enum LeftError {
    /// The archive can't be read.
    #[error("the archive's open sessions can't be read")]
    Read(#[from] ReadError),
    /// Nor written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The shared part.
pub struct Hub {
    config: Config,
    keys: Keys,
    client: ClientId,
    ledger: Arc<dyn Ledger>,
    archive: Archive,
    engine: OnceLock<Engine>,
    metrics: Metrics,
    story: broadcast::Sender<Story>,
    sessions: Sessions,
    wills: Wills,
    stale: StaleKeys,
    heights: watch::Receiver<u64>,
    used: UsedOnce,
    doorkeeper: Mutex<Doorkeeper>,
    compute: Service,
}

impl Hub {
    /// Everything but the engine, which asks the hub.
    pub fn new(
        config: Config,
        keys: Keys,
        client: ClientId,
        ledger: Arc<dyn Ledger>,
        archive: Archive,
        used: UsedOnce,
        compute: Service,
    ) -> Self {
        let heights = ledger.height();
        let doorkeeper = Mutex::new(Doorkeeper::new(config.limits.doorkeeper));
        Self {
            config,
            keys,
            client,
            ledger,
            archive,
            engine: OnceLock::new(),
            metrics: Metrics::default(),
            story: broadcast::channel(STORY_BACKLOG).0,
            sessions: Sessions::default(),
            wills: Wills::default(),
            stale: StaleKeys::default(),
            heights,
            used,
            doorkeeper,
            compute,
        }
    }

    /// Set the engine, once.
    pub fn set_engine(&self, engine: Engine) {
        assert!(
            self.engine.set(engine).is_ok(),
            "a gateway starts one engine"
        );
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.engine
            .get()
            .expect("the front door opens after the engine started")
    }

    /// Who counts attempts to log in. Held for a moment, never across an await.
    pub(crate) fn doorkeeper(&self) -> MutexGuard<'_, Doorkeeper> {
        self.doorkeeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How the gateway is set up.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its bounds.
    pub fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// Where readers find the packages.
    pub fn location(&self) -> String {
        self.config.location.clone().unwrap_or_default()
    }

    /// Its keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Its own id.
    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// Under whose name logins are recorded whose own name can't be a client.
    pub fn unidentified(&self) -> ClientId {
        let name = format!("{}.unidentified", self.client.org());
        name.parse().unwrap_or_else(|_| self.client.clone())
    }

    /// Its certificate's id.
    pub fn certificate(&self) -> CertId {
        CertId(self.keys.certificate.id())
    }

    /// The ledger.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// The archive.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// The compute service.
    pub(crate) fn compute(&self) -> &Service {
        &self.compute
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The live sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Wills that wait for their time.
    pub fn wills(&self) -> &Wills {
        &self.wills
    }

    /// The finalised height. The view is never older than this.
    pub fn height(&self) -> u64 {
        *self.heights.borrow()
    }

    /// Listen to the story.
    pub fn listen(&self) -> broadcast::Receiver<Story> {
        self.story.subscribe()
    }

    /// Tell whoever listens.
    pub fn tell(&self, story: Story) {
        // Nobody listening is fine.
        let _ = self.story.send(story);
    }

    /// Tell of a message, if anyone listens.
    pub fn tell_message(&self, message: &Message) {
        if self.story.receiver_count() > 0 {
            self.tell(Story::Message {
                client: message.sender.clone(),
                topic: message.topic.to_string(),
                bytes: message.payload.len(),
                qos: message.qos,
                epoch: message.epoch,
            });
        }
    }

    // ---- questions ---------------------------------------------------------------------------

    /// Whether the verified state is too old to let anyone in.
    ///
    /// # Errors
    /// [`Refusal`] if it is.
    pub fn check_fresh(&self) -> Result<(), Refusal> {
        let age_ms = now_ms().saturating_sub(self.ledger.verified_at_ms());
        let max = self.limits().max_staleness;
        if u128::from(age_ms) <= max.as_millis() {
            return Ok(());
        }
        let text = format!(
            "the ledger is away: the newest verified state is {} s old, the limit is {} s",
            age_ms / 1000,
            max.as_secs()
        );
        Err(Refusal::new(ReasonCode::ServerUnavailable, text))
    }

    /// See [`rights::publish`].
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn may_publish(
        &self,
        client: &ClientId,
        packet: &PublishPacket,
    ) -> Result<Publishable, Refusal> {
        let max = self.limits().payload_bytes_max;
        let allowed = rights::publish(&self.ledger.view(), client, packet, max, now_ms());
        if allowed.is_err() {
            self.metrics.refused_publishes.add(1);
        }
        allowed
    }

    /// See [`rights::subscribe`]; new subscriptions also need a fresh state.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn may_subscribe(&self, client: &ClientId, filter: &str) -> Result<Decision, Refusal> {
        let allowed = self
            .check_fresh()
            .and_then(|()| rights::subscribe(&self.ledger.view(), client, filter, now_ms()));
        if allowed.is_err() {
            self.metrics.refused_subscriptions.add(1);
        }
        allowed
    }

    /// See [`rights::receive`].
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn may_receive(&self, client: &ClientId, topic: &str) -> Result<Decision, Refusal> {
        rights::receive(&self.ledger.view(), client, topic, now_ms())
    }

    /// See [`StaleKeys::ask`].
    pub fn is_key_stale(&self, topic: &TopicName, mode: TopicMode) -> bool {
        self.stale.ask(self, topic, mode)
    }

    // ---- records -----------------------------------------------------------------------------

    /// See [`UsedOnce::use_once`].
    ///
    /// # Errors
    /// [`Replayed`].
    pub(crate) async fn use_once(
        &self,
        purpose: Purpose,
        digest: Sm3Digest,
        expiry_s: u64,
    ) -> Result<(), Replayed> {
        let now_s = now_ms() / 1000;
        let used = self
            .used
            .use_once(&self.archive, purpose, digest, expiry_s, now_s);
        used.await
    }

    /// Record an occurrence that a client may cause as often as it likes: waits for room, so that
    /// the client waits too.
    pub async fn record_in_turn(&self, occurrence: Occurrence) {
        let body = self.note(occurrence);
        // The answer may be dropped: the entry is in the queue.
        if let Err(error) = self.archive.enqueue(Kind::Event, body).await {
            tracing::error!(%error, "a connection event wasn't recorded");
        }
    }

    /// Record an occurrence that comes a bounded number of times per session or socket; it is on
    /// its way to disk when this returns.
    pub fn record(&self, occurrence: Occurrence) {
        let body = self.note(occurrence);
        if let Err(body) = self.archive.try_enqueue(Kind::Event, body) {
            // The queue is full: wait for room beside the caller. Sessions are bounded, so these
            // tasks are.
            let archive = self.archive.clone();
            tokio::spawn(async move {
                if let Err(error) = archive.enqueue(Kind::Event, body).await {
                    tracing::error!(%error, "a connection event wasn't recorded");
                }
            });
        }
    }

    /// As [`Hub::record`], or tell listeners alone.
    pub fn record_if(&self, record: bool, occurrence: Occurrence) {
        if record {
            self.record(occurrence);
        } else if let Some(story) = occurrence.story {
            self.tell(story);
        }
    }

    /// Record the sums of refused logins that have no record of their own, once a minute; `all`:
    /// now.
    pub fn record_sums(&self, all: bool) {
        let sums = self.doorkeeper().sums(now_ms(), all);
        for sum in sums {
            self.record(Occurrence::refused_logins(&sum, &self.unidentified()));
        }
    }

    /// Record that a session was opened and wait until it is on disk, with what to say of it if
    /// this program stops without notice.
    ///
    /// # Errors
    /// [`WriteError`] if it isn't.
    pub async fn record_opened(
        &self,
        session: u64,
        occurrence: Occurrence,
    ) -> Result<(), WriteError> {
        let last_words = self.sealed(audit::last_words(&occurrence.event));
        let body = self.note(occurrence);
        self.archive
            .enqueue_opened(session, body, encode(&last_words))
            .await?
            .durable()
            .await
    }

    /// Record that a session was closed; waits for room.
    pub async fn record_closed(&self, session: u64, occurrence: Occurrence) {
        let body = self.note(occurrence);
        if let Err(error) = self.archive.enqueue_closed(session, body).await {
            tracing::error!(%error, "the end of a session wasn't recorded");
        }
    }

    /// Record the end of the sessions that a gateway before this one left behind: how many.
    ///
    /// # Errors
    /// [`LeftError`] if they can't be read, or not recorded.
    pub async fn record_left_behind(&self) -> Result<usize, LeftError> {
        let left = self.archive.open_sessions().await?;
        let count = left.len();
        let mut pending = Vec::with_capacity(count);
        for (session, last_words) in left {
            let body = match decode::<ConnectionEvent>(&last_words) {
                // Nobody knows when it ended; now is when it is known that it did.
                Ok(event) => encode(&ConnectionEvent {
                    time_ms: now_ms(),
                    ..event
                }),
                Err(error) => {
                    tracing::error!(%error, session, "the last words of a session can't be read");
                    continue;
                }
            };
            self.metrics.events.add(1);
            pending.push(self.archive.enqueue_closed(session, body).await?);
        }
        for pending in pending {
            pending.durable().await?;
        }
        Ok(count)
    }

    fn note(&self, occurrence: Occurrence) -> Vec<u8> {
        self.metrics.events.add(1);
        if let Some(story) = occurrence.story {
            self.tell(story);
        }
        encode(&self.sealed(occurrence.event))
    }

    /// With the address as it is recorded.
    fn sealed(&self, mut event: ConnectionEvent) -> ConnectionEvent {
        if let Some(key) = &self.config.address_key
            && let Ok(address) = event.address.parse()
        {
            event.address = key.seal(address);
        }
        event
    }
}

/// The engine asks the hub.
pub struct EngineRights(pub Arc<Hub>);

impl EngineRights {
    fn client(session: &str) -> Option<ClientId> {
        engine::client_of(session).parse().ok()
    }
}

impl Rights for EngineRights {
    fn may_publish(&self, session: &str, topic: &str) -> bool {
        Self::client(session).is_some_and(|client| {
            rights::publish_topic(&self.0.ledger.view(), &client, topic, now_ms())
        })
    }

    fn may_subscribe(&self, session: &str, filter: &str) -> bool {
        Self::client(session).is_some_and(|client| {
            rights::subscribe(&self.0.ledger.view(), &client, filter, now_ms()).is_ok()
        })
    }
}

/// The live sessions.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<u64, Arc<Session>>>);

impl Sessions {
    /// A session began.
    pub fn insert(&self, session: Arc<Session>) {
        self.lock().insert(session.id, session);
    }

    /// A session ended.
    pub fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.lock().values().cloned().collect()
    }

    /// Whether a session of this name lives, other than this one.
    pub fn has_other(&self, session: &Session) -> bool {
        self.lock()
            .values()
            .any(|other| other.id != session.id && other.name == session.name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
