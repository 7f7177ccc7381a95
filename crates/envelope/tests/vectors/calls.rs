//! One example of each call that isn't in [`crate::examples`]: certificates' life, topics' rights.

use sealwire_envelope::code::CodeKind;
use sealwire_envelope::*;
use sealwire_sm::{Role, SecretKey};

use crate::world::{
    DEVICE, GATEWAY, NOW_S, OPERATOR, READER, certificate, client, device, genesis, id, topic,
};

/// Who signs.
#[derive(Clone, Copy)]
pub enum By {
    Operator,
    Gateway,
    Device,
    Reader,
}

impl By {
    pub fn byte(self) -> u8 {
        match self {
            Self::Operator => OPERATOR,
            Self::Gateway => GATEWAY,
            Self::Device => DEVICE,
            Self::Reader => READER,
        }
    }
}

pub fn enrolment_code() -> Code {
    Code::from_secret(CodeKind::Enrolment, [0x11; 16])
}

pub fn authorisation_key() -> Code {
    Code::from_secret(CodeKind::Authorisation, [0x22; 16])
}

/// All calls, with the seal to use for keys.
pub fn calls(sealed_to: impl Fn(&SecretKey) -> Blob) -> Vec<(&'static str, By, Call)> {
    let chain = genesis().chain_id();
    let key = crate::world::key;
    let (device, fresh) = (device(), certificate("acme.press-7", Role::Device, 0x17));
    let new = certificate("acme.press-8", Role::Device, 0x18);
    let filter: TopicFilter = "acme/press-7/#".parse().expect("a filter");
    let terms = GrantTerms {
        rights: Rights::SUBSCRIBE | Rights::READ,
        expires_s: Some(NOW_S + 86_400),
        from_s: None,
        to_s: None,
        purpose: "maintenance".to_owned(),
    };
    let (code, authorisation) = (enrolment_code().key(), authorisation_key().key());
    let reader = client("beta.reader");
    let topic_key = |to: &SecretKey| TopicKey {
        topic: topic(),
        epoch: KeyEpoch(0),
        sealed: sealed_to(to),
    };
    let rotation = |to: &str, byte| Rotation {
        epoch: KeyEpoch(1),
        keys: vec![SealedFor {
            client: client(to),
            sealed: sealed_to(&key(byte)),
        }],
    };
    let (certificate, reason) = (id(&device), "under repair".to_owned());
    vec![
        (
            "register-certificate-enrolled",
            By::Operator,
            Call::RegisterCertificate(RegisterCertificate {
                der: new.der().into(),
                enrolment: Some(EnrolmentProof::sign(
                    &chain,
                    &client("acme.press-8"),
                    &new.public_key,
                    &code,
                )),
            }),
        ),
        (
            "renew-certificate",
            By::Device,
            Call::RenewCertificate(RenewCertificate {
                der: fresh.der().into(),
            }),
        ),
        (
            "suspend-certificate",
            By::Operator,
            Call::SuspendCertificate(SuspendCertificate {
                certificate,
                reason: reason.clone(),
            }),
        ),
        (
            "resume-certificate",
            By::Operator,
            Call::ResumeCertificate(ResumeCertificate {
                certificate,
                reason,
            }),
        ),
        (
            "set-template",
            By::Operator,
            Call::SetTemplate(SetTemplate {
                role: Role::Device,
                template: Template {
                    validity_max_s: 31_536_000,
                    renewal_s: 2_592_000,
                },
            }),
        ),
        (
            "open-enrolments",
            By::Operator,
            Call::OpenEnrolments(OpenEnrolments {
                enrolments: vec![Enrolment {
                    client: client("acme.press-8"),
                    role: Role::Device,
                    key: code.public_key().clone(),
                    expires_s: NOW_S + 604_800,
                }],
            }),
        ),
        (
            "close-enrolments",
            By::Operator,
            Call::CloseEnrolments(CloseEnrolments {
                enrolments: vec![EnrolmentId::of(code.public_key())],
            }),
        ),
        (
            "grant-filter",
            By::Device,
            Call::GrantFilter(GrantFilter {
                filter: filter.clone(),
                grantee: reader.clone(),
                terms: terms.clone(),
                note: Some("as agreed".to_owned()),
            }),
        ),
        (
            "revoke-filter",
            By::Device,
            Call::RevokeFilter(RevokeFilter {
                filter: filter.clone(),
                grantee: reader.clone(),
            }),
        ),
        (
            "request-rights",
            By::Reader,
            Call::RequestRights(RequestRights {
                filter: topic().to_filter(),
                terms: terms.clone(),
            }),
        ),
        (
            "deny-request",
            By::Device,
            Call::DenyRequest(DenyRequest {
                filter: topic().to_filter(),
                requester: reader.clone(),
                note: "not before the audit".to_owned(),
            }),
        ),
        (
            "transfer-topic",
            By::Device,
            Call::TransferTopic(TransferTopic {
                topic: topic(),
                to: Some(reader.clone()),
                keys: vec![EpochKey {
                    epoch: KeyEpoch(0),
                    sealed: sealed_to(&key(READER)),
                }],
            }),
        ),
        (
            "accept-topic",
            By::Reader,
            Call::AcceptTopic(AcceptTopic {
                topic: topic(),
                rotation: Some(rotation("beta.reader", READER)),
            }),
        ),
        (
            "close-topic",
            By::Device,
            Call::CloseTopic(CloseTopic {
                topic: topic(),
                reason: "scrapped".to_owned(),
            }),
        ),
        (
            "rotate-topic",
            By::Device,
            Call::RotateTopic(RotateTopic {
                topic: topic(),
                rotation: rotation("acme.press-7", DEVICE),
            }),
        ),
        (
            "seal-keys",
            By::Device,
            Call::SealKeys(SealKeys {
                topic: topic(),
                clients: vec![ClientKey {
                    client: reader,
                    epoch: KeyEpoch(0),
                    sealed: sealed_to(&key(READER)),
                }],
                authorisations: vec![AuthorisationKey {
                    authorisation: AuthorisationId::of(authorisation.public_key()),
                    epoch: KeyEpoch(0),
                    sealed: sealed_to(&authorisation),
                }],
            }),
        ),
        (
            "create-authorisation",
            By::Device,
            Call::CreateAuthorisation(CreateAuthorisation {
                key: authorisation.public_key().clone(),
                filter,
                terms,
                uses: 3,
                redeem_until_s: NOW_S + 604_800,
                keys: vec![topic_key(&authorisation)],
            }),
        ),
        (
            "redeem-authorisation",
            By::Reader,
            Call::RedeemAuthorisation(RedeemAuthorisation {
                authorisation: AuthorisationId::of(authorisation.public_key()),
                signature: RedeemAuthorisation::sign(
                    &chain,
                    &client("beta.reader"),
                    &authorisation,
                ),
                keys: vec![topic_key(&key(READER))],
            }),
        ),
        (
            "withdraw-authorisation",
            By::Device,
            Call::WithdrawAuthorisation(WithdrawAuthorisation {
                authorisation: AuthorisationId::of(authorisation.public_key()),
            }),
        ),
    ]
}

#[test]
fn every_call_has_a_vector() {
    let examples = crate::examples::transactions();
    for name in Call::NAMES {
        let found = examples
            .values()
            .any(|example| example["json"]["body"]["call"]["call"] == *name);
        assert!(found, "vectors/transaction.json has no {name}");
    }
}
