//! Decisions: may this client do this, now, and why.
//!
//! Everything is denied unless a rule here allows it. In this order; the first that speaks decides:
//!
//! 1. The client's certificate must be registered, neither revoked nor suspended, and valid now.
//! 2. Its role must be device or user: operators, gateways and validators don't act over MQTT.
//! 3. *Connect*: allowed.
//! 4. *Subscribe* with wildcards: allowed if the whole filter lies under the client's own prefix, or if one
//!    filter that the client of that prefix granted covers it. A topic that it matches may belong to
//!    somebody else by now: whoever delivers must ask again for each topic.
//! 5. Anything else names one topic. It must be registered. A closed one takes no publish or subscribe.
//! 6. Its owner may do everything.
//! 7. Others need a grant that isn't revoked, hasn't expired and names the right: of this topic, or of a
//!    filter of the owner's that matches it; to verify, also one of the owner's organisation.
//! 8. *Verify* is nothing on an open topic: whoever gets its records reads them. That takes `read`.
//!
//! A decision costs at most six look-ups (client, certificate, topic, grant, two lists of granted filters),
//! however many grants there are: gateways ask per publish. A test counts them.
//!
//! The same rules answer for an earlier height ([`crate::View::decide_at`]) and for a grant that isn't
//! made yet ([`crate::View::suppose`]).
//!
//! A decision is about the client's *present* certificate, which it names: a gateway whose session was
//! opened with another certificate must end that session.

use std::borrow::Cow;
use std::cell::RefCell;

use sealwire_envelope::{CertId, ClientId, Rights, TopicFilter, TopicMode, TopicName};
use sealwire_sm::cert::Role;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::entry::{
    CertificateEntry, CertificateStatus, ClientEntry, GrantEntry, TopicEntry, WideEntry,
};
use crate::keys::{self, Granter};
use crate::state::{Missing, Read};
use crate::topics::TOPIC_ROLES;
use crate::view::{key_as_hex, keys_as_hex};

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
    /// Fetch archived records of a topic as they are stored, to check digests and counts.
    Verify(&'a TopicName),
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
            Self::Verify(_) => Some(Rights::VERIFY),
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
    CertificateSuspended = 15, "The client's certificate is suspended: its organisation must resume it.";
    UnknownTopic = 20, "The topic isn't registered: its owner must register it.";
    NoGrant = 21, "The topic's owner has granted this client nothing.";
    GrantRevoked = 22, "The topic's owner revoked the grant.";
    GrantExpired = 23, "The grant has expired: the topic's owner must grant again.";
    RightNotGranted = 24, "The grant doesn't name this right.";
    FilterNotCovered = 25, "No single grant covers the whole filter: subscribe to what is granted, by name.";
    TopicClosed = 26, "The topic is closed: its records can be read, nothing new comes.";
    VerifyOpenTopic = 27, "The topic is open, so whoever gets its records reads them: its owner must grant read.";
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

/// In JSON, `{"allowed": .., "number": .., "name": .., "text": ..}`.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Reason", 4)?;
        out.serialize_field("allowed", &self.allows())?;
        out.serialize_field("number", &self.number())?;
        out.serialize_field("name", self.name())?;
        out.serialize_field("text", self.text())?;
        out.end()
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// The answer, with everything it rests on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
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
    #[serde(serialize_with = "key_as_hex")]
    pub grant_key: Option<Vec<u8>>,
    /// State keys of all entries looked at, found or not: proofs of these prove the decision.
    #[serde(serialize_with = "keys_as_hex")]
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

/// Entries, without copies where that can be: what [`crate::View`] and the state under execution are to this
/// module, and a counter to its test.
pub(crate) trait Lookup {
    /// The entry under `key`; every key that was looked at goes into `used`.
    fn lookup(&self, key: Vec<u8>, used: &mut Vec<Vec<u8>>) -> Option<Cow<'_, [u8]>>;
}

struct Judge<'a, L> {
    state: &'a L,
    decision: Decision,
}

impl<L: Lookup> Judge<'_, L> {
    fn entry<T: for<'b> minicbor::Decode<'b, ()>>(&mut self, key: Vec<u8>) -> Option<T> {
        // An entry that doesn't decode was written by no contract. Absent is the answer that denies.
        self.state
            .lookup(key, &mut self.decision.keys)
            .and_then(|bytes| minicbor::decode(&bytes).ok())
    }

    fn judge(&mut self, client: &ClientId, action: &Action<'_>, now_s: u64) -> Reason {
        if let Some(denied) = self.judge_client(client, now_s) {
            return denied;
        }
        match target_of(action) {
            None => Reason::MayConnect,
            Some((right, Target::Topic(topic))) => self.judge_topic(client, &topic, right, now_s),
            Some((right, Target::Filter(filter))) => {
                self.judge_filter(client, filter, right, now_s)
            }
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
            CertificateStatus::Suspended => Some(Reason::CertificateSuspended),
            CertificateStatus::Unregistered => Some(Reason::UnknownClient),
            CertificateStatus::NotYetValid => Some(Reason::CertificateNotYetValid),
            CertificateStatus::Expired => Some(Reason::CertificateExpired),
            CertificateStatus::Live if !TOPIC_ROLES.contains(&certificate.role) => {
                Some(Reason::RoleNotAllowed)
            }
            CertificateStatus::Live => None,
        }
    }

    fn judge_topic(
        &mut self,
        client: &ClientId,
        topic: &TopicName,
        right: Rights,
        now_s: u64,
    ) -> Reason {
        let Some(entry) = self.entry::<TopicEntry>(keys::topic(topic)) else {
            return Reason::UnknownTopic;
        };
        let (owner, mode, closed) = (entry.owner.clone(), entry.mode, entry.closed.is_some());
        self.decision.topic = Some(entry);
        if closed && right.intersects(Rights::PUBLISH | Rights::SUBSCRIBE) {
            return Reason::TopicClosed;
        }
        if owner == *client {
            return Reason::Owner;
        }
        if right == Rights::VERIFY && mode == TopicMode::Open {
            return Reason::VerifyOpenTopic;
        }
        let direct = self.judge_grant(client, topic, right, now_s);
        if direct.allows() {
            return direct;
        }
        let org = owner.org();
        let filter = topic.to_filter();
        let wide = self.judge_wide(client, Granter::Client(owner), &filter, right, now_s);
        let wide = if wide.allows() || right != Rights::VERIFY {
            wide
        } else {
            strongest(
                wide,
                self.judge_wide(client, Granter::Org(org), &filter, right, now_s),
            )
        };
        strongest(direct, wide)
    }

    /// A subscription with wildcards.
    fn judge_filter(
        &mut self,
        client: &ClientId,
        filter: &TopicFilter,
        right: Rights,
        now_s: u64,
    ) -> Reason {
        match filter.owner() {
            Some(owner) if owner == *client => Reason::Owner,
            Some(owner) => {
                let granter = Granter::Client(owner);
                match self.judge_wide(client, granter, filter, right, now_s) {
                    Reason::NoGrant => Reason::FilterNotCovered,
                    reason => reason,
                }
            }
            None => Reason::FilterNotCovered,
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
        let reason = terms_allow(&grant, right, now_s);
        self.decision.grant = Some(grant);
        self.decision.grant_key = Some(key);
        reason
    }

    /// Filters that one granted: the first that covers and allows decides, else the first that covers.
    fn judge_wide(
        &mut self,
        client: &ClientId,
        granter: Granter,
        filter: &TopicFilter,
        right: Rights,
        now_s: u64,
    ) -> Reason {
        let key = keys::wide(client, &granter);
        let Some(entry) = self.entry::<WideEntry>(key.clone()) else {
            return Reason::NoGrant;
        };
        let mut reason = Reason::NoGrant;
        for wide in entry.grants {
            if !wide.filter.covers(filter) {
                continue;
            }
            let this = terms_allow(&wide.grant, right, now_s);
            if reason != Reason::NoGrant && !this.allows() {
                continue;
            }
            reason = this;
            // A direct grant that denies stays named only until a filter says more.
            if this.allows() || self.decision.grant.is_none() {
                self.decision.grant = Some(wide.grant);
                self.decision.grant_key = Some(key.clone());
            }
            if this.allows() {
                break;
            }
        }
        reason
    }
}

fn terms_allow(grant: &GrantEntry, right: Rights, now_s: u64) -> Reason {
    if grant.revoked.is_some() {
        Reason::GrantRevoked
    } else if grant.is_expired(now_s) {
        Reason::GrantExpired
    } else if !grant.rights.contains(right) {
        Reason::RightNotGranted
    } else {
        Reason::Granted
    }
}

/// The reason that says more: one that allows, else the first that isn't 'nothing was granted'.
fn strongest(first: Reason, second: Reason) -> Reason {
    if second.allows() || (first == Reason::NoGrant && !first.allows()) {
        second
    } else {
        first
    }
}

/// What an action is about.
enum Target<'a> {
    Topic(TopicName),
    /// Has a wildcard.
    Filter(&'a TopicFilter),
}

/// The right that an action takes, and on what; none for connecting.
fn target_of<'a>(action: &Action<'a>) -> Option<(Rights, Target<'a>)> {
    let target = match action {
        Action::Connect => return None,
        Action::Publish(topic)
        | Action::Read(topic)
        | Action::Compute(topic)
        | Action::Verify(topic) => Target::Topic((*topic).clone()),
        Action::Subscribe(filter) => match filter.to_name() {
            Some(topic) => Target::Topic(topic),
            None => Target::Filter(filter),
        },
    };
    Some((action.right()?, target))
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

/// A state of which entries may be missing, and those that were.
struct Partly<'a, R> {
    read: &'a R,
    missing: RefCell<Vec<Vec<u8>>>,
}

impl<R: Read> Lookup for Partly<'_, R> {
    fn lookup(&self, key: Vec<u8>, used: &mut Vec<Vec<u8>>) -> Option<Cow<'_, [u8]>> {
        let entry = self.read.get(&key).unwrap_or_else(|missing| {
            self.missing.borrow_mut().extend(missing.keys);
            None
        });
        used.push(key);
        entry.map(Cow::Owned)
    }
}

/// As [`decide`], while a block is executed.
pub(crate) fn decide_over<R: Read>(
    read: &R,
    height: u64,
    client: &ClientId,
    action: &Action<'_>,
    now_ms: u64,
) -> Result<Decision, Missing> {
    let missing = RefCell::default();
    let state = Partly { read, missing };
    let decision = decide(&state, height, client, action, now_ms);
    match state.missing.into_inner() {
        keys if keys.is_empty() => Ok(decision),
        keys => Err(Missing { keys }),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use sealwire_envelope::{KeyEpoch, TopicMode, encode};
    use sealwire_sm::sm3;

    use super::*;
    use crate::entry::Moment;

    /// Counts what is looked up.
    struct Counter {
        entries: BTreeMap<Vec<u8>, Vec<u8>>,
        lookups: Cell<usize>,
    }

    impl Lookup for Counter {
        fn lookup(&self, key: Vec<u8>, used: &mut Vec<Vec<u8>>) -> Option<Cow<'_, [u8]>> {
            self.lookups.set(self.lookups.get() + 1);
            let entry = self.entries.get(&key).map(|entry| entry.as_slice().into());
            used.push(key);
            entry
        }
    }

    /// A device with a grant on each of `grants` topics of another.
    fn state(grants: usize) -> Counter {
        let client: ClientId = "acme.dev".parse().unwrap();
        let id = CertId(sm3(&[b"certificate"]));
        let certificate = CertificateEntry {
            client: client.clone(),
            role: Role::Device,
            not_before_s: 0,
            not_after_s: 100,
            public_key: vec![2; 33].into(),
            der: vec![0x30; 600].into(),
            registered: Moment::default(),
            revoked: None,
            suspensions: Vec::new(),
        };
        let topic = TopicEntry {
            owner: "beta.dev".parse().unwrap(),
            mode: TopicMode::Sealed,
            epoch: KeyEpoch(0),
            registered: Moment::default(),
            changed: None,
            closed: None,
        };
        let grant = GrantEntry {
            rights: Rights::ALL,
            expires_s: None,
            from_s: None,
            to_s: None,
            purpose: String::new(),
            epoch: KeyEpoch(0),
            granted: Moment::default(),
            revoked: None,
        };
        let mut entries = BTreeMap::new();
        entries.insert(
            keys::client(&client),
            encode(&ClientEntry {
                certificate: id,
                since: Moment::default(),
            }),
        );
        entries.insert(keys::certificate(&id), encode(&certificate));
        for n in 0..grants {
            let name: TopicName = format!("beta/dev/{n}").parse().unwrap();
            entries.insert(keys::topic(&name), encode(&topic));
            entries.insert(keys::grant(&client, &name), encode(&grant));
        }
        Counter {
            entries,
            lookups: Cell::new(0),
        }
    }

    #[test]
    fn four_lookups_however_many_grants() {
        let client: ClientId = "acme.dev".parse().unwrap();
        let topic: TopicName = "beta/dev/0".parse().unwrap();
        let everything: TopicFilter = "#".parse().unwrap();
        for grants in [1, 1_000] {
            for (action, lookups) in [
                (Action::Connect, 2),
                (Action::Publish(&topic), 4),
                (Action::Subscribe(&topic.to_filter()), 4),
                (Action::Subscribe(&everything), 2),
            ] {
                let state = state(grants);
                let decision = decide(&state, 1, &client, &action, 1_000);
                assert_eq!(
                    decision.is_allowed(),
                    lookups == 4 || action == Action::Connect
                );
                assert_eq!(
                    state.lookups.get(),
                    lookups,
                    "{action:?} with {grants} grants"
                );
            }
        }
    }

    /// Bytes that no contract wrote deny; they don't allow and don't panic.
    #[test]
    fn a_corrupt_entry_denies() {
        let client: ClientId = "acme.dev".parse().unwrap();
        let topic: TopicName = "beta/dev/0".parse().unwrap();
        let keys: Vec<_> = state(1).entries.into_keys().collect();
        for key in keys {
            let mut state = state(1);
            state.entries.insert(key, vec![0xff, 0x00]);
            assert!(!decide(&state, 1, &client, &Action::Publish(&topic), 1_000).is_allowed());
        }
    }
}
