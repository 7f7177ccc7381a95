//! Stale keys: topics whose present key somebody holds who has no right to it any more.
//!
//! It happens when a grant ends while the owner is away: an operator revoked it, a filter was taken
//! back, it expired. The former reader gets no message, but could open one that it got otherwise,
//! until the owner rotates. The gateway can't rotate (it has no keys), so it says so: messages that
//! it delivers on such a topic carry the user property [`PROPERTY`] = [`VALUE`]. No publisher can
//! set that property: it is taken off what comes in.
//!
//! # Cost
//! Who holds a key is a walk over all its holders, so the answer is kept per topic and height, and
//! for `RECHECK_S` at the same height, because grants also end by the clock. Sessions remember it
//! with the right to receive: a message costs nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use mqtt5::{Properties, PropertyId};
use sealwire_envelope::{TopicMode, TopicName};

use crate::{hub::Hub, now_ms, story::Story};

/// Name of the user property.
pub const PROPERTY: &str = "sealwire-key";
/// Its value when the topic's key is stale.
pub const VALUE: &str = "stale";
/// How long an answer holds while no block comes, in seconds.
const RECHECK_S: u64 = 10;
/// Topics whose answer is kept.
const TOPICS_MAX: usize = 10_000;

/// Which topics have a stale key.
#[derive(Default)]
pub struct StaleKeys(Mutex<HashMap<TopicName, Checked>>);

#[derive(Clone, Copy)]
struct Checked {
    height: u64,
    time_s: u64,
    is_stale: bool,
}

impl StaleKeys {
    /// Whether the present key of this topic is stale. Tells the story when it is, once per height.
    pub fn ask(&self, hub: &Hub, topic: &TopicName, mode: TopicMode) -> bool {
        if mode == TopicMode::Open {
            return false;
        }
        let (height, now_ms) = (hub.height(), now_ms());
        let time_s = now_ms / 1000;
        // Held while asking: sessions that deliver the same topic ask once, not each.
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = topics.get(topic).copied();
        if let Some(known) = known
            && known.height == height
            && time_s.saturating_sub(known.time_s) < RECHECK_S
        {
            return known.is_stale;
        }
        let is_stale = hub.ledger().view().is_key_stale(topic, now_ms);
        let was_told = known.is_some_and(|known| known.height == height && known.is_stale);
        if topics.len() >= TOPICS_MAX {
            topics.clear();
        }
        topics.insert(
            topic.clone(),
            Checked {
                height,
                time_s,
                is_stale,
            },
        );
        drop(topics);
        if is_stale && !was_told {
            tracing::warn!(%topic, height, "somebody without a right holds the topic's key: its owner must rotate it");
            hub.tell(Story::KeyStale {
                topic: topic.to_string(),
                height,
            });
        }
        is_stale
    }
}

/// Take the property off what a publisher sent; whether there was one.
pub(crate) fn strip(properties: &mut Properties) -> bool {
    let is_there = properties.contains(PropertyId::UserProperty)
        && properties.get_user_property_value(PROPERTY).is_some();
    if is_there {
        properties.remove_user_property_by_key(PROPERTY);
    }
    is_there
}
