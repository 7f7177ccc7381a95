//! Authorisation keys: rights for whoever holds a printed text.

use axum::{Extension, Json, extract::State};
use qrcode::{QrCode, render::svg};
use sealwire_client::owner::{self, Authorisation};
use sealwire_envelope::{AuthorisationId, ClientId, Code, TopicFilter, code::CodeKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    Done, logged, place,
    rights::{Terms, actor, parse, quoted, whose},
};
use crate::{App, problem::Problem, session::Caller};

/// How long an authorisation key may be redeemed unless asked otherwise, in seconds: thirty days.
const REDEEM_S: u64 = 30 * 86_400;
/// Least side of a QR code, in pixels; it scales.
const QR_PIXELS: u32 = 240;

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
    logged(&caller, "create authorisation key", &asked.topic, done)
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
    logged(&caller, "withdraw authorisation key", &asked.id, done)
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
        let (entry, applied) = owner::redeem(&actor.keyring(), &code).await?;
        Ok(Redeemed {
            done: Done::new(&client, &applied),
            topic: entry.filter.to_string(),
            rights: entry.terms.rights.names().map(str::to_owned).collect(),
        })
    };
    let done = done.await;
    logged(&caller, "redeem authorisation key", &asked.r#as, done)
}
