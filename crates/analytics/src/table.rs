//! A table that never holds more than it may: the place of what was not seen for longest goes to
//! who comes next.
//!
//! The longest-unseen is found among sixteen places drawn at random, which needs no list through
//! all of them: what goes is among the oldest few per cent. Evictions are counted, never silent.
//! Values lie in blocks, so that growing copies nothing and wastes at most one block.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::sketch::mix;
use crate::stored::{Input, Stored};

const BLOCK: usize = 256;
const DRAWN: u64 = 16;

/// Keys are hashes already.
#[derive(Clone, Copy, Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = mix(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

struct Slot<V> {
    key: u64,
    value: V,
}

/// See the module.
pub(crate) struct Table<V> {
    blocks: Vec<Vec<Slot<V>>>,
    /// When each place was last seen; apart, so that drawing sixteen is not sixteen cache misses.
    last: Vec<u32>,
    index: HashMap<u64, u32, BuildHasherDefault<Identity>>,
    count_max: usize,
    evicted: u64,
    draws: u64,
}

impl<V> Table<V> {
    pub(crate) fn new(count_max: usize) -> Self {
        Self {
            blocks: Vec::new(),
            last: Vec::new(),
            index: HashMap::default(),
            count_max: count_max.clamp(1, u32::MAX as usize),
            evicted: 0,
            draws: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// How many had to go.
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Bytes that the table holds itself, not counting what its values point to.
    pub(crate) fn bytes(&self) -> usize {
        let blocks = self.blocks.len() * BLOCK * size_of::<Slot<V>>();
        // A bucket of the index and its control byte.
        let buckets = (self.index.capacity() * 8 / 7).next_power_of_two();
        blocks + self.last.capacity() * 4 + buckets * (size_of::<(u64, u32)>() + 1)
    }

    fn slot(&mut self, at: u32) -> Option<&mut Slot<V>> {
        let at = at as usize;
        self.blocks.get_mut(at / BLOCK)?.get_mut(at % BLOCK)
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let at = *self.index.get(&key)?;
        self.slot(at).map(|slot| &mut slot.value)
    }

    #[cfg(test)]
    pub(crate) fn get(&self, key: u64) -> Option<&V> {
        let at = *self.index.get(&key)? as usize;
        let slot = self.blocks.get(at / BLOCK)?.get(at % BLOCK)?;
        Some(&slot.value)
    }

    /// The value of a key, made if it is not there.
    pub(crate) fn entry(&mut self, key: u64, now: u32, new: impl FnOnce() -> V) -> Option<&mut V> {
        let at = match self.index.get(&key) {
            Some(at) => *at,
            None => self.insert(key, now, new()),
        };
        if let Some(last) = self.last.get_mut(at as usize) {
            *last = now.max(*last);
        }
        self.slot(at).map(|slot| &mut slot.value)
    }

    fn insert(&mut self, key: u64, now: u32, value: V) -> u32 {
        let slot = Slot { key, value };
        let count = self.index.len();
        let at = if count < self.count_max {
            if count.is_multiple_of(BLOCK) {
                self.blocks.push(Vec::with_capacity(BLOCK));
            }
            if let Some(block) = self.blocks.last_mut() {
                block.push(slot);
                self.last.push(now);
            }
            count as u32
        } else {
            let at = self.longest_unseen();
            if let Some(place) = self.slot(at) {
                let gone = std::mem::replace(place, slot).key;
                self.index.remove(&gone);
                self.last[at as usize] = now;
            }
            self.evicted += 1;
            at
        };
        self.index.insert(key, at);
        at
    }

    fn longest_unseen(&mut self) -> u32 {
        let count = self.index.len() as u64;
        let (mut found, mut oldest) = (0, u32::MAX);
        for _ in 0..DRAWN {
            self.draws += 1;
            let at = (mix(self.draws) % count.max(1)) as u32;
            if let Some(last) = self.last.get(at as usize)
                && *last <= oldest
            {
                (found, oldest) = (at, *last);
            }
        }
        found
    }
}

impl<V: Stored> Table<V> {
    pub(crate) fn store(&self, out: &mut Vec<u8>) {
        (self.index.len() as u32).store(out);
        self.evicted.store(out);
        self.draws.store(out);
        for (slot, last) in self.blocks.iter().flatten().zip(&self.last) {
            slot.key.store(out);
            last.store(out);
            slot.value.store(out);
        }
    }

    /// Reads what was stored into an empty table; `None` if it is damaged or too much.
    pub(crate) fn load(&mut self, from: &mut Input<'_>) -> Option<()> {
        let count = u32::load(from)?;
        (self.evicted, self.draws) = (u64::load(from)?, u64::load(from)?);
        for _ in 0..count {
            let (key, last) = (u64::load(from)?, u32::load(from)?);
            let value = V::load(from)?;
            self.entry(key, last, || value)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;
    use crate::sketch::mix;
    use crate::stored::Input;

    #[test]
    fn the_longest_unseen_go_first_and_are_counted() {
        let mut table = Table::<u32>::new(1_000);
        for i in 0..1_000_u64 {
            table.entry(mix(i), i as u32, || i as u32);
        }
        for i in 1_000..1_500_u64 {
            table.entry(mix(i), i as u32, || i as u32);
        }
        assert_eq!((table.len(), table.evicted()), (1_000, 500));
        let recent = (1_300..1_500_u64).filter(|i| table.get(mix(*i)).is_some());
        assert!(recent.count() >= 195);
        let mut bytes = Vec::new();
        table.store(&mut bytes);
        let mut restored = Table::<u32>::new(1_000);
        restored.load(&mut Input::new(&bytes)).unwrap();
        assert_eq!((restored.len(), restored.evicted()), (1_000, 500));
        assert_eq!(restored.get(mix(1_499)), Some(&1_499));
    }
}
