//! Refusals and errors in Anthropic's shape.

use serde_json::{Value, json};

use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext, StopContext};
use crate::json::{self, JsonLimits};

pub(crate) fn refusal(context: &RefusalContext<'_>) -> Answer {
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
    refusal_events(context.text, context.model, id)
        .iter()
        .map(event)
        .collect()
}

/// The events of a refusal.
pub(crate) fn refusal_events(text: &str, model: &str, id: &str) -> Vec<Value> {
    vec![
        json!({"type": "message_start", "message": {
            "id": id, "type": "message", "role": "assistant", "model": model,
            "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 0, "output_tokens": 0}}}),
        json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": text}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_sequence": null},
            "usage": {"output_tokens": 0}}),
        json!({"type": "message_stop"}),
    ]
}

/// The end of a stream that was stopped: an open block is closed, then the message ends.
pub(crate) fn stop(context: &StopContext<'_>) -> Vec<u8> {
    stop_events(context)
        .iter()
        .map(event)
        .collect::<String>()
        .into_bytes()
}

/// The events that end a stream.
pub(crate) fn stop_events(context: &StopContext<'_>) -> Vec<Value> {
    if context.first.is_empty() {
        return refusal_events(
            context.text,
            context.model,
            &format!("msg_{}", context.decision_id),
        );
    }
    let mut events = Vec::new();
    if let Some(index) = open_block(context.last) {
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(json!({"type": "message_delta",
        "delta": {"stop_reason": "refusal", "stop_sequence": null},
        "usage": {"output_tokens": 0}}));
    events.push(json!({"type": "message_stop"}));
    events
}

/// The block that the last frames left open.
fn open_block(last: &[Vec<u8>]) -> Option<u64> {
    last.iter().rev().find_map(|data| {
        let document = json::parse(data, JsonLimits::default()).ok()?;
        let index = document.root().get("index")?.as_u64()?;
        let kind = document.root().get_str("type")?;
        // The last frame about a block says whether it is open.
        Some((kind != "content_block_stop").then_some(index))
    })?
}

fn event(value: &Value) -> String {
    format!(
        "event: {}\ndata: {value}\n\n",
        value["type"].as_str().unwrap_or("error")
    )
}

pub(crate) fn error(context: &ErrorContext<'_>) -> Answer {
    Answer::json(context.kind.status(), &body(context))
}

pub(crate) fn stream_error(context: &ErrorContext<'_>) -> Vec<u8> {
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
