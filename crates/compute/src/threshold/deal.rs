//! Ceremonies and dealings: see the module above.

use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use sealwire_envelope::{
    Blob, ClientId, DecodeError,
    codec::{decode_bounded, encode},
    compute::{COMPUTE_VERSION, Holder, Sharing},
};
use sealwire_sm::{Domain, PublicKey, SecretKey, Signature, Sm3Digest, sm3};
use sm2::{
    NonZeroScalar, ProjectivePoint, Scalar,
    elliptic_curve::{Generate as _, Group as _, PrimeField as _},
};
use zeroize::Zeroizing;

use super::{
    SharingError, check_terms, nonce, point_bytes, read_point, read_scalar, reduce,
    share::HolderShare,
};
use crate::elgamal::{self, curve::POINT_LEN};

/// Longest dealing that is read, in bytes: 100 commitments and 100 sealed pieces have half of it.
pub const DEALING_MAX_BYTES: usize = 64 * 1024;

/// Longest ceremony that is read, in bytes: 100 holders with the longest names have half of it.
pub const CEREMONY_MAX_BYTES: usize = 32 * 1024;

/// What dealers and holders agree on beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ceremony {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Whose compute key it will be.
    #[n(1)]
    pub owner: ClientId,
    /// 32 random bytes: no dealing of one ceremony counts in another.
    #[n(2)]
    pub nonce: Sm3Digest,
    /// So many holders open together.
    #[n(3)]
    pub threshold: u16,
    /// The holders; the first is number 1.
    #[n(4)]
    pub holders: Vec<Seat>,
}

/// A holder-to-be.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Seat {
    /// Who.
    #[n(0)]
    pub client: ClientId,
    /// What its pieces are sealed to, such as its certificate's key.
    #[n(1)]
    pub key: PublicKey,
}

/// A dealer's public part of a ceremony.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Dealing {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Of which ceremony: its digest.
    #[n(1)]
    pub ceremony: Sm3Digest,
    /// 0 for the owner alone, else the dealing holder's number.
    #[n(2)]
    pub dealer: u16,
    /// To the coefficients of the dealer's polynomial, the lowest first; SEC1 compressed.
    #[n(3)]
    pub commitments: Vec<Blob>,
    /// That the dealer knows the lowest coefficient: the challenge.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub challenge: [u8; 32],
    /// The response.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub response: [u8; 32],
    /// For each holder its piece, 32 bytes, sealed with SM2.
    #[n(6)]
    pub sealed: Vec<Blob>,
}

/// Terms that make no ceremony, or dealings that make no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CeremonyError {
    /// The terms.
    #[error(transparent)]
    Terms(#[from] SharingError),
    /// Not in the format.
    #[error(transparent)]
    Format(#[from] DecodeError),
    /// A version from the future.
    #[error("ceremony of version {0}: this program knows version {COMPUTE_VERSION}")]
    Version(u8),
    /// No such holder.
    #[error("holder {holder} of {holders}: numbers start with 1")]
    Holder {
        /// Which.
        holder: u16,
        /// How many there are.
        holders: usize,
    },
    /// Too few dealings to be sure that one is honest.
    #[error(
        "{found} dealings: take one by the owner alone (number 0), or at least {threshold} by different holders"
    )]
    Dealings {
        /// How many.
        found: usize,
        /// How many are needed.
        threshold: u16,
    },
    /// A dealing isn't right.
    #[error("the dealing of dealer {dealer}: {fault}; make the key without it")]
    Dealing {
        /// Whose.
        dealer: u16,
        /// What is wrong.
        fault: DealingError,
    },
    /// The pieces add up to zero: chance says never.
    #[error("the dealings add up to nothing: hold the ceremony again")]
    Zero,
    /// The key that pieces were sealed to isn't the holder's.
    #[error("the secret key isn't the one that holder {0}'s pieces are sealed to")]
    Key(u16),
}

/// A dealing that isn't right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DealingError {
    /// Of another version or ceremony, or in a shape that the ceremony doesn't have.
    #[error("it doesn't belong to this ceremony")]
    Ceremony,
    /// A commitment isn't a point.
    #[error("a commitment isn't a point of the curve")]
    Commitment,
    /// Signed by another, or not at all.
    #[error("it isn't signed by its dealer")]
    Signature,
    /// The proof doesn't hold.
    #[error("the proof that the dealer knows its secret doesn't hold")]
    Proof,
    /// A piece can't be unsealed.
    #[error("the piece for holder {0} can't be unsealed")]
    Sealed(u16),
    /// A piece isn't what was committed to.
    #[error("the piece for holder {0} isn't the one that was committed to")]
    Piece(u16),
}

impl Dealing {
    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`Dealing::to_bytes`] wrote.
    ///
    /// # Errors
    /// When they aren't one dealing; whether it is right is for [`Ceremony::check`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_bounded(bytes, DEALING_MAX_BYTES)
    }
}

/// A dealing that its dealer signed: so that nobody deals in another's name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedDealing {
    /// What is signed.
    #[n(0)]
    pub dealing: Dealing,
    /// The dealer's signature, by the key of its seat; by the owner's for dealer 0.
    #[n(1)]
    pub signature: Signature,
}

impl SignedDealing {
    /// Signs `dealing`.
    pub fn sign(dealing: Dealing, key: &SecretKey) -> Self {
        let signature = key.sign(Domain::DEALING, &encode(&dealing));
        Self { dealing, signature }
    }

    /// Checks the signature; `owner` is the key of the ceremony's owner, who is dealer 0.
    ///
    /// # Errors
    /// [`DealingError::Signature`]; [`DealingError::Ceremony`] where there is no such dealer.
    pub fn verify(&self, ceremony: &Ceremony, owner: &PublicKey) -> Result<(), DealingError> {
        let key = match usize::from(self.dealing.dealer).checked_sub(1) {
            None => owner,
            Some(seat) => {
                &ceremony
                    .holders
                    .get(seat)
                    .ok_or(DealingError::Ceremony)?
                    .key
            }
        };
        key.verify(Domain::DEALING, &encode(&self.dealing), &self.signature)
            .map_err(|_| DealingError::Signature)
    }

    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`SignedDealing::to_bytes`] wrote.
    ///
    /// # Errors
    /// When they aren't one signed dealing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_bounded(bytes, DEALING_MAX_BYTES)
    }
}

impl Ceremony {
    /// The bytes that dealers and holders get.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`Ceremony::to_bytes`] wrote.
    ///
    /// # Errors
    /// When they aren't one ceremony, or its terms make none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CeremonyError> {
        let ceremony: Self = decode_bounded(bytes, CEREMONY_MAX_BYTES)?;
        ceremony.check_terms()?;
        Ok(ceremony)
    }

    /// A holder's number.
    pub fn number_of(&self, client: &ClientId) -> Option<u16> {
        let seat = self.holders.iter().position(|seat| seat.client == *client);
        seat.and_then(|seat| u16::try_from(seat + 1).ok())
    }

    /// Who has this number: 0 is the owner.
    pub fn client_of(&self, dealer: u16) -> Option<&ClientId> {
        match usize::from(dealer).checked_sub(1) {
            None => Some(&self.owner),
            Some(seat) => self.holders.get(seat).map(|seat| &seat.client),
        }
    }

    /// What it is known by.
    pub fn digest(&self) -> Sm3Digest {
        sm3(&[b"sealwire sharing", &encode(self)])
    }

    fn check_terms(&self) -> Result<(), CeremonyError> {
        if self.version != COMPUTE_VERSION {
            return Err(CeremonyError::Version(self.version));
        }
        let clients: Vec<&ClientId> = self.holders.iter().map(|seat| &seat.client).collect();
        Ok(check_terms(self.threshold, &clients)?)
    }

    fn check_holder(&self, holder: u16) -> Result<(), CeremonyError> {
        let holders = self.holders.len();
        if (1..=holders).contains(&usize::from(holder)) {
            Ok(())
        } else {
            Err(CeremonyError::Holder { holder, holders })
        }
    }

    /// Deals a holder's part of a key that nobody has whole.
    ///
    /// # Errors
    /// When the terms make no ceremony or there is no such holder.
    pub fn deal<R: CryptoRng>(&self, holder: u16, rng: &mut R) -> Result<Dealing, CeremonyError> {
        self.check_terms()?;
        self.check_holder(holder)?;
        let secret = elgamal::Secret::generate(rng);
        Ok(self.deal_secret(holder, &secret, rng))
    }

    /// Shares a key that its owner has whole, as the only dealer.
    ///
    /// # Errors
    /// When the terms make no ceremony.
    pub fn deal_alone<R: CryptoRng>(
        &self,
        secret: &elgamal::Secret,
        rng: &mut R,
    ) -> Result<Dealing, CeremonyError> {
        self.check_terms()?;
        Ok(self.deal_secret(0, secret, rng))
    }

    fn deal_secret<R: CryptoRng>(
        &self,
        dealer: u16,
        secret: &elgamal::Secret,
        rng: &mut R,
    ) -> Dealing {
        let mut polynomial = Zeroizing::new(Vec::with_capacity(self.threshold.into()));
        polynomial.push(*secret.scalar());
        for _ in 1..self.threshold {
            polynomial.push(*NonZeroScalar::generate_from_rng(rng));
        }
        let commit = |a: &Scalar| point_bytes(&ProjectivePoint::mul_by_generator(a));
        let commitments: Vec<[u8; POINT_LEN]> = polynomial.iter().map(commit).collect();
        let mut sealed = Vec::with_capacity(self.holders.len());
        for (place, seat) in (1u64..).zip(&self.holders) {
            let place = Scalar::from(place);
            let piece = polynomial
                .iter()
                .rev()
                .fold(Scalar::ZERO, |sum, a| sum * place + a);
            let piece = Zeroizing::new(piece);
            let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(piece.to_repr().into());
            sealed.push(Blob(seat.key.seal(rng, bytes.as_ref())));
        }
        let ceremony = self.digest();
        let statement = statement(&ceremony, dealer, &commitments);
        let k = nonce(&polynomial[0], &[&statement], rng);
        let challenge = challenge(&statement, &ProjectivePoint::mul_by_generator(&k));
        let response = *k + reduce(&challenge) * polynomial[0];
        Dealing {
            version: COMPUTE_VERSION,
            ceremony,
            dealer,
            commitments: commitments
                .iter()
                .map(|bytes| Blob(bytes.to_vec()))
                .collect(),
            challenge: challenge.0,
            response: response.to_repr().into(),
            sealed,
        }
    }

    /// Checks what anyone can check of a dealing.
    ///
    /// # Errors
    /// When it isn't of this ceremony, or its commitments or its proof aren't right.
    pub fn check(&self, dealing: &Dealing) -> Result<(), DealingError> {
        self.commitments(dealing).map(|_| ())
    }

    /// A dealing's commitments, once everything that is public about it is right.
    fn commitments(&self, dealing: &Dealing) -> Result<Vec<ProjectivePoint>, DealingError> {
        let belongs = dealing.version == COMPUTE_VERSION
            && dealing.ceremony == self.digest()
            && usize::from(dealing.dealer) <= self.holders.len()
            && dealing.commitments.len() == usize::from(self.threshold)
            && dealing.sealed.len() == self.holders.len();
        if !belongs {
            return Err(DealingError::Ceremony);
        }
        let mut bytes: Vec<[u8; POINT_LEN]> = Vec::with_capacity(dealing.commitments.len());
        let mut points = Vec::with_capacity(dealing.commitments.len());
        for commitment in &dealing.commitments {
            let commitment = commitment.as_ref().try_into();
            let commitment = commitment.map_err(|_| DealingError::Commitment)?;
            points.push(read_point(commitment).ok_or(DealingError::Commitment)?);
            bytes.push(*commitment);
        }
        let response = read_scalar(&dealing.response).ok_or(DealingError::Proof)?;
        let claimed = Sm3Digest(dealing.challenge);
        let r = ProjectivePoint::mul_by_generator(&response) - points[0] * reduce(&claimed);
        let statement = statement(&dealing.ceremony, dealing.dealer, &bytes);
        if challenge(&statement, &r) != claimed {
            return Err(DealingError::Proof);
        }
        Ok(points)
    }

    /// The key and its sharing, from the dealings of all dealers that weren't left out: the bytes of
    /// the public key and what the ledger has of the holders.
    ///
    /// # Errors
    /// When dealings aren't right, there are too few, or two are by one dealer.
    pub fn sharing(&self, dealings: &[Dealing]) -> Result<(Vec<u8>, Sharing), CeremonyError> {
        let sum = self.sum(dealings)?;
        let mut holders = Vec::with_capacity(self.holders.len());
        for (number, seat) in (1..).zip(&self.holders) {
            let share = point_bytes(&value_at(&sum, number));
            holders.push(Holder {
                client: seat.client.clone(),
                // Infinity is no key.
                share: PublicKey::from_sec1(&share).map_err(|_| CeremonyError::Zero)?,
            });
        }
        if bool::from(sum[0].is_identity()) {
            return Err(CeremonyError::Zero);
        }
        let threshold = self.threshold;
        Ok((
            point_bytes(&sum[0]).to_vec(),
            Sharing { threshold, holders },
        ))
    }

    /// The commitments of all dealings together.
    fn sum(&self, dealings: &[Dealing]) -> Result<Vec<ProjectivePoint>, CeremonyError> {
        self.check_terms()?;
        let (found, threshold) = (dealings.len(), self.threshold);
        let mut dealers: Vec<u16> = dealings.iter().map(|dealing| dealing.dealer).collect();
        dealers.sort_unstable();
        dealers.dedup();
        let alone = dealers == [0];
        let enough = alone || (dealers.len() >= threshold.into() && !dealers.contains(&0));
        if !enough || dealers.len() != found {
            return Err(CeremonyError::Dealings { found, threshold });
        }
        let mut sum = vec![ProjectivePoint::IDENTITY; threshold.into()];
        for dealing in dealings {
            let dealer = dealing.dealer;
            let points = self.commitments(dealing);
            let points = points.map_err(|fault| CeremonyError::Dealing { dealer, fault })?;
            for (sum, point) in sum.iter_mut().zip(points) {
                *sum += point;
            }
        }
        Ok(sum)
    }

    /// A holder's share, from the same dealings that [`Ceremony::sharing`] makes the key from.
    ///
    /// # Errors
    /// As [`Ceremony::sharing`], and when a piece isn't the one that was committed to: then the
    /// holder must say so to all, and all leave that dealer out.
    pub fn receive(
        &self,
        dealings: &[Dealing],
        holder: u16,
        key: &SecretKey,
    ) -> Result<HolderShare, CeremonyError> {
        self.check_holder(holder)?;
        let (public, _) = self.sharing(dealings)?;
        if *key.public_key() != self.holders[usize::from(holder) - 1].key {
            return Err(CeremonyError::Key(holder));
        }
        let mut share = Zeroizing::new(Scalar::ZERO);
        for dealing in dealings {
            let dealer = dealing.dealer;
            let piece = self.piece(dealing, holder, key);
            let piece = piece.map_err(|fault| CeremonyError::Dealing { dealer, fault })?;
            *share += *piece;
        }
        HolderShare::new(sm3(&[&public]), holder, &share).ok_or(CeremonyError::Zero)
    }

    fn piece(
        &self,
        dealing: &Dealing,
        holder: u16,
        key: &SecretKey,
    ) -> Result<Zeroizing<Scalar>, DealingError> {
        let points = self.commitments(dealing)?;
        let sealed = &dealing.sealed[usize::from(holder) - 1];
        let bytes = key.open(sealed).map_err(|_| DealingError::Sealed(holder))?;
        let bytes: &[u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| DealingError::Piece(holder))?;
        let piece = Zeroizing::new(read_scalar(bytes).ok_or(DealingError::Piece(holder))?);
        if ProjectivePoint::mul_by_generator(&piece) == value_at(&points, holder) {
            Ok(piece)
        } else {
            Err(DealingError::Piece(holder))
        }
    }
}

/// A polynomial "in the exponent", at a holder's place.
fn value_at(commitments: &[ProjectivePoint], holder: u16) -> ProjectivePoint {
    let place = Scalar::from(u64::from(holder));
    let zero = ProjectivePoint::IDENTITY;
    commitments
        .iter()
        .rev()
        .fold(zero, |sum, point| sum * place + point)
}

fn statement(ceremony: &Sm3Digest, dealer: u16, commitments: &[[u8; POINT_LEN]]) -> Vec<u8> {
    let mut bytes = ceremony.as_ref().to_vec();
    bytes.extend(dealer.to_be_bytes());
    bytes.extend(commitments.as_flattened());
    bytes
}

/// `SM3("sealwire dealing" || ceremony digest || dealer, 2 bytes || A_0 || … || k G)`.
fn challenge(statement: &[u8], r: &ProjectivePoint) -> Sm3Digest {
    sm3(&[b"sealwire dealing", statement, &point_bytes(r)])
}
