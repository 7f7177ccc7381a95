//! The mutual exchange of method `SM2`, for a login and for re-authentication on a live session.
//!
//! ```text
//! hello ─► begin: who is it? ─► challenge, signed ─► answer ─► finish: is it?
//! ```
//! Whoever can't be admitted gets a challenge all the same, and its answer is verified under a key
//! that it can't have: from outside an unknown client, a revoked one and a wrong signature look the
//! same and cost the same ([`super::cause`]).

use mqtt5::{packet::auth::AuthPacket, types::ReasonCode};
use sealwire_envelope::{
    CertId, ClientId, decode_bounded, encode,
    login::{Answer, Challenge, Hello, LOGIN_MAX_BYTES, METHOD, Transcript},
};

use super::{Key, cause::Cause, check_version};
use crate::{frame::FrameError, hub::Hub, now_ms};

/// An exchange whose answer is awaited.
pub(crate) struct Exchange {
    transcript: Transcript,
    key: Key,
}

impl Exchange {
    /// Takes the hello in `auth_data`; the challenge is to be sent.
    ///
    /// # Errors
    /// [`Cause`], if there is no hello in it.
    pub(crate) fn begin(
        hub: &Hub,
        client: &ClientId,
        auth_data: Option<&[u8]>,
    ) -> Result<(Self, AuthPacket), Cause> {
        let hello: Hello = read(auth_data, "hello")?;
        check_version(hello.version)?;
        let transcript = Transcript {
            chain: hub.ledger().chain(),
            client: client.clone(),
            certificate: hello.certificate,
            client_nonce: hello.nonce,
            gateway: hub.certificate(),
            gateway_nonce: crate::random(),
            time_ms: now_ms(),
        };
        let challenge = Challenge {
            gateway: transcript.gateway,
            nonce: transcript.gateway_nonce,
            time_ms: transcript.time_ms,
            signature: transcript.sign_as_gateway(&hub.keys().secret),
        };
        let packet = AuthPacket::continue_authentication(METHOD.into(), Some(encode(&challenge)))
            .map_err(|e| Cause::frame(&FrameError::Malformed(e.to_string())))?;
        let key = Key::find(hub, hello.certificate, client);
        Ok((Self { transcript, key }, packet))
    }

    /// Takes the answer; the certificate whose holder gave it.
    ///
    /// # Errors
    /// [`Cause`].
    pub(crate) fn finish(self, hub: &Hub, auth: &AuthPacket) -> Result<CertId, Cause> {
        let same_method = auth.authentication_method() == Some(METHOD);
        if auth.reason_code != ReasonCode::ContinueAuthentication || !same_method {
            return Err(Cause::Order(
                "the answer to the challenge must continue method 'SM2'",
            ));
        }
        let answer: Answer = read(auth.authentication_data(), "answer")?;
        let Self { transcript, key } = self;
        key.verify(hub, &transcript.client, "login", |key| {
            transcript.verify_client(key, &answer.signature).is_ok()
        })?;
        Ok(transcript.certificate)
    }
}

/// The certificate that a hello shows, if it is one.
pub(crate) fn shown(auth_data: Option<&[u8]>) -> Option<CertId> {
    let hello: Hello = read(auth_data, "hello").ok()?;
    Some(hello.certificate)
}

fn read<T>(data: Option<&[u8]>, what: &'static str) -> Result<T, Cause>
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>,
{
    let data = data.unwrap_or_default();
    decode_bounded(data, LOGIN_MAX_BYTES).map_err(|error| Cause::Unreadable { what, error })
}
