//! Standing jobs: every so often a job over the time before, in the name of whoever set it up.
//!
//! A run ends at a whole multiple of its interval and is asked for as soon as that time is past; readings that
//! aren't anchored by then are waited for, as with any job. Each run is a job of its own, with the standing
//! job's request: rights, key and bounds are asked anew each time.
//!
//! Never do runs pile up: there is at most one of a standing job under way. A run that can't be asked for (the
//! one before isn't done, the gateway was off, the ledger is away, too many jobs wait) is *missed*: counted
//! with the standing job, told and logged, and not made up for. Standing jobs, and how far each is, are on
//! disk: a restart goes on with the next run.

use std::sync::Arc;

use sealwire_envelope::{
    ClientId, StandingId, TopicMode,
    compute::{
        COMPUTE_VERSION, ComputeJob, INPUTS_MAX,
        service::{EVERY_MAX_S, EVERY_MIN_S, StandingJob, StandingStatus},
    },
};

use super::{
    Asked, Refused, Standing,
    store::{Request, RunOf},
};
use crate::{hub::Hub, now_ms, rights, story::Story};

/// Whether this standing job may be set up by this requester, now.
///
/// # Errors
/// [`Refused`] with what is missing.
pub fn may(hub: &Hub, requester: &ClientId, job: &StandingJob) -> Result<(), Refused> {
    let times = EVERY_MIN_S..=EVERY_MAX_S;
    if job.version != COMPUTE_VERSION
        || job.topics.is_empty()
        || job.topics.len() > INPUTS_MAX
        || !times.contains(&job.every_s)
        || !times.contains(&job.over_s)
    {
        return Err(Refused::Malformed(format!(
            "a standing job of version {COMPUTE_VERSION} has 1 to {INPUTS_MAX} topics, and runs every {EVERY_MIN_S} to {EVERY_MAX_S} s over as many"
        )));
    }
    super::may(hub, requester, &next_run(job))?;
    let view = hub.ledger().view();
    let topic = &job.publish;
    if !rights::publish_topic(&view, requester, topic.as_str(), now_ms()) {
        let why = format!(
            "{requester} may not publish results on {topic} (height {})",
            view.height()
        );
        return Err(Refused::Right(why));
    }
    let mode = view.topic(topic).value.map(|entry| entry.mode);
    if mode != Some(TopicMode::Open) {
        return Err(Refused::Malformed(format!(
            "{topic} isn't open: a gateway has no key to seal results with, name an open topic"
        )));
    }
    if job.topics.contains(topic) {
        return Err(Refused::Malformed(format!(
            "results can't be published on {topic}, which is an input"
        )));
    }
    Ok(())
}

fn next_run(job: &StandingJob) -> ComputeJob {
    job.run(job.last_end_ms(now_ms()).max(1))
}

/// Sets a standing job up: on disk when this returns. Its first run is the one that ends next.
///
/// # Errors
/// [`Refused::Busy`], [`Refused::Storage`].
pub async fn set(
    hub: &Hub,
    id: StandingId,
    requester: ClientId,
    job: StandingJob,
    request: Request,
) -> Result<(), Refused> {
    let now_ms = now_ms();
    let standing = Standing {
        requester,
        last_end_ms: job.last_end_ms(now_ms),
        job,
        request,
        set_ms: now_ms,
        asked_end_ms: 0,
        missed: 0,
    };
    let compute = hub.compute();
    let _turn = compute.standing_turn().await;
    compute
        .on_disk(move |store| store.put_standing(&id, &standing))
        .await
}

/// The standing jobs of a client, the oldest first.
///
/// # Errors
/// [`Refused::Storage`].
pub async fn of(hub: &Hub, client: &ClientId) -> Result<Vec<StandingStatus>, Refused> {
    let all = hub.compute().on_disk(|store| store.standing()).await?;
    let mut own: Vec<_> = all
        .into_iter()
        .filter(|(_, standing)| standing.requester == *client)
        .collect();
    own.sort_by_key(|(id, standing)| (standing.set_ms, *id));
    let status = |(id, standing): (StandingId, Standing)| StandingStatus {
        standing: id,
        requester: standing.requester,
        last_end_ms: standing.asked_end_ms,
        last_job: (standing.asked_end_ms > 0)
            .then(|| StandingJob::run_id(&id, standing.asked_end_ms)),
        missed: standing.missed,
        job: standing.job,
    };
    Ok(own.into_iter().map(status).collect())
}

/// Ends a standing job of this client; `None` when there is none, `false` when it is another's.
///
/// # Errors
/// [`Refused::Storage`].
pub async fn end(hub: &Hub, client: &ClientId, id: StandingId) -> Result<Option<bool>, Refused> {
    let compute = hub.compute();
    let _turn = compute.standing_turn().await;
    let all = compute.on_disk(|store| store.standing()).await?;
    let Some((_, standing)) = all.into_iter().find(|(known, _)| *known == id) else {
        return Ok(None);
    };
    if standing.requester != *client {
        return Ok(Some(false));
    }
    compute
        .on_disk(move |store| store.end_standing(&id))
        .await?;
    Ok(Some(true))
}

/// Asks for the runs that are due, and counts those that are missed.
pub(super) async fn ask_what_is_due(hub: &Arc<Hub>) {
    let compute = hub.compute();
    let _turn = compute.standing_turn().await;
    let all = match compute.on_disk(|store| store.standing()).await {
        Ok(all) => all,
        Err(error) => {
            tracing::error!(%error, "standing jobs can't be read");
            return;
        }
    };
    let now_ms = now_ms();
    for (id, standing) in all {
        let end_ms = standing.job.last_end_ms(now_ms);
        if end_ms <= standing.last_end_ms {
            continue;
        }
        let run = Run {
            id,
            standing,
            end_ms,
            now_ms,
        };
        if let Err(error) = run.due(hub).await {
            tracing::error!(%error, standing = %id, "a standing job couldn't be kept");
        }
    }
}

/// A run that is due.
struct Run {
    id: StandingId,
    standing: Standing,
    end_ms: u64,
    now_ms: u64,
}

impl Run {
    async fn due(mut self, hub: &Arc<Hub>) -> Result<(), Refused> {
        let every_ms = self.standing.job.every_s.saturating_mul(1_000).max(1);
        let since = (self.end_ms - self.standing.last_end_ms) / every_ms;
        if since > 1 {
            self.missed(hub, since - 1, "the gateway was off or busy");
        }
        match self.ask(hub).await {
            Ok(()) => self.standing.asked_end_ms = self.end_ms,
            Err(why) => self.missed(hub, 1, &why.to_string()),
        }
        self.standing.last_end_ms = self.end_ms;
        let (id, standing) = (self.id, self.standing);
        hub.compute()
            .on_disk(move |store| store.put_standing(&id, &standing))
            .await
    }

    fn missed(&mut self, hub: &Hub, runs: u64, reason: &str) {
        self.standing.missed += runs;
        hub.metrics().standing_missed.add(runs);
        tracing::warn!(standing = %self.id, runs, %reason, "runs of a standing job are missed");
        hub.tell(Story::RunsMissed {
            standing: self.id,
            runs,
            reason: reason.to_owned(),
        });
    }

    async fn ask(&self, hub: &Arc<Hub>) -> Result<(), Refused> {
        let id = StandingJob::run_id(&self.id, self.end_ms);
        if hub.compute().store.has_job(&id) {
            // Asked for before a crash.
            return Ok(());
        }
        if let Err(refusal) = hub.check_fresh() {
            return Err(Refused::Busy(refusal.text));
        }
        let before = StandingJob::run_id(&self.id, self.standing.asked_end_ms);
        if hub.compute().is_under_way(&before) {
            let why = format!(
                "the run that ended at {} ms isn't done",
                self.standing.asked_end_ms
            );
            return Err(Refused::Busy(why));
        }
        let job = self.standing.job.run(self.end_ms);
        let function = sealwire_compute::plan::name(&job.function);
        let asked = Asked {
            requester: self.standing.requester.clone(),
            job,
            time_ms: self.now_ms,
            request: self.standing.request.clone(),
            run_of: Some(RunOf {
                standing: self.id,
                publish: self.standing.job.publish.clone(),
            }),
        };
        hub.compute().take(id, asked).await?;
        hub.tell(Story::ComputationAsked {
            client: self.standing.requester.clone(),
            job: id,
            function,
        });
        Ok(())
    }
}
