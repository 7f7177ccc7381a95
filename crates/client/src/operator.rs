//! What an organisation's operator does: issue certificates, register, suspend and revoke them; say what
//! is allowed of them; open enrolments.

use sealwire_contracts::limits::ENROLMENTS_PER_CALL;
use sealwire_envelope::{
    Blob, Call, CertId, ClientId, CloseEnrolments, Enrolment, EnrolmentId, EnrolmentProof,
    OpenEnrolments, RegisterCertificate, ResumeCertificate, RevokeCertificate, SetTemplate,
    SuspendCertificate, Template,
};
use sealwire_sm::{
    Certificate, PublicKey, Role, SecretKey,
    cert::{self, CertificateError, Subject},
};

use crate::{
    identity::Identity,
    ledger::{Applied, CallError, Ledger},
};

/// Issues a certificate for `client` with the organisation's root key; the ledger doesn't know it
/// yet, see [`register`].
///
/// # Errors
/// When the root isn't `client`'s organisation's.
pub fn issue(
    root_key: &SecretKey,
    root: &Certificate,
    public_key: &PublicKey,
    client: &ClientId,
    role: Role,
    not_before_s: u64,
    not_after_s: u64,
) -> Result<Certificate, CertificateError> {
    let organisation = client.org();
    let subject = Subject {
        organisation: organisation.as_str(),
        role,
        name: client.as_str(),
        not_before_s,
        not_after_s,
    };
    cert::issue(&mut rand::rng(), root_key, root, public_key, &subject)
}

/// Registers a certificate on the ledger.
///
/// # Errors
/// [`CallError`].
pub async fn register(
    ledger: &Ledger,
    operator: &Identity,
    certificate: &Certificate,
) -> Result<Applied, CallError> {
    register_enrolled(ledger, operator, certificate, None).await
}

/// Registers a certificate, and uses up the enrolment that its holder redeemed for it.
///
/// # Errors
/// [`CallError`].
pub async fn register_enrolled(
    ledger: &Ledger,
    operator: &Identity,
    certificate: &Certificate,
    enrolment: Option<EnrolmentProof>,
) -> Result<Applied, CallError> {
    let der = Blob(certificate.der().to_vec());
    let call = Call::RegisterCertificate(RegisterCertificate { der, enrolment });
    ledger.call(operator, call).await
}

/// Suspends a certificate: as revoked, until it is resumed.
///
/// # Errors
/// [`CallError`].
pub async fn suspend(
    ledger: &Ledger,
    operator: &Identity,
    certificate: CertId,
    reason: &str,
) -> Result<Applied, CallError> {
    let reason = reason.to_owned();
    let call = Call::SuspendCertificate(SuspendCertificate {
        certificate,
        reason,
    });
    ledger.call(operator, call).await
}

/// Ends a suspension.
///
/// # Errors
/// [`CallError`].
pub async fn resume(
    ledger: &Ledger,
    operator: &Identity,
    certificate: CertId,
    reason: &str,
) -> Result<Applied, CallError> {
    let reason = reason.to_owned();
    let call = Call::ResumeCertificate(ResumeCertificate {
        certificate,
        reason,
    });
    ledger.call(operator, call).await
}

/// Sets what the operator's organisation allows of certificates of a role.
///
/// # Errors
/// [`CallError`].
pub async fn set_template(
    ledger: &Ledger,
    operator: &Identity,
    role: Role,
    template: Template,
) -> Result<Applied, CallError> {
    let call = Call::SetTemplate(SetTemplate { role, template });
    ledger.call(operator, call).await
}

/// Opens enrolments, as many as one transaction takes at a time; says of each part how many it holds and
/// that it is applied. Parts that were applied before an error stay applied.
///
/// # Errors
/// [`CallError`].
pub async fn open_enrolments(
    ledger: &Ledger,
    operator: &Identity,
    enrolments: &[Enrolment],
    mut applied: impl FnMut(usize, Applied),
) -> Result<(), CallError> {
    for part in enrolments.chunks(ENROLMENTS_PER_CALL) {
        let enrolments = part.to_vec();
        let call = Call::OpenEnrolments(OpenEnrolments { enrolments });
        applied(part.len(), ledger.call(operator, call).await?);
    }
    Ok(())
}

/// Closes enrolments that weren't used, as [`open_enrolments`] opens them.
///
/// # Errors
/// [`CallError`].
pub async fn close_enrolments(
    ledger: &Ledger,
    operator: &Identity,
    ids: &[EnrolmentId],
    mut applied: impl FnMut(usize, Applied),
) -> Result<(), CallError> {
    for part in ids.chunks(ENROLMENTS_PER_CALL) {
        let enrolments = part.to_vec();
        let call = Call::CloseEnrolments(CloseEnrolments { enrolments });
        applied(part.len(), ledger.call(operator, call).await?);
    }
    Ok(())
}

/// Revokes a certificate: from that block on its holder can't log in, and live sessions end.
///
/// # Errors
/// [`CallError`].
pub async fn revoke(
    ledger: &Ledger,
    operator: &Identity,
    certificate: CertId,
    reason: &str,
) -> Result<Applied, CallError> {
    let reason = reason.to_owned();
    let call = Call::RevokeCertificate(RevokeCertificate {
        certificate,
        reason,
    });
    ledger.call(operator, call).await
}
