//! Topics: who owns them, who may use them, and under which key epoch.
//!
//! | Module | Calls | Who may call |
//! |---|---|---|
//! | this one | `RegisterTopic`, `CloseTopic` | devices and users, for their own; operators close |
//! | [`grant`] | `GrantTopic`, `RevokeGrant`, `GrantFilter`, `RevokeFilter` | the owner; operators take back |
//! | [`request`] | `RequestRights`, `DenyRequest` | devices and users; the owner answers |
//! | [`authorisation`] | `CreateAuthorisation`, `RedeemAuthorisation`, `WithdrawAuthorisation` | the owner; devices and users redeem |
//! | [`transfer`] | `TransferTopic`, `AcceptTopic` | the owner; the new owner |
//! | [`rotate`] | `RotateTopic`, `SealKeys` | the owner; anybody its own key |
//!
//! - **RegisterTopic** (device or user): an exact topic name under the sender's own prefix
//!   `<organisation>/<name>/`, registered by nobody yet. A *sealed* topic begins at key epoch 0 and
//!   brings that epoch's key, sealed to the owner; an *open* topic has no key.
//! - **CloseTopic** (the owner, or an operator of its organisation): for ever. Nothing is published,
//!   subscribed or handed over any more; reading grants can still be made and keys still be sealed.
//!
//! Invariants: an epoch never goes down or skips; a key of an epoch is never stored before that epoch;
//! the grants of a topic that aren't revoked are exactly those of the clients in its `Readers`; nothing
//! is deleted, and what decides rights keeps its past ([`crate::history`]).

pub(crate) mod authorisation;
pub(crate) mod grant;
pub(crate) mod request;
pub(crate) mod rotate;
pub(crate) mod transfer;

use sealwire_envelope::{
    Blob, ClientId, CloseTopic, GrantTerms, KeyEpoch, RegisterTopic, Rights, TopicMode, TopicName,
};
use sealwire_sm::cert::Role;

use crate::context::{Context, Stop, ensure};
use crate::entry::{CertificateStatus, Closure, Mark, Readers, SealedKey, TopicEntry};
use crate::identity::certificate_of;
use crate::keys;
use crate::limits::{
    NOTE_BYTES, PURPOSE_BYTES, REASON_BYTES, SEALED_KEY_BYTES_MAX, SEALED_KEY_BYTES_MIN,
};
use crate::outcome::{Code, Refusal};
use crate::state::{Fault, Read};

/// Roles that own topics and hold rights on others' topics.
pub(crate) const TOPIC_ROLES: &[Role] = &[Role::Device, Role::User];

/// Roles that may also end what they didn't begin.
pub(crate) const ENDING_ROLES: &[Role] = &[Role::Device, Role::User, Role::Operator];

/// Whether these rights come with the topic's key.
pub(crate) fn needs_key(rights: Rights) -> bool {
    rights.intersects(Rights::WITH_KEY)
}

pub(crate) fn register<R: Read>(
    ctx: &mut Context<'_, R>,
    call: &RegisterTopic,
) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    let (topic, mode) = (&call.topic, call.mode);
    let owner = ctx.sender.client.clone();
    let inside = topic.owner().as_ref() == Some(&owner);
    ensure!(
        inside,
        OutsidePrefix,
        "'{topic}' isn't under '{}'",
        owner.topic_prefix()
    );
    let key = keys::topic(topic);
    ensure!(!ctx.exists(&key)?, TopicKnown, "'{topic}'");
    let sealed_key = expect_key(mode == TopicMode::Sealed, call.sealed_key.as_ref(), &owner)?;

    let epoch = KeyEpoch(0);
    let registered = ctx.block.moment();
    ctx.put(
        key,
        &TopicEntry {
            owner: owner.clone(),
            mode,
            epoch,
            registered,
            changed: None,
            closed: None,
        },
    );
    ctx.put(keys::owned(&owner, topic), &Mark {});
    ctx.put(keys::readers(topic), &Readers::default());
    if let Some(sealed) = sealed_key {
        ctx.put(
            keys::sealed_key(topic, epoch, &owner),
            &SealedKey { sealed },
        );
    }
    Ok(())
}

pub(crate) fn close<R: Read>(ctx: &mut Context<'_, R>, call: &CloseTopic) -> Result<(), Stop> {
    ctx.allow(ENDING_ROLES)?;
    let length = call.reason.len();
    ensure!(
        length <= REASON_BYTES,
        ReasonInvalid,
        "{length} bytes, at most {REASON_BYTES}"
    );
    let topic = endable_topic(ctx, &call.topic)?;
    check_open(&topic, &call.topic)?;
    let closed = TopicEntry {
        changed: Some(ctx.block.moment()),
        closed: Some(Closure {
            at: ctx.block.moment(),
            by: ctx.sender.client.clone(),
            reason: call.reason.clone(),
        }),
        ..topic.clone()
    };
    ctx.amend(keys::topic(&call.topic), Some(&topic), &closed);
    Ok(())
}

/// A topic that is the sender's.
fn owned_topic<R: Read>(ctx: &Context<'_, R>, name: &TopicName) -> Result<TopicEntry, Stop> {
    let topic: TopicEntry = ctx
        .entry(&keys::topic(name))?
        .ok_or_else(|| Code::UnknownTopic.because(format_args!("'{name}'")))?;
    ensure!(
        topic.owner == ctx.sender.client,
        NotOwner,
        "'{name}' belongs to {}",
        topic.owner
    );
    Ok(topic)
}

/// A topic that is the sender's, or one of its organisation's when the sender is an operator.
fn endable_topic<R: Read>(ctx: &Context<'_, R>, name: &TopicName) -> Result<TopicEntry, Stop> {
    if ctx.sender.role != Role::Operator {
        return owned_topic(ctx, name);
    }
    let topic: TopicEntry = ctx
        .entry(&keys::topic(name))?
        .ok_or_else(|| Code::UnknownTopic.because(format_args!("'{name}'")))?;
    ensure!(
        topic.owner.org() == ctx.sender.org(),
        OtherOrganisation,
        "'{name}' belongs to {}",
        topic.owner
    );
    Ok(topic)
}

fn check_open(topic: &TopicEntry, name: &TopicName) -> Result<(), Stop> {
    if let Some(closed) = &topic.closed {
        return Err(Code::TopicClosed
            .because(format_args!("'{name}' at height {}", closed.at.height))
            .into());
    }
    Ok(())
}

fn readers_of<R: Read>(ctx: &Context<'_, R>, name: &TopicName) -> Result<Readers, Fault> {
    let key = keys::readers(name);
    ctx.entry(&key)?.ok_or(Fault::Corrupt { key })
}

fn check_terms(
    terms: &GrantTerms,
    grantee: &dyn std::fmt::Display,
    now_s: u64,
) -> Result<(), Stop> {
    ensure!(!terms.rights.is_empty(), RightsEmpty, "{grantee}");
    if let Some(expires_s) = terms.expires_s {
        ensure!(
            expires_s > now_s,
            GrantExpired,
            "expires at {expires_s}, block time is {now_s}"
        );
    }
    if let (Some(from_s), Some(to_s)) = (terms.from_s, terms.to_s) {
        ensure!(from_s <= to_s, GrantRange, "from {from_s} to {to_s}");
    }
    let length = terms.purpose.len();
    ensure!(
        length <= PURPOSE_BYTES,
        PurposeTooLong,
        "{length} bytes, at most {PURPOSE_BYTES}"
    );
    Ok(())
}

fn check_note(note: &str) -> Result<(), Stop> {
    let length = note.len();
    ensure!(
        length <= NOTE_BYTES,
        NoteTooLong,
        "{length} bytes, at most {NOTE_BYTES}"
    );
    Ok(())
}

/// Whoever gets a right must be a device or user with a live certificate.
fn check_grantee<R: Read>(
    ctx: &Context<'_, R>,
    grantee: &ClientId,
    grantee_key: &[u8],
) -> Result<(), Stop> {
    let (_, certificate) =
        certificate_of(ctx, grantee_key)?.ok_or_else(|| Code::UnknownGrantee.because(grantee))?;
    let live = certificate.status(ctx.block.time_s()) == CertificateStatus::Live;
    ensure!(live, GranteeNotLive, "{grantee}");
    let role = certificate.role;
    ensure!(
        TOPIC_ROLES.contains(&role),
        GranteeRole,
        "{grantee} is {}",
        role.as_str()
    );
    Ok(())
}

/// The sealed key, where one is needed; refuses one where none is.
fn expect_key(
    needed: bool,
    sealed: Option<&Blob>,
    client: &dyn std::fmt::Display,
) -> Result<Option<Blob>, Refusal> {
    match (needed, sealed) {
        (false, None) => Ok(None),
        (false, Some(_)) => Err(Code::KeyUnexpected.because(client)),
        (true, None) => Err(Code::KeyMissing.because(client)),
        (true, Some(sealed)) => {
            let length = sealed.len();
            if (SEALED_KEY_BYTES_MIN..=SEALED_KEY_BYTES_MAX).contains(&length) {
                return Ok(Some(sealed.clone()));
            }
            Err(Code::KeyMissing.because(format_args!(
                "{client}: {length} bytes, not {SEALED_KEY_BYTES_MIN} to {SEALED_KEY_BYTES_MAX}"
            )))
        }
    }
}
