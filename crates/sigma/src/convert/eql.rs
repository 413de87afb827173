//! To EQL (Elasticsearch's event query language). `:` and `like~` compare without regard to
//! case, as Sigma does; `==` and `like` with it.
//!
//! EQL has no search over all fields and no comparison of two fields: both are refused.

use crate::ir::{Operator, Pattern, Test};

use super::render::{Binding, Language, Leaf, Rendered, Result, Style};
use super::{Context, problem, shape, unsupported};

/// Writes conditions in EQL.
pub(crate) struct Eql<'c> {
    pub(crate) context: &'c mut Context,
}

const NAME: &str = "EQL";

impl Language for Eql<'_> {
    fn style(&self) -> Style {
        Style {
            and: " and ",
            or: " or ",
            not: ("not ", ""),
            always_grouped: true,
            or_binds_tighter: false,
            chain_max: usize::MAX,
        }
    }

    fn leaf(&mut self, leaf: Leaf<'_>) -> Result<Rendered> {
        let Some(field) = leaf.field else {
            return Err(problem(
                "EQL cannot search all fields of an event for a keyword",
                "name the field, or convert to Lucene",
            ));
        };
        let name = quoted_field(field);
        Ok(Rendered::atom(match leaf.test {
            Test::Text(pattern) => text(&name, pattern),
            Test::Number(number) => format!("{name}:{}", number.0),
            Test::Bool(value) => format!("{name}:{value}"),
            Test::Null => return Ok(Rendered::bound(format!("?{name} == null"), Binding::Not)),
            Test::Exists(there) => presence(&name, *there),
            Test::Regex { pattern, flags } => {
                let letters = flags.letters();
                let flags = if letters.is_empty() {
                    String::new()
                } else {
                    self.context.lossy(format!(
                        "regular expressions of EQL have no flags: `(?{letters})` of `{field}` is read as text"
                    ));
                    format!("(?{letters})")
                };
                format!("{name} regex~ {}", regex(&format!("{flags}{pattern}")))
            }
            Test::Cidr(network) => format!("cidrMatch({name}, {})", quoted(&network.text)),
            Test::Compare(operator, number) => {
                let symbol = if *operator == Operator::Equal {
                    "=="
                } else {
                    operator.symbol()
                };
                format!("{name} {symbol} {}", number.0)
            }
            Test::AnyOf(tests)
            | Test::Windash {
                variants: tests, ..
            } => match values(tests.iter()) {
                Some((values, cased)) => in_list(&name, &values, cased),
                None => return Err(unsupported(NAME, field, leaf.test)),
            },
            Test::Query { template, id } => super::template(template, &name, id),
            Test::FieldRef { .. } | Test::Time { .. } => {
                return Err(unsupported(NAME, field, leaf.test));
            }
        }))
    }

    fn negated(&mut self, leaf: Leaf<'_>) -> Result<Option<Rendered>> {
        let Some(field) = leaf.field else {
            return Ok(None);
        };
        let name = quoted_field(field);
        if leaf.test == &Test::Null {
            return Ok(Some(Rendered::atom(presence(&name, true))));
        }
        if !self.context.exact || matches!(leaf.test, Test::Exists(_)) {
            return Ok(None);
        }
        // A comparison with an absent field is null, and so is its negation.
        let inner = self.leaf(leaf)?;
        let text = format!("?{name} == null or not ({})", inner.text);
        Ok(Some(Rendered::bound(text, Binding::Or)))
    }

    fn list(&mut self, field: &str, tests: &[&Test]) -> Result<Option<Rendered>> {
        Ok(values(tests.iter().copied()).map(|(values, cased)| {
            let text = in_list(&quoted_field(field), &values, cased);
            Rendered::bound(text, Binding::Or)
        }))
    }
}

/// Values as a list says them, and whether case counts; none if they cannot be one list.
fn values<'t>(tests: impl Iterator<Item = &'t Test>) -> Option<(Vec<String>, bool)> {
    let mut out = Vec::new();
    let mut cased = None;
    for test in tests {
        let (value, is_cased) = match test {
            Test::Text(pattern) => (wildcard(pattern), Some(pattern.cased)),
            Test::Number(number) => (number.0.clone(), None),
            _ => return None,
        };
        if is_cased.is_some() && cased.is_some() && cased != is_cased {
            return None;
        }
        cased = cased.or(is_cased);
        out.push(value);
    }
    Some((out, cased.unwrap_or(false)))
}

fn in_list(name: &str, values: &[String], cased: bool) -> String {
    let operator = if cased { "like" } else { "like~" };
    format!("{name} {operator} ({})", values.join(", "))
}

fn presence(name: &str, there: bool) -> String {
    format!("?{name} {} null", if there { "!=" } else { "==" })
}

fn text(name: &str, pattern: &Pattern) -> String {
    let has_wildcards = shape::has_wildcards(pattern);
    match pattern.cased {
        _ if pattern.parts.is_empty() => format!("{name}==\"\""),
        true if has_wildcards => format!("{name} like {}", wildcard(pattern)),
        true => format!("{name} == {}", wildcard(pattern)),
        false => format!("{name}:{}", wildcard(pattern)),
    }
}

/// A pattern as `:` and `like` read it.
fn wildcard(pattern: &Pattern) -> String {
    let text = shape::write(pattern, ("*", "?"), |out, c| {
        if matches!(c, '*' | '?') {
            out.push('\\');
        }
        escape_char(out, c);
    });
    format!("\"{text}\"")
}

fn escape_char(out: &mut String, c: char) {
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

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    text.chars().for_each(|c| escape_char(&mut out, c));
    out.push('"');
    out
}

fn regex(pattern: &str) -> String {
    let mut out = String::from("\"");
    for c in pattern.chars() {
        if c == '/' {
            out.push('\\');
        }
        escape_char(&mut out, c);
    }
    out.push('"');
    out
}

/// A field's name, in backticks unless it is plain.
pub(crate) fn quoted_field(field: &str) -> String {
    let is_plain = !field.is_empty()
        && !field.starts_with(|c: char| c.is_ascii_digit())
        && field
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '@'));
    if is_plain {
        field.to_owned()
    } else {
        format!("`{}`", field.replace('`', "``"))
    }
}
