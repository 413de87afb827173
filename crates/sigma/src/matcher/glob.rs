//! Patterns with wildcards within.

use super::fold;
use crate::ir::{Part, Pattern};

/// A pattern that is made for comparing: folded unless case counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Glob {
    parts: Vec<Piece>,
    /// Whether it is compared with the text as it is, not folded.
    pub(super) cased: bool,
    /// Whether the five dashes are one (`windash`).
    pub(super) dashes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Literal(String),
    Many,
    One,
}

impl Glob {
    pub(super) fn new(pattern: &Pattern, dashes: bool) -> Self {
        let prepared = |text: &str| {
            let mut text = if pattern.cased {
                text.to_owned()
            } else {
                fold::fold(text)
            };
            if dashes {
                text = with_equal_dashes(&text);
            }
            text
        };
        let parts = pattern.parts.iter().map(|part| match part {
            Part::Literal(text) => Piece::Literal(prepared(text)),
            Part::One => Piece::One,
            Part::Many | Part::Placeholder(_) => Piece::Many,
        });
        Self {
            parts: parts.collect(),
            cased: pattern.cased,
            dashes,
        }
    }

    /// The longest text that every match holds, folded.
    pub(super) fn longest_literal(&self) -> Option<String> {
        let literals = self.parts.iter().filter_map(|part| match part {
            Piece::Literal(text) if self.dashes => text.split('-').max_by_key(|piece| piece.len()),
            Piece::Literal(text) => Some(text.as_str()),
            _ => None,
        });
        literals
            .max_by_key(|text| text.len())
            .filter(|text| !text.is_empty())
            .map(fold::fold)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        if self.dashes {
            // Rare: only for candidates, and only with three dashes or more.
            return matches(&self.parts, &with_equal_dashes(text));
        }
        matches(&self.parts, text)
    }
}

fn with_equal_dashes(text: &str) -> String {
    let equal = |c: char| {
        if crate::read::DASHES.contains(&c) {
            '-'
        } else {
            c
        }
    };
    text.chars().map(equal).collect()
}

/// With one point to come back to, the last `Many`: time at most pattern times text.
fn matches(parts: &[Piece], text: &str) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let advanced = match parts.get(part) {
            None if at == text.len() => return true,
            Some(Piece::Many) => {
                // The last part takes the rest.
                if part + 1 == parts.len() {
                    return true;
                }
                back = Some((part, at));
                part += 1;
                continue;
            }
            Some(Piece::Literal(literal)) => text.as_bytes()[at..]
                .starts_with(literal.as_bytes())
                .then_some(literal.len()),
            Some(Piece::One) => text
                .get(at..)
                .and_then(|rest| rest.chars().next())
                .map(char::len_utf8),
            None => None,
        };
        if let Some(length) = advanced {
            part += 1;
            at += length;
            continue;
        }
        let Some((many, from)) = back else {
            return false;
        };
        let Some(next) = retry(parts.get(many + 1), text, from) else {
            return false;
        };
        back = Some((many, next));
        part = many + 1;
        at = next;
    }
}

/// The next place after `from` where what follows a `Many` may begin.
fn retry(after: Option<&Piece>, text: &str, from: usize) -> Option<usize> {
    let step = text.get(from..)?.chars().next()?.len_utf8();
    let next = from + step;
    match after {
        Some(Piece::Literal(literal)) => {
            memchr::memmem::find(&text.as_bytes()[next..], literal.as_bytes()).map(|at| next + at)
        }
        _ => Some(next),
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;
    use crate::ir::Pattern;

    #[test]
    fn wildcards_stand_for_what_they_say() {
        for (pattern, text, expected) in [
            ("a*z", "a--zz", true),
            ("a*z", "ba--z", false),
            ("a?z", "aäz", true),
            ("a?z", "az", false),
            ("*a?c*e", "xxabcabcde", true),
            ("*a?c*e", "xxabcabcdf", false),
            ("?*", "", false),
            ("*??", "ab", true),
            ("a*b*c*d", "abcbcdcd", true),
        ] {
            let glob = Glob::new(&Pattern::of_sigma(pattern), false);
            assert_eq!(glob.matches(text), expected, "{pattern} on {text}");
        }
        let glob = Glob::new(&Pattern::of_sigma("*-a*-b*/c*"), true);
        assert!(glob.matches("x /a –b ―c"));
    }
}
