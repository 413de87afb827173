//! Walking a runbook: what has an outcome is passed, what has none is done.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::resolve::Facts;
use super::{Engine, Run, RunStatus, SagaError, StepOutcome, StepStatus};
use crate::incident::{Heading, TimelineEntry};
use crate::runbook::{OnFailure, Step};

/// Whether a walk goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// It does.
    On,
    /// A person is asked.
    Waits(String),
    /// A step failed.
    Failed {
        /// Why.
        reason: String,
        /// Whether what was done is taken back.
        undo: bool,
    },
}

/// One walk over one run.
pub(super) struct Walk<'a> {
    pub(super) engine: &'a Engine,
    pub(super) run: &'a Run,
    /// Outcomes as far as they are known; branches walk at the same time.
    pub(super) outcomes: Mutex<BTreeMap<String, StepOutcome>>,
}

impl Engine {
    pub(super) async fn walk(&self, run: Run) -> Result<Run, SagaError> {
        let runbook = match self.runbook_of(&run) {
            Ok(runbook) => runbook,
            Err(error) => {
                let why = error.to_string();
                return self.set(&run.run_id, RunStatus::Failed, &why).await;
            }
        };
        let walk = Walk {
            engine: self,
            run: &run,
            outcomes: Mutex::new(self.outcomes(&run.run_id).await?),
        };
        let flow = walk.block(&runbook.steps).await?;
        let ended = match flow {
            Flow::On => self.set(&run.run_id, RunStatus::Succeeded, "").await?,
            Flow::Waits(reason) => self.set(&run.run_id, RunStatus::Waiting, &reason).await?,
            Flow::Failed {
                reason,
                undo: false,
            } => self.set(&run.run_id, RunStatus::Failed, &reason).await?,
            Flow::Failed { reason, undo: true } => {
                let undoing = self.set(&run.run_id, RunStatus::Undoing, &reason).await?;
                return self.take_back(undoing).await;
            }
        };
        self.note_end(&ended).await;
        Ok(ended)
    }

    /// Tells the incident how a run ended. The run itself is the record: failing here is no
    /// reason to do anything again.
    pub(super) async fn note_end(&self, run: &Run) {
        let Some(incident) = &run.context.incident_id else {
            return;
        };
        let now = self.inner.ports.now();
        let entry = TimelineEntry {
            time: now,
            heading: Heading::Respond,
            kind: "runbook".to_owned(),
            text: ended_text(run),
            actor: run.author.clone(),
            key: format!("{}:{}", run.run_id, run.status.as_str()),
        };
        if let Err(error) = self.inner.incidents.note(incident, entry, now).await {
            tracing::warn!(run = %run.run_id, %error, "an incident could not be told how a run ended");
        }
    }
}

/// Told so that nobody reads a runbook's success as that of the attack after which it is named.
fn ended_text(run: &Run) -> String {
    let (title, status) = (&run.runbook_title, run.status.as_str());
    let reason = if run.reason.is_empty() { "" } else { ": " };
    format!(
        "run of the runbook \"{title}\": {status}{reason}{}",
        run.reason
    )
}

impl Walk<'_> {
    fn block<'b>(&'b self, steps: &'b [Step]) -> BoxFuture<'b, Result<Flow, SagaError>> {
        Box::pin(async move {
            for step in steps {
                let flow = self.one(step).await?;
                if flow != Flow::On {
                    return Ok(flow);
                }
            }
            Ok(Flow::On)
        })
    }

    async fn one(&self, step: &Step) -> Result<Flow, SagaError> {
        match step {
            Step::Action(step) => {
                let outcome = match self.action(step).await? {
                    Ok(outcome) => outcome,
                    Err(waits) => return Ok(waits),
                };
                let is_bad = matches!(outcome.status, StepStatus::Failed | StepStatus::Rejected);
                if !is_bad || step.on_failure == OnFailure::Continue {
                    return Ok(Flow::On);
                }
                Ok(Flow::Failed {
                    reason: format!("step {}: {}", step.id, outcome.reason),
                    undo: step.on_failure == OnFailure::Undo,
                })
            }
            Step::Parallel { branches, .. } => {
                // All branches end before one that failed counts: nothing is left half done.
                let walks = branches.iter().map(|branch| self.block(branch));
                let mut worst = Flow::On;
                for flow in futures::future::join_all(walks).await {
                    worst = worse(worst, flow?);
                }
                Ok(worst)
            }
            Step::If {
                condition,
                then,
                otherwise,
                ..
            } => {
                let holds = {
                    let outcomes = self.outcomes.lock().clone();
                    let facts = Facts {
                        context: &self.run.context,
                        outcomes: &outcomes,
                    };
                    condition.holds(&|name| facts.get(name))
                };
                self.block(if holds { then } else { otherwise }).await
            }
        }
    }
}

/// Waiting counts before failing: a branch that asks has to be answered before the run can end.
fn worse(a: Flow, b: Flow) -> Flow {
    match (&a, &b) {
        (Flow::Waits(_), _) => a,
        (_, Flow::Waits(_)) => b,
        (Flow::Failed { undo: true, .. }, _) => a,
        (_, Flow::Failed { .. }) => b,
        _ => a,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runbooks_end_is_not_read_as_an_attacks() {
        let mut run = Run {
            runbook_title: "Prompt injection".to_owned(),
            status: RunStatus::Succeeded,
            ..Run::default()
        };
        assert_eq!(
            ended_text(&run),
            "run of the runbook \"Prompt injection\": succeeded"
        );
        run.status = RunStatus::Failed;
        run.reason = "nobody approved".to_owned();
        assert_eq!(
            ended_text(&run),
            "run of the runbook \"Prompt injection\": failed: nobody approved"
        );
    }
}
