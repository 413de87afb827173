//! `mv-apply` and `partition`: a plan run once for every partition of held rows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take, take_record_batch};
use atalaya_kql::bound::{ColumnDef, RelNode, RelOp};
use datafusion::common::DataFusionError;

use super::collect::HELD_ROWS_MAX;
use super::need::Need;
use super::resolve::waits;
use super::times::Bounds;
use super::{Held, LowerError, Lowered, Lowering, rows, type_of};
use crate::types;
use crate::value::Value;

/// Most partitions of one operator.
const PARTITIONS_MAX: usize = 100_000;

impl Lowering<'_> {
    pub(super) async fn each(&self, node: &RelNode) -> Lowered<Held> {
        let RelOp::Each {
            input,
            keys,
            carried,
            body,
            slot,
            width,
        } = &node.op
        else {
            return Err(LowerError::Limit("not a partitioning".to_owned()));
        };
        let plan = self
            .node(input, &Need::all(&input.schema), &Bounds::default())
            .await?;
        let held = self.hold_plan(plan).await?;
        let Some(first) = held.batches.first() else {
            return Ok(held);
        };
        let all = concat_batches(&first.schema(), &held.batches).map_err(engine)?;
        let (mut batches, mut total) = (Vec::new(), 0);
        let visible: Vec<usize> = (0..*width).collect();
        let mut body = body.clone();
        let waits = waits(&mut body, *slot);
        for part in partitions(&all, keys, &input.schema)? {
            let indices = UInt32Array::from(part);
            let rows = take_record_batch(&all, &indices).map_err(engine)?;
            let seen = rows.project(&visible).map_err(engine)?;
            let mut child = Lowering {
                context: self.context,
                source: self.source,
                range: self.range,
                materialized: self.materialized.clone(),
                steps: AtomicUsize::new(0),
                indexes: self.indexes,
                trace: None,
            };
            let place = child.materialized.get_mut(*slot).ok_or_else(|| {
                LowerError::Limit("a partition has no place for its rows".to_owned())
            })?;
            place.batches = vec![seen];
            let results = if waits {
                let mut body = body.clone();
                child.resolve(&mut body).await?;
                child.hold(&body, &Need::all(&body.schema)).await?
            } else {
                child.hold(&body, &Need::all(&body.schema)).await?
            };
            for result in results.batches {
                total += result.num_rows();
                if total > HELD_ROWS_MAX {
                    let message = format!("partitions made more than {HELD_ROWS_MAX} rows");
                    return Err(LowerError::Limit(message));
                }
                batches.push(joined(&rows, carried, &result, &node.schema)?);
            }
        }
        self.counted(batches)
    }
}

/// Rows of every distinct key, in order of first appearance.
fn partitions(all: &RecordBatch, keys: &[usize], schema: &[ColumnDef]) -> Lowered<Vec<Vec<u32>>> {
    let mut places: HashMap<Vec<Value>, usize> = HashMap::new();
    let mut parts: Vec<Vec<u32>> = Vec::new();
    for row in 0..all.num_rows() {
        let key = keys
            .iter()
            .map(|at| types::read(all.column(*at), type_of(schema[*at].ty), row))
            .collect();
        let place = *places.entry(key).or_insert(parts.len());
        if place == parts.len() {
            if place == PARTITIONS_MAX {
                return Err(LowerError::Limit(format!(
                    "there are more than {PARTITIONS_MAX} partitions"
                )));
            }
            parts.push(Vec::new());
        }
        parts[place].push(u32::try_from(row).unwrap_or(u32::MAX));
    }
    Ok(parts)
}

/// The carried columns of the first row, repeated, before the body's columns.
fn joined(
    rows: &RecordBatch,
    carried: &[usize],
    result: &RecordBatch,
    schema: &[ColumnDef],
) -> Lowered<RecordBatch> {
    let first = UInt32Array::from(vec![0; result.num_rows()]);
    let mut columns = Vec::with_capacity(schema.len());
    for at in carried {
        columns.push(take(rows.column(*at), &first, None).map_err(engine)?);
    }
    columns.extend(result.columns().iter().map(Arc::clone));
    RecordBatch::try_new(rows::schema_of(schema), columns).map_err(engine)
}

fn engine(error: arrow::error::ArrowError) -> LowerError {
    LowerError::Engine(DataFusionError::from(error))
}
