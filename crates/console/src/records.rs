//! Receipts and the genesis file: what a page verifies, and what it verifies it by.
//!
//! A receipt is fetched from the gateway that keeps the package, signed with a key of this home whose holder has
//! the right to read or to verify; the gateway records the retrieval. The page gets the same bytes as `sealwire
//! receipt export` writes, and verifies them itself.

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    response::Response,
};
use sealwire_client::{Archive, Identity, Ledger};
use sealwire_envelope::{ClientId, PackageId, encode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    App,
    actions::{known_gateway, may_act},
    http::cbor_file,
    problem::Problem,
    session::Caller,
};

/// Attempts at reading the anchor's proof.
const ATTEMPTS: u32 = 6;

/// As whom a receipt is fetched.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct As {
    /// A client with the right to read or verify, whose key is here. When left out: who is signed in, or the
    /// topic's owner, whichever key is here.
    r#as: Option<String>,
}

/// The receipt of one message.
#[utoipa::path(
    get, path = "/api/receipt/{package}/{index}", tag = "records",
    params(
        ("package" = String, Path, description = "Package id, hexadecimal"),
        ("index" = u64, Path, description = "Which message, counted from 0"),
        As
    ),
    responses(
        (status = 200, description = "CBOR of the receipt, as `sealwire receipt export` writes it", body = Vec<u8>, content_type = "application/cbor"),
        (status = 403, description = "This session may not, or the client has no right", body = Problem),
        (status = 404, description = "No such package or message, or not anchored", body = Problem),
        (status = 409, description = "The key isn't here", body = Problem),
        (status = 503, description = "The gateway or the ledger is away", body = Problem),
    )
)]
pub(crate) async fn receipt(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((package, index)): Path<(String, u64)>,
    Query(asked): Query<As>,
) -> Result<Response, Problem> {
    let package = PackageId(package.parse().map_err(Problem::argument)?);
    let entry = app.ledger.package(&package).await?;
    let entry = entry.ok_or_else(|| {
        Problem::not_found(format!("package {package} isn't anchored on the ledger"))
    })?;
    let anchor = entry.anchor;
    if index >= anchor.count {
        let detail = format!(
            "package {package} has messages 0 to {}",
            anchor.count.saturating_sub(1)
        );
        return Err(Problem::not_found(detail));
    }
    let command = |client: &ClientId| {
        format!(
            "sealwire receipt export --as {client} {package} --index {index} --out receipt.cbor"
        )
    };
    let reader = match asked.r#as.as_deref().filter(|it| !it.is_empty()) {
        Some(named) => {
            let client: ClientId = named.parse().map_err(Problem::argument)?;
            may_act(&app, &caller, &client)?;
            let identity = app.keys.identity(&client);
            identity.ok_or_else(|| Problem::key_missing(&client, command(&client)))?
        }
        None => {
            let owner = app.ledger.topic(&anchor.topic).await?.map(|it| it.owner);
            let candidates = [Some(caller.session.client.clone()), owner.clone()];
            let mut mine = candidates
                .into_iter()
                .flatten()
                .filter(|client| client.name() != crate::OPERATOR)
                .filter(|client| may_act(&app, &caller, client).is_ok())
                .filter_map(|client| app.keys.identity(&client));
            match (mine.next(), owner) {
                (Some(identity), _) => identity,
                (None, owner) => {
                    let who = owner.unwrap_or_else(|| caller.session.client.clone());
                    may_act(&app, &caller, &who)?;
                    return Err(Problem::key_missing(&who, command(&who)));
                }
            }
        }
    };
    let bytes = fetched(&reader, &anchor.gateway, &package, index).await?;
    tracing::info!(
        target: "sealwire_console::act",
        client = %caller.session.client, reader = %reader.client(), %package, index, "receipt"
    );
    let name = format!("receipt-{}-{index}.cbor", package.0.short());
    Ok(cbor_file(&name, bytes))
}

async fn fetched(
    reader: &Identity,
    gateway: &ClientId,
    package: &PackageId,
    index: u64,
) -> Result<Vec<u8>, Problem> {
    let address = known_gateway(reader, Some(gateway))?.best_http();
    let archive = Archive::new(address, reader.clone())?;
    let record = archive.record(package, index).await?;
    let ledger = Ledger::of(reader)?.with_attempts(ATTEMPTS);
    let (receipt, _) = archive.receipt(&ledger, &record).await?;
    Ok(encode(&receipt))
}

/// What everything is verified by.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GenesisView {
    /// The ledger's id: SM3 of the genesis's CBOR, hexadecimal. Compare it with your organisation's own copy
    /// before you pin it.
    chain: String,
    /// The consortium's name.
    name: String,
    /// When it was made, milliseconds since 1970.
    created_ms: u64,
    /// Shortest time between two blocks, in milliseconds.
    block_interval_ms: u64,
    /// Its organisations, in the order of genesis.
    organisations: Vec<GenesisOrganisation>,
    /// The genesis file, as it lies on disk: JSON text.
    file: String,
}

/// An organisation at genesis.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GenesisOrganisation {
    /// Its name.
    org: String,
    /// The key with which its validator votes, compressed SEC1, hexadecimal.
    validator: String,
    /// Its root certificate, PEM.
    root_pem: String,
    /// SM3 of that certificate, hexadecimal.
    root: String,
}

/// The genesis, and its digest to pin.
#[utoipa::path(
    get, path = "/api/genesis", tag = "records",
    responses((status = 200, description = "The genesis file and its digest", body = GenesisView))
)]
pub(crate) async fn genesis(State(app): State<App>) -> Json<GenesisView> {
    let genesis = &app.genesis;
    let organisations = genesis.orgs.iter().map(|it| {
        let root = app.root_of(&it.org);
        GenesisOrganisation {
            org: it.org.to_string(),
            validator: it.validator.to_string(),
            root_pem: root.as_ref().map(|root| root.to_pem()).unwrap_or_default(),
            root: root.map(|root| root.id().to_string()).unwrap_or_default(),
        }
    });
    Json(GenesisView {
        chain: genesis.chain_id().0.to_string(),
        name: genesis.name.clone(),
        created_ms: genesis.created_ms,
        block_interval_ms: genesis.block_interval_ms,
        organisations: organisations.collect(),
        file: genesis.to_json(),
    })
}
