//! The gateway over HTTP: what is archived here, for those who were granted it.
//!
//! | Request | Who | Answer |
//! |---|---|---|
//! | `GET /v1/status` | anyone | JSON |
//! | `GET /metrics` | anyone | Prometheus text |
//! | `GET /v1/packages?topic=T&after=N&limit=L` | READ or VERIFY on the topic | JSON: packages after number N |
//! | `GET /v1/packages/{package}` | READ or VERIFY on its topic | CBOR: `envelope::record::Package` |
//! | `GET /v1/packages/{package}/records/{index}` | READ or VERIFY on its topic | CBOR: `PackagedRecord` |
//!
//! VERIFY is for auditors: they get the records as they are stored, check every digest and count, and read
//! nothing, because no key is ever sealed to them. It isn't given on open topics, whose records are plain.
//!
//! Who asks is shown by `Authorization: SM2 …` (`envelope::login::SignedRequest`), good once. Each
//! hand-out is a retrieval record: it is in the outbox, on disk, before the first byte leaves. A
//! grant with a time range opens the packages that lie wholly in it, and single records of others.
//! Connections are bounded in number and in the time they may wait (`bounded`).
//! Errors are `application/problem+json` (RFC 9457).

pub(crate) mod bounded;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{OriginalUri, Path, Query, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use sealwire_archive::{Kind, PackageError, PackageRow};
use sealwire_contracts::{Action, entry::GrantEntry};
use sealwire_envelope::{
    Blob, ClientId, PackageId, Retrieval, TopicName, encode,
    login::{LOGIN_VERSION, REQUEST_MAX_AGE_S, SignedRequest},
    record::{Package, PackagedRecord},
};
use sealwire_receipt::merkle;
use sealwire_sm::{Sm3Digest, sm3};
use serde::{Deserialize, Serialize};

use crate::{
    hub::Hub,
    login, now_ms,
    replay::{Purpose, Replayed},
    rights::cut,
    story::Story,
};

/// Packages on one page of a list.
const PAGE_MAX: u32 = 1_000;
/// Packages on one page unless asked otherwise.
const PAGE_DEFAULT: u32 = 100;

/// An error as RFC 9457 has it.
#[derive(Debug, Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip)]
    claimed: Option<ClientId>,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        let kind = format!("urn:sealwire:problem:{kind}");
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            claimed: None,
        }
    }

    fn unsigned(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "request-signature",
            "The request must be signed",
            detail,
        )
    }

    fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "no-right",
            "No right to read this",
            detail,
        )
    }

    fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    fn bad(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request can't be understood",
            detail,
        )
    }

    fn archive(error: &dyn std::fmt::Display) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "archive", "The archive failed", error.to_string())
    }
}

impl From<PackageError> for Problem {
    fn from(error: PackageError) -> Self {
        match &error {
            PackageError::Database(_) => Self::archive(&error),
            PackageError::Damaged { .. } | PackageError::Root { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "archive-damaged",
                "The archive is damaged",
                error.to_string(),
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let json = header::HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if status == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("SM2");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// The routes; each needs its row in the test that writes `docs/rights-http.md`.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<Hub>>)> {
    vec![
        ("/v1/status", get(status)),
        ("/metrics", get(metrics)),
        ("/v1/packages", get(packages)),
        ("/v1/packages/{package}", get(package)),
        ("/v1/packages/{package}/records/{index}", get(record)),
    ]
}

/// The paths of all routes.
pub fn paths() -> Vec<&'static str> {
    routes().into_iter().map(|(path, _)| path).collect()
}

/// The router over all routes.
pub fn router(hub: Arc<Hub>) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (path, handler)| {
            router.route(path, handler)
        })
        .fallback(|uri: axum::http::Uri| async move {
            Problem::not_found(cut(format!("there is no {}", uri.path())))
        })
        .with_state(hub)
}

// ---- open -------------------------------------------------------------------------------------

async fn status(State(hub): State<Arc<Hub>>) -> Result<Response, Problem> {
    let totals = hub
        .archive()
        .totals()
        .await
        .map_err(|e| Problem::archive(&e))?;
    let counters: serde_json::Map<_, _> = hub
        .metrics()
        .all()
        .into_iter()
        .map(|(name, _, n)| (name.to_owned(), n.into()))
        .collect();
    let body = serde_json::json!({
        "gateway": hub.client(),
        "certificate": hub.certificate(),
        "chain": hub.ledger().chain(),
        "height": hub.ledger().view().height(),
        "verified_age_ms": now_ms().saturating_sub(hub.ledger().verified_at_ms()),
        "sessions": hub.sessions().len(),
        "archive": {
            "messages": totals.messages,
            "packages": totals.packages,
            "anchored": totals.anchored,
            "outbox": totals.outbox,
        },
        "counters": counters,
    });
    Ok(Json(body).into_response())
}

async fn metrics(State(hub): State<Arc<Hub>>) -> Result<Response, Problem> {
    let totals = hub
        .archive()
        .totals()
        .await
        .map_err(|e| Problem::archive(&e))?;
    let age = now_ms().saturating_sub(hub.ledger().verified_at_ms());
    let text = hub.metrics().exposition(&[
        (
            "sessions",
            "Clients connected now.",
            hub.sessions().len() as u64,
        ),
        ("outbox", "Entries that no block holds yet.", totals.outbox),
        (
            "height",
            "Height of the verified ledger state.",
            hub.ledger().view().height(),
        ),
        (
            "verified_age_ms",
            "Age of the verified ledger state, in milliseconds.",
            age,
        ),
    ]);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

// ---- signed -----------------------------------------------------------------------------------

/// Who asks, and the digest of the request it signed.
struct Reader {
    client: ClientId,
    request: Sm3Digest,
}

struct Asked<'a> {
    method: &'a Method,
    uri: &'a axum::http::Uri,
    headers: &'a HeaderMap,
    content: &'a [u8],
}

async fn reader(hub: &Hub, asked: &Asked<'_>) -> Result<Reader, Problem> {
    let mut values = asked.headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value
            .to_str()
            .map_err(|_| Problem::unsigned("the Authorization header isn't text"))?,
        _ => {
            return Err(Problem::unsigned(
                "one header 'Authorization: SM2 <signed request>' is needed",
            ));
        }
    };
    let signed = SignedRequest::from_header(value).map_err(|e| Problem::unsigned(e.to_string()))?;
    let body = &signed.body;
    let refuse = |mut problem: Problem| {
        problem.claimed = Some(body.client.clone());
        Err(problem)
    };
    let target = asked
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let unsigned = |detail: &str| refuse(Problem::unsigned(detail));
    if body.version != LOGIN_VERSION {
        return unsigned("the signed request is of an unknown version");
    }
    if body.chain != hub.ledger().chain() {
        return unsigned("the signed request is for another ledger");
    }
    if body.method != asked.method.as_str() || body.target != target {
        return unsigned("the signature is for another method or target");
    }
    if body.content != sm3(&[asked.content]) {
        return unsigned("the signature is for another content");
    }
    let now_s = now_ms() / 1000;
    if now_s.abs_diff(body.time_s) > REQUEST_MAX_AGE_S {
        let age = i128::from(now_s) - i128::from(body.time_s);
        return unsigned(&format!(
            "the signed request is {age} s old, it is good for {REQUEST_MAX_AGE_S} s"
        ));
    }
    if let Err(refusal) = hub.check_fresh() {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return refuse(Problem::new(
            status,
            "ledger-away",
            "The ledger is away",
            refusal.text,
        ));
    }
    let key = login::Key::find(hub, body.certificate, &body.client);
    let shown = key.verify(hub, &body.client, "request", |key| {
        signed.verify(key).is_ok()
    });
    if let Err(cause) = shown {
        return unsigned(&cause.to_string());
    }
    // Good once: what is remembered is the signed body, because a signature isn't unique.
    let once = sm3(&[&encode(body)]);
    let expiry_s = body.time_s.max(now_s) + REQUEST_MAX_AGE_S;
    match hub.use_once(Purpose::Request, once, expiry_s).await {
        Ok(()) => Ok(Reader {
            client: body.client.clone(),
            request: signed.digest(),
        }),
        Err(Replayed::Again) => unsigned("the signed request was used before: sign a new one"),
        Err(error @ (Replayed::Full | Replayed::Disk(_))) => {
            tracing::warn!(%error, "a signed request can't be taken");
            refuse(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Signed requests can't be taken",
                "try again in a minute",
            ))
        }
    }
}

/// The time range that a grant opens, in seconds since 1970, both ends included.
#[derive(Clone, Copy)]
struct Range {
    from_s: u64,
    to_s: u64,
}

impl Range {
    fn of(grant: Option<&GrantEntry>) -> Self {
        Self {
            from_s: grant.and_then(|grant| grant.from_s).unwrap_or(0),
            to_s: grant.and_then(|grant| grant.to_s).unwrap_or(u64::MAX),
        }
    }

    fn holds(self, from_ms: u64, to_ms: u64) -> bool {
        self.from_s <= from_ms / 1000 && to_ms / 1000 <= self.to_s
    }

    fn meets(self, row: &PackageRow) -> bool {
        self.from_s <= row.to_ms / 1000 && row.from_ms / 1000 <= self.to_s
    }
}

/// May the reader have this topic's records, and which? To read them, or else to verify them.
fn may_fetch(hub: &Hub, reader: &Reader, topic: &TopicName) -> Result<Range, Problem> {
    let decide = |action| hub.ledger().view().decide(&reader.client, action, now_ms());
    let decision = decide(Action::Read(topic));
    let decision = if decision.is_allowed() {
        decision
    } else {
        let verify = decide(Action::Verify(topic));
        if verify.is_allowed() {
            verify
        } else {
            decision
        }
    };
    if decision.is_allowed() {
        return Ok(Range::of(decision.grant.as_ref()));
    }
    let mut problem = Problem::forbidden(format!(
        "{} may not read {topic}: {} (height {})",
        reader.client, decision.reason, decision.height
    ));
    problem.claimed = Some(reader.client.clone());
    Err(problem)
}

#[derive(Deserialize)]
struct ListQuery {
    topic: String,
    #[serde(default)]
    after: u64,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Listed {
    package: PackageId,
    number: u64,
    topic: String,
    count: u64,
    bytes: u64,
    from_ms: u64,
    to_ms: u64,
    epoch: u32,
    root: Sm3Digest,
    clients: Vec<String>,
    height: Option<u64>,
}

impl From<PackageRow> for Listed {
    fn from(row: PackageRow) -> Self {
        Self {
            package: row.package_id(),
            number: row.number,
            topic: row.topic,
            count: row.count,
            bytes: row.bytes,
            from_ms: row.from_ms,
            to_ms: row.to_ms,
            epoch: row.epoch,
            root: row.root,
            clients: row.clients,
            height: row.height,
        }
    }
}

async fn packages(
    State(hub): State<Arc<Hub>>,
    OriginalUri(uri): OriginalUri,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
    method: Method,
    headers: HeaderMap,
    content: Bytes,
) -> Result<Response, Problem> {
    let asked = Asked {
        method: &method,
        uri: &uri,
        headers: &headers,
        content: &content,
    };
    let reader = reader(&hub, &asked).await.inspect_err(|p| note(&hub, p))?;
    let Query(query) = query.map_err(|e| Problem::bad(e.body_text()))?;
    let topic: TopicName = query
        .topic
        .parse()
        .map_err(|e| Problem::bad(format!("{e}")))?;
    let range = may_fetch(&hub, &reader, &topic).inspect_err(|p| note(&hub, p))?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let rows = hub
        .archive()
        .packages(topic.as_str(), query.after, limit)
        .await
        .map_err(|e| Problem::archive(&e))?;
    let next = (rows.len() == limit as usize)
        .then(|| rows.last().map(|row| row.number))
        .flatten();
    let packages: Vec<Listed> = rows
        .into_iter()
        .filter(|row| range.meets(row))
        .map(Listed::from)
        .collect();
    Ok(Json(serde_json::json!({ "packages": packages, "next": next })).into_response())
}

async fn package(
    State(hub): State<Arc<Hub>>,
    OriginalUri(uri): OriginalUri,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
    content: Bytes,
) -> Result<Response, Problem> {
    let asked = Asked {
        method: &method,
        uri: &uri,
        headers: &headers,
        content: &content,
    };
    let reader = reader(&hub, &asked).await.inspect_err(|p| note(&hub, p))?;
    let (row, range) = find(&hub, &reader, &id)
        .await
        .inspect_err(|p| note(&hub, p))?;
    if !range.holds(row.from_ms, row.to_ms) {
        let detail = "the grant opens only part of this package: fetch its records one by one";
        return Err(Problem::forbidden(detail)).inspect_err(|p| note(&hub, p));
    }
    let records = hub.archive().records(&row).await?;
    let manifest = row
        .manifest(hub.client())
        .map_err(|e| Problem::archive(&e))?;
    let records = records
        .into_iter()
        .map(|record| Blob(record.bytes))
        .collect();
    let body = encode(&Package { manifest, records });
    hand_out(&hub, &reader, &row, None, body).await
}

async fn record(
    State(hub): State<Arc<Hub>>,
    OriginalUri(uri): OriginalUri,
    Path((id, index)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    content: Bytes,
) -> Result<Response, Problem> {
    let asked = Asked {
        method: &method,
        uri: &uri,
        headers: &headers,
        content: &content,
    };
    let reader = reader(&hub, &asked).await.inspect_err(|p| note(&hub, p))?;
    let index: u64 = index
        .parse()
        .map_err(|_| Problem::bad("the record's index isn't a number"))?;
    let (row, range) = find(&hub, &reader, &id)
        .await
        .inspect_err(|p| note(&hub, p))?;
    let records = hub.archive().records(&row).await?;
    let at = usize::try_from(index).unwrap_or(usize::MAX);
    let leaves: Vec<Sm3Digest> = records.iter().map(|record| record.leaf).collect();
    let (Some(found), Some(path)) = (records.into_iter().nth(at), merkle::path(&leaves, at)) else {
        return Err(Problem::not_found(format!(
            "the package has {} records, from 0",
            row.count
        )));
    };
    let received_ms = found.message.received_ms;
    if !range.holds(received_ms, received_ms) {
        let detail = "the record lies outside the time range of the grant";
        return Err(Problem::forbidden(detail)).inspect_err(|p| note(&hub, p));
    }
    let manifest = row
        .manifest(hub.client())
        .map_err(|e| Problem::archive(&e))?;
    let body = encode(&PackagedRecord {
        manifest,
        index,
        record: Blob(found.bytes),
        path,
    });
    hand_out(&hub, &reader, &row, Some(index), body).await
}

/// The package, if the reader may read its topic. That a package is here is no secret: its anchor is
/// on the ledger.
async fn find(hub: &Hub, reader: &Reader, id: &str) -> Result<(PackageRow, Range), Problem> {
    let id: PackageId = id
        .parse()
        .map_err(|e| Problem::bad(format!("the package id can't be read: {e}")))?;
    let row = hub
        .archive()
        .package(&id.0)
        .await
        .map_err(|e| Problem::archive(&e))?;
    let row = row.ok_or_else(|| Problem::not_found(format!("no package {id} here")))?;
    let topic: TopicName = row.topic.parse().map_err(|e| Problem::archive(&e))?;
    let range = may_fetch(hub, reader, &topic)?;
    Ok((row, range))
}

/// Record the retrieval, on disk, then answer.
async fn hand_out(
    hub: &Hub,
    reader: &Reader,
    row: &PackageRow,
    record: Option<u64>,
    body: Vec<u8>,
) -> Result<Response, Problem> {
    let retrieval = Retrieval {
        package: row.package_id(),
        reader: reader.client.clone(),
        request: reader.request,
        digest: sm3(&[&body]),
        time_ms: now_ms(),
    };
    let recorded = match hub
        .archive()
        .enqueue(Kind::Retrieval, encode(&retrieval))
        .await
    {
        Ok(pending) => pending.durable().await,
        Err(error) => Err(error),
    };
    recorded.map_err(|e| Problem::archive(&e))?;
    hub.metrics().retrievals.add(1);
    let client = reader.client.clone();
    hub.tell(Story::Retrieved {
        client,
        package: row.package_id(),
        record,
    });
    Ok(([(header::CONTENT_TYPE, "application/cbor")], body).into_response())
}

/// Count and tell a refusal.
fn note(hub: &Hub, problem: &Problem) {
    hub.metrics().retrievals_refused.add(1);
    let client = problem
        .claimed
        .as_ref()
        .map_or_else(|| "unknown".into(), ToString::to_string);
    hub.tell(Story::RetrievalRefused {
        client,
        reason: problem.detail.clone(),
    });
}
