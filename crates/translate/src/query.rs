//! Queries operator by operator.

use atalaya_kql::ast::{
    Expr, ExprKind, NamedExpr, Operator, OperatorKind, Pipeline, Script, SortArg, Source,
};
use atalaya_model::Span;

use crate::expression::{Dialect, TICKS_PER_SECOND, expression};
use crate::{Result, past, refused};

/// An aggregate with its name.
pub(crate) struct Aggregate {
    pub(crate) name: String,
    pub(crate) function: String,
}

/// A key of a summary.
pub(crate) enum Key {
    Column(String),
    /// A column computed before.
    Computed {
        name: String,
        value: String,
    },
    /// Time in buckets of so many seconds.
    Bucket {
        name: String,
        seconds: i64,
    },
}

/// How a target writes operators.
pub(crate) trait Operators: Dialect {
    fn source(&self, table: &str, given: Option<&str>) -> String;
    fn filter(&self, condition: &str) -> String;
    fn extend(&self, name: &str, value: &str) -> String;
    fn project(&self, names: &[String]) -> String;
    fn summarize(&self, aggregates: &[Aggregate], keys: &[Key]) -> String;
    /// A summary that is written beside every row of its group.
    fn beside(&self, aggregates: &[Aggregate], keys: &[String]) -> String;
    fn sort(&self, keys: &[(String, bool)], limit: Option<&str>) -> String;
    fn take(&self, count: &str) -> String;
    fn distinct(&self, names: &[String]) -> String;
    /// `name`, arguments, and a condition for `…if`; `None` if there is no such aggregate.
    fn aggregate(&self, name: &str, arguments: &[String], when: Option<&str>) -> Option<String>;
}

/// Writes a query.
pub(crate) fn write(
    script: &Script,
    target: &dyn Operators,
    source: Option<&str>,
) -> Result<String> {
    let Some(pipeline) = &script.query else {
        return Err(refused(Span::default(), "a text without a query"));
    };
    let first = rows(pipeline, target, source)?;
    let past = past::find(script, target)?;
    let mut lines = vec![first];
    lines.extend(past.before);
    let mut joins = past.joins.into_iter();
    for operator in &pipeline.operators {
        match &operator.kind {
            OperatorKind::Join(_) => lines.extend(joins.next().unwrap_or_default()),
            OperatorKind::Summarize(aggregates, keys) => {
                let groups = (aggregates.as_slice(), keys.as_slice());
                lines.push(summarize(groups, &past.carried, target, operator.span)?);
            }
            _ if past.carried.is_empty() => lines.extend(one(operator, target)?),
            OperatorKind::Where(_) | OperatorKind::Extend(_) | OperatorKind::Sort(_) => {
                lines.extend(one(operator, target)?);
            }
            _ => return Err(refused(operator.span, "this operator beside a join")),
        }
    }
    Ok(lines.join("\n"))
}

/// Keys that are columns.
pub(crate) fn columns(names: &[String]) -> Vec<Key> {
    names.iter().cloned().map(Key::Column).collect()
}

fn rows(pipeline: &Pipeline, target: &dyn Operators, given: Option<&str>) -> Result<String> {
    match &pipeline.source {
        Source::Name(table) => Ok(target.source(&table.text, given)),
        _ => Err(refused(pipeline.span, "a source that is no table")),
    }
}

fn one(operator: &Operator, target: &dyn Operators) -> Result<Vec<String>> {
    let value = |expr: &Expr| expression(expr, as_dialect(target));
    Ok(match &operator.kind {
        OperatorKind::Where(condition) => vec![target.filter(&value(condition)?)],
        OperatorKind::Extend(columns) => columns
            .iter()
            .map(|column| extend(column, target, operator.span))
            .collect::<Result<_>>()?,
        OperatorKind::Project(columns) => {
            let mut lines = Vec::new();
            let mut names = Vec::new();
            for column in columns {
                let name = name_of(column, operator.span)?;
                let is_same = matches!(&column.expr.kind, ExprKind::Name(own) if *own == name);
                if !is_same {
                    lines.push(target.extend(&target.column(&name), &value(&column.expr)?));
                }
                names.push(target.column(&name));
            }
            lines.push(target.project(&names));
            lines
        }
        OperatorKind::Count(name) => {
            let name = name.as_ref().map_or("Count", |name| name.text.as_str());
            let Some(function) = target.aggregate("count", &[], None) else {
                return Err(refused(operator.span, "`count`"));
            };
            let aggregate = Aggregate {
                name: name.to_owned(),
                function,
            };
            vec![target.summarize(&[aggregate], &[])]
        }
        OperatorKind::Sort(keys) => vec![target.sort(&sort_keys(keys, target)?, None)],
        OperatorKind::Top(count, keys) => {
            vec![target.sort(&sort_keys(keys, target)?, Some(&value(count)?))]
        }
        OperatorKind::Take(count) => vec![target.take(&value(count)?)],
        OperatorKind::Distinct(columns) => {
            let names = columns
                .iter()
                .map(|column| name_of(column, operator.span).map(|name| target.column(&name)))
                .collect::<Result<Vec<_>>>()?;
            vec![target.distinct(&names)]
        }
        OperatorKind::Render(..) | OperatorKind::As(_) => Vec::new(),
        _ => return Err(refused(operator.span, "this operator")),
    })
}

fn as_dialect(target: &dyn Operators) -> &dyn Dialect {
    target
}

fn extend(column: &NamedExpr, target: &dyn Operators, span: Span) -> Result<String> {
    let name = name_of(column, span)?;
    let value = expression(&column.expr, as_dialect(target))?;
    Ok(target.extend(&target.column(&name), &value))
}

/// The name of a column: as said, or of the column itself.
pub(crate) fn name_of(column: &NamedExpr, span: Span) -> Result<String> {
    match (column.names.as_slice(), &column.expr.kind) {
        ([name], _) => Ok(name.text.clone()),
        ([], ExprKind::Name(name)) => Ok(name.clone()),
        _ => Err(refused(span, "a computed column without a name")),
    }
}

fn sort_keys(keys: &[SortArg], target: &dyn Operators) -> Result<Vec<(String, bool)>> {
    keys.iter()
        .map(|key| match &key.expr.kind {
            ExprKind::Name(name) => Ok((target.column(name), key.descending)),
            _ => Err(refused(key.expr.span, "a sort by something computed")),
        })
        .collect()
}

fn summarize(
    (aggregates, keys): (&[NamedExpr], &[NamedExpr]),
    carried: &[String],
    target: &dyn Operators,
    span: Span,
) -> Result<String> {
    let mut functions = Vec::with_capacity(aggregates.len());
    for aggregate in aggregates {
        functions.push(one_aggregate(aggregate, as_dialect(target), target, None)?);
    }
    let is_empty = functions.is_empty();
    // The same in every row of a group, or needed by nobody.
    for name in carried {
        let function = target.aggregate("max", std::slice::from_ref(name), None);
        let function = function.ok_or_else(|| refused(span, "`max`"))?;
        functions.push(Aggregate {
            name: name.clone(),
            function,
        });
    }
    let mut groups = Vec::with_capacity(keys.len());
    for key in keys {
        groups.push(one_key(key, target, span)?);
    }
    if is_empty {
        return Err(refused(span, "a summary without an aggregate"));
    }
    Ok(target.summarize(&functions, &groups))
}

/// An aggregate; over the rows only that meet a condition, if one is given.
pub(crate) fn one_aggregate(
    aggregate: &NamedExpr,
    dialect: &dyn Dialect,
    target: &dyn Operators,
    among: Option<&str>,
) -> Result<Aggregate> {
    let ExprKind::Call(name, arguments) = &aggregate.expr.kind else {
        return Err(refused(
            aggregate.expr.span,
            "an expression over aggregates",
        ));
    };
    let span = aggregate.expr.span;
    let mut values = arguments
        .iter()
        .map(|argument| expression(&argument.expr, dialect))
        .collect::<Result<Vec<_>>>()?;
    let (base, when) = match name.as_str() {
        "countif" => ("count", values.pop()),
        "dcountif" | "count_distinctif" => {
            values.truncate(2);
            ("dcount", values.pop())
        }
        "sumif" => ("sum", values.pop()),
        "avgif" => ("avg", values.pop()),
        "minif" => ("min", values.pop()),
        "maxif" => ("max", values.pop()),
        other => (other, None),
    };
    let and = dialect.words().0;
    let when = match (among, when) {
        (Some(among), Some(when)) => Some(format!("{among} {and} ({when})")),
        (among, when) => when.or_else(|| among.map(str::to_owned)),
    };
    let Some(function) = target.aggregate(base, &values, when.as_deref()) else {
        return Err(refused(span, format!("the aggregate `{name}`")));
    };
    let name = match aggregate.names.as_slice() {
        [name] => name.text.clone(),
        _ if arguments.is_empty() => format!("{name}_"),
        _ => match &arguments.first().map(|argument| &argument.expr.kind) {
            Some(ExprKind::Name(column)) => format!("{name}_{column}"),
            _ => format!("{name}_"),
        },
    };
    Ok(Aggregate { name, function })
}

fn one_key(key: &NamedExpr, target: &dyn Operators, span: Span) -> Result<Key> {
    if let ExprKind::Call(function, arguments) = &key.expr.kind
        && function == "bin"
        && let [column, size] = arguments.as_slice()
        && let (ExprKind::Name(column), ExprKind::Timespan(ticks)) =
            (&column.expr.kind, &size.expr.kind)
        && column == "TimeGenerated"
    {
        let name = key
            .names
            .first()
            .map_or(column.as_str(), |name| name.text.as_str());
        return Ok(Key::Bucket {
            name: target.column(name),
            seconds: ticks / TICKS_PER_SECOND,
        });
    }
    let name = name_of(key, span)?;
    Ok(match &key.expr.kind {
        ExprKind::Name(own) if *own == name => Key::Column(target.column(&name)),
        _ => Key::Computed {
            name: target.column(&name),
            value: expression(&key.expr, as_dialect(target))?,
        },
    })
}
