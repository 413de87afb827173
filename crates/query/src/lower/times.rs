//! Which stretch of time a filter leaves of a `datetime` column: files outside of it are never
//! opened. Only a hint: the filter itself stays where it is.

use std::collections::HashMap;

use atalaya_kql::bound::{Expr, ExprKind, Literal};

/// First and last tick, both inclusive, per column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds(HashMap<usize, (i64, i64)>);

impl Bounds {
    pub(super) fn of(&self, column: usize) -> (i64, i64) {
        self.0.get(&column).copied().unwrap_or((i64::MIN, i64::MAX))
    }

    /// Together with what a predicate says.
    pub(super) fn narrowed(&self, predicate: &Expr) -> Self {
        let mut bounds = self.clone();
        bounds.narrow(predicate);
        bounds
    }

    /// The same bounds in terms of a projection's input.
    pub(super) fn through_project(&self, exprs: &[Expr]) -> Self {
        let mut below = Self::default();
        for (output, range) in &self.0 {
            if let Some(ExprKind::Column(input)) = exprs.get(*output).map(|expr| &expr.kind) {
                below.intersect(*input, range.0, range.1);
            }
        }
        below
    }

    pub(super) fn intersect(&mut self, column: usize, first: i64, last: i64) {
        let range = self.0.entry(column).or_insert((i64::MIN, i64::MAX));
        range.0 = range.0.max(first);
        range.1 = range.1.min(last);
    }

    fn narrow(&mut self, predicate: &Expr) {
        let ExprKind::Call { name, args } = &predicate.kind else {
            return;
        };
        match (name.as_str(), args.as_slice()) {
            ("and", args) => args.iter().for_each(|arg| self.narrow(arg)),
            ("between", [value, first, last]) => {
                if let (Some(column), Some(first), Some(last)) =
                    (column_of(value), ticks_of(first), ticks_of(last))
                {
                    self.intersect(column, first, last);
                }
            }
            (operator, [left, right]) => {
                if let (Some(column), Some(ticks)) = (column_of(left), ticks_of(right)) {
                    self.compare(column, operator, ticks);
                } else if let (Some(ticks), Some(column)) = (ticks_of(left), column_of(right)) {
                    self.compare(column, mirrored(operator), ticks);
                }
            }
            _ => {}
        }
    }

    fn compare(&mut self, column: usize, operator: &str, ticks: i64) {
        match operator {
            "==" => self.intersect(column, ticks, ticks),
            ">" | ">=" => self.intersect(column, ticks, i64::MAX),
            "<" | "<=" => self.intersect(column, i64::MIN, ticks),
            _ => {}
        }
    }
}

fn mirrored(operator: &str) -> &str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}

const fn column_of(expr: &Expr) -> Option<usize> {
    match expr.kind {
        ExprKind::Column(index) => Some(index),
        _ => None,
    }
}

const fn ticks_of(expr: &Expr) -> Option<i64> {
    match expr.kind {
        ExprKind::Literal(Literal::DateTime(ticks)) => Some(ticks),
        _ => None,
    }
}
