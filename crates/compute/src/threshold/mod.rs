//! Keys of `sm2-elgamal-v1` that t of n holders share: only so many together open a result.
//!
//! ```text
//! Ceremony = [version: 1, owner: tstr, nonce: digest, threshold: uint, holders: [+ Seat]]
//! Seat     = [client: tstr, key: bstr .size 33]     SM2 key that pieces are sealed to
//! ceremony digest = SM3("sealwire sharing" || CBOR of Ceremony)
//!
//! Dealing  = [version: 1, ceremony: digest, dealer: uint, commitments: [t * bstr .size 33],
//!             challenge: bstr .size 32, response: bstr .size 32, sealed: [n * bstr]]
//! ```
//!
//! # Making a key
//! A *dealer* j draws a polynomial `f_j` of degree t-1 modulo the group's order n, publishes a
//! commitment `A_jk = a_jk G` to each coefficient, seals the *piece* `f_j(i)` to each holder i with
//! SM2, and proves that it knows `a_j0` (Schnorr). A holder checks its piece against the commitments:
//! `f_j(i) G = Σ_k i^k A_jk` (Feldman, "A practical scheme for non-interactive verifiable secret
//! sharing", 1987). The *dealings* are public; two ways to use them:
//!
//! | | Dealers | Who ever has the whole key |
//! |---|---|---|
//! | [`Ceremony::deal_alone`] | the owner, number 0 | the owner, until it forgets it |
//! | [`Ceremony::deal`] | every holder, numbers 1 to n | nobody (Pedersen, "A threshold cryptosystem without a trusted party", 1991) |
//!
//! The key is `P = Σ_j A_j0`, the share of holder i is `x_i = Σ_j f_j(i)`, its public half
//! `Y_i = x_i G` follows from the commitments. The proofs keep a dealer from choosing its part as a
//! function of the others'. A dealer that deals last can still try a few parts and choose among a few
//! keys (Gennaro, Jarecki, Krawczyk and Rabin 1999); that biases some bits of P and helps nobody open.
//!
//! All holders must use the same dealings. One that gets a wrong piece says so, and the dealer is left
//! out: with at least t dealers left, one of them is honest if fewer than t aren't. A dealing must come
//! over a channel that says who sent it, or as a [`SignedDealing`]:
//!
//! ```text
//! SignedDealing = [dealing: Dealing, signature: bstr .size 64]
//! signature     = SM2 by the dealer's key of its seat (by the owner's for number 0) over
//!                 "sealwire-dealing-v1" || 0x00 || CBOR of dealing
//! ```
//!
//! # Opening
//! For each ciphertext (C1, C2) of a result, a holder publishes `S_i = x_i C1` and proves that the
//! logarithm of S_i to C1 is that of Y_i to G (Chaum and Pedersen, "Wallet databases with observers",
//! 1992), made non-interactive with SM3:
//!
//! ```text
//! R1 = k G, R2 = k C1
//! challenge = SM3("sealwire opening share" || evaluation id || holder, 2 bytes || index, 4 bytes ||
//!                 Y_i || C1 || C2 || S_i || R1 || R2)            points 33 bytes, numbers big-endian
//! response  = k + challenge x_i mod n
//! check:      R1 = response G - challenge Y_i, R2 = response C1 - challenge S_i, same challenge
//! ```
//! So a share counts for one ciphertext of one evaluation by one holder. Any t right shares give
//! `d C1 = Σ λ_i S_i` with Lagrange's coefficients at 0; wrong ones are named ([`Combined::wrong`]).
//!
//! **A holder opens only what it has seen verified.** The proof says that a share is right, not that
//! the result deserves opening: a gateway could pass a single reading off as a mean. Evaluate again,
//! or have it done by someone you trust, before [`HolderShare::open`].
//!
//! # Invariants
//! - A share's public half on the ledger is a point of the polynomial whose value at 0 is the key:
//!   [`check_sharing`] refuses a key of which that isn't so.
//! - Shares, pieces and nonces are in constant time and zeroised. A nonce is a function of the share,
//!   the statement and fresh random bytes: a bad random source alone doesn't give the share away.

mod combine;
mod deal;
mod share;

use sealwire_envelope::{
    ClientId,
    compute::{ComputeKey, HOLDERS_MAX, ParameterSet},
};
use sealwire_sm::{Sm3Digest, sm3};
use sm2::{
    ProjectivePoint, Scalar,
    elliptic_curve::{Group as _, ops::Reduce as _},
};
use zeroize::Zeroizing;

pub use combine::{CombineError, Combined, ShareFault, WrongShare, combine, verify};
pub use deal::{
    CEREMONY_MAX_BYTES, Ceremony, CeremonyError, DEALING_MAX_BYTES, Dealing, DealingError, Seat,
    SignedDealing,
};
pub use share::{HolderShare, ShareError};

use crate::elgamal::{
    curve::{POINT_LEN, Point},
    from_sm2, to_sm2,
};

/// A key's sharing that doesn't hold together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharingError {
    /// Of a scheme that can't be shared.
    #[error("only keys of sm2-elgamal-v1 can be shared: make one of that parameter set")]
    Parameters,
    /// A threshold that can't be.
    #[error(
        "{threshold} of {holders} holders: a threshold is 1 to the number of holders, and there are at most {HOLDERS_MAX}"
    )]
    Threshold {
        /// How many open together.
        threshold: u16,
        /// How many there are.
        holders: usize,
    },
    /// A holder twice.
    #[error("{0} is a holder twice: each once")]
    Twice(ClientId),
    /// Not a public key.
    #[error("the public key isn't a compressed point of the SM2 curve")]
    Public,
    /// Shares that don't open for the key.
    #[error(
        "the holders' public shares aren't shares of the public key: make the sharing from the dealings again"
    )]
    Inconsistent,
}

/// Checks that any `threshold` holders' shares are shares of the key's secret half: that the key and
/// all public shares are values of one polynomial of degree below the threshold. Holds for a key
/// without sharing.
///
/// One multiplication for each holder, by a random word of the dual code (Cascudo and David, "SCRAPE",
/// 2017, lemma 1), which is drawn with SM3 from what is checked.
///
/// # Errors
/// When it isn't so; the chance that it isn't and this doesn't say so is 2^-128.
pub fn check_sharing(key: &ComputeKey, public: &[u8]) -> Result<(), SharingError> {
    let Some(sharing) = &key.sharing else {
        return Ok(());
    };
    if key.parameters != ParameterSet::Sm2ElgamalV1 {
        return Err(SharingError::Parameters);
    }
    let clients: Vec<&ClientId> = sharing
        .holders
        .iter()
        .map(|holder| &holder.client)
        .collect();
    check_terms(sharing.threshold, &clients)?;
    let public: &[u8; POINT_LEN] = public.try_into().map_err(|_| SharingError::Public)?;
    let mut points = vec![read_point(public).ok_or(SharingError::Public)?];
    let mut seed = b"sealwire check of shares".to_vec();
    seed.extend(sharing.threshold.to_be_bytes());
    seed.extend(public);
    for holder in &sharing.holders {
        let bytes = holder.share.as_bytes();
        points.push(read_point(bytes).ok_or(SharingError::Inconsistent)?);
        seed.extend(bytes);
    }
    let seed = sm3(&[&seed]);
    // A polynomial r of degree n - t over the n + 1 places 0, 1, … n.
    let terms = points.len() - usize::from(sharing.threshold);
    let draw = |i: u32| reduce(&sm3(&[seed.as_ref(), &i.to_be_bytes()]));
    let coefficients: Vec<Scalar> = (0..terms as u32).map(draw).collect();
    let places: Vec<Scalar> = (0..points.len() as u64).map(Scalar::from).collect();
    let mut sum = ProjectivePoint::IDENTITY;
    for (i, point) in points.iter().enumerate() {
        let r = coefficients
            .iter()
            .rev()
            .fold(Scalar::ZERO, |r, c| r * places[i] + c);
        let others = places.iter().enumerate().filter(|(j, _)| *j != i);
        let product = others.fold(Scalar::ONE, |product, (_, place)| {
            product * (places[i] - place)
        });
        sum += *point * (r * invert(&product));
    }
    if bool::from(sum.is_identity()) {
        Ok(())
    } else {
        Err(SharingError::Inconsistent)
    }
}

fn check_terms(threshold: u16, clients: &[&ClientId]) -> Result<(), SharingError> {
    let holders = clients.len();
    if holders > HOLDERS_MAX || !(1..=holders).contains(&usize::from(threshold)) {
        return Err(SharingError::Threshold { threshold, holders });
    }
    for (i, client) in clients.iter().enumerate() {
        if clients[..i].contains(client) {
            return Err(SharingError::Twice((*client).clone()));
        }
    }
    Ok(())
}

/// A point other than infinity.
fn read_point(bytes: &[u8; POINT_LEN]) -> Option<ProjectivePoint> {
    let point = Point::from_bytes(bytes)?;
    (!point.is_infinity()).then(|| to_sm2(&point))
}

/// 33 bytes, zeros for infinity.
fn point_bytes(point: &ProjectivePoint) -> [u8; POINT_LEN] {
    from_sm2(&point.to_affine()).to_bytes()
}

/// A digest modulo the group's order.
fn reduce(digest: &Sm3Digest) -> Scalar {
    Scalar::reduce(&sm2::FieldBytes::from(digest.0))
}

/// The inverse of a number that isn't zero.
fn invert(scalar: &Scalar) -> Scalar {
    Option::from(scalar.invert()).expect("differences of small places aren't zero")
}

/// A number below the group's order, big-endian.
fn read_scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    use sm2::elliptic_curve::PrimeField as _;
    Option::from(Scalar::from_repr((*bytes).into()))
}

/// A nonce: 512 bits of SM3 over a secret, the statement and fresh random bytes, modulo the order.
fn nonce<R: rand_core::CryptoRng>(
    secret: &Scalar,
    statement: &[&[u8]],
    rng: &mut R,
) -> Zeroizing<Scalar> {
    use sm2::elliptic_curve::PrimeField as _;
    let mut random = Zeroizing::new([0; 32]);
    rng.fill_bytes(random.as_mut());
    let secret: Zeroizing<[u8; 32]> = Zeroizing::new(secret.to_repr().into());
    let half = |which: u8| {
        let which = [which];
        let mut parts: Vec<&[u8]> =
            vec![b"sealwire nonce", &which, secret.as_ref(), random.as_ref()];
        parts.extend(statement);
        Zeroizing::new(reduce(&sm3(&parts)))
    };
    let shift = Scalar::from(1u64 << 32).square().square().square();
    Zeroizing::new(*half(0) * shift + *half(1))
}
