//! Topics and the rights on them; authorisation keys; why somebody may or may not.

use axum::{
    Extension, Json,
    extract::{Query, State},
};
use qrcode::{QrCode, render::svg};
use sealwire_client::{
    explain::{self as explaining, Action},
    ledger::Applied,
    owner::{Authorisation, redeem as redeeming},
};
use sealwire_envelope::{
    AuthorisationId, ClientId, Code, GrantTerms, Rights, TopicFilter, TopicMode, TopicName,
    code::CodeKind,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::{Actor, Done, log, may_act, place};
use crate::{App, OPERATOR, problem::Problem, session::Caller};

/// How long an authorisation key may be redeemed unless asked otherwise, in seconds: thirty days.
const REDEEM_S: u64 = 30 * 86_400;
/// Least side of a QR code, in pixels; it scales.
const QR_PIXELS: u32 = 240;

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
    fn parse(&self) -> Result<GrantTerms, Problem> {
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
    fn flags(&self) -> String {
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

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    what: &str,
    text: &str,
) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: T::Err| Problem::argument(format!("{what}: {error}")))
}

/// As whom something about a topic is done: who is named, else the topic's owner, else whose prefix it is.
async fn whose(app: &App, named: Option<&str>, filter: &TopicFilter) -> Result<ClientId, Problem> {
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
fn actor(
    app: &App,
    caller: &Caller,
    client: &ClientId,
    command: impl FnOnce() -> String,
) -> Result<Actor, Problem> {
    may_act(app, caller, client)?;
    Actor::load(app, client, command)
}

/// For a shell: in single quotes, because filters have `#`.
fn quoted(filter: &TopicFilter) -> String {
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
    log(&caller, "register topic", &asked.topic, &done);
    done.map(Json)
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
    log(
        &caller,
        "grant",
        &format_args!("{} to {}", asked.topic, asked.to),
        &done,
    );
    done.map(Json)
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
    log(
        &caller,
        "revoke grant",
        &format_args!("{} from {}", asked.topic, asked.from),
        &done,
    );
    done.map(Json)
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
    log(&caller, "request", &asked.topic, &done);
    done.map(Json)
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
    log(
        &caller,
        "approve",
        &format_args!("{} to {}", asked.topic, asked.to),
        &done,
    );
    done.map(Json)
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
    log(
        &caller,
        "deny",
        &format_args!("{} to {}", asked.topic, asked.to),
        &done,
    );
    done.map(Json)
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
    log(&caller, "rotate", &asked.topic, &done);
    done.map(Json)
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
    log(&caller, "close topic", &asked.topic, &done);
    done.map(Json)
}

// ---- authorisation keys -------------------------------------------------------------------------

/// An authorisation key to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateAuthorisation {
    /// As whom; by default the topic's owner.
    r#as: Option<String>,
    /// On which topic, or filter within the owner's prefix.
    topic: String,
    #[serde(flatten)]
    terms: Terms,
    /// How many clients may redeem it: 1 (when left out) to 256.
    uses: Option<u16>,
    /// How long it may be redeemed, in seconds; 30 days when left out.
    redeem_within_s: Option<u64>,
}

/// An authorisation key. It isn't shown again: whoever has it may redeem it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Authorised {
    #[serde(flatten)]
    done: Done,
    /// Its id, to withdraw it, hexadecimal.
    id: String,
    /// The key's text, `SWA-…`.
    key: String,
    /// The same as a QR code: an SVG document.
    qr_svg: String,
    /// How many clients may redeem it.
    uses: u16,
    /// Until when, seconds since 1970.
    redeem_until_s: u64,
}

/// Makes an authorisation key: rights for whoever holds its text.
#[utoipa::path(
    post, path = "/api/actions/authorisations/create", tag = "actions", request_body = CreateAuthorisation,
    responses(
        (status = 200, description = "The key, shown once", body = Authorised),
        (status = 400, description = "Bad argument", body = Problem),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The owner's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn authorise(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<CreateAuthorisation>,
) -> Result<Json<Authorised>, Problem> {
    let done = authorised(&app, &caller, &asked).await;
    log(&caller, "create authorisation key", &asked.topic, &done);
    done.map(Json)
}

async fn authorised(
    app: &App,
    caller: &Caller,
    asked: &CreateAuthorisation,
) -> Result<Authorised, Problem> {
    let _place = place(app)?;
    let filter: TopicFilter = parse("topic", &asked.topic)?;
    let terms = asked.terms.parse()?;
    let client = whose(app, asked.r#as.as_deref(), &filter).await?;
    let (uses, flags) = (asked.uses.unwrap_or(1), asked.terms.flags());
    let command = || {
        let filter = quoted(&filter);
        format!("sealwire key create --as {client} {filter}{flags} --uses {uses}")
    };
    let actor = actor(app, caller, &client, command)?;
    let within_s = asked.redeem_within_s.unwrap_or(REDEEM_S);
    let redeem_until_s = (app.now_ms() / 1_000).saturating_add(within_s);
    let wanted = Authorisation {
        filter,
        terms,
        uses,
        redeem_until_s,
    };
    let (code, id, applied) = actor.owner().create_authorisation(wanted).await?;
    let text = code.reveal();
    let drawn = QrCode::new(text.as_bytes()).map(|code| {
        code.render::<svg::Color<'_>>()
            .min_dimensions(QR_PIXELS, QR_PIXELS)
            .build()
    });
    Ok(Authorised {
        done: Done::new(&client, &applied),
        id: id.to_string(),
        key: text.to_string(),
        // A code's text always fits.
        qr_svg: drawn.unwrap_or_default(),
        uses,
        redeem_until_s,
    })
}

/// An authorisation key to be withdrawn.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct WithdrawAuthorisation {
    /// Its id, hexadecimal.
    id: String,
}

/// Withdraws an authorisation key: nobody redeems it any more.
#[utoipa::path(
    post, path = "/api/actions/authorisations/withdraw", tag = "actions", request_body = WithdrawAuthorisation,
    responses(
        (status = 200, description = "Withdrawn", body = Done),
        (status = 403, description = "This session may not", body = Problem),
        (status = 404, description = "No such key", body = Problem),
        (status = 409, description = "The owner's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn withdraw(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<WithdrawAuthorisation>,
) -> Result<Json<Done>, Problem> {
    let done = async {
        let _place = place(&app)?;
        let id: AuthorisationId = parse("id", &asked.id)?;
        let entry = app.ledger.authorisation(&id).await?;
        let entry = entry.ok_or_else(|| {
            Problem::not_found(format!("no authorisation key {id} is registered"))
        })?;
        let command = || format!("sealwire key withdraw --as {} {id}", entry.owner);
        let actor = actor(&app, &caller, &entry.owner, command)?;
        let applied = actor.owner().withdraw_authorisation(id).await?;
        Ok(Done::new(&entry.owner, &applied))
    };
    let done = done.await;
    log(&caller, "withdraw authorisation key", &asked.id, &done);
    done.map(Json)
}

/// An authorisation key to be redeemed.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RedeemAuthorisation {
    /// As whom.
    r#as: String,
    /// Its text, `SWA-…`.
    key: String,
}

/// What an authorisation key gave.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Redeemed {
    #[serde(flatten)]
    done: Done,
    /// On which topic or filter.
    topic: String,
    /// Which rights.
    rights: Vec<String>,
}

/// Redeems an authorisation key.
#[utoipa::path(
    post, path = "/api/actions/authorisations/redeem", tag = "actions", request_body = RedeemAuthorisation,
    responses(
        (status = 200, description = "The rights it gave", body = Redeemed),
        (status = 400, description = "Not an authorisation key", body = Problem),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The client's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn redeem(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<RedeemAuthorisation>,
) -> Result<Json<Redeemed>, Problem> {
    let text = Zeroizing::new(asked.key);
    let done = async {
        let _place = place(&app)?;
        let client: ClientId = parse("as", &asked.r#as)?;
        let code = Code::parse(CodeKind::Authorisation, &text).map_err(Problem::argument)?;
        let command = || format!("sealwire key redeem --as {client}");
        let actor = actor(&app, &caller, &client, command)?;
        let (entry, applied) = redeeming(&actor.keyring(), &code).await?;
        Ok(Redeemed {
            done: Done::new(&client, &applied),
            topic: entry.filter.to_string(),
            rights: entry.terms.rights.names().map(str::to_owned).collect(),
        })
    };
    let done = done.await;
    log(&caller, "redeem authorisation key", &asked.r#as, &done);
    done.map(Json)
}

// ---- why ----------------------------------------------------------------------------------------

/// A decision to be explained: simulated as a client.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct Question {
    /// Who.
    client: String,
    /// `connect`, `publish`, `subscribe`, `read`, `compute` or `verify`.
    action: String,
    /// Topic name, or filter for `subscribe`; none for `connect`.
    topic: Option<String>,
    /// At which height; the last one when left out.
    at: Option<u64>,
}

/// A decision and why it is so.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// Whether the client may.
    allowed: bool,
    /// The reason's name, for instance `NoGrant`.
    reason: String,
    /// The reason's number: below 10 it allows.
    reason_number: u8,
    /// The reason in one sentence.
    text: String,
    /// The grant that decided, as the ledger's interface gives it; null: none did.
    #[schema(value_type = Option<Object>)]
    grant: Option<Value>,
    /// That grant's state key, hexadecimal.
    grant_key: Option<String>,
    /// The topic's owner; null where no registered topic was named.
    owner: Option<String>,
    /// The client's certificate, hexadecimal.
    certificate: Option<String>,
    /// The height that the decision is about.
    height: u64,
    /// The time that it is about, milliseconds since 1970.
    time_ms: u64,
    /// The height of the root under which all entries below are proven: the console has verified them.
    proven_at: u64,
    /// State keys of all entries looked at, found or not, hexadecimal.
    keys: Vec<String>,
}

/// Decides as a gateway would, over proven entries, and says why.
#[utoipa::path(
    get, path = "/api/explain", tag = "rights", params(Question),
    responses(
        (status = 200, description = "Whether the client may, and why", body = Explanation),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(crate) async fn explain(
    State(app): State<App>,
    Query(question): Query<Question>,
) -> Result<Json<Explanation>, Problem> {
    let client: ClientId = parse("client", &question.client)?;
    let topic = question.topic.as_deref().filter(|topic| !topic.is_empty());
    let action = Action::parse(&question.action, topic).map_err(Problem::argument)?;
    let explained = explaining::decide(&app.ledger, &client, &action, question.at).await?;
    let decision = &explained.decision;
    Ok(Json(Explanation {
        allowed: decision.is_allowed(),
        reason: decision.reason.name().to_owned(),
        reason_number: decision.reason.number(),
        text: decision.reason.text().to_owned(),
        grant: decision.grant.as_ref().map(|it| json!(it)),
        grant_key: decision.grant_key.as_ref().map(hex::encode),
        owner: decision.topic.as_ref().map(|it| it.owner.to_string()),
        certificate: decision.certificate.map(|it| it.to_string()),
        height: explained.height,
        time_ms: explained.time_ms,
        proven_at: explained.proven_at,
        keys: decision.keys.iter().map(hex::encode).collect(),
    }))
}
