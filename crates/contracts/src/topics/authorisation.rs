//! Authorisation keys: a right for whoever holds a short secret.
//!
//! - **CreateAuthorisation** (device or user): the public half of a key pair, with what it gives (terms, on
//!   one topic of the sender's or on a filter under its prefix), how many clients may redeem it (1 to 256)
//!   and until when. Where the terms come with keys, those of present epochs come sealed to the public half;
//!   where they are missing, the owner seals them to the client after it redeemed.
//! - **RedeemAuthorisation** (device or user): signed by the private half over the chain and the sender's
//!   own id, so a copied transaction is worthless to others. Gives the sender the grant as if the owner had
//!   made it in this block, each sender once; so the owner's certificate must be live, too: what a lost
//!   device signed away gives nothing once its organisation suspended or revoked it. The sender brings the keys that were sealed to the
//!   authorisation key, sealed anew to itself; a wrong one harms nobody else.
//! - **WithdrawAuthorisation** (the owner, or an operator of its organisation): nobody redeems it any
//!   more. What was redeemed stays until it is revoked.
//!
//! An authorisation key of one topic gives nothing once the topic was handed over or closed; one of a filter
//! gives what a grant of that filter gives.

use sealwire_envelope::{
    AuthorisationId, ClientId, CreateAuthorisation, RedeemAuthorisation, TopicFilter, TopicKey,
    TopicName, WithdrawAuthorisation,
};
use sealwire_sm::PublicKey;
use sealwire_sm::cert::Role;

use super::grant::add_wide;
use super::rotate::{is_live, sealed_key};
use super::{
    ENDING_ROLES, TOPIC_ROLES, check_open, check_terms, needs_key, owned_topic, readers_of,
};
use crate::context::{Context, Stop, ensure};
use crate::entry::{AuthorisationEntry, GrantEntry, Mark, Redemption, SealedKey, TopicEntry};
use crate::keys::{self, Granter};
use crate::limits::{AUTHORISATION_USES, KEYS_PER_CALL, READERS_PER_TOPIC};
use crate::outcome::Code;
use crate::state::{Fault, Read};

pub(crate) fn create<R: Read>(
    ctx: &mut Context<'_, R>,
    call: &CreateAuthorisation,
) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    let owner = ctx.sender.client.clone();
    let id = AuthorisationId::of(&call.key);
    let key = keys::authorisation(&id);
    ensure!(!ctx.exists(&key)?, AuthorisationKnown, "{id}");
    check_terms(&call.terms, &id, ctx.block.time_s())?;
    ensure!(
        (1..=AUTHORISATION_USES).contains(&call.uses),
        AuthorisationUses,
        "{}",
        call.uses
    );
    let (until_s, now_s) = (call.redeem_until_s, ctx.block.time_s());
    ensure!(
        until_s > now_s,
        AuthorisationExpired,
        "until {until_s}, block time is {now_s}"
    );
    match call.filter.to_name() {
        Some(name) => check_open(&owned_topic(ctx, &name)?, &name)?,
        None => ensure!(
            call.filter.owner().as_ref() == Some(&owner),
            OutsidePrefix,
            "'{}' isn't under '{}'",
            call.filter,
            owner.topic_prefix()
        ),
    }
    // Whoever may not read must not find the key sealed to what it holds.
    ensure!(
        needs_key(call.terms.rights) || call.keys.is_empty(),
        KeyUnexpected,
        "{id}"
    );
    for (item, _) in covered_keys(ctx, &owner, &call.filter, &call.keys)? {
        let place = keys::authorisation_key(&id, item.epoch, &item.topic);
        let sealed = item.sealed.clone();
        ctx.put(place, &SealedKey { sealed });
    }
    let entry = AuthorisationEntry {
        owner: owner.clone(),
        key: call.key.to_bytes().to_vec().into(),
        filter: call.filter.clone(),
        terms: call.terms.clone(),
        uses: call.uses,
        redeem_until_s: call.redeem_until_s,
        created: ctx.block.moment(),
        redeemed: Vec::new(),
        withdrawn: None,
    };
    ctx.put(key, &entry);
    ctx.put(keys::authorisation_of(&owner, &id), &Mark {});
    Ok(())
}

/// The keys given, each of an owned topic that the filter matches and of an epoch that it has reached.
fn covered_keys<'k, R: Read>(
    ctx: &Context<'_, R>,
    owner: &ClientId,
    filter: &TopicFilter,
    given: &'k [TopicKey],
) -> Result<Vec<(&'k TopicKey, TopicEntry)>, Stop> {
    let count = given.len();
    ensure!(
        count <= KEYS_PER_CALL,
        TooManyKeys,
        "{count}, at most {KEYS_PER_CALL}"
    );
    ctx.touch(given.iter().map(|item| keys::topic(&item.topic)))?;
    let mut covered = Vec::with_capacity(count);
    for item in given {
        let topic: Option<TopicEntry> = ctx.entry(&keys::topic(&item.topic))?;
        let topic = topic
            .filter(|topic| topic.owner == *owner && filter.matches(&item.topic))
            .ok_or_else(|| Code::KeyOutsideFilter.because(format_args!("'{}'", item.topic)))?;
        sealed_key(&topic, item.epoch, &item.sealed, &item.topic)?;
        covered.push((item, topic));
    }
    Ok(covered)
}

pub(crate) fn redeem<R: Read>(
    ctx: &mut Context<'_, R>,
    call: &RedeemAuthorisation,
) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    let sender = ctx.sender.client.clone();
    let id = &call.authorisation;
    let key = keys::authorisation(id);
    let mut entry: AuthorisationEntry = ctx
        .entry(&key)?
        .ok_or_else(|| Code::UnknownAuthorisation.because(id))?;
    let public =
        PublicKey::from_sec1(&entry.key).map_err(|_| Fault::Corrupt { key: key.clone() })?;
    ensure!(
        call.verify(&ctx.block.chain, &sender, &public).is_ok(),
        AuthorisationForged,
        "{id} for {sender}"
    );
    check_redeemable(ctx, id, &entry)?;
    ensure!(entry.owner != sender, GrantToOwner, "{sender}");
    ensure!(is_live(ctx, &entry.owner)?, OwnerNotLive, "{}", entry.owner);
    // The grant's own expiry may have come since the key was made.
    check_terms(&entry.terms, &sender, ctx.block.time_s())?;

    match entry.filter.to_name() {
        Some(name) => redeem_topic(ctx, &entry, &name)?,
        None => {
            let granter = Granter::Client(entry.owner.clone());
            add_wide(ctx, &granter, &sender, &entry.filter, &entry.terms)?;
        }
    }
    let held = |item: &TopicKey| keys::authorisation_key(id, item.epoch, &item.topic);
    let brought = covered_keys(ctx, &entry.owner, &entry.filter, &call.keys)?;
    ctx.touch(brought.iter().map(|(item, _)| held(item)))?;
    for (item, topic) in brought {
        let gives = needs_key(entry.terms.rights) && ctx.exists(&held(item))?;
        ensure!(gives, KeyNotHeld, "'{}', epoch {}", item.topic, item.epoch);
        debug_assert!(item.epoch <= topic.epoch);
        let place = keys::sealed_key(&item.topic, item.epoch, &sender);
        let sealed = item.sealed.clone();
        ctx.put(place, &SealedKey { sealed });
    }
    let at = ctx.block.moment();
    entry.redeemed.push(Redemption { client: sender, at });
    ctx.put(key, &entry);
    Ok(())
}

fn check_redeemable<R: Read>(
    ctx: &Context<'_, R>,
    id: &AuthorisationId,
    entry: &AuthorisationEntry,
) -> Result<(), Stop> {
    let sender = &ctx.sender.client;
    if let Some(at) = entry.withdrawn {
        return Err(Code::AuthorisationWithdrawn
            .because(format_args!("{id} at height {}", at.height))
            .into());
    }
    let redeemed = entry.redeemed.iter().any(|use_| use_.client == *sender);
    ensure!(!redeemed, AlreadyRedeemed, "{sender}");
    ensure!(
        ctx.block.time_s() < entry.redeem_until_s,
        AuthorisationExpired,
        "{id} at Unix second {}",
        entry.redeem_until_s
    );
    ensure!(
        entry.redeemed.len() < usize::from(entry.uses),
        AuthorisationUsedUp,
        "{id}: {} uses",
        entry.uses
    );
    Ok(())
}

/// Grants one topic to the sender.
fn redeem_topic<R: Read>(
    ctx: &mut Context<'_, R>,
    entry: &AuthorisationEntry,
    name: &TopicName,
) -> Result<(), Stop> {
    let sender = ctx.sender.client.clone();
    let topic: TopicEntry = ctx
        .entry(&keys::topic(name))?
        .ok_or_else(|| Code::UnknownTopic.because(format_args!("'{name}'")))?;
    ensure!(
        topic.owner == entry.owner,
        NotOwner,
        "'{name}' belongs to {}",
        topic.owner
    );
    check_open(&topic, name)?;
    let mut readers = readers_of(ctx, name)?;
    if let Err(place) = readers.clients.binary_search(&sender) {
        ensure!(
            readers.clients.len() < READERS_PER_TOPIC,
            TooManyReaders,
            "{READERS_PER_TOPIC}"
        );
        readers.clients.insert(place, sender.clone());
        ctx.put(keys::readers(name), &readers);
    }
    let key = keys::grant(&sender, name);
    let old: Option<GrantEntry> = ctx.entry(&key)?;
    let grant = GrantEntry::new(&entry.terms, topic.epoch, ctx.block.moment());
    ctx.amend(key, old.as_ref(), &grant);
    Ok(())
}

pub(crate) fn withdraw<R: Read>(
    ctx: &mut Context<'_, R>,
    call: &WithdrawAuthorisation,
) -> Result<(), Stop> {
    ctx.allow(ENDING_ROLES)?;
    let id = &call.authorisation;
    let key = keys::authorisation(id);
    let mut entry: AuthorisationEntry = ctx
        .entry(&key)?
        .ok_or_else(|| Code::UnknownAuthorisation.because(id))?;
    let own = entry.owner == ctx.sender.client;
    let may = own || (ctx.sender.role == Role::Operator && entry.owner.org() == ctx.sender.org());
    ensure!(may, NotOwner, "{id} belongs to {}", entry.owner);
    if let Some(at) = entry.withdrawn {
        return Err(Code::AuthorisationWithdrawn
            .because(format_args!("{id} at height {}", at.height))
            .into());
    }
    entry.withdrawn = Some(ctx.block.moment());
    ctx.put(key, &entry);
    Ok(())
}
