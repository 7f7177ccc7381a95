//! Keys of compute keys and of what was computed under them.

use sealwire_envelope::{ClientId, ComputeKeyId, EvaluationId, TopicName};

use super::{END_OF_TOPIC, join};

pub(super) const COMPUTE_KEY: &[u8] = b"e/key/";
pub(super) const COMPUTE_KEYS: &[u8] = b"e/keys/";
pub(super) const LIVE_COMPUTE_KEYS: &[u8] = b"e/live/";
pub(super) const EVALUATION: &[u8] = b"e/eval/";
pub(super) const KEY_EVALUATION: &[u8] = b"e/under/";
pub(super) const TOPIC_EVALUATION: &[u8] = b"e/topic/";

/// A compute key, retired or not.
pub fn compute_key(id: &ComputeKeyId) -> Vec<u8> {
    join(&[COMPUTE_KEY, id.as_ref()])
}

/// A compute key in its owner's list.
pub fn compute_key_of(owner: &ClientId, id: &ComputeKeyId) -> Vec<u8> {
    join(&[&compute_keys_of(owner), id.as_ref()])
}

/// Prefix of all compute keys of an owner, retired ones included.
pub fn compute_keys_of(owner: &ClientId) -> Vec<u8> {
    join(&[COMPUTE_KEYS, owner.as_str().as_bytes(), b"/"])
}

/// The list of an owner's compute keys that aren't retired.
pub fn live_compute_keys(owner: &ClientId) -> Vec<u8> {
    join(&[LIVE_COMPUTE_KEYS, owner.as_str().as_bytes()])
}

/// An evaluation.
pub fn evaluation(id: &EvaluationId) -> Vec<u8> {
    join(&[EVALUATION, id.as_ref()])
}

/// An evaluation in the history of its key; the time is that of the block that logged it.
pub fn key_evaluation(key: &ComputeKeyId, time_ms: u64, id: &EvaluationId) -> Vec<u8> {
    join(&[&key_evaluations(key), &time_ms.to_be_bytes(), id.as_ref()])
}

/// Prefix of all evaluations under a key, oldest first.
pub fn key_evaluations(key: &ComputeKeyId) -> Vec<u8> {
    join(&[KEY_EVALUATION, key.as_ref()])
}

/// An evaluation in the history of one of its topics; the time is that of the block that logged it.
pub fn topic_evaluation(topic: &TopicName, time_ms: u64, id: &EvaluationId) -> Vec<u8> {
    let time = time_ms.to_be_bytes();
    join(&[&topic_evaluations(topic), &time, id.as_ref()])
}

/// Prefix of all evaluations on a topic, oldest first.
pub fn topic_evaluations(topic: &TopicName) -> Vec<u8> {
    let topic = topic.as_str().as_bytes();
    join(&[TOPIC_EVALUATION, topic, &[END_OF_TOPIC]])
}
