//! Re-authentication of a live session (MQTT 5.0 §4.12.1), and how long an old certificate holds.
//!
//! ```text
//! client  → AUTH 0x19  hello       (with the present certificate, perhaps a renewed one)
//! gateway → AUTH 0x18  challenge
//! client  → AUTH 0x18  answer
//! gateway → AUTH 0x00
//! ```
//! The exchange is the login's ([`crate::login::Exchange`]), with fresh nonces on both sides.
//! Other packets go on meanwhile, under the authentication that the session has.
//!
//! # Rules
//! - Only a session that logged in by the method `SM2` can, and only by that method
//!   (MQTT-4.12.1-1).
//! - The certificate must be one of the *same client*, its present one, live. So a session
//!   outlives the renewal of its certificate: the watcher leaves it alone for
//!   `Limits::renewal_grace` after the old one was superseded ([`crate::rights::stay`]).
//! - Whatever goes wrong ends the session, with a DISCONNECT and an event. Who fails to show who it
//!   is counts as a failed login.
//! - It rests on the ledger's state as this gateway knows it, however old: a session that could go
//!   on without it isn't ended for asking. A certificate that isn't known yet may be in a block that the
//!   client's node has and this gateway hasn't: it is waited for, [`BEHIND_MAX`] at most.
//! - One exchange at a time; an answer that takes longer than `Limits::handshake_max` is too late.

use std::time::Duration;

use mqtt5::{Packet, packet::auth::AuthPacket, types::ReasonCode};
use sealwire_envelope::login::METHOD;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    time::Instant,
};

use super::{Line, Standing, Up};
use crate::{
    audit::Occurrence,
    frame::{self, Frame},
    login::{self, Cause, Exchange},
    now_ms,
    rate::Bucket,
    rights::{self, Refusal},
};

/// How long this gateway waits for the block that holds a certificate which it doesn't know. The session's
/// packets wait meanwhile; a login doesn't wait, because strangers could make it.
const BEHIND_MAX: Duration = Duration::from_secs(3);

/// What a session knows of its re-authentication.
#[derive(Default)]
pub(super) struct Reauthentication {
    /// The exchange under way, and until when its answer is awaited.
    under_way: Option<(Exchange, Instant)>,
    rate: Bucket,
}

impl<W: AsyncWrite + Unpin + Send> Line<W> {
    /// An AUTH packet in the session.
    ///
    /// # Errors
    /// [`Refusal`]: the session ends.
    pub(super) async fn auth(
        &self,
        frame: &Frame,
        state: &mut Reauthentication,
    ) -> Result<Option<Up>, Refusal> {
        let Packet::Auth(auth) = self.decode(frame)? else {
            return Err(Refusal::new(ReasonCode::MalformedPacket, "not an AUTH"));
        };
        if auth.reason_code == ReasonCode::ReAuthenticate {
            self.catch_up(&auth).await;
        }
        let answer = match self.step(&auth, state) {
            Ok(answer) => answer,
            Err(failed) => return Err(self.refuse_auth(failed).await),
        };
        self.say(&Packet::Auth(answer))
            .await
            .map_err(|e| Refusal::malformed(&e))?;
        Ok(None)
    }

    /// Waits until the ledger as this gateway knows it has the certificate that is shown, or it takes too long.
    async fn catch_up(&self, auth: &AuthPacket) {
        let Some(shown) = login::shown(auth.authentication_data()) else {
            return;
        };
        let ledger = self.hub.ledger();
        let known = |_: &u64| ledger.view().certificate(&shown).value.is_some();
        let mut height = ledger.height();
        // Too late, or the ledger is gone: what follows says what is missing.
        let _ = tokio::time::timeout(BEHIND_MAX, height.wait_for(known)).await;
    }

    fn step(&self, auth: &AuthPacket, state: &mut Reauthentication) -> Result<AuthPacket, Failed> {
        if !self.session.enhanced {
            let text = "this session logged in without method 'SM2', so it can't re-authenticate";
            return Err(Cause::Order(text).into());
        }
        if !self.is_connected() {
            return Err(Cause::Order("AUTH before the CONNACK").into());
        }
        if auth.authentication_method() != Some(METHOD) {
            return Err(Cause::Order("re-authentication must use the login's method 'SM2'").into());
        }
        match (auth.reason_code, state.under_way.take()) {
            (ReasonCode::ReAuthenticate, None) => self.begin(auth, state),
            (ReasonCode::ContinueAuthentication, Some((exchange, until))) => {
                if Instant::now() > until {
                    return Err(Cause::Order("the answer to the challenge came too late").into());
                }
                self.finish_auth(exchange, auth)
            }
            (ReasonCode::ReAuthenticate, Some(_)) => {
                Err(Cause::Order("a re-authentication is under way already").into())
            }
            _ => Err(Cause::Order("AUTH without a re-authentication under way").into()),
        }
    }

    fn begin(&self, auth: &AuthPacket, state: &mut Reauthentication) -> Result<AuthPacket, Failed> {
        let limits = self.hub.limits();
        if !state.rate.take(limits.session.reauthentications, now_ms()) {
            let text = "too many re-authentications in one session";
            return Err(Failed::TooMany(text));
        }
        let data = auth.authentication_data();
        let (exchange, challenge) = Exchange::begin(&self.hub, &self.session.client, data)?;
        state.under_way = Some((exchange, Instant::now() + limits.handshake_max));
        Ok(challenge)
    }

    fn finish_auth(&self, exchange: Exchange, auth: &AuthPacket) -> Result<AuthPacket, Failed> {
        let certificate = exchange.finish(&self.hub, auth)?;
        let client = &self.session.client;
        let height = rights::connect(&self.hub.ledger().view(), client, certificate, now_ms())
            .map_err(Cause::NotInForce)?;
        let before = self.session.set_standing(Standing {
            certificate,
            height,
        });
        self.hub.metrics().reauthentications.add(1);
        let occurrence = Occurrence::reauthenticated(&self.session, before.certificate);
        self.hub.record(occurrence);
        AuthPacket::success(METHOD.to_owned())
            .map_err(|e| Cause::frame(&frame::FrameError::Malformed(e.to_string())).into())
    }

    /// Records what went wrong; what the session ends with.
    async fn refuse_auth(&self, failed: Failed) -> Refusal {
        self.hub.metrics().reauthentications_refused.add(1);
        let refusal = match failed {
            Failed::TooMany(text) => Refusal::new(ReasonCode::QuotaExceeded, text),
            Failed::Cause(cause) => {
                if cause.is_failed_login() {
                    let (session, info) = (&self.session, &self.session.info);
                    // It is recorded below in any case: there is one per session.
                    login::fail(&self.hub, Some(&session.client), session.peer, info);
                }
                disconnectable(cause.into())
            }
        };
        let occurrence = Occurrence::reauthentication_refused(&self.session, &refusal);
        self.hub.record_in_turn(occurrence).await;
        refusal
    }

    /// Send a packet of our own at once, and show the engine that the client is alive.
    async fn say(&self, packet: &Packet) -> Result<(), frame::FrameError> {
        {
            let mut out = self.to_client.lock().await;
            frame::write(&mut *out, packet).await?;
            out.flush().await?;
        }
        Ok(self.ping_engine().await?)
    }
}

enum Failed {
    Cause(Cause),
    TooMany(&'static str),
}

impl From<Cause> for Failed {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

/// A DISCONNECT takes fewer codes than a CONNACK (MQTT 5.0 §3.14.2.1).
fn disconnectable(refusal: Refusal) -> Refusal {
    let code = match refusal.code {
        code @ (ReasonCode::MalformedPacket
        | ReasonCode::ProtocolError
        | ReasonCode::ImplementationSpecificError
        | ReasonCode::NotAuthorized
        | ReasonCode::PacketTooLarge) => code,
        _ => ReasonCode::UnspecifiedError,
    };
    Refusal { code, ..refusal }
}
