//! Computing on encrypted readings: jobs at gateways, standing ones, their encrypted results and receipts.
//!
//! A job is asked of a gateway by a client that may compute on its topics, signed with that client's key; a
//! gateway tells jobs to who asked for them. What comes back is ciphertexts: who holds the key's secret half opens
//! them, in the page or by the command line, never here.

use std::{borrow::Cow, collections::BTreeMap};

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    response::Response,
};
use futures::future::join_all;
use sealwire_client::{
    compute::{self, Compute, ComputeError, ResultReceiptError},
    identity::GatewayPeer,
};
use sealwire_compute::{plan, worded::Worded};
use sealwire_envelope::{
    ClientId, ComputeKeyId, JobId, StandingId, TopicName,
    compute::{
        COMPUTE_VERSION, ComputeJob, ComputeKey, Computed, Function, JobInput,
        service::{InputReport, JobState, JobStatus, StandingJob, StandingStatus},
    },
    encode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Actor, known_gateway, logged, place,
    rights::{actor, parse},
};
use crate::{App, http::cbor_file, problem::Problem, session::Caller};

/// Whose jobs.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct Whose {
    /// The client that asked for them, whose key is here.
    r#as: String,
}

/// What a client asked of the gateways that it knows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComputeJobs {
    /// In the order of the client's `peers.json`.
    gateways: Vec<GatewayJobs>,
}

/// What a client asked of one gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GatewayJobs {
    /// Which.
    gateway: String,
    /// Why it told nothing: it is away, or refused.
    away: Option<String>,
    /// The newest first, as many as the gateway keeps.
    jobs: Vec<JobView>,
    /// Jobs that are done again and again.
    standing: Vec<StandingView>,
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    /// Its id, hexadecimal.
    job: String,
    /// `waiting`, `evaluating`, `evaluated`, `recorded` (the result can be fetched) or `refused`.
    #[schema(value_type = String)]
    state: JobState,
    /// When it was asked for, milliseconds since 1970.
    asked_ms: u64,
    /// Name of the function.
    function: &'static str,
    /// The compute key, hexadecimal.
    key: String,
    /// Its inputs.
    inputs: Vec<JobInputView>,
    /// Why there is no result, with the numbers.
    refused: Option<String>,
    /// The evaluation, hexadecimal, once there is one.
    evaluation: Option<String>,
    /// Height of the block that holds the evaluation.
    height: Option<u64>,
    /// Of which standing job it is a run, hexadecimal.
    standing: Option<String>,
    /// Why a run's result wasn't published.
    unpublished: Option<String>,
}

/// An input of a job, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobInputView {
    /// Topic.
    topic: String,
    /// Received not before, milliseconds since 1970.
    from_ms: u64,
    /// Received before, milliseconds since 1970.
    to_ms: u64,
    /// Packages that it was over; 0 until it is evaluated.
    packages: u64,
    /// Readings in the result; 0 until it is evaluated.
    readings: u64,
    /// Messages that were left out, by reason.
    left_out: BTreeMap<String, u64>,
}

/// A standing job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StandingView {
    /// Its id, hexadecimal.
    standing: String,
    /// Name of the function.
    function: &'static str,
    /// The compute key, hexadecimal.
    key: String,
    /// Over which topics.
    topics: Vec<String>,
    /// Seconds between two runs.
    every_s: u64,
    /// How many seconds a run looks back.
    over_s: u64,
    /// On which topic each result is published.
    publish: String,
    /// End of the last run's time, milliseconds since 1970; 0: none yet.
    last_end_ms: u64,
    /// The last run, hexadecimal.
    last_job: Option<String>,
    /// Runs that were missed since it was set up.
    missed: u64,
}

impl From<JobStatus> for JobView {
    fn from(status: JobStatus) -> Self {
        // None has been said of any input until the job is evaluated.
        let reports = status.inputs.into_iter();
        let reports = reports.chain(std::iter::repeat_with(InputReport::default));
        let inputs = status.request.inputs.iter().zip(reports);
        let inputs = inputs.map(|(input, report)| JobInputView {
            topic: input.topic.to_string(),
            from_ms: input.from_ms,
            to_ms: input.to_ms,
            packages: report.packages,
            readings: report.readings,
            left_out: report.left_out,
        });
        Self {
            job: status.job.to_string(),
            state: status.state,
            asked_ms: status.asked_ms,
            function: plan::name(&status.request.function),
            key: status.request.key.to_string(),
            inputs: inputs.collect(),
            refused: status.refused,
            evaluation: status.evaluation.map(|id| id.to_string()),
            height: status.height,
            standing: status.standing.map(|id| id.to_string()),
            unpublished: status.unpublished,
        }
    }
}

impl From<StandingStatus> for StandingView {
    fn from(status: StandingStatus) -> Self {
        let StandingStatus {
            standing,
            job,
            last_end_ms,
            last_job,
            missed,
            ..
        } = status;
        Self {
            standing: standing.to_string(),
            function: plan::name(&job.function),
            key: job.key.to_string(),
            topics: job.topics.iter().map(ToString::to_string).collect(),
            every_s: job.every_s,
            over_s: job.over_s,
            publish: job.publish.to_string(),
            last_end_ms,
            last_job: last_job.map(|id| id.to_string()),
            missed,
        }
    }
}

/// Jobs and standing jobs of a client, at every gateway that it knows.
#[utoipa::path(
    get, path = "/api/compute/jobs", tag = "compute", params(Whose),
    responses(
        (status = 200, description = "By gateway; one that is away says so", body = ComputeJobs),
        (status = 403, description = "This session may not act as the client", body = Problem),
        (status = 409, description = "The client's key isn't here", body = Problem),
    )
)]
pub(crate) async fn jobs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Whose>,
) -> Result<Json<ComputeJobs>, Problem> {
    let client: ClientId = parse("as", &asked.r#as)?;
    let command = || format!("sealwire compute jobs --as {client}");
    let actor = actor(&app, &caller, &client, command)?;
    let gateways = actor.identity.peers().gateways.iter();
    let gateways = join_all(gateways.map(|peer| told(&actor, peer))).await;
    Ok(Json(ComputeJobs { gateways }))
}

async fn told(actor: &Actor, peer: &GatewayPeer) -> GatewayJobs {
    let asked = async {
        let service = Compute::new(peer.best_http(), actor.identity.clone())?;
        let (jobs, standing) = tokio::try_join!(service.jobs(), service.standing())?;
        Ok::<_, ComputeError>((jobs, standing))
    };
    let (jobs, standing, away) = match asked.await {
        Ok((jobs, standing)) => (jobs, standing, None),
        Err(error) => (Vec::new(), Vec::new(), Some(error.to_string())),
    };
    GatewayJobs {
        gateway: peer.client.to_string(),
        away,
        jobs: jobs.into_iter().map(JobView::from).collect(),
        standing: standing.into_iter().map(StandingView::from).collect(),
    }
}

fn service(actor: &Actor, gateway: Option<&str>) -> Result<(ClientId, Compute), Problem> {
    let named = gateway.filter(|named| !named.is_empty());
    let named = named.map(|named| parse::<ClientId>("gateway", named));
    let named = named.transpose()?;
    let peer = known_gateway(&actor.identity, named.as_ref())?;
    let service = Compute::new(peer.best_http(), actor.identity.clone())?;
    Ok((peer.client.clone(), service))
}

/// A job's encrypted result, checked against the ledger.
#[utoipa::path(
    get, path = "/api/compute/jobs/{gateway}/{job}/result", tag = "compute",
    params(
        ("gateway" = String, Path, description = "At which gateway"),
        ("job" = String, Path, description = "Job id, hexadecimal"),
        Whose
    ),
    responses(
        (status = 200, description = "CBOR of the evaluation and its ciphertexts, as `sealwire compute result` writes it", body = Vec<u8>, content_type = "application/cbor"),
        (status = 404, description = "No such job of this client's, or no result", body = Problem),
        (status = 502, description = "The gateway's result isn't the ledger's", body = Problem),
    )
)]
pub(crate) async fn result(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((gateway, job)): Path<(String, String)>,
    Query(asked): Query<Whose>,
) -> Result<Response, Problem> {
    let (actor, computed) = fetched(&app, &caller, &gateway, &job, &asked.r#as).await?;
    let id = computed.evaluation.id();
    tracing::info!(
        target: "sealwire_console::act",
        client = %caller.session.client, reader = %actor.client(), evaluation = %id, "result"
    );
    let name = format!("result-{}.cbor", id.0.short());
    Ok(cbor_file(&name, encode(&computed)))
}

/// The receipt of a job's result, verified before it is given.
#[utoipa::path(
    get, path = "/api/compute/jobs/{gateway}/{job}/receipt", tag = "compute",
    params(
        ("gateway" = String, Path, description = "At which gateway"),
        ("job" = String, Path, description = "Job id, hexadecimal"),
        Whose
    ),
    responses(
        (status = 200, description = "CBOR of the result receipt, as `sealwire compute receipt` writes it", body = Vec<u8>, content_type = "application/cbor"),
        (status = 404, description = "No such job of this client's, or no result", body = Problem),
        (status = 502, description = "The receipt doesn't hold", body = Problem),
    )
)]
pub(crate) async fn receipt(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((gateway, job)): Path<(String, String)>,
    Query(asked): Query<Whose>,
) -> Result<Response, Problem> {
    let (actor, computed) = fetched(&app, &caller, &gateway, &job, &asked.r#as).await?;
    let made = compute::receipt(&actor.ledger, &actor.identity, &computed);
    let (receipt, _) = made.await?;
    let name = format!("result-receipt-{}.cbor", computed.evaluation.id().0.short());
    Ok(cbor_file(&name, encode(&receipt)))
}

async fn fetched(
    app: &App,
    caller: &Caller,
    gateway: &str,
    job: &str,
    client: &str,
) -> Result<(Actor, Computed), Problem> {
    let client: ClientId = parse("as", client)?;
    let job: JobId = parse("job", job)?;
    let named: ClientId = parse("gateway", gateway)?;
    let command = || {
        let at = named.org();
        format!("sealwire compute result --as {client} --at {at} {job} --out result.cbor")
    };
    let actor = actor(app, caller, &client, command)?;
    let (_, service) = service(&actor, Some(gateway))?;
    let computed = service.result(&actor.ledger, &job).await?;
    Ok((actor, computed))
}

/// What is to be computed.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ComputeWhat {
    /// Under which compute key, hexadecimal.
    key: String,
    /// `sum`, `mean`, `weighted-sum`, `linear`, `variance`, `deviation`, `dot`, `count-over`, `histogram` or
    /// `range`.
    function: String,
    /// Over the readings of these topics.
    topics: Vec<String>,
    /// `count-over`: above which number, decimal.
    threshold: Option<String>,
    /// `weighted-sum`, `linear`: one for each topic, in their order, decimal.
    #[serde(default)]
    weights: Vec<String>,
    /// `weighted-sum`, `linear`: what is added in the end, decimal.
    constant: Option<String>,
}

impl ComputeWhat {
    /// The key, the function in its steps, and the topics.
    async fn read(&self, actor: &Actor) -> Result<(ComputeKey, Function, Vec<TopicName>), Problem> {
        let id: ComputeKeyId = parse("key", &self.key)?;
        let entry = actor.ledger.compute_key(&id).await?;
        let entry = entry.ok_or(ComputeError::UnknownKey { key: id })?;
        if let Some(retired) = &entry.retired {
            let (height, owner) = (retired.at.height, &entry.key.owner);
            let detail = format!(
                "compute key {id} is retired since height {height}: ask its owner {owner} for its successor"
            );
            return Err(Problem::argument(detail));
        }
        let topics = self.topics.iter().map(|topic| parse("topic", topic));
        let topics = topics.collect::<Result<Vec<TopicName>, _>>()?;
        let worded = Worded {
            function: &self.function,
            threshold: filled(&self.threshold),
            weights: &self.weights,
            constant: filled(&self.constant),
        };
        let function = worded.read(topics.len(), &entry.key.readings);
        Ok((entry.key, function.map_err(Problem::argument)?, topics))
    }

    /// As arguments of the command line.
    fn command(&self) -> String {
        let mut text = format!("{} --key {}", word(&self.function), word(&self.key));
        for topic in &self.topics {
            text.push_str(&format!(" --topic {}", word(topic)));
        }
        let numbers = self.weights.iter().map(|it| ("--weight", it));
        let numbers = numbers.chain(self.threshold.iter().map(|it| ("--threshold", it)));
        for (flag, number) in numbers.chain(self.constant.iter().map(|it| ("--constant", it))) {
            text.push_str(&format!(" {flag} {}", word(number)));
        }
        text
    }
}

/// What was typed; a field that was left empty says nothing.
fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.trim().is_empty())
}

/// For a shell: as it is, or in single quotes.
fn word(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.into(),
        false => format!("'{}'", text.replace('\'', r"'\''")).into(),
    }
}

/// A computation that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AskCompute {
    /// As whom: a client with the right `compute` on every topic, whose key is here.
    r#as: String,
    /// At which gateway; the first that the client knows when left out.
    gateway: Option<String>,
    /// What.
    what: ComputeWhat,
    /// Readings received not before, milliseconds since 1970; the first of all when left out.
    from_ms: Option<u64>,
    /// Readings received before, milliseconds since 1970; now when left out.
    to_ms: Option<u64>,
}

/// A job that the gateway has taken on: it is on the gateway's disk.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskedCompute {
    /// As whom.
    by: String,
    /// Which gateway.
    gateway: String,
    /// The job, hexadecimal.
    job: String,
}

/// Asks a gateway for a computation.
#[utoipa::path(
    post, path = "/api/actions/compute/ask", tag = "compute", request_body = AskCompute,
    responses(
        (status = 200, description = "The gateway has it", body = AskedCompute),
        (status = 400, description = "What can't be computed is refused with the numbers", body = Problem),
        (status = 403, description = "This session, or the client, may not", body = Problem),
        (status = 409, description = "The client's key isn't here", body = Problem),
    )
)]
pub(crate) async fn ask(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<AskCompute>,
) -> Result<Json<AskedCompute>, Problem> {
    let done = async {
        let client: ClientId = parse("as", &asked.r#as)?;
        let _place = place(&app)?;
        let command = || {
            format!(
                "sealwire compute ask --as {client} {}",
                asked.what.command()
            )
        };
        let actor = actor(&app, &caller, &client, command)?;
        let (key, function, topics) = asked.what.read(&actor).await?;
        let (from_ms, to_ms) = (
            asked.from_ms.unwrap_or(0),
            asked.to_ms.unwrap_or_else(|| app.now_ms()),
        );
        let input = |topic| JobInput {
            topic,
            from_ms,
            to_ms,
        };
        let job = ComputeJob {
            version: COMPUTE_VERSION,
            key: key.id(),
            function,
            inputs: topics.into_iter().map(input).collect(),
        };
        // The gateway says the same; here nothing has been sent yet.
        sealwire_compute::check(&key, &job).map_err(Problem::argument)?;
        let (gateway, service) = service(&actor, asked.gateway.as_deref())?;
        let job = service.ask(&job).await?;
        Ok(AskedCompute {
            by: client.to_string(),
            gateway: gateway.to_string(),
            job: job.to_string(),
        })
    };
    let done = done.await;
    logged(&caller, "compute", &asked.r#as, done)
}

/// A standing job that is set up.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SetStanding {
    /// As whom: a client with the right `compute` on every topic and `publish` on the result's, whose key is here.
    r#as: String,
    /// At which gateway; the first that the client knows when left out.
    gateway: Option<String>,
    /// What.
    what: ComputeWhat,
    /// Seconds between two runs.
    every_s: u64,
    /// How many seconds a run looks back.
    over_s: u64,
    /// On which open topic each result is published.
    publish: String,
}

/// A standing job, by where it is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct StandingAt {
    /// As whom.
    r#as: String,
    /// At which gateway.
    gateway: String,
    /// Its id, hexadecimal.
    standing: String,
}

/// Sets a standing job up at a gateway.
#[utoipa::path(
    post, path = "/api/actions/compute/standing", tag = "compute", request_body = SetStanding,
    responses(
        (status = 200, description = "It is on the gateway's disk", body = StandingAt),
        (status = 400, description = "What can't be computed is refused with the numbers", body = Problem),
        (status = 403, description = "This session, or the client, may not", body = Problem),
        (status = 409, description = "The client's key isn't here", body = Problem),
    )
)]
pub(crate) async fn set_standing(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<SetStanding>,
) -> Result<Json<StandingAt>, Problem> {
    let done = async {
        let client: ClientId = parse("as", &asked.r#as)?;
        let _place = place(&app)?;
        let command = || {
            let (what, publish) = (asked.what.command(), word(&asked.publish));
            let (every_s, over_s) = (asked.every_s, asked.over_s);
            format!(
                "sealwire compute standing add --as {client} {what} --every {every_s}s --over {over_s}s \
                 --publish-to {publish}"
            )
        };
        let actor = actor(&app, &caller, &client, command)?;
        let (key, function, topics) = asked.what.read(&actor).await?;
        let wanted = StandingJob {
            version: COMPUTE_VERSION,
            key: key.id(),
            function,
            topics,
            every_s: asked.every_s,
            over_s: asked.over_s,
            publish: parse("publish", &asked.publish)?,
        };
        sealwire_compute::check(&key, &wanted.run(app.now_ms())).map_err(Problem::argument)?;
        let (gateway, service) = service(&actor, asked.gateway.as_deref())?;
        let standing = service.put_standing(&wanted).await?;
        Ok(StandingAt {
            r#as: client.to_string(),
            gateway: gateway.to_string(),
            standing: standing.to_string(),
        })
    };
    let done = done.await;
    logged(&caller, "standing", &asked.r#as, done)
}

/// Ends a standing job; results that there are stay.
#[utoipa::path(
    post, path = "/api/actions/compute/standing/end", tag = "compute", request_body = StandingAt,
    responses(
        (status = 200, description = "It is ended", body = StandingAt),
        (status = 404, description = "No such standing job of this client's", body = Problem),
        (status = 409, description = "The client's key isn't here", body = Problem),
    )
)]
pub(crate) async fn end_standing(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<StandingAt>,
) -> Result<Json<StandingAt>, Problem> {
    let named = asked.standing.clone();
    let done = async {
        let client: ClientId = parse("as", &asked.r#as)?;
        let standing: StandingId = parse("standing", &asked.standing)?;
        let gateway: ClientId = parse("gateway", &asked.gateway)?;
        let at = gateway.org();
        let command =
            || format!("sealwire compute standing remove --as {client} --at {at} {standing}");
        let actor = actor(&app, &caller, &client, command)?;
        let (_, service) = service(&actor, Some(&asked.gateway))?;
        service.delete_standing(&standing).await?;
        Ok(asked)
    };
    let done = done.await;
    logged(&caller, "standing-end", &named, done)
}

impl From<ComputeError> for Problem {
    fn from(error: ComputeError) -> Self {
        match error {
            ComputeError::Gateway(error) => error.into(),
            ComputeError::Ledger(error) => error.into(),
            ComputeError::UnknownKey { .. } => Self::not_found(error),
            ComputeError::NotYet { .. } => Self::unavailable("not-yet", error),
            ComputeError::JobRefused { .. } => Self::new(
                axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                "refused",
                "The gateway refused",
                error,
            ),
            error => Self::answer("result", error),
        }
    }
}

impl From<ResultReceiptError> for Problem {
    fn from(error: ResultReceiptError) -> Self {
        match error {
            ResultReceiptError::Computed(error) => error.into(),
            error => Self::answer("receipt", error),
        }
    }
}
