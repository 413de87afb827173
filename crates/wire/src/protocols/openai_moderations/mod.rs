//! OpenAI moderations: `POST …/v1/moderations`.
//!
//! Source: OpenAI API reference, "Create moderation". The text is judged as any other: a
//! classifier is a model too, and what is sent to it leaves the house.

use atalaya_model::SegmentKind::{Response, User};

use super::openai;
use crate::rules::{Block, Fact, Is, Of, Table, rule};
use crate::spec::{Spec, spec};

const REQUEST: Table = Table {
    required: Some("/input"),
    ..Table::of(
        User,
        &[
            rule("input", Is::Words(Of::Kind(User))),
            rule("input/#", Is::Words(Of::Kind(User))),
            rule(
                "input/#",
                Is::Block(&[("text", Block::Plain), ("image_url", Block::Media)]),
            ),
            rule("input/#/text", Is::Text(Of::Kind(User))),
            rule("model", Is::Fact(Fact::Model)),
        ],
    )
};

const ANSWER: Table = Table::of(Response, &[]);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    facts: openai::FACTS,
    finish: |_, call| {
        call.message_count = 1;
        call.user_turns = 1;
    },
    ..spec(
        "openai.moderations",
        matches,
        (&REQUEST, &ANSWER),
        openai::ERRORS,
    )
};

fn matches(method: &str, path: &str) -> bool {
    method == "POST" && openai::is(path, "moderations")
}
