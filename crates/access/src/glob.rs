//! Patterns for names, in lists.

pub use atalaya_model::glob::matches;

/// Whether any pattern covers the text.
pub(crate) fn any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}
