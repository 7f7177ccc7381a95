//! The key exchange group curveSM2 (RFC 8998 §3.3.2): 65-byte uncompressed points.

use rand::rngs::SysRng;
use rustls::{
    Error, NamedGroup, PeerMisbehaved,
    crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup},
};
use sealwire_sm::agree::Ephemeral;

use crate::CURVE_SM2;

#[derive(Debug)]
pub(crate) struct CurveSm2;

impl SupportedKxGroup for CurveSm2 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let key = Ephemeral::generate(&mut SysRng).map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Exchange(key)))
    }

    fn name(&self) -> NamedGroup {
        CURVE_SM2
    }

    fn usable_for_version(&self, version: rustls::ProtocolVersion) -> bool {
        version == rustls::ProtocolVersion::TLSv1_3
    }
}

struct Exchange(Ephemeral);

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let secret = self
            .0
            .agree(peer)
            .map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        Ok(SharedSecret::from(&secret[..]))
    }

    fn pub_key(&self) -> &[u8] {
        self.0.point()
    }

    fn group(&self) -> NamedGroup {
        CURVE_SM2
    }
}
