//! The compute service over HTTP. Every request is signed ([`Signed`]).
//!
//! | Request | Who | Answer |
//! |---|---|---|
//! | `PUT /v1/compute/keys/{key}/{half}` (the bytes) | the key's owner | 204: it is kept |
//! | `GET /v1/compute/keys/{key}/{half}` | any device or user | the bytes |
//! | `POST /v1/compute/jobs` (CBOR: `ComputeJob`) | COMPUTE on every input | 202 JSON: the job's id; it is on disk |
//! | `GET /v1/compute/jobs` | any device or user | JSON: its own jobs, the newest first |
//! | `GET /v1/compute/jobs/{job}` | requester, key's owner, holders | JSON: `JobStatus` |
//! | `GET /v1/compute/jobs/{job}/result` | requester, key's owner, holders | CBOR: `Computed`, once it is recorded |
//! | `POST /v1/compute/standing` (CBOR: `StandingJob`) | COMPUTE on every topic, PUBLISH on the result's | 201 JSON: its id |
//! | `GET /v1/compute/standing` | any device or user | JSON: its own standing jobs |
//! | `DELETE /v1/compute/standing/{standing}` | who set it up | 204 |
//!
//! `{half}` is `public` or `evaluation`. Nothing here takes a plaintext or hears whether a result opened.

use std::sync::Arc;

use axum::{
    Json,
    extract::{DefaultBodyLimit, Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, put},
};
use sealwire_contracts::entry::ComputeKeyEntry;
use sealwire_envelope::{
    Blob, ComputeKeyId, JobId, StandingId,
    compute::{
        ComputeJob,
        service::{JOB_MAX_BYTES, KEY_HALF_MAX_BYTES, KeyHalf, StandingJob},
    },
    decode_bounded, encode,
};
use serde_json::json;

use super::{
    Route,
    problem::Problem,
    signed::{Reader, Signed},
};
use crate::{
    compute::{self, Asked, Kept, Progress, Refused, standing, store::Request},
    hub::Hub,
    now_ms,
    story::Story,
};

/// Jobs in one list.
const LIST_MAX: usize = 100;

/// The routes of the service.
pub(super) fn routes() -> Vec<Route> {
    let (job, half) = (
        DefaultBodyLimit::max(JOB_MAX_BYTES),
        DefaultBodyLimit::max(KEY_HALF_MAX_BYTES),
    );
    vec![
        (
            "/v1/compute/keys/{key}/{half}",
            &["GET", "PUT"],
            put(upload).get(download).layer(half),
        ),
        (
            "/v1/compute/jobs",
            &["GET", "POST"],
            get(jobs).post(ask).layer(job),
        ),
        ("/v1/compute/jobs/{job}", &["GET"], get(status)),
        ("/v1/compute/jobs/{job}/result", &["GET"], get(result)),
        (
            "/v1/compute/standing",
            &["GET", "POST"],
            get(all_standing).post(set_standing).layer(job),
        ),
        (
            "/v1/compute/standing/{standing}",
            &["DELETE"],
            delete(end_standing),
        ),
    ]
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, kind, title) = match &refused {
            Refused::Malformed(_) => return Self::bad(refused.to_string()),
            Refused::Right(_) => (StatusCode::FORBIDDEN, "no-right", "No right to do this"),
            Refused::Key(_) => (
                StatusCode::CONFLICT,
                "compute-key",
                "Nothing can be computed under this key",
            ),
            Refused::Inputs(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "job",
                "The job can't be done",
            ),
            Refused::Busy(_) => return Self::busy(refused.to_string()),
            Refused::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "The gateway stops",
            ),
            Refused::Storage(_) => {
                tracing::error!(error = %refused, "the compute service failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "storage",
                    "The gateway's storage failed",
                )
            }
        };
        Self::new(status, kind, title, refused.to_string())
    }
}

/// Answers, or counts and tells the refusal.
fn answer(
    hub: &Hub,
    reader: &Reader,
    answered: Result<impl IntoResponse, Problem>,
) -> Result<Response, Problem> {
    answered
        .map(IntoResponse::into_response)
        .map_err(|problem| problem.by(&reader.client))
        .inspect_err(|problem| problem.note_computation(hub))
}

fn parse<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| Problem::bad(format!("the {what} can't be read: {error}")))
}

// ---- keys -------------------------------------------------------------------------------------

async fn upload(
    State(hub): State<Arc<Hub>>,
    Path((key, half)): Path<(String, String)>,
    signed: Signed,
) -> Result<Response, Problem> {
    let Signed { reader, content } = signed;
    let keep = async {
        let (id, half, entry) = named_half(&hub, &key, &half)?;
        if entry.key.owner != reader.client {
            let owner = &entry.key.owner;
            let why = format!("compute key {id} is {owner}'s: only its owner uploads it");
            return Err(Refused::Right(why).into());
        }
        let bytes = content.to_vec();
        let checked = tokio::task::spawn_blocking(move || {
            let checked = match half {
                KeyHalf::Public => sealwire_compute::check_public(&entry.key, &bytes),
                KeyHalf::Evaluation => sealwire_compute::check_evaluation(&entry.key, Some(&bytes)),
            };
            checked.map(|()| bytes)
        });
        let checked = checked
            .await
            .map_err(|error| Refused::Storage(error.to_string()))?;
        let bytes = checked.map_err(|error| {
            Refused::Inputs(format!(
                "this isn't the {} half of compute key {id}: {error}",
                half.name()
            ))
        })?;
        let kept = hub
            .compute()
            .on_disk(move |store| store.put_key(&id, half, &bytes));
        kept.await?;
        Ok(StatusCode::NO_CONTENT)
    };
    let answered: Result<_, Problem> = keep.await;
    answer(&hub, &reader, answered)
}

async fn download(
    State(hub): State<Arc<Hub>>,
    Path((key, half)): Path<(String, String)>,
    signed: Signed,
) -> Result<Response, Problem> {
    let find = async {
        let (id, half, entry) = named_half(&hub, &key, &half)?;
        let found = hub.compute().on_disk(move |store| store.key(&id, half));
        let found = match (found.await?, half, entry.public_key) {
            (Some(found), ..) => found,
            (None, KeyHalf::Public, Some(inline)) => inline.0,
            (None, ..) => {
                return Err(Problem::not_found(format!(
                    "the {} half of compute key {id} isn't here: its owner, {}, uploads it to this gateway",
                    half.name(),
                    entry.key.owner
                )));
            }
        };
        Ok(([(header::CONTENT_TYPE, "application/octet-stream")], found))
    };
    answer(&hub, &signed.reader, find.await)
}

/// The half of a key that a path names; a key of the ledger.
fn named_half(
    hub: &Hub,
    key: &str,
    half: &str,
) -> Result<(ComputeKeyId, KeyHalf, ComputeKeyEntry), Problem> {
    let id: ComputeKeyId = parse("compute key's id", key)?;
    let half = KeyHalf::of(half).ok_or_else(|| {
        Problem::not_found("a compute key has the halves 'public' and 'evaluation'")
    })?;
    let entry = hub.ledger().view().compute_key(&id).value;
    let entry = entry.ok_or_else(|| {
        Problem::not_found(format!("compute key {id} isn't registered on the ledger"))
    })?;
    Ok((id, half, entry))
}

// ---- jobs -------------------------------------------------------------------------------------

async fn ask(State(hub): State<Arc<Hub>>, signed: Signed) -> Result<Response, Problem> {
    let Signed { reader, content } = signed;
    let take = async {
        let job: ComputeJob =
            decode_bounded(&content, JOB_MAX_BYTES).map_err(|e| Problem::bad(e.to_string()))?;
        compute::may(&hub, &reader.client, &job)?;
        let id = JobId(reader.request);
        let function = sealwire_compute::plan::name(&job.function);
        let asked = Asked {
            requester: reader.client.clone(),
            job,
            time_ms: now_ms(),
            request: request(&reader, &content),
            run_of: None,
        };
        hub.compute().take(id, asked).await?;
        hub.tell(Story::ComputationAsked {
            client: reader.client.clone(),
            job: id,
            function,
        });
        Ok((StatusCode::ACCEPTED, Json(json!({ "job": id }))))
    };
    let answered: Result<_, Problem> = take.await;
    answer(&hub, &reader, answered)
}

/// The signed request as it is kept.
fn request(reader: &Reader, content: &[u8]) -> Request {
    Request {
        digest: reader.request,
        signed: Blob(encode(&reader.signed)),
        content: Blob(content.to_vec()),
    }
}

async fn jobs(State(hub): State<Arc<Hub>>, signed: Signed) -> Result<Response, Problem> {
    let reader = signed.reader;
    let list = async {
        let client = reader.client.clone();
        let own = hub.compute().on_disk(move |store| {
            let mut own = store.jobs()?;
            own.retain(|(_, asked)| asked.requester == client);
            own.sort_by_key(|(id, asked)| std::cmp::Reverse((asked.time_ms, *id)));
            own.truncate(LIST_MAX);
            let mut kept = Vec::with_capacity(own.len());
            for (id, _) in own {
                kept.extend(store.job(&id)?.map(|job| (id, job)));
            }
            Ok(kept)
        });
        let own = own.await?.into_iter();
        let jobs: Vec<_> = own
            .map(|(id, kept)| compute::status(&hub, id, kept))
            .collect();
        Ok(Json(json!({ "jobs": jobs })))
    };
    let answered: Result<_, Problem> = list.await;
    answer(&hub, &reader, answered)
}

async fn status(
    State(hub): State<Arc<Hub>>,
    Path(job): Path<String>,
    signed: Signed,
) -> Result<Response, Problem> {
    let find = async {
        let (id, kept) = find(&hub, &signed.reader, &job).await?;
        Ok(Json(compute::status(&hub, id, kept)))
    };
    let answered: Result<_, Problem> = find.await;
    answer(&hub, &signed.reader, answered)
}

async fn result(
    State(hub): State<Arc<Hub>>,
    Path(job): Path<String>,
    signed: Signed,
) -> Result<Response, Problem> {
    let hand_out = async {
        let (id, kept) = find(&hub, &signed.reader, &job).await?;
        let missing = |why: String| {
            Problem::new(
                StatusCode::CONFLICT,
                "no-result",
                "There is no result",
                format!("job {id} {why}"),
            )
        };
        let computed = match kept.progress {
            Progress::Computed(computed) => computed,
            Progress::Refused(why) => return Err(missing(format!("was refused: {why}"))),
            Progress::Waiting => return Err(missing("isn't evaluated yet".to_owned())),
        };
        if compute::height_of(&hub, &computed.evaluation).is_none() {
            return Err(missing(
                "isn't recorded on the ledger yet: ask again after the next block".to_owned(),
            ));
        }
        hub.metrics().results.add(1);
        let body = encode(&*computed);
        Ok(([(header::CONTENT_TYPE, "application/cbor")], body))
    };
    answer(&hub, &signed.reader, hand_out.await)
}

/// A job, if the reader may hear of it.
async fn find(hub: &Hub, reader: &Reader, job: &str) -> Result<(JobId, Kept), Problem> {
    let id: JobId = parse("job's id", job)?;
    let kept = hub.compute().on_disk(move |store| store.job(&id)).await?;
    let kept = kept.ok_or_else(|| Problem::not_found(format!("there is no job {id} here")))?;
    if !compute::may_have(hub, &reader.client, &kept.asked) {
        let why = format!(
            "job {id} isn't {}'s: its requester, the key's owner and holders of its shares may ask",
            reader.client
        );
        return Err(Refused::Right(why).into());
    }
    Ok((id, kept))
}

// ---- standing jobs ----------------------------------------------------------------------------

async fn set_standing(State(hub): State<Arc<Hub>>, signed: Signed) -> Result<Response, Problem> {
    let Signed { reader, content } = signed;
    let set = async {
        let job: StandingJob =
            decode_bounded(&content, JOB_MAX_BYTES).map_err(|e| Problem::bad(e.to_string()))?;
        standing::may(&hub, &reader.client, &job)?;
        let (id, client) = (StandingId(reader.request), reader.client.clone());
        standing::set(&hub, id, client, job, request(&reader, &content)).await?;
        Ok((StatusCode::CREATED, Json(json!({ "standing": id }))))
    };
    let answered: Result<_, Problem> = set.await;
    answer(&hub, &reader, answered)
}

async fn all_standing(State(hub): State<Arc<Hub>>, signed: Signed) -> Result<Response, Problem> {
    let list = async {
        let own = standing::of(&hub, &signed.reader.client).await?;
        Ok(Json(json!({ "standing": own })))
    };
    let answered: Result<_, Problem> = list.await;
    answer(&hub, &signed.reader, answered)
}

async fn end_standing(
    State(hub): State<Arc<Hub>>,
    Path(id): Path<String>,
    signed: Signed,
) -> Result<Response, Problem> {
    let reader = signed.reader;
    let end = async {
        let id: StandingId = parse("standing job's id", &id)?;
        match standing::end(&hub, &reader.client, id).await? {
            Some(true) => Ok(StatusCode::NO_CONTENT),
            Some(false) => {
                let why = format!("standing job {id} isn't {}'s", reader.client);
                Err(Refused::Right(why).into())
            }
            None => Err(Problem::not_found(format!(
                "there is no standing job {id} here"
            ))),
        }
    };
    let answered: Result<_, Problem> = end.await;
    answer(&hub, &reader, answered)
}
