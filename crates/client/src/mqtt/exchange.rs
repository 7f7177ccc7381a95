//! The mutual exchange of method `SM2`, the client's side: the same for a login and for re-authentication.
//!
//! ```text
//! Exchange::begin ─hello─► gateway ─challenge─► Exchange::answer: is the gateway's certificate known and
//! its signature good? ─answer─► gateway
//! ```
//! An exchange is used up by its answer, so no nonce is signed twice. Nothing is signed before the gateway
//! has shown who it is.

use mqtt5_protocol::packet::auth::AuthPacket;
use sealwire_envelope::{
    ClientId, decode_bounded, encode,
    login::{Answer, Challenge, Hello, LOGIN_MAX_BYTES, LOGIN_VERSION, METHOD, Transcript},
};

use super::{FrameError, LoginError};
use crate::{
    identity::Identity,
    trust::{Gateway, Trust},
};

/// A hello that was made, whose challenge is awaited.
pub(super) struct Exchange {
    identity: Identity,
    nonce: [u8; 32],
}

impl Exchange {
    /// A fresh exchange, and the hello that begins it.
    pub fn begin(identity: &Identity) -> (Self, Vec<u8>) {
        let nonce = rand::random();
        let hello = Hello {
            version: LOGIN_VERSION,
            certificate: identity.certificate_id(),
            nonce,
        };
        let identity = identity.clone();
        (Self { identity, nonce }, encode(&hello))
    }

    /// The answer to a challenge, and who the gateway has shown to be: `expect`, if somebody is expected.
    ///
    /// # Errors
    /// [`LoginError`] when the gateway can't be believed. Then there is nothing to send.
    pub async fn answer(
        self,
        trust: &Trust,
        expect: Option<&ClientId>,
        auth: &AuthPacket,
    ) -> Result<(AuthPacket, ClientId), LoginError> {
        if auth.authentication_method() != Some(METHOD) {
            return Err(LoginError::Protocol(format!(
                "it doesn't answer with method '{METHOD}'"
            )));
        }
        let data = auth.authentication_data().unwrap_or_default();
        let challenge: Challenge = decode_bounded(data, LOGIN_MAX_BYTES)
            .map_err(|e| LoginError::Protocol(format!("its challenge: {e}")))?;
        let gateway = trust.gateway(challenge.gateway).await?;
        if let Some(expected) = expect.filter(|id| **id != gateway.client) {
            return Err(LoginError::OtherGateway {
                expected: expected.clone(),
                found: gateway.client,
            });
        }
        let answer = self.sign(&challenge, &gateway)?;
        let auth = AuthPacket::continue_authentication(METHOD.to_owned(), Some(encode(&answer)))
            .map_err(FrameError::from)?;
        Ok((auth, gateway.client))
    }

    fn sign(self, challenge: &Challenge, gateway: &Gateway) -> Result<Answer, LoginError> {
        let identity = &self.identity;
        let transcript = Transcript {
            chain: identity.chain(),
            client: identity.client().clone(),
            certificate: identity.certificate_id(),
            client_nonce: self.nonce,
            gateway: challenge.gateway,
            gateway_nonce: challenge.nonce,
            time_ms: challenge.time_ms,
        };
        let shown = transcript.verify_gateway(&gateway.key, &challenge.signature);
        shown.map_err(|_| LoginError::GatewaySignature {
            gateway: gateway.client.clone(),
        })?;
        Ok(Answer {
            signature: transcript.sign_as_client(identity.key()),
        })
    }
}
