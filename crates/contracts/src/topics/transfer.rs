//! Handing a topic over.
//!
//! - **TransferTopic** (the owner): offers a topic that isn't closed to a registered device or user with a
//!   live certificate; with nobody named, takes the offer back. On a sealed topic the offer brings the
//!   present epoch's key, and those of older epochs whose records the new owner shall read, sealed to it.
//!   A new offer replaces the one before.
//! - **AcceptTopic** (whom it was offered to): from this block on the topic is the sender's. On a sealed
//!   topic the call carries a rotation for the new owner and all who have a grant, so that the old owner
//!   has no part in what follows unless it is granted one. Grants of the topic stay; filters that the
//!   old owner granted no longer reach it, and filters that the new owner granted don't either unless
//!   they match its name.
//!
//! The name stays: whose prefix a topic lies in says who registered it, not whose it is.

use std::collections::BTreeSet;

use sealwire_envelope::{AcceptTopic, ClientId, TopicMode, TopicName, TransferTopic};

use super::rotate::{self, sealed_key};
use super::{TOPIC_ROLES, check_grantee, check_open, owned_topic, readers_of};
use crate::context::{Context, Stop, ensure};
use crate::entry::{GrantEntry, Mark, OfferEntry, Readers, SealedKey, TopicEntry};
use crate::keys;
use crate::limits::KEYS_PER_CALL;
use crate::outcome::Code;
use crate::state::{Fault, Read};

pub(crate) fn offer<R: Read>(ctx: &mut Context<'_, R>, call: &TransferTopic) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    let topic = owned_topic(ctx, &call.topic)?;
    let key = keys::offer(&call.topic);
    match &call.to {
        Some(to) => {
            check_open(&topic, &call.topic)?;
            ensure!(*to != topic.owner, GrantToOwner, "{to}");
            check_grantee(ctx, to, &keys::client(to))?;
            check_keys(call, &topic, to)?;
        }
        None => {
            let offer: Option<OfferEntry> = ctx.entry(&key)?;
            let is_offered = offer.is_some_and(|offer| offer.to.is_some());
            ensure!(is_offered, NoOffer, "'{}' to nobody", call.topic);
            ensure!(call.keys.is_empty(), KeyUnexpected, "nobody");
        }
    }
    let entry = OfferEntry {
        to: call.to.clone(),
        at: ctx.block.moment(),
        keys: call.keys.clone(),
    };
    ctx.put(key, &entry);
    Ok(())
}

fn check_keys(call: &TransferTopic, topic: &TopicEntry, to: &ClientId) -> Result<(), Stop> {
    let count = call.keys.len();
    ensure!(
        count <= KEYS_PER_CALL,
        TooManyKeys,
        "{count}, at most {KEYS_PER_CALL}"
    );
    let mut epochs = BTreeSet::new();
    for item in &call.keys {
        sealed_key(topic, item.epoch, &item.sealed, to)?;
        ensure!(
            epochs.insert(item.epoch),
            KeyUnexpected,
            "{to}: epoch {} twice",
            item.epoch
        );
    }
    let complete = topic.mode == TopicMode::Open || epochs.contains(&topic.epoch);
    ensure!(complete, KeyMissing, "{to}: epoch {}", topic.epoch);
    Ok(())
}

pub(crate) fn accept<R: Read>(ctx: &mut Context<'_, R>, call: &AcceptTopic) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    let name = &call.topic;
    let new_owner = ctx.sender.client.clone();
    let topic: TopicEntry = ctx
        .entry(&keys::topic(name))?
        .ok_or_else(|| Code::UnknownTopic.because(format_args!("'{name}'")))?;
    let offer: Option<OfferEntry> = ctx.entry(&keys::offer(name))?;
    let offer = offer
        .filter(|offer| offer.to.as_ref() == Some(&new_owner))
        .ok_or_else(|| Code::NoOffer.because(format_args!("'{name}' to {new_owner}")))?;
    check_open(&topic, name)?;
    let readers = drop_own_grant(ctx, name, &new_owner)?;
    for item in offer.keys {
        ctx.put(
            keys::sealed_key(name, item.epoch, &new_owner),
            &SealedKey {
                sealed: item.sealed,
            },
        );
    }
    match (&call.rotation, topic.mode) {
        (Some(rotation), _) => {
            rotate::apply(ctx, name, &topic, &new_owner, &readers, rotation)?;
        }
        (None, TopicMode::Sealed) => {
            return Err(Code::RotationMissing
                .because(format_args!("'{name}' gets a new owner"))
                .into());
        }
        (None, TopicMode::Open) => {
            let next = TopicEntry {
                owner: new_owner.clone(),
                changed: Some(ctx.block.moment()),
                ..topic.clone()
            };
            ctx.amend(keys::topic(name), Some(&topic), &next);
        }
    }
    ctx.put(keys::owned(&new_owner, name), &Mark {});
    let accepted = OfferEntry {
        to: None,
        at: ctx.block.moment(),
        keys: Vec::new(),
    };
    ctx.put(keys::offer(name), &accepted);
    Ok(())
}

/// Ends the new owner's own grant on the topic: an owner needs none, and isn't one of its readers.
fn drop_own_grant<R: Read>(
    ctx: &mut Context<'_, R>,
    name: &TopicName,
    new_owner: &ClientId,
) -> Result<Readers, Stop> {
    let mut readers = readers_of(ctx, name)?;
    if let Ok(place) = readers.clients.binary_search(new_owner) {
        readers.clients.remove(place);
        let key = keys::grant(new_owner, name);
        let grant: GrantEntry = ctx
            .entry(&key)?
            .ok_or(Fault::Corrupt { key: key.clone() })?;
        let revoked = GrantEntry {
            revoked: Some(ctx.block.moment()),
            ..grant.clone()
        };
        ctx.amend(key, Some(&grant), &revoked);
        ctx.put(keys::readers(name), &readers);
    }
    Ok(readers)
}
