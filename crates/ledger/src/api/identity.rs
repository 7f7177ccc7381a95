//! Questions about certificates: how one stands or stood, which end soon, what is allowed, which
//! enrolments are open.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::get,
};
use sealwire_envelope::{CertId, EnrolmentId, OrgId};
use sealwire_sm::Role;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::{
    Node, Problem,
    queries::{List, Proof, answer, page, parse},
};

/// How far ahead is looked unless asked otherwise, in seconds: thirty days.
const WITHIN_S: u64 = 30 * 86_400;

pub(super) fn routes() -> Router<Node> {
    Router::new()
        .route("/v1/certificates/{certificate}", get(certificate))
        .route("/v1/enrolments/{enrolment}", get(enrolment))
        .route("/v1/organisations/{org}/expiring", get(expiring))
        .route("/v1/organisations/{org}/enrolments", get(enrolments_of))
        .route("/v1/organisations/{org}/templates/{role}", get(template))
}

/// At which height, and whether with a proof.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Then {
    /// At which height; the last one when left out.
    at: Option<u64>,
    /// Attach proofs.
    #[serde(default)]
    proof: bool,
}

/// Which certificates, and which part of their list.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Expiring {
    /// Those that end within so many seconds; 30 days when left out.
    within_s: Option<u64>,
    /// Attach proofs.
    #[serde(default)]
    proof: bool,
    /// Go on after this key (`next` of the page before), hexadecimal.
    after: Option<String>,
    /// Most clients to look at; at most 1,000, 100 when left out.
    limit: Option<usize>,
}

#[utoipa::path(
    get, path = "/v1/certificates/{certificate}",
    params(("certificate" = String, Path, description = "Certificate id, hexadecimal"), Then),
    responses(
        (status = 200, description = "The certificate and how it stands, or stood then; or null. The proof is of the present entry, which says since when", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
        (status = 404, description = "No such block yet", body = Problem),
    )
)]
pub(super) async fn certificate(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(then): Query<Then>,
) -> Result<Json<Value>, Problem> {
    let id: CertId = parse(&id)?;
    let Some(height) = then.at else {
        return answer(&node, then.proof, |view| view.certificate(&id)).await;
    };
    let bundle = node.bundle(height).await;
    // The state follows the blocks: it must have come as far, too.
    let bundle = bundle.filter(|_| height <= node.mirror().view().height());
    let bundle = bundle.ok_or_else(|| {
        Problem::not_found(format!("there is no final block at height {height} yet"))
    })?;
    let time_ms = bundle.header.time_ms;
    answer(&node, then.proof, |view| {
        view.certificate_at(&id, height, time_ms)
    })
    .await
}

#[utoipa::path(
    get, path = "/v1/enrolments/{enrolment}",
    params(("enrolment" = String, Path, description = "Enrolment id, hexadecimal"), Proof),
    responses(
        (status = 200, description = "The enrolment, or null", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn enrolment(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(query): Query<Proof>,
) -> Result<Json<Value>, Problem> {
    let id: EnrolmentId = parse(&id)?;
    answer(&node, query.proof, |view| view.enrolment(&id)).await
}

#[utoipa::path(
    get, path = "/v1/organisations/{org}/expiring",
    params(("org" = String, Path, description = "Organisation"), Expiring),
    responses(
        (status = 200, description = "Clients whose certificate ends soon, by name. A page may hold fewer than there are: go on while there is a `next`", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn expiring(
    State(node): State<Node>,
    Path(org): Path<String>,
    Query(query): Query<Expiring>,
) -> Result<Json<Value>, Problem> {
    let org: OrgId = parse(&org)?;
    let page = page(query.after.as_deref(), query.limit, false)?;
    let within_s = query.within_s.unwrap_or(WITHIN_S);
    answer(&node, query.proof, |view| {
        view.expiring(&org, within_s, &page)
    })
    .await
}

#[utoipa::path(
    get, path = "/v1/organisations/{org}/enrolments",
    params(("org" = String, Path, description = "Organisation"), List),
    responses(
        (status = 200, description = "All enrolments that the organisation ever opened, by id", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn enrolments_of(
    State(node): State<Node>,
    Path(org): Path<String>,
    Query(list): Query<List>,
) -> Result<Json<Value>, Problem> {
    let (org, page): (OrgId, _) = (parse(&org)?, list.page()?);
    answer(&node, list.proof, |view| view.enrolments_of(&org, &page)).await
}

#[utoipa::path(
    get, path = "/v1/organisations/{org}/templates/{role}",
    params(
        ("org" = String, Path, description = "Organisation"),
        ("role" = String, Path, description = "operator, gateway, device or user"),
        Proof
    ),
    responses(
        (status = 200, description = "What the organisation allows of certificates of that role, or null", body = Object),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(super) async fn template(
    State(node): State<Node>,
    Path((org, role)): Path<(String, String)>,
    Query(query): Query<Proof>,
) -> Result<Json<Value>, Problem> {
    let (org, role): (OrgId, Role) = (parse(&org)?, parse(&role)?);
    answer(&node, query.proof, |view| view.template(&org, role)).await
}
