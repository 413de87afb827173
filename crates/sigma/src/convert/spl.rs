//! To Splunk's SPL.
//!
//! The search command folds case and knows `*`; it has no regular expressions, no comparison of
//! fields, no single-character wildcard. Those become commands behind the search: `regex` and
//! `where` where all must hold, and a flag per test (`rex`, `eval`) where alternatives are
//! involved. In the search command `or` binds tighter than `and`.

mod stages;

use atalaya_model::Diagnostic;

use crate::ir::{Operator, Part, Pattern, Test};

use super::render::{Binding, Cond, Language, Leaf, Rendered, Result, Style};
use super::{Context, render, shape, unsupported};

const NAME: &str = "SPL";

/// A search and the commands behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Search {
    /// What the search command gets; `*` if it has nothing to say.
    pub(crate) base: String,
    /// Commands, each with its pipe.
    pub(crate) stages: Vec<String>,
}

impl Search {
    /// As a query, each command on its line.
    pub(crate) fn text(&self) -> String {
        let mut out = self.base.clone();
        for stage in &self.stages {
            out.push('\n');
            out.push_str(stage);
        }
        out
    }
}

/// Writes a condition.
///
/// # Errors
/// What SPL cannot say.
pub(crate) fn search(cond: &Cond<'_>, context: &mut Context) -> Result<Search> {
    let mut members = Vec::new();
    spine(cond, &mut members);
    let exact = context.exact;
    let first_complex = members
        .iter()
        .position(|member| !is_simple(member, exact))
        .unwrap_or(members.len());
    let (before, rest) = members.split_at(first_complex);
    let mut writer = Spl {
        context,
        flags: Vec::new(),
    };
    let mut texts = Vec::new();
    let mut stages = Vec::new();
    for member in before {
        match stages::command(member, &mut writer)? {
            Some(stage) => stages.push(stage),
            None => texts.push(render::render(member, &mut writer)?),
        }
    }
    let style = writer.style();
    let base = render::joined(texts, Binding::And, style).text;
    let mut rest_texts = Vec::new();
    for member in rest {
        rest_texts.push(render::render(member, &mut writer)?);
    }
    if !rest_texts.is_empty() {
        let rest = render::joined(rest_texts, Binding::And, style).text;
        stages.append(
            &mut writer
                .flags
                .iter()
                .flat_map(stages::Flag::commands)
                .collect(),
        );
        stages.push(format!("| search {rest}"));
    }
    let base = if base.is_empty() {
        "*".to_owned()
    } else {
        base
    };
    Ok(Search { base, stages })
}

/// Members of nested `and`s in order.
fn spine<'c, 'r>(cond: &'c Cond<'r>, out: &mut Vec<&'c Cond<'r>>) {
    match cond {
        Cond::And(members) => members.iter().for_each(|member| spine(member, out)),
        other => out.push(other),
    }
}

/// Whether it is the search command's alone, or one command's alone.
fn is_simple(cond: &Cond<'_>, exact: bool) -> bool {
    match cond {
        Cond::Leaf(_) => true,
        Cond::Not(inner) => matches!(**inner, Cond::Leaf(_)) || !has_deferred(inner, exact),
        other => !has_deferred(other, exact),
    }
}

fn has_deferred(cond: &Cond<'_>, exact: bool) -> bool {
    match cond {
        Cond::And(members) | Cond::Or(members) => {
            members.iter().any(|member| has_deferred(member, exact))
        }
        Cond::Not(inner) => has_deferred(inner, exact),
        Cond::Leaf(leaf) => is_deferred(*leaf, exact),
    }
}

/// Whether the search command cannot say it.
fn is_deferred(leaf: Leaf<'_>, exact: bool) -> bool {
    match leaf.test {
        Test::Regex { .. } | Test::FieldRef { .. } | Test::Time { .. } => true,
        Test::Text(pattern) => leaf.field.is_some() && needs_regex(pattern, exact),
        _ => false,
    }
}

/// Whether a pattern is more than the search command knows.
fn needs_regex(pattern: &Pattern, exact: bool) -> bool {
    let is_special = |part: &Part| match part {
        Part::One => true,
        Part::Literal(text) => text.contains('*'),
        _ => false,
    };
    pattern.cased || (exact && pattern.parts.iter().any(is_special))
}

/// Writes tests of the search command, and flags for the rest.
struct Spl<'c> {
    context: &'c mut Context,
    flags: Vec<stages::Flag>,
}

impl Language for Spl<'_> {
    fn style(&self) -> Style {
        Style {
            and: " ",
            or: " OR ",
            not: ("NOT ", ""),
            always_grouped: false,
            or_binds_tighter: true,
            chain_max: usize::MAX,
        }
    }

    fn leaf(&mut self, leaf: Leaf<'_>) -> Result<Rendered> {
        if is_deferred(leaf, self.context.exact) {
            return self.flag(leaf);
        }
        let Some(field) = leaf.field else {
            return self.keyword(leaf.test);
        };
        let name = quoted_field(field);
        Ok(Rendered::atom(match leaf.test {
            Test::Text(pattern) => format!("{name}={}", self.value(pattern)),
            Test::Number(number) => format!("{name}={}", number.0),
            Test::Bool(value) => format!("{name}={value}"),
            Test::Null | Test::Exists(false) => format!("NOT {name}=*"),
            Test::Exists(true) => format!("{name}=*"),
            Test::Cidr(network) => format!("{name}={}", quoted(&network.text)),
            Test::Compare(operator, number) => match operator {
                Operator::Equal => format!("{name}={}", number.0),
                Operator::NotEqual => {
                    let text = format!("NOT {name}={}", number.0);
                    return Ok(Rendered::bound(text, Binding::Not));
                }
                other => format!("{name}{}{}", other.symbol(), number.0),
            },
            Test::AnyOf(tests)
            | Test::Windash {
                variants: tests, ..
            } => {
                let members = tests
                    .iter()
                    .map(|test| self.leaf(Leaf { test, ..leaf }).map(|member| member.text))
                    .collect::<Result<Vec<_>>>()?;
                return Ok(Rendered::bound(members.join(" OR "), Binding::Or));
            }
            Test::Query { template, id } => super::template(template, &name, id),
            Test::Regex { .. } | Test::FieldRef { .. } | Test::Time { .. } => {
                return Err(unsupported(NAME, field, leaf.test));
            }
        }))
    }

    fn list(&mut self, field: &str, tests: &[&Test]) -> Result<Option<Rendered>> {
        let exact = self.context.exact;
        let mut values = Vec::with_capacity(tests.len());
        for test in tests {
            values.push(match test {
                Test::Text(pattern) if !needs_regex(pattern, exact) => self.value(pattern),
                Test::Number(number) => number.0.clone(),
                _ => return Ok(None),
            });
        }
        let text = format!("{} IN ({})", quoted_field(field), values.join(", "));
        Ok(Some(Rendered::bound(text, Binding::Or)))
    }
}

impl Spl<'_> {
    fn value(&mut self, pattern: &Pattern) -> String {
        if pattern.parts.contains(&Part::One) {
            self.context.lossy(
                "SPL has no wildcard for one character: `?` became `*` and matches more; `--exact` writes a regular expression"
                    .to_owned(),
            );
        }
        let text = shape::write(pattern, ("*", "*"), |out, c| {
            if c == '*' {
                out.push('\\');
            }
            escape_char(out, c);
        });
        format!("\"{text}\"")
    }

    fn keyword(&mut self, test: &Test) -> Result<Rendered> {
        match test {
            Test::Text(pattern) => {
                let inner = keyword_text(pattern);
                Ok(Rendered::atom(self.value(&inner)))
            }
            Test::Number(number) => Ok(Rendered::atom(number.0.clone())),
            Test::AnyOf(tests)
            | Test::Windash {
                variants: tests, ..
            } => {
                let members = tests
                    .iter()
                    .map(|test| self.keyword(test).map(|member| member.text))
                    .collect::<Result<Vec<_>>>()?;
                Ok(Rendered::bound(members.join(" OR "), Binding::Or))
            }
            other => Err(unsupported(NAME, "keywords", other)),
        }
    }

    /// A test as a flag that a command computes before the search.
    fn flag(&mut self, leaf: Leaf<'_>) -> Result<Rendered> {
        let flag = stages::Flag::new(leaf, &self.flags, self.context)?;
        let text = format!("{}=\"true\"", quoted_field(&flag.name()));
        self.flags.push(flag);
        Ok(Rendered::atom(text))
    }
}

/// A keyword without the wildcards that the reader put around it: the search command looks for
/// it anywhere by itself.
fn keyword_text(pattern: &Pattern) -> Pattern {
    let mut parts = pattern.parts.clone();
    if parts.len() > 2 && parts.first() == Some(&Part::Many) && parts.last() == Some(&Part::Many) {
        parts.pop();
        parts.remove(0);
    }
    Pattern {
        parts,
        cased: pattern.cased,
    }
}

/// A field's name, quoted unless it is plain.
pub(crate) fn quoted_field(field: &str) -> String {
    let is_plain = !field.is_empty()
        && field
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    if is_plain {
        field.to_owned()
    } else {
        format!("\"{}\"", field.replace('\\', r"\\").replace('"', "\\\""))
    }
}

/// A field's name in `eval` and `where`.
pub(crate) fn eval_field(field: &str) -> String {
    format!("'{}'", field.replace('\'', "\\'"))
}

pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    text.chars().for_each(|c| escape_char(&mut out, c));
    out.push('"');
    out
}

fn escape_char(out: &mut String, c: char) {
    if matches!(c, '"' | '\\') {
        out.push('\\');
    }
    out.push(c);
}

/// What cannot be a command, with the field.
fn refused(field: &str, test: &Test) -> Box<Diagnostic> {
    unsupported(NAME, field, test)
}
