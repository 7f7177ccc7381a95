//! Have a gateway compute on encrypted readings, and check what it did.
//!
//! ```text
//! owner      generate (sealwire_compute) ─► Owner::register_compute_key ─► Compute::upload
//! device     Compute::public_key ─► sealwire_compute::Encryptor ─► Session::publish_open
//! requester  Compute::ask ─► Compute::wait ─► Compute::result, checked against the ledger
//! owner      sealwire_compute::open(result): locally, and nothing goes back
//! anyone     verify_again: the packages, evaluated once more, give the same bytes or a lie
//!            receipt: the result with the ledger's proofs, for whoever has the genesis file
//! ```
//!
//! | Call | Who |
//! |---|---|
//! | [`Compute::upload`] | the key's owner |
//! | [`Compute::key_half`], [`Compute::public_key`] | any client |
//! | [`Compute::ask`], [`Compute::put_standing`] | who has the right `compute` on every input |
//! | [`Compute::job`], [`Compute::result`] | the requester, the key's owner, holders of its shares |
//! | [`verify_again`] | who may read every input's packages |
//! | [`receipt`] | who has the result |
//!
//! # Invariants
//! - A key's half is handed on only with the digest that the ledger has.
//! - A result is handed on only when the ledger holds exactly its evaluation, and the ciphertexts have the
//!   digest in it. That the *gateway computed right*, only [`verify_again`] shows.
//! - Nothing here sends a plaintext, or says whether something opened.

mod receipt;
mod verify;

use std::time::Duration;

use reqwest::Method;
use sealwire_compute::KeyError;
use sealwire_contracts::entry::{ComputeKeyEntry, EvaluationEntry};
use sealwire_envelope::{
    ComputeKeyId, DecodeError, EvaluationId, JobId, StandingId,
    compute::{
        COMPUTED_MAX_BYTES, ComputeJob, ComputeKey, Computed, result_digest,
        service::{JobState, JobStatus, KeyHalf, StandingJob, StandingStatus},
    },
    decode_bounded, encode,
};
use sealwire_sm::Sm3Digest;
use serde::Deserialize;

use crate::{
    archive::{Archive, FetchError},
    identity::Identity,
    ledger::{Ledger, LedgerError},
};

pub use receipt::{ResultReceiptError, receipt};
pub use sealwire_envelope::compute::service;
pub use verify::{Again, Sources, VerifyAgainError, verify_again};

/// First pause between two questions how far a job is; it doubles.
const POLL_FIRST: Duration = Duration::from_millis(50);
/// Longest pause between two questions.
const POLL_LONGEST: Duration = Duration::from_secs(2);

/// The gateway's compute service didn't do it, or what it gave isn't right.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// The gateway refused, can't be reached, or answered what can't be read.
    #[error(transparent)]
    Gateway(#[from] FetchError),
    /// The ledger couldn't be asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger has no such key.
    #[error("compute key {key} isn't registered on the ledger: its owner registers it first")]
    UnknownKey {
        /// Which.
        key: ComputeKeyId,
    },
    /// A key's half that isn't the one that the ledger names.
    #[error("the {} half of compute key {key} isn't the ledger's: {source}", half.name())]
    Half {
        /// Of which key.
        key: ComputeKeyId,
        /// Which.
        half: KeyHalf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// The job has no result, and won't have one.
    #[error("job {job} was refused: {reason}")]
    JobRefused {
        /// Which.
        job: JobId,
        /// Why, in the gateway's words.
        reason: String,
    },
    /// The job isn't done in time.
    #[error("job {job} is still {state:?} after {} s: ask again later", waited.as_secs())]
    NotYet {
        /// Which.
        job: JobId,
        /// How far it is.
        state: JobState,
        /// How long we waited.
        waited: Duration,
    },
    /// The answer can't be read.
    #[error("the gateway's answer can't be read: {0}")]
    Decode(#[from] DecodeError),
    /// The answer can't be read.
    #[error("the gateway's answer can't be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The ledger has no such evaluation.
    #[error("the ledger holds no evaluation {evaluation}: the gateway mustn't have handed it out")]
    Unrecorded {
        /// Which.
        evaluation: EvaluationId,
    },
    /// Other ciphertexts than the ledger's evaluation names.
    #[error(
        "the result's ciphertexts have digest {found}, the ledger's evaluation names {expected}: the gateway changed it"
    )]
    Changed {
        /// Of what came.
        found: Sm3Digest,
        /// What the ledger holds.
        expected: Sm3Digest,
    },
    /// The result of another job.
    #[error("the gateway gave evaluation {found}, the job's is {expected}")]
    Other {
        /// What came.
        found: EvaluationId,
        /// What was asked for.
        expected: EvaluationId,
    },
}

/// A gateway's compute service, as one client sees it.
#[derive(Clone, Debug)]
pub struct Compute {
    gateway: Archive,
}

#[derive(Deserialize)]
struct Asked {
    job: JobId,
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<JobStatus>,
}

#[derive(Deserialize)]
struct Set {
    standing: StandingId,
}

#[derive(Deserialize)]
struct AllStanding {
    standing: Vec<StandingStatus>,
}

impl Compute {
    /// The service of the gateway at `http://host:port` or `https://host:port`, asked by `identity`.
    ///
    /// # Errors
    /// [`FetchError::Address`].
    pub fn new(address: &str, identity: Identity) -> Result<Self, FetchError> {
        Ok(Self::of(Archive::new(address, identity)?))
    }

    /// The service of the gateway whose archive this is.
    pub fn of(archive: Archive) -> Self {
        Self { gateway: archive }
    }

    /// The gateway's archive.
    pub fn archive(&self) -> &Archive {
        &self.gateway
    }

    // ---- keys --------------------------------------------------------------------------------

    /// Uploads a half of the caller's own key; the ledger knows its digest already. The gateway takes it
    /// only if it is the half that the ledger names.
    ///
    /// # Errors
    /// [`ComputeError::Gateway`] with the gateway's sentence.
    pub async fn upload(
        &self,
        key: &ComputeKeyId,
        half: KeyHalf,
        bytes: &[u8],
    ) -> Result<(), ComputeError> {
        let target = format!("/v1/compute/keys/{key}/{}", half.name());
        let sent = self.gateway.send(Method::PUT, &target, bytes.to_vec());
        Ok(sent.await.map(drop)?)
    }

    /// A half of a key as its owner uploaded it, checked against the ledger's digest and in its format.
    ///
    /// # Errors
    /// [`ComputeError`]; `Half` when the gateway gave something else.
    pub async fn key_half(&self, key: &ComputeKey, half: KeyHalf) -> Result<Vec<u8>, ComputeError> {
        let id = key.id();
        let target = format!("/v1/compute/keys/{id}/{}", half.name());
        let bytes = self.gateway.send(Method::GET, &target, Vec::new()).await?;
        check_half(key, half, &bytes)?;
        Ok(bytes)
    }

    /// What readings are encrypted to: from the ledger where it is short, else from the gateway.
    ///
    /// # Errors
    /// [`ComputeError`].
    pub async fn public_key(
        &self,
        ledger: &Ledger,
        id: &ComputeKeyId,
    ) -> Result<(ComputeKey, Vec<u8>), ComputeError> {
        let entry = key_of(ledger, id).await?;
        let bytes = match entry.public_key {
            Some(inline) => {
                check_half(&entry.key, KeyHalf::Public, &inline)?;
                inline.0
            }
            None => self.key_half(&entry.key, KeyHalf::Public).await?,
        };
        Ok((entry.key, bytes))
    }

    // ---- jobs --------------------------------------------------------------------------------

    /// Asks for a computation. Once it is `Ok`, the gateway has it on disk.
    ///
    /// # Errors
    /// [`ComputeError::Gateway`]: what can't be done is refused now, with the numbers.
    pub async fn ask(&self, job: &ComputeJob) -> Result<JobId, ComputeError> {
        let sent = self
            .gateway
            .send(Method::POST, "/v1/compute/jobs", encode(job));
        let asked: Asked = serde_json::from_slice(&sent.await?)?;
        Ok(asked.job)
    }

    /// The caller's jobs that the gateway keeps, the newest first.
    ///
    /// # Errors
    /// [`ComputeError`].
    pub async fn jobs(&self) -> Result<Vec<JobStatus>, ComputeError> {
        let sent = self
            .gateway
            .send(Method::GET, "/v1/compute/jobs", Vec::new());
        let jobs: Jobs = serde_json::from_slice(&sent.await?)?;
        Ok(jobs.jobs)
    }

    /// How far a job is.
    ///
    /// # Errors
    /// [`ComputeError`].
    pub async fn job(&self, job: &JobId) -> Result<JobStatus, ComputeError> {
        let target = format!("/v1/compute/jobs/{job}");
        let sent = self.gateway.send(Method::GET, &target, Vec::new());
        Ok(serde_json::from_slice(&sent.await?)?)
    }

    /// Waits until the ledger holds a job's evaluation, at most `within`.
    ///
    /// # Errors
    /// [`ComputeError::JobRefused`] when there won't be a result, [`ComputeError::NotYet`] when time is up.
    pub async fn wait(&self, job: &JobId, within: Duration) -> Result<JobStatus, ComputeError> {
        let start = tokio::time::Instant::now();
        let mut pause = POLL_FIRST;
        loop {
            let status = self.job(job).await?;
            match status.state {
                JobState::Recorded => return Ok(status),
                JobState::Refused => {
                    let reason = status.refused.unwrap_or_default();
                    return Err(ComputeError::JobRefused { job: *job, reason });
                }
                JobState::Waiting | JobState::Evaluating | JobState::Evaluated => {}
            }
            let waited = start.elapsed();
            if waited + pause > within {
                let state = status.state;
                return Err(ComputeError::NotYet {
                    job: *job,
                    state,
                    waited,
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(POLL_LONGEST);
        }
    }

    /// The encrypted result of a job, as the ledger has it: its evaluation is the one on the ledger, and the
    /// ciphertexts have the digest that it names.
    ///
    /// # Errors
    /// [`ComputeError::Unrecorded`], [`ComputeError::Changed`] or [`ComputeError::Other`] when the gateway
    /// gave something else.
    pub async fn result(&self, ledger: &Ledger, job: &JobId) -> Result<Computed, ComputeError> {
        let status = self.job(job).await?;
        let target = format!("/v1/compute/jobs/{job}/result");
        let bytes = self.gateway.send(Method::GET, &target, Vec::new()).await?;
        let computed: Computed = decode_bounded(&bytes, COMPUTED_MAX_BYTES)?;
        let found = computed.evaluation.id();
        if let Some(expected) = status.evaluation.filter(|expected| *expected != found) {
            return Err(ComputeError::Other { found, expected });
        }
        check(ledger, &computed).await?;
        Ok(computed)
    }

    // ---- standing jobs -----------------------------------------------------------------------

    /// Sets a standing job up: on the gateway's disk once it is `Ok`. Setting it up takes the right `compute`
    /// on every topic and the right `publish` on the result's.
    ///
    /// # Errors
    /// [`ComputeError::Gateway`] with the gateway's sentence.
    pub async fn put_standing(&self, job: &StandingJob) -> Result<StandingId, ComputeError> {
        let sent = self
            .gateway
            .send(Method::POST, "/v1/compute/standing", encode(job));
        let set: Set = serde_json::from_slice(&sent.await?)?;
        Ok(set.standing)
    }

    /// The caller's standing jobs.
    ///
    /// # Errors
    /// [`ComputeError`].
    pub async fn standing(&self) -> Result<Vec<StandingStatus>, ComputeError> {
        let sent = self
            .gateway
            .send(Method::GET, "/v1/compute/standing", Vec::new());
        let all: AllStanding = serde_json::from_slice(&sent.await?)?;
        Ok(all.standing)
    }

    /// Ends a standing job; results that there are stay.
    ///
    /// # Errors
    /// [`ComputeError`].
    pub async fn delete_standing(&self, standing: &StandingId) -> Result<(), ComputeError> {
        let target = format!("/v1/compute/standing/{standing}");
        let sent = self.gateway.send(Method::DELETE, &target, Vec::new());
        Ok(sent.await.map(drop)?)
    }
}

/// Checks a result, wherever it came from, against the ledger: it holds exactly this evaluation, and the
/// ciphertexts are the ones that it names. Gives the ledger's entry.
///
/// # Errors
/// [`ComputeError::Unrecorded`] or [`ComputeError::Changed`] when it isn't the ledger's.
pub async fn check(ledger: &Ledger, computed: &Computed) -> Result<EvaluationEntry, ComputeError> {
    let evaluation = computed.evaluation.id();
    let entry = ledger.evaluation(&evaluation).await?;
    let entry = entry.ok_or(ComputeError::Unrecorded { evaluation })?;
    let (found, expected) = (
        result_digest(&computed.ciphertexts),
        entry.evaluation.result,
    );
    if found != expected {
        return Err(ComputeError::Changed { found, expected });
    }
    Ok(entry)
}

/// The ledger's entry of a key.
async fn key_of(ledger: &Ledger, id: &ComputeKeyId) -> Result<ComputeKeyEntry, ComputeError> {
    let entry = ledger.compute_key(id).await?;
    entry.ok_or(ComputeError::UnknownKey { key: *id })
}

fn check_half(key: &ComputeKey, half: KeyHalf, bytes: &[u8]) -> Result<(), ComputeError> {
    let checked = match half {
        KeyHalf::Public => sealwire_compute::check_public(key, bytes),
        KeyHalf::Evaluation => sealwire_compute::check_evaluation(key, Some(bytes)),
    };
    checked.map_err(|source| ComputeError::Half {
        key: key.id(),
        half,
        source,
    })
}
