//! Keep encrypted messages and packages on disk.
//!
//! A message's way: [`Archive::append`] → the writer's queue → one committed transaction with
//! whatever else was waiting → the caller hears that it is durable → (the gateway sends PUBACK).
//! When a topic has gathered enough messages, bytes or age, its *package* is closed: an SM3 Merkle
//! root over the records, a deterministic id, and an entry in the *outbox* for its anchor, all in
//! one transaction.
//!
//! The outbox holds what the ledger has to hear (connection events, anchors, retrievals, evaluations) until a
//! block holds it. The order of steps makes each of them arrive once, whatever crashes when:
//!
//! 1. [`Archive::bind`]: the signed transaction and the entries it carries, on disk, before anyone
//!    sees the transaction.
//! 2. Submit; after a crash submit the same bytes again (the ledger knows a transaction by its id).
//! 3. [`Archive::settle`] when a block holds it: the entries are done. Or [`Archive::release`] when
//!    its expiry height passed without it: no block ever will hold it, so the entries are free for
//!    another transaction.
//!
//! Beside the outbox lies what would have to be said of every open session if the program stopped
//! without notice ([`Archive::enqueue_opened`]); the next one says it ([`Archive::open_sessions`]).
//! And what was used and may be used once (tokens, signed requests), until it expires by itself, so
//! that a restart doesn't make it good again ([`Archive::remember`]).
//!
//! # Invariants
//! - What `append` answered with `Ok` is on disk (`synchronous = FULL`).
//! - Queue and memory are bounded: [`QUEUE_COMMANDS`], [`QUEUE_BYTES`].
//! - Reading a package checks every record against its leaf and the leaves against the root
//!   ([`PackageError::Damaged`] names the record).

mod read;
mod record;
mod schema;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use sealwire_envelope::{ClientId, TopicName};
use sealwire_sm::Sm3Digest;
use sqlx::SqlitePool;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use writer::{Command, Done, Session, Writer};

/// SQLite failed to read.
pub use sqlx::Error as ReadError;

pub use read::{PackageError, PackageRow, Record, Totals};

/// Commands that wait for the writer.
pub const QUEUE_COMMANDS: usize = 4_096;
/// Payload bytes that wait for the writer, in bytes.
pub const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// What a message costs in the queue beside its payload, in bytes.
const MESSAGE_BYTES: usize = 256;
/// Closed packages that a listener may be behind.
const CLOSED_BACKLOG: usize = 256;

/// When a package is closed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Messages of a package.
    pub package_messages: u64,
    /// Payload bytes of a package.
    pub package_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            package_messages: 1_000,
            package_bytes: 8 * 1024 * 1024,
        }
    }
}

/// A message on its way to disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Topic it was published on.
    pub topic: TopicName,
    /// Client that published it.
    pub sender: ClientId,
    /// When the gateway received it, in milliseconds since 1970.
    pub received_ms: u64,
    /// Quality of service, 0 to 2.
    pub qos: u8,
    /// Key epoch of the payload; 0 on an open topic.
    pub epoch: u32,
    /// The payload as it was published.
    pub payload: Bytes,
}

/// What an outbox entry is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A connection event.
    Event = 0,
    /// A package to anchor: the body is the package id.
    Anchor = 1,
    /// A retrieval record.
    Retrieval = 2,
    /// An evaluation.
    Evaluation = 3,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Event, Self::Anchor, Self::Retrieval, Self::Evaluation];
}

/// An outbox entry that no transaction carries yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Number of the entry.
    pub id: i64,
    /// Encoded event, package id, encoded retrieval, or encoded evaluation.
    pub body: Vec<u8>,
}

/// A signed transaction that carries outbox entries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bound {
    /// Transaction id.
    pub id: Sm3Digest,
    /// What it carries.
    pub kind: Kind,
    /// The signed transaction, as it was and will be submitted.
    pub bytes: Vec<u8>,
    /// Last height that may hold it.
    pub expiry_height: u64,
}

/// Something that may be used once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Used {
    /// What it is known by.
    pub digest: Sm3Digest,
    /// What for; the caller's numbers.
    pub purpose: u8,
    /// When it expires by itself, seconds since 1970.
    pub expiry_s: u64,
}

/// The archive can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory can't be made.
    #[error("can't create the directory of the archive {path}")]
    Directory {
        /// The archive's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refuses the file.
    #[error("can't open the archive {path}")]
    Database {
        /// The archive's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The tables are of a version this program doesn't know.
    #[error("the archive {path} has tables of version {found}, this program knows {known}")]
    Version {
        /// The archive's file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Version of this program.
        known: i64,
    },
}

/// A write wasn't made durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// SQLite refused; nothing of the batch was kept.
    #[error("the archive couldn't write: {0}")]
    Database(String),
    /// The writer has stopped.
    #[error("the archive is closed")]
    Closed,
    /// The message is larger than the whole queue.
    #[error("a message of {bytes} bytes is larger than the archive's queue")]
    TooLarge {
        /// Size of the payload.
        bytes: usize,
    },
}

/// A write that is on its way; resolves when it is durable.
#[must_use = "the write is durable only once this resolved"]
pub struct Pending<T>(oneshot::Receiver<Result<T, WriteError>>);

impl<T> Pending<T> {
    /// Wait until the write is on disk.
    ///
    /// # Errors
    /// [`WriteError`] if it isn't.
    pub async fn durable(self) -> Result<T, WriteError> {
        self.0.await.unwrap_or(Err(WriteError::Closed))
    }
}

/// A gateway's archive. Clones share one writer; the last one that goes closes it.
#[derive(Clone)]
pub struct Archive {
    commands: mpsc::Sender<Command>,
    queue: Arc<Semaphore>,
    readers: SqlitePool,
    closed: broadcast::Sender<PackageRow>,
}

impl Archive {
    /// Open the archive of `gateway` in the file `path`, creating it if need be.
    ///
    /// # Errors
    /// [`OpenError`] if the file can't be opened or isn't an archive.
    pub async fn open(path: &Path, gateway: &ClientId, limits: Limits) -> Result<Self, OpenError> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|source| OpenError::Directory {
                path: path.to_owned(),
                source,
            })?;
        }
        let db = schema::writer(path).await?;
        let (closed, _) = broadcast::channel(CLOSED_BACKLOG);
        let writer = Writer::new(db, limits, gateway.clone(), closed.clone())
            .await
            .map_err(|source| OpenError::Database {
                path: path.to_owned(),
                source,
            })?;
        let readers = schema::readers(path).await?;
        let (commands, receiver) = mpsc::channel(QUEUE_COMMANDS);
        tokio::spawn(writer.run(receiver));
        let queue = Arc::new(Semaphore::new(QUEUE_BYTES));
        Ok(Self {
            commands,
            queue,
            readers,
            closed,
        })
    }

    /// Hand a message to the writer. Waits while the queue is full; the message is durable when
    /// the returned [`Pending`] resolves. Messages of one caller are archived in call order.
    ///
    /// # Errors
    /// [`WriteError`] if the archive is closed or the message can't ever fit.
    pub async fn append(&self, message: Message) -> Result<Pending<()>, WriteError> {
        let bytes = message.payload.len() + MESSAGE_BYTES;
        if bytes > QUEUE_BYTES {
            return Err(WriteError::TooLarge { bytes });
        }
        let leaf = record::leaf(&message);
        let permit = self.queue.clone().acquire_many_owned(bytes as u32).await;
        let permit = permit.map_err(|_| WriteError::Closed)?;
        self.send(|done| Command::Append {
            message,
            leaf,
            permit,
            done: Some(done),
        })
        .await
    }

    /// Hand over a QoS 0 message if there is room; `false` if there was none.
    pub fn append_best_effort(&self, message: Message) -> bool {
        let bytes = (message.payload.len() + MESSAGE_BYTES).min(QUEUE_BYTES);
        let Ok(permit) = self.queue.clone().try_acquire_many_owned(bytes as u32) else {
            return false;
        };
        let leaf = record::leaf(&message);
        self.commands
            .try_send(Command::Append {
                message,
                leaf,
                permit,
                done: None,
            })
            .is_ok()
    }

    /// Add an entry to the outbox.
    ///
    /// # Errors
    /// [`WriteError::Closed`] if the archive is closed.
    pub async fn enqueue(&self, kind: Kind, body: Vec<u8>) -> Result<Pending<()>, WriteError> {
        self.send(|done| Command::Enqueue {
            kind,
            body,
            session: None,
            done: Some(done),
        })
        .await
    }

    /// Add the event that a session was opened to the outbox, and keep `last_words` beside it until
    /// [`Archive::enqueue_closed`]: the event to record if this program stops without notice.
    ///
    /// # Errors
    /// [`WriteError::Closed`] if the archive is closed.
    pub async fn enqueue_opened(
        &self,
        id: u64,
        body: Vec<u8>,
        last_words: Vec<u8>,
    ) -> Result<Pending<()>, WriteError> {
        self.send(|done| Command::Enqueue {
            kind: Kind::Event,
            body,
            session: Some(Session::Opened { id, last_words }),
            done: Some(done),
        })
        .await
    }

    /// Add the event that a session was closed to the outbox, and forget its last words.
    ///
    /// # Errors
    /// [`WriteError::Closed`] if the archive is closed.
    pub async fn enqueue_closed(&self, id: u64, body: Vec<u8>) -> Result<Pending<()>, WriteError> {
        self.send(|done| Command::Enqueue {
            kind: Kind::Event,
            body,
            session: Some(Session::Closed { id }),
            done: Some(done),
        })
        .await
    }

    /// Remember that something was used, until it expires by itself; what has expired at `now_s`,
    /// seconds since 1970, is forgotten.
    ///
    /// # Errors
    /// [`WriteError`] if that isn't on disk: don't take it as used.
    pub async fn remember(&self, used: Used, now_s: u64) -> Result<(), WriteError> {
        self.send(|done| Command::Use { used, now_s, done })
            .await?
            .durable()
            .await
    }

    /// As [`Archive::enqueue`], without waiting for room.
    ///
    /// # Errors
    /// The body, if the queue is full or closed.
    pub fn try_enqueue(&self, kind: Kind, body: Vec<u8>) -> Result<(), Vec<u8>> {
        let command = Command::Enqueue {
            kind,
            body,
            session: None,
            done: None,
        };
        self.commands
            .try_send(command)
            .map_err(|e| match e.into_inner() {
                Command::Enqueue { body, .. } => body,
                _ => Vec::new(),
            })
    }

    /// Close the packages whose first message is at least `age_ms` older than `now_ms`.
    ///
    /// # Errors
    /// [`WriteError`] if that isn't on disk.
    pub async fn close_due(&self, now_ms: u64, age_ms: u64) -> Result<Vec<PackageRow>, WriteError> {
        self.send(|done| Command::CloseDue {
            now_ms,
            age_ms,
            done,
        })
        .await?
        .durable()
        .await
    }

    /// Bind outbox entries to a signed transaction. Call before submitting it.
    ///
    /// # Errors
    /// [`WriteError`] if that isn't on disk: don't submit.
    pub async fn bind(&self, transaction: Bound, entries: Vec<i64>) -> Result<(), WriteError> {
        self.send(|done| Command::Bind {
            transaction,
            entries,
            done,
        })
        .await?
        .durable()
        .await
    }

    /// A block holds the transaction: its entries are done; packages among them are anchored.
    ///
    /// # Errors
    /// [`WriteError`] if that isn't on disk.
    pub async fn settle(&self, id: Sm3Digest, height: u64) -> Result<(), WriteError> {
        self.send(|done| Command::Settle { id, height, done })
            .await?
            .durable()
            .await
    }

    /// No block ever will hold the transaction, or it was refused: its entries are free again.
    ///
    /// # Errors
    /// [`WriteError`] if that isn't on disk.
    pub async fn release(&self, id: Sm3Digest) -> Result<(), WriteError> {
        self.send(|done| Command::Release { id, done })
            .await?
            .durable()
            .await
    }

    /// Packages as they are closed.
    pub fn closed_packages(&self) -> broadcast::Receiver<PackageRow> {
        self.closed.subscribe()
    }

    async fn send<T>(
        &self,
        command: impl FnOnce(Done<T>) -> Command,
    ) -> Result<Pending<T>, WriteError> {
        let (done, pending) = oneshot::channel();
        self.commands
            .send(command(done))
            .await
            .map_err(|_| WriteError::Closed)?;
        Ok(Pending(pending))
    }
}

/// A digest column.
fn digest(bytes: &[u8]) -> Result<Sm3Digest, sqlx::Error> {
    Sm3Digest::try_from(bytes).map_err(|e| sqlx::Error::Decode(Box::new(e)))
}
