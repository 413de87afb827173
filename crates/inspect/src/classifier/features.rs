//! From folded text to features, in one pass and without memory of its own.
//!
//! Every token (word, number, address, sign; a character where a script has no blanks) gives its
//! word, pairs and triples with the words before it, and where the lexicon knows it, sequences of
//! concepts over gaps: "ignore … instructions" is the same feature in thirty languages.

use super::concepts::{Classes, Concepts, is_unspaced, step};
use super::memo::{Memo, Word};
use crate::normalise::lanes::{LANES, Lanes};
use crate::normalise::letters_from;

/// Who a text comes from: an instruction in a document means something else than in a user's
/// mouth, so each kind has its own weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The person who uses the model.
    User,
    /// Material that the model reads: documents, tool output, tool definitions.
    Material,
}

impl Kind {
    /// Tokens of a block; a window is two of them. What is hidden in material is a sentence or two
    /// among others of the author's; what a user asks for is the whole text.
    #[must_use]
    pub const fn block_tokens(self) -> u32 {
        match self {
            Self::User => 12,
            Self::Material => 8,
        }
    }
}

/// Takes what [`extract`] finds.
pub trait Sink {
    /// Whether features come token by token, in the order of the text. Whoever only adds up the
    /// weights of a block need not ask for that, and gets them sooner: see [`Reader::tell`].
    const BY_TOKEN: bool = true;
    /// A token starts; everything until the next one belongs to it.
    fn token(&mut self, _start: usize, _end: usize) {}
    /// A feature: its number, below [`FEATURES`].
    fn feature(&mut self, number: u32);
    /// The features that every token has; none of them is below [`HASHED_MIN`].
    fn features(&mut self, numbers: [u32; 5]) {
        numbers.into_iter().for_each(|number| self.feature(number));
    }
    /// A block of tokens that ends before byte `end` is complete; the last one may be shorter.
    fn block(&mut self, tokens: u32, end: usize);
}

/// Features of concepts and of pairs of them have numbers of their own, near each other, so that
/// their weights stay in the processor's first cache; all others share what is left by their hash.
const CONCEPTS_BITS: u32 = 14;
/// How many numbers those others have, as a power of two.
const HASHED_BITS: u32 = 20;
pub(super) const HASHED: usize = 1 << HASHED_BITS;
/// The first number of those.
pub(super) const HASHED_MIN: u32 = 1 << CONCEPTS_BITS;
/// Numbers of features.
pub const FEATURES: usize = HASHED_MIN as usize + HASHED;

/// Longest word of characters without blanks that the lexicon holds.
const UNSPACED_CHARS_MAX: usize = 8;
/// Tokens between two concepts that still belong together.
const GAP_TOKENS_MAX: u32 = 9;
/// A word this long is no word.
const WORD_BYTES_MAX: usize = 28;
/// Bytes of a word that make its stem.
const STEM_BYTES: usize = 5;

/// Finds every feature of a folded text. `memo` is kept from text to text.
pub fn extract(
    text: &str,
    (concepts, kind): (&Concepts, Kind),
    memo: &mut Memo,
    sink: &mut impl Sink,
) {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        concepts,
        memo,
        sink,
        at: 0,
        tokens: 0,
        block_tokens: kind.block_tokens(),
        place: Place::Line,
        row: Row::default(),
        in_row: 0,
        in_block: 0,
        known: [Known::default(); 2],
        mark: 0,
    };
    reader.run();
}

/// Where in a sentence a token stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Inside,
    Sentence,
    Line,
}

/// Tokens whose common features are still to be told, behind the two before them. Each part of them
/// lies by itself, so that it is written and read in the same size.
#[derive(Default)]
struct Row {
    word: [u64; ROW],
    stem: [u64; ROW],
    coarse: [u64; ROW],
}

impl Row {
    #[inline]
    fn set(&mut self, at: usize, word: &Word) {
        let at = at % ROW;
        self.word[at] = word.word;
        self.stem[at] = word.stem;
        self.coarse[at] = word.coarse;
    }

    /// The word, its stem and what it is coarsely.
    #[inline]
    fn get(&self, at: usize) -> [u64; 3] {
        let at = at % ROW;
        [self.word[at], self.stem[at], self.coarse[at]]
    }

    /// Keeps the last two tokens behind `count` others.
    fn shift(&mut self, count: usize) {
        for part in [&mut self.word, &mut self.stem, &mut self.coarse] {
            (part[0], part[1]) = (part[count % ROW], part[(count + 1) % ROW]);
        }
    }
}

/// A token with a concept.
#[derive(Clone, Copy, Default)]
struct Known {
    classes: Classes,
    /// Number of the token.
    at: u32,
}

struct Reader<'a, S> {
    text: &'a str,
    bytes: &'a [u8],
    concepts: &'a Concepts,
    memo: &'a mut Memo,
    sink: &'a mut S,
    at: usize,
    tokens: u32,
    in_block: u32,
    block_tokens: u32,
    place: Place,
    row: Row,
    /// Tokens in the row, without the two before them.
    in_row: usize,
    known: [Known; 2],
    /// Hash of the signs right before the token.
    mark: u64,
}

/// Places for the tokens of a block and the two before it, a power of two.
const ROW: usize = 16;
const _: () = assert!(Kind::User.block_tokens() as usize + 2 <= ROW);
const _: () = assert!(Kind::Material.block_tokens() as usize + 2 <= ROW);

impl<S: Sink> Reader<'_, S> {
    fn run(&mut self) {
        for base in (0..self.bytes.len()).step_by(LANES) {
            if self.at < base + LANES {
                self.block(base);
            }
        }
        if self.in_block > 0 {
            self.tell();
            self.sink.block(self.in_block, self.bytes.len());
        }
    }

    /// Reads what starts within 64 bytes.
    fn block(&mut self, base: usize) {
        let lanes = Lanes::at(self.bytes, base);
        let (letters, blanks, newlines) = (lanes.letters(), lanes.blanks(), lanes.newlines());
        let more = lanes.digits() | lanes.high();
        let signs = !(blanks | letters | more);
        // Most signs stand alone and are none of a token's features: see [`Self::signs`]. What
        // stands beside the block is not known, and might be a sign.
        let alone = signs & !(signs << 1 | 1) & !(signs >> 1 | 1 << (LANES - 1));
        let quiet = alone & lanes.quiet_signs();
        // What makes more of a word than its letters.
        let goes_on = more | lanes.word_signs();
        let from_here = from_lane(self.at.saturating_sub(base));
        let mut breaks = newlines | quiet & lanes.stops() & from_here;
        let mut rest = !(blanks | quiet) & from_here;
        while rest != 0 {
            let lane = rest.trailing_zeros();
            let later = u64::MAX << lane;
            if breaks & !later != 0 {
                self.behind(newlines & breaks & !later != 0);
                breaks &= later;
            }
            let length = (letters >> lane).trailing_ones();
            let end = lane + length;
            self.at = base + lane as usize;
            let is_plain = length > 0 && end < BLOCK_END && goes_on >> (end % BLOCK_END) & 1 == 0;
            if is_plain
                && let Some(word) = Memo::letters(self.bytes, self.at, length as usize)
                && let Some(word) = self.memo.get(word)
            {
                let start = self.at;
                self.at += length as usize;
                self.token((start, self.at), word);
                rest &= u64::MAX << (end % BLOCK_END);
            } else {
                self.any_word(base, letters);
                let from_here = from_lane(self.at - base);
                rest &= from_here;
                breaks &= newlines | from_here;
            }
        }
        if breaks != 0 {
            self.behind(newlines & breaks != 0);
        }
    }

    /// The next token stands behind a full stop, or behind a newline.
    #[inline]
    fn behind(&mut self, newline: bool) {
        let place = if newline {
            Place::Line
        } else {
            Place::Sentence
        };
        self.place = self.place.max(place);
    }

    /// Whatever starts here, in a block with letters there. Nearly every word is one of small letters
    /// only, and was met before.
    #[inline(never)]
    fn any_word(&mut self, base: usize, letters: u64) {
        let start = self.at;
        let lane = start - base;
        let length = (letters >> lane).trailing_ones() as usize;
        // What reaches the end of the block may go on.
        let length = match lane + length {
            LANES => letters_from(self.bytes, start),
            _ => length,
        };
        let word = Memo::plain_word(self.bytes, start, length).filter(|_| length > 0);
        let Some(word) = word.filter(|word| *word != WWW_WORD) else {
            return self.other();
        };
        let known = match self.memo.get(word) {
            Some(known) => known,
            None => self.meet(word, start, length),
        };
        self.at = start + length;
        self.token((start, self.at), known);
    }

    fn other(&mut self) {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        match CLASS[usize::from(byte)] {
            Byte::Blank | Byte::Newline => self.at += 1,
            Byte::Letter | Byte::Digit => self.word(),
            Byte::Sign => self.signs(),
            Byte::High => self.high(),
        }
    }

    /// What [`Self::word`] makes of such a word.
    #[cold]
    fn meet(&mut self, word: u128, start: usize, length: usize) -> Word {
        let mut hash = 0;
        let mut beginnings = [0_u64; 16];
        let mut known = 0_u32;
        let letters = self.bytes.get(start..start + length).unwrap_or_default();
        for (at, letter) in letters.iter().enumerate() {
            hash = step(hash, *letter);
            beginnings[at % 16] = hash;
            known |= u32::from(self.concepts.may_know(hash)) << (at % 16);
        }
        let stem = beginnings[length.clamp(1, STEM_BYTES) - 1];
        // The longest beginning says most.
        let mut classes = Classes::default();
        let mut beginnings_known = known & !0b11;
        while beginnings_known != 0 && classes[0] == 0 {
            let at = beginnings_known.ilog2();
            beginnings_known &= !(1 << at);
            let found = self.concepts.get(beginnings[at as usize % 16], true);
            classes = found.unwrap_or_default();
        }
        if classes[0] == 0
            && self.concepts.may_know(hash)
            && let Some(found) = self.concepts.get(hash, false)
        {
            classes = found;
        }
        let known = Word::new(hash, stem, classes);
        self.memo.put(word, known);
        known
    }

    /// A word that starts with an ASCII letter or digit, or with a letter of a spaced script.
    fn word(&mut self) {
        let start = self.at;
        let (mut hash, mut stem) = (0_u64, 0_u64);
        let mut classes = Classes::default();
        let mut digits = 0;
        let mut at = start;
        while let Some(byte) = self.bytes.get(at).copied() {
            match CLASS[usize::from(byte)] {
                Byte::Letter => {}
                Byte::Digit => digits += 1,
                Byte::High => {
                    // Latin, Greek, Cyrillic and others: nothing but letters.
                    if byte >= 0xC0 && !matches!(byte, 0xC3..=0xD7) && !self.goes_on(at) {
                        break;
                    }
                }
                _ if byte == b'\'' && self.letter_follows(at) => {}
                _ => break,
            }
            hash = step(hash, byte);
            at += 1;
            if at - start == STEM_BYTES {
                stem = hash;
            }
            if at - start >= 3
                && self.concepts.may_know(hash)
                && let Some(found) = self.concepts.get(hash, true)
            {
                classes = found;
            }
        }
        let length = at - start;
        self.at = at.max(start + 1);
        if classes[0] == 0
            && self.concepts.may_know(hash)
            && let Some(found) = self.concepts.get(hash, false)
        {
            classes = found;
        }
        if digits == length {
            hash = NUMBER;
        } else if length > WORD_BYTES_MAX || (digits > 3 && length > 12) {
            hash = BLOB;
        } else if self.bytes.get(at..at + 3) == Some(b"://") || hash == WWW {
            hash = ADDRESS;
            self.skip_address();
        } else if self.bytes.get(at) == Some(&b'@') && self.letter_follows(at) {
            hash = MAIL;
            self.skip_address();
        }
        if length < STEM_BYTES || classes[0] == 0 && hash < SPECIAL_MAX {
            stem = hash;
        }
        self.token((start, self.at), Word::new(hash, stem, classes));
    }

    fn skip_address(&mut self) {
        while self
            .bytes
            .get(self.at)
            .is_some_and(|b| !matches!(b, b' ' | b'\n' | b'\t' | b')' | b'"' | b'>' | b'\'' | b']'))
        {
            self.at += 1;
        }
    }

    fn letter_follows(&self, at: usize) -> bool {
        self.bytes
            .get(at + 1)
            .is_some_and(u8::is_ascii_alphanumeric)
    }

    /// Whether the character at `at` belongs to a word of a spaced script.
    fn goes_on(&self, at: usize) -> bool {
        self.char_at(at)
            .is_some_and(|c| is_letter(c) && !is_unspaced(c))
    }

    fn char_at(&self, at: usize) -> Option<char> {
        self.text.get(at..).and_then(|rest| rest.chars().next())
    }

    fn high(&mut self) {
        let Some(c) = self.char_at(self.at) else {
            self.at += 1;
            return;
        };
        if is_unspaced(c) {
            self.unspaced(c);
        } else if is_letter(c) {
            self.word();
        } else {
            self.at += c.len_utf8();
            self.place = Place::Sentence;
        }
    }

    /// The longest word of the lexicon that starts here, or else one character.
    fn unspaced(&mut self, first: char) {
        let start = self.at;
        if !self.concepts.may_start(first) {
            self.at += first.len_utf8();
            let bytes = self.bytes.get(start..self.at).unwrap_or_default();
            let hash = bytes.iter().fold(0, |hash, byte| step(hash, *byte));
            let word = Word::new(hash, hash, Classes::default());
            return self.token((start, self.at), word);
        }
        let rest = self.text.get(start..).unwrap_or("");
        let mut hash = 0;
        let mut end = start;
        let mut found = (start, Classes::default(), 0_u64);
        let mut first = (start, 0_u64);
        for (number, c) in rest.chars().take(UNSPACED_CHARS_MAX).enumerate() {
            if !is_unspaced(c) {
                break;
            }
            let next = end + c.len_utf8();
            for byte in self.bytes.get(end..next).unwrap_or_default() {
                hash = step(hash, *byte);
            }
            end = next;
            if number == 0 {
                first = (end, hash);
            }
            if self.concepts.may_know(hash)
                && let Some(classes) = self.concepts.get(hash, true)
            {
                found = (end, classes, hash);
            }
        }
        let (end, classes, hash) = if found.1[0] == 0 {
            (first.0, Classes::default(), first.1)
        } else {
            found
        };
        self.at = end.max(start + 1);
        self.token((start, self.at), Word::new(hash, hash, classes));
    }

    /// Signs in a row: what is not ordinary punctuation is a feature.
    fn signs(&mut self) {
        let start = self.at;
        let mut hash = SIGNS;
        let (mut last, mut repeated) = (0_u8, 0_u32);
        while let Some(byte) = self.bytes.get(self.at).copied() {
            if CLASS[usize::from(byte)] != Byte::Sign || self.at - start >= 64 {
                break;
            }
            repeated = if byte == last { repeated + 1 } else { 0 };
            // Three of a kind or thirty: the same.
            if repeated < 3 {
                hash = step(hash, byte);
            }
            last = byte;
            self.at += 1;
        }
        let length = self.at - start;
        if length == 1 && matches!(last, b',' | b'\'' | b'-' | b'(' | b')' | b'/' | b'&' | b'"') {
            return;
        }
        if matches!(
            last,
            b'.' | b'!' | b'?' | b':' | b';' | b']' | b'>' | b'}' | b'*' | b'#' | b'"'
        ) {
            self.place = self.place.max(Place::Sentence);
        }
        if length == 1 && last == b'.' {
            return;
        }
        self.mark = hash;
        self.emit(hash, M_MARK);
        let coarse = self.row.coarse[(self.in_row + 1) % ROW];
        self.emit(hash ^ coarse.rotate_left(11), M_MARK_AFTER);
    }

    /// A token. The features that every one has are told together with those of its neighbours.
    #[inline]
    fn token(&mut self, (start, end): (usize, usize), word: Word) {
        self.sink.token(start, end);
        self.row.set(self.in_row + 2, &word);
        self.in_row += 1;
        if S::BY_TOKEN {
            self.tell();
        }
        if self.place != Place::Inside {
            let place = if self.place == Place::Line {
                M_LINE
            } else {
                M_SENTENCE
            };
            self.emit(word.coarse, place);
            self.place = Place::Inside;
        }
        if self.mark != 0 {
            self.emit(self.mark ^ word.coarse.rotate_left(7), M_MARK_BEFORE);
            self.mark = 0;
        }
        if word.classes[0] != 0 {
            self.concepts_of(word.classes);
        }
        self.tokens += 1;
        self.in_block += 1;
        if self.in_block == self.block_tokens {
            self.tell();
            self.sink.block(self.block_tokens, self.at);
            self.in_block = 0;
        }
    }

    /// Tells the features that every token has, of those that wait for it: one after the other and
    /// without a question between, so that the processor fetches many weights at once.
    fn tell(&mut self) {
        let [mut older, mut last] = [self.row.get(0), self.row.get(1)];
        for at in 2..self.in_row + 2 {
            let this = self.row.get(at);
            let ([word, stem, coarse], [last_word, _, last_coarse]) = (this, last);
            let [_, older_stem, older_coarse] = older;
            let pair = coarse ^ last_coarse.rotate_left(13);
            self.sink.features([
                number(word, M_WORD),
                number(word ^ last_word.rotate_left(17), M_PAIR),
                number(stem ^ older_stem.rotate_left(29), M_SKIP),
                number(pair, M_COARSE_PAIR),
                number(pair ^ older_coarse.rotate_left(37), M_COARSE_TRIPLE),
            ]);
            (older, last) = (last, this);
        }
        self.row.shift(self.in_row);
        self.in_row = 0;
    }

    /// The concept, and its sequences with the two concepts before it.
    fn concepts_of(&mut self, classes: Classes) {
        let [older, last] = self.known;
        let near = |known: Known| known.classes[0] != 0 && self.tokens - known.at <= GAP_TOKENS_MAX;
        let last_classes = if near(last) { last.classes } else { [0; 2] };
        let older_class = if near(older) { older.classes[0] } else { 0 };
        let gap = u32::from(self.tokens - last.at > 3);
        self.concept(classes[0], (last_classes, gap), older_class);
        if classes[1] != 0 {
            self.concept(classes[1], (last_classes, gap), older_class);
        }
        let at = self.tokens;
        self.known = [last, Known { classes, at }];
    }

    #[inline]
    fn concept(&mut self, this: u8, (last, gap): (Classes, u32), older: u8) {
        self.sink.feature(concept_number(this));
        for previous in [last[0], last[1]] {
            if previous == 0 {
                break;
            }
            self.sink.feature(pair_number(this, previous, gap));
            if older != 0 {
                let triple = u64::from(this) << 16 | u64::from(previous) << 8 | u64::from(older);
                self.emit(triple, M_CONCEPT_TRIPLE);
            }
        }
        if older != 0 {
            self.sink.feature(apart_number(this, older));
        }
    }

    #[inline]
    fn emit(&mut self, value: u64, family: u64) {
        self.sink.feature(number(value, family));
    }
}

/// The number of a hashed feature.
#[inline]
const fn number(value: u64, family: u64) -> u32 {
    let mixed = (value ^ family).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed >> (64 - HASHED_BITS)) as u32 + HASHED_MIN
}

const BLOCK_END: u32 = LANES as u32;

/// The bits of all lanes from one on.
#[inline]
const fn from_lane(lane: usize) -> u64 {
    if lane < LANES { u64::MAX << lane } else { 0 }
}

/// A concept alone.
const fn concept_number(this: u8) -> u32 {
    (this & CLASS_MASK) as u32
}

/// A concept and the one before it; `gap` is 1 if words stand between them.
const fn pair_number(this: u8, before: u8, gap: u32) -> u32 {
    PAIRS | ((this & CLASS_MASK) as u32) << 7 | ((before & CLASS_MASK) as u32) << 1 | gap
}

/// Two concepts with another one between them, in any order.
const fn apart_number(one: u8, other: u8) -> u32 {
    let (low, high) = if one < other {
        (one, other)
    } else {
        (other, one)
    };
    APART | ((high & CLASS_MASK) as u32) << 6 | (low & CLASS_MASK) as u32
}

/// There are fewer than 64 classes.
const CLASS_MASK: u8 = 63;
/// Numbers from which on pairs are counted: 8,192 of neighbours, 4,096 of others.
const PAIRS: u32 = 0x2000;
const APART: u32 = 0x1000;

/// Hashes of tokens that stand for many; no word has them.
const NUMBER: u64 = 1;
const BLOB: u64 = 2;
const ADDRESS: u64 = 3;
const MAIL: u64 = 4;
const SPECIAL_MAX: u64 = 8;
const SIGNS: u64 = 0x51_6E5;
const WWW_WORD: u128 = u32::from_le_bytes(*b"www\0") as u128;
const WWW: u64 = step(step(step(0, b'w'), b'w'), b'w');

const M_WORD: u64 = 0x1000_0000_0000_0001;
const M_PAIR: u64 = 0x2000_0000_0000_0003;
const M_SKIP: u64 = 0x3000_0000_0000_0007;
const M_COARSE_PAIR: u64 = 0x4000_0000_0000_000F;
const M_COARSE_TRIPLE: u64 = 0x5000_0000_0000_001F;
const M_LINE: u64 = 0x6000_0000_0000_003F;
const M_SENTENCE: u64 = 0x7000_0000_0000_007F;
const M_MARK: u64 = 0x8000_0000_0000_00FF;
const M_MARK_BEFORE: u64 = 0x9000_0000_0000_01FF;
const M_MARK_AFTER: u64 = 0xA000_0000_0000_03FF;
const M_CONCEPT_TRIPLE: u64 = 0xD000_0000_0000_1FFF;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Byte {
    Blank,
    Newline,
    Letter,
    Digit,
    Sign,
    High,
}

static CLASS: [Byte; 256] = classes();

const fn classes() -> [Byte; 256] {
    let mut table = [Byte::Blank; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        table[i] = if b == b'\n' || b == b'\r' {
            Byte::Newline
        } else if b.is_ascii_alphabetic() || b == b'_' {
            Byte::Letter
        } else if b.is_ascii_digit() {
            Byte::Digit
        } else if b.is_ascii_punctuation() {
            Byte::Sign
        } else if b.is_ascii() {
            Byte::Blank
        } else {
            Byte::High
        };
        i += 1;
    }
    table
}

/// Everything beyond ASCII but blanks, punctuation, symbols and pictures.
const fn is_letter(c: char) -> bool {
    !matches!(c as u32,
        0x80..=0xBF | 0x0964..=0x0965 | 0x06D4 | 0x060C | 0x061F | 0x2000..=0x2BFF
        | 0x3000..=0x303F | 0xFF00..=0xFF0F | 0xFF1A..=0xFF20 | 0x1F000..=0x1FAFF | 0xFE00..=0xFE0F)
}
