//! `GET /v1/status`, `/v1/blocks/{height|latest}`, `/v1/bundles/{height}`, `/v1/events`.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::header,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::{Node, Problem, transactions::Wait};
use crate::{limits::SUBSCRIBERS_MAX, mirror::Final};

pub(super) fn routes() -> Router<Node> {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/blocks/{height}", get(block))
        .route("/v1/bundles/{height}", get(bundle))
        .route("/v1/events", get(events))
}

#[utoipa::path(
    get, path = "/v1/status",
    responses((status = 200, description = "What the node is and how far", body = Object))
)]
pub(super) async fn status(State(node): State<Node>) -> Json<Value> {
    let mirror = node.mirror();
    let (height, time_ms, entries) = {
        let view = mirror.view();
        (view.height(), view.time_ms(), view.len())
    };
    let genesis = mirror.genesis();
    Json(json!({
        "name": genesis.name,
        "chain": genesis.chain_id().0,
        "height": height,
        "time_ms": time_ms,
        "state_entries": entries,
        "validators": genesis.orgs.len(),
        "node": node.status(),
    }))
}

#[utoipa::path(
    get, path = "/v1/blocks/{height}",
    params(("height" = String, Path, description = "Height, or `latest`")),
    responses(
        (status = 200, description = "Header, transactions, certificate", body = Object),
        (status = 400, description = "Not a height", body = Problem),
        (status = 404, description = "No such block yet", body = Problem),
    )
)]
pub(super) async fn block(
    State(node): State<Node>,
    Path(height): Path<String>,
) -> Result<Json<Value>, Problem> {
    let height = match height.as_str() {
        "latest" => node.mirror().view().height(),
        number => number.parse().map_err(|_| {
            Problem::argument(format!("'{number}' is neither a height nor 'latest'"))
        })?,
    };
    let bundle = node.bundle(height).await.ok_or_else(|| no_block(height))?;
    let transactions: Vec<Value> = bundle
        .transactions
        .iter()
        .map(|tx| json!({ "id": tx.id().0, "transaction": tx }))
        .collect();
    Ok(Json(json!({
        "digest": bundle.header.digest(),
        "header": bundle.header,
        "transactions": transactions,
        "finality": bundle.finality,
    })))
}

fn no_block(height: u64) -> Problem {
    Problem::not_found(format!("there is no final block at height {height} yet"))
}

#[utoipa::path(
    get, path = "/v1/bundles/{height}",
    params(("height" = u64, Path, description = "Height, from 1"), Wait),
    responses(
        (status = 200, description = "The block as CBOR", body = Vec<u8>, content_type = "application/cbor"),
        (status = 400, description = "Not a height", body = Problem),
        (status = 404, description = "No such block yet", body = Problem),
    )
)]
pub(super) async fn bundle(
    State(node): State<Node>,
    Path(height): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<impl IntoResponse, Problem> {
    let height: u64 = height
        .parse()
        .map_err(|_| Problem::argument(format!("'{height}' isn't a height")))?;
    let mut heights = node.mirror().height();
    let reached = heights.wait_for(|now| *now >= height);
    let _ = tokio::time::timeout(wait.duration(), reached).await;
    let bundle = node.bundle(height).await.ok_or_else(|| no_block(height))?;
    let body = sealwire_envelope::encode(&bundle);
    Ok(([(header::CONTENT_TYPE, "application/cbor")], body))
}

#[utoipa::path(
    get, path = "/v1/events",
    responses(
        (status = 200, description = "Server-sent events: `block` for each final block, `missed` with a number when the client was too slow", content_type = "text/event-stream", body = String),
        (status = 503, description = "Too many subscribers", body = Problem),
    )
)]
pub(super) async fn events(
    State(node): State<Node>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    if node.mirror().subscribers() >= SUBSCRIBERS_MAX {
        let detail = format!("{SUBSCRIBERS_MAX} subscribers are connected");
        return Err(Problem::unavailable("busy", "Too many subscribers", detail));
    }
    let feed = stream::unfold(node.mirror().subscribe(), |mut feed| async move {
        let event = match feed.recv().await {
            Ok(block) => block_event(&block),
            Err(RecvError::Lagged(missed)) => {
                Event::default().event("missed").data(missed.to_string())
            }
            Err(RecvError::Closed) => return None,
        };
        Some((event, feed))
    });
    Ok(Sse::new(feed.map(Ok)).keep_alive(KeepAlive::default()))
}

fn block_event(block: &Arc<Final>) -> Event {
    let header = block.block.header();
    let transactions: Vec<Value> = block
        .block
        .transactions()
        .iter()
        .zip(&block.outcomes)
        .map(|(tx, outcome)| {
            json!({
                "id": tx.id().0,
                "call": tx.get().body.call.name(),
                "code": outcome.code.number(),
                "outcome": outcome.code.name(),
            })
        })
        .collect();
    let data = json!({
        "height": header.height,
        "time_ms": header.time_ms,
        "digest": header.digest(),
        "transactions": transactions,
    });
    Event::default()
        .event("block")
        .id(header.height.to_string())
        .data(data.to_string())
}
