//! Consortium: the organisations, as genesis founded them.
//!
//! Genesis is applied as the first act of the block at height 1, before its transactions, so that
//! every later state proof also covers it. It is checked before a node starts ([`check`]), and again
//! when it is applied: every root must sign itself, every certificate must belong to its organisation
//! and be signed by its root, and no two may name one client. Validity is not compared with a clock:
//! a ledger may be replayed years later.
//!
//! The consortium doesn't change in this version: reconfiguration by vote is a later contract.

use std::collections::BTreeSet;

use sealwire_envelope::{CertId, Genesis, OrgGenesis, OrgId};
use sealwire_sm::cert::{Certificate, CertificateError};

use crate::context::bytes;
use crate::entry::{ClientEntry, Consortium, Moment, Organisation};
use crate::identity::entry_of;
use crate::keys;
use crate::state::Writes;

/// The genesis file can't found a ledger. Fix the file (or make it anew with `sealwire init`).
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// There is no organisation.
    #[error("genesis names no organisation")]
    Empty,
    /// Two organisations have one name.
    #[error("genesis names organisation {0} twice")]
    RepeatedOrganisation(OrgId),
    /// Two organisations have one validator key.
    #[error("genesis gives organisation {0} a validator key that another has too")]
    RepeatedValidator(OrgId),
    /// A certificate can't be read.
    #[error("certificate {index} of organisation {org} can't be read (0 is the root)")]
    Malformed {
        /// The organisation.
        org: OrgId,
        /// 0 for the root, else the position in its list, from 1.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: CertificateError,
    },
    /// A certificate isn't signed by the organisation's root.
    #[error("certificate {index} of organisation {org} isn't signed by its root (0 is the root)")]
    NotIssued {
        /// The organisation.
        org: OrgId,
        /// 0 for the root, else the position in its list, from 1.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: CertificateError,
    },
    /// A certificate names a client of another organisation.
    #[error("certificate {index} of organisation {org} names a client of another organisation")]
    OtherOrganisation {
        /// The organisation.
        org: OrgId,
        /// Position in its list, from 1.
        index: usize,
    },
    /// Two certificates name one client.
    #[error("genesis has two certificates for client {0}")]
    RepeatedClient(sealwire_envelope::ClientId),
}

/// Whether a ledger can be founded on this genesis.
pub fn check(genesis: &Genesis) -> Result<(), GenesisError> {
    found(
        genesis,
        Moment {
            height: 1,
            time_ms: genesis.created_ms,
        },
    )
    .map(drop)
}

/// Everything that genesis writes.
pub(crate) fn found(genesis: &Genesis, at: Moment) -> Result<Writes, GenesisError> {
    if genesis.orgs.is_empty() {
        return Err(GenesisError::Empty);
    }
    let mut writes = Writes::new();
    let mut names = BTreeSet::new();
    let mut validators = BTreeSet::new();
    for org in &genesis.orgs {
        if !names.insert(&org.org) {
            return Err(GenesisError::RepeatedOrganisation(org.org.clone()));
        }
        if !validators.insert(org.validator.to_bytes()) {
            return Err(GenesisError::RepeatedValidator(org.org.clone()));
        }
        found_organisation(org, at, &mut writes)?;
    }
    let consortium = Consortium {
        name: genesis.name.clone(),
        chain: genesis.chain_id(),
        created_ms: genesis.created_ms,
        orgs: genesis.orgs.iter().map(|org| org.org.clone()).collect(),
    };
    writes.put(keys::consortium(), bytes(&consortium));
    Ok(writes)
}

fn found_organisation(
    org: &OrgGenesis,
    at: Moment,
    writes: &mut Writes,
) -> Result<(), GenesisError> {
    let read = |der: &[u8], index: usize| {
        let malformed = |source| GenesisError::Malformed {
            org: org.org.clone(),
            index,
            source,
        };
        Certificate::from_der(der).map_err(malformed)
    };
    let not_issued = |index: usize| {
        move |source| GenesisError::NotIssued {
            org: org.org.clone(),
            index,
            source,
        }
    };
    let root = read(&org.root_cert_der, 0)?;
    root.verify_issued_by(&root).map_err(not_issued(0))?;
    for (index, der) in (1..).zip(&org.certificates) {
        let certificate = read(der, index)?;
        certificate
            .verify_issued_by(&root)
            .map_err(not_issued(index))?;
        let other = || GenesisError::OtherOrganisation {
            org: org.org.clone(),
            index,
        };
        let entry = entry_of(&certificate, at).ok_or_else(other)?;
        if entry.client.org() != org.org {
            return Err(other());
        }
        let client_key = keys::client(&entry.client);
        if writes.get(&client_key).is_some() {
            return Err(GenesisError::RepeatedClient(entry.client));
        }
        let id = CertId(certificate.id());
        writes.put(keys::certificate(&id), bytes(&entry));
        writes.put(
            client_key,
            bytes(&ClientEntry {
                certificate: id,
                since: at,
            }),
        );
    }
    let entry = Organisation {
        root_der: org.root_cert_der.clone(),
        validator: org.validator.to_bytes().to_vec().into(),
    };
    writes.put(keys::organisation(&org.org), bytes(&entry));
    Ok(())
}
