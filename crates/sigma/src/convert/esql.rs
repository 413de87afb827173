//! To ES|QL (Elasticsearch 8.14 and later).
//!
//! The plain form compares as the index does (`==` and `like` distinguish case unless the field
//! has a `lowercase` normaliser) and reads a backslash in `like` as the community's converters
//! do. [`Context::exact`] folds case itself, doubles backslashes in patterns and lets `not` hold
//! where a field is absent, as Sigma means it.

use crate::ir::{Operator, Part, Pattern, Position, Test, TimePart};

use super::render::{Binding, Language, Leaf, Rendered, Result, Style};
use super::{Context, problem, shape, unsupported};
use shape::Shape;

/// Writes conditions in ES|QL.
pub(crate) struct Esql<'c> {
    pub(crate) context: &'c mut Context,
}

const NAME: &str = "ES|QL";

impl Language for Esql<'_> {
    fn style(&self) -> Style {
        let not = if self.context.exact {
            ("not coalesce(", ", false)")
        } else {
            ("not ", "")
        };
        Style {
            and: " and ",
            or: " or ",
            not,
            always_grouped: false,
            or_binds_tighter: false,
            chain_max: usize::MAX,
        }
    }

    fn leaf(&mut self, leaf: Leaf<'_>) -> Result<Rendered> {
        let Some(field) = leaf.field else {
            return self.keyword(leaf.test);
        };
        let name = quoted_field(field);
        Ok(Rendered::atom(match leaf.test {
            Test::Text(pattern) => self.text(field, pattern),
            Test::Number(number) => format!("{name}=={}", number.0),
            Test::Bool(value) => format!("{name}=={value}"),
            Test::Null | Test::Exists(false) => format!("{name} is null"),
            Test::Exists(true) => format!("{name} is not null"),
            Test::Regex { pattern, flags } => self.regex(field, pattern, &flags.letters())?,
            Test::Cidr(network) => format!("cidr_match({name}, {})", quoted(&network.text)),
            Test::Compare(operator, number) => {
                format!("{name}{}{}", operator.symbol(), number.0)
            }
            Test::FieldRef {
                field: other,
                position,
                cased,
            } => self.field_ref(field, other, *position, *cased),
            Test::Time {
                part,
                operator,
                number,
            } => time_part(&name, *part, *operator, &number.0),
            Test::AnyOf(tests)
            | Test::Windash {
                variants: tests, ..
            } => {
                let members = tests
                    .iter()
                    .map(|test| {
                        self.leaf(Leaf { test, ..leaf })
                            .map(|rendered| rendered.text)
                    })
                    .collect::<Result<Vec<_>>>()?;
                return Ok(Rendered::bound(members.join(" or "), Binding::Or));
            }
            Test::Query { template, id } => super::template(template, &name, id),
        }))
    }

    fn list(&mut self, field: &str, tests: &[&Test]) -> Result<Option<Rendered>> {
        let mut values = Vec::with_capacity(tests.len());
        let mut folds = false;
        for test in tests {
            values.push(match test {
                Test::Text(pattern) => match shape::of(pattern) {
                    Shape::Plain(text) if self.folds(pattern, text) => {
                        folds = true;
                        quoted(&text.to_lowercase())
                    }
                    Shape::Plain(text) => quoted(text),
                    _ => return Ok(None),
                },
                Test::Number(number) => number.0.clone(),
                _ => return Ok(None),
            });
        }
        if folds && !tests.iter().all(|test| matches!(test, Test::Text(_))) {
            return Ok(None);
        }
        let name = folded(field, folds);
        let text = format!("{name} in ({})", values.join(", "));
        Ok(Some(Rendered::bound(text, Binding::Or)))
    }
}

impl Esql<'_> {
    /// Whether a text must be compared in lower case to mean what the rule says.
    fn folds(&self, pattern: &Pattern, text: &str) -> bool {
        self.context.exact && !pattern.cased && text.chars().any(char::is_alphabetic)
    }

    fn text(&mut self, field: &str, pattern: &Pattern) -> String {
        let raw = shape::raw(pattern);
        let folds = self.folds(pattern, &raw);
        let name = folded(field, folds);
        let say = |text: &str| {
            if folds {
                quoted(&text.to_lowercase())
            } else {
                quoted(text)
            }
        };
        match shape::of(pattern) {
            Shape::Plain(text) => format!("{name}=={}", say(text)),
            Shape::Starts(text) => format!("starts_with({name}, {})", say(text)),
            Shape::Ends(text) => format!("ends_with({name}, {})", say(text)),
            Shape::Anything if self.context.exact => format!("{name} is not null"),
            Shape::Anything => format!("starts_with({name}, \"\")"),
            Shape::Contains(_) | Shape::Pattern => {
                let like = self.like(pattern);
                format!("{name} like {}", say(&like))
            }
        }
    }

    /// The pattern of `like`. A backslash takes away the meaning of what follows there.
    fn like(&mut self, pattern: &Pattern) -> String {
        let exact = self.context.exact;
        let has_backslash = pattern
            .parts
            .iter()
            .any(|part| matches!(part, Part::Literal(text) if text.contains('\\')));
        if has_backslash && !exact {
            self.context.lossy(
                "ES|QL reads a backslash in a pattern of `like` as an escape; `--exact` doubles it"
                    .to_owned(),
            );
        }
        shape::write(pattern, ("*", "?"), |out, c| {
            if matches!(c, '*' | '?') || (exact && c == '\\') {
                out.push('\\');
            }
            out.push(c);
        })
    }

    fn regex(&mut self, field: &str, pattern: &str, flags: &str) -> Result<String> {
        let flags = if flags.is_empty() {
            String::new()
        } else {
            format!("(?{flags})")
        };
        if !flags.is_empty() || pattern.starts_with("(?") {
            let message = format!(
                "regular expressions of `rlike` have no flags: `{flags}` of `{field}` is read as text"
            );
            if self.context.exact {
                return Err(problem(message, "write both cases out: `[aA]`"));
            }
            self.context.lossy(message);
        }
        let pattern = quoted(&format!("{flags}{pattern}"));
        Ok(format!("{} rlike {pattern}", quoted_field(field)))
    }

    fn field_ref(&self, field: &str, other: &str, position: Position, cased: bool) -> String {
        let folds = self.context.exact && !cased;
        let (name, other) = (folded(field, folds), folded(other, folds));
        match position {
            Position::Whole => format!("{name}=={other}"),
            Position::Start => format!("starts_with({name}, {other})"),
            Position::End => format!("ends_with({name}, {other})"),
            Position::Anywhere => format!("locate({name}, {other}) > 0"),
        }
    }

    fn keyword(&self, test: &Test) -> Result<Rendered> {
        match test {
            Test::Text(pattern) => {
                let text = shape::write(&shape::anywhere(pattern), ("*", "?"), |out, c| {
                    if r#" !"&()*+-/:<=>?[\]^{|}~"#.contains(c) {
                        out.push('\\');
                    }
                    out.push(c);
                });
                Ok(Rendered::atom(format!("qstr({})", quoted(&text))))
            }
            Test::Number(number) => Ok(Rendered::atom(format!("qstr({})", quoted(&number.0)))),
            Test::AnyOf(tests)
            | Test::Windash {
                variants: tests, ..
            } => {
                let members = tests
                    .iter()
                    .map(|test| self.keyword(test).map(|rendered| rendered.text))
                    .collect::<Result<Vec<_>>>()?;
                Ok(Rendered::bound(members.join(" or "), Binding::Or))
            }
            other => Err(unsupported(NAME, "keywords", other)),
        }
    }
}

fn time_part(name: &str, part: TimePart, operator: Operator, number: &str) -> String {
    let chrono = match part {
        TimePart::Minute => "minute_of_hour",
        TimePart::Hour => "hour_of_day",
        TimePart::Day => "day_of_month",
        TimePart::Week => "aligned_week_of_year",
        TimePart::Month => "month_of_year",
        TimePart::Year => "year",
    };
    format!(
        "date_extract(\"{chrono}\", to_datetime({name})){}{number}",
        operator.symbol()
    )
}

fn folded(field: &str, folds: bool) -> String {
    let name = quoted_field(field);
    if folds {
        format!("to_lower({name})")
    } else {
        name
    }
}

/// A field's name, in backticks unless it is plain.
pub(crate) fn quoted_field(field: &str) -> String {
    let is_plain = !field.is_empty()
        && !field.starts_with(|c: char| c.is_ascii_digit())
        && field
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '@'));
    if is_plain && !field.starts_with('@') || field == "@timestamp" {
        field.to_owned()
    } else {
        format!("`{}`", field.replace('`', "``"))
    }
}

/// A string literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
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
