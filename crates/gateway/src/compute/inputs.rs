//! From a job to the payloads that it is over: packages from the ledger's list, messages from the archive.
//!
//! Messages are read while they are evaluated, one package at a time: a job holds no more memory than a
//! package and what the evaluator takes at once, however much it is over.

use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use sealwire_archive::PackageRow;
use sealwire_compute::input::{self, BYTES_MAX, PACKAGES_MAX, SIGNER_KEYS_MAX, Signers};
use sealwire_contracts::{
    Page, View,
    entry::{CertificateEntry, ClientEntry},
    keys,
};
use sealwire_envelope::{
    ClientId, PackageId,
    compute::{ComputeJob, JobInput, SignedReading},
};
use sealwire_receipt::result;
use sealwire_sm::PublicKey;
use tokio::runtime::Handle;

use super::Refused;
use crate::hub::Hub;

/// Packages looked at in one step through the ledger's list.
const PAGE: usize = 1_000;

/// One input, before any of its messages is read.
pub(super) struct Input {
    /// As the job has it.
    pub(super) input: JobInput,
    /// Its packages, in order.
    pub(super) packages: Vec<PackageId>,
}

/// The packages of a job's inputs that this gateway had anchored up to the view's height, and that height.
///
/// # Errors
/// [`Refused::Inputs`] when there are more than [`PACKAGES_MAX`].
pub(super) fn packages(hub: &Hub, job: &ComputeJob) -> Result<(u64, Vec<Input>), Refused> {
    let view = hub.ledger().view();
    let height = view.height();
    let mut room = PACKAGES_MAX;
    let mut inputs = Vec::with_capacity(job.inputs.len());
    for input in &job.inputs {
        let packages = packages_of(&view, hub.client(), input, height, &mut room)?;
        inputs.push(Input {
            input: input.clone(),
            packages,
        });
    }
    Ok((height, inputs))
}

fn packages_of(
    view: &View,
    gateway: &ClientId,
    input: &JobInput,
    height: u64,
    room: &mut usize,
) -> Result<Vec<PackageId>, Refused> {
    let mut found = Vec::new();
    let mut page = Page {
        after: None,
        limit: PAGE,
        newest_first: false,
    };
    // The range ends before `to_ms`; the ledger's list takes the last millisecond itself.
    let last_ms = input.to_ms.saturating_sub(1);
    loop {
        let answer = view.packages_of(&input.topic, input.from_ms, last_ms, &page);
        for entry in answer.value {
            let anchor = &entry.anchor;
            if result::takes(input, gateway, height, anchor, entry.at.height).is_ok() {
                *room = room.checked_sub(1).ok_or_else(|| {
                    let topic = &input.topic;
                    Refused::Inputs(format!(
                        "the inputs have more than {PACKAGES_MAX} packages up to {topic}: ask for a shorter time range"
                    ))
                })?;
                found.push(input::order(anchor.from_ms, anchor.package));
            }
        }
        match answer.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, package)| package).collect())
}

/// The archive's packages of an input.
///
/// # Errors
/// [`Refused::Storage`] when one isn't in the archive; [`Refused::Inputs`] when all together have more than
/// `room` bytes, which shrinks.
pub(super) async fn rows(
    hub: &Hub,
    input: &Input,
    room: &mut u64,
) -> Result<Vec<PackageRow>, Refused> {
    let mut rows = Vec::with_capacity(input.packages.len());
    for id in &input.packages {
        let row = hub.archive().package(&id.0).await;
        let row = row.map_err(|error| Refused::Storage(error.to_string()))?;
        let row = row.ok_or_else(|| {
            Refused::Storage(format!(
                "package {id} is on the ledger and not in the archive"
            ))
        })?;
        *room = room.checked_sub(row.bytes).ok_or_else(|| {
            Refused::Inputs(format!(
                "the inputs have more than {BYTES_MAX} bytes: ask for a shorter time range"
            ))
        })?;
        rows.push(row);
    }
    Ok(rows)
}

/// What the messages of a job share while they are read.
pub(super) struct Reading {
    hub: Arc<Hub>,
    runtime: Handle,
    failed: Mutex<Option<String>>,
    packages: AtomicU64,
}

impl Reading {
    /// For one job; called on the runtime's threads.
    pub(super) fn new(hub: Arc<Hub>) -> Arc<Self> {
        Arc::new(Self {
            hub,
            runtime: Handle::current(),
            failed: Mutex::default(),
            packages: AtomicU64::new(0),
        })
    }

    /// Why not all messages were read, if so: what was evaluated then is worth nothing.
    pub(super) fn failure(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the evaluation sees of a package's messages; nothing more once something failed.
    fn payloads(&self, input: &JobInput, row: &PackageRow) -> Vec<Vec<u8>> {
        if self.hub.compute().is_stopping() {
            self.lock().get_or_insert_with(|| super::STOPPED.to_owned());
        }
        if self.failure().is_some() {
            return Vec::new();
        }
        let records = self.runtime.block_on(self.hub.archive().records(row));
        let records = match records {
            Ok(records) => records,
            Err(error) => {
                self.lock().get_or_insert_with(|| error.to_string());
                return Vec::new();
            }
        };
        self.packages.fetch_add(1, Ordering::Relaxed);
        let messages = records.into_iter().map(|record| record.message);
        messages
            .filter_map(|it| input::payload(input, &it.sender, it.received_ms, it.payload.to_vec()))
            .collect()
    }
}

/// The payloads of one input, read as they are taken. Not on the runtime's own threads: it waits.
pub(super) fn payloads(
    reading: &Arc<Reading>,
    input: JobInput,
    rows: Vec<PackageRow>,
) -> impl Iterator<Item = Vec<u8>> + Send + use<> {
    let reading = reading.clone();
    rows.into_iter()
        .flat_map(move |row| reading.payloads(&input, &row))
}

/// The keys of those who signed readings, looked up as they come.
pub(super) struct Certified {
    hub: Arc<Hub>,
    height: u64,
    known: RwLock<Signers>,
}

impl Certified {
    /// As the ledger had certified them by `height`.
    pub(super) fn by(hub: Arc<Hub>, height: u64) -> Self {
        Self {
            hub,
            height,
            known: RwLock::default(),
        }
    }

    /// Whether a reading was signed by the client that it names.
    pub(super) fn signed(&self, reading: &SignedReading) -> bool {
        let sender = &reading.body.sender;
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.knows(sender) {
                return known.signed(reading);
            }
        }
        let keys = keys_of(&self.hub.ledger().view(), sender, self.height);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(sender.clone(), keys);
        known.signed(reading)
    }
}

/// The keys that were certified for a client by `height`, the newest first.
fn keys_of(view: &View, client: &ClientId, height: u64) -> Vec<PublicKey> {
    let mut found = Vec::new();
    let mut key = keys::client(client);
    while found.len() < SIGNER_KEYS_MAX {
        let held = view.entry(&key).map(minicbor::decode::<ClientEntry>);
        let Some(Ok(held)) = held else { break };
        let place = keys::certificate(&held.certificate);
        let certificate = view.entry(&place).map(minicbor::decode::<CertificateEntry>);
        let Some(Ok(certificate)) = certificate else {
            break;
        };
        if certificate.registered.height <= height {
            found.extend(PublicKey::from_sec1(&certificate.public_key));
        }
        key = keys::history(held.since.height, &keys::client(client));
    }
    found
}
