//! Which gateways are believed: those on the ledger, or in genesis while the ledger is away.
//!
//! A gateway shows its certificate's id and signs with its key. [`Trust`] finds the key: on the
//! ledger (registered, role `gateway`, live) when there is one to ask; else among the certificates
//! of genesis and those that were pinned. Share one `Trust` among many clients: it remembers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sealwire_contracts::entry::CertificateStatus;
use sealwire_envelope::{CertId, ClientId, Genesis};
use sealwire_sm::{Certificate, PublicKey, Role, cert::CertificateError};

use crate::{
    bounded::Bounded,
    ledger::{Ledger, LedgerError},
    token::now_s,
};

/// Gateways that are remembered.
const GATEWAYS_MAX: usize = 256;
/// How long what the ledger said of a gateway is believed.
const BELIEVED: Duration = Duration::from_secs(60);

/// A gateway isn't believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Nobody knows the certificate.
    #[error(
        "the gateway's certificate {certificate} is neither on the ledger nor in genesis nor pinned"
    )]
    Unknown {
        /// Which one it showed.
        certificate: CertId,
    },
    /// The certificate is someone else's.
    #[error("{client} isn't a gateway: its certificate says {role}")]
    Role {
        /// Whom the certificate names.
        client: ClientId,
        /// As what.
        role: Role,
    },
    /// The certificate isn't valid now.
    #[error("the certificate of gateway {client} is {status:?}")]
    NotLive {
        /// Whose.
        client: ClientId,
        /// What it is.
        status: CertificateStatus,
    },
    /// The certificate can't be pinned.
    #[error("gateway certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificate doesn't name a client of the consortium.
    #[error("gateway certificate of '{name}' isn't of this consortium")]
    Foreign {
        /// Whom it names.
        name: String,
    },
    /// The ledger couldn't be asked, and nothing is pinned.
    #[error("the gateway's certificate couldn't be looked up: {0}")]
    Ledger(#[from] Arc<LedgerError>),
}

impl TrustError {
    /// Whether trying again later can help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Ledger(_))
    }
}

/// A gateway that may be believed.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Who it is.
    pub client: ClientId,
    /// Its key.
    pub key: PublicKey,
}

/// Finds gateways' keys.
pub struct Trust {
    pinned: BTreeMap<CertId, (Gateway, Certificate)>,
    ledger: Option<Arc<Ledger>>,
    seen: Mutex<Bounded<CertId, (Gateway, Instant)>>,
    /// One asks the ledger, the others wait for its answer.
    asking: tokio::sync::Mutex<()>,
}

impl Trust {
    /// Believes the gateways of genesis, and of the ledger when there is one to ask.
    ///
    /// # Errors
    /// When genesis has a certificate that can't be read.
    pub fn new(genesis: &Genesis, ledger: Option<Arc<Ledger>>) -> Result<Self, TrustError> {
        let seen = Mutex::new(Bounded::new(GATEWAYS_MAX));
        let asking = tokio::sync::Mutex::default();
        let mut trust = Self {
            pinned: BTreeMap::new(),
            ledger,
            seen,
            asking,
        };
        for der in genesis.orgs.iter().flat_map(|org| &org.certificates) {
            let certificate = Certificate::from_der(der)?;
            if certificate.role == Role::Gateway {
                trust.pin(genesis, certificate)?;
            }
        }
        Ok(trust)
    }

    /// Believes this certificate too, as long as the ledger doesn't object.
    ///
    /// ```no_run
    /// # use sealwire_client::{Identity, Trust};
    /// # use sealwire_sm::Certificate;
    /// # fn offline(identity: &Identity) -> Result<Trust, Box<dyn std::error::Error>> {
    /// // No ledger to ask: the gateways of genesis, and this one.
    /// let mut trust = Trust::new(identity.genesis(), None)?;
    /// trust.pin(identity.genesis(), Certificate::from_pem(&std::fs::read_to_string("gw.crt")?)?)?;
    /// # Ok(trust) }
    /// ```
    ///
    /// # Errors
    /// When it isn't a gateway's, or not issued by the root of an organisation in `genesis`.
    pub fn pin(&mut self, genesis: &Genesis, certificate: Certificate) -> Result<(), TrustError> {
        let foreign = || TrustError::Foreign {
            name: certificate.name.clone(),
        };
        let client: ClientId = certificate.name.parse().map_err(|_| foreign())?;
        let org = client.org();
        let org = genesis
            .orgs
            .iter()
            .find(|o| o.org == org)
            .ok_or_else(foreign)?;
        certificate.verify_issued_by(&Certificate::from_der(&org.root_cert_der)?)?;
        if certificate.role != Role::Gateway {
            return Err(TrustError::Role {
                client,
                role: certificate.role,
            });
        }
        let gateway = Gateway {
            client,
            key: certificate.public_key.clone(),
        };
        self.pinned
            .insert(CertId(certificate.id()), (gateway, certificate));
        Ok(())
    }

    /// The gateway with this certificate.
    ///
    /// # Errors
    /// [`TrustError`] when it isn't to be believed.
    pub async fn gateway(&self, id: CertId) -> Result<Gateway, TrustError> {
        if let Some(gateway) = self.remembered(id) {
            return Ok(gateway);
        }
        let _turn = self.asking.lock().await;
        if let Some(gateway) = self.remembered(id) {
            return Ok(gateway);
        }
        let pinned = self.pinned(id);
        let Some(ledger) = &self.ledger else {
            return pinned?.ok_or(TrustError::Unknown { certificate: id });
        };
        let gateway = match (ledger.certificate(&id).await, pinned) {
            (Ok(Some(entry)), _) => {
                let status = entry.status(now_s());
                if entry.role != Role::Gateway {
                    return Err(TrustError::Role {
                        client: entry.client,
                        role: entry.role,
                    });
                }
                if status != CertificateStatus::Live {
                    return Err(TrustError::NotLive {
                        client: entry.client,
                        status,
                    });
                }
                let key = PublicKey::from_sec1(&entry.public_key)
                    .map_err(|_| TrustError::Unknown { certificate: id })?;
                Gateway {
                    client: entry.client,
                    key,
                }
            }
            // Genesis comes into the state with the first block.
            (Ok(None), Ok(Some(gateway))) => return Ok(gateway),
            (Ok(None), Ok(None)) => return Err(TrustError::Unknown { certificate: id }),
            (Err(error), Ok(Some(gateway))) => {
                tracing::warn!(%error, gateway = %gateway.client, "believed without the ledger");
                return Ok(gateway);
            }
            (Err(error), Ok(None)) => return Err(TrustError::Ledger(Arc::new(error))),
            (_, Err(error)) => return Err(error),
        };
        self.seen().insert(id, (gateway.clone(), Instant::now()));
        Ok(gateway)
    }

    fn remembered(&self, id: CertId) -> Option<Gateway> {
        let seen = self.seen().get(&id).cloned();
        seen.filter(|(_, at)| at.elapsed() < BELIEVED)
            .map(|(gateway, _)| gateway)
    }

    fn pinned(&self, id: CertId) -> Result<Option<Gateway>, TrustError> {
        let Some((gateway, certificate)) = self.pinned.get(&id) else {
            return Ok(None);
        };
        let now = now_s();
        if certificate.is_valid_at(now) {
            return Ok(Some(gateway.clone()));
        }
        let early = now < certificate.not_before_s;
        let status = if early {
            CertificateStatus::NotYetValid
        } else {
            CertificateStatus::Expired
        };
        Err(TrustError::NotLive {
            client: gateway.client.clone(),
            status,
        })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Bounded<CertId, (Gateway, Instant)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn gateways_of_genesis_are_believed_and_no_others() {
        let world = World::new();
        let mut trust = Trust::new(&world.genesis, None).unwrap();
        let id = CertId(world.gateway.1.id());
        assert_eq!(trust.gateway(id).await.unwrap().client.as_str(), "acme.gw");
        let (_, device) = world.client("acme.press-7");
        let unknown = trust.gateway(CertId(device.id())).await;
        assert!(matches!(unknown, Err(TrustError::Unknown { .. })));
        let pinned = trust.pin(&world.genesis, device);
        assert!(matches!(pinned, Err(TrustError::Role { .. })));
        let foreign = World::new().gateway.1.clone();
        let pinned = trust.pin(&world.genesis, foreign);
        assert!(matches!(pinned, Err(TrustError::Certificate(_))));
    }
}
