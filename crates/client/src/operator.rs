//! What an organisation's operator does: issue certificates, register and revoke them.

use sealwire_envelope::{Blob, Call, CertId, ClientId, RegisterCertificate, RevokeCertificate};
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
    let der = Blob(certificate.der().to_vec());
    ledger
        .call(
            operator,
            Call::RegisterCertificate(RegisterCertificate {
                der,
                enrolment: None,
            }),
        )
        .await
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
