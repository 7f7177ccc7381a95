//! Whom to believe: certificates of Sealwire organisations.
//!
//! A chain has two certificates: the organisation's root, which each side has beforehand, and the
//! peer's own, which it shows ([`sealwire_sm::cert`]). Further certificates that a peer sends are
//! ignored. Addresses and host names aren't in these certificates and aren't asked: what counts is
//! the organisation, the role, and where the caller says so the client id.
//!
//! # A client's certificate and the ledger
//! Whether a certificate is registered and not revoked is known to the ledger only, so
//! [`ClientTrust`] asks its caller, in the middle of the handshake: the answer must come from
//! memory, not from the network.
//!
//! TLS asks once, at the full handshake. A resumed session brings the certificate of the first one
//! along, unchecked, so a server that resumes must ask [`ClientTrust::check`] again when
//! `handshake_kind()` says `Resumed`; otherwise a revoked certificate lives as long as its ticket.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError as Rejection, CommonState, DigitallySignedStruct, DistinguishedName, Error,
    OtherError, PeerIncompatible, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::verify_tls13_signature,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use sealwire_sm::{Certificate, Role, cert};

use crate::{SM2SIG_SM3, settings::ConfigError, sign::ALGORITHMS};

/// Most roots in one [`Roots`].
pub const ROOTS_MAX: usize = 256;

/// Why a certificate isn't believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// It isn't a Sealwire certificate.
    #[error("not a certificate of a Sealwire organisation")]
    Unreadable(#[source] cert::CertificateError),
    /// No root of ours signed it.
    #[error("certificate of '{name}' ({organisation}) isn't signed by a root that is trusted here")]
    Issuer {
        /// Its CN.
        name: String,
        /// Its O.
        organisation: String,
    },
    /// It, or its root, isn't valid yet.
    #[error(
        "certificate of '{name}' isn't valid before {not_before_s} (seconds since 1970): check the clocks"
    )]
    NotYet {
        /// Its CN.
        name: String,
        /// First second of validity, since 1970.
        not_before_s: u64,
    },
    /// It, or its root, has expired.
    #[error("certificate of '{name}' expired at {not_after_s} (seconds since 1970): renew it")]
    Expired {
        /// Its CN.
        name: String,
        /// Last second of validity, since 1970.
        not_after_s: u64,
    },
    /// Its role doesn't go with what it was shown for.
    #[error("certificate of '{name}' has the role {role}, which may not be used here")]
    Role {
        /// Its CN.
        name: String,
        /// Its OU.
        role: Role,
    },
    /// It is somebody else's.
    #[error("certificate names '{name}', expected '{expected}'")]
    Name {
        /// Its CN.
        name: String,
        /// Who was expected.
        expected: String,
    },
    /// The caller refused it.
    #[error("certificate of '{name}' was refused: {reason}")]
    Refused {
        /// Its CN.
        name: String,
        /// Why.
        reason: String,
    },
}

impl From<Untrusted> for Error {
    /// The peer gets the alert that RFC 8446 §6.2 has for the reason, and no more.
    fn from(why: Untrusted) -> Self {
        Self::InvalidCertificate(match why {
            Untrusted::Unreadable(_) => Rejection::BadEncoding,
            Untrusted::Issuer { .. } => Rejection::UnknownIssuer,
            Untrusted::NotYet { .. } => Rejection::NotValidYet,
            Untrusted::Expired { .. } => Rejection::Expired,
            Untrusted::Role { .. } | Untrusted::Name { .. } | Untrusted::Refused { .. } => {
                Rejection::Other(OtherError(Arc::new(why)))
            }
        })
    }
}

/// Why a handshake failed, where it was a certificate's role, name or admission: for the operator.
pub fn why(error: &Error) -> Option<&Untrusted> {
    match error {
        Error::InvalidCertificate(Rejection::Other(OtherError(why))) => why.downcast_ref(),
        _ => None,
    }
}

/// Root certificates of organisations: at least one, at most [`ROOTS_MAX`].
#[derive(Clone, Debug)]
pub struct Roots {
    certificates: Vec<Certificate>,
    subjects: Vec<DistinguishedName>,
}

impl Roots {
    /// Trusts these.
    ///
    /// # Errors
    /// When there are none or too many, or one isn't a root signed by itself.
    pub fn new(certificates: impl IntoIterator<Item = Certificate>) -> Result<Self, ConfigError> {
        let certificates: Vec<_> = certificates.into_iter().take(ROOTS_MAX + 1).collect();
        match certificates.len() {
            0 => return Err(ConfigError::NoRoots),
            got if got > ROOTS_MAX => return Err(ConfigError::TooManyRoots { got }),
            _ => {}
        }
        // Only for the encoding of the names.
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            if certificate.verify_issued_by(certificate).is_err() {
                return Err(ConfigError::NotARoot {
                    name: certificate.name.clone(),
                });
            }
            store.add(CertificateDer::from(certificate.der()))?;
        }
        Ok(Self {
            subjects: store.subjects(),
            certificates,
        })
    }

    /// Reads `der` and checks that one of the roots signed it, and that both are valid at `now_s`
    /// (seconds since 1970).
    ///
    /// # Errors
    /// When it isn't so.
    pub fn check(&self, der: &[u8], now_s: u64) -> Result<Certificate, Untrusted> {
        let certificate = Certificate::from_der(der).map_err(Untrusted::Unreadable)?;
        let root = self
            .certificates
            .iter()
            .find(|root| certificate.verify_issued_by(root).is_ok());
        let Some(root) = root else {
            return Err(Untrusted::Issuer {
                name: certificate.name,
                organisation: certificate.organisation,
            });
        };
        for one in [&certificate, root] {
            if now_s < one.not_before_s {
                return Err(Untrusted::NotYet {
                    name: one.name.clone(),
                    not_before_s: one.not_before_s,
                });
            }
            if now_s > one.not_after_s {
                return Err(Untrusted::Expired {
                    name: one.name.clone(),
                    not_after_s: one.not_after_s,
                });
            }
        }
        Ok(certificate)
    }
}

/// Which server a client wants to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Any gateway of the trusted organisations.
    AnyGateway,
    /// The gateway of this client id.
    Gateway(String),
    /// Any validator's node of the trusted organisations.
    AnyNode,
}

impl Expected {
    fn role(&self) -> Role {
        match self {
            Self::AnyGateway | Self::Gateway(_) => Role::Gateway,
            Self::AnyNode => Role::Validator,
        }
    }
}

/// A client's check of the server.
#[derive(Debug)]
pub(crate) struct ServerTrust {
    pub(crate) roots: Roots,
    pub(crate) expected: Expected,
}

impl ServerTrust {
    fn check(&self, der: &[u8], now_s: u64) -> Result<(), Untrusted> {
        let Certificate { name, role, .. } = self.roots.check(der, now_s)?;
        if role != self.expected.role() {
            return Err(Untrusted::Role { name, role });
        }
        match &self.expected {
            Expected::Gateway(expected) if *expected != name => Err(Untrusted::Name {
                name,
                expected: expected.clone(),
            }),
            Expected::Gateway(_) | Expected::AnyGateway | Expected::AnyNode => Ok(()),
        }
    }
}

impl ServerCertVerifier for ServerTrust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, now.as_secs())?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &ALGORITHMS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SM2SIG_SM3]
    }
}

/// Whether the caller knows a client's certificate (DER), and if not, why.
///
/// Asked within the handshake: must not block.
pub type Admit = dyn Fn(&[u8]) -> Result<(), String> + Send + Sync;

/// A server's check of its clients: their roots, and what the caller knows about them.
#[derive(Clone)]
pub struct ClientTrust {
    roots: Roots,
    admit: Arc<Admit>,
}

impl ClientTrust {
    /// Believes certificates that `roots` signed and `admit` admits.
    pub fn new(
        roots: Roots,
        admit: impl Fn(&[u8]) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            roots,
            admit: Arc::new(admit),
        }
    }

    /// Checks a client's certificate at `now_s` (seconds since 1970): in the handshake, and again
    /// for a resumed session.
    ///
    /// # Errors
    /// When its root, its dates or its role won't do, or the caller doesn't admit it.
    pub fn check(&self, der: &[u8], now_s: u64) -> Result<Certificate, Untrusted> {
        let certificate = self.roots.check(der, now_s)?;
        if certificate.role == Role::Root {
            return Err(Untrusted::Role {
                name: certificate.name,
                role: Role::Root,
            });
        }
        match (self.admit)(der) {
            Ok(()) => Ok(certificate),
            Err(reason) => Err(Untrusted::Refused {
                name: certificate.name,
                reason,
            }),
        }
    }
}

impl fmt::Debug for ClientTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTrust")
            .field("roots", &self.roots)
            .finish_non_exhaustive()
    }
}

/// Whether a server asks for client certificates.
#[derive(Clone, Debug)]
pub enum Clients {
    /// It doesn't.
    Unasked,
    /// It does, and serves those without one too.
    Optional(ClientTrust),
    /// It does, and serves nobody else.
    Required(ClientTrust),
}

/// [`Clients`] other than unasked, for rustls.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    pub(crate) trust: ClientTrust,
    pub(crate) mandatory: bool,
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.trust.roots.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.trust.check(end_entity, now.as_secs())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &ALGORITHMS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SM2SIG_SM3]
    }
}

/// The certificate that the peer of an SM connection showed, or `None` if it showed none.
///
/// On a full handshake it has been checked; on a resumed one see [`crate::trust`].
pub fn peer(connection: &CommonState) -> Option<Certificate> {
    let der = connection.peer_certificates()?.first()?;
    Certificate::from_der(der).ok()
}
