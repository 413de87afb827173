//! To KQL, as Sentinel, Defender XDR and this product's own engine read it.
//!
//! Where a table's columns are known, comparisons are typed; where they are not, a field that a
//! number or a truth value is asked of is compared by its text, which holds for a column of any
//! type. Sigma's comparisons fold case and cover the whole value: wildcards inside become
//! anchored regular expressions with `(?is)`.
//!
//! Strings of Kusto are never null, so an absent field and an empty one are the same there.

use std::collections::BTreeMap;

use atalaya_tables::ColumnType;

use crate::ir::{Operator, Part, Pattern, Position, Test, TimePart};

use super::render::{Binding, Cond, Language, Leaf, Rendered, Result, Style};
use super::shape::Shape;
use super::{Context, shape};

/// Most members of a chain of `and` or `or`: each is a level of Kusto's syntax tree, whose analyzer
/// refuses some hundreds of them.
const CHAIN_MAX: usize = 200;

/// What is known of a table's columns.
#[derive(Clone, Debug, Default)]
pub(crate) enum Columns {
    /// Nothing.
    #[default]
    Unknown,
    /// These are not strings; all others are.
    Known(BTreeMap<String, ColumnType>),
}

/// Writes conditions in KQL.
pub(crate) struct Kusto<'c> {
    context: &'c mut Context,
    /// Comparisons with null are made false, for they stand under a `not`.
    guards_null: bool,
}

/// How a column is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Bool,
    Other,
    Unknown,
}

impl<'c> Kusto<'c> {
    /// A writer for a condition.
    pub(crate) fn new(cond: &Cond<'_>, context: &'c mut Context) -> Self {
        Self {
            context,
            guards_null: compares_under_not(cond, false),
        }
    }

    fn kind(&self, field: &str) -> Kind {
        let Columns::Known(columns) = &self.context.columns else {
            return Kind::Unknown;
        };
        match columns.get(field) {
            None | Some(ColumnType::String) => Kind::Text,
            Some(ColumnType::Int | ColumnType::Long | ColumnType::Real) => Kind::Number,
            Some(ColumnType::Bool) => Kind::Bool,
            Some(_) => Kind::Other,
        }
    }

    /// The field as something that text operators take.
    fn as_text(&self, field: &str, value: &str) -> String {
        let name = column(field);
        let looks_numeric = !value.is_empty() && value.parse::<f64>().is_ok();
        match self.kind(field) {
            Kind::Text => name,
            Kind::Unknown if !looks_numeric => name,
            _ => format!("tostring({name})"),
        }
    }

    fn as_number(&self, field: &str) -> String {
        match self.kind(field) {
            Kind::Number => column(field),
            _ => format!("todouble({})", column(field)),
        }
    }

    fn text(&self, field: &str, pattern: &Pattern) -> String {
        let raw = shape::raw(pattern);
        let name = self.as_text(field, raw.trim_matches('*'));
        let case = if pattern.cased { "_cs" } else { "" };
        match shape::of(pattern) {
            Shape::Plain(text) if self.kind(field) == Kind::Number && is_number(text) => {
                format!("{} == {text}", column(field))
            }
            Shape::Plain(text) => {
                let operator = if pattern.cased { "==" } else { "=~" };
                format!("{name} {operator} {}", quoted(text))
            }
            Shape::Contains(text) => format!("{name} contains{case} {}", quoted(text)),
            Shape::Starts(text) => format!("{name} startswith{case} {}", quoted(text)),
            Shape::Ends(text) => format!("{name} endswith{case} {}", quoted(text)),
            Shape::Anything => format!("isnotempty({})", column(field)),
            Shape::Pattern => format!("{name} matches regex {}", quoted(&regex(pattern))),
        }
    }

    fn number(&self, field: &str, number: &str) -> String {
        match self.kind(field) {
            Kind::Number => format!("{} == {number}", column(field)),
            Kind::Text => format!("{} =~ {}", column(field), quoted(number)),
            _ => format!("tostring({}) == {}", column(field), quoted(number)),
        }
    }

    fn compare(&self, field: &str, operator: Operator, number: &str) -> String {
        let text = format!("{} {} {number}", self.as_number(field), operator.symbol());
        self.guarded(text)
    }

    fn guarded(&self, text: String) -> String {
        if self.guards_null {
            format!("coalesce({text}, false)")
        } else {
            text
        }
    }

    fn field_ref(&self, field: &str, other: &str, position: Position, cased: bool) -> String {
        let as_text = |field: &str| match self.kind(field) {
            Kind::Text => column(field),
            _ => format!("tostring({})", column(field)),
        };
        let (left, right) = (as_text(field), as_text(other));
        let case = if cased { "_cs" } else { "" };
        let text = match position {
            Position::Whole if cased => format!("{left} == {right}"),
            Position::Whole => format!("{left} =~ {right}"),
            Position::Start => format!("{left} startswith{case} {right}"),
            Position::End => format!("{left} endswith{case} {right}"),
            Position::Anywhere => format!("{left} contains{case} {right}"),
        };
        format!("(isnotempty({right}) and {text})")
    }

    fn time(&self, field: &str, part: TimePart, operator: Operator, number: &str) -> String {
        let is_time = matches!(&self.context.columns, Columns::Known(columns)
            if columns.get(field) == Some(&ColumnType::DateTime));
        let time = if is_time {
            column(field)
        } else {
            format!("todatetime({})", column(field))
        };
        let value = match part {
            TimePart::Minute => format!("datetime_part(\"minute\", {time})"),
            TimePart::Hour => format!("hourofday({time})"),
            TimePart::Day => format!("dayofmonth({time})"),
            TimePart::Week => format!("week_of_year({time})"),
            TimePart::Month => format!("monthofyear({time})"),
            TimePart::Year => format!("getyear({time})"),
        };
        self.guarded(format!("{value} {} {number}", operator.symbol()))
    }

    fn keyword(&mut self, test: &Test) -> Rendered {
        if matches!(test, Test::Regex { .. }) {
            let what = "an expression over all fields is asked of them written as JSON";
            self.context.lossy(what.to_owned());
        }
        Rendered::atom(match test {
            Test::Text(pattern) => {
                let keyword = shape::anywhere(pattern);
                match shape::of(&keyword) {
                    Shape::Contains(text) if pattern.cased => {
                        format!("* contains_cs {}", quoted(text))
                    }
                    Shape::Contains(text) => format!("* contains {}", quoted(text)),
                    Shape::Anything => "true".to_owned(),
                    _ => format!(
                        "tostring(pack_all()) matches regex {}",
                        quoted(&within_json(&keyword))
                    ),
                }
            }
            Test::Number(number) => format!("* contains {}", quoted(&number.0)),
            Test::Regex { pattern, flags } => format!(
                "tostring(pack_all()) matches regex {}",
                quoted(&with_flags(pattern, &flags.letters()))
            ),
            Test::AnyOf(tests)
            | Test::Windash {
                variants: tests, ..
            } => {
                let texts: Vec<String> = tests.iter().map(|test| self.keyword(test).text).collect();
                return Rendered::bound(texts.join(" or "), Binding::Or);
            }
            Test::Bool(value) => format!("* contains {}", quoted(&value.to_string())),
            _ => "false".to_owned(),
        })
    }
}

impl Language for Kusto<'_> {
    fn style(&self) -> Style {
        Style {
            and: " and ",
            or: " or ",
            not: ("not(", ")"),
            always_grouped: true,
            or_binds_tighter: false,
            chain_max: CHAIN_MAX,
        }
    }

    fn leaf(&mut self, leaf: Leaf<'_>) -> Result<Rendered> {
        let Some(field) = leaf.field else {
            return Ok(self.keyword(leaf.test));
        };
        let name = column(field);
        Ok(Rendered::atom(match leaf.test {
            Test::Text(pattern) => self.text(field, pattern),
            Test::Number(number) => self.number(field, &number.0),
            Test::Bool(value) if self.kind(field) == Kind::Bool => format!("{name} == {value}"),
            Test::Bool(value) => {
                let text = match self.kind(field) {
                    Kind::Text => name,
                    _ => format!("tostring({name})"),
                };
                format!("{text} =~ \"{value}\"")
            }
            Test::Null | Test::Exists(false) => format!("isempty({name})"),
            Test::Exists(true) => format!("isnotempty({name})"),
            Test::Regex { pattern, flags } => format!(
                "{} matches regex {}",
                self.as_text(field, ""),
                quoted(&with_flags(pattern, &flags.letters()))
            ),
            Test::Cidr(network) => {
                let function = if network.address.is_ipv4() {
                    "ipv4_is_in_range"
                } else {
                    "ipv6_is_in_range"
                };
                let text = self.as_text(field, "");
                self.guarded(format!("{function}({text}, {})", quoted(&network.text)))
            }
            Test::Compare(operator, number) => self.compare(field, *operator, &number.0),
            Test::FieldRef {
                field: other,
                position,
                cased,
            } => self.field_ref(field, other, *position, *cased),
            Test::Time {
                part,
                operator,
                number,
            } => self.time(field, *part, *operator, &number.0),
            Test::Windash { pattern, variants } if !covers(pattern, variants) => format!(
                "{} matches regex {}",
                self.as_text(field, ""),
                quoted(&dashes(pattern))
            ),
            Test::AnyOf(tests)
            | Test::Windash {
                variants: tests, ..
            } => {
                let members = tests
                    .iter()
                    .map(|test| self.leaf(Leaf { test, ..leaf }).map(|member| member.text))
                    .collect::<Result<Vec<_>>>()?;
                return Ok(Rendered::bound(members.join(" or "), Binding::Or));
            }
            Test::Query { template, id } => super::template(template, &name, id),
        }))
    }

    fn list(&mut self, field: &str, tests: &[&Test]) -> Result<Option<Rendered>> {
        let (mut plain, mut rest) = (Vec::new(), Vec::new());
        let kind = self.kind(field);
        for test in tests {
            match test {
                Test::Text(pattern) if !pattern.cased => match shape::of(pattern) {
                    Shape::Plain(text) => plain.push(text.to_owned()),
                    _ => rest.push(*test),
                },
                Test::Number(number) => plain.push(number.0.clone()),
                _ => return Ok(None),
            }
        }
        if plain.is_empty() {
            return Ok(None);
        }
        let all_numbers = plain.iter().all(|value| is_number(value));
        let list = if kind == Kind::Number && all_numbers {
            format!("{} in ({})", column(field), plain.join(", "))
        } else {
            let has_number = plain.iter().any(|value| is_number(value));
            let name = match kind {
                Kind::Text => column(field),
                Kind::Unknown if !has_number => column(field),
                _ => format!("tostring({})", column(field)),
            };
            let values: Vec<String> = plain.iter().map(|value| quoted(value)).collect();
            format!("{name} in~ ({})", values.join(", "))
        };
        let mut members = vec![list];
        for test in rest {
            let leaf = Leaf {
                field: Some(field),
                test,
            };
            members.push(self.leaf(leaf)?.text);
        }
        Ok(Some(Rendered::bound(members.join(" or "), Binding::Or)))
    }
}

fn compares_under_not(cond: &Cond<'_>, under_not: bool) -> bool {
    match cond {
        Cond::And(members) | Cond::Or(members) => members
            .iter()
            .any(|member| compares_under_not(member, under_not)),
        Cond::Not(inner) => compares_under_not(inner, true),
        Cond::Leaf(leaf) => {
            under_not
                && matches!(
                    leaf.test,
                    Test::Compare(..) | Test::Time { .. } | Test::Cidr(_)
                )
        }
    }
}

/// Whether the variants hold every combination of dashes.
fn covers(pattern: &Pattern, variants: &[Test]) -> bool {
    let places = shape::raw(pattern)
        .chars()
        .filter(|c| DASHES.contains(c))
        .count();
    let places = u32::try_from(places).unwrap_or(u32::MAX);
    5_usize
        .checked_pow(places)
        .is_some_and(|combinations| combinations == variants.len())
}

/// What `windash` takes for one another.
const DASHES: [char; 5] = ['-', '/', '–', '—', '―'];

/// A pattern whose dashes are any of the five, as a regular expression.
fn dashes(pattern: &Pattern) -> String {
    let mut out = String::new();
    for c in regex(pattern).chars() {
        if DASHES.contains(&c) {
            out.push_str("[-/–—―]");
        } else {
            out.push(c);
        }
    }
    out
}

fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        && text.parse::<f64>().is_ok()
}

fn with_flags(pattern: &str, flags: &str) -> String {
    if flags.is_empty() {
        pattern.to_owned()
    } else {
        format!("(?{flags}){pattern}")
    }
}

/// A pattern as a regular expression over the whole value.
fn regex(pattern: &Pattern) -> String {
    let flags = if pattern.cased { "(?s)" } else { "(?is)" };
    format!("{flags}{}", shape::regex(pattern))
}

/// A pattern somewhere within a text of a JSON object, whose quotes and backslashes are escaped.
fn within_json(pattern: &Pattern) -> String {
    let mut out = String::from(if pattern.cased { "(?s)" } else { "(?is)" });
    let parts = pattern.parts.as_slice();
    let parts = parts.strip_prefix(&[Part::Many]).unwrap_or(parts);
    let parts = parts.strip_suffix(&[Part::Many]).unwrap_or(parts);
    for part in parts {
        match part {
            Part::Literal(text) => {
                let json = serde_json::Value::from(text.as_str()).to_string();
                let json = json.get(1..json.len() - 1).unwrap_or_default();
                let literal = shape::anywhere(&Pattern::literal(json));
                out.push_str(&shape::regex(&literal));
            }
            Part::Many => out.push_str(r#"(?:[^"\\]|\\.)*"#),
            Part::One => out.push_str(r#"(?:[^"\\]|\\.)"#),
            Part::Placeholder(_) => {}
        }
    }
    out
}

/// A column's name, in brackets unless it is an identifier.
pub(crate) fn column(field: &str) -> String {
    let is_plain = field
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED.contains(&field);
    if is_plain {
        field.to_owned()
    } else {
        let text = field.replace('\\', r"\\").replace('\'', r"\'");
        format!("['{text}']")
    }
}

/// Names that are read as something else.
const RESERVED: &[&str] = &[
    "and",
    "or",
    "not",
    "in",
    "by",
    "of",
    "on",
    "to",
    "let",
    "print",
    "where",
    "project",
    "extend",
    "summarize",
    "join",
    "union",
    "true",
    "false",
    "null",
    "typeof",
    "bool",
    "int",
    "long",
    "real",
    "string",
    "datetime",
    "timespan",
    "dynamic",
    "guid",
    "decimal",
    "date",
    "time",
    "contains",
    "has",
    "between",
    "startswith",
    "endswith",
    "like",
    "search",
    "find",
    "count",
    "take",
    "limit",
    "sort",
    "order",
    "top",
    "distinct",
    "evaluate",
    "parse",
    "render",
    "serialize",
    "as",
    "with",
    "from",
    "step",
    "range",
    "set",
    "declare",
    "pattern",
    "restrict",
    "access",
    "alias",
    "database",
    "cluster",
    "table",
    "view",
    "materialize",
    "datatable",
    "externaldata",
    "asc",
    "desc",
    "nulls",
    "first",
    "last",
    "kind",
    "hint",
    "default",
    "reduce",
    "sample",
    "scan",
    "partition",
    "lookup",
    "invoke",
    "fork",
    "facet",
    "getschema",
    "consume",
    "double",
    "uuid",
    "isfuzzy",
];

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
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
