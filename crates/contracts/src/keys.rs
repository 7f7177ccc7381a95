//! State keys: the one place that says under which bytes each entry of the ledger's state lies.
//!
//! A key is a short ASCII path, then parts. Text parts end at `/` (client and organisation ids can't
//! contain one) or, for topic names, which do contain `/`, at a NUL (which MQTT forbids in them).
//! Digests are 32 raw bytes; heights are 8 and indices 4 bytes, big-endian, so that byte order is
//! time order and a range over a prefix is a history.
//!
//! | Key | Entry (module [`crate::entry`]) | Written by |
//! |---|---|---|
//! | `c/consortium` | `Consortium`: name, chain, organisations | genesis |
//! | `c/org/<org>` | `Organisation`: root certificate, validator key | genesis |
//! | `i/cert/<cert 32>` | `CertificateEntry`: client, role, validity, DER, revocation | identity |
//! | `i/client/<client>` | `ClientEntry`: its present certificate | identity |
//! | `i/template/<org>/<role>` | `TemplateEntry`: what is allowed of certificates of that role | identity |
//! | `i/enrol/<enrolment 32>` | `EnrolmentEntry`: a certificate to be had by a code | identity |
//! | `i/enrols/<org>/<enrolment 32>` | `Mark`: an organisation's enrolments | identity |
//! | `t/topic/<topic>` | `TopicEntry`: owner, mode, key epoch | topics |
//! | `t/readers/<topic>` | `Readers`: clients with an unrevoked grant, sorted | topics |
//! | `t/grant/<grantee>/<topic>` | `GrantEntry`: rights, terms, revocation | topics |
//! | `t/key/<topic> 00 <epoch 4> <client>` | `SealedKey`: the epoch key, sealed to that client | topics |
//! | `t/owned/<owner>/<topic>` | `Mark`: topics that a client owns, or owned once | topics |
//! | `t/wide/<grantee>/<granter>` | `WideEntry`: grants of filters by one client or organisation | topics |
//! | `t/widely/<granter>` | `Readers`: clients with an unrevoked grant of a filter, sorted | topics |
//! | `t/ask/<owner>/<requester>/<filter>` | `RequestEntry`: what was asked for, and the answer | topics |
//! | `t/offer/<topic>` | `OfferEntry`: to whom the topic is offered | topics |
//! | `t/auth/<authorisation 32>` | `AuthorisationEntry`: an authorisation key, its terms and uses | topics |
//! | `t/auths/<owner>/<authorisation 32>` | `Mark`: a client's authorisation keys | topics |
//! | `t/authkey/<authorisation 32> <epoch 4> <topic>` | `SealedKey`: an epoch key sealed to an authorisation key | topics |
//! | `r/pkg/<package 32>` | `PackageEntry`: what a gateway anchored | records |
//! | `r/topic/<topic> 00 <to_ms 8> <package 32>` | `Mark`: packages of a topic in time order | records |
//! | `r/get/<package 32> <height 8> <tx 4> <n 4>` | `RetrievalEntry` | records |
//! | `a/gw/<gateway>/<height 8> <tx 4>` | `BatchEntry`: the events of one batch, in order | audit |
//! | `a/client/<client>/<kind 1> <height 8> <tx 4> <n 4>` | `EventEntry` | audit |
//! | `e/key/<key 32>` | `ComputeKeyEntry`: a compute key, its public half, retirement | compute |
//! | `e/keys/<owner>/<key 32>` | `Mark`: a client's compute keys | compute |
//! | `e/live/<owner>` | `LiveKeys`: a client's compute keys that aren't retired | compute |
//! | `e/eval/<evaluation 32>` | `EvaluationEntry`: what a gateway evaluated | compute |
//! | `e/under/<key 32> <time_ms 8> <evaluation 32>` | `Mark`: evaluations under a key in time order | compute |
//! | `e/topic/<topic> 00 <time_ms 8> <evaluation 32>` | `Mark`: evaluations on a topic in time order | compute |
//! | `tx/<transaction 32>` | `OutcomeEntry`: height, index, code | every transaction |
//! | `h/<height 8> <key>` | what lay under that key before the block of this height changed it | all calls that change it (module `history`) |
//!
//! All clients of an organisation are the range `i/client/<org>.`, because a client id begins with its
//! organisation and neither part can contain the dot: no second index says the same thing again.
//! No key is a counter that many write: histories are kept apart by (height, transaction, position).

mod compute;
mod identity;
mod parse;
mod rights;

pub use compute::*;
pub use identity::*;
pub use parse::{NotAStateKey, StateKey};
pub use rights::*;

use sealwire_envelope::{CertId, ClientId, KeyEpoch, OrgId, PackageId, TopicName, TxId};

const CONSORTIUM: &[u8] = b"c/consortium";
const ORGANISATION: &[u8] = b"c/org/";
const CERTIFICATE: &[u8] = b"i/cert/";
const CLIENT: &[u8] = b"i/client/";
const TOPIC: &[u8] = b"t/topic/";
const READERS: &[u8] = b"t/readers/";
const GRANT: &[u8] = b"t/grant/";
const SEALED_KEY: &[u8] = b"t/key/";
const PACKAGE: &[u8] = b"r/pkg/";
const TOPIC_PACKAGE: &[u8] = b"r/topic/";
const RETRIEVAL: &[u8] = b"r/get/";
const BATCH: &[u8] = b"a/gw/";
const EVENT: &[u8] = b"a/client/";
const OUTCOME: &[u8] = b"tx/";
const HISTORY: &[u8] = b"h/";

/// Ends a topic name inside a key.
const END_OF_TOPIC: u8 = 0;

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Where a record of some transaction lies in time: height, position in the block, position in the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Height of the block.
    pub height: u64,
    /// Index of the transaction in the block.
    pub tx: u32,
    /// Index of the item in the transaction's call.
    pub item: u32,
}

impl Position {
    fn bytes(self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.height.to_be_bytes());
        out[8..12].copy_from_slice(&self.tx.to_be_bytes());
        out[12..].copy_from_slice(&self.item.to_be_bytes());
        out
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 16] = bytes.try_into().ok()?;
        let (height, rest) = bytes.split_first_chunk::<8>()?;
        let (tx, item) = rest.split_first_chunk::<4>()?;
        Some(Self {
            height: u64::from_be_bytes(*height),
            tx: u32::from_be_bytes(*tx),
            item: u32::from_be_bytes(item.try_into().ok()?),
        })
    }
}

/// The consortium itself.
pub fn consortium() -> Vec<u8> {
    CONSORTIUM.to_vec()
}

/// An organisation of the consortium.
pub fn organisation(org: &OrgId) -> Vec<u8> {
    join(&[ORGANISATION, org.as_str().as_bytes()])
}

/// A registered certificate, live or revoked.
pub fn certificate(id: &CertId) -> Vec<u8> {
    join(&[CERTIFICATE, id.0.as_ref()])
}

/// A client that has, or had, a certificate.
pub fn client(client: &ClientId) -> Vec<u8> {
    join(&[CLIENT, client.as_str().as_bytes()])
}

/// Prefix of every client of an organisation.
pub fn clients_of(org: &OrgId) -> Vec<u8> {
    join(&[CLIENT, org.as_str().as_bytes(), b"."])
}

/// A registered topic.
pub fn topic(topic: &TopicName) -> Vec<u8> {
    join(&[TOPIC, topic.as_str().as_bytes()])
}

/// Prefix of every topic that a client owns or could own: topics lie under their owner's name.
pub fn topics_of(owner: &ClientId) -> Vec<u8> {
    join(&[TOPIC, owner.topic_prefix().as_bytes()])
}

/// Prefix of every topic under an organisation's name.
pub fn topics_in(org: &OrgId) -> Vec<u8> {
    join(&[TOPIC, org.as_str().as_bytes(), b"/"])
}

/// The list of a topic's grantees whose grants aren't revoked.
pub fn readers(topic: &TopicName) -> Vec<u8> {
    join(&[READERS, topic.as_str().as_bytes()])
}

/// What a client may do with a topic of somebody else.
pub fn grant(grantee: &ClientId, topic: &TopicName) -> Vec<u8> {
    join(&[
        GRANT,
        grantee.as_str().as_bytes(),
        b"/",
        topic.as_str().as_bytes(),
    ])
}

/// Prefix of everything granted to a client.
pub fn grants_to(grantee: &ClientId) -> Vec<u8> {
    join(&[GRANT, grantee.as_str().as_bytes(), b"/"])
}

/// A topic's epoch key, sealed to one client.
pub fn sealed_key(topic: &TopicName, epoch: KeyEpoch, client: &ClientId) -> Vec<u8> {
    join(&[
        SEALED_KEY,
        topic.as_str().as_bytes(),
        &[END_OF_TOPIC],
        &epoch.0.to_be_bytes(),
        client.as_str().as_bytes(),
    ])
}

/// Prefix of a topic's key of one epoch, sealed to whomever.
pub fn sealed_keys(topic: &TopicName, epoch: KeyEpoch) -> Vec<u8> {
    let topic = topic.as_str().as_bytes();
    join(&[SEALED_KEY, topic, &[END_OF_TOPIC], &epoch.0.to_be_bytes()])
}

/// An anchored package.
pub fn package(id: &PackageId) -> Vec<u8> {
    join(&[PACKAGE, id.0.as_ref()])
}

/// A package in its topic's history.
pub fn topic_package(topic: &TopicName, to_ms: u64, id: &PackageId) -> Vec<u8> {
    join(&[&topic_packages(topic), &to_ms.to_be_bytes(), id.0.as_ref()])
}

/// Prefix of a topic's packages, oldest first.
pub fn topic_packages(topic: &TopicName) -> Vec<u8> {
    join(&[TOPIC_PACKAGE, topic.as_str().as_bytes(), &[END_OF_TOPIC]])
}

/// First key of a topic's packages that end at `to_ms` or later.
pub fn topic_packages_from(topic: &TopicName, to_ms: u64) -> Vec<u8> {
    join(&[&topic_packages(topic), &to_ms.to_be_bytes()])
}

/// One retrieval of a package.
pub fn retrieval(package: &PackageId, at: Position) -> Vec<u8> {
    join(&[&retrievals(package), &at.bytes()])
}

/// Prefix of all retrievals of a package, oldest first.
pub fn retrievals(package: &PackageId) -> Vec<u8> {
    join(&[RETRIEVAL, package.0.as_ref()])
}

/// One batch of connection events.
pub fn batch(gateway: &ClientId, height: u64, tx: u32) -> Vec<u8> {
    join(&[&batches(gateway), &height.to_be_bytes(), &tx.to_be_bytes()])
}

/// Prefix of a gateway's batches, oldest first.
pub fn batches(gateway: &ClientId) -> Vec<u8> {
    join(&[BATCH, gateway.as_str().as_bytes(), b"/"])
}

/// One connection event of a client.
pub fn event(client: &ClientId, kind: u8, at: Position) -> Vec<u8> {
    join(&[&events_of_kind(client, kind), &at.bytes()])
}

/// Prefix of all connection events of all clients.
pub fn all_events() -> Vec<u8> {
    EVENT.to_vec()
}

/// Prefix of a client's connection events of every kind.
pub fn events(client: &ClientId) -> Vec<u8> {
    join(&[EVENT, client.as_str().as_bytes(), b"/"])
}

/// Prefix of a client's connection events of one kind, oldest first.
pub fn events_of_kind(client: &ClientId, kind: u8) -> Vec<u8> {
    join(&[&events(client), &[kind]])
}

/// The outcome of a transaction.
pub fn outcome(id: &TxId) -> Vec<u8> {
    join(&[OUTCOME, id.0.as_ref()])
}

/// What lay under `key` before the block at `height` changed it.
pub fn history(height: u64, key: &[u8]) -> Vec<u8> {
    join(&[HISTORY, &height.to_be_bytes(), key])
}
