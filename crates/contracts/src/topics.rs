//! Topics: who owns them, who may use them, and under which key epoch.
//!
//! - **RegisterTopic** (device or user): an exact topic name under the sender's own prefix
//!   `<organisation>/<name>/`, registered by nobody yet. A *sealed* topic begins at key epoch 0 and
//!   brings that epoch's key, sealed to the owner; an *open* topic has no key.
//! - **GrantTopic** (the owner): rights for a registered device or user with a live certificate, with
//!   optional expiry, time range of archived records, and purpose. On a sealed topic a grant of
//!   publish, subscribe or read brings the present epoch's key, sealed to the grantee; compute alone
//!   brings none. Granting again replaces the terms; that is also how a client with a renewed
//!   certificate gets the key sealed to its new one.
//! - **RevokeGrant** (the owner): in force at once. Where the grantee holds the present epoch's key, the
//!   call must carry a *rotation*: the next epoch's key, sealed to the owner and to everyone who remains.
//!
//! A rotation is exact. It must name the owner and every grantee but the revoked one who has a key
//! right, whose grant hasn't expired and whose certificate is live at the block's time. It may also name
//! grantees who dropped out of that set while the transaction was under way (expired, certificate
//! gone); their keys are not stored. It may name nobody else and nobody twice.
//!
//! Invariants: an epoch never goes down or skips; a key of an epoch is never stored before that epoch;
//! the grants that aren't revoked are exactly those of the clients in the topic's `Readers`.

use std::collections::BTreeMap;

use sealwire_envelope::{
    Blob, ClientId, GrantTopic, KeyEpoch, RegisterTopic, RevokeGrant, Rights, Rotation, TopicMode,
    TopicName,
};
use sealwire_sm::cert::Role;

use crate::context::{Context, Stop, ensure};
use crate::entry::{CertificateStatus, GrantEntry, Readers, SealedKey, TopicEntry};
use crate::identity::certificate_of;
use crate::keys;
use crate::limits::{PURPOSE_BYTES, READERS_PER_TOPIC, SEALED_KEY_BYTES_MAX, SEALED_KEY_BYTES_MIN};
use crate::outcome::{Code, Refusal};
use crate::state::{Fault, Read};

/// Roles that own topics and hold rights on others' topics.
pub(crate) const TOPIC_ROLES: &[Role] = &[Role::Device, Role::User];

/// Whether these rights come with the topic's key.
pub(crate) fn needs_key(rights: Rights) -> bool {
    rights.intersects(Rights::PUBLISH | Rights::SUBSCRIBE | Rights::READ)
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
        },
    );
    ctx.put(keys::readers(topic), &Readers::default());
    if let Some(sealed) = sealed_key {
        ctx.put(
            keys::sealed_key(topic, epoch, &owner),
            &SealedKey { sealed },
        );
    }
    Ok(())
}

pub(crate) fn grant<R: Read>(ctx: &mut Context<'_, R>, call: &GrantTopic) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    let topic_key = keys::topic(&call.topic);
    let readers_key = keys::readers(&call.topic);
    let grant_key = keys::grant(&call.grantee, &call.topic);
    let grantee_key = keys::client(&call.grantee);
    ctx.touch([
        topic_key,
        readers_key.clone(),
        grant_key.clone(),
        grantee_key.clone(),
    ])?;
    let topic = owned_topic(ctx, &call.topic)?;
    check_terms(call, &topic, ctx.block.time_s())?;
    check_grantee(ctx, &call.grantee, &grantee_key)?;
    let needed = topic.mode == TopicMode::Sealed && needs_key(call.rights);
    let sealed_key = expect_key(needed, call.sealed_key.as_ref(), &call.grantee)?;

    let mut readers = readers_of(ctx, &call.topic)?;
    if let Err(place) = readers.clients.binary_search(&call.grantee) {
        ensure!(
            readers.clients.len() < READERS_PER_TOPIC,
            TooManyReaders,
            "{READERS_PER_TOPIC}"
        );
        readers.clients.insert(place, call.grantee.clone());
        ctx.put(readers_key, &readers);
    }
    let entry = GrantEntry {
        rights: call.rights,
        expires_s: call.expires_s,
        from_s: call.from_s,
        to_s: call.to_s,
        purpose: call.purpose.clone(),
        epoch: topic.epoch,
        granted: ctx.block.moment(),
        revoked: None,
    };
    ctx.put(grant_key, &entry);
    if let Some(sealed) = sealed_key {
        ctx.put(
            keys::sealed_key(&call.topic, topic.epoch, &call.grantee),
            &SealedKey { sealed },
        );
    }
    Ok(())
}

pub(crate) fn revoke<R: Read>(ctx: &mut Context<'_, R>, call: &RevokeGrant) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    let (name, grantee) = (&call.topic, &call.grantee);
    let grant_key = keys::grant(grantee, name);
    let readers_key = keys::readers(name);
    ctx.touch([keys::topic(name), readers_key.clone(), grant_key.clone()])?;
    let topic = owned_topic(ctx, name)?;
    let mut grant: GrantEntry = ctx
        .entry(&grant_key)?
        .ok_or_else(|| Code::UnknownGrant.because(format_args!("{grantee} on '{name}'")))?;
    if let Some(at) = grant.revoked {
        return Err(Code::GrantRevoked
            .because(format_args!("at height {}", at.height))
            .into());
    }
    let mut readers = readers_of(ctx, name)?;
    match readers.clients.binary_search(grantee) {
        Ok(place) => drop(readers.clients.remove(place)),
        Err(_) => return Err(Fault::Corrupt { key: readers_key }.into()),
    }

    match &call.rotation {
        Some(rotation) => rotate(ctx, name, topic, &readers, rotation)?,
        None => {
            let holds_key = ctx.exists(&keys::sealed_key(name, topic.epoch, grantee))?;
            ensure!(
                !holds_key,
                RotationMissing,
                "{grantee} holds the key of epoch {}",
                topic.epoch.0
            );
        }
    }
    grant.revoked = Some(ctx.block.moment());
    ctx.put(grant_key, &grant);
    ctx.put(readers_key, &readers);
    Ok(())
}

fn rotate<R: Read>(
    ctx: &mut Context<'_, R>,
    name: &TopicName,
    mut topic: TopicEntry,
    remaining: &Readers,
    rotation: &Rotation,
) -> Result<(), Stop> {
    ensure!(
        topic.mode == TopicMode::Sealed,
        RotationUnexpected,
        "'{name}'"
    );
    let next = topic.epoch.0.checked_add(1).map(KeyEpoch);
    ensure!(
        next == Some(rotation.epoch),
        WrongEpoch,
        "the rotation says {}, the topic is at {}",
        rotation.epoch.0,
        topic.epoch.0
    );
    let mut offered = BTreeMap::new();
    for item in &rotation.keys {
        let client = &item.client;
        let sealed = expect_key(true, Some(&item.sealed), client)?.unwrap_or_default();
        ensure!(
            offered.insert(client, sealed).is_none(),
            RotationNamesStranger,
            "{client} twice"
        );
    }
    let mut entitled = vec![topic.owner.clone()];
    for (client, wants) in wants_key(ctx, name, remaining)? {
        match wants {
            Wants::Key => entitled.push(client),
            Wants::Nothing => {
                offered.remove(&client);
            }
            Wants::NoRight => {}
        }
    }
    for client in entitled {
        let sealed = offered
            .remove(&client)
            .ok_or_else(|| Code::RotationMissesReader.because(&client))?;
        ctx.put(
            keys::sealed_key(name, rotation.epoch, &client),
            &SealedKey { sealed },
        );
    }
    if let Some(stranger) = offered.keys().next() {
        return Err(Code::RotationNamesStranger.because(stranger).into());
    }
    topic.epoch = rotation.epoch;
    ctx.put(keys::topic(name), &topic);
    Ok(())
}

/// Whether a remaining grantee takes part in a rotation.
enum Wants {
    /// It must get the key.
    Key,
    /// It had a right to the key that lapsed by itself: a key for it is ignored.
    Nothing,
    /// It has no right to the key.
    NoRight,
}

fn wants_key<R: Read>(
    ctx: &Context<'_, R>,
    name: &TopicName,
    readers: &Readers,
) -> Result<Vec<(ClientId, Wants)>, Fault> {
    let clients = &readers.clients;
    let first = clients
        .iter()
        .flat_map(|client| [keys::grant(client, name), keys::client(client)]);
    ctx.touch(first)?;
    let mut certificates = Vec::new();
    for client in clients {
        let key = keys::client(client);
        let entry: crate::entry::ClientEntry = ctx.entry(&key)?.ok_or(Fault::Corrupt { key })?;
        certificates.push(keys::certificate(&entry.certificate));
    }
    ctx.touch(certificates)?;

    let now_s = ctx.block.time_s();
    let mut wants = Vec::with_capacity(clients.len());
    for client in clients {
        let key = keys::grant(client, name);
        let grant: GrantEntry = ctx.entry(&key)?.ok_or(Fault::Corrupt { key })?;
        let live = certificate_of(ctx, &keys::client(client))?
            .is_some_and(|(_, certificate)| certificate.status(now_s) == CertificateStatus::Live);
        let what = if !needs_key(grant.rights) {
            Wants::NoRight
        } else if grant.is_live(now_s) && live {
            Wants::Key
        } else {
            Wants::Nothing
        };
        wants.push((client.clone(), what));
    }
    Ok(wants)
}

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

fn readers_of<R: Read>(ctx: &Context<'_, R>, name: &TopicName) -> Result<Readers, Fault> {
    let key = keys::readers(name);
    ctx.entry(&key)?.ok_or(Fault::Corrupt { key })
}

fn check_terms(call: &GrantTopic, topic: &TopicEntry, now_s: u64) -> Result<(), Stop> {
    ensure!(
        call.grantee != topic.owner,
        GrantToOwner,
        "{}",
        call.grantee
    );
    ensure!(!call.rights.is_empty(), RightsEmpty, "{}", call.grantee);
    if let Some(expires_s) = call.expires_s {
        ensure!(
            expires_s > now_s,
            GrantExpired,
            "expires at {expires_s}, block time is {now_s}"
        );
    }
    if let (Some(from_s), Some(to_s)) = (call.from_s, call.to_s) {
        ensure!(from_s <= to_s, GrantRange, "from {from_s} to {to_s}");
    }
    let length = call.purpose.len();
    ensure!(
        length <= PURPOSE_BYTES,
        PurposeTooLong,
        "{length} bytes, at most {PURPOSE_BYTES}"
    );
    ensure!(
        call.epoch == topic.epoch,
        WrongEpoch,
        "the grant says {}, the topic is at {}",
        call.epoch.0,
        topic.epoch.0
    );
    Ok(())
}

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
    client: &ClientId,
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
