//! What words are, remembered: texts repeat few words, and to look at every letter of every word
//! again is most of the work of reading.
//!
//! A table of fixed size in which a newer word takes the place of an older one. Words are compared
//! letter by letter, so that no word is ever taken for another and a score never depends on what
//! was read before.

use super::concepts::Classes;

/// Places of the table, of two words each: 512 KiB. With half of it twice as many words of English
/// are met anew.
const PLACES: usize = 8192;
const WORDS_PER_PLACE: usize = 2;
/// Numbers that a byte can be.
const NUMBERS: usize = 256;
/// Longest word that is remembered, with one byte to spare.
const WORD_BYTES_MAX: usize = 16;

/// What is known of a word.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    /// Its hash.
    pub(super) word: u64,
    /// That of its beginning.
    pub(super) stem: u64,
    /// Its first concept, or else its stem.
    pub(super) coarse: u64,
    pub(super) classes: Classes,
}

impl Word {
    #[inline]
    pub(super) const fn new(word: u64, stem: u64, classes: Classes) -> Self {
        let coarse = match classes[0] {
            0 => stem,
            _ => coarse_of(classes),
        };
        Self {
            word,
            stem,
            coarse,
            classes,
        }
    }
}

/// What stands for words of the same first concept; 0 without one.
const fn coarse_of(classes: Classes) -> u64 {
    (classes[0] as u64).wrapping_mul(0x2545_F491_4F6C_DD1D)
}

/// A word that is remembered.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Its letters; in the last byte, which no word has, the number of its classes.
    letters: [u64; 2],
    word: u64,
    stem: u64,
}

/// One line of a processor's cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Place([Known; WORDS_PER_PLACE]);

/// See the module.
#[derive(Debug)]
pub struct Memo {
    places: Vec<Place>,
    /// Classes that words have, by their number, and what stands for them: few words have any, and
    /// few differ. The first ones are none.
    classes: Box<[(Classes, u64); NUMBERS]>,
    /// How many of those there are.
    numbers: usize,
    /// Which word of a place goes next.
    next: usize,
}

impl Default for Memo {
    fn default() -> Self {
        Self {
            places: vec![Place::default(); PLACES],
            classes: Box::new([(Classes::default(), 0); NUMBERS]),
            numbers: 1,
            next: 0,
        }
    }
}

impl Memo {
    /// The word of so many small ASCII letters at `start`, padded with zeros. `None` if it is too
    /// long, or if it goes on with anything but white space or punctuation.
    #[inline]
    pub(super) fn plain_word(bytes: &[u8], start: usize, length: usize) -> Option<u128> {
        let next = bytes.get(start + length).copied().unwrap_or(0);
        if length >= WORD_BYTES_MAX || GOES_ON[usize::from(next)] {
            return None;
        }
        match Self::letters(bytes, start, length) {
            None => Some(padded(bytes.get(start..)?) & MASKS[length % WORD_BYTES_MAX]),
            letters => letters,
        }
    }

    /// So many letters at `start`, padded with zeros; `None` if they are too many, or at the end of a
    /// text.
    #[inline]
    pub(super) fn letters(bytes: &[u8], start: usize, length: usize) -> Option<u128> {
        let mask = MASKS.get(length)?;
        let window = bytes.get(start..start + WORD_BYTES_MAX)?;
        Some(u128::from_le_bytes(window.try_into().ok()?) & mask)
    }

    #[inline]
    pub(super) fn get(&self, letters: u128) -> Option<Word> {
        let [low, high] = halves(letters);
        let Place(words) = self.places.get(place(letters))?;
        let is = |known: &Known| (known.letters[0] ^ low) | (known.letters[1] ^ high) << 8 == 0;
        // Which of the two it is cannot be foreseen, nor whether it has classes: no jump depends on
        // either.
        let known = &words[usize::from(is(&words[1]))];
        if !is(known) {
            return None;
        }
        let number = (known.letters[1] >> 56) as u8;
        let (classes, coarse) = self.classes[usize::from(number)];
        let without = u64::from(number == 0).wrapping_neg();
        Some(Word {
            word: known.word,
            stem: known.stem,
            coarse: coarse | known.stem & without,
            classes,
        })
    }

    pub(super) fn put(&mut self, letters: u128, word: Word) {
        let known = self.classes.iter().take(self.numbers);
        let mut numbers = known.map(|(classes, _)| *classes);
        let number = numbers.position(|classes| classes == word.classes);
        let number = number.unwrap_or(self.numbers);
        let (Some(slot), Ok(byte)) = (self.classes.get_mut(number), u8::try_from(number)) else {
            return;
        };
        *slot = (word.classes, coarse_of(word.classes));
        self.numbers = self.numbers.max(number + 1);
        self.next = (self.next + 1) % WORDS_PER_PLACE;
        if let Some(place) = self.places.get_mut(place(letters)) {
            let [low, high] = halves(letters);
            place.0[self.next] = Known {
                letters: [low, high | u64::from(byte) << 56],
                word: word.word,
                stem: word.stem,
            };
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
