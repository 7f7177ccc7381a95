//! A ledger node over HTTP: hand in transactions, read the state with its proofs.
//!
//! Several nodes may be given; a call goes to one of them, and to the next one when that is away.
//! With a genesis nothing that a node says about the state is believed without proof: every entry
//! is verified by `sealwire_receipt` up to the validators' signatures. Three things a proof can't
//! show, and how they are met:
//!
//! - *A node may be behind.* [`Ledger`] remembers the greatest height of an outcome it has seen and
//!   reads nothing older: whoever has registered a topic sees it.
//! - *A list may leave something out.* So lists are read from entries that hold the whole list: the
//!   readers of a topic. Other lists ([`Ledger::get_json`]) are as complete as the node is honest.
//! - *A node may keep a transaction back.* [`Ledger::outcome`] ends when the transaction's expiry
//!   height has passed.
//!
//! | Request | For |
//! |---|---|
//! | `POST /v1/transactions` (CBOR) | [`Ledger::submit`] |
//! | `GET /v1/transactions/{id}?wait_ms=` | waiting in [`Ledger::outcome`]; the outcome itself is read from the state |
//! | `GET /v1/state/{key}` (`Accept: application/cbor`: a `ProvenEntry`) | everything that is read |
//! | `GET /v1/status` | heights |

pub(crate) mod http;
mod state;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sealwire_contracts::{Code, entry::OutcomeEntry, keys};
use sealwire_envelope::{Call, Genesis, Transaction, TxBody, TxId};
use sealwire_receipt::VerifyError;

use crate::identity::Identity;

pub use http::{Problem, describe};
pub use state::Client;

/// Time for connecting to a node.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Time for one request, unless it waits on purpose.
const REQUEST_MAX: Duration = Duration::from_secs(15);
/// Longest that one request waits for an outcome, in milliseconds.
const WAIT_MS: u64 = 5_000;
/// First pause before trying again; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// Longest pause.
const PAUSE_LONGEST: Duration = Duration::from_secs(2);
/// Attempts before a busy or absent ledger is given up: about 20 s of pauses.
pub const ATTEMPTS: u32 = 20;
/// Longest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = sealwire_envelope::receipt::RECEIPT_BYTES_MAX;
/// Heights after the present one until which our transactions are good.
pub const EXPIRY_BLOCKS: u64 = 200;
/// Longest wait for an outcome. Expiry ends it sooner, as long as there are blocks.
const OUTCOME_MAX: Duration = Duration::from_secs(60);

/// The ledger couldn't answer, or answered no.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No node is configured.
    #[error("no ledger node is known: add one to peers.json")]
    NoNode,
    /// A node's address isn't one.
    #[error("ledger node '{node}' isn't an address like http://host:port: {detail}")]
    Address {
        /// What was given.
        node: String,
        /// What is wrong.
        detail: String,
    },
    /// No node could be reached; this is the last one's error.
    #[error("the ledger is away: {node}: {detail}")]
    Away {
        /// The node tried last.
        node: String,
        /// What happened, causes included.
        detail: String,
    },
    /// The nodes are busy.
    #[error("the ledger is busy: {0}")]
    Busy(Problem),
    /// A node refused the request.
    #[error("{0}")]
    Refused(Problem),
    /// A node's answer can't be read.
    #[error("ledger node {node} answered nonsense: {detail}")]
    Nonsense {
        /// Which node.
        node: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A node's answer isn't proven.
    #[error("ledger node {node} answered without proof: {source}")]
    Unproven {
        /// Which node.
        node: String,
        /// Which step failed.
        #[source]
        source: VerifyError,
    },
    /// The nodes are behind what we have seen.
    #[error("ledger node {node} is behind: it has height {has}, we have seen {seen}")]
    Behind {
        /// Which node.
        node: String,
        /// Its height.
        has: u64,
        /// Ours.
        seen: u64,
    },
}

impl LedgerError {
    /// Whether trying again, or elsewhere, can help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoNode | Self::Address { .. } | Self::Refused(_) => false,
            Self::Away { .. }
            | Self::Busy(_)
            | Self::Nonsense { .. }
            | Self::Unproven { .. }
            | Self::Behind { .. } => true,
        }
    }
}

/// A call wasn't carried out.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The ledger couldn't be asked, or refused the transaction.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The transaction is in a block and had no effect.
    #[error("the ledger refused '{call}': {} (transaction {id}, height {height})", sentence(*code, detail))]
    Refused {
        /// Name of the call.
        call: &'static str,
        /// The transaction.
        id: TxId,
        /// Height of its block.
        height: u64,
        /// The contract's code.
        code: Code,
        /// What it is about.
        detail: String,
    },
    /// No block holds the transaction, and none will.
    #[error(
        "transaction {id} expired at height {expiry_height} without being included: send it anew"
    )]
    Expired {
        /// The transaction.
        id: TxId,
        /// Its last height.
        expiry_height: u64,
    },
    /// Nothing is known of the transaction yet.
    #[error("transaction {id} isn't in a block after {} s: ask for its outcome later", waited.as_secs())]
    Unknown {
        /// The transaction.
        id: TxId,
        /// How long we waited.
        waited: Duration,
    },
}

fn sentence(code: Code, detail: &str) -> String {
    if detail.is_empty() {
        code.text().to_owned()
    } else {
        format!("{} ({detail})", code.text())
    }
}

/// A transaction that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The transaction.
    pub id: TxId,
    /// Height of its block.
    pub height: u64,
    /// Time of its block, milliseconds since 1970.
    pub time_ms: u64,
}

/// The ledger, through one or more nodes. Share it: it keeps connections open.
#[derive(Debug)]
pub struct Ledger {
    http: reqwest::Client,
    nodes: Vec<String>,
    present: AtomicUsize,
    genesis: Option<Arc<Genesis>>,
    seen: AtomicU64,
    attempts: u32,
}

impl Ledger {
    /// The ledger behind these nodes (`http://host:port`, or `https://host:port` by TLS of RFC 8998). With a
    /// genesis, answers are verified. Over HTTPS this asks as nobody in particular: nodes answer what anyone
    /// may know; who has an identity uses [`Ledger::of`] or [`Ledger::asked_by`].
    ///
    /// # Errors
    /// [`LedgerError::NoNode`] or [`LedgerError::Address`]; the latter also for HTTPS without a genesis, which
    /// says whose nodes they are.
    pub fn new(nodes: &[String], genesis: Option<Arc<Genesis>>) -> Result<Self, LedgerError> {
        Self::connect(nodes, genesis, None)
    }

    /// As [`Ledger::new`]; over HTTPS nodes are shown the certificate of `identity`.
    ///
    /// # Errors
    /// As [`Ledger::new`].
    pub fn asked_by(nodes: &[String], identity: &Identity) -> Result<Self, LedgerError> {
        Self::connect(nodes, Some(identity.genesis().clone()), Some(identity))
    }

    /// The ledger of an identity, by its peers and its genesis.
    ///
    /// # Errors
    /// As [`Ledger::new`].
    pub fn of(identity: &Identity) -> Result<Self, LedgerError> {
        Self::asked_by(&identity.peers().ledger, identity)
    }

    fn connect(
        nodes: &[String],
        genesis: Option<Arc<Genesis>>,
        identity: Option<&Identity>,
    ) -> Result<Self, LedgerError> {
        let nodes: Vec<String> = nodes
            .iter()
            .map(|n| n.trim_end_matches('/').to_owned())
            .collect();
        let mut by_tls = None;
        for node in &nodes {
            let wrong = |detail: String| LedgerError::Address {
                node: node.clone(),
                detail,
            };
            let url = reqwest::Url::parse(node).map_err(|e| wrong(e.to_string()))?;
            match (url.scheme(), url.host()) {
                ("http", Some(_)) => {}
                ("https", Some(_)) => by_tls = Some(node),
                _ => return Err(wrong("the scheme must be http or https".to_owned())),
            }
        }
        let first = nodes.first().ok_or(LedgerError::NoNode)?;
        let wrong = |detail: String| LedgerError::Address {
            node: by_tls.unwrap_or(first).clone(),
            detail,
        };
        let tls = match (by_tls, &genesis) {
            (None, _) => None,
            (Some(_), None) => return Err(wrong("HTTPS needs the genesis".to_owned())),
            (Some(_), Some(genesis)) => {
                let config = crate::tls::to_nodes(genesis, identity);
                Some(config.map_err(|error| wrong(error.to_string()))?)
            }
        };
        let http = http::client(CONNECT_MAX, tls).map_err(wrong)?;
        Ok(Self {
            http,
            nodes,
            present: AtomicUsize::new(0),
            genesis,
            seen: AtomicU64::new(0),
            attempts: ATTEMPTS,
        })
    }

    /// Gives up after so many attempts instead of [`ATTEMPTS`].
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The nodes.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// What answers are verified against.
    pub fn genesis(&self) -> Option<&Arc<Genesis>> {
        self.genesis.as_ref()
    }

    /// Read nothing older than this height from now on.
    pub fn have_seen(&self, height: u64) {
        self.seen.fetch_max(height, Ordering::Relaxed);
    }

    /// Hands in a transaction; tries again while the ledger is busy or away. Once it is `Ok`, a
    /// mempool has it: ask for its [`outcome`](Self::outcome).
    ///
    /// # Errors
    /// [`LedgerError`]; after [`LedgerError::Away`] the transaction may have arrived all the same.
    pub async fn submit(&self, transaction: &Transaction) -> Result<TxId, LedgerError> {
        let bytes = transaction.to_bytes();
        let mut pause = Pause::new(self.attempts);
        loop {
            let result = self.post_cbor("/v1/transactions", &bytes).await;
            match result {
                Ok(()) => return Ok(transaction.id()),
                // An answer got lost, and the node has it from our first attempt.
                Err(LedgerError::Refused(problem)) if problem.is_duplicate() => {
                    return Ok(transaction.id());
                }
                Err(error) if error.may_pass() && pause.wait().await => {
                    tracing::debug!(%error, "submitting again");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until a block holds the transaction and says what became of it.
    ///
    /// # Errors
    /// [`CallError::Expired`] when none will, [`CallError::Unknown`] after a minute.
    pub async fn outcome(&self, id: TxId, expiry_height: u64) -> Result<OutcomeEntry, CallError> {
        let start = tokio::time::Instant::now();
        let mut pause = Pause::new(self.attempts);
        loop {
            let wait = format!("/v1/transactions/{id}?wait_ms={WAIT_MS}");
            if let Err(error) = self.get_json(&wait).await {
                tracing::debug!(%error, "waiting for an outcome");
                pause.wait().await;
            }
            let (entry, height) = self.read::<OutcomeEntry>(keys::outcome(&id)).await?;
            if let Some(entry) = entry {
                self.have_seen(entry.at.height);
                return Ok(entry);
            }
            if height > expiry_height {
                return Err(CallError::Expired { id, expiry_height });
            }
            if start.elapsed() > OUTCOME_MAX {
                return Err(CallError::Unknown {
                    id,
                    waited: start.elapsed(),
                });
            }
            pause.wait().await;
        }
    }

    /// Signs a call, hands it in and waits until it has taken effect.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::Refused`] carries the contract's code and sentence.
    pub async fn call(&self, identity: &Identity, call: Call) -> Result<Applied, CallError> {
        let transaction = self.sign(identity, call).await?;
        let name = transaction.body.call.name();
        let id = self.submit(&transaction).await?;
        let OutcomeEntry {
            at, code, detail, ..
        } = self.outcome(id, transaction.body.expiry_height).await?;
        if code.is_applied() {
            Ok(Applied {
                id,
                height: at.height,
                time_ms: at.time_ms,
            })
        } else {
            Err(CallError::Refused {
                call: name,
                id,
                height: at.height,
                code,
                detail,
            })
        }
    }

    /// Signs a call, good for the next [`EXPIRY_BLOCKS`] blocks.
    ///
    /// # Errors
    /// [`LedgerError`] when no node tells the height.
    pub async fn sign(&self, identity: &Identity, call: Call) -> Result<Transaction, LedgerError> {
        let expiry_height = self.height().await? + EXPIRY_BLOCKS;
        Ok(sign_until(identity, call, expiry_height))
    }
}

/// Signs a call, good until this height.
pub fn sign_until(identity: &Identity, call: Call, expiry_height: u64) -> Transaction {
    let body = TxBody {
        chain: identity.chain(),
        sender: identity.certificate_id(),
        expiry_height,
        nonce: rand::random(),
        call,
    };
    Transaction::sign(body, identity.key())
}

/// Pauses between attempts: doubling, spread, and not for ever.
struct Pause {
    next: Duration,
    left: u32,
}

impl Pause {
    fn new(attempts: u32) -> Self {
        Self {
            next: PAUSE_FIRST,
            left: attempts,
        }
    }

    /// Pauses; `false` when it was the last time.
    async fn wait(&mut self) -> bool {
        tokio::time::sleep(self.next.mul_f64(0.5 + 0.5 * rand::random::<f64>())).await;
        self.next = (self.next * 2).min(PAUSE_LONGEST);
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }
}
