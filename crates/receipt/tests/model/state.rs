//! The authenticated store as `sealwire_receipt::state` specifies it, in the plainest form: every
//! digest is computed afresh from the whole log. It shares no line with the verifier.

use std::collections::BTreeMap;

use sealwire_envelope::{
    encode,
    proof::{CHUNK_BYTES, Exclusion, Inclusion, OperationProof, StateEntry},
};
use sealwire_sm::{Sm3Digest, sm3};

const CHUNK: u64 = 256;

/// A log of operations with their activity bits.
pub struct Log {
    operations: Vec<(Vec<u8>, bool)>,
    inactive_peaks: usize,
}

impl Log {
    pub fn new(operations: Vec<(Vec<u8>, bool)>, inactive_peaks: usize) -> Self {
        Self {
            operations,
            inactive_peaks,
        }
    }

    pub fn len(&self) -> u64 {
        self.operations.len() as u64
    }

    /// Start and height of each peak, oldest first.
    fn peaks(&self) -> Vec<(u64, u32)> {
        let mut start = 0;
        let mut peaks = Vec::new();
        for height in (0..63).rev() {
            if self.len() >> height & 1 == 1 {
                peaks.push((start, height));
                start += 1 << height;
            }
        }
        peaks
    }

    fn chunk(&self, index: u64) -> [u8; CHUNK_BYTES] {
        let mut chunk = [0; CHUNK_BYTES];
        for bit in 0..CHUNK {
            let active = self
                .operations
                .get((index * CHUNK + bit) as usize)
                .is_some_and(|op| op.1);
            chunk[bit as usize / 8] |= u8::from(active) << (bit % 8);
        }
        chunk
    }

    fn node(&self, start: u64, height: u32, grafted: bool) -> Sm3Digest {
        // Nodes come into being as soon as both children are there: count those before this one.
        let born_before: u64 = (0..start + (1 << height))
            .map(|leaf| 1 + u64::from((leaf + 1).trailing_zeros()))
            .sum();
        let position = born_before
            - (u64::from((start + (1 << height)).trailing_zeros()) - u64::from(height))
            - 1;
        let position = position.to_be_bytes();
        if height == 0 {
            return sm3(&[&position, &self.operations[start as usize].0]);
        }
        let half = 1 << (height - 1);
        let left = self.node(start, height - 1, grafted);
        let right = self.node(start + half, height - 1, grafted);
        let digest = sm3(&[&position, &left.0, &right.0]);
        let chunk = self.chunk(start / CHUNK);
        if grafted && height == 8 && chunk != [0; CHUNK_BYTES] {
            sm3(&[&chunk, &digest.0])
        } else {
            digest
        }
    }

    fn tree_root(&self, grafted: bool) -> Sm3Digest {
        let peaks: Vec<_> = self
            .peaks()
            .into_iter()
            .map(|(start, height)| self.node(start, height, grafted))
            .collect();
        let mut bytes = vec![0, 1];
        bytes.extend(self.len().to_be_bytes());
        if self.inactive_peaks > 0 {
            bytes.extend((self.inactive_peaks as u64).to_be_bytes());
        }
        let (first, rest) = peaks.split_at(self.inactive_peaks.max(1));
        let mut folded = forward(first);
        if !rest.is_empty() {
            folded = sm3(&[&folded.0, &backward(rest).0]);
        }
        bytes.extend(folded.0);
        sm3(&[&bytes])
    }

    pub fn root(&self) -> Sm3Digest {
        let mut bytes = [self.tree_root(false).0, self.tree_root(true).0].concat();
        if let Some(last) = self.last_chunk() {
            bytes.extend((self.len() % CHUNK).to_be_bytes());
            bytes.extend(last.0);
        }
        sm3(&[&bytes])
    }

    fn last_chunk(&self) -> Option<Sm3Digest> {
        (!self.len().is_multiple_of(CHUNK)).then(|| sm3(&[&self.chunk(self.len() / CHUNK)]))
    }

    pub fn prove(&self, location: u64) -> OperationProof {
        let peaks = self.peaks();
        let own = peaks
            .iter()
            .position(|(start, height)| (*start..start + (1 << height)).contains(&location))
            .expect("a peak covers it");
        let all: Vec<_> = peaks
            .iter()
            .map(|(start, height)| self.node(*start, *height, true))
            .collect();
        let inactive = self.inactive_peaks;
        let mut digests = Vec::new();
        let folded = inactive.min(own);
        if folded > 0 {
            digests.push(forward(&all[..folded]));
        }
        digests.extend(&all[folded..own]);
        let single_end = inactive.max(own + 1);
        digests.extend(&all[own + 1..single_end]);
        if single_end < all.len() {
            digests.push(backward(&all[single_end..]));
        }
        let (start, height) = peaks[own];
        self.siblings(start, height, location, &mut digests);
        OperationProof {
            location,
            leaves: self.len(),
            inactive_peaks: inactive as u64,
            chunk: self.chunk(location / CHUNK),
            partial_chunk: self.last_chunk(),
            ops_root: self.tree_root(false),
            digests,
        }
    }

    fn siblings(&self, start: u64, height: u32, location: u64, into: &mut Vec<Sm3Digest>) {
        if height == 0 {
            return;
        }
        let half = 1 << (height - 1);
        if location < start + half {
            self.siblings(start, height - 1, location, into);
            into.push(self.node(start + half, height - 1, true));
        } else {
            into.push(self.node(start, height - 1, true));
            self.siblings(start + half, height - 1, location, into);
        }
    }
}

fn forward(peaks: &[Sm3Digest]) -> Sm3Digest {
    peaks
        .iter()
        .copied()
        .reduce(|acc, peak| sm3(&[&acc.0, &peak.0]))
        .expect("not empty")
}

fn backward(peaks: &[Sm3Digest]) -> Sm3Digest {
    peaks
        .iter()
        .copied()
        .rev()
        .reduce(|bag, peak| sm3(&[&peak.0, &bag.0]))
        .expect("not empty")
}

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

pub fn update(key: &Sm3Digest, value: &[u8], next: &Sm3Digest) -> Vec<u8> {
    [
        &[0xD2],
        key.0.as_slice(),
        &varint(value.len() as u64),
        value,
        &next.0,
    ]
    .concat()
}

/// A state: every entry's operation, some that were replaced, and a last commit.
pub struct State {
    entries: BTreeMap<[u8; 32], StateEntry>,
    log: Log,
    places: BTreeMap<[u8; 32], u64>,
}

impl State {
    /// A state with these entries, after `replaced` older operations.
    pub fn new(entries: &[(Vec<u8>, Vec<u8>)], replaced: usize, inactive_peaks: usize) -> Self {
        let entries: BTreeMap<_, _> = entries
            .iter()
            .map(|(key, value)| {
                (
                    sm3(&[key]).0,
                    StateEntry {
                        key: key.clone(),
                        value: value.clone(),
                    },
                )
            })
            .collect();
        let mut operations: Vec<_> = (0..replaced)
            .map(|i| (format!("replaced {i}").into_bytes(), false))
            .collect();
        let mut places = BTreeMap::new();
        let keys: Vec<_> = entries.keys().copied().collect();
        for (at, key) in keys.iter().enumerate() {
            let next = Sm3Digest(keys[(at + 1) % keys.len()]);
            places.insert(*key, operations.len() as u64);
            operations.push((
                update(&Sm3Digest(*key), &encode(&entries[key]), &next),
                true,
            ));
        }
        let floor = if keys.is_empty() {
            operations.len() as u64
        } else {
            0
        };
        operations.push(([&[0xD3, 0], varint(floor).as_slice()].concat(), true));
        Self {
            entries,
            log: Log::new(operations, inactive_peaks),
            places,
        }
    }

    pub fn root(&self) -> Sm3Digest {
        self.log.root()
    }

    fn next(&self, key: &[u8; 32]) -> Sm3Digest {
        let after = self
            .entries
            .range(*key..)
            .nth(1)
            .or_else(|| self.entries.iter().next());
        Sm3Digest(*after.expect("not empty").0)
    }

    pub fn include(&self, key: &[u8]) -> Inclusion {
        let key = sm3(&[key]).0;
        Inclusion {
            operation: self.log.prove(self.places[&key]),
            next_key: self.next(&key),
        }
    }

    pub fn exclude(&self, key: &[u8]) -> Exclusion {
        let key = sm3(&[key]).0;
        let lower = self
            .entries
            .range(..key)
            .next_back()
            .or_else(|| self.entries.iter().next_back());
        match lower {
            None => Exclusion::Empty {
                operation: self.log.prove(self.log.len() - 1),
                metadata: None,
            },
            Some((lower, entry)) => Exclusion::Span {
                operation: self.log.prove(self.places[lower]),
                key: Sm3Digest(*lower),
                value: encode(entry),
                next_key: self.next(lower),
            },
        }
    }
}
