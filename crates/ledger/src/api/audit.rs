//! Searching the connection events and the anchored packages.

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use sealwire_contracts::EventSearch;
use sealwire_envelope::TopicName;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::{
    Node, Problem,
    queries::{answer, page, parse},
};

pub(super) fn routes() -> Router<Node> {
    Router::new()
        .route("/v1/audit", get(audit))
        .route("/v1/packages", get(packages))
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

/// Which packages.
#[derive(Debug, Deserialize, IntoParams)]
pub struct OfTopic {
    /// Topic name.
    topic: String,
    /// With a message at this time or later, Unix milliseconds.
    from_ms: Option<u64>,
    /// With a message at this time or earlier, Unix milliseconds.
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
    get, path = "/v1/packages",
    params(OfTopic),
    responses(
        (status = 200, description = "The anchored packages of a topic that meet a time range, in the order of their ends", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn packages(
    State(node): State<Node>,
    Query(query): Query<OfTopic>,
) -> Result<Json<Value>, Problem> {
    let topic: TopicName = parse(&query.topic)?;
    let (from_ms, to_ms) = (query.from_ms.unwrap_or(0), query.to_ms.unwrap_or(u64::MAX));
    let page = page(query.after.as_deref(), query.limit, query.newest_first)?;
    answer(&node, query.proof, |view| {
        view.packages_of(&topic, from_ms, to_ms, &page)
    })
    .await
}
