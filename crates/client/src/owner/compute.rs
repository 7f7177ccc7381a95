//! Keys that readings are encrypted to, registered and retired.

use sealwire_envelope::{
    Blob, Call, ComputeKeyId, RegisterComputeKey, RetireComputeKey, compute::ComputeKey,
};

use super::{Owner, OwnerError};
use crate::ledger::Applied;

impl Owner {
    /// Registers the public half of a compute key; `public_key` carries its bytes where the parameter set
    /// has short ones (SM2 ElGamal), and is none where gateways hand them out by digest.
    ///
    /// # Errors
    /// [`OwnerError::Call`] with the contract's sentence.
    pub async fn register_compute_key(
        &self,
        key: ComputeKey,
        public_key: Option<Blob>,
    ) -> Result<Applied, OwnerError> {
        let call = Call::RegisterComputeKey(RegisterComputeKey { key, public_key });
        Ok(self.ledger().call(self.identity(), call).await?)
    }

    /// Retires a compute key for ever: nothing is evaluated under it any more.
    ///
    /// # Errors
    /// [`OwnerError::Call`] with the contract's sentence.
    pub async fn retire_compute_key(
        &self,
        key: ComputeKeyId,
        reason: &str,
    ) -> Result<Applied, OwnerError> {
        let call = Call::RetireComputeKey(RetireComputeKey {
            key,
            reason: reason.to_owned(),
        });
        Ok(self.ledger().call(self.identity(), call).await?)
    }
}
