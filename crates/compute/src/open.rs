//! Opening: from a result's ciphertexts to an answer, at the owner's.
//!
//! The owner knows the evaluation (from the ledger) and has the ciphertexts (from anywhere: their
//! digest is in the evaluation). What comes out is held against what is possible for so many readings
//! within the declared bounds: a device that encrypts numbers out of bounds, or a gateway that
//! computes something else, is often caught here, and always by evaluating again.
//!
//! **Nothing of this may reach the gateway or a device**: no answer, no error, not even that opening
//! failed. See the crate's invariants.

use sealwire_envelope::{
    Blob, ComputeKeyId,
    compute::{ComputeKey, Evaluation, Function, ParameterSet, result_digest},
};
use sealwire_sm::Sm3Digest;

use crate::{
    answer::{self, Answer},
    bfv::{self, Ring},
    bound::{self, BoundError, Load},
    elgamal,
    evaluate::EVALUATOR,
    plan,
    scheme::SecretKey,
};

/// A result that doesn't open. **Never tell the gateway or a device.**
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Under another key.
    #[error(
        "the evaluation is under key {evaluation}, not under {key}: take the key that its job names"
    )]
    Key {
        /// What the evaluation says.
        evaluation: ComputeKeyId,
        /// What was given.
        key: ComputeKeyId,
    },
    /// Another secret key.
    #[error(
        "the secret key belongs to the public key {secret}, the compute key names {public}: take the file that was made with it"
    )]
    Secret {
        /// What the secret key opens for.
        secret: Sm3Digest,
        /// What the compute key names.
        public: Sm3Digest,
    },
    /// By another evaluator.
    #[error(
        "the evaluation is by evaluator {0}, this program opens {EVALUATOR}: use a program that knows it"
    )]
    Evaluator(u16),
    /// Other ciphertexts.
    #[error(
        "the ciphertexts have digest {found}, the evaluation names {expected}: fetch the result again"
    )]
    Digest {
        /// What was given.
        found: Sm3Digest,
        /// What the evaluation says.
        expected: Sm3Digest,
    },
    /// The evaluation itself would have been refused.
    #[error("the evaluation isn't one that a gateway does, have it verified: {0}")]
    Bound(#[from] BoundError),
    /// Ciphertexts that can't be the function's result.
    #[error(
        "the result of {function} doesn't have its shape ({detail}): have the evaluation verified"
    )]
    Shape {
        /// The function.
        function: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// No small number inside.
    #[error(
        "ciphertext {index} doesn't open to a number within ±2^40: a device encrypted numbers out of bounds, or the gateway computed something else; have the evaluation verified, and tell it nothing"
    )]
    Unreadable {
        /// Which, from 1.
        index: usize,
    },
    /// A number that can't be.
    #[error(
        "the result opens to {what} that {readings} readings within the declared bounds can't have: a device encrypted numbers out of bounds, or the gateway computed something else; have the evaluation verified, and tell it nothing"
    )]
    Impossible {
        /// Which number.
        what: &'static str,
        /// Of how many readings.
        readings: u64,
    },
}

/// Opens a result with the whole key.
///
/// # Errors
/// When keys, evaluation and ciphertexts don't belong together, or what comes out can't be. None of
/// it may reach whoever evaluated.
pub fn open(
    secret: &SecretKey,
    key: &ComputeKey,
    evaluation: &Evaluation,
    ciphertexts: &[Blob],
) -> Result<Answer, OpenError> {
    check(key, evaluation, ciphertexts)?;
    if secret.public() != key.public {
        let (secret, public) = (secret.public(), key.public);
        return Err(OpenError::Secret { secret, public });
    }
    let numbers = match (secret.elgamal(), secret.bfv(), Ring::of(key.parameters)) {
        (Some(secret), _, None) => {
            let parsed = elgamal_result(key, evaluation, ciphertexts)?;
            let opened = parsed.iter().enumerate().map(|(i, ciphertext)| {
                let number = secret.open(ciphertext);
                number.ok_or(OpenError::Unreadable { index: i + 1 })
            });
            opened.collect::<Result<Vec<i64>, _>>()?
        }
        (_, Some(secret), Some(ring)) => open_bfv(secret, ring, key, evaluation, ciphertexts)?,
        // Keys of two schemes have two public keys.
        _ => {
            let (secret, public) = (secret.public(), key.public);
            return Err(OpenError::Secret { secret, public });
        }
    };
    answer::of(key, evaluation, &numbers)
}

/// Whether key, evaluation and ciphertexts belong together, and the evaluation is one that is done.
pub(crate) fn check(
    key: &ComputeKey,
    evaluation: &Evaluation,
    ciphertexts: &[Blob],
) -> Result<(), OpenError> {
    if evaluation.job.key != key.id() {
        let (evaluation, key) = (evaluation.job.key, key.id());
        return Err(OpenError::Key { evaluation, key });
    }
    if evaluation.evaluator != EVALUATOR {
        return Err(OpenError::Evaluator(evaluation.evaluator));
    }
    let found = result_digest(&ciphertexts.to_vec());
    if found != evaluation.result {
        let expected = evaluation.result;
        return Err(OpenError::Digest { found, expected });
    }
    let slots = plan::slots(key.parameters) as u64;
    // At least so many ciphertexts: how batches were filled only the evaluator knows.
    let load = |readings: u64| Load {
        readings,
        ciphertexts: readings.div_ceil(slots),
    };
    let loads: Vec<Load> = evaluation
        .inputs
        .iter()
        .map(|input| load(input.readings))
        .collect();
    if loads.len() != evaluation.job.inputs.len() {
        let detail = format!("{} of {} inputs", loads.len(), evaluation.job.inputs.len());
        return Err(shape(evaluation, detail));
    }
    bound::check(key, &evaluation.job.function, &loads)?;
    Ok(())
}

fn shape(evaluation: &Evaluation, detail: String) -> OpenError {
    let function = plan::name(&evaluation.job.function);
    OpenError::Shape { function, detail }
}

/// How many readings there are, and how many rows.
pub(crate) fn counts(evaluation: &Evaluation) -> (u64, u64) {
    let readings = evaluation.inputs.iter().map(|input| input.readings);
    let rows = readings.clone().max().unwrap_or(0);
    (readings.fold(0, u64::saturating_add), rows)
}

/// How many ciphertexts a result has in ElGamal; in BFV too, but for linear models and for counts bit
/// by bit.
fn expected(key: &ComputeKey, evaluation: &Evaluation) -> u64 {
    match &evaluation.job.function {
        Function::Variance | Function::Deviation => 2,
        Function::Histogram | Function::Range => key.readings.edges.len() as u64 + 1,
        Function::Linear(_) => counts(evaluation).1,
        _ => 1,
    }
}

/// The ciphertexts of an ElGamal result, checked and parsed.
pub(crate) fn elgamal_result(
    key: &ComputeKey,
    evaluation: &Evaluation,
    ciphertexts: &[Blob],
) -> Result<Vec<elgamal::Ciphertext>, OpenError> {
    let (found, expected) = (ciphertexts.len(), expected(key, evaluation));
    if found as u64 != expected {
        let detail = format!("{found} ciphertexts instead of {expected}");
        return Err(shape(evaluation, detail));
    }
    let parsed = ciphertexts
        .iter()
        .map(|bytes| elgamal::Ciphertext::from_bytes(bytes));
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error| shape(evaluation, error.to_string()))
}

fn open_bfv(
    secret: &bfv::Secret,
    ring: &Ring,
    key: &ComputeKey,
    evaluation: &Evaluation,
    ciphertexts: &[Blob],
) -> Result<Vec<i64>, OpenError> {
    let function = &evaluation.job.function;
    if matches!(function, Function::Linear(_)) {
        return open_rows(secret, ring, evaluation, ciphertexts);
    }
    let by_bits = key.parameters == ParameterSet::BfvBitsV1;
    let (found, expected) = (ciphertexts.len(), expected(key, evaluation));
    if found as u64 != expected && !(by_bits && found > 0) {
        let detail = format!("{found} totals instead of {expected}");
        return Err(shape(evaluation, detail));
    }
    let totals = ciphertexts.iter().map(|bytes| {
        let total = bfv::Total::from_bytes(ring, bytes);
        let total = total.map_err(|error| shape(evaluation, error.to_string()))?;
        Ok(secret.open_total(&total))
    });
    let totals = totals.collect::<Result<Vec<i64>, OpenError>>()?;
    if by_bits {
        // Counts are from 0 to t - 1, what opens is centred around 0.
        let t = ring.numbers.t as i64;
        return Ok(vec![totals.iter().map(|total| total.rem_euclid(t)).sum()]);
    }
    Ok(totals)
}

/// Groups of rows: their number, 4 bytes big-endian, and a ciphertext.
fn open_rows(
    secret: &bfv::Secret,
    ring: &Ring,
    evaluation: &Evaluation,
    ciphertexts: &[Blob],
) -> Result<Vec<i64>, OpenError> {
    let refuse = |detail: &str| shape(evaluation, detail.to_owned());
    let mut rows = Vec::new();
    for bytes in ciphertexts {
        let Some((count, ciphertext)) = bytes.split_first_chunk::<4>() else {
            return Err(refuse("a group of rows without their number"));
        };
        let count = u32::from_be_bytes(*count) as usize;
        if !(1..=ring.numbers.n).contains(&count) {
            return Err(refuse("a group of rows with a number that can't be"));
        }
        let ciphertext = bfv::Ciphertext::from_bytes(ring, ciphertext);
        let ciphertext = ciphertext.map_err(|error| refuse(&error.to_string()))?;
        rows.extend_from_slice(&secret.open(&ciphertext)[..count]);
    }
    if rows.len() as u64 != counts(evaluation).1 {
        return Err(refuse("other rows than the inputs have readings"));
    }
    Ok(rows)
}
