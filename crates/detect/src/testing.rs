//! Tests of rules: events that must and must not fire, in a file beside the rule.
//!
//! ```yaml
//! cases:
//!   - name: ten attempts in an hour
//!     events:
//!       - table: AIGuardrailDecisions
//!         repeat: 10
//!         at: -50m          # time of the first, before now
//!         every: 2m
//!         row: {UserId: mallory, ThreatScore: 90, RequestId: "r{i}"}
//!         cycle: {Decision: [BLOCK, CONSTRAIN]}
//!     fires:
//!       - {entities: [mallory], count: 10, severity: high}
//!   - name: nine are not enough
//!     events: [...]
//!     fires: []
//! ```
//!
//! Texts may hold placeholders, so that traces which need many different or near-equal values stay
//! short: see the `placeholder` module.
//!
//! The rules of streaming analytics are tested with the same files. Their events go through every
//! analytic in the order of their times; only the rule's own findings are compared.
//!
//! The runner is generic over a [`Laboratory`], which makes an engine over rows in memory: the
//! server has one with the real engine. A case holds the whole chain to account: query, trigger,
//! ladder, entities, and that every hit names the ids of its records.

mod analytic;
mod placeholder;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use atalaya_model::{Diagnostic, Severity, Span, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::duration;
use crate::evaluate::{Hit, Limits, evaluate};
use crate::port::QueryEngine;
use crate::rule::Rule;
use crate::time::parse_timestamp;

/// Most events of one case.
const EVENTS_MAX: usize = 50_000;
/// Noon of a Wednesday: the default `now` of a test.
const NOW_DEFAULT: &str = "2026-09-30T12:00:00Z";
/// The default time of an event, before `now`.
const AT_DEFAULT_MICROS: i64 = -600_000_000;

/// Rows by table name.
pub type Rows = BTreeMap<String, Vec<Value>>;

/// Makes an engine over rows in memory. Tables without rows are there, and empty.
#[async_trait]
pub trait Laboratory: Send + Sync {
    /// The engine, or why there is none.
    async fn engine(&self, rows: Rows) -> Result<Arc<dyn QueryEngine>, String>;
}

/// A test file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    now: Option<String>,
    /// Cases.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    events: Vec<Events>,
    /// Manifests that are in force, for analytics that compare with them.
    #[serde(default)]
    manifests: Vec<atalaya_analytics::ManifestEntry>,
    /// What must be found; nothing else may be.
    pub fires: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Events {
    table: String,
    #[serde(default = "one")]
    repeat: usize,
    at: Option<String>,
    every: Option<String>,
    row: Map<String, Value>,
    #[serde(default)]
    cycle: BTreeMap<String, Vec<Value>>,
}

const fn one() -> usize {
    1
}

/// A hit that must come.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Values of its entities, in any order.
    entities: Vec<String>,
    /// Number of records.
    count: Option<u64>,
    /// Severity.
    severity: Option<Severity>,
}

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseOutcome {
    /// Name of the case.
    pub name: String,
    /// Why it failed.
    pub failure: Option<String>,
}

impl TestFile {
    /// Reads a test file.
    ///
    /// # Errors
    /// What is wrong with it; the span lies in `text`.
    pub fn parse(text: &str) -> Result<Self, Box<Diagnostic>> {
        let file: Self = atalaya_yaml::parse(text)?;
        for case in &file.cases {
            for events in &case.events {
                events.check(text)?;
            }
        }
        if let Some(now) = &file.now
            && parse_timestamp(now).is_none()
        {
            return Err(wrong(text, now, format!("`{now}` is not a time")));
        }
        Ok(file)
    }

    /// What `now()` is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        parse_timestamp(self.now.as_deref().unwrap_or(NOW_DEFAULT)).unwrap_or_default()
    }
}

impl Events {
    fn check(&self, text: &str) -> Result<(), Box<Diagnostic>> {
        let Some(table) = atalaya_tables::find(&self.table) else {
            let known: Vec<&str> = atalaya_tables::ALL.iter().map(|t| t.name).collect();
            let message = format!(
                "unknown table `{}`; known: {}",
                self.table,
                known.join(", ")
            );
            return Err(wrong(text, &self.table, message));
        };
        for column in self.row.keys().chain(self.cycle.keys()) {
            if table.column(column).is_none() {
                let names = table.columns.iter().map(|c| c.name);
                let near = atalaya_yaml::nearest(column, names).unwrap_or("none is near");
                let message = format!("{} has no column `{column}` (nearest: {near})", table.name);
                return Err(wrong(text, column, message));
            }
        }
        for time in self.at.iter().chain(&self.every) {
            if signed_micros(time).is_none() {
                return Err(wrong(text, time, format!("`{time}` is not a duration")));
            }
        }
        if self.repeat > EVENTS_MAX {
            let message = format!("more than {EVENTS_MAX} events");
            return Err(wrong(text, &self.repeat.to_string(), message));
        }
        Ok(())
    }

    fn add_to(&self, rows: &mut Rows, now: Timestamp) {
        let Some(table) = atalaya_tables::find(&self.table) else {
            return;
        };
        let micros = |text: &Option<String>, default| {
            text.as_deref().and_then(signed_micros).unwrap_or(default)
        };
        let (at, every) = (
            micros(&self.at, AT_DEFAULT_MICROS),
            micros(&self.every, 1_000_000),
        );
        let target = rows.entry(self.table.clone()).or_default();
        for i in 0..self.repeat {
            let place = placeholder::Place {
                event: i,
                events: self.repeat,
            };
            let offset = every.saturating_mul(i64::try_from(i).unwrap_or(0));
            let time = Timestamp(now.0 + at + offset).to_rfc3339();
            let mut row = Map::from_iter([
                ("TimeGenerated".to_owned(), Value::String(time)),
                (
                    table.id_column.to_owned(),
                    Value::String(format!("{}-{}", self.table, target.len())),
                ),
            ]);
            for (column, value) in &self.row {
                row.insert(column.clone(), place.fill(value, column));
            }
            for (column, values) in &self.cycle {
                if let Some(value) = values.get(i % values.len().max(1)) {
                    row.insert(column.clone(), place.fill(value, column));
                }
            }
            target.push(Value::Object(row));
        }
    }
}

impl Case {
    /// The events as rows by table.
    #[must_use]
    pub fn rows(&self, now: Timestamp) -> Rows {
        let mut rows = Rows::new();
        for events in &self.events {
            events.add_to(&mut rows, now);
        }
        rows
    }

    fn judge(&self, hits: &[Hit]) -> Option<String> {
        let mut left: Vec<&Hit> = hits.iter().collect();
        for expected in &self.fires {
            let Some(at) = left.iter().position(|hit| expected.is_about(hit)) else {
                return Some(format!(
                    "expected an alert about {:?}; got {}",
                    expected.entities,
                    describe(hits)
                ));
            };
            if let Some(difference) = expected.differs(left.remove(at)) {
                return Some(difference);
            }
        }
        (!left.is_empty()).then(|| {
            let others: Vec<Hit> = left.into_iter().cloned().collect();
            format!("must not fire, but did: {}", describe(&others))
        })
    }
}

impl Expected {
    fn is_about(&self, hit: &Hit) -> bool {
        let mut wanted: Vec<&str> = self.entities.iter().map(String::as_str).collect();
        let mut found: Vec<&str> = hit.entities.iter().map(|e| e.value.as_str()).collect();
        wanted.sort_unstable();
        found.sort_unstable();
        wanted == found
    }

    fn differs(&self, hit: &Hit) -> Option<String> {
        let about = &self.entities;
        if let Some(count) = self.count.filter(|count| *count != hit.count) {
            return Some(format!("{about:?}: {} records, not {count}", hit.count));
        }
        if let Some(severity) = self.severity.filter(|severity| *severity != hit.severity) {
            return Some(format!("{about:?}: {}, not {severity}", hit.severity));
        }
        let ids = u64::try_from(hit.record_ids.len()).unwrap_or(u64::MAX);
        let limit = u64::try_from(Limits::default().record_ids_max).unwrap_or(u64::MAX);
        (ids != hit.count.min(limit))
            .then(|| format!("{about:?}: {ids} record ids for {} records", hit.count))
    }
}

fn describe(hits: &[Hit]) -> String {
    if hits.is_empty() {
        return "none".to_owned();
    }
    let one = |hit: &Hit| {
        let entities: Vec<&str> = hit.entities.iter().map(|e| e.value.as_str()).collect();
        format!("{entities:?} ×{} ({})", hit.count, hit.severity)
    };
    hits.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Runs the cases of a rule's test file.
pub async fn run(rule: &Rule, file: &TestFile, laboratory: &dyn Laboratory) -> Vec<CaseOutcome> {
    let mut outcomes = Vec::new();
    for case in &file.cases {
        outcomes.push(CaseOutcome {
            name: case.name.clone(),
            failure: run_case(rule, case, file.now(), laboratory).await.err(),
        });
    }
    outcomes
}

async fn run_case(
    rule: &Rule,
    case: &Case,
    now: Timestamp,
    laboratory: &dyn Laboratory,
) -> Result<(), String> {
    if rule.analytic.is_some() {
        return analytic::run(rule, case, now);
    }
    let engine = laboratory.engine(case.rows(now)).await?;
    let evaluation = evaluate(rule, engine.as_ref(), now, &Limits::default())
        .await
        .map_err(|error| error.to_string())?;
    case.judge(&evaluation.hits).map_or(Ok(()), Err)
}

fn signed_micros(text: &str) -> Option<i64> {
    let (sign, text) = match text.trim().strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let micros = i64::try_from(duration::parse(text)?.as_micros()).ok()?;
    Some(sign * micros)
}

fn wrong(text: &str, at: &str, message: String) -> Box<Diagnostic> {
    let span = text
        .find(at)
        .map_or_else(Span::default, |start| Span::new(start, start + at.len()));
    Box::new(Diagnostic::error("TEST001", span, message))
}
