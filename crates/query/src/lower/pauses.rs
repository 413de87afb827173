//! Chances to cancel while rows stream.
//!
//! A cancelled query ends where its streams wait. DataFusion lets a task wait after so many batches,
//! which can take seconds when each row costs much; and a join that makes many rows of few does not
//! wait at all. So where rows come from, and where they become more, a stream lets go of its thread
//! whenever it has run for [`STRETCH`].

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::{Stream, StreamExt as _};

/// Longest run without a chance to cancel, but for what a batch costs.
const STRETCH: Duration = Duration::from_millis(20);

/// The same plan, with pauses.
pub(super) fn with_pauses(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let pausing = |node: Arc<dyn ExecutionPlan>| {
        Ok(if pauses_at(node.as_ref()) {
            Transformed::yes(Arc::new(PauseExec(node)) as Arc<dyn ExecutionPlan>)
        } else {
            Transformed::no(node)
        })
    };
    plan.transform_up(pausing).map(|plan| plan.data)
}

/// At sources and joins.
fn pauses_at(node: &dyn ExecutionPlan) -> bool {
    node.children().len() != 1
}

#[derive(Debug)]
struct PauseExec(Arc<dyn ExecutionPlan>);

impl DisplayAs for PauseExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KqlPauseExec")
    }
}

impl ExecutionPlan for PauseExec {
    fn name(&self) -> &'static str {
        "KqlPauseExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.0]
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
        let input = input.ok_or_else(|| internal_datafusion_err!("a pause without input"))?;
        Ok(Arc::new(Self(input)))
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
        Ok(Box::pin(Pausing {
            rows: self.0.execute(partition, context)?,
            running_since: None,
        }))
    }
}

struct Pausing {
    rows: SendableRecordBatchStream,
    /// Nothing while it waits.
    running_since: Option<Instant>,
}

impl Stream for Pausing {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let since = *self.running_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= STRETCH {
            self.running_since = None;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.rows.poll_next_unpin(context);
        if next.is_pending() {
            self.running_since = None;
        }
        next
    }
}

impl RecordBatchStream for Pausing {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}
