//! `sealwire cert …`: certificates from request to end.
//!
//! Device's side: `request`, `install`, `enrol`, `renew`. Operator's side: `issue`, `suspend`, `resume`,
//! `revoke`, `template`, `expiring`, and in [`enrolment`] and [`desk`] the bulk of it. Anybody: `show`,
//! `check`.

pub mod desk;
pub mod enrolment;

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use sealwire_client::{
    Identity, Ledger,
    certificate::{self, Desk, RenewalWindow, Standing},
    explain,
    identity::Peers,
    ledger::Applied,
    operator,
};
use sealwire_contracts::entry::{CertificateEntry, CertificateStatus};
use sealwire_desk::DEFAULT_VALIDITY_S;
use sealwire_envelope::{CertId, ClientId, Genesis, OrgId, code::CodeKind};
use sealwire_sm::{Certificate, Request, Role, csr::REQUEST_PEM_MAX_BYTES, keyfile};
use serde_json::{Value, json};

use crate::{
    actor::Actor,
    cli::{Cert, Template, Which},
    home::{self, Home},
    init::{OPERATOR, certify, peers_for},
    key::read_code,
    output::{Output, duration_text, table, time_text},
    process::now_ms,
    topic::ledger,
};

/// Time for asking the ledger whether a certificate must be renewed, before a warning is left out.
const WARN_MAX: Duration = Duration::from_secs(2);
/// Roles that a template can be set for.
const ROLES: [Role; 4] = [Role::Operator, Role::Gateway, Role::Device, Role::User];

/// Runs the command.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Cert) -> Result<()> {
    match command {
        Cert::Request {
            client,
            role,
            out: file,
        } => request(home, out, &client, role, file.as_deref()),
        Cert::Issue {
            csr,
            valid,
            out: file,
        } => issue(home, out, &csr, valid, file.as_deref()).await,
        Cert::Install { file, ledger } => install(home, out, &file, ledger).await,
        Cert::Enrol {
            desk,
            file,
            genesis,
            ledger,
        } => {
            enrol(
                home,
                out,
                &desk,
                file.as_deref(),
                genesis.as_deref(),
                ledger,
            )
            .await
        }
        Cert::Renew { actor, desk } => renew(home, out, &actor.client, desk).await,
        Cert::Show { which, pem } => show(home, out, &which, pem).await,
        Cert::Check { which, at } => check(home, out, &which, at).await,
        Cert::Suspend { which, reason } => stand(home, out, &which, Change::Suspend, &reason).await,
        Cert::Resume { which, reason } => stand(home, out, &which, Change::Resume, &reason).await,
        Cert::Revoke { which, reason } => stand(home, out, &which, Change::Revoke, &reason).await,
        Cert::Expiring { org, within } => expiring(home, out, &org, within).await,
        Cert::Template(command) => template(home, out, command).await,
    }
}

/// An organisation's operator in this home.
///
/// # Errors
/// When it isn't here.
pub fn operator_of(home: &Home, org: &OrgId) -> Result<Actor> {
    Actor::load(home, &ClientId::new(org, OPERATOR)?)
        .with_context(|| format!("this takes the operator of '{org}', whose keys aren't here"))
}

/// Writes a public text, or prints it.
fn put(out: Output, file: Option<&Path>, text: &str, document: &Value, said: &str) -> Result<()> {
    if let Some(path) = file {
        keyfile::write_private(path, text.as_bytes())
            .with_context(|| format!("{} can't be written", path.display()))?;
    }
    out.print(document, |_| match file {
        Some(path) => format!("{said}\nwritten to {}", path.display()),
        None => text.trim_end().to_owned(),
    });
    if file.is_none() {
        out.note(said);
    }
    Ok(())
}

/// Reads a text file of at most so many bytes.
fn read_text(path: &Path, most_bytes: usize) -> Result<String> {
    use std::io::Read as _;
    let file =
        std::fs::File::open(path).with_context(|| format!("{} can't be read", path.display()))?;
    let mut text = String::new();
    file.take(most_bytes as u64 + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("{} isn't text", path.display()))?;
    ensure!(
        text.len() <= most_bytes,
        "{} is longer than {most_bytes} bytes: is it the right file?",
        path.display()
    );
    Ok(text)
}

fn request(
    home: &Home,
    out: Output,
    client: &ClientId,
    role: Role,
    file: Option<&Path>,
) -> Result<()> {
    let dir = home.client_dir(client);
    let request = certificate::request(&dir, client, role, None)?;
    let pem = request.to_pem();
    let document = json!({
        "client": client, "role": role, "home": dir, "digest": request.digest(), "csr": pem,
    });
    let said = format!(
        "{client} asks to be a {role}; its key stays in {}\nSM3 of the request, to compare by voice: {}\nnext: an operator runs `sealwire cert issue --csr FILE`",
        dir.display(),
        request.digest()
    );
    put(out, file, &pem, &document, &said)
}

async fn issue(
    home: &Home,
    out: Output,
    csr: &Path,
    valid_s: Option<u64>,
    file: Option<&Path>,
) -> Result<()> {
    let request = Request::from_pem(&read_text(csr, REQUEST_PEM_MAX_BYTES)?)
        .with_context(|| format!("{} can't be used", csr.display()))?;
    let client: ClientId = request
        .name
        .parse()
        .context("the request's CN must be the client's id")?;
    ensure!(
        client.org().as_str() == request.organisation,
        "the request says O={}, but its CN is {client}: make it anew",
        request.organisation
    );
    let org = client.org();
    let (root_key, root) = home::read_root(&home.org(&org))?;
    let staff = operator_of(home, &org)?;
    let template = staff.ledger.template(&org, request.role).await?;
    let allowed_s = template.map_or(DEFAULT_VALIDITY_S, |it| it.template.validity_max_s);
    let certificate = certify(
        &root_key,
        &root,
        &client,
        request.role,
        &request.public_key,
        now_ms() / 1000,
        valid_s.unwrap_or(allowed_s),
    )?;
    let applied = operator::register(&staff.ledger, &staff.identity, &certificate).await?;
    let (id, pem) = (CertId(certificate.id()), certificate.to_pem());
    let document = json!({
        "client": client, "role": request.role, "certificate": id, "height": applied.height,
        "not_after_s": certificate.not_after_s, "pem": pem,
    });
    let said = format!(
        "{client} is a {} until {}: certificate {id} at height {}\nnext: the device runs `sealwire cert install FILE`",
        request.role,
        time_text(certificate.not_after_s * 1000),
        applied.height
    );
    put(out, file, &pem, &document, &said)
}

async fn install(home: &Home, out: Output, file: &Path, nodes: Vec<String>) -> Result<()> {
    let certificate = Certificate::from_pem(&read_text(file, REQUEST_PEM_MAX_BYTES)?)
        .with_context(|| format!("{} can't be used", file.display()))?;
    let client: ClientId = certificate
        .name
        .parse()
        .context("the certificate's CN must be the client's id")?;
    let genesis = Arc::new(home.genesis()?);
    let mut peers = peers_for(&home.orgs_here()?, &client.org());
    if !nodes.is_empty() {
        peers.ledger = nodes;
    }
    ensure!(
        !peers.ledger.is_empty(),
        "no ledger node is known here: name one with --ledger http://host:port"
    );
    let ledger = Ledger::new(&peers.ledger, Some(genesis.clone()))?;
    let dir = home.client_dir(&client);
    let enrolled = certificate::install(&dir, certificate, genesis, peers, &ledger, None).await?;
    ready(out, &enrolled.identity, enrolled.before);
    Ok(())
}

fn ready(out: Output, identity: &Identity, before: bool) {
    let (client, id) = (identity.client(), identity.certificate_id());
    let ends_s = identity.certificate().not_after_s;
    let document = json!({
        "client": client, "role": identity.certificate().role, "certificate": id,
        "not_after_s": ends_s, "home": identity.home(), "before": before,
    });
    out.print(&document, |_| {
        let already = if before { " already" } else { "" };
        format!(
            "{client} is ready{already}: certificate {id}, valid until {}\nkey and certificate in {}",
            time_text(ends_s * 1000),
            identity.home().unwrap_or(Path::new("")).display()
        )
    });
}

async fn enrol(
    home: &Home,
    out: Output,
    desk: &str,
    file: Option<&Path>,
    genesis: Option<&Path>,
    nodes: Vec<String>,
) -> Result<()> {
    let genesis = match genesis {
        None => home.genesis()?,
        Some(path) => pin(home, path)?,
    };
    let code = read_code(CodeKind::Enrolment, file)?;
    let desk = Desk::new(desk)?;
    let enrolment = certificate::Enrolment {
        code: &code,
        desk: &desk,
        genesis: Arc::new(genesis),
        nodes,
        passphrase: None,
    };
    let enrolled = certificate::enrol(&enrolment, |client| home.client_dir(client)).await;
    let enrolled = enrolled.map_err(|error| {
        let again = error.may_pass();
        let error = anyhow::Error::from(error);
        match again {
            true => error.context("enrolling isn't done: run the same command again"),
            false => error.context("enrolling isn't possible"),
        }
    })?;
    ready(out, &enrolled.identity, enrolled.before);
    Ok(())
}

/// Makes a genesis file this home's, unless it has another.
fn pin(home: &Home, path: &Path) -> Result<Genesis> {
    let genesis = home::read_genesis(path)?;
    let own = home.genesis_path();
    if own.exists() {
        ensure!(
            home.genesis()?.chain_id() == genesis.chain_id(),
            "{} is another ledger's than {}: choose another --home",
            own.display(),
            path.display()
        );
        return Ok(genesis);
    }
    std::fs::create_dir_all(home.root())
        .with_context(|| format!("{} can't be made", home.root().display()))?;
    keyfile::write_private(&own, genesis.to_json().as_bytes())
        .with_context(|| format!("{} can't be written", own.display()))?;
    Ok(genesis)
}

async fn renew(home: &Home, out: Output, client: &ClientId, desk: Option<String>) -> Result<()> {
    let actor = Actor::load(home, client)?;
    let identity = &actor.identity;
    let url = desk.or_else(|| identity.peers().desk.clone());
    let url = url.with_context(|| {
        format!("{client} knows no desk: name your organisation's with --desk http://host:port")
    })?;
    let window = certificate::renewal_window(&actor.ledger, identity).await?;
    let now_s = now_ms() / 1000;
    if now_s < window.opens_s {
        let (opens, ends) = (window.opens_s * 1000, window.ends_s * 1000);
        let document = json!({
            "client": client, "renewed": false, "certificate": identity.certificate_id(),
            "opens_s": window.opens_s, "not_after_s": window.ends_s,
        });
        out.print(&document, |_| {
            format!(
                "{client}'s certificate ends on {}: it can be renewed from {} on",
                time_text(ends),
                time_text(opens)
            )
        });
        return Ok(());
    }
    ensure!(
        now_s <= window.ends_s,
        "{client}'s certificate ended on {}: an operator must give it a new one (`sealwire enrolment open --client {client}`)",
        time_text(window.ends_s * 1000)
    );
    let desk = Desk::new(&url)?;
    let renewed = certificate::renew(identity, &actor.ledger, &desk, None)
        .await
        .with_context(|| format!("{client} isn't renewed yet: run the same command again"))?;
    let mut now = renewed.identity;
    if now.peers().desk.as_deref() != Some(desk.url()) {
        let desk = Some(desk.url().to_owned());
        now.set_peers(Peers {
            desk,
            ..now.peers().clone()
        })?;
    }
    // The old key still opens them: nothing is lost if this must wait.
    let sealed = certificate::reseal(&now, &actor.ledger).await;
    if let Err(error) = &sealed {
        tracing::warn!(%error, "topic keys are still sealed to the key before");
    }
    let ends_s = now.certificate().not_after_s;
    let (id, sealed) = (now.certificate_id(), sealed.unwrap_or(0));
    let document = json!({
        "client": client, "renewed": true, "certificate": id, "replaced": renewed.replaced,
        "height": renewed.height, "not_after_s": ends_s, "topic_keys": sealed,
    });
    out.print(&document, |_| {
        format!(
            "{client} has a new key and certificate {id}, valid until {}; {sealed} topic keys sealed anew",
            time_text(ends_s * 1000)
        )
    });
    Ok(())
}

/// Says on standard error that a client's certificate must be renewed, if so. Asks the ledger for the
/// window, but doesn't wait for it.
pub async fn warn(actor: &Actor, out: Output) {
    let identity = &actor.identity;
    let asked = certificate::renewal_window(&actor.ledger, identity);
    let window = match tokio::time::timeout(WARN_MAX, asked).await {
        Ok(Ok(window)) => window,
        _ => certificate::renewal_window_offline(identity),
    };
    if let Some(warning) = warning(identity.client(), window, now_ms() / 1000) {
        out.note(warning);
    }
}

fn warning(client: &ClientId, window: RenewalWindow, now_s: u64) -> Option<String> {
    window.is_open(now_s).then(|| {
        format!(
            "warning: {client}'s certificate ends on {}: renew it with `sealwire cert renew --as {client}`",
            time_text(window.ends_s * 1000)
        )
    })
}

/// The id that is meant, now or at an earlier height; with what the client was then, proven.
async fn resolve(ledger: &Ledger, which: &Which, at: Option<u64>) -> Result<CertId> {
    let client = match which {
        Which::Certificate(id) => return Ok(*id),
        Which::Client(client) => client,
    };
    let held = match at {
        None => ledger.client(client).await?.map(|it| it.certificate_id),
        Some(_) => {
            let explained = explain::decide(ledger, client, &explain::Action::Connect, at).await?;
            explained.decision.certificate
        }
    };
    held.with_context(|| match at {
        None => format!("{client} has no certificate on the ledger"),
        Some(height) => format!("{client} had no certificate at height {height}"),
    })
}

async fn standing(home: &Home, which: &Which, at: Option<u64>) -> Result<Standing> {
    let ledger = ledger(home)?;
    let id = resolve(&ledger, which, at).await?;
    Ok(certificate::standing(&ledger, id, at).await?)
}

async fn check(home: &Home, out: Output, which: &Which, at: Option<u64>) -> Result<()> {
    let standing = standing(home, which, at).await?;
    let valid = standing.status == CertificateStatus::Live;
    let proven = standing.proof.finality.headers.first().map(|it| it.height);
    let document = json!({
        "certificate": standing.id, "valid": valid, "status": standing.status,
        "client": standing.entry.as_ref().map(|it| &it.client),
        "height": standing.height, "time_ms": standing.time_ms, "proven_at": proven,
    });
    out.print(&document, |_| {
        let whose = standing.entry.as_ref().map_or_else(
            || "no certificate".to_owned(),
            |it| format!("{}'s certificate", it.client),
        );
        let (was, when) = match at {
            None => ("is", "now".to_owned()),
            Some(height) => (
                "was",
                format!("at height {height}, {}", time_text(standing.time_ms)),
            ),
        };
        format!(
            "{whose} {} {was} {} {when}\nproven by the ledger's state at height {}",
            standing.id,
            standing.status,
            proven.unwrap_or(0)
        )
    });
    Ok(())
}

async fn show(home: &Home, out: Output, which: &Which, pem: bool) -> Result<()> {
    let standing = standing(home, which, None).await?;
    let entry = standing
        .entry
        .with_context(|| format!("the ledger has no certificate {}", standing.id))?;
    let text = Certificate::from_der(&entry.der)
        .context("the ledger's certificate can't be read")?
        .to_pem();
    let document = json!({
        "id": standing.id, "status": standing.status, "certificate": entry, "pem": text,
    });
    out.print(&document, |_| match pem {
        true => text.trim_end().to_owned(),
        false => story(&standing.id, standing.status, &entry),
    });
    Ok(())
}

/// What a certificate is and what happened to it.
fn story(id: &CertId, status: CertificateStatus, entry: &CertificateEntry) -> String {
    let mut lines = vec![
        format!("{} as {}: {status}", entry.client, entry.role),
        format!("certificate  {id}"),
        format!(
            "valid        {} to {}",
            time_text(entry.not_before_s * 1000),
            time_text(entry.not_after_s * 1000)
        ),
        format!(
            "registered   {}, height {}",
            time_text(entry.registered.time_ms),
            entry.registered.height
        ),
    ];
    let mut tell = |what: &str, it: &sealwire_contracts::entry::Revocation| {
        lines.push(format!(
            "{what:<12} {}, height {}, by {}: {}",
            time_text(it.at.time_ms),
            it.at.height,
            it.by,
            it.reason
        ));
    };
    for pause in &entry.suspensions {
        tell("suspended", &pause.from);
        if let Some(until) = &pause.until {
            tell("resumed", until);
        }
    }
    if let Some(revoked) = &entry.revoked {
        tell("revoked", revoked);
    }
    lines.join("\n")
}

/// What an operator does to a certificate.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Until it is resumed.
    Suspend,
    /// Ends a suspension.
    Resume,
    /// For ever.
    Revoke,
}

/// Suspends, resumes or revokes as the operator of the certificate's organisation.
///
/// # Errors
/// When the operator isn't here, or the ledger refuses.
pub async fn change(
    home: &Home,
    which: &Which,
    change: Change,
    reason: &str,
) -> Result<(ClientId, CertId, Applied)> {
    let (id, client) = match which {
        Which::Certificate(id) => {
            let standing = standing(home, which, None).await?;
            let entry = standing.entry;
            let entry = entry.with_context(|| format!("the ledger has no certificate {id}"))?;
            (*id, entry.client)
        }
        Which::Client(client) => {
            let staff = operator_of(home, &client.org())?;
            (resolve(&staff.ledger, which, None).await?, client.clone())
        }
    };
    let staff = operator_of(home, &client.org())?;
    let (ledger, by) = (&staff.ledger, &staff.identity);
    let applied = match change {
        Change::Suspend => operator::suspend(ledger, by, id, reason).await?,
        Change::Resume => operator::resume(ledger, by, id, reason).await?,
        Change::Revoke => operator::revoke(ledger, by, id, reason).await?,
    };
    Ok((client, id, applied))
}

async fn stand(home: &Home, out: Output, which: &Which, how: Change, reason: &str) -> Result<()> {
    let (client, id, applied) = change(home, which, how, reason).await?;
    let document = json!({ "client": client, "certificate": id, "height": applied.height });
    out.print(&document, |_| {
        let is = match how {
            Change::Suspend => "is suspended",
            Change::Resume => "counts again",
            Change::Revoke => "is revoked",
        };
        format!(
            "{client}'s certificate {is} since height {}",
            applied.height
        )
    });
    Ok(())
}

async fn expiring(home: &Home, out: Output, org: &OrgId, within_s: u64) -> Result<()> {
    let path = format!("/v1/organisations/{org}/expiring?within_s={within_s}");
    let found: Vec<Value> = ledger(home)?.get_all(&path).await?;
    out.print(&found, |found| {
        if found.is_empty() {
            return format!("no certificate of '{org}' ends so soon");
        }
        let now_s = now_ms() / 1000;
        let rows: Vec<_> = found
            .iter()
            .map(|it| {
                let seconds = |value: &Value| value.as_u64().unwrap_or_default();
                let opens_s = seconds(&it["renewal_opens_s"]);
                let renewal = match now_s >= opens_s {
                    true => "now".to_owned(),
                    false => format!("from {}", time_text(opens_s * 1000)),
                };
                vec![
                    it["client"].as_str().unwrap_or_default().to_owned(),
                    it["certificate"]["role"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    it["status"].as_str().unwrap_or_default().to_owned(),
                    time_text(seconds(&it["certificate"]["not_after_s"]) * 1000),
                    renewal,
                ]
            })
            .collect();
        table(&["client", "role", "is", "ends", "can be renewed"], &rows)
    });
    Ok(())
}

async fn template(home: &Home, out: Output, command: Template) -> Result<()> {
    match command {
        Template::Set {
            org,
            role,
            validity,
            renewal,
        } => {
            let staff = operator_of(home, &org)?;
            let template = sealwire_envelope::Template {
                validity_max_s: validity,
                renewal_s: renewal,
            };
            let (ledger, by) = (&staff.ledger, &staff.identity);
            let applied = operator::set_template(ledger, by, role, template).await?;
            let document = json!({
                "org": org, "role": role, "template": template, "height": applied.height,
            });
            out.print(&document, |_| {
                format!(
                    "certificates of '{org}' as {role}: valid for {} at most, renewed in the last {}, since height {}",
                    duration_text(validity),
                    duration_text(renewal),
                    applied.height
                )
            });
        }
        Template::Show { org } => {
            let genesis = home.genesis()?;
            if !genesis.orgs.iter().any(|it| it.org == org) {
                bail!("organisation '{org}' isn't in genesis: check its name");
            }
            let ledger = ledger(home)?;
            let mut found = Vec::new();
            for role in ROLES {
                let entry = ledger.template(&org, role).await?;
                found.push(json!({ "role": role, "template": entry }));
            }
            out.print(&found, |found| templates_text(found));
        }
    }
    Ok(())
}

fn templates_text(found: &[Value]) -> String {
    let rows: Vec<_> = found
        .iter()
        .map(|it| {
            let role = it["role"].as_str().unwrap_or_default().to_owned();
            let template = &it["template"]["template"];
            match template["validity_max_s"].as_u64() {
                None => vec![role, "as issued".to_owned(), "last third".to_owned()],
                Some(validity_s) => {
                    let renewal_s = template["renewal_s"].as_u64().unwrap_or_default();
                    vec![role, duration_text(validity_s), duration_text(renewal_s)]
                }
            }
        })
        .collect();
    table(&["role", "valid at most", "renewed within"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_in_the_window_and_only_there() {
        let client = "acme.press-7".parse().unwrap();
        let window = RenewalWindow {
            opens_s: 100,
            ends_s: 200,
        };
        for (now_s, warns) in [(99, false), (100, true), (200, true), (201, false)] {
            let said = warning(&client, window, now_s);
            assert_eq!(said.is_some(), warns, "{now_s}");
        }
        let said = warning(&client, window, 150).unwrap();
        assert!(said.contains("sealwire cert renew --as acme.press-7"));
    }
}
