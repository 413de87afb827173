//! Refusals and errors in OpenAI's shape.

use serde_json::{Value, json};

use crate::answer::{Answer, ErrorContext, ErrorKind, RefusalContext, StopContext};
use crate::json::{self, JsonLimits};

pub(super) fn refusal(context: &RefusalContext<'_>) -> Answer {
    let id = format!("chatcmpl-{}", context.decision_id);
    if context.stream {
        return Answer::event_stream(refusal_stream(context, &id));
    }
    Answer::json(
        200,
        &json!({
            "id": id, "object": "chat.completion", "created": context.created_s,
            "model": context.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": context.text, "refusal": null},
                "logprobs": null, "finish_reason": "content_filter"}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        }),
    )
}

/// The end of a stream that was stopped: the answer's own id, a reason, the end marker.
pub(super) fn stop(context: &StopContext<'_>) -> Vec<u8> {
    let (id, model) = identity(context, "chatcmpl");
    let data = json!({
        "id": id, "object": "chat.completion.chunk", "created": context.created_s, "model": model,
        "choices": [{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "content_filter"}]
    });
    format!("data: {data}\n\ndata: [DONE]\n\n").into_bytes()
}

/// Id and model of the answer that is being streamed, from its first frame.
pub(crate) fn identity(context: &StopContext<'_>, prefix: &str) -> (String, String) {
    let first = json::parse(context.first, JsonLimits::default()).ok();
    let text = |name: &str| {
        first
            .as_ref()
            .and_then(|first| first.root().get_str(name))
            .map(std::borrow::Cow::into_owned)
    };
    (
        text("id").unwrap_or_else(|| format!("{prefix}-{}", context.decision_id)),
        text("model").unwrap_or_else(|| context.model.to_owned()),
    )
}

fn refusal_stream(context: &RefusalContext<'_>, id: &str) -> String {
    let chunk = |delta: Value, finish: Value| {
        let data = json!({
            "id": id, "object": "chat.completion.chunk", "created": context.created_s,
            "model": context.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]
        });
        format!("data: {data}\n\n")
    };
    let mut out = chunk(json!({"role": "assistant", "content": ""}), Value::Null);
    out.push_str(&chunk(json!({"content": context.text}), Value::Null));
    out.push_str(&chunk(json!({}), json!("content_filter")));
    out.push_str("data: [DONE]\n\n");
    out
}

pub(crate) fn error(context: &ErrorContext<'_>) -> Answer {
    Answer::json(context.kind.status(), &body(context))
}

pub(crate) fn stream_error(context: &ErrorContext<'_>) -> Vec<u8> {
    format!("data: {}\n\n", body(context)).into_bytes()
}

fn body(context: &ErrorContext<'_>) -> Value {
    let (kind, code) = match context.kind {
        ErrorKind::Blocked => ("invalid_request_error", "content_filter"),
        ErrorKind::Unauthorized => ("authentication_error", "invalid_api_key"),
        ErrorKind::Forbidden => ("permission_error", context.kind.as_str()),
        ErrorKind::RateLimited => ("rate_limit_error", "rate_limit_exceeded"),
        ErrorKind::UpstreamUnreachable
        | ErrorKind::UpstreamTimeout
        | ErrorKind::Overloaded
        | ErrorKind::LogUnavailable
        | ErrorKind::Internal => ("server_error", context.kind.as_str()),
        _ => ("invalid_request_error", context.kind.as_str()),
    };
    json!({"error": {
        "message": context.message, "type": kind, "param": null, "code": code,
        "decision_id": context.decision_id}})
}
