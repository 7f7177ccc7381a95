//! `sealwire receipt …`: export a message's receipt, verify one offline.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sealwire_envelope::{
    Genesis, decode_bounded, encode,
    receipt::{RECEIPT_BYTES_MAX, Receipt as Document},
};
use sealwire_receipt::Verified;

use crate::{
    actor::Actor,
    cli::Receipt,
    home::{Home, read_genesis},
    output::{Output, time_text},
    record::{anchor_of, archive_of},
};

/// Runs the command.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Receipt) -> Result<()> {
    match command {
        Receipt::Export {
            actor,
            at,
            package,
            index,
            out: path,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let archive = archive_of(&actor, at.gateway.as_ref())?;
            let record = archive.record(&package, index).await?;
            anchor_of(&actor, &package).await?;
            let (receipt, verified) = archive.receipt(&actor.ledger, &record).await?;
            let bytes = encode(&receipt);
            std::fs::write(&path, &bytes)
                .with_context(|| format!("{} can't be written", path.display()))?;
            let document = serde_json::json!({
                "file": path, "bytes": bytes.len(), "package": package, "index": index,
                "height": verified.entry.height,
            });
            out.print(&document, |_| {
                format!(
                    "receipt of message {index} of package {package}: {} ({} bytes)\n\
                     verify it anywhere: sealwire receipt verify {} --genesis genesis.json",
                    path.display(),
                    bytes.len(),
                    path.display()
                )
            });
        }
        Receipt::Verify { file, genesis } => {
            let genesis = match genesis {
                Some(path) => read_genesis(&path)?,
                None => home.genesis()?,
            };
            let verified = verify_file(&file, &genesis)?;
            out.print(&verified, verified_text);
        }
    }
    Ok(())
}

/// Verifies a receipt file against genesis alone: no network, no other file.
///
/// # Errors
/// When the file isn't a receipt, or a step doesn't hold.
pub fn verify_file(file: &Path, genesis: &Genesis) -> Result<Verified> {
    let length = std::fs::metadata(file)
        .with_context(|| format!("receipt {}", file.display()))?
        .len();
    ensure!(
        length <= RECEIPT_BYTES_MAX as u64,
        "receipt {}: {length} bytes, the limit is {RECEIPT_BYTES_MAX}",
        file.display()
    );
    let bytes = std::fs::read(file).with_context(|| format!("receipt {}", file.display()))?;
    let receipt: Document = decode_bounded(&bytes, RECEIPT_BYTES_MAX)
        .with_context(|| format!("{} isn't a receipt", file.display()))?;
    sealwire_receipt::verify(&receipt, genesis)
        .with_context(|| format!("the receipt {} does not hold", file.display()))
}

fn verified_text(verified: &Verified) -> String {
    let mut lines = vec![format!(
        "holds: {} sent message {} to {}, received {}, anchored {} at height {}",
        verified.record.sender,
        verified.index,
        verified.record.topic,
        time_text(verified.record.received_ms),
        time_text(verified.anchored_ms),
        verified.anchored_height
    )];
    lines.extend(verified.steps().iter().map(|held| format!("  {held}")));
    lines.join("\n")
}
