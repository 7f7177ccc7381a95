//! After a renewal: topic keys that are sealed to the key before, sealed anew to the present one.
//!
//! Until then they open all the same ([`Identity::previous`]); the next renewal but one would lose them.

use std::collections::BTreeSet;

use sealwire_contracts::{entry::TopicEntry, limits::KEYS_PER_CALL};
use sealwire_envelope::{
    Blob, Call, ClientKey, KeyEpoch, SealKeys, TopicFilter, TopicMode, TopicName,
};
use serde::Deserialize;

use super::LifeError;
use crate::{Identity, ledger::Ledger};

/// What a node lists; only the names are taken, everything else is read with its proof.
#[derive(Deserialize)]
struct Owned {
    name: TopicName,
}

#[derive(Deserialize)]
struct Granted {
    topic: TopicName,
}

#[derive(Deserialize)]
struct Widely {
    granter: String,
    filter: TopicFilter,
}

/// Seals to the present key whatever is sealed to the one before: keys of the identity's own topics, and of
/// those that it was granted. Says how many.
///
/// Does nothing for an identity without a previous key.
///
/// # Errors
/// [`LifeError`]; what was sealed before it stays sealed.
pub async fn reseal(identity: &Identity, ledger: &Ledger) -> Result<usize, LifeError> {
    if identity.previous().is_none() {
        return Ok(0);
    }
    let mut sealed = 0;
    for topic in topics_of(identity, ledger).await? {
        let Some(entry) = ledger.topic(&topic).await? else {
            continue;
        };
        let clients = to_seal(identity, ledger, &topic, &entry).await?;
        for part in clients.chunks(KEYS_PER_CALL) {
            let call = Call::SealKeys(SealKeys {
                topic: topic.clone(),
                clients: part.to_vec(),
                authorisations: Vec::new(),
            });
            ledger.call(identity, call).await?;
            sealed += part.len();
        }
    }
    Ok(sealed)
}

/// Every topic of which this client may hold keys, as a node lists them.
async fn topics_of(identity: &Identity, ledger: &Ledger) -> Result<BTreeSet<TopicName>, LifeError> {
    let client = identity.client();
    let list = |what: &str| format!("/v1/clients/{client}/{what}");
    let owned: Vec<Owned> = ledger.get_all(&list("topics")).await?;
    let granted: Vec<Granted> = ledger.get_all(&list("grants")).await?;
    let mut topics: BTreeSet<TopicName> = owned.into_iter().map(|it| it.name).collect();
    topics.extend(granted.into_iter().map(|it| it.topic));
    let widely: Vec<Widely> = ledger.get_all(&list("filters")).await?;
    for wide in widely {
        // An organisation's grant gives no keys.
        if !wide.granter.contains('.') {
            continue;
        }
        let path = format!("/v1/clients/{}/topics", wide.granter);
        let owned: Vec<Owned> = ledger.get_all(&path).await?;
        let matching = owned.into_iter().map(|it| it.name);
        topics.extend(matching.filter(|topic| wide.filter.matches(topic)));
    }
    Ok(topics)
}

/// The keys of a topic that open with the previous key only, sealed to the present one.
async fn to_seal(
    identity: &Identity,
    ledger: &Ledger,
    topic: &TopicName,
    entry: &TopicEntry,
) -> Result<Vec<ClientKey>, LifeError> {
    let mut keys = Vec::new();
    if entry.mode != TopicMode::Sealed {
        return Ok(keys);
    }
    let Some(previous) = identity.previous() else {
        return Ok(keys);
    };
    let client = identity.client();
    for epoch in (0..=entry.epoch.0).rev().map(KeyEpoch) {
        let Some(held) = ledger.sealed_key(topic, epoch, client).await? else {
            continue;
        };
        if identity.key().open(&held.sealed).is_ok() {
            continue;
        }
        if let Ok(plain) = previous.open(&held.sealed) {
            let sealed = identity.key().public_key().seal(&mut rand::rng(), &plain);
            keys.push(ClientKey {
                client: client.clone(),
                epoch,
                sealed: Blob(sealed),
            });
        }
    }
    Ok(keys)
}
