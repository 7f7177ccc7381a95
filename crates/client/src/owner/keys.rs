//! Keeping a topic's keys in order: rotations, and everything that is left to do ([`Owner::tend`]).

use std::{collections::BTreeMap, pin::Pin};

use sealwire_contracts::{
    entry::{CertificateStatus, TopicEntry},
    keys::Granter,
};
use sealwire_envelope::{
    AuthorisationId, AuthorisationKey, Call, ClientId, ClientKey, KeyEpoch, Rights, RotateTopic,
    Rotation, SealKeys, SealedFor, TopicName,
};
use sealwire_sm::{PublicKey, sm4};
use serde::Deserialize;

use super::{Owner, OwnerError, ROTATION_ATTEMPTS, changed_meanwhile, seal};
use crate::{
    explain::{Action, decide},
    ledger::{Applied, CallError},
    token::now_s,
};

/// Rounds of looking and doing in one [`Owner::tend`]: a rotation makes keys for others necessary.
const TEND_ROUNDS: usize = 3;
/// Most keys in one transaction: 256 KiB of transaction hold about 1,000 sealed keys.
const KEYS_PER_CALL: usize = 512;

/// A call on its way: it may have to be made again.
pub(super) type Making<'a> = Pin<Box<dyn Future<Output = Result<Call, OwnerError>> + Send + 'a>>;

/// What was done about a topic's keys.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Tended {
    /// The topic.
    pub topic: TopicName,
    /// The epoch of the new key, if there is one.
    pub rotated: Option<KeyEpoch>,
    /// Clients to whom the present key was sealed.
    pub clients: Vec<ClientId>,
    /// Authorisation keys to which it was sealed.
    pub authorisations: Vec<AuthorisationId>,
}

/// A node's hint; see `sealwire_contracts::Upkeep`.
#[derive(Debug, Deserialize)]
struct Hint {
    topic: TopicName,
    stale: Vec<ClientId>,
    missing: Vec<ClientId>,
    missing_authorisations: Vec<AuthorisationId>,
}

impl Owner {
    /// Gives a topic its next key.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub async fn rotate(&self, topic: &TopicName) -> Result<Applied, OwnerError> {
        let call = || -> Making<'_> {
            Box::pin(async {
                let entry = self.topic(topic).await?;
                let owner = self.identity().client();
                Ok(Call::RotateTopic(RotateTopic {
                    topic: topic.clone(),
                    rotation: self.rotation(topic, &entry, owner, None).await?,
                }))
            })
        };
        self.call_rotating(topic, call).await
    }

    /// Makes a call that rotates a topic's key, anew when the topic's readers changed meanwhile.
    pub(super) async fn call_rotating<'a>(
        &self,
        topic: &TopicName,
        call: impl Fn() -> Making<'a> + Send,
    ) -> Result<Applied, OwnerError> {
        let mut left = ROTATION_ATTEMPTS;
        loop {
            left -= 1;
            let result = self.ledger().call(self.identity(), call().await?).await;
            match result {
                Err(CallError::Refused { code, .. }) if left > 0 && changed_meanwhile(code) => {}
                result => {
                    self.keyring.forget_topic(topic);
                    return Ok(result?);
                }
            }
        }
    }

    /// The next key, sealed to `owner` and to everybody else with a right to it but `without`.
    pub(super) async fn rotation(
        &self,
        topic: &TopicName,
        entry: &TopicEntry,
        owner: &ClientId,
        without: Option<&ClientId>,
    ) -> Result<Rotation, OwnerError> {
        let key = sm4::Key::generate(&mut rand::rng());
        let mut keys = BTreeMap::new();
        let own = self.identity();
        debug_assert_eq!(owner, own.client());
        keys.insert(owner.clone(), seal(own.key().public_key(), &key));
        for (client, public_key) in self.entitled(topic, &entry.owner, owner).await? {
            if Some(&client) != without {
                keys.insert(client, seal(&public_key, &key));
            }
        }
        let keys = keys.into_iter();
        Ok(Rotation {
            epoch: KeyEpoch(entry.epoch.0.saturating_add(1)),
            keys: keys
                .map(|(client, sealed)| SealedFor { client, sealed })
                .collect(),
        })
    }

    /// Everybody but the next owner who has a right to a topic's key, proven: by a grant on it, or by a
    /// filter that the next owner granted.
    async fn entitled(
        &self,
        topic: &TopicName,
        owner: &ClientId,
        next_owner: &ClientId,
    ) -> Result<Vec<(ClientId, PublicKey)>, OwnerError> {
        let now_s = now_s();
        let mut candidates = Vec::new();
        for client in self.ledger().readers(topic).await? {
            let grant = self.ledger().grant(&client, topic).await?;
            let has_key = |grant: &sealwire_contracts::entry::GrantEntry| {
                grant.rights.intersects(Rights::WITH_KEY) && grant.is_live(now_s)
            };
            if grant.as_ref().is_some_and(has_key) {
                candidates.push(client);
            }
        }
        if owner == next_owner {
            let granter = Granter::Client(owner.clone());
            for client in self.ledger().widely(&granter).await? {
                let wide = self.ledger().wide(&client, &granter).await?;
                let covers = wide.unwrap_or_default().grants.into_iter().any(|wide| {
                    wide.grant.rights.intersects(Rights::WITH_KEY)
                        && wide.grant.is_live(now_s)
                        && wide.filter.matches(topic)
                });
                if covers && !candidates.contains(&client) {
                    candidates.push(client);
                }
            }
        }
        let mut entitled = Vec::with_capacity(candidates.len());
        for client in candidates.into_iter().filter(|client| client != next_owner) {
            let (certificate, public_key) = self.client(&client).await?;
            if certificate.status(now_s) == CertificateStatus::Live {
                entitled.push((client, public_key));
            }
        }
        Ok(entitled)
    }

    /// Does what is left to do about the keys of the owner's topics: rotates those that somebody knows
    /// who has no right to them any more (revoked by an operator, expired, certificate gone), and seals
    /// present keys to those who have a right and no key (granted filters, redeemed authorisation keys,
    /// new certificates). Call it after connecting and now and then; it does nothing when there is nothing
    /// to do.
    ///
    /// A node gives the hints. It can leave some out; it can't make the owner give a key to anybody without a
    /// right, because the contract checks each, nor rotate without cause, because that is proven first.
    ///
    /// # Errors
    /// [`OwnerError`]; what was done before it stays done.
    pub async fn tend(&self) -> Result<Vec<Tended>, OwnerError> {
        let mut done: BTreeMap<TopicName, Tended> = BTreeMap::new();
        for _ in 0..TEND_ROUNDS {
            let hints = self.hints().await?;
            let mut acted = false;
            for hint in hints {
                let tended = done.entry(hint.topic.clone()).or_insert_with(|| Tended {
                    topic: hint.topic.clone(),
                    rotated: None,
                    clients: Vec::new(),
                    authorisations: Vec::new(),
                });
                acted |= self.tend_topic(hint, tended).await?;
            }
            if !acted {
                break;
            }
        }
        let acted = |tended: &Tended| {
            tended.rotated.is_some()
                || !tended.clients.is_empty()
                || !tended.authorisations.is_empty()
        };
        Ok(done.into_values().filter(acted).collect())
    }

    async fn hints(&self) -> Result<Vec<Hint>, OwnerError> {
        let client = self.identity().client();
        let path = format!("/v1/clients/{client}/upkeep");
        Ok(self.ledger().get_all(&path).await?)
    }

    async fn tend_topic(&self, hint: Hint, tended: &mut Tended) -> Result<bool, OwnerError> {
        for client in &hint.stale {
            if self.has_no_right(client, &hint.topic).await? {
                tracing::info!(topic = %hint.topic, %client, "rotating: the key is known to one without a right");
                self.rotate(&hint.topic).await?;
                tended.rotated = Some(self.topic(&hint.topic).await?.epoch);
                return Ok(true);
            }
        }
        if hint.missing.is_empty() && hint.missing_authorisations.is_empty() {
            return Ok(false);
        }
        self.seal_present(&hint, tended).await
    }

    /// Whether a client has none of the rights that come with a topic's key, proven.
    async fn has_no_right(&self, client: &ClientId, topic: &TopicName) -> Result<bool, OwnerError> {
        for action in ["publish", "subscribe", "read"] {
            let action = Action::parse(action, Some(topic.as_str()))
                .expect("the three actions on a topic are known");
            let explained = decide(self.ledger(), client, &action, None).await?;
            if explained.decision.is_allowed() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn seal_present(&self, hint: &Hint, tended: &mut Tended) -> Result<bool, OwnerError> {
        let topic = &hint.topic;
        let epoch = self.topic(topic).await?.epoch;
        let key = self.keyring.key(topic, epoch).await?;
        let mut clients = Vec::new();
        for client in hint.missing.iter().take(KEYS_PER_CALL) {
            let (_, public_key) = self.client(client).await?;
            clients.push(ClientKey {
                client: client.clone(),
                epoch,
                sealed: seal(&public_key, &key),
            });
        }
        let mut authorisations = Vec::new();
        let room = KEYS_PER_CALL - clients.len();
        for id in hint.missing_authorisations.iter().take(room) {
            let (_, public_key) = self.authorisation(id).await?;
            authorisations.push(AuthorisationKey {
                authorisation: *id,
                epoch,
                sealed: seal(&public_key, &key),
            });
        }
        tended
            .clients
            .extend(clients.iter().map(|item| item.client.clone()));
        let ids = authorisations.iter().map(|item| item.authorisation);
        tended.authorisations.extend(ids);
        let call = Call::SealKeys(SealKeys {
            topic: topic.clone(),
            clients,
            authorisations,
        });
        self.ledger().call(self.identity(), call).await?;
        Ok(true)
    }
}
