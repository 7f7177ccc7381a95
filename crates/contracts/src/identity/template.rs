//! Templates: what an organisation allows of certificates of one role.

use sealwire_envelope::{SetTemplate, Template};
use sealwire_sm::cert::Role;

use crate::context::{Context, Stop, ensure};
use crate::entry::{CertificateEntry, TemplateEntry};
use crate::identity::check_registrable;
use crate::keys;
use crate::limits::{VALIDITY_MAX_S_MAX, VALIDITY_MAX_S_MIN};
use crate::state::{Fault, Read};

pub(crate) fn set<R: Read>(ctx: &mut Context<'_, R>, call: &SetTemplate) -> Result<(), Stop> {
    ctx.allow(&[Role::Operator])?;
    check_registrable(call.role)?;
    let Template {
        validity_max_s,
        renewal_s,
    } = call.template;
    ensure!(
        (VALIDITY_MAX_S_MIN..=VALIDITY_MAX_S_MAX).contains(&validity_max_s),
        TemplateInvalid,
        "validity {validity_max_s} s, must be {VALIDITY_MAX_S_MIN} to {VALIDITY_MAX_S_MAX}"
    );
    ensure!(
        renewal_s <= validity_max_s,
        TemplateInvalid,
        "renewal {renewal_s} s before the end, validity at most {validity_max_s}"
    );
    let entry = TemplateEntry {
        template: call.template,
        at: ctx.block.moment(),
        by: ctx.sender.client.clone(),
    };
    ctx.put(keys::template(&ctx.sender.org(), call.role), &entry);
    Ok(())
}

/// What the certificate's organisation allows of its role, if it said so.
pub(super) fn of<R: Read>(
    ctx: &Context<'_, R>,
    certificate: &CertificateEntry,
) -> Result<Option<Template>, Fault> {
    let key = keys::template(&certificate.client.org(), certificate.role);
    let entry: Option<TemplateEntry> = ctx.entry(&key)?;
    Ok(entry.map(|entry| entry.template))
}

/// Whether a new certificate is no longer valid than its template allows.
pub(super) fn check<R: Read>(ctx: &Context<'_, R>, new: &CertificateEntry) -> Result<(), Stop> {
    if let Some(template) = of(ctx, new)? {
        let (validity_s, most_s) = (new.not_after_s - new.not_before_s, template.validity_max_s);
        ensure!(
            validity_s <= most_s,
            ValidityTooLong,
            "{} as {}: {validity_s} s, at most {most_s}",
            new.client,
            new.role
        );
    }
    Ok(())
}
