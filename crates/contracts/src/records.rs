//! Records: what gateways archived, and who took it out again.
//!
//! - **Anchor** (gateway): one or more packages, all or none. Each is anchored once: its id must be new
//!   to the ledger and to the call. It names the sender as its gateway, a registered topic, a key epoch
//!   that the topic has reached (none on an open topic), 1 to 2^20 messages of 1 to 256 clients (in
//!   order, each once, no more than messages), and a time range that isn't reversed and doesn't end more than ten minutes after the block's time.
//! - **LogRetrieval** (gateway): one or more retrievals of packages that are anchored.
//!
//! Entries are append-only: nothing here is changed or deleted.

use sealwire_envelope::{Anchor, Retrieval, TopicMode};
use sealwire_sm::cert::Role;

use crate::context::{Context, Stop, ensure};
use crate::entry::{Mark, PackageEntry, RetrievalEntry, TopicEntry};
use crate::keys::{self, Position};
use crate::limits::{
    ANCHORS_PER_CALL, CLIENTS_PER_PACKAGE, CLOCK_AHEAD_MS, LOCATION_BYTES, MESSAGES_PER_PACKAGE,
    RETRIEVALS_PER_CALL,
};
use crate::outcome::Code;
use crate::state::Read;

pub(crate) fn anchor<R: Read>(ctx: &mut Context<'_, R>, packages: &[Anchor]) -> Result<(), Stop> {
    ctx.allow(&[Role::Gateway])?;
    ensure!(!packages.is_empty(), BatchEmpty, "no package");
    let count = packages.len();
    ensure!(
        count <= ANCHORS_PER_CALL,
        BatchTooLarge,
        "{count} packages, at most {ANCHORS_PER_CALL}"
    );
    ctx.touch(
        packages
            .iter()
            .flat_map(|item| [keys::package(&item.package), keys::topic(&item.topic)]),
    )?;
    for package in packages {
        check_anchor(ctx, package)?;
        let topic: TopicEntry = ctx
            .entry(&keys::topic(&package.topic))?
            .ok_or_else(|| Code::UnknownTopic.because(format_args!("'{}'", package.topic)))?;
        check_epoch(package, &topic)?;
        let key = keys::package(&package.package);
        ensure!(!ctx.exists(&key)?, PackageKnown, "{}", package.package.0);
        let entry = PackageEntry {
            anchor: package.clone(),
            at: ctx.block.moment(),
            tx: ctx.index,
        };
        ctx.put(key, &entry);
        ctx.put(
            keys::topic_package(&package.topic, package.to_ms, &package.package),
            &Mark {},
        );
    }
    Ok(())
}

fn check_anchor<R: Read>(ctx: &Context<'_, R>, package: &Anchor) -> Result<(), Stop> {
    let id = package.package.0;
    ensure!(
        package.gateway == ctx.sender.client,
        GatewayMismatch,
        "{}",
        package.gateway
    );
    let count = package.count;
    ensure!(
        (1..=MESSAGES_PER_PACKAGE).contains(&count),
        PackageCount,
        "{id}: {count} messages"
    );
    let clients = package.clients.len();
    let fits = (1..=CLIENTS_PER_PACKAGE).contains(&clients) && clients as u64 <= count;
    ensure!(
        fits,
        PackageCount,
        "{id}: {clients} clients, {count} messages"
    );
    let ordered = package.clients.is_sorted_by(|a, b| a < b);
    ensure!(ordered, PackageClients, "{id}");
    let latest_ms = ctx.block.time_ms.saturating_add(CLOCK_AHEAD_MS);
    ensure!(
        package.from_ms <= package.to_ms && package.to_ms <= latest_ms,
        PackageTime,
        "{id}: {} to {} ms, block time is {} ms",
        package.from_ms,
        package.to_ms,
        ctx.block.time_ms
    );
    let length = package.location.len();
    ensure!(
        length <= LOCATION_BYTES,
        LocationTooLong,
        "{id}: {length} bytes, at most {LOCATION_BYTES}"
    );
    Ok(())
}

fn check_epoch(package: &Anchor, topic: &TopicEntry) -> Result<(), Stop> {
    let fits = match (topic.mode, package.epoch) {
        (TopicMode::Sealed, Some(epoch)) => epoch <= topic.epoch,
        (TopicMode::Open, None) => true,
        _ => false,
    };
    let (id, present) = (package.package, topic.epoch);
    match package.epoch {
        Some(epoch) => ensure!(
            fits,
            PackageEpoch,
            "{id}: epoch {epoch}, the topic is at {present}"
        ),
        None => ensure!(
            fits,
            PackageEpoch,
            "{id}: no epoch, the topic is at {present}"
        ),
    }
    Ok(())
}

pub(crate) fn log_retrievals<R: Read>(
    ctx: &mut Context<'_, R>,
    retrievals: &[Retrieval],
) -> Result<(), Stop> {
    ctx.allow(&[Role::Gateway])?;
    ensure!(!retrievals.is_empty(), BatchEmpty, "no retrieval");
    let count = retrievals.len();
    ensure!(
        count <= RETRIEVALS_PER_CALL,
        BatchTooLarge,
        "{count} retrievals, at most {RETRIEVALS_PER_CALL}"
    );
    ctx.touch(retrievals.iter().map(|item| keys::package(&item.package)))?;
    for (item, retrieval) in (0u32..).zip(retrievals) {
        let package = &retrieval.package;
        ensure!(
            ctx.exists(&keys::package(package))?,
            UnknownPackage,
            "{}",
            package.0
        );
        let at = Position {
            height: ctx.block.height,
            tx: ctx.index,
            item,
        };
        let entry = RetrievalEntry {
            retrieval: retrieval.clone(),
            gateway: ctx.sender.client.clone(),
            at: ctx.block.moment(),
        };
        ctx.put(keys::retrieval(package, at), &entry);
    }
    Ok(())
}
