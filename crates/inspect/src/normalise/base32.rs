//! Base32 (RFC 4648 section 6).

use super::blobs::{BLOB_BYTES_MAX, as_text, push};
use super::{OffsetMap, Regions};

/// Shorter runs are acronyms.
const DIGITS_MIN: usize = 16;

/// Decodes every blob that yields text.
pub(crate) fn base32(
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
            let start = at;
            while bytes.get(at).is_some_and(|b| value(*b).is_some()) {
                at += 1;
            }
            let whole = !bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
            if at - start >= DIGITS_MIN && whole {
                decode(bytes.get(start..at).unwrap_or_default(), &mut decoded);
                if let Some(plain) = as_text(&decoded) {
                    push(text, map, plain, start, at);
                }
            }
            at = at.max(start + 1);
        }
    }
    !text.is_empty()
}

fn decode(blob: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in blob.iter().take(BLOB_BYTES_MAX).filter_map(|b| value(*b)) {
        bits = bits << 5 | u32::from(digit);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'2'..=b'7' => Some(digit - b'2' + 26),
        _ => None,
    }
}
