//! What was expected, what came, and what is missing.

use std::collections::HashMap;
use std::time::Duration;

use atalaya_model::{Alert, Decision};
use atalaya_query::QueryResult;
use atalaya_query::value::Value;

use super::incidents::PLANTED;
use super::traffic::{BURST_CALLER, Expectation, Sent};
use super::upstream::SENTENCE;

pub(super) const DECISIONS_QUERY: &str = "AIGuardrailDecisions
| project DecisionId, Decision, Atlas = tostring(Atlas), Constraints = tostring(Constraints)";

/// What came of the demo.
#[derive(Clone, Debug)]
pub struct Report {
    /// Calls made.
    pub calls: usize,
    /// Calls by decision, in the order of [`Decision::ALL`].
    pub decisions: [usize; 4],
    /// Benign calls made.
    pub benign: usize,
    /// Attacks and leaks made.
    pub attacks: usize,
    /// Attacks and leaks that were stopped or weakened, with the right technique.
    pub attacks_found: usize,
    /// Incidents planted in the logs and in the traffic, and what their alert had to name.
    pub planted: Vec<(&'static str, Option<Alert>)>,
    /// All alerts.
    pub alerts: Vec<Alert>,
    /// Rows ingested, by table.
    pub ingested: Vec<(&'static str, u64)>,
    /// The result of [`super::SHOWN_QUERY`].
    pub shown: QueryResult,
    /// What is not as expected.
    pub shortfalls: Vec<Shortfall>,
    /// From the start to the report.
    pub elapsed: Duration,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall(pub String);

impl Report {
    /// Whether every planted incident was found and no benign call was harmed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.shortfalls.is_empty()
    }
}

struct Row {
    decision: String,
    atlas: String,
    constraints: String,
}

fn rows_by_id(result: &QueryResult) -> HashMap<String, Row> {
    let text = |value: &Value| value.to_text().to_string();
    result
        .rows
        .iter()
        .filter_map(|row| match row.as_slice() {
            [id, decision, atlas, constraints] => Some((
                text(id),
                Row {
                    decision: text(decision),
                    atlas: text(atlas),
                    constraints: text(constraints),
                },
            )),
            _ => None,
        })
        .collect()
}

pub(super) fn judge(sent: &[Sent], decisions: &QueryResult, alerts: Vec<Alert>) -> Report {
    let rows = rows_by_id(decisions);
    let mut shortfalls = Vec::new();
    let mut report = Report {
        calls: sent.len(),
        decisions: [0; 4],
        benign: 0,
        attacks: 0,
        attacks_found: 0,
        planted: planted(&alerts),
        alerts,
        ingested: Vec::new(),
        shown: QueryResult::empty(Vec::new()),
        shortfalls: Vec::new(),
        elapsed: Duration::ZERO,
    };
    for call in sent {
        let Some(row) = rows.get(&call.answer.decision_id) else {
            shortfalls.push(Shortfall(format!(
                "decision {} was given to a caller and is not in the log",
                call.answer.decision_id
            )));
            continue;
        };
        for (count, decision) in report.decisions.iter_mut().zip(Decision::ALL) {
            *count += usize::from(row.decision == decision.as_str());
        }
        let is_benign = call.expectation == Expectation::Benign;
        report.benign += usize::from(is_benign);
        report.attacks += usize::from(!is_benign);
        match wrong(call, row) {
            Some(shortfall) => shortfalls.push(shortfall),
            None => report.attacks_found += usize::from(!is_benign),
        }
    }
    for (what, alert) in &report.planted {
        if alert.is_none() {
            shortfalls.push(Shortfall(format!("no alert for: {what}")));
        }
    }
    shortfalls.dedup();
    report.shortfalls = shortfalls;
    report
}

fn wrong(call: &Sent, row: &Row) -> Option<Shortfall> {
    let stopped = row.decision == "BLOCK" || row.decision == "CONSTRAIN";
    let fine = match &call.expectation {
        Expectation::Benign => !stopped && was_answered(call),
        Expectation::Attack { technique, .. } => stopped && names(&row.atlas, technique),
        Expectation::Leak { .. } => stopped && row.constraints.contains("redact"),
    };
    if fine {
        return None;
    }
    let expected = match &call.expectation {
        Expectation::Benign => "a benign call was to pass".to_owned(),
        Expectation::Attack { id, technique, .. } => format!("attack {id} ({technique})"),
        Expectation::Leak { id } => format!("leak {id}"),
    };
    Some(Shortfall(format!(
        "{expected}: got {} {} (status {}, decision {})",
        row.decision, row.atlas, call.answer.status, call.answer.decision_id
    )))
}

/// Whether the model's own words came back, whole or word by word.
fn was_answered(call: &Sent) -> bool {
    let body = String::from_utf8_lossy(&call.answer.body);
    call.answer.status.is_success() && SENTENCE.split_whitespace().all(|word| body.contains(word))
}

/// Whether a list of techniques names this one or its parent.
fn names(atlas: &str, technique: &str) -> bool {
    let parent = technique.get(..9).unwrap_or(technique);
    atlas.contains(&format!("\"{technique}\"")) || atlas.contains(&format!("\"{parent}\""))
}

fn planted(alerts: &[Alert]) -> Vec<(&'static str, Option<Alert>)> {
    let burst = (
        "a burst of injection attempts from one caller",
        find(alerts, BURST_CALLER, "AML.T0051"),
    );
    std::iter::once(burst)
        .chain(PLANTED.iter().map(|planted| {
            (
                planted.what,
                find(alerts, planted.entity, planted.technique),
            )
        }))
        .map(|(what, alert)| (what, alert.cloned()))
        .collect()
}

pub(super) fn alerts_missing(alerts: &[Alert]) -> Vec<&'static str> {
    let planted = planted(alerts).into_iter();
    planted
        .filter(|(_, alert)| alert.is_none())
        .map(|(what, _)| what)
        .collect()
}

fn find<'a>(alerts: &'a [Alert], entity: &str, technique: &str) -> Option<&'a Alert> {
    alerts.iter().find(|alert| {
        alert.entities.iter().any(|known| known.value == entity)
            && alert
                .techniques
                .iter()
                .any(|known| known.starts_with(technique))
    })
}
