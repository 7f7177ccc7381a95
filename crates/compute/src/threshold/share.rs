//! A holder's share: its file, and opening shares with their proofs.
//!
//! ```text
//! file = [version: 1, public: digest, holder: uint, secret: bstr .size 32]
//! ```
//! The program encrypts the file; these are its plain bytes.

use std::fmt;

use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use sealwire_envelope::{
    Blob, EvaluationId,
    compute::{COMPUTE_VERSION, ComputeKey, Evaluation, OpeningShare, SharePart},
};
use sealwire_sm::{Sm3Digest, sm3};
use sm2::{
    ProjectivePoint, Scalar,
    elliptic_curve::{Group as _, PrimeField as _},
};
use zeroize::{Zeroize as _, Zeroizing};

use super::{nonce, point_bytes, reduce};
use crate::{
    elgamal::{self, Ciphertext},
    open::{self, OpenError},
    scheme::{KeyError, decode_secret, encode_secret},
};

/// A holder's secret share of a key.
pub struct HolderShare {
    public: Sm3Digest,
    holder: u16,
    secret: elgamal::Secret,
}

impl fmt::Debug for HolderShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HolderShare({}, secret)", self.holder)
    }
}

/// A share that can't be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// The key isn't shared, or this isn't a share of it.
    #[error(
        "this is share {holder} of the public key {share}; the compute key names {public}, and no such share: take the file that belongs to it"
    )]
    Key {
        /// The share's number.
        holder: u16,
        /// Of which public key.
        share: Sm3Digest,
        /// What the compute key names.
        public: Sm3Digest,
    },
    /// Evaluation and ciphertexts don't belong together.
    #[error(transparent)]
    Open(#[from] OpenError),
}

#[derive(Encode, Decode)]
struct ShareFile {
    #[n(0)]
    version: u8,
    #[n(1)]
    public: Sm3Digest,
    #[n(2)]
    holder: u16,
    #[cbor(n(3), with = "minicbor::bytes")]
    secret: [u8; 32],
}

impl Drop for ShareFile {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl HolderShare {
    /// None for zero.
    pub(super) fn new(public: Sm3Digest, holder: u16, share: &Scalar) -> Option<Self> {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(share.to_repr().into());
        let secret = elgamal::Secret::from_bytes(bytes.as_ref()).ok()?;
        Some(Self {
            public,
            holder,
            secret,
        })
    }

    /// Its holder's number, from 1.
    pub fn holder(&self) -> u16 {
        self.holder
    }

    /// SM3 of the bytes of the public key that it is a share of.
    pub fn public(&self) -> Sm3Digest {
        self.public
    }

    /// The bytes of its file.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        encode_secret(&ShareFile {
            version: COMPUTE_VERSION,
            public: self.public,
            holder: self.holder,
            secret: *self.secret.expose(),
        })
    }

    /// Reads what [`HolderShare::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes aren't exactly that.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let file: ShareFile = decode_secret(bytes)?;
        if file.version != COMPUTE_VERSION {
            return Err(KeyError::Version(file.version));
        }
        let secret = elgamal::Secret::from_bytes(&file.secret)?;
        Ok(Self {
            public: file.public,
            holder: file.holder,
            secret,
        })
    }

    /// This holder's part in opening a result. Only for evaluations that were seen verified: see the
    /// module above.
    ///
    /// # Errors
    /// When the share isn't one of the key, or evaluation and ciphertexts don't belong together.
    pub fn open<R: CryptoRng>(
        &self,
        key: &ComputeKey,
        evaluation: &Evaluation,
        ciphertexts: &[Blob],
        rng: &mut R,
    ) -> Result<OpeningShare, ShareError> {
        let scalar = self.secret.scalar();
        let own = point_bytes(&ProjectivePoint::mul_by_generator(&scalar));
        let named = key.sharing.as_ref().and_then(|sharing| {
            sharing
                .holders
                .get(usize::from(self.holder).checked_sub(1)?)
        });
        if self.public != key.public || named.is_none_or(|named| *named.share.as_bytes() != own) {
            let (holder, share, public) = (self.holder, self.public, key.public);
            return Err(ShareError::Key {
                holder,
                share,
                public,
            });
        }
        open::check(key, evaluation, ciphertexts)?;
        let ciphertexts = open::elgamal_result(key, evaluation, ciphertexts)?;
        let id = evaluation.id();
        let parts = ciphertexts.iter().zip(0..).map(|(ciphertext, index)| {
            let first = ciphertext.first();
            let point = point_bytes(&(first * *scalar));
            let statement = statement(&id, self.holder, index, &own, ciphertext, &point);
            let k = nonce(&scalar, &[&statement], rng);
            let r1 = ProjectivePoint::mul_by_generator(&k);
            let challenge = challenge(&statement, &r1, &(first * *k));
            let response = *k + reduce(&challenge) * *scalar;
            SharePart {
                point,
                challenge: challenge.0,
                response: response.to_repr().into(),
            }
        });
        Ok(OpeningShare {
            version: COMPUTE_VERSION,
            evaluation: id,
            holder: self.holder,
            parts: parts.collect(),
        })
    }
}

/// What a proof is about.
pub(super) fn statement(
    evaluation: &EvaluationId,
    holder: u16,
    index: u32,
    public: &[u8; 33],
    ciphertext: &Ciphertext,
    point: &[u8; 33],
) -> Vec<u8> {
    let mut bytes = evaluation.0.as_ref().to_vec();
    bytes.extend(holder.to_be_bytes());
    bytes.extend(index.to_be_bytes());
    bytes.extend(public);
    bytes.extend(ciphertext.to_bytes());
    bytes.extend(point);
    bytes
}

pub(super) fn challenge(statement: &[u8], r1: &ProjectivePoint, r2: &ProjectivePoint) -> Sm3Digest {
    let (r1, r2) = (point_bytes(r1), point_bytes(r2));
    sm3(&[b"sealwire opening share", statement, &r1, &r2])
}
