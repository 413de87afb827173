//! Agent2Agent over JSON-RPC: revision 1.0 (`SendMessage`, …) and 0.3 (`message/send`, …), and the
//! agent's card.
//!
//! Source: A2A specification, "JSON-RPC protocol binding", "Agent card". What another agent says is
//! untrusted: its messages and artifacts are read as results, its card as a definition. Everybody
//! chooses the path, so a route of the configuration names the protocol. Left out: the gRPC and
//! the HTTP+JSON binding, which stay unknown routes.

use atalaya_model::SegmentKind::{Response, ToolDefinition, ToolResult, User};

use super::mcp::VOICE;
use crate::facts::Tell;
use crate::framing::Framing;
use crate::rules::{Fact, Is, Of, Rule, Table, rule};
use crate::spec::{Body, Spec, spec};

/// Members of a part in both revisions.
const PART: &[&str] = &[
    "kind",
    "text",
    "file",
    "data",
    "raw",
    "url",
    "metadata",
    "mediaType",
    "filename",
    "mimeType",
];

/// The rules for parts below a place.
macro_rules! parts {
    ($of:expr, $($at:literal),*) => { [$(
        rule($at, Is::Keyed(PART)),
        rule(concat!($at, "/text"), Is::Text($of)),
        rule(concat!($at, "/file"), Is::Media("file")),
        rule(concat!($at, "/raw"), Is::Media("file")),
        rule(concat!($at, "/url"), Is::Media("url")),
        rule(concat!($at, "/data"), Is::Text($of)),
        rule(concat!($at, "/metadata"), Is::Text($of)),
    )*] };
}

const REQUEST_PARTS: [Rule; 14] = parts!(
    Of::Kind(User),
    "params/message/parts/#",
    "params/request/message/parts/#"
);

const REQUEST_RULES: [Rule; 19] = {
    let mut rules = [rule("", Is::Echo); 19];
    let mut index = 0;
    while index < 14 {
        rules[index] = REQUEST_PARTS[index];
        index += 1;
    }
    rules[14] = rule("id", Is::Fact(Fact::ReplyTo));
    rules[15] = rule("method", Is::Fact(Fact::Operation));
    rules[16] = rule("params/message/contextId", Is::Fact(Fact::Session));
    rules[17] = rule("params/metadata", Is::Text(Of::Kind(User)));
    rules[18] = rule("params/message/metadata", Is::Text(Of::Kind(User)));
    rules
};

const REQUEST: Table = Table {
    required: Some("/method"),
    ..Table::of(User, &REQUEST_RULES)
};

const ANSWER_PARTS: [Rule; 77] = parts!(
    Of::Kind(ToolResult),
    "result/parts/#",
    "result/message/parts/#",
    "result/task/artifacts/#/parts/#",
    "result/task/status/message/parts/#",
    "result/task/history/#/parts/#",
    "result/artifacts/#/parts/#",
    "result/history/#/parts/#",
    "result/status/message/parts/#",
    "result/artifactUpdate/artifact/parts/#",
    "result/statusUpdate/status/message/parts/#",
    "result/artifact/parts/#"
);

const ANSWER_RULES: [Rule; 80] = {
    let mut rules = [rule("", Is::Echo); 80];
    // An artifact that comes in pieces (`append`): its texts are one text.
    rules[0] = rule(
        "result/artifact/parts/#/text",
        Is::Delta(Of::Kind(ToolResult)),
    );
    rules[1] = rule(
        "result/artifactUpdate/artifact/parts/#/text",
        Is::Delta(Of::Kind(ToolResult)),
    );
    let mut index = 2;
    while index < 79 {
        rules[index] = ANSWER_PARTS[index - 2];
        index += 1;
    }
    rules[79] = rule("error", Is::Text(Of::Kind(ToolResult)));
    rules
};

const ANSWER: Table = Table::of(ToolResult, &ANSWER_RULES);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    is_claimable: true,
    finish: |_, call| {
        let operation = call.operation.as_deref().unwrap_or("");
        call.stream = matches!(
            operation,
            "message/stream"
                | "tasks/resubscribe"
                | "SendStreamingMessage"
                | "SubscribeToTask"
                | "TaskSubscription"
        );
        if call.stream {
            call.framing = Framing::Events;
        }
        call.message_count = 1;
        call.user_turns = 1;
    },
    facts: &[
        ("error/code", Tell::Error),
        ("result/id", Tell::Id),
        ("result/status/state", Tell::Finish),
        ("result/task/status/state", Tell::Finish),
        ("result/statusUpdate/status/state", Tell::Finish),
    ],
    streams: &[Framing::Events],
    ..spec("a2a", matches, (&REQUEST, &ANSWER), VOICE)
};

const NOTHING: Table = Table::of(Response, &[]);
const CARD: Table = Table::of(
    ToolDefinition,
    &[
        rule("description", Is::Text(Of::Kind(ToolDefinition))),
        rule("skills", Is::Text(Of::Kind(ToolDefinition))),
    ],
);

/// The agent's card.
pub(crate) const CARDS: Spec = Spec {
    body: Body::Empty,
    ..spec(
        "a2a.card",
        matches_card,
        (&NOTHING, &CARD),
        super::openai::ERRORS,
    )
};

fn matches(method: &str, path: &str) -> bool {
    method == "POST" && (path.ends_with("/a2a") || path.ends_with("/a2a/"))
}

fn matches_card(method: &str, path: &str) -> bool {
    method == "GET"
        && (path.ends_with("/.well-known/agent-card.json")
            || path.ends_with("/.well-known/agent.json"))
}
