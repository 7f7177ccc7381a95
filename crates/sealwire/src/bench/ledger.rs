//! `sealwire bench ledger`: signed transactions, four validators and the client on this machine.
//!
//! The validators run in this process, each with its own keys, disk and real loopback links, so
//! that CPU per transaction can be told. What counts is final: in a block that more than two
//! thirds have signed, executed and synced to disk.

use anyhow::{Context as _, Result, ensure};

use crate::{output::Output, process::raise_file_limit};

/// Transactions that may be submitted and not final at a time.
const IN_FLIGHT: usize = 1000;

/// Runs the bench.
///
/// # Errors
/// When the validators don't start or stop making progress.
pub async fn run(out: Output, transactions: u64) -> Result<()> {
    ensure!(transactions > 0, "--transactions is at least 1");
    raise_file_limit();
    let dir = tempfile::tempdir().context("a directory for the bench")?;
    out.note(format_args!(
        "{transactions} transactions to four validators of this process"
    ));
    let report = sealwire_ledger::bench::in_process(dir.path(), transactions, IN_FLIGHT).await?;
    out.print(&report, |r| {
        format!(
            "{} transactions final in {:.1} s: {:.0} per second, in {} blocks\n\
             latency: half within {} ms, 95 % within {} ms, 99 % within {} ms\n\
             CPU of client and four validators: {} µs per transaction\n\
             SM2 verifications per transaction and validator: {}",
            r.transactions,
            r.seconds,
            r.per_second,
            r.blocks,
            r.latency_p50_ms,
            r.latency_p95_ms,
            r.latency_p99_ms,
            r.cpu_us_per_transaction
                .map_or_else(|| "unknown".to_owned(), |us| us.to_string()),
            r.verifications_per_validator
                .map_or_else(|| "unknown".to_owned(), |count| format!("{count:.3}")),
        )
    });
    Ok(())
}
