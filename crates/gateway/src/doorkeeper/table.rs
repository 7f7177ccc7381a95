//! A table of a fixed size that forgets the oldest, but what is worth keeping last.

use std::{collections::HashMap, hash::Hash};

/// Most entries of one table.
pub const ENTRIES_MAX: usize = 65_536;
/// Most entries of one generation.
const GENERATION_MAX: usize = ENTRIES_MAX / 2;
/// Most entries that outlive their generation.
const CARRIED_MAX: usize = GENERATION_MAX / 2;

/// Two generations: when the young one is full, it becomes the old one, and the old one is
/// forgotten; but what of it is worth keeping begins the next young one.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Clone, V: Default> Table<K, V> {
    pub fn new() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// What is known of `key`, if anything.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The entry of `key`, a new one if there is none. `worth` says which are worth keeping when
    /// room is needed, higher is more; none: may be forgotten.
    pub fn entry(&mut self, key: &K, worth: impl Fn(&V) -> Option<u64>) -> &mut V {
        if !self.young.contains_key(key) {
            if self.young.len() >= GENERATION_MAX {
                self.turn(worth);
            }
            let value = self.old.remove(key).unwrap_or_default();
            self.young.insert(key.clone(), value);
        }
        self.young.entry(key.clone()).or_default()
    }

    fn turn(&mut self, worth: impl Fn(&V) -> Option<u64>) {
        let mut kept: Vec<(u64, K, V)> = std::mem::take(&mut self.old)
            .into_iter()
            .filter_map(|(key, value)| Some((worth(&value)?, key, value)))
            .collect();
        kept.sort_by_key(|(worth, ..)| std::cmp::Reverse(*worth));
        kept.truncate(CARRIED_MAX);
        self.old = std::mem::take(&mut self.young);
        self.young = kept
            .into_iter()
            .map(|(_, key, value)| (key, value))
            .collect();
    }

    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_unless_it_is_worth_keeping() {
        let mut table: Table<u32, u64> = Table::new();
        let worth = |value: &u64| (*value > 0).then_some(*value);
        *table.entry(&0, worth) = 9;
        for key in 1..10 * ENTRIES_MAX as u32 {
            // More are worth keeping than there is room for, all less than the first.
            *table.entry(&key, worth) = u64::from(key % 4 != 0);
            assert!(table.len() <= ENTRIES_MAX);
        }
        assert_eq!(table.get(&0), Some(&9));
        assert_eq!(table.get(&1), None);
    }
}
