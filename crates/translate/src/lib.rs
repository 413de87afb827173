//! KQL rules in SPL and ES|QL, for the subset that detections mostly are: filters, computed
//! columns, `summarize … by`, thresholds, order and limits.
//!
//! ```text
//! KQL ── parse ──▶ tree ── expression, aggregate, operator by operator ──▶ text
//! ```
//!
//! A table joined with a summary of itself, as rules do that look at a caller's past, is said in one
//! pass (`past`). Everything else (other joins, `mv-expand`, sequences over rows, …) is refused at
//! its place: a query that nearly means the rule is worse than none. Times are compared as the target does:
//! `TimeGenerated` is `_time` in SPL and `@timestamp` in ES|QL; other columns keep their names.

mod esql;
mod expression;
mod past;
mod query;
mod spl;

use atalaya_model::{Diagnostic, Span};

/// What a query is translated to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Splunk's search processing language.
    Spl,
    /// ES|QL of Elasticsearch.
    Esql,
}

/// Code of diagnostics: the query cannot be said in the target.
pub const UNTRANSLATABLE: &str = "TRN001";

/// Translates a query. `source` names where the rows are in the target (`index=ai`, `logs-ai-*`);
/// without it the table's name is used.
///
/// # Errors
/// Mistakes of the query, and what the target cannot say; spans lie in `kql`.
pub fn translate(
    kql: &str,
    target: Target,
    source: Option<&str>,
) -> std::result::Result<String, Vec<Diagnostic>> {
    let parsed = atalaya_kql::parse(kql);
    if !parsed.diagnostics.is_empty() {
        return Err(parsed.diagnostics);
    }
    let written = match target {
        Target::Spl => query::write(&parsed.script, &spl::Spl, source),
        Target::Esql => query::write(&parsed.script, &esql::Esql, source),
    };
    written.map_err(|problem| vec![*problem])
}

/// Something that the target cannot say.
pub(crate) fn refused(span: Span, what: impl Into<String>) -> Box<Diagnostic> {
    let diagnostic = Diagnostic::error(UNTRANSLATABLE, span, what.into());
    Box::new(diagnostic.with_help(
        "only filters, extend, project, summarize by, thresholds, sort, top, distinct and joins of a table with a summary of itself are translated; run the rule here and forward its alerts",
    ))
}

pub(crate) type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// A string literal that both targets read: backslashes and quotes escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A text as a regular expression that matches it.
pub(crate) fn regex_of(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if r".+*?()|[]{}^$\/".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
