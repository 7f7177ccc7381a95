//! Packages and records, for those who were granted them.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use sealwire_archive::{Kind, PackageRow};
use sealwire_contracts::Action;
use sealwire_envelope::{
    Blob, PackageId, Retrieval, TopicName, encode,
    record::{Package, PackagedRecord},
};
use sealwire_receipt::merkle;
use sealwire_sm::{Sm3Digest, sm3};
use serde::{Deserialize, Serialize};

use super::{
    problem::Problem,
    signed::{Reader, Signed},
};
use crate::{hub::Hub, now_ms, rights::Range, story::Story};

/// Packages on one page of a list.
const PAGE_MAX: u32 = 1_000;
/// Packages on one page unless asked otherwise.
const PAGE_DEFAULT: u32 = 100;

/// May the reader have this topic's records, and which? To read them, or else to verify them.
fn may_fetch(hub: &Hub, reader: &Reader, topic: &TopicName) -> Result<Range, Problem> {
    let decide = |action| hub.ledger().view().decide(&reader.client, action, now_ms());
    let decision = decide(Action::Read(topic));
    let decision = if decision.is_allowed() {
        decision
    } else {
        let verify = decide(Action::Verify(topic));
        if verify.is_allowed() {
            verify
        } else {
            decision
        }
    };
    if decision.is_allowed() {
        return Ok(Range::of(decision.grant.as_ref()));
    }
    let problem = Problem::forbidden(format!(
        "{} may not read {topic}: {} (height {})",
        reader.client, decision.reason, decision.height
    ));
    Err(problem.by(&reader.client))
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    topic: String,
    #[serde(default)]
    after: u64,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Listed {
    package: PackageId,
    number: u64,
    topic: String,
    count: u64,
    bytes: u64,
    from_ms: u64,
    to_ms: u64,
    epoch: u32,
    root: Sm3Digest,
    clients: Vec<String>,
    height: Option<u64>,
}

impl From<PackageRow> for Listed {
    fn from(row: PackageRow) -> Self {
        Self {
            package: row.package_id(),
            number: row.number,
            topic: row.topic,
            count: row.count,
            bytes: row.bytes,
            from_ms: row.from_ms,
            to_ms: row.to_ms,
            epoch: row.epoch,
            root: row.root,
            clients: row.clients,
            height: row.height,
        }
    }
}

pub(super) async fn packages(
    State(hub): State<Arc<Hub>>,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
    signed: Signed,
) -> Result<Response, Problem> {
    let reader = signed.reader;
    let Query(query) = query.map_err(|e| Problem::bad(e.body_text()))?;
    let topic: TopicName = query
        .topic
        .parse()
        .map_err(|e| Problem::bad(format!("{e}")))?;
    let range = may_fetch(&hub, &reader, &topic).inspect_err(|p| p.note_retrieval(&hub))?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let rows = hub
        .archive()
        .packages(topic.as_str(), query.after, limit)
        .await
        .map_err(|e| Problem::archive(&e))?;
    let next = (rows.len() == limit as usize)
        .then(|| rows.last().map(|row| row.number))
        .flatten();
    let packages: Vec<Listed> = rows
        .into_iter()
        .filter(|row| range.meets(row.from_ms, row.to_ms))
        .map(Listed::from)
        .collect();
    Ok(Json(serde_json::json!({ "packages": packages, "next": next })).into_response())
}

pub(super) async fn package(
    State(hub): State<Arc<Hub>>,
    Path(id): Path<String>,
    signed: Signed,
) -> Result<Response, Problem> {
    let reader = signed.reader;
    let (row, range) = find(&hub, &reader, &id)
        .await
        .inspect_err(|p| p.note_retrieval(&hub))?;
    if !range.holds(row.from_ms, row.to_ms) {
        let detail = "the grant opens only part of this package: fetch its records one by one";
        return Err(Problem::forbidden(detail)).inspect_err(|p| p.note_retrieval(&hub));
    }
    let records = hub.archive().records(&row).await?;
    let manifest = row
        .manifest(hub.client())
        .map_err(|e| Problem::archive(&e))?;
    let records = records
        .into_iter()
        .map(|record| Blob(record.bytes))
        .collect();
    let body = encode(&Package { manifest, records });
    hand_out(&hub, &reader, &row, None, body).await
}

pub(super) async fn record(
    State(hub): State<Arc<Hub>>,
    Path((id, index)): Path<(String, String)>,
    signed: Signed,
) -> Result<Response, Problem> {
    let reader = signed.reader;
    let index: u64 = index
        .parse()
        .map_err(|_| Problem::bad("the record's index isn't a number"))?;
    let (row, range) = find(&hub, &reader, &id)
        .await
        .inspect_err(|p| p.note_retrieval(&hub))?;
    let records = hub.archive().records(&row).await?;
    let at = usize::try_from(index).unwrap_or(usize::MAX);
    let leaves: Vec<Sm3Digest> = records.iter().map(|record| record.leaf).collect();
    let (Some(found), Some(path)) = (records.into_iter().nth(at), merkle::path(&leaves, at)) else {
        return Err(Problem::not_found(format!(
            "the package has {} records, from 0",
            row.count
        )));
    };
    let received_ms = found.message.received_ms;
    if !range.holds(received_ms, received_ms) {
        let detail = "the record lies outside the time range of the grant";
        return Err(Problem::forbidden(detail)).inspect_err(|p| p.note_retrieval(&hub));
    }
    let manifest = row
        .manifest(hub.client())
        .map_err(|e| Problem::archive(&e))?;
    let body = encode(&PackagedRecord {
        manifest,
        index,
        record: Blob(found.bytes),
        path,
    });
    hand_out(&hub, &reader, &row, Some(index), body).await
}

/// The package, if the reader may read its topic. That a package is here is no secret: its anchor is
/// on the ledger.
async fn find(hub: &Hub, reader: &Reader, id: &str) -> Result<(PackageRow, Range), Problem> {
    let id: PackageId = id
        .parse()
        .map_err(|e| Problem::bad(format!("the package id can't be read: {e}")))?;
    let row = hub
        .archive()
        .package(&id.0)
        .await
        .map_err(|e| Problem::archive(&e))?;
    let row = row.ok_or_else(|| Problem::not_found(format!("no package {id} here")))?;
    let topic: TopicName = row.topic.parse().map_err(|e| Problem::archive(&e))?;
    let range = may_fetch(hub, reader, &topic)?;
    Ok((row, range))
}

/// Record the retrieval, on disk, then answer.
async fn hand_out(
    hub: &Hub,
    reader: &Reader,
    row: &PackageRow,
    record: Option<u64>,
    body: Vec<u8>,
) -> Result<Response, Problem> {
    let retrieval = Retrieval {
        package: row.package_id(),
        reader: reader.client.clone(),
        request: reader.request,
        digest: sm3(&[&body]),
        time_ms: now_ms(),
    };
    let recorded = match hub
        .archive()
        .enqueue(Kind::Retrieval, encode(&retrieval))
        .await
    {
        Ok(pending) => pending.durable().await,
        Err(error) => Err(error),
    };
    recorded.map_err(|e| Problem::archive(&e))?;
    hub.metrics().retrievals.add(1);
    let client = reader.client.clone();
    hub.tell(Story::Retrieved {
        client,
        package: row.package_id(),
        record,
    });
    Ok(([(header::CONTENT_TYPE, "application/cbor")], body).into_response())
}
