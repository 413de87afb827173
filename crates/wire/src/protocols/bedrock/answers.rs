//! Refusals and errors in Bedrock's shape.

use serde_json::{Value, json};

use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext, StopContext};
use crate::framing::{Framing, aws_message, aws_wrap};
use crate::json::{self, JsonLimits};
use crate::protocols::anthropic_messages::answers as anthropic;
use crate::spec::Voice;

pub(super) const CONVERSE: Voice = Voice {
    refusal,
    error,
    stream_error,
    stop,
};

fn event(name: &str, payload: &Value) -> Vec<u8> {
    aws_message(("event", name), payload.to_string().as_bytes())
}

fn usage() -> Value {
    json!({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0})
}

fn refusal(context: &RefusalContext<'_>) -> Answer {
    if !context.stream {
        return Answer::json(
            200,
            &json!({
                "output": {"message": {"role": "assistant", "content": [{"text": context.text}]}},
                "stopReason": "guardrail_intervened", "usage": usage(),
                "metrics": {"latencyMs": 0}}),
        );
    }
    let body = [
        event("messageStart", &json!({"role": "assistant"})),
        event(
            "contentBlockDelta",
            &json!({"contentBlockIndex": 0, "delta": {"text": context.text}}),
        ),
        event("contentBlockStop", &json!({"contentBlockIndex": 0})),
        end(),
    ];
    Answer::stream(Framing::AwsEvents, body.concat())
}

fn end() -> Vec<u8> {
    [
        event(
            "messageStop",
            &json!({"stopReason": "guardrail_intervened"}),
        ),
        event(
            "metadata",
            &json!({"usage": usage(), "metrics": {"latencyMs": 0}}),
        ),
    ]
    .concat()
}

/// The end of a stream that was stopped: an open block is closed, then the message ends.
fn stop(context: &StopContext<'_>) -> Vec<u8> {
    let open = context.last.iter().rev().find_map(|data| {
        let document = json::parse(data, JsonLimits::default()).ok()?;
        let index = document.root().get("contentBlockIndex")?.as_u64()?;
        // Only a block that began or goes on has more than its number.
        let is_open =
            document.root().get("delta").is_some() || document.root().get("start").is_some();
        Some(is_open.then_some(index))
    });
    let mut out = Vec::new();
    if context.first.is_empty() {
        out.extend(event("messageStart", &json!({"role": "assistant"})));
    }
    if let Some(index) = open.flatten() {
        out.extend(event(
            "contentBlockStop",
            &json!({"contentBlockIndex": index}),
        ));
    }
    out.extend(end());
    out
}

pub(super) fn invoke_refusal(context: &RefusalContext<'_>) -> Answer {
    if context.stream {
        let id = format!("msg_{}", context.decision_id);
        let events = anthropic::refusal_events(context.text, context.model, &id);
        return Answer::stream(Framing::AwsEvents, chunks(&events));
    }
    if context.model.contains("anthropic") {
        return anthropic::refusal(context);
    }
    // The makers' answers have no common form: an error is understood by all.
    error(&ErrorContext::new(
        context.decision_id,
        ErrorKind::Blocked,
        context.text,
    ))
}

fn chunks(events: &[Value]) -> Vec<u8> {
    events
        .iter()
        .flat_map(|event| aws_message(("event", "chunk"), &aws_wrap(event.to_string().as_bytes())))
        .collect()
}

pub(super) fn invoke_stop(context: &StopContext<'_>) -> Vec<u8> {
    chunks(&anthropic::stop_events(context))
}

fn exception(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unauthorized | ErrorKind::Forbidden => "AccessDeniedException",
        ErrorKind::NotFound => "ResourceNotFoundException",
        ErrorKind::RateLimited => "ThrottlingException",
        ErrorKind::UpstreamTimeout => "ModelTimeoutException",
        ErrorKind::Overloaded | ErrorKind::LogUnavailable => "ServiceUnavailableException",
        ErrorKind::UpstreamUnreachable | ErrorKind::Internal => "InternalServerException",
        _ => "ValidationException",
    }
}

fn body(context: &ErrorContext<'_>) -> Value {
    json!({"__type": exception(context.kind), "message": context.message,
        "code": context.kind.as_str(), "decisionId": context.decision_id})
}

pub(super) fn error(context: &ErrorContext<'_>) -> Answer {
    Answer::json(context.kind.status(), &body(context))
}

pub(super) fn stream_error(context: &ErrorContext<'_>) -> Vec<u8> {
    let name = exception(context.kind);
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        // On a stream the names begin in lower case.
        first.make_ascii_lowercase();
    }
    let payload = json!({"message": context.message, "decisionId": context.decision_id});
    aws_message(("exception", &name), payload.to_string().as_bytes())
}
