//! Products of ciphertexts, and relinearisation.
//!
//! Both are lifted to a larger ring where the product of their polynomials is exact, multiplied
//! there, scaled by t/q and rounded back (Fan and Vercauteren 2012, §4, with the lift and the scaling
//! of Halevi, Polyakov and Shoup 2018). Sums of products are added up in the larger ring, so that a
//! sum of a thousand squares is scaled and relinearised once.
//!
//! Relinearisation takes the third polynomial apart into its residues: `c2 = Σ d_i g_i`, where `d_i`
//! is `c2` modulo the i-th modulus, and adds `Σ d_i (b_i, a_i)`.

use fhe_math::rq::{Poly, Representation, traits::TryConvertFrom as _};

use super::{
    Ciphertext,
    key::Evaluation,
    ring::{self, Ring, rows_of},
};

/// A ciphertext in the larger ring, in NTT form.
pub(crate) struct Extended(Poly, Poly);

/// A sum of products in the larger ring.
pub(crate) struct Products([Poly; 3]);

fn larger(ring: &Ring) -> &ring::Products {
    ring.products
        .as_ref()
        .expect("a parameter set with products")
}

impl Ciphertext {
    /// Itself in the larger ring.
    pub(crate) fn extend(&self, ring: &Ring) -> Extended {
        let lift = |rows: &Vec<u64>| {
            let poly = ring.poly(rows.clone(), true);
            let mut poly = poly
                .scale(&larger(ring).extend)
                .expect("the ring's own context");
            poly.change_representation(Representation::Ntt);
            poly
        };
        Extended(lift(&self.c0), lift(&self.c1))
    }
}

impl Products {
    /// The empty sum.
    pub(crate) fn none(ring: &Ring) -> Self {
        let zero = || {
            let context = &larger(ring).context;
            let rows = vec![0; context.moduli().len() * ring.numbers.n];
            Poly::try_convert_from(rows, context, true, Representation::Ntt)
                .expect("as many coefficients as the ring has")
        };
        Self([zero(), zero(), zero()])
    }

    /// Adds a product.
    pub(crate) fn add(&mut self, left: &Extended, right: &Extended) {
        self.0[0] += &(&left.0 * &right.0);
        self.0[1] += &(&left.0 * &right.1);
        self.0[1] += &(&left.1 * &right.0);
        self.0[2] += &(&left.1 * &right.1);
    }

    /// Adds a square.
    pub(crate) fn add_square(&mut self, factor: &Extended) {
        self.0[0] += &(&factor.0 * &factor.0);
        let cross = &factor.0 * &factor.1;
        self.0[1] += &cross;
        self.0[1] += &cross;
        self.0[2] += &(&factor.1 * &factor.1);
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// Back to a ciphertext.
    pub(crate) fn finish(self, key: &Evaluation) -> Ciphertext {
        let ring = key.ring;
        let [c0, c1, c2] = self.0.map(|mut poly| {
            poly.change_representation(Representation::PowerBasis);
            poly.scale(&larger(ring).scale)
                .expect("the larger ring's context")
        });
        let (add0, add1) = key.switch(&rows_of(&c2));
        let mut result = Ciphertext {
            c0: rows_of(&c0),
            c1: rows_of(&c1),
        };
        ring.add(&mut result.c0, &add0);
        ring.add(&mut result.c1, &add1);
        result
    }
}

impl Evaluation {
    /// What `c2 s^2` is under `s` alone.
    fn switch(&self, c2: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let ring = self.ring;
        let mut sums: Option<(Poly, Poly)> = None;
        for (digit, (b, a)) in c2.chunks_exact(ring.numbers.n).zip(&self.pairs) {
            let mut digit =
                Poly::try_convert_from(digit, &ring.context, true, Representation::PowerBasis)
                    .expect("N coefficients");
            digit.change_representation(Representation::Ntt);
            let (with_b, with_a) = (&digit * b, &digit * a);
            match &mut sums {
                Some((sum_b, sum_a)) => {
                    *sum_b += &with_b;
                    *sum_a += &with_a;
                }
                None => sums = Some((with_b, with_a)),
            }
        }
        let (sum_b, sum_a) = sums.expect("at least one modulus");
        (ring.rows(sum_b), ring.rows(sum_a))
    }
}
