//! The doorkeeper: how often one may try to log in, and who has to wait.
//!
//! # Rules
//! 1. *Rate*: login attempts are counted per address prefix (IPv4 address, IPv6 /64) and per client id, each in
//!    a token bucket: so many at once, so many a second after that.
//! 2. *Lock-out*: after [`Rules::failures_max`] failed logins of one client id *from one prefix* within
//!    [`Rules::window_ms`], that pair isn't heard for a while: [`Rules::lock_first_ms`], twice as long each
//!    further time, at most [`Rules::lock_longest_ms`]. A good login forgets all. Because the prefix is part of it,
//!    nobody elsewhere can lock a device out.
//! 3. *Reports*: whoever is refused here is told so, but not each refusal becomes a record: the first does,
//!    then at most one a minute with the number of those between. So nobody fills the ledger by knocking.
//!
//! # Bounds
//! Tables hold [`ENTRIES_MAX`] entries at most, in two generations: when the young one is full, it becomes the old
//! one, and the old one is forgotten. To make us forget one entry, somebody needs half as many different
//! addresses or names within its time as the table holds.
//!
//! Pure: the time is an argument, in milliseconds since 1970. A clock that goes back refills nothing.

use std::{collections::HashMap, hash::Hash, net::IpAddr};

use sealwire_envelope::ClientId;

/// Most entries of one table.
pub const ENTRIES_MAX: usize = 65_536;
/// Time between two reports about one pair, in milliseconds.
pub const REPORT_MS: u64 = 60_000;

/// How often one may try, and what follows from failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Attempts at once from one address prefix.
    pub address_burst: u32,
    /// Attempts a second from one address prefix, after the burst.
    pub address_per_s: u32,
    /// Attempts at once by one client id.
    pub client_burst: u32,
    /// Attempts a second by one client id, after the burst.
    pub client_per_s: u32,
    /// Failed logins of one client id from one prefix before it is locked out.
    pub failures_max: u32,
    /// Time within which they count, in milliseconds.
    pub window_ms: u64,
    /// The first lock-out, in milliseconds.
    pub lock_first_ms: u64,
    /// The longest lock-out, in milliseconds.
    pub lock_longest_ms: u64,
}

impl Default for Rules {
    /// For a plant behind one address that comes back all at once, and against guessing.
    fn default() -> Self {
        Self {
            address_burst: 10_000,
            address_per_s: 5_000,
            client_burst: 20,
            client_per_s: 5,
            failures_max: 5,
            window_ms: 60_000,
            lock_first_ms: 10_000,
            lock_longest_ms: 15 * 60_000,
        }
    }
}

/// An address as far as it tells one party from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(IpAddr);

impl Prefix {
    /// The prefix of an address: all of IPv4, the first 64 bits of IPv6.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = v6.to_bits() & !u128::from(u64::MAX);
                IpAddr::from(network.to_be_bytes())
            }
            v4 => v4,
        })
    }
}

/// Why one isn't heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Too many attempts from the address.
    Address,
    /// Too many attempts by the client id.
    Client,
    /// Too many failures.
    LockedOut {
        /// For so much longer, in milliseconds.
        left_ms: u64,
    },
}

/// Not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turned {
    /// Why.
    pub why: Why,
    /// To be recorded: how many attempts since the last report, this one included; none: not now.
    pub report: Option<u32>,
}

/// A table that forgets the oldest.
#[derive(Debug)]
struct Table<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Clone, V: Default> Table<K, V> {
    fn new() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn entry(&mut self, key: &K) -> &mut V {
        if !self.young.contains_key(key) {
            if self.young.len() >= ENTRIES_MAX / 2 {
                self.old = std::mem::take(&mut self.young);
            }
            let value = self.old.remove(key).unwrap_or_default();
            self.young.insert(key.clone(), value);
        }
        self.young.entry(key.clone()).or_default()
    }

    fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// Attempts left, in thousandths; none: never used, so full.
#[derive(Debug, Default)]
struct Bucket {
    left: Option<(u64, u64)>,
}

impl Bucket {
    fn take(&mut self, burst: u32, per_s: u32, now_ms: u64) -> bool {
        const ONE: u64 = 1_000;
        let full = u64::from(burst) * ONE;
        let left = match self.left {
            None => full,
            Some((left, at_ms)) => {
                let refill = now_ms
                    .saturating_sub(at_ms)
                    .saturating_mul(u64::from(per_s));
                left.saturating_add(refill).min(full)
            }
        };
        let taken = left.checked_sub(ONE);
        let at_ms = self.left.map_or(now_ms, |(_, at_ms)| at_ms.max(now_ms));
        self.left = Some((taken.unwrap_or(left), at_ms));
        taken.is_some()
    }
}

/// What is remembered of a client id at a prefix.
#[derive(Debug, Default)]
struct Record {
    failures: u32,
    first_failure_ms: u64,
    locks: u32,
    locked_until_ms: u64,
    unreported: u32,
    reported_ms: Option<u64>,
}

type Pair = (Option<ClientId>, Prefix);

/// Counts attempts and failures.
#[derive(Debug)]
pub struct Doorkeeper {
    rules: Rules,
    addresses: Table<Prefix, Bucket>,
    clients: Table<ClientId, Bucket>,
    pairs: Table<Pair, Record>,
}

impl Doorkeeper {
    /// Nobody has come yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            addresses: Table::new(),
            clients: Table::new(),
            pairs: Table::new(),
        }
    }

    /// Somebody wants to log in: as `client`, if the name can be one.
    ///
    /// # Errors
    /// [`Turned`] when it isn't to be heard now.
    pub fn knock(
        &mut self,
        client: Option<&ClientId>,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<(), Turned> {
        let (rules, prefix) = (self.rules, Prefix::of(address));
        let record = self.pairs.entry(&(client.cloned(), prefix));
        let left_ms = record.locked_until_ms.saturating_sub(now_ms);
        let why = if left_ms > 0 {
            Some(Why::LockedOut { left_ms })
        } else if !self.addresses.entry(&prefix).take(
            rules.address_burst,
            rules.address_per_s,
            now_ms,
        ) {
            Some(Why::Address)
        } else if client.is_some_and(|client| {
            let bucket = self.clients.entry(client);
            !bucket.take(rules.client_burst, rules.client_per_s, now_ms)
        }) {
            Some(Why::Client)
        } else {
            None
        };
        match why {
            None => Ok(()),
            Some(why) => Err(Turned {
                why,
                report: record.turned(now_ms),
            }),
        }
    }

    /// A login failed. When the pair is locked out by it, for how long, in milliseconds.
    pub fn failed(
        &mut self,
        client: Option<&ClientId>,
        address: IpAddr,
        now_ms: u64,
    ) -> Option<u64> {
        let rules = self.rules;
        let record = self.pairs.entry(&(client.cloned(), Prefix::of(address)));
        if now_ms.saturating_sub(record.first_failure_ms) > rules.window_ms {
            record.failures = 0;
            record.first_failure_ms = now_ms;
        }
        record.failures += 1;
        if record.failures < rules.failures_max {
            return None;
        }
        let doubled = 1u64.checked_shl(record.locks).unwrap_or(u64::MAX);
        let lock_ms = rules
            .lock_first_ms
            .saturating_mul(doubled)
            .min(rules.lock_longest_ms);
        record.locks = (record.locks + 1).min(u64::BITS - 1);
        record.failures = 0;
        record.locked_until_ms = now_ms.saturating_add(lock_ms);
        // The lock-out itself is recorded: that is the first report.
        record.reported_ms = Some(now_ms);
        record.unreported = 0;
        Some(lock_ms)
    }

    /// A login succeeded: what failed before is forgotten.
    pub fn succeeded(&mut self, client: &ClientId, address: IpAddr) {
        self.pairs
            .remove(&(Some(client.clone()), Prefix::of(address)));
    }

    /// How many entries are remembered.
    pub fn len(&self) -> usize {
        self.addresses.len() + self.clients.len() + self.pairs.len()
    }

    /// Whether nobody has come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Record {
    fn turned(&mut self, now_ms: u64) -> Option<u32> {
        self.unreported = self.unreported.saturating_add(1);
        let due = self
            .reported_ms
            .is_none_or(|at_ms| now_ms.saturating_sub(at_ms) >= REPORT_MS);
        due.then(|| {
            self.reported_ms = Some(now_ms);
            std::mem::take(&mut self.unreported)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

    fn client(name: &str) -> ClientId {
        name.parse().unwrap()
    }

    fn rules() -> Rules {
        Rules {
            address_burst: 30,
            address_per_s: 10,
            client_burst: 10,
            client_per_s: 2,
            ..Rules::default()
        }
    }

    #[test]
    fn a_burst_then_a_rate() {
        let mut door = Doorkeeper::new(rules());
        let press = client("acme.press");
        let heard = |door: &mut Doorkeeper, now_ms| door.knock(Some(&press), HERE, now_ms).is_ok();
        let at_once = (0..20).filter(|_| heard(&mut door, 1_000)).count();
        assert_eq!(at_once, 10, "the client's burst");
        let after = (0..20).filter(|_| heard(&mut door, 3_000)).count();
        assert_eq!(after, 4, "two seconds at two a second");
        assert!(
            !heard(&mut door, 2_000),
            "a clock that went back refills nothing"
        );
        assert!(!heard(&mut door, 3_000));
    }

    #[test]
    fn one_address_has_its_own_rate_whatever_names_it_tries() {
        let mut door = Doorkeeper::new(rules());
        let tries = (0..100).filter(|n| {
            let name = client(&format!("acme.c{n}"));
            door.knock(Some(&name), HERE, 0).is_ok()
        });
        assert_eq!(tries.count(), 30);
        let turned = door.knock(None, HERE, 0).unwrap_err();
        assert_eq!(turned.why, Why::Address);
        assert!(door.knock(Some(&client("acme.c1")), THERE, 0).is_ok());
    }

    #[test]
    fn failing_locks_out_for_longer_and_longer_and_only_there() {
        let mut door = Doorkeeper::new(rules());
        let press = client("acme.press");
        let mut now_ms = 1_000_000;
        let mut locks = Vec::new();
        for _ in 0..12 {
            let mut locked = None;
            while locked.is_none() {
                locked = door.failed(Some(&press), HERE, now_ms);
            }
            let lock_ms = locked.unwrap();
            locks.push(lock_ms / 1_000);
            let turned = door
                .knock(Some(&press), HERE, now_ms + lock_ms - 1)
                .unwrap_err();
            assert_eq!(turned.why, Why::LockedOut { left_ms: 1 });
            // The device itself, elsewhere, isn't hurt.
            assert!(door.knock(Some(&press), THERE, now_ms).is_ok());
            now_ms += lock_ms + 10_000;
            assert!(door.knock(Some(&press), HERE, now_ms).is_ok());
        }
        assert_eq!(locks[..4], [10, 20, 40, 80]);
        assert_eq!(*locks.last().unwrap(), 900, "bounded");
        door.succeeded(&press, HERE);
        assert_eq!(door.failed(Some(&press), HERE, now_ms), None);
    }

    #[test]
    fn old_failures_dont_count() {
        let mut door = Doorkeeper::new(rules());
        let press = client("acme.press");
        for n in 0..50 {
            let now_ms = 1_000_000 + n * 20_000;
            assert_eq!(
                door.failed(Some(&press), HERE, now_ms),
                None,
                "three a minute"
            );
        }
    }

    #[test]
    fn reports_are_few_and_lose_no_count() {
        let mut door = Doorkeeper::new(rules());
        let press = client("acme.press");
        while door.failed(Some(&press), HERE, 0).is_none() {}
        let mut reported = 0;
        let mut reports = 0;
        for n in 0..1_000_000 / 100 {
            if let Err(turned) = door.knock(Some(&press), HERE, n * 100)
                && let Some(count) = turned.report
            {
                reports += 1;
                reported += count;
            }
        }
        assert!((1..=17).contains(&reports), "{reports} in 1,000 s");
        assert!(reported > 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one_prefix() {
        let at = |text: &str| Prefix::of(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:192.0.2.7"), at("192.0.2.7"));
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let mut door = Doorkeeper::new(Rules::default());
        for n in 0..200_000u32 {
            let address = IpAddr::from(n.to_be_bytes());
            let name = client(&format!("acme.c{n}"));
            let _ = door.knock(Some(&name), address, 0);
            door.failed(Some(&name), address, 0);
        }
        assert!(door.len() <= 3 * ENTRIES_MAX, "{}", door.len());
    }
}
