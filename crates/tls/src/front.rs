//! One port, two kinds of TLS: choose by what the client offers.
//!
//! ```text
//! socket -> ClientHello -> Offer -> Front::choose -> SM or standard configuration -> handshake
//! ```
//!
//! A client offers SM when its ClientHello has a suite of RFC 8998, the group curveSM2 and the
//! signature scheme sm2sig_sm3: with one missing an SM handshake can't succeed (RFC 8998 §2). All
//! others get the standard configuration, and so does nobody else's problem become SM's: a hello
//! that fits neither ends with the alert that rustls sends for it.
//!
//! The front is a plain function over a parsed hello. With blocking sockets, feed
//! [`rustls::server::Acceptor`] and call [`Front::accept`]; with tokio-rustls, give
//! [`Front::choose`] the `client_hello()` of a `LazyConfigAcceptor` and go on with `into_stream`.
//! Whoever owns the socket sets the time limit: a client may send its hello a byte at a time.

use std::sync::Arc;

use rustls::{
    CipherSuite, Error, ServerConfig, ServerConnection,
    server::{Accepted, AcceptedAlert, ClientHello},
};

use crate::{CURVE_SM2, SM2SIG_SM3, SM4_CCM_SM3, SM4_GCM_SM3};

/// A kind of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// RFC 8998.
    Sm,
    /// Standard suites.
    Standard,
}

/// What wins when a client offers both kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// SM, wherever the client has put it.
    #[default]
    Sm,
    /// What the client lists first among its cipher suites. For gateways whose other clients come
    /// with an OpenSSL that lists SM last, without having an organisation's root.
    Client,
}

/// What a ClientHello says about SM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Everything that an SM handshake needs is there.
    pub sm: bool,
    /// An SM suite is listed before any standard suite of TLS 1.3.
    pub sm_first: bool,
}

impl Offer {
    /// Reads a client's hello.
    pub fn of(hello: &ClientHello<'_>) -> Self {
        let is_sm = |suite: &CipherSuite| [SM4_GCM_SM3, SM4_CCM_SM3].contains(suite);
        // 0x13xx: RFC 8446 §B.4.
        let is_standard = |suite: &CipherSuite| u16::from(*suite) >> 8 == 0x13;
        let suites = hello.cipher_suites();
        let groups = hello.named_groups().unwrap_or_default();
        let sm = suites.iter().any(is_sm)
            && groups.contains(&CURVE_SM2)
            && hello.signature_schemes().contains(&SM2SIG_SM3);
        let first = suites
            .iter()
            .find(|suite| is_sm(suite) || is_standard(suite));
        Self {
            sm,
            sm_first: first.is_some_and(is_sm),
        }
    }
}

/// A server's configurations.
#[derive(Clone, Debug)]
pub struct Front(Served);

#[derive(Clone, Debug)]
enum Served {
    One(Family, Arc<ServerConfig>),
    Both {
        sm: Arc<ServerConfig>,
        standard: Arc<ServerConfig>,
        preference: Preference,
    },
}

impl Front {
    /// Both kinds on one port.
    pub fn both(
        sm: Arc<ServerConfig>,
        standard: Arc<ServerConfig>,
        preference: Preference,
    ) -> Self {
        Self(Served::Both {
            sm,
            standard,
            preference,
        })
    }

    /// SM only ([`crate::server::sm`]): clients without get an alert.
    pub fn sm(config: Arc<ServerConfig>) -> Self {
        Self(Served::One(Family::Sm, config))
    }

    /// Standard TLS only ([`crate::server::standard`]).
    pub fn standard(config: Arc<ServerConfig>) -> Self {
        Self(Served::One(Family::Standard, config))
    }

    /// The configuration for a client that says hello like this.
    pub fn choose(&self, hello: &ClientHello<'_>) -> (Family, Arc<ServerConfig>) {
        self.choose_for(Offer::of(hello))
    }

    fn choose_for(&self, offer: Offer) -> (Family, Arc<ServerConfig>) {
        match &self.0 {
            Served::One(family, config) => (*family, config.clone()),
            Served::Both {
                sm,
                standard,
                preference,
            } => {
                if offer.sm && (offer.sm_first || *preference == Preference::Sm) {
                    (Family::Sm, sm.clone())
                } else {
                    (Family::Standard, standard.clone())
                }
            }
        }
    }

    /// Goes on with a connection whose ClientHello has been read.
    ///
    /// # Errors
    /// When the hello doesn't fit the chosen configuration; the alert is for the client.
    pub fn accept(
        &self,
        accepted: Accepted,
    ) -> Result<(Family, ServerConnection), (Error, AcceptedAlert)> {
        let (family, config) = self.choose(&accepted.client_hello());
        Ok((family, accepted.into_connection(config)?))
    }
}
