//! Verify receipts and proven entries, step by step, from genesis alone.
//!
//! Trust flows from genesis to the record: the genesis file names the validators; their votes make
//! a header final; the header's state root holds the entry; the entry of a package holds the root
//! under which the record lies. The steps are checked in that order, so that nothing is looked at
//! before something trusted vouches for it, and an error names the step that failed.
//!
//! What the result means: when the block of [`VerifiedEntry::height`] was made, the consortium's
//! state held that value under that key (or none). It doesn't say what the state holds today.

use std::fmt;

use sealwire_envelope::{
    Anchor, Blob, Genesis, OrgId, decode,
    proof::StateProof,
    receipt::{PackageRecord, ProvenEntry, RECEIPT_VERSION, Receipt, package_key},
    record::ArchivedRecord,
};
use sealwire_sm::{Sm3Digest, sm3};
use serde::Serialize;
use thiserror::Error;

use crate::{
    finality::{FinalityError, GenesisError, Validators},
    merkle::{self, PathError},
    state::{self, StateError},
};

/// The steps of a verification, in the order in which they are made.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The document is of a version that this program knows.
    Format,
    /// The genesis names a set of validators.
    Genesis,
    /// More than two thirds of them signed a header that is, or descends from, the proven one.
    Finality,
    /// The proven header's state root holds the entry, or doesn't hold the key.
    State,
    /// The entry is the anchor of a package.
    Anchor,
    /// The record lies in that package.
    Record,
}

impl Step {
    /// The step in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Genesis => "genesis",
            Self::Finality => "finality",
            Self::State => "state",
            Self::Anchor => "anchor",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A step that held, and what it established, in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Held {
    /// The step.
    pub step: Step,
    /// What is now known.
    pub detail: String,
}

/// Which step failed, and why.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{step}: {cause}")]
pub struct VerifyError {
    /// The step that failed; those before it held.
    pub step: Step,
    /// Why.
    #[source]
    pub cause: Cause,
}

/// Why a step failed.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Cause {
    /// A version that this program doesn't know.
    #[error("the document has version {found}, known is {RECEIPT_VERSION}")]
    Version {
        /// Version found.
        found: u8,
    },
    /// The genesis is unusable.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The header isn't shown to be final.
    #[error(transparent)]
    Finality(#[from] FinalityError),
    /// The state proof doesn't hold.
    #[error(transparent)]
    State(#[from] StateError),
    /// A value with a proof of absence, or none with a proof of presence.
    #[error("the document gives a value and a proof that there is none, or the other way round")]
    Contradiction,
    /// The ledger holds no such package.
    #[error("the receipt proves that its package is absent from the ledger")]
    NoAnchor,
    /// The entry isn't what lies under a package's key.
    #[error("the proven entry isn't the anchor of a package: {why}")]
    NotAnAnchor {
        /// What is wrong with it.
        why: String,
    },
    /// The record isn't in the package.
    #[error("the record isn't where the receipt says in the package: {0}")]
    Path(#[from] PathError),
    /// The record is in the package and doesn't belong there: the gateway packed it wrongly.
    #[error("the record is in the package, but {why}")]
    Misplaced {
        /// What is wrong with it.
        why: String,
    },
}

fn failed<E: Into<Cause>>(step: Step) -> impl FnOnce(E) -> VerifyError {
    move |cause| VerifyError {
        step,
        cause: cause.into(),
    }
}

/// An entry of the state that was proved.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct VerifiedEntry {
    /// State key.
    pub key: Blob,
    /// Its value at that height; `None`: it had none.
    pub value: Option<Blob>,
    /// Id of the chain.
    pub chain: Sm3Digest,
    /// Height of the block whose state held (or didn't hold) it.
    pub height: u64,
    /// Time of that block, Unix milliseconds.
    pub time_ms: u64,
    /// Digest of that block's header.
    pub block: Sm3Digest,
    /// Organisations whose validators signed, in the order of the certificate.
    pub signers: Vec<OrgId>,
    /// Every step that held, in order.
    pub steps: Vec<Held>,
}

/// A receipt that holds.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verified {
    /// The record.
    pub record: ArchivedRecord,
    /// SM3 of the record's bytes.
    pub digest: Sm3Digest,
    /// Place of the record in its package, from 0.
    pub index: u64,
    /// What the gateway anchored about the package.
    pub anchor: Anchor,
    /// Height at which it was anchored.
    pub anchored_height: u64,
    /// Time of that block, Unix milliseconds.
    pub anchored_ms: u64,
    /// The anchor's entry, and all steps that held.
    pub entry: VerifiedEntry,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} {}", self.step.name(), self.detail)
    }
}

impl Verified {
    /// Every step that held, in order.
    pub fn steps(&self) -> &[Held] {
        &self.entry.steps
    }
}

/// Check that the ledger that began with `genesis` recorded the receipt's record.
///
/// # Errors
/// [`VerifyError`]: the first step that doesn't hold, and why.
pub fn verify(receipt: &Receipt, genesis: &Genesis) -> Result<Verified, VerifyError> {
    check_version(receipt.version)?;
    let mut entry = verify_entry(&receipt.anchor, genesis)?;
    let package = read_anchor(&entry)?;
    let anchor = package.anchor;
    entry.steps.push(Held {
        step: Step::Anchor,
        detail: format!(
            "package {} of topic {} with {} records, anchored by {} at height {}",
            anchor.package.0, anchor.topic, anchor.count, anchor.gateway, package.at.height
        ),
    });

    let leaf = merkle::leaf(&receipt.record);
    merkle::verify(
        &anchor.root,
        &leaf,
        receipt.index,
        anchor.count,
        &receipt.path,
    )
    .map_err(failed(Step::Record))?;
    let record = read_record(&receipt.record, &anchor).map_err(failed(Step::Record))?;
    let digest = sm3(&[&receipt.record]);
    let detail = format!(
        "record {digest}, received from {} at {} ms, is number {} of the package",
        record.sender, record.received_ms, receipt.index
    );
    entry.steps.push(Held {
        step: Step::Record,
        detail,
    });
    Ok(Verified {
        record,
        digest,
        index: receipt.index,
        anchor,
        anchored_height: package.at.height,
        anchored_ms: package.at.time_ms,
        entry,
    })
}

/// The record that lies in a package, if it is one that belongs there.
pub(crate) fn read_record(bytes: &[u8], anchor: &Anchor) -> Result<ArchivedRecord, Cause> {
    let misplaced = |why: String| Err(Cause::Misplaced { why });
    let record: ArchivedRecord = match decode(bytes) {
        Ok(record) => record,
        Err(error) => return misplaced(error.to_string()),
    };
    if record.topic != anchor.topic {
        misplaced(format!(
            "it is of topic {}, the package of {}",
            record.topic, anchor.topic
        ))
    } else if !anchor.clients.contains(&record.sender) {
        misplaced(format!(
            "the package doesn't name its sender, {}",
            record.sender
        ))
    } else if !(anchor.from_ms..=anchor.to_ms).contains(&record.received_ms) {
        misplaced(format!(
            "its time, {} ms, isn't within the package's",
            record.received_ms
        ))
    } else {
        Ok(record)
    }
}

/// Check that a final state of the ledger that began with `genesis` held the entry, or, if it has
/// no value, held nothing under its key.
///
/// # Errors
/// [`VerifyError`]: the first step that doesn't hold, and why.
pub fn verify_entry(entry: &ProvenEntry, genesis: &Genesis) -> Result<VerifiedEntry, VerifyError> {
    check_version(entry.version)?;
    let held = |step, detail| Held { step, detail };
    let mut steps = vec![held(Step::Format, format!("version {}", entry.version))];

    let validators = Validators::of(genesis).map_err(failed(Step::Genesis))?;
    let (all, quorum) = (validators.keys().len(), validators.quorum());
    let chain = *validators.chain();
    steps.push(held(
        Step::Genesis,
        format!("chain {chain}, {all} validators, {quorum} must sign"),
    ));

    let (header, places) = validators
        .verify_proof(&entry.finality)
        .map_err(failed(Step::Finality))?;
    let signers: Vec<OrgId> = places
        .iter()
        .filter_map(|place| validators.org(*place))
        .cloned()
        .collect();
    let names = signers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let above = entry.finality.headers.len() - 1;
    let block = header.digest();
    let detail = format!(
        "block {block} of height {} is final: {names} signed {}",
        header.height,
        if above == 0 {
            "it".to_owned()
        } else {
            format!("a block {above} heights above it")
        },
    );
    steps.push(held(Step::Finality, detail));

    let detail = verify_state(entry, &header.state_root).map_err(failed(Step::State))?;
    steps.push(held(Step::State, detail));
    Ok(VerifiedEntry {
        key: entry.key.clone().into(),
        value: entry.value.clone().map(Blob),
        chain,
        height: header.height,
        time_ms: header.time_ms,
        block,
        signers,
        steps,
    })
}

fn check_version(found: u8) -> Result<(), VerifyError> {
    if found == RECEIPT_VERSION {
        Ok(())
    } else {
        Err(VerifyError {
            step: Step::Format,
            cause: Cause::Version { found },
        })
    }
}

fn verify_state(entry: &ProvenEntry, root: &Sm3Digest) -> Result<String, Cause> {
    match (&entry.value, &entry.proof) {
        (Some(value), StateProof::Inclusion(proof)) => {
            state::verify_inclusion(root, &entry.key, value, proof)?;
            Ok(format!(
                "state {root} holds {} bytes under the key",
                value.len()
            ))
        }
        (None, StateProof::Exclusion(proof)) => {
            state::verify_absence(root, &entry.key, proof)?;
            Ok(format!("state {root} holds nothing under the key"))
        }
        _ => Err(Cause::Contradiction),
    }
}

/// The package that a verified entry anchors.
pub(crate) fn read_anchor(entry: &VerifiedEntry) -> Result<PackageRecord, VerifyError> {
    anchor_in(entry).map_err(failed(Step::Anchor))
}

fn anchor_in(entry: &VerifiedEntry) -> Result<PackageRecord, Cause> {
    let Some(value) = &entry.value else {
        return Err(Cause::NoAnchor);
    };
    let package: PackageRecord = decode(value).map_err(|error| Cause::NotAnAnchor {
        why: error.to_string(),
    })?;
    let not = |why: &str| {
        Err(Cause::NotAnAnchor {
            why: why.to_owned(),
        })
    };
    if *entry.key != package_key(&package.anchor.package) {
        return not("it lies under another key than its package's");
    }
    if package.at.height > entry.height {
        return not("it says that it was written after the block whose state holds it");
    }
    Ok(package)
}
