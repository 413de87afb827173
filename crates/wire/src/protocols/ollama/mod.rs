//! Ollama's own API: `/api/chat`, `/api/generate`, `/api/embed` and `/api/embeddings`, and what
//! only asks (`/api/tags`, `/api/show`, `/api/ps`, `/api/version`, `HEAD /`).
//!
//! Source: Ollama API documentation. Streams are JSON lines, and a call without `stream` is one.
//! Operations that change models (`pull`, `create`, `delete`, …) are no use of a model: they stay
//! unknown routes.

mod answers;

use atalaya_model::SegmentKind::{
    Assistant, Document, Reasoning, Response, System, ToolCall, ToolDefinition, ToolResult, User,
};

use crate::edit::{content, json_string};
use crate::facts::Tell;
use crate::framing::Framing;
use crate::instruct::{Instructions, Part};
use crate::json::Kind;
use crate::rules::{Fact, Is, Of, Table, rule};
use crate::spec::{Body, Spec, spec};
use crate::weaken::{Shape, Weakening};

const CHAT: Table = Table {
    roles: &[
        ("system", System),
        ("user", User),
        ("assistant", Assistant),
        ("tool", ToolResult),
    ],
    required: Some("/messages"),
    streams: true,
    ..Table::of(
        User,
        &[
            rule("messages/#", Is::Turn),
            rule("messages/#/content", Is::Text(Of::Turn)),
            rule("messages/#/thinking", Is::Text(Of::Kind(Reasoning))),
            rule("messages/#/images", Is::Media("image")),
            rule(
                "messages/#/tool_calls/#/function/arguments",
                Is::Json(Of::Kind(ToolCall)),
            ),
            rule("tools", Is::Tools),
            rule("format", Is::Schema(Of::Kind(ToolDefinition))),
            rule("model", Is::Fact(Fact::Model)),
            rule("stream", Is::Fact(Fact::Stream)),
            rule("options/num_predict", Is::Fact(Fact::MaxTokens)),
            rule("options/temperature", Is::Fact(Fact::Temperature)),
            rule("options/stop", Is::Text(Of::Kind(User))),
        ],
    )
};

const GENERATE: Table = Table {
    streams: true,
    ..Table::of(
        User,
        &[
            rule("prompt", Is::Text(Of::Kind(User))),
            rule("suffix", Is::Text(Of::Kind(User))),
            rule("system", Is::Text(Of::Kind(System))),
            rule("template", Is::Text(Of::Kind(System))),
            rule("context", Is::Opaque("token_ids")),
            rule("images", Is::Media("image")),
            rule("format", Is::Schema(Of::Kind(ToolDefinition))),
            rule("model", Is::Fact(Fact::Model)),
            rule("stream", Is::Fact(Fact::Stream)),
            rule("options/num_predict", Is::Fact(Fact::MaxTokens)),
            rule("options/temperature", Is::Fact(Fact::Temperature)),
            rule("options/stop", Is::Text(Of::Kind(User))),
        ],
    )
};

const EMBED: Table = Table::of(
    User,
    &[
        rule("input", Is::Tokens(Of::Kind(Document))),
        rule("prompt", Is::Text(Of::Kind(Document))),
        rule("model", Is::Fact(Fact::Model)),
    ],
);

const ANSWER: Table = Table::of(
    Response,
    &[
        rule("message/content", Is::Delta(Of::Kind(Response))),
        rule("message/thinking", Is::Delta(Of::Kind(Reasoning))),
        rule("message/images", Is::Media("image")),
        rule(
            "message/tool_calls/#/function/arguments",
            Is::Json(Of::Kind(ToolCall)),
        ),
        rule("response", Is::Delta(Of::Kind(Response))),
        rule("thinking", Is::Delta(Of::Kind(Reasoning))),
        rule("logprobs", Is::Echo),
        // The conversation as token ids, for the next call.
        rule("context", Is::Opaque("token_ids")),
    ],
);

const FACTS: &[(&str, Tell)] = &[
    ("model", Tell::Model),
    ("done_reason", Tell::FinishEnds),
    ("message/tool_calls/#/function/name", Tell::Tool),
    ("prompt_eval_count", Tell::Input),
    ("eval_count", Tell::Output),
    ("error", Tell::Error),
];

const SHAPE: Shape = Shape {
    settings: Some("options"),
    output_tokens: &["num_predict"],
    temperature: Some("temperature"),
    tools: &["tools"],
    ..Shape::NONE
};

/// Conversations.
pub(crate) const CHATS: Spec = Spec {
    facts: FACTS,
    shape: SHAPE,
    extra: |weakening, constraints| {
        let messages = weakening.root.get("messages");
        if let (Some(text), Some(messages)) = (&constraints.safety_message, messages) {
            let message = format!("{{\"role\":\"system\",\"content\":{}}}", json_string(text));
            weakening.edits.add_first(messages, &message);
            weakening.note("safety_message", 1);
        }
        Ok(())
    },
    instructions: Instructions::Messages("messages", Part::Text),
    streams: &[Framing::Lines],
    framing: lines,
    ..spec(
        "ollama.chat",
        |method, path| method == "POST" && path.ends_with("/api/chat"),
        (&CHAT, &ANSWER),
        answers::CHAT,
    )
};

/// Texts that are continued.
pub(crate) const GENERATES: Spec = Spec {
    facts: FACTS,
    shape: SHAPE,
    extra: |weakening, constraints| {
        if let Some(text) = &constraints.safety_message {
            safety_message(weakening, text);
        }
        Ok(())
    },
    instructions: Instructions::Member("system", Part::Text),
    streams: &[Framing::Lines],
    framing: lines,
    finish: |_, call| {
        call.message_count = 1;
        call.user_turns = 1;
    },
    ..spec(
        "ollama.generate",
        |method, path| method == "POST" && path.ends_with("/api/generate"),
        (&GENERATE, &ANSWER),
        answers::GENERATE,
    )
};

/// Embeddings.
pub(crate) const EMBEDS: Spec = Spec {
    facts: FACTS,
    finish: |_, call| call.message_count = 1,
    ..spec(
        "ollama.embed",
        |method, path| {
            method == "POST" && (path.ends_with("/api/embed") || path.ends_with("/api/embeddings"))
        },
        (&EMBED, &ANSWER),
        answers::ERRORS,
    )
};

const SHOW: Table = Table::of(User, &[rule("model", Is::Fact(Fact::Model))]);
/// What a model is made of holds its system prompt and template.
const SHOWN: Table = Table::of(
    Response,
    &[
        rule("system", Is::Text(Of::Kind(System))),
        rule("template", Is::Text(Of::Kind(System))),
        rule("modelfile", Is::Text(Of::Kind(System))),
    ],
);
const NOTHING: Table = Table::of(User, &[]);

/// Asking about one model.
pub(crate) const SHOWS: Spec = Spec {
    facts: FACTS,
    ..spec(
        "ollama.show",
        |method, path| method == "POST" && path.ends_with("/api/show"),
        (&SHOW, &SHOWN),
        answers::ERRORS,
    )
};

/// Asking which models there are.
pub(crate) const LISTS: Spec = Spec {
    body: Body::Empty,
    facts: FACTS,
    ..spec(
        "ollama.list",
        |method, path| {
            // The command line asks with the second whether anybody is there.
            method == "GET"
                && ["/api/tags", "/api/ps", "/api/version"]
                    .iter()
                    .any(|end| path.ends_with(end))
                || method == "HEAD" && path == "/"
        },
        (&NOTHING, &ANSWER),
        answers::ERRORS,
    )
};

/// Some servers announce their JSON lines as plain JSON.
fn lines(content_type: &str, asked: Framing) -> Framing {
    match (Framing::of(content_type), asked) {
        (Framing::Whole, Framing::Lines) => Framing::Lines,
        (framing, _) => framing,
    }
}

fn safety_message(weakening: &mut Weakening<'_, '_>, text: &str) {
    let literal = json_string(text);
    let (root, edits) = (weakening.root, &mut weakening.edits);
    match root.get("system") {
        Some(system) if system.kind() == Kind::String => {
            edits.insert(system.span().start, format!("{}\\n\\n", content(&literal)));
        }
        Some(other) => edits.replace(other.outer_span(), literal),
        None => edits.add_member(root, "system", &literal),
    }
    weakening.note("safety_message", 1);
}
