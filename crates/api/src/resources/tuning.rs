//! `/v1/allowlist`, `/v1/review`, `/v1/watchlists`, `/v1/figures`: less noise, with data.

use std::sync::Arc;

use atalaya_model::Timestamp;
use atalaya_respond::duration;
use atalaya_respond::incident::IncidentFilter;
use atalaya_respond::responder::Responder;
use atalaya_respond::review::{self, Label, ReviewItem};
use atalaya_respond::tuning::allow::{self, AllowError, Entry, Purpose};
use atalaya_respond::tuning::figures::figures;
use atalaya_respond::{uuid_of, watchlist};
use atalaya_store::AlertFilter;
use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::call::Call;
use crate::operation::{Operation, Resource, Right, with};
use crate::problem::Problem;
use crate::reply::Reply;

/// Something known to be good, or to be silenced for a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewEntry {
    /// Kind of entity: caller, key, agent, address, …
    #[serde(default)]
    kind: String,
    /// Which one; `*` at its end stands for any text.
    #[serde(default)]
    value: String,
    /// SHA-256 of the content.
    #[serde(default)]
    fingerprint: String,
    /// Id of a detector.
    #[serde(default)]
    pattern: String,
    /// Only these rules or ladders.
    #[serde(default)]
    rules: Vec<String>,
    /// Only these techniques.
    #[serde(default)]
    techniques: Vec<String>,
    /// Silences instead of allowing.
    #[serde(default)]
    suppress: bool,
    /// Why.
    reason: String,
    /// Who answers for it; who asks by default.
    #[serde(default)]
    owner: Option<String>,
    /// How long, e.g. `30d`.
    lasts: String,
}

/// What an analyst says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewLabel {
    /// true, benign, false.
    label: String,
    /// Rules and detectors that it is said of.
    #[serde(default)]
    rules: Vec<String>,
    /// Who called.
    #[serde(default)]
    caller: String,
    /// What the model should have said.
    #[serde(default)]
    expected: Option<String>,
    /// A remark.
    #[serde(default)]
    note: String,
    /// SHA-256 of the content (`ContentSha256`), for `allow_for`.
    #[serde(default)]
    content_sha256: String,
    /// Also puts this very content on the allowlist for a time, e.g. `30d`; the remark is the
    /// reason.
    #[serde(default)]
    allow_for: Option<String>,
}

impl From<AllowError> for Problem {
    fn from(error: AllowError) -> Self {
        match error {
            AllowError::Refused(why) => Self::invalid(why),
            AllowError::Store(error) => Self::internal(error),
        }
    }
}

async fn list(responder: Arc<Responder>, _call: Call) -> Result<Reply, Problem> {
    let documents = responder.engine().ports().documents.as_ref();
    let entries = allow::entries(documents).await;
    Reply::json(&entries.map_err(Problem::internal)?)
}

async fn add(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let new: NewEntry = call.json()?;
    let lasts = duration::parse(&new.lasts)
        .ok_or_else(|| Problem::invalid("`lasts` is no duration such as 30d"))?;
    let now = Timestamp::now();
    let entry = Entry {
        entry_id: uuid_of(&format!("allow/{}/{}", now.0, new.value)),
        purpose: if new.suppress {
            Purpose::Suppress
        } else {
            Purpose::Allow
        },
        rules: new.rules,
        techniques: new.techniques,
        kind: new.kind,
        value: new.value,
        fingerprint: new.fingerprint,
        pattern: new.pattern,
        reason: new.reason,
        owner: new.owner.unwrap_or_else(|| call.author().to_owned()),
        created: now,
        expires: Timestamp(now.0.saturating_add(duration::micros(lasts))),
    };
    let documents = responder.engine().ports().documents.as_ref();
    allow::add(documents, &entry).await?;
    responder.refresh().await?;
    Reply::created(&entry)
}

async fn remove(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let id = call.parameter("id");
    let documents = responder.engine().ports().documents.as_ref();
    if !allow::remove(documents, id)
        .await
        .map_err(Problem::internal)?
    {
        return Err(Problem::not_found(format!("there is no entry {id}")));
    }
    responder.refresh().await?;
    Reply::json(&json!({"removed": id}))
}

async fn queue(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let waiting = match call.query("state") {
        None | Some("waiting") => Some(true),
        Some("labelled") => Some(false),
        Some("all") => None,
        Some(_) => return Err(Problem::invalid("`state` is waiting, labelled or all")),
    };
    let documents = responder.engine().ports().documents.as_ref();
    let items = review::list(documents, waiting, call.query("queue").unwrap_or("")).await;
    Reply::json(&items.map_err(Problem::internal)?)
}

async fn label(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let new: NewLabel = call.json()?;
    let label = Label::parse(&new.label)
        .ok_or_else(|| Problem::invalid("`label` is true, benign or false"))?;
    let subject = call.parameter("subject");
    let record = subject.split_once(':').map_or(subject, |(_, id)| id);
    let now = Timestamp::now();
    let item = ReviewItem {
        subject: subject.to_owned(),
        record_id: record.to_owned(),
        rules: new.rules,
        caller: new.caller,
        content_sha256: new.content_sha256,
        queue: "analysts".to_owned(),
        added: now,
        ..ReviewItem::default()
    };
    let documents = responder.engine().ports().documents.as_ref();
    let said = (new.expected.as_deref(), new.note.as_str());
    let lasts = new.allow_for.as_deref().map(duration::parse);
    if lasts == Some(None) {
        return Err(Problem::invalid("`allow_for` is no duration such as 30d"));
    }
    let labelled = review::label(documents, &item, label, said, (call.author(), now)).await;
    let labelled = labelled.map_err(Problem::internal)?;
    let Some(Some(lasts)) = lasts else {
        return Reply::json(&labelled);
    };
    let terms = (lasts, new.note.as_str());
    let entry = review::allow(documents, &labelled, terms, (call.author(), now)).await?;
    responder.refresh().await?;
    Reply::json(&json!({"labelled": labelled, "allowed": entry}))
}

async fn watched(responder: Arc<Responder>, call: Call) -> Result<Reply, Problem> {
    let documents = responder.engine().ports().documents.as_ref();
    let items = watchlist::items(documents, call.query("list").unwrap_or("")).await;
    Reply::json(&items.map_err(Problem::internal)?)
}

async fn show_figures(responder: Arc<Responder>, _call: Call) -> Result<Reply, Problem> {
    let ports = responder.engine().ports();
    let filter = AlertFilter {
        limit: atalaya_store::ALERTS_LISTED_MAX,
        ..AlertFilter::default()
    };
    let alerts = ports.alerts.alerts(&filter).await;
    let all = IncidentFilter {
        limit: u32::MAX,
        ..IncidentFilter::default()
    };
    let incidents = responder.incidents().list(&all).await?;
    let labels = review::list(ports.documents.as_ref(), Some(false), "").await;
    let states = ports.alerts.rule_states().await;
    Reply::json(&figures(
        &alerts.map_err(Problem::internal)?,
        &incidents,
        &labels.map_err(Problem::internal)?,
        &states.map_err(Problem::internal)?,
    ))
}

/// Tuning and review.
#[must_use]
pub fn resource(responder: &Arc<Responder>) -> Resource {
    Resource {
        name: "tuning",
        doc: "Allowlist, review queue, watchlists and the figures of rules.",
        operations: vec![
            Operation::get("/v1/allowlist", "List entries", with(responder, list)),
            Operation::post("/v1/allowlist", "Add an entry", with(responder, add))
                .takes::<NewEntry>(),
            Operation::new(
                Method::DELETE,
                "/v1/allowlist/{id}",
                Right::Write,
                "Remove an entry",
                with(responder, remove),
            ),
            Operation::get(
                "/v1/review",
                "List the review queue",
                with(responder, queue),
            )
            .query("state", "`waiting` (default), `labelled` or `all`")
            .query("queue", "name of a queue"),
            Operation::post(
                "/v1/review/{subject}/label",
                "Label a decision, finding or prediction",
                with(responder, label),
            )
            .takes::<NewLabel>(),
            Operation::get(
                "/v1/watchlists",
                "List watched entities",
                with(responder, watched),
            )
            .query("list", "name of a watchlist"),
            Operation::get(
                "/v1/figures",
                "Alerts of every rule, and what they turned out to be",
                with(responder, show_figures),
            ),
        ],
    }
}
