//! `sealwire key …`: authorisation keys.
//!
//! The text of a key is a secret. It is printed once, when it is made, and read from a file or from standard
//! input, never from an argument.

use std::{io::Read as _, path::Path};

use anyhow::{Context as _, Result, bail};
use sealwire_client::owner::{Authorisation, Owner, redeem};
use sealwire_envelope::{Code, code::CODE_TEXT_MAX_BYTES, code::CodeKind};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    actor::Actor,
    cli::Key,
    home::Home,
    output::{Output, table, time_text},
    process::now_ms,
    topic::{DAY_S, ledger},
};

/// Runs the command.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Key) -> Result<()> {
    match command {
        Key::Create {
            actor,
            topic,
            terms,
            uses,
            redeem_within,
            out: file,
        } => {
            let owner = Owner::new(Actor::load(home, &actor.client)?.keyring);
            let redeem_until_s = now_ms() / 1000 + u64::from(redeem_within) * DAY_S;
            let wanted = Authorisation {
                filter: topic.clone(),
                terms: terms.terms(),
                uses,
                redeem_until_s,
            };
            let (code, id, applied) = owner.create_authorisation(wanted).await?;
            let shown = reveal(&code, file.as_deref())?;
            let document = json!({
                "authorisation": id, "key": shown.as_deref(), "file": file,
                "topic": topic, "height": applied.height,
            });
            out.print(&document, |_| {
                let key = match (&shown, &file) {
                    (Some(text), _) => format!("{}\n{}", qr(text), text.as_str()),
                    (None, file) => format!("written to {}", file.as_deref().unwrap_or(Path::new("")).display()),
                };
                format!(
                    "{key}\n\nWhoever has this key may {} on {topic}: {uses} times, until {}.\nIt isn't shown again. Id, to withdraw it: {id}",
                    terms.rights,
                    time_text(redeem_until_s * 1000)
                )
            });
        }
        Key::Redeem { actor, file } => {
            let code = read_code(CodeKind::Authorisation, file.as_deref())?;
            let actor = Actor::load(home, &actor.client)?;
            let (entry, applied) = redeem(&actor.keyring, &code).await?;
            let document = json!({
                "topic": entry.filter, "rights": entry.terms.rights, "height": applied.height,
            });
            out.print(&document, |_| {
                format!(
                    "{} may {} on {} since height {}",
                    actor.identity.client(),
                    entry.terms.rights,
                    entry.filter,
                    applied.height
                )
            });
        }
        Key::List { owner } => {
            let path = format!("/v1/clients/{owner}/authorisations");
            let keys: Vec<Value> = ledger(home)?.get_all(&path).await?;
            out.print(&keys, |keys| keys_text(keys));
        }
        Key::Withdraw { actor, id } => {
            let owner = Owner::new(Actor::load(home, &actor.client)?.keyring);
            let applied = owner.withdraw_authorisation(id).await?;
            let document = json!({ "authorisation": id, "height": applied.height });
            out.print(&document, |_| {
                format!("nobody redeems {id} since height {}", applied.height)
            });
        }
    }
    Ok(())
}

/// The code's text, or nothing when it went to a file.
fn reveal(code: &Code, file: Option<&Path>) -> Result<Option<Zeroizing<String>>> {
    let text = code.reveal();
    let Some(path) = file else {
        return Ok(Some(text));
    };
    sealwire_sm::keyfile::write_private(path, text.as_bytes())
        .with_context(|| format!("{} can't be written", path.display()))?;
    Ok(None)
}

/// Reads a code of this kind from a file or standard input.
///
/// # Errors
/// When there is none.
pub fn read_code(kind: CodeKind, file: Option<&Path>) -> Result<Code> {
    let mut text = Zeroizing::new(String::new());
    let bound = 2 * CODE_TEXT_MAX_BYTES as u64;
    match file {
        Some(path) => {
            let opened = std::fs::File::open(path)
                .with_context(|| format!("{} can't be read", path.display()))?;
            opened.take(bound).read_to_string(&mut text)?;
        }
        None => {
            use std::io::IsTerminal as _;
            if std::io::stdin().is_terminal() {
                eprintln!("Type the key, then Enter:");
                std::io::stdin().read_line(&mut text)?;
            } else {
                std::io::stdin().take(bound).read_to_string(&mut text)?;
            }
        }
    }
    if text.trim().is_empty() {
        bail!("no key was given: name a file with --file, or pipe the key in");
    }
    Ok(Code::parse(kind, &text)?)
}

/// A QR code for a terminal; nothing when the text doesn't fit, which a code's always does.
pub fn qr(text: &str) -> String {
    use qrcode::render::unicode::Dense1x2;
    qrcode::QrCode::new(text.as_bytes())
        .map(|code| {
            let dark_on_light = code.render::<Dense1x2>();
            let mut image = dark_on_light;
            image
                .dark_color(Dense1x2::Light)
                .light_color(Dense1x2::Dark)
                .build()
        })
        .unwrap_or_default()
}

fn keys_text(keys: &[Value]) -> String {
    let rows: Vec<_> = keys
        .iter()
        .map(|record| {
            let key = &record["authorisation"];
            let used = key["redeemed"].as_array().map_or(0, Vec::len);
            let rights = key["terms"]["rights"].as_array().into_iter().flatten();
            let rights: Vec<_> = rights.filter_map(Value::as_str).collect();
            let until = key["redeem_until_s"].as_u64().unwrap_or_default() * 1000;
            let state = match (&key["withdrawn"], record["open"] == true) {
                (Value::Null, true) => format!("until {}", time_text(until)),
                (Value::Null, false) => "used up or expired".to_owned(),
                (at, _) => format!("withdrawn at height {}", at["height"]),
            };
            vec![
                record["id"].as_str().unwrap_or_default().to_owned(),
                key["filter"].as_str().unwrap_or_default().to_owned(),
                rights.join(","),
                format!("{used} of {}", key["uses"]),
                state,
            ]
        })
        .collect();
    table(&["id", "on", "rights", "redeemed", "state"], &rows)
}
