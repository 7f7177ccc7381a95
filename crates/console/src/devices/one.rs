//! One client, for its page.

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use sealwire_envelope::ClientId;
use sealwire_sm::Certificate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    DeviceRow,
    read::{ClientRecord, Listed},
    row,
};
use crate::{App, audit::EventView, problem::Problem, session::Caller, upstream::percent_encoded};

/// Topics whose packages a device's page shows.
const TOPICS_SHOWN: usize = 20;

/// All of a client that its page shows beside the ledger's lists.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceView {
    #[serde(flatten)]
    row: DeviceRow,
    /// The connection that lasts, as it was recorded; null: not connected, or not known.
    connection: Option<EventView>,
    /// Its certificate, PEM.
    pem: String,
    /// Who revoked or suspended it, when and why; null while it is neither.
    ended: Option<EndView>,
    /// Its topics with their newest packages; at most 20.
    topics: Vec<TopicTraffic>,
    /// Whether there are more topics.
    more_topics: bool,
    /// Whether its key is in this console's home.
    key_here: bool,
    /// Whether this session may act for it.
    may_act: bool,
}

/// How a certificate ended or is suspended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EndView {
    /// In force from this block on.
    height: u64,
    /// The block's time, milliseconds since 1970.
    time_ms: u64,
    /// Who did it.
    by: String,
    /// Why, in that one's words.
    reason: String,
}

/// A topic and what was archived of it last.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicTraffic {
    /// Its name.
    topic: String,
    /// `sealed` or `open`.
    mode: String,
    /// Its key epoch.
    epoch: u64,
    /// Whether it is closed.
    closed: bool,
    /// The newest anchored package; null: none.
    newest: Option<PackageBrief>,
}

/// What the ledger says of a package.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PackageBrief {
    /// Its id, hexadecimal.
    package: String,
    /// How many messages.
    count: u64,
    /// When the first was received, milliseconds since 1970.
    from_ms: u64,
    /// When the last was received, milliseconds since 1970.
    to_ms: u64,
    /// The gateway that keeps it.
    gateway: String,
    /// The block that anchored it.
    height: u64,
}

/// A client: certificate, connection, topics.
#[utoipa::path(
    get, path = "/api/devices/{client}", tag = "devices",
    params(("client" = String, Path, description = "Client id, `organisation.name`")),
    responses(
        (status = 200, description = "The client", body = DeviceView),
        (status = 404, description = "No such client", body = Problem),
    )
)]
pub(crate) async fn one(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(client): Path<ClientId>,
) -> Result<Json<DeviceView>, Problem> {
    // What the ledger says now, not what the index knew a moment ago.
    let target = format!("/v1/clients/{}", percent_encoded(client.as_str()));
    let answer: Value = app.upstream.json(&target).await?;
    let certificate = &answer["value"]["certificate"];
    let record: Option<ClientRecord> =
        serde_json::from_value(answer["value"].clone()).map_err(Problem::argument)?;
    let Some((client, known)) = record.and_then(ClientRecord::known) else {
        let detail = format!("{client} isn't registered: check its id, or enrol it");
        return Err(Problem::not_found(detail));
    };
    let ended = match &certificate["revoked"] {
        Value::Null => certificate["suspensions"]
            .as_array()
            .and_then(|all| all.last())
            .filter(|last| last["until"].is_null())
            .map(|last| &last["from"]),
        revoked => Some(revoked),
    };
    let ended = ended.map(|it| EndView {
        height: it["at"]["height"].as_u64().unwrap_or(0),
        time_ms: it["at"]["time_ms"].as_u64().unwrap_or(0),
        by: it["by"].as_str().unwrap_or_default().to_owned(),
        reason: it["reason"].as_str().unwrap_or_default().to_owned(),
    });
    let der = certificate["der"].as_str().unwrap_or_default();
    let pem = hex::decode(der).ok();
    let pem = pem.and_then(|der| Certificate::from_der(&der).ok());
    let (topics, more_topics) = topics_of(&app, &client).await?;
    let seen = app.devices.read().seen.get(&client).cloned();
    let key_here = app.keys.clients().contains(&client);
    Ok(Json(DeviceView {
        row: row(&client, &known, seen.as_ref(), app.now_ms() / 1_000),
        connection: seen.and_then(|it| it.connection),
        pem: pem.map(|it| it.to_pem()).unwrap_or_default(),
        ended,
        topics,
        more_topics,
        key_here,
        may_act: crate::actions::may_act(&app, &caller, &client).is_ok(),
    }))
}

#[derive(Deserialize)]
struct OwnedTopic {
    name: String,
    topic: TopicState,
}

#[derive(Deserialize)]
struct TopicState {
    mode: String,
    epoch: u64,
    closed: Option<Value>,
}

async fn topics_of(app: &App, client: &ClientId) -> Result<(Vec<TopicTraffic>, bool), Problem> {
    let target = format!(
        "/v1/clients/{}/topics?limit={TOPICS_SHOWN}",
        percent_encoded(client.as_str())
    );
    let page: Listed<Vec<OwnedTopic>> = app.upstream.json(&target).await?;
    let newest = page.value.iter().map(|it| newest_package(app, &it.name));
    let newest = futures::future::try_join_all(newest).await?;
    let topics = page.value.into_iter().zip(newest);
    let topics = topics.map(|(it, newest)| TopicTraffic {
        topic: it.name,
        mode: it.topic.mode,
        epoch: it.topic.epoch,
        closed: it.topic.closed.is_some(),
        newest,
    });
    Ok((topics.collect(), page.next.is_some()))
}

/// The newest package of a topic.
async fn newest_package(app: &App, topic: &str) -> Result<Option<PackageBrief>, Problem> {
    let topic = percent_encoded(topic);
    let target = format!("/v1/packages?topic={topic}&newest_first=true&limit=1");
    let page: Listed<Vec<Package>> = app.upstream.json(&target).await?;
    Ok(page.value.into_iter().next().map(|it| PackageBrief {
        package: it.anchor.package,
        count: it.anchor.count,
        from_ms: it.anchor.from_ms,
        to_ms: it.anchor.to_ms,
        gateway: it.anchor.gateway,
        height: it.at.height,
    }))
}

#[derive(Deserialize)]
struct Anchor {
    package: String,
    count: u64,
    from_ms: u64,
    to_ms: u64,
    gateway: String,
}

#[derive(Deserialize)]
struct At {
    height: u64,
}

#[derive(Deserialize)]
struct Package {
    anchor: Anchor,
    at: At,
}
