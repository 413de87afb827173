//! Runs the queries inside of expressions (`toscalar`, `in (T | project x)`) and puts their values
//! in their places, so that lowering an expression never has to wait.

use atalaya_kql::bound::{Expr, ExprKind, Literal, RelNode, RelOp};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{LowerError, Lowered, Lowering, need::Need, type_of};
use crate::types;
use crate::value::{Value, json};

/// Most values of a set (Kusto's own limit for `in`).
const SET_VALUES_MAX: usize = 1_000_000;

impl Lowering<'_> {
    /// Replaces every inner query below a node by its value. One that reads the rows of a
    /// partition stays until these are there.
    pub(super) fn resolve<'s>(&'s self, node: &'s mut RelNode) -> BoxFuture<'s, Lowered<()>> {
        self.resolve_without(node, &[])
    }

    fn resolve_without<'s>(
        &'s self,
        node: &'s mut RelNode,
        open: &'s [usize],
    ) -> BoxFuture<'s, Lowered<()>> {
        async move {
            let mut inside = open.to_vec();
            if let RelOp::Each { slot, .. } = &node.op {
                inside.push(*slot);
            }
            let (inputs, exprs) = parts(&mut node.op);
            for input in inputs {
                self.resolve_without(input, &inside).await?;
            }
            for expr in exprs {
                self.resolve_expr(expr, open).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn resolve_expr<'s>(
        &'s self,
        expr: &'s mut Expr,
        open: &'s [usize],
    ) -> BoxFuture<'s, Lowered<()>> {
        async move {
            match &mut expr.kind {
                ExprKind::Column(_) | ExprKind::Literal(_) | ExprKind::ValueSet(_) => {}
                ExprKind::ToScalar(rows) if reads_of(rows, open) => {}
                ExprKind::ToScalar(rows) => {
                    let values = self.first_column(rows, 1).await?;
                    let value = values.into_iter().next().unwrap_or_default();
                    expr.kind = ExprKind::Literal(literal(&value));
                }
                ExprKind::Call { args, .. } => {
                    let mut resolved = Vec::with_capacity(args.len());
                    for mut arg in args.drain(..) {
                        self.resolve_expr(&mut arg, open).await?;
                        match arg.kind {
                            ExprKind::ValueSet(ref mut rows) if !reads_of(rows, open) => {
                                let ty = rows.schema.first().map_or(arg.ty, |column| column.ty);
                                let values = self.first_column(rows, SET_VALUES_MAX).await?;
                                resolved.extend(values.iter().map(|value| Expr {
                                    kind: ExprKind::Literal(literal(value)),
                                    ty,
                                    span: arg.span,
                                    range: None,
                                }));
                            }
                            _ => resolved.push(arg),
                        }
                    }
                    *args = resolved;
                }
            }
            Ok(())
        }
        .boxed()
    }

    async fn first_column(&self, rows: &mut RelNode, rows_max: usize) -> Lowered<Vec<Value>> {
        self.resolve(rows).await?;
        let mut need = Need::none(rows.schema.len());
        need.set(0);
        let Some(first) = rows.schema.first() else {
            return Ok(Vec::new());
        };
        let ty = type_of(first.ty);
        let held = self.hold(rows, &need).await?;
        let mut values = Vec::new();
        for batch in &held.batches {
            for row in 0..batch.num_rows() {
                if values.len() == rows_max {
                    if rows_max == SET_VALUES_MAX {
                        return Err(LowerError::Limit(format!(
                            "a set of values has more than {SET_VALUES_MAX} of them"
                        )));
                    }
                    return Ok(values);
                }
                values.push(types::read(batch.column(0), ty, row));
            }
        }
        Ok(values)
    }
}

/// Whether a query reads the rows of a partition that is not there yet.
fn reads_of(node: &RelNode, open: &[usize]) -> bool {
    // The walk over a node's parts wants to change them: it is given a copy.
    !open.is_empty() && reads(&mut node.clone(), open)
}

fn reads(node: &mut RelNode, open: &[usize]) -> bool {
    if let RelOp::Materialized(slot) = &node.op {
        return open.contains(slot);
    }
    let (inputs, exprs) = parts(&mut node.op);
    inputs.into_iter().any(|input| reads(input, open))
        || exprs.into_iter().any(|expr| expr_reads(expr, open))
}

fn expr_reads(expr: &mut Expr, open: &[usize]) -> bool {
    match &mut expr.kind {
        ExprKind::Column(_) | ExprKind::Literal(_) => false,
        ExprKind::ToScalar(rows) | ExprKind::ValueSet(rows) => reads(rows, open),
        ExprKind::Call { args, .. } => args.iter_mut().any(|arg| expr_reads(arg, open)),
    }
}

/// Whether expressions of a query wait for the rows of a partition.
pub(super) fn waits(node: &mut RelNode, slot: usize) -> bool {
    let (inputs, exprs) = parts(&mut node.op);
    exprs.into_iter().any(|expr| expr_reads(expr, &[slot]))
        || inputs.into_iter().any(|input| waits(input, slot))
}

fn literal(value: &Value) -> Literal {
    match value {
        Value::Null => Literal::Null,
        Value::Bool(v) => Literal::Bool(*v),
        Value::Int(v) => Literal::Long(i64::from(*v)),
        Value::Long(v) => Literal::Long(*v),
        Value::Real(v) => Literal::Real(*v),
        Value::DateTime(v) => Literal::DateTime(*v),
        Value::Timespan(v) => Literal::Timespan(*v),
        Value::Guid(v) => Literal::Guid(v.to_string()),
        Value::String(v) => Literal::String(v.to_string()),
        Value::Array(_) | Value::Bag(_) => Literal::Dynamic(json::to_json(value)),
    }
}

/// Inputs and expressions of an operator.
fn parts(op: &mut RelOp) -> (Vec<&mut RelNode>, Vec<&mut Expr>) {
    match op {
        RelOp::Table(_) | RelOp::Materialized(_) | RelOp::External { .. } => {
            (Vec::new(), Vec::new())
        }
        RelOp::Values(rows) => (Vec::new(), rows.iter_mut().flatten().collect()),
        RelOp::Range { from, to, step } => (Vec::new(), vec![from, to, step]),
        RelOp::Filter { input, predicate } => (vec![input], vec![predicate]),
        RelOp::Project { input, exprs } => (vec![input], exprs.iter_mut().collect()),
        RelOp::Aggregate {
            input,
            groups,
            aggregates,
        } => {
            let args = aggregates.iter_mut().flat_map(|call| call.args.iter_mut());
            (vec![input], groups.iter_mut().chain(args).collect())
        }
        RelOp::Sort { input, keys } => (
            vec![input],
            keys.iter_mut().map(|key| &mut key.expr).collect(),
        ),
        RelOp::Take { input, .. } | RelOp::Serialize(input) => (vec![input], Vec::new()),
        RelOp::Join { left, right, .. } => (vec![left, right], Vec::new()),
        RelOp::Union(inputs) => (inputs.iter_mut().collect(), Vec::new()),
        RelOp::Each { input, body, .. } => (vec![input, body], Vec::new()),
        RelOp::Scan {
            input,
            defaults,
            steps,
            ..
        } => {
            let of_steps = steps.iter_mut().flat_map(|step| {
                let assigned = step.assigns.iter_mut().map(|(_, value)| value);
                std::iter::once(&mut step.condition).chain(assigned)
            });
            (vec![input], defaults.iter_mut().chain(of_steps).collect())
        }
        RelOp::NetworkLookup { input, lookup, .. } => (vec![input, lookup], Vec::new()),
        RelOp::Series {
            input,
            from,
            to,
            step,
            defaults,
            ..
        } => {
            let bounds = from.iter_mut().chain(to.iter_mut()).chain([step]);
            (vec![input], bounds.chain(defaults.iter_mut()).collect())
        }
        RelOp::Expand { input, columns, .. } => {
            let exprs = columns.iter_mut().map(|column| &mut column.expr);
            (vec![input], exprs.collect())
        }
    }
}
