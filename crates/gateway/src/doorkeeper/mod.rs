//! The doorkeeper: how often one may try to log in, and who has to wait.
//!
//! # Rules
//! 1. *Rate*: connections and login attempts are counted per address prefix (IPv4 address, IPv6
//!    /64), login attempts also per client id, each in a token bucket ([`crate::rate`]).
//! 2. *Lock-out*: after [`Rules::failures_max`] failed logins of one client id *from one prefix*
//!    within [`Rules::window_ms`], that pair isn't heard for a while: [`Rules::lock_first_ms`],
//!    twice as long each further time, at most [`Rules::lock_longest_ms`]. A good login forgets
//!    all. Because the prefix is part of it, nobody elsewhere can lock a device out; the rate per
//!    client id is all that a third party can use up, and it slows, no more.
//! 3. *Records*: a failed login becomes a record, at a rate per prefix and for all. Whoever isn't
//!    heard becomes part of a sum ([`Sum`]), one a minute. So nobody fills the ledger by knocking.
//!
//! # Bounds
//! Tables hold [`ENTRIES_MAX`] entries at most, and forget the oldest first; but those that are
//! locked out stay, the longest first, as long as they aren't a quarter of the table. Only a failed
//! login makes an entry, and one prefix makes no more than [`NAMES_MAX`] in [`NAMES_MS`]: to be
//! forgotten, somebody who is locked out needs dozens of networks, and then isn't locked out there.
//!
//! Pure: the time is an argument, in milliseconds since 1970. A clock that goes back refills
//! nothing.

mod report;
mod table;

use std::net::IpAddr;

use sealwire_envelope::ClientId;

pub use report::{REPORT_MS, Refused, Sum};
pub use table::ENTRIES_MAX;

use report::Reports;
use table::Table;

use crate::rate::{Bucket, Rate};

/// Client ids that are remembered for one prefix at a time.
pub const NAMES_MAX: u32 = 1_024;
/// That time, in milliseconds.
pub const NAMES_MS: u64 = 15 * 60_000;

/// How often one may try, and what follows from failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Connections from one address prefix.
    pub connections: Rate,
    /// Login attempts from one address prefix.
    pub address: Rate,
    /// Login attempts by one client id.
    pub client: Rate,
    /// Failed logins of one client id from one prefix before it is locked out.
    pub failures_max: u32,
    /// Time within which they count, in milliseconds.
    pub window_ms: u64,
    /// The first lock-out, in milliseconds.
    pub lock_first_ms: u64,
    /// The longest lock-out, in milliseconds.
    pub lock_longest_ms: u64,
    /// Records of refused logins from one address prefix.
    pub records_address: Rate,
    /// Records of refused logins in all.
    pub records_all: Rate,
}

impl Default for Rules {
    /// For a plant behind one address that comes back all at once, and against guessing.
    fn default() -> Self {
        let rate = |burst, per_s| Rate { burst, per_s };
        Self {
            connections: rate(20_000, 10_000),
            address: rate(10_000, 5_000),
            client: rate(20, 5),
            failures_max: 5,
            window_ms: 60_000,
            lock_first_ms: 10_000,
            lock_longest_ms: 15 * 60_000,
            records_address: rate(200, 1),
            records_all: rate(2_000, 20),
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

/// What follows from a failed login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// It gets a record of its own.
    pub record: bool,
    /// The pair is locked out by it, for so many milliseconds, and that gets a record.
    pub locked_ms: Option<u64>,
}

/// What is remembered of a prefix.
#[derive(Debug, Default)]
struct Address {
    connections: Bucket,
    logins: Bucket,
    records: Bucket,
    /// Client ids remembered for it since.
    names: u32,
    names_ms: u64,
}

impl Address {
    fn has_room_for_a_name(&mut self, now_ms: u64) -> bool {
        if now_ms.saturating_sub(self.names_ms) > NAMES_MS {
            (self.names, self.names_ms) = (0, now_ms);
        }
        self.names += u32::from(self.names < NAMES_MAX + 1);
        self.names <= NAMES_MAX
    }
}

/// What is remembered of a client id at a prefix.
#[derive(Debug, Default)]
struct Record {
    failures: u32,
    first_failure_ms: u64,
    locks: u32,
    locked_until_ms: u64,
}

type Pair = (Option<ClientId>, Prefix);

/// Counts attempts and failures.
#[derive(Debug)]
pub struct Doorkeeper {
    rules: Rules,
    addresses: Table<Prefix, Address>,
    clients: Table<ClientId, Bucket>,
    pairs: Table<Pair, Record>,
    reports: Reports,
}

/// For entries that are all worth the same: nothing.
fn no_worth<V>(_: &V) -> Option<u64> {
    None
}

impl Doorkeeper {
    /// Nobody has come yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            addresses: Table::new(),
            clients: Table::new(),
            pairs: Table::new(),
            reports: Reports::default(),
        }
    }

    /// Somebody has connected; `false`: too often.
    pub fn connected(&mut self, address: IpAddr, now_ms: u64) -> bool {
        let rate = self.rules.connections;
        let entry = self.addresses.entry(&Prefix::of(address), no_worth);
        entry.connections.take(rate, now_ms)
    }

    /// Somebody wants to log in: as `client`, if the name can be one.
    ///
    /// # Errors
    /// [`Why`] it isn't to be heard now; it is counted for the sums.
    pub fn knock(
        &mut self,
        client: Option<&ClientId>,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<(), Why> {
        let (rules, prefix) = (self.rules, Prefix::of(address));
        let locked = self.pairs.get(&(client.cloned(), prefix));
        let left_ms = locked.map_or(0, |record| record.locked_until_ms.saturating_sub(now_ms));
        let why = if left_ms > 0 {
            Why::LockedOut { left_ms }
        } else if !self
            .addresses
            .entry(&prefix, no_worth)
            .logins
            .take(rules.address, now_ms)
        {
            Why::Address
        } else if client.is_some_and(|client| {
            let bucket = self.clients.entry(client, no_worth);
            !bucket.take(rules.client, now_ms)
        }) {
            Why::Client
        } else {
            return Ok(());
        };
        let how = match why {
            Why::LockedOut { .. } => Refused::LockedOut,
            Why::Address | Why::Client => Refused::TooMany,
        };
        self.reports.count(how, client, prefix, now_ms);
        Err(why)
    }

    /// Somebody who was heard is refused; whether that gets a record of its own.
    pub fn refused(&mut self, client: Option<&ClientId>, address: IpAddr, now_ms: u64) -> bool {
        let prefix = Prefix::of(address);
        let bucket = &mut self.addresses.entry(&prefix, no_worth).records;
        let record = self.reports.may_record(&self.rules, bucket, now_ms);
        if !record {
            self.reports.count(Refused::Failed, client, prefix, now_ms);
        }
        record
    }

    /// Somebody couldn't show who it is.
    pub fn failed(&mut self, client: Option<&ClientId>, address: IpAddr, now_ms: u64) -> Failed {
        let (rules, prefix) = (self.rules, Prefix::of(address));
        let record = self.refused(client, address, now_ms);
        let pair = (client.cloned(), prefix);
        let is_known = self.pairs.get(&pair).is_some();
        let place = self.addresses.entry(&prefix, no_worth);
        if !is_known && !place.has_room_for_a_name(now_ms) {
            return Failed {
                record,
                locked_ms: None,
            };
        }
        let entry = self.pairs.entry(&pair, |record| {
            (record.locked_until_ms > now_ms).then_some(record.locked_until_ms)
        });
        let locked_ms = entry.failed(&rules, now_ms);
        Failed { record, locked_ms }
    }

    /// A login succeeded: what failed before is forgotten.
    pub fn succeeded(&mut self, client: &ClientId, address: IpAddr) {
        self.pairs
            .remove(&(Some(client.clone()), Prefix::of(address)));
    }

    /// Sums of the refusals that got no record, at most once in [`REPORT_MS`]; `all`: now.
    pub fn sums(&mut self, now_ms: u64, all: bool) -> Vec<Sum> {
        self.reports.take(now_ms, all)
    }

    /// How many entries are remembered.
    pub fn len(&self) -> usize {
        self.addresses.len() + self.clients.len() + self.pairs.len() + self.reports.len()
    }

    /// Whether nobody has come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Record {
    /// Counts a failure; how long the pair is locked out by it.
    fn failed(&mut self, rules: &Rules, now_ms: u64) -> Option<u64> {
        if now_ms.saturating_sub(self.first_failure_ms) > rules.window_ms {
            self.failures = 0;
            self.first_failure_ms = now_ms;
        }
        self.failures += 1;
        if self.failures < rules.failures_max {
            return None;
        }
        let doubled = 1u64.checked_shl(self.locks).unwrap_or(u64::MAX);
        let lock_ms = rules
            .lock_first_ms
            .saturating_mul(doubled)
            .min(rules.lock_longest_ms);
        self.locks = (self.locks + 1).min(u64::BITS - 1);
        self.failures = 0;
        self.locked_until_ms = now_ms.saturating_add(lock_ms);
        Some(lock_ms)
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

    fn rate(burst: u32, per_s: u32) -> Rate {
        Rate { burst, per_s }
    }

    fn rules() -> Rules {
        Rules {
            address: rate(30, 10),
            client: rate(10, 2),
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
        assert_eq!(turned, Why::Address);
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
                locked = door.failed(Some(&press), HERE, now_ms).locked_ms;
            }
            let lock_ms = locked.unwrap();
            locks.push(lock_ms / 1_000);
            let turned = door
                .knock(Some(&press), HERE, now_ms + lock_ms - 1)
                .unwrap_err();
            assert_eq!(turned, Why::LockedOut { left_ms: 1 });
            // The device itself, elsewhere, isn't hurt.
            assert!(door.knock(Some(&press), THERE, now_ms).is_ok());
            now_ms += lock_ms + 10_000;
            assert!(door.knock(Some(&press), HERE, now_ms).is_ok());
        }
        assert_eq!(locks[..4], [10, 20, 40, 80]);
        assert_eq!(*locks.last().unwrap(), 900, "bounded");
        door.succeeded(&press, HERE);
        assert_eq!(door.failed(Some(&press), HERE, now_ms).locked_ms, None);
    }

    #[test]
    fn old_failures_dont_count() {
        let mut door = Doorkeeper::new(rules());
        let press = client("acme.press");
        for n in 0..50 {
            let now_ms = 1_000_000 + n * 20_000;
            assert_eq!(
                door.failed(Some(&press), HERE, now_ms).locked_ms,
                None,
                "three a minute"
            );
        }
    }

    /// An hour of a thousand attempts a minute, locked out most of the time.
    #[test]
    fn records_are_few_and_no_count_is_lost() {
        let mut door = Doorkeeper::new(Rules::default());
        let press = client("acme.press");
        let (mut records, mut counted) = (0, 0);
        for n in 0..60_000u64 {
            let now_ms = 1_000_000 + n * 60;
            if door.knock(Some(&press), HERE, now_ms).is_ok() {
                let failed = door.failed(Some(&press), HERE, now_ms);
                counted += u64::from(failed.record);
                records += u64::from(failed.record) + u64::from(failed.locked_ms.is_some());
            }
            for sum in door.sums(now_ms, false) {
                assert_eq!(
                    (sum.address, &sum.client),
                    (Some(HERE), &Some(press.clone()))
                );
                counted += sum.all();
                records += 1;
            }
        }
        counted += door.sums(u64::MAX, true).iter().map(Sum::all).sum::<u64>();
        assert_eq!(counted, 60_000);
        assert!(records < 60 + 100, "{records} records in an hour");
    }

    /// A flood of names from everywhere: at first record by record, then sums.
    #[test]
    fn a_flood_of_names_and_addresses_leaves_few_records() {
        let mut door = Doorkeeper::new(Rules::default());
        let (mut records, mut counted, mut sums) = (0u64, 0, 0);
        for n in 0..200_000u32 {
            let now_ms = 1_000_000 + u64::from(n);
            let address = IpAddr::from(n.to_be_bytes());
            let failed = door.failed(Some(&client(&format!("acme.c{n}"))), address, now_ms);
            records += u64::from(failed.record);
            let handed_out = door.sums(now_ms, n == 199_999);
            sums += handed_out.len();
            counted += handed_out.iter().map(Sum::all).sum::<u64>();
        }
        assert_eq!(records + counted, 200_000);
        let rate = Rules::default().records_all;
        assert!(
            records <= u64::from(rate.burst + 201 * rate.per_s),
            "{records}"
        );
        assert!(sums <= 33 * 5, "{sums}");
    }

    /// One network that tries all names doesn't make us forget whom we locked out, and neither do
    /// many that are themselves locked out for less long.
    #[test]
    fn who_is_locked_out_stays_so() {
        let mut door = Doorkeeper::new(Rules::default());
        let press = client("acme.press");
        let mut now_ms = 1_000_000;
        for _ in 0..40 {
            while door.failed(Some(&press), HERE, now_ms).locked_ms.is_none() {}
        }
        for n in 0..300_000u32 {
            let name = client(&format!("acme.c{n}"));
            door.failed(Some(&name), HERE, now_ms);
        }
        let is_locked =
            |door: &mut Doorkeeper, now_ms| door.knock(Some(&press), HERE, now_ms).is_err();
        assert!(is_locked(&mut door, now_ms));
        for n in 0..100_000u32 {
            now_ms += 1;
            let address = IpAddr::from(n.to_be_bytes());
            let name = client(&format!("acme.d{n}"));
            while door
                .failed(Some(&name), address, now_ms)
                .locked_ms
                .is_none()
            {}
        }
        assert!(is_locked(&mut door, now_ms));
        assert!(door.len() <= 3 * ENTRIES_MAX + 2_000, "{}", door.len());
    }

    #[test]
    fn connections_have_their_own_rate() {
        let mut door = Doorkeeper::new(Rules {
            connections: rate(3, 1),
            ..rules()
        });
        let taken = (0..9).filter(|_| door.connected(HERE, 0)).count();
        assert_eq!(taken, 3);
        assert!(door.connected(THERE, 0));
        assert!(door.connected(HERE, 1_000));
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
        assert!(door.len() <= 3 * ENTRIES_MAX + 2_000, "{}", door.len());
    }
}
