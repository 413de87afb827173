//! A table beside summaries of itself: what a caller did before, how many callers there are.
//!
//! In KQL that is a join with a summary of the same table, or a `let` that holds one number. Both
//! targets say it in one pass: a summary that is written beside every row (`eventstats`,
//! `inline stats`), and carried through the summaries that follow. That is the same only under
//! conditions, and what does not meet them is refused:
//!
//! - The other side is the same table, filtered, and summed up by the keys of the join.
//! - On both sides the keys are computed from a row in the same way.
//! - A second summary over the first takes the largest or the smallest, for which it does not
//!   matter how many rows a value stands beside.
//! - Where the other side has no group, KQL gives null: counts are made null there as well.

use std::collections::HashMap;

use atalaya_kql::ast::{
    Expr, ExprKind, JoinArgs, LetValue, NamedExpr, Operator, OperatorKind, Pipeline, Script, Source,
};
use atalaya_model::Span;

use crate::expression::{Dialect, Renamed, TICKS_PER_SECOND, expression};
use crate::query::{Aggregate, Operators, name_of, one_aggregate};
use crate::{Result, refused};

/// Summaries beside the rows, and what is written in place of the operators that used them.
#[derive(Default)]
pub(crate) struct Past {
    /// Lines behind the source.
    pub(crate) before: Vec<String>,
    /// Columns that the summaries of the query must carry.
    pub(crate) carried: Vec<String>,
    /// Lines in place of joins, in their order.
    pub(crate) joins: Vec<Vec<String>>,
}

/// Finds the past in a query.
///
/// # Errors
/// What does not meet the conditions.
pub(crate) fn find(script: &Script, target: &dyn Operators) -> Result<Past> {
    let Some(query) = &script.query else {
        return Err(refused(Span::default(), "a text without a query"));
    };
    let (table, _) = flat(query)?;
    if let Some(one) = script.lets.iter().find(|one| one.name.text == table) {
        return Err(refused(one.name.span, "a `let` that is the source"));
    }
    let mut finder = Finder {
        script,
        target,
        table,
        past: Past::default(),
        number: 0,
        left: Left::default(),
    };
    finder.numbers()?;
    for operator in &query.operators {
        match &operator.kind {
            OperatorKind::Join(join) => finder.join(join, operator.span)?,
            kind => finder.left.read(kind, target),
        }
    }
    Ok(finder.past)
}

/// The table of a row set, and its operators.
fn flat(pipeline: &Pipeline) -> Result<(&str, Vec<&Operator>)> {
    let own = pipeline.operators.iter();
    match &pipeline.source {
        Source::Name(name) => Ok((&name.text, own.collect())),
        Source::Nested(inner) => {
            let (table, mut operators) = flat(inner)?;
            operators.extend(own);
            Ok((table, operators))
        }
        _ => Err(refused(pipeline.span, "a source that is no table")),
    }
}

/// How the columns of the query came about.
#[derive(Default)]
struct Left {
    /// Columns that are computed from a row, as the target says it.
    computed: HashMap<String, String>,
    /// Keys of the last summary.
    keys: Option<Vec<String>>,
    /// Columns that were made.
    made: Vec<String>,
    /// Constants.
    constants: Vec<String>,
}

impl Left {
    fn read(&mut self, kind: &OperatorKind, target: &dyn Operators) {
        match kind {
            OperatorKind::Extend(columns) => columns.iter().for_each(|column| {
                self.compute(column, target);
            }),
            OperatorKind::Summarize(aggregates, keys) => {
                let named = keys.iter().filter_map(|key| self.compute(key, target));
                let named: Vec<String> = named.collect();
                self.computed.retain(|name, _| named.contains(name));
                self.keys = Some(named);
                let names = aggregates.iter().filter_map(|one| one.names.first());
                self.made.extend(names.map(|name| name.text.clone()));
            }
            OperatorKind::Where(_) => {}
            // Whatever else there is: nothing is known of the columns behind it.
            _ => self.keys = Some(Vec::new()),
        }
    }

    fn compute(&mut self, column: &NamedExpr, target: &dyn Operators) -> Option<String> {
        let name = name_of(column, column.expr.span).ok()?;
        if matches!(column.expr.kind, ExprKind::Long(_)) {
            self.constants.push(name.clone());
        }
        // What is computed behind a summary is no longer computed from a row.
        let value = self.keys.is_none().then(|| row_value(&column.expr, target));
        let is_own = matches!(&column.expr.kind, ExprKind::Name(own) if *own == name);
        if !is_own {
            let value = value.flatten().unwrap_or_else(|| "?".to_owned());
            self.computed.insert(name.clone(), value);
            self.made.push(name.clone());
        }
        Some(name)
    }

    /// How a key is computed from a row.
    fn key(&self, name: &str, target: &dyn Operators) -> Option<String> {
        if self
            .keys
            .as_ref()
            .is_some_and(|keys| !keys.iter().any(|key| key == name))
        {
            return None;
        }
        let computed = self.computed.get(name).cloned();
        Some(computed.unwrap_or_else(|| target.column(name)))
    }
}

/// A value that is computed from a row; times in buckets as well.
fn row_value(expr: &Expr, target: &dyn Operators) -> Option<String> {
    if let ExprKind::Call(function, arguments) = &expr.kind
        && function == "bin"
        && let [column, size] = arguments.as_slice()
        && matches!(&column.expr.kind, ExprKind::Name(name) if name == "TimeGenerated")
        && let ExprKind::Timespan(ticks) = size.expr.kind
    {
        return Some(target.bucket(ticks / TICKS_PER_SECOND));
    }
    expression(expr, target as &dyn Dialect).ok()
}

struct Finder<'a> {
    script: &'a Script,
    target: &'a dyn Operators,
    table: &'a str,
    past: Past,
    number: usize,
    left: Left,
}

/// Columns to sum up by; names of keys, and how each is computed from a row.
type Keys = (Vec<String>, Vec<(String, String)>);

/// One summary that is written beside the rows.
struct Side {
    number: usize,
    lines: Vec<String>,
    filters: Vec<String>,
    /// Names of this side's own columns in the target.
    names: HashMap<String, String>,
    /// How keys of the last summary are computed from a row.
    keys: Option<Vec<(String, String)>>,
    /// Columns that it gives; whether nothing was counted says 0 for them.
    given: Vec<(String, bool)>,
    /// Conditions on the summary.
    conditions: Vec<String>,
    /// Columns that are the same in every row of it.
    constants: Vec<(String, String)>,
}

impl Finder<'_> {
    /// `let`s that hold a number.
    fn numbers(&mut self) -> Result<()> {
        for one in &self.script.lets {
            let LetValue::Scalar(value) = &one.value else {
                continue;
            };
            let ExprKind::ToScalar(pipeline) = &value.kind else {
                return Err(refused(
                    value.span,
                    "a `let` that is no number over the table",
                ));
            };
            let mut side = self.side(pipeline)?;
            let (Some([]), [(name, _)]) = (side.keys.as_deref(), side.given.as_slice()) else {
                return Err(refused(
                    value.span,
                    "a `let` that is no number over the table",
                ));
            };
            let name = name.clone();
            let own = self.target.column(&one.name.text);
            side.lines.push(self.target.extend(&own, &name));
            self.past.before.extend(side.lines);
            self.past.carried.push(own);
        }
        Ok(())
    }

    /// Reads the other side; its summaries become lines.
    fn side(&mut self, pipeline: &Pipeline) -> Result<Side> {
        self.number += 1;
        let mut side = Side {
            number: self.number,
            lines: Vec::new(),
            filters: Vec::new(),
            names: HashMap::new(),
            keys: None,
            given: Vec::new(),
            conditions: Vec::new(),
            constants: Vec::new(),
        };
        let (mut table, mut operators) = flat(pipeline)?;
        let named = self.script.lets.iter().find(|one| one.name.text == table);
        if let Some(LetValue::Tabular(inner) | LetValue::Materialize(inner)) =
            named.map(|one| &one.value)
        {
            let inner = flat(inner)?;
            table = inner.0;
            operators = [inner.1, operators].concat();
        }
        if table != self.table {
            return Err(refused(pipeline.span, "rows of another table"));
        }
        let is_summary = |operator: &Operator| {
            matches!(
                operator.kind,
                OperatorKind::Summarize(..) | OperatorKind::Distinct(..) | OperatorKind::Count(_)
            )
        };
        let last = operators.iter().rposition(|operator| is_summary(operator));
        for (at, operator) in operators.into_iter().enumerate() {
            side.read(operator, self.target, Some(at) == last)?;
        }
        if side.keys.is_none() {
            return Err(refused(pipeline.span, "rows that are not summed up"));
        }
        Ok(side)
    }

    fn join(&mut self, join: &JoinArgs, span: Span) -> Result<()> {
        let kind = join
            .kind
            .as_ref()
            .map_or("innerunique", |kind| kind.text.as_str());
        let side = self.side(&join.right)?;
        let mut keys = side.keys.clone().unwrap_or_default();
        for on in &join.on {
            let ExprKind::Name(name) = &on.kind else {
                return Err(refused(on.span, "a join of columns with different names"));
            };
            // A constant on both sides joins everything with everything.
            if side.constants.iter().any(|(known, _)| known == name)
                && self.left.constants.contains(name)
            {
                continue;
            }
            let at = keys.iter().position(|(known, _)| known == name);
            let own = at.map(|at| keys.swap_remove(at).1);
            if own.is_none() || own != self.left.key(name, self.target) {
                return Err(refused(
                    on.span,
                    "a key that is not computed from a row alike",
                ));
            }
        }
        if !keys.is_empty() {
            return Err(refused(
                span,
                "a join by fewer keys than the other side has",
            ));
        }
        let lines = self.after(kind, &side, span)?;
        self.past.joins.push(lines);
        self.past.before.extend(side.lines);
        Ok(())
    }

    /// What stands in place of the join.
    fn after(&mut self, kind: &str, side: &Side, span: Span) -> Result<Vec<String>> {
        let target = self.target;
        let (is_there, is_missing) = (
            format!("{} > 0", side.count()),
            format!("{} == 0", side.count()),
        );
        let mut lines = Vec::new();
        self.past.carried.push(side.count());
        let kept = match kind {
            "leftanti" | "anti" | "leftantisemi" => Some(&is_missing),
            "leftsemi" | "inner" | "innerunique" => Some(&is_there),
            "leftouter" if side.conditions.is_empty() => None,
            _ => {
                return Err(refused(
                    span,
                    format!("a join of kind {kind} with these operators"),
                ));
            }
        };
        if kind.contains("anti") && !side.conditions.is_empty() {
            return Err(refused(
                span,
                "a join of kind leftanti with a filtered summary",
            ));
        }
        lines.extend(kept.map(|condition| target.filter(condition)));
        if kind.starts_with("left") && kind != "leftouter" || kind == "anti" {
            return Ok(lines);
        }
        for (name, is_count) in &side.given {
            if self
                .left
                .made
                .iter()
                .any(|made| target.column(made) == *name)
            {
                return Err(refused(span, "columns of one name on both sides of a join"));
            }
            self.past.carried.push(name.clone());
            if *is_count && kind == "leftouter" {
                let null = target.null();
                let value = target.call("iff", &[is_missing.clone(), null, name.clone()]);
                lines.push(target.extend(name, &value.unwrap_or_default()));
            }
        }
        for (name, value) in &side.constants {
            let value = target.call("iff", &[is_there.clone(), value.clone(), target.null()]);
            let value = value.ok_or_else(|| refused(span, "this join"))?;
            lines.push(target.extend(&target.column(name), &value));
        }
        lines.extend(
            side.conditions
                .iter()
                .map(|condition| target.filter(condition)),
        );
        Ok(lines)
    }
}

impl Side {
    fn own(&self, name: &str) -> String {
        format!("past{}_{name}", self.number)
    }

    /// Column with how many rows a group has.
    fn count(&self) -> String {
        self.own("rows")
    }

    fn read(&mut self, operator: &Operator, target: &dyn Operators, is_last: bool) -> Result<()> {
        let span = operator.span;
        match &operator.kind {
            OperatorKind::Where(condition) => {
                let text = self.value(condition, target)?;
                match self.keys {
                    None => self.filters.push(format!("({text})")),
                    Some(_) => self.conditions.push(text),
                }
            }
            OperatorKind::Extend(columns) => {
                for column in columns {
                    let name = name_of(column, span)?;
                    let value = self.value(&column.expr, target)?;
                    match (&self.keys, &column.expr.kind) {
                        (None, _) => {
                            let own = target.column(&self.own(&name));
                            self.lines.push(target.extend(&own, &value));
                            self.names.insert(name, own);
                        }
                        (Some(_), ExprKind::Long(_) | ExprKind::Bool(_) | ExprKind::String(_)) => {
                            self.constants.push((name, value));
                        }
                        _ => return Err(refused(span, "a computed column behind a summary")),
                    }
                }
            }
            OperatorKind::Distinct(columns) => {
                self.sum_up((&[], columns), target, span, is_last)?;
            }
            OperatorKind::Summarize(aggregates, keys) => {
                self.sum_up((aggregates, keys), target, span, is_last)?;
            }
            OperatorKind::Count(_) => {
                self.sum_up((&[], &[]), target, span, is_last)?;
                self.given.push((self.count(), false));
            }
            _ => return Err(refused(span, "this operator on the other side of a join")),
        }
        Ok(())
    }

    fn value(&self, expr: &Expr, target: &dyn Operators) -> Result<String> {
        let renamed = Renamed {
            inner: target as &dyn Dialect,
            names: &self.names,
        };
        expression(expr, &renamed)
    }

    /// A summary beside the rows.
    fn sum_up(
        &mut self,
        (aggregates, keys): (&[NamedExpr], &[NamedExpr]),
        target: &dyn Operators,
        span: Span,
        is_last: bool,
    ) -> Result<()> {
        if !self.conditions.is_empty() || !self.constants.is_empty() {
            return Err(refused(span, "a summary of a filtered summary"));
        }
        let (columns, keys) = self.keys(keys, target, span)?;
        let when = (!self.filters.is_empty())
            .then(|| self.filters.join(&format!(" {} ", target.words().0)));
        let is_second = self.keys.is_some();
        let mut written = Vec::new();
        let mut given = Vec::new();
        for aggregate in aggregates {
            let renamed = Renamed {
                inner: target as &dyn Dialect,
                names: &self.names,
            };
            let (function, is_count) =
                beside(aggregate, &renamed, target, (when.as_deref(), is_second))?;
            let name = function.name.clone();
            let own = if is_last {
                name.clone()
            } else {
                self.own(&name)
            };
            given.push((name, target.column(&own), is_count));
            written.push(Aggregate {
                name: own,
                function: function.function,
            });
        }
        let Some(function) = target.aggregate("count", &[], when.as_deref()) else {
            return Err(refused(span, "`count`"));
        };
        written.push(Aggregate {
            name: self.count(),
            function,
        });
        self.lines.push(target.beside(&written, &columns));
        let is_count = |is_count: bool| is_count && when.is_some() && !is_second;
        self.given = given
            .iter()
            .map(|(_, own, counts)| (own.clone(), is_count(*counts)))
            .collect();
        self.names
            .extend(given.into_iter().map(|(name, own, _)| (name, own)));
        self.keys = Some(keys);
        Ok(())
    }

    /// Columns to sum up by, and how each key is computed from a row.
    fn keys(&mut self, keys: &[NamedExpr], target: &dyn Operators, span: Span) -> Result<Keys> {
        let (mut columns, mut told) = (Vec::new(), Vec::new());
        for key in keys {
            let name = name_of(key, span).or_else(|problem| match &key.expr.kind {
                ExprKind::Call(function, _) if function == "bin" => Ok("TimeGenerated".to_owned()),
                _ => Err(problem),
            })?;
            if let Some(known) = &self.keys {
                let known = known.iter().find(|(known, _)| *known == name);
                let known =
                    known.ok_or_else(|| refused(span, "a summary by what the first has not"))?;
                told.push(known.clone());
                columns.push(
                    self.names
                        .get(&name)
                        .cloned()
                        .unwrap_or_else(|| target.column(&name)),
                );
                continue;
            }
            let is_own = matches!(&key.expr.kind, ExprKind::Name(own) if *own == name);
            if is_own && !self.names.contains_key(&name) {
                columns.push(target.column(&name));
                told.push((name.clone(), target.column(&name)));
                continue;
            }
            let value = match row_value(&key.expr, target) {
                // A column that this side computed before.
                Some(_) if is_own => None,
                value => value,
            };
            let own = target.column(&self.own(&name));
            let told_as = value.clone().or_else(|| self.definition(&own));
            let told_as = told_as.ok_or_else(|| refused(span, "this key"))?;
            if let Some(value) = value {
                self.lines.push(target.extend(&own, &value));
            }
            self.names.insert(name.clone(), own.clone());
            columns.push(own);
            told.push((name, told_as));
        }
        Ok((columns, told))
    }

    /// What a column of this side was computed from.
    fn definition(&self, own: &str) -> Option<String> {
        let lines = self.lines.iter().rev();
        let mut values = lines.filter_map(|line| {
            let rest = line.strip_prefix("| eval ")?.strip_prefix(own)?;
            rest.strip_prefix('=').or_else(|| rest.strip_prefix(" = "))
        });
        values.next().map(str::to_owned)
    }
}

/// An aggregate over the rows of the other side only, and whether it counts.
fn beside(
    aggregate: &NamedExpr,
    renamed: &Renamed<'_>,
    target: &dyn Operators,
    (when, is_second): (Option<&str>, bool),
) -> Result<(Aggregate, bool)> {
    let span = aggregate.expr.span;
    let ExprKind::Call(function, _) = &aggregate.expr.kind else {
        return Err(refused(span, "an expression over aggregates"));
    };
    let is_extreme = matches!(function.as_str(), "max" | "min");
    if is_second && !is_extreme {
        return Err(refused(span, "a summary of a summary that is no maximum"));
    }
    let is_count = matches!(
        function.as_str(),
        "count" | "countif" | "dcount" | "dcountif" | "count_distinct"
    );
    if !is_count && !is_extreme && !matches!(function.as_str(), "sum" | "avg" | "stdev") {
        return Err(refused(
            span,
            format!("the aggregate `{function}` of the other side"),
        ));
    }
    let written = one_aggregate(aggregate, renamed, target, when)?;
    Ok((written, is_count))
}
