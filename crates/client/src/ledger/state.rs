//! Reading the state, entry by entry, each with its proof.

use std::sync::atomic::Ordering;

use minicbor::Decode;
use sealwire_contracts::{
    entry::{
        AuthorisationEntry, CertificateEntry, ClientEntry, ComputeKeyEntry, EnrolmentEntry,
        EvaluationEntry, GrantEntry, LiveKeys, OfferEntry, PackageEntry, Readers, RequestEntry,
        SealedKey, TemplateEntry, TopicEntry, WideEntry,
    },
    keys::{self, Granter},
};
use sealwire_envelope::{
    AuthorisationId, CertId, ClientId, ComputeKeyId, EnrolmentId, EvaluationId, KeyEpoch, OrgId,
    PackageId, TopicFilter, TopicName, decode_bounded,
    receipt::{ProvenEntry, RECEIPT_BYTES_MAX},
};

use sealwire_sm::Role;

use super::{ANSWER_MAX_BYTES, Ledger, LedgerError, Pause};

/// A client and its present certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its certificate's id.
    pub certificate_id: CertId,
    /// Its certificate.
    pub certificate: CertificateEntry,
    /// Since which height it is that one.
    pub since_height: u64,
}

impl Ledger {
    /// An entry of the state with its proof; verified when there is a genesis, and not older than
    /// what we have seen.
    ///
    /// # Errors
    /// [`LedgerError`]: of the last node, when none gives a good answer in time.
    pub async fn proven(&self, key: &[u8]) -> Result<ProvenEntry, LedgerError> {
        let mut pause = Pause::new(self.attempts);
        loop {
            match self.proven_once(key).await {
                Ok(entry) => return Ok(entry),
                Err(error) if error.may_pass() && pause.wait().await => {
                    tracing::debug!(%error, "reading the state again");
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn proven_once(&self, key: &[u8]) -> Result<ProvenEntry, LedgerError> {
        let path = format!("/v1/state/{}", hex::encode(key));
        let (bytes, node) = self.get_cbor(&path).await?;
        self.check(key, &bytes, &node)
            .inspect_err(|_| self.leave_named(&node))
    }

    /// Several entries with their proofs, all of the same height; else as [`Ledger::proven`].
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn proven_all(&self, keys: &[Vec<u8>]) -> Result<Vec<ProvenEntry>, LedgerError> {
        let mut pause = Pause::new(self.attempts);
        loop {
            match self.proven_all_once(keys).await {
                Ok(entries) => return Ok(entries),
                Err(error) if error.may_pass() && pause.wait().await => {
                    tracing::debug!(%error, "reading the state again");
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn proven_all_once(&self, keys: &[Vec<u8>]) -> Result<Vec<ProvenEntry>, LedgerError> {
        let named: Vec<String> = keys.iter().map(hex::encode).collect();
        let path = format!("/v1/proofs?keys={}", named.join(","));
        let (bytes, node) = self.get_cbor(&path).await?;
        self.check_all(keys, &bytes, &node)
            .inspect_err(|_| self.leave_named(&node))
    }

    fn check_all(
        &self,
        keys: &[Vec<u8>],
        bytes: &[u8],
        node: &str,
    ) -> Result<Vec<ProvenEntry>, LedgerError> {
        let nonsense = |detail: String| LedgerError::Nonsense {
            node: node.to_owned(),
            detail,
        };
        let entries: Vec<ProvenEntry> = decode_bounded(bytes, ANSWER_MAX_BYTES)
            .map_err(|e| nonsense(format!("proven entries: {e}")))?;
        if entries.len() != keys.len() {
            return Err(nonsense(
                "it proves more or fewer keys than asked".to_owned(),
            ));
        }
        let height = |entry: &ProvenEntry| entry.finality.headers.first().map(|h| h.height);
        let first = entries.first().and_then(height);
        if entries.iter().any(|entry| height(entry) != first) {
            return Err(nonsense("its proofs are of several heights".to_owned()));
        }
        for (key, entry) in keys.iter().zip(&entries) {
            self.check_entry(key, entry, node)?;
        }
        Ok(entries)
    }

    fn check(&self, key: &[u8], bytes: &[u8], node: &str) -> Result<ProvenEntry, LedgerError> {
        let entry: ProvenEntry =
            decode_bounded(bytes, RECEIPT_BYTES_MAX).map_err(|e| LedgerError::Nonsense {
                node: node.to_owned(),
                detail: format!("proven entry: {e}"),
            })?;
        self.check_entry(key, &entry, node)?;
        Ok(entry)
    }

    fn check_entry(&self, key: &[u8], entry: &ProvenEntry, node: &str) -> Result<(), LedgerError> {
        let nonsense = |detail: String| LedgerError::Nonsense {
            node: node.to_owned(),
            detail,
        };
        if entry.key != key {
            return Err(nonsense(
                "it proves another key than was asked for".to_owned(),
            ));
        }
        let has = match &self.genesis {
            Some(genesis) => {
                sealwire_receipt::verify_entry(entry, genesis)
                    .map_err(|source| LedgerError::Unproven {
                        node: node.to_owned(),
                        source,
                    })?
                    .height
            }
            None => {
                entry
                    .finality
                    .headers
                    .first()
                    .ok_or_else(|| nonsense("no header".to_owned()))?
                    .height
            }
        };
        let seen = self.seen.load(Ordering::Relaxed);
        if has < seen {
            return Err(LedgerError::Behind {
                node: node.to_owned(),
                has,
                seen,
            });
        }
        Ok(())
    }

    /// An entry, decoded, and the height of the state it is from.
    pub(super) async fn read<T>(&self, key: Vec<u8>) -> Result<(Option<T>, u64), LedgerError>
    where
        T: for<'b> Decode<'b, ()>,
    {
        let proven = self.proven(&key).await?;
        let height = proven
            .finality
            .headers
            .first()
            .map_or(0, |header| header.height);
        let value = proven.value.as_deref().map(minicbor::decode).transpose();
        let value = value.map_err(|e| LedgerError::Nonsense {
            node: "every one".to_owned(),
            detail: format!("entry of an unknown form: {e}"),
        })?;
        Ok((value, height))
    }

    async fn entry<T>(&self, key: Vec<u8>) -> Result<Option<T>, LedgerError>
    where
        T: for<'b> Decode<'b, ()>,
    {
        Ok(self.read(key).await?.0)
    }

    /// The finalised height, as a node says.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn height(&self) -> Result<u64, LedgerError> {
        let status = self.get_json("/v1/status").await?;
        let height = status.get("height").and_then(serde_json::Value::as_u64);
        height.ok_or_else(|| LedgerError::Nonsense {
            node: self.nodes.join(", "),
            detail: "the status has no height".to_owned(),
        })
    }

    /// A certificate, live or not.
    ///
    /// # Errors
    /// [`LedgerError`], as for all queries below.
    pub async fn certificate(&self, id: &CertId) -> Result<Option<CertificateEntry>, LedgerError> {
        self.entry(keys::certificate(id)).await
    }

    /// A client and its last registered certificate.
    pub async fn client(&self, client: &ClientId) -> Result<Option<Client>, LedgerError> {
        let Some(entry) = self.entry::<ClientEntry>(keys::client(client)).await? else {
            return Ok(None);
        };
        let certificate = self.certificate(&entry.certificate).await?;
        Ok(certificate.map(|certificate| Client {
            certificate_id: entry.certificate,
            certificate,
            since_height: entry.since.height,
        }))
    }

    /// The certificate that the client had before its `entry`'s, with that entry; none where it is the first.
    ///
    /// A client's entries of the past stay in the state (`h/<height of the change> <key>`), each proven like
    /// any other.
    pub async fn client_before(
        &self,
        client: &ClientId,
        since_height: u64,
    ) -> Result<Option<(ClientEntry, CertificateEntry)>, LedgerError> {
        let key = keys::history(since_height, &keys::client(client));
        self.client_at(key).await
    }

    /// A client's entry under this key, present or former, and the certificate that it names.
    pub(crate) async fn client_at(
        &self,
        key: Vec<u8>,
    ) -> Result<Option<(ClientEntry, CertificateEntry)>, LedgerError> {
        let Some(entry) = self.entry::<ClientEntry>(key).await? else {
            return Ok(None);
        };
        let certificate = self.certificate(&entry.certificate).await?;
        Ok(certificate.map(|certificate| (entry, certificate)))
    }

    /// An enrolment, open or not.
    pub async fn enrolment(&self, id: &EnrolmentId) -> Result<Option<EnrolmentEntry>, LedgerError> {
        self.entry(keys::enrolment(id)).await
    }

    /// What an organisation allows of certificates of a role, if it said so.
    pub async fn template(
        &self,
        org: &OrgId,
        role: Role,
    ) -> Result<Option<TemplateEntry>, LedgerError> {
        self.entry(keys::template(org, role)).await
    }

    /// A topic.
    pub async fn topic(&self, topic: &TopicName) -> Result<Option<TopicEntry>, LedgerError> {
        self.entry(keys::topic(topic)).await
    }

    /// A topic's grantees whose grants aren't revoked; the list is complete.
    pub async fn readers(&self, topic: &TopicName) -> Result<Vec<ClientId>, LedgerError> {
        let readers: Option<Readers> = self.entry(keys::readers(topic)).await?;
        Ok(readers.map(|readers| readers.clients).unwrap_or_default())
    }

    /// What a client was granted on a topic.
    pub async fn grant(
        &self,
        grantee: &ClientId,
        topic: &TopicName,
    ) -> Result<Option<GrantEntry>, LedgerError> {
        self.entry(keys::grant(grantee, topic)).await
    }

    /// A topic's epoch key as it was sealed to a client.
    pub async fn sealed_key(
        &self,
        topic: &TopicName,
        epoch: KeyEpoch,
        client: &ClientId,
    ) -> Result<Option<SealedKey>, LedgerError> {
        self.entry(keys::sealed_key(topic, epoch, client)).await
    }

    /// Clients to whom one granted filters that aren't revoked; the list is complete.
    pub async fn widely(&self, granter: &Granter) -> Result<Vec<ClientId>, LedgerError> {
        let list: Option<Readers> = self.entry(keys::widely(granter)).await?;
        Ok(list.map(|list| list.clients).unwrap_or_default())
    }

    /// The filters that one granted to a client.
    pub async fn wide(
        &self,
        grantee: &ClientId,
        granter: &Granter,
    ) -> Result<Option<WideEntry>, LedgerError> {
        self.entry(keys::wide(grantee, granter)).await
    }

    /// A request that an owner got.
    pub async fn request(
        &self,
        owner: &ClientId,
        requester: &ClientId,
        filter: &TopicFilter,
    ) -> Result<Option<RequestEntry>, LedgerError> {
        self.entry(keys::request(owner, requester, filter)).await
    }

    /// To whom a topic is on offer.
    pub async fn offer(&self, topic: &TopicName) -> Result<Option<OfferEntry>, LedgerError> {
        self.entry(keys::offer(topic)).await
    }

    /// An authorisation key.
    pub async fn authorisation(
        &self,
        id: &AuthorisationId,
    ) -> Result<Option<AuthorisationEntry>, LedgerError> {
        self.entry(keys::authorisation(id)).await
    }

    /// A topic's epoch key as it was sealed to an authorisation key.
    pub async fn authorisation_key(
        &self,
        id: &AuthorisationId,
        epoch: KeyEpoch,
        topic: &TopicName,
    ) -> Result<Option<SealedKey>, LedgerError> {
        self.entry(keys::authorisation_key(id, epoch, topic)).await
    }

    /// An anchored package.
    pub async fn package(&self, id: &PackageId) -> Result<Option<PackageEntry>, LedgerError> {
        self.entry(keys::package(id)).await
    }

    /// A compute key, retired or not.
    pub async fn compute_key(
        &self,
        id: &ComputeKeyId,
    ) -> Result<Option<ComputeKeyEntry>, LedgerError> {
        let entry: Option<ComputeKeyEntry> = self.entry(keys::compute_key(id)).await?;
        match entry {
            // Holds without a genesis, too, where nothing is proven.
            Some(entry) if entry.key.id() != *id => Err(self.misfiled(id)),
            entry => Ok(entry),
        }
    }

    /// An owner's compute keys that aren't retired, in the order of their registration; the list is
    /// complete.
    pub async fn live_compute_keys(
        &self,
        owner: &ClientId,
    ) -> Result<Vec<ComputeKeyId>, LedgerError> {
        let list: Option<LiveKeys> = self.entry(keys::live_compute_keys(owner)).await?;
        Ok(list.map(|list| list.keys).unwrap_or_default())
    }

    /// An evaluation.
    pub async fn evaluation(
        &self,
        id: &EvaluationId,
    ) -> Result<Option<EvaluationEntry>, LedgerError> {
        let entry: Option<EvaluationEntry> = self.entry(keys::evaluation(id)).await?;
        match entry {
            Some(entry) if entry.evaluation.id() != *id => Err(self.misfiled(id)),
            entry => Ok(entry),
        }
    }

    /// An evaluation's entry with its proof, for a receipt of its result.
    pub async fn evaluation_proof(&self, id: &EvaluationId) -> Result<ProvenEntry, LedgerError> {
        self.proven(&keys::evaluation(id)).await
    }

    fn misfiled(&self, id: &dyn std::fmt::Display) -> LedgerError {
        LedgerError::Nonsense {
            node: self.nodes.join(", "),
            detail: format!("the entry under {id} has another digest"),
        }
    }

    /// A package's entry with its proof, for a receipt.
    pub async fn package_proof(&self, id: &PackageId) -> Result<ProvenEntry, LedgerError> {
        self.proven(&keys::package(id)).await
    }
}
