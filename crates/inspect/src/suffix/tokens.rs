//! Tokens of a line as it is written: words (a new one where a capital follows a small letter), numbers,
//! runs of signs; and their classes.

use super::TOKENS_MAX;
use super::costs::{Costs, Word};
use crate::classifier::concepts::step;

/// A token of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token {
    start: usize,
    end: usize,
    /// No white space stands before it.
    pub glued: bool,
    /// It starts with a capital that follows a small letter.
    pub inner: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Byte {
    Blank,
    Letter,
    Digit,
    Sign,
}

const fn kind(byte: u8) -> Byte {
    if byte.is_ascii_alphabetic() {
        Byte::Letter
    } else if byte.is_ascii_digit() {
        Byte::Digit
    } else if byte.is_ascii_whitespace() {
        Byte::Blank
    } else {
        Byte::Sign
    }
}

impl Token {
    pub(super) const fn start(&self) -> usize {
        self.start
    }

    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        line.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether it is of ASCII letters.
    #[must_use]
    pub fn is_word(&self, line: &[u8]) -> bool {
        self.bytes(line)
            .first()
            .is_some_and(u8::is_ascii_alphabetic)
    }

    pub(super) fn is_foreign(&self, line: &[u8]) -> bool {
        !self.bytes(line).is_ascii()
    }

    /// Whether it is of several signs.
    pub(super) fn is_signs(&self, line: &[u8]) -> bool {
        let bytes = self.bytes(line);
        bytes.len() > 1 && bytes.first().is_some_and(|b| kind(*b) == Byte::Sign)
    }
}

/// The token that ends at `end`.
fn before(line: &[u8], end: usize) -> Option<Token> {
    let wanted = kind(*line.get(end.checked_sub(1)?)?);
    let mut start = end - 1;
    let mut inner = false;
    while let Some(at) = start.checked_sub(1) {
        let (left, right) = (*line.get(at)?, *line.get(start)?);
        if kind(left) != wanted {
            break;
        }
        if left.is_ascii_lowercase() && right.is_ascii_uppercase() {
            inner = true;
            break;
        }
        start = at;
    }
    let left = start.checked_sub(1).and_then(|at| line.get(at));
    Some(Token {
        start,
        end,
        glued: left.is_some_and(|left| !left.is_ascii_whitespace()),
        inner,
    })
}

/// The last tokens of a line, from left to right, and how many there are.
#[must_use]
pub fn last_tokens(line: &[u8]) -> ([Token; TOKENS_MAX], usize) {
    let mut tokens = [Token::default(); TOKENS_MAX];
    let mut count = 0;
    for (slot, token) in tokens.iter_mut().zip(backwards(line)) {
        *slot = token;
        count += 1;
    }
    if let Some(found) = tokens.get_mut(..count) {
        found.reverse();
    }
    (tokens, count)
}

fn backwards(line: &[u8]) -> impl Iterator<Item = Token> {
    let mut end = line.len();
    std::iter::from_fn(move || {
        while end > 0 && line.get(end - 1).is_some_and(u8::is_ascii_whitespace) {
            end -= 1;
        }
        let token = before(line, end)?;
        end = token.start;
        Some(token)
    })
}

/// All tokens of a line, from left to right.
#[must_use]
pub fn tokens(line: &[u8]) -> Vec<Token> {
    let mut tokens: Vec<Token> = backwards(line).collect();
    tokens.reverse();
    tokens
}

/// The lines of a text.
pub fn lines(text: &str) -> impl Iterator<Item = &[u8]> {
    text.as_bytes().split(|b| *b == b'\n')
}

/// Hash of a word or a run of signs: capitals are small letters, four of a kind are three.
#[must_use]
pub fn word_hash(bytes: &[u8]) -> u64 {
    let (mut last, mut again) = (0, 0);
    let mut hash = 0;
    for byte in bytes {
        again = if *byte == last { again + 1 } else { 0 };
        last = *byte;
        if again < 3 || byte.is_ascii_alphabetic() {
            hash = step(hash, byte.to_ascii_lowercase());
        }
    }
    hash
}

/// What a word ends with, if it is one of these.
const ENDINGS: &[&[u8]] = &[
    b"tion", b"ing", b"ment", b"ness", b"able", b"ally", b"ly", b"ed", b"er", b"es", b"s", b"al",
    b"ic", b"ive", b"ous", b"y", b"e",
];

const NUMBERS: u64 = 0x1000;
const SIGNS: u64 = 0x2000;
const FOREIGN: u64 = 0x3000;
const WORDS: u64 = 0x4000;
/// What is glued, or starts within a word, is of a class of its own.
const GLUED: u64 = 1 << 63;

/// The class of a token: itself if it is frequent, or else its shape. Never 0, which is the start of
/// a line.
#[must_use]
pub fn class(token: &Token, line: &[u8], costs: &Costs) -> u64 {
    let bytes = token.bytes(line);
    match bytes.first().map_or(Byte::Blank, |first| kind(*first)) {
        Byte::Digit => NUMBERS + bytes.len().min(3) as u64,
        Byte::Letter => word_class(token, bytes, costs),
        _ if !bytes.is_ascii() => FOREIGN,
        _ => {
            let hash = word_hash(bytes);
            let class = match costs.word(hash) {
                Word::Unknown | Word::Known => SIGNS + bytes.len().min(4) as u64,
                Word::Common | Word::Frequent => hash,
            };
            class ^ if token.glued { GLUED } else { 0 }
        }
    }
}

fn word_class(token: &Token, bytes: &[u8], costs: &Costs) -> u64 {
    let hash = word_hash(bytes);
    let inner = if token.inner { GLUED } else { 0 };
    let known = costs.word(hash);
    if matches!(known, Word::Common | Word::Frequent) {
        return hash ^ inner;
    }
    let case = match bytes {
        [first, rest @ ..] if first.is_ascii_uppercase() => {
            1 + u64::from(!rest.is_empty() && rest.iter().all(u8::is_ascii_uppercase))
        }
        _ => 0,
    };
    let ending = (1..)
        .zip(ENDINGS)
        .find(|(_, ending)| {
            let rest = bytes
                .len()
                .checked_sub(ending.len())
                .filter(|rest| *rest > 2);
            rest.and_then(|rest| bytes.get(rest..))
                .is_some_and(|end| end.eq_ignore_ascii_case(ending))
        })
        .map_or(0, |(number, _)| number);
    (WORDS + ending + (case << 6) + (u64::from(known == Word::Known) << 8)) ^ inner
}

#[cfg(test)]
mod tests {
    use super::{last_tokens, tokens, word_hash};

    #[test]
    fn tokens_are_words_numbers_and_signs() {
        let line = b"Okay CanIU only](Wrap 42. ";
        let all = tokens(line);
        let texts: Vec<&str> = all
            .iter()
            .map(|token| std::str::from_utf8(token.bytes(line)).expect("ASCII"))
            .collect();
        assert_eq!(
            texts,
            ["Okay", "Can", "IU", "only", "](", "Wrap", "42", "."]
        );
        let glued: Vec<bool> = all.iter().map(|token| token.glued).collect();
        assert_eq!(glued, [false, false, true, false, true, true, false, true]);
        assert!(all[2].inner && !all[5].inner);
        let (last, count) = last_tokens(line);
        assert_eq!(&last[..count], all);
    }

    #[test]
    fn only_the_last_tokens_of_long_lines_are_read() {
        let line = b"a b ".repeat(200);
        let (_, count) = last_tokens(&line);
        assert_eq!(count, super::TOKENS_MAX);
        assert_eq!(last_tokens(b" \t ").1, 0);
    }

    #[test]
    fn words_are_told_apart_but_not_by_case() {
        assert_eq!(word_hash(b"Sure"), word_hash(b"sure"));
        assert_eq!(word_hash(b"!!!!!!"), word_hash(b"!!!"));
        assert_ne!(word_hash(b"!!"), word_hash(b"!!!"));
    }
}
