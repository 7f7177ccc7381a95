//! Genesis: what all organisations agree on before there is a ledger.
//!
//! The file is JSON, so that people can read and compare it; the ledger's identity
//! ([`Genesis::chain_id`]) is the SM3 digest of its CBOR, so white space doesn't matter:
//!
//! ```text
//! Genesis    = [version: 1, name: tstr, created_ms: uint, block_interval_ms: uint,
//!               orgs: [+ OrgGenesis]]
//! OrgGenesis = [org: tstr, root_cert_der: bstr, validator: bstr .size 33, certificates: [* bstr]]
//! ```
//!
//! Whoever holds the right genesis file can verify everything else; it holds no secret.

use minicbor::{Decode, Encode};
use sealwire_sm::{PublicKey, Sm3Digest, sm3};
use serde::{Deserialize, Serialize};

use crate::{
    codec::{Blob, encode},
    id::{ChainId, OrgId},
};

/// Version of the genesis format.
pub const GENESIS_VERSION: u8 = 1;
/// Longest genesis file that is read, in bytes.
pub const GENESIS_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most organisations.
pub const ORGS_MAX: usize = 100;

/// What a consortium starts from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// [`GENESIS_VERSION`].
    #[n(0)]
    pub version: u8,
    /// The consortium's name, for people.
    #[n(1)]
    pub name: String,
    /// When it was made, milliseconds since 1970; no block is older.
    #[n(2)]
    pub created_ms: u64,
    /// Shortest time between a block and its parent, milliseconds.
    #[n(3)]
    pub block_interval_ms: u64,
    /// The organisations, each with one validator, in the order of their names.
    #[n(4)]
    pub orgs: Vec<OrgGenesis>,
}

/// An organisation at genesis.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrgGenesis {
    /// Its name.
    #[n(0)]
    pub org: OrgId,
    /// Its root certificate.
    #[n(1)]
    pub root_cert_der: Blob,
    /// The key with which its validator votes.
    #[n(2)]
    pub validator: PublicKey,
    /// Certificates that are registered from the start: its operators, its gateways.
    #[n(3)]
    pub certificates: Vec<Blob>,
}

/// A genesis file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum GenesisFileError {
    /// Not JSON of this form.
    #[error("not a genesis file: {0}")]
    Json(#[from] serde_json::Error),
    /// A rule is broken.
    #[error("genesis: {0}")]
    Rule(&'static str),
}

impl Genesis {
    /// Reads the JSON file.
    ///
    /// # Errors
    /// When it isn't JSON of this form, or an organisation is missing, twice or out of order.
    pub fn from_json(json: &[u8]) -> Result<Self, GenesisFileError> {
        if json.len() > GENESIS_MAX_BYTES {
            return Err(GenesisFileError::Rule("the file is longer than 4 MiB"));
        }
        let genesis: Self = serde_json::from_slice(json)?;
        let orgs = &genesis.orgs;
        if genesis.version != GENESIS_VERSION {
            return Err(GenesisFileError::Rule(
                "unknown version: this program reads version 1",
            ));
        }
        if orgs.is_empty() || orgs.len() > ORGS_MAX {
            return Err(GenesisFileError::Rule(
                "there must be 1 to 100 organisations",
            ));
        }
        if !orgs.is_sorted_by(|a, b| a.org < b.org) {
            return Err(GenesisFileError::Rule(
                "organisations must be in the order of their names, each once",
            ));
        }
        let mut keys: Vec<_> = orgs.iter().map(|o| &o.validator).collect();
        keys.sort();
        keys.dedup();
        if keys.len() != orgs.len() {
            return Err(GenesisFileError::Rule(
                "two organisations have the same validator key",
            ));
        }
        Ok(genesis)
    }

    /// The JSON file's text.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data");
        text.push('\n');
        text
    }

    /// What the ledger is known by.
    pub fn chain_id(&self) -> ChainId {
        ChainId(sm3(&[b"sealwire genesis", &encode(self)]))
    }

    /// The validators' keys, in ascending order of their bytes: the order of the signer bitmap.
    pub fn validators(&self) -> Vec<PublicKey> {
        let mut keys: Vec<_> = self.orgs.iter().map(|o| o.validator.clone()).collect();
        keys.sort();
        keys
    }

    /// What headers say of the validator set: SM3 over its keys in order.
    pub fn validators_digest(&self) -> Sm3Digest {
        validators_digest(&self.validators())
    }
}

/// SM3 over `"sealwire validators"` and the CBOR array of the keys, which must be in order.
pub fn validators_digest(keys: &[PublicKey]) -> Sm3Digest {
    let keys: Vec<Blob> = keys.iter().map(|k| Blob(k.to_bytes().to_vec())).collect();
    sm3(&[b"sealwire validators", &encode(&keys)])
}
