//! Whether any literal can be at a place: one look per length of key.

use super::{KEYS, Literals, key};

/// The set of literals that are looked for everywhere, and the one of words near an attack.
pub(super) const EVERYWHERE: usize = 0;
pub(super) const WORDS: usize = 1;

/// Bits of a number that a key becomes here.
const BITS: u32 = 16;
const SIXTY_FOURS: usize = 1 << (BITS - 6);

/// For each length of [`KEYS`] the numbers of all keys, those of both sets side by side.
#[derive(Debug)]
pub(super) struct Known {
    bits: Box<[[[u64; 2]; SIXTY_FOURS]; KEYS.len()]>,
}

impl Known {
    pub(super) fn of(sets: [&Literals; 2]) -> Self {
        let mut bits = Box::new([[[0; 2]; SIXTY_FOURS]; KEYS.len()]);
        for (set, literals) in sets.into_iter().enumerate() {
            for (length, key) in literals.keys() {
                let (word, bit) = place(key);
                bits[length][word][set] |= 1 << bit;
            }
        }
        Self { bits }
    }

    /// The lengths of keys, as bits, at which a literal of a set may be found.
    #[inline]
    pub(super) fn lengths<const SET: usize>(&self, text: u128) -> u32 {
        let mut lengths = 0;
        let mut length = 0;
        while length < KEYS.len() {
            let (word, bit) = place(key(text, KEYS[length]));
            let known = self.bits[length][word][SET];
            lengths |= ((known >> bit & 1) as u32) << length;
            length += 1;
        }
        lengths
    }

    pub(super) const fn memory_bytes() -> usize {
        size_of::<[[[u64; 2]; SIXTY_FOURS]; KEYS.len()]>()
    }
}

/// The word and bit of a key.
#[inline]
const fn place(key: u32) -> (usize, u32) {
    let number = key >> (32 - BITS);
    ((number >> 6) as usize, number & 63)
}
