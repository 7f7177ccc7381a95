//! How many transactions a second, how soon, at what cost.
//!
//! Each transaction is signed, sent over HTTP to one of the validators and counts when the block
//! that holds it is final there. Nothing is faked or skipped: four validators vote over loopback
//! sockets, sync their disks, verify every signature (once per validator) and keep the state.

use std::{
    collections::HashMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use sealwire_envelope::{BlockBundle, ChainId, TxId, block::BUNDLE_MAX_BYTES, decode_bounded};
use serde::Serialize;

use crate::{
    node::{self, LaunchError, Running, Settings},
    trial::{Client, Trial},
};

/// Validators of an in-process run.
const VALIDATORS: usize = 4;
/// Blocks within which a transaction must be final.
const EXPIRY_BLOCKS: u64 = 900;
/// Pause after a validator said that it is busy.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Longest time without any progress.
const STALL_MAX: Duration = Duration::from_secs(60);
/// `sysconf(_SC_CLK_TCK)` on every Linux: units of `/proc/self/stat` per second.
const TICKS_PER_SECOND: u64 = 100;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Transactions that became final.
    pub transactions: u64,
    /// From the first submission to the last finality.
    pub seconds: f64,
    /// Final transactions per second.
    pub per_second: f64,
    /// From signing to finality, milliseconds: half of the transactions were faster.
    pub latency_p50_ms: u64,
    /// 95 of 100 were faster.
    pub latency_p95_ms: u64,
    /// 99 of 100 were faster.
    pub latency_p99_ms: u64,
    /// Blocks that held them.
    pub blocks: u64,
    /// How often a validator said that it was busy.
    pub busy: u64,
    /// CPU time of this process (validators and client) per transaction, microseconds; none when
    /// the validators run elsewhere.
    pub cpu_us_per_transaction: Option<u64>,
    /// SM2 verifications of transactions per transaction and validator; 1 when none is repeated.
    pub verifications_per_validator: Option<f64>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The validators don't start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The throwaway consortium can't be made.
    #[error(transparent)]
    Trial(#[from] sealwire_sm::cert::CertificateError),
    /// No port, no directory.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A validator's HTTP interface doesn't answer sense.
    #[error("{url} doesn't answer as a ledger node does: {cause}")]
    Http {
        /// Which.
        url: String,
        /// Why.
        cause: String,
    },
    /// Nothing moves.
    #[error("no transaction became final for {} s", STALL_MAX.as_secs())]
    Stalled,
}

fn http(url: &str, cause: impl ToString) -> BenchError {
    BenchError::Http {
        url: url.to_owned(),
        cause: cause.to_string(),
    }
}

/// Starts four validators in this process, under `directory`, and drives them.
///
/// # Errors
/// [`BenchError`].
pub async fn in_process(
    directory: &Path,
    transactions: u64,
    in_flight: usize,
) -> Result<Report, BenchError> {
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let trial = Trial::new(1, VALIDATORS, u64::try_from(now_ms).unwrap_or(u64::MAX))?;
    let directory = directory.to_owned();
    let (genesis, validators) = (trial.genesis.clone(), trial.validators.clone());
    let nodes = tokio::task::spawn_blocking(move || {
        let keys = validators.iter().map(|key| key.secret().clone()).collect();
        launch(Arc::new(genesis), keys, &directory)
    });
    let nodes = nodes.await.map_err(io::Error::other)??;
    let urls: Vec<String> = nodes
        .iter()
        .map(|node| format!("http://{}", node.http))
        .collect();
    let verified = |nodes: &[Running]| -> u64 {
        nodes
            .iter()
            .map(|node| node.chain.status().signatures_verified)
            .sum()
    };
    let (cpu_before, verified_before) = (cpu_us(), verified(&nodes));
    let mut report = drive(
        &urls,
        &trial.gateways[0],
        trial.genesis.chain_id(),
        transactions,
        in_flight,
    )
    .await?;
    let total = report.transactions.max(1);
    report.cpu_us_per_transaction = cpu_us()
        .zip(cpu_before)
        .map(|(after, before)| (after - before) / total);
    let verified = verified(&nodes) - verified_before;
    report.verifications_per_validator = Some(verified as f64 / (total * VALIDATORS as u64) as f64);
    tokio::task::spawn_blocking(move || drop(nodes))
        .await
        .map_err(io::Error::other)?;
    Ok(report)
}

/// Starts validators of `genesis` on free loopback ports, each under its own directory.
///
/// # Errors
/// [`BenchError`].
pub fn launch(
    genesis: Arc<sealwire_envelope::Genesis>,
    keys: Vec<sealwire_sm::SecretKey>,
    directory: &Path,
) -> Result<Vec<Running>, BenchError> {
    let mut peers = Vec::new();
    for key in &keys {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        peers.push((key.public_key().clone(), free));
    }
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let start = |(number, key): (usize, sealwire_sm::SecretKey)| {
        let home = directory.join(format!("validator{number}"));
        let listen = peers[number].1;
        let settings = Settings::new(genesis.clone(), key, home, listen, peers.clone(), any);
        node::launch(settings).map_err(BenchError::from)
    };
    keys.into_iter().enumerate().map(start).collect()
}

/// What the submitting and the watching side share.
struct Shared {
    sent: Mutex<HashMap<TxId, Instant>>,
    next: AtomicU64,
    height: AtomicU64,
    busy: AtomicU64,
    done: AtomicBool,
}

/// Sends `transactions` of `sender` to the nodes at `urls`, at most `in_flight` at once, and
/// watches the first of them make them final.
///
/// # Errors
/// [`BenchError`].
pub async fn drive(
    urls: &[String],
    sender: &Client,
    chain: ChainId,
    transactions: u64,
    in_flight: usize,
) -> Result<Report, BenchError> {
    let first = urls
        .first()
        .ok_or_else(|| http("", "no address was given"))?;
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(in_flight)
        .build()
        .map_err(|error| http(first, error))?;
    let height = wait_for_first_block(&client, first).await?;
    let shared = Arc::new(Shared {
        sent: Mutex::new(HashMap::new()),
        next: AtomicU64::new(0),
        height: AtomicU64::new(height),
        busy: AtomicU64::new(0),
        done: AtomicBool::new(false),
    });
    let window = Arc::new(tokio::sync::Semaphore::new(in_flight));
    let start = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..in_flight.clamp(1, 64) {
        let work = Worker {
            client: client.clone(),
            url: format!("{}/v1/transactions", urls[number % urls.len()]),
            sender: sender.clone(),
            chain,
            transactions,
            shared: shared.clone(),
            window: window.clone(),
        };
        workers.spawn(work.run());
    }
    let watched = watch(&client, first, &shared, &window, transactions, height + 1).await;
    shared.done.store(true, Ordering::Relaxed);
    workers.shutdown().await;
    let (mut latencies, blocks) = watched?;
    let seconds = start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let percentile = |p: usize| latencies[(latencies.len() - 1) * p / 100];
    Ok(Report {
        transactions: latencies.len() as u64,
        seconds,
        per_second: latencies.len() as f64 / seconds,
        latency_p50_ms: percentile(50),
        latency_p95_ms: percentile(95),
        latency_p99_ms: percentile(99),
        blocks,
        busy: shared.busy.load(Ordering::Relaxed),
        cpu_us_per_transaction: None,
        verifications_per_validator: None,
    })
}

async fn wait_for_first_block(client: &reqwest::Client, url: &str) -> Result<u64, BenchError> {
    let begun = Instant::now();
    while begun.elapsed() < STALL_MAX {
        let response = client.get(format!("{url}/v1/status")).send().await;
        let status: serde_json::Value = match response {
            Ok(response) => response.json().await.map_err(|error| http(url, error))?,
            Err(error) => return Err(http(url, error)),
        };
        match status["height"].as_u64() {
            Some(height) if height > 0 => return Ok(height),
            Some(_) => tokio::time::sleep(BUSY_PAUSE).await,
            None => return Err(http(url, "its status has no height")),
        }
    }
    Err(BenchError::Stalled)
}

struct Worker {
    client: reqwest::Client,
    url: String,
    sender: Client,
    chain: ChainId,
    transactions: u64,
    shared: Arc<Shared>,
    window: Arc<tokio::sync::Semaphore>,
}

impl Worker {
    async fn run(self) {
        while !self.shared.done.load(Ordering::Relaxed) {
            let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.transactions {
                return;
            }
            let Ok(permit) = self.window.acquire().await else {
                return;
            };
            permit.forget();
            let begun = Instant::now();
            let nonce = u64::from_be_bytes(rand::random::<[u8; 8]>()) ^ number;
            let expiry = self.shared.height.load(Ordering::Relaxed) + EXPIRY_BLOCKS;
            let tx = self.sender.log_one_event(self.chain, nonce, expiry);
            let sent = &self.shared.sent;
            sent.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(tx.id(), begun);
            let body = tx.to_bytes();
            while !self.send(body.clone()).await {
                self.shared.busy.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(BUSY_PAUSE).await;
            }
        }
    }

    async fn send(&self, body: Vec<u8>) -> bool {
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/cbor");
        let sent = request.body(body).send().await;
        sent.is_ok_and(|response| {
            response.status().is_success() || response.status() == reqwest::StatusCode::CONFLICT
        })
    }
}

async fn watch(
    client: &reqwest::Client,
    url: &str,
    shared: &Shared,
    window: &tokio::sync::Semaphore,
    transactions: u64,
    mut height: u64,
) -> Result<(Vec<u64>, u64), BenchError> {
    let (mut latencies, mut blocks) = (Vec::new(), 0);
    let mut progress = Instant::now();
    while (latencies.len() as u64) < transactions {
        if progress.elapsed() > STALL_MAX {
            return Err(BenchError::Stalled);
        }
        let response = client
            .get(format!("{url}/v1/bundles/{height}?wait_ms=1000"))
            .send()
            .await
            .map_err(|error| http(url, error))?;
        if !response.status().is_success() {
            continue;
        }
        let bytes = response.bytes().await.map_err(|error| http(url, error))?;
        let bundle: BlockBundle =
            decode_bounded(&bytes, BUNDLE_MAX_BYTES).map_err(|error| http(url, error))?;
        shared.height.store(height, Ordering::Relaxed);
        height += 1;
        let mut sent = shared.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ours = 0;
        for tx in &bundle.transactions {
            if let Some(begun) = sent.remove(&tx.id()) {
                latencies.push(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
                ours += 1;
            }
        }
        if ours > 0 {
            progress = Instant::now();
            blocks += 1;
            window.add_permits(ours);
        }
    }
    Ok((latencies, blocks))
}

/// CPU time of this process so far.
fn cpu_us() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * 1_000_000 / TICKS_PER_SECOND)
}
