//! `sealwire record …`: list and fetch archived packages, as a client that has the right; evidence for
//! auditors in [`evidence`].

mod evidence;

pub use evidence::read_bundles;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sealwire_client::archive::{self, Archive, Listed};
use sealwire_contracts::entry::PackageEntry;
use sealwire_envelope::{OrgId, PackageId, TopicName, record::Package};
use serde::Serialize;

use crate::{
    actor::Actor,
    cli::Record,
    home::{Home, read_genesis},
    output::{Output, table, time_text},
};

/// Packages on one page of a list.
const PAGE: u32 = 1000;
/// How long a package may take to show on the ledger node that is asked.
const ANCHOR_WAIT: Duration = Duration::from_secs(5);

/// Runs the command.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Record) -> Result<()> {
    match command {
        Record::List { actor, at, topic } => {
            let actor = Actor::load(home, &actor.client)?;
            let packages = list(&actor, at.gateway.as_ref(), &topic).await?;
            out.print(&packages, |packages| {
                let rows: Vec<_> = packages.iter().map(row).collect();
                table(&["package", "messages", "from", "to", "anchored at"], &rows)
            });
        }
        Record::Fetch { actor, at, package } => {
            let actor = Actor::load(home, &actor.client)?;
            let (fetched, anchored) = fetch(&actor, at.gateway.as_ref(), &package).await?;
            let messages = open_all(&actor, &fetched).await?;
            let document = serde_json::json!({
                "package": package, "manifest": fetched.manifest,
                "anchored_height": anchored, "messages": messages,
            });
            out.print(&document, |_| {
                let mut lines = vec![format!(
                    "package {package}: {} messages of {}, as anchored at height {anchored}",
                    fetched.manifest.count, fetched.manifest.topic
                )];
                lines.extend(messages.iter().map(message_text));
                lines.join("\n")
            });
        }
        Record::Export {
            actor,
            at,
            topic,
            from,
            to,
            out: directory,
            receipts,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let range = evidence::Range { from, to };
            let wanted = evidence::Wanted {
                topic: &topic,
                range,
                at: at.gateway.as_ref(),
            };
            evidence::export(&actor, out, &wanted, &directory, receipts).await?;
        }
        Record::Verify { path, genesis } => {
            let genesis = match genesis {
                Some(path) => read_genesis(&path)?,
                None => home.genesis()?,
            };
            evidence::verify(out, &path, &genesis)?;
        }
        Record::Audit {
            actor,
            at,
            topic,
            from,
            to,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let wanted = evidence::Wanted {
                topic: &topic,
                range: evidence::Range { from, to },
                at: at.gateway.as_ref(),
            };
            evidence::audit(&actor, out, &wanted).await?;
        }
    }
    Ok(())
}

/// The archive of a gateway, as `actor` sees it.
///
/// # Errors
/// When the gateway isn't known.
pub fn archive_of(actor: &Actor, org: Option<&OrgId>) -> Result<Archive> {
    let gateway = actor.gateway(org)?;
    Ok(Archive::new(gateway.best_http(), actor.identity.clone())?)
}

/// All packages of a topic at a gateway.
///
/// # Errors
/// When the gateway refuses or can't be reached.
pub async fn list(actor: &Actor, org: Option<&OrgId>, topic: &TopicName) -> Result<Vec<Listed>> {
    let archive = archive_of(actor, org)?;
    let mut packages = Vec::new();
    let mut after = 0;
    loop {
        let page = archive.packages(topic, after, PAGE).await?;
        packages.extend(page.packages);
        match page.next {
            Some(next) => after = next,
            None => return Ok(packages),
        }
    }
}

fn row(listed: &Listed) -> Vec<String> {
    vec![
        listed.package.to_string(),
        listed.count.to_string(),
        time_text(listed.from_ms),
        time_text(listed.to_ms),
        listed
            .height
            .map_or_else(|| "not yet".to_owned(), |height| height.to_string()),
    ]
}

/// Fetches a package and checks it against its anchor on the ledger; says the anchor's height.
///
/// # Errors
/// When the gateway refuses, the package isn't what its id says, or the ledger doesn't have it.
pub async fn fetch(actor: &Actor, org: Option<&OrgId>, id: &PackageId) -> Result<(Package, u64)> {
    let package = archive_of(actor, org)?.package(id).await?;
    let PackageEntry { anchor, at, .. } = anchor_of(actor, id).await?;
    let (root, height) = (anchor.root, at.height);
    ensure!(
        root == package.manifest.root,
        "package {id} isn't the one that was anchored: its root is {}, the ledger has {root}",
        package.manifest.root
    );
    Ok((package, height))
}

/// What the ledger holds of a package; waits a little, because the node that is asked may be some
/// blocks behind the gateway's.
///
/// # Errors
/// When the ledger doesn't have it, or no node answers.
pub async fn anchor_of(actor: &Actor, id: &PackageId) -> Result<PackageEntry> {
    let start = Instant::now();
    loop {
        if let Some(entry) = actor.ledger.package(id).await? {
            actor.ledger.have_seen(entry.at.height);
            return Ok(entry);
        }
        ensure!(
            start.elapsed() < ANCHOR_WAIT,
            "package {id} isn't anchored on the ledger yet: ask again in some seconds"
        );
        tokio::time::sleep(ANCHOR_WAIT / 20).await;
    }
}

/// A message of a package, decrypted.
#[derive(Clone, Debug, Serialize)]
pub struct OpenedMessage {
    /// Place in the package.
    pub index: usize,
    /// Who sent it.
    pub sender: String,
    /// When the gateway received it, milliseconds since 1970.
    pub received_ms: u64,
    /// The sender's count; none on an open topic.
    pub sequence: Option<u64>,
    /// The content as text.
    pub content: String,
}

/// Decrypts all messages of a package.
///
/// # Errors
/// When one isn't for this reader or was changed.
pub async fn open_all(actor: &Actor, package: &Package) -> Result<Vec<OpenedMessage>> {
    let mut messages = Vec::with_capacity(package.records.len());
    for (index, record) in package.records.iter().enumerate() {
        let opened = archive::open(&actor.keyring, record).await?;
        messages.push(OpenedMessage {
            index,
            sender: opened.record.sender.to_string(),
            received_ms: opened.record.received_ms,
            sequence: opened.header.as_ref().map(|header| header.sequence),
            content: String::from_utf8_lossy(&opened.content).into_owned(),
        });
    }
    Ok(messages)
}

fn message_text(message: &OpenedMessage) -> String {
    format!(
        "{:>5}  {}  {}  {}",
        message.index,
        time_text(message.received_ms),
        message.sender,
        message.content
    )
}
