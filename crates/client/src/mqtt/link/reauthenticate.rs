//! Re-authentication on a live session (MQTT 5.0 §4.12.1): the whole mutual exchange anew, while messages go
//! on. So a session outlives the renewal of the certificate that opened it.
//!
//! ```text
//! ── AUTH 0x19, hello ──► Asked ── AUTH 0x18, challenge ──► Checking ── AUTH 0x18, answer ──► Answered
//!                                                          (who is it?)                         │
//!                                                            AUTH 0x00: the caller is told ◄────┘
//! ```
//!
//! # Invariants
//! - One at a time. It takes no longer than [`Options::login_max`](super::super::Options::login_max), or the connection ends.
//! - The gateway must be the one that the session is at, and must show that before anything is signed.
//! - Every failure ends the connection: a session whose peer isn't who it was has nothing more to say.
//! - A new identity counts from the moment it is given, for what is sealed and for coming back. Where the
//!   session comes back after a lost connection, that login is the re-authentication.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytes::BytesMut;
use mqtt5_protocol::{packet::auth::AuthPacket, types::ReasonCode};
use sealwire_envelope::{ClientId, login::METHOD};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{
    super::{
        Ended, Holder, LoginError, ReauthenticateError,
        channel::Channel,
        exchange::Exchange,
        frame::{self, FrameError},
        login::Dialer,
    },
    Active, Link,
};
use crate::{identity::Identity, trust::Trust};

pub(super) type Reply = oneshot::Sender<Result<(), ReauthenticateError>>;
type Checking = Pin<Box<dyn Future<Output = Result<AuthPacket, LoginError>> + Send>>;

enum Step {
    /// The hello is on its way.
    Asked(Box<Exchange>),
    /// Who the gateway is is being looked up.
    Checking(Checking),
    /// The answer is on its way.
    Answered,
}

/// One that is under way.
pub(super) struct Reauthentication {
    step: Option<Step>,
    gateway: ClientId,
    limit: Duration,
    deadline: Instant,
    reply: Reply,
}

impl Reauthentication {
    /// Says hello to the gateway of the session.
    pub fn begin(
        identity: &Identity,
        gateway: ClientId,
        limit: Duration,
        reply: Reply,
        out: &mut BytesMut,
    ) -> Result<Self, FrameError> {
        let (exchange, hello) = Exchange::begin(identity);
        let auth = AuthPacket::re_authenticate(METHOD.to_owned(), Some(hello))?;
        frame::encode(&auth, out)?;
        Ok(Self {
            step: Some(Step::Asked(Box::new(exchange))),
            gateway,
            limit,
            deadline: Instant::now() + limit,
            reply,
        })
    }

    /// Takes an AUTH of the gateway; `true` when the gateway is content.
    pub fn receive(&mut self, auth: AuthPacket, trust: &Arc<Trust>) -> Result<bool, LoginError> {
        match (auth.reason_code, self.step.take()) {
            (ReasonCode::ContinueAuthentication, Some(Step::Asked(exchange))) => {
                let (trust, gateway) = (trust.clone(), self.gateway.clone());
                let answer = async move {
                    let (answer, _) = exchange.answer(&trust, Some(&gateway), &auth).await?;
                    Ok(answer)
                };
                self.step = Some(Step::Checking(Box::pin(answer)));
                Ok(false)
            }
            (ReasonCode::Success, Some(Step::Answered)) => Ok(true),
            (code, _) => Err(LoginError::Protocol(format!(
                "it sent AUTH {code:?} out of turn"
            ))),
        }
    }

    /// What comes of itself: the answer, to be sent, or the end of the time. Cancel safe.
    pub async fn event(current: &mut Option<Self>) -> Result<AuthPacket, Ended> {
        let Some(current) = current else {
            return pending().await;
        };
        let checked = async {
            match &mut current.step {
                Some(Step::Checking(checking)) => checking.await,
                _ => pending().await,
            }
        };
        let result = tokio::select! {
            result = checked => result,
            () = sleep_until(current.deadline) => {
                let limit_s = current.limit.as_secs_f32();
                return Err(Ended::Lost(format!(
                    "the gateway didn't finish the re-authentication within {limit_s} s"
                )));
            }
        };
        match result {
            Ok(answer) => {
                current.step = Some(Step::Answered);
                Ok(answer)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Tells who waits.
    pub fn finish(self, result: Result<(), ReauthenticateError>) {
        // Nobody waits any more: nobody to tell.
        let _ = self.reply.send(result);
    }
}

impl Link {
    pub(super) fn reauthenticate(
        &mut self,
        holder: Option<Box<Holder>>,
        reply: Reply,
        active: &mut Active,
    ) -> Result<(), FrameError> {
        let gateway = match self.may_reauthenticate(holder, active) {
            Ok(gateway) => gateway,
            Err(error) => {
                // Nobody waits any more: nobody to tell.
                let _ = reply.send(Err(error));
                return Ok(());
            }
        };
        let Dialer {
            identity, options, ..
        } = &self.dialer;
        let limit = options.login_max;
        let begun = Reauthentication::begin(identity, gateway, limit, reply, &mut active.out)?;
        self.reauthentication = Some(begun);
        Ok(())
    }

    /// At which gateway. From here on a new holder counts; by token, from the next login on.
    fn may_reauthenticate(
        &mut self,
        holder: Option<Box<Holder>>,
        active: &Active,
    ) -> Result<ClientId, ReauthenticateError> {
        if self.reauthentication.is_some() {
            return Err(ReauthenticateError::UnderWay);
        }
        if let Some(holder) = holder {
            let (expected, found) = (self.dialer.identity.client(), holder.identity.client());
            if expected != found {
                return Err(ReauthenticateError::OtherClient {
                    expected: expected.clone(),
                    found: found.clone(),
                });
            }
            self.dialer.channel = Channel::new(&holder.identity, &self.dialer.options)?;
            self.dialer.identity = holder.identity.clone();
            *self.holder.write().unwrap_or_else(PoisonError::into_inner) = *holder;
        }
        active.gateway.clone().ok_or(ReauthenticateError::Token)
    }

    pub(super) fn authenticated(&mut self, auth: AuthPacket) -> Result<Option<Ended>, FrameError> {
        let Some(mut current) = self.reauthentication.take() else {
            return Err(FrameError::Malformed("AUTH isn't expected here".to_owned()));
        };
        match current.receive(auth, &self.dialer.trust) {
            Ok(true) => current.finish(Ok(())),
            Ok(false) => self.reauthentication = Some(current),
            Err(error) => {
                self.reauthentication = Some(current);
                return Ok(Some(failed(error)));
            }
        }
        Ok(None)
    }

    /// The gateway's answer to a re-authentication may be the end of the connection.
    pub(super) fn reauthentication_refused(&mut self, end: &Ended) {
        let Ended::Disconnected { code, reason } = end else {
            return;
        };
        if let Some(current) = self.reauthentication.take() {
            let (code, reason) = (*code, reason.clone());
            current.finish(Err(ReauthenticateError::Refused { code, reason }));
        }
    }
}

/// How a session ends whose gateway couldn't be believed.
fn failed(error: LoginError) -> Ended {
    if error.may_pass() {
        Ended::Lost(format!("re-authentication failed: {error}"))
    } else {
        Ended::Login(Arc::new(error))
    }
}
