//! A consortium in memory: real contracts, no consensus. Each submitted transaction is a block.
#![allow(dead_code, reason = "each of two programs uses a part of it")]

pub mod calls;
pub mod compute;
pub mod scene;
pub mod wire;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use sealwire_contracts::{View, authenticate, execute_block};
use sealwire_envelope::{
    Blob, Call, CertId, ChainId, ClientId, Genesis, GrantTopic, KeyEpoch, OrgGenesis,
    RegisterCertificate, RegisterTopic, RenewCertificate, RevokeCertificate, RevokeGrant, Rights,
    Rotation, SealedFor, TopicMode, TopicName, Transaction, TxBody, TxId,
    login::{LOGIN_VERSION, RequestBody, SignedRequest, Token, TokenBody},
    message::{self, CONTENT_TYPE_DEFAULT, MessageHeader},
};
use sealwire_gateway::{Config, Gateway, Keys, Ledger, Outcome, Running, SubmitError};
use sealwire_sm::{
    Certificate, SecretKey,
    cert::{Role, Subject, issue, issue_root},
    sm3, sm4,
};
use tokio::sync::watch;

/// How long a test waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
}

pub fn now_s() -> u64 {
    now_ms() / 1000
}

/// Somebody with a key and a certificate.
#[derive(Clone)]
pub struct Person {
    pub client: ClientId,
    pub key: SecretKey,
    pub certificate: Certificate,
}

impl Person {
    pub fn id(&self) -> CertId {
        CertId(self.certificate.id())
    }

    pub fn topic(&self, last: &str) -> TopicName {
        format!("{}{last}", self.client.topic_prefix())
            .parse()
            .unwrap()
    }
}

pub struct Org {
    pub root_key: SecretKey,
    pub root: Certificate,
    pub operator: Person,
    pub gateway: Person,
    pub name: String,
}

impl Org {
    fn new(name: &str) -> Self {
        let mut rng = rand::rng();
        let root_key = SecretKey::generate(&mut rng);
        let subject = Subject {
            organisation: name,
            role: Role::Root,
            name: &format!("{name} root"),
            not_before_s: now_s() - 1000,
            not_after_s: now_s() + 1_000_000,
        };
        let root = issue_root(&mut rng, &root_key, &subject).unwrap();
        let operator = person(
            &root_key,
            &root,
            name,
            "operator",
            Role::Operator,
            1_000_000,
        );
        let gateway = person(&root_key, &root, name, "gateway", Role::Gateway, 1_000_000);
        Self {
            root_key,
            root,
            operator,
            gateway,
            name: name.into(),
        }
    }

    pub fn issue(&self, name: &str, role: Role, life_s: u64) -> Person {
        person(&self.root_key, &self.root, &self.name, name, role, life_s)
    }
}

fn person(
    root_key: &SecretKey,
    root: &Certificate,
    org: &str,
    name: &str,
    role: Role,
    life_s: u64,
) -> Person {
    let mut rng = rand::rng();
    let key = SecretKey::generate(&mut rng);
    let client: ClientId = format!("{org}.{name}").parse().unwrap();
    let subject = Subject {
        organisation: org,
        role,
        name: client.as_str(),
        not_before_s: now_s() - 1000,
        not_after_s: now_s() + life_s,
    };
    let certificate = issue(&mut rng, root_key, root, key.public_key(), &subject).unwrap();
    Person {
        client,
        key,
        certificate,
    }
}

/// The contracts in memory.
pub struct TestLedger {
    genesis: Genesis,
    view: RwLock<View>,
    height: watch::Sender<u64>,
    away: AtomicBool,
    /// Takes transactions and never puts them into a block.
    pub black_hole: AtomicBool,
    verified_at_ms: AtomicU64,
    submitted: Mutex<Vec<TxId>>,
    pub blocks: Mutex<Vec<Transaction>>,
}

impl TestLedger {
    fn new(orgs: &[&Org]) -> Arc<Self> {
        let orgs = orgs
            .iter()
            .map(|org| OrgGenesis {
                org: org.name.parse().unwrap(),
                root_cert_der: org.root.der().into(),
                validator: SecretKey::generate(&mut rand::rng()).public_key().clone(),
                certificates: vec![
                    org.operator.certificate.der().into(),
                    org.gateway.certificate.der().into(),
                ],
            })
            .collect();
        let genesis = Genesis {
            version: 1,
            name: "test".into(),
            created_ms: now_ms() - 1000,
            block_interval_ms: 0,
            orgs,
        };
        let ledger = Arc::new(Self {
            genesis,
            view: RwLock::default(),
            height: watch::channel(0).0,
            away: AtomicBool::new(false),
            black_hole: AtomicBool::new(false),
            verified_at_ms: AtomicU64::new(0),
            submitted: Mutex::default(),
            blocks: Mutex::default(),
        });
        ledger.block(&[]);
        ledger
    }

    /// One more block.
    pub fn block(&self, transactions: &[Transaction]) {
        let height = {
            let mut view = self.view.write().unwrap();
            let block = view.next_block(self.genesis.chain_id(), now_ms());
            let executed = execute_block(&self.genesis, &block, transactions, &*view).unwrap();
            view.apply(block.height, block.time_ms, &executed.writes)
                .unwrap();
            block.height
        };
        self.blocks
            .lock()
            .unwrap()
            .extend(transactions.iter().cloned());
        self.height.send_replace(height);
    }

    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// The state counts as verified that long ago.
    pub fn set_stale(&self, at_ms: u64) {
        self.verified_at_ms.store(at_ms, Ordering::SeqCst);
    }

    /// Ids handed in, in order, repeats included.
    pub fn submitted(&self) -> Vec<TxId> {
        self.submitted.lock().unwrap().clone()
    }

    /// Signs, submits, and expects it to be applied.
    pub fn call(&self, person: &Person, call: Call) {
        let transaction = self.sign(person, call);
        let id = transaction.id();
        self.admit(&transaction).unwrap();
        self.block(&[transaction]);
        let outcome = self.view.read().unwrap().outcome(&id).value.unwrap();
        assert!(
            outcome.code.is_applied(),
            "{} {}",
            outcome.code,
            outcome.detail
        );
    }

    fn sign(&self, person: &Person, call: Call) -> Transaction {
        let body = TxBody {
            chain: self.genesis.chain_id(),
            sender: person.id(),
            expiry_height: self.view.read().unwrap().height() + 100,
            nonce: rand::random(),
            call,
        };
        Transaction::sign(body, &person.key)
    }

    fn admit(&self, transaction: &Transaction) -> Result<(), SubmitError> {
        let view = self.view.read().unwrap();
        let block = view.next_block(self.genesis.chain_id(), now_ms());
        let refused = |e: &dyn std::fmt::Display| SubmitError::Refused(e.to_string());
        let (_, key) = authenticate(&*view, transaction, &block).map_err(|e| refused(&e))?;
        transaction.verify(&key).map_err(|e| refused(&e))
    }
}

#[async_trait]
impl Ledger for TestLedger {
    fn chain(&self) -> ChainId {
        self.genesis.chain_id()
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap()
    }

    fn height(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    fn verified_at_ms(&self) -> u64 {
        match self.verified_at_ms.load(Ordering::SeqCst) {
            0 => now_ms(),
            at => at,
        }
    }

    async fn submit(&self, transaction: &Transaction) -> Result<TxId, SubmitError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(SubmitError::Away("test".into()));
        }
        let id = transaction.id();
        self.submitted.lock().unwrap().push(id);
        if self.black_hole.load(Ordering::SeqCst) {
            return Ok(id);
        }
        if self.view.read().unwrap().outcome(&id).value.is_none() {
            self.admit(transaction)?;
            self.block(std::slice::from_ref(transaction));
        }
        Ok(id)
    }

    async fn outcome(&self, id: TxId) -> Option<Outcome> {
        let entry = self.view.read().unwrap().outcome(&id).value?;
        let refused =
            (!entry.code.is_applied()).then(|| format!("{} {}", entry.code, entry.detail));
        Some(Outcome {
            height: entry.at.height,
            refused,
        })
    }
}

/// Two organisations, a ledger, and a place for archives.
pub struct World {
    pub one: Org,
    pub two: Org,
    pub ledger: Arc<TestLedger>,
    pub home: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let (one, two) = (Org::new("acme"), Org::new("bolt"));
        let ledger = TestLedger::new(&[&one, &two]);
        Self {
            one,
            two,
            ledger,
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub fn config(&self) -> Config {
        Config::new(self.home.path())
    }

    /// A gateway of the first organisation.
    pub async fn gateway(&self) -> Running {
        self.gateway_with(self.config()).await
    }

    pub async fn gateway_with(&self, config: Config) -> Running {
        Gateway::start(config, self.ledger.clone(), self.gateway_keys())
            .await
            .unwrap()
    }

    pub fn gateway_keys(&self) -> Keys {
        Keys {
            secret: self.one.gateway.key.clone(),
            certificate: self.one.gateway.certificate.clone(),
        }
    }

    /// A device of the first organisation, registered.
    pub fn device(&self, name: &str) -> Person {
        self.enrol(&self.one, name, Role::Device)
    }

    /// A user of the second organisation, registered.
    pub fn user(&self, name: &str) -> Person {
        self.enrol(&self.two, name, Role::User)
    }

    pub fn enrol(&self, org: &Org, name: &str, role: Role) -> Person {
        self.enrol_for(org, name, role, 100_000)
    }

    pub fn enrol_for(&self, org: &Org, name: &str, role: Role, life_s: u64) -> Person {
        let person = org.issue(name, role, life_s);
        let der = Blob(person.certificate.der().to_vec());
        self.ledger.call(
            &org.operator,
            Call::RegisterCertificate(RegisterCertificate {
                der,
                enrolment: None,
            }),
        );
        person
    }

    /// A certificate for a new key of this person, who has the ledger swap them. The old one must be
    /// in the last third of its life.
    pub fn renew(&self, org: &Org, person: &Person) -> Person {
        let next = self.renewed(org, person);
        self.register_renewal(person, &next);
        next
    }

    /// The next certificate of this person, that the ledger doesn't know yet.
    pub fn renewed(&self, org: &Org, person: &Person) -> Person {
        let name = person.client.as_str().split_once('.').unwrap().1;
        org.issue(name, person.certificate.role, 200_000)
    }

    pub fn register_renewal(&self, person: &Person, next: &Person) {
        let der = Blob(next.certificate.der().to_vec());
        self.ledger
            .call(person, Call::RenewCertificate(RenewCertificate { der }));
    }

    pub fn register(&self, owner: &Person, topic: &TopicName, key: Option<&sm4::Key>) {
        let call = RegisterTopic {
            topic: topic.clone(),
            mode: if key.is_some() {
                TopicMode::Sealed
            } else {
                TopicMode::Open
            },
            sealed_key: key.map(|key| seal_to(owner, key)),
        };
        self.ledger.call(owner, Call::RegisterTopic(call));
    }

    pub fn grant(
        &self,
        owner: &Person,
        topic: &TopicName,
        grantee: &Person,
        rights: Rights,
        key: Option<&sm4::Key>,
    ) {
        let epoch = self.ledger.view().topic(topic).value.unwrap().epoch;
        let call = GrantTopic {
            topic: topic.clone(),
            grantee: grantee.client.clone(),
            rights,
            expires_s: None,
            from_s: None,
            to_s: None,
            purpose: "test".into(),
            epoch,
            sealed_key: key.map(|key| seal_to(grantee, key)),
            note: None,
        };
        self.ledger.call(owner, Call::GrantTopic(call));
    }

    /// Revokes the only grant; on a sealed topic the key goes to the owner alone.
    pub fn revoke(&self, owner: &Person, topic: &TopicName, grantee: &Person, sealed: bool) {
        let epoch = self.ledger.view().topic(topic).value.unwrap().epoch;
        let next = sm4::Key::generate(&mut rand::rng());
        let rotation = sealed.then(|| Rotation {
            epoch: KeyEpoch(epoch.0 + 1),
            keys: vec![SealedFor {
                client: owner.client.clone(),
                sealed: seal_to(owner, &next),
            }],
        });
        let call = RevokeGrant {
            topic: topic.clone(),
            grantee: grantee.client.clone(),
            rotation,
        };
        self.ledger.call(owner, Call::RevokeGrant(call));
    }

    pub fn revoke_certificate(&self, org: &Org, person: &Person) {
        let call = RevokeCertificate {
            certificate: person.id(),
            reason: "stolen".into(),
        };
        self.ledger
            .call(&org.operator, Call::RevokeCertificate(call));
    }

    pub fn token(&self, person: &Person) -> TokenBody {
        TokenBody {
            version: LOGIN_VERSION,
            chain: self.ledger.chain(),
            client: person.client.clone(),
            certificate: person.id(),
            gateway: self.one.gateway.client.clone(),
            not_before_s: now_s() - 5,
            expires_s: now_s() + 200,
            nonce: rand::random(),
        }
    }

    pub fn password(&self, person: &Person) -> String {
        Token::sign(self.token(person), &person.key).to_text()
    }

    pub fn request(&self, person: &Person, target: &str) -> RequestBody {
        RequestBody {
            version: LOGIN_VERSION,
            chain: self.ledger.chain(),
            client: person.client.clone(),
            certificate: person.id(),
            method: "GET".into(),
            target: target.into(),
            content: sm3(&[]),
            time_s: now_s(),
            nonce: rand::random(),
        }
    }

    pub fn header(&self, person: &Person, target: &str) -> String {
        SignedRequest::sign(self.request(person, target), &person.key).to_header()
    }
}

pub fn seal_to(person: &Person, key: &sm4::Key) -> Blob {
    Blob(person.key.public_key().seal(&mut rand::rng(), key.expose()))
}

/// A sealed payload as a device makes it.
pub fn sealed(
    person: &Person,
    topic: &TopicName,
    key: &sm4::Key,
    epoch: u32,
    sequence: u64,
    content: &[u8],
) -> Vec<u8> {
    let header = MessageHeader {
        epoch: KeyEpoch(epoch),
        sender: person.client.clone(),
        sequence,
    };
    message::seal(
        topic,
        &header,
        key,
        &person.key,
        CONTENT_TYPE_DEFAULT,
        content,
    )
    .unwrap()
}

/// Until `done` says so; panics with `what` after [`PATIENCE`].
pub async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let start = tokio::time::Instant::now();
    while !done().await {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Package ids that the ledger's blocks anchor, repeats included.
pub fn anchored(ledger: &TestLedger) -> Vec<sealwire_envelope::PackageId> {
    let blocks = ledger.blocks.lock().unwrap();
    let applied = blocks.iter().filter(|tx| {
        let view = ledger.view.read().unwrap();
        view.outcome(&tx.id())
            .value
            .is_some_and(|entry| entry.code.is_applied())
    });
    let mut ids = Vec::new();
    for tx in applied {
        if let Call::Anchor(call) = &tx.body.call {
            ids.extend(call.packages.iter().map(|anchor| anchor.package));
        }
    }
    ids
}

pub fn all_different<T: Ord>(items: &[T]) -> bool {
    items.iter().collect::<BTreeSet<_>>().len() == items.len()
}

pub fn exists(path: &Path) -> bool {
    path.exists()
}
