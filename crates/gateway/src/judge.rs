//! The judged middle of a call: parse, inspect, decide, weaken. No IO, no waiting, so that it can
//! run in place for ordinary bodies and on a thread of its own for very long ones.

use std::time::Instant;

use atalaya_inspect::{Inspector, Scratch, simhash};
use atalaya_model::{
    Constraints, Decision, Redaction, Segment, SegmentKind, ThreatCategory, Unjudged,
    UnjudgedReason, Verdict,
};
use atalaya_policy::{CallFacts, Outcome as PolicyOutcome, Policy, ReasonCode};
use atalaya_wire::{AppliedConstraint, ErrorKind, ParseLimits, ParsedCall, Protocol};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::arrival::{Arrival, hex};
use crate::config::PromptText;
use crate::record::{self, CallRow, DecisionFacts, NodeFacts};
use crate::route::Routes;
use crate::row::push_string;

/// Everything that judging needs, borrowed from the worker.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'w> {
    pub(crate) inspector: &'w Inspector,
    pub(crate) policy: &'w Policy,
    pub(crate) routes: &'w Routes,
    pub(crate) node: &'w NodeFacts,
    pub(crate) prompt_text: PromptText,
    pub(crate) parse_limits: ParseLimits,
}

/// What is to happen with a call, and the record that says so.
pub(crate) struct Judged {
    pub(crate) record: Vec<u8>,
    pub(crate) decision: Decision,
    pub(crate) next: Next,
    pub(crate) is_unjudged: bool,
}

/// What is to happen with a call.
pub(crate) enum Next {
    /// Forward it.
    Forward {
        target: usize,
        path_prefix: String,
        body: Bytes,
        is_modified: bool,
        stream: bool,
    },
    /// Answer it with a refusal.
    Refuse {
        model: String,
        stream: bool,
        text: String,
        as_error: bool,
    },
    /// Answer it with an error.
    Fail { kind: ErrorKind, message: String },
}

impl Judge<'_> {
    /// Judges a body that belongs to a protocol.
    pub(crate) fn judge(
        &self,
        arrival: &Arrival,
        protocol: &'static dyn Protocol,
        body: Bytes,
        scratch: &mut Scratch,
    ) -> Judged {
        let started = Instant::now();
        let bytes: &[u8] = &body;
        let call = match protocol.parse(bytes, &self.parse_limits) {
            Ok(call) => call,
            Err(error) => {
                let reason = UnjudgedReason::Malformed;
                let fault = Fault {
                    kind: ErrorKind::Malformed,
                    reason: "malformed",
                    unjudged: Some(reason),
                };
                return self.refuse_request(
                    arrival,
                    Some(protocol),
                    bytes,
                    &fault,
                    error.to_string(),
                );
            }
        };
        let mut verdict = self.inspector.inspect(&call.segments, scratch);
        verdict.unjudged.extend(call.unjudged.iter().cloned());
        let model = call.model.as_deref().unwrap_or("");
        let Some(destination) = self.routes.find(protocol.name(), &arrival.path, model) else {
            let fault = Fault {
                kind: ErrorKind::NotFound,
                reason: "no_route",
                unjudged: None,
            };
            let message = "no route of this gateway leads to a model for this request".to_owned();
            return self.refuse_request(arrival, Some(protocol), bytes, &fault, message);
        };
        let target = &self.routes.targets[destination.target];
        let facts = CallFacts {
            protocol: protocol.name(),
            path: &arrival.path,
            model,
            upstream: &target.name,
        };
        let outcome = self.policy.decide(&verdict, &facts);
        let mut row = CallRow {
            protocol: protocol.name(),
            upstream: &target.name,
            provider: &target.provider,
            route: destination.name,
            body: bytes,
            simhash: last_user_text(&call.segments).map(simhash),
            ..CallRow::default()
        };
        let (next, applied) = match outcome.decision {
            Decision::Block => (refusal(&call, &outcome), Vec::new()),
            Decision::Constrain => {
                match weaken(protocol, bytes, &call, &verdict, &outcome.constraints) {
                    Ok((weaker, applied)) => {
                        let is_modified = weaker != bytes;
                        (
                            forward(&destination, Bytes::from(weaker), is_modified, call.stream),
                            applied,
                        )
                    }
                    // What cannot be weakened safely is not forwarded at all.
                    Err(_) => (refusal(&call, &outcome), Vec::new()),
                }
            }
            Decision::Allow | Decision::Log => (
                forward(&destination, body.clone(), false, call.stream),
                Vec::new(),
            ),
        };
        let content_sha256 = hex(&Sha256::digest(bytes));
        let prompt = self.prompt_text(&call, &verdict);
        row.content_sha256 = &content_sha256;
        row.constraints = &applied;
        row.prompt_text = prompt.as_deref();
        row.eval_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let decision = match (&next, outcome.decision) {
            (Next::Refuse { .. }, _) => Decision::Block,
            (_, decision) => decision,
        };
        let facts = self.facts(decision, &outcome);
        let record = record::decision(self.node, arrival, &facts, &verdict, (Some(&call), &row));
        Judged {
            record,
            decision,
            next,
            is_unjudged: !verdict.unjudged.is_empty(),
        }
    }

    /// Judges a request whose route no protocol understands and that the policy lets pass.
    pub(crate) fn pass_unjudged(&self, arrival: &Arrival, body: Bytes) -> Judged {
        let verdict = Verdict {
            unjudged: vec![whole(UnjudgedReason::UnknownRoute, &body)],
            ..Verdict::default()
        };
        let Some(destination) = self.routes.find("", &arrival.path, "") else {
            let fault = Fault {
                kind: ErrorKind::NotFound,
                reason: "no_route",
                unjudged: Some(UnjudgedReason::UnknownRoute),
            };
            let message = "no route of this gateway leads to a model for this request".to_owned();
            return self.refuse_request(arrival, None, &body, &fault, message);
        };
        let target = &self.routes.targets[destination.target];
        let facts = CallFacts {
            path: &arrival.path,
            upstream: &target.name,
            ..CallFacts::default()
        };
        let outcome = self.policy.decide(&verdict, &facts);
        let row = CallRow {
            upstream: &target.name,
            provider: &target.provider,
            route: destination.name,
            body: &body,
            ..CallRow::default()
        };
        let facts = self.facts(outcome.decision, &outcome);
        let record = record::decision(self.node, arrival, &facts, &verdict, (None, &row));
        let next = if outcome.decision == Decision::Block {
            Next::Fail {
                kind: ErrorKind::Blocked,
                message: outcome.on_block.text.clone(),
            }
        } else {
            forward(&destination, body.clone(), false, false)
        };
        Judged {
            record,
            decision: outcome.decision,
            next,
            is_unjudged: true,
        }
    }

    /// A request that is not acceptable: a decision of its own, and never forwarded.
    pub(crate) fn refuse_request(
        &self,
        arrival: &Arrival,
        protocol: Option<&'static dyn Protocol>,
        body: &[u8],
        fault: &Fault,
        message: String,
    ) -> Judged {
        let unjudged: Vec<Unjudged> = fault
            .unjudged
            .iter()
            .map(|reason| whole(*reason, body))
            .collect();
        let verdict = Verdict {
            unjudged,
            ..Verdict::default()
        };
        let facts = DecisionFacts {
            decision: Decision::Block,
            would_decision: Decision::Block,
            enforced: true,
            reason: fault.reason,
            policy_id: self.policy.id(),
            policy_version: self.policy.version(),
            policy_hash: self.policy.hash(),
        };
        let row = CallRow {
            protocol: protocol.map_or("", |p| p.name()),
            body,
            ..CallRow::default()
        };
        let record = record::decision(self.node, arrival, &facts, &verdict, (None, &row));
        Judged {
            record,
            decision: Decision::Block,
            next: Next::Fail {
                kind: fault.kind,
                message,
            },
            is_unjudged: fault.unjudged.is_some(),
        }
    }

    fn facts<'f>(&'f self, decision: Decision, outcome: &PolicyOutcome<'_>) -> DecisionFacts<'f> {
        let reason = match outcome.reason {
            ReasonCode::None => "none",
            ReasonCode::Threshold => "threshold",
            ReasonCode::Unjudged => "unjudged",
        };
        DecisionFacts {
            decision,
            would_decision: outcome.would_decision,
            enforced: outcome.enforced,
            reason,
            policy_id: self.policy.id(),
            policy_version: self.policy.version(),
            policy_hash: self.policy.hash(),
        }
    }

    /// The inspected text as JSON, if the configuration wants it.
    fn prompt_text(&self, call: &ParsedCall<'_>, verdict: &Verdict) -> Option<String> {
        if self.prompt_text == PromptText::Off {
            return None;
        }
        let mut out = String::from("[");
        for (index, segment) in call.segments.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str("{\"role\":\"");
            out.push_str(segment.kind.as_str());
            out.push_str("\",\"path\":");
            push_string(&mut out, &segment.path);
            out.push_str(",\"text\":");
            if self.prompt_text == PromptText::Full {
                push_string(&mut out, &segment.text);
            } else {
                push_string(&mut out, &redacted(index, segment, verdict));
            }
            out.push('}');
        }
        out.push(']');
        Some(out)
    }
}

/// Why a request is not acceptable.
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) reason: &'static str,
    pub(crate) unjudged: Option<UnjudgedReason>,
}

fn whole(reason: UnjudgedReason, body: &[u8]) -> Unjudged {
    Unjudged {
        path: String::new(),
        reason,
        what: None,
        bytes: u64::try_from(body.len()).ok(),
    }
}

fn forward(
    destination: &crate::route::Destination<'_>,
    body: Bytes,
    is_modified: bool,
    stream: bool,
) -> Next {
    Next::Forward {
        target: destination.target,
        path_prefix: destination.path_prefix.to_owned(),
        body,
        is_modified,
        stream,
    }
}

fn refusal(call: &ParsedCall<'_>, outcome: &PolicyOutcome<'_>) -> Next {
    Next::Refuse {
        model: call.model.as_deref().unwrap_or("").to_owned(),
        stream: call.stream,
        text: outcome.on_block.text.clone(),
        as_error: outcome.on_block.style == atalaya_policy::BlockStyle::Error,
    }
}

fn weaken(
    protocol: &dyn Protocol,
    body: &[u8],
    call: &ParsedCall<'_>,
    verdict: &Verdict,
    constraints: &Constraints,
) -> Result<(Vec<u8>, Vec<AppliedConstraint>), atalaya_wire::WireError> {
    let redactions = redactions(verdict, &constraints.redact);
    protocol.constrain(body, call, constraints, &redactions)
}

fn redactions(verdict: &Verdict, categories: &[ThreatCategory]) -> Vec<Redaction> {
    verdict
        .findings
        .iter()
        .filter(|finding| categories.contains(&finding.category))
        .map(|finding| Redaction {
            segment: finding.segment,
            span: finding.span,
            replacement: format!("[REDACTED:{}]", finding.category),
        })
        .collect()
}

fn redacted(index: usize, segment: &Segment<'_>, verdict: &Verdict) -> String {
    let categories = [ThreatCategory::Secret, ThreatCategory::PersonalData];
    let mut redactions = redactions(verdict, &categories);
    redactions.retain(|redaction| redaction.segment as usize == index);
    redactions.sort_by_key(|redaction| redaction.span.start);
    let mut out = String::with_capacity(segment.text.len());
    let mut at = 0;
    for redaction in &redactions {
        if redaction.span.start >= at {
            out.push_str(segment.text.get(at..redaction.span.start).unwrap_or(""));
            out.push_str(&redaction.replacement);
        }
        at = at.max(redaction.span.end);
    }
    out.push_str(segment.text.get(at..).unwrap_or(""));
    out
}

fn last_user_text<'s>(segments: &'s [Segment<'_>]) -> Option<&'s str> {
    segments
        .iter()
        .rev()
        .find(|segment| segment.kind == SegmentKind::User)
        .map(|segment| segment.text.as_ref())
}
