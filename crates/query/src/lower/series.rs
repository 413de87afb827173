//! `make-series`: arrays over equal steps.

use std::collections::HashMap;

use atalaya_kql::bound::{Expr, RelNode, RelOp};
use datafusion::execution::memory_pool::MemoryReservation;

use super::collect::pause;
use super::need::Need;
use super::times::Bounds;
use super::{Held, LowerError, Lowered, Lowering, rows, type_of};
use crate::types;
use crate::value::Value;

/// Values of arrays between two chances to cancel.
const CELLS_AT_ONCE: usize = 1 << 20;
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
        let memory = self.reservation();
        let shape = Shape {
            groups: *groups,
            axis: &axis,
            defaults: &defaults,
            is_nonempty: *is_nonempty,
        };
        let out = filled(table, &shape, &memory).await?;
        let rows_each = (CELLS_AT_ONCE / axis.points.len().max(1)).max(1);
        let mut batches = Vec::new();
        for rows in out.chunks(rows_each) {
            let column = |at: usize| rows.iter().filter_map(move |row| row.get(at)).cloned();
            let columns = (0..node.schema.len()).map(|at| column(at).collect::<Vec<Value>>());
            let columns: Vec<Vec<Value>> = columns.collect();
            batches.push(rows::batch_of(&node.schema, &columns)?);
            tokio::task::yield_now().await;
        }
        self.counted(batches)
    }
}

/// What the series of a query have in common.
struct Shape<'s> {
    groups: usize,
    axis: &'s Axis,
    defaults: &'s [Value],
    is_nonempty: bool,
}

impl Shape<'_> {
    /// A series without rows, whose points are counted.
    fn empty(&self, memory: &MemoryReservation) -> Lowered<Vec<Vec<Value>>> {
        let points = self.axis.points.len();
        memory.try_grow(self.defaults.len() * points * size_of::<Value>())?;
        let array = |default: &Value| vec![default.clone(); points];
        Ok(self.defaults.iter().map(array).collect())
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
async fn filled(
    table: Vec<Vec<Value>>,
    shape: &Shape<'_>,
    memory: &MemoryReservation,
) -> Lowered<Vec<Vec<Value>>> {
    let mut places: HashMap<Vec<Value>, usize> = HashMap::new();
    let mut series: Vec<(Vec<Value>, Vec<Vec<Value>>)> = Vec::new();
    for (index, mut row) in table.into_iter().enumerate() {
        pause(index).await;
        let values = row.split_off(shape.groups + 1);
        let start = row.pop().unwrap_or_default();
        let place = *places.entry(row.clone()).or_insert(series.len());
        if place == series.len() {
            series.push((row, shape.empty(memory)?));
            tokio::task::yield_now().await;
        }
        if let Some(at) = shape.axis.index(&start) {
            for (array, value) in series[place].1.iter_mut().zip(values) {
                array[at] = value;
            }
        }
    }
    if series.is_empty() && shape.is_nonempty && shape.groups == 0 {
        series.push((Vec::new(), shape.empty(memory)?));
    }
    // All series share one axis.
    let axis = Value::array(shape.axis.points.clone());
    let shown = |(mut row, arrays): (Vec<Value>, Vec<Vec<Value>>)| {
        row.extend(arrays.into_iter().map(Value::array));
        row.push(axis.clone());
        row
    };
    Ok(series.into_iter().map(shown).collect())
}
