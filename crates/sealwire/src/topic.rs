//! `sealwire topic …`: register, grant, revoke, explain, show.

use anyhow::{Result, bail};
use sealwire_client::{
    Ledger,
    ledger::Applied,
    owner::{Owner, Terms},
};
use sealwire_envelope::{TopicMode, TopicName};

use crate::{actor::Actor, cli::Topic, home::Home, output::Output, process::now_ms};

const DAY_S: u64 = 86_400;

/// Runs the command.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Topic) -> Result<()> {
    match command {
        Topic::Register { actor, topic, open } => {
            let owner = Owner::new(Actor::load(home, &actor.client)?.keyring);
            let mode = if open {
                TopicMode::Open
            } else {
                TopicMode::Sealed
            };
            let applied = owner.register(&topic, mode).await?;
            said(
                out,
                &topic,
                &applied,
                format!("{topic} belongs to {}", actor.client),
            );
        }
        Topic::Grant {
            actor,
            topic,
            to,
            rights,
            days,
            purpose,
        } => {
            let owner = Owner::new(Actor::load(home, &actor.client)?.keyring);
            let expires_s = days.map(|days| now_ms() / 1000 + u64::from(days) * DAY_S);
            let terms = Terms {
                rights,
                expires_s,
                purpose,
                ..Terms::default()
            };
            let applied = owner.grant(&topic, &to, terms).await?;
            said(
                out,
                &topic,
                &applied,
                format!("{to} may {rights} on {topic}"),
            );
        }
        Topic::Revoke { actor, topic, from } => {
            let owner = Owner::new(Actor::load(home, &actor.client)?.keyring);
            let applied = owner.revoke(&topic, &from).await?;
            said(
                out,
                &topic,
                &applied,
                format!("{from} has no right on {topic} any more"),
            );
        }
        Topic::Explain {
            client,
            action,
            topic,
        } => {
            let mut path = format!("/v1/explain?client={client}&action={action}");
            match (&topic, action.as_str()) {
                (None, "connect") => {}
                (None, other) => bail!("say on which topic {client} shall {other}"),
                (Some(topic), _) => path.push_str(&format!("&topic={}", percent_encoded(topic))),
            }
            let answer = ledger(home)?.get_json(&path).await?;
            out.print(&answer, explain_text);
        }
        Topic::Show { topic } => {
            let path = format!("/v1/topics/{topic}");
            let answer = ledger(home)?.get_json(&path).await?;
            out.print(&answer, |a| {
                serde_json::to_string_pretty(a).unwrap_or_default()
            });
        }
    }
    Ok(())
}

fn said(out: Output, topic: &TopicName, applied: &Applied, text: String) {
    let document = serde_json::json!({
        "topic": topic, "transaction": applied.id, "height": applied.height,
    });
    out.print(&document, |_| {
        format!("{text} since height {}", applied.height)
    });
}

/// A client of the home's ledger nodes.
///
/// # Errors
/// When no organisation is in this home.
pub fn ledger(home: &Home) -> Result<Ledger> {
    let genesis = std::sync::Arc::new(home.genesis()?);
    Ok(Ledger::new(&home.ledger_urls(None)?, Some(genesis))?)
}

/// A query value, percent-encoded (RFC 3986 §2.1).
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

fn explain_text(answer: &serde_json::Value) -> String {
    // An answer that carries proofs has the decision inside.
    let decision = answer.get("value").unwrap_or(answer);
    let reason = &decision["reason"];
    let verdict = if reason["allowed"] == true {
        "allowed"
    } else {
        "denied"
    };
    let mut lines = vec![format!(
        "{verdict}: {}",
        reason["text"].as_str().unwrap_or_default()
    )];
    for (label, field) in [
        ("certificate", "certificate"),
        ("grant", "grant_key"),
        ("height", "height"),
    ] {
        match &decision[field] {
            serde_json::Value::Null => {}
            serde_json::Value::String(value) => lines.push(format!("{label}: {value}")),
            value => lines.push(format!("{label}: {value}")),
        }
    }
    lines.join("\n")
}
