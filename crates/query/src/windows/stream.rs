//! Window functions as DataFusion sees them: an operator that adds columns to rows that stream
//! through it in order.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{Distribution, EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt as _;

use super::columns::{Missing, before, behind, everywhere};
use super::state::{Function, State};
use super::{Kind, WindowCall};
use crate::types::{self, Type};
use crate::value::Value;

/// Rows of a plan with the columns of window functions behind them.
#[derive(Debug)]
pub(crate) struct Windowed {
    plan: LogicalPlan,
    calls: Arc<[WindowCall]>,
    schema: SchemaRef,
}

impl Windowed {
    /// The rows of `plan`, in their order; each call adds a column of its name.
    pub(crate) fn new(plan: LogicalPlan, calls: Vec<(String, WindowCall)>) -> Self {
        let below = plan.schema().as_arrow().fields().iter();
        let below = below.map(|field| field.as_ref().clone().with_nullable(true));
        let (names, calls): (Vec<String>, Vec<WindowCall>) = calls.into_iter().unzip();
        let added = names.into_iter().zip(&calls);
        let added =
            added.map(|(name, call)| Field::new(name, types::arrow_type(call.result), true));
        let schema = Arc::new(Schema::new(below.chain(added).collect::<Vec<_>>()));
        Self {
            plan,
            calls: calls.into(),
            schema,
        }
    }
}

#[async_trait]
impl TableProvider for Windowed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = state.create_physical_plan(&self.plan).await?;
        let calls = Arc::clone(&self.calls);
        let schema = Arc::clone(&self.schema);
        let plan: Arc<dyn ExecutionPlan> = Arc::new(WindowExec::new(input, calls, schema));
        let Some(projection) = projection else {
            return Ok(plan);
        };
        let column = |at: &usize| {
            let name = self.schema.field(*at).name().clone();
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, *at));
            (column, name)
        };
        let columns: Vec<_> = projection.iter().map(column).collect();
        Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
    }
}

#[derive(Debug)]
struct WindowExec {
    input: Arc<dyn ExecutionPlan>,
    calls: Arc<[WindowCall]>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl WindowExec {
    fn new(input: Arc<dyn ExecutionPlan>, calls: Arc<[WindowCall]>, schema: SchemaRef) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Self {
            input,
            calls,
            schema,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for WindowExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KqlWindowExec: {} functions", self.calls.len())
    }
}

impl ExecutionPlan for WindowExec {
    fn name(&self) -> &'static str {
        "KqlWindowExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop();
        let input = input.ok_or_else(|| internal_datafusion_err!("a window without input"))?;
        let (calls, schema) = (Arc::clone(&self.calls), Arc::clone(&self.schema));
        Ok(Arc::new(Self::new(input, calls, schema)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = Rows {
            input: self.input.execute(partition, context)?,
            windows: self.calls.iter().cloned().map(Window::new).collect(),
            schema: Arc::clone(&self.schema),
            pending: VecDeque::new(),
            pending_rows: 0,
            ended: false,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let stream = futures::stream::try_unfold(rows, |mut rows| async move {
            let next = rows.next().await?;
            Ok(next.map(|batch| (batch, rows)))
        });
        let schema = Arc::clone(&self.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Rows on their way through.
struct Rows {
    input: SendableRecordBatchStream,
    windows: Vec<Window>,
    schema: SchemaRef,
    /// Batches whose results wait for the rows behind them.
    pending: VecDeque<RecordBatch>,
    pending_rows: usize,
    ended: bool,
    metrics: BaselineMetrics,
}

impl Rows {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let mut ahead = self.windows.iter().map(|window| window.call.rows_ahead());
        // Nothing if a function must see all rows.
        let ahead = ahead.try_fold(0_usize, |most, one| Some(most.max(one?)));
        loop {
            let front = self.pending.front().map_or(0, RecordBatch::num_rows);
            let is_ready = ahead.is_some_and(|ahead| self.pending_rows - front >= ahead);
            if !self.pending.is_empty() && (self.ended || is_ready) {
                return self.emit(ahead.is_none()).map(Some);
            }
            if self.ended {
                return Ok(None);
            }
            match self.input.next().await {
                Some(batch) => {
                    let batch = batch?;
                    if batch.num_rows() > 0 {
                        self.pending_rows += batch.num_rows();
                        self.pending.push_back(batch);
                    }
                }
                None => self.ended = true,
            }
        }
    }

    /// The first batch, or all in one, with its results.
    fn emit(&mut self, all: bool) -> Result<RecordBatch> {
        let elapsed = self.metrics.elapsed_compute().clone();
        let _timer = elapsed.timer();
        let batch = if all {
            let batches = self.pending.make_contiguous();
            let schema = batches.first().map(RecordBatch::schema);
            let schema = schema.unwrap_or_else(|| Arc::clone(&self.schema));
            let whole = concat_batches(&schema, batches.iter())?;
            self.pending.clear();
            whole
        } else {
            let front = self.pending.pop_front();
            front.ok_or_else(|| internal_datafusion_err!("no batch waits"))?
        };
        self.pending_rows -= batch.num_rows();
        let mut columns = batch.columns().to_vec();
        for window in &mut self.windows {
            columns.push(window.compute(&batch, &self.pending)?);
        }
        let out = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.metrics.record_output(out.num_rows());
        Ok(out)
    }
}

/// A call on its way through the rows.
struct Window {
    call: WindowCall,
    carried: Option<ArrayRef>,
    state: State,
}

impl Window {
    fn new(call: WindowCall) -> Self {
        Self {
            call,
            carried: None,
            state: State::default(),
        }
    }

    fn compute(
        &mut self,
        batch: &RecordBatch,
        behind_it: &VecDeque<RecordBatch>,
    ) -> Result<ArrayRef> {
        let args = self.call.args.iter();
        let args: Vec<(ArrayRef, Type)> = args
            .map(|(at, ty)| (Arc::clone(batch.column(*at)), *ty))
            .collect();
        let rows = batch.num_rows();
        match self.call.kind {
            Kind::Moved { by: Some(by), .. } => self.moved(by, &args, behind_it),
            Kind::Moved { by: None, next } => {
                let moved = everywhere(&values(&args), rows, next);
                Ok(types::build(&moved, self.call.result))
            }
            Kind::Running(Function::RowNumber) if args.is_empty() => {
                let numbers = self.state.numbers(rows);
                Ok(Arc::new(Int64Array::from_iter_values(numbers)))
            }
            Kind::Running(function) => {
                let results = self.state.step(function, &values(&args), rows);
                Ok(types::build(&results, self.call.result))
            }
        }
    }

    fn moved(
        &mut self,
        by: i64,
        args: &[(ArrayRef, Type)],
        behind_it: &VecDeque<RecordBatch>,
    ) -> Result<ArrayRef> {
        let first = args.first().zip(self.call.args.first());
        let ((column, _), (place, _)) =
            first.ok_or_else(|| internal_datafusion_err!("a window function without a column"))?;
        let missing = Missing {
            default: args.get(2).map(|(column, _)| column),
            result: self.call.result,
        };
        let distance = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
        Ok(if by >= 0 {
            before(column, &mut self.carried, distance, &missing)?
        } else {
            let following = behind_it
                .iter()
                .map(|batch| Arc::clone(batch.column(*place)));
            behind(column, &following.collect::<Vec<_>>(), distance, &missing)?
        })
    }
}

fn values(args: &[(ArrayRef, Type)]) -> Vec<Vec<Value>> {
    let read = |(column, ty): &(ArrayRef, Type)| {
        let rows = 0..column.len();
        rows.map(|row| types::read(column, *ty, row)).collect()
    };
    args.iter().map(read).collect()
}
