//! What a function keeps while readings pass by.

use rayon::prelude::*;
use sealwire_envelope::compute::Weights;

use super::{HELD_MAX_BYTES, RESULT_MAX_BYTES, Refused};
use crate::{
    batch::Group,
    bfv::{self, Ring},
    bound::COUNTED_GROUPS_MAX,
    scheme::Scheme,
};

/// Takes groups of readings, input after input, and ends with the result's bytes.
pub(super) trait Accumulate<C> {
    /// How many items of each reading it needs.
    fn items(&self) -> usize {
        1
    }
    /// Takes the next groups of an input.
    fn take(&mut self, input: usize, groups: Vec<Group<C>>) -> Result<(), Refused>;
    /// An input's end.
    fn end_input(&mut self, input: usize) -> Result<(), Refused>;
    /// The result's ciphertexts.
    fn finish(self: Box<Self>) -> Vec<Vec<u8>>;
}

/// A sum for each item, over all inputs, each with its weight.
pub(super) struct Sums<S: Scheme> {
    scheme: S,
    weights: Option<Vec<i64>>,
    /// Items before this are left out, and the others added into one; 0: every item for itself.
    merge_from: usize,
    input: Vec<S::Ciphertext>,
    total: Vec<S::Ciphertext>,
}

impl<S: Scheme> Sums<S> {
    pub(super) fn new(
        scheme: S,
        items: usize,
        weights: Option<Vec<i64>>,
        merge_from: usize,
    ) -> Self {
        let zeros = vec![scheme.zero(); items];
        Self {
            weights,
            merge_from,
            input: zeros.clone(),
            total: zeros,
            scheme,
        }
    }
}

impl<S: Scheme> Accumulate<S::Ciphertext> for Sums<S> {
    fn items(&self) -> usize {
        self.input.len()
    }

    fn take(&mut self, _: usize, groups: Vec<Group<S::Ciphertext>>) -> Result<(), Refused> {
        let scheme = &self.scheme;
        self.input
            .par_iter_mut()
            .enumerate()
            .for_each(|(item, sum)| {
                let before = sum.clone();
                let all: Vec<_> = groups
                    .iter()
                    .map(|group| &group.items[item])
                    .chain([&before])
                    .collect();
                *sum = scheme.sum(&all);
            });
        Ok(())
    }

    fn end_input(&mut self, input: usize) -> Result<(), Refused> {
        let zeros = vec![self.scheme.zero(); self.input.len()];
        let mut sums = std::mem::replace(&mut self.input, zeros);
        if let Some(weights) = &self.weights {
            self.scheme.multiply(&mut sums, weights[input]);
        }
        self.scheme.add_each(&mut self.total, &sums);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Vec<Vec<u8>> {
        let Self {
            scheme,
            merge_from,
            total,
            ..
        } = *self;
        if merge_from > 0 {
            let merged: Vec<_> = total[merge_from..].iter().collect();
            return vec![scheme.total(scheme.sum(&merged))];
        }
        total.into_iter().map(|sum| scheme.total(sum)).collect()
    }
}

/// Where the rows of an input are against those of the first.
struct Alignment {
    function: &'static str,
    counts: Vec<u32>,
    at: usize,
}

impl Alignment {
    fn next(&mut self, input: usize, count: u32) -> Result<usize, Refused> {
        if input == 0 {
            self.counts.push(count);
            return Ok(self.counts.len() - 1);
        }
        let expected = self.counts.get(self.at).copied().unwrap_or(0);
        if expected != count {
            return Err(self.mismatch(input, expected, count));
        }
        self.at += 1;
        Ok(self.at - 1)
    }

    fn end(&mut self, input: usize) -> Result<(), Refused> {
        if input > 0 && self.at < self.counts.len() {
            return Err(self.mismatch(input, self.counts[self.at], 0));
        }
        self.at = 0;
        Ok(())
    }

    fn mismatch(&self, input: usize, expected: u32, found: u32) -> Refused {
        let before = self
            .counts
            .iter()
            .take(self.at)
            .map(|count| u64::from(*count));
        Refused::Rows {
            function: self.function,
            input: input + 1,
            row: before.sum::<u64>() + 1,
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// A weighted sum for each row.
pub(super) struct Rows<S: Scheme> {
    scheme: S,
    weights: Weights,
    with_counts: bool,
    alignment: Alignment,
    rows: Vec<S::Ciphertext>,
    bytes: usize,
}

impl<S: Scheme> Rows<S> {
    pub(super) fn new(scheme: S, weights: Weights, with_counts: bool) -> Self {
        let alignment = Alignment {
            function: "linear",
            counts: Vec::new(),
            at: 0,
        };
        let bytes = scheme.whole(&scheme.zero()).len();
        Self {
            scheme,
            weights,
            with_counts,
            alignment,
            rows: Vec::new(),
            bytes,
        }
    }
}

impl<S: Scheme> Accumulate<S::Ciphertext> for Rows<S> {
    fn take(&mut self, input: usize, groups: Vec<Group<S::Ciphertext>>) -> Result<(), Refused> {
        let first = if input == 0 {
            self.rows.len()
        } else {
            self.alignment.at
        };
        for group in &groups {
            self.alignment.next(input, group.count)?;
        }
        let mut terms: Vec<_> = groups.into_iter().flat_map(|group| group.items).collect();
        self.scheme
            .multiply(&mut terms, self.weights.weights[input]);
        if input > 0 {
            let end = first + terms.len();
            self.scheme.add_each(&mut self.rows[first..end], &terms);
        } else if (self.rows.len() + terms.len()) * (self.bytes + 4) > RESULT_MAX_BYTES {
            return Err(Refused::Large);
        } else {
            self.rows.extend(terms);
        }
        Ok(())
    }

    fn end_input(&mut self, input: usize) -> Result<(), Refused> {
        self.alignment.end(input)
    }

    fn finish(mut self: Box<Self>) -> Vec<Vec<u8>> {
        self.scheme
            .add_number(&mut self.rows, self.weights.intercept);
        let rows = self.rows.iter().zip(&self.alignment.counts);
        rows.map(|(row, count)| {
            let mut bytes = Vec::new();
            if self.with_counts {
                bytes.extend(count.to_be_bytes());
            }
            bytes.extend(self.scheme.whole(row));
            bytes
        })
        .collect()
    }
}

/// The sum and the sum of squares, by multiplication.
pub(super) struct Squares {
    ring: &'static Ring,
    key: bfv::Evaluation,
    sum: bfv::Ciphertext,
    squares: bfv::Products,
}

impl Squares {
    pub(super) fn new(ring: &'static Ring, key: bfv::Evaluation) -> Self {
        let (sum, squares) = (bfv::Ciphertext::zero(ring), bfv::Products::none(ring));
        Self {
            ring,
            key,
            sum,
            squares,
        }
    }
}

/// Sums of products, in parallel; addition is exact, so the order doesn't matter.
fn products<T: Sync>(
    ring: &'static Ring,
    terms: &[T],
    add: impl Fn(&mut bfv::Products, &T) + Sync,
) -> bfv::Products {
    let chunk = terms.len().div_ceil(rayon::current_num_threads()).max(1);
    let sums = terms.par_chunks(chunk).map(|terms| {
        let mut sum = bfv::Products::none(ring);
        terms.iter().for_each(|term| add(&mut sum, term));
        sum
    });
    sums.reduce_with(|mut a, b| {
        a.merge(&b);
        a
    })
    .unwrap_or_else(|| bfv::Products::none(ring))
}

impl Accumulate<bfv::Ciphertext> for Squares {
    fn take(&mut self, _: usize, groups: Vec<Group<bfv::Ciphertext>>) -> Result<(), Refused> {
        for group in &groups {
            self.sum.add(&group.items[0], self.ring);
        }
        let ring = self.ring;
        let squares = products(ring, &groups, |sum, group| {
            sum.add_square(&group.items[0].extend(ring));
        });
        self.squares.merge(&squares);
        Ok(())
    }

    fn end_input(&mut self, _: usize) -> Result<(), Refused> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Vec<Vec<u8>> {
        let squares = self.squares.finish(&self.key);
        [self.sum, squares]
            .map(|sum| sum.total(self.ring).to_bytes(self.ring))
            .into()
    }
}

/// The sum of the products of two inputs.
pub(super) struct Dots {
    ring: &'static Ring,
    key: bfv::Evaluation,
    alignment: Alignment,
    first: Vec<bfv::Ciphertext>,
    sum: bfv::Products,
}

impl Dots {
    pub(super) fn new(ring: &'static Ring, key: bfv::Evaluation) -> Self {
        let alignment = Alignment {
            function: "dot",
            counts: Vec::new(),
            at: 0,
        };
        let sum = bfv::Products::none(ring);
        Self {
            ring,
            key,
            alignment,
            first: Vec::new(),
            sum,
        }
    }
}

impl Accumulate<bfv::Ciphertext> for Dots {
    fn take(&mut self, input: usize, groups: Vec<Group<bfv::Ciphertext>>) -> Result<(), Refused> {
        let mut pairs = Vec::new();
        for mut group in groups {
            let at = self.alignment.next(input, group.count)?;
            if input == 0 {
                self.first.append(&mut group.items);
                if self.first.len() * bfv::Ciphertext::bytes_len(self.ring) > HELD_MAX_BYTES {
                    return Err(Refused::Held);
                }
            } else {
                pairs.push((at, group));
            }
        }
        let (ring, first) = (self.ring, &self.first);
        let sum = products(ring, &pairs, |sum, (at, group)| {
            sum.add(&first[*at].extend(ring), &group.items[0].extend(ring));
        });
        self.sum.merge(&sum);
        Ok(())
    }

    fn end_input(&mut self, input: usize) -> Result<(), Refused> {
        self.alignment.end(input)
    }

    fn finish(self: Box<Self>) -> Vec<Vec<u8>> {
        vec![
            self.sum
                .finish(&self.key)
                .total(self.ring)
                .to_bytes(self.ring),
        ]
    }
}

/// Readings above a threshold, bit by bit.
pub(super) struct Counts {
    ring: &'static Ring,
    key: bfv::Evaluation,
    threshold: u64,
    /// Counts that are full, and the one that is being filled with so many readings and groups.
    full: Vec<bfv::Ciphertext>,
    current: Option<bfv::Ciphertext>,
    readings: u64,
    groups: usize,
}

impl Counts {
    pub(super) fn new(ring: &'static Ring, key: bfv::Evaluation, threshold: u64) -> Self {
        Self {
            ring,
            key,
            threshold,
            full: Vec::new(),
            current: None,
            readings: 0,
            groups: 0,
        }
    }
}

impl Accumulate<bfv::Ciphertext> for Counts {
    fn items(&self) -> usize {
        // All bits, however many there are.
        usize::MAX
    }

    fn take(&mut self, _: usize, groups: Vec<Group<bfv::Ciphertext>>) -> Result<(), Refused> {
        let (key, threshold) = (&self.key, self.threshold);
        let counts: Vec<_> = groups
            .par_iter()
            .map(|group| bfv::above(&group.items, threshold, key))
            .collect();
        for (group, count) in groups.iter().zip(counts) {
            let count = count.unwrap_or_else(|| bfv::Ciphertext::zero(self.ring));
            self.readings += u64::from(group.count);
            self.groups += 1;
            // t - 1 is the largest count that one total tells from 0.
            let over = self.readings >= self.ring.numbers.t || self.groups > COUNTED_GROUPS_MAX;
            match &mut self.current {
                Some(current) if !over => current.add(&count, self.ring),
                current => {
                    self.full.extend(current.replace(count));
                    self.readings = group.count.into();
                    self.groups = 1;
                }
            }
        }
        if self.full.len() * bfv::Total::bytes_len(self.ring) > RESULT_MAX_BYTES {
            return Err(Refused::Large);
        }
        Ok(())
    }

    fn end_input(&mut self, _: usize) -> Result<(), Refused> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Vec<Vec<u8>> {
        let ring = self.ring;
        self.full.extend(self.current);
        self.full
            .into_iter()
            .map(|count| count.total(ring).to_bytes(ring))
            .collect()
    }
}
