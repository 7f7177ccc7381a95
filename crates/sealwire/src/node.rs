//! `sealwire node`: an organisation's validator.
//!
//! Where `org.toml` says `https`, the ledger is served there too, by TLS of RFC 8998 and to members
//! (`sealwire_ledger::api::members_router`): that is the address for other machines. Plain `http` asks nobody
//! who they are, so it belongs on loopback.
//!
//! With `--json`, one line per final block and one when it has started; without, the same as text.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use axum::{
    extract::{ConnectInfo, Request},
    middleware::{self, Next},
    response::Response,
};
use sealwire_envelope::{Genesis, Header};
use sealwire_gateway::channel::{HttpsListener, Peer, Tls};
use sealwire_ledger::{
    api::{self, Asker},
    chain::Chain,
    mirror::Final,
    node,
};
use sealwire_sm::{Certificate, SecretKey, keyfile};
use tokio::{
    net::TcpListener,
    sync::{broadcast::error::RecvError, watch},
};

use crate::{
    cli::Node,
    console,
    home::Home,
    init::node_identity,
    output::Output,
    process::{raise_file_limit, until_stopped},
};

/// How long a TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Runs until stopped.
///
/// # Errors
/// When a file, an address or the key can't be used, or the node ends by itself.
pub async fn run(home: &Home, out: Output, args: &Node) -> Result<()> {
    raise_file_limit();
    let genesis = Arc::new(home.genesis()?);
    let config = home.org_config(&args.org)?;
    let key = keyfile::read(&home.org(&args.org).join("validator.key"), None)?;
    let mut peers = Vec::new();
    for peer in &config.peers {
        let org = genesis.orgs.iter().find(|org| org.org == peer.org);
        let org = org.with_context(|| format!("org.toml names '{}', genesis doesn't", peer.org))?;
        peers.push((org.validator.clone(), peer.p2p));
    }
    let directory = home.node_dir(&args.org);
    let settings = node::Settings::new(
        genesis.clone(),
        key,
        directory,
        config.p2p,
        peers,
        config.http,
    );
    // Starting reads the disk: not on a thread that serves others.
    let running = tokio::task::spawn_blocking(move || node::launch(settings)).await??;
    let url = format!("http://{}", running.http);
    let (stop, stopped) = watch::channel(false);
    let https = match config.https {
        None => None,
        Some(address) => {
            let (key, certificate) = node_identity(&home.org(&args.org), &args.org)?;
            let chain = running.chain.clone();
            let bound = serve_members(&genesis, &key, &certificate, chain, address, stopped);
            Some(format!("https://{}", bound.await?))
        }
    };
    let started =
        serde_json::json!({ "event": "started", "org": args.org, "http": url, "https": https });
    out.line(&started, |_| match &https {
        None => format!("{}'s validator serves its ledger at {url}", args.org),
        Some(https) => format!(
            "{}'s validator serves its ledger at {url}, and to members at {https}",
            args.org
        ),
    });

    let console = console::beside(home, out, &args.org, args.console).await?;
    let mut blocks = running.chain.mirror().subscribe();
    let stopped = until_stopped(args.until_stdin_closes);
    tokio::pin!(stopped);
    let mut check = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        tokio::select! {
            result = &mut stopped => {
                result?;
                break;
            }
            block = blocks.recv() => match block {
                Ok(block) => tell(out, &genesis, &block),
                Err(RecvError::Lagged(missed)) => {
                    tracing::info!(missed, "blocks weren't told of");
                }
                Err(RecvError::Closed) => bail!("the node has ended: see its log"),
            },
            _ = check.tick() => if running.ended() {
                bail!("the node has ended: see its log");
            },
        }
    }
    if let Some(console) = console {
        console.shutdown().await;
    }
    let _ = stop.send(true);
    tokio::task::spawn_blocking(move || running.stop()).await?;
    Ok(())
}

/// Serves the ledger by TLS until `stopped` changes; gives back the address that was bound.
async fn serve_members(
    genesis: &Genesis,
    key: &SecretKey,
    certificate: &Certificate,
    chain: Arc<dyn Chain>,
    address: SocketAddr,
    mut stopped: watch::Receiver<bool>,
) -> Result<SocketAddr> {
    let roots = genesis.orgs.iter();
    let roots: Vec<_> = roots
        .map(|org| Certificate::from_der(&org.root_cert_der))
        .collect::<Result<_, _>>()?;
    // Whether the ledger knows a certificate is asked with every request, where the answer has words.
    let tls = Arc::new(Tls::members(certificate, key, &roots, |_| Ok(()))?);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address} for members"))?;
    let bound = listener.local_addr()?;
    let listener = HttpsListener::new(tls, listener, bound, HANDSHAKE_MAX, stopped.clone());
    let router = api::members_router(chain).layer(middleware::from_fn(tell_who_asks));
    let service = router.into_make_service_with_connect_info::<Peer>();
    tokio::spawn(async move {
        tokio::select! {
            ended = axum::serve(listener, service) => {
                if let Err(error) = ended {
                    tracing::error!(%error, "the members' HTTPS interface ended");
                }
            }
            _ = stopped.changed() => {}
        }
    });
    Ok(bound)
}

/// Hands on to the ledger what the handshake has shown.
async fn tell_who_asks(
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let shown = peer.channel.bound.map(|(_, certificate)| certificate);
    request.extensions_mut().insert(Asker(shown));
    next.run(request).await
}

/// Tells of a block that has transactions; the heartbeats in between are only logged.
fn tell(out: Output, genesis: &Genesis, block: &Final) {
    let header = block.block.header();
    if block.outcomes.is_empty() {
        tracing::info!(height = header.height, "empty block");
        return;
    }
    let proposer = proposer(genesis, header);
    let mut calls: Vec<(&str, usize)> = Vec::new();
    for transaction in block.block.transactions() {
        let name = transaction.get().body.call.name();
        match calls.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => calls.push((name, 1)),
        }
    }
    let refused = block
        .outcomes
        .iter()
        .filter(|outcome| !outcome.code.is_applied())
        .count();
    let words: Vec<_> = calls
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let event = serde_json::json!({
        "event": "block", "height": header.height, "time_ms": header.time_ms,
        "proposer": proposer, "transactions": block.outcomes.len(), "refused": refused,
        "calls": words.join(", "), "digest": header.digest(),
    });
    out.line(&event, |_| {
        format!(
            "block {} by {proposer}: {} ({refused} refused)",
            header.height,
            words.join(", ")
        )
    });
}

fn proposer(genesis: &Genesis, header: &Header) -> String {
    let org = genesis
        .orgs
        .iter()
        .find(|org| org.validator == header.proposer);
    org.map_or_else(|| "unknown".to_owned(), |org| org.org.to_string())
}
