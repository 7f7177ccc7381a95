//! Finality certificates between the engine's form and the envelope's, and their verification.

use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::types::{Finalization, Proposal, Subject},
    types::{Epoch, Round, View},
};
use commonware_cryptography::certificate::{Signers, Verifier as _};
use commonware_parallel::Sequential;
use commonware_utils::{Participant, TryCollect as _, ordered::Set};
use sealwire_envelope::{Finality, Genesis, Header};
use sealwire_sm::Sm3Digest;

use super::{Certificate, Digest, PublicKey, Scheme, Signature};

/// The validators of an epoch: their keys in ascending order, and the digest that headers carry.
#[derive(Clone, Debug)]
pub struct Validators {
    chain: Sm3Digest,
    keys: Set<PublicKey>,
    digest: Sm3Digest,
}

impl Validators {
    /// The validators that the genesis names.
    ///
    /// # Errors
    /// When two organisations name the same key, or there are none.
    pub fn from_genesis(genesis: &Genesis) -> Result<Self, FinalityError> {
        let keys: Set<PublicKey> = genesis
            .orgs
            .iter()
            .map(|org| PublicKey::from(org.validator.clone()))
            .try_collect()
            .map_err(|_| FinalityError::Validators)?;
        if keys.is_empty() {
            return Err(FinalityError::Validators);
        }
        let digest = genesis.validators_digest();
        Ok(Self {
            chain: genesis.chain_id().0,
            keys,
            digest,
        })
    }

    /// The chain they vote on.
    pub fn chain(&self) -> &Sm3Digest {
        &self.chain
    }

    /// Their keys, ascending.
    pub fn keys(&self) -> &Set<PublicKey> {
        &self.keys
    }

    /// What headers carry of them.
    pub fn digest(&self) -> Sm3Digest {
        self.digest
    }

    /// What verifies their votes.
    pub fn verifier(&self) -> Scheme {
        Scheme::verifier(&self.chain, self.keys.clone())
    }
}

/// Why a finality certificate isn't one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinalityError {
    /// The genesis names no validators, or one twice.
    #[error("the genesis names no validators, or the same validator key twice")]
    Validators,
    /// The certificate is for another header.
    #[error("the certificate is for another header than the one it came with")]
    Header,
    /// The bitmap of signers is not one of this number of validators.
    #[error("the signers' bitmap doesn't fit the number of validators and signatures")]
    Signers,
    /// Too few signatures, or one of them is wrong.
    #[error("not signed by more than two thirds of the validators")]
    Signatures,
}

/// The engine's certificate in the envelope's form.
pub fn finality(finalization: &Finalization<Scheme, Digest>) -> Finality {
    let certificate = &finalization.certificate;
    let mut signers = vec![0u8; certificate.signers.len().div_ceil(8)];
    for signer in certificate.signers.iter() {
        let place = signer.get() as usize;
        signers[place / 8] |= 1 << (place % 8);
    }
    Finality {
        epoch: finalization.epoch().get(),
        view: finalization.view().get(),
        parent_view: finalization.proposal.parent.get(),
        payload: finalization.proposal.payload.into(),
        signers: signers.into(),
        signatures: certificate
            .signatures
            .iter()
            .map(|signature| signature.0)
            .collect(),
    }
}

/// Checks that `finality` makes `header` final under `validators`.
///
/// # Errors
/// [`FinalityError`] says which of the rules of [`crate::crypto`] it breaks.
pub fn verify_finality(
    validators: &Validators,
    header: &Header,
    finality: &Finality,
) -> Result<(), FinalityError> {
    let digest = header.digest();
    if finality.payload != digest
        || finality.epoch != header.epoch
        || finality.view != header.view
        || finality.parent_view != header.parent_view
        || header.chain.0 != validators.chain
        || header.validators != validators.digest
    {
        return Err(FinalityError::Header);
    }
    let certificate = certificate(validators.keys.len(), finality)?;
    let proposal = Proposal::new(
        Round::new(Epoch::new(finality.epoch), View::new(finality.view)),
        View::new(finality.parent_view),
        Digest::from(digest),
    );
    let subject = Subject::Finalize {
        proposal: &proposal,
    };
    let valid = validators.verifier().verify_certificate::<_, Digest>(
        &mut NoRandomness,
        subject,
        &certificate,
        &Sequential,
    );
    if valid {
        Ok(())
    } else {
        Err(FinalityError::Signatures)
    }
}

fn certificate(validators: usize, finality: &Finality) -> Result<Certificate, FinalityError> {
    if finality.signers.len() != validators.div_ceil(8) {
        return Err(FinalityError::Signers);
    }
    let places = (0..finality.signers.len() * 8)
        .filter(|place| finality.signers[place / 8] >> (place % 8) & 1 == 1)
        .map(Participant::from_usize);
    let total = u32::try_from(validators).map_err(|_| FinalityError::Signers)?;
    let signers = Signers::new(total, places).map_err(|_| FinalityError::Signers)?;
    if signers.count() != finality.signatures.len() {
        return Err(FinalityError::Signers);
    }
    let signatures = finality
        .signatures
        .iter()
        .map(|raw| Signature(*raw))
        .collect();
    Ok(Certificate {
        signers,
        signatures,
    })
}

/// SM2 verification draws nothing; the engine's trait asks for a source all the same.
struct NoRandomness;

impl rand_core::TryRng for NoRandomness {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("SM2 verification draws no random numbers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("SM2 verification draws no random numbers")
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
        unreachable!("SM2 verification draws no random numbers")
    }
}

impl rand_core::TryCryptoRng for NoRandomness {}

#[cfg(test)]
mod tests {
    use commonware_codec::{DecodeExt as _, Encode as _};
    use commonware_consensus::simplex::types::Finalize;
    use commonware_utils::non_empty;

    use super::*;
    use crate::{block::Block, trial::Trial};

    fn finalization(signers: usize) -> (Validators, Header, Option<Finalization<Scheme, Digest>>) {
        let trial = Trial::new(1, 4, 0).unwrap();
        let validators = Validators::from_genesis(&trial.genesis).unwrap();
        let header = Block::genesis(&trial.genesis, &validators).header().clone();
        let proposal = Proposal::new(
            Round::new(Epoch::new(header.epoch), View::new(header.view)),
            View::new(header.parent_view),
            Digest::from(header.digest()),
        );
        let votes: Vec<_> = trial.validators[..signers]
            .iter()
            .map(|key| {
                let keys = validators.keys().clone();
                let scheme = Scheme::signer(validators.chain(), keys, key.clone()).unwrap();
                Finalize::sign(&scheme, proposal.clone()).unwrap()
            })
            .collect();
        let verifier = validators.verifier();
        let votes = non_empty![@votes.iter()];
        let finalization = Finalization::from_finalizes(&verifier, votes, &Sequential);
        (validators, header, finalization.ok())
    }

    #[test]
    fn three_of_four_make_a_block_final_and_two_do_not() {
        let (validators, header, certificate) = finalization(3);
        let finality = finality(&certificate.unwrap());
        verify_finality(&validators, &header, &finality).unwrap();
        assert!(finalization(2).2.is_none());
    }

    #[test]
    fn every_field_of_a_certificate_counts() {
        let (validators, header, certificate) = finalization(3);
        let good = finality(&certificate.unwrap());
        let refused = |change: &dyn Fn(&mut Finality)| {
            let mut bad = good.clone();
            change(&mut bad);
            verify_finality(&validators, &header, &bad).unwrap_err()
        };
        assert_eq!(refused(&|f| f.view += 1), FinalityError::Header);
        assert_eq!(refused(&|f| f.epoch += 1), FinalityError::Header);
        assert_eq!(refused(&|f| f.parent_view += 1), FinalityError::Header);
        assert_eq!(refused(&|f| f.payload.0[0] ^= 1), FinalityError::Header);
        assert_eq!(refused(&|f| f.signers.0[0] |= 0x10), FinalityError::Signers);
        assert_eq!(refused(&|f| f.signers.0.push(0)), FinalityError::Signers);
        assert_eq!(
            refused(&|f| f.signatures.truncate(2)),
            FinalityError::Signers
        );
        assert_eq!(
            refused(&|f| f.signatures.swap(0, 1)),
            FinalityError::Signatures
        );
        assert_eq!(
            refused(&|f| f.signatures[2].0[63] ^= 1),
            FinalityError::Signatures
        );
        assert_eq!(refused(&|f| f.signers.0[0] ^= 0x0f), FinalityError::Signers);
        let mut other = header.clone();
        other.time_ms += 1;
        let error = verify_finality(&validators, &other, &good).unwrap_err();
        assert_eq!(error, FinalityError::Header);
    }

    #[test]
    fn the_engines_certificate_survives_its_codec() {
        use commonware_codec::Decode as _;
        let (_, _, certificate) = finalization(3);
        let certificate = certificate.unwrap().certificate;
        let bytes = certificate.encode();
        assert_eq!(
            Certificate::decode_cfg(bytes.clone(), &4).unwrap(),
            certificate
        );
        assert!(
            Certificate::decode_cfg(bytes, &3).is_err(),
            "more signers than validators"
        );
        assert!(Digest::decode(bytes::Bytes::from_static(&[0; 31])).is_err());
    }
}
