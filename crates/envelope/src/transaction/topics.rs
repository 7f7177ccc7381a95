//! topics: register, grant, request, authorise, hand over, rotate, close.

use minicbor::{Decode, Encode};
use sealwire_sm::{Domain, PublicKey, SecretKey, Signature, key::VerifyError};
use serde::{Deserialize, Serialize};

use crate::{
    codec::{Blob, encode},
    id::{AuthorisationId, ChainId, ClientId, KeyEpoch},
    topic::{TopicFilter, TopicName},
};

/// Whether a topic's messages are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cbor(index_only)]
pub enum TopicMode {
    /// Every message is a COSE_Encrypt0 under the topic's key.
    #[n(0)]
    Sealed,
    /// Any payload: plain devices, Sparkplug B.
    #[n(1)]
    Open,
}

/// Claims a topic.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RegisterTopic {
    /// Within the sender's prefix.
    #[n(0)]
    pub topic: TopicName,
    /// Encrypted or not.
    #[n(1)]
    pub mode: TopicMode,
    /// The key of epoch 0 sealed to the owner; none on an open topic.
    #[n(2)]
    pub sealed_key: Option<Blob>,
}

/// What a grantee may do on a topic: a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode)]
#[cbor(transparent)]
pub struct Rights(#[n(0)] u8);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// Publish to the topic.
    pub const PUBLISH: Self = Self(1);
    /// Subscribe to the topic.
    pub const SUBSCRIBE: Self = Self(2);
    /// Fetch archived records.
    pub const READ: Self = Self(4);
    /// Ask for computations.
    pub const COMPUTE: Self = Self(8);
    /// Fetch archived records to check digests and counts, without any key.
    pub const VERIFY: Self = Self(16);
    /// All of them.
    pub const ALL: Self = Self(31);
    /// Those that come with the key of a sealed topic.
    pub const WITH_KEY: Self = Self(7);

    const NAMES: [(Self, &'static str); 5] = [
        (Self::PUBLISH, "publish"),
        (Self::SUBSCRIBE, "subscribe"),
        (Self::READ, "read"),
        (Self::COMPUTE, "compute"),
        (Self::VERIFY, "verify"),
    ];

    /// Whether all of `other` are in.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of those that are in.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(r, _)| self.contains(*r))
            .map(|(_, name)| name)
    }
}

impl std::ops::BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::fmt::Display for Rights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.names().collect();
        f.write_str(&names.join(","))
    }
}

impl std::str::FromStr for Rights {
    type Err = crate::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').try_fold(Self::NONE, |rights, word| {
            let known = Self::NAMES.iter().find(|(_, name)| *name == word.trim());
            known.map(|(right, _)| rights | *right).ok_or_else(|| {
                crate::NameError::new(word, "a right: publish, subscribe, read, compute or verify")
            })
        })
    }
}

impl<'b, C> Decode<'b, C> for Rights {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        let bits = d.u8()?;
        if bits & !Self::ALL.0 != 0 {
            return Err(minicbor::decode::Error::message("unknown right").at(at));
        }
        Ok(Self(bits))
    }
}

impl Serialize for Rights {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.names())
    }
}

/// Gives a right on a topic; a second grant to the same grantee replaces the first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct GrantTopic {
    /// On which topic.
    #[n(0)]
    pub topic: TopicName,
    /// To whom.
    #[n(1)]
    pub grantee: ClientId,
    /// What.
    #[n(2)]
    pub rights: Rights,
    /// Until when, seconds since 1970; none: until revoked.
    #[n(3)]
    pub expires_s: Option<u64>,
    /// Only records from this time on, seconds since 1970.
    #[n(4)]
    pub from_s: Option<u64>,
    /// Only records up to this time, seconds since 1970.
    #[n(5)]
    pub to_s: Option<u64>,
    /// What for, for people; at most 256 bytes.
    #[n(6)]
    pub purpose: String,
    /// The topic's present key epoch.
    #[n(7)]
    pub epoch: KeyEpoch,
    /// The epoch's key sealed to the grantee; none on an open topic.
    #[n(8)]
    pub sealed_key: Option<Blob>,
    /// The owner's words to whoever asked for it; at most 256 bytes.
    #[n(9)]
    pub note: Option<String>,
}

/// What is granted, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct GrantTerms {
    /// What.
    #[n(0)]
    pub rights: Rights,
    /// Until when, seconds since 1970; none: until revoked.
    #[n(1)]
    pub expires_s: Option<u64>,
    /// Only records from this time on, seconds since 1970.
    #[n(2)]
    pub from_s: Option<u64>,
    /// Only records up to this time, seconds since 1970.
    #[n(3)]
    pub to_s: Option<u64>,
    /// What for, for people; at most 256 bytes.
    #[n(4)]
    pub purpose: String,
}

/// Gives a right on every topic of the sender's that a filter matches, those to come included. Keys
/// follow by [`SealKeys`]. A second grant of the same filter to the same grantee replaces the first.
///
/// An operator may so give `verify`, and nothing else, on its whole organisation's topics.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct GrantFilter {
    /// With a wildcard, within the sender's prefix (an operator: its organisation's).
    #[n(0)]
    pub filter: TopicFilter,
    /// To whom.
    #[n(1)]
    pub grantee: ClientId,
    /// What.
    #[n(2)]
    pub terms: GrantTerms,
    /// The owner's words to whoever asked for it; at most 256 bytes.
    #[n(3)]
    pub note: Option<String>,
}

/// Takes back what a [`GrantFilter`] gave.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RevokeFilter {
    /// The filter as granted.
    #[n(0)]
    pub filter: TopicFilter,
    /// From whom.
    #[n(1)]
    pub grantee: ClientId,
}

/// Asks the owner of a topic, or of the topics that a filter matches, for a right.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RequestRights {
    /// A topic's name, or a filter within one client's prefix.
    #[n(0)]
    pub filter: TopicFilter,
    /// What is asked for.
    #[n(1)]
    pub terms: GrantTerms,
}

/// Answers a request with no; a grant answers it with yes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct DenyRequest {
    /// As in the request.
    #[n(0)]
    pub filter: TopicFilter,
    /// Whose request.
    #[n(1)]
    pub requester: ClientId,
    /// The owner's words; at most 256 bytes.
    #[n(2)]
    pub note: String,
}

/// Offers a topic to another client, or takes the offer back. Nothing changes until it accepts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct TransferTopic {
    /// Which.
    #[n(0)]
    pub topic: TopicName,
    /// To whom; none takes an offer back.
    #[n(1)]
    pub to: Option<ClientId>,
    /// Keys sealed to the new owner: of the present epoch, and of older ones for the records.
    #[n(2)]
    pub keys: Vec<EpochKey>,
}

/// Takes over an offered topic.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct AcceptTopic {
    /// Which.
    #[n(0)]
    pub topic: TopicName,
    /// The next key, sealed to the new owner and to everybody who has a right; none on an open topic.
    #[n(1)]
    pub rotation: Option<Rotation>,
}

/// Closes a topic for ever: nobody publishes or subscribes any more; its records stay readable.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CloseTopic {
    /// Which.
    #[n(0)]
    pub topic: TopicName,
    /// Why, for people; at most 256 bytes.
    #[n(1)]
    pub reason: String,
}

/// Changes a topic's key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RotateTopic {
    /// Which.
    #[n(0)]
    pub topic: TopicName,
    /// The next key.
    #[n(1)]
    pub rotation: Rotation,
}

/// Seals keys of a topic to clients that have a right to them: by the owner to anybody entitled, by
/// anybody else to itself (a new certificate).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct SealKeys {
    /// Of which topic.
    #[n(0)]
    pub topic: TopicName,
    /// To clients.
    #[n(1)]
    pub clients: Vec<ClientKey>,
    /// To authorisation keys.
    #[n(2)]
    pub authorisations: Vec<AuthorisationKey>,
}

/// A topic's key of one epoch, sealed to a client.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ClientKey {
    /// To whom.
    #[n(0)]
    pub client: ClientId,
    /// Of which epoch.
    #[n(1)]
    pub epoch: KeyEpoch,
    /// The sealed key.
    #[n(2)]
    pub sealed: Blob,
}

/// A topic's key of one epoch, sealed to an authorisation key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct AuthorisationKey {
    /// To which.
    #[n(0)]
    pub authorisation: AuthorisationId,
    /// Of which epoch.
    #[n(1)]
    pub epoch: KeyEpoch,
    /// The sealed key.
    #[n(2)]
    pub sealed: Blob,
}

/// A key of one epoch; to whom it is sealed follows from where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct EpochKey {
    /// Of which epoch.
    #[n(0)]
    pub epoch: KeyEpoch,
    /// The sealed key.
    #[n(1)]
    pub sealed: Blob,
}

/// A key of one topic and epoch; to whom it is sealed follows from where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct TopicKey {
    /// Of which topic.
    #[n(0)]
    pub topic: TopicName,
    /// Of which epoch.
    #[n(1)]
    pub epoch: KeyEpoch,
    /// The sealed key.
    #[n(2)]
    pub sealed: Blob,
}

/// Registers an authorisation key: whoever holds its private half may get the rights.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CreateAuthorisation {
    /// The public half.
    #[n(0)]
    pub key: PublicKey,
    /// A topic's name, or a filter within the sender's prefix.
    #[n(1)]
    pub filter: TopicFilter,
    /// What whoever redeems it gets.
    #[n(2)]
    pub terms: GrantTerms,
    /// How many clients may redeem it, each once.
    #[n(3)]
    pub uses: u16,
    /// Until when it may be redeemed, seconds since 1970.
    #[n(4)]
    pub redeem_until_s: u64,
    /// Keys of topics that the filter matches, of their present epochs, sealed to the public half.
    #[n(5)]
    pub keys: Vec<TopicKey>,
}

/// Gets the rights of an authorisation key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RedeemAuthorisation {
    /// Which.
    #[n(0)]
    pub authorisation: AuthorisationId,
    /// By the private half over the CBOR of `[chain, sender's client id]`: worthless to anybody else.
    #[n(1)]
    pub signature: Signature,
    /// The keys that were sealed to the authorisation key, sealed to the sender.
    #[n(2)]
    pub keys: Vec<TopicKey>,
}

impl RedeemAuthorisation {
    fn message(chain: &ChainId, client: &ClientId) -> Vec<u8> {
        encode(&(chain, client))
    }

    /// The signature of the private half for `client`.
    pub fn sign(chain: &ChainId, client: &ClientId, key: &SecretKey) -> Signature {
        key.sign(Domain::AUTHORISATION, &Self::message(chain, client))
    }

    /// Checks that the private half signed for `client`.
    ///
    /// # Errors
    /// When it didn't.
    pub fn verify(
        &self,
        chain: &ChainId,
        client: &ClientId,
        key: &PublicKey,
    ) -> Result<(), VerifyError> {
        let message = Self::message(chain, client);
        key.verify(Domain::AUTHORISATION, &message, &self.signature)
    }
}

/// Withdraws an authorisation key; what was redeemed stays until it is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct WithdrawAuthorisation {
    /// Which.
    #[n(0)]
    pub authorisation: AuthorisationId,
}

/// Takes a grantee's rights on a topic away.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RevokeGrant {
    /// On which topic.
    #[n(0)]
    pub topic: TopicName,
    /// From whom.
    #[n(1)]
    pub grantee: ClientId,
    /// The next key, sealed to those who stay; none on an open topic.
    #[n(2)]
    pub rotation: Option<Rotation>,
}

/// A topic's next key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Rotation {
    /// One more than the present epoch.
    #[n(0)]
    pub epoch: KeyEpoch,
    /// The key, sealed to the owner and to everybody who keeps a right, by client id.
    #[n(1)]
    pub keys: Vec<SealedFor>,
}

/// A key sealed to one client (GB/T 32918.4, C1C3C2).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct SealedFor {
    /// To whom.
    #[n(0)]
    pub client: ClientId,
    /// The sealed key.
    #[n(1)]
    pub sealed: Blob,
}
