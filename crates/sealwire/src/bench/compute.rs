//! `sealwire bench compute`: what computing on encrypted readings costs on this machine, and what the same
//! work costs SEAL, through PyPI's `tenseal` ([`PEER`]), in the same run.
//!
//! The work is [`sealwire_compute::speed`]'s; here is the clock. On one thread under Linux it is the thread's
//! own time on a processor, so that a busy machine doesn't make it look slow; else it is time by the clock.
//! Of some samples the least counts, there and here.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use rand::{SeedableRng as _, rngs::StdRng};
use sealwire_compute::{parameters, speed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    cli::ComputeBench,
    output::{Output, table},
};

/// The same work in Python.
const PEER: &str = include_str!("peer.py");
/// A sample is so long at least: the system counts a thread's time in ticks of some milliseconds.
const SAMPLE: Duration = Duration::from_millis(100);
/// Fewest samples of a piece of work.
const SAMPLES: u32 = 3;
/// Samples are taken for so long at least.
const WORK: Duration = Duration::from_secs(1);
/// How to get the peer.
const INSTALL: &str = "python3 -m venv .venv && .venv/bin/pip install tenseal==0.3.18, then say --python .venv/bin/python \
     (or SEALWIRE_PYTHON)";

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    /// Threads that our work had.
    threads: usize,
    /// Whether the times are processor time of one thread; else they are by the clock.
    processor_time: bool,
    /// Whether every target was met; none where no measured work has one.
    within_targets: Option<bool>,
    /// What ours is held against.
    peer: Peer,
    /// Each piece of work.
    work: Vec<Measured>,
}

/// The other implementation.
#[derive(Debug, Serialize)]
struct Peer {
    /// PyPI's package.
    name: &'static str,
    /// Its version; none where it wasn't there.
    version: Option<String>,
    /// Why nothing was timed.
    missing: Option<String>,
}

/// A piece of work.
#[derive(Debug, Serialize)]
struct Measured {
    set: &'static str,
    what: &'static str,
    count: u64,
    unit: &'static str,
    /// Time for all of it, in microseconds.
    us: f64,
    /// Time for one of `unit`, in microseconds.
    us_each: f64,
    /// The most that it should take on one core, in microseconds.
    target_us: Option<u64>,
    /// Whether it took no more.
    within_target: Option<bool>,
    /// The peer's time for the same, in microseconds.
    peer_us: Option<f64>,
    /// The peer's time over ours: above 1 ours is faster.
    times_as_fast: Option<f64>,
}

/// What the peer prints.
#[derive(Deserialize)]
struct PeerReport {
    version: String,
    times: Vec<PeerTime>,
}

#[derive(Deserialize)]
struct PeerTime {
    set: String,
    what: String,
    count: u64,
    us: f64,
}

/// Runs the bench.
///
/// # Errors
/// When there is no such work, or the peer is there and doesn't come to an end.
pub fn run(out: Output, args: &ComputeBench) -> Result<()> {
    ensure!(args.threads > 0, "--threads is at least 1");
    let threads = rayon::ThreadPoolBuilder::new().num_threads(args.threads);
    let pool = threads.build().context("threads for the bench")?;
    out.note("encrypting the readings that are worked on: this takes a minute");
    let tasks = pool.install(|| speed::tasks(|| StdRng::seed_from_u64(1)));
    let tasks: Vec<speed::Task> = tasks
        .into_iter()
        .filter(|task| format!("{} {}", task.set, task.what).contains(&args.only))
        .collect();
    ensure!(
        !tasks.is_empty(),
        "no work has '{}' in its name: leave --only out to see all names",
        args.only
    );
    let alone = args.threads == 1 && processor_time().is_some();
    let bar = out.bar(tasks.len() as u64, "measuring");
    let mut work = Vec::with_capacity(tasks.len());
    for task in tasks {
        work.push(pool.install(|| measure(task, alone)));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let peer = held_against(out, args, &mut work)?;
    let within: Vec<bool> = work.iter().filter_map(|work| work.within_target).collect();
    let report = Report {
        threads: args.threads,
        processor_time: alone,
        within_targets: (!within.is_empty()).then(|| within.iter().all(|held| *held)),
        peer,
        work,
    };
    out.print(&report, text);
    Ok(())
}

/// Time that this thread has run on a processor, where the system says it.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

fn measure(mut task: speed::Task, alone: bool) -> Measured {
    let (mut best, started) = (Duration::MAX, Instant::now());
    let mut samples = 0;
    while samples < SAMPLES || started.elapsed() < WORK {
        let before = processor_time().filter(|_| alone);
        let (start, mut runs) = (Instant::now(), 0);
        while runs == 0 || start.elapsed() < SAMPLE {
            task.run();
            runs += 1;
        }
        let by_clock = start.elapsed();
        let used = before.and_then(|before| Some(processor_time()?.saturating_sub(before)));
        best = best.min(used.unwrap_or(by_clock) / runs);
        samples += 1;
    }
    let us = best.as_nanos() as f64 / 1e3;
    Measured {
        set: task.set,
        what: task.what,
        count: task.count,
        unit: task.unit,
        us: rounded(us),
        us_each: rounded(us / task.count as f64),
        target_us: task.target_us,
        within_target: task.target_us.map(|target| us <= target as f64),
        peer_us: None,
        times_as_fast: None,
    }
}

/// Four digits are more than a clock is good for.
fn rounded(us: f64) -> f64 {
    if us == 0.0 {
        return us;
    }
    let scale = 10_f64.powi(3 - us.abs().log10().floor() as i32);
    (us * scale).round() / scale
}

/// Has the peer do the same, and writes its times beside ours.
fn held_against(out: Output, args: &ComputeBench, work: &mut [Measured]) -> Result<Peer> {
    let python = &args.python;
    let probe = Command::new(python)
        .args(["-c", "import tenseal.sealapi"])
        .output();
    let name = "tenseal";
    if !probe.is_ok_and(|output| output.status.success()) {
        let missing = format!("{python} has no tenseal: {INSTALL}");
        // Loud also with --json: a bench without its peer is half a bench.
        eprintln!("SKIPPED the comparison: {missing}");
        let (version, missing) = (None, Some(missing));
        return Ok(Peer {
            name,
            version,
            missing,
        });
    }
    out.note(format_args!("the same by SEAL ({python} with tenseal)"));
    let PeerReport { version, times } = ask(python)?;
    for ours in work {
        let same = |theirs: &&PeerTime| {
            theirs.set == ours.set && theirs.what == ours.what && theirs.count == ours.count
        };
        ours.peer_us = times.iter().find(same).map(|theirs| rounded(theirs.us));
        ours.times_as_fast = ours.peer_us.map(|theirs| rounded(theirs / ours.us));
    }
    let (version, missing) = (Some(version), None);
    Ok(Peer {
        name,
        version,
        missing,
    })
}

fn ask(python: &str) -> Result<PeerReport> {
    let sets: serde_json::Map<_, _> = parameters::ALL
        .into_iter()
        .filter_map(|set| {
            let numbers = parameters::bfv(set)?;
            let document = json!({
                "n": numbers.n, "moduli": numbers.moduli, "t": numbers.t,
                "multiplies": numbers.multiplies,
            });
            Some((parameters::name(set).to_owned(), document))
        })
        .collect();
    let (min, max) = speed::BOUNDS;
    let asked = json!({ "sets": sets, "min": min, "max": max, "threshold": speed::THRESHOLD });
    let mut child = Command::new(python)
        .args(["-c", PEER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{python} can't be started"))?;
    let stdin = child.stdin.take().context("the peer's standard input")?;
    let told = { stdin }.write_all(asked.to_string().as_bytes());
    let output = child.wait_with_output().context("the peer")?;
    if !output.status.success() {
        bail!("tenseal came to another result, or to none: see above");
    }
    told.context("the peer's standard input")?;
    serde_json::from_slice(&output.stdout).context("the peer's times")
}

fn text(report: &Report) -> String {
    let ms = |us: f64| format!("{:.3}", us / 1e3);
    let rows: Vec<_> = report
        .work
        .iter()
        .map(|work| {
            let target = match (work.target_us, work.within_target) {
                (Some(target), Some(held)) => {
                    let held = if held { "met" } else { "MISSED" };
                    format!("{} ms, {held}", target as f64 / 1e3)
                }
                _ => String::new(),
            };
            let times = work.times_as_fast;
            vec![
                work.set.to_owned(),
                work.what.to_owned(),
                format!("{} {}", work.count, work.unit),
                ms(work.us),
                format!("{:.3}", work.us_each),
                target,
                work.peer_us.map(ms).unwrap_or_default(),
                times.map_or_else(String::new, |times| format!("{times:.2}")),
            ]
        })
        .collect();
    let clock = if report.processor_time {
        "processor time of one thread"
    } else {
        "time by the clock"
    };
    let heads = [
        "set",
        "work",
        "over",
        "ms",
        "µs each",
        "target",
        "SEAL, ms",
        "times as fast",
    ];
    format!(
        "{}\n{} threads, {clock}; SEAL: {}",
        table(&heads, &rows),
        report.threads,
        match (&report.peer.version, &report.peer.missing) {
            (Some(version), _) => format!("tenseal {version}, one thread"),
            (None, missing) => missing.clone().unwrap_or_default(),
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_four_digits() {
        assert_eq!(rounded(0.0), 0.0);
        assert_eq!(rounded(123_456.7), 123_500.0);
        assert_eq!(rounded(0.000_123_456), 0.000_123_5);
    }
}
