//! How surprising a class of tokens is after another: half bits, counted over innocent texts.
//!
//! One table of two bytes per place (a tag and a value), for words that are known, classes alone and
//! pairs of classes. A pair that was seen costs what its share among the pairs with the same beginning
//! says; one that was not, what the class alone says and a penalty (Brants et al. 2007, "stupid
//! backoff"). One lookup in two hundred finds something else, since tags are short: that is noise.

/// Places, as a power of two.
const PLACES_BITS: u32 = 17;
const PLACES: usize = 1 << PLACES_BITS;
/// Places beside its own that an entry may take.
const STEPS_MAX: usize = 8;
/// Half bits in a bit.
const PER_BIT: f32 = 2.0;
/// Bits that it costs not to have been seen as a pair.
const UNSEEN_PAIR: f32 = 1.3;
/// Bits of a class that was never seen.
const UNSEEN: f32 = 18.0;

/// What is known of a word or a run of signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing.
    Unknown,
    /// It occurs.
    Known,
    /// It is a class of its own.
    Common,
    /// It is one of the few that every text has.
    Frequent,
}

impl Word {
    const fn value(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Known => 1,
            Self::Common => 2,
            Self::Frequent => 3,
        }
    }
}

/// What goes into the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    key: u64,
    value: u8,
}

impl Entry {
    /// What is known of a word.
    #[must_use]
    pub const fn word(hash: u64, word: Word) -> Self {
        Self {
            key: word_key(hash),
            value: word.value(),
        }
    }

    /// That a class or a pair (see [`single_key`], [`pair_key`]) costs so many bits.
    #[must_use]
    pub fn cost(key: u64, bits: f32) -> Self {
        Self {
            key,
            value: (bits * PER_BIT).round().clamp(0.0, 255.0) as u8,
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Tag and value; 0 where there is nothing.
    places: Vec<u16>,
}

impl Costs {
    /// Bytes of a table in a file.
    pub(crate) const BYTES: usize = 2 * PLACES;

    /// A table of entries, the most important first: those that find no place are left out.
    #[must_use]
    pub fn new(entries: &[Entry]) -> Self {
        let mut places = vec![0; PLACES];
        for entry in entries {
            let (place, tag) = place(entry.key);
            let free = (place..place + STEPS_MAX)
                .map(|at| at % PLACES)
                .find(|at| matches!(places.get(*at), Some(0)));
            if let Some(slot) = free.and_then(|at| places.get_mut(at)) {
                *slot = u16::from(tag) << 8 | u16::from(entry.value);
            }
        }
        Self { places }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        let twos = bytes.chunks_exact(2);
        Self {
            places: twos
                .map(|two| two.try_into().map_or(0, u16::from_le_bytes))
                .collect(),
        }
    }

    pub(crate) fn write(&self) -> impl Iterator<Item = u8> {
        let places = self.places.iter().copied().chain(std::iter::repeat(0));
        places.take(PLACES).flat_map(u16::to_le_bytes)
    }

    fn get(&self, key: u64) -> Option<u8> {
        let (place, tag) = place(key);
        for step in 0..STEPS_MAX {
            let [found, value] = self.places.get((place + step) % PLACES)?.to_be_bytes();
            if found == tag {
                return Some(value);
            }
            if found == 0 {
                return None;
            }
        }
        None
    }

    /// What is known of the word with this hash.
    #[must_use]
    pub fn word(&self, hash: u64) -> Word {
        match self.get(word_key(hash)) {
            Some(1) => Word::Known,
            Some(2) => Word::Common,
            Some(3) => Word::Frequent,
            _ => Word::Unknown,
        }
    }

    /// Bits of surprise at a class behind another.
    #[must_use]
    pub fn after(&self, before: u64, this: u64) -> f32 {
        if let Some(cost) = self.get(pair_key(before, this)) {
            return f32::from(cost) / PER_BIT;
        }
        let single = self.get(single_key(this));
        UNSEEN_PAIR + single.map_or(UNSEEN, |cost| f32::from(cost) / PER_BIT)
    }
}

/// Where a key's entry is looked for first, and what it is known by: never 0.
const fn place(key: u64) -> (usize, u8) {
    let tag = key as u8;
    (
        (key >> (64 - PLACES_BITS)) as usize,
        if tag == 0 { 1 } else { tag },
    )
}

const fn mixed(value: u64) -> u64 {
    let value = (value ^ value >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (value ^ value >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The key of a word.
#[must_use]
pub const fn word_key(hash: u64) -> u64 {
    mixed(hash ^ 0x5157_1A00_0000_0000)
}

/// The key of a class.
#[must_use]
pub const fn single_key(class: u64) -> u64 {
    mixed(class ^ 0x0C1A_5500_0000_0000)
}

/// The key of a class behind another.
#[must_use]
pub const fn pair_key(before: u64, this: u64) -> u64 {
    mixed(before.rotate_left(23) ^ this ^ 0x00FA_1200_0000_0000)
}

#[cfg(test)]
mod tests {
    use super::{Costs, Entry, Word, pair_key, single_key};

    #[test]
    fn what_was_put_in_is_found_again() {
        let entries: Vec<Entry> = (0..40_000_u64)
            .map(|i| Entry::cost(pair_key(i, i * 7), (i % 30) as f32 / 2.0))
            .chain([
                Entry::word(77, Word::Common),
                Entry::cost(single_key(5), 3.0),
            ])
            .collect();
        let table = Costs::new(&entries);
        let costs = Costs::read(&table.write().collect::<Vec<u8>>());
        assert_eq!(costs, table);
        let right = |i: &u64| (costs.after(*i, i * 7) - (i % 30) as f32 / 2.0).abs() < 0.01;
        assert!((0..40_000).filter(right).count() > 39_600);
        assert_eq!(costs.word(77), Word::Common);
        // One in two hundred of what is not there may be taken for something else.
        let unknown = (0..10_000).filter(|i| costs.word(*i) == Word::Unknown);
        assert!(unknown.count() > 9_900);
        assert!((costs.after(1, 5) - 4.3).abs() < 0.01);
    }
}
