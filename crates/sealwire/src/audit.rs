//! `sealwire audit …` and `sealwire status`: ask the ledger and the gateways.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::{
    cli::Audit,
    home::Home,
    output::{Output, table, time_text},
    topic::ledger,
};

/// How long `status` waits for one answer.
const STATUS_MAX: Duration = Duration::from_secs(2);

/// Runs `sealwire audit`.
///
/// # Errors
/// When no ledger node answers, or it refuses.
pub async fn run(home: &Home, out: Output, command: Audit) -> Result<()> {
    let path = match &command {
        Audit::Client { client } => format!("/v1/clients/{client}"),
        Audit::Clients { org } => format!("/v1/organisations/{org}/clients"),
        Audit::Events { client, kind: None } => format!("/v1/clients/{client}/events"),
        Audit::Events {
            client,
            kind: Some(kind),
        } => {
            format!("/v1/clients/{client}/events?kind={kind}")
        }
        Audit::Gateway { gateway } => format!("/v1/gateways/{gateway}/events"),
    };
    let answer = ledger(home)?.get_json(&path).await?;
    out.print(&answer, |answer| {
        let value = answer.get("value").unwrap_or(answer);
        match &command {
            Audit::Events { .. } => events_text(value.as_array().into_iter().flatten()),
            Audit::Gateway { .. } => {
                let batches = value.as_array().into_iter().flatten();
                events_text(batches.flat_map(|b| b["events"].as_array().into_iter().flatten()))
            }
            _ => serde_json::to_string_pretty(value).unwrap_or_default(),
        }
    });
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
