//! Why a client may or may not do something, now or at an earlier height: decided here, from proven
//! entries.
//!
//! No node's word is taken. The contracts' own rules run here over the state entries that they ask
//! for, each fetched with its proof, all under one root:
//!
//! 1. Decide over what is known (at first nothing); the decision names the keys that it looked at.
//! 2. Unknown ones among them: fetch all keys anew, under one root, and go on at 1.
//! 3. None: the decision stands, and the proven entries show it to anybody.
//!
//! For an earlier height the same entries of today are asked for (the module `history` of the contracts),
//! and the time then is in that block's header, which the validators signed.

use std::collections::BTreeMap;

use sealwire_contracts::{Decision, View};
use sealwire_envelope::{
    BlockBundle, ClientId, NameError, TopicFilter, TopicName, decode_bounded,
    receipt::{FinalityProof, ProvenEntry},
};

use sealwire_receipt::finality::{HEADERS_MAX, Validators};

use crate::ledger::{Ledger, LedgerError};

/// Rounds of fetching: one for each entry that is found in turn, one for each change since then.
const ROUNDS_MAX: usize = 24;
/// Longest block that is read, in bytes.
const BLOCK_MAX_BYTES: usize = 64 * 1024 * 1024;

/// What a client wants to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Log in at a gateway.
    Connect,
    /// Publish on a topic.
    Publish(TopicName),
    /// Subscribe to a filter.
    Subscribe(TopicFilter),
    /// Fetch archived records of a topic.
    Read(TopicName),
    /// Have a function computed over a topic's records.
    Compute(TopicName),
    /// Check archived records of a topic without reading them.
    Verify(TopicName),
}

impl Action {
    /// The names of all actions.
    pub const NAMES: [&'static str; 6] = [
        "connect",
        "publish",
        "subscribe",
        "read",
        "compute",
        "verify",
    ];

    /// The action of this name.
    ///
    /// # Errors
    /// When there is none of this name, or the topic is missing or malformed.
    pub fn parse(name: &str, topic: Option<&str>) -> Result<Self, NameError> {
        let named = || topic.ok_or_else(|| NameError::new(name, "an action with a topic"));
        Ok(match name {
            "connect" => Self::Connect,
            "publish" => Self::Publish(named()?.parse()?),
            "subscribe" => Self::Subscribe(named()?.parse()?),
            "read" => Self::Read(named()?.parse()?),
            "compute" => Self::Compute(named()?.parse()?),
            "verify" => Self::Verify(named()?.parse()?),
            other => {
                return Err(NameError::new(
                    other,
                    "an action: connect, publish, subscribe, read, compute or verify",
                ));
            }
        })
    }

    fn as_contract(&self) -> sealwire_contracts::Action<'_> {
        use sealwire_contracts::Action as Of;
        match self {
            Self::Connect => Of::Connect,
            Self::Publish(topic) => Of::Publish(topic),
            Self::Subscribe(filter) => Of::Subscribe(filter),
            Self::Read(topic) => Of::Read(topic),
            Self::Compute(topic) => Of::Compute(topic),
            Self::Verify(topic) => Of::Verify(topic),
        }
    }
}

/// A decision with everything that proves it.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The decision.
    pub decision: Decision,
    /// The height that it is about.
    pub height: u64,
    /// The time that it is about, milliseconds since 1970.
    pub time_ms: u64,
    /// Height of the root under which the entries are proven.
    pub proven_at: u64,
    /// The entries that it rests on, found or absent, each with its proof.
    pub entries: Vec<ProvenEntry>,
}

/// Decides whether a client may do something: now, or at an earlier height.
///
/// # Errors
/// [`LedgerError`]: also when the height is yet to come.
pub async fn decide(
    ledger: &Ledger,
    client: &ClientId,
    action: &Action,
    at: Option<u64>,
) -> Result<Explained, LedgerError> {
    let then_ms = match at {
        Some(height) => Some((height, block_time_ms(ledger, height).await?)),
        None => None,
    };
    let mut entries: Vec<ProvenEntry> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let view = view_of(&entries);
        let (height, time_ms) = then_ms.unwrap_or((view.height(), view.time_ms()));
        let asked = action.as_contract();
        let decision = match at {
            // Until something is fetched the view is at height 0, and asks as for any other height.
            Some(_) if view.height() >= height => view.decide_at(client, asked, height, time_ms),
            _ => Some(view.decide(client, asked, time_ms)),
        };
        let decision = decision.ok_or_else(|| nonsense(ledger, "the proofs are too old"))?;
        let known: BTreeMap<&[u8], ()> = entries
            .iter()
            .map(|entry| (entry.key.as_slice(), ()))
            .collect();
        let mut keys: Vec<Vec<u8>> = known.keys().map(|key| key.to_vec()).collect();
        let before = keys.len();
        for key in &decision.keys {
            if !known.contains_key(key.as_slice()) && !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        if keys.len() == before {
            let proven_at = view.height();
            return Ok(Explained {
                decision,
                height,
                time_ms,
                proven_at,
                entries,
            });
        }
        entries = ledger.proven_all(&keys).await?;
    }
    Err(nonsense(
        ledger,
        "too many changes lie between that height and now: ask a node (`GET /v1/explain`)",
    ))
}

/// The state as far as it is proven.
fn view_of(entries: &[ProvenEntry]) -> View {
    let (height, time_ms) = entries
        .first()
        .and_then(|entry| entry.finality.headers.first())
        .map_or((0, 0), |header| (header.height, header.time_ms));
    let found = entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), entry.value.clone()?)));
    View::load(height, time_ms, found)
}

/// The time in the header of a final block, which the validators signed: in its own certificate, or in
/// that of one of the blocks built on it.
pub(crate) async fn block_time_ms(ledger: &Ledger, height: u64) -> Result<u64, LedgerError> {
    let mut headers = Vec::new();
    for next in height..height.saturating_add(HEADERS_MAX as u64) {
        let (bytes, node) = ledger.get_bytes(&format!("/v1/bundles/{next}")).await?;
        let wrong = |detail: String| LedgerError::Nonsense {
            node: node.clone(),
            detail,
        };
        let bundle: BlockBundle =
            decode_bounded(&bytes, BLOCK_MAX_BYTES).map_err(|error| wrong(error.to_string()))?;
        if bundle.header.height != next {
            return Err(wrong(format!("block {} instead", bundle.header.height)));
        }
        let time_ms = headers.first().unwrap_or(&bundle.header).time_ms;
        headers.push(bundle.header);
        let (Some(finality), Some(genesis)) = (bundle.finality, ledger.genesis()) else {
            if ledger.genesis().is_none() {
                return Ok(time_ms);
            }
            continue;
        };
        let proof = FinalityProof { headers, finality };
        return Validators::of(genesis)
            .map_err(|error| wrong(error.to_string()))?
            .verify_proof(&proof)
            .map(|(header, _)| header.time_ms)
            .map_err(|error| wrong(error.to_string()));
    }
    Err(nonsense(
        ledger,
        "no block after that height has a certificate yet",
    ))
}

fn nonsense(ledger: &Ledger, detail: &str) -> LedgerError {
    LedgerError::Nonsense {
        node: ledger.nodes().join(", "),
        detail: detail.to_owned(),
    }
}
