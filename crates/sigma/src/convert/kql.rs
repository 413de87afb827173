//! To KQL over the log tables, in a form that Kusto accepts as well.

use std::fmt::Write as _;

use atalaya_model::{Diagnostic, Span};
use atalaya_tables::{ColumnType, Table};

use crate::ir::{
    Collection, Correlation, CorrelationCondition, CorrelationKind, Expr, Item, Metadata, Number,
    Part, Pattern, Rule, Target, Test,
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
        let targets: Vec<_> = correlation.rules.iter().map(|rule| rule.target).collect();
        let base = match targets.as_slice() {
            [Some(Target::Rule(index))] => collection.rules.get(*index),
            _ => None,
        };
        let Some(base) = base else {
            let message = "only correlations of one rule can be converted to KQL";
            problems.push(Diagnostic::error(
                code::CORRELATION,
                correlation.span,
                message,
            ));
            continue;
        };
        let mut writer = Writer::new(base, &mut problems);
        queries.extend(writer.correlation(base, correlation));
    }
    for (index, rule) in collection.rules.iter().enumerate() {
        if !collection.raises_alerts(Target::Rule(index)) {
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
    fn new(rule: &Rule, problems: &'w mut Vec<Diagnostic>) -> Self {
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

    fn correlation<'c>(&mut self, base: &Rule, correlation: &'c Correlation) -> Option<Query<'c>> {
        let mut kql = self.events(base)?;
        let mut group_by = Vec::new();
        for field in &correlation.group_by {
            group_by.push(self.column(field, Span::default())?);
        }
        let threshold = match &correlation.condition {
            CorrelationCondition::Threshold(threshold) => threshold,
            CorrelationCondition::Rules(_) => return self.refused(correlation),
        };
        let count = match (correlation.kind, threshold.fields.as_slice()) {
            (CorrelationKind::EventCount, _) => "count()".to_owned(),
            (CorrelationKind::ValueCount, [field]) => {
                format!("count_distinct({})", self.column(field, Span::default())?)
            }
            _ => return self.refused(correlation),
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
        let bounds = threshold.bounds.iter();
        let bounds: Vec<String> = bounds
            .map(|bound| format!("Count {} {}", bound.operator.symbol(), bound.number.0))
            .collect();
        let _ = write!(
            kql,
            "\n| summarize Count = {count}{by}\n| where {}",
            bounds.join(" and ")
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

    fn refused<'c>(&mut self, correlation: &'c Correlation) -> Option<Query<'c>> {
        let kind = correlation.kind.word();
        let message = format!("a correlation of type `{kind}` cannot be converted to KQL yet");
        let diagnostic = Diagnostic::error(code::CORRELATION, correlation.span, message);
        self.problems.push(diagnostic);
        None
    }

    fn events(&mut self, rule: &Rule) -> Option<String> {
        let table = self.table?;
        let any: Vec<Expr> = rule.conditions.iter().map(|c| c.expr.clone()).collect();
        let condition = self.expr(&Expr::any_of(any))?;
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
            Expr::Item(item) => self.item(item)?,
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

    fn item(&mut self, item: &Item) -> Option<String> {
        let Some(field) = &item.field else {
            let message = "keyword searches over whole events cannot be converted to KQL yet";
            let help = "name the field, e.g. `PromptText|contains`";
            let diagnostic = Diagnostic::error(code::VALUE, item.span, message);
            self.problems.push(diagnostic.with_help(help));
            return None;
        };
        let (column, ty) = self.resolve(field, item.span)?;
        if let Some((list, cased)) = plain_list(item).filter(|_| ty == ColumnType::String) {
            let operator = if cased { "in" } else { "in~" };
            return Some(format!("{column} {operator} ({})", list.join(", ")));
        }
        let mut texts = Vec::with_capacity(item.tests.len());
        for test in &item.tests {
            let any = test.alternatives().iter();
            let any: Option<Vec<String>> = any.map(|test| one(&column, ty, test)).collect();
            let Some(any) = any else {
                let message = format!("`{}` cannot be converted to KQL yet", item.key);
                self.problems
                    .push(Diagnostic::error(code::MODIFIER, item.span, message));
                return None;
            };
            texts.push(match any.as_slice() {
                [one] => one.clone(),
                _ => format!("({})", any.join(" or ")),
            });
        }
        let join = if item.all { " and " } else { " or " };
        Some(match texts.as_slice() {
            [one] => one.clone(),
            _ => format!("({})", texts.join(join)),
        })
    }
}

/// Several texts without wildcards, any of which may match, and whether case counts.
fn plain_list(item: &Item) -> Option<(Vec<String>, bool)> {
    if item.tests.len() < 2 || item.all {
        return None;
    }
    let mut cased = false;
    let texts = item.tests.iter().map(|test| match test {
        Test::Text(pattern) => {
            cased = pattern.cased;
            pattern.as_literal().map(quoted)
        }
        _ => None,
    });
    let texts: Option<Vec<String>> = texts.collect();
    Some((texts?, cased))
}

fn one(column: &str, ty: ColumnType, test: &Test) -> Option<String> {
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
    Some(match test {
        Test::Text(pattern) => text_match(&text, pattern)?,
        Test::Regex { pattern, flags } => {
            let letters = flags.letters();
            let flags = if letters.is_empty() {
                String::new()
            } else {
                format!("(?{letters})")
            };
            let pattern = quoted(&format!("{flags}{pattern}"));
            format!("{text} matches regex {pattern}")
        }
        Test::Compare(operator, Number(value)) => {
            format!("{number} {} {value}", operator.symbol())
        }
        Test::Number(Number(value)) if is_number => format!("{column} == {value}"),
        Test::Number(Number(value)) => format!("{text} =~ {}", quoted(value)),
        Test::Bool(value) if ty == ColumnType::Bool => format!("{column} == {value}"),
        Test::Bool(value) => format!("{text} =~ \"{value}\""),
        Test::Cidr(network) if network.address.is_ipv6() => {
            format!("ipv6_is_in_range({text}, {})", quoted(&network.text))
        }
        Test::Cidr(network) => format!("ipv4_is_in_range({text}, {})", quoted(&network.text)),
        Test::Exists(true) => format!("isnotempty({text})"),
        Test::Exists(false) | Test::Null => format!("isempty({text})"),
        _ => return None,
    })
}

/// A text with wildcards as the operator that says it best.
fn text_match(column: &str, pattern: &Pattern) -> Option<String> {
    let case = if pattern.cased { "_cs" } else { "" };
    Some(match pattern.parts.as_slice() {
        [Part::Many] => format!("isnotempty({column})"),
        [Part::Many, Part::Literal(text), Part::Many] => {
            format!("{column} contains{case} {}", quoted(text))
        }
        [Part::Many, Part::Literal(text)] => format!("{column} endswith{case} {}", quoted(text)),
        [Part::Literal(text), Part::Many] => format!("{column} startswith{case} {}", quoted(text)),
        _ => match pattern.as_literal() {
            Some(text) if pattern.cased => format!("{column} == {}", quoted(text)),
            Some(text) => format!("{column} =~ {}", quoted(text)),
            None => format!("{column} matches regex {}", quoted(&regex(pattern)?)),
        },
    })
}

/// A pattern as a regular expression over the whole value.
fn regex(pattern: &Pattern) -> Option<String> {
    let mut out = String::from(if pattern.cased { "(?s)^" } else { "(?is)^" });
    for part in &pattern.parts {
        match part {
            Part::Many => out.push_str(".*"),
            Part::One => out.push('.'),
            Part::Literal(text) => text.chars().for_each(|c| literal(&mut out, c)),
            Part::Placeholder(_) => return None,
        }
    }
    out.push('$');
    Some(out)
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
