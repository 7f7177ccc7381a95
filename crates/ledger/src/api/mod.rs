//! The HTTP interface of a node: one router, served by validators and followers alike.
//!
//! Answers are JSON, errors `application/problem+json` ([`Problem`]), transactions and bundles
//! CBOR (`application/cbor`). Every query takes `proof=true`; the answer then carries, for each
//! state entry it rests on, a proof under the root of one final header, and that header's
//! certificate. The OpenAPI document is served at `/openapi.json` and committed at
//! `docs/openapi.json`.

mod blocks;
mod problem;
mod queries;
mod transactions;

use std::sync::Arc;

use axum::{Json, Router, extract::DefaultBodyLimit, routing::get};
use sealwire_envelope::transaction::TX_MAX_BYTES;
use utoipa::OpenApi;

pub use problem::Problem;

use crate::chain::Chain;

type Node = Arc<dyn Chain>;

/// The interface as an OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sealwire ledger",
        description = "Submit transactions, read the final ledger, get proofs of what it holds."
    ),
    paths(
        transactions::submit,
        transactions::status,
        blocks::status,
        blocks::block,
        blocks::bundle,
        blocks::events,
        queries::state,
        queries::client,
        queries::clients_of,
        queries::events_of,
        queries::gateway_events,
        queries::topic,
        queries::explain,
    ),
    components(schemas(Problem))
)]
struct Document;

/// The OpenAPI document, as pretty JSON with a final newline.
///
/// # Errors
/// Only if the document can't be written as JSON, which would be a bug.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&Document::openapi())?;
    text.push('\n');
    Ok(text)
}

/// All routes over a node's ledger.
pub fn router(node: Arc<dyn Chain>) -> Router {
    Router::new()
        .merge(transactions::routes())
        .merge(blocks::routes())
        .merge(queries::routes())
        .route("/openapi.json", get(|| async { Json(Document::openapi()) }))
        .fallback(|| async { Problem::not_found("no such path: see /openapi.json") })
        .layer(DefaultBodyLimit::max(TX_MAX_BYTES))
        .with_state(node)
}
