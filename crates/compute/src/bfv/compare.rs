//! Comparison of encrypted bits with a public threshold.
//!
//! Over a range of bits, `gt` says that x's bits are above T's, `eq` that they are equal. For one bit,
//! `gt = x, eq = 1 - x` where T's bit is 0, `gt = 0, eq = x` where it is 1. Two ranges, the high and
//! the low, join as
//!
//! ```text
//! gt = gt_high + eq_high gt_low        eq = eq_high eq_low
//! ```
//! which halves the number of ranges at each level: k bits take ⌈log2 k⌉ levels of multiplication.
//! The two products of a join of single bits are one, since `eq_low` is `1 - gt_low` or `gt_low` is 0.

use super::{Ciphertext, key::Evaluation, multiply::Products};

/// What is known of a range of bits; `gt` is none where it is 0 for certain.
struct Compared {
    gt: Option<Ciphertext>,
    eq: Option<Ciphertext>,
}

/// One in every slot whose bits, the lowest first, are above `threshold`; zero in the others.
/// None where no slot can be.
pub(crate) fn above(bits: &[Ciphertext], threshold: u64, key: &Evaluation) -> Option<Ciphertext> {
    compare(bits, threshold, false, key).gt
}

fn compare(bits: &[Ciphertext], threshold: u64, wants_eq: bool, key: &Evaluation) -> Compared {
    let ring = key.ring;
    if let [bit] = bits {
        let set = threshold & 1 == 1;
        return Compared {
            gt: (!set).then(|| bit.clone()),
            eq: wants_eq.then(|| {
                if set {
                    bit.clone()
                } else {
                    one_minus(bit, key)
                }
            }),
        };
    }
    let (low, high) = bits.split_at(bits.len() / 2);
    let middle = low.len();
    let (high, low) = rayon::join(
        || compare(high, threshold >> middle, true, key),
        || compare(low, threshold & ((1 << middle) - 1), wants_eq, key),
    );
    let plain_eq_high = high.eq.expect("it was wanted");
    let eq_high = plain_eq_high.extend(ring);
    let product = |other: &Ciphertext| {
        let mut products = Products::none(ring);
        products.add(&eq_high, &other.extend(ring));
        products.finish(key)
    };
    let both = low.gt.as_ref().map(product);
    let eq = wants_eq.then(|| match (&low.eq, &both) {
        // eq_high (1 - x) = eq_high - eq_high x; a single bit's gt is there where eq is 1 - x.
        (Some(_), Some(both)) if middle == 1 => {
            let mut eq = plain_eq_high;
            let mut minus = both.clone();
            minus.negate(ring);
            eq.add(&minus, ring);
            eq
        }
        (Some(eq_low), _) => product(eq_low),
        (None, _) => unreachable!("eq was wanted of both halves"),
    });
    let gt = match (high.gt, both) {
        (Some(mut gt), Some(both)) => {
            gt.add(&both, ring);
            Some(gt)
        }
        (gt, both) => gt.or(both),
    };
    Compared { gt, eq }
}

fn one_minus(bit: &Ciphertext, key: &Evaluation) -> Ciphertext {
    let mut result = bit.clone();
    result.negate(key.ring);
    result.add_number(1, key.ring);
    result
}
