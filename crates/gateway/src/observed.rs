//! Calls that were made elsewhere, told by OpenTelemetry spans (OTLP over HTTP with JSON or protobuf,
//! and over gRPC): judged after the fact and logged with `Enforced` false.
//!
//! A span that says something of a model call (`gen_ai.*`) becomes one decision with the span's
//! trace and span id. Read are the current conventions (`gen_ai.input.messages`,
//! `gen_ai.system_instructions`, `gen_ai.output.messages`, tool calls), the earlier ones with an
//! event for each message, and `gen_ai.prompt.N.content`. Other spans are passed over.

mod messages;
mod otlp;

use atalaya_inspect::Scratch;
use atalaya_model::{Decision, Unjudged, UnjudgedReason};
use atalaya_policy::CallFacts;
use atalaya_wire::{ParsedCall, Settled};
use bytes::Bytes;

use crate::arrival::Arrival;
use crate::assess::Subject;
use crate::judge::Judge;
use crate::record::{self, CallRow, DecisionFacts, Ending, Outcome, SettledBy};

pub(crate) use otlp::OtlpError;
use otlp::Span;

/// Path of the data plane.
pub(crate) const PATH: &str = "/v1/traces";
/// Name in the log's `Protocol` column.
const PROTOCOL: &str = "otel.gen_ai";
/// Most spans of one export that are judged.
const SPANS_MAX: usize = 4_096;

/// What came of an export.
pub(crate) struct Observed {
    /// Decision and settlement of each call.
    pub(crate) records: Vec<(Vec<u8>, Vec<u8>, Decision)>,
    /// Spans beyond the limit.
    pub(crate) rejected: usize,
    /// The answer.
    pub(crate) answer: (&'static str, Bytes),
}

impl Judge<'_> {
    /// Judges the calls that an export tells of.
    pub(crate) fn observe(
        &self,
        arrival: &Arrival,
        body: &Bytes,
        mut new_id: impl FnMut() -> String,
        scratch: &mut Scratch,
    ) -> Result<Observed, OtlpError> {
        let is_json = arrival.content_type.starts_with("application/json");
        let spans = if is_json {
            otlp::from_json(body)?
        } else {
            otlp::from_protobuf(body)?
        };
        let mut spans: Vec<Span> = spans.into_iter().filter(Span::is_model_call).collect();
        let rejected = spans.len().saturating_sub(SPANS_MAX);
        spans.truncate(SPANS_MAX);
        let records = spans.iter().map(|span| {
            let told = Arrival {
                id: new_id(),
                trace_id: span.trace_id.clone(),
                span_id: span.span_id.clone(),
                request_id: String::new(),
                session: span.text("gen_ai.conversation.id").to_owned(),
                agent: span.text("gen_ai.agent.id").to_owned(),
                ..arrival.clone()
            };
            self.observe_one(&told, span, scratch)
        });
        Ok(Observed {
            records: records.collect(),
            rejected,
            answer: otlp::answer(is_json, rejected),
        })
    }

    fn observe_one(
        &self,
        arrival: &Arrival,
        span: &Span,
        scratch: &mut Scratch,
    ) -> (Vec<u8>, Vec<u8>, Decision) {
        let mut call = ParsedCall::default();
        call.model = Some(span.text("gen_ai.request.model").into());
        call.user = Some(
            span.first(&["gen_ai.user.id", "enduser.id", "user.id"])
                .into(),
        );
        call.segments = messages::segments(span);
        if !span.text("gen_ai.tool.name").is_empty() {
            call.tools.push(span.text("gen_ai.tool.name").into());
        }
        let mut verdict = self.inspect(PROTOCOL, &call, scratch);
        if call.segments.is_empty() {
            // Most applications do not send content along unless they are told to.
            verdict.unjudged.push(Unjudged {
                path: String::new(),
                reason: UnjudgedReason::Opaque,
                what: Some("span without content".to_owned()),
                bytes: None,
            });
        }
        let provider = span.first(&["gen_ai.provider.name", "gen_ai.system"]);
        let subject = Subject {
            facts: CallFacts {
                protocol: PROTOCOL,
                path: &arrival.path,
                model: span.text("gen_ai.request.model"),
                upstream: provider,
            },
            route: "observed",
            actions: &[],
            content_sha256: "",
            thread: None,
        };
        let assessment = self.assess(arrival, &call, &verdict, &subject);
        let outcome = &assessment.outcome;
        // Nothing was done about it, whatever should have been.
        let decision = outcome.would_decision.min(Decision::Log);
        let facts = DecisionFacts {
            enforcement: assessment.ruling.enforcement(),
            reason: assessment
                .ruling
                .reason()
                .unwrap_or(outcome.reason.as_str()),
            enforced: false,
            ..self.facts(decision, outcome)
        };
        let row = CallRow {
            protocol: PROTOCOL,
            upstream: provider,
            provider,
            route: "observed",
            fingerprints: &assessment.fingerprints,
            view: assessment.view,
            ..CallRow::default()
        };
        let record = record::decision(self.node, arrival, &facts, &verdict, (Some(&call), &row));
        (record, settlement(&arrival.id, span), decision)
    }
}

fn settlement(decision_id: &str, span: &Span) -> Vec<u8> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let ending = Ending {
        outcome: Outcome::Evaluated,
        upstream_status: None,
        response_status: None,
        error_class: "",
        response_bytes: 0,
        upstream_ms: span.duration_ms(),
        first_byte_ms: None,
        gateway_us: 0,
        settled: Settled {
            response_model: some(span.text("gen_ai.response.model")),
            response_id: some(span.text("gen_ai.response.id")),
            finish_reason: some(&span.joined("gen_ai.response.finish_reasons")),
            input_tokens: span.number(&["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"]),
            output_tokens: span.number(&[
                "gen_ai.usage.output_tokens",
                "gen_ai.usage.completion_tokens",
            ]),
            error_type: some(span.text("error.type")),
            ..Settled::default()
        },
        report: None,
    };
    record::settlement(decision_id, &ending, &SettledBy::default())
}
