//! Evaluate again what a gateway says it evaluated, from the packages that the ledger names.
//!
//! ```text
//! evaluation (ledger) ─► packages of each input (ledger's list, each proven) ─► root? count?
//!                     ─► messages (archive or bundle, against the anchored root) ─► evaluate ─► same bytes?
//! ```
//!
//! Two lies are told apart: a gateway that *left packages out* (the ledger knows one that the evaluation
//! isn't over), and one that gave *another result* (the same messages come to other bytes). The list of
//! packages comes from a node, which may leave one out; every package in it is proven, so a node can't make
//! an honest gateway look like a liar, except by leaving out what the gateway had: ask another node then.

use std::collections::BTreeMap;

use sealwire_compute::{
    EVALUATOR, Refused,
    input::{self, BYTES_MAX, PACKAGES_MAX, SIGNER_KEYS_MAX, Signers},
};
use sealwire_contracts::{
    entry::{CertificateEntry, PackageEntry},
    keys,
};
use sealwire_envelope::{
    Blob, ClientId, DecodeError, EvaluationId, PackageId, TopicName,
    compute::{ComputeKey, Evaluation, JobInput, result_digest, service::KeyHalf},
    decode,
    receipt::Bundle,
    record::ArchivedRecord,
};
use sealwire_receipt::{merkle, result};
use sealwire_sm::{PublicKey, Sm3Digest};
use serde::{Deserialize, Serialize};

use super::{Compute, ComputeError, key_of};
use crate::{
    archive::{FetchError, percent_encoded},
    ledger::{Ledger, LedgerError},
};

/// Where packages and evaluation keys are had from, asked in this order: bundles first.
#[derive(Clone, Copy, Default)]
pub struct Sources<'a> {
    /// Gateways that may have the packages; each needs the right to read them.
    pub gateways: &'a [Compute],
    /// Packages that somebody exported, with the ledger's proofs.
    pub bundles: &'a [Bundle],
}

/// An evaluation that was evaluated again, to the same bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Again {
    /// Its id.
    pub id: EvaluationId,
    /// What the ledger holds.
    pub evaluation: Evaluation,
    /// The packages of each input.
    pub packages: Vec<Vec<PackageId>>,
    /// Messages that were looked at.
    pub messages: u64,
    /// Of each input what was left out, and why.
    pub left_out: Vec<sealwire_compute::SkippedCounts>,
    /// The result: the same bytes as the gateway's.
    #[serde(skip)]
    pub ciphertexts: Vec<Blob>,
}

/// An evaluation couldn't be evaluated again, or not to the same bytes.
#[derive(Debug, thiserror::Error)]
pub enum VerifyAgainError {
    /// A lie: packages that the gateway had anchored in time aren't in the evaluation.
    #[error(
        "the gateway LIED: {topic} had {found} packages by height {height}, the evaluation is over {said}; it left out {}",
        names(missing)
    )]
    Omitted {
        /// Of which input.
        topic: TopicName,
        /// The evaluation's height.
        height: u64,
        /// How many packages the ledger proves.
        found: u64,
        /// How many the evaluation says.
        said: u64,
        /// Packages among which those are that were left out.
        missing: Vec<PackageId>,
    },
    /// The evaluation is over other packages than the ledger lists: a lie, or a node that leaves some out.
    #[error(
        "{topic}: the ledger's {found} packages make root {root}, the evaluation is over {said} with root {said_root}: ask another node; if it has no more, the gateway lied"
    )]
    Packages {
        /// Of which input.
        topic: TopicName,
        /// How many packages the node lists.
        found: u64,
        /// Their root.
        root: Sm3Digest,
        /// How many the evaluation says.
        said: u64,
        /// Their root.
        said_root: Sm3Digest,
    },
    /// A lie: the same messages give another result.
    #[error(
        "the gateway LIED: evaluated again, the result has digest {found}, the ledger's evaluation names {said}"
    )]
    Result {
        /// What the messages give.
        found: Sm3Digest,
        /// What the gateway logged.
        said: Sm3Digest,
    },
    /// A lie: the same messages have another number of readings.
    #[error("the gateway LIED: {topic} has {found} readings, the ledger's evaluation says {said}")]
    Readings {
        /// Of which input.
        topic: TopicName,
        /// What the messages have.
        found: u64,
        /// What the gateway logged.
        said: u64,
    },
    /// A lie: the job can't be evaluated at all.
    #[error("the gateway LIED: the job can't be evaluated: {0}")]
    Refused(#[source] Refused),
    /// By an evaluator that this program doesn't have.
    #[error(
        "the evaluation is by evaluator {0}, this program has {EVALUATOR}: use one that has it"
    )]
    Evaluator(u16),
    /// The ledger has no such evaluation.
    #[error("the ledger holds no evaluation {0}: check the id")]
    Unknown(EvaluationId),
    /// More than is read.
    #[error("the evaluation is over more than {BYTES_MAX} bytes or {PACKAGES_MAX} packages")]
    Large,
    /// Nobody gave the package; what the last one said.
    #[error("package {package} can't be had: {detail}")]
    NoPackage {
        /// Which.
        package: PackageId,
        /// Why not.
        detail: String,
    },
    /// The package that came isn't the one that was anchored.
    #[error("package {package} isn't the one that was anchored: its records make another root")]
    Damaged {
        /// Which.
        package: PackageId,
    },
    /// A record that can't be read.
    #[error("a record of package {package} can't be read: {source}")]
    Record {
        /// Of which package.
        package: PackageId,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// A key, or its half.
    #[error(transparent)]
    Key(#[from] ComputeError),
    /// The ledger couldn't be asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The evaluation was cut short.
    #[error("the evaluation ended early: {0}")]
    Ended(String),
}

impl VerifyAgainError {
    /// Whether it shows that the gateway lied, and not only that something couldn't be had.
    pub fn is_lie(&self) -> bool {
        matches!(
            self,
            Self::Omitted { .. } | Self::Result { .. } | Self::Readings { .. } | Self::Refused(_)
        )
    }
}

fn names(packages: &[PackageId]) -> String {
    let names: Vec<String> = packages.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// Evaluates again what the ledger says a gateway evaluated, and compares bytes.
///
/// # Errors
/// [`VerifyAgainError`]; [`VerifyAgainError::is_lie`] says whether it convicts the gateway.
pub async fn verify_again(
    ledger: &Ledger,
    sources: Sources<'_>,
    id: &EvaluationId,
) -> Result<Again, VerifyAgainError> {
    let entry = ledger.evaluation(id).await?;
    let evaluation = entry.ok_or(VerifyAgainError::Unknown(*id))?.evaluation;
    if evaluation.evaluator != EVALUATOR {
        return Err(VerifyAgainError::Evaluator(evaluation.evaluator));
    }
    let key = key_of(ledger, &evaluation.job.key).await?.key;
    let evaluation_key = evaluation_key(&key, &evaluation, sources).await?;
    let mut room = BYTES_MAX;
    let (mut packages, mut payloads) = (Vec::new(), Vec::new());
    for (place, input) in evaluation.job.inputs.iter().enumerate() {
        let entries = packages_of(ledger, &evaluation, place).await?;
        let mut messages = Vec::new();
        for entry in &entries {
            messages.extend(read(sources, input, entry, &mut room).await?);
        }
        packages.push(entries.iter().map(|entry| entry.anchor.package).collect());
        payloads.push(messages);
    }
    let signers = signers(ledger, &payloads, evaluation.height).await?;
    let messages = payloads.iter().map(|input| input.len() as u64).sum();
    let job = evaluation.job.clone();
    let evaluated = tokio::task::spawn_blocking(move || {
        let inputs: Vec<&[Vec<u8>]> = payloads.iter().map(Vec::as_slice).collect();
        let signed = |reading: &_| signers.signed(reading);
        sealwire_compute::evaluate_signed(&key, evaluation_key.as_deref(), &job, inputs, &signed)
    });
    let evaluated = evaluated
        .await
        .map_err(|error| VerifyAgainError::Ended(error.to_string()))?
        .map_err(VerifyAgainError::Refused)?;
    for (place, found) in evaluated.readings.iter().enumerate() {
        let said = evaluation.inputs[place].readings;
        if *found != said {
            return Err(VerifyAgainError::Readings {
                topic: evaluation.job.inputs[place].topic.clone(),
                found: *found,
                said,
            });
        }
    }
    let (found, said) = (result_digest(&evaluated.ciphertexts), evaluation.result);
    if found != said {
        return Err(VerifyAgainError::Result { found, said });
    }
    Ok(Again {
        id: *id,
        evaluation,
        packages,
        messages,
        left_out: evaluated.skipped,
        ciphertexts: evaluated.ciphertexts,
    })
}

async fn evaluation_key(
    key: &ComputeKey,
    evaluation: &Evaluation,
    sources: Sources<'_>,
) -> Result<Option<Vec<u8>>, VerifyAgainError> {
    if !sealwire_compute::needs_evaluation_key(key, &evaluation.job.function) {
        return Ok(None);
    }
    let mut last = FetchError::Away {
        address: "(none)".to_owned(),
        detail: "no gateway was given to ask for the evaluation key".to_owned(),
    }
    .into();
    for gateway in sources.gateways {
        match gateway.key_half(key, KeyHalf::Evaluation).await {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) => last = error,
        }
    }
    Err(VerifyAgainError::Key(last))
}

#[derive(Deserialize)]
struct Listed {
    anchor: ListedAnchor,
}

#[derive(Deserialize)]
struct ListedAnchor {
    package: PackageId,
    gateway: ClientId,
}

/// The packages that the ledger has for one input, proven, in order; the evaluation must be over exactly
/// these.
pub(super) async fn packages_of(
    ledger: &Ledger,
    evaluation: &Evaluation,
    place: usize,
) -> Result<Vec<PackageEntry>, VerifyAgainError> {
    let (input, said) = (&evaluation.job.inputs[place], &evaluation.inputs[place]);
    let path = format!(
        "/v1/packages?topic={}&from_ms={}&to_ms={}",
        percent_encoded(input.topic.as_str()),
        input.from_ms,
        input.to_ms - 1
    );
    let listed: Vec<Listed> = ledger.get_all(&path).await?;
    if listed.len() > PACKAGES_MAX * 2 {
        return Err(VerifyAgainError::Large);
    }
    let mut entries = Vec::new();
    for listed in listed {
        if listed.anchor.gateway != evaluation.gateway {
            continue;
        }
        let Some(entry) = ledger.package(&listed.anchor.package).await? else {
            continue;
        };
        let (gateway, height) = (&evaluation.gateway, evaluation.height);
        if result::takes(input, gateway, height, &entry.anchor, entry.at.height).is_ok() {
            entries.push(entry);
        }
    }
    entries.sort_by_key(|entry| input::order(entry.anchor.from_ms, entry.anchor.package));
    let ids: Vec<PackageId> = entries.iter().map(|entry| entry.anchor.package).collect();
    let found = result::input_digest(&ids, said.readings);
    if found == *said {
        return Ok(entries);
    }
    let topic = input.topic.clone();
    if found.packages > said.packages {
        return Err(VerifyAgainError::Omitted {
            topic,
            height: evaluation.height,
            found: found.packages,
            said: said.packages,
            missing: missing(&ids, said.root, said.packages),
        });
    }
    Err(VerifyAgainError::Packages {
        topic,
        found: found.packages,
        root: found.root,
        said: said.packages,
        said_root: said.root,
    })
}

/// The packages that were left out, if it is one; else all that come into question.
fn missing(ids: &[PackageId], root: Sm3Digest, said: u64) -> Vec<PackageId> {
    if ids.len() as u64 == said + 1 {
        for left_out in 0..ids.len() {
            let others = ids.iter().enumerate().filter(|(at, _)| *at != left_out);
            if merkle::root_of(others.map(|(_, id)| id)) == root {
                return vec![ids[left_out]];
            }
        }
    }
    ids.to_vec()
}

/// What an evaluation sees of the messages of a package.
async fn read(
    sources: Sources<'_>,
    input: &JobInput,
    entry: &PackageEntry,
    room: &mut u64,
) -> Result<Vec<Vec<u8>>, VerifyAgainError> {
    let package = entry.anchor.package;
    let records = records(sources, entry).await?;
    if merkle::root_of(&records) != entry.anchor.root {
        return Err(VerifyAgainError::Damaged { package });
    }
    let mut payloads = Vec::with_capacity(records.len());
    for record in &records {
        let record: ArchivedRecord =
            decode(record).map_err(|source| VerifyAgainError::Record { package, source })?;
        let bytes = record.payload.len() as u64;
        *room = room.checked_sub(bytes).ok_or(VerifyAgainError::Large)?;
        let (sender, at, payload) = (&record.sender, record.received_ms, record.payload.0);
        payloads.extend(input::payload(input, sender, at, payload));
    }
    Ok(payloads)
}

async fn records(
    sources: Sources<'_>,
    entry: &PackageEntry,
) -> Result<Vec<Blob>, VerifyAgainError> {
    let package = entry.anchor.package;
    let mut bundles = sources.bundles.iter();
    if let Some(bundle) = bundles.find(|bundle| bundle.package.manifest.id() == package) {
        return Ok(bundle.package.records.clone());
    }
    let mut detail = "no gateway was given to ask for it, and no bundle of it".to_owned();
    for gateway in sources.gateways {
        match gateway.archive().package(&package).await {
            Ok(found) => return Ok(found.records),
            Err(error) => detail = error.to_string(),
        }
    }
    Err(VerifyAgainError::NoPackage { package, detail })
}

/// The keys that the ledger had certified by `height` for whoever the payloads name.
async fn signers(
    ledger: &Ledger,
    payloads: &[Vec<Vec<u8>>],
    height: u64,
) -> Result<Signers, VerifyAgainError> {
    let named: BTreeMap<ClientId, ()> = payloads
        .iter()
        .flatten()
        .filter_map(|payload| input::claimed_sender(payload)?.parse().ok())
        .map(|client| (client, ()))
        .collect();
    let mut signers = Signers::default();
    for client in named.into_keys() {
        let keys = keys_of(ledger, &client, height).await?;
        signers.insert(client, keys);
    }
    Ok(signers)
}

async fn keys_of(
    ledger: &Ledger,
    client: &ClientId,
    height: u64,
) -> Result<Vec<PublicKey>, VerifyAgainError> {
    let mut found = Vec::new();
    let mut key = keys::client(client);
    while found.len() < SIGNER_KEYS_MAX {
        let Some((held, certificate)) = ledger.client_at(key).await? else {
            break;
        };
        found.extend(certified(&certificate, height));
        key = keys::history(held.since.height, &keys::client(client));
    }
    Ok(found)
}

/// The key of a certificate that was registered by `height`.
fn certified(certificate: &CertificateEntry, height: u64) -> Option<PublicKey> {
    let by_then = certificate.registered.height <= height;
    by_then
        .then(|| PublicKey::from_sec1(&certificate.public_key).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use sealwire_sm::sm3;

    use super::*;

    #[test]
    fn a_single_package_that_was_left_out_is_named() {
        let ids: Vec<PackageId> = (0u8..5).map(|n| PackageId(sm3(&[&[n]]))).collect();
        let without: Vec<PackageId> = ids.iter().copied().filter(|id| *id != ids[3]).collect();
        let root = merkle::root_of(&without);
        assert_eq!(missing(&ids, root, 4), [ids[3]]);
        assert_eq!(missing(&ids, root, 3), ids);
    }
}
