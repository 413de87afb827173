//! Sums, averages and spreads on DataFusion's vectorised accumulators.
//!
//! Kusto's differ from SQL's at the edges only: the sum of nothing is 0, its average NaN, its
//! deviation 0, and the average of whole numbers divides their wrapped sum. Each call becomes one
//! or two SQL aggregates and an expression over them.

use atalaya_kql::bound::AggregateCall;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn::{
    count, stddev, stddev_pop, sum, var_pop, var_sample,
};
use datafusion::logical_expr::expr_fn::{binary_expr, cast};
use datafusion::logical_expr::{Expr as DfExpr, ExprFunctionExt, Operator};
use datafusion::prelude::coalesce;

use super::expr::Scope;
use super::{Lowered, type_of};
use crate::types::Type;

/// How the parts of a call become its result.
#[derive(Clone, Copy)]
pub(super) enum Moments {
    /// The sum, 0 if there is none.
    Sum { whole: bool },
    /// Sum over count.
    Average { whole: bool },
    /// Variance or deviation, 0 if there is none.
    Spread,
}

/// The SQL aggregates of a call and what to do with them; nothing if it is none of these.
pub(super) fn split(
    scope: &mut Scope,
    call: &AggregateCall,
    place: usize,
) -> Lowered<Option<(Vec<DfExpr>, Moments)>> {
    let (base, conditional) = match call.name.strip_suffix("if") {
        Some(base) => (base, true),
        None => (call.name.as_str(), false),
    };
    let [value, rest @ ..] = call.args.as_slice() else {
        return Ok(None);
    };
    if rest.len() != usize::from(conditional) {
        return Ok(None);
    }
    let (whole, real) = match type_of(value.ty) {
        Type::Int | Type::Long => (true, false),
        Type::Timespan => (base == "sum", false),
        Type::Real => (false, true),
        _ => (false, false),
    };
    if !whole && !real {
        return Ok(None);
    }
    let spread: Option<fn(DfExpr) -> DfExpr> = match base {
        "sum" | "avg" => None,
        "stdev" => Some(stddev),
        "stdevp" => Some(stddev_pop),
        "variance" => Some(var_sample),
        "variancep" => Some(var_pop),
        _ => return Ok(None),
    };
    let value = scope.expr(value)?.expr;
    let predicate = rest.first().map(|p| scope.predicate(p)).transpose()?;
    let only = |aggregate: DfExpr| match &predicate {
        Some(predicate) => aggregate.filter(predicate.clone()).build(),
        None => Ok(aggregate),
    };
    if let Some(spread) = spread {
        let part = only(spread(cast(value, DataType::Float64)))?;
        return Ok(Some((
            vec![part.alias(part_name(place, 0))],
            Moments::Spread,
        )));
    }
    let summed = if whole {
        cast(value.clone(), DataType::Int64)
    } else {
        value.clone()
    };
    let total = only(sum(summed))?.alias(part_name(place, 0));
    if base == "sum" {
        return Ok(Some((vec![total], Moments::Sum { whole })));
    }
    let counted = only(count(value))?.alias(part_name(place, 1));
    Ok(Some((vec![total, counted], Moments::Average { whole })))
}

impl Moments {
    /// The result, of the parts' columns.
    pub(super) fn expr(self, place: usize) -> DfExpr {
        let part = |index| {
            DfExpr::Column(datafusion::common::Column::from_name(part_name(
                place, index,
            )))
        };
        let zero = |whole: bool| {
            let zero = if whole {
                ScalarValue::Int64(Some(0))
            } else {
                ScalarValue::Float64(Some(0.0))
            };
            DfExpr::Literal(zero, None)
        };
        match self {
            Self::Sum { whole } => coalesce(vec![part(0), zero(whole)]),
            Self::Spread => coalesce(vec![part(0), zero(false)]),
            Self::Average { whole } => {
                let total = coalesce(vec![part(0), zero(whole)]);
                binary_expr(
                    cast(total, DataType::Float64),
                    Operator::Divide,
                    cast(part(1), DataType::Float64),
                )
            }
        }
    }
}

fn part_name(place: usize, index: usize) -> String {
    format!("m{place}_{index}")
}
