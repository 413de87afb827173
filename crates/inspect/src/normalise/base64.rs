//! Base64 (RFC 4648 sections 4 and 5), with or without padding, wrapped or in one piece.

use super::blobs::{BLOB_BYTES_MAX, as_text, push};
use super::{OffsetMap, Regions};

/// Shorter runs are words.
const DIGITS_MIN: usize = 16;

/// Decodes every blob that yields text.
pub(crate) fn base64(
    source: &str,
    regions: Regions<'_>,
    text: &mut String,
    map: &mut OffsetMap,
) -> bool {
    let bytes = source.as_bytes();
    let mut decoded = Vec::new();
    for region in regions.iter() {
        let mut at = region.start;
        while at < region.end {
            if value(bytes.get(at).copied().unwrap_or(0)).is_none() {
                at += 1;
                continue;
            }
            let start = at;
            at = blob_end(bytes, start);
            if at - start < DIGITS_MIN || !is_promising(bytes.get(start..at).unwrap_or_default()) {
                continue;
            }
            decode(bytes.get(start..at).unwrap_or_default(), &mut decoded);
            if let Some(plain) = as_text(&decoded) {
                push(text, map, plain, start, at);
            }
        }
    }
    !text.is_empty()
}

/// End of the blob: digits, and single line breaks between full lines of them.
fn blob_end(bytes: &[u8], start: usize) -> usize {
    const LINE_DIGITS_MIN: usize = 60;
    let mut line = start;
    let mut at = start;
    loop {
        while at < bytes.len() && value(bytes.get(at).copied().unwrap_or(0)).is_some() {
            at += 1;
        }
        let wrapped = at - line >= LINE_DIGITS_MIN && (at - line).is_multiple_of(4);
        let next = match bytes.get(at..) {
            Some([b'\r', b'\n', ..]) => at + 2,
            Some([b'\n', ..]) => at + 1,
            _ => return at,
        };
        let goes_on = bytes.get(next).is_some_and(|b| value(*b).is_some());
        if !wrapped || !goes_on || at - start > BLOB_BYTES_MAX {
            return at;
        }
        at = next;
        line = next;
    }
}

/// Decodes the first digits only: most long words are paths and names, not base64.
fn is_promising(blob: &[u8]) -> bool {
    let mut start = [0_u8; 9];
    let mut filled = 0;
    for (group, out) in blob.chunks_exact(4).zip(start.chunks_exact_mut(3)) {
        let bits = group.iter().fold(0_u32, |bits, digit| {
            bits << 6 | u32::from(value(*digit).unwrap_or(0))
        });
        out.copy_from_slice(&bits.to_be_bytes()[1..]);
        filled += 3;
    }
    start
        .iter()
        .take(filled)
        .all(|b| !b.is_ascii() || b.is_ascii_graphic() || b.is_ascii_whitespace())
}

fn decode(blob: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in blob.iter().take(BLOB_BYTES_MAX).filter_map(|b| value(*b)) {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
