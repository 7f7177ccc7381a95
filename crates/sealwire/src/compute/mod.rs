//! `sealwire compute …`: compute on encrypted readings, from the command line.
//!
//! | Module | Commands | Who |
//! |---|---|---|
//! | [`keys`] | `keygen`, `publish-key`, `keys`, `retire` | the key's owner |
//! | [`publish`] | `publish` | a device |
//! | [`ask`] | `ask`, `jobs`, `result`, `standing` | who has the right `compute` |
//! | [`result`] | `open`, `verify`, `receipt`, `receipt-verify` | the owner; anyone |
//! | [`sharing`] | `ceremony`, `share`, `combine` | the holders of a shared key |
//! | [`store`] | | secret halves and shares in a client's home |
//!
//! # Invariants
//! - What opening gives, an answer or an error, is printed on this machine and sent nowhere: whoever computes or
//!   publishes and learned it could read the secret key out of enough answers.
//! - The ledger says what a key and an evaluation are; files and gateways only bring the bytes.

pub mod ask;
pub mod keys;
pub mod publish;
mod result;
mod sharing;
pub mod store;

pub use result::{again, on_ledger};

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use sealwire_client::{Ledger, compute::Compute as Service};
use sealwire_contracts::entry::ComputeKeyEntry;
use sealwire_envelope::{ComputeKeyId, OrgId};

use crate::{
    actor::Actor,
    cli::{Compute, KeyName},
    home::Home,
    output::Output,
    record::archive_of,
};

/// Runs the command.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Compute) -> Result<()> {
    match command {
        Compute::Keygen { .. }
        | Compute::PublishKey { .. }
        | Compute::Keys { .. }
        | Compute::Retire { .. } => keys::run(home, out, command).await,
        Compute::Publish {
            actor,
            at,
            key,
            topic,
            readings,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let to = publish::To {
                gateway: at.gateway.as_ref(),
                key: &key.key,
                topic: &topic,
            };
            publish::run(&actor, out, &to, &readings).await
        }
        Compute::Ask { .. }
        | Compute::Jobs { .. }
        | Compute::Result { .. }
        | Compute::Standing(_) => ask::run(home, out, command).await,
        Compute::Open { .. }
        | Compute::Verify { .. }
        | Compute::Receipt { .. }
        | Compute::ReceiptVerify { .. } => result::run(home, out, command).await,
        Compute::Ceremony(_) | Compute::Share { .. } | Compute::Combine { .. } => {
            sharing::run(home, out, command).await
        }
    }
}

/// The compute service of a gateway, as `actor` sees it.
///
/// # Errors
/// When the gateway isn't known.
pub fn service(actor: &Actor, org: Option<&OrgId>) -> Result<Service> {
    Ok(Service::of(archive_of(actor, org)?))
}

/// The key of this name, and what the ledger says of it.
///
/// # Errors
/// When there is none, or its owner has several and only the owner was named.
pub async fn key_named(ledger: &Ledger, name: &KeyName) -> Result<(ComputeKeyId, ComputeKeyEntry)> {
    let id = match name {
        KeyName::Id(id) => *id,
        KeyName::Of(owner) => {
            let live = ledger.live_compute_keys(owner).await?;
            match live.as_slice() {
                [only] => *only,
                [] => bail!(
                    "{owner} has no compute key: `sealwire compute keygen --as {owner}` makes one"
                ),
                several => {
                    let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
                    bail!(
                        "{owner} has {} compute keys: say which by its id, --key {}",
                        several.len(),
                        ids.join(" or --key ")
                    )
                }
            }
        }
    };
    let entry = ledger.compute_key(&id).await?;
    let entry = entry.with_context(|| {
        format!("compute key {id} isn't on the ledger: its owner registers it with `sealwire compute publish-key`")
    })?;
    Ok((id, entry))
}

/// As [`key_named`], and not retired.
///
/// # Errors
/// As [`key_named`]; when it is retired.
pub async fn live_key(ledger: &Ledger, name: &KeyName) -> Result<(ComputeKeyId, ComputeKeyEntry)> {
    let (id, entry) = key_named(ledger, name).await?;
    if let Some(retired) = &entry.retired {
        bail!(
            "compute key {id} is retired since height {}{}: ask its owner {} for its successor",
            retired.at.height,
            match retired.reason.as_str() {
                "" => String::new(),
                reason => format!(" ({reason})"),
            },
            entry.key.owner
        );
    }
    Ok((id, entry))
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// When there is none, or it is longer.
pub fn read_bounded(path: &Path, bytes_max: usize, what: &str) -> Result<Vec<u8>> {
    let length = std::fs::metadata(path)
        .with_context(|| format!("{what} {}", path.display()))?
        .len();
    ensure!(
        length <= bytes_max as u64,
        "{what} {}: {length} bytes, the limit is {bytes_max}",
        path.display()
    );
    std::fs::read(path).with_context(|| format!("{what} {}", path.display()))
}

/// Writes a file that isn't secret.
///
/// # Errors
/// When the file system refuses.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{} can't be written", path.display()))
}
