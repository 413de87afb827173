//! Window functions over an ordered row set: `prev`, `next`, `row_number`, `row_cumsum`,
//! `row_rank_*`, `row_window_session`.
//!
//! All of them see the whole partition at once; the planner asks DataFusion for the order with
//! an explicit row number, so that no rule of the optimizer can take it away.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringViewBuilder};
use arrow::compute::kernels::window::shift;
use arrow::compute::{cast, concat, max, min};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Expr, LimitEffect, PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
};

use crate::types::{self, Type};
use crate::value::Value;

type Body = fn(&[Vec<Value>], usize) -> Vec<Value>;

/// Every window function.
static WINDOWS: &[(&str, Body)] = &[
    ("prev", |columns, rows| shifted(columns, rows, -1)),
    ("next", |columns, rows| shifted(columns, rows, 1)),
    ("row_number", row_number),
    ("row_cumsum", row_cumsum),
    ("row_rank", |columns, rows| rank(columns, rows, false)),
    ("row_rank_min", |columns, rows| rank(columns, rows, false)),
    ("row_rank_dense", |columns, rows| rank(columns, rows, true)),
    ("row_window_session", session),
];

/// Whether a function of that name looks at other rows.
pub(crate) fn is_window(name: &str) -> bool {
    WINDOWS.iter().any(|(known, _)| *known == name)
}

struct KqlWindow {
    name: &'static str,
    body: Body,
    arg_types: Vec<Type>,
    result: Type,
    signature: Signature,
}

/// Builds the (unordered, unpartitioned) window expression of a call.
pub(crate) fn call(name: &str, args: Vec<(Expr, Type)>, result: Type) -> Option<Expr> {
    let (name, body) = WINDOWS.iter().find(|(known, _)| *known == name)?;
    let (expressions, arg_types): (Vec<Expr>, Vec<Type>) = args.into_iter().unzip();
    let signature = if arg_types.is_empty() {
        Signature::nullary(Volatility::Immutable)
    } else {
        Signature::variadic_any(Volatility::Immutable)
    };
    let window = KqlWindow {
        name,
        body: *body,
        arg_types,
        result,
        signature,
    };
    Some(WindowUDF::new_from_impl(window).call(expressions))
}

impl WindowUDFImpl for KqlWindow {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(
        &self,
        _: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Evaluator {
            name: self.name,
            body: self.body,
            arg_types: self.arg_types.clone(),
            result: self.result,
        }))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let ty = types::arrow_type(self.result);
        Ok(Arc::new(Field::new(args.name(), ty, true)))
    }

    fn limit_effect(&self, _: &[Arc<dyn datafusion::physical_plan::PhysicalExpr>]) -> LimitEffect {
        LimitEffect::Unknown
    }
}

impl std::fmt::Debug for KqlWindow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KqlWindow({})", self.name)
    }
}

impl PartialEq for KqlWindow {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.arg_types == other.arg_types && self.result == other.result
    }
}

impl Eq for KqlWindow {}

impl Hash for KqlWindow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name, &self.arg_types, self.result).hash(state);
    }
}

struct Evaluator {
    name: &'static str,
    body: Body,
    arg_types: Vec<Type>,
    result: Type,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KqlWindow evaluator")
    }
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
        if let Some(out) = self.whole_column(values, num_rows)? {
            return Ok(out);
        }
        let columns: Vec<Vec<Value>> = values
            .iter()
            .zip(&self.arg_types)
            .map(|(column, ty)| (0..num_rows).map(|i| types::read(column, *ty, i)).collect())
            .collect();
        let out = (self.body)(&columns, num_rows);
        Ok(types::build(&out, self.result))
    }

    fn uses_window_frame(&self) -> bool {
        false
    }

    fn supports_bounded_execution(&self) -> bool {
        false
    }
    #[expect(unused_variables, reason = "the trait names them")]
    fn evaluate(
        &mut self,
        values: &[ArrayRef],
        range: &std::ops::Range<usize>,
    ) -> Result<datafusion::common::ScalarValue> {
        datafusion::common::not_impl_err!("window functions are evaluated per partition")
    }
}

impl Evaluator {
    /// The frequent forms, on whole columns: `prev(x)`, `prev(x, n)`, `next(…)`, `row_number()`.
    fn whole_column(&self, values: &[ArrayRef], rows: usize) -> Result<Option<ArrayRef>> {
        let direction = match self.name {
            "prev" => 1,
            "next" => -1,
            "row_number" if values.is_empty() => {
                let last = i64::try_from(rows).unwrap_or(i64::MAX);
                let numbers = Int64Array::from_iter_values(1..=last);
                return Ok(Some(Arc::new(numbers)));
            }
            _ => return Ok(None),
        };
        let (column, by) = match values {
            [column] => (column, Some(1)),
            [column, offsets] => (column, same_everywhere(offsets)),
            _ => return Ok(None),
        };
        let Some(by) = by.filter(|by| *by >= 0 && *by <= MOVED_MAX) else {
            return Ok(None);
        };
        let moved = shift(column, by * direction)?;
        if self.result != Type::String {
            return Ok(Some(moved));
        }
        // A `string` is never null.
        let texts = moved.as_string_view_opt();
        let filled = texts.map(|texts| {
            let mut filled = StringViewBuilder::with_capacity(0);
            let edge = usize::try_from(by).unwrap_or(0).min(rows);
            (0..edge).for_each(|_| filled.append_value(""));
            (filled.finish(), texts, edge)
        });
        let Some((empty, texts, edge)) = filled else {
            return Ok(None);
        };
        let kept = if direction > 0 { edge } else { 0 };
        let rest = texts.slice(kept, rows - edge);
        let parts: [&dyn Array; 2] = if direction > 0 {
            [&empty, &rest]
        } else {
            [&rest, &empty]
        };
        Ok(Some(concat(&parts)?))
    }
}

/// Furthest row that is reached on whole columns.
const MOVED_MAX: i64 = 1_000;

/// The value of a column that is the same in all rows.
fn same_everywhere(column: &ArrayRef) -> Option<i64> {
    let wide = cast(column, &DataType::Int64).ok()?;
    let numbers = wide.as_primitive_opt::<Int64Type>()?;
    let (least, most) = (min(numbers)?, max(numbers)?);
    (least == most && numbers.null_count() == 0).then_some(least)
}

fn cell(columns: &[Vec<Value>], column: usize, row: usize) -> Option<&Value> {
    columns.get(column).and_then(|values| values.get(row))
}

fn shifted(columns: &[Vec<Value>], rows: usize, direction: i64) -> Vec<Value> {
    (0..rows)
        .map(|row| {
            let by = cell(columns, 1, row).and_then(Value::as_i64).unwrap_or(1);
            let from = i64::try_from(row)
                .ok()
                .and_then(|r| r.checked_add(by * direction));
            let from = from.and_then(|r| usize::try_from(r).ok());
            match from.and_then(|from| cell(columns, 0, from)) {
                Some(value) => value.clone(),
                None => cell(columns, 2, row).cloned().unwrap_or_default(),
            }
        })
        .collect()
}

fn is_true(columns: &[Vec<Value>], column: usize, row: usize) -> bool {
    cell(columns, column, row).and_then(Value::as_bool) == Some(true)
}

fn row_number(columns: &[Vec<Value>], rows: usize) -> Vec<Value> {
    let start = cell(columns, 0, 0).and_then(Value::as_i64).unwrap_or(1);
    let mut next = start;
    (0..rows)
        .map(|row| {
            if is_true(columns, 1, row) {
                next = start;
            }
            next += 1;
            Value::Long(next - 1)
        })
        .collect()
}

fn row_cumsum(columns: &[Vec<Value>], rows: usize) -> Vec<Value> {
    let (mut whole, mut fraction) = (0_i64, 0.0);
    (0..rows)
        .map(|row| {
            if is_true(columns, 1, row) {
                (whole, fraction) = (0, 0.0);
            }
            match cell(columns, 0, row) {
                Some(Value::Real(v)) => {
                    fraction += v;
                    Value::Real(fraction)
                }
                Some(Value::Timespan(v)) => {
                    whole = whole.wrapping_add(*v);
                    Value::Timespan(whole)
                }
                other => {
                    whole = whole.wrapping_add(other.and_then(Value::as_i64).unwrap_or(0));
                    Value::Long(whole)
                }
            }
        })
        .collect()
}

fn rank(columns: &[Vec<Value>], rows: usize, dense: bool) -> Vec<Value> {
    let (mut rank, mut since_restart) = (0_i64, 0_i64);
    (0..rows)
        .map(|row| {
            let restart = row == 0 || is_true(columns, 1, row);
            if restart {
                (rank, since_restart) = (0, 0);
            }
            since_restart += 1;
            let same = !restart && cell(columns, 0, row) == cell(columns, 0, row - 1);
            if !same {
                rank = if dense { rank + 1 } else { since_restart };
            }
            Value::Long(rank)
        })
        .collect()
}

/// `row_window_session(time, max_from_first, max_between, restart)`: start of each row's session.
fn session(columns: &[Vec<Value>], rows: usize) -> Vec<Value> {
    let limit = |column| {
        cell(columns, column, 0)
            .and_then(Value::as_i64)
            .unwrap_or(i64::MAX)
    };
    let (from_first, between) = (limit(1), limit(2));
    let mut first: Option<i64> = None;
    let mut previous: Option<i64> = None;
    (0..rows)
        .map(|row| {
            let Some(at) = cell(columns, 0, row).and_then(Value::as_i64) else {
                return Value::Null;
            };
            let continues = first.zip(previous).is_some_and(|(first, previous)| {
                at.saturating_sub(first) <= from_first && at.saturating_sub(previous) <= between
            });
            if !continues || is_true(columns, 3, row) {
                first = Some(at);
            }
            previous = Some(at);
            first.map_or(Value::Null, Value::DateTime)
        })
        .collect()
}
