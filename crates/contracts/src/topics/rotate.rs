//! Keys: how a topic gets the next one, and how clients get theirs.
//!
//! - **RotateTopic** (the owner): the next epoch's key, sealed to everyone who has a right to it.
//! - **SealKeys**: by the owner, keys of the present or an earlier epoch to anybody entitled (a filter's
//!   grantee, a client with a new certificate, a new reader of old records) or to an authorisation key
//!   that can still be redeemed; by anybody else, keys that it holds already, sealed anew to itself.
//!
//! A rotation, wherever it comes in a call, is exact. It must name the owner and every grantee of the
//! topic who has a key right, whose grant hasn't expired and whose certificate is live at the block's
//! time and that of a device or user. It may name clients to whom the owner granted a filter that gives the
//! key: there can be many, and `SealKeys` serves those left out. It may also name clients who dropped out of
//! these sets while the transaction was under way (expired, certificate gone); their keys are not stored. It
//! may name nobody else and nobody twice.

use std::collections::{BTreeMap, BTreeSet};

use sealwire_envelope::{
    Blob, ClientId, ClientKey, KeyEpoch, RotateTopic, Rotation, SealKeys, TopicMode, TopicName,
};

use super::grant::{Wide, is_widely_entitled};
use super::{TOPIC_ROLES, expect_key, needs_key, owned_topic, readers_of};
use crate::context::{Context, Stop, ensure};
use crate::entry::{
    AuthorisationEntry, CertificateStatus, ClientEntry, GrantEntry, Readers, SealedKey, TopicEntry,
};
use crate::identity::certificate_of;
use crate::keys::{self, Granter};
use crate::limits::KEYS_PER_CALL;
use crate::outcome::Code;
use crate::state::{Fault, Read};

pub(crate) fn rotate<R: Read>(ctx: &mut Context<'_, R>, call: &RotateTopic) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    ctx.touch([keys::topic(&call.topic), keys::readers(&call.topic)])?;
    let topic = owned_topic(ctx, &call.topic)?;
    let readers = readers_of(ctx, &call.topic)?;
    apply(
        ctx,
        &call.topic,
        &topic,
        &topic.owner,
        &readers,
        &call.rotation,
    )
}

/// Puts the next epoch's keys and moves the topic to it, for `owner` (the present one, or the next).
pub(super) fn apply<R: Read>(
    ctx: &mut Context<'_, R>,
    name: &TopicName,
    topic: &TopicEntry,
    owner: &ClientId,
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
    let mut offered = offered_by(rotation)?;
    let mut entitled = BTreeSet::from([owner.clone()]);
    let mut lapsed = Vec::new();
    for (client, wants) in wants_key(ctx, name, remaining)? {
        match wants {
            Wants::Key => drop(entitled.insert(client)),
            Wants::Nothing => lapsed.push(client),
            Wants::NoRight => {}
        }
    }
    let widely = widely_entitled(ctx, name, owner, &entitled, &mut offered)?;
    entitled.extend(widely);
    // Only now: a filter may still give what a grant of the topic no longer does.
    for client in lapsed.iter().filter(|client| !entitled.contains(client)) {
        offered.remove(client);
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
    let next = TopicEntry {
        owner: owner.clone(),
        epoch: rotation.epoch,
        changed: Some(ctx.block.moment()),
        ..topic.clone()
    };
    ctx.amend(keys::topic(name), Some(topic), &next);
    Ok(())
}

/// The keys of a rotation by client; nobody twice.
fn offered_by(rotation: &Rotation) -> Result<BTreeMap<&ClientId, Blob>, Stop> {
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
    Ok(offered)
}

/// Of those offered a key, who has a right to it by a filter. Forgets those who had one.
fn widely_entitled<R: Read>(
    ctx: &Context<'_, R>,
    name: &TopicName,
    owner: &ClientId,
    already: &BTreeSet<ClientId>,
    offered: &mut BTreeMap<&ClientId, Blob>,
) -> Result<Vec<ClientId>, Stop> {
    let filter = name.to_filter();
    let mut entitled = Vec::new();
    let others: Vec<&ClientId> = offered
        .keys()
        .copied()
        .filter(|client| !already.contains(*client))
        .collect();
    let granter = Granter::Client(owner.clone());
    ctx.touch(
        others
            .iter()
            .flat_map(|client| [keys::wide(client, &granter), keys::client(client)]),
    )?;
    touch_certificates(ctx, &others)?;
    for client in others {
        match is_widely_entitled(ctx, client, owner, &filter)? {
            Wide::Now if is_live(ctx, client)? => entitled.push(client.clone()),
            Wide::Now | Wide::Once => drop(offered.remove(client)),
            Wide::Never => {}
        }
    }
    Ok(entitled)
}

/// Asks at once for the present certificates of all these clients.
fn touch_certificates<R: Read>(ctx: &Context<'_, R>, clients: &[&ClientId]) -> Result<(), Fault> {
    ctx.touch(clients.iter().map(|client| keys::client(client)))?;
    let mut certificates = Vec::with_capacity(clients.len());
    for client in clients {
        if let Some(entry) = ctx.entry::<ClientEntry>(&keys::client(client))? {
            certificates.push(keys::certificate(&entry.certificate));
        }
    }
    ctx.touch(certificates)?;
    Ok(())
}

/// Whether a client could use a key now. Roles change with certificates: a grant may be of a time when the
/// client was a device, and it is a gateway now.
pub(super) fn is_live<R: Read>(ctx: &Context<'_, R>, client: &ClientId) -> Result<bool, Fault> {
    let now_s = ctx.block.time_s();
    let present = certificate_of(ctx, &keys::client(client))?;
    Ok(present.is_some_and(|(_, certificate)| {
        certificate.status(now_s) == CertificateStatus::Live
            && TOPIC_ROLES.contains(&certificate.role)
    }))
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
    let clients: Vec<&ClientId> = readers.clients.iter().collect();
    let first = clients
        .iter()
        .flat_map(|client| [keys::grant(client, name), keys::client(client)]);
    ctx.touch(first)?;
    touch_certificates(ctx, &clients)?;

    let now_s = ctx.block.time_s();
    let mut wants = Vec::with_capacity(clients.len());
    for client in clients {
        let key = keys::grant(client, name);
        let grant: GrantEntry = ctx.entry(&key)?.ok_or(Fault::Corrupt { key })?;
        let what = if !needs_key(grant.rights) {
            Wants::NoRight
        } else if grant.is_live(now_s) && is_live(ctx, client)? {
            Wants::Key
        } else {
            Wants::Nothing
        };
        wants.push((client.clone(), what));
    }
    Ok(wants)
}

pub(crate) fn seal<R: Read>(ctx: &mut Context<'_, R>, call: &SealKeys) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    let name = &call.topic;
    let count = call.clients.len() + call.authorisations.len();
    ensure!(
        (1..=KEYS_PER_CALL).contains(&count),
        TooManyKeys,
        "{count}, at least 1, at most {KEYS_PER_CALL}"
    );
    let topic: TopicEntry = ctx
        .entry(&keys::topic(name))?
        .ok_or_else(|| Code::UnknownTopic.because(format_args!("'{name}'")))?;
    let is_owner = topic.owner == ctx.sender.client;
    touch_sealed(ctx, call, is_owner)?;
    for item in &call.clients {
        let sealed = sealed_key(&topic, item.epoch, &item.sealed, &item.client)?;
        let key = keys::sealed_key(name, item.epoch, &item.client);
        if is_owner {
            check_entitled(ctx, name, &topic, &item.client)?;
        } else {
            ensure!(
                item.client == ctx.sender.client,
                NotOwner,
                "'{name}' belongs to {}",
                topic.owner
            );
            ensure!(
                ctx.exists(&key)?,
                KeyNotHeld,
                "'{name}', epoch {}",
                item.epoch
            );
        }
        ctx.put(key, &SealedKey { sealed });
    }
    for item in &call.authorisations {
        ensure!(is_owner, NotOwner, "'{name}' belongs to {}", topic.owner);
        let id = &item.authorisation;
        let sealed = sealed_key(&topic, item.epoch, &item.sealed, id)?;
        let entry: AuthorisationEntry = ctx
            .entry(&keys::authorisation(id))?
            .ok_or_else(|| Code::UnknownAuthorisation.because(id))?;
        let entitled = entry.owner == topic.owner
            && entry.is_open(ctx.block.time_s())
            && needs_key(entry.terms.rights)
            && entry.filter.matches(name);
        ensure!(entitled, NotEntitled, "{id}");
        ctx.put(
            keys::authorisation_key(id, item.epoch, name),
            &SealedKey { sealed },
        );
    }
    Ok(())
}

/// Asks at once for all that a call that seals keys looks at beyond its topic.
fn touch_sealed<R: Read>(
    ctx: &Context<'_, R>,
    call: &SealKeys,
    is_owner: bool,
) -> Result<(), Fault> {
    let name = &call.topic;
    let to = call.authorisations.iter().map(|item| &item.authorisation);
    let to = to.map(keys::authorisation);
    if !is_owner {
        let held = |item: &ClientKey| keys::sealed_key(name, item.epoch, &item.client);
        ctx.touch(call.clients.iter().map(held).chain(to))?;
        return Ok(());
    }
    let owner = Granter::Client(ctx.sender.client.clone());
    let clients: Vec<&ClientId> = call.clients.iter().map(|item| &item.client).collect();
    let rights = clients.iter().flat_map(|client| {
        [
            keys::grant(client, name),
            keys::wide(client, &owner),
            keys::client(client),
        ]
    });
    ctx.touch(rights.chain(to))?;
    touch_certificates(ctx, &clients)
}

/// A sealed key of the right size, of an epoch that the topic has reached.
pub(super) fn sealed_key(
    topic: &TopicEntry,
    epoch: KeyEpoch,
    sealed: &Blob,
    to: &dyn std::fmt::Display,
) -> Result<Blob, Stop> {
    ensure!(topic.mode == TopicMode::Sealed, KeyUnexpected, "{to}");
    ensure!(
        epoch <= topic.epoch,
        WrongEpoch,
        "a key of {epoch}, the topic is at {}",
        topic.epoch
    );
    Ok(expect_key(true, Some(sealed), to)?.unwrap_or_default())
}

/// Refuses a client that has no right to a topic's key.
fn check_entitled<R: Read>(
    ctx: &Context<'_, R>,
    name: &TopicName,
    topic: &TopicEntry,
    client: &ClientId,
) -> Result<(), Stop> {
    let now_s = ctx.block.time_s();
    let granted = *client == topic.owner
        || ctx
            .entry::<GrantEntry>(&keys::grant(client, name))?
            .is_some_and(|grant| needs_key(grant.rights) && grant.is_live(now_s))
        || matches!(
            is_widely_entitled(ctx, client, &topic.owner, &name.to_filter())?,
            Wide::Now
        );
    ensure!(granted && is_live(ctx, client)?, NotEntitled, "{client}");
    Ok(())
}
