//! What a topic's owner does: register it, grant it, revoke grants; the keys follow by themselves.
//!
//! | Call | Key |
//! |---|---|
//! | [`Owner::register`] | makes the key of epoch 0 and seals it to the owner |
//! | [`Owner::grant`] | unseals the present key and seals it to the grantee's certificate |
//! | [`Owner::grant_filter`] | seals the present keys of all topics that match ([`Owner::tend`]) |
//! | [`Owner::revoke`], [`Owner::rotate`] | makes the next key and seals it to the owner and to those who remain |
//! | [`Owner::revoke_filter`] | then rotates each topic that matched ([`Owner::tend`]) |
//! | [`Owner::offer`], [`Owner::accept`] | seals all keys to the next owner; which makes the next one |
//! | [`Owner::create_authorisation`] | seals the present keys to the authorisation key |
//! | [`redeem`] | unseals them with it and seals them to the client's own key |
//! | [`Owner::register_compute_key`], [`Owner::retire_compute_key`] | none of a topic's: the public half of a key that readings are encrypted to |
//! | [`Owner::tend`] | does all that is left: what others' acts, or a lost connection, left undone |
//!
//! No key is stored here: the ledger has each one, sealed. Between reading the readers of a topic
//! and the revocation's block somebody else may have changed them; the contract notices, and the
//! call is made again ([`ROTATION_ATTEMPTS`]).

mod authorise;
mod compute;
mod keys;

pub use authorise::{Authorisation, Offer, redeem};
use keys::Making;
pub use keys::Tended;

use std::sync::Arc;

use sealwire_contracts::{
    Code,
    entry::{CertificateEntry, TopicEntry},
};
use sealwire_envelope::{
    AuthorisationId, Blob, Call, ClientId, CloseTopic, DenyRequest, GrantFilter, GrantTerms,
    GrantTopic, RegisterTopic, RequestRights, RevokeFilter, RevokeGrant, Rights, TopicFilter,
    TopicMode, TopicName,
};
use sealwire_sm::{PublicKey, sm4};

use crate::{
    identity::Identity,
    keyring::{Keyring, KeyringError},
    ledger::{Applied, CallError, Ledger, LedgerError},
};

/// How often a revocation is tried when others change the topic's readers meanwhile.
pub const ROTATION_ATTEMPTS: u32 = 3;

/// An owner's call wasn't carried out.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// The ledger refused the call, or couldn't be asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The topic's key can't be had.
    #[error(transparent)]
    Key(#[from] KeyringError),
    /// The other one isn't registered.
    #[error("{client} isn't registered: check its id")]
    UnknownClient {
        /// Who.
        client: ClientId,
    },
    /// No such authorisation key is on the ledger.
    #[error(
        "no authorisation key {id} is registered: check the text, or ask the owner for a new one"
    )]
    UnknownAuthorisation {
        /// Its id.
        id: AuthorisationId,
    },
    /// The topic isn't on offer to this client.
    #[error("{topic} isn't on offer to {client}: its owner must offer it first")]
    NoOffer {
        /// Which topic.
        topic: TopicName,
        /// Who asked.
        client: ClientId,
    },
    /// The other one's key can't be read.
    #[error("the ledger's key of {client} can't be read")]
    ClientKey {
        /// Whose.
        client: ClientId,
    },
}

impl From<LedgerError> for OwnerError {
    fn from(error: LedgerError) -> Self {
        Self::Call(error.into())
    }
}

/// An owner of topics.
#[derive(Clone)]
pub struct Owner {
    keyring: Arc<Keyring>,
}

impl Owner {
    /// The identity of this keyring, as owner.
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self { keyring }
    }

    fn identity(&self) -> &Identity {
        self.keyring.identity()
    }

    fn ledger(&self) -> &Ledger {
        self.keyring.ledger()
    }

    /// Registers a topic under the owner's prefix.
    ///
    /// # Errors
    /// [`OwnerError::Call`] with the contract's sentence.
    pub async fn register(
        &self,
        topic: &TopicName,
        mode: TopicMode,
    ) -> Result<Applied, OwnerError> {
        let sealed_key = (mode == TopicMode::Sealed).then(|| {
            let key = sm4::Key::generate(&mut rand::rng());
            seal(self.identity().key().public_key(), &key)
        });
        let call = Call::RegisterTopic(RegisterTopic {
            topic: topic.clone(),
            mode,
            sealed_key,
        });
        Ok(self.ledger().call(self.identity(), call).await?)
    }

    /// Grants rights on a topic; a second grant to the same client replaces the first.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub async fn grant(
        &self,
        topic: &TopicName,
        grantee: &ClientId,
        terms: GrantTerms,
        note: Option<String>,
    ) -> Result<Applied, OwnerError> {
        let entry = self.topic(topic).await?;
        let needs_key =
            entry.mode == TopicMode::Sealed && terms.rights.intersects(Rights::WITH_KEY);
        let sealed_key = if needs_key {
            let key = self.keyring.key(topic, entry.epoch).await?;
            let (_, public_key) = self.client(grantee).await?;
            Some(seal(&public_key, &key))
        } else {
            None
        };
        let call = Call::GrantTopic(GrantTopic {
            topic: topic.clone(),
            grantee: grantee.clone(),
            rights: terms.rights,
            expires_s: terms.expires_s,
            from_s: terms.from_s,
            to_s: terms.to_s,
            purpose: terms.purpose,
            epoch: entry.epoch,
            sealed_key,
            note,
        });
        Ok(self.ledger().call(self.identity(), call).await?)
    }

    /// Takes a client's rights on a topic away; on a sealed topic the key changes with it.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub async fn revoke(
        &self,
        topic: &TopicName,
        grantee: &ClientId,
    ) -> Result<Applied, OwnerError> {
        let call = || -> Making<'_> {
            Box::pin(async {
                let entry = self.topic(topic).await?;
                let rotation = match entry.mode {
                    TopicMode::Open => None,
                    TopicMode::Sealed => {
                        let owner = self.identity().client();
                        Some(self.rotation(topic, &entry, owner, Some(grantee)).await?)
                    }
                };
                Ok(Call::RevokeGrant(RevokeGrant {
                    topic: topic.clone(),
                    grantee: grantee.clone(),
                    rotation,
                }))
            })
        };
        self.call_rotating(topic, call).await
    }

    /// Gives rights on all of the owner's topics that a filter matches, and the keys of those there are.
    ///
    /// # Errors
    /// [`OwnerError`]. Once the grant is made, an error about keys leaves the rest to
    /// [`tend`](Self::tend).
    pub async fn grant_filter(
        &self,
        filter: &TopicFilter,
        grantee: &ClientId,
        terms: GrantTerms,
        note: Option<String>,
    ) -> Result<Applied, OwnerError> {
        let with_keys = terms.rights.intersects(Rights::WITH_KEY);
        let call = Call::GrantFilter(GrantFilter {
            filter: filter.clone(),
            grantee: grantee.clone(),
            terms,
            note,
        });
        let applied = self.ledger().call(self.identity(), call).await?;
        if with_keys {
            self.tend().await?;
        }
        Ok(applied)
    }

    /// Takes back what [`grant_filter`](Self::grant_filter) gave, and rotates what the grantee knew.
    ///
    /// # Errors
    /// As for granting.
    pub async fn revoke_filter(
        &self,
        filter: &TopicFilter,
        grantee: &ClientId,
    ) -> Result<Applied, OwnerError> {
        let call = Call::RevokeFilter(RevokeFilter {
            filter: filter.clone(),
            grantee: grantee.clone(),
        });
        let applied = self.ledger().call(self.identity(), call).await?;
        self.tend().await?;
        Ok(applied)
    }

    /// Asks the owner of a topic, or of the topics that a filter matches, for a right.
    ///
    /// # Errors
    /// [`OwnerError::Call`] with the contract's sentence, as for the calls below.
    pub async fn request(
        &self,
        filter: &TopicFilter,
        terms: GrantTerms,
    ) -> Result<Applied, OwnerError> {
        let filter = filter.clone();
        let call = Call::RequestRights(RequestRights { filter, terms });
        Ok(self.ledger().call(self.identity(), call).await?)
    }

    /// Answers a request with no; granting answers with yes.
    pub async fn deny(
        &self,
        filter: &TopicFilter,
        requester: &ClientId,
        note: &str,
    ) -> Result<Applied, OwnerError> {
        let call = Call::DenyRequest(DenyRequest {
            filter: filter.clone(),
            requester: requester.clone(),
            note: note.to_owned(),
        });
        Ok(self.ledger().call(self.identity(), call).await?)
    }

    /// Closes a topic for ever; its records stay readable.
    pub async fn close(&self, topic: &TopicName, reason: &str) -> Result<Applied, OwnerError> {
        let call = Call::CloseTopic(CloseTopic {
            topic: topic.clone(),
            reason: reason.to_owned(),
        });
        Ok(self.ledger().call(self.identity(), call).await?)
    }

    async fn topic(&self, topic: &TopicName) -> Result<TopicEntry, OwnerError> {
        let entry = self.ledger().topic(topic).await?;
        Ok(entry.ok_or_else(|| KeyringError::UnknownTopic {
            topic: topic.clone(),
        })?)
    }

    async fn client(&self, client: &ClientId) -> Result<(CertificateEntry, PublicKey), OwnerError> {
        let record = self.ledger().client(client).await?;
        let record = record.ok_or_else(|| OwnerError::UnknownClient {
            client: client.clone(),
        })?;
        let key = PublicKey::from_sec1(&record.certificate.public_key).map_err(|_| {
            OwnerError::ClientKey {
                client: client.clone(),
            }
        })?;
        Ok((record.certificate, key))
    }
}

fn changed_meanwhile(code: Code) -> bool {
    matches!(
        code,
        Code::WrongEpoch | Code::RotationMissesReader | Code::RotationNamesStranger
    )
}

fn seal(to: &PublicKey, key: &sm4::Key) -> Blob {
    Blob(to.seal(&mut rand::rng(), key.expose()))
}
