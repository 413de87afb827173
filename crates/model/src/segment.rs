//! The pieces of a call that detectors look at, each with the role that gives it its meaning.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::Span;

/// Where in a call a piece of text stands. The values of `SegmentRole` in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentKind {
    /// System, developer or instruction text: the application's own voice.
    System,
    /// The caller's text.
    User,
    /// Earlier answers of the model, replayed by the caller.
    Assistant,
    /// The model's visible or encrypted reasoning, replayed by the caller.
    Reasoning,
    /// Name, description and schema of a tool.
    ToolDefinition,
    /// Arguments of a tool call.
    ToolCall,
    /// What a tool answered.
    ToolResult,
    /// A document, search result or other retrieved material.
    Document,
    /// The model's answer on its way back.
    Response,
}

impl SegmentKind {
    /// The name used in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Reasoning => "reasoning",
            Self::ToolDefinition => "tool_definition",
            Self::ToolCall => "tool_call",
            Self::ToolResult => "tool_result",
            Self::Document => "document",
            Self::Response => "response",
        }
    }

    /// The prior under which detectors read this segment.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::System => Role::Instruction,
            Self::User => Role::User,
            Self::Assistant | Self::Reasoning | Self::ToolCall | Self::Response => Role::Model,
            Self::ToolDefinition => Role::ToolDefinition,
            Self::ToolResult => Role::ToolOutput,
            Self::Document => Role::Document,
        }
    }
}

/// The prior: an instruction in a user's mouth is normal, in a document it is suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The application's own instructions.
    Instruction,
    /// The caller.
    User,
    /// The model itself.
    Model,
    /// A tool's description.
    ToolDefinition,
    /// A tool's answer.
    ToolOutput,
    /// Retrieved or attached material.
    Document,
}

/// A piece of a call, decoded, with the way back to the bytes it came from.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// Where it stands.
    pub kind: SegmentKind,
    /// JSON Pointer (RFC 6901) of the string in the body, for people and for the log.
    pub path: Cow<'a, str>,
    /// Byte span of the string's *content* in the body: between the quotes, still escaped.
    pub body: Span,
    /// The decoded text. Borrowed when the string had no escapes.
    pub text: Cow<'a, str>,
}
