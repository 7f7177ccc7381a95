//! The SM2 curve's field, in variable time: for **public** points only (ciphertexts, results).
//!
//! Adding up a hundred thousand ciphertexts needs square roots (points come compressed) and
//! additions with shared inversions, which the constant-time arithmetic of the `sm2` crate neither
//! offers nor needs to. Whatever touches a secret stays with that crate.
//!
//! Elements are in Montgomery form, `a * 2^256 mod p`, four words of 64 bits, the lowest first.
//! p = 2^256 - 2^224 - 2^96 + 2^64 - 1 (GB/T 32918.5-2017), so -1/p mod 2^64 is 1.

const P: [u64; 4] = [
    0xffff_ffff_ffff_ffff,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_ffff,
    0xffff_fffe_ffff_ffff,
];
/// 2^512 mod p.
const R2: Fe = Fe([0x2_0000_0003, 0x2_ffff_ffff, 0x1_0000_0001, 0x4_0000_0002]);

/// An element, reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fe([u64; 4]);

const fn carry(a: u64, b: u64, c: u64) -> (u64, u64) {
    let sum = a as u128 + b as u128 + c as u128;
    (sum as u64, (sum >> 64) as u64)
}

const fn borrow(a: u64, b: u64, c: u64) -> (u64, u64) {
    let (d, x) = a.overflowing_sub(b);
    let (d, y) = d.overflowing_sub(c);
    (d, (x | y) as u64)
}

/// `a + b * c + d`, which fits into 128 bits.
#[inline(always)]
const fn multiply_add(a: u64, b: u64, c: u64, d: u64) -> (u64, u64) {
    let sum = a as u128 + b as u128 * c as u128 + d as u128;
    (sum as u64, (sum >> 64) as u64)
}

/// Takes p off once if `t + over * 2^256` isn't below it.
#[inline(always)]
fn reduce_once(t: [u64; 4], over: u64) -> Fe {
    let (d0, b) = borrow(t[0], P[0], 0);
    let (d1, b) = borrow(t[1], P[1], b);
    let (d2, b) = borrow(t[2], P[2], b);
    let (d3, b) = borrow(t[3], P[3], b);
    if over == 1 || b == 0 {
        Fe([d0, d1, d2, d3])
    } else {
        Fe(t)
    }
}

/// `t / 2^256` modulo p, for t below p * 2^256 (Montgomery 1985). Since -1/p mod 2^64 is 1, a word w
/// goes by adding `w p`, and `p = 2^256 - 2^224 - 2^96 + 2^64 - 1` needs no products for that.
#[inline(always)]
fn reduce(t: [u64; 8]) -> Fe {
    let [mut t0, mut t1, mut t2, mut t3, t4, t5, t6, t7] = t;
    let mut over = 0;
    for next in [t4, t5, t6, t7] {
        // w p + w, without its lowest word: w 2^192 + w - (w 2^32)(1 + 2^128), in words of 64 bits.
        let (low, high) = (t0 << 32, t0 >> 32);
        let (d1, b) = borrow(t0, low, 0);
        let (d2, b) = borrow(0, high, b);
        let (d3, b) = borrow(0, low, b);
        let d4 = t0 - high - b;
        let (s0, c) = carry(t1, d1, 0);
        let (s1, c) = carry(t2, d2, c);
        let (s2, c) = carry(t3, d3, c);
        let (s3, c) = carry(next, d4, c);
        let (s3, more) = carry(s3, over, 0);
        (t0, t1, t2, t3, over) = (s0, s1, s2, s3, c + more);
    }
    reduce_once([t0, t1, t2, t3], over)
}

/// Each to the power of `2^times`.
#[inline(always)]
fn squares(pair: &[Fe; 2], times: usize) -> [Fe; 2] {
    let [mut a, mut b] = *pair;
    for _ in 0..times {
        (a, b) = (a.square(), b.square());
    }
    [a, b]
}

/// Powers of `2^k - 1` become powers of `2^(k + times) - 1`, with those of `2^times - 1`.
#[inline(always)]
fn ones(pair: &[Fe; 2], others: &[Fe; 2], times: usize) -> [Fe; 2] {
    let [a, b] = squares(pair, times);
    [a.mul(&others[0]), b.mul(&others[1])]
}

impl Fe {
    pub(crate) const ZERO: Self = Self([0; 4]);
    /// 2^256 mod p.
    pub(crate) const ONE: Self = Self([1, 0xffff_ffff, 0, 0x1_0000_0000]);
    /// The curve's b.
    pub(crate) const B: Self = Self([
        0x90d2_3063_2bc0_dd42,
        0x71cf_379a_e9b5_37ab,
        0x5279_8150_5ea5_1c3c,
        0x240f_e188_ba20_e2c8,
    ]);

    /// From 32 bytes, big-endian; none if they aren't below p.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let word = |i: usize| {
            let part: [u8; 8] = bytes[8 * i..8 * i + 8].try_into().expect("eight bytes");
            u64::from_be_bytes(part)
        };
        let t = [word(3), word(2), word(1), word(0)];
        let (_, b) = borrow(t[0], P[0], 0);
        let (_, b) = borrow(t[1], P[1], b);
        let (_, b) = borrow(t[2], P[2], b);
        let (_, b) = borrow(t[3], P[3], b);
        (b == 1).then(|| Self(t).mul(&R2))
    }

    /// 32 bytes, big-endian.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let plain = self.mul(&Self([1, 0, 0, 0]));
        let mut bytes = [0; 32];
        for (i, word) in plain.0.iter().enumerate() {
            bytes[24 - 8 * i..32 - 8 * i].copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// Some 64 bits that differ between most elements: what a hash table is keyed by.
    pub(crate) fn key(&self) -> u64 {
        self.0[0] ^ self.0[2].rotate_left(32)
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0 == [0; 4]
    }

    #[inline(always)]
    pub(crate) fn add(&self, other: &Self) -> Self {
        let (t0, c) = carry(self.0[0], other.0[0], 0);
        let (t1, c) = carry(self.0[1], other.0[1], c);
        let (t2, c) = carry(self.0[2], other.0[2], c);
        let (t3, c) = carry(self.0[3], other.0[3], c);
        reduce_once([t0, t1, t2, t3], c)
    }

    #[inline(always)]
    pub(crate) fn sub(&self, other: &Self) -> Self {
        let (t0, b) = borrow(self.0[0], other.0[0], 0);
        let (t1, b) = borrow(self.0[1], other.0[1], b);
        let (t2, b) = borrow(self.0[2], other.0[2], b);
        let (t3, b) = borrow(self.0[3], other.0[3], b);
        let mask = 0u64.wrapping_sub(b);
        let (t0, c) = carry(t0, P[0] & mask, 0);
        let (t1, c) = carry(t1, P[1] & mask, c);
        let (t2, c) = carry(t2, P[2] & mask, c);
        let (t3, _) = carry(t3, P[3] & mask, c);
        Self([t0, t1, t2, t3])
    }

    pub(crate) fn neg(&self) -> Self {
        Self::ZERO.sub(self)
    }

    #[inline(always)]
    pub(crate) fn mul(&self, other: &Self) -> Self {
        let (a, b) = (&self.0, &other.0);
        let (t0, c) = multiply_add(0, a[0], b[0], 0);
        let (t1, c) = multiply_add(0, a[0], b[1], c);
        let (t2, c) = multiply_add(0, a[0], b[2], c);
        let (t3, t4) = multiply_add(0, a[0], b[3], c);
        let (t1, c) = multiply_add(t1, a[1], b[0], 0);
        let (t2, c) = multiply_add(t2, a[1], b[1], c);
        let (t3, c) = multiply_add(t3, a[1], b[2], c);
        let (t4, t5) = multiply_add(t4, a[1], b[3], c);
        let (t2, c) = multiply_add(t2, a[2], b[0], 0);
        let (t3, c) = multiply_add(t3, a[2], b[1], c);
        let (t4, c) = multiply_add(t4, a[2], b[2], c);
        let (t5, t6) = multiply_add(t5, a[2], b[3], c);
        let (t3, c) = multiply_add(t3, a[3], b[0], 0);
        let (t4, c) = multiply_add(t4, a[3], b[1], c);
        let (t5, c) = multiply_add(t5, a[3], b[2], c);
        let (t6, t7) = multiply_add(t6, a[3], b[3], c);
        reduce([t0, t1, t2, t3, t4, t5, t6, t7])
    }

    #[inline(always)]
    pub(crate) fn square(&self) -> Self {
        let a = &self.0;
        // The products of different words, twice; then the squares.
        let (t1, c) = multiply_add(0, a[0], a[1], 0);
        let (t2, c) = multiply_add(0, a[0], a[2], c);
        let (t3, t4) = multiply_add(0, a[0], a[3], c);
        let (t3, c) = multiply_add(t3, a[1], a[2], 0);
        let (t4, t5) = multiply_add(t4, a[1], a[3], c);
        let (t5, t6) = multiply_add(t5, a[2], a[3], 0);
        let t7 = t6 >> 63;
        let t6 = t6 << 1 | t5 >> 63;
        let t5 = t5 << 1 | t4 >> 63;
        let t4 = t4 << 1 | t3 >> 63;
        let t3 = t3 << 1 | t2 >> 63;
        let t2 = t2 << 1 | t1 >> 63;
        let t1 = t1 << 1;
        let (t0, c) = multiply_add(0, a[0], a[0], 0);
        let (t1, c) = carry(t1, c, 0);
        let (low, high) = multiply_add(0, a[1], a[1], 0);
        let (t2, c) = carry(t2, low, c);
        let (t3, c) = carry(t3, high, c);
        let (low, high) = multiply_add(0, a[2], a[2], 0);
        let (t4, c) = carry(t4, low, c);
        let (t5, c) = carry(t5, high, c);
        let (low, high) = multiply_add(0, a[3], a[3], 0);
        let (t6, c) = carry(t6, low, c);
        let (t7, _) = carry(t7, high, c);
        reduce([t0, t1, t2, t3, t4, t5, t6, t7])
    }

    /// A square root of each of two numbers, where there is one: p is 3 modulo 4, so it is the number
    /// to the power of `(p + 1) / 4 = 2^62 (2^32 - 1)(2^160 - 1)`. Two at a time, for a power is one
    /// long chain, and two chains keep the processor busy.
    pub(crate) fn square_roots(pair: &[Self; 2]) -> [Option<Self>; 2] {
        let x2 = ones(pair, pair, 1);
        let x4 = ones(&x2, &x2, 2);
        let x8 = ones(&x4, &x4, 4);
        let x16 = ones(&x8, &x8, 8);
        let x32 = ones(&x16, &x16, 16);
        // The same again, from there on.
        let x2 = ones(&x32, &x32, 1);
        let x4 = ones(&x2, &x2, 2);
        let x8 = ones(&x4, &x4, 4);
        let x16 = ones(&x8, &x8, 8);
        let y32 = ones(&x16, &x16, 16);
        let y64 = ones(&y32, &y32, 32);
        let y128 = ones(&y64, &y64, 64);
        let y160 = ones(&y128, &y32, 32);
        let roots = squares(&y160, 62);
        [0, 1].map(|i| (roots[i].square() == pair[i]).then_some(roots[i]))
    }

    #[cfg(test)]
    pub(crate) fn sqrt(&self) -> Option<Self> {
        Self::square_roots(&[*self, *self])[0]
    }

    /// The inverse; zero has none and gives zero.
    pub(crate) fn invert(&self) -> Self {
        // p - 2, from the highest bit.
        let exponent = [P[0] - 2, P[1], P[2], P[3]];
        let mut result = Self::ONE;
        for bit in (0..256).rev() {
            result = result.square();
            if exponent[bit / 64] >> (bit % 64) & 1 == 1 {
                result = result.mul(self);
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(seed: u64) -> Fe {
        let mut bytes = [0; 32];
        bytes[8..16].copy_from_slice(&seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        bytes[24..].copy_from_slice(&seed.to_be_bytes());
        Fe::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn bytes_round_trip_and_p_is_refused() {
        for seed in 0..100 {
            let x = some(seed);
            assert_eq!(Fe::from_bytes(&x.to_bytes()), Some(x));
        }
        let p = hex::decode("fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff");
        let mut p: [u8; 32] = p.unwrap().try_into().unwrap();
        assert_eq!(Fe::from_bytes(&p), None);
        p[31] -= 1;
        let minus_one = Fe::from_bytes(&p).unwrap();
        assert_eq!(minus_one.add(&Fe::ONE), Fe::ZERO);
        assert_eq!(minus_one.square(), Fe::ONE);
        assert_eq!(minus_one.sqrt(), None);
        assert_eq!(Fe::from_bytes(&[0xff; 32]), None);
    }

    #[test]
    fn the_laws_of_a_field_hold() {
        for seed in 1..200 {
            let (a, b, c) = (some(seed), some(seed * 77 + 5), some(seed ^ 0xabcdef).neg());
            assert_eq!(a.mul(&b.add(&c)), a.mul(&b).add(&a.mul(&c)));
            assert_eq!(a.sub(&b).add(&b), a);
            assert_eq!(a.mul(&a.invert()), Fe::ONE);
            let root = a.square().sqrt().unwrap();
            assert!(root == a || root == a.neg());
        }
    }
}
