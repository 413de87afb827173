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
    /// The word of so many small ASCII letters at `start`, padded with zeros. `None` if it is too
    /// long, or if it goes on with anything but white space or punctuation.
    #[inline]
    pub(super) fn plain_word(bytes: &[u8], start: usize, length: usize) -> Option<u128> {
        let mask = MASKS.get(length)?;
        let next = bytes.get(start + length).copied().unwrap_or(0);
        if GOES_ON[usize::from(next)] {
            return None;
        }
        let value = match bytes.get(start..start + WORD_BYTES_MAX) {
            Some(window) => u128::from_le_bytes(window.try_into().ok()?),
            None => padded(bytes.get(start..)?),
        };
        Some(value & mask)
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

/// By the length of a word: its letters, of sixteen bytes.
static MASKS: [u128; WORD_BYTES_MAX] = masks();

const fn masks() -> [u128; WORD_BYTES_MAX] {
    let mut masks = [0; WORD_BYTES_MAX];
    let mut length = 1;
    while length < WORD_BYTES_MAX {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
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
        for (text, letters, is_plain) in [
            ("ignore all", 6, true),
            ("a", 1, true),
            ("rules.", 5, true),
            ("abcdefghijklmnop q", 16, false),
            ("abcdefghijklmno q", 15, true),
            ("it's", 2, false),
            ("x1", 1, false),
            ("caf\u{e9}", 3, false),
            ("http://", 4, false),
            ("me@x", 2, false),
        ] {
            let word = Memo::plain_word(text.as_bytes(), 0, letters);
            assert_eq!(word.is_some(), is_plain, "{text}");
            if let Some(word) = word {
                assert_eq!(&word.to_le_bytes()[..letters], &text.as_bytes()[..letters]);
            }
        }
    }
}
