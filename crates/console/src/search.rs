//! One box for everything: heights, digests, ids, clients, topics.
//!
//! A digest may be any of seven things; the ledger is asked for all of them at once. Blocks are found by their
//! digest only while they are kept here: nodes have no index of digests.

use axum::{
    Json,
    extract::{Query, State},
};
use sealwire_envelope::{CertId, PackageId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{App, blocks, problem::Problem};

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
        && (1..=blocks::height(&app).await?).contains(&number)
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
    if let Some(height) = blocks::kept_with_digest(app, &digest) {
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
        blocks::height_of_transaction(app, text),
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
