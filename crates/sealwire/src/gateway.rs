//! `sealwire gateway`: an MQTT gateway with its embedded follower of the ledger.
//!
//! The follower fetches final blocks from any validator, verifies their certificates against
//! genesis and executes them: rights are then a look-up in this process's memory, and no server has
//! to be believed. Transactions go to a validator over HTTP.

use std::{
    sync::{Arc, RwLockReadGuard},
    time::Duration,
};

use anyhow::{Result, bail};
use async_trait::async_trait;
use sealwire_contracts::View;
use sealwire_envelope::{ChainId, Transaction, TxId};
use sealwire_gateway::{AddressKey, Config, Gateway, Keys, Outcome, Story, SubmitError, channel};
use sealwire_ledger::{
    follower::{self, FollowerSettings},
    mempool::SubmitError as NodeError,
    node,
};
use sealwire_sm::Certificate;
use tokio::sync::{broadcast::error::RecvError, watch};

use crate::{
    actor::Actor,
    cli, console,
    home::{Home, RecordAddresses},
    init::GATEWAY,
    output::Output,
    process::{raise_file_limit, until_stopped},
};

/// Threads that run the follower.
const FOLLOWER_THREADS: usize = 2;

/// The gateway's ledger: its follower.
struct Followed {
    chain: ChainId,
    follower: node::Running,
}

#[async_trait]
impl sealwire_gateway::Ledger for Followed {
    fn chain(&self) -> ChainId {
        self.chain
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.follower.chain.mirror().view()
    }

    fn height(&self) -> watch::Receiver<u64> {
        self.follower.chain.mirror().height()
    }

    fn verified_at_ms(&self) -> u64 {
        // A block's own time: an old block that comes late doesn't make the state new.
        self.view().time_ms()
    }

    async fn submit(&self, transaction: &Transaction) -> Result<TxId, SubmitError> {
        match self.follower.chain.submit(&transaction.to_bytes()).await {
            Ok(id) => Ok(id),
            // Somebody has it already, perhaps from before a crash: that is all that was asked.
            Err(NodeError::Pending(id) | NodeError::Final(id)) => Ok(id),
            Err(NodeError::Busy(_)) => Err(SubmitError::Busy),
            Err(error @ (NodeError::Starting | NodeError::Away(_) | NodeError::Damaged)) => {
                Err(SubmitError::Away(error.to_string()))
            }
            Err(error) => Err(SubmitError::Refused(error.to_string())),
        }
    }

    async fn outcome(&self, id: TxId) -> Option<Outcome> {
        let entry = self.view().outcome(&id).value?;
        let refused =
            (!entry.code.is_applied()).then(|| format!("{:?} {}", entry.code, entry.detail));
        Some(Outcome {
            height: entry.at.height,
            refused,
        })
    }
}

/// Runs until stopped.
///
/// # Errors
/// When a file, an address or the key can't be used.
pub async fn run(home: &Home, out: Output, args: &cli::Gateway) -> Result<()> {
    raise_file_limit();
    let config = home.org_config(&args.org)?;
    let client = sealwire_envelope::ClientId::new(&args.org, GATEWAY)?;
    let identity = Actor::load(home, &client)?.identity;
    let genesis = identity.genesis().clone();
    let directory = home.gateway_dir(&args.org);
    let settings = FollowerSettings {
        genesis: genesis.clone(),
        directory: directory.join("follower"),
        validators: home.ledger_urls(Some(&args.org))?,
        tls: Some(sealwire_client::tls::to_nodes(&genesis, Some(&identity))?),
        http: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        threads: FOLLOWER_THREADS,
    };
    let follower = tokio::task::spawn_blocking(move || follower::launch(settings)).await??;
    let ledger = Arc::new(Followed {
        chain: genesis.chain_id(),
        follower,
    });

    let address_key = match config.record_addresses {
        RecordAddresses::Plain => None,
        RecordAddresses::Keyed => {
            Some(AddressKey::load_or_make(&directory.join(AddressKey::FILE))?)
        }
    };
    let mut settings = Config::new(directory);
    settings.address_key = address_key;
    if let (Some(mqtts), Some(https)) = (config.mqtts, config.gateway_https) {
        let roots = genesis.orgs.iter();
        let roots = roots.map(|org| Certificate::from_der(&org.root_cert_der));
        settings.tls = Some(channel::Config {
            mqtts,
            https,
            names: config.tls_names.clone(),
            roots: roots.collect::<Result<_, _>>()?,
        });
    }
    settings.mqtt = config.mqtt;
    settings.http = config.gateway_http;
    settings.limits.package_age = Duration::from_millis(config.package_age_ms);
    settings.limits.package.package_messages = config.package_messages;
    let keys = Keys {
        secret: identity.key().clone(),
        certificate: identity.certificate().clone(),
    };
    let running = Gateway::start(settings, ledger, keys).await?;
    let started = serde_json::json!({
        "event": "started", "org": args.org,
        "mqtt": running.mqtt_addr.to_string(), "http": format!("http://{}", running.http_addr),
        "mqtts": running.mqtts_addr.map(|address| format!("mqtts://{address}")),
        "https": running.https_addr.map(|address| format!("https://{address}")),
    });
    out.line(&started, |_| {
        let tls = match (running.mqtts_addr, running.https_addr) {
            (Some(mqtts), Some(https)) => {
                format!("; by TLS (RFC 8998 and standard) on {mqtts} and https://{https}")
            }
            _ => String::new(),
        };
        format!(
            "{client} listens for MQTT on {} and serves its archive on http://{}{tls}",
            running.mqtt_addr, running.http_addr
        )
    });
    let console = console::beside(home, out, &args.org, args.console).await?;
    let mut story = running.story();
    let stopped = until_stopped(args.until_stdin_closes);
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            result = &mut stopped => {
                result?;
                break;
            }
            event = story.recv() => match event {
                Ok(event) => tell(out, &event),
                Err(RecvError::Lagged(missed)) => tracing::info!(missed, "events weren't told"),
                Err(RecvError::Closed) => bail!("the gateway has ended: see its log"),
            },
        }
    }
    if let Some(console) = console {
        console.shutdown().await;
    }
    running.shutdown().await;
    Ok(())
}

fn tell(out: Output, event: &Story) {
    if out.json {
        out.line(event, |_| String::new());
    } else {
        tracing::info!(?event, "gateway");
    }
}
