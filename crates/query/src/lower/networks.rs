//! `ipv4_lookup` and `ipv6_lookup`: rows and the network that their address lies in.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use atalaya_kql::bound::{RelNode, RelOp};
use datafusion::common::DataFusionError;

use super::collect::pause;
use super::need::Need;
use super::times::Bounds;
use super::{Held, LowerError, Lowered, Lowering, rows, type_of};
use crate::functions::{network_mask, network_of};
use crate::types;
use crate::value::Value;

/// Rows of the lookup by the length of the prefix, the prefix and the other keys.
type Index = HashMap<(u32, u128, Vec<Value>), u32>;

impl Lowering<'_> {
    pub(super) async fn network_lookup(&self, node: &RelNode) -> Lowered<Held> {
        let RelOp::NetworkLookup {
            input,
            lookup,
            network,
            keys,
            keeps_unmatched,
        } = &node.op
        else {
            return Err(LowerError::Limit("not a lookup".to_owned()));
        };
        let left = self.whole(input).await?;
        let right = self.whole(lookup).await?;
        let read = |batch: &RecordBatch, of: &RelNode, at: usize, row: usize| {
            types::read(batch.column(at), type_of(of.schema[at].ty), row)
        };
        let mut index = Index::new();
        let mut lengths = BTreeSet::new();
        for row in 0..right.num_rows() {
            let text = read(&right, lookup, *network, row).to_text();
            if let Some((address, bits)) = network_of(&text) {
                let others = keys.iter().map(|(_, at)| read(&right, lookup, *at, row));
                let key = (bits, address & network_mask(bits), others.collect());
                index
                    .entry(key)
                    .or_insert(u32::try_from(row).unwrap_or(u32::MAX));
                lengths.insert(bits);
            }
        }
        let address = input.schema.len() - 1;
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for row in 0..left.num_rows() {
            pause(row).await;
            let text = read(&left, input, address, row).to_text();
            let others: Vec<Value> = keys
                .iter()
                .map(|(at, _)| read(&left, input, *at, row))
                .collect();
            let found = network_of(&text).and_then(|(address, _)| {
                let mut narrowest = lengths.iter().rev();
                narrowest.find_map(|bits| {
                    let key = (*bits, address & network_mask(*bits), others.clone());
                    index.get(&key).copied()
                })
            });
            if found.is_some() || *keeps_unmatched {
                lefts.push(u32::try_from(row).unwrap_or(u32::MAX));
                rights.push(found);
            }
        }
        let (lefts, rights) = (UInt32Array::from(lefts), UInt32Array::from(rights));
        let mut columns = Vec::with_capacity(node.schema.len());
        for column in &left.columns()[..address] {
            columns.push(take(column, &lefts, None).map_err(engine)?);
        }
        for column in right.columns() {
            columns.push(take(column, &rights, None).map_err(engine)?);
        }
        let batch = RecordBatch::try_new(rows::schema_of(&node.schema), columns).map_err(engine)?;
        self.counted(vec![batch])
    }

    /// All rows of a node in one batch.
    async fn whole(&self, node: &RelNode) -> Lowered<RecordBatch> {
        let plan = self
            .node(node, &Need::all(&node.schema), &Bounds::default())
            .await?;
        let held = self.hold_plan(plan).await?;
        let schema = rows::schema_of(&node.schema);
        let batches = held.batches.into_iter();
        let batches = batches
            .map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(engine)?;
        concat_batches(&schema, &batches).map_err(engine)
    }
}

fn engine(error: arrow::error::ArrowError) -> LowerError {
    LowerError::Engine(DataFusionError::from(error))
}
