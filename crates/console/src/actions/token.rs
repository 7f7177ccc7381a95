//! Passwords for test clients: a token, good once.

use std::time::Duration;

use axum::{Extension, Json, extract::State};
use sealwire_client::token;
use sealwire_envelope::{ClientId, login::TOKEN_MAX_LIFE_S};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Actor, logged, may_act};
use crate::{App, problem::Problem, session::Caller};

/// Life of a token, in seconds.
const LIFE_S: u64 = 120;

/// Who wants a token.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct MintToken {
    /// As which client.
    client: String,
    /// At which gateway; this organisation's when left out.
    gateway: Option<String>,
}

/// A token. It is good once, and not shown again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Minted {
    /// MQTT client id and user name.
    client: String,
    /// MQTT password.
    password: String,
    /// At which gateway.
    gateway: String,
    /// Until when, seconds since 1970.
    expires_s: u64,
}

/// Makes a login token for a client whose key is here: user name and password for one MQTT login.
#[utoipa::path(
    post, path = "/api/actions/token", tag = "actions", request_body = MintToken,
    responses(
        (status = 200, description = "The token", body = Minted),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The client's key isn't here", body = Problem),
    )
)]
pub(crate) async fn mint(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<MintToken>,
) -> Result<Json<Minted>, Problem> {
    let done = minted(&app, &caller, &asked);
    logged(&caller, "token", &asked.client, done)
}

fn minted(app: &App, caller: &Caller, asked: &MintToken) -> Result<Minted, Problem> {
    let client: ClientId = asked.client.parse().map_err(Problem::argument)?;
    may_act(app, caller, &client)?;
    let actor = Actor::load(app, &client, || {
        format!("sealwire device token --as {client}")
    })?;
    let gateway = match &asked.gateway {
        Some(gateway) => gateway.parse().map_err(Problem::argument)?,
        None => ClientId::new(&app.org, crate::GATEWAY).map_err(Problem::argument)?,
    };
    let life_s = LIFE_S.min(TOKEN_MAX_LIFE_S);
    // By this machine's clock, as the token itself.
    let expires_s = app.now_ms() / 1_000 + life_s;
    let password = token::create(&actor.identity, &gateway, Duration::from_secs(life_s));
    Ok(Minted {
        client: client.to_string(),
        password,
        gateway: gateway.to_string(),
        expires_s,
    })
}
