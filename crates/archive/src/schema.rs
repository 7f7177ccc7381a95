//! The archive's tables and how a connection to them is opened.
//!
//! `synchronous = FULL` with a write-ahead log: a transaction that was committed survives a crash
//! of the process and of the machine. A topic's package is a range of its messages, so closing a
//! package inserts one row and touches no message.

use std::path::Path;

use sqlx::{
    ConnectOptions as _, Executor as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::OpenError;

/// Version of the tables, kept in SQLite's `user_version`.
const VERSION: i64 = 3;
/// Connections that read.
const READERS: u32 = 2;
/// Page cache of one connection, in KiB.
const CACHE_KIB: u32 = 8 * 1024;
/// Pages in the write-ahead log before it is copied back, in pages of 4 KiB.
const CHECKPOINT_PAGES: u32 = 4_000;

const TABLES: &str = "
CREATE TABLE topics (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    closed_seq  INTEGER NOT NULL DEFAULT 0        -- last message that is in a package
) STRICT;
CREATE TABLE messages (
    seq         INTEGER PRIMARY KEY,              -- order of acknowledgement, from 1
    topic       INTEGER NOT NULL REFERENCES topics(id),
    sender      TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    qos         INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,                 -- key epoch; 0 on an open topic
    payload     BLOB NOT NULL,
    leaf        BLOB NOT NULL                     -- SM3(0x00 || record), 32 bytes
) STRICT;
CREATE INDEX messages_by_topic ON messages (topic, seq);
CREATE TABLE packages (
    id          BLOB NOT NULL PRIMARY KEY,        -- 32 bytes
    number      INTEGER NOT NULL UNIQUE,          -- order of closing, from 1
    topic       INTEGER NOT NULL REFERENCES topics(id),
    first_seq   INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    root        BLOB NOT NULL,                    -- 32 bytes
    clients     TEXT NOT NULL,                    -- senders, sorted, separated by a space
    height      INTEGER                           -- block that holds the anchor
) STRICT;
CREATE INDEX packages_by_topic ON packages (topic, number);
CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        INTEGER NOT NULL,
    body        BLOB NOT NULL,
    tx          BLOB                              -- transaction that carries the entry
) STRICT;
CREATE INDEX outbox_by_kind ON outbox (kind, tx, id);
CREATE TABLE transactions (
    id          BLOB NOT NULL PRIMARY KEY,        -- 32 bytes
    kind        INTEGER NOT NULL,
    bytes       BLOB NOT NULL,                    -- signed; submitted unchanged until settled
    expiry      INTEGER NOT NULL                  -- last height that may hold it
) STRICT;
";

/// What version 2 adds.
const SESSIONS: &str = "
CREATE TABLE sessions (
    id          INTEGER PRIMARY KEY,              -- number of the session in the program that opened it
    last_words  BLOB NOT NULL                     -- event to record if that program stops without notice
) STRICT;
";

/// What version 3 adds.
const USED: &str = "
CREATE TABLE used (
    digest      BLOB NOT NULL PRIMARY KEY,        -- 32 bytes, of what may be used once
    purpose     INTEGER NOT NULL,
    expiry_s    INTEGER NOT NULL                  -- when it expires by itself, seconds since 1970
) STRICT;
CREATE INDEX used_by_expiry ON used (expiry_s);
";

/// What each version adds to the one before it, from version 0, the empty file, on.
const STEPS: [&str; VERSION as usize] = [TABLES, SESSIONS, USED];

pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .pragma("cache_size", format!("-{CACHE_KIB}"))
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .busy_timeout(std::time::Duration::from_secs(10))
        .disable_statement_logging()
}

/// The one connection that writes; creates the tables in a new file.
pub(crate) async fn writer(path: &Path) -> Result<SqliteConnection, OpenError> {
    let failed = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let mut db = options(path).connect().await.map_err(failed)?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut db)
        .await
        .map_err(failed)?;
    let missing = usize::try_from(version).ok().and_then(|v| STEPS.get(v..));
    let Some(missing) = missing else {
        return Err(OpenError::Version {
            path: path.to_owned(),
            found: version,
            known: VERSION,
        });
    };
    if !missing.is_empty() {
        db.execute("BEGIN IMMEDIATE").await.map_err(failed)?;
        for step in missing {
            db.execute(*step).await.map_err(failed)?;
        }
        let set = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {VERSION}"));
        db.execute(set).await.map_err(failed)?;
        db.execute("COMMIT").await.map_err(failed)?;
    }
    Ok(db)
}

/// The connections that read.
pub(crate) async fn readers(path: &Path) -> Result<SqlitePool, OpenError> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options(path).create_if_missing(false).read_only(true))
        .await
        .map_err(|source| OpenError::Database {
            path: path.to_owned(),
            source,
        })
}
