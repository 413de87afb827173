//! `make-series`.

use super::Parser;
use crate::ast::{Expr, ExprKind, NamedExpr, OperatorKind, SeriesArgs};
use crate::lexer::Kind;

impl Parser<'_> {
    pub(super) fn make_series(&mut self) -> Option<OperatorKind> {
        let mut is_nonempty = false;
        while self.is_word("kind") && self.is_at(1, "=") {
            self.at += 2;
            is_nonempty = self.name()?.text == "nonempty";
        }
        let mut aggregates: Vec<(NamedExpr, Option<Expr>)> = Vec::new();
        loop {
            let named = self.named_exprs_one().pop()?;
            let default = if self.is_word("default") && self.is_at(1, "=") {
                self.at += 2;
                Some(self.additive())
            } else {
                None
            };
            aggregates.push((named, default));
            if self.is_full(aggregates.len()) || !self.eat(",") {
                break;
            }
        }
        self.want_word("on")?;
        let is_named = self.token().kind == Kind::Name && self.is_at(1, "=");
        let names = if is_named {
            let name = self.name();
            self.at += 1;
            name.into_iter().collect()
        } else {
            Vec::new()
        };
        // Not a whole expression: `in` follows.
        let axis = NamedExpr {
            names,
            expr: self.additive(),
        };
        let bounds = self.series_bounds()?;
        let groups = if self.eat_word("by") {
            self.named_exprs()
        } else {
            Vec::new()
        };
        let (from, to, step, to_is_inclusive) = bounds;
        Some(OperatorKind::MakeSeries(Box::new(SeriesArgs {
            is_nonempty,
            aggregates,
            axis,
            from,
            to,
            to_is_inclusive,
            step,
            groups,
        })))
    }

    /// `from a to b step c`, or `in range(a, b, c)`.
    fn series_bounds(&mut self) -> Option<(Option<Expr>, Option<Expr>, Expr, bool)> {
        if self.eat_word("in") {
            let call = self.expr();
            if let ExprKind::Call(name, args) = call.kind
                && name == "range"
                && args.len() == 3
            {
                let mut args = args.into_iter().map(|arg| arg.expr);
                return Some((args.next(), args.next(), args.next()?, true));
            }
            self.expected("`range(start, stop, step)`");
            return None;
        }
        let from = self.eat_word("from").then(|| self.additive());
        let to = self.eat_word("to").then(|| self.additive());
        self.want_word("step")?;
        Some((from, to, self.additive(), false))
    }
}
