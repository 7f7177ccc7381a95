//! A consortium in memory for this crate's tests: the real contracts, the real gateway, and a
//! ledger node that answers over HTTP as the real one does, but proves nothing.
#![allow(dead_code, reason = "each of two programs uses a part of it")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path as UrlPath, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use sealwire_client::{
    Identity, Keyring, Ledger, Owner, Trust,
    identity::Peers,
    mqtt::{self, LoginError, Options, Session},
};
use sealwire_contracts::{Read as _, View, Writes, authenticate, execute_block};
use sealwire_envelope::{
    Blob, Call, ChainId, ClientId, Finality, Genesis, Header, OrgGenesis, RegisterCertificate,
    Transaction, TxBody, TxId, encode,
    proof::{Exclusion, OperationProof, StateProof},
    receipt::{FinalityProof, ProvenEntry, RECEIPT_VERSION},
};
use sealwire_gateway::{Config, Gateway, Keys, Outcome, Running, SubmitError};
use sealwire_sm::{
    Certificate, Role, SecretKey, Sm3Digest,
    cert::{self, Subject},
};
use tokio::sync::watch;

/// How long a test waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
}

/// Fails instead of waiting for ever.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("not within the test's patience")
}

/// How long certificates live from now on, in seconds, unless a test says otherwise.
const LIFE_S: u64 = 1_000_000;

pub struct Org {
    pub root_key: SecretKey,
    pub root: Certificate,
    pub operator: (SecretKey, Certificate),
    pub gateway: (SecretKey, Certificate),
    name: &'static str,
}

impl Org {
    pub fn new(name: &'static str) -> Self {
        let mut rng = rand::rng();
        let root_key = SecretKey::generate(&mut rng);
        let common_name = format!("{name} root");
        let root = cert::issue_root(
            &mut rng,
            &root_key,
            &subject(name, Role::Root, &common_name, LIFE_S),
        )
        .unwrap();
        let operator = issue(&root_key, &root, name, "operator", Role::Operator, LIFE_S);
        let gateway = issue(&root_key, &root, name, "gateway", Role::Gateway, LIFE_S);
        Self {
            root_key,
            root,
            operator,
            gateway,
            name,
        }
    }

    pub fn issue(&self, name: &str, role: Role) -> (SecretKey, Certificate) {
        self.issue_for(name, role, LIFE_S)
    }

    /// With so many seconds of life left.
    pub fn issue_for(&self, name: &str, role: Role, left_s: u64) -> (SecretKey, Certificate) {
        issue(&self.root_key, &self.root, self.name, name, role, left_s)
    }
}

fn subject<'a>(organisation: &'a str, role: Role, name: &'a str, left_s: u64) -> Subject<'a> {
    let now_s = now_ms() / 1000;
    Subject {
        organisation,
        role,
        name,
        not_before_s: now_s - 1_000,
        not_after_s: now_s + left_s,
    }
}

fn issue(
    root_key: &SecretKey,
    root: &Certificate,
    org: &str,
    name: &str,
    role: Role,
    left_s: u64,
) -> (SecretKey, Certificate) {
    let mut rng = rand::rng();
    let key = SecretKey::generate(&mut rng);
    let client = format!("{org}.{name}");
    let subject = subject(org, role, &client, left_s);
    let certificate = cert::issue(&mut rng, root_key, root, key.public_key(), &subject).unwrap();
    (key, certificate)
}

/// The contracts in memory; each transaction is a block.
pub struct Chain {
    pub genesis: Arc<Genesis>,
    view: RwLock<View>,
    height: watch::Sender<u64>,
    /// Answer so many submissions with 'busy'.
    pub busy: AtomicUsize,
    /// Take so many submissions and answer as if they had failed.
    pub lose_answers: AtomicUsize,
    /// Take transactions and never put them into a block.
    pub black_hole: AtomicBool,
    pub submissions: AtomicUsize,
    /// The node leaves out so many packages of each list.
    pub keeps_back: AtomicUsize,
}

impl Chain {
    fn new(orgs: &[&Org]) -> Arc<Self> {
        let orgs = orgs.iter().map(|org| OrgGenesis {
            org: org.name.parse().unwrap(),
            root_cert_der: org.root.der().into(),
            validator: SecretKey::generate(&mut rand::rng()).public_key().clone(),
            certificates: vec![org.operator.1.der().into(), org.gateway.1.der().into()],
        });
        let genesis = Genesis {
            version: 1,
            name: "test".into(),
            created_ms: now_ms() - 1_000,
            block_interval_ms: 0,
            orgs: orgs.collect(),
        };
        let chain = Arc::new(Self {
            genesis: Arc::new(genesis),
            view: RwLock::default(),
            height: watch::channel(0).0,
            busy: AtomicUsize::new(0),
            lose_answers: AtomicUsize::new(0),
            black_hole: AtomicBool::new(false),
            submissions: AtomicUsize::new(0),
            keeps_back: AtomicUsize::new(0),
        });
        chain.block(&[]);
        chain
    }

    pub fn block(&self, transactions: &[Transaction]) {
        let height = {
            let mut view = self.view.write().unwrap();
            let block = view.next_block(self.genesis.chain_id(), now_ms());
            let executed = execute_block(&self.genesis, &block, transactions, &*view).unwrap();
            view.apply(block.height, block.time_ms, &executed.writes)
                .unwrap();
            block.height
        };
        self.height.send_replace(height);
    }

    /// Puts a copy of an entry under another key, as no contract would.
    pub fn misfile(&self, from: &[u8], to: Vec<u8>) {
        let mut view = self.view.write().unwrap();
        let mut writes = Writes::new();
        writes.put(to, view.entry(from).unwrap().to_vec());
        let (height, time_ms) = (view.height() + 1, view.time_ms());
        view.apply(height, time_ms, &writes).unwrap();
    }

    /// A transaction comes in.
    fn take(&self, transaction: &Transaction) -> Result<(), SubmitError> {
        let id = transaction.id();
        if self.black_hole.load(Ordering::SeqCst) || self.has(&id) {
            return Ok(());
        }
        {
            let view = self.view.read().unwrap();
            let block = view.next_block(self.genesis.chain_id(), now_ms());
            let refused = |e: &dyn std::fmt::Display| SubmitError::Refused(e.to_string());
            let (_, key) = authenticate(&*view, transaction, &block).map_err(|e| refused(&e))?;
            transaction.verify(&key).map_err(|e| refused(&e))?;
        }
        self.block(std::slice::from_ref(transaction));
        Ok(())
    }

    fn has(&self, id: &TxId) -> bool {
        self.view.read().unwrap().outcome(id).value.is_some()
    }

    /// Signs, hands in, and expects it to be applied.
    pub fn call(&self, key: &SecretKey, certificate: &Certificate, call: Call) {
        let body = TxBody {
            chain: self.genesis.chain_id(),
            sender: sealwire_envelope::CertId(certificate.id()),
            expiry_height: *self.height.borrow() + 100,
            nonce: rand::random(),
            call,
        };
        let transaction = Transaction::sign(body, key);
        self.take(&transaction).unwrap();
        let outcome = self
            .view
            .read()
            .unwrap()
            .outcome(&transaction.id())
            .value
            .unwrap();
        assert!(
            outcome.code.is_applied(),
            "{} {}",
            outcome.code,
            outcome.detail
        );
    }
}

#[async_trait]
impl sealwire_gateway::Ledger for Chain {
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
        now_ms()
    }

    async fn submit(&self, transaction: &Transaction) -> Result<TxId, SubmitError> {
        self.take(transaction).map(|()| transaction.id())
    }

    async fn outcome(&self, id: TxId) -> Option<Outcome> {
        let entry = self.view.read().unwrap().outcome(&id).value?;
        let refused = (!entry.code.is_applied()).then(|| entry.code.to_string());
        Some(Outcome {
            height: entry.at.height,
            refused,
        })
    }
}

// ---- the node over HTTP -----------------------------------------------------------------------

fn problem(status: StatusCode, kind: &str, detail: &str) -> Response {
    let body = serde_json::json!({
        "type": format!("urn:sealwire:problem:{kind}"),
        "title": kind,
        "status": status.as_u16(),
        "detail": detail,
    });
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body.to_string(),
    )
        .into_response()
}

fn count_down(counter: &AtomicUsize) -> bool {
    counter
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

async fn submit(State(chain): State<Arc<Chain>>, body: Bytes) -> Response {
    chain.submissions.fetch_add(1, Ordering::SeqCst);
    if count_down(&chain.busy) {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "the mempool is full",
        );
    }
    let transaction = Transaction::from_bytes(&body).unwrap();
    if chain.has(&transaction.id()) {
        return problem(StatusCode::CONFLICT, "duplicate", "it is in a block");
    }
    match chain.take(&transaction) {
        _ if count_down(&chain.lose_answers) => {
            problem(StatusCode::BAD_GATEWAY, "lost", "the answer got lost")
        }
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(error) => problem(StatusCode::FORBIDDEN, "refused", &error.to_string()),
    }
}

async fn state(State(chain): State<Arc<Chain>>, UrlPath(key): UrlPath<String>) -> Response {
    let key = hex::decode(key).unwrap();
    let view = chain.view.read().unwrap();
    let none = Sm3Digest::ZERO;
    let operation = OperationProof {
        location: 0,
        leaves: 1,
        inactive_peaks: 0,
        chunk: [0; 32],
        partial_chunk: None,
        ops_root: none,
        digests: vec![],
    };
    let header = Header {
        version: 1,
        chain: chain.genesis.chain_id(),
        height: view.height(),
        epoch: 0,
        view: 1,
        parent_view: 0,
        parent: none,
        time_ms: 1,
        proposer: chain.genesis.orgs[0].validator.clone(),
        transactions: none,
        state_root: none,
        ops_root: none,
        ops_start: 0,
        ops_end: 1,
        validators: chain.genesis.validators_digest(),
    };
    let finality = Finality {
        epoch: 0,
        view: 1,
        parent_view: 0,
        payload: header.digest(),
        signers: Blob(vec![0]),
        signatures: vec![],
    };
    let entry = ProvenEntry {
        version: RECEIPT_VERSION,
        value: view.get(&key).unwrap(),
        key,
        proof: StateProof::Exclusion(Exclusion::Empty {
            operation,
            metadata: None,
        }),
        finality: FinalityProof {
            headers: vec![header],
            finality,
        },
    };
    ([(header::CONTENT_TYPE, "application/cbor")], encode(&entry)).into_response()
}

#[derive(serde::Deserialize)]
struct OfTopic {
    topic: String,
    from_ms: u64,
    to_ms: u64,
}

/// The anchored packages of a topic, but for those that the node keeps back.
async fn packages(
    State(chain): State<Arc<Chain>>,
    Query(query): Query<OfTopic>,
) -> Json<serde_json::Value> {
    let topic = query.topic.parse().unwrap();
    let view = chain.view.read().unwrap();
    let page = sealwire_contracts::Page::default();
    let found = view.packages_of(&topic, query.from_ms, query.to_ms, &page);
    let mut found = found.value;
    let kept_back = chain.keeps_back.load(Ordering::SeqCst);
    found.truncate(found.len().saturating_sub(kept_back));
    Json(serde_json::json!({ "value": found, "next": null }))
}

async fn status(State(chain): State<Arc<Chain>>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "height": *chain.height.borrow() }))
}

async fn transaction(State(chain): State<Arc<Chain>>, UrlPath(id): UrlPath<TxId>) -> Response {
    if chain.has(&id) {
        return Json(serde_json::json!({ "id": id })).into_response();
    }
    problem(
        StatusCode::NOT_FOUND,
        "unknown-transaction",
        "nobody knows it",
    )
}

async fn serve(chain: Arc<Chain>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/v1/transactions", post(submit))
        .route("/v1/transactions/{id}", get(transaction))
        .route("/v1/state/{key}", get(state))
        .route("/v1/packages", get(packages))
        .route("/v1/status", get(status))
        .with_state(chain);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

// ---- all of it --------------------------------------------------------------------------------

pub struct World {
    pub one: Org,
    pub two: Org,
    pub chain: Arc<Chain>,
    pub nodes: Vec<String>,
    pub home: tempfile::TempDir,
}

/// A registered client with everything that the SDK has for it.
pub struct Client {
    pub identity: Identity,
    pub keyring: Arc<Keyring>,
    pub trust: Arc<Trust>,
    pub owner: Owner,
}

impl World {
    pub async fn new() -> Self {
        let (one, two) = (Org::new("acme"), Org::new("bolt"));
        let chain = Chain::new(&[&one, &two]);
        let nodes = vec![format!("http://{}", serve(chain.clone()).await)];
        Self {
            one,
            two,
            chain,
            nodes,
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub async fn gateway(&self, mqtt: Option<SocketAddr>) -> Running {
        let mut config = Config::new(self.path("gateway"));
        std::fs::create_dir_all(&config.home).unwrap();
        if let Some(address) = mqtt {
            config.mqtt = address;
        }
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        config.tls = Some(sealwire_gateway::channel::Config {
            mqtts: loopback,
            https: loopback,
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            roots: vec![self.one.root.clone(), self.two.root.clone()],
        });
        let (secret, certificate) = self.one.gateway.clone();
        Gateway::start(
            config,
            self.chain.clone(),
            Keys {
                secret,
                certificate,
            },
        )
        .await
        .unwrap()
    }

    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::new(Ledger::new(&self.nodes, None).unwrap())
    }

    /// A client that the ledger knows.
    pub fn client(&self, org: &Org, name: &str, role: Role) -> Client {
        let (key, certificate) = org.issue(name, role);
        self.registered(org, key, certificate, name)
    }

    /// A client whose certificate is on the ledger.
    pub fn registered(
        &self,
        org: &Org,
        key: SecretKey,
        certificate: Certificate,
        name: &str,
    ) -> Client {
        let der = Blob(certificate.der().to_vec());
        let call = Call::RegisterCertificate(RegisterCertificate {
            der,
            enrolment: None,
        });
        self.chain.call(&org.operator.0, &org.operator.1, call);
        self.stranger(key, certificate, name)
    }

    /// A client that the ledger doesn't know.
    pub fn stranger(&self, key: SecretKey, certificate: Certificate, name: &str) -> Client {
        let home = self.path(name);
        let genesis = self.chain.genesis.clone();
        let identity =
            Identity::create(&home, key, certificate, genesis, Peers::default(), None).unwrap();
        self.client_of(identity)
    }

    pub fn load(&self, name: &str) -> Client {
        self.client_of(Identity::load(Path::new(&self.path(name)), None).unwrap())
    }

    fn client_of(&self, identity: Identity) -> Client {
        let ledger = self.ledger();
        let keyring = Arc::new(Keyring::new(identity.clone(), ledger.clone()));
        let trust = Arc::new(Trust::new(&self.chain.genesis, Some(ledger)).unwrap());
        let owner = Owner::new(keyring.clone());
        Client {
            identity,
            keyring,
            trust,
            owner,
        }
    }

    pub fn gateway_id(&self) -> ClientId {
        "acme.gateway".parse().unwrap()
    }
}

impl Client {
    pub fn id(&self) -> &ClientId {
        self.identity.client()
    }

    pub async fn connect_with(&self, options: Options) -> Result<Session, LoginError> {
        soon(mqtt::connect(
            &self.identity,
            self.keyring.clone(),
            self.trust.clone(),
            options,
        ))
        .await
    }

    pub async fn connect(&self, gateway: &Running) -> Session {
        self.connect_with(Options::new(gateway.mqtt_addr.to_string()))
            .await
            .unwrap()
    }
}
