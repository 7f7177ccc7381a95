//! What can go wrong in a session, each with the gateway's reason code and sentence.

use std::sync::Arc;

use mqtt5_protocol::types::ReasonCode;
use sealwire_envelope::{ClientId, TopicName, message::MessageError};

use super::LoginError;
use crate::{keyring::KeyringError, sequence::SequenceError};

/// Why a session ended, or a subscription alone.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// We closed it.
    #[error("the session was closed")]
    Closed,
    /// The gateway ended it and said why.
    #[error("the gateway ended it: {reason} ({code:?})")]
    Disconnected {
        /// MQTT's reason code.
        code: ReasonCode,
        /// The gateway's sentence.
        reason: String,
    },
    /// The connection was lost.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// Logging in again, or re-authenticating, failed for good.
    #[error("couldn't log in again: {0}")]
    Login(Arc<LoginError>),
}

impl Ended {
    pub(super) fn may_reconnect(&self) -> bool {
        match self {
            Self::Closed | Self::Login(_) => false,
            Self::Lost(_) => true,
            // Someone else logged in as us: coming back would throw it out in turn.
            Self::Disconnected { code, .. } => *code != ReasonCode::SessionTakenOver,
        }
    }
}

/// A live session didn't authenticate anew.
#[derive(Debug, thiserror::Error)]
pub enum ReauthenticateError {
    /// It logged in by token: there is no method to repeat (MQTT-4.12.1-1).
    #[error("a session that logged in by token can't re-authenticate: connect again")]
    Token,
    /// The new identity is somebody else's.
    #[error("the session is {expected}'s, the identity {found}'s")]
    OtherClient {
        /// Whose session it is.
        expected: ClientId,
        /// Whose identity was given.
        found: ClientId,
    },
    /// Another one isn't over yet.
    #[error("a re-authentication is under way: wait for it")]
    UnderWay,
    /// TLS can't be set up for the new identity.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The gateway ended the connection instead.
    #[error("the gateway refused the re-authentication: {reason} ({code:?})")]
    Refused {
        /// MQTT's reason code.
        code: ReasonCode,
        /// The gateway's sentence.
        reason: String,
    },
    /// The session ended first.
    #[error("not re-authenticated: {0}")]
    Ended(Arc<Ended>),
}

/// A message isn't published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The gateway says no.
    #[error("the gateway refused the message: {reason} ({code:?})")]
    Refused {
        /// MQTT's reason code.
        code: ReasonCode,
        /// The gateway's sentence.
        reason: String,
    },
    /// Larger than the gateway takes.
    #[error("the message makes a packet of {size_bytes} bytes, the gateway takes {max_bytes}")]
    TooLarge {
        /// Bytes of the packet.
        size_bytes: usize,
        /// Bytes that the gateway takes.
        max_bytes: usize,
    },
    /// It can't be put into a packet.
    #[error("the message can't be encoded: {0}")]
    Encode(String),
    /// The topic's key can't be had.
    #[error(transparent)]
    Key(#[from] KeyringError),
    /// No sequence can be reserved.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// It can't be sealed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The session ended first; whether the message arrived isn't known.
    #[error("not published: {0}")]
    Ended(Arc<Ended>),
}

/// There is no subscription.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The gateway says no.
    #[error("the gateway refused the subscription: {reason} ({code:?})")]
    Refused {
        /// MQTT's reason code.
        code: ReasonCode,
        /// The gateway's sentence.
        reason: String,
    },
    /// The session ended first.
    #[error("not subscribed: {0}")]
    Ended(Arc<Ended>),
}

/// A message came and can't be opened, or no more will come.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// This message isn't to be read; others may follow.
    #[error("a message on {topic} can't be opened: {source}")]
    Unreadable {
        /// Its topic.
        topic: TopicName,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// No more messages will come.
    #[error("the subscription ended: {0}")]
    Ended(Arc<Ended>),
}

/// A payload can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A key can't be had.
    #[error(transparent)]
    Key(#[from] KeyringError),
    /// It isn't a message for us.
    #[error(transparent)]
    Message(#[from] MessageError),
}
