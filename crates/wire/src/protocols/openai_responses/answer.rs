//! What stands where in a response, whole and in its streaming events. An event repeats what came
//! in pieces before (`…done`, `response.completed`): each repetition is judged as a text of its
//! own, so that what was masked in the pieces is masked there too.

use atalaya_model::SegmentKind::{Document, Reasoning, Response, System, ToolCall, ToolResult};

use crate::rules::{Block, Is, Of, Rule, Table, rule};

/// Types of the items of an answer.
const ITEMS: &[(&str, Block)] = &[
    ("message", Block::Plain),
    ("reasoning", Block::Of(Reasoning)),
    ("compaction", Block::Plain),
    ("function_call", Block::Of(ToolCall)),
    ("function_call_output", Block::Of(ToolResult)),
    ("custom_tool_call", Block::Of(ToolCall)),
    ("custom_tool_call_output", Block::Of(ToolResult)),
    ("computer_call", Block::Of(ToolCall)),
    ("computer_call_output", Block::Of(ToolResult)),
    ("local_shell_call", Block::Of(ToolCall)),
    ("shell_call", Block::Of(ToolCall)),
    ("shell_call_output", Block::Of(ToolResult)),
    ("apply_patch_call", Block::Of(ToolCall)),
    ("code_interpreter_call", Block::Of(ToolCall)),
    ("file_search_call", Block::Of(ToolCall)),
    ("web_search_call", Block::Of(ToolCall)),
    ("image_generation_call", Block::Media),
    ("mcp_call", Block::Of(ToolCall)),
    ("mcp_list_tools", Block::Plain),
    ("mcp_approval_request", Block::Of(ToolCall)),
];

/// Types of events.
const EVENTS: &[(&str, Block)] = &[
    ("response.created", Block::Plain),
    ("response.queued", Block::Plain),
    ("response.in_progress", Block::Plain),
    ("response.completed", Block::Plain),
    ("response.incomplete", Block::Plain),
    ("response.failed", Block::Plain),
    ("response.output_item.added", Block::Plain),
    ("response.output_item.done", Block::Plain),
    ("response.content_part.added", Block::Plain),
    ("response.content_part.done", Block::Plain),
    ("response.output_text.delta", Block::Plain),
    ("response.output_text.done", Block::Plain),
    ("response.output_text.annotation.added", Block::Plain),
    ("response.refusal.delta", Block::Plain),
    ("response.refusal.done", Block::Plain),
    ("response.reasoning_text.delta", Block::Of(Reasoning)),
    ("response.reasoning_text.done", Block::Of(Reasoning)),
    (
        "response.reasoning_summary_part.added",
        Block::Of(Reasoning),
    ),
    ("response.reasoning_summary_part.done", Block::Of(Reasoning)),
    (
        "response.reasoning_summary_text.delta",
        Block::Of(Reasoning),
    ),
    ("response.reasoning_summary_text.done", Block::Of(Reasoning)),
    (
        "response.function_call_arguments.delta",
        Block::Of(ToolCall),
    ),
    ("response.function_call_arguments.done", Block::Of(ToolCall)),
    ("response.custom_tool_call_input.delta", Block::Of(ToolCall)),
    ("response.custom_tool_call_input.done", Block::Of(ToolCall)),
    ("response.mcp_call_arguments.delta", Block::Of(ToolCall)),
    ("response.mcp_call_arguments.done", Block::Of(ToolCall)),
    ("response.mcp_call.in_progress", Block::Plain),
    ("response.mcp_call.completed", Block::Plain),
    ("response.mcp_call.failed", Block::Plain),
    ("response.mcp_list_tools.in_progress", Block::Plain),
    ("response.mcp_list_tools.completed", Block::Plain),
    ("response.mcp_list_tools.failed", Block::Plain),
    (
        "response.code_interpreter_call_code.delta",
        Block::Of(ToolCall),
    ),
    (
        "response.code_interpreter_call_code.done",
        Block::Of(ToolCall),
    ),
    ("response.code_interpreter_call.in_progress", Block::Plain),
    ("response.code_interpreter_call.interpreting", Block::Plain),
    ("response.code_interpreter_call.completed", Block::Plain),
    ("response.file_search_call.in_progress", Block::Plain),
    ("response.file_search_call.searching", Block::Plain),
    ("response.file_search_call.completed", Block::Plain),
    ("response.web_search_call.in_progress", Block::Plain),
    ("response.web_search_call.searching", Block::Plain),
    ("response.web_search_call.completed", Block::Plain),
    ("response.image_generation_call.in_progress", Block::Plain),
    ("response.image_generation_call.generating", Block::Plain),
    ("response.image_generation_call.completed", Block::Plain),
    ("response.image_generation_call.partial_image", Block::Media),
    ("response.audio.delta", Block::Media),
    ("response.audio.done", Block::Plain),
    ("response.audio.transcript.delta", Block::Plain),
    ("response.audio.transcript.done", Block::Plain),
    ("error", Block::Plain),
];

/// The rules for the items below a place.
macro_rules! items {
    ($($at:literal),*) => { [$(
        rule($at, Is::Block(ITEMS)),
        rule(concat!($at, "/content/#/text"), Is::Text(Of::Turn)),
        rule(concat!($at, "/content/#/refusal"), Is::Text(Of::Turn)),
        rule(concat!($at, "/content/#/transcript"), Is::Text(Of::Turn)),
        rule(concat!($at, "/content/#/annotations"), Is::Text(Of::Kind(Document))),
        rule(concat!($at, "/content/#/logprobs"), Is::Echo),
        rule(concat!($at, "/summary"), Is::Text(Of::Kind(Reasoning))),
        rule(concat!($at, "/encrypted_content"), Is::Opaque("encrypted_content")),
        rule(concat!($at, "/arguments"), Is::Json(Of::Kind(ToolCall))),
        rule(concat!($at, "/input"), Is::Json(Of::Kind(ToolCall))),
        rule(concat!($at, "/action"), Is::Text(Of::Kind(ToolCall))),
        rule(concat!($at, "/code"), Is::Text(Of::Kind(ToolCall))),
        rule(concat!($at, "/queries"), Is::Text(Of::Kind(ToolCall))),
        rule(concat!($at, "/output"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "/outputs"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "/results"), Is::Text(Of::Kind(Document))),
        rule(concat!($at, "/tools"), Is::Tools),
    )*] };
}

const ITEM_RULES: [Rule; 85] = items!("output/#", "data/#", "item", "response/output/#", "input/#");

const OWN_RULES: [Rule; 17] = [
    rule("", Is::Block(EVENTS)),
    rule("delta", Is::Delta(Of::Turn)),
    rule("text", Is::Words(Of::Turn)),
    rule("refusal", Is::Text(Of::Turn)),
    rule("arguments", Is::Json(Of::Kind(ToolCall))),
    rule("input", Is::Words(Of::Kind(ToolCall))),
    rule("code", Is::Words(Of::Turn)),
    rule("logprobs", Is::Echo),
    rule("annotation", Is::Text(Of::Kind(Document))),
    rule("part/text", Is::Text(Of::Turn)),
    rule("part/refusal", Is::Text(Of::Turn)),
    rule("part/annotations", Is::Text(Of::Kind(Document))),
    // What the caller sent comes back: it was judged on its way in.
    rule("instructions", Is::Text(Of::Kind(System))),
    rule("tools", Is::Tools),
    rule("response/instructions", Is::Text(Of::Kind(System))),
    rule("response/tools", Is::Tools),
    rule("response/error/message", Is::Text(Of::Kind(Response))),
];

const RULES: [Rule; 102] = {
    let mut rules = [rule("", Is::Echo); 102];
    let mut index = 0;
    while index < OWN_RULES.len() {
        rules[index] = OWN_RULES[index];
        index += 1;
    }
    while index < 102 {
        rules[index] = ITEM_RULES[index - OWN_RULES.len()];
        index += 1;
    }
    rules
};

pub(super) const ANSWER: Table = Table::of(Response, &RULES);
