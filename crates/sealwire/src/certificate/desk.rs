//! `sealwire desk`: an organisation's enrolment desk, until it is stopped.

use anyhow::{Context as _, Result, bail};
use sealwire_desk::{Deed, Event, Limits, Settings};
use tokio::sync::broadcast::error::RecvError;

use super::operator_of;
use crate::{
    cli,
    home::{self, Home},
    init::peers_for,
    output::Output,
    process::{raise_file_limit, until_stopped},
};

/// Requests that an address may make at once, for each that it may make per second.
const BURST_S: u32 = 10;

/// Runs until stopped.
///
/// # Errors
/// When keys aren't here, or the address can't be had.
pub async fn run(home: &Home, out: Output, args: &cli::Desk) -> Result<()> {
    raise_file_limit();
    let config = home.org_config(&args.org)?;
    let listen = args.listen.or(config.desk).with_context(|| {
        format!(
            "org.toml of '{}' names no address for the desk: say --listen",
            args.org
        )
    })?;
    let (root_key, root) = home::read_root(&home.org(&args.org))?;
    let staff = operator_of(home, &args.org)?;
    let running = sealwire_desk::start(Settings {
        listen,
        root_key,
        root,
        operator: staff.identity,
        ledger: staff.ledger,
        peers: peers_for(&home.orgs_here()?, &args.org),
        limits: Limits {
            requests_per_s: args.requests_per_s,
            requests_burst: args.requests_per_s.saturating_mul(BURST_S),
            ..Limits::default()
        },
    })
    .await?;
    let url = format!("http://{}", running.address);
    let started = serde_json::json!({ "event": "started", "org": args.org, "http": url });
    out.line(&started, |_| {
        format!("{}'s desk enrols and renews at {url}", args.org)
    });
    let mut events = running.events();
    let stopped = until_stopped(args.until_stdin_closes);
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            result = &mut stopped => {
                result?;
                break;
            }
            event = events.recv() => match event {
                Ok(event) => tell(out, &event),
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events weren't told"),
                Err(RecvError::Closed) => bail!("the desk has ended: see its log"),
            },
        }
    }
    running.shutdown().await;
    Ok(())
}

fn tell(out: Output, event: &Event) {
    let document = serde_json::json!({ "event": "desk", "desk": event });
    out.line(&document, |_| {
        let who = event
            .client
            .as_ref()
            .map_or_else(|| "somebody".to_owned(), ToString::to_string);
        let deed = match event.deed {
            Deed::Enrolled => "is enrolled".to_owned(),
            Deed::Repeated => "got its certificate again".to_owned(),
            Deed::Renewed => "got its next certificate".to_owned(),
            Deed::Refused => format!("is refused: {}", event.why),
        };
        format!("{who} at {} {deed}", event.address)
    });
}
