//! Searching the connection events.

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use sealwire_contracts::EventSearch;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::{
    Node, Problem,
    queries::{answer, page, parse},
};

pub(super) fn routes() -> Router<Node> {
    Router::new().route("/v1/audit", get(audit))
}

/// What is looked for; what is left out doesn't matter.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Search {
    /// About this client.
    client: Option<String>,
    /// Seen by this gateway.
    gateway: Option<String>,
    /// Of this kind, for instance `connect-refused`.
    kind: Option<String>,
    /// From this address, as the gateway wrote it.
    address: Option<String>,
    /// At this time or later, Unix milliseconds, by the gateway's clock.
    from_ms: Option<u64>,
    /// At this time or earlier, Unix milliseconds, by the gateway's clock.
    to_ms: Option<u64>,
    /// Attach proofs.
    #[serde(default)]
    proof: bool,
    /// Go on after this key (`next` of the page before), hexadecimal.
    after: Option<String>,
    /// Most entries to look at; at most 1,000, 100 when left out.
    limit: Option<usize>,
    /// Newest first.
    #[serde(default)]
    newest_first: bool,
}

#[utoipa::path(
    get, path = "/v1/audit",
    params(Search),
    responses(
        (status = 200, description = "Connection events that match. A page may hold fewer than there are: go on while there is a `next`", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn audit(
    State(node): State<Node>,
    Query(query): Query<Search>,
) -> Result<Json<Value>, Problem> {
    let search = EventSearch {
        client: query.client.as_deref().map(parse).transpose()?,
        gateway: query.gateway.as_deref().map(parse).transpose()?,
        kind: query.kind.as_deref().map(parse).transpose()?,
        address: query.address,
        from_ms: query.from_ms,
        to_ms: query.to_ms,
    };
    let page = page(query.after.as_deref(), query.limit, query.newest_first)?;
    answer(&node, query.proof, |view| {
        view.search_events(&search, &page)
    })
    .await
}
