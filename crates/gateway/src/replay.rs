//! What was used once and may not be used again, until it expires by itself.
//!
//! Bounded: when it is full of things that haven't expired, nothing more is accepted (a forgotten
//! token could be used twice; a refused one is asked for again).

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

use sealwire_sm::Sm3Digest;

/// Why something isn't accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replayed {
    /// It was used before.
    Again,
    /// Too many are remembered.
    Full,
}

/// The digests of what was used.
pub struct Replays {
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
    pub fn new(max: usize) -> Self {
        Self {
            max,
            state: Mutex::default(),
        }
    }

    /// Use `digest`, which expires by itself after `expiry_s`, at `now_s` (seconds since 1970).
    ///
    /// # Errors
    /// [`Replayed`].
    pub fn use_once(&self, digest: Sm3Digest, expiry_s: u64, now_s: u64) -> Result<(), Replayed> {
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
        assert_eq!(replays.use_once(digest(1), 100, 50), Ok(()));
        assert_eq!(replays.use_once(digest(1), 100, 100), Err(Replayed::Again));
        assert_eq!(replays.use_once(digest(2), 200, 60), Ok(()));
        assert_eq!(replays.use_once(digest(3), 200, 60), Err(Replayed::Full));
        assert_eq!(replays.use_once(digest(3), 200, 101), Ok(()));
    }
}
