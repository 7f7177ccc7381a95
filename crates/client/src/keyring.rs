//! Keys that a client needs for messages: topic keys, unsealed, and senders' public keys.
//!
//! Both come from the ledger and are remembered, within bounds. The present epoch of a topic is
//! asked again after [`EPOCH_BELIEVED`]: after a revocation a publisher seals under the new key at
//! most that much later (the revoked reader gets no messages in between: the gateway withholds
//! them). While the ledger is away what is remembered stays good, so that publishing goes on.
//!
//! A message is signed with the key that its sender had *then*. Where the present key doesn't verify it,
//! the keys of the sender's former certificates do ([`Keyring::former`]), each for its own time: a
//! certificate that was renewed for what was received until then, one that was revoked for nothing later.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sealwire_contracts::entry::{CertificateEntry, TopicEntry};
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
/// Senders whose former certificates are remembered.
const FORMERS_MAX: usize = 256;
/// How long a topic's epoch is believed to be the present one.
pub const EPOCH_BELIEVED: Duration = Duration::from_secs(5);
/// How long the ledger may take to say so again; then what is remembered counts.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(1);
/// How soon a sender that was looked up is looked up again, when its signature is wrong.
const SENDER_AGAIN: Duration = Duration::from_secs(5);

/// Former certificates of a client that are looked at: with one renewal a day, a month of them.
const FORMER_MAX: usize = 32;
/// How far a gateway's clock and a block's time may lie apart, in milliseconds.
const CLOCKS_APART_MS: u64 = sealwire_contracts::limits::CLOCK_AHEAD_MS;

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

/// A client's former certificates, and when they were asked for.
type Formers = Bounded<ClientId, (Arc<[CertificateEntry]>, Instant)>;

/// Finds and remembers keys for one identity.
pub struct Keyring {
    identity: Identity,
    ledger: Arc<Ledger>,
    topics: Mutex<Bounded<TopicName, (TopicEntry, Instant)>>,
    keys: Mutex<Bounded<(TopicName, KeyEpoch), sm4::Key>>,
    senders: Mutex<Bounded<ClientId, (PublicKey, Instant)>>,
    former: Mutex<Formers>,
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
            former: Mutex::new(Bounded::new(FORMERS_MAX)),
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

    /// The keys of the client's former certificates that could have signed a message received at that
    /// time (milliseconds since 1970, as its gateway says), the newest first. A message that came live or
    /// retained has no such time: for it only certificates that were renewed count, none that was revoked.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn former(
        &self,
        client: &ClientId,
        received_ms: Option<u64>,
    ) -> Result<Vec<PublicKey>, KeyringError> {
        let known = lock(&self.former).get(client).cloned();
        let certificates = match known {
            Some((certificates, at)) if at.elapsed() <= SENDER_AGAIN => certificates,
            _ => {
                let found: Arc<[_]> = self.former_certificates(client).await?.into();
                let entry = (found.clone(), Instant::now());
                lock(&self.former).insert(client.clone(), entry);
                found
            }
        };
        let then = certificates
            .iter()
            .filter(|it| could_sign(it, received_ms))
            .filter_map(|it| PublicKey::from_sec1(&it.public_key).ok());
        Ok(then.collect())
    }

    async fn former_certificates(
        &self,
        client: &ClientId,
    ) -> Result<Vec<CertificateEntry>, KeyringError> {
        let mut found = Vec::new();
        let Some(present) = self.ledger.client(client).await? else {
            return Ok(found);
        };
        let mut since = present.since_height;
        while found.len() < FORMER_MAX {
            let Some((entry, certificate)) = self.ledger.client_before(client, since).await? else {
                break;
            };
            found.push(certificate);
            // No contract writes a version that is younger than its successor: don't turn in circles.
            if entry.since.height >= since {
                break;
            }
            since = entry.since.height;
        }
        Ok(found)
    }

    /// Asks for the topic anew next time: it has just changed.
    pub fn forget_topic(&self, topic: &TopicName) {
        lock(&self.topics).remove(topic);
    }
}

/// Whether a former certificate's key counts for a message received at that time.
fn could_sign(certificate: &CertificateEntry, received_ms: Option<u64>) -> bool {
    let renewed = certificate.superseded();
    let Some(received_ms) = received_ms else {
        return renewed.is_some();
    };
    let begun_ms = certificate.registered.time_ms;
    let until_ms = match (renewed, &certificate.revoked) {
        (Some(at), _) => at.time_ms.saturating_add(CLOCKS_APART_MS),
        (None, Some(revoked)) => revoked.at.time_ms,
        (None, None) => certificate.not_after_s.saturating_mul(1000),
    };
    begun_ms <= received_ms.saturating_add(CLOCKS_APART_MS) && received_ms <= until_ms
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealwire_contracts::entry::{Moment, Revocation};

    const HOUR_MS: u64 = 3_600_000;

    fn certificate(ended_ms: Option<u64>, by: &str) -> CertificateEntry {
        let moment = |time_ms| Moment { height: 1, time_ms };
        CertificateEntry {
            client: "acme.press-7".parse().unwrap(),
            role: sealwire_sm::Role::Device,
            not_before_s: 0,
            not_after_s: 100 * HOUR_MS / 1000,
            public_key: vec![].into(),
            der: vec![].into(),
            registered: moment(10 * HOUR_MS),
            revoked: ended_ms.map(|time_ms| Revocation {
                at: moment(time_ms),
                by: by.parse().unwrap(),
                reason: String::new(),
            }),
            suspensions: vec![],
        }
    }

    #[test]
    fn a_former_certificate_counts_for_its_own_time() {
        let renewed = certificate(Some(20 * HOUR_MS), "acme.press-7");
        let revoked = certificate(Some(20 * HOUR_MS), "acme.operator");
        let expired = certificate(None, "acme.operator");
        for (received_h, by_renewed, by_revoked, by_expired) in [
            (9, false, false, false),
            (10, true, true, true),
            (20, true, true, true),
            (21, false, false, true),
            (101, false, false, false),
        ] {
            let at = Some(received_h * HOUR_MS);
            let found = [&renewed, &revoked, &expired].map(|it| could_sign(it, at));
            assert_eq!(
                found,
                [by_renewed, by_revoked, by_expired],
                "{received_h} h"
            );
        }
        // Clocks apart help who renewed, never who was revoked.
        let soon_after = Some(20 * HOUR_MS + 1);
        assert!(could_sign(&renewed, soon_after) && !could_sign(&revoked, soon_after));
        // Live messages have no time.
        assert!(could_sign(&renewed, None));
        assert!(!could_sign(&revoked, None) && !could_sign(&expired, None));
    }
}
