//! Letters pulled apart: `i g n o r e`, `i.g.n.o.r.e`, `ig-no-re`. Works on folded text.

use super::patchwork::Patchwork;
use super::shape::letters_from;
use super::vocabulary::known_words;
use super::{OffsetMap, Regions};

/// Shorter runs are ordinary: `a b c`, `e.g.`, `U.S.A.`.
const LETTERS_MIN: usize = 5;
/// Longest stretch between two letters of one run.
const GAP_BYTES_MAX: usize = 5;
/// A run this long is no chance, whatever it spells.
const LONG_RUN_BYTES: usize = 14;
/// Longest run that is put together at once; the rest starts a new run.
const LETTERS_MAX: usize = 4096;

/// Puts letters together. The most frequent gap of a run is inside of words, every other gap
/// is between words.
pub(crate) fn spaced(
    source: &str,
    regions: Regions<'_>,
    text: &mut String,
    map: &mut OffsetMap,
) -> bool {
    let bytes = source.as_bytes();
    let mut patches = Patchwork::new(source, text, map);
    let mut letters: Vec<(usize, usize)> = Vec::new();
    let mut plain = String::new();
    let mut words = 0;
    for region in regions.of_text(bytes) {
        let mut at = region.start;
        while at < region.end {
            let word = letters_from(bytes, at);
            if word > 1 {
                at += word;
                continue;
            }
            if !starts_run(bytes, at) {
                at += 1;
                continue;
            }
            collect(bytes, at, &mut letters);
            let end = letters.last().map_or(at + 1, |(end, _)| *end);
            if letters.len() >= LETTERS_MIN && join(source, at, &letters, &mut plain) {
                // Letters without blanks between words are split by the next view.
                words += known_words(&plain) + plain.len() / LONG_RUN_BYTES;
                patches.replace(at, end, &plain);
            }
            at = end.max(at + 1);
        }
    }
    patches.finish() > 0 && words > 0
}

fn starts_run(bytes: &[u8], at: usize) -> bool {
    is_letter(bytes, at) && (at == 0 || !is_letter(bytes, at - 1)) && !is_letter(bytes, at + 1)
}

/// Letters of the run that starts at `start`: (end of the letter, start of the next one).
fn collect(bytes: &[u8], start: usize, letters: &mut Vec<(usize, usize)>) {
    letters.clear();
    let mut at = start;
    loop {
        let end = at + 1;
        let mut next = end;
        while next < bytes.len() && next - end < GAP_BYTES_MAX && !is_letter(bytes, next) {
            next += 1;
        }
        let goes_on = next > end && is_letter(bytes, next) && !is_letter(bytes, next + 1);
        letters.push((end, if goes_on { next } else { end }));
        if !goes_on || letters.len() >= LETTERS_MAX {
            return;
        }
        at = next;
    }
}

fn join(source: &str, start: usize, letters: &[(usize, usize)], plain: &mut String) -> bool {
    let gaps = letters.len() - 1;
    let gap = |i: usize| {
        let (end, next) = letters.get(i).copied().unwrap_or_default();
        source.get(end..next).unwrap_or("")
    };
    let Some(usual) = (0..gaps.min(8)).map(gap).min_by_key(|g| g.len()) else {
        return false;
    };
    let inside = (0..gaps).filter(|i| gap(*i) == usual).count();
    // `a, b, c` and `x = y + z` have as many different gaps as words.
    if inside * 2 < gaps || usual.contains(',') || usual.contains('\n') {
        return false;
    }
    plain.clear();
    let mut at = start;
    for (i, (end, next)) in letters.iter().enumerate() {
        plain.push_str(source.get(at..*end).unwrap_or(""));
        if i < gaps && gap(i) != usual {
            plain.push(' ');
            plain.extend(
                gap(i)
                    .chars()
                    .filter(|c| matches!(c, ':' | ',' | '.' | '!' | '?') && !usual.contains(*c)),
            );
        }
        at = *next;
    }
    true
}

fn is_letter(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at)
        .is_some_and(|b| b.is_ascii_alphanumeric() || !b.is_ascii())
}
