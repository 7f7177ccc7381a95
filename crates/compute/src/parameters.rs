//! The frozen list of parameter sets: a [`ParameterSet`]'s concrete numbers, for ever.
//!
//! | Set | Scheme | N | log2 q | t | Security |
//! |---|---|---|---|---|---|
//! | `sm2-elgamal-v1` | exponential ElGamal on the SM2 curve | – | – | – | 128 bits (256-bit curve) |
//! | `bfv-add-v1` | BFV | 4,096 | 108 | 2^50 | 128 bits |
//! | `bfv-mul-v1` | BFV | 8,192 | 216 | 2^50 | 128 bits |
//! | `bfv-bits-v1` | BFV | 8,192 | 215 | 65,537 | 128 bits |
//!
//! Security of BFV follows table 1 of the HomomorphicEncryption.org standard (2018): classical
//! attacks, uniform ternary secret, at most [`log2_q_max`] bits of q. The error is a centred binomial
//! of [`ERROR_BITS`] bits a side: standard deviation √10.5 ≈ 3.24, not below the standard's 3.19.
//!
//! A new need gets a new set with a new number. Changing a number here breaks everything that was
//! encrypted; a test pins them.

use sealwire_envelope::compute::ParameterSet;

/// An error is the difference of the ones in two words of so many random bits: at most this.
pub const ERROR_BITS: u32 = 21;

/// The numbers of a BFV parameter set.
#[derive(Debug, PartialEq, Eq)]
pub struct Bfv {
    /// Degree of the ring Z\[x\]/(x^N + 1), and so many readings fit into one ciphertext.
    pub n: usize,
    /// Primes whose product is the ciphertext modulus q, each 1 modulo 2N.
    pub moduli: &'static [u64],
    /// Length of each modulus in bits: so long is a coefficient on the wire.
    pub modulus_bits: usize,
    /// Plaintext modulus t, a prime that is 1 modulo 2N and below every modulus.
    pub t: u64,
    /// The smallest primitive 2N-th root of unity modulo t: where the slots are, as in SEAL.
    pub root: u64,
    /// Whether ciphertexts are multiplied, and there is an evaluation key.
    pub multiplies: bool,
}

/// `bfv-add-v1`.
pub static BFV_ADD_V1: Bfv = Bfv {
    n: 4096,
    moduli: &[0x3f_ffff_fffd_6001, 0x3f_ffff_fffd_2001],
    modulus_bits: 54,
    t: 0x3_ffff_ffff_c001,
    root: 46_909_545_429,
    multiplies: false,
};

/// `bfv-mul-v1`.
pub static BFV_MUL_V1: Bfv = Bfv {
    n: 8192,
    moduli: &[
        0x3f_ffff_ffef_8001,
        0x3f_ffff_ffeb_8001,
        0x3f_ffff_ffe7_c001,
        0x3f_ffff_ffe6_4001,
    ],
    modulus_bits: 54,
    t: 0x3_ffff_ffff_c001,
    root: 11_286_399_139,
    multiplies: true,
};

/// `bfv-bits-v1`. Five moduli of 43 bits rather than four of 54: the noise of relinearisation grows
/// with the size of a modulus, and four levels of multiplication have none to spare.
pub static BFV_BITS_V1: Bfv = Bfv {
    n: 8192,
    moduli: &[
        0x7ff_fffd_8001,
        0x7ff_fffc_8001,
        0x7ff_fffa_8001,
        0x7ff_fff6_8001,
        0x7ff_ffef_c001,
    ],
    modulus_bits: 43,
    t: 65_537,
    root: 15,
    multiplies: true,
};

/// The numbers of a set; none for ElGamal, whose group says it all.
pub fn bfv(set: ParameterSet) -> Option<&'static Bfv> {
    match set {
        ParameterSet::Sm2ElgamalV1 => None,
        ParameterSet::BfvAddV1 => Some(&BFV_ADD_V1),
        ParameterSet::BfvMulV1 => Some(&BFV_MUL_V1),
        ParameterSet::BfvBitsV1 => Some(&BFV_BITS_V1),
    }
}

/// All sets, in the order of their numbers.
pub const ALL: [ParameterSet; 4] = [
    ParameterSet::Sm2ElgamalV1,
    ParameterSet::BfvAddV1,
    ParameterSet::BfvMulV1,
    ParameterSet::BfvBitsV1,
];

/// A set's name, as configuration and documents have it.
pub fn name(set: ParameterSet) -> &'static str {
    match set {
        ParameterSet::Sm2ElgamalV1 => "sm2-elgamal-v1",
        ParameterSet::BfvAddV1 => "bfv-add-v1",
        ParameterSet::BfvMulV1 => "bfv-mul-v1",
        ParameterSet::BfvBitsV1 => "bfv-bits-v1",
    }
}

/// Most bits of q for 128 bits of security at degree `n` (HomomorphicEncryption.org, 2018, table 1:
/// classical, ternary secret); none for degrees that aren't in the table.
pub fn log2_q_max(n: usize) -> Option<usize> {
    [
        (1024, 27),
        (2048, 54),
        (4096, 109),
        (8192, 218),
        (16384, 438),
        (32768, 881),
    ]
    .iter()
    .find(|(degree, _)| *degree == n)
    .map(|(_, bits)| *bits)
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;
    use sealwire_sm::sm3;

    use super::*;

    fn power(base: u64, mut exponent: u64, modulus: u64) -> u64 {
        let (mut result, mut base) = (1u128, u128::from(base));
        let m = u128::from(modulus);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = result * base % m;
            }
            base = base * base % m;
            exponent >>= 1;
        }
        result as u64
    }

    /// Miller and Rabin's test with the bases that decide it below 2^64.
    fn is_prime(p: u64) -> bool {
        let twos = (p - 1).trailing_zeros();
        [2u64, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37]
            .iter()
            .all(|base| {
                let mut x = power(*base, (p - 1) >> twos, p);
                if x == 1 || x == p - 1 {
                    return true;
                }
                (1..twos).any(|_| {
                    x = power(x, 2, p);
                    x == p - 1
                })
            })
    }

    #[test]
    fn every_set_is_within_the_standards_table() {
        for set in ALL {
            let Some(p) = bfv(set) else { continue };
            let q: BigUint = p.moduli.iter().map(|m| BigUint::from(*m)).product();
            let limit = log2_q_max(p.n).expect("a degree of the table");
            assert!(
                q.bits() as usize <= limit,
                "{}: {} bits",
                name(set),
                q.bits()
            );
        }
    }

    #[test]
    fn moduli_are_distinct_primes_with_room_for_the_ntt() {
        for set in ALL {
            let Some(p) = bfv(set) else { continue };
            let two_n = 2 * p.n as u64;
            for (i, m) in p.moduli.iter().enumerate() {
                assert!(is_prime(*m) && m % two_n == 1, "{m}");
                assert_eq!(64 - m.leading_zeros() as usize, p.modulus_bits);
                assert!(!p.moduli[..i].contains(m) && p.t < *m);
            }
            assert!(is_prime(p.t) && p.t % two_n == 1);
            assert_eq!(power(p.root, p.n as u64, p.t), p.t - 1);
            let others = (1..two_n)
                .step_by(2)
                .map(|exponent| power(p.root, exponent, p.t));
            assert_eq!(others.min(), Some(p.root), "not the smallest");
        }
    }

    #[test]
    fn numbers_are_for_ever() {
        let text: String = ALL
            .iter()
            .map(|set| format!("{} {:?}\n", name(*set), bfv(*set)))
            .collect();
        assert_eq!(
            sm3(&[text.as_bytes()]).to_string(),
            "814f0893c98e479d5752117bf8ecaac64a8d2cee3fbf80551ed9e74e638531a5",
            "{text}"
        );
    }
}
