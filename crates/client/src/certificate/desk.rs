//! An organisation's enrolment desk, as a client sees it: the requests, the answers, and a client for
//! them. The service itself is the crate `sealwire-desk`.
//!
//! | Request | Body | Answer |
//! |---|---|---|
//! | `GET /v1/desk` | | [`DeskInfo`] |
//! | `POST /v1/enrolments` | [`EnrolmentRequest`] | [`Issued`] |
//! | `POST /v1/renewals` | [`RenewalRequest`], with `Authorization: SM2 …` by the present key | [`Issued`] |
//!
//! Bodies are JSON, refusals `application/problem+json` (RFC 9457). The channel needs no secrecy: a
//! request and a certificate are public, a proof is for one key only. Whoever sits between can keep an
//! answer back and nothing else.

use std::time::Duration;

use reqwest::header;
use sealwire_envelope::{
    ChainId, EnrolmentProof, OrgId,
    login::{LOGIN_VERSION, RequestBody, SignedRequest},
};
use sealwire_sm::{Certificate, Request, cert::CertificateError, sm3};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    identity::{Identity, Peers},
    ledger::{
        Problem,
        http::{self, Answer},
    },
    token::now_s,
};

/// Path of what a desk says about itself.
pub const DESK_PATH: &str = "/v1/desk";
/// Path for enrolling.
pub const ENROLMENTS_PATH: &str = "/v1/enrolments";
/// Path for renewing.
pub const RENEWALS_PATH: &str = "/v1/renewals";
/// Longest body of a request, in bytes.
pub const BODY_MAX_BYTES: usize = 32 * 1024;

/// Time for connecting to a desk.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// Attempts while a desk is away or busy.
const ATTEMPTS: u32 = 6;
/// First pause before trying again; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(200);

/// What a desk says about itself. Nothing of it is believed that isn't in genesis or proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskInfo {
    /// Whose it is.
    pub org: OrgId,
    /// Which ledger it registers on.
    pub chain: ChainId,
    /// The organisation's root certificate, PEM.
    pub root: String,
    /// Where the rest of the system is.
    pub peers: Peers,
}

/// Asks for a certificate, by a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// The certificate request (PKCS#10), PEM.
    pub csr: String,
    /// That its maker holds the code.
    pub proof: EnrolmentProof,
}

/// Asks for the next certificate. Who asks is in the `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalRequest {
    /// The certificate request (PKCS#10) with the next key, PEM.
    pub csr: String,
}

/// What the desk issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The certificate, PEM.
    pub certificate: String,
    /// The block that registered it; none for a renewal, which its holder registers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
}

/// The desk couldn't answer, or answered no.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The address isn't one.
    #[error("'{url}' isn't a desk's address like http://host:port: {detail}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong.
        detail: String,
    },
    /// It can't be reached.
    #[error("the enrolment desk {url} is away: {detail}")]
    Away {
        /// Where.
        url: String,
        /// What happened.
        detail: String,
    },
    /// It is busy, or its ledger is.
    #[error("the enrolment desk is busy: {0}")]
    Busy(Problem),
    /// It refused.
    #[error("the enrolment desk refused: {0}")]
    Refused(Problem),
    /// Its answer can't be read.
    #[error("the enrolment desk {url} answered nonsense: {detail}")]
    Nonsense {
        /// Where.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It is another ledger's.
    #[error("the enrolment desk {url} is of another ledger ({chain}) than the genesis file")]
    OtherChain {
        /// Where.
        url: String,
        /// Which ledger.
        chain: ChainId,
    },
}

impl DeskError {
    /// Whether trying again later can help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Busy(_))
    }
}

/// An enrolment desk.
#[derive(Clone, Debug)]
pub struct Desk {
    http: reqwest::Client,
    url: String,
    attempts: u32,
}

impl Desk {
    /// The desk at `http://host:port`.
    ///
    /// # Errors
    /// [`DeskError::Address`].
    pub fn new(url: &str) -> Result<Self, DeskError> {
        let wrong = |detail: String| DeskError::Address {
            url: url.to_owned(),
            detail,
        };
        let parsed = reqwest::Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if parsed.scheme() != "http" || parsed.host().is_none() {
            return Err(wrong("the scheme must be http".to_owned()));
        }
        Ok(Self {
            http: http::client(CONNECT_MAX, None).map_err(wrong)?,
            url: url.trim_end_matches('/').to_owned(),
            attempts: ATTEMPTS,
        })
    }

    /// Gives up after so many attempts.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it says about itself; `chain` is the ledger of the pinned genesis.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn info(&self, chain: ChainId) -> Result<DeskInfo, DeskError> {
        let url = format!("{}{DESK_PATH}", self.url);
        let info: DeskInfo = self.ask(|| self.http.get(&url)).await?;
        if info.chain != chain {
            let (url, chain) = (self.url.clone(), info.chain);
            return Err(DeskError::OtherChain { url, chain });
        }
        Ok(info)
    }

    /// Enrols; asks again while the desk is away or busy, because it answers the same for the same key.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn enrol(&self, request: &EnrolmentRequest) -> Result<Certificate, DeskError> {
        let url = format!("{}{ENROLMENTS_PATH}", self.url);
        let body = to_json(request);
        let issued = self
            .ask(|| json_post(self.http.post(&url), body.clone()))
            .await?;
        self.certificate(&issued)
    }

    /// Asks for the next certificate, for the key in `request`.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn renew(
        &self,
        identity: &Identity,
        request: &Request,
    ) -> Result<Certificate, DeskError> {
        let url = format!("{}{RENEWALS_PATH}", self.url);
        let body = to_json(&RenewalRequest {
            csr: request.to_pem(),
        });
        let issued = self
            .ask(|| {
                // Signed anew each time: a signed request is good once.
                let signed = sign(identity, &body).to_header();
                json_post(self.http.post(&url), body.clone()).header(header::AUTHORIZATION, signed)
            })
            .await?;
        self.certificate(&issued)
    }

    fn certificate(&self, issued: &Issued) -> Result<Certificate, DeskError> {
        let read = Certificate::from_pem(&issued.certificate);
        read.map_err(|error: CertificateError| self.nonsense(error.to_string()))
    }

    fn nonsense(&self, detail: String) -> DeskError {
        let url = self.url.clone();
        DeskError::Nonsense { url, detail }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> reqwest::RequestBuilder,
    ) -> Result<T, DeskError> {
        let (mut pause, mut left) = (PAUSE_FIRST, self.attempts);
        loop {
            left = left.saturating_sub(1);
            match self.ask_once(request()).await {
                Err(error) if error.may_pass() && left > 0 => {
                    tracing::debug!(%error, "asking the desk again");
                    tokio::time::sleep(pause.mul_f64(0.5 + 0.5 * rand::random::<f64>())).await;
                    pause *= 2;
                }
                result => return result,
            }
        }
    }

    async fn ask_once<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, DeskError> {
        let away = |detail| DeskError::Away {
            url: self.url.clone(),
            detail,
        };
        let response = request.send().await;
        let response = response.map_err(|error| away(http::describe(&error)))?;
        match http::read(response, ANSWER_MAX_BYTES).await.map_err(away)? {
            Answer::Body(body) => {
                serde_json::from_slice(&body).map_err(|error| self.nonsense(error.to_string()))
            }
            Answer::Problem(problem) if problem.is_busy() => Err(DeskError::Busy(problem)),
            Answer::Problem(problem) => Err(DeskError::Refused(problem)),
        }
    }
}

fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data")
}

fn json_post(request: reqwest::RequestBuilder, body: Vec<u8>) -> reqwest::RequestBuilder {
    request
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
}

fn sign(identity: &Identity, body: &[u8]) -> SignedRequest {
    let body = RequestBody {
        version: LOGIN_VERSION,
        chain: identity.chain(),
        client: identity.client().clone(),
        certificate: identity.certificate_id(),
        method: "POST".to_owned(),
        target: RENEWALS_PATH.to_owned(),
        content: sm3(&[body]),
        time_s: now_s(),
        nonce: rand::random(),
    };
    SignedRequest::sign(body, identity.key())
}
