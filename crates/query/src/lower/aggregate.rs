//! Grouping.
//!
//! Counting and whole-number sums and extremes mean in SQL what they mean in Kusto, so they run
//! on DataFusion's own vectorised accumulators; the rest are state machines of ours.

use atalaya_kql::bound::{AggregateCall, Expr, RelNode};
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::{
    Expr as DfExpr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, lit,
};

use super::expr::Scope;
use super::moments::{self, Moments};
use super::need::Need;
use super::times::Bounds;
use super::{LowerError, Lowered, Lowering, column, name, type_of};
use crate::aggregates;
use crate::types::Type;
use crate::udaf;

impl Lowering<'_> {
    pub(super) async fn aggregate(
        &self,
        input: &RelNode,
        groups: &[Expr],
        calls: &[AggregateCall],
        need: &Need,
    ) -> Lowered<LogicalPlan> {
        let mut below = Need::none(input.schema.len());
        groups.iter().for_each(|group| below.add_expr(group));
        for (index, call) in calls.iter().enumerate() {
            if need.has(groups.len() + index) {
                call.args.iter().for_each(|arg| below.add_expr(arg));
            }
        }
        let plan = self.node(input, &below, &Bounds::default()).await?;
        let mut scope = Scope::over(plan);
        let mut keys = Vec::with_capacity(groups.len());
        for (index, group) in groups.iter().enumerate() {
            // DataFusion would take a literal for the number of a column.
            keys.push(scope.expr(group)?.expr.alias(name(index)));
        }
        let mut outputs = Vec::with_capacity(calls.len());
        let mut moments: Vec<Option<Moments>> = Vec::with_capacity(calls.len());
        for (index, call) in calls.iter().enumerate() {
            let place = groups.len() + index;
            let split = if need.has(place) {
                moments::split(&mut scope, call, place)?
            } else {
                None
            };
            if let Some((parts, finish)) = split {
                outputs.extend(parts);
                moments.push(Some(finish));
                continue;
            }
            moments.push(None);
            let lowered = if need.has(place) {
                lower_call(&mut scope, call)?
            } else {
                count(lit(1_i64))
            };
            outputs.push(lowered.alias(name(place)));
        }
        // Keys are computed below, so that equal names above and below cannot be mixed up.
        let plan = LogicalPlanBuilder::from(scope.into_plan()?);
        let plan = plan.aggregate(keys, outputs)?;
        let mut columns = Vec::with_capacity(groups.len() + calls.len());
        for index in 0..groups.len() {
            columns.push(column(index));
        }
        for (index, call) in calls.iter().enumerate() {
            let place = groups.len() + index;
            columns.push(if let Some(finish) = moments[index].take() {
                finish.expr(place).alias(name(place))
            } else if need.has(place) {
                column(place)
            } else {
                let none = crate::types::scalar(&crate::value::Value::Null, type_of(call.ty));
                DfExpr::Literal(none, None).alias(name(place))
            });
        }
        Ok(plan.project(columns)?.build()?)
    }
}

fn lower_call(scope: &mut Scope, call: &AggregateCall) -> Lowered<DfExpr> {
    if let Some(native) = native(scope, call)? {
        return Ok(native);
    }
    let aggregate = aggregates::find(&call.name).ok_or_else(|| {
        let message = format!("the engine does not have the aggregate `{}` yet", call.name);
        LowerError::unsupported(message, call.span)
    })?;
    let mut args = Vec::with_capacity(call.args.len());
    for arg in &call.args {
        let lowered = scope.expr(arg)?;
        args.push((lowered.expr, lowered.ty, lowered.constant));
    }
    if args.is_empty() {
        args.push((lit(1_i64), Type::Long, None));
    }
    Ok(udaf::call(aggregate, args, type_of(call.ty)))
}

fn native(scope: &mut Scope, call: &AggregateCall) -> Lowered<Option<DfExpr>> {
    let ordered = |arg: &Expr| {
        matches!(
            type_of(arg.ty),
            Type::Int | Type::Long | Type::DateTime | Type::Timespan
        ) && arg.ty == call.ty
    };
    Ok(match (call.name.as_str(), call.args.as_slice()) {
        ("count", []) => Some(count(lit(1_i64))),
        ("countif", [predicate]) => {
            let predicate = scope.predicate(predicate)?;
            Some(count(lit(1_i64)).filter(predicate).build()?)
        }
        ("min", [arg]) if ordered(arg) => Some(min(scope.expr(arg)?.expr)),
        ("max", [arg]) if ordered(arg) => Some(max(scope.expr(arg)?.expr)),
        _ => None,
    })
}
