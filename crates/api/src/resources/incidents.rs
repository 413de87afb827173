//! `/v1/incidents`: what alerts have become, and what is done about it.

use std::sync::Arc;

use atalaya_model::{Severity, Timestamp};
use atalaya_respond::incident::{
    Disposition, Heading, Incident, IncidentError, IncidentFilter, IncidentStatus, Task, Update,
};
use atalaya_respond::responder::Responder;
use atalaya_store::AlertFilter;
use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::operation::{Operation, Resource, Right, with};
use crate::problem::Problem;
use crate::reply::Reply;

/// A change by an analyst; members that are not there stay as they are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Change {
    /// new, active, contained, closed.
    status: Option<String>,
    /// Who works on it.
    owner: Option<String>,
    /// informational, low, medium, high, critical.
    severity: Option<String>,
    /// `true_positive`, `benign_positive`, `false_positive`, undetermined.
    disposition: Option<String>,
    /// Title.
    title: Option<String>,
    /// A remark.
    comment: Option<String>,
}

/// A task to be added.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewTask {
    /// What is to be done.
    title: String,
    /// By whom.
    #[serde(default)]
    assignee: String,
    /// detect, respond, recover, improve.
    #[serde(default)]
    heading: Option<String>,
}

/// The other incident.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Merge {
    /// Id of the incident that this one becomes part of.
    into: String,
}

/// Alerts that move.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Split {
    /// Ids of alerts.
    alerts: Vec<String>,
}

impl From<IncidentError> for Problem {
    fn from(error: IncidentError) -> Self {
        match error {
            IncidentError::NotFound(why) => Self::not_found(why),
            IncidentError::Refused(why) => Self::conflict(why),
            IncidentError::Store(error) => Self::internal(error),
        }
    }
}

/// One of the values of an enumeration that serde names.
fn named<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Problem> {
    serde_json::from_value(text.into())
        .map_err(|_| Problem::invalid(format!("`{name}: {text}` is not known")))
}

fn maybe<T: DeserializeOwned>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    text.map(|text| named(name, text)).transpose()
}

async fn alerts(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let filter = AlertFilter {
        rule_id: call.query("rule").map(str::to_owned),
        severity_min: maybe("severity", call.query("severity"))?,
        status: maybe("status", call.query("status"))?,
        technique: call.query("technique").map(str::to_owned),
        entity: call.query("entity").map(str::to_owned),
        limit: call.number("limit", 100, atalaya_store::ALERTS_LISTED_MAX)?,
        ..AlertFilter::default()
    };
    let found = responder.engine().ports().alerts.alerts(&filter).await;
    Reply::json(&found.map_err(Problem::internal)?)
}

async fn list(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let statuses: Option<IncidentStatus> = maybe("status", call.query("status"))?;
    let severity_min: Option<Severity> = maybe("severity", call.query("severity"))?;
    let filter = IncidentFilter {
        statuses: statuses.into_iter().collect(),
        severity_min,
        entity: call.query("entity").map(str::to_owned),
        technique: call.query("technique").map(str::to_owned),
        owner: call.query("owner").map(str::to_owned),
        limit: call.number("limit", 100, 10_000)?,
    };
    Reply::json(&responder.incidents().list(&filter).await?)
}

async fn show(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    Reply::json(&responder.incidents().find(call.parameter("id")).await?)
}

async fn update(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let change: Change = call.json()?;
    let disposition: Option<Disposition> = maybe("disposition", change.disposition.as_deref())?;
    let update = Update {
        status: maybe("status", change.status.as_deref())?,
        owner: change.owner,
        severity: maybe("severity", change.severity.as_deref())?,
        disposition,
        title: change.title,
        comment: change.comment,
    };
    let incidents = responder.incidents();
    let changed = incidents.update(
        call.parameter("id"),
        &update,
        call.author(),
        Timestamp::now(),
    );
    Reply::json(&changed.await?)
}

async fn add_task(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let new: NewTask = call.json()?;
    let heading: Option<Heading> = maybe("heading", new.heading.as_deref())?;
    let task = Task {
        number: 0,
        heading: heading.unwrap_or_default(),
        title: new.title,
        assignee: new.assignee,
        done: false,
        key: String::new(),
    };
    let incidents = responder.incidents();
    let id = incidents.find(call.parameter("id")).await?.incident_id;
    Reply::created(&incidents.add_task(&id, task, Timestamp::now()).await?)
}

async fn finish_task(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let number = call.parameter("number").parse();
    let number = number.map_err(|_| Problem::invalid("the task is no number"))?;
    let incidents = responder.incidents();
    let changed = incidents.set_task(call.parameter("id"), number, true, Timestamp::now());
    Reply::json(&changed.await?)
}

async fn merge(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let Merge { into } = call.json()?;
    let incidents = responder.incidents();
    let merged = incidents.merge(call.parameter("id"), &into, call.author(), Timestamp::now());
    Reply::json(&merged.await?)
}

async fn split(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let Split { alerts } = call.json()?;
    let incidents = responder.incidents();
    let split = incidents.split(
        call.parameter("id"),
        &alerts,
        call.author(),
        Timestamp::now(),
    );
    let made: Incident = split.await?;
    Reply::created(&made)
}

/// Alerts and incidents.
#[must_use]
pub fn resource(responder: &Arc<Responder>) -> Resource {
    let one = "/v1/incidents/{id}";
    Resource {
        name: "incidents",
        doc: "What alerts have become, and what is done about it.",
        operations: vec![
            Operation::get(
                "/v1/alerts",
                "List alerts, youngest first",
                with(responder, alerts),
            )
            .query("rule", "id of a rule")
            .query("severity", "least severity")
            .query("status", "new, active, closed")
            .query(
                "technique",
                "ATLAS technique; a parent includes its sub-techniques",
            )
            .query("entity", "value of any entity")
            .query("limit", "most alerts"),
            Operation::get("/v1/incidents", "List incidents", with(responder, list))
                .query("status", "new, active, contained, closed, merged")
                .query("severity", "least severity")
                .query("entity", "value of any entity")
                .query("technique", "exact ATLAS technique")
                .query("owner", "who works on it")
                .query("limit", "most incidents"),
            Operation::get(one, "Show an incident", with(responder, show)),
            Operation::new(
                Method::PATCH,
                one,
                Right::Write,
                "Change status, owner, severity, disposition; comment",
                with(responder, update),
            )
            .takes::<Change>(),
            Operation::post(
                "/v1/incidents/{id}/tasks",
                "Add a task",
                with(responder, add_task),
            )
            .takes::<NewTask>(),
            Operation::post(
                "/v1/incidents/{id}/tasks/{number}/done",
                "Mark a task as done",
                with(responder, finish_task),
            ),
            Operation::post(
                "/v1/incidents/{id}/merge",
                "Make it part of another incident",
                with(responder, merge),
            )
            .takes::<Merge>(),
            Operation::post(
                "/v1/incidents/{id}/split",
                "Move alerts into a new incident",
                with(responder, split),
            )
            .takes::<Split>(),
        ],
    }
}
