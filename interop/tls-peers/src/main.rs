//! Proves that our TLS works with OpenSSL 4 and Tongsuo, in both directions, and records how.
//!
//! ```text
//! just tls-peers
//! ```
//!
//! Builds both programs, runs every case of [`cases::CASES`] with each, and writes what went over
//! the wire, with the session's secrets, to `crates/tls/tests/transcripts/`. The test
//! `crates/tls/tests/transcripts.rs` reads the recordings again wherever the peers aren't. The
//! certificates and keys are made for each run and used for nothing else.

mod cases;
mod peers;
mod recording;
mod refusals;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

fn main() -> Result<()> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/tls/tests/transcripts");
    fs::create_dir_all(&home)?;
    let dir = tempfile::tempdir()?;
    let org = cases::Organisation::new(dir.path())?;
    let elsewhere = tempfile::tempdir()?;
    let other = cases::Organisation::new(elsewhere.path())?;
    let mut failed = 0;
    for peer in peers::all()? {
        println!("{}", peer.version);
        for case in &cases::CASES {
            let what = format!("{}-{}-{}", peer.name, case.direction(), case.name);
            match cases::run(case, &peer, &org, dir.path()) {
                Ok(transcript) => {
                    let text = serde_json::to_string_pretty(&transcript)? + "\n";
                    fs::write(home.join(format!("{what}.json")), text)
                        .with_context(|| format!("writing {what}"))?;
                    println!("  {what}: ok");
                }
                Err(error) => {
                    failed += 1;
                    println!("  {what}: FAILED: {error:#}");
                }
            }
        }
        refusals::run(&peer, &org, &other, dir.path())?;
        println!("  {}: refusals hold, both ways", peer.name);
        refusals::untold(&peer, &org, dir.path())?;
        println!("  {}: gets what its defaults ask for", peer.name);
    }
    ensure!(failed == 0, "{failed} cases failed");
    Ok(())
}
