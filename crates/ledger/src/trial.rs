//! A throwaway consortium, made from a seed: for tests and benchmarks, never for a real ledger.
//!
//! Its keys follow from the seed, so anyone can have them.

use rand::{SeedableRng as _, rngs::StdRng};
use sealwire_envelope::{
    Call, CertId, ChainId, ClientId, ConnectionEvent, EventKind, Genesis, LogEvents, OrgGenesis,
    OrgId, Transaction, TxBody, genesis::GENESIS_VERSION, transaction::NONCE_LEN,
};
use sealwire_sm::{
    Role, SecretKey,
    cert::{CertificateError, Subject, issue, issue_root},
    sm3,
};

use crate::crypto::PrivateKey;

/// Last second of the certificates' validity: the year 2100.
const NOT_AFTER_S: u64 = 4_102_444_800;

/// A consortium with all of its secrets.
pub struct Trial {
    /// What the organisations agree on.
    pub genesis: Genesis,
    /// The validators' keys, in the order of the organisations.
    pub validators: Vec<PrivateKey>,
    /// One gateway per organisation: who sends the transactions.
    pub gateways: Vec<Client>,
    /// One operator per organisation.
    pub operators: Vec<Client>,
}

/// A client with its secrets.
#[derive(Clone)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Its certificate.
    pub certificate: CertId,
    /// Its key.
    pub key: SecretKey,
}

fn subject<'a>(organisation: &'a str, role: Role, name: &'a str) -> Subject<'a> {
    Subject {
        organisation,
        role,
        name,
        not_before_s: 0,
        not_after_s: NOT_AFTER_S,
    }
}

impl Trial {
    /// A consortium of `organisations` whose ledger begins at `created_ms`.
    ///
    /// # Errors
    /// Only if certificates can't be made, which would be a bug.
    pub fn new(seed: u64, organisations: usize, created_ms: u64) -> Result<Self, CertificateError> {
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut orgs, mut validators) = (Vec::new(), Vec::new());
        let (mut gateways, mut operators) = (Vec::new(), Vec::new());
        for number in 0..organisations {
            let name = format!("org{number:02}");
            let root_key = SecretKey::generate(&mut rng);
            let root_name = format!("{name} root");
            let root = issue_root(&mut rng, &root_key, &subject(&name, Role::Root, &root_name))?;
            let mut certificates = Vec::new();
            for (role, client) in [(Role::Operator, "operator"), (Role::Gateway, "gateway")] {
                let key = SecretKey::generate(&mut rng);
                let client = format!("{name}.{client}");
                let certificate = issue(
                    &mut rng,
                    &root_key,
                    &root,
                    key.public_key(),
                    &subject(&name, role, &client),
                )?;
                certificates.push(certificate.der().into());
                let client = Client {
                    id: client.parse().expect("a well-formed client id"),
                    certificate: CertId(certificate.id()),
                    key,
                };
                match role {
                    Role::Gateway => gateways.push(client),
                    _ => operators.push(client),
                }
            }
            let validator = SecretKey::generate(&mut rng);
            orgs.push(OrgGenesis {
                org: name.parse::<OrgId>().expect("a well-formed organisation"),
                root_cert_der: root.der().into(),
                validator: validator.public_key().clone(),
                certificates,
            });
            validators.push(validator.into());
        }
        let genesis = Genesis {
            version: GENESIS_VERSION,
            name: format!("trial {seed}"),
            created_ms,
            block_interval_ms: 100,
            orgs,
        };
        Ok(Self {
            genesis,
            validators,
            gateways,
            operators,
        })
    }

    /// A transaction of the gateway `number` (modulo their number), made unique by `nonce`.
    pub fn transaction(&self, number: usize, nonce: u64, expiry_height: u64) -> Transaction {
        let gateway = &self.gateways[number % self.gateways.len()];
        gateway.log_one_event(self.genesis.chain_id(), nonce, expiry_height)
    }
}

impl Client {
    /// A transaction of this gateway that logs one event, made unique by `nonce`.
    pub fn log_one_event(&self, chain: ChainId, nonce: u64, expiry_height: u64) -> Transaction {
        let event = ConnectionEvent {
            client: self.id.clone(),
            kind: EventKind::Connected,
            time_ms: nonce,
            address: "192.0.2.1".to_owned(),
            port: 1883,
            protocol_version: 5,
            keep_alive_s: 60,
            clean_start: true,
            properties: Vec::new(),
            topic: None,
            reason: String::new(),
            grant: None,
            height: 0,
        };
        let events = vec![event];
        let call = Call::LogEvents(LogEvents { events });
        self.call(chain, nonce, expiry_height, call)
    }

    /// A transaction of this client, made unique by `nonce`.
    pub fn call(&self, chain: ChainId, nonce: u64, expiry_height: u64, call: Call) -> Transaction {
        let mut nonce_bytes = [0; NONCE_LEN];
        nonce_bytes.copy_from_slice(&sm3(&[&nonce.to_be_bytes()]).0[..NONCE_LEN]);
        let body = TxBody {
            chain,
            sender: self.certificate,
            expiry_height,
            nonce: nonce_bytes,
            call,
        };
        Transaction::sign(body, &self.key)
    }
}
