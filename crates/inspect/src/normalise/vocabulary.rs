//! Common words and their ranks: what letters have to become before a disguise is believed.
//! Counted over innocent and attacking texts alike (`words.txt`: English, most frequent first, then
//! Hindi in Latin letters and seven European languages).

use std::sync::OnceLock;

use crate::classifier::concepts::step;

const WORDS: &str = include_str!("words.txt");
const SLOTS_BITS: u32 = 14;
/// Longest word of the list.
pub(super) const WORD_BYTES_MAX: usize = 16;

/// Bits that say whether there is a word of such a hash at all: nearly all that is looked up is
/// none, and is not looked for in a table that no cache of a processor's core keeps.
const BITS: u32 = 17;
const SIXTY_FOURS: usize = 1 << (BITS - 6);

/// Hashes of words with their ranks.
struct Vocabulary {
    slots: Vec<(u64, u16)>,
    bits: Box<[u64; SIXTY_FOURS]>,
}

fn vocabulary() -> &'static Vocabulary {
    static VOCABULARY: OnceLock<Vocabulary> = OnceLock::new();
    VOCABULARY.get_or_init(|| {
        let mask = (1 << SLOTS_BITS) - 1;
        let mut slots = vec![(0, 0); mask + 1];
        let mut bits = Box::new([0; SIXTY_FOURS]);
        for (rank, word) in (0..).zip(WORDS.split_ascii_whitespace()) {
            let hash = word.bytes().fold(0, step);
            let (word, bit) = bit_of(hash);
            bits[word] |= 1 << bit;
            let mut at = place(hash);
            while let Some(slot) = slots.get_mut(at & mask) {
                if slot.0 == 0 {
                    *slot = (hash, rank);
                    break;
                }
                at += 1;
            }
        }
        Vocabulary { slots, bits }
    })
}

const fn place(hash: u64) -> usize {
    (hash >> (64 - SLOTS_BITS)) as usize
}

const fn bit_of(hash: u64) -> (usize, u32) {
    let number = hash >> (64 - BITS);
    ((number >> 6) as usize % SIXTY_FOURS, number as u32 & 63)
}

/// Rank of the word with this hash ([`step`] over its bytes), 0 for the most frequent one.
pub(super) fn rank_of_hash(hash: u64) -> Option<u16> {
    let Vocabulary { slots, bits } = vocabulary();
    let (word, bit) = bit_of(hash);
    if bits[word] >> bit & 1 == 0 {
        return None;
    }
    let mut at = place(hash);
    loop {
        match slots.get(at & (slots.len() - 1))? {
            (0, _) => return None,
            (known, rank) if *known == hash => return Some(*rank),
            _ => at += 1,
        }
    }
}

/// Rank of a word of small letters.
pub(super) fn rank(word: &[u8]) -> Option<u16> {
    if word.is_empty() || word.len() > WORD_BYTES_MAX {
        return None;
    }
    rank_of_hash(word.iter().copied().fold(0, step))
}

/// The most frequent words that are no chance.
pub(super) fn frequent() -> impl Iterator<Item = &'static str> {
    /// More words would make chance hits.
    const FREQUENT: usize = 400;
    let words = WORDS.split_ascii_whitespace();
    words.take(FREQUENT).filter(|word| word.len() >= 3)
}

/// Whether a word is common, and long enough to be no chance.
pub(super) fn is_known(word: &[u8]) -> bool {
    word.len() >= 3 && rank(word).is_some()
}

/// How many words of a text are.
pub(super) fn known_words(text: &str) -> usize {
    text.as_bytes()
        .split(|b| !b.is_ascii_lowercase())
        .filter(|word| is_known(word))
        .count()
}

#[cfg(test)]
mod tests {
    use super::{SLOTS_BITS, WORDS, is_known, known_words, rank};

    #[test]
    fn frequent_words_rank_first_and_the_table_is_not_crowded() {
        assert!(rank(b"the") < rank(b"instructions"));
        assert!(is_known(b"ignore") && !is_known(b"to") && !is_known(b"xqzw"));
        assert_eq!(known_words("ignore the xqzw, prompt"), 3);
        assert!(WORDS.split_ascii_whitespace().count() * 2 < 1 << SLOTS_BITS);
    }
}
