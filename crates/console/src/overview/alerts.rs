//! What to worry about, each with the numbers behind it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Health;
use crate::{Part, Service, feed::Came};

/// A node that is so many blocks behind the highest is behind.
const BEHIND_BLOCKS: u64 = 20;
/// A gateway whose verified state is older is stale, in milliseconds: three heartbeats of the ledger.
const STALE_MS: u64 = 15_000;
/// No block for so long: the ledger stands still, in milliseconds.
const STILL_MS: u64 = 20_000;
/// Entries in an outbox above which the ledger doesn't keep up.
const OUTBOX_MAX: u64 = 1_000;
/// Refused logins in a minute above which somebody tries.
const REFUSED_A_MINUTE: u64 = 20;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// Something doesn't work.
    Critical,
    /// Something will not work soon, or isn't as it should be.
    Warning,
    /// Something is to be known.
    Notice,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AlertKind {
    /// No block is made.
    LedgerStandsStill,
    /// So many validators are away that one more stops the ledger, or already too many.
    NoFaultLeft,
    /// This console follows no node.
    FeedAway,
    /// A node doesn't answer.
    NodeAway,
    /// A gateway doesn't answer.
    GatewayAway,
    /// A node has fewer blocks than the others.
    NodeBehind,
    /// A node follows and doesn't vote.
    NodeDoesntVote,
    /// A gateway decides by an old state.
    GatewayStale,
    /// A gateway's entries wait for the ledger.
    OutboxGrows,
    /// Many logins are refused.
    LoginsRefused,
    /// Clients are locked out.
    LockedOut,
    /// Certificates end soon.
    CertificatesExpire,
}

/// Something to worry about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Alert {
    /// What is wrong.
    pub(crate) kind: AlertKind,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// Whose service it is about; empty: of the whole.
    pub(crate) org: String,
    /// Since when, milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// What happened and what to do.
    pub(crate) reason: String,
    /// The numbers behind it, by name.
    pub(crate) values: BTreeMap<String, u64>,
}

/// What is looked at.
pub(super) struct Seen<'a> {
    pub(super) services: &'a [Service],
    pub(super) states: &'a [Health],
    pub(super) validators: usize,
    pub(super) last: Option<Came>,
    pub(super) feed_away: Option<String>,
    pub(super) refused_a_minute: u64,
    pub(super) lockouts_a_minute: u64,
    pub(super) expiring: usize,
    pub(super) now_ms: u64,
}

/// All alerts, as of now.
pub(super) fn find(seen: &Seen<'_>) -> Vec<Alert> {
    let mut alerts = Vec::new();
    of_the_whole(seen, &mut alerts);
    let nodes = seen.services.iter().zip(seen.states);
    let heights = nodes.filter(|(service, state)| service.part == Part::Node && state.is_up());
    let highest = heights
        .filter_map(|(_, state)| state.number("/height"))
        .max()
        .unwrap_or(0);
    for (service, state) in seen.services.iter().zip(seen.states) {
        of_service(service, state, highest, seen.now_ms, &mut alerts);
    }
    alerts
}

fn alert(
    kind: AlertKind,
    severity: Severity,
    org: &str,
    since_ms: u64,
    reason: String,
    values: &[(&str, u64)],
) -> Alert {
    Alert {
        kind,
        severity,
        org: org.to_owned(),
        since_ms,
        reason,
        values: values
            .iter()
            .map(|(name, n)| ((*name).to_owned(), *n))
            .collect(),
    }
}

fn of_the_whole(seen: &Seen<'_>, alerts: &mut Vec<Alert>) {
    let now_ms = seen.now_ms;
    if let Some(why) = &seen.feed_away {
        let reason = format!("this console follows no node: {why}");
        let kind = AlertKind::FeedAway;
        alerts.push(alert(kind, Severity::Critical, "", now_ms, reason, &[]));
    } else if let Some(last) = seen.last
        && now_ms.saturating_sub(last.at_ms) > STILL_MS
    {
        let silent_s = now_ms.saturating_sub(last.at_ms) / 1_000;
        let reason = format!(
            "no block since {silent_s} s: more than a third of the validators are away or don't reach each other"
        );
        let values = [("silent_s", silent_s), ("height", last.height)];
        let kind = AlertKind::LedgerStandsStill;
        alerts.push(alert(
            kind,
            Severity::Critical,
            "",
            last.at_ms,
            reason,
            &values,
        ));
    }
    let nodes = seen.services.iter().zip(seen.states);
    let away =
        nodes.filter(|(service, state)| service.part == Part::Node && state.up == Some(false));
    let (away, tolerated) = (away.count(), seen.validators.saturating_sub(1) / 3);
    if away > 0 && away >= tolerated {
        let reason = match away > tolerated {
            true => format!(
                "{away} of {} nodes don't answer, {tolerated} may be missing: the ledger makes no block until \
                 some are back",
                seen.validators
            ),
            false => format!(
                "{away} of {} nodes don't answer: when one more is gone the ledger stands still",
                seen.validators
            ),
        };
        let severity = match away > tolerated {
            true => Severity::Critical,
            false => Severity::Warning,
        };
        let values = [("away", away as u64), ("tolerated", tolerated as u64)];
        let kind = AlertKind::NoFaultLeft;
        alerts.push(alert(kind, severity, "", now_ms, reason, &values));
    }
    if seen.refused_a_minute >= REFUSED_A_MINUTE {
        let n = seen.refused_a_minute;
        let reason =
            format!("{n} logins were refused within a minute: the audit says whose and why");
        let kind = AlertKind::LoginsRefused;
        alerts.push(alert(
            kind,
            Severity::Warning,
            "",
            now_ms,
            reason,
            &[("refused", n)],
        ));
    }
    if seen.lockouts_a_minute > 0 {
        let n = seen.lockouts_a_minute;
        let reason = format!("{n} clients were locked out within a minute after failed logins");
        let kind = AlertKind::LockedOut;
        alerts.push(alert(
            kind,
            Severity::Warning,
            "",
            now_ms,
            reason,
            &[("locked_out", n)],
        ));
    }
    if seen.expiring > 0 {
        let n = seen.expiring as u64;
        let reason = format!("{n} certificates end within 14 days: their holders must renew them");
        let kind = AlertKind::CertificatesExpire;
        alerts.push(alert(
            kind,
            Severity::Notice,
            "",
            now_ms,
            reason,
            &[("certificates", n)],
        ));
    }
}

fn of_service(
    service: &Service,
    state: &Health,
    highest: u64,
    now_ms: u64,
    alerts: &mut Vec<Alert>,
) {
    let org = service.org.as_str();
    let mut add = |kind, severity, since_ms, reason: String, values: &[(&str, u64)]| {
        alerts.push(alert(kind, severity, org, since_ms, reason, values));
    };
    match (service.part, state.up) {
        (_, None) => {}
        (Part::Node, Some(false)) => {
            let reason = format!("{org}'s node doesn't answer: {}", state.why);
            add(
                AlertKind::NodeAway,
                Severity::Warning,
                state.since_ms,
                reason,
                &[],
            );
        }
        (Part::Gateway, Some(false)) => {
            let reason = format!("{org}'s gateway doesn't answer: {}", state.why);
            add(
                AlertKind::GatewayAway,
                Severity::Critical,
                state.since_ms,
                reason,
                &[],
            );
        }
        (Part::Node, Some(true)) => {
            let height = state.number("/height").unwrap_or(0);
            if highest.saturating_sub(height) > BEHIND_BLOCKS {
                let behind = highest - height;
                let reason = format!(
                    "{org}'s node is {behind} blocks behind: it catches up, or can't reach the others"
                );
                let values = [("behind", behind), ("height", height)];
                add(
                    AlertKind::NodeBehind,
                    Severity::Warning,
                    now_ms,
                    reason,
                    &values,
                );
            }
            let votes = state.status.pointer("/node/votes");
            if votes.and_then(serde_json::Value::as_bool) == Some(false) {
                let reason = format!(
                    "{org}'s node follows and doesn't vote: its vote journal is gone (docs/operator.md)"
                );
                add(
                    AlertKind::NodeDoesntVote,
                    Severity::Warning,
                    now_ms,
                    reason,
                    &[],
                );
            }
        }
        (Part::Gateway, Some(true)) => {
            let age_ms = state.number("/verified_age_ms").unwrap_or(0);
            if age_ms > STALE_MS {
                let reason = format!(
                    "{org}'s gateway decides by a state that is {} s old: it hears of no new block",
                    age_ms / 1_000
                );
                let values = [("age_s", age_ms / 1_000)];
                add(
                    AlertKind::GatewayStale,
                    Severity::Warning,
                    now_ms,
                    reason,
                    &values,
                );
            }
            let outbox = state.number("/archive/outbox").unwrap_or(0);
            if outbox > OUTBOX_MAX {
                let reason = format!(
                    "{outbox} entries of {org}'s gateway wait for the ledger: nothing is lost, but they come late"
                );
                add(
                    AlertKind::OutboxGrows,
                    Severity::Warning,
                    now_ms,
                    reason,
                    &[("outbox", outbox)],
                );
            }
        }
    }
}

/// The alerts as of now; those that were there before have begun then. The worst first.
pub(super) fn going_on(before: &[Alert], mut now: Vec<Alert>) -> Vec<Alert> {
    for alert in &mut now {
        let same = before
            .iter()
            .find(|it| it.kind == alert.kind && it.org == alert.org);
        if let Some(same) = same {
            alert.since_ms = alert.since_ms.min(same.since_ms);
        }
    }
    now.sort_by(|a, b| (a.severity, a.kind, &a.org).cmp(&(b.severity, b.kind, &b.org)));
    now
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(status: Result<serde_json::Value, &str>) -> Health {
        let mut state = Health::default();
        super::super::note(&mut state, status.map_err(str::to_owned), 1, 5_000);
        state
    }

    fn found(
        services: &[(&str, Part)],
        states: &[Health],
        last_at_ms: u64,
    ) -> Vec<(AlertKind, String)> {
        let services: Vec<_> = services
            .iter()
            .map(|(org, part)| Service {
                org: org.parse().unwrap(),
                part: *part,
                url: String::new(),
            })
            .collect();
        let found = find(&Seen {
            services: &services,
            states,
            validators: 4,
            last: Some(Came {
                height: 9,
                at_ms: last_at_ms,
                finality_ms: 1,
                transactions: 0,
            }),
            feed_away: None,
            refused_a_minute: 0,
            lockouts_a_minute: 0,
            expiring: 0,
            now_ms: 100_000,
        });
        let found = going_on(&[], found);
        found.into_iter().map(|it| (it.kind, it.org)).collect()
    }

    #[test]
    fn nothing_to_worry_about_gives_no_alert() {
        let node = || state(Ok(json!({ "height": 90, "node": { "votes": true } })));
        let gateway = state(Ok(
            json!({ "verified_age_ms": 100, "archive": { "outbox": 2 } }),
        ));
        let services = [
            ("acme", Part::Node),
            ("basin", Part::Node),
            ("acme", Part::Gateway),
        ];
        assert_eq!(found(&services, &[node(), node(), gateway], 99_000), []);
    }

    #[test]
    fn each_fault_is_named_with_whose_it_is() {
        let services = [
            ("acme", Part::Node),
            ("basin", Part::Node),
            ("cobalt", Part::Node),
            ("acme", Part::Gateway),
            ("basin", Part::Gateway),
        ];
        let states = [
            state(Ok(json!({ "height": 900, "node": { "votes": false } }))),
            state(Ok(json!({ "height": 800, "node": { "votes": true } }))),
            state(Err("connection refused")),
            state(Err("connection refused")),
            state(Ok(
                json!({ "verified_age_ms": 60_000, "archive": { "outbox": 5_000 } }),
            )),
        ];
        let found = found(&services, &states, 10_000);
        for (kind, org) in [
            (AlertKind::LedgerStandsStill, ""),
            (AlertKind::NoFaultLeft, ""),
            (AlertKind::NodeDoesntVote, "acme"),
            (AlertKind::NodeBehind, "basin"),
            (AlertKind::NodeAway, "cobalt"),
            (AlertKind::GatewayAway, "acme"),
            (AlertKind::GatewayStale, "basin"),
            (AlertKind::OutboxGrows, "basin"),
        ] {
            assert!(
                found.contains(&(kind, org.to_owned())),
                "{kind:?} of {org} in {found:?}"
            );
        }
        assert_eq!(found.len(), 8);
    }

    #[test]
    fn an_alert_that_goes_on_keeps_its_beginning() {
        let new = |since_ms| {
            alert(
                AlertKind::NodeBehind,
                Severity::Warning,
                "acme",
                since_ms,
                String::new(),
                &[],
            )
        };
        assert_eq!(going_on(&[new(5)], vec![new(9)])[0].since_ms, 5);
        assert_eq!(going_on(&[], vec![new(9)])[0].since_ms, 9);
    }
}
