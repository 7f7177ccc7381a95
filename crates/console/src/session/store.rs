//! Sessions, one-time links and used nonces, in memory and within bounds.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sealwire_sm::{Sm3Digest, digest::hmac_sm3, sm3};
use zeroize::Zeroizing;

use super::{Link, NONCE_BYTES, Session};
use crate::{Clock, Limits, Settings, problem::Problem, rate::Attempts};

/// Length of a cookie's and a link's secret, in bytes.
const SECRET_BYTES: usize = 32;
/// Links that wait at a time: one more, and the oldest is void.
const LINKS_MAX: usize = 16;
/// Sessions of one client at a time: one more, and the one longest unused ends.
const SESSIONS_PER_CLIENT: usize = 16;
/// Length of what a nonce is made of, in bytes.
const NONCE_OPEN_BYTES: usize = 16;

/// All sessions, links and used nonces.
pub(crate) struct Sessions {
    cookie: String,
    secure: bool,
    nonce_key: Zeroizing<[u8; 32]>,
    limits: Limits,
    pub(super) attempts: Attempts,
    clock: Arc<dyn Clock>,
    links: Mutex<Vec<(Sm3Digest, u64)>>,
    sessions: Mutex<HashMap<Sm3Digest, Session>>,
    used: Mutex<HashMap<[u8; NONCE_BYTES], u64>>,
}

impl Sessions {
    pub(crate) fn new(settings: &Settings) -> Self {
        let secure = settings.https.is_some();
        // Cookies don't know ports: consoles of one machine must not take each other's.
        let tag: [u8; 4] = rand::random();
        let prefix = if secure { "__Host-" } else { "" };
        let limits = settings.limits;
        Self {
            cookie: format!("{prefix}sealwire-{}-{}", settings.org, hex::encode(tag)),
            secure,
            nonce_key: Zeroizing::new(rand::random()),
            limits,
            attempts: Attempts::new(limits.attempts_burst, limits.attempt_every),
            clock: settings.clock.clone(),
            links: Mutex::default(),
            sessions: Mutex::default(),
            used: Mutex::default(),
        }
    }

    /// A new one-time link.
    pub(crate) fn link(&self, origin: &str) -> Link {
        let (text, digest) = secret();
        let expires_ms = self
            .clock
            .now_ms()
            .saturating_add(ms(self.limits.link_life));
        let mut links = lock(&self.links);
        if links.len() >= LINKS_MAX {
            links.remove(0);
        }
        links.push((digest, expires_ms));
        let url = format!("{origin}/#/sign-in?link={}", text.as_str());
        Link {
            url: Zeroizing::new(url),
            expires_ms,
        }
    }

    /// Takes a link: once. `None` when there is no such link, or it is too old.
    pub(super) fn take_link(&self, text: &str, now_ms: u64) -> Option<()> {
        let digest = sm3(&[text.as_bytes()]);
        let mut links = lock(&self.links);
        links.retain(|(_, expires_ms)| *expires_ms > now_ms);
        let place = links.iter().position(|(link, _)| *link == digest)?;
        links.remove(place);
        Some(())
    }

    pub(super) fn nonce(&self, origin: &str, now_ms: u64) -> [u8; NONCE_BYTES] {
        let mut open = [0; NONCE_OPEN_BYTES];
        open[..8].copy_from_slice(&now_ms.to_be_bytes());
        open[8..].copy_from_slice(&rand::random::<[u8; 8]>());
        self.sealed(&open, origin)
    }

    fn sealed(&self, open: &[u8; NONCE_OPEN_BYTES], origin: &str) -> [u8; NONCE_BYTES] {
        let message = [open.as_slice(), origin.as_bytes()].concat();
        let tag = hmac_sm3(&*self.nonce_key, &message);
        let mut nonce = [0; NONCE_BYTES];
        nonce[..NONCE_OPEN_BYTES].copy_from_slice(open);
        nonce[NONCE_OPEN_BYTES..].copy_from_slice(&tag.0[..NONCE_BYTES - NONCE_OPEN_BYTES]);
        nonce
    }

    /// Whether a nonce is ours, fresh and for this origin; until when it is good.
    pub(super) fn check_nonce(
        &self,
        nonce: &[u8; NONCE_BYTES],
        origin: &str,
        now_ms: u64,
    ) -> Result<u64, &'static str> {
        let mut open = [0; NONCE_OPEN_BYTES];
        open.copy_from_slice(&nonce[..NONCE_OPEN_BYTES]);
        // Not a secret that one byte more or less would give away: it was handed out as it is.
        if self.sealed(&open, origin) != *nonce {
            return Err("the nonce isn't one of this console's");
        }
        let mut made = [0; 8];
        made.copy_from_slice(&open[..8]);
        let expires_ms = u64::from_be_bytes(made).saturating_add(ms(self.limits.challenge_life));
        if now_ms >= expires_ms {
            return Err("the challenge is too old");
        }
        Ok(expires_ms)
    }

    /// Uses a nonce up; `false` when it was.
    pub(super) fn use_nonce(&self, nonce: [u8; NONCE_BYTES], expires_ms: u64, now_ms: u64) -> bool {
        let mut used = lock(&self.used);
        used.retain(|_, until_ms| *until_ms > now_ms);
        used.insert(nonce, expires_ms).is_none()
    }

    fn is_over(&self, session: &Session, now_ms: u64) -> bool {
        now_ms.saturating_sub(session.used_ms) >= ms(self.limits.session_idle)
            || now_ms.saturating_sub(session.created_ms) >= ms(self.limits.session_life)
    }

    /// Opens a session; its cookie.
    pub(super) fn open(&self, new: Session, now_ms: u64) -> Result<HeaderValue, Problem> {
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, session| !self.is_over(session, now_ms));
        let own = sessions.iter().filter(|(_, it)| it.client == new.client);
        if own.clone().count() >= SESSIONS_PER_CLIENT
            && let Some(oldest) = own.min_by_key(|(_, it)| it.used_ms).map(|(id, _)| *id)
        {
            sessions.remove(&oldest);
        }
        if sessions.len() >= self.limits.sessions {
            let detail = format!(
                "{} people are signed in: sign out somewhere, or try again later",
                sessions.len()
            );
            return Err(Problem::unavailable("sessions", detail));
        }
        let (text, digest) = secret();
        sessions.insert(digest, new);
        Ok(self.cookie(&text, self.limits.session_life))
    }

    pub(super) fn cookie(&self, value: &str, life: Duration) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
            self.cookie,
            life.as_secs()
        );
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }

    fn id_of(&self, headers: &HeaderMap) -> Option<Sm3Digest> {
        let all = headers.get_all(header::COOKIE).iter();
        let pairs = all
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'));
        let mut values = pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.cookie);
        values.next().map(|(_, value)| sm3(&[value.as_bytes()]))
    }

    /// The session that a request belongs to, used now.
    pub(super) fn find(&self, headers: &HeaderMap, now_ms: u64) -> Option<Session> {
        let id = self.id_of(headers)?;
        let mut sessions = lock(&self.sessions);
        let session = sessions.get_mut(&id)?;
        if self.is_over(session, now_ms) {
            sessions.remove(&id);
            return None;
        }
        session.used_ms = now_ms;
        Some(session.clone())
    }

    /// The session that a request belongs to.
    pub(super) fn peek(&self, headers: &HeaderMap, now_ms: u64) -> Option<Session> {
        let id = self.id_of(headers)?;
        let sessions = lock(&self.sessions);
        let session = sessions.get(&id)?;
        (!self.is_over(session, now_ms)).then(|| session.clone())
    }

    pub(super) fn end(&self, headers: &HeaderMap) {
        if let Some(id) = self.id_of(headers) {
            lock(&self.sessions).remove(&id);
        }
    }
}

fn secret() -> (Zeroizing<String>, Sm3Digest) {
    let bytes: Zeroizing<[u8; SECRET_BYTES]> = Zeroizing::new(rand::random());
    let text = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    let digest = sm3(&[text.as_bytes()]);
    (text, digest)
}

pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
