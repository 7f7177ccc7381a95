//! The questions of `sealwire topic …`: who may what and why, now, then, and supposing.

use anyhow::Result;
use sealwire_client::explain::{Action, Explained, decide};
use sealwire_contracts::keys::StateKey;
use serde_json::{Value, json};

use super::{ledger, percent_encoded};
use crate::{
    cli::Topic,
    home::Home,
    output::{Output, table, time_text},
};

pub(super) async fn run(home: &Home, out: Output, question: Topic) -> Result<()> {
    let ledger = ledger(home)?;
    match question {
        Topic::Explain {
            client,
            action,
            topic,
            at,
        } => {
            let action = Action::parse(&action, topic.as_deref())?;
            let explained = decide(&ledger, &client, &action, at).await?;
            let document = json!({
                "decision": explained.decision,
                "height": explained.height,
                "time_ms": explained.time_ms,
                "proven_at": explained.proven_at,
                "entries": explained.entries,
            });
            out.print(&document, |_| explained_text(&explained));
        }
        Topic::Simulate {
            client,
            action,
            topic,
            filter,
            terms,
        } => {
            let terms = terms.terms();
            let mut path = format!(
                "/v1/simulate?client={client}&action={action}&topic={}&filter={}&rights={}",
                percent_encoded(topic.as_str()),
                percent_encoded(filter.unwrap_or(topic).as_str()),
                percent_encoded(&terms.rights.to_string()),
            );
            if let Some(expires_s) = terms.expires_s {
                path.push_str(&format!("&expires_s={expires_s}"));
            }
            let answer = ledger.get_json(&path).await?;
            out.print(&answer, |answer| {
                format!(
                    "now: {}\nwith the grant: {}",
                    verdict(&answer["value"]["now"]["reason"]),
                    verdict(&answer["value"]["supposed"]["reason"])
                )
            });
        }
        Topic::Show { topic } => {
            let path = format!("/v1/topics/{topic}");
            let answer = ledger.get_json(&path).await?;
            out.print(&answer, |a| {
                serde_json::to_string_pretty(a).unwrap_or_default()
            });
        }
        Topic::List { owner } => {
            let path = format!("/v1/clients/{owner}/topics");
            let topics: Vec<Value> = ledger.get_all(&path).await?;
            out.print(&topics, |topics| topics_text(topics));
        }
        Topic::Requests { owner, all } => {
            let path = format!("/v1/clients/{owner}/requests");
            let mut requests: Vec<Value> = ledger.get_all(&path).await?;
            requests.retain(|request| all || request["request"]["answer"].is_null());
            out.print(&requests, |requests| requests_text(requests));
        }
        Topic::Grants { client, all } => {
            let direct = format!("/v1/clients/{client}/grants");
            let wide = format!("/v1/clients/{client}/filters");
            let mut grants: Vec<Value> = ledger.get_all(&direct).await?;
            grants.extend(ledger.get_all::<Value>(&wide).await?);
            let now_s = crate::process::now_ms() / 1000;
            let ended = |grant: &Value| {
                !grant["revoked"].is_null()
                    || grant["expires_s"].as_u64().is_some_and(|end| end <= now_s)
            };
            grants.retain(|record| all || !ended(&record["grant"]));
            out.print(&grants, |grants| grants_text(grants));
        }
        other => unreachable!("not a question: {other:?}"),
    }
    Ok(())
}

fn verdict(reason: &Value) -> String {
    let word = if reason["allowed"] == true {
        "allowed"
    } else {
        "denied"
    };
    format!("{word}: {}", reason["text"].as_str().unwrap_or_default())
}

fn explained_text(explained: &Explained) -> String {
    let decision = &explained.decision;
    let word = if decision.is_allowed() {
        "allowed"
    } else {
        "denied"
    };
    let mut lines = vec![format!("{word}: {}", decision.reason)];
    if let Some(certificate) = &decision.certificate {
        let role = decision.role.map(|role| format!(" ({role})"));
        lines.push(format!(
            "certificate: {certificate}{}",
            role.unwrap_or_default()
        ));
    }
    if let Some(topic) = &decision.topic {
        lines.push(format!(
            "topic: owned by {}, key epoch {}",
            topic.owner, topic.epoch
        ));
    }
    if let Some(grant) = &decision.grant {
        let until = grant.expires_s.map_or("until revoked".to_owned(), |end| {
            format!("until {}", time_text(end * 1000))
        });
        lines.push(format!(
            "grant: {} {until}, granted at height {}{}",
            grant.rights,
            grant.granted.height,
            match grant.purpose.as_str() {
                "" => String::new(),
                purpose => format!(", for {purpose}"),
            }
        ));
    }
    lines.push(format!(
        "height: {} ({}), proven by {} entries at height {}:",
        explained.height,
        time_text(explained.time_ms),
        explained.entries.len(),
        explained.proven_at
    ));
    for entry in &explained.entries {
        let found = if entry.value.is_some() {
            ""
        } else {
            " (absent)"
        };
        lines.push(format!("  {}{found}", key_text(&entry.key)));
    }
    lines.join("\n")
}

/// A state key for people.
fn key_text(key: &[u8]) -> String {
    match StateKey::parse(key) {
        Ok(StateKey::Certificate(id)) => format!("certificate {id}"),
        Ok(StateKey::History { height, key }) => {
            format!("before height {height}: {}", key_text(&key.to_bytes()))
        }
        _ => String::from_utf8_lossy(key).into_owned(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn topics_text(topics: &[Value]) -> String {
    let rows: Vec<_> = topics
        .iter()
        .map(|record| {
            let topic = &record["topic"];
            let state = if topic["closed"].is_null() {
                "open for use"
            } else {
                "closed"
            };
            vec![
                text(&record["name"]),
                text(&topic["mode"]),
                text(&topic["epoch"]),
                state.to_owned(),
            ]
        })
        .collect();
    table(&["topic", "mode", "epoch", "state"], &rows)
}

fn requests_text(requests: &[Value]) -> String {
    let rows: Vec<_> = requests
        .iter()
        .map(|record| {
            let request = &record["request"];
            let answer = match &request["answer"] {
                Value::Null => "open".to_owned(),
                answer => {
                    let word = if answer["granted"] == true {
                        "granted"
                    } else {
                        "denied"
                    };
                    format!("{word} {}", answer["note"].as_str().unwrap_or_default())
                }
            };
            vec![
                text(&record["requester"]),
                text(&record["filter"]),
                text(&request["terms"]["rights"]),
                text(&request["terms"]["purpose"]),
                answer,
            ]
        })
        .collect();
    table(&["who", "on", "asks for", "purpose", "answer"], &rows)
}

fn grants_text(grants: &[Value]) -> String {
    let rows: Vec<_> = grants
        .iter()
        .map(|record| {
            let (grant, on) = (&record["grant"], &record["topic"]);
            let on = if on.is_null() { &record["filter"] } else { on };
            let state = if grant["revoked"].is_null() {
                grant["expires_s"]
                    .as_u64()
                    .map_or("until revoked".to_owned(), |end| {
                        format!("until {}", time_text(end * 1000))
                    })
            } else {
                format!("revoked at height {}", grant["revoked"]["height"])
            };
            vec![
                text(on),
                text(&grant["rights"]),
                state,
                text(&grant["purpose"]),
            ]
        })
        .collect();
    table(&["on", "rights", "state", "purpose"], &rows)
}
