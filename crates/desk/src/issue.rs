//! What is issued to whom: the desk's rules, over the ledger.

use std::sync::Arc;

use axum::http::StatusCode;
use sealwire_client::{
    Identity, Ledger,
    certificate::desk::RENEWALS_PATH,
    ledger::{CallError, LedgerError},
    operator,
};
use sealwire_contracts::{
    Code,
    entry::{CertificateEntry, CertificateStatus, EnrolmentEntry, EnrolmentStatus},
    renewal_opens_s,
};
use sealwire_envelope::{
    CertId, ClientId, EnrolmentProof, OrgId, Template,
    login::{LOGIN_VERSION, REQUEST_MAX_AGE_S, SignedRequest},
};
use sealwire_sm::{Certificate, PublicKey, Request, Role, SecretKey, sm3};

use crate::{DEFAULT_VALIDITY_S, Deed, now_ms};

/// How long before now a certificate begins at most, in seconds: clocks differ.
const BACKDATE_S: u64 = 3_600;
/// Part of the validity that may lie before now.
const BACKDATE_PART: u64 = 10;

/// Why the desk says no. The caller is told all of it: none of it is secret.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    pub(crate) why: String,
    pub(crate) client: Option<ClientId>,
    /// Number of the contract's code, where the ledger refused.
    pub(crate) code: Option<u16>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, kind: &'static str, why: impl ToString) -> Self {
        Self {
            status,
            kind,
            why: why.to_string(),
            client: None,
            code: None,
        }
    }

    fn of(mut self, client: &ClientId) -> Self {
        self.client = Some(client.clone());
        self
    }
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        let why = format!("{error}: ask again");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ledger", why)
    }
}

fn conflict(kind: &'static str, why: impl ToString) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, kind, why)
}

fn forbidden(kind: &'static str, why: impl ToString) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, kind, why)
}

/// What is given.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) deed: Deed,
    pub(crate) client: ClientId,
    pub(crate) certificate: Certificate,
    pub(crate) height: Option<u64>,
}

/// The organisation's root, its operator, and the ledger.
pub(crate) struct Issuer {
    pub(crate) root_key: SecretKey,
    pub(crate) root: Certificate,
    pub(crate) operator: Identity,
    pub(crate) ledger: Arc<Ledger>,
}

impl Issuer {
    pub(crate) fn org(&self) -> OrgId {
        self.operator.client().org()
    }

    fn check_own(&self, client: &ClientId) -> Result<(), Refusal> {
        let own = self.org();
        if client.org() == own {
            return Ok(());
        }
        let why = format!("this is the desk of '{own}', {client} belongs to another organisation");
        Err(forbidden("other-organisation", why).of(client))
    }

    /// A certificate for whoever holds a code.
    pub(crate) async fn enrol(
        &self,
        request: &Request,
        proof: &EnrolmentProof,
    ) -> Result<Given, Refusal> {
        let opened = self.ledger.enrolment(&proof.enrolment).await?;
        let opened = opened.ok_or_else(|| {
            let id = proof.enrolment;
            let why = format!("no enrolment {id} was opened: check the code and its organisation");
            Refusal::new(StatusCode::NOT_FOUND, "unknown-enrolment", why)
        })?;
        let client = opened.client.clone();
        self.check_own(&client)?;
        let code = PublicKey::from_sec1(&opened.key);
        let code = code.map_err(|_| conflict("enrolment", "its key can't be read").of(&client))?;
        let chain = self.operator.chain();
        let signed = proof.verify(&chain, &client, &request.public_key, &code);
        signed.map_err(|_| {
            let why = "the code's key didn't sign for the key of this certificate request";
            forbidden("proof", why).of(&client)
        })?;
        check_subject(request, &client, opened.role)?;
        if let Some(given) = self.given_before(&opened, request).await? {
            return Ok(given);
        }
        let status = opened.status(now_ms() / 1000);
        if status != EnrolmentStatus::Open {
            let status = status.as_str();
            let why =
                format!("the enrolment of {client} is {status}: an operator must open another");
            return Err(conflict("enrolment", why).of(&client));
        }
        let certificate = self
            .issue(&client, opened.role, &request.public_key)
            .await?;
        let proof = Some(proof.clone());
        let call = operator::register_enrolled(&self.ledger, &self.operator, &certificate, proof);
        match call.await {
            Ok(applied) => Ok(Given {
                deed: Deed::Enrolled,
                client,
                certificate,
                height: Some(applied.height),
            }),
            Err(error) => {
                self.refused(error, proof_id(&opened), request, &client)
                    .await
            }
        }
    }

    /// The ledger didn't take a certificate: perhaps because an earlier request of the same device was
    /// served meanwhile.
    async fn refused(
        &self,
        error: CallError,
        enrolment: sealwire_envelope::EnrolmentId,
        request: &Request,
        client: &ClientId,
    ) -> Result<Given, Refusal> {
        if let Some(opened) = self.ledger.enrolment(&enrolment).await?
            && let Some(given) = self.given_before(&opened, request).await?
        {
            return Ok(given);
        }
        let mut refusal = match &error {
            CallError::Refused {
                code: Code::ClientHasCertificate,
                ..
            } => {
                let why = format!(
                    "{client} has a certificate that counts or is suspended: an operator must revoke it first"
                );
                conflict("has-certificate", why)
            }
            CallError::Refused { .. } => conflict("ledger-refused", &error),
            _ => {
                let why = format!("{error}: ask again");
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ledger", why)
            }
        };
        if let CallError::Refused { code, .. } = error {
            refusal.code = Some(code.number());
        }
        Err(refusal.of(client))
    }

    /// The certificate that this enrolment was used for, if it is for the same key.
    async fn given_before(
        &self,
        opened: &EnrolmentEntry,
        request: &Request,
    ) -> Result<Option<Given>, Refusal> {
        let Some(used) = &opened.used else {
            return Ok(None);
        };
        let entry = self.ledger.certificate(&used.certificate).await?;
        let same = entry.filter(|it| it.public_key.as_ref() == request.public_key.as_bytes());
        let Some(entry) = same else {
            let why = format!(
                "the enrolment was used already, for another key: an operator must open another for {}",
                opened.client
            );
            return Err(conflict("enrolment", why).of(&opened.client));
        };
        let certificate = Certificate::from_der(&entry.der);
        let certificate = certificate.map_err(|error| conflict("certificate", error))?;
        Ok(Some(Given {
            deed: Deed::Repeated,
            client: opened.client.clone(),
            certificate,
            height: Some(used.at.height),
        }))
    }

    /// The next certificate for a client, which its holder registers.
    pub(crate) async fn renew(
        &self,
        request: &Request,
        signed: &SignedRequest,
        body: &[u8],
    ) -> Result<Given, Refusal> {
        let client = signed.body.client.clone();
        let present = self
            .present(signed, body)
            .await
            .map_err(|it| it.of(&client))?;
        check_subject(request, &client, present.role)?;
        let template = self.template(&client, present.role).await?;
        let opens_s = renewal_opens_s(present.not_before_s, present.not_after_s, template.as_ref());
        let now_s = now_ms() / 1000;
        if now_s < opens_s {
            let why = format!(
                "too early: it may be renewed from Unix second {opens_s} on, in {} s",
                opens_s - now_s
            );
            return Err(conflict("too-early", why).of(&client));
        }
        let certificate = self
            .issue(&client, present.role, &request.public_key)
            .await?;
        if certificate.not_after_s <= present.not_after_s {
            let why = "the next certificate wouldn't last longer than the present one: \
                       the organisation's template or root allows no more";
            return Err(conflict("no-longer", why).of(&client));
        }
        Ok(Given {
            deed: Deed::Renewed,
            client,
            certificate,
            height: None,
        })
    }

    /// The client's present certificate, if it signed this request just now.
    async fn present(
        &self,
        signed: &SignedRequest,
        content: &[u8],
    ) -> Result<CertificateEntry, Refusal> {
        let body = &signed.body;
        let unsigned = |why: &str| Refusal::new(StatusCode::UNAUTHORIZED, "request-signature", why);
        if body.version != LOGIN_VERSION || body.chain != self.operator.chain() {
            return Err(unsigned(
                "the request is signed for another ledger or version",
            ));
        }
        if body.method != "POST" || body.target != RENEWALS_PATH || body.content != sm3(&[content])
        {
            return Err(unsigned("the signature is over another request"));
        }
        if body.time_s.abs_diff(now_ms() / 1000) > REQUEST_MAX_AGE_S {
            return Err(unsigned(
                "the signature is too old or too new: set the device's clock",
            ));
        }
        self.check_own(&body.client)?;
        let held = self.ledger.client(&body.client).await?;
        let held =
            held.ok_or_else(|| forbidden("unknown-client", "the client isn't registered"))?;
        let key = PublicKey::from_sec1(&held.certificate.public_key);
        let by = key.is_ok_and(|key| signed.verify(&key).is_ok());
        if held.certificate_id != body.certificate || !by {
            return Err(unsigned(
                "it isn't signed by the client's present certificate",
            ));
        }
        match held.certificate.status(now_ms() / 1000) {
            CertificateStatus::Live => Ok(held.certificate),
            status => {
                let why = format!("the certificate is {status}: an operator must help");
                Err(forbidden("not-live", why))
            }
        }
    }

    async fn template(&self, client: &ClientId, role: Role) -> Result<Option<Template>, Refusal> {
        let entry = self.ledger.template(&client.org(), role).await?;
        Ok(entry.map(|entry| entry.template))
    }

    /// Makes a certificate; the ledger doesn't know it yet.
    async fn issue(
        &self,
        client: &ClientId,
        role: Role,
        key: &PublicKey,
    ) -> Result<Certificate, Refusal> {
        let template = self.template(client, role).await?;
        let validity_s = template.map_or(DEFAULT_VALIDITY_S, |it| it.validity_max_s);
        let (from_s, to_s) = validity(now_ms() / 1000, validity_s, self.root.not_after_s);
        let (root_key, root) = (&self.root_key, &self.root);
        let made = operator::issue(root_key, root, key, client, role, from_s, to_s);
        made.map_err(|error| conflict("certificate", error).of(client))
    }
}

fn proof_id(opened: &EnrolmentEntry) -> sealwire_envelope::EnrolmentId {
    sealwire_envelope::EnrolmentId(sm3(&[&opened.key]))
}

/// From a little before now, for at most `validity_s`, and not beyond the root.
fn validity(now_s: u64, validity_s: u64, root_not_after_s: u64) -> (u64, u64) {
    let before_s = BACKDATE_S.min(validity_s / BACKDATE_PART);
    let from_s = now_s.saturating_sub(before_s);
    (from_s, (from_s + validity_s).min(root_not_after_s))
}

/// A request names whom the ledger says; else something is mixed up, and a person should know.
fn check_subject(request: &Request, client: &ClientId, role: Role) -> Result<(), Refusal> {
    let fits = request.name == client.as_str()
        && request.role == role
        && request.organisation == client.org().as_str();
    if fits {
        return Ok(());
    }
    let why = format!(
        "the certificate request names {} of '{}' as {}, expected {client} as {role}",
        request.name, request.organisation, request.role
    );
    Err(conflict("subject", why).of(client))
}

/// What an event says of a certificate.
pub(crate) fn id_of(certificate: &Certificate) -> CertId {
    CertId(certificate.id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_is_as_long_as_allowed_and_now_is_in_it() {
        let now_s = 1_800_000_000;
        for validity_s in [3_600, 86_400, DEFAULT_VALIDITY_S] {
            let (from_s, to_s) = validity(now_s, validity_s, u64::MAX);
            assert_eq!(to_s - from_s, validity_s);
            assert!(from_s < now_s && to_s > now_s + validity_s / 2);
            assert!(now_s - from_s <= BACKDATE_S);
        }
        let (_, to_s) = validity(now_s, DEFAULT_VALIDITY_S, now_s + 5);
        assert_eq!(to_s, now_s + 5);
    }
}
