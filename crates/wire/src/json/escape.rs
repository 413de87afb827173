//! The escapes of JSON strings, both ways: what a string says, and which source bytes say it.

use std::borrow::Cow;

use atalaya_model::Span;

/// Decodes the escapes of a string's content that the parser has accepted.
#[must_use]
pub fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', raw.as_bytes()) else {
        return Cow::Borrowed(raw);
    };
    let mut out = String::with_capacity(raw.len());
    let mut at = 0;
    let mut stop = first;
    loop {
        out.push_str(&raw[at..stop]);
        let Some((decoded, next)) = decode_one(raw, stop) else {
            break;
        };
        out.push(decoded);
        at = next;
        match memchr::memchr(b'\\', &raw.as_bytes()[at..]) {
            Some(distance) => stop = at + distance,
            None => {
                out.push_str(&raw[at..]);
                break;
            }
        }
    }
    Cow::Owned(out)
}

/// The character at a raw offset and the raw offset of the next one.
pub(crate) fn decode_one(raw: &str, at: usize) -> Option<(char, usize)> {
    let first = raw.get(at..)?.chars().next()?;
    if first != '\\' {
        return Some((first, at + first.len_utf8()));
    }
    let bytes = raw.as_bytes();
    let plain = match bytes.get(at + 1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let unit = hex4(bytes, at + 2)?;
            if (0xD800..=0xDBFF).contains(&unit) {
                let low = hex4(bytes, at + 8)?;
                let code = 0x10000 + ((unit - 0xD800) << 10) + low.wrapping_sub(0xDC00);
                return Some((char::from_u32(code)?, at + 12));
            }
            return Some((char::from_u32(unit)?, at + 6));
        }
        other => char::from(*other),
    };
    Some((plain, at + 2))
}

pub(super) fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, byte| {
        Some(value * 16 + char::from(*byte).to_digit(16)?)
    })
}

/// Walks from offsets in decoded text to offsets in its source, forwards only.
pub(crate) struct SourceOffsets<'r> {
    raw: &'r str,
    raw_at: usize,
    decoded_at: usize,
}

impl<'r> SourceOffsets<'r> {
    pub(crate) fn new(raw: &'r str) -> Self {
        Self {
            raw,
            raw_at: 0,
            decoded_at: 0,
        }
    }

    /// The source of a span of the decoded text, widened to whole characters.
    pub(crate) fn span(&mut self, decoded: Span) -> Span {
        let start = self.floor(decoded.start);
        Span::new(start, self.ceil(decoded.end).max(start))
    }

    /// Source offset of the character that holds a decoded offset.
    pub(crate) fn floor(&mut self, decoded: usize) -> usize {
        while self.decoded_at < decoded && self.raw_at < self.raw.len() {
            let rest = &self.raw.as_bytes()[self.raw_at..];
            let run = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
            if self.decoded_at + run >= decoded {
                let mut step = decoded - self.decoded_at;
                while !self.raw.is_char_boundary(self.raw_at + step) {
                    step -= 1;
                }
                self.raw_at += step;
                self.decoded_at += step;
                break;
            }
            self.raw_at += run;
            self.decoded_at += run;
            if !self.step_within(decoded) {
                break;
            }
        }
        self.raw_at
    }

    /// Source offset at which the characters before a decoded offset end.
    pub(crate) fn ceil(&mut self, decoded: usize) -> usize {
        self.floor(decoded);
        if self.decoded_at < decoded
            && let Some((c, next)) = decode_one(self.raw, self.raw_at)
        {
            self.decoded_at += c.len_utf8();
            self.raw_at = next;
        }
        self.raw_at
    }

    /// Steps over one character unless that would pass the goal.
    fn step_within(&mut self, goal: usize) -> bool {
        match decode_one(self.raw, self.raw_at) {
            Some((c, next)) if self.decoded_at + c.len_utf8() <= goal => {
                self.decoded_at += c.len_utf8();
                self.raw_at = next;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_map_through_every_kind_of_escape() {
        let raw = r#"a\"é\u00e9\ud83d\ude00z"#;
        let decoded = unescape(raw);
        assert_eq!(decoded, "a\"éé😀z");
        for (at, c) in decoded.char_indices() {
            let span = Span::new(at, at + c.len_utf8());
            let source = SourceOffsets::new(raw).span(span);
            assert_eq!(unescape(source.slice(raw)), c.to_string());
        }
    }

    #[test]
    fn a_span_that_cuts_a_character_is_widened() {
        let raw = r"x\u00e9y";
        let source = SourceOffsets::new(raw).span(Span::new(2, 3));
        assert_eq!(source.slice(raw), r"\u00e9");
    }
}
