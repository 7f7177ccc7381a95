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
        let (mut t0, mut t1, mut t2, mut t3, mut t4) = (0u64, 0, 0, 0, 0u64);
        for word in a {
            // t += word * b
            let (r0, c) = multiply_add(t0, *word, b[0], 0);
            let (r1, c) = multiply_add(t1, *word, b[1], c);
            let (r2, c) = multiply_add(t2, *word, b[2], c);
            let (r3, c) = multiply_add(t3, *word, b[3], c);
            let (r4, top) = carry(t4, c, 0);
            // t = (t + r0 * p) / 2^64; r0 + r0 * p[0] is r0 * 2^64.
            let (s0, c) = multiply_add(r1, r0, P[1], r0);
            let (s1, c) = multiply_add(r2, r0, P[2], c);
            let (s2, c) = multiply_add(r3, r0, P[3], c);
            let (s3, c) = carry(r4, c, 0);
            (t0, t1, t2, t3, t4) = (s0, s1, s2, s3, top + c);
        }
        reduce_once([t0, t1, t2, t3], t4)
    }

    #[inline(always)]
    pub(crate) fn square(&self) -> Self {
        self.mul(self)
    }

    fn squares(&self, times: usize) -> Self {
        (0..times).fold(*self, |x, _| x.square())
    }

    /// `self^(2^32 - 1)` and `self^(2^160 - 1)`.
    fn ladder(&self) -> (Self, Self) {
        let x2 = self.square().mul(self);
        let x4 = x2.squares(2).mul(&x2);
        let x8 = x4.squares(4).mul(&x4);
        let x16 = x8.squares(8).mul(&x8);
        let x32 = x16.squares(16).mul(&x16);
        let x64 = x32.squares(32).mul(&x32);
        let x128 = x64.squares(64).mul(&x64);
        (x32, x128.squares(32).mul(&x32))
    }

    /// A square root, if there is one: p is 3 modulo 4, so it is `self^((p + 1) / 4)`, and
    /// (p + 1) / 4 = 2^62 (2^32 - 1)(2^160 - 1) + 2^62... see the test.
    pub(crate) fn sqrt(&self) -> Option<Self> {
        let (x32, _) = self.ladder();
        let (_, root) = x32.ladder();
        let root = root.squares(62);
        (root.square() == *self).then_some(root)
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
