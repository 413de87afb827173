//! What detection needs from the rest of the world: an engine, sinks, a clock.

use std::time::Duration;

use async_trait::async_trait;
use atalaya_model::{Alert, Diagnostic, Timestamp};
use serde_json::{Value, json};

/// Version of a `SecurityAlert` row.
const ALERT_ROW_VERSION: u32 = 1;

/// A half-open stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// First instant.
    pub start: Timestamp,
    /// One past the last instant.
    pub end: Timestamp,
}

/// A query to run.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryRequest {
    /// The text.
    pub kql: String,
    /// What `now()` and `ago()` mean in it: a window of yesterday can be searched today.
    pub now: Timestamp,
    /// Rows of every source table outside of it are not there, as in Sentinel.
    pub range: Option<TimeRange>,
    /// Most rows to give back.
    pub rows_max: usize,
    /// After this the query is cancelled.
    pub timeout: Duration,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Kusto's name of the type: `string`, `long`, `datetime`, …
    pub kusto_type: String,
}

/// A result. Datetimes are ISO 8601 text, dynamic values are JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
    /// Remarks on the query, for who wrote it.
    pub warnings: Vec<Diagnostic>,
    /// Whether rows were left out because of `rows_max`.
    pub truncated: bool,
}

impl Table {
    /// Position of the column of that exact name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
}

/// Why a query gave no result. The text never holds data of the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is wrong; spans lie in the text of the request.
    #[error("the query is wrong: {}", first_message(.0))]
    Invalid(Vec<Diagnostic>),
    /// It took longer than it may.
    #[error("the query was cancelled after {0:?}")]
    TimedOut(Duration),
    /// The engine failed.
    #[error("the query failed: {0}")]
    Failed(String),
}

fn first_message(diagnostics: &[Diagnostic]) -> &str {
    diagnostics
        .first()
        .map_or("no reason given", |d| d.message.as_str())
}

/// Runs KQL over the log tables.
#[async_trait]
pub trait QueryEngine: Send + Sync {
    /// Runs one query.
    async fn query(&self, request: &QueryRequest) -> Result<Table, QueryError>;
}

/// Why an alert did not reach a sink. It is tried again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// Where alerts go besides the store: the log, a webhook, a runbook. An alert is delivered at
/// least once; a sink recognises a repetition by `alert_id`.
#[async_trait]
pub trait AlertSink: Send + Sync {
    /// A short name for logs.
    fn name(&self) -> &str;
    /// Takes one alert.
    async fn deliver(&self, alert: &Alert) -> Result<(), SinkError>;
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// An alert as a row of the `SecurityAlert` table: what a sink that writes the log appends.
#[must_use]
pub fn alert_row(alert: &Alert) -> Value {
    json!({
        "TimeGenerated": alert.time_generated.to_rfc3339(),
        "SystemAlertId": alert.alert_id,
        "AlertName": alert.rule_name,
        "AlertSeverity": alert.severity.as_str(),
        "RuleId": alert.rule_id,
        "RuleVersion": alert.rule_version,
        "RuleHash": alert.rule_hash,
        "Techniques": alert.techniques,
        "AtlasRelease": alert.atlas_release,
        "Entities": alert.entities,
        "StartTime": alert.first_seen.to_rfc3339(),
        "EndTime": alert.last_seen.to_rfc3339(),
        "RecordCount": alert.count,
        "RecordIds": alert.record_ids,
        "ExtendedProperties": alert.details,
        "Status": alert.status,
        "SchemaVersion": ALERT_ROW_VERSION,
    })
}
