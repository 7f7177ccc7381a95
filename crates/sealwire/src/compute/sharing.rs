//! `sealwire compute ceremony`, `share`, `combine`: keys that t of n holders share.
//!
//! ```text
//! owner     begin ─► ceremony ─► every holder
//! holders   deal ─► signed dealing ─► every holder and the owner       (or the owner alone: deal --alone)
//! holders   finish: own share, from all dealings; a wrong dealing is named, and left out by all
//! owner     register: key and public shares, from the same dealings
//! holders   share: compute again, then give one's part ─► whoever combines
//! anyone    combine: the answer; wrong parts are named
//! ```
//! Files are handed on by whatever means: ceremony, dealings and parts are no secrets. What `combine` prints
//! stays among the holders.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use sealwire_compute::{
    elgamal,
    threshold::{
        self, CEREMONY_MAX_BYTES, Ceremony as Terms, CeremonyError, DEALING_MAX_BYTES, Dealing,
        Seat, SignedDealing,
    },
};
use sealwire_envelope::{
    Blob, ClientId,
    compute::{COMPUTE_VERSION, ComputeKey, OpeningShare, ParameterSet, SHARE_MAX_BYTES},
    decode_bounded, encode,
};
use sealwire_sm::{PublicKey, Sm3Digest, sm3};
use serde_json::json;

use super::{keys, read_bounded, result, store::Store, write};
use crate::{
    actor::Actor,
    cli::{Ceremony, Compute, PassphraseArgs, ReadingArgs, ReadingsFrom},
    home::Home,
    output::Output,
};

/// Runs one of the commands.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Compute) -> Result<()> {
    match command {
        Compute::Ceremony(command) => ceremony(home, out, command).await,
        Compute::Share {
            actor,
            from,
            result,
            out: path,
            trust_result,
            passphrase,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let wanted = Part {
                result: &result,
                from: &from,
                trusted: trust_result,
                passphrase: &passphrase,
            };
            share(&actor, out, &wanted, &path).await
        }
        Compute::Combine {
            actor,
            result,
            parts,
        } => combine(&Actor::load(home, &actor.client)?, out, &result, &parts).await,
        other => unreachable!("not a command about shared keys: {other:?}"),
    }
}

async fn ceremony(home: &Home, out: Output, command: Ceremony) -> Result<()> {
    match command {
        Ceremony::Begin {
            actor,
            threshold,
            holders,
            out: path,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            begin(&actor, out, threshold, &holders, &path).await
        }
        Ceremony::Deal {
            actor,
            ceremony,
            alone,
            out: path,
        } => deal(
            &Actor::load(home, &actor.client)?,
            out,
            &ceremony,
            alone,
            &path,
        ),
        Ceremony::Finish {
            actor,
            ceremony,
            dealings,
            passphrase,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let table = Table::read(&actor, &ceremony, &dealings).await?;
            finish(&actor, out, &table, &passphrase)
        }
        Ceremony::Register {
            actor,
            ceremony,
            dealings,
            readings,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let table = Table::read(&actor, &ceremony, &dealings).await?;
            register(&actor, out, &table, &readings).await
        }
    }
}

/// The key of a client's certificate, proven.
async fn key_of(actor: &Actor, client: &ClientId) -> Result<PublicKey> {
    let record = actor.ledger.client(client).await?;
    let record = record.with_context(|| format!("{client} isn't registered: check its id"))?;
    PublicKey::from_sec1(&record.certificate.public_key)
        .with_context(|| format!("the ledger's key of {client} can't be read"))
}

async fn begin(
    actor: &Actor,
    out: Output,
    threshold: u16,
    holders: &[ClientId],
    path: &Path,
) -> Result<()> {
    let mut seats = Vec::with_capacity(holders.len());
    for client in holders {
        let key = key_of(actor, client).await?;
        let client = client.clone();
        seats.push(Seat { client, key });
    }
    let terms = Terms {
        version: COMPUTE_VERSION,
        owner: actor.identity.client().clone(),
        nonce: Sm3Digest(rand::random()),
        threshold,
        holders: seats,
    };
    let bytes = terms.to_bytes();
    // What no holder could read isn't written.
    Terms::from_bytes(&bytes)?;
    write(path, &bytes)?;
    let document = json!({
        "file": path, "ceremony": terms.digest(), "threshold": threshold, "holders": holders,
    });
    out.print(&document, |_| {
        format!(
            "{threshold} of {} holders will open results: {1}\n\
             each of them deals: sealwire compute ceremony deal --as HOLDER {1} --out HOLDER.dealing",
            holders.len(),
            path.display()
        )
    });
    Ok(())
}

fn read_terms(path: &Path) -> Result<Terms> {
    let bytes = read_bounded(path, CEREMONY_MAX_BYTES, "ceremony")?;
    Terms::from_bytes(&bytes).with_context(|| format!("{} isn't a ceremony", path.display()))
}

fn number_of(terms: &Terms, client: &ClientId) -> Result<u16> {
    terms.number_of(client).with_context(|| {
        let holders: Vec<&str> = terms.holders.iter().map(|h| h.client.as_str()).collect();
        format!(
            "{client} isn't a holder of this ceremony: its holders are {}",
            holders.join(", ")
        )
    })
}

fn deal(actor: &Actor, out: Output, ceremony: &Path, alone: bool, path: &Path) -> Result<()> {
    let terms = read_terms(ceremony)?;
    let client = actor.identity.client();
    let mut rng = rand::rng();
    let dealing = if alone {
        ensure!(
            *client == terms.owner,
            "only the owner {} deals alone: leave --alone out",
            terms.owner
        );
        // The whole key is forgotten when this ends.
        let secret = elgamal::Secret::generate(&mut rng);
        terms.deal_alone(&secret, &mut rng)?
    } else {
        terms.deal(number_of(&terms, client)?, &mut rng)?
    };
    let dealer = dealing.dealer;
    let signed = SignedDealing::sign(dealing, actor.identity.key());
    write(path, &signed.to_bytes())?;
    let document = json!({ "file": path, "dealer": dealer, "client": client });
    out.print(&document, |_| {
        format!(
            "dealing {dealer} of {client}: {}\ngive it to every holder and to the owner, {}",
            path.display(),
            terms.owner
        )
    });
    Ok(())
}

/// A ceremony with dealings that are signed by their dealers.
struct Table {
    terms: Terms,
    dealings: Vec<Dealing>,
}

impl Table {
    async fn read(actor: &Actor, ceremony: &Path, paths: &[PathBuf]) -> Result<Self> {
        let terms = read_terms(ceremony)?;
        let owner = key_of(actor, &terms.owner).await?;
        let mut dealings = Vec::with_capacity(paths.len());
        for path in paths {
            let bytes = read_bounded(path, DEALING_MAX_BYTES, "dealing")?;
            let signed = SignedDealing::from_bytes(&bytes)
                .with_context(|| format!("{} isn't a dealing", path.display()))?;
            signed
                .verify(&terms, &owner)
                .map_err(anyhow::Error::new)
                .with_context(|| wrong_dealing(&terms, signed.dealing.dealer, path))?;
            dealings.push(signed.dealing);
        }
        Ok(Self { terms, dealings })
    }

    /// Names the dealer of a wrong dealing.
    fn explain(&self, error: CeremonyError) -> anyhow::Error {
        let CeremonyError::Dealing { dealer, .. } = &error else {
            return error.into();
        };
        let who = self.terms.client_of(*dealer);
        let who = who.map_or_else(|| "nobody".to_owned(), ToString::to_string);
        anyhow::Error::new(error).context(format!(
            "{who} dealt wrong: tell every holder and the owner, so that all leave its dealing out"
        ))
    }
}

fn wrong_dealing(terms: &Terms, dealer: u16, path: &Path) -> String {
    match terms.client_of(dealer) {
        Some(client) => format!(
            "{}: not a dealing of {client} in this ceremony, get it again",
            path.display()
        ),
        None => format!("{}: dealer {dealer} isn't in this ceremony", path.display()),
    }
}

fn finish(actor: &Actor, out: Output, table: &Table, passphrase: &PassphraseArgs) -> Result<()> {
    let client = actor.identity.client();
    let number = number_of(&table.terms, client)?;
    let key = actor.identity.key();
    let mut share = table.terms.receive(&table.dealings, number, key);
    if let (Err(CeremonyError::Key(_)), Some(previous)) = (&share, actor.identity.previous()) {
        share = table.terms.receive(&table.dealings, number, previous);
    }
    let share = share.map_err(|error| table.explain(error))?;
    let passphrase = passphrase.for_new()?;
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    let path = Store::of(&actor.identity)?.keep_share(&share, passphrase)?;
    let document = json!({
        "holder": number, "client": client, "public": share.public(), "file": path,
        "dealers": table.dealings.iter().map(|dealing| dealing.dealer).collect::<Vec<_>>(),
    });
    out.print(&document, |_| {
        format!(
            "{client} has share {number} of the key with public half {}: {}\n\
             every holder must have the same; then the owner registers it: sealwire compute ceremony register",
            share.public(),
            path.display()
        )
    });
    Ok(())
}

async fn register(actor: &Actor, out: Output, table: &Table, readings: &ReadingArgs) -> Result<()> {
    let owner = actor.identity.client();
    ensure!(
        *owner == table.terms.owner,
        "the ceremony is for a key of {}: it registers it",
        table.terms.owner
    );
    let (public, sharing) = table
        .terms
        .sharing(&table.dealings)
        .map_err(|error| table.explain(error))?;
    let key = ComputeKey {
        version: COMPUTE_VERSION,
        owner: owner.clone(),
        parameters: ParameterSet::Sm2ElgamalV1,
        readings: keys::spec(readings)?,
        public: sm3(&[&public]),
        evaluation: None,
        sharing: Some(sharing),
    };
    sealwire_compute::check_public(&key, &public)?;
    let id = key.id();
    Store::of(&actor.identity)?.keep_shared(&key, &public)?;
    let applied = keys::register(actor, key.clone(), Some(Blob(public))).await?;
    let document = json!({ "key": id, "height": applied.height, "description": key });
    out.print(&document, |_| {
        format!(
            "compute key {id}, which {} of {} holders open, is on the ledger since height {}\n\
             readings from {}",
            table.terms.threshold,
            table.terms.holders.len(),
            applied.height,
            keys::bounds_text(&key.readings)
        )
    });
    Ok(())
}

/// A holder's part in opening.
struct Part<'a> {
    result: &'a Path,
    from: &'a ReadingsFrom,
    trusted: bool,
    passphrase: &'a PassphraseArgs,
}

async fn share(actor: &Actor, out: Output, wanted: &Part<'_>, path: &Path) -> Result<()> {
    let computed = result::read(wanted.result)?;
    let (entry, key) = result::on_ledger(actor, &computed).await?;
    if !wanted.trusted {
        let spinner = out.spinner("computing it again before giving a part");
        let again = result::again(actor, wanted.from, &computed).await;
        spinner.finish_and_clear();
        again.context("no part is given for what couldn't be verified; --trust-result takes somebody else's word")?;
    }
    let share = Store::of(&actor.identity)?.share(&key, wanted.passphrase)?;
    let evaluation = &entry.evaluation;
    let part = share.open(&key, evaluation, &computed.ciphertexts, &mut rand::rng())?;
    write(path, &encode(&part))?;
    let document = json!({
        "file": path, "holder": part.holder, "evaluation": part.evaluation,
        "verified": !wanted.trusted,
    });
    out.print(&document, |_| {
        format!(
            "part {} in opening evaluation {}: {}",
            part.holder,
            part.evaluation,
            path.display()
        )
    });
    Ok(())
}

async fn combine(actor: &Actor, out: Output, result: &Path, paths: &[PathBuf]) -> Result<()> {
    let computed = result::read(result)?;
    let (entry, key) = result::on_ledger(actor, &computed).await?;
    let mut parts: Vec<OpeningShare> = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes = read_bounded(path, SHARE_MAX_BYTES, "part")?;
        let part = decode_bounded(&bytes, SHARE_MAX_BYTES);
        parts.push(part.with_context(|| format!("{} isn't a holder's part", path.display()))?);
    }
    let combining = tokio::task::spawn_blocking(move || {
        let evaluation = &entry.evaluation;
        let combined = threshold::combine(&key, evaluation, &computed.ciphertexts, &parts);
        (combined, evaluation.id())
    });
    let (combined, id) = combining.await.context("combining")?;
    let combined = match combined {
        Ok(combined) => combined,
        Err(threshold::CombineError::Whole) => {
            bail!("the key isn't shared: its owner opens the result with `sealwire compute open`")
        }
        Err(error) => return Err(error).context("the parts don't open the result"),
    };
    let wrong: Vec<_> = combined
        .wrong
        .iter()
        .map(|wrong| {
            json!({
                "holder": wrong.holder, "client": wrong.client, "fault": wrong.fault.to_string(),
            })
        })
        .collect();
    let document = json!({ "evaluation": id, "answer": combined.answer, "wrong": wrong });
    out.print(&document, |_| {
        let mut lines = vec![combined.answer.to_string()];
        lines.extend(combined.wrong.iter().map(|wrong| format!("WRONG: {wrong}")));
        lines.join("\n")
    });
    Ok(())
}
