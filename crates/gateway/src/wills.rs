//! Wills: what is published for a client that went without a word (MQTT 5.0 §3.1.2.5).
//!
//! ```text
//!  session ends ─┬ with DISCONNECT ─────────────────► forgotten
//!                ├ without, no delay ───────────────► decide ► archive ► engine
//!                └ without, delay ─► wait ─┬ over ──► decide ► archive ► engine
//!                                          └ the session is back ► forgotten
//! ```
//! The engine never sees a will: it couldn't be told to archive one before it publishes it. The
//! session takes the will out of its CONNECT and keeps it; this module does with it what the front
//! door does with any message, with the rights in force when it is published.
//!
//! # Invariants
//! - A will that anybody receives is on disk in the archive.
//! - At most one will waits per session name, and at most `WAITING_MAX` in all; beyond that a
//!   will is published without its delay.
//! - A will waits no longer than its session is kept (MQTT-3.1.3-9). When the gateway shuts down,
//!   sessions end, so all that wait are published.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mqtt5::{WillMessage, packet::publish::PublishPacket};
use sealwire_archive::Message;
use tokio::task::AbortHandle;

use crate::{audit::Occurrence, engine::SESSION_EXPIRY_S, hub::Hub, session::Session, stale};

/// Wills that wait at a time.
const WAITING_MAX: usize = 10_000;

/// The wills that wait, by session name.
#[derive(Default)]
pub struct Wills(Mutex<HashMap<String, Waiting>>);

struct Waiting {
    will: Will,
    timer: AbortHandle,
}

/// A will and whose it is.
#[derive(Clone)]
pub(crate) struct Will {
    session: Arc<Session>,
    packet: PublishPacket,
    delay: Duration,
}

impl Will {
    /// Of this session, which is kept for `expiry_s` seconds after its connection.
    pub(crate) fn new(session: Arc<Session>, will: WillMessage, expiry_s: u32) -> Self {
        let mut packet = PublishPacket::new(will.topic, will.payload, will.qos);
        packet.retain = will.retain;
        will.properties
            .apply_to_publish_properties(&mut packet.properties);
        stale::strip(&mut packet.properties);
        let delay_s = will.properties.will_delay_interval.unwrap_or(0);
        let delay_s = u64::from(delay_s.min(expiry_s)).min(SESSION_EXPIRY_S);
        Self {
            session,
            packet,
            delay: Duration::from_secs(delay_s),
        }
    }
}

impl Wills {
    /// The session ended without a word: publish its will, now or after its delay.
    pub(crate) async fn execute(&self, hub: &Arc<Hub>, will: Will) {
        if will.delay.is_zero() || self.lock().len() >= WAITING_MAX {
            return publish(hub, will).await;
        }
        let session = will.session.clone();
        self.wait(hub, will);
        // Whoever takes a session up again is in the table of sessions before it calls the will
        // off; so one of the two sees the other.
        if hub.sessions().has_other(&session) {
            self.call_off(&session.name);
        }
    }

    fn wait(&self, hub: &Arc<Hub>, will: Will) {
        let name = will.session.name.clone();
        let (id, delay) = (will.session.id, will.delay);
        // A gateway that is dropped doesn't live on for its wills.
        let (weak, key) = (Arc::downgrade(hub), name.clone());
        let mut waiting = self.lock();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let Some(hub) = weak.upgrade() else { return };
            let due = hub.wills().take(&key, id);
            if let Some(will) = due {
                publish(&hub, will).await;
            }
        });
        let timer = timer.abort_handle();
        if let Some(former) = waiting.insert(name, Waiting { will, timer }) {
            former.timer.abort();
        }
    }

    fn take(&self, name: &str, session: u64) -> Option<Will> {
        let mut waiting = self.lock();
        let is_due = waiting
            .get(name)
            .is_some_and(|waiting| waiting.will.session.id == session);
        is_due
            .then(|| waiting.remove(name))
            .flatten()
            .map(|waiting| waiting.will)
    }

    /// The session is back: its will isn't published.
    pub fn call_off(&self, name: &str) {
        if let Some(waiting) = self.lock().remove(name) {
            waiting.timer.abort();
        }
    }

    /// Publish all that wait.
    pub async fn publish_all(&self, hub: &Arc<Hub>) {
        let all = std::mem::take(&mut *self.lock());
        for waiting in all.into_values() {
            waiting.timer.abort();
            publish(hub, waiting.will).await;
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decide, archive, and only then let the engine route it.
async fn publish(hub: &Arc<Hub>, will: Will) {
    let Will {
        session, packet, ..
    } = will;
    let allowed = match hub.may_publish(&session.client, &packet) {
        Ok(allowed) => allowed,
        Err(refusal) => {
            let topic = &packet.topic_name;
            return hub.record(Occurrence::refused_publish(&session, topic, &refusal));
        }
    };
    let message = Message {
        topic: allowed.topic,
        sender: session.client.clone(),
        received_ms: crate::now_ms(),
        qos: packet.qos as u8,
        epoch: allowed.epoch,
        payload: packet.payload.clone(),
    };
    hub.tell_message(&message);
    let archived = match hub.archive().append(message).await {
        Ok(pending) => pending.durable().await,
        Err(error) => Err(error),
    };
    match archived {
        Ok(()) => {
            hub.metrics().archived.add(1);
            hub.engine().publish(&session.name, packet).await;
        }
        Err(error) => {
            tracing::error!(%error, client = %session.client, "a will wasn't archived, so it isn't published");
        }
    }
}
