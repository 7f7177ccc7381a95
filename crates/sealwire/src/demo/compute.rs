//! Computing in the demo: the story's step, and what runs on beside the open-ended demo.
//!
//! In the story devices A and C encrypt readings to A's compute key; B, of another organisation, has the right
//! to have them computed on and to read the archive. B asks for the sum, A's organisation's gateway computes it
//! without reading anything, A opens it, and B computes it again and finds the same bytes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sealwire_client::{compute::service::StandingJob, mqtt::Session, owner::Owner};
use sealwire_compute::{answer::Value, reading::Reading};
use sealwire_envelope::{
    ClientId, ComputeKeyId, GrantTerms, OrgId, Rights, TopicMode, TopicName,
    compute::{COMPUTE_VERSION, ComputeJob, Computed, Form, Function, JobInput, ParameterSet},
};

use super::{DAYS, READING_EVERY, once::Told};
use crate::{
    actor::Actor,
    cli::{EnrolRole, KeyArgs, KeyName, PassphraseArgs, ReadingArgs, ReadingsFrom},
    compute::{keys, publish, service, store::Store},
    device::enrol,
    home::Home,
    output::Output,
    process::now_ms,
};

/// Encrypted readings of each device in the story.
const READINGS: i64 = 40;
/// How long the story waits for a result.
const RESULT_MAX: Duration = Duration::from_secs(60);
/// Time between two runs of the demo's standing job, in seconds.
const EVERY_S: u64 = 30;

/// How long the gateway may take to hear of a topic that was just registered.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(10);
/// How often it is asked meanwhile.
const STANDING_ATTEMPTS: u32 = 50;

/// Says nothing.
const SILENT: Output = Output { json: true };

fn load_key() -> KeyArgs {
    KeyArgs {
        set: ParameterSet::Sm2ElgamalV1,
        readings: ReadingArgs {
            decimals: 2,
            min: "0".to_owned(),
            max: "1000".to_owned(),
            edges: Vec::new(),
            unit: "kW".to_owned(),
        },
    }
}

/// What the story computes on.
pub struct Encrypted {
    key: ComputeKeyId,
    topics: [TopicName; 2],
    /// Sum of all readings, in steps of the last decimal.
    sum: i64,
}

/// A makes a compute key; A and C, which enrols, publish readings that are encrypted to it; both let B have
/// them computed on and read.
pub async fn encrypted(
    home: &Home,
    gateway: &OrgId,
    (a, a_session): (&Actor, &Session),
    b: &ClientId,
    tag: &str,
) -> Told<Encrypted> {
    // The table that opening looks numbers up in takes a second; it is there when A opens.
    tokio::task::spawn_blocking(sealwire_compute::elgamal::prepare);
    let c = ClientId::new(gateway, &format!("mill-{tag}"))?;
    let passphrase = PassphraseArgs::default();
    let key_args = load_key();
    let made = keys::keygen(a, SILENT, Some(gateway), &key_args, &passphrase, false);
    let (made, enrolled) = tokio::join!(made, enrol(home, &c, EnrolRole::Device, DAYS));
    let (key, _) = (made?.key, enrolled?);
    let c = Actor::load(home, &c)?;
    let (a_topic, c_topic) = tokio::join!(offered(a, b), offered(&c, b));
    let (topics, heights) = {
        let ((a_topic, a_height), (c_topic, c_height)) = (a_topic?, c_topic?);
        ([a_topic, c_topic], a_height.max(c_height))
    };
    super::once::followed(home, gateway, heights).await?;
    let c_session = c.connect(Some(gateway)).await?;
    let mut sum = 0;
    for (actor, session, topic, start) in [
        (a, a_session, &topics[0], 2_150),
        (&c, &c_session, &topics[1], 47_311),
    ] {
        actor.ledger.have_seen(heights);
        sum += encrypt(actor, session, gateway, &key, topic, start).await?;
    }
    c_session.close().await;
    let text = format!(
        "key {}, {} readings of {} and of {}, 66 bytes each",
        key.0.short(),
        2 * READINGS,
        a.identity.client(),
        c.identity.client()
    );
    Ok((Encrypted { key, topics, sum }, text))
}

/// Registers an open topic and lets `b` have it computed on and read; says since which height.
async fn offered(actor: &Actor, b: &ClientId) -> Result<(TopicName, u64)> {
    let owner = Owner::new(actor.keyring.clone());
    let topic: TopicName = format!("{}load", actor.identity.client().topic_prefix()).parse()?;
    let registered = owner.register(&topic, TopicMode::Open).await?;
    actor.ledger.have_seen(registered.height);
    let terms = GrantTerms {
        rights: Rights::COMPUTE | Rights::READ,
        purpose: "the demo's sum".to_owned(),
        ..GrantTerms::default()
    };
    let granted = owner.grant(&topic, b, terms, None).await?;
    Ok((topic, granted.height))
}

/// Publishes the readings that start with `start`, encrypted; says their sum.
async fn encrypt(
    actor: &Actor,
    session: &Session,
    gateway: &OrgId,
    key: &ComputeKeyId,
    topic: &TopicName,
    start: i64,
) -> Result<i64> {
    let (id, entry) = crate::compute::live_key(&actor.ledger, &KeyName::Id(*key)).await?;
    let scaled: Vec<i64> = (0..READINGS).map(|i| start + i * 17 % 300).collect();
    let spec = &entry.key.readings;
    let readings = scaled
        .iter()
        .map(|value| Reading::from_scaled(*value, spec));
    let readings = readings.collect::<Result<Vec<_>, _>>()?;
    let publisher = publish::publisher(actor, Some(gateway), &id, entry).await?;
    publisher
        .publish(session, topic, Form::Value, readings)
        .await?;
    Ok(scaled.iter().sum())
}

/// B asks for the sum; the result is on the ledger when this ends.
pub async fn asked(b: &Actor, gateway: &OrgId, encrypted: &Encrypted) -> Told<Computed> {
    let service = service(b, Some(gateway))?;
    let input = |topic: &TopicName| JobInput {
        topic: topic.clone(),
        from_ms: 0,
        to_ms: now_ms() + 1,
    };
    let job = ComputeJob {
        version: COMPUTE_VERSION,
        key: encrypted.key,
        function: Function::Sum,
        inputs: encrypted.topics.iter().map(input).collect(),
    };
    let start = Instant::now();
    let id = service.ask(&job).await?;
    let status = service.wait(&id, RESULT_MAX).await?;
    b.ledger.have_seen(status.height.unwrap_or(0));
    let computed = service.result(&b.ledger, &id).await?;
    let bytes: usize = computed.ciphertexts.iter().map(|c| c.len()).sum();
    let text = format!(
        "evaluation {} at height {}, {bytes} encrypted bytes, {} ms after the question",
        computed.evaluation.id().0.short(),
        status.height.unwrap_or(0),
        start.elapsed().as_millis()
    );
    Ok((computed, text))
}

/// A opens the sum, and it is the readings'.
pub async fn opened(a: &Actor, encrypted: &Encrypted, computed: &Computed) -> Told<()> {
    let (entry, key) = crate::compute::on_ledger(a, computed).await?;
    let secret = Store::of(&a.identity)?.secret(&encrypted.key, &PassphraseArgs::default())?;
    let ciphertexts = computed.ciphertexts.clone();
    let opening = tokio::task::spawn_blocking(move || {
        sealwire_compute::open(&secret, &key, &entry.evaluation, &ciphertexts)
    });
    let answer = opening.await??;
    let Value::Sum { sum } = &answer.value else {
        anyhow::bail!("the answer isn't a sum: {answer}");
    };
    ensure!(
        sum.value == i128::from(encrypted.sum),
        "the sum is {}, the devices sent {}",
        sum.value,
        encrypted.sum
    );
    Ok(((), answer.to_string()))
}

/// B computes it again, and finds the same bytes; a changed result is noticed.
pub async fn verified(b: &Actor, gateway: &OrgId, computed: &Computed) -> Told<()> {
    let from = ReadingsFrom {
        gateway: Some(gateway.clone()),
        bundles: Vec::new(),
    };
    let again = crate::compute::again(b, &from, computed).await?;
    let mut changed = computed.clone();
    if let Some(byte) = changed.ciphertexts.first_mut().and_then(|c| c.0.last_mut()) {
        *byte ^= 1;
    }
    ensure!(
        crate::compute::on_ledger(b, &changed).await.is_err(),
        "a changed result wasn't noticed"
    );
    let text = format!(
        "{} messages give the same bytes at {}",
        again.messages,
        b.identity.client().org()
    );
    Ok(((), text))
}

/// Beside the open-ended demo: this machine's load, encrypted, every second, and a standing job that publishes
/// its mean.
pub async fn meter(home: Home, out: Output, client: ClientId) -> Result<()> {
    if !home.client_dir(&client).join("client.key").exists() {
        enrol(&home, &client, EnrolRole::Device, DAYS).await?;
    }
    let actor = Actor::load(&home, &client)?;
    let topic = |name: &str| format!("{}{name}", client.topic_prefix()).parse::<TopicName>();
    let (load, mean) = (topic("load")?, topic("load-mean")?);
    let owner = Owner::new(actor.keyring.clone());
    for topic in [&load, &mean] {
        if actor.ledger.topic(topic).await?.is_none() {
            let registered = owner.register(topic, TopicMode::Open).await?;
            actor.ledger.have_seen(registered.height);
        }
    }
    let key = match actor.ledger.live_compute_keys(&client).await?.as_slice() {
        [key, ..] => *key,
        [] => {
            let (args, passphrase) = (load_key(), PassphraseArgs::default());
            let made = keys::keygen(&actor, SILENT, None, &args, &passphrase, false);
            made.await?.key
        }
    };
    let (id, entry) = crate::compute::live_key(&actor.ledger, &KeyName::Id(key)).await?;
    let spec = entry.key.readings.clone();
    let publisher = publish::publisher(&actor, None, &id, entry).await?;
    standing(&actor, out, key, &load, &mean).await;
    loop {
        let session = match actor.connect(None).await {
            Ok(session) => session,
            Err(error) => {
                out.note(format_args!("{client}: {error:#}"));
                tokio::time::sleep(READING_EVERY).await;
                continue;
            }
        };
        while session.is_live() {
            // Where the system tells no load, there is none to measure.
            let load_now = sysinfo::System::load_average().map_or(0.0, |load| load.one);
            let text = format!("{:.2}", load_now.clamp(0.0, 1000.0));
            let reading = Reading::parse(&text, &spec)?;
            let published = publisher
                .publish(&session, &load, Form::Value, vec![reading])
                .await;
            if let Err(error) = published {
                out.note(format_args!("{client}: {error}"));
            }
            tokio::time::sleep(READING_EVERY).await;
        }
    }
}

/// Sets the standing job up, unless a demo before did.
async fn standing(
    actor: &Actor,
    out: Output,
    key: ComputeKeyId,
    load: &TopicName,
    mean: &TopicName,
) {
    let wanted = StandingJob {
        version: COMPUTE_VERSION,
        key,
        function: Function::Mean,
        topics: vec![load.clone()],
        every_s: EVERY_S,
        over_s: EVERY_S,
        publish: mean.clone(),
    };
    // The gateway may be a block behind the topics.
    let mut last = None;
    for _ in 0..STANDING_ATTEMPTS {
        match set_up(actor, out, &wanted).await {
            Ok(()) => return,
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(FOLLOWS_WITHIN / STANDING_ATTEMPTS).await;
    }
    if let Some(error) = last {
        out.note(format_args!("{}: {error:#}", actor.identity.client()));
    }
}

async fn set_up(actor: &Actor, out: Output, wanted: &StandingJob) -> Result<()> {
    let service = service(actor, None)?;
    if service.standing().await?.is_empty() {
        let standing = service.put_standing(wanted).await?;
        out.note(format_args!(
            "standing job {}: {} has the mean of its encrypted load computed every {EVERY_S} s, to {}",
            standing.0.short(),
            actor.identity.client(),
            wanted.publish
        ));
    }
    Ok(())
}
