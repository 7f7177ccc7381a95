//! Compute: keys that readings are encrypted to, and what was computed on such readings.
//!
//! The formats and the actors are those of `sealwire_envelope::compute`. The ledger computes nothing and
//! sees no ciphertext: it says which keys count, and holds a record of each evaluation before anybody gets
//! its result.
//!
//! - **RegisterComputeKey** (device or user): a key of the sender's, new to the ledger, of a known version.
//!   Its readings have at most nine decimals, a smallest below a largest (both within 2^53, so that every
//!   program can hold them), rising bin edges above the smallest up to the largest, and a short unit. The
//!   scheme says which halves there are: SM2 ElGamal brings its public half along (its digest is in the
//!   key), the BFV sets don't, because gateways hand theirs out by digest; the BFV sets that multiply name
//!   the digest of an evaluation key. Only an SM2 ElGamal key can be shared: among registered clients, each
//!   once and with a share of its own, of whom 1 to all must open together. An owner has at most 64 keys
//!   that aren't retired.
//! - **RetireComputeKey** (its owner, or an operator of the owner's organisation): for ever. Nothing is
//!   evaluated under it any more; what was evaluated can still be opened.
//! - **LogEvaluations** (gateway): one or more evaluations of its own, all or none, each new to the ledger and
//!   to the call. Its key is known and not retired; it has 1 to 64 inputs, each of another topic, with a range that
//!   isn't empty, and what each turned out to be; its function fits its inputs and its key; its height is
//!   past, but not long past; its time isn't more than ten minutes ahead of the block's. And its
//!   *requester* has the right `compute` on every input's topic when this block is executed, for the whole
//!   of the input's time range ([`crate::decide`]; a topic's owner always has it). The owner of the key
//!   needn't own the topics: the readings were encrypted to its key by whoever published them.
//!
//! A gateway hands out a result only once the call that logs it is final. So a right that was revoked in an
//! earlier block, or earlier in the same block, gives no result, whatever the gateway believed when it
//! began; and nobody has a result that the ledger doesn't know of.
//!
//! What is *not* asked here: whether the requester really asked (the gateway keeps the signed request, and
//! the record has its digest); whether the evaluation is true (anybody who has the packages evaluates again
//! and compares bytes); whether the function can be evaluated under the key's parameters without overflow
//! (the evaluator refuses that beforehand); whether the topics are open (on a sealed one there are no readings
//! to find).
//!
//! Invariants: a key and an evaluation are registered at most once and never deleted; a retired key stays
//! retired; the keys of an owner that aren't retired are exactly those in its `LiveKeys`; each evaluation is
//! listed once under its key and once under each of its topics.

use std::collections::BTreeSet;

use sealwire_envelope::compute::{
    COMPUTE_VERSION, ComputeJob, DECIMALS_MAX, EDGES_MAX, Evaluation, Function, HOLDERS_MAX,
    INPUTS_MAX, JobInput, ParameterSet, ReadingSpec, Sharing, UNIT_MAX_BYTES, Weights,
};
use sealwire_envelope::transaction::INLINE_KEY_MAX_BYTES;
use sealwire_envelope::{ClientId, ComputeKeyId, RegisterComputeKey, RetireComputeKey, TopicName};
use sealwire_sm::cert::Role;
use sealwire_sm::sm3;

use crate::context::{Context, Stop, ensure};
use crate::decide::Action;
use crate::entry::{
    ClientEntry, Closure, ComputeKeyEntry, EvaluationEntry, GrantEntry, LiveKeys, Mark, TopicEntry,
};
use crate::keys::{self, Granter};
use crate::limits::{
    CLOCK_AHEAD_MS, COMPUTE_KEYS_PER_OWNER, EVALUATION_AGE_BLOCKS, EVALUATION_BYTES,
    EVALUATIONS_PER_CALL, READING_MAGNITUDE, REASON_BYTES,
};
use crate::outcome::Code;
use crate::state::{Fault, Read};
use crate::topics::{ENDING_ROLES, TOPIC_ROLES};

pub(crate) fn register<R: Read>(
    ctx: &mut Context<'_, R>,
    call: &RegisterComputeKey,
) -> Result<(), Stop> {
    ctx.allow(TOPIC_ROLES)?;
    let key = &call.key;
    check_version("key", key.version)?;
    let owner = ctx.sender.client.clone();
    ensure!(key.owner == owner, ComputeKeyOwner, "{}", key.owner);
    check_readings(&key.readings)?;
    check_halves(call)?;
    if let Some(sharing) = &key.sharing {
        check_sharing(key.parameters, sharing)?;
    }
    let id = key.id();
    let (place, live_place) = (keys::compute_key(&id), keys::live_compute_keys(&owner));
    let holders = key.sharing.iter().flat_map(|sharing| &sharing.holders);
    let holders: Vec<&ClientId> = holders.map(|holder| &holder.client).collect();
    let first = holders.iter().map(|client| keys::client(client));
    ctx.touch(first.chain([place.clone(), live_place.clone()]))?;

    ensure!(!ctx.exists(&place)?, ComputeKeyKnown, "{id}");
    for client in holders {
        ensure!(
            ctx.exists(&keys::client(client))?,
            UnknownHolder,
            "{client}"
        );
    }
    let mut live: LiveKeys = ctx.entry(&live_place)?.unwrap_or_default();
    ensure!(
        live.keys.len() < COMPUTE_KEYS_PER_OWNER,
        TooManyComputeKeys,
        "{owner} has {}",
        live.keys.len()
    );
    live.keys.push(id);
    ctx.put(live_place, &live);
    ctx.put(keys::compute_key_of(&owner, &id), &Mark {});
    ctx.put(
        place,
        &ComputeKeyEntry {
            key: key.clone(),
            public_key: call.public_key.clone(),
            registered: ctx.block.moment(),
            retired: None,
        },
    );
    Ok(())
}

pub(crate) fn retire<R: Read>(
    ctx: &mut Context<'_, R>,
    call: &RetireComputeKey,
) -> Result<(), Stop> {
    ctx.allow(ENDING_ROLES)?;
    let length = call.reason.len();
    ensure!(
        length <= REASON_BYTES,
        ReasonInvalid,
        "{length} bytes, at most {REASON_BYTES}"
    );
    let id = call.key;
    let place = keys::compute_key(&id);
    let entry: ComputeKeyEntry = ctx
        .entry(&place)?
        .ok_or_else(|| Code::UnknownComputeKey.because(id))?;
    let owner = entry.key.owner.clone();
    if ctx.sender.role == Role::Operator {
        let own = owner.org() == ctx.sender.org();
        ensure!(own, OtherOrganisation, "{id} belongs to {owner}");
    } else {
        let own = owner == ctx.sender.client;
        ensure!(own, NotOwner, "{id} belongs to {owner}");
    }
    check_not_retired(&id, &entry)?;
    let live_place = keys::live_compute_keys(&owner);
    let mut live: LiveKeys = ctx.entry(&live_place)?.ok_or_else(|| Fault::Corrupt {
        key: live_place.clone(),
    })?;
    live.keys.retain(|known| *known != id);
    ctx.put(live_place, &live);
    let retired = Some(Closure {
        at: ctx.block.moment(),
        by: ctx.sender.client.clone(),
        reason: call.reason.clone(),
    });
    ctx.put(place, &ComputeKeyEntry { retired, ..entry });
    Ok(())
}

pub(crate) fn log_evaluations<R: Read>(
    ctx: &mut Context<'_, R>,
    evaluations: &[Evaluation],
) -> Result<(), Stop> {
    ctx.allow(&[Role::Gateway])?;
    ensure!(!evaluations.is_empty(), BatchEmpty, "no evaluation");
    let count = evaluations.len();
    ensure!(
        count <= EVALUATIONS_PER_CALL,
        BatchTooLarge,
        "{count} evaluations, at most {EVALUATIONS_PER_CALL}"
    );
    for (item, evaluation) in evaluations.iter().enumerate() {
        let length = sealwire_envelope::encode(evaluation).len();
        ensure!(
            length <= EVALUATION_BYTES,
            EvaluationTooLarge,
            "evaluation {item}: {length} bytes, at most {EVALUATION_BYTES}"
        );
        check_evaluation(ctx, evaluation)?;
    }
    touch_rights(ctx, evaluations)?;
    for evaluation in evaluations {
        log_evaluation(ctx, evaluation)?;
    }
    Ok(())
}

fn log_evaluation<R: Read>(ctx: &mut Context<'_, R>, evaluation: &Evaluation) -> Result<(), Stop> {
    let (id, job) = (evaluation.id(), &evaluation.job);
    let key: ComputeKeyEntry = ctx
        .entry(&keys::compute_key(&job.key))?
        .ok_or_else(|| Code::UnknownComputeKey.because(job.key))?;
    check_not_retired(&job.key, &key)?;
    check_function(job, &key.key.readings)?;
    let place = keys::evaluation(&id);
    ensure!(!ctx.exists(&place)?, EvaluationKnown, "{id}");
    for input in &job.inputs {
        check_right(ctx, &evaluation.requester, input)?;
    }
    let at = ctx.block.moment();
    let entry = EvaluationEntry {
        evaluation: evaluation.clone(),
        at,
    };
    ctx.put(place, &entry);
    ctx.put(keys::key_evaluation(&job.key, at.time_ms, &id), &Mark {});
    for input in &job.inputs {
        let listed = keys::topic_evaluation(&input.topic, at.time_ms, &id);
        ctx.put(listed, &Mark {});
    }
    Ok(())
}

/// State keys that a call with these evaluations reads, as far as it says so itself.
pub(crate) fn footprint(evaluations: &[Evaluation], reads: &mut Vec<Vec<u8>>) {
    for evaluation in evaluations {
        let requester = &evaluation.requester;
        reads.extend([
            keys::evaluation(&evaluation.id()),
            keys::compute_key(&evaluation.job.key),
            keys::client(requester),
        ]);
        for input in &evaluation.job.inputs {
            reads.extend([
                keys::topic(&input.topic),
                keys::grant(requester, &input.topic),
            ]);
            // Who owns it now stands in its entry; nearly always whom its name says.
            let owner = input.topic.owner().map(Granter::Client);
            reads.extend(owner.map(|owner| keys::wide(requester, &owner)));
        }
    }
}

/// Asks at once for all that the evaluations' requesters' rights rest on: in two steps, however many there
/// are.
fn touch_rights<R: Read>(ctx: &Context<'_, R>, evaluations: &[Evaluation]) -> Result<(), Fault> {
    let mut reads = Vec::new();
    footprint(evaluations, &mut reads);
    ctx.touch(reads)?;
    let mut reads = Vec::new();
    for evaluation in evaluations {
        let requester = &evaluation.requester;
        if let Some(entry) = ctx.entry::<ClientEntry>(&keys::client(requester))? {
            reads.push(keys::certificate(&entry.certificate));
        }
        for input in &evaluation.job.inputs {
            if let Some(entry) = ctx.entry::<TopicEntry>(&keys::topic(&input.topic))? {
                reads.push(keys::wide(requester, &Granter::Client(entry.owner)));
            }
        }
    }
    ctx.touch(reads)?;
    Ok(())
}

/// Refuses an input whose topic the requester may not have computed on, or not for the whole of its range.
fn check_right<R: Read>(
    ctx: &Context<'_, R>,
    requester: &ClientId,
    input: &JobInput,
) -> Result<(), Stop> {
    let topic = &input.topic;
    let decision = ctx.decide(requester, Action::Compute(topic))?;
    ensure!(
        decision.is_allowed(),
        ComputeDenied,
        "{requester} on '{topic}': {}",
        decision.reason.name()
    );
    if let Some(grant) = &decision.grant {
        let within = covers_range(grant, input);
        ensure!(within, ComputeRange, "'{topic}' for {requester}");
    }
    Ok(())
}

/// Whether a grant's time range (whole seconds, both ends included) holds an input's (its end excluded).
fn covers_range(grant: &GrantEntry, input: &JobInput) -> bool {
    let (from_s, to_s) = (grant.from_s.unwrap_or(0), grant.to_s.unwrap_or(u64::MAX));
    from_s <= input.from_ms / 1000 && input.to_ms.saturating_sub(1) / 1000 <= to_s
}

fn check_version(what: &str, version: u8) -> Result<(), Stop> {
    ensure!(
        version == COMPUTE_VERSION,
        ComputeVersion,
        "{what}: version {version}, not {COMPUTE_VERSION}"
    );
    Ok(())
}

fn check_not_retired(id: &ComputeKeyId, entry: &ComputeKeyEntry) -> Result<(), Stop> {
    if let Some(retired) = &entry.retired {
        return Err(Code::ComputeKeyRetired
            .because(format_args!("{id} at height {}", retired.at.height))
            .into());
    }
    Ok(())
}

fn check_readings(readings: &ReadingSpec) -> Result<(), Stop> {
    let ReadingSpec {
        decimals,
        min,
        max,
        edges,
        unit,
    } = readings;
    ensure!(
        *decimals <= DECIMALS_MAX,
        ReadingsInvalid,
        "{decimals} decimals, at most {DECIMALS_MAX}"
    );
    let range = -READING_MAGNITUDE..=READING_MAGNITUDE;
    ensure!(
        min < max && range.contains(min) && range.contains(max),
        ReadingsInvalid,
        "from {min} to {max}, within {READING_MAGNITUDE}"
    );
    let count = edges.len();
    ensure!(
        count <= EDGES_MAX,
        ReadingsInvalid,
        "{count} edges, at most {EDGES_MAX}"
    );
    let inside = edges.iter().all(|edge| min < edge && edge <= max);
    ensure!(
        inside && edges.is_sorted_by(|a, b| a < b),
        ReadingsInvalid,
        "the edges don't rise from above {min} up to {max}"
    );
    let length = unit.len();
    ensure!(
        length <= UNIT_MAX_BYTES && !unit.chars().any(char::is_control),
        ReadingsInvalid,
        "a unit of {length} bytes, at most {UNIT_MAX_BYTES} without control characters"
    );
    Ok(())
}

/// The halves of the key that its scheme has, each where it belongs.
fn check_halves(call: &RegisterComputeKey) -> Result<(), Stop> {
    let key = &call.key;
    let (inline, evaluation) = match key.parameters {
        ParameterSet::Sm2ElgamalV1 => (true, false),
        ParameterSet::BfvAddV1 => (false, false),
        ParameterSet::BfvMulV1 | ParameterSet::BfvBitsV1 => (false, true),
    };
    ensure!(
        call.public_key.is_some() == inline,
        PublicHalfInvalid,
        "{:?}: {}",
        key.parameters,
        if inline { "missing" } else { "unexpected" }
    );
    if let Some(bytes) = &call.public_key {
        let length = bytes.len();
        ensure!(
            (1..=INLINE_KEY_MAX_BYTES).contains(&length),
            PublicHalfInvalid,
            "{length} bytes, at most {INLINE_KEY_MAX_BYTES}"
        );
        let digest = sm3(&[bytes]);
        ensure!(
            digest == key.public,
            PublicHalfInvalid,
            "its SM3 is {digest}"
        );
    }
    ensure!(
        key.evaluation.is_some() == evaluation,
        EvaluationHalfInvalid,
        "{:?}: {}",
        key.parameters,
        if evaluation { "missing" } else { "unexpected" }
    );
    Ok(())
}

fn check_sharing(parameters: ParameterSet, sharing: &Sharing) -> Result<(), Stop> {
    ensure!(
        parameters == ParameterSet::Sm2ElgamalV1,
        SharingInvalid,
        "{parameters:?} can't be shared"
    );
    let (threshold, holders) = (sharing.threshold, sharing.holders.len());
    ensure!(
        holders <= HOLDERS_MAX && (1..=holders).contains(&threshold.into()),
        SharingInvalid,
        "{threshold} of {holders}, at most {HOLDERS_MAX}"
    );
    let (mut clients, mut shares) = (BTreeSet::new(), BTreeSet::new());
    for holder in &sharing.holders {
        let client = &holder.client;
        ensure!(clients.insert(client), SharingInvalid, "{client} twice");
        ensure!(
            shares.insert(holder.share.as_bytes()),
            SharingInvalid,
            "{client}: a share that another has"
        );
    }
    Ok(())
}

/// What an evaluation says of itself, whatever the state.
fn check_evaluation<R: Read>(ctx: &Context<'_, R>, evaluation: &Evaluation) -> Result<(), Stop> {
    check_version("evaluation", evaluation.version)?;
    check_version("job", evaluation.job.version)?;
    ensure!(evaluation.evaluator > 0, ComputeVersion, "evaluator 0");
    ensure!(
        evaluation.gateway == ctx.sender.client,
        GatewayMismatch,
        "{}",
        evaluation.gateway
    );
    check_inputs(&evaluation.job.inputs, evaluation.inputs.len())?;
    let (height, present) = (evaluation.height, ctx.block.height);
    let oldest = present.saturating_sub(EVALUATION_AGE_BLOCKS);
    ensure!(
        (oldest..present).contains(&height),
        EvaluationHeight,
        "height {height}, this is block {present}"
    );
    let (time_ms, now_ms) = (evaluation.time_ms, ctx.block.time_ms);
    ensure!(
        time_ms <= now_ms.saturating_add(CLOCK_AHEAD_MS),
        EvaluationTime,
        "{time_ms} ms, block time is {now_ms} ms"
    );
    Ok(())
}

fn check_inputs(inputs: &[JobInput], found: usize) -> Result<(), Stop> {
    let count = inputs.len();
    ensure!(
        (1..=INPUTS_MAX).contains(&count) && found == count,
        JobInputsInvalid,
        "{count} inputs, 1 to {INPUTS_MAX}, and {found} digests"
    );
    let mut topics: BTreeSet<&TopicName> = BTreeSet::new();
    for JobInput {
        topic,
        from_ms,
        to_ms,
    } in inputs
    {
        ensure!(topics.insert(topic), JobInputsInvalid, "'{topic}' twice");
        ensure!(
            from_ms < to_ms,
            JobInputsInvalid,
            "'{topic}': {from_ms} to {to_ms} ms"
        );
    }
    Ok(())
}

/// A function that fits the inputs' number and the key's readings.
fn check_function(job: &ComputeJob, readings: &ReadingSpec) -> Result<(), Stop> {
    let inputs = job.inputs.len();
    match &job.function {
        Function::WeightedSum(weights) | Function::Linear(weights) => {
            check_weights(weights, inputs)?;
        }
        Function::Dot => ensure!(inputs == 2, FunctionInvalid, "dot of {inputs} inputs"),
        Function::CountOver(over) => {
            let (min, max) = (readings.min, readings.max);
            ensure!(
                (min..=max).contains(&over.threshold),
                FunctionInvalid,
                "threshold {}, readings from {min} to {max}",
                over.threshold
            );
        }
        Function::Sum
        | Function::Mean
        | Function::Variance
        | Function::Deviation
        | Function::Histogram
        | Function::Range => {}
    }
    Ok(())
}

fn check_weights(weights: &Weights, inputs: usize) -> Result<(), Stop> {
    let (count, decimals) = (weights.weights.len(), weights.decimals);
    ensure!(
        count == inputs,
        FunctionInvalid,
        "{count} weights for {inputs} inputs"
    );
    ensure!(
        decimals <= DECIMALS_MAX,
        FunctionInvalid,
        "weights of {decimals} decimals, at most {DECIMALS_MAX}"
    );
    Ok(())
}
