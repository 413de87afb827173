//! Refusals and ends in the form of a response.

use serde_json::{Value, json};

use super::super::openai_chat;
use crate::answer::{Answer, ErrorContext, RefusalContext, StopContext};
use crate::json::{self, JsonLimits};

pub(super) fn refusal(context: &RefusalContext<'_>) -> Answer {
    let id = format!("resp_{}", context.decision_id);
    let message = format!("msg_{}", context.decision_id);
    let item = json!({"id": message, "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "refusal", "refusal": context.text}]});
    let whole = |status: &str, output: Value| {
        response((&id, context.model), context.created_s, status, &output)
    };
    if !context.stream {
        return Answer::json(200, &whole("completed", json!([item])));
    }
    let empty = json!({"id": message, "type": "message", "role": "assistant",
        "status": "in_progress", "content": []});
    let events = [
        json!({"type": "response.created", "response": whole("in_progress", json!([]))}),
        json!({"type": "response.in_progress", "response": whole("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": empty}),
        json!({"type": "response.content_part.added", "item_id": message, "output_index": 0,
            "content_index": 0, "part": {"type": "refusal", "refusal": ""}}),
        json!({"type": "response.refusal.delta", "item_id": message, "output_index": 0,
            "content_index": 0, "delta": context.text}),
        json!({"type": "response.refusal.done", "item_id": message, "output_index": 0,
            "content_index": 0, "refusal": context.text}),
        json!({"type": "response.content_part.done", "item_id": message, "output_index": 0,
            "content_index": 0, "part": {"type": "refusal", "refusal": context.text}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": whole("completed", json!([item]))}),
    ];
    let body = events
        .into_iter()
        .enumerate()
        .map(|(number, event)| numbered(event, u64::try_from(number).unwrap_or(0)))
        .collect();
    Answer::event_stream(body)
}

fn response((id, model): (&str, &str), created_s: i64, status: &str, output: &Value) -> Value {
    json!({"id": id, "object": "response", "created_at": created_s, "status": status,
        "background": false, "error": null, "incomplete_details": null, "instructions": null,
        "max_output_tokens": null, "metadata": {}, "model": model, "output": output,
        "parallel_tool_calls": true, "previous_response_id": null, "reasoning": null,
        "store": false, "temperature": null, "text": {"format": {"type": "text"}},
        "tool_choice": "auto", "tools": [], "top_p": null, "truncation": "disabled",
        "usage": {"input_tokens": 0, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0},
        "user": null})
}

fn numbered(mut event: Value, number: u64) -> String {
    event["sequence_number"] = number.into();
    let name = event["type"].as_str().unwrap_or("error").to_owned();
    format!("event: {name}\ndata: {event}\n\n")
}

/// The end of a stream that was stopped: the response stays incomplete, by a content filter.
pub(super) fn stop(context: &StopContext<'_>) -> Vec<u8> {
    let (id, model) = identity(context);
    let number = context.last.last().map_or(0, |last| sequence(last) + 1);
    let mut incomplete = response((&id, &model), context.created_s, "incomplete", &json!([]));
    incomplete["incomplete_details"] = json!({"reason": "content_filter"});
    let event = json!({"type": "response.incomplete", "response": incomplete});
    numbered(event, number).into_bytes()
}

pub(super) fn stream_error(context: &ErrorContext<'_>) -> Vec<u8> {
    let error = json!({"type": "error", "code": context.kind.as_str(), "message": context.message,
        "param": null, "decision_id": context.decision_id});
    numbered(error, 0).into_bytes()
}

fn identity(context: &StopContext<'_>) -> (String, String) {
    let first = json::parse(context.first, JsonLimits::default()).ok();
    let response = first
        .as_ref()
        .and_then(|first| first.root().get("response"));
    let text = |name: &str| {
        response
            .and_then(|response| response.get_str(name))
            .map(std::borrow::Cow::into_owned)
    };
    (
        text("id").unwrap_or_else(|| format!("resp_{}", context.decision_id)),
        text("model").unwrap_or_else(|| openai_chat::answers::identity(context, "resp").1),
    )
}

fn sequence(data: &[u8]) -> u64 {
    json::parse(data, JsonLimits::default())
        .ok()
        .and_then(|document| document.root().get("sequence_number")?.as_u64())
        .unwrap_or(0)
}
