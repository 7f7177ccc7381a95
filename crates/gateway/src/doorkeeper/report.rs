//! Which refusals become records of their own, and the sums of the others.
//!
//! A record is a connection event on the ledger, for ever, so strangers get only so many: at a rate
//! per address prefix and at one for all. What is beyond is counted per prefix and handed out as
//! one sum a minute for each of the prefixes with most, and one sum for all others. No count is
//! lost.

use std::{collections::HashMap, net::IpAddr};

use sealwire_envelope::ClientId;

use super::{Prefix, Rules};
use crate::rate::Bucket;

/// Time from the first refusal of a sum until it is handed out, in milliseconds.
pub const REPORT_MS: u64 = 60_000;
/// Prefixes that are counted apart at a time.
const PREFIXES_MAX: usize = 1_024;
/// Sums handed out at a time, beside the one for all others.
const SUMS_MAX: usize = 32;

/// How a login was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It was looked at and failed.
    Failed,
    /// It wasn't looked at: too many.
    TooMany,
    /// It wasn't looked at: locked out.
    LockedOut,
}

/// Refusals that have no record of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// From where; none: from several prefixes.
    pub address: Option<IpAddr>,
    /// Who they all said they were; none: several, or nobody that can be.
    pub client: Option<ClientId>,
    /// Looked at, and failed.
    pub failed: u64,
    /// Too many.
    pub too_many: u64,
    /// Locked out.
    pub locked_out: u64,
}

impl Sum {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.failed + self.too_many + self.locked_out
    }

    fn count(&mut self, how: Refused, client: Option<&ClientId>) {
        if self.all() == 0 {
            self.client = client.cloned();
        } else if self.client.as_ref() != client {
            self.client = None;
        }
        let slot = match how {
            Refused::Failed => &mut self.failed,
            Refused::TooMany => &mut self.too_many,
            Refused::LockedOut => &mut self.locked_out,
        };
        *slot += 1;
    }

    fn add(&mut self, other: &Self) {
        (self.address, self.client) = (None, None);
        self.failed += other.failed;
        self.too_many += other.too_many;
        self.locked_out += other.locked_out;
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} logins refused without records of their own: {} failed, {} too many, {} locked out",
            self.all(),
            self.failed,
            self.too_many,
            self.locked_out
        )
    }
}

/// Counts refusals without records.
#[derive(Debug, Default)]
pub(super) struct Reports {
    all: Bucket,
    sums: HashMap<Prefix, Sum>,
    others: Sum,
    /// When the first of them was counted; none: there are none.
    since_ms: Option<u64>,
}

impl Reports {
    /// Whether a failed login may have its own record; `bucket` is its prefix's.
    pub fn may_record(&mut self, rules: &Rules, bucket: &mut Bucket, now_ms: u64) -> bool {
        bucket.take(rules.records_address, now_ms) && self.all.take(rules.records_all, now_ms)
    }

    pub fn count(&mut self, how: Refused, client: Option<&ClientId>, prefix: Prefix, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
        if self.sums.len() < PREFIXES_MAX || self.sums.contains_key(&prefix) {
            let sum = self.sums.entry(prefix).or_default();
            sum.count(how, client);
            sum.address = Some(prefix.0);
        } else {
            self.others.count(how, None);
        }
    }

    /// The sums, if it is time for them; `all`: in any case.
    pub fn take(&mut self, now_ms: u64, all: bool) -> Vec<Sum> {
        let since_ms = self.since_ms;
        let due = since_ms.is_some_and(|since_ms| now_ms.saturating_sub(since_ms) >= REPORT_MS);
        if !(due || all) {
            return Vec::new();
        }
        self.since_ms = None;
        let mut sums: Vec<Sum> = std::mem::take(&mut self.sums).into_values().collect();
        // By address too, so that the order doesn't hang on the map's.
        sums.sort_by_key(|sum| (std::cmp::Reverse(sum.all()), sum.address));
        let mut others = std::mem::take(&mut self.others);
        for rest in sums.split_off(SUMS_MAX.min(sums.len())) {
            others.add(&rest);
        }
        sums.extend((others.all() > 0).then_some(others));
        sums
    }

    pub fn len(&self) -> usize {
        self.sums.len()
    }
}
