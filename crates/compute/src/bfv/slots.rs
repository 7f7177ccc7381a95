//! Plaintexts with N slots: a polynomial modulo t and its values at the N primitive 2N-th roots of
//! unity, so that ciphertexts add and multiply slot by slot (Smart and Vercauteren, "Fully
//! homomorphic SIMD operations", 2014).
//!
//! Slot `i < N/2` is the value at `root^(3^i)`, slot `i + N/2` that at `root^(-3^i)`: the order of
//! SEAL's batch encoder. The sum over all slots is N times the constant coefficient.

use fhe_math::zq::Modulus;
use zeroize::{Zeroize as _, Zeroizing};

/// The transform modulo t.
pub(crate) struct Slots {
    t: Modulus,
    n: usize,
    /// Powers of the root (and of its inverse) in bit-reversed order, with Shoup's quotients.
    roots: Vec<(u64, u64)>,
    inverse_roots: Vec<(u64, u64)>,
    n_inverse: u64,
    /// Where slot i is among the transform's values.
    places: Vec<usize>,
}

impl Slots {
    pub(crate) fn new(t: &Modulus, n: usize, root: u64) -> Self {
        let bits = n.trailing_zeros();
        let reversed = |i: usize| i.reverse_bits() >> (usize::BITS - bits);
        let table = |root: u64| {
            let mut powers = vec![1u64; n];
            for i in 1..n {
                powers[i] = t.mul(powers[i - 1], root);
            }
            (0..n)
                .map(|i| powers[reversed(i)])
                .map(|power| (power, t.shoup(power)))
                .collect()
        };
        let mut places = vec![0; n];
        let mut exponent = 1;
        for i in 0..n / 2 {
            places[i] = reversed((exponent - 1) / 2);
            places[i + n / 2] = reversed((2 * n - exponent - 1) / 2);
            exponent = exponent * 3 % (2 * n);
        }
        Self {
            roots: table(root),
            inverse_roots: table(t.inv(root).expect("a root isn't zero")),
            n_inverse: t.inv(n as u64).expect("t is odd"),
            t: t.clone(),
            n,
            places,
        }
    }

    /// The polynomial with these values in its first slots and zeros in the others, in constant time.
    pub(crate) fn encode(&self, values: &[i64]) -> Zeroizing<Vec<u64>> {
        let reduced = Zeroizing::new(self.t.reduce_vec_i64(values));
        let mut a = Zeroizing::new(vec![0; self.n]);
        for (value, place) in reduced.iter().zip(&self.places) {
            a[*place] = *value;
        }
        // Gentleman and Sande, from bit-reversed to natural order.
        let (mut half, mut groups) = (1, self.n / 2);
        while half < self.n {
            for (group, chunk) in a.chunks_exact_mut(2 * half).enumerate() {
                let (root, quotient) = self.inverse_roots[groups + group];
                let (left, right) = chunk.split_at_mut(half);
                for (x, y) in left.iter_mut().zip(right) {
                    let difference = self.t.sub(*x, *y);
                    *x = self.t.add(*x, *y);
                    *y = self.t.mul_shoup(difference, root, quotient);
                }
            }
            half *= 2;
            groups /= 2;
        }
        self.t.scalar_mul_vec(&mut a, self.n_inverse);
        a
    }

    /// The values in all slots, centred around zero, in constant time.
    pub(crate) fn decode(&self, plain: &[u64]) -> Zeroizing<Vec<i64>> {
        let mut a = Zeroizing::new(plain.to_vec());
        // Cooley and Tukey, from natural to bit-reversed order.
        let (mut half, mut groups) = (self.n / 2, 1);
        while half > 0 {
            for (group, chunk) in a.chunks_exact_mut(2 * half).enumerate() {
                let (root, quotient) = self.roots[groups + group];
                let (left, right) = chunk.split_at_mut(half);
                for (x, y) in left.iter_mut().zip(right) {
                    let product = self.t.mul_shoup(*y, root, quotient);
                    *y = self.t.sub(*x, product);
                    *x = self.t.add(*x, product);
                }
            }
            half /= 2;
            groups *= 2;
        }
        let values = self.places.iter().map(|place| self.centre(a[*place]));
        let values = Zeroizing::new(values.collect());
        a.zeroize();
        values
    }

    /// The sum over all slots, centred, of the plaintext with this constant coefficient.
    pub(crate) fn total(&self, constant: u64) -> i64 {
        self.centre(self.t.mul(constant, self.n as u64))
    }

    fn centre(&self, value: u64) -> i64 {
        let t = *self.t;
        let above = ((t / 2).wrapping_sub(value) as i64 >> 63) as u64;
        value.wrapping_sub(t & above) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::BFV_BITS_V1;

    #[test]
    fn slots_are_values_at_the_roots_and_sum_to_the_constant() {
        let numbers = &BFV_BITS_V1;
        let t = Modulus::new(numbers.t).unwrap();
        let slots = Slots::new(&t, numbers.n, numbers.root);
        let values: Vec<i64> = (0..numbers.n as i64)
            .map(|i| (i * i - 77 * i) % 3000)
            .collect();
        let plain = slots.encode(&values);
        assert_eq!(*slots.decode(&plain), values);
        let evaluate = |at: u64| {
            plain
                .iter()
                .rev()
                .fold(0, |sum, c| t.add(t.mul(sum, at), *c))
        };
        let inverse = t.inv(numbers.root).unwrap();
        for i in [0u64, 1, 2, 1000] {
            let exponent = (0..i).fold(1u64, |e, _| e * 3 % (2 * numbers.n as u64));
            let value = |root| slots.centre(evaluate(t.pow(root, exponent)));
            assert_eq!(value(numbers.root), values[i as usize]);
            assert_eq!(value(inverse), values[i as usize + numbers.n / 2]);
        }
        let sum: i64 = values.iter().sum();
        let modulus = numbers.t as i64;
        assert_eq!((slots.total(plain[0]) - sum) % modulus, 0);
    }
}
