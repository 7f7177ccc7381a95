//! Keys of what topics' rights are made of beyond grants of single topics.

use sealwire_envelope::{AuthorisationId, ClientId, KeyEpoch, OrgId, TopicFilter, TopicName};

use super::join;

pub(super) const OWNED: &[u8] = b"t/owned/";
pub(super) const WIDE: &[u8] = b"t/wide/";
pub(super) const WIDELY: &[u8] = b"t/widely/";
pub(super) const REQUEST: &[u8] = b"t/ask/";
pub(super) const OFFER: &[u8] = b"t/offer/";
pub(super) const AUTHORISATION: &[u8] = b"t/auth/";
pub(super) const AUTHORISATIONS: &[u8] = b"t/auths/";
pub(super) const AUTHORISATION_KEY: &[u8] = b"t/authkey/";

/// Who grants a filter: a client on its own topics, or an organisation on those of all its clients.
/// A client id has a dot and an organisation has none, so neither is taken for the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Granter {
    /// A topic's owner.
    Client(ClientId),
    /// An organisation, by one of its operators.
    Org(OrgId),
}

impl Granter {
    /// Its id.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Client(client) => client.as_str(),
            Self::Org(org) => org.as_str(),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let org = |_| text.parse().map(Self::Org);
        text.parse().map(Self::Client).or_else(org).ok()
    }
}

impl std::fmt::Display for Granter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A topic that a client owns, or owned before it was handed over.
pub fn owned(owner: &ClientId, topic: &TopicName) -> Vec<u8> {
    join(&[&owned_by(owner), topic.as_str().as_bytes()])
}

/// Prefix of all topics that a client owns, or owned once.
pub fn owned_by(owner: &ClientId) -> Vec<u8> {
    join(&[OWNED, owner.as_str().as_bytes(), b"/"])
}

/// The filters that one granted to a client.
pub fn wide(grantee: &ClientId, granter: &Granter) -> Vec<u8> {
    join(&[&wide_to(grantee), granter.as_str().as_bytes()])
}

/// Prefix of all filters granted to a client.
pub fn wide_to(grantee: &ClientId) -> Vec<u8> {
    join(&[WIDE, grantee.as_str().as_bytes(), b"/"])
}

/// The list of clients to whom one granted filters that aren't revoked.
pub fn widely(granter: &Granter) -> Vec<u8> {
    join(&[WIDELY, granter.as_str().as_bytes()])
}

/// A request for a right.
pub fn request(owner: &ClientId, requester: &ClientId, filter: &TopicFilter) -> Vec<u8> {
    let requester = requester.as_str().as_bytes();
    join(&[
        &requests_to(owner),
        requester,
        b"/",
        filter.as_str().as_bytes(),
    ])
}

/// Prefix of all requests that an owner got.
pub fn requests_to(owner: &ClientId) -> Vec<u8> {
    join(&[REQUEST, owner.as_str().as_bytes(), b"/"])
}

/// The offer of a topic to another client.
pub fn offer(topic: &TopicName) -> Vec<u8> {
    join(&[OFFER, topic.as_str().as_bytes()])
}

/// An authorisation key.
pub fn authorisation(id: &AuthorisationId) -> Vec<u8> {
    join(&[AUTHORISATION, id.as_ref()])
}

/// An authorisation key in its owner's list.
pub fn authorisation_of(owner: &ClientId, id: &AuthorisationId) -> Vec<u8> {
    join(&[&authorisations_of(owner), id.as_ref()])
}

/// Prefix of all authorisation keys of an owner.
pub fn authorisations_of(owner: &ClientId) -> Vec<u8> {
    join(&[AUTHORISATIONS, owner.as_str().as_bytes(), b"/"])
}

/// A topic's epoch key, sealed to an authorisation key.
pub fn authorisation_key(id: &AuthorisationId, epoch: KeyEpoch, topic: &TopicName) -> Vec<u8> {
    let epoch = epoch.0.to_be_bytes();
    join(&[&authorisation_keys(id), &epoch, topic.as_str().as_bytes()])
}

/// Prefix of all epoch keys sealed to an authorisation key.
pub fn authorisation_keys(id: &AuthorisationId) -> Vec<u8> {
    join(&[AUTHORISATION_KEY, id.as_ref()])
}
