//! Interval arithmetic over the known ranges of columns: it finds conditions that can never hold.
//!
//! A range is a promise of the catalogue ("ConfidenceScore is 0-1"), so what follows from it is
//! a warning, never a change of the query.

use atalaya_model::Diagnostic;

use super::Binder;
use crate::bound::{Expr, ExprKind};

type Range = (f64, f64);

/// The range of a call, if its arguments have one.
pub(crate) fn of_call(name: &str, args: &[Expr]) -> Option<Range> {
    let range = |index: usize| args.get(index).and_then(|arg| arg.range);
    match name {
        "prev" | "next" | "toreal" | "todouble" | "unary+" => range(0),
        "unary-" => range(0).map(|(low, high)| (-high, -low)),
        "abs" => range(0).map(|(low, high)| {
            let least = if low <= 0.0 && high >= 0.0 {
                0.0
            } else {
                low.abs().min(high.abs())
            };
            (least, low.abs().max(high.abs()))
        }),
        "+" => both(range(0), range(1), |(a, b), (c, d)| (a + c, b + d)),
        "-" => both(range(0), range(1), |(a, b), (c, d)| (a - d, b - c)),
        "*" => both(range(0), range(1), |(a, b), (c, d)| {
            let products = [a * c, a * d, b * c, b * d];
            let low = products.iter().copied().fold(f64::INFINITY, f64::min);
            let high = products.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (low, high)
        }),
        "iff" | "iif" => both(range(1), range(2), hull),
        "coalesce" | "max_of" | "min_of" => args
            .iter()
            .map(|arg| arg.range)
            .reduce(|a, b| both(a, b, hull))
            .flatten(),
        _ => None,
    }
}

/// The range of an aggregate.
pub(crate) fn of_aggregate(name: &str, args: &[Expr]) -> Option<Range> {
    match name {
        "min" | "max" | "avg" | "percentile" | "take_any" | "any" => args.first()?.range,
        "count" | "countif" | "dcount" => Some((0.0, f64::INFINITY)),
        _ => None,
    }
}

fn both(a: Option<Range>, b: Option<Range>, f: impl Fn(Range, Range) -> Range) -> Option<Range> {
    Some(f(a?, b?))
}

fn hull(a: Range, b: Range) -> Range {
    (a.0.min(b.0), a.1.max(b.1))
}

impl Binder<'_> {
    /// Warns about a comparison that can never be true.
    pub(crate) fn check_reachable(&mut self, name: &str, args: &[Expr], span: atalaya_model::Span) {
        let [left, right, ..] = args else { return };
        let (Some(l), Some(r)) = (left.range, right.range) else {
            return;
        };
        // Between two constants there is nothing to learn.
        if matches!(left.kind, ExprKind::Literal(_)) && matches!(right.kind, ExprKind::Literal(_)) {
            return;
        }
        let never = match name {
            ">" => l.1 <= r.0,
            ">=" => l.1 < r.0,
            "<" => l.0 >= r.1,
            "<=" => l.0 > r.1,
            "==" => l.1 < r.0 || l.0 > r.1,
            "between" => args
                .get(2)
                .and_then(|high| high.range)
                .is_some_and(|h| l.1 < r.0 || l.0 > h.1),
            _ => false,
        };
        if !never {
            return;
        }
        let (side, known) = if matches!(left.kind, ExprKind::Literal(_)) {
            (right, r)
        } else {
            (left, l)
        };
        let what = side.span.slice(&self.source);
        let message = format!(
            "this condition can never hold: `{what}` lies between {} and {}",
            known.0, known.1
        );
        let help = format!(
            "compare with a value on that scale, or scale the column first, e.g. `{what} * 100`"
        );
        self.diagnostics
            .push(Diagnostic::warning("ATL102", span, message).with_help(help));
    }
}
