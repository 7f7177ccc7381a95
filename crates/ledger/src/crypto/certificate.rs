//! Votes and certificates: SM2 signatures and a bitmap of who made them.
//!
//! Attributable: each signature stands alone, so a double vote is evidence against its maker.

use std::collections::BTreeSet;

use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, ReadRangeExt as _, Write};
use commonware_consensus::simplex::{scheme::Namespace, types::Subject};
use commonware_cryptography::{
    Digest,
    certificate::{
        self, AssemblyError, Attestation, Membership, Namespace as _, Signers, Subject as _,
        Verification,
    },
};
use commonware_parallel::Strategy;
use commonware_utils::{
    N3f1, Participant, Widen as _,
    iter::NonEmpty,
    ordered::{Quorum as _, Set},
    union_unique,
};
use rand_core::CryptoRng;
use sealwire_sm::{Domain, Sm3Digest};

use super::{PrivateKey, PublicKey, Signature, VOTE_NAMESPACE, namespace};

/// Most bytes that the length of a bitmap or of a list takes (varint of a u64).
const LENGTH_BYTES_MAX: usize = 10;

/// Signs and verifies votes of a fixed set of validators.
#[derive(Clone, Debug)]
pub struct Scheme {
    participants: Set<PublicKey>,
    /// This validator's place, and its key if it may vote.
    me: Option<(Participant, Option<PrivateKey>)>,
    namespace: Namespace,
}

impl Scheme {
    /// For a validator that votes. `None` when the key isn't one of `participants`.
    pub fn signer(
        chain: &Sm3Digest,
        participants: Set<PublicKey>,
        key: PrivateKey,
    ) -> Option<Self> {
        use commonware_cryptography::Signer as _;
        let place = participants.index(&key.public_key())?;
        Some(Self {
            me: Some((place, Some(key))),
            ..Self::verifier(chain, participants)
        })
    }

    /// For a validator that must not vote: it knows its place and signs nothing.
    /// `None` when the key isn't one of `participants`.
    pub fn member(
        chain: &Sm3Digest,
        participants: Set<PublicKey>,
        key: &PublicKey,
    ) -> Option<Self> {
        let place = participants.index(key)?;
        Some(Self {
            me: Some((place, None)),
            ..Self::verifier(chain, participants)
        })
    }

    /// For everyone else.
    pub fn verifier(chain: &Sm3Digest, participants: Set<PublicKey>) -> Self {
        let namespace = Namespace::derive(&namespace(VOTE_NAMESPACE, chain));
        Self {
            participants,
            me: None,
            namespace,
        }
    }

    fn message<D: Digest>(&self, subject: &Subject<'_, D>) -> Vec<u8> {
        union_unique(subject.namespace(&self.namespace), &subject.message())
    }

    fn verify_one(&self, message: &[u8], attestation: &Attestation<Self>) -> bool {
        let key = self.participants.key(attestation.signer);
        key.zip(attestation.signature.get())
            .is_some_and(|(key, signature)| {
                key.inner()
                    .verify(Domain::VOTE, message, &signature.0)
                    .is_ok()
            })
    }

    fn verify_whole(&self, message: &[u8], certificate: &Certificate) -> bool {
        certificate.signers.len() == self.participants.len()
            && certificate.signers.count() == certificate.signatures.len()
            && certificate.signers.count() >= self.participants.quorum::<N3f1>().widen()
            && certificate
                .signers
                .iter()
                .zip(&certificate.signatures)
                .all(|(signer, signature)| {
                    self.participants.key(signer).is_some_and(|key| {
                        key.inner()
                            .verify(Domain::VOTE, message, &signature.0)
                            .is_ok()
                    })
                })
    }
}

impl certificate::Verifier for Scheme {
    type Subject<'a, D: Digest> = Subject<'a, D>;
    type Faults = N3f1;
    type PublicKey = PublicKey;
    type Certificate = Certificate;

    fn verify_certificate<R, D>(
        &self,
        _: &mut R,
        subject: Self::Subject<'_, D>,
        certificate: &Certificate,
        _: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: Digest,
    {
        self.verify_whole(&self.message(&subject), certificate)
    }

    fn verify_certificates<'a, R, D, I>(
        &self,
        _: &mut R,
        certificates: NonEmpty<I>,
        _: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: Digest,
        I: Iterator<Item = (Self::Subject<'a, D>, &'a Certificate)>,
    {
        certificates
            .into_iter()
            .all(|(subject, certificate)| self.verify_whole(&self.message(&subject), certificate))
    }

    fn is_batchable() -> bool {
        false
    }

    fn max_certificate_size(participants: u32) -> usize {
        let participants = participants as usize;
        2 * LENGTH_BYTES_MAX + participants.div_ceil(8) + participants * Signature::SIZE
    }

    fn certificate_codec_config(&self) -> usize {
        self.participants.len()
    }

    fn certificate_codec_config_unbounded() -> usize {
        u32::MAX as usize
    }
}

impl certificate::Scheme for Scheme {
    type Signature = Signature;

    fn me(&self) -> Option<Membership> {
        self.me.as_ref().map(|(place, key)| match key {
            Some(_) => Membership::Signer(*place),
            None => Membership::Member(*place),
        })
    }

    fn participants(&self) -> &Set<PublicKey> {
        &self.participants
    }

    fn sign<D: Digest>(&self, subject: Self::Subject<'_, D>) -> Option<Attestation<Self>> {
        let (signer, key) = self.me.as_ref()?;
        let signature = key
            .as_ref()?
            .secret()
            .sign(Domain::VOTE, &self.message(&subject));
        Some(Attestation {
            signer: *signer,
            signature: Signature(signature).into(),
        })
    }

    fn verify_attestation<R, D>(
        &self,
        _: &mut R,
        subject: Self::Subject<'_, D>,
        attestation: &Attestation<Self>,
        _: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: Digest,
    {
        self.verify_one(&self.message(&subject), attestation)
    }

    fn verify_attestations<R, D, I>(
        &self,
        _: &mut R,
        subject: Self::Subject<'_, D>,
        attestations: I,
        _: &impl Strategy,
    ) -> Verification<Self>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
    {
        let message = self.message(&subject);
        let mut invalid = BTreeSet::new();
        let mut verified = Vec::new();
        for attestation in attestations {
            if self.verify_one(&message, &attestation) {
                verified.push(attestation);
            } else {
                invalid.insert(attestation.signer);
            }
        }
        Verification::new(verified, invalid.into_iter().collect())
    }

    fn optimistic_assemble<'a, R, D, I, J>(
        &self,
        rng: &mut R,
        subject: Self::Subject<'_, D>,
        pending: I,
        verified: J,
        strategy: &impl Strategy,
    ) -> Result<Certificate, Verification<Self>>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: ExactSizeIterator + Send,
        J: IntoIterator<Item = &'a Attestation<Self>>,
        J::IntoIter: Send,
    {
        certificate::verify_then_assemble::<Self, _, D, _, _>(
            self, rng, subject, pending, verified, strategy,
        )
    }

    fn assemble<I>(
        &self,
        attestations: NonEmpty<I>,
        _: &impl Strategy,
    ) -> Result<Certificate, AssemblyError>
    where
        I: Iterator<Item = Attestation<Self>> + Send,
    {
        let mut votes = Vec::new();
        for Attestation { signer, signature } in attestations {
            if self.participants.key(signer).is_none() {
                return Err(AssemblyError::UnknownSigner(signer));
            }
            let signature = signature
                .get()
                .cloned()
                .ok_or(AssemblyError::MalformedSignature(signer))?;
            votes.push((signer, signature));
        }
        votes.sort_by_key(|(signer, _)| *signer);
        let (signers, signatures): (Vec<_>, Vec<_>) = votes.into_iter().unzip();
        let required = self.participants.quorum::<N3f1>();
        let signers = Signers::try_from((&self.participants, signers))?;
        let found = u32::try_from(signers.count()).unwrap_or(u32::MAX);
        if found < required {
            return Err(AssemblyError::InsufficientAttestations(required, found));
        }
        Ok(Certificate {
            signers,
            signatures,
        })
    }

    fn is_attributable() -> bool {
        true
    }
}

/// That more than two thirds of the validators signed the same thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// Who signed.
    pub signers: Signers,
    /// Their signatures, in ascending order of signers.
    pub signatures: Vec<Signature>,
}

impl Write for Certificate {
    fn write(&self, buf: &mut impl BufMut) {
        self.signers.write(buf);
        self.signatures.write(buf);
    }
}

impl EncodeSize for Certificate {
    fn encode_size(&self) -> usize {
        self.signers.encode_size() + self.signatures.encode_size()
    }
}

impl Read for Certificate {
    /// Most validators there can be.
    type Cfg = usize;

    fn read_cfg(buf: &mut impl Buf, participants: &usize) -> Result<Self, Error> {
        let signers = Signers::read_cfg(buf, participants)?;
        let signatures = Vec::<Signature>::read_range(buf, ..=*participants)?;
        if signers.count() == 0 || signers.count() != signatures.len() {
            return Err(Error::Invalid(
                "Certificate",
                "signers and signatures differ in number",
            ));
        }
        Ok(Self {
            signers,
            signatures,
        })
    }
}
