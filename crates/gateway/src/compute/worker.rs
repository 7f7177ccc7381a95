//! Evaluates jobs one after the other, and publishes results of standing ones once the ledger has them.
//!
//! ```text
//!  wake, block or tick ─► standing jobs that are due ─► queue
//!                      ─► nothing under way, and a job's readings are anchored? ─► evaluate
//!                      ─► runs whose evaluations are recorded ─► publish
//! ```
//! While a job is evaluated, the others go on: only one evaluation is under way at a time.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mqtt5::{QoS, packet::publish::PublishPacket};
use sealwire_archive::{Kind, Message, ReadError, WriteError};
use sealwire_compute::{Evaluated, input::BYTES_MAX};
use sealwire_envelope::{
    JobId, TopicName,
    compute::{
        COMPUTE_VERSION, ComputeKey, Computed, Evaluation, result_digest,
        service::{InputReport, KeyHalf},
    },
    encode,
};
use sealwire_receipt::result;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    ANCHOR_WAIT, Asked, Progress, Refused,
    inputs::{self, Certified, Input, Reading},
    may, standing,
};
use crate::{clerk, hub::Hub, now_ms, story::Story};

/// Time between two looks while nobody wakes the worker.
const TICK: Duration = Duration::from_millis(500);

/// Work until `stop` changes.
pub(crate) async fn work(hub: Arc<Hub>, mut stop: watch::Receiver<bool>) {
    let mut to_publish = match unfinished(&hub).await {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(%error, "the compute service couldn't read what it keeps");
            Vec::new()
        }
    };
    let mut heights = hub.ledger().height();
    let mut evaluating: Option<JoinHandle<Option<JobId>>> = None;
    loop {
        tokio::select! {
            () = hub.compute().wake.notified() => {}
            changed = heights.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(TICK) => {}
            _ = stop.changed() => return,
        }
        standing::ask_what_is_due(&hub).await;
        if evaluating.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(ended) = evaluating.take()
        {
            match ended.await {
                Ok(published) => to_publish.extend(published),
                Err(error) => tracing::error!(%error, "an evaluation ended"),
            }
            hub.compute().lock().evaluating = None;
        }
        if evaluating.is_none()
            && let Some(id) = next(&hub).await
        {
            let hub = hub.clone();
            evaluating = Some(tokio::spawn(async move {
                let published = one(&hub, id).await;
                hub.compute().wake.notify_one();
                published
            }));
        }
        publish_recorded(&hub, &mut to_publish).await;
    }
}

/// Brings evaluations to the outbox that a crash kept from it; gives the runs whose results are to be
/// published.
async fn unfinished(hub: &Arc<Hub>) -> Result<Vec<JobId>, Refused> {
    let on_their_way = on_their_way(hub).await?;
    let mut to_publish = Vec::new();
    for (id, asked) in hub.compute().on_disk(|store| store.jobs()).await? {
        let Some(kept) = hub.compute().on_disk(move |store| store.job(&id)).await? else {
            continue;
        };
        let Progress::Computed(computed) = kept.progress else {
            continue;
        };
        let evaluation = &computed.evaluation;
        if super::height_of(hub, evaluation).is_none() && !on_their_way.contains(evaluation) {
            tracing::info!(job = %id, "an evaluation that a crash kept from the outbox goes there");
            enqueue(hub, evaluation).await?;
        }
        if asked.run_of.is_some() && kept.published.is_none() {
            to_publish.push(id);
        }
    }
    Ok(to_publish)
}

/// The evaluations in the outbox, bound to a transaction or not.
async fn on_their_way(hub: &Hub) -> Result<Vec<Evaluation>, Refused> {
    let failed = |error: ReadError| Refused::Storage(error.to_string());
    let archive = hub.archive();
    let waiting = archive.waiting(Kind::Evaluation, u32::MAX).await;
    let waiting = waiting.map_err(failed)?;
    let mut found: Vec<Evaluation> = waiting
        .iter()
        .filter_map(|entry| sealwire_envelope::decode(&entry.body).ok())
        .collect();
    for bound in archive.bound().await.map_err(failed)? {
        found.extend(clerk::evaluations_of(&bound.bytes));
    }
    Ok(found)
}

/// The first waiting job whose readings are anchored; it isn't waiting any more.
async fn next(hub: &Arc<Hub>) -> Option<JobId> {
    if hub.compute().is_stopping() || hub.check_fresh().is_err() {
        return None;
    }
    let waiting: Vec<JobId> = {
        let queue = hub.compute().lock();
        queue.waiting.iter().map(|(id, _)| *id).collect()
    };
    for id in waiting {
        let kept = hub.compute().on_disk(move |store| store.job(&id)).await;
        let is_ready = match kept {
            Ok(Some(kept)) => is_anchored(hub, &kept.asked).await,
            Ok(None) => {
                hub.compute().lock().waiting.retain(|(it, _)| *it != id);
                continue;
            }
            Err(error) => {
                tracing::error!(%error, job = %id, "a job can't be read");
                hub.compute().lock().waiting.retain(|(it, _)| *it != id);
                continue;
            }
        };
        if is_ready {
            let mut queue = hub.compute().lock();
            queue.waiting.retain(|(it, _)| *it != id);
            queue.evaluating = Some(id);
            return Some(id);
        }
    }
    None
}

/// Whether what was received before the job was asked for is anchored, or waited for long enough.
async fn is_anchored(hub: &Hub, asked: &Asked) -> bool {
    let waited_ms = now_ms().saturating_sub(asked.time_ms);
    if u128::from(waited_ms) >= ANCHOR_WAIT.as_millis() {
        return true;
    }
    for input in &asked.job.inputs {
        let before_ms = input.to_ms.min(asked.time_ms.saturating_add(1));
        let topic = input.topic.as_str();
        // An error shows when the packages are read.
        if let Ok(true) = hub.archive().has_unanchored(topic, before_ms).await {
            return false;
        }
    }
    true
}

/// Does one job. Gives its id when its result is to be published.
async fn one(hub: &Arc<Hub>, id: JobId) -> Option<JobId> {
    let kept = hub.compute().on_disk(move |store| store.job(&id)).await;
    let asked = match kept {
        Ok(Some(kept)) => kept.asked,
        Ok(None) => return None,
        Err(error) => {
            tracing::error!(%error, job = %id, "a job can't be read");
            return None;
        }
    };
    let is_run = asked.run_of.is_some();
    let requester = asked.requester.to_string();
    match evaluate(hub, id, asked).await {
        Ok(()) => is_run.then_some(id),
        Err(Refused::Stopping) => None,
        Err(why) => {
            refuse(hub, id, requester, why.to_string()).await;
            None
        }
    }
}

async fn refuse(hub: &Hub, id: JobId, client: String, reason: String) {
    tracing::info!(%reason, job = %id, "a job is refused");
    hub.metrics().computations_refused.add(1);
    let why = reason.clone();
    let kept = hub
        .compute()
        .on_disk(move |store| store.put_refused(&id, &why));
    if let Err(error) = kept.await {
        tracing::error!(%error, job = %id, "why a job is refused couldn't be kept");
    }
    hub.tell(Story::ComputationRefused { client, reason });
}

async fn evaluate(hub: &Arc<Hub>, id: JobId, asked: Asked) -> Result<(), Refused> {
    let key = may(hub, &asked.requester, &asked.job)?;
    let evaluation_key = evaluation_key(hub, &asked, &key).await?;
    // What is anchored up to here counts; nothing that comes later changes what is found.
    let (height, inputs) = inputs::packages(hub, &asked.job)?;
    let begun = Instant::now();
    let evaluated = compute(hub, &asked, key, evaluation_key, height, &inputs).await?;
    let spent_ms = begun.elapsed().as_millis();
    hub.metrics()
        .computation_ms
        .add(u64::try_from(spent_ms).unwrap_or(u64::MAX));
    let digests = inputs.iter().zip(&evaluated.readings);
    let evaluation = Evaluation {
        version: COMPUTE_VERSION,
        evaluator: sealwire_compute::EVALUATOR,
        height,
        inputs: digests
            .map(|(input, readings)| result::input_digest(&input.packages, *readings))
            .collect(),
        job: asked.job,
        requester: asked.requester,
        request: asked.request.digest,
        gateway: hub.client().clone(),
        result: result_digest(&evaluated.ciphertexts),
        time_ms: now_ms(),
    };
    let report = report(&inputs, &evaluated);
    let computed = Computed {
        evaluation: evaluation.clone(),
        ciphertexts: evaluated.ciphertexts,
    };
    let kept = hub
        .compute()
        .on_disk(move |store| store.put_computed(&id, &report, &computed));
    kept.await?;
    hub.metrics().computations.add(1);
    hub.tell(Story::Computed {
        client: evaluation.requester.clone(),
        job: id,
        evaluation: evaluation.id(),
        readings: evaluated.readings.iter().sum(),
    });
    enqueue(hub, &evaluation).await
}

/// Evaluates on the threads of the service, reading the archive as it goes.
async fn compute(
    hub: &Arc<Hub>,
    asked: &Asked,
    key: ComputeKey,
    evaluation_key: Option<Vec<u8>>,
    height: u64,
    inputs: &[Input],
) -> Result<Evaluated, Refused> {
    let mut room = BYTES_MAX;
    let mut rows = Vec::with_capacity(inputs.len());
    for input in inputs {
        let found = inputs::rows(hub, input, &mut room).await?;
        rows.push((input.input.clone(), found));
    }
    let reading = Reading::new(hub.clone());
    let (shared, hub, job) = (reading.clone(), hub.clone(), asked.job.clone());
    let evaluated = tokio::task::spawn_blocking(move || {
        let certified = Certified::by(hub.clone(), height);
        hub.compute().threads.install(|| {
            let payloads = rows
                .into_iter()
                .map(|(input, rows)| inputs::payloads(&shared, input, rows));
            let payloads = payloads.collect();
            let signed = |reading: &_| certified.signed(reading);
            let evaluation_key = evaluation_key.as_deref();
            sealwire_compute::evaluate_signed(&key, evaluation_key, &job, payloads, &signed)
        })
    });
    let evaluated = evaluated.await;
    match reading.failure() {
        Some(why) if why == super::STOPPED => return Err(Refused::Stopping),
        Some(why) => return Err(Refused::Storage(why)),
        None => {}
    }
    let evaluated =
        evaluated.map_err(|error| Refused::Storage(format!("the evaluation ended: {error}")))?;
    evaluated.map_err(|error| Refused::Inputs(error.to_string()))
}

/// What became of each input.
fn report(inputs: &[Input], evaluated: &Evaluated) -> Vec<InputReport> {
    let counted = evaluated.readings.iter().zip(&evaluated.skipped);
    let all = inputs.iter().zip(counted);
    all.map(|(input, (readings, skipped))| InputReport {
        packages: input.packages.len() as u64,
        readings: *readings,
        left_out: skipped
            .iter()
            .map(|(why, count)| (why.name().to_owned(), *count))
            .collect::<BTreeMap<_, _>>(),
    })
    .collect()
}

async fn evaluation_key(
    hub: &Hub,
    asked: &Asked,
    key: &ComputeKey,
) -> Result<Option<Vec<u8>>, Refused> {
    if !sealwire_compute::needs_evaluation_key(key, &asked.job.function) {
        return Ok(None);
    }
    let id = asked.job.key;
    let found = hub
        .compute()
        .on_disk(move |store| store.key(&id, KeyHalf::Evaluation));
    let found = found.await?.ok_or_else(|| {
        Refused::Key(format!(
            "the evaluation key of {id} isn't here: its owner, {}, uploads it to this gateway",
            key.owner
        ))
    })?;
    Ok(Some(found))
}

async fn enqueue(hub: &Hub, evaluation: &Evaluation) -> Result<(), Refused> {
    let failed = |error: WriteError| Refused::Storage(error.to_string());
    let pending = hub
        .archive()
        .enqueue(Kind::Evaluation, encode(evaluation))
        .await;
    pending.map_err(failed)?.durable().await.map_err(failed)
}

/// The ledger doesn't take an evaluation: its job has no result. Unless the ledger has it already.
pub(crate) async fn refused_by_ledger(hub: &Hub, evaluation: &Evaluation, why: &str) {
    if super::height_of(hub, evaluation).is_some() {
        return;
    }
    let jobs = hub.compute().on_disk(|store| store.jobs()).await;
    for (id, asked) in jobs.unwrap_or_default() {
        if asked.job != evaluation.job || asked.request.digest != evaluation.request {
            continue;
        }
        let client = asked.requester.to_string();
        let reason = format!("the ledger refused the evaluation: {why}");
        refuse(hub, id, client, reason).await;
    }
}

/// Publishes the results of runs whose evaluations are on the ledger; the others stay.
async fn publish_recorded(hub: &Arc<Hub>, to_publish: &mut Vec<JobId>) {
    let mut left = Vec::new();
    for id in std::mem::take(to_publish) {
        let kept = hub.compute().on_disk(move |store| store.job(&id)).await;
        let Ok(Some(kept)) = kept else { continue };
        let (Progress::Computed(computed), Some(run)) = (kept.progress, &kept.asked.run_of) else {
            continue;
        };
        if super::height_of(hub, &computed.evaluation).is_none() {
            left.push(id);
            continue;
        }
        let published = publish(hub, &kept.asked, run.publish.clone(), &computed).await;
        if let Err(why) = &published {
            tracing::warn!(%why, job = %id, "a standing job's result isn't published");
            hub.metrics().results_unpublished.add(1);
        }
        let why = published.err().unwrap_or_default();
        let noted = hub
            .compute()
            .on_disk(move |store| store.put_published(&id, &why));
        if let Err(error) = noted.await {
            tracing::error!(%error, job = %id, "that a result was published couldn't be kept");
        }
    }
    *to_publish = left;
}

/// Archived and routed as a message of the requester, who signed the standing job and needs the right.
async fn publish(
    hub: &Arc<Hub>,
    asked: &Asked,
    topic: TopicName,
    computed: &Computed,
) -> Result<(), String> {
    let payload = Bytes::from(encode(computed));
    let packet = PublishPacket::new(topic.as_str(), payload.clone(), QoS::AtLeastOnce);
    let allowed = hub.may_publish(&asked.requester, &packet);
    let allowed = allowed.map_err(|refusal| refusal.text)?;
    let message = Message {
        topic: allowed.topic,
        sender: asked.requester.clone(),
        received_ms: now_ms(),
        qos: 1,
        epoch: allowed.epoch,
        payload,
    };
    hub.tell_message(&message);
    let pending = hub.archive().append(message).await;
    let pending = pending.map_err(|error| error.to_string())?;
    pending.durable().await.map_err(|error| error.to_string())?;
    hub.metrics().archived.add(1);
    hub.metrics().results_published.add(1);
    hub.tell(Story::ResultPublished {
        evaluation: computed.evaluation.id(),
        topic: topic.to_string(),
    });
    let session = asked.requester.to_string();
    hub.engine().publish(&session, packet).await;
    Ok(())
}
