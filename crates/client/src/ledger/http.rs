//! Requests to nodes: in turn, bounded in time and size, refusals with the node's own words.

use std::{
    error::Error as _,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;

use super::{ANSWER_MAX_BYTES, Ledger, LedgerError, REQUEST_MAX};

/// Longest problem document that is read, in bytes.
const PROBLEM_MAX_BYTES: usize = 16 * 1024;

/// What a node or gateway says when it refuses: `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Which kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// What it is this time.
    pub detail: String,
    /// Number of the contract's code, when a contract would refuse the transaction.
    pub code: Option<u16>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.title.as_str(), self.detail.as_str()) {
            ("", "") => write!(f, "HTTP {}", self.status),
            (title, "") => write!(f, "{title} (HTTP {})", self.status),
            (_, detail) => write!(f, "{detail} (HTTP {})", self.status),
        }
    }
}

impl Problem {
    /// Whether it says that the transaction is known already.
    pub(super) fn is_duplicate(&self) -> bool {
        self.status == StatusCode::CONFLICT.as_u16() || self.kind.ends_with("duplicate")
    }

    /// Whether the same request may be answered later.
    pub(crate) fn is_busy(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS.as_u16() || self.status >= 500
    }
}

pub(crate) fn client(
    connect_max: Duration,
    tls: Option<Arc<rustls::ClientConfig>>,
) -> Result<reqwest::Client, String> {
    let builder = match tls {
        None => reqwest::Client::builder(),
        Some(config) => reqwest::Client::builder().use_preconfigured_tls((*config).clone()),
    };
    builder
        .connect_timeout(connect_max)
        .timeout(REQUEST_MAX)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| describe(&e))
}

/// An error with its causes, in one line.
pub fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// An answer's body, or the problem it is.
pub(crate) enum Answer {
    Body(Vec<u8>),
    Problem(Problem),
}

/// Reads an answer within a bound.
pub(crate) async fn read(mut response: Response, max_bytes: usize) -> Result<Answer, String> {
    let status = response.status();
    let limit = if status.is_success() {
        max_bytes
    } else {
        PROBLEM_MAX_BYTES
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| describe(&e))? {
        if body.len() + chunk.len() > limit {
            return Err(format!("the answer is longer than {limit} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(Answer::Body(body));
    }
    let mut problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    problem.status = status.as_u16();
    Ok(Answer::Problem(problem))
}

impl Ledger {
    /// Asks nodes in turn until one answers.
    async fn ask(
        &self,
        request: impl Fn(&reqwest::Client, &str) -> RequestBuilder,
    ) -> Result<(Vec<u8>, String), LedgerError> {
        let mut last = LedgerError::NoNode;
        for _ in 0..self.nodes.len() {
            let present = self.present.load(Ordering::Relaxed) % self.nodes.len();
            let node = &self.nodes[present];
            match self.ask_node(&request, node).await {
                Ok(body) => return Ok((body, node.clone())),
                Err(error) if error.may_pass() => {
                    self.leave(present);
                    last = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn ask_node(
        &self,
        request: &impl Fn(&reqwest::Client, &str) -> RequestBuilder,
        node: &str,
    ) -> Result<Vec<u8>, LedgerError> {
        let away = |detail| LedgerError::Away {
            node: node.to_owned(),
            detail,
        };
        let sent = request(&self.http, node)
            .send()
            .await
            .map_err(|e| away(describe(&e)))?;
        match read(sent, ANSWER_MAX_BYTES).await.map_err(away)? {
            Answer::Body(body) => Ok(body),
            Answer::Problem(problem) if problem.is_busy() => Err(LedgerError::Busy(problem)),
            Answer::Problem(problem) => Err(LedgerError::Refused(problem)),
        }
    }

    /// Goes on to the next node, unless somebody else has already.
    pub(super) fn leave(&self, node: usize) {
        let next = (node + 1) % self.nodes.len();
        // Lost: another call went on already.
        let _ = self
            .present
            .compare_exchange(node, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Leaves a node whose answer was no good.
    pub(super) fn leave_named(&self, node: &str) {
        if let Some(place) = self.nodes.iter().position(|n| n == node) {
            self.leave(place);
        }
    }

    pub(super) async fn post_cbor(&self, path: &str, body: &[u8]) -> Result<(), LedgerError> {
        let request = |http: &reqwest::Client, node: &str| {
            http.post(format!("{node}{path}"))
                .header(header::CONTENT_TYPE, "application/cbor")
                .body(body.to_vec())
        };
        self.ask(request).await.map(drop)
    }

    pub(super) async fn get_cbor(&self, path: &str) -> Result<(Vec<u8>, String), LedgerError> {
        let request = |http: &reqwest::Client, node: &str| {
            http.get(format!("{node}{path}"))
                .header(header::ACCEPT, "application/cbor")
        };
        self.ask(request).await
    }

    /// A node's answer in CBOR, and which node's it is.
    pub(crate) async fn get_bytes(&self, path: &str) -> Result<(Vec<u8>, String), LedgerError> {
        self.get_cbor(path).await
    }

    /// All pages of a list, as a node gives them and unproven; `path` without a query.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn get_all<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Vec<T>, LedgerError> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = format!(
                "{path}{}limit=1000{after}",
                if path.contains('?') { '&' } else { '?' }
            );
            let mut answer = self.get_json(&page).await?;
            let items: Vec<T> = serde_json::from_value(answer["value"].take()).map_err(|e| {
                LedgerError::Nonsense {
                    node: self.nodes.join(", "),
                    detail: e.to_string(),
                }
            })?;
            all.extend(items);
            match answer["next"].as_str() {
                // A node that names the same page again would keep us for ever.
                Some(next) if !after.ends_with(next) => after = format!("&after={next}"),
                _ => return Ok(all),
            }
        }
    }

    /// A node's answer to a query, as it is and unproven: `/v1/explain?…`, `/v1/status`, ….
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn get_json(&self, path: &str) -> Result<serde_json::Value, LedgerError> {
        let request = |http: &reqwest::Client, node: &str| {
            http.get(format!("{node}{path}"))
                .header(header::ACCEPT, "application/json")
        };
        let (body, node) = self.ask(request).await?;
        serde_json::from_slice(&body).map_err(|e| LedgerError::Nonsense {
            node,
            detail: e.to_string(),
        })
    }
}
