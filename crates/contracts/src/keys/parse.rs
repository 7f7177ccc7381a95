//! State keys taken apart.

use sealwire_envelope::{
    AuthorisationId, CertId, ClientId, ComputeKeyId, EnrolmentId, EvaluationId, KeyEpoch, OrgId,
    PackageId, TopicFilter, TopicName, TxId,
};
use sealwire_sm::Sm3Digest;
use sealwire_sm::cert::Role;

use super::compute::{
    COMPUTE_KEY, COMPUTE_KEYS, EVALUATION, KEY_EVALUATION, LIVE_COMPUTE_KEYS, TOPIC_EVALUATION,
};
use super::identity::{ENROLMENT, ENROLMENTS, TEMPLATE};
use super::rights::{
    AUTHORISATION, AUTHORISATION_KEY, AUTHORISATIONS, OFFER, OWNED, REQUEST, WIDE, WIDELY,
};
use super::*;

/// A state key taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // Each variant's fields are the arguments of the constructor of its name.
pub enum StateKey {
    Consortium,
    Organisation(OrgId),
    Certificate(CertId),
    Client(ClientId),
    Topic(TopicName),
    Readers(TopicName),
    Grant {
        grantee: ClientId,
        topic: TopicName,
    },
    SealedKey {
        topic: TopicName,
        epoch: KeyEpoch,
        client: ClientId,
    },
    Package(PackageId),
    TopicPackage {
        topic: TopicName,
        to_ms: u64,
        package: PackageId,
    },
    Retrieval {
        package: PackageId,
        at: Position,
    },
    Batch {
        gateway: ClientId,
        height: u64,
        tx: u32,
    },
    Event {
        client: ClientId,
        kind: u8,
        at: Position,
    },
    Outcome(TxId),
    Owned {
        owner: ClientId,
        topic: TopicName,
    },
    Wide {
        grantee: ClientId,
        granter: Granter,
    },
    Widely(Granter),
    Request {
        owner: ClientId,
        requester: ClientId,
        filter: TopicFilter,
    },
    Offer(TopicName),
    Authorisation(AuthorisationId),
    AuthorisationOf {
        owner: ClientId,
        id: AuthorisationId,
    },
    AuthorisationKey {
        id: AuthorisationId,
        epoch: KeyEpoch,
        topic: TopicName,
    },
    Template {
        org: OrgId,
        role: Role,
    },
    Enrolment(EnrolmentId),
    EnrolmentOf {
        org: OrgId,
        id: EnrolmentId,
    },
    ComputeKey(ComputeKeyId),
    ComputeKeyOf {
        owner: ClientId,
        id: ComputeKeyId,
    },
    LiveComputeKeys(ClientId),
    Evaluation(EvaluationId),
    KeyEvaluation {
        key: ComputeKeyId,
        time_ms: u64,
        id: EvaluationId,
    },
    TopicEvaluation {
        topic: TopicName,
        time_ms: u64,
        id: EvaluationId,
    },
    History {
        height: u64,
        key: Box<StateKey>,
    },
}

/// These bytes are no state key of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a state key of this version")]
pub struct NotAStateKey;

impl StateKey {
    /// The bytes of this key.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Consortium => consortium(),
            Self::Organisation(org) => organisation(org),
            Self::Certificate(id) => certificate(id),
            Self::Client(id) => client(id),
            Self::Topic(name) => topic(name),
            Self::Readers(name) => readers(name),
            Self::Grant { grantee, topic } => grant(grantee, topic),
            Self::SealedKey {
                topic,
                epoch,
                client,
            } => sealed_key(topic, *epoch, client),
            Self::Package(id) => package(id),
            Self::TopicPackage {
                topic,
                to_ms,
                package,
            } => topic_package(topic, *to_ms, package),
            Self::Retrieval { package, at } => retrieval(package, *at),
            Self::Batch {
                gateway,
                height,
                tx,
            } => batch(gateway, *height, *tx),
            Self::Event { client, kind, at } => event(client, *kind, *at),
            Self::Outcome(id) => outcome(id),
            Self::Owned { owner, topic } => owned(owner, topic),
            Self::Wide { grantee, granter } => wide(grantee, granter),
            Self::Widely(granter) => widely(granter),
            Self::Request {
                owner,
                requester,
                filter,
            } => request(owner, requester, filter),
            Self::Offer(name) => offer(name),
            Self::Authorisation(id) => authorisation(id),
            Self::AuthorisationOf { owner, id } => authorisation_of(owner, id),
            Self::AuthorisationKey { id, epoch, topic } => authorisation_key(id, *epoch, topic),
            Self::Template { org, role } => template(org, *role),
            Self::Enrolment(id) => enrolment(id),
            Self::EnrolmentOf { org, id } => enrolment_of(org, id),
            Self::ComputeKey(id) => compute_key(id),
            Self::ComputeKeyOf { owner, id } => compute_key_of(owner, id),
            Self::LiveComputeKeys(owner) => live_compute_keys(owner),
            Self::Evaluation(id) => evaluation(id),
            Self::KeyEvaluation { key, time_ms, id } => key_evaluation(key, *time_ms, id),
            Self::TopicEvaluation { topic, time_ms, id } => topic_evaluation(topic, *time_ms, id),
            Self::History { height, key } => history(*height, &key.to_bytes()),
        }
    }

    /// Takes a key apart; refuses bytes that no constructor of this module makes.
    pub fn parse(key: &[u8]) -> Result<Self, NotAStateKey> {
        let parsed = match key.strip_prefix(HISTORY) {
            Some(rest) => Self::parse_past(rest),
            None => Self::parse_present(key),
        };
        let parsed = parsed.ok_or(NotAStateKey)?;
        debug_assert_eq!(parsed.to_bytes(), key);
        Ok(parsed)
    }

    fn parse_present(key: &[u8]) -> Option<Self> {
        Self::parse_identity(key)
            .or_else(|| Self::parse_enrolment(key))
            .or_else(|| Self::parse_topic(key))
            .or_else(|| Self::parse_rights(key))
            .or_else(|| Self::parse_authorisation(key))
            .or_else(|| Self::parse_compute(key))
            .or_else(|| Self::parse_record(key))
    }

    /// One level: nothing of the past has a past.
    fn parse_past(rest: &[u8]) -> Option<Self> {
        let (height, of) = rest.split_first_chunk::<8>()?;
        Some(Self::History {
            height: u64::from_be_bytes(*height),
            key: Box::new(Self::parse_present(of)?),
        })
    }

    fn parse_identity(key: &[u8]) -> Option<Self> {
        if key == CONSORTIUM {
            Some(Self::Consortium)
        } else if let Some(org) = key.strip_prefix(ORGANISATION) {
            text(org).map(Self::Organisation)
        } else if let Some(id) = key.strip_prefix(CERTIFICATE) {
            digest(id).map(|id| Self::Certificate(CertId(id)))
        } else if let Some(id) = key.strip_prefix(CLIENT) {
            text(id).map(Self::Client)
        } else {
            None
        }
    }

    fn parse_enrolment(key: &[u8]) -> Option<Self> {
        if let Some(rest) = key.strip_prefix(TEMPLATE) {
            let (org, role) = split(rest, b'/')?;
            Some(Self::Template {
                org: text(org)?,
                role: text(role)?,
            })
        } else if let Some(id) = key.strip_prefix(ENROLMENT) {
            digest(id).map(|id| Self::Enrolment(EnrolmentId(id)))
        } else {
            let (org, id) = split(key.strip_prefix(ENROLMENTS)?, b'/')?;
            Some(Self::EnrolmentOf {
                org: text(org)?,
                id: EnrolmentId(digest(id)?),
            })
        }
    }

    fn parse_topic(key: &[u8]) -> Option<Self> {
        if let Some(name) = key.strip_prefix(TOPIC) {
            text(name).map(Self::Topic)
        } else if let Some(name) = key.strip_prefix(READERS) {
            text(name).map(Self::Readers)
        } else if let Some(rest) = key.strip_prefix(GRANT) {
            let (grantee, topic) = split(rest, b'/')?;
            Some(Self::Grant {
                grantee: text(grantee)?,
                topic: text(topic)?,
            })
        } else if let Some(rest) = key.strip_prefix(SEALED_KEY) {
            let (topic, rest) = split(rest, END_OF_TOPIC)?;
            let (epoch, client) = rest.split_first_chunk::<4>()?;
            let epoch = KeyEpoch(u32::from_be_bytes(*epoch));
            Some(Self::SealedKey {
                topic: text(topic)?,
                epoch,
                client: text(client)?,
            })
        } else {
            None
        }
    }

    fn parse_record(key: &[u8]) -> Option<Self> {
        if let Some(id) = key.strip_prefix(PACKAGE) {
            digest(id).map(|id| Self::Package(PackageId(id)))
        } else if let Some(rest) = key.strip_prefix(TOPIC_PACKAGE) {
            let (topic, rest) = split(rest, END_OF_TOPIC)?;
            let (to_ms, id) = rest.split_first_chunk::<8>()?;
            let package = PackageId(digest(id)?);
            Some(Self::TopicPackage {
                topic: text(topic)?,
                to_ms: u64::from_be_bytes(*to_ms),
                package,
            })
        } else if let Some(rest) = key.strip_prefix(RETRIEVAL) {
            let (id, at) = rest.split_at_checked(32)?;
            Some(Self::Retrieval {
                package: PackageId(digest(id)?),
                at: Position::parse(at)?,
            })
        } else if let Some(rest) = key.strip_prefix(BATCH) {
            let (gateway, rest) = split(rest, b'/')?;
            let (height, tx) = rest.split_first_chunk::<8>()?;
            let tx = u32::from_be_bytes(tx.try_into().ok()?);
            Some(Self::Batch {
                gateway: text(gateway)?,
                height: u64::from_be_bytes(*height),
                tx,
            })
        } else if let Some(rest) = key.strip_prefix(EVENT) {
            let (client, rest) = split(rest, b'/')?;
            let (kind, at) = rest.split_first()?;
            Some(Self::Event {
                client: text(client)?,
                kind: *kind,
                at: Position::parse(at)?,
            })
        } else {
            let id = key.strip_prefix(OUTCOME)?;
            digest(id).map(|id| Self::Outcome(TxId(id)))
        }
    }

    fn parse_compute(key: &[u8]) -> Option<Self> {
        if let Some(id) = key.strip_prefix(COMPUTE_KEY) {
            digest(id).map(|id| Self::ComputeKey(ComputeKeyId(id)))
        } else if let Some(rest) = key.strip_prefix(COMPUTE_KEYS) {
            let (owner, id) = split(rest, b'/')?;
            Some(Self::ComputeKeyOf {
                owner: text(owner)?,
                id: ComputeKeyId(digest(id)?),
            })
        } else if let Some(owner) = key.strip_prefix(LIVE_COMPUTE_KEYS) {
            text(owner).map(Self::LiveComputeKeys)
        } else if let Some(id) = key.strip_prefix(EVALUATION) {
            digest(id).map(|id| Self::Evaluation(EvaluationId(id)))
        } else if let Some(rest) = key.strip_prefix(KEY_EVALUATION) {
            let (key, rest) = rest.split_at_checked(32)?;
            let (time_ms, id) = rest.split_first_chunk::<8>()?;
            Some(Self::KeyEvaluation {
                key: ComputeKeyId(digest(key)?),
                time_ms: u64::from_be_bytes(*time_ms),
                id: EvaluationId(digest(id)?),
            })
        } else {
            let rest = key.strip_prefix(TOPIC_EVALUATION)?;
            let (topic, rest) = split(rest, END_OF_TOPIC)?;
            let (time_ms, id) = rest.split_first_chunk::<8>()?;
            Some(Self::TopicEvaluation {
                topic: text(topic)?,
                time_ms: u64::from_be_bytes(*time_ms),
                id: EvaluationId(digest(id)?),
            })
        }
    }

    fn parse_rights(key: &[u8]) -> Option<Self> {
        if let Some(rest) = key.strip_prefix(OWNED) {
            let (owner, topic) = split(rest, b'/')?;
            Some(Self::Owned {
                owner: text(owner)?,
                topic: text(topic)?,
            })
        } else if let Some(rest) = key.strip_prefix(WIDE) {
            let (grantee, granter) = split(rest, b'/')?;
            Some(Self::Wide {
                grantee: text(grantee)?,
                granter: Granter::parse(std::str::from_utf8(granter).ok()?)?,
            })
        } else if let Some(granter) = key.strip_prefix(WIDELY) {
            Granter::parse(std::str::from_utf8(granter).ok()?).map(Self::Widely)
        } else if let Some(rest) = key.strip_prefix(REQUEST) {
            let (owner, rest) = split(rest, b'/')?;
            let (requester, filter) = split(rest, b'/')?;
            Some(Self::Request {
                owner: text(owner)?,
                requester: text(requester)?,
                filter: text(filter)?,
            })
        } else {
            let name = key.strip_prefix(OFFER)?;
            text(name).map(Self::Offer)
        }
    }

    fn parse_authorisation(key: &[u8]) -> Option<Self> {
        if let Some(id) = key.strip_prefix(AUTHORISATION) {
            digest(id).map(|id| Self::Authorisation(AuthorisationId(id)))
        } else if let Some(rest) = key.strip_prefix(AUTHORISATIONS) {
            let (owner, id) = split(rest, b'/')?;
            Some(Self::AuthorisationOf {
                owner: text(owner)?,
                id: AuthorisationId(digest(id)?),
            })
        } else {
            let rest = key.strip_prefix(AUTHORISATION_KEY)?;
            let (id, rest) = rest.split_at_checked(32)?;
            let (epoch, topic) = rest.split_first_chunk::<4>()?;
            Some(Self::AuthorisationKey {
                id: AuthorisationId(digest(id)?),
                epoch: KeyEpoch(u32::from_be_bytes(*epoch)),
                topic: text(topic)?,
            })
        }
    }
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == at)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn text<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn digest(bytes: &[u8]) -> Option<Sm3Digest> {
    Some(Sm3Digest(bytes.try_into().ok()?))
}
