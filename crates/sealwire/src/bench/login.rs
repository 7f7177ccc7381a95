//! `sealwire bench login`: N devices, each with its own certificate, log in by SM2 enhanced
//! authentication and stay connected. The original system's own test, which stopped below 1,000.
//!
//! Four validators and a gateway run as processes of their own; this process is all the devices.
//! Everything shares this machine's cores, so the figures are a lower bound.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sealwire_client::{
    Identity, Keyring, Ledger,
    ledger::sign_until,
    mqtt::{self, Options, Session},
};
use sealwire_contracts::Code;
use sealwire_envelope::{Blob, Call, ClientId, EventKind, RegisterCertificate};
use sealwire_sm::{Role, SecretKey};
use serde::Serialize;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::Percentiles;
use crate::{
    actor::Actor,
    demo::{
        ORGS,
        cluster::{Cluster, Part, wait_until_up},
        ports::Ports,
    },
    home::{self, Home},
    init::{self, GATEWAY, OPERATOR, Plan, certify},
    output::Output,
    process::{now_ms, raise_file_limit},
    topic::DAY_S,
};

/// How long the services may take to come up.
const UP_MAX: Duration = Duration::from_secs(60);
/// How long a login may take before it counts as failed.
const LOGIN_MAX: Duration = Duration::from_secs(60);
/// How long the last login's record may take to be on the ledger.
const LEDGER_MAX: Duration = Duration::from_secs(120);
/// Registrations and look-ups under way at a time.
const REQUESTS_AT_ONCE: usize = 64;
/// Open files that this process needs beside its connections.
const FILES_BESIDE: u64 = 200;
/// Heights for which the registrations are good.
const EXPIRY_BLOCKS: u64 = 900;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How many devices.
    pub devices: usize,
    /// How many logged in at once.
    pub concurrency: usize,
    /// How many were logged in and connected at the end.
    pub connected: usize,
    /// Logins per second.
    pub logins_per_s: f64,
    /// From CONNECT to CONNACK.
    pub latency: Percentiles,
    /// CPU time of the gateway's process per login, in milliseconds (its ledger follower included).
    pub gateway_cpu_ms_per_login: f64,
    /// Resident memory that the gateway gained per connection, in KiB.
    pub gateway_kib_per_connection: f64,
    /// Devices whose login is on the ledger.
    pub on_ledger: usize,
    /// From the last login until all were on the ledger, in milliseconds.
    pub ledger_lag_ms: u128,
    /// Registering the certificates: transactions per second.
    pub registrations_per_s: f64,
}

/// Runs the bench.
///
/// # Errors
/// When the services don't come up, a login fails, or one isn't on the ledger in the end.
pub async fn run(out: Output, devices: usize, concurrency: usize) -> Result<()> {
    ensure!(
        devices > 0 && concurrency > 0,
        "--devices and --concurrency are at least 1"
    );
    let files = raise_file_limit();
    let needed = devices as u64 + FILES_BESIDE;
    if files < needed {
        bail!(
            "{devices} connections need {needed} open files, this system allows {files}: raise the \
             hard limit (ulimit -Hn) or take fewer devices"
        );
    }
    let dir = tempfile::tempdir().context("a directory for the bench")?;
    let home = Home::new(Some(dir.path().join("home")))?;
    let gateway = make_consortium(&home)?;
    let mut parts = vec![Part::Gateway(gateway.org())];
    for name in ORGS {
        parts.push(Part::Node(name.parse()?));
    }
    let (cluster, mut events) = Cluster::start(&home, &parts)?;
    let (told, mut pid) = tokio::sync::watch::channel(None);
    let listener = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if event.name() == "process-started" && matches!(event.part, Part::Gateway(_)) {
                told.send_replace(event.value["pid"].as_u64());
            }
        }
    });
    let result = async {
        let found = pid
            .wait_for(Option::is_some)
            .await
            .context("the gateway's process")?;
        let pid = found.unwrap_or_default();
        drop(found);
        measure(
            &home,
            out,
            &gateway,
            devices,
            concurrency,
            u32::try_from(pid)?,
        )
        .await
    }
    .await;
    cluster.stop().await;
    listener.abort();
    let report = result?;
    out.print(&report, text);
    ensure!(
        report.connected == devices,
        "{} of {devices} stayed connected",
        report.connected
    );
    ensure!(
        report.on_ledger == devices,
        "{} of {devices} are on the ledger",
        report.on_ledger
    );
    Ok(())
}

fn make_consortium(home: &Home) -> Result<ClientId> {
    let (mut orgs, mut ports) = (Vec::new(), Ports::default());
    for name in ORGS {
        orgs.push((name.parse()?, ports.addresses()?));
    }
    let gateway = ClientId::new(&orgs[0].0, GATEWAY)?;
    let plan = Plan {
        name: "bench".to_owned(),
        orgs,
        block_interval_ms: 100,
        now_ms: now_ms(),
    };
    init::run(home, plan)?;
    Ok(gateway)
}

async fn measure(
    home: &Home,
    out: Output,
    gateway: &ClientId,
    devices: usize,
    concurrency: usize,
    gateway_pid: u32,
) -> Result<Report> {
    let config = home.org_config(&gateway.org())?;
    wait_until_up(&format!("http://{}", config.http), 1, UP_MAX).await?;
    wait_until_up(&format!("http://{}", config.gateway_http), 1, UP_MAX).await?;
    let operator = Actor::load(home, &ClientId::new(&gateway.org(), OPERATOR)?)?;
    let start = Instant::now();
    let identities = enrol_all(home, out, &operator, devices).await?;
    let registrations_per_s = devices as f64 / start.elapsed().as_secs_f64();
    wait_for_follower(
        &config.gateway_http.to_string(),
        operator.ledger.height().await?,
    )
    .await?;

    let before = usage(gateway_pid)?;
    let start = Instant::now();
    let options = {
        let mut options = Options::new(config.mqtt.to_string());
        options.expect = Some(gateway.clone());
        options.login_max = LOGIN_MAX;
        options
    };
    let bar = out.bar(devices as u64, "logging in");
    let sessions: Vec<Session> = stream::iter(&identities)
        .map(|identity| {
            let (options, bar) = (options.clone(), bar.clone());
            let keyring = Arc::new(Keyring::new(identity.clone(), operator.ledger.clone()));
            let trust = operator.trust.clone();
            async move {
                let session = mqtt::connect(identity, keyring, trust, options)
                    .await
                    .with_context(|| format!("{} can't log in", identity.client()));
                bar.inc(1);
                session
            }
        })
        .buffer_unordered(concurrency)
        .try_collect()
        .await?;
    let took = start.elapsed();
    bar.finish_and_clear();
    let after = usage(gateway_pid)?;

    let lag = Instant::now();
    let on_ledger = count_on_ledger(out, &operator.ledger, &identities).await?;
    let ledger_lag_ms = lag.elapsed().as_millis();
    let connected = sessions.iter().filter(|session| session.is_live()).count();
    let gained_kib = after.memory_bytes.saturating_sub(before.memory_bytes) as f64 / 1024.0;
    Ok(Report {
        devices,
        concurrency,
        connected,
        logins_per_s: round(devices as f64 / took.as_secs_f64()),
        latency: Percentiles::of(sessions.iter().map(Session::login_latency).collect()),
        gateway_cpu_ms_per_login: round((after.cpu_ms - before.cpu_ms) as f64 / devices as f64),
        gateway_kib_per_connection: round(gained_kib / devices as f64),
        on_ledger,
        ledger_lag_ms,
        registrations_per_s: round(registrations_per_s),
    })
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Makes keys and certificates and registers them, many transactions under way at a time.
async fn enrol_all(
    home: &Home,
    out: Output,
    operator: &Actor,
    devices: usize,
) -> Result<Vec<Identity>> {
    let org = operator.identity.client().org();
    let (root_key, root) = home::read_root(&home.org(&org))?;
    let genesis = operator.identity.genesis().clone();
    let now_s = now_ms() / 1000;
    let bar = out.bar(devices as u64, "enrolling");
    let identities: Vec<Identity> = stream::iter(0..devices)
        .map(|number| {
            let (bar, genesis, root_key, root) = (bar.clone(), genesis.clone(), &root_key, &root);
            let org = org.clone();
            async move {
                let client = ClientId::new(&org, &format!("bench-{number}"))?;
                let key = SecretKey::generate(&mut rand::rng());
                let certificate = certify(
                    root_key,
                    root,
                    &client,
                    Role::Device,
                    key.public_key(),
                    now_s,
                    30 * DAY_S,
                )?;
                let der = Blob(certificate.der().to_vec());
                let call = Call::RegisterCertificate(RegisterCertificate {
                    der,
                    enrolment: None,
                });
                let expiry = operator.ledger.height().await? + EXPIRY_BLOCKS;
                let transaction = sign_until(&operator.identity, call, expiry);
                let id = operator.ledger.submit(&transaction).await?;
                let outcome = operator.ledger.outcome(id, expiry).await?;
                ensure!(
                    outcome.code == Code::Applied,
                    "{client}: {}",
                    outcome.detail
                );
                bar.inc(1);
                Ok(Identity::in_memory(key, certificate, genesis)?)
            }
        })
        .buffer_unordered(REQUESTS_AT_ONCE)
        .try_collect()
        .await?;
    bar.finish_and_clear();
    Ok(identities)
}

/// Waits until the gateway's follower has the block that registered the last device.
async fn wait_for_follower(gateway_http: &str, height: u64) -> Result<()> {
    wait_until_up(&format!("http://{gateway_http}"), height, UP_MAX).await
}

/// How many of the devices' logins the ledger has; waits for all of them, up to [`LEDGER_MAX`].
async fn count_on_ledger(out: Output, ledger: &Ledger, devices: &[Identity]) -> Result<usize> {
    let start = Instant::now();
    let bar = out.bar(devices.len() as u64, "looking on the ledger");
    let mut missing: Vec<&Identity> = devices.iter().collect();
    loop {
        let looked: Vec<Option<&Identity>> = stream::iter(missing)
            .map(|identity| async move {
                let kind = EventKind::Connected;
                let path = format!("/v1/clients/{}/events?kind={kind}", identity.client());
                let answer = ledger.get_json(&path).await?;
                let events = answer.get("value").unwrap_or(&answer);
                let none = events.as_array().is_none_or(Vec::is_empty);
                anyhow::Ok(none.then_some(identity))
            })
            .buffer_unordered(REQUESTS_AT_ONCE)
            .try_collect()
            .await?;
        missing = looked.into_iter().flatten().collect();
        let found = devices.len() - missing.len();
        bar.set_position(found as u64);
        if missing.is_empty() || start.elapsed() > LEDGER_MAX {
            bar.finish_and_clear();
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What a process has used.
struct Usage {
    cpu_ms: u64,
    memory_bytes: u64,
}

fn usage(pid: u32) -> Result<Usage> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new().context("what processes use can't be read here")?;
    let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    let process = system
        .process(pid)
        .context("the gateway's process is gone")?;
    Ok(Usage {
        cpu_ms: process.accumulated_cpu_time(),
        memory_bytes: process.memory(),
    })
}

fn text(report: &Report) -> String {
    format!(
        "{} devices, {} at once: {} logins/s\n\
         latency: half within {} ms, 99 % within {} ms, longest {} ms\n\
         gateway: {} ms of CPU per login, {} KiB per connection\n\
         {} stay connected, {} logins on the ledger {} ms after the last one\n\
         (their certificates were registered at {} per second)",
        report.devices,
        report.concurrency,
        report.logins_per_s,
        report.latency.p50_ms,
        report.latency.p99_ms,
        report.latency.max_ms,
        report.gateway_cpu_ms_per_login,
        report.gateway_kib_per_connection,
        report.connected,
        report.on_ledger,
        report.ledger_lag_ms,
        report.registrations_per_s,
    )
}
