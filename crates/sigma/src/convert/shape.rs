//! What a pattern looks like, for languages that have an operator for some shapes and need a
//! regular expression for the rest.

use crate::ir::{Part, Pattern};

/// The shape of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape<'p> {
    /// No wildcard.
    Plain(&'p str),
    /// `*x*`
    Contains(&'p str),
    /// `x*`
    Starts(&'p str),
    /// `*x`
    Ends(&'p str),
    /// `*`: anything that is there.
    Anything,
    /// Wildcards inside.
    Pattern,
}

/// The shape of a pattern without placeholders.
pub(crate) fn of(pattern: &Pattern) -> Shape<'_> {
    match pattern.parts.as_slice() {
        [] => Shape::Plain(""),
        [Part::Literal(text)] => Shape::Plain(text),
        [Part::Many] => Shape::Anything,
        [Part::Many, Part::Literal(text), Part::Many] => Shape::Contains(text),
        [Part::Literal(text), Part::Many] => Shape::Starts(text),
        [Part::Many, Part::Literal(text)] => Shape::Ends(text),
        _ => Shape::Pattern,
    }
}

/// Whether there is a wildcard in it.
pub(crate) fn has_wildcards(pattern: &Pattern) -> bool {
    let mut parts = pattern.parts.iter();
    parts.any(|part| matches!(part, Part::Many | Part::One))
}

/// The pattern with each piece written by `literal` or as one of the wildcards.
pub(crate) fn write(
    pattern: &Pattern,
    (many, one): (&str, &str),
    mut literal: impl FnMut(&mut String, char),
) -> String {
    let mut out = String::new();
    for part in &pattern.parts {
        match part {
            Part::Literal(text) => text.chars().for_each(|c| literal(&mut out, c)),
            Part::Many => out.push_str(many),
            Part::One => out.push_str(one),
            Part::Placeholder(name) => {
                out.push('%');
                out.push_str(name);
                out.push('%');
            }
        }
    }
    out
}

/// The text of a pattern with wildcards as they are and nothing escaped.
pub(crate) fn raw(pattern: &Pattern) -> String {
    write(pattern, ("*", "?"), String::push)
}

/// A keyword: it may lie anywhere in a value.
pub(crate) fn anywhere(pattern: &Pattern) -> Pattern {
    let mut out = Pattern {
        parts: Vec::with_capacity(pattern.parts.len() + 2),
        cased: pattern.cased,
    };
    out.push(Part::Many);
    for part in &pattern.parts {
        out.push(part.clone());
    }
    out.push(Part::Many);
    out
}

/// As a regular expression over the whole value, in a syntax that PCRE, RE2, POSIX and Rust
/// share. A wildcard at an end leaves that end open instead of reading to it.
pub(crate) fn regex(pattern: &Pattern) -> String {
    let starts_open = pattern.parts.first() == Some(&Part::Many);
    let ends_open = pattern.parts.last() == Some(&Part::Many);
    let first = usize::from(starts_open);
    let last = pattern.parts.len().saturating_sub(usize::from(ends_open));
    let inner = Pattern {
        parts: pattern.parts.get(first..last).unwrap_or_default().to_vec(),
        cased: pattern.cased,
    };
    let text = write(&inner, (".*", "."), |out, c| {
        if r".+*?()|[]{}^$\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    });
    let (start, end) = (
        if starts_open { "" } else { "^" },
        if ends_open { "" } else { "$" },
    );
    format!("{start}{text}{end}")
}

#[cfg(test)]
mod tests {
    use super::{Shape, of, regex};
    use crate::ir::Pattern;

    #[test]
    fn shapes_and_regular_expressions() {
        let cases = [
            (r"\cmd.exe", Shape::Plain(r"\cmd.exe"), r"^\\cmd\.exe$"),
            ("*a*", Shape::Contains("a"), "a"),
            ("a*", Shape::Starts("a"), "^a"),
            ("*a", Shape::Ends("a"), "a$"),
            ("*", Shape::Anything, ""),
            ("*a?*", Shape::Pattern, "a."),
            ("a*b", Shape::Pattern, "^a.*b$"),
        ];
        for (written, shape, expression) in cases {
            let pattern = Pattern::of_sigma(written);
            assert_eq!(of(&pattern), shape, "{written}");
            assert_eq!(regex(&pattern), expression, "{written}");
        }
    }
}
