//! `sealwire fsck`: check everything that an organisation keeps.
//!
//! The organisation's node must be up: it hands out every block. Each is checked with
//! `receipt::fsck` (header, link, Merkle root, signatures, certificate), and executed anew in a
//! scratch directory, which compares every state root. Then the gateway's archive, if there is one,
//! is read from its file: every package must be the one that the ledger has an anchor of, message by
//! message. Packages that aren't anchored yet are counted, not faulted.
//!
//! Nothing here uses the code that wrote the data; the scratch follower shares the executor with
//! the node, which is what makes the state roots comparable.

use std::{collections::HashMap, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use sealwire_envelope::{
    Blob, BlockBundle, CertId, ClientId, Genesis, PackageId,
    block::BUNDLE_MAX_BYTES,
    decode_bounded, encode,
    record::{ArchivedRecord, PackageManifest, RECORD_VERSION},
};
use sealwire_ledger::{
    follower::{self, FollowerSettings},
    node::Running,
};
use sealwire_receipt::{Validators, fsck};
use sealwire_sm::{PublicKey, Sm3Digest};
use serde::Serialize;
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{cli::Fsck, home::Home, init::GATEWAY, output::Output};

/// Longest time that the scratch follower may go without a block.
const STALL_MAX: Duration = Duration::from_secs(60);

/// What was looked at and what is wrong.
#[derive(Debug, Default, Serialize)]
struct Report {
    blocks: u64,
    transactions: u64,
    certificates: u64,
    state_roots: u64,
    packages: u64,
    messages: u64,
    packages_not_anchored_yet: u64,
    faults: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When something can't be read, or anything is damaged.
pub async fn run(home: &Home, out: Output, args: &Fsck) -> Result<()> {
    let genesis = Arc::new(home.genesis()?);
    let url = format!("http://{}", home.org_config(&args.org)?.http);
    let http = reqwest::Client::new();
    let status: serde_json::Value = async {
        http.get(format!("{url}/v1/status"))
            .send()
            .await?
            .json()
            .await
    }
    .await
    .with_context(|| {
        format!(
            "{}'s node must be up for fsck: sealwire node --org {}",
            args.org, args.org
        )
    })?;
    let height = status["height"]
        .as_u64()
        .context("the node's status has no height")?;

    // Executing everything anew compares the state roots, and leaves the state to look into.
    let scratch = tempfile::tempdir().context("a scratch directory")?;
    let replay = replay(&genesis, scratch.path(), &url, height, out).await?;
    let mut report = Report {
        state_roots: height,
        ..Report::default()
    };
    check_blocks(&genesis, &http, &url, height, &replay, out, &mut report).await?;
    let archive = home.gateway_dir(&args.org).join("archive.sqlite");
    if archive.exists() {
        let gateway = ClientId::new(&args.org, GATEWAY)?;
        check_archive(&archive, &gateway, &replay, &mut report).await?;
    }
    tokio::task::spawn_blocking(move || replay.stop()).await?;
    out.print(&report, text);
    ensure!(
        report.faults.is_empty(),
        "{} faults found",
        report.faults.len()
    );
    Ok(())
}

async fn replay(
    genesis: &Arc<Genesis>,
    scratch: &Path,
    url: &str,
    height: u64,
    out: Output,
) -> Result<Running> {
    let settings = FollowerSettings {
        genesis: genesis.clone(),
        directory: scratch.to_owned(),
        validators: vec![url.to_owned()],
        tls: None,
        http: (Ipv4Addr::LOCALHOST, 0).into(),
        threads: 2,
    };
    let running = tokio::task::spawn_blocking(move || follower::launch(settings)).await??;
    let mut reached = running.chain.mirror().height();
    let bar = out.bar(height, "executing blocks anew");
    while *reached.borrow() < height {
        let moved = tokio::time::timeout(STALL_MAX, reached.changed()).await;
        moved.context(
            "no further block executes to the state root in its header: see the log (-v)",
        )??;
        bar.set_position(*reached.borrow());
    }
    bar.finish_and_clear();
    Ok(running)
}

async fn check_blocks(
    genesis: &Genesis,
    http: &reqwest::Client,
    url: &str,
    height: u64,
    replay: &Running,
    out: Output,
    report: &mut Report,
) -> Result<()> {
    let validators = Validators::of(genesis)?;
    let mut keys: HashMap<CertId, Option<PublicKey>> = HashMap::new();
    let bar = out.bar(height, "checking blocks");
    let mut parent = None;
    for height in 1..=height {
        let response = http
            .get(format!("{url}/v1/bundles/{height}"))
            .send()
            .await?;
        let bytes = response.error_for_status()?.bytes().await?;
        let bundle: BlockBundle = decode_bounded(&bytes, BUNDLE_MAX_BYTES)?;
        let faults = fsck::check_block(&bundle, parent.as_ref(), &validators, |id| {
            keys.entry(*id)
                .or_insert_with(|| {
                    let entry = replay.chain.mirror().view().certificate(id).value?;
                    PublicKey::from_sec1(&entry.certificate.public_key).ok()
                })
                .clone()
        });
        report.faults.extend(
            faults
                .iter()
                .map(|fault| format!("block {height}: {fault}")),
        );
        report.blocks += 1;
        report.transactions += bundle.transactions.len() as u64;
        report.certificates += u64::from(bundle.finality.is_some());
        parent = Some(bundle.header);
        bar.set_position(height);
    }
    bar.finish_and_clear();
    Ok(())
}

async fn check_archive(
    path: &Path,
    gateway: &ClientId,
    replay: &Running,
    report: &mut Report,
) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut archive = SqliteConnection::connect_with(&options)
        .await
        .with_context(|| format!("{} can't be opened", path.display()))?;
    let packages = sqlx::query(
        "SELECT p.id, t.name, p.first_seq, p.last_seq, p.count, p.from_ms, p.to_ms, p.root, \
         p.topic FROM packages p JOIN topics t ON t.id = p.topic ORDER BY p.number",
    )
    .fetch_all(&mut archive)
    .await?;
    for row in packages {
        let id = PackageId(Sm3Digest::try_from(
            row.try_get::<Vec<u8>, _>(0)?.as_slice(),
        )?);
        let entry = replay.chain.mirror().view().package(&id).value;
        let Some(entry) = entry else {
            report.packages_not_anchored_yet += 1;
            continue;
        };
        let topic: String = row.try_get(1)?;
        let manifest = PackageManifest {
            version: RECORD_VERSION,
            gateway: gateway.clone(),
            topic: topic.parse()?,
            first: number(&row, 2)?,
            count: number(&row, 4)?,
            from_ms: number(&row, 5)?,
            to_ms: number(&row, 6)?,
            root: Sm3Digest::try_from(row.try_get::<Vec<u8>, _>(7)?.as_slice())?,
        };
        let messages = sqlx::query(
            "SELECT sender, received_ms, qos, payload, leaf FROM messages \
             WHERE topic = ? AND seq BETWEEN ? AND ? ORDER BY seq",
        )
        .bind(row.try_get::<i64, _>(8)?)
        .bind(row.try_get::<i64, _>(2)?)
        .bind(row.try_get::<i64, _>(3)?)
        .fetch_all(&mut archive)
        .await?;
        let mut records = Vec::with_capacity(messages.len());
        let mut leaves = Vec::with_capacity(messages.len());
        for message in &messages {
            let record = ArchivedRecord {
                version: RECORD_VERSION,
                topic: manifest.topic.clone(),
                sender: message.try_get::<String, _>(0)?.parse()?,
                received_ms: number(message, 1)?,
                qos: u8::try_from(number(message, 2)?)?,
                payload: Blob(message.try_get(3)?),
            };
            records.push(encode(&record));
            leaves.push(Sm3Digest::try_from(
                message.try_get::<Vec<u8>, _>(4)?.as_slice(),
            )?);
        }
        report.packages += 1;
        report.messages += records.len() as u64;
        let faults = fsck::check_package(&entry.anchor, &manifest, &records, &leaves);
        report.faults.extend(faults.iter().map(ToString::to_string));
    }
    Ok(())
}

fn number(row: &sqlx::sqlite::SqliteRow, column: usize) -> Result<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?)?)
}

fn text(report: &Report) -> String {
    let mut lines = vec![format!(
        "{} blocks with {} transactions and {} finality certificates, {} state roots\n\
         {} packages with {} messages ({} packages not anchored yet)",
        report.blocks,
        report.transactions,
        report.certificates,
        report.state_roots,
        report.packages,
        report.messages,
        report.packages_not_anchored_yet
    )];
    lines.extend(report.faults.iter().map(|fault| format!("FAULT {fault}")));
    if report.faults.is_empty() {
        lines.push("all sound".to_owned());
    }
    lines.join("\n")
}
