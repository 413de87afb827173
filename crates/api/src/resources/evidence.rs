//! `/v1/evidence`, `/v1/holds`: bundles, the chain of custody, legal holds.

use std::sync::Arc;

use atalaya_model::Timestamp;
use atalaya_respond::evidence::{Hold, check_custody, holds, release, set_hold};
use atalaya_respond::ports::{PortError, PreserveRequest};
use atalaya_respond::responder::Responder;
use atalaya_respond::uuid_of;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::Call;
use crate::operation::{Operation, Resource, with};
use crate::problem::Problem;
use crate::reply::Reply;

/// What is kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Preserve {
    /// Id of an incident.
    incident: Option<String>,
    /// Ids of alerts.
    alerts: Vec<String>,
    /// Ids of records.
    records: Vec<String>,
    /// Makes the request happen once.
    key: Option<String>,
}

/// What must not be deleted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewHold {
    /// Why.
    reason: String,
    /// Incident or case.
    #[serde(default)]
    case: String,
    /// Tables; all if empty.
    #[serde(default)]
    tables: Vec<String>,
    /// From here on (RFC 3339).
    #[serde(default)]
    from: Option<String>,
    /// Up to here (RFC 3339).
    #[serde(default)]
    until: Option<String>,
}

fn fresh_key() -> String {
    format!("api/{}", Timestamp::now().0)
}

async fn create(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let asked: Preserve = call.json()?;
    if asked.incident.is_none() && asked.alerts.is_empty() && asked.records.is_empty() {
        return Err(Problem::invalid("name an incident, alerts or records"));
    }
    let mut request = PreserveRequest {
        key: asked.key.unwrap_or_else(fresh_key),
        incident_id: None,
        alert_ids: asked.alerts,
        record_ids: asked.records,
        author: call.author().to_owned(),
    };
    if let Some(id) = &asked.incident {
        let incident = responder.incidents().find(id).await?;
        request.alert_ids.extend(incident.alert_ids);
        request.incident_id = Some(incident.incident_id);
    }
    let keeper = responder.engine().ports().evidence.clone();
    let keeper = keeper.ok_or_else(|| Problem::internal("no decision log is at hand"))?;
    let made = keeper
        .preserve(&request)
        .await
        .map_err(|error| match error {
            PortError::Retry(why) => Problem::internal(why),
            PortError::Final(why) => Problem::conflict(why),
        })?;
    if let (Some(incident), Some(bundle)) = (&request.incident_id, made["bundle"].as_str()) {
        let incidents = responder.incidents();
        incidents
            .attach(incident, None, Some(bundle), Timestamp::now())
            .await?;
    }
    Reply::created(&made)
}

async fn custody(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let documents = &responder.engine().ports().documents;
    let all = documents.custody("").await.map_err(Problem::internal)?;
    let bad = check_custody(&all);
    let wanted = call.query("subject");
    let lines: Vec<Value> = all
        .iter()
        .filter(|entry| wanted.is_none_or(|subject| entry.subject == subject))
        .map(|entry| {
            json!({
                "seq": entry.seq, "time": entry.time.to_rfc3339(), "actor": entry.actor,
                "action": entry.action, "subject": entry.subject, "hash": entry.hash,
                "details": serde_json::from_str::<Value>(&entry.details).unwrap_or_default(),
            })
        })
        .collect();
    Reply::json(&json!({"first_bad": bad, "entries": lines}))
}

async fn list_holds(responder: Arc<Responder>, _call: Call) -> Result<Reply, Problem> {
    let documents = responder.engine().ports().documents.as_ref();
    Reply::json(&holds(documents).await.map_err(Problem::internal)?)
}

async fn hold(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let new: NewHold = call.json()?;
    let time = |text: Option<String>| match text {
        None => Ok(None),
        Some(text) => Timestamp::parse_rfc3339(&text)
            .map(Some)
            .ok_or_else(|| Problem::invalid(format!("`{text}` is no time (RFC 3339)"))),
    };
    let hold = Hold {
        hold_id: uuid_of(&fresh_key()),
        case_id: new.case,
        tables: new.tables,
        from: time(new.from)?.unwrap_or_default(),
        until: time(new.until)?,
        reason: new.reason,
        author: call.author().to_owned(),
        created: Timestamp::now(),
        ..Hold::default()
    };
    let documents = responder.engine().ports().documents.as_ref();
    set_hold(documents, &hold)
        .await
        .map_err(Problem::internal)?;
    Reply::created(&hold)
}

async fn release_hold(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let documents = responder.engine().ports().documents.as_ref();
    let id = call.parameter("id");
    let released = release(documents, id, call.author(), Timestamp::now()).await;
    if released.map_err(Problem::internal)? {
        return Reply::json(&json!({"released": id}));
    }
    Err(Problem::not_found(format!(
        "there is no hold {id} in force"
    )))
}

/// Evidence.
#[must_use]
pub fn resource(responder: &Arc<Responder>) -> Resource {
    Resource {
        name: "evidence",
        doc: "Signed bundles of what happened, who touched them, and legal holds.",
        operations: vec![
            Operation::post("/v1/evidence", "Make a bundle", with(responder, create))
                .takes::<Preserve>(),
            Operation::get(
                "/v1/custody",
                "The chain of custody",
                with(responder, custody),
            )
            .query("subject", "id of a bundle or hold"),
            Operation::get("/v1/holds", "List legal holds", with(responder, list_holds)),
            Operation::post("/v1/holds", "Set a legal hold", with(responder, hold))
                .takes::<NewHold>(),
            Operation::post(
                "/v1/holds/{id}/release",
                "Release a legal hold",
                with(responder, release_hold),
            ),
        ],
    }
}
