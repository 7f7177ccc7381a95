//! Attempts per address: so many at once, then one at a time.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// Addresses that are remembered; beyond, those that have all their attempts again are forgotten first.
const ADDRESSES_MAX: usize = 10_000;

/// Who tried how often (generic cell rate algorithm: one time per address).
pub(crate) struct Attempts {
    every_ms: u64,
    burst: u64,
    /// When each address would have all its attempts again, in milliseconds since 1970.
    full_at_ms: Mutex<HashMap<IpAddr, u64>>,
}

/// An address in the unit that it is counted by: a household's /64 in IPv6.
pub(crate) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => IpAddr::V6((it.to_bits() & !u128::from(u64::MAX)).into()),
        it => it,
    }
}

impl Attempts {
    pub(crate) fn new(burst: u32, every: std::time::Duration) -> Self {
        Self {
            every_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1),
            burst: u64::from(burst.max(1)),
            full_at_ms: Mutex::default(),
        }
    }

    /// Takes one attempt of an address; if it has none left, says after how many seconds it has.
    pub(crate) fn take(&self, address: IpAddr, now_ms: u64) -> Result<(), u64> {
        let address = counted(address);
        let mut all = self
            .full_at_ms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&address) {
            all.retain(|_, full| *full > now_ms);
            if all.len() >= ADDRESSES_MAX
                && let Some(oldest) = all.iter().min_by_key(|(_, full)| **full).map(|(it, _)| *it)
            {
                all.remove(&oldest);
            }
        }
        let full = all.entry(address).or_insert(now_ms);
        let next = (*full).max(now_ms).saturating_add(self.every_ms);
        let latest = now_ms.saturating_add(self.burst.saturating_mul(self.every_ms));
        if next > latest {
            return Err((next - latest).div_ceil(1_000));
        }
        *full = next;
        Ok(())
    }

    /// Gives an attempt back: it succeeded.
    pub(crate) fn give_back(&self, address: IpAddr) {
        let mut all = self
            .full_at_ms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = all.get_mut(&counted(address)) {
            *full = full.saturating_sub(self.every_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(n: u16) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + u32::from(n)).into())
    }

    #[test]
    fn a_burst_then_one_at_a_time_each_for_itself() {
        let attempts = Attempts::new(3, Duration::from_secs(2));
        for _ in 0..3 {
            assert_eq!(attempts.take(address(1), 1_000), Ok(()));
        }
        assert_eq!(attempts.take(address(1), 1_000), Err(2));
        assert_eq!(attempts.take(address(2), 1_000), Ok(()));
        assert_eq!(attempts.take(address(1), 2_999), Err(1));
        assert_eq!(attempts.take(address(1), 3_000), Ok(()));
        assert!(attempts.take(address(1), 3_000).is_err());
        attempts.give_back(address(1));
        assert_eq!(attempts.take(address(1), 3_000), Ok(()));
    }

    #[test]
    fn as_many_addresses_as_agreed_are_kept() {
        let attempts = Attempts::new(3, Duration::from_secs(2));
        for n in 0..(ADDRESSES_MAX + 500) as u16 {
            assert_eq!(attempts.take(address(n), 1_000), Ok(()));
        }
        assert!(attempts.full_at_ms.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
