//! Login by token: user name = the client, password = the signed token.

use mqtt5::packet::connect::ConnectPacket;
use sealwire_envelope::{
    ClientId, encode,
    login::{TOKEN_MAX_LIFE_S, Token, TokenBody},
};

use super::{Key, LIBRARY_NAME_BYTES, cause::Cause, check_version};
use crate::{
    audit::ConnectInfo,
    hub::Hub,
    now_ms,
    replay::{Purpose, Replayed},
    session::Admitted,
};

pub(super) async fn log_in(
    hub: &Hub,
    connect: ConnectPacket,
    info: ConnectInfo,
) -> Result<Admitted, Cause> {
    let (Some(user), Some(password)) = (&connect.username, &connect.password) else {
        return Err(Cause::Nothing);
    };
    let client: ClientId = user.parse().map_err(Cause::UserName)?;
    let library_name = library_name(&connect.client_id, &client)?;
    let token = Token::from_text(password).map_err(Cause::NoToken)?;
    let body = &token.body;
    check_version(body.version)?;
    check_target(hub, body, &client)?;
    let skew_s = hub.limits().clock_skew.as_secs();
    check_time(body, now_ms() / 1000, skew_s)?;
    Key::find(hub, body.certificate, &client)
        .verify(hub, &client, "token", |key| token.verify(key).is_ok())?;
    // Only now, or anyone could spend another's. What is remembered is the signed body, because a
    // signature isn't unique.
    let digest = sealwire_sm::sm3(&[&encode(body)]);
    // It is good until its expiry and the tolerated skew are over.
    let until_s = body.expires_s.saturating_add(skew_s);
    let used = hub.use_once(Purpose::Token, digest, until_s).await;
    used.map_err(|replayed| match replayed {
        Replayed::Again => Cause::TokenUsed,
        Replayed::Full => Cause::Busy,
        Replayed::Disk(error) => Cause::Disk(error.to_string()),
    })?;
    let id = body.certificate;
    super::admit(hub, connect, client, id, info, library_name, false)
}

/// For whom, on which ledger, at which gateway.
fn check_target(hub: &Hub, body: &TokenBody, client: &ClientId) -> Result<(), Cause> {
    if body.client != *client {
        return Err(Cause::TokenClient {
            token: body.client.clone(),
            user: client.clone(),
        });
    }
    if body.chain != hub.ledger().chain() {
        return Err(Cause::TokenLedger(body.chain));
    }
    if body.gateway != *hub.client() {
        return Err(Cause::TokenGateway {
            token: body.gateway.clone(),
            gateway: hub.client().clone(),
        });
    }
    Ok(())
}

/// Times in seconds since 1970; clocks may differ by `skew_s`.
fn check_time(body: &TokenBody, now_s: u64, skew_s: u64) -> Result<(), Cause> {
    let life_s = body.expires_s.checked_sub(body.not_before_s);
    if life_s.is_none_or(|life_s| life_s > TOKEN_MAX_LIFE_S) {
        return Err(Cause::TokenLife);
    }
    let client = || body.client.clone();
    let ago_s = now_s.saturating_sub(body.expires_s);
    if ago_s > skew_s {
        let client = client();
        return Err(Cause::TokenExpired {
            client,
            ago_s,
            skew_s,
        });
    }
    let wait_s = body.not_before_s.saturating_sub(now_s);
    if wait_s > skew_s {
        let client = client();
        return Err(Cause::TokenEarly {
            client,
            wait_s,
            skew_s,
        });
    }
    Ok(())
}

/// The name an MQTT library made up, if the client id isn't the client.
pub(super) fn library_name(client_id: &str, client: &ClientId) -> Result<Option<String>, Cause> {
    if client_id == client.as_str() {
        return Ok(None);
    }
    if let Ok(claimed) = client_id.parse::<ClientId>() {
        return Err(Cause::OtherClientId {
            claimed,
            client: client.clone(),
        });
    }
    if client_id.is_empty() {
        return Ok(Some(hex::encode(crate::random::<8>())));
    }
    let sound = client_id.len() <= LIBRARY_NAME_BYTES
        && client_id
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b'\\' | b':'));
    if sound {
        return Ok(Some(client_id.to_owned()));
    }
    Err(Cause::LibraryName {
        client: client.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(not_before_s: u64, expires_s: u64) -> TokenBody {
        use sealwire_envelope::{CertId, ChainId};
        use sealwire_sm::Sm3Digest;
        TokenBody {
            version: 1,
            chain: ChainId(Sm3Digest([1; 32])),
            client: "acme.press-7".parse().unwrap(),
            certificate: CertId(Sm3Digest([2; 32])),
            gateway: "acme.gateway".parse().unwrap(),
            not_before_s,
            expires_s,
            nonce: [3; 16],
        }
    }

    #[test]
    fn clocks_may_differ_by_the_skew_and_not_by_a_second_more() {
        const NOW_S: u64 = 1_000_000;
        for (not_before_s, expires_s, good) in [
            (NOW_S, NOW_S + 300, true),
            (NOW_S, NOW_S + 301, false),
            (NOW_S + 10, NOW_S + 9, false),
            (NOW_S - 300, NOW_S - 60, true),
            (NOW_S - 300, NOW_S - 61, false),
            (NOW_S + 60, NOW_S + 300, true),
            (NOW_S + 61, NOW_S + 300, false),
            (u64::MAX - 1, u64::MAX, false),
        ] {
            let body = at(not_before_s, expires_s);
            let checked = check_time(&body, NOW_S, 60);
            assert_eq!(
                checked.is_ok(),
                good,
                "{not_before_s}..{expires_s}: {checked:?}"
            );
        }
        let early = check_time(&at(NOW_S + 90, NOW_S + 100), NOW_S, 60).unwrap_err();
        assert!(early.to_string().contains("90 s or more ahead"), "{early}");
        let late = check_time(&at(NOW_S - 100, NOW_S - 75), NOW_S, 60).unwrap_err();
        assert!(late.to_string().contains("75 s or more behind"), "{late}");
    }
}
