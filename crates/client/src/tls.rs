//! TLS 1.3 by RFC 8998 to gateways and ledger nodes: who they are is checked against genesis, and we show our
//! certificate.
//!
//! The address says nothing about who a gateway is, so neither does TLS ask for a name in DNS: a gateway's
//! certificate must be signed by the root of an organisation in genesis, have the role `gateway`, and
//! name the gateway that is expected, where one is. A node's has the role `validator`.

use std::sync::Arc;

use rustls::ClientConfig;
use sealwire_envelope::{ClientId, Genesis};
use sealwire_sm::{Certificate, cert::CertificateError};
use sealwire_tls::{ConfigError, Expected, Roots, client};

use crate::identity::Identity;

/// TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A root in genesis can't be read.
    #[error("a root certificate in genesis can't be read: {0}")]
    Root(#[from] CertificateError),
    /// The settings don't fit.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// How `identity` connects to a gateway by TLS: to this one, or to any of the consortium's.
///
/// Connections of one configuration resume each other's sessions: keep it.
///
/// # Errors
/// [`TlsError`].
pub fn config(
    identity: &Identity,
    expected: Option<&ClientId>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let expected = expected.map_or(Expected::AnyGateway, |client| {
        Expected::Gateway(client.to_string())
    });
    sm(identity.genesis(), expected, Some(identity))
}

/// How to connect to ledger nodes of the consortium by TLS: as `identity`, or as nobody in particular, who
/// may ask only what anyone may.
///
/// # Errors
/// [`TlsError`].
pub fn to_nodes(
    genesis: &Genesis,
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, TlsError> {
    sm(genesis, Expected::AnyNode, identity)
}

fn sm(
    genesis: &Genesis,
    expected: Expected,
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = genesis.orgs.iter();
    let roots: Vec<Certificate> = roots
        .map(|org| Certificate::from_der(&org.root_cert_der))
        .collect::<Result<_, _>>()?;
    let own = identity.map(|identity| (identity.certificate(), identity.key()));
    let options = client::Options::default();
    Ok(client::sm(Roots::new(roots)?, expected, own, &options)?)
}
