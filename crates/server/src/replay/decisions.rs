//! Decisions as they were logged, and as another policy would make them.

use std::borrow::Cow;
use std::time::Duration;

use atalaya_model::{
    Decision, Finding, SegmentKind, Span, ThreatCategory, Timestamp, Unjudged, Verdict,
};
use atalaya_policy::{CallFacts, Policy};
use atalaya_query::write::to_json;
use atalaya_query::{Engine, QueryOptions};
use atalaya_respond::ladder::Seen;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{CHANGES_LISTED_MAX, Difference};
use crate::adapters::ticks;
use crate::open::OpenError;

/// Most decisions that are read.
const DECISIONS_MAX: usize = 2_000_000;
/// Longest time to read them.
const TIMEOUT: Duration = Duration::from_secs(300);

const COLUMNS: &str = "TimeGenerated, DecisionId, UserId, CallerKeyId, AgentId, SessionId, \
     ModelName, SrcIpAddr, Decision, WouldDecision, ThreatScore, ThreatDetection, Atlas, RuleIds, \
     ContentSha256, RouteName, Findings, Unjudged, Protocol, HttpPath, ModelEndpoint, ReasonCode";

/// A decision of the log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// As the ladders see it.
    pub seen: Seen,
    /// Everything that was read.
    pub row: Map<String, Value>,
}

/// A decision that another policy would make otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionChange {
    /// The decision.
    pub decision_id: String,
    /// What was decided.
    pub from: &'static str,
    /// What would be.
    pub to: &'static str,
    /// `ThreatDetection`.
    pub detection: String,
    /// `ThreatScore`.
    pub score: u8,
}

/// Reads the decisions of a time, oldest first; whether there were more than are read.
///
/// # Errors
/// If the tables cannot be read.
pub async fn history(
    engine: &Engine,
    since: Timestamp,
    until: Timestamp,
) -> Result<(Vec<Logged>, bool), OpenError> {
    let fail = |why: String| OpenError::world("reading the decisions", why);
    let now = ticks(until).ok_or_else(|| fail("the clock is out of range".to_owned()))?;
    let options = QueryOptions {
        rows_max: DECISIONS_MAX,
        timeout: TIMEOUT,
        ..QueryOptions::at(now)
    };
    let kql = format!(
        "AIGuardrailDecisions | where TimeGenerated between (datetime({}) .. datetime({})) \
         | project {COLUMNS} | sort by TimeGenerated asc, DecisionId asc",
        since.to_rfc3339(),
        until.to_rfc3339()
    );
    let result = engine.run(&kql, &options).await;
    let result = result.map_err(|error| fail(error.to_string()))?;
    let names: Vec<&str> = result.columns.iter().map(|c| c.name.as_str()).collect();
    let logged = result.rows.iter().filter_map(|row| {
        let mut object = Map::new();
        object.insert("$table".to_owned(), "AIGuardrailDecisions".into());
        for (name, value) in names.iter().zip(row) {
            let value = dynamic(to_json(value));
            if !value.is_null() {
                object.insert((*name).to_owned(), value);
            }
        }
        let time = object.get("TimeGenerated").and_then(Value::as_str);
        let time = time.and_then(Timestamp::parse_rfc3339)?;
        let bytes = serde_json::to_vec(&object).ok()?;
        let seen = Seen::of_record(&bytes, time)?;
        Some(Logged { seen, row: object })
    });
    Ok((logged.collect(), result.truncated))
}

/// Dynamic values come as JSON or as its text.
fn dynamic(value: Value) -> Value {
    match &value {
        Value::String(text) if text.starts_with(['[', '{']) => {
            serde_json::from_str(text).unwrap_or(value)
        }
        _ => value,
    }
}

/// Decides again.
pub(super) fn compare(logged: &[Logged], policy: &Policy, difference: &mut Difference) {
    for decision in logged {
        let reason = text(&decision.row, "ReasonCode");
        // Only what the policy decided: not enforcement, limits, or a request that was no call.
        if !matches!(reason, "" | "none" | "threshold" | "unjudged") {
            continue;
        }
        let verdict = verdict(&decision.row);
        let endpoint = text(&decision.row, "ModelEndpoint");
        let path = text(&decision.row, "HttpPath");
        let facts = CallFacts {
            protocol: text(&decision.row, "Protocol"),
            path,
            model: text(&decision.row, "ModelName"),
            upstream: endpoint.strip_suffix(path).unwrap_or(endpoint),
        };
        let to = policy.decide(&verdict, &facts).would_decision;
        let from = would(&decision.row);
        if from == to {
            continue;
        }
        let name = format!("{from} → {to}");
        *difference.decision_changes.entry(name).or_default() += 1;
        if difference.decision_examples.len() < CHANGES_LISTED_MAX {
            difference.decision_examples.push(DecisionChange {
                decision_id: decision.seen.record_id.clone(),
                from: from.as_str(),
                to: to.as_str(),
                detection: decision.seen.detection.clone(),
                score: decision.seen.score,
            });
        }
    }
}

fn text<'a>(row: &'a Map<String, Value>, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn would(row: &Map<String, Value>) -> Decision {
    let read =
        |name: &str| -> Option<Decision> { serde_json::from_value(row.get(name)?.clone()).ok() };
    read("WouldDecision")
        .or_else(|| read("Decision"))
        .unwrap_or_default()
}

/// The verdict as far as it was logged.
fn verdict(row: &Map<String, Value>) -> Verdict {
    let list = |name: &str| {
        row.get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let findings = list("Findings").filter_map(|entry| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let score = entry.get("score").and_then(Value::as_u64).unwrap_or(0);
        let role = entry.get("role").cloned().unwrap_or_default();
        Some(Finding {
            category: ThreatCategory::parse(text("category"))?,
            score: u8::try_from(score).unwrap_or(100),
            rule: Cow::Owned(text("rule").to_owned()),
            segment: 0,
            kind: serde_json::from_value(role).unwrap_or(SegmentKind::User),
            span: Span::default(),
            atlas: Cow::Borrowed(&[]),
        })
    });
    let unjudged =
        list("Unjudged").filter_map(|entry| serde_json::from_value::<Unjudged>(entry.clone()).ok());
    Verdict {
        findings: findings.collect(),
        unjudged: unjudged.collect(),
        ..Verdict::default()
    }
}
