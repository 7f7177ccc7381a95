//! A small consortium to test with: two organisations, one client of each role in each.
//!
//! Keys and certificates come from fixed seeds. Transactions carry no real signature: execution doesn't
//! ask for one (admission does).

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sealwire_contracts::{Block, Code, Outcome, View, Writes, execute_block};
use sealwire_envelope::*;
use sealwire_sm::cert::{Certificate, Role, Subject, issue, issue_root};
use sealwire_sm::{SecretKey, Signature, sm3};

/// Unix second of the first block.
pub const START_S: u64 = 1_760_000_000;
/// Validity of ordinary certificates, Unix seconds.
pub const VALID_S: (u64, u64) = (START_S - 1_000, START_S + 1_000_000);
/// Both organisations.
pub const ORGS: [&str; 2] = ["acme", "beta"];

pub struct World {
    pub genesis: Genesis,
    pub view: View,
    pub state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub certificates: BTreeMap<String, Certificate>,
    /// Every block executed, and what it wrote.
    pub blocks: Vec<(Block, Vec<Transaction>, Writes)>,
    roots: BTreeMap<String, (SecretKey, Certificate)>,
    rng: StdRng,
    nonce: u64,
    /// Seconds that the next block's time is ahead of its height.
    pub skip_s: u64,
}

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

pub fn client(name: &str) -> ClientId {
    name.parse().unwrap()
}

pub fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

/// A plausible sealed key.
pub fn sealed(fill: u8) -> Blob {
    Blob(vec![fill; 113])
}

impl World {
    /// After genesis, and with a device and a user registered in each organisation.
    pub fn new() -> Self {
        let mut world = Self::founded();
        for org in ORGS {
            for (name, role) in [("dev", Role::Device), ("user", Role::User)] {
                let outcome = world.enrol(&format!("{org}.{name}"), role, VALID_S);
                assert_eq!(outcome.code, Code::Applied, "{outcome}");
            }
        }
        world
    }

    /// After genesis: operators, gateways and validators.
    pub fn founded() -> Self {
        let mut rng = StdRng::seed_from_u64(7);
        let mut roots = BTreeMap::new();
        let mut certificates = BTreeMap::new();
        let mut orgs = Vec::new();
        for (seed, org) in (1..).zip(ORGS) {
            let root_key = key(seed);
            let subject = Subject {
                organisation: org,
                role: Role::Root,
                name: &format!("{org} root"),
                not_before_s: VALID_S.0,
                not_after_s: VALID_S.1,
            };
            let root = issue_root(&mut rng, &root_key, &subject).unwrap();
            roots.insert(org.to_owned(), (root_key, root.clone()));
            let mut ders = Vec::new();
            let founders = [
                ("op", Role::Operator),
                ("op2", Role::Operator),
                ("gw", Role::Gateway),
                ("val", Role::Validator),
            ];
            for (name, role) in founders {
                let name = format!("{org}.{name}");
                let certificate = certify(&mut rng, &roots[org], &name, role, VALID_S);
                ders.push(certificate.der().into());
                certificates.insert(name, certificate);
            }
            orgs.push(OrgGenesis {
                org: org.parse().unwrap(),
                root_cert_der: root.der().into(),
                validator: key(100 + seed).public_key().clone(),
                certificates: ders,
            });
        }
        let genesis = Genesis {
            version: 1,
            name: "test".into(),
            created_ms: START_S * 1000,
            block_interval_ms: 20,
            orgs,
        };
        let mut world = Self {
            genesis,
            view: View::new(),
            state: BTreeMap::new(),
            certificates,
            blocks: Vec::new(),
            roots,
            rng,
            nonce: 0,
            skip_s: 0,
        };
        world.block(Vec::new());
        world
    }

    /// The block that comes next.
    pub fn next(&self) -> Block {
        let height = self.view.height() + 1;
        let time_ms = (START_S + height + self.skip_s) * 1000;
        Block {
            chain: self.genesis.chain_id(),
            height,
            time_ms,
        }
    }

    /// Time of the next block, Unix seconds.
    pub fn now_s(&self) -> u64 {
        self.next().time_s()
    }

    /// A certificate of the client's organisation, not registered.
    pub fn certify(&mut self, name: &str, role: Role, valid_s: (u64, u64)) -> Certificate {
        let org = name.split('.').next().unwrap();
        certify(&mut self.rng, &self.roots[org], name, role, valid_s)
    }

    /// Issues and registers; the certificate becomes the one that `name` sends with.
    pub fn enrol(&mut self, name: &str, role: Role, valid_s: (u64, u64)) -> Outcome {
        let certificate = self.certify(name, role, valid_s);
        let operator = format!("{}.op", client(name).org());
        let outcome = self.run(&operator, register(certificate.der()));
        if outcome.code.is_applied() {
            self.certificates.insert(name.to_owned(), certificate);
        }
        outcome
    }

    pub fn id_of(&self, name: &str) -> CertId {
        CertId(self.certificates[name].id())
    }

    /// A transaction that is in order but for its call.
    pub fn tx(&mut self, sender: &str, call: Call) -> Transaction {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        let body = TxBody {
            chain: self.genesis.chain_id(),
            sender: self.id_of(sender),
            expiry_height: self.view.height() + 100,
            nonce,
            call,
        };
        Transaction {
            body,
            signature: Signature([0; 64]),
        }
    }

    /// Executes a block and applies it.
    pub fn block(&mut self, transactions: Vec<Transaction>) -> Vec<Outcome> {
        let block = self.next();
        let done = execute_block(&self.genesis, &block, &transactions, &self.state).unwrap();
        for (key, value) in done.writes.clone() {
            match value {
                Some(value) => drop(self.state.insert(key, value)),
                None => drop(self.state.remove(&key)),
            }
        }
        self.view
            .apply(block.height, block.time_ms, &done.writes)
            .unwrap();
        self.blocks.push((block, transactions, done.writes));
        done.outcomes
    }

    /// Executes one call in a block of its own.
    pub fn run(&mut self, sender: &str, call: Call) -> Outcome {
        let tx = self.tx(sender, call);
        self.block(vec![tx]).remove(0)
    }

    /// As [`World::run`], and insists that it is applied.
    pub fn must(&mut self, sender: &str, call: Call) {
        let outcome = self.run(sender, call);
        assert_eq!(outcome.code, Code::Applied, "{outcome}");
    }
}

fn certify(
    rng: &mut StdRng,
    (root_key, root): &(SecretKey, Certificate),
    name: &str,
    role: Role,
    valid_s: (u64, u64),
) -> Certificate {
    let seed = sm3(&[name.as_bytes()]).0[0] | 1;
    let subject = Subject {
        organisation: &root.organisation,
        role,
        name,
        not_before_s: valid_s.0,
        not_after_s: valid_s.1,
    };
    issue(rng, root_key, root, key(seed).public_key(), &subject).unwrap()
}

pub fn register(der: &[u8]) -> Call {
    Call::RegisterCertificate(RegisterCertificate {
        der: der.into(),
        enrolment: None,
    })
}

pub fn revoke_certificate(certificate: CertId) -> Call {
    Call::RevokeCertificate(RevokeCertificate {
        certificate,
        reason: "lost".into(),
    })
}

pub fn claim(name: &str) -> RegisterTopic {
    RegisterTopic {
        topic: topic(name),
        mode: TopicMode::Sealed,
        sealed_key: Some(sealed(1)),
    }
}

pub fn claim_open(name: &str) -> RegisterTopic {
    RegisterTopic {
        topic: topic(name),
        mode: TopicMode::Open,
        sealed_key: None,
    }
}

/// All rights for ever, at epoch 0.
pub fn grant(name: &str, grantee: &str) -> GrantTopic {
    GrantTopic {
        topic: topic(name),
        grantee: client(grantee),
        rights: Rights::ALL,
        expires_s: None,
        from_s: None,
        to_s: None,
        purpose: "test".into(),
        epoch: KeyEpoch(0),
        sealed_key: Some(sealed(2)),
        note: None,
    }
}

/// Revokes and rotates to `epoch` with keys for `remaining`.
pub fn revoke(name: &str, grantee: &str, epoch: u32, remaining: &[&str]) -> RevokeGrant {
    let keys = remaining.iter().map(|name| SealedFor {
        client: client(name),
        sealed: sealed(3),
    });
    let rotation = Some(Rotation {
        epoch: KeyEpoch(epoch),
        keys: keys.collect(),
    });
    RevokeGrant {
        topic: topic(name),
        grantee: client(grantee),
        rotation,
    }
}

/// A package of ten messages of the topic's owner, ended half a minute before `now_s`.
pub fn anchor(seed: u8, name: &str, gateway: &str, now_s: u64) -> Anchor {
    Anchor {
        package: PackageId(sm3(&[&[seed]])),
        topic: topic(name),
        clients: vec![topic(name).owner().unwrap()],
        count: 10,
        from_ms: (now_s - 60) * 1000,
        to_ms: (now_s - 30) * 1000,
        root: sm3(&[b"root", &[seed]]),
        epoch: Some(KeyEpoch(0)),
        location: format!("https://{gateway}/packages/{seed}"),
        gateway: client(gateway),
    }
}

pub fn anchors(packages: Vec<Anchor>) -> Call {
    Call::Anchor(AnchorPackages { packages })
}

pub fn retrieval(seed: u8, reader: &str) -> Retrieval {
    Retrieval {
        package: PackageId(sm3(&[&[seed]])),
        reader: client(reader),
        request: sm3(&[b"request", reader.as_bytes()]),
        digest: sm3(&[b"body", &[seed]]),
        time_ms: START_S * 1000,
    }
}

pub fn retrievals(retrievals: Vec<Retrieval>) -> Call {
    Call::LogRetrieval(LogRetrieval { retrievals })
}

pub fn event(name: &str, kind: EventKind) -> ConnectionEvent {
    ConnectionEvent {
        client: client(name),
        kind,
        time_ms: START_S * 1000,
        address: "127.0.0.1".into(),
        port: 50_000,
        protocol_version: 5,
        keep_alive_s: 60,
        clean_start: true,
        properties: Vec::new(),
        topic: None,
        reason: String::new(),
        grant: None,
        height: 1,
    }
}

pub fn events(events: Vec<ConnectionEvent>) -> Call {
    Call::LogEvents(LogEvents { events })
}
