//! Signed requests: who asks, shown by `Authorization: SM2 …`, good once.
//!
//! [`Signed`] is an extractor. It checks version, ledger, method, target, time, certificate and signature
//! before it reads a byte of content; then it reads the content within its route's bound and compares its
//! digest with the signed one. Uploads are bounded in number, too. What it refuses is counted and told as
//! what was asked for.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{HeaderMap, Method, StatusCode, Uri, header},
};
use sealwire_envelope::{
    ClientId, encode,
    login::{LOGIN_VERSION, REQUEST_MAX_AGE_S, SignedRequest},
};
use sealwire_sm::{Sm3Digest, sm3};

use super::problem::Problem;
use crate::{
    hub::Hub,
    login, now_ms,
    replay::{Purpose, Replayed},
};

/// Paths of the compute service.
const COMPUTE: &str = "/v1/compute/";

/// A request whose signature holds.
pub(super) struct Signed {
    /// Who asks.
    pub(super) reader: Reader,
    /// What the request brought along.
    pub(super) content: Bytes,
}

impl FromRequest<Arc<Hub>> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, hub: &Arc<Hub>) -> Result<Self, Problem> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let headers = request.headers().clone();
        let checked = async {
            let asked = Asked {
                method: &method,
                uri: &uri,
                headers: &headers,
            };
            let reader = reader(hub, &asked).await?;
            let by = |problem: Problem| problem.by(&reader.client);
            let room = (method == Method::PUT).then(|| hub.compute().room_for_upload());
            let _room = room
                .transpose()
                .map_err(|detail| by(Problem::busy(detail)))?;
            let read = Bytes::from_request(request, hub).await;
            let content = read.map_err(|rejection| by(unread(rejection)))?;
            if reader.signed.body.content != sm3(&[&content]) {
                return Err(by(Problem::unsigned(
                    "the signature is for another content",
                )));
            }
            Ok(Self { reader, content })
        };
        checked.await.inspect_err(|problem: &Problem| {
            if uri.path().starts_with(COMPUTE) {
                problem.note_computation(hub);
            } else {
                problem.note_retrieval(hub);
            }
        })
    }
}

fn unread(rejection: BytesRejection) -> Problem {
    let detail = rejection.body_text();
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::too_large(detail)
    } else {
        Problem::bad(detail)
    }
}

/// Who asks, and the digest of the request it signed.
pub(super) struct Reader {
    pub(super) client: ClientId,
    pub(super) request: Sm3Digest,
    /// As it was signed.
    pub(super) signed: SignedRequest,
}

struct Asked<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
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
            signed: signed.clone(),
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
