//! Codes, and limits that a caller can count on.

use std::ffi::{CStr, c_char};

use sealwire_device::Kind;

/// What came of a call. Each function that can fail also gives a sentence.
// The names are the header's, and C has no name spaces.
#[allow(clippy::enum_variant_names)]
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It worked.
    SealwireOk = 0,
    /// The call or one of its arguments isn't what the function takes: correct the program.
    SealwireMisuse = 1,
    /// The home directory can't be used: correct its files, the passphrase or peers.json.
    SealwireHome = 2,
    /// A gateway or the ledger can't be reached, is busy or isn't that far yet: try again later.
    SealwireAway = 3,
    /// A gateway or the ledger says no: get the right, or another certificate.
    SealwireRefused = 4,
    /// What came isn't proven: a gateway, node or archive that isn't to be believed.
    SealwireUntrusted = 5,
    /// One message or record can't be opened; others may: go on.
    SealwireUnreadable = 6,
    /// The message is larger than the gateway takes.
    SealwireTooLarge = 7,
    /// The time was over. Whether the gateway did what was asked isn't known.
    SealwireTimeout = 8,
    /// There is no session, or it has ended.
    SealwireEnded = 9,
    /// The operating system refused, or Sealwire has a defect.
    SealwireInternal = 10,
}

impl From<Kind> for Code {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Misuse => Self::SealwireMisuse,
            Kind::Home => Self::SealwireHome,
            Kind::Away => Self::SealwireAway,
            Kind::Refused => Self::SealwireRefused,
            Kind::Untrusted => Self::SealwireUntrusted,
            Kind::Unreadable => Self::SealwireUnreadable,
            Kind::TooLarge => Self::SealwireTooLarge,
            Kind::Timeout => Self::SealwireTimeout,
            Kind::Ended => Self::SealwireEnded,
            Kind::Internal => Self::SealwireInternal,
        }
    }
}

/// A timeout that never comes, in milliseconds.
pub const SEALWIRE_FOREVER: u32 = 0xFFFF_FFFF;
/// Longest life of a token, in seconds.
pub const SEALWIRE_TOKEN_LIFE_S_MAX: u32 = 300;
/// Longest topic or filter, in bytes.
pub const SEALWIRE_TOPIC_BYTES_MAX: u32 = 256;
/// Longest content type, in bytes.
pub const SEALWIRE_CONTENT_TYPE_BYTES_MAX: u32 = 128;
/// Largest payload that a gateway takes unless its operator says otherwise, in bytes.
pub const SEALWIRE_PAYLOAD_BYTES_MAX: u32 = 1_048_576;
/// How much longer than its content a sealed payload is at most, in bytes.
pub const SEALWIRE_OVERHEAD_BYTES_MAX: u32 = 512;
/// Messages that a gateway sends before the first of them is taken.
pub const SEALWIRE_UNTAKEN_MESSAGES_MAX: u32 = 128;

// The header must quote numbers; they are the other crates'.
const _: () = {
    use sealwire_client::mqtt::RECEIVE_MAX;
    use sealwire_device::device::CONTENT_TYPE_MAX_BYTES;
    use sealwire_envelope::{login, message, record, topic};
    assert!(SEALWIRE_TOKEN_LIFE_S_MAX as u64 == login::TOKEN_MAX_LIFE_S);
    assert!(SEALWIRE_TOPIC_BYTES_MAX as usize == topic::TOPIC_MAX_BYTES);
    assert!(SEALWIRE_CONTENT_TYPE_BYTES_MAX as usize == CONTENT_TYPE_MAX_BYTES);
    assert!(SEALWIRE_PAYLOAD_BYTES_MAX as usize == record::PAYLOAD_MAX_BYTES);
    assert!(SEALWIRE_OVERHEAD_BYTES_MAX as usize == message::OVERHEAD_MAX_BYTES);
    assert!(SEALWIRE_UNTAKEN_MESSAGES_MAX == RECEIVE_MAX as u32);
};

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("a version has no NUL"),
    };

/// The library's version, as "1.2.3". Not to be freed.
// SAFETY: no other symbol has this name; all of ours begin with `sealwire_`.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_version() -> *const c_char {
    VERSION.as_ptr()
}
