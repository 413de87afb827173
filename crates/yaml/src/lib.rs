//! YAML that people write (configuration, policies, rules, patterns) becomes a typed value or a
//! [`Diagnostic`] that says where, what and how to mend it, with the nearest valid key for a
//! mistyped one. One place, so that every file of ours complains in the same way.
//!
//! [`tree`] is for files whose shape a serde type cannot say.

pub mod tree;

use atalaya_model::{Diagnostic, Span};
use serde::de::DeserializeOwned;
use serde_saphyr::{Error, MessageFormatter as _, Options, UserMessageFormatter};

/// Codes of this crate's diagnostics.
pub mod code {
    /// The text is not YAML, or a limit of the parser was reached.
    pub const SYNTAX: &str = "YAML001";
    /// A key that is not known here.
    pub const UNKNOWN_KEY: &str = "YAML002";
    /// A value that is not one of the allowed ones.
    pub const UNKNOWN_VALUE: &str = "YAML003";
    /// A required key is missing.
    pub const MISSING_KEY: &str = "YAML004";
    /// The value has the wrong type or is out of range.
    pub const INVALID_VALUE: &str = "YAML005";
    /// A key stands twice.
    pub const DUPLICATE_KEY: &str = "YAML006";
}

/// Reads one document. Unknown keys are refused if `T` says `deny_unknown_fields`.
///
/// # Errors
/// A diagnostic whose span lies in `text`.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Box<Diagnostic>> {
    serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| Box::new(diagnose(&error, text)))
}

/// Reads every document of a multi-document file.
///
/// # Errors
/// A diagnostic whose span lies in `text`.
pub fn parse_many<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, Box<Diagnostic>> {
    serde_saphyr::from_multiple_with_options(text, options())
        .map_err(|error| Box::new(diagnose(&error, text)))
}

fn options() -> Options {
    let mut options = Options::default();
    options.with_snippet = false;
    options
}

/// Turns a parser error into our own shape.
#[must_use]
pub fn diagnose(error: &Error, text: &str) -> Diagnostic {
    let error = error.without_snippet();
    let span = error
        .location()
        .map_or_else(Span::default, |location| span_of(location, text));
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => Diagnostic::error(code::UNKNOWN_KEY, span, format!("unknown key `{field}`"))
            .with_help(suggest(field, expected)),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => Diagnostic::error(
            code::UNKNOWN_VALUE,
            span,
            format!("unknown value `{variant}`"),
        )
        .with_help(suggest(variant, expected)),
        Error::SerdeMissingField { field, .. } => Diagnostic::error(
            code::MISSING_KEY,
            span,
            format!("the key `{field}` is missing"),
        )
        .with_help(format!("add `{field}:`")),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            Diagnostic::error(
                code::DUPLICATE_KEY,
                span,
                format!("the key `{key}` stands twice"),
            )
            .with_help("remove one of the two")
        }
        other => {
            let message = UserMessageFormatter.format_message(other).into_owned();
            // What the scanner says is about syntax; everything else is about a value.
            let is_syntax = matches!(other, Error::ExternalMessage { .. } | Error::Eof { .. });
            let code = if is_syntax {
                code::SYNTAX
            } else {
                code::INVALID_VALUE
            };
            Diagnostic::error(code, span, message)
        }
    }
}

fn span_of(location: serde_saphyr::Location, text: &str) -> Span {
    let span = location.span();
    let to_usize = |value: Option<u64>| value.and_then(|v| usize::try_from(v).ok());
    let start = to_usize(span.byte_offset()).unwrap_or(0).min(text.len());
    let length = to_usize(span.byte_len()).unwrap_or(0).max(1);
    Span::new(
        start,
        start.saturating_add(length).min(text.len().max(start)),
    )
}

fn suggest(wrong: &str, valid: &[&str]) -> String {
    match nearest(wrong, valid.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? valid here: {}", valid.join(", ")),
        None if valid.is_empty() => "nothing is allowed here".to_owned(),
        None => format!("valid here: {}", valid.join(", ")),
    }
}

/// The candidate that a person most likely meant, if one is near enough. Nobody meant a name of
/// 128 characters and more.
pub fn nearest<'a>(wrong: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR_ENOUGH: f64 = 0.6;
    const NAME_MAX: usize = 128;
    let length = wrong.chars().take(NAME_MAX).count();
    if length == NAME_MAX {
        return None;
    }
    let wrong = wrong.to_lowercase();
    candidates
        // Each character that one of them has more is one that differs.
        .filter(|candidate| {
            let other = candidate.chars().take(NAME_MAX).count();
            length.min(other) * 5 >= length.max(other) * 3
        })
        .map(|candidate| {
            let near = strsim::normalized_damerau_levenshtein(&wrong, &candidate.to_lowercase());
            (near, candidate)
        })
        .filter(|(near, _)| *near >= NEAR_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use atalaya_model::SourceFile;
    use serde::Deserialize;

    use super::{code, parse};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only parsed")]
    struct Sample {
        listen: u16,
        #[serde(default)]
        mode: Option<Mode>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Enforce,
        Shadow,
    }

    #[test]
    fn every_mistake_has_a_code_a_place_and_where_possible_a_remedy() {
        for (text, code, line, help) in [
            (
                "listen: 1\nlsiten: 2\n",
                code::UNKNOWN_KEY,
                2,
                Some("did you mean `listen`?"),
            ),
            (
                "listen: 1\nmode: shadwo\n",
                code::UNKNOWN_VALUE,
                2,
                Some("did you mean `shadow`?"),
            ),
            (
                "mode: enforce\n",
                code::MISSING_KEY,
                1,
                Some("add `listen:`"),
            ),
            (
                "listen: 1\nlisten: 2\n",
                code::DUPLICATE_KEY,
                2,
                Some("remove one"),
            ),
            ("listen: many\n", code::INVALID_VALUE, 1, None),
            ("{listen: 1", code::SYNTAX, 1, None),
        ] {
            let diagnostic = parse::<Sample>(text).unwrap_err();
            assert_eq!(diagnostic.code, code, "{text:?}: {diagnostic:?}");
            let source = SourceFile {
                name: "f.yml",
                text,
            };
            assert_eq!(
                source.line_column(diagnostic.span.start).0,
                line,
                "{text:?}: {diagnostic:?}"
            );
            if let Some(help) = help {
                let said = diagnostic.help.clone().unwrap_or_default();
                assert!(said.contains(help), "{text:?}: {said}");
            }
        }
    }
}
