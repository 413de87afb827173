//! To Lucene's query strings, as Elasticsearch and OpenSearch read them.
//!
//! Comparisons fold case where the index does (a `lowercase` normaliser, or an analysed field);
//! the language has no operator for it. It has no reference to other fields, no parts of times
//! and no correlations: those are refused.

use crate::ir::{Operator, Pattern, Test};

use super::render::{Binding, Language, Leaf, Rendered, Result, Style};
use super::{Context, problem, shape, unsupported};

/// Writes conditions in Lucene.
pub(crate) struct Lucene<'c> {
    pub(crate) context: &'c mut Context,
}

const NAME: &str = "Lucene";

impl Language for Lucene<'_> {
    fn style(&self) -> Style {
        Style {
            and: " AND ",
            or: " OR ",
            not: ("NOT ", ""),
            always_grouped: true,
            or_binds_tighter: false,
            chain_max: usize::MAX,
        }
    }

    fn leaf(&mut self, leaf: Leaf<'_>) -> Result<Rendered> {
        let Some(field) = leaf.field else {
            return keyword(leaf.test);
        };
        let name = escape_field(field);
        Ok(Rendered::atom(match leaf.test {
            Test::Text(pattern) => {
                self.check_case(field, pattern)?;
                format!("{name}:{}", value(pattern))
            }
            Test::Number(number) => format!("{name}:{}", number.0),
            Test::Bool(value) => format!("{name}:{value}"),
            Test::Null => return Ok(absent(&name)),
            Test::Regex { pattern, flags } => {
                let letters = flags.letters();
                if !letters.is_empty() || pattern.starts_with("(?") {
                    self.context.lossy(format!(
                        "regular expressions of Lucene have no flags: `(?{letters})` of `{field}` is read as text"
                    ));
                }
                format!("{name}:/{}/", regex(pattern, &letters))
            }
            Test::Cidr(network) => format!("{name}:{}", escape(&network.text)),
            Test::Compare(operator, number) => match operator {
                Operator::Equal => format!("{name}:{}", number.0),
                Operator::NotEqual => {
                    let text = format!("NOT {name}:{}", number.0);
                    return Ok(Rendered::bound(text, Binding::Not));
                }
                other => format!("{name}:{}{}", other.symbol(), number.0),
            },
            Test::Exists(true) => format!("_exists_:{name}"),
            Test::Exists(false) => format!("NOT _exists_:{name}"),
            Test::AnyOf(tests)
            | Test::Windash {
                variants: tests, ..
            } => {
                let values = tests
                    .iter()
                    .map(|test| list_value(test).ok_or_else(|| unsupported(NAME, field, test)))
                    .collect::<Result<Vec<_>>>()?;
                format!("{name}:({})", values.join(" OR "))
            }
            Test::Query { template, id } => super::template(template, &name, id),
            Test::FieldRef { .. } | Test::Time { .. } => {
                return Err(unsupported(NAME, field, leaf.test));
            }
        }))
    }

    fn negated(&mut self, leaf: Leaf<'_>) -> Result<Option<Rendered>> {
        Ok(match (leaf.field, leaf.test) {
            (Some(field), Test::Null) => {
                Some(Rendered::atom(format!("_exists_:{}", escape_field(field))))
            }
            _ => None,
        })
    }

    fn list(&mut self, field: &str, tests: &[&Test]) -> Result<Option<Rendered>> {
        let mut values = Vec::with_capacity(tests.len());
        for test in tests {
            let Some(value) = list_value(test) else {
                return Ok(None);
            };
            if let Test::Text(pattern) = test {
                self.check_case(field, pattern)?;
            }
            values.push(value);
        }
        let text = format!("{}:({})", escape_field(field), values.join(" OR "));
        Ok(Some(Rendered::bound(text, Binding::Or)))
    }
}

impl Lucene<'_> {
    fn check_case(&self, field: &str, pattern: &Pattern) -> Result<()> {
        if !pattern.cased {
            return Ok(());
        }
        Err(problem(
            format!("Lucene cannot say that case counts in `{field}|cased`"),
            "use EQL or ES|QL, whose `==` distinguishes case",
        ))
    }
}

fn absent(name: &str) -> Rendered {
    Rendered::bound(format!("NOT _exists_:{name}"), Binding::Not)
}

/// A value of a list, if it can be in one.
fn list_value(test: &Test) -> Option<String> {
    match test {
        Test::Text(pattern) => Some(value(pattern)),
        Test::Number(number) => Some(number.0.clone()),
        _ => None,
    }
}

fn keyword(test: &Test) -> Result<Rendered> {
    match test {
        Test::Text(pattern) => Ok(Rendered::atom(shape::write(
            &shape::anywhere(pattern),
            ("*", "?"),
            escape_char,
        ))),
        Test::Number(number) => Ok(Rendered::atom(number.0.clone())),
        Test::Regex { pattern, flags } => Ok(Rendered::atom(format!(
            "/{}/",
            regex(pattern, &flags.letters())
        ))),
        Test::AnyOf(tests)
        | Test::Windash {
            variants: tests, ..
        } => {
            let members = tests.iter().map(keyword).collect::<Result<Vec<_>>>()?;
            let texts: Vec<String> = members.into_iter().map(|member| member.text).collect();
            Ok(Rendered::bound(texts.join(" OR "), Binding::Or))
        }
        other => Err(unsupported(NAME, "keywords", other)),
    }
}

/// A value: quoted when it is a phrase, else escaped.
fn value(pattern: &Pattern) -> String {
    if let shape::Shape::Plain(text) = shape::of(pattern) {
        if text.is_empty() {
            return "\"\"".to_owned();
        }
        if text.contains(' ') {
            return format!("\"{}\"", phrase(text));
        }
    }
    shape::write(pattern, ("*", "?"), escape_char)
}

/// A phrase: blanks stand for themselves.
fn phrase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == ' ' {
            out.push(c);
        } else {
            escape_char(&mut out, c);
        }
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| escape_char(&mut out, c));
    out
}

fn escape_char(out: &mut String, c: char) {
    if r#" !"&()*+-/:<=>?[\]^{|}~"#.contains(c) {
        out.push('\\');
    }
    out.push(c);
}

fn escape_field(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    for c in field.chars() {
        if c.is_whitespace() || r#"*:"()\"#.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn regex(pattern: &str, flags: &str) -> String {
    let mut out = String::new();
    if !flags.is_empty() {
        out.push_str("(?");
        out.push_str(flags);
        out.push(')');
    }
    let mut escaped = false;
    for c in pattern.chars() {
        if c == '/' && !escaped {
            out.push('\\');
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}
