//! Text written backwards, as a whole or word by word. Works on folded text.
//!
//! Both readings are made only when the prefilter saw a word that instructions are made of,
//! written backwards.

use super::OffsetMap;

/// The words whose reversal gives it away.
pub(crate) const CUES: &[&str] = &[
    "snoitcurtsni",
    "noitcurtsni",
    "tpmorp",
    "suoiverp",
    "erongi",
    "dragersid",
    "seluR",
    "selur",
    "senilediug",
    "tcejorp eht",
    "metsys",
    "laever",
    "drowssap",
    "noitamrofni",
    "tnatsissa",
    "repoleved",
    "detcirtsernu",
    "snoitcirtser",
    "sdnammoc",
    "segassem",
    "tegrof",
    "edirrevo",
    "tuohtiw",
    "esnopser",
    "dnopser",
    "retlif",
    "kaerbliaj",
    "nimda",
];

/// Longest stretch that is read backwards.
const STRETCH_BYTES_MAX: usize = 16 * 1024;

/// Reads from back to front, around `cue`.
pub(crate) fn reversed(source: &str, cue: usize, text: &mut String, map: &mut OffsetMap) -> bool {
    let (start, end) = stretch(source, cue);
    for (at, c) in source.get(start..end).unwrap_or("").char_indices().rev() {
        map.replaced(text.len(), start + at, c.len_utf8());
        text.push(c);
    }
    true
}

/// Reads every word from back to front and leaves their order.
pub(crate) fn reversed_words(
    source: &str,
    cue: usize,
    text: &mut String,
    map: &mut OffsetMap,
) -> bool {
    let (start, end) = stretch(source, cue);
    let mut at = start;
    for word in source
        .get(start..end)
        .unwrap_or("")
        .split_inclusive(|c: char| !c.is_alphanumeric())
    {
        let letters = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        map.replaced(text.len(), at, letters.len().max(1));
        text.extend(letters.chars().rev());
        if let Some(rest) = word.get(letters.len()..) {
            map.copied(text.len(), at + letters.len());
            text.push_str(rest);
        }
        at += word.len();
    }
    true
}

/// Puts the words into the opposite order.
pub(crate) fn word_order(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    let base = source.as_ptr() as usize;
    for word in source.split_ascii_whitespace().rev() {
        map.copied(text.len(), word.as_ptr() as usize - base);
        text.push_str(word);
        text.push(' ');
    }
    !text.is_empty()
}

/// A word from back to front.
pub(crate) fn backwards(word: &str) -> String {
    word.chars().rev().collect()
}

fn stretch(source: &str, cue: usize) -> (usize, usize) {
    let start = source.floor_char_boundary(cue.saturating_sub(STRETCH_BYTES_MAX / 4));
    let end = source.floor_char_boundary((start + STRETCH_BYTES_MAX).min(source.len()));
    (start, end)
}
