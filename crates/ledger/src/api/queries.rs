//! Questions to the final state, each with a proof on request.
//!
//! `/v1/state/{key}` answers in CBOR where the request's `Accept` says `application/cbor`: then as a
//! [`ProvenEntry`], which `sealwire-receipt` verifies against genesis alone.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sealwire_contracts::{Answer, Page, View};
use sealwire_envelope::{
    ClientId, EventKind, OrgId, TopicName,
    proof::StateProof,
    receipt::{FinalityProof, ProvenEntry, RECEIPT_VERSION},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{Node, Problem};

/// How often an answer is computed again because a block came between it and its proof.
const PROOF_ATTEMPTS: usize = 8;

/// Pause before that.
const PROOF_PAUSE: Duration = Duration::from_millis(20);

/// Most keys in one request for proofs.
const KEYS_MAX: usize = 32;

/// Most proofs in one answer.
const PROOFS_MAX: usize = 256;

pub(super) fn routes() -> Router<Node> {
    Router::new()
        .route("/v1/state/{key}", get(state))
        .route("/v1/clients/{id}", get(client))
        .route("/v1/clients/{id}/events", get(events_of))
        .route("/v1/organisations/{org}/clients", get(clients_of))
        .route("/v1/gateways/{id}/events", get(gateway_events))
        .route("/v1/topics/{*topic}", get(topic))
        .route("/v1/proofs", get(proofs_of))
}

/// Whether the answer shall carry proofs.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Proof {
    /// Attach proofs.
    #[serde(default)]
    pub(super) proof: bool,
}

/// Which part of a list, and whether with proofs.
#[derive(Debug, Deserialize, IntoParams)]
pub struct List {
    /// Attach proofs.
    #[serde(default)]
    pub(super) proof: bool,
    /// Only events of this kind, for instance `connected`.
    kind: Option<String>,
    /// Go on after this key (`next` of the page before), hexadecimal.
    after: Option<String>,
    /// Most entries; at most 1,000, 100 when left out.
    limit: Option<usize>,
    /// Newest first.
    #[serde(default)]
    newest_first: bool,
}

impl List {
    pub(super) fn page(&self) -> Result<Page, Problem> {
        page(self.after.as_deref(), self.limit, self.newest_first)
    }
}

pub(super) fn page(
    after: Option<&str>,
    limit: Option<usize>,
    newest_first: bool,
) -> Result<Page, Problem> {
    let after = after.map(hex::decode).transpose();
    Ok(Page {
        after: after.map_err(|error| Problem::argument(format!("after: {error}")))?,
        limit: limit.unwrap_or(100),
        newest_first,
    })
}

/// Keys to be proven.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Keys {
    /// State keys, hexadecimal, separated by commas; 1 to 32.
    keys: String,
}

#[derive(Serialize)]
struct Entry {
    key: String,
    value: Option<String>,
    proof: StateProof,
}

#[derive(Serialize)]
struct Proofs {
    entries: Vec<Entry>,
    finality: FinalityProof,
}

/// What was asked, and proofs under one root, of the same height.
pub(super) async fn answer<T: Serialize + Send>(
    node: &Node,
    with_proof: bool,
    ask: impl Fn(&View) -> Answer<T>,
) -> Result<Json<Value>, Problem> {
    for _ in 0..PROOF_ATTEMPTS {
        let answer = ask(&node.mirror().view());
        let mut body = json!({
            "value": answer.value,
            "height": answer.height,
            "keys": answer.keys.iter().map(hex::encode).collect::<Vec<_>>(),
            "next": answer.next.as_ref().map(hex::encode),
        });
        if !with_proof {
            return Ok(Json(body));
        }
        if let Some(proofs) = proofs(node, &answer.keys, answer.height).await? {
            body["proof"] = json!(proofs);
            return Ok(Json(body));
        }
        tokio::time::sleep(PROOF_PAUSE).await;
    }
    let detail = "blocks come faster than proofs: ask again";
    Err(Problem::unavailable(
        "busy",
        "The state moves too fast",
        detail,
    ))
}

/// Proofs of `keys` at `height`; none when the state has moved on.
async fn proofs(node: &Node, keys: &[Vec<u8>], height: u64) -> Result<Option<Proofs>, Problem> {
    if keys.len() > PROOFS_MAX {
        let detail = format!(
            "{} entries would need a proof, at most {PROOFS_MAX} get one: ask for a smaller page",
            keys.len()
        );
        return Err(Problem::argument(detail));
    }
    let proven = node.prove(keys).await?;
    if proven.height != height {
        return Ok(None);
    }
    let Some(finality) = node.certified(height).await else {
        return Ok(None);
    };
    let entries = keys
        .iter()
        .zip(proven.entries)
        .map(|(key, (value, proof))| Entry {
            key: hex::encode(key),
            value: value.map(hex::encode),
            proof,
        })
        .collect();
    Ok(Some(Proofs { entries, finality }))
}

pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: T::Err| Problem::argument(error.to_string()))
}

#[utoipa::path(
    get, path = "/v1/state/{key}",
    params(("key" = String, Path, description = "State key, hexadecimal"), Proof),
    responses(
        (status = 200, description = "The entry's value, or null, and on request its proof", body = Object),
        (status = 400, description = "Not hexadecimal", body = Problem),
    )
)]
pub(super) async fn state(
    State(node): State<Node>,
    Path(key): Path<String>,
    Query(query): Query<Proof>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = hex::decode(&key).map_err(|error| Problem::argument(format!("key: {error}")))?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("application/cbor")) {
        let body = sealwire_envelope::encode(&proven(&node, key).await?);
        return Ok(([(header::CONTENT_TYPE, "application/cbor")], body).into_response());
    }
    answer(&node, query.proof, |view| Answer {
        value: view.entry(&key).map(hex::encode),
        keys: vec![key.clone()],
        next: None,
        height: view.height(),
    })
    .await
    .map(IntoResponse::into_response)
}

#[utoipa::path(
    get, path = "/v1/proofs",
    params(Keys),
    responses(
        (status = 200, description = "A proven entry for each key, in order, all under one root, as CBOR", body = Vec<u8>, content_type = "application/cbor"),
        (status = 400, description = "Not hexadecimal, none, or more than 32 keys", body = Problem),
    )
)]
pub(super) async fn proofs_of(
    State(node): State<Node>,
    Query(query): Query<Keys>,
) -> Result<Response, Problem> {
    let keys = query.keys.split(',').map(hex::decode);
    let keys: Vec<Vec<u8>> = keys
        .collect::<Result<_, _>>()
        .map_err(|error| Problem::argument(format!("keys: {error}")))?;
    if keys.len() > KEYS_MAX {
        let detail = format!("{} keys, at most {KEYS_MAX}", keys.len());
        return Err(Problem::argument(detail));
    }
    let body = sealwire_envelope::encode(&proven_all(&node, &keys).await?);
    Ok(([(header::CONTENT_TYPE, "application/cbor")], body).into_response())
}

/// One entry with its proof, under whichever root is newest.
async fn proven(node: &Node, key: Vec<u8>) -> Result<ProvenEntry, Problem> {
    let mut all = proven_all(node, std::slice::from_ref(&key)).await?;
    all.pop()
        .ok_or_else(|| Problem::argument("no key".to_owned()))
}

/// Entries with their proofs, all under one root, whichever is newest.
async fn proven_all(node: &Node, keys: &[Vec<u8>]) -> Result<Vec<ProvenEntry>, Problem> {
    for _ in 0..PROOF_ATTEMPTS {
        let proven = node.prove(keys).await?;
        if let Some(finality) = node.certified(proven.height).await {
            let entries = keys.iter().zip(proven.entries);
            return Ok(entries
                .map(|(key, (value, proof))| ProvenEntry {
                    version: RECEIPT_VERSION,
                    key: key.clone(),
                    value,
                    proof,
                    finality: finality.clone(),
                })
                .collect());
        }
        tokio::time::sleep(PROOF_PAUSE).await;
    }
    let detail = "the newest block has no certificate yet: ask again";
    Err(Problem::unavailable(
        "starting",
        "There is no proof yet",
        detail,
    ))
}

#[utoipa::path(
    get, path = "/v1/clients/{id}",
    params(("id" = String, Path, description = "Client id, `organisation.name`"), Proof),
    responses(
        (status = 200, description = "The client's record, or null", body = Object),
        (status = 400, description = "Not a client id", body = Problem),
    )
)]
pub(super) async fn client(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<Proof>,
) -> Result<Json<Value>, Problem> {
    let id: ClientId = parse(&id)?;
    answer(&node, query.proof, |view| view.client(&id)).await
}

#[utoipa::path(
    get, path = "/v1/organisations/{org}/clients",
    params(("org" = String, Path, description = "Organisation"), List),
    responses(
        (status = 200, description = "All clients of the organisation", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn clients_of(
    State(node): State<Node>,
    Path(org): Path<String>,
    Query(list): Query<List>,
) -> Result<Json<Value>, Problem> {
    let (org, page): (OrgId, _) = (parse(&org)?, list.page()?);
    answer(&node, list.proof, |view| view.clients_of(&org, &page)).await
}

#[utoipa::path(
    get, path = "/v1/clients/{id}/events",
    params(("id" = String, Path, description = "Client id"), List),
    responses(
        (status = 200, description = "The client's connection events, of one kind or all", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn events_of(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(list): Query<List>,
) -> Result<Json<Value>, Problem> {
    let (id, page): (ClientId, _) = (parse(&id)?, list.page()?);
    let kind = list.kind.as_deref().map(parse::<EventKind>).transpose()?;
    answer(&node, list.proof, |view| view.events_of(&id, kind, &page)).await
}

#[utoipa::path(
    get, path = "/v1/gateways/{id}/events",
    params(("id" = String, Path, description = "The gateway's client id"), List),
    responses(
        (status = 200, description = "All connection records of the gateway", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn gateway_events(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(list): Query<List>,
) -> Result<Json<Value>, Problem> {
    let (id, page): (ClientId, _) = (parse(&id)?, list.page()?);
    answer(&node, list.proof, |view| view.events_of_gateway(&id, &page)).await
}

#[utoipa::path(
    get, path = "/v1/topics/{topic}",
    params(("topic" = String, Path, description = "Topic name"), Proof),
    responses(
        (status = 200, description = "The topic and the grants on it", body = Object),
        (status = 400, description = "Not a topic name", body = Problem),
    )
)]
pub(super) async fn topic(
    State(node): State<Node>,
    Path(topic): Path<String>,
    Query(query): Query<Proof>,
) -> Result<Json<Value>, Problem> {
    let topic: TopicName = parse(&topic)?;
    answer(&node, query.proof, |view| {
        let (entry, grants) = (view.topic(&topic), view.grants_of_topic(&topic));
        Answer {
            value: json!({ "topic": entry.value, "grants": grants.value }),
            keys: [entry.keys, grants.keys].concat(),
            next: None,
            height: view.height(),
        }
    })
    .await
}
