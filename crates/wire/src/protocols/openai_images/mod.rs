//! OpenAI images: `POST …/v1/images/{generations,edits,variations}`.
//!
//! Source: OpenAI API reference, "Images". A prompt is text and judged; pictures that are sent
//! and made are `Unjudged` media. A picture cannot say no: a refusal is an error.

use atalaya_model::SegmentKind::{Response, User};

use super::openai;
use crate::framing::Framing;
use crate::rules::{Fact, Is, Of, Table, rule};
use crate::spec::{Body, Spec, spec};

const REQUEST: Table = Table::of(
    User,
    &[
        rule("prompt", Is::Text(Of::Kind(User))),
        rule("image", Is::Media("image")),
        rule("images", Is::Media("image")),
        rule("mask", Is::Media("image")),
        rule("model", Is::Fact(Fact::Model)),
        rule("stream", Is::Fact(Fact::Stream)),
        rule("n", Is::Fact(Fact::Candidates)),
        rule("user", Is::Fact(Fact::User)),
    ],
);

const ANSWER: Table = Table::of(
    Response,
    &[
        rule("data/#/b64_json", Is::Media("image")),
        rule("data/#/url", Is::Media("image_url")),
        rule("data/#/revised_prompt", Is::Text(Of::Kind(Response))),
        rule("b64_json", Is::Media("image")),
    ],
);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    body: Body::JsonOrForm,
    facts: openai::FACTS,
    streams: &[Framing::Events],
    finish: |_, call| {
        call.message_count = 1;
        call.user_turns = 1;
    },
    ..spec(
        "openai.images",
        matches,
        (&REQUEST, &ANSWER),
        openai::ERRORS,
    )
};

fn matches(method: &str, path: &str) -> bool {
    method == "POST"
        && ["images/generations", "images/edits", "images/variations"]
            .iter()
            .any(|name| openai::is(path, name))
}
