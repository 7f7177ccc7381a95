//! Questions about compute keys, and about what was evaluated under them.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::get,
};
use sealwire_contracts::Page;
use sealwire_envelope::{ClientId, ComputeKeyId, EvaluationId, TopicName};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::{
    Node, Problem,
    queries::{List, Proof, answer, page, parse},
};

pub(super) fn routes() -> Router<Node> {
    Router::new()
        .route("/v1/compute/keys/{id}", get(compute_key))
        .route("/v1/compute/keys/{id}/evaluations", get(evaluations_of_key))
        .route("/v1/clients/{id}/compute-keys", get(compute_keys_of))
        .route("/v1/evaluations", get(evaluations_of_topic))
        .route("/v1/evaluations/{id}", get(evaluation))
}

/// Evaluations in a time range.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Logged {
    /// Logged in a block of this time or later, Unix milliseconds.
    from_ms: Option<u64>,
    /// Logged in a block of this time or earlier, Unix milliseconds.
    to_ms: Option<u64>,
    /// Attach proofs.
    #[serde(default)]
    proof: bool,
    /// Go on after this key (`next` of the page before), hexadecimal.
    after: Option<String>,
    /// Most entries; at most 1,000, 100 when left out.
    limit: Option<usize>,
    /// Newest first.
    #[serde(default)]
    newest_first: bool,
}

impl Logged {
    fn page(&self) -> Result<Page, Problem> {
        page(self.after.as_deref(), self.limit, self.newest_first)
    }

    fn range(&self) -> (u64, u64) {
        (self.from_ms.unwrap_or(0), self.to_ms.unwrap_or(u64::MAX))
    }
}

/// Which topic's evaluations.
#[derive(Debug, Deserialize, IntoParams)]
pub struct OnTopic {
    /// Topic name.
    topic: String,
}

#[utoipa::path(
    get, path = "/v1/compute/keys/{id}",
    params(("id" = String, Path, description = "Compute key id, hexadecimal"), Proof),
    responses(
        (status = 200, description = "The compute key, retired or not, or null", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn compute_key(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<Proof>,
) -> Result<Json<Value>, Problem> {
    let id: ComputeKeyId = parse(&id)?;
    answer(&node, query.proof, |view| view.compute_key(&id)).await
}

#[utoipa::path(
    get, path = "/v1/clients/{id}/compute-keys",
    params(("id" = String, Path, description = "Client id of the owner"), List),
    responses(
        (status = 200, description = "The client's compute keys, retired ones included, by id", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn compute_keys_of(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<List>,
) -> Result<Json<Value>, Problem> {
    let (owner, page): (ClientId, _) = (parse(&id)?, query.page()?);
    answer(&node, query.proof, |view| {
        view.compute_keys_of(&owner, &page)
    })
    .await
}

#[utoipa::path(
    get, path = "/v1/evaluations/{id}",
    params(("id" = String, Path, description = "Evaluation id, hexadecimal"), Proof),
    responses(
        (status = 200, description = "The evaluation, or null", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn evaluation(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<Proof>,
) -> Result<Json<Value>, Problem> {
    let id: EvaluationId = parse(&id)?;
    answer(&node, query.proof, |view| view.evaluation(&id)).await
}

#[utoipa::path(
    get, path = "/v1/compute/keys/{id}/evaluations",
    params(("id" = String, Path, description = "Compute key id, hexadecimal"), Logged),
    responses(
        (status = 200, description = "What was evaluated under the compute key, in time order", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn evaluations_of_key(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<Logged>,
) -> Result<Json<Value>, Problem> {
    let (id, page): (ComputeKeyId, _) = (parse(&id)?, query.page()?);
    let (from_ms, to_ms) = query.range();
    answer(&node, query.proof, |view| {
        view.evaluations_of_key(&id, from_ms, to_ms, &page)
    })
    .await
}

#[utoipa::path(
    get, path = "/v1/evaluations",
    params(OnTopic, Logged),
    responses(
        (status = 200, description = "What was evaluated on the topic, in time order", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn evaluations_of_topic(
    State(node): State<Node>,
    Query(on): Query<OnTopic>,
    Query(query): Query<Logged>,
) -> Result<Json<Value>, Problem> {
    let (topic, page): (TopicName, _) = (parse(&on.topic)?, query.page()?);
    let (from_ms, to_ms) = query.range();
    answer(&node, query.proof, |view| {
        view.evaluations_of_topic(&topic, from_ms, to_ms, &page)
    })
    .await
}
