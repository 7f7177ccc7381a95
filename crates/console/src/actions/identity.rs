//! Enrolling, revoking, suspending, resuming.

use axum::{Extension, Json, extract::State};
use sealwire_client::operator;
use sealwire_envelope::{ClientId, Code, Enrolment, EnrolmentId, code::CodeKind};
use sealwire_sm::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Done, logged, may_operate, operator as operator_of, place};
use crate::{App, OPERATOR, problem::Problem, session::Caller};

/// Most enrolments in one request.
const ENROLMENTS_MAX: usize = 10_000;
/// How long codes are good unless asked otherwise, in seconds: thirty days.
const EXPIRES_S: u64 = 30 * 86_400;
/// Days for which a certificate is issued unless asked otherwise.
const DAYS: u32 = 365;
/// Most days: as long as the longest validity that a template may set.
const DAYS_MAX: u32 = (sealwire_contracts::limits::VALIDITY_MAX_S_MAX / 86_400) as u32;

/// A client to be made, with its key in the console's home.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct EnrolClient {
    /// `organisation.name`.
    client: String,
    /// `device` (the default) or `user`.
    role: Option<String>,
    /// For how many days; 365 when left out.
    days: Option<u32>,
}

/// A client that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrolledClient {
    /// Its id.
    client: String,
    /// Its certificate, hexadecimal.
    certificate: String,
    /// The block that has it.
    height: u64,
    /// Where its key is, on the console's machine.
    home: String,
}

/// Makes a client's key in the console's home, issues its certificate and registers it.
#[utoipa::path(
    post, path = "/api/actions/enrol", tag = "actions", request_body = EnrolClient,
    responses(
        (status = 200, description = "Enrolled", body = EnrolledClient),
        (status = 400, description = "Bad argument", body = Problem),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "It is enrolled already, or a key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn enrol(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<EnrolClient>,
) -> Result<Json<EnrolledClient>, Problem> {
    let client: ClientId = asked.client.parse().map_err(Problem::argument)?;
    let done = enrolled(&app, &caller, &client, &asked).await;
    logged(&caller, "enrol", &client, done)
}

async fn enrolled(
    app: &App,
    caller: &Caller,
    client: &ClientId,
    asked: &EnrolClient,
) -> Result<EnrolledClient, Problem> {
    let _place = place(app)?;
    may_operate(app, caller, client)?;
    let role = match asked.role.as_deref() {
        None | Some("device") => Role::Device,
        Some("user") => Role::User,
        Some(other) => {
            let detail = format!("role: 'device' or 'user', not '{other}'");
            return Err(Problem::argument(detail));
        }
    };
    let days = asked.days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Problem::argument(format!("days: 1 to {DAYS_MAX}")));
    }
    if app.keys.clients().contains(client) {
        let detail = format!("{client} is enrolled already: its key is in this console's home");
        return Err(conflict("enrolled", detail));
    }
    if app.ledger.client(client).await?.is_some_and(|it| {
        it.certificate.status(app.now_ms() / 1_000)
            == sealwire_contracts::entry::CertificateStatus::Live
    }) {
        let detail = format!(
            "{client} has a live certificate, with a key that isn't here: revoke that first, or open an \
             enrolment for it"
        );
        return Err(conflict("enrolled", detail));
    }
    let operator = ClientId::new(&app.org, OPERATOR).map_err(Problem::argument)?;
    if app.keys.identity(&operator).is_none() {
        let command = format!("sealwire device enrol {client} --role {role} --days {days}");
        return Err(Problem::key_missing(&operator, command));
    }
    let made = app.keys.enrol(client, role, days).await.map_err(|why| {
        Problem::new(
            axum::http::StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
            "It can't be enrolled",
            why,
        )
    })?;
    Ok(EnrolledClient {
        client: client.to_string(),
        certificate: made.certificate.to_string(),
        height: made.height,
        home: made.home,
    })
}

fn conflict(kind: &str, detail: String) -> Problem {
    let status = axum::http::StatusCode::CONFLICT;
    Problem::new(status, kind, "It is there already", detail)
}

/// Enrolments to be opened: a list, or a CSV file's text.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct OpenEnrolments {
    /// The clients.
    #[serde(default)]
    clients: Vec<NewEnrolment>,
    /// Lines `client,role`, as for `sealwire enrolment open --csv`; the role may be left out.
    csv: Option<String>,
    /// How long the codes are good, in seconds; 30 days when left out.
    expires_in_s: Option<u64>,
}

/// A client to be enrolled by a code.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewEnrolment {
    /// `organisation.name`.
    client: String,
    /// `operator`, `gateway`, `device` (the default) or `user`.
    role: Option<String>,
}

/// An enrolment that is open.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenedEnrolment {
    /// For which client.
    client: String,
    /// In which role.
    role: String,
    /// Its id, hexadecimal.
    id: String,
    /// The code: whoever has it becomes that client. It isn't shown again.
    code: String,
}

/// What was opened.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenedEnrolments {
    /// Those that are open.
    opened: Vec<OpenedEnrolment>,
    /// How many aren't, because of `problem`.
    left: usize,
    /// Why some aren't.
    problem: Option<Problem>,
    /// The last block that opened some; null: none did.
    height: Option<u64>,
    /// Until when the codes are good, seconds since 1970.
    expires_s: u64,
}

/// Opens enrolments: each gives one certificate to whoever has its code.
#[utoipa::path(
    post, path = "/api/actions/enrolments/open", tag = "actions", request_body = OpenEnrolments,
    responses(
        (status = 200, description = "Open, with their codes; where the ledger went away half-way, those that are", body = OpenedEnrolments),
        (status = 400, description = "A bad line, or more than 10,000", body = Problem),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The operator's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn open(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<OpenEnrolments>,
) -> Result<Json<OpenedEnrolments>, Problem> {
    let done = opened(&app, &caller, &asked).await;
    let count = done.as_ref().map_or(0, |it| it.opened.len());
    logged(&caller, "open enrolments", &count, done)
}

async fn opened(
    app: &App,
    caller: &Caller,
    asked: &OpenEnrolments,
) -> Result<OpenedEnrolments, Problem> {
    let _place = place(app)?;
    let wanted = wanted(asked)?;
    let first = wanted.first().map(|(client, _)| client);
    let first = first.ok_or_else(|| Problem::argument("no client is named"))?;
    if let Some((other, _)) = wanted
        .iter()
        .find(|(client, _)| client.org() != first.org())
    {
        let detail = format!("{first} and {other} are of different organisations: open them apart");
        return Err(Problem::argument(detail));
    }
    let command = || "sealwire enrolment open --csv FILE --out CODES".to_owned();
    let actor = operator_of(app, caller, first, command)?;
    let expires_in_s = asked.expires_in_s.unwrap_or(EXPIRES_S);
    let expires_s = (app.now_ms() / 1_000).saturating_add(expires_in_s);
    let codes: Vec<Code> = wanted
        .iter()
        .map(|_| Code::generate(CodeKind::Enrolment, &mut rand::rng()))
        .collect();
    let enrolments: Vec<Enrolment> = wanted
        .iter()
        .zip(&codes)
        .map(|((client, role), code)| Enrolment {
            client: client.clone(),
            role: *role,
            key: code.key().public_key().clone(),
            expires_s,
        })
        .collect();
    let (mut count, mut height) = (0, None);
    let told = |part: usize, applied: sealwire_client::ledger::Applied| {
        count += part;
        height = Some(applied.height);
    };
    let result = operator::open_enrolments(&actor.ledger, &actor.identity, &enrolments, told).await;
    let problem = match result {
        Ok(()) => None,
        Err(error) if count == 0 => return Err(error.into()),
        Err(error) => Some(error.into()),
    };
    let opened = enrolments.iter().zip(&codes).take(count);
    let opened: Vec<_> = opened
        .map(|(enrolment, code)| OpenedEnrolment {
            client: enrolment.client.to_string(),
            role: enrolment.role.to_string(),
            id: EnrolmentId::of(&enrolment.key).to_string(),
            code: code.reveal().to_string(),
        })
        .collect();
    Ok(OpenedEnrolments {
        left: enrolments.len() - opened.len(),
        opened,
        problem,
        height,
        expires_s,
    })
}

/// Whom to enrol, each once.
fn wanted(asked: &OpenEnrolments) -> Result<Vec<(ClientId, Role)>, Problem> {
    let mut wanted = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut add = |at: String, client: &str, role: Option<&str>| {
        let wrong = |error: &dyn std::fmt::Display| Problem::argument(format!("{at}: {error}"));
        let client: ClientId = client.parse().map_err(|error| wrong(&error))?;
        let role = match role {
            None | Some("") => Role::Device,
            Some(text) => text.parse().map_err(|error| wrong(&error))?,
        };
        if !seen.insert(client.clone()) {
            return Err(wrong(&format!("{client} is named twice")));
        }
        if wanted.len() >= ENROLMENTS_MAX {
            let most = format!("more than {ENROLMENTS_MAX} clients: split the list");
            return Err(wrong(&most));
        }
        wanted.push((client, role));
        Ok(())
    };
    for (n, it) in asked.clients.iter().enumerate() {
        add(format!("client {}", n + 1), &it.client, it.role.as_deref())?;
    }
    if let Some(text) = &asked.csv {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        for record in reader.records() {
            let record = record.map_err(|error| Problem::argument(format!("not CSV: {error}")))?;
            let line = record.position().map_or(0, csv::Position::line);
            let first = record.get(0).unwrap_or_default();
            // A head line.
            if line <= 1 && first == "client" {
                continue;
            }
            add(format!("line {line}"), first, record.get(1))?;
        }
    }
    Ok(wanted)
}

/// Enrolments to be closed.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CloseEnrolments {
    /// Their ids, hexadecimal; at most 256.
    ids: Vec<String>,
}

/// Closes enrolments that weren't used.
#[utoipa::path(
    post, path = "/api/actions/enrolments/close", tag = "actions", request_body = CloseEnrolments,
    responses(
        (status = 200, description = "Closed", body = Done),
        (status = 403, description = "This session may not", body = Problem),
        (status = 409, description = "The operator's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn close(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<CloseEnrolments>,
) -> Result<Json<Done>, Problem> {
    let done = closed(&app, &caller, &asked).await;
    logged(&caller, "close enrolments", &asked.ids.join(","), done)
}

async fn closed(app: &App, caller: &Caller, asked: &CloseEnrolments) -> Result<Done, Problem> {
    let _place = place(app)?;
    let ids: Result<Vec<EnrolmentId>, _> = asked.ids.iter().map(|id| id.parse()).collect();
    let ids = ids.map_err(Problem::argument)?;
    if ids.is_empty() || ids.len() > sealwire_contracts::limits::ENROLMENTS_PER_CALL {
        let most = sealwire_contracts::limits::ENROLMENTS_PER_CALL;
        return Err(Problem::argument(format!("ids: 1 to {most} of them")));
    }
    let any = ClientId::new(&app.org, OPERATOR).map_err(Problem::argument)?;
    let command = || format!("sealwire enrolment close --org {} ID …", app.org);
    let actor = operator_of(app, caller, &any, command)?;
    let mut last = None;
    let told = |_, applied| last = Some(applied);
    operator::close_enrolments(&actor.ledger, &actor.identity, &ids, told).await?;
    let applied = last.ok_or_else(|| Problem::argument("ids: none is given"))?;
    Ok(Done::new(actor.client(), &applied))
}

/// What shall become of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// It ends, for ever.
    Revoke,
    /// It doesn't count until it is resumed.
    Suspend,
    /// It counts again.
    Resume,
}

impl Change {
    const fn verb(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }
}

/// A change of a client's present certificate.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ChangeCertificate {
    /// Whose.
    client: String,
    /// What.
    change: Change,
    /// Why, for people; at most 256 bytes.
    #[serde(default)]
    reason: String,
}

/// Revokes, suspends or resumes a client's present certificate.
#[utoipa::path(
    post, path = "/api/actions/certificate", tag = "actions", request_body = ChangeCertificate,
    responses(
        (status = 200, description = "In force from that block on", body = Done),
        (status = 403, description = "This session may not", body = Problem),
        (status = 404, description = "No such client", body = Problem),
        (status = 409, description = "The operator's key isn't here", body = Problem),
        (status = 422, description = "The ledger refused", body = Problem),
    )
)]
pub(crate) async fn change(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<ChangeCertificate>,
) -> Result<Json<Done>, Problem> {
    let done = changed(&app, &caller, &asked).await;
    logged(&caller, asked.change.verb(), &asked.client, done)
}

async fn changed(app: &App, caller: &Caller, asked: &ChangeCertificate) -> Result<Done, Problem> {
    let _place = place(app)?;
    let client: ClientId = asked.client.parse().map_err(Problem::argument)?;
    let command = || format!("sealwire cert {} {client}", asked.change.verb());
    let actor = operator_of(app, caller, &client, command)?;
    let held = actor.ledger.client(&client).await?;
    let held =
        held.ok_or_else(|| Problem::not_found(format!("{client} isn't registered: check its id")))?;
    let (ledger, by, id) = (&actor.ledger, &actor.identity, held.certificate_id);
    let applied = match asked.change {
        Change::Revoke => operator::revoke(ledger, by, id, &asked.reason).await?,
        Change::Suspend => operator::suspend(ledger, by, id, &asked.reason).await?,
        Change::Resume => operator::resume(ledger, by, id, &asked.reason).await?,
    };
    Ok(Done::new(actor.client(), &applied))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(csv: &str) -> OpenEnrolments {
        OpenEnrolments {
            clients: Vec::new(),
            csv: Some(csv.to_owned()),
            expires_in_s: None,
        }
    }

    #[test]
    fn a_file_is_read_with_and_without_head_and_role() {
        let text = "\u{feff}client,role\nacme.press-1,device\n# a comment\n acme.press-2 \nacme.reader, user\n";
        let read = wanted(&asked(text)).unwrap();
        let read: Vec<_> = read
            .iter()
            .map(|(client, role)| (client.as_str(), *role))
            .collect();
        let expected = [
            ("acme.press-1", Role::Device),
            ("acme.press-2", Role::Device),
            ("acme.reader", Role::User),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, named) in [
            ("acme.press-1\nACME.x\n", "line 2"),
            ("acme.press-1,king\n", "line 1"),
            ("acme.a\nacme.b\nacme.a\n", "line 3: acme.a is named twice"),
        ] {
            let problem = wanted(&asked(text)).unwrap_err();
            assert!(
                problem.detail.contains(named),
                "'{named}' not in '{}'",
                problem.detail
            );
        }
        let many: String = (0..=ENROLMENTS_MAX)
            .map(|n| format!("acme.p-{n}\n"))
            .collect();
        assert!(
            wanted(&asked(&many))
                .unwrap_err()
                .detail
                .contains("more than")
        );
    }
}
