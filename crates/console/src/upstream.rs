//! The nodes and gateways over HTTP: the pass-through of the ledger's queries, and asking services how they are.
//!
//! # Pass-through
//! `GET /api/ledger/v1/…` is `GET /v1/…` at the organisation's node, or at the next one when that is away: the
//! same answer, byte by byte, proofs included, for the routes of [`ALLOWED`] and no others. Arguments go
//! through as they are, but no dot segments: what matched here is what is asked there. `POST
//! /api/ledger/v1/transactions` hands in what a browser signed itself.
//!
//! # Bounds
//! An answer has at most [`ANSWER_MAX_BYTES`] and comes within [`ANSWER_MAX`], waiting included.

use std::{
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, OriginalUri, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use reqwest::Url;
use sealwire_client::{Identity, ledger::describe, tls};
use sealwire_envelope::transaction::TX_MAX_BYTES;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{App, Part, Service, Settings, StartError, problem::Problem};

/// Routes of a node that are passed through, as in its own interface (`docs/openapi.json`).
pub const ALLOWED: &[&str] = &[
    "/v1/status",
    "/v1/blocks/{height}",
    "/v1/bundles/{height}",
    "/v1/transactions/{id}",
    "/v1/state/{key}",
    "/v1/proofs",
    "/v1/explain",
    "/v1/simulate",
    "/v1/audit",
    "/v1/packages",
    "/v1/evaluations",
    "/v1/evaluations/{id}",
    "/v1/compute/keys/{id}",
    "/v1/compute/keys/{id}/evaluations",
    "/v1/clients/{id}",
    "/v1/clients/{id}/events",
    "/v1/clients/{id}/topics",
    "/v1/clients/{id}/grants",
    "/v1/clients/{id}/filters",
    "/v1/clients/{id}/granted-filters",
    "/v1/clients/{id}/requests",
    "/v1/clients/{id}/authorisations",
    "/v1/clients/{id}/upkeep",
    "/v1/clients/{id}/compute-keys",
    "/v1/authorisations/{id}",
    "/v1/certificates/{certificate}",
    "/v1/enrolments/{enrolment}",
    "/v1/organisations/{org}/clients",
    "/v1/organisations/{org}/topics",
    "/v1/organisations/{org}/expiring",
    "/v1/organisations/{org}/enrolments",
    "/v1/organisations/{org}/templates/{role}",
    "/v1/gateways/{id}/events",
    "/v1/topics/{*topic}",
];

/// Before the node's own path.
const PREFIX: &str = "/api/ledger";
/// Time for connecting.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Time for an answer; a node waits at most 30 s when it is asked to.
const ANSWER_MAX: Duration = Duration::from_secs(35);
/// Longest answer that is passed on, in bytes.
const ANSWER_MAX_BYTES: usize = sealwire_envelope::block::BUNDLE_MAX_BYTES;
/// Time for saying how one is.
const STATUS_MAX: Duration = Duration::from_millis(1_500);
/// Longest status that is read, in bytes.
const STATUS_MAX_BYTES: usize = 64 * 1024;

/// Connections to nodes and gateways.
pub(crate) struct Upstream {
    nodes: Vec<String>,
    present: AtomicUsize,
    /// To nodes: plain, or by TLS to a node of the consortium.
    to_nodes: reqwest::Client,
    /// To gateways: plain, or by TLS to a gateway of the consortium.
    to_gateways: reqwest::Client,
}

/// What a node answered.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<header::HeaderValue>,
    pub(crate) body: Bytes,
}

impl Upstream {
    pub(crate) fn new(
        settings: &Settings,
        operator: Option<&Identity>,
    ) -> Result<Self, StartError> {
        let failed = |error: String| StartError::Client(error);
        let to_nodes =
            tls::to_nodes(&settings.genesis, operator).map_err(|e| failed(e.to_string()))?;
        // Without a key of one's own gateways aren't asked by TLS; in the clear they are.
        let to_gateways = match operator {
            None => None,
            Some(operator) => Some(tls::config(operator, None).map_err(|e| failed(e.to_string()))?),
        };
        Ok(Self {
            nodes: settings.nodes.clone(),
            present: AtomicUsize::new(0),
            to_nodes: client(Some(to_nodes)).map_err(|e| failed(e.to_string()))?,
            to_gateways: client(to_gateways).map_err(|e| failed(e.to_string()))?,
        })
    }

    /// The node that is asked at the moment.
    pub(crate) fn node(&self) -> &str {
        let present = self.present.load(Ordering::Relaxed) % self.nodes.len().max(1);
        self.nodes.get(present).map_or("", String::as_str)
    }

    fn leave(&self, node: &str) {
        if let Some(place) = self.nodes.iter().position(|it| it == node) {
            self.present
                .store((place + 1) % self.nodes.len(), Ordering::Relaxed);
        }
    }

    /// Whether the organisation's own node is asked.
    pub(crate) fn is_own(&self) -> bool {
        self.present.load(Ordering::Relaxed) == 0
    }

    /// The organisation's own node is asked again, where another was.
    pub(crate) fn prefer_own(&self) {
        self.present.store(0, Ordering::Relaxed);
    }

    /// A stream of events from the present node.
    pub(crate) async fn events(&self) -> Result<reqwest::Response, String> {
        let node = self.node().to_owned();
        let sent = self.to_nodes.get(format!("{node}/v1/events")).send();
        let answered = tokio::time::timeout(ANSWER_MAX, sent).await;
        let response = match answered {
            Ok(Ok(response)) if response.status().is_success() => return Ok(response),
            Ok(Ok(response)) => format!("HTTP {}", response.status()),
            Ok(Err(error)) => describe(&error),
            Err(_) => "no answer".to_owned(),
        };
        self.leave(&node);
        Err(format!("{node}: {response}"))
    }

    /// What a node says to `GET target`, whatever that is; the next one is asked when one is away.
    pub(crate) async fn get(&self, target: &str, accept: &str) -> Result<Answered, Problem> {
        let request = |url: Url| self.to_nodes.get(url).header(header::ACCEPT, accept);
        self.ask(target, request).await
    }

    /// What a node says to `GET target`, as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, target: &str) -> Result<T, Problem> {
        let answer = self.get(target, "application/json").await?;
        if !answer.status.is_success() {
            return Err(problem_of(&answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            Problem::new(
                StatusCode::BAD_GATEWAY,
                "node",
                "The node's answer can't be read",
                error,
            )
        })
    }

    async fn ask(
        &self,
        target: &str,
        request: impl Fn(Url) -> reqwest::RequestBuilder,
    ) -> Result<Answered, Problem> {
        let mut last = "no ledger node is known".to_owned();
        for _ in 0..self.nodes.len() {
            let node = self.node().to_owned();
            let url = same_path(&node, target)?;
            match tokio::time::timeout(ANSWER_MAX, answer(request(url))).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => last = format!("{node}: {error}"),
                Err(_) => last = format!("{node}: no answer in {} s", ANSWER_MAX.as_secs()),
            }
            self.leave(&node);
        }
        Err(Problem::unavailable(
            "ledger-away",
            format!("the ledger is away: {last}"),
        ))
    }

    /// What a service says of itself.
    pub(crate) async fn status(&self, service: &Service) -> Result<Value, String> {
        let http = match service.part {
            Part::Node => &self.to_nodes,
            Part::Gateway => &self.to_gateways,
        };
        let asked = async {
            let sent = http.get(format!("{}/v1/status", service.url)).send().await;
            let mut response = sent.map_err(|error| describe(&error))?;
            if !response.status().is_success() {
                return Err(format!("HTTP {}", response.status()));
            }
            let body = read(&mut response, STATUS_MAX_BYTES).await?;
            serde_json::from_slice(&body).map_err(|error| error.to_string())
        };
        match tokio::time::timeout(STATUS_MAX, asked).await {
            Ok(status) => status,
            Err(_) => Err(format!("no answer in {} ms", STATUS_MAX.as_millis())),
        }
    }
}

fn client(tls: Option<Arc<rustls::ClientConfig>>) -> reqwest::Result<reqwest::Client> {
    let builder = match tls {
        None => reqwest::Client::builder(),
        Some(config) => reqwest::Client::builder().use_preconfigured_tls((*config).clone()),
    };
    builder
        .connect_timeout(CONNECT_MAX)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// The node's address with exactly this path and query: one that means another path after it is read is
/// refused, so that what matched here is what is asked there.
fn same_path(node: &str, target: &str) -> Result<Url, Problem> {
    let url = Url::parse(&format!("{node}{target}")).map_err(Problem::argument)?;
    let path = target.split('?').next().unwrap_or(target);
    if url.path() == path {
        Ok(url)
    } else {
        Err(Problem::argument(
            "the path isn't in its shortest form: percent-encode what isn't a letter, digit or one of -._~",
        ))
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answered, String> {
    let mut response = request.send().await.map_err(|error| describe(&error))?;
    let body = read(&mut response, ANSWER_MAX_BYTES).await?;
    Ok(Answered {
        status: response.status(),
        content_type: response.headers().get(header::CONTENT_TYPE).cloned(),
        body: body.into(),
    })
}

async fn read(response: &mut reqwest::Response, most_bytes: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + chunk.len() > most_bytes {
            return Err(format!("the answer is longer than {most_bytes} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A node's refusal, in our words where it has none.
pub(crate) fn problem_of(answer: &Answered) -> Problem {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| {
        let detail = format!("the node answered HTTP {}", answer.status);
        Problem::new(answer.status, "node", "The node refused", detail)
    })
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        if let Some(kind) = self.content_type {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        response
    }
}

pub(crate) fn routes() -> Router<App> {
    let submit = post(submit).layer(DefaultBodyLimit::max(TX_MAX_BYTES));
    ALLOWED
        .iter()
        .fold(Router::new(), |router, path| {
            router.route(&format!("{PREFIX}{path}"), get(pass))
        })
        .route(&format!("{PREFIX}/v1/transactions"), submit)
}

/// Passes a query on.
async fn pass(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Answered, Problem> {
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let target = target.strip_prefix(PREFIX).unwrap_or(target);
    let accept = headers.get(header::ACCEPT);
    let cbor = accept.is_some_and(|it| it.as_bytes() == b"application/cbor");
    let accept = if cbor {
        "application/cbor"
    } else {
        "application/json"
    };
    app.upstream.get(target, accept).await
}

/// Hands in a transaction that the browser signed itself: what it may, the ledger decides by its signature.
#[utoipa::path(
    post, path = "/api/ledger/v1/transactions", tag = "ledger",
    request_body(content = Vec<u8>, content_type = "application/cbor", description = "A signed transaction"),
    responses(
        (status = 202, description = "It waits for a block", body = Object),
        (status = 422, description = "It would be refused, or is wrongly signed", body = Problem),
    )
)]
pub(crate) async fn submit(State(app): State<App>, body: Bytes) -> Result<Answered, Problem> {
    let request = |mut url: Url| {
        url.set_query(None);
        let http = &app.upstream.to_nodes;
        http.request(Method::POST, url)
            .header(header::CONTENT_TYPE, "application/cbor")
            .body(body.clone())
    };
    app.upstream.ask("/v1/transactions", request).await
}

/// A query value or path segment, percent-encoded (RFC 3986 §2.1).
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_what_matched() {
        let node = "http://127.0.0.1:1";
        for good in [
            "/v1/status",
            "/v1/topics/acme/press%207/t?proof=true",
            "/v1/state/742f?proof=true",
        ] {
            let url = same_path(node, good).unwrap();
            assert_eq!(url.as_str(), format!("{node}{good}"));
        }
        for bad in [
            "/v1/topics/../events",
            "/v1/topics/%2e%2e/events",
            "/v1/topics/%2E./events",
            "/v1/clients/.%2e/../events",
            "/v1/topics/a\\..\\events",
        ] {
            assert!(same_path(node, bad).is_err(), "{bad}");
        }
    }
}
