//! Patterns for names: `*` stands for any text, everything else for itself.

/// Whether a pattern covers the whole text. Each part is taken where it first comes, which is where it
/// leaves most for the others, so that no part is looked for twice.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, parts)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let (between, tail) = parts.rsplit_once('*').unwrap_or(("", parts));
    let rest = text.strip_prefix(head);
    let Some(mut rest) = rest.and_then(|rest| rest.strip_suffix(tail)) else {
        return false;
    };
    for part in between.split('*') {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or("");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("gpt-*", "gpt-5", true),
            ("gpt-*", "claude", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("*mini", "o4-mini", true),
            ("ab*ba", "aba", false),
            ("S*p", "Sp", true),
            ("*a*b*c", "xxbxaxxc", false),
            ("a**b", "ab", true),
            ("*ä*ß", "Größen und Maß", false),
            ("*ö*ß", "Größen und Maß", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(10_000);
        assert!(!matches(&format!("{pattern}b"), &"a".repeat(100_000)));
        assert!(matches(&pattern, &"a".repeat(100_000)));
    }
}
