//! How many refusals of one session are recorded: each is an entry in the ledger for ever, and a
//! client can cause them as fast as it can write.
//!
//! The first [`RECORDED`] of a [`WINDOW_S`] are recorded one by one, the others are counted, and the
//! count is in the next record of the session (another refusal, or its end).

use std::sync::{Mutex, PoisonError};

/// Refusals recorded one by one in a window.
const RECORDED: u32 = 60;
/// Length of the window, in seconds.
const WINDOW_S: u64 = 60;

/// The refusals of a session.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Window>);

#[derive(Default)]
struct Window {
    from_s: u64,
    recorded: u32,
    unrecorded: u64,
}

impl Refusals {
    /// Whether one more is recorded, at `now_s` (seconds since 1970): with how many that weren't.
    pub(super) fn admit(&self, now_s: u64) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now_s >= window.from_s.saturating_add(WINDOW_S) {
            (window.from_s, window.recorded) = (now_s, 0);
        }
        if window.recorded >= RECORDED {
            window.unrecorded += 1;
            return None;
        }
        window.recorded += 1;
        Some(std::mem::take(&mut window.unrecorded))
    }

    /// How many weren't recorded since the last that was.
    pub(super) fn unrecorded(&self) -> u64 {
        let window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        window.unrecorded
    }
}

/// A reason with what wasn't recorded before it.
pub(super) fn with_count(unrecorded: u64, reason: String) -> String {
    match unrecorded {
        0 => reason,
        n => crate::rights::cut(format!("{n} more refusals before this; {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_the_count_is_told_once() {
        let refusals = Refusals::default();
        let recorded = (0..1_000).filter(|_| refusals.admit(1_000).is_some());
        assert_eq!(recorded.count(), RECORDED as usize);
        assert_eq!(refusals.unrecorded(), 1_000 - u64::from(RECORDED));
        assert_eq!(refusals.admit(1_059), None);
        assert_eq!(refusals.admit(1_060), Some(1_001 - u64::from(RECORDED)));
        assert_eq!(refusals.admit(1_061), Some(0));
        assert_eq!(with_count(0, "a".into()), "a");
        assert_eq!(with_count(3, "a".into()), "3 more refusals before this; a");
    }
}
