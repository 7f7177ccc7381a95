//! What people do at the console.
//!
//! Every act is a transaction that is signed here, with a key of the console's home, for who may act as its
//! holder ([`may_act`]); the ledger decides whether it takes effect, as for anybody. Where the key isn't here the
//! answer names it and the command to run where it is.
//!
//! | Session | May act as |
//! |---|---|
//! | operator of this organisation | its operator, and each client of the organisation |
//! | device, user, gateway, other organisations' operators | itself |
//! | reading only | nobody |
//!
//! An act that names no actor is done as who can: the topic's owner, or for certificates the operator. Each is
//! logged with who asked for it, as whom it was signed, and what came of it (target `sealwire_console::act`).

mod authorisations;
mod compute;
mod explain;
mod identity;
mod rights;
mod token;

use axum::{
    Extension, Json, Router,
    extract::State,
    routing::{get, post},
};
use sealwire_client::{Identity, Keyring, Ledger, Owner, identity::GatewayPeer, ledger::Applied};
use sealwire_envelope::ClientId;
use serde::Serialize;
use std::sync::Arc;
use utoipa::{OpenApi, ToSchema};

use crate::{
    App, OPERATOR,
    problem::Problem,
    session::{self, Caller},
    standing::ActsFor,
};

/// Attempts of a ledger call of an act; about 5 s of pauses.
const CALL_ATTEMPTS: u32 = 6;

#[derive(OpenApi)]
#[openapi(paths(
    actors,
    identity::enrol,
    identity::open,
    identity::close,
    identity::change,
    rights::register,
    rights::grant,
    rights::revoke,
    rights::request,
    rights::approve,
    rights::deny,
    rights::rotate,
    rights::close,
    authorisations::authorise,
    authorisations::withdraw,
    authorisations::redeem,
    explain::explain,
    token::mint,
    compute::jobs,
    compute::result,
    compute::receipt,
    compute::ask,
    compute::set_standing,
    compute::end_standing,
))]
pub(crate) struct Document;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/api/actors", get(actors))
        .route("/api/explain", get(explain::explain))
        .route("/api/actions/enrol", post(identity::enrol))
        .route("/api/actions/enrolments/open", post(identity::open))
        .route("/api/actions/enrolments/close", post(identity::close))
        .route("/api/actions/certificate", post(identity::change))
        .route("/api/actions/topics/register", post(rights::register))
        .route("/api/actions/topics/grant", post(rights::grant))
        .route("/api/actions/topics/revoke", post(rights::revoke))
        .route("/api/actions/topics/request", post(rights::request))
        .route("/api/actions/topics/approve", post(rights::approve))
        .route("/api/actions/topics/deny", post(rights::deny))
        .route("/api/actions/topics/rotate", post(rights::rotate))
        .route("/api/actions/topics/close", post(rights::close))
        .route(
            "/api/actions/authorisations/create",
            post(authorisations::authorise),
        )
        .route(
            "/api/actions/authorisations/withdraw",
            post(authorisations::withdraw),
        )
        .route(
            "/api/actions/authorisations/redeem",
            post(authorisations::redeem),
        )
        .route("/api/actions/token", post(token::mint))
        .route("/api/compute/jobs", get(compute::jobs))
        .route(
            "/api/compute/jobs/{gateway}/{job}/result",
            get(compute::result),
        )
        .route(
            "/api/compute/jobs/{gateway}/{job}/receipt",
            get(compute::receipt),
        )
        .route("/api/actions/compute/ask", post(compute::ask))
        .route("/api/actions/compute/standing", post(compute::set_standing))
        .route(
            "/api/actions/compute/standing/end",
            post(compute::end_standing),
        )
}

/// An act that took effect.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    /// As whom it was signed.
    pub(crate) by: String,
    /// The transaction, hexadecimal.
    pub(crate) transaction: String,
    /// The block that holds it.
    pub(crate) height: u64,
    /// The block's time, milliseconds since 1970.
    pub(crate) time_ms: u64,
}

impl Done {
    fn new(by: &ClientId, applied: &Applied) -> Self {
        Self {
            by: by.to_string(),
            transaction: applied.id.0.to_string(),
            height: applied.height,
            time_ms: applied.time_ms,
        }
    }
}

/// Whether a session may act as a client.
pub(crate) fn may_act(app: &App, caller: &Caller, client: &ClientId) -> Result<(), Problem> {
    let me = &caller.session.client;
    match caller.acts_for {
        ActsFor::Nobody => {
            let why = session::why_reads_only(caller);
            let detail = format!("this session only reads: {why}");
            Err(Problem::forbidden("reads-only", detail))
        }
        ActsFor::Itself if me == client => Ok(()),
        ActsFor::Itself => {
            let detail = format!(
                "{me} acts for itself only: {client} or its organisation's operator must do this"
            );
            Err(Problem::forbidden("not-yourself", detail))
        }
        ActsFor::Organisation if client.org() == app.org => Ok(()),
        ActsFor::Organisation => {
            let detail = format!(
                "{me} acts for clients of '{}' only: {client} can do this at the console of '{}'",
                app.org,
                client.org()
            );
            Err(Problem::forbidden("other-organisation", detail))
        }
    }
}

/// Whether a session may do what its organisation's operators do, for clients of that organisation.
fn may_operate(app: &App, caller: &Caller, of: &ClientId) -> Result<(), Problem> {
    if caller.acts_for != ActsFor::Organisation {
        let why = match session::why_reads_only(caller) {
            why if why.is_empty() => format!(
                "{} isn't an operator of '{}'",
                caller.session.client, app.org
            ),
            why => why,
        };
        let detail = format!("that takes an operator of '{}': {why}", of.org());
        return Err(Problem::forbidden("operator", detail));
    }
    may_act(app, caller, of)
}

/// Somebody as whom an act is signed.
struct Actor {
    identity: Identity,
    ledger: Arc<Ledger>,
}

impl Actor {
    /// A client whose key is here; `command` does the same where it is.
    fn load(
        app: &App,
        client: &ClientId,
        command: impl FnOnce() -> String,
    ) -> Result<Self, Problem> {
        let identity = app.keys.identity(client);
        let identity = identity.ok_or_else(|| Problem::key_missing(client, command()))?;
        let ledger = Ledger::of(&identity)?.with_attempts(CALL_ATTEMPTS);
        ledger.have_seen(app.feed.height());
        let ledger = Arc::new(ledger);
        Ok(Self { identity, ledger })
    }

    fn keyring(&self) -> Arc<Keyring> {
        Arc::new(Keyring::new(self.identity.clone(), self.ledger.clone()))
    }

    fn owner(&self) -> Owner {
        Owner::new(self.keyring())
    }

    fn client(&self) -> &ClientId {
        self.identity.client()
    }
}

/// Where a client finds a gateway: this one, or without a name the first that it knows.
pub(crate) fn known_gateway<'a>(
    identity: &'a Identity,
    gateway: Option<&ClientId>,
) -> Result<&'a GatewayPeer, Problem> {
    identity.peers().gateway(gateway).ok_or_else(|| {
        let which = gateway.map_or("any gateway".to_owned(), ToString::to_string);
        let me = identity.client();
        let detail = format!("{me} doesn't know where {which} is: add it to its peers.json");
        Problem::unavailable("gateway-unknown", detail)
    })
}

/// The operator as whom this session does what operators do: itself where its key is here, else the home's.
fn operator(
    app: &App,
    caller: &Caller,
    of: &ClientId,
    command: impl FnOnce() -> String,
) -> Result<Actor, Problem> {
    may_operate(app, caller, of)?;
    let me = &caller.session.client;
    if app.keys.identity(me).is_some() {
        return Actor::load(app, me, command);
    }
    let usual = ClientId::new(&app.org, OPERATOR).map_err(Problem::argument)?;
    Actor::load(app, &usual, command)
}

/// A place among the acts that are under way.
fn place(app: &App) -> Result<tokio::sync::SemaphorePermit<'_>, Problem> {
    app.actions
        .try_acquire()
        .map_err(|_| Problem::unavailable("busy", "too much is under way: try again"))
}

/// What somebody did, or tried to, as an answer; it is logged.
fn logged<T>(
    caller: &Caller,
    what: &str,
    on: &dyn std::fmt::Display,
    done: Result<T, Problem>,
) -> Result<Json<T>, Problem> {
    let (client, by) = (&caller.session.client, caller.session.by);
    match &done {
        Ok(_) => {
            tracing::info!(target: "sealwire_console::act", %client, ?by, what, %on, "done");
        }
        Err(problem) => {
            let why = &problem.detail;
            tracing::info!(target: "sealwire_console::act", %client, ?by, what, %on, why, "refused");
        }
    }
    done.map(Json)
}

/// A client as whom this session can act.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActorView {
    /// Its id.
    client: String,
}

/// As whom this session can act: those whose keys are here and for whom it may.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Actors {
    /// By id.
    actors: Vec<ActorView>,
}

/// As whom this session can act.
#[utoipa::path(
    get, path = "/api/actors", tag = "actions",
    responses((status = 200, description = "Clients whose keys are here and for whom this session may act", body = Actors))
)]
pub(crate) async fn actors(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Json<Actors> {
    let clients = app.keys.clients().into_iter();
    let mine = clients.filter(|client| may_act(&app, &caller, client).is_ok());
    let actors = mine.map(|client| ActorView {
        client: client.to_string(),
    });
    Json(Actors {
        actors: actors.collect(),
    })
}
