//! Identity: which certificates count.
//!
//! Certificates are made by an organisation's root; whether they count stands here.
//!
//! ```text
//! enrolment:    opened ──▶ used by one certificate │ closed │ expired
//! certificate:  registered ──▶ (suspended ⇄ resumed)* ──▶ revoked │ superseded │ expired
//! client:       one live certificate at a time; a renewal swaps the old for the new in one transaction
//! ```
//!
//! - **RegisterCertificate** (operator): the certificate must be of the operator's own organisation,
//!   signed by that organisation's root of genesis, of a role other than validator, not expired, and
//!   no longer valid than the organisation's template for the role allows. It may begin later. It must
//!   not have been registered before, and its client must have no other certificate that is neither
//!   revoked nor expired: one live certificate per client. A *suspended* one is in the way too.
//!   Where the device came by an enrolment code, the call carries its proof: the enrolment must be open
//!   and for this client and role, and the code's key must have signed for this certificate's key. The
//!   enrolment is used up by the same transaction.
//! - **RenewCertificate** (the client itself, with the certificate that it renews): the new certificate
//!   must stand every check of registering, and be for the same client in the same role, valid now,
//!   and for longer than the old one. It is taken only within the renewal window: the last seconds of
//!   the old certificate's validity that the template says, its last third where there is no template.
//!   From then on the old certificate is revoked with [`superseded`] as its reason.
//! - **RevokeCertificate** (operator): of a certificate of the operator's own organisation; in force
//!   for every transaction after it, in the same block too. For ever.
//! - **SuspendCertificate**, **ResumeCertificate** (operator): as revoked, until it is resumed; at most
//!   [`crate::limits::SUSPENSIONS_PER_CERTIFICATE`] times.
//! - **SetTemplate** (operator): what its organisation allows of certificates of a role.
//! - **OpenEnrolments**, **CloseEnrolments** (operator): for clients of its own organisation. An
//!   enrolment is known by its key; no key is taken twice, so a code that leaked is worthless for ever.
//!
//! Operators can neither revoke nor suspend themselves: whoever sends such a call remains, so an
//! organisation never takes its last operator away.
//!
//! A revoked certificate stays in state: signatures made before it was revoked stay checkable, and the
//! same certificate can't come back. Every moment at which a certificate's standing changed stays in its
//! one entry, so that [`CertificateEntry::status_at`] answers for any height, and one proof of the
//! present entry proves the answer. Grants belong to the client, not to the certificate: whoever
//! renews a certificate keeps them, but must have the epoch keys sealed to the new key.

pub(crate) mod enrolment;
mod renewal;
mod suspension;
mod template;

pub(crate) use renewal::renew;
pub use renewal::{renewal_opens_s, superseded};
pub(crate) use suspension::{resume, suspend};
pub(crate) use template::set as set_template;

use sealwire_envelope::{CertId, ClientId, RegisterCertificate};
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

pub(crate) fn register<R: Read>(
    ctx: &mut Context<'_, R>,
    call: &RegisterCertificate,
) -> Result<(), Stop> {
    ctx.allow(&[Role::Operator])?;
    let (id, entry) = candidate(ctx, &call.der)?;
    let client_key = keys::client(&entry.client);
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
    if let Some(proof) = &call.enrolment {
        enrolment::redeem(ctx, proof, &id, &entry)?;
    }
    install(ctx, id, &entry)
}

/// Reads a certificate that shall be registered, and checks all that doesn't depend on what its client
/// holds already.
fn candidate<R: Read>(
    ctx: &Context<'_, R>,
    der: &[u8],
) -> Result<(CertId, CertificateEntry), Stop> {
    let certificate = Certificate::from_der(der)
        .map_err(|error| Code::CertificateMalformed.because(wrong_with(&error)))?;
    let entry = entry_of(&certificate, ctx.block.moment()).ok_or_else(|| {
        Code::CertificateMalformed.because("subject's CN isn't a client id of its O")
    })?;
    check_own(ctx, &entry.client)?;
    check_registrable(entry.role)?;

    let org = ctx.sender.org();
    let id = CertId(certificate.id());
    let root_key = keys::organisation(&org);
    ctx.touch([
        root_key.clone(),
        keys::certificate(&id),
        keys::client(&entry.client),
        keys::template(&org, entry.role),
    ])?;
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
    template::check(ctx, &entry)?;
    Ok((id, entry))
}

/// Makes a checked certificate its client's present one.
fn install<R: Read>(
    ctx: &mut Context<'_, R>,
    id: CertId,
    entry: &CertificateEntry,
) -> Result<(), Stop> {
    let client_key = keys::client(&entry.client);
    ctx.put(keys::certificate(&id), entry);
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
    let entry = own_certificate(ctx, id, reason)?;
    check_not_self(ctx, id)?;
    let revoked = CertificateEntry {
        revoked: Some(revocation(ctx, reason)),
        ..entry.clone()
    };
    ctx.amend(keys::certificate(id), Some(&entry), &revoked);
    Ok(())
}

/// A certificate of the sending operator's organisation that isn't revoked, to be changed for `reason`.
fn own_certificate<R: Read>(
    ctx: &Context<'_, R>,
    id: &CertId,
    reason: &str,
) -> Result<CertificateEntry, Stop> {
    ctx.allow(&[Role::Operator])?;
    ensure!(
        reason.len() <= REASON_BYTES,
        ReasonInvalid,
        "{} bytes, at most {REASON_BYTES}",
        reason.len()
    );
    let entry: CertificateEntry = ctx
        .entry(&keys::certificate(id))?
        .ok_or_else(|| Code::UnknownCertificate.because(id.0))?;
    check_own(ctx, &entry.client)?;
    match &entry.revoked {
        None => Ok(entry),
        Some(revoked) => Err(Code::AlreadyRevoked
            .because(format_args!("at height {}", revoked.at.height))
            .into()),
    }
}

fn check_own<R: Read>(ctx: &Context<'_, R>, client: &ClientId) -> Result<(), Stop> {
    ensure!(
        client.org() == ctx.sender.org(),
        OtherOrganisation,
        "{client}"
    );
    Ok(())
}

fn check_not_self<R: Read>(ctx: &Context<'_, R>, id: &CertId) -> Result<(), Stop> {
    ensure!(
        *id != ctx.sender.certificate,
        SelfRevocation,
        "{}",
        ctx.sender.client
    );
    Ok(())
}

fn check_registrable(role: Role) -> Result<(), Stop> {
    ensure!(
        REGISTRABLE.contains(&role),
        RoleNotRegistrable,
        "{}",
        role.as_str()
    );
    Ok(())
}

fn revocation<R: Read>(ctx: &Context<'_, R>, reason: &str) -> Revocation {
    Revocation {
        at: ctx.block.moment(),
        by: ctx.sender.client.clone(),
        reason: reason.to_owned(),
    }
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
        suspensions: Vec::new(),
    })
}

/// What registering this certificate, or renewing with it, will read, as far as its own bytes tell.
pub(crate) fn footprint(der: &[u8], reads: &mut Vec<Vec<u8>>) {
    let parsed = Certificate::from_der(der).ok();
    let entry = parsed
        .as_ref()
        .and_then(|parsed| entry_of(parsed, Moment::default()));
    if let (Some(parsed), Some(entry)) = (parsed, entry) {
        let org = entry.client.org();
        reads.extend([
            keys::organisation(&org),
            keys::certificate(&CertId(parsed.id())),
            keys::client(&entry.client),
            keys::template(&org, entry.role),
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
