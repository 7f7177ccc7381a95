//! BFV (Brakerski 2012; Fan and Vercauteren 2012) with exact encodings, over `fhe-math`'s rings.
//!
//! ```text
//! ciphertext  c0 || c1, a polynomial each (see [`ring`]): c0 + c1 s = q/t m + noise
//! total       the constant coefficient of c0, 8 bytes big-endian for each modulus || c1
//! ```
//! A *total* is a result of which only the sum over all slots is wanted. That sum is N times the
//! plaintext's constant coefficient, so of c0 only the constant coefficient is kept: the owner's key
//! opens the sum and nothing else of the slots, and the result has half the size.
//!
//! Why not the `fhe` crate that `fhe-math` belongs to: it draws from a random source of its own, its
//! decoders and operators panic at hostile bytes, its secret key prints itself, and its wire format
//! is a protobuf with many encodings of one value. It stays what the tests hold this module against.

mod compare;
mod key;
mod multiply;
mod ring;
mod slots;

pub(crate) use compare::above;
pub(crate) use key::{Evaluation, Public, Secret};
pub(crate) use multiply::Products;
pub(crate) use ring::Ring;

/// Bytes that aren't what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// Too few or too many bytes.
    #[error("not a BFV {what}: it has {found} bytes, these parameters need {expected}")]
    Length {
        /// What was expected.
        what: &'static str,
        /// How many bytes it has.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A coefficient out of range.
    #[error("not a BFV {what}: a coefficient isn't below its modulus")]
    Range {
        /// What was expected.
        what: &'static str,
    },
}

/// A ciphertext: the rows of two polynomials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ciphertext {
    c0: Vec<u64>,
    c1: Vec<u64>,
}

impl Ciphertext {
    /// Of zeros, without any randomness: where a sum starts.
    pub(crate) fn zero(ring: &Ring) -> Self {
        let c0 = vec![0; ring.len()];
        let c1 = c0.clone();
        Self { c0, c1 }
    }

    pub(crate) fn bytes_len(ring: &Ring) -> usize {
        2 * ring.poly_bytes()
    }

    pub(crate) fn from_bytes(ring: &Ring, bytes: &[u8]) -> Result<Self, BytesError> {
        let what = "ciphertext";
        let (expected, found) = (Self::bytes_len(ring), bytes.len());
        if found != expected {
            return Err(BytesError::Length {
                what,
                expected,
                found,
            });
        }
        let (c0, c1) = bytes.split_at(expected / 2);
        let read = |part| ring.unpack(part).ok_or(BytesError::Range { what });
        Ok(Self {
            c0: read(c0)?,
            c1: read(c1)?,
        })
    }

    pub(crate) fn to_bytes(&self, ring: &Ring) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::bytes_len(ring));
        ring.pack(&self.c0, &mut bytes);
        ring.pack(&self.c1, &mut bytes);
        bytes
    }

    pub(crate) fn add(&mut self, other: &Self, ring: &Ring) {
        ring.add(&mut self.c0, &other.c0);
        ring.add(&mut self.c1, &other.c1);
    }

    pub(crate) fn negate(&mut self, ring: &Ring) {
        ring.negate(&mut self.c0);
        ring.negate(&mut self.c1);
    }

    pub(crate) fn multiply(&mut self, factor: i64, ring: &Ring) {
        ring.multiply(&mut self.c0, factor);
        ring.multiply(&mut self.c1, factor);
    }

    /// Adds a public number to every slot.
    pub(crate) fn add_number(&mut self, number: i64, ring: &Ring) {
        let mut plain = vec![0; ring.numbers.n];
        plain[0] = ring.t.reduce_vec_i64(&[number])[0];
        ring.add_plain(&mut self.c0, &plain);
    }

    /// What of it opens to the sum over all slots.
    pub(crate) fn total(self, ring: &Ring) -> Total {
        let constants = self.c0.iter().step_by(ring.numbers.n).copied().collect();
        Total {
            constants,
            c1: self.c1,
        }
    }
}

/// What is left of a ciphertext when only the sum over its slots is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Total {
    constants: Vec<u64>,
    c1: Vec<u64>,
}

impl Total {
    pub(crate) fn bytes_len(ring: &Ring) -> usize {
        8 * ring.moduli.len() + ring.poly_bytes()
    }

    pub(crate) fn from_bytes(ring: &Ring, bytes: &[u8]) -> Result<Self, BytesError> {
        let what = "total";
        let (expected, found) = (Self::bytes_len(ring), bytes.len());
        if found != expected {
            return Err(BytesError::Length {
                what,
                expected,
                found,
            });
        }
        let (constants, c1) = bytes.split_at(8 * ring.moduli.len());
        let word = |part: &[u8]| u64::from_be_bytes(part.try_into().expect("eight bytes"));
        let constants: Vec<u64> = constants.chunks_exact(8).map(word).collect();
        let c1 = ring.unpack(c1).ok_or(BytesError::Range { what })?;
        if constants
            .iter()
            .zip(ring.numbers.moduli)
            .any(|(constant, modulus)| constant >= modulus)
        {
            return Err(BytesError::Range { what });
        }
        Ok(Self { constants, c1 })
    }

    pub(crate) fn to_bytes(&self, ring: &Ring) -> Vec<u8> {
        let mut bytes: Vec<u8> = self
            .constants
            .iter()
            .flat_map(|c| c.to_be_bytes())
            .collect();
        ring.pack(&self.c1, &mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests;
