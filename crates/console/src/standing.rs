//! What the ledger says of who is signed in.
//!
//! A session carries a certificate, no rights. Before each request the certificate's entry of the state is
//! looked at: read with its proof, and believed for [`BELIEVED_MS`]. From it follows whom the session may act
//! for:
//!
//! | Certificate | Whom |
//! |---|---|
//! | live, role operator, of this organisation | every client of this organisation |
//! | live, any other role, or another organisation's operator | itself |
//! | none, or not live | nobody: the session reads |
//!
//! A session that was opened with a key ends when its certificate isn't live any more: revoked, suspended,
//! expired, or renewed. One that was opened with a one-time link goes on reading, because the link came from
//! this machine.
//!
//! While the ledger is away the last answer counts for [`AWAY_MS`] more; then requests get 503.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use sealwire_client::ledger::LedgerError;
use sealwire_contracts::entry::{CertificateEntry, CertificateStatus};
use sealwire_envelope::{CertId, ClientId, OrgId};
use sealwire_sm::Role;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{App, problem::Problem};

/// How long an answer is believed, in milliseconds.
const BELIEVED_MS: u64 = 1_000;
/// How long it counts while the ledger is away, in milliseconds.
const AWAY_MS: u64 = 300_000;
/// Certificates that are remembered.
const REMEMBERED_MAX: usize = 1_024;

/// Whom a session may act for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ActsFor {
    /// Every client of the console's organisation, as its operator.
    Organisation,
    /// The client that is signed in.
    Itself,
    /// Nobody: it reads.
    Nobody,
}

/// A certificate as the ledger has it.
#[derive(Clone, Debug)]
struct Known {
    entry: CertificateEntry,
    status: CertificateStatus,
    at_ms: u64,
}

/// What the ledger said lately.
#[derive(Default)]
pub(crate) struct Standings(Mutex<HashMap<CertId, Known>>);

/// What a certificate is good for, now.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Whose it is.
    pub(crate) client: ClientId,
    /// As what.
    pub(crate) role: Role,
    /// Whether it may be used.
    pub(crate) status: CertificateStatus,
    /// Its public key, compressed SEC1.
    pub(crate) public_key: Vec<u8>,
}

impl Standing {
    /// Whom its holder may act for at the console of this organisation.
    pub(crate) fn acts_for(&self, org: &OrgId) -> ActsFor {
        match (self.status, self.role) {
            (CertificateStatus::Live, Role::Operator) if self.client.org() == *org => {
                ActsFor::Organisation
            }
            (CertificateStatus::Live, _) => ActsFor::Itself,
            _ => ActsFor::Nobody,
        }
    }
}

impl From<&Known> for Standing {
    fn from(known: &Known) -> Self {
        Self {
            client: known.entry.client.clone(),
            role: known.entry.role,
            status: known.status,
            public_key: known.entry.public_key.as_ref().to_vec(),
        }
    }
}

impl Standings {
    fn get(&self, id: &CertId, now_ms: u64, within_ms: u64) -> Option<Standing> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(id)?;
        (now_ms.saturating_sub(known.at_ms) <= within_ms).then(|| known.into())
    }

    fn put(&self, id: CertId, new: Known) -> Standing {
        let standing = (&new).into();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX
            && !known.contains_key(&id)
            && let Some(oldest) = known.iter().min_by_key(|(_, it)| it.at_ms)
        {
            let oldest = *oldest.0;
            known.remove(&oldest);
        }
        known.insert(id, new);
        standing
    }
}

/// What the ledger says of a certificate; none where it has no such certificate.
///
/// # Errors
/// When the ledger has been away for too long, or proves nothing.
pub(crate) async fn of(app: &App, id: &CertId) -> Result<Option<Standing>, Problem> {
    let now_ms = app.now_ms();
    if let Some(standing) = app.standings.get(id, now_ms, BELIEVED_MS) {
        return Ok(Some(standing));
    }
    match app.ledger.certificate(id).await {
        Ok(Some(entry)) => {
            let status = entry.status(now_ms / 1_000);
            let at_ms = now_ms;
            let known = Known {
                entry,
                status,
                at_ms,
            };
            Ok(Some(app.standings.put(*id, known)))
        }
        Ok(None) => Ok(None),
        Err(error) => match app.standings.get(id, now_ms, AWAY_MS) {
            Some(standing) if passes(&error) => Ok(Some(standing)),
            _ => Err(error.into()),
        },
    }
}

fn passes(error: &LedgerError) -> bool {
    error.may_pass()
}
