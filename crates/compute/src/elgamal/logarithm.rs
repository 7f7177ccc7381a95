//! Small discrete logarithms: which m, |m| <= 2^40, has m * G = M.
//!
//! Baby steps and giant steps (Shanks): a table of j * G for 1 <= j <= 2^20, keyed by x so that -j is
//! found as well; then M - i * S * G for i = 0, ±1, ±2, … with S = 2^21 + 1, until one is in the
//! table. At most 2^20 giant steps; small results are found at once. 16 MiB, built in about a
//! quarter of a second, once.

use std::sync::OnceLock;

use super::curve::{Point, add_to_all, multiples, multiply_all};

/// Results reach from minus this to this.
pub const LIMIT: i64 = 1 << 40;
/// Entries of the table.
const BABY_STEPS: usize = 1 << 20;
/// Distance of two giant steps: they cover 2 * [`BABY_STEPS`] + 1 results each.
const STRIDE: i64 = 2 * BABY_STEPS as i64 + 1;
/// Giant steps that share an inversion.
const BLOCK: usize = 512;
/// Places in the table: half of them stay empty, so that a search is short.
const PLACES: usize = 2 * BABY_STEPS;

struct Table {
    /// Upper half: 32 bits of the key; lower half: j, 0 for an empty place.
    places: Vec<u64>,
    /// `-k * STRIDE * G` for 0 <= k < BLOCK.
    steps: Vec<Point>,
    generator: Point,
}

fn generator() -> Point {
    use sm2::elliptic_curve::sec1::ToSec1Point as _;
    let bytes = sm2::AffinePoint::GENERATOR.to_sec1_point(true);
    let bytes = bytes.as_bytes().try_into().expect("33 bytes");
    Point::from_bytes(bytes).expect("the generator is on the curve")
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let generator = generator();
        let mut places = vec![0u64; PLACES];
        for (index, point) in multiples(&generator, BABY_STEPS).iter().enumerate() {
            let (mut at, print) = place(point);
            while places[at] != 0 {
                at = (at + 1) % PLACES;
            }
            places[at] = print | (index as u64 + 1);
        }
        let back = multiply_all(&[generator], -STRIDE)[0];
        let mut steps = vec![Point::INFINITY];
        steps.extend(multiples(&back, BLOCK - 1));
        Table {
            places,
            steps,
            generator,
        }
    })
}

fn place(point: &Point) -> (usize, u64) {
    let key = point.key();
    (key as usize % PLACES, key & !0xffff_ffff)
}

impl Table {
    /// Candidates j >= 0 with ±j * G = `point`; 32 bits of the key decide, so there may be false ones.
    fn find(&self, point: &Point) -> impl Iterator<Item = i64> + '_ {
        let (mut at, print) = place(point);
        let infinity = point.is_infinity();
        let mut first = true;
        std::iter::from_fn(move || {
            if infinity {
                return std::mem::take(&mut first).then_some(0);
            }
            loop {
                let entry = self.places[at];
                if entry == 0 {
                    return None;
                }
                at = (at + 1) % PLACES;
                if entry & !0xffff_ffff == print {
                    return Some((entry & 0xffff_ffff) as i64);
                }
            }
        })
    }

    /// The m of a point near `center * STRIDE`, if `shifted` (the point less that) is in the table.
    fn check(&self, point: &Point, shifted: &Point, center: i64) -> Option<i64> {
        self.find(shifted)
            .flat_map(|j| [center * STRIDE + j, center * STRIDE - j])
            .find(|m| multiply_all(&[self.generator], *m)[0] == *point)
            .filter(|m| m.abs() <= LIMIT)
    }
}

/// The m with |m| <= [`LIMIT`] and m * G = `point`; none if there is none.
pub(crate) fn small(point: &Point) -> Option<i64> {
    let table = table();
    let last = LIMIT / STRIDE + 1;
    // Both signs at once: m * G = point, or -m * G = -point.
    let both = [*point, point.neg()];
    let mut shifted = both;
    let leap = multiply_all(&[table.generator], -(STRIDE * BLOCK as i64))[0];
    for block in 0..=(last / BLOCK as i64) {
        for (sign, from) in shifted.iter().enumerate() {
            for (k, step) in add_to_all(&table.steps, from).iter().enumerate() {
                let center = block * BLOCK as i64 + k as i64;
                if let Some(m) = table.check(&both[sign], step, center) {
                    return Some(if sign == 0 { m } else { -m });
                }
            }
        }
        shifted = shifted.map(|point| point.add(&leap));
    }
    None
}

/// Builds the table, if it isn't there yet: so that a measurement of opening leaves it out.
pub fn prepare() {
    table();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_size_and_sign_and_refuses_more() {
        let g = generator();
        let cases = [
            0,
            1,
            2,
            BABY_STEPS as i64,
            BABY_STEPS as i64 + 1,
            STRIDE,
            STRIDE * 511 + 5,
            STRIDE * 512 - 1,
            987_654_321_012,
            LIMIT - 1,
            LIMIT,
        ];
        for m in cases {
            for m in [m, -m] {
                assert_eq!(small(&multiply_all(&[g], m)[0]), Some(m), "{m}");
            }
        }
        assert_eq!(small(&multiply_all(&[g], LIMIT + 1)[0]), None);
        assert_eq!(small(&multiply_all(&[g], i64::MAX)[0]), None);
    }
}
