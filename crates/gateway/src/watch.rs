//! The watcher: what a block takes away, live sessions lose at once.
//!
//! On every new height (and every `TICK`, because certificates and grants also end by the clock)
//! each live session is checked again: its certificate, then each of its subscriptions. A revoked
//! certificate closes the session; one that its holder renewed does after `Limits::renewal_grace`,
//! unless the session has re-authenticated by then. A subscription whose right ended is removed in the engine, and
//! the session is closed with the reason: MQTT has no other way to tell a client that a
//! subscription is gone. It may connect again at once and keep what it still may receive.

use std::{sync::Arc, time::Duration};

use mqtt5::types::ReasonCode;
use tokio::sync::watch;

use crate::{
    audit::Occurrence,
    hub::Hub,
    now_ms,
    rights::{self, Refusal},
    session::Session,
    story::Story,
};

/// Longest time between two checks.
const TICK: Duration = Duration::from_secs(1);

/// Check until `stop` changes.
pub async fn watch(hub: Arc<Hub>, mut stop: watch::Receiver<bool>) {
    let mut heights = hub.ledger().height();
    loop {
        tokio::select! {
            changed = heights.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(TICK) => {}
            _ = stop.changed() => return,
        }
        hub.record_sums(false);
        let height = *heights.borrow_and_update();
        for session in hub.sessions().all() {
            check(&hub, &session, height).await;
        }
    }
}

async fn check(hub: &Hub, session: &Arc<Session>, height: u64) {
    let now_ms = now_ms();
    let grace_ms = u64::try_from(hub.limits().renewal_grace.as_millis()).unwrap_or(u64::MAX);
    let stays = rights::stay(
        &hub.ledger().view(),
        &session.client,
        session.standing().certificate,
        now_ms,
        grace_ms,
    );
    if let Err(refusal) = stays {
        for filter in session.filters() {
            hub.engine().unsubscribe(&session.name, &filter).await;
        }
        return end(hub, session, refusal, height);
    }
    for filter in session.filters() {
        let decision = rights::subscribe(&hub.ledger().view(), &session.client, &filter, now_ms);
        let Err(refusal) = decision else { continue };
        hub.engine().unsubscribe(&session.name, &filter).await;
        hub.record(Occurrence::subscription_ended(session, &filter, &refusal));
        let text = format!("subscription to {filter} ended: {}", refusal.text);
        let refusal = Refusal {
            text: rights::cut(text),
            code: ReasonCode::NotAuthorized,
            ..refusal
        };
        return end(hub, session, refusal, height);
    }
}

fn end(hub: &Hub, session: &Session, refusal: Refusal, height: u64) {
    if session.close(refusal.clone()) {
        hub.metrics().sessions_ended.add(1);
        let client = session.client.clone();
        hub.tell(Story::SessionEnded {
            client,
            reason: refusal.text,
            height,
        });
    }
}
