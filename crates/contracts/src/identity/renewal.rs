//! Renewal: a client replaces its own certificate.

use sealwire_envelope::{CertId, Template};

use crate::context::{Context, Stop, ensure};
use crate::entry::CertificateEntry;
use crate::identity::{REGISTRABLE, candidate, install, revocation, template};
use crate::keys;
use crate::state::{Fault, Read};

/// Why a certificate that was renewed doesn't count any more: the reason of its revocation.
pub fn superseded(by: &CertId) -> String {
    format!("superseded by {}", by.0)
}

/// The first Unix second at which a certificate may be renewed by its holder: `renewal_s` of its
/// organisation's template before its end, or its last third where there is none.
pub fn renewal_opens_s(not_before_s: u64, not_after_s: u64, template: Option<&Template>) -> u64 {
    let validity_s = not_after_s.saturating_sub(not_before_s);
    let renewal_s = template.map_or(validity_s / 3, |template| template.renewal_s);
    not_after_s.saturating_sub(renewal_s)
}

pub(crate) fn renew<R: Read>(ctx: &mut Context<'_, R>, der: &[u8]) -> Result<(), Stop> {
    ctx.allow(REGISTRABLE)?;
    let (id, new) = candidate(ctx, der)?;
    let old_key = keys::certificate(&ctx.sender.certificate);
    let old: CertificateEntry = ctx.entry(&old_key)?.ok_or_else(|| Fault::Corrupt {
        key: old_key.clone(),
    })?;
    check_successor(ctx, &old, &new)?;
    let template = template::of(ctx, &old)?;
    let opens_s = renewal_opens_s(old.not_before_s, old.not_after_s, template.as_ref());
    ensure!(
        ctx.block.time_s() >= opens_s,
        RenewalTooEarly,
        "from Unix second {opens_s} on"
    );
    let ended = CertificateEntry {
        revoked: Some(revocation(ctx, &superseded(&id))),
        ..old.clone()
    };
    ctx.amend(old_key, Some(&old), &ended);
    install(ctx, id, &new)
}

fn check_successor<R: Read>(
    ctx: &Context<'_, R>,
    old: &CertificateEntry,
    new: &CertificateEntry,
) -> Result<(), Stop> {
    ensure!(
        new.client == old.client && new.role == old.role,
        RenewalMismatch,
        "it is for {} as {}, the sender is {} as {}",
        new.client,
        new.role,
        old.client,
        old.role
    );
    ensure!(
        new.not_after_s > old.not_after_s,
        RenewalMismatch,
        "it ends at Unix second {}, the old one at {}",
        new.not_after_s,
        old.not_after_s
    );
    // The old one ends with this call: a gap would lock the client out.
    ensure!(
        new.not_before_s <= ctx.block.time_s(),
        RenewalMismatch,
        "it begins at Unix second {}, now is {}",
        new.not_before_s,
        ctx.block.time_s()
    );
    Ok(())
}
