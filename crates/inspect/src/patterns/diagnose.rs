//! What is wrong with a pattern file, and where.

use atalaya_model::{Diagnostic, Span};

use super::{FILE_BYTES_MAX, PATTERNS_MAX};

/// Codes of this crate's diagnostics.
pub(crate) mod code {
    /// The regular expression does not parse.
    pub(crate) const REGEX: &str = "INS001";
    /// The pattern does not start with literal text.
    pub(crate) const NO_ANCHOR: &str = "INS002";
    /// A `{name}` that the lexicon does not hold.
    pub(crate) const UNKNOWN_NAME: &str = "INS003";
    /// A `check` that does not exist.
    pub(crate) const UNKNOWN_CHECK: &str = "INS004";
    /// Two patterns with one id.
    pub(crate) const DUPLICATE_ID: &str = "INS005";
    /// The file or the set is too large.
    pub(crate) const TOO_LARGE: &str = "INS006";
}

/// A mistake in one pattern.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: String,
    /// Text near which the mistake is.
    pub(crate) near: String,
}

pub(crate) fn pattern(text: &str, id: &str, problem: &Problem) -> Diagnostic {
    let start = id_at(text, id).start;
    let rest = text.get(start..).unwrap_or("");
    let span = rest
        .find(problem.near.as_str())
        .filter(|_| !problem.near.is_empty())
        .map_or_else(
            || id_at(text, id),
            |at| Span::new(start + at, start + at + problem.near.len()),
        );
    Diagnostic::error(
        problem.code,
        span,
        format!("pattern `{id}`: {}", problem.message),
    )
    .with_help(problem.help.clone())
}

pub(crate) fn duplicate_id(text: &str, id: &str) -> Diagnostic {
    let message = format!("the id `{id}` stands twice for this detector");
    Diagnostic::error(code::DUPLICATE_ID, last_id_at(text, id), message)
        .with_help("rename one of the two")
}

pub(crate) fn file_too_large(text: &str) -> Diagnostic {
    let message = format!("{} bytes, at most {FILE_BYTES_MAX} are read", text.len());
    Diagnostic::error(code::TOO_LARGE, Span::new(0, 1), message).with_help("split the file")
}

pub(crate) fn too_many_patterns(text: &str) -> Diagnostic {
    let message = format!("more than {PATTERNS_MAX} patterns altogether");
    let span = text
        .find("patterns")
        .map_or(Span::new(0, 1), |at| Span::new(at, at + 8));
    Diagnostic::error(code::TOO_LARGE, span, message)
        .with_help("join patterns that differ in words only: `regex` takes a list")
}

fn id_at(text: &str, id: &str) -> Span {
    let line = format!("id: {id}");
    text.find(&line)
        .map_or(Span::new(0, 1), |at| Span::new(at + 4, at + line.len()))
}

fn last_id_at(text: &str, id: &str) -> Span {
    let line = format!("id: {id}");
    text.rfind(&line)
        .map_or(Span::new(0, 1), |at| Span::new(at + 4, at + line.len()))
}
