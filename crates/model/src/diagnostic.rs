//! What is wrong with a file that a person wrote, where, and how to mend it.
//!
//! One type for queries, rules, policies and configuration, so that they all look alike on
//! the terminal, in JSON and in an editor. Parsers return a list and never stop at the first.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Half-open byte range in a source text.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// A span from `start` up to `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Number of bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether it covers nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// The text of the span; empty when out of range or not on character boundaries.
    #[must_use]
    pub fn slice(self, source: &str) -> &str {
        source.get(self.start..self.end).unwrap_or("")
    }
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Note,
    /// It runs, but probably not as meant.
    Warning,
    /// It does not run.
    Error,
}

/// One remark about a source text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable code, e.g. `KS142` or `ATL0003`.
    pub code: String,
    /// How bad.
    pub level: Level,
    /// Where.
    pub span: Span,
    /// What is wrong, with the operands.
    pub message: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: impl Into<String>, span: Span, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            level: Level::Error,
            span,
            message: message.into(),
            help: None,
        }
    }

    /// A warning.
    pub fn warning(code: impl Into<String>, span: Span, message: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            ..Self::error(code, span, message)
        }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A named source text that spans refer to.
#[derive(Clone, Copy, Debug)]
pub struct SourceFile<'a> {
    /// File name or a description such as `<query>`.
    pub name: &'a str,
    /// The whole text.
    pub text: &'a str,
}

impl SourceFile<'_> {
    /// One-based line and column (in characters) of a byte offset.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = floor_char_boundary(self.text, offset);
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// Renders a diagnostic with the line it is about and carets below it:
    ///
    /// ```text
    /// warning[ATL0101]: `between` wants `..`, not a comma
    ///   --> rule.kql:5:26
    ///    |
    ///  5 | | where x between (0.40, 0.60)
    ///    |                        ^
    ///    = help: write `between (0.40 .. 0.60)`
    /// ```
    #[must_use]
    pub fn render(&self, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.level {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        let (line, column) = self.line_column(diagnostic.span.start);
        let text = self.text.lines().nth(line - 1).unwrap_or("");
        let gutter = line.to_string().len();
        let mut out = format!("{level}[{}]: {}\n", diagnostic.code, diagnostic.message);
        let _ = writeln!(out, "{:gutter$}--> {}:{line}:{column}", "", self.name);
        let _ = writeln!(out, "{:gutter$} |", "");
        let _ = writeln!(out, "{line} | {}", text.replace('\t', " "));
        let carets = self.caret_count(diagnostic.span, text, column);
        let _ = writeln!(
            out,
            "{:gutter$} | {:indent$}{}",
            "",
            "",
            "^".repeat(carets),
            indent = column - 1
        );
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(
                out,
                "{:gutter$} = help: {}",
                "",
                help.replace('\n', "\n          ")
            );
        }
        out
    }

    fn caret_count(&self, span: Span, line: &str, column: usize) -> usize {
        let end = floor_char_boundary(self.text, span.end);
        let start = floor_char_boundary(self.text, span.start);
        let wanted = self.text.get(start..end).map_or(1, |s| s.chars().count());
        let room = (line.chars().count() + 1).saturating_sub(column);
        wanted.min(room).max(1)
    }
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, SourceFile, Span};

    #[test]
    fn a_caret_points_at_the_place() {
        let source = SourceFile {
            name: "q.kql",
            text: "T\n| where é between (1, 2)\n",
        };
        let start = source.text.find(',').unwrap();
        let rendered = source.render(
            &Diagnostic::error("KS005", Span::new(start, start + 1), "Expected: ..")
                .with_help("write `between (1 .. 2)`"),
        );
        let lines: Vec<&str> = rendered.lines().collect();
        assert_eq!(lines[1], " --> q.kql:2:21");
        assert_eq!(
            lines[4].chars().position(|c| c == '^'),
            lines[3].chars().position(|c| c == ','),
            "{rendered}"
        );
    }

    #[test]
    fn spans_out_of_range_do_not_panic() {
        let source = SourceFile {
            name: "q",
            text: "é",
        };
        for (start, end) in [(0, 99), (1, 1), (99, 100), (5, 1)] {
            let _ = source.render(&Diagnostic::error("X", Span::new(start, end), "m"));
        }
    }
}
