//! OpenAI audio: `POST …/v1/audio/{speech,transcriptions,translations}`.
//!
//! Source: OpenAI API reference, "Audio". What is to be spoken is text and judged; what was said
//! comes as a form with a sound, which is `Unjudged`, and leaves as text, which is judged.

use atalaya_model::SegmentKind::{Response, System, User};

use super::openai;
use crate::framing::Framing;
use crate::rules::{Fact, Is, Of, Table, rule};
use crate::spec::{Body, Spec, spec};

const REQUEST: Table = Table::of(
    User,
    &[
        rule("input", Is::Text(Of::Kind(User))),
        rule("prompt", Is::Text(Of::Kind(User))),
        rule("instructions", Is::Text(Of::Kind(System))),
        rule("file", Is::Media("audio")),
        rule("model", Is::Fact(Fact::Model)),
        rule("stream", Is::Fact(Fact::Stream)),
        rule("temperature", Is::Fact(Fact::Temperature)),
    ],
);

const ANSWER: Table = Table::of(
    Response,
    &[
        rule("text", Is::Text(Of::Kind(Response))),
        rule("delta", Is::Delta(Of::Kind(Response))),
        rule("segments/#/text", Is::Text(Of::Kind(Response))),
        rule("segments/#/tokens", Is::Echo),
        rule("words", Is::Echo),
        rule("logprobs", Is::Echo),
        rule("audio", Is::Media("audio")),
    ],
);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    body: Body::JsonOrForm,
    facts: openai::FACTS,
    streams: &[Framing::Events],
    end_marker: b"[DONE]",
    finish: |head, call| {
        call.message_count = 1;
        call.user_turns = 1;
        // Speech is bytes unless it is asked for as events.
        call.stream &= !head.path.ends_with("/speech");
    },
    ..spec("openai.audio", matches, (&REQUEST, &ANSWER), openai::ERRORS)
};

fn matches(method: &str, path: &str) -> bool {
    method == "POST"
        && ["audio/speech", "audio/transcriptions", "audio/translations"]
            .iter()
            .any(|name| openai::is(path, name))
}
