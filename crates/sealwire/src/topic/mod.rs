//! `sealwire topic …`: register, grant, ask, hand over, close; and the questions in [`ask`].

mod ask;

use anyhow::{Context as _, Result};
use sealwire_client::{Identity, Ledger, ledger::Applied, owner::Owner};
use sealwire_contracts::entry::RequestEntry;
use sealwire_envelope::{ClientId, GrantTerms, TopicFilter, TopicMode};
use serde_json::json;

use crate::{
    actor::Actor,
    cli::{self, TermsArgs, Topic},
    home::Home,
    output::Output,
    process::now_ms,
};

pub const DAY_S: u64 = 86_400;

impl TermsArgs {
    /// The terms, from now on.
    pub fn terms(&self) -> GrantTerms {
        let until = |days| now_ms() / 1000 + u64::from(days) * DAY_S;
        GrantTerms {
            rights: self.rights,
            expires_s: self.days.map(until),
            from_s: self.from_time,
            to_s: self.to_time,
            purpose: self.purpose.clone(),
        }
    }
}

fn owner(home: &Home, actor: &cli::Actor) -> Result<Owner> {
    Ok(Owner::new(Actor::load(home, &actor.client)?.keyring))
}

/// Runs the command.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Topic) -> Result<()> {
    match command {
        Topic::Register { actor, topic, open } => {
            let mode = if open {
                TopicMode::Open
            } else {
                TopicMode::Sealed
            };
            let applied = owner(home, &actor)?.register(&topic, mode).await?;
            let text = format!("{topic} belongs to {}", actor.client);
            said(out, &topic, &applied, text);
        }
        Topic::Grant {
            actor,
            topic,
            to,
            terms,
            note,
        } => {
            let applied = grant(&owner(home, &actor)?, &topic, &to, terms.terms(), note).await?;
            said(
                out,
                &topic,
                &applied,
                format!("{to} may {} on {topic}", terms.rights),
            );
        }
        Topic::Revoke { actor, topic, from } => {
            let applied = revoke(home, &actor, &topic, &from).await?;
            let text = format!("{from} has no right on {topic} any more");
            said(out, &topic, &applied, text);
        }
        Topic::Request {
            actor,
            topic,
            terms,
        } => {
            let applied = owner(home, &actor)?.request(&topic, terms.terms()).await?;
            said(
                out,
                &topic,
                &applied,
                format!("{} asks for {} on {topic}", actor.client, terms.rights),
            );
        }
        Topic::Approve {
            actor,
            topic,
            to,
            note,
        } => {
            let owner = owner(home, &actor)?;
            let request = open_request(home, &actor.client, &to, &topic).await?;
            let rights = request.terms.rights;
            let applied = grant(&owner, &topic, &to, request.terms, note).await?;
            said(
                out,
                &topic,
                &applied,
                format!("{to} may {rights} on {topic}, as it asked"),
            );
        }
        Topic::Deny {
            actor,
            topic,
            to,
            note,
        } => {
            let applied = owner(home, &actor)?.deny(&topic, &to, &note).await?;
            said(
                out,
                &topic,
                &applied,
                format!("{to} gets nothing on {topic}"),
            );
        }
        Topic::Offer { actor, topic, to } => match to {
            Some(to) => {
                let offer = owner(home, &actor)?.offer(&topic, &to).await?;
                let text = format!(
                    "{topic} is on offer to {to}, with {} keys: `sealwire topic accept --as {to} {topic}`; offered",
                    offer.keys
                );
                said(out, &topic, &offer.applied, text);
            }
            None => {
                let applied = owner(home, &actor)?.withdraw_offer(&topic).await?;
                said(
                    out,
                    &topic,
                    &applied,
                    format!("{topic} is on offer to nobody"),
                );
            }
        },
        Topic::Accept { actor, topic } => {
            let applied = owner(home, &actor)?.accept(&topic).await?;
            said(
                out,
                &topic,
                &applied,
                format!("{topic} belongs to {}", actor.client),
            );
        }
        Topic::Close {
            actor,
            topic,
            reason,
        } => {
            let applied = owner(home, &actor)?.close(&topic, &reason).await?;
            said(out, &topic, &applied, format!("{topic} is closed"));
        }
        Topic::Rotate { actor, topic } => {
            let applied = owner(home, &actor)?.rotate(&topic).await?;
            said(out, &topic, &applied, format!("{topic} has a new key"));
        }
        Topic::Tend { actor } => tend(out, &owner(home, &actor)?).await?,
        question => ask::run(home, out, question).await?,
    }
    Ok(())
}

async fn grant(
    owner: &Owner,
    topic: &TopicFilter,
    to: &ClientId,
    terms: GrantTerms,
    note: Option<String>,
) -> Result<Applied> {
    Ok(match topic.to_name() {
        Some(name) => owner.grant(&name, to, terms, note).await?,
        None => owner.grant_filter(topic, to, terms, note).await?,
    })
}

async fn revoke(
    home: &Home,
    actor: &cli::Actor,
    topic: &TopicFilter,
    from: &ClientId,
) -> Result<Applied> {
    let owner = owner(home, actor)?;
    Ok(match topic.to_name() {
        Some(name) => owner.revoke(&name, from).await?,
        None => owner.revoke_filter(topic, from).await?,
    })
}

/// The request that is to be approved, proven.
async fn open_request(
    home: &Home,
    owner: &ClientId,
    requester: &ClientId,
    topic: &TopicFilter,
) -> Result<RequestEntry> {
    let request = ledger(home)?.request(owner, requester, topic).await?;
    request
        .filter(|request| request.answer.is_none())
        .with_context(|| {
            format!(
                "{requester} has no open request for {topic}: list them with \
                 `sealwire topic requests {owner}`"
            )
        })
}

async fn tend(out: Output, owner: &Owner) -> Result<()> {
    let done = owner.tend().await?;
    out.print(&done, |done| {
        if done.is_empty() {
            return "every key is in order".to_owned();
        }
        let lines = done.iter().map(|tended| {
            let rotated = tended
                .rotated
                .map(|epoch| format!(" new key (epoch {epoch});"))
                .unwrap_or_default();
            format!(
                "{}:{rotated} sealed to {} clients, {} authorisation keys",
                tended.topic,
                tended.clients.len(),
                tended.authorisations.len()
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

fn said(out: Output, topic: &dyn std::fmt::Display, applied: &Applied, text: String) {
    let document = json!({
        "topic": topic.to_string(), "transaction": applied.id, "height": applied.height,
    });
    out.print(&document, |_| {
        format!("{text} since height {}", applied.height)
    });
}

/// A client of the home's ledger nodes. Other organisations' nodes answer members: they are asked as the
/// operator of the first organisation that has one here.
///
/// # Errors
/// When no organisation is in this home.
pub fn ledger(home: &Home) -> Result<Ledger> {
    let urls = home.ledger_urls(None)?;
    let configs = home.orgs_here()?;
    let mut operators = configs.iter().filter_map(|config| {
        let dir = home.operator_dir(&config.org);
        Identity::load(&dir, None).ok()
    });
    Ok(match operators.next() {
        Some(operator) => Ledger::asked_by(&urls, &operator)?,
        None => Ledger::new(&urls, Some(std::sync::Arc::new(home.genesis()?)))?,
    })
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
