//! TLS 1.3 with SM2, SM3 and SM4 (RFC 8998), beside standard TLS 1.3, for rustls.
//!
//! # What is offered
//! | | SM ([`provider`]) | Standard ([`standard`]) |
//! |---|---|---|
//! | Cipher suites | TLS_SM4_GCM_SM3 (0x00C6), TLS_SM4_CCM_SM3 (0x00C7) | AES-GCM, ChaCha20-Poly1305 |
//! | Key exchange | curveSM2 (0x0029) | X25519, P-256, P-384 |
//! | Signatures | sm2sig_sm3 (0x0708) | ECDSA, Ed25519, RSA-PSS |
//! | Certificates | of a Sealwire organisation ([`sealwire_sm::cert`]) | web PKI, or self-made |
//! | Versions | TLS 1.3 | TLS 1.3 |
//!
//! Neither offers 0-RTT: early data can be replayed, and a login or a message must not be.
//!
//! # Actors
//! - A *gateway* serves both on one port. [`Front`] reads what the client offers and chooses the
//!   configuration that [`server`] built. The front owns no socket.
//! - A *device* or other client with SM connects with a configuration of [`client::sm`]: it
//!   believes a server that shows a gateway's certificate of its organisation, whatever the
//!   address. It may show its own certificate.
//! - Any other client uses standard TLS and proves who it is inside (the MQTT login).
//!
//! # Two identifiers, one table
//! SM2 signs under an identifier. A certificate is signed under [`CERTIFICATE_ID`] and a TLS
//! handshake under [`HANDSHAKE_ID`] (RFC 8998 §3.2.1), but rustls asks one table for both. What is
//! signed tells them apart: a handshake's input starts with 64 spaces (RFC 8446 §4.4.3), a
//! certificate's with a DER sequence (0x30). See [`sign`].
//!
//! # Invariants
//! - A handshake signature never passes as a certificate's, nor the other way round.
//! - An SM connection is SM throughout: suite, key exchange, signatures and tickets. The provider
//!   has nothing else, so there is nothing to fall back to within a handshake.
//! - A client certificate that isn't signed by a root of ours, isn't valid now, or isn't known to
//!   the caller ends the handshake. On a resumed session it isn't checked again by TLS: ask
//!   [`ClientTrust::check`] ([`trust`] says why).
//! - Nothing that a peer sends panics; a handshake message is at most 64 KiB (rustls), a certificate
//!   at most [`sealwire_sm::cert::MAX_DER_BYTES`].
//! - Secrets are zeroised when dropped and never logged. A key log is written only if the caller
//!   gives one.
//!
//! # Failure
//! A peer that isn't compatible, misbehaves or isn't trusted gets a TLS alert, and the caller a
//! [`rustls::Error`] that says who is at fault. What is wrong with our own settings comes back as
//! [`ConfigError`] before any connection.

//!
//! # Example
//! ```
//! use sealwire_tls::{Clients, ConfigError, Front, Preference, server};
//! # use sealwire_sm::{Certificate, SecretKey};
//!
//! /// A gateway's port: SM with the organisation's certificate, standard with a self-made one.
//! fn port(certificate: &Certificate, key: &SecretKey, now_s: u64) -> Result<Front, ConfigError> {
//!     let options = server::Options {
//!         alpn: vec![b"mqtt".to_vec()],
//!         ..server::Options::default()
//!     };
//!     let sm = server::sm(certificate, key, Clients::Unasked, &options)?;
//!     let (own, own_key) = server::self_made(&["gate.acme.test".to_owned()], now_s, 365)?;
//!     let standard = server::standard(vec![own], own_key, &options)?;
//!     Ok(Front::both(sm, standard, Preference::Sm))
//! }
//! // With tokio-rustls, for each socket and within a time limit:
//! //   let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
//! //   let (family, config) = port.choose(&start.client_hello());
//! //   let stream = start.into_stream(config).await?;
//! ```

mod aead;
pub mod client;
mod front;
mod hash;
mod kx;
pub mod server;
mod settings;
pub mod sign;
mod suite;
pub mod ticket;
pub mod trust;

use std::sync::Arc;

use rustls::{
    CipherSuite, NamedGroup, SignatureScheme,
    crypto::{CryptoProvider, GetRandomFailed, SecureRandom},
};

pub use front::{Family, Front, Offer, Preference};
pub use settings::{ConfigError, Resumption};
pub use sign::{CERTIFICATE_ID, HANDSHAKE_ID};
pub use suite::{TLS13_SM4_CCM_SM3, TLS13_SM4_GCM_SM3};
pub use trust::{ClientTrust, Clients, Expected, Roots};

/// TLS_SM4_GCM_SM3 (RFC 8998 §2).
pub const SM4_GCM_SM3: CipherSuite = CipherSuite::Unknown(0x00c6);
/// TLS_SM4_CCM_SM3 (RFC 8998 §2).
pub const SM4_CCM_SM3: CipherSuite = CipherSuite::Unknown(0x00c7);
/// curveSM2 (RFC 8998 §3.1.1).
pub const CURVE_SM2: NamedGroup = NamedGroup::Unknown(0x0029);
/// sm2sig_sm3 (RFC 8998 §3.2.1).
pub const SM2SIG_SM3: SignatureScheme = SignatureScheme::Unknown(0x0708);

/// TLS by RFC 8998 and nothing else: both suites (GCM first), curveSM2, sm2sig_sm3.
///
/// Private keys are read from PKCS#8 DER.
pub fn provider() -> Arc<CryptoProvider> {
    with_suites(&[&TLS13_SM4_GCM_SM3, &TLS13_SM4_CCM_SM3])
}

/// As [`provider`], with these suites in this order.
pub fn with_suites(suites: &[&'static rustls::Tls13CipherSuite]) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: suites
            .iter()
            .map(|suite| rustls::SupportedCipherSuite::Tls13(suite))
            .collect(),
        kx_groups: vec![&kx::CurveSm2],
        signature_verification_algorithms: sign::ALGORITHMS,
        secure_random: &SystemRandom,
        key_provider: &sign::Keys,
    })
}

/// Standard TLS by `ring`: what browsers and MQTT clients have.
pub fn standard() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The operating system's random source.
#[derive(Debug)]
struct SystemRandom;

impl SecureRandom for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        use rand::TryRng as _;
        rand::rngs::SysRng
            .try_fill_bytes(buffer)
            .map_err(|_| GetRandomFailed)
    }
}
