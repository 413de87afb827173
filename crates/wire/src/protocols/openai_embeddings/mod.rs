//! OpenAI embeddings: `POST …/v1/embeddings`.
//!
//! Source: OpenAI API reference, "Create embeddings". What is embedded is read later by a model:
//! poisoned documents enter a vector store here. Token ids cannot be read here and are
//! `Unjudged`. An embedding cannot say no: a refusal is an error.

use atalaya_model::SegmentKind::{Document, Response, User};

use super::openai;
use crate::rules::{Fact, Is, Of, Table, rule};
use crate::spec::{Spec, spec};

const REQUEST: Table = Table {
    required: Some("/input"),
    ..Table::of(
        User,
        &[
            rule("input", Is::Tokens(Of::Kind(Document))),
            rule("model", Is::Fact(Fact::Model)),
            rule("user", Is::Fact(Fact::User)),
        ],
    )
};

const ANSWER: Table = Table::of(
    Response,
    &[rule("data/#/embedding", Is::Label(Of::Kind(Response)))],
);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    facts: openai::FACTS,
    finish: |_, call| call.message_count = 1,
    ..spec(
        "openai.embeddings",
        matches,
        (&REQUEST, &ANSWER),
        openai::ERRORS,
    )
};

fn matches(method: &str, path: &str) -> bool {
    method == "POST" && openai::is(path, "embeddings")
}
