//! The gateway over HTTP: what is archived here, for those who were granted it.
//!
//! | Request | Who | Answer |
//! |---|---|---|
//! | `GET /v1/status` | anyone | JSON |
//! | `GET /metrics` | anyone | Prometheus text |
//! | `GET /v1/packages?topic=T&after=N&limit=L` | READ or VERIFY on the topic | JSON: packages after number N |
//! | `GET /v1/packages/{package}` | READ or VERIFY on its topic | CBOR: `envelope::record::Package` |
//! | `GET /v1/packages/{package}/records/{index}` | READ or VERIFY on its topic | CBOR: `PackagedRecord` |
//! | `/v1/compute/…` | see its module `compute` | |
//!
//! VERIFY is for auditors: they get the records as they are stored, check every digest and count, and read
//! nothing, because no key is ever sealed to them. It isn't given on open topics, whose records are plain.
//!
//! Who asks is shown by `Authorization: SM2 …` (`envelope::login::SignedRequest`), good once. Each
//! hand-out is a retrieval record: it is in the outbox, on disk, before the first byte leaves. A
//! grant with a time range opens the packages that lie wholly in it, and single records of others.
//! Connections are bounded in number and in the time they may wait (`bounded`).
//! Errors are `application/problem+json` (RFC 9457).

pub(crate) mod bounded;
mod compute;
mod packages;
mod problem;
mod signed;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use problem::Problem;

use crate::{hub::Hub, now_ms, rights::cut};

/// A path, the methods that it has, and who answers.
type Route = (
    &'static str,
    &'static [&'static str],
    MethodRouter<Arc<Hub>>,
);

/// The routes; each needs its row in the test that writes `docs/rights-http.md`.
fn routes() -> Vec<Route> {
    let mut routes: Vec<Route> = vec![
        ("/v1/status", &["GET"], get(status)),
        ("/metrics", &["GET"], get(metrics)),
        ("/v1/packages", &["GET"], get(packages::packages)),
        ("/v1/packages/{package}", &["GET"], get(packages::package)),
        (
            "/v1/packages/{package}/records/{index}",
            &["GET"],
            get(packages::record),
        ),
    ];
    routes.extend(compute::routes());
    routes
}

/// The methods and paths of all routes.
pub fn paths() -> Vec<(&'static str, &'static str)> {
    let routes = routes().into_iter();
    routes
        .flat_map(|(path, methods, _)| methods.iter().map(move |method| (*method, path)))
        .collect()
}

/// The router over all routes.
pub fn router(hub: Arc<Hub>) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (path, _, handler)| {
            router.route(path, handler)
        })
        .fallback(|uri: axum::http::Uri| async move {
            Problem::not_found(cut(format!("there is no {}", uri.path())))
        })
        .with_state(hub)
}

async fn status(State(hub): State<Arc<Hub>>) -> Result<Response, Problem> {
    let totals = hub
        .archive()
        .totals()
        .await
        .map_err(|e| Problem::archive(&e))?;
    let counters: serde_json::Map<_, _> = hub
        .metrics()
        .all()
        .into_iter()
        .map(|(name, _, n)| (name.to_owned(), n.into()))
        .collect();
    let body = serde_json::json!({
        "gateway": hub.client(),
        "certificate": hub.certificate(),
        "chain": hub.ledger().chain(),
        "height": hub.ledger().view().height(),
        "verified_age_ms": now_ms().saturating_sub(hub.ledger().verified_at_ms()),
        "sessions": hub.sessions().len(),
        "archive": {
            "messages": totals.messages,
            "packages": totals.packages,
            "anchored": totals.anchored,
            "outbox": totals.outbox,
        },
        "counters": counters,
    });
    Ok(Json(body).into_response())
}

async fn metrics(State(hub): State<Arc<Hub>>) -> Result<Response, Problem> {
    let totals = hub
        .archive()
        .totals()
        .await
        .map_err(|e| Problem::archive(&e))?;
    let age = now_ms().saturating_sub(hub.ledger().verified_at_ms());
    let text = hub.metrics().exposition(&[
        (
            "sessions",
            "Clients connected now.",
            hub.sessions().len() as u64,
        ),
        ("outbox", "Entries that no block holds yet.", totals.outbox),
        (
            "jobs_waiting",
            "Jobs that wait to be evaluated.",
            hub.compute().waiting() as u64,
        ),
        (
            "height",
            "Height of the verified ledger state.",
            hub.ledger().view().height(),
        ),
        (
            "verified_age_ms",
            "Age of the verified ledger state, in milliseconds.",
            age,
        ),
    ]);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
