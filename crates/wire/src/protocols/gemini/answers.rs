//! Refusals and errors in Gemini's shape.

use serde_json::{Value, json};

use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext, StopContext};
use crate::framing::Framing;
use crate::spec::Voice;

pub(super) const VOICE: Voice = Voice {
    refusal,
    error,
    stream_error,
    stop,
};

fn refused(text: &str, model: &str, id: &str) -> Value {
    json!({
        "candidates": [{
            "content": {"role": "model", "parts": [{"text": text}]},
            "finishReason": "SAFETY", "index": 0}],
        "usageMetadata": {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0},
        "modelVersion": model, "responseId": id})
}

fn refusal(context: &RefusalContext<'_>) -> Answer {
    let whole = refused(context.text, context.model, context.decision_id);
    match context.framing {
        Framing::Events if context.stream => Answer::event_stream(format!("data: {whole}\r\n\r\n")),
        Framing::Array if context.stream => Answer::json(200, &json!([whole])),
        _ => Answer::json(200, &whole),
    }
}

fn body(context: &ErrorContext<'_>) -> Value {
    let status = match context.kind {
        ErrorKind::Unauthorized => "UNAUTHENTICATED",
        ErrorKind::Forbidden => "PERMISSION_DENIED",
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::RateLimited => "RESOURCE_EXHAUSTED",
        ErrorKind::UpstreamTimeout => "DEADLINE_EXCEEDED",
        ErrorKind::UpstreamUnreachable | ErrorKind::Overloaded | ErrorKind::LogUnavailable => {
            "UNAVAILABLE"
        }
        ErrorKind::Internal => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
    json!({"error": {"code": context.kind.status(), "message": context.message, "status": status,
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": context.kind.as_str(),
            "metadata": {"decision_id": context.decision_id}}]}})
}

fn error(context: &ErrorContext<'_>) -> Answer {
    Answer::json(context.kind.status(), &body(context))
}

fn stream_error(context: &ErrorContext<'_>) -> Vec<u8> {
    framed(&body(context), context.framing, false)
}

/// The end of a stream that was stopped: a candidate that ends for safety.
fn stop(context: &StopContext<'_>) -> Vec<u8> {
    let mut end = refused("", context.model, context.decision_id);
    end["candidates"][0]["content"]["parts"] = json!([]);
    framed(&end, context.framing, context.first.is_empty())
}

fn framed(value: &Value, framing: Framing, is_first: bool) -> Vec<u8> {
    match (framing, is_first) {
        (Framing::Array, true) => format!("[{value}]"),
        (Framing::Array, false) => format!(",{value}]"),
        _ => format!("data: {value}\r\n\r\n"),
    }
    .into_bytes()
}
