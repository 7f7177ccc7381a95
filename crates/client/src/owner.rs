//! What a topic's owner does: register it, grant it, revoke grants; the keys follow by themselves.
//!
//! | Call | Key |
//! |---|---|
//! | [`Owner::register`] | makes the key of epoch 0 and seals it to the owner |
//! | [`Owner::grant`] | unseals the present key and seals it to the grantee's certificate |
//! | [`Owner::revoke`] | makes the next key and seals it to the owner and to those who remain |
//!
//! No key is stored here: the ledger has each one, sealed. Between reading the readers of a topic
//! and the revocation's block somebody else may have changed them; the contract notices, and the
//! call is made again ([`ROTATION_ATTEMPTS`]).

use std::sync::Arc;

use sealwire_contracts::{
    Code,
    entry::{CertificateEntry, CertificateStatus, TopicEntry},
};
use sealwire_envelope::{
    Blob, Call, ClientId, GrantTopic, KeyEpoch, RegisterTopic, RevokeGrant, Rights, Rotation,
    SealedFor, TopicMode, TopicName,
};
use sealwire_sm::{PublicKey, sm4};

use crate::{
    identity::Identity,
    keyring::{Keyring, KeyringError},
    ledger::{Applied, CallError, Ledger, LedgerError},
    token::now_s,
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

/// The terms of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What the grantee may do.
    pub rights: Rights,
    /// Until when, seconds since 1970; none: until revoked.
    pub expires_s: Option<u64>,
    /// Only archived records from this time on, seconds since 1970.
    pub from_s: Option<u64>,
    /// Only archived records up to this time, seconds since 1970.
    pub to_s: Option<u64>,
    /// What for, for people; at most 256 bytes.
    pub purpose: String,
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
        terms: Terms,
    ) -> Result<Applied, OwnerError> {
        let entry = self.topic(topic).await?;
        let needs_key = entry.mode == TopicMode::Sealed
            && terms
                .rights
                .intersects(Rights::PUBLISH | Rights::SUBSCRIBE | Rights::READ);
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
            note: None,
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
        let mut left = ROTATION_ATTEMPTS;
        loop {
            left -= 1;
            let entry = self.topic(topic).await?;
            let rotation = match entry.mode {
                TopicMode::Open => None,
                TopicMode::Sealed => Some(self.rotation(topic, entry.epoch, grantee).await?),
            };
            let (topic, grantee) = (topic.clone(), grantee.clone());
            let name = topic.clone();
            let call = Call::RevokeGrant(RevokeGrant {
                topic,
                grantee,
                rotation,
            });
            match self.ledger().call(self.identity(), call).await {
                Err(CallError::Refused { code, .. }) if left > 0 && changed_meanwhile(code) => {}
                result => {
                    self.keyring.forget_topic(&name);
                    return Ok(result?);
                }
            }
        }
    }

    async fn rotation(
        &self,
        topic: &TopicName,
        epoch: KeyEpoch,
        without: &ClientId,
    ) -> Result<Rotation, OwnerError> {
        let key = sm4::Key::generate(&mut rand::rng());
        let owner = self.identity();
        let mut keys = vec![SealedFor {
            client: owner.client().clone(),
            sealed: seal(owner.key().public_key(), &key),
        }];
        let now_s = now_s();
        for client in self.ledger().readers(topic).await? {
            if client == *without {
                continue;
            }
            let Some(grant) = self.ledger().grant(&client, topic).await? else {
                continue;
            };
            let has_key = grant
                .rights
                .intersects(Rights::PUBLISH | Rights::SUBSCRIBE | Rights::READ);
            let (certificate, public_key) = self.client(&client).await?;
            let live = certificate.status(now_s) == CertificateStatus::Live;
            if has_key && grant.is_live(now_s) && live {
                keys.push(SealedFor {
                    client,
                    sealed: seal(&public_key, &key),
                });
            }
        }
        keys.sort_by(|a, b| a.client.cmp(&b.client));
        Ok(Rotation {
            epoch: KeyEpoch(epoch.0.saturating_add(1)),
            keys,
        })
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
