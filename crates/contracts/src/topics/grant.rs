//! Grants: of one topic, and of all topics that a filter matches.
//!
//! - **GrantTopic** (the owner): rights for a registered device or user with a live certificate, with
//!   optional expiry, time range of archived records, and purpose. On a sealed topic a grant of
//!   publish, subscribe or read brings the present epoch's key, sealed to the grantee; compute and
//!   verify alone bring none. Granting again replaces the terms. An open request of the grantee for the
//!   topic is answered by it.
//! - **RevokeGrant** (the owner): in force at once. Where the grantee holds the present epoch's key, the
//!   call must carry a *rotation* ([`super::rotate`]). An operator of the owner's organisation may take
//!   a grant back too, without a rotation: it has no keys. The owner rotates when it is back.
//! - **GrantFilter** (a device or user): as GrantTopic, for a filter with a wildcard under the sender's
//!   own prefix; it holds for the topics there that the sender owns, present and to come. Keys follow by
//!   `SealKeys`. An operator may grant *verify*, and nothing else, on its organisation's prefix: to look
//!   at digests takes no key.
//! - **RevokeFilter** (who granted, or an operator of that organisation): in force at once. It can touch
//!   any number of topics, so rotations follow one by one; until then, holders of the old key without a right
//!   get no message, and new messages under it are flagged by the gateway.

use sealwire_envelope::{
    ClientId, GrantFilter, GrantTerms, GrantTopic, KeyEpoch, RevokeFilter, RevokeGrant, Rights,
    TopicFilter, TopicMode,
};
use sealwire_sm::cert::Role;

use super::{
    ENDING_ROLES, TOPIC_ROLES, check_grantee, check_note, check_terms, endable_topic, expect_key,
    needs_key, owned_topic, readers_of, request, rotate,
};
use crate::context::{Context, Stop, ensure};
use crate::entry::{GrantEntry, Readers, SealedKey, TopicEntry, WideEntry, WideGrant};
use crate::keys::{self, Granter};
use crate::limits::{FILTERS_PER_PAIR, READERS_PER_TOPIC};
use crate::outcome::Code;
use crate::state::{Fault, Read};

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
    let terms = terms_of(call);
    check_grant(call, &terms, &topic, ctx.block.time_s())?;
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
    let old = ctx.entry::<GrantEntry>(&grant_key)?;
    let entry = GrantEntry::new(&terms, topic.epoch, ctx.block.moment());
    ctx.amend(grant_key, old.as_ref(), &entry);
    let filter = call.topic.to_filter();
    request::answer_granted(ctx, &filter, &call.grantee, call.note.as_deref())?;
    if let Some(sealed) = sealed_key {
        ctx.put(
            keys::sealed_key(&call.topic, topic.epoch, &call.grantee),
            &SealedKey { sealed },
        );
    }
    Ok(())
}

pub(crate) fn revoke<R: Read>(ctx: &mut Context<'_, R>, call: &RevokeGrant) -> Result<(), Stop> {
    ctx.allow(ENDING_ROLES)?;
    let (name, grantee) = (&call.topic, &call.grantee);
    let grant_key = keys::grant(grantee, name);
    let readers_key = keys::readers(name);
    ctx.touch([keys::topic(name), readers_key.clone(), grant_key.clone()])?;
    let topic = endable_topic(ctx, name)?;
    let grant: GrantEntry = ctx
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
        Some(rotation) => {
            ensure!(
                topic.owner == ctx.sender.client,
                OperatorRights,
                "the rotation of '{name}'"
            );
            rotate::apply(ctx, name, &topic, &topic.owner, &readers, rotation)?;
        }
        // An operator has no key to seal: the owner rotates as soon as it can.
        None if topic.owner != ctx.sender.client => {}
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
    let revoked = GrantEntry {
        revoked: Some(ctx.block.moment()),
        ..grant.clone()
    };
    ctx.amend(grant_key, Some(&grant), &revoked);
    ctx.put(readers_key, &readers);
    Ok(())
}

fn terms_of(call: &GrantTopic) -> GrantTerms {
    GrantTerms {
        rights: call.rights,
        expires_s: call.expires_s,
        from_s: call.from_s,
        to_s: call.to_s,
        purpose: call.purpose.clone(),
    }
}

fn check_grant(
    call: &GrantTopic,
    terms: &GrantTerms,
    topic: &TopicEntry,
    now_s: u64,
) -> Result<(), Stop> {
    ensure!(
        call.grantee != topic.owner,
        GrantToOwner,
        "{}",
        call.grantee
    );
    check_terms(terms, &call.grantee, now_s)?;
    check_note(call.note.as_deref().unwrap_or_default())?;
    ensure!(
        call.epoch == topic.epoch,
        WrongEpoch,
        "the grant says {}, the topic is at {}",
        call.epoch.0,
        topic.epoch.0
    );
    Ok(())
}

pub(crate) fn grant_filter<R: Read>(
    ctx: &mut Context<'_, R>,
    call: &GrantFilter,
) -> Result<(), Stop> {
    ctx.allow(ENDING_ROLES)?;
    let granter = granter_of(ctx, &call.filter, &call.terms)?;
    ensure!(
        call.filter.to_name().is_none(),
        FilterPlain,
        "'{}'",
        call.filter
    );
    ensure!(
        granter.as_str() != call.grantee.as_str(),
        GrantToOwner,
        "{}",
        call.grantee
    );
    check_terms(&call.terms, &call.grantee, ctx.block.time_s())?;
    check_note(call.note.as_deref().unwrap_or_default())?;
    check_grantee(ctx, &call.grantee, &keys::client(&call.grantee))?;
    add_wide(ctx, &granter, &call.grantee, &call.filter, &call.terms)?;
    if let Granter::Client(_) = granter {
        request::answer_granted(ctx, &call.filter, &call.grantee, call.note.as_deref())?;
    }
    Ok(())
}

/// In whose name a filter is granted or taken back.
fn granter_of<R: Read>(
    ctx: &Context<'_, R>,
    filter: &TopicFilter,
    terms: &GrantTerms,
) -> Result<Granter, Stop> {
    if ctx.sender.role == Role::Operator {
        let org = ctx.sender.org();
        ensure!(
            filter.org().as_ref() == Some(&org),
            OutsidePrefix,
            "'{filter}' isn't under '{org}/'"
        );
        ensure!(
            terms.rights == Rights::VERIFY,
            OperatorRights,
            "{}",
            terms.rights
        );
        return Ok(Granter::Org(org));
    }
    let owner = &ctx.sender.client;
    ensure!(
        filter.owner().as_ref() == Some(owner),
        OutsidePrefix,
        "'{filter}' isn't under '{}'",
        owner.topic_prefix()
    );
    Ok(Granter::Client(owner.clone()))
}

/// Adds or replaces the grant of a filter.
pub(super) fn add_wide<R: Read>(
    ctx: &mut Context<'_, R>,
    granter: &Granter,
    grantee: &ClientId,
    filter: &TopicFilter,
    terms: &GrantTerms,
) -> Result<(), Stop> {
    let now = ctx.block.moment();
    let key = keys::wide(grantee, granter);
    let old: Option<WideEntry> = ctx.entry(&key)?;
    let mut entry = old.clone().unwrap_or_default();
    entry.changed = now;
    let placed = entry.insert(WideGrant {
        filter: filter.clone(),
        grant: GrantEntry::new(terms, KeyEpoch(0), now),
    });
    ensure!(
        placed,
        TooManyFilters,
        "{FILTERS_PER_PAIR} of {granter} to {grantee}"
    );
    ctx.amend(key, old.as_ref(), &entry);

    let list_key = keys::widely(granter);
    let mut list: Readers = ctx.entry(&list_key)?.unwrap_or_default();
    if let Err(place) = list.clients.binary_search(grantee) {
        ensure!(
            list.clients.len() < READERS_PER_TOPIC,
            TooManyFilters,
            "{READERS_PER_TOPIC} clients of {granter}"
        );
        list.clients.insert(place, grantee.clone());
        ctx.put(list_key, &list);
    }
    Ok(())
}

pub(crate) fn revoke_filter<R: Read>(
    ctx: &mut Context<'_, R>,
    call: &RevokeFilter,
) -> Result<(), Stop> {
    ctx.allow(ENDING_ROLES)?;
    let (filter, grantee) = (&call.filter, &call.grantee);
    let unknown = || Code::UnknownGrant.because(format_args!("{grantee} on '{filter}'"));
    let (granter, entry, place) = find_wide(ctx, filter, grantee)?.ok_or_else(unknown)?;
    if let Some(at) = entry.grants[place].grant.revoked {
        return Err(Code::GrantRevoked
            .because(format_args!("at height {}", at.height))
            .into());
    }
    let now = ctx.block.moment();
    let mut after = entry.clone();
    after.changed = now;
    after.grants[place].grant.revoked = Some(now);
    ctx.amend(keys::wide(grantee, &granter), Some(&entry), &after);
    if after
        .grants
        .iter()
        .all(|known| known.grant.revoked.is_some())
    {
        let key = keys::widely(&granter);
        let mut list: Readers = ctx
            .entry(&key)?
            .ok_or(Fault::Corrupt { key: key.clone() })?;
        list.clients.retain(|client| client != grantee);
        ctx.put(key, &list);
    }
    Ok(())
}

/// The grant of exactly this filter that the sender may take back.
fn find_wide<R: Read>(
    ctx: &Context<'_, R>,
    filter: &TopicFilter,
    grantee: &ClientId,
) -> Result<Option<(Granter, WideEntry, usize)>, Stop> {
    let owner = filter.owner();
    let granters = if ctx.sender.role == Role::Operator {
        let org = ctx.sender.org();
        ensure!(
            filter.org().as_ref() == Some(&org),
            OutsidePrefix,
            "'{filter}' isn't under '{org}/'"
        );
        let owner = owner.map(Granter::Client);
        [Some(Granter::Org(org)), owner]
    } else {
        let sender = &ctx.sender.client;
        ensure!(
            owner.as_ref() == Some(sender),
            OutsidePrefix,
            "'{filter}' isn't under '{}'",
            sender.topic_prefix()
        );
        [owner.map(Granter::Client), None]
    };
    let mut revoked = None;
    for granter in granters.into_iter().flatten() {
        let Some(entry) = ctx.entry::<WideEntry>(&keys::wide(grantee, &granter))? else {
            continue;
        };
        let place = entry
            .grants
            .binary_search_by(|known| known.filter.cmp(filter));
        match place {
            Ok(place) if entry.grants[place].grant.revoked.is_none() => {
                return Ok(Some((granter, entry, place)));
            }
            Ok(place) => revoked = revoked.or(Some((granter, entry, place))),
            Err(_) => {}
        }
    }
    Ok(revoked)
}

/// Whether a filter granted by this owner gives the client the key of a topic now.
pub(super) fn is_widely_entitled<R: Read>(
    ctx: &Context<'_, R>,
    client: &ClientId,
    owner: &ClientId,
    topic: &TopicFilter,
) -> Result<Wide, Stop> {
    let key = keys::wide(client, &Granter::Client(owner.clone()));
    let Some(entry) = ctx.entry::<WideEntry>(&key)? else {
        return Ok(Wide::Never);
    };
    let now_s = ctx.block.time_s();
    let mut covering = entry
        .grants
        .iter()
        .filter(|wide| wide.filter.covers(topic) && needs_key(wide.grant.rights))
        .peekable();
    if covering.peek().is_none() {
        return Ok(Wide::Never);
    }
    Ok(if covering.any(|wide| wide.grant.is_live(now_s)) {
        Wide::Now
    } else {
        Wide::Once
    })
}

/// Whether granted filters give a client a key.
pub(super) enum Wide {
    /// They do.
    Now,
    /// They did, and lapsed or were revoked.
    Once,
    /// They never did.
    Never,
}
