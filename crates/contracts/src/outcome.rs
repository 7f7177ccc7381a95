//! What became of a transaction: a code for programs, a sentence for people.
//!
//! Codes are stored in the ledger's state for ever, under `tx/<id>`: a number is never reused and never
//! changes its meaning (a test pins them). The hundreds say which contract spoke:
//! 0 applied, 1xx the transaction itself, 2xx identity, 3xx topics, 4xx records, 5xx audit, 6xx compute.

use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::ser::SerializeStruct as _;

/// Longest stored detail, in bytes; longer ones are cut at a character.
pub const DETAIL_BYTES: usize = 160;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Outcome of a transaction. Every code but `Applied` means that nothing was written but the outcome.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Code {
            $(#[doc = $text] $name = $number,)*
        }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The code with this number.
            pub fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// What happened and what to do about it.
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

codes! {
    Applied = 0, "Applied.";

    WrongChain = 101, "The transaction is for another ledger: sign it again with this ledger's chain id.";
    Expired = 102, "The transaction's expiry height has passed: sign it again with a later one.";
    ExpiryTooFar = 103, "The transaction's expiry height lies too far ahead: sign it again with one within the window.";
    Duplicate = 104, "This transaction was already executed: its first outcome stands, ask for that.";
    UnknownSender = 105, "The sender's certificate isn't registered: ask an operator of your organisation to register it.";
    SenderRevoked = 106, "The sender's certificate is revoked: ask an operator of your organisation for a new one.";
    SenderNotYetValid = 107, "The sender's certificate isn't valid yet: wait until its validity begins.";
    SenderExpired = 108, "The sender's certificate has expired: ask an operator of your organisation for a new one.";
    RoleNotAllowed = 109, "The sender's role doesn't allow this call: send it with a certificate of the role named.";
    SenderSuspended = 110, "The sender's certificate is suspended: ask an operator of your organisation to resume it.";

    CertificateMalformed = 201, "The certificate can't be read: send one X.509 certificate in DER with an SM2 key.";
    OtherOrganisation = 202, "What the call names belongs to another organisation: an operator of that organisation must send this.";
    NotIssuedByRoot = 203, "The certificate isn't signed by its organisation's root: issue it with the key of the root in genesis.";
    RoleNotRegistrable = 204, "Certificates of this role come from genesis only: register operator, gateway, device or user.";
    CertificateExpired = 205, "The certificate has expired already: issue one that is still valid.";
    CertificateKnown = 206, "This certificate was registered before: issue a new one instead of registering it again.";
    ClientHasCertificate = 207, "The client has a live certificate: revoke that one first.";
    UnknownCertificate = 208, "No such certificate is registered: check the certificate id.";
    AlreadyRevoked = 209, "The certificate is already revoked: nothing is left to do.";
    SelfRevocation = 210, "Operators can't revoke or suspend their own certificate: another operator of the organisation must send this.";
    ReasonInvalid = 211, "The reason is too long: shorten it.";

    ValidityTooLong = 212, "The certificate is valid for longer than its organisation allows for its role: issue a shorter one.";
    TemplateInvalid = 213, "The template is out of range: allow a validity of 1 hour to 20 years, and renewal within it.";
    RenewalTooEarly = 214, "The certificate can't be renewed yet: try again in its renewal window.";
    RenewalMismatch = 215, "The new certificate doesn't continue the sender's: issue one for the same client and role that is valid now and for longer.";
    AlreadySuspended = 216, "The certificate is already suspended: nothing is left to do.";
    NotSuspended = 217, "The certificate isn't suspended: nothing is left to do.";
    SuspensionsFull = 218, "The certificate was suspended as often as it can be: revoke it instead.";
    UnknownEnrolment = 219, "No such enrolment is open: check the code, or ask an operator of the organisation for a new one.";
    EnrolmentKnown = 220, "An enrolment was opened with this code before: make a new code.";
    EnrolmentUsed = 221, "The enrolment was used already: ask an operator of the organisation for a new one.";
    EnrolmentClosed = 222, "The enrolment was closed: ask an operator of the organisation for a new one.";
    EnrolmentExpired = 223, "The enrolment has expired: ask an operator of the organisation for a new one.";
    EnrolmentMismatch = 224, "The enrolment is for another client or role: issue the certificate that it is for.";
    EnrolmentForged = 225, "The enrolment's code didn't sign for this certificate's key: sign again with the code that the device was given.";
    EnrolmentExpiry = 226, "The enrolment would expire too late or has expired: let it expire within a year from now.";

    OutsidePrefix = 301, "The topic lies outside the sender's prefix: register topics that begin with your organisation's and your own name.";
    TopicKnown = 302, "The topic is registered already: nothing is left to do, or choose another name.";
    UnknownTopic = 303, "The topic isn't registered: its owner must register it first.";
    NotOwner = 304, "Only the owner may do this: ask the owner.";
    UnknownGrantee = 305, "The client to be granted isn't registered: check its id.";
    GranteeNotLive = 306, "The client to be granted has no live certificate: its organisation must register one.";
    GranteeRole = 307, "Rights are granted to devices and users only: name a client of such a role.";
    GrantToOwner = 308, "The owner has all rights already: name another client.";
    RightsEmpty = 309, "The grant names no right: name publish, subscribe, read, compute or verify.";
    GrantExpired = 310, "The grant would be expired already: give a later expiry.";
    GrantRange = 311, "The time range ends before it begins: swap the two.";
    PurposeTooLong = 312, "The purpose is too long: shorten it.";
    WrongEpoch = 313, "The key epoch isn't the one expected: read the topic again and use its epoch.";
    KeyMissing = 314, "A sealed key is needed and missing or of a wrong size: seal the epoch key to the client's SM2 key.";
    KeyUnexpected = 315, "A key was given where none belongs: leave it out (open topics and grants of compute or verify alone have no key).";
    TooManyReaders = 316, "The topic has as many grants as it can have: revoke expired ones first.";
    UnknownGrant = 317, "There is no such grant: check the client and the topic.";
    GrantRevoked = 318, "The grant is already revoked: nothing is left to do.";
    RotationMissing = 319, "Revoking this grant must rotate the topic's key: send a new epoch with keys for all who remain.";
    RotationUnexpected = 320, "The topic is open and has no key to rotate: leave the rotation out.";
    RotationMissesReader = 321, "The rotation leaves out a client that still has a right: seal the new key to it as well.";
    RotationNamesStranger = 322, "The rotation names a client that has no right to the key, or names one twice: leave it out.";
    TopicClosed = 323, "The topic is closed: nothing is published, granted or handed over there any more.";
    FilterPlain = 324, "The filter names one topic: grant the topic itself.";
    TooManyFilters = 325, "There are as many grants of filters as there can be: revoke one first, or grant a wider filter.";
    UnknownRequest = 326, "There is no open request of this client for this: list the requests.";
    NoOffer = 327, "The topic isn't on offer to this client: its owner must offer it first.";
    OperatorRights = 328, "Operators grant nothing but verify, and take grants back without a rotation: the topic's owner must do this.";
    AuthorisationKnown = 329, "This authorisation key was registered before: make a new one.";
    UnknownAuthorisation = 330, "No such authorisation key is registered: check the text, or ask the owner for a new one.";
    AuthorisationWithdrawn = 331, "The authorisation key was withdrawn: ask the owner for a new one.";
    AuthorisationExpired = 332, "The authorisation key can't be redeemed any more: ask the owner for a new one.";
    AuthorisationUsedUp = 333, "The authorisation key was redeemed as often as it can be: ask the owner for a new one.";
    AlreadyRedeemed = 334, "This client redeemed the authorisation key before: it has what it gives.";
    AuthorisationForged = 335, "The redemption isn't signed by the authorisation key for this client: sign it with the key's private half.";
    AuthorisationUses = 336, "The number of uses is out of range: give 1 to 256.";
    NotEntitled = 337, "A key would go to one that has no right to it: grant first, or leave it out.";
    KeyNotHeld = 338, "The client holds no key of this epoch that it could seal anew: ask the topic's owner.";
    RequestToSelf = 339, "The topic is the sender's own: it has all rights already.";
    NoteTooLong = 340, "The note is too long: shorten it.";
    TooManyKeys = 341, "The call carries too many keys, or none: split it.";
    KeyOutsideFilter = 342, "A key is of a topic that the filter doesn't match or the owner doesn't own: leave it out.";
    OwnerNotLive = 343, "The authorisation key's owner has no live certificate: its organisation must resume or register one.";

    BatchEmpty = 401, "The call carries nothing: send at least one item.";
    BatchTooLarge = 402, "The call carries too many items: split it.";
    GatewayMismatch = 403, "The gateway named isn't the sender: gateways report for themselves only.";
    PackageKnown = 404, "The package is anchored already: leave it out.";
    PackageCount = 405, "The package's message or client count is out of range: close packages within the limits.";
    PackageTime = 406, "The package's time range is reversed or lies in the future: check the gateway's clock.";
    PackageEpoch = 407, "The package's key epoch isn't one of the topic's: sealed topics have one up to the present epoch, open topics none.";
    UnknownPackage = 408, "No such package is anchored: check the package id.";
    LocationTooLong = 409, "The package's location is too long: shorten it.";
    PackageClients = 410, "The package's clients aren't in order, each once: sort them.";

    EventsEmpty = 501, "The call carries no event: send at least one.";
    EventsTooMany = 502, "The call carries too many events: split it.";

    EventTooLarge = 503, "An event is too large: cut its texts.";

    ComputeVersion = 601, "The version of the key, job, evaluation or evaluator isn't known: use programs of this ledger's version.";
    ComputeKeyOwner = 602, "The compute key names another owner: register keys of your own only.";
    ReadingsInvalid = 603, "The readings' decimals, bounds, edges or unit are out of range: declare them within the limits.";
    PublicHalfInvalid = 604, "The key's public half is missing, too long, unexpected or another: an SM2 ElGamal key brings the bytes whose digest it names, others bring none.";
    EvaluationHalfInvalid = 605, "The evaluation key is missing or unexpected: name one where the parameter set multiplies, and only there.";
    SharingInvalid = 606, "The key can't be shared like this: share SM2 ElGamal keys, among distinct clients with distinct shares, with a threshold of 1 to all.";
    UnknownHolder = 607, "A holder of a share isn't registered: check its id.";
    ComputeKeyKnown = 608, "This compute key was registered before: nothing is left to do, or make a new one.";
    TooManyComputeKeys = 609, "The owner has as many compute keys as it can have: retire one first.";
    UnknownComputeKey = 610, "No such compute key is registered: check the key id.";
    ComputeKeyRetired = 611, "The compute key is retired: use another one of its owner's.";
    EvaluationTooLarge = 612, "An evaluation is too large: ask for fewer inputs.";
    JobInputsInvalid = 613, "The inputs are missing, too many, of one topic twice, of an empty time range or without digests: ask again, with each topic once.";
    FunctionInvalid = 614, "The function doesn't fit the inputs or the key: give one weight per input, two inputs to a dot product, a threshold within the readings' bounds.";
    EvaluationHeight = 615, "The evaluation's height isn't past, or is long past: evaluate again over the present packages.";
    EvaluationTime = 616, "The evaluation's time lies in the future: check the gateway's clock.";
    EvaluationKnown = 617, "This evaluation was logged before: leave it out.";
    ComputeDenied = 618, "The requester has no right to compute on an input's topic: its owner must grant compute.";
    ComputeRange = 619, "An input's time range goes beyond what was granted: ask for a range within the grant's.";
}

impl Code {
    /// The stable number.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// Whether the transaction may not even be in a block: what [`crate::authenticate`] refuses with.
    pub fn is_inadmissible(self) -> bool {
        (Self::WrongChain..=Self::SenderExpired).contains(&self) || self == Self::SenderSuspended
    }

    /// Whether the transaction took effect.
    pub fn is_applied(self) -> bool {
        self == Self::Applied
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.number(), self.text())
    }
}

/// In JSON, `{"number": .., "name": .., "text": ..}`.
impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Code", 3)?;
        out.serialize_field("number", &self.number())?;
        out.serialize_field("name", self.name())?;
        out.serialize_field("text", self.text())?;
        out.end()
    }
}

impl<C> Encode<C> for Code {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u16(self.number())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Code {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let number = d.u16()?;
        Self::from_number(number)
            .ok_or_else(|| minicbor::decode::Error::message("unknown outcome code"))
    }
}

/// What became of a transaction: a code, and what exactly it is about.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// Applied, or why not.
    pub code: Code,
    /// What the code is about, for instance the client that a rotation left out; empty when applied.
    pub detail: String,
}

impl Outcome {
    /// The transaction took effect.
    pub fn applied() -> Self {
        Self {
            code: Code::Applied,
            detail: String::new(),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.detail.as_str() {
            "" => f.write_str(self.code.text()),
            detail => write!(f, "{} ({detail})", self.code.text()),
        }
    }
}

/// Why a call has no effect: the contracts' error type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) detail: String,
}

impl Code {
    /// Refuses with this code; `detail` names what it is about.
    pub(crate) fn because(self, detail: impl std::fmt::Display) -> Refusal {
        let mut detail = detail.to_string();
        let mut end = detail.len().min(DETAIL_BYTES);
        while !detail.is_char_boundary(end) {
            end -= 1;
        }
        detail.truncate(end);
        Refusal { code: self, detail }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code,
            detail: refusal.detail,
        }
    }
}
