//! `summarize`, `distinct`, `count`.
//!
//! An aggregate may stand inside an expression (`sum(x) / count()`). So a summarize becomes an
//! aggregation and, above it, a projection to the columns that were asked for.

use atalaya_model::Span;

use super::names::{Namer, implied, of_summary};
use super::project::projected;
use super::rel::scope;
use super::scope::{Env, Scope};
use super::{Binder, range};
use crate::ast::{self, NamedExpr};
use crate::bound::{AggregateCall, ColumnDef, Expr, ExprKind, RelNode, RelOp, Type};
use crate::catalogue::{self, aggregate};

/// Columns under construction: groups, aggregates, and what is shown of them.
#[derive(Default)]
struct Summary {
    groups: Vec<Expr>,
    group_schema: Vec<ColumnDef>,
    aggregates: Vec<AggregateCall>,
    shown: Vec<(ColumnDef, Expr)>,
}

impl Summary {
    /// Adds an aggregate; returns the expression that shows its column.
    fn add(&mut self, call: AggregateCall) -> Expr {
        let (ty, span) = (call.ty, call.span);
        let range = range::of_aggregate(&call.name, &call.args);
        let known = self
            .aggregates
            .iter()
            .position(|known| known.name == call.name && known.args == call.args);
        let index = known.unwrap_or(self.aggregates.len());
        if known.is_none() {
            self.aggregates.push(call);
        }
        let kind = ExprKind::Column(self.groups.len() + index);
        Expr {
            kind,
            ty,
            span,
            range,
        }
    }
}

impl Binder<'_> {
    pub(crate) fn summarize(
        &mut self,
        env: &Env,
        node: RelNode,
        aggregates: &[NamedExpr],
        groups: &[NamedExpr],
        span: Span,
    ) -> Option<RelNode> {
        let mut summary = Summary::default();
        let mut namer = Namer::default();
        let mut is_fine = true;
        for (index, named) in groups.iter().enumerate() {
            let Some(expr) = self.expr(scope(env, &node), &named.expr) else {
                is_fine = false;
                continue;
            };
            is_fine &= self.is_own(&namer, named);
            if expr.ty == Type::Dynamic {
                let message = "rows cannot be grouped by a dynamic value".to_owned();
                let help = format!("write `tostring({})`", named.expr.span.slice(&self.source));
                self.error_help("KS116", expr.span, message, help);
                return None;
            }
            let wanted = named.names.first().map(|name| name.text.clone());
            let wanted = wanted.or_else(|| implied(&named.expr));
            let name = namer.name(wanted.or_else(|| Some(format!("Column{}", index + 1))));
            let column = ColumnDef {
                name,
                ty: expr.ty,
                range: expr.range,
            };
            let shown = Expr {
                kind: ExprKind::Column(summary.groups.len()),
                ..expr.clone()
            };
            summary.shown.push((column.clone(), shown));
            summary.group_schema.push(column);
            summary.groups.push(expr);
        }
        for named in aggregates {
            let one = self.summarize_one(scope(env, &node), &mut summary, &mut namer, named);
            is_fine &= one.is_some();
        }
        is_fine.then(|| finish(node, summary, span))
    }

    fn summarize_one(
        &mut self,
        scope: Scope<'_>,
        summary: &mut Summary,
        namer: &mut Namer,
        named: &NamedExpr,
    ) -> Option<()> {
        if let ast::ExprKind::Call(name, args) = &named.expr.kind {
            let span = named.expr.span;
            match name.as_str() {
                "arg_max" | "arg_min" | "argmax" | "argmin" => {
                    return self.arg_extreme(scope, summary, namer, named, (name, args, span));
                }
                "percentiles" => {
                    return self.percentiles(scope, summary, namer, named, ("percentile", args));
                }
                "percentilesw" => {
                    return self.percentiles(scope, summary, namer, named, ("percentilew", args));
                }
                "take_any" | "any" if args.len() > 1 || is_star(args) => {
                    let prefix = if name == "any" { "any_" } else { "" };
                    for (column, expr) in self.each(scope, args, summary)? {
                        let name = namer.spread(format!("{prefix}{column}"));
                        let call = AggregateCall {
                            name: "take_any".into(),
                            ty: expr.ty,
                            args: vec![expr],
                            span,
                        };
                        let shown = summary.add(call);
                        summary.shown.push((
                            ColumnDef {
                                name,
                                ty: shown.ty,
                                range: None,
                            },
                            shown,
                        ));
                    }
                    return Some(());
                }
                _ => {}
            }
        }
        let expr = self.over_aggregates(scope, summary, &named.expr)?;
        if !self.is_own(namer, named) {
            return None;
        }
        let wanted = named.names.first().map(|name| name.text.clone());
        let name = namer.name(wanted.or_else(|| of_summary(&named.expr)));
        summary.shown.push((
            ColumnDef {
                name,
                ty: expr.ty,
                range: expr.range,
            },
            expr,
        ));
        Some(())
    }

    /// `percentiles(x, 50, 95)` and `percentilesw(x, weight, 50, 95)`: a column per percentile.
    fn percentiles(
        &mut self,
        scope: Scope<'_>,
        summary: &mut Summary,
        namer: &mut Namer,
        named: &NamedExpr,
        (single, args): (&str, &[NamedExpr]),
    ) -> Option<()> {
        let span = named.expr.span;
        let fixed = 1 + usize::from(single == "percentilew");
        let Some((values, wanted)) = args
            .split_at_checked(fixed)
            .filter(|(_, wanted)| !wanted.is_empty())
        else {
            let message = "percentiles want a column and percentiles".to_owned();
            self.error("KS119", span, message);
            return None;
        };
        for (index, percentile) in wanted.iter().enumerate() {
            let mut args = values.to_vec();
            args.push(percentile.clone());
            let single = NamedExpr {
                names: named.names.get(index).cloned().into_iter().collect(),
                expr: ast::Expr {
                    kind: ast::ExprKind::Call(single.to_owned(), args),
                    span,
                },
            };
            self.summarize_one(scope, summary, namer, &single)?;
        }
        Some(())
    }

    /// `arg_max(key, a, b)` or `arg_max(key, *)`: the key, then each value of the winning row.
    fn arg_extreme(
        &mut self,
        scope: Scope<'_>,
        summary: &mut Summary,
        namer: &mut Namer,
        named: &NamedExpr,
        (name, args, span): (&str, &[NamedExpr], Span),
    ) -> Option<()> {
        let canonical = if name.ends_with("max") {
            "arg_max"
        } else {
            "arg_min"
        };
        let Some((first, values)) = args.split_first() else {
            self.error(
                "KS119",
                span,
                format!("`{name}` wants at least one argument"),
            );
            return None;
        };
        let key = self.expr(scope, &first.expr)?;
        let mut columns = vec![(implied(&first.expr).unwrap_or_default(), key.clone())];
        let rest = self.each(scope, values, summary)?;
        columns.extend(
            rest.into_iter()
                .filter(|(_, expr)| !is_star(values) || expr.kind != key.kind),
        );
        // The old spellings put the key's name before all others.
        if name == "argmax" || name == "argmin" {
            let prefix = format!("{}_{}", &name[3..], columns[0].0);
            for (index, (column, _)) in columns.iter_mut().enumerate() {
                *column = if index == 0 {
                    prefix.clone()
                } else {
                    format!("{prefix}_{column}")
                };
            }
        }
        for (index, (column, value)) in columns.into_iter().enumerate() {
            let wanted = named.names.get(index).map(|name| name.text.clone());
            let name = match wanted {
                None if index > 0 => namer.spread(column),
                wanted => namer.name(Some(wanted.unwrap_or(column))),
            };
            let ty = value.ty;
            let args = vec![key.clone(), value];
            let shown = summary.add(AggregateCall {
                name: canonical.into(),
                args,
                ty,
                span,
            });
            summary.shown.push((
                ColumnDef {
                    name,
                    ty,
                    range: shown.range,
                },
                shown,
            ));
        }
        Some(())
    }

    /// Arguments with the names of their columns; `*` stands for every column that is no group.
    fn each(
        &mut self,
        scope: Scope<'_>,
        args: &[NamedExpr],
        summary: &Summary,
    ) -> Option<Vec<(String, Expr)>> {
        let mut out = Vec::new();
        for arg in args {
            if arg.expr.kind != ast::ExprKind::Star {
                let expr = self.expr(scope, &arg.expr)?;
                out.push((implied(&arg.expr).unwrap_or_default(), expr));
                continue;
            }
            for (index, column) in scope.columns.iter().enumerate() {
                let is_group = summary
                    .group_schema
                    .iter()
                    .any(|group| group.name == column.name);
                if !is_group {
                    let kind = ExprKind::Column(index);
                    let span = arg.expr.span;
                    let expr = Expr {
                        kind,
                        ty: column.ty,
                        span,
                        range: column.range,
                    };
                    out.push((column.name.clone(), expr));
                }
            }
        }
        Some(out)
    }

    /// An expression in which aggregates stand: they become columns, the rest is over them.
    fn over_aggregates(
        &mut self,
        scope: Scope<'_>,
        summary: &mut Summary,
        expr: &ast::Expr,
    ) -> Option<Expr> {
        if let ast::ExprKind::Call(name, args) = &expr.kind
            && let Some(function) = aggregate(name)
        {
            return self.aggregate_call(scope, summary, function, (args, expr.span));
        }
        if !holds_aggregate(expr) {
            let bound = self.expr(
                Scope {
                    columns: &[],
                    ..scope
                },
                expr,
            );
            if bound.is_none() && self.diagnostics.last().is_some_and(|d| d.code == "KS142") {
                let text = expr.span.slice(&self.source);
                if let Some(last) = self.diagnostics.last_mut() {
                    last.help = Some(format!(
                        "in `summarize` a column stands in an aggregate or after `by`, e.g. `take_any({text})`"
                    ));
                }
            }
            return bound;
        }
        // The aggregates inside become let-bound values under names that nobody can write.
        let mut env = scope.env.clone();
        let mut inner = expr.clone();
        self.lift(scope, summary, &mut inner, &mut env)?;
        self.expr(
            Scope {
                env: &env,
                columns: &[],
                serialized: false,
            },
            &inner,
        )
    }

    fn lift(
        &mut self,
        scope: Scope<'_>,
        summary: &mut Summary,
        expr: &mut ast::Expr,
        env: &mut Env,
    ) -> Option<()> {
        use ast::ExprKind as K;
        if let K::Call(name, args) = &expr.kind
            && let Some(function) = aggregate(name)
        {
            let column = self.aggregate_call(scope, summary, function, (args, expr.span))?;
            let name = format!("\u{0}{}", expr.span.start);
            env.set(&name, super::scope::Value::Scalar(column.into()), 1);
            expr.kind = K::Name(name);
            return Some(());
        }
        match &mut expr.kind {
            K::Call(_, args) => {
                for arg in args {
                    self.lift(scope, summary, &mut arg.expr, env)?;
                }
            }
            K::Member(inner, _) | K::Unary(_, inner) => self.lift(scope, summary, inner, env)?,
            K::Index(a, b) | K::Binary(_, a, b) => {
                self.lift(scope, summary, a, env)?;
                self.lift(scope, summary, b, env)?;
            }
            K::Between {
                value, low, high, ..
            } => {
                for part in [value, low, high] {
                    self.lift(scope, summary, part, env)?;
                }
            }
            K::In(_, value, _) => self.lift(scope, summary, value, env)?,
            _ => {}
        }
        Some(())
    }

    fn aggregate_call(
        &mut self,
        scope: Scope<'_>,
        summary: &mut Summary,
        function: &catalogue::Function,
        (args, span): (&[NamedExpr], Span),
    ) -> Option<Expr> {
        if args.len() < function.min || args.len() > function.max {
            let message = format!("`{}` does not take {} arguments", function.name, args.len());
            self.error("KS119", span, message);
            return None;
        }
        let bound: Vec<Option<Expr>> = args.iter().map(|arg| self.expr(scope, &arg.expr)).collect();
        let args: Vec<Expr> = bound.into_iter().collect::<Option<_>>()?;
        let wants_number = matches!(
            function.name,
            "sum" | "sumif" | "avg" | "avgif" | "stdev" | "variance"
        );
        if wants_number
            && args
                .first()
                .is_some_and(|arg| matches!(arg.ty, Type::String | Type::Bool | Type::Guid))
        {
            let message = format!(
                "`{}` wants a number, not {}",
                function.name,
                args[0].ty.name()
            );
            let help = format!("write `toreal({})`", args[0].span.slice(&self.source));
            self.error_help("KS106", args[0].span, message, help);
            return None;
        }
        self.check_types(function.name, &args)?;
        let mut ty = super::typing::result_type(function.returns, function.name, &args);
        if function.name.starts_with("avg")
            && args.first().is_some_and(|arg| arg.ty == Type::Timespan)
        {
            ty = Type::Timespan;
        }
        Some(summary.add(AggregateCall {
            name: function.name.to_owned(),
            args,
            ty,
            span,
        }))
    }

    pub(crate) fn distinct(
        &mut self,
        env: &Env,
        node: RelNode,
        list: &[NamedExpr],
        span: Span,
    ) -> Option<RelNode> {
        let all: Vec<NamedExpr>;
        let list = if list.is_empty() {
            let name = |column: &ColumnDef| ast::Expr {
                kind: ast::ExprKind::Name(column.name.clone()),
                span,
            };
            all = node
                .schema
                .iter()
                .map(|column| NamedExpr {
                    names: Vec::new(),
                    expr: name(column),
                })
                .collect();
            &all
        } else {
            list
        };
        self.summarize(env, node, &[], list, span)
    }

    pub(crate) fn count(node: RelNode, name: Option<&ast::Name>, span: Span) -> RelNode {
        let name = name.map_or_else(|| "Count".to_owned(), |name| name.text.clone());
        let call = AggregateCall {
            name: "count".into(),
            args: Vec::new(),
            ty: Type::Long,
            span,
        };
        let schema = vec![ColumnDef {
            name,
            ty: Type::Long,
            range: None,
        }];
        let op = RelOp::Aggregate {
            input: Box::new(node),
            groups: Vec::new(),
            aggregates: vec![call],
        };
        RelNode {
            op,
            schema,
            span,
            serialized: false,
        }
    }
}

fn is_star(args: &[NamedExpr]) -> bool {
    args.iter().any(|arg| arg.expr.kind == ast::ExprKind::Star)
}

fn holds_aggregate(expr: &ast::Expr) -> bool {
    use ast::ExprKind as K;
    match &expr.kind {
        K::Call(name, _) if aggregate(name).is_some() => true,
        K::Call(_, args) => args.iter().any(|arg| holds_aggregate(&arg.expr)),
        K::Member(inner, _) | K::Unary(_, inner) => holds_aggregate(inner),
        K::Index(a, b) | K::Binary(_, a, b) => holds_aggregate(a) || holds_aggregate(b),
        K::Between {
            value, low, high, ..
        } => [value, low, high].into_iter().any(|e| holds_aggregate(e)),
        K::In(_, value, _) => holds_aggregate(value),
        _ => false,
    }
}

fn finish(node: RelNode, summary: Summary, span: Span) -> RelNode {
    let mut schema = summary.group_schema;
    for (index, call) in summary.aggregates.iter().enumerate() {
        let range = range::of_aggregate(&call.name, &call.args);
        schema.push(ColumnDef {
            name: format!("{}:{index}", call.name),
            ty: call.ty,
            range,
        });
    }
    let aggregated = RelNode {
        op: RelOp::Aggregate {
            input: Box::new(node),
            groups: summary.groups,
            aggregates: summary.aggregates,
        },
        schema,
        span,
        serialized: false,
    };
    let (columns, exprs): (Vec<ColumnDef>, Vec<Expr>) = summary.shown.into_iter().unzip();
    projected(aggregated, exprs, columns, span)
}
