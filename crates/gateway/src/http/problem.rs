//! Errors as RFC 9457 has them: `application/problem+json`.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sealwire_archive::PackageError;
use sealwire_envelope::ClientId;
use serde::Serialize;

use crate::{hub::Hub, story::Story};

/// An error as RFC 9457 has it.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip)]
    pub(super) claimed: Option<ClientId>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        kind: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let kind = format!("urn:sealwire:problem:{kind}");
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            claimed: None,
        }
    }

    pub(super) fn unsigned(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "request-signature",
            "The request must be signed",
            detail,
        )
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "no-right",
            "No right to read this",
            detail,
        )
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request can't be understood",
            detail,
        )
    }

    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The content is too large",
            detail,
        )
    }

    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "Too much at once",
            detail,
        )
    }

    /// Under the name of a client, once it is known.
    pub(super) fn by(mut self, client: &ClientId) -> Self {
        self.claimed = Some(client.clone());
        self
    }

    /// Count and tell a refused retrieval.
    pub(super) fn note_retrieval(&self, hub: &Hub) {
        hub.metrics().retrievals_refused.add(1);
        hub.tell(Story::RetrievalRefused {
            client: self.client(),
            reason: self.detail.clone(),
        });
    }

    /// Count and tell a refused request of the compute service.
    pub(super) fn note_computation(&self, hub: &Hub) {
        hub.metrics().compute_requests_refused.add(1);
        hub.tell(Story::ComputationRefused {
            client: self.client(),
            reason: self.detail.clone(),
        });
    }

    fn client(&self) -> String {
        self.claimed
            .as_ref()
            .map_or_else(|| "unknown".into(), ToString::to_string)
    }

    pub(super) fn archive(error: &dyn std::fmt::Display) -> Self {
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
