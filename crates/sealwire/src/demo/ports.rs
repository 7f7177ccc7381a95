//! Free ports on loopback for the services of a consortium that runs on one machine.
//!
//! A port that was free when it was chosen must still be free when its service starts, a moment
//! later and after every restart. So all of a consortium's are chosen together and held until the
//! last is known, and none is of the range from which systems take the ports of outgoing
//! connections (32768 and up on Linux, 49152 and up elsewhere): any connection could sit on it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, bail};
use rand::RngExt as _;

use crate::init::Addresses;

/// Where to look.
const RANGE: std::ops::Range<u16> = 10_000..32_000;
/// Ports looked at before giving up.
const TRIES_MAX: usize = 1_000;

/// Ports that are held.
#[derive(Default)]
pub struct Ports {
    held: Vec<TcpListener>,
}

impl Ports {
    /// One organisation's.
    ///
    /// # Errors
    /// When next to none is free.
    pub fn addresses(&mut self) -> Result<Addresses> {
        Ok(Addresses {
            p2p: self.next()?,
            http: self.next()?,
            mqtt: self.next()?,
            gateway_http: self.next()?,
            mqtts: self.next()?,
            gateway_https: self.next()?,
            desk: self.next()?,
            https: self.next()?,
            console: self.next()?,
        })
    }

    fn next(&mut self) -> Result<SocketAddr> {
        let mut rng = rand::rng();
        for _ in 0..TRIES_MAX {
            let address = (Ipv4Addr::LOCALHOST, rng.random_range(RANGE));
            if let Ok(listener) = TcpListener::bind(address) {
                self.held.push(listener);
                return Ok(address.into());
            }
        }
        bail!(
            "no free port on loopback from {} to {}",
            RANGE.start,
            RANGE.end
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn none_twice_and_none_of_outgoing_connections() {
        let mut ports = Ports::default();
        let all: Vec<_> = (0..100).map(|_| ports.next().unwrap().port()).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 100);
        assert!(all.iter().all(|port| RANGE.contains(port)));
    }
}
