//! Configurations for clients: SM by RFC 8998 towards a Sealwire gateway, and standard TLS 1.3.

use std::sync::Arc;

use rustls::{
    ClientConfig, KeyLog, RootCertStore,
    client::Resumption,
    pki_types::CertificateDer,
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use sealwire_sm::{Certificate, SecretKey};

use crate::{
    provider,
    settings::{ConfigError, fits},
    sign::HandshakeKey,
    standard as standard_provider,
    trust::{Expected, Roots, ServerTrust},
};

/// What both kinds of client can be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Protocols within TLS, the most wanted first (ALPN, RFC 7301); none means 'don't ask'.
    pub alpn: Vec<Vec<u8>>,
    /// How many servers' sessions are kept to come back with; 0 means always a full handshake.
    pub sessions: usize,
    /// Where session secrets are written, for debugging: whoever reads them reads the traffic.
    pub key_log: Option<Arc<dyn KeyLog>>,
}

impl Default for Options {
    /// No ALPN, 16 sessions, no key log.
    fn default() -> Self {
        Self {
            alpn: Vec::new(),
            sessions: 16,
            key_log: None,
        }
    }
}

impl Options {
    fn apply(&self, config: &mut ClientConfig) {
        config.alpn_protocols.clone_from(&self.alpn);
        config.enable_early_data = false;
        config.resumption = match self.sessions {
            0 => Resumption::disabled(),
            sessions => Resumption::in_memory_sessions(sessions),
        };
        if let Some(key_log) = &self.key_log {
            config.key_log = key_log.clone();
        }
    }
}

/// A client that speaks SM, reaches the `expected` gateway of the organisations of `roots`, and
/// shows its own certificate, if any, when asked.
///
/// The server name that rustls wants goes out as SNI and keys the kept sessions; who the server is
/// depends on its certificate alone. A kept session is used with this configuration only, so it
/// leads back to a server that was checked against `roots` and `expected`.
///
/// # Errors
/// When the key isn't the certificate's.
pub fn sm(
    roots: Roots,
    expected: Expected,
    own: Option<(&Certificate, &SecretKey)>,
    options: &Options,
) -> Result<Arc<ClientConfig>, ConfigError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerTrust { roots, expected }));
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            fits(certificate, key)?;
            let chain = vec![CertificateDer::from(certificate.der().to_vec())];
            let shown = CertifiedKey::new(chain, Arc::new(HandshakeKey::new(key)));
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
        }
    };
    options.apply(&mut config);
    Ok(Arc::new(config))
}

/// A client that speaks standard TLS 1.3 and wants a certificate of `roots` for the host name or
/// address that it connects to (RFC 9525).
///
/// # Errors
/// When rustls refuses the settings.
pub fn standard(roots: RootCertStore, options: &Options) -> Result<Arc<ClientConfig>, ConfigError> {
    let mut config = ClientConfig::builder_with_provider(standard_provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    options.apply(&mut config);
    Ok(Arc::new(config))
}
