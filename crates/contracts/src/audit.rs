//! Audit: who connected where, and who was refused.
//!
//! - **LogEvents** (gateway): 1 to 512 connection events of clients, in the order in which the gateway
//!   saw them. The sender is the gateway that saw them. Whether a client exists is not asked: an
//!   attempt under an invented name is an event too. Nor is the event's time judged: events wait on the
//!   gateway's disk while the ledger is away, and none may be dropped for it.
//!
//! Each event lies once, under its client and kind; the batch, under its gateway, lists them in order.

use sealwire_envelope::ConnectionEvent;
use sealwire_sm::cert::Role;

use crate::context::{Context, Stop, ensure};
use crate::entry::{BatchEntry, BatchItem, EventEntry};
use crate::keys::{self, Position};
use crate::limits::{EVENT_BYTES, EVENTS_PER_CALL};
use crate::state::Read;

pub(crate) fn log_events<R: Read>(
    ctx: &mut Context<'_, R>,
    events: &[ConnectionEvent],
) -> Result<(), Stop> {
    ctx.allow(&[Role::Gateway])?;
    ensure!(!events.is_empty(), EventsEmpty, "no event");
    let count = events.len();
    ensure!(
        count <= EVENTS_PER_CALL,
        EventsTooMany,
        "{count} events, at most {EVENTS_PER_CALL}"
    );
    let gateway = ctx.sender.client.clone();
    let at = ctx.block.moment();
    let mut items = Vec::with_capacity(count);
    for (item, event) in (0u32..).zip(events) {
        let length = sealwire_envelope::encode(event).len();
        ensure!(
            length <= EVENT_BYTES,
            EventTooLarge,
            "event {item}: {length} bytes, at most {EVENT_BYTES}"
        );
        let kind = event.kind.number();
        let position = Position {
            height: at.height,
            tx: ctx.index,
            item,
        };
        let entry = EventEntry {
            event: event.clone(),
            gateway: gateway.clone(),
            at,
        };
        ctx.put(keys::event(&event.client, kind, position), &entry);
        items.push(BatchItem {
            client: event.client.clone(),
            kind,
        });
    }
    ctx.put(
        keys::batch(&gateway, at.height, ctx.index),
        &BatchEntry { at, items },
    );
    Ok(())
}
