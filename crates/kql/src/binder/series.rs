//! `make-series`: a filter, a summarize by steps, and the arrays over it.

use atalaya_model::Span;

use super::Binder;
use super::literal::literal;
use super::names::implied;
use super::scope::Env;
use crate::ast::{self, ExprKind, Name, NamedExpr, SeriesArgs};
use crate::bound::{ColumnDef, Literal, RelNode, RelOp, Type};

impl Binder<'_> {
    pub(crate) fn make_series(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &SeriesArgs,
        span: Span,
    ) -> Option<RelNode> {
        let axis = &args.axis.expr;
        let name = args.axis.names.first().map(|name| name.text.clone());
        let axis_name = name
            .or_else(|| implied(axis))
            .unwrap_or_else(|| "Column1".to_owned());
        let mut input = node;
        let upper = if args.to_is_inclusive { "<=" } else { "<" };
        for (operator, bound) in [(">=", &args.from), (upper, &args.to)] {
            if let Some(bound) = bound {
                let within = binary(operator, axis, bound);
                input = self.filter(env, input, &within, span)?;
            }
        }
        let groups = args.groups.iter().cloned();
        let step = NamedExpr {
            names: vec![Name {
                text: axis_name.clone(),
                span,
            }],
            expr: binned(axis, args, span),
        };
        let groups: Vec<NamedExpr> = groups.chain([step]).collect();
        let values: Vec<NamedExpr> = args.aggregates.iter().map(|(a, _)| a.clone()).collect();
        let summary = self.summarize(env, input, &values, &groups, span)?;
        let defaults = self.defaults(env, args, &summary.schema[groups.len()..], span)?;
        let bound = |binder: &mut Self, expr: &Option<ast::Expr>| match expr {
            None => Some(None),
            Some(expr) => binder.scalar(env, expr).map(Some),
        };
        let from = bound(self, &args.from)?;
        let to = if args.to_is_inclusive {
            let after = args.to.as_ref().map(|to| binary("+", to, &args.step));
            bound(self, &after)?
        } else {
            bound(self, &args.to)?
        };
        let step = self.scalar(env, &args.step)?;
        let (axis, before) = (groups.len() - 1, &summary.schema);
        let mut schema: Vec<ColumnDef> = before[..axis].to_vec();
        let arrays = before[axis + 1..].iter().chain([&before[axis]]);
        schema.extend(arrays.map(|column| ColumnDef {
            name: column.name.clone(),
            ty: Type::Dynamic,
            range: None,
        }));
        Some(RelNode {
            op: RelOp::Series {
                input: Box::new(summary),
                groups: axis,
                from,
                to,
                step,
                defaults,
                is_nonempty: args.is_nonempty,
            },
            schema,
            span,
            serialized: false,
        })
    }

    /// What stands in empty steps: what the query says, or zero.
    fn defaults(
        &mut self,
        env: &Env,
        args: &SeriesArgs,
        columns: &[ColumnDef],
        span: Span,
    ) -> Option<Vec<crate::bound::Expr>> {
        let each = args.aggregates.iter().zip(columns);
        each.map(|((_, default), column)| match default {
            Some(default) => self.scalar(env, default),
            None => Some(match column.ty {
                Type::Real => literal(Literal::Real(0.0), Type::Real, span),
                Type::Int | Type::Long => literal(Literal::Long(0), Type::Long, span),
                ty => literal(Literal::Null, ty, span),
            }),
        })
        .collect()
    }
}

fn binary(operator: &str, left: &ast::Expr, right: &ast::Expr) -> ast::Expr {
    ast::Expr {
        kind: ExprKind::Binary(
            operator.to_owned(),
            Box::new(left.clone()),
            Box::new(right.clone()),
        ),
        span: left.span,
    }
}

/// The start of the step that a value of the axis lies in.
fn binned(axis: &ast::Expr, args: &SeriesArgs, span: Span) -> ast::Expr {
    let arg = |expr: &ast::Expr| NamedExpr {
        names: Vec::new(),
        expr: expr.clone(),
    };
    let (name, list) = match &args.from {
        Some(from) => ("bin_at", vec![arg(axis), arg(&args.step), arg(from)]),
        None => ("bin", vec![arg(axis), arg(&args.step)]),
    };
    ast::Expr {
        kind: ExprKind::Call(name.to_owned(), list),
        span,
    }
}
