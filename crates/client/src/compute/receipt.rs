//! Receipts of results: made from the ledger's proofs, verified before they are handed out.

use sealwire_envelope::{
    compute::Computed,
    receipt::{RECEIPT_VERSION, ResultReceipt},
};
use sealwire_receipt::{ResultError, VerifiedResult};

use super::{ComputeError, VerifyAgainError, check, verify::packages_of};
use crate::{identity::Identity, ledger::Ledger};

/// A result receipt can't be made, or doesn't hold.
#[derive(Debug, thiserror::Error)]
pub enum ResultReceiptError {
    /// The result isn't the ledger's.
    #[error(transparent)]
    Computed(#[from] ComputeError),
    /// The packages can't be had, or aren't those of the evaluation.
    #[error(transparent)]
    Packages(#[from] VerifyAgainError),
    /// It doesn't hold.
    #[error("the result receipt doesn't hold: {0}")]
    Verify(#[from] ResultError),
}

/// Makes the receipt of a result, wherever the result came from: its evaluation and every package that it is
/// over, with the ledger's proofs. It is verified against the genesis of `identity` before it is handed out.
///
/// # Errors
/// [`ResultReceiptError`]; `Packages` when the gateway left out packages that the ledger knows.
pub async fn receipt(
    ledger: &Ledger,
    identity: &Identity,
    computed: &Computed,
) -> Result<(ResultReceipt, VerifiedResult), ResultReceiptError> {
    check(ledger, computed).await?;
    let evaluation = &computed.evaluation;
    let mut inputs = Vec::with_capacity(evaluation.inputs.len());
    for place in 0..evaluation.inputs.len() {
        let mut proofs = Vec::new();
        for entry in packages_of(ledger, evaluation, place).await? {
            let proof = ledger.package_proof(&entry.anchor.package).await;
            proofs.push(proof.map_err(ComputeError::Ledger)?);
        }
        inputs.push(proofs);
    }
    let proof = ledger.evaluation_proof(&evaluation.id()).await;
    let receipt = ResultReceipt {
        version: RECEIPT_VERSION,
        ciphertexts: computed.ciphertexts.clone(),
        evaluation: proof.map_err(ComputeError::Ledger)?,
        inputs,
    };
    let verified = sealwire_receipt::verify_result(&receipt, identity.genesis())?;
    Ok((receipt, verified))
}
