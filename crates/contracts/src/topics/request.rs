//! Requests: asking an owner for a right.
//!
//! - **RequestRights** (device or user): for a registered topic of somebody else, or for a filter under
//!   another registered client's prefix, with the terms wished for. Asking again replaces the request.
//! - **DenyRequest** (the owner): answers an open request with a note. A grant of the same topic or filter
//!   to the requester answers it too, whatever its terms: what was granted, stands in the grant.
//!
//! Requests give no right. There is one per requester and topic or filter: asking again adds nothing.

use sealwire_envelope::{ClientId, DenyRequest, RequestRights, TopicFilter};

use super::{TOPIC_ROLES, check_note, check_terms};
use crate::context::{Context, Stop, ensure};
use crate::entry::{RequestAnswer, RequestEntry, TopicEntry};
use crate::keys;
use crate::outcome::Code;
use crate::state::Read;

pub(crate) fn request<R: Read>(ctx: &mut Context<'_, R>, call: &RequestRights) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    let requester = ctx.sender.client.clone();
    let owner = owner_of(ctx, &call.filter)?;
    ensure!(owner != requester, RequestToSelf, "'{}'", call.filter);
    check_terms(&call.terms, &requester, ctx.block.time_s())?;
    let entry = RequestEntry {
        terms: call.terms.clone(),
        asked: ctx.block.moment(),
        answer: None,
    };
    ctx.put(keys::request(&owner, &requester, &call.filter), &entry);
    Ok(())
}

/// Whom a request goes to.
fn owner_of<R: Read>(ctx: &Context<'_, R>, filter: &TopicFilter) -> Result<ClientId, Stop> {
    if let Some(name) = filter.to_name() {
        let topic: TopicEntry = ctx
            .entry(&keys::topic(&name))?
            .ok_or_else(|| Code::UnknownTopic.because(format_args!("'{name}'")))?;
        return Ok(topic.owner);
    }
    let owner = filter
        .owner()
        .ok_or_else(|| Code::OutsidePrefix.because(format_args!("'{filter}'")))?;
    ensure!(
        ctx.exists(&keys::client(&owner))?,
        UnknownGrantee,
        "{owner}"
    );
    Ok(owner)
}

pub(crate) fn deny<R: Read>(ctx: &mut Context<'_, R>, call: &DenyRequest) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    check_note(&call.note)?;
    let answered = answer(ctx, &call.filter, &call.requester, false, &call.note)?;
    ensure!(
        answered,
        UnknownRequest,
        "{} for '{}'",
        call.requester,
        call.filter
    );
    Ok(())
}

/// Answers an open request, if there is one, because what it asks for was granted.
pub(super) fn answer_granted<R: Read>(
    ctx: &mut Context<'_, R>,
    filter: &TopicFilter,
    requester: &ClientId,
    note: Option<&str>,
) -> Result<(), Stop> {
    answer(ctx, filter, requester, true, note.unwrap_or_default()).map(drop)
}

fn answer<R: Read>(
    ctx: &mut Context<'_, R>,
    filter: &TopicFilter,
    requester: &ClientId,
    granted: bool,
    note: &str,
) -> Result<bool, Stop> {
    let key = keys::request(&ctx.sender.client, requester, filter);
    let Some(mut entry) = ctx.entry::<RequestEntry>(&key)? else {
        return Ok(false);
    };
    if entry.answer.is_some() {
        return Ok(false);
    }
    entry.answer = Some(RequestAnswer {
        at: ctx.block.moment(),
        granted,
        note: note.to_owned(),
    });
    ctx.put(key, &entry);
    Ok(true)
}
