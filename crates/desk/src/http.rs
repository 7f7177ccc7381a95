//! The desk's routes. Paths and bodies are those of `sealwire_client::certificate::desk`.

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, FromRequest as _, Request as HttpRequest, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use sealwire_client::certificate::desk::{
    BODY_MAX_BYTES, DESK_PATH, DeskInfo, ENROLMENTS_PATH, EnrolmentRequest, Issued, RENEWALS_PATH,
    RenewalRequest,
};
use sealwire_envelope::login::SignedRequest;
use sealwire_sm::Request;
use serde::de::DeserializeOwned;

use crate::{
    Deed, Event, Shared,
    door::Peer,
    issue::{Given, Refusal, id_of},
    now_ms,
};

type Desk = Arc<Shared>;

pub(crate) fn router(shared: Desk) -> Router {
    Router::new()
        .route(DESK_PATH, get(info))
        .route(ENROLMENTS_PATH, post(enrol))
        .route(RENEWALS_PATH, post(renew))
        .fallback(|| async {
            let why = format!("ask {DESK_PATH}, {ENROLMENTS_PATH} or {RENEWALS_PATH}");
            Refusal::new(StatusCode::NOT_FOUND, "not-found", why)
        })
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// Bounds what an address may ask.
async fn guard(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HttpRequest,
    next: Next,
) -> Response {
    match desk.rates.take(peer.0.ip(), Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(wait_s) => {
            let why = format!(
                "too many requests from {}: ask again in {wait_s} s",
                peer.0.ip()
            );
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too-many", why);
            desk.tell_refusal(peer, &refusal);
            ([(header::RETRY_AFTER, wait_s)], refusal).into_response()
        }
    }
}

async fn info(State(desk): State<Desk>) -> Json<DeskInfo> {
    Json(DeskInfo {
        org: desk.issuer.org(),
        chain: desk.issuer.operator.chain(),
        root: desk.issuer.root.to_pem(),
        peers: desk.peers.clone(),
    })
}

async fn enrol(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HttpRequest,
) -> Response {
    let given = async {
        let body = read(request).await?;
        let asked: EnrolmentRequest = parse(&body)?;
        let request = parse_csr(&asked.csr)?;
        desk.issuer.enrol(&request, &asked.proof).await
    };
    let given = given.await;
    desk.answer(peer, given)
}

async fn renew(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    request: HttpRequest,
) -> Response {
    let given = async {
        let signed = signature(&headers)?;
        let body = read(request).await?;
        let asked: RenewalRequest = parse(&body)?;
        let request = parse_csr(&asked.csr)?;
        desk.issuer.renew(&request, &signed, &body).await
    };
    let given = given.await;
    desk.answer(peer, given)
}

async fn read(request: HttpRequest) -> Result<Bytes, Refusal> {
    Bytes::from_request(request, &()).await.map_err(|refused| {
        let why = format!(
            "{}; at most {BODY_MAX_BYTES} bytes are read",
            refused.body_text()
        );
        Refusal::new(refused.status(), "body", why)
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let why = format!("the body isn't the JSON expected: {error}");
        Refusal::new(StatusCode::BAD_REQUEST, "body", why)
    })
}

fn parse_csr(pem: &str) -> Result<Request, Refusal> {
    Request::from_pem(pem).map_err(|error| {
        let why = match std::error::Error::source(&error) {
            Some(cause) if !error.to_string().contains(&cause.to_string()) => {
                format!("{error}: {cause}")
            }
            _ => error.to_string(),
        };
        Refusal::new(StatusCode::BAD_REQUEST, "csr", why)
    })
}

fn signature(headers: &HeaderMap) -> Result<SignedRequest, Refusal> {
    let unsigned = |why: String| Refusal::new(StatusCode::UNAUTHORIZED, "request-signature", why);
    let value = headers.get(header::AUTHORIZATION);
    let value = value.and_then(|value| value.to_str().ok());
    let value = value.ok_or_else(|| {
        unsigned("a renewal is signed by the present key: 'Authorization: SM2 …'".to_owned())
    })?;
    SignedRequest::from_header(value).map_err(|error| unsigned(error.to_string()))
}

impl Shared {
    fn tell(&self, event: Event) {
        let Event {
            address,
            deed,
            client,
            why,
            ..
        } = &event;
        tracing::info!(%address, ?deed, ?client, why, "desk");
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    fn tell_refusal(&self, peer: Peer, refusal: &Refusal) {
        self.tell(Event {
            time_ms: now_ms(),
            address: peer.0.ip(),
            deed: Deed::Refused,
            client: refusal.client.clone(),
            certificate: None,
            why: refusal.why.clone(),
        });
    }

    /// Tells the operator, then the caller.
    fn answer(&self, peer: Peer, given: Result<Given, Refusal>) -> Response {
        match given {
            Ok(given) => {
                self.tell(Event {
                    time_ms: now_ms(),
                    address: peer.0.ip(),
                    deed: given.deed,
                    client: Some(given.client),
                    certificate: Some(id_of(&given.certificate)),
                    why: String::new(),
                });
                Json(Issued {
                    certificate: given.certificate.to_pem(),
                    height: given.height,
                })
                .into_response()
            }
            Err(refusal) => {
                self.tell_refusal(peer, &refusal);
                refusal.into_response()
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Refused");
        let mut problem = serde_json::json!({
            "type": format!("urn:sealwire:problem:{}", self.kind),
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.why,
        });
        if let Some(code) = self.code {
            problem["code"] = code.into();
        }
        let headers = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status, headers, problem.to_string()).into_response()
    }
}
