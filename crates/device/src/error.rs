//! Everything that can go wrong, as a sentence for people and a [`Kind`] for programs.
//!
//! The kinds are the C library's codes and the Python module's exceptions. Every error of the
//! client has its kind here, in one `match` per enum without a catch-all: a new error doesn't
//! compile until somebody has decided what a program can do about it.

use std::{fmt, io, time::Duration};

use sealwire_client::{
    archive::{FetchError, ReceiptError},
    certificate::{DeskError, LifeError},
    identity::IdentityError,
    keyring::KeyringError,
    ledger::{CallError, LedgerError},
    mqtt::{
        LoginError, OpenError, PublishError, ReauthenticateError, ReceiveError, SubscribeError,
    },
    trust::TrustError,
};
use sealwire_envelope::{ClientId, PackageId};
use sealwire_sm::Sm3Digest;

/// What a program can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The call, or one of its arguments, isn't what the function takes: correct the program.
    Misuse,
    /// The home directory can't be used: correct its files, the passphrase or `peers.json`.
    Home,
    /// A gateway or the ledger can't be reached, is busy, or isn't that far yet: try again later.
    Away,
    /// A gateway or the ledger says no: get the right, or another certificate.
    Refused,
    /// What came isn't proven: a gateway, node or archive that isn't to be believed.
    Untrusted,
    /// One message or record can't be opened; others may.
    Unreadable,
    /// The message is larger than the gateway takes.
    TooLarge,
    /// The time was over. Whether the gateway did what was asked isn't known.
    Timeout,
    /// There is no session, or it has ended.
    Ended,
    /// The operating system refused, or Sealwire has a defect.
    Internal,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Misuse,
        Self::Home,
        Self::Away,
        Self::Refused,
        Self::Untrusted,
        Self::Unreadable,
        Self::TooLarge,
        Self::Timeout,
        Self::Ended,
        Self::Internal,
    ];

    /// The kind in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Misuse => "the call or one of its arguments isn't what the function takes",
            Self::Home => "the home directory can't be used",
            Self::Away => "a gateway or the ledger can't be reached or is busy: try again later",
            Self::Refused => "a gateway or the ledger says no",
            Self::Untrusted => "what came isn't proven",
            Self::Unreadable => "a message or record can't be opened",
            Self::TooLarge => "the message is larger than the gateway takes",
            Self::Timeout => "the time was over",
            Self::Ended => "there is no session, or it has ended",
            Self::Internal => "the operating system refused, or Sealwire has a defect",
        }
    }
}

/// Something went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument isn't what the call takes.
    #[error("{name}: {detail}")]
    Argument {
        /// Which argument.
        name: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// There is a session.
    #[error("this device is connected: disconnect it first")]
    Connected,
    /// There is no session.
    #[error("this device isn't connected: connect it first")]
    NotConnected,
    /// The home can't be loaded.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The home names no such gateway.
    #[error("{client} knows no gateway {}: add it to peers.json in its home", wanted.as_ref().map_or("at all", ClientId::as_str))]
    NoGateway {
        /// Whose home.
        client: ClientId,
        /// Which gateway; none: any.
        wanted: Option<ClientId>,
    },
    /// The home names no desk.
    #[error("{client} knows no enrolment desk: name your organisation's, http://host:port")]
    NoDesk {
        /// Whose home.
        client: ClientId,
    },
    /// Enrolling or renewing.
    #[error(transparent)]
    Life(Box<LifeError>),
    /// The session didn't take the renewed certificate over; the home has it.
    #[error("the certificate is renewed, the session didn't take it over (connect anew): {0}")]
    Reauthenticate(#[from] ReauthenticateError),
    /// No thread, no event queue.
    #[error("the operating system gives no thread or event queue: {0}")]
    System(#[source] io::Error),
    /// A task of ours ended by itself.
    #[error("Sealwire has a defect: {0}; please report it")]
    Defect(String),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Gateways' certificates.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Logging in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Publishing.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Subscribing.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// Receiving.
    #[error(transparent)]
    Receive(Box<ReceiveError>),
    /// Fetching from an archive.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Making a receipt.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A record that was fetched and verified can't be opened.
    #[error("record {index} of package {package} can't be opened: {source}")]
    Record {
        /// Which package.
        package: PackageId,
        /// Which record.
        index: usize,
        /// Why.
        #[source]
        source: Box<OpenError>,
    },
    /// The gateway says a package is on the ledger, and it isn't.
    #[error("package {package} isn't anchored on the ledger: ask again in some seconds")]
    NotAnchored {
        /// Which one.
        package: PackageId,
    },
    /// The package isn't what was anchored.
    #[error("package {package} has root {found}, the ledger holds {anchored}: it was changed")]
    OtherRoot {
        /// Which one.
        package: PackageId,
        /// Of what came.
        found: Sm3Digest,
        /// On the ledger.
        anchored: Sm3Digest,
    },
    /// The caller's limit.
    #[error("{what} took longer than {} s", limit.as_secs_f32())]
    Timeout {
        /// What.
        what: &'static str,
        /// How long it had.
        limit: Duration,
    },
}

impl From<LifeError> for Error {
    fn from(error: LifeError) -> Self {
        Self::Life(Box::new(error))
    }
}

impl From<ReceiveError> for Error {
    fn from(error: ReceiveError) -> Self {
        Self::Receive(Box::new(error))
    }
}

impl Error {
    /// An argument that can't be taken.
    pub fn argument(name: &'static str, detail: impl fmt::Display) -> Self {
        let detail = detail.to_string();
        Self::Argument { name, detail }
    }

    /// What to do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Argument { .. } | Self::Connected => Kind::Misuse,
            Self::NotConnected => Kind::Ended,
            Self::Identity(_) | Self::NoGateway { .. } | Self::NoDesk { .. } => Kind::Home,
            Self::Life(error) => of_life(error),
            Self::Reauthenticate(_) => Kind::Ended,
            Self::System(_) | Self::Defect(_) => Kind::Internal,
            Self::Ledger(error) => of_ledger(error),
            Self::Trust(error) => of_trust(error),
            Self::Login(error) => of_login(error),
            Self::Publish(error) => of_publish(error),
            Self::Subscribe(SubscribeError::Refused { .. }) => Kind::Refused,
            Self::Subscribe(SubscribeError::Ended(_)) => Kind::Ended,
            Self::Receive(error) => match **error {
                ReceiveError::Unreadable { .. } => Kind::Unreadable,
                ReceiveError::Ended(_) => Kind::Ended,
            },
            Self::Fetch(error) => of_fetch(error),
            Self::Receipt(ReceiptError::Ledger(error)) => of_ledger(error),
            Self::Receipt(ReceiptError::NotAnchored { .. }) | Self::NotAnchored { .. } => {
                Kind::Away
            }
            Self::Receipt(ReceiptError::Verify(_)) | Self::OtherRoot { .. } => Kind::Untrusted,
            // Without the ledger it can't be said yet whether the record is readable.
            Self::Record { source, .. } => match &**source {
                OpenError::Key(error) if of_keyring(error) == Kind::Away => Kind::Away,
                OpenError::Key(_) | OpenError::Message(_) => Kind::Unreadable,
            },
            Self::Timeout { .. } => Kind::Timeout,
        }
    }
}

fn of_ledger(error: &LedgerError) -> Kind {
    match error {
        LedgerError::NoNode | LedgerError::Address { .. } => Kind::Home,
        LedgerError::Away { .. } | LedgerError::Busy(_) | LedgerError::Behind { .. } => Kind::Away,
        LedgerError::Refused(_) => Kind::Refused,
        LedgerError::Nonsense { .. } | LedgerError::Unproven { .. } => Kind::Untrusted,
    }
}

fn of_life(error: &LifeError) -> Kind {
    match error {
        LifeError::Ledger(error) | LifeError::Call(CallError::Ledger(error)) => of_ledger(error),
        LifeError::Call(CallError::Refused { .. }) => Kind::Refused,
        LifeError::Call(CallError::Expired { .. } | CallError::Unknown { .. }) => Kind::Away,
        LifeError::Desk(error) => match error {
            DeskError::Address { .. } => Kind::Home,
            DeskError::Away { .. } | DeskError::Busy(_) => Kind::Away,
            DeskError::Refused(_) => Kind::Refused,
            DeskError::Nonsense { .. } | DeskError::OtherChain { .. } => Kind::Untrusted,
        },
        LifeError::Identity(_) | LifeError::NothingBegun { .. } | LifeError::NoHome => Kind::Home,
        LifeError::Request(_) => Kind::Internal,
        LifeError::Certificate(_) | LifeError::OtherCertificate { .. } => Kind::Untrusted,
        LifeError::UnknownEnrolment { .. }
        | LifeError::NotOpen { .. }
        | LifeError::NotLive { .. } => Kind::Refused,
        // The genesis file that the caller gave.
        LifeError::UnknownOrganisation { .. } => Kind::Misuse,
        LifeError::UnderWay { .. } => Kind::Away,
    }
}

fn of_trust(error: &TrustError) -> Kind {
    match error {
        TrustError::Ledger(error) => of_ledger(error),
        TrustError::Unknown { .. }
        | TrustError::Role { .. }
        | TrustError::NotLive { .. }
        | TrustError::Certificate(_)
        | TrustError::Foreign { .. } => Kind::Untrusted,
    }
}

fn of_login(error: &LoginError) -> Kind {
    match error {
        LoginError::Unreachable { .. } | LoginError::Frame(_) => Kind::Away,
        LoginError::Timeout { .. } => Kind::Timeout,
        LoginError::Refused { .. } if error.may_pass() => Kind::Away,
        LoginError::Refused { .. } => Kind::Refused,
        LoginError::Trust(error) => of_trust(error),
        // Genesis or the home's key and certificate.
        LoginError::Tls(_) => Kind::Home,
        LoginError::OtherGateway { .. }
        | LoginError::GatewaySignature { .. }
        | LoginError::Protocol(_) => Kind::Untrusted,
    }
}

fn of_keyring(error: &KeyringError) -> Kind {
    match error {
        KeyringError::Ledger(error) => of_ledger(error),
        KeyringError::UnknownTopic { .. }
        | KeyringError::NoKey { .. }
        | KeyringError::Unseal { .. }
        | KeyringError::UnknownClient { .. } => Kind::Refused,
    }
}

fn of_publish(error: &PublishError) -> Kind {
    match error {
        PublishError::Refused { .. } => Kind::Refused,
        PublishError::TooLarge { .. } => Kind::TooLarge,
        PublishError::Encode(_) => Kind::Misuse,
        PublishError::Key(error) => of_keyring(error),
        // Sequences are kept in the home; sealing fails only when they are used up.
        PublishError::Sequence(_) | PublishError::Message(_) => Kind::Home,
        PublishError::Ended(_) => Kind::Ended,
    }
}

fn of_fetch(error: &FetchError) -> Kind {
    match error {
        FetchError::Address { .. } | FetchError::Tls(_) => Kind::Home,
        FetchError::Away { .. } => Kind::Away,
        FetchError::Refused(problem) if problem.status >= 500 || problem.status == 429 => {
            Kind::Away
        }
        FetchError::Refused(_) => Kind::Refused,
        FetchError::Decode(_)
        | FetchError::Json(_)
        | FetchError::Other { .. }
        | FetchError::Root { .. }
        | FetchError::Path { .. }
        | FetchError::Misplaced { .. } => Kind::Untrusted,
    }
}
