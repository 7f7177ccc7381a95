//! From payloads to batches of readings: what counts, and why the rest doesn't.
//!
//! A payload counts if it is a signed reading of the job's topic under the job's key, in a form that
//! the function takes, with a signature that holds, and not one that was there before. Its batch
//! counts once all of its parts are there and have exactly the ciphertexts that its readings need.
//! Everything else is left out **and counted** by reason: bytes that a device publishes must not stop
//! a computation over the readings of others.

use std::collections::{BTreeMap, BTreeSet};

use sealwire_envelope::{
    Blob, ClientId, ComputeKeyId, TopicName,
    compute::{COMPUTE_VERSION, ComputeKey, Form, ParameterSet, ReadingBody, SignedReading},
};
use serde::Serialize;

use crate::{plan, reading, scheme::BATCH_MAX};

/// Longest payload that is looked at, in bytes.
pub const PAYLOAD_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of ciphertexts of batches that still lack parts; the batch that began first goes.
pub const PENDING_MAX_BYTES: usize = 256 * 1024 * 1024;
/// What a part is counted for besides its ciphertexts' bytes.
const PART_BYTES: usize = 512;

/// Why a payload or a batch was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skipped {
    /// Not a signed reading at all.
    NoReading,
    /// Of another version.
    Version,
    /// Under another key.
    OtherKey,
    /// Made for another topic.
    OtherTopic,
    /// In a form that the function doesn't take.
    OtherForm,
    /// The signature doesn't hold.
    Signature,
    /// A part number, a count or a number of ciphertexts that can't be.
    Shape,
    /// Seen before.
    Repeated,
    /// Parts of one batch that contradict each other.
    Contradiction,
    /// Not all parts of the batch were there.
    Incomplete,
    /// A ciphertext isn't one.
    Ciphertext,
}

impl Skipped {
    /// Its name, as configuration and documents have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoReading => "no-reading",
            Self::Version => "version",
            Self::OtherKey => "other-key",
            Self::OtherTopic => "other-topic",
            Self::OtherForm => "other-form",
            Self::Signature => "signature",
            Self::Shape => "shape",
            Self::Repeated => "repeated",
            Self::Contradiction => "contradiction",
            Self::Incomplete => "incomplete",
            Self::Ciphertext => "ciphertext",
        }
    }
}

/// How many payloads or batches were left out, by reason.
pub type SkippedCounts = BTreeMap<Skipped, u64>;

/// A complete batch, not yet parsed.
pub(crate) struct Batch {
    pub(crate) count: u32,
    pub(crate) form: Form,
    pub(crate) ciphertexts: Vec<Blob>,
}

struct Pending {
    began: u64,
    form: Form,
    count: u32,
    parts: u16,
    /// Those that are there: no more memory than what came.
    there: BTreeMap<u16, Vec<Blob>>,
    bytes: usize,
}

/// Takes in the payloads of one input, in order.
pub(crate) struct Intake<'a> {
    key: &'a ComputeKey,
    id: ComputeKeyId,
    topic: &'a TopicName,
    forms: &'static [Form],
    senders: BTreeMap<ClientId, u32>,
    seen: BTreeSet<(u32, u64)>,
    pending: BTreeMap<(u32, u64), Pending>,
    /// In the order in which they began.
    order: BTreeMap<u64, (u32, u64)>,
    pending_bytes: usize,
    began: u64,
    pub(crate) skipped: SkippedCounts,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(key: &'a ComputeKey, topic: &'a TopicName, forms: &'static [Form]) -> Self {
        Self {
            id: key.id(),
            key,
            topic,
            forms,
            senders: BTreeMap::new(),
            seen: BTreeSet::new(),
            pending: BTreeMap::new(),
            order: BTreeMap::new(),
            pending_bytes: 0,
            began: 0,
            skipped: SkippedCounts::new(),
        }
    }

    /// What can be said of a payload alone; may run in any order.
    pub(crate) fn read(
        &self,
        payload: &[u8],
        authentic: &(impl Fn(&SignedReading) -> bool + ?Sized),
    ) -> Result<ReadingBody, Skipped> {
        if let Some(ciphertexts) = claimed_ciphertexts(payload) {
            // None is smaller: refused before anything is made of them.
            let smallest = plan::ciphertext_bytes(ParameterSet::Sm2ElgamalV1) as u64;
            if ciphertexts.saturating_mul(smallest) > payload.len() as u64 {
                return Err(Skipped::Shape);
            }
        }
        let reading = SignedReading::from_bytes(payload, PAYLOAD_MAX_BYTES);
        let reading = reading.map_err(|_| Skipped::NoReading)?;
        let body = &reading.body;
        if body.version != COMPUTE_VERSION {
            return Err(Skipped::Version);
        }
        if body.key != self.id {
            return Err(Skipped::OtherKey);
        }
        if body.topic != *self.topic {
            return Err(Skipped::OtherTopic);
        }
        if !self.forms.contains(&body.form) {
            return Err(Skipped::OtherForm);
        }
        let expected = self.expected(body);
        let sane = (1..=BATCH_MAX).contains(&(body.count as usize))
            && body.part < body.parts
            && usize::from(body.parts) <= expected
            && (1..=expected).contains(&body.ciphertexts.len())
            && body.batch.checked_add(body.part.into()) == Some(body.sequence);
        if !sane {
            return Err(Skipped::Shape);
        }
        if !authentic(&reading) {
            return Err(Skipped::Signature);
        }
        Ok(reading.body)
    }

    fn expected(&self, body: &ReadingBody) -> usize {
        plan::ciphertexts(
            self.key.parameters,
            body.form,
            &self.key.readings,
            body.count,
        )
    }

    pub(crate) fn skip(&mut self, reason: Skipped) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Takes the next payload in order; gives the batch that it completes.
    pub(crate) fn take(&mut self, body: ReadingBody) -> Option<Batch> {
        let next = self.senders.len() as u32;
        let sender = *self.senders.entry(body.sender.clone()).or_insert(next);
        if !self.seen.insert((sender, body.sequence)) {
            self.skip(Skipped::Repeated);
            return None;
        }
        let expected = self.expected(&body);
        if body.parts == 1 {
            return self.complete(body.count, body.form, body.ciphertexts, expected);
        }
        let place = (sender, body.batch);
        self.began += 1;
        let began = self.began;
        let batch = self.pending.entry(place).or_insert_with(|| Pending {
            began,
            form: body.form,
            count: body.count,
            parts: body.parts,
            there: BTreeMap::new(),
            bytes: 0,
        });
        self.order.insert(batch.began, place);
        if (batch.form, batch.count, batch.parts) != (body.form, body.count, body.parts) {
            self.skip(Skipped::Contradiction);
            return None;
        }
        // Not there yet: the sequence says the part, and no sequence comes twice.
        let bytes = body
            .ciphertexts
            .iter()
            .map(|blob| blob.len() + size_of::<Blob>());
        let bytes = PART_BYTES + bytes.sum::<usize>();
        batch.there.insert(body.part, body.ciphertexts);
        batch.bytes += bytes;
        self.pending_bytes += bytes;
        if batch.there.len() < usize::from(batch.parts) {
            self.limit_pending();
            return None;
        }
        let batch = self.remove(place)?;
        let ciphertexts = batch.there.into_values().flatten().collect();
        self.complete(batch.count, batch.form, ciphertexts, expected)
    }

    fn remove(&mut self, place: (u32, u64)) -> Option<Pending> {
        let batch = self.pending.remove(&place)?;
        self.order.remove(&batch.began);
        self.pending_bytes -= batch.bytes;
        Some(batch)
    }

    fn complete(
        &mut self,
        count: u32,
        form: Form,
        ciphertexts: Vec<Blob>,
        expected: usize,
    ) -> Option<Batch> {
        if ciphertexts.len() != expected {
            self.skip(Skipped::Shape);
            return None;
        }
        Some(Batch {
            count,
            form,
            ciphertexts,
        })
    }

    fn limit_pending(&mut self) {
        while self.pending_bytes > PENDING_MAX_BYTES {
            let Some((_, place)) = self.order.first_key_value() else {
                return;
            };
            self.remove(*place);
            self.skip(Skipped::Incomplete);
        }
    }

    /// The end of the input: what still lacks parts is left out.
    pub(crate) fn finish(mut self) -> SkippedCounts {
        for _ in 0..self.pending.len() {
            self.skip(Skipped::Incomplete);
        }
        self.skipped
    }
}

/// How many ciphertexts a payload says that it has; none if it doesn't look like a signed reading.
fn claimed_ciphertexts(payload: &[u8]) -> Option<u64> {
    /// Fields of a reading's body before its ciphertexts.
    const BEFORE: usize = 10;
    let mut decoder = minicbor::Decoder::new(payload);
    decoder.array().ok()?;
    decoder.array().ok()?;
    for _ in 0..BEFORE {
        decoder.skip().ok()?;
    }
    decoder.array().ok()?
}

/// A group of readings that share slots (one reading, in ElGamal), parsed: a ciphertext for each item.
pub(crate) struct Group<C> {
    pub(crate) count: u32,
    pub(crate) items: Vec<C>,
}

impl Batch {
    /// Parses the first `wanted` items of each group; none if any ciphertext of the batch isn't one.
    pub(crate) fn parse<C>(
        &self,
        key: &ComputeKey,
        wanted: usize,
        read: impl Fn(&[u8]) -> Option<C>,
    ) -> Option<Vec<Group<C>>> {
        let items = reading::items(self.form, &key.readings);
        let slots = plan::slots(key.parameters) as u32;
        let mut groups = Vec::new();
        for (index, blobs) in self.ciphertexts.chunks_exact(items).enumerate() {
            let before = index as u32 * slots;
            let mut parsed = Vec::with_capacity(wanted.min(items));
            for (item, blob) in blobs.iter().enumerate() {
                let ciphertext = read(blob)?;
                if item < wanted {
                    parsed.push(ciphertext);
                }
            }
            groups.push(Group {
                count: slots.min(self.count - before),
                items: parsed,
            });
        }
        Some(groups)
    }
}
