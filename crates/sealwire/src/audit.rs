//! `sealwire audit …` and `sealwire status`: ask the ledger and the gateways.

use std::{io::Write as _, time::Duration};

use anyhow::Result;
use serde_json::Value;

use sealwire_console::events_csv;
use sealwire_envelope::OrgId;
use sealwire_gateway::AddressKey;

use crate::{
    cli::{Audit, EventsQuery, Format},
    home::Home,
    output::{Output, table, time_text},
    topic::{ledger, percent_encoded},
};

/// How long `status` waits for one answer.
const STATUS_MAX: Duration = Duration::from_secs(2);

/// Runs `sealwire audit`.
///
/// # Errors
/// When no ledger node answers, or it refuses.
pub async fn run(home: &Home, out: Output, command: Audit) -> Result<()> {
    let path = match command {
        Audit::Events(query) => return events(home, out, &query).await,
        Audit::Address { org, address } => return open_address(home, out, &org, &address),
        Audit::Client { client } => format!("/v1/clients/{client}"),
        Audit::Clients { org } => format!("/v1/organisations/{org}/clients"),
        Audit::Gateway { gateway } => {
            let query = EventsQuery::of_gateway(gateway);
            return events(home, out, &query).await;
        }
    };
    let answer = ledger(home)?.get_json(&path).await?;
    out.print(&answer, |answer| {
        let value = answer.get("value").unwrap_or(answer);
        serde_json::to_string_pretty(value).unwrap_or_default()
    });
    Ok(())
}

/// Prints connection events, page by page.
async fn events(home: &Home, out: Output, query: &EventsQuery) -> Result<()> {
    let mut path = "/v1/audit?".to_owned();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            path.push_str(&format!("{name}={}&", percent_encoded(&value)));
        }
    };
    add("client", query.client.as_ref().map(ToString::to_string));
    add("gateway", query.gateway.as_ref().map(ToString::to_string));
    add("kind", query.kind.map(|kind| kind.to_string()));
    add("address", query.address.clone());
    add("from_ms", query.from.map(|s| (s * 1000).to_string()));
    add("to_ms", query.to.map(|s| (s * 1000 + 999).to_string()));
    let path = path.trim_end_matches(['?', '&']);
    let events: Vec<Value> = ledger(home)?.get_all(path).await?;
    match query.format {
        Some(Format::Jsonl) => {
            for event in &events {
                println!("{}", serde_json::to_string(event)?);
            }
        }
        Some(Format::Csv) => std::io::stdout().write_all(&events_csv(&events, true))?,
        None => out.print(&events, |events| events_text(events.iter())),
    }
    Ok(())
}

fn open_address(home: &Home, out: Output, org: &OrgId, address: &str) -> Result<()> {
    let path = home.gateway_dir(org).join(AddressKey::FILE);
    let key = AddressKey::load(&path)?;
    let (opened, recorded) = match address.parse() {
        Ok(plain) => (plain, key.seal(plain)),
        Err(_) => (key.open(address)?, address.to_owned()),
    };
    let document = serde_json::json!({ "address": opened, "recorded": recorded });
    out.print(&document, |_| format!("{opened} is recorded as {recorded}"));
    Ok(())
}

fn events_text<'a>(events: impl Iterator<Item = &'a Value>) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows: Vec<_> = events
        .map(|entry| {
            let event = &entry["event"];
            vec![
                time_text(event["time_ms"].as_u64().unwrap_or_default()),
                text(&event["client"]),
                text(&event["kind"]),
                format!("{}:{}", text(&event["address"]), event["port"]),
                text(&event["topic"]),
                text(&event["reason"]),
                entry["at"]["height"].to_string(),
            ]
        })
        .collect();
    table(
        &[
            "time", "client", "event", "from", "topic", "reason", "height",
        ],
        &rows,
    )
}

/// Runs `sealwire status`.
///
/// # Errors
/// When there is no consortium in this home.
pub async fn status(home: &Home, out: Output) -> Result<()> {
    let http = reqwest::Client::builder().timeout(STATUS_MAX).build()?;
    let mut services = Vec::new();
    for config in home.orgs_here()? {
        for (part, address) in [("node", config.http), ("gateway", config.gateway_http)] {
            let url = format!("http://{address}");
            let answer = match http.get(format!("{url}/v1/status")).send().await {
                Ok(response) => response.json::<Value>().await.ok(),
                Err(_) => None,
            };
            services.push(serde_json::json!({
                "org": config.org, "part": part, "url": url, "up": answer.is_some(),
                "status": answer,
            }));
        }
    }
    out.print(&services, |services| {
        let rows: Vec<_> = services.iter().map(service_row).collect();
        table(
            &["organisation", "part", "address", "state", "height"],
            &rows,
        )
    });
    Ok(())
}

fn service_row(service: &Value) -> Vec<String> {
    let text = |name: &str| service[name].as_str().unwrap_or_default().to_owned();
    let height = &service["status"]["height"];
    vec![
        text("org"),
        text("part"),
        text("url"),
        if service["up"] == true { "up" } else { "away" }.to_owned(),
        if height.is_null() {
            "-".to_owned()
        } else {
            height.to_string()
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_quotes_and_never_makes_formulas() {
        let event = serde_json::json!({
            "gateway": "acme.gateway", "at": { "height": 7, "time_ms": 9 },
            "event": {
                "client": "acme.press", "kind": "connected", "time_ms": 8, "address": "192.0.2.7",
                "port": 1, "protocol_version": 5, "keep_alive_s": 60, "clean_start": true,
                "properties": [], "topic": null, "reason": "=1+1, \"quoted\"", "grant": null,
                "height": 6,
            },
        });
        let text = String::from_utf8(events_csv(&[event], true)).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].split(',').count(), 16);
        assert_eq!(
            lines[1],
            "8,acme.press,connected,acme.gateway,192.0.2.7,1,5,60,true,[],,\"'=1+1, \"\"quoted\"\"\",,6,7,9"
        );
    }
}
