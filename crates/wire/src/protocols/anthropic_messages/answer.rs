//! What stands where in the answer to a Messages call, whole and streamed.

use atalaya_model::SegmentKind::{Document, Reasoning, Response, ToolCall, ToolResult};

use crate::rules::{Block, Is, Of, Table, rule};

/// Types of content blocks in answers.
pub(crate) const BLOCKS: &[(&str, Block)] = &[
    ("text", Block::Plain),
    ("thinking", Block::Of(Reasoning)),
    ("redacted_thinking", Block::Opaque),
    ("tool_use", Block::Of(ToolCall)),
    ("server_tool_use", Block::Of(ToolCall)),
    ("mcp_tool_use", Block::Of(ToolCall)),
    ("mcp_tool_result", Block::Of(ToolResult)),
    ("tool_result", Block::Of(ToolResult)),
    ("web_search_tool_result", Block::Of(ToolResult)),
    ("web_fetch_tool_result", Block::Of(ToolResult)),
    ("code_execution_tool_result", Block::Of(ToolResult)),
    ("bash_code_execution_tool_result", Block::Of(ToolResult)),
    (
        "text_editor_code_execution_tool_result",
        Block::Of(ToolResult),
    ),
    ("tool_search_tool_result", Block::Of(ToolResult)),
    ("container_upload", Block::Opaque),
    ("compaction", Block::Plain),
    ("image", Block::Media),
];

pub(crate) const ANSWER: Table = Table::of(
    Response,
    &[
        rule("content/#", Is::Block(BLOCKS)),
        rule("content/#/text", Is::Text(Of::Turn)),
        rule("content/#/thinking", Is::Text(Of::Turn)),
        rule("content/#/data", Is::Label(Of::Turn)),
        rule("content/#/signature", Is::Label(Of::Turn)),
        rule("content/#/input", Is::Text(Of::Turn)),
        rule(
            "content/#/content/#/encrypted_content",
            Is::Opaque("encrypted_content"),
        ),
        rule("content/#/content", Is::Text(Of::Turn)),
        rule("content/#/citations", Is::Text(Of::Kind(Document))),
        rule("content_block", Is::Block(BLOCKS)),
        rule("content_block/text", Is::Delta(Of::Turn)),
        rule("content_block/thinking", Is::Delta(Of::Turn)),
        rule("content_block/data", Is::Label(Of::Turn)),
        rule("content_block/input", Is::Text(Of::Turn)),
        rule(
            "content_block/content/#/encrypted_content",
            Is::Opaque("encrypted_content"),
        ),
        rule("content_block/content", Is::Text(Of::Turn)),
        rule("content_block/citations", Is::Text(Of::Kind(Document))),
        rule("delta/text", Is::Delta(Of::Kind(Response))),
        rule("delta/thinking", Is::Delta(Of::Kind(Reasoning))),
        rule("delta/partial_json", Is::DeltaJson(Of::Kind(ToolCall))),
        rule("delta/signature", Is::Label(Of::Kind(Reasoning))),
        rule("delta/citation", Is::Text(Of::Kind(Document))),
        rule("message/content/#", Is::Block(BLOCKS)),
        rule("message/content/#/text", Is::Text(Of::Turn)),
        rule("error/message", Is::Text(Of::Kind(Response))),
    ],
);
