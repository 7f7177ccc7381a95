//! BFV against the bounds that are promised, and against the `fhe` crate.

use fhe::bfv::{self as peer, BfvParametersBuilder, Encoding};
use fhe_math::rq::{Poly, Representation, traits::TryConvertFrom as _};
use fhe_traits::{DeserializeParametrized as _, FheDecoder as _, FheDecrypter as _};
use num_bigint::BigUint;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sealwire_envelope::compute::ParameterSet;

use super::*;
use crate::bound::Noise;

const SETS: [ParameterSet; 3] = [
    ParameterSet::BfvAddV1,
    ParameterSet::BfvMulV1,
    ParameterSet::BfvBitsV1,
];

struct Keys {
    ring: &'static Ring,
    secret: Secret,
    public: Public,
    evaluation: Option<Evaluation>,
    rng: StdRng,
}

fn keys(set: ParameterSet, seed: u64) -> Keys {
    let ring = Ring::of(set).unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let secret = Secret::generate(ring, &mut rng);
    let public = Public::from_bytes(ring, &secret.public(&mut rng)).unwrap();
    let evaluation = ring
        .numbers
        .multiplies
        .then(|| Evaluation::from_bytes(ring, &secret.evaluation(&mut rng)).unwrap());
    Keys {
        ring,
        secret,
        public,
        evaluation,
        rng,
    }
}

impl Keys {
    fn random(&mut self) -> Vec<i64> {
        let half = (self.ring.numbers.t / 2) as i64;
        (0..self.ring.numbers.n)
            .map(|_| self.rng.random_range(-half..=half))
            .collect()
    }

    fn encrypt(&mut self, values: &[i64]) -> Ciphertext {
        self.public.encrypt(values, &mut self.rng)
    }

    fn assert_noise(&self, what: &str, ciphertext: &Ciphertext, bound: &BigUint) {
        let bits = self.secret.noise_bits(ciphertext);
        println!("{what}: {bits} bits of noise, at most {}", bound.bits());
        assert!(
            bits <= bound.bits(),
            "{what}: {bits} bits, promised {}",
            bound.bits()
        );
    }
}

/// The worst case is far from what random choices come to, but never below it.
#[test]
fn noise_stays_below_what_is_promised() {
    for set in SETS {
        let mut keys = keys(set, 1);
        let noise = Noise::new(keys.ring.numbers);
        let (left, right) = (keys.random(), keys.random());
        let (a, b) = (keys.encrypt(&left), keys.encrypt(&right));
        let fresh = noise.fresh();
        keys.assert_noise("fresh", &a, &fresh);
        let mut sum = a.clone();
        (0..100).for_each(|_| sum.add(&b, keys.ring));
        keys.assert_noise("sum of 101", &sum, &(&fresh * 101u8));
        let mut times = a.clone();
        times.multiply(-1_000_003, keys.ring);
        keys.assert_noise("times a million", &times, &(&fresh * 1_000_003u32));
        let mut plus = a.clone();
        plus.add_number(-77, keys.ring);
        keys.assert_noise("plus a number", &plus, &(&fresh + 1u8));
        if let Some(evaluation) = &keys.evaluation {
            let mut products = Products::none(keys.ring);
            products.add(&a.extend(keys.ring), &b.extend(keys.ring));
            let product = products.finish(evaluation);
            let bound = noise.product(&fresh, &fresh) + noise.relinearisation();
            keys.assert_noise("product", &product, &bound);
        }
    }
    let mut keys = keys(ParameterSet::BfvBitsV1, 2);
    let noise = Noise::new(keys.ring.numbers);
    let bits: Vec<Ciphertext> = (0..16)
        .map(|_| {
            let bits: Vec<i64> = (0..8192).map(|_| keys.rng.random_range(0..=1)).collect();
            keys.encrypt(&bits)
        })
        .collect();
    let evaluation = keys.evaluation.as_ref().unwrap();
    let above = above(&bits, 0x5a5a, evaluation).unwrap();
    keys.assert_noise("comparison of 16 bits", &above, &noise.comparison(16));
}

/// Values, sums and products over the whole plaintext space, modulo t.
#[test]
fn slots_add_and_multiply_modulo_t() {
    for set in SETS {
        let mut keys = keys(set, 3);
        let t = i128::from(keys.ring.numbers.t);
        let (left, right) = (keys.random(), keys.random());
        let (a, b) = (keys.encrypt(&left), keys.encrypt(&right));
        assert_eq!(*keys.secret.open(&a), left);
        let congruent = |found: &[i64], expected: &dyn Fn(i128, i128) -> i128| {
            let pairs = left
                .iter()
                .zip(&right)
                .map(|(x, y)| expected(i128::from(*x), i128::from(*y)));
            found
                .iter()
                .zip(pairs)
                .all(|(found, pair)| (i128::from(*found) - pair) % t == 0)
        };
        let mut sum = a.clone();
        sum.add(&b, keys.ring);
        assert!(congruent(&keys.secret.open(&sum), &|x, y| x + y));
        sum.negate(keys.ring);
        sum.add_number(5, keys.ring);
        assert!(congruent(&keys.secret.open(&sum), &|x, y| 5 - x - y));
        let total = Total::from_bytes(keys.ring, &sum.clone().total(keys.ring).to_bytes(keys.ring));
        let expected: i128 = left
            .iter()
            .zip(&right)
            .map(|(x, y)| 5 - i128::from(*x) - i128::from(*y))
            .sum();
        assert_eq!(
            (i128::from(keys.secret.open_total(&total.unwrap())) - expected) % t,
            0
        );
        let Some(evaluation) = &keys.evaluation else {
            continue;
        };
        let mut products = Products::none(keys.ring);
        let (a, b) = (a.extend(keys.ring), b.extend(keys.ring));
        products.add(&a, &b);
        products.add_square(&a);
        let mut more = Products::none(keys.ring);
        more.add_square(&b);
        products.merge(&more);
        let product = products.finish(evaluation);
        assert!(congruent(&keys.secret.open(&product), &|x, y| (x * y
            + x * x)
            % t
            + y * y % t));
    }
}

/// What is encrypted here decrypts there, and their product is ours.
#[test]
fn the_fhe_crate_decrypts_and_multiplies_what_is_encrypted_here() {
    for set in SETS {
        let mut keys = keys(set, 4);
        let numbers = keys.ring.numbers;
        let parameters = BfvParametersBuilder::new()
            .set_degree(numbers.n)
            .set_plaintext_modulus(numbers.t)
            .set_moduli(numbers.moduli)
            .build_arc()
            .unwrap();
        // Their protobuf: field 1, packed, zigzag; all coefficients are one byte.
        let mut proto = vec![0x0a];
        let mut length = numbers.n;
        while length > 0 {
            proto.push((length & 0x7f) as u8 | if length > 0x7f { 0x80 } else { 0 });
            length >>= 7;
        }
        let bytes = keys.secret.to_bytes();
        proto.extend(bytes.iter().flat_map(|byte| {
            (0..4).map(move |pair| [0, 2, 1][usize::from(byte >> (2 * pair) & 3)])
        }));
        let secret = peer::SecretKey::from_bytes(&proto, &parameters).unwrap();
        let context = parameters.context_at_level(0).unwrap();
        let theirs = |ciphertext: &Ciphertext| {
            let polys = [&ciphertext.c0, &ciphertext.c1].map(|rows| {
                let mut poly = Poly::try_convert_from(
                    rows.clone(),
                    context,
                    false,
                    Representation::PowerBasis,
                )
                .unwrap();
                poly.change_representation(Representation::Ntt);
                poly
            });
            peer::Ciphertext::new(polys.into(), &parameters).unwrap()
        };
        let opened = |ciphertext: &peer::Ciphertext| {
            let plain = secret.try_decrypt(ciphertext).unwrap();
            Vec::<u64>::try_decode(&plain, Encoding::poly()).unwrap()
        };
        let (left, right) = (keys.random(), keys.random());
        let (a, b) = (keys.encrypt(&left), keys.encrypt(&right));
        assert_eq!(opened(&theirs(&a)), *keys.ring.slots.encode(&left));
        assert_eq!(opened(&(&theirs(&a) + &theirs(&b))), {
            let mut sum = a.clone();
            sum.add(&b, keys.ring);
            keys.ring.slots.encode(&keys.secret.open(&sum)).to_vec()
        });
        let Some(evaluation) = &keys.evaluation else {
            continue;
        };
        let mut products = Products::none(keys.ring);
        products.add(&a.extend(keys.ring), &b.extend(keys.ring));
        let product = products.finish(evaluation);
        let ours = keys.ring.slots.encode(&keys.secret.open(&product));
        assert_eq!(opened(&theirs(&product)), *ours);
        assert_eq!(opened(&(&theirs(&a) * &theirs(&b))), *ours);
    }
}

#[test]
fn one_value_has_one_encoding() {
    for set in SETS {
        let mut keys = keys(set, 5);
        let (ring, values) = (keys.ring, keys.random());
        let bytes = keys.encrypt(&values).to_bytes(ring);
        let read = |bytes: &[u8]| Ciphertext::from_bytes(ring, bytes);
        assert_eq!(read(&bytes).unwrap().to_bytes(ring), bytes);
        assert!(matches!(read(&bytes[1..]), Err(BytesError::Length { .. })));
        assert!(matches!(
            read(&[&bytes[..], &[0]].concat()),
            Err(BytesError::Length { .. })
        ));
        assert!(matches!(read(&[]), Err(BytesError::Length { .. })));
        // A coefficient that is its modulus, in every row and at both ends of it.
        for (row, modulus) in (0..).zip(ring.numbers.moduli.iter().chain(ring.numbers.moduli)) {
            for column in [0, ring.numbers.n - 1] {
                let at = row * ring.row_bytes() * 8 + column * ring.numbers.modulus_bits;
                let put = |value: u64| {
                    let mut bytes = bytes.clone();
                    for bit in 0..ring.numbers.modulus_bits {
                        let (byte, mask) = ((at + bit) / 8, 1 << ((at + bit) % 8));
                        bytes[byte] &= !mask;
                        bytes[byte] |= if value >> bit & 1 == 1 { mask } else { 0 };
                    }
                    bytes
                };
                assert!(read(&put(modulus - 1)).is_ok());
                assert!(matches!(
                    read(&put(*modulus)),
                    Err(BytesError::Range { .. })
                ));
            }
        }
        let secret = keys.secret.to_bytes();
        let again = Secret::from_bytes(ring, &secret).unwrap();
        assert_eq!(again.to_bytes(), secret);
        assert!(Secret::from_bytes(ring, &secret[1..]).is_err());
        let mut three = secret.to_vec();
        three[9] |= 3;
        assert!(matches!(
            Secret::from_bytes(ring, &three),
            Err(BytesError::Range { .. })
        ));
        assert_eq!(format!("{again:?}"), "bfv::Secret(secret)");
    }
}

/// The draws have the distribution that the security estimate assumes.
#[test]
fn draws_are_ternary_binomial_and_uniform() {
    let ring = Ring::of(ParameterSet::BfvMulV1).unwrap();
    let rng = &mut StdRng::seed_from_u64(6);
    let (mut counts, mut squares) = ([0u32; 3], 0i64);
    for _ in 0..10 {
        ring.ternary(rng)
            .iter()
            .for_each(|x| counts[(x + 1) as usize] += 1);
        squares += ring.error(rng).iter().map(|e| e * e).sum::<i64>();
    }
    // 81,920 draws: a third each, within six standard deviations of 135.
    assert!(
        counts.iter().all(|count| count.abs_diff(27_307) < 810),
        "{counts:?}"
    );
    // Variance 10.5, within six standard deviations of 0.05.
    assert!((squares - 860_160).abs() < 27_000, "{squares}");
    let uniform = ring.uniform(&[7; 32], 0);
    let high = uniform.iter().filter(|x| **x >> 53 == 1).count();
    assert!(high.abs_diff(16_384) < 550, "{high}");
    assert_ne!(uniform, ring.uniform(&[7; 32], 1));
    assert_ne!(uniform, ring.uniform(&[8; 32], 0));
}
