//! Compute on archived readings that this gateway can't read.
//!
//! ```text
//!  POST job ─► store ─► worker: right? key? ─► packages that the ledger knows ─► evaluate ─► store
//!                                                                                   │
//!  GET result ◄─ recorded on the ledger? ◄──── clerk ◄──── outbox (evaluation) ◄────┘
//! ```
//!
//! # Actors
//! - The *requester* has the right `compute` on every input, for all of its time range. It is asked when the job
//!   comes, when it is evaluated, and by the contract when the evaluation is logged.
//! - The *owner* of the key uploads what is too long for the ledger: the public half for devices to fetch, the
//!   evaluation key for this service. Both are taken only with the digests that the ledger has.
//! - The *worker* evaluates one job at a time, on threads that serve nobody else.
//! - A *standing job* asks for a run every so often, in its requester's name ([`standing`]).
//!
//! # Which messages
//! `sealwire_envelope::compute` says it; `sealwire_compute::input` and `inputs` do it, from the ledger's own
//! list of packages: the same list that whoever evaluates again goes by. A package of the list that isn't in
//! the archive is an error, never a smaller result. A job waits until what was received before it was asked for
//! is anchored, at most [`ANCHOR_WAIT`].
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

mod inputs;
pub mod standing;
pub mod store;
mod worker;

use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sealwire_contracts::Action;
use sealwire_envelope::{
    ClientId, JobId,
    compute::{
        COMPUTE_VERSION, ComputeJob, ComputeKey, Evaluation, INPUTS_MAX,
        service::{JobState, JobStatus},
    },
};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

pub use store::{Asked, Kept, Progress, Standing, Store};
pub(crate) use worker::{refused_by_ledger, work};

use crate::{hub::Hub, now_ms, rights::Range, story::Story};

/// Jobs that wait for their evaluation.
pub const WAITING_MAX: usize = 64;
/// Jobs of one requester that wait for their evaluation.
pub const WAITING_PER_CLIENT_MAX: usize = 16;
/// Uploads of keys at a time.
pub const UPLOADS_AT_ONCE: usize = 4;
/// How long a job waits for readings to be anchored.
pub const ANCHOR_WAIT: Duration = Duration::from_secs(60);
/// Why an evaluation was cut short.
const STOPPED: &str = "the gateway stops";

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
    #[error("{0}: try again in a minute")]
    Busy(String),
    /// The gateway stops; the job waits for the next start.
    #[error("{STOPPED}: the job goes on after its next start")]
    Stopping,
    /// The disk or the archive.
    #[error("the gateway's storage failed: {0}")]
    Storage(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull => Self::Busy(error.to_string()),
            _ => Self::Storage(error.to_string()),
        }
    }
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(JobId, ClientId)>,
    evaluating: Option<JobId>,
}

/// The service's memory: which jobs wait, and the threads that evaluate.
pub struct Service {
    store: Store,
    queue: Mutex<Queue>,
    /// One job at a time is put on disk and into the queue.
    taking: tokio::sync::Mutex<()>,
    /// One at a time reads and writes standing jobs.
    standing: tokio::sync::Mutex<()>,
    wake: Notify,
    uploads: Semaphore,
    threads: rayon::ThreadPool,
    stopping: AtomicBool,
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
        let mut queue = Queue::default();
        for (id, asked) in jobs {
            let kept = store.job(&id)?;
            if kept.is_some_and(|kept| kept.progress == Progress::Waiting) {
                queue.waiting.push_back((id, asked.requester));
            }
        }
        let wake = Notify::new();
        wake.notify_one();
        Ok(Self {
            store,
            queue: Mutex::new(queue),
            taking: tokio::sync::Mutex::default(),
            standing: tokio::sync::Mutex::default(),
            wake,
            uploads: Semaphore::new(UPLOADS_AT_ONCE),
            threads: threads()?,
            stopping: AtomicBool::new(false),
        })
    }

    /// Does something with the files, where that may take a moment.
    ///
    /// # Errors
    /// What it says.
    pub async fn on_disk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Store) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Refused> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || act(&store)).await;
        let done = done.map_err(|error| Refused::Storage(error.to_string()))?;
        Ok(done?)
    }

    /// Takes a job: on disk when this returns.
    ///
    /// # Errors
    /// [`Refused::Busy`], [`Refused::Storage`].
    pub async fn take(&self, id: JobId, asked: Asked) -> Result<(), Refused> {
        let _turn = self.taking.lock().await;
        let requester = asked.requester.clone();
        {
            let waiting = &self.lock().waiting;
            if waiting.len() >= WAITING_MAX {
                return Err(Refused::Busy(format!("{WAITING_MAX} jobs wait already")));
            }
            let own = waiting.iter().filter(|(_, of)| *of == requester).count();
            if own >= WAITING_PER_CLIENT_MAX {
                let why = format!("{WAITING_PER_CLIENT_MAX} jobs of {requester} wait already");
                return Err(Refused::Busy(why));
            }
        }
        self.on_disk(move |store| store.put_job(&id, &asked))
            .await?;
        self.lock().waiting.push_back((id, requester));
        self.wake.notify_one();
        Ok(())
    }

    /// Jobs that wait to be evaluated.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    async fn standing_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.standing.lock().await
    }

    /// Whether a job waits, or is being evaluated.
    fn is_under_way(&self, id: &JobId) -> bool {
        let queue = self.lock();
        queue.evaluating == Some(*id) || queue.waiting.iter().any(|(waits, _)| waits == id)
    }

    /// Room for one more upload.
    ///
    /// # Errors
    /// A sentence, when there is none.
    pub(crate) fn room_for_upload(&self) -> Result<SemaphorePermit<'_>, String> {
        let room = self.uploads.try_acquire();
        room.map_err(|_| format!("{UPLOADS_AT_ONCE} uploads are under way: try again in a moment"))
    }

    /// How far a job is, besides what the ledger says.
    fn state(&self, id: &JobId, progress: &Progress) -> JobState {
        match progress {
            Progress::Refused(_) => JobState::Refused,
            Progress::Computed(_) => JobState::Evaluated,
            Progress::Waiting if self.lock().evaluating == Some(*id) => JobState::Evaluating,
            Progress::Waiting => JobState::Waiting,
        }
    }

    /// The evaluation under way ends soon, and no other begins.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Half of the machine's threads, at least one: the others serve MQTT and HTTP.
fn threads() -> io::Result<rayon::ThreadPool> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    rayon::ThreadPoolBuilder::new()
        .num_threads((all / 2).max(1))
        .thread_name(|number| format!("compute-{number}"))
        .build()
        .map_err(io::Error::other)
}

/// Whether this job may be done for this requester, now: its form, its key, its rights. Gives the key.
///
/// # Errors
/// [`Refused`] with what is missing.
pub fn may(hub: &Hub, requester: &ClientId, job: &ComputeJob) -> Result<ComputeKey, Refused> {
    if job.version != COMPUTE_VERSION || job.inputs.is_empty() || job.inputs.len() > INPUTS_MAX {
        let why = format!("a job of version {COMPUTE_VERSION} has 1 to {INPUTS_MAX} inputs");
        return Err(Refused::Malformed(why));
    }
    let view = hub.ledger().view();
    let key = view.compute_key(&job.key).value;
    let key = key.ok_or_else(|| {
        Refused::Key(format!(
            "compute key {} isn't registered on the ledger: its owner registers it first",
            job.key
        ))
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
        let last_ms = input.to_ms.saturating_sub(1);
        if !Range::of(decision.grant.as_ref()).holds(input.from_ms, last_ms) {
            let why = format!(
                "the grant of {requester} on {} opens another time than {} to {} ms (height {})",
                input.topic, input.from_ms, input.to_ms, decision.height
            );
            return Err(Refused::Right(why));
        }
    }
    sealwire_compute::check(&key.key, job).map_err(|error| Refused::Inputs(error.to_string()))?;
    Ok(key.key)
}

/// Whether this client may have the result of a job, and hear of it.
pub fn may_have(hub: &Hub, client: &ClientId, asked: &Asked) -> bool {
    if asked.requester == *client {
        return true;
    }
    let view = hub.ledger().view();
    let Some(entry) = view.compute_key(&asked.job.key).value else {
        return false;
    };
    let mut holders = entry
        .key
        .sharing
        .iter()
        .flat_map(|sharing| &sharing.holders);
    entry.key.owner == *client || holders.any(|holder| holder.client == *client)
}

/// What is said of a job.
pub fn status(hub: &Hub, id: JobId, kept: Kept) -> JobStatus {
    let mut state = hub.compute().state(&id, &kept.progress);
    let (mut refused, mut evaluation, mut height) = (None, None, None);
    match kept.progress {
        Progress::Waiting => {}
        Progress::Refused(why) => refused = Some(why),
        Progress::Computed(computed) => {
            let its = computed.evaluation.id();
            evaluation = Some(its);
            height = height_of(hub, &computed.evaluation);
            if height.is_some() {
                state = JobState::Recorded;
            }
        }
    }
    JobStatus {
        job: id,
        state,
        requester: kept.asked.requester,
        asked_ms: kept.asked.time_ms,
        request: kept.asked.job,
        refused,
        evaluation,
        height,
        inputs: kept.inputs,
        standing: kept.asked.run_of.map(|run| run.standing),
        unpublished: kept.published.filter(|why| !why.is_empty()),
    }
}

/// Height of the block that holds an evaluation.
pub fn height_of(hub: &Hub, evaluation: &Evaluation) -> Option<u64> {
    let entry = hub.ledger().view().evaluation(&evaluation.id()).value;
    entry.map(|entry| entry.at.height)
}

/// A block holds an evaluation.
pub(crate) fn recorded(hub: &Arc<Hub>, evaluation: &Evaluation, height: u64) {
    hub.metrics().computations_recorded.add(1);
    hub.tell(Story::ComputationRecorded {
        evaluation: evaluation.id(),
        height,
    });
    hub.compute().wake.notify_one();
}
