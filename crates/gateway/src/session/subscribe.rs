//! SUBSCRIBE and UNSUBSCRIBE: each filter is decided alone; the engine sees only those that were
//! allowed, and the SUBACK is completed on the way down.

use mqtt5::{
    Packet,
    packet::{
        suback::{SubAckPacket, SubAckReasonCode},
        subscribe::SubscribePacket,
    },
    types::ReasonCode,
};
use sealwire_contracts::Decision;
use tokio::io::AsyncWrite;

use super::{Line, Up, lock};
use crate::{
    audit::Occurrence,
    engine::SUBSCRIPTIONS_MAX,
    frame::{self, Frame},
    rights::{Refusal, cut},
};

/// Filters in one SUBSCRIBE.
const FILTERS_MAX: usize = 64;

/// Codes for filters that the engine didn't see.
pub(super) struct PartialSubAck {
    pub(super) codes: Vec<Option<SubAckReasonCode>>,
    pub(super) reason: String,
}

impl<W: AsyncWrite + Unpin + Send> Line<W> {
    pub(super) async fn subscribe(&self, frame: Frame) -> Result<Option<Up>, Refusal> {
        let Packet::Subscribe(packet) = self.decode(&frame)? else {
            return Err(Refusal::new(ReasonCode::MalformedPacket, "not a SUBSCRIBE"));
        };
        if packet.filters.is_empty() || packet.filters.len() > FILTERS_MAX {
            let text = format!(
                "{} filters in one SUBSCRIBE, 1 to {FILTERS_MAX} are allowed",
                packet.filters.len()
            );
            return Err(Refusal::new(ReasonCode::ProtocolError, text));
        }
        let mut partial = PartialSubAck {
            codes: Vec::new(),
            reason: String::new(),
        };
        let mut allowed = Vec::new();
        for filter in &packet.filters {
            match self.may_subscribe(&filter.filter) {
                Ok(decision) => {
                    self.session
                        .with_filters(|filters| filters.insert(filter.filter.clone()));
                    let occurrence = Occurrence::subscribe(&self.session, &filter.filter, decision);
                    self.hub.record_in_turn(occurrence).await;
                    allowed.push(filter.clone());
                    partial.codes.push(None);
                }
                Err(refusal) => {
                    let occurrence =
                        Occurrence::refused_subscribe(&self.session, &filter.filter, &refusal);
                    self.record_refusal(occurrence).await;
                    self.pace_refusal()?;
                    partial.codes.push(Some(match refusal.code {
                        ReasonCode::TopicFilterInvalid => SubAckReasonCode::TopicFilterInvalid,
                        ReasonCode::QuotaExceeded => SubAckReasonCode::QuotaExceeded,
                        _ => SubAckReasonCode::NotAuthorized,
                    }));
                    if !partial.reason.is_empty() {
                        partial.reason.push_str("; ");
                    }
                    let filter = cut(filter.filter.clone());
                    let reason = format!("{filter}: {}", refusal.text);
                    partial.reason.push_str(&reason);
                }
            }
        }
        if allowed.len() == packet.filters.len() {
            return Ok(Some(Up::Forward(frame.bytes)));
        }
        let encode = |packet| frame::encode(&packet).map_err(|e| Refusal::malformed(&e));
        if allowed.is_empty() {
            let codes = partial.codes.into_iter().flatten().collect();
            let ack = self.suback(packet.packet_id, codes, partial.reason);
            return Ok(Some(Up::Answer(encode(Packet::SubAck(ack))?)));
        }
        lock(&self.subacks).insert(packet.packet_id, partial);
        let packet = SubscribePacket {
            filters: allowed,
            ..packet
        };
        Ok(Some(Up::Forward(encode(Packet::Subscribe(packet))?)))
    }

    /// By right, by number and by rate: the watcher looks at every subscription at every height.
    fn may_subscribe(&self, filter: &str) -> Result<Decision, Refusal> {
        let is_full = self.session.with_filters(|filters| {
            filters.len() >= SUBSCRIPTIONS_MAX && !filters.contains(filter)
        });
        if is_full {
            let text = format!("a session has at most {SUBSCRIPTIONS_MAX} subscriptions");
            return Err(Refusal::new(ReasonCode::QuotaExceeded, text));
        }
        self.pace_filter()?;
        self.hub.may_subscribe(&self.session.client, filter)
    }

    pub(super) fn unsubscribe(&self, frame: Frame) -> Result<Option<Up>, Refusal> {
        let Packet::Unsubscribe(packet) = self.decode(&frame)? else {
            return Err(Refusal::new(
                ReasonCode::MalformedPacket,
                "not an UNSUBSCRIBE",
            ));
        };
        self.session.with_filters(|filters| {
            for filter in &packet.filters {
                filters.remove(filter);
            }
        });
        Ok(Some(Up::Forward(frame.bytes)))
    }

    pub(super) fn suback(
        &self,
        id: u16,
        codes: Vec<SubAckReasonCode>,
        reason: String,
    ) -> SubAckPacket {
        let mut ack = match self.session.version {
            5 => SubAckPacket::new(id),
            _ => SubAckPacket::new_v311(id),
        };
        ack.reason_codes = codes;
        if self.session.info.problem_information && !reason.is_empty() {
            ack.properties.set_reason_string(reason);
        }
        ack
    }
}
