//! Who is signed in.
//!
//! 1. *One-time link.* The program prints `origin/#/sign-in?link=TOKEN`; the token is in the fragment, which
//!    browsers send to nobody and proxies don't log. `POST /api/session/link` with it, once, within
//!    [`Limits::link_life`], signs in as the organisation's operator: whoever reads the terminal also reads the
//!    operator's key beside it.
//! 2. *SM2 key*, held by the browser. `POST /api/session/challenge` gives a nonce, `POST /api/session/key` takes
//!    certificate, nonce and the signature over [`ConsoleSignIn`]; the certificate must be live on the ledger.
//!
//! Either gives a cookie (`HttpOnly`, `SameSite=Strict`, with HTTPS `Secure` and the prefix `__Host-`) with 256
//! random bits; what is kept here is its SM3. A session ends after [`Limits::session_idle`] without a request,
//! after [`Limits::session_life`] in any case, when it is signed out, and with the program.
//!
//! A nonce is `time_ms (8) || random (8) || first 16 bytes of HMAC-SM3(key, time || random || origin)`: nothing
//! is kept for who only asks, so nobody fills anything. One that was used is remembered until it expires.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sealwire_contracts::entry::CertificateStatus;
use sealwire_envelope::{
    CertId, ClientId,
    login::{ConsoleSignIn, LOGIN_VERSION},
};
use sealwire_sm::{PublicKey, Signature, Sm3Digest, digest::hmac_sm3, sm3};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::{
    App, Clock, Limits, OPERATOR, Settings,
    door::Peer,
    guard::{HEADER, Origin},
    problem::Problem,
    rate::Attempts,
    standing::{self, ActsFor, Standing},
};

/// Length of a cookie's and a link's secret, in bytes.
const SECRET_BYTES: usize = 32;
/// Links that wait at a time: one more, and the oldest is void.
const LINKS_MAX: usize = 16;
/// Sessions of one client at a time: one more, and the one longest unused ends.
const SESSIONS_PER_CLIENT: usize = 16;
/// Length of a nonce, in bytes.
const NONCE_BYTES: usize = 32;
/// Length of what a nonce is made of, in bytes.
const NONCE_OPEN_BYTES: usize = 16;

/// A one-time link. Its address is a secret until it is used.
pub struct Link {
    /// `origin/#/sign-in?link=TOKEN`.
    pub url: Zeroizing<String>,
    /// Until when it is good, milliseconds since 1970.
    pub expires_ms: u64,
}

/// How somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum By {
    /// By a one-time link.
    Link,
    /// By an SM2 key.
    Key,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) client: ClientId,
    /// None: signed in by link, and the operator's key isn't here.
    pub(crate) certificate: Option<CertId>,
    pub(crate) by: By,
    pub(crate) created_ms: u64,
    used_ms: u64,
}

/// Who asks: signed in, with what the ledger says of it now.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) session: Session,
    pub(crate) standing: Option<Standing>,
    pub(crate) acts_for: ActsFor,
}

/// All sessions, links and used nonces.
pub(crate) struct Sessions {
    cookie: String,
    secure: bool,
    nonce_key: Zeroizing<[u8; 32]>,
    limits: Limits,
    attempts: Attempts,
    clock: std::sync::Arc<dyn Clock>,
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
    fn take_link(&self, text: &str, now_ms: u64) -> Option<()> {
        let digest = sm3(&[text.as_bytes()]);
        let mut links = lock(&self.links);
        links.retain(|(_, expires_ms)| *expires_ms > now_ms);
        let place = links.iter().position(|(link, _)| *link == digest)?;
        links.remove(place);
        Some(())
    }

    fn nonce(&self, origin: &str, now_ms: u64) -> [u8; NONCE_BYTES] {
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
    fn check_nonce(
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
    fn use_nonce(&self, nonce: [u8; NONCE_BYTES], expires_ms: u64, now_ms: u64) -> bool {
        let mut used = lock(&self.used);
        used.retain(|_, until_ms| *until_ms > now_ms);
        used.insert(nonce, expires_ms).is_none()
    }

    fn is_over(&self, session: &Session, now_ms: u64) -> bool {
        now_ms.saturating_sub(session.used_ms) >= ms(self.limits.session_idle)
            || now_ms.saturating_sub(session.created_ms) >= ms(self.limits.session_life)
    }

    /// Opens a session; its cookie.
    fn open(&self, new: Session, now_ms: u64) -> Result<HeaderValue, Problem> {
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

    fn cookie(&self, value: &str, life: Duration) -> HeaderValue {
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
    fn find(&self, headers: &HeaderMap, now_ms: u64) -> Option<Session> {
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
    fn peek(&self, headers: &HeaderMap, now_ms: u64) -> Option<Session> {
        let id = self.id_of(headers)?;
        let sessions = lock(&self.sessions);
        let session = sessions.get(&id)?;
        (!self.is_over(session, now_ms)).then(|| session.clone())
    }

    fn end(&self, headers: &HeaderMap) {
        if let Some(id) = self.id_of(headers) {
            lock(&self.sessions).remove(&id);
        }
    }
}

fn secret() -> (Zeroizing<String>, Sm3Digest) {
    let bytes: Zeroizing<[u8; SECRET_BYTES]> = Zeroizing::new(rand::random());
    let text = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(&*bytes));
    let digest = sm3(&[text.as_bytes()]);
    (text, digest)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// ---- who asks -----------------------------------------------------------------------------------

/// Why nobody is signed in.
enum Out {
    /// There is no session.
    None,
    /// There was: its certificate isn't live any more.
    Ended(Box<Problem>),
    /// It can't be said at the moment.
    Unknown(Box<Problem>),
}

async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, Out> {
    let now_ms = app.now_ms();
    let session = app.sessions.find(headers, now_ms).ok_or(Out::None)?;
    let standing = match &session.certificate {
        None => None,
        Some(id) => {
            let standing = standing::of(app, id).await;
            standing.map_err(|problem| Out::Unknown(Box::new(problem)))?
        }
    };
    let acts_for = standing
        .as_ref()
        .map_or(ActsFor::Nobody, |it| it.acts_for(&app.org));
    if session.by == By::Key && acts_for == ActsFor::Nobody {
        app.sessions.end(headers);
        let status = standing.map_or(CertificateStatus::Unregistered, |it| it.status);
        tracing::info!(client = %session.client, %status, "a session ended with its certificate");
        let detail =
            format!("the certificate that signed in is {status} now: sign in with the present one");
        return Err(Out::Ended(Box::new(Problem::signed_out(detail))));
    }
    Ok(Caller {
        session,
        standing,
        acts_for,
    })
}

/// Whether a stream's listener is still signed in; that doesn't count as using the session.
pub(crate) async fn is_signed_in(app: &App, headers: &HeaderMap) -> bool {
    let now_ms = app.now_ms();
    let Some(session) = app.sessions.peek(headers, now_ms) else {
        return false;
    };
    let Some(id) = &session.certificate else {
        return true;
    };
    match standing::of(app, id).await {
        Ok(Some(standing)) => session.by == By::Link || standing.status == CertificateStatus::Live,
        Ok(None) => session.by == By::Link,
        // The ledger is away: a stream that shows just that goes on.
        Err(_) => true,
    }
}

/// Lets who is signed in through.
pub(crate) async fn signed_in(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = caller(&app, request.headers()).await;
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(Out::None) => {
            let detail =
                "open the one-time link that the console printed, or sign in with your key";
            Problem::signed_out(detail).into_response()
        }
        Err(Out::Ended(problem) | Out::Unknown(problem)) => problem.into_response(),
    }
}

// ---- routes -------------------------------------------------------------------------------------

/// This console and who is signed in at it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// Who is signed in; null: nobody.
    user: Option<UserView>,
    /// The console.
    console: ConsoleView,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    /// Client id, `organisation.name`.
    client: String,
    /// Certificate id, hexadecimal; null: signed in by link where the operator's key isn't.
    certificate: Option<String>,
    /// Role in that certificate: `operator`, `gateway`, `device` or `user`; null where there is none.
    role: Option<String>,
    /// How.
    by: By,
    /// Whom this session may act for.
    acts_for: ActsFor,
    /// Why it may act for nobody; empty otherwise.
    reads_only_because: String,
    /// Since when, milliseconds since 1970.
    created_ms: u64,
    /// The session ends then unless something is asked before, milliseconds since 1970.
    idle_ends_ms: u64,
    /// The session ends then in any case, milliseconds since 1970.
    ends_ms: u64,
}

/// What this console is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConsoleView {
    /// Whose.
    org: String,
    /// The consortium's name.
    consortium: String,
    /// The ledger's id: the genesis digest, hexadecimal.
    chain: String,
    /// The consortium's organisations.
    organisations: Vec<String>,
    /// This version of the program.
    version: String,
    /// Header that requests which change something carry.
    header: String,
    /// By which origin this request came: what a sign-in by key names.
    origin: String,
    /// Whether there is MQTT over WebSocket at `/api/mqtt`.
    mqtt: bool,
    /// The server's clock, milliseconds since 1970.
    now_ms: u64,
}

fn view(app: &App, origin: &Origin, caller: Option<&Caller>) -> SessionView {
    let limits = &app.limits;
    let user = caller.map(|caller| {
        let session = &caller.session;
        UserView {
            client: session.client.to_string(),
            certificate: session.certificate.map(|id| id.to_string()),
            role: caller.standing.as_ref().map(|it| it.role.to_string()),
            by: session.by,
            acts_for: caller.acts_for,
            reads_only_because: why_reads_only(caller),
            created_ms: session.created_ms,
            idle_ends_ms: session.used_ms.saturating_add(ms(limits.session_idle)),
            ends_ms: session.created_ms.saturating_add(ms(limits.session_life)),
        }
    });
    SessionView {
        user,
        console: ConsoleView {
            org: app.org.to_string(),
            consortium: app.genesis.name.clone(),
            chain: app.genesis.chain_id().0.to_string(),
            organisations: app
                .genesis
                .orgs
                .iter()
                .map(|it| it.org.to_string())
                .collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            header: HEADER.to_owned(),
            origin: origin.0.clone(),
            mqtt: app.mqtt.is_some(),
            now_ms: app.now_ms(),
        },
    }
}

pub(crate) fn why_reads_only(caller: &Caller) -> String {
    match (&caller.standing, caller.acts_for) {
        (_, ActsFor::Organisation | ActsFor::Itself) => String::new(),
        (None, ActsFor::Nobody) => format!(
            "the key of {} isn't in this console's home, or its certificate isn't on the ledger",
            caller.session.client
        ),
        (Some(standing), ActsFor::Nobody) => {
            format!(
                "{}'s certificate is {}",
                caller.session.client, standing.status
            )
        }
    }
}

/// Who is signed in, and at which console.
#[utoipa::path(
    get, path = "/api/session", tag = "session",
    responses((status = 200, description = "Who is signed in, and at which console", body = SessionView))
)]
pub(crate) async fn show(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Result<Json<SessionView>, Problem> {
    match caller(&app, &headers).await {
        Ok(caller) => Ok(Json(view(&app, &origin, Some(&caller)))),
        Err(Out::None | Out::Ended(_)) => Ok(Json(view(&app, &origin, None))),
        Err(Out::Unknown(problem)) => Err(*problem),
    }
}

/// A one-time link's token.
#[derive(Deserialize, ToSchema)]
pub(crate) struct LinkToken {
    /// What stands after `link=`.
    token: String,
}

/// Signs in by a one-time link.
#[utoipa::path(
    post, path = "/api/session/link", tag = "session", request_body = LinkToken,
    responses(
        (status = 200, description = "Signed in: a cookie is set", body = SessionView),
        (status = 403, description = "No such link, used, or too old", body = Problem),
        (status = 429, description = "Too many attempts from this address", body = Problem),
        (status = 503, description = "The ledger is away, or too many sessions", body = Problem),
    )
)]
pub(crate) async fn by_link(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    Extension(Peer(peer)): Extension<Peer>,
    Json(asked): Json<LinkToken>,
) -> Result<Response, Problem> {
    let token = Zeroizing::new(asked.token);
    attempt(&app, peer.ip())?;
    let now_ms = app.now_ms();
    let client = ClientId::new(&app.org, OPERATOR).map_err(Problem::argument)?;
    let certificate = app.keys.identity(&client).map(|it| it.certificate_id());
    // A link isn't used up while the ledger can't say what it is good for.
    let standing = match &certificate {
        None => None,
        Some(id) => standing::of(&app, id).await?,
    };
    if app.sessions.take_link(&token, now_ms).is_none() {
        tracing::warn!(%peer, "a sign-in link was refused");
        return Err(Problem::forbidden(
            "link",
            "the link was used, is too old, or isn't one: press Enter where the console runs, and it prints a new \
             one",
        ));
    }
    let session = Session {
        client,
        certificate: standing.as_ref().and(certificate),
        by: By::Link,
        created_ms: now_ms,
        used_ms: now_ms,
    };
    welcome(&app, &origin, peer.ip(), session, standing)
}

/// What a browser signs to sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Challenge {
    /// 32 bytes, hexadecimal.
    nonce: String,
    /// The origin to be named in what is signed.
    origin: String,
    /// The ledger to be named, hexadecimal.
    chain: String,
    /// Until when it is good, milliseconds since 1970.
    expires_ms: u64,
}

/// Gives a challenge for a sign-in by key.
#[utoipa::path(
    post, path = "/api/session/challenge", tag = "session",
    responses(
        (status = 200, description = "A challenge, good once and for a minute", body = Challenge),
        (status = 429, description = "Too many attempts from this address", body = Problem),
    )
)]
pub(crate) async fn challenge(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
) -> Json<Challenge> {
    let now_ms = app.now_ms();
    Json(Challenge {
        nonce: hex::encode(app.sessions.nonce(&origin.0, now_ms)),
        chain: app.genesis.chain_id().0.to_string(),
        expires_ms: now_ms.saturating_add(ms(app.limits.challenge_life)),
        origin: origin.0,
    })
}

/// A sign-in by key.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct KeySignIn {
    /// The certificate's id, hexadecimal.
    certificate: String,
    /// The challenge's nonce.
    nonce: String,
    /// SM2 signature in the domain `sealwire-console-v1` over the CBOR of `[1, chain, origin, certificate,
    /// nonce]`, `r || s`, hexadecimal.
    signature: String,
}

/// Signs in by an SM2 key.
#[utoipa::path(
    post, path = "/api/session/key", tag = "session", request_body = KeySignIn,
    responses(
        (status = 200, description = "Signed in: a cookie is set", body = SessionView),
        (status = 400, description = "Not a certificate id, nonce or signature", body = Problem),
        (status = 403, description = "Wrong signature, challenge used or too old, certificate not live", body = Problem),
        (status = 429, description = "Too many attempts from this address", body = Problem),
        (status = 503, description = "The ledger is away, or too many sessions", body = Problem),
    )
)]
pub(crate) async fn by_key(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    Extension(Peer(peer)): Extension<Peer>,
    Json(asked): Json<KeySignIn>,
) -> Result<Response, Problem> {
    attempt(&app, peer.ip())?;
    let refuse = |why: String| {
        tracing::warn!(%peer, certificate = %asked.certificate, why, "a sign-in was refused");
        Err(Problem::forbidden("sign-in", why))
    };
    let now_ms = app.now_ms();
    let certificate: CertId = asked.certificate.parse().map_err(Problem::argument)?;
    let nonce: [u8; NONCE_BYTES] = bytes("nonce", &asked.nonce)?;
    let signature = Signature(bytes("signature", &asked.signature)?);
    let expires_ms = match app.sessions.check_nonce(&nonce, &origin.0, now_ms) {
        Ok(expires_ms) => expires_ms,
        Err(why) => return refuse(format!("{why}: ask for a new one")),
    };
    let Some(standing) = standing::of(&app, &certificate).await? else {
        return refuse(
            "the certificate isn't registered on the ledger: enrol first, or choose the right key"
                .to_owned(),
        );
    };
    if standing.status != CertificateStatus::Live {
        return refuse(format!(
            "{}'s certificate is {}: its organisation can give it a new one",
            standing.client, standing.status
        ));
    }
    let signed = ConsoleSignIn {
        version: LOGIN_VERSION,
        chain: app.genesis.chain_id(),
        origin: origin.0.clone(),
        certificate,
        nonce,
    };
    let key = PublicKey::from_sec1(&standing.public_key).map_err(Problem::argument)?;
    if signed.verify(&key, &signature).is_err() {
        return refuse("the signature isn't by the key of that certificate".to_owned());
    }
    if !app.sessions.use_nonce(nonce, expires_ms, now_ms) {
        return refuse("the challenge was used before: ask for a new one".to_owned());
    }
    let session = Session {
        client: standing.client.clone(),
        certificate: Some(certificate),
        by: By::Key,
        created_ms: now_ms,
        used_ms: now_ms,
    };
    welcome(&app, &origin, peer.ip(), session, Some(standing))
}

fn welcome(
    app: &App,
    origin: &Origin,
    peer: IpAddr,
    session: Session,
    standing: Option<Standing>,
) -> Result<Response, Problem> {
    let now_ms = session.created_ms;
    let cookie = app.sessions.open(session.clone(), now_ms)?;
    app.sessions.attempts.give_back(peer);
    tracing::info!(client = %session.client, by = ?session.by, %peer, "signed in");
    let acts_for = standing
        .as_ref()
        .map_or(ActsFor::Nobody, |it| it.acts_for(&app.org));
    let caller = Caller {
        session,
        standing,
        acts_for,
    };
    let body = Json(view(app, origin, Some(&caller)));
    Ok(([(header::SET_COOKIE, cookie)], body).into_response())
}

/// Signs out.
#[utoipa::path(
    delete, path = "/api/session", tag = "session",
    responses((status = 200, description = "Nobody is signed in", body = SessionView))
)]
pub(crate) async fn sign_out(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Response {
    app.sessions.end(&headers);
    let cookie = app.sessions.cookie("", Duration::ZERO);
    let body = Json(view(&app, &origin, None));
    ([(header::SET_COOKIE, cookie)], body).into_response()
}

/// Counts an attempt of an address.
fn attempt(app: &App, address: IpAddr) -> Result<(), Problem> {
    app.sessions
        .attempts
        .take(address, app.now_ms())
        .map_err(|wait_s| {
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "attempts",
                "Too many attempts",
                format!("too many attempts to sign in from this address: try again in {wait_s} s"),
            )
        })
}

fn bytes<const N: usize>(what: &str, text: &str) -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| Problem::argument(format!("{what}: {N} bytes in hexadecimal are needed")))?;
    Ok(bytes)
}
