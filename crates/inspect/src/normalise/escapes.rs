//! Backslash escapes: `\u0069`, `\u{69}`, `\x69`. (`\n` before a word is the prefilter's matter.)

use super::OffsetMap;
use super::patchwork::Patchwork;

/// Fewer escapes are ordinary in source code and JSON.
const ESCAPES_MIN: usize = 3;

/// Undoes escapes of characters by number.
pub(crate) fn escapes(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    let bytes = source.as_bytes();
    let mut patches = Patchwork::new(source, text, map);
    let mut at = 0;
    let mut letters = 0;
    while let Some(found) = memchr::memchr(b'\\', bytes.get(at..).unwrap_or_default()) {
        let start = at + found;
        let Some((c, length)) = escape(bytes.get(start..).unwrap_or_default()) else {
            at = start + 2;
            continue;
        };
        letters += usize::from(c.is_alphanumeric());
        at = start + length;
        patches.replace(start, at, c.encode_utf8(&mut [0; 4]));
    }
    patches.finish();
    letters >= ESCAPES_MIN
}

fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let (digits, length) = match bytes.get(1)? {
        b'x' | b'X' => (bytes.get(2..4)?, 4),
        b'u' if bytes.get(2) == Some(&b'{') => {
            let end = memchr::memchr(b'}', bytes.get(3..bytes.len().min(11))?)?;
            (bytes.get(3..3 + end)?, end + 4)
        }
        b'u' => (bytes.get(2..6)?, 6),
        b'U' => (bytes.get(2..10)?, 10),
        _ => return None,
    };
    let digits = std::str::from_utf8(digits).ok()?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    Some((char::from_u32(value)?, length))
}
