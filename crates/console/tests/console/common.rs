//! A consortium of two organisations, `acme` and `basin`: a validator each, a gateway and a console of `acme`'s.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, RwLockReadGuard},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use sealwire_client::{
    Identity, Keyring, Ledger, Trust,
    identity::{GatewayPeer, Peers},
    mqtt, operator,
};
use sealwire_console::{
    Clock as _, Enrolled, Keyholder, Limits, Part, Running, Service, SetClock, Settings,
    SystemClock,
};
use sealwire_contracts::View;
use sealwire_envelope::{
    ChainId, ClientId, Genesis, OrgGenesis, Transaction, TxId,
    login::{ConsoleSignIn, LOGIN_VERSION},
};
use sealwire_gateway::{Config, Gateway, Keys, Outcome, SubmitError};
use sealwire_ledger::{bench, chain::Chain, node};
use sealwire_sm::{
    Certificate, Role, SecretKey,
    cert::{Subject, issue_root},
};
use serde_json::{Value, json};
use tokio::sync::watch;

/// How long a test waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long certificates live from now on, in seconds.
const LIFE_S: u64 = 1_000_000;
/// Names of the organisations.
pub const ORGS: [&str; 2] = ["acme", "basin"];

/// Asks again and again until there is an answer.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    answer.unwrap_or_else(|_| panic!("not within the test's patience: {what}"))
}

fn now_s() -> u64 {
    SystemClock.now_ms() / 1_000
}

struct Org {
    root_key: SecretKey,
    root: Certificate,
    validator: SecretKey,
    operator: (SecretKey, Certificate),
    gateway: (SecretKey, Certificate),
}

impl Org {
    fn new(name: &str) -> Self {
        let root_key = SecretKey::generate(&mut rand::rng());
        let subject = Subject {
            organisation: name,
            role: Role::Root,
            name: &format!("{name} root"),
            not_before_s: now_s() - 1_000,
            not_after_s: now_s() + LIFE_S,
        };
        let root = issue_root(&mut rand::rng(), &root_key, &subject).unwrap();
        let staff = |role, last: &str| {
            let client = format!("{name}.{last}").parse().unwrap();
            issue(&root_key, &root, &client, role)
        };
        Self {
            operator: staff(Role::Operator, "operator"),
            gateway: staff(Role::Gateway, "gateway"),
            validator: SecretKey::generate(&mut rand::rng()),
            root_key,
            root,
        }
    }
}

fn issue(
    root_key: &SecretKey,
    root: &Certificate,
    client: &ClientId,
    role: Role,
) -> (SecretKey, Certificate) {
    let key = SecretKey::generate(&mut rand::rng());
    let (from_s, to_s) = (now_s() - 1_000, now_s() + LIFE_S);
    let certificate = operator::issue(root_key, root, key.public_key(), client, role, from_s, to_s);
    (key, certificate.unwrap())
}

/// The gateway's ledger: a node of this process.
struct Followed(ChainId, Arc<dyn Chain>);

#[async_trait]
impl sealwire_gateway::Ledger for Followed {
    fn chain(&self) -> ChainId {
        self.0
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.1.mirror().view()
    }

    fn height(&self) -> watch::Receiver<u64> {
        self.1.mirror().height()
    }

    fn verified_at_ms(&self) -> u64 {
        self.view().time_ms()
    }

    async fn submit(&self, transaction: &Transaction) -> Result<TxId, SubmitError> {
        use sealwire_ledger::mempool::SubmitError as Why;
        match self.1.submit(&transaction.to_bytes()).await {
            Ok(id) | Err(Why::Pending(id) | Why::Final(id)) => Ok(id),
            Err(Why::Busy(_)) => Err(SubmitError::Busy),
            Err(error) => Err(SubmitError::Refused(error.to_string())),
        }
    }

    async fn outcome(&self, id: TxId) -> Option<Outcome> {
        let entry = self.view().outcome(&id).value?;
        Some(Outcome {
            height: entry.at.height,
            refused: (!entry.code.is_applied()).then(|| entry.code.to_string()),
        })
    }
}

/// The keys of a directory: one for each client, beside the organisation's root.
pub struct TestKeys {
    home: PathBuf,
    root: (SecretKey, Certificate),
    genesis: Arc<Genesis>,
    peers: Peers,
}

impl TestKeys {
    fn dir(&self, client: &ClientId) -> PathBuf {
        self.home.join(client.as_str())
    }
}

#[async_trait]
impl Keyholder for TestKeys {
    fn identity(&self, client: &ClientId) -> Option<Identity> {
        Identity::load(&self.dir(client), None).ok()
    }

    fn clients(&self) -> Vec<ClientId> {
        let all = std::fs::read_dir(&self.home).unwrap().flatten();
        let names = all.filter_map(|entry| entry.file_name().into_string().ok());
        let mut clients: Vec<ClientId> = names.filter_map(|name| name.parse().ok()).collect();
        clients.sort();
        clients
    }

    async fn enrol(&self, client: &ClientId, role: Role, _days: u32) -> Result<Enrolled, String> {
        let (key, certificate) = issue(&self.root.0, &self.root.1, client, role);
        let operator = ClientId::new(&client.org(), "operator").unwrap();
        let operator = self.identity(&operator).ok_or("no operator here")?;
        let ledger = Ledger::of(&operator).map_err(|error| error.to_string())?;
        let applied = operator::register(&ledger, &operator, &certificate).await;
        let applied = applied.map_err(|error| error.to_string())?;
        let dir = self.dir(client);
        let (genesis, peers) = (self.genesis.clone(), self.peers.clone());
        let made = Identity::create(&dir, key, certificate, genesis, peers, None).unwrap();
        Ok(Enrolled {
            certificate: made.certificate_id(),
            height: applied.height,
            home: dir.display().to_string(),
        })
    }
}

/// All of it.
pub struct World {
    pub console: Running,
    pub clock: Arc<SetClock>,
    pub keys: Arc<TestKeys>,
    pub gateway: Option<sealwire_gateway::Running>,
    pub nodes: Vec<node::Running>,
    pub genesis: Arc<Genesis>,
    orgs: Vec<Org>,
    peers: Peers,
    dir: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let orgs: Vec<Org> = ORGS.iter().map(|name| Org::new(name)).collect();
        let genesis = Arc::new(genesis(&orgs));
        let nodes = launch(&genesis, &orgs, dir.path()).await;
        let gateway = gateway(&genesis, &orgs[0], &nodes[0], dir.path()).await;
        let peers = Peers {
            ledger: nodes
                .iter()
                .map(|it| format!("http://{}", it.http))
                .collect(),
            gateways: vec![GatewayPeer {
                client: "acme.gateway".parse().unwrap(),
                certificate: None,
                mqtt: gateway.mqtt_addr.to_string(),
                http: format!("http://{}", gateway.http_addr),
                mqtts: None,
                https: None,
            }],
            desk: None,
        };
        let home = dir.path().join("keys");
        let (key, certificate) = orgs[0].operator.clone();
        let place = home.join("acme.operator");
        Identity::create(
            &place,
            key,
            certificate,
            genesis.clone(),
            peers.clone(),
            None,
        )
        .unwrap();
        let keys = Arc::new(TestKeys {
            home,
            root: (orgs[0].root_key.clone(), orgs[0].root.clone()),
            genesis: genesis.clone(),
            peers: peers.clone(),
        });
        let clock = Arc::new(SetClock::at_ms(SystemClock.now_ms()));
        let settings = settings(
            &genesis,
            &nodes,
            &gateway,
            keys.clone(),
            clock.clone(),
            limits,
        );
        let console = sealwire_console::start(settings).await.unwrap();
        Self {
            console,
            clock,
            keys,
            gateway: Some(gateway),
            nodes,
            genesis,
            orgs,
            peers,
            dir,
        }
    }

    /// Settings for another console of the same consortium.
    pub fn settings(&self) -> Settings {
        let gateway = self.gateway.as_ref().unwrap();
        let (keys, clock) = (self.keys.clone(), self.clock.clone());
        settings(
            &self.genesis,
            &self.nodes,
            gateway,
            keys,
            clock,
            Limits::default(),
        )
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A client that the ledger knows, whose key isn't in the console's home.
    pub async fn elsewhere(&self, org: usize, name: &str, role: Role) -> Identity {
        let client: ClientId = format!("{}.{name}", ORGS[org]).parse().unwrap();
        let of = &self.orgs[org];
        let (key, certificate) = issue(&of.root_key, &of.root, &client, role);
        let staff = self.in_memory(of.operator.clone());
        let ledger = Ledger::new(&self.peers.ledger, Some(self.genesis.clone())).unwrap();
        operator::register(&ledger, &staff, &certificate)
            .await
            .unwrap();
        let place = self.path().join("elsewhere").join(client.as_str());
        let (genesis, peers) = (self.genesis.clone(), self.peers.clone());
        Identity::create(&place, key, certificate, genesis, peers, None).unwrap()
    }

    /// A client that the ledger doesn't know.
    pub fn stranger(&self, name: &str) -> Identity {
        let client = format!("acme.{name}").parse().unwrap();
        let of = &self.orgs[0];
        self.in_memory(issue(&of.root_key, &of.root, &client, Role::Device))
    }

    fn in_memory(&self, (key, certificate): (SecretKey, Certificate)) -> Identity {
        Identity::in_memory(key, certificate, self.genesis.clone()).unwrap()
    }

    /// An MQTT session of a client that finds the gateway.
    pub async fn session(&self, identity: &Identity) -> mqtt::Session {
        let ledger = Arc::new(Ledger::of(identity).unwrap());
        let trust = Arc::new(Trust::new(identity.genesis(), Some(ledger.clone())).unwrap());
        let keyring = Arc::new(Keyring::new(identity.clone(), ledger));
        let options = mqtt::Options::new(&identity.peers().gateways[0].mqtt);
        mqtt::connect(identity, keyring, trust, options)
            .await
            .unwrap()
    }

    /// The operator of `acme`.
    pub fn operator(&self) -> Identity {
        self.keys
            .identity(&"acme.operator".parse().unwrap())
            .unwrap()
    }

    /// A client whose key is in the console's home.
    pub fn keys_of(&self, client: &str) -> Identity {
        self.keys.identity(&client.parse().unwrap()).unwrap()
    }

    /// A browser that nobody signed in with.
    pub fn browser(&self) -> Browser {
        Browser::new(format!("http://{}", self.console.address))
    }

    /// A browser that is signed in by a one-time link: as the operator.
    pub async fn by_link(&self) -> Browser {
        let mut browser = self.browser();
        let link = self.console.link();
        let token = link.url.split_once("link=").unwrap().1.to_owned();
        let (status, _) = browser
            .sign_in("/api/session/link", json!({ "token": token }))
            .await;
        assert_eq!(status, 200);
        browser
    }

    /// A browser that is signed in by a key.
    pub async fn by_key(&self, identity: &Identity) -> Browser {
        let mut browser = self.browser();
        let signed = browser.signed(identity).await;
        let (status, body) = browser.sign_in("/api/session/key", signed).await;
        assert_eq!(status, 200, "{body}");
        browser
    }

    /// Makes an end of everything, nodes last.
    pub async fn end(self) {
        self.console.shutdown().await;
        if let Some(gateway) = self.gateway {
            gateway.shutdown().await;
        }
        let nodes = self.nodes;
        tokio::task::spawn_blocking(move || drop(nodes))
            .await
            .unwrap();
    }
}

fn genesis(orgs: &[Org]) -> Genesis {
    let orgs = ORGS.iter().zip(orgs).map(|(name, org)| OrgGenesis {
        org: name.parse().unwrap(),
        root_cert_der: org.root.der().into(),
        validator: org.validator.public_key().clone(),
        certificates: vec![org.operator.1.der().into(), org.gateway.1.der().into()],
    });
    Genesis {
        version: 1,
        name: "trial".to_owned(),
        created_ms: SystemClock.now_ms() - 1_000,
        block_interval_ms: 50,
        orgs: orgs.collect(),
    }
}

async fn launch(genesis: &Arc<Genesis>, orgs: &[Org], dir: &Path) -> Vec<node::Running> {
    let keys: Vec<_> = orgs.iter().map(|org| org.validator.clone()).collect();
    let (genesis, dir) = (genesis.clone(), dir.to_owned());
    let nodes = tokio::task::spawn_blocking(move || bench::launch(genesis, keys, &dir).unwrap());
    let nodes = nodes.await.unwrap();
    for node in &nodes {
        let mut heights = node.chain.mirror().height();
        let first = heights.wait_for(|height| *height >= 1);
        tokio::time::timeout(PATIENCE, first)
            .await
            .unwrap()
            .unwrap();
    }
    nodes
}

async fn gateway(
    genesis: &Arc<Genesis>,
    org: &Org,
    node: &node::Running,
    dir: &Path,
) -> sealwire_gateway::Running {
    let home = dir.join("gateway");
    std::fs::create_dir_all(&home).unwrap();
    let mut config = Config::new(home);
    config.limits.package_age = Duration::from_millis(300);
    let keys = Keys {
        secret: org.gateway.0.clone(),
        certificate: org.gateway.1.clone(),
    };
    let ledger = Arc::new(Followed(genesis.chain_id(), node.chain.clone()));
    Gateway::start(config, ledger, keys).await.unwrap()
}

fn settings(
    genesis: &Arc<Genesis>,
    nodes: &[node::Running],
    gateway: &sealwire_gateway::Running,
    keys: Arc<TestKeys>,
    clock: Arc<SetClock>,
    limits: Limits,
) -> Settings {
    let service = |org: &str, part, url| Service {
        org: org.parse().unwrap(),
        part,
        url,
    };
    let urls: Vec<String> = nodes
        .iter()
        .map(|it| format!("http://{}", it.http))
        .collect();
    Settings {
        org: "acme".parse().unwrap(),
        listen: ([127, 0, 0, 1], 0).into(),
        names: Vec::new(),
        https: None,
        genesis: genesis.clone(),
        services: vec![
            service("acme", Part::Node, urls[0].clone()),
            service("basin", Part::Node, urls[1].clone()),
            service(
                "acme",
                Part::Gateway,
                format!("http://{}", gateway.http_addr),
            ),
        ],
        nodes: urls,
        mqtt: Some(gateway.mqtt_addr),
        keys,
        clock,
        limits,
    }
}

/// Asks as the pages do.
pub struct Browser {
    pub http: reqwest::Client,
    pub base: String,
    pub cookie: Option<String>,
}

impl Browser {
    pub fn new(base: String) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            http,
            base,
            cookie: None,
        }
    }

    /// A request with the cookie and the header.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = request.header("x-sealwire-console", "1");
        match &self.cookie {
            None => request,
            Some(cookie) => request.header(header::COOKIE, cookie),
        }
    }

    pub async fn response(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        read(self.response(path).await).await
    }

    /// What is there.
    pub async fn have(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        read(
            self.request(Method::POST, path)
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// Does something that takes effect.
    pub async fn act(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(&format!("/api/actions/{path}"), body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Tries something that is refused: status and kind of the problem.
    pub async fn refused(&self, path: &str, body: Value) -> (u16, String, Value) {
        let (status, answer) = self.post(&format!("/api/actions/{path}"), body).await;
        let kind = answer["type"].as_str().unwrap_or_default();
        let kind = kind.rsplit(':').next().unwrap_or_default().to_owned();
        (status, kind, answer)
    }

    pub async fn sign_in(&mut self, path: &str, body: Value) -> (u16, Value) {
        let request = self.request(Method::POST, path).json(&body);
        let response = request.send().await.unwrap();
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = Some(pair.to_owned());
        }
        read(response).await
    }

    /// A sign-in by this key, as a browser would sign it.
    pub async fn signed(&self, identity: &Identity) -> Value {
        let (status, challenge) = self.post("/api/session/challenge", json!({})).await;
        assert_eq!(status, 200);
        let origin = challenge["origin"].as_str().unwrap().to_owned();
        signed(identity, &origin, challenge["nonce"].as_str().unwrap())
    }
}

/// A sign-in by this key for this origin and nonce.
pub fn signed(identity: &Identity, origin: &str, nonce: &str) -> Value {
    let mut bytes = [0; 32];
    hex::decode_to_slice(nonce, &mut bytes).unwrap();
    let what = ConsoleSignIn {
        version: LOGIN_VERSION,
        chain: identity.chain(),
        origin: origin.to_owned(),
        certificate: identity.certificate_id(),
        nonce: bytes,
    };
    json!({
        "certificate": identity.certificate_id(), "nonce": nonce,
        "signature": what.sign(identity.key()),
    })
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let kind = response.headers().get(header::CONTENT_TYPE);
        assert_eq!(kind.unwrap(), "application/problem+json");
    }
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
    (status.as_u16(), response.json().await.unwrap())
}
