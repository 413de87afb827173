//! What each executed step did, for `explain`.

use std::time::Instant;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use parking_lot::Mutex;

/// One plan that a query executed: let-bound rows and whatever an operator needs as a whole have
/// plans of their own, before that of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The plan, an operator per line, with what it measured: rows, time, what was pruned.
    pub plan: String,
    /// Rows that came out.
    pub rows: usize,
    /// How long it ran, microseconds.
    pub elapsed_us: u64,
}

/// Steps so far.
#[derive(Debug, Default)]
pub(crate) struct Trace(Mutex<Vec<Step>>);

impl Trace {
    pub(super) fn add(&self, plan: &dyn ExecutionPlan, rows: usize, started: Instant) {
        let plan = DisplayableExecutionPlan::with_metrics(plan)
            .indent(true)
            .to_string();
        let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.lock().push(Step {
            plan,
            rows,
            elapsed_us,
        });
    }

    /// A sort in memory, which is no operator of a plan.
    pub(super) fn add_sort(&self, keys: usize, rows: usize, started: Instant) {
        let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.lock().push(Step {
            plan: format!("KqlSort: by {keys} keys, in memory, metrics=[output_rows={rows}]\n"),
            rows,
            elapsed_us,
        });
    }

    pub(crate) fn take(&self) -> Vec<Step> {
        std::mem::take(&mut self.0.lock())
    }
}
