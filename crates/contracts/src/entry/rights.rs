//! Entries of what topics' rights are made of: grants, requests, offers, authorisation keys, sealed keys.

use minicbor::{Decode, Encode};
use sealwire_envelope::{Blob, ClientId, EpochKey, GrantTerms, KeyEpoch, Rights, TopicFilter};

use super::Moment;
use crate::limits::FILTERS_PER_PAIR;

/// What a client may do with somebody else's topic.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct GrantEntry {
    /// What it may do.
    #[n(0)]
    pub rights: Rights,
    /// Void from this second on, Unix; never when absent.
    #[n(1)]
    pub expires_s: Option<u64>,
    /// Archived records from this second on only, Unix.
    #[n(2)]
    pub from_s: Option<u64>,
    /// Archived records up to and with this second only, Unix.
    #[n(3)]
    pub to_s: Option<u64>,
    /// What the owner granted it for.
    #[n(4)]
    pub purpose: String,
    /// Key epoch at which it was granted.
    #[n(5)]
    pub epoch: KeyEpoch,
    /// When it was granted (or last changed).
    #[n(6)]
    pub granted: Moment,
    /// Set once it is revoked.
    #[n(7)]
    pub revoked: Option<Moment>,
}

impl GrantEntry {
    /// A grant on these terms.
    pub fn new(terms: &GrantTerms, epoch: KeyEpoch, granted: Moment) -> Self {
        Self {
            rights: terms.rights,
            expires_s: terms.expires_s,
            from_s: terms.from_s,
            to_s: terms.to_s,
            purpose: terms.purpose.clone(),
            epoch,
            granted,
            revoked: None,
        }
    }

    /// Whether its terms hold at this time (Unix seconds).
    pub fn is_live(&self, now_s: u64) -> bool {
        self.revoked.is_none() && !self.is_expired(now_s)
    }

    /// Whether its expiry has come.
    pub fn is_expired(&self, now_s: u64) -> bool {
        self.expires_s.is_some_and(|expires_s| now_s >= expires_s)
    }
}

/// The filters that one client or organisation granted to a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct WideEntry {
    /// When one of them was last granted or revoked.
    #[n(0)]
    pub changed: Moment,
    /// In the order of their filters, each once; revoked ones included until their place is needed.
    #[n(1)]
    pub grants: Vec<WideGrant>,
}

impl WideEntry {
    /// Adds a grant, or replaces the one of the same filter; `false` when there is no place left. Revoked
    /// ones make place only when they must.
    pub(crate) fn insert(&mut self, new: WideGrant) -> bool {
        let filter = new.filter.clone();
        match self.grants.binary_search_by(|it| it.filter.cmp(&filter)) {
            Ok(place) => self.grants[place] = new,
            Err(_) => {
                if self.grants.len() >= FILTERS_PER_PAIR {
                    self.grants.retain(|it| it.grant.revoked.is_none());
                }
                if self.grants.len() >= FILTERS_PER_PAIR {
                    return false;
                }
                let place = self.grants.partition_point(|it| it.filter < filter);
                self.grants.insert(place, new);
            }
        }
        true
    }
}

/// A right on every topic of the granter's that a filter matches.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct WideGrant {
    /// Has a wildcard.
    #[n(0)]
    pub filter: TopicFilter,
    /// The terms; the epoch says nothing here and is 0.
    #[n(1)]
    pub grant: GrantEntry,
}

/// A request for a right.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct RequestEntry {
    /// What was asked for.
    #[n(0)]
    pub terms: GrantTerms,
    /// When.
    #[n(1)]
    pub asked: Moment,
    /// The owner's answer.
    #[n(2)]
    pub answer: Option<RequestAnswer>,
}

/// An owner's answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct RequestAnswer {
    /// When.
    #[n(0)]
    pub at: Moment,
    /// Whether something was granted; what, stands in the grant.
    #[n(1)]
    pub granted: bool,
    /// The owner's words.
    #[n(2)]
    pub note: String,
}

/// A topic on offer to another client.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct OfferEntry {
    /// To whom; none when it was accepted or taken back.
    #[n(0)]
    pub to: Option<ClientId>,
    /// When it was offered, accepted or taken back.
    #[n(1)]
    pub at: Moment,
    /// The topic's keys sealed to that client.
    #[n(2)]
    pub keys: Vec<EpochKey>,
}

/// An authorisation key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct AuthorisationEntry {
    /// Whose topics.
    #[n(0)]
    pub owner: ClientId,
    /// The public half, compressed SEC1.
    #[n(1)]
    pub key: Blob,
    /// Which topics.
    #[n(2)]
    pub filter: TopicFilter,
    /// What whoever redeems it gets.
    #[n(3)]
    pub terms: GrantTerms,
    /// How many clients may redeem it.
    #[n(4)]
    pub uses: u16,
    /// Void from this second on, Unix.
    #[n(5)]
    pub redeem_until_s: u64,
    /// When it was made.
    #[n(6)]
    pub created: Moment,
    /// Who redeemed it, in time order.
    #[n(7)]
    pub redeemed: Vec<Redemption>,
    /// Set once it is withdrawn.
    #[n(8)]
    pub withdrawn: Option<Moment>,
}

/// One use of an authorisation key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct Redemption {
    /// By whom.
    #[n(0)]
    pub client: ClientId,
    /// When.
    #[n(1)]
    pub at: Moment,
}

impl AuthorisationEntry {
    /// Whether anybody may still redeem it at this time (Unix seconds).
    pub fn is_open(&self, now_s: u64) -> bool {
        self.withdrawn.is_none()
            && now_s < self.redeem_until_s
            && self.redeemed.len() < usize::from(self.uses)
    }
}

/// A topic's epoch key, sealed (SM2 public-key encryption) to one client.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, serde::Serialize)]
#[cbor(array)]
pub struct SealedKey {
    /// C1C3C2 bytes.
    #[n(0)]
    pub sealed: Blob,
}
