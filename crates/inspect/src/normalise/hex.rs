//! Characters by number: hexadecimal in one piece or in pairs, octets of binary digits, decimal
//! character codes.

use super::blobs::{BLOB_BYTES_MAX, as_text, push};
use super::{OffsetMap, Regions, hex_value};

/// Fewest characters that numbers have to spell.
const CHARACTERS_MIN: usize = 8;
/// Widest stretch between two numbers of one run: `, ` or `\x`.
const GAP_BYTES_MAX: usize = 3;

/// Decodes every blob that yields text.
pub(crate) fn hex(
    source: &str,
    regions: Regions<'_>,
    text: &mut String,
    map: &mut OffsetMap,
) -> bool {
    let bytes = source.as_bytes();
    let mut run: Vec<(usize, usize)> = Vec::new();
    for region in regions.iter() {
        let mut at = region.start;
        while at < region.end {
            if !bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) {
                at += 1;
                continue;
            }
            let start = at;
            while bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) {
                at += 1;
            }
            let near = run
                .last()
                .is_none_or(|(_, end)| start - end <= GAP_BYTES_MAX);
            let word = bytes.get(start..at).unwrap_or_default();
            let is_number = is_number(word);
            if !near || !is_number || run.len() >= BLOB_BYTES_MAX {
                flush(source, &mut run, text, map);
            }
            if is_number {
                run.push((start, at));
            } else {
                whole(word, start, text, map);
            }
        }
        flush(source, &mut run, text, map);
    }
    !text.is_empty()
}

fn is_number(word: &[u8]) -> bool {
    match word.len() {
        2 => word.iter().all(u8::is_ascii_hexdigit),
        3 => word.iter().all(u8::is_ascii_digit),
        4 => word.starts_with(b"0x"),
        8 => word.iter().all(|b| matches!(b, b'0' | b'1')),
        _ => false,
    }
}

/// Reads a run of numbers in the base that fits all of them.
fn flush(source: &str, run: &mut Vec<(usize, usize)>, text: &mut String, map: &mut OffsetMap) {
    if run.len() >= CHARACTERS_MIN
        && let (Some((start, _)), Some((_, end))) = (run.first(), run.last())
    {
        let longest = run
            .iter()
            .map(|(start, end)| end - start)
            .max()
            .unwrap_or(0);
        let bases: &[u32] = match longest {
            8 => &[2],
            3 => &[10],
            _ => &[16, 10],
        };
        let decoded = bases.iter().find_map(|base| {
            let read = |(start, end): &(usize, usize)| {
                let digits = source.get(*start..*end)?;
                u8::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), *base).ok()
            };
            let bytes: Option<Vec<u8>> = run.iter().map(read).collect();
            bytes.filter(|bytes| as_text(bytes).is_some())
        });
        if let Some(plain) = decoded.as_deref().and_then(as_text) {
            push(text, map, plain, *start, *end);
        }
    }
    run.clear();
}

/// Hexadecimal or binary digits in one piece.
fn whole(word: &[u8], start: usize, text: &mut String, map: &mut OffsetMap) {
    let digits = word.strip_prefix(b"0x").unwrap_or(word);
    let is_hex = digits.len() >= CHARACTERS_MIN * 2 && digits.len().is_multiple_of(2);
    if !is_hex || !digits.iter().all(u8::is_ascii_hexdigit) {
        return;
    }
    let decoded: Vec<u8> = digits
        .chunks_exact(2)
        .take(BLOB_BYTES_MAX)
        .filter_map(|pair| match pair {
            [high, low] => Some(hex_value(*high)? << 4 | hex_value(*low)?),
            _ => None,
        })
        .collect();
    if let Some(plain) = as_text(&decoded) {
        push(text, map, plain, start, start + word.len());
    }
}
