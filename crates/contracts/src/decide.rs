//! Decisions: may this client do this, now, and why.
//!
//! Everything is denied unless a rule here allows it. In this order; the first that speaks decides:
//!
//! 1. The client's certificate must be registered, not revoked and valid now.
//! 2. Its role must be device or user: operators, gateways and validators don't act over MQTT.
//! 3. *Connect*: allowed.
//! 4. *Subscribe* with wildcards: allowed if the whole filter lies under the client's own prefix (there,
//!    only the client's own topics can be). A grant names one topic, so none covers a wildcard.
//! 5. Anything else names one topic. It must be registered.
//! 6. Its owner may do everything.
//! 7. Others need a grant that isn't revoked, hasn't expired and names the right.
//!
//! A decision costs at most four look-ups (client, certificate, topic, grant), however many grants there
//! are: gateways ask per publish. A test counts them.
//!
//! A decision is about the client's *present* certificate, which it names: a gateway whose session was
//! opened with another certificate must end that session.

use sealwire_envelope::{CertId, ClientId, Rights, TopicFilter, TopicName};
use sealwire_sm::cert::Role;

use crate::entry::{CertificateEntry, CertificateStatus, ClientEntry, GrantEntry, TopicEntry};
use crate::keys;
use crate::topics::TOPIC_ROLES;

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Log in at a gateway.
    Connect,
    /// Publish on a topic.
    Publish(&'a TopicName),
    /// Subscribe to a filter.
    Subscribe(&'a TopicFilter),
    /// Fetch archived records of a topic; the caller must also honour the grant's time range.
    Read(&'a TopicName),
    /// Have a function computed over a topic's records.
    Compute(&'a TopicName),
}

impl Action<'_> {
    /// The right it takes; none for connecting.
    pub fn right(&self) -> Option<Rights> {
        match self {
            Self::Connect => None,
            Self::Publish(_) => Some(Rights::PUBLISH),
            Self::Subscribe(_) => Some(Rights::SUBSCRIBE),
            Self::Read(_) => Some(Rights::READ),
            Self::Compute(_) => Some(Rights::COMPUTE),
        }
    }
}

macro_rules! reasons {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// Why a decision is as it is. Numbers below 10 allow, all others deny; they never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $(#[doc = $text] $name = $number,)*
        }

        impl Reason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// One sentence for people.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Stable name, for logs and JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

reasons! {
    MayConnect = 0, "The client's certificate is live and its role may connect.";
    Owner = 1, "The client owns the topic.";
    Granted = 2, "The topic's owner granted it.";
    UnknownClient = 10, "The client isn't registered: an operator of its organisation must register a certificate.";
    CertificateRevoked = 11, "The client's certificate is revoked: its organisation must register a new one.";
    CertificateNotYetValid = 12, "The client's certificate isn't valid yet.";
    CertificateExpired = 13, "The client's certificate has expired: its organisation must register a new one.";
    RoleNotAllowed = 14, "The client's role doesn't act over MQTT: only devices and users do.";
    UnknownTopic = 20, "The topic isn't registered: its owner must register it.";
    NoGrant = 21, "The topic's owner has granted this client nothing.";
    GrantRevoked = 22, "The topic's owner revoked the grant.";
    GrantExpired = 23, "The grant has expired: the topic's owner must grant again.";
    RightNotGranted = 24, "The grant doesn't name this right.";
    FilterNotCovered = 25, "No single granted topic covers the whole filter: subscribe to each granted topic by name.";
}

impl Reason {
    /// The stable number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether it allows.
    pub fn allows(self) -> bool {
        self.number() < 10
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// The answer, with everything it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Why; [`Decision::is_allowed`] follows from it.
    pub reason: Reason,
    /// The client's present certificate.
    pub certificate: Option<CertId>,
    /// Role in that certificate.
    pub role: Option<Role>,
    /// The topic, if one was named and is registered: its mode and present key epoch.
    pub topic: Option<TopicEntry>,
    /// The grant that decided, for or against: its time range is in here.
    pub grant: Option<GrantEntry>,
    /// State key of that grant.
    pub grant_key: Option<Vec<u8>>,
    /// State keys of all entries looked at, found or not: proofs of these prove the decision.
    pub keys: Vec<Vec<u8>>,
    /// Height of the state that decided.
    pub height: u64,
}

impl Decision {
    /// Whether the client may.
    pub fn is_allowed(&self) -> bool {
        self.reason.allows()
    }
}

/// Entries without copies: what [`crate::View`] is to this module, and a counter to its test.
pub(crate) trait Lookup {
    fn lookup(&self, key: &[u8]) -> Option<&[u8]>;
}

struct Judge<'a, L> {
    state: &'a L,
    decision: Decision,
}

impl<L: Lookup> Judge<'_, L> {
    fn entry<T: for<'b> minicbor::Decode<'b, ()>>(&mut self, key: Vec<u8>) -> Option<T> {
        // An entry that doesn't decode was written by no contract. Absent is the answer that denies.
        let entry = self
            .state
            .lookup(&key)
            .and_then(|bytes| minicbor::decode(bytes).ok());
        self.decision.keys.push(key);
        entry
    }

    fn judge(&mut self, client: &ClientId, action: &Action<'_>, now_s: u64) -> Reason {
        if let Some(denied) = self.judge_client(client, now_s) {
            return denied;
        }
        let (Some(right), Some(topic)) = (action.right(), topic_of(action)) else {
            return match action {
                Action::Subscribe(filter) if is_under(filter, client) => Reason::Owner,
                Action::Subscribe(_) => Reason::FilterNotCovered,
                _ => Reason::MayConnect,
            };
        };
        let Some(entry) = self.entry::<TopicEntry>(keys::topic(&topic)) else {
            return Reason::UnknownTopic;
        };
        let is_owner = entry.owner == *client;
        self.decision.topic = Some(entry);
        if is_owner {
            Reason::Owner
        } else {
            self.judge_grant(client, &topic, right, now_s)
        }
    }

    fn judge_client(&mut self, client: &ClientId, now_s: u64) -> Option<Reason> {
        let Some(entry) = self.entry::<ClientEntry>(keys::client(client)) else {
            return Some(Reason::UnknownClient);
        };
        let key = keys::certificate(&entry.certificate);
        let Some(certificate) = self.entry::<CertificateEntry>(key) else {
            return Some(Reason::UnknownClient);
        };
        self.decision.certificate = Some(entry.certificate);
        self.decision.role = Some(certificate.role);
        match certificate.status(now_s) {
            CertificateStatus::Revoked => Some(Reason::CertificateRevoked),
            CertificateStatus::NotYetValid => Some(Reason::CertificateNotYetValid),
            CertificateStatus::Expired => Some(Reason::CertificateExpired),
            CertificateStatus::Live if !TOPIC_ROLES.contains(&certificate.role) => {
                Some(Reason::RoleNotAllowed)
            }
            CertificateStatus::Live => None,
        }
    }

    fn judge_grant(
        &mut self,
        client: &ClientId,
        topic: &TopicName,
        right: Rights,
        now_s: u64,
    ) -> Reason {
        let key = keys::grant(client, topic);
        let Some(grant) = self.entry::<GrantEntry>(key.clone()) else {
            return Reason::NoGrant;
        };
        let reason = if grant.revoked.is_some() {
            Reason::GrantRevoked
        } else if grant.is_expired(now_s) {
            Reason::GrantExpired
        } else if !grant.rights.contains(right) {
            Reason::RightNotGranted
        } else {
            Reason::Granted
        };
        self.decision.grant = Some(grant);
        self.decision.grant_key = Some(key);
        reason
    }
}

/// The one topic that an action names; none for connecting and for wildcards.
fn topic_of(action: &Action<'_>) -> Option<TopicName> {
    match action {
        Action::Connect => None,
        Action::Publish(topic) | Action::Read(topic) | Action::Compute(topic) => {
            Some((*topic).clone())
        }
        Action::Subscribe(filter) => filter.to_name(),
    }
}

/// Whether a filter can only match topics under the client's own prefix.
fn is_under(filter: &TopicFilter, client: &ClientId) -> bool {
    filter.as_str().starts_with(client.topic_prefix().as_str())
}

pub(crate) fn decide<L: Lookup>(
    state: &L,
    height: u64,
    client: &ClientId,
    action: &Action<'_>,
    now_ms: u64,
) -> Decision {
    let decision = Decision {
        reason: Reason::UnknownClient,
        certificate: None,
        role: None,
        topic: None,
        grant: None,
        grant_key: None,
        keys: Vec::with_capacity(4),
        height,
    };
    let mut judge = Judge { state, decision };
    judge.decision.reason = judge.judge(client, action, now_ms / 1000);
    judge.decision
}
