//! Enrolments: certificates to be had by a code, once each.

use sealwire_envelope::{CertId, Enrolment, EnrolmentId, EnrolmentProof};
use sealwire_sm::PublicKey;
use sealwire_sm::cert::Role;

use crate::context::{Context, Stop, ensure};
use crate::entry::{CertificateEntry, EnrolmentEntry, EnrolmentUse, Mark};
use crate::identity::{check_own, check_registrable, revocation};
use crate::keys;
use crate::limits::{ENROLMENT_LIFE_S, ENROLMENTS_PER_CALL};
use crate::outcome::Code;
use crate::state::{Fault, Read};

pub(crate) fn open<R: Read>(
    ctx: &mut Context<'_, R>,
    enrolments: &[Enrolment],
) -> Result<(), Stop> {
    ctx.allow(&[Role::Operator])?;
    check_count(enrolments.len())?;
    ctx.touch(enrolments.iter().map(|item| keys::enrolment(&id_of(item))))?;
    for item in enrolments {
        check_own(ctx, &item.client)?;
        check_registrable(item.role)?;
        let now_s = ctx.block.time_s();
        let latest_s = now_s.saturating_add(ENROLMENT_LIFE_S);
        ensure!(
            item.expires_s > now_s && item.expires_s <= latest_s,
            EnrolmentExpiry,
            "{}: at Unix second {}, must be {} to {latest_s}",
            item.client,
            item.expires_s,
            now_s + 1
        );
        let id = id_of(item);
        let key = keys::enrolment(&id);
        ensure!(
            !ctx.exists(&key)?,
            EnrolmentKnown,
            "{}: {}",
            item.client,
            id.0
        );
        let entry = EnrolmentEntry {
            client: item.client.clone(),
            role: item.role,
            key: item.key.to_bytes().to_vec().into(),
            expires_s: item.expires_s,
            opened: ctx.block.moment(),
            by: ctx.sender.client.clone(),
            used: None,
            closed: None,
        };
        ctx.put(key, &entry);
        ctx.put(keys::enrolment_of(&ctx.sender.org(), &id), &Mark {});
    }
    Ok(())
}

pub(crate) fn close<R: Read>(ctx: &mut Context<'_, R>, ids: &[EnrolmentId]) -> Result<(), Stop> {
    ctx.allow(&[Role::Operator])?;
    check_count(ids.len())?;
    ctx.touch(ids.iter().map(keys::enrolment))?;
    for id in ids {
        let mut entry = load(ctx, id)?;
        check_own(ctx, &entry.client)?;
        check_unspent(id, &entry)?;
        entry.closed = Some(revocation(ctx, ""));
        ctx.put(keys::enrolment(id), &entry);
    }
    Ok(())
}

/// Checks that whoever made the proof may have this certificate, and uses the enrolment up.
pub(super) fn redeem<R: Read>(
    ctx: &mut Context<'_, R>,
    proof: &EnrolmentProof,
    certificate: &CertId,
    new: &CertificateEntry,
) -> Result<(), Stop> {
    let id = &proof.enrolment;
    let mut entry = load(ctx, id)?;
    check_own(ctx, &entry.client)?;
    check_unspent(id, &entry)?;
    ensure!(
        entry.expires_s > ctx.block.time_s(),
        EnrolmentExpired,
        "at Unix second {}",
        entry.expires_s
    );
    ensure!(
        entry.client == new.client && entry.role == new.role,
        EnrolmentMismatch,
        "it is for {} as {}, the certificate for {} as {}",
        entry.client,
        entry.role,
        new.client,
        new.role
    );
    let code = key_of(&entry.key, keys::enrolment(id))?;
    let public_key = key_of(&new.public_key, keys::certificate(certificate))?;
    let signed = proof.verify(&ctx.block.chain, &new.client, &public_key, &code);
    ensure!(signed.is_ok(), EnrolmentForged, "{}", new.client);
    entry.used = Some(EnrolmentUse {
        certificate: *certificate,
        at: ctx.block.moment(),
    });
    ctx.put(keys::enrolment(id), &entry);
    Ok(())
}

fn id_of(enrolment: &Enrolment) -> EnrolmentId {
    EnrolmentId::of(&enrolment.key)
}

fn load<R: Read>(ctx: &Context<'_, R>, id: &EnrolmentId) -> Result<EnrolmentEntry, Stop> {
    let entry = ctx.entry(&keys::enrolment(id))?;
    Ok(entry.ok_or_else(|| Code::UnknownEnrolment.because(id.0))?)
}

fn key_of(bytes: &[u8], key: Vec<u8>) -> Result<PublicKey, Fault> {
    PublicKey::from_sec1(bytes).map_err(|_| Fault::Corrupt { key })
}

fn check_unspent(id: &EnrolmentId, entry: &EnrolmentEntry) -> Result<(), Stop> {
    if let Some(used) = &entry.used {
        return Err(Code::EnrolmentUsed
            .because(format_args!("by certificate {}", used.certificate.0))
            .into());
    }
    ensure!(entry.closed.is_none(), EnrolmentClosed, "{}", id.0);
    Ok(())
}

fn check_count(count: usize) -> Result<(), Stop> {
    ensure!(count > 0, BatchEmpty, "no enrolment");
    ensure!(
        count <= ENROLMENTS_PER_CALL,
        BatchTooLarge,
        "{count} enrolments, at most {ENROLMENTS_PER_CALL}"
    );
    Ok(())
}
