//! What a gateway is told, and every bound that it keeps, with its unit.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{address::AddressKey, channel, doorkeeper::Rules, rate::Rate};

/// Room in an MQTT packet beside the payload (topic, properties), in bytes.
const PACKET_OVERHEAD_BYTES: usize = 64 * 1024;

/// How a gateway is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of the gateway; the archive lies in it.
    pub home: PathBuf,
    /// Where MQTT clients connect. Port 0: any free port.
    pub mqtt: SocketAddr,
    /// Where readers fetch. Port 0: any free port.
    pub http: SocketAddr,
    /// Address under which readers find the packages, as it is written into anchors; `None`: the
    /// HTTP address.
    pub location: Option<String>,
    /// Offer TLS, too; `None`: plain TCP and HTTP only.
    pub tls: Option<channel::Config>,
    /// Record addresses as keyed digests ([`crate::address`]) under this key; `None`: as they are.
    pub address_key: Option<AddressKey>,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// A gateway in `home` on free ports of this machine.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let home = home.into();
        Self {
            home,
            mqtt: loopback,
            http: loopback,
            location: None,
            tls: None,
            address_key: None,
            limits: Limits::default(),
        }
    }

    /// The archive's file.
    pub fn archive_path(&self) -> PathBuf {
        self.home.join("archive.sqlite")
    }
}

/// Bounds of a gateway.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest payload of a message, in bytes.
    pub payload_bytes_max: usize,
    /// Connections at a time.
    pub connections_max: usize,
    /// Connections at a time from one address.
    pub connections_per_address_max: usize,
    /// Time from accepting a connection to its admission.
    pub handshake_max: Duration,
    /// QoS 1 and 2 messages that a client may have unacknowledged.
    pub receive_maximum: u16,
    /// Age of the verified ledger state beyond which new logins are refused.
    pub max_staleness: Duration,
    /// Age at which a package is closed, however small.
    pub package_age: Duration,
    /// Messages and bytes at which a package is closed.
    pub package: sealwire_archive::Limits,
    /// How far a client's clock may be from ours in a token. (A signed request carries one time, and
    /// may be as far off as `REQUEST_MAX_AGE_S` of `sealwire_envelope::login`.)
    pub clock_skew: Duration,
    /// How often one may try to log in, and what follows from failing.
    pub doorkeeper: Rules,
    /// How often one session may do what costs others something.
    pub session: SessionRates,
    /// How long a live session may go on after its certificate was renewed, before it must have
    /// re-authenticated with the new one.
    pub renewal_grace: Duration,
    /// Heights after the present one until which a transaction may be included.
    pub expiry_blocks: u64,
}

/// How often one session may do what costs others something.
#[derive(Clone, Copy, Debug)]
pub struct SessionRates {
    /// Messages. Who sends faster is read more slowly: nothing is refused or lost.
    pub publishes: Rate,
    /// Filters subscribed to; each is an event on the ledger. Beyond: SUBACK 0x97.
    pub filters: Rate,
    /// Refused messages and filters; each refusal is work. Beyond: DISCONNECT 0x96.
    pub refusals: Rate,
    /// Re-authentications. Beyond: DISCONNECT 0x97.
    pub reauthentications: Rate,
}

impl Default for SessionRates {
    /// For busy gateways of sensors, not only for single ones.
    fn default() -> Self {
        let rate = |burst, per_s| Rate { burst, per_s };
        Self {
            publishes: rate(50_000, 50_000),
            filters: rate(512, 4),
            refusals: rate(5_000, 500),
            reauthentications: rate(10, 1),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: 1024 * 1024,
            connections_max: 10_000,
            connections_per_address_max: 5_000,
            handshake_max: Duration::from_secs(10),
            receive_maximum: 128,
            max_staleness: Duration::from_secs(5 * 60),
            package_age: Duration::from_secs(10),
            package: sealwire_archive::Limits::default(),
            clock_skew: Duration::from_secs(60),
            doorkeeper: Rules::default(),
            session: SessionRates::default(),
            renewal_grace: Duration::from_secs(60),
            expiry_blocks: 100,
        }
    }
}

impl Limits {
    /// Largest MQTT packet, in bytes.
    pub fn packet_bytes_max(&self) -> usize {
        self.payload_bytes_max + PACKET_OVERHEAD_BYTES
    }
}
