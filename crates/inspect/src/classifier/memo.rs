//! What words are, remembered: texts repeat few words, and to look at every letter of every word
//! again is most of the work of reading.
//!
//! A table of fixed size in which a newer word takes the place of an older one. Words are compared
//! letter by letter, so that no word is ever taken for another and a score never depends on what
//! was read before.

use super::concepts::Classes;

/// Places of the table: 160 KiB.
const PLACES: usize = 4096;
/// Longest word that is remembered.
const WORD_BYTES_MAX: usize = 16;

/// What is known of a word.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub(super) word: u64,
    pub(super) stem: u64,
    pub(super) classes: Classes,
}

/// See the module.
#[derive(Debug)]
pub struct Memo {
    places: Vec<([u64; 2], Known)>,
}

impl Default for Memo {
    fn default() -> Self {
        Self {
            places: vec![([0; 2], Known::default()); PLACES],
        }
    }
}

impl Memo {
    /// The word of up to 16 small ASCII letters at `start`, padded with zeros, and its length.
    /// `None` if there is none, or if it goes on with anything but white space or punctuation.
    #[inline]
    pub(super) fn plain_word(bytes: &[u8], start: usize) -> Option<(u128, usize)> {
        let value = match bytes.get(start..start + WORD_BYTES_MAX) {
            Some(window) => u128::from_le_bytes(window.try_into().ok()?),
            None => padded(bytes.get(start..)?),
        };
        let length = letters(value);
        if length == 0 || length >= WORD_BYTES_MAX {
            return None;
        }
        let next = (value >> (8 * length)) as u8;
        if GOES_ON[usize::from(next)] {
            return None;
        }
        Some((value & ((1 << (8 * length)) - 1), length))
    }

    #[inline]
    pub(super) fn get(&self, word: u128) -> Option<Known> {
        let (known, what) = self.places.get(place(word))?;
        (*known == halves(word)).then_some(*what)
    }

    pub(super) fn put(&mut self, word: u128, known: Known) {
        if let Some(slot) = self.places.get_mut(place(word)) {
            *slot = (halves(word), known);
        }
    }
}

/// Two halves need no padding beside what else is kept.
#[inline]
const fn halves(word: u128) -> [u64; 2] {
    [word as u64, (word >> 64) as u64]
}

#[inline]
const fn place(word: u128) -> usize {
    let [low, high] = halves(word);
    let mixed = (low ^ high.rotate_left(23)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (64 - PLACES.ilog2())) as usize
}

/// The last bytes of a text; a zero byte ends a word.
#[cold]
fn padded(rest: &[u8]) -> u128 {
    let mut window = [0; WORD_BYTES_MAX];
    for (slot, byte) in window.iter_mut().zip(rest) {
        *slot = *byte;
    }
    u128::from_le_bytes(window)
}

/// How many small letters a value starts with.
#[inline]
const fn letters(value: u128) -> usize {
    const ONES: u128 = u128::MAX / 255;
    const HIGH: u128 = ONES * 0x80;
    let low = value & !HIGH;
    let from_a = low + ONES * (0x80 - b'a' as u128);
    let beyond_z = low + ONES * (0x80 - b'z' as u128 - 1);
    let letters = from_a & !beyond_z & !value & HIGH;
    ((letters ^ HIGH).trailing_zeros() / 8) as usize
}

/// What makes more of a word than its letters: digits, `_`, other scripts, and the signs of
/// apostrophes and addresses.
static GOES_ON: [bool; 256] = goes_on();

const fn goes_on() -> [bool; 256] {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        table[i] =
            b.is_ascii_alphanumeric() || !b.is_ascii() || matches!(b, b'_' | b'\'' | b'@' | b':');
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::Memo;

    #[test]
    fn words_end_where_their_letters_do() {
        let lengths: Vec<Option<usize>> = [
            "ignore all",
            "a",
            "rules.",
            "abcdefghijklmnop q",
            "abcdefghijklmno q",
            "it's",
            "x1",
            "caf\u{e9}",
            "http://",
            "me@x",
            "",
            " a",
        ]
        .iter()
        .map(|text| Memo::plain_word(text.as_bytes(), 0).map(|(_, length)| length))
        .collect();
        let plain = Some;
        assert_eq!(
            lengths,
            [
                plain(6),
                plain(1),
                plain(5),
                None,
                plain(15),
                None,
                None,
                None,
                None,
                None,
                None,
                None
            ]
        );
    }
}
