//! Whether a content type says that its text is to be read otherwise than as UTF-8.
//!
//! A server that follows `charset=utf-7` (or UTF-16, or EBCDIC) reads another text than the one
//! that detectors saw. Charsets in which ASCII means ASCII are harmless as long as a text is ASCII.

/// Charsets of which every reader reads UTF-8 alike.
const UTF_8: &[&str] = &["utf-8", "utf8", "us-ascii", "ascii"];
/// How the names of charsets begin that agree with UTF-8 in ASCII.
const ASCII_BELOW: &[&str] = &["iso-8859-", "latin", "windows-125"];

/// The charset that a content type names, in lower case; empty if it names none, and nothing if it
/// does so in more than one way.
fn of(content_type: &str) -> Option<String> {
    let mut found = String::new();
    for parameter in content_type.split(';').skip(1) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = name.trim().to_ascii_lowercase();
        // `charset*0=` (RFC 2231) is another way to write it.
        if !name.starts_with("charset") {
            continue;
        }
        if name != "charset" || !found.is_empty() {
            return None;
        }
        found = value.trim().trim_matches('"').to_ascii_lowercase();
    }
    Some(found)
}

/// Whether every text under that content type is read as UTF-8.
pub(crate) fn is_plain(content_type: &str) -> bool {
    of(content_type).is_some_and(|name| name.is_empty() || UTF_8.contains(&name.as_str()))
}

/// Whether that body is read as UTF-8 under that content type.
#[must_use]
pub fn is_utf8_by_charset(content_type: &str, body: &[u8]) -> bool {
    let is_ascii_below = || {
        of(content_type).is_some_and(|name| ASCII_BELOW.iter().any(|begin| name.starts_with(begin)))
    };
    is_plain(content_type) || body.is_ascii() && is_ascii_below()
}

#[cfg(test)]
mod tests {
    use super::is_utf8_by_charset;

    #[test]
    fn what_is_read_otherwise_is_known() {
        for (content_type, body, expected) in [
            ("", "{}", true),
            ("application/json", "\u{e9}", true),
            ("application/json; charset=UTF-8", "\u{e9}", true),
            ("application/json;charset=\"utf-8\"; x=y", "\u{e9}", true),
            ("application/json; charset=us-ascii", "{}", true),
            ("application/json; charset=ISO-8859-1", "{}", true),
            ("application/json; charset=ISO-8859-1", "\u{e9}", false),
            ("application/json; charset=utf-7", "{}", false),
            ("application/json; charset=utf-16le", "{}", false),
            ("application/json; charset=cp037", "{}", false),
            (
                "application/json; charset=utf-8; charset=utf-7",
                "{}",
                false,
            ),
            ("application/json; charset*=utf-7", "{}", false),
        ] {
            let found = is_utf8_by_charset(content_type, body.as_bytes());
            assert_eq!(found, expected, "{content_type}");
        }
    }
}
