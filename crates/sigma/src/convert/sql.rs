//! To SQL, as DuckDB and PostgreSQL read it.
//!
//! Texts are compared without regard to case (`ILIKE`, `lower`). A comparison with an absent
//! field is null in SQL; under `NOT` it is made false, so that `not` holds there, as Sigma means
//! it. A field that numbers are asked of is compared by its text, whatever its column's type is.

use crate::ir::{Operator, Pattern, Position, Test, TimePart};

use super::render::{Binding, Language, Leaf, Rendered, Result, Style};
use super::shape::{self, Shape};

/// Which SQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SqlDialect {
    /// DuckDB.
    #[default]
    DuckDb,
    /// PostgreSQL.
    PostgreSql,
}

/// Writes conditions in SQL.
pub(crate) struct Sql {
    pub(crate) dialect: SqlDialect,
    /// The table, as a row to search keywords in.
    pub(crate) table: String,
}

impl Language for Sql {
    fn style(&self) -> Style {
        Style {
            and: " AND ",
            or: " OR ",
            not: ("NOT COALESCE(", ", FALSE)"),
            always_grouped: true,
            or_binds_tighter: false,
            chain_max: usize::MAX,
        }
    }

    fn leaf(&mut self, leaf: Leaf<'_>) -> Result<Rendered> {
        let Some(field) = leaf.field else {
            return self.keyword(leaf.test);
        };
        let name = identifier(field);
        Ok(Rendered::atom(match leaf.test {
            Test::Text(pattern) => text(&as_text(field, &shape::raw(pattern)), pattern),
            Test::Number(number) => {
                format!("CAST({name} AS VARCHAR) = {}", quoted(&number.0))
            }
            Test::Bool(value) => format!("lower(CAST({name} AS VARCHAR)) = '{value}'"),
            Test::Null | Test::Exists(false) => format!("{name} IS NULL"),
            Test::Exists(true) => format!("{name} IS NOT NULL"),
            Test::Regex { pattern, flags } => self.regex(
                &format!("CAST({name} AS VARCHAR)"),
                pattern,
                &flags.letters(),
            ),
            Test::Cidr(network) => format!(
                "CAST({name} AS INET) <<= CAST({} AS INET)",
                quoted(&network.text)
            ),
            Test::Compare(operator, number) => {
                format!("{} {} {}", self.number(&name), symbol(*operator), number.0)
            }
            Test::FieldRef {
                field: other,
                position,
                cased,
            } => field_ref(&name, &identifier(other), *position, *cased),
            Test::Time {
                part,
                operator,
                number,
            } => format!(
                "EXTRACT({} FROM CAST({name} AS TIMESTAMP)) {} {}",
                part_name(*part),
                symbol(*operator),
                number.0
            ),
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
        }))
    }

    fn list(&mut self, field: &str, tests: &[&Test]) -> Result<Option<Rendered>> {
        let mut values = Vec::with_capacity(tests.len());
        let mut is_numeric = false;
        for test in tests {
            values.push(match test {
                Test::Text(pattern) if !pattern.cased => match shape::of(pattern) {
                    Shape::Plain(text) => {
                        is_numeric |= looks_numeric(text);
                        quoted(&text.to_lowercase())
                    }
                    _ => return Ok(None),
                },
                Test::Number(number) => {
                    is_numeric = true;
                    quoted(&number.0)
                }
                _ => return Ok(None),
            });
        }
        let name = as_text(field, if is_numeric { "0" } else { "" });
        let text = format!("lower({name}) IN ({})", values.join(", "));
        Ok(Some(Rendered::bound(text, Binding::Or)))
    }
}

impl Sql {
    fn number(&self, name: &str) -> String {
        match self.dialect {
            SqlDialect::DuckDb => format!("TRY_CAST({name} AS DOUBLE)"),
            SqlDialect::PostgreSql => format!("CAST({name} AS DOUBLE PRECISION)"),
        }
    }

    fn regex(&self, value: &str, pattern: &str, flags: &str) -> String {
        let flagged = if flags.is_empty() {
            pattern.to_owned()
        } else {
            format!("(?{flags}){pattern}")
        };
        match self.dialect {
            SqlDialect::DuckDb => format!("regexp_matches({value}, {})", quoted(&flagged)),
            SqlDialect::PostgreSql => format!("{value} ~ {}", quoted(&flagged)),
        }
    }

    fn keyword(&mut self, test: &Test) -> Result<Rendered> {
        let row = format!("CAST({} AS VARCHAR)", identifier(&self.table));
        Ok(match test {
            Test::Text(pattern) => Rendered::atom(text(&row, &shape::anywhere(pattern))),
            Test::Number(number) => Rendered::atom(format!(
                "{row} ILIKE {}",
                quoted(&format!("%{}%", number.0))
            )),
            Test::Regex { pattern, flags } => {
                Rendered::atom(self.regex(&row, pattern, &flags.letters()))
            }
            Test::AnyOf(tests)
            | Test::Windash {
                variants: tests, ..
            } => {
                let members = tests
                    .iter()
                    .map(|test| self.keyword(test).map(|member| member.text))
                    .collect::<Result<Vec<_>>>()?;
                Rendered::bound(members.join(" OR "), Binding::Or)
            }
            other => return Err(super::unsupported("SQL", "keywords", other)),
        })
    }
}

fn part_name(part: TimePart) -> &'static str {
    match part {
        TimePart::Minute => "MINUTE",
        TimePart::Hour => "HOUR",
        TimePart::Day => "DAY",
        TimePart::Week => "WEEK",
        TimePart::Month => "MONTH",
        TimePart::Year => "YEAR",
    }
}

pub(crate) fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "<>",
        other => other.symbol(),
    }
}

fn text(name: &str, pattern: &Pattern) -> String {
    if let Shape::Plain(text) = shape::of(pattern) {
        return if pattern.cased {
            format!("{name} = {}", quoted(text))
        } else {
            format!("lower({name}) = {}", quoted(&text.to_lowercase()))
        };
    }
    let like = shape::write(pattern, ("%", "_"), |out, c| {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    });
    let operator = if pattern.cased { "LIKE" } else { "ILIKE" };
    let escape = if like.contains('\\') {
        r" ESCAPE '\'"
    } else {
        ""
    };
    format!("{name} {operator} {}{escape}", quoted(&like))
}

fn field_ref(name: &str, other: &str, position: Position, cased: bool) -> String {
    let fold = |name: &str| {
        let text = format!("CAST({name} AS VARCHAR)");
        if cased {
            text
        } else {
            format!("lower({text})")
        }
    };
    let (left, right) = (fold(name), fold(other));
    match position {
        Position::Whole => format!("{left} = {right}"),
        Position::Start => format!("left({left}, length({right})) = {right}"),
        Position::End => format!("right({left}, length({right})) = {right}"),
        Position::Anywhere => format!("strpos({left}, {right}) > 0"),
    }
}

fn looks_numeric(text: &str) -> bool {
    let text = text.trim_matches('*');
    !text.is_empty() && text.parse::<f64>().is_ok()
}

fn as_text(field: &str, value: &str) -> String {
    let name = identifier(field);
    if looks_numeric(value) {
        format!("CAST({name} AS VARCHAR)")
    } else {
        name
    }
}

/// A name in double quotes.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
