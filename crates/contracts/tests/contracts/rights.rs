//! Calls on topics' rights beyond grants of single topics, for tests to use.

use sealwire_envelope::code::CodeKind;
use sealwire_envelope::*;
use sealwire_sm::SecretKey;

use crate::world::*;

pub fn filter(text: &str) -> TopicFilter {
    text.parse().unwrap()
}

pub fn terms(rights: Rights) -> GrantTerms {
    GrantTerms {
        rights,
        purpose: "test".into(),
        ..GrantTerms::default()
    }
}

pub fn grant_filter(on: &str, grantee: &str, rights: Rights) -> Call {
    Call::GrantFilter(GrantFilter {
        filter: filter(on),
        grantee: client(grantee),
        terms: terms(rights),
        note: None,
    })
}

pub fn revoke_filter(on: &str, grantee: &str) -> Call {
    Call::RevokeFilter(RevokeFilter {
        filter: filter(on),
        grantee: client(grantee),
    })
}

pub fn request(on: &str, rights: Rights) -> Call {
    Call::RequestRights(RequestRights {
        filter: filter(on),
        terms: terms(rights),
    })
}

pub fn deny(on: &str, requester: &str) -> Call {
    Call::DenyRequest(DenyRequest {
        filter: filter(on),
        requester: client(requester),
        note: "no".into(),
    })
}

pub fn rotation(epoch: u32, to: &[&str]) -> Rotation {
    let keys = to.iter().map(|name| SealedFor {
        client: client(name),
        sealed: sealed(4),
    });
    Rotation {
        epoch: KeyEpoch(epoch),
        keys: keys.collect(),
    }
}

pub fn rotate(on: &str, epoch: u32, to: &[&str]) -> Call {
    Call::RotateTopic(RotateTopic {
        topic: topic(on),
        rotation: rotation(epoch, to),
    })
}

pub fn offer(on: &str, to: &str, epochs: std::ops::RangeInclusive<u32>) -> Call {
    let key = |epoch| EpochKey {
        epoch: KeyEpoch(epoch),
        sealed: sealed(5),
    };
    Call::TransferTopic(TransferTopic {
        topic: topic(on),
        to: Some(client(to)),
        keys: epochs.map(key).collect(),
    })
}

pub fn withdraw_offer(on: &str) -> Call {
    Call::TransferTopic(TransferTopic {
        topic: topic(on),
        to: None,
        keys: Vec::new(),
    })
}

pub fn accept(on: &str, epoch: u32, to: &[&str]) -> Call {
    Call::AcceptTopic(AcceptTopic {
        topic: topic(on),
        rotation: Some(rotation(epoch, to)),
    })
}

pub fn close_topic(on: &str) -> Call {
    Call::CloseTopic(CloseTopic {
        topic: topic(on),
        reason: "scrapped".into(),
    })
}

pub fn seal_to(on: &str, who: &str, epoch: u32) -> Call {
    Call::SealKeys(SealKeys {
        topic: topic(on),
        clients: vec![ClientKey {
            client: client(who),
            epoch: KeyEpoch(epoch),
            sealed: sealed(6),
        }],
        authorisations: Vec::new(),
    })
}

pub fn seal_to_authorisation(on: &str, key: &SecretKey, epoch: u32) -> Call {
    Call::SealKeys(SealKeys {
        topic: topic(on),
        clients: Vec::new(),
        authorisations: vec![AuthorisationKey {
            authorisation: AuthorisationId::of(key.public_key()),
            epoch: KeyEpoch(epoch),
            sealed: sealed(7),
        }],
    })
}

/// The authorisation key of this number.
pub fn authorisation_key(number: u8) -> SecretKey {
    Code::from_secret(CodeKind::Authorisation, [number; 16]).key()
}

pub fn topic_key(on: &str, epoch: u32) -> TopicKey {
    TopicKey {
        topic: topic(on),
        epoch: KeyEpoch(epoch),
        sealed: sealed(8),
    }
}

/// Authorisation key `number` for `on`: three uses, good for a thousand seconds.
pub fn authorisation(world: &World, number: u8, on: &str, rights: Rights) -> CreateAuthorisation {
    CreateAuthorisation {
        key: authorisation_key(number).public_key().clone(),
        filter: filter(on),
        terms: terms(rights),
        uses: 3,
        redeem_until_s: world.now_s() + 1_000,
        keys: Vec::new(),
    }
}

pub fn redeem(world: &World, number: u8, by: &str, keys: Vec<TopicKey>) -> RedeemAuthorisation {
    let key = authorisation_key(number);
    RedeemAuthorisation {
        authorisation: AuthorisationId::of(key.public_key()),
        signature: RedeemAuthorisation::sign(&world.genesis.chain_id(), &client(by), &key),
        keys,
    }
}

pub fn withdraw(number: u8) -> Call {
    let key = authorisation_key(number);
    Call::WithdrawAuthorisation(WithdrawAuthorisation {
        authorisation: AuthorisationId::of(key.public_key()),
    })
}
