//! The clerk: brings what waits in the outbox to the ledger, each entry once.
//!
//! Four lanes (connection events, anchors, retrievals, evaluations), each with at most one transaction
//! on its way. One step of a lane:
//!
//! ```text
//!  nothing on its way ──► take entries ► sign ► bind (on disk) ► submit
//!  on its way ─┬ in a block, applied ──► settle
//!              ├ in a block, refused ──► release, and wait longer each time
//!              ├ expiry height passed ─► release (no block can hold it any more)
//!              └ otherwise ────────────► submit the same bytes again now and then
//! ```
//! So there is at most one transaction of a kind per block, and a crash anywhere resumes at the
//! same place: the tables of the archive are the state of this machine. An anchor that the ledger
//! knows already (an archive that was restored from a copy) is settled without asking again.
//!
//! An evaluation that the ledger refuses won't be taken later either (a right or a key ended): it is settled,
//! and its job has no result. So that one that is refused takes no other with it, each has a transaction of
//! its own.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use sealwire_archive::{Bound, Entry, Kind, PackageRow, ReadError, WriteError};
use sealwire_envelope::{
    Anchor, AnchorPackages, Call, ConnectionEvent, KeyEpoch, LogEvaluations, LogEvents,
    LogRetrieval, PackageId, Retrieval, TopicMode, Transaction, TxBody, TxId, compute::Evaluation,
    decode,
};
use sealwire_sm::Sm3Digest;
use tokio::sync::watch;

use crate::{compute, hub::Hub, ledger::SubmitError, story::Story};

/// Entries in one transaction.
const ENTRIES_MAX: u32 = 400;
/// Packages in one anchor transaction; the ledger takes 256.
const ANCHORS_MAX: u32 = 100;
/// Retrievals in one transaction; the ledger takes 256.
const RETRIEVALS_MAX: u32 = 200;
/// Evaluations in one transaction: a refused one takes no other with it.
const EVALUATIONS_MAX: u32 = 1;
/// Encoded entries in one transaction, in bytes; a transaction may have 256 KiB.
const BODY_BYTES_MAX: usize = 200 * 1024;
/// Time between two looks at the outbox while no block comes.
const TICK: Duration = Duration::from_millis(300);
/// Time between two submissions of the same transaction.
const RESUBMIT: Duration = Duration::from_secs(2);
/// First pause of a lane whose transaction was refused; it doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(2);
/// Longest pause of a lane.
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// A step failed; the next one tries again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("the archive couldn't be read")]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

#[derive(Default)]
struct Lane {
    submitted: Option<Instant>,
    refusals: u32,
    paused_until: Option<Instant>,
}

struct Clerk {
    hub: Arc<Hub>,
    lanes: BTreeMap<Kind, Lane>,
}

/// Work until `stop` changes.
pub async fn work(hub: Arc<Hub>, mut stop: watch::Receiver<bool>) {
    let mut heights = hub.ledger().height();
    let lanes = Kind::ALL
        .into_iter()
        .map(|kind| (kind, Lane::default()))
        .collect();
    let mut clerk = Clerk { hub, lanes };
    loop {
        tokio::select! {
            changed = heights.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(TICK) => {}
            _ = stop.changed() => return,
        }
        heights.borrow_and_update();
        if let Err(error) = clerk.step().await {
            tracing::warn!(%error, "the outbox stays as it is until the next step");
        }
    }
}

impl Clerk {
    async fn step(&mut self) -> Result<(), StepError> {
        let bound = self.hub.archive().bound().await?;
        let mut busy = Vec::with_capacity(bound.len());
        for transaction in bound {
            let kind = transaction.kind;
            if !self.chase(transaction).await? {
                busy.push(kind);
            }
        }
        for kind in Kind::ALL {
            let paused = self
                .lane(kind)
                .paused_until
                .is_some_and(|until| until > Instant::now());
            if !busy.contains(&kind) && !paused {
                self.start(kind).await?;
            }
        }
        Ok(())
    }

    fn lane(&mut self, kind: Kind) -> &mut Lane {
        self.lanes.entry(kind).or_default()
    }

    /// Follow a transaction that is on its way; `true` if its lane is free again.
    async fn chase(&mut self, bound: Bound) -> Result<bool, StepError> {
        // The height is read first: an outcome at or below it would be visible.
        let height = self.hub.ledger().view().height();
        let outcome = self.hub.ledger().outcome(TxId(bound.id)).await;
        match outcome {
            Some(outcome) => match outcome.refused {
                None => self.settle(&bound, outcome.height).await?,
                Some(reason) if bound.kind == Kind::Evaluation => {
                    self.refused_evaluation(&bound, &reason, outcome.height)
                        .await?;
                }
                Some(reason) => self.refused(&bound, reason).await?,
            },
            None if height > bound.expiry_height => {
                tracing::info!(kind = ?bound.kind, "a transaction expired; its entries go into another");
                self.hub.archive().release(bound.id).await?;
                self.lane(bound.kind).submitted = None;
            }
            None => {
                let due = self
                    .lane(bound.kind)
                    .submitted
                    .is_none_or(|at| at.elapsed() >= RESUBMIT);
                if due {
                    self.submit(&bound).await;
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn settle(&mut self, bound: &Bound, height: u64) -> Result<(), StepError> {
        let entries = entries_of(&bound.bytes);
        self.hub.archive().settle(bound.id, height).await?;
        let metrics = self.hub.metrics();
        metrics.transactions.add(1);
        match bound.kind {
            Kind::Anchor => {
                metrics.anchored.add(entries as u64);
                self.hub.tell(Story::Anchored {
                    packages: entries,
                    height,
                });
            }
            Kind::Event => self.hub.tell(Story::EventsLogged {
                events: entries,
                height,
            }),
            Kind::Retrieval => {}
            Kind::Evaluation => {
                for evaluation in evaluations_of(&bound.bytes) {
                    compute::recorded(&self.hub, &evaluation, height);
                }
            }
        }
        *self.lane(bound.kind) = Lane::default();
        Ok(())
    }

    /// The ledger holds these evaluations already, or never will.
    async fn refused_evaluation(
        &mut self,
        bound: &Bound,
        reason: &str,
        height: u64,
    ) -> Result<(), StepError> {
        for evaluation in evaluations_of(&bound.bytes) {
            compute::refused_by_ledger(&self.hub, &evaluation, reason).await;
        }
        self.hub.archive().settle(bound.id, height).await?;
        *self.lane(bound.kind) = Lane::default();
        Ok(())
    }

    async fn refused(&mut self, bound: &Bound, reason: String) -> Result<(), StepError> {
        tracing::error!(kind = ?bound.kind, %reason, "the ledger refused a transaction of this gateway");
        self.hub.archive().release(bound.id).await?;
        self.hub.tell(Story::LedgerRefused { reason });
        let lane = self.lane(bound.kind);
        let pause = PAUSE
            .saturating_mul(1 << lane.refusals.min(16))
            .min(PAUSE_MAX);
        lane.refusals += 1;
        lane.submitted = None;
        lane.paused_until = Some(Instant::now() + pause);
        Ok(())
    }

    async fn submit(&mut self, bound: &Bound) {
        self.lane(bound.kind).submitted = Some(Instant::now());
        let transaction = match Transaction::from_bytes(&bound.bytes) {
            Ok(transaction) => transaction,
            Err(error) => {
                tracing::error!(%error, "a transaction in the outbox can't be read; it will expire");
                return;
            }
        };
        match self.hub.ledger().submit(&transaction).await {
            Ok(_) => {}
            Err(error @ (SubmitError::Busy | SubmitError::Away(_))) => {
                tracing::debug!(%error, "submitting again later");
            }
            // It may still be in a block by now; only its outcome or its expiry frees the entries.
            Err(SubmitError::Refused(reason)) => {
                tracing::warn!(%reason, "the ledger doesn't take a transaction of this gateway");
            }
        }
    }

    /// Put waiting entries into a transaction of their own.
    async fn start(&mut self, kind: Kind) -> Result<(), StepError> {
        let limit = match kind {
            Kind::Event => ENTRIES_MAX,
            Kind::Anchor => ANCHORS_MAX,
            Kind::Retrieval => RETRIEVALS_MAX,
            Kind::Evaluation => EVALUATIONS_MAX,
        };
        let waiting = self.hub.archive().waiting(kind, limit).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let (entries, call) = match kind {
            Kind::Event => {
                let (entries, events) = read_entries::<ConnectionEvent>(waiting);
                (entries, Call::LogEvents(LogEvents { events }))
            }
            Kind::Retrieval => {
                let (entries, retrievals) = read_entries::<Retrieval>(waiting);
                (entries, Call::LogRetrieval(LogRetrieval { retrievals }))
            }
            Kind::Evaluation => {
                let (entries, evaluations) = read_entries::<Evaluation>(waiting);
                (
                    entries,
                    Call::LogEvaluations(LogEvaluations { evaluations }),
                )
            }
            Kind::Anchor => {
                let (entries, packages) = self.anchors(waiting).await?;
                (entries, Call::Anchor(AnchorPackages { packages }))
            }
        };
        if entries.is_empty() {
            return Ok(());
        }
        let bound = self.sign(kind, call);
        self.hub.archive().bind(bound.clone(), entries).await?;
        self.submit(&bound).await;
        Ok(())
    }

    fn sign(&self, kind: Kind, call: Call) -> Bound {
        let height = self.hub.ledger().view().height();
        let body = TxBody {
            chain: self.hub.ledger().chain(),
            sender: self.hub.certificate(),
            expiry_height: height + self.hub.limits().expiry_blocks,
            nonce: crate::random(),
            call,
        };
        let expiry_height = body.expiry_height;
        let transaction = Transaction::sign(body, &self.hub.keys().secret);
        Bound {
            id: transaction.id().0,
            kind,
            bytes: transaction.to_bytes(),
            expiry_height,
        }
    }

    async fn anchors(&self, waiting: Vec<Entry>) -> Result<(Vec<i64>, Vec<Anchor>), StepError> {
        let mut entries = Vec::with_capacity(waiting.len());
        let mut anchors = Vec::with_capacity(waiting.len());
        for entry in waiting {
            let Ok(id) = Sm3Digest::try_from(entry.body.as_slice()) else {
                continue;
            };
            let Some(row) = self.hub.archive().package(&id).await? else {
                continue;
            };
            let known = self.hub.ledger().view().package(&PackageId(id)).value;
            if let Some(known) = known {
                self.settle_known(entry.id, id, known.at.height).await?;
            } else if let Some(anchor) = self.anchor(row) {
                entries.push(entry.id);
                anchors.push(anchor);
            }
        }
        Ok((entries, anchors))
    }

    /// The ledger has this anchor from an earlier life of the archive.
    async fn settle_known(&self, entry: i64, id: Sm3Digest, height: u64) -> Result<(), StepError> {
        let bound = Bound {
            id,
            kind: Kind::Anchor,
            bytes: Vec::new(),
            expiry_height: 0,
        };
        self.hub.archive().bind(bound, vec![entry]).await?;
        self.hub.archive().settle(id, height).await?;
        Ok(())
    }

    fn anchor(&self, row: PackageRow) -> Option<Anchor> {
        let topic = row.topic.parse().ok()?;
        let sealed = self
            .hub
            .ledger()
            .view()
            .topic(&topic)
            .value
            .is_some_and(|entry| entry.mode == TopicMode::Sealed);
        Some(Anchor {
            package: row.package_id(),
            topic,
            clients: row
                .clients
                .iter()
                .filter_map(|client| client.parse().ok())
                .collect(),
            count: row.count,
            from_ms: row.from_ms,
            to_ms: row.to_ms,
            root: row.root,
            epoch: sealed.then_some(KeyEpoch(row.epoch)),
            location: self.hub.location(),
            gateway: self.hub.client().clone(),
        })
    }
}

/// Entries that decode, as many as fit into one transaction.
fn read_entries<T>(waiting: Vec<Entry>) -> (Vec<i64>, Vec<T>)
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>,
{
    let mut bytes = 0;
    let mut ids = Vec::with_capacity(waiting.len());
    let mut values = Vec::with_capacity(waiting.len());
    for entry in waiting {
        bytes += entry.body.len();
        if bytes > BODY_BYTES_MAX && !ids.is_empty() {
            break;
        }
        match decode(&entry.body) {
            Ok(value) => {
                ids.push(entry.id);
                values.push(value);
            }
            Err(error) => {
                tracing::error!(%error, entry = entry.id, "an outbox entry can't be read")
            }
        }
    }
    (ids, values)
}

/// How many entries a signed transaction carries.
fn entries_of(bytes: &[u8]) -> usize {
    match Transaction::from_bytes(bytes).map(|transaction| transaction.body.call) {
        Ok(Call::LogEvents(call)) => call.events.len(),
        Ok(Call::Anchor(call)) => call.packages.len(),
        Ok(Call::LogRetrieval(call)) => call.retrievals.len(),
        Ok(Call::LogEvaluations(call)) => call.evaluations.len(),
        _ => 0,
    }
}

/// The evaluations that a signed transaction carries.
pub(crate) fn evaluations_of(bytes: &[u8]) -> Vec<Evaluation> {
    match Transaction::from_bytes(bytes).map(|transaction| transaction.body.call) {
        Ok(Call::LogEvaluations(call)) => call.evaluations,
        _ => Vec::new(),
    }
}
