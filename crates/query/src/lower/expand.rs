//! `mv-expand`: rows out of arrays and bags.

use std::sync::Arc;

use arrow::array::RecordBatch;
use atalaya_kql::bound::{ColumnDef, ExpandColumn, RelNode, RelOp};
use datafusion::logical_expr::LogicalPlanBuilder;

use super::collect::{HELD_ROWS_MAX, pause};
use super::expr::Scope;
use super::{Held, LowerError, Lowered, Lowering, column, name, rows, type_of};
use crate::types::{self, Type};
use crate::value::Value;

/// Rows per output batch.
const BATCH_ROWS: usize = 8192;

impl Lowering<'_> {
    /// Expands held rows.
    pub(super) async fn expand(
        &self,
        op: &RelOp,
        input: &RelNode,
        schema: &[ColumnDef],
    ) -> Lowered<Held> {
        let RelOp::Expand {
            columns,
            with_index,
            as_pairs,
            limit,
            ..
        } = op
        else {
            return Err(LowerError::Limit("not an expansion".to_owned()));
        };
        let need = super::need::Need::all(&input.schema);
        let bounds = super::times::Bounds::default();
        let plan = self.node(input, &need, &bounds).await?;
        let mut scope = Scope::over(plan);
        let mut outputs: Vec<_> = (0..input.schema.len()).map(column).collect();
        let mut expanded_types = Vec::with_capacity(columns.len());
        for (index, expand) in columns.iter().enumerate() {
            let lowered = scope.expr(&expand.expr)?;
            expanded_types.push(lowered.ty);
            outputs.push(lowered.expr.alias(name(input.schema.len() + index)));
        }
        let plan = LogicalPlanBuilder::from(scope.into_plan()?)
            .project(outputs)?
            .build()?;
        let held = self.hold_plan(plan).await?;
        let expansion = Expansion {
            columns,
            expanded_types: &expanded_types,
            input: &input.schema,
            output: schema,
            with_index: *with_index,
            as_pairs: *as_pairs,
            limit: limit.map_or(usize::MAX, |l| usize::try_from(l).unwrap_or(usize::MAX)),
        };
        self.counted(expansion.run(&held).await?)
    }
}

struct Expansion<'a> {
    columns: &'a [ExpandColumn],
    expanded_types: &'a [Type],
    input: &'a [ColumnDef],
    output: &'a [ColumnDef],
    with_index: bool,
    as_pairs: bool,
    limit: usize,
}

impl Expansion<'_> {
    async fn run(&self, held: &Held) -> Lowered<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        let mut values = vec![Vec::new(); self.output.len()];
        let mut total = 0;
        for batch in &held.batches {
            for row in 0..batch.num_rows() {
                pause(row).await;
                self.row(batch, row, &mut values);
                if values.first().map_or(0, Vec::len) >= BATCH_ROWS {
                    total += values[0].len();
                    if total > HELD_ROWS_MAX {
                        let message = format!("mv-expand made more than {total} rows");
                        return Err(LowerError::Limit(message));
                    }
                    batches.push(rows::batch_of(self.output, &values)?);
                    values.iter_mut().for_each(Vec::clear);
                }
            }
        }
        batches.push(rows::batch_of(self.output, &values)?);
        Ok(batches)
    }

    fn row(&self, batch: &RecordBatch, row: usize, out: &mut [Vec<Value>]) {
        let lists: Vec<Vec<Value>> = self
            .expanded_types
            .iter()
            .enumerate()
            .map(|(index, ty)| {
                let array = batch.column(self.input.len() + index);
                self.items(&types::read(array, *ty, row))
            })
            .collect();
        let count = lists
            .iter()
            .map(Vec::len)
            .max()
            .unwrap_or(0)
            .min(self.limit);
        for position in 0..count {
            for (index, (column, values)) in self.output.iter().zip(out.iter_mut()).enumerate() {
                let expanded = self.columns.iter().position(|c| c.column == index);
                let value = match expanded {
                    Some(which) => {
                        let item = lists[which].get(position).cloned().unwrap_or_default();
                        convert(item, type_of(column.ty))
                    }
                    None if self.with_index && index + 1 == self.output.len() => {
                        Value::Long(i64::try_from(position).unwrap_or(i64::MAX))
                    }
                    None => types::read(batch.column(index), type_of(column.ty), row),
                };
                values.push(value);
            }
        }
    }

    /// What a value expands to. A missing one keeps its row, with null; an empty array
    /// drops it.
    fn items(&self, value: &Value) -> Vec<Value> {
        match value {
            Value::Array(items) => items.to_vec(),
            Value::Bag(pairs) if pairs.is_empty() => vec![Value::Null],
            Value::Bag(pairs) => pairs
                .iter()
                .map(|(key, value)| {
                    if self.as_pairs {
                        Value::array(vec![Value::String(Arc::clone(key)), value.clone()])
                    } else {
                        Value::bag(vec![(Arc::clone(key), value.clone())])
                    }
                })
                .collect(),
            other => vec![other.clone()],
        }
    }
}

/// An element as the wanted type; what does not fit is null.
fn convert(value: Value, ty: Type) -> Value {
    match (ty, &value) {
        (Type::Dynamic, _) | (_, Value::Null) => value,
        (Type::String, other) => Value::String(other.to_text()),
        (Type::Int, other) => other
            .as_f64()
            .or_else(|| crate::value::number::parse_real(&other.to_text()))
            .map_or(Value::Null, |v| Value::Int(v as i32)),
        (Type::Long, Value::Int(_) | Value::Long(_)) => {
            value.as_i64().map_or(Value::Null, Value::Long)
        }
        (Type::Long, other) => other
            .as_f64()
            .map(|v| v as i64)
            .or_else(|| crate::value::number::parse_long(&other.to_text()))
            .map_or(Value::Null, Value::Long),
        (Type::Real | Type::Decimal, other) => other
            .as_f64()
            .or_else(|| crate::value::number::parse_real(&other.to_text()))
            .map_or(Value::Null, Value::Real),
        (Type::DateTime, Value::DateTime(_)) | (Type::Timespan, Value::Timespan(_)) => value,
        (Type::DateTime, other) => {
            crate::value::datetime::parse(&other.to_text()).map_or(Value::Null, Value::DateTime)
        }
        (Type::Timespan, other) => {
            crate::value::timespan::parse(&other.to_text()).map_or(Value::Null, Value::Timespan)
        }
        (Type::Bool, Value::Bool(_)) | (Type::Guid, Value::Guid(_)) => value,
        (Type::Bool, other) => match other.to_text().to_ascii_lowercase().as_str() {
            "true" | "1" => Value::Bool(true),
            "false" | "0" => Value::Bool(false),
            _ => Value::Null,
        },
        (Type::Guid, other) => Value::Guid(other.to_text()),
    }
}
