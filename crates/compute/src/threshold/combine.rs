//! Checking opening shares, and opening with enough of them.

use std::fmt;

use sealwire_envelope::{
    Blob, ClientId,
    compute::{COMPUTE_VERSION, ComputeKey, Evaluation, OpeningShare, SharePart, Sharing},
};
use sealwire_sm::Sm3Digest;
use sm2::{ProjectivePoint, Scalar, elliptic_curve::Group as _};

use super::{
    invert, read_point, read_scalar, reduce,
    share::{challenge, statement},
};
use crate::{
    answer::{self, Answer},
    elgamal::{self, Ciphertext, curve::Point, to_sm2},
    open::{self, OpenError},
};

/// Why a share doesn't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShareFault {
    /// A version from the future.
    #[error("of another version")]
    Version,
    /// Of another evaluation.
    #[error("of another evaluation")]
    Evaluation,
    /// No such holder.
    #[error("there is no such holder")]
    Holder,
    /// A second share by the same holder.
    #[error("there is one by this holder already")]
    Repeated,
    /// Not one part for each ciphertext.
    #[error("not one part for each ciphertext")]
    Parts,
    /// A point or a number that isn't one.
    #[error("part {0} isn't a point of the curve and two numbers")]
    Malformed(u32),
    /// Not the share times the ciphertext.
    #[error("the proof of part {0} doesn't hold: it isn't this holder's share of this ciphertext")]
    Proof(u32),
}

/// A share that doesn't count, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongShare {
    /// The number that it claims.
    pub holder: u16,
    /// Whose number that is.
    pub client: Option<ClientId>,
    /// What is wrong.
    pub fault: ShareFault,
}

impl fmt::Display for WrongShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "share {}", self.holder)?;
        if let Some(client) = &self.client {
            write!(f, " of {client}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

/// What enough shares open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combined {
    /// The answer.
    pub answer: Answer,
    /// Shares that weren't right; the answer doesn't depend on them.
    pub wrong: Vec<WrongShare>,
}

/// Shares that don't open. **Never tell the gateway or a device** of [`CombineError::Open`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// The key isn't shared.
    #[error("the key isn't shared: its owner opens it")]
    Whole,
    /// Too few right shares.
    #[error("{good} right shares, {needed} are needed{}", list(.wrong))]
    Few {
        /// How many are right.
        good: usize,
        /// How many are needed.
        needed: usize,
        /// The wrong ones.
        wrong: Vec<WrongShare>,
    },
    /// Evaluation and ciphertexts don't belong together, or what comes out can't be.
    #[error(transparent)]
    Open(#[from] OpenError),
}

fn list(wrong: &[WrongShare]) -> String {
    wrong.iter().map(|share| format!("; {share}")).collect()
}

/// Checks a share alone.
///
/// # Errors
/// When it isn't the part that its holder's share has in this evaluation's result.
pub fn verify(
    key: &ComputeKey,
    evaluation: &Evaluation,
    ciphertexts: &[Blob],
    share: &OpeningShare,
) -> Result<(), CombineError> {
    let sharing = key.sharing.as_ref().ok_or(CombineError::Whole)?;
    open::check(key, evaluation, ciphertexts)?;
    let ciphertexts = open::elgamal_result(key, evaluation, ciphertexts)?;
    match points(sharing, evaluation, &ciphertexts, share) {
        Ok(_) => Ok(()),
        Err(fault) => {
            let (needed, wrong) = (sharing.threshold.into(), vec![named(sharing, share, fault)]);
            Err(CombineError::Few {
                good: 0,
                needed,
                wrong,
            })
        }
    }
}

/// Opens a result with the shares of enough holders; wrong ones are named and left out.
///
/// # Errors
/// When too few are right, or what comes out can't be.
pub fn combine(
    key: &ComputeKey,
    evaluation: &Evaluation,
    ciphertexts: &[Blob],
    shares: &[OpeningShare],
) -> Result<Combined, CombineError> {
    let sharing = key.sharing.as_ref().ok_or(CombineError::Whole)?;
    open::check(key, evaluation, ciphertexts)?;
    let ciphertexts = open::elgamal_result(key, evaluation, ciphertexts)?;
    let needed = usize::from(sharing.threshold);
    let mut good: Vec<(u16, Vec<ProjectivePoint>)> = Vec::with_capacity(needed);
    let mut wrong = Vec::new();
    for share in shares {
        let found = if good.iter().any(|(holder, _)| *holder == share.holder) {
            Err(ShareFault::Repeated)
        } else {
            points(sharing, evaluation, &ciphertexts, share)
        };
        match found {
            Ok(points) => good.push((share.holder, points)),
            Err(fault) => wrong.push(named(sharing, share, fault)),
        }
    }
    if good.len() < needed {
        return Err(CombineError::Few {
            good: good.len(),
            needed,
            wrong,
        });
    }
    good.truncate(needed);
    let holders: Vec<u16> = good.iter().map(|(holder, _)| *holder).collect();
    let mut numbers = Vec::with_capacity(ciphertexts.len());
    for (index, ciphertext) in ciphertexts.iter().enumerate() {
        let mut shared = ProjectivePoint::IDENTITY;
        for (i, (_, points)) in good.iter().enumerate() {
            shared += points[index] * at_zero(&holders, i);
        }
        let number = elgamal::open_with(ciphertext, &shared);
        numbers.push(number.ok_or(OpenError::Unreadable { index: index + 1 })?);
    }
    let answer = answer::of(key, evaluation, &numbers)?;
    Ok(Combined { answer, wrong })
}

fn named(sharing: &Sharing, share: &OpeningShare, fault: ShareFault) -> WrongShare {
    let index = usize::from(share.holder).checked_sub(1);
    let client = index.and_then(|index| sharing.holders.get(index));
    WrongShare {
        holder: share.holder,
        client: client.map(|holder| holder.client.clone()),
        fault,
    }
}

/// Lagrange's coefficient at 0 of the i-th of these places.
fn at_zero(holders: &[u16], i: usize) -> Scalar {
    let place = |holder: u16| Scalar::from(u64::from(holder));
    let others = holders.iter().enumerate().filter(|(j, _)| *j != i);
    let (above, below) = others.fold((Scalar::ONE, Scalar::ONE), |(above, below), (_, other)| {
        let other = place(*other);
        (above * other, below * (other - place(holders[i])))
    });
    above * invert(&below)
}

/// A share's points, once every proof holds.
fn points(
    sharing: &Sharing,
    evaluation: &Evaluation,
    ciphertexts: &[Ciphertext],
    share: &OpeningShare,
) -> Result<Vec<ProjectivePoint>, ShareFault> {
    if share.version != COMPUTE_VERSION {
        return Err(ShareFault::Version);
    }
    if share.evaluation != evaluation.id() {
        return Err(ShareFault::Evaluation);
    }
    let index = usize::from(share.holder).checked_sub(1);
    let holder = index.and_then(|index| sharing.holders.get(index));
    let public = holder.ok_or(ShareFault::Holder)?.share.as_bytes();
    if share.parts.len() != ciphertexts.len() {
        return Err(ShareFault::Parts);
    }
    let own = read_point(public).ok_or(ShareFault::Holder)?;
    let mut points = Vec::with_capacity(ciphertexts.len());
    for ((part, ciphertext), index) in share.parts.iter().zip(ciphertexts).zip(0u32..) {
        let statement = statement(
            &share.evaluation,
            share.holder,
            index,
            public,
            ciphertext,
            &part.point,
        );
        points.push(check_part(part, index, &own, ciphertext, &statement)?);
    }
    Ok(points)
}

fn check_part(
    part: &SharePart,
    index: u32,
    own: &ProjectivePoint,
    ciphertext: &Ciphertext,
    statement: &[u8],
) -> Result<ProjectivePoint, ShareFault> {
    let malformed = ShareFault::Malformed(index + 1);
    let point = to_sm2(&Point::from_bytes(&part.point).ok_or(malformed)?);
    let response = read_scalar(&part.response).ok_or(malformed)?;
    let claimed = Sm3Digest(part.challenge);
    let e = reduce(&claimed);
    let r1 = ProjectivePoint::mul_by_generator(&response) - *own * e;
    let r2 = ciphertext.first() * response - point * e;
    if challenge(statement, &r1, &r2) == claimed {
        Ok(point)
    } else {
        Err(ShareFault::Proof(index + 1))
    }
}
