//! Percent encoding (RFC 3986) and quoted-printable (RFC 2045): a sign and two hex digits.

use super::patchwork::Patchwork;
use super::{OffsetMap, hex_value};

/// Fewer escapes are ordinary: a URL, a 100%.
const ESCAPES_MIN: usize = 3;

/// Undoes `%41` escapes.
pub(crate) fn percent(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    decode(source, b'%', text, map)
}

/// Undoes `=41` escapes and soft line breaks.
pub(crate) fn quoted_printable(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    decode(source, b'=', text, map)
}

fn decode(source: &str, sign: u8, text: &mut String, map: &mut OffsetMap) -> bool {
    let bytes = source.as_bytes();
    let mut patches = Patchwork::new(source, text, map);
    let mut run = Vec::new();
    let mut escapes = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(sign, bytes.get(at..).unwrap_or_default()) {
        let start = at + found;
        let mut end = start;
        run.clear();
        while let Some(value) = escape(bytes, end, sign) {
            run.push(value);
            end += 3;
        }
        if run.is_empty() {
            at = start + 1;
            if sign == b'=' && bytes.get(at) == Some(&b'\n') {
                patches.replace(start, at + 1, "");
            }
            continue;
        }
        escapes += run.len();
        patches.replace(start, end, &String::from_utf8_lossy(&run));
        at = end;
    }
    patches.finish();
    escapes >= ESCAPES_MIN
}

fn escape(bytes: &[u8], at: usize, sign: u8) -> Option<u8> {
    let [first, high, low] = bytes.get(at..at + 3)? else {
        return None;
    };
    if *first != sign {
        return None;
    }
    let value = hex_value(*high)? << 4 | hex_value(*low)?;
    // Other control characters do not occur in text: `==0f` is something else.
    (value >= b' ' || matches!(value, b'\n' | b'\r' | b'\t')).then_some(value)
}
