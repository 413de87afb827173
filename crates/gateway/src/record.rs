//! The two records of a call: its decision, and how it ended.
//!
//! Column names are those of `atalaya_tables`; a test holds both together. No text of the call
//! except in `PromptText`, and there only if the configuration says so.

use std::fmt::Write as _;

use atalaya_model::{Decision, Finding, SegmentKind, Severity, Unjudged, Verdict};
use atalaya_wire::{AppliedConstraint, ParsedCall, Settled, body_span};

use crate::answer::Report;
use crate::arrival::Arrival;
use crate::entropy::entropy;
use crate::judge::last_user_text;
use crate::row::{Row, push_string};
use crate::session::View;

/// Table of both records.
pub const TABLE: &str = "AIGuardrailDecisions";
/// Version of the rows.
const SCHEMA_VERSION: u32 = 1;
/// Most findings in one row; `ThreatScore` and `RuleIds` cover all.
const FINDINGS_MAX: usize = 32;
/// Most unjudged parts in one row.
const UNJUDGED_MAX: usize = 32;

/// How a call ended: the `Outcome` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream's answer was relayed to its end.
    Answered,
    /// It was evaluated or observed, and not forwarded by us.
    Evaluated,
    /// The policy blocked it.
    Refused,
    /// The caller went away.
    ClientAborted,
    /// The upstream could not be reached, or failed before its answer began.
    UpstreamFailed,
    /// The upstream broke off in the middle of its answer.
    UpstreamCut,
    /// The upstream took too long.
    TimedOut,
    /// The request itself was not acceptable, or the gateway could not take it.
    Rejected,
    /// The policy blocked the upstream's answer, or stopped it.
    AnswerRefused,
}

impl Outcome {
    /// The name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Evaluated => "evaluated",
            Self::Refused => "refused",
            Self::ClientAborted => "client_aborted",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamCut => "upstream_cut",
            Self::TimedOut => "timed_out",
            Self::Rejected => "rejected",
            Self::AnswerRefused => "answer_refused",
        }
    }
}

/// Identity of this node and of what decides on it.
#[derive(Clone, Debug)]
pub(crate) struct NodeFacts {
    pub(crate) node_id: String,
    pub(crate) version: &'static str,
    pub(crate) ruleset_hash: String,
}

/// What the decision record says of the policy's opinion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecisionFacts<'a> {
    pub(crate) decision: Decision,
    pub(crate) would_decision: Decision,
    pub(crate) enforced: bool,
    pub(crate) reason: &'a str,
    pub(crate) enforcement: &'a str,
    pub(crate) rule: &'a str,
    pub(crate) policy_id: &'a str,
    pub(crate) policy_version: &'a str,
    pub(crate) policy_hash: &'a str,
}

/// What the decision record says of the call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallRow<'a> {
    pub(crate) protocol: &'a str,
    pub(crate) upstream: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) route: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) content_sha256: &'a str,
    pub(crate) simhash: Option<u64>,
    pub(crate) eval_us: u64,
    pub(crate) constraints: &'a [AppliedConstraint],
    pub(crate) prompt_text: Option<&'a str>,
    pub(crate) fingerprints: &'a [String],
    pub(crate) view: View,
    /// It is an answer that was evaluated.
    pub(crate) is_answer: bool,
}

/// Writes the decision record.
pub(crate) fn decision(
    node: &NodeFacts,
    arrival: &Arrival,
    facts: &DecisionFacts<'_>,
    verdict: &Verdict,
    (call, row): (Option<&ParsedCall<'_>>, &CallRow<'_>),
) -> Vec<u8> {
    let mut out = Row::new(TABLE);
    arrived(&mut out, arrival);
    out.text("Stage", if row.is_answer { "response" } else { "request" });
    decided(&mut out, facts);
    judged(&mut out, verdict, call, row);
    if row.view.score > 0 || row.view.is_tainted {
        out.number("SessionScore", row.view.score)
            .flag("SessionTainted", row.view.is_tainted);
    }
    asked(&mut out, arrival, call, row);
    out.number("EvalLatencyUs", row.eval_us)
        .text("GatewayVersion", node.version)
        .text("NodeId", &node.node_id)
        .text("RulesetHash", &node.ruleset_hash)
        .number("SchemaVersion", SCHEMA_VERSION);
    if let Some(text) = row.prompt_text {
        out.text("PromptText", text);
    }
    out.finish()
}

fn arrived(out: &mut Row, arrival: &Arrival) {
    let request_id = if arrival.request_id.is_empty() {
        &arrival.id
    } else {
        &arrival.request_id
    };
    out.json("TimeGenerated", |out| {
        out.push('"');
        arrival.at.write_rfc3339(out);
        out.push('"');
    })
    .text("DecisionId", &arrival.id)
    .text("RequestId", request_id)
    .text("TraceId", &arrival.trace_id)
    .text("SpanId", &arrival.span_id)
    .text("CallerKeyId", &arrival.key_id)
    .text("AgentId", &arrival.agent)
    .text("TeamId", &arrival.team)
    .text("ApplicationName", &arrival.application)
    .text("SrcIpAddr", &arrival.address.to_string())
    .number("SrcPortNumber", arrival.peer.port())
    .text("HttpUserAgent", &arrival.user_agent)
    .text("HttpMethod", &arrival.method)
    .text("HttpPath", &arrival.path);
}

fn decided(out: &mut Row, facts: &DecisionFacts<'_>) {
    out.text("Decision", facts.decision.as_str())
        .text("WouldDecision", facts.would_decision.as_str())
        .flag("Enforced", facts.enforced)
        .text("ReasonCode", facts.reason)
        .text("EnforcementId", facts.enforcement)
        .text("PolicyRuleId", facts.rule)
        .text("PolicyId", facts.policy_id)
        .text("PolicyVersion", facts.policy_version)
        .text("PolicyHash", facts.policy_hash);
}

fn judged(out: &mut Row, verdict: &Verdict, call: Option<&ParsedCall<'_>>, row: &CallRow<'_>) {
    out.number("ThreatScore", verdict.score)
        .text("RiskLevel", Severity::of_score(verdict.score).as_str())
        .text(
            "ThreatDetection",
            verdict.detection.map_or("", |category| category.as_str()),
        )
        .text("DetectedPattern", verdict.pattern.as_deref().unwrap_or(""))
        .number("Judged", verdict.judged)
        .list("NormFlags", verdict.norm_flags.iter().copied())
        .list(
            "SecretTypes",
            verdict.secret_types.iter().map(AsRef::as_ref),
        );
    if !verdict.unjudged.is_empty() {
        out.json("Unjudged", |out| unjudged(out, &verdict.unjudged));
    }
    let Some(worst) = verdict.findings.first() else {
        return;
    };
    out.text("SegmentRole", worst.kind.as_str())
        .text("Channel", channel(worst.kind))
        .list(
            "RuleIds",
            distinct(verdict.findings.iter().map(|finding| finding.rule.as_ref())),
        )
        .list(
            "Atlas",
            distinct(
                verdict
                    .findings
                    .iter()
                    .flat_map(|f| f.atlas.iter().map(AsRef::as_ref)),
            ),
        )
        .text("AtlasRelease", ATLAS_RELEASE)
        .list(
            "OwaspLlm",
            distinct(
                verdict
                    .findings
                    .iter()
                    .flat_map(|f| f.category.owasp_llm().iter().copied()),
            ),
        )
        .json("Findings", |out| {
            findings(out, &verdict.findings, call, row);
        });
}

/// How a segment came in, as far as the protocol says.
const fn channel(kind: SegmentKind) -> &'static str {
    match kind {
        SegmentKind::User => "user",
        SegmentKind::Document => "document",
        SegmentKind::ToolDefinition | SegmentKind::ToolCall | SegmentKind::ToolResult => "tool",
        SegmentKind::System
        | SegmentKind::Assistant
        | SegmentKind::Reasoning
        | SegmentKind::Response => "",
    }
}

/// Release of MITRE ATLAS that the technique ids of findings refer to.
const ATLAS_RELEASE: &str = "2026.09";

fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut out: Vec<&str> = Vec::new();
    for value in values {
        if !out.contains(&value) {
            out.push(value);
        }
    }
    out
}

fn findings(
    out: &mut String,
    findings: &[Finding],
    call: Option<&ParsedCall<'_>>,
    row: &CallRow<'_>,
) {
    for (index, finding) in findings.iter().take(FINDINGS_MAX).enumerate() {
        out.push_str(if index == 0 {
            "[{\"category\":\""
        } else {
            ",{\"category\":\""
        });
        out.push_str(finding.category.as_str());
        let _ = write!(out, "\",\"score\":{},\"rule\":", finding.score);
        push_string(out, &finding.rule);
        if let Some(fingerprint) = row.fingerprints.get(index) {
            let _ = write!(out, ",\"fp\":\"{fingerprint}\"");
        }
        let segment = call.and_then(|call| call.segments.get(finding.segment as usize));
        if let Some(segment) = segment {
            let span = body_span(row.body, segment, finding.span);
            out.push_str(",\"path\":");
            push_string(out, &segment.path);
            let _ = write!(out, ",\"start\":{},\"end\":{}", span.start, span.end);
        }
        let _ = write!(out, ",\"role\":\"{}\",\"atlas\":[", finding.kind.as_str());
        for (index, id) in finding.atlas.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_string(out, id);
        }
        out.push_str("]}");
    }
    out.push(']');
}

fn unjudged(out: &mut String, unjudged: &[Unjudged]) {
    for (index, part) in unjudged.iter().take(UNJUDGED_MAX).enumerate() {
        out.push_str(if index == 0 {
            "[{\"path\":"
        } else {
            ",{\"path\":"
        });
        push_string(out, &part.path);
        let _ = write!(out, ",\"reason\":\"{}\"", part.reason.as_str());
        if let Some(what) = &part.what {
            out.push_str(",\"what\":");
            push_string(out, what);
        }
        if let Some(bytes) = part.bytes {
            let _ = write!(out, ",\"bytes\":{bytes}");
        }
        out.push('}');
    }
    out.push(']');
}

fn asked(out: &mut Row, arrival: &Arrival, call: Option<&ParsedCall<'_>>, row: &CallRow<'_>) {
    let mut endpoint = String::with_capacity(row.upstream.len() + arrival.path.len());
    endpoint.push_str(row.upstream);
    endpoint.push_str(&arrival.path);
    out.text("Protocol", row.protocol)
        .text("ModelEndpoint", &endpoint)
        .text("RouteName", row.route)
        .text("ProviderName", row.provider)
        .number("RequestBytes", i128::try_from(row.body.len()).unwrap_or(0))
        .text("ContentSha256", row.content_sha256);
    if let Some(hash) = row.simhash {
        out.json("InputSimHash", |out| {
            let _ = write!(out, "\"{hash:016x}\"");
        });
    }
    let text = call.and_then(|call| last_user_text(&call.segments));
    out.real("Entropy", text.and_then(entropy));
    if !row.constraints.is_empty() {
        out.json("Constraints", |out| {
            for (index, applied) in row.constraints.iter().enumerate() {
                let open = if index == 0 { '[' } else { ',' };
                let _ = write!(
                    out,
                    "{open}{{\"kind\":\"{}\",\"count\":{}}}",
                    applied.kind, applied.count
                );
            }
            out.push(']');
        });
    }
    out.text("UserId", user(arrival, call).as_ref());
    let session = call.and_then(|call| call.session.as_deref()).unwrap_or("");
    out.text(
        "SessionId",
        if arrival.session.is_empty() {
            session
        } else {
            &arrival.session
        },
    );
    let Some(call) = call else { return };
    out.text("ModelName", call.model.as_deref().unwrap_or(""))
        .flag("Stream", call.stream)
        .maybe("MaxTokens", call.max_tokens)
        .real("Temperature", call.temperature)
        .maybe("CandidateCount", call.candidate_count)
        .number("MessageCount", call.message_count)
        .number("TurnIndex", call.user_turns)
        .number("ToolCount", i128::try_from(call.tools.len()).unwrap_or(0))
        .list("ToolNames", call.tools.iter().take(64).map(AsRef::as_ref));
    if let Some(logprobs) = call.logprobs {
        out.flag("LogProbs", logprobs);
    }
}

/// The caller: who was authenticated, else the protocol's user field, else the key, else the
/// address.
pub(crate) fn user<'a>(
    arrival: &'a Arrival,
    call: Option<&'a ParsedCall<'_>>,
) -> std::borrow::Cow<'a, str> {
    if !arrival.principal.is_empty() {
        return arrival.principal.as_str().into();
    }
    match call
        .and_then(|call| call.user.as_deref())
        .filter(|user| !user.is_empty())
    {
        Some(user) => user.into(),
        None if !arrival.key_id.is_empty() => format!("key:{}", arrival.key_id).into(),
        None => arrival.address.to_string().into(),
    }
}

/// How a call ended, for its settlement record.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) upstream_status: Option<u16>,
    pub(crate) response_status: Option<u16>,
    pub(crate) error_class: &'static str,
    pub(crate) response_bytes: u64,
    pub(crate) upstream_ms: Option<f64>,
    pub(crate) first_byte_ms: Option<f64>,
    pub(crate) gateway_us: u64,
    pub(crate) settled: Settled,
    /// What was found in the answer; nothing if none was looked at.
    pub(crate) report: Option<Report>,
}

/// Who answered in the end, and what it cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SettledBy<'a> {
    pub(crate) cost_usd: Option<f64>,
    pub(crate) upstream: &'a str,
    pub(crate) attempts: u32,
}

/// Writes the settlement record of a decision.
pub(crate) fn settlement(decision_id: &str, ending: &Ending, by: &SettledBy<'_>) -> Vec<u8> {
    let settled = &ending.settled;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut out = Row::new(TABLE);
    let error = if ending.error_class.is_empty() {
        settled.error_type.as_deref().unwrap_or("")
    } else {
        ending.error_class
    };
    out.text("$settles", decision_id)
        .text("Outcome", ending.outcome.as_str())
        .maybe("UpstreamStatus", ending.upstream_status.map(u64::from))
        .maybe("ResponseStatus", ending.response_status.map(u64::from))
        .text("ErrorClass", error)
        .text("ResponseModel", &text(&settled.response_model))
        .text("ResponseId", &text(&settled.response_id))
        .text("FinishReason", &text(&settled.finish_reason))
        .maybe("InputTokens", settled.input_tokens)
        .maybe("OutputTokens", settled.output_tokens)
        .maybe("CachedTokens", settled.cached_tokens)
        .maybe("ReasoningTokens", settled.reasoning_tokens)
        .real("CostUsd", by.cost_usd)
        .text("UpstreamName", by.upstream)
        .maybe(
            "UpstreamAttempts",
            (by.attempts > 0).then_some(u64::from(by.attempts)),
        )
        .number("ResponseBytes", ending.response_bytes)
        .real("UpstreamLatencyMs", ending.upstream_ms)
        .real("TtftMs", ending.first_byte_ms)
        .number("GatewayLatencyUs", ending.gateway_us)
        .list(
            "ResponseToolNames",
            settled.tool_names.iter().map(String::as_str),
        );
    if let Some(report) = &ending.report {
        answer(&mut out, report);
    }
    out.finish()
}

/// What was found in the answer.
fn answer(out: &mut Row, report: &Report) {
    out.text("ResponseDecision", report.decision.as_str())
        .text("ResponseWouldDecision", report.would_decision.as_str())
        .number("ResponseThreatScore", report.score())
        .number("ResponseJudged", report.judged)
        .number("ResponseMasked", report.masked)
        .number(
            "ResponseEvalUs",
            i128::try_from(report.eval.as_micros()).unwrap_or(0),
        )
        .real(
            "AddedTtftMs",
            report.added_ttft.map(|held| held.as_secs_f64() * 1_000.0),
        );
    out.text("ResponsePolicyRuleId", &report.rule);
    if report.canary {
        out.flag("CanaryHit", true);
    }
    if let Some(worst) = report.findings.first() {
        out.text("ResponseThreatDetection", worst.category.as_str())
            .text("ResponseDetectedPattern", &worst.rule)
            .list(
                "ResponseRuleIds",
                distinct(report.findings.iter().map(|finding| finding.rule.as_ref())),
            );
    }
    if !report.unjudged.is_empty() {
        out.json("ResponseUnjudged", |out| unjudged(out, &report.unjudged));
    }
}
