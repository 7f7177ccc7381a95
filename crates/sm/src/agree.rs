//! Agree on a secret with an ephemeral SM2 key: ECDHE over curveSM2, as TLS 1.3 has it (RFC 8998
//! §3.3.2 with RFC 8446 §4.2.8.2 and §7.4.2).
//!
//! Each side sends its point uncompressed (65 bytes); the shared secret is the x-coordinate of
//! the product, 32 bytes, big-endian. It isn't authenticated: whoever uses it signs the exchange.
//!
//! This isn't the two-pass key agreement of GB/T 32918.3, which TLS 1.3 doesn't use.

use rand_core::TryCryptoRng;
use sm2::{
    ProjectivePoint,
    elliptic_curve::{point::AffineCoordinates as _, sec1::ToSec1Point as _},
};
use zeroize::Zeroizing;

use crate::key::KeyError;

/// Length of a point as it goes over the wire, in bytes: 0x04, x, y.
pub const POINT_LEN: usize = 65;
/// Length of the shared secret in bytes.
pub const SECRET_LEN: usize = 32;

/// A key for one agreement: used once, zeroised when dropped.
pub struct Ephemeral {
    secret: sm2::SecretKey,
    point: [u8; POINT_LEN],
}

impl Ephemeral {
    /// A fresh random key.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        loop {
            let mut bytes = Zeroizing::new([0; SECRET_LEN]);
            rng.try_fill_bytes(bytes.as_mut_slice())?;
            // 0 and numbers from n up are refused: one draw in 2^32 at most.
            if let Ok(key) = Self::from_bytes(&bytes) {
                return Ok(key);
            }
        }
    }

    fn from_bytes(bytes: &[u8; SECRET_LEN]) -> Result<Self, KeyError> {
        let secret = sm2::SecretKey::from_slice(bytes).map_err(|_| KeyError::Secret)?;
        let mut point = [0; POINT_LEN];
        point.copy_from_slice(secret.public_key().to_sec1_point(false).as_bytes());
        Ok(Self { secret, point })
    }

    /// What the peer needs: the uncompressed point.
    pub fn point(&self) -> &[u8; POINT_LEN] {
        &self.point
    }

    /// The secret shared with the holder of `peer`, in constant time.
    ///
    /// # Errors
    /// When `peer` isn't 65 bytes of an uncompressed point on the curve.
    pub fn agree(self, peer: &[u8]) -> Result<Zeroizing<[u8; SECRET_LEN]>, KeyError> {
        if peer.len() != POINT_LEN || peer[0] != 0x04 {
            return Err(KeyError::Public);
        }
        // Checks the curve's equation; the group has prime order, so every point on it will do.
        let peer = sm2::PublicKey::from_sec1_bytes(peer).map_err(|_| KeyError::Public)?;
        let scalar = Zeroizing::new(self.secret.to_nonzero_scalar());
        let product = Zeroizing::new(ProjectivePoint::from(*peer.as_affine()) * scalar.as_ref());
        Ok(Zeroizing::new(product.to_affine().x().into()))
    }
}

impl std::fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("agree::Ephemeral(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    #[test]
    fn both_sides_get_the_same_and_others_dont() {
        let rng = &mut rand::rng();
        let [a, b, c] = [(); 3].map(|()| Ephemeral::generate(rng).unwrap());
        let (to_a, to_b, to_c) = (*a.point(), *b.point(), *c.point());
        let shared = a.agree(&to_b).unwrap();
        assert_eq!(shared, b.agree(&to_a).unwrap());
        assert_ne!(shared, c.agree(&to_a).unwrap());
        assert_ne!(to_a, to_c);
    }

    #[test]
    fn one_times_a_point_is_the_point() {
        let mut one = [0; 32];
        one[31] = 1;
        let peer = *SecretKey::from_bytes(&[7; 32])
            .unwrap()
            .public_key()
            .to_uncompressed()
            .first_chunk::<65>()
            .unwrap();
        let shared = Ephemeral::from_bytes(&one).unwrap().agree(&peer).unwrap();
        assert_eq!(shared.as_slice(), &peer[1..33]);
    }

    #[test]
    fn refuses_what_isnt_an_uncompressed_point() {
        let key = || Ephemeral::from_bytes(&[9; 32]).unwrap();
        let good = *key().point();
        let mut off_curve = good;
        off_curve[64] ^= 1;
        let mut infinity = [0; 65];
        infinity[0] = 4;
        let compressed = SecretKey::from_bytes(&[7; 32])
            .unwrap()
            .public_key()
            .to_bytes();
        for bad in [
            &off_curve[..],
            &infinity,
            &good[..64],
            &compressed,
            &[],
            &[0],
        ] {
            assert_eq!(key().agree(bad).unwrap_err(), KeyError::Public);
        }
        assert!(Ephemeral::from_bytes(&[0; 32]).is_err());
        assert!(Ephemeral::from_bytes(&[0xff; 32]).is_err());
    }
}
