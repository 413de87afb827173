//! Rows that a plan gives, kept in memory: all counted against the query's limit for as long as
//! they are held.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayData, RecordBatch};
use arrow::buffer::Buffer;
use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, execute_stream};
use futures::StreamExt as _;
use tokio::task::JoinSet;

use super::pauses::with_pauses;
use super::{LowerError, Lowered, Lowering};

/// Most rows of an intermediate result that is held in memory.
pub(crate) const HELD_ROWS_MAX: usize = 50_000_000;

/// Rows that are already there, in order, and the memory that they take.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(super) batches: Vec<RecordBatch>,
    pub(super) memory: Option<Arc<MemoryReservation>>,
}

impl Held {
    /// Rows that take next to nothing.
    pub(super) const fn few(batches: Vec<RecordBatch>) -> Self {
        Self {
            batches,
            memory: None,
        }
    }
}

/// What came of collecting rows within a reservation.
enum Drained {
    Rows(Vec<RecordBatch>),
    /// The memory does not suffice.
    Full,
    /// There are more rows than may be.
    TooMany,
}

impl Lowering<'_> {
    pub(super) async fn hold_plan(&self, plan: LogicalPlan) -> Lowered<Held> {
        let started = Instant::now();
        let (plan, tasks) = self.physical(plan).await?;
        let memory = Arc::new(self.reservation());
        let stream = execute_stream(Arc::clone(&plan), tasks)?;
        let drained = drain(stream, &memory, HELD_ROWS_MAX, true).await?;
        let batches = self.finished(plan.as_ref(), drained, HELD_ROWS_MAX, started)?;
        Ok(Held {
            batches,
            memory: Some(memory),
        })
    }

    /// The rows of the result.
    pub(super) async fn collect(
        &self,
        plan: LogicalPlan,
        rows_max: usize,
    ) -> Lowered<Vec<RecordBatch>> {
        let started = Instant::now();
        let (plan, tasks) = self.physical(plan).await?;
        let memory = self.reservation();
        let stream = execute_stream(Arc::clone(&plan), tasks)?;
        let drained = drain(stream, &memory, rows_max, true).await?;
        self.finished(plan.as_ref(), drained, rows_max, started)
    }

    /// All rows, those of the first partition first; nothing if the memory does not suffice.
    pub(super) async fn hold_in_order(&self, plan: LogicalPlan) -> Lowered<Option<Held>> {
        let started = Instant::now();
        let (plan, tasks) = self.physical(plan).await?;
        let memory = Arc::new(self.reservation());
        let mut partitions = JoinSet::new();
        let count = plan.output_partitioning().partition_count();
        for partition in 0..count {
            let stream = plan.execute(partition, Arc::clone(&tasks))?;
            let memory = Arc::clone(&memory);
            partitions.spawn(async move {
                let drained = drain(stream, &memory, HELD_ROWS_MAX, false).await;
                (partition, drained)
            });
        }
        let mut parts = vec![Vec::new(); count];
        while let Some(done) = partitions.join_next().await {
            let (partition, drained) = match done {
                Ok(done) => done,
                Err(failure) if failure.is_panic() => {
                    std::panic::resume_unwind(failure.into_panic())
                }
                Err(_) => return Err(LowerError::Limit("the engine is stopping".to_owned())),
            };
            match drained? {
                Drained::Rows(rows) => parts[partition] = rows,
                Drained::Full => return Ok(None),
                Drained::TooMany => return Err(too_many(HELD_ROWS_MAX)),
            }
        }
        let rows = Drained::Rows(parts.into_iter().flatten().collect());
        let batches = self.finished(plan.as_ref(), rows, HELD_ROWS_MAX, started)?;
        Ok(Some(Held {
            batches,
            memory: Some(memory),
        }))
    }

    /// Rows that were made in memory.
    pub(super) fn counted(&self, batches: Vec<RecordBatch>) -> Lowered<Held> {
        let memory = self.reservation();
        memory.try_grow(bytes_of(&batches))?;
        Ok(Held {
            batches,
            memory: Some(Arc::new(memory)),
        })
    }

    async fn physical(
        &self,
        plan: LogicalPlan,
    ) -> Lowered<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
        let frame = self.context.execute_logical_plan(plan).await?;
        let tasks = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        Ok((with_pauses(plan)?, tasks))
    }

    pub(super) fn reservation(&self) -> MemoryReservation {
        let pool = &self.context.runtime_env().memory_pool;
        MemoryConsumer::new("held rows").register(pool)
    }

    fn finished(
        &self,
        plan: &dyn ExecutionPlan,
        drained: Drained,
        rows_max: usize,
        started: Instant,
    ) -> Lowered<Vec<RecordBatch>> {
        let Drained::Rows(batches) = drained else {
            return Err(too_many(rows_max));
        };
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if rows > rows_max {
            return Err(too_many(rows_max));
        }
        if let Some(trace) = self.trace {
            trace.add(plan, rows, started);
        }
        Ok(batches)
    }
}

/// Between rows of a loop that waits for nothing: now and then a chance to cancel.
pub(super) async fn pause(row: usize) {
    const ROWS: usize = 4_096;
    if row % ROWS == ROWS - 1 {
        tokio::task::yield_now().await;
    }
}

fn too_many(rows_max: usize) -> LowerError {
    LowerError::Limit(format!(
        "an intermediate result has more than {rows_max} rows"
    ))
}

async fn drain(
    mut stream: SendableRecordBatchStream,
    memory: &MemoryReservation,
    rows_max: usize,
    fails_when_full: bool,
) -> Result<Drained, DataFusionError> {
    let mut batches = Vec::new();
    let mut rows = 0;
    let mut known = HashSet::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        if rows > rows_max {
            return Ok(Drained::TooMany);
        }
        match memory.try_grow(new_bytes(&batch, &mut known)) {
            Ok(()) => {}
            Err(full) if fails_when_full => return Err(full),
            Err(_) => return Ok(Drained::Full),
        }
        if batch.num_rows() > 0 {
            batches.push(batch);
        }
    }
    Ok(Drained::Rows(batches))
}

/// Bytes of batches; what several hold together counts once.
pub(super) fn bytes_of(batches: &[RecordBatch]) -> usize {
    let mut known = HashSet::new();
    let bytes = batches.iter().map(|batch| new_bytes(batch, &mut known));
    bytes.sum()
}

/// Bytes of a batch that no batch before it holds too: texts of many batches lie in one buffer.
fn new_bytes(batch: &RecordBatch, known: &mut HashSet<usize>) -> usize {
    let mut new = |buffer: &Buffer| {
        let is_new = known.insert(buffer.data_ptr().as_ptr() as usize);
        if is_new { buffer.capacity() } else { 0 }
    };
    let mut bytes = 0;
    let mut open: Vec<ArrayData> = batch.columns().iter().map(Array::to_data).collect();
    while let Some(data) = open.pop() {
        bytes += data.buffers().iter().map(&mut new).sum::<usize>();
        bytes += data.nulls().map_or(0, |nulls| new(nulls.buffer()));
        open.extend(data.child_data().iter().cloned());
    }
    bytes
}
