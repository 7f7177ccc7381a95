//! `sealwire bench …`: what this machine can do, measured on the real services.

pub mod compute;
pub mod ledger;
pub mod login;

use std::time::Duration;

use serde::Serialize;

/// Percentiles of a set of times, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Percentiles {
    /// Half are below.
    pub p50_ms: f64,
    /// Nine in ten are below.
    pub p90_ms: f64,
    /// 99 in 100 are below.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Percentiles {
    /// Of `times`, which may come in any order; zeros when there are none.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |part: f64| {
            let place = ((times.len() as f64 * part).ceil() as usize).clamp(1, times.len().max(1));
            times
                .get(place - 1)
                .map_or(0.0, |time| (time.as_secs_f64() * 1e5).round() / 100.0)
        };
        Self {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred() {
        let percentiles = Percentiles::of((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(percentiles.p50_ms, 50.0);
        assert_eq!(percentiles.p90_ms, 90.0);
        assert_eq!(percentiles.p99_ms, 99.0);
        assert_eq!(percentiles.max_ms, 100.0);
        assert_eq!(Percentiles::of(vec![]).max_ms, 0.0);
    }
}
