//! Steps that rewrite values.

use std::collections::BTreeMap;

use atalaya_model::Diagnostic;
use regex::Regex;
use serde_json::Value;

use super::transformation::Outcome;
use crate::convert::{problem, text_of};
use crate::ir::{Expr, Item, Number, Part, Pattern, RegexFlags, Test};

/// `replace_string`.
#[derive(Clone, Debug)]
pub(super) struct Replace {
    pub(super) regex: Regex,
    pub(super) replacement: String,
    /// Whether wildcards stay apart from the text that is replaced.
    pub(super) skip_special: bool,
    /// Whether `*` and `?` in the result are wildcards.
    pub(super) interpret_special: bool,
}

impl Replace {
    pub(super) fn run(&self, item: &mut Item) {
        each_pattern(item, &mut |pattern| {
            if self.skip_special {
                let cased = pattern.cased;
                let mut out = Pattern {
                    parts: Vec::new(),
                    cased,
                };
                for part in pattern.parts.drain(..) {
                    match part {
                        Part::Literal(text) => {
                            let text = self.regex.replace_all(&text, self.replacement.as_str());
                            if self.interpret_special {
                                let parts = Pattern::of_sigma(&text).parts;
                                parts.into_iter().for_each(|part| out.push(part));
                            } else {
                                out.push(Part::Literal(text.into_owned()));
                            }
                        }
                        part => out.push(part),
                    }
                }
                *pattern = out;
            } else {
                let written = pattern.to_sigma();
                let text = self.regex.replace_all(&written, self.replacement.as_str());
                pattern.parts = Pattern::of_sigma(&text).parts;
            }
        });
    }
}

fn each_pattern(item: &mut Item, change: &mut dyn FnMut(&mut Pattern)) {
    fn each(test: &mut Test, change: &mut dyn FnMut(&mut Pattern)) {
        match test {
            Test::Text(pattern) => change(pattern),
            Test::AnyOf(tests) => tests.iter_mut().for_each(|test| each(test, change)),
            Test::Windash { pattern, variants } => {
                change(pattern);
                variants.iter_mut().for_each(|test| each(test, change));
            }
            _ => {}
        }
    }
    for test in &mut item.tests {
        each(test, change);
    }
}

/// `map_string`: whole values by a table.
pub(super) fn map(item: &mut Item, mapping: &BTreeMap<String, Vec<String>>) {
    let tests = std::mem::take(&mut item.tests);
    for test in tests {
        let written = super::conditions::plain_text(&test);
        match written.as_ref().and_then(|text| mapping.get(text)) {
            Some(values) => {
                let values = values.iter();
                let patterns = values.map(|value| Test::Text(Pattern::of_sigma(value)));
                item.tests.extend(patterns);
            }
            None => item.tests.push(test),
        }
    }
}

/// `case`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Case {
    Lower,
    Upper,
    Snake,
}

impl Case {
    pub(super) fn run(self, item: &mut Item) {
        each_pattern(item, &mut |pattern| {
            for part in &mut pattern.parts {
                if let Part::Literal(text) = part {
                    *text = match self {
                        Self::Lower => text.to_lowercase(),
                        Self::Upper => text.to_uppercase(),
                        Self::Snake => snake(text),
                    };
                }
            }
        });
    }
}

fn snake(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous_is_lower = false;
    for c in text.chars() {
        if c.is_uppercase() && previous_is_lower {
            out.push('_');
        }
        previous_is_lower = c.is_lowercase() || c.is_ascii_digit();
        out.extend(c.to_lowercase());
    }
    out
}

/// `regex`: how a text becomes a regular expression.
#[derive(Clone, Copy, Debug)]
pub(super) enum RegexMethod {
    Plain,
    IgnoreCaseFlag,
    IgnoreCaseBrackets,
}

impl RegexMethod {
    pub(super) fn run(self, item: &mut Item) {
        for test in &mut item.tests {
            let Test::Text(pattern) = test else {
                continue;
            };
            let mut text = String::new();
            for part in &pattern.parts {
                match part {
                    Part::Literal(literal) => {
                        literal.chars().for_each(|c| self.push(&mut text, c));
                    }
                    Part::Many => text.push_str(".*"),
                    Part::One => text.push('.'),
                    Part::Placeholder(name) => text.push_str(name),
                }
            }
            let flags = RegexFlags {
                ignore_case: matches!(self, Self::IgnoreCaseFlag),
                ..RegexFlags::default()
            };
            *test = Test::Regex {
                pattern: text,
                flags,
            };
        }
    }

    fn push(self, out: &mut String, c: char) {
        if matches!(self, Self::IgnoreCaseBrackets) && c.is_alphabetic() {
            out.push('[');
            out.extend(c.to_lowercase());
            out.extend(c.to_uppercase());
            out.push(']');
            return;
        }
        if r".+*?()|[]{}^$\/".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

/// `set_value`.
pub(super) fn set(item: &mut Item, value: &Value) {
    item.tests = match value {
        Value::Array(values) => values.iter().map(test_of).collect(),
        one => vec![test_of(one)],
    };
}

/// A value of a pipeline as a test.
pub(super) fn test_of(value: &Value) -> Test {
    match value {
        Value::Null => Test::Null,
        Value::Bool(value) => Test::Bool(*value),
        Value::Number(number) => Test::Number(Number(number.to_string())),
        other => Test::Text(Pattern::of_sigma(&text_of(other))),
    }
}

/// `convert_type: num`.
///
/// # Errors
/// A text that is no number.
pub(super) fn to_number(item: &mut Item, place: &str) -> Result<(), Box<Diagnostic>> {
    for test in &mut item.tests {
        if let Test::Text(pattern) = test {
            let text = pattern.to_sigma();
            if text.parse::<f64>().is_ok_and(f64::is_finite) {
                *test = Test::Number(Number(text));
            } else {
                return Err(problem(
                    format!("`{text}` is no number"),
                    format!("{place} makes numbers of texts: narrow its conditions"),
                ));
            }
        }
    }
    Ok(())
}

/// `convert_type: str`.
pub(super) fn to_text(item: &mut Item) {
    for test in &mut item.tests {
        if let Test::Number(number) = test {
            *test = Test::Text(Pattern::literal(number.0.clone()));
        }
    }
}

/// `hashes_fields`: `Hashes: SHA1=…` becomes a test of the algorithm's own field.
#[derive(Clone, Debug)]
pub(super) struct Hashes {
    pub(super) algorithms: Vec<String>,
    pub(super) prefix: String,
    pub(super) drop_algorithm: bool,
    /// Field names by algorithm, where they are not prefix and algorithm.
    pub(super) fields: BTreeMap<String, String>,
}

impl Hashes {
    pub(super) fn split(
        &self,
        item: &Item,
        place: &str,
    ) -> Result<Option<Outcome>, Box<Diagnostic>> {
        let is_hashes = item
            .field
            .as_deref()
            .is_some_and(|field| matches!(field.to_lowercase().as_str(), "hashes" | "hash"));
        if !is_hashes {
            return Ok(None);
        }
        let mut by_field: Vec<(String, Vec<Test>)> = Vec::new();
        for test in &item.tests {
            let Some(written) = super::conditions::plain_text(test) else {
                continue;
            };
            let Some((algorithm, value)) = self.hash(&written) else {
                continue;
            };
            let field = self.field_of(&algorithm);
            let test = Test::Text(value);
            match by_field.iter_mut().find(|(known, _)| *known == field) {
                Some((_, tests)) => tests.push(test),
                None => by_field.push((field, vec![test])),
            }
        }
        if by_field.is_empty() {
            return Err(problem(
                format!(
                    "no value of `Hashes` is of an algorithm that the target has: {}",
                    self.algorithms.join(", ")
                ),
                format!("{place} needs `ALGORITHM=value`"),
            ));
        }
        let mut members: Vec<Expr> = by_field
            .into_iter()
            .map(|(field, tests)| {
                Expr::Item(Item {
                    field: Some(field),
                    tests,
                    ..item.clone()
                })
            })
            .collect();
        Ok(Some(Outcome::Replace(if members.len() == 1 {
            members.swap_remove(0)
        } else if item.all {
            Expr::And(members)
        } else {
            Expr::Or(members)
        })))
    }

    /// Algorithm and value of `*SHA1=abc*`, `sha1|abc`, or of a bare hash by its length.
    fn hash(&self, written: &str) -> Option<(String, Pattern)> {
        // `*SHA1=abc*` asks for hashes that begin so.
        let text = written.trim_start_matches('*');
        let rest = text.trim_end_matches('*');
        let is_open = rest.len() < text.len();
        let text = rest;
        let (algorithm, value) = match text.split_once(['=', '|', ':']) {
            Some((algorithm, value)) => (algorithm.trim().to_uppercase(), value.trim()),
            None => {
                let algorithm = match text.len() {
                    32 => "MD5",
                    40 => "SHA1",
                    64 => "SHA256",
                    128 => "SHA512",
                    _ => return None,
                };
                (algorithm.to_owned(), text)
            }
        };
        let is_known = self
            .algorithms
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&algorithm));
        (is_known && !value.is_empty()).then(|| {
            let mut pattern = Pattern::literal(value);
            if is_open {
                pattern.push(Part::Many);
            }
            (algorithm, pattern)
        })
    }

    fn field_of(&self, algorithm: &str) -> String {
        if let Some(field) = self.fields.get(algorithm) {
            return field.clone();
        }
        if self.drop_algorithm {
            self.prefix.clone()
        } else {
            format!("{}{algorithm}", self.prefix)
        }
    }
}

/// `split_domain`: `DOMAIN\user` becomes the user and, beside it, the domain.
pub(super) fn split_domain(item: &Item, domain_field: &str) -> Option<Outcome> {
    let mut members = Vec::new();
    let mut is_split = false;
    for test in &item.tests {
        let alone = |tests: Vec<Test>| Item {
            tests,
            ..item.clone()
        };
        let parts = match test {
            Test::Text(pattern) => pattern
                .as_literal()
                .and_then(|text| text.split_once('\\'))
                .filter(|(domain, user)| !domain.is_empty() && !user.is_empty()),
            _ => None,
        };
        let Some((domain, user)) = parts else {
            members.push(Expr::Item(alone(vec![test.clone()])));
            continue;
        };
        is_split = true;
        let domain = Item {
            field: Some(domain_field.to_owned()),
            ..alone(vec![Test::Text(Pattern::literal(domain))])
        };
        members.push(Expr::And(vec![
            Expr::Item(alone(vec![Test::Text(Pattern::literal(user))])),
            Expr::Item(domain),
        ]));
    }
    if !is_split {
        return None;
    }
    Some(Outcome::Replace(match members.len() {
        1 => members.swap_remove(0),
        _ if item.all => Expr::And(members),
        _ => Expr::Or(members),
    }))
}
