//! Words of many languages that mean the same to an attack, and how they are looked up.
//!
//! One hash table, filled from `concepts.txt`. A word is hashed byte by byte, so that every
//! beginning of it is looked up on the way; a small bit set in front of the table keeps almost all
//! of those look-ups in the processor's first cache.

use crate::normalise::fold_pattern;

/// Classes of one word that are kept.
pub(crate) const CLASSES_PER_WORD: usize = 2;
const SOURCE: &str = include_str!("concepts.txt");
const SLOTS_BITS: u32 = 14;
const BLOOM_BITS: u32 = 16;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// The classes of a word; 0 is none.
pub(crate) type Classes = [u8; CLASSES_PER_WORD];

/// The lexicon, ready to look up.
#[derive(Debug)]
pub struct Concepts {
    slots: Vec<(u64, Classes)>,
    bloom: Vec<u64>,
    /// First characters of words of scripts without blanks, a bit for each of their low 16 bits.
    unspaced: Vec<u64>,
    names: Vec<&'static str>,
}

impl Default for Concepts {
    fn default() -> Self {
        Self::builtin()
    }
}

impl Concepts {
    /// The built-in lexicon.
    #[must_use]
    pub fn builtin() -> Self {
        let mut concepts = Self {
            slots: vec![(0, [0; CLASSES_PER_WORD]); 1 << SLOTS_BITS],
            bloom: vec![0; 1 << (BLOOM_BITS - 6)],
            unspaced: vec![0; 1 << (16 - 6)],
            names: vec![""],
        };
        for line in SOURCE.lines() {
            let Some((name, words)) = line.split_once(':').filter(|_| !line.starts_with('#'))
            else {
                continue;
            };
            let class = concepts.class(name.trim());
            for word in words.split_whitespace() {
                concepts.add(word, class);
            }
        }
        concepts
    }

    /// Number of classes; class 0 is "none".
    #[must_use]
    pub const fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.len() <= 1
    }

    /// Name of a class.
    #[must_use]
    pub fn name(&self, class: u8) -> &'static str {
        self.names.get(usize::from(class)).copied().unwrap_or("")
    }

    /// The text that decides about classes: part of a model's identity.
    #[must_use]
    pub const fn source() -> &'static str {
        SOURCE
    }

    fn class(&mut self, name: &'static str) -> u8 {
        let known = self.names.iter().position(|known| *known == name);
        let place = known.unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        u8::try_from(place).unwrap_or(0)
    }

    fn add(&mut self, word: &str, class: u8) {
        let (stem, is_prefix) = word
            .strip_suffix('*')
            .map_or((word, false), |stem| (stem, true));
        let folded = fold_pattern(stem);
        let hash = folded.bytes().fold(0, step);
        let unspaced = folded.chars().next().filter(|c| is_unspaced(*c));
        let anywhere = unspaced.is_some();
        if let Some((word, bit)) = unspaced.map(place_of_char)
            && let Some(word) = self.unspaced.get_mut(word)
        {
            *word |= 1 << bit;
        }
        self.insert(key(hash, is_prefix || anywhere), class);
        self.bloom_set(hash);
    }

    fn insert(&mut self, key: u64, class: u8) {
        let mask = self.slots.len() - 1;
        let mut at = place(key);
        while let Some(slot) = self.slots.get_mut(at & mask) {
            if slot.0 == 0 || slot.0 == key {
                slot.0 = key;
                if !slot.1.contains(&class)
                    && let Some(free) = slot.1.iter_mut().find(|known| **known == 0)
                {
                    *free = class;
                }
                return;
            }
            at += 1;
        }
    }

    fn bloom_set(&mut self, hash: u64) {
        let bit = (hash >> (64 - BLOOM_BITS)) as usize;
        if let Some(word) = self.bloom.get_mut(bit >> 6) {
            *word |= 1 << (bit & 63);
        }
    }

    /// Whether a beginning of a word can be in the lexicon.
    #[inline]
    pub(crate) fn may_know(&self, hash: u64) -> bool {
        let bit = (hash >> (64 - BLOOM_BITS)) as usize;
        self.bloom
            .get(bit >> 6)
            .is_some_and(|word| word >> (bit & 63) & 1 == 1)
    }

    /// Whether a word of a script without blanks can start with a character.
    #[inline]
    pub(crate) fn may_start(&self, c: char) -> bool {
        let (word, bit) = place_of_char(c);
        self.unspaced
            .get(word)
            .is_some_and(|word| word >> bit & 1 == 1)
    }

    /// The classes of a whole word, or of all words that begin like this.
    #[inline]
    pub(crate) fn get(&self, hash: u64, is_prefix: bool) -> Option<Classes> {
        let key = key(hash, is_prefix);
        let mask = self.slots.len() - 1;
        let mut at = place(key);
        loop {
            let slot = self.slots.get(at & mask)?;
            if slot.0 == key {
                return Some(slot.1);
            }
            if slot.0 == 0 {
                return None;
            }
            at += 1;
        }
    }
}

/// The hash of a word that goes on with a byte.
#[inline]
pub(crate) const fn step(hash: u64, byte: u8) -> u64 {
    (hash.rotate_left(5) ^ byte as u64).wrapping_mul(MULTIPLIER)
}

const fn key(hash: u64, is_prefix: bool) -> u64 {
    (hash ^ if is_prefix { 0x5555 } else { 0 }) | 1 << 63
}

const fn place(key: u64) -> usize {
    (key.wrapping_mul(MULTIPLIER) >> (64 - SLOTS_BITS)) as usize
}

const fn place_of_char(c: char) -> (usize, u32) {
    let low = c as u32 & 0xFFFF;
    ((low >> 6) as usize, low & 63)
}

/// Scripts that put no blanks between words, or particles behind them.
pub(crate) const fn is_unspaced(c: char) -> bool {
    matches!(c as u32,
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1100..=0x11FF | 0x1780..=0x17FF
        | 0x3040..=0x30FF | 0x3130..=0x318F | 0x3400..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF
        | 0x20000..=0x2FA1F)
}

#[cfg(test)]
mod tests {
    use super::{Concepts, step};

    fn classes(word: &str) -> Vec<&'static str> {
        let concepts = Concepts::builtin();
        let hash = word.bytes().fold(0, step);
        let mut names: Vec<&str> = Vec::new();
        for is_prefix in [false, true] {
            for class in concepts.get(hash, is_prefix).into_iter().flatten() {
                names.push(concepts.name(class));
            }
        }
        names.retain(|name| !name.is_empty());
        names
    }

    #[test]
    fn words_of_many_languages_share_a_class() {
        for word in [
            "ignor",
            "vergiss",
            "olvid",
            "忘记",
            "ignorier",
            "забуд",
            "تجاهل",
        ] {
            assert!(classes(word).contains(&"override"), "{word}");
        }
        assert!(classes("banana").is_empty());
    }

    #[test]
    fn the_table_is_not_crowded() {
        let concepts = Concepts::builtin();
        let used = concepts.slots.iter().filter(|slot| slot.0 != 0).count();
        assert!(used * 2 < concepts.slots.len(), "{used}");
        assert!(concepts.len() < 64);
    }
}
