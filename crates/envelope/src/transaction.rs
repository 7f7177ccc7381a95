//! Transactions: what clients ask of the ledger.
//!
//! ```text
//! Transaction = [body: TxBody, signature: bstr .size 64]
//! TxBody      = [chain: digest, sender: digest, expiry_height: uint, nonce: bstr .size 16,
//!                call: Call]
//! id          = SM3(CBOR of body)
//! signature   = SM2 over "sealwire-transaction-v1" || 0x00 || CBOR of body
//! ```
//!
//! A transaction counts once: its id is on the ledger from then on. It's refused after
//! `expiry_height`, so nobody can keep it back and send it years later.

use minicbor::{Decode, Encode};
use sealwire_sm::{Domain, PublicKey, SecretKey, Signature, key::VerifyError, sm3};
use serde::{Deserialize, Serialize};

use crate::{
    codec::{Blob, DecodeError, decode_bounded, encode},
    id::{CertId, ChainId, ClientId, KeyEpoch, PackageId, TxId},
    topic::TopicName,
};

/// Longest transaction, in bytes of CBOR.
pub const TX_MAX_BYTES: usize = 256 * 1024;
/// Length of a nonce, in bytes.
pub const NONCE_LEN: usize = 16;

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Transaction {
    /// What is asked, and by whom.
    #[n(0)]
    pub body: TxBody,
    /// The sender's signature over the body.
    #[n(1)]
    pub signature: Signature,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct TxBody {
    /// For which ledger.
    #[n(0)]
    pub chain: ChainId,
    /// By the holder of which certificate.
    #[n(1)]
    pub sender: CertId,
    /// Last height at which it may be in a block.
    #[n(2)]
    pub expiry_height: u64,
    /// Makes two otherwise equal transactions two.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub nonce: [u8; NONCE_LEN],
    /// What is asked.
    #[n(4)]
    pub call: Call,
}

impl Transaction {
    /// Signs `body`.
    pub fn sign(body: TxBody, key: &SecretKey) -> Self {
        let signature = key.sign(Domain::TRANSACTION, &encode(&body));
        Self { body, signature }
    }

    /// What it is known by.
    pub fn id(&self) -> TxId {
        TxId(sm3(&[&encode(&self.body)]))
    }

    /// Checks the signature; whether `key` is the sender's is for the caller to know.
    ///
    /// # Errors
    /// When the signature isn't over exactly this body by `key`.
    pub fn verify(&self, key: &PublicKey) -> Result<(), VerifyError> {
        key.verify(Domain::TRANSACTION, &encode(&self.body), &self.signature)
    }

    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`Transaction::to_bytes`] wrote.
    ///
    /// # Errors
    /// When there are more than [`TX_MAX_BYTES`], or they aren't one transaction.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_bounded(bytes, TX_MAX_BYTES)
    }
}

/// What is asked of which contract.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Call {
    /// identity: issue a certificate.
    #[n(0)]
    RegisterCertificate(#[n(0)] RegisterCertificate),
    /// identity: end a certificate.
    #[n(1)]
    RevokeCertificate(#[n(0)] RevokeCertificate),
    /// topics: claim a topic within one's prefix.
    #[n(2)]
    RegisterTopic(#[n(0)] RegisterTopic),
    /// topics: give a right.
    #[n(3)]
    GrantTopic(#[n(0)] GrantTopic),
    /// topics: take a right away.
    #[n(4)]
    RevokeGrant(#[n(0)] RevokeGrant),
    /// records: anchor packages.
    #[n(5)]
    Anchor(#[n(0)] AnchorPackages),
    /// records: log who fetched what.
    #[n(6)]
    LogRetrieval(#[n(0)] LogRetrieval),
    /// audit: log connections.
    #[n(7)]
    LogEvents(#[n(0)] LogEvents),
}

impl Call {
    /// Its name as in JSON and on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RegisterCertificate(_) => "register-certificate",
            Self::RevokeCertificate(_) => "revoke-certificate",
            Self::RegisterTopic(_) => "register-topic",
            Self::GrantTopic(_) => "grant-topic",
            Self::RevokeGrant(_) => "revoke-grant",
            Self::Anchor(_) => "anchor",
            Self::LogRetrieval(_) => "log-retrieval",
            Self::LogEvents(_) => "log-events",
        }
    }
}

/// Issues a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RegisterCertificate {
    /// The certificate.
    #[n(0)]
    pub der: Blob,
}

/// Ends a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RevokeCertificate {
    /// Which one.
    #[n(0)]
    pub certificate: CertId,
    /// Why, for people; at most 256 bytes.
    #[n(1)]
    pub reason: String,
}

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
    /// All of them.
    pub const ALL: Self = Self(15);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::PUBLISH, "publish"),
        (Self::SUBSCRIBE, "subscribe"),
        (Self::READ, "read"),
        (Self::COMPUTE, "compute"),
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
                crate::NameError::new(word, "a right: publish, subscribe, read or compute")
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

/// Anchors packages.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct AnchorPackages {
    /// Which.
    #[n(0)]
    pub packages: Vec<Anchor>,
}

/// What the ledger holds of a package of archived messages.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Anchor {
    /// SM3 of the package's manifest.
    #[n(0)]
    pub package: PackageId,
    /// Whose messages.
    #[n(1)]
    pub topic: TopicName,
    /// Who published them, in order, each once.
    #[n(2)]
    pub clients: Vec<ClientId>,
    /// How many messages.
    #[n(3)]
    pub count: u64,
    /// When the first was received, milliseconds since 1970.
    #[n(4)]
    pub from_ms: u64,
    /// When the last was received, milliseconds since 1970.
    #[n(5)]
    pub to_ms: u64,
    /// SM3 Merkle root over the messages.
    #[n(6)]
    pub root: sealwire_sm::Sm3Digest,
    /// The topic's key epoch when the package was closed; none on an open topic.
    #[n(7)]
    pub epoch: Option<KeyEpoch>,
    /// Where the package is kept; at most 256 bytes.
    #[n(8)]
    pub location: String,
    /// The gateway that keeps it.
    #[n(9)]
    pub gateway: ClientId,
}

/// Logs retrievals.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LogRetrieval {
    /// Which.
    #[n(0)]
    pub retrievals: Vec<Retrieval>,
}

/// Who fetched what.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Retrieval {
    /// Of which package.
    #[n(0)]
    pub package: PackageId,
    /// By whom.
    #[n(1)]
    pub reader: ClientId,
    /// SM3 of the signed request: the reader can't deny it.
    #[n(2)]
    pub request: sealwire_sm::Sm3Digest,
    /// SM3 of what was handed out.
    #[n(3)]
    pub digest: sealwire_sm::Sm3Digest,
    /// When, milliseconds since 1970, by the gateway's clock.
    #[n(4)]
    pub time_ms: u64,
}

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
}

impl EventKind {
    /// Every kind, by number.
    pub const ALL: [Self; 7] = [
        Self::Connected,
        Self::ConnectRefused,
        Self::Disconnected,
        Self::Subscribed,
        Self::SubscribeRefused,
        Self::PublishRefused,
        Self::SubscriptionEnded,
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
                 subscribe-refused, publish-refused or subscription-ended",
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
