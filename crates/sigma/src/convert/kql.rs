//! To KQL over the log tables, in a form that Kusto accepts as well.

use std::fmt::Write as _;

use atalaya_model::{Diagnostic, Span};
use atalaya_tables::{ColumnType, Table};

use crate::rule::{
    Collection, Correlation, CorrelationKind, Expr, FieldMatch, Match, Metadata, SigmaRule,
};
use crate::taxonomy::{self, Derived, Field};
use crate::{code, duration};

/// A rule as a query.
#[derive(Clone, Debug)]
pub struct Query<'c> {
    /// What is said about it.
    pub metadata: &'c Metadata,
    /// The query.
    pub kql: String,
    /// Within which time a correlation counts.
    pub timespan: Option<std::time::Duration>,
    /// Columns that keep counts apart: what an alert is about.
    pub group_by: Vec<String>,
}

/// The rules of a collection that raise alerts: correlations, and rules that none uses.
///
/// # Errors
/// What the log tables cannot say; spans lie in the rule's text.
pub fn convert(collection: &Collection) -> Result<Vec<Query<'_>>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut queries = Vec::new();
    for correlation in &collection.correlations {
        let Some(base) = collection.rules.get(correlation.base) else {
            continue;
        };
        let mut writer = Writer::new(base, &mut problems);
        queries.extend(writer.correlation(base, correlation));
    }
    for (index, rule) in collection.rules.iter().enumerate() {
        if collection
            .correlations
            .iter()
            .any(|correlation| correlation.base == index)
        {
            continue;
        }
        let mut writer = Writer::new(rule, &mut problems);
        queries.extend(writer.events(rule).map(|kql| Query {
            metadata: &rule.metadata,
            kql,
            timespan: None,
            group_by: Vec::new(),
        }));
    }
    if problems.is_empty() {
        Ok(queries)
    } else {
        Err(problems)
    }
}

struct Writer<'w> {
    table: Option<&'static Table>,
    derived: Vec<Derived>,
    problems: &'w mut Vec<Diagnostic>,
}

impl<'w> Writer<'w> {
    fn new(rule: &SigmaRule, problems: &'w mut Vec<Diagnostic>) -> Self {
        let table = taxonomy::table(&rule.source);
        if table.is_none() {
            let source = &rule.source;
            let message = format!(
                "the log source (product `{}`, category `{}`, service `{}`) is none of the log tables",
                source.product, source.category, source.service
            );
            let help = format!("known: {}", taxonomy::sources());
            let diagnostic = Diagnostic::error(code::UNKNOWN_SOURCE, Span::default(), message);
            problems.push(diagnostic.with_help(help));
        }
        Self {
            table,
            derived: Vec::new(),
            problems,
        }
    }

    fn correlation<'c>(
        &mut self,
        base: &SigmaRule,
        correlation: &'c Correlation,
    ) -> Option<Query<'c>> {
        let mut kql = self.events(base)?;
        let mut group_by = Vec::new();
        for field in &correlation.group_by {
            group_by.push(self.column(field, Span::default())?);
        }
        let count = match &correlation.kind {
            CorrelationKind::EventCount => "count()".to_owned(),
            CorrelationKind::ValueCount(field) => {
                format!("count_distinct({})", self.column(field, Span::default())?)
            }
        };
        let by = if group_by.is_empty() {
            String::new()
        } else {
            // An event without the field belongs to no group.
            for column in &group_by {
                let _ = write!(kql, "\n| where isnotempty({column})");
            }
            format!(" by {}", group_by.join(", "))
        };
        let symbol = correlation.operator.symbol();
        let _ = write!(
            kql,
            "\n| summarize Count = {count}{by}\n| where Count {symbol} {}",
            correlation.threshold
        );
        let span = duration::write(correlation.timespan);
        let kql = kql.replacen(
            '\n',
            &format!("\n| where TimeGenerated >= ago({span})\n"),
            1,
        );
        Some(Query {
            metadata: &correlation.metadata,
            kql,
            timespan: Some(correlation.timespan),
            group_by,
        })
    }

    fn events(&mut self, rule: &SigmaRule) -> Option<String> {
        let table = self.table?;
        let condition = self.expr(&rule.condition)?;
        let mut kql = table.name.to_owned();
        for derived in &self.derived {
            let [story, time] = derived.sort;
            let _ = write!(
                kql,
                "\n| sort by {story} asc, {time} asc\n| extend {} = {}",
                derived.column, derived.expression
            );
        }
        let _ = write!(kql, "\n| where {condition}");
        Some(kql)
    }

    fn expr(&mut self, expr: &Expr) -> Option<String> {
        Some(match expr {
            Expr::And(parts) => self.parts(parts, " and ")?,
            Expr::Or(parts) => self.parts(parts, " or ")?,
            Expr::Not(inner) => format!("not({})", self.expr(inner)?),
            Expr::Field(field) => self.field(field)?,
        })
    }

    fn parts(&mut self, parts: &[Expr], join: &str) -> Option<String> {
        let mut texts = Vec::with_capacity(parts.len());
        for part in parts {
            let text = self.expr(part)?;
            let is_group = matches!(part, Expr::And(_) | Expr::Or(_));
            texts.push(if is_group { format!("({text})") } else { text });
        }
        Some(texts.join(join))
    }

    fn column(&mut self, name: &str, span: Span) -> Option<String> {
        self.resolve(name, span).map(|(column, _)| column)
    }

    /// The column of a field and its type.
    fn resolve(&mut self, name: &str, span: Span) -> Option<(String, ColumnType)> {
        let table = self.table?;
        match taxonomy::field(table, name) {
            Some(Field::Column(column)) => Some((column.name.to_owned(), column.ty)),
            Some(Field::Derived(derived)) => {
                if !self.derived.contains(&derived) {
                    self.derived.push(derived);
                }
                Some((derived.column.to_owned(), ColumnType::Real))
            }
            None => {
                let known = table.columns.iter().map(|column| column.name);
                let help = atalaya_yaml::nearest(name, known).map_or_else(
                    || format!("see `atalaya tables {}`", table.name),
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("{} has no field `{name}`", table.name);
                let diagnostic = Diagnostic::error(code::UNKNOWN_FIELD, span, message);
                self.problems.push(diagnostic.with_help(help));
                None
            }
        }
    }

    fn field(&mut self, field: &FieldMatch) -> Option<String> {
        let (column, ty) = self.resolve(&field.field, field.span)?;
        if let Some(list) = plain_list(field).filter(|_| ty == ColumnType::String) {
            let operator = if field.cased { "in" } else { "in~" };
            return Some(format!("{column} {operator} ({})", list.join(", ")));
        }
        let texts: Vec<String> = field
            .values
            .iter()
            .map(|value| one(&column, ty, value, field.cased))
            .collect();
        let join = if field.all { " and " } else { " or " };
        Some(match texts.as_slice() {
            [one] => one.clone(),
            _ => format!("({})", texts.join(join)),
        })
    }
}

/// Several texts without wildcards, any of which may match.
fn plain_list(field: &FieldMatch) -> Option<Vec<String>> {
    if field.values.len() < 2 || field.all {
        return None;
    }
    field
        .values
        .iter()
        .map(|value| match value {
            Match::Text(text) if !text.contains(['*', '?', '\\']) => Some(quoted(text)),
            _ => None,
        })
        .collect()
}

fn one(column: &str, ty: ColumnType, value: &Match, cased: bool) -> String {
    let is_number = matches!(ty, ColumnType::Int | ColumnType::Long | ColumnType::Real);
    let text = if ty == ColumnType::String {
        column.to_owned()
    } else {
        format!("tostring({column})")
    };
    let number = if is_number {
        column.to_owned()
    } else {
        format!("todouble({column})")
    };
    match value {
        Match::Text(pattern) => text_match(&text, pattern, cased),
        Match::Regex(pattern, flags) => {
            let flags = if flags.is_empty() {
                String::new()
            } else {
                format!("(?{flags})")
            };
            format!(
                "{text} matches regex {}",
                quoted(&format!("{flags}{pattern}"))
            )
        }
        Match::Compare(operator, value) => format!("{number} {} {}", operator.symbol(), value.0),
        Match::Number(value) if is_number => format!("{column} == {}", value.0),
        Match::Number(value) => format!("{text} =~ {}", quoted(&value.0)),
        Match::Bool(value) if ty == ColumnType::Bool => format!("{column} == {value}"),
        Match::Bool(value) => format!("{text} =~ \"{value}\""),
        Match::Cidr(range) if range.contains(':') => {
            format!("ipv6_is_in_range({text}, {})", quoted(range))
        }
        Match::Cidr(range) => format!("ipv4_is_in_range({text}, {})", quoted(range)),
        Match::Exists(true) => format!("isnotempty({text})"),
        Match::Exists(false) | Match::Null => format!("isempty({text})"),
    }
}

/// A text with wildcards as the operator that says it best.
fn text_match(column: &str, pattern: &str, cased: bool) -> String {
    let inner = pattern.trim_matches('*');
    let is_plain = !inner.contains(['*', '?', '\\']);
    let (starts_open, ends_open) = (pattern.starts_with('*'), pattern.ends_with('*'));
    if !is_plain {
        return format!("{column} matches regex {}", quoted(&regex(pattern, cased)));
    }
    let case = if cased { "_cs" } else { "" };
    let value = quoted(inner);
    match (starts_open, ends_open) {
        (true, _) if inner.is_empty() => format!("isnotempty({column})"),
        (true, true) => format!("{column} contains{case} {value}"),
        (true, false) => format!("{column} endswith{case} {value}"),
        (false, true) => format!("{column} startswith{case} {value}"),
        (false, false) if cased => format!("{column} == {value}"),
        (false, false) => format!("{column} =~ {value}"),
    }
}

/// A pattern as a regular expression over the whole value.
fn regex(pattern: &str, cased: bool) -> String {
    let mut out = String::from(if cased { "(?s)^" } else { "(?is)^" });
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '\\' => {
                let escaped = chars.next_if(|next| matches!(next, '*' | '?' | '\\'));
                literal(&mut out, escaped.unwrap_or('\\'));
            }
            c => literal(&mut out, c),
        }
    }
    out.push('$');
    out
}

fn literal(out: &mut String, c: char) {
    if r".+*?()|[]{}^$\/#-".contains(c) {
        out.push('\\');
    }
    out.push(c);
}

/// A KQL string literal.
fn quoted(text: &str) -> String {
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
