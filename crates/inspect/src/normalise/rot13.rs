//! Every letter moved by 13. Works on folded text, when the prefilter saw a word that
//! instructions are made of, moved by 13.

use super::OffsetMap;

/// The words that give it away.
pub(crate) const CUES: &[&str] = &[
    "vafgehpgvba",
    "cebzcg",
    "vtaber",
    "qvfertneq",
    "cerivbhf",
    "flfgrz",
    "erirny",
    "cnffjbeq",
    "thvqryvarf",
    "qrirybcre",
    "erfgevpgvba",
    "nffvfgnag",
    "sbetrg",
    "bireevqr",
    "jvgubhg",
    "erfcbaq",
    "rkcynva",
    "ubj gb",
    "qrgnvyrq",
    "cebivqr",
    "nqzva",
];

/// Longest stretch that is read.
const STRETCH_BYTES_MAX: usize = 16 * 1024;

/// Moves every letter by 13, around `cue`.
pub(crate) fn rot13(source: &str, cue: usize, text: &mut String, map: &mut OffsetMap) -> bool {
    let start = source.floor_char_boundary(cue.saturating_sub(STRETCH_BYTES_MAX / 4));
    let end = source.floor_char_boundary((start + STRETCH_BYTES_MAX).min(source.len()));
    map.copied(text.len(), start);
    text.extend(source.get(start..end).unwrap_or("").chars().map(moved));
    true
}

/// A word with every letter moved.
pub(crate) fn moved_word(word: &str) -> String {
    word.chars().map(moved).collect()
}

const fn moved(c: char) -> char {
    match c {
        'a'..='m' | 'A'..='M' => (c as u8 + 13) as char,
        'n'..='z' | 'N'..='Z' => (c as u8 - 13) as char,
        _ => c,
    }
}
