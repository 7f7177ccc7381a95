//! `sealwire enrolment …`: codes by the thousand.
//!
//! The file of codes is written before the first enrolment is opened: whatever fails, no code is lost, and
//! `--go-on` opens those that aren't. Codes are secrets: the file has mode 0600, and nothing else shows
//! them but the terminal that asks for one.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use sealwire_client::operator;
use sealwire_envelope::{
    ClientId, Code, EnrolmentId, OrgId, code::CodeKind, transaction::Enrolment as Opened,
};
use sealwire_sm::{Role, keyfile};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::operator_of;
use crate::{
    actor::Actor,
    cli::{Enrolment, Open},
    home::Home,
    key::qr,
    output::{Output, table, time_text},
    process::now_ms,
    topic::ledger,
};

/// Most clients in one file.
const CLIENTS_MAX: usize = 100_000;
/// Longest file, in bytes.
const FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Head of the file of codes.
const HEAD: [&str; 3] = ["client", "role", "code"];

/// Runs the command.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Enrolment) -> Result<()> {
    match command {
        Enrolment::Open(args) => open(home, out, &args).await,
        Enrolment::List { org, all } => list(home, out, &org, all).await,
        Enrolment::Close { org, ids, all } => close(home, out, &org, ids, all).await,
    }
}

/// A client that shall be enrolled.
struct Wanted {
    client: ClientId,
    role: Role,
    code: Code,
}

async fn open(home: &Home, out: Output, args: &Open) -> Result<()> {
    let wanted = wanted(args)?;
    let org = org_of(&wanted)?;
    let staff = operator_of(home, &org)?;
    if let Some(path) = &args.out
        && !args.go_on
    {
        write_codes(path, &wanted)?;
    }
    let expires_s = now_ms() / 1000 + args.expires;
    let (mut enrolments, mut open_already) = (Vec::new(), 0);
    for it in &wanted {
        let item = Opened {
            client: it.client.clone(),
            role: it.role,
            key: it.code.key().public_key().clone(),
            expires_s,
        };
        let id = EnrolmentId::of(&item.key);
        if args.go_on && staff.ledger.enrolment(&id).await?.is_some() {
            open_already += 1;
        } else {
            enrolments.push(item);
        }
    }
    let height = submit(&staff, out, &enrolments, args).await?;
    let ids: Vec<_> = enrolments
        .iter()
        .map(|it| EnrolmentId::of(&it.key))
        .collect();
    let shown = match (&args.out, wanted.as_slice()) {
        (None, [one]) => Some(one.code.reveal()),
        _ => None,
    };
    let document = json!({
        "org": org, "opened": enrolments.len(), "open_already": open_already, "height": height,
        "expires_s": expires_s, "file": args.out, "code": shown.as_deref(),
        "enrolments": ids,
    });
    out.print(&document, |_| {
        let until = time_text(expires_s * 1000);
        match (&shown, &args.out) {
            (Some(text), _) => format!(
                "{}\n{}\n\nWhoever has this code becomes {} until {until}. It isn't shown again.",
                qr(text),
                text.as_str(),
                wanted[0].client
            ),
            (None, file) => format!(
                "{} enrolments are open until {until}; their codes are in {}: keep the file secret",
                enrolments.len() + open_already,
                file.as_deref().unwrap_or(Path::new("")).display()
            ),
        }
    });
    Ok(())
}

/// Opens them part by part; the height of the last part.
async fn submit(
    staff: &Actor,
    out: Output,
    enrolments: &[Opened],
    args: &Open,
) -> Result<Option<u64>> {
    let bar = out.bar(enrolments.len() as u64, "opening enrolments");
    let mut height = None;
    let told = |count: usize, applied: sealwire_client::ledger::Applied| {
        bar.inc(count as u64);
        height = Some(applied.height);
    };
    let opened = operator::open_enrolments(&staff.ledger, &staff.identity, enrolments, told).await;
    bar.finish_and_clear();
    opened.with_context(|| match &args.out {
        Some(path) => format!(
            "{} of {} enrolments are open; run the command again with --go-on (codes in {})",
            bar.position(),
            enrolments.len(),
            path.display()
        ),
        None => "the enrolment isn't open".to_owned(),
    })?;
    Ok(height)
}

/// Whom to enrol: new codes, or those of the file when going on.
fn wanted(args: &Open) -> Result<Vec<Wanted>> {
    if args.go_on
        && let Some(path) = &args.out
    {
        return read_codes(path);
    }
    let new = |(client, role)| Wanted {
        client,
        role,
        code: Code::generate(CodeKind::Enrolment, &mut rand::rng()),
    };
    if let Some(path) = &args.out {
        ensure!(
            !path.exists(),
            "{} exists already: choose another file, or say --go-on to open what it holds",
            path.display()
        );
    }
    match (&args.csv, &args.client) {
        (Some(path), _) => Ok(read_clients(path, args.role)?
            .into_iter()
            .map(new)
            .collect()),
        (None, Some(client)) => Ok(vec![new((client.clone(), args.role))]),
        (None, None) => bail!("name a client with --client, or a file with --csv"),
    }
}

fn org_of(wanted: &[Wanted]) -> Result<OrgId> {
    let mut orgs: BTreeSet<OrgId> = wanted.iter().map(|it| it.client.org()).collect();
    match (orgs.pop_first(), orgs.pop_first()) {
        (Some(org), None) => Ok(org),
        (None, _) => bail!("the file names no client"),
        (Some(one), Some(other)) => {
            bail!("the file names clients of '{one}' and of '{other}': make a file for each")
        }
    }
}

fn reader(path: &Path) -> Result<csv::Reader<std::io::Take<std::fs::File>>> {
    use std::io::Read as _;
    let file =
        std::fs::File::open(path).with_context(|| format!("{} can't be read", path.display()))?;
    let long = file.metadata().map(|it| it.len()).unwrap_or(0) > FILE_MAX_BYTES;
    ensure!(
        !long,
        "{} is longer than {FILE_MAX_BYTES} bytes",
        path.display()
    );
    Ok(csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(file.take(FILE_MAX_BYTES)))
}

/// Clients and roles; a head line `client,…` is skipped, an absent role is `role`.
fn read_clients(path: &Path, role: Role) -> Result<Vec<(ClientId, Role)>> {
    let (mut clients, mut seen) = (Vec::new(), BTreeSet::new());
    for record in reader(path)?.records() {
        let record = record.with_context(|| format!("{} isn't CSV", path.display()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let at = || format!("{}, line {line}", path.display());
        let first = record.get(0).unwrap_or_default();
        if line <= 1 && first == HEAD[0] {
            continue;
        }
        let client: ClientId = first.parse().with_context(at)?;
        let role = match record.get(1) {
            None | Some("") => role,
            Some(text) => text.parse().with_context(at)?,
        };
        ensure!(
            seen.insert(client.clone()),
            "{}: {client} is named twice",
            at()
        );
        clients.push((client, role));
        ensure!(
            clients.len() <= CLIENTS_MAX,
            "{} names more than {CLIENTS_MAX} clients: split it",
            path.display()
        );
    }
    Ok(clients)
}

fn write_codes(path: &Path, wanted: &[Wanted]) -> Result<()> {
    let mut text = Zeroizing::new(String::with_capacity(64 + wanted.len() * 160));
    writeln!(text, "{}", HEAD.join(","))?;
    for it in wanted {
        writeln!(
            text,
            "{},{},{}",
            it.client,
            it.role,
            it.code.reveal().as_str()
        )?;
    }
    keyfile::write_private(path, text.as_bytes())
        .with_context(|| format!("{} can't be written", path.display()))
}

fn read_codes(path: &Path) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for record in reader(path)?.records() {
        let record = record.with_context(|| format!("{} isn't CSV", path.display()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let at = || format!("{}, line {line}", path.display());
        let column = |n: usize| record.get(n).unwrap_or_default();
        if line <= 1 && column(0) == HEAD[0] {
            continue;
        }
        wanted.push(Wanted {
            client: column(0).parse().with_context(at)?,
            role: column(1).parse().with_context(at)?,
            code: Code::parse(CodeKind::Enrolment, column(2)).with_context(at)?,
        });
    }
    Ok(wanted)
}

async fn listed(home: &Home, org: &OrgId, all: bool) -> Result<Vec<Value>> {
    let path = format!("/v1/organisations/{org}/enrolments");
    let mut found: Vec<Value> = ledger(home)?.get_all(&path).await?;
    found.retain(|it| all || it["status"] == "open");
    Ok(found)
}

async fn list(home: &Home, out: Output, org: &OrgId, all: bool) -> Result<()> {
    let found = listed(home, org, all).await?;
    out.print(&found, |found| {
        if found.is_empty() {
            return format!("no enrolment of '{org}' is open");
        }
        let rows: Vec<_> = found.iter().map(row).collect();
        table(&["client", "role", "is", "since or until", "id"], &rows)
    });
    Ok(())
}

fn row(record: &Value) -> Vec<String> {
    let it = &record["enrolment"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let at = |value: &Value| time_text(value["time_ms"].as_u64().unwrap_or_default());
    let when = match record["status"].as_str() {
        Some("used") => at(&it["used"]["at"]),
        Some("closed") => at(&it["closed"]["at"]),
        _ => time_text(it["expires_s"].as_u64().unwrap_or_default() * 1000),
    };
    vec![
        text(&it["client"]),
        text(&it["role"]),
        text(&record["status"]),
        when,
        text(&record["id"]),
    ]
}

async fn close(
    home: &Home,
    out: Output,
    org: &OrgId,
    mut ids: Vec<EnrolmentId>,
    all: bool,
) -> Result<()> {
    if all {
        let found = listed(home, org, false).await?;
        let named = found.iter().filter_map(|it| it["id"].as_str());
        ids = named.map(str::parse).collect::<Result<_, _>>()?;
    } else {
        ensure!(
            !ids.is_empty(),
            "name enrolments by their ids, or say --all"
        );
    }
    let staff = operator_of(home, org)?;
    let mut height = None;
    let told = |_, applied: sealwire_client::ledger::Applied| height = Some(applied.height);
    operator::close_enrolments(&staff.ledger, &staff.identity, &ids, told).await?;
    let document = json!({ "org": org, "closed": ids.len(), "height": height });
    out.print(&document, |_| {
        format!("{} enrolments are closed", ids.len())
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn clients_are_read_with_and_without_head_and_role() {
        let text =
            "client,role\nacme.press-1,device\n# a comment\n acme.press-2 \nacme.reader, user\n";
        let read = read_clients(file(text).path(), Role::Device).unwrap();
        let read: Vec<_> = read.iter().map(|(c, r)| (c.as_str(), *r)).collect();
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
            let error = format!(
                "{:#}",
                read_clients(file(text).path(), Role::Device).unwrap_err()
            );
            assert!(error.contains(named), "'{named}' not in '{error}'");
        }
    }

    #[test]
    fn codes_round_trip_and_are_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("codes.csv");
        let wanted: Vec<_> = (0..3)
            .map(|n| Wanted {
                client: format!("acme.press-{n}").parse().unwrap(),
                role: Role::Device,
                code: Code::generate(CodeKind::Enrolment, &mut rand::rng()),
            })
            .collect();
        write_codes(&path, &wanted).unwrap();
        let read = read_codes(&path).unwrap();
        assert_eq!(read.len(), 3);
        for (a, b) in wanted.iter().zip(&read) {
            assert_eq!((&a.client, a.role), (&b.client, b.role));
            assert_eq!(a.code.key().public_key(), b.code.key().public_key());
        }
        assert_eq!(org_of(&read).unwrap().as_str(), "acme");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("SWE-", "SWE-U", 1)).unwrap();
        let error = format!("{:#}", read_codes(&path).err().unwrap());
        assert!(error.contains("line 2"), "{error}");
    }
}
