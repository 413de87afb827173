//! Rows that are there already: literals, ranges, held results.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use atalaya_kql::bound::{ColumnDef, Expr, ExprKind, RelNode};
use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::datasource::{MemTable, TableProvider, TableType, provider_as_source};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;

use super::collect::Held;
use super::expr::{Scope, value_of};
use super::need::Need;
use super::{LowerError, Lowered, name, type_of};
use crate::types;
use crate::value::Value;

/// Most rows of a `range`.
const RANGE_ROWS_MAX: usize = 10_000_000;

/// Columns of a held result.
pub(crate) fn schema_of(columns: &[ColumnDef]) -> SchemaRef {
    Arc::new(Schema::new(
        columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                Field::new(name(index), types::arrow_type(type_of(column.ty)), true)
            })
            .collect::<Vec<_>>(),
    ))
}

/// A batch of values.
pub(super) fn batch_of(columns: &[ColumnDef], values: &[Vec<Value>]) -> Lowered<RecordBatch> {
    let arrays = columns
        .iter()
        .zip(values)
        .map(|(column, values)| types::build(values, type_of(column.ty)))
        .collect();
    RecordBatch::try_new(schema_of(columns), arrays)
        .map_err(|error| LowerError::Engine(error.into()))
}

/// A plan over rows that are held, in their order.
pub(super) fn held(held: Held, columns: &[ColumnDef]) -> Lowered<LogicalPlan> {
    let all = Need::all(columns);
    held_needed(held, columns, &all)
}

/// The same where only the needed columns are held; the others are null.
pub(super) fn held_needed(held: Held, columns: &[ColumnDef], need: &Need) -> Lowered<LogicalPlan> {
    let schema = schema_of(columns);
    let needed: Vec<usize> = (0..columns.len()).filter(|at| need.has(*at)).collect();
    let schema = schema.project(&needed);
    let schema = schema.map_err(|error| LowerError::Engine(error.into()))?;
    let plan = LogicalPlanBuilder::from(held_as(held, Arc::new(schema))?);
    let outputs = (0..columns.len()).map(|at| {
        if need.has(at) {
            super::column(at).alias(name(at))
        } else {
            super::null(columns, at).alias(name(at))
        }
    });
    Ok(plan.project(outputs)?.build()?)
}

/// A plan over held rows whose columns have the names and types of a schema.
pub(super) fn held_as(held: Held, schema: SchemaRef) -> Lowered<LogicalPlan> {
    let batches = held
        .batches
        .into_iter()
        .map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| LowerError::Engine(error.into()))?;
    let table = HeldTable {
        table: MemTable::try_new(schema, vec![batches])?,
        _memory: held.memory,
    };
    Ok(LogicalPlanBuilder::scan("held", provider_as_source(Arc::new(table)), None)?.build()?)
}

/// Rows in memory that are counted for as long as a plan may read them.
#[derive(Debug)]
struct HeldTable {
    table: MemTable,
    _memory: Option<Arc<MemoryReservation>>,
}

#[async_trait]
impl TableProvider for HeldTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[DfExpr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        self.table.scan(state, projection, filters, limit).await
    }
}

/// Constant rows.
pub(super) fn values(rows: &[Vec<Expr>], columns: &[ColumnDef]) -> Lowered<LogicalPlan> {
    let literal = |expr: &Expr| match &expr.kind {
        ExprKind::Literal(literal) => Some(value_of(literal, type_of(expr.ty))),
        _ => None,
    };
    let mut by_column = vec![Vec::with_capacity(rows.len()); columns.len()];
    for row in rows {
        let known: Option<Vec<Value>> = row.iter().map(literal).collect();
        let values = match known {
            Some(values) => values,
            None if rows.len() == 1 => return computed(row),
            None => constants(row)?,
        };
        for (column, value) in by_column.iter_mut().zip(values) {
            column.push(value);
        }
    }
    let batches = vec![batch_of(columns, &by_column)?];
    held(Held::few(batches), columns)
}

/// One row of expressions, as `print` has it.
fn computed(row: &[Expr]) -> Lowered<LogicalPlan> {
    let mut scope = Scope::over(LogicalPlanBuilder::empty(true).build()?);
    let mut outputs = Vec::with_capacity(row.len());
    for (index, expr) in row.iter().enumerate() {
        outputs.push(scope.expr(expr)?.expr.alias(name(index)));
    }
    let plan = LogicalPlanBuilder::from(scope.into_plan()?);
    Ok(plan.project(outputs)?.build()?)
}

pub(super) fn constants(row: &[Expr]) -> Lowered<Vec<Value>> {
    let mut scope = Scope::over(LogicalPlanBuilder::empty(true).build()?);
    row.iter()
        .map(|expr| {
            scope.expr(expr)?.constant.ok_or_else(|| {
                LowerError::unsupported("a row of a datatable must be constant", expr.span)
            })
        })
        .collect()
}

/// `range x from a to b step c`.
pub(super) fn range(from: &Expr, to: &Expr, step: &Expr, node: &RelNode) -> Lowered<LogicalPlan> {
    let bounds = constants(&[from.clone(), to.clone(), step.clone()])?;
    let ty = node
        .schema
        .first()
        .map_or(types::Type::Long, |c| type_of(c.ty));
    let mut rows = Vec::new();
    if let [Some(from), Some(to), Some(step)] = [0, 1, 2].map(|i| bounds[i].as_i64()) {
        let mut value = from;
        while step != 0 && (if step > 0 { value <= to } else { value >= to }) {
            push(&mut rows, whole(value, ty))?;
            let Some(next) = value.checked_add(step) else {
                break;
            };
            value = next;
        }
    } else if let [Some(from), Some(to), Some(step)] = [0, 1, 2].map(|i| bounds[i].as_f64()) {
        // Multiplied, not added up: 0.1 ten times is 1.0.
        let mut value = from;
        while step != 0.0 && (if step > 0.0 { value <= to } else { value >= to }) {
            push(&mut rows, Value::Real(value))?;
            value = (rows.len() as f64).mul_add(step, from);
        }
    }
    let batches = vec![batch_of(&node.schema, &[rows])?];
    held(Held::few(batches), &node.schema)
}

fn whole(value: i64, ty: types::Type) -> Value {
    match ty {
        types::Type::DateTime => Value::DateTime(value),
        types::Type::Timespan => Value::Timespan(value),
        types::Type::Int => i32::try_from(value).map_or(Value::Null, Value::Int),
        types::Type::Real | types::Type::Decimal => Value::Real(value as f64),
        _ => Value::Long(value),
    }
}

fn push(rows: &mut Vec<Value>, value: Value) -> Lowered<()> {
    if rows.len() == RANGE_ROWS_MAX {
        return Err(LowerError::Limit(format!(
            "`range` would make more than {RANGE_ROWS_MAX} rows"
        )));
    }
    rows.push(value);
    Ok(())
}
