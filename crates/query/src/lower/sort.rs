//! Sorting: in memory where keys and memory allow it ([`super::order`]), else by DataFusion, which
//! can spill.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use atalaya_kql::bound::{ColumnDef, RelNode, SortKey};
use datafusion::common::Column;
use datafusion::logical_expr::expr_rewriter::normalize_sorts;
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan, LogicalPlanBuilder, Sort, SortExpr};

use super::collect::{Held, bytes_of};
use super::expr::Scope;
use super::need::Need;
use super::order::{self, Key, Sorted};
use super::times::Bounds;
use super::{LowerError, Lowered, Lowering, column, name, null, rows};

/// Rows and what they are ordered by.
struct Sorting {
    plan: LogicalPlan,
    keys: Vec<SortExpr>,
    /// The columns that are needed behind the sort.
    columns: Vec<DfExpr>,
}

impl Lowering<'_> {
    /// All rows in order, held.
    pub(super) async fn sort(
        &self,
        input: &RelNode,
        keys: &[SortKey],
        (need, bounds): (&Need, &Bounds),
    ) -> Lowered<LogicalPlan> {
        let need = need.or_first();
        let sorting = self.sorting(input, keys, (&need, bounds)).await?;
        let sorted = match self.sort_here(&sorting).await? {
            Some(sorted) => sorted,
            None => {
                let plan = LogicalPlanBuilder::from(sorting.plan(None)?);
                let plan = plan.project(sorting.columns)?.build()?;
                self.hold_plan(plan).await?
            }
        };
        rows::held_needed(sorted, &input.schema, &need)
    }

    /// The first rows in order: all of them are never held.
    pub(super) async fn first_sorted(
        &self,
        input: &RelNode,
        keys: &[SortKey],
        fetch: usize,
        need: &Need,
    ) -> Lowered<LogicalPlan> {
        // A limit on the sorted rows must see the rows that a later filter would drop.
        let bounds = Bounds::default();
        let sorting = self.sorting(input, keys, (need, &bounds)).await?;
        let plan = LogicalPlanBuilder::from(sorting.plan(Some(fetch))?);
        Ok(plan.project(kept(&input.schema, need))?.build()?)
    }

    async fn sorting(
        &self,
        input: &RelNode,
        keys: &[SortKey],
        (need, bounds): (&Need, &Bounds),
    ) -> Lowered<Sorting> {
        let below = keys
            .iter()
            .fold(need.clone(), |need, key| need.with_expr(&key.expr));
        let plan = self.node(input, &below, bounds).await?;
        let mut scope = Scope::over(plan);
        let mut sorts = Vec::with_capacity(keys.len());
        for key in keys {
            let key_expr = scope.expr(&key.expr)?.expr;
            sorts.push(SortExpr::new(key_expr, !key.descending, key.nulls_first));
        }
        let columns = (0..input.schema.len()).filter(|index| need.has(*index));
        Ok(Sorting {
            plan: scope.into_plan()?,
            keys: sorts,
            columns: columns.map(column).collect(),
        })
    }

    /// Sorts in memory; nothing if the types do not fit or the memory does not suffice.
    async fn sort_here(&self, sorting: &Sorting) -> Lowered<Option<Held>> {
        let (plan, keys) = sorting.with_key_columns()?;
        let fields = plan.schema().fields();
        let mut types = keys.iter().map(|key| fields[key.column].data_type());
        if !types.all(order::is_sortable) {
            return Ok(None);
        }
        let schema = Arc::clone(plan.schema().inner());
        let Some(Held { batches, memory }) = self.hold_in_order(plan).await? else {
            return Ok(None);
        };
        let started = Instant::now();
        let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let extra = count * order::BYTES_PER_ROW;
        let has_room = memory
            .as_ref()
            .is_none_or(|memory| memory.try_grow(extra).is_ok());
        if !has_room {
            return Ok(None);
        }
        let kept = sorting.columns.len();
        let sorted = order::sorted(batches, &keys, kept).await;
        match sorted.map_err(|error| LowerError::Engine(error.into()))? {
            Sorted::Rows(batches) => {
                if let Some(memory) = &memory {
                    memory.resize(bytes_of(&batches));
                }
                if let Some(trace) = self.trace {
                    trace.add_sort(keys.len(), count, started);
                }
                Ok(Some(Held { batches, memory }))
            }
            Sorted::Unfit(batches) => {
                // DataFusion counts them itself.
                drop(memory);
                let column = |key: &Key| {
                    let name = schema.field(key.column).name();
                    let column = DfExpr::Column(Column::from_name(name.as_str()));
                    SortExpr::new(column, !key.descending, key.nulls_first)
                };
                let again = Sorting {
                    keys: keys.iter().map(column).collect(),
                    plan: rows::held_as(Held::few(batches), schema)?,
                    columns: sorting.columns.clone(),
                };
                let plan = LogicalPlanBuilder::from(again.plan(None)?);
                let plan = plan.project(again.columns)?.build()?;
                self.hold_plan(plan).await.map(Some)
            }
        }
    }
}

impl Sorting {
    /// The rows, sorted by DataFusion.
    fn plan(&self, fetch: Option<usize>) -> Lowered<LogicalPlan> {
        // Not by the builder: it takes a key for the alias of an equally named column below.
        Ok(LogicalPlan::Sort(Sort {
            expr: normalize_sorts(self.keys.clone(), &self.plan)?,
            input: Arc::new(self.plan.clone()),
            fetch,
        }))
    }

    /// The needed columns, then what is ordered by, and where the keys are among them.
    fn with_key_columns(&self) -> Lowered<(LogicalPlan, Vec<Key>)> {
        let mut outputs = self.columns.clone();
        let mut keys = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let known = outputs.iter().position(|output| *output == key.expr);
            let column = known.unwrap_or_else(|| {
                let name = format!("k{}", outputs.len());
                outputs.push(key.expr.clone().alias(name));
                outputs.len() - 1
            });
            keys.push(Key {
                column,
                descending: !key.asc,
                nulls_first: key.nulls_first,
            });
        }
        let plan = LogicalPlanBuilder::from(self.plan.clone());
        Ok((plan.project(outputs)?.build()?, keys))
    }
}

/// The needed columns; nulls for the others.
fn kept(schema: &[ColumnDef], need: &Need) -> Vec<DfExpr> {
    (0..schema.len())
        .map(|index| {
            if need.has(index) {
                column(index)
            } else {
                null(schema, index).alias(name(index))
            }
        })
        .collect()
}
