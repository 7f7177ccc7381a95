//! Why somebody may or may not: decided here, over entries that are proven.

use axum::{
    Json,
    extract::{Query, State},
};
use sealwire_client::explain::{self as explaining, Action};
use sealwire_envelope::ClientId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::rights::parse;
use crate::{App, problem::Problem};

/// A decision to be explained: simulated as a client.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct Question {
    /// Who.
    client: String,
    /// `connect`, `publish`, `subscribe`, `read`, `compute` or `verify`.
    action: String,
    /// Topic name, or filter for `subscribe`; none for `connect`.
    topic: Option<String>,
    /// At which height; the last one when left out.
    at: Option<u64>,
}

/// A decision and why it is so.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// Whether the client may.
    allowed: bool,
    /// The reason's name, for instance `NoGrant`.
    reason: String,
    /// The reason's number: below 10 it allows.
    reason_number: u8,
    /// The reason in one sentence.
    text: String,
    /// The grant that decided, as the ledger's interface gives it; null: none did.
    #[schema(value_type = Option<Object>)]
    grant: Option<Value>,
    /// That grant's state key, hexadecimal.
    grant_key: Option<String>,
    /// The topic's owner; null where no registered topic was named.
    owner: Option<String>,
    /// The client's certificate, hexadecimal.
    certificate: Option<String>,
    /// The height that the decision is about.
    height: u64,
    /// The time that it is about, milliseconds since 1970.
    time_ms: u64,
    /// The height of the root under which all entries below are proven: the console has verified them.
    proven_at: u64,
    /// State keys of all entries looked at, found or not, hexadecimal.
    keys: Vec<String>,
}

/// Decides as a gateway would, over proven entries, and says why.
#[utoipa::path(
    get, path = "/api/explain", tag = "rights", params(Question),
    responses(
        (status = 200, description = "Whether the client may, and why", body = Explanation),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(crate) async fn explain(
    State(app): State<App>,
    Query(question): Query<Question>,
) -> Result<Json<Explanation>, Problem> {
    let client: ClientId = parse("client", &question.client)?;
    let topic = question.topic.as_deref().filter(|topic| !topic.is_empty());
    let action = Action::parse(&question.action, topic).map_err(Problem::argument)?;
    let explained = explaining::decide(&app.ledger, &client, &action, question.at).await?;
    let decision = &explained.decision;
    Ok(Json(Explanation {
        allowed: decision.is_allowed(),
        reason: decision.reason.name().to_owned(),
        reason_number: decision.reason.number(),
        text: decision.reason.text().to_owned(),
        grant: decision.grant.as_ref().map(|it| json!(it)),
        grant_key: decision.grant_key.as_ref().map(hex::encode),
        owner: decision.topic.as_ref().map(|it| it.owner.to_string()),
        certificate: decision.certificate.map(|it| it.to_string()),
        height: explained.height,
        time_ms: explained.time_ms,
        proven_at: explained.proven_at,
        keys: decision.keys.iter().map(hex::encode).collect(),
    }))
}
