//! Model Context Protocol over streamable HTTP, in both of its generations (2025-11-25 with
//! sessions, and the stateless 2026-07-28), and, by the same rules, over standard input and output.
//!
//! Source: MCP specification, "Base protocol", "Transports". One endpoint takes JSON-RPC messages
//! (single or, in older revisions, in arrays) with POST and answers with JSON or events; GET opens
//! a stream of what the server has to say, DELETE ends a session. Both sides ask and answer, so one
//! table reads both directions: what a server says is untrusted, whatever it calls itself.

mod answers;

use std::borrow::Cow;

use atalaya_model::SegmentKind::{Document, ToolCall, ToolDefinition, ToolResult, User};

use crate::call::ParsedCall;
use crate::facts::Tell;
use crate::framing::Framing;
use crate::protocol::RequestHead;
use crate::rules::{Block, Fact, Is, Of, Rule, Table, rule};
use crate::spec::{Spec, spec};

pub(crate) use answers::VOICE;

/// Types of content.
const CONTENT: &[(&str, Block)] = &[
    ("text", Block::Plain),
    ("image", Block::Media),
    ("audio", Block::Media),
    ("resource", Block::Of(Document)),
    ("resource_link", Block::Of(Document)),
    ("tool_use", Block::Of(ToolCall)),
    ("tool_result", Block::Of(ToolResult)),
];

/// The rules for messages below a place: one, or each of an array.
macro_rules! messages {
    ($($at:literal),*) => { [$(
        rule(concat!($at, "jsonrpc"), Is::Label(Of::Kind(User))),
        rule(concat!($at, "id"), Is::Fact(Fact::ReplyTo)),
        rule(concat!($at, "method"), Is::Fact(Fact::Operation)),
        rule(concat!($at, "params/name"), Is::Fact(Fact::Tool)),
        rule(concat!($at, "params/arguments"), Is::Text(Of::Kind(ToolCall))),
        rule(concat!($at, "params/argument"), Is::Text(Of::Kind(ToolCall))),
        rule(concat!($at, "params/uri"), Is::Text(Of::Kind(ToolCall))),
        // A server that asks: for an answer of the model, or of the user.
        rule(concat!($at, "params/messages/#/content"), Is::Block(CONTENT)),
        rule(concat!($at, "params/messages/#/content/#"), Is::Block(CONTENT)),
        rule(concat!($at, "params/messages/#/content/text"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "params/messages/#/content/#/*"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "params/systemPrompt"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "params/message"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "params/requestedSchema"), Is::Schema(Of::Kind(ToolDefinition))),
        rule(concat!($at, "params/data"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "params/tools"), Is::Tools),
        // Answers.
        rule(concat!($at, "result/tools"), Is::Tools),
        rule(concat!($at, "result/prompts"), Is::Schema(Of::Kind(ToolDefinition))),
        rule(concat!($at, "result/resources"), Is::Schema(Of::Kind(ToolDefinition))),
        rule(concat!($at, "result/resourceTemplates"), Is::Schema(Of::Kind(ToolDefinition))),
        rule(concat!($at, "result/instructions"), Is::Text(Of::Kind(ToolDefinition))),
        rule(concat!($at, "result/serverInfo"), Is::Text(Of::Kind(ToolDefinition))),
        rule(concat!($at, "result/content/#"), Is::Block(CONTENT)),
        rule(concat!($at, "result/content/#/resource/blob"), Is::Media("blob")),
        rule(concat!($at, "result/content/#/*"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "result/content/text"), Is::Text(Of::Kind(ToolResult))),
        // What a user filled in.
        rule(concat!($at, "result/content/*"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "result/content"), Is::Block(CONTENT)),
        rule(concat!($at, "result/structuredContent"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "result/contents/#/text"), Is::Text(Of::Kind(Document))),
        rule(concat!($at, "result/contents/#/blob"), Is::Media("blob")),
        rule(concat!($at, "result/contents"), Is::Words(Of::Kind(Document))),
        rule(concat!($at, "result/messages"), Is::Text(Of::Kind(Document))),
        rule(concat!($at, "result/description"), Is::Text(Of::Kind(Document))),
        rule(concat!($at, "result/completion"), Is::Text(Of::Kind(Document))),
        rule(concat!($at, "result/inputRequests"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "error"), Is::Text(Of::Kind(ToolResult))),
    )*] };
}

const RULES: [Rule; 74] = messages!("", "#/");
const TABLE: Table = Table::of(ToolCall, &RULES);
/// What stands in no rule is the server's.
const ANSWER: Table = Table::of(ToolResult, &RULES);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    is_claimable: true,
    finish,
    facts: &[
        ("error/code", Tell::Error),
        ("result/resultType", Tell::Finish),
    ],
    streams: &[Framing::Events],
    ..spec("mcp", matches, (&TABLE, &ANSWER), VOICE)
};

fn matches(method: &str, path: &str) -> bool {
    matches!(method, "GET" | "POST" | "DELETE")
        && (path == "/mcp" || path.ends_with("/mcp") || path.ends_with("/mcp/"))
}

/// The name of a prompt is no tool's.
pub(crate) fn finish(_: &RequestHead<'_>, call: &mut ParsedCall<'_>) {
    let operation = call.operation.as_deref().unwrap_or("");
    if operation != "tools/call" {
        call.tools.clear();
    }
    if call.operation.is_none() {
        call.operation = Some(Cow::Borrowed("response"));
    }
    call.message_count = 1;
}
