//! `sealwire demo`: a consortium of four organisations on this machine, each service a process of
//! its own, with this machine as the first device.

pub mod cluster;
pub mod devices;
mod narrate;
pub mod once;
pub mod ports;
mod tamper;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cluster::{Cluster, Part, wait_until_up};
use devices::{Machine, Replay, senml};
use ports::Ports;
use sealwire_client::{
    mqtt::{Options, Reconnect},
    owner::Owner,
};
use sealwire_envelope::{ClientId, OrgId, TopicMode, TopicName, message::CONTENT_TYPE_DEFAULT};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    sync::broadcast,
};

use crate::{
    actor::Actor,
    cli::{Demo, EnrolRole},
    device::enrol,
    home::Home,
    init::{self, Plan},
    output::Output,
    process::{now_ms, until_stopped},
};

/// The demo's organisations; the first [`GATEWAYS`] run a gateway.
pub const ORGS: [&str; 4] = ["acme", "basin", "cobalt", "delta"];
/// How many organisations run a gateway.
pub const GATEWAYS: usize = 2;
/// How long the services may take to come up.
const UP_MAX: Duration = Duration::from_secs(60);
/// Pause between two readings of a device.
const READING_EVERY: Duration = Duration::from_secs(1);
/// Days for which the demo's devices are enrolled.
const DAYS: u32 = 365;

/// Runs the command.
///
/// # Errors
/// When the services don't come up, or with `--once` a step of the story doesn't hold.
pub async fn run(given_home: Option<Home>, out: Output, args: &Demo) -> Result<()> {
    // Without --home, `--once` tells its story on a fresh ledger and leaves nothing behind.
    let scratch = match (&given_home, args.once) {
        (None, true) => Some(tempfile::tempdir().context("a directory for the story")?),
        _ => None,
    };
    let home = match (given_home, &scratch) {
        (Some(home), _) => home,
        (None, Some(dir)) => Home::new(Some(dir.path().join("home")))?,
        (None, None) => Home::new(None)?,
    };
    let orgs = prepare(&home, out)?;
    let nodes = orgs.iter().cloned().map(Part::Node);
    let gateways = orgs.iter().take(GATEWAYS).cloned().map(Part::Gateway);
    let parts: Vec<Part> = nodes.chain(gateways).collect();
    let (mut cluster, events) = Cluster::start(&home, &parts)?;
    let result = if args.once {
        let narrator = tokio::spawn(narrate::quietly(events, out));
        let result = tell_once(&home, out, &orgs, args.messages).await;
        narrator.abort();
        result
    } else {
        let narrator = tokio::spawn(narrate::aloud(events, out));
        let result = go_on(&home, out, &orgs, args, &mut cluster).await;
        out.note("stopping the services");
        narrator.abort();
        result
    };
    cluster.stop().await;
    if result.is_err()
        && let Some(dir) = scratch
    {
        out.note(format_args!("what is left of it: {}", dir.keep().display()));
    }
    result
}

/// Makes the consortium unless it is there; says who is in it.
fn prepare(home: &Home, out: Output) -> Result<Vec<OrgId>> {
    if !home.genesis_path().exists() {
        let (mut orgs, mut ports) = (Vec::new(), Ports::default());
        for name in ORGS {
            orgs.push((name.parse()?, ports.addresses()?));
        }
        let plan = Plan {
            name: "demo".to_owned(),
            orgs,
            block_interval_ms: 100,
            now_ms: now_ms(),
        };
        init::run(home, plan)?;
        for mut config in home.orgs_here()? {
            // Small packages, soon: one sees them come.
            config.package_messages = 250;
            config.package_age_ms = 3_000;
            home.write_org_config(&config)?;
        }
        out.note(format_args!(
            "a new consortium in {}",
            home.root().display()
        ));
    }
    let configs = home.orgs_here()?;
    if configs.len() < GATEWAYS {
        bail!(
            "{} has fewer than {GATEWAYS} organisations: choose another --home",
            home.root().display()
        );
    }
    Ok(configs.into_iter().map(|config| config.org).collect())
}

/// Waits until every node has a block and both gateways answer.
async fn until_up(home: &Home, orgs: &[OrgId]) -> Result<()> {
    for (index, org) in orgs.iter().enumerate() {
        let config = home.org_config(org)?;
        wait_until_up(&format!("http://{}", config.http), 1, UP_MAX).await?;
        if index < GATEWAYS {
            wait_until_up(&format!("http://{}", config.gateway_http), 1, UP_MAX).await?;
        }
    }
    Ok(())
}

async fn tell_once(home: &Home, out: Output, orgs: &[OrgId], messages: u64) -> Result<()> {
    until_up(home, orgs).await?;
    let report = once::play(home, out, orgs, messages).await;
    out.print(&report, |report| {
        let held = report.steps.iter().filter(|step| step.ok).count();
        format!("{held} of {} steps held", report.steps.len())
    });
    match report.steps.iter().find(|step| !step.ok) {
        None if report.ok => Ok(()),
        None => bail!("the story broke off"),
        Some(step) => bail!("'{}' didn't hold: {}", step.step, step.detail),
    }
}

/// Devices publish until Ctrl-C.
async fn go_on(
    home: &Home,
    out: Output,
    orgs: &[OrgId],
    args: &Demo,
    cluster: &mut Cluster,
) -> Result<()> {
    let stopped = until_stopped(false);
    tokio::pin!(stopped);
    tokio::select! {
        up = until_up(home, orgs) => up?,
        result = &mut stopped => return result,
    }
    say_addresses(home, out, orgs)?;
    let org = &orgs[0];
    cluster.add(Part::Console(org.clone()))?;
    tokio::spawn(pass_enter(cluster.enter()));
    let mut devices = tokio::task::JoinSet::new();
    let machine = ClientId::new(org, "this-machine")?;
    devices.spawn(device(
        home.clone(),
        out,
        machine,
        Source::Machine(Box::new(Machine::new())),
    ));
    for (number, path) in args.csv.iter().enumerate() {
        let client = ClientId::new(org, &format!("replay-{}", number + 1))?;
        let source = Source::Replay(Replay::open(path)?);
        devices.spawn(device(home.clone(), out, client, source));
    }
    loop {
        tokio::select! {
            result = &mut stopped => return result,
            Some(ended) = devices.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => out.error(&error),
                Err(panic) => bail!("a device's task broke: {panic}"),
            },
        }
    }
}

/// Passes each Enter on to the console.
async fn pass_enter(enter: broadcast::Sender<()>) {
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = input.next_line().await {
        // Nobody listens any more: the demo ends.
        if enter.send(()).is_err() {
            return;
        }
    }
}

fn say_addresses(home: &Home, out: Output, orgs: &[OrgId]) -> Result<()> {
    let mut services = Vec::new();
    for (index, org) in orgs.iter().enumerate() {
        let config = home.org_config(org)?;
        let gateway = index < GATEWAYS;
        services.push(serde_json::json!({
            "org": org,
            "ledger": format!("http://{}", config.http),
            "mqtt": gateway.then(|| config.mqtt.to_string()),
            "mqtts": gateway.then(|| config.mqtts.map(|address| address.to_string())),
            "archive": gateway.then(|| format!("http://{}", config.gateway_http)),
        }));
    }
    let ready = serde_json::json!({
        "event": "ready", "home": home.root(), "services": services,
    });
    out.line(&ready, |_| {
        let mut lines = vec!["everything is up. Ledger nodes and gateways:".to_owned()];
        for service in &services {
            let text = |name: &str| service[name].as_str().unwrap_or("-").to_owned();
            lines.push(format!(
                "  {:<8} ledger {:<24} mqtt {:<18} archive {}",
                text("org"),
                text("ledger"),
                text("mqtt"),
                text("archive")
            ));
        }
        lines.push(format!(
            "try, in another terminal: sealwire --home {} topic explain {}.analyst subscribe \
             {}/this-machine/readings",
            home.root().display(),
            ORGS[1],
            ORGS[0]
        ));
        lines.join("\n")
    });
    Ok(())
}

/// Where a device's readings come from.
enum Source {
    Machine(Box<Machine>),
    Replay(Replay),
}

/// Enrols a device unless it is, and publishes its readings for ever.
async fn device(home: Home, out: Output, client: ClientId, mut source: Source) -> Result<()> {
    if !home.client_dir(&client).join("client.key").exists() {
        enrol(&home, &client, EnrolRole::Device, DAYS).await?;
    }
    let actor = Actor::load(&home, &client)?;
    let topic: TopicName = format!("{}readings", client.topic_prefix()).parse()?;
    if actor.ledger.topic(&topic).await?.is_none() {
        Owner::new(actor.keyring.clone())
            .register(&topic, TopicMode::Sealed)
            .await?;
    }
    let gateway = actor.gateway(None)?;
    loop {
        let mut options = Options::new(gateway.best_mqtt());
        options.expect = Some(gateway.client.clone());
        options.reconnect = Some(Reconnect::default());
        let session = match actor.connect_with(options).await {
            Ok(session) => session,
            Err(error) => {
                out.note(format_args!("{client}: {error}"));
                tokio::time::sleep(READING_EVERY).await;
                continue;
            }
        };
        while session.is_live() {
            let records = match &mut source {
                Source::Machine(machine) => machine.read(),
                Source::Replay(replay) => replay.read(),
            };
            let content = senml(client.as_str(), now_ms(), records);
            if let Err(error) = session
                .publish(&topic, CONTENT_TYPE_DEFAULT, &content)
                .await
            {
                out.note(format_args!("{client}: {error}"));
            }
            tokio::time::sleep(READING_EVERY).await;
        }
    }
}
