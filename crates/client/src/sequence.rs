//! Message sequences that never repeat, whatever crashes when.
//!
//! A message's nonce follows from its sender and its sequence (`sealwire_envelope::message`), so a
//! sequence used twice under one key would break SM4-GCM. One counter serves all topics of a
//! client, and it is *reserved* on disk before it is used:
//!
//! ```text
//! lock sequence.lock → read n → n = max(n, floor) → write n + 1,024 beside, flush, rename,
//!   flush the directory → unlock → use n .. n + 1,024 from memory
//! ```
//!
//! # Invariants
//! - A sequence is handed out only when the file on disk already says a greater number, so kill -9
//!   at any point skips sequences and repeats none.
//! - Two processes on one home share no block: the lock covers read to rename.
//! - A damaged file is an error, never a fresh start.
//!
//! The *floor* is the clock in milliseconds times [`PER_MS`]. It guards a home that was restored
//! from a backup: the restored counter is behind, the clock isn't. A clock that stands still or
//! runs backwards costs only that guard. In 48 bits it lasts beyond the year 2240.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use sealwire_envelope::message::SEQUENCE_END;
use tokio::sync::Mutex;

/// Sequences that are reserved at a time.
pub const BLOCK: u64 = 1_024;
/// Sequences per millisecond that the floor leaves room for.
pub const PER_MS: u64 = 16;

/// No sequence could be reserved: nothing may be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SequenceError {
    /// The identity lives in memory only.
    #[error(
        "this identity has no home directory to keep message sequences in: nothing can be sealed"
    )]
    NoHome,
    /// The file system refused.
    #[error("sequence file {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file doesn't hold a number.
    #[error(
        "sequence file {path} is damaged: ask the topics' owners to rotate their keys, then delete it"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// More in a row than are reserved at a time.
    #[error("{count} sequences in a row: at most {BLOCK}, send it in smaller pieces")]
    Run {
        /// How many were asked for.
        count: u64,
    },
    /// All 48 bits are used up.
    #[error("all sequences are used: get a new certificate under a new client id")]
    Exhausted,
}

/// A client's sequences.
#[derive(Debug)]
pub struct Sequence {
    file: Option<PathBuf>,
    free: Mutex<Range<u64>>,
}

impl Sequence {
    /// The sequences whose reservations are kept in `file`.
    pub fn in_file(file: PathBuf) -> Self {
        Self {
            file: Some(file),
            free: Mutex::new(0..0),
        }
    }

    /// No sequences at all: for clients that never seal.
    pub fn none() -> Self {
        Self {
            file: None,
            free: Mutex::new(0..0),
        }
    }

    /// A sequence that nobody ever had.
    ///
    /// # Errors
    /// [`SequenceError`] when no block can be reserved.
    pub async fn next(&self) -> Result<u64, SequenceError> {
        Ok(self.next_run(1).await?.start)
    }

    /// So many sequences in a row, at most [`BLOCK`], that nobody ever had.
    ///
    /// # Errors
    /// As [`Sequence::next`]; [`SequenceError::Run`] for more than a block.
    pub async fn next_run(&self, count: u64) -> Result<Range<u64>, SequenceError> {
        if count > BLOCK {
            return Err(SequenceError::Run { count });
        }
        let mut free = self.free.lock().await;
        if free.end - free.start < count {
            let file = self.file.clone().ok_or(SequenceError::NoHome)?;
            let path = file.clone();
            let task = tokio::task::spawn_blocking(move || reserve(&file, clock_floor()));
            *free = task.await.map_err(|e| SequenceError::Io {
                path,
                source: io::Error::other(e),
            })??;
        }
        // The last block of all may be shorter.
        if free.end - free.start < count {
            return Err(SequenceError::Exhausted);
        }
        let run = free.start..free.start + count;
        free.start = run.end;
        Ok(run)
    }
}

fn clock_floor() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let floor = u64::try_from(since.as_millis())
        .unwrap_or(0)
        .saturating_mul(PER_MS);
    // A clock centuries ahead mustn't use everything up.
    if floor < SEQUENCE_END / 2 { floor } else { 0 }
}

/// Reserves a block, not below `floor`.
fn reserve(path: &Path, floor: u64) -> Result<Range<u64>, SequenceError> {
    let failed = |source| SequenceError::Io {
        path: path.to_owned(),
        source,
    };
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let lock = options.open(path.with_extension("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let start = match fs::read_to_string(path) {
        Ok(text) => text
            .strip_suffix('\n')
            .and_then(|number| number.parse::<u64>().ok())
            .ok_or_else(|| SequenceError::Damaged {
                path: path.to_owned(),
            })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(failed(error)),
    }
    .max(floor);
    let end = start.saturating_add(BLOCK).min(SEQUENCE_END);
    if start >= end {
        return Err(SequenceError::Exhausted);
    }
    sealwire_sm::keyfile::write_private(path, format!("{end}\n").as_bytes()).map_err(failed)?;
    if let Some(directory) = path.parent() {
        fs::File::open(directory)
            .and_then(|d| d.sync_all())
            .map_err(failed)?;
    }
    // Closing the file unlocks it.
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crash_skips_and_never_repeats() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sequence");
        let mut last = None;
        // Each round is a process that is killed after a few messages: nothing is saved at its end.
        for used in [1, BLOCK - 1, BLOCK, BLOCK + 1, 3] {
            let sequence = Sequence::in_file(file.clone());
            for _ in 0..used {
                let next = sequence.next().await.unwrap();
                assert!(last.is_none_or(|last| next > last), "{last:?} then {next}");
                let on_disk: u64 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
                assert!(
                    next < on_disk,
                    "{next} was handed out before it was reserved"
                );
                last = Some(next);
            }
        }
    }

    #[tokio::test]
    async fn runs_are_in_a_row_and_share_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let sequence = Sequence::in_file(dir.path().join("sequence"));
        let mut last = 0;
        for count in [1, BLOCK, 7, BLOCK - 3, 2] {
            let run = sequence.next_run(count).await.unwrap();
            assert_eq!(run.end - run.start, count);
            assert!(run.start >= last, "{run:?} after {last}");
            last = run.end;
        }
        let long = sequence.next_run(BLOCK + 1).await;
        assert!(matches!(long, Err(SequenceError::Run { .. })));
        assert_eq!(sequence.next().await.unwrap(), last);
    }

    #[test]
    fn a_crash_between_writing_and_renaming_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sequence");
        assert_eq!(reserve(&file, 0).unwrap(), 0..BLOCK);
        fs::write(file.with_extension("new"), "12").unwrap();
        assert_eq!(reserve(&file, 0).unwrap(), BLOCK..2 * BLOCK);
    }

    #[test]
    fn many_at_once_share_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sequence");
        let blocks: Vec<_> = (0..8)
            .map(|_| {
                let file = file.clone();
                std::thread::spawn(move || (0..5).map(|_| reserve(&file, 0).unwrap()).collect())
            })
            .collect::<Vec<std::thread::JoinHandle<Vec<_>>>>()
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        let mut starts: Vec<u64> = blocks.iter().map(|block| block.start).collect();
        starts.sort_unstable();
        let expected: Vec<u64> = (0..40).map(|i| i * BLOCK).collect();
        assert_eq!(starts, expected);
    }

    #[test]
    fn the_clock_lifts_a_restored_backup() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sequence");
        assert_eq!(reserve(&file, 5_000).unwrap().start, 5_000);
        // Backwards clock: the file counts.
        assert_eq!(reserve(&file, 10).unwrap().start, 5_000 + BLOCK);
        fs::write(&file, "1024\n").unwrap();
        assert_eq!(reserve(&file, 90_000).unwrap().start, 90_000);
    }

    #[tokio::test]
    async fn damage_and_exhaustion_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sequence");
        for damaged in ["", "x\n", "12", "-1\n"] {
            fs::write(&file, damaged).unwrap();
            assert!(
                matches!(reserve(&file, 0), Err(SequenceError::Damaged { .. })),
                "{damaged:?}"
            );
        }
        fs::write(&file, format!("{}\n", SEQUENCE_END - 1)).unwrap();
        assert_eq!(reserve(&file, 0).unwrap(), SEQUENCE_END - 1..SEQUENCE_END);
        assert!(matches!(reserve(&file, 0), Err(SequenceError::Exhausted)));
        assert!(matches!(
            Sequence::none().next().await,
            Err(SequenceError::NoHome)
        ));
    }
}
