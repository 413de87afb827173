//! A base rule and its correlation in the standard form, for people to copy.

use std::fmt::Write as _;

use crate::duration;
use crate::rule::{Correlation, Expr, FieldMatch, Match, SigmaRule};

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
    name
}

/// Both as YAML. Only for conditions that are a conjunction of fields; others are left to say
/// what they say now.
pub(crate) fn write(base: &SigmaRule, correlation: &Correlation) -> String {
    let metadata = &base.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    let mut out = format!(
        "title: {} (event)\nname: {name}\nlogsource:\n",
        metadata.title
    );
    let source = &base.source;
    for (key, value) in [
        ("product", &source.product),
        ("category", &source.category),
        ("service", &source.service),
    ] {
        if !value.is_empty() {
            let _ = writeln!(out, "  {key}: {value}");
        }
    }
    out.push_str("detection:\n  selection:\n");
    let parts: &[Expr] = match &base.condition {
        Expr::And(parts) => parts,
        one => std::slice::from_ref(one),
    };
    for part in parts {
        match part {
            Expr::Field(field) => field_lines(&mut out, field),
            _ => out.push_str("    # as before\n"),
        }
    }
    out.push_str("  condition: selection\nlevel: informational\n---\n");
    let title = &correlation.metadata.title;
    let _ = writeln!(
        out,
        "title: {title}\ncorrelation:\n  type: event_count\n  rules: [{name}]"
    );
    if !correlation.group_by.is_empty() {
        let _ = writeln!(out, "  group-by: [{}]", correlation.group_by.join(", "));
    }
    let timespan = duration::write(correlation.timespan);
    let (word, threshold) = (correlation.operator.word(), correlation.threshold);
    let _ = writeln!(
        out,
        "  timespan: {timespan}\n  condition:\n    {word}: {threshold}"
    );
    if let Some(severity) = correlation.metadata.severity {
        let _ = writeln!(out, "level: {severity}");
    }
    out
}

fn field_lines(out: &mut String, field: &FieldMatch) {
    let name = &field.field;
    let texts: Vec<&str> = field
        .values
        .iter()
        .filter_map(|value| match value {
            Match::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if texts.len() == field.values.len() {
        let _ = writeln!(out, "    {name}: [{}]", texts.join(", "));
        return;
    }
    for value in &field.values {
        let _ = match value {
            Match::Compare(operator, number) => {
                writeln!(out, "    {name}|{}: {}", operator.word(), number.0)
            }
            Match::Number(number) => writeln!(out, "    {name}: {}", number.0),
            Match::Text(text) => writeln!(out, "    {name}: {text}"),
            _ => writeln!(out, "    # {name}: as before"),
        };
    }
}
