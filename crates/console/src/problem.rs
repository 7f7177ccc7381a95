//! Errors as `application/problem+json` (RFC 9457), each with what to do next.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sealwire_client::{
    archive::{FetchError, ReceiptError},
    ledger::{CallError, LedgerError},
    owner::OwnerError,
};
use sealwire_envelope::ClientId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Media type of every error.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable name of the kind: `urn:sealwire:problem:…`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Box<str>,
    /// The kind in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This case in words, and what to do.
    pub detail: String,
    /// Number of the contract's code, when the ledger refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Name of that code, for instance `NotOwner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub code_name: Option<Box<str>>,
    /// The client whose key would be needed and isn't here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<Box<str>>,
    /// The command that does it where that key is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub command: Option<Box<str>>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: impl ToString) -> Self {
        Self {
            kind: format!("urn:sealwire:problem:{kind}").into(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.to_string(),
            code: None,
            code_name: None,
            key: None,
            command: None,
        }
    }

    /// An argument isn't what it should be.
    pub fn argument(detail: impl ToString) -> Self {
        let title = "The request can't be understood";
        Self::new(StatusCode::BAD_REQUEST, "argument", title, detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl ToString) -> Self {
        let title = "There is no such thing";
        Self::new(StatusCode::NOT_FOUND, "not-found", title, detail)
    }

    /// Who asks isn't signed in.
    pub fn signed_out(detail: impl ToString) -> Self {
        let title = "Sign in first";
        Self::new(StatusCode::UNAUTHORIZED, "signed-out", title, detail)
    }

    /// Who asks may not.
    pub fn forbidden(kind: &str, detail: impl ToString) -> Self {
        let title = "This session may not do that";
        Self::new(StatusCode::FORBIDDEN, kind, title, detail)
    }

    /// Something is away or full for the moment.
    pub fn unavailable(kind: &str, detail: impl ToString) -> Self {
        let title = "Not possible at the moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail)
    }

    /// The key that would sign isn't in the console's home.
    pub fn key_missing(client: &ClientId, command: String) -> Self {
        let detail = format!(
            "the key of {client} isn't in this console's home, so it can't sign for it: run the command where \
             the key is"
        );
        Self {
            key: Some(client.as_str().into()),
            command: Some(command.into()),
            ..Self::new(
                StatusCode::CONFLICT,
                "key-missing",
                "The key isn't here",
                detail,
            )
        }
    }

    /// What somebody asked answered doesn't hold; what is told apart by `kind`.
    pub(crate) fn answer(kind: &str, error: impl ToString) -> Self {
        let title = match kind {
            "archive" => "The archive's answer doesn't hold",
            "receipt" => "The receipt doesn't hold",
            _ => "The gateway's answer doesn't hold",
        };
        Self::new(StatusCode::BAD_GATEWAY, kind, title, error)
    }

    fn refused(code: sealwire_contracts::Code, detail: String) -> Self {
        Self {
            code: Some(code.number()),
            code_name: Some(code.name().into()),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "refused",
                "The ledger refused",
                detail,
            )
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            // What a node says of the transaction or question itself.
            LedgerError::Refused(problem) => Self {
                code: problem.code,
                ..Self::new(
                    StatusCode::from_u16(problem.status)
                        .ok()
                        .filter(StatusCode::is_client_error)
                        .unwrap_or(StatusCode::UNPROCESSABLE_ENTITY),
                    "refused",
                    "The ledger refused",
                    problem.detail,
                )
            },
            LedgerError::Unproven { .. } | LedgerError::Nonsense { .. } => Self::new(
                StatusCode::BAD_GATEWAY,
                "unproven",
                "The node's answer doesn't hold",
                error,
            ),
            error => Self::unavailable("ledger-away", error),
        }
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error {
            CallError::Ledger(error) => error.into(),
            CallError::Refused { code, .. } => Self::refused(code, text),
            CallError::Expired { .. } | CallError::Unknown { .. } => {
                Self::unavailable("outcome-unknown", text)
            }
        }
    }
}

impl From<OwnerError> for Problem {
    fn from(error: OwnerError) -> Self {
        match error {
            OwnerError::Call(error) => error.into(),
            OwnerError::Key(sealwire_client::keyring::KeyringError::Ledger(error)) => error.into(),
            error => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "refused",
                "It can't be done",
                error,
            ),
        }
    }
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Refused(problem) => {
                let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
                let title = "The gateway refused";
                Self::new(status, "gateway-refused", title, problem.detail)
            }
            FetchError::Away { .. } => Self::unavailable("gateway-away", error),
            error => Self::answer("archive", error),
        }
    }
}

impl From<ReceiptError> for Problem {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::Ledger(error) => error.into(),
            ReceiptError::NotAnchored { .. } => Self::not_found(error),
            error => Self::answer("receipt", error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
        }
        response
    }
}
