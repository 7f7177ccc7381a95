//! Exponential ElGamal on the SM2 curve (ISO/IEC 18033-6:2019 §6.2, over GB/T 32918.5-2017).
//!
//! ```text
//! secret  d in [1, n-1]            public  P = d * G, SEC1 compressed, 33 bytes
//! encrypt m: r random, C1 = r * G, C2 = r * P + m * G
//! ciphertext = C1 || C2, 33 bytes each: SEC1 compressed; infinity is 33 zeros
//! open: m * G = C2 - d * C1, then a small discrete logarithm: |m| <= 2^40
//! ```
//!
//! Encrypting and opening are in constant time (the `sm2` crate), but for the logarithm, which the
//! owner takes at home. Adding is in variable time: ciphertexts are public.

pub(crate) mod curve;
mod field;
mod logarithm;

use std::fmt;

use rand_core::CryptoRng;
use sm2::{
    AffinePoint, NonZeroScalar, ProjectivePoint, Scalar,
    elliptic_curve::{
        Generate as _, Group as _, PrimeField as _,
        ops::Neg as _,
        point::{AffineCoordinates as _, BatchNormalize as _},
        subtle::{Choice, ConditionallySelectable as _},
    },
};
use zeroize::Zeroizing;

pub use curve::POINT_LEN;
use curve::Point;
pub use logarithm::{LIMIT, prepare};

/// Length of a ciphertext in bytes.
pub const CIPHERTEXT_LEN: usize = 2 * POINT_LEN;
/// Length of a secret key in bytes.
pub const SECRET_LEN: usize = 32;

/// Bytes that aren't what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// Not a ciphertext.
    #[error(
        "not an ElGamal ciphertext: need {CIPHERTEXT_LEN} bytes, two compressed points of the SM2 curve"
    )]
    Ciphertext,
    /// Not a public key.
    #[error(
        "not an ElGamal public key: need {POINT_LEN} bytes, a compressed point of the SM2 curve"
    )]
    Public,
    /// Not a secret key.
    #[error("not an ElGamal secret key: need {SECRET_LEN} bytes, a number from 1 to n-1")]
    Secret,
}

/// A secret scalar.
pub struct Secret(Zeroizing<NonZeroBytes>);

type NonZeroBytes = [u8; SECRET_LEN];

impl Secret {
    /// A fresh one.
    pub fn generate<R: CryptoRng>(rng: &mut R) -> Self {
        let scalar = Zeroizing::new(NonZeroScalar::generate_from_rng(rng));
        Self(Zeroizing::new(scalar.to_repr().into()))
    }

    /// From 32 bytes, big-endian.
    ///
    /// # Errors
    /// When it is zero or not below the group's order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BytesError> {
        let bytes: NonZeroBytes = bytes.try_into().map_err(|_| BytesError::Secret)?;
        let secret = Self(Zeroizing::new(bytes));
        let scalar = Option::<Scalar>::from(Scalar::from_repr(bytes.into()));
        let scalar = Zeroizing::new(scalar.ok_or(BytesError::Secret)?);
        if bool::from(scalar.is_zero()) {
            return Err(BytesError::Secret);
        }
        Ok(secret)
    }

    /// The 32 bytes, for a key file.
    pub fn expose(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }

    pub(crate) fn scalar(&self) -> Zeroizing<Scalar> {
        let scalar = Option::<Scalar>::from(Scalar::from_repr((*self.0).into()));
        Zeroizing::new(scalar.expect("checked when it was made"))
    }

    /// Its public half.
    pub fn public(&self) -> Public {
        let point = ProjectivePoint::mul_by_generator(&self.scalar());
        Public(point.to_affine())
    }

    /// The small number inside a ciphertext; none if it isn't within ±[`LIMIT`].
    pub fn open(&self, ciphertext: &Ciphertext) -> Option<i64> {
        open_with(ciphertext, &(ciphertext.first() * *self.scalar()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("elgamal::Secret(secret)")
    }
}

/// The number of a ciphertext, given `d * C1`; in constant time up to the logarithm.
pub(crate) fn open_with(ciphertext: &Ciphertext, shared: &ProjectivePoint) -> Option<i64> {
    let message = to_sm2(&ciphertext.1) - shared;
    logarithm::small(&from_sm2(&message.to_affine()))
}

/// A public point that readings are encrypted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Public(AffinePoint);

impl Public {
    /// Reads 33 bytes of SEC1.
    ///
    /// # Errors
    /// When they aren't exactly one compressed point of the curve other than infinity.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BytesError> {
        let bytes: &[u8; POINT_LEN] = bytes.try_into().map_err(|_| BytesError::Public)?;
        match Point::from_bytes(bytes) {
            Some(point) if !point.is_infinity() => Ok(Self(to_sm2(&point).to_affine())),
            _ => Err(BytesError::Public),
        }
    }

    /// 33 bytes of SEC1.
    pub fn to_bytes(&self) -> [u8; POINT_LEN] {
        from_sm2(&self.0).to_bytes()
    }

    /// Encrypts each of `numbers`, in constant time.
    pub fn encrypt<R: CryptoRng>(&self, numbers: &[i64], rng: &mut R) -> Vec<[u8; CIPHERTEXT_LEN]> {
        let public = ProjectivePoint::from(self.0);
        let mut points = Vec::with_capacity(2 * numbers.len());
        for number in numbers {
            let r = Zeroizing::new(NonZeroScalar::generate_from_rng(rng));
            let message = Zeroizing::new(scalar(*number));
            points.push(ProjectivePoint::mul_by_generator(&r));
            points.push(public * **r + ProjectivePoint::mul_by_generator(&message));
        }
        let affine = ProjectivePoint::batch_normalize(points.as_slice());
        affine
            .chunks_exact(2)
            .map(|pair| Ciphertext(from_sm2(&pair[0]), from_sm2(&pair[1])).to_bytes())
            .collect()
    }
}

/// A number as a scalar, in constant time.
fn scalar(number: i64) -> Scalar {
    let sign = (number >> 63) as u64;
    let magnitude = Scalar::from((number as u64 ^ sign).wrapping_sub(sign));
    Scalar::conditional_select(&magnitude, &magnitude.neg(), Choice::from((sign & 1) as u8))
}

/// A ciphertext: two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ciphertext(Point, Point);

impl Ciphertext {
    /// Of the number 0, without any randomness: where a sum starts.
    pub const ZERO: Self = Self(Point::INFINITY, Point::INFINITY);

    /// Reads 66 bytes.
    ///
    /// # Errors
    /// When they aren't exactly two compressed points of the curve.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BytesError> {
        let bytes: &[u8; CIPHERTEXT_LEN] = bytes.try_into().map_err(|_| BytesError::Ciphertext)?;
        let (first, second) = bytes.split_at(POINT_LEN);
        let half = |part: &'_ [u8]| <[u8; POINT_LEN]>::try_from(part).expect("33 bytes");
        let points = Point::pair_from_bytes([&half(first), &half(second)]);
        let [first, second] = points.ok_or(BytesError::Ciphertext)?;
        Ok(Self(first, second))
    }

    /// The 66 bytes.
    pub fn to_bytes(&self) -> [u8; CIPHERTEXT_LEN] {
        let mut bytes = [0; CIPHERTEXT_LEN];
        bytes[..POINT_LEN].copy_from_slice(&self.0.to_bytes());
        bytes[POINT_LEN..].copy_from_slice(&self.1.to_bytes());
        bytes
    }

    /// The first point, as the constant-time arithmetic has it.
    pub(crate) fn first(&self) -> ProjectivePoint {
        to_sm2(&self.0)
    }
}

/// The sum of ciphertexts.
pub fn sum(ciphertexts: &[Ciphertext]) -> Ciphertext {
    let half = |of: fn(&Ciphertext) -> Point| {
        let points: Vec<Point> = ciphertexts.iter().map(of).collect();
        curve::sum(&points)
    };
    Ciphertext(half(|c| c.0), half(|c| c.1))
}

/// Adds `others` to `ciphertexts`, one to one.
pub fn add_each(ciphertexts: &[Ciphertext], others: &[Ciphertext]) -> Vec<Ciphertext> {
    both_halves(ciphertexts, |points, of| {
        let others: Vec<Point> = others.iter().map(of).collect();
        curve::add_each(points, &others)
    })
}

/// Multiplies each ciphertext by a public number.
pub fn multiply_all(ciphertexts: &[Ciphertext], factor: i64) -> Vec<Ciphertext> {
    both_halves(ciphertexts, |points, _| curve::multiply_all(points, factor))
}

/// Adds a public number to each ciphertext.
pub fn add_number(ciphertexts: &[Ciphertext], number: i64) -> Vec<Ciphertext> {
    let point = ProjectivePoint::mul_by_generator(&scalar(number)).to_affine();
    let seconds: Vec<Point> = ciphertexts.iter().map(|c| c.1).collect();
    let seconds = curve::add_to_all(&seconds, &from_sm2(&point));
    let pairs = ciphertexts.iter().zip(seconds);
    pairs.map(|(c, second)| Ciphertext(c.0, second)).collect()
}

fn both_halves(
    ciphertexts: &[Ciphertext],
    change: impl Fn(&[Point], fn(&Ciphertext) -> Point) -> Vec<Point>,
) -> Vec<Ciphertext> {
    let half = |of: fn(&Ciphertext) -> Point| {
        let points: Vec<Point> = ciphertexts.iter().map(of).collect();
        change(&points, of)
    };
    let pairs = half(|c| c.0).into_iter().zip(half(|c| c.1));
    pairs
        .map(|(first, second)| Ciphertext(first, second))
        .collect()
}

/// A point for the constant-time arithmetic.
pub(crate) fn to_sm2(point: &Point) -> ProjectivePoint {
    let Some((x, y)) = point.coordinates() else {
        return ProjectivePoint::IDENTITY;
    };
    let affine = AffinePoint::from_coordinates(&x.into(), &y.into());
    let affine = Option::<AffinePoint>::from(affine);
    affine.expect("a point of the curve is one for both").into()
}

/// A point of the constant-time arithmetic, once it is public.
pub(crate) fn from_sm2(point: &AffinePoint) -> Point {
    if bool::from(point.is_identity()) {
        return Point::INFINITY;
    }
    Point::from_coordinates(&point.x().into(), &point.y().into())
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn what_is_added_up_is_what_comes_out() {
        let rng = &mut StdRng::seed_from_u64(1);
        let secret = Secret::generate(rng);
        let public = Public::from_bytes(&secret.public().to_bytes()).unwrap();
        let numbers: Vec<i64> = (0..50)
            .map(|_| rng.random_range(-1_000_000..1_000_000))
            .collect();
        let ciphertexts: Vec<Ciphertext> = public
            .encrypt(&numbers, rng)
            .iter()
            .map(|bytes| Ciphertext::from_bytes(bytes).unwrap())
            .collect();
        for (ciphertext, number) in ciphertexts.iter().zip(&numbers) {
            assert_eq!(secret.open(ciphertext), Some(*number));
            assert_eq!(
                Ciphertext::from_bytes(&ciphertext.to_bytes()),
                Ok(*ciphertext)
            );
        }
        let total: i64 = numbers.iter().sum();
        assert_eq!(secret.open(&sum(&ciphertexts)), Some(total));
        let changed = add_number(&multiply_all(&ciphertexts[..2], -7), 100);
        assert_eq!(secret.open(&changed[1]), Some(-7 * numbers[1] + 100));
        let twice = add_each(&ciphertexts[..2], &ciphertexts[..2]);
        assert_eq!(secret.open(&twice[0]), Some(2 * numbers[0]));
        assert_eq!(secret.open(&Ciphertext::ZERO), Some(0));
        let far = public.encrypt(&[LIMIT, LIMIT + 1, i64::MIN], rng);
        let far = far.map_open(&secret);
        assert_eq!(far, [Some(LIMIT), None, None]);
    }

    trait MapOpen {
        fn map_open(&self, secret: &Secret) -> Vec<Option<i64>>;
    }

    impl MapOpen for Vec<[u8; CIPHERTEXT_LEN]> {
        fn map_open(&self, secret: &Secret) -> Vec<Option<i64>> {
            let parsed = self
                .iter()
                .map(|bytes| Ciphertext::from_bytes(bytes).unwrap());
            parsed.map(|ciphertext| secret.open(&ciphertext)).collect()
        }
    }

    #[test]
    fn keys_out_of_range_are_refused() {
        assert!(Secret::from_bytes(&[0; 32]).is_err());
        assert!(Secret::from_bytes(&[0xff; 32]).is_err());
        assert!(Secret::from_bytes(&[1; 31]).is_err());
        assert!(Public::from_bytes(&[0; 33]).is_err());
        assert!(Public::from_bytes(&[2; 34]).is_err());
        assert!(Ciphertext::from_bytes(&[0; 67]).is_err());
        assert_eq!(
            format!("{:?}", Secret::from_bytes(&[7; 32]).unwrap()),
            "elgamal::Secret(secret)"
        );
    }
}
