//! Queries about compute keys and evaluations.

use sealwire_envelope::{ClientId, ComputeKeyId, EvaluationId, TopicName};
use serde::Serialize;

use crate::entry::{ComputeKeyEntry, EvaluationEntry, LiveKeys};
use crate::keys::{self, StateKey};
use crate::view::{Answer, Page, View};

/// A compute key and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComputeKeyRecord {
    /// Its id.
    pub id: ComputeKeyId,
    /// Its entry.
    pub compute_key: ComputeKeyEntry,
}

/// An evaluation and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvaluationRecord {
    /// Its id.
    pub id: EvaluationId,
    /// Its entry.
    pub evaluation: EvaluationEntry,
}

impl View {
    /// A compute key.
    pub fn compute_key(&self, id: &ComputeKeyId) -> Answer<Option<ComputeKeyEntry>> {
        self.one(keys::compute_key(id))
    }

    /// All compute keys of an owner, retired ones included, by id.
    pub fn compute_keys_of(&self, owner: &ClientId, page: &Page) -> Answer<Vec<ComputeKeyRecord>> {
        self.page(
            &keys::compute_keys_of(owner),
            &[],
            page,
            |reader, parsed, _| {
                let StateKey::ComputeKeyOf { id, .. } = parsed else {
                    return None;
                };
                let compute_key = reader.entry(keys::compute_key(&id))?;
                Some(ComputeKeyRecord { id, compute_key })
            },
        )
    }

    /// The compute keys of an owner that aren't retired, in the order of their registration; the list is
    /// complete, and its first key proves it.
    pub fn live_compute_keys_of(&self, owner: &ClientId) -> Answer<Vec<ComputeKeyRecord>> {
        let mut reader = self.reader();
        let live: LiveKeys = reader
            .entry(keys::live_compute_keys(owner))
            .unwrap_or_default();
        let records = live.keys.into_iter().filter_map(|id| {
            let compute_key = reader.entry(keys::compute_key(&id))?;
            Some(ComputeKeyRecord { id, compute_key })
        });
        let records = records.collect();
        reader.answer(records, None)
    }

    /// An evaluation.
    pub fn evaluation(&self, id: &EvaluationId) -> Answer<Option<EvaluationEntry>> {
        self.one(keys::evaluation(id))
    }

    /// Evaluations under a compute key that were logged in blocks of the times `from_ms..=to_ms`, in time
    /// order.
    pub fn evaluations_of_key(
        &self,
        key: &ComputeKeyId,
        from_ms: u64,
        to_ms: u64,
        page: &Page,
    ) -> Answer<Vec<EvaluationRecord>> {
        self.evaluations(&keys::key_evaluations(key), from_ms, to_ms, page)
    }

    /// Evaluations on a topic that were logged in blocks of the times `from_ms..=to_ms`, in time order.
    pub fn evaluations_of_topic(
        &self,
        topic: &TopicName,
        from_ms: u64,
        to_ms: u64,
        page: &Page,
    ) -> Answer<Vec<EvaluationRecord>> {
        self.evaluations(&keys::topic_evaluations(topic), from_ms, to_ms, page)
    }

    fn evaluations(
        &self,
        prefix: &[u8],
        from_ms: u64,
        to_ms: u64,
        page: &Page,
    ) -> Answer<Vec<EvaluationRecord>> {
        let from = [prefix, &from_ms.to_be_bytes()].concat();
        let mut page = page.clone();
        if page.newest_first
            && page.after.is_none()
            && let Some(end_ms) = to_ms.checked_add(1)
        {
            page.after = Some([prefix, &end_ms.to_be_bytes()].concat());
        }
        let mut is_over = false;
        let mut answer = self.page(prefix, &from, &page, |reader, parsed, _| {
            let (time_ms, id) = match parsed {
                StateKey::KeyEvaluation { time_ms, id, .. }
                | StateKey::TopicEvaluation { time_ms, id, .. } => (time_ms, id),
                _ => return None,
            };
            if time_ms > to_ms {
                is_over = true;
                return None;
            }
            let evaluation = reader.entry(keys::evaluation(&id))?;
            Some(EvaluationRecord { id, evaluation })
        });
        // Oldest first, nothing that is still to come lies within the range.
        if is_over && !page.newest_first {
            answer.next = None;
        }
        answer
    }
}
