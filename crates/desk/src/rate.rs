//! Requests per address: a bucket for each, filled at a steady rate.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use crate::Limits;

struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Who asked how often.
pub(crate) struct Rates {
    per_s: f64,
    burst: f64,
    addresses: usize,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

/// An address in the unit that it is counted by: a household's /64 in IPv6.
pub(crate) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => {
            let prefix = it.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(prefix.into())
        }
        it => it,
    }
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            per_s: f64::from(limits.requests_per_s),
            burst: f64::from(limits.requests_burst.max(1)),
            addresses: limits.addresses.max(1),
            buckets: Mutex::default(),
        }
    }

    /// Takes one request from an address's bucket; if it is empty, says after how many seconds it won't be.
    pub(crate) fn take(&self, address: IpAddr, now: Instant) -> Result<(), u64> {
        let address = counted(address);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.addresses && !buckets.contains_key(&address) {
            self.forget(&mut buckets, now);
        }
        let full = self.burst;
        let bucket = buckets.entry(address).or_insert(Bucket {
            tokens: full,
            at: now,
        });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * self.per_s).min(full);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - bucket.tokens) / self.per_s.max(0.001);
        Err(wait.ceil() as u64)
    }

    /// Makes room: buckets that are full again say nothing; else the longest silent goes.
    fn forget(&self, buckets: &mut HashMap<IpAddr, Bucket>, now: Instant) {
        let refills = |bucket: &Bucket| {
            let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
            bucket.tokens + passed * self.per_s >= self.burst
        };
        buckets.retain(|_, bucket| !refills(bucket));
        if buckets.len() >= self.addresses {
            let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.at);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                buckets.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rates(addresses: usize) -> Rates {
        Rates::new(&Limits {
            requests_per_s: 2,
            requests_burst: 3,
            addresses,
            ..Limits::default()
        })
    }

    fn address(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    #[test]
    fn a_burst_then_a_steady_rate_each_for_itself() {
        let (rates, start) = (rates(10), Instant::now());
        for _ in 0..3 {
            assert_eq!(rates.take(address(1), start), Ok(()));
        }
        assert_eq!(rates.take(address(1), start), Err(1));
        assert_eq!(rates.take(address(2), start), Ok(()));
        let later = start + Duration::from_millis(600);
        assert_eq!(rates.take(address(1), later), Ok(()));
        assert!(rates.take(address(1), later).is_err());
        let much_later = start + Duration::from_secs(3_600);
        for _ in 0..3 {
            assert_eq!(rates.take(address(1), much_later), Ok(()));
        }
        assert!(rates.take(address(1), much_later).is_err());
    }

    #[test]
    fn as_many_addresses_as_agreed_are_kept() {
        let (rates, start) = (rates(4), Instant::now());
        for n in 0..200 {
            let at = start + Duration::from_millis(u64::from(n));
            assert_eq!(rates.take(address(n), at), Ok(()));
            assert!(rates.buckets.lock().unwrap().len() <= 4);
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let (rates, start) = (rates(10), Instant::now());
        let take = |text: &str| rates.take(text.parse().unwrap(), start);
        for text in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"] {
            assert_eq!(take(text), Ok(()));
        }
        assert!(take("2001:db8::4").is_err());
        assert_eq!(take("2001:db8:0:1::4"), Ok(()));
        // IPv4 in IPv6's clothes.
        for _ in 0..3 {
            assert_eq!(take("::ffff:10.0.0.1"), Ok(()));
        }
        assert!(take("10.0.0.1").is_err());
    }
}
