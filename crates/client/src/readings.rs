//! Publish encrypted readings: what a device does so that a gateway can compute on them unread.
//!
//! ```text
//! readings ─► encrypt (compute key's public half) ─► parts that fit into a message ─► sign ─► MQTT, QoS 1
//! ```
//!
//! # Invariants
//! - No secret of the compute key is needed, or known, here.
//! - Readings are published on an *open* topic only: on another one the gateway would see no ciphertext.
//! - A batch's parts have sequences in a row, of the device's own count ([`crate::sequence`]).
//! - [`Publisher::publish`] returns when every part is on the gateway's disk. When it fails in between, the
//!   batch has parts missing, so that no evaluation counts it: publish it anew.

use std::sync::Arc;

use sealwire_compute::{Encryptor, KeyError, Origin, reading::Reading, scheme::EncryptError};
use sealwire_envelope::{
    TopicMode, TopicName,
    compute::{ComputeKey, Form, SignedReading},
    record::PAYLOAD_MAX_BYTES,
};

use crate::{
    keyring::KeyringError,
    mqtt::{PublishError, QoS, Session},
    sequence::SequenceError,
};

/// Bytes of a payload that its signature takes, and the array around it.
const SIGNATURE_BYTES: usize = 72;
/// Room for MQTT's own header, in bytes: some brokers count it.
const PACKET_BYTES: usize = 512;
/// Parts of a batch that may be unacknowledged at a time.
const IN_FLIGHT_MAX: usize = 16;

/// Readings weren't published, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum ReadingsError {
    /// The public half isn't the compute key's.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// They can't be encrypted.
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// The topic isn't open.
    #[error(
        "{topic} isn't an open topic: its messages are sealed, so that a gateway can't compute on them; \
         register one with --open"
    )]
    Sealed {
        /// Which topic.
        topic: TopicName,
    },
    /// The topic isn't known.
    #[error(transparent)]
    Topic(#[from] KeyringError),
    /// No sequence.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The gateway didn't take it.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The encrypting thread is gone.
    #[error("encrypting was broken off")]
    Stopped,
}

/// What was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Published {
    /// Readings.
    pub readings: usize,
    /// Which batch of its sender: the sequence of its first part.
    pub batch: u64,
    /// Messages.
    pub parts: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
}

/// Encrypts to one compute key and publishes.
#[derive(Clone, Debug)]
pub struct Publisher {
    encryptor: Arc<Encryptor>,
    payload_bytes_max: usize,
}

impl Publisher {
    /// For a compute key and the bytes of its public half.
    ///
    /// # Errors
    /// [`ReadingsError::Key`].
    pub fn new(key: &ComputeKey, public: &[u8]) -> Result<Self, ReadingsError> {
        sealwire_compute::check_public(key, public)?;
        let encryptor = Arc::new(Encryptor::new(key, public)?);
        Ok(Self {
            encryptor,
            payload_bytes_max: PAYLOAD_MAX_BYTES,
        })
    }

    /// Messages no longer than this, for gateways with a limit of their own; [`PAYLOAD_MAX_BYTES`] without.
    #[must_use]
    pub fn with_payload_bytes_max(mut self, bytes: usize) -> Self {
        self.payload_bytes_max = bytes;
        self
    }

    /// Encrypts a batch of readings, publishes it, and waits until the gateway has all of it on disk.
    ///
    /// # Errors
    /// [`ReadingsError`].
    pub async fn publish(
        &self,
        session: &Session,
        topic: &TopicName,
        form: Form,
        readings: Vec<Reading>,
    ) -> Result<Published, ReadingsError> {
        if session.keyring().mode(topic).await? != TopicMode::Open {
            let topic = topic.clone();
            return Err(ReadingsError::Sealed { topic });
        }
        let identity = session.identity();
        let count = readings.len();
        let origin = Origin {
            topic: topic.clone(),
            sender: identity.client().clone(),
            sequence: 0,
        };
        let (encryptor, payload_bytes_max) = (self.encryptor.clone(), self.payload_bytes_max);
        let limit_bytes = payload_bytes_max.saturating_sub(SIGNATURE_BYTES + PACKET_BYTES);
        let encrypting = tokio::task::spawn_blocking(move || {
            encryptor.batch(&origin, form, &readings, limit_bytes, &mut rand::rng())
        });
        let mut bodies = encrypting.await.map_err(|_| ReadingsError::Stopped)??;
        // How many parts there are is known only now.
        let run = identity.sequence().next_run(bodies.len() as u64).await?;
        for (body, sequence) in bodies.iter_mut().zip(run.clone()) {
            (body.sequence, body.batch) = (sequence, run.start);
        }
        let (parts, mut bytes) = (bodies.len(), 0);
        let mut in_flight = std::collections::VecDeque::new();
        for body in bodies {
            let payload = SignedReading::sign(body, identity.key()).to_bytes();
            bytes += payload.len();
            let sent = session.send_payload(topic.as_str(), payload, QoS::AtLeastOnce);
            in_flight.push_back(sent.await?);
            if in_flight.len() >= IN_FLIGHT_MAX
                && let Some(oldest) = in_flight.pop_front()
            {
                oldest.confirmed().await?;
            }
        }
        for delivery in in_flight {
            delivery.confirmed().await?;
        }
        Ok(Published {
            readings: count,
            batch: run.start,
            parts,
            bytes,
        })
    }
}
