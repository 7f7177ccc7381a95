//! Keys that a client needs for messages: topic keys, unsealed, and senders' public keys.
//!
//! Both come from the ledger and are remembered, within bounds. The present epoch of a topic is
//! asked again after [`EPOCH_BELIEVED`]: after a revocation a publisher seals under the new key at
//! most that much later (the revoked reader gets no messages in between: the gateway withholds
//! them). While the ledger is away what is remembered stays good, so that publishing goes on.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sealwire_contracts::entry::TopicEntry;
use sealwire_envelope::{ClientId, KeyEpoch, TopicMode, TopicName};
use sealwire_sm::{PublicKey, sm4};

use crate::{
    bounded::Bounded,
    identity::Identity,
    ledger::{Ledger, LedgerError},
};

/// Topics that are remembered.
const TOPICS_MAX: usize = 4_096;
/// Topic keys that are remembered.
const KEYS_MAX: usize = 4_096;
/// Senders that are remembered.
const SENDERS_MAX: usize = 4_096;
/// How long a topic's epoch is believed to be the present one.
pub const EPOCH_BELIEVED: Duration = Duration::from_secs(5);
/// How long the ledger may take to say so again; then what is remembered counts.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(1);
/// How soon a sender that was looked up is looked up again, when its signature is wrong.
const SENDER_AGAIN: Duration = Duration::from_secs(5);

/// A key can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The ledger couldn't be asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is no such topic.
    #[error("topic {topic} isn't registered: its owner must register it")]
    UnknownTopic {
        /// Which one.
        topic: TopicName,
    },
    /// The key was never sealed to us.
    #[error("{client} has no key of epoch {epoch} of {topic}: its owner must grant it")]
    NoKey {
        /// Who lacks it.
        client: ClientId,
        /// Of which topic.
        topic: TopicName,
        /// Of which epoch.
        epoch: KeyEpoch,
    },
    /// The key was sealed to another certificate of ours, or not properly.
    #[error(
        "the key of epoch {epoch} of {topic} doesn't open with our key: its owner must grant it again"
    )]
    Unseal {
        /// Of which topic.
        topic: TopicName,
        /// Of which epoch.
        epoch: KeyEpoch,
    },
    /// Nobody knows the sender.
    #[error("{client} isn't registered")]
    UnknownClient {
        /// Who.
        client: ClientId,
    },
}

/// What to seal with now.
pub struct Present {
    /// The topic's present epoch.
    pub epoch: KeyEpoch,
    /// Its key; none on an open topic.
    pub key: Option<sm4::Key>,
}

/// Finds and remembers keys for one identity.
pub struct Keyring {
    identity: Identity,
    ledger: Arc<Ledger>,
    topics: Mutex<Bounded<TopicName, (TopicEntry, Instant)>>,
    keys: Mutex<Bounded<(TopicName, KeyEpoch), sm4::Key>>,
    senders: Mutex<Bounded<ClientId, (PublicKey, Instant)>>,
}

impl Keyring {
    /// An empty keyring.
    pub fn new(identity: Identity, ledger: Arc<Ledger>) -> Self {
        Self {
            identity,
            ledger,
            topics: Mutex::new(Bounded::new(TOPICS_MAX)),
            keys: Mutex::new(Bounded::new(KEYS_MAX)),
            senders: Mutex::new(Bounded::new(SENDERS_MAX)),
        }
    }

    /// The ledger it asks.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Whose it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The topic's present epoch and its key.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn present(&self, topic: &TopicName) -> Result<Present, KeyringError> {
        let entry = self.topic(topic, EPOCH_BELIEVED).await?;
        let key = match entry.mode {
            TopicMode::Open => None,
            TopicMode::Sealed => Some(self.key(topic, entry.epoch).await?),
        };
        Ok(Present {
            epoch: entry.epoch,
            key,
        })
    }

    /// Whether the topic is sealed; that never changes.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn mode(&self, topic: &TopicName) -> Result<TopicMode, KeyringError> {
        Ok(self.topic(topic, Duration::MAX).await?.mode)
    }

    async fn topic(
        &self,
        topic: &TopicName,
        believed: Duration,
    ) -> Result<TopicEntry, KeyringError> {
        let known = lock(&self.topics).get(topic).cloned();
        if let Some((entry, at)) = &known
            && at.elapsed() <= believed
        {
            return Ok(entry.clone());
        }
        let asked = self.ledger.topic(topic);
        let answer = match &known {
            None => asked.await?,
            Some((entry, _)) => match tokio::time::timeout(ASK_AGAIN_MAX, asked).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) | Err(_) => {
                    tracing::warn!(%topic, "the ledger is away: sealing with the last known key");
                    Some(entry.clone())
                }
            },
        };
        let entry = answer.ok_or_else(|| KeyringError::UnknownTopic {
            topic: topic.clone(),
        })?;
        lock(&self.topics).insert(topic.clone(), (entry.clone(), Instant::now()));
        Ok(entry)
    }

    /// The key of an epoch, as it was sealed to us.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn key(&self, topic: &TopicName, epoch: KeyEpoch) -> Result<sm4::Key, KeyringError> {
        let place = (topic.clone(), epoch);
        if let Some(key) = lock(&self.keys).get(&place) {
            return Ok(key.clone());
        }
        let client = self.identity.client();
        let sealed = self.ledger.sealed_key(topic, epoch, client).await?;
        let Some(sealed) = sealed else {
            let (client, topic) = (client.clone(), topic.clone());
            return Err(KeyringError::NoKey {
                client,
                topic,
                epoch,
            });
        };
        let unseal = || KeyringError::Unseal {
            topic: topic.clone(),
            epoch,
        };
        // After a renewal some keys are still sealed to the key before.
        let opened = self.identity.key().open(&sealed.sealed);
        let plain = opened
            .or_else(|error| match self.identity.previous() {
                Some(previous) => previous.open(&sealed.sealed),
                None => Err(error),
            })
            .map_err(|_| unseal())?;
        let key = sm4::Key::from_slice(&plain).map_err(|_| unseal())?;
        lock(&self.keys).insert(place, key.clone());
        Ok(key)
    }

    /// A client's public key.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn sender(&self, client: &ClientId) -> Result<PublicKey, KeyringError> {
        if let Some((key, _)) = lock(&self.senders).get(client) {
            return Ok(key.clone());
        }
        let unknown = || KeyringError::UnknownClient {
            client: client.clone(),
        };
        let record = self.ledger.client(client).await?.ok_or_else(unknown)?;
        let key = PublicKey::from_sec1(&record.certificate.public_key).map_err(|_| unknown())?;
        lock(&self.senders).insert(client.clone(), (key.clone(), Instant::now()));
        Ok(key)
    }

    /// Looks the sender up anew next time, unless that was just done.
    pub fn forget_sender(&self, client: &ClientId) {
        let mut senders = lock(&self.senders);
        if senders
            .get(client)
            .is_some_and(|(_, at)| at.elapsed() > SENDER_AGAIN)
        {
            senders.remove(client);
        }
    }

    /// Asks for the topic anew next time: it has just changed.
    pub fn forget_topic(&self, topic: &TopicName) {
        lock(&self.topics).remove(topic);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
