//! Where literals may start: at words, and at signs that a literal starts with.

use crate::normalise::lanes::{LANES, Lanes};

/// Calls `place` with every offset at which a literal may start, from left to right; `first` are
/// the bytes that literals start with.
///
/// A word starts at an ASCII letter or digit behind anything else. Scripts without blanks have no
/// such place, so every one of their characters is one. `\nignore` in a JSON string within a
/// string starts a word too.
#[inline]
pub(super) fn for_each_place(bytes: &[u8], first: &[bool; 256], mut place: impl FnMut(usize)) {
    let (mut in_word, mut escaped) = (0, 0);
    for base in (0..bytes.len()).step_by(LANES) {
        let lanes = Lanes::at(bytes, base);
        let words = lanes.letters() | lanes.digits();
        let starts = words & !(words << 1 | in_word);
        let backslashes = lanes.backslashes();
        let escapes = starts & (backslashes << 1 | escaped);
        in_word = words >> (LANES - 1);
        escaped = backslashes >> (LANES - 1);
        let mut candidates = starts | !words & !lanes.blanks();
        while candidates != 0 {
            let lane = candidates.trailing_zeros();
            candidates &= candidates - 1;
            let start = base + lane as usize;
            if let Some(byte) = bytes.get(start) {
                one_place(bytes, start, *byte, first, &mut place);
                if escapes >> lane & 1 == 1 {
                    behind_escape(bytes, start, *byte, &mut place);
                }
            }
        }
    }
}

/// The word behind the letter of `\n`, `\t` and `\r`.
#[cold]
fn behind_escape(bytes: &[u8], start: usize, byte: u8, place: &mut impl FnMut(usize)) {
    if matches!(byte, b'n' | b't' | b'r')
        && bytes.get(start + 1).is_some_and(u8::is_ascii_alphanumeric)
    {
        place(start + 1);
    }
}

#[inline]
fn one_place(
    bytes: &[u8],
    start: usize,
    byte: u8,
    first: &[bool; 256],
    place: &mut impl FnMut(usize),
) {
    if first[usize::from(byte)] && (!byte.is_ascii_alphanumeric() || starts_word(bytes, start)) {
        place(start);
    }
}

/// Whether a letter that follows no ASCII letter or digit starts a word: not within a word of a
/// script with case and accents.
#[inline]
fn starts_word(bytes: &[u8], at: usize) -> bool {
    let previous = at.checked_sub(1).and_then(|i| bytes.get(i));
    previous.is_none_or(u8::is_ascii) || is_caseless(bytes, at)
}

/// Whether the character before `at` belongs to a script without case (CJK and the like start
/// with 0xE0 and up in UTF-8) or is punctuation: Latin words may follow it directly.
fn is_caseless(bytes: &[u8], at: usize) -> bool {
    let head = bytes.get(at.saturating_sub(4)..at).unwrap_or_default();
    head.iter()
        .rev()
        .find(|b| **b >= 0xC0)
        .is_some_and(|lead| *lead >= 0xE0)
}
