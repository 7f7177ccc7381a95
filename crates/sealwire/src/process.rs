//! What every long-running command does: log, raise limits, stop in order.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use anyhow::{Context as _, Result};
use tokio::{io::AsyncReadExt as _, sync::mpsc};

/// Open files that a program with thousands of connections wants.
const FILES_WANTED: u64 = 65_536;

/// Starts logging to standard error: warnings, more with `-v`, filters from `SEALWIRE_LOG`.
pub fn start_log(verbose: u8) {
    let level = match verbose {
        // The storage engine warns of every new, empty store.
        0 => "warn,commonware_storage=error",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("SEALWIRE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // A second start (in tests) changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}

/// Raises the limit of open files as far as the system lets; says how many there may be.
pub fn raise_file_limit() -> u64 {
    rlimit::increase_nofile_limit(FILES_WANTED).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files stays as it is");
        rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(0, |(soft, _)| soft)
    })
}

/// Returns at Ctrl-C, at SIGTERM, or when standard input closes if asked for.
///
/// # Errors
/// When the system won't tell about signals.
pub async fn until_stopped(until_stdin_closes: bool) -> Result<()> {
    #[cfg(unix)]
    let mut terminate = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).context("listening for SIGTERM")?
    };
    #[cfg(unix)]
    let terminated = terminate.recv();
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for Ctrl-C")?,
        _ = terminated => {}
        () = stdin_closed(), if until_stdin_closes => {}
    }
    Ok(())
}

async fn stdin_closed() {
    let mut stdin = tokio::io::stdin();
    let mut nothing = [0; 64];
    while !matches!(stdin.read(&mut nothing).await, Ok(0) | Err(_)) {}
}

/// Lines of standard input that wait to be looked at.
const LINES_WAITING: usize = 4;

/// Tells of each line of standard input, until it closes. It is read by a thread of its own: one of the
/// runtime's would keep the program from ending until the next line.
pub fn enters() -> mpsc::Receiver<()> {
    let (lines, told) = mpsc::channel(LINES_WAITING);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut line = Vec::new();
        // What is typed isn't looked at; a line without end is read piece by piece.
        while let Ok(1..) = (&mut input).take(1_024).read_until(b'\n', &mut line) {
            if line.ends_with(b"\n") && lines.blocking_send(()).is_err() {
                return;
            }
            line.clear();
        }
    });
    told
}

/// Milliseconds since 1970, by this machine's clock.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
