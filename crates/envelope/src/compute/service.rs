//! What a gateway's compute service is asked over HTTP, and what it answers.
//!
//! A [`ComputeJob`] or [`StandingJob`] travels as CBOR in a signed request; what became of it comes back as
//! JSON ([`JobStatus`], [`StandingStatus`]), the result as CBOR ([`Computed`](super::Computed)).

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use sealwire_sm::sm3;
use serde::{Deserialize, Serialize};

use super::{COMPUTE_VERSION, ComputeJob, Function, JobInput};
use crate::{
    id::{ClientId, ComputeKeyId, EvaluationId, JobId, StandingId},
    topic::TopicName,
};

/// Longest encoded job or standing job, in bytes.
pub const JOB_MAX_BYTES: usize = 64 * 1024;
/// Longest half of a compute key that is uploaded, in bytes: the largest evaluation key has 1,100,832.
pub const KEY_HALF_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Shortest time between two runs of a standing job, in seconds.
pub const EVERY_MIN_S: u64 = 1;
/// Longest time between two runs of a standing job, and longest time that a run looks back, in seconds.
pub const EVERY_MAX_S: u64 = 366 * 24 * 60 * 60;

/// Which of the halves of a compute key that are too long for the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyHalf {
    /// What readings are encrypted to.
    Public,
    /// What multiplications need.
    Evaluation,
}

impl KeyHalf {
    /// Its name in paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Evaluation => "evaluation",
        }
    }

    /// The half with this name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Public, Self::Evaluation]
            .into_iter()
            .find(|half| half.name() == name)
    }
}

/// A job that is done every so often, over the time before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct StandingJob {
    /// [`COMPUTE_VERSION`].
    #[n(0)]
    pub version: u8,
    /// Under which key the readings are.
    #[n(1)]
    pub key: ComputeKeyId,
    /// What to compute.
    #[n(2)]
    pub function: Function,
    /// Over which topics.
    #[n(3)]
    pub topics: Vec<TopicName>,
    /// Seconds between two runs, [`EVERY_MIN_S`] to [`EVERY_MAX_S`]. Runs end at whole multiples of it since
    /// 1970.
    #[n(4)]
    pub every_s: u64,
    /// How many seconds before its end a run looks back, 1 to [`EVERY_MAX_S`].
    #[n(5)]
    pub over_s: u64,
    /// On which open topic each result is published, as a [`Computed`](super::Computed).
    #[n(6)]
    pub publish: TopicName,
}

impl StandingJob {
    /// The job of the run that ends at `end_ms`, milliseconds since 1970.
    pub fn run(&self, end_ms: u64) -> ComputeJob {
        let from_ms = end_ms.saturating_sub(self.over_s.saturating_mul(1_000));
        let input = |topic: &TopicName| JobInput {
            topic: topic.clone(),
            from_ms,
            to_ms: end_ms,
        };
        ComputeJob {
            version: COMPUTE_VERSION,
            key: self.key,
            function: self.function.clone(),
            inputs: self.topics.iter().map(input).collect(),
        }
    }

    /// When the last run ended that is over at `now_ms`, milliseconds since 1970.
    pub fn last_end_ms(&self, now_ms: u64) -> u64 {
        let every_ms = self.every_s.saturating_mul(1_000).max(1);
        now_ms / every_ms * every_ms
    }

    /// The id of the run that ends at `end_ms`.
    pub fn run_id(standing: &StandingId, end_ms: u64) -> JobId {
        let end = end_ms.to_be_bytes();
        JobId(sm3(&[b"sealwire standing run", standing.as_ref(), &end]))
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Others are before it, or readings that it is over aren't anchored yet.
    Waiting,
    /// It is being evaluated.
    Evaluating,
    /// It is evaluated, and the ledger doesn't hold that yet.
    Evaluated,
    /// The ledger holds its evaluation: the result can be fetched.
    Recorded,
    /// There is no result, and there won't be.
    Refused,
}

impl JobState {
    /// Whether it stays so.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Recorded | Self::Refused)
    }
}

/// What became of one input of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct InputReport {
    /// Packages that it was over.
    #[n(0)]
    pub packages: u64,
    /// Readings in the result.
    #[n(1)]
    pub readings: u64,
    /// Messages and batches that were left out, by reason.
    #[n(2)]
    pub left_out: BTreeMap<String, u64>,
}

/// What a gateway says of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Which.
    pub job: JobId,
    /// How far it is.
    pub state: JobState,
    /// Who asked.
    pub requester: ClientId,
    /// When, milliseconds since 1970.
    pub asked_ms: u64,
    /// What was asked.
    pub request: ComputeJob,
    /// Why there is no result, with the numbers.
    pub refused: Option<String>,
    /// The evaluation's id, once there is one.
    pub evaluation: Option<EvaluationId>,
    /// Height of the block that holds the evaluation.
    pub height: Option<u64>,
    /// Of each input what became of it, once it is evaluated.
    pub inputs: Vec<InputReport>,
    /// Of which standing job it is a run.
    pub standing: Option<StandingId>,
    /// Why a run's result wasn't published.
    pub unpublished: Option<String>,
}

/// What a gateway says of a standing job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingStatus {
    /// Which.
    pub standing: StandingId,
    /// Who set it up.
    pub requester: ClientId,
    /// What it is.
    pub job: StandingJob,
    /// End of the last run that was asked for, milliseconds since 1970; 0: none yet.
    pub last_end_ms: u64,
    /// The last run's job.
    pub last_job: Option<JobId>,
    /// Runs that were missed since it was set up.
    pub missed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_whole_multiples_and_look_back() {
        let standing = StandingJob {
            version: COMPUTE_VERSION,
            key: ComputeKeyId(sm3(&[])),
            function: Function::Sum,
            topics: vec!["acme/press-7/t".parse().expect("a topic")],
            every_s: 60,
            over_s: 90,
            publish: "acme/press-7/sum".parse().expect("a topic"),
        };
        assert_eq!(standing.last_end_ms(119_999), 60_000);
        assert_eq!(standing.last_end_ms(120_000), 120_000);
        let input = &standing.run(120_000).inputs[0];
        assert_eq!((input.from_ms, input.to_ms), (30_000, 120_000));
        assert_eq!(standing.run(60_000).inputs[0].from_ms, 0);
        let id = StandingId(sm3(&[b"request"]));
        let (one, two) = (
            StandingJob::run_id(&id, 60_000),
            StandingJob::run_id(&id, 120_000),
        );
        assert_ne!(one, two);
    }

    #[test]
    fn halves_are_known_by_name() {
        assert_eq!(KeyHalf::of("public"), Some(KeyHalf::Public));
        assert_eq!(KeyHalf::of("evaluation"), Some(KeyHalf::Evaluation));
        assert_eq!(KeyHalf::of("secret"), None);
    }
}
