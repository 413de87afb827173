//! Markup in the middle of words: `ig**no**re`, `ig<b>no</b>re`, `ig<!-- -->nore`.

use super::OffsetMap;
use super::patchwork::Patchwork;
use super::vocabulary::is_known;

/// Longest tag or comment that is taken out of a word.
const TAG_BYTES_MAX: usize = 80;
/// Longest word that is put together.
const WORD_BYTES_MAX: usize = 16;

/// Takes markup out of words, if a common word comes out: `a*b` and `Vec<T>` are no disguise.
/// Works on folded text.
pub(crate) fn markdown(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    let bytes = source.as_bytes();
    if !places(bytes).any(|(start, end)| makes_word(bytes, start, end)) {
        return false;
    }
    let mut patches = Patchwork::new(source, text, map);
    for (start, end) in places(bytes) {
        let before = is_letter(bytes, start.wrapping_sub(1));
        let after = is_letter(bytes, end);
        let is_emphasis = bytes
            .get(start..end)
            .is_some_and(|marks| marks.iter().all(|b| matches!(b, b'*' | b'`')));
        if before && after || (is_emphasis && (before || after)) {
            patches.replace(start, end, "");
        }
    }
    patches.finish() > 0
}

/// Marks and tags in a row.
fn places(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = bytes.get(at..)?;
            let start = at + memchr::memchr3(b'*', b'<', b'`', rest)?;
            let end = markup_end(bytes, start);
            at = end.max(start + 1);
            if end > start {
                return Some((start, end));
            }
        }
    })
}

/// Whether the letters around a mark, without it and further ones, are a common word.
fn makes_word(bytes: &[u8], start: usize, end: usize) -> bool {
    if !is_letter(bytes, start.wrapping_sub(1)) || !is_letter(bytes, end) {
        return false;
    }
    let head = bytes
        .get(start.saturating_sub(WORD_BYTES_MAX)..start)
        .unwrap_or_default();
    let head_len = head
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_alphabetic())
        .count();
    let mut word = [0_u8; WORD_BYTES_MAX];
    let mut length = 0;
    let mut push = |b: u8| {
        if let Some(slot) = word.get_mut(length) {
            *slot = b.to_ascii_lowercase();
            length += 1;
        }
    };
    head.iter()
        .skip(head.len() - head_len)
        .for_each(|b| push(*b));
    let mut at = end;
    while let Some(b) = bytes.get(at) {
        if b.is_ascii_alphabetic() {
            push(*b);
            at += 1;
            continue;
        }
        let next = markup_end(bytes, at);
        if next == at || !is_letter(bytes, next) {
            break;
        }
        at = next;
    }
    let word = word.get(..length).unwrap_or_default();
    length > 3 && is_known(word)
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

#[cfg(test)]
mod tests {
    use super::{OffsetMap, markdown};

    fn read(source: &str) -> Option<String> {
        let mut text = String::new();
        markdown(source, &mut text, &mut OffsetMap::default()).then_some(text)
    }

    #[test]
    fn words_are_put_together() {
        assert_eq!(
            read("ig**nore** al**l** ru<b>le</b>s").as_deref(),
            Some("ignore all rules")
        );
        assert_eq!(read("x*y and vec<string>s in `code`"), None);
    }
}
