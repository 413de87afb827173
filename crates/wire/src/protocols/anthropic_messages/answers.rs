//! Refusals and errors in Anthropic's shape.

use serde_json::{Value, json};

use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext};

pub(super) fn refusal(context: &RefusalContext<'_>) -> Answer {
    let id = format!("msg_{}", context.decision_id);
    if context.stream {
        return Answer::event_stream(refusal_stream(context, &id));
    }
    Answer::json(
        200,
        &json!({
            "id": id, "type": "message", "role": "assistant", "model": context.model,
            "content": [{"type": "text", "text": context.text}],
            "stop_reason": "refusal", "stop_sequence": null,
            "usage": {"input_tokens": 0, "output_tokens": 0}
        }),
    )
}

fn refusal_stream(context: &RefusalContext<'_>, id: &str) -> String {
    let events = [
        json!({"type": "message_start", "message": {
            "id": id, "type": "message", "role": "assistant", "model": context.model,
            "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 0, "output_tokens": 0}}}),
        json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": context.text}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_sequence": null},
            "usage": {"output_tokens": 0}}),
        json!({"type": "message_stop"}),
    ];
    events.iter().map(event).collect()
}

fn event(value: &Value) -> String {
    format!(
        "event: {}\ndata: {value}\n\n",
        value["type"].as_str().unwrap_or("error")
    )
}

pub(super) fn error(context: &ErrorContext<'_>) -> Answer {
    Answer::json(context.kind.status(), &body(context))
}

pub(super) fn stream_error(context: &ErrorContext<'_>) -> Vec<u8> {
    event(&body(context)).into_bytes()
}

fn body(context: &ErrorContext<'_>) -> Value {
    let kind = match context.kind {
        ErrorKind::Unauthorized => "authentication_error",
        ErrorKind::Forbidden => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::UpstreamTimeout => "timeout_error",
        ErrorKind::Overloaded | ErrorKind::LogUnavailable => "overloaded_error",
        ErrorKind::UpstreamUnreachable | ErrorKind::Internal => "api_error",
        _ => "invalid_request_error",
    };
    json!({"type": "error",
        "error": {"type": kind, "message": context.message, "code": context.kind.as_str()},
        "request_id": context.decision_id})
}
