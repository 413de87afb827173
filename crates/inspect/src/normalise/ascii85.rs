//! Ascii85, in Adobe's frame (`<~ … ~>`) or bare.

use super::blobs::{BLOB_BYTES_MAX, as_text, push};
use super::{OffsetMap, Regions};

/// Shorter runs are punctuation and code.
const DIGITS_MIN: usize = 20;

/// Decodes every blob that yields text.
pub(crate) fn ascii85(
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
            while bytes.get(at).is_some_and(|b| is_digit(*b)) {
                at += 1;
            }
            if at - start >= DIGITS_MIN {
                let mut blob = bytes.get(start..at).unwrap_or_default();
                blob = blob.strip_prefix(b"<~").unwrap_or(blob);
                if is_promising(blob)
                    && decode(blob, &mut decoded)
                    && let Some(plain) = as_text(&decoded)
                {
                    push(text, map, plain, start, at);
                }
            }
            at = at.max(start + 1);
        }
    }
    !text.is_empty()
}

/// Encoded text mixes letters of both cases, digits and signs; words and paths do not.
fn is_promising(blob: &[u8]) -> bool {
    let signs = blob.iter().filter(|b| b.is_ascii_punctuation()).count();
    let upper = blob.iter().filter(|b| b.is_ascii_uppercase()).count();
    signs * 10 >= blob.len() && upper * 10 >= blob.len()
}

fn decode(blob: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let (mut value, mut count) = (0_u64, 0);
    for digit in blob.iter().take(BLOB_BYTES_MAX) {
        match digit {
            b'z' if count == 0 => out.extend([0; 4]),
            b'!'..=b'u' => {
                value = value * 85 + u64::from(digit - b'!');
                count += 1;
            }
            b'~' => break,
            _ => return false,
        }
        if count == 5 {
            let Ok(word) = u32::try_from(value) else {
                return false;
            };
            out.extend(word.to_be_bytes());
            (value, count) = (0, 0);
        }
    }
    if count > 1 {
        for _ in count..5 {
            value = value * 85 + 84;
        }
        let Ok(word) = u32::try_from(value) else {
            return false;
        };
        out.extend(word.to_be_bytes().iter().take(count - 1));
    }
    true
}

const fn is_digit(b: u8) -> bool {
    matches!(b, b'!'..=b'u' | b'z' | b'~')
}
