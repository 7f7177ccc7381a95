//! What the compute service keeps on disk: keys that owners uploaded, and jobs.
//!
//! ```text
//! <gateway>/compute/keys/<compute key>-public.bin       as its digest on the ledger says
//! <gateway>/compute/keys/<compute key>-evaluation.bin
//! <gateway>/compute/jobs/<job>-asked.bin                CBOR of Asked; the job is the request's digest
//! <gateway>/compute/jobs/<job>-computed.bin             CBOR of Computed, once it is evaluated
//! <gateway>/compute/jobs/<job>-refused.bin              why there is no result
//! <gateway>/compute/standing/<job>-asked.bin            CBOR of Standing
//! ```
//!
//! Files appear whole or not at all: each is written beside its place, flushed, and moved there. What became of
//! a job stands in which of its files there are, and on the ledger: an evaluation that isn't there yet waits in
//! the archive's outbox, or is put there again at the next start. So there is no state that could contradict.
//!
//! Bounds: [`JOBS_MAX`] jobs, the oldest go first; [`KEYS_MAX`] keys, then no more are taken;
//! [`STANDING_MAX`] standing jobs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use minicbor::{Decode, Encode};
use sealwire_envelope::{
    ClientId, ComputeKeyId, TopicName,
    compute::{Computed, ComputeJob},
    decode, encode,
};
use sealwire_sm::{Sm3Digest, keyfile};

/// Jobs that are kept.
pub const JOBS_MAX: usize = 1_000;
/// Uploaded keys that are kept.
pub const KEYS_MAX: usize = 1_000;
/// Standing jobs.
pub const STANDING_MAX: usize = 100;
/// Longest reason that is kept, in bytes.
const REASON_MAX_BYTES: usize = 1_024;

/// A job by the digest of the signed request that asked for it.
pub type JobId = Sm3Digest;

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
    /// The digest of the signed request: of a standing job's run, of the request that set it up.
    #[n(3)]
    pub request: Sm3Digest,
    /// Where the result is published, for a standing job's run.
    #[n(4)]
    pub publish: Option<TopicName>,
}

/// A job that is done again and again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Standing {
    /// By whom.
    #[n(0)]
    pub requester: ClientId,
    /// What; the inputs' time ranges are set anew for each run.
    #[n(1)]
    pub job: ComputeJob,
    /// Seconds between two runs.
    #[n(2)]
    pub every_s: u64,
    /// Where each result is published.
    #[n(3)]
    pub publish: TopicName,
    /// The digest of the signed request that set it up.
    #[n(4)]
    pub request: Sm3Digest,
    /// Up to when runs were made, milliseconds since 1970.
    #[n(5)]
    pub done_ms: u64,
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

/// Which of a key's two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What readings are encrypted to.
    Public,
    /// What multiplications need.
    Evaluation,
}

impl Part {
    /// Its name in paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Evaluation => "evaluation",
        }
    }
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
        let root = home.join("compute");
        for part in ["keys", "jobs", "standing"] {
            fs::create_dir_all(root.join(part))?;
        }
        Ok(Self { root })
    }

    fn key_path(&self, key: &ComputeKeyId, part: Part) -> PathBuf {
        let name = format!("{key}-{}.bin", part.name());
        self.root.join("keys").join(name)
    }

    fn job_path(&self, job: &JobId, what: &str) -> PathBuf {
        self.root.join("jobs").join(format!("{job}-{what}.bin"))
    }

    fn standing_path(&self, job: &JobId) -> PathBuf {
        self.root.join("standing").join(format!("{job}-asked.bin"))
    }

    /// Keeps a part of a key; its caller has compared the digest.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there are [`KEYS_MAX`], else what the file system says.
    pub fn put_key(&self, key: &ComputeKeyId, part: Part, bytes: &[u8]) -> io::Result<()> {
        let path = self.key_path(key, part);
        if !path.exists() && names(&self.root.join("keys"), ".bin")?.len() >= 2 * KEYS_MAX {
            let why = format!("{KEYS_MAX} compute keys are kept here already");
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        keyfile::write_private(&path, bytes)
    }

    /// A part of a key, if it was uploaded.
    ///
    /// # Errors
    /// What the file system says.
    pub fn key(&self, key: &ComputeKeyId, part: Part) -> io::Result<Option<Vec<u8>>> {
        read(&self.key_path(key, part))
    }

    /// Keeps a job, and forgets the oldest beyond [`JOBS_MAX`].
    ///
    /// # Errors
    /// What the file system says.
    pub fn put_job(&self, id: &JobId, asked: &Asked) -> io::Result<()> {
        keyfile::write_private(&self.job_path(id, "asked"), &encode(asked))?;
        let mut jobs = self.jobs()?;
        if jobs.len() > JOBS_MAX {
            jobs.sort_by_key(|(_, asked)| asked.time_ms);
            for (id, _) in &jobs[..jobs.len() - JOBS_MAX] {
                for what in ["computed", "refused", "asked"] {
                    forget(&self.job_path(id, what))?;
                }
            }
        }
        Ok(())
    }

    /// A job, if it is kept.
    ///
    /// # Errors
    /// What the file system says; a file that can't be read counts as damaged.
    pub fn job(&self, id: &JobId) -> io::Result<Option<(Asked, Progress)>> {
        let Some(asked) = read(&self.job_path(id, "asked"))? else {
            return Ok(None);
        };
        let asked = decode(&asked).map_err(damaged)?;
        let progress = if let Some(computed) = read(&self.job_path(id, "computed"))? {
            Progress::Computed(Box::new(decode(&computed).map_err(damaged)?))
        } else if let Some(why) = read(&self.job_path(id, "refused"))? {
            Progress::Refused(String::from_utf8_lossy(&why).into_owned())
        } else {
            Progress::Waiting
        };
        Ok(Some((asked, progress)))
    }

    /// All jobs, in no order; damaged ones are left out.
    ///
    /// # Errors
    /// What the file system says.
    pub fn jobs(&self) -> io::Result<Vec<(JobId, Asked)>> {
        self.all(&self.root.join("jobs"))
    }

    /// Keeps a result.
    ///
    /// # Errors
    /// What the file system says.
    pub fn put_computed(&self, id: &JobId, computed: &Computed) -> io::Result<()> {
        keyfile::write_private(&self.job_path(id, "computed"), &encode(computed))
    }

    /// Keeps why there is no result; a result that there was is forgotten.
    ///
    /// # Errors
    /// What the file system says.
    pub fn put_refused(&self, id: &JobId, why: &str) -> io::Result<()> {
        let mut end = why.len().min(REASON_MAX_BYTES);
        while !why.is_char_boundary(end) {
            end -= 1;
        }
        keyfile::write_private(&self.job_path(id, "refused"), &why.as_bytes()[..end])?;
        forget(&self.job_path(id, "computed"))
    }

    /// Keeps a standing job.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there are [`STANDING_MAX`], else what the file system says.
    pub fn put_standing(&self, id: &JobId, standing: &Standing) -> io::Result<()> {
        let path = self.standing_path(id);
        if !path.exists() && names(&self.root.join("standing"), "-asked.bin")?.len() >= STANDING_MAX {
            let why = format!("{STANDING_MAX} standing jobs are kept here already: end one");
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        keyfile::write_private(&path, &encode(standing))
    }

    /// All standing jobs, in no order.
    ///
    /// # Errors
    /// What the file system says.
    pub fn standing(&self) -> io::Result<Vec<(JobId, Standing)>> {
        self.all(&self.root.join("standing"))
    }

    /// Ends a standing job.
    ///
    /// # Errors
    /// What the file system says.
    pub fn end_standing(&self, id: &JobId) -> io::Result<()> {
        forget(&self.standing_path(id))
    }

    fn all<T>(&self, directory: &Path) -> io::Result<Vec<(JobId, T)>>
    where
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
        Ok(found)
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
