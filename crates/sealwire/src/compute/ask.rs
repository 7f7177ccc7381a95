//! `sealwire compute ask`, `jobs`, `result`, `standing`: jobs at a gateway.

use std::{path::Path, time::Duration};

use anyhow::{Result, anyhow, ensure};
use clap::ValueEnum as _;
use sealwire_client::compute::{
    Compute as Service, ComputeError,
    service::{JobState, JobStatus, StandingJob, StandingStatus},
};
use sealwire_compute::{
    plan,
    worded::{Worded, WordedError},
};
use sealwire_envelope::{
    JobId, TopicName,
    compute::{COMPUTE_VERSION, ComputeJob, ComputeKey, Computed, Function, JobInput},
    encode,
};
use serde_json::json;

use super::{live_key, service, write};
use crate::{
    actor::Actor,
    cli::{Compute, Span, Standing, What},
    home::Home,
    output::{Output, duration_text, table, time_text},
    process::now_ms,
};

/// Longest wait for a result.
pub const RESULT_MAX: Duration = Duration::from_secs(600);

/// Runs one of the four commands.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Compute) -> Result<()> {
    match command {
        Compute::Ask {
            actor,
            at,
            what,
            span,
            wait,
            out: file,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let service = service(&actor, at.gateway.as_ref())?;
            let job = job(&actor, &what, &span).await?;
            let asked = service.ask(&job).await?;
            if !wait && file.is_none() {
                let document = json!({ "job": asked });
                out.print(&document, |_| {
                    format!(
                        "job {asked}\nits result: sealwire compute result --as {} {asked} --out FILE",
                        actor.identity.client()
                    )
                });
                return Ok(());
            }
            let status = waited(out, &service, &asked).await?;
            let result = match &file {
                None => None,
                Some(path) => Some(fetched(&actor, &service, &asked, path).await?),
            };
            report(out, &status, result.as_ref(), file.as_deref());
        }
        Compute::Jobs { actor, at, job } => {
            let actor = Actor::load(home, &actor.client)?;
            let service = service(&actor, at.gateway.as_ref())?;
            match job {
                Some(job) => {
                    let status = service.job(&job).await?;
                    out.print(&status, job_text);
                }
                None => {
                    let jobs = service.jobs().await?;
                    out.print(&jobs, |jobs| jobs_text(jobs));
                }
            }
        }
        Compute::Result {
            actor,
            at,
            job,
            out: path,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let service = service(&actor, at.gateway.as_ref())?;
            let status = waited(out, &service, &job).await?;
            let result = fetched(&actor, &service, &job, &path).await?;
            report(out, &status, Some(&result), Some(&path));
        }
        Compute::Standing(command) => standing(home, out, command).await?,
        other => unreachable!("not a command about jobs: {other:?}"),
    }
    Ok(())
}

/// The job that the command line describes.
///
/// # Errors
/// When key, numbers or topics don't fit; the gateway checks again.
pub async fn job(actor: &Actor, what: &What, span: &Span) -> Result<ComputeJob> {
    let (id, entry) = live_key(&actor.ledger, &what.key.key).await?;
    let (from_ms, to_ms) = span.range_ms(now_ms())?;
    let input = |topic: &TopicName| JobInput {
        topic: topic.clone(),
        from_ms,
        to_ms,
    };
    let job = ComputeJob {
        version: COMPUTE_VERSION,
        key: id,
        function: what.function(&entry.key)?,
        inputs: what.topics.iter().map(input).collect(),
    };
    // The gateway says the same; here nothing has been sent yet.
    sealwire_compute::check(&entry.key, &job)?;
    Ok(job)
}

impl Span {
    /// From the first millisecond to the one after the last.
    fn range_ms(&self, now_ms: u64) -> Result<(u64, u64)> {
        let to_ms = self.to.map_or(now_ms, |to| to.saturating_mul(1000));
        let from_ms = match (self.last, self.from) {
            (Some(last), _) => to_ms.saturating_sub(last.saturating_mul(1000)),
            (None, Some(from)) => from.saturating_mul(1000),
            (None, None) => 0,
        };
        ensure!(
            from_ms < to_ms,
            "the time range ends ({}) before it begins ({}): say other --from and --to",
            time_text(to_ms),
            time_text(from_ms)
        );
        Ok((from_ms, to_ms))
    }
}

impl What {
    /// The function with its public arguments, in steps of the key's last decimal.
    fn function(&self, key: &ComputeKey) -> Result<Function> {
        let name = self.function.to_possible_value();
        let worded = Worded {
            function: name.as_ref().map_or("", |name| name.get_name()),
            threshold: self.threshold.as_deref(),
            weights: &self.weights,
            constant: self.constant.as_deref(),
        };
        let function = worded.read(self.topics.len(), &key.readings);
        function.map_err(|error| match error {
            WordedError::NoThreshold => anyhow!("{error}: say --threshold NUMBER"),
            WordedError::Threshold => anyhow!("{error}: leave --threshold out"),
            WordedError::Weights => anyhow!("{error}: leave --weight and --constant out"),
            WordedError::Count { .. } => anyhow!("{error} (--weight, --topic)"),
            error => error.into(),
        })
    }
}

/// Waits for a job with a spinner that says how far it is.
async fn waited(out: Output, service: &Service, job: &JobId) -> Result<JobStatus> {
    let spinner = out.spinner("waiting for the result");
    let result = loop {
        // A second at a time, so that there is news.
        match service.wait(job, Duration::from_secs(1)).await {
            Err(ComputeError::NotYet { state, .. }) if spinner.elapsed() < RESULT_MAX => {
                spinner.set_message(state_text(state));
            }
            result => break result,
        }
    };
    spinner.finish_and_clear();
    Ok(result?)
}

/// Fetches a result, checked against the ledger, into a file.
async fn fetched(actor: &Actor, service: &Service, job: &JobId, path: &Path) -> Result<Computed> {
    let computed = service.result(&actor.ledger, job).await?;
    write(path, &encode(&computed))?;
    Ok(computed)
}

fn report(out: Output, status: &JobStatus, result: Option<&Computed>, file: Option<&Path>) {
    let bytes = result.map(|result| result.ciphertexts.iter().map(|c| c.len()).sum::<usize>());
    let document = json!({
        "job": status.job, "evaluation": status.evaluation, "height": status.height,
        "inputs": status.inputs, "result_bytes": bytes, "file": file,
    });
    out.print(&document, |_| {
        let mut lines = vec![job_text(status)];
        if let Some(file) = file {
            lines.push(format!(
                "the encrypted result is in {0}; its key's owner opens it: sealwire compute open --as OWNER {0}",
                file.display()
            ));
        }
        lines.join("\n")
    });
}

fn state_text(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "waiting for its turn, or for its readings to be anchored",
        JobState::Evaluating => "being evaluated",
        JobState::Evaluated => "evaluated, on its way to the ledger",
        JobState::Recorded => "recorded on the ledger",
        JobState::Refused => "refused",
    }
}

fn job_text(status: &JobStatus) -> String {
    let function = plan::name(&status.request.function);
    let mut lines = vec![format!(
        "job {}: {function} for {}, {}",
        status.job,
        status.requester,
        state_text(status.state)
    )];
    if let Some(reason) = &status.refused {
        lines.push(format!("  why: {reason}"));
    }
    if let (Some(evaluation), Some(height)) = (&status.evaluation, status.height) {
        lines.push(format!("  evaluation {evaluation} at height {height}"));
    }
    for (input, report) in status.request.inputs.iter().zip(&status.inputs) {
        let left_out: Vec<String> = report
            .left_out
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        let left_out = match left_out.is_empty() {
            true => String::new(),
            false => format!("; left out: {}", left_out.join(", ")),
        };
        lines.push(format!(
            "  {}: {} readings in {} packages{left_out}",
            input.topic, report.readings, report.packages
        ));
    }
    if let Some(reason) = &status.unpublished {
        lines.push(format!("  not published: {reason}"));
    }
    lines.join("\n")
}

fn jobs_text(jobs: &[JobStatus]) -> String {
    if jobs.is_empty() {
        return "no jobs: `sealwire compute ask` asks for one".to_owned();
    }
    let row = |status: &JobStatus| {
        vec![
            status.job.to_string(),
            plan::name(&status.request.function).to_owned(),
            time_text(status.asked_ms),
            match &status.refused {
                Some(reason) => format!("refused: {reason}"),
                None => state_text(status.state).to_owned(),
            },
        ]
    };
    let rows: Vec<_> = jobs.iter().map(row).collect();
    table(&["job", "function", "asked", "state"], &rows)
}

async fn standing(home: &Home, out: Output, command: Standing) -> Result<()> {
    match command {
        Standing::Add {
            actor,
            at,
            what,
            every,
            over,
            publish_to,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let service = service(&actor, at.gateway.as_ref())?;
            let (id, entry) = live_key(&actor.ledger, &what.key.key).await?;
            let wanted = StandingJob {
                version: COMPUTE_VERSION,
                key: id,
                function: what.function(&entry.key)?,
                topics: what.topics.clone(),
                every_s: every,
                over_s: over.unwrap_or(every),
                publish: publish_to.clone(),
            };
            let standing = service.put_standing(&wanted).await?;
            let document = json!({ "standing": standing, "job": wanted });
            out.print(&document, |_| {
                format!(
                    "standing job {standing}: every {} over the last {}, to {publish_to}",
                    duration_text(wanted.every_s),
                    duration_text(wanted.over_s)
                )
            });
        }
        Standing::List { actor, at } => {
            let actor = Actor::load(home, &actor.client)?;
            let all = service(&actor, at.gateway.as_ref())?.standing().await?;
            out.print(&all, |all| standing_text(all));
        }
        Standing::Remove {
            actor,
            at,
            standing,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let service = service(&actor, at.gateway.as_ref())?;
            service.delete_standing(&standing).await?;
            let document = json!({ "standing": standing, "removed": true });
            out.print(&document, |_| format!("standing job {standing} has ended"));
        }
    }
    Ok(())
}

fn standing_text(all: &[StandingStatus]) -> String {
    if all.is_empty() {
        return "no standing jobs: `sealwire compute standing add` makes one".to_owned();
    }
    let row = |status: &StandingStatus| {
        let last = match status.last_end_ms {
            0 => "none yet".to_owned(),
            end_ms => time_text(end_ms),
        };
        vec![
            status.standing.to_string(),
            plan::name(&status.job.function).to_owned(),
            duration_text(status.job.every_s),
            duration_text(status.job.over_s),
            status.job.publish.to_string(),
            last,
            status.missed.to_string(),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let heads = [
        "standing job",
        "function",
        "every",
        "over",
        "to",
        "last run",
        "missed",
    ];
    table(&heads, &rows)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use sealwire_envelope::compute::{ParameterSet, ReadingSpec};
    use sealwire_sm::sm3;

    use super::*;
    use crate::cli::{Cli, Command, FunctionArg};

    fn key() -> ComputeKey {
        ComputeKey {
            version: COMPUTE_VERSION,
            owner: "acme.plant".parse().unwrap(),
            parameters: ParameterSet::Sm2ElgamalV1,
            readings: ReadingSpec {
                decimals: 1,
                min: -400,
                max: 1250,
                edges: vec![],
                unit: String::new(),
            },
            public: sm3(&[]),
            evaluation: None,
            sharing: None,
        }
    }

    #[test]
    fn every_function_on_the_command_line_is_one() {
        for function in FunctionArg::value_variants() {
            let name = function.to_possible_value().unwrap();
            let more = match function {
                FunctionArg::CountOver => "--threshold -3.5",
                FunctionArg::WeightedSum | FunctionArg::Linear => "--weight 0.25 --weight -1.5",
                _ => "",
            };
            let line = format!("sealwire compute ask {} {more}", name.get_name());
            let rest = ["--as", "acme.plant", "--key", "acme.plant"];
            let topics = ["--topic", "acme/a/x", "--topic", "acme/a/y"];
            let words = line.split_whitespace().chain(rest).chain(topics);
            let cli = Cli::try_parse_from(words).expect("a command line");
            let Command::Compute(Compute::Ask { what, .. }) = cli.command else {
                panic!("another command");
            };
            assert_eq!(plan::name(&what.function(&key()).unwrap()), name.get_name());
        }
    }

    #[test]
    fn spans_end_after_they_begin() {
        let span = |from, to, last| Span { from, to, last };
        let now_ms = 100_000;
        let range = |span: Span| span.range_ms(now_ms).unwrap();
        assert_eq!(range(span(None, None, None)), (0, 100_000));
        assert_eq!(range(span(None, None, Some(60))), (40_000, 100_000));
        assert_eq!(range(span(Some(7), Some(9), None)), (7_000, 9_000));
        assert!(span(Some(9), Some(7), None).range_ms(now_ms).is_err());
    }
}
