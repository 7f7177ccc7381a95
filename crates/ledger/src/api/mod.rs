//! The HTTP interface of a node: one router, served by validators and followers alike.
//!
//! Answers are JSON, errors `application/problem+json` ([`Problem`]), transactions and bundles
//! CBOR (`application/cbor`). Every query takes `proof=true`; the answer then carries, for each
//! state entry it rests on, a proof under the root of one final header, and that header's
//! certificate. The OpenAPI document is served at `/openapi.json` and committed at
//! `docs/openapi.json`. Who may ask what is said in `access.rs`.

mod access;
mod audit;
mod blocks;
mod compute;
mod identity;
mod problem;
mod queries;
mod rights;
mod transactions;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use sealwire_envelope::transaction::TX_MAX_BYTES;
use tokio::sync::Semaphore;
use utoipa::OpenApi;

pub use access::{Asker, PUBLIC, STATE};
pub use problem::Problem;

use crate::{chain::Chain, limits::HTTP_REQUESTS_AT_ONCE};

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
        queries::proofs_of,
        rights::explain,
        rights::simulate,
        rights::topics_of,
        rights::topics_in,
        rights::grants_to,
        rights::filters_to,
        rights::filters_by,
        rights::requests_to,
        rights::authorisations_of,
        rights::upkeep_of,
        rights::authorisation,
        identity::certificate,
        identity::enrolment,
        identity::expiring,
        identity::enrolments_of,
        identity::template,
        audit::audit,
        audit::packages,
        compute::compute_key,
        compute::compute_keys_of,
        compute::evaluation,
        compute::evaluations_of_key,
        compute::evaluations_of_topic,
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

/// Longest text of a framework's own error that is passed on.
const ERROR_TEXT_BYTES_MAX: usize = 1_024;

/// All routes over a node's ledger, for whoever reaches them.
pub fn router(node: Arc<dyn Chain>) -> Router {
    finish(routes(), node)
}

/// All routes over a node's ledger, for members: whoever asks is shown by an [`Asker`] among the request's
/// extensions. Without one, only what anyone may know is answered.
pub fn members_router(node: Arc<dyn Chain>) -> Router {
    let members = middleware::from_fn_with_state(node.clone(), access::members);
    finish(routes().layer(members), node)
}

fn routes() -> Router<Node> {
    Router::new()
        .merge(transactions::routes())
        .merge(blocks::routes())
        .merge(queries::routes())
        .merge(rights::routes())
        .merge(identity::routes())
        .merge(audit::routes())
        .merge(compute::routes())
        .route("/openapi.json", get(|| async { Json(Document::openapi()) }))
        .fallback(|| async { Problem::not_found("no such path: see /openapi.json") })
}

fn finish(routes: Router<Node>, node: Node) -> Router {
    let permits = Arc::new(Semaphore::new(HTTP_REQUESTS_AT_ONCE));
    routes
        .layer(DefaultBodyLimit::max(TX_MAX_BYTES))
        .layer(middleware::from_fn_with_state(permits, guard))
        .with_state(node)
}

/// Bounds the requests under way, and makes every error a [`Problem`].
async fn guard(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_permit) = permits.try_acquire() else {
        let detail = format!("{HTTP_REQUESTS_AT_ONCE} requests are under way: try again");
        return Problem::unavailable("busy", "Too many requests", detail).into_response();
    };
    let response = next.run(request).await;
    let status = response.status();
    let typed = response.headers().get(header::CONTENT_TYPE);
    if status.as_u16() < 400 || typed.is_some_and(|kind| kind == problem::CONTENT_TYPE) {
        return response;
    }
    let text = to_bytes(response.into_body(), ERROR_TEXT_BYTES_MAX)
        .await
        .unwrap_or_default();
    let kind = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        StatusCode::METHOD_NOT_ALLOWED => "method",
        _ => "argument",
    };
    let title = status.canonical_reason().unwrap_or("Error");
    Problem::new(status, kind, title, String::from_utf8_lossy(&text)).into_response()
}
