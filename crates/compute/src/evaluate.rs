//! Evaluation of a job: a pure function of the key, the job and the payloads. Whoever has the same
//! payloads comes to the same bytes.
//!
//! # Results, by function
//! | Function | ElGamal | BFV |
//! |---|---|---|
//! | sum, mean, weighted sum, dot | one ciphertext | one total |
//! | variance, deviation | sum, sum of squares | two totals: sum, sum of squares |
//! | histogram, range | one ciphertext for each bin | one total for each bin |
//! | count | one ciphertext | one total, or one for each 65,536 readings (`bfv-bits-v1`) |
//! | linear | one ciphertext for each row | for each group of rows: their number (4 bytes, big-endian) and a ciphertext |
//!
//! The intercept of a weighted sum is added by the owner.

mod accumulate;

use rayon::prelude::*;
use sealwire_envelope::{
    Blob,
    compute::{
        COMPUTE_VERSION, ComputeJob, ComputeKey, Function, INPUTS_MAX, ParameterSet, SignedReading,
    },
};

use crate::{
    batch::{Batch, Group, Intake, Skipped, SkippedCounts},
    bfv::{self, Ring},
    bound::{self, BoundError, Load},
    plan::{self, Kind},
    scheme::{self, ElGamal, KeyError, Scheme},
};
use accumulate::{Accumulate, Counts, Dots, Rows, Squares, Sums};

/// Version of the evaluator, as an [`sealwire_envelope::compute::Evaluation`] has it: raised when the
/// same payloads would give other bytes.
pub const EVALUATOR: u16 = 1;
/// Longest result, in bytes of ciphertexts.
pub const RESULT_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most bytes of ciphertexts of one input that wait for those of another.
pub const HELD_MAX_BYTES: usize = 256 * 1024 * 1024;
/// Payloads that are taken in at a time.
const CHUNK: usize = 1024;
/// Bytes of payloads that are taken in at a time.
const CHUNK_BYTES: usize = 32 * 1024 * 1024;

/// The result of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluated {
    /// The ciphertexts, see the module's table.
    pub ciphertexts: Vec<Blob>,
    /// How many readings of each input are in it.
    pub readings: Vec<u64>,
    /// What of each input was left out, and why.
    pub skipped: Vec<SkippedCounts>,
}

/// A job that isn't done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Of another version.
    #[error("job of version {0}: this evaluator knows version {COMPUTE_VERSION}")]
    Version(u8),
    /// Another key.
    #[error("the job is under key {job}, not under {key}")]
    Key {
        /// What the job says.
        job: sealwire_envelope::ComputeKeyId,
        /// What was given.
        key: sealwire_envelope::ComputeKeyId,
    },
    /// Too few or too many inputs.
    #[error("{found} inputs: a job has 1 to {INPUTS_MAX}, and as many lists of payloads ({lists})")]
    Inputs {
        /// How many inputs.
        found: usize,
        /// How many lists.
        lists: usize,
    },
    /// A topic twice, or a time range of nothing.
    #[error("input {input}: {detail}")]
    Input {
        /// Which input, from 1.
        input: usize,
        /// What is wrong.
        detail: &'static str,
    },
    /// The evaluation key.
    #[error(transparent)]
    EvaluationKey(#[from] KeyError),
    /// It can't be done with these parameters, or not over so much.
    #[error(transparent)]
    Bound(#[from] BoundError),
    /// Nothing to compute on.
    #[error("no readings under this key that the function takes, in these topics and time ranges")]
    Nothing,
    /// Inputs that don't go together row by row.
    #[error(
        "input {input} has {found} readings where input 1 has {expected}, from reading {row} on: {function} takes inputs with equally many readings in equal batches"
    )]
    Rows {
        /// The function.
        function: &'static str,
        /// Which input, from 1.
        input: usize,
        /// From which reading on, from 1.
        row: u64,
        /// How many the first input has there.
        expected: u64,
        /// How many this one has.
        found: u64,
    },
    /// A large input that has to wait for another.
    #[error(
        "the first input has more than {HELD_MAX_BYTES} bytes of ciphertexts: ask for a shorter time range"
    )]
    Held,
    /// A large result.
    #[error("the result has more than {RESULT_MAX_BYTES} bytes: ask for a shorter time range")]
    Large,
}

/// Checks what can be checked of a job without payloads.
///
/// # Errors
/// When it would be refused whatever the payloads.
pub fn check(key: &ComputeKey, job: &ComputeJob) -> Result<(), Refused> {
    if job.version != COMPUTE_VERSION {
        return Err(Refused::Version(job.version));
    }
    if job.key != key.id() {
        return Err(Refused::Key {
            job: job.key,
            key: key.id(),
        });
    }
    let found = job.inputs.len();
    if !(1..=INPUTS_MAX).contains(&found) {
        return Err(Refused::Inputs {
            found,
            lists: found,
        });
    }
    for (i, input) in job.inputs.iter().enumerate() {
        let refuse = |detail| {
            Err(Refused::Input {
                input: i + 1,
                detail,
            })
        };
        if input.from_ms >= input.to_ms {
            return refuse("the time range ends before it begins");
        }
        if job.inputs[..i]
            .iter()
            .any(|other| other.topic == input.topic)
        {
            return refuse("the topic is there twice: each topic once");
        }
    }
    bound::check(key, &job.function, &vec![Load::single(1); found])?;
    Ok(())
}

/// Evaluates a job over payloads, for each input in the order of the archive: [`evaluate_signed`]
/// over payloads whose signatures the caller has checked, every one.
///
/// # Errors
/// As [`evaluate_signed`].
pub fn evaluate<I, P>(
    key: &ComputeKey,
    evaluation_key: Option<&[u8]>,
    job: &ComputeJob,
    inputs: Vec<I>,
) -> Result<Evaluated, Refused>
where
    I: IntoIterator<Item = P>,
    P: AsRef<[u8]> + Send + Sync,
{
    evaluate_signed(key, evaluation_key, job, inputs, &|_| true)
}

/// Evaluates a job over payloads, for each input in the order of the archive.
///
/// `evaluation_key` are the bytes that [`ComputeKey::evaluation`] names; it may be none where
/// [`scheme::needs_evaluation_key`] says that the function doesn't need it, and isn't looked at then.
/// `authentic` says whether a reading's signature is its sender's: only the caller knows who had which
/// certificate when. It must be a function of the reading, or others come to another result.
///
/// # Errors
/// When the job can't be done: [`check`] says most of it beforehand; the numbers of readings and of
/// ciphertexts are known only here. Payloads that aren't what they should be are no error: they are
/// left out and counted in [`Evaluated::skipped`].
pub fn evaluate_signed<I, P>(
    key: &ComputeKey,
    evaluation_key: Option<&[u8]>,
    job: &ComputeJob,
    inputs: Vec<I>,
    authentic: &(dyn Fn(&SignedReading) -> bool + Sync),
) -> Result<Evaluated, Refused>
where
    I: IntoIterator<Item = P>,
    P: AsRef<[u8]> + Send + Sync,
{
    check(key, job)?;
    if inputs.len() != job.inputs.len() {
        let (found, lists) = (job.inputs.len(), inputs.len());
        return Err(Refused::Inputs { found, lists });
    }
    let evaluation = if scheme::needs_evaluation_key(key, &job.function) {
        scheme::read_evaluation(key, evaluation_key)?
    } else {
        None
    };
    match Ring::of(key.parameters) {
        None => {
            let accumulator = linear_accumulator(ElGamal, key, &job.function);
            run(ElGamal, key, job, inputs, authentic, accumulator)
        }
        Some(ring) => {
            let accumulator = bfv_accumulator(ring, key, &job.function, evaluation);
            run(ring, key, job, inputs, authentic, accumulator)
        }
    }
}

/// Accumulators of what needs additions only.
fn linear_accumulator<S: Scheme + Clone + 'static>(
    scheme: S,
    key: &ComputeKey,
    function: &Function,
) -> Box<dyn Accumulate<S::Ciphertext>> {
    let spec = &key.readings;
    let bins = spec.edges.len() + 1;
    match function {
        Function::Linear(weights) => Box::new(Rows::new(
            scheme,
            weights.clone(),
            parameters_have_slots(key.parameters),
        )),
        Function::WeightedSum(weights) => {
            Box::new(Sums::new(scheme, 1, Some(weights.weights.clone()), 0))
        }
        Function::Variance | Function::Deviation => Box::new(Sums::new(scheme, 2, None, 0)),
        Function::Histogram | Function::Range => Box::new(Sums::new(scheme, bins, None, 0)),
        Function::CountOver(threshold) => {
            // The bins from the edge just above the threshold on, added up.
            let edge = spec
                .edges
                .iter()
                .position(|edge| *edge > threshold.threshold);
            Box::new(Sums::new(
                scheme,
                bins,
                None,
                edge.map_or(bins, |edge| edge + 1),
            ))
        }
        Function::Sum | Function::Mean | Function::Dot => Box::new(Sums::new(scheme, 1, None, 0)),
    }
}

fn parameters_have_slots(set: ParameterSet) -> bool {
    plan::slots(set) > 1
}

fn bfv_accumulator(
    ring: &'static Ring,
    key: &ComputeKey,
    function: &Function,
    evaluation: Option<bfv::Evaluation>,
) -> Box<dyn Accumulate<bfv::Ciphertext>> {
    match (evaluation, function) {
        (Some(evaluation), Function::Variance | Function::Deviation) => {
            Box::new(Squares::new(ring, evaluation))
        }
        (Some(evaluation), Function::Dot) => Box::new(Dots::new(ring, evaluation)),
        (Some(evaluation), Function::CountOver(threshold)) => {
            let above = crate::reading::threshold_above_min(*threshold, &key.readings);
            Box::new(Counts::new(ring, evaluation, above.unwrap_or(0)))
        }
        _ => linear_accumulator(ring, key, function),
    }
}

fn run<S, I, P>(
    scheme: S,
    key: &ComputeKey,
    job: &ComputeJob,
    inputs: Vec<I>,
    authentic: &(dyn Fn(&SignedReading) -> bool + Sync),
    mut accumulator: Box<dyn Accumulate<S::Ciphertext> + '_>,
) -> Result<Evaluated, Refused>
where
    S: Scheme,
    I: IntoIterator<Item = P>,
    P: AsRef<[u8]> + Send + Sync,
{
    let forms = plan::forms(key.parameters, Kind::of(&job.function));
    let mut loads = Vec::new();
    let mut skipped = Vec::new();
    for (index, payloads) in inputs.into_iter().enumerate() {
        let mut intake = Intake::new(key, &job.inputs[index].topic, forms);
        let mut load = Load::default();
        let mut payloads = payloads.into_iter();
        loop {
            let chunk = next_chunk(&mut payloads);
            if chunk.is_empty() {
                break;
            }
            let batches = take_in(&mut intake, &chunk, authentic);
            let wanted = accumulator.items();
            let parsed: Vec<Option<Vec<Group<S::Ciphertext>>>> = batches
                .par_iter()
                .map(|batch| batch.parse(key, wanted, |bytes| scheme.read(bytes)))
                .collect();
            let mut groups = Vec::new();
            for parsed in parsed {
                match parsed {
                    Some(parsed) => groups.extend(parsed),
                    None => intake.skip(Skipped::Ciphertext),
                }
            }
            for group in &groups {
                load.readings += u64::from(group.count);
                load.ciphertexts += 1;
            }
            accumulator.take(index, groups)?;
        }
        accumulator.end_input(index)?;
        loads.push(load);
        skipped.push(intake.finish());
    }
    if loads.iter().all(|load| load.readings == 0) {
        return Err(Refused::Nothing);
    }
    bound::check(key, &job.function, &loads)?;
    let ciphertexts: Vec<Blob> = accumulator.finish().into_iter().map(Blob).collect();
    Ok(Evaluated {
        ciphertexts,
        readings: loads.iter().map(|load| load.readings).collect(),
        skipped,
    })
}

fn next_chunk<P: AsRef<[u8]>>(payloads: &mut impl Iterator<Item = P>) -> Vec<P> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while chunk.len() < CHUNK && bytes < CHUNK_BYTES {
        let Some(payload) = payloads.next() else {
            break;
        };
        bytes += payload.as_ref().len();
        chunk.push(payload);
    }
    chunk
}

fn take_in<P: AsRef<[u8]> + Sync>(
    intake: &mut Intake<'_>,
    chunk: &[P],
    authentic: &(dyn Fn(&SignedReading) -> bool + Sync),
) -> Vec<Batch> {
    let reader = &*intake;
    let bodies: Vec<_> = chunk
        .par_iter()
        .map(|payload| reader.read(payload.as_ref(), authentic))
        .collect();
    let mut batches = Vec::new();
    for body in bodies {
        match body {
            Ok(body) => batches.extend(intake.take(body)),
            Err(reason) => intake.skip(reason),
        }
    }
    batches
}
