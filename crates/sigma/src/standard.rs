//! A rule in the standard form, made from its own text: base rules and a correlation.
//!
//! The text is changed where it must be and kept everywhere else, comments included.

use std::fmt::Write as _;

use atalaya_model::Span;
use atalaya_yaml::tree::Node;

use crate::duration;
use crate::ir::{Correlation, CorrelationCondition, Edit, RuleExpr};

/// What becomes different in one base rule.
pub(crate) struct Changes {
    /// Keys with values that go.
    pub(crate) remove: Vec<Span>,
    /// Conditions that are replaced.
    pub(crate) conditions: Vec<(Span, String)>,
    /// The name by which the correlation knows it.
    pub(crate) name: String,
}

/// A name from a title: `Adversarial Example` becomes `adversarial_example`.
pub(crate) fn name_of(title: &str) -> String {
    let mut name = String::with_capacity(title.len());
    for word in title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        if !name.is_empty() {
            name.push('_');
        }
        name.push_str(&word.to_ascii_lowercase());
    }
    if name.is_empty() {
        "rule".to_owned()
    } else {
        name
    }
}

/// The whole lines of a place.
pub(crate) fn lines_of(text: &str, span: Span) -> Span {
    let start = text
        .get(..span.start)
        .and_then(|t| t.rfind('\n'))
        .map_or(0, |at| at + 1);
    let rest = text.get(span.end..).unwrap_or_default();
    // A block's place may end after its line break already.
    let ends = span.end > span.start && text.get(..span.end).is_some_and(|t| t.ends_with('\n'));
    let end = match (ends, rest.find('\n')) {
        (true, _) => span.end,
        (false, Some(at)) => span.end + at + 1,
        (false, None) => text.len(),
    };
    Span::new(start, end)
}

/// The text after edits; of edits that overlap, the one that covers more.
#[must_use]
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| (edit.span.start, std::cmp::Reverse(edit.span.end)));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in sorted {
        if edit.span.start < at {
            continue;
        }
        out.push_str(text.get(at..edit.span.start).unwrap_or_default());
        out.push_str(&edit.text);
        at = edit.span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Base rules, one for each of the changes, and the correlation, as YAML.
pub(crate) fn write(
    text: &str,
    document: &Node,
    bases: &[Changes],
    (correlation, fixes): (&Correlation, &[Edit]),
) -> String {
    let mut out = String::new();
    for changes in bases {
        out.push_str(&base(text, document, changes, fixes));
        out.push_str("---\n");
    }
    let mut keep = String::new();
    for key in ["id", "status", "author", "date", "tags", "falsepositives"] {
        keep.push_str(&lines_of_key(text, document, key));
    }
    let _ = writeln!(out, "title: {}", quoted(&correlation.metadata.title));
    out.push_str(&keep);
    if let Some(name) = &correlation.metadata.name {
        let _ = writeln!(out, "name: {name}");
    }
    correlation_lines(&mut out, correlation);
    if let Some(severity) = correlation.metadata.severity {
        let _ = writeln!(out, "level: {severity}");
    }
    out
}

fn base(text: &str, document: &Node, changes: &Changes, fixes: &[Edit]) -> String {
    let whole = lines_of(text, document.span);
    let edit = |span: Span, text: String| Edit {
        span: Span::new(
            span.start.saturating_sub(whole.start),
            span.end.saturating_sub(whole.start),
        ),
        text,
        code: "",
        file: 0,
    };
    let inside = |span: &Span| span.start >= whole.start && span.end <= whole.end;
    let mut edits: Vec<Edit> = fixes
        .iter()
        .filter(|fix| inside(&fix.span))
        .map(|fix| edit(fix.span, fix.text.clone()))
        .collect();
    let removed = changes.remove.iter().filter(|span| inside(span));
    edits.extend(removed.map(|span| edit(lines_of(text, *span), String::new())));
    let conditions = changes.conditions.iter().filter(|(span, _)| inside(span));
    edits.extend(conditions.map(|(span, condition)| edit(*span, condition.clone())));
    for (key, node) in document.map().unwrap_or_default() {
        let lines = lines_of(text, key.span.to(node.span));
        if !inside(&lines) {
            continue;
        }
        match key.text.as_str() {
            "title" => {
                let title = node.scalar().unwrap_or_default();
                let title = quoted(&format!("{title} ({})", changes.name));
                edits.push(edit(
                    lines,
                    format!("title: {title}\nname: {}\n", changes.name),
                ));
            }
            // What alerts say stays with the correlation.
            "id" | "name" | "falsepositives" => edits.push(edit(lines, String::new())),
            "level" => edits.push(edit(lines, "level: informational\n".to_owned())),
            _ => {}
        }
    }
    let mut out = apply(whole.slice(text), &edits);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn lines_of_key(text: &str, document: &Node, key: &str) -> String {
    let pairs = document.map().unwrap_or_default();
    let found = pairs.iter().find(|(k, _)| k.text == key);
    let mut lines = found.map_or_else(String::new, |(key, node)| {
        lines_of(text, key.span.to(node.span))
            .slice(text)
            .to_owned()
    });
    if !lines.is_empty() && !lines.ends_with('\n') {
        lines.push('\n');
    }
    lines
}

fn correlation_lines(out: &mut String, correlation: &Correlation) {
    let names: Vec<&str> = correlation.rules.iter().map(|r| r.name.as_str()).collect();
    let kind = correlation.kind.word();
    let _ = writeln!(
        out,
        "correlation:\n  type: {kind}\n  rules: [{}]",
        names.join(", ")
    );
    if !correlation.group_by.is_empty() {
        let _ = writeln!(out, "  group-by: [{}]", correlation.group_by.join(", "));
    }
    let _ = writeln!(out, "  timespan: {}", duration::write(correlation.timespan));
    match &correlation.condition {
        CorrelationCondition::Rules(expr) => {
            let _ = writeln!(out, "  condition: {}", rule_expr(expr, &names));
        }
        CorrelationCondition::Threshold(threshold) => {
            out.push_str("  condition:\n");
            for field in &threshold.fields {
                let _ = writeln!(out, "    field: {field}");
            }
            for bound in &threshold.bounds {
                let _ = writeln!(out, "    {}: {}", bound.operator.word(), bound.number.0);
            }
        }
    }
}

fn rule_expr(expr: &RuleExpr, names: &[&str]) -> String {
    let join = |parts: &[RuleExpr], word: &str| {
        let parts: Vec<String> = parts.iter().map(|part| rule_expr(part, names)).collect();
        parts.join(word)
    };
    match expr {
        RuleExpr::And(parts) => join(parts, " and "),
        RuleExpr::Or(parts) => format!("({})", join(parts, " or ")),
        RuleExpr::Not(inner) => format!("not {}", rule_expr(inner, names)),
        RuleExpr::Rule(index) => names.get(*index).copied().unwrap_or_default().to_owned(),
    }
}

/// A title as YAML reads it back.
fn quoted(title: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " _-().,/+".contains(c);
    if title.chars().all(plain) && title.starts_with(char::is_alphabetic) {
        title.to_owned()
    } else {
        format!("'{}'", title.replace('\'', "''"))
    }
}
