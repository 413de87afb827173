//! The texts in a span, with the roles that the conventions give them.

use atalaya_model::{Segment, SegmentKind, Span as Bytes};
use serde_json::Value;

use super::otlp::{Span, find};

/// Deepest message that is looked at.
const DEPTH_MAX: usize = 32;
/// Most texts of one span.
const SEGMENTS_MAX: usize = 16 * 1_024;

/// Attributes that hold messages or texts, and what they are without a role of their own.
const CONTENT: [(&str, SegmentKind); 10] = [
    ("gen_ai.system_instructions", SegmentKind::System),
    ("gen_ai.input.messages", SegmentKind::User),
    ("gen_ai.prompt", SegmentKind::User),
    ("gen_ai.tool.definitions", SegmentKind::ToolDefinition),
    ("gen_ai.tool.description", SegmentKind::ToolDefinition),
    ("gen_ai.tool.call.arguments", SegmentKind::ToolCall),
    ("gen_ai.tool.call.result", SegmentKind::ToolResult),
    ("gen_ai.retrieval.documents", SegmentKind::Document),
    ("gen_ai.output.messages", SegmentKind::Response),
    ("gen_ai.completion", SegmentKind::Response),
];

/// Events of the earlier conventions.
const EVENTS: [(&str, SegmentKind); 7] = [
    ("gen_ai.system.message", SegmentKind::System),
    ("gen_ai.user.message", SegmentKind::User),
    ("gen_ai.assistant.message", SegmentKind::Assistant),
    ("gen_ai.tool.message", SegmentKind::ToolResult),
    ("gen_ai.choice", SegmentKind::Response),
    ("gen_ai.content.prompt", SegmentKind::User),
    ("gen_ai.content.completion", SegmentKind::Response),
];

/// Members that name things and hold no text for a model.
const NAMES: [&str; 6] = [
    "role",
    "type",
    "id",
    "finish_reason",
    "mime_type",
    "modality",
];

/// Every text of a span.
pub(super) fn segments(span: &Span) -> Vec<Segment<'static>> {
    let mut out = Vec::new();
    for (name, kind) in CONTENT {
        if let Some(value) = span.get(name) {
            collect(value, kind, format!("/{name}"), 0, &mut out);
        }
    }
    for (name, value) in &span.attributes {
        if let Some(kind) = numbered(span, name) {
            collect(value, kind, format!("/{name}"), 0, &mut out);
        }
    }
    for (index, (name, attributes)) in span.events.iter().enumerate() {
        let known = EVENTS.iter().find(|(known, _)| known == name);
        if let Some((_, kind)) = known {
            for (member, value) in attributes {
                if !NAMES.contains(&member.as_str()) && member != "gen_ai.system" {
                    let path = format!("/events/{index}/{member}");
                    collect(value, *kind, path, 0, &mut out);
                }
            }
        }
        // The current conventions may put the messages on one event.
        for (member, kind) in CONTENT {
            if known.is_none()
                && let Some(value) = find(attributes, member)
            {
                collect(
                    value,
                    kind,
                    format!("/events/{index}/{member}"),
                    0,
                    &mut out,
                );
            }
        }
    }
    out
}

/// `gen_ai.prompt.0.content` with its role in `gen_ai.prompt.0.role`.
fn numbered(span: &Span, name: &str) -> Option<SegmentKind> {
    let start = name
        .strip_suffix(".content")
        .or_else(|| name.strip_suffix(".arguments"))?;
    if start.starts_with("gen_ai.completion.") {
        return Some(SegmentKind::Response);
    }
    start
        .starts_with("gen_ai.prompt.")
        .then(|| of_role(span.text(&format!("{start}.role"))).unwrap_or(SegmentKind::User))
}

fn of_role(role: &str) -> Option<SegmentKind> {
    Some(match role {
        "system" | "developer" => SegmentKind::System,
        "user" | "human" => SegmentKind::User,
        "assistant" | "model" | "ai" => SegmentKind::Assistant,
        "tool" | "function" => SegmentKind::ToolResult,
        _ => return None,
    })
}

/// Every string in a value; roles and part types on the way say what it is.
fn collect(
    value: &Value,
    kind: SegmentKind,
    path: String,
    depth: usize,
    out: &mut Vec<Segment<'static>>,
) {
    if depth > DEPTH_MAX || out.len() >= SEGMENTS_MAX {
        return;
    }
    match value {
        Value::String(text) if !text.is_empty() => {
            let is_json = text.trim_start().starts_with(['[', '{']);
            if is_json && let Ok(inner) = serde_json::from_str::<Value>(text) {
                return collect(&inner, kind, path, depth + 1, out);
            }
            out.push(Segment {
                kind,
                path: path.into(),
                body: Bytes::new(0, 0),
                text: text.clone().into(),
            });
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, kind, format!("{path}/{index}"), depth + 1, out);
            }
        }
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or("");
            let kind = of_part(text("type"))
                .or_else(|| role_within(kind, text("role")))
                .unwrap_or(kind);
            for (name, member) in members {
                let is_name = NAMES.contains(&name.as_str()) && member.is_string();
                if !is_name {
                    collect(member, kind, format!("{path}/{name}"), depth + 1, out);
                }
            }
        }
        _ => {}
    }
}

/// A message of the output is the answer, whatever role it has.
fn role_within(kind: SegmentKind, role: &str) -> Option<SegmentKind> {
    (kind != SegmentKind::Response)
        .then(|| of_role(role))
        .flatten()
}

fn of_part(part: &str) -> Option<SegmentKind> {
    match part {
        "tool_call" | "tool_use" | "function_call" => Some(SegmentKind::ToolCall),
        "tool_call_response" | "tool_result" | "function_call_output" => {
            Some(SegmentKind::ToolResult)
        }
        "reasoning" | "thinking" => Some(SegmentKind::Reasoning),
        _ => None,
    }
}
