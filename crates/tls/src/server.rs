//! Configurations for servers: SM by RFC 8998, and standard TLS 1.3. [`crate::Front`] chooses.

use std::{sync::Arc, time::Duration};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use rustls::{
    KeyLog, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    server::{NoServerSessionStorage, ServerSessionMemoryCache},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use sealwire_sm::{Certificate, SecretKey};

use crate::{
    provider,
    settings::{ConfigError, Resumption, fits},
    sign::HandshakeKey,
    standard as standard_provider, ticket,
    trust::{ClientVerifier, Clients},
};

/// What both kinds of server can be told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Protocols within TLS, the most wanted first (ALPN, RFC 7301); none means 'don't ask'.
    pub alpn: Vec<Vec<u8>>,
    /// How clients come back.
    pub resumption: Resumption,
    /// Where session secrets are written, for debugging: whoever reads them reads the traffic.
    pub key_log: Option<Arc<dyn KeyLog>>,
}

impl Options {
    fn apply(&self, config: &mut ServerConfig) -> Result<(), ConfigError> {
        config.alpn_protocols.clone_from(&self.alpn);
        // RFC 8446 §8: early data can be replayed.
        config.max_early_data_size = 0;
        // One at a time: a device has one connection, and each resumption brings the next ticket.
        // With a client's certificate inside, a ticket has about 1 KiB.
        config.send_tls13_tickets = 1;
        match self.resumption {
            Resumption::Off => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
            Resumption::Tickets { rotate_s } => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.ticketer = ticket::rotating(rotate_s)?;
            }
            Resumption::Sessions { max } => {
                config.session_storage = ServerSessionMemoryCache::new(max);
            }
        }
        if let Some(key_log) = &self.key_log {
            config.key_log = key_log.clone();
        }
        Ok(())
    }
}

/// A server that speaks SM and shows `certificate`.
///
/// # Errors
/// When the key isn't the certificate's, or the random source fails.
pub fn sm(
    certificate: &Certificate,
    key: &SecretKey,
    clients: Clients,
    options: &Options,
) -> Result<Arc<ServerConfig>, ConfigError> {
    fits(certificate, key)?;
    let builder =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
    let (trust, mandatory) = match clients {
        Clients::Unasked => (None, false),
        Clients::Optional(trust) => (Some(trust), false),
        Clients::Required(trust) => (Some(trust), true),
    };
    let builder = match trust {
        None => builder.with_no_client_auth(),
        Some(trust) => {
            builder.with_client_cert_verifier(Arc::new(ClientVerifier { trust, mandatory }))
        }
    };
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let shown = CertifiedKey::new(chain, Arc::new(HandshakeKey::new(key)));
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    options.apply(&mut config)?;
    Ok(Arc::new(config))
}

/// A server that speaks standard TLS 1.3 and shows `chain` (its own certificate first).
///
/// It asks for no client certificate: SM certificates can't be shown by clients without SM.
///
/// # Errors
/// When the key isn't the certificate's or isn't one of ECDSA, Ed25519 or RSA.
pub fn standard(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    options: &Options,
) -> Result<Arc<ServerConfig>, ConfigError> {
    let mut config = ServerConfig::builder_with_provider(standard_provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    options.apply(&mut config)?;
    Ok(Arc::new(config))
}

/// Makes a certificate for [`standard`], signed by itself: ECDSA with P-256 and SHA-256.
///
/// Clients believe it when they are given it as a root. `names` are DNS names and IP addresses; it
/// is valid from an hour before `now_s` (seconds since 1970), for clocks that lag, for `days`.
///
/// # Errors
/// When a name is neither a DNS name nor an address, or the random source fails.
pub fn self_made(
    names: &[String],
    now_s: u64,
    days: u16,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), ConfigError> {
    const HOUR_S: u64 = 60 * 60;
    let failed = |error: rcgen::Error| ConfigError::SelfMade {
        detail: error.to_string(),
    };
    let mut params = CertificateParams::default();
    for name in names {
        let wrong = || ConfigError::Name { name: name.clone() };
        // rcgen takes any ASCII for a DNS name.
        ServerName::try_from(name.as_str()).map_err(|_| wrong())?;
        let one = CertificateParams::new(vec![name.clone()]).map_err(|_| wrong())?;
        params.subject_alt_names.extend(one.subject_alt_names);
    }
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Sealwire gateway");
    // rcgen's times stop at the year 9999; stay far below.
    const LATEST_S: u64 = 200_000_000_000;
    let since_1970 =
        |seconds: u64| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.min(LATEST_S));
    params.not_before = since_1970(now_s.saturating_sub(HOUR_S));
    params.not_after = since_1970(now_s.saturating_add(u64::from(days) * 24 * HOUR_S));
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    let der = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((certificate.der().clone(), PrivateKeyDer::Pkcs8(der)))
}
