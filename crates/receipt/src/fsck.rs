//! Check what is stored, block by block and package by package: the rules behind `sealwire fsck`.
//!
//! The functions are pure: they are given one block (or package) and what its surroundings say,
//! and return every fault they find, not only the first, because an operator who checks a disk
//! wants the whole list. They share no code with the paths that write.
//!
//! A block is sound if
//! - its header belongs to the chain, has a known version and carries genesis's validator set;
//! - it follows its parent (height, digest, time), if the caller has the parent;
//! - `transactions` is the root of the Merkle tree ([`merkle`]) over the canonical bytes of its
//!   transactions, signatures included, in order;
//! - each transaction is for this chain, occurs once and is signed by its sender's key;
//! - its finality certificate, if it has one of its own, verifies.
//!
//! State roots aren't checked here: that takes executing the block. `sealwire fsck` does so with
//! the contracts and compares with the header.

use std::collections::BTreeSet;

use sealwire_envelope::{
    Anchor, BlockBundle, CertId, Header, PackageId, Transaction, TxId, encode,
    record::PackageManifest,
};
use sealwire_sm::{PublicKey, Sm3Digest};
use thiserror::Error;

use crate::{
    finality::{FinalityError, Validators, check_link},
    merkle,
    verify::read_record,
};

/// What is wrong with a block.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum BlockFault {
    /// The header isn't of this chain, or doesn't follow its parent.
    #[error("header: {0}")]
    Header(FinalityError),
    /// The finality certificate doesn't hold.
    #[error("finality: {0}")]
    Finality(FinalityError),
    /// The header's root isn't that of these transactions.
    #[error("transactions: the header's root is {expected}, theirs is {computed}")]
    TransactionsRoot {
        /// Root in the header.
        expected: Sm3Digest,
        /// Root of the transactions.
        computed: Sm3Digest,
    },
    /// A transaction that doesn't belong there.
    #[error("transaction {index} ({}): {why}", .id.0)]
    Transaction {
        /// Its place in the block, from 0.
        index: usize,
        /// Its id.
        id: TxId,
        /// What is wrong with it.
        why: TransactionFault,
    },
}

/// What is wrong with a transaction in a block.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum TransactionFault {
    /// It is for another chain.
    #[error("it is for another chain")]
    Chain,
    /// It is in the block twice.
    #[error("it is in the block twice")]
    Twice,
    /// Nobody knows its sender's certificate.
    #[error("its sender's certificate isn't registered")]
    Sender,
    /// Its sender didn't sign it.
    #[error("its signature is wrong")]
    Signature,
}

/// What is wrong with a stored package.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PackageFault {
    /// Another number of records than anchored.
    #[error("package {}: {found} records are stored, {expected} were anchored", .package.0)]
    Count {
        /// The package.
        package: PackageId,
        /// Records anchored.
        expected: u64,
        /// Records stored.
        found: u64,
    },
    /// The records have another root than anchored.
    #[error("package {}: the records have root {computed}, {expected} was anchored", .package.0)]
    Root {
        /// The package.
        package: PackageId,
        /// Root anchored.
        expected: Sm3Digest,
        /// Root of the stored records.
        computed: Sm3Digest,
    },
    /// The archive's manifest isn't what was anchored.
    #[error("package {}: the stored manifest's {what} isn't the one anchored", .package.0)]
    Manifest {
        /// The package.
        package: PackageId,
        /// What differs.
        what: &'static str,
    },
    /// One record is no record, or belongs elsewhere.
    #[error("package {}: record {index}: {why}", .package.0)]
    Misplaced {
        /// The package.
        package: PackageId,
        /// Place of the record, from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
    /// One record isn't the one that was written.
    #[error("package {}: record {index} has changed since it was written", .package.0)]
    Record {
        /// The package.
        package: PackageId,
        /// Place of the record, from 0.
        index: usize,
    },
}

/// Root of a block's transactions, as headers carry it.
pub fn tx_root(transactions: &[Transaction]) -> Sm3Digest {
    merkle::root_of(transactions.iter().map(encode))
}

/// Find every fault of a block. `parent` is the header of the height below, if the caller has it;
/// `key_of` gives the key of a registered certificate as of that block.
pub fn check_block(
    bundle: &BlockBundle,
    parent: Option<&Header>,
    validators: &Validators,
    mut key_of: impl FnMut(&CertId) -> Option<PublicKey>,
) -> Vec<BlockFault> {
    let header = &bundle.header;
    let mut faults = Vec::new();
    faults.extend(
        validators
            .check_header(header)
            .err()
            .map(BlockFault::Header),
    );
    if let Some(parent) = parent {
        faults.extend(check_link(parent, header).err().map(BlockFault::Header));
    }
    let computed = tx_root(&bundle.transactions);
    if computed != header.transactions {
        faults.push(BlockFault::TransactionsRoot {
            expected: header.transactions,
            computed,
        });
    }
    let mut seen = BTreeSet::new();
    for (index, transaction) in bundle.transactions.iter().enumerate() {
        let id = transaction.id();
        let mut add = |why| faults.push(BlockFault::Transaction { index, id, why });
        if transaction.body.chain.0 != *validators.chain() {
            add(TransactionFault::Chain);
        }
        if !seen.insert(id) {
            add(TransactionFault::Twice);
        }
        match key_of(&transaction.body.sender) {
            None => add(TransactionFault::Sender),
            Some(key) if transaction.verify(&key).is_err() => add(TransactionFault::Signature),
            Some(_) => {}
        }
    }
    if let Some(finality) = &bundle.finality {
        faults.extend(
            validators
                .verify(header, finality)
                .err()
                .map(BlockFault::Finality),
        );
    }
    faults
}

/// Find every fault of a package: `manifest` is what the archive keeps of it, `records` its
/// records' bytes in order, `leaves` the leaf digests noted when they were written (empty if there
/// are none), which tell *which* record has changed where the root only tells that one has.
pub fn check_package<T: AsRef<[u8]>>(
    anchor: &Anchor,
    manifest: &PackageManifest,
    records: impl IntoIterator<Item = T>,
    leaves: &[Sm3Digest],
) -> Vec<PackageFault> {
    let package = anchor.package;
    let mut faults: Vec<_> = manifest_misfits(anchor, manifest)
        .map(|what| PackageFault::Manifest { package, what })
        .collect();
    let mut found = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        let leaf = merkle::leaf(record.as_ref());
        if leaves.get(index).is_some_and(|then| *then != leaf) {
            faults.push(PackageFault::Record { package, index });
        } else if let Err(cause) = read_record(record.as_ref(), anchor) {
            faults.push(PackageFault::Misplaced {
                package,
                index,
                why: cause.to_string(),
            });
        }
        found.push(leaf);
    }
    let (expected, count) = (anchor.count, found.len() as u64);
    if expected != count {
        faults.push(PackageFault::Count {
            package,
            expected,
            found: count,
        });
    }
    let computed = merkle::root(&found);
    if computed != anchor.root {
        faults.push(PackageFault::Root {
            package,
            expected: anchor.root,
            computed,
        });
    }
    faults
}

fn manifest_misfits(
    anchor: &Anchor,
    manifest: &PackageManifest,
) -> impl Iterator<Item = &'static str> {
    [
        (manifest.id() != anchor.package, "id"),
        (manifest.gateway != anchor.gateway, "gateway"),
        (manifest.topic != anchor.topic, "topic"),
        (manifest.count != anchor.count, "count"),
        (manifest.from_ms != anchor.from_ms, "first time"),
        (manifest.to_ms != anchor.to_ms, "last time"),
        (manifest.root != anchor.root, "root"),
    ]
    .into_iter()
    .filter_map(|(differs, what)| differs.then_some(what))
}
