//! Taking back what a run did: every step that was done, the last one first.
//!
//! Each undo is a step of its own in the log, with its own intent and outcome, so that a crash
//! in the middle of taking back is no worse than one in the middle of doing.

use serde_json::Value;

use super::resolve::Facts;
use super::step::{Intent, outcome_of};
use super::{Engine, Run, RunStatus, SagaError, StepOutcome, StepStatus, read_outcome};
use crate::actions::{self, ActionError, Call};
use crate::incident::{Heading, TimelineEntry};
use crate::ports::{Moment, Parameters};
use crate::runbook::ActionStep;

impl Engine {
    pub(super) async fn take_back(&self, run: Run) -> Result<Run, SagaError> {
        let runbook = self.runbook_of(&run)?;
        let mut failures = Vec::new();
        let entries = self.inner.ports.documents.steps(&run.run_id).await?;
        for entry in entries.iter().rev() {
            let Some(step) = runbook.action_step(&entry.step_id) else {
                continue;
            };
            // Without an outcome nobody knows whether it was done: it is taken back too.
            let outcome = entry.outcome.as_deref().map(read_outcome);
            let output = match outcome {
                Some(outcome) if outcome.status != StepStatus::Done => continue,
                Some(outcome) => outcome.output,
                None => serde_json::json!({"id": entry.key}),
            };
            let done: Intent = serde_json::from_str(&entry.intent)
                .map_err(|_| SagaError::Refused("a step's intent cannot be read".to_owned()))?;
            let intent = match &step.undo {
                Some((action, with)) => Intent {
                    action: action.clone(),
                    title: format!("undo of {}", step.title),
                    with: self.undo_parameters(&run, with).await?,
                },
                None => done.clone(),
            };
            let id = format!("undo:{}", entry.step_id);
            let own_way = step.undo.is_some();
            let undone = self
                .take_back_one(&run, &id, &intent, (&output, own_way))
                .await?;
            self.tell_undone(&run, step, &id, &undone).await;
            if undone.status == StepStatus::Failed {
                failures.push(format!("{}: {}", entry.step_id, undone.reason));
            }
        }
        let ended = if failures.is_empty() {
            self.set(&run.run_id, RunStatus::Undone, &run.reason)
                .await?
        } else {
            let reason = format!("not everything could be undone: {}", failures.join("; "));
            self.set(&run.run_id, RunStatus::Failed, &reason).await?
        };
        self.note_end(&ended).await;
        Ok(ended)
    }

    /// Tells the incident what was taken back. What cannot be is no news.
    async fn tell_undone(&self, run: &Run, step: &ActionStep, id: &str, outcome: &StepOutcome) {
        let Some(incident) = &run.context.incident_id else {
            return;
        };
        if outcome.status != StepStatus::Done {
            return;
        }
        let now = self.inner.ports.now();
        let entry = TimelineEntry {
            time: now,
            heading: Heading::Recover,
            kind: format!("{}_undone", step.action),
            text: format!("taken back: {}", step.title),
            actor: run.author.clone(),
            key: format!("{}/{id}", run.run_id),
        };
        if let Err(error) = self.inner.incidents.note(incident, entry, now).await {
            tracing::warn!(run = %run.run_id, %error, "an incident could not be told what was taken back");
        }
    }

    async fn undo_parameters(&self, run: &Run, with: &Parameters) -> Result<Parameters, SagaError> {
        let outcomes = self.outcomes(&run.run_id).await?;
        let facts = Facts {
            context: &run.context,
            outcomes: &outcomes,
        };
        Ok(facts.resolve(with))
    }

    async fn take_back_one(
        &self,
        run: &Run,
        id: &str,
        intent: &Intent,
        (output, own_way): (&Value, bool),
    ) -> Result<StepOutcome, SagaError> {
        let ports = &self.inner.ports;
        ports.at(id, Moment::BeforeIntent);
        let entry = self.begin(run, id, intent).await?;
        if let Some(outcome) = entry.outcome.as_deref() {
            return Ok(read_outcome(outcome));
        }
        ports.at(id, Moment::AfterIntent);
        let call = self.call(run, &entry.key, intent);
        let result = self.undo_once(&intent.action, &call, output, own_way).await;
        ports.at(id, Moment::AfterEffect);
        let outcome = self.end(&run.run_id, id, &outcome_of(result)).await?;
        ports.at(id, Moment::AfterOutcome);
        Ok(outcome)
    }

    async fn undo_once(
        &self,
        name: &str,
        call: &Call,
        output: &Value,
        own_way: bool,
    ) -> Result<Value, ActionError> {
        /// Attempts to take a step back.
        const ATTEMPTS: u32 = 3;
        let action = actions::find(name)
            .ok_or_else(|| ActionError::Final(format!("there is no action `{name}`")))?;
        let ports = &self.inner.ports;
        let mut pause = std::time::Duration::from_millis(500);
        for attempt in 1.. {
            let result = if own_way {
                action.run(call, ports).await
            } else {
                action.undo(call, output, ports).await
            };
            match result {
                Err(ActionError::Retry(_)) if attempt < ATTEMPTS => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                other => return other,
            }
        }
        Err(ActionError::Retry("it could not be taken back".to_owned()))
    }
}
