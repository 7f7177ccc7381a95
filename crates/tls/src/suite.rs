//! The two cipher suites of RFC 8998 §2.

use rustls::{Tls13CipherSuite, crypto::CipherSuiteCommon};
use sealwire_sm::record::Mode;

use crate::{SM4_CCM_SM3, SM4_GCM_SM3, aead::Sm4, hash};

/// TLS_SM4_GCM_SM3 (0x00C6).
pub static TLS13_SM4_GCM_SM3: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: SM4_GCM_SM3,
        hash_provider: &hash::Sm3,
        // RFC 8446 §5.5: 2^24.5 full records per key for GCM over a 128-bit block cipher. rustls
        // updates the key on its own before that.
        confidentiality_limit: 1 << 24,
    },
    hkdf_provider: &hash::HKDF,
    aead_alg: &Sm4(Mode::Gcm),
    quic: None,
};

/// TLS_SM4_CCM_SM3 (0x00C7).
pub static TLS13_SM4_CCM_SM3: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: SM4_CCM_SM3,
        hash_provider: &hash::Sm3,
        // RFC 9001 §6.6: 2^21.5 for CCM over a 128-bit block cipher.
        confidentiality_limit: 1 << 21,
    },
    hkdf_provider: &hash::HKDF,
    aead_alg: &Sm4(Mode::Ccm),
    quic: None,
};
