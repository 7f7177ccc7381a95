//! Errors as `application/problem+json` (RFC 9457).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{mempool::SubmitError, state::StateError};

/// Media type of every error.
pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable name of the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This case in words, and what to do.
    pub detail: String,
    /// Number of the contract's code, when a contract refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: impl ToString) -> Self {
        Self {
            kind: format!("urn:sealwire:problem:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.to_string(),
            code: None,
        }
    }

    /// An argument isn't what it should be.
    pub fn argument(detail: impl ToString) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "argument",
            "The request can't be read",
            detail,
        )
    }

    /// There is no such thing.
    pub fn not_found(detail: impl ToString) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing",
            detail,
        )
    }

    /// Something is away or full for the moment.
    pub fn unavailable(kind: &str, title: &str, detail: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail)
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let detail = error.to_string();
        match error {
            SubmitError::Malformed(_) => Self::new(
                StatusCode::BAD_REQUEST,
                "malformed",
                "The body isn't a transaction",
                detail,
            ),
            SubmitError::Refused(outcome) => Self {
                code: Some(outcome.code.number()),
                ..Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "refused",
                    "The ledger would refuse the transaction",
                    detail,
                )
            },
            SubmitError::Signature => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "signature",
                "The signature is wrong",
                detail,
            ),
            SubmitError::Pending(_) | SubmitError::Final(_) => Self::new(
                StatusCode::CONFLICT,
                "duplicate",
                "The transaction was sent before",
                detail,
            ),
            SubmitError::Busy(_) => Self::unavailable("busy", "The mempool is full", detail),
            SubmitError::Starting => {
                Self::unavailable("starting", "The ledger isn't ready yet", detail)
            }
            SubmitError::Away(_) => Self::unavailable("away", "No validator answers", detail),
            SubmitError::Damaged => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "damaged",
                "The node's state is damaged",
                detail,
            ),
            SubmitError::Remote(problem) => *problem,
        }
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "state", "The node's state can't be read", error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static(CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
