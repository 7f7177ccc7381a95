//! Public points of the SM2 curve, many at a time, in variable time.
//!
//! Adding two affine points takes one inversion, three products; inverting n numbers together takes
//! one inversion and 3n products (Montgomery, "Speeding the Pollard and elliptic curve methods of
//! factorization", 1987, §10.3.1). So a list of additions costs six products each: a third of what
//! a complete formula in projective coordinates costs.

use super::field::Fe;

/// Length of a point on the wire, in bytes.
pub const POINT_LEN: usize = 33;

/// A point: x and y, or infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    x: Fe,
    y: Fe,
    infinity: bool,
}

impl Point {
    pub(crate) const INFINITY: Self = Self {
        x: Fe::ZERO,
        y: Fe::ZERO,
        infinity: true,
    };

    /// Reads 33 bytes: SEC1 compressed, or 33 zeros for infinity (whose SEC1 form is one zero; here
    /// every point has one length). One point has one encoding; everything else is none.
    pub(crate) fn from_bytes(bytes: &[u8; POINT_LEN]) -> Option<Self> {
        Self::pair_from_bytes([bytes; 2]).map(|[point, _]| point)
    }

    /// Reads two points in little more time than one.
    pub(crate) fn pair_from_bytes(pair: [&[u8; POINT_LEN]; 2]) -> Option<[Self; 2]> {
        let [a, b] = pair.map(Self::read_x);
        let xs = [a?, b?];
        // y^2 = x^3 - 3x + b
        let squares = xs.map(|x| {
            let three_x = x.add(&x).add(&x);
            x.square().mul(&x).sub(&three_x).add(&Fe::B)
        });
        let [a, b] = Fe::square_roots(&squares);
        let first = Self::with_root(pair[0], xs[0], a);
        Some([first?, Self::with_root(pair[1], xs[1], b)?])
    }

    /// x of an encoding; zero for infinity.
    fn read_x(bytes: &[u8; POINT_LEN]) -> Option<Fe> {
        match bytes[0] {
            0 if bytes == &[0; POINT_LEN] => Some(Fe::ZERO),
            2 | 3 => Fe::from_bytes(bytes.last_chunk().expect("32 of 33 bytes")),
            _ => None,
        }
    }

    /// The point of an encoding, given x and a y, if there is one.
    fn with_root(bytes: &[u8; POINT_LEN], x: Fe, root: Option<Fe>) -> Option<Self> {
        if bytes[0] == 0 {
            return Some(Self::INFINITY);
        }
        let root = root?;
        // No point has y = 0: the group's order is odd.
        let y = if root.to_bytes()[31] & 1 == bytes[0] & 1 {
            root
        } else {
            root.neg()
        };
        Some(Self {
            x,
            y,
            infinity: false,
        })
    }

    /// What [`Point::from_bytes`] reads.
    pub(crate) fn to_bytes(self) -> [u8; POINT_LEN] {
        let mut bytes = [0; POINT_LEN];
        if !self.infinity {
            bytes[0] = 2 + (self.y.to_bytes()[31] & 1);
            bytes[1..].copy_from_slice(&self.x.to_bytes());
        }
        bytes
    }

    /// A point that is known to be on the curve, from its coordinates.
    pub(crate) fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Self {
        let read = |bytes| Fe::from_bytes(bytes).expect("a coordinate is below p");
        Self {
            x: read(x),
            y: read(y),
            infinity: false,
        }
    }

    /// Its coordinates; infinity has none.
    pub(crate) fn coordinates(&self) -> Option<([u8; 32], [u8; 32])> {
        (!self.infinity).then(|| (self.x.to_bytes(), self.y.to_bytes()))
    }

    pub(crate) fn is_infinity(&self) -> bool {
        self.infinity
    }

    /// What a table of points is keyed by; the same for a point and its negative.
    pub(crate) fn key(&self) -> u64 {
        self.x.key()
    }

    pub(crate) fn neg(&self) -> Self {
        Self {
            y: self.y.neg(),
            ..*self
        }
    }

    /// What must be inverted to add `other`: x2 - x1, or 2y to double; 1 where nothing must.
    #[inline]
    fn denominator(&self, other: &Self) -> Fe {
        if self.infinity || other.infinity {
            return Fe::ONE;
        }
        let difference = other.x.sub(&self.x);
        if !difference.is_zero() {
            difference
        } else if self.y == other.y {
            self.y.add(&self.y)
        } else {
            Fe::ONE
        }
    }

    /// The sum, given the inverse of [`Point::denominator`].
    #[inline]
    fn add_with(&self, other: &Self, inverse: &Fe) -> Self {
        if self.infinity {
            return *other;
        }
        if other.infinity {
            return *self;
        }
        let slope = if self.x != other.x {
            other.y.sub(&self.y).mul(inverse)
        } else if self.y == other.y {
            // (3x^2 - 3) / 2y
            let t = self.x.square().sub(&Fe::ONE);
            t.add(&t).add(&t).mul(inverse)
        } else {
            return Self::INFINITY;
        };
        let x = slope.square().sub(&self.x).sub(&other.x);
        let y = slope.mul(&self.x.sub(&x)).sub(&self.y);
        Self {
            x,
            y,
            infinity: false,
        }
    }

    /// The sum of two points; one at a time costs an inversion.
    pub(crate) fn add(&self, other: &Self) -> Self {
        self.add_with(other, &self.denominator(other).invert())
    }
}

/// How many additions share an inversion: more would leave the cache, fewer would invert more.
const SHARED: usize = 512;

/// Adds the pairs that `pair(i)` gives for `i < count`, and hands each sum to `take`.
fn add_pairs(
    count: usize,
    pair: impl Fn(usize) -> (Point, Point),
    mut take: impl FnMut(usize, Point),
) {
    let mut products = [Fe::ONE; SHARED];
    let mut denominators = [Fe::ONE; SHARED];
    for start in (0..count).step_by(SHARED) {
        let here = SHARED.min(count - start);
        let mut product = Fe::ONE;
        for i in 0..here {
            let (a, b) = pair(start + i);
            denominators[i] = a.denominator(&b);
            products[i] = product;
            product = product.mul(&denominators[i]);
        }
        let mut inverse = product.invert();
        for i in (0..here).rev() {
            let (a, b) = pair(start + i);
            take(start + i, a.add_with(&b, &inverse.mul(&products[i])));
            inverse = inverse.mul(&denominators[i]);
        }
    }
}

/// The sum of all points.
pub(crate) fn sum(points: &[Point]) -> Point {
    let mut level = points.to_vec();
    while level.len() > 1 {
        let mut next = vec![Point::INFINITY; level.len().div_ceil(2)];
        add_pairs(
            level.len() / 2,
            |i| (level[2 * i], level[2 * i + 1]),
            |i, point| next[i] = point,
        );
        if level.len() % 2 == 1 {
            next[level.len() / 2] = level[level.len() - 1];
        }
        level = next;
    }
    level.first().copied().unwrap_or(Point::INFINITY)
}

/// Adds `others` to `points`, one to one.
pub(crate) fn add_each(points: &[Point], others: &[Point]) -> Vec<Point> {
    let mut sums = vec![Point::INFINITY; points.len()];
    add_pairs(
        points.len(),
        |i| (points[i], others[i]),
        |i, point| sums[i] = point,
    );
    sums
}

/// Adds `other` to each of `points`.
pub(crate) fn add_to_all(points: &[Point], other: &Point) -> Vec<Point> {
    let mut sums = vec![Point::INFINITY; points.len()];
    add_pairs(
        points.len(),
        |i| (points[i], *other),
        |i, point| sums[i] = point,
    );
    sums
}

/// Multiplies each of `points` by `factor`: double and add, the lowest bit last.
pub(crate) fn multiply_all(points: &[Point], factor: i64) -> Vec<Point> {
    let magnitude = factor.unsigned_abs();
    let base: Vec<Point> = if factor < 0 {
        points.iter().map(Point::neg).collect()
    } else {
        points.to_vec()
    };
    let mut result = vec![Point::INFINITY; points.len()];
    for bit in (0..u64::BITS - magnitude.leading_zeros()).rev() {
        result = add_each(&result, &result);
        if magnitude >> bit & 1 == 1 {
            result = add_each(&result, &base);
        }
    }
    result
}

/// `1 * point`, `2 * point`, … `count * point`.
pub(crate) fn multiples(point: &Point, count: usize) -> Vec<Point> {
    let mut list = Vec::with_capacity(count);
    list.push(*point);
    while list.len() < count {
        let last = list[list.len() - 1];
        let take = list.len().min(count - list.len());
        let more = add_to_all(&list[..take], &last);
        list.extend(more);
    }
    list.truncate(count);
    list
}

#[cfg(test)]
mod tests {
    use sm2::{
        ProjectivePoint, Scalar,
        elliptic_curve::{Group as _, sec1::ToSec1Point as _},
    };

    use super::*;

    fn ours(point: &ProjectivePoint) -> Point {
        let bytes = point.to_affine().to_sec1_point(true);
        Point::from_bytes(bytes.as_bytes().try_into().unwrap()).unwrap()
    }

    #[test]
    fn agrees_with_the_constant_time_arithmetic() {
        let g = ProjectivePoint::GENERATOR;
        let list = multiples(&ours(&g), 1500);
        for k in [1u64, 2, 3, 4, 17, 511, 512, 513, 1024, 1499, 1500] {
            let other = g * Scalar::from(k);
            assert_eq!(list[k as usize - 1], ours(&other), "{k}");
            assert_eq!(list[k as usize - 1].to_bytes(), ours(&other).to_bytes());
        }
        let total = sum(&list);
        assert_eq!(total, ours(&(g * Scalar::from(1500u64 * 1501 / 2))));
        let scaled = multiply_all(&list[..3], -1_000_003);
        assert_eq!(scaled[2], ours(&-(g * Scalar::from(3_000_009u64))));
        assert_eq!(multiply_all(&list[..1], 0)[0], Point::INFINITY);
    }

    #[test]
    fn sums_with_infinity_doubles_and_opposites() {
        let g = ours(&ProjectivePoint::generator());
        let two = g.add(&g);
        assert_eq!(two.add(&g.neg()), g);
        assert_eq!(g.add(&g.neg()), Point::INFINITY);
        assert_eq!(Point::INFINITY.add(&g), g);
        assert_eq!(g.add(&Point::INFINITY), g);
        assert_eq!(
            sum(&[g, g, g.neg(), Point::INFINITY, g.neg()]),
            Point::INFINITY
        );
        assert_eq!(sum(&[]), Point::INFINITY);
    }

    #[test]
    fn one_point_has_one_encoding() {
        let g = ours(&ProjectivePoint::generator());
        let good = g.to_bytes();
        assert_eq!(Point::from_bytes(&good), Some(g));
        assert_eq!(Point::from_bytes(&[0; 33]), Some(Point::INFINITY));
        let mut bad = good;
        for tag in [0, 1, 4, 5, 6, 7, 0xff] {
            bad[0] = tag;
            assert_eq!(Point::from_bytes(&bad), None);
        }
        let mut zero = [0; 33];
        zero[32] = 1;
        assert_eq!(Point::from_bytes(&zero), None);
        assert_eq!(Point::from_bytes(&[2; 33]).is_some(), {
            // Half of all x are on the curve; the other crate says the same of this one.
            sm2::PublicKey::from_sec1_bytes(&[2; 33]).is_ok()
        });
        let mut beyond = [0xff; 33];
        beyond[0] = 2;
        assert_eq!(Point::from_bytes(&beyond), None);
    }
}
