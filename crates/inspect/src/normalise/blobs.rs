//! What the decoders of whole blobs (base64, base32, hex, ascii85, numbers, Morse) share: a blob
//! counts only if text comes out.

use super::OffsetMap;

/// Fewest bytes that a blob has to yield.
pub(crate) const TEXT_BYTES_MIN: usize = 8;
/// Longest blob that is decoded; the rest of it is left out.
pub(crate) const BLOB_BYTES_MAX: usize = 128 * 1024;

/// Whether bytes are text that people read: UTF-8, nearly no controls, mostly letters.
#[must_use]
pub(crate) fn as_text(bytes: &[u8]) -> Option<&str> {
    if bytes.len() < TEXT_BYTES_MIN {
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // A blob that was cut may end in the middle of a character.
        Err(error) if error.error_len().is_none() && error.valid_up_to() > TEXT_BYTES_MIN => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let (mut letters, mut all) = (0_usize, 0_usize);
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\r' | '\t') {
            return None;
        }
        all += 1;
        letters += usize::from(c.is_alphanumeric() || c == ' ');
    }
    (letters * 10 >= all * 7).then_some(text)
}

/// Adds the text of one blob.
pub(crate) fn push(text: &mut String, map: &mut OffsetMap, plain: &str, start: usize, end: usize) {
    if !text.is_empty() {
        map.replaced(text.len(), start, 0);
        text.push('\n');
    }
    map.replaced(text.len(), start, end - start);
    text.push_str(plain);
}
