//! Reading: packages of a topic, records of a package (verified), what waits in the outbox.

use std::collections::BTreeSet;

use bytes::Bytes;
use sealwire_envelope::{ClientId, TopicName};
use sealwire_receipt::merkle;
use sealwire_sm::Sm3Digest;
use sqlx::{Row as _, sqlite::SqliteRow};

use crate::{Archive, Bound, Entry, Kind, Message, Used, digest, record};

const PACKAGE: &str = "p.id, p.number, t.name, p.first_seq, p.last_seq, p.count, p.bytes, \
                       p.from_ms, p.to_ms, p.epoch, p.root, p.clients, p.height";

/// A closed package, without its records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PackageRow {
    /// Id: the digest of the manifest, see [`PackageRow::manifest`].
    pub id: Sm3Digest,
    /// Order of closing in this archive, from 1.
    pub number: u64,
    /// Topic of its messages.
    pub topic: String,
    /// First message, by archive sequence.
    pub first_seq: u64,
    /// Last message, by archive sequence.
    pub last_seq: u64,
    /// Messages.
    pub count: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// Earliest time of reception, milliseconds since 1970.
    pub from_ms: u64,
    /// Latest time of reception, milliseconds since 1970.
    pub to_ms: u64,
    /// Key epoch; 0 on an open topic.
    pub epoch: u32,
    /// Merkle root over the records.
    pub root: Sm3Digest,
    /// Senders, sorted.
    pub clients: Vec<String>,
    /// Block that holds its anchor, once it does.
    pub height: Option<u64>,
}

/// A record as it is in the archive, checked against its leaf.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The message.
    pub message: Message,
    /// The record's bytes: what the leaf is over.
    pub bytes: Vec<u8>,
    /// The leaf.
    pub leaf: Sm3Digest,
}

/// Sums over the archive.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Messages.
    pub messages: u64,
    /// Packages closed.
    pub packages: u64,
    /// Packages whose anchor is in a block.
    pub anchored: u64,
    /// Outbox entries that no block holds yet.
    pub outbox: u64,
}

/// A package can't be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// SQLite failed.
    #[error("the archive couldn't read")]
    Database(#[from] sqlx::Error),
    /// A record isn't the one that was archived.
    #[error(
        "the archive is damaged: record {index} of package {package} isn't the one that was archived ({what})"
    )]
    Damaged {
        /// The package.
        package: Sm3Digest,
        /// Position of the record in the package, from 0.
        index: u64,
        /// What doesn't fit.
        what: &'static str,
    },
    /// The records fit their leaves and the leaves don't make the root, or some are missing.
    #[error(
        "the archive is damaged: the {found} records of package {package} don't make its root ({count} were archived)"
    )]
    Root {
        /// The package.
        package: Sm3Digest,
        /// Records found.
        found: u64,
        /// Records archived.
        count: u64,
    },
}

impl Archive {
    /// Closed packages of a topic, in order of closing, after number `after`.
    ///
    /// # Errors
    /// An SQLite error.
    pub async fn packages(
        &self,
        topic: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<PackageRow>, sqlx::Error> {
        let sql = format!(
            "SELECT {PACKAGE} FROM packages p JOIN topics t ON t.id = p.topic WHERE t.name = ?1 \
             AND p.number > ?2 ORDER BY p.number LIMIT ?3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(topic)
            .bind(after as i64)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(package).collect()
    }

    /// One package.
    ///
    /// # Errors
    /// An SQLite error.
    pub async fn package(&self, id: &Sm3Digest) -> Result<Option<PackageRow>, sqlx::Error> {
        let sql = format!(
            "SELECT {PACKAGE} FROM packages p JOIN topics t ON t.id = p.topic WHERE p.id = ?1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id.0.to_vec())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(package).transpose()
    }

    /// The records of a package, each checked against its leaf, all against the root.
    ///
    /// # Errors
    /// [`PackageError`]; `Damaged` names the first record that is wrong.
    pub async fn records(&self, package: &PackageRow) -> Result<Vec<Record>, PackageError> {
        let rows = sqlx::query(
            "SELECT m.sender, m.received_ms, m.qos, m.epoch, m.payload, m.leaf FROM messages m \
             JOIN topics t ON t.id = m.topic WHERE t.name = ?1 AND m.seq BETWEEN ?2 AND ?3 \
             ORDER BY m.seq",
        )
        .bind(&package.topic)
        .bind(package.first_seq as i64)
        .bind(package.last_seq as i64)
        .fetch_all(&self.readers)
        .await?;
        let mut records = Vec::with_capacity(rows.len());
        let mut leaves = Vec::with_capacity(rows.len());
        for (index, row) in rows.iter().enumerate() {
            let damaged = |what| PackageError::Damaged {
                package: package.id,
                index: index as u64,
                what,
            };
            let message = message(&package.topic, row).map_err(damaged)?;
            let bytes = record::record_bytes(&message);
            let leaf = merkle::leaf(&bytes);
            let stored = row.try_get::<&[u8], _>(5).ok().and_then(|b| digest(b).ok());
            if stored != Some(leaf) {
                return Err(damaged("its digest differs from the leaf"));
            }
            leaves.push(leaf);
            records.push(Record {
                message,
                bytes,
                leaf,
            });
        }
        let found = leaves.len() as u64;
        if found != package.count || merkle::root(&leaves) != package.root {
            return Err(PackageError::Root {
                package: package.id,
                found,
                count: package.count,
            });
        }
        Ok(records)
    }

    /// Messages of a topic that are archived, packaged or not, in order of acknowledgement.
    ///
    /// # Errors
    /// An SQLite error.
    pub async fn messages(&self, topic: &str, limit: u32) -> Result<Vec<Message>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT m.sender, m.received_ms, m.qos, m.epoch, m.payload FROM messages m JOIN \
             topics t ON t.id = m.topic WHERE t.name = ?1 ORDER BY m.seq LIMIT ?2",
        )
        .bind(topic)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| message(topic, row).map_err(|e| sqlx::Error::Protocol(e.into())))
            .collect()
    }

    /// Whether messages of a topic that were received before `before_ms` aren't in an anchored package yet.
    ///
    /// # Errors
    /// An SQLite error.
    pub async fn has_unanchored(&self, topic: &str, before_ms: u64) -> Result<bool, sqlx::Error> {
        let found: i64 = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM messages m JOIN topics t ON t.id = m.topic \
             WHERE t.name = ?1 AND m.received_ms < ?2 AND m.seq > COALESCE((SELECT MAX(p.last_seq) \
             FROM packages p WHERE p.topic = t.id AND p.height IS NOT NULL), 0))",
        )
        .bind(topic)
        .bind(i64::try_from(before_ms).unwrap_or(i64::MAX))
        .fetch_one(&self.readers)
        .await?;
        Ok(found != 0)
    }

    /// Outbox entries of a kind that no transaction carries, oldest first.
    ///
    /// # Errors
    /// An SQLite error.
    pub async fn waiting(&self, kind: Kind, limit: u32) -> Result<Vec<Entry>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT id, body FROM outbox WHERE kind = ?1 AND tx IS NULL ORDER BY id LIMIT ?2",
        )
        .bind(kind as i64)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Entry {
                    id: row.try_get(0)?,
                    body: row.try_get(1)?,
                })
            })
            .collect()
    }

    /// Sessions that were opened and not closed, by number, each with the event to record for it.
    /// Read when a program starts, they are those that the one before it left behind.
    ///
    /// # Errors
    /// An SQLite error.
    pub async fn open_sessions(&self) -> Result<Vec<(u64, Vec<u8>)>, sqlx::Error> {
        let rows = sqlx::query("SELECT id, last_words FROM sessions ORDER BY id")
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get::<i64, _>(0)? as u64, row.try_get(1)?)))
            .collect()
    }

    /// What was used once and hasn't expired at `now_s`, seconds since 1970.
    ///
    /// # Errors
    /// An SQLite error.
    pub async fn used(&self, now_s: u64) -> Result<Vec<Used>, sqlx::Error> {
        let now_s = i64::try_from(now_s).unwrap_or(i64::MAX);
        let rows = sqlx::query("SELECT digest, purpose, expiry_s FROM used WHERE expiry_s >= ?1")
            .bind(now_s)
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Used {
                    digest: digest(row.try_get(0)?)?,
                    purpose: row.try_get::<i64, _>(1)? as u8,
                    expiry_s: row.try_get::<i64, _>(2)? as u64,
                })
            })
            .collect()
    }

    /// Transactions that were bound and aren't settled or released.
    ///
    /// # Errors
    /// An SQLite error.
    pub async fn bound(&self) -> Result<Vec<Bound>, sqlx::Error> {
        let rows = sqlx::query("SELECT id, kind, bytes, expiry FROM transactions")
            .fetch_all(&self.readers)
            .await?;
        let mut bound = Vec::with_capacity(rows.len());
        for row in &rows {
            let number: i64 = row.try_get(1)?;
            let kind = Kind::ALL.into_iter().find(|kind| *kind as i64 == number);
            let kind = kind.ok_or_else(|| {
                sqlx::Error::Protocol(format!("the outbox has an entry of kind {number}"))
            })?;
            bound.push(Bound {
                id: digest(row.try_get(0)?)?,
                kind,
                bytes: row.try_get(2)?,
                expiry_height: row.try_get::<i64, _>(3)? as u64,
            });
        }
        Ok(bound)
    }

    /// Sums for the status page.
    ///
    /// # Errors
    /// An SQLite error.
    pub async fn totals(&self) -> Result<Totals, sqlx::Error> {
        let row = sqlx::query(
            "SELECT (SELECT COALESCE(MAX(seq), 0) FROM messages), (SELECT COUNT(*) FROM packages), \
             (SELECT COUNT(*) FROM packages WHERE height IS NOT NULL), (SELECT COUNT(*) FROM outbox)",
        )
        .fetch_one(&self.readers)
        .await?;
        let count = |i| row.try_get::<i64, _>(i).map(|n| n as u64);
        Ok(Totals {
            messages: count(0)?,
            packages: count(1)?,
            anchored: count(2)?,
            outbox: count(3)?,
        })
    }
}

fn package(row: &SqliteRow) -> Result<PackageRow, sqlx::Error> {
    let number = |i| row.try_get::<i64, _>(i).map(|n| n as u64);
    let clients: String = row.try_get(11)?;
    let clients: BTreeSet<_> = clients.split(' ').map(str::to_owned).collect();
    Ok(PackageRow {
        id: digest(row.try_get(0)?)?,
        number: number(1)?,
        topic: row.try_get(2)?,
        first_seq: number(3)?,
        last_seq: number(4)?,
        count: number(5)?,
        bytes: number(6)?,
        from_ms: number(7)?,
        to_ms: number(8)?,
        epoch: number(9)? as u32,
        root: digest(row.try_get(10)?)?,
        clients: clients.into_iter().collect(),
        height: row.try_get::<Option<i64>, _>(12)?.map(|n| n as u64),
    })
}

fn message(topic: &str, row: &SqliteRow) -> Result<Message, &'static str> {
    let sender: String = row.try_get(0).map_err(|_| "its sender isn't text")?;
    let payload: Vec<u8> = row.try_get(4).map_err(|_| "its payload isn't there")?;
    let number = |i| row.try_get::<i64, _>(i).map_err(|_| "a number isn't one");
    Ok(Message {
        topic: topic
            .parse::<TopicName>()
            .map_err(|_| "its topic isn't one")?,
        sender: sender
            .parse::<ClientId>()
            .map_err(|_| "its sender isn't a client")?,
        received_ms: number(1)? as u64,
        qos: number(2)? as u8,
        epoch: number(3)? as u32,
        payload: Bytes::from(payload),
    })
}
