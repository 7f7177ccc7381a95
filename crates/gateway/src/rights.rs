//! Rights: questions to the verified ledger state, answers with a reason in MQTT's words.
//!
//! Everything is denied unless the state allows it. A refusal carries what the client is told (an
//! MQTT 5 reason code and a sentence) and what the audit records (the grant and the height that
//! decided).

use mqtt5::{packet::publish::PublishPacket, types::ReasonCode};
use sealwire_contracts::{Action, Decision, Reason, View, entry::GrantEntry};
use sealwire_envelope::{ClientId, KeyEpoch, TopicFilter, TopicMode, TopicName, message};

use crate::frame::FrameError;

/// Longest sentence that is sent or recorded, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;

/// Something is refused, and why.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// What an MQTT 5 client gets.
    pub code: ReasonCode,
    /// One sentence for people: the whole cause, for the record and the operator.
    pub text: String,
    /// What the client is told instead, where the whole cause would tell a stranger something; none:
    /// the same.
    pub told: Option<String>,
    /// State key of the grant that decided.
    pub grant: Option<Vec<u8>>,
    /// Height of the state that decided; 0 if no state was asked.
    pub height: u64,
}

impl Refusal {
    /// A refusal that doesn't rest on the ledger's state.
    pub fn new(code: ReasonCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: cut(text.into()),
            told: None,
            grant: None,
            height: 0,
        }
    }

    /// What the client is told.
    pub fn told(&self) -> &str {
        self.told.as_deref().unwrap_or(&self.text)
    }

    /// The peer doesn't speak MQTT, or too much of it.
    pub fn malformed(error: &FrameError) -> Self {
        let code = match error {
            FrameError::TooLarge { .. } => ReasonCode::PacketTooLarge,
            _ => ReasonCode::MalformedPacket,
        };
        Self::new(code, error.to_string())
    }

    /// What the state decided.
    pub fn decided(code: ReasonCode, what: impl std::fmt::Display, decision: Decision) -> Self {
        let text = format!("{what}: {} (height {})", decision.reason, decision.height);
        Self {
            code,
            text: cut(text),
            told: None,
            grant: decision.grant_key,
            height: decision.height,
        }
    }
}

/// At most [`TEXT_BYTES_MAX`] bytes of a text, whole characters.
pub fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX - 3)
            .rev()
            .find(|&i| text.is_char_boundary(i))
            .unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The time range that a grant opens, in seconds since 1970, both ends included.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    from_s: u64,
    to_s: u64,
}

impl Range {
    pub(crate) fn of(grant: Option<&GrantEntry>) -> Self {
        Self {
            from_s: grant.and_then(|grant| grant.from_s).unwrap_or(0),
            to_s: grant.and_then(|grant| grant.to_s).unwrap_or(u64::MAX),
        }
    }

    /// Whether it opens all of this time, both ends included.
    pub(crate) fn holds(self, from_ms: u64, to_ms: u64) -> bool {
        self.from_s <= from_ms / 1000 && to_ms / 1000 <= self.to_s
    }

    /// Whether it opens any of this time, both ends included.
    pub(crate) fn meets(self, from_ms: u64, to_ms: u64) -> bool {
        self.from_s <= to_ms / 1000 && from_ms / 1000 <= self.to_s
    }
}

/// A publish that is allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publishable {
    /// The topic.
    pub topic: TopicName,
    /// Key epoch of the payload; 0 on an open topic.
    pub epoch: u32,
}

/// May `client` publish this now?
///
/// # Errors
/// [`Refusal`] with a reason code that PUBACK may carry (MQTT 5.0 §3.4.2.1).
pub fn publish(
    view: &View,
    client: &ClientId,
    packet: &PublishPacket,
    payload_bytes_max: usize,
    now_ms: u64,
) -> Result<Publishable, Refusal> {
    let topic: TopicName = packet
        .topic_name
        .parse()
        .map_err(|e| Refusal::new(ReasonCode::TopicNameInvalid, format!("{e}")))?;
    let bytes = packet.payload.len();
    if bytes > payload_bytes_max {
        let text = format!("payload of {bytes} bytes, the limit is {payload_bytes_max} bytes");
        return Err(Refusal::new(ReasonCode::QuotaExceeded, text));
    }
    let decision = view.decide(client, Action::Publish(&topic), now_ms);
    let entry = match &decision.topic {
        Some(entry) if decision.is_allowed() => entry.clone(),
        _ => {
            let what = format!("no right to publish on {topic}");
            return Err(Refusal::decided(ReasonCode::NotAuthorized, what, decision));
        }
    };
    let epoch = match entry.mode {
        TopicMode::Open => 0,
        // An empty retained message deletes the retained one: there is nothing to encrypt.
        TopicMode::Sealed if packet.payload.is_empty() && packet.retain => entry.epoch.0,
        TopicMode::Sealed => {
            let refuse = |text: String| Refusal {
                height: decision.height,
                ..Refusal::new(ReasonCode::PayloadFormatInvalid, text)
            };
            let header = message::inspect(&packet.payload)
                .map_err(|e| refuse(format!("{topic} is sealed and the payload isn't: {e}")))?;
            if header.sender != *client {
                return Err(refuse(format!(
                    "the payload names {} as its sender",
                    header.sender
                )));
            }
            let KeyEpoch(epoch) = header.epoch;
            if epoch > entry.epoch.0 {
                return Err(refuse(format!(
                    "unknown key epoch {epoch}: {topic} is at key epoch {} (height {})",
                    entry.epoch, decision.height
                )));
            }
            epoch
        }
    };
    Ok(Publishable { topic, epoch })
}

/// May `client` subscribe to this filter now?
///
/// # Errors
/// [`Refusal`] with a reason code that SUBACK may carry (MQTT 5.0 §3.9.3).
pub fn subscribe(
    view: &View,
    client: &ClientId,
    filter: &str,
    now_ms: u64,
) -> Result<Decision, Refusal> {
    let plain: TopicFilter = unshared(filter)
        .parse()
        .map_err(|e| Refusal::new(ReasonCode::TopicFilterInvalid, format!("{e}")))?;
    let decision = view.decide(client, Action::Subscribe(&plain), now_ms);
    if decision.is_allowed() {
        return Ok(decision);
    }
    let what = format!("no right to subscribe to {plain}");
    Err(Refusal::decided(ReasonCode::NotAuthorized, what, decision))
}

/// May `client` receive a message on this topic now? Whatever filter it is subscribed to: the right is
/// asked for the topic itself, which may be another owner's by now.
///
/// # Errors
/// [`Refusal`] if not.
pub fn receive(
    view: &View,
    client: &ClientId,
    topic: &str,
    now_ms: u64,
) -> Result<Decision, Refusal> {
    let topic: TopicName = topic
        .parse()
        .map_err(|e| Refusal::new(ReasonCode::TopicNameInvalid, format!("{e}")))?;
    let decision = view.decide(client, Action::Subscribe(&topic.to_filter()), now_ms);
    if decision.is_allowed() {
        return Ok(decision);
    }
    let what = format!("no right to receive {topic}");
    Err(Refusal::decided(ReasonCode::NotAuthorized, what, decision))
}

/// May the engine publish there for this client? Asked once more, behind the front door.
pub fn publish_topic(view: &View, client: &ClientId, topic: &str, now_ms: u64) -> bool {
    topic.parse::<TopicName>().is_ok_and(|topic| {
        view.decide(client, Action::Publish(&topic), now_ms)
            .is_allowed()
    })
}

/// May `client` be, or stay, logged in with this certificate?
///
/// # Errors
/// [`Refusal`] if not.
pub fn connect(
    view: &View,
    client: &ClientId,
    certificate: sealwire_envelope::CertId,
    now_ms: u64,
) -> Result<u64, Refusal> {
    let mut decision = view.decide(client, Action::Connect, now_ms);
    if decision.is_allowed() && decision.certificate == Some(certificate) {
        return Ok(decision.height);
    }
    if decision.is_allowed() {
        // The client has another certificate by now, so this one was revoked or has expired.
        decision.reason = Reason::CertificateRevoked;
    }
    let what = format!("{client} can't be logged in");
    Err(Refusal::decided(ReasonCode::NotAuthorized, what, decision))
}

/// May `client` stay logged in with this certificate? As [`connect`]; besides, while it has a live
/// one, for `grace_ms` after this one was superseded: it has that time to re-authenticate.
///
/// # Errors
/// [`Refusal`] if not.
pub fn stay(
    view: &View,
    client: &ClientId,
    certificate: sealwire_envelope::CertId,
    now_ms: u64,
    grace_ms: u64,
) -> Result<(), Refusal> {
    let Err(refusal) = connect(view, client, certificate, now_ms) else {
        return Ok(());
    };
    let has_another = view.decide(client, Action::Connect, now_ms).is_allowed();
    let entry = view.certificate(&certificate).value;
    let ended = entry.and_then(|record| record.certificate.superseded());
    let Some(ended) = ended.filter(|_| has_another) else {
        return Err(refusal);
    };
    let ago_ms = now_ms.saturating_sub(ended.time_ms);
    if ago_ms <= grace_ms {
        return Ok(());
    }
    let text = format!(
        "{client}'s certificate was renewed {} s ago: log in with the new one",
        ago_ms / 1000
    );
    Err(Refusal {
        text: cut(text),
        ..refusal
    })
}

/// The filter inside `$share/<group>/<filter>`.
pub fn unshared(filter: &str) -> &str {
    filter
        .strip_prefix("$share/")
        .and_then(|rest| rest.split_once('/'))
        .map_or(filter, |(_, filter)| filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = cut("ä".repeat(400));
        assert!(text.len() <= TEXT_BYTES_MAX && text.ends_with('…'));
        assert_eq!(cut("short".into()), "short");
    }

    #[test]
    fn shared_subscriptions_are_taken_apart() {
        assert_eq!(unshared("$share/g/a/+"), "a/+");
        assert_eq!(unshared("a/b"), "a/b");
        assert_eq!(unshared("$share/g"), "$share/g");
    }
}
