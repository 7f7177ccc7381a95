//! Connection events: what they look like, and their export.
//!
//! Pages of events come through the pass-through (`/api/ledger/v1/audit`). The export is all that match, as
//! CSV or as one JSON document per line, page by page while it is sent: nothing is held but one page. It ends
//! early, without its last line, when the ledger goes away.

use std::{convert::Infallible, fmt::Write as _};

use axum::{
    body::{Body, Bytes},
    extract::{Extension, Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use futures::{StreamExt as _, stream};
use sealwire_envelope::ConnectionEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{App, problem::Problem, session::Caller, upstream::percent_encoded};

/// Events on a page of the export.
const PAGE: usize = 1_000;

/// A gateway's record of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct EventView {
    /// Who; as claimed, when the login was refused.
    pub(crate) client: String,
    /// What, for instance `connected`.
    pub(crate) kind: String,
    /// When, milliseconds since 1970, by the gateway's clock.
    pub(crate) time_ms: u64,
    /// From which address, as the gateway wrote it.
    pub(crate) address: String,
    /// From which port.
    pub(crate) port: u16,
    /// 4: MQTT 3.1.1, 5: MQTT 5.0.
    pub(crate) protocol_version: u8,
    /// Keep alive, seconds.
    pub(crate) keep_alive_s: u16,
    /// Clean start.
    pub(crate) clean_start: bool,
    /// User properties of the CONNECT packet.
    pub(crate) properties: Vec<PropertyView>,
    /// Topic or filter, where it is about one.
    pub(crate) topic: Option<String>,
    /// Why, in words; empty where there is nothing to say.
    pub(crate) reason: String,
    /// State key of the grant that decided, hexadecimal.
    pub(crate) grant: Option<String>,
    /// Height whose state decided.
    pub(crate) height: u64,
}

/// An MQTT user property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PropertyView {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
}

impl From<&ConnectionEvent> for EventView {
    fn from(event: &ConnectionEvent) -> Self {
        let properties = event.properties.iter();
        Self {
            client: event.client.to_string(),
            kind: event.kind.to_string(),
            time_ms: event.time_ms,
            address: event.address.clone(),
            port: event.port,
            protocol_version: event.protocol_version,
            keep_alive_s: event.keep_alive_s,
            clean_start: event.clean_start,
            properties: properties
                .map(|it| PropertyView {
                    name: it.name.clone(),
                    value: it.value.clone(),
                })
                .collect(),
            topic: event.topic.clone(),
            reason: event.reason.clone(),
            grant: event.grant.as_ref().map(|key| hex::encode(key.as_ref())),
            height: event.height,
        }
    }
}

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// RFC 4180, with a head line.
    Csv,
    /// One JSON document per line.
    Jsonl,
}

/// Which events, and how.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct Export {
    /// `csv` or `jsonl`.
    #[param(inline)]
    format: Format,
    /// About this client.
    client: Option<String>,
    /// Seen by this gateway.
    gateway: Option<String>,
    /// Of this kind, for instance `connect-refused`.
    kind: Option<String>,
    /// From this address, as the gateway wrote it.
    address: Option<String>,
    /// At this time or later, Unix milliseconds.
    from_ms: Option<u64>,
    /// At this time or earlier, Unix milliseconds.
    to_ms: Option<u64>,
}

impl Export {
    fn target(&self) -> String {
        let mut target = format!("/v1/audit?limit={PAGE}");
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                let _ = write!(target, "&{name}={}", percent_encoded(value));
            }
        };
        add("client", self.client.as_deref());
        add("gateway", self.gateway.as_deref());
        add("kind", self.kind.as_deref());
        add("address", self.address.as_deref());
        add("from_ms", self.from_ms.map(|it| it.to_string()).as_deref());
        add("to_ms", self.to_ms.map(|it| it.to_string()).as_deref());
        target
    }
}

#[derive(Deserialize)]
struct Page {
    value: Vec<Value>,
    next: Option<String>,
}

/// The connection events that match, as a file.
#[utoipa::path(
    get, path = "/api/audit/export", tag = "audit", params(Export),
    responses(
        (status = 200, description = "All that match, as a file", content_type = "text/csv", body = String),
        (status = 400, description = "Bad argument", body = Problem),
    )
)]
pub(crate) async fn export(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Export>,
) -> Result<Response, Problem> {
    let permit = app.streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("busy", "too many exports: try again"))?;
    let target = asked.target();
    tracing::info!(client = %caller.session.client, target, "events are exported");
    // The first page before the answer begins: what is wrong with the question shows here.
    let first: Page = app.upstream.json(&target).await?;
    let format = asked.format;
    let pages = stream::unfold(
        (app, permit, target, Some(first), true),
        move |(app, permit, target, page, begins)| async move {
            let page = page?;
            let text = text(&page.value, format, begins);
            let next = match page.next {
                None => None,
                Some(next) => {
                    let asked: Result<Page, _> =
                        app.upstream.json(&format!("{target}&after={next}")).await;
                    asked
                        .inspect_err(|problem| {
                            tracing::warn!(detail = problem.detail, "an export ends early");
                        })
                        .ok()
                }
            };
            let chunk = Ok::<_, Infallible>(Bytes::from(text));
            Some((chunk, (app, permit, target, next, false)))
        },
    );
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "events.csv"),
        Format::Jsonl => ("application/jsonl", "events.jsonl"),
    };
    // Compression asks once more after the end.
    let mut response = Body::from_stream(pages.fuse()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let disposition = format!("attachment; filename=\"{name}\"");
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// The columns of a CSV export, and where each is in an event entry.
const COLUMNS: [(&str, &str); 16] = [
    ("time_ms", "/event/time_ms"),
    ("client", "/event/client"),
    ("kind", "/event/kind"),
    ("gateway", "/gateway"),
    ("address", "/event/address"),
    ("port", "/event/port"),
    ("protocol_version", "/event/protocol_version"),
    ("keep_alive_s", "/event/keep_alive_s"),
    ("clean_start", "/event/clean_start"),
    ("properties", "/event/properties"),
    ("topic", "/event/topic"),
    ("reason", "/event/reason"),
    ("grant", "/event/grant"),
    ("decided_at_height", "/event/height"),
    ("recorded_at_height", "/at/height"),
    ("recorded_at_ms", "/at/time_ms"),
];

fn text(events: &[Value], format: Format, begins: bool) -> Vec<u8> {
    match format {
        Format::Jsonl => {
            let lines = events.iter().map(|event| format!("{event}\n"));
            lines.collect::<String>().into_bytes()
        }
        Format::Csv => events_csv(events, begins),
    }
}

/// Event entries, as the ledger's queries give them, as CSV (RFC 4180): one line each, with a head line where it
/// `begins`. What a spreadsheet would take for a formula is made text.
pub fn events_csv(events: &[Value], begins: bool) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory can't fail.
    if begins {
        let _ = writer.write_record(COLUMNS.map(|(name, _)| name));
    }
    for event in events {
        let _ = writer.write_record(COLUMNS.map(|(_, place)| match event.pointer(place) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => unformulaic(text),
            Some(other) => other.to_string(),
        }));
    }
    writer.into_inner().unwrap_or_default()
}

/// A spreadsheet takes a cell that begins like this for a formula, and clients choose some of these
/// texts: a leading apostrophe makes it text.
fn unformulaic(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
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
        let whole = text(std::slice::from_ref(&event), Format::Csv, true);
        let whole = String::from_utf8(whole).unwrap();
        let lines: Vec<_> = whole.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].split(',').count(), COLUMNS.len());
        assert_eq!(
            lines[1],
            "8,acme.press,connected,acme.gateway,192.0.2.7,1,5,60,true,[],,\"'=1+1, \"\"quoted\"\"\",,6,7,9"
        );
        let more = text(std::slice::from_ref(&event), Format::Csv, false);
        assert_eq!(String::from_utf8(more).unwrap().lines().count(), 1);
        let lines = text(&[event.clone(), event], Format::Jsonl, true);
        assert_eq!(String::from_utf8(lines).unwrap().lines().count(), 2);
    }
}
