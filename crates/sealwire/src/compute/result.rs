//! `sealwire compute open`, `verify`, `receipt`, `receipt-verify`: what a result is, and whether it is right.
//!
//! Opening asks the ledger for key and evaluation, and nothing and nobody else: what comes out, an answer or an
//! error, goes to this program's output only.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sealwire_client::compute::{self, Again, Compute as Service, Sources, VerifyAgainError};
use sealwire_compute::plan;
use sealwire_contracts::entry::EvaluationEntry;
use sealwire_envelope::{
    ClientId, EvaluationId,
    compute::{COMPUTED_MAX_BYTES, ComputeKey, Computed},
    decode_bounded,
    receipt::{RESULT_RECEIPT_BYTES_MAX, ResultReceipt},
};
use sealwire_receipt::VerifiedResult;
use serde_json::json;

use super::{read_bounded, service, store::Store, write};
use crate::{
    actor::Actor,
    cli::{Compute, PassphraseArgs, ReadingsFrom, ResultOrEvaluation},
    home::{Home, read_genesis},
    output::{Output, time_text},
    record::read_bundles,
};

/// Runs one of the four commands.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Compute) -> Result<()> {
    match command {
        Compute::Open {
            actor,
            result,
            passphrase,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            open(&actor, out, &read(&result)?, &passphrase).await?;
        }
        Compute::Verify { actor, from, what } => {
            let actor = Actor::load(home, &actor.client)?;
            let spinner = out.spinner("computing it again");
            let again = match &what {
                ResultOrEvaluation::Evaluation(id) => again_by_id(&actor, &from, id).await,
                ResultOrEvaluation::File(path) => match read(path) {
                    Ok(computed) => again(&actor, &from, &computed).await,
                    Err(error) => Err(error),
                },
            };
            spinner.finish_and_clear();
            let again = again?;
            out.print(&again, again_text);
        }
        Compute::Receipt {
            actor,
            result,
            out: path,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let computed = read(&result)?;
            let (receipt, verified) =
                compute::receipt(&actor.ledger, &actor.identity, &computed).await?;
            let bytes = receipt.to_bytes();
            write(&path, &bytes)?;
            let document = json!({
                "file": path, "bytes": bytes.len(), "evaluation": verified.id,
                "height": verified.recorded_height,
            });
            out.print(&document, |_| {
                format!(
                    "receipt of evaluation {}: {1} ({2} bytes)\n\
                     verify it anywhere: sealwire compute receipt-verify {1} --genesis genesis.json",
                    verified.id,
                    path.display(),
                    bytes.len()
                )
            });
        }
        Compute::ReceiptVerify { file, genesis } => {
            let genesis = match genesis {
                Some(path) => read_genesis(&path)?,
                None => home.genesis()?,
            };
            let bytes = read_bounded(&file, RESULT_RECEIPT_BYTES_MAX, "receipt")?;
            let receipt = ResultReceipt::from_bytes(&bytes)
                .with_context(|| format!("{} isn't a result's receipt", file.display()))?;
            let verified = sealwire_receipt::verify_result(&receipt, &genesis)
                .with_context(|| format!("the receipt {} does not hold", file.display()))?;
            out.print(&verified, verified_text);
        }
        other => unreachable!("not a command about results: {other:?}"),
    }
    Ok(())
}

/// A result from its file.
///
/// # Errors
/// When it isn't one.
pub fn read(path: &Path) -> Result<Computed> {
    let bytes = read_bounded(path, COMPUTED_MAX_BYTES, "result")?;
    decode_bounded(&bytes, COMPUTED_MAX_BYTES).with_context(|| {
        format!(
            "{} isn't a result: `sealwire compute ask --out` and `sealwire compute result` write them",
            path.display()
        )
    })
}

/// What the ledger holds of a result: its evaluation, and the key that it is under.
///
/// # Errors
/// When the ledger doesn't hold exactly this evaluation, or the ciphertexts aren't the ones that it names.
pub async fn on_ledger(
    actor: &Actor,
    computed: &Computed,
) -> Result<(EvaluationEntry, ComputeKey)> {
    let entry = compute::check(&actor.ledger, computed).await?;
    let id = &entry.evaluation.job.key;
    let key = actor.ledger.compute_key(id).await?;
    let key = key.with_context(|| format!("the ledger doesn't know compute key {id}"))?;
    Ok((entry, key.key))
}

/// Opens and prints. Nothing of it leaves this machine.
async fn open(
    actor: &Actor,
    out: Output,
    computed: &Computed,
    passphrase: &PassphraseArgs,
) -> Result<()> {
    let (entry, key) = on_ledger(actor, computed).await?;
    let evaluation = entry.evaluation;
    ensure!(
        key.sharing.is_none(),
        "the key is shared: its holders open it together, with `sealwire compute share` and \
         `sealwire compute combine`"
    );
    let secret = Store::of(&actor.identity)?.secret(&evaluation.job.key, passphrase)?;
    let id = evaluation.id();
    let ciphertexts = computed.ciphertexts.clone();
    let opening = tokio::task::spawn_blocking(move || {
        sealwire_compute::open(&secret, &key, &evaluation, &ciphertexts)
    });
    let answer = opening.await.context("opening")??;
    let document = json!({ "evaluation": id, "height": entry.at.height, "answer": answer });
    out.print(&document, |_| answer.to_string());
    Ok(())
}

/// Computes a result again from the archived readings.
///
/// # Errors
/// When it can't be, or comes out otherwise: then the gateway lied, or the file was changed.
pub async fn again(actor: &Actor, from: &ReadingsFrom, computed: &Computed) -> Result<Again> {
    let evaluation = &computed.evaluation;
    let again = again_at(actor, from, &evaluation.id(), &evaluation.gateway).await?;
    ensure!(
        again.ciphertexts == computed.ciphertexts,
        "the gateway computed right, and the file isn't its result: fetch it again with \
         `sealwire compute result`"
    );
    Ok(again)
}

/// Computes again what an evaluation on the ledger is over.
async fn again_by_id(actor: &Actor, from: &ReadingsFrom, id: &EvaluationId) -> Result<Again> {
    let entry = actor.ledger.evaluation(id).await?;
    let entry = entry.with_context(|| format!("the ledger holds no evaluation {id}"))?;
    again_at(actor, from, id, &entry.evaluation.gateway).await
}

/// The same, where it is known which gateway computed it.
async fn again_at(
    actor: &Actor,
    from: &ReadingsFrom,
    id: &EvaluationId,
    gateway: &ClientId,
) -> Result<Again> {
    let own = gateway.org();
    // Where the bundles have everything, no gateway needs to be known.
    let gateways: Vec<Service> = match service(actor, Some(from.gateway.as_ref().unwrap_or(&own))) {
        Ok(service) => vec![service],
        Err(_) if !from.bundles.is_empty() && from.gateway.is_none() => Vec::new(),
        Err(error) => return Err(error),
    };
    let bundles = read_bundles(&from.bundles)?;
    let sources = Sources {
        gateways: &gateways,
        bundles: &bundles,
    };
    let again = compute::verify_again(&actor.ledger, sources, id).await;
    again.map_err(|error| {
        let next = match &error {
            error if error.is_lie() => {
                format!("keep the result: it convicts {gateway}, whose signature is on the ledger")
            }
            VerifyAgainError::NoPackage { .. } => format!(
                "it takes the right to read on every topic: `sealwire topic request --as {} TOPIC`; \
                 or bundles of the packages, with --bundles",
                actor.identity.client()
            ),
            _ => "it couldn't be computed again".to_owned(),
        };
        anyhow::Error::new(error).context(next)
    })
}

fn again_text(again: &Again) -> String {
    let evaluation = &again.evaluation;
    let packages: usize = again.packages.iter().map(Vec::len).sum();
    let readings: u64 = evaluation.inputs.iter().map(|input| input.readings).sum();
    let mut lines = vec![format!(
        "holds: {} over {readings} readings from {} messages in {packages} packages comes out the same, \
         byte for byte, as {} computed it for {}",
        plan::name(&evaluation.job.function),
        again.messages,
        evaluation.gateway,
        evaluation.requester
    )];
    lines.push(format!("  evaluation {}", again.id));
    lines.push(format!("  result {}", evaluation.result));
    lines.join("\n")
}

fn verified_text(verified: &VerifiedResult) -> String {
    let evaluation = &verified.evaluation;
    let mut lines = vec![format!(
        "holds: {} computed {} for {}, recorded at height {} ({})",
        evaluation.gateway,
        plan::name(&evaluation.job.function),
        evaluation.requester,
        verified.recorded_height,
        time_text(verified.recorded_ms)
    )];
    let inputs = evaluation.job.inputs.iter().zip(&evaluation.inputs);
    for ((input, digest), packages) in inputs.zip(&verified.packages) {
        lines.push(format!(
            "  {}: {} readings in {} packages, each anchored in time",
            input.topic,
            digest.readings,
            packages.len()
        ));
    }
    lines.push(format!("  evaluation {}", verified.id));
    lines.push(format!("  result {}", evaluation.result));
    lines.join("\n")
}
