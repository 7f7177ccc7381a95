//! `sealwire node`: an organisation's validator.
//!
//! With `--json`, one line per final block and one when it has started; without, the same as text.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use sealwire_envelope::{Genesis, Header};
use sealwire_ledger::{mirror::Final, node};
use sealwire_sm::keyfile;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    cli::Node,
    home::Home,
    output::Output,
    process::{raise_file_limit, until_stopped},
};

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
    let started = serde_json::json!({ "event": "started", "org": args.org, "http": url });
    out.line(&started, |_| {
        format!("{}'s validator serves its ledger at {url}", args.org)
    });

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
    tokio::task::spawn_blocking(move || running.stop()).await?;
    Ok(())
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
