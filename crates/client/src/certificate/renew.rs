//! Renewing one's own certificate.

use sealwire_contracts::entry::CertificateStatus;
use sealwire_envelope::{Blob, Call, CertId, RenewCertificate};
use sealwire_sm::{Certificate, Request};

use super::{Desk, LifeError, check_issued, standing};
use crate::{
    identity::{Identity, pending::Pending},
    ledger::{CallError, Ledger},
};

/// What renewing gave.
#[derive(Debug)]
pub struct Renewed {
    /// With the next key and certificate, and the old key as [`Identity::previous`]. Make a new keyring of
    /// it, and give that to the sessions ([`crate::mqtt::Session::renew`]).
    pub identity: Identity,
    /// The certificate that it replaces.
    pub replaced: CertId,
    /// The block that swapped them; none when an attempt before had done it.
    pub height: Option<u64>,
}

/// Renews an identity's certificate: a new key beside the old one, a certificate for it from the desk, the
/// swap on the ledger, the swap in the home.
///
/// Do it again after any failure: it goes on where it was. The old certificate counts until the ledger has
/// taken the new one.
///
/// # Errors
/// [`LifeError`]; the desk and the ledger refuse before the renewal window.
pub async fn renew(
    identity: &Identity,
    ledger: &Ledger,
    desk: &Desk,
    passphrase: Option<&str>,
) -> Result<Renewed, LifeError> {
    let home = identity.home().ok_or(LifeError::NoHome)?.to_owned();
    let pending = Pending::new(&home, passphrase);
    let under_way = || LifeError::UnderWay { home: home.clone() };
    let _lock = pending.lock()?.ok_or_else(under_way)?;
    // Another process may have renewed since the caller loaded it.
    let present = Identity::load(&home, passphrase)?;
    let replaced = identity.certificate_id();
    if present.certificate_id() != replaced {
        let (identity, height) = (present, None);
        return Ok(Renewed {
            identity,
            replaced,
            height,
        });
    }
    let next = next_certificate(&present, &pending, desk).await?;
    let height = register(&present, ledger, &pending, &next).await?;
    pending.swap()?;
    let identity = Identity::load(&home, passphrase)?;
    Ok(Renewed {
        identity,
        replaced,
        height,
    })
}

/// The certificate for the next key: from an attempt before, or from the desk.
async fn next_certificate(
    identity: &Identity,
    pending: &Pending<'_>,
    desk: &Desk,
) -> Result<Certificate, LifeError> {
    let key = pending.next_key()?;
    let (client, role) = (identity.client(), identity.certificate().role);
    let check =
        |next: &Certificate| check_issued(identity.genesis(), next, client, role, key.public_key());
    if let Some(next) = pending.next_certificate()? {
        match check(&next) {
            Ok(()) => return Ok(next),
            Err(error) => tracing::warn!(%error, "asking the desk anew"),
        }
    }
    let request = Request::sign(&key, client.org().as_str(), role, client.as_str())?;
    let next = desk.renew(identity, &request).await?;
    check(&next)?;
    if next.not_after_s <= identity.certificate().not_after_s {
        return Err(LifeError::OtherCertificate {
            client: client.clone(),
            what: "it doesn't last longer than the present one",
        });
    }
    pending.save_next_certificate(&next)?;
    Ok(next)
}

/// Has the ledger swap the certificates, unless it has; the height of that block, if it is new.
async fn register(
    identity: &Identity,
    ledger: &Ledger,
    pending: &Pending<'_>,
    next: &Certificate,
) -> Result<Option<u64>, LifeError> {
    let id = CertId(next.id());
    let is_live = async || {
        let standing = standing(ledger, id, None).await?;
        Ok::<_, LifeError>(standing.status == CertificateStatus::Live)
    };
    if is_live().await? {
        return Ok(None);
    }
    let der = Blob(next.der().to_vec());
    let call = Call::RenewCertificate(RenewCertificate { der });
    match ledger.call(identity, call).await {
        Ok(applied) => Ok(Some(applied.height)),
        Err(error) => {
            // An attempt whose outcome got lost may have been applied.
            if is_live().await? {
                return Ok(None);
            }
            if matches!(error, CallError::Refused { .. }) {
                pending.forget_next_certificate()?;
            }
            Err(error.into())
        }
    }
}
