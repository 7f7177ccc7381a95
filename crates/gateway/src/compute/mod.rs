//! Compute on archived readings that this gateway can't read.
//!
//! ```text
//!  POST job ─► store ─► worker: right? key? ─► packages that the ledger knows ─► evaluate ─► store
//!                                                                                   │
//!  GET result ◄─ recorded on the ledger? ◄──── clerk ◄──── outbox (evaluation) ◄────┘
//! ```
//!
//! # Actors
//! - The *requester* has the right `compute` on every input. It is asked when the job comes, when it is
//!   evaluated, and by the contract when the evaluation is logged.
//! - The *owner* of the key uploads what is too long for the ledger: the public half for devices to fetch, the
//!   evaluation key for this service. Both are taken only with the digests that the ledger has.
//! - The *worker* evaluates one job at a time, on threads that serve nobody else.
//!
//! # Which messages
//! `sealwire_envelope::compute` says it; [`inputs::gather`] does it, from the ledger's own list of packages: the
//! same list that whoever evaluates again goes by. A package of the list that isn't in the archive is an error,
//! never a smaller result.
//!
//! # Invariants
//! - A result leaves this service only when its evaluation is on the ledger, and only to the requester, the
//!   owner of the key, and the holders of its shares.
//! - What was accepted (202) is on disk. After a crash a job that wasn't evaluated is evaluated, and an
//!   evaluation that isn't on the ledger is brought there.
//! - Nothing that an owner or opener learns comes back: there is no route for it.
//!
//! # Failure
//! Every refusal names what is missing or too large, with the numbers, and is kept with the job. A ledger that
//! refuses an evaluation (a right ended meanwhile) makes the job refused: its result is forgotten.

pub mod inputs;
pub mod standing;
pub mod store;
mod worker;

use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sealwire_contracts::Action;
use sealwire_envelope::{
    ClientId,
    compute::{Computed, ComputeJob, COMPUTE_VERSION, INPUTS_MAX},
};
use tokio::sync::Notify;

pub use store::{Asked, JobId, Part, Progress, Standing, Store};
pub(crate) use worker::work;

use crate::{hub::Hub, now_ms};

/// Jobs that wait for their evaluation.
pub const WAITING_MAX: usize = 64;

/// Why a job isn't done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The job itself.
    #[error("{0}")]
    Malformed(String),
    /// No right.
    #[error("{0}")]
    Right(String),
    /// The key.
    #[error("{0}")]
    Key(String),
    /// The inputs, or what they would come to.
    #[error("{0}")]
    Inputs(String),
    /// Too many jobs wait.
    #[error("{WAITING_MAX} jobs wait already: try again in a minute")]
    Busy,
    /// The disk or the archive.
    #[error("the gateway's storage failed: {0}")]
    Storage(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

/// The service's memory: which jobs wait, and which results are to be published.
pub struct Service {
    store: Store,
    waiting: Mutex<VecDeque<JobId>>,
    wake: Notify,
}

impl Service {
    /// Opens the store of the gateway in `home`; jobs that waited when it stopped wait again.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(home: &Path) -> io::Result<Self> {
        let store = Store::open(home)?;
        let mut jobs = store.jobs()?;
        jobs.sort_by_key(|(_, asked)| asked.time_ms);
        let mut waiting = VecDeque::new();
        for (id, _) in jobs {
            if let Some((_, Progress::Waiting)) = store.job(&id)? {
                waiting.push_back(id);
            }
        }
        let wake = Notify::new();
        wake.notify_one();
        Ok(Self {
            store,
            waiting: Mutex::new(waiting),
            wake,
        })
    }

    /// What it keeps.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a job: on disk when this returns.
    ///
    /// # Errors
    /// [`Refused::Busy`], [`Refused::Storage`].
    pub fn take(&self, id: JobId, asked: &Asked) -> Result<(), Refused> {
        if self.lock().len() >= WAITING_MAX {
            return Err(Refused::Busy);
        }
        self.store.put_job(&id, asked)?;
        self.lock().push_back(id);
        self.wake.notify_one();
        Ok(())
    }

    fn next(&self) -> Option<JobId> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<JobId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this job may be done for this requester, now: its form, its key, its rights.
///
/// # Errors
/// [`Refused`] with what is missing.
pub fn may(hub: &Hub, requester: &ClientId, job: &ComputeJob) -> Result<(), Refused> {
    if job.version != COMPUTE_VERSION || job.inputs.is_empty() || job.inputs.len() > INPUTS_MAX {
        let why = format!("a job of version {COMPUTE_VERSION} has 1 to {INPUTS_MAX} inputs");
        return Err(Refused::Malformed(why));
    }
    let view = hub.ledger().view();
    let key = view.compute_key(&job.key).value;
    let key = key.ok_or_else(|| {
        Refused::Key(format!("compute key {} isn't registered on the ledger", job.key))
    })?;
    if let Some(retired) = &key.retired {
        let why = format!(
            "compute key {} was retired at height {}: {}",
            job.key, retired.at.height, retired.reason
        );
        return Err(Refused::Key(why));
    }
    for input in &job.inputs {
        let decision = view.decide(requester, Action::Compute(&input.topic), now_ms());
        if !decision.is_allowed() {
            let why = format!(
                "{requester} may not compute on {}: {} (height {})",
                input.topic, decision.reason, decision.height
            );
            return Err(Refused::Right(why));
        }
    }
    sealwire_compute::check(&key.key, job).map_err(|error| Refused::Inputs(error.to_string()))
}

/// Whether this client may have a result.
pub fn may_have(hub: &Hub, client: &ClientId, asked: &Asked, computed: &Computed) -> bool {
    if asked.requester == *client {
        return true;
    }
    let view = hub.ledger().view();
    let Some(entry) = view.compute_key(&computed.evaluation.job.key).value else {
        return false;
    };
    let mut holders = entry.key.sharing.iter().flat_map(|sharing| &sharing.holders);
    entry.key.owner == *client || holders.any(|holder| holder.client == *client)
}
