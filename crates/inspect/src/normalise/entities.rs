//! HTML character references: `&#105;`, `&#x69;`, and the few named ones that hide words.

use super::OffsetMap;
use super::patchwork::Patchwork;

/// Longest reference that is read: `&#x10FFFF;`.
const REFERENCE_BYTES_MAX: usize = 12;

/// Undoes references. Whether letters or digits were among them: `&amp;` alone hides nothing.
pub(crate) fn entities(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    let bytes = source.as_bytes();
    let mut patches = Patchwork::new(source, text, map);
    let mut at = 0;
    let mut hidden = 0;
    while let Some(found) = memchr::memchr(b'&', bytes.get(at..).unwrap_or_default()) {
        let start = at + found;
        let Some((c, length)) = reference(bytes.get(start..).unwrap_or_default()) else {
            at = start + 1;
            continue;
        };
        hidden += usize::from(c.is_alphanumeric());
        at = start + length;
        patches.replace(start, at, c.encode_utf8(&mut [0; 4]));
    }
    patches.finish();
    hidden > 0
}

fn reference(bytes: &[u8]) -> Option<(char, usize)> {
    let window = bytes.get(..bytes.len().min(REFERENCE_BYTES_MAX))?;
    let end = memchr::memchr(b';', window)?;
    let name = std::str::from_utf8(window.get(1..end)?).ok()?;
    let c = if let Some(number) = name.strip_prefix('#') {
        let value = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        char::from_u32(value)?
    } else {
        match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            "nbsp" => ' ',
            _ => return None,
        }
    };
    Some((c, end + 1))
}
