//! Tells what the services' events mean: a line each for people, the events themselves with
//! `--json`.

use serde_json::Value;
use tokio::sync::mpsc;

use super::cluster::Event;
use crate::output::Output;

/// Messages are many: they are told in sums, one line for this many.
const MESSAGES_PER_LINE: u64 = 10;

/// Tells everything.
pub async fn aloud(mut events: mpsc::Receiver<Event>, out: Output) {
    let mut messages = 0;
    while let Some(event) = events.recv().await {
        if out.json {
            let mut value = event.value.clone();
            value["part"] = event.part.to_string().into();
            println!("{value}");
            continue;
        }
        if event.name() == "message" {
            messages += 1;
            if messages % MESSAGES_PER_LINE != 1 {
                continue;
            }
        }
        // All validators see every block: one tells of it.
        if let Some(text) = sentence(&event)
            && (event.name() != "block" || event.part.org().as_str() == super::ORGS[0])
        {
            println!("{:<14} {text}", event.part.to_string());
        }
    }
}

/// Tells only what went wrong.
pub async fn quietly(mut events: mpsc::Receiver<Event>, out: Output) {
    while let Some(event) = events.recv().await {
        if matches!(
            event.name(),
            "process-died" | "process-lost" | "ledger_refused"
        ) {
            out.note(format_args!("{}: {}", event.part, event.value));
        }
    }
}

fn sentence(event: &Event) -> Option<String> {
    let value = &event.value;
    let text = |name: &str| match &value[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let short = |name: &str| text(name).chars().take(8).collect::<String>();
    Some(match event.name() {
        "process-started" => format!("started, process {}", text("pid")),
        "process-died" => format!("died ({}), starting it again", text("status")),
        "process-lost" => format!("can't be started: {}", text("error")),
        "started" if !value["link"].is_null() => format!(
            "is at {}: sign in once, within 10 minutes, with\n\n  {}\n\n(Enter makes another link)\n",
            text("console"),
            text("link")
        ),
        "link" => format!(
            "sign in once, within 10 minutes, with\n\n  {}\n",
            text("link")
        ),
        "block" => format!(
            "block {} by {}: {} transactions ({})",
            text("height"),
            text("proposer"),
            text("transactions"),
            text("calls")
        ),
        "logged_in" => {
            format!(
                "{} logged in by {} from {}",
                text("client"),
                text("method"),
                text("address")
            )
        }
        "login_refused" => format!("login refused to {}: {}", text("client"), text("reason")),
        "logged_out" => format!("{} is gone: {}", text("client"), text("reason")),
        "message" => format!(
            "{} published {} encrypted bytes to {} (and so on)",
            text("client"),
            text("bytes"),
            text("topic")
        ),
        "refused" => format!(
            "{} may not {} {}: {}",
            text("client"),
            text("what"),
            text("topic"),
            text("reason")
        ),
        "subscribed" => format!("{} subscribed to {}", text("client"), text("filter")),
        "session_ended" => format!("session of {} ended: {}", text("client"), text("reason")),
        "package_closed" => format!(
            "package {} closed: {} messages of {}",
            short("package"),
            text("count"),
            text("topic")
        ),
        "anchored" => format!(
            "{} package(s) anchored in block {}",
            text("packages"),
            text("height")
        ),
        "events_logged" => {
            format!(
                "{} connection events in block {}",
                text("events"),
                text("height")
            )
        }
        "retrieved" => format!("{} fetched package {}", text("client"), short("package")),
        "retrieval_refused" => format!("fetch refused to {}: {}", text("client"), text("reason")),
        "ledger_refused" => format!("the ledger refused: {}", text("reason")),
        _ => return None,
    })
}
