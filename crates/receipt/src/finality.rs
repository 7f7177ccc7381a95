//! Verify that a block is final: votes of more than two thirds of genesis's validators, over the
//! block's header or over one that descends from it.
//!
//! # Specification
//!
//! The *validators* are the SM2 public keys that genesis names, one per organisation, as 33-byte
//! compressed points, sorted ascending. Their digest, which every header carries, is
//! `SM3("sealwire validators" || CBOR of [key_0, key_1, …])`, each key a byte string.
//!
//! A *finality certificate* for a header is a bitmap over that list (`⌈n/8⌉` bytes, validator `i`
//! is bit `i % 8`, least significant first, of byte `i / 8`; no bit at `n` or above) and one SM2
//! signature (`r || s`, domain `Domain::VOTE`) for each set bit in ascending order, each over
//!
//! ```text
//! varint(len(namespace)) || namespace || varint(epoch) || varint(view) || varint(parent view)
//!                        || header digest (32)
//! namespace = "sealwire vote " || chain id (32) || "_FINALIZE"
//! varint    = unsigned LEB128, shortest form
//! ```
//!
//! With `n` validators at least `n − ⌊(n−1)/3⌋` must have signed: more than two thirds. Epoch,
//! view and parent view must be the header's own.
//!
//! Not every height has a certificate, because finality of a block covers all its ancestors. A
//! [`FinalityProof`] is therefore a chain of headers: the first is the one that is to be shown
//! final, each next one names its predecessor's digest as parent, and the last has the
//! certificate. The validator set doesn't change in this version, so each header must carry the
//! digest of genesis's.

use sealwire_envelope::{
    Finality, Genesis, Header, OrgId,
    block::HEADER_VERSION,
    genesis::{ORGS_MAX, validators_digest},
    receipt::FinalityProof,
};
use sealwire_sm::{Domain, PublicKey, Sm3Digest};
use thiserror::Error;

use crate::varint;

/// Most headers between a block and a certificate that covers it.
pub const HEADERS_MAX: usize = 4096;

/// Why a genesis names no usable set of validators.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum GenesisError {
    /// No organisations, or more than [`ORGS_MAX`].
    #[error("the genesis names {count} validators, there must be 1 to {ORGS_MAX}")]
    Count {
        /// Organisations in the genesis.
        count: usize,
    },
    /// Two organisations name the same key: one would vote twice.
    #[error("two organisations of the genesis name the same validator key, {}", hex::encode(.key))]
    Duplicate {
        /// The key, compressed.
        key: [u8; PublicKey::LEN],
    },
}

/// Why a header isn't shown to be final.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum FinalityError {
    /// A header of another chain.
    #[error("the header of height {height} belongs to chain {found}, not to {expected}")]
    Chain {
        /// Height of the header.
        height: u64,
        /// Chain of the genesis.
        expected: Sm3Digest,
        /// Chain that the header names.
        found: Sm3Digest,
    },
    /// A header of a version that this program doesn't know.
    #[error("the header of height {height} has version {version}, known is {HEADER_VERSION}")]
    Version {
        /// Height of the header.
        height: u64,
        /// Its version.
        version: u64,
    },
    /// A header under another set of validators.
    #[error("the header of height {height} is under validator set {found}, genesis has {expected}")]
    ValidatorSet {
        /// Height of the header.
        height: u64,
        /// Digest of genesis's validators.
        expected: Sm3Digest,
        /// Digest in the header.
        found: Sm3Digest,
    },
    /// No headers at all, or too many.
    #[error("{count} headers were given, there must be 1 to {HEADERS_MAX}")]
    Headers {
        /// Number of headers.
        count: usize,
    },
    /// A header that doesn't follow the one before it.
    #[error("the header of height {height} doesn't follow the one of height {before}: its {what}")]
    Link {
        /// Height of the header.
        height: u64,
        /// Height of the header before it in the chain.
        before: u64,
        /// What doesn't fit.
        what: Misfit,
    },
    /// The certificate is about another header.
    #[error(
        "the certificate is for another block than the one of height {height}: its {what} differs"
    )]
    Subject {
        /// Height of the certified header.
        height: u64,
        /// What differs.
        what: &'static str,
    },
    /// The bitmap has another length, or a bit beyond the validators.
    #[error("the certificate's bitmap of {bytes} bytes doesn't fit {validators} validators")]
    Bitmap {
        /// Length of the bitmap, in bytes.
        bytes: usize,
        /// Number of validators.
        validators: usize,
    },
    /// The certificate has not one signature per signer.
    #[error("the certificate has {signatures} signatures for {signers} signers")]
    Signatures {
        /// Number of signers in the bitmap.
        signers: usize,
        /// Number of signatures.
        signatures: usize,
    },
    /// Too few signers.
    #[error("{signers} of {validators} validators signed, {quorum} are needed")]
    Quorum {
        /// Number of signers in the bitmap.
        signers: usize,
        /// Number of validators.
        validators: usize,
        /// Signers that are needed.
        quorum: usize,
    },
    /// A signature that its signer didn't make over this header.
    #[error("the signature of validator {validator} over the header of height {height} is wrong")]
    Signature {
        /// Place of the validator in the sorted list.
        validator: usize,
        /// Height of the certified header.
        height: u64,
    },
}

/// How a header can fail to follow another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Misfit {
    /// Its height isn't one more.
    Height,
    /// Its parent digest is another's.
    Parent,
    /// Its time is before its parent's.
    Time,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Height => "height isn't the next",
            Self::Parent => "parent is another block",
            Self::Time => "time is earlier",
        })
    }
}

/// The validators that a genesis names: whose votes make a block final.
#[derive(Clone, Debug)]
pub struct Validators {
    chain: Sm3Digest,
    /// Ascending by their compressed bytes, no two alike.
    keys: Vec<PublicKey>,
    /// Whose key each is.
    orgs: Vec<OrgId>,
    digest: Sm3Digest,
}

impl Validators {
    /// The validators of a genesis.
    ///
    /// # Errors
    /// [`GenesisError`] if there are none, too many, or two alike.
    pub fn of(genesis: &Genesis) -> Result<Self, GenesisError> {
        let mut pairs: Vec<_> = genesis
            .orgs
            .iter()
            .map(|org| (org.validator.clone(), org.org.clone()))
            .collect();
        if pairs.is_empty() || pairs.len() > ORGS_MAX {
            return Err(GenesisError::Count { count: pairs.len() });
        }
        pairs.sort_by_key(|(key, _)| key.to_bytes());
        let (keys, orgs): (Vec<PublicKey>, Vec<OrgId>) = pairs.into_iter().unzip();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(GenesisError::Duplicate {
                key: pair[0].to_bytes(),
            });
        }
        let digest = validators_digest(&keys);
        Ok(Self {
            chain: genesis.chain_id().0,
            keys,
            orgs,
            digest,
        })
    }

    /// Id of the chain that they vote on.
    pub fn chain(&self) -> &Sm3Digest {
        &self.chain
    }

    /// Digest of the set, as headers carry it.
    pub fn digest(&self) -> &Sm3Digest {
        &self.digest
    }

    /// Their keys, in the order in which certificates number them.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The organisation whose validator has this place in [`Validators::keys`].
    pub fn org(&self, place: usize) -> Option<&OrgId> {
        self.orgs.get(place)
    }

    /// How many must sign: more than two thirds.
    pub fn quorum(&self) -> usize {
        self.keys.len() - (self.keys.len() - 1) / 3
    }

    /// Check that a header is of this chain, of a known version and under these validators.
    ///
    /// # Errors
    /// [`FinalityError::Chain`], [`FinalityError::Version`], [`FinalityError::ValidatorSet`].
    pub fn check_header(&self, header: &Header) -> Result<(), FinalityError> {
        let height = header.height;
        if header.chain.0 != self.chain {
            let (expected, found) = (self.chain, header.chain.0);
            return Err(FinalityError::Chain {
                height,
                expected,
                found,
            });
        }
        if header.version != HEADER_VERSION {
            return Err(FinalityError::Version {
                height,
                version: header.version.into(),
            });
        }
        if header.validators != self.digest {
            let (expected, found) = (self.digest, header.validators);
            return Err(FinalityError::ValidatorSet {
                height,
                expected,
                found,
            });
        }
        Ok(())
    }

    /// Check that `finality` certifies `header` itself; returns the signers' places in
    /// [`Validators::keys`].
    ///
    /// # Errors
    /// [`FinalityError`], naming the first thing that doesn't hold.
    pub fn verify(
        &self,
        header: &Header,
        finality: &Finality,
    ) -> Result<Vec<usize>, FinalityError> {
        self.check_header(header)?;
        check_subject(header, finality)?;
        let signers = self.signers(finality)?;
        let vote = self.vote(finality);
        for (&validator, signature) in signers.iter().zip(&finality.signatures) {
            self.keys[validator]
                .verify(Domain::VOTE, &vote, signature)
                .map_err(|_| FinalityError::Signature {
                    validator,
                    height: header.height,
                })?;
        }
        Ok(signers)
    }

    /// Places of those who signed, if the bitmap and the number of signatures are right.
    fn signers(&self, finality: &Finality) -> Result<Vec<usize>, FinalityError> {
        let validators = self.keys.len();
        let bitmap = &finality.signers;
        let misfit = FinalityError::Bitmap {
            bytes: bitmap.len(),
            validators,
        };
        if bitmap.len() != validators.div_ceil(8) {
            return Err(misfit);
        }
        let signers: Vec<usize> = (0..bitmap.len() * 8)
            .filter(|i| bitmap[i / 8] >> (i % 8) & 1 == 1)
            .collect();
        if signers.last().is_some_and(|last| *last >= validators) {
            return Err(misfit);
        }
        if signers.len() != finality.signatures.len() {
            let (signers, signatures) = (signers.len(), finality.signatures.len());
            return Err(FinalityError::Signatures {
                signers,
                signatures,
            });
        }
        let quorum = self.quorum();
        if signers.len() < quorum {
            return Err(FinalityError::Quorum {
                signers: signers.len(),
                validators,
                quorum,
            });
        }
        Ok(signers)
    }

    /// What a finalize vote signs.
    fn vote(&self, finality: &Finality) -> Vec<u8> {
        let namespace = [b"sealwire vote ".as_slice(), &self.chain.0, b"_FINALIZE"].concat();
        let mut vote = Vec::with_capacity(1 + namespace.len() + 30 + Sm3Digest::LEN);
        varint::put(&mut vote, namespace.len() as u64);
        vote.extend_from_slice(&namespace);
        varint::put(&mut vote, finality.epoch);
        varint::put(&mut vote, finality.view);
        varint::put(&mut vote, finality.parent_view);
        vote.extend_from_slice(&finality.payload.0);
        vote
    }

    /// Check that the first header of `proof` is final; returns it, and the signers' places.
    ///
    /// # Errors
    /// [`FinalityError`], naming the first thing that doesn't hold.
    pub fn verify_proof<'a>(
        &self,
        proof: &'a FinalityProof,
    ) -> Result<(&'a Header, Vec<usize>), FinalityError> {
        let headers = &proof.headers;
        let count = headers.len();
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else {
            return Err(FinalityError::Headers { count });
        };
        if count > HEADERS_MAX {
            return Err(FinalityError::Headers { count });
        }
        for header in headers {
            self.check_header(header)?;
        }
        for pair in headers.windows(2) {
            check_link(&pair[0], &pair[1])?;
        }
        let signers = self.verify(last, &proof.finality)?;
        Ok((first, signers))
    }
}

/// Check that `header` follows `parent`.
///
/// # Errors
/// [`FinalityError::Link`].
pub fn check_link(parent: &Header, header: &Header) -> Result<(), FinalityError> {
    let misfit = |what| {
        Err(FinalityError::Link {
            height: header.height,
            before: parent.height,
            what,
        })
    };
    if parent.height.checked_add(1) != Some(header.height) {
        misfit(Misfit::Height)
    } else if header.parent != parent.digest() {
        misfit(Misfit::Parent)
    } else if header.time_ms < parent.time_ms {
        misfit(Misfit::Time)
    } else {
        Ok(())
    }
}

fn check_subject(header: &Header, finality: &Finality) -> Result<(), FinalityError> {
    let what = if finality.epoch != header.epoch {
        "epoch"
    } else if finality.view != header.view {
        "view"
    } else if finality.parent_view != header.parent_view {
        "parent view"
    } else if finality.payload != header.digest() {
        "digest"
    } else {
        return Ok(());
    };
    Err(FinalityError::Subject {
        height: header.height,
        what,
    })
}
