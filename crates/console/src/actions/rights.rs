//! Topics and the rights on them.

use axum::{Extension, Json, extract::State};
use sealwire_client::ledger::Applied;
use sealwire_envelope::{ClientId, GrantTerms, Rights, TopicFilter, TopicMode, TopicName};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Actor, Done, logged, may_act, place};
use crate::{App, OPERATOR, problem::Problem, session::Caller};

/// What is granted or asked for.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Terms {
    /// Any of `publish`, `subscribe`, `read`, `compute`, `verify`.
    rights: Vec<String>,
    /// Until when, seconds since 1970; until revoked when left out.
    expires_s: Option<u64>,
    /// Archived records from this time on only, seconds since 1970.
    from_s: Option<u64>,
    /// Archived records up to this time only, seconds since 1970.
    to_s: Option<u64>,
    /// What for, for people; at most 256 bytes.
    #[serde(default)]
    purpose: String,
}

impl Terms {
    pub(super) fn parse(&self) -> Result<GrantTerms, Problem> {
        let rights: Rights = self.rights.join(",").parse().map_err(Problem::argument)?;
        Ok(GrantTerms {
            rights,
            expires_s: self.expires_s,
            from_s: self.from_s,
            to_s: self.to_s,
            purpose: self.purpose.clone(),
        })
    }

    /// As flags of the command line. Words of people aren't repeated: they would need quoting.
    pub(super) fn flags(&self) -> String {
        let mut flags = format!(" --rights {}", self.rights.join(","));
        if let Some(from_s) = self.from_s {
            flags.push_str(&format!(" --from-time {from_s}"));
        }
        if let Some(to_s) = self.to_s {
            flags.push_str(&format!(" --to-time {to_s}"));
        }
        flags
    }
}

pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    what: &str,
    text: &str,
) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: T::Err| Problem::argument(format!("{what}: {error}")))
}

/// As whom something about a topic is done: who is named, else the topic's owner, else whose prefix it is.
pub(super) async fn whose(
    app: &App,
    named: Option<&str>,
    filter: &TopicFilter,
) -> Result<ClientId, Problem> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return parse("as", named);
    }
    if let Some(name) = filter.to_name()
        && let Some(topic) = app.ledger.topic(&name).await?
    {
        return Ok(topic.owner);
    }
    by_prefix(app, filter)
}

fn by_prefix(app: &App, filter: &TopicFilter) -> Result<ClientId, Problem> {
    if let Some(owner) = filter.owner() {
        return Ok(owner);
    }
    // A whole organisation is its operator's matter.
    if filter.org().is_some_and(|org| org == app.org) {
        return ClientId::new(&app.org, OPERATOR).map_err(Problem::argument);
    }
    Err(Problem::argument(format!(
        "topic: '{filter}' is within nobody's prefix, `organisation/name/…`"
    )))
}

/// Whoever acts, if this session may.
pub(super) fn actor(
    app: &App,
    caller: &Caller,
    client: &ClientId,
    command: impl FnOnce() -> String,
) -> Result<Actor, Problem> {
    may_act(app, caller, client)?;
    Actor::load(app, client, command)
}

/// For a shell: in single quotes, because filters have `#`.
pub(super) fn quoted(filter: &TopicFilter) -> String {
    format!("'{}'", filter.as_str().replace('\'', r"'\''"))
}

/// A topic to be registered.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RegisterTopic {
    /// As whom; by default the client whose prefix the topic begins with.
    r#as: Option<String>,
    /// Which topic: `organisation/name/…`.
    topic: String,
    /// Take any payload; every message must be encrypted otherwise.
    #[serde(default)]
    open: bool,
}

/// Registers a topic.
#[utoipa::path(
    post, path = "/api/actions/topics/register", tag = "actions", request_body = RegisterTopic,
    responses(
        (status = 200, description = "Registered", body = Done),
        (status = 400, description = "Bad argument", body = Problem),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn register(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<RegisterTopic>,
) -> Result<Json<Done>, Problem> {
    let done = async {
        let _place = place(&app)?;
        let topic: TopicName = parse("topic", &asked.topic)?;
        let client = match &asked.r#as {
            Some(named) => parse("as", named)?,
            None => by_prefix(&app, &topic.to_filter())?,
        };
        let open = if asked.open { " --open" } else { "" };
        let command = || format!("sealwire topic register --as {client} {topic}{open}");
        let actor = actor(&app, &caller, &client, command)?;
        let mode = if asked.open {
            TopicMode::Open
        } else {
            TopicMode::Sealed
        };
        let applied = actor.owner().register(&topic, mode).await?;
        Ok(Done::new(&client, &applied))
    };
    let done = done.await;
    logged(&caller, "register topic", &asked.topic, done)
}

/// A grant.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Grant {
    /// As whom; by default the topic's owner.
    r#as: Option<String>,
    /// On which topic, or filter within the owner's prefix.
    topic: String,
    /// To whom.
    to: String,
    #[serde(flatten)]
    terms: Terms,
    /// A word to whoever asked for it.
    note: Option<String>,
}

/// Gives a client rights on a topic or filter.
#[utoipa::path(
    post, path = "/api/actions/topics/grant", tag = "actions", request_body = Grant,
    responses(
        (status = 200, description = "Granted", body = Done),
        (status = 400, description = "Bad argument", body = Problem),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The owner's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn grant(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<Grant>,
) -> Result<Json<Done>, Problem> {
    let done = granted(&app, &caller, &asked).await;
    logged(
        &caller,
        "grant",
        &format_args!("{} to {}", asked.topic, asked.to),
        done,
    )
}

async fn granted(app: &App, caller: &Caller, asked: &Grant) -> Result<Done, Problem> {
    let _place = place(app)?;
    let filter: TopicFilter = parse("topic", &asked.topic)?;
    let to: ClientId = parse("to", &asked.to)?;
    let terms = asked.terms.parse()?;
    let client = whose(app, asked.r#as.as_deref(), &filter).await?;
    let flags = asked.terms.flags();
    let command = || {
        format!(
            "sealwire topic grant --as {client} {} --to {to}{flags}",
            quoted(&filter)
        )
    };
    let actor = actor(app, caller, &client, command)?;
    let applied = give(&actor, &filter, &to, terms, asked.note.clone()).await?;
    Ok(Done::new(&client, &applied))
}

async fn give(
    actor: &Actor,
    filter: &TopicFilter,
    to: &ClientId,
    terms: GrantTerms,
    note: Option<String>,
) -> Result<Applied, Problem> {
    let owner = actor.owner();
    Ok(match filter.to_name() {
        Some(name) => owner.grant(&name, to, terms, note).await?,
        None => owner.grant_filter(filter, to, terms, note).await?,
    })
}

/// A client's rights on a topic or filter, to be taken away.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Revoke {
    /// As whom; by default the topic's owner.
    r#as: Option<String>,
    /// On which topic, or filter as granted.
    topic: String,
    /// From whom.
    from: String,
}

/// Takes a client's rights on a topic or filter away; a sealed topic gets another key.
#[utoipa::path(
    post, path = "/api/actions/topics/revoke", tag = "actions", request_body = Revoke,
    responses(
        (status = 200, description = "Revoked: sessions end, messages are withheld from that block on", body = Done),
        (status = 400, description = "Bad argument", body = Problem),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The owner's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<Revoke>,
) -> Result<Json<Done>, Problem> {
    let done = async {
        let _place = place(&app)?;
        let filter: TopicFilter = parse("topic", &asked.topic)?;
        let from: ClientId = parse("from", &asked.from)?;
        let client = whose(&app, asked.r#as.as_deref(), &filter).await?;
        let command = || {
            format!(
                "sealwire topic revoke --as {client} {} --from {from}",
                quoted(&filter)
            )
        };
        let actor = actor(&app, &caller, &client, command)?;
        let owner = actor.owner();
        let applied = match filter.to_name() {
            Some(name) => owner.revoke(&name, &from).await?,
            None => owner.revoke_filter(&filter, &from).await?,
        };
        Ok(Done::new(&client, &applied))
    };
    let done = done.await;
    logged(
        &caller,
        "revoke grant",
        &format_args!("{} from {}", asked.topic, asked.from),
        done,
    )
}

/// A request for a right.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RequestRights {
    /// As whom.
    r#as: String,
    /// On which topic, or filter within one client's prefix.
    topic: String,
    #[serde(flatten)]
    terms: Terms,
}

/// Asks a topic's owner for a right.
#[utoipa::path(
    post, path = "/api/actions/topics/request", tag = "actions", request_body = RequestRights,
    responses(
        (status = 200, description = "Asked", body = Done),
        (status = 400, description = "Bad argument", body = Problem),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn request(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<RequestRights>,
) -> Result<Json<Done>, Problem> {
    let done = async {
        let _place = place(&app)?;
        let filter: TopicFilter = parse("topic", &asked.topic)?;
        let client: ClientId = parse("as", &asked.r#as)?;
        let terms = asked.terms.parse()?;
        let flags = asked.terms.flags();
        let command = || {
            format!(
                "sealwire topic request --as {client} {}{flags}",
                quoted(&filter)
            )
        };
        let actor = actor(&app, &caller, &client, command)?;
        let applied = actor.owner().request(&filter, terms).await?;
        Ok(Done::new(&client, &applied))
    };
    let done = done.await;
    logged(&caller, "request", &asked.topic, done)
}

/// An answer to a request.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AnswerRequest {
    /// As whom; by default the topic's owner.
    r#as: Option<String>,
    /// For which topic or filter it was made.
    topic: String,
    /// By whom it was made.
    to: String,
    /// A word to who asked.
    note: Option<String>,
}

/// Grants what was asked for, on the terms asked for.
#[utoipa::path(
    post, path = "/api/actions/topics/approve", tag = "actions", request_body = AnswerRequest,
    responses(
        (status = 200, description = "Granted", body = Done),
        (status = 403, description = "This session may not", body = Problem),
        (status = 404, description = "There is no open request of that client for that topic", body = Problem),
        (status = 409, description = "The owner's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn approve(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<AnswerRequest>,
) -> Result<Json<Done>, Problem> {
    let done = async {
        let _place = place(&app)?;
        let filter: TopicFilter = parse("topic", &asked.topic)?;
        let to: ClientId = parse("to", &asked.to)?;
        let client = whose(&app, asked.r#as.as_deref(), &filter).await?;
        let command = || {
            format!(
                "sealwire topic approve --as {client} {} --to {to}",
                quoted(&filter)
            )
        };
        let actor = actor(&app, &caller, &client, command)?;
        let request = actor.ledger.request(&client, &to, &filter).await?;
        let request = request.filter(|it| it.answer.is_none());
        let request = request.ok_or_else(|| {
            let detail =
                format!("{to} has no open request for {filter}: it may be answered already");
            Problem::not_found(detail)
        })?;
        let applied = give(&actor, &filter, &to, request.terms, asked.note.clone()).await?;
        Ok(Done::new(&client, &applied))
    };
    let done = done.await;
    logged(
        &caller,
        "approve",
        &format_args!("{} to {}", asked.topic, asked.to),
        done,
    )
}

/// Says no to a request.
#[utoipa::path(
    post, path = "/api/actions/topics/deny", tag = "actions", request_body = AnswerRequest,
    responses(
        (status = 200, description = "Denied", body = Done),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The owner's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn deny(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<AnswerRequest>,
) -> Result<Json<Done>, Problem> {
    let done = async {
        let _place = place(&app)?;
        let filter: TopicFilter = parse("topic", &asked.topic)?;
        let to: ClientId = parse("to", &asked.to)?;
        let client = whose(&app, asked.r#as.as_deref(), &filter).await?;
        let command = || {
            format!(
                "sealwire topic deny --as {client} {} --to {to}",
                quoted(&filter)
            )
        };
        let actor = actor(&app, &caller, &client, command)?;
        let note = asked.note.as_deref().unwrap_or_default();
        let applied = actor.owner().deny(&filter, &to, note).await?;
        Ok(Done::new(&client, &applied))
    };
    let done = done.await;
    logged(
        &caller,
        "deny",
        &format_args!("{} to {}", asked.topic, asked.to),
        done,
    )
}

/// A topic of one's own.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct OwnTopic {
    /// As whom; by default the topic's owner.
    r#as: Option<String>,
    /// Which topic.
    topic: String,
    /// Why, for people; only where a topic is closed.
    #[serde(default)]
    reason: String,
}

/// Gives a topic another key, for all who have a right.
#[utoipa::path(
    post, path = "/api/actions/topics/rotate", tag = "actions", request_body = OwnTopic,
    responses(
        (status = 200, description = "It has another key", body = Done),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The owner's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<OwnTopic>,
) -> Result<Json<Done>, Problem> {
    let done = async {
        let _place = place(&app)?;
        let topic: TopicName = parse("topic", &asked.topic)?;
        let client = whose(&app, asked.r#as.as_deref(), &topic.to_filter()).await?;
        let command = || format!("sealwire topic rotate --as {client} {topic}");
        let actor = actor(&app, &caller, &client, command)?;
        let applied = actor.owner().rotate(&topic).await?;
        Ok(Done::new(&client, &applied))
    };
    let done = done.await;
    logged(&caller, "rotate", &asked.topic, done)
}

/// Closes a topic for ever; its records stay readable.
#[utoipa::path(
    post, path = "/api/actions/topics/close", tag = "actions", request_body = OwnTopic,
    responses(
        (status = 200, description = "It is closed", body = Done),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The owner's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn close(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<OwnTopic>,
) -> Result<Json<Done>, Problem> {
    let done = async {
        let _place = place(&app)?;
        let topic: TopicName = parse("topic", &asked.topic)?;
        let client = whose(&app, asked.r#as.as_deref(), &topic.to_filter()).await?;
        let command = || format!("sealwire topic close --as {client} {topic}");
        let actor = actor(&app, &caller, &client, command)?;
        let applied = actor.owner().close(&topic, &asked.reason).await?;
        Ok(Done::new(&client, &applied))
    };
    let done = done.await;
    logged(&caller, "close topic", &asked.topic, done)
}
