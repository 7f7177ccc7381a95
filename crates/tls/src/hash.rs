//! SM3 (GB/T 32905-2016), and HMAC (RFC 2104) and HKDF (RFC 5869) over it, as TLS 1.3's key
//! schedule wants them (RFC 8446 §7.1).

use rustls::crypto::{hash, hmac, tls13::HkdfUsingHmac};
use sealwire_sm::{Sm3Digest, Sm3Hasher, sm3};
use zeroize::Zeroizing;

/// Length of what SM3 compresses at a time, in bytes.
const BLOCK_LEN: usize = 64;

/// HKDF over SM3.
pub(crate) static HKDF: HkdfUsingHmac<'static> = HkdfUsingHmac(&HmacSm3);

/// SM3 for the transcript.
pub(crate) struct Sm3;

impl hash::Hash for Sm3 {
    fn start(&self) -> Box<dyn hash::Context> {
        Box::new(Transcript(Sm3Hasher::new()))
    }

    fn hash(&self, data: &[u8]) -> hash::Output {
        hash::Output::new(sm3(&[data]).as_ref())
    }

    fn output_len(&self) -> usize {
        Sm3Digest::LEN
    }

    fn algorithm(&self) -> hash::HashAlgorithm {
        // Sessions may resume only between suites of one hash; rustls compares this. 7 is the
        // upper half of sm2sig_sm3 (0x0708), in the place that TLS 1.2 had for the hash.
        hash::HashAlgorithm::Unknown(7)
    }
}

#[derive(Clone)]
struct Transcript(Sm3Hasher);

impl hash::Context for Transcript {
    fn fork_finish(&self) -> hash::Output {
        hash::Output::new(self.0.clone().finalize().as_ref())
    }

    fn fork(&self) -> Box<dyn hash::Context> {
        Box::new(self.clone())
    }

    fn finish(self: Box<Self>) -> hash::Output {
        hash::Output::new(self.0.finalize().as_ref())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

/// HMAC over SM3.
pub(crate) struct HmacSm3;

impl hmac::Hmac for HmacSm3 {
    fn with_key(&self, key: &[u8]) -> Box<dyn hmac::Key> {
        let mut block = Zeroizing::new([0; BLOCK_LEN]);
        if key.len() > BLOCK_LEN {
            block[..Sm3Digest::LEN].copy_from_slice(sm3(&[key]).as_ref());
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let started = |pad: u8| {
            let mut hasher = Sm3Hasher::new();
            hasher.update(Zeroizing::new(block.map(|byte| byte ^ pad)).as_slice());
            hasher
        };
        Box::new(HmacKey {
            inner: started(0x36),
            outer: started(0x5c),
        })
    }

    fn hash_output_len(&self) -> usize {
        Sm3Digest::LEN
    }
}

/// Both hashers after their padded key; they zeroise themselves.
struct HmacKey {
    inner: Sm3Hasher,
    outer: Sm3Hasher,
}

impl hmac::Key for HmacKey {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> hmac::Tag {
        let mut inner = self.inner.clone();
        inner.update(first);
        for part in middle {
            inner.update(part);
        }
        inner.update(last);
        let mut outer = self.outer.clone();
        outer.update(inner.finalize().as_ref());
        hmac::Tag::new(outer.finalize().as_ref())
    }

    fn tag_len(&self) -> usize {
        Sm3Digest::LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::{hash::Hash as _, hmac::Hmac as _, tls13::Hkdf as _};
    use sealwire_sm::hmac_sm3;

    #[test]
    fn hmac_agrees_with_the_one_of_the_sm_crate() {
        for key_len in [0, 1, 32, 63, 64, 65, 200] {
            let key = vec![0xa5; key_len];
            let tag = HmacSm3
                .with_key(&key)
                .sign_concat(b"one", &[b"two", b"three"], b"four");
            assert_eq!(
                tag.as_ref(),
                hmac_sm3(&key, b"onetwothreefour").as_ref(),
                "{key_len}"
            );
        }
    }

    #[test]
    fn hkdf_follows_rfc_5869() {
        let (salt, secret, info) = (b"salt", b"input keying material", b"info");
        let prk = hmac_sm3(salt, secret);
        let first = hmac_sm3(prk.as_ref(), &[info, &[1][..]].concat());
        let second = hmac_sm3(prk.as_ref(), &[first.as_ref(), info, &[2]].concat());
        let expected = [first.as_ref(), second.as_ref()].concat();

        let mut made = [0; 50];
        HKDF.extract_from_secret(Some(salt), secret)
            .expand_slice(&[info], &mut made)
            .unwrap();
        assert_eq!(made, expected[..50]);
    }

    #[test]
    fn a_forked_transcript_goes_its_own_way() {
        let mut transcript = Sm3.start();
        transcript.update(b"hello ");
        let mut fork = transcript.fork();
        transcript.update(b"world");
        fork.update(b"there");
        assert_eq!(
            transcript.fork_finish().as_ref(),
            sm3(&[b"hello world"]).as_ref()
        );
        assert_eq!(
            transcript.finish().as_ref(),
            sm3(&[b"hello world"]).as_ref()
        );
        assert_eq!(fork.finish().as_ref(), Sm3.hash(b"hello there").as_ref());
    }
}
