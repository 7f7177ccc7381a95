//! How all services are, second by second, and what to worry about.
//!
//! Every second each node and gateway is asked for its status, all at once, within its time. What they say makes
//! a [`Sample`]; samples are kept for [`SECONDS_KEPT`] seconds, and one a minute for [`MINUTES_KEPT`] minutes,
//! in memory. From the present answers and the blocks that came follow *alerts*, each with a reason and the
//! numbers behind it (`alerts`).
//!
//! Rates of logins and messages are differences of the gateways' counters; one that went back (a restart)
//! counts from nothing. Finality is the time from a proposer's clock to the block's arrival here.

mod alerts;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

pub(crate) use alerts::Alert;

use crate::{App, Part, Service, devices::Totals, feed::Told, problem::Problem};

/// Samples of a second that are kept.
const SECONDS_KEPT: usize = 600;
/// Samples of a minute that are kept.
const MINUTES_KEPT: usize = 24 * 60;
/// Time between two samples.
const EVERY: Duration = Duration::from_secs(1);
/// Over which time rates of blocks and transactions are taken, in milliseconds.
const RATES_MS: u64 = 10_000;

/// How everything was at one time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Sample {
    /// When, milliseconds since 1970.
    pub(crate) time_ms: u64,
    /// The greatest height that a node says.
    pub(crate) height: u64,
    /// Median time of the last blocks from their proposers' clocks to here, in milliseconds; null: no block
    /// within 10 s.
    pub(crate) finality_ms: Option<u64>,
    /// Blocks per second, over 10 s.
    pub(crate) blocks_per_s: f64,
    /// Transactions per second, over 10 s.
    pub(crate) transactions_per_s: f64,
    /// Logins per second at all gateways; null: no gateway answered twice.
    pub(crate) logins_per_s: Option<f64>,
    /// Refused logins per second at all gateways.
    pub(crate) refused_logins_per_s: Option<f64>,
    /// Messages per second at all gateways.
    pub(crate) messages_per_s: Option<f64>,
    /// Clients connected at all gateways.
    pub(crate) sessions: u64,
    /// Packages anchored by all gateways.
    pub(crate) packages_anchored: u64,
    /// Messages in all archives.
    pub(crate) messages_archived: u64,
    /// Nodes that answer.
    pub(crate) nodes_up: u32,
    /// Gateways that answer.
    pub(crate) gateways_up: u32,
    /// Alerts.
    pub(crate) alerts: u32,
}

/// A service and what it says of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ServiceView {
    /// Whose.
    org: String,
    /// What it is.
    part: Part,
    /// Its address.
    url: String,
    /// Whether it answers.
    up: bool,
    /// Why it doesn't; empty where it does.
    why: String,
    /// Since when it is up or away, milliseconds since 1970, as far as this console has seen.
    since_ms: u64,
    /// How long it took to answer, in milliseconds; null: it didn't.
    answer_ms: Option<u64>,
    /// The height it has verified; null: it didn't say.
    height: Option<u64>,
    /// A node: whether it votes. Null for others.
    votes: Option<bool>,
    /// A node: transactions that wait. Null for others.
    pending: Option<u64>,
    /// A gateway: clients connected. Null for others.
    sessions: Option<u64>,
    /// A gateway: age of its verified state, in milliseconds. Null for others.
    verified_age_ms: Option<u64>,
    /// A gateway: entries that no block holds yet. Null for others.
    outbox: Option<u64>,
    /// A gateway: packages anchored. Null for others.
    anchored: Option<u64>,
    /// A gateway: messages in its archive. Null for others.
    messages: Option<u64>,
    /// A gateway: all its counters since it started (`docs/operator.md`). Empty for others.
    counters: BTreeMap<String, u64>,
}

/// How the consortium is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OverviewView {
    /// The newest sample; null in the first second.
    sample: Option<Sample>,
    /// All services.
    services: Vec<ServiceView>,
    /// What to worry about, the worst first.
    alerts: Vec<Alert>,
    /// Clients that are registered.
    clients: usize,
    /// Clients that are connected, as the last records say.
    online: usize,
    /// Live certificates that end within 14 days.
    expiring: usize,
    /// How many validators there are.
    validators: usize,
    /// How many of them may be away or hostile.
    faults_tolerated: usize,
    /// Why this console follows no node at the moment; null where it does.
    feed_away: Option<String>,
}

/// What a service last said, and for how long it says that.
#[derive(Clone, Debug, Default)]
struct Health {
    up: Option<bool>,
    why: String,
    since_ms: u64,
    answer_ms: u64,
    status: Value,
}

impl Health {
    fn number(&self, place: &str) -> Option<u64> {
        self.status.pointer(place).and_then(Value::as_u64)
    }

    fn counter(&self, name: &str) -> Option<u64> {
        self.number(&format!("/counters/{name}"))
    }

    fn is_up(&self) -> bool {
        self.up == Some(true)
    }
}

/// All services, and their history.
pub(crate) struct Overview {
    services: Vec<Service>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    states: Vec<Health>,
    seconds: VecDeque<Arc<Sample>>,
    minutes: VecDeque<Arc<Sample>>,
    /// Of the minute that lasts.
    minute: Vec<Arc<Sample>>,
    /// When each alert began.
    alerts: Vec<Alert>,
    /// Refused logins and lock-outs within the last minute: time and counts.
    refused: VecDeque<(u64, u64, u64)>,
}

impl Overview {
    pub(crate) fn new(services: Vec<Service>) -> Self {
        let states = vec![Health::default(); services.len()];
        let inner = Inner {
            states,
            ..Inner::default()
        };
        Self {
            services,
            inner: Mutex::new(inner),
        }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest sample.
    pub(crate) fn latest(&self) -> Option<Arc<Sample>> {
        self.inner().seconds.back().cloned()
    }
}

/// Asks everybody, every second, for ever.
pub(crate) async fn watch(app: App) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = app.overview.services.iter().map(|service| {
            let app = &app;
            async move {
                let start = tokio::time::Instant::now();
                let status = app.upstream.status(service).await;
                let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                (status, ms)
            }
        });
        let answers = futures::future::join_all(asked).await;
        let sample = take(&app, answers);
        app.feed.tell(Told::Overview(sample));
    }
}

/// What all services answered, and in how many milliseconds.
type Answers = Vec<(Result<Value, String>, u64)>;

fn take(app: &App, answers: Answers) -> Arc<Sample> {
    let now_ms = app.now_ms();
    let totals = app.devices.totals(now_ms);
    let came = app.feed.came_since(now_ms.saturating_sub(RATES_MS));
    let mut inner = app.overview.inner();
    let before = inner.states.clone();
    for (state, (status, ms)) in inner.states.iter_mut().zip(answers) {
        note(state, status, ms, now_ms);
    }
    let mut sample = Sample {
        time_ms: now_ms,
        blocks_per_s: rate(came.len() as u64, RATES_MS),
        transactions_per_s: rate(came.iter().map(|it| it.transactions).sum(), RATES_MS),
        finality_ms: median(came.iter().map(|it| it.finality_ms).collect()),
        ..Sample::default()
    };
    let since_ms = inner
        .seconds
        .back()
        .map_or(0, |it| now_ms.saturating_sub(it.time_ms));
    sum_up(
        &app.overview.services,
        &before,
        &inner.states,
        since_ms,
        &mut sample,
    );
    let refused = grown(&before, &inner.states, "logins_refused");
    let lockouts = grown(&before, &inner.states, "lockouts");
    inner.refused.push_back((now_ms, refused, lockouts));
    while inner
        .refused
        .front()
        .is_some_and(|(at, _, _)| *at + 60_000 < now_ms)
    {
        inner.refused.pop_front();
    }
    let found = alerts::find(&alerts::Seen {
        services: &app.overview.services,
        states: &inner.states,
        validators: app.genesis.orgs.len(),
        last: app.feed.last(),
        feed_away: app.feed.away(),
        refused_a_minute: inner.refused.iter().map(|it| it.1).sum(),
        lockouts_a_minute: inner.refused.iter().map(|it| it.2).sum(),
        expiring: totals.expiring,
        now_ms,
    });
    inner.alerts = alerts::going_on(&inner.alerts, found);
    sample.alerts = u32::try_from(inner.alerts.len()).unwrap_or(u32::MAX);
    keep(&mut inner, sample)
}

fn note(state: &mut Health, status: Result<Value, String>, ms: u64, now_ms: u64) {
    let up = status.is_ok();
    if state.up != Some(up) {
        state.up = Some(up);
        state.since_ms = now_ms;
    }
    state.answer_ms = ms;
    match status {
        Ok(status) => {
            state.status = status;
            state.why.clear();
        }
        Err(why) => state.why = why,
    }
}

/// By how much a counter grew, of all gateways that answered before, too.
fn grown(before: &[Health], now: &[Health], name: &str) -> u64 {
    let pairs = before.iter().zip(now).filter(|(_, now)| now.is_up());
    pairs
        .filter_map(|(before, now)| {
            let (was, is) = (before.counter(name)?, now.counter(name)?);
            // A gateway that started anew counts from nothing.
            Some(if is >= was { is - was } else { is })
        })
        .sum()
}

fn rate(count: u64, ms: u64) -> f64 {
    if ms == 0 {
        return 0.0;
    }
    // Two digits after the point say enough, and look the same everywhere.
    (count as f64 * 100_000.0 / ms as f64).round() / 100.0
}

fn median(mut all: Vec<u64>) -> Option<u64> {
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

fn sum_up(
    services: &[Service],
    before: &[Health],
    states: &[Health],
    since_ms: u64,
    sample: &mut Sample,
) {
    for (service, state) in services.iter().zip(states).filter(|(_, it)| it.is_up()) {
        match service.part {
            Part::Node => {
                sample.nodes_up += 1;
                let height = state.number("/height").unwrap_or(0);
                sample.height = sample.height.max(height);
            }
            Part::Gateway => {
                sample.gateways_up += 1;
                sample.sessions += state.number("/sessions").unwrap_or(0);
                sample.packages_anchored += state.number("/archive/anchored").unwrap_or(0);
                sample.messages_archived += state.number("/archive/messages").unwrap_or(0);
            }
        }
    }
    if sample.gateways_up > 0 && since_ms > 0 {
        let per_s = |name| Some(rate(grown(before, states, name), since_ms));
        sample.logins_per_s = per_s("logins");
        sample.refused_logins_per_s = per_s("logins_refused");
        sample.messages_per_s = per_s("messages");
    }
}

fn keep(inner: &mut Inner, sample: Sample) -> Arc<Sample> {
    let sample = Arc::new(sample);
    let minute = |it: &Sample| it.time_ms / 60_000;
    if inner
        .minute
        .last()
        .is_some_and(|last| minute(last) != minute(&sample))
    {
        let whole = mean(&std::mem::take(&mut inner.minute));
        inner.minutes.push_back(Arc::new(whole));
        while inner.minutes.len() > MINUTES_KEPT {
            inner.minutes.pop_front();
        }
    }
    inner.minute.push(sample.clone());
    inner.seconds.push_back(sample.clone());
    while inner.seconds.len() > SECONDS_KEPT {
        inner.seconds.pop_front();
    }
    sample
}

/// A minute's sample: means of rates, else the last.
fn mean(samples: &[Arc<Sample>]) -> Sample {
    let Some(last) = samples.last() else {
        return Sample::default();
    };
    let of = |get: fn(&Sample) -> Option<f64>| {
        let all: Vec<f64> = samples.iter().filter_map(|it| get(it)).collect();
        let sum: f64 = all.iter().sum();
        (!all.is_empty()).then(|| (sum / all.len() as f64 * 100.0).round() / 100.0)
    };
    Sample {
        finality_ms: median(samples.iter().filter_map(|it| it.finality_ms).collect()),
        blocks_per_s: of(|it| Some(it.blocks_per_s)).unwrap_or(0.0),
        transactions_per_s: of(|it| Some(it.transactions_per_s)).unwrap_or(0.0),
        logins_per_s: of(|it| it.logins_per_s),
        refused_logins_per_s: of(|it| it.refused_logins_per_s),
        messages_per_s: of(|it| it.messages_per_s),
        nodes_up: samples.iter().map(|it| it.nodes_up).min().unwrap_or(0),
        gateways_up: samples.iter().map(|it| it.gateways_up).min().unwrap_or(0),
        alerts: samples.iter().map(|it| it.alerts).max().unwrap_or(0),
        ..(**last).clone()
    }
}

fn service_view(service: &Service, state: &Health) -> ServiceView {
    let up = state.is_up();
    let of = |part, place: &str| {
        (service.part == part && up)
            .then(|| state.number(place))
            .flatten()
    };
    let counters = state.status.pointer("/counters").and_then(Value::as_object);
    let counters = counters.filter(|_| up && service.part == Part::Gateway);
    let counters = counters.into_iter().flatten();
    ServiceView {
        org: service.org.to_string(),
        part: service.part,
        url: service.url.clone(),
        up,
        why: state.why.clone(),
        since_ms: state.since_ms,
        answer_ms: up.then_some(state.answer_ms),
        height: up.then(|| state.number("/height")).flatten(),
        votes: state
            .status
            .pointer("/node/votes")
            .and_then(Value::as_bool)
            .filter(|_| up),
        pending: of(Part::Node, "/node/pending"),
        sessions: of(Part::Gateway, "/sessions"),
        verified_age_ms: of(Part::Gateway, "/verified_age_ms"),
        outbox: of(Part::Gateway, "/archive/outbox"),
        anchored: of(Part::Gateway, "/archive/anchored"),
        messages: of(Part::Gateway, "/archive/messages"),
        counters: counters
            .filter_map(|(name, value)| Some((name.clone(), value.as_u64()?)))
            .collect(),
    }
}

/// How the consortium is.
#[utoipa::path(
    get, path = "/api/overview", tag = "overview",
    responses((status = 200, description = "All services, the newest sample, alerts", body = OverviewView))
)]
pub(crate) async fn show(State(app): State<App>) -> Json<OverviewView> {
    let Totals {
        clients,
        online,
        expiring,
    } = app.devices.totals(app.now_ms());
    let inner = app.overview.inner();
    let services = app.overview.services.iter().zip(&inner.states);
    let validators = app.genesis.orgs.len();
    Json(OverviewView {
        sample: inner.seconds.back().map(|it| (**it).clone()),
        services: services
            .map(|(service, state)| service_view(service, state))
            .collect(),
        alerts: inner.alerts.clone(),
        clients,
        online,
        expiring,
        validators,
        faults_tolerated: validators.saturating_sub(1) / 3,
        feed_away: app.feed.away(),
    })
}

/// Over which time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Span {
    /// The last ten minutes, a sample a second.
    #[default]
    Minutes,
    /// The last day, a sample a minute.
    Day,
}

/// Over which time.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct Over {
    /// `minutes`: the last ten, a sample a second (the default); `day`: a sample a minute.
    #[serde(default)]
    #[param(inline)]
    span: Span,
}

/// Samples, the oldest first. Where none was taken there is none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    /// Time between two of them, in milliseconds.
    step_ms: u64,
    /// The samples.
    samples: Vec<Sample>,
}

/// How the consortium was.
#[utoipa::path(
    get, path = "/api/overview/history", tag = "overview", params(Over),
    responses(
        (status = 200, description = "Samples, the oldest first", body = History),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(crate) async fn history(State(app): State<App>, Query(over): Query<Over>) -> Json<History> {
    let inner = app.overview.inner();
    let (step_ms, samples) = match over.span {
        Span::Minutes => (1_000, &inner.seconds),
        Span::Day => (60_000, &inner.minutes),
    };
    let samples = samples.iter().map(|it| (**it).clone()).collect();
    Json(History { step_ms, samples })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gateway(logins: u64) -> Health {
        let mut state = Health::default();
        let status = json!({ "sessions": 3, "archive": { "anchored": 5, "messages": 9 },
            "counters": { "logins": logins } });
        note(&mut state, Ok(status), 1, 1_000);
        state
    }

    fn service(part: Part) -> Service {
        Service {
            org: "acme".parse().unwrap(),
            part,
            url: "http://127.0.0.1:1".to_owned(),
        }
    }

    #[test]
    fn rates_are_differences_and_a_restart_counts_from_nothing() {
        let services = [service(Part::Gateway), service(Part::Gateway)];
        let before = [gateway(10), gateway(100)];
        let now = [gateway(14), gateway(6)];
        let mut sample = Sample::default();
        sum_up(&services, &before, &now, 2_000, &mut sample);
        assert_eq!(sample.logins_per_s, Some(5.0));
        assert_eq!(
            (
                sample.gateways_up,
                sample.sessions,
                sample.packages_anchored
            ),
            (2, 6, 10)
        );
        let mut away = gateway(14);
        note(&mut away, Err("refused".to_owned()), 1, 2_000);
        let mut sample = Sample::default();
        sum_up(&services[..1], &before[..1], &[away], 1_000, &mut sample);
        assert_eq!((sample.logins_per_s, sample.gateways_up), (None, 0));
    }

    #[test]
    fn seconds_become_minutes_within_bounds() {
        let mut inner = Inner::default();
        for second in 0..100_000 {
            let sample = Sample {
                time_ms: second * 1_000,
                blocks_per_s: (second % 60) as f64,
                nodes_up: if second == 61 { 3 } else { 4 },
                ..Sample::default()
            };
            keep(&mut inner, sample);
        }
        assert_eq!(
            (inner.seconds.len(), inner.minutes.len()),
            (SECONDS_KEPT, MINUTES_KEPT)
        );
        assert!(inner.minute.len() <= 60);
        assert!(inner.minutes.iter().all(|it| it.blocks_per_s == 29.5));
        let mut inner = Inner::default();
        for second in 0..180 {
            let nodes_up = if second == 61 { 3 } else { 4 };
            keep(
                &mut inner,
                Sample {
                    time_ms: second * 1_000,
                    nodes_up,
                    ..Sample::default()
                },
            );
        }
        let up: Vec<_> = inner.minutes.iter().map(|it| it.nodes_up).collect();
        assert_eq!(up, [4, 3], "the worst of a minute is what it shows");
    }
}
