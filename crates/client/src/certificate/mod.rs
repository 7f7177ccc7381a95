//! A client's certificate, from its own side: get one, renew it, ask whether it was valid.
//!
//! ```text
//! by code      device: key, request, proof by the code ──▶ desk: issues, registers ──▶ device: checks, keeps
//! by request   device: key, request ──▶ a person: issues, registers ──▶ device: checks, keeps
//! renewal      device: next key, request signed by the present key ──▶ desk: issues
//!              device: RenewCertificate, signed by the present key ──▶ ledger ──▶ device: swaps
//! ```
//!
//! The desk is an organisation's service that holds its root key ([`desk`]). Nothing that it says is
//! believed: what it issued must be signed by the root that the pinned genesis names, for this key and
//! client, and must be on the ledger, proven.
//!
//! # Invariants
//! - A secret key never leaves the home that it was made in.
//! - After a crash at any point a home holds no identity or a whole one, and trying again goes on: with
//!   the same key, for which the desk gives the same certificate.
//! - A renewal never leaves the client without a usable certificate: the old one counts until the block
//!   that holds the new one.

pub mod desk;
mod enrol;
mod renew;
mod reseal;

use std::path::PathBuf;

use sealwire_contracts::entry::{CertificateEntry, CertificateStatus, EnrolmentStatus};
use sealwire_contracts::renewal_opens_s;
use sealwire_envelope::{CertId, ClientId, EnrolmentId, Genesis, OrgId, receipt::ProvenEntry};
use sealwire_sm::{Certificate, PublicKey, Role, cert::CertificateError, csr::RequestError};

use crate::{
    explain::block_time_ms,
    identity::{Identity, IdentityError},
    ledger::{CallError, Ledger, LedgerError},
    token::now_s,
};

pub use desk::{Desk, DeskError};
pub use enrol::{Enrolled, Enrolment, enrol, enrol_with, install, request};
pub use renew::{Renewed, renew};
pub use reseal::reseal;

/// A certificate can't be had, renewed or judged.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The ledger couldn't be asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger refused a call.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The desk.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The home.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The request can't be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A certificate can't be read, or isn't signed by the root in genesis.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Nobody opened an enrolment with this code.
    #[error(
        "no enrolment with this code is on the ledger ({id}): check the code, and that the genesis file is that of its organisation"
    )]
    UnknownEnrolment {
        /// What the code would be known by.
        id: EnrolmentId,
    },
    /// The enrolment can't be used any more.
    #[error("the enrolment of {client} is {}: ask its organisation for a new code", .status.as_str())]
    NotOpen {
        /// For whom it was.
        client: ClientId,
        /// What became of it.
        status: EnrolmentStatus,
    },
    /// What was issued isn't what was asked for.
    #[error("the certificate that was issued isn't {client}'s: {what}")]
    OtherCertificate {
        /// Who asked.
        client: ClientId,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The certificate isn't on the ledger, or doesn't count there.
    #[error(
        "the certificate {certificate} of {client} is {status} on the ledger: ask its organisation"
    )]
    NotLive {
        /// Whose.
        client: ClientId,
        /// Which.
        certificate: CertId,
        /// What it is.
        status: CertificateStatus,
    },
    /// The organisation isn't in the pinned genesis.
    #[error("organisation '{org}' isn't in the genesis file: wrong file?")]
    UnknownOrganisation {
        /// Which.
        org: OrgId,
    },
    /// No enrolment was begun in this home.
    #[error("there is no key in {home} that waits for a certificate: make a request first")]
    NothingBegun {
        /// Where.
        home: PathBuf,
    },
    /// Another process does the same in this home.
    #[error("another process enrols or renews in {home}: wait until it is done")]
    UnderWay {
        /// Where.
        home: PathBuf,
    },
    /// The identity lives in memory.
    #[error("an identity in memory can't be renewed: there is nowhere to keep its next key")]
    NoHome,
}

impl LifeError {
    /// Whether trying again later can help, without anybody doing anything.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Ledger(error) => error.may_pass(),
            Self::Call(error) => !matches!(error, CallError::Refused { .. }),
            Self::Desk(error) => error.may_pass(),
            Self::UnderWay { .. } => true,
            _ => false,
        }
    }
}

/// How a certificate is or was, as the ledger proves.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Which.
    pub id: CertId,
    /// Its entry; none when it was never registered.
    pub entry: Option<CertificateEntry>,
    /// Whether it counts, or counted.
    pub status: CertificateStatus,
    /// The height that this is about.
    pub height: u64,
    /// That block's time, or now by this machine's clock; milliseconds since 1970.
    pub time_ms: u64,
    /// What shows it to anybody: the present entry, found or absent, with its proof.
    pub proof: ProvenEntry,
}

/// Whether a certificate counts now, or counted at an earlier height.
///
/// # Errors
/// [`LedgerError`]: also when the height is yet to come.
pub async fn standing(
    ledger: &Ledger,
    id: CertId,
    at: Option<u64>,
) -> Result<Standing, LedgerError> {
    let then_ms = match at {
        Some(height) => Some(block_time_ms(ledger, height).await?),
        None => None,
    };
    let key = sealwire_contracts::keys::certificate(&id);
    let proof = ledger.proven(&key).await?;
    let newest = proof.finality.headers.first().map_or(0, |it| it.height);
    let entry: Option<CertificateEntry> = match &proof.value {
        Some(bytes) => Some(
            minicbor::decode(bytes).map_err(|error| LedgerError::Nonsense {
                node: ledger.nodes().join(", "),
                detail: format!("certificate entry of an unknown form: {error}"),
            })?,
        ),
        None => None,
    };
    let height = at.unwrap_or(newest);
    if height > newest {
        let nodes = ledger.nodes().join(", ");
        let (node, has, seen) = (nodes, newest, height);
        return Err(LedgerError::Behind { node, has, seen });
    }
    let time_ms = then_ms.unwrap_or_else(|| now_s() * 1000);
    let status = entry
        .as_ref()
        .map_or(CertificateStatus::Unregistered, |it| {
            it.status_at(height, time_ms / 1000)
        });
    Ok(Standing {
        id,
        entry,
        status,
        height,
        time_ms,
        proof,
    })
}

/// When an identity's certificate may be renewed, and until when it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalWindow {
    /// From this second on, since 1970.
    pub opens_s: u64,
    /// Last second at which the certificate counts.
    pub ends_s: u64,
}

impl RenewalWindow {
    /// Whether it is open at this time (Unix seconds).
    pub fn is_open(&self, now_s: u64) -> bool {
        (self.opens_s..=self.ends_s).contains(&now_s)
    }
}

/// When this identity's certificate may be renewed, by its organisation's template.
///
/// # Errors
/// [`LedgerError`]; [`renewal_window_offline`] guesses without the ledger.
pub async fn renewal_window(
    ledger: &Ledger,
    identity: &Identity,
) -> Result<RenewalWindow, LedgerError> {
    let (client, certificate) = (identity.client(), identity.certificate());
    let template = ledger.template(&client.org(), certificate.role).await?;
    let template = template.map(|entry| entry.template);
    let (from_s, ends_s) = (certificate.not_before_s, certificate.not_after_s);
    let opens_s = renewal_opens_s(from_s, ends_s, template.as_ref());
    Ok(RenewalWindow { opens_s, ends_s })
}

/// As [`renewal_window`], where no template is known: the last third of the validity.
pub fn renewal_window_offline(identity: &Identity) -> RenewalWindow {
    let certificate = identity.certificate();
    let (from_s, ends_s) = (certificate.not_before_s, certificate.not_after_s);
    RenewalWindow {
        opens_s: renewal_opens_s(from_s, ends_s, None),
        ends_s,
    }
}

/// The root that genesis names for an organisation.
fn root_of(genesis: &Genesis, org: &OrgId) -> Result<Certificate, LifeError> {
    let found = genesis.orgs.iter().find(|it| it.org == *org);
    let found = found.ok_or_else(|| LifeError::UnknownOrganisation { org: org.clone() })?;
    Ok(Certificate::from_der(&found.root_cert_der)?)
}

/// Checks that a certificate is what was asked for: by the root in genesis, for this client, role, key.
fn check_issued(
    genesis: &Genesis,
    certificate: &Certificate,
    client: &ClientId,
    role: Role,
    key: &PublicKey,
) -> Result<(), LifeError> {
    certificate.verify_issued_by(&root_of(genesis, &client.org())?)?;
    let what = if certificate.name != client.as_str() {
        "it names somebody else"
    } else if certificate.role != role {
        "it is for another role"
    } else if certificate.public_key != *key {
        "it is for another key"
    } else {
        return Ok(());
    };
    Err(LifeError::OtherCertificate {
        client: client.clone(),
        what,
    })
}

/// Checks that the ledger knows a certificate and lets it count, proven.
async fn check_live(
    ledger: &Ledger,
    client: &ClientId,
    certificate: &Certificate,
) -> Result<(), LifeError> {
    let id = CertId(certificate.id());
    let standing = standing(ledger, id, None).await?;
    match standing.status {
        CertificateStatus::Live => Ok(()),
        status => Err(LifeError::NotLive {
            client: client.clone(),
            certificate: id,
            status,
        }),
    }
}
