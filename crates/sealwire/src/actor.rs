//! A client that acts: its identity in this home, and the rest of the system as it sees it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use sealwire_client::{
    Identity, Keyring, Ledger, Trust,
    identity::GatewayPeer,
    mqtt::{self, Session},
    owner::Owner,
};
use sealwire_envelope::{ClientId, OrgId};
use tokio::sync::watch;

use crate::{home::Home, init::GATEWAY};

/// Time between two looks at the keys of a connected client's topics.
const TEND_EVERY: Duration = Duration::from_secs(60);
/// Time between two looks whether a connected client's certificate was renewed; a gateway lets the
/// old one hold for a minute.
const RENEWED_EVERY: Duration = Duration::from_secs(5);

/// A client with its keys, its ledger nodes and its gateways.
#[derive(Clone)]
pub struct Actor {
    /// Who it is.
    pub identity: Identity,
    /// The ledger, every answer proven against genesis.
    pub ledger: Arc<Ledger>,
    /// Topic keys and senders.
    pub keyring: Arc<Keyring>,
    /// Gateways' certificates.
    pub trust: Arc<Trust>,
}

impl Actor {
    /// Loads the identity of `client` from `home`.
    ///
    /// # Errors
    /// When it isn't enrolled here, or its files are damaged.
    pub fn load(home: &Home, client: &ClientId) -> Result<Self> {
        let dir = home.identity_dir(client);
        let identity = Identity::load(&dir, None).with_context(|| {
            format!(
                "{client} can't be used from {}: enrol it with `sealwire device enrol {client}`",
                dir.display()
            )
        })?;
        Self::new(identity)
    }

    /// The actor of an identity.
    ///
    /// # Errors
    /// When it knows no ledger node.
    pub fn new(identity: Identity) -> Result<Self> {
        let ledger = Arc::new(Ledger::of(&identity)?);
        let trust = Arc::new(Trust::new(identity.genesis(), Some(ledger.clone()))?);
        let keyring = Arc::new(Keyring::new(identity.clone(), ledger.clone()));
        Ok(Self {
            identity,
            ledger,
            keyring,
            trust,
        })
    }

    /// The gateway of `org`; without one, the first that the identity knows: its own organisation's.
    ///
    /// # Errors
    /// When it knows none.
    pub fn gateway(&self, org: Option<&OrgId>) -> Result<GatewayPeer> {
        let client = org.map(|org| ClientId::new(org, GATEWAY)).transpose()?;
        let found = self.identity.peers().gateway(client.as_ref()).cloned();
        found.with_context(|| match org {
            Some(org) => format!(
                "no gateway of '{org}' is known to {}",
                self.identity.client()
            ),
            None => format!("no gateway is known to {}", self.identity.client()),
        })
    }

    /// Logs in by SM2 at a gateway.
    ///
    /// # Errors
    /// When the gateway can't be reached, isn't to be trusted, or refuses.
    pub async fn connect(&self, org: Option<&OrgId>) -> Result<Session> {
        let gateway = self.gateway(org)?;
        let mut options = mqtt::Options::new(gateway.best_mqtt());
        options.expect = Some(gateway.client.clone());
        let (present, watched) = watch::channel(self.keyring.clone());
        look_after_keys(watched);
        let connected = self.connect_with(options).await;
        let session = connected.with_context(|| {
            format!(
                "{} can't log in at {} ({})",
                self.identity.client(),
                gateway.client,
                gateway.best_mqtt()
            )
        })?;
        tokio::spawn(follow_renewals(self.clone(), session.clone(), present));
        Ok(session)
    }

    /// Logs in as `options` say.
    ///
    /// # Errors
    /// As [`mqtt::connect`].
    pub async fn connect_with(&self, options: mqtt::Options) -> Result<Session, mqtt::LoginError> {
        mqtt::connect(
            &self.identity,
            self.keyring.clone(),
            self.trust.clone(),
            options,
        )
        .await
    }
}

/// While the session lives: when `sealwire cert renew` has put another key and certificate into the client's
/// home, the session goes on with them.
async fn follow_renewals(actor: Actor, session: Session, present: watch::Sender<Arc<Keyring>>) {
    let Some(home) = actor.identity.home() else {
        return;
    };
    let mut certificate = actor.identity.certificate_id();
    loop {
        tokio::select! {
            _ = session.ended() => return,
            () = tokio::time::sleep(RENEWED_EVERY) => {}
        }
        // In the middle of a renewal they may not fit together: the next look finds them.
        let Ok(identity) = Identity::load(home, None) else {
            continue;
        };
        if identity.certificate_id() == certificate {
            continue;
        }
        certificate = identity.certificate_id();
        // Nodes are shown the new certificate, too.
        let Ok(now) = Actor::new(identity) else {
            continue;
        };
        let _ = present.send(now.keyring.clone());
        match session.renew(&now.identity, now.keyring).await {
            Ok(()) => {
                tracing::info!(%certificate, "the session goes on with the renewed certificate")
            }
            Err(error) => {
                tracing::warn!(%error, "the session couldn't go on with the renewed certificate")
            }
        }
    }
}

/// Puts the keys of this client's topics in order beside what it does, now and every [`TEND_EVERY`]:
/// an operator may have taken a grant back while it was away, or a grant may have expired.
fn look_after_keys(present: watch::Receiver<Arc<Keyring>>) {
    tokio::spawn(async move {
        loop {
            let owner = Owner::new(present.borrow().clone());
            match owner.tend().await {
                Ok(done) => {
                    for tended in done {
                        tracing::info!(?tended, "keys are in order");
                    }
                }
                Err(error) => tracing::warn!(%error, "keys of topics couldn't be looked after"),
            }
            tokio::time::sleep(TEND_EVERY).await;
        }
    });
}
