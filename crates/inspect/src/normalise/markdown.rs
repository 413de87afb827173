//! Markup in the middle of words: `ig**no**re`, `ig<b>no</b>re`, `ig<!-- -->nore`.

use super::OffsetMap;
use super::patchwork::Patchwork;

/// Longest tag or comment that is taken out of a word.
const TAG_BYTES_MAX: usize = 80;

/// Takes markup out of words. Works on folded text.
pub(crate) fn markdown(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    let bytes = source.as_bytes();
    let mut patches = Patchwork::new(source, text, map);
    let mut at = 1;
    while at < bytes.len() {
        let Some(found) = memchr::memchr3(b'*', b'<', b'`', bytes.get(at..).unwrap_or_default())
        else {
            break;
        };
        let start = at + found;
        let end = markup_end(bytes, start);
        let inside =
            end > start && is_letter(bytes, start.wrapping_sub(1)) && is_letter(bytes, end);
        if inside {
            patches.replace(start, end, "");
        }
        at = end.max(start + 1);
    }
    patches.finish() > 0
}

fn markup_end(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    loop {
        match bytes.get(end) {
            Some(b'*' | b'`') => end += 1,
            Some(b'<') => match tag_end(bytes, end) {
                Some(after) => end = after,
                None => return end,
            },
            _ => return end,
        }
    }
}

fn tag_end(bytes: &[u8], start: usize) -> Option<usize> {
    let next = bytes.get(start + 1)?;
    if !matches!(next, b'!' | b'/') && !next.is_ascii_alphabetic() {
        return None;
    }
    let window = bytes.get(start..(start + TAG_BYTES_MAX).min(bytes.len()))?;
    memchr::memchr(b'>', window).map(|i| start + i + 1)
}

fn is_letter(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_alphabetic)
}
