//! What servers and clients have in common: resumption, and what can be wrong with a set-up.

use sealwire_sm::{Certificate, SecretKey, cert::CertificateError};

/// Settings that can't work; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No root certificate was given.
    #[error("no root certificate: give at least one organisation's root")]
    NoRoots,
    /// More than [`crate::trust::ROOTS_MAX`].
    #[error(
        "{got} root certificates, the limit is {}: give those of your own organisations",
        crate::trust::ROOTS_MAX
    )]
    TooManyRoots {
        /// How many were given.
        got: usize,
    },
    /// A root that isn't one, or isn't signed by itself.
    #[error("'{name}' isn't a root certificate: give the organisation's own (OU=root)")]
    NotARoot {
        /// Its CN.
        name: String,
    },
    /// A certificate can't be read.
    #[error("certificate can't be used")]
    Certificate(#[source] CertificateError),
    /// The secret key isn't the certificate's.
    #[error("the key isn't that of certificate '{name}': give the one it was issued for")]
    KeyMismatch {
        /// The certificate's CN.
        name: String,
    },
    /// A server name isn't a DNS name or address.
    #[error("'{name}' can't go into a certificate: give a DNS name or an IP address")]
    Name {
        /// What was given.
        name: String,
    },
    /// No self-made certificate came about.
    #[error("can't make a certificate: {detail}")]
    SelfMade {
        /// What the maker said.
        detail: String,
    },
    /// rustls refuses the settings.
    #[error("TLS settings don't fit together")]
    Tls(#[from] rustls::Error),
}

/// How a server lets a client come back without a full handshake (RFC 8446 §2.2).
///
/// A resumed session is a key exchange without signatures; see [`crate::trust`] for what that means
/// for client certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Not at all.
    Off,
    /// The client holds the session, sealed by the server ([`crate::ticket`]).
    Tickets {
        /// How long a sealing key seals, in seconds; it opens for as long again.
        rotate_s: u32,
    },
    /// The server holds the sessions; each is good for one resumption.
    Sessions {
        /// Most sessions at a time; the oldest go first.
        max: usize,
    },
}

impl Default for Resumption {
    /// Tickets under keys that change every six hours.
    fn default() -> Self {
        Self::Tickets {
            rotate_s: 6 * 60 * 60,
        }
    }
}

/// Checks that `key` is the certificate's before anybody is told about it.
pub(crate) fn fits(certificate: &Certificate, key: &SecretKey) -> Result<(), ConfigError> {
    if &certificate.public_key == key.public_key() {
        Ok(())
    } else {
        Err(ConfigError::KeyMismatch {
            name: certificate.name.clone(),
        })
    }
}
