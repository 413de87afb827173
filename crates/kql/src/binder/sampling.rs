//! `sample-distinct` and `top-hitters`, in terms of other operators.

use atalaya_model::Span;

use super::Binder;
use super::names::implied;
use super::scope::Env;
use crate::ast::{Expr, ExprKind, Name, NamedExpr, SortArg};
use crate::bound::{RelNode, Type};

impl Binder<'_> {
    pub(crate) fn sample_distinct(
        &mut self,
        env: &Env,
        node: RelNode,
        count: &Expr,
        of: &Expr,
        span: Span,
    ) -> Option<RelNode> {
        let list = [NamedExpr {
            names: Vec::new(),
            expr: of.clone(),
        }];
        let distinct = self.distinct(env, node, &list, span)?;
        self.take(env, distinct, count, span)
    }

    pub(crate) fn top_hitters(
        &mut self,
        env: &Env,
        node: RelNode,
        (count, of, by): (&Expr, &NamedExpr, Option<&NamedExpr>),
        span: Span,
    ) -> Option<RelNode> {
        let column = of
            .names
            .first()
            .map(|name| name.text.clone())
            .or_else(|| implied(&of.expr))
            .unwrap_or_default();
        let (function, args, name) = match by {
            None => ("count", Vec::new(), format!("approximate_count_{column}")),
            Some(by) => {
                let summed = implied(&by.expr).unwrap_or_default();
                ("sum", vec![by.clone()], format!("approximate_sum_{summed}"))
            }
        };
        let aggregate = NamedExpr {
            names: vec![Name {
                text: name.clone(),
                span,
            }],
            expr: Expr {
                kind: ExprKind::Call(function.to_owned(), args),
                span,
            },
        };
        let groups = std::slice::from_ref(of);
        let summary = self.summarize(env, node, &[aggregate], groups, span)?;
        let key = SortArg {
            expr: Expr {
                kind: ExprKind::Name(name),
                span,
            },
            descending: true,
            nulls_first: None,
        };
        // Among equal counts the engine may choose; the last value makes the choice the same always.
        let of_value = summary
            .schema
            .first()
            .filter(|column| column.ty != Type::Dynamic);
        let tie = of_value.map(|value| SortArg {
            expr: Expr {
                kind: ExprKind::Name(value.name.clone()),
                span,
            },
            descending: true,
            nulls_first: None,
        });
        let keys: Vec<SortArg> = std::iter::once(key).chain(tie).collect();
        let sorted = self.sort(env, summary, &keys, span)?;
        self.take(env, sorted, count, span)
    }
}
