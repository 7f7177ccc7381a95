//! Blocks and their transactions as structured calls.
//!
//! A transaction is given as the kind of its call and the call's fields, from which a page makes a sentence
//! in the reader's language. Certificates inside are given by what they say, not as DER. What became of a
//! transaction comes with its block while that is recent ([`crate::feed`]), else from the ledger's state.
//!
//! Nothing here is proven to the page: it asks the pass-through for what it wants to verify.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json,
    extract::{Path, Query, State},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sealwire_envelope::{
    BlockBundle, Call, CertId, ClientId, PackageId, Transaction, TxId, block::BUNDLE_MAX_BYTES,
    decode_bounded,
};
use sealwire_sm::{Certificate, PublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::{App, problem::Problem, upstream};

/// Bytes of encoded blocks that are kept.
const KEPT_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Senders that are remembered.
const SENDERS_MAX: usize = 10_000;
/// Most blocks on a page.
const PAGE_MAX: u64 = 100;
/// Blocks on a page unless asked otherwise.
const PAGE_DEFAULT: u64 = 25;
/// Most transactions of one block in one answer.
const TRANSACTIONS_MAX: usize = 200;
/// Blocks, senders or outcomes that are asked for at a time.
const AT_A_TIME: usize = 8;

/// A block as it was fetched.
pub(crate) struct Fetched {
    pub(crate) bundle: BlockBundle,
    bytes: usize,
}

/// Blocks and senders that are kept.
pub(crate) struct Blocks {
    kept: Mutex<Kept>,
    senders: Mutex<HashMap<CertId, ClientId>>,
}

#[derive(Default)]
struct Kept {
    blocks: BTreeMap<u64, (Arc<Fetched>, u64)>,
    bytes: usize,
    tick: u64,
}

impl Kept {
    fn get(&mut self, height: u64) -> Option<Arc<Fetched>> {
        self.tick += 1;
        let (block, used) = self.blocks.get_mut(&height)?;
        *used = self.tick;
        Some(block.clone())
    }

    fn put(&mut self, height: u64, block: Arc<Fetched>) {
        self.tick += 1;
        self.bytes += block.bytes;
        if let Some((before, _)) = self.blocks.insert(height, (block, self.tick)) {
            self.bytes -= before.bytes;
        }
        while self.bytes > KEPT_MAX_BYTES && self.blocks.len() > 1 {
            let oldest = self.blocks.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(height, _)| *height) else {
                return;
            };
            if let Some((gone, _)) = self.blocks.remove(&oldest) {
                self.bytes -= gone.bytes;
            }
        }
    }
}

impl Blocks {
    pub(crate) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            senders: Mutex::default(),
        }
    }
}

/// A line of the list of blocks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BlockRow {
    /// Distance from genesis.
    height: u64,
    /// The proposer's clock, milliseconds since 1970.
    time_ms: u64,
    /// SM3 of the header, hexadecimal.
    digest: String,
    /// The organisation whose validator proposed it; null: none of genesis.
    proposer: Option<String>,
    /// How many transactions.
    transactions: usize,
    /// How many of them had no effect; null where that wasn't looked up.
    refused: Option<usize>,
    /// How many of each kind of call.
    calls: BTreeMap<String, usize>,
    /// Bytes of the block.
    bytes: usize,
}

/// A page of blocks, the highest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlockPage {
    /// The blocks.
    items: Vec<BlockRow>,
    /// Height to go on from; null at the first block.
    next: Option<u64>,
    /// The last final height.
    height: u64,
}

/// A block with its transactions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Block {
    #[serde(flatten)]
    row: BlockRow,
    /// Digest of the parent's header, hexadecimal.
    parent: String,
    /// Root of the state after it, hexadecimal.
    state_root: String,
    /// Merkle root over its transactions, hexadecimal.
    transactions_root: String,
    /// During which validator set.
    epoch: u64,
    /// The consensus view in which it was proposed.
    view: u64,
    /// The organisations whose validators signed it; null where a later block's certificate covers it.
    signed_by: Option<Vec<String>>,
    /// Its transactions, from index `from`.
    items: Vec<TransactionView>,
    /// Index of the first one given.
    from: usize,
    /// Index to go on from; null at the end.
    next: Option<usize>,
}

/// A transaction.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TransactionView {
    /// Its id, hexadecimal.
    id: String,
    /// Its block.
    height: u64,
    /// The block's time, milliseconds since 1970.
    time_ms: u64,
    /// Its index in the block.
    index: usize,
    /// The sender's certificate, hexadecimal.
    sender: String,
    /// The sender; null where the ledger doesn't know the certificate.
    sender_client: Option<String>,
    /// Last height at which it might have been in a block.
    expiry_height: u64,
    /// Kind of call, for instance `grant-topic`.
    call: String,
    /// The call's fields, as the ledger's interface names them; certificates as `{client, role, not_before_s,
    /// not_after_s, id}` under `certificate`.
    #[schema(value_type = Object)]
    fields: Value,
    /// What became of it; null where that isn't known yet.
    outcome: Option<OutcomeView>,
}

/// What became of a transaction.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OutcomeView {
    /// 0: applied.
    code: u16,
    /// The code's name, for instance `NotOwner`.
    name: String,
    /// In words; empty where the node didn't say.
    text: String,
}

/// Which transactions of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// As many as one answer takes.
    All,
    /// From this index on, so many.
    From(usize, usize),
    /// This one.
    One(usize),
}

/// A block, kept or fetched.
pub(crate) async fn fetch(app: &App, height: u64) -> Result<Arc<Fetched>, Problem> {
    let kept = |app: &App| {
        let mut kept = app
            .blocks
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        kept.get(height)
    };
    if let Some(block) = kept(app) {
        return Ok(block);
    }
    let target = format!("/v1/bundles/{height}");
    let answer = app.upstream.get(&target, "application/cbor").await?;
    if !answer.status.is_success() {
        return Err(upstream::problem_of(&answer));
    }
    let bundle: BlockBundle = decode_bounded(&answer.body, BUNDLE_MAX_BYTES)
        .map_err(|error| Problem::unavailable("node", format!("block {height}: {error}")))?;
    let bytes = answer.body.len();
    let fetched = Arc::new(Fetched { bundle, bytes });
    let mut kept = app
        .blocks
        .kept
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    // Without its own certificate the block is too young: it gets one in a moment.
    if fetched.bundle.finality.is_some() || height + 8 < app.feed.height() {
        kept.put(height, fetched.clone());
    }
    Ok(fetched)
}

fn org_of_key(app: &App, key: &PublicKey) -> Option<String> {
    let orgs = app.genesis.orgs.iter();
    let mut found = orgs.filter(|org| org.validator == *key);
    found.next().map(|org| org.org.to_string())
}

/// Who signed: bit i is validator i, by key (`sealwire_receipt::finality`).
fn signers(app: &App, bundle: &BlockBundle) -> Option<Vec<String>> {
    let finality = bundle.finality.as_ref()?;
    let mut validators: Vec<_> = app.genesis.orgs.iter().collect();
    validators.sort_by(|a, b| a.validator.cmp(&b.validator));
    let signed = |place: usize| {
        let byte = finality.signers.get(place / 8).copied().unwrap_or(0);
        byte >> (place % 8) & 1 == 1
    };
    let named = validators.iter().enumerate();
    let mut named: Vec<_> = named
        .filter(|(place, _)| signed(*place))
        .map(|(_, org)| org.org.to_string())
        .collect();
    named.sort();
    Some(named)
}

fn row(app: &App, fetched: &Fetched) -> BlockRow {
    let header = &fetched.bundle.header;
    let mut calls = BTreeMap::new();
    for transaction in &fetched.bundle.transactions {
        *calls
            .entry(transaction.body.call.name().to_owned())
            .or_insert(0) += 1;
    }
    let told = app.feed.block(header.height);
    let refused = told.map(|it| it.transactions.iter().filter(|tx| tx.code != 0).count());
    BlockRow {
        height: header.height,
        time_ms: header.time_ms,
        digest: header.digest().to_string(),
        proposer: org_of_key(app, &header.proposer),
        transactions: fetched.bundle.transactions.len(),
        refused: refused.or(fetched.bundle.transactions.is_empty().then_some(0)),
        calls,
        bytes: fetched.bytes,
    }
}

/// A block for a page.
pub(crate) async fn present(app: &App, fetched: &Fetched, part: Part) -> Result<Block, Problem> {
    let header = &fetched.bundle.header;
    let all = fetched.bundle.transactions.len();
    let (from, count) = match part {
        Part::All => (0, TRANSACTIONS_MAX),
        Part::From(from, count) => (from.min(all), count.clamp(1, TRANSACTIONS_MAX)),
        Part::One(index) => (index.min(all), 1),
    };
    let end = all.min(from + count);
    let views = (from..end).map(|index| transaction(app, fetched, index));
    let items = stream::iter(views).buffered(AT_A_TIME).collect().await;
    Ok(Block {
        row: row(app, fetched),
        parent: header.parent.to_string(),
        state_root: header.state_root.to_string(),
        transactions_root: header.transactions.to_string(),
        epoch: header.epoch,
        view: header.view,
        signed_by: signers(app, &fetched.bundle),
        items,
        from,
        next: (end < all).then_some(end),
    })
}

async fn transaction(app: &App, fetched: &Fetched, index: usize) -> TransactionView {
    let header = &fetched.bundle.header;
    let transaction = &fetched.bundle.transactions[index];
    let id = transaction.id();
    TransactionView {
        id: id.0.to_string(),
        height: header.height,
        time_ms: header.time_ms,
        index,
        sender: transaction.body.sender.to_string(),
        sender_client: sender(app, &transaction.body.sender)
            .await
            .map(|client| client.to_string()),
        expiry_height: transaction.body.expiry_height,
        call: transaction.body.call.name().to_owned(),
        fields: fields(transaction),
        outcome: outcome(app, header.height, index, &id).await,
    }
}

/// Who holds a certificate, or held it.
async fn sender(app: &App, id: &CertId) -> Option<ClientId> {
    let senders = &app.blocks.senders;
    let known = senders
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(id)
        .cloned();
    if known.is_some() {
        return known;
    }
    #[derive(Deserialize)]
    struct Named {
        client: ClientId,
    }
    #[derive(Deserialize)]
    struct Record {
        certificate: Named,
    }
    #[derive(Deserialize)]
    struct Answer {
        value: Option<Record>,
    }
    let asked = app.upstream.json(&format!("/v1/certificates/{id}")).await;
    let answer: Answer = asked.ok()?;
    let client = answer.value?.certificate.client;
    let mut known = senders.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= SENDERS_MAX {
        known.clear();
    }
    known.insert(*id, client.clone());
    Some(client)
}

/// What the ledger's interface says of a transaction that is final.
#[derive(Deserialize)]
struct Status {
    height: Option<u64>,
    index: Option<usize>,
    code: Option<u16>,
    outcome: Option<String>,
    text: Option<String>,
}

async fn outcome(app: &App, height: u64, index: usize, id: &TxId) -> Option<OutcomeView> {
    let told = app.feed.block(height);
    let told = told.as_ref().and_then(|it| it.transactions.get(index));
    if let Some(told) = told.filter(|it| it.code == 0 && it.id == id.0.to_string()) {
        return Some(OutcomeView {
            code: told.code,
            name: told.outcome.clone(),
            text: String::new(),
        });
    }
    let asked = app
        .upstream
        .json(&format!("/v1/transactions/{}", id.0))
        .await;
    let status: Status = asked.ok()?;
    Some(OutcomeView {
        code: status.code?,
        name: status.outcome.unwrap_or_default(),
        text: status.text.unwrap_or_default(),
    })
}

/// A call's fields; certificates by what they say.
fn fields(transaction: &Transaction) -> Value {
    let mut fields = json!(transaction.body.call);
    let Some(object) = fields.as_object_mut() else {
        return fields;
    };
    object.remove("call");
    let der = match &transaction.body.call {
        Call::RegisterCertificate(it) => Some(&it.der),
        Call::RenewCertificate(it) => Some(&it.der),
        _ => None,
    };
    if let Some(der) = der {
        object.remove("der");
        let said = Certificate::from_der(der).map(|it| {
            json!({
                "client": it.name, "role": it.role, "not_before_s": it.not_before_s,
                "not_after_s": it.not_after_s, "id": CertId(it.id()),
            })
        });
        object.insert("certificate".to_owned(), json!(said.ok()));
    }
    fields
}

// ---- routes -------------------------------------------------------------------------------------

/// Which blocks.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct Blocklist {
    /// The highest one; the last one when left out.
    from: Option<u64>,
    /// How many; at most 100, 25 when left out.
    limit: Option<u64>,
}

/// Blocks, the highest first.
#[utoipa::path(
    get, path = "/api/blocks", tag = "ledger", params(Blocklist),
    responses((status = 200, description = "Blocks, the highest first", body = BlockPage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Query(asked): Query<Blocklist>,
) -> Result<Json<BlockPage>, Problem> {
    let height = height(&app).await?;
    let first = asked.from.unwrap_or(height).min(height);
    let limit = asked.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let last = first.saturating_sub(limit).max(0);
    let heights = (last + 1..=first).rev();
    let fetched: Vec<_> = stream::iter(heights.map(|height| fetch(&app, height)))
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    Ok(Json(BlockPage {
        items: fetched.iter().map(|it| row(&app, it)).collect(),
        next: (last > 0).then_some(last),
        height,
    }))
}

/// The last final height.
pub(crate) async fn height(app: &App) -> Result<u64, Problem> {
    #[derive(Deserialize)]
    struct Status {
        height: u64,
    }
    if app.feed.away().is_none() && app.feed.height() > 0 {
        return Ok(app.feed.height());
    }
    let status: Status = app.upstream.json("/v1/status").await?;
    Ok(status.height)
}

/// Which transactions of a block.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct Within {
    /// From this index on; 0 when left out.
    from: Option<usize>,
    /// How many; at most 200, 200 when left out.
    limit: Option<usize>,
}

/// A block with its transactions.
#[utoipa::path(
    get, path = "/api/blocks/{height}", tag = "ledger",
    params(("height" = u64, Path, description = "Height, from 1"), Within),
    responses(
        (status = 200, description = "The block and its transactions", body = Block),
        (status = 404, description = "No such block yet", body = Problem),
    )
)]
pub(crate) async fn one(
    State(app): State<App>,
    Path(height): Path<u64>,
    Query(within): Query<Within>,
) -> Result<Json<Block>, Problem> {
    let fetched = fetch(&app, height).await?;
    let part = Part::From(
        within.from.unwrap_or(0),
        within.limit.unwrap_or(TRANSACTIONS_MAX),
    );
    Ok(Json(present(&app, &fetched, part).await?))
}

/// A transaction.
#[utoipa::path(
    get, path = "/api/transactions/{id}", tag = "ledger",
    params(("id" = String, Path, description = "Transaction id, hexadecimal")),
    responses(
        (status = 200, description = "The transaction, what it asked and what became of it", body = TransactionView),
        (status = 404, description = "Not in a block", body = Problem),
    )
)]
pub(crate) async fn one_transaction(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<TransactionView>, Problem> {
    let id = TxId(id.parse().map_err(Problem::argument)?);
    find_transaction(&app, &id).await.map(Json)
}

async fn find_transaction(app: &App, id: &TxId) -> Result<TransactionView, Problem> {
    let status: Status = app
        .upstream
        .json(&format!("/v1/transactions/{}", id.0))
        .await?;
    let (Some(height), Some(index)) = (status.height, status.index) else {
        let detail = format!("transaction {} waits for a block: ask again", id.0);
        return Err(Problem::not_found(detail));
    };
    let fetched = fetch(app, height).await?;
    if index >= fetched.bundle.transactions.len() {
        let detail = format!("block {height} has no transaction {index}");
        return Err(Problem::not_found(detail));
    }
    let block = present(app, &fetched, Part::One(index)).await?;
    let found = block.items.into_iter().next();
    found.ok_or_else(|| Problem::not_found(format!("transaction {} isn't there", id.0)))
}

// ---- search -------------------------------------------------------------------------------------

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct Sought {
    /// A height, a digest, an id, a client, a topic, or the beginning or a part of a client's id.
    q: String,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Hit {
    /// What it is.
    kind: HitKind,
    /// Its id: a height, a digest in hexadecimal, a client id, a topic.
    id: String,
    /// What to say of it, for instance whose certificate it is.
    about: String,
}

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HitKind {
    /// A block.
    Block,
    /// A transaction.
    Transaction,
    /// A client.
    Client,
    /// A topic.
    Topic,
    /// A package of archived messages.
    Package,
    /// A certificate.
    Certificate,
    /// An enrolment.
    Enrolment,
    /// An authorisation key.
    Authorisation,
    /// A compute key.
    ComputeKey,
    /// An evaluation.
    Evaluation,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hits {
    /// The best first.
    hits: Vec<Hit>,
}

/// Finds what has this height, digest, id or name.
#[utoipa::path(
    get, path = "/api/search", tag = "ledger", params(Sought),
    responses((status = 200, description = "What was found, the best first", body = Hits))
)]
pub(crate) async fn search(
    State(app): State<App>,
    Query(sought): Query<Sought>,
) -> Result<Json<Hits>, Problem> {
    let text = sought.q.trim();
    let mut hits = Vec::new();
    if let Ok(number) = text.parse::<u64>()
        && (1..=height(&app).await?).contains(&number)
    {
        hits.push(hit(HitKind::Block, text, ""));
    }
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        by_digest(&app, &text.to_ascii_lowercase(), &mut hits).await?;
    }
    if let Ok(topic) = text.parse::<sealwire_envelope::TopicName>()
        && text.contains('/')
        && let Some(entry) = app.ledger.topic(&topic).await?
    {
        hits.push(hit(HitKind::Topic, text, entry.owner.as_str()));
    }
    for (client, role) in app.devices.named_like(text) {
        hits.push(hit(HitKind::Client, client.as_str(), role.as_str()));
    }
    Ok(Json(Hits { hits }))
}

fn hit(kind: HitKind, id: &str, about: &str) -> Hit {
    Hit {
        kind,
        id: id.to_owned(),
        about: about.to_owned(),
    }
}

async fn by_digest(app: &App, text: &str, hits: &mut Vec<Hit>) -> Result<(), Problem> {
    let digest: sealwire_sm::Sm3Digest = text.parse().map_err(Problem::argument)?;
    if let Some(height) = kept_with_digest(app, &digest) {
        hits.push(hit(HitKind::Block, &height.to_string(), text));
    }
    let ledger = &app.ledger;
    let (package, certificate) = (PackageId(digest), CertId(digest));
    let (enrolment, authorisation) = (
        sealwire_envelope::EnrolmentId(digest),
        sealwire_envelope::AuthorisationId(digest),
    );
    let (key, evaluation) = (
        sealwire_envelope::ComputeKeyId(digest),
        sealwire_envelope::EvaluationId(digest),
    );
    let found = tokio::join!(
        find_transaction_at(app, text),
        ledger.package(&package),
        ledger.certificate(&certificate),
        ledger.enrolment(&enrolment),
        ledger.authorisation(&authorisation),
        ledger.compute_key(&key),
        ledger.evaluation(&evaluation),
    );
    if let Some(height) = found.0 {
        hits.push(hit(HitKind::Transaction, text, &height.to_string()));
    }
    let mut add = |kind, about: Option<String>| {
        hits.extend(about.map(|about| hit(kind, text, &about)));
    };
    add(
        HitKind::Package,
        found.1?.map(|it| it.anchor.topic.to_string()),
    );
    add(
        HitKind::Certificate,
        found.2?.map(|it| it.client.to_string()),
    );
    add(HitKind::Enrolment, found.3?.map(|it| it.client.to_string()));
    add(
        HitKind::Authorisation,
        found.4?.map(|it| it.filter.to_string()),
    );
    add(
        HitKind::ComputeKey,
        found.5?.map(|it| it.key.owner.to_string()),
    );
    add(
        HitKind::Evaluation,
        found.6?.map(|it| it.evaluation.gateway.to_string()),
    );
    Ok(())
}

async fn find_transaction_at(app: &App, id: &str) -> Option<u64> {
    let asked = app.upstream.json(&format!("/v1/transactions/{id}")).await;
    let status: Status = asked.ok()?;
    status.height
}

/// A block that was looked at lately, by its digest: nodes have no index of digests.
fn kept_with_digest(app: &App, digest: &sealwire_sm::Sm3Digest) -> Option<u64> {
    let kept = app
        .blocks
        .kept
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let mut blocks = kept.blocks.iter();
    let found = blocks.find(|(_, (block, _))| block.bundle.header.digest() == *digest);
    found.map(|(height, _)| *height)
}
