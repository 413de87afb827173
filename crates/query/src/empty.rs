//! Queries that have nothing to read: dozens of rules ask an idle node the same questions every
//! minute, and each would be planned and executed over no row at all.
//!
//! Sound, not complete: `true` only if every row of the result would come from a row of a table,
//! and no table has any within the asked time. A count over nothing is one row and is computed.

use atalaya_kql::bound::{JoinKind, RelNode, RelOp};

use crate::source::{StoredFile, TableSource};

/// Whether the result can hold no row. `range` is the asked time in ticks, end exclusive.
pub(crate) fn is_empty(
    node: &RelNode,
    materialized: &[RelNode],
    source: &dyn TableSource,
    range: Option<(i64, i64)>,
) -> bool {
    let empty = |node: &RelNode| is_empty(node, materialized, source, range);
    match &node.op {
        RelOp::Table(name) => is_table_empty(name, source, range),
        RelOp::Values(rows) => rows.is_empty(),
        RelOp::Range { .. } | RelOp::External { .. } => false,
        // A row set may only refer to those before it.
        RelOp::Materialized(index) => materialized.get(*index).is_some_and(|node| {
            is_empty(
                node,
                materialized.get(..*index).unwrap_or_default(),
                source,
                range,
            )
        }),
        RelOp::Aggregate { input, groups, .. } => !groups.is_empty() && empty(input),
        RelOp::Filter { input, .. }
        | RelOp::Project { input, .. }
        | RelOp::Sort { input, .. }
        | RelOp::Take { input, .. }
        | RelOp::Expand { input, .. }
        | RelOp::Each { input, .. }
        | RelOp::NetworkLookup { input, .. }
        | RelOp::Scan { input, .. }
        | RelOp::Serialize(input) => empty(input),
        RelOp::Series {
            input, is_nonempty, ..
        } => !is_nonempty && empty(input),
        RelOp::Join {
            left, right, kind, ..
        } => match kind {
            JoinKind::FullOuter => empty(left) && empty(right),
            JoinKind::RightOuter | JoinKind::RightSemi | JoinKind::RightAnti => empty(right),
            _ => empty(left),
        },
        RelOp::Union(inputs) => inputs.iter().all(empty),
    }
}

fn is_table_empty(name: &str, source: &dyn TableSource, range: Option<(i64, i64)>) -> bool {
    // A table that cannot be read fails when it is read, and says why.
    let Ok(table) = source.snapshot(name) else {
        return false;
    };
    let is_outside = |file: &StoredFile| match (file.times, range) {
        (Some((first, last)), Some((start, end))) => last < start || first >= end,
        _ => false,
    };
    table.files.iter().all(is_outside) && table.batches.iter().all(|batch| batch.num_rows() == 0)
}
