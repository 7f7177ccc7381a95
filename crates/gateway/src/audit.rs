//! Connection events: what the ledger hears of every connection.
//!
//! An [`Occurrence`] is built where something happens, becomes a `ConnectionEvent` and waits in the
//! archive's outbox, on disk, until a block holds it ([`crate::clerk`]).

use std::net::Ipv6Addr;

use mqtt5::packet::connect::ConnectPacket;
use sealwire_contracts::Decision;
use sealwire_envelope::{CertId, ClientId, ConnectionEvent, EventKind, transaction::UserProperty};

use crate::{
    doorkeeper::Sum,
    rights::{Refusal, cut},
    session::Session,
    story::Story,
};

/// User properties of a CONNECT that are recorded.
const PROPERTIES_MAX: usize = 8;
/// Longest name or value of one, in bytes.
const PROPERTY_BYTES_MAX: usize = 64;

/// What a CONNECT said about itself.
#[derive(Clone, Debug, Default)]
pub struct ConnectInfo {
    /// Protocol version, 4 or 5.
    pub version: u8,
    /// Keep alive, in seconds.
    pub keep_alive_s: u16,
    /// Clean start.
    pub clean_start: bool,
    /// User properties, cut to what is recorded.
    pub properties: Vec<UserProperty>,
    /// Whether it wants reason strings everywhere (MQTT 5.0 §3.1.2.11.7).
    pub problem_information: bool,
}

impl ConnectInfo {
    /// Of this packet.
    pub fn of(connect: &ConnectPacket) -> Self {
        use mqtt5::{PropertyId, PropertyValue};
        let all = connect
            .properties
            .get_all(PropertyId::UserProperty)
            .unwrap_or_default();
        let properties = all.iter().filter_map(|value| match value {
            PropertyValue::Utf8StringPair(name, value) => Some(UserProperty {
                name: short(name),
                value: short(value),
            }),
            _ => None,
        });
        Self {
            version: connect.protocol_version,
            keep_alive_s: connect.keep_alive,
            clean_start: connect.clean_start,
            properties: properties.take(PROPERTIES_MAX).collect(),
            problem_information: connect.protocol_version == 5
                && connect
                    .properties
                    .get_request_problem_information()
                    .unwrap_or(true),
        }
    }
}

fn short(text: &str) -> String {
    let mut text = text.to_owned();
    while text.len() > PROPERTY_BYTES_MAX {
        text.pop();
    }
    text
}

/// An event and how the story tells it.
pub struct Occurrence {
    /// For the ledger.
    pub event: ConnectionEvent,
    /// For listeners.
    pub story: Option<Story>,
}

impl Occurrence {
    fn of(session: &Session, kind: EventKind) -> ConnectionEvent {
        let mut event = event(session.client.clone(), kind, session.peer, &session.info);
        event.height = session.standing().height;
        event
    }

    /// A client was admitted.
    pub fn connect(session: &Session, method: &'static str) -> Self {
        let mut event = Self::of(session, EventKind::Connected);
        event.reason = format!("certificate {} by {method}", session.standing().certificate);
        let story = Story::LoggedIn {
            client: session.client.clone(),
            method,
            address: session.peer.to_string(),
            height: session.standing().height,
        };
        Self {
            event,
            story: Some(story),
        }
    }

    /// A login was refused. `claimed` is who it said it was; a name that can't be one is recorded
    /// under `unidentified` of the gateway's organisation.
    pub fn connect_refused(
        claimed: Option<ClientId>,
        unidentified: &ClientId,
        peer: std::net::SocketAddr,
        info: &ConnectInfo,
        refusal: &Refusal,
    ) -> Self {
        let client = claimed.unwrap_or_else(|| unidentified.clone());
        let story = Story::LoginRefused {
            client: client.to_string(),
            reason: refusal.text.clone(),
        };
        let mut event = event(client, EventKind::ConnectRefused, peer, info);
        because(&mut event, refusal);
        Self {
            event,
            story: Some(story),
        }
    }

    /// Too many failed logins: the client isn't heard from this address for a while.
    pub fn locked_out(
        client: ClientId,
        peer: std::net::SocketAddr,
        info: &ConnectInfo,
        reason: String,
    ) -> Self {
        let story = Story::LoginRefused {
            client: client.to_string(),
            reason: reason.clone(),
        };
        let mut event = event(client, EventKind::LockedOut, peer, info);
        event.reason = cut(reason);
        Self {
            event,
            story: Some(story),
        }
    }

    /// Refused logins that have no record of their own. The address is the prefix's, without a port;
    /// `::` if there are several.
    pub fn refused_logins(sum: &Sum, unidentified: &ClientId) -> Self {
        let client = sum.client.as_ref().unwrap_or(unidentified);
        let address = sum.address.unwrap_or(Ipv6Addr::UNSPECIFIED.into());
        let (kind, info) = (EventKind::ConnectRefused, ConnectInfo::default());
        let mut event = event(client.clone(), kind, (address, 0).into(), &info);
        event.reason = cut(sum.to_string());
        let story = Story::LoginRefused {
            client: client.to_string(),
            reason: event.reason.clone(),
        };
        Self {
            event,
            story: Some(story),
        }
    }

    /// A live session showed anew who it is.
    pub fn reauthenticated(session: &Session, before: CertId) -> Self {
        let mut event = Self::of(session, EventKind::Reauthenticated);
        let present = session.standing().certificate;
        event.reason = if present == before {
            format!("certificate {present} by SM2")
        } else {
            format!("certificate {present} by SM2, after {before}")
        };
        let story = Story::Reauthenticated {
            client: session.client.clone(),
            height: event.height,
        };
        Self {
            event,
            story: Some(story),
        }
    }

    /// A live session couldn't show anew who it is, and ends.
    pub fn reauthentication_refused(session: &Session, refusal: &Refusal) -> Self {
        let mut event = Self::of(session, EventKind::ReauthenticationRefused);
        because(&mut event, refusal);
        let story = Story::LoginRefused {
            client: session.client.to_string(),
            reason: refusal.text.clone(),
        };
        Self {
            event,
            story: Some(story),
        }
    }

    /// A session ended.
    pub fn disconnect(session: &Session, reason: String) -> Self {
        let mut event = Self::of(session, EventKind::Disconnected);
        event.reason = cut(reason.clone());
        let story = Story::LoggedOut {
            client: session.client.clone(),
            reason,
        };
        Self {
            event,
            story: Some(story),
        }
    }

    /// A client subscribed.
    pub fn subscribe(session: &Session, filter: &str, decision: Decision) -> Self {
        let mut event = Self::of(session, EventKind::Subscribed);
        event.topic = Some(cut(filter.to_owned()));
        event.reason = decision.reason.name().to_owned();
        event.grant = decision.grant_key.map(Into::into);
        event.height = decision.height;
        let story = Story::Subscribed {
            client: session.client.clone(),
            filter: filter.to_owned(),
        };
        Self {
            event,
            story: Some(story),
        }
    }

    /// A subscription was refused.
    pub fn refused_subscribe(session: &Session, filter: &str, refusal: &Refusal) -> Self {
        Self::refused(
            session,
            EventKind::SubscribeRefused,
            "subscribe",
            filter,
            refusal,
        )
    }

    /// A message was refused.
    pub fn refused_publish(session: &Session, topic: &str, refusal: &Refusal) -> Self {
        Self::refused(
            session,
            EventKind::PublishRefused,
            "publish",
            topic,
            refusal,
        )
    }

    fn refused(
        session: &Session,
        kind: EventKind,
        what: &'static str,
        topic: &str,
        refusal: &Refusal,
    ) -> Self {
        let mut event = Self::of(session, kind);
        event.topic = Some(cut(topic.to_owned()));
        because(&mut event, refusal);
        let story = Story::Refused {
            client: session.client.clone(),
            what,
            topic: topic.to_owned(),
            reason: refusal.text.clone(),
        };
        Self {
            event,
            story: Some(story),
        }
    }

    /// A live subscription was ended because its right was.
    pub fn subscription_ended(session: &Session, filter: &str, refusal: &Refusal) -> Self {
        let mut event = Self::of(session, EventKind::SubscriptionEnded);
        event.topic = Some(cut(filter.to_owned()));
        because(&mut event, refusal);
        Self { event, story: None }
    }
}

/// What is said of a session that this event opened, if the gateway stops without notice.
pub(crate) fn last_words(opened: &ConnectionEvent) -> ConnectionEvent {
    ConnectionEvent {
        kind: EventKind::Disconnected,
        reason: "the gateway stopped without notice".into(),
        ..opened.clone()
    }
}

fn because(event: &mut ConnectionEvent, refusal: &Refusal) {
    event.reason = cut(refusal.text.clone());
    event.grant = refusal.grant.clone().map(Into::into);
    event.height = event.height.max(refusal.height);
}

fn event(
    client: ClientId,
    kind: EventKind,
    peer: std::net::SocketAddr,
    info: &ConnectInfo,
) -> ConnectionEvent {
    ConnectionEvent {
        client,
        kind,
        time_ms: crate::now_ms(),
        address: peer.ip().to_string(),
        port: peer.port(),
        protocol_version: info.version,
        keep_alive_s: info.keep_alive_s,
        clean_start: info.clean_start,
        properties: info.properties.clone(),
        topic: None,
        reason: String::new(),
        grant: None,
        height: 0,
    }
}
