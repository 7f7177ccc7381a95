//! Identity: which certificates count.
//!
//! - **RegisterCertificate** (operator): the certificate must be of the operator's own organisation,
//!   signed by that organisation's root of genesis, of a role other than validator, and not expired.
//!   It may begin later. It must not have been registered before, and its client must have no other
//!   certificate that is neither revoked nor expired: one live certificate per client.
//! - **RevokeCertificate** (operator): of a certificate of the operator's own organisation; in force
//!   for every transaction after it, in the same block too. Operators can't revoke themselves, so
//!   that an organisation never revokes its last operator.
//!
//! A revoked certificate stays in state: signatures made before it was revoked stay checkable, and the
//! same certificate can't come back. Grants belong to the client, not to the certificate: whoever
//! renews a certificate keeps them, but must have the epoch keys sealed to the new key.

use sealwire_envelope::{CertId, ClientId};
use sealwire_sm::cert::{Certificate, CertificateError, Role};

use crate::context::{Context, Stop, ensure};
use crate::entry::{
    CertificateEntry, CertificateStatus, ClientEntry, Moment, Organisation, Revocation,
};
use crate::keys;
use crate::limits::REASON_BYTES;
use crate::outcome::Code;
use crate::state::{Fault, Read};

/// Roles that a certificate may be registered with.
const REGISTRABLE: &[Role] = &[Role::Operator, Role::Gateway, Role::Device, Role::User];

pub(crate) fn register<R: Read>(ctx: &mut Context<'_, R>, der: &[u8]) -> Result<(), Stop> {
    ctx.allow(&[Role::Operator])?;
    let certificate = Certificate::from_der(der)
        .map_err(|error| Code::CertificateMalformed.because(wrong_with(&error)))?;
    let entry = entry_of(&certificate, ctx.block.moment()).ok_or_else(|| {
        Code::CertificateMalformed.because("subject's CN isn't a client id of its O")
    })?;
    let org = ctx.sender.org();
    ensure!(
        entry.client.org() == org,
        OtherOrganisation,
        "{}",
        entry.client
    );
    ensure!(
        REGISTRABLE.contains(&entry.role),
        RoleNotRegistrable,
        "{}",
        entry.role.as_str()
    );

    let id = CertId(certificate.id());
    let root_key = keys::organisation(&org);
    let client_key = keys::client(&entry.client);
    ctx.touch([root_key.clone(), keys::certificate(&id), client_key.clone()])?;
    let organisation: Organisation = ctx
        .entry(&root_key)?
        .ok_or_else(|| Code::OtherOrganisation.because(format_args!("{org} isn't in genesis")))?;
    let root = Certificate::from_der(&organisation.root_der)
        .map_err(|_| Fault::Corrupt { key: root_key })?;
    ensure!(
        certificate.verify_issued_by(&root).is_ok(),
        NotIssuedByRoot,
        "{}",
        entry.client
    );
    ensure!(
        ctx.block.time_s() <= entry.not_after_s,
        CertificateExpired,
        "at Unix second {}",
        entry.not_after_s
    );
    ensure!(
        !ctx.exists(&keys::certificate(&id))?,
        CertificateKnown,
        "{}",
        id.0
    );
    if let Some((held, present)) = certificate_of(ctx, &client_key)? {
        let status = present.status(ctx.block.time_s());
        let replaceable = matches!(
            status,
            CertificateStatus::Revoked | CertificateStatus::Expired
        );
        ensure!(
            replaceable,
            ClientHasCertificate,
            "{} holds {}",
            entry.client,
            held.0
        );
    }
    ctx.put(keys::certificate(&id), &entry);
    let old: Option<ClientEntry> = ctx.entry(&client_key)?;
    let present = ClientEntry {
        certificate: id,
        since: ctx.block.moment(),
    };
    ctx.amend(client_key, old.as_ref(), &present);
    Ok(())
}

pub(crate) fn revoke<R: Read>(
    ctx: &mut Context<'_, R>,
    id: &CertId,
    reason: &str,
) -> Result<(), Stop> {
    ctx.allow(&[Role::Operator])?;
    ensure!(
        reason.len() <= REASON_BYTES,
        ReasonInvalid,
        "{} bytes, at most {REASON_BYTES}",
        reason.len()
    );
    let key = keys::certificate(id);
    let entry: CertificateEntry = ctx
        .entry(&key)?
        .ok_or_else(|| Code::UnknownCertificate.because(id.0))?;
    ensure!(
        entry.client.org() == ctx.sender.org(),
        OtherOrganisation,
        "{}",
        entry.client
    );
    ensure!(
        *id != ctx.sender.certificate,
        SelfRevocation,
        "{}",
        entry.client
    );
    if let Some(revoked) = &entry.revoked {
        return Err(Code::AlreadyRevoked
            .because(format_args!("at height {}", revoked.at.height))
            .into());
    }
    let revoked = CertificateEntry {
        revoked: Some(Revocation {
            at: ctx.block.moment(),
            by: ctx.sender.client.clone(),
            reason: reason.to_owned(),
        }),
        ..entry.clone()
    };
    ctx.amend(key, Some(&entry), &revoked);
    Ok(())
}

/// The last certificate registered for the client under `client_key`.
pub(crate) fn certificate_of<R: Read>(
    ctx: &Context<'_, R>,
    client_key: &[u8],
) -> Result<Option<(CertId, CertificateEntry)>, Fault> {
    let Some(client) = ctx.entry::<ClientEntry>(client_key)? else {
        return Ok(None);
    };
    let key = keys::certificate(&client.certificate);
    match ctx.entry(&key)? {
        Some(entry) => Ok(Some((client.certificate, entry))),
        None => Err(Fault::Corrupt { key }),
    }
}

/// The entry for a certificate, or nothing if its subject doesn't name a client of its organisation.
pub(crate) fn entry_of(certificate: &Certificate, registered: Moment) -> Option<CertificateEntry> {
    let client: ClientId = certificate.name.parse().ok()?;
    (client.org().as_str() == certificate.organisation).then(|| CertificateEntry {
        client,
        role: certificate.role,
        not_before_s: certificate.not_before_s,
        not_after_s: certificate.not_after_s,
        public_key: certificate.public_key.to_bytes().to_vec().into(),
        der: certificate.der().into(),
        registered,
        revoked: None,
    })
}

/// What registering this certificate will read, as far as its own bytes tell.
pub(crate) fn footprint(der: &[u8], reads: &mut Vec<Vec<u8>>) {
    let parsed = Certificate::from_der(der).ok();
    let entry = parsed
        .as_ref()
        .and_then(|parsed| entry_of(parsed, Moment::default()));
    if let (Some(parsed), Some(entry)) = (parsed, entry) {
        reads.extend([
            keys::organisation(&entry.client.org()),
            keys::certificate(&CertId(parsed.id())),
            keys::client(&entry.client),
        ]);
    }
}

/// Says what is wrong in words of ours: they end in the ledger's state, where a decoder's wording, which
/// may change with its version, must not.
fn wrong_with(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::TooLong { .. } => "too long",
        CertificateError::Encoding { .. } => "not an X.509 certificate in DER",
        CertificateError::Algorithm => "not SM2-with-SM3",
        CertificateError::Subject { .. } => "subject must have one O, one OU and one CN",
        CertificateError::UnknownRole { .. } => "subject's OU isn't a role",
        CertificateError::Extension { .. } => "an extension is missing, wrong or unknown",
        CertificateError::NotIssuedBy { .. } => "not signed by its issuer",
        CertificateError::Validity { .. } => "validity ends before it begins",
    }
}
