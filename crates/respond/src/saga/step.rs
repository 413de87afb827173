//! One step: asked for, noted, done, noted.

use std::time::Duration;

use atalaya_model::Timestamp;
use atalaya_store::StepEntry;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::resolve::Facts;
use super::walk::{Flow, Walk};
use super::{Engine, Run, SagaError, StepOutcome, StepStatus, read_outcome};
use crate::actions::{self, ActionError, Call};
use crate::duration::{format, micros};
use crate::incident::{Heading, TimelineEntry};
use crate::ports::{Moment, Parameters};
use crate::runbook::{ActionStep, Approval, Retry};

/// Longest pause between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// How the reason of a step begins whose condition does not hold.
const NOT_WANTED: &str = "not wanted";

/// What a step is about to do, as it is written before it does anything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) action: String,
    pub(super) title: String,
    pub(super) with: Parameters,
}

/// The step that asks a person about another step.
fn approval_id(step_id: &str) -> String {
    format!("{step_id}?")
}

impl Walk<'_> {
    /// The outcome of a step, now or from before; or that the run waits.
    pub(super) async fn action(
        &self,
        step: &ActionStep,
    ) -> Result<Result<StepOutcome, Flow>, SagaError> {
        let known = self.outcomes.lock().get(&step.id).cloned();
        if let Some(known) = known {
            // A crash may have come between the outcome and telling the incident of it.
            if !known.reason.starts_with(NOT_WANTED) {
                self.engine.tell(self.run, step, &known).await;
            }
            return Ok(Ok(known));
        }
        let outcomes = self.outcomes.lock().clone();
        let facts = Facts {
            context: &self.run.context,
            outcomes: &outcomes,
        };
        let is_wanted = step
            .when
            .as_ref()
            .is_none_or(|when| when.holds(&|name| facts.get(name)));
        let intent = Intent {
            action: step.action.clone(),
            title: step.title.clone(),
            with: facts.resolve(&step.with),
        };
        if !is_wanted {
            let text = step.when.as_ref().map_or("", |when| when.text());
            let outcome = StepOutcome {
                status: StepStatus::Skipped,
                reason: format!("{NOT_WANTED}: {text}"),
                ..StepOutcome::default()
            };
            return Ok(Ok(self.write_down(&step.id, &intent, outcome).await?));
        }
        if let Some(approval) = &step.approval {
            match self.ask(step, approval).await? {
                Answer::Yes => {}
                Answer::Open(flow) => return Ok(Err(flow)),
                Answer::No(reason) => {
                    let outcome = StepOutcome {
                        status: StepStatus::Rejected,
                        reason,
                        ..StepOutcome::default()
                    };
                    return Ok(Ok(self.write_down(&step.id, &intent, outcome).await?));
                }
            }
        }
        let outcome = self
            .engine
            .perform(self.run, &step.id, &intent, (step.timeout, step.retry))
            .await?;
        self.outcomes
            .lock()
            .insert(step.id.clone(), outcome.clone());
        self.engine.tell(self.run, step, &outcome).await;
        Ok(Ok(outcome))
    }

    /// A step that ended without doing anything.
    async fn write_down(
        &self,
        step_id: &str,
        intent: &Intent,
        outcome: StepOutcome,
    ) -> Result<StepOutcome, SagaError> {
        let outcome = self
            .engine
            .write_down(self.run, step_id, intent, outcome)
            .await?;
        self.outcomes
            .lock()
            .insert(step_id.to_owned(), outcome.clone());
        Ok(outcome)
    }

    async fn ask(&self, step: &ActionStep, approval: &Approval) -> Result<Answer, SagaError> {
        let ports = &self.engine.inner.ports;
        let now = ports.now();
        let id = approval_id(&step.id);
        let ends = Timestamp(now.0.saturating_add(micros(approval.timeout)));
        let entry = ports
            .documents
            .begin_step(StepEntry {
                run_id: self.run.run_id.clone(),
                step_id: id.clone(),
                key: format!("{}/{id}", self.run.run_id),
                intent: json!({
                    "asks": step.title, "by": approval.by, "deadline": ends.to_rfc3339(),
                    "deadline_us": ends.0,
                })
                .to_string(),
                begun: now,
                ..StepEntry::default()
            })
            .await?;
        let outcome = match entry.outcome.as_deref() {
            Some(text) => read_outcome(text),
            None => {
                let until = deadline(&entry);
                if now < until {
                    let until = until.to_rfc3339();
                    return Ok(Answer::Open(Flow::Waits(format!(
                        "step {} asks for approval until {until}",
                        step.id
                    ))));
                }
                let status = if approval.approve_by_default {
                    StepStatus::Done
                } else {
                    StepStatus::Rejected
                };
                let outcome = StepOutcome {
                    status,
                    reason: format!("nobody answered within {}", format(approval.timeout)),
                    ..StepOutcome::default()
                };
                self.engine.end(&self.run.run_id, &id, &outcome).await?
            }
        };
        Ok(if outcome.status == StepStatus::Done {
            Answer::Yes
        } else {
            Answer::No(outcome.reason)
        })
    }
}

/// Until when an answer is waited for.
pub(super) fn deadline(entry: &StepEntry) -> Timestamp {
    let asked: serde_json::Value = serde_json::from_str(&entry.intent).unwrap_or_default();
    let until = asked.get("deadline_us").and_then(serde_json::Value::as_i64);
    Timestamp(until.unwrap_or(0))
}

enum Answer {
    Yes,
    No(String),
    Open(Flow),
}

impl Engine {
    /// Does a step, unless it has an outcome already.
    pub(super) async fn perform(
        &self,
        run: &Run,
        step_id: &str,
        intent: &Intent,
        limits: (Duration, Retry),
    ) -> Result<StepOutcome, SagaError> {
        let ports = &self.inner.ports;
        ports.at(step_id, Moment::BeforeIntent);
        let entry = self.begin(run, step_id, intent).await?;
        if let Some(outcome) = entry.outcome.as_deref() {
            return Ok(read_outcome(outcome));
        }
        ports.at(step_id, Moment::AfterIntent);
        // What was intended first counts, also after a crash.
        let intended: Intent =
            serde_json::from_str(&entry.intent).unwrap_or_else(|_| intent.clone());
        let call = self.call(run, &entry.key, &intended);
        let result = self.attempt(&intended.action, &call, limits).await;
        ports.at(step_id, Moment::AfterEffect);
        let outcome = self.end(&run.run_id, step_id, &outcome_of(result)).await?;
        ports.at(step_id, Moment::AfterOutcome);
        Ok(outcome)
    }

    pub(super) fn call(&self, run: &Run, key: &str, intent: &Intent) -> Call {
        Call {
            key: key.to_owned(),
            run_id: run.run_id.clone(),
            runbook_id: run.runbook_id.clone(),
            title: intent.title.clone(),
            author: run.author.clone(),
            with: intent.with.clone(),
            context: run.context.clone(),
        }
    }

    pub(super) async fn begin(
        &self,
        run: &Run,
        step_id: &str,
        intent: &Intent,
    ) -> Result<StepEntry, SagaError> {
        let ports = &self.inner.ports;
        Ok(ports
            .documents
            .begin_step(StepEntry {
                run_id: run.run_id.clone(),
                step_id: step_id.to_owned(),
                key: format!("{}/{step_id}", run.run_id),
                intent: serde_json::to_string(intent).unwrap_or_default(),
                begun: ports.now(),
                ..StepEntry::default()
            })
            .await?)
    }

    /// Writes an outcome; if there was one, that one counts.
    pub(super) async fn end(
        &self,
        run_id: &str,
        step_id: &str,
        outcome: &StepOutcome,
    ) -> Result<StepOutcome, SagaError> {
        let ports = &self.inner.ports;
        let text = serde_json::to_string(outcome).unwrap_or_default();
        let documents = &ports.documents;
        if documents
            .end_step(run_id, step_id, text, ports.now())
            .await?
        {
            return Ok(outcome.clone());
        }
        let known = documents.steps(run_id).await?;
        let written = known.into_iter().find(|entry| entry.step_id == step_id);
        Ok(written
            .and_then(|entry| entry.outcome)
            .map_or_else(|| outcome.clone(), |text| read_outcome(&text)))
    }

    async fn write_down(
        &self,
        run: &Run,
        step_id: &str,
        intent: &Intent,
        outcome: StepOutcome,
    ) -> Result<StepOutcome, SagaError> {
        self.begin(run, step_id, intent).await?;
        self.end(&run.run_id, step_id, &outcome).await
    }

    /// Tries an action as often as it may be tried.
    async fn attempt(
        &self,
        name: &str,
        call: &Call,
        (timeout, retry): (Duration, Retry),
    ) -> Result<serde_json::Value, ActionError> {
        let action = actions::find(name)
            .ok_or_else(|| ActionError::Final(format!("there is no action `{name}`")))?;
        let mut pause = retry.backoff;
        let mut attempt = 1;
        loop {
            let result =
                match tokio::time::timeout(timeout, action.run(call, &self.inner.ports)).await {
                    Ok(result) => result,
                    Err(_) => Err(ActionError::Retry(format!(
                        "no end within {}",
                        format(timeout)
                    ))),
                };
            match result {
                Err(ActionError::Retry(why)) if attempt < retry.attempts => {
                    tracing::warn!(step = %call.key, attempt, why, "a step is tried again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(BACKOFF_MAX);
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// Tells the incident what a step did.
    async fn tell(&self, run: &Run, step: &ActionStep, outcome: &StepOutcome) {
        let Some(incident) = &run.context.incident_id else {
            return;
        };
        let now = self.inner.ports.now();
        let is_done = outcome.status == StepStatus::Done;
        let entry = TimelineEntry {
            time: now,
            heading: step.heading,
            kind: if is_done {
                step.action.clone()
            } else {
                format!("{}_not_done", step.action)
            },
            text: told(step, outcome),
            actor: run.author.clone(),
            key: format!("{}/{}", run.run_id, step.id),
        };
        let bundle = outcome.output.get("bundle").and_then(|b| b.as_str());
        let incidents = &self.inner.incidents;
        let told = async {
            incidents.note(incident, entry, now).await?;
            if let Some(bundle) = bundle {
                incidents.attach(incident, None, Some(bundle), now).await?;
            }
            Ok::<(), crate::incident::IncidentError>(())
        };
        if let Err(error) = told.await {
            tracing::warn!(run = %run.run_id, %error, "an incident could not be told what a step did");
        }
    }

    pub(super) async fn write_answer(
        &self,
        run: &Run,
        step_id: &str,
        approved: bool,
        by: &str,
    ) -> Result<(), SagaError> {
        let runbook = self.runbook_of(run)?;
        let approval = runbook
            .action_step(step_id)
            .and_then(|step| step.approval.as_ref())
            .ok_or_else(|| {
                SagaError::NotFound(format!("step {step_id} of the run asks for nothing"))
            })?;
        if !approval.by.is_empty() && !approval.by.iter().any(|known| known == by) {
            return Err(SagaError::Refused(format!(
                "{by} may not answer; {} may",
                approval.by.join(", ")
            )));
        }
        let id = approval_id(step_id);
        let answer = if approved { "approved" } else { "rejected" };
        let outcome = StepOutcome {
            status: if approved {
                StepStatus::Done
            } else {
                StepStatus::Rejected
            },
            output: json!({"by": by}),
            reason: format!("{answer} by {by}"),
        };
        let ports = &self.inner.ports;
        let text = serde_json::to_string(&outcome).unwrap_or_default();
        if !ports
            .documents
            .end_step(&run.run_id, &id, text, ports.now())
            .await?
        {
            return Err(SagaError::Refused(format!(
                "step {step_id} does not ask now: it was answered, or the run has not come so far"
            )));
        }
        if let Some(incident) = &run.context.incident_id {
            let now = ports.now();
            let entry = TimelineEntry {
                time: now,
                heading: Heading::Respond,
                kind: "approval".to_owned(),
                text: format!("step {step_id} {answer}"),
                actor: by.to_owned(),
                key: format!("{}/{id}", run.run_id),
            };
            self.inner.incidents.note(incident, entry, now).await?;
        }
        Ok(())
    }
}

/// What a step did, in words: with what a query found, or on what terms a measure was imposed.
fn told(step: &ActionStep, outcome: &StepOutcome) -> String {
    let mut text = step.title.clone();
    if !outcome.reason.is_empty() {
        text.push_str(&format!(": {}", outcome.reason));
    }
    let output = |name: &str| outcome.output.get(name);
    if let Some(rows) = output("rows").and_then(serde_json::Value::as_u64) {
        text.push_str(&format!(": {rows} rows, attached to the run"));
    }
    if let (Some(kind), Some(value)) = (output("kind"), output("value")) {
        let text_of = crate::context::text_of;
        text.push_str(&format!(": {} {}", text_of(kind), text_of(value)));
        if let Some(until) = output("expires").filter(|until| !until.is_null()) {
            text.push_str(&format!(" until {}", text_of(until)));
        }
    }
    if let Some(note) = output("note") {
        text.push_str(&format!(" ({})", crate::context::text_of(note)));
    }
    text
}

pub(super) fn outcome_of(result: Result<serde_json::Value, ActionError>) -> StepOutcome {
    match result {
        Ok(output) => StepOutcome {
            status: StepStatus::Done,
            output,
            reason: String::new(),
        },
        Err(ActionError::Skipped(reason)) => StepOutcome {
            status: StepStatus::Skipped,
            reason,
            ..StepOutcome::default()
        },
        Err(error) => StepOutcome {
            status: StepStatus::Failed,
            reason: error.to_string(),
            ..StepOutcome::default()
        },
    }
}
