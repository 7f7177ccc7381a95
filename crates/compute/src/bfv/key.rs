//! BFV keys: secret, public, evaluation (relinearisation).
//!
//! ```text
//! secret      s: uniform ternary; N/4 bytes, two bits a coefficient (0, 1, 2 for 0, 1, -1)
//! public      a uniform from a seed, b = -(a s + e); seed (32 bytes) || b
//! evaluation  for each modulus i: a_i uniform from the seed, b_i = -(a_i s + e_i) + g_i s^2,
//!             where g_i is 1 modulo modulus i and 0 modulo the others; seed || b_0 || b_1 || …
//! ```
//! The public key's polynomial has index 0 under its seed, those of the evaluation key 0, 1, ….

use std::fmt;

use fhe_math::rq::{Poly, Representation};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    BytesError, Ciphertext,
    ring::{Ring, SEED_LEN},
};

/// A secret key's coefficients.
pub(crate) struct Secret {
    ring: &'static Ring,
    coefficients: Zeroizing<Vec<i64>>,
    ntt: Zeroizing<Poly>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bfv::Secret(secret)")
    }
}

impl Secret {
    pub(crate) fn generate<R: CryptoRng>(ring: &'static Ring, rng: &mut R) -> Self {
        Self::new(ring, ring.ternary(rng))
    }

    fn new(ring: &'static Ring, coefficients: Zeroizing<Vec<i64>>) -> Self {
        let ntt = ring.small_ntt(&coefficients);
        Self {
            ring,
            coefficients,
            ntt,
        }
    }

    pub(crate) fn from_bytes(ring: &'static Ring, bytes: &[u8]) -> Result<Self, BytesError> {
        let expected = ring.numbers.n / 4;
        if bytes.len() != expected {
            let found = bytes.len();
            return Err(BytesError::Length {
                what: "secret key",
                expected,
                found,
            });
        }
        let mut coefficients = Zeroizing::new(Vec::with_capacity(ring.numbers.n));
        let mut bad = 0u8;
        for byte in bytes {
            for pair in 0..4 {
                let two = byte >> (2 * pair) & 3;
                bad |= two & two >> 1;
                coefficients.push(i64::from(two & 1) - i64::from(two >> 1));
            }
        }
        if bad != 0 {
            return Err(BytesError::Range { what: "secret key" });
        }
        Ok(Self::new(ring, coefficients))
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let bytes = self.coefficients.chunks_exact(4).map(|four| {
            let pairs = four.iter().enumerate();
            pairs.fold(0u8, |byte, (i, c)| {
                byte | ((*c & 1 | (*c >> 62 & 2)) as u8 ^ (*c >> 63 & 1) as u8) << (2 * i)
            })
        });
        Zeroizing::new(bytes.collect())
    }

    /// `-(a s + e)`, and `a`'s rows.
    fn sample<R: CryptoRng>(&self, seed: &[u8; SEED_LEN], index: u32, rng: &mut R) -> Vec<u64> {
        let a = self.ring.ntt(self.ring.uniform(seed, index), false);
        let mut b = self.ring.secret_product(&a, &self.ntt);
        self.ring.add_small(&mut b, &self.ring.error(rng));
        self.ring.negate(&mut b);
        b.to_vec()
    }

    pub(crate) fn public<R: CryptoRng>(&self, rng: &mut R) -> Vec<u8> {
        let mut seed = [0; SEED_LEN];
        rng.fill_bytes(&mut seed);
        let mut bytes = seed.to_vec();
        self.ring.pack(&self.sample(&seed, 0, rng), &mut bytes);
        bytes
    }

    pub(crate) fn evaluation<R: CryptoRng>(&self, rng: &mut R) -> Vec<u8> {
        let mut seed = [0; SEED_LEN];
        rng.fill_bytes(&mut seed);
        let mut bytes = seed.to_vec();
        let square = self.ring.secret_product(&self.ntt, &self.ntt);
        let n = self.ring.numbers.n;
        for (i, modulus) in self.ring.moduli.iter().enumerate() {
            let mut b = self.sample(&seed, i as u32, rng);
            let row = i * n..(i + 1) * n;
            modulus.add_vec(&mut b[row.clone()], &square[row]);
            self.ring.pack(&b, &mut bytes);
        }
        bytes
    }

    /// The plaintext polynomial inside a ciphertext.
    fn plain(&self, ciphertext: &Ciphertext) -> Zeroizing<Vec<u64>> {
        let c1 = self.ring.ntt(ciphertext.c1.clone(), false);
        let mut phase = Zeroizing::new(&c1 * &*self.ntt);
        phase.change_representation(Representation::PowerBasis);
        *phase += &self.ring.poly(ciphertext.c0.clone(), false);
        self.ring.remove_scale(&phase)
    }

    /// The values in all slots, centred.
    pub(crate) fn open(&self, ciphertext: &Ciphertext) -> Zeroizing<Vec<i64>> {
        self.ring.slots.decode(&self.plain(ciphertext))
    }

    /// The sum over all slots: all that a total's constant coefficient gives away.
    pub(crate) fn open_total(&self, total: &super::Total) -> i64 {
        let n = self.ring.numbers.n;
        let mut c0 = vec![0; self.ring.len()];
        for (i, constant) in total.constants.iter().enumerate() {
            c0[i * n] = *constant;
        }
        let ciphertext = Ciphertext {
            c0,
            c1: total.c1.clone(),
        };
        self.ring.slots.total(self.plain(&ciphertext)[0])
    }

    /// Largest distance of a coefficient's phase from its plaintext's, in bits: what
    /// [`crate::bound`] must not underestimate.
    #[cfg(test)]
    pub(crate) fn noise_bits(&self, ciphertext: &Ciphertext) -> u64 {
        use num_bigint::BigUint;
        let mut c0 = ciphertext.c0.clone();
        let plain = self.plain(ciphertext);
        let minus: Vec<u64> = plain
            .iter()
            .map(|m| (self.ring.numbers.t - m) % self.ring.numbers.t)
            .collect();
        self.ring.add_plain(&mut c0, &minus);
        let c1 = self.ring.ntt(ciphertext.c1.clone(), false);
        let mut phase = &c1 * &*self.ntt;
        phase.change_representation(Representation::PowerBasis);
        phase += &self.ring.poly(c0, false);
        let q = self.ring.context.modulus();
        let sizes = Vec::<BigUint>::from(&phase);
        sizes
            .iter()
            .map(|x| x.bits().min((q - x).bits()))
            .max()
            .unwrap_or(0)
    }
}

/// A public key.
pub(crate) struct Public {
    ring: &'static Ring,
    a: Poly,
    b: Poly,
}

impl Public {
    pub(crate) fn from_bytes(ring: &'static Ring, bytes: &[u8]) -> Result<Self, BytesError> {
        let what = "public key";
        let (seed, parts) = seeded(ring, bytes, 1, what)?;
        let b = ring.unpack(parts).ok_or(BytesError::Range { what })?;
        Ok(Self {
            ring,
            a: ring.ntt(ring.uniform(seed, 0), false),
            b: ring.ntt(b, false),
        })
    }

    /// Encrypts values into slots, in constant time: `(b u + e1 + q/t m, a u + e2)`.
    pub(crate) fn encrypt<R: CryptoRng>(&self, values: &[i64], rng: &mut R) -> Ciphertext {
        let ring = self.ring;
        let u = ring.small_ntt(&ring.ternary(rng));
        let mut c0 = ring.secret_product(&self.b, &u);
        ring.add_small(&mut c0, &ring.error(rng));
        ring.add_plain(&mut c0, &ring.slots.encode(values));
        let mut c1 = ring.secret_product(&self.a, &u);
        ring.add_small(&mut c1, &ring.error(rng));
        let (c0, c1) = (c0.to_vec(), c1.to_vec());
        Ciphertext { c0, c1 }
    }
}

/// An evaluation key.
pub(crate) struct Evaluation {
    pub(super) ring: &'static Ring,
    /// b_i and a_i, for the fast product.
    pub(super) pairs: Vec<(Poly, Poly)>,
}

impl Evaluation {
    pub(crate) fn from_bytes(ring: &'static Ring, bytes: &[u8]) -> Result<Self, BytesError> {
        let what = "evaluation key";
        let count = ring.moduli.len();
        let (seed, parts) = seeded(ring, bytes, count, what)?;
        let shoup = |rows| {
            let mut poly = ring.poly(rows, true);
            poly.change_representation(Representation::NttShoup);
            poly
        };
        let pairs = parts
            .chunks_exact(ring.poly_bytes())
            .zip(0..)
            .map(|(part, index)| {
                let b = ring.unpack(part).ok_or(BytesError::Range { what })?;
                Ok((shoup(b), shoup(ring.uniform(seed, index))))
            });
        Ok(Self {
            ring,
            pairs: pairs.collect::<Result<_, _>>()?,
        })
    }
}

/// Splits bytes into a seed and `count` polynomials' bytes.
fn seeded<'a>(
    ring: &Ring,
    bytes: &'a [u8],
    count: usize,
    what: &'static str,
) -> Result<(&'a [u8; SEED_LEN], &'a [u8]), BytesError> {
    let expected = SEED_LEN + count * ring.poly_bytes();
    let found = bytes.len();
    match bytes.split_first_chunk() {
        Some(split) if found == expected => Ok(split),
        _ => Err(BytesError::Length {
            what,
            expected,
            found,
        }),
    }
}
