//! Cuts KQL text into statements, operators and list items, without understanding them.
//!
//! Deriving the query for the records behind an alert means keeping most of a rule's text as it
//! is and replacing its end. That needs to know where operators begin, not what they mean: so
//! this knows strings, comments and brackets, and nothing else. Spans index the original text.

use atalaya_model::Span;

/// One operator of a pipeline; the first is the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage<'a> {
    /// Text of the operator, comments included, without the bar before it.
    pub(crate) text: &'a str,
}

impl<'a> Stage<'a> {
    /// The operator's name: `where`, `summarize`, `project-away`.
    pub(crate) fn name(&self) -> &'a str {
        let code = skip_comments(self.text);
        let end = code
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .unwrap_or(code.len());
        code.get(..end).unwrap_or("")
    }

    /// What follows the name.
    pub(crate) fn arguments(&self) -> &'a str {
        let code = skip_comments(self.text);
        code.get(self.name().len()..).unwrap_or("")
    }
}

/// Statements of a query, without the semicolons.
pub(crate) fn statements(text: &str) -> Vec<&str> {
    split(text, |rest| usize::from(rest.starts_with(';')))
        .into_iter()
        .filter(|s| !skip_comments(s).is_empty())
        .collect()
}

/// Operators of one statement.
pub(crate) fn stages(statement: &str) -> Vec<Stage<'_>> {
    let bar = |rest: &str| usize::from(rest.starts_with('|') && !rest.starts_with("||"));
    split(statement, bar)
        .into_iter()
        .map(|text| Stage { text })
        .collect()
}

/// Items of a list, without the commas, comments and spaces around them.
pub(crate) fn items(list: &str) -> Vec<&str> {
    split(list, |rest| usize::from(rest.starts_with(',')))
        .into_iter()
        .map(trim_code)
        .filter(|item| !item.is_empty())
        .collect()
}

/// Splits `arguments` of `summarize` into aggregates and group keys.
pub(crate) fn split_by(arguments: &str) -> (&str, Option<&str>) {
    let parts = split(arguments, |rest| word_length(arguments, rest, "by"));
    match parts.as_slice() {
        [aggregates, keys] => (aggregates, Some(keys)),
        _ => (arguments, None),
    }
}

/// `Name = expression` → both; otherwise only the expression.
pub(crate) fn assignment(item: &str) -> (Option<&str>, &str) {
    if let Some((name, value)) = item.split_once('=')
        && is_identifier(name.trim())
        && !value.starts_with(['=', '~'])
    {
        return (Some(name.trim()), value.trim());
    }
    (None, item.trim())
}

/// Whether the text is a plain column or table name.
pub(crate) fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Identifiers outside of strings and comments, in order, repetitions included.
pub(crate) fn identifiers(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|r| !r.is_empty()) {
        let skipped = opaque_length(rest);
        if skipped > 0 {
            at += skipped;
            continue;
        }
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        if length == 0 {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let word = rest.get(..length).unwrap_or("");
        if is_identifier(word) {
            found.push(word);
        }
        at += length;
    }
    found
}

/// Splits at top-level separators; `separator` says how many bytes of the rest are one.
fn split<'a>(text: &'a str, separator: impl Fn(&'a str) -> usize) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut part = Span::new(0, 0);
    let mut depth = 0_usize;
    while let Some(rest) = text.get(part.end..).filter(|r| !r.is_empty()) {
        let opaque = opaque_length(rest);
        if opaque > 0 {
            part.end += opaque;
            continue;
        }
        let width = if depth == 0 { separator(rest) } else { 0 };
        if width > 0 {
            parts.push(part.slice(text));
            part = Span::new(part.end + width, part.end + width);
            continue;
        }
        match rest.as_bytes().first() {
            Some(b'(' | b'[' | b'{') => depth += 1,
            Some(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        part.end += rest.chars().next().map_or(1, char::len_utf8);
    }
    parts.push(part.slice(text));
    parts
}

/// Length of the string or comment that `rest` begins with; 0 if it begins with neither.
fn opaque_length(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    for fence in ["```", "~~~"] {
        if let Some(inner) = rest.strip_prefix(fence) {
            return inner
                .find(fence)
                .map_or(rest.len(), |end| end + 2 * fence.len());
        }
    }
    let verbatim = rest.starts_with("@\"") || rest.starts_with("@'");
    let open = usize::from(verbatim);
    match rest.as_bytes().get(open) {
        Some(quote @ (b'"' | b'\'')) => string_length(rest.as_bytes(), open, *quote, verbatim),
        _ => 0,
    }
}

fn string_length(bytes: &[u8], open: usize, quote: u8, verbatim: bool) -> usize {
    let mut at = open + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if !verbatim => at += 2,
            b if *b == quote && verbatim && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if *b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Length of `word` if it stands alone at the beginning of `rest`, which is a tail of `text`.
fn word_length(text: &str, rest: &str, word: &str) -> usize {
    let before = text.get(..text.len() - rest.len()).unwrap_or("");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let alone = rest
        .strip_prefix(word)
        .is_some_and(|after| !before.ends_with(is_word) && !after.starts_with(is_word));
    if alone { word.len() } else { 0 }
}

fn trim_code(text: &str) -> &str {
    let code = skip_comments(text);
    // A comment can also follow an item on its line.
    let mut at = 0;
    let mut end = 0;
    while let Some(rest) = code.get(at..).filter(|r| !r.is_empty()) {
        let opaque = opaque_length(rest);
        let step = opaque.max(rest.chars().next().map_or(1, char::len_utf8));
        at += step;
        if !rest.starts_with("//") && !rest.starts_with(char::is_whitespace) {
            end = at;
        }
    }
    code.get(..end).unwrap_or("")
}

fn skip_comments(text: &str) -> &str {
    let mut text = text.trim_start();
    while text.starts_with("//") {
        let end = text.find('\n').unwrap_or(text.len());
        text = text.get(end..).unwrap_or("").trim_start();
    }
    text.trim_end()
}

#[cfg(test)]
mod tests {
    use super::{assignment, identifiers, items, split_by, stages, statements};

    #[test]
    fn bars_in_strings_comments_and_brackets_do_not_count() {
        let query = "let x = 1;\n// a | b; c\nT // | no\n| where A == \"|;\" and B has @'c:\\|'\n\
                     | join (U | where C == ```|```) on A\n| project A";
        let all = statements(query);
        assert_eq!(all.len(), 2);
        let names: Vec<&str> = stages(all[1]).iter().map(super::Stage::name).collect();
        assert_eq!(names, ["T", "where", "join", "project"]);
    }

    #[test]
    fn lists_and_keys_are_found() {
        assert_eq!(
            items(" A, B = f(x, y), // why\n C // end\n"),
            ["A", "B = f(x, y)", "C"]
        );
        let (aggregates, keys) = split_by(" count(), arg_max(T, Baby) by K, bin(T, 1h)");
        assert_eq!(items(aggregates), ["count()", "arg_max(T, Baby)"]);
        assert_eq!(items(keys.unwrap()), ["K", "bin(T, 1h)"]);
        assert_eq!(split_by(" count()").1, None);
        assert_eq!(assignment("A = b == c"), (Some("A"), "b == c"));
        assert_eq!(assignment("a == c"), (None, "a == c"));
        assert_eq!(
            identifiers("T | where A == 'B' // C\n and d"),
            ["T", "where", "A", "and", "d"]
        );
    }

    #[test]
    fn broken_text_is_no_reason_to_panic() {
        for text in [
            "'", "\"\\", "@\"", "```", "//", "((", "))|", "é|é", "by", "", "'\\é",
        ] {
            for statement in statements(text) {
                for stage in stages(statement) {
                    let _ = (
                        stage.name(),
                        items(stage.arguments()),
                        split_by(stage.arguments()),
                    );
                }
            }
            let _ = identifiers(text);
        }
    }
}
