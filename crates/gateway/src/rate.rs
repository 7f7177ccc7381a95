//! Token buckets: so many at once, so many a second after that.
//!
//! Pure: the time is an argument, in milliseconds since 1970. A clock that goes back refills
//! nothing.

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many at once.
    pub burst: u32,
    /// So many a second, after the burst.
    pub per_s: u32,
}

/// A token, in the bucket's unit: thousandths, so that a millisecond refills whole ones.
const ONE: u64 = 1_000;

/// What is left of a [`Rate`]; a new one is full.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// Thousandths of tokens left, and when; none: never used, so full.
    left: Option<(u64, u64)>,
}

impl Bucket {
    /// Take one, if there is one.
    pub fn take(&mut self, rate: Rate, now_ms: u64) -> bool {
        self.wait_ms(rate, now_ms).is_none()
    }

    /// Take one; if there is none, in how many milliseconds there will be (at a rate of 0 a
    /// second: never).
    pub fn wait_ms(&mut self, rate: Rate, now_ms: u64) -> Option<u64> {
        let full = u64::from(rate.burst) * ONE;
        let (left, at_ms) = match self.left {
            None => (full, now_ms),
            Some((left, at_ms)) => {
                let refill = now_ms
                    .saturating_sub(at_ms)
                    .saturating_mul(u64::from(rate.per_s));
                (left.saturating_add(refill).min(full), at_ms.max(now_ms))
            }
        };
        let taken = left.checked_sub(ONE);
        self.left = Some((taken.unwrap_or(left), at_ms));
        match taken {
            Some(_) => None,
            None if rate.per_s == 0 => Some(u64::MAX),
            None => Some((ONE - left).div_ceil(u64::from(rate.per_s))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        burst: 10,
        per_s: 2,
    };

    #[test]
    fn a_burst_then_a_rate() {
        let mut bucket = Bucket::default();
        let mut taken = |now_ms| (0..20).filter(|_| bucket.take(RATE, now_ms)).count();
        assert_eq!(taken(1_000), 10, "the burst");
        assert_eq!(taken(3_000), 4, "two seconds at two a second");
        assert_eq!(taken(2_000), 0, "a clock that went back refills nothing");
        assert_eq!(taken(3_000), 0);
        assert_eq!(taken(u64::MAX), 10, "never more than the burst");
    }

    #[test]
    fn it_says_how_long_to_wait() {
        let mut bucket = Bucket::default();
        while bucket.take(RATE, 0) {}
        assert_eq!(bucket.wait_ms(RATE, 100), Some(400));
        assert_eq!(bucket.wait_ms(RATE, 500), None);
        let never = Rate { burst: 1, per_s: 0 };
        let mut bucket = Bucket::default();
        assert_eq!(bucket.wait_ms(never, 0), None);
        assert_eq!(bucket.wait_ms(never, u64::MAX), Some(u64::MAX));
    }
}
