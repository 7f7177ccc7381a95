//! Codes: a key pair short enough to print, type and scan.
//!
//! An enrolment code lets a device get its certificate, an authorisation key lets a client get a
//! right. Both are 16 secret bytes, from which the holder makes an SM2 key pair; the ledger knows the
//! public half. The holder signs what it wants with the private half, so nothing that travels can be
//! used by whoever copies it.
//!
//! ```text
//! text    = kind "-" 8 groups of 4 characters, joined by "-": base 32 of secret || check
//! kind    = "SWE" (enrolment) or "SWA" (authorisation)
//! check   = first 4 bytes of SM3("sealwire code" || kind || secret)
//! base 32 = Crockford's: 0-9 A-Z without I L O U; read in any case, I and L as 1, O as 0
//! d       = HMAC-SM3(secret, "sealwire code" || kind || n), n = one byte, 0 or the next at which
//!           d is in 1..=n-2 of SM2's order
//! ```
//!
//! 128 bits of secret: nobody finds it by trying. The check finds a typing error (1 in 2^32 passes).

use std::{fmt, str::FromStr};

use rand_core::CryptoRng;
use sealwire_sm::{SecretKey, digest::hmac_sm3, sm3};
use zeroize::Zeroizing;

/// Length of the secret, in bytes.
pub const CODE_SECRET_BYTES: usize = 16;
const CHECK_BYTES: usize = 4;
const CODE_BYTES: usize = CODE_SECRET_BYTES + CHECK_BYTES;
const GROUP: usize = 4;
/// Longest text that is looked at, in bytes.
pub const CODE_TEXT_MAX_BYTES: usize = 128;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LABEL: &[u8] = b"sealwire code";

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// Gets a certificate.
    Enrolment,
    /// Gets a right.
    Authorisation,
}

impl CodeKind {
    const ALL: [Self; 2] = [Self::Enrolment, Self::Authorisation];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Enrolment => "SWE",
            Self::Authorisation => "SWA",
        }
    }
}

impl fmt::Display for CodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enrolment => "an enrolment code",
            Self::Authorisation => "an authorisation key",
        })
    }
}

/// A text isn't a code. The text isn't in the error: it may be a secret with one letter wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It begins with no known kind.
    #[error("a code begins with SWE- (enrolment) or SWA- (authorisation)")]
    Kind,
    /// A character that isn't in the alphabet.
    #[error("character {at} isn't one of a code's: digits and letters but U")]
    Character {
        /// Which, counted from 1.
        at: usize,
    },
    /// Too short or too long.
    #[error("a code has 32 characters after its kind, this one has {got}")]
    Length {
        /// How many there are.
        got: usize,
    },
    /// The check doesn't agree.
    #[error("the code has a typing error: compare it with the print, character by character")]
    Check,
    /// It is the other kind.
    #[error("this is {got}, not {expected}")]
    OtherKind {
        /// What was asked for.
        expected: CodeKind,
        /// What it is.
        got: CodeKind,
    },
}

/// A code. Its text ([`Code::reveal`]) is the secret: `Debug` doesn't show it.
#[derive(Clone)]
pub struct Code {
    kind: CodeKind,
    secret: Zeroizing<[u8; CODE_SECRET_BYTES]>,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({})", self.kind)
    }
}

impl Code {
    /// A new one.
    pub fn generate<R: CryptoRng>(kind: CodeKind, rng: &mut R) -> Self {
        let mut secret = Zeroizing::new([0; CODE_SECRET_BYTES]);
        rng.fill_bytes(&mut *secret);
        Self { kind, secret }
    }

    /// The one with this secret.
    pub fn from_secret(kind: CodeKind, secret: [u8; CODE_SECRET_BYTES]) -> Self {
        let secret = Zeroizing::new(secret);
        Self { kind, secret }
    }

    /// Reads a code of one kind.
    ///
    /// # Errors
    /// As reading any, and when it is of another kind.
    pub fn parse(kind: CodeKind, text: &str) -> Result<Self, CodeError> {
        let code: Self = text.parse()?;
        if code.kind == kind {
            Ok(code)
        } else {
            Err(CodeError::OtherKind {
                expected: kind,
                got: code.kind,
            })
        }
    }

    /// What it is for.
    pub fn kind(&self) -> CodeKind {
        self.kind
    }

    /// The key pair that it is.
    pub fn key(&self) -> SecretKey {
        let prefix = self.kind.prefix().as_bytes();
        (0..=u8::MAX)
            .find_map(|n| {
                let message = [LABEL, prefix, &[n]].concat();
                let d = Zeroizing::new(hmac_sm3(&*self.secret, &message).0);
                SecretKey::from_bytes(&*d).ok()
            })
            .expect("one in 2^32 candidates is out of range, and there are 256")
    }

    fn check(&self) -> [u8; CHECK_BYTES] {
        let digest = sm3(&[LABEL, self.kind.prefix().as_bytes(), &*self.secret]);
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&digest.as_bytes()[..CHECK_BYTES]);
        check
    }

    /// The text to print.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; CODE_BYTES]);
        bytes[..CODE_SECRET_BYTES].copy_from_slice(&*self.secret);
        bytes[CODE_SECRET_BYTES..].copy_from_slice(&self.check());
        let mut text = Zeroizing::new(String::with_capacity(CODE_TEXT_MAX_BYTES));
        text.push_str(self.kind.prefix());
        // 5 bytes are 8 characters, two groups.
        for part in bytes.chunks(5) {
            let word = part
                .iter()
                .fold(0u64, |word, byte| word << 8 | u64::from(*byte));
            for place in (0..8).rev() {
                if place % GROUP == GROUP - 1 {
                    text.push('-');
                }
                let digit = (word >> (place * 5) & 31) as usize;
                text.push(char::from(ALPHABET[digit]));
            }
        }
        text
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let text = text.trim();
        if text.len() > CODE_TEXT_MAX_BYTES {
            return Err(CodeError::Length { got: text.len() });
        }
        let upper = Zeroizing::new(text.to_ascii_uppercase());
        let (kind, rest) = CodeKind::ALL
            .into_iter()
            .find_map(|kind| Some((kind, upper.strip_prefix(kind.prefix())?)))
            .ok_or(CodeError::Kind)?;
        let mut digits = Zeroizing::new(Vec::with_capacity(CODE_BYTES * 8 / 5));
        for (i, c) in rest.chars().enumerate().filter(|(_, c)| !"- ".contains(*c)) {
            let c = match c {
                'I' | 'L' => '1',
                'O' => '0',
                c => c,
            };
            let digit = ALPHABET.iter().position(|known| char::from(*known) == c);
            let at = kind.prefix().len() + i + 1;
            digits.push(digit.ok_or(CodeError::Character { at })? as u64);
        }
        if digits.len() != CODE_BYTES * 8 / 5 {
            return Err(CodeError::Length { got: digits.len() });
        }
        let mut bytes = Zeroizing::new([0; CODE_BYTES]);
        for (part, digits) in bytes.chunks_mut(5).zip(digits.chunks(8)) {
            let word = digits.iter().fold(0u64, |word, digit| word << 5 | digit);
            part.copy_from_slice(&word.to_be_bytes()[3..]);
        }
        let mut secret = [0; CODE_SECRET_BYTES];
        secret.copy_from_slice(&bytes[..CODE_SECRET_BYTES]);
        let code = Self::from_secret(kind, secret);
        if code.check() == bytes[CODE_SECRET_BYTES..] {
            Ok(code)
        } else {
            Err(CodeError::Check)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> Code {
        Code::from_secret(CodeKind::Authorisation, *b"0123456789abcdef")
    }

    #[test]
    fn text_round_trips_however_it_is_typed() {
        let code = code();
        let text = code.reveal();
        assert_eq!(text.len(), 3 + 8 * 5);
        for typed in [
            text.to_string(),
            text.to_lowercase(),
            text.replace('-', " "),
            text.replace('-', ""),
            format!("  {}\n", text.replace('1', "l").replace('0', "o")),
        ] {
            let read: Code = typed.parse().unwrap();
            assert_eq!(read.kind(), code.kind());
            assert_eq!(read.key().public_key(), code.key().public_key());
        }
        assert!(matches!(
            Code::parse(CodeKind::Enrolment, &text),
            Err(CodeError::OtherKind { .. })
        ));
    }

    #[test]
    fn every_single_wrong_character_is_found() {
        let text = code().reveal().to_string();
        for (at, right) in text.char_indices().skip(3).filter(|(_, c)| *c != '-') {
            for wrong in "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
                .chars()
                .filter(|c| *c != right)
            {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = wrong as u8;
                let typed = String::from_utf8(bytes).unwrap();
                assert_eq!(
                    typed.parse::<Code>().unwrap_err(),
                    CodeError::Check,
                    "{typed}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for (text, error) in [
            ("", CodeError::Kind),
            ("SWX-0000", CodeError::Kind),
            ("SWA-0000", CodeError::Length { got: 4 }),
            ("SWA-U000", CodeError::Character { at: 5 }),
            ("SWA-\u{e9}", CodeError::Character { at: 5 }),
        ] {
            assert_eq!(text.parse::<Code>().unwrap_err(), error, "{text}");
        }
        assert!("SWA".repeat(100).parse::<Code>().is_err());
    }

    #[test]
    fn debug_hides_the_secret() {
        let code = code();
        let shown = format!("{code:?}");
        assert_eq!(shown, "Code(an authorisation key)");
    }

    /// The two kinds never share a key.
    #[test]
    fn kinds_are_apart() {
        let enrolment = Code::from_secret(CodeKind::Enrolment, *b"0123456789abcdef");
        assert_ne!(enrolment.key().public_key(), code().key().public_key());
    }
}
