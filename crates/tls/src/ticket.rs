//! Session tickets sealed with SM4-GCM (RFC 8446 §4.6.1; the layout follows RFC 5077 §4).
//!
//! ```text
//! ticket = key name (16 bytes, random) || nonce (12, random) || ciphertext || tag (16)
//! ```
//!
//! The key name is authenticated too. A key seals for one period and opens for two; then it is
//! gone, and what it sealed can't be opened by anyone. Keys live in memory only: after a restart
//! clients do one full handshake.
//!
//! A nonce is random, so a key seals at most [`TICKETS_PER_KEY`] tickets: beyond that, two nonces
//! could meet (NIST SP 800-38D §8.3 allows 2^32). Until the next period there are then no tickets.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rand::{TryRng as _, rngs::SysRng};
use rustls::{crypto::GetRandomFailed, server::ProducesTickets, ticketer::TicketRotator};
use sealwire_sm::{
    record::{Mode, RecordKey},
    sm4::{NONCE_LEN, TAG_LEN},
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Most tickets that one key seals.
pub const TICKETS_PER_KEY: u64 = 1 << 31;

/// Longest ticket that is opened, in bytes: a session with a client's certificate has about 5 KiB.
pub const MAX_TICKET_BYTES: usize = 16 * 1024;

const NAME_LEN: usize = 16;

/// Longest period of a key in seconds: a ticket lives for two, and RFC 8446 §4.6.1 allows 7 days.
pub const ROTATE_MAX_S: u32 = 7 * 24 * 60 * 60 / 2;

/// Tickets under keys that change every `rotate_s` seconds (from 1 to [`ROTATE_MAX_S`]; what is
/// outside is taken as the nearer of the two).
///
/// # Errors
/// When the system's random source fails.
pub fn rotating(rotate_s: u32) -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    Ok(Arc::new(TicketRotator::new(
        rotate_s.clamp(1, ROTATE_MAX_S),
        || Ok(Box::new(TicketKey::generate()?)),
    )?))
}

/// A key that seals tickets.
struct TicketKey {
    name: [u8; NAME_LEN],
    key: RecordKey,
    sealed: AtomicU64,
}

impl TicketKey {
    fn generate() -> Result<Self, GetRandomFailed> {
        let mut name = [0; NAME_LEN];
        let mut key = Zeroizing::new([0; RecordKey::LEN]);
        SysRng
            .try_fill_bytes(&mut name)
            .map_err(|_| GetRandomFailed)?;
        SysRng
            .try_fill_bytes(key.as_mut_slice())
            .map_err(|_| GetRandomFailed)?;
        Ok(Self {
            name,
            key: RecordKey::new(Mode::Gcm, &key),
            sealed: AtomicU64::new(0),
        })
    }
}

impl ProducesTickets for TicketKey {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        // The rotator's own counts: rustls asks that one.
        0
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let len = NAME_LEN + NONCE_LEN + session.len() + TAG_LEN;
        if len > MAX_TICKET_BYTES || self.sealed.fetch_add(1, Ordering::Relaxed) >= TICKETS_PER_KEY
        {
            return None;
        }
        let mut nonce = [0; NONCE_LEN];
        SysRng.try_fill_bytes(&mut nonce).ok()?;
        let mut ticket = Vec::with_capacity(len);
        ticket.extend_from_slice(&self.name);
        ticket.extend_from_slice(&nonce);
        ticket.extend_from_slice(session);
        let tag = self
            .key
            .seal_in_place(&nonce, &self.name, &mut ticket[NAME_LEN + NONCE_LEN..])
            .ok()?;
        ticket.extend_from_slice(&tag);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > MAX_TICKET_BYTES {
            return None;
        }
        let (name, rest) = ticket.split_first_chunk::<NAME_LEN>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let (text, tag) = rest.split_last_chunk::<TAG_LEN>()?;
        if !bool::from(name.ct_eq(&self.name)) {
            return None;
        }
        let mut session = text.to_vec();
        self.key
            .open_in_place(nonce, name, &mut session, tag)
            .ok()?;
        Some(session)
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let key = TicketKey::generate().unwrap();
        let ticket = key.encrypt(b"session").unwrap();
        assert_eq!(ticket.len(), 16 + 12 + 7 + 16);
        assert_eq!(key.decrypt(&ticket).unwrap(), b"session");
        assert_ne!(ticket, key.encrypt(b"session").unwrap());
        assert!(TicketKey::generate().unwrap().decrypt(&ticket).is_none());
        for i in 0..ticket.len() {
            let mut bad = ticket.clone();
            bad[i] ^= 1;
            assert!(key.decrypt(&bad).is_none(), "byte {i}");
            assert!(key.decrypt(&ticket[..i]).is_none(), "length {i}");
        }
        assert!(key.decrypt(&vec![0; MAX_TICKET_BYTES + 1]).is_none());
        assert!(key.encrypt(&vec![0; MAX_TICKET_BYTES]).is_none());
    }

    #[test]
    fn stops_before_nonces_meet() {
        let key = TicketKey::generate().unwrap();
        key.sealed.store(TICKETS_PER_KEY - 1, Ordering::Relaxed);
        let last = key.encrypt(b"session").unwrap();
        assert!(key.encrypt(b"session").is_none());
        assert!(key.decrypt(&last).is_some());
    }

    #[test]
    fn keys_change() {
        let tickets = rotating(1).unwrap();
        let old = tickets.encrypt(b"session").unwrap();
        assert_eq!(tickets.decrypt(&old).unwrap(), b"session");
        assert_eq!(tickets.lifetime(), 2);
        std::thread::sleep(std::time::Duration::from_millis(3100));
        // Two periods on; each look moves the keys on by one.
        tickets.encrypt(b"a").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2100));
        let new = tickets.encrypt(b"b").unwrap();
        assert!(tickets.decrypt(&old).is_none());
        assert_eq!(tickets.decrypt(&new).unwrap(), b"b");
    }
}
