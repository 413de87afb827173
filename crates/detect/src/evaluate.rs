//! One rule over one window: result rows become hits, and each hit knows its records.

use std::collections::BTreeMap;
use std::time::Duration;

use atalaya_model::{Diagnostic, Entity, Severity, Timestamp};
use serde_json::Value;

use crate::evidence::{self, FIRST_SEEN, IDS, LAST_SEEN, Plan, RECORDS};
use crate::port::{QueryEngine, QueryError, QueryRequest, Table, TimeRange};
use crate::rule::{EventGrouping, Rule};
use crate::time::parse_timestamp;

/// Limits of one evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rows of a rule's query that are looked at.
    pub rows_max: usize,
    /// Most hits of one run; more are left out, and the run says so.
    pub hits_max: usize,
    /// Most record ids that an alert keeps.
    pub record_ids_max: usize,
    /// Longest value of a row that an alert keeps, bytes.
    pub value_bytes_max: usize,
    /// After this a query is cancelled.
    pub query_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows_max: 10_000,
            hits_max: 100,
            record_ids_max: 256,
            value_bytes_max: 1_024,
            query_timeout: Duration::from_secs(30),
        }
    }
}

/// What a rule found once: an alert that nobody has decided to raise yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// How urgent.
    pub severity: Severity,
    /// What it is about.
    pub entities: Vec<Entity>,
    /// Values that set this hit apart from others of the same rule.
    pub group: Vec<String>,
    /// Time of the first record.
    pub first_seen: Timestamp,
    /// Time of the last record.
    pub last_seen: Timestamp,
    /// Number of records.
    pub count: u64,
    /// Ids of records, bounded.
    pub record_ids: Vec<String>,
    /// The row, as column → value.
    pub details: BTreeMap<String, String>,
}

/// What came of one evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Hits: of summaries in the order of the result, of single records by entity.
    pub hits: Vec<Hit>,
    /// Rows of the result.
    pub rows: usize,
    /// Whether rows or hits were left out because of a limit.
    pub truncated: bool,
    /// Remarks of the engine on the query.
    pub warnings: Vec<Diagnostic>,
}

/// Runs a rule over the window that ends at `now`.
///
/// # Errors
/// If the rule's own query fails. A failing query for evidence only leaves the ids out.
pub async fn evaluate(
    rule: &Rule,
    engine: &dyn QueryEngine,
    now: Timestamp,
    limits: &Limits,
) -> Result<Evaluation, QueryError> {
    evaluate_over(rule, engine, window(rule.period, now), limits).await
}

/// The window of that length that ends at `now`.
pub(crate) fn window(length: Duration, now: Timestamp) -> TimeRange {
    let micros = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
    TimeRange {
        start: Timestamp(now.0.saturating_sub(micros)),
        end: now,
    }
}

/// Runs a rule over a window; `now()` and `ago()` in it refer to the window's end.
pub(crate) async fn evaluate_over(
    rule: &Rule,
    engine: &dyn QueryEngine,
    range: TimeRange,
    limits: &Limits,
) -> Result<Evaluation, QueryError> {
    // Analytics judge events as they come: there is no window to evaluate.
    if rule.analytic.is_some() {
        return Ok(Evaluation::default());
    }
    let run = Run {
        rule,
        engine,
        range,
        limits,
        plan: Plan::of(&rule.query),
    };
    let table = run.query(rule.query.clone(), limits.rows_max).await?;
    let mut evaluation = Evaluation {
        rows: table.rows.len(),
        truncated: table.truncated,
        warnings: table.warnings.clone(),
        ..Evaluation::default()
    };
    if !rule.trigger.fires(table.rows.len()) {
        return Ok(evaluation);
    }
    let groups = run.groups(&table);
    evaluation.truncated |= groups.len() > limits.hits_max;
    for rows in groups.into_iter().take(limits.hits_max) {
        evaluation.hits.extend(run.hit(&table, &rows).await);
    }
    Ok(evaluation)
}

/// Records that a hit rests on.
#[derive(Default)]
struct Records {
    first_seen: Option<Timestamp>,
    last_seen: Option<Timestamp>,
    count: u64,
    ids: Vec<String>,
}

struct Run<'a> {
    rule: &'a Rule,
    engine: &'a dyn QueryEngine,
    range: TimeRange,
    limits: &'a Limits,
    plan: Option<Plan>,
}

impl Run<'_> {
    async fn query(&self, kql: String, rows_max: usize) -> Result<Table, QueryError> {
        let request = QueryRequest {
            kql,
            now: self.range.end,
            range: Some(self.range),
            rows_max,
            timeout: self.limits.query_timeout,
        };
        match tokio::time::timeout(request.timeout, self.engine.query(&request)).await {
            Ok(result) => result,
            Err(_) => Err(QueryError::TimedOut(request.timeout)),
        }
    }

    /// Rows that make one hit together: each summary by itself, single records by entity.
    fn groups<'t>(&self, table: &'t Table) -> Vec<Vec<&'t [Value]>> {
        let rows = table.rows.iter().map(Vec::as_slice);
        if self.rule.grouping == EventGrouping::SingleAlert {
            return if table.rows.is_empty() {
                vec![vec![]]
            } else {
                vec![rows.collect()]
            };
        }
        if table.rows.is_empty() {
            return vec![vec![]]; // "fewer than" fired: the hit is about nothing having happened.
        }
        if self.plan.as_ref().is_none_or(|plan| plan.aggregates) {
            return rows.map(|row| vec![row]).collect();
        }
        let mut groups: BTreeMap<Vec<Entity>, Vec<&[Value]>> = BTreeMap::new();
        for row in rows {
            groups
                .entry(self.entities(table, row))
                .or_default()
                .push(row);
        }
        groups.into_values().collect()
    }

    /// The hit of a group of rows; `None` below the first step of the rule's ladder.
    async fn hit(&self, table: &Table, rows: &[&[Value]]) -> Option<Hit> {
        let first: &[Value] = rows.first().copied().unwrap_or(&[]);
        let severity = self.severity(table, first)?;
        let records = self.records(table, rows).await;
        let mut entities: Vec<Entity> = Vec::new();
        for entity in rows.iter().flat_map(|row| self.entities(table, row)) {
            const ENTITIES_MAX: usize = 32;
            if !entities.contains(&entity) && entities.len() < ENTITIES_MAX {
                entities.push(entity);
            }
        }
        let first_seen = records.first_seen.unwrap_or(self.range.start);
        Some(Hit {
            severity,
            group: self.group(table, first, &entities),
            entities,
            first_seen,
            last_seen: records.last_seen.unwrap_or(self.range.end).max(first_seen),
            count: records.count.max(1),
            record_ids: records.ids,
            details: self.details(table, first),
        })
    }

    fn severity(&self, table: &Table, row: &[Value]) -> Option<Severity> {
        let Some(ladder) = &self.rule.escalation else {
            return Some(self.rule.severity);
        };
        // Without the column there is nothing to climb: better an alert than silence.
        let number = table
            .column(&ladder.column)
            .and_then(|index| row.get(index))
            .and_then(Value::as_f64);
        number.map_or(Some(self.rule.severity), |n| ladder.severity_of(n))
    }

    fn entities(&self, table: &Table, row: &[Value]) -> Vec<Entity> {
        self.rule
            .entities
            .iter()
            .filter_map(|mapping| {
                let value = row.get(table.column(&mapping.column)?)?;
                Some(Entity {
                    kind: mapping.kind,
                    value: self.shorten(text_of(value)?),
                })
            })
            .collect()
    }

    fn group(&self, table: &Table, row: &[Value], entities: &[Entity]) -> Vec<String> {
        if self.rule.grouping == EventGrouping::SingleAlert {
            return Vec::new();
        }
        let columns = self
            .plan
            .as_ref()
            .map_or_else(Vec::new, |plan| plan.group_columns(table));
        let keys = columns
            .into_iter()
            .filter_map(|index| row.get(index))
            .map(|value| text_of(value).unwrap_or_default());
        let mut group: Vec<String> = keys.collect();
        if group.is_empty() {
            group.extend(entities.iter().map(|e| format!("{:?}={}", e.kind, e.value)));
        }
        group
    }

    async fn records(&self, table: &Table, rows: &[&[Value]]) -> Records {
        if let Some(records) = self.rows_are_records(table, rows) {
            return records;
        }
        let first: &[Value] = rows.first().copied().unwrap_or(&[]);
        let mut records = summary(table, first);
        let Some(query) = self.evidence_query(table, first) else {
            return records;
        };
        match self.query(query, 1).await {
            Ok(found) => self.merge(&mut records, &found),
            Err(error) => {
                // The alert is worth more than its list of ids.
                tracing::warn!(rule = %self.rule.id, %error, "the records behind a row were not found");
            }
        }
        records
    }

    fn evidence_query(&self, table: &Table, row: &[Value]) -> Option<String> {
        if let Some(template) = &self.rule.evidence_query {
            return Some(evidence::explicit(template, table, row));
        }
        let entity_columns: Vec<&str> = self
            .rule
            .entities
            .iter()
            .map(|m| m.column.as_str())
            .collect();
        self.plan.as_ref()?.query_for(table, row, &entity_columns)
    }

    /// Takes the records from the result itself, where its rows are records that kept their id.
    fn rows_are_records(&self, table: &Table, rows: &[&[Value]]) -> Option<Records> {
        let plan = self.plan.as_ref().filter(|plan| !plan.aggregates)?;
        let id_column = table.column(plan.id_column())?;
        let time_column = table.column("TimeGenerated")?;
        let mut records = Records {
            count: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            ..Records::default()
        };
        for row in rows {
            if let Some(id) = row.get(id_column).and_then(text_of) {
                self.push_id(&mut records.ids, id);
            }
            let time = row.get(time_column).and_then(time_of);
            records.first_seen = earlier(records.first_seen, time);
            records.last_seen = records.last_seen.max(time);
        }
        Some(records)
    }

    fn merge(&self, records: &mut Records, found: &Table) {
        let Some(row) = found.rows.first() else {
            return;
        };
        let value = |name| found.column(name).and_then(|i| row.get(i));
        let count = value(RECORDS).and_then(Value::as_u64).unwrap_or(0);
        if count == 0 {
            return;
        }
        records.count = count;
        records.first_seen = value(FIRST_SEEN).and_then(time_of).or(records.first_seen);
        records.last_seen = value(LAST_SEEN).and_then(time_of).or(records.last_seen);
        for id in value(IDS).map(elements).unwrap_or_default() {
            self.push_id(&mut records.ids, id);
        }
    }

    fn push_id(&self, ids: &mut Vec<String>, id: String) {
        if ids.len() < self.limits.record_ids_max && !id.is_empty() && !ids.contains(&id) {
            ids.push(id);
        }
    }

    fn details(&self, table: &Table, row: &[Value]) -> BTreeMap<String, String> {
        table
            .columns
            .iter()
            .zip(row)
            .filter(|(column, _)| !is_sensitive(self.rule, &column.name))
            .filter_map(|(column, value)| {
                Some((column.name.clone(), self.shorten(text_of(value)?)))
            })
            .collect()
    }

    fn shorten(&self, text: String) -> String {
        cut(text, self.limits.value_bytes_max)
    }
}

/// A value as long as an alert keeps it by default.
pub(crate) fn shortened(text: &str) -> String {
    cut(text.to_owned(), Limits::default().value_bytes_max)
}

fn cut(mut text: String, bytes_max: usize) -> String {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// Prompt text stays in its own column of its own table, never in an alert.
pub(crate) fn is_sensitive(rule: &Rule, column: &str) -> bool {
    rule.tables
        .iter()
        .filter_map(|table| table.column(column))
        .any(|column| column.sensitivity == atalaya_tables::Sensitivity::Sensitive)
}

/// What a summary says about its records by itself: its times, and the largest of its counts.
fn summary(table: &Table, row: &[Value]) -> Records {
    let mut records = Records::default();
    for (column, value) in table.columns.iter().zip(row) {
        let name = column.name.to_ascii_lowercase();
        if column.kusto_type == "datetime" {
            let time = time_of(value);
            records.first_seen = earlier(records.first_seen, time);
            records.last_seen = records.last_seen.max(time);
        } else if name.contains("count") {
            records.count = records.count.max(value.as_u64().unwrap_or(0));
        }
    }
    records
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn time_of(value: &Value) -> Option<Timestamp> {
    parse_timestamp(value.as_str()?)
}

/// A value as an analyst reads it; nothing for null and the empty text.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        other => Some(other.to_string()),
    }
}

/// The elements of a dynamic array, which some engines give as JSON text.
fn elements(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(text_of).collect(),
        Value::String(text) => {
            let items: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
            items.iter().filter_map(text_of).collect()
        }
        _ => Vec::new(),
    }
}
