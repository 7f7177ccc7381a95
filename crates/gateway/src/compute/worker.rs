//! Evaluates jobs one after the other, and publishes results of standing ones once the ledger has them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use mqtt5::{QoS, packet::publish::PublishPacket};
use sealwire_archive::{Kind, Message};
use sealwire_contracts::entry::ComputeKeyEntry;
use sealwire_envelope::{
    Blob, TopicName, TxId,
    compute::{COMPUTE_VERSION, Computed, ComputeJob, Evaluation, result_digest},
    encode,
};
use tokio::sync::watch;

use super::{
    Asked, JobId, Part, Progress, Refused,
    inputs::{self, BYTES_MAX, Gathered},
    may, standing,
};
use crate::{engine, hub::Hub, now_ms, story::Story};

/// Time between two looks for results that may be published and standing jobs that are due.
const TICK: Duration = Duration::from_secs(1);

/// Work until `stop` changes.
pub(crate) async fn work(hub: Arc<Hub>, mut stop: watch::Receiver<bool>) {
    let mut to_publish = match unfinished(&hub).await {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(%error, "the compute service couldn't read what it keeps");
            Vec::new()
        }
    };
    loop {
        tokio::select! {
            () = hub.compute().wake.notified() => {}
            () = tokio::time::sleep(TICK) => {}
            _ = stop.changed() => return,
        }
        standing::ask_what_is_due(&hub);
        while let Some(id) = hub.compute().next() {
            if *stop.borrow() {
                return;
            }
            if let Some(id) = one(&hub, id).await {
                to_publish.push(id);
            }
        }
        publish_recorded(&hub, &mut to_publish).await;
    }
}

/// Brings evaluations to the outbox that a crash kept from it; gives the results that are to be published.
async fn unfinished(hub: &Arc<Hub>) -> Result<Vec<JobId>, Refused> {
    let store = hub.compute().store();
    let mut to_publish = Vec::new();
    for (id, asked) in store.jobs()? {
        let Some((_, Progress::Computed(computed))) = store.job(&id)? else {
            continue;
        };
        let evaluation = computed.evaluation.id();
        let recorded = hub.ledger().view().evaluation(&evaluation).value.is_some();
        if !recorded && !is_on_its_way(hub, &computed.evaluation).await? {
            enqueue(hub, &computed.evaluation).await?;
        }
        if asked.publish.is_some() && !store.is_published(&id) {
            to_publish.push(id);
        }
    }
    Ok(to_publish)
}

async fn is_on_its_way(hub: &Hub, evaluation: &Evaluation) -> Result<bool, Refused> {
    let failed = |error: sealwire_archive::ReadError| Refused::Storage(error.to_string());
    let body = encode(evaluation);
    let waiting = hub.archive().waiting(Kind::Evaluation, u32::MAX).await;
    if waiting.map_err(failed)?.iter().any(|entry| entry.body == body) {
        return Ok(true);
    }
    let bound = hub.archive().bound().await.map_err(failed)?;
    let mut ours = bound.iter().filter(|bound| bound.kind == Kind::Evaluation);
    Ok(ours.any(|bound| {
        let transaction = sealwire_envelope::Transaction::from_bytes(&bound.bytes);
        transaction.is_ok_and(|it| match it.body.call {
            sealwire_envelope::Call::LogEvaluations(call) => call.evaluations.contains(evaluation),
            _ => false,
        })
    }))
}

/// Does one job. Gives its id when its result is to be published.
async fn one(hub: &Arc<Hub>, id: JobId) -> Option<JobId> {
    let store = hub.compute().store();
    let asked = match store.job(&id) {
        Ok(Some((asked, Progress::Waiting))) => asked,
        Ok(_) => return None,
        Err(error) => {
            tracing::error!(%error, job = %id, "a job can't be read");
            return None;
        }
    };
    let publish = asked.publish.is_some();
    match evaluate(hub, &id, asked).await {
        Ok(()) => publish.then_some(id),
        Err(why) => {
            tracing::info!(%why, job = %id, "a job is refused");
            hub.metrics().computations_refused.add(1);
            if let Err(error) = store.put_refused(&id, &why.to_string()) {
                tracing::error!(%error, job = %id, "why a job is refused couldn't be kept");
            }
            None
        }
    }
}

async fn evaluate(hub: &Arc<Hub>, id: &JobId, asked: Asked) -> Result<(), Refused> {
    may(hub, &asked.requester, &asked.job)?;
    let job = &asked.job;
    let key = hub.ledger().view().compute_key(&job.key).value;
    let key = key.ok_or_else(|| Refused::Key(format!("compute key {} is gone", job.key)))?;
    let evaluation_key = evaluation_key(hub, job, &key)?;
    // What is anchored up to here counts; nothing that comes later changes what is found.
    let height = hub.ledger().view().height();
    let mut room = BYTES_MAX;
    let mut gathered = Vec::with_capacity(job.inputs.len());
    for input in &job.inputs {
        gathered.push(inputs::gather(hub, input, height, &mut room).await?);
    }
    let (description, wanted) = (key.key, job.clone());
    let evaluated = tokio::task::spawn_blocking(move || {
        let payloads: Vec<&[Vec<u8>]> = gathered.iter().map(|it| &it.payloads[..]).collect();
        let evaluated =
            sealwire_compute::evaluate(&description, &evaluation_key, &wanted, &payloads);
        (evaluated, gathered)
    });
    let (evaluated, gathered) = evaluated
        .await
        .map_err(|error| Refused::Storage(format!("the evaluation ended: {error}")))?;
    let evaluated = evaluated.map_err(|error| Refused::Inputs(error.to_string()))?;
    let digests = gathered.iter().zip(&evaluated.readings);
    let evaluation = Evaluation {
        version: COMPUTE_VERSION,
        evaluator: sealwire_compute::EVALUATOR,
        job: asked.job,
        height,
        inputs: digests.map(|(it, readings)| Gathered::digest(it, *readings)).collect(),
        requester: asked.requester,
        request: asked.request,
        result: result_digest(&evaluated.ciphertexts),
        time_ms: now_ms(),
    };
    let computed = Computed {
        evaluation,
        gateway: hub.client().clone(),
        ciphertexts: evaluated.ciphertexts,
    };
    hub.compute().store().put_computed(id, &computed)?;
    hub.metrics().computations.add(1);
    hub.tell(Story::Computed {
        client: computed.evaluation.requester.clone(),
        evaluation: computed.evaluation.id(),
    });
    enqueue(hub, &computed.evaluation).await
}

fn evaluation_key(hub: &Hub, job: &ComputeJob, key: &ComputeKeyEntry) -> Result<Vec<u8>, Refused> {
    let needed = sealwire_compute::needs_evaluation_key(&key.key, &job.function);
    if !needed {
        return Ok(Vec::new());
    }
    let found = hub.compute().store().key(&job.key, Part::Evaluation)?;
    found.ok_or_else(|| {
        Refused::Key(format!(
            "the evaluation key of {} isn't here: its owner uploads it (`sealwire compute upload`)",
            job.key
        ))
    })
}

async fn enqueue(hub: &Hub, evaluation: &Evaluation) -> Result<(), Refused> {
    let failed = |error: sealwire_archive::WriteError| Refused::Storage(error.to_string());
    let pending = hub.archive().enqueue(Kind::Evaluation, encode(evaluation)).await;
    pending.map_err(failed)?.durable().await.map_err(failed)
}

/// The ledger doesn't take an evaluation: its job has no result.
pub(crate) fn refused_by_ledger(hub: &Hub, evaluation: &Evaluation, why: &str) {
    let store = hub.compute().store();
    let Ok(jobs) = store.jobs() else {
        return;
    };
    for (id, asked) in jobs {
        let is_it = asked.request == evaluation.request
            && matches!(store.job(&id), Ok(Some((_, Progress::Computed(computed))))
                if computed.evaluation == *evaluation);
        if is_it && let Err(error) = store.put_refused(&id, why) {
            tracing::error!(%error, job = %id, "why a job is refused couldn't be kept");
        }
    }
}

/// Publishes the results of standing jobs whose evaluations are on the ledger; the others stay.
async fn publish_recorded(hub: &Arc<Hub>, to_publish: &mut Vec<JobId>) {
    let mut left = Vec::new();
    for id in std::mem::take(to_publish) {
        let job = hub.compute().store().job(&id);
        let Ok(Some((asked, Progress::Computed(computed)))) = job else {
            continue;
        };
        let evaluation = computed.evaluation.id();
        if hub.ledger().view().evaluation(&evaluation).value.is_none() {
            left.push(id);
        } else if let Some(topic) = asked.publish.clone()
            && let Err(why) = publish(hub, &asked, topic, &computed).await
        {
            tracing::warn!(%why, job = %id, "a standing job's result isn't published");
        }
        if !left.contains(&id) && let Err(error) = hub.compute().store().mark_published(&id) {
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
    hub.engine().publish(&engine::name_of(&asked.requester), packet).await;
    Ok(())
}

/// Only for the types that the clerk shares with us.
pub(crate) fn is_known(hub: &Hub, evaluation: &Evaluation) -> bool {
    hub.ledger().view().evaluation(&evaluation.id()).value.is_some()
}

#[allow(unused)]
fn _types(_: Blob, _: TxId) {}
