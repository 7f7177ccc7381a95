//! audit: log connections.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{codec::Blob, id::ClientId};

/// Logs connection events.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LogEvents {
    /// In the order in which they happened.
    #[n(0)]
    pub events: Vec<ConnectionEvent>,
}

/// What happened.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[cbor(index_only)]
pub enum EventKind {
    /// A client logged in.
    #[n(0)]
    Connected,
    /// A login was refused.
    #[n(1)]
    ConnectRefused,
    /// A session ended.
    #[n(2)]
    Disconnected,
    /// A client subscribed.
    #[n(3)]
    Subscribed,
    /// A subscription was refused.
    #[n(4)]
    SubscribeRefused,
    /// A message was refused.
    #[n(5)]
    PublishRefused,
    /// A subscription was ended because its right was.
    #[n(6)]
    SubscriptionEnded,
    /// Too many failed logins: further ones are refused unheard for a while.
    #[n(7)]
    LockedOut,
    /// A live session proved anew who it is.
    #[n(8)]
    Reauthenticated,
    /// A live session didn't prove anew who it is, and ended.
    #[n(9)]
    ReauthenticationRefused,
}

impl EventKind {
    /// Every kind, by number.
    pub const ALL: [Self; 10] = [
        Self::Connected,
        Self::ConnectRefused,
        Self::Disconnected,
        Self::Subscribed,
        Self::SubscribeRefused,
        Self::PublishRefused,
        Self::SubscriptionEnded,
        Self::LockedOut,
        Self::Reauthenticated,
        Self::ReauthenticationRefused,
    ];

    /// As in CBOR and in state keys.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// As in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::ConnectRefused => "connect-refused",
            Self::Disconnected => "disconnected",
            Self::Subscribed => "subscribed",
            Self::SubscribeRefused => "subscribe-refused",
            Self::PublishRefused => "publish-refused",
            Self::SubscriptionEnded => "subscription-ended",
            Self::LockedOut => "locked-out",
            Self::Reauthenticated => "reauthenticated",
            Self::ReauthenticationRefused => "reauthentication-refused",
        }
    }
}

impl std::str::FromStr for EventKind {
    type Err = crate::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| {
                crate::NameError::new(
                    text,
                    "an event: connected, connect-refused, disconnected, subscribed, \
                 subscribe-refused, publish-refused, subscription-ended, locked-out, reauthenticated \
                 or reauthentication-refused",
                )
            })
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One connection event, as the gateway saw it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ConnectionEvent {
    /// Who; as claimed, when the login was refused.
    #[n(0)]
    pub client: ClientId,
    /// What.
    #[n(1)]
    pub kind: EventKind,
    /// When, milliseconds since 1970, by the gateway's clock.
    #[n(2)]
    pub time_ms: u64,
    /// From which address, as text.
    #[n(3)]
    pub address: String,
    /// From which port.
    #[n(4)]
    pub port: u16,
    /// MQTT's protocol version: 4 for 3.1.1, 5 for 5.0.
    #[n(5)]
    pub protocol_version: u8,
    /// Keep alive, seconds.
    #[n(6)]
    pub keep_alive_s: u16,
    /// Clean start (clean session in 3.1.1).
    #[n(7)]
    pub clean_start: bool,
    /// User properties of the CONNECT packet: name and value, at most 8.
    #[n(8)]
    pub properties: Vec<UserProperty>,
    /// Topic or filter, where the event is about one.
    #[n(9)]
    pub topic: Option<String>,
    /// Why, in words; empty where there is nothing to say.
    #[n(10)]
    pub reason: String,
    /// The state key of the grant that decided, where one did.
    #[n(11)]
    pub grant: Option<Blob>,
    /// The height whose state decided.
    #[n(12)]
    pub height: u64,
}

/// An MQTT user property.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct UserProperty {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its value.
    #[n(1)]
    pub value: String,
}
