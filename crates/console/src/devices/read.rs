//! Reading the index from the ledger, and keeping it as the ledger is.

use std::{collections::BTreeSet, sync::PoisonError, time::Duration};

use sealwire_envelope::{CertId, ClientId};
use sealwire_sm::Role;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::Known;
use crate::{App, audit::EventView, problem::Problem, upstream::percent_encoded};

/// Clients that are read at a time: the most that a node gives.
const READ_PAGE: usize = 1_000;
/// Records of connections that are read at the start, of each gateway.
const EVENTS_READ_MAX: usize = 5_000;
/// The whole is read anew at most so often.
const ANEW_EVERY: Duration = Duration::from_secs(30);
/// Pause after reading failed.
const AGAIN: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Moment {
    time_ms: u64,
}

#[derive(Deserialize)]
struct Suspension {
    until: Option<Value>,
}

#[derive(Deserialize)]
struct CertificateRecord {
    role: String,
    not_before_s: u64,
    not_after_s: u64,
    registered: Moment,
    revoked: Option<Value>,
    suspensions: Vec<Suspension>,
}

#[derive(Deserialize)]
pub(super) struct ClientRecord {
    client: ClientId,
    certificate_id: CertId,
    certificate: CertificateRecord,
}

impl ClientRecord {
    pub(super) fn known(self) -> Option<(ClientId, Known)> {
        let it = self.certificate;
        let known = Known {
            role: it.role.parse().ok()?,
            certificate: self.certificate_id,
            not_before_s: it.not_before_s,
            not_after_s: it.not_after_s,
            registered_ms: it.registered.time_ms,
            revoked: it.revoked.is_some(),
            suspended: it.suspensions.last().is_some_and(|it| it.until.is_none()),
        };
        Some((self.client, known))
    }
}

#[derive(Deserialize)]
pub(super) struct Listed<T> {
    pub(super) value: T,
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct EventRecord {
    event: EventView,
}

#[derive(Deserialize)]
struct BatchRecord {
    events: Vec<EventRecord>,
}

/// Keeps the index as the ledger is, for ever.
pub(crate) async fn keep(app: App) {
    let mut last_read: Option<Instant> = None;
    loop {
        let (all, clients) = {
            let devices = &app.devices;
            let mut changed = devices
                .changed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let due = last_read.is_none_or(|at| at.elapsed() >= ANEW_EVERY);
            let all = changed.all && due;
            if all {
                changed.all = false;
            }
            (all, std::mem::take(&mut changed.clients))
        };
        let done = if all {
            read_all(&app)
                .await
                .inspect(|()| last_read = Some(Instant::now()))
        } else {
            read_again(&app, clients).await
        };
        if let Err(problem) = done {
            tracing::debug!(detail = problem.detail, "the index of clients isn't read");
            app.devices.read_anew();
            tokio::time::sleep(AGAIN).await;
            // What failed is due at once.
            last_read = None;
            continue;
        }
        // Woken by a change, or to look whether the whole is due.
        let _ = tokio::time::timeout(ANEW_EVERY, app.devices.wake.notified()).await;
    }
}

async fn read_all(app: &App) -> Result<(), Problem> {
    let mut gateways = Vec::new();
    for org in &app.genesis.orgs {
        let mut after = String::new();
        loop {
            let target = format!(
                "/v1/organisations/{}/clients?limit={READ_PAGE}{after}",
                org.org
            );
            let page: Listed<Vec<ClientRecord>> = app.upstream.json(&target).await?;
            {
                let mut index = app.devices.write();
                for (client, known) in page.value.into_iter().filter_map(ClientRecord::known) {
                    if known.role == Role::Gateway {
                        gateways.push(client.clone());
                    }
                    index.put(client, known);
                }
            }
            match page.next {
                // A node that names the same page again would keep us for ever.
                Some(next) if !after.ends_with(&next) => after = format!("&after={next}"),
                _ => break,
            }
        }
    }
    for gateway in gateways {
        read_events(app, &gateway).await?;
    }
    app.devices.write().complete = true;
    Ok(())
}

/// Reads a gateway's newest records, the oldest of them first.
async fn read_events(app: &App, gateway: &ClientId) -> Result<(), Problem> {
    let (mut events, mut after) = (Vec::new(), String::new());
    while events.len() < EVENTS_READ_MAX {
        let target =
            format!("/v1/gateways/{gateway}/events?newest_first=true&limit={READ_PAGE}{after}");
        let page: Listed<Vec<BatchRecord>> = app.upstream.json(&target).await?;
        for batch in page.value {
            events.extend(batch.events.into_iter().rev().map(|it| it.event));
        }
        match page.next {
            Some(next) if !after.ends_with(&next) => after = format!("&after={next}"),
            _ => break,
        }
    }
    let mut index = app.devices.write();
    for event in events.iter().rev() {
        index.saw(event);
    }
    Ok(())
}

async fn read_again(app: &App, clients: BTreeSet<ClientId>) -> Result<(), Problem> {
    for client in clients {
        let target = format!("/v1/clients/{}", percent_encoded(client.as_str()));
        let answer: Listed<Option<ClientRecord>> = app.upstream.json(&target).await?;
        if let Some((client, known)) = answer.value.and_then(ClientRecord::known) {
            app.devices.write().put(client, known);
        }
    }
    Ok(())
}
