//! SM2 verification (GB/T 32918.2-2016 §7), on the arithmetic of the `sm2` crate.
//!
//! Everything here is public (key, message, signature), so it may take variable time.
//!
//! ```text
//! Z  = SM3(ENTL || ID || a || b || Gx || Gy || Px || Py)     (§5.5)
//! e  = SM3(Z || M)
//! t  = r + s mod n,  t != 0
//! (x, y) = [s]G + [t]P
//! accept iff r = e + x mod n
//! ```
//!
//! \[s\]G uses the generator's precomputed table. \[t\]P is the dear half, so a key that has been
//! used [`TABLE_AFTER_USES`] times gets a table of its own (validators, gateways and anybody who
//! sends often): 65 windows of 4 bits, signed digits, 8 points each, 37 KiB. It lives and dies with
//! the parsed key; at most [`TABLES_MAX`] live at a time.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, AtomicUsize, Ordering},
};

use sm2::{
    AffinePoint, ProjectivePoint, Scalar,
    elliptic_curve::{
        Group as _, PrimeField as _,
        ops::{MulByGeneratorVartime as _, MulVartime as _, Reduce as _},
        point::{AffineCoordinates as _, BatchNormalize as _},
        sec1::ToSec1Point as _,
    },
};

use crate::{
    digest::sm3,
    key::{PublicKey, Signature, VerifyError},
};

/// After how many verifications a key is worth a table: making one costs about as much as two
/// verifications without, and each later one saves more than half.
const TABLE_AFTER_USES: u32 = 8;

/// Most tables at a time: 37 MiB.
const TABLES_MAX: usize = 1024;

static TABLES: AtomicUsize = AtomicUsize::new(0);

/// a, b, Gx, Gy of GB/T 32918.5-2017.
const CURVE: [u8; 128] = {
    const HEX: &[u8; 256] = b"\
fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc\
28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93\
32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7\
bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0";
    const fn nibble(c: u8) -> u8 {
        if c <= b'9' { c - b'0' } else { c - b'a' + 10 }
    }
    let mut bytes = [0; 128];
    let mut i = 0;
    while i < 128 {
        bytes[i] = nibble(HEX[2 * i]) << 4 | nibble(HEX[2 * i + 1]);
        i += 1;
    }
    bytes
};

/// Z_A for an identifier of at most 8191 bytes (§5.5).
pub(crate) fn identity(point: &sm2::PublicKey, id: &str) -> [u8; 32] {
    let id_bits = (id.len() * 8) as u16;
    let encoded = point.to_sec1_point(false);
    sm3(&[
        &id_bits.to_be_bytes(),
        id.as_bytes(),
        &CURVE,
        &encoded.as_bytes()[1..],
    ])
    .0
}

pub(crate) fn verify(
    key: &PublicKey,
    identity: &[u8; 32],
    message: &[&[u8]],
    signature: &Signature,
) -> Result<(), VerifyError> {
    let parsed = sm2::dsa::Signature::from_slice(&signature.0).map_err(|_| VerifyError)?;
    let (r, s) = parsed.split_scalars();
    let mut hasher = crate::digest::Sm3Hasher::new();
    hasher.update(identity);
    for part in message {
        hasher.update(part);
    }
    let e = Scalar::reduce(&sm2::FieldBytes::from(hasher.finalize().0));
    let t = *r + *s;
    if t.is_zero().into() {
        return Err(VerifyError);
    }
    let point = ProjectivePoint::mul_by_generator_vartime(&s) + key.multiplier().mul(&t);
    if point.is_identity().into() {
        return Err(VerifyError);
    }
    let x = point.to_affine().x();
    if *r == e + Scalar::reduce(&x) {
        Ok(())
    } else {
        Err(VerifyError)
    }
}

/// Multiplies one point by scalars, faster once it has done so a few times.
pub(crate) struct Multiplier {
    point: ProjectivePoint,
    uses: AtomicU32,
    table: OnceLock<Table>,
}

impl Multiplier {
    pub(crate) fn new(point: &sm2::PublicKey) -> Self {
        Self {
            point: point.to_projective(),
            uses: AtomicU32::new(0),
            table: OnceLock::new(),
        }
    }

    fn mul(&self, scalar: &Scalar) -> ProjectivePoint {
        if let Some(table) = self.table.get() {
            return table.mul(scalar);
        }
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
        if used >= TABLE_AFTER_USES && TABLES.load(Ordering::Relaxed) < TABLES_MAX {
            return self
                .table
                .get_or_init(|| Table::new(self.point))
                .mul(scalar);
        }
        self.point.mul_vartime(scalar)
    }
}

/// `points[8 * i + j] = (j + 1) * 16^i * P`.
struct Table {
    points: Vec<AffinePoint>,
}

impl Table {
    /// 64 windows and one for the carry of the last signed digit.
    const ROWS: usize = 65;
    const ROW_LEN: usize = 8;

    fn new(point: ProjectivePoint) -> Self {
        let mut base = point;
        let mut points = Vec::with_capacity(Self::ROWS * Self::ROW_LEN);
        for _ in 0..Self::ROWS {
            let mut multiple = base;
            points.push(multiple);
            for _ in 1..Self::ROW_LEN {
                multiple += base;
                points.push(multiple);
            }
            base = multiple.double();
        }
        TABLES.fetch_add(1, Ordering::Relaxed);
        // P has the group's prime order and no multiplier here is a multiple of it, so that no
        // point is the identity and all have affine coordinates. One inversion serves them all.
        Self {
            points: ProjectivePoint::batch_normalize(points.as_slice()),
        }
    }

    fn mul(&self, scalar: &Scalar) -> ProjectivePoint {
        let mut sum = ProjectivePoint::IDENTITY;
        for (row, digit) in self
            .points
            .chunks_exact(Self::ROW_LEN)
            .zip(signed_digits(scalar))
        {
            match digit {
                0 => {}
                1.. => sum += &row[digit as usize - 1],
                _ => sum -= &row[digit.unsigned_abs() as usize - 1],
            }
        }
        sum
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        TABLES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The scalar as `sum of d[i] * 16^i` with every digit in \[-8, 8\].
fn signed_digits(scalar: &Scalar) -> [i8; Table::ROWS] {
    let bytes = scalar.to_repr();
    let mut digits = [0i8; Table::ROWS];
    for (i, byte) in bytes.iter().rev().enumerate() {
        digits[2 * i] = (byte & 15) as i8;
        digits[2 * i + 1] = (byte >> 4) as i8;
    }
    for i in 0..Table::ROWS - 1 {
        if digits[i] > 8 {
            digits[i] -= 16;
            digits[i + 1] += 1;
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Domain, SIGNER_ID, SecretKey};
    use sm2::dsa::signature::Verifier as _;

    #[test]
    fn identity_matches_the_sm2_crate() {
        // The sm2 crate signs with its own Z; ours must accept it and the other way round.
        let ours = SecretKey::from_bytes(&[9; 32]).unwrap();
        let theirs = sm2::dsa::SigningKey::from_slice(SIGNER_ID, &[9; 32]).unwrap();
        let signature = ours.sign_raw(b"message");
        let parsed = sm2::dsa::Signature::from_slice(&signature.0).unwrap();
        theirs.verifying_key().verify(b"message", &parsed).unwrap();
        ours.public_key()
            .verify_raw(b"message", &signature)
            .unwrap();
    }

    #[test]
    fn table_agrees_with_plain_multiplication() {
        let point = ProjectivePoint::mul_by_generator_vartime(&Scalar::from(77u64));
        let table = Table::new(point);
        let mut scalars = vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(8u64)];
        for i in 0..200u32 {
            scalars.push(Scalar::reduce(&sm2::FieldBytes::from(
                sm3(&[&i.to_be_bytes()]).0,
            )));
        }
        for scalar in scalars {
            assert_eq!(table.mul(&scalar), point.mul_vartime(&scalar));
        }
    }

    #[test]
    fn verdicts_stay_the_same_when_the_table_comes_in() {
        let key = SecretKey::from_bytes(&[5; 32]).unwrap();
        let public = key.public_key();
        for i in 0..2 * TABLE_AFTER_USES {
            let message = i.to_be_bytes();
            let signature = key.sign(Domain::VOTE, &message);
            public.verify(Domain::VOTE, &message, &signature).unwrap();
            assert!(public.verify(Domain::VOTE, b"other", &signature).is_err());
        }
    }
}
