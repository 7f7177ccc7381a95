//! Evidence: bundles of packages with the ledger's proof, made and checked without any key.
//!
//! An export is a directory with one file `<package id>.bundle` for each package
//! (`envelope::receipt::Bundle`), and on request `<package id>.<number>.receipt` for each message. It needs
//! nothing but a genesis file to be verified.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use sealwire_client::archive::BundleFetchError;
use sealwire_contracts::entry::Moment;
use sealwire_envelope::{
    Genesis, OrgId, PackageId, TopicName, encode,
    receipt::{BUNDLE_BYTES_MAX, Bundle},
};
use sealwire_receipt::{VerifiedBundle, bundle::receipts, verify_bundle};
use serde::{Deserialize, Serialize};

use super::archive_of;
use crate::{
    actor::Actor,
    output::{Output, table, time_text},
    topic::percent_encoded,
};

/// A time range, seconds since 1970, both ends included.
#[derive(Clone, Copy)]
pub struct Range {
    pub from: Option<u64>,
    pub to: Option<u64>,
}

/// Which packages.
pub struct Wanted<'a> {
    pub topic: &'a TopicName,
    pub range: Range,
    pub at: Option<&'a OrgId>,
}

/// What the ledger lists.
#[derive(Deserialize)]
struct Anchored {
    anchor: AnchorSummary,
    at: MomentSummary,
}

#[derive(Deserialize)]
struct AnchorSummary {
    package: PackageId,
    count: u64,
    gateway: sealwire_envelope::ClientId,
}

#[derive(Deserialize)]
struct MomentSummary {
    height: u64,
    time_ms: u64,
}

impl From<MomentSummary> for Moment {
    fn from(moment: MomentSummary) -> Self {
        Self {
            height: moment.height,
            time_ms: moment.time_ms,
        }
    }
}

/// What was found of one package.
#[derive(Serialize)]
struct Found {
    package: PackageId,
    messages: u64,
    bytes: u64,
    anchored: Option<Moment>,
    /// What is wrong; none: it is exactly what was anchored.
    fault: Option<String>,
}

impl Found {
    fn sound(verified: &VerifiedBundle) -> Self {
        Self {
            package: verified.anchor.package,
            messages: verified.anchor.count,
            bytes: verified.bytes,
            anchored: Some(Moment {
                height: verified.anchored_height,
                time_ms: verified.anchored_ms,
            }),
            fault: None,
        }
    }
}

#[derive(Serialize)]
struct Report {
    packages: Vec<Found>,
    messages: u64,
    bytes: u64,
    faults: usize,
}

impl Report {
    fn of(packages: Vec<Found>) -> Self {
        Self {
            messages: packages.iter().map(|found| found.messages).sum(),
            bytes: packages.iter().map(|found| found.bytes).sum(),
            faults: packages
                .iter()
                .filter(|found| found.fault.is_some())
                .count(),
            packages,
        }
    }

    /// Prints it, and fails when something is wrong.
    fn end(self, out: Output, nothing: &str) -> Result<()> {
        out.print(&self, |report| {
            let rows: Vec<_> = report.packages.iter().map(row).collect();
            format!(
                "{}\n{} packages, {} messages, {} bytes, {} faults",
                table(&["package", "messages", "anchored", "state"], &rows),
                rows.len(),
                report.messages,
                report.bytes,
                report.faults
            )
        });
        ensure!(!self.packages.is_empty(), "{nothing}");
        match self.faults {
            0 => Ok(()),
            1 => bail!("one package isn't what was anchored"),
            faults => bail!("{faults} packages aren't what was anchored"),
        }
    }
}

fn row(found: &Found) -> Vec<String> {
    vec![
        found.package.to_string(),
        found.messages.to_string(),
        found.anchored.map_or("-".to_owned(), |at| {
            format!("{} ({})", at.height, time_text(at.time_ms))
        }),
        found.fault.clone().unwrap_or_else(|| "sound".to_owned()),
    ]
}

/// The packages that the ledger lists.
async fn anchored(actor: &Actor, wanted: &Wanted<'_>) -> Result<Vec<Anchored>> {
    let mut path = format!(
        "/v1/packages?topic={}",
        percent_encoded(wanted.topic.as_str())
    );
    if let Some(from) = wanted.range.from {
        path.push_str(&format!("&from_ms={}", from.saturating_mul(1000)));
    }
    if let Some(to) = wanted.range.to {
        path.push_str(&format!(
            "&to_ms={}",
            to.saturating_mul(1000).saturating_add(999)
        ));
    }
    Ok(actor.ledger.get_all(&path).await?)
}

/// Writes bundles.
pub async fn export(
    actor: &Actor,
    out: Output,
    wanted: &Wanted<'_>,
    directory: &Path,
    with_receipts: bool,
) -> Result<()> {
    let listed = anchored(actor, wanted).await?;
    let archive = archive_of(actor, wanted.at)?;
    let gateway = actor.gateway(wanted.at)?.client;
    fs::create_dir_all(directory)
        .with_context(|| format!("{} can't be made", directory.display()))?;
    let bar = out.bar(listed.len() as u64, "packages");
    let mut found = Vec::new();
    let mut elsewhere: BTreeMap<String, u64> = BTreeMap::new();
    for Anchored { anchor, .. } in listed {
        bar.inc(1);
        if anchor.gateway != gateway {
            *elsewhere.entry(anchor.gateway.to_string()).or_default() += 1;
            continue;
        }
        let (bundle, verified) = archive.bundle(&actor.ledger, &anchor.package).await?;
        let name = anchor.package.to_string();
        write(
            &directory.join(format!("{name}.bundle")),
            &bundle.to_bytes(),
        )?;
        if with_receipts {
            for (index, receipt) in receipts(&bundle).enumerate() {
                write(
                    &directory.join(format!("{name}.{index}.receipt")),
                    &encode(&receipt),
                )?;
            }
        }
        found.push(Found::sound(&verified));
    }
    bar.finish_and_clear();
    for (gateway, count) in elsewhere {
        out.note(format!(
            "{count} more packages are kept by {gateway}: export them there with --at"
        ));
    }
    Report::of(found).end(
        out,
        "no package of the topic is anchored in that time at this gateway",
    )
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("{} can't be written", path.display()))
}

/// The bundles that a path names: itself, or those of a directory, by name.
fn bundle_files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("{}", path.display()))? {
        let file = entry?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "bundle")
        {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads the bundles that paths name, each a file or a directory of an export; nothing is verified.
///
/// # Errors
/// When a file can't be read or isn't a bundle.
pub fn read_bundles(paths: &[PathBuf]) -> Result<Vec<Bundle>> {
    let mut bundles = Vec::new();
    for path in paths {
        for file in bundle_files(path)? {
            bundles.push(read_bundle(&file)?.0);
        }
    }
    Ok(bundles)
}

/// A bundle from its file, and the file's length in bytes.
fn read_bundle(file: &Path) -> Result<(Bundle, u64)> {
    let length = fs::metadata(file)
        .with_context(|| format!("{}", file.display()))?
        .len();
    ensure!(
        length <= BUNDLE_BYTES_MAX as u64,
        "{}: {length} bytes, the limit is {BUNDLE_BYTES_MAX}",
        file.display()
    );
    let bytes = fs::read(file).with_context(|| format!("{}", file.display()))?;
    let bundle =
        Bundle::from_bytes(&bytes).with_context(|| format!("{} isn't a bundle", file.display()))?;
    Ok((bundle, length))
}

/// Verifies bundles offline.
pub fn verify(out: Output, path: &Path, genesis: &Genesis) -> Result<()> {
    let files = bundle_files(path)?;
    let bar = out.bar(files.len() as u64, "bundles");
    let mut found = Vec::new();
    for file in &files {
        bar.inc(1);
        found.push(verify_file(file, genesis)?);
    }
    bar.finish_and_clear();
    Report::of(found).end(out, "there is no bundle in that directory")
}

fn verify_file(file: &Path, genesis: &Genesis) -> Result<Found> {
    let (bundle, length) = read_bundle(file)?;
    Ok(match verify_bundle(&bundle, genesis) {
        Ok(verified) => Found::sound(&verified),
        Err(error) => Found {
            package: bundle.package.manifest.id(),
            messages: bundle.package.manifest.count,
            bytes: length,
            anchored: None,
            fault: Some(error.to_string()),
        },
    })
}

/// Compares the ledger's list with what the gateway has.
pub async fn audit(actor: &Actor, out: Output, wanted: &Wanted<'_>) -> Result<()> {
    let listed = anchored(actor, wanted).await?;
    let archive = archive_of(actor, wanted.at)?;
    let gateway = actor.gateway(wanted.at)?.client;
    let bar = out.bar(listed.len() as u64, "packages");
    let mut found = Vec::new();
    for Anchored { anchor, at } in listed {
        bar.inc(1);
        if anchor.gateway != gateway {
            continue;
        }
        found.push(match archive.bundle(&actor.ledger, &anchor.package).await {
            Ok((_, verified)) => Found::sound(&verified),
            // Without the right, or with the ledger away, nothing was found out about the package.
            Err(error @ BundleFetchError::Ledger(_)) => return Err(error.into()),
            Err(BundleFetchError::Fetch(error)) if is_refusal(&error) => return Err(error.into()),
            Err(error) => Found {
                package: anchor.package,
                messages: anchor.count,
                bytes: 0,
                anchored: Some(at.into()),
                fault: Some(error.to_string()),
            },
        });
    }
    bar.finish_and_clear();
    Report::of(found).end(
        out,
        "no package of the topic is anchored in that time at this gateway",
    )
}

/// Whether the gateway wouldn't, rather than couldn't.
fn is_refusal(error: &sealwire_client::archive::FetchError) -> bool {
    use sealwire_client::archive::FetchError;
    match error {
        FetchError::Refused(problem) => [401, 403].contains(&problem.status),
        FetchError::Away { .. } => true,
        _ => false,
    }
}
