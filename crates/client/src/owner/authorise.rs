//! Authorisation keys and handing topics over.

use std::sync::Arc;

use sealwire_contracts::entry::{AuthorisationEntry, OfferEntry};
use sealwire_envelope::{
    AcceptTopic, AuthorisationId, Call, Code, CreateAuthorisation, EpochKey, GrantTerms, KeyEpoch,
    RedeemAuthorisation, Rights, TopicFilter, TopicKey, TopicMode, TopicName, TransferTopic,
    WithdrawAuthorisation, code::CodeKind,
};
use sealwire_sm::{PublicKey, sm4};
use serde::Deserialize;

use super::{Owner, OwnerError, keys::Making, seal};
use crate::{
    keyring::{Keyring, KeyringError},
    ledger::{Applied, LedgerError},
};

/// Most keys that go with an offer or an authorisation key: the newest.
const KEYS_MAX: usize = 256;

/// What an authorisation key gives, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorisation {
    /// On which topic, or filter within the owner's prefix.
    pub filter: TopicFilter,
    /// What whoever redeems it gets.
    pub terms: GrantTerms,
    /// How many clients may redeem it: 1 to 256.
    pub uses: u16,
    /// Until when, seconds since 1970.
    pub redeem_until_s: u64,
}

/// A topic on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// How many of its keys go with it.
    pub keys: usize,
    /// The offer's transaction.
    pub applied: Applied,
}

#[derive(Deserialize)]
struct Held {
    topic: TopicName,
    epoch: KeyEpoch,
}

impl Owner {
    /// Makes an authorisation key and registers its public half. The code is the only place where the
    /// private half is: whoever has it may redeem it.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub async fn create_authorisation(
        &self,
        wanted: Authorisation,
    ) -> Result<(Code, AuthorisationId, Applied), OwnerError> {
        let code = Code::generate(CodeKind::Authorisation, &mut rand::rng());
        let public_key = code.key().public_key().clone();
        let keys = if wanted.terms.rights.intersects(Rights::WITH_KEY) {
            self.present_keys(&wanted.filter, &public_key).await?
        } else {
            Vec::new()
        };
        let id = AuthorisationId::of(&public_key);
        let call = Call::CreateAuthorisation(CreateAuthorisation {
            key: public_key,
            filter: wanted.filter,
            terms: wanted.terms,
            uses: wanted.uses,
            redeem_until_s: wanted.redeem_until_s,
            keys,
        });
        let applied = self.ledger().call(self.identity(), call).await?;
        Ok((code, id, applied))
    }

    /// The present keys of all sealed topics that a filter matches, sealed to one key.
    async fn present_keys(
        &self,
        filter: &TopicFilter,
        to: &PublicKey,
    ) -> Result<Vec<TopicKey>, OwnerError> {
        let topics = match filter.to_name() {
            Some(topic) => vec![topic],
            None => self.own_topics().await?,
        };
        let mut keys = Vec::new();
        for topic in topics.into_iter().filter(|topic| filter.matches(topic)) {
            let entry = self.topic(&topic).await?;
            if entry.mode == TopicMode::Sealed && entry.closed.is_none() && keys.len() < KEYS_MAX {
                let key = self.keyring.key(&topic, entry.epoch).await?;
                keys.push(TopicKey {
                    topic,
                    epoch: entry.epoch,
                    sealed: seal(to, &key),
                });
            }
        }
        Ok(keys)
    }

    /// The owner's topics, as a node lists them.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub async fn own_topics(&self) -> Result<Vec<TopicName>, OwnerError> {
        #[derive(Deserialize)]
        struct Named {
            name: TopicName,
        }
        let client = self.identity().client();
        let path = format!("/v1/clients/{client}/topics");
        let named: Vec<Named> = self.ledger().get_all(&path).await?;
        Ok(named.into_iter().map(|topic| topic.name).collect())
    }

    /// Withdraws an authorisation key: nobody redeems it any more.
    ///
    /// # Errors
    /// [`OwnerError::Call`] with the contract's sentence.
    pub async fn withdraw_authorisation(
        &self,
        authorisation: AuthorisationId,
    ) -> Result<Applied, OwnerError> {
        let call = Call::WithdrawAuthorisation(WithdrawAuthorisation { authorisation });
        Ok(self.ledger().call(self.identity(), call).await?)
    }

    /// An authorisation key's entry and public half, proven.
    pub(super) async fn authorisation(
        &self,
        id: &AuthorisationId,
    ) -> Result<(AuthorisationEntry, PublicKey), OwnerError> {
        let unknown = || OwnerError::UnknownAuthorisation { id: *id };
        let entry = self.ledger().authorisation(id).await?.ok_or_else(unknown)?;
        let key = PublicKey::from_sec1(&entry.key).map_err(|_| unknown())?;
        Ok((entry, key))
    }

    /// Offers a topic to another client, with as many of its keys as we have (the newest 256).
    ///
    /// # Errors
    /// [`OwnerError`].
    pub async fn offer(
        &self,
        topic: &TopicName,
        to: &sealwire_envelope::ClientId,
    ) -> Result<Offer, OwnerError> {
        let entry = self.topic(topic).await?;
        let mut keys = Vec::new();
        if entry.mode == TopicMode::Sealed {
            let (_, public_key) = self.client(to).await?;
            for epoch in (0..=entry.epoch.0).rev().take(KEYS_MAX).map(KeyEpoch) {
                match self.keyring.key(topic, epoch).await {
                    Ok(key) => keys.push(EpochKey {
                        epoch,
                        sealed: seal(&public_key, &key),
                    }),
                    // An older key that an earlier owner didn't hand over.
                    Err(KeyringError::NoKey { .. }) if epoch < entry.epoch => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let count = keys.len();
        let call = Call::TransferTopic(TransferTopic {
            topic: topic.clone(),
            to: Some(to.clone()),
            keys,
        });
        let applied = self.ledger().call(self.identity(), call).await?;
        Ok(Offer {
            keys: count,
            applied,
        })
    }

    /// Takes an offer back.
    ///
    /// # Errors
    /// [`OwnerError::Call`] with the contract's sentence.
    pub async fn withdraw_offer(&self, topic: &TopicName) -> Result<Applied, OwnerError> {
        let call = Call::TransferTopic(TransferTopic {
            topic: topic.clone(),
            to: None,
            keys: Vec::new(),
        });
        Ok(self.ledger().call(self.identity(), call).await?)
    }

    /// Takes over a topic that was offered to this client, with a new key for all who have a right.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub async fn accept(&self, topic: &TopicName) -> Result<Applied, OwnerError> {
        let client = self.identity().client();
        let offer: Option<OfferEntry> = self.ledger().offer(topic).await?;
        if offer.is_none_or(|offer| offer.to.as_ref() != Some(client)) {
            return Err(OwnerError::NoOffer {
                topic: topic.clone(),
                client: client.clone(),
            });
        }
        let call = || -> Making<'_> {
            Box::pin(async {
                let entry = self.topic(topic).await?;
                let rotation = match entry.mode {
                    TopicMode::Open => None,
                    TopicMode::Sealed => Some(self.rotation(topic, &entry, client, None).await?),
                };
                Ok(Call::AcceptTopic(AcceptTopic {
                    topic: topic.clone(),
                    rotation,
                }))
            })
        };
        self.call_rotating(topic, call).await
    }
}

/// Redeems an authorisation key for the client of this keyring: the keys that are sealed to it are
/// sealed anew to the client.
///
/// # Errors
/// [`OwnerError`]: [`OwnerError::UnknownAuthorisation`] when the ledger doesn't know it.
pub async fn redeem(
    keyring: &Arc<Keyring>,
    code: &Code,
) -> Result<(AuthorisationEntry, Applied), OwnerError> {
    let (identity, ledger) = (keyring.identity(), keyring.ledger());
    let secret = code.key();
    let id = AuthorisationId::of(secret.public_key());
    let owner = Owner::new(keyring.clone());
    let (entry, _) = owner.authorisation(&id).await?;

    let mut answer = ledger
        .get_json(&format!("/v1/authorisations/{id}?limit=1000"))
        .await?;
    let held: Vec<Held> =
        serde_json::from_value(answer["value"]["keys"].take()).map_err(|error| {
            LedgerError::Nonsense {
                node: ledger.nodes().join(", "),
                detail: format!("keys of an authorisation key: {error}"),
            }
        })?;
    let mut keys = Vec::new();
    for Held { topic, epoch } in held.into_iter().rev().take(KEYS_MAX) {
        let Some(sealed) = ledger.authorisation_key(&id, epoch, &topic).await? else {
            continue;
        };
        // What doesn't open was sealed wrongly: the owner seals it to the client later.
        let Ok(plain) = secret.open(&sealed.sealed) else {
            tracing::warn!(%topic, %epoch, "a key sealed to the authorisation key doesn't open");
            continue;
        };
        let Ok(key) = sm4::Key::from_slice(&plain) else {
            continue;
        };
        keys.push(TopicKey {
            topic,
            epoch,
            sealed: seal(identity.key().public_key(), &key),
        });
    }
    let call = Call::RedeemAuthorisation(RedeemAuthorisation {
        authorisation: id,
        signature: RedeemAuthorisation::sign(&identity.chain(), identity.client(), &secret),
        keys,
    });
    let applied = ledger.call(identity, call).await?;
    Ok((entry, applied))
}
