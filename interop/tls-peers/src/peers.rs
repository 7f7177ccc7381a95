//! Builds the two peers, programs included, from the sources that their crates carry.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// An `openssl` program that somebody else wrote.
pub struct Peer {
    /// For file names: `openssl` or `tongsuo`.
    pub name: &'static str,
    /// What it says of itself.
    pub version: String,
    /// Where it is.
    pub program: PathBuf,
}

/// Both, built unless an earlier run has done so.
pub fn all() -> Result<[Peer; 2]> {
    Ok([
        peer(
            "openssl",
            &openssl_src::source_dir(),
            openssl_src::version(),
        )?,
        peer(
            "tongsuo",
            &tongsuo_src::source_dir(),
            tongsuo_src::version(),
        )?,
    ])
}

fn peer(name: &'static str, source: &Path, crate_version: &str) -> Result<Peer> {
    // .../release/sealwire-tls-peers -> .../peers/
    let me = std::env::current_exe()?;
    let target = me.ancestors().nth(2).context("no target folder")?;
    let home = target.join("peers").join(format!("{name}-{crate_version}"));
    let program = home.join("apps/openssl");
    if !program.exists() {
        eprintln!("building {name} ({crate_version}): about three minutes on one core");
        let log = target
            .join("peers")
            .join(format!("{name}-{crate_version}.log"));
        build(source, &home, &log)
            .with_context(|| format!("building {name} in {}", home.display()))?;
    }
    let said = Command::new(&program).arg("version").output()?;
    // The first line; Tongsuo says on a second which OpenSSL it comes from.
    let said_text = String::from_utf8_lossy(&said.stdout);
    let version = said_text.lines().next().unwrap_or_default().to_owned();
    ensure!(said.status.success(), "{} doesn't run", program.display());
    Ok(Peer {
        name,
        version,
        program,
    })
}

fn build(source: &Path, home: &Path, log: &Path) -> Result<()> {
    // Half a copy of an interrupted run won't do.
    if home.exists() {
        fs::remove_dir_all(home)?;
    }
    copy(source, home)?;
    // Static, so that the program runs where it lies; no folder of the machine is its home.
    let configure = "perl ./Configure no-shared no-module no-tests no-comp no-zlib no-legacy \
                     --prefix=/nonexistent --openssldir=/nonexistent/ssl";
    for command in [configure, "make -j1 build_sw"] {
        let output = fs::File::options().create(true).append(true).open(log)?;
        let status = Command::new("sh")
            .args(["-c", command])
            .current_dir(home)
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()?;
        ensure!(
            status.success(),
            "'{command}' failed, see {}",
            log.display()
        );
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
