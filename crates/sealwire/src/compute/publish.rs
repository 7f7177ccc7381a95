//! `sealwire compute publish`: a device encrypts readings and publishes them.

use std::{io::BufRead as _, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use sealwire_client::{
    compute::Compute as Service,
    mqtt::Session,
    readings::{Published, Publisher},
};
use sealwire_compute::{bound, plan, reading::Reading};
use sealwire_contracts::entry::ComputeKeyEntry;
use sealwire_envelope::{
    ComputeKeyId, OrgId, TopicName,
    compute::{ComputeKey, Form, ParameterSet},
};
use tokio::sync::mpsc;

use super::{live_key, service, store::Store};
use crate::{
    actor::Actor,
    certificate,
    cli::{KeyName, Readings},
    output::Output,
};

/// Readings of a batch in ElGamal, unless told otherwise: some 70 KB.
const ELGAMAL_BATCH: usize = 1024;
/// Lines of standard input that wait for their encryption.
const LINES_WAITING: usize = 4096;

/// Where readings go.
pub struct To<'a> {
    /// Whose gateway; the device's own without.
    pub gateway: Option<&'a OrgId>,
    /// To which key.
    pub key: &'a KeyName,
    /// On which topic.
    pub topic: &'a TopicName,
}

/// Encrypts readings and publishes them, batch by batch.
///
/// # Errors
/// When a reading isn't one of the key's, the form doesn't fit, or the gateway refuses.
pub async fn run(actor: &Actor, out: Output, to: &To<'_>, given: &Readings) -> Result<()> {
    let (id, entry) = live_key(&actor.ledger, to.key).await?;
    let form = given.form.into();
    bound::check_form(entry.key.parameters, &entry.key.readings, form)?;
    let batch = given.batch.unwrap_or(match entry.key.parameters {
        ParameterSet::Sm2ElgamalV1 => ELGAMAL_BATCH,
        set => plan::slots(set),
    });
    ensure!(
        (1..=sealwire_compute::scheme::BATCH_MAX).contains(&batch),
        "--batch is 1 to {}",
        sealwire_compute::scheme::BATCH_MAX
    );
    let key = entry.key.clone();
    let publisher = publisher(actor, to.gateway, &id, entry).await?;
    let connected = actor.connect(to.gateway);
    let (session, ()) = tokio::join!(connected, certificate::warn(actor, out));
    let sending = Sending {
        session: session?,
        publisher,
        topic: to.topic,
        form,
        out,
    };
    if given.values.is_empty() && given.csv.is_none() {
        sending.lines(&key, batch).await?;
    } else {
        // All of them are read before the first is sent: a wrong one sends none.
        let texts = match &given.csv {
            Some(path) => column_of(path, given.column.as_deref())?,
            None => given.values.clone(),
        };
        let mut readings = Vec::with_capacity(texts.len());
        for (place, text) in texts.iter().enumerate() {
            let reading = Reading::parse(text.trim(), &key.readings);
            readings.push(reading.with_context(|| format!("reading {}", place + 1))?);
        }
        ensure!(!readings.is_empty(), "there is no reading to publish");
        let bar = out.bar(readings.len() as u64, "encrypting and publishing");
        for chunk in readings.chunks(batch) {
            let sent = sending.batch(chunk.to_vec()).await?;
            bar.inc(sent.readings as u64);
        }
        bar.finish_and_clear();
    }
    sending.session.close().await;
    Ok(())
}

/// What encrypts to a key: its public half from this home, from the ledger where it is short, else from the
/// gateway.
///
/// # Errors
/// When nobody has it, or it isn't the key's.
pub async fn publisher(
    actor: &Actor,
    gateway: Option<&OrgId>,
    id: &ComputeKeyId,
    entry: ComputeKeyEntry,
) -> Result<Publisher> {
    let store = Store::of(&actor.identity)?;
    if let Some(public) = store.public(&entry.key) {
        return Ok(Publisher::new(&entry.key, &public)?);
    }
    let service: Service = service(actor, gateway)?;
    let (key, public) = service
        .public_key(&actor.ledger, id)
        .await
        .with_context(|| {
            format!(
                "the public half of compute key {id}: its owner gives it to this gateway with \
                 `sealwire compute publish-key`"
            )
        })?;
    store.remember_public(id, &public)?;
    Ok(Publisher::new(&key, &public)?)
}

struct Sending<'a> {
    session: Session,
    publisher: Publisher,
    topic: &'a TopicName,
    form: Form,
    out: Output,
}

impl Sending<'_> {
    async fn batch(&self, readings: Vec<Reading>) -> Result<Published> {
        let published = self
            .publisher
            .publish(&self.session, self.topic, self.form, readings)
            .await?;
        let document = serde_json::json!({
            "topic": self.topic, "readings": published.readings, "batch": published.batch,
            "messages": published.parts, "bytes": published.bytes,
        });
        self.out.line(&document, |_| {
            format!(
                "{} readings, encrypted, to {}: {} messages, {} bytes, batch {}",
                published.readings, self.topic, published.parts, published.bytes, published.batch
            )
        });
        Ok(published)
    }

    /// Readings from standard input, a line each; a full batch goes as soon as it is full.
    async fn lines(&self, key: &ComputeKey, batch: usize) -> Result<()> {
        let (to, mut lines) = mpsc::channel(LINES_WAITING);
        // Not a task: a runtime that ends would wait for its next line.
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                if to.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        let (mut waiting, mut number) = (Vec::with_capacity(batch.min(LINES_WAITING)), 0u64);
        while let Some(line) = lines.recv().await {
            let line = line.context("standard input")?;
            number += 1;
            if line.trim().is_empty() {
                continue;
            }
            let reading = Reading::parse(line.trim(), &key.readings);
            waiting.push(reading.with_context(|| format!("line {number}"))?);
            if waiting.len() == batch {
                self.batch(std::mem::take(&mut waiting)).await?;
            }
        }
        if !waiting.is_empty() {
            self.batch(waiting).await?;
        }
        ensure!(number > 0, "standard input had no reading");
        Ok(())
    }
}

/// A column of a CSV file: the named one, else the last.
fn column_of(path: &Path, name: Option<&str>) -> Result<Vec<String>> {
    let mut reader = csv::Reader::from_path(path)
        .with_context(|| format!("{} can't be read", path.display()))?;
    let heads = reader
        .headers()
        .with_context(|| format!("{} has no header line", path.display()))?
        .clone();
    let place = match name {
        None => heads.len().checked_sub(1),
        Some(name) => heads.iter().position(|head| head.trim() == name),
    };
    let Some(place) = place else {
        let all: Vec<&str> = heads.iter().collect();
        bail!(
            "{} has no column '{}': it has {}",
            path.display(),
            name.unwrap_or_default(),
            all.join(", ")
        );
    };
    let mut texts = Vec::new();
    for (row, record) in reader.records().enumerate() {
        let record = record.with_context(|| format!("{}", path.display()))?;
        let text = record.get(place).unwrap_or_default();
        ensure!(
            !text.trim().is_empty(),
            "{}: row {} has no '{}'",
            path.display(),
            row + 1,
            heads.get(place).unwrap_or_default()
        );
        texts.push(text.to_owned());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_or_are_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("readings.csv");
        std::fs::write(&path, "time,load,temperature\n1,0.5,21.5\n2,0.7,-3\n").unwrap();
        assert_eq!(column_of(&path, None).unwrap(), ["21.5", "-3"]);
        assert_eq!(column_of(&path, Some("load")).unwrap(), ["0.5", "0.7"]);
        let error = column_of(&path, Some("speed")).unwrap_err().to_string();
        assert!(error.contains("time, load, temperature"), "{error}");
        std::fs::write(&path, "time,load\n1,\n").unwrap();
        assert!(
            column_of(&path, None)
                .unwrap_err()
                .to_string()
                .contains("row 1")
        );
    }
}
