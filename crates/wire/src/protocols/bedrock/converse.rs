//! Converse and ConverseStream.

use atalaya_model::SegmentKind::{
    Assistant, Document, Reasoning, Response, System, ToolCall, ToolResult, User,
};

use super::{answers, head_facts, operation};
use crate::edit::json_string;
use crate::facts::Tell;
use crate::framing::Framing;
use crate::instruct::{Instructions, Part};
use crate::json::Kind;
use crate::rules::{Fact, Is, Of, Table, rule};
use crate::spec::{Spec, spec};
use crate::weaken::{Shape, Weakening};

const BLOCK: &[&str] = &[
    "text",
    "image",
    "document",
    "video",
    "audio",
    "toolUse",
    "toolResult",
    "guardContent",
    "cachePoint",
    "reasoningContent",
    "citationsContent",
    "searchResult",
];

const REQUEST: Table = Table {
    roles: &[("user", User), ("assistant", Assistant), ("system", System)],
    ..Table::of(
        User,
        &[
            rule("system", Is::Text(Of::Kind(System))),
            rule("messages/#", Is::Turn),
            rule("messages/#/content/#", Is::Keyed(BLOCK)),
            rule("messages/#/content/#/text", Is::Text(Of::Turn)),
            rule("messages/#/content/#/image", Is::Media("image")),
            rule("messages/#/content/#/video", Is::Media("video")),
            rule("messages/#/content/#/audio", Is::Media("audio")),
            rule(
                "messages/#/content/#/document/source/text",
                Is::Text(Of::Kind(Document)),
            ),
            rule(
                "messages/#/content/#/document/source/content",
                Is::Text(Of::Kind(Document)),
            ),
            rule(
                "messages/#/content/#/document/source",
                Is::Media("document"),
            ),
            rule(
                "messages/#/content/#/document/context",
                Is::Text(Of::Kind(Document)),
            ),
            rule(
                "messages/#/content/#/document/name",
                Is::Text(Of::Kind(Document)),
            ),
            rule(
                "messages/#/content/#/toolUse/input",
                Is::Text(Of::Kind(ToolCall)),
            ),
            rule(
                "messages/#/content/#/toolResult/content/#/image",
                Is::Media("image"),
            ),
            rule(
                "messages/#/content/#/toolResult/content/#/video",
                Is::Media("video"),
            ),
            rule(
                "messages/#/content/#/toolResult/content/#/document/source/bytes",
                Is::Media("document"),
            ),
            rule(
                "messages/#/content/#/toolResult/content/#/*",
                Is::Text(Of::Kind(ToolResult)),
            ),
            rule(
                "messages/#/content/#/guardContent/image",
                Is::Media("image"),
            ),
            rule("messages/#/content/#/guardContent", Is::Text(Of::Turn)),
            rule(
                "messages/#/content/#/searchResult",
                Is::Text(Of::Kind(Document)),
            ),
            rule("messages/#/content/#/citationsContent", Is::Text(Of::Turn)),
            rule(
                "messages/#/content/#/reasoningContent/redactedContent",
                Is::Opaque("redacted_reasoning"),
            ),
            rule(
                "messages/#/content/#/reasoningContent/reasoningText/signature",
                Is::Label(Of::Kind(Reasoning)),
            ),
            rule(
                "messages/#/content/#/reasoningContent",
                Is::Text(Of::Kind(Reasoning)),
            ),
            rule("toolConfig/tools", Is::Tools),
            rule("promptVariables", Is::Text(Of::Kind(User))),
            rule("requestMetadata", Is::Text(Of::Kind(User))),
            rule("additionalModelRequestFields", Is::Label(Of::Kind(User))),
            rule("inferenceConfig/maxTokens", Is::Fact(Fact::MaxTokens)),
            rule("inferenceConfig/temperature", Is::Fact(Fact::Temperature)),
        ],
    )
};

const ANSWER: Table = Table::of(
    Response,
    &[
        rule("output/message/content/#", Is::Keyed(BLOCK)),
        rule(
            "output/message/content/#/text",
            Is::Text(Of::Kind(Response)),
        ),
        rule("output/message/content/#/image", Is::Media("image")),
        rule(
            "output/message/content/#/toolUse/input",
            Is::Text(Of::Kind(ToolCall)),
        ),
        rule(
            "output/message/content/#/toolResult",
            Is::Text(Of::Kind(ToolResult)),
        ),
        rule(
            "output/message/content/#/reasoningContent/redactedContent",
            Is::Opaque("redacted_reasoning"),
        ),
        rule(
            "output/message/content/#/reasoningContent/reasoningText/signature",
            Is::Label(Of::Kind(Reasoning)),
        ),
        rule(
            "output/message/content/#/reasoningContent",
            Is::Text(Of::Kind(Reasoning)),
        ),
        rule(
            "output/message/content/#/citationsContent",
            Is::Text(Of::Kind(Response)),
        ),
        rule("delta/text", Is::Delta(Of::Kind(Response))),
        rule("delta/toolUse/input", Is::DeltaJson(Of::Kind(ToolCall))),
        rule(
            "delta/reasoningContent/text",
            Is::Delta(Of::Kind(Reasoning)),
        ),
        rule(
            "delta/reasoningContent/signature",
            Is::Label(Of::Kind(Reasoning)),
        ),
        rule(
            "delta/reasoningContent/redactedContent",
            Is::Opaque("redacted_reasoning"),
        ),
        rule("delta/citation", Is::Text(Of::Kind(Document))),
        rule("delta/toolResult", Is::Text(Of::Kind(ToolResult))),
        rule("message", Is::Text(Of::Kind(Response))),
        // The provider's own guard reports what it found, with the text.
        rule("trace", Is::Text(Of::Kind(Response))),
    ],
);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    finish: head_facts,
    shape: Shape {
        settings: Some("inferenceConfig"),
        output_tokens: &["maxTokens"],
        temperature: Some("temperature"),
        // A history with tool calls is refused without `toolConfig`.
        tools: &[],
        ..Shape::NONE
    },
    extra: |weakening, constraints| {
        if let Some(text) = &constraints.safety_message {
            safety_message(weakening, text);
        }
        if constraints.drop_tools {
            drop_tools(weakening);
        }
        Ok(())
    },
    instructions: Instructions::Member("system", Part::Bare),
    facts: &[
        ("stopReason", Tell::FinishEnds),
        ("usage/inputTokens", Tell::Input),
        ("usage/outputTokens", Tell::Output),
        ("usage/cacheReadInputTokens", Tell::Cached),
        ("output/message/content/#/toolUse/name", Tell::Tool),
        ("start/toolUse/name", Tell::Tool),
        ("__type", Tell::Error),
    ],
    streams: &[Framing::AwsEvents],
    ..spec(
        "bedrock.converse",
        matches,
        (&REQUEST, &ANSWER),
        answers::CONVERSE,
    )
};

fn matches(method: &str, path: &str) -> bool {
    method == "POST"
        && operation(path)
            .is_some_and(|(_, operation)| matches!(operation, "converse" | "converse-stream"))
}

fn safety_message(weakening: &mut Weakening<'_, '_>, text: &str) {
    let block = format!("{{\"text\":{}}}", json_string(text));
    let (root, edits) = (weakening.root, &mut weakening.edits);
    match root.get("system") {
        Some(system) if system.kind() == Kind::Array => edits.add_first(system, &block),
        Some(other) => edits.replace(other.outer_span(), format!("[{block}]")),
        None => edits.add_member(root, "system", &format!("[{block}]")),
    }
    weakening.note("safety_message", 1);
}

/// Tools go when no tool was used before; else their choice is left, and a text says they are not
/// to be used, since the API refuses the history without them.
fn drop_tools(weakening: &mut Weakening<'_, '_>) {
    let root = weakening.root;
    if root.get("toolConfig").is_none() {
        return;
    }
    let messages = root.get("messages");
    let has_history = messages
        .iter()
        .flat_map(crate::json::Value::children)
        .filter_map(|message| message.get("content"))
        .flat_map(|content| content.children())
        .any(|block| block.get("toolUse").is_some() || block.get("toolResult").is_some());
    if has_history {
        const NO_TOOL: &str = r#"{"tools":[{"toolSpec":{"name":"none","description":"No tool is available.","inputSchema":{"json":{"type":"object"}}}}]}"#;
        if let Some(config) = root.get("toolConfig") {
            weakening.edits.replace(config.outer_span(), NO_TOOL);
        }
    } else {
        weakening.edits.remove_members(root, &["toolConfig"]);
    }
    weakening.note("drop_tools", 1);
}
