//! Bundles: a whole package and the ledger's proof of it, checked offline and without any key.

use sealwire_envelope::{
    Anchor, Genesis,
    receipt::{Bundle, RECEIPT_VERSION, Receipt},
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    fsck::{PackageFault, check_package},
    merkle,
    verify::{VerifiedEntry, VerifyError, read_anchor, verify_entry},
};

/// A bundle doesn't hold.
#[derive(Debug, Error)]
pub enum BundleError {
    /// A version that this program doesn't know.
    #[error("the bundle has version {found}, known is {RECEIPT_VERSION}")]
    Version {
        /// Version found.
        found: u8,
    },
    /// The ledger's proof doesn't hold.
    #[error("the anchor: {0}")]
    Anchor(#[from] VerifyError),
    /// The package isn't the one that was anchored.
    #[error("the package isn't what was anchored: {first} ({count} faults in all)")]
    Package {
        /// The first fault.
        first: PackageFault,
        /// How many there are.
        count: usize,
    },
}

/// What a bundle shows.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedBundle {
    /// What the gateway anchored.
    pub anchor: Anchor,
    /// Height of the block that holds the anchor.
    pub anchored_height: u64,
    /// Time of that block, milliseconds since 1970.
    pub anchored_ms: u64,
    /// Bytes of all records.
    pub bytes: u64,
    /// The proof of the anchor, step by step.
    pub entry: VerifiedEntry,
}

/// Check that the ledger that began with `genesis` recorded exactly this package: its id, topic, gateway,
/// time range, count, and every record's digest.
///
/// # Errors
/// [`BundleError`].
pub fn verify_bundle(bundle: &Bundle, genesis: &Genesis) -> Result<VerifiedBundle, BundleError> {
    if bundle.version != RECEIPT_VERSION {
        return Err(BundleError::Version {
            found: bundle.version,
        });
    }
    let entry = verify_entry(&bundle.anchor, genesis)?;
    let package = read_anchor(&entry)?;
    let records = &bundle.package.records;
    let faults = check_package(&package.anchor, &bundle.package.manifest, records, &[]);
    let count = faults.len();
    if let Some(first) = faults.into_iter().next() {
        return Err(BundleError::Package { first, count });
    }
    Ok(VerifiedBundle {
        anchor: package.anchor,
        anchored_height: package.at.height,
        anchored_ms: package.at.time_ms,
        bytes: records.iter().map(|record| record.len() as u64).sum(),
        entry,
    })
}

/// The receipts of all records of a bundle, in order.
pub fn receipts(bundle: &Bundle) -> impl Iterator<Item = Receipt> + '_ {
    let records = &bundle.package.records;
    let leaves: Vec<_> = records.iter().map(|record| merkle::leaf(record)).collect();
    records
        .iter()
        .enumerate()
        .map(move |(index, record)| Receipt {
            version: RECEIPT_VERSION,
            record: record.0.clone(),
            index: index as u64,
            path: merkle::path(&leaves, index).unwrap_or_default(),
            anchor: bundle.anchor.clone(),
        })
}
