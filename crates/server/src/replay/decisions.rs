//! Decisions as they were logged, and as another policy would make them.

use std::borrow::Cow;
use std::time::Duration;

use atalaya_model::{
    Decision, Finding, SegmentKind, Span, ThreatCategory, Timestamp, Unjudged, Verdict,
};
use atalaya_policy::{CallContext, CallFacts, Policy};
use atalaya_query::write::to_json;
use atalaya_query::{Engine, QueryOptions};
use atalaya_respond::ladder::Seen;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Again, CHANGES_LISTED_MAX, Difference};
use crate::adapters::ticks;
use crate::open::OpenError;

/// Most decisions that are read.
const DECISIONS_MAX: usize = 2_000_000;
/// Longest time to read them.
const TIMEOUT: Duration = Duration::from_secs(300);

const COLUMNS: &str = "TimeGenerated, DecisionId, UserId, CallerKeyId, AgentId, SessionId, \
     ModelName, SrcIpAddr, Decision, WouldDecision, ThreatScore, ThreatDetection, Atlas, RuleIds, \
     ContentSha256, RouteName, Findings, Unjudged, Protocol, HttpPath, ModelEndpoint, ReasonCode, \
     Stage, Stream, MaxTokens, ToolNames, SessionScore, SessionTainted";

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
    /// Whether its text was inspected again; else the findings of then were judged.
    pub inspected_again: bool,
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
        timeout: TIMEOUT,
        ..QueryOptions::for_program(now, DECISIONS_MAX)
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

/// Reasons for which a policy decides by itself: not enforcement, limits, or a request that was no
/// call.
const BY_POLICY: [&str; 6] = [
    "",
    "none",
    "threshold",
    "unjudged",
    "policy_rule",
    "session",
];

/// Decides again about every decision of the log; what the ladders would have seen instead.
pub(super) fn compare(
    logged: &[Logged],
    policy: &Policy,
    again: &Again,
    difference: &mut Difference,
) -> Vec<Logged> {
    let mut after = Vec::with_capacity(logged.len());
    for decision in logged {
        let (row, id) = (&decision.row, decision.seen.record_id.as_str());
        let inspected = again.verdicts.get(id);
        if inspected.is_none() {
            difference.unjudged += 1;
        }
        let stays = !BY_POLICY.contains(&text(row, "ReasonCode"))
            || text(row, "Stage") == "tool_call"
            || (inspected.is_none() && again.texts_only);
        if stays {
            after.push(decision.clone());
            continue;
        }
        difference.reinspected += usize::from(inspected.is_some());
        let verdict = match inspected {
            Some(verdict) => with_hidden(verdict, row),
            None => verdict(row),
        };
        let to = decide(policy, &verdict, decision);
        let from = would(row);
        let mut seen = decision.seen.clone();
        seen.decision = to;
        if inspected.is_some() {
            seen.score = verdict.score;
            seen.detection = verdict.detection.map_or("", |d| d.as_str()).to_owned();
        }
        if from != to {
            let name = format!("{from} → {to}");
            *difference.decision_changes.entry(name).or_default() += 1;
            if difference.decision_examples.len() < CHANGES_LISTED_MAX {
                difference.decision_examples.push(DecisionChange {
                    decision_id: id.to_owned(),
                    from: from.as_str(),
                    to: to.as_str(),
                    detection: seen.detection.clone(),
                    score: seen.score,
                    inspected_again: inspected.is_some(),
                });
            }
        }
        after.push(Logged {
            seen,
            row: Map::new(),
        });
    }
    after
}

/// With everything of the call that was logged. Tools that a call executes are not: calls of that
/// stage are left as they were.
fn decide(policy: &Policy, verdict: &Verdict, decision: &Logged) -> Decision {
    let row = &decision.row;
    let endpoint = text(row, "ModelEndpoint");
    let path = text(row, "HttpPath");
    let facts = CallFacts {
        protocol: text(row, "Protocol"),
        path,
        model: text(row, "ModelName"),
        upstream: endpoint.strip_suffix(path).unwrap_or(endpoint),
    };
    let number = |name: &str| row.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let flag = |name: &str| row.get(name).and_then(Value::as_bool).unwrap_or(false);
    let tools = row.get("ToolNames").and_then(Value::as_array);
    let tools: Vec<&str> = tools
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let fingerprints: Vec<String> = verdict
        .findings
        .iter()
        .map(|finding| fingerprint(row, &finding.rule))
        .collect();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "limits and scores, clamped before"
    )]
    let context = CallContext {
        route: text(row, "RouteName"),
        caller: text(row, "UserId"),
        agent: text(row, "AgentId"),
        key: text(row, "CallerKeyId"),
        address: text(row, "SrcIpAddr"),
        session: text(row, "SessionId"),
        stream: flag("Stream"),
        max_tokens: number("MaxTokens").clamp(0.0, 1e15) as u64,
        tools: &tools,
        fingerprints: &fingerprints,
        now: decision.seen.time,
        session_score: number("SessionScore").clamp(0.0, 100.0) as u8,
        is_tainted: flag("SessionTainted"),
        ..CallContext::default()
    };
    policy.decide_call(verdict, &facts, &context).would_decision
}

/// The fingerprint that was logged for a finding of a detector; empty if it found nothing then.
fn fingerprint(row: &Map<String, Value>, rule: &str) -> String {
    let findings = row.get("Findings").and_then(Value::as_array);
    let found = findings
        .into_iter()
        .flatten()
        .find(|finding| finding.get("rule").and_then(Value::as_str) == Some(rule));
    let known = found.and_then(|finding| finding.get("fp")?.as_str());
    known.unwrap_or_default().to_owned()
}

/// A verdict of today, with what its text cannot show: secrets that were redacted before it was
/// stored, findings in the answer, and what no detector saw then.
fn with_hidden(inspected: &Verdict, row: &Map<String, Value>) -> Verdict {
    let then = verdict(row);
    let is_hidden = |finding: &Finding| {
        matches!(
            finding.category,
            ThreatCategory::Secret | ThreatCategory::PersonalData
        ) || finding.kind == SegmentKind::Response
    };
    let mut out = inspected.clone();
    let hidden: Vec<Finding> = then.findings.into_iter().filter(is_hidden).collect();
    for finding in hidden {
        let is_known = |known: &Finding| known.rule == finding.rule && known.kind == finding.kind;
        if !out.findings.iter().any(is_known) {
            if finding.score > out.score {
                out.score = finding.score;
                out.detection = Some(finding.category);
            }
            out.findings.push(finding);
        }
    }
    for unjudged in then.unjudged {
        if !out.unjudged.contains(&unjudged) {
            out.unjudged.push(unjudged);
        }
    }
    out
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
