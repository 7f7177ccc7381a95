//! `sealwire device …`: enrol and revoke; log in, publish and subscribe as a client.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use sealwire_client::{
    Identity,
    mqtt::{QoS, ReceiveError, Session},
    operator, token,
};
use sealwire_envelope::{CertId, ClientId, TopicFilter, TopicName, login::TOKEN_MAX_LIFE_S};
use sealwire_sm::{Role, SecretKey};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    actor::Actor,
    certificate,
    cli::{At, Cert, Device, EnrolRole, Which},
    home::{self, Home},
    init::{OPERATOR, certify, peers_for},
    output::Output,
    process::{now_ms, until_stopped},
    topic::DAY_S,
};

/// Runs the command.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Device) -> Result<()> {
    match command {
        Device::Enrol { client, role, days } => {
            let enrolled = enrol(home, &client, role, days).await?;
            out.print(&enrolled, |e| {
                format!(
                    "{} is enrolled as {}: certificate {} at height {}\nkey and certificate in {}",
                    e.client, e.role, e.certificate, e.height, e.home
                )
            });
            Ok(())
        }
        Device::Revoke { client, reason } => {
            let which = Which::Client(client);
            let command = Cert::Revoke { which, reason };
            certificate::run(home, out, command).await
        }
        Device::Token { actor, at, life_s } => token_for(home, out, &actor.client, &at, life_s),
        Device::Publish {
            actor,
            at,
            topic,
            message,
            content_type,
            qos,
        } => {
            let qos = match qos {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                other => bail!("--qos is 0 or 1, not {other}"),
            };
            let posting = Posting {
                topic,
                content_type,
                qos,
            };
            publish(
                &Actor::load(home, &actor.client)?,
                out,
                &at,
                &posting,
                message,
            )
            .await
        }
        Device::Subscribe {
            actor,
            at,
            topic,
            count,
        } => subscribe(&Actor::load(home, &actor.client)?, out, &at, &topic, count).await,
    }
}

/// What enrolling made.
#[derive(Debug, Serialize)]
pub struct Enrolled {
    /// Who.
    pub client: ClientId,
    /// As what.
    pub role: Role,
    /// Its certificate.
    pub certificate: CertId,
    /// The block that issued it.
    pub height: u64,
    /// Where its key is.
    pub home: String,
}

/// Makes a client's key, issues its certificate and registers it.
///
/// # Errors
/// When the organisation's keys aren't here, the client exists, or the ledger refuses.
pub async fn enrol(home: &Home, client: &ClientId, role: EnrolRole, days: u32) -> Result<Enrolled> {
    let org = client.org();
    let dir = home.client_dir(client);
    ensure!(
        !dir.join("client.key").exists(),
        "{client} is enrolled already: its key is in {}",
        dir.display()
    );
    let role = match role {
        EnrolRole::Device => Role::Device,
        EnrolRole::User => Role::User,
    };
    let (root_key, root) = home::read_root(&home.org(&org))?;
    let staff = Actor::load(home, &ClientId::new(&org, OPERATOR)?)?;
    let key = SecretKey::generate(&mut rand::rng());
    let certificate = certify(
        &root_key,
        &root,
        client,
        role,
        key.public_key(),
        now_ms() / 1000,
        u64::from(days) * DAY_S,
    )?;
    let applied = operator::register(&staff.ledger, &staff.identity, &certificate).await?;
    let peers = peers_for(&home.orgs_here()?, &org);
    let genesis = Arc::new(home.genesis()?);
    let identity = Identity::create(&dir, key, certificate, genesis, peers, None)?;
    Ok(Enrolled {
        client: client.clone(),
        role,
        certificate: identity.certificate_id(),
        height: applied.height,
        home: dir.display().to_string(),
    })
}

fn token_for(home: &Home, out: Output, client: &ClientId, at: &At, life_s: u64) -> Result<()> {
    ensure!(
        (1..=TOKEN_MAX_LIFE_S).contains(&life_s),
        "a token lives 1 to {TOKEN_MAX_LIFE_S} s: say another --life-s"
    );
    let actor = Actor::load(home, client)?;
    let gateway = actor.gateway(at.gateway.as_ref())?;
    let token = token::create(
        &actor.identity,
        &gateway.client,
        Duration::from_secs(life_s),
    );
    let document = serde_json::json!({
        "client": client, "gateway": gateway.client, "mqtt": gateway.mqtt, "token": token,
    });
    out.print(&document, |_| token.clone());
    Ok(())
}

/// How messages are published.
struct Posting {
    topic: TopicName,
    content_type: String,
    qos: QoS,
}

async fn publish(
    actor: &Actor,
    out: Output,
    at: &At,
    posting: &Posting,
    message: Option<String>,
) -> Result<()> {
    let connected = actor.connect(at.gateway.as_ref());
    let (session, ()) = tokio::join!(connected, certificate::warn(actor, out));
    let session = session?;
    if let Some(message) = message {
        publish_one(&session, out, posting, &message).await?;
    } else {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await.context("standard input")? {
            publish_one(&session, out, posting, &line).await?;
        }
    }
    session.close().await;
    Ok(())
}

async fn publish_one(
    session: &Session,
    out: Output,
    posting: &Posting,
    content: &str,
) -> Result<()> {
    let Posting {
        topic,
        content_type,
        qos,
    } = posting;
    let delivery = session
        .send(topic, content_type, content.as_bytes(), *qos)
        .await?;
    let sequence = delivery.confirmed().await?.map(|header| header.sequence);
    let document = serde_json::json!({ "topic": topic, "sequence": sequence });
    out.line(&document, |_| match sequence {
        Some(sequence) => format!("published to {topic}, sequence {sequence}"),
        None => format!("published to {topic}"),
    });
    Ok(())
}

async fn subscribe(
    actor: &Actor,
    out: Output,
    at: &At,
    filter: &TopicFilter,
    count: Option<u64>,
) -> Result<()> {
    let connected = actor.connect(at.gateway.as_ref());
    let (session, ()) = tokio::join!(connected, certificate::warn(actor, out));
    let session = session?;
    let mut subscription = session.subscribe(filter).await?;
    out.note(format_args!("subscribed to {filter}; Ctrl-C ends it"));
    let stopped = until_stopped(false);
    tokio::pin!(stopped);
    let mut received = 0;
    while count.is_none_or(|count| received < count) {
        let next = tokio::select! {
            next = subscription.next() => next,
            result = &mut stopped => {
                result?;
                break;
            }
        };
        match next {
            Some(Ok(message)) => {
                received += 1;
                let text = String::from_utf8_lossy(&message.content).into_owned();
                let document = serde_json::json!({
                    "topic": message.topic,
                    "sender": message.header.as_ref().map(|h| h.sender.to_string()),
                    "sequence": message.header.as_ref().map(|h| h.sequence),
                    "content_type": message.content_type,
                    "content": text,
                });
                out.line(&document, |_| format!("{} {text}", message.topic));
            }
            Some(Err(error @ ReceiveError::Unreadable { .. })) => out.note(error),
            Some(Err(error)) => return Err(error.into()),
            None => break,
        }
    }
    session.close().await;
    Ok(())
}
