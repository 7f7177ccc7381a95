//! The writer: one task that owns the only connection that writes, and commits in groups.
//!
//! It takes whatever commands are waiting (at most [`BATCH_COMMANDS`]), applies them in one
//! transaction, commits (one fsync), and only then answers each. A command that can't be applied
//! fails the batch: everybody in it gets the error, nothing of it is on disk, and nothing was
//! acknowledged.
//!
//! # Invariants
//! - `seq` of messages grows by one in the order of acknowledgement.
//! - A message is in at most one package; the messages of a topic in (`closed_seq`, ∞) are its
//!   open package, and the map `open` says how many they are. After a failed batch the map is
//!   read again from the tables.
//! - A package, its outbox entry and the topic's new `closed_seq` are committed together.

use std::collections::{BTreeMap, BTreeSet};

use sealwire_receipt::merkle;
use sealwire_sm::Sm3Digest;
use sqlx::{Connection as _, Executor as _, QueryBuilder, Row as _, Sqlite, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::{Kind, Limits, Message, PackageRow, WriteError};
use sealwire_envelope::ClientId;

/// Commands that one transaction takes.
pub(crate) const BATCH_COMMANDS: usize = 512;
/// Rows of one INSERT; a power of two, smaller remainders use the smaller powers.
const INSERT_ROWS: usize = 64;
/// Different senders in one package; the ledger takes 256.
const PACKAGE_SENDERS: usize = 256;

pub(crate) type Done<T> = oneshot::Sender<Result<T, WriteError>>;

/// What the writer does.
pub(crate) enum Command {
    /// Add a message. `done` is `None` for QoS 0.
    Append {
        message: Message,
        leaf: Sm3Digest,
        permit: OwnedSemaphorePermit,
        done: Option<Done<()>>,
    },
    /// Add an entry to the outbox.
    Enqueue {
        kind: Kind,
        body: Vec<u8>,
        session: Option<Session>,
        done: Option<Done<()>>,
    },
    /// Remember that something was used, until it expires by itself.
    Use {
        used: crate::Used,
        now_s: u64,
        done: Done<()>,
    },
    /// Close the packages that are older than `age_ms` at `now_ms`.
    CloseDue {
        now_ms: u64,
        age_ms: u64,
        done: Done<Vec<PackageRow>>,
    },
    /// Bind outbox entries to a signed transaction before it is submitted.
    Bind {
        transaction: crate::Bound,
        entries: Vec<i64>,
        done: Done<()>,
    },
    /// The transaction is final: its entries have served.
    Settle {
        id: Sm3Digest,
        height: u64,
        done: Done<()>,
    },
    /// The transaction never will be, or was refused: its entries are free again.
    Release { id: Sm3Digest, done: Done<()> },
}

/// What an outbox entry says of a session, committed with it.
pub(crate) enum Session {
    Opened { id: u64, last_words: Vec<u8> },
    Closed { id: u64 },
}

/// An answer that waits for the commit.
enum Answer {
    Unit(Done<()>),
    Packages(Done<Vec<PackageRow>>, Vec<PackageRow>),
}

/// The open package of a topic.
#[derive(Clone, Debug)]
struct Open {
    topic: i64,
    count: u64,
    bytes: u64,
    first_received_ms: u64,
    epoch: u32,
    senders: BTreeSet<String>,
}

struct Row {
    seq: i64,
    topic: i64,
    leaf: Sm3Digest,
    message: Message,
}

pub(crate) struct Writer {
    db: SqliteConnection,
    limits: Limits,
    gateway: ClientId,
    topics: BTreeMap<String, i64>,
    open: BTreeMap<String, Open>,
    next_seq: i64,
    rows: Vec<Row>,
    closed: tokio::sync::broadcast::Sender<PackageRow>,
}

impl Writer {
    pub(crate) async fn new(
        db: SqliteConnection,
        limits: Limits,
        gateway: ClientId,
        closed: tokio::sync::broadcast::Sender<PackageRow>,
    ) -> Result<Self, sqlx::Error> {
        let mut writer = Self {
            db,
            limits,
            gateway,
            topics: BTreeMap::new(),
            open: BTreeMap::new(),
            next_seq: 1,
            rows: Vec::new(),
            closed,
        };
        writer.reload().await?;
        Ok(writer)
    }

    /// Until every handle is gone.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(BATCH_COMMANDS);
        while commands.recv_many(&mut batch, BATCH_COMMANDS).await > 0 {
            self.apply(&mut batch).await;
        }
        if let Err(error) = self.db.close().await {
            tracing::warn!(%error, "the archive didn't close cleanly");
        }
    }

    async fn apply(&mut self, batch: &mut Vec<Command>) {
        let mut answers = Vec::with_capacity(batch.len());
        let mut permits = Vec::with_capacity(batch.len());
        let mut closed = Vec::new();
        let result = self
            .transact(batch, &mut answers, &mut permits, &mut closed)
            .await;
        if let Err(error) = &result {
            tracing::error!(%error, "the archive couldn't write");
            self.rows.clear();
            // The connection may be inside the failed transaction; a second failure here shows
            // up again with the next batch.
            let _ = self.db.execute("ROLLBACK").await;
            if let Err(error) = self.reload().await {
                tracing::error!(%error, "the archive couldn't read its tables again");
            }
        } else {
            for package in closed {
                // Nobody listening is fine: the tables are the truth.
                let _ = self.closed.send(package);
            }
        }
        let failure = result.err().map(|e| WriteError::Database(e.to_string()));
        // A caller that went away needs no answer.
        for answer in answers {
            match (answer, &failure) {
                (Answer::Unit(done), None) => drop(done.send(Ok(()))),
                (Answer::Unit(done), Some(e)) => drop(done.send(Err(e.clone()))),
                (Answer::Packages(done, packages), None) => drop(done.send(Ok(packages))),
                (Answer::Packages(done, _), Some(e)) => drop(done.send(Err(e.clone()))),
            }
        }
    }

    async fn transact(
        &mut self,
        batch: &mut Vec<Command>,
        answers: &mut Vec<Answer>,
        permits: &mut Vec<OwnedSemaphorePermit>,
        closed: &mut Vec<PackageRow>,
    ) -> Result<(), sqlx::Error> {
        // Take every answer first: whoever waits hears of a failure too.
        let mut failed = self.db.execute("BEGIN IMMEDIATE").await.err();
        for command in batch.drain(..) {
            let step = if failed.is_some() {
                Step::Skip
            } else {
                Step::Do
            };
            if let Err(error) = self.command(command, step, answers, permits, closed).await {
                failed.get_or_insert(error);
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        self.flush().await?;
        self.db.execute("COMMIT").await.map(drop)
    }

    async fn command(
        &mut self,
        command: Command,
        step: Step,
        answers: &mut Vec<Answer>,
        permits: &mut Vec<OwnedSemaphorePermit>,
        closed: &mut Vec<PackageRow>,
    ) -> Result<(), sqlx::Error> {
        match command {
            Command::Append {
                message,
                leaf,
                permit,
                done,
            } => {
                permits.push(permit);
                answers.extend(done.map(Answer::Unit));
                if step == Step::Do {
                    self.append(message, leaf, closed).await?;
                }
            }
            Command::Enqueue {
                kind,
                body,
                session,
                done,
            } => {
                answers.extend(done.map(Answer::Unit));
                if step == Step::Do {
                    if let Some(session) = session {
                        note_session(&mut self.db, session).await?;
                    }
                    enqueue(&mut self.db, kind, &body).await?;
                }
            }
            Command::Use { used, now_s, done } => {
                answers.push(Answer::Unit(done));
                if step == Step::Do {
                    remember(&mut self.db, &used, now_s).await?;
                }
            }
            Command::CloseDue {
                now_ms,
                age_ms,
                done,
            } => {
                let result = match step {
                    Step::Do => self.close_due(now_ms, age_ms).await,
                    Step::Skip => Ok(Vec::new()),
                };
                let packages = result.as_ref().map(Clone::clone).unwrap_or_default();
                closed.extend(packages.iter().cloned());
                answers.push(Answer::Packages(done, packages));
                result?;
            }
            Command::Bind {
                transaction,
                entries,
                done,
            } => {
                answers.push(Answer::Unit(done));
                if step == Step::Do {
                    bind(&mut self.db, &transaction, &entries).await?;
                }
            }
            Command::Settle { id, height, done } => {
                answers.push(Answer::Unit(done));
                if step == Step::Do {
                    settle(&mut self.db, &id, height).await?;
                }
            }
            Command::Release { id, done } => {
                answers.push(Answer::Unit(done));
                if step == Step::Do {
                    release(&mut self.db, &id).await?;
                }
            }
        }
        Ok(())
    }

    async fn append(
        &mut self,
        message: Message,
        leaf: Sm3Digest,
        closed: &mut Vec<PackageRow>,
    ) -> Result<(), sqlx::Error> {
        let name = message.topic.as_str().to_owned();
        let topic = self.topic(&name).await?;
        let epoch = message.epoch;
        if self.open.get(&name).is_some_and(|open| open.epoch != epoch) {
            // One package, one key epoch.
            closed.extend(self.close(&name).await?);
        }
        let open = self.open.entry(name.clone()).or_insert(Open {
            topic,
            count: 0,
            bytes: 0,
            first_received_ms: message.received_ms,
            epoch,
            senders: BTreeSet::new(),
        });
        open.count += 1;
        open.senders.insert(message.sender.to_string());
        open.bytes += message.payload.len() as u64;
        let full = open.count >= self.limits.package_messages
            || open.bytes >= self.limits.package_bytes
            || open.senders.len() >= PACKAGE_SENDERS;
        let seq = self.next_seq;
        self.next_seq += 1;
        self.rows.push(Row {
            seq,
            topic,
            leaf,
            message,
        });
        if full {
            closed.extend(self.close(&name).await?);
        }
        Ok(())
    }

    /// Insert the rows that wait.
    async fn flush(&mut self) -> Result<(), sqlx::Error> {
        let mut rows = std::mem::take(&mut self.rows);
        while !rows.is_empty() {
            let size = INSERT_ROWS.min(1 << rows.len().ilog2());
            let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(
                "INSERT INTO messages (seq, topic, sender, received_ms, qos, epoch, payload, leaf) ",
            );
            insert.push_values(rows.drain(..size), |mut values, row| {
                values
                    .push_bind(row.seq)
                    .push_bind(row.topic)
                    .push_bind(row.message.sender.to_string())
                    .push_bind(row.message.received_ms as i64)
                    .push_bind(i64::from(row.message.qos))
                    .push_bind(i64::from(row.message.epoch))
                    .push_bind(row.message.payload.to_vec())
                    .push_bind(row.leaf.0.to_vec());
            });
            insert.build().execute(&mut self.db).await?;
        }
        Ok(())
    }

    async fn topic(&mut self, name: &str) -> Result<i64, sqlx::Error> {
        if let Some(&id) = self.topics.get(name) {
            return Ok(id);
        }
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO topics (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = name \
             RETURNING id",
        )
        .bind(name)
        .fetch_one(&mut self.db)
        .await?;
        self.topics.insert(name.to_owned(), id);
        Ok(id)
    }

    async fn close_due(
        &mut self,
        now_ms: u64,
        age_ms: u64,
    ) -> Result<Vec<PackageRow>, sqlx::Error> {
        let due: Vec<String> = self
            .open
            .iter()
            .filter(|(_, open)| now_ms.saturating_sub(open.first_received_ms) >= age_ms)
            .map(|(name, _)| name.clone())
            .collect();
        let mut packages = Vec::with_capacity(due.len());
        for name in due {
            packages.extend(self.close(&name).await?);
        }
        Ok(packages)
    }

    /// Close the open package of a topic: its row, its outbox entry, the topic's `closed_seq`.
    async fn close(&mut self, name: &str) -> Result<Option<PackageRow>, sqlx::Error> {
        self.flush().await?;
        let Some(open) = self.open.remove(name) else {
            return Ok(None);
        };
        let rows = sqlx::query(
            "SELECT m.seq, m.leaf, m.received_ms FROM messages m, topics t \
             WHERE t.id = ?1 AND m.topic = t.id AND m.seq > t.closed_seq ORDER BY m.seq",
        )
        .bind(open.topic)
        .fetch_all(&mut self.db)
        .await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(None);
        };
        let (first_seq, last_seq): (i64, i64) = (first.try_get(0)?, last.try_get(0)?);
        let mut leaves = Vec::with_capacity(rows.len());
        let (mut from_ms, mut to_ms) = (i64::MAX, 0i64);
        for row in &rows {
            leaves.push(crate::digest(row.try_get(1)?)?);
            let received: i64 = row.try_get(2)?;
            (from_ms, to_ms) = (from_ms.min(received), to_ms.max(received));
        }
        let mut package = PackageRow {
            id: Sm3Digest::ZERO,
            number: 0,
            topic: name.to_owned(),
            count: leaves.len() as u64,
            bytes: open.bytes,
            from_ms: from_ms as u64,
            to_ms: to_ms as u64,
            epoch: open.epoch,
            root: merkle::root(&leaves),
            clients: open.senders.into_iter().collect(),
            height: None,
            first_seq: first_seq as u64,
            last_seq: last_seq as u64,
        };
        let manifest = package.manifest(&self.gateway);
        package.id = manifest
            .map_err(|e| sqlx::Error::Decode(Box::new(e)))?
            .id()
            .0;
        package.number = insert_package(&mut self.db, open.topic, &package).await?;
        sqlx::query("UPDATE topics SET closed_seq = ?2 WHERE id = ?1")
            .bind(open.topic)
            .bind(last_seq)
            .execute(&mut self.db)
            .await?;
        enqueue(&mut self.db, Kind::Anchor, &package.id.0).await?;
        Ok(Some(package))
    }

    /// Read what the writer keeps in memory from the tables.
    async fn reload(&mut self) -> Result<(), sqlx::Error> {
        self.topics.clear();
        self.open.clear();
        let topics = sqlx::query("SELECT id, name FROM topics")
            .fetch_all(&mut self.db)
            .await?;
        for row in topics {
            self.topics.insert(row.try_get(1)?, row.try_get(0)?);
        }
        let open = sqlx::query(
            "SELECT t.id, t.name, COUNT(*), SUM(LENGTH(m.payload)), MIN(m.received_ms), \
             MAX(m.epoch), GROUP_CONCAT(DISTINCT m.sender) FROM topics t CROSS JOIN messages m ON m.topic = t.id AND m.seq > \
             t.closed_seq GROUP BY t.id",
        )
        .fetch_all(&mut self.db)
        .await?;
        for row in open {
            let value = Open {
                topic: row.try_get(0)?,
                count: row.try_get::<i64, _>(2)? as u64,
                bytes: row.try_get::<i64, _>(3)? as u64,
                first_received_ms: row.try_get::<i64, _>(4)? as u64,
                epoch: row.try_get::<i64, _>(5)? as u32,
                senders: row
                    .try_get::<String, _>(6)?
                    .split(',')
                    .map(str::to_owned)
                    .collect(),
            };
            self.open.insert(row.try_get(1)?, value);
        }
        let last: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM messages")
            .fetch_one(&mut self.db)
            .await?;
        self.next_seq = last + 1;
        Ok(())
    }
}

/// Whether a command of a batch is still applied.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Step {
    Do,
    Skip,
}

async fn insert_package(
    db: &mut SqliteConnection,
    topic: i64,
    package: &PackageRow,
) -> Result<u64, sqlx::Error> {
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO packages (id, number, topic, first_seq, last_seq, count, bytes, from_ms, \
         to_ms, epoch, root, clients) SELECT ?1, COALESCE(MAX(number), 0) + 1, ?2, ?3, ?4, ?5, \
         ?6, ?7, ?8, ?9, ?10, ?11 FROM packages RETURNING number",
    )
    .bind(package.id.0.to_vec())
    .bind(topic)
    .bind(package.first_seq as i64)
    .bind(package.last_seq as i64)
    .bind(package.count as i64)
    .bind(package.bytes as i64)
    .bind(package.from_ms as i64)
    .bind(package.to_ms as i64)
    .bind(i64::from(package.epoch))
    .bind(package.root.0.to_vec())
    .bind(package.clients.join(" "))
    .fetch_one(db)
    .await?;
    Ok(number as u64)
}

async fn enqueue(db: &mut SqliteConnection, kind: Kind, body: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO outbox (kind, body) VALUES (?1, ?2)")
        .bind(kind as i64)
        .bind(body)
        .execute(db)
        .await
        .map(drop)
}

async fn note_session(db: &mut SqliteConnection, session: Session) -> Result<(), sqlx::Error> {
    let query = match session {
        Session::Opened { id, last_words } => {
            sqlx::query("INSERT OR REPLACE INTO sessions (id, last_words) VALUES (?1, ?2)")
                .bind(id as i64)
                .bind(last_words)
        }
        Session::Closed { id } => sqlx::query("DELETE FROM sessions WHERE id = ?1").bind(id as i64),
    };
    query.execute(db).await.map(drop)
}

async fn remember(
    db: &mut SqliteConnection,
    used: &crate::Used,
    now_s: u64,
) -> Result<(), sqlx::Error> {
    let seconds = |s: u64| i64::try_from(s).unwrap_or(i64::MAX);
    sqlx::query("DELETE FROM used WHERE expiry_s < ?1")
        .bind(seconds(now_s))
        .execute(&mut *db)
        .await?;
    sqlx::query("INSERT OR REPLACE INTO used (digest, purpose, expiry_s) VALUES (?1, ?2, ?3)")
        .bind(used.digest.0.to_vec())
        .bind(i64::from(used.purpose))
        .bind(seconds(used.expiry_s))
        .execute(&mut *db)
        .await
        .map(drop)
}

async fn bind(
    db: &mut SqliteConnection,
    transaction: &crate::Bound,
    entries: &[i64],
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO transactions (id, kind, bytes, expiry) VALUES (?1, ?2, ?3, ?4)")
        .bind(transaction.id.0.to_vec())
        .bind(transaction.kind as i64)
        .bind(transaction.bytes.clone())
        .bind(transaction.expiry_height as i64)
        .execute(&mut *db)
        .await?;
    for entry in entries {
        sqlx::query("UPDATE outbox SET tx = ?2 WHERE id = ?1 AND tx IS NULL")
            .bind(entry)
            .bind(transaction.id.0.to_vec())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn settle(db: &mut SqliteConnection, id: &Sm3Digest, height: u64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE packages SET height = ?2 WHERE id IN (SELECT body FROM outbox WHERE tx = ?1 AND \
         kind = ?3)",
    )
    .bind(id.0.to_vec())
    .bind(height as i64)
    .bind(Kind::Anchor as i64)
    .execute(&mut *db)
    .await?;
    sqlx::query("DELETE FROM outbox WHERE tx = ?1")
        .bind(id.0.to_vec())
        .execute(&mut *db)
        .await?;
    sqlx::query("DELETE FROM transactions WHERE id = ?1")
        .bind(id.0.to_vec())
        .execute(db)
        .await
        .map(drop)
}

async fn release(db: &mut SqliteConnection, id: &Sm3Digest) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE outbox SET tx = NULL WHERE tx = ?1")
        .bind(id.0.to_vec())
        .execute(&mut *db)
        .await?;
    sqlx::query("DELETE FROM transactions WHERE id = ?1")
        .bind(id.0.to_vec())
        .execute(db)
        .await
        .map(drop)
}
