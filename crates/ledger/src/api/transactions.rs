//! `POST /v1/transactions`, `GET /v1/transactions/{id}`.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, post},
};
use sealwire_contracts::View;
use sealwire_envelope::TxId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Node, Problem};
use crate::limits::HTTP_WAIT_MAX;

pub(super) fn routes() -> Router<Node> {
    Router::new()
        .route("/v1/transactions", post(submit))
        .route("/v1/transactions/{id}", get(status))
}

/// A transaction that was taken.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// Its id, hexadecimal.
    pub id: String,
}

/// How far a transaction is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TransactionStatus {
    /// Its id, hexadecimal.
    pub id: String,
    /// `pending` or `final`.
    pub state: String,
    /// The block that holds it.
    pub height: Option<u64>,
    /// Its index in that block.
    pub index: Option<u32>,
    /// Number of its outcome; 0 is applied.
    pub code: Option<u16>,
    /// Name of its outcome.
    pub outcome: Option<String>,
    /// What happened and what to do, in words.
    pub text: Option<String>,
}

/// How long to wait for an answer that isn't there yet.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Wait {
    /// Milliseconds; at most 30,000.
    #[serde(default)]
    pub wait_ms: u64,
}

impl Wait {
    pub(super) fn duration(&self) -> Duration {
        Duration::from_millis(self.wait_ms).min(HTTP_WAIT_MAX)
    }
}

#[utoipa::path(
    post, path = "/v1/transactions",
    request_body(content = Vec<u8>, content_type = "application/cbor", description = "A signed transaction"),
    responses(
        (status = 202, description = "It waits for a block", body = Accepted),
        (status = 400, description = "Not a transaction", body = Problem),
        (status = 409, description = "Sent before", body = Problem),
        (status = 413, description = "Longer than 256 KiB"),
        (status = 422, description = "Would be refused, or wrongly signed", body = Problem),
        (status = 503, description = "Full or away: try again", body = Problem),
    )
)]
pub(super) async fn submit(
    State(node): State<Node>,
    body: Bytes,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let id = node.submit(&body).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(Accepted {
            id: id.0.to_string(),
        }),
    ))
}

#[utoipa::path(
    get, path = "/v1/transactions/{id}",
    params(("id" = String, Path, description = "Transaction id, hexadecimal"), Wait),
    responses(
        (status = 200, description = "Pending or final", body = TransactionStatus),
        (status = 400, description = "Not an id", body = Problem),
        (status = 404, description = "Neither pending here nor final", body = Problem),
    )
)]
pub(super) async fn status(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<Json<TransactionStatus>, Problem> {
    let id = TxId(id.parse().map_err(Problem::argument)?);
    let mut heights = node.mirror().height();
    let deadline = tokio::time::Instant::now() + wait.duration();
    loop {
        heights.borrow_and_update();
        if let Some(status) = finished(&node.mirror().view(), &id) {
            return Ok(Json(status));
        }
        match tokio::time::timeout_at(deadline, heights.changed()).await {
            Ok(Ok(())) => {}
            _ if node.pending(&id) => return Ok(Json(pending(&id))),
            _ => {
                let detail = format!("transaction {} is neither pending here nor final", id.0);
                return Err(Problem::not_found(detail));
            }
        }
    }
}

fn pending(id: &TxId) -> TransactionStatus {
    TransactionStatus {
        id: id.0.to_string(),
        state: "pending".to_owned(),
        height: None,
        index: None,
        code: None,
        outcome: None,
        text: None,
    }
}

fn finished(view: &View, id: &TxId) -> Option<TransactionStatus> {
    let entry = view.outcome(id).value?;
    let text = match entry.detail.as_str() {
        "" => entry.code.text().to_owned(),
        detail => format!("{} ({detail})", entry.code.text()),
    };
    Some(TransactionStatus {
        id: id.0.to_string(),
        state: "final".to_owned(),
        height: Some(entry.at.height),
        index: Some(entry.index),
        code: Some(entry.code.number()),
        outcome: Some(entry.code.name().to_owned()),
        text: Some(text),
    })
}
