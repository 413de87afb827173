//! Regular expressions as rules write them (PCRE, as Python reads it) in the syntax of ours.
//!
//! Differences that are smoothed over: braces and brackets that stand for themselves, escapes
//! that are none, `\Z`, and `$`, which also matches before a line break at the end.

/// The same expression for the `regex` crate.
pub(crate) fn to_rust(pattern: &str, multi_line: bool) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => rest = escape(&mut out, rest),
            '[' => rest = class(&mut out, rest),
            '{' => rest = brace(&mut out, rest),
            '}' | ']' => {
                out.push('\\');
                out.push(c);
            }
            '$' if !multi_line => out.push_str(r"(?:\n?\z)"),
            // Atomic groups and possessive quantifiers only save work.
            '(' if rest.starts_with("?>") => {
                out.push_str("(?:");
                rest = &rest[2..];
            }
            c => out.push(c),
        }
    }
    out
}

/// After a backslash; gives what is left.
fn escape<'p>(out: &mut String, rest: &'p str) -> &'p str {
    let Some(c) = rest.chars().next() else {
        out.push_str(r"\\");
        return rest;
    };
    let after = &rest[c.len_utf8()..];
    match c {
        'Z' => out.push_str(r"\z"),
        'e' => out.push_str(r"\x1b"),
        'h' => out.push_str(r"[ \t]"),
        'R' => out.push_str(r"(?:\r\n|\n|\r)"),
        // Letters that mean nothing stand for themselves.
        'g' | 'i' | 'j' | 'l' | 'm' | 'o' | 'q' | 'y' | 'c' | 'C' | 'E' | 'F' | 'I' | 'J' | 'L'
        | 'M' | 'O' | 'T' | 'V' | 'Y' => out.push(c),
        '<' | '>' => out.push(c),
        c if c.is_ascii() => {
            out.push('\\');
            out.push(c);
        }
        c => out.push(c),
    }
    after
}

/// After `[`; gives what is left after the class.
fn class<'p>(out: &mut String, rest: &'p str) -> &'p str {
    let mut inner = String::from("[");
    let mut left = rest;
    if let Some(after) = left.strip_prefix('^') {
        inner.push('^');
        left = after;
    }
    if let Some(after) = left.strip_prefix(']') {
        inner.push_str(r"\]");
        left = after;
    }
    while let Some(c) = left.chars().next() {
        let after = &left[c.len_utf8()..];
        match c {
            ']' => {
                inner.push(']');
                out.push_str(&inner);
                return after;
            }
            '\\' => {
                left = escape(&mut inner, after);
                continue;
            }
            '[' => {
                let posix = after.starts_with(':').then(|| after.find(":]")).flatten();
                if let Some(end) = posix {
                    inner.push('[');
                    inner.push_str(&after[..end + 2]);
                    left = &after[end + 2..];
                    continue;
                }
                inner.push_str(r"\[");
            }
            '&' | '~' => {
                inner.push('\\');
                inner.push(c);
            }
            // A dash after a dash, or next to a border, stands for itself.
            '-' if inner.ends_with(['[', '^'])
                || inner.ends_with(r"\-")
                || after.starts_with(']') =>
            {
                inner.push_str(r"\-");
            }
            c => inner.push(c),
        }
        left = after;
    }
    // Never closed: left as it is, to be refused with a message of the parser's.
    out.push('[');
    rest
}

/// After `{`: a repetition stays, anything else stands for itself.
fn brace<'p>(out: &mut String, rest: &'p str) -> &'p str {
    let end = rest.find('}');
    let inner = end.map(|end| &rest[..end]);
    let is_repetition = inner.is_some_and(|inner| {
        let mut numbers = inner.splitn(2, ',');
        let low = numbers.next().unwrap_or_default();
        let high = numbers.next();
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        digits(low)
            && high.is_none_or(digits)
            && !(low.is_empty() && high.is_none_or(str::is_empty))
    });
    match (is_repetition, inner, end) {
        (true, Some(inner), Some(end)) if !out.is_empty() => {
            let low = if inner.starts_with(',') { "0" } else { "" };
            out.push('{');
            out.push_str(low);
            out.push_str(inner);
            out.push('}');
            // `{2}+` is possessive, which only saves work.
            rest[end + 1..]
                .strip_prefix('+')
                .unwrap_or(&rest[end + 1..])
        }
        _ => {
            out.push_str(r"\{");
            rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::to_rust;

    #[test]
    fn what_python_reads_is_read() {
        for (pattern, yes, no) in [
            (r"^ab$", "ab\n", "abc"),
            (r"a{b", "a{b", "ab"),
            (r"a{2}", "aa", "a{2}"),
            (r"a{,2}b", "b", "c"),
            (r"[[a]", "[", "b"),
            (r"[^[]x", "ax", "[x"),
            (r"[]a]", "]", "b"),
            (r"[a-]", "-", "b"),
            (r"\/\-\_\ x", "/-_ x", "x"),
            (r"}", "}", "{"),
            (r"[&&]", "&", "a"),
            (r"x\Z", "x", "xy"),
        ] {
            let regex = regex::Regex::new(&to_rust(pattern, false)).unwrap();
            assert!(regex.is_match(yes), "{pattern} on {yes}");
            assert!(!regex.is_match(no), "{pattern} on {no}");
        }
    }
}
