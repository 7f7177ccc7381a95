//! What the compute service keeps on disk: halves of keys that owners uploaded, jobs, standing jobs.
//!
//! ```text
//! <gateway>/compute/keys/<compute key>-public.bin       as its digest on the ledger says
//! <gateway>/compute/keys/<compute key>-evaluation.bin
//! <gateway>/compute/jobs/<job>-asked.bin                CBOR of Asked, with the signed request
//! <gateway>/compute/jobs/<job>-report.bin               CBOR of what became of each input
//! <gateway>/compute/jobs/<job>-computed.bin             CBOR of Computed, once it is evaluated
//! <gateway>/compute/jobs/<job>-refused.bin              why there is no result
//! <gateway>/compute/jobs/<job>-published.bin            empty, or why a run's result wasn't published
//! <gateway>/compute/standing/<standing job>-asked.bin   CBOR of Standing
//! ```
//!
//! Files appear whole or not at all: each is written beside its place, flushed, and moved there. What became of
//! a job stands in which of its files there are, and on the ledger: an evaluation that isn't there yet waits in
//! the archive's outbox, or is put there again at the next start. So there is no state that could contradict.
//!
//! Bounds: [`JOBS_MAX`] jobs and [`RESULTS_MAX_BYTES`] of results, the oldest that are done go first;
//! [`KEY_HALVES_MAX`] halves of keys, then no more are taken; [`STANDING_MAX`] standing jobs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use minicbor::{Decode, Encode};
use sealwire_envelope::{
    Blob, ClientId, ComputeKeyId, JobId, StandingId, TopicName,
    compute::{
        ComputeJob, Computed,
        service::{InputReport, KeyHalf, StandingJob},
    },
    decode, encode,
};
use sealwire_sm::{Sm3Digest, keyfile};

/// Directory of all this below the gateway's.
pub const DIRECTORY: &str = "compute";
/// Jobs that are kept.
pub const JOBS_MAX: usize = 1_000;
/// Results that are kept, in bytes; the newest is kept however large.
pub const RESULTS_MAX_BYTES: u64 = 1 << 30;
/// Uploaded halves of keys that are kept.
pub const KEY_HALVES_MAX: usize = 2_000;
/// Standing jobs.
pub const STANDING_MAX: usize = 100;
/// Longest reason that is kept, in bytes.
const REASON_MAX_BYTES: usize = 1_024;
/// What there may be of a job.
const PARTS: [&str; 5] = ["computed", "report", "refused", "published", "asked"];

/// A job that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Asked {
    /// By whom.
    #[n(0)]
    pub requester: ClientId,
    /// What.
    #[n(1)]
    pub job: ComputeJob,
    /// When, milliseconds since 1970.
    #[n(2)]
    pub time_ms: u64,
    /// The signed request, so that its requester can't deny it; of a standing job's run, the one that set it
    /// up.
    #[n(3)]
    pub request: Request,
    /// Of which standing job it is a run, and where its result is published.
    #[n(4)]
    pub run_of: Option<RunOf>,
}

/// A signed request as it came.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// Its digest: what the evaluation names.
    #[n(0)]
    pub digest: Sm3Digest,
    /// The signed request.
    #[n(1)]
    pub signed: Blob,
    /// Its content.
    #[n(2)]
    pub content: Blob,
}

/// What a run of a standing job belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RunOf {
    /// To which.
    #[n(0)]
    pub standing: StandingId,
    /// Where its result is published.
    #[n(1)]
    pub publish: TopicName,
}

/// A job that is done again and again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Standing {
    /// By whom.
    #[n(0)]
    pub requester: ClientId,
    /// What.
    #[n(1)]
    pub job: StandingJob,
    /// The signed request that set it up.
    #[n(2)]
    pub request: Request,
    /// When it was set up, milliseconds since 1970.
    #[n(3)]
    pub set_ms: u64,
    /// End of the last run that was asked for or missed, milliseconds since 1970.
    #[n(4)]
    pub last_end_ms: u64,
    /// End of the last run that was asked for, milliseconds since 1970; 0: none yet.
    #[n(5)]
    pub asked_end_ms: u64,
    /// Runs that were missed.
    #[n(6)]
    pub missed: u64,
}

/// How far a job is, as the files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits, or is being evaluated.
    Waiting,
    /// It is evaluated.
    Computed(Box<Computed>),
    /// There is no result.
    Refused(String),
}

/// A job with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What was asked.
    pub asked: Asked,
    /// How far it is.
    pub progress: Progress,
    /// What became of its inputs.
    pub inputs: Vec<InputReport>,
    /// Set once its result was published, or not, with the reason.
    pub published: Option<String>,
}

/// The files. Every method touches the disk: call it where that may take a moment.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens or makes the directories below a gateway's home.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(home: &Path) -> io::Result<Self> {
        let root = home.join(DIRECTORY);
        for part in ["keys", "jobs", "standing"] {
            fs::create_dir_all(root.join(part))?;
        }
        Ok(Self { root })
    }

    fn key_path(&self, key: &ComputeKeyId, half: KeyHalf) -> PathBuf {
        let name = format!("{key}-{}.bin", half.name());
        self.root.join("keys").join(name)
    }

    fn job_path(&self, job: &JobId, what: &str) -> PathBuf {
        self.root.join("jobs").join(format!("{job}-{what}.bin"))
    }

    fn standing_path(&self, id: &StandingId) -> PathBuf {
        self.root.join("standing").join(format!("{id}-asked.bin"))
    }

    // ---- keys --------------------------------------------------------------------------------

    /// Keeps a half of a key; its caller has compared the digest.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there are [`KEY_HALVES_MAX`], else what the file system says.
    pub fn put_key(&self, key: &ComputeKeyId, half: KeyHalf, bytes: &[u8]) -> io::Result<()> {
        let path = self.key_path(key, half);
        if !path.exists() && names(&self.root.join("keys"), ".bin")?.len() >= KEY_HALVES_MAX {
            let why = format!("{KEY_HALVES_MAX} halves of compute keys are kept here already");
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        keyfile::write_private(&path, bytes)
    }

    /// A half of a key, if it was uploaded.
    ///
    /// # Errors
    /// What the file system says.
    pub fn key(&self, key: &ComputeKeyId, half: KeyHalf) -> io::Result<Option<Vec<u8>>> {
        read(&self.key_path(key, half))
    }

    // ---- jobs --------------------------------------------------------------------------------

    /// Keeps a job, and forgets the oldest that are done beyond the bounds.
    ///
    /// # Errors
    /// What the file system says.
    pub fn put_job(&self, id: &JobId, asked: &Asked) -> io::Result<()> {
        keyfile::write_private(&self.job_path(id, "asked"), &encode(asked))?;
        self.make_room()
    }

    fn make_room(&self) -> io::Result<()> {
        let mut jobs = self.jobs()?;
        jobs.sort_by_key(|(_, asked)| asked.time_ms);
        let mut bytes = 0;
        let newest_first = jobs.iter().rev().enumerate();
        for (place, (id, _)) in newest_first {
            bytes += fs::metadata(self.job_path(id, "computed")).map_or(0, |found| found.len());
            let is_over = place >= JOBS_MAX || (place > 0 && bytes > RESULTS_MAX_BYTES);
            if is_over && self.is_done(id) {
                for what in PARTS {
                    forget(&self.job_path(id, what))?;
                }
            }
        }
        Ok(())
    }

    fn is_done(&self, id: &JobId) -> bool {
        ["computed", "refused"]
            .iter()
            .any(|what| self.job_path(id, what).exists())
    }

    /// A job, if it is kept.
    ///
    /// # Errors
    /// What the file system says; a file that can't be read counts as damaged.
    pub fn job(&self, id: &JobId) -> io::Result<Option<Kept>> {
        let Some(asked) = read(&self.job_path(id, "asked"))? else {
            return Ok(None);
        };
        let progress = if let Some(computed) = read(&self.job_path(id, "computed"))? {
            Progress::Computed(Box::new(decode(&computed).map_err(damaged)?))
        } else if let Some(why) = read(&self.job_path(id, "refused"))? {
            Progress::Refused(String::from_utf8_lossy(&why).into_owned())
        } else {
            Progress::Waiting
        };
        let inputs = match read(&self.job_path(id, "report"))? {
            Some(report) => decode(&report).map_err(damaged)?,
            None => Vec::new(),
        };
        let published = read(&self.job_path(id, "published"))?;
        Ok(Some(Kept {
            asked: decode(&asked).map_err(damaged)?,
            progress,
            inputs,
            published: published.map(|why| String::from_utf8_lossy(&why).into_owned()),
        }))
    }

    /// All jobs, in no order; damaged ones are left out.
    ///
    /// # Errors
    /// What the file system says.
    pub fn jobs(&self) -> io::Result<Vec<(JobId, Asked)>> {
        Ok(self.all(&self.root.join("jobs"))?.collect())
    }

    /// Whether a job was ever asked for here, and is kept.
    pub fn has_job(&self, id: &JobId) -> bool {
        self.job_path(id, "asked").exists()
    }

    /// Keeps a result; what became of the inputs first.
    ///
    /// # Errors
    /// What the file system says.
    pub fn put_computed(
        &self,
        id: &JobId,
        inputs: &Vec<InputReport>,
        computed: &Computed,
    ) -> io::Result<()> {
        keyfile::write_private(&self.job_path(id, "report"), &encode(inputs))?;
        keyfile::write_private(&self.job_path(id, "computed"), &encode(computed))
    }

    /// Keeps why there is no result; a result that there was is forgotten.
    ///
    /// # Errors
    /// What the file system says.
    pub fn put_refused(&self, id: &JobId, why: &str) -> io::Result<()> {
        keyfile::write_private(&self.job_path(id, "refused"), cut(why))?;
        forget(&self.job_path(id, "computed"))
    }

    /// Keeps that a run's result was published, or why not.
    ///
    /// # Errors
    /// What the file system says.
    pub fn put_published(&self, id: &JobId, unpublished: &str) -> io::Result<()> {
        keyfile::write_private(&self.job_path(id, "published"), cut(unpublished))
    }

    // ---- standing jobs -----------------------------------------------------------------------

    /// Keeps a standing job.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there are [`STANDING_MAX`], else what the file system says.
    pub fn put_standing(&self, id: &StandingId, standing: &Standing) -> io::Result<()> {
        let path = self.standing_path(id);
        let kept = names(&self.root.join("standing"), "-asked.bin")?.len();
        if !path.exists() && kept >= STANDING_MAX {
            let why = format!("{STANDING_MAX} standing jobs are kept here already: end one");
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        keyfile::write_private(&path, &encode(standing))
    }

    /// All standing jobs, in no order; damaged ones are left out.
    ///
    /// # Errors
    /// What the file system says.
    pub fn standing(&self) -> io::Result<Vec<(StandingId, Standing)>> {
        Ok(self.all(&self.root.join("standing"))?.collect())
    }

    /// Ends a standing job.
    ///
    /// # Errors
    /// What the file system says.
    pub fn end_standing(&self, id: &StandingId) -> io::Result<()> {
        forget(&self.standing_path(id))
    }

    fn all<I, T>(&self, directory: &Path) -> io::Result<impl Iterator<Item = (I, T)>>
    where
        I: std::str::FromStr,
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let mut found = Vec::new();
        for name in names(directory, "-asked.bin")? {
            let path = directory.join(format!("{name}-asked.bin"));
            let (Ok(id), Some(bytes)) = (name.parse(), read(&path)?) else {
                continue;
            };
            match decode(&bytes) {
                Ok(value) => found.push((id, value)),
                Err(error) => tracing::error!(%error, path = %path.display(), "damaged, left out"),
            }
        }
        Ok(found.into_iter())
    }
}

/// The names of the files with this ending, without it.
fn names(directory: &Path, ending: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(ending)) {
            names.push(stem.to_owned());
        }
    }
    Ok(names)
}

/// At most [`REASON_MAX_BYTES`] of a reason, whole characters.
fn cut(why: &str) -> &[u8] {
    let mut end = why.len().min(REASON_MAX_BYTES);
    while !why.is_char_boundary(end) {
        end -= 1;
    }
    &why.as_bytes()[..end]
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn damaged(error: sealwire_envelope::DecodeError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
