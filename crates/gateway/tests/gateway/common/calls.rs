//! More calls to the contracts: filters, hand-over, closing, operators, rotation.

use sealwire_envelope::{
    AcceptTopic, Call, ClientId, CloseTopic, EpochKey, GrantFilter, GrantTerms, GrantTopic,
    KeyEpoch, RevokeFilter, RevokeGrant, Rights, RotateTopic, Rotation, SealedFor, TopicName,
    TransferTopic,
};
use sealwire_sm::sm4;

use super::{Org, Person, World, seal_to};

pub fn terms(rights: Rights, expires_s: Option<u64>) -> GrantTerms {
    GrantTerms {
        rights,
        expires_s,
        from_s: None,
        to_s: None,
        purpose: "test".into(),
    }
}

/// The next key, sealed to these.
pub fn rotation(epoch: KeyEpoch, key: &sm4::Key, people: &[&Person]) -> Rotation {
    let sealed_for = |person: &&Person| SealedFor {
        client: person.client.clone(),
        sealed: seal_to(person, key),
    };
    Rotation {
        epoch: KeyEpoch(epoch.0 + 1),
        keys: people.iter().map(sealed_for).collect(),
    }
}

impl World {
    pub fn epoch(&self, topic: &TopicName) -> KeyEpoch {
        use sealwire_gateway::Ledger as _;
        self.ledger.view().topic(topic).value.unwrap().epoch
    }

    pub fn grant_filter(&self, owner: &Person, filter: &str, to: &Person, terms: GrantTerms) {
        let call = GrantFilter {
            filter: filter.parse().unwrap(),
            grantee: to.client.clone(),
            terms,
            note: None,
        };
        self.ledger.call(owner, Call::GrantFilter(call));
    }

    pub fn revoke_filter(&self, owner: &Person, filter: &str, from: &Person) {
        let call = RevokeFilter {
            filter: filter.parse().unwrap(),
            grantee: from.client.clone(),
        };
        self.ledger.call(owner, Call::RevokeFilter(call));
    }

    /// A grant on an open topic that ends by the clock.
    pub fn grant_until(&self, owner: &Person, topic: &TopicName, to: &Person, expires_s: u64) {
        let call = GrantTopic {
            topic: topic.clone(),
            grantee: to.client.clone(),
            rights: Rights::SUBSCRIBE,
            expires_s: Some(expires_s),
            from_s: None,
            to_s: None,
            purpose: "test".into(),
            epoch: self.epoch(topic),
            sealed_key: None,
            note: None,
        };
        self.ledger.call(owner, Call::GrantTopic(call));
    }

    /// An operator takes a grant back: no key changes.
    pub fn revoke_by_operator(&self, org: &Org, topic: &TopicName, from: &ClientId) {
        let call = RevokeGrant {
            topic: topic.clone(),
            grantee: from.clone(),
            rotation: None,
        };
        self.ledger.call(&org.operator, Call::RevokeGrant(call));
    }

    pub fn rotate(&self, owner: &Person, topic: &TopicName, key: &sm4::Key, to: &[&Person]) {
        let call = RotateTopic {
            topic: topic.clone(),
            rotation: rotation(self.epoch(topic), key, to),
        };
        self.ledger.call(owner, Call::RotateTopic(call));
    }

    /// Offers and accepts a topic; a sealed one with its present key and the next.
    pub fn hand_over(
        &self,
        from: &Person,
        to: &Person,
        topic: &TopicName,
        keys: Option<(&sm4::Key, &sm4::Key)>,
    ) {
        let epoch = self.epoch(topic);
        let present = keys.map(|(present, _)| EpochKey {
            epoch,
            sealed: seal_to(to, present),
        });
        let offer = TransferTopic {
            topic: topic.clone(),
            to: Some(to.client.clone()),
            keys: present.into_iter().collect(),
        };
        self.ledger.call(from, Call::TransferTopic(offer));
        let accept = AcceptTopic {
            topic: topic.clone(),
            rotation: keys.map(|(_, next)| rotation(epoch, next, &[to])),
        };
        self.ledger.call(to, Call::AcceptTopic(accept));
    }

    pub fn close(&self, owner: &Person, topic: &TopicName) {
        let call = CloseTopic {
            topic: topic.clone(),
            reason: "test".into(),
        };
        self.ledger.call(owner, Call::CloseTopic(call));
    }
}
