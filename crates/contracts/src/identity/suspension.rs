//! Suspension: a certificate that doesn't count until further notice.

use sealwire_envelope::CertId;

use crate::context::{Context, Stop, ensure};
use crate::entry::{CertificateEntry, Suspension};
use crate::identity::{check_not_self, own_certificate, revocation};
use crate::keys;
use crate::limits::SUSPENSIONS_PER_CERTIFICATE;
use crate::outcome::Code;
use crate::state::Read;

pub(crate) fn suspend<R: Read>(
    ctx: &mut Context<'_, R>,
    id: &CertId,
    reason: &str,
) -> Result<(), Stop> {
    let old = own_certificate(ctx, id, reason)?;
    check_not_self(ctx, id)?;
    if let Some(from) = old.suspended() {
        return Err(Code::AlreadySuspended
            .because(format_args!("at height {}", from.at.height))
            .into());
    }
    let count = old.suspensions.len();
    ensure!(
        count < SUSPENSIONS_PER_CERTIFICATE,
        SuspensionsFull,
        "{count} times"
    );
    let mut new = old.clone();
    new.suspensions.push(Suspension {
        from: revocation(ctx, reason),
        until: None,
    });
    ctx.amend(keys::certificate(id), Some(&old), &new);
    Ok(())
}

pub(crate) fn resume<R: Read>(
    ctx: &mut Context<'_, R>,
    id: &CertId,
    reason: &str,
) -> Result<(), Stop> {
    let old: CertificateEntry = own_certificate(ctx, id, reason)?;
    let mut new = old.clone();
    let open = new.suspensions.last_mut().filter(|it| it.until.is_none());
    let open = open.ok_or_else(|| Code::NotSuspended.because(&old.client))?;
    open.until = Some(revocation(ctx, reason));
    ctx.amend(keys::certificate(id), Some(&old), &new);
    Ok(())
}
