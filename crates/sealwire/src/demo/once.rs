//! `demo --once`: the whole story with a check at every step.
//!
//! Device A (of the first organisation) enrols, logs in, registers a topic, publishes half of its
//! readings; device B (of the second) is refused; A grants; B subscribes and gets the other half,
//! decrypted; the gateway packages and anchors all of them; B fetches the packages, checks one
//! message's receipt against genesis alone and finds the byte that A sent; a flipped byte in the
//! archive is noticed; the gateway adds up readings of A and of a device C that it can't read, because
//! B may ask for that, A opens the sum, and B computes it again; A revokes, B's live subscription ends and its next fetch is refused; every
//! login is on the ledger.
//!
//! A step that fails ends the story: the later ones rest on it.

use std::{
    collections::BTreeSet,
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use sealwire_client::{
    archive::{self, FetchError},
    mqtt::{QoS, ReceiveError, Session, SubscribeError, Subscription},
    owner::Owner,
};
use sealwire_envelope::{
    ClientId, EventKind, GrantTerms, OrgId, PackageId, Rights, TopicMode, TopicName, encode,
    message::CONTENT_TYPE_DEFAULT,
    record::{ArchivedRecord, Package},
};
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    actor::Actor,
    cli::EnrolRole,
    demo::{
        cluster::wait_until_up,
        compute,
        devices::{Machine, senml},
        tamper,
    },
    device::enrol,
    home::Home,
    output::Output,
    process::now_ms,
    receipt, record,
};

/// How long any one wait of the story may take.
const STEP_MAX: Duration = Duration::from_secs(60);
/// Publishes that may be unacknowledged at a time.
const IN_FLIGHT_MAX: usize = 64;
/// Days for which the story's clients are enrolled.
const DAYS: u32 = 30;

/// One step of the story.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What was to hold.
    pub step: &'static str,
    /// Whether it did.
    pub ok: bool,
    /// What was seen, or why it didn't hold.
    pub detail: String,
    /// How long it took, in milliseconds.
    pub took_ms: u128,
}

/// The story's report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether every step held.
    pub ok: bool,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// Plays the story between the first two organisations of `orgs`.
pub async fn play(home: &Home, out: Output, orgs: &[OrgId], messages: u64) -> Report {
    let mut story = Story {
        out,
        steps: Vec::new(),
    };
    let ended = story.tell(home, orgs, messages).await;
    let ok = ended.is_ok() && story.steps.iter().all(|step| step.ok);
    Report {
        ok,
        steps: story.steps,
    }
}

struct Story {
    out: Output,
    steps: Vec<Step>,
}

/// A step failed and is in the list.
struct Failed;

impl Story {
    async fn step<T>(
        &mut self,
        name: &'static str,
        act: impl Future<Output = Result<(T, String)>>,
    ) -> Result<T, Failed> {
        let start = Instant::now();
        let (ok, detail, value) = match act.await {
            Ok((value, detail)) => (true, detail, Some(value)),
            Err(error) => (false, format!("{error:#}"), None),
        };
        let step = Step {
            step: name,
            ok,
            detail,
            took_ms: start.elapsed().as_millis(),
        };
        let mark = if ok { "ok  " } else { "FAIL" };
        self.out.note(format_args!(
            "{mark} {name}: {} ({} ms)",
            step.detail, step.took_ms
        ));
        self.steps.push(step);
        value.ok_or(Failed)
    }

    async fn tell(&mut self, home: &Home, orgs: &[OrgId], messages: u64) -> Result<(), Failed> {
        // A name of its own per run, so that the story can be told again on the same ledger.
        let tag = format!("{:x}", now_ms());
        let (a, b, topic) = self
            .step("the story has its cast", async { cast(orgs, &tag) })
            .await?;
        let a_actor = self
            .step("A enrols", enrolled(home, &a, EnrolRole::Device))
            .await?;
        let b_actor = self
            .step("B enrols", enrolled(home, &b, EnrolRole::User))
            .await?;
        let gateway = &orgs[0];
        let a_session = self
            .step("A logs in by SM2", logged_in(&a_actor, gateway))
            .await?;
        let owner = Owner::new(a_actor.keyring.clone());
        self.step("A registers a topic", async {
            let applied = owner.register(&topic, TopicMode::Sealed).await?;
            followed(home, gateway, applied.height).await?;
            Ok(((), format!("{topic} at height {}", applied.height)))
        })
        .await?;
        let mut sent = self
            .step(
                "A publishes readings at QoS 1",
                publish(&a_session, &topic, messages / 2),
            )
            .await?;
        let b_session = self
            .step("B logs in at A's gateway", logged_in(&b_actor, gateway))
            .await?;
        self.step("B is refused the topic", refused(&b_session, &topic))
            .await?;
        self.step("A grants B to subscribe and read", async {
            let granted = granted(&owner, &topic, &b, &b_actor).await?;
            followed(home, gateway, granted).await?;
            Ok(((), format!("at height {granted}")))
        })
        .await?;
        let mut subscription = self
            .step("B subscribes", subscribed(&b_session, &topic))
            .await?;
        let encrypted = self
            .step(
                "A makes a compute key; A and C publish readings encrypted to it",
                compute::encrypted(home, gateway, (&a_actor, &a_session), &b, &tag),
            )
            .await?;
        let rest = messages - messages / 2;
        let more = self
            .step("A publishes the rest", publish(&a_session, &topic, rest))
            .await?;
        self.step(
            "B receives and decrypts all of them",
            received(&mut subscription, &more),
        )
        .await?;
        sent.extend(more);
        let packages = self
            .step(
                "the gateway packages and anchors every message",
                anchored(&b_actor, gateway, &topic, messages),
            )
            .await?;
        let fetched = self
            .step(
                "B fetches the packages",
                fetched(&b_actor, gateway, &packages, &sent),
            )
            .await?;
        self.step(
            "B checks a receipt against genesis alone and finds A's byte",
            receipt_holds(home, &b_actor, gateway, &fetched, &sent),
        )
        .await?;
        self.step("a flipped byte in the archive is noticed", async {
            let first = fetched.first().context("there is no package")?;
            tamper::flipped_byte_is_noticed(home, gateway, &b_actor, first).await
        })
        .await?;
        let computed = self
            .step(
                "B has the gateway add up what it can't read",
                compute::asked(&b_actor, gateway, &encrypted),
            )
            .await?;
        self.step(
            "A opens the sum, and it is the readings'",
            compute::opened(&a_actor, &encrypted, &computed),
        )
        .await?;
        self.step(
            "B computes it again and finds the same bytes",
            compute::verified(&b_actor, gateway, &computed),
        )
        .await?;
        self.step(
            "A revokes; B's live subscription ends",
            revoked(&owner, &topic, &b, &mut subscription),
        )
        .await?;
        self.step(
            "B's next fetch is refused",
            fetch_refused(&b_actor, gateway, &packages[0]),
        )
        .await?;
        a_session.close().await;
        b_session.close().await;
        self.step(
            "the logins and the refusal are on the ledger",
            on_ledger(&a_actor, &a, &b),
        )
        .await
    }
}

pub type Told<T> = Result<(T, String)>;

fn cast(orgs: &[OrgId], tag: &str) -> Told<(ClientId, ClientId, TopicName)> {
    let [first, second, ..] = orgs else {
        bail!(
            "the story needs two organisations, this home has {}",
            orgs.len()
        );
    };
    let a = ClientId::new(first, &format!("press-{tag}"))?;
    let b = ClientId::new(second, &format!("analyst-{tag}"))?;
    let topic: TopicName = format!("{}readings", a.topic_prefix()).parse()?;
    let text = format!("A is {a}, B is {b}");
    Ok(((a, b, topic), text))
}

async fn enrolled(home: &Home, client: &ClientId, role: EnrolRole) -> Told<Actor> {
    let enrolled = enrol(home, client, role, DAYS).await?;
    let actor = Actor::load(home, client)?;
    Ok((
        actor,
        format!(
            "{client} has a certificate since height {}",
            enrolled.height
        ),
    ))
}

async fn logged_in(actor: &Actor, gateway: &OrgId) -> Told<Session> {
    // The gateway's follower may be a block behind the one that enrolled the client.
    let start = Instant::now();
    let session = loop {
        match actor.connect(Some(gateway)).await {
            Ok(session) => break session,
            Err(error) if start.elapsed() > Duration::from_secs(10) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let took = session.login_latency().as_millis();
    let text = format!(
        "{} at {gateway}'s gateway in {took} ms",
        actor.identity.client()
    );
    Ok((session, text))
}

/// Publishes `count` readings; says what was sent, in order.
async fn publish(session: &Session, topic: &TopicName, count: u64) -> Told<Vec<Vec<u8>>> {
    let mut machine = Machine::new();
    let start = Instant::now();
    let mut sent = Vec::new();
    let mut in_flight = std::collections::VecDeque::new();
    for _ in 0..count {
        let device = session.client().as_str();
        let content = senml(device, now_ms(), machine.read());
        let delivery = session
            .send(topic, CONTENT_TYPE_DEFAULT, &content, QoS::AtLeastOnce)
            .await?;
        in_flight.push_back(delivery);
        sent.push(content);
        if in_flight.len() >= IN_FLIGHT_MAX
            && let Some(oldest) = in_flight.pop_front()
        {
            oldest.confirmed().await?;
        }
    }
    for delivery in in_flight {
        delivery.confirmed().await?;
    }
    let text = format!("{count} acknowledged in {} ms", start.elapsed().as_millis());
    Ok((sent, text))
}

async fn refused(session: &Session, topic: &TopicName) -> Told<()> {
    match session.subscribe(&topic.to_filter()).await {
        Err(error @ SubscribeError::Refused { .. }) => Ok(((), error.to_string())),
        Err(error) => Err(error.into()),
        Ok(_) => bail!("B could subscribe to {topic} without a grant"),
    }
}

/// Waits until the gateway has followed the ledger to `height`: it answers from what it has verified itself.
pub async fn followed(home: &Home, gateway: &OrgId, height: u64) -> Result<()> {
    let address = home.org_config(gateway)?.gateway_http;
    wait_until_up(&format!("http://{address}"), height, STEP_MAX).await
}

/// Grants; says at which height.
async fn granted(owner: &Owner, topic: &TopicName, b: &ClientId, b_actor: &Actor) -> Result<u64> {
    let terms = GrantTerms {
        rights: Rights::SUBSCRIBE | Rights::READ,
        purpose: "the demo's story".to_owned(),
        ..GrantTerms::default()
    };
    let applied = owner.grant(topic, b, terms, None).await?;
    // B may ask another node than A did, one that is a block behind.
    b_actor.ledger.have_seen(applied.height);
    let key = b_actor.ledger.grant(b, topic).await?;
    ensure!(key.is_some(), "the grant isn't in the ledger's state");
    Ok(applied.height)
}

async fn subscribed(session: &Session, topic: &TopicName) -> Told<Subscription> {
    // The gateway decides from its follower's state, which may be a block behind.
    let start = Instant::now();
    loop {
        match session.subscribe(&topic.to_filter()).await {
            Ok(subscription) => return Ok((subscription, format!("to {topic}"))),
            Err(error) if start.elapsed() > Duration::from_secs(10) => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn received(subscription: &mut Subscription, sent: &[Vec<u8>]) -> Told<()> {
    for (index, expected) in sent.iter().enumerate() {
        let next = timeout(STEP_MAX, subscription.next())
            .await
            .with_context(|| format!("message {index} of {} didn't come", sent.len()))?;
        let message = next.context("the subscription ended")??;
        ensure!(
            message.content.as_slice() == expected,
            "message {index} isn't the one A sent"
        );
    }
    Ok((
        (),
        format!("{} messages, in order, signed by A", sent.len()),
    ))
}

async fn anchored(
    actor: &Actor,
    gateway: &OrgId,
    topic: &TopicName,
    messages: u64,
) -> Told<Vec<PackageId>> {
    let start = Instant::now();
    loop {
        let packages = record::list(actor, Some(gateway), topic).await?;
        let anchored: Vec<_> = packages.iter().filter(|p| p.height.is_some()).collect();
        let count: u64 = anchored.iter().map(|p| p.count).sum();
        if count == messages {
            let ids: Vec<_> = anchored.iter().map(|p| p.package).collect();
            ensure!(
                ids.iter().collect::<BTreeSet<_>>().len() == ids.len(),
                "one is listed twice"
            );
            return Ok((
                ids,
                format!("{count} messages in {} packages", packages.len()),
            ));
        }
        ensure!(
            count < messages,
            "{count} messages are anchored, A sent {messages}"
        );
        ensure!(
            start.elapsed() < STEP_MAX,
            "only {count} of {messages} messages are anchored"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn fetched(
    actor: &Actor,
    gateway: &OrgId,
    packages: &[PackageId],
    sent: &[Vec<u8>],
) -> Told<Vec<(PackageId, Package)>> {
    let mut fetched = Vec::new();
    let mut contents = Vec::new();
    for id in packages {
        let (package, _) = record::fetch(actor, Some(gateway), id).await?;
        for stored in &package.records {
            contents.push(
                archive::open(&actor.keyring, stored)
                    .await?
                    .content
                    .to_vec(),
            );
        }
        fetched.push((*id, package));
    }
    ensure!(
        contents == sent,
        "the archive's messages aren't those that A sent, in order"
    );
    let text = format!(
        "{} messages decrypted, each the one that A sent",
        contents.len()
    );
    Ok((fetched, text))
}

async fn receipt_holds(
    home: &Home,
    actor: &Actor,
    gateway: &OrgId,
    packages: &[(PackageId, Package)],
    sent: &[Vec<u8>],
) -> Told<()> {
    let (id, package) = packages.last().context("there is no package")?;
    let index = package.records.len() - 1;
    let archive = record::archive_of(actor, Some(gateway))?;
    let packaged = archive.record(id, index as u64).await?;
    let (document, _) = archive.receipt(&actor.ledger, &packaged).await?;
    let path = actor
        .identity
        .home()
        .context("B has no home")?
        .join("demo.receipt");
    let bytes = encode(&document);
    std::fs::write(&path, &bytes)?;

    // Everything from here on uses two files: the receipt and the genesis.
    let genesis = home.genesis()?;
    let verified = receipt::verify_file(&path, &genesis)?;
    let stored: ArchivedRecord = sealwire_envelope::decode(&packaged.record)?;
    ensure!(
        verified.record == stored,
        "the receipt is of another message"
    );
    let opened = archive::open(&actor.keyring, &packaged.record).await?;
    ensure!(
        Some(opened.content.as_slice()) == sent.last().map(Vec::as_slice),
        "the message isn't the last one that A sent"
    );
    // A receipt with one changed byte must not hold.
    for place in [bytes.len() / 4, bytes.len() / 2, bytes.len() - 9] {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        std::fs::write(&path, &changed)?;
        ensure!(
            receipt::verify_file(&path, &genesis).is_err(),
            "byte {place} could be changed"
        );
    }
    std::fs::write(&path, &bytes)?;
    let text = format!(
        "{} steps hold, {} organisations signed, {} bytes",
        verified.steps().len(),
        verified.entry.signers.len(),
        bytes.len()
    );
    Ok(((), text))
}

async fn revoked(
    owner: &Owner,
    topic: &TopicName,
    b: &ClientId,
    subscription: &mut Subscription,
) -> Told<()> {
    let applied = owner.revoke(topic, b).await?;
    let start = Instant::now();
    let ended = timeout(STEP_MAX, async {
        loop {
            match subscription.next().await {
                Some(Err(ReceiveError::Ended(why))) => return Ok(why.to_string()),
                Some(Ok(message)) => bail!("a message on {} still came", message.topic),
                Some(Err(_)) => {}
                None => return Ok("no more messages".to_owned()),
            }
        }
    })
    .await
    .context("the subscription lives on")??;
    let took = start.elapsed().as_millis();
    Ok((
        (),
        format!("{took} ms after height {}: {ended}", applied.height),
    ))
}

async fn fetch_refused(actor: &Actor, gateway: &OrgId, package: &PackageId) -> Told<()> {
    match record::archive_of(actor, Some(gateway))?
        .package(package)
        .await
    {
        Err(FetchError::Refused(problem)) => Ok(((), format!("HTTP {}", problem.status))),
        Err(error) => Err(error.into()),
        Ok(_) => bail!("B could still fetch package {package}"),
    }
}

async fn on_ledger(actor: &Actor, a: &ClientId, b: &ClientId) -> Told<()> {
    let start = Instant::now();
    let wanted = [
        (a, EventKind::Connected),
        (b, EventKind::Connected),
        (b, EventKind::SubscribeRefused),
        (b, EventKind::Subscribed),
    ];
    loop {
        let mut missing = Vec::new();
        for (client, kind) in wanted {
            let path = format!("/v1/clients/{client}/events?kind={kind}");
            let answer = actor.ledger.get_json(&path).await?;
            let events = answer.get("value").unwrap_or(&answer);
            if events.as_array().is_none_or(Vec::is_empty) {
                missing.push(format!("{client} {kind}"));
            }
        }
        if missing.is_empty() {
            return Ok(((), format!("{} kinds of event found", wanted.len())));
        }
        ensure!(
            start.elapsed() < STEP_MAX,
            "not on the ledger: {}",
            missing.join(", ")
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
