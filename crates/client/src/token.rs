//! Tokens: a password for MQTT clients that know nothing of SM2 (`mosquitto_pub -P "$(…)"`).
//!
//! User name = the client id, password = the token. It is good once, at one gateway, for at most
//! [`TOKEN_MAX_LIFE_S`] seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sealwire_envelope::{
    ClientId,
    login::{LOGIN_VERSION, TOKEN_MAX_LIFE_S, Token, TokenBody},
};

use crate::identity::Identity;

/// Life of a token unless another is asked for.
pub const LIFE_DEFAULT: Duration = Duration::from_secs(60);

/// A token for one login at `gateway`, good from now on for `life`, at most
/// [`TOKEN_MAX_LIFE_S`] seconds.
///
/// ```no_run
/// use std::path::Path;
/// use sealwire_client::{Identity, token};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let identity = Identity::load(Path::new("/var/lib/press-7"), None)?;
/// let gateway = identity.peers().gateway(None).ok_or("peers.json names no gateway")?;
/// let password = token::create(&identity, &gateway.client, token::LIFE_DEFAULT);
/// println!("mosquitto_pub -u {0} -i {0} -P {password} …", identity.client());
/// # Ok(()) }
/// ```
pub fn create(identity: &Identity, gateway: &ClientId, life: Duration) -> String {
    let not_before_s = now_s();
    let life_s = life.as_secs().clamp(1, TOKEN_MAX_LIFE_S);
    let body = TokenBody {
        version: LOGIN_VERSION,
        chain: identity.chain(),
        client: identity.client().clone(),
        certificate: identity.certificate_id(),
        gateway: gateway.clone(),
        not_before_s,
        expires_s: not_before_s + life_s,
        nonce: rand::random(),
    };
    Token::sign(body, identity.key()).to_text()
}

/// Seconds since 1970, by this machine's clock.
pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn a_token_says_who_where_and_how_long() {
        let identity = World::new().identity_in_memory("acme.press-7");
        let gateway: ClientId = "acme.gw".parse().unwrap();
        let text = create(&identity, &gateway, Duration::from_secs(86_400));
        let token = Token::from_text(text.as_bytes()).unwrap();
        token.verify(identity.key().public_key()).unwrap();
        assert_eq!(
            (&token.body.client, &token.body.gateway),
            (identity.client(), &gateway)
        );
        assert_eq!(
            token.body.expires_s - token.body.not_before_s,
            TOKEN_MAX_LIFE_S
        );
        assert_ne!(text, create(&identity, &gateway, LIFE_DEFAULT));
    }
}
