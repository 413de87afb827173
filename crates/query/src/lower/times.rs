//! What a filter leaves of a table: stretches of time, so that files outside of them are never
//! opened, and texts that a column must hold, so that row groups without them are never read. Only
//! a hint: the filter itself stays where it is, unless the table says that its rows pass it.

use std::collections::HashMap;

use atalaya_kql::bound::{Expr, ExprKind, Literal, Type};

use crate::windows;

/// What rows must be like to be of use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// First and last tick, both inclusive, per column.
    times: HashMap<usize, (i64, i64)>,
    /// Texts, per column.
    pub(super) probes: Vec<(usize, Probe)>,
}

/// What the text of a column must be or hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// One of these.
    Equals(Vec<String>),
    /// All folded terms of one of these.
    Terms(Vec<Vec<String>>),
    /// A whole number that compares like this.
    Number(Compares, i64),
}

/// Whether an expression's value depends on more than its own row: `prev`, `row_number`.
pub(super) fn looks_at_other_rows(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { name, args } => {
            windows::is_window(name) || args.iter().any(looks_at_other_rows)
        }
        ExprKind::Column(_)
        | ExprKind::Literal(_)
        | ExprKind::ToScalar(_)
        | ExprKind::ValueSet(_) => false,
    }
}

/// The parts of a predicate, all of which must hold.
pub(super) fn conjuncts(predicate: &Expr) -> Vec<&Expr> {
    match &predicate.kind {
        ExprKind::Call { name, args } if name == "and" => args.iter().flat_map(conjuncts).collect(),
        _ => vec![predicate],
    }
}

/// What a predicate asks of a column, if it asks nothing else.
pub(super) fn probe_of(predicate: &Expr) -> Option<(usize, Probe)> {
    let mut bounds = Bounds::default();
    bounds.narrow(predicate);
    match bounds.probes.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// The column whose times a predicate bounds, with the first and last tick, if it asks nothing else.
pub(super) fn time_of(predicate: &Expr) -> Option<(usize, (i64, i64))> {
    let mut bounds = Bounds::default();
    bounds.narrow(predicate);
    let mut columns = bounds.times.into_iter();
    match (columns.next(), columns.next()) {
        (Some(time), None) if bounds.probes.is_empty() => Some(time),
        _ => None,
    }
}

/// How a column compares with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compares {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compares {
    fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "==" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }
}

/// Most texts of one probe: more of them exclude little.
const TEXTS_MAX: usize = 1_000;

impl Bounds {
    pub(super) fn of(&self, column: usize) -> (i64, i64) {
        self.times
            .get(&column)
            .copied()
            .unwrap_or((i64::MIN, i64::MAX))
    }

    /// Together with what a predicate says; nothing if it looks at other rows.
    pub(super) fn narrowed(&self, predicate: &Expr) -> Self {
        if looks_at_other_rows(predicate) {
            return Self::default();
        }
        let mut bounds = self.clone();
        bounds.narrow(predicate);
        bounds
    }

    /// The same bounds in terms of a projection's input; nothing if it looks at other rows: those
    /// that a later filter drops are still the neighbours of those that it keeps.
    pub(super) fn through_project(&self, exprs: &[Expr]) -> Self {
        let mut below = Self::default();
        if exprs.iter().any(looks_at_other_rows) {
            return below;
        }
        for (output, range) in &self.times {
            if let Some(ExprKind::Column(input)) = exprs.get(*output).map(|expr| &expr.kind) {
                below.intersect(*input, range.0, range.1);
            }
        }
        for (output, probe) in &self.probes {
            if let Some(ExprKind::Column(input)) = exprs.get(*output).map(|expr| &expr.kind) {
                below.probes.push((*input, probe.clone()));
            }
        }
        below
    }

    pub(super) fn intersect(&mut self, column: usize, first: i64, last: i64) {
        let range = self.times.entry(column).or_insert((i64::MIN, i64::MAX));
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
            (operator, [left, right]) if column_of(left).is_some() && is_text(right) => {
                self.probe(operator, left, std::slice::from_ref(right));
            }
            ("in" | "in~" | "has_any" | "has_all", [value, texts @ ..]) => {
                self.probe(name, value, texts);
            }
            (operator, [left, right]) if number_of(right).is_some() => {
                if let (Some(column), Some(number), Some(compares)) = (
                    whole_column_of(left),
                    number_of(right),
                    Compares::of(operator),
                ) {
                    self.probes.push((column, Probe::Number(compares, number)));
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

    fn probe(&mut self, operator: &str, value: &Expr, texts: &[Expr]) {
        let (Some(column), Some(texts)) = (column_of(value), texts_of(texts)) else {
            return;
        };
        // What is stored of other types is no plain text.
        if value.ty != Type::String {
            return;
        }
        let terms = |text: &String| terms_of(text);
        let probe = match operator {
            "==" | "in" => Probe::Equals(texts),
            "has" | "has_cs" | "has_any" | "=~" | "in~" => {
                Probe::Terms(texts.iter().map(terms).collect())
            }
            "has_all" => Probe::Terms(vec![texts.iter().flat_map(terms).collect()]),
            _ => return,
        };
        self.probes.push((column, probe));
    }

    fn compare(&mut self, column: usize, operator: &str, ticks: i64) {
        match operator {
            "==" => self.intersect(column, ticks, ticks),
            ">" => self.intersect(column, ticks.saturating_add(1), i64::MAX),
            ">=" => self.intersect(column, ticks, i64::MAX),
            "<" => self.intersect(column, i64::MIN, ticks.saturating_sub(1)),
            "<=" => self.intersect(column, i64::MIN, ticks),
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

/// The terms that a text with these words must hold.
fn terms_of(text: &str) -> Vec<String> {
    let folded = atalaya_terms::fold(text);
    atalaya_terms::terms(&folded).map(str::to_owned).collect()
}

const fn is_text(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Literal(Literal::String(_)))
}

/// Constant texts; nothing if some are none, are empty (an empty text may be stored as null) or
/// too many.
fn texts_of(exprs: &[Expr]) -> Option<Vec<String>> {
    let text = |expr: &Expr| match &expr.kind {
        ExprKind::Literal(Literal::String(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    let texts: Option<Vec<String>> = exprs.iter().map(text).collect();
    texts.filter(|texts| !texts.is_empty() && texts.len() <= TEXTS_MAX)
}

const fn number_of(expr: &Expr) -> Option<i64> {
    match expr.kind {
        ExprKind::Literal(Literal::Long(number)) => Some(number),
        _ => None,
    }
}

/// A column of whole numbers, widened or not.
fn whole_column_of(expr: &Expr) -> Option<usize> {
    match (&expr.kind, expr.ty) {
        (ExprKind::Column(index), Type::Int | Type::Long) => Some(*index),
        (ExprKind::Call { name, args }, Type::Long) if name == "tolong" => match args.as_slice() {
            [arg] if arg.ty == Type::Int => column_of(arg),
            _ => None,
        },
        _ => None,
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
