//! `/v1/runbooks` and `/v1/runs`: what is done when an attack is found.

use std::collections::BTreeMap;
use std::sync::Arc;

use atalaya_model::Timestamp;
use atalaya_respond::cacao;
use atalaya_respond::context::RunContext;
use atalaya_respond::responder::Responder;
use atalaya_respond::runbook::Runbook;
use atalaya_respond::saga::{Run, SagaError, plan};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::Call;
use crate::operation::{Operation, Resource, with};
use crate::problem::Problem;
use crate::reply::Reply;

/// What a run begins with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Start {
    /// Takes the facts of this alert.
    alert: Option<String>,
    /// Belongs to this incident, and takes the facts of its last alert.
    incident: Option<String>,
    /// Facts that win over those of the alert.
    facts: BTreeMap<String, Value>,
    /// Only says what would happen.
    dry_run: bool,
}

/// An answer to a step that asks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// Id of the step.
    step: String,
    /// Whether it may be done.
    approved: bool,
}

impl From<SagaError> for Problem {
    fn from(error: SagaError) -> Self {
        match error {
            SagaError::Incident(error) => error.into(),
            SagaError::NotFound(why) => Self::not_found(why),
            SagaError::Refused(why) => Self::conflict(why),
            SagaError::Store(error) => Self::internal(error),
        }
    }
}

fn summary(runbook: &Runbook) -> Value {
    let techniques = runbook.triggers.iter().flat_map(|t| t.techniques.clone());
    json!({
        "id": runbook.id, "title": runbook.title, "description": runbook.description,
        "version": runbook.version, "sha256": runbook.hash, "enabled": runbook.enabled,
        "origin": runbook.origin.to_string(), "techniques": techniques.collect::<Vec<_>>(),
    })
}

fn find(responder: &Responder, id: &str) -> Result<Arc<Runbook>, Problem> {
    let runbooks = responder.runbooks();
    let found = runbooks.runbook(id).cloned();
    found.ok_or_else(|| Problem::not_found(format!("there is no runbook {id}")))
}

async fn list(responder: Arc<Responder>, _call: Call) -> Result<Reply, Problem> {
    let runbooks = responder.runbooks();
    let all: Vec<Value> = runbooks.runbooks().map(|r| summary(r)).collect();
    Reply::json(&all)
}

async fn show(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let runbook = find(&responder, call.parameter("id"))?;
    let mut shown = summary(&runbook);
    shown["text"] = runbook.text.clone().into();
    Reply::json(&shown)
}

async fn export(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let runbook = find(&responder, call.parameter("id"))?;
    Reply::json(&cacao::export(&runbook))
}

async fn start(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let runbook = find(&responder, call.parameter("id"))?;
    let start: Start = call.json_or_default()?;
    let is_dry = start.dry_run;
    let context = context(&responder, start).await?;
    if is_dry {
        return Reply::json(&plan::plan(&runbook, &context, &BTreeMap::new()));
    }
    let engine = responder.engine();
    let incident = context.incident_id.clone();
    let (run, _) = engine
        .create(&runbook, context, call.author(), None)
        .await?;
    if let Some(incident) = incident {
        let incidents = responder.incidents();
        incidents
            .attach(&incident, Some(&run.run_id), None, Timestamp::now())
            .await?;
    }
    // Driven beside the answer: a run may take longer than a request.
    let (driven, run_id) = (Arc::clone(&responder), run.run_id.clone());
    tokio::spawn(async move { driven.engine().drive(&run_id).await.map(|_| ()) });
    Reply::created(&json!({"run_id": run.run_id, "status": run.status.as_str()}))
}

async fn context(responder: &Responder, start: Start) -> Result<RunContext, Problem> {
    let (mut alert_id, mut incident_id) = (start.alert, None);
    if let Some(id) = &start.incident {
        let incident = responder.incidents().find(id).await?;
        alert_id = alert_id.or_else(|| incident.alert_ids.last().cloned());
        incident_id = Some(incident.incident_id);
    }
    let mut context = RunContext {
        incident_id: incident_id.clone(),
        ..RunContext::default()
    };
    if let Some(id) = alert_id {
        let found = responder.engine().ports().alerts.alert(&id).await;
        let alert = found
            .map_err(Problem::internal)?
            .ok_or_else(|| Problem::not_found(format!("there is no alert {id}")))?;
        context = RunContext::of_alert(&alert, incident_id.as_deref());
    }
    context.facts.extend(start.facts);
    Ok(context)
}

async fn history(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let runs = responder
        .engine()
        .history(call.query("runbook"), call.query("incident"))
        .await?;
    let limit = call.number("limit", 100, 10_000)?;
    let limit = usize::try_from(limit).unwrap_or(100);
    let listed: Vec<Value> = runs.iter().take(limit).map(brief).collect();
    Reply::json(&listed)
}

fn brief(run: &Run) -> Value {
    json!({
        "run_id": run.run_id, "runbook": run.runbook_id, "version": run.runbook_version,
        "sha256": run.runbook_hash, "status": run.status.as_str(), "reason": run.reason,
        "author": run.author, "incident": run.context.incident_id,
        "started": run.started.to_rfc3339(), "ended": run.ended.map(Timestamp::to_rfc3339),
    })
}

async fn whole(responder: &Responder, run: &Run) -> Result<Reply, Problem> {
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let steps = responder.engine().steps(&run.run_id).await?;
    let steps = steps.iter().map(|step| {
        json!({
            "step": step.step_id, "key": step.key, "intent": value(&step.intent),
            "outcome": step.outcome.as_deref().map(value), "attempts": step.attempts,
            "begun": step.begun.to_rfc3339(), "ended": step.ended.map(Timestamp::to_rfc3339),
        })
    });
    let mut shown = brief(run);
    shown["steps"] = steps.collect();
    Reply::json(&shown)
}

async fn show_run(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let run = responder.engine().find(call.parameter("id")).await?;
    whole(&responder, &run).await
}

async fn answer(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let Answer { step, approved } = call.json()?;
    let engine = responder.engine();
    let run = engine
        .answer(call.parameter("id"), &step, approved, call.author())
        .await?;
    whole(&responder, &run).await
}

async fn undo(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let engine = responder.engine();
    let run = engine.undo(call.parameter("id"), call.author()).await?;
    whole(&responder, &run).await
}

/// Runbooks and their runs.
#[must_use]
pub fn resource(responder: &Arc<Responder>) -> Resource {
    Resource {
        name: "runbooks",
        doc: "What is done when an attack is found, and what was done.",
        operations: vec![
            Operation::get("/v1/runbooks", "List runbooks", with(responder, list)),
            Operation::get("/v1/runbooks/{id}", "Show a runbook", with(responder, show)),
            Operation::get(
                "/v1/runbooks/{id}/cacao",
                "A runbook as a CACAO 2.0 playbook",
                with(responder, export),
            ),
            Operation::post(
                "/v1/runbooks/{id}/run",
                "Start a runbook, or say what it would do",
                with(responder, start),
            )
            .takes::<Start>(),
            Operation::get("/v1/runs", "List runs", with(responder, history))
                .query("runbook", "id of a runbook")
                .query("incident", "id of an incident")
                .query("limit", "most runs"),
            Operation::get(
                "/v1/runs/{id}",
                "Show a run with its steps",
                with(responder, show_run),
            ),
            Operation::post(
                "/v1/runs/{id}/answer",
                "Approve or reject a step that asks",
                with(responder, answer),
            )
            .takes::<Answer>(),
            Operation::post(
                "/v1/runs/{id}/undo",
                "Take back what a run did",
                with(responder, undo),
            ),
        ],
    }
}
