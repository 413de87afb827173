//! `make-series`: arrays over equal steps.

use std::collections::HashMap;

use atalaya_kql::bound::{Expr, RelNode, RelOp};

use super::collect::pause;
use super::need::Need;
use super::times::Bounds;
use super::{Held, LowerError, Lowered, Lowering, rows, type_of};
use crate::types;
use crate::value::Value;

/// Most points of one series, as in Kusto.
const POINTS_MAX: f64 = 1_048_576.0;

impl Lowering<'_> {
    pub(super) async fn series(&self, node: &RelNode) -> Lowered<Held> {
        let RelOp::Series {
            input,
            groups,
            from,
            to,
            step,
            defaults,
            is_nonempty,
        } = &node.op
        else {
            return Err(LowerError::Limit("not a series".to_owned()));
        };
        let plan = self
            .node(input, &Need::all(&input.schema), &Bounds::default())
            .await?;
        let held = self.hold_plan(plan).await?;
        let mut table = Vec::new();
        for batch in &held.batches {
            for row in 0..batch.num_rows() {
                pause(row).await;
                let cells = input.schema.iter().enumerate();
                let cells = cells
                    .map(|(at, column)| types::read(batch.column(at), type_of(column.ty), row));
                table.push(cells.collect::<Vec<Value>>());
            }
        }
        let axis = Axis::new(&table, *groups, (from.as_ref(), to.as_ref(), step))?;
        let defaults = rows::constants(defaults)?;
        let out = filled(table, *groups, &axis, &defaults, *is_nonempty);
        let mut columns = vec![Vec::with_capacity(out.len()); node.schema.len()];
        for row in out {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let batches = vec![rows::batch_of(&node.schema, &columns)?];
        self.counted(batches)
    }
}

/// The points of a series.
struct Axis {
    first: f64,
    step: f64,
    points: Vec<Value>,
}

impl Axis {
    fn new(
        table: &[Vec<Value>],
        at: usize,
        (from, to, step): (Option<&Expr>, Option<&Expr>, &Expr),
    ) -> Lowered<Self> {
        let constant = |expr: &Expr| -> Lowered<Value> {
            Ok(rows::constants(std::slice::from_ref(expr))?
                .pop()
                .unwrap_or_default())
        };
        let stride = constant(step)?;
        let starts = || table.iter().map(|row| &row[at]).filter(|v| !v.is_null());
        let first = match from {
            Some(from) => constant(from)?,
            None => starts()
                .min_by(|a, b| a.sort_order(b))
                .cloned()
                .unwrap_or_default(),
        };
        let last = match to {
            Some(to) => constant(to)?.as_f64(),
            None => {
                let last = starts()
                    .max_by(|a, b| a.sort_order(b))
                    .and_then(Value::as_f64);
                last.zip(stride.as_f64()).map(|(last, step)| last + step)
            }
        };
        let (Some(start), Some(end), Some(width)) = (first.as_f64(), last, stride.as_f64()) else {
            return Ok(Self {
                first: 0.0,
                step: 1.0,
                points: Vec::new(),
            });
        };
        let count = ((end - start) / width).ceil();
        if width <= 0.0 || count.is_nan() || count > POINTS_MAX {
            let message = "a series has a positive step and at most 1,048,576 points";
            return Err(LowerError::unsupported(message, step.span));
        }
        let points = (0..count.max(0.0) as i64)
            .map(|index| point(&first, &stride, index))
            .collect();
        Ok(Self {
            first: start,
            step: width,
            points,
        })
    }

    fn index(&self, value: &Value) -> Option<usize> {
        let index = ((value.as_f64()? - self.first) / self.step).round();
        (index >= 0.0 && index < self.points.len() as f64).then_some(index as usize)
    }
}

/// The start of a step.
fn point(first: &Value, step: &Value, index: i64) -> Value {
    let whole = first.as_i64().zip(step.as_i64());
    let whole = whole.and_then(|(first, step)| step.checked_mul(index)?.checked_add(first));
    match (first, whole) {
        (Value::DateTime(_), Some(at)) => Value::DateTime(at),
        (Value::Timespan(_), Some(at)) => Value::Timespan(at),
        (_, Some(at)) => Value::Long(at),
        _ => first
            .as_f64()
            .zip(step.as_f64())
            .map_or(Value::Null, |(first, step)| {
                Value::Real((index as f64).mul_add(step, first))
            }),
    }
}

/// One row per group: the group, one array per aggregate, the axis.
fn filled(
    table: Vec<Vec<Value>>,
    groups: usize,
    axis: &Axis,
    defaults: &[Value],
    is_nonempty: bool,
) -> Vec<Vec<Value>> {
    let empty = || -> Vec<Vec<Value>> {
        let array = |default: &Value| vec![default.clone(); axis.points.len()];
        defaults.iter().map(array).collect()
    };
    let mut places: HashMap<Vec<Value>, usize> = HashMap::new();
    let mut series: Vec<(Vec<Value>, Vec<Vec<Value>>)> = Vec::new();
    for mut row in table {
        let values = row.split_off(groups + 1);
        let start = row.pop().unwrap_or_default();
        let place = *places.entry(row.clone()).or_insert(series.len());
        if place == series.len() {
            series.push((row, empty()));
        }
        if let Some(at) = axis.index(&start) {
            for (array, value) in series[place].1.iter_mut().zip(values) {
                array[at] = value;
            }
        }
    }
    if series.is_empty() && is_nonempty && groups == 0 {
        series.push((Vec::new(), empty()));
    }
    let shown = |(mut row, arrays): (Vec<Value>, Vec<Vec<Value>>)| {
        row.extend(arrays.into_iter().map(Value::array));
        row.push(Value::array(axis.points.clone()));
        row
    };
    series.into_iter().map(shown).collect()
}
