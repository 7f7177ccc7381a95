//! The people of the vectors: fixed keys, certificates and times. The keys are public: use them for
//! nothing else.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealwire_envelope::{
    Blob, CertId, ClientId, Genesis, OrgGenesis, TopicName, genesis::GENESIS_VERSION,
};
use sealwire_sm::{
    Certificate, Role, SecretKey,
    cert::{Subject, issue, issue_root},
    sm3, sm4,
};

/// 2026-11-23 12:00:00 UTC, milliseconds since 1970.
pub const NOW_MS: u64 = 1_795_435_200_000;
/// The same, in seconds.
pub const NOW_S: u64 = NOW_MS / 1000;
/// A year, in seconds.
const YEAR_S: u64 = 365 * 86_400;

/// Secret keys: 32 bytes, all alike.
pub const DEVICE: u8 = 0x07;
pub const READER: u8 = 0x08;
pub const GATEWAY: u8 = 0x02;
pub const OPERATOR: u8 = 0x03;
const ROOT: u8 = 0x01;

/// The organisations, in the order of genesis; each validator's key is 0x21 and up.
const ORGS: [&str; 4] = ["acme", "beta", "delta", "gamma"];

/// Bytes that are the same every time: SM3("sealwire vectors" || name || block number), one after
/// the other.
pub struct Fixed {
    name: &'static str,
    block: u64,
}

impl Fixed {
    pub fn new(name: &'static str) -> Self {
        Self { name, block: 0 }
    }
}

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(32) {
            let block = sm3(&[
                b"sealwire vectors",
                self.name.as_bytes(),
                &self.block.to_be_bytes(),
            ]);
            chunk.copy_from_slice(&block.0[..chunk.len()]);
            self.block += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

/// The secret key whose 32 bytes are all `byte`.
pub fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("a scalar in range")
}

/// A topic's key: the bytes 0, 1, 2 … 15.
pub fn topic_key() -> sm4::Key {
    let bytes: Vec<u8> = (0..16).collect();
    sm4::Key::from_slice(&bytes).expect("16 bytes")
}

pub fn client(text: &str) -> ClientId {
    text.parse().expect("a client id")
}

pub fn topic() -> TopicName {
    "acme/press-7/temperature".parse().expect("a topic")
}

/// The first 16 (or 32) bytes of SM3 of a name: a nonce.
pub fn nonce<const N: usize>(name: &str) -> [u8; N] {
    let digest = sm3(&[b"nonce", name.as_bytes()]);
    digest.0[..N].try_into().expect("at most 32 bytes")
}

/// An organisation's root.
pub fn root(org: &str) -> (SecretKey, Certificate) {
    let place = ORGS.iter().position(|known| *known == org).expect("known");
    let byte = if place == 0 { ROOT } else { 0x10 + place as u8 };
    let name = format!("{org} root");
    let subject = Subject {
        organisation: org,
        role: Role::Root,
        name: &name,
        not_before_s: NOW_S - 86_400,
        not_after_s: NOW_S + 20 * YEAR_S,
    };
    let certificate = issue_root(&mut Fixed::new("serial"), &key(byte), &subject);
    (key(byte), certificate.expect("a root"))
}

/// A client's certificate for the key `byte`.
pub fn certificate(name: &str, role: Role, byte: u8) -> Certificate {
    let who = client(name);
    let org = who.org();
    let (root_key, root) = root(org.as_str());
    let subject = Subject {
        organisation: org.as_str(),
        role,
        name,
        not_before_s: NOW_S - 3600,
        not_after_s: NOW_S + YEAR_S,
    };
    let holder = key(byte);
    let mut serial = Fixed::new("serial");
    serial.block = u64::from(byte);
    issue(&mut serial, &root_key, &root, holder.public_key(), &subject).expect("a certificate")
}

pub fn device() -> Certificate {
    certificate("acme.press-7", Role::Device, DEVICE)
}

pub fn reader() -> Certificate {
    certificate("beta.reader", Role::User, READER)
}

pub fn gateway() -> Certificate {
    certificate("acme.gateway", Role::Gateway, GATEWAY)
}

pub fn operator() -> Certificate {
    certificate("acme.operator", Role::Operator, OPERATOR)
}

pub fn id(certificate: &Certificate) -> CertId {
    CertId(certificate.id())
}

/// The validators' keys, in the order of the organisations.
pub fn validators() -> Vec<SecretKey> {
    (0x21..0x25).map(key).collect()
}

/// Four organisations; acme's operator and gateway are registered from the start.
pub fn genesis() -> Genesis {
    let orgs = ORGS.iter().zip(validators()).map(|(org, validator)| {
        let staff = match *org {
            "acme" => vec![operator(), gateway()],
            _ => vec![],
        };
        OrgGenesis {
            org: org.parse().expect("an organisation"),
            root_cert_der: root(org).1.der().into(),
            validator: validator.public_key().clone(),
            certificates: staff.iter().map(|c| Blob::from(c.der())).collect(),
        }
    });
    Genesis {
        version: GENESIS_VERSION,
        name: "vectors".to_owned(),
        created_ms: NOW_MS,
        block_interval_ms: 100,
        orgs: orgs.collect(),
    }
}
