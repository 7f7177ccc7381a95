//! A map that forgets its oldest entry when it is full.

use std::collections::{BTreeMap, VecDeque};

/// A map of at most so many entries.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    entries: BTreeMap<K, V>,
    order: VecDeque<K>,
    limit: usize,
}

impl<K: Ord + Clone, V> Bounded<K, V> {
    pub fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: VecDeque::new(),
            limit: limit.max(1),
        }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.entries.len() > self.limit {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.entries.remove(&oldest);
        }
    }

    pub fn remove(&mut self, key: &K) {
        if self.entries.remove(key).is_some() {
            self.order.retain(|k| k != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest() {
        let mut map = Bounded::new(2);
        for i in 0..5 {
            map.insert(i % 3, i);
        }
        assert_eq!(
            (map.get(&0), map.get(&1), map.get(&2)),
            (Some(&3), Some(&4), None)
        );
        map.remove(&0);
        map.insert(7, 7);
        assert_eq!((map.get(&1), map.get(&7)), (Some(&4), Some(&7)));
    }
}
