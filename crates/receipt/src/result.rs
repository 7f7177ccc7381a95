//! Result receipts: a result, the ledger's evaluation of it, and every package that it is over, checked
//! offline.
//!
//! What it shows: that the ledger holds the evaluation (who asked what of which gateway, over which
//! packages, with which result), that these ciphertexts are that result, and that each of the packages was
//! anchored by that gateway in time.
//!
//! What it can't show, because no proof of one entry can: that no package was left out, and that the result
//! is what the function gives. Whoever has the packages evaluates again
//! (`sealwire_client::compute::verify_again`).

use sealwire_envelope::{
    Anchor, ClientId, EvaluationId, Genesis, PackageId, TopicName,
    compute::{Evaluation, InputDigest, JobInput, result_digest},
    decode,
    receipt::{EvaluationRecord, ProvenEntry, RECEIPT_VERSION, ResultReceipt, evaluation_key},
};
use sealwire_sm::Sm3Digest;
use serde::Serialize;
use thiserror::Error;

use crate::{
    merkle,
    verify::{VerifiedEntry, VerifyError, read_anchor, verify_entry},
};

/// A result receipt doesn't hold.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ResultError {
    /// A version that this program doesn't know.
    #[error("the result receipt has version {found}, known is {RECEIPT_VERSION}")]
    Version {
        /// Version found.
        found: u8,
    },
    /// The ledger's proof of the evaluation doesn't hold.
    #[error("the evaluation: {0}")]
    Evaluation(#[source] VerifyError),
    /// The entry isn't what lies under an evaluation's key.
    #[error("the proven entry isn't an evaluation: {why}")]
    NotAnEvaluation {
        /// What is wrong with it.
        why: String,
    },
    /// Other ciphertexts.
    #[error("the ciphertexts have digest {found}, the ledger's evaluation names {expected}")]
    Result {
        /// Of the ciphertexts.
        found: Sm3Digest,
        /// The evaluation's.
        expected: Sm3Digest,
    },
    /// As many lists of packages as inputs are needed.
    #[error("the receipt has packages of {found} inputs, the evaluation has {expected} inputs")]
    Inputs {
        /// How many lists there are.
        found: usize,
        /// How many inputs.
        expected: usize,
    },
    /// The ledger's proof of a package doesn't hold.
    #[error("package {place} of {topic}: {source}")]
    Package {
        /// Of which input.
        topic: TopicName,
        /// Which package, from 1.
        place: usize,
        /// Which step failed.
        source: VerifyError,
    },
    /// A package that the evaluation can't be over.
    #[error("package {package} isn't one that the evaluation is over: {why}")]
    Stranger {
        /// Which.
        package: PackageId,
        /// Why not.
        why: String,
    },
    /// Not the packages that the evaluation is over.
    #[error(
        "{topic}: the receipt has {found} packages with root {root}, the evaluation is over {expected} with root {expected_root}"
    )]
    Packages {
        /// Of which input.
        topic: TopicName,
        /// How many the receipt has.
        found: u64,
        /// Their root.
        root: Sm3Digest,
        /// How many the evaluation is over.
        expected: u64,
        /// Their root.
        expected_root: Sm3Digest,
    },
}

/// What a result receipt shows.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedResult {
    /// The evaluation's id.
    pub id: EvaluationId,
    /// What the ledger holds.
    pub evaluation: Evaluation,
    /// Height of the block that holds it.
    pub recorded_height: u64,
    /// Time of that block, milliseconds since 1970.
    pub recorded_ms: u64,
    /// The packages of each input, in order.
    pub packages: Vec<Vec<PackageId>>,
    /// The proof of the evaluation, step by step.
    pub entry: VerifiedEntry,
}

/// Check that the ledger that began with `genesis` holds the evaluation of which these ciphertexts are the
/// result, and every package that it is over.
///
/// # Errors
/// [`ResultError`]: the first step that doesn't hold, and why.
pub fn verify_result(
    receipt: &ResultReceipt,
    genesis: &Genesis,
) -> Result<VerifiedResult, ResultError> {
    if receipt.version != RECEIPT_VERSION {
        return Err(ResultError::Version {
            found: receipt.version,
        });
    }
    let entry = verify_entry(&receipt.evaluation, genesis).map_err(ResultError::Evaluation)?;
    let (id, record) = read_evaluation(&entry)?;
    let evaluation = record.evaluation;
    let (found, expected) = (result_digest(&receipt.ciphertexts), evaluation.result);
    if found != expected {
        return Err(ResultError::Result { found, expected });
    }
    let (found, expected) = (receipt.inputs.len(), evaluation.inputs.len());
    if found != expected || evaluation.job.inputs.len() != expected {
        return Err(ResultError::Inputs { found, expected });
    }
    let mut packages = Vec::with_capacity(expected);
    for (place, proofs) in receipt.inputs.iter().enumerate() {
        packages.push(verify_input(&evaluation, place, proofs, genesis)?);
    }
    Ok(VerifiedResult {
        id,
        evaluation,
        recorded_height: record.at.height,
        recorded_ms: record.at.time_ms,
        packages,
        entry,
    })
}

/// What the evaluation says of an input over these packages, in order.
pub fn input_digest(packages: &[PackageId], readings: u64) -> InputDigest {
    InputDigest {
        packages: packages.len() as u64,
        root: merkle::root_of(packages),
        readings,
    }
}

/// Whether a package is one that an input takes: of its topic and time, anchored by this gateway in a block
/// up to `height`.
///
/// # Errors
/// Why not, in words.
pub fn takes(
    input: &JobInput,
    gateway: &ClientId,
    height: u64,
    anchor: &Anchor,
    anchored_height: u64,
) -> Result<(), String> {
    if anchor.topic != input.topic {
        return Err(format!("it is of {}, not of {}", anchor.topic, input.topic));
    }
    if anchor.gateway != *gateway {
        return Err(format!("{} anchored it, not {gateway}", anchor.gateway));
    }
    if anchored_height > height {
        return Err(format!(
            "it was anchored at height {anchored_height}, after {height}"
        ));
    }
    if anchor.to_ms < input.from_ms || input.to_ms <= anchor.from_ms {
        return Err(format!(
            "it is of {} to {} ms, outside {} to {} ms",
            anchor.from_ms, anchor.to_ms, input.from_ms, input.to_ms
        ));
    }
    Ok(())
}

fn read_evaluation(entry: &VerifiedEntry) -> Result<(EvaluationId, EvaluationRecord), ResultError> {
    let not = |why: String| ResultError::NotAnEvaluation { why };
    let value = entry
        .value
        .as_ref()
        .ok_or_else(|| not("the ledger holds none".to_owned()))?;
    let record: EvaluationRecord = decode(value).map_err(|error| not(error.to_string()))?;
    let id = record.evaluation.id();
    if *entry.key != evaluation_key(&id) {
        return Err(not("it lies under another key than its own".to_owned()));
    }
    if record.at.height > entry.height {
        let why = "it says that it was written after the block whose state holds it";
        return Err(not(why.to_owned()));
    }
    Ok((id, record))
}

fn verify_input(
    evaluation: &Evaluation,
    place: usize,
    proofs: &[ProvenEntry],
    genesis: &Genesis,
) -> Result<Vec<PackageId>, ResultError> {
    let input = &evaluation.job.inputs[place];
    let mut packages = Vec::with_capacity(proofs.len());
    let mut last = None;
    for (index, proof) in proofs.iter().enumerate() {
        let failed = |source| ResultError::Package {
            topic: input.topic.clone(),
            place: index + 1,
            source,
        };
        let entry = verify_entry(proof, genesis).map_err(failed)?;
        let record = read_anchor(&entry).map_err(failed)?;
        let package = record.anchor.package;
        let stranger = |why| ResultError::Stranger { package, why };
        let (gateway, height) = (&evaluation.gateway, evaluation.height);
        takes(input, gateway, height, &record.anchor, record.at.height).map_err(stranger)?;
        let order = Some((record.anchor.from_ms, package));
        if order <= last {
            return Err(stranger("it isn't in order, or there twice".to_owned()));
        }
        last = order;
        packages.push(package);
    }
    let expected = &evaluation.inputs[place];
    let found = input_digest(&packages, expected.readings);
    if found != *expected {
        return Err(ResultError::Packages {
            topic: input.topic.clone(),
            found: found.packages,
            root: found.root,
            expected: expected.packages,
            expected_root: expected.root,
        });
    }
    Ok(packages)
}
