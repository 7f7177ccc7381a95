//! The ring that ciphertexts live in: residues, their encoding, and the draws of keys and errors.
//!
//! A *row* holds the N coefficients modulo one of the moduli; a polynomial has a row for each
//! modulus, one after the other, in the power basis. On the wire a coefficient has as many bits as a
//! modulus, the lowest first, without gaps: one polynomial, one encoding, one length.

use std::sync::{Arc, OnceLock};

use fhe_math::{
    rns::ScalingFactor,
    rq::{Context, Poly, Representation, scaler::Scaler, traits::TryConvertFrom as _},
    zq::Modulus,
};
use num_bigint::BigUint;
use rand_core::CryptoRng;
use sealwire_envelope::compute::ParameterSet;
use sealwire_sm::sm3;
use zeroize::{Zeroize as _, Zeroizing};

use super::slots::Slots;
use crate::parameters::{self, Bfv, ERROR_BITS};

/// Length in bytes of the seed of a uniform polynomial.
pub(crate) const SEED_LEN: usize = 32;

/// A parameter set with everything that is computed from it once.
pub(crate) struct Ring {
    pub(crate) numbers: &'static Bfv,
    pub(crate) context: Arc<Context>,
    pub(crate) moduli: Vec<Modulus>,
    pub(crate) t: Modulus,
    pub(crate) slots: Slots,
    /// q mod t, and -1/t modulo each modulus: the encoding of a plaintext.
    q_mod_t: u64,
    minus_t_inverse: Vec<u64>,
    /// From phases to plaintexts.
    unscale: Scaler,
    /// To and from the larger ring where products are exact; only where there are products.
    pub(crate) products: Option<Products>,
}

/// The larger ring, and the ways there and back.
pub(crate) struct Products {
    pub(crate) context: Arc<Context>,
    pub(crate) extend: Scaler,
    /// Back, times t / q.
    pub(crate) scale: Scaler,
}

/// Moduli of the larger ring besides q's own: the largest primes below 2^62 that are 1 modulo 2^14.
const EXTENSION: [u64; 5] = [
    0x3fff_ffff_ffff_0001,
    0x3fff_ffff_fffe_8001,
    0x3fff_ffff_fff1_c001,
    0x3fff_ffff_ffee_c001,
    0x3fff_ffff_ffe8_0001,
];

impl Ring {
    /// The ring of a set; none for ElGamal.
    pub(crate) fn of(set: ParameterSet) -> Option<&'static Self> {
        static RINGS: [OnceLock<Ring>; 3] = [const { OnceLock::new() }; 3];
        let index = match set {
            ParameterSet::Sm2ElgamalV1 => return None,
            ParameterSet::BfvAddV1 => 0,
            ParameterSet::BfvMulV1 => 1,
            ParameterSet::BfvBitsV1 => 2,
        };
        let numbers = parameters::bfv(set)?;
        Some(RINGS[index].get_or_init(|| Self::new(numbers)))
    }

    fn new(numbers: &'static Bfv) -> Self {
        let frozen = "a frozen parameter set is valid";
        let context = Context::new_arc(numbers.moduli, numbers.n).expect(frozen);
        let modulus = |m: &u64| Modulus::new(*m).expect(frozen);
        let moduli: Vec<Modulus> = numbers.moduli.iter().map(modulus).collect();
        let t = modulus(&numbers.t);
        let q = context.modulus().clone();
        let factor = ScalingFactor::new(&BigUint::from(numbers.t), &q);
        // Plaintexts come out modulo the first modulus, which is above t.
        let plain = Context::new_arc(&numbers.moduli[..1], numbers.n).expect(frozen);
        let minus_t_inverse = |m: &Modulus| m.neg(m.inv(m.reduce(numbers.t)).expect(frozen));
        Self {
            numbers,
            minus_t_inverse: moduli.iter().map(minus_t_inverse).collect(),
            q_mod_t: u64::try_from(&q % numbers.t).expect("below t"),
            unscale: Scaler::new(&context, &plain, factor.clone()).expect(frozen),
            products: numbers.multiplies.then(|| {
                // The product of two polynomials has coefficients below N q^2 / 4; 60 bits more
                // than q are room for that and for the sum of 2^46 of them.
                let more = (q.bits() as usize + 60).div_ceil(62);
                let larger = [numbers.moduli, &EXTENSION[..more]].concat();
                let larger = Context::new_arc(&larger, numbers.n).expect(frozen);
                let one = ScalingFactor::one();
                Products {
                    extend: Scaler::new(&context, &larger, one).expect(frozen),
                    scale: Scaler::new(&larger, &context, factor).expect(frozen),
                    context: larger,
                }
            }),
            slots: Slots::new(&t, numbers.n, numbers.root),
            context,
            moduli,
            t,
        }
    }

    /// Coefficients of a polynomial, in all rows.
    pub(crate) fn len(&self) -> usize {
        self.numbers.n * self.moduli.len()
    }

    /// Length of a row on the wire, in bytes.
    pub(crate) fn row_bytes(&self) -> usize {
        self.numbers.n * self.numbers.modulus_bits / 8
    }

    /// Length of a polynomial on the wire, in bytes.
    pub(crate) fn poly_bytes(&self) -> usize {
        self.row_bytes() * self.moduli.len()
    }

    /// Reads a polynomial from exactly [`Ring::poly_bytes`]; none if a coefficient isn't below its
    /// modulus.
    pub(crate) fn unpack(&self, bytes: &[u8]) -> Option<Vec<u64>> {
        if bytes.len() != self.poly_bytes() {
            return None;
        }
        let (bits, mask) = (self.numbers.modulus_bits, self.mask());
        let mut rows = Vec::with_capacity(self.len());
        for (row, modulus) in bytes
            .chunks_exact(self.row_bytes())
            .zip(self.numbers.moduli)
        {
            let (mut held, mut held_bits, mut next) = (0u128, 0, row.chunks(8));
            for _ in 0..self.numbers.n {
                if held_bits < bits {
                    let mut word = [0; 8];
                    let chunk = next.next()?;
                    word[..chunk.len()].copy_from_slice(chunk);
                    held |= u128::from(u64::from_le_bytes(word)) << held_bits;
                    held_bits += 64;
                }
                let coefficient = held as u64 & mask;
                if coefficient >= *modulus {
                    return None;
                }
                rows.push(coefficient);
                held >>= bits;
                held_bits -= bits;
            }
        }
        Some(rows)
    }

    /// What [`Ring::unpack`] reads.
    pub(crate) fn pack(&self, rows: &[u64], out: &mut Vec<u8>) {
        let bits = self.numbers.modulus_bits;
        out.reserve(self.poly_bytes());
        for row in rows.chunks_exact(self.numbers.n) {
            let (mut held, mut held_bits) = (0u128, 0);
            for coefficient in row {
                held |= u128::from(*coefficient) << held_bits;
                held_bits += bits;
                while held_bits >= 8 {
                    out.push(held as u8);
                    held >>= 8;
                    held_bits -= 8;
                }
            }
        }
    }

    fn mask(&self) -> u64 {
        (1 << self.numbers.modulus_bits) - 1
    }

    /// A uniform polynomial from a seed: for each row, and for each block of four coefficients, the
    /// words of `SM3("sealwire uniform" || seed || index || row || block)`, little-endian, cut to
    /// the bits of a modulus; those that aren't below it are left out.
    pub(crate) fn uniform(&self, seed: &[u8; SEED_LEN], index: u32) -> Vec<u64> {
        let mask = self.mask();
        let mut rows = Vec::with_capacity(self.len());
        for (row, modulus) in self.numbers.moduli.iter().enumerate() {
            let end = rows.len() + self.numbers.n;
            for block in 0u32.. {
                let place = [index, row as u32, block].map(u32::to_be_bytes).concat();
                let digest = sm3(&[b"sealwire uniform", seed, &place]);
                for word in digest.as_ref().chunks_exact(8) {
                    let word = u64::from_le_bytes(word.try_into().expect("eight bytes")) & mask;
                    if word < *modulus && rows.len() < end {
                        rows.push(word);
                    }
                }
                if rows.len() == end {
                    break;
                }
            }
        }
        rows
    }

    /// A polynomial with uniform coefficients of -1, 0 and 1, in constant time.
    pub(crate) fn ternary<R: CryptoRng>(&self, rng: &mut R) -> Zeroizing<Vec<i64>> {
        let mut small = Zeroizing::new(Vec::with_capacity(self.numbers.n));
        for _ in 0..self.numbers.n {
            // 2^64 mod 3 is 1: a bias of 2^-64.
            let mut word = rng.next_u64();
            small.push(((u128::from(word) * 3) >> 64) as i64 - 1);
            word.zeroize();
        }
        small
    }

    /// An error polynomial: centred binomial, [`ERROR_BITS`] a side, in constant time.
    pub(crate) fn error<R: CryptoRng>(&self, rng: &mut R) -> Zeroizing<Vec<i64>> {
        const MASK: u64 = (1 << ERROR_BITS) - 1;
        let mut small = Zeroizing::new(Vec::with_capacity(self.numbers.n));
        for _ in 0..self.numbers.n {
            let mut word = rng.next_u64();
            let (plus, minus) = (word & MASK, word >> ERROR_BITS & MASK);
            small.push(i64::from(plus.count_ones()) - i64::from(minus.count_ones()));
            word.zeroize();
        }
        small
    }

    /// Small coefficients as a polynomial in NTT form, in constant time.
    pub(crate) fn small_ntt(&self, small: &[i64]) -> Zeroizing<Poly> {
        let mut poly =
            Poly::try_convert_from(small, &self.context, false, Representation::PowerBasis)
                .expect("N coefficients in the power basis");
        poly.change_representation(Representation::Ntt);
        Zeroizing::new(poly)
    }

    /// Rows as a polynomial; `public` ones may take variable time.
    pub(crate) fn poly(&self, rows: Vec<u64>, public: bool) -> Poly {
        Poly::try_convert_from(rows, &self.context, public, Representation::PowerBasis)
            .expect("as many coefficients as the ring has")
    }

    /// Rows as a polynomial in NTT form.
    pub(crate) fn ntt(&self, rows: Vec<u64>, public: bool) -> Poly {
        let mut poly = self.poly(rows, public);
        poly.change_representation(Representation::Ntt);
        poly
    }

    /// The rows of a product with a secret factor; nothing of it stays behind.
    pub(crate) fn secret_product(&self, left: &Poly, right: &Poly) -> Zeroizing<Vec<u64>> {
        let mut product = Zeroizing::new(left * right);
        product.change_representation(Representation::PowerBasis);
        Zeroizing::new(rows_of(&product))
    }

    /// A polynomial's rows.
    pub(crate) fn rows(&self, mut poly: Poly) -> Vec<u64> {
        poly.change_representation(Representation::PowerBasis);
        rows_of(&poly)
    }

    /// `rows += others`.
    pub(crate) fn add(&self, rows: &mut [u64], others: &[u64]) {
        let n = self.numbers.n;
        for (i, modulus) in self.numbers.moduli.iter().enumerate() {
            let range = i * n..(i + 1) * n;
            for (a, b) in rows[range.clone()].iter_mut().zip(&others[range]) {
                // Both below 2^54: no overflow, no branch.
                let sum = *a + *b;
                *a = sum.min(sum.wrapping_sub(*modulus));
            }
        }
    }

    /// `rows = -rows`.
    pub(crate) fn negate(&self, rows: &mut [u64]) {
        for (row, modulus) in rows.chunks_exact_mut(self.numbers.n).zip(&self.moduli) {
            modulus.neg_vec(row);
        }
    }

    /// `rows *= factor`.
    pub(crate) fn multiply(&self, rows: &mut [u64], factor: i64) {
        for (row, modulus) in rows.chunks_exact_mut(self.numbers.n).zip(&self.moduli) {
            let factor = modulus.reduce_vec_i64(&[factor])[0];
            modulus.scalar_mul_vec(row, factor);
        }
    }

    /// `rows += small`, in constant time.
    pub(crate) fn add_small(&self, rows: &mut [u64], small: &[i64]) {
        for (row, modulus) in rows.chunks_exact_mut(self.numbers.n).zip(&self.moduli) {
            let reduced = Zeroizing::new(modulus.reduce_vec_i64(small));
            modulus.add_vec(row, &reduced);
        }
    }

    /// Adds a plaintext, scaled by q / t, in constant time: `(q m - (q m mod t)) / t` modulo q.
    pub(crate) fn add_plain(&self, rows: &mut [u64], plain: &[u64]) {
        let mut scaled = Zeroizing::new(plain.to_vec());
        self.t.scalar_mul_vec(&mut scaled, self.q_mod_t);
        let n = self.numbers.n;
        for ((row, modulus), inverse) in rows
            .chunks_exact_mut(n)
            .zip(&self.moduli)
            .zip(&self.minus_t_inverse)
        {
            let mut part = Zeroizing::new(scaled.to_vec());
            modulus.scalar_mul_vec(&mut part, *inverse);
            modulus.add_vec(row, &part);
        }
    }

    /// The plaintext of a phase: round(t / q * phase) modulo t.
    pub(crate) fn remove_scale(&self, phase: &Poly) -> Zeroizing<Vec<u64>> {
        let scaled = Zeroizing::new(phase.scale(&self.unscale).expect("the ring's own context"));
        let first = self.numbers.moduli[0];
        let t = self.numbers.t;
        // Between -t/2 and t/2 modulo the first modulus: make it positive, then reduce.
        let plain = Zeroizing::new(rows_of(&scaled));
        Zeroizing::new(plain.iter().map(|x| (x + t) % first % t).collect())
    }
}

/// A polynomial's residues, row after row, as they are.
pub(crate) fn rows_of(poly: &Poly) -> Vec<u64> {
    poly.coefficients().iter().copied().collect()
}
