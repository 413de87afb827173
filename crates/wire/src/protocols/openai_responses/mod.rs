//! OpenAI Responses: `POST …/v1/responses`, `…/compact`, `…/input_tokens`, and reading, deleting
//! and cancelling what is stored.
//!
//! Source: OpenAI API reference, "Responses", and its streaming events. Earlier turns may lie with
//! the provider alone (`previous_response_id`, `conversation`, stored prompts, item references):
//! what they say nobody here can read, so they are `Unjudged`. Over a web socket each message
//! `response.create` is such a request, and each event a message.

mod answer;
mod answers;
mod request;

use answer::ANSWER;
use request::REQUEST;

use super::{openai, openai_chat};
use crate::edit::{content, json_string};
use crate::facts::Tell;
use crate::framing::Framing;
use crate::instruct::{Instructions, Part};
use crate::json::Kind;
use crate::rules::Table;
use crate::spec::{Body, Spec, Voice, spec};
use crate::weaken::{Shape, Weakening};

const FACTS: &[(&str, Tell)] = &[
    ("id", Tell::Id),
    ("model", Tell::Model),
    ("status", Tell::Finish),
    ("incomplete_details/reason", Tell::Finish),
    ("output/#/name", Tell::Tool),
    ("usage/input_tokens", Tell::Input),
    ("usage/output_tokens", Tell::Output),
    ("usage/input_tokens_details/cached_tokens", Tell::Cached),
    (
        "usage/output_tokens_details/reasoning_tokens",
        Tell::Reasoning,
    ),
    ("error/type", Tell::Error),
    ("error/code", Tell::Error),
    ("response/id", Tell::Id),
    ("response/model", Tell::Model),
    ("response/status", Tell::Finish),
    ("response/incomplete_details/reason", Tell::Finish),
    ("response/output/#/name", Tell::Tool),
    ("response/usage/input_tokens", Tell::Input),
    ("response/usage/output_tokens", Tell::Output),
    (
        "response/usage/input_tokens_details/cached_tokens",
        Tell::Cached,
    ),
    (
        "response/usage/output_tokens_details/reasoning_tokens",
        Tell::Reasoning,
    ),
    ("response/error/code", Tell::Error),
    ("type", Tell::Ends("response.completed")),
    ("type", Tell::Ends("response.incomplete")),
    ("type", Tell::Ends("response.failed")),
];

const VOICE: Voice = Voice {
    refusal: answers::refusal,
    error: openai_chat::answers::error,
    stream_error: answers::stream_error,
    stop: answers::stop,
};

/// Making a response.
pub(crate) const PROTOCOL: Spec = Spec {
    shape: Shape {
        output_tokens: &["max_output_tokens"],
        temperature: Some("temperature"),
        tools: &["tools", "tool_choice", "parallel_tool_calls"],
        ..Shape::NONE
    },
    extra: |weakening, constraints| {
        if let Some(text) = &constraints.safety_message {
            safety_message(weakening, text);
        }
        Ok(())
    },
    instructions: Instructions::MemberOrMessages("instructions", ("input", Part::Input)),
    facts: FACTS,
    streams: &[Framing::Events],
    end_marker: b"[DONE]",
    finish: |_, call| {
        if call.message_count == 0 {
            call.message_count = 1;
            call.user_turns = 1;
        }
    },
    ..spec("openai.responses", matches, (&REQUEST, &ANSWER), VOICE)
};

/// Nothing is brought along when a stored response is read, deleted or cancelled.
const NOTHING: Table = Table::of(atalaya_model::SegmentKind::User, &[]);

/// What is done with stored responses.
pub(crate) const STORED: Spec = Spec {
    body: Body::Empty,
    facts: FACTS,
    streams: &[Framing::Events],
    end_marker: b"[DONE]",
    ..spec(
        "openai.responses_stored",
        matches_stored,
        (&NOTHING, &ANSWER),
        openai::ERRORS,
    )
};

/// Opening a web socket, over which responses are then asked for.
pub(crate) const SOCKET: Spec = Spec {
    name: PROTOCOL.name,
    ..STORED
};

pub(crate) fn opens_socket(method: &str, path: &str) -> bool {
    method == "GET" && openai::is(path, "responses")
}

fn matches(method: &str, path: &str) -> bool {
    method == "POST"
        && (openai::is(path, "responses")
            || path.ends_with("/v1/responses/compact")
            || path.ends_with("/v1/responses/input_tokens"))
}

fn matches_stored(method: &str, path: &str) -> bool {
    let is_stored = path.contains("/v1/responses/");
    is_stored
        && (matches!(method, "GET" | "DELETE") || (method == "POST" && path.ends_with("/cancel")))
}

fn safety_message(weakening: &mut Weakening<'_, '_>, text: &str) {
    let literal = json_string(text);
    let (root, edits) = (weakening.root, &mut weakening.edits);
    match root.get("instructions") {
        Some(instructions) if instructions.kind() == Kind::String => edits.insert(
            instructions.span().start,
            format!("{}\\n\\n", content(&literal)),
        ),
        Some(other) => edits.replace(other.outer_span(), literal),
        None => edits.add_member(root, "instructions", &literal),
    }
    weakening.note("safety_message", 1);
}
