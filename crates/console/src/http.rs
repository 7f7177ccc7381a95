//! The interface: all routes, in the order in which a request passes.
//!
//! ```text
//! guard (host, origin, header; headers of answers) → session → body (bounded) → handler → compression
//! ```
//!
//! What anybody may ask: the pages, `/api/session…`, `/api/openapi.json`. Everything else under `/api` is for
//! who is signed in. Bodies are read whole before a handler runs: [`BODY_MAX_BYTES`] for who is signed in,
//! [`STRANGERS_BODY_MAX_BYTES`] for others, within [`BODY_MAX`].

use std::time::Duration;

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tower_http::compression::{
    CompressionLayer, CompressionLevel,
    predicate::{DefaultPredicate, NotForContentType, Predicate as _},
};
use utoipa::OpenApi;

use crate::{
    App, Problem, actions, assets, audit, blocks, devices, feed, guard, mqtt, overview, problem,
    records, search, session, upstream,
};

/// Longest body of who is signed in, in bytes: a list of 10,000 clients.
const BODY_MAX_BYTES: usize = 1_024 * 1_024;
/// Longest body of others, in bytes: a sign-in.
const STRANGERS_BODY_MAX_BYTES: usize = 4 * 1_024;
/// Time for a body to come.
const BODY_MAX: Duration = Duration::from_secs(15);
/// Longest text of a framework's own error that is passed on.
const ERROR_TEXT_BYTES_MAX: usize = 1_024;

/// The interface as an OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sealwire console",
        description = "What the web console asks. Signed-in sessions only (a cookie), but for `/api/session…`; what changes something carries the header `x-sealwire-console`. `/api/ledger/v1/…` passes the node's own queries through: see docs/openapi.json."
    ),
    paths(
        session::show,
        session::by_link,
        session::challenge,
        session::by_key,
        session::sign_out,
        overview::show,
        overview::history,
        feed::stream,
        devices::list,
        devices::one,
        blocks::list,
        blocks::one,
        blocks::one_transaction,
        search::search,
        records::receipt,
        records::genesis,
        audit::export,
        mqtt::mqtt,
        upstream::submit,
    ),
    components(schemas(Problem, audit::EventView, overview::Sample, blocks::Block))
)]
struct Document;

fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.merge(actions::Document::openapi());
    document
}

/// The OpenAPI document, as pretty JSON with a final newline.
///
/// # Errors
/// Only if the document can't be written as JSON, which would be a bug.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&document())?;
    text.push('\n');
    Ok(text)
}

pub(crate) fn router(app: App) -> Router {
    let inside = Router::new()
        .route("/api/overview", get(overview::show))
        .route("/api/overview/history", get(overview::history))
        .route("/api/stream", get(feed::stream))
        .route("/api/devices", get(devices::list))
        .route("/api/devices/{client}", get(devices::one))
        .route("/api/blocks", get(blocks::list))
        .route("/api/blocks/{height}", get(blocks::one))
        .route("/api/transactions/{id}", get(blocks::one_transaction))
        .route("/api/search", get(search::search))
        .route("/api/receipt/{package}/{index}", get(records::receipt))
        .route("/api/genesis", get(records::genesis))
        .route("/api/audit/export", get(audit::export))
        .route("/api/mqtt", get(mqtt::mqtt))
        .merge(actions::routes())
        .merge(upstream::routes())
        .layer(middleware::from_fn(|request, next| {
            whole(BODY_MAX_BYTES, request, next)
        }))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            session::signed_in,
        ));
    let outside = Router::new()
        .route("/api/session", get(session::show).delete(session::sign_out))
        .route("/api/session/link", post(session::by_link))
        .route("/api/session/challenge", post(session::challenge))
        .route("/api/session/key", post(session::by_key))
        .route("/api/openapi.json", get(|| async { Json(document()) }))
        .fallback(assets::page)
        .layer(middleware::from_fn(|request, next| {
            whole(STRANGERS_BODY_MAX_BYTES, request, next)
        }));
    // CBOR is digests and signatures; event streams must not wait for a full buffer.
    let worth = DefaultPredicate::new().and(NotForContentType::const_new("application/cbor"));
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Precise(5))
        .compress_when(worth);
    inside
        .merge(outside)
        .layer(middleware::from_fn(problems))
        .layer(compression)
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

/// CBOR that a browser saves under this name.
pub(crate) fn cbor_file(name: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (header::CONTENT_TYPE, "application/cbor"),
        (header::CONTENT_DISPOSITION, &disposition),
    ];
    (headers, bytes).into_response()
}

/// Reads the body of a request that has one, within bounds.
async fn whole(most_bytes: usize, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    match tokio::time::timeout(BODY_MAX, to_bytes(body, most_bytes)).await {
        Ok(Ok(bytes)) => {
            let request = Request::from_parts(head, Body::from(bytes));
            next.run(request).await
        }
        Ok(Err(_)) => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The body is too long",
            format!("at most {most_bytes} bytes are read"),
        )
        .into_response(),
        Err(_) => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
            "The body didn't come",
            format!("it must come within {} s", BODY_MAX.as_secs()),
        )
        .into_response(),
    }
}

/// Makes every error a [`Problem`].
async fn problems(request: Request, next: Next) -> Response {
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
