//! Texts as they are compared: unescaped from JSON, without regard to case.
//!
//! Folding goes character by character (lower case, and the two letters that have two lower
//! cases), so that a text holds a literal only if the folded text holds the folded literal.

/// Appends a text of JSON (what stands between the quotes) without its escapes.
///
/// Half a surrogate pair becomes U+FFFD; an escape that is none stays as it is.
pub(super) fn unescape_into(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(at) = memchr::memchr(b'\\', text) {
        out.extend_from_slice(&text[..at]);
        let Some(&kind) = text.get(at + 1) else {
            out.push(b'\\');
            return;
        };
        text = &text[at + 2..];
        match kind {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'u' => text = unicode(out, text),
            other => out.push(other),
        }
    }
    out.extend_from_slice(text);
}

/// After `\u`; gives what is left.
fn unicode<'t>(out: &mut Vec<u8>, text: &'t [u8]) -> &'t [u8] {
    let Some(first) = hex(text) else {
        out.extend_from_slice(b"\\u");
        return text;
    };
    let mut rest = &text[4..];
    let mut code = first;
    if (0xd800..0xdc00).contains(&first)
        && let Some(second) = rest.strip_prefix(b"\\u").and_then(hex)
        && (0xdc00..0xe000).contains(&second)
    {
        code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        rest = &rest[6..];
    }
    let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

fn hex(text: &[u8]) -> Option<u32> {
    let digits = text.get(..4)?;
    digits.iter().try_fold(0, |code, digit| {
        Some(code * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// Folds what was appended to `out` from `start` on, in place where it is ASCII, through `spare`
/// where it is not.
pub(super) fn fold_from(out: &mut Vec<u8>, start: usize, spare: &mut Vec<u8>) {
    let appended = &mut out[start..];
    if appended.is_ascii() {
        appended.make_ascii_lowercase();
        return;
    }
    spare.clear();
    spare.extend_from_slice(appended);
    out.truncate(start);
    let text = std::str::from_utf8(spare).unwrap_or_default();
    for c in text.chars().flat_map(fold_char) {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// A text of a rule, folded.
pub(super) fn fold(text: &str) -> String {
    text.chars().flat_map(fold_char).collect()
}

fn fold_char(c: char) -> impl Iterator<Item = char> {
    let c = match c {
        'ſ' => 's',
        'ς' => 'σ',
        c => c,
    };
    c.to_lowercase()
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_and_case_go() {
        for (json, plain) in [
            (r"C:\\Win\/x", r"c:\win/x"),
            (r"\u00c4\n\ud83d\ude00", "ä\n😀"),
            (r"\ud83d!", "\u{fffd}!"),
            ("STRASSE-Ä", "strasse-ä"),
            (r"\u12", r"\u12"),
        ] {
            let mut out = b"x".to_vec();
            super::unescape_into(&mut out, json.as_bytes());
            super::fold_from(&mut out, 1, &mut Vec::new());
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{plain}"));
        }
    }
}
