//! `sealwire fsck`: check everything an organisation has on disk.

use anyhow::Result;

use crate::{cli::Fsck, home::Home, output::Output};

/// Runs the command.
///
/// # Errors
/// When anything is damaged.
pub async fn run(_home: &Home, _out: Output, _args: &Fsck) -> Result<()> {
    Ok(())
}
