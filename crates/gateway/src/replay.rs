//! What was used once and may not be used again, until it expires by itself: tokens and signed
//! requests.
//!
//! It is on disk in the archive before it counts as used, so a restart, or a crash, makes nothing
//! good again. (The other way, refusing what was signed before the start, would refuse good tokens
//! for as long as clocks may differ.) The disk is awaited together with everything else that is
//! written at the time.
//!
//! Bounded: when it is full of things that haven't expired, nothing more is accepted (a forgotten
//! token could be used twice; a refused one is asked for again).

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

use sealwire_archive::{Archive, Used, WriteError};
use sealwire_sm::Sm3Digest;

/// Tokens that are remembered until they expire; beyond it, logins by token are refused.
const TOKENS_MAX: usize = 100_000;
/// Signed requests that are remembered until they expire.
const REQUESTS_MAX: usize = 100_000;

/// Why something isn't accepted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Replayed {
    /// It was used before.
    #[error("it was used before")]
    Again,
    /// Too many are remembered.
    #[error("too many are remembered")]
    Full,
    /// It isn't on disk that it was used.
    #[error(transparent)]
    Disk(WriteError),
}

/// What may be used once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A login token.
    Token = 0,
    /// A signed HTTP request.
    Request = 1,
}

/// What was used, in memory and on disk.
pub struct UsedOnce {
    tokens: Replays,
    requests: Replays,
}

impl UsedOnce {
    /// What the archive remembers at `now_s`, seconds since 1970.
    ///
    /// # Errors
    /// The archive's.
    pub async fn load(archive: &Archive, now_s: u64) -> Result<Self, sealwire_archive::ReadError> {
        let used = Self {
            tokens: Replays::new(TOKENS_MAX),
            requests: Replays::new(REQUESTS_MAX),
        };
        for entry in archive.used(now_s).await? {
            let purpose = [Purpose::Token, Purpose::Request]
                .into_iter()
                .find(|purpose| *purpose as u8 == entry.purpose);
            if let Some(purpose) = purpose {
                // No more were written than there is room for.
                let _ = used
                    .of(purpose)
                    .use_once(entry.digest, entry.expiry_s, now_s);
            }
        }
        Ok(used)
    }

    fn of(&self, purpose: Purpose) -> &Replays {
        match purpose {
            Purpose::Token => &self.tokens,
            Purpose::Request => &self.requests,
        }
    }

    /// Use `digest`, which expires by itself after `expiry_s`, at `now_s` (seconds since 1970). It
    /// is on disk when this returns.
    ///
    /// # Errors
    /// [`Replayed`].
    pub async fn use_once(
        &self,
        archive: &Archive,
        purpose: Purpose,
        digest: Sm3Digest,
        expiry_s: u64,
        now_s: u64,
    ) -> Result<(), Replayed> {
        self.of(purpose).use_once(digest, expiry_s, now_s)?;
        let used = Used {
            digest,
            purpose: purpose as u8,
            expiry_s,
        };
        archive.remember(used, now_s).await.map_err(Replayed::Disk)
    }
}

/// The digests of what was used, in memory.
struct Replays {
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    used: HashSet<Sm3Digest>,
    expiry: BTreeMap<u64, Vec<Sm3Digest>>,
}

impl Replays {
    /// Remember at most `max` at a time.
    fn new(max: usize) -> Self {
        Self {
            max,
            state: Mutex::default(),
        }
    }

    /// Use `digest`, which expires by itself after `expiry_s`, at `now_s` (seconds since 1970).
    ///
    /// # Errors
    /// [`Replayed`].
    fn use_once(&self, digest: Sm3Digest, expiry_s: u64, now_s: u64) -> Result<(), Replayed> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let live = state.expiry.split_off(&now_s);
        for digest in std::mem::replace(&mut state.expiry, live)
            .into_values()
            .flatten()
        {
            state.used.remove(&digest);
        }
        if state.used.contains(&digest) {
            return Err(Replayed::Again);
        }
        if state.used.len() >= self.max {
            return Err(Replayed::Full);
        }
        state.used.insert(digest);
        state.expiry.entry(expiry_s).or_default().push(digest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_until_it_expires_and_never_more_than_the_bound() {
        let replays = Replays::new(2);
        let digest = |n| Sm3Digest([n; 32]);
        replays.use_once(digest(1), 100, 50).unwrap();
        let again = replays.use_once(digest(1), 100, 100);
        assert!(matches!(again, Err(Replayed::Again)));
        replays.use_once(digest(2), 200, 60).unwrap();
        let full = replays.use_once(digest(3), 200, 60);
        assert!(matches!(full, Err(Replayed::Full)));
        replays.use_once(digest(3), 200, 101).unwrap();
    }
}
