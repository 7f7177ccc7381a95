//! Questions about rights: who may what and why, now, then, and supposing a grant; and what an owner
//! has to look after.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::get,
};
use sealwire_contracts::{Action, Answer, Decision, View, keys::Granter};
use sealwire_envelope::{
    AuthorisationId, ClientId, GrantTerms, OrgId, Rights, TopicFilter, TopicName,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    Node, Problem,
    queries::{List, Proof, answer, parse},
};

pub(super) fn routes() -> Router<Node> {
    Router::new()
        .route("/v1/explain", get(explain))
        .route("/v1/simulate", get(simulate))
        .route("/v1/clients/{id}/topics", get(topics_of))
        .route("/v1/organisations/{org}/topics", get(topics_in))
        .route("/v1/clients/{id}/grants", get(grants_to))
        .route("/v1/clients/{id}/filters", get(filters_to))
        .route("/v1/clients/{id}/granted-filters", get(filters_by))
        .route("/v1/clients/{id}/requests", get(requests_to))
        .route("/v1/clients/{id}/authorisations", get(authorisations_of))
        .route("/v1/clients/{id}/upkeep", get(upkeep_of))
        .route("/v1/authorisations/{id}", get(authorisation))
}

/// A decision to be explained.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Question {
    /// Who.
    client: String,
    /// `connect`, `publish`, `subscribe`, `read`, `compute` or `verify`.
    action: String,
    /// Topic name, or filter for `subscribe`; none for `connect`.
    topic: Option<String>,
    /// At which time, Unix milliseconds; the last block's when left out.
    now_ms: Option<u64>,
    /// At which height; the last one when left out. Then the time is that block's.
    at: Option<u64>,
    /// Attach proofs.
    #[serde(default)]
    proof: bool,
}

/// A decision supposing a grant that isn't made.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Supposition {
    /// Who.
    client: String,
    /// `connect`, `publish`, `subscribe`, `read`, `compute` or `verify`.
    action: String,
    /// Topic name, or filter for `subscribe`.
    topic: Option<String>,
    /// What would be granted: a topic's name or a filter; the topic when left out.
    filter: Option<String>,
    /// Which rights would be granted, for instance `subscribe,read`.
    rights: String,
    /// Until when, Unix seconds.
    expires_s: Option<u64>,
    /// At which time, Unix milliseconds; the last block's when left out.
    now_ms: Option<u64>,
}

/// An action with the names that it is about.
enum Asked {
    Connect,
    Topic(for<'a> fn(&'a TopicName) -> Action<'a>, TopicName),
    Filter(TopicFilter),
}

impl Asked {
    fn parse(action: &str, topic: Option<&str>) -> Result<Self, Problem> {
        let named = || topic.ok_or_else(|| Problem::argument("the argument 'topic' is missing"));
        let of: for<'a> fn(&'a TopicName) -> Action<'a> = match action {
            "connect" => return Ok(Self::Connect),
            "subscribe" => return Ok(Self::Filter(named().and_then(parse)?)),
            "publish" => |topic| Action::Publish(topic),
            "read" => |topic| Action::Read(topic),
            "compute" => |topic| Action::Compute(topic),
            "verify" => |topic| Action::Verify(topic),
            other => {
                let detail = format!(
                    "'{other}' is no action: connect, publish, subscribe, read, compute or verify"
                );
                return Err(Problem::argument(detail));
            }
        };
        Ok(Self::Topic(of, named().and_then(parse)?))
    }

    fn action(&self) -> Action<'_> {
        match self {
            Self::Connect => Action::Connect,
            Self::Topic(of, topic) => of(topic),
            Self::Filter(filter) => Action::Subscribe(filter),
        }
    }
}

fn explained(decision: Decision, height: u64) -> Answer<Decision> {
    Answer {
        keys: decision.keys.clone(),
        next: None,
        height,
        value: decision,
    }
}

#[utoipa::path(
    get, path = "/v1/explain",
    params(Question),
    responses(
        (status = 200, description = "Whether the client may, or might then, and why", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
        (status = 404, description = "No such block yet", body = Problem),
    )
)]
pub(super) async fn explain(
    State(node): State<Node>,
    Query(question): Query<Question>,
) -> Result<Json<Value>, Problem> {
    let client: ClientId = parse(&question.client)?;
    let asked = Asked::parse(&question.action, question.topic.as_deref())?;
    let then = match question.at {
        None => None,
        Some(height) => {
            let bundle = node.bundle(height).await;
            // The state follows the blocks: it must have come as far, too.
            let bundle = bundle.filter(|_| height <= node.mirror().view().height());
            let bundle = bundle.ok_or_else(|| {
                Problem::not_found(format!("there is no final block at height {height} yet"))
            })?;
            Some((height, bundle.header.time_ms))
        }
    };
    answer(&node, question.proof, |view| {
        let decision = match then {
            Some((height, time_ms)) => view.decide_at(&client, asked.action(), height, time_ms),
            None => None,
        };
        let now_ms = question.now_ms.unwrap_or(view.time_ms());
        let decision = decision.unwrap_or_else(|| view.decide(&client, asked.action(), now_ms));
        explained(decision, view.height())
    })
    .await
}

#[utoipa::path(
    get, path = "/v1/simulate",
    params(Supposition),
    responses(
        (status = 200, description = "Whether the client may now, and whether it might with the grant", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn simulate(
    State(node): State<Node>,
    Query(question): Query<Supposition>,
) -> Result<Json<Value>, Problem> {
    let client: ClientId = parse(&question.client)?;
    let asked = Asked::parse(&question.action, question.topic.as_deref())?;
    let filter = question.filter.as_deref().or(question.topic.as_deref());
    let filter =
        filter.ok_or_else(|| Problem::argument("the argument 'filter' or 'topic' is missing"))?;
    let filter: TopicFilter = parse(filter)?;
    let terms = GrantTerms {
        rights: parse::<Rights>(&question.rights)?,
        expires_s: question.expires_s,
        ..GrantTerms::default()
    };
    answer(&node, false, |view| {
        let now_ms = question.now_ms.unwrap_or(view.time_ms());
        let now = view.decide(&client, asked.action(), now_ms);
        let then = view.suppose(&client, asked.action(), now_ms, &filter, &terms);
        Answer {
            keys: now.keys.clone(),
            next: None,
            height: view.height(),
            value: json!({ "now": now, "supposed": then }),
        }
    })
    .await
}

/// A page of what a view lists about one client.
async fn list<T: serde::Serialize + Send>(
    node: &Node,
    id: &str,
    list: &List,
    ask: impl Fn(&View, &ClientId, &sealwire_contracts::Page) -> Answer<T>,
) -> Result<Json<Value>, Problem> {
    let (id, page): (ClientId, _) = (parse(id)?, list.page()?);
    answer(node, list.proof, |view| ask(view, &id, &page)).await
}

#[utoipa::path(
    get, path = "/v1/clients/{id}/topics",
    params(("id" = String, Path, description = "Client id"), List),
    responses(
        (status = 200, description = "The topics that the client owns", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn topics_of(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<List>,
) -> Result<Json<Value>, Problem> {
    list(&node, &id, &query, View::topics_of).await
}

#[utoipa::path(
    get, path = "/v1/organisations/{org}/topics",
    params(("org" = String, Path, description = "Organisation"), List),
    responses(
        (status = 200, description = "The topics under the organisation's name, by name", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn topics_in(
    State(node): State<Node>,
    Path(org): Path<String>,
    Query(query): Query<List>,
) -> Result<Json<Value>, Problem> {
    let (org, page): (OrgId, _) = (parse(&org)?, query.page()?);
    answer(&node, query.proof, |view| view.topics_in(&org, &page)).await
}

#[utoipa::path(
    get, path = "/v1/clients/{id}/grants",
    params(("id" = String, Path, description = "Client id"), List),
    responses(
        (status = 200, description = "Grants of single topics to the client, revoked ones included", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn grants_to(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<List>,
) -> Result<Json<Value>, Problem> {
    list(&node, &id, &query, View::grants_to).await
}

#[utoipa::path(
    get, path = "/v1/clients/{id}/filters",
    params(("id" = String, Path, description = "Client id"), List),
    responses(
        (status = 200, description = "Grants of filters to the client, revoked ones included", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn filters_to(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<List>,
) -> Result<Json<Value>, Problem> {
    list(&node, &id, &query, View::wide_to).await
}

#[utoipa::path(
    get, path = "/v1/clients/{id}/granted-filters",
    params(("id" = String, Path, description = "Client id, or organisation"), Proof),
    responses(
        (status = 200, description = "Grants of filters by the client or organisation that aren't revoked", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn filters_by(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<Proof>,
) -> Result<Json<Value>, Problem> {
    let granter = match id.parse() {
        Ok(client) => Granter::Client(client),
        Err(_) => Granter::Org(parse(&id)?),
    };
    answer(&node, query.proof, |view| view.wide_by(&granter)).await
}

#[utoipa::path(
    get, path = "/v1/clients/{id}/requests",
    params(("id" = String, Path, description = "Client id of the owner"), List),
    responses(
        (status = 200, description = "Requests that the client got, answered ones included", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn requests_to(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<List>,
) -> Result<Json<Value>, Problem> {
    list(&node, &id, &query, View::requests_to).await
}

#[utoipa::path(
    get, path = "/v1/clients/{id}/authorisations",
    params(("id" = String, Path, description = "Client id of the owner"), List),
    responses(
        (status = 200, description = "The client's authorisation keys: public halves, terms, uses", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn authorisations_of(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<List>,
) -> Result<Json<Value>, Problem> {
    list(&node, &id, &query, View::authorisations_of).await
}

#[utoipa::path(
    get, path = "/v1/clients/{id}/upkeep",
    params(("id" = String, Path, description = "Client id of the owner"), List),
    responses(
        (status = 200, description = "What the client has to do about the keys of its topics", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn upkeep_of(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<List>,
) -> Result<Json<Value>, Problem> {
    list(&node, &id, &query, |view, id, page| {
        view.upkeep_of(id, view.time_ms(), page)
    })
    .await
}

#[utoipa::path(
    get, path = "/v1/authorisations/{id}",
    params(("id" = String, Path, description = "SM3 of the public half, hexadecimal"), List),
    responses(
        (status = 200, description = "The authorisation key, and the topics whose keys are sealed to it", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn authorisation(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<List>,
) -> Result<Json<Value>, Problem> {
    let (id, page): (AuthorisationId, _) = (parse(&id)?, query.page()?);
    answer(&node, query.proof, |view| {
        let (entry, topics) = (view.authorisation(&id), view.authorisation_keys(&id, &page));
        let topics_json: Vec<_> = topics
            .value
            .iter()
            .map(|(epoch, topic)| json!({ "topic": topic, "epoch": epoch }))
            .collect();
        Answer {
            value: json!({ "authorisation": entry.value, "keys": topics_json }),
            keys: [entry.keys, topics.keys].concat(),
            next: topics.next,
            height: view.height(),
        }
    })
    .await
}
